"""Second order: gradients, Hessians and their products, and the steps that are made of them."""
import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={
    "derivatives": ["INVERSES", "IndefiniteHessian", "METHODS", "NotFinite", "NotInvertible", "SingularHessian", "at",
                    "block_step", "blocks", "chebyshev_step", "damped_step", "difference_of_inverse",
                    "functional_inverse_step", "gradient", "hessian", "hessian_vector", "lanczos", "loss", "lyapunov",
                    "newton_step", "parameters", "products", "saddle_free_step", "shifted_step", "split", "third"],
})
