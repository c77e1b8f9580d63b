"""The fractal beside gradients: its numbers by scipy and networkx, its words, and both ways to run it."""
import json

import networkx as nx
import numpy as np
import pytest
from scipy import stats

import fractal_stats
import grad_network
import mlp
from gradnets import datasets, experiment, fractals, graphs

SMALL = ["--datasets", "tree", "clusters", "--images", "60", "--steps", "20", "--runs", "2", "--order", "5",
         "--large-order", "8", "--network-order", "4"]
SEED_MATRIX = np.array([[0.99, 0.7], [0.7, 0.1]])


@pytest.fixture(scope="module")
def fractal_histograms():
    return [fractal_stats.histogram_of(SEED_MATRIX, order) for order in (5, 8)]


@pytest.fixture(scope="module")
def chances():
    return fractal_stats.last_chances(datasets.load("clusters", limit=60), "uniform(0.25)", 0.1, 20, seed=3)


def run(tmp_path, *flags):
    experiment.run(fractal_stats.main, [*SMALL, *flags, "--out", str(tmp_path)])
    record = json.loads((tmp_path / "fractal_stats.json").read_text())
    return record, {row["matrix"]: row for row in record["rows"]}


def test_chances_are_the_outer_product_of_input_and_delta(chances):
    network = mlp.MLP((31, 31, 4), "tanh", "squared", "uniform(0.25)", seed=3, biases=(True, False))
    *_, last = mlp.train(network, datasets.load("clusters", limit=60), 20, 0.1, seed=3)
    inputs, delta = np.abs(last.activations[0][0]), np.abs(last.deltas[0][0])
    largest = max(inputs.max(), 1) * delta.max()  # the bias, an input of 1, sets the scale too
    np.testing.assert_allclose(chances, np.outer(inputs, delta) / largest, rtol=1e-12)


def test_runs_without_a_gradient_are_counted_and_left_out(tmp_path, monkeypatch):
    bright = datasets.load("clusters", limit=60)
    half = datasets.Dataset("half dark", np.where(np.arange(60)[:, None] % 2, bright.inputs, 0), bright.labels, 4,
                            "made here", {})
    monkeypatch.setattr(datasets, "load", lambda *_, **__: half)
    record, rows = run(tmp_path, "--datasets", "dark", "--runs", "8")
    row = rows["dark gradient"]
    lost = sum(fractal_stats.last_chances(half, "uniform(0.25)", 0.1, 20, seed) is None for seed in range(8))
    assert (row["runs"], row["degenerate_runs"]) == (8 - lost, lost)
    assert 0 < lost < 8
    assert f"of {8 - lost} runs" in record["finding"]


def test_all_runs_without_a_gradient_are_an_error(tmp_path, capsys, monkeypatch):
    dark = datasets.Dataset("dark", np.zeros((5, 31)), np.zeros(5, int), 4, "made here", {})
    monkeypatch.setattr(datasets, "load", lambda *_, **__: dark)
    with pytest.raises(SystemExit):
        run(tmp_path)
    assert "dark: the gradient of step 20 is zero or not finite in all 2 runs" in capsys.readouterr().err


def test_numbers_of_a_gradient_are_those_of_scipy(chances, fractal_histograms):
    chances = np.where(chances < np.quantile(chances, 0.1), 0, chances)  # so that some entries are 0
    numbers, _, logs = fractal_stats.measure(chances, *fractal_histograms, np.random.default_rng(0))
    entries = chances[chances > 0]
    np.testing.assert_array_equal(logs, np.sort(np.log(entries)))
    powers = [np.log(graphs.probabilities(fractals.power(SEED_MATRIX, order)).ravel()) for order in (5, 8)]
    powers = [np.round(values, 12) for values in powers]  # equal products differ by rounding in the matrix
    z, *powers_z = (stats.zscore(values) for values in (logs, *powers))
    expected = {"zeros": (chances == 0).mean(), "raw_distance": stats.ks_2samp(logs, powers[0]).statistic,
                "standardised_distance": stats.ks_2samp(z, powers_z[0]).statistic,
                "large_order_distance": stats.ks_2samp(z, powers_z[1]).statistic,
                "normal_distance": stats.kstest(z, "norm").statistic,
                "skew": stats.skew(entries), "kurtosis": stats.kurtosis(entries), "log_skew": stats.skew(logs),
                "log_kurtosis": stats.kurtosis(logs)}
    assert {key: numbers[key] for key in expected} == pytest.approx(expected, rel=1e-9)
    squares = np.linalg.svd(chances, compute_uv=False) ** 2
    assert numbers["energy_share"] == pytest.approx(squares[0] / squares.sum())


