"""Train nets with nearly every weight killed: packing, pruning, compiled epochs, recurrent nets."""
import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submodules={"recurrent"}, submod_attrs={
    "packing": ["BLOCKS", "BLOCK_WIDTH", "COSTS", "DENSE", "LAYOUTS", "SPARSE", "Diverged", "Layer", "Net", "Samples",
                "by_output", "cost", "pack", "pack_samples", "parameters", "unpack"],
    "pruning": ["SCHEDULES", "keep_for", "prune", "regrow", "schedule"],
    "training": ["CRITERIA", "Recipe", "Trained", "accuracy", "check_order", "gradients", "run", "train_at_best_rate",
                 "train_epoch"],
})
