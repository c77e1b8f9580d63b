"""Train nets with nearly every weight killed: packing, pruning, compiled epochs, recurrent nets."""
import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submodules={"recurrent"}, submod_attrs={
    "training": ["BLOCKS", "COSTS", "CRITERIA", "DENSE", "LAYOUTS", "SCHEDULES", "SPARSE", "WIDTH", "Diverged", "Layer",
                 "Net", "Recipe", "Samples", "Trained", "accuracy", "by_output", "check_order", "cost", "gradients",
                 "keep_for", "pack", "pack_samples", "parameters", "prune", "regrow", "run", "schedule", "train_epoch",
                 "unpack"],
})
