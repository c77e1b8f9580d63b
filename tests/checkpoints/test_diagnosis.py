"""The diagnosis of matrices against laws and distances of scipy, brute force, and planted faults."""
import json

import numpy as np
import pytest
from scipy import stats

import mlp
from gradnets import datasets, tails
from gradnets.checkpoints import diagnosis, directions, distribution
from gradnets.errors import UserError

SHAPES = [(10, 12), (30, 10), (784, 30), (4, 300), (300, 300), (64, 576), (1, 500), (500, 1)]
TRUNCATED = stats.truncnorm(-2, 2)
SCIPY = {"normal": stats.norm(), "uniform": stats.uniform(-np.sqrt(3), 2 * np.sqrt(3)),
         "truncated normal": stats.truncnorm(-2, 2, scale=1 / TRUNCATED.std())}


def orthogonal(shape, rng):
    return np.linalg.qr(rng.normal(size=(max(shape), min(shape))))[0].reshape(shape)


INITIALISED = {
    "normal": lambda shape, rng: rng.normal(0, 0.02, shape),
    "uniform": lambda shape, rng: rng.uniform(-0.25, 0.25, shape),
    "truncated normal": lambda shape, rng: 0.05 * TRUNCATED.rvs(shape, random_state=rng),
    "orthogonal": orthogonal,
    "float16": lambda shape, rng: rng.normal(0, 0.02, shape).astype(np.float16).astype(np.float32),
}


@pytest.fixture
def without_tails(monkeypatch):
    """Skip the tail fits, which take most of the time, where a test does not look at them."""
    monkeypatch.setattr(tails, "describe", lambda values, *_: ({"n": values.size, "verdict": "not fitted"}, None))


def row_of(values, replicates=2, seed=0):
    return diagnosis.describe("w", values, replicates, seed).row


def cosines(rows):
    """Return the |cosine| of each row with the nearest other row, by brute force."""
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    products = np.abs(unit @ unit.T)
    np.fill_diagonal(products, 0)
    return products.max(axis=1)


# ---- laws, directions ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("law", distribution.LAWS)
def test_laws_equal_those_of_scipy_with_mean_square_one(law):
    x = np.linspace(0, 4, 101)
    np.testing.assert_allclose(distribution.survival(law, x), 2 * SCIPY[law].sf(x), atol=1e-12)
    mean, variance, skew, kurtosis = SCIPY[law].stats("mvsk")
    assert (mean, variance, skew) == pytest.approx((0, 1, 0), abs=1e-9)
    assert distribution.LAWS[law].fourth == pytest.approx(kurtosis + 3, rel=1e-6)


@pytest.mark.parametrize("law", distribution.LAWS)
def test_the_nearest_law_and_its_distance_equal_those_of_scipy(law, without_tails):
    values = 0.03 * SCIPY[law].rvs((120, 90), random_state=1)
    row = row_of(values)
    std = np.sqrt((values**2).mean())
    distances = {name: stats.kstest(values.ravel() / std, SCIPY[name].cdf).statistic for name in SCIPY}
    assert row["near"] == min(distances, key=distances.get) == law
    assert row["ks"] == pytest.approx(distances[law], abs=1e-12)
    assert row["std"] == pytest.approx(std)
    assert row["fourth"] == pytest.approx((values**4).mean() / std**4 / distribution.LAWS[law].fourth)


def test_the_distance_of_many_entries_is_taken_at_quantiles(without_tails):
    values = np.random.default_rng(2).laplace(size=(600, 500)).astype(np.float32)
    expected = stats.kstest(values.ravel().astype(float), stats.norm(0, row_of(values)["std"]).cdf).statistic
    assert row_of(values)["ks"] == pytest.approx(expected, abs=1e-5)


