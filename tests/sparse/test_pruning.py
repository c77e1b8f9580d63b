"""Pruning, regrowing and schedules against their formulas, written out."""
import math
from itertools import pairwise

import numpy as np
import pytest
from masked_descent import blocks_of, rows_are_outputs

from gradnets import sparse
from gradnets.errors import UserError

# ---- pruning ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("score", ["magnitude", "moved", "snip"])
@pytest.mark.parametrize("keep", [0.1, 1 / 3, 0.7, 1.0])
def test_pruning_keeps_the_highest_scores_of_all_layers(score, keep):
    rng = np.random.default_rng(1)
    weights = [rng.normal(size=(10, 13)), rng.normal(size=(13, 7)) * 2]
    initial, gradients = ([rng.normal(size=w.shape) for w in weights] for _ in range(2))
    scores = {"magnitude": [abs(w) for w in weights],
              "moved": [abs(w - b) for w, b in zip(weights, initial, strict=True)],
              "snip": [abs(w * g) for w, g in zip(weights, gradients, strict=True)]}[score]
    masks = sparse.prune(weights, keep, score, initial=initial, gradients=gradients)
    ranked = sorted([(s, l, at) for l, layer in enumerate(scores) for at, s in np.ndenumerate(layer)], reverse=True)
    best = {(l, at) for _, l, at in ranked[:math.floor(keep * 221 + 1e-9)]}
    assert {(l, tuple(map(int, at))) for l, mask in enumerate(masks) for at in np.argwhere(mask)} == best
    assert [mask.dtype for mask in masks] == [bool, bool]


@pytest.mark.parametrize(("keep", "count"), [(0.1, 10), (0.29, 29), (0.57, 57), (0.299, 29), (0.999, 99), (1, 100)])
def test_share_kept_is_rounded_down_except_for_errors_of_binary_fractions(keep, count):
    """0.29 * 100 is 28.999999999999996."""
    assert sparse.prune([np.arange(1.0, 101).reshape(5, 20)], keep)[0].sum() == count


def test_the_dead_stay_dead_and_all_live_weights_may_stay():
    rng = np.random.default_rng(2)
    weights = [rng.normal(size=(10, 12)), rng.normal(size=(12, 5))]
    masks = [rng.random(w.shape) < 0.5 for w in weights]
    for score in ("magnitude", "random"):
        for keep in (0.2, 0.45, 0.9, 1.0):
            pruned = sparse.prune(weights, keep, score, masks=masks, rng=rng)
            assert not any((new & ~old).any() for new, old in zip(pruned, masks, strict=True))
            count = min(int(keep * 180), sum(m.sum() for m in masks))
            assert sum(m.sum() for m in pruned) == count or score == "random"


def test_live_weights_of_zero_stay_before_dead_weights_come_back():
    weights, masks = [np.zeros((2, 4))], [np.array([[True, False, False, True], [False, False, True, False]])]
    np.testing.assert_array_equal(sparse.prune(weights, 0.5, masks=masks)[0], masks[0])


def shares(count, shapes):
    """Return the weights of each layer in proportion to rows + columns, at most all of them, by bisection."""
    sizes, spans = np.array([math.prod(s) for s in shapes]), np.array([sum(s) for s in shapes])
    low, high = 0.0, float(sizes.max())
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if np.minimum(sizes, middle * spans).sum() < count else (low, middle)
    return np.minimum(sizes, high * spans)


@pytest.mark.parametrize(("sizes", "keep", "block"), [
    ((20, 40, 5), 0.3, 1), ((20, 40, 5), 0.9, 1), ((9, 32, 32, 40), 0.05, 1), ((50, 3, 30), 0.6, 1),
    ((7, 1, 7, 7), 25 / 63, 1), ((1, 3, 2, 4, 8, 2), 11 / 65, 1), ((1, 2, 1, 2), 5 / 6, 1),
    ((20, 40, 5), 0.3, 16), ((9, 32, 32, 40), 0.2, 16)])
