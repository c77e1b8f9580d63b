"""Trained weights as networks: what is merged, counted and compared, and the script."""
import networkx as nx
import numpy as np
import pytest
from matplotlib.figure import Figure

import mlp
import weight_network
from gradnets import datasets, experiment, networks, plots
from gradnets.errors import UserError
from gradnets.networks import comparison

SMALL = {"dataset": "tree", "hidden_units": (8, 31), "steps": 60, "draws": 3}


def run(**changes):
    return weight_network.main(experiment.settings(weight_network, **SMALL | changes))


# ---- parts ------------------------------------------------------------------------------------------------

def test_weights_are_those_before_and_after_training():
    data = datasets.load("tree", limit=50)
    weights = weight_network.trained_weights(data, 8, "normal(0.1)", 0.05, 40, seed=2)
    assert (weights.net, weights.init) == ("31-8-4", "normal(0.1)")
    network = mlp.MLP((31, 8, 4), "tanh", "squared", "normal(0.1)", 2, biases=(True, False), targets=(-1, 1))
    np.testing.assert_array_equal(weights.matrices["untrained"], network.weights[0])
    for _ in mlp.train(network, data, 40, 0.05, seed=2):
        pass
    np.testing.assert_array_equal(weights.matrices["trained"], network.weights[0])


def test_merging_counts_what_networkx_counts():
    links = np.random.default_rng(0).random((30, 9)) < 0.4
    graph = nx.Graph((i, j) for i, j in np.argwhere(links).tolist() if i != j)  # hidden unit j is input j
    shared, triangles = weight_network.links_if_merged(links)
    assert triangles == sum(nx.triangles(graph).values()) // 3 > 0
    assert shared == graph.subgraph(range(9)).number_of_edges() > 0
    links[:9] = False  # without links from the first nine inputs, no triangle is possible
    assert weight_network.links_if_merged(links) == (0, 0)


def test_a_row_holds_the_ratios_to_all_null_models():
    probabilities = np.random.default_rng(1).random((20, 20))
    row, degrees, drawn = weight_network.compare_with_nulls(probabilities, 4, seed=3)
    measurements, first = comparison.draw(probabilities, "merged", 4, seed=3)
    assert row["edges"] in [numbers["edges"] for numbers, _ in measurements[comparison.OBSERVED]]
    ratios = {null["network"]: null["observed_over_this"] for null in comparison.summary(measurements)}
    assert {key: row[key] for key in row if key.startswith("over_") and not key.endswith(("_low", "_high"))} == {
        "over_shuffled": ratios["shuffled entries"], "over_degrees": ratios["directed configuration"],
        "over_undirected": ratios["undirected configuration"], "over_erdos_renyi": ratios["Erdős-Rényi"]}
    assert len(set(ratios.values())) == len(ratios)
    assert row["layers"] == "merged"
    np.testing.assert_array_equal(drawn, first)
    np.testing.assert_array_equal(degrees[comparison.OBSERVED][0]["out"], first.sum(axis=1))
    apart, _, drawn = weight_network.compare_with_nulls(probabilities[:, :6], 4, seed=3)
    assert apart["layers"] == "bipartite"
    generator = np.random.default_rng(np.random.SeedSequence(3, spawn_key=(2, 0)))
    np.testing.assert_array_equal(drawn, networks.sample(probabilities[:, :6], generator))


# ---- the script -------------------------------------------------------------------------------------------

def test_there_is_a_row_for_each_network():
    result = run()
    assert len(result.rows) == 2 * 2 * 2 * 2
    assert {row["layers"] for row in result.rows if row["net"] == "31-31-4"} == {"merged"}
    assert {row["layers"] for row in result.rows if row["net"] == "31-8-4"} == {"bipartite"}
    assert [row["net"] for row in result.rows if "triangles" in row] == ["31-8-4"] * 8
    for row in result.rows:
        assert ("triangles" in row) == ("shared_links" in row)
        assert row["edges_low"] == row["edges_high"] or row["method"] == "sample"
    trained = [row["over_shuffled"] for row in result.rows if row["when"] == "trained"]
    assert f"{max(trained):.1f} times" in result.finding or max(trained) < 1.1
    most = max((row for row in result.rows if row["when"] == "trained"), key=lambda row: row["over_shuffled"])
    assert f"On the right: {most['net']}, init {most['init']}" in result.figure.texts[-1].get_text().replace("\n", " ")
    assert len(result.finding) <= plots.LONGEST_TITLE
    assert len(result.figure.axes) <= plots.MOST_PANELS
    assert len(result.names + result.columns) <= 7
    assert len(result.printed) == len(trained)


