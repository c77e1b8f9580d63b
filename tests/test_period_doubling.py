"""Period doubling of nets: outcomes told apart on planted rows, a net that collapses, and the script."""
import numpy as np
import pytest
from helpers import assert_fits_the_page

import period_doubling
from gradnets import cycles, datasets, experiment
from gradnets.errors import NoResult, UserError

SMALL = {"dataset": "glyphs", "decays": (0.05, 0.01), "runs": 2, "longest": 8, "well_rates": 5}
FEIGENBAUM = 4.6692016


def row(kind, period, rate=1.0, alive=True):
    return {"kind": kind, "period": period, "rate": rate, "alive": alive}


def flips(*periods, alive=True):
    return [row(cycles.FLIP, period, 1 - 0.5 / 4**k, alive) for k, period in enumerate(periods)]


# ---- parts ------------------------------------------------------------------------------------------------

def test_the_double_well_gives_the_constant_to_four_digits():
    rates = period_doubling.superstable_rates(11)
    assert rates[0] == pytest.approx(0.5)  # 1 - 2r = 0 at the minimum
    assert cycles.ratios(rates)[-1] == pytest.approx(FEIGENBAUM, abs=1e-4)


@pytest.mark.parametrize(("rows", "outcome"), [
    (flips(1, 2, 4, 8, 16), period_doubling.LIVE_CASCADE),
    (flips(1, 2, 4, 8, alive=False), period_doubling.DEAD_CASCADE),
    ([*flips(1), row(cycles.FOLD, 2), *flips(2, 4, 8)], period_doubling.LIVE_CASCADE),
    ([*flips(1, 2, 4, 8), row(cycles.TORUS, 16)], period_doubling.TORUS),
    ([*flips(1), row(cycles.TORUS, 2)], period_doubling.TORUS),
    (flips(1, 2, 4), period_doubling.JUMP),
    ([*flips(1, 2, 4), row(cycles.FLIP, 24)], period_doubling.JUMP),
    ([], period_doubling.JUMP),
])
def test_outcomes_are_told_apart(rows, outcome):
    assert period_doubling.outcome_of(rows, 16) == outcome
    run = period_doubling.Run(0.05, 0, None, 1.0, None, rows, outcome)
    if outcome in (period_doubling.LIVE_CASCADE, period_doubling.DEAD_CASCADE):
        np.testing.assert_allclose(run.ratios(), 4)
    else:
        assert len(run.ratios()) == 0


def test_only_an_unbroken_cascade_counts():
    rows = [*flips(1, 2, 4)[:2], row(cycles.FOLD, 4), *flips(2, 4, 8)]
    assert [flip["period"] for flip in period_doubling.doublings(rows)] == [2, 4, 8]
    assert period_doubling.doublings([*rows, row(cycles.FOLD, 16)]) == []


def test_a_net_under_strong_decay_is_dead_and_one_under_weak_decay_is_alive():
    """At decay 0.5 the only minimum has zero weights, so that the net is its output's bias: a map of one dimension."""
    dataset = datasets.pool(datasets.load("glyphs", limit=500), 4)
    settings = experiment.settings(period_doubling, **SMALL)
    dead = period_doubling.measure(dataset, 0.5, 0, settings)
    assert not any(crossing["alive"] for crossing in dead.rows)
    assert dead.rows[0]["weights"] < 1e-6
    alive = period_doubling.measure(dataset, 0.01, 0, settings)
    assert alive.rows[0]["alive"]
    assert alive.rows[0]["kind"] == cycles.FLIP
    assert alive.rows[0]["rate"] == pytest.approx(1, abs=1e-6)  # the edge of stability
    assert alive.rows[0]["spread"] > 0.1


def test_images_are_those_of_two_classes_and_some_labels_are_wrong():
    dataset = datasets.pool(datasets.load("glyphs", limit=3000), 4)
    settings = experiment.settings(period_doubling, **SMALL | {"images": 200, "wrong_labels": 0.2})
    descent, start = period_doubling.make_descent(dataset, 0.05, 3, settings)
    assert descent.inputs.shape == (200, 16)
    np.testing.assert_allclose(descent.inputs.mean(axis=0), 0, atol=1e-12)
    assert set(descent.targets) == {-0.8, 0.8}
    right, _ = period_doubling.make_descent(dataset, 0.05, 3, experiment.settings(
        period_doubling, **SMALL | {"images": 200, "wrong_labels": 0.0}))
    assert 0.1 < np.mean(descent.targets != right.targets) < 0.3
    assert len(start) == descent.size


# ---- the finding ------------------------------------------------------------------------------------------

def test_the_finding_counts_nets():
    runs = [period_doubling.Run(0.05, seed, None, 1.0, None, rows, period_doubling.outcome_of(rows, 8))
            for seed, rows in enumerate((flips(1, 2, 4, 8), flips(1, 2, 4, 8, alive=False), flips(1, 2, 4, 8),
                                         [*flips(1), row(cycles.TORUS, 2)]))]
    finding = period_doubling.finding_of(runs)
    assert finding == "2 living nets double their periods to the end, and 1 reach a torus"
    summary = period_doubling.summary(0.05, runs, 5)
    assert [summary[key] for key in ("live_cascades", "dead_cascades", "torus", "jumps", "live_torus",
                                     "without_result")] == [2, 1, 1, 0, 1, 1]
    assert summary["last_ratio_live"] == pytest.approx(4)


# ---- the script -------------------------------------------------------------------------------------------

def test_rows_are_those_of_the_well_the_nets_and_their_crossings():
    result = period_doubling.main(experiment.settings(period_doubling, **SMALL))
    assert len([row for row in result.rows if row["system"] == "double well"]) == 5
    nets = [row for row in result.rows if row["system"] == "net" and "crossing" not in row]
    lost = sum(row["without_result"] for row in result.printed)
    assert len(nets) == 4 - lost
    for net in nets:
        crossings = [row for row in result.rows if row.get("seed") == net["seed"] and "crossing" in row
                     and row.get("decay") == net["decay"]]
        assert net["outcome"] == period_doubling.outcome_of(crossings, 8)
        assert crossings[0]["rate"] == pytest.approx(1, abs=1e-6)
    assert_fits_the_page(result)


@pytest.mark.parametrize(("changes", "message"), [
    ({"longest": 12}, "power of 2"), ({"longest": 2}, "at least 4"), ({"well_rates": 2}, "3 to 14"),
    ({"wrong_labels": 0.5}, "wrong_labels is 0.5"), ({"largest": 1.0}, "largest is 1"),
    ({"decays": (0.0,)}, "decay is 0"),
    ({"decays": ()}, "one value or more"), ({"images": 10_000}, "images is 10000"), ({"runs": 0}, "runs is 0"),
])
def test_mistakes_are_named(changes, message):
    with pytest.raises(UserError, match=message):
        period_doubling.main(experiment.settings(period_doubling, **SMALL | changes))


def test_no_result_is_not_a_mistake():
    assert issubclass(cycles.NoCycle, NoResult)