def test_random_pruning_keeps_the_share_and_small_layers_denser(sizes, keep, block):
    """Mocanu et al. 2018: a layer keeps in proportion to its rows and columns (of blocks)."""
    weights = [np.ones(shape) for shape in pairwise(sizes)]
    shapes = list(pairwise(sizes)) if block == 1 else [
        (min(s), math.ceil(max(s) / 16)) if rows_are_outputs(l, s) else (s[0], math.ceil(s[1] / 16))
        for l, s in enumerate(pairwise(sizes))]
    count = int(keep * sum(map(math.prod, shapes)) + 1e-9)
    masks = sparse.prune(weights, keep, "random", block=block, rng=np.random.default_rng(0))
    kept = np.array([sum(mask[where].any() for *_, where in blocks_of(mask, l)) if block == 16 else mask.sum()
                     for l, mask in enumerate(masks)])
    assert kept.sum() == count
    assert np.abs(kept - shares(count, shapes)).max() <= len(shapes)  # the error of rounding


def test_random_pruning_is_uniform_within_a_layer_and_repeats_with_its_seed(many):
    weights, count = [np.array([[1e9, 1.0] * 10]), np.full((20, 3), 1e-9)], many(200, 2000)
    masks = [sparse.prune(weights, 0.25, "random", rng=np.random.default_rng(seed)) for seed in [3, 3, *range(count)]]
    for a, b in zip(*masks[:2], strict=True):
        np.testing.assert_array_equal(a, b)
    for l in range(2):
        share = np.mean([m[l] for m in masks[2:]], axis=0)
        p = share.mean()
        assert abs(share - p).max() < 4.5 * math.sqrt(p * (1 - p) / count)


def test_random_pruning_of_a_pruned_net_keeps_the_share():
    masks = [np.arange(120).reshape(10, 12) % 2 == 0, np.arange(60).reshape(12, 5) % 2 == 0]
    weights = [np.ones((10, 12)), np.ones((12, 5))]
    pruned = sparse.prune(weights, 0.45, "random", masks=masks, rng=np.random.default_rng(0))
    assert sum(m.sum() for m in pruned) == 81  # of 90 that are alive


def test_of_equal_weights_the_first_are_kept():
    masks = sparse.prune([np.ones((2, 3)), -np.ones((3, 2))], 8 / 12)
    np.testing.assert_array_equal(masks[0], np.ones((2, 3), bool))
    np.testing.assert_array_equal(masks[1], [[True, True], [False, False], [False, False]])


@pytest.mark.parametrize("sizes", [(20, 40, 5), (9, 32, 32, 40), (6, 50, 16)])
def test_blocks_live_or_die_whole_along_the_rows_that_are_packed(sizes):
    rng = np.random.default_rng(3)
    weights = [rng.normal(size=shape) for shape in pairwise(sizes)]
    masks = sparse.prune(weights, 0.4, block=16)
    units = [(score, l, r, at, where) for l, w in enumerate(weights) for score, r, at, where in blocks_of(abs(w), l)]
    units.sort(key=lambda unit: unit[:4], reverse=True)
    expected = [np.zeros(w.shape, bool) for w in weights]
    for _, l, _, _, where in units[:int(0.4 * len(units) + 1e-9)]:
        expected[l][where] = True
    for mask, right in zip(masks, expected, strict=True):
        np.testing.assert_array_equal(mask, right)
    again = sparse.prune(weights, 0.2, masks=masks, block=16)
    assert not any((new & ~old).any() for new, old in zip(again, masks, strict=True))


def test_blocks_lie_along_outputs_in_the_first_layer_and_along_inputs_in_the_last():
    weights = [np.ones((3, 32)), np.ones((32, 2))]
    weights[0][1, 16:] = 9
    weights[1][:16, 1] = 5
    first, last = sparse.prune(weights, 2 / 10, block=16)
    np.testing.assert_array_equal(first, weights[0] == 9)
    np.testing.assert_array_equal(last, weights[1] == 5)


def test_pruning_in_blocks_brings_no_dead_weight_back():
    rng = np.random.default_rng(4)
    weights = [rng.normal(size=(20, 40)), rng.normal(size=(40, 5))]
    masks = [rng.random(w.shape) < 0.5 for w in weights]
    pruned = sparse.prune(weights, 0.5, masks=masks, block=16)
    assert not any((new & ~old).any() for new, old in zip(pruned, masks, strict=True))


