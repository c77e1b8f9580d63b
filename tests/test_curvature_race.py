"""The race of curvature_race.py: its clocks and comparisons from courses and rows written out, and one small race."""
import itertools

import numpy as np
import pytest
from helpers import assert_fits_the_page

import curvature_race
from gradnets import curvature, datasets, experiment, plots
from gradnets.errors import UserError

INF = np.inf


def test_every_task_fits_its_data_and_methods():
    for name, task in curvature_race.TABLE.items():
        problem = task.problem(datasets.load("glyphs", limit=task.images), 0)
        fused = problem if isinstance(problem, curvature.FusedObjective) else curvature.FusedObjective.of(problem)
        _loss, gradient = fused.loss_and_gradient(fused.start)
        along = np.random.default_rng(0).normal(size=fused.start.size)
        difference = fused.loss(fused.start + 1e-6 * along) - fused.loss(fused.start - 1e-6 * along)
        assert gradient @ along == pytest.approx(difference / 2e-6, rel=1e-5), name
        assert set(task.grids) == set(task.methods) & set(curvature_race.FIRST_ORDER)
        assert set(task.methods) <= set(curvature_race.STYLES)


def test_starts_with_random_biases_differ_between_seeds():
    first, second = (curvature_race.function_problem(None, seed).start for seed in (0, 1))
    assert np.abs(first).max() <= np.sqrt(6 / 21)
    assert not (first == second).any()
    assert not (first == 0).any()


def test_a_loss_is_reached_at_the_first_time_of_any_run():
    fast = curvature_race.Course(np.array([0.0, 1.0, 2.0]), np.array([3.0, 2.0, 1.5]))
    slow = curvature_race.Course(np.array([0.0, 4.0, 8.0]), np.array([3.0, 2.0, 0.5]))
    assert [curvature_race.reached([fast, slow], loss) for loss in (3.0, 2.0, 1.0, 0.5, 0.4)] == [0, 1, 8, 8, INF]


def test_courses_end_with_the_time_or_the_generator():
    iterates = [curvature.Iterate(np.zeros(1), float(loss)) for loss in (3, 2, 1)]
    course = curvature_race.followed(iterates, INF)
    assert course.losses.tolist() == [3, 2, 1]
    assert course.seconds[0] == 0
    endless = curvature_race.followed(itertools.cycle(iterates), 0.001)
    assert endless.seconds[-2] <= 0.001 < endless.seconds[-1]
    assert (np.diff(endless.seconds) >= 0).all()


def test_batches_are_followed_by_the_loss_on_all_data():
    task = curvature_race.TABLE["digits"]
    fused = curvature.FusedObjective.of(task.problem(datasets.load("glyphs", limit=50), 0))
    ends = [point.copy() for point in curvature.adam_descent(fused, 0.1, 30, 10, 0)]
    course = curvature_race.batches_course(fused, curvature.adam_descent(fused, 0.1, 30, 10, 0), 30, INF)
    assert course.losses[0] == fused.loss(fused.start)
    assert course.losses[-1] == fused.loss(ends[-1])
    diverging = (np.full(fused.start.size, 1e200) for _ in range(5))
    assert curvature_race.batches_course(fused, diverging, 5, INF).losses[-1] == INF


def test_saddle_free_steps_take_the_best_damping():
    objective = curvature_race.TABLE["digits"].problem(datasets.load("glyphs", limit=50), 0)
    fused = curvature.FusedObjective.of(objective)
    first, second = itertools.islice(curvature_race.saddle_free_descent(objective, fused), 2)
    values, vectors = np.linalg.eigh(objective.hessian(fused.start))
    coordinates = vectors.T @ objective.gradient(fused.start)
    losses = [objective.loss(fused.start - vectors @ (coordinates / (abs(values) + damping)))
              for damping in curvature_race.DAMPINGS]
    assert first.loss == fused.loss(fused.start)
    assert second.loss == pytest.approx(min(losses), rel=1e-8)


