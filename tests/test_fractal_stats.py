"""The fractal beside gradients: its numbers by scipy and networkx, its finding, and the script."""
import networkx as nx
import numpy as np
import pytest
from scipy import stats

import fractal_stats
import grad_network
import mlp
from gradnets import datasets, experiment, networks, plots
from gradnets.errors import UserError
from gradnets.networks import kronecker

SMALL = {"datasets": ("tree", "clusters"), "images": 60, "steps": 20, "runs": 2, "order": 5, "large_order": 8,
         "network_order": 4}
SEED_MATRIX = np.array([[0.99, 0.7], [0.7, 0.1]])


def run(**changes):
    """Return the Result with small settings, and its rows by matrix."""
    result = fractal_stats.main(experiment.settings(fractal_stats, **SMALL | changes))
    return result, {row["matrix"]: row for row in result.rows}


@pytest.fixture(scope="module")
def fractals():
    return fractal_stats.Fractals(SEED_MATRIX, *(fractal_stats.histogram_of(SEED_MATRIX, order) for order in (5, 8)))


@pytest.fixture(scope="module")
def probabilities():
    return fractal_stats.last_probabilities(datasets.load("clusters", limit=60), "uniform(0.25)", 0.1, 20, seed=3)


# ---- measurements -----------------------------------------------------------------------------------------

def test_probabilities_are_the_outer_product_of_input_and_delta(probabilities):
    network = mlp.MLP((31, 31, 4), "tanh", "squared", "uniform(0.25)", seed=3, biases=(True, False))
    *_, last = mlp.train(network, datasets.load("clusters", limit=60), 20, 0.1, seed=3)
    inputs, delta = np.abs(last.activations[0][0]), np.abs(last.deltas[0][0])
    largest = max(inputs.max(), 1) * delta.max()  # the bias, an input of 1, sets the scale too
    np.testing.assert_allclose(probabilities, np.outer(inputs, delta) / largest, rtol=1e-12)


def test_numbers_of_a_gradient_are_those_of_scipy(probabilities, fractals):
    probabilities = np.where(probabilities < np.quantile(probabilities, 0.1), 0, probabilities)  # some entries are 0
    numbers, _, logs = fractal_stats.measure(probabilities, fractals, np.random.default_rng(0))
    entries = probabilities[probabilities > 0]
    np.testing.assert_array_equal(logs, np.sort(np.log(entries)))
    powers = [np.log(networks.probabilities(kronecker.power(SEED_MATRIX, order)).ravel()) for order in (5, 8)]
    powers = [np.round(values, 12) for values in powers]  # equal products differ by rounding in the matrix
    z, *powers_z = (stats.zscore(values) for values in (logs, *powers))
    expected = {"zeros": (probabilities == 0).mean(), "raw_distance": stats.ks_2samp(logs, powers[0]).statistic,
                "standardised_distance": stats.ks_2samp(z, powers_z[0]).statistic,
                "large_order_distance": stats.ks_2samp(z, powers_z[1]).statistic,
                "normal_distance": stats.kstest(z, "norm").statistic,
                "skew": stats.skew(entries), "kurtosis": stats.kurtosis(entries), "log_skew": stats.skew(logs),
                "log_kurtosis": stats.kurtosis(logs)}
    assert {key: numbers[key] for key in expected} == pytest.approx(expected, rel=1e-9)
    squares = np.linalg.svd(probabilities, compute_uv=False) ** 2
    assert numbers["energy_share"] == pytest.approx(squares[0] / squares.sum())


def test_energy_share_is_1_for_an_outer_product_and_less_for_others(probabilities):
    assert fractal_stats.energy_share(probabilities) == pytest.approx(1)
    matrix = np.random.default_rng(0).random((20, 30)) ** 4
    squares = np.linalg.svd(matrix, compute_uv=False) ** 2
    assert fractal_stats.energy_share(matrix) == pytest.approx(squares[0] / squares.sum())


def test_clustering_is_that_of_networkx_and_of_null_models(probabilities):
    links = networks.sample(probabilities, 0)
    merged, numbers = fractal_stats.clustering(links, np.random.default_rng(1))
    graph = nx.from_numpy_array(links | links.T)
    graph.remove_edges_from(nx.selfloop_edges(graph))
    assert numbers["clustering"] == pytest.approx(nx.average_clustering(graph))
    np.testing.assert_array_equal(networks.unpack(merged), nx.to_numpy_array(graph, dtype=bool))
    # A star has no triangle, and neither has any network with its degrees.
    star = np.zeros((300, 300), dtype=bool)
    star[0, 1:] = True
    _, numbers = fractal_stats.clustering(star, np.random.default_rng(1))
    assert (numbers["clustering"], numbers["clustering_same_degrees"]) == (0, 0)


