"""Second order as the script measures it: formulas by plain numpy, words from made rows, both ways to run it."""
import json

import numpy as np
import pytest
from scipy import optimize

import mlp
import second_order
from gradnets import curvature, datasets, experiment

SMALL = ["--datasets", "glyphs", "--images", "60", "--steps", "4", "--units", "6", "--iterations", "2",
         "--first-order", "30", "--starts", "3", "--runs", "2"]


@pytest.fixture(scope="module")
def digits():
    return datasets.load("glyphs", limit=60)


def run(tmp_path, *flags):
    experiment.run(second_order.main, [*SMALL, *flags, "--out", str(tmp_path)])
    record = json.loads((tmp_path / "second_order.json").read_text())
    return record, {(row["part"], row["what"]): row for row in record["rows"]}


def test_objective_by_finite_differences(digits):
    objective = second_order.race_nets(digits, 0)["autoencoder"]
    rng = np.random.default_rng(0)
    here, along = objective.start, rng.normal(size=objective.start.size)
    ends = [here + sign * 1e-5 * along for sign in (1, -1)]
    slope = (objective.loss(ends[0]) - objective.loss(ends[1])) / 2e-5
    assert objective.gradient(here) @ along == pytest.approx(slope, rel=1e-6)
    turn = (objective.gradient(ends[0]) - objective.gradient(ends[1])) / 2e-5
    np.testing.assert_allclose(objective.hessian(here) @ along, turn, atol=1e-7)
    without = second_order.Objective(objective.network, *objective.batch)
    extra = objective.loss(here) - without.loss(here)
    assert extra == pytest.approx(second_order.RACE_L2 / 2 * (here**2).sum(), rel=1e-9)


def test_pooling_means_over_tiles_of_each_colour():
    images = np.arange(2 * 3 * 5 * 5, dtype=float).reshape(2, 75)
    dataset = datasets.Dataset("made", images, np.zeros(2, int), 2, "made here", {})
    found = second_order.pooled(dataset, 2).inputs.reshape(2, 3, 2, 2)
    colours = images.reshape(2, 3, 5, 5)
    assert found[1, 2, 0, 1] == colours[1, 2, 0:2, 2:4].mean()  # five pixels: the last row and column are cut
    assert found[0, 0, 1, 0] == colours[0, 0, 2:4, 0:2].mean()
    with pytest.raises(ValueError, match="31 features: expected square images"):
        second_order.pooled(datasets.load("tree", limit=5), 2)
    with pytest.raises(ValueError, match="9 x 9"):
        second_order.pooled(dataset, 9)


def test_the_first_set_at_hand_is_taken(monkeypatch, tmp_path):
    monkeypatch.setenv("GRADNETS_DATA", str(tmp_path))
    training, validation, test = second_order.colour_images(("cifar100", "noise", "glyphs"), 0)
    assert {part.name for part in (training, validation, test)} == {"noise"}
    assert len(training.labels) + len(validation.labels) == 10_000
    with pytest.raises(datasets.DataError, match="cifar1000"):
        second_order.colour_images(("cifar1000", "glyphs"), 0)


def test_training_samples_do_not_repeat_in_a_batch(digits):
    seen = []

    def step(network, inputs, labels):
        seen.append(len(np.unique(inputs, axis=0)))
        return -0.001 * curvature.gradient(network, inputs, labels)
    network = mlp.MLP((784, 10), "tanh", "squared", "glorot", 0)
    before = curvature.parameters(network)
    nets = list(second_order.train(network, digits, step, 3, 50, 0))
    assert seen == [50, 50, 50]
    assert np.array_equal(curvature.parameters(network), before)  # the first net stays as it was
    first, last = (curvature.loss(net, digits.inputs, digits.labels) for net in (nets[0], nets[-1]))
    assert last < first


def test_the_source_formula_is_newton_within_the_rank_only():
    rng = np.random.default_rng(0)
    network = mlp.MLP((12, 5), second_order.SLOPE, "squared", "normal(0.5)", 0, biases=False)
    errors = []
    for size in (8, 20):
        batch = rng.normal(size=(size, 12)), rng.integers(5, size=size)
        hessian = curvature.hessian(network, *batch, "finite-difference")
        exact = -np.linalg.pinv((hessian + hessian.T) / 2, rcond=1e-6) @ curvature.gradient(network, *batch)
        np.testing.assert_allclose(second_order.exact_newton(network, *batch).ravel(), exact, rtol=1e-4, atol=1e-6)
        errors.append(second_order.relative(second_order.source_formula(network, *batch).ravel(), exact))
    assert errors[0] < 1e-5
    assert errors[1] > 0.01


def test_two_layers_agree_in_closed_form_and_not_by_the_source_difference():
    rows = second_order.two_layers(10, 30, 0)
    assert [row["agree"] for row in rows[:2]] == [30, 30]
    assert rows[2]["agree"] < 30


def test_rosenbrock_and_its_inverse():
    rng = np.random.default_rng(0)
    for point in rng.uniform(-2, 2, size=(20, 2)):
        np.testing.assert_allclose(second_order.rosenbrock_inverse(optimize.rosen_der(point)), point, rtol=1e-9)
        along = rng.normal(size=2)
        ahead, behind = (optimize.rosen_hess(point + sign * 1e-6 * along) @ along for sign in (1, -1))
        np.testing.assert_allclose(second_order.rosenbrock_third(point, along), (ahead - behind) / 2e-6, rtol=1e-5,
                                   atol=1e-4)


