"""Lyapunov exponents of gradient descent: closed forms, dense Jacobians, and the script as a user runs it."""
import itertools
import json

import numpy as np
import pytest
from conftest import real

import lyapunov
import mlp
from gradnets import curvature, datasets, experiment

SMALL = ["--images", "30", "--side", "2", "--hidden-units", "2", "--learning-rates", "0.2", "1.5", "--steps", "40",
         "--transient", "20", "--window", "10", "--exponents", "2", "--spectrum-rates", "1.5", "--spectrum-steps",
         "5", "--well-rates", "0.25", "1.9", "--well-steps", "300", "--essay-units", "4", "--essay-rates", "0.1",
         "--essay-steps", "20", "--runs", "2"]
RATE = 0.7


@pytest.fixture(scope="module")
def images():
    return datasets.load("glyphs", limit=30)


@pytest.fixture(scope="module")
def batch(images):
    return datasets.pooled(images, 2).inputs, images.labels


def small(seed=0, loss="squared"):
    return mlp.MLP((4, 2, 10), "tanh", loss, "glorot", seed)


def orbit(network, batches, rate):
    """Points and dense Jacobians of descent, by a loop of its own."""
    points, jacobians = [curvature.parameters(network)], []
    for inputs, labels in batches:
        here = curvature.at(network, points[-1])
        jacobians.append(np.eye(points[0].size) - rate * curvature.hessian(here, inputs, labels))
        points.append(points[-1] - rate * curvature.gradient(here, inputs, labels))
    return points, jacobians


def growth(jacobians, rng):
    """Per step, of the direction that the generator draws next."""
    vector = rng.normal(size=len(jacobians[0]))
    end = np.linalg.multi_dot([*jacobians[::-1], vector / np.linalg.norm(vector)])
    return np.log(np.linalg.norm(end)) / len(jacobians)


def loss_at(network, point, batch):
    return curvature.loss(curvature.at(network, point), *batch)


# ---- controls of known result -----------------------------------------------------------------------------

@pytest.mark.parametrize(("rate", "exact", "error"), [
    (0.25, np.log(0.5), 1e-9),  # the minimum attracts: log |1 - 2 rate|
    (0.75, np.log(0.5), 1e-9),
    (2.0, np.log(3), 0.02),     # Chebyshev's polynomial of degree 3, up to scale and sign
])
def test_double_well_has_its_exact_exponents(rate, exact, error):
    assert lyapunov.double_well(rate, 2000, seed=1) == pytest.approx(exact, abs=error)
    assert lyapunov.double_well_mean([rate], 1000, 10, seed=1) == pytest.approx([exact], abs=error)


def test_double_well_by_qr_is_the_mean_of_the_logarithm_and_chaotic():
    rates = (1.2, 1.4, 1.6, 1.8)
    by_qr = [lyapunov.double_well(rate, 2000, seed=0) for rate in rates]
    np.testing.assert_allclose(by_qr, lyapunov.double_well_mean(rates, 2000, 10, seed=0), atol=0.04)
    assert by_qr[0] < 0 < 0.3 < min(by_qr[1:])


def test_quadratic_has_the_logarithms_of_its_multipliers():
    products = np.array([0.3, 2.7, 1.4, 0.9, 2.2])
    found, closed = lyapunov.quadratic(products, 400, seed=3)
    np.testing.assert_allclose(found, np.log([0.7, 1.7, 0.4, 0.1, 1.2]), atol=1e-6)
    np.testing.assert_allclose(closed, found, atol=1e-6)


# ---- the small net ----------------------------------------------------------------------------------------

def test_both_functions_of_descent_see_the_same_batches(batch):
    inputs, labels = batch
    network = small()
    batches = [(inputs[which:which + 1], labels[which:which + 1]) for which in (4, 0, 4)]
    advance, tangent = lyapunov.descent(network, RATE, iter(batches))
    points, jacobians = orbit(network, batches, RATE)
    frame = np.random.default_rng(0).normal(size=(3, points[0].size))
    for point, after, jacobian in zip(points, points[1:], jacobians, strict=False):
        np.testing.assert_allclose(tangent(point, frame), frame @ jacobian, atol=1e-12)
        np.testing.assert_array_equal(advance(point), after)


def test_sharpness_is_the_largest_eigenvalue(batch):
    network = small()
    dense = np.linalg.eigvalsh(curvature.hessian(network, *batch))
    assert lyapunov.sharpness(network, curvature.parameters(network), *batch) == pytest.approx(dense[-1], rel=1e-8)


