"""Sparse training against plain numpy: epochs in every layout, gradients, and whole runs of every criterion."""
import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from masked_descent import (
    DTYPES,
    LAYOUTS,
    STEPS,
    TOLERANCE,
    assert_ends_as,
    assert_same_run,
    block_mask,
    blocks_of,
    descend,
    forward,
    full_mask,
    layout_of,
    losses,
    problem,
    random_mask,
    recipe,
    toy,
)

from gradnets import sparse
from gradnets.errors import UserError
from gradnets.sparse import pruning, training

CASES = {  # sizes, activation, its slope, loss, targets, which layers have biases, masks
    "tanh, softmax, one hidden layer": ((23, 37, 5), "tanh", None, "cross-entropy", (0, 1), (1, 1), random_mask),
    "relu, softmax, two hidden layers": ((40, 21, 33, 10), "relu", 0.0, "cross-entropy", (0, 1), (0, 1, 1), block_mask),
    "leaky, squared, two hidden layers": ((19, 18, 35, 4), 0.1, 0.1, "squared", (-0.5, 0.8), (1, 0, 1), random_mask),
    "tanh, squared, nothing dead": ((30, 47, 10), "tanh", None, "squared", (-1, 1), (0, 0), full_mask),
    "tanh, softmax, more classes than hidden units": ((33, 5, 40), "tanh", None, "cross-entropy", (0, 1), (1, 0),
                                                      block_mask),
    "relu, squared, whole blocks": ((16, 64, 16), "relu", 0.0, "squared", (0, 2), (1, 1), block_mask),
    "one hidden unit": ((9, 1, 3), "tanh", None, "cross-entropy", (0, 1), (1, 1), full_mask),
}


