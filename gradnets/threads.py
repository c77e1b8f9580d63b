"""One BLAS thread: small nets run faster so, and the same seed gives the same rows whatever the number of cores."""
import contextlib
import os

VARIABLES = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")


@contextlib.contextmanager
def single_blas_thread():
    """Hold BLAS to one thread inside a block.

    threadpoolctl limits the libraries that are loaded by now; the environment limits those that load inside the block,
    such as SciPy's, which keep to one thread afterwards.
    """
    from threadpoolctl import threadpool_limits  # here, so that help texts do not wait for it

    before = {name: os.environ.get(name) for name in VARIABLES}
    os.environ.update(dict.fromkeys(VARIABLES, "1"))
    try:
        with threadpool_limits(limits=1):
            yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
