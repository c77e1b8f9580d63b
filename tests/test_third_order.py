"""The iterations that third_order.py counts, and Rosenbrock's third derivatives by differences."""
import numpy as np
import pytest
from helpers import assert_fits_the_page
from scipy import optimize

import third_order
from gradnets import experiment


def test_rosenbrocks_third_derivative_equals_differences_of_the_hessian():
    rng = np.random.default_rng(0)
    for point in rng.uniform(-2, 2, size=(20, 2)):
        along = rng.normal(size=2)
        ahead, behind = (optimize.rosen_hess(point + sign * 1e-6 * along) @ along for sign in (1, -1))
        np.testing.assert_allclose(third_order.rosenbrock_third(point, along), (ahead - behind) / 2e-6, rtol=1e-5,
                                   atol=1e-4)


def test_chebyshev_takes_fewer_iterations_and_a_line_search_ends():
    problem = optimize.rosen, optimize.rosen_der, optimize.rosen_hess, third_order.rosenbrock_third
    starts = np.random.default_rng(1).uniform(-2, 2, size=(30, 2))
    newton, chebyshev = (sum(third_order.iterations_to_minimum(*problem, start, chebyshev, halve=False)
                             for start in starts) for chebyshev in (False, True))
    assert 0 < chebyshev < 0.85 * newton
    assert third_order.iterations_to_minimum(*problem, np.ones(2), True, halve=True) == 0
    assert third_order.iterations_to_minimum(*problem, starts[0], False, halve=True, limit=1) == np.inf


def test_main_saves_iterations_on_every_problem():
    result = third_order.main(experiment.settings(third_order, images=40, starts=30))
    assert [row["what"] for row in result.rows] == ["Rosenbrock", "logistic regression, l2 0.0001",
                                                    "logistic regression, l2 1e-06"]
    assert [row["cases"] for row in result.rows] == [30, 20, 20]
    assert all(row["chebyshev"] < row["newton"] for row in result.rows)
    assert all(row["chebyshev_low"] <= row["chebyshev"] <= row["chebyshev_high"] for row in result.rows)
    assert_fits_the_page(result)


def test_the_finding_leaves_out_what_nobody_solved():
    rows = [{"both_ended": count, "fewer_percent": percent} for count, percent in ((3, 20.0), (0, np.nan), (5, 30.0))]
    assert "saves 20 to 30 %" in third_order.finding_of(rows)
    assert "saves 20 %" in third_order.finding_of(rows[:1])
    assert third_order.finding_of(rows[1:2]) == "No case was solved by both methods"


@pytest.mark.parametrize(("changes", "message"), [
    ({"images": 3}, "images is 3: expected at least 5"), ({"starts": 0}, "starts is 0")])
def test_mistakes_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        third_order.main(experiment.settings(third_order, **changes))
