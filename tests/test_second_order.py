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
    found = datasets.pooled(dataset, 2).inputs.reshape(2, 3, 2, 2)
    colours = images.reshape(2, 3, 5, 5)
    assert found[1, 2, 0, 1] == colours[1, 2, 0:2, 2:4].mean()  # five pixels: the last row and column are cut
    assert found[0, 0, 1, 0] == colours[0, 0, 2:4, 0:2].mean()
    with pytest.raises(ValueError, match="31 features: expected square images"):
        datasets.pooled(datasets.load("tree", limit=5), 2)
    with pytest.raises(ValueError, match="9 x 9"):
        datasets.pooled(dataset, 9)


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
    assert [row["agree"] for row in rows] == [30, 30, 0]
    assert second_order.two_layers(3, 40, 0)[2]["agree"] > 0  # the check is one that a difference can pass


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


def test_the_quickest_try_counts_for_each_target():
    fast = (np.array([0, 1, 2]), np.array([3.0, 1.0, 0.5]), np.array([0, 0.1, 0.2]))
    slow = (np.array([0, 10, 20]), np.array([3.0, 2.0, 0.4]), np.array([0, 0.05, 0.6]))
    assert second_order.reached([fast, slow], 2.0) == (1, 0.05)
    assert second_order.reached([fast, slow], 0.5) == (2, 0.2)
    assert second_order.reached([fast, slow], 0.4) == (20, 0.6)
    assert second_order.reached([fast, slow], 0.1) == (np.inf, np.inf)


def test_first_order_methods_descend(digits):
    """Adam against its formulas on one sample a batch's worth of data, and all of them against where they began."""
    objective = second_order.race_nets(digits, 0)["digits"]
    whole = second_order.Objective(objective.network, objective.batch[0][:1], objective.batch[1][:1], 1e-4)
    counts, losses, _, end = second_order.first_order_race(whole, "Adam", 0.01, 3, 0)
    here, first, second = whole.start, 0.0, 0.0
    for index, rate in ((1, 0.01), (2, 0.01 * 2 / 3), (3, 0.01 / 3)):  # every sample of a batch is the one there is
        slope = whole.gradient(here)
        first, second = 0.9 * first + 0.1 * slope, 0.999 * second + 0.001 * slope**2
        here = here - rate * (first / (1 - 0.9**index)) / (np.sqrt(second / (1 - 0.999**index)) + 1e-8)
    np.testing.assert_allclose(end, here, atol=1e-12)
    assert losses[-1] == pytest.approx(whole.loss(end), rel=1e-12)
    assert counts.tolist() == [0, 1, 2, 3]
    for method in second_order.COLORS:
        (tried, *_), _ = second_order.race_once(objective, method, 3, 30, 0)
        assert tried[1].min() < tried[1][0] or method == "Newton"


def test_a_first_order_method_that_diverges_is_counted(digits):
    objective = second_order.race_nets(digits, 0)["autoencoder"]
    counts, losses, seconds, end = second_order.first_order_race(objective, "SGD", 1e200, 50, 0)
    assert losses[-1] == np.inf
    assert len(counts) == len(losses) == len(seconds)
    assert np.isfinite(objective.loss(end))


def test_races_take_the_steps_they_name(digits):
    objective = second_order.race_nets(digits, 0)["digits"]
    values, vectors = np.linalg.eigh(objective.hessian(objective.start))
    along = vectors.T @ objective.gradient(objective.start)
    for method, moved in (("saddle-free", np.abs(values)), ("shifted", values - values[0])):
        losses, _, _ = second_order.second_order_race(objective, method, 1)
        expected = min(objective.loss(objective.start - vectors @ (along / (moved + damping)))
                       for damping in second_order.DAMPINGS)
        assert losses[1] == pytest.approx(expected, rel=1e-9)


def test_rates_are_those_best_on_validation_data(digits):
    rules = {"SGD": {rate: second_order.descent(rate) for rate in (1e-9, 0.01, 1e9)}}  # the last one diverges
    parts = digits, digits, digits

    def net(run):
        return mlp.MLP((784, 10), "leaky(0.5)", "squared", "glorot", run)
    rows = second_order.learning_rows("slow", rules, net, parts, 20, 30, 1, 0)
    assert {row["chosen"] for row in rows} == {0.01}


def test_the_whole_hessian_with_the_source_damping_is_its_formula():
    rng = np.random.default_rng(0)
    batch = mlp.MLP((5, 4, 3), "leaky(0.5)", "squared", "glorot", 0), rng.normal(size=(9, 5)), rng.integers(3, size=9)
    values, vectors = np.linalg.eigh(curvature.hessian(*batch, "finite-difference"))
    along = vectors.T @ curvature.gradient(*batch)
    rules = second_order.slow_rules(0.1)
    for name, divided in (("whole Hessian", np.abs(values) + 0.1), ("whole, source's damping", np.abs(values + 0.1))):
        rate, rule = next(iter(rules[name].items()))
        np.testing.assert_allclose(rule(*batch), -rate * vectors @ (along / divided), rtol=1e-4, atol=1e-8)


def test_all_parts(tmp_path, capsys):
    record, rows = run(tmp_path)
    assert {part for part, _ in rows} == set(second_order.PARTS)
    for when in ("untrained", "trained"):
        assert rows["slow", f"spectrum of blocks, {when}"]["negative"] == 0
        assert rows["slow", f"spectrum of whole, {when}"]["negative"] > 0
        assert rows["slow", f"spectrum of whole, {when}"]["parameters"] == 6 * 6 + 6 * 10
    assert rows["inverse", "complex-step"]["error"] < 1e-9
    assert rows["inverse", "two layers of 30, closed-form"]["agree"] == 20
    assert rows["race", "autoencoder, saddle-free"]["parameters"] == 509
    assert "On the clock saddle-free Newton" in record["finding"]
    with np.load(tmp_path / "second_order.npz") as arrays:
        assert arrays["spectrum_trained_whole"].size == 490
        assert arrays["race_digits_Newton"].shape == (3, 3)


def test_words_follow_the_rows():
    def row(net, method, early, late):
        return {"part": "race", "what": f"{net}, {method}", "seconds_to_2": early, "seconds_to_1.05": late}
    race = [row(net, method, 1.0, late) for net in ("digits", "autoencoder") for method, late in (
        ("SGD", np.inf), ("Adam", 2.0), ("L-BFGS", 4.0), ("Newton", np.inf), ("shifted", 1.0))]
    race += [row("digits", "saddle-free", 3.0, 0.5), row("autoencoder", "saddle-free", 0.5, np.inf)]
    assert second_order.finding(race) == (
        "On the clock saddle-free Newton loses to Adam 3.0 times (digits, 2 times the lowest loss), beats Adam 2.0 "
        "times (autoencoder, 2 times the lowest loss), beats Adam 4.0 times (digits, 1.05 times the lowest loss), "
        "does not arrive in its steps (autoencoder, 1.05 times the lowest loss)")
    assert second_order.versus(1.0, np.inf, "SGD") == "alone arrives"
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
    (["--damping", "nan"], "DAMPING is nan"),
])
def test_mistakes_end_in_one_line(flags, message, tmp_path, capsys):
    with pytest.raises(SystemExit):
        run(tmp_path, *flags)
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
