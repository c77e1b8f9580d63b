"""Data sets by name, five that are generated and three that are read from files, and real networks by name."""
import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={
    "catalog": ["BUILT_IN", "NAMES", "SPLITS", "Dataset", "available", "hold_out", "load", "pool"],
    "real_files": ["DataError"],
    "real_networks": ["NETWORKS", "Network", "load_network", "network_available", "network_of_repository",
                      "read_network"],
})
