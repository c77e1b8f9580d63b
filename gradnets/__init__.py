"""The shared parts: one folder a subject, and small tools that know no subject.

    experiment    run a script: constants and flags, results, sweeps, many seeds, a store of finished runs
    datasets      data sets by name
    networks      matrices become networks: sampling, metrics, null models, Kronecker fractals
    motifs        colored subgraphs of 3 to 5 nodes and their significance
    sparse        packing, pruning and training of sparse nets
    curvature     derivatives of second and third order, and steps that use them
    checkpoints   tensors of one's own: reading, recording, diagnosis of layers
    tails         fits of heavy tails
    dynamics      Lyapunov exponents
    plots         the house style of figures
"""
from gradnets import caches

caches.prepare()