@pytest.mark.parametrize(("settings", "message"), [
    ({"keep": 0}, r"keep is 0: expected a share of the weights, in \(0, 1\]"),
    ({"keep": 0.0}, "keep is 0.0"), ({"keep": -0.1}, "keep is -0.1"), ({"keep": 1.5}, "keep is 1.5"),
    ({"keep": math.nan}, "keep is nan"), ({"keep": math.inf}, "keep is inf"),
    ({"block": 8}, "block is 8: expected 1 or 16"),
    ({"score": "size"}, "score is 'size': expected magnitude, moved, snip or random"),
    ({"score": "moved"}, "'moved' needs the argument initial"),
    ({"score": "snip"}, "'snip' needs the argument gradients"),
    ({"score": "random"}, "'random' needs the argument rng"),
    ({"masks": [np.ones((4, 32), bool)]}, "there are 2 weights and 1 masks or scores"),
    ({"masks": [np.ones((4, 32)), np.ones((32, 2))]}, "layer 1 has a mask of float64"),
    ({"score": "moved", "initial": [np.ones((32, 4)), np.ones((32, 2))]}, r"layer 1 has weights \(4, 32\) and"),
    ({"keep": 1e-9}, r"leaves none in layer 1 of shape \(4, 32\): keep more"),
    ({"keep": 0.3}, r"keeping 0.3 of the weights leaves none in layer 2 of shape \(32, 2\): keep more"),
])
def test_pruning_refuses(settings, message):
    weights = [np.ones((4, 32)), np.full((32, 2), 0.1)]
    with pytest.raises(UserError, match=message):
        sparse.prune(weights, **{"keep": 0.5} | settings)


@pytest.mark.parametrize("score", ["magnitude", "moved", "snip", "random"])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("block", [1, 16])
def test_pruning_calls_weights_that_are_not_finite_diverged(score, bad, block):
    weights = [np.ones((4, 32)), np.ones((32, 2))]
    weights[1][3, 1] = bad
    finite = [np.ones((4, 32)), np.ones((32, 2))]
    with pytest.raises(sparse.Diverged, match="NaN or infinite"):
        sparse.prune(weights, 0.9, score, initial=finite, gradients=finite, block=block, rng=np.random.default_rng(0))


# ---- regrowing --------------------------------------------------------------------------------------------

@pytest.mark.parametrize("rigl", [False, True])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_regrowing_drops_the_smallest_and_grows_equally_many(rigl, share):
    rng = np.random.default_rng(5)
    weights = [rng.normal(size=(10, 12)), rng.normal(size=(12, 5))]
    masks = [rng.random(w.shape) < 0.3 for w in weights]
    weights = [w * mask for w, mask in zip(weights, masks, strict=True)]
    gradients = [rng.normal(size=w.shape) for w in weights] if rigl else None
    before = [w.copy() for w in weights]
    new_masks = sparse.regrow(weights, masks, share, gradients, np.random.default_rng(6))
    for l, (w, old, new) in enumerate(zip(before, masks, new_masks, strict=True)):
        count = int(share * old.sum())
        smallest = sorted(map(tuple, np.argwhere(old)), key=lambda at, w=w: abs(w[at]))[:count]
        assert set(map(tuple, np.argwhere(old & ~new))) == set(smallest)
        grown = set(map(tuple, np.argwhere(new & ~old)))
        assert len(grown) == count
        if rigl:
            largest = sorted(map(tuple, np.argwhere(~old)), key=lambda at, l=l: -abs(gradients[l][at]))[:count]
            assert grown == set(largest)
        np.testing.assert_array_equal(weights[l], np.where(old & new, w, 0))  # grown weights start at 0


def test_set_grows_any_of_the_dead_and_repeats_with_its_seed(many):
    mask, count = np.zeros((5, 8), bool), many(300, 3000)
    mask[0] = True

    def grown(seed):
        return sparse.regrow([np.ones((5, 8))], [mask], 0.5, None, np.random.default_rng(seed))[0]
    np.testing.assert_array_equal(grown(3), grown(3))
    share = np.mean([grown(seed)[1:] for seed in range(count)], axis=0)
    assert abs(share - 4 / 32).max() < 4.5 * math.sqrt(4 / 32 * 28 / 32 / count)


def test_regrowing_replaces_no_more_weights_than_are_dead():
    weights, mask = [np.arange(1.0, 7).reshape(2, 3)], np.ones((2, 3), bool)
    np.testing.assert_array_equal(sparse.regrow(weights, [mask], 0.9, None, np.random.default_rng(0))[0], mask)
    mask[1, 2], weights[0][1, 2] = False, 0
    new_mask = sparse.regrow(weights, [mask], 0.9, None, np.random.default_rng(0))[0]
    np.testing.assert_array_equal(new_mask, [[False, True, True], [True, True, True]])
    np.testing.assert_array_equal(weights[0], [[0, 2, 3], [4, 5, 0]])


