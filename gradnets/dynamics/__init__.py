"""Dynamics of training: Lyapunov exponents, attractors of an orbit, and how near a recurrent net is to chaos."""
import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submodules={
    "attractors", "criticality"}, submod_attrs={
    "exponents": ["NEAR_ZERO", "RECORD", "active_part", "descent", "double_well", "double_well_mean", "full_batch",
                  "lyapunov", "mostly_positive", "positive_and_saturated", "quadratic", "separation",
                  "separation_numbers", "sharpness", "single_sample", "whole_spectrum"],
})