def test_full_batch_is_that_of_dense_jacobians(batch):
    network = small()
    size = curvature.parameters(network).size
    numbers, along = lyapunov.full_batch(network, *batch, RATE, 30, 20, 10, size, seed=5)
    points, jacobians = orbit(network, itertools.repeat(batch, 30), RATE)
    exponents = [numbers["exponent"]] + [numbers[f"exponent_{k}"] for k in range(2, size + 1)]
    volume = sum(np.linalg.slogdet(jacobian)[1] for jacobian in jacobians[20:])
    assert sum(exponents) == pytest.approx(volume / 10, rel=1e-8)  # all directions: the volume
    assert exponents == sorted(exponents, reverse=True)
    rng = np.random.default_rng(5)
    windows = [growth(jacobians[start:start + 10], rng) for start in (0, 10, 20)]  # a new direction each
    np.testing.assert_allclose(along["windows"], windows, rtol=1e-8)
    assert numbers["highest_window"] == max(along["windows"])
    edges = [RATE / 2 * np.linalg.eigvalsh(curvature.hessian(curvature.at(network, points[step]), *batch))[-1]
             for step in (0, 10, 20, 30)]
    np.testing.assert_allclose(along["edges"], edges, rtol=1e-8)
    assert (numbers["edge_at_start"], numbers["edge"]) == pytest.approx((edges[0], np.mean(edges[2:])), rel=1e-8)
    assert numbers["last_loss"] == pytest.approx(loss_at(network, points[-1], batch), rel=1e-9)


def test_single_samples_are_a_product_of_their_own_jacobians(batch):
    inputs, labels = batch
    network = small()
    order = np.random.default_rng((7, 2)).integers(30, size=20)
    points, jacobians = orbit(network, [(inputs[[k]], labels[[k]]) for k in order], RATE)
    numbers = lyapunov.single_sample(network, inputs, labels, RATE, 20, 10, 10, seed=7)
    whole, early = (growth(jacobians[:steps], np.random.default_rng(7)) for steps in (20, 10))
    late = 2 * whole - early
    assert numbers["exponent"] == pytest.approx(late, rel=1e-8)
    assert numbers["highest_window"] == pytest.approx(max(early, late), rel=1e-8)
    assert abs(late - early) > 1e-3
    assert numbers["last_loss"] == pytest.approx(loss_at(network, points[-1], batch), rel=1e-9)


def test_whole_spectrum_adds_up_to_the_volume(batch):
    network = small()
    values = lyapunov.whole_spectrum(network, *batch, RATE, 5, 10, seed=0)
    _, jacobians = orbit(network, itertools.repeat(batch, 15), RATE)
    assert values.sum() == pytest.approx(np.mean([np.linalg.slogdet(one)[1] for one in jacobians[10:]]), rel=1e-8)
    assert (np.diff(values) <= 0).all()


def test_runs_that_leave_for_infinity_are_counted_and_left_out(batch):
    network = small(loss="cross-entropy")
    assert lyapunov.full_batch(network, *batch, 1e308, 4, 2, 2, 1, seed=0) == (None, None)
    assert lyapunov.single_sample(network, *batch, 1e308, 4, 2, 2, seed=0) is None
    lost = lyapunov.whole_spectrum(network, *batch, 1e308, 2, 2, seed=0)
    assert np.isnan(lost).all()
    assert lyapunov.spectrum_row(9.0, 3, lost, 0.02)["diverged"] == 1
    assert np.isnan(lyapunov.interval([], 4)).all()
    one = {"exponent": 0.5, "first_loss": 1.0, "last_loss": 2.0}
    row = lyapunov.summary([one, None, one | {"exponent": 0.01, "last_loss": 0.5}], 0.02)
    assert [row[key] for key in ("runs", "diverged", "positive", "saturated")] == [3, 1, 1, 1]
    assert (row["exponent_low"], row["exponent_high"]) == (0.01, 0.5)
    assert lyapunov.summary([None], 0.02) == {"runs": 1, "diverged": 1, "positive": 0, "saturated": 0}


def test_exponents_of_a_spectrum_are_counted():
    row = lyapunov.spectrum_row(0.5, 3, np.array([0.3, 0.02, 0, -0.02, -0.03, -9]), 0.02)
    assert [row[key] for key in ("seed", "exponent", "above", "within", "below")] == [3, 0.3, 1, 3, 2]


