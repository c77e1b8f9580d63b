"""Is a sampled gradient a social network?

Takes the gradient of one step of training, absolute values over the largest, as chances of links; draws networks
from it and compares them with what chance gives: as many links anywhere in the matrix (shuffled entries) or among the
nodes that have one (Erdős-Rényi), the same degrees after merging (undirected configuration), and the same out-degrees
of the inputs and in-degrees of the hidden units (directed configuration).

Figure: the gradient, one network drawn from it, the degrees of both sides (CCDF, log-log, with the band of
shuffled entries), and clustering, path length and diameter of the drawn networks beside those of each null.

MODEL rbm takes the gradient of a restricted Boltzmann machine instead, for which the source hoped the same. With
--gradient FILE it takes a matrix of your own, and trains nothing: a gradient that gradnets.record or your training loop
wrote, .npy, .npz or .safetensors; --list shows what the file holds, --layer picks one matrix.

Source: the essay "Social Network Patterns in Neural Network Gradients" (2016). Its net is a 784-784-10 tanh net
with a bias on the input layer alone, squared error, weights uniform in ±0.25, trained on single samples. It merges
input i and hidden unit i into one node, and so does this script where there are as many, unless LAYERS says bipartite.

Takes 2 s on MNIST, 40 s and 1 GB on CIFAR-10, of one core.
"""
from pathlib import Path

import numpy as np

import mlp
import rbm
from gradnets import comparison, datasets, experiment, graphs, nulls, plots, tensors

GRADIENT = ""               # a file with a gradient of your own: .npy, .npz or .safetensors
LAYER = "*"                 # of GRADIENT: the matrix, by its name or a pattern that only it has
KERNELS = "oihw"            # axes of convolutions' kernels in GRADIENT: oihw (PyTorch) or hwio (JAX, Keras)
LIST = False                # only show what is in GRADIENT
MODEL = "mlp"               # mlp: a perceptron; rbm: a restricted Boltzmann machine by contrastive divergence (CD-1)
DATASET = "glyphs"          # glyphs, noise, noise-constant, mnist, cifar10, cifar100, tree or clusters
IMAGES = 10_000             # at most so many training images, from the first on (the essay: 50_000)
HIDDEN_UNITS = "inputs"     # a number, or inputs: as many as there are inputs, which makes the gradient square
ACTIVATION = "tanh"         # of the perceptron: tanh, relu or leaky(slope)
LOSS = "squared"            # of the perceptron: squared or cross-entropy
INIT = "default"            # uniform(scale), normal(scale), glorot, glorot-normal, orthogonal(gain), or the model's own
LEARNING_RATE = 0.1         # step length (the essay: 0.1, and 0.01 and 1.0)
STEPS = 500                 # the gradient is that of the last one; 1 takes it from the untrained net
BATCH_SIZE = 1              # samples a step
SEED = 0                    # seeds data, weights, order of the samples and links
DRAWS = 50                  # networks drawn, of the gradient and of each null
METHOD = "sample"           # sample: links by chance; threshold: the largest entries
CUT = 0.0                   # for threshold: keep entries above this share of the largest; 0: as many as sampling
LAYERS = "auto"             # merged (input i and hidden unit i are one node), bipartite, or auto: merged where square
GRAPHML = False             # also write the first network drawn, for Gephi, Cytoscape or networkx

DEFAULT_INITS = {"mlp": "uniform(0.25)", "rbm": "normal(0.01)"}  # the essay's; Hinton's practical guide of 2010
METHODS = ("sample", "threshold")
# The essay's own numbers, one network each: (diameter, clustering) by data set and learning rate.
ESSAY = {("mnist", 0.01): (5, 0.259), ("mnist", 0.1): (4, 0.279), ("mnist", 1.0): (6, 0.08),
         ("cifar10", 0.1): (4, 0.215)}


def last_gradient(dataset, hidden_units, steps, learning_rate, batch_size, seed, model="mlp", init="default", **net):
    """The gradient of the last step's first layer of weights, and how many steps had none.

    Returns float64 (inputs + 1, hidden_units) of a perceptron, its bias as the last row, as in the essay, or (inputs,
    hidden_units) of a Boltzmann machine; and an int: the steps whose gradient is zero or not finite.
    """
    inputs = dataset.inputs.shape[1]
    init = DEFAULT_INITS[model] if init == "default" else init
    if model == "rbm":
        network = rbm.RBM(inputs, hidden_units, init, seed)
    else:
        network = mlp.MLP((inputs, hidden_units, dataset.classes), init=init, seed=seed, biases=(True, False), **net)
    training = {"mlp": mlp, "rbm": rbm}[model].train(network, dataset, steps, learning_rate, batch_size, seed)
    degenerate = 0
    for step in experiment.progress(training, total=steps, what="training"):
        moved = step.gradients[0] if model == "rbm" else step.deltas[0]  # deltas are cheaper to look at
        degenerate += not (np.isfinite(moved).all() and moved.any())
    if model == "rbm":
        return step.gradients[0], degenerate
    return np.vstack([step.gradients[0], step.bias_gradients[0]]), degenerate


