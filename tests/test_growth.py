"""Growth of weights: planted feedback of known exponent is found, and planted effects of rows and columns are not."""
import numpy as np
import pytest
from scipy import optimize, stats

from gradnets import growth
from gradnets.errors import UserError

SHAPE = (400, 150)


def planted(exponent, effects, noise, seed=0, scale=1.0):
    """Return sizes, and changes ~ size^exponent times noise; with effects, large rows and columns also move more."""
    rng = np.random.default_rng(seed)
    rows, columns = (rng.lognormal(0, 0.5 * effects, count) for count in SHAPE)
    sizes = np.abs(rng.normal(size=SHAPE)) * np.outer(rows, columns)
    changes = sizes**exponent * np.outer(rows, columns**2) * noise(rng)
    return scale * sizes, changes


NOISES = {"none": lambda rng: np.ones(SHAPE), "exponential": lambda rng: rng.exponential(size=SHAPE),
          "normal": lambda rng: np.abs(rng.normal(size=SHAPE)), "heavy": lambda rng: rng.lognormal(0, 1, SHAPE)}


# ---- the exponent -----------------------------------------------------------------------------------------

@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("exponent", [-0.5, 0, 0.35, 1, 2])
def test_planted_feedback_is_found(exponent, noise):
    sizes, changes = planted(exponent, False, NOISES[noise], scale=1e-7)
    assert growth.exponent(sizes, changes) == pytest.approx(exponent, abs=0.03)


@pytest.mark.parametrize("exponent", [0, 0.35, 1])
def test_planted_feedback_is_found_below_effects_of_rows_and_columns(exponent):
    sizes, changes = planted(exponent, True, NOISES["exponential"])
    assert growth.exponent(sizes, changes) > exponent + 0.3  # what one would claim without the control
    rest = growth.exponent(growth.split_effects(sizes)[2], growth.split_effects(changes)[2])
    assert rest == pytest.approx(exponent, abs=0.04)


def test_planted_effects_are_no_feedback():
    """Twenty draws: the exponent without effects is 0 on average, and each is far below that with effects."""
    results = []
    for seed in range(20):
        sizes, changes = planted(0, True, NOISES["heavy"], seed)
        rest = growth.exponent(growth.split_effects(sizes)[2], growth.split_effects(changes)[2])
        null = growth.exponent(growth.same_effects(sizes, seed), changes)
        results.append((growth.exponent(sizes, changes), rest, null))
    measured, rest, null = np.transpose(results)
    assert measured.min() > 0.3
    assert np.abs(rest).max() < 0.05
    assert stats.ttest_1samp(rest, 0).pvalue > 0.01
    assert null == pytest.approx(measured, abs=0.06)


def test_a_curve_has_the_means_of_scipy():
    rng = np.random.default_rng(1)
    sizes, values = rng.lognormal(size=2000), rng.normal(size=2000)
    x, y = growth.curve(sizes, values, bins=7, smallest=0.2)
    edges = np.quantile(sizes, np.linspace(0.2, 1, 8))
    kept = sizes >= edges[0]
    for computed, numbers in ((x, sizes), (y, values)):
        expected, _, _ = stats.binned_statistic(sizes[kept], numbers[kept], "mean", edges)
        np.testing.assert_allclose(computed, expected, rtol=1e-12)
    assert growth.exponent(sizes, np.abs(values), 7, 0.2) == pytest.approx(
        stats.linregress(np.log(x), np.log(growth.curve(sizes, np.abs(values), 7, 0.2)[1])).slope, rel=1e-9)


def test_pruned_weights_and_ties_do_not_count():
    rng = np.random.default_rng(2)
    sizes = rng.lognormal(size=(50, 40))
    changes = sizes**0.5
    pruned = np.where(rng.random(sizes.shape) < 0.6, sizes, 0)
    assert growth.exponent(pruned, changes) == pytest.approx(0.5, abs=0.01)
    assert growth.curve(pruned, changes)[0].min() > 0
    levels = np.round(sizes + 0.5)  # a few sizes, so that some bins are empty
    assert growth.curve(levels, levels).shape[1] < growth.BINS
    assert growth.exponent(levels, levels**2) == pytest.approx(2, abs=0.1)


def test_units_of_weights_and_changes_do_not_count():
    sizes, changes = planted(0.35, True, NOISES["normal"])
    expected = growth.exponent(sizes, changes)
    for scale in (1e-300, 1e280):
        assert growth.exponent(sizes * scale, changes) == pytest.approx(expected, rel=1e-9)
        assert growth.exponent(sizes, changes * scale) == pytest.approx(expected, rel=1e-9)


# ---- effects of rows and columns --------------------------------------------------------------------------

def test_effects_are_split_as_sinkhorn_defines():
    """The matrix scaled by rows and columns minimises a convex function (a log-barrier), which scipy finds, too."""
    sizes = np.random.default_rng(3).lognormal(size=(7, 5))
    rows, columns, rest = growth.split_effects(sizes)
    np.testing.assert_allclose(rest.mean(axis=0), 1, rtol=1e-8)
    np.testing.assert_allclose(rest.mean(axis=1), 1, rtol=1e-8)
    np.testing.assert_allclose(np.outer(rows, columns) * rest, sizes, rtol=1e-12)
    assert columns.mean() == pytest.approx(1)

    def barrier(logs):
        a, b = np.split(logs, [7])
        scaled = sizes * np.exp(a)[:, None] * np.exp(b)
        slope = np.r_[scaled.sum(axis=1) - 5, scaled.sum(axis=0) - 7]
        return scaled.sum() - 5 * a.sum() - 7 * b.sum(), slope
    logs = optimize.minimize(barrier, np.zeros(12), jac=True, method="BFGS", options={"gtol": 1e-10}).x
    np.testing.assert_allclose(rest, sizes * np.exp(logs[:7])[:, None] * np.exp(logs[7:]), rtol=1e-6)