def test_energy_share_is_1_for_an_outer_product_and_less_for_others(chances):
    assert fractal_stats.energy_share(chances) == pytest.approx(1)
    matrix = np.random.default_rng(0).random((20, 30)) ** 4
    squares = np.linalg.svd(matrix, compute_uv=False) ** 2
    assert fractal_stats.energy_share(matrix) == pytest.approx(squares[0] / squares.sum())


def test_clustering_is_that_of_networkx_and_of_nulls_with_as_many_links(chances):
    links = graphs.sample(chances, 0)
    merged, found = fractal_stats.clustering(links, np.random.default_rng(1))
    graph = nx.from_numpy_array(links | links.T)
    graph.remove_edges_from(nx.selfloop_edges(graph))
    assert found["clustering"] == pytest.approx(nx.average_clustering(graph))
    np.testing.assert_array_equal(merged, nx.to_numpy_array(graph, dtype=bool))
    # A star has no triangle, and neither has any network with its degrees; as many random links have some.
    star = np.zeros((300, 300), dtype=bool)
    star[0, 1:] = True
    _, of_star = fractal_stats.clustering(star, np.random.default_rng(1))
    assert (of_star["clustering"], of_star["clustering_same_degrees"]) == (0, 0)


def test_fit_is_told_as_ratios_and_draws_a_network_of_its_own():
    chances = fractals.power(SEED_MATRIX, 8)
    merged = graphs.merge_layers(graphs.sample(np.triu(chances, k=1), 0))
    numbers, at_bound = fractal_stats.kronecker_fit(merged, np.random.default_rng(2))
    assert [numbers[name] for name in "abc"] == pytest.approx([0.99, 0.7, 0.1], abs=0.05)
    ratios = [numbers[f"{name}_ratio"] for name in ("edges", "wedges", "tripins", "triangles")]
    assert ratios == pytest.approx([1] * 4, abs=0.05)
    assert numbers["misfit"] == pytest.approx(sum((ratio - 1) ** 2 for ratio in ratios))
    observed = nx.average_clustering(nx.from_numpy_array(merged))
    assert numbers["clustering_fitted"] == pytest.approx(observed, rel=0.4)
    assert numbers["clustering_fitted"] != observed
    assert all(bound.split(" = ")[0] in "abc" for bound in at_bound)


def test_a_network_without_a_triangle_is_left_without_a_fit():
    path = np.eye(6, k=1, dtype=bool) | np.eye(6, k=-1, dtype=bool)
    assert fractal_stats.kronecker_fit(path, np.random.default_rng(0)) == ({}, ())
    row = fractal_stats.spread([{"x": 3, "a": 1}, {"x": 1}, {"x": 7, "a": 2}])
    assert (row["x"], row["x_low"], row["x_high"], row["a_low"], row["a_high"]) == (3, 1, 7, 1, 2)


def test_nearer_than_the_higher_order_is_counted():
    measured = [({"normal_distance": normal, "large_order_distance": 0.2}, (), None) for normal in (0.1, 0.3, 0.15)]
    assert fractal_stats.gradient_row("x", measured, 0)["normal_is_closer"] == 2


def one(raw, standardised, normal, closer=0, runs=2):
    keys = {"raw_distance": raw, "standardised_distance": standardised, "normal_distance": normal,
            "large_order_distance": standardised}
    return {"runs": runs, "normal_is_closer": closer} | {f"{key}{end}": value for key, span in keys.items()
                                                         for end, value in zip(("_low", "_high"), span, strict=True)}


def test_finding_is_computed_from_the_rows():
    apart = fractal_stats.finding([one((0.5, 0.7), (0.08, 0.1), (0.05, 0.07), closer=2), one((0.4, 0.6), (0.1, 0.2),
                                                                                             (0.1, 0.3), closer=1)])
    assert apart == ("Log histograms differ (KS 0.40 to 0.70), less so standardised (0.08 to 0.20), at a higher order "
                     "(0.08 to 0.20); a normal law is nearer than that in 3 of 4 runs (0.05 to 0.30)")
    alike = fractal_stats.finding([one((0.1, 0.2), (0.1, 0.3), (0.5, 0.6)), {"matrix": "fractal, order 3"}])
    assert alike.startswith("Log histograms are at KS 0.10 to 0.20, standardised at 0.10 to 0.30")
    assert alike.endswith("nearer than that in 0 of 2 runs (0.50 to 0.60)")