def gradient_of_file(path, layer, kernels):
    """The one matrix of a file that `layer` picks: its name, float32 or float64 (n, m)."""
    found = tensors.matrices(path, layer, kernels)
    name, values = next(found)
    other = next(found, None)
    if other is not None:
        raise ValueError(f"{path} has {name}, {other.name} and perhaps more: pick one with --layer, --list shows them")
    return name, values


def closed_form(chances):
    """What a rank-one matrix of these chances gives on average, in place of drawing."""
    row, column = nulls.rank_one(chances)
    return {"network": "closed form, rank one", "edges": nulls.expected_degrees(row, column).sum() / 2,
            "clustering": nulls.expected_clustering(row, column)}


@plots.styled
def picture(rows, first, degrees, chances, clustering_is, title, caption):
    """The figure. first: bool (inputs, hidden), one network; degrees: {name: list of degrees of both sides}."""
    figure, panels = plots.figure([["gradient", "network", "degrees"], ["clustering", "path_length", "diameter"]],
                                  12, 7.8, title, caption, height_ratios=(1.1, 1))
    # In the order of their chances, without the dark inputs: hubs first, so that rank one shows as a corner.
    inputs = np.argsort(-chances.sum(axis=1), kind="stable")[:np.count_nonzero(chances.any(axis=1))]
    order = np.ix_(inputs, np.argsort(-chances.sum(axis=0), kind="stable"))
    plots.draw_matrix(panels["gradient"], chances[order])
    plots.draw_matrix(panels["network"], first[order])
    panels["gradient"].set(title="|gradient| over its largest entry", ylabel=f"the {len(inputs)} inputs that are not 0")
    panels["network"].set(title=f"one network: {first.sum():,} links, unmerged")
    for name in ("gradient", "network"):
        panels[name].set(xlabel="hidden units, largest first")

    ccdf = panels["degrees"]
    for side, color, label in (("out", plots.BLUE, "inputs"), ("in", plots.RED, "hidden units")):
        plots.draw_ccdf(ccdf, [d[side] for d in degrees[comparison.SHUFFLED]], color, None, band=True)
        plots.draw_ccdf(ccdf, [d[side] for d in degrees[comparison.OBSERVED]], color, label)
    ccdf.set(title="degrees", xlabel="degree (shaded: entries shuffled)",
             ylabel="share of units with at least this degree")
    ccdf.legend(loc="lower right", bbox_to_anchor=(1.03, 0.98), ncols=2, fontsize=8, handlelength=1, columnspacing=1)

    for key, xlabel in (("clustering", clustering_is), ("path_length", "mean over pairs, links"),
                        ("diameter", "longest shortest path, links")):
        plots.draw_intervals(panels[key], rows, key, names=key == "clustering")
        panels[key].set(title=key.replace("_", " "), xlabel=xlabel)
        panels[key].locator_params("x", nbins=5, steps=[1, 2, 5, 10], integer=key == "diameter")
    return figure


def main():
    check_constants()
    if LIST:
        return tensors.table(GRADIENT), None
    return of_file() if GRADIENT else of_training()


def of_file():
    name, values = gradient_of_file(GRADIENT, LAYER, KERNELS)
    layers = layers_of(*values.shape)
    try:
        chances = graphs.probabilities(values)
    except graphs.DegenerateMatrix as error:
        raise graphs.DegenerateMatrix(f"{GRADIENT}, {name}: {error}") from None
    what = f"{name} of {Path(GRADIENT).name}, {values.shape[0]:,} x {values.shape[1]:,}, seed {SEED}"
    return results({"gradient": values}, chances, layers, what, comparison.summary)