def test_chebyshev_takes_fewer_iterations_and_a_line_search_ends():
    problem = optimize.rosen, optimize.rosen_der, optimize.rosen_hess, second_order.rosenbrock_third
    starts = np.random.default_rng(1).uniform(-2, 2, size=(30, 2))
    newton, chebyshev = (sum(second_order.iterations_to_minimum(*problem, start, one, halve=False) for start in starts)
                         for one in (False, True))
    assert 0 < chebyshev < 0.85 * newton
    assert second_order.iterations_to_minimum(*problem, np.ones(2), True, halve=True) == 0
    assert second_order.iterations_to_minimum(*problem, starts[0], False, halve=True, most=1) == np.inf


def test_critical_points_are_critical_and_distinct(digits):
    shares, losses = second_order.critical_points(digits, 3, 0)
    assert len(losses) >= 5
    assert np.unique(np.round(losses, 5)).size >= len(losses) - 1
    row, = second_order.index_rows(shares, losses)
    assert row["spearman"] > 0.8
    assert row["minima"] == np.count_nonzero(shares == 0)
    with pytest.raises(ValueError, match="raise STARTS"):
        second_order.index_rows(shares[:2], losses[:2])
    with pytest.raises(ValueError, match="more IMAGES"):
        second_order.critical_points(datasets.load("glyphs", limit=3), 1, 0)


def test_a_step_to_infinity_ends_a_race():
    class Runaway:
        start = np.ones(2)

        def loss(self, point):
            return np.inf if abs(point[0]) > 10 else 1.0

        def gradient(self, point):
            return np.array([1e3, 0.0])

        def hessian(self, point):
            return np.eye(2)
    losses, seconds, here = second_order.second_order_race(Runaway(), "Newton", 3)
    assert losses.tolist() == [1, np.inf, np.inf, np.inf]
    assert (np.diff(seconds) >= 0).all()
    assert np.array_equal(here, [-999, 1])


def test_targets_are_the_worse_of_the_rivals_best():
    fast = (np.array([0, 1, 2]), np.array([3.0, 1.0, 0.5]), np.array([0, 0.1, 0.2]), 0)
    slow = (np.array([0, 10, 20]), np.array([3.0, 2.0, 0.9]), np.array([0, 0.5, 0.6]), 0)
    assert second_order.reached([fast], [slow], [fast]) == {"iterations_to_target": [2], "seconds_to_target": [0.2]}
    assert second_order.reached([slow], [slow], [fast])["seconds_to_target"] == [0.6]
    assert second_order.reached([slow], [fast], [fast])["iterations_to_target"] == [np.inf]


def test_all_parts(tmp_path, capsys):
    record, rows = run(tmp_path)
    assert {part for part, _ in rows} == set(second_order.PARTS)
    for when in ("untrained", "trained"):
        assert rows["slow", f"spectrum of blocks, {when}"]["negative"] == 0
        assert rows["slow", f"spectrum of whole, {when}"]["negative"] > 0
        assert rows["slow", f"spectrum of whole, {when}"]["parameters"] == 6 * 6 + 6 * 10
    assert rows["inverse", "complex-step"]["error"] < 1e-9
    assert rows["inverse", "two layers of 30, complex-step"]["agree"] == 20
    assert rows["race", "autoencoder, saddle-free"]["parameters"] == 509
    assert "Saddle-free Newton takes" in record["finding"]
    with np.load(tmp_path / "second_order.npz") as arrays:
        assert arrays["spectrum_trained_whole"].size == 490
        assert arrays["race_digits_Newton"].shape == (3, 3)


def test_words_follow_the_rows():
    race = [{"part": "race", "what": f"{net}, {method}", "iterations_to_target": count, "seconds_to_target": clock}
            for net, method, count, clock in (
                ("digits", "Adam", 1000, 0.1), ("digits", "saddle-free", 10, 0.4), ("autoencoder", "Adam", 900, 1.0),
                ("autoencoder", "saddle-free", 30, 0.5))]
    assert second_order.finding(race) == (
        "Saddle-free Newton takes 1/100 of Adam's iterations and 4.0 times the seconds (digits), 1/30 of Adam's "
        "iterations and 1/2.0 of the seconds (autoencoder) to the same loss")
    spectrum = [{"part": "spectrum", "what": f"digits, {when}", "negative": count, "parameters": 490}
                for when, count in (("untrained", 100), ("trained", 3))]
    assert second_order.finding(spectrum) == "100 of 490 eigenvalues are negative before training, 3 after"


def test_one_part_needs_no_other(script, tmp_path):
    done = script("second_order.py", *SMALL, "--parts", "third", "spectrum", "--out", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    rows = json.loads((tmp_path / "second_order.json").read_text())["rows"]
    assert {row["part"] for row in rows} == {"third", "spectrum"}
    assert all(row["chebyshev"] < row["newton"] for row in rows if row["part"] == "third")


@pytest.mark.parametrize(("flags", "message"), [
    (["--parts", "fourth"], "PARTS names 'fourth': expected some of slow, inverse"),
    (["--damping", "0"], "DAMPING is 0"),
    (["--starts", "0"], "STARTS is 0: expected a positive whole number"),
    (["--datasets", "cifar11"], "data set 'cifar11': expected one of"),
    (["--digits", "tree", "--parts", "race"], "tree has 31 features: expected square images"),
])
def test_mistakes_end_in_one_line(flags, message, tmp_path, capsys):
    with pytest.raises(SystemExit):
        run(tmp_path, *flags)
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
