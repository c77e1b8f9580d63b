"""Excess clustering of minibatch gradients: the numbers by other means, and the script as a user runs it."""
import json

import networkx as nx
import numpy as np
import pytest

import minibatch_network
import mlp
from gradnets import datasets, experiment, graphs

SMALL = ["--dataset", "tree", "--steps", "0", "20", "--batch-sizes", "1", "8", "--runs", "3", "--draws", "3"]


def test_gradient_is_the_mean_over_the_batch_of_a_net_left_alone():
    data = datasets.load("tree", limit=60)
    network = minibatch_network.frozen("mlp", data, 15, "uniform(0.25)", 0.1, seed=4)
    again = mlp.MLP((31, 31, 4), seed=4, biases=(True, False))
    for _ in mlp.train(again, data, 15, 0.1, seed=4):
        pass
    np.testing.assert_array_equal(network.weights[0], again.weights[0])
    before = network.weights[0].copy()
    gradient = minibatch_network.batch_gradient("mlp", network, data, 8, np.random.default_rng(1))
    np.testing.assert_array_equal(network.weights[0], before)
    chosen = np.random.default_rng(1).integers(60, size=8)
    activations = network.forward(data.inputs[chosen])
    deltas = network.backward(activations, data.labels[chosen])
    one_by_one = np.mean([np.outer(x, d) for x, d in zip(data.inputs[chosen], deltas[0], strict=True)], axis=0)
    np.testing.assert_allclose(gradient[:-1], one_by_one, rtol=1e-12, atol=1e-16)
    np.testing.assert_allclose(gradient[-1], deltas[0].mean(axis=0), rtol=1e-12, atol=1e-16)


def test_clustering_is_that_of_networkx_over_the_same_draws():
    chances = np.random.default_rng(0).random((15, 15))
    numbers = minibatch_network.clustering(chances, 4, np.random.default_rng(2))
    rng = np.random.default_rng(2)
    drawn = [graphs.sample(chances, rng) for _ in range(4)]
    expected = [nx.average_clustering(nx.from_numpy_array(graphs.merge_layers(adjacency))) for adjacency in drawn]
    assert numbers["clustering"] == pytest.approx(np.mean(expected), rel=1e-12)
    assert numbers["links"] == np.mean([adjacency.sum() for adjacency in drawn])
    assert 0.5 < numbers["same_degrees"] < 1


def test_blocks_cluster_more_than_their_degrees():
    rng = np.random.default_rng(0)
    blocks = np.kron(np.eye(4), np.ones((12, 12))) * rng.uniform(0.5, 1, (48, 48))
    gradient = np.vstack((blocks, np.ones(48)))
    numbers = minibatch_network.excess(gradient, 48, 4, rng)
    assert numbers["excess"] > 1.5
    assert numbers["over_rank_one"] > 1.5
    assert numbers["first_vector"] < 0.5
    assert numbers["rank_one"] == pytest.approx(1, abs=0.1)
    assert numbers["over_rank_one"] == numbers["excess"] / numbers["rank_one"]
    rank_one = minibatch_network.excess(np.outer(np.append(rng.random(48), 1), rng.random(48)), 48, 20, rng)
    assert rank_one["first_vector"] == pytest.approx(1)
    assert rank_one["over_rank_one"] == pytest.approx(1, abs=0.05)


def test_gradients_of_zero_are_counted_and_left_out():
    numbers = {"links": 5, "excess": 1.0}
    row = minibatch_network.summary(0, 4, [numbers, None, {"links": 7, "excess": 2.0}, None])
    assert (row["runs"], row["degenerate"]) == (4, 2)
    assert (row["excess_low"], row["excess_high"]) == (1.0, 2.0)
    assert "excess" not in minibatch_network.summary(0, 4, [None])


def test_the_rank_one_control_has_the_same_sums(monkeypatch):
    asked = []
    whole = minibatch_network.clustering
    monkeypatch.setattr(minibatch_network, "clustering",
                        lambda chances, *rest: asked.append(chances) or whole(chances, *rest))
    gradient = np.random.default_rng(0).uniform(0.1, 1, (13, 12))
    minibatch_network.excess(gradient, 12, 2, np.random.default_rng(1))
    chances, control = asked
    assert np.linalg.matrix_rank(control) == 1
    for axis in (0, 1):
        np.testing.assert_allclose(control.sum(axis=axis), chances.sum(axis=axis), rtol=1e-12)


def test_boltzmann_machines_have_gradients_of_rank_two():
    data = datasets.load("noise", limit=20)
    machine = minibatch_network.frozen("rbm", data, 2, "normal(0.01)", 0.1, seed=1)
    assert np.linalg.matrix_rank(minibatch_network.batch_gradient("rbm", machine, data, 1, seed=2)) == 2


def row(low, high, runs=10):
    return {"runs": runs, "degenerate": 0, "excess": low, "rank_one": 1, "over_rank_one_low": low,
            "over_rank_one_high": high}


def test_finding_counts_intervals_that_leave_1_out():
    rows = [row(0.9, 1.1), row(0.8, 0.95), row(0.7, 0.9), row(1.2, 1.3), row(2.0, 3.0, runs=9)]
    said = minibatch_network.finding(rows)
    assert "same degrees 0.70 to 2.00, of rank-one matrices 1.00 to 1.00" in said
    assert "clearly more at 1 and clearly less at 2 of 4 batch sizes with 10 runs" in said
    assert "at 0 of 0 batch sizes" in minibatch_network.finding([row(2, 3, runs=1)])


def test_runs_have_seeds_of_their_own(tmp_path):
    experiment.run(minibatch_network.main, [*SMALL, "--runs", "4", "--out", str(tmp_path)])
    rows = json.loads((tmp_path / "minibatch_network.json").read_text())["rows"]
    assert all(row["first_vector_low"] < row["first_vector_high"] for row in rows if row["batch_size"] > 1)


def test_script_writes_a_row_for_each_batch_size(tmp_path):
    experiment.run(minibatch_network.main, [*SMALL, "--out", str(tmp_path)])
    rows = json.loads((tmp_path / "minibatch_network.json").read_text())["rows"]
    assert [(row["steps"], row["batch_size"]) for row in rows] == [(0, 1), (0, 8), (20, 1), (20, 8)]
    assert rows[0]["first_vector"] == pytest.approx(1)
    assert rows[1]["first_vector"] < 0.999


def test_from_the_shell(script, tmp_path):
    done = script("minibatch_network.py", *SMALL, "--out", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "minibatch_network.png").stat().st_size > 30_000


@pytest.mark.parametrize(("flags", "words"), [
    (["--batch-sizes", "0"], "BATCH_SIZES is 0"),
    (["--batch-sizes", "1.5"], "BATCH_SIZES is 1.5"),
    (["--model", "cnn"], "expected mlp or rbm"),
    (["--steps", "-1"], "steps is -1"),
    (["--runs", "0"], "RUNS is 0"),
    (["--draws", "0"], "DRAWS is 0"),
    (["--init", "uniform(1000)", "--steps", "0", "--batch-sizes", "1"], "gradients of 0 at every batch size"),
])
def test_mistakes_end_with_one_line(tmp_path, capsys, flags, words):
    with pytest.raises(SystemExit) as end:
        experiment.run(minibatch_network.main, [*SMALL, *flags, "--out", str(tmp_path)])
    err = capsys.readouterr().err
    assert end.value.code == 2
    assert words in err
    assert err.count("\n") == 1
