"""Growth of weights in nets: windows of plain training, planted changes that are told apart, and the script."""
import numpy as np
import pytest
from helpers import assert_fits_the_page
from scipy import stats

import mlp
import weight_growth
from gradnets import datasets, experiment, growth, sparse, streams
from gradnets.errors import UserError

SMALL = {"dataset": "glyphs", "hidden_units": (12,), "inits": ("normal(0.1)", "uniform(0.25)"), "starts": (0, 100),
         "window": 60, "runs": 2, "images": 300}
NET = weight_growth.Net("12 units", "glyphs", 12, "normal(0.1)", 0.05)


def run(**changes):
    return weight_growth.main(experiment.settings(weight_growth, **SMALL | changes))


def packed(data):
    return sparse.pack_samples(data.inputs, data.labels, np.float64)


# ---- parts ------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("net", [NET, NET._replace(targets=(-1.0, 1.0), biases=(True, False))])
def test_changes_are_those_of_plain_training(net, monkeypatch):
    data = datasets.load("glyphs", limit=300)
    seen = []
    monkeypatch.setattr(weight_growth, "compare", lambda *arrays: seen.append(arrays[:2]) or ({}, []))
    (first, (numbers, _)), (second, _) = weight_growth.windows(net, data, packed(data), [0, 100], 60, seed=3)
    assert (first, second) == (0, 100)
    network = mlp.MLP((784, 12, 10), init="normal(0.1)", seed=3, biases=net.biases, targets=net.targets)
    weights, order = [network.weights[0].copy()], streams.generator(3, streams.SAMPLES).integers(300, size=160)
    recognised = []
    for step in mlp.train(network, data, 160, 0.05, seed=3):
        recognised.append(step.activations[-1].argmax() == data.labels[order[step.index - 1]])
        if step.index in (61, 101):  # before this step's update
            weights.append(network.weights[0].copy())
    weights.append(network.weights[0].copy())
    for (start, changes), before, after in zip(seen, weights[::2], weights[1::2], strict=True):
        counted = (data.inputs.mean(axis=0) >= 0.02) & (before != after).any(axis=1)
        assert 0.3 < counted.mean() < 0.5
        np.testing.assert_allclose(start, before[counted], rtol=1e-9)
        np.testing.assert_allclose(changes, (after - before)[counted], atol=1e-12)
    assert numbers["recognised"] == pytest.approx(np.mean(recognised[:60]))


def test_feedback_of_weights_is_told_from_that_of_units():
    rng = np.random.default_rng(0)
    units = rng.lognormal(0, 1, 80)
    weights = rng.normal(size=(300, 80)) * units
    noise = rng.exponential(size=weights.shape)
    by_unit, (_, flat) = weight_growth.compare(weights, -np.sign(weights) * noise * units, rng)
    assert by_unit["exponent"] == pytest.approx(by_unit["same_effects"], abs=0.03)
    assert by_unit["exponent"] == pytest.approx(by_unit["unit_means"], abs=0.03)
    assert by_unit["exponent"] > 0.3
    for key in ("rest", "rest_shuffled", "inputs_shuffled"):
        assert by_unit[key] == pytest.approx(0, abs=0.03)
    np.testing.assert_allclose(flat[1], 1, atol=0.1)
    by_weight, (raw, _) = weight_growth.compare(weights, weights * noise, rng)
    for key in ("exponent", "within_inputs", "rest"):
        assert by_weight[key] == pytest.approx(1, abs=0.03)
    assert by_weight["same_effects"] < 0.8
    assert np.log(raw[1][-1] / raw[1][0]) == pytest.approx(np.log(raw[0][-1] / raw[0][0]), abs=0.2)


def test_drift_is_outward_in_units_of_the_expected_change():
    rng = np.random.default_rng(1)
    weights = rng.normal(size=(300, 80))
    top = np.abs(weights) > np.quantile(np.abs(weights), 0.9)
    signs = np.where(top, np.sign(weights), rng.choice([-1.0, 1.0], weights.shape))
    numbers, _ = weight_growth.compare(weights, 3 * signs, rng)
    assert numbers["drift_top"] == pytest.approx(1)
    assert numbers["drift_low"] == pytest.approx(0, abs=0.1)
    assert numbers["drift_top_rest"] > 0.8
    weights *= rng.lognormal(0, 2, 80)  # now the largest weights are those of large units
    numbers, _ = weight_growth.compare(weights, 3 * signs, rng)
    assert numbers["drift_top"] < 0.5 < numbers["drift_top_rest"]


def test_ranks_are_those_of_units():
    rng = np.random.default_rng(2)
    changes = rng.random(50)
    ranks = weight_growth.ranks(changes, changes**3, -changes, rng.random(50), rng)
    assert (ranks["size_rank"], ranks["outgoing_rank"]) == pytest.approx((1, -1))
    assert abs(ranks["shuffled_rank"]) < 0.5
    assert abs(ranks["gate_rank"]) < 0.5


def test_gates_and_outgoing_weights_are_those_at_the_start(monkeypatch):
    data, seen = datasets.load("glyphs", limit=300), []
    monkeypatch.setattr(weight_growth, "ranks", lambda *arrays: seen.append(arrays) or {})
    list(weight_growth.windows(NET, data, packed(data), [0], 1000, seed=3))
    network = mlp.MLP((784, 12, 10), init="normal(0.1)", seed=3)
    hidden = network.forward(data.inputs)[1]  # 300 images: all of them
    (_, sizes, outgoing, gates, _), = seen
    lit = data.inputs.mean(axis=0) >= 0.02  # and all of them move in so long a window
    np.testing.assert_allclose(sizes, np.abs(network.weights[0][lit]).mean(axis=0))
    np.testing.assert_allclose(outgoing, np.sqrt((network.weights[1]**2).sum(axis=1)))
    np.testing.assert_allclose(gates, 1 - (hidden**2).mean(axis=0))