# ---- the essay's net --------------------------------------------------------------------------------------

def essay(seed=0):
    return mlp.MLP((784, 5, 10), "tanh", "squared", "uniform(0.25)", seed, biases=(True, False), targets=(-1, 1))


def test_a_part_has_the_whole_gradient_and_product(images):
    network = essay()
    smaller, lit, where = lyapunov.lit_part(network, images.inputs[2])
    whole = images.inputs[2:3], images.labels[2:3]
    vector = np.random.default_rng(0).normal(size=curvature.parameters(network).size)
    here = curvature.at(smaller, curvature.parameters(network)[where])
    found = np.zeros((2, vector.size))
    found[0, where] = curvature.gradient(here, whole[0][:, lit], whole[1])
    found[1, where] = curvature.hessian_vector(here, whole[0][:, lit], whole[1], vector[where])
    expected = curvature.gradient(network, *whole)
    np.testing.assert_allclose(found[0], expected, atol=1e-14)
    inside = np.zeros_like(vector)  # the rest of a direction does not matter to these parameters
    inside[where] = vector[where]
    np.testing.assert_allclose(found[1], curvature.hessian_vector(network, *whole, inside), atol=1e-13)
    np.testing.assert_allclose(found[1], curvature.hessian_vector(network, *whole, vector), atol=1e-13)


def test_copies_part_as_fast_as_the_tangent_vector_grows(images):
    tangent, twin, idle = lyapunov.part_ways(essay(), images, 0.2, 60, 1e-9, seed=1)
    assert tangent[-1] > 2
    np.testing.assert_allclose(twin, tangent, atol=1e-3)
    assert (tangent[0], twin[0], idle) == (0, 0, 0)
    order = np.random.default_rng((1, 3)).integers(30, size=60)
    point = curvature.parameters(essay())
    moved = point.copy()
    moved[images.inputs.mean(axis=0).argmax() * 5] += 1e-9
    for k in order:  # both copies again, over whole images
        point, moved = (vector - 0.2 * curvature.gradient(curvature.at(essay(), vector), images.inputs[[k]],
                                                          images.labels[[k]]) for vector in (point, moved))
    assert np.linalg.norm(moved - point) == pytest.approx(1e-9 * np.exp(twin[-1]), rel=1e-5)


def test_steps_until_all_is_forgotten():
    tangent, twin = np.array([0, 3, 6, 30.0]), np.array([0, 3, 6 + np.log(10), 21])
    numbers = lyapunov.forgetting(tangent, twin, 0.25, 30, 1e-9)
    assert numbers["decades_apart"] == pytest.approx(1)  # the last record is of copies that are no neighbours
    assert (numbers["exponent"], numbers["idle"]) == (1, 0.25)
    assert np.exp(numbers["forgotten_after"] * 1) == pytest.approx(1e15)
    assert lyapunov.forgetting(-tangent, -twin, 0.25, 30, 1e-9)["forgotten_after"] == np.inf


# ---- words and files --------------------------------------------------------------------------------------

def row(part, rate, positive, runs=5, diverged=0, **more):
    return {"part": part, "learning_rate": rate, "runs": runs, "diverged": diverged, "positive": positive} | more


def test_finding_follows_from_the_rows():
    rows = [row("full batch", 0.1, 0, exponent=0.001, highest_window=0.1),
            row("full batch", 0.2, 0, exponent=0.004, highest_window=0.3),
            row("full batch", 0.4, 4, diverged=1, exponent=0.5, highest_window=0.9),
            row("full batch", 0.8, 0, diverged=5),
            row("single samples", 0.1, 2, exponent=0.1), row("single samples", 0.2, 3, exponent=0.1)]
    said = lyapunov.finding(rows, 0.02, 50)
    assert "above 0.02 per step: full batch in no run at 0.1 to 0.2, in all at 0.4, (all diverged) at 0.8;" in said
    assert "single samples in some at 0.1 to 0.2." in said
    assert "Windows of 50 full-batch steps reach 0.3 even at 0.2, where it is 0.004 in the long run" in said
    assert "Windows" not in lyapunov.finding(rows[2:], 0.02, 50)
    assert "Windows" not in lyapunov.finding(rows[:2], 0.3, 50)  # and none is above the threshold


