"""The main script as a user runs it, and the essay's recipe against a version written out longhand."""
import json
from types import SimpleNamespace

import networkx as nx
import numpy as np
import pytest
from conftest import real

import grad_network
import rbm
from gradnets import datasets, experiment, graphs, metrics, nulls

SMALL = ["--dataset", "tree", "--steps", "20", "--draws", "4"]  # 31 inputs: quick


def run(tmp_path, *flags):
    experiment.run(grad_network.main, [*SMALL, *flags, "--out", str(tmp_path)])
    record = json.loads((tmp_path / "grad_network.json").read_text())
    return record, {row["network"]: row for row in record["rows"]}


def essay_longhand(inputs, labels, classes, hidden, steps, rate, seed):
    """The essay's gradient by its formulas, loops and all; the same draws of random numbers as the script."""
    weights_seed, samples_seed = np.random.SeedSequence(seed).spawn(2)
    draw, choose = np.random.default_rng(weights_seed), np.random.default_rng(samples_seed)
    w = draw.uniform(-0.25, 0.25, (inputs.shape[1], hidden))
    bias = draw.uniform(-0.25, 0.25, hidden)
    v = draw.uniform(-0.25, 0.25, (hidden, classes))
    for _ in range(steps):
        k = choose.integers(len(labels), size=1)[0]
        x = np.append(inputs[k], 1.0)  # the bias is one more input, last
        h = np.tanh(x @ np.vstack([w, bias]))
        o = np.tanh(h @ v)
        delta = (o - np.eye(classes)[labels[k]]) * (1 - o**2)
        hidden_delta = (v @ delta) * (1 - h**2)
        gradient = np.outer(x, hidden_delta)
        v = v - rate * np.outer(h, delta)
        w, bias = w - rate * gradient[:-1], bias - rate * gradient[-1]
    return gradient


def test_gradient_is_the_essays():
    data = datasets.load("glyphs", limit=40)
    gradient, degenerate = grad_network.last_gradient(data, 12, 25, 0.1, 1, seed=3, activation="tanh", loss="squared",
                                                      init="uniform(0.25)")
    expected = essay_longhand(data.inputs, data.labels, 10, 12, 25, 0.1, seed=3)
    np.testing.assert_allclose(gradient, expected, rtol=1e-8, atol=1e-15)
    assert degenerate == 0


def test_constants_can_be_edited_in_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(grad_network, "HIDDEN_UNITS", 31)
    monkeypatch.setattr(grad_network, "LEARNING_RATE", 1)
    monkeypatch.setattr(grad_network, "DATASET", "tree")
    monkeypatch.setattr(grad_network, "DRAWS", 3)
    rows, _, _ = grad_network.main()
    assert rows[0]["draws"] == 3
    monkeypatch.setattr(grad_network, "DRAWS", 3.0)
    with pytest.raises(ValueError, match=r"DRAWS is 3.0"):
        grad_network.main()


def test_a_step_without_input_is_refused(tmp_path, capsys, monkeypatch):
    dark = datasets.Dataset("dark", np.zeros((5, 31)), np.zeros(5, int), 2, "made here", {})
    monkeypatch.setattr(datasets, "load", lambda *_, **__: dark)
    with pytest.raises(SystemExit):
        run(tmp_path)
    assert "every input of step 20 is 0" in capsys.readouterr().err


def test_degenerate_steps_are_counted():
    rng = np.random.default_rng(0)
    data = SimpleNamespace(name="toy", inputs=rng.random((20, 30)), labels=rng.integers(3, size=20), classes=3)
    _, saturated = grad_network.last_gradient(data, 30, 50, 30.0, 1, 0, init="uniform(5)")
    assert 0 < saturated <= 50


def test_rows_are_medians_over_draws_of_what_the_parts_give(tmp_path):
    record, rows = run(tmp_path, "--seed", "5")
    with np.load(tmp_path / "grad_network.npz", allow_pickle=False) as kept:
        gradient, adjacency = kept["gradient"], kept["adjacency"]
    assert (gradient.shape, gradient.dtype) == ((32, 31), np.float64)
    assert (adjacency.shape, adjacency.dtype) == ((31, 31), bool)
    assert set(rows) == {"observed network", "hidden units relabelled", "undirected configuration",
                         "Erdős-Rényi", "shuffled entries", "directed configuration", "closed form, rank one"}

    chances = graphs.probabilities(gradient)[:-1]
    streams = [np.random.default_rng(np.random.SeedSequence(5, spawn_key=(2, k))) for k in range(4)]
    networks = [graphs.sample(chances, stream) for stream in streams]
    np.testing.assert_array_equal(networks[0], adjacency)
    stats = [metrics.measure(graphs.merge_layers(network)) for network in networks]
    observed = rows["observed network"]
    for key, field in (("clustering", "average_clustering"), ("path_length", "average_path_length"),
                       ("diameter", "diameter"), ("edges", "edges"), ("giant_nodes", "giant_nodes")):
        low, middle, high = np.quantile([getattr(s, field) for s in stats], (0.05, 0.5, 0.95), method="inverted_cdf")
        assert (observed[f"{key}_low"], observed[key], observed[f"{key}_high"]) == (low, middle, high)
    skews = [metrics.moments(network.sum(axis=1))[0] for network in networks]
    assert observed["out_skew"] in skews
    assert rows["directed configuration"]["out_skew"] == observed["out_skew"]  # it keeps the degrees of both sides
    assert rows["directed configuration"]["in_kurtosis"] == observed["in_kurtosis"]
    assert "out_skew" not in rows["Erdős-Rényi"]
    assert rows["Erdős-Rényi"]["edges"] == observed["edges"]
    assert rows["closed form, rank one"]["clustering"] == nulls.expected_clustering(*nulls.rank_one(chances))
    assert observed["degenerate_steps"] == 0
    assert record["data"][0]["name"] == "tree"
    assert "times that of shuffled entries" in record["finding"]


