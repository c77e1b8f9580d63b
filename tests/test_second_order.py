"""The race of second_order.py: its steps by dense algebra, its counts and sentences from rows written out."""
import numpy as np
import pytest
from helpers import assert_fits_the_page

import optimizers
import second_order
from gradnets import datasets, experiment, plots


@pytest.fixture(scope="module")
def objective():
    return optimizers.classifier(datasets.load("glyphs", limit=60), 0)


def test_a_step_to_infinity_ends_a_race():
    class Runaway:
        start = np.ones(2)

        def loss(self, point):
            return np.inf if abs(point[0]) > 10 else 1.0

        def gradient(self, point):
            return np.array([1e3, 0.0])

        def hessian(self, point):
            return np.eye(2)

    descent = second_order.newton_descent(Runaway(), "Newton", 3)
    assert descent.losses.tolist() == [1, np.inf, np.inf, np.inf]
    assert descent.iterations.tolist() == [0, 1, 2, 3]
    assert (np.diff(descent.seconds) >= 0).all()
    assert np.array_equal(descent.end, [-999, 1])


def test_newton_methods_take_the_steps_that_they_name(objective):
    values, vectors = np.linalg.eigh(objective.hessian(objective.start))
    along = vectors.T @ objective.gradient(objective.start)
    for method, denominators in (("saddle-free", np.abs(values)), ("shifted", values - values[0])):
        descent = second_order.newton_descent(objective, method, 1)
        expected = min(objective.loss(objective.start - vectors @ (along / (denominators + damping)))
                       for damping in second_order.DAMPINGS)
        assert descent.losses[1] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("method", ["SGD", "Adam", "L-BFGS", "shifted", "saddle-free"])
def test_every_method_descends(method, objective):
    tried = second_order.descents(objective, method, 1, 30, 0)
    assert len(tried) == (12 if method in second_order.RATES else 1)
    best = second_order.lowest(tried)
    assert best.losses.min() < best.losses[0]


def test_the_fewest_iterations_and_seconds_of_any_try_count():
    fast = optimizers.Descent(np.array([0, 1, 2]), np.array([3.0, 1.0, 0.5]), np.array([0, 0.1, 0.2]), None)
    slow = optimizers.Descent(np.array([0, 10, 20]), np.array([3.0, 2.0, 0.4]), np.array([0, 0.05, 0.6]), None)
    bumpy = optimizers.Descent(np.array([0, 1, 2]), np.array([3.0, np.nan, 2.5]), np.array([0, 1.0, 2.0]), None)
    reached = second_order.first_reached([fast, slow, bumpy], [3.0, 2.5, 2.0, 0.5, 0.4, 0.1])
    assert reached.tolist() == [[0, 1, 1, 2, 20, np.inf], [0, 0.05, 0.05, 0.2, 0.6, np.inf]]
    assert second_order.lowest([fast, slow]) is slow


def test_main_runs_all_methods_on_both_nets():
    result = second_order.main(experiment.settings(second_order, images=40, iterations=1, steps=10, runs=1))
    rows = {row["what"]: row for row in result.rows}
    assert list(rows) == [f"{net}, {method}" for net in second_order.NETS for method in second_order.STYLES]
    assert rows["digits, Newton"]["parameters"] == 490
    assert rows["autoencoder, saddle-free"]["parameters"] == 509
    levels, course = (result.files[".npz"][name] for name in ("levels", "digits_L-BFGS"))
    assert course.shape == (2, len(levels))
    target = np.argmin(abs(levels - 2))
    assert levels[target] == pytest.approx(2)
    assert course[0, target] == rows["digits, L-BFGS"]["iterations_to_2"]
    assert_fits_the_page(result)
    assert [entry["name"] for entry in result.data] == ["glyphs"]


def rows_of_race(seconds, iterations):
    """Return rows of a race, from what saddle-free Newton takes to each loss.

    seconds : {net: (to twice the lowest loss, to 1.2 times, to 1.05 times)}; iterations : the same of every net
    """
    targets = [f"{target:g}" for target in second_order.TARGETS]
    never = (np.inf,) * len(targets)
    times = {"SGD": (never, never), "Adam": ((2.0, 8.0, np.inf), (100, 200, np.inf)),
             "L-BFGS": ((4.0, 5.0, 6.0), (20, 40, 60))}
    return [{"what": f"{net}, {method}"} | {f"seconds_to_{target}": value
                                            for target, value in zip(targets, of_method[0], strict=True)}
            | {f"iterations_to_{target}": value for target, value in zip(targets, of_method[1], strict=True)}
            for net in seconds
            for method, of_method in (times | {"saddle-free": (seconds[net], iterations)}).items()]


