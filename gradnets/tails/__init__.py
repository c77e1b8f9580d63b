"""Heavy tails: power-law fits, comparison with other laws, a bootstrap test, and a description of any sample."""
import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={
    "bootstrap": ["bootstrap_p"],
    "description": ["describe", "describe_extremes", "over_runs"],
    "extreme_values": ["TailIndex", "classify", "curves", "tail_indices"],
    "laws": ["BETAS", "LAWS", "best", "compare", "survival", "verdict"],
    "power_law": ["CANDIDATES", "EXHAUSTIVE", "FEWEST", "NoTail", "Stability", "TailFit", "fit", "stability"],
})
