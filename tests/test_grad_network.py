"""The main script, and the essay's net against its formulas written out longhand."""
import io
from types import SimpleNamespace

import networkx as nx
import numpy as np
import PIL.Image
import pytest
from helpers import real

import essay
import grad_network
import rbm
from gradnets import datasets, experiment, networks, plots, summaries
from gradnets.errors import UserError

SMALL = {"dataset": "tree", "steps": 20, "draws": 4}  # 31 inputs


def run(**changes):
    """Return the Result with small settings, and its rows by name."""
    result = grad_network.main(experiment.settings(grad_network, **SMALL | changes))
    return result, {row["network"]: row for row in result.rows}


# ---- the essay's net --------------------------------------------------------------------------------------

def essay_longhand(inputs, labels, classes, hidden, steps, rate, seed):
    """Return the essay's gradient by its formulas, from the same random numbers as the script."""
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
    gradient, degenerate = essay.gradient(data, 12, 25, 0.1, 1, seed=3, activation="tanh", loss="squared",
                                          init="uniform(0.25)")
    expected = essay_longhand(data.inputs, data.labels, 10, 12, 25, 0.1, seed=3)
    np.testing.assert_allclose(gradient, expected, rtol=1e-8, atol=1e-15)
    assert degenerate == 0
    default, _ = essay.gradient(data, 12, 25, 0.1, 1, seed=3)
    np.testing.assert_array_equal(default, gradient)


def test_the_bias_row_sets_the_scale_and_is_left_out():
    gradient = np.array([[1.0, -2.0], [0.0, 3.0], [4.0, 0.0]])
    np.testing.assert_array_equal(essay.sampling_probabilities(gradient, 2), [[0.25, 0.5], [0, 0.75]])
    gradient[:2] = 0
    with pytest.raises(networks.DegenerateMatrix, match="every input is 0"):
        essay.sampling_probabilities(gradient, 2)


def test_degenerate_steps_are_counted():
    rng = np.random.default_rng(0)
    data = SimpleNamespace(name="toy", inputs=rng.random((20, 30)), labels=rng.integers(3, size=20), classes=3)
    _, saturated = essay.gradient(data, 30, 50, 30.0, 1, 0, init="uniform(5)")
    assert 0 < saturated <= 50


def test_the_essays_numbers_lie_in_the_ensemble_on_mnist(many):
    """The essay's clustering of 0.279 and diameter of 4 are those of one network."""
    data = real("mnist", limit=5000)
    clustering, diameters = [], []
    for seed in range(many(4, 12)):
        gradient, _ = essay.gradient(data, 784, 500, 0.1, 1, seed)
        links = networks.sample(essay.sampling_probabilities(gradient, 784), np.random.default_rng(seed))
        stats = networks.measure(networks.merge_layers(links))
        clustering.append(stats.average_clustering)
        diameters.append(stats.diameter)
    assert 0.15 < np.median(clustering) < 0.27
    assert np.median(clustering) < 0.279 < np.mean(clustering) + 3 * np.std(clustering, ddof=1)
    assert np.median(diameters) == 4


# ---- rows -------------------------------------------------------------------------------------------------

