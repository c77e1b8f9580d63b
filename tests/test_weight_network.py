"""Trained weights as networks: what is merged, counted and compared, and the script as a user runs it."""
import json

import networkx as nx
import numpy as np
import pytest

import mlp
import weight_network
from gradnets import comparison, datasets, experiment, graphs

SMALL = ["--dataset", "tree", "--hidden-units", "8", "31", "--steps", "60", "--draws", "3"]


def test_weights_are_those_before_and_after_training():
    data = datasets.load("tree", limit=50)
    found = weight_network.weights_before_and_after(data, 8, "normal(0.1)", 0.05, 40, seed=2)
    network = mlp.MLP((31, 8, 4), "tanh", "squared", "normal(0.1)", 2, biases=(True, False), targets=(-1, 1))
    np.testing.assert_array_equal(found["untrained"], network.weights[0])
    for _ in mlp.train(network, data, 40, 0.05, seed=2):
        pass
    np.testing.assert_array_equal(found["trained"], network.weights[0])


def test_merging_all_the_same_counts_what_networkx_counts():
    links = np.random.default_rng(0).random((30, 9)) < 0.4
    graph = nx.Graph((i, j) for i, j in np.argwhere(links).tolist() if i != j)  # hidden unit j is input j
    shared, triangles = weight_network.forced_together(links)
    assert triangles == sum(nx.triangles(graph).values()) // 3 > 0
    assert shared == graph.subgraph(range(9)).number_of_edges() > 0
    links[:9] = False  # nothing from the first nine inputs: no triangle is possible
    assert weight_network.forced_together(links) == (0, 0)


def test_row_holds_the_observed_network_beside_its_nulls():
    chances = np.random.default_rng(1).random((20, 20))
    row, degrees, drawn = weight_network.compare(chances, 4, seed=3)
    kinds, first = comparison.networks(chances, "merged", 4, seed=3)
    assert row["edges"] in [numbers["edges"] for numbers, _ in kinds[comparison.OBSERVED]]
    by_name = {one["network"]: one["observed_over_this"] for one in comparison.summary(kinds)}
    assert {key: row[key] for key in weight_network.OVER.values()} == {
        "over_shuffled": by_name["shuffled entries"], "over_degrees": by_name["directed configuration"],
        "over_undirected": by_name["undirected configuration"], "over_erdos_renyi": by_name["Erdős-Rényi"]}
    assert len(set(by_name.values())) == len(by_name)
    assert row["layers"] == "merged"
    np.testing.assert_array_equal(drawn, first)
    np.testing.assert_array_equal(degrees[comparison.OBSERVED][0]["out"], first.sum(axis=1))
    apart, _, drawn = weight_network.compare(chances[:, :6], 4, seed=3)
    assert apart["layers"] == "bipartite"
    np.testing.assert_array_equal(
        drawn, graphs.sample(chances[:, :6], np.random.default_rng(np.random.SeedSequence(3, spawn_key=(2, 0)))))


def test_script_writes_a_row_for_each_network(tmp_path):
    experiment.run(weight_network.main, [*SMALL, "--out", str(tmp_path)])
    record = json.loads((tmp_path / "weight_network.json").read_text())
    rows = record["rows"]
    assert len(rows) == 2 * 2 * 2 * 2
    assert {row["layers"] for row in rows if row["net"] == "31-31-4"} == {"merged"}
    assert {row["layers"] for row in rows if row["net"] == "31-8-4"} == {"bipartite"}
    assert {row["net"] for row in rows if "triangles" in row} == {row["net"] for row in rows if "shared_links" in row}
    assert {row["net"] for row in rows if "triangles" in row} == {"31-8-4"}
    for drawn, kept in zip(rows[::2], rows[1::2], strict=True):
        assert (drawn["method"], kept["method"]) == ("sample", "threshold")
        assert kept["edges_low"] == kept["edges_high"]
    trained = [row["over_degrees"] for row in rows if row["when"] == "trained"]
    assert f"{min(trained):.2f} to {max(trained):.2f} times as much as their degrees" in record["finding"]


def test_more_hidden_units_than_inputs_stay_apart(tmp_path):
    experiment.run(weight_network.main, [*SMALL, "--hidden-units", "40", "--out", str(tmp_path)])
    rows = json.loads((tmp_path / "weight_network.json").read_text())["rows"]
    assert {row["layers"] for row in rows} == {"bipartite"}
    assert "triangles" not in rows[0]


def test_from_the_shell(script, tmp_path):
    done = script("weight_network.py", *SMALL, "--out", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "weight_network.png").stat().st_size > 50_000


@pytest.mark.parametrize(("flags", "words"), [
    (["--hidden-units", "0"], "positive whole numbers"),
    (["--steps", "0"], "STEPS is 0"),
    (["--draws", "0"], "DRAWS is 0"),
    (["--inits", "zeros"], "unknown init"),
    (["--learning-rate", "nan"], "learning_rate is nan"),
])
def test_mistakes_end_with_one_line(tmp_path, capsys, flags, words):
    with pytest.raises(SystemExit) as end:
        experiment.run(weight_network.main, [*SMALL, *flags, "--out", str(tmp_path)])
    err = capsys.readouterr().err
    assert end.value.code == 2
    assert words in err
    assert err.count("\n") == 1


def test_weights_of_ones_own(script, tmp_path):
    rng = np.random.default_rng(0)
    # Hubs: inputs with large weights. The network clusters more than shuffled entries, and as its degrees do.
    hubs = rng.uniform(0, 0.1, (60, 50))
    hubs[:6] *= 9
    np.savez(tmp_path / "mine.npz", flat=rng.uniform(0.4, 0.5, (40, 40)), hubs=hubs)
    done = script("weight_network.py", "--weights", tmp_path / "mine.npz", "--draws", 5, "--out", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    record = json.loads((tmp_path / "weight_network.json").read_text())
    assert [(row["net"], row["layers"], row["method"]) for row in record["rows"]] == [
        ("flat", "merged", "sample"), ("flat", "merged", "threshold"), ("hubs", "bipartite", "sample"),
        ("hubs", "bipartite", "threshold")]
    flat, _, hub, _ = record["rows"]
    assert flat["over_shuffled"] == pytest.approx(1, abs=0.05)
    assert hub["over_shuffled"] > 1.5
    assert hub["over_degrees"] == pytest.approx(1, abs=0.15)
    assert record["finding"].startswith("Networks of stored weights cluster")
    one = script("weight_network.py", "--weights", tmp_path / "mine.npz", "--layer", "fl*", "--list")
    assert one.returncode == 0
    assert "hubs" in one.stdout