def test_the_fit_gives_ratios_and_a_network_of_its_own():
    matrix = kronecker.power(SEED_MATRIX, 8)
    merged = networks.merge_layers(networks.sample(np.triu(matrix, k=1), 0))
    numbers, at_bound = fractal_stats.kronecker_fit(networks.pack(merged), np.random.default_rng(2))
    assert [numbers[name] for name in "abc"] == pytest.approx([0.99, 0.7, 0.1], abs=0.05)
    ratios = [numbers[f"{name}_ratio"] for name in ("edges", "wedges", "tripins", "triangles")]
    assert ratios == pytest.approx([1] * 4, abs=0.05)
    assert numbers["misfit"] == pytest.approx(sum((ratio - 1) ** 2 for ratio in ratios))
    observed = networks.average_clustering(merged)
    assert numbers["clustering_fitted"] == pytest.approx(observed, rel=0.4)
    assert numbers["clustering_fitted"] != observed
    assert all(bound.split(" = ")[0] in "abc" for bound in at_bound)


def test_a_network_without_a_triangle_has_no_fit():
    path = np.eye(6, k=1, dtype=bool) | np.eye(6, k=-1, dtype=bool)
    assert fractal_stats.kronecker_fit(path, np.random.default_rng(0)) == ({}, ())
    row = fractal_stats.intervals([{"x": 3, "a": 1}, {"x": 1}, {"x": 7, "a": 2}])
    assert (row["x"], row["x_low"], row["x_high"], row["a_low"], row["a_high"]) == (3, 1, 7, 1, 2)


# ---- rows and finding -------------------------------------------------------------------------------------

def test_runs_closer_to_a_normal_distribution_are_counted():
    measurements = [fractal_stats.Measurement({"normal_distance": normal, "large_order_distance": 0.2}, (), None)
                    for normal in (0.1, 0.3, 0.15)]
    assert fractal_stats.gradient_row("x", measurements, 0)["normal_is_closer"] == 2


@pytest.mark.parametrize(("closer", "runs", "words"), [
    (21, 39, "no nearer to the large fractal than to a normal law"), (2, 2, "no nearer to the large fractal"),
    (30, 39, "are nearer to a normal law"), (9, 39, "are nearer to the large fractal"),
])
def test_the_finding_calls_neither_nearer_unless_the_runs_decide_it(closer, runs, words):
    finding = fractal_stats.finding_of([{"runs": runs - 1, "normal_is_closer": closer - 1},
                                        {"runs": 1, "normal_is_closer": 1}])
    assert words in finding
    assert (stats.binomtest(closer, runs).pvalue < 0.1) == ("no nearer" not in finding)
    assert len(finding) <= plots.LONGEST_TITLE


def test_rows_are_gradients_and_powers():
    result, rows = run()
    assert list(rows) == ["tree gradient", "clusters gradient", "fractal, order 5", "fractal, order 8",
                          "fractal, order 4"]
    assert [data["name"] for data in result.data] == ["tree", "clusters"]
    assert sum(axes.get_label() != "<colorbar>" for axes in result.figure.axes) <= plots.MOST_PANELS
    assert len(result.names + result.columns) <= 7
    gradient = rows["clusters gradient"]
    assert gradient["energy_share"] == pytest.approx(1)
    assert gradient["skew_low"] <= gradient["skew"] <= gradient["skew_high"]
    assert gradient["normal_is_closer"] <= gradient["runs"] == 2
    fractal = rows["fractal, order 5"]
    assert fractal["standardised_distance"] == fractal["raw_distance"] == 0
    assert rows["fractal, order 8"]["large_order_distance"] == 0
    matrix = kronecker.power(SEED_MATRIX, 5)
    squares = np.linalg.svd(matrix, compute_uv=False) ** 2
    assert fractal["energy_share"] == pytest.approx(squares[0] / squares.sum())
    assert fractal["kurtosis"] == pytest.approx(stats.kurtosis(matrix.ravel()))
    network = rows["fractal, order 4"]
    assert network["clustering_low"] <= network["clustering"] <= network["clustering_high"]
    assert "clustering" not in fractal