def test_the_same_seed_gives_the_same_rows(tmp_path):
    first, _ = run(tmp_path / "a")
    again, _ = run(tmp_path / "b")
    other, _ = run(tmp_path / "c", "--seed", "1")
    assert first["rows"] == again["rows"] != other["rows"]


def test_bipartite_layers_keep_their_own_nulls(tmp_path):
    record, rows = run(tmp_path, "--layers", "bipartite", "--hidden-units", "12", "--graphml")
    assert set(rows) == {"observed network", "shuffled entries", "directed configuration"}
    assert rows["observed network"]["nodes"] == 31 + 12
    assert record["settings"]["hidden_units"] == "12"
    graph = nx.read_graphml(tmp_path / "grad_network.graphml", node_type=int)
    with np.load(tmp_path / "grad_network.npz") as kept:
        assert graph.number_of_edges() == kept["adjacency"].sum()
    assert nx.is_bipartite(graph)


def test_threshold_gives_one_network_of_as_many_links(tmp_path):
    _, rows = run(tmp_path, "--method", "threshold")
    with np.load(tmp_path / "grad_network.npz") as kept:
        chances, adjacency = graphs.probabilities(kept["gradient"])[:-1], kept["adjacency"]
    assert adjacency.sum() == round(chances.sum())
    assert chances[adjacency].min() >= chances[~adjacency].max()
    assert rows["observed network"]["edges_low"] == rows["observed network"]["edges_high"]
    assert "closed form, rank one" not in rows
    run(tmp_path, "--method", "threshold", "--cut", "0.5")
    with np.load(tmp_path / "grad_network.npz") as kept:
        np.testing.assert_array_equal(kept["adjacency"], graphs.probabilities(kept["gradient"])[:-1] > 0.5)


def test_minibatch_gradients_have_no_closed_form(tmp_path):
    _, rows = run(tmp_path, "--batch-size", "6")
    assert "closed form, rank one" not in rows


def test_a_boltzmann_machine_has_a_network_too(tmp_path):
    flags = ["--model", "rbm", "--dataset", "glyphs", "--images", "30", "--steps", "4", "--seed", "2"]
    _, rows = run(tmp_path, *flags)
    assert "closed form, rank one" not in rows
    with np.load(tmp_path / "grad_network.npz") as kept:
        gradient = kept["gradient"]
    machine = rbm.RBM(784, 784, seed=2)
    *_, last = rbm.train(machine, datasets.load("glyphs", limit=30, seed=2), 4, 0.1, seed=2)
    np.testing.assert_array_equal(gradient, last.gradients[0])


@pytest.mark.parametrize(("flags", "words"), [
    (["--model", "cnn"], "expected mlp or rbm"),
    (["--model", "rbm"], "values of tree run from -1 to 1"),
    (["--dataset", "digits"], "expected one of glyphs"),
    (["--steps", "0"], "STEPS is 0"),
    (["--hidden-units", "0"], "HIDDEN_UNITS is '0'"),
    (["--hidden-units", "-3"], "HIDDEN_UNITS is '-3'"),
    (["--hidden-units", "12", "--layers", "merged"], "the 31 inputs, there are 12"),
    (["--images", "0"], "IMAGES is 0"),
    (["--images", "1.5"], "IMAGES is 1.5"),
    (["--cut", "0.3"], "a cut needs METHOD threshold"),
    (["--draws", "0"], "DRAWS is 0"),
    (["--batch-size", "0"], "BATCH_SIZE is 0"),
    (["--seed", "-1"], "seed -1"),
    (["--learning-rate", "nan"], "learning_rate is nan"),
    (["--learning-rate", "-1"], "not negative"),
    (["--method", "guess"], "expected sample or threshold"),
    (["--layers", "none"], "expected auto or merged or bipartite"),
    (["--cut", "1.5"], "CUT is 1.5"),
    (["--init", "uniform(1000)", "--steps", "1"], "zero everywhere"),
    (["--init", "uniform(1e308)"], "ordinary size"),
    (["--seed", "1.5"], "seed 1.5"),
])
def test_mistakes_end_with_one_line(tmp_path, capsys, flags, words):
    with pytest.raises(SystemExit) as end:
        experiment.run(grad_network.main, [*SMALL, *flags, "--out", str(tmp_path)])
    err = capsys.readouterr().err
    assert end.value.code == 2
    assert words in err
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_the_essays_row_stands_beside_its_own_settings_alone(tmp_path):
    real("mnist", limit=1)
    flags = ["--dataset", "mnist", "--images", "50", "--steps", "3", "--draws", "1", "--out", str(tmp_path)]
    for more, shown in ([], True), (["--layers", "bipartite"], False), (["--loss", "cross-entropy"], False):
        experiment.run(grad_network.main, [*flags, *more])
        rows = json.loads((tmp_path / "grad_network.json").read_text())["rows"]
        assert ("the essay's one network" in [row["network"] for row in rows]) == shown