def test_grown_weights_start_at_0_whatever_stood_there():
    weights, mask = [np.arange(1.0, 7).reshape(2, 3)], np.array([[True, True, True], [True, True, False]])
    sparse.regrow(weights, [mask], 0.3, None, np.random.default_rng(0))
    np.testing.assert_array_equal(weights[0], [[0, 2, 3], [4, 5, 0]])


def read_only(array):
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(("weights", "share", "message"), [
    (np.ones((2, 2)), 2.0, "share is 2.0: expected a share of the live weights"),
    (np.ones((2, 2)), math.nan, "share is nan"),
    (read_only(np.ones((2, 2))), 0.5, "layer 1 has read-only weights of float64"),
    (np.ones((2, 2), int), 0.5, "layer 1 has weights of int64, which are changed in place"),
    (np.ones((3, 2)), 0.5, r"layer 1 has weights \(3, 2\) and a mask or scores \(2, 2\)"),
])
def test_regrowing_refuses(weights, share, message):
    with pytest.raises(UserError, match=message):
        sparse.regrow([weights], [np.eye(2) > 0], share, None, np.random.default_rng(0))


# ---- schedules and budgets --------------------------------------------------------------------------------

def test_one_shot_prunes_once_after_the_burn_in():
    assert sparse.schedule("one-shot", 0.1, 1000, 200, 30) == [(200, 0.1)]
    assert sparse.schedule("one-shot", 0.1, 1000, 1000, 1) == [(1000, 0.1)]


def test_halvings_reach_a_thirty_second_in_five():
    plan = sparse.schedule("halvings", 1 / 32, 2000, 200, 5)
    assert [at for at, _ in plan] == [40, 80, 120, 160, 200]
    np.testing.assert_allclose([keep for _, keep in plan], [1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 32], rtol=1e-14)


def test_gradual_is_cubic_from_the_burn_in_to_half_of_the_steps():
    """Zhu and Gupta 2017, equation 1: s_t = s_f + (s_i - s_f) (1 - (t - t_0) / (n dt))^3, s_i = 0."""
    plan = sparse.schedule("gradual", 0.1, 2100, 50, 10)
    assert [at for at, _ in plan] == list(range(150, 1051, 100))
    for at, keep in plan:
        sparsity = 0.9 - 0.9 * (1 - (at - 50) / 1000) ** 3
        assert keep == pytest.approx(1 - sparsity, rel=1e-12)
    assert plan[-1][1] == 0.1


@pytest.mark.parametrize(("name", "burn_in", "prunings"), [
    ("one-shot", 101, 1), ("halvings", 110, 5), ("halvings", -1, 5), ("gradual", 60, 3), ("one-shot", -1, 1),
    ("gradual", -9, 1)])
def test_schedules_that_do_not_fit_are_refused(name, burn_in, prunings):
    with pytest.raises(UserError, match=f"{name} pruning with a burn-in of {burn_in} does not fit into 100 samples"):
        sparse.schedule(name, 0.1, 100, burn_in, prunings)


@pytest.mark.parametrize(("name", "keep", "prunings", "message"), [
    ("linear", 0.1, 3, "schedule is 'linear': expected one-shot, halvings or gradual"),
    ("gradual", 0.1, 0, "prunings 0: expected"), ("gradual", 2, 3, "keep is 2")])
def test_schedules_refuse(name, keep, prunings, message):
    with pytest.raises(UserError, match=message):
        sparse.schedule(name, keep, 100, 10, prunings)


def test_keep_for_leaves_the_rest_of_the_budget_to_the_weights():
    weights, biases = [np.zeros((784, 96)), np.zeros((96, 10))], [np.zeros(96), np.zeros(10)]
    assert sparse.keep_for(3180, weights, biases) == (3180 - 106) / (784 * 96 + 960)
    assert sparse.keep_for(10 ** 6, weights, biases) == 1
    assert sparse.keep_for(960, weights, [None, None]) == 960 / (784 * 96 + 960)
    with pytest.raises(UserError, match="106 parameters do not cover the 106 biases"):
        sparse.keep_for(106, weights, biases)