def test_times_are_compared_with_the_best_rival_where_both_arrive():
    rows = rows_of_race({"digits": (3.0, 60.0, np.inf), "autoencoder": (26.0, np.inf, 3.0)}, (5, 6, 7))
    assert second_order.ratios(rows, "seconds") == {("digits", 2.0): ("Adam", 1.5), ("digits", 1.2): ("L-BFGS", 12.0),
                                                    ("autoencoder", 2.0): ("Adam", 13.0),
                                                    ("autoencoder", 1.05): ("L-BFGS", 0.5)}
    assert second_order.ratios(rows, "iterations")["digits", 1.2] == ("L-BFGS", 6 / 40)


@pytest.mark.parametrize(("digits", "autoencoder", "iterations", "words"), [
    ((3.0, 60.0, np.inf), (26.0, np.inf, np.inf), (5, 6, np.inf),
     "Saddle-free Newton saves iterations but takes 1.5 to 13 times as long as the best rival"),
    ((4.0, 10.0, 12.0), (4.0, 10.0, 12.0), (30, 40, 60), "Newton saves no iterations and takes 2 times as long"),
    ((1.0, 5.0, 3.0), (2.0, 1.0, 3.0), (5, 6, 7), "Newton saves iterations and takes 0.2 to 1 times as long"),
    ((4.0, 10.0, 12.0), (4.0, 10.0, 12.0), (5, 50, 60), "Newton takes 2 times as long"),
    ((0.003, 0.0123, 0.1), (2.0, 1.0, 7300.0), (30, 40, 60), "Newton takes 0.0015 to 1200 times as long"),
    ((np.inf, 0.0, np.inf), (0.0, np.inf, np.inf), (np.inf, 0, np.inf), "too near or too far")])
def test_the_finding_covers_all_losses_that_both_reach(digits, autoencoder, iterations, words):
    sentence = second_order.finding_of(rows_of_race({"digits": digits, "autoencoder": autoencoder}, iterations))
    assert words in sentence
    assert len(sentence) <= plots.LONGEST_TITLE


def test_ratios_stand_beside_the_marked_losses():
    """The words are those of the rows, and a loss that saddle-free Newton does not reach is said to be so."""
    rows = rows_of_race({"digits": (3.0, 60.0, np.inf), "autoencoder": (26.0, 50.0, 60.0)}, (5, 6, 7))
    for row in rows:
        row |= {f"{key}{end}": row[key] for key in list(row) for end in ("_low", "_high") if "_to_" in key}
    rows += [{**row, "what": row["what"].replace("SGD", method)} for row in rows if "SGD" in row["what"]
             for method in ("Newton", "shifted")]
    courses = {(net, method): np.tile(np.geomspace(100, 1, len(second_order.LEVELS)), (2, 1))
               for net in second_order.NETS for method in second_order.STYLES}
    figure = second_order.picture(rows, courses, "title", "caption")
    words = {axes.get_title(loc="left"): [text.get_text() for text in axes.texts] for axes in figure.axes}
    assert {"saddle-free takes\n1.5 × Adam", "12 × L-BFGS", "not reached"} < set(words["digits: loss against seconds"])
    assert {"10 × L-BFGS"} < set(words["autoencoder: loss against seconds"])
    assert not any("×" in text for text in words["digits: loss against iterations"])


@pytest.mark.parametrize(("times", "excess", "words"), [
    ([20.0, 5.0], [2.5, 9.0], {"Newton": "Newton, no\nlower than ×"}), ([20.0, 5.0], [0.01, 9.0], {}), ([], [], {})])
def test_the_end_of_newtons_curve_is_marked_where_the_panel_shows_it(times, excess, words):
    _, panels = plots.figure([["one"]], 4, 3, "title", "caption")
    panels["one"].set(ylim=(0.035, 100))
    assert second_order.mark_end(panels["one"], times, excess) == words
    assert [(line.get_xdata().item(), line.get_ydata().item()) for line in panels["one"].lines] == (
        [(20.0, 2.5)] if words else [])


@pytest.mark.parametrize(("changes", "message"), [
    ({"iterations": 0}, "iterations is 0: expected a positive integer"),
    ({"dataset": "tree"}, "tree has 31 features: expected square images")])
def test_mistakes_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        second_order.main(experiment.settings(second_order, **changes))