def test_from_the_shell_on_the_built_in_data(script, tmp_path):
    done = script("grad_network.py", "--draws", 2, "--images", 50, "--out", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert str(tmp_path / "grad_network.png") in done.stdout
    assert (tmp_path / "grad_network.png").stat().st_size > 50_000


def test_the_essays_numbers_lie_in_the_ensemble_on_mnist():
    """Its clustering of 0.279 and diameter of 4 are those of one network; these are 12 at the same settings."""
    data = real("mnist", limit=5000)
    clustering, diameters = [], []
    for seed in range(12):
        gradient, _ = grad_network.last_gradient(data, 784, 500, 0.1, 1, seed)
        links = graphs.sample(graphs.probabilities(gradient)[:-1], np.random.default_rng(seed))
        stats = metrics.measure(graphs.merge_layers(links))
        clustering.append(stats.average_clustering)
        diameters.append(stats.diameter)
    assert 0.15 < np.median(clustering) < 0.27
    assert np.median(clustering) < 0.279 < np.mean(clustering) + 3 * np.std(clustering, ddof=1)
    assert np.median(diameters) == 4


def test_a_gradient_of_ones_own(script, tmp_path):
    gradient = np.random.default_rng(0).standard_t(2, (40, 30)).astype(np.float32)
    np.save(tmp_path / "mine.npy", gradient)
    done = script("grad_network.py", "--gradient", tmp_path / "mine.npy", "--draws", 12, "--out", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    record = json.loads((tmp_path / "grad_network.json").read_text())
    observed = record["rows"][0]
    expected = np.abs(gradient).sum() / np.abs(gradient).max()
    assert observed["edges"] == pytest.approx(expected, rel=0.2)
    assert "diameter" in observed
    assert [row["network"] for row in record["rows"]][1:] == ["shuffled entries", "directed configuration"]  # bipartite
    with np.load(tmp_path / "grad_network.npz") as saved:
        assert np.array_equal(saved["gradient"], gradient)


def test_one_matrix_of_a_file_is_picked(script, tmp_path):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "mine.npz", first=rng.normal(size=(20, 20)), second=rng.normal(size=(20, 8)), bias=np.ones(20))
    listed = script("grad_network.py", "--gradient", tmp_path / "mine.npz", "--list", "--out", tmp_path / "out")
    assert listed.returncode == 0
    assert all(word in listed.stdout for word in ("first", "20 x 8", "bias", "float64"))
    assert not (tmp_path / "out" / "grad_network.png").exists()
    both = script("grad_network.py", "--gradient", tmp_path / "mine.npz", "--out", tmp_path)
    assert both.returncode == 2
    assert "has first, second and perhaps more: pick one with --layer" in both.stderr
    one = script("grad_network.py", "--gradient", tmp_path / "mine.npz", "--layer", "first", "--draws", 2, "--out",
                 tmp_path)
    assert (one.returncode, one.stderr) == (0, "")
    merged = json.loads((tmp_path / "grad_network.json").read_text())["rows"]
    assert "Erdős-Rényi" in [row["network"] for row in merged]


@pytest.mark.parametrize(("flags", "words"), [
    (("--layer", "first"), "name it with --gradient"),
    (("--gradient", "{}/none.npy"), "none.npy"),
    (("--gradient", "{}/zero.npy"), "zero everywhere"),
    (("--gradient", "{}/zero.npy", "--layers", "merged"), "--layers bipartite or auto"),
])
def test_wrong_files_end_in_one_line(flags, words, script, tmp_path):
    np.save(tmp_path / "zero.npy", np.zeros((4, 5)))
    done = script("grad_network.py", *(str(flag).format(tmp_path) for flag in flags), "--out", tmp_path)
    assert done.returncode == 2
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
