"""The measurements of functional_inverse.py against dense algebra and scipy, and its rows on few glyphs."""
import numpy as np
from helpers import assert_fits_the_page
from scipy import optimize

import functional_inverse
import mlp
from gradnets import curvature, experiment


def test_the_source_formula_is_newton_within_the_rank_only():
    rng = np.random.default_rng(0)
    network = mlp.MLP((12, 5), functional_inverse.ACTIVATION, "squared", "normal(0.5)", 0, biases=False)
    errors = []
    for size in (8, 20):
        batch = rng.normal(size=(size, 12)), rng.integers(5, size=size)
        hessian = curvature.hessian(network, *batch, "finite-difference")
        exact = -np.linalg.pinv((hessian + hessian.T) / 2, rcond=1e-6) @ curvature.gradient(network, *batch)
        np.testing.assert_allclose(functional_inverse.exact_newton(network, *batch).ravel(), exact, rtol=1e-4,
                                   atol=1e-6)
        step = functional_inverse.source_formula(network, *batch).ravel()
        errors.append(functional_inverse.relative_error(step, exact))
    assert errors[0] < 1e-5
    assert errors[1] > 0.01


def test_a_difference_is_newton_until_an_output_crosses_zero():
    """The inverse of the changed gradient is a point, whose outputs are computed by plain algebra here."""
    rng = np.random.default_rng(0)
    network = mlp.MLP((40, 5), functional_inverse.ACTIVATION, "squared", "normal(0.5)", 0, biases=False)
    batch = rng.normal(size=(30, 40)), rng.integers(5, size=30)
    exact = functional_inverse.exact_newton(network, *batch).ravel()
    before = batch[0] @ network.weights[0] > 0
    counts = []
    for r in 10.0**np.arange(-5, 0.5, 0.5):
        step = curvature.functional_inverse_step(network, *batch, "finite-difference", r)
        after = batch[0] @ (network.weights[0] - r * step.reshape(40, 5)) > 0
        counts.append(functional_inverse.crossings(network, *batch, r))
        assert counts[-1] == np.count_nonzero(after != before)
        assert (functional_inverse.relative_error(step, exact) < 1e-6) == (counts[-1] == 0)
    assert counts[0] == 0 < counts[-1]


def test_two_layers_agree_in_closed_form_and_not_by_the_sources_difference():
    assert [row["agree"] for row in functional_inverse.two_layer_rows(10, 10, 0)] == [10, 10, 0]
    assert functional_inverse.two_layer_rows(3, 40, 0)[2]["agree"] > 0  # a difference can pass the comparison


def test_the_inverse_of_rosenbrocks_gradient_is_the_point():
    for point in np.random.default_rng(0).uniform(-2, 2, size=(20, 2)):
        gradient = optimize.rosen_der(point)
        np.testing.assert_allclose(functional_inverse.rosenbrock_inverse(gradient), point, rtol=1e-9)


def test_main_measures_errors_accuracies_and_agreement():
    settings = experiment.settings(functional_inverse, datasets=("glyphs",), steps=4, draws=5, runs=1)
    result = functional_inverse.main(settings)
    rows = {tuple(row.get(name) for name in result.names): row for row in result.rows}
    assert len(rows) == len(result.rows)
    assert rows["complex-step", None, 0.0, None]["error"] < 1e-9
    assert rows["finite-difference", None, 1e-9, None]["error"] > 1e-6
    assert rows["finite-difference", None, 1e-9, None]["crossed"] == 0
    assert rows["finite-difference", None, 1.0, None]["crossed"] > 0
    assert rows["batch over inputs", None, None, 4.0]["error"] > 0.01
    assert rows["two layers of 10, closed-form", None, 0.0, None]["agree"] == 5
    assert rows["two layers of 30, closed-form", None, 0.0, None]["draws"] == 1
    assert rows["Rosenbrock, complex-step", None, 0.0, None]["error"] < 1e-9
    assert {name for name, step, *_ in rows if step} == set(functional_inverse.STYLES)
    beyond = sorted(row["error"] for row in result.rows if row.get("share", 0) > 1)
    off = f"{100 * beyond[0]:.0f} to {100 * beyond[-1]:.0f} % off"
    assert f"but {off}" in result.finding
    assert off in [text.get_text() for axes in result.figure.axes for text in axes.texts]
    assert len(result.printed) == 13
    assert_fits_the_page(result)


def test_the_finding_follows_the_errors():
    def finding(within, beyond, exact=1e-12):
        return functional_inverse.finding_of([{"what": "complex-step", "error": exact},
                                              {"what": "batch", "share": 0.5, "error": within},
                                              {"what": "batch", "share": 2.0, "error": beyond}])

    assert "is Newton's step, but 40 % off" in finding(1e-11, 0.4)
    assert "of any size" in finding(1e-11, 1e-9)
    assert "is not Newton's step: its error is up to 0.2" in finding(0.2, 0.4)
    assert "is not Newton's step" in finding(1e-11, 0.4, exact=0.01)
