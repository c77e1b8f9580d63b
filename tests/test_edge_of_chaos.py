"""The edge of chaos: one net beside plain descent, planted onsets and correlations, findings and the script."""
import numpy as np
import pytest
from helpers import assert_fits_the_page
from scipy import stats

import edge_of_chaos
import mlp
from gradnets import curvature, datasets, dynamics, experiment
from gradnets.errors import UserError

SMALL = {"dataset": "glyphs", "images": 60, "test_images": 100, "side": 4, "hidden_units": 3, "steps": 120,
         "learning_rates": (0.2, 0.5, 1.0, 4.0), "batch_sizes": (60, 5), "target": 0.5, "runs": 3, "jobs": 1}
ONE = {"dataset": "glyphs", "images": 30, "test_images": 50, "side": 4, "hidden_units": 2, "steps": 60, "data_seed": 0}


def run(**changes):
    return edge_of_chaos.main(experiment.settings(edge_of_chaos, **SMALL | changes))


@pytest.fixture(scope="module")
def result():
    return run()


def test_a_net_is_measured_along_plain_descent():
    numbers = edge_of_chaos.measure(0.5, 30, 3, **ONE)
    data, test = (datasets.pool(datasets.load("glyphs", split, limit=limit), 4)
                  for split, limit in (("train", 30), ("test", 50)))
    network = mlp.MLP((16, 2, 10), "tanh", "squared", "glorot", 3)
    point, accuracies, spectra = curvature.parameters(network), [], []
    for step in range(60):
        moved = curvature.at(network, point)
        if step in (10, 20, 30, 40, 50):
            accuracies.append((moved.forward(test.inputs)[-1].argmax(axis=1) == test.labels).mean())
        if step > 10 and step % 10 == 1:
            spectra.append(np.linalg.eigvalsh(curvature.hessian(moved, data.inputs, data.labels, "r-operator")))
        point = point - 0.5 * curvature.gradient(moved, data.inputs, data.labels)
    assert numbers["accuracies"][:5] == pytest.approx(accuracies)
    assert numbers["train_loss"] == pytest.approx(curvature.loss(curvature.at(network, point), data.inputs,
                                                                 data.labels))
    assert numbers["trace"] == pytest.approx(np.mean([values.sum() for values in spectra]))
    assert numbers["largest"] == pytest.approx(np.mean([values[-1] for values in spectra]))
    logs = np.mean([np.sort(np.log(np.abs(1 - 0.5 * values)))[::-1] for values in spectra], axis=0)
    sums = np.cumsum(logs)
    whole = np.flatnonzero(sums >= 0)[-1] + 1
    assert numbers["dimension"] == pytest.approx(whole + sums[whole - 1] / -logs[whole])


def test_nets_that_leave_are_counted(monkeypatch):
    def leave(*arguments):
        raise curvature.NotFinite("gone")

    monkeypatch.setattr(dynamics, "lyapunov", leave)
    assert edge_of_chaos.measure(0.5, 30, 0, **ONE) == {"diverged": True}
    with pytest.raises(UserError, match="every net diverged: lower the learning rates"):
        run(runs=1)


def nets(exponents, times, size=60, seed=0):
    """Return planted nets at rates 1, 2, 4, ..."""
    return [{"batch_size": size, "seed": seed, "learning_rate": 2.0**k, "exponent": exponent, "steps_to_learn": steps}
            for k, (exponent, steps) in enumerate(zip(exponents, times, strict=True))]


@pytest.mark.parametrize(("exponents", "times", "ratio"), [
    ((0, 0.1, 0.2), (30, 10, 20), 1),
    ((0, 0.01, 0.2), (30, 10, 20), 0.5),
    ((0.1, 0, 0.2), (30, 20, 10), 4),
    ((0, 0.1, 0.2), (10, np.inf, 10), 1),     # two rates share the shortest time: their geometric mean
    ((0, 0, 0), (30, 10, 20), None),
    ((0, 0.1, 0.2), (np.inf,) * 3, None),
])
def test_onset_and_fastest_rate_of_planted_nets(exponents, times, ratio):
    row, = edge_of_chaos.onset_rows(nets(exponents, times))
    assert row.get("ratio") == (None if ratio is None else pytest.approx(ratio))