def test_the_spike_is_the_largest_singular_value(without_tails):
    rng = np.random.default_rng(3)
    for shape in ((40, 70), (70, 40), (600, 500), (3, 90_000)):  # dense, dense, Lanczos, a few rows
        values = rng.normal(size=shape) + 0.01
        row, singular = row_of(values), np.linalg.svd(values, compute_uv=False)
        assert row["spike"] == pytest.approx(singular[0] / row["std"] / np.sqrt(shape).sum(), rel=1e-3)
        assert row["stable_rank"] == pytest.approx((singular**2).sum() / singular[0]**2, rel=2e-3)


# ---- moments, tails, curves -------------------------------------------------------------------------------

def test_moments_of_nonzero_entries_equal_those_of_scipy(without_tails):
    rng = np.random.default_rng(4)
    values = rng.standard_t(5, (80, 60))
    values[:, ::3] = 0
    row = row_of(values)
    magnitudes = np.abs(values[values != 0])
    assert row["zeros"] == pytest.approx(1 / 3)
    assert row["skew"] == pytest.approx(stats.skew(magnitudes))
    assert row["kurtosis"] == pytest.approx(stats.kurtosis(magnitudes))


def test_small_matrices_have_the_tail_of_all_their_entries():
    values = np.random.default_rng(5).lognormal(size=(50, 40))
    layer = diagnosis.describe("w", values, 20, seed=3)
    expected, law = tails.describe(values, 20, np.random.default_rng(3))
    assert layer.row["sampled"] == 2000
    assert [layer.row[key] for key in ("xmin", "alpha", "tail", "beta", "tail_law", "top_90_percent")] == pytest.approx(
        [expected[key] for key in ("xmin", "alpha", "tail", "beta", "verdict", "top_90_percent")])
    assert layer.tail == law


def test_large_matrices_have_the_tail_of_a_sample():
    values = np.random.default_rng(6).pareto(1.5, (400, 300)) + 1  # alpha 2.5
    row = row_of(values)
    assert row["sampled"] == diagnosis.SAMPLE == 100_000
    assert row["alpha"] == pytest.approx(2.5, abs=0.05)
    assert row == row_of(values)
    assert row["alpha"] != row_of(values, seed=1)["alpha"]  # other entries


def test_the_curve_counts_entries_at_least_so_large():
    values = np.random.default_rng(7).normal(size=(70, 50)).astype(np.float32)
    x, share = diagnosis.describe("w", values, 2).ccdf
    magnitudes = np.abs(values).astype(float)
    assert share == pytest.approx([(magnitudes >= least).mean() for least in x])
    assert (x[-1], share[-1]) == (magnitudes.max(), 1 / 3500)


# ---- faults -----------------------------------------------------------------------------------------------

def test_dead_rows_and_columns_are_counted(without_tails):
    values = np.random.default_rng(8).normal(size=(200, 100))
    values[[3, 50, 199]] = 0
    values[:, 7] *= 1e-4  # next to zero
    row = row_of(values)
    assert (row["dead_rows"], row["dead_columns"], row["verdict"]) == (0.015, 0.01, "dead")
    assert row["why"] == "1.5 % of rows"
    assert row["zeros"] == pytest.approx(3 / 200)
    values[:] = np.random.default_rng(8).normal(size=(200, 100))
    values[3] = 0  # one of 200 is not yet a verdict
    assert (row_of(values)["dead_rows"], row_of(values)["verdict"]) == (0.005, "random")


def test_parallel_rows_and_columns_are_found(without_tails):
    rng = np.random.default_rng(9)
    values = rng.normal(size=(300, 200))
    values[10] = -0.3 * values[200]
    values[11] = 5 * values[200]
    values[:, 150] = values[:, 3] + 0.002 * rng.normal(size=300)  # a cosine of 0.999998, rows 10 and 11 aside
    row = row_of(values)
    assert row["duplicate_rows"] == pytest.approx(np.mean(cosines(values) >= directions.DUPLICATE)) == 0.01
    assert row["duplicate_columns"] == pytest.approx(np.mean(cosines(values.T) >= directions.DUPLICATE)) == 0.01
    assert (row["verdict"], row["why"]) == ("duplicated", "1 % of rows")