def of_training():
    dataset = datasets.load(DATASET, limit=IMAGES, seed=SEED)
    inputs = dataset.inputs.shape[1]
    hidden_units = inputs if HIDDEN_UNITS == "inputs" else int(HIDDEN_UNITS)
    layers = layers_of(inputs, hidden_units)
    gradient, degenerate = last_gradient(dataset, hidden_units, STEPS, LEARNING_RATE, BATCH_SIZE, SEED, MODEL, INIT,
                                         **({"activation": ACTIVATION, "loss": LOSS} if MODEL == "mlp" else {}))
    try:
        chances = graphs.probabilities(gradient)[:inputs]  # a bias sets the scale, then is left out, as in the essay
    except graphs.DegenerateMatrix as error:
        raise graphs.DegenerateMatrix(f"step {STEPS}, one of {degenerate} degenerate ones: {error}") from None
    if not chances.any():
        raise graphs.DegenerateMatrix(f"every input of step {STEPS} is 0: take another step, seed or data set")

    def summary(kinds):
        rows = comparison.summary(kinds)
        rows[0]["degenerate_steps"] = degenerate
        essays = (MODEL, hidden_units, ACTIVATION, LOSS, INIT, BATCH_SIZE, METHOD, layers) == (
            "mlp", inputs, "tanh", "squared", "default", 1, "sample", "merged")
        if essays and (DATASET, LEARNING_RATE) in ESSAY:
            diameter, clustering = ESSAY[DATASET, LEARNING_RATE]
            rows.insert(1, {"network": "the essay's one network", "diameter": diameter, "clustering": clustering})
        if MODEL == "mlp" and METHOD == "sample" and layers == "merged" and BATCH_SIZE == 1:
            rows.append(closed_form(chances))
        return rows

    what = (f"{inputs}-{hidden_units} Boltzmann machine by CD-1" if MODEL == "rbm" else
            f"{inputs}-{hidden_units}-{dataset.classes} {ACTIVATION} net, {LOSS} loss")
    init = DEFAULT_INITS[MODEL] if INIT == "default" else INIT
    caption = (f"{dataset.name}, {len(dataset.labels):,} items, {what}, init {init}, learning rate {LEARNING_RATE:g}, "
               f"batch {BATCH_SIZE}, seed {SEED};\ngradient of step {STEPS} ({degenerate} of {STEPS} degenerate)")
    return results({"gradient": gradient}, chances, layers, caption, summary)


def results(arrays, chances, layers, what, summary):
    """Rows, figure and files of a matrix of chances. what: the caption's beginning; summary: from networks to rows."""
    kept = comparison.thresholded(chances, CUT) if METHOD == "threshold" else chances
    kinds, first = comparison.networks(kept, layers, DRAWS, SEED)
    rows = summary(kinds)
    how = {"sample": "sampled", "threshold": f"thresholded at {CUT:g}" if CUT else "thresholded"}[METHOD]
    caption = (f"{what}, {how}, layers {layers}. Dots are medians, bars the middle 90 % of n = {DRAWS} networks of "
               "each kind; rings are single numbers.")
    degrees = {name: [sides for _, sides in kinds[name]] for name in (comparison.OBSERVED, comparison.SHUFFLED)}
    files = {".npz": arrays | {"adjacency": first}}
    if GRAPHML:
        files[".graphml"] = graphs.to_networkx(first, layers)
    clustering_is = "mean over the nodes" if layers == "merged" else "four-cycles, of the paths of three links"
    return rows, picture(rows, first, degrees, chances, clustering_is, comparison.verdict(rows), caption), files


def layers_of(inputs, hidden_units):
    """What LAYERS comes to for a matrix of this size."""
    if LAYERS == "merged" and hidden_units != inputs:
        raise ValueError(f"merging layers needs as many hidden units as the {inputs} inputs, there are "
                         f"{hidden_units}: take --layers bipartite or auto")
    return ("merged" if inputs == hidden_units else "bipartite") if LAYERS == "auto" else LAYERS


def check_constants():
    for name, value, known in (("MODEL", MODEL, DEFAULT_INITS), ("METHOD", METHOD, METHODS),
                               ("LAYERS", LAYERS, ("auto", *graphs.LAYERS))):
        if value not in known:
            raise ValueError(f"{name} is {value!r}: expected {' or '.join(known)}")
    experiment.check_positive(IMAGES=IMAGES, STEPS=STEPS, BATCH_SIZE=BATCH_SIZE, DRAWS=DRAWS)
    if not 0 <= CUT < 1:
        raise ValueError(f"CUT is {CUT}: expected a share of the largest entry, in [0, 1)")
    if CUT and METHOD != "threshold":
        raise ValueError(f"CUT is {CUT}, but METHOD is {METHOD}: a cut needs METHOD threshold")
    if (LIST or LAYER != "*" or KERNELS != "oihw") and not GRADIENT:
        raise ValueError("--list, --layer and --kernels are of a file: name it with --gradient")
    if HIDDEN_UNITS != "inputs" and not (str(HIDDEN_UNITS).isdecimal() and int(HIDDEN_UNITS) > 0):
        raise ValueError(f"HIDDEN_UNITS is {HIDDEN_UNITS!r}: expected a positive whole number, or inputs")


if __name__ == "__main__":
    experiment.run(main)