def test_the_same_seed_gives_the_same_rows_and_run_k_is_seed_plus_k(monkeypatch):
    data = datasets.load("clusters", limit=60)
    monkeypatch.setattr(datasets, "load", lambda *_, **__: data)  # like a real set, the same for every seed
    both, again = (run(datasets=("real",))[1]["real gradient"] for _ in range(2))
    assert both == again
    second = run(datasets=("real",), runs=1, seed=1)[1]["real gradient"]
    for key in ("raw_distance", "misfit", "clustering", "clustering_fitted"):
        low, high = (both[key + end] for end in ("_low", "_high"))
        assert low < high
        assert second[key] in (low, high)
    observed = {row["network"]: row for row in grad_network.main(
        experiment.settings(grad_network, dataset="real", steps=20, draws=1, seed=1)).rows}["observed network"]
    assert observed["clustering"] == second["clustering"]


def test_a_seed_matrix_may_hold_zeros_and_entries_above_1():
    _, rows = run(seed_matrix=(0, 3, 2, 1), datasets=("tree",), runs=1)
    assert rows["fractal, order 5"]["zeros"] == pytest.approx(1 - 0.75**6)


@pytest.mark.parametrize(("at_bound", "words"), [
    ("a = 1 in 19, c = 0 in 3", "at a bound: a = 1 in all 19 fits on mnist, c = 0 in 3 of 19 fits on mnist."),
    ("none", "Fitted: a 2 x 2 matrix (a b; b c).")])
def test_bounds_that_fits_reach_are_counted_in_words(at_bound, words):
    row = {"matrix": "mnist gradient", "runs": 19, "degenerate_runs": 1, "at_bound": at_bound}
    caption = fractal_stats.caption_of_fits([row], experiment.settings(fractal_stats, runs=20))
    assert caption.endswith(words)
    assert "n = 20 runs each on mnist (1 without a gradient)." in caption


# ---- runs without a gradient, and mistakes ----------------------------------------------------------------

def test_runs_without_a_gradient_are_counted_and_left_out(monkeypatch):
    bright = datasets.load("clusters", limit=60)
    half = datasets.Dataset("half dark", np.where(np.arange(60)[:, None] % 2, bright.inputs, 0), bright.labels, 4,
                            "this test")
    monkeypatch.setattr(datasets, "load", lambda *_, **__: half)
    result, rows = run(datasets=("dark",), runs=6)
    row = rows["dark gradient"]
    lost = sum(fractal_stats.last_probabilities(half, "uniform(0.25)", 0.1, 20, seed) is None for seed in range(6))
    assert (row["runs"], row["degenerate_runs"]) == (6 - lost, lost)
    assert 0 < lost < 6
    caption, = (text.get_text() for text in result.figure.texts if "Medians" in text.get_text())
    assert f"({lost} without a gradient)" in caption.replace("\n", " ")


def test_it_is_an_error_if_no_run_has_a_gradient(monkeypatch):
    dark = datasets.Dataset("dark", np.zeros((5, 31)), np.zeros(5, int), 4, "this test")
    monkeypatch.setattr(datasets, "load", lambda *_, **__: dark)
    with pytest.raises(networks.DegenerateMatrix, match="gradient of step 20 is zero or not finite in all 2 runs"):
        run()


@pytest.mark.parametrize(("changes", "message"), [
    ({"seed_matrix": (1, 2, 3)}, "seed_matrix has 3 numbers: expected 4"),
    ({"seed_matrix": (0.5, 0.5, 0, 0.5)}, "at least two different values"),
    ({"seed_matrix": (1, -1, 1, 1)}, "numbers of at least 0"),
    ({"seed_matrix": (0, 0, 0, 0)}, "at least two different values"),
    ({"seed_matrix": (1, 0, 0, 0.5)}, "without a link between two of them"),
    ({"order": -1}, "order is -1"),
    ({"large_order": 9000}, "lower the order"),
    ({"network_order": 20}, r"would have 2\^21 rows"),
    ({"hidden_units": "30"}, "hidden_units is 30, but tree has 31 inputs"),
    ({"datasets": ("nothing",)}, "expected glyphs"),
    ({"init": "zero"}, "unknown init"),
    ({"steps": 0}, "steps is 0"),
    ({"runs": 0}, "runs is 0"),
    ({"seed": -1}, "seed is -1"),
])
def test_mistakes_are_named(changes, message):
    with pytest.raises(UserError, match=message):
        run(**changes)