@pytest.mark.parametrize(("shape", "trained", "words"), [
    ((9, 4), 5, "inputs; merging would pair the 4 hidden units with the\nshaded ones, which are always dark and stay "
                "untrained"),
    ((9, 4), 3, "inputs; merging would pair the 4 hidden units with the\nshaded ones"), ((9, 9), 0, "inputs")])
def test_inputs_that_merging_would_pair_with_hidden_units_are_shaded(shape, trained, words):
    before = np.random.default_rng(0).random(shape)
    after = before + (np.arange(shape[0])[:, None] >= trained)  # inputs before `trained` are dark
    weights = weight_network.Weights("net", "init", {"untrained": before, "trained": after}, True)
    axes = Figure().subplots()
    weight_network.draw_strengths(axes, weights)
    assert axes.get_xlabel() == words
    assert [patch.get_x() + patch.get_width() for patch in axes.patches] == ([3.5] if shape == (9, 4) else [])


def row(shuffled, low, high):
    return {"over_shuffled": shuffled, "over_degrees_low": low, "over_degrees_high": high}


def test_finding_says_whether_degrees_explain_the_clustering():
    findings = [weight_network.finding_of([row(1.0, 0.5, 0.6), row(shuffled, low, high)], "trained")
                for shuffled, low, high in ((1.05, 0.5, 0.6), (4.0, 0.5, 0.6))]
    findings.append(weight_network.finding_of([row(4.0, 0.95, 1.05)], "trained"))
    assert "no more than shuffled" in findings[0]
    assert "up to 4.0 times" in findings[1]
    assert [finding.endswith("degrees explain it") for finding in findings] == [False, False, True]
    assert max(map(len, findings)) <= plots.LONGEST_TITLE


def test_more_hidden_units_than_inputs_stay_apart():
    rows = run(hidden_units=(40, 40), inits=("normal(0.1)",)).rows  # the same number twice is one net
    assert [row["layers"] for row in rows] == ["bipartite"] * 4
    assert "triangles" not in rows[0]


def test_weights_of_your_own(tmp_path):
    rng, path = np.random.default_rng(0), str(tmp_path / "mine.npz")
    # Hubs: inputs with large weights. The network clusters more than shuffled entries, and as its degrees do.
    hubs = rng.uniform(0, 0.1, (60, 50))
    hubs[:6] *= 9
    np.savez(path, flat=rng.uniform(0.4, 0.5, (40, 40)), zero=np.zeros((3, 4)), hubs=hubs)
    result = run(weights=path, draws=5)
    rows = {(row["net"], row["method"]): row for row in result.rows}
    assert {name: row["layers"] for name, row in rows.items()} == {
        ("flat", "sample"): "merged", ("flat", "threshold"): "merged", ("hubs", "sample"): "bipartite",
        ("hubs", "threshold"): "bipartite"}
    assert rows["flat", "sample"]["over_shuffled"] == pytest.approx(1, abs=0.05)
    assert rows["hubs", "sample"]["over_shuffled"] > 1.5
    assert rows["hubs", "sample"]["over_degrees"] == pytest.approx(1, abs=0.15)
    assert result.finding.startswith("Stored weights cluster")
    assert [data["name"] for data in result.data] == ["mine.npz"]
    with pytest.raises(networks.DegenerateMatrix, match="zero is zero everywhere"):
        run(weights=path, layer="zero")
    listed = run(weights=path, list=True)
    assert [row["name"] for row in listed.rows] == ["flat", "zero", "hubs"]
    assert listed.figure is None


@pytest.mark.parametrize(("changes", "message"), [
    ({"hidden_units": (0,)}, "hidden_units is 0"),
    ({"steps": 0}, "steps is 0"),
    ({"draws": 0}, "draws is 0"),
    ({"inits": ("zeros",)}, "unknown init"),
    ({"inits": ()}, "one value or more"),
    ({"learning_rate": float("nan")}, "learning_rate is nan"),
    ({"kernels": "hwio"}, "name it with --weights"),
])
def test_mistakes_are_named(changes, message):
    with pytest.raises(UserError, match=message):
        run(**changes)
