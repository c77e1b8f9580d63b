"""Packing and unpacking, the costs of layouts, and the mistakes that packing refuses."""
import math

import numpy as np
import pytest
from masked_descent import DTYPES, LAYOUTS, block_mask, full_mask, layout_of, random_mask, toy

from gradnets import sparse
from gradnets.errors import UserError


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("masker", [random_mask, block_mask, full_mask])
@pytest.mark.parametrize("sizes", [(23, 37, 5), (16, 32, 48, 10), (3, 1, 2), (5, 17, 16, 15, 33)])
def test_unpack_returns_packed_weights(layout, dtype, masker, sizes):
    weights, biases, masks, *_ = toy(sizes, masker, density=0.6, has_bias=[l % 2 == 0 for l in range(len(sizes) - 1)],
                                     seed=9, dtype=dtype)
    for mask in masks:
        mask.flat[0] = True
    net = sparse.pack(weights, biases, masks, layout_of(layout, len(weights)), dtype=dtype)
    assert {layer.values.dtype for layer in net.layers} == {np.dtype(dtype)}
    unpacked_weights, unpacked_biases = sparse.unpack(net)
    for w, mask, unpacked in zip(weights, masks, unpacked_weights, strict=True):
        np.testing.assert_array_equal(unpacked, w * mask)
        assert unpacked.dtype == np.float64
    for bias, unpacked in zip(biases, unpacked_biases, strict=True):
        np.testing.assert_array_equal(unpacked, bias)


def test_packed_samples_hold_the_inputs_that_are_not_zero():
    x = np.array([[0, 2.5, 0, -1], [0, 0, 0, 0], [3, 0, 0, 0]])
    samples = sparse.pack_samples(x, np.array([1, 0, 7]))
    assert samples.starts.tolist() == [0, 2, 2, 3]
    assert samples.places.tolist() == [1, 3, 0]
    assert samples.values.tolist() == [2.5, -1, 3]
    assert samples.values.dtype == np.float32
    assert samples.labels.tolist() == [1, 0, 7]
    assert samples.features == 4


def test_cost_counts_the_entries_that_a_layout_touches():
    price = {"dense": 0.12, "masked": 0.18, "sparse": 0.8, "blocks": 0.15}
    assert price == sparse.COSTS
    mask = np.zeros((4, 40), dtype=bool)
    mask[0, 3], mask[0, 15], mask[1, 16], mask[3, 39] = True, True, True, True  # 4 weights, 3 blocks along rows
    assert sparse.cost(mask, "dense") == pytest.approx(160 * price["masked"])
    assert sparse.cost(mask, "sparse") == pytest.approx(4 * price["sparse"])
    assert sparse.cost(mask, "blocks") == pytest.approx(3 * 16 * price["blocks"])
    assert sparse.cost(mask, "blocks", transposed=True) == pytest.approx(4 * 16 * price["blocks"])  # 4 columns
    assert sparse.cost(np.ones((4, 40), bool), "dense") == pytest.approx(160 * price["dense"])


def test_auto_is_dense_for_full_layers_sparse_for_few_weights_and_blocks_for_blocks():
    rng = np.random.default_rng(0)
    weights, biases = [rng.normal(size=(64, 128)), rng.normal(size=(128, 32))], [None, None]

    def kinds(masks):
        return [sparse.LAYOUTS[layer.kind] for layer in sparse.pack(weights, biases, masks).layers]
    shapes = [w.shape for w in weights]
    assert kinds(None) == ["dense", "dense"]
    assert kinds([random_mask(rng, l, s, 0.01) for l, s in enumerate(shapes)]) == ["sparse", "sparse"]
    assert kinds([block_mask(rng, l, s, 0.2) for l, s in enumerate(shapes)]) == ["blocks", "blocks"]
    weights = [rng.normal(size=(128, 32)), rng.normal(size=(32, 128))]
    across = block_mask(rng, 0, (32, 128), 0.1).T  # blocks along columns, while rows are packed
    assert kinds([across, np.ones((32, 128), bool)]) == ["sparse", "dense"]


def test_parameters_are_live_weights_and_all_biases():
    masks = [np.array([[True, False, True]]), np.array([[True], [False], [False]])]
    assert sparse.parameters(masks, [np.zeros(3), np.zeros(1)]) == 3 + 4
    assert sparse.parameters(masks, [None, np.zeros(1)]) == 3 + 1