def test_a_matrix_of_rank_one_has_effects_alone():
    rows, columns = np.array([1e-5, 2, 3e7]), np.array([1.5, 0.1, 0.9, 1.5])
    split = growth.split_effects(np.outer(rows, columns))
    for computed, expected in zip(split, (rows, columns, np.ones((3, 4))), strict=True):
        np.testing.assert_allclose(computed, expected)


def test_the_null_model_keeps_effects_and_shuffles_the_rest():
    sizes, _ = planted(0, True, NOISES["none"])
    rows, columns, rest = growth.split_effects(sizes)
    null = growth.same_effects(sizes, 5)
    shuffled = null / np.outer(rows, columns)
    np.testing.assert_allclose(np.sort(shuffled, axis=None), np.sort(rest, axis=None), rtol=1e-9)
    assert abs(stats.spearmanr(shuffled.ravel(), rest.ravel()).statistic) < 0.02
    np.testing.assert_array_equal(null, growth.same_effects(sizes, np.random.default_rng(5)))


def test_matrices_without_effects_are_named():
    with pytest.raises(growth.NoExponent, match="1 of 3 rows are zero everywhere, the first is row 1"):
        growth.split_effects([[1, 2], [0, 0], [3, 4]])
    with pytest.raises(growth.NoExponent, match="2 of 3 columns are zero everywhere, the first is column 0"):
        growth.split_effects([[0, 1, 0]])
    with pytest.raises(UserError, match=r"the largest is 1e\+301, expected at most 1e\+300"):
        growth.split_effects([[1e301, 1]])
    with pytest.raises(growth.NoExponent, match="do not reach the mean 1 together: 1 of its sizes are zero"):
        growth.split_effects([[1, 0], [1, 1]])  # the limit has a second zero


# ---- interventions ----------------------------------------------------------------------------------------

@pytest.mark.parametrize("exponent", [-0.2, 0, 0.5, 1])
def test_an_intervention_finds_what_a_size_does(exponent):
    """Changes follow sizes by planted causes, below effects that make the measured exponent wrong."""
    rng = np.random.default_rng(4)
    sizes, changes = planted(exponent, True, NOISES["heavy"])
    enlarged = rng.random(SHAPE) < 0.5
    after = changes * np.where(enlarged, 2.0, 0.5)**exponent * 7.0  # all changes may grow as well
    assert growth.intervention_exponent(changes, after, enlarged, 4.0) == pytest.approx(exponent, abs=1e-9)
    assert abs(growth.exponent(sizes, changes) - exponent) > 0.3


def test_an_intervention_on_units_finds_the_units():
    rng = np.random.default_rng(5)
    _, changes = planted(0, True, NOISES["none"])
    units = rng.random(SHAPE[1]) < 0.5
    after = changes * np.where(units, 3.0, 1 / 3)**0.7
    enlarged = np.broadcast_to(units, SHAPE)
    assert growth.intervention_exponent(changes, after, enlarged, 9.0) == pytest.approx(0.7)
    single = rng.random(SHAPE) < 0.5  # unrelated to what was done
    assert growth.intervention_exponent(changes, after, single, 9.0) == pytest.approx(0, abs=0.02)


# ---- mistakes ---------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("call", "message"), [
    (lambda: growth.exponent([-1.0, 2], [1, 1]), "sizes: the smallest is -1, expected absolute values"),
    (lambda: growth.exponent([1.0, 2], [1, -1]), "changes: the smallest is -1"),
    (lambda: growth.exponent([1.0, 2], [1, 1, 1]), r"sizes \(2,\) and values \(3,\)"),
    (lambda: growth.curve([1.0], [1.0], 0), "bins is 0"),
    (lambda: growth.curve([1.0], [1.0], 2, 1.0), "smallest is 1.0"),
    (lambda: growth.curve([0.0], [1.0]), "all 1 sizes are zero"),
    (lambda: growth.exponent([1.0, 2, 3], [0, 0, 0]), "0 a change: expected three or more"),
    (lambda: growth.exponent([1.0, 1, 1], [1, 2, 3]), "1 of 18 bins have a size"),
    (lambda: growth.intervention_exponent([[1.0]], [[1.0, 2]], [[True]], 2), r"changes \(1, 1\), changes_after \(1, 2"),
    (lambda: growth.intervention_exponent([[1.0]], [[1.0]], [[True]], 2), "1 of 1 weights are enlarged"),
    (lambda: growth.intervention_exponent([[1.0, 1]], [[1.0, 0]], [[True, False]], 2), "do not change"),
    (lambda: growth.intervention_exponent([[1.0, 1]], [[1.0, 1]], [[True, False]], 1), "ratio is 1"),
    (lambda: growth.intervention_exponent([[1.0, 1]], [[1.0, 1]], [[1, 0]], 2), "enlarged: expected a matrix of bools"),
])
def test_mistakes_are_named(call, message):
    with pytest.raises(UserError, match=message):
        call()