def test_outgoing_weights_scale_the_changes_of_their_unit_and_single_weights_do_not():
    """In one step from small weights a delta is proportional to its unit's outgoing weights: the exponent is 1."""
    data = datasets.load("glyphs", limit=300)
    net = NET._replace(init="normal(0.0001)", hidden_units=200)
    (_, (numbers, _)), = weight_growth.windows(net, data, packed(data), [0], 5, seed=0)
    assert numbers["doubled_outgoing"] == pytest.approx(1, abs=0.01)
    assert numbers["doubled_both"] == pytest.approx(1, abs=0.01)
    assert numbers["doubled_weights"] == pytest.approx(0, abs=0.01)
    assert numbers["doubled_incoming"] == pytest.approx(0, abs=0.01)


def test_the_nets_differ_in_one_respect_each():
    settings = experiment.settings(weight_growth, hidden_units=(30, 100, 30), inits=("glorot", "normal(0.1)"))
    nets = weight_growth.nets_of(settings)
    assert [net.name for net in nets] == ["30 units", "100 units", "normal(0.1)", "noise", "source's recipe"]
    for net in nets[1:4]:
        assert sum(a != b for a, b in zip(net[1:], nets[0][1:], strict=True)) == 1
    assert nets[4][2:] == (128, "uniform(0.00001)", 0.01, (-1.0, 1.0), (True, False))
    noise = weight_growth.nets_of(experiment.settings(weight_growth, dataset="noise"))
    assert [net.data for net in noise] == ["noise"] * 4


# ---- the finding ------------------------------------------------------------------------------------------

def row(exponent, low, rest, high, unit_means=0.2):
    return {"exponent": exponent, "exponent_low": low, "rest": rest, "rest_high": high, "unit_means": unit_means}


@pytest.mark.parametrize(("numbers", "finding"), [
    ((0.32, 0.29, -0.001, 0.02), "only through their units: exponent 0.32, without them 0.00"),
    ((0.32, 0.29, 0.01, 0.02, 0.15), "only through inputs and units: exponent 0.32, without them 0.01"),
    ((0.92, 0.5, 0.8, 0.9), "even within units: exponent 0.92, without units 0.80"),
    ((0.92, 0.5, 0.2, 0.26), "even within units: exponent 0.92, without units 0.20"),
    ((-0.02, -0.1, 0.0, 0.02), "do not change more than small ones: exponent -0.02"),
])
def test_the_finding_follows_the_numbers(numbers, finding):
    sentence = weight_growth.finding_of(row(*numbers))
    assert sentence.endswith(finding)
    assert len(sentence) <= 90


# ---- the script -------------------------------------------------------------------------------------------

def test_there_is_a_row_for_each_net_and_start():
    result = run()
    rows = [row for row in result.rows if "bin" not in row]
    assert [(row["net"], row["start"]) for row in rows] == [
        (net, start) for net in ("12 units", "uniform(0.25)", "noise", "source's recipe") for start in (0, 100)]
    assert all(row["runs"] == 2 for row in rows)
    curves = [row for row in result.rows if "bin" in row]
    assert [row["bin"] for row in curves] == list(range(growth.BINS))
    assert {(row["net"], row["start"]) for row in curves} == {("12 units", 100)}
    slope = stats.linregress(np.log([row["size"] for row in curves]), np.log([row["change"] for row in curves])).slope
    chosen = weight_growth.pick(rows, "12 units", 100)
    assert slope == pytest.approx(chosen["exponent"], abs=0.1)
    assert len(result.printed) == 5
    assert_fits_the_page(result)
    assert [data["name"] for data in result.data] == ["glyphs", "noise"]


def test_windows_without_a_result_are_counted():
    """At this rate the first steps saturate the outputs, so that nothing moves later."""
    data = datasets.load("glyphs", limit=300)
    net = NET._replace(learning_rate=1e60)
    runs = {start: [run] for start, run in weight_growth.windows(net, data, packed(data), [0, 5], 4, seed=0)}
    rows = [weight_growth.summary(net, start, runs[start]) for start in (0, 5)]
    assert [row["without_result"] for row in rows] == [0, 1]
    assert rows[1]["reason"] == "no weight of a lit input changes: take a longer window"
    assert weight_growth.curve_rows(net.name, 5, runs[5]) == []


@pytest.mark.parametrize(("changes", "message"), [
    ({"hidden_units": (9,)}, "expected at least 10 units"),
    ({"starts": (-1,)}, r"starts is \(-1,\): expected integers of at least 0"),
    ({"starts": ()}, "one value or more"),
    ({"window": 0}, "window is 0"),
    ({"runs": 0}, "runs is 0"),
    ({"inits": ()}, "one value or more"),
    ({"inits": ("normall",)}, "unknown init"),
    ({"learning_rate": -1.0}, "learning rates are -1"),
    ({"learning_rate": 1e308}, "lower --learning-rate"),
    ({"seed": 1.5}, "seed is 1.5"),
])
def test_mistakes_are_named(changes, message):
    with pytest.raises(UserError, match=message):
        run(**changes)