def rows_of(task, target, **seconds):
    """Return the rows of one loss, from the seconds of each method; underscores stand for blanks and hyphens."""
    names = {"lbfgs": "L-BFGS 10", "kfac": "K-FAC", "adam": "Adam", "muon": "Muon", "lm": "Levenberg-Marquardt"}
    return [{"task": task, "target": target, "method": names[name], "seconds": value, "seconds_low": value,
             "seconds_high": value} for name, value in seconds.items()]


def test_the_best_of_both_kinds_are_compared():
    rows = (rows_of("digits", 2.0, adam=4.0, lbfgs=3.0, kfac=1.5, lm=9.0)
            + rows_of("digits", 1.2, adam=INF, lbfgs=INF, kfac=2.0, lm=INF)
            + rows_of("deep", 2.0, adam=1.0, muon=0.5, kfac=2.0) + rows_of("deep", 1.2, adam=INF, kfac=INF))
    first, alone, led, nobody = curvature_race.comparisons(rows)
    assert [row["first"] for row in (first, alone, led, nobody)] == ["K-FAC", "K-FAC", "Muon", "none"]
    assert (first["fastest"], first["rival"], first["sooner"]) == ("K-FAC", "L-BFGS 10", 2.0)
    assert (alone["rival"], alone["rival_seconds"]) == ("none", INF)
    assert led["sooner"] == 0.25
    assert "sooner" not in alone
    assert "sooner" not in nobody
    assert curvature_race.finding_of([first, alone, led, nobody]) == ("Curvature is first to 2 of 3 losses, "
                                                                     "Muon to the rest")
    assert curvature_race.finding_of([first]) == "Curvature is first to 1 of 1 loss"
    assert "more patience" in curvature_race.finding_of([nobody])
    words = [curvature_race.verdict_of(row)[0] for row in (first, alone, led, nobody)]
    assert words == ["K-FAC first\nL-BFGS 10 takes 2 ×", "K-FAC first\nno rival arrives",
                     "Muon first\nK-FAC takes 4 ×", "not reached"]
    start, = curvature_race.comparisons(rows_of("digits", 2.0, adam=0.0, kfac=0.0))
    assert start["first"] == "none"
    assert curvature_race.verdict_of(start)[0] == "so low at the start"
    close, = curvature_race.comparisons(rows_of("digits", 2.0, adam=1.02, kfac=1.0))
    assert curvature_race.verdict_of(close)[0] == "K-FAC first\nAdam takes as long"
    every = [{"task": task, "first": rival} for task in curvature_race.TABLE for rival in curvature_race.RIVALS]
    assert len(curvature_race.finding_of(every)) <= plots.LONGEST_TITLE


def test_main_races_on_each_task():
    result = curvature_race.main(experiment.settings(curvature_race, tasks=("digits", "function"), patience=0.02,
                                                     runs=2))
    compared, rows = ([row for row in result.rows if ("method" in row) is has] for has in (False, True))
    assert [row["what"] for row in compared[:2]] == ["digits, 2 x lowest", "digits, 1.2 x lowest"]
    assert compared[-1]["what"] == "function, 1e-12"
    assert len(rows) == sum(len(task.targets) * len(task.methods) for name, task in curvature_race.TABLE.items()
                            if name in ("digits", "function"))
    for row in rows:
        assert 0 <= row["arrived"] <= 2
        assert row["tried"] == (np.prod([len(part) for part in curvature_race.TABLE[row["task"]].grids["Adam"]])
                                if row["method"] == "Adam" else 1)
    nearest = [row for row in rows if row["task"] == "digits" and row["target"] == 1.0001]
    assert sum(row["arrived"] for row in nearest) >= 2  # each seed's lowest loss is some method's
    assert_fits_the_page(result)


@pytest.mark.parametrize(("changes", "message"), [
    ({"tasks": ("poisson",)}, "tasks is 'poisson': expected digits"), ({"tasks": ()}, "tasks is"),
    ({"runs": 0}, "runs is 0"), ({"dataset": "tree"}, "tree has 31 features"), ({"patience": -1.0}, "patience is -1")])
def test_mistakes_are_named(changes, message):
    with pytest.raises(UserError, match=message):
        curvature_race.main(experiment.settings(curvature_race, **changes))