@pytest.mark.parametrize("noise", [0.01, 0.014, 0.0145, 0.02, 0.1])
def test_parallel_is_decided_by_the_cosine(noise, without_tails):
    rng = np.random.default_rng(10)
    half = rng.normal(size=(150, 400))
    values = np.concatenate((half, -2 * (half + noise * rng.normal(size=half.shape))))
    expected = np.mean(cosines(values) >= directions.DUPLICATE)
    assert row_of(values)["duplicate_rows"] == pytest.approx(expected)
    assert expected == (1 if noise == 0.01 else 0 if noise > 0.0145 else pytest.approx(0.5, abs=0.5))


def test_few_dimensions_are_not_compared(without_tails):
    values = np.random.default_rng(11).normal(size=(2000, 7))  # some rows are nearly parallel by chance
    row = row_of(values)
    assert "duplicate_rows" not in row
    assert row["duplicate_columns"] == 0
    single = row_of(np.random.default_rng(12).normal(size=(5000, 1)))  # some rows are next to zero by chance
    assert single["dead_rows"] == single["dead_columns"] == 0


@pytest.mark.parametrize(("scale", "dtype"), [(1, float), (1e-250, float), (1e-30, np.float32), (1e37, np.float32)])
@pytest.mark.parametrize("shape", [(60, 40), (600, 500)])
def test_an_outer_product_has_rank_one_at_any_scale(scale, dtype, shape, without_tails):
    rng = np.random.default_rng(13)
    column, line = rng.uniform(0.5, 2, shape[0]), rng.uniform(0.5, 2, shape[1])
    row = row_of((np.outer(column, line) / 4).astype(dtype) * dtype(scale))
    assert row["verdict"] == "rank one"
    assert row["stable_rank"] == pytest.approx(1, abs=1e-6)
    assert row["duplicate_rows"] == row["duplicate_columns"] == 1


@pytest.mark.parametrize("value", [0.0, -0.0, 2.5, -3.0])
def test_a_constant_matrix_says_so(value):
    layer = diagnosis.describe("w", np.full((6, 7), value))
    assert layer.row == {"tensor": "w", "shape": "6 x 7", "verdict": "constant", "std": abs(value), "entries": 42,
                         "why": f"every entry is {value + 0:.3g}", "zeros": float(value == 0)}
    assert layer.tail is None


@pytest.mark.parametrize("init", INITIALISED)
def test_false_alarms_are_rare(init, without_tails, many):
    rng, repeats = np.random.default_rng(14), many(2, 8)
    rows = [row_of(INITIALISED[init](shape, rng)) for shape in SHAPES for _ in range(repeats)]
    assert {row["verdict"] for row in rows} <= {"random", "plain"}
    large = [row["verdict"] for row in rows if row["entries"] >= diagnosis.FEWEST]
    assert large.count("random") >= len(large) - 1 >= 2 * repeats
    small = [row for row in rows if row["entries"] < diagnosis.FEWEST]
    assert all(row["why"].startswith("too few to tell an init") for row in small)
    assert {row["verdict"] for row in small} == {"plain"}


def test_a_small_layer_that_training_changed_is_not_called_random(without_tails):
    images = datasets.load("glyphs", limit=500)
    network = mlp.MLP((784, 30, 10), init="normal(0.01)", seed=0)
    before = network.weights[1].copy()
    for _ in mlp.train(network, images, 2000, 0.01, seed=0):
        pass
    assert np.linalg.norm(network.weights[1] - before) > 5 * np.linalg.norm(before)
    assert row_of(network.weights[1])["verdict"] != "random"