def test_rows_are_medians_over_draws_of_what_the_parts_give():
    result, rows = run(seed=5)
    gradient, adjacency = result.files[".npz"]["gradient"], result.files[".npz"]["adjacency"]
    assert (gradient.shape, gradient.dtype) == ((32, 31), np.float64)
    assert (adjacency.shape, adjacency.dtype) == ((31, 31), bool)
    assert list(rows) == ["observed network", "hidden units relabelled", "undirected configuration", "Erdős-Rényi",
                          "shuffled entries", "directed configuration", "closed form, rank one"]

    probabilities = networks.probabilities(gradient)[:-1]
    generators = [np.random.default_rng(np.random.SeedSequence(5, spawn_key=(2, k))) for k in range(4)]
    sampled = [networks.sample(probabilities, generator) for generator in generators]
    np.testing.assert_array_equal(sampled[0], adjacency)
    stats = [networks.measure(networks.merge_layers(network)) for network in sampled]
    observed = rows["observed network"]
    for key, field in (("clustering", "average_clustering"), ("path_length", "average_path_length"),
                       ("diameter", "diameter"), ("edges", "edges"), ("giant_nodes", "giant_nodes")):
        low, median, high = np.quantile([getattr(s, field) for s in stats], (0.05, 0.5, 0.95), method="inverted_cdf")
        assert (observed[f"{key}_low"], observed[key], observed[f"{key}_high"]) == (low, median, high)
    assert observed["out_skew"] in [summaries.moments(network.sum(axis=1))[0] for network in sampled]
    assert rows["directed configuration"]["out_skew"] == observed["out_skew"]  # it keeps the degrees of both sides
    assert rows["directed configuration"]["in_kurtosis"] == observed["in_kurtosis"]
    assert "out_skew" not in rows["Erdős-Rényi"]
    assert rows["Erdős-Rényi"]["edges"] == observed["edges"]
    factors = networks.rank_one(probabilities)
    assert rows["closed form, rank one"]["clustering"] == networks.expected_clustering(*factors)
    assert observed["degenerate_steps"] == 0
    assert result.data[0]["name"] == "tree"
    assert len(result.finding) <= plots.LONGEST_TITLE
    assert all(figure.get_suptitle() for figure in (result.figure, *result.figures.values()))
    assert max(len(figure.axes) for figure in (result.figure, *result.figures.values())) <= plots.MOST_PANELS
    assert len(result.names + result.columns) <= 7
    assert [row["clustering"] for row in result.printed] == [rows[name]["clustering"] for name in (
        "observed network", "directed configuration", "closed form, rank one", "shuffled entries", "Erdős-Rényi")]


def test_the_film_has_a_frame_a_step_and_the_rows_stay():
    result, rows = run(steps=5, animate=True)
    film = PIL.Image.open(io.BytesIO(result.files[".gif"]))
    assert (film.format, film.n_frames) == ("GIF", 5)
    assert rows == run(steps=5)[1]


def test_the_same_seed_gives_the_same_rows():
    first, again, second = (run(seed=seed)[0].rows for seed in (0, 0, 1))
    assert first == again != second


def test_bipartite_layers_have_fewer_null_models():
    result, rows = run(layers="bipartite", hidden_units="12", graphml=True)
    assert set(rows) == {"observed network", "shuffled entries", "directed configuration"}
    assert rows["observed network"]["nodes"] == 31 + 12
    graph = result.files[".graphml"]
    assert graph.number_of_edges() == result.files[".npz"]["adjacency"].sum()
    assert nx.is_bipartite(graph)


def test_threshold_gives_one_network_with_the_links_of_sampling():
    result, rows = run(method="threshold")
    adjacency = result.files[".npz"]["adjacency"]
    probabilities = networks.probabilities(result.files[".npz"]["gradient"])[:-1]
    assert adjacency.sum() == round(probabilities.sum())
    assert probabilities[adjacency].min() >= probabilities[~adjacency].max()
    assert rows["observed network"]["edges_low"] == rows["observed network"]["edges_high"]
    assert "closed form, rank one" not in rows
    result, _ = run(method="threshold", cut=0.5)
    np.testing.assert_array_equal(result.files[".npz"]["adjacency"], probabilities > 0.5)


def test_minibatch_gradients_have_no_closed_form():
    assert "closed form, rank one" not in run(batch_size=6)[1]


def test_a_boltzmann_machine_has_a_network_too():
    result, rows = run(model="rbm", dataset="glyphs", images=30, steps=4, seed=2, draws=1)
    assert "closed form, rank one" not in rows
    machine = rbm.RBM(784, 784, seed=2)
    *_, last = rbm.train(machine, datasets.load("glyphs", limit=30, seed=2), 4, 0.1, seed=2)
    np.testing.assert_array_equal(result.files[".npz"]["gradient"], last.gradients[0])


@pytest.mark.parametrize(("changes", "shown"), [({}, True), ({"layers": "bipartite"}, False),
                                                ({"loss": "cross-entropy"}, False), ({"learning_rate": 0.2}, False)])
def test_the_essays_row_stands_with_its_own_settings_alone(changes, shown):
    gradient = grad_network.Gradient(None, np.ones((4, 4)), changes.get("layers", "merged"), "", [], 0)
    settings = experiment.settings(grad_network, dataset="mnist", **changes)
    rows = grad_network.rows_of_essay(settings, gradient)
    assert rows == ([{"network": "the essay's one network", "diameter": 4, "clustering": 0.279}] if shown else [])


# ---- a gradient from a file -------------------------------------------------------------------------------

