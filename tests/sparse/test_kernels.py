"""The compiled functions below training: exp, tanh and softmax against numpy, and bits that repeat."""
import os
import subprocess
import sys

import numpy as np
import pytest
from helpers import ROOT
from masked_descent import DTYPES

from gradnets.sparse import _kernels

# Trains nets of all layouts and prints a digest of their weights.
PROGRAM = """
import hashlib
import numpy as np
from gradnets import sparse
rng = np.random.default_rng(0)
x, y = rng.random((100, 80)), rng.integers(10, size=100)
digest = hashlib.sha256()
for layout in sparse.LAYOUTS:
    for recurrent in (False, True):
        shapes = ((20, 64), (64, 64), (64, 10)) if recurrent else ((80, 64), (64, 10))
        weights = [rng.normal(0, 0.1, shape) for shape in shapes]
        masks = sparse.prune(weights, 0.4, "random", rng=rng)
        module = sparse.recurrent if recurrent else sparse
        net = module.pack(weights, [np.zeros(64), np.zeros(10)], masks, layout)
        module.train_epoch(net, sparse.pack_samples(x, y), np.arange(100), 0.1)
        for array in module.unpack(net)[0]:
            digest.update(array)
print(digest.hexdigest())
"""


def units(slope, dtype, targets=(0, 1), softmax=True):
    return (_kernels.Activation(dtype(slope), _kernels.EXPONENTIALS[np.dtype(dtype)]),
            _kernels.Loss(softmax, *map(dtype, targets)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_tanh_equals_numpys(dtype):
    x = np.concatenate([np.linspace(-50, 50, 20001), np.geomspace(1e-12, 1e30, 500), -np.geomspace(1e-12, 1e30, 500),
                        [0.0, -0.0]]).astype(dtype)
    values = x.copy()
    _kernels.activate(values, len(values), units(1, dtype)[0])
    np.testing.assert_allclose(values, np.tanh(x.astype(float)), rtol=0, atol=4 * np.finfo(dtype).eps)
    assert np.abs(values).max() <= 1


@pytest.mark.parametrize("dtype", DTYPES)
def test_activation_changes_the_first_n_by_their_slopes(dtype):
    x = np.array([-2, -0.5, 0, 0.5, 3, -7], dtype)
    for slope, expected in ((0.0, [0, 0, 0, 0.5, 3, -7]), (0.25, [-0.5, -0.125, 0, 0.5, 3, -7])):
        values = x.copy()
        _kernels.activate(values, 5, units(slope, dtype)[0])
        np.testing.assert_array_equal(values, np.array(expected, dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_softmax_takes_numpys_exponentials(dtype):
    """The last probability is that of the label; the ratio of each other one to the first is its exponential."""
    out = np.append(np.linspace(0, -80, 4001), -80).astype(dtype)
    delta = np.zeros_like(out)
    assert not _kernels.output_delta(out, delta, len(out), len(out) - 1, *units(1, dtype))
    np.testing.assert_allclose(delta[:-1] / delta[0], np.exp(out[:-1].astype(float)), rtol=16 * np.finfo(dtype).eps)
    np.testing.assert_allclose(delta[0], 1 / np.exp(out.astype(float)).sum(), rtol=1e-5)


@pytest.mark.parametrize("dtype", DTYPES)
def test_softmax_of_far_logits_is_their_winner(dtype):
    out, delta = np.array([-1e30, 3e4, 0, 2.9e4], dtype), np.zeros(4, dtype)
    assert _kernels.output_delta(out, delta, 4, 1, *units(1, dtype))
    np.testing.assert_allclose(delta, 0, atol=1e-30)


def test_the_process_that_compiles_gives_the_bits_of_later_processes(tmp_path, many):
    if not many(0, 1):
        pytest.skip("compiles all kernels again, which takes 20 s: --long")
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    digests = [subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, check=True,
                              env=environment).stdout for _ in range(2)]
    assert any(tmp_path.rglob("*train*.nbc"))
    assert digests[0] == digests[1]
