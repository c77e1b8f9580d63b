"""Second order: gradients, Hessians and their products, and the steps that are made of them.

The loss of a perceptron on a batch is a function of one parameter vector. These are the function's derivatives up to
the third, exact to rounding, and Newton's step with its relatives.
"""
import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={
    "derivatives": ["METHODS", "blocks", "gradient", "hessian", "hessian_vector", "loss", "products", "third"],
    "failures": ["IndefiniteHessian", "NotFinite", "NotInvertible", "SingularHessian"],
    "first_order": ["adam_descent", "muon_descent", "orthogonalized"],
    "functional_inverse": ["INVERSES", "difference_of_inverse", "functional_inverse_step"],
    "fused": ["ForwardPass", "FusedObjective", "Iterate"],
    "gauss_newton": ["gauss_newton_descent", "gauss_newton_product", "tangent"],
    "kfac": ["KroneckerPreconditioner", "kfac_descent", "kronecker_factors"],
    "krylov": ["lanczos"],
    "laplacian": ["net_laplacian", "net_values"],
    "levenberg_marquardt": ["geodesic_step", "levenberg_marquardt_descent", "sample_kernel", "second_tangent"],
    "objectives": ["Objective"],
    "quasi_newton": ["ScaledInverse", "bfgs_descent"],
    "steps": ["BLOCK_METHODS", "block_step", "chebyshev_step", "damped_step", "newton_step", "saddle_free_step",
              "shifted_step"],
    "symmetric": ["spectrum_summary"],
    "taylor": ["GradientSeries", "newton_series"],
    "vectors": ["at", "parameters", "split"],
})