def test_learning_is_relative_to_the_best_net_of_a_seed_and_batch_size():
    curves = [[0.2, 0.8, 0.5], [0.1, 0.3, 0.73], [0.1, 0.1, 0.1]]
    rows = [{"batch_size": 5, "seed": 0, "accuracies": curve, "test_loss": 0.5, "train_loss": 0.2} for curve in curves]
    rows += [{"batch_size": 5, "seed": 1, "accuracies": [0.1] * 3, "test_loss": 0.5, "train_loss": 0.2},
             {"batch_size": 5, "seed": 1, "diverged": True}]
    edge_of_chaos.add_times(rows, 0.9)
    assert [row.get("steps_to_learn") for row in rows] == [20, 30, np.inf, 10, None]
    assert [row.get("learned") for row in rows] == [False, True, False, True, None]
    assert rows[0]["gap"] == pytest.approx(0.3)


def planted(rng, count=80):
    """Return nets whose gap follows the dimension, and neither trace, largest eigenvalue nor learning rate."""
    dimension = rng.random(count)
    return [{"batch_size": 60, "learned": True, "dimension": value, "gap": value**3 + 0.05 * rng.normal(),
             "trace": rng.random(), "largest": rng.random(), "learning_rate": rng.random()} for value in dimension]


def test_rank_correlations_are_those_of_scipy_and_find_what_is_planted():
    rng = np.random.default_rng(0)
    group = planted(rng)
    rows = {row["predictor"]: row for row in edge_of_chaos.correlations(group, rng) if row["batches"] == "all"}
    for name, row in rows.items():
        expected = stats.spearmanr([net[name] for net in group], [net["gap"] for net in group]).statistic
        assert row["correlation"] == pytest.approx(expected)
        assert row["correlation_low"] < row["correlation"] < row["correlation_high"]
    assert rows["dimension"]["correlation_low"] > 0.8
    assert all(rows[rival]["lead_low"] > 0.3 for rival in ("trace", "largest", "learning_rate"))


def test_a_dimension_that_is_the_learning_rate_in_disguise_has_no_lead():
    rng = np.random.default_rng(1)
    group = [net | {"learning_rate": net["dimension"] * 2, "trace": -net["gap"]} for net in planted(rng)]
    rows = {row["predictor"]: row for row in edge_of_chaos.correlations(group, rng) if row["batches"] == "all"}
    assert rows["learning_rate"]["lead"] == pytest.approx(0)
    assert rows["trace"]["lead_high"] < 0
    assert edge_of_chaos.correlations(group[:9], rng) == []


def test_rows_figures_and_findings(result):
    assert_fits_the_page(result)
    assert len(result.printed) == 8
    assert len(result.figures["_generalisation"].get_suptitle()) <= 90
    settings = [row for row in result.rows if row.get("part") == "net"]
    assert len(settings) == 24
    for row in result.printed:
        group = [net for net in settings if (net["batch_size"], net["learning_rate"]) ==
                 (row["batch_size"], row["learning_rate"])]
        assert row["positive"] == sum(net["exponent"] > dynamics.NEAR_ZERO for net in group)


def test_findings_follow_the_rows():
    assert edge_of_chaos.finding_of([{"ratio": 0.5}, {"ratio": 0.5}, {"ratio": 1.0}, {}]) == (
        "Nets learn fastest at 0.5 times the learning rate where chaos begins")
    assert edge_of_chaos.finding_of([{}]).startswith("No rate is chaotic")
    rows = [{"batches": "all", "predictor": name, "correlation": value}
            for name, value in (("dimension", 0.3), ("trace", -0.6), ("largest", 0.1), ("learning_rate", 0.2))]
    assert edge_of_chaos.finding_of_correlations(rows) == (
        "Generalisation goes with the trace of the Hessian (-0.60), not the dimension (0.30)")
    assert "goes best with generalisation" in edge_of_chaos.finding_of_correlations(rows[:1])
    assert edge_of_chaos.finding_of_correlations([]).startswith("Too few")


@pytest.mark.parametrize(("changes", "message"), [
    ({"batch_sizes": (61,)}, "expected at most 60, the number of images"),
    ({"batch_sizes": (1, 2, 3, 4)}, "expected at most 3 sizes"),
    ({"steps": 20}, "steps is 20: expected at least 50"),
    ({"target": 0.0}, "target is 0.0"),
    ({"learning_rates": (-1.0,)}, "learning_rates has -1.0"),
    ({"runs": 0}, "runs is 0"),
])
def test_mistakes_are_named(changes, message):
    with pytest.raises(UserError, match=message):
        run(**changes)