def test_laplace_is_seldom_called_heavy_in_small_matrices(many):
    """Its magnitudes are exponential, and heavy begins there."""
    rng, repeats = np.random.default_rng(17), many(5, 20)
    verdicts = [row_of(rng.laplace(size=shape), 1)["verdict"] for shape in ((10, 10), (30, 10), (10, 128), (64, 64))
                for _ in range(repeats)]
    assert set(verdicts) <= {"plain", "heavy-tailed"}
    assert verdicts.count("heavy-tailed") <= 0.1 * len(verdicts)


@pytest.mark.parametrize("share", [0.4, 0.5, 0.6, 0.95])
@pytest.mark.parametrize("scale", [0, 1e-6])
def test_most_rows_may_be_dead(share, scale, without_tails):
    values = np.random.default_rng(18).normal(size=(200, 100))
    values[:int(200 * share)] *= scale
    row = row_of(values)
    assert (row["verdict"], row["dead_rows"]) == ("dead", share)


HEAVY = {"lognormal": lambda shape, rng: rng.lognormal(size=shape) * rng.choice([-1, 1], shape),
         "Student's t": lambda shape, rng: rng.standard_t(3, shape),
         "a few huge ones": lambda shape, rng: rng.normal(size=shape) * np.where(rng.random(shape) < 1e-3, 30, 1)}


@pytest.mark.parametrize(("law", "heavy_by"), [("lognormal", "kurtosis and exponent"), ("a few huge ones", "kurtosis"),
                                               ("Student's t", "kurtosis")])
def test_heavy_tails_are_recognised(law, heavy_by, many):
    rng = np.random.default_rng(15)
    rows = [row_of(HEAVY[law](shape, rng), 1) for shape in ((784, 30), (300, 300), (64, 576))
            for _ in range(many(1, 4))]
    assert {row["verdict"] for row in rows} == {"heavy-tailed"}
    assert {row["heavy_by"] for row in rows} == {heavy_by}
    for row in rows:  # why names the numbers that decide, and no other
        assert ("kurtosis" in row["why"], "exponent" in row["why"]) == ("kurtosis" in heavy_by, "exponent" in heavy_by)


def test_an_exponent_alone_makes_a_tail_heavy():
    values = np.random.default_rng(22).weibull(0.75, (300, 300))
    values[values > 8] = 8  # a few hundred entries
    row = row_of(values, 1)
    assert stats.kurtosis(values, axis=None) < diagnosis.HEAVY_KURTOSIS
    assert (row["verdict"], row["heavy_by"]) == ("heavy-tailed", "exponent")


def test_an_exponent_at_the_limit_of_the_search_is_called_so():
    row = row_of(np.random.default_rng(21).standard_t(2, (50, 50)))
    for beta, words in ((tails.BETAS[0] * 1.00001, "exponent at most 0.02"), (0.5, "exponent 0.5"),
                        (tails.BETAS[1] * 0.9999, "exponent at least 20")):
        assert diagnosis._why(row | {"beta": beta, "heavy_by": "exponent"}) == words


def test_what_training_added_is_told_from_initial_draws(without_tails):
    rng = np.random.default_rng(16)
    drawn = rng.normal(size=(300, 200))
    learned = np.outer(rng.normal(size=300), rng.normal(size=200))
    row = row_of(drawn + 0.15 * learned)  # its entries are nearly normal
    assert row["ks"] < 0.01
    assert (row["verdict"], row_of(drawn)["verdict"]) == ("plain", "random")
    assert row_of(rng.laplace(size=(300, 200)))["verdict"] == "plain"


# ---- a file -----------------------------------------------------------------------------------------------

def planted():
    """Return a matrix for each verdict, and a second one for two verdicts, by name, the worst first."""
    rng = np.random.default_rng(17)
    plain = rng.laplace(size=(90, 80))
    dead, twins = plain.copy(), rng.laplace(size=(90, 80))
    dead[:30] = 0
    twins[:, 5] = -twins[:, 6]
    return {"zeros": np.zeros((20, 30)), "outer": np.outer(rng.normal(size=90), rng.normal(size=80)), "half dead": dead,
            "copy": plain.T.copy(), "twins": twins, "untrained": rng.normal(size=(90, 80)),
            "heavier": rng.standard_cauchy((90, 80)), "heavy": rng.standard_t(2.5, (90, 80)), "plain": plain}