def run(tmp_path, *flags):
    experiment.run(lyapunov.main, [*SMALL, *flags, "--out", str(tmp_path)])
    return json.loads((tmp_path / "lyapunov.json").read_text()), np.load(tmp_path / "lyapunov.npz")


def test_script_writes_rows_of_every_part(tmp_path, batch):
    record, curves = run(tmp_path)
    parts = [(row["part"], row.get("learning_rate", row.get("edge"))) for row in record["rows"]]
    assert parts == [("full batch", 0.2), ("full batch", 1.5), ("single samples", 0.2), ("single samples", 1.5),
                     ("whole spectrum", 1.5), ("double well", 0.25), ("double well", 1.9),
                     *(("quadratic", product / 2) for product in lyapunov.QUADRATIC), ("essay's net", 0.1)]
    full, other, *_, essays = record["rows"]
    runs = [lyapunov.full_batch(small(seed), *batch, 0.2, 40, 20, 10, 2, seed)[0] for seed in (0, 1)]
    for key in ("exponent", "exponent_2", "edge", "highest_window", "last_loss"):
        assert [full[key + "_low"], full[key + "_high"]] == sorted(numbers[key] for numbers in runs)
    assert other["edge_at_start"] == pytest.approx(7.5 * full["edge_at_start"], rel=1e-9)  # the same first nets
    spectrum = record["rows"][4]
    assert spectrum["above"] + spectrum["within"] + spectrum["below"] == curves["spectra"].shape[1] == 40
    assert record["finding"] == lyapunov.finding(record["rows"], 0.02, 10)
    assert (essays["net"], essays["runs"]) == ("784-4-10", 2)
    assert curves["edges"].shape == (2, 3, 5)
    assert curves["windows"].shape == (2, 3, 4)
    assert curves["tangent"].shape == curves["twin"].shape == (1, 3, 3)


def test_the_spectrum_is_that_of_the_run_with_the_largest_exponent(batch):
    rows, _, leaders = lyapunov.small_net(small, *batch, (0.2, 1.5), (4, 5, 6), 20, 10, 5, 1, 0.02)
    for rate, several in zip((0.2, 1.5), rows, strict=False):
        numbers, _ = lyapunov.full_batch(small(leaders[rate]), *batch, rate, 20, 10, 5, 1, leaders[rate])
        assert numbers["exponent"] == several["exponent_high"]


def test_from_the_shell_on_real_digits(script, tmp_path):
    real("mnist", limit=1)
    done = script("lyapunov.py", *SMALL, "--dataset", "mnist", "--loss", "cross-entropy", "--out", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "lyapunov.png").stat().st_size > 30_000
    assert json.loads((tmp_path / "lyapunov.json").read_text())["data"][0]["name"] == "mnist"


@pytest.mark.parametrize(("flags", "words"), [
    (["--dataset", "tree"], "tree has 31 features: expected square images"),
    (["--side", "29"], "expected square images of 29 x 29"),
    (["--window", "7"], "WINDOW is 7"),
    (["--transient", "40"], "TRANSIENT 40"),
    (["--learning-rates", "0.2", "-1"], "LEARNING_RATES has -1.0"),
    (["--learning-rates", "0.2", "nan"], "LEARNING_RATES has nan"),
    (["--spectrum-rates", "0.3"], "expected rates of LEARNING_RATES"),
    (["--well-rates", "2.1"], "WELL_RATES has 2.1"),
    (["--essay-steps", "15"], "expected a multiple of 10"),
    (["--perturbation", "1"], "PERTURBATION is 1.0"),
    (["--near-zero", "0"], "NEAR_ZERO is 0.0"),
    (["--exponents", "41"], "the net has 40 parameters"),
    (["--runs", "0"], "RUNS is 0"),
    (["--loss", "hinge"], "unknown loss 'hinge'"),
    (["--learning-rates", "1e308", "--spectrum-rates", "1e308", "--loss", "cross-entropy"],
     "every full-batch run diverged"),
    (["--essay-rates", "1e308"], "the essay's net at rate 1e+308 is not finite after 2 steps: lower ESSAY_RATES"),
])
def test_mistakes_end_with_one_line(tmp_path, capsys, flags, words):
    with pytest.raises(SystemExit) as end:
        run(tmp_path, *flags)
    err = capsys.readouterr().err
    assert end.value.code == 2
    assert words in err
    assert err.count("\n") == 1