# ---- epochs -----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("batch_size", [1, 8])
def test_epoch_equals_masked_gradient_descent(case, layout, dtype, batch_size, many):
    sizes, activation, slope, loss, targets, has_bias, masker = CASES[case]
    if len(sizes) == 4 and dtype == np.float32 and not many(0, 1):
        pytest.skip("compiles kernels of another depth and dtype, which takes 6 s: --long")
    weights, biases, masks, x, labels = toy(sizes, masker, has_bias=has_bias, dtype=dtype)
    order = np.random.default_rng(1).integers(len(x), size=24 * min(batch_size, 3))
    order = order[:len(order) // batch_size * batch_size]
    rates = (0.1, 0.02)
    expected = descend(weights, biases, masks, x, labels, order, rates, batch_size, slope, loss, targets)
    assert all(np.abs(a - b * m).max() > 1e-3 for a, b, m in zip(expected[0], weights, masks, strict=True))
    net = sparse.pack(weights, biases, masks, layout_of(layout, len(weights)), activation, loss, targets, dtype)
    recognized = sparse.train_epoch(net, sparse.pack_samples(x, labels, dtype), order, *rates, batch_size)
    assert recognized == expected[2]
    assert_ends_as(net, masks, expected, dtype)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("batch_size", [1, 2, 5, 30])
def test_minibatches_of_any_size_take_mean_gradients(layout, batch_size):
    weights, biases, masks, x, labels = toy((20, 35, 4), seed=3)
    order = np.random.default_rng(2).permutation(30)
    expected = descend(weights, biases, masks, x, labels, order, (0.5, 0.5), batch_size)
    net = sparse.pack(weights, biases, masks, layout_of(layout, 2), dtype=np.float64)
    samples = sparse.pack_samples(x, labels, np.float64)
    assert sparse.train_epoch(net, samples, order, 0.5, batch_size=batch_size) == expected[2]
    assert_ends_as(net, masks, expected, np.float64)


@pytest.mark.parametrize("batch_size", [1, 4])
def test_learning_rate_falls_in_a_straight_line_or_stays(batch_size):
    weights, biases, masks, x, labels = toy((12, 20, 3), seed=4)
    samples, order = sparse.pack_samples(x, labels, np.float64), np.arange(24)
    ends = []
    for final in (None, 0.4, 0.1, 0.0, 0.9):
        rates = (0.4, 0.4 if final is None else final)
        expected = descend(weights, biases, masks, x, labels, order, rates, batch_size)
        net = sparse.pack(weights, biases, masks, dtype=np.float64)
        sparse.train_epoch(net, samples, order, 0.4, final, batch_size)
        assert_ends_as(net, masks, expected, np.float64)
        ends.append(sparse.unpack(net)[0][0])
    np.testing.assert_array_equal(ends[0], ends[1])
    assert not np.array_equal(ends[1], ends[2])


@pytest.mark.parametrize("batch_size", [1, 5])
@pytest.mark.parametrize("dtype", DTYPES)
def test_parts_of_an_epoch_end_with_the_weights_of_the_whole(batch_size, dtype):
    """Bit by bit if the parts know the whole; to rounding if they are given the rates in between."""
    weights, biases, masks, x, labels = toy((18, 33, 6), seed=5, dtype=dtype)
    samples, order = sparse.pack_samples(x, labels, dtype), np.arange(30)
    whole, parts, alone = (sparse.pack(weights, biases, masks, dtype=dtype) for _ in range(3))
    recognized = sparse.train_epoch(whole, samples, order, 0.3, 0.06, batch_size)
    assert recognized == sum(sparse.train_epoch(parts, samples, order[a:b], 0.3, 0.06, batch_size, start=a, total=30)
                             for a, b in ((0, 10), (10, 15), (15, 30)))
    for a, b in zip(sparse.unpack(whole), sparse.unpack(parts), strict=True):
        for of_whole, of_parts in zip(a, b, strict=True):
            np.testing.assert_array_equal(of_whole, of_parts)
    sparse.train_epoch(alone, samples, order[:10], 0.3, 0.22, batch_size)
    sparse.train_epoch(alone, samples, order[10:], 0.22, 0.06, batch_size)
    assert_ends_as(alone, masks, sparse.unpack(whole), dtype)


def test_training_leaves_the_packed_arrays_alone():
    weights, biases, masks, x, labels = toy((18, 33, 6))
    before = [a.copy() for a in (*weights, *biases, *masks)]
    for layout in LAYOUTS:
        net = sparse.pack(weights, biases, masks, layout_of(layout, 2), dtype=np.float64)
        sparse.train_epoch(net, sparse.pack_samples(x, labels, np.float64), np.arange(30), 0.5)
    for a, b in zip(before, (*weights, *biases, *masks), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_accuracy_equals_that_of_dense_matrices(layout, dtype):
    for activation, slope in (("tanh", None), ("relu", 0.0), (0.3, 0.3)):
        weights, biases, masks, x, labels = toy((23, 37, 3), n=200, seed=6, dtype=dtype)
        live = [w * mask for w, mask in zip(weights, masks, strict=True)]
        right = forward(live, biases, x, slope, "cross-entropy")[1][-1].argmax(axis=1) == labels
        net = sparse.pack(weights, biases, masks, layout_of(layout, 2), activation, dtype=dtype)
        assert sparse.accuracy(net, sparse.pack_samples(x, labels, dtype)) == right.mean()
        assert 0.1 < right.mean() < 0.9


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("batch_size", [1, 5])
@pytest.mark.parametrize("data", ["no light", "one sample again and again", "one class", "one feature lit"])
def test_poor_data_are_learnt_as_by_the_reference(layout, batch_size, data):
    weights, biases, masks, x, labels = toy((14, 20, 4), seed=7)
    order = np.arange(30)
    if data == "no light":
        x[:] = 0
    elif data == "one class":
        labels[:] = 2
    elif data == "one feature lit":
        x[:, :-1], x[:, -1] = 0, 1
    else:
        order[:] = 4
    expected = descend(weights, biases, masks, x, labels, order, (0.3, 0.3), batch_size)
    net = sparse.pack(weights, biases, masks, layout_of(layout, 2), dtype=np.float64)
    samples = sparse.pack_samples(x, labels, np.float64)
    assert sparse.train_epoch(net, samples, order, 0.3, batch_size=batch_size) == expected[2]
    assert_ends_as(net, masks, expected, np.float64)
    if data == "no light":
        np.testing.assert_array_equal(sparse.unpack(net)[0][0], weights[0] * masks[0])


@pytest.mark.parametrize("batch_size", [1, 5])
def test_of_equal_outputs_the_first_counts(batch_size):
    weights, _, masks, x, labels = toy((14, 20, 4))
    net = sparse.pack(weights, [None, None], masks, dtype=np.float64)
    samples = sparse.pack_samples(0 * x, labels, np.float64)
    assert sparse.accuracy(net, samples) == (labels == 0).mean()
    assert sparse.train_epoch(net, samples, np.arange(30), 0.3, batch_size=batch_size) == (labels == 0).sum() > 0


def test_an_epoch_of_no_samples_changes_nothing():
    weights, biases, masks, x, labels = toy((14, 20, 4))
    net = sparse.pack(weights, biases, masks, dtype=np.float64)
    for batch_size in (1, 4):
        assert sparse.train_epoch(net, sparse.pack_samples(x, labels, np.float64), [], 0.3, batch_size=batch_size) == 0
    assert_ends_as(net, masks, ([w * m for w, m in zip(weights, masks, strict=True)], biases), np.float64)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("batch_size", [1, 5])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_extreme_logits_do_not_overflow(layout, dtype, batch_size, activation):
    """Weights of 1000: tanh is saturated, and one class has all the probability."""
    weights, biases, masks, x, labels = toy((14, 20, 4), scale=1e3, seed=8, dtype=dtype)
    net = sparse.pack(weights, biases, masks, layout_of(layout, 2), activation, dtype=dtype)
    slope = None if activation == "tanh" else 0.0
    order = np.arange(5)[:batch_size]  # the first step only, since later ones are chaotic at this scale
    expected = descend(weights, biases, masks, x, labels, order, (0.1, 0.1), batch_size, slope)
    samples = sparse.pack_samples(x, labels, dtype)
    assert sparse.train_epoch(net, samples, order, 0.1, batch_size=batch_size) == expected[2]
    for ours, right in zip(sparse.unpack(net)[0], expected[0], strict=True):
        np.testing.assert_allclose(ours, right, rtol=4 * np.finfo(dtype).eps, atol=1e3 * TOLERANCE[dtype])
        assert np.isfinite(ours).all()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("batch_size", [1, 5])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_a_net_that_diverged_cannot_be_packed_again(layout, batch_size, activation):
    weights, biases, masks, x, labels = toy((14, 20, 4))
    net = sparse.pack(weights, biases, masks, layout_of(layout, 2), activation, "squared", dtype=np.float32)
    sparse.train_epoch(net, sparse.pack_samples(x, labels), np.tile(np.arange(30), 10), 1e30, batch_size=batch_size)
    if activation == "relu":
        with pytest.raises(sparse.Diverged, match="NaN or infinite: lower the learning rate"):
            sparse.pack(*sparse.unpack(net), masks)


@pytest.mark.parametrize(("settings", "message"), [
    ({"order": [0, 30]}, "order runs from 0 to 30: expected indices of 30 samples"),
    ({"order": [-1, 3]}, "order runs from -1 to 3"),
    ({"order": [0.5, 3.7]}, "order is float64"), ({"order": [[0, 1], [2, 3]]}, r"order is int64 of shape \(2, 2\)"),
    ({"order": [True, False]}, "order is bool"),
    ({"batch_size": 4}, "batch_size is 4: expected a divisor of 30, the number of samples"),
    ({"batch_size": 0}, "batch_size is 0"), ({"batch_size": -3}, "batch_size is -3"),
    ({"batch_size": 5.0}, "batch_size is 5.0"),
    ({"learning_rate": -0.1}, "learning rates are -0.1 and -0.1: expected finite numbers of at least 0"),
    ({"learning_rate": math.nan}, "learning rates are nan"), ({"learning_rate": math.inf}, "learning rates are inf"),
    ({"final_rate": -0.1}, "learning rates are 0.1 and -0.1"), ({"final_rate": math.nan}, "rates are 0.1 and nan"),
    ({"labels": np.full(30, 3)}, "labels run to 3, the net has 3 outputs: expected labels below that"),
    ({"features": 6}, "samples have 6 float64 features, the net 5 float64 inputs: make them match"),
    ({"dtype": np.float32}, "samples have 5 float32 features, the net 5 float64 inputs: make them match"),
])
def test_epochs_refuse_and_change_nothing(settings, message):
    weights, biases, masks, x, labels = toy((5, 8, 3))
    net = sparse.pack(weights, biases, masks, dtype=np.float64)
    x = np.resize(x, (30, settings.get("features", 5)))
    samples = sparse.pack_samples(x, settings.get("labels", labels), settings.get("dtype", np.float64))
    arguments = {"order": np.arange(30), "learning_rate": 0.1} | {
        name: value for name, value in settings.items() if name not in ("labels", "dtype", "features")}
    with pytest.raises(UserError, match=message):
        sparse.train_epoch(net, samples, **arguments)
    assert_ends_as(net, masks, ([w * m for w, m in zip(weights, masks, strict=True)], biases), np.float64)


@pytest.mark.parametrize("change", [{"labels": np.full(30, 3)}, {"features": 6}, {"dtype": np.float32}])
def test_accuracy_refuses_what_training_refuses(change):
    weights, biases, masks, x, labels = toy((5, 8, 3))
    net = sparse.pack(weights, biases, masks, dtype=np.float64)
    x = np.pad(x, ((0, 0), (0, change.get("features", 5) - 5)))
    samples = sparse.pack_samples(x, change.get("labels", labels), change.get("dtype", np.float64))
    with pytest.raises(UserError, match=r"make them match|expected labels below that"):
        sparse.accuracy(net, samples)


# ---- gradients --------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("activation", "slope"), [("tanh", None), (0.2, 0.2)])
@pytest.mark.parametrize("loss", ["cross-entropy", "squared"])
@pytest.mark.parametrize("sizes", [(6, 9, 3), (5, 7, 6, 3)])
def test_gradients_equal_central_differences_for_dead_weights_too(activation, slope, loss, sizes):
    weights, biases, masks, x, labels = toy(sizes, n=11, seed=10)
    weights = [w * mask for w, mask in zip(weights, masks, strict=True)]
    before = [w.copy() for w in weights]
    for dtype in DTYPES:
        gradients = sparse.gradients(weights, biases, sparse.pack_samples(x, labels, dtype), activation, loss,
                                     (-0.3, 0.9))
        exact = x.astype(dtype).astype(float)
        for l, gradient in enumerate(gradients):
            assert gradient.dtype == np.float64
            for at in np.ndindex(gradient.shape):
                ends = []
                for h in (1e-5, -1e-5):
                    moved = [w.copy() for w in weights]
                    moved[l][at] += h
                    out = forward(moved, biases, exact, slope, loss)[1][-1]
                    ends.append(losses(out, labels, loss, (-0.3, 0.9)).mean())
                assert gradient[at] == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-4, abs=2e-8)
    for a, b in zip(before, weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_gradient_of_one_sample_is_what_a_step_subtracts():
    weights, biases, masks, x, labels = toy((6, 9, 3), full_mask)
    gradients = sparse.gradients(weights, biases, sparse.pack_samples(x[:1], labels[:1]))
    after, *_ = descend(weights, biases, masks, x[:1].astype(np.float32), labels[:1], np.zeros(1, int), (1, 1))
    for gradient, a, b in zip(gradients, weights, after, strict=True):
        np.testing.assert_allclose(gradient, a - b, atol=1e-12)


# ---- whole runs -------------------------------------------------------------------------------------------

@pytest.mark.parametrize("batch_size", [1, 6])
@pytest.mark.parametrize("decay", [True, False])
def test_a_run_that_keeps_all_weights_is_one_epoch(batch_size, decay, monkeypatch):
    weights, biases, samples = problem()
    before = [w.copy() for w in (*weights, *biases)]
    orders = []

    def watch(net, samples, order, *rest, train=training.train_epoch):
        orders.append(order)
        return train(net, samples, order, *rest)
    monkeypatch.setattr(training, "train_epoch", watch)
    trained = sparse.run(recipe(batch_size=batch_size, decay=decay), weights, biases, samples)
    order = np.concatenate(orders)
    assert len(order) == STEPS
    assert len(np.unique(order)) > 40  # drawn from all the samples
    net = sparse.pack(weights, biases, dtype=np.float64)
    sparse.train_epoch(net, samples, order, 0.3, 0.0 if decay else 0.3, batch_size)
    for ours, right in zip((trained.weights, trained.biases), sparse.unpack(net), strict=True):
        for a, b in zip(ours, right, strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)
    assert all(mask.all() for mask in trained.masks)
    assert trained.seconds > 0
    for a, b in zip(before, (*weights, *biases), strict=True):
        np.testing.assert_array_equal(a, b)  # the given arrays are left as they were


@pytest.mark.parametrize("criterion", sparse.CRITERIA)
@pytest.mark.parametrize("schedule", sparse.SCHEDULES)
@pytest.mark.parametrize("batch_size", [1, 5])
def test_every_criterion_ends_with_the_budget(criterion, schedule, batch_size):
    weights, biases, samples = problem(np.float32)
    keep = sparse.keep_for(200, weights, biases)
    settings = recipe(keep=keep, criterion=criterion, schedule=schedule, batch_size=batch_size)
    trained = sparse.run(settings, weights, biases, samples)
    assert sparse.parameters(trained.masks, trained.biases) == 200
    for w, mask in zip(trained.weights, trained.masks, strict=True):
        assert (w[~mask] == 0).all()
        assert w.dtype == np.float64
    assert_same_run(trained, sparse.run(settings, weights, biases, samples))
    reseeded = sparse.run(replace(settings, seed=1), weights, biases, samples)
    assert not np.array_equal(trained.weights[0], reseeded.weights[0])


@pytest.mark.parametrize("criterion", sparse.CRITERIA)
def test_pruned_nets_still_learn(criterion):
    weights, biases, samples = problem()
    trained = sparse.run(recipe(steps=3000, keep=0.2, criterion=criterion), weights, biases, samples)
    net = sparse.pack(trained.weights, trained.biases, trained.masks, dtype=np.float64)
    assert sparse.accuracy(net, samples) > 0.9


@pytest.mark.parametrize(("criterion", "schedule"), [("magnitude", "gradual"), ("moved", "halvings"),
                                                     ("random", "one-shot"), ("snip", "one-shot")])
def test_blocks_stay_whole_through_a_run(criterion, schedule):
    weights, biases, samples = problem(sizes=(20, 40, 3))
    settings = recipe(keep=0.3, criterion=criterion, schedule=schedule, block=16)
    trained = sparse.run(settings, weights, biases, samples)
    units = [mask[where] for l, mask in enumerate(trained.masks) for *_, where in blocks_of(mask, l)]
    assert all(unit.all() or not unit.any() for unit in units)
    assert sum(unit.any() for unit in units) == int(0.3 * len(units))


def events_of(criterion="magnitude", **settings):
    """Run `problem`; return its prunings and regrowings in order, and the weights that it started from.

    An event has at (samples seen), action, share, weights (before), arguments (the others) and masks (the result).
    """
    events, seen = [], [0]

    def train(net, samples, order, *rest, train=training.train_epoch, **named):
        seen[0] += 0 if named else len(order)  # `gradients` names its batch size
        return train(net, samples, order, *rest, **named)

    def prune(weights, keep, *rest, prune=pruning.prune, **named):
        masks = prune(weights, keep, *rest, **named)
        events.append(SimpleNamespace(at=seen[0], action="prune", share=keep, weights=[w.copy() for w in weights],
                                      arguments=named, masks=masks))
        return masks

    def regrow(weights, masks, share, gradients, rng, regrow=pruning.regrow):
        before = [w.copy() for w in weights]
        new = regrow(weights, masks, share, gradients, rng)
        events.append(SimpleNamespace(at=seen[0], action="regrow", share=share, weights=before,
                                      arguments={"gradients": gradients}, masks=new))
        return new
    weights, biases, samples = problem()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "train_epoch", train)
        patch.setattr(pruning, "prune", prune)
        patch.setattr(pruning, "regrow", regrow)
        sparse.run(recipe(criterion=criterion, **settings), weights, biases, samples)
    return events, weights


def test_a_run_prunes_when_the_schedule_says():
    def times(**settings):
        return [(event.at, event.action, event.share) for event in events_of(keep=0.1, **settings)[0]]
    assert times(schedule="one-shot") == [(20, "prune", 0.1)]
    assert times(schedule="one-shot", burn_in=STEPS) == [(STEPS, "prune", 0.1)]
    assert [at for at, *_ in times(schedule="halvings")] == [5, 10, 15, 20]
    assert [at for at, *_ in times(schedule="gradual")] == [30, 40, 50, 60]
    np.testing.assert_allclose([keep for *_, keep in times(schedule="halvings")], 0.1 ** (np.arange(1, 5) / 4))
    np.testing.assert_allclose([keep for *_, keep in times()], 0.1 + 0.9 * (1 - np.arange(1, 5) / 4) ** 3)
    assert [at for at, *_ in times(schedule="halvings", batch_size=12, burn_in=80)] == [12, 36, 60, 72]  # whole batches
    assert times(criterion="snip") == [(0, "prune", 0.1)]
    for criterion in ("set", "rigl"):
        first, *regrowings = times(criterion=criterion, steps=160)
        assert first == (0, "prune", 0.1)
        assert [at for at, *_ in regrowings] == [20, 45, 70, 95]
        cosine = 0.3 * (1 + np.cos(np.pi * np.arange(4) / 4)) / 2  # Evci et al. 2020
        np.testing.assert_allclose([share for *_, share in regrowings], cosine)


def test_a_run_scores_by_its_criterion():
    """Masks as the plain scores give them, from the weights that the run had at that moment."""
    (event,), _ = events_of(keep=0.1, schedule="one-shot")
    cut = np.sort(np.abs(np.concatenate([w.ravel() for w in event.weights])))[-55]
    assert all(np.array_equal(abs(w) >= cut, mask) for w, mask in zip(event.weights, event.masks, strict=True))
    (event,), start = events_of(keep=0.1, schedule="one-shot", criterion="moved")
    moved = [abs(w - s) for w, s in zip(event.weights, start, strict=True)]
    cut = np.sort(np.concatenate([m.ravel() for m in moved]))[-55]
    assert all(np.array_equal(m >= cut, mask) for m, mask in zip(moved, event.masks, strict=True))
    (event,), start = events_of(keep=0.1, criterion="snip")
    assert event.at == 0
    _, biases, samples = problem()
    exact = sparse.gradients(start, biases, samples)
    for sampled, gradient in zip(event.arguments["gradients"], exact, strict=True):  # of 1000 draws of 60 samples
        assert np.corrcoef(sampled.ravel(), gradient.ravel())[0, 1] > 0.98
    for criterion in ("set", "rigl"):
        (first, *regrowings), _ = events_of(keep=0.3, criterion=criterion, steps=400)
        masks = first.masks
        for event in regrowings:
            assert event.action == "regrow"
            assert (event.arguments["gradients"] is None) == (criterion == "set")
            assert all(np.array_equal(w != 0, m) or event.share for w, m in zip(event.weights, masks, strict=True))
            assert [m.sum() for m in event.masks] == [m.sum() for m in masks]
            assert any((a != b).any() for a, b in zip(event.masks, masks, strict=True))
            masks = event.masks


@pytest.mark.parametrize("criterion", sparse.CRITERIA)
def test_a_run_may_leave_all_layers_after_the_first_whole(criterion):
    weights, biases, samples = problem(sizes=(20, 24, 8, 3))
    trained = sparse.run(recipe(keep=0.1, criterion=criterion, first_layer_only=True), weights, biases, samples)
    assert [m.sum() for m in trained.masks] == [48, 24 * 8, 8 * 3]
    assert [m.shape for m in trained.masks] == [w.shape for w in weights]
    assert (trained.weights[0][~trained.masks[0]] == 0).all()


def density(masks):
    return sum(m.sum() for m in masks) / sum(m.size for m in masks)


def test_a_run_may_prune_after_the_last_step():
    weights, biases, samples = problem()
    trained = sparse.run(recipe(keep=0.1, schedule="one-shot", burn_in=STEPS), weights, biases, samples)
    assert density(trained.masks) == pytest.approx(0.1, abs=1 / 552)
    assert all((w[~m] == 0).all() and (w[m] != 0).all() for w, m in zip(trained.weights, trained.masks, strict=True))


def test_a_run_counts_whole_batches_only():
    weights, biases, samples = problem()
    a, b = (sparse.run(recipe(steps=steps, batch_size=7), weights, biases, samples) for steps in (119, 121))
    assert_same_run(a, b)


def test_a_run_takes_nets_without_biases_and_other_losses():
    weights, biases, samples = problem()
    for kept in ([None, None], [biases[0], None], [None, biases[1]]):
        trained = sparse.run(recipe(keep=0.3), weights, kept, samples, 0.1, "squared", (-0.2, 0.7))
        assert [b is None for b in trained.biases] == [b is None for b in kept]
        assert density(trained.masks) == pytest.approx(0.3, abs=1 / 552)
    plain = sparse.run(recipe(), weights, biases, samples)
    for net in ((0.1, "cross-entropy", (0, 1)), ("tanh", "squared", (0, 1)), ("relu", "squared", (-1, 1))):
        assert not np.allclose(sparse.run(recipe(), weights, biases, samples, *net).weights[0], plain.weights[0])


@pytest.mark.parametrize("criterion", ["set", "rigl"])
def test_a_regrowing_that_rounds_to_the_start_leaves_the_pruning_there(criterion):
    weights, biases, samples = problem()
    trained = sparse.run(recipe(keep=0.2, criterion=criterion, burn_in=0, batch_size=12), weights, biases, samples)
    assert sum(map(np.count_nonzero, trained.masks)) == int(0.2 * sum(w.size for w in weights))


@pytest.mark.parametrize(("settings", "message"), [
    ({"steps": 0}, "steps is 0: expected a positive integer"), ({"steps": 10.0}, "steps is 10.0"),
    ({"prunings": 0}, "prunings is 0"), ({"batch_size": -1}, "batch_size is -1"),
    ({"burn_in": 10.5}, "burn_in is 10.5: expected an integer of at least 0"), ({"burn_in": -3}, "burn_in is -3"),
    ({"seed": -1}, "seed is -1"),
    ({"criterion": "size"}, "criterion is 'size': expected magnitude, moved, random, snip, set or rigl"),
    ({"keep": 0}, r"keep is 0: expected a share of the weights, in \(0, 1\]"), ({"keep": 1.5}, "keep is 1.5"),
    ({"keep": math.nan}, "keep is nan"),
    ({"criterion": "set", "block": 16}, "block is 16: set regrows single weights, expected 1"),
    ({"criterion": "rigl", "block": 16}, "block is 16: rigl regrows single weights"),
])
def test_recipe_refuses(settings, message):
    with pytest.raises(UserError, match=message):
        recipe(**settings)


@pytest.mark.parametrize(("settings", "message"), [
    ({"keep": 0.1, "burn_in": 200}, "gradual pruning with a burn-in of 200 does not fit into 120 samples"),
    ({"keep": 0.1, "schedule": "linear"}, "schedule is 'linear'"),
    ({"keep": 0.1, "block": 4}, "block is 4"),
    ({"keep": 1e-6}, "leaves none in layer 1"),
    ({"learning_rate": -0.1}, "learning rates are -0.1 and"), ({"learning_rate": math.nan}, "learning rates are nan"),
    ({"keep": 0.2, "criterion": "set", "burn_in": 200}, "burn-in of 200 does not fit into 120 samples"),
    ({"keep": 0.2, "criterion": "rigl", "burn_in": 200, "decay": False}, "burn-in of 200 does not fit into 120"),
    ({"steps": 5, "batch_size": 10}, "steps is 5: expected at least batch_size, 10"),
])
def test_runs_refuse(settings, message):
    weights, biases, samples = problem()
    with pytest.raises(UserError, match=message):
        sparse.run(recipe(**settings), weights, biases, samples, "relu", "squared")


@pytest.mark.parametrize("settings", [{"learning_rate": 1e200}, {"learning_rate": 1e200, "keep": 0.2},
                                      {"learning_rate": 1e308, "steps": 2}])
def test_a_run_that_diverges_has_no_result(settings):
    """In one epoch, between prunings, and in the very last step."""
    weights, biases, samples = problem()
    with pytest.raises(sparse.Diverged, match="NaN or infinite: lower the learning rate"):
        sparse.run(recipe(**settings), weights, biases, samples, "relu", "squared")


def test_the_learning_rate_is_chosen_by_the_first_run():
    calls = []

    def train(rate, run):
        calls.append((rate, run))
        return rate, run

    def score(net):
        rate, run = net
        return {0.1: 0.5, 0.2: 0.9, 0.3: 0.9}[rate] - 0.01 * run
    rate, best, nets = sparse.train_at_best_rate(train, score, (0.1, 0.2, 0.3), 3)
    assert (rate, best, nets) == (0.2, 0.9, [(0.2, 0), (0.2, 1), (0.2, 2)])
    assert calls == [(0.1, 0), (0.2, 0), (0.3, 0), (0.2, 1), (0.2, 2)]