@pytest.mark.parametrize("seed", range(2))
def test_the_worst_stand_first_in_any_order(seed):
    matrices = planted()
    order = [name for name in np.random.default_rng(seed).permutation(list(matrices)) if name not in ("plain", "copy")]
    layers = diagnosis.table([(name, matrices[name]) for name in ("plain", *order, "copy")], 1, 0)
    assert [layer.row["tensor"] for layer in layers] == list(matrices)
    assert [layer.row["verdict"] for layer in layers] == [
        "constant", "rank one", "dead", "duplicated", "duplicated", "random", "heavy-tailed", "heavy-tailed", "plain"]
    copies = {layer.row["tensor"]: layer.row["copy_of"] for layer in layers if "copy_of" in layer.row}
    assert copies == {"copy": "plain"}
    assert [layer.row["tensor"] for layer in layers if "heavy_by" in layer.row] == ["heavier", "heavy"]
    assert next(layer.row["why"] for layer in layers if layer.row["tensor"] == "copy") == "same entries as plain"
    assert json.loads(json.dumps([layer.row for layer in layers], default=float))  # JSON can hold the rows


def test_a_copy_is_found_reshaped_and_in_another_order(without_tails):
    rng = np.random.default_rng(18)
    values = rng.normal(size=(40, 30)).astype(np.float32)
    other, signs = rng.normal(size=(40, 30)).astype(np.float32), np.sign(values)
    files = [("a", values), ("flat", values.reshape(120, 10)), ("shuffled", rng.permuted(values.ravel())[:, None]),
             ("other", other), ("signs", signs), ("more", signs)]
    copies = {layer.row["tensor"]: layer.row.get("copy_of") for layer in diagnosis.table(files, 2)}
    assert copies == {"a": None, "flat": "a", "shuffled": "a", "other": None, "signs": None, "more": None}


def test_a_dead_copy_stays_dead(without_tails):
    values = np.random.default_rng(19).normal(size=(50, 40))
    values[:20] = 0
    layers = diagnosis.table([("a", values), ("b", values.copy())], 2)
    assert {layer.row["tensor"]: (layer.row["verdict"], layer.row.get("copy_of")) for layer in layers} == {
        "a": ("dead", None), "b": ("dead", "a")}


def test_the_size_of_blocks_changes_nothing(without_tails, monkeypatch):
    rng = np.random.default_rng(20)
    values = rng.standard_t(4, (700, 90))
    values[400] = 7 * values[1]
    values[:, 3] = 0
    whole = row_of(values)
    for module in (distribution, directions):
        monkeypatch.setattr(module, "BLOCK", 1000)
    blocks = row_of(values)
    assert [value for value in blocks.values() if not isinstance(value, str)] == pytest.approx(
        [value for value in whole.values() if not isinstance(value, str)], rel=1e-10)
    assert [blocks[key] for key in ("verdict", "why")] == [whole[key] for key in ("verdict", "why")]
    assert whole["duplicate_rows"] == pytest.approx(2 / 700)


@pytest.mark.parametrize(("values", "words"), [
    (np.zeros(5), r"w has shape \(5,\)"),
    (np.zeros((0, 5)), r"w has shape \(0, 5\)"),
    (np.array([[1.0, np.nan]]), "w holds NaN"),
    (np.array([[1.0, -np.inf]]), "w holds NaN"),
    (np.array([["a"]]), "expected a matrix of real numbers"),
])
def test_what_is_no_finite_matrix_is_refused(values, words):
    with pytest.raises(UserError, match=words):
        row_of(values)
