"""Networks from matrices: sampling, metrics, null models and comparison."""
import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules={"comparison", "drawing", "histograms", "kronecker", "rank_one_law"},
    submod_attrs={
        "graphs": ["LAYERS", "DegenerateMatrix", "merge_layers", "probabilities", "sample", "threshold", "to_networkx"],
        "mesoscale": ["Core", "communities", "core", "modularity", "spectral_gap"],
        "metrics": ["BipartiteStats", "NetworkStats", "Packed", "average_clustering", "distances", "measure",
                    "measure_bipartite", "pack", "pack_merged", "summarize_distances", "triangles", "unpack"],
        "mixing": ["DegreeInformation", "assortativity", "degree_information", "reciprocity", "rich_club"],
        "profiles": ["MEASURES", "Measure", "mean_profile", "profile", "profile_distances", "small_world"],
        "nulls": ["directed_configuration", "erdos_renyi", "expected_clustering", "expected_degrees", "rank_one",
                  "shuffled_entries", "undirected_configuration"],
    })
