"""Networks from matrices: sampling, metrics, null models and comparison."""
import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules={"comparison", "drawing", "histograms", "kronecker", "rank_one_law"},
    submod_attrs={
        "graphs": ["LAYERS", "DegenerateMatrix", "merge_layers", "probabilities", "sample", "threshold", "to_networkx"],
        "metrics": ["BipartiteStats", "NetworkStats", "Packed", "average_clustering", "distances", "measure",
                    "measure_bipartite", "pack", "summarize_distances", "triangles", "unpack"],
        "nulls": ["directed_configuration", "erdos_renyi", "expected_clustering", "expected_degrees", "rank_one",
                  "shuffled_entries", "undirected_configuration"],
    })
