"""Sorting by bits against numpy."""
import numpy as np
import pytest

from gradnets import sorting

RNG = np.random.default_rng(1)
LIMITS = np.finfo("f4")
SPECIAL = np.array([0, -0.0, np.inf, -np.inf, LIMITS.max, LIMITS.min, LIMITS.smallest_subnormal], dtype="f4")


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("rows", [3, 300])
def test_sorting_equals_that_of_numpy(dtype, rows):
    values = (RNG.standard_normal((rows, 400)) * np.exp(RNG.normal(0, 10, (rows, 400)))).astype(dtype)
    values[0, :len(SPECIAL)] = SPECIAL
    kept = values.copy()
    ordered = sorting.sorted_floats(values)
    assert ordered.dtype == dtype
    np.testing.assert_array_equal(ordered, np.sort(kept, axis=None))
    np.testing.assert_array_equal(values, kept)
    np.testing.assert_array_equal(sorting.sorted_floats(values[:, ::2]), np.sort(kept[:, ::2], axis=None))
    np.testing.assert_array_equal(sorting.sorted_floats(values.ravel(), overwrite=True), ordered)


def test_nan_stands_at_an_end():
    for nan in (np.nan, -np.nan):
        values = np.ones(sorting.BY_BITS, dtype="f4")
        values[7] = np.copysign(np.float32(np.nan), nan)
        assert np.isnan(sorting.sorted_floats(values)[[0, -1]]).any()
