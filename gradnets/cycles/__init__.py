"""Cycles of maps with a rate: finding them, following them until they lose stability, and how their periods double."""
import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={
    "continuation": ["FLIP", "FOLD", "TORUS", "Crossing", "Cycle", "NoCycle", "cascade", "chain", "find", "follow",
                     "settle", "split"],
    "descent": ["Descent"],
    "universality": ["FEIGENBAUM", "ratios", "superstable_rates"],
})
