"""Checkpoints: read matrices from files, record a training loop, and diagnose the layers of a net."""
import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submodules={
    "diagnosis", "distribution", "ranks", "ranks_figure"}, submod_attrs={
    "formats": ["Tensor"],
    "reading": ["KERNELS", "Matrix", "check_flags", "layer_and_step", "layer_pattern", "listing", "matrices",
                "provenance", "table_of_contents"],
    "recorder": ["KINDS", "Recorder"],
})
