"""Network motifs: a census of small coloured subgraphs, random graphs to compare it with, and what stands out.

A motif of size k is a class of connected induced subgraphs on k nodes that are equal up to the order of their nodes,
edge colours included (Milo et al. 2002). `census` counts the motifs of any directed graph, `layered_census` those of a
net's layers, `rewire` draws random graphs, `significance` compares the census of a graph with the censuses of random
graphs, and `fanmod` reads and writes the files of the program FANMOD (Wernicke and Rasche 2006).
"""
import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submodules={"fanmod"}, submod_attrs={
    "changes": ["changes", "is_raised"],
    "codes": ["SIZES", "Census", "adjacency_of", "canonical", "check_size", "decode", "most_colors", "text_of"],
    "coloring": ["WEIGHT_COLORS", "weight_colors", "weight_cuts"],
    "comparison": ["MODELS", "Significance", "significance"],
    "counting": ["census", "sampled_census"],
    "drawing": ["TOPOLOGY_NAMES", "draw_column", "draw_motif", "edge_styles"],
    "enumeration": ["subgraphs_at_most"],
    "graphs": ["Graph", "NotLayered", "from_adjacency", "from_layers", "graph", "layer_of", "layers", "uncolored"],
    "layered": ["layered_census"],
    "parts": ["PartsComparison", "compare_with_parts", "parts_of", "predict_from_parts"],
    "rewiring": ["SWEEPS", "TRIES", "Rewired", "rewire"],
})