def test_a_gradient_of_your_own(tmp_path):
    gradient = np.random.default_rng(0).standard_t(2, (40, 30)).astype(np.float32)
    np.save(tmp_path / "mine.npy", gradient)
    result, rows = run(gradient=str(tmp_path / "mine.npy"), draws=12)
    assert list(rows) == ["observed network", "shuffled entries", "directed configuration"]  # bipartite
    observed = rows["observed network"]
    assert observed["edges"] == pytest.approx(np.abs(gradient).sum() / np.abs(gradient).max(), rel=0.2)
    assert "degenerate_steps" not in observed
    np.testing.assert_array_equal(result.files[".npz"]["gradient"], gradient)
    assert [data["name"] for data in result.data] == ["mine.npy"]


def test_one_matrix_of_a_file_is_picked(tmp_path):
    rng, path = np.random.default_rng(0), str(tmp_path / "mine.npz")
    np.savez(path, first=rng.normal(size=(20, 20)), second=rng.normal(size=(20, 8)), bias=np.ones(20))
    listed = grad_network.main(experiment.settings(grad_network, gradient=path, list=True))
    assert [row["name"] for row in listed.rows] == ["first", "second", "bias"]
    assert listed.figure is None
    with pytest.raises(UserError, match="has first, second and perhaps more: pick one with --layer"):
        run(gradient=path)
    assert "Erdős-Rényi" in run(gradient=path, layer="first", draws=2)[1]  # square, so merged


@pytest.mark.parametrize(("changes", "message"), [
    ({"layer": "first"}, "name it with --gradient"),
    ({"gradient": "{}/ones.npy", "animate": True}, "animate shows training"),
    ({"gradient": "{}/none.npy"}, "none.npy"),
    ({"gradient": "{}/zero.npy"}, "zero everywhere"),
    ({"gradient": "{}/zero.npy", "layers": "merged"}, "--layers bipartite or auto"),
    ({"gradient": "{}/ones.npy", "seed": -1}, "seed is -1"),
])
def test_mistakes_about_files_are_named(changes, message, tmp_path):
    np.save(tmp_path / "zero.npy", np.zeros((4, 5)))
    np.save(tmp_path / "ones.npy", np.ones((4, 5)))
    changes = {name: value.format(tmp_path) if isinstance(value, str) else value for name, value in changes.items()}
    with pytest.raises((UserError, OSError), match=message):
        run(**changes)


# ---- mistakes ---------------------------------------------------------------------------------------------

def test_a_step_without_input_is_refused(monkeypatch):
    dark = datasets.Dataset("dark", np.zeros((5, 31)), np.zeros(5, int), 2, "this test")
    monkeypatch.setattr(datasets, "load", lambda *_, **__: dark)
    with pytest.raises(networks.DegenerateMatrix, match=r"step 20 .* every input is 0"):
        run()


@pytest.mark.parametrize(("changes", "message"), [
    ({"model": "cnn"}, "expected mlp or rbm"),
    ({"model": "rbm"}, "from -1 to 1"),
    ({"dataset": "digits"}, "expected glyphs"),
    ({"steps": 0}, "steps is 0"),
    ({"hidden_units": "0"}, "hidden_units is '0'"),
    ({"hidden_units": "-3"}, "hidden_units is '-3'"),
    ({"hidden_units": "12", "layers": "merged"}, "the 31 inputs, there are 12"),
    ({"images": 0}, "images is 0"),
    ({"images": 1.5}, "images is 1.5"),
    ({"cut": 0.3}, "a cut needs --method threshold"),
    ({"cut": 1.5}, "cut is 1.5"),
    ({"draws": 3.0}, "draws is 3.0"),
    ({"batch_size": 0}, "batch_size is 0"),
    ({"seed": -1}, "seed is -1"),
    ({"seed": 1.5}, "seed is 1.5"),
    ({"learning_rate": float("nan")}, "learning_rate is nan"),
    ({"learning_rate": -1}, "learning_rate is -1"),
    ({"method": "guess"}, "expected sample or threshold"),
    ({"layers": "none"}, "expected auto, merged or bipartite"),
    ({"init": "uniform(1000)", "steps": 1}, "zero everywhere"),
    ({"init": "uniform(1e308)"}, "ordinary size"),
])
def test_mistakes_are_named(changes, message):
    with pytest.raises(UserError, match=message):
        run(**changes)