# ---- mistakes ---------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("change", "message"), [
    (lambda x, y: (x, y - 1), r"labels run from -1 to 1: expected integers in \[0, 2\^31\)"),
    (lambda x, y: (x, y + 2**31), "labels run from 2147483648 to"),
    (lambda x, y: (x, y.astype(np.uint64) + np.uint64(2**63)), "labels: .* is too large"),
    (lambda x, y: (x, y.astype(float)), r"labels: got float64 of shape \(6,\), expected integers"),
    (lambda x, y: (x, y[:5]), "there are 6 inputs and 5 labels: expected one label for each row"),
    (lambda x, y: (x, y[:, None]), r"labels: got int64 of shape \(6, 1\)"),
    (lambda x, y: (x, y[0]), r"labels: got int64 of shape \(\)"),
    (lambda x, y: (x[0], y), r"inputs: got float64 of shape \(3,\), expected real numbers with 2 axes"),
    (lambda x, y: (x[:0], y[:0]), "inputs: got an empty array"),
    (lambda x, y: (np.where(np.eye(6, 3), np.nan, x), y), "inputs: 3 of 18 numbers are NaN or infinite"),
    (lambda x, y: (np.where(np.eye(6, 3), -np.inf, x), y), "inputs: 3 of 18 numbers are NaN or infinite"),
    (lambda x, y: (x * 1e300, y), r"inputs run to 1e\+300, beyond the largest float32: scale them"),
    (lambda x, y: (x.astype(str), y), "inputs: got <U32"),
    (lambda x, y: (x + 1j, y), "inputs: got complex128"),
])
def test_samples_refuse(change, message):
    x, y = np.ones((6, 3)), np.array([0, 1, 2, 0, 1, 2])
    with pytest.raises(UserError, match=message):
        sparse.pack_samples(*change(x, y))


def with_entry(array, value):
    array = array.copy()
    array.flat[1] = value
    return array


@pytest.mark.parametrize(("change", "message"), [
    (lambda w, b, m: (w, b[:1], m), "there are 2 weights, 1 biases, 2 masks and 2 layouts: expected one of each"),
    (lambda w, b, m: ([], [], []), "there are 0 weights"),
    (lambda w, b, m: (w, b, m, ["dense"]), "and 1 layouts"),
    (lambda w, b, m: (w[::-1], b, m[::-1]), r"layer 1 has weights \(8, 3\), mask \(8, 3\) and bias \(8,\)"),
    (lambda w, b, m: ([w[0], w[1][:7]], b, [m[0], m[1][:7]]), r"layer 2 has weights \(7, 3\).*and the previous layer"),
    (lambda w, b, m: (w, b, [m[0].T, m[1]]), r"layer 1 has weights \(5, 8\), mask \(8, 5\) and bias \(8,\)"),
    (lambda w, b, m: (w, b, [m[0].astype(int), m[1]]), "layer 1 has a mask of int64 .*expected bools"),
    (lambda w, b, m: ([w[0] + 1j, w[1]], b, m), "layer 1 has an array of complex128 .*expected real numbers"),
    (lambda w, b, m: (w, [b[0], b[1][:2]], m), r"layer 2 has weights \(8, 3\), mask \(8, 3\) and bias \(2,\)"),
    (lambda w, b, m: ([w[0].ravel(), w[1]], b, [m[0].ravel(), m[1]]), r"layer 1 has weights \(40,\)"),
    (lambda w, b, m: (w, b, [m[0], ~m[1]]), r"layer 2 of shape \(8, 3\) has no live weight: keep more"),
    (lambda w, b, m: (w, b, m, "csr"), "layout is 'csr': expected auto, dense, sparse or blocks"),
    (lambda w, b, m: (w, b, m, "auto", "sigmoid"), r"activation is 'sigmoid': expected tanh, relu or a slope in \(0,"),
    (lambda w, b, m: (w, b, m, "auto", 1.0), "activation is 1.0"),
    (lambda w, b, m: (w, b, m, "auto", math.nan), "activation is nan"),
    (lambda w, b, m: (w, b, m, "auto", "tanh", "hinge"), "loss is 'hinge': expected cross-entropy or squared"),
    (lambda w, b, m: (w, b, m, "auto", "tanh", "squared", (0, 1, 2)), "targets are .* expected two numbers"),
    (lambda w, b, m: (w, b, m, "auto", "tanh", "squared", (0, 1), np.int32), "int32.*float32 or float64"),
])
def test_pack_refuses(change, message):
    weights, biases, masks, *_ = toy((5, 8, 3), full_mask)
    with pytest.raises(UserError, match=message):
        sparse.pack(*change(weights, biases, masks))


@pytest.mark.parametrize(("change", "message"), [
    (lambda w, b: ([w[0], with_entry(w[1], np.nan)], b), "layer 2 has 1 weights or scores that are NaN or infinite"),
    (lambda w, b: ([with_entry(w[0], np.inf), w[1]], b), "layer 1 has 1 .*lower the learning rate"),
    (lambda w, b: (w, [b[0], with_entry(b[1], np.nan)]), "layer 2 has 1 "),
    (lambda w, b: ([with_entry(w[0], 1e300), w[1]], b), "layer 1 has 1 "),  # too large for float32
])
def test_pack_calls_weights_that_are_not_finite_diverged(change, message):
    weights, biases, *_ = toy((5, 8, 3))
    with pytest.raises(sparse.Diverged, match=message):
        sparse.pack(*change(weights, biases))


def test_cost_refuses_unknown_layouts():
    with pytest.raises(UserError, match="layout is 'auto': expected dense, sparse or blocks"):
        sparse.cost(np.ones((2, 2), bool), "auto")
