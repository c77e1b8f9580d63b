"""Second order: gradients, Hessians and their products, and the steps that are made of them.

The loss of a perceptron on a batch is a function of one parameter vector. These are the function's derivatives up to
the third, exact to rounding, and Newton's step with its relatives.
"""
import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={
    "derivatives": ["METHODS", "blocks", "gradient", "hessian", "hessian_vector", "loss", "products", "third"],
    "failures": ["IndefiniteHessian", "NotFinite", "NotInvertible", "SingularHessian"],
    "functional_inverse": ["INVERSES", "difference_of_inverse", "functional_inverse_step"],
    "krylov": ["lanczos"],
    "laplacian": ["net_laplacian", "net_values"],
    "taylor": ["GradientSeries", "newton_series"],
    "objectives": ["Objective"],
    "steps": ["BLOCK_METHODS", "block_step", "chebyshev_step", "damped_step", "newton_step", "saddle_free_step",
              "shifted_step"],
    "symmetric": ["spectrum_summary"],
    "vectors": ["at", "parameters", "split"],
})