def test_rows_are_gradients_and_powers(tmp_path):
    record, rows = run(tmp_path)
    assert list(rows) == ["tree gradient", "clusters gradient", "fractal, order 5", "fractal, order 8",
                          "fractal, order 4"]
    assert [data["name"] for data in record["data"]] == ["tree", "clusters"]
    assert record["finding"].startswith("Log histograms")
    assert record["settings"]["seed_matrix"] == [0.99, 0.7, 0.7, 0.1]
    gradient = rows["clusters gradient"]
    assert gradient["energy_share"] == pytest.approx(1)
    assert gradient["skew_low"] <= gradient["skew"] <= gradient["skew_high"]
    assert gradient["normal_is_closer"] <= gradient["runs"] == 2
    fractal = rows["fractal, order 5"]
    assert fractal["standardised_distance"] == fractal["raw_distance"] == 0
    assert rows["fractal, order 8"]["large_order_distance"] == 0
    matrix = fractals.power(SEED_MATRIX, 5)
    squares = np.linalg.svd(matrix, compute_uv=False) ** 2
    assert fractal["energy_share"] == pytest.approx(squares[0] / squares.sum())
    assert fractal["kurtosis"] == pytest.approx(stats.kurtosis(matrix.ravel()))
    network = rows["fractal, order 4"]
    assert network["clustering_low"] <= network["clustering"] <= network["clustering_high"]
    assert "clustering" not in fractal


def test_run_k_is_that_of_the_seed_plus_k(tmp_path, monkeypatch):
    data = datasets.load("clusters", limit=60)
    monkeypatch.setattr(datasets, "load", lambda *_, **__: data)  # a real set: the same for every seed
    _, both = run(tmp_path / "a", "--datasets", "real", "--runs", "2")
    _, second = run(tmp_path / "b", "--datasets", "real", "--runs", "1", "--seed", "1")
    for key in ("raw_distance", "misfit", "clustering", "clustering_fitted"):
        low, high = (both["real gradient"][key + end] for end in ("_low", "_high"))
        assert low < high
        assert second["real gradient"][key] in (low, high)
    experiment.run(grad_network.main, ["--dataset", "real", "--steps", "20", "--draws", "1", "--seed", "1",
                                       "--out", str(tmp_path)])
    network = json.loads((tmp_path / "grad_network.json").read_text())["rows"][0]
    assert network["clustering"] == second["real gradient"]["clustering"]


def test_the_same_seed_gives_the_same_rows(tmp_path):
    first, _ = run(tmp_path / "a", "--datasets", "tree")
    again, _ = run(tmp_path / "b", "--datasets", "tree")
    other, _ = run(tmp_path / "c", "--datasets", "tree", "--seed", "1")
    assert first["rows"] == again["rows"] != other["rows"]


def test_a_seed_with_zeros_and_entries_above_1(tmp_path):
    _, rows = run(tmp_path, "--seed-matrix", "0", "3", "2", "1", "--datasets", "tree")
    assert rows["fractal, order 5"]["zeros"] == pytest.approx(1 - 0.75**6)


def test_from_the_shell(script, tmp_path):
    done = script("fractal_stats.py", *SMALL, "--out", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "nearer than that in" in done.stdout
    assert (tmp_path / "fractal_stats.png").stat().st_size > 50_000


@pytest.mark.parametrize(("flags", "words"), [
    (["--seed-matrix", "1", "2", "3"], "SEED_MATRIX has 3 numbers: expected 4"),
    (["--seed-matrix", "0.5", "0.5", "0", "0.5"], "all its values but 0 are equal"),
    (["--seed-matrix", "1", "-1", "1", "1"], "none negative"),
    (["--seed-matrix", "1", "0", "0", "0.5"], "without a link between two of them"),
    (["--order", "-1"], "order is -1"),
    (["--large-order", "9000"], "lower the order"),
    (["--network-order", "20"], "would have 2^21 rows"),
    (["--hidden-units", "30"], "HIDDEN_UNITS is 30, but tree has 31 inputs"),
    (["--datasets", "nothing"], "expected one of glyphs"),
    (["--init", "zero"], "unknown init"),
    (["--steps", "0"], "STEPS is 0"),
    (["--runs", "0"], "RUNS is 0"),
    (["--seed", "-1"], "SEED is -1"),
])
def test_mistakes_end_with_one_line(tmp_path, capsys, flags, words):
    with pytest.raises(SystemExit) as end:
        experiment.run(fractal_stats.main, [*SMALL, *flags, "--out", str(tmp_path)])
    err = capsys.readouterr().err
    assert end.value.code == 2
    assert words in err
    assert err.count("\n") == 1
