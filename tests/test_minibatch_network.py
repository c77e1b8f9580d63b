"""Excess clustering of minibatch gradients: its parts by other means, and the script."""
import networkx as nx
import numpy as np
import pytest

import minibatch_network
import mlp
from gradnets import datasets, experiment, networks, plots
from gradnets.errors import UserError

SMALL = {"dataset": "tree", "steps": (0, 20), "batch_sizes": (1, 8), "runs": 4, "draws": 3}


def run(**changes):
    return minibatch_network.main(experiment.settings(minibatch_network, **SMALL | changes))


# ---- parts ------------------------------------------------------------------------------------------------

def test_gradient_is_the_mean_over_the_batch_of_a_frozen_net():
    data = datasets.load("tree", limit=60)
    network = minibatch_network.frozen(data, 15, "mlp", "uniform(0.25)", 0.1, seed=4)
    trained = mlp.MLP((31, 31, 4), seed=4, biases=(True, False))
    for _ in mlp.train(trained, data, 15, 0.1, seed=4):
        pass
    np.testing.assert_array_equal(network.weights[0], trained.weights[0])
    before = network.weights[0].copy()
    gradient = minibatch_network.batch_gradient(network, data, 8, np.random.default_rng(1))
    np.testing.assert_array_equal(network.weights[0], before)
    chosen = np.random.default_rng(1).integers(60, size=8)
    activations = network.forward(data.inputs[chosen])
    deltas = network.backward(activations, data.labels[chosen])
    mean = np.mean([np.outer(x, d) for x, d in zip(data.inputs[chosen], deltas[0], strict=True)], axis=0)
    np.testing.assert_allclose(gradient[:-1], mean, rtol=1e-12, atol=1e-16)
    np.testing.assert_allclose(gradient[-1], deltas[0].mean(axis=0), rtol=1e-12, atol=1e-16)


def test_clustering_is_that_of_networkx_over_the_same_draws():
    probabilities = np.random.default_rng(0).random((15, 15))
    numbers = minibatch_network.clustering(probabilities, 4, np.random.default_rng(2))
    rng = np.random.default_rng(2)
    sampled = [networks.sample(probabilities, rng) for _ in range(4)]
    expected = [nx.average_clustering(nx.from_numpy_array(networks.merge_layers(adjacency))) for adjacency in sampled]
    assert numbers["clustering"] == pytest.approx(np.mean(expected), rel=1e-12)
    assert numbers["links"] == np.mean([adjacency.sum() for adjacency in sampled])
    assert 0.5 < numbers["same_degrees"] < 1


def excess(gradient, draws, rng):
    return minibatch_network.excess(gradient, datasets.Dataset("toy", np.zeros((1, gradient.shape[1])), [0], 1, "here"),
                                    draws, rng)


def test_blocks_cluster_more_than_their_degrees():
    rng = np.random.default_rng(0)
    blocks = np.kron(np.eye(4), np.ones((12, 12))) * rng.uniform(0.5, 1, (48, 48))
    numbers = excess(np.vstack((blocks, np.ones(48))), 4, rng)
    assert numbers["excess"] > 1.5
    assert numbers["over_rank_one"] > 1.5
    assert numbers["first_vector"] < 0.5
    assert numbers["rank_one"] == pytest.approx(1, abs=0.1)
    assert numbers["over_rank_one"] == numbers["excess"] / numbers["rank_one"]
    rank_one = excess(np.outer(np.append(rng.random(48), 1), rng.random(48)), 20, rng)
    assert rank_one["first_vector"] == pytest.approx(1)
    assert rank_one["over_rank_one"] == pytest.approx(1, abs=0.05)


def test_the_rank_one_control_has_the_same_sums(monkeypatch):
    seen, clustering = [], minibatch_network.clustering
    monkeypatch.setattr(minibatch_network, "clustering",
                        lambda probabilities, *rest: seen.append(probabilities) or clustering(probabilities, *rest))
    excess(np.random.default_rng(0).uniform(0.1, 1, (13, 12)), 2, np.random.default_rng(1))
    probabilities, control = seen
    assert np.linalg.matrix_rank(control) == 1
    for axis in (0, 1):
        np.testing.assert_allclose(control.sum(axis=axis), probabilities.sum(axis=axis), rtol=1e-12)


def test_boltzmann_machines_have_gradients_of_rank_two():
    data = datasets.pool(datasets.load("noise", limit=20), 10)
    machine = minibatch_network.frozen(data, 2, "rbm", "normal(0.01)", 0.1, seed=1)
    gradient = minibatch_network.batch_gradient(machine, data, 1, rng=2)
    assert (gradient.shape, np.linalg.matrix_rank(gradient)) == ((100, 100), 2)


def test_gradients_of_zero_are_counted_and_left_out():
    row = minibatch_network.summary(0, 4, [{"links": 5, "excess": 1.0}, None, {"links": 7, "excess": 2.0}, None])
    assert (row["runs"], row["degenerate"]) == (4, 2)
    assert (row["excess_low"], row["excess_high"]) == (1.0, 2.0)
    assert "excess" not in minibatch_network.summary(0, 4, [None])


def row(low, high, runs=10):
    return {"runs": runs, "degenerate": 0, "excess": low, "rank_one": 1, "over_rank_one_low": low,
            "over_rank_one_high": high}


def test_finding_counts_intervals_that_leave_out_1():
    rows = [row(0.9, 1.1), row(0.8, 0.95), row(0.7, 0.9), row(1.2, 1.3), row(2.0, 3.0, runs=9)]
    assert minibatch_network.clear_differences(rows) == (1, 2, 4)
    assert "at 1 of 4 batch sizes" in minibatch_network.finding_of(rows)
    assert "0.60 to 0.80 times" in minibatch_network.finding_of([row(0.6, 0.8), row(0.8, 1)])
    assert minibatch_network.clear_differences([row(2, 3, runs=1)]) == (0, 0, 0)
    assert "too few runs" in minibatch_network.finding_of([row(2, 3, runs=1)])


def test_the_caption_says_where_batches_differ_clearly_from_rank_one():
    settings = experiment.settings(minibatch_network, runs=10, draws=1)
    dataset = datasets.load("tree", limit=5)
    words = minibatch_network.caption([row(0.8, 0.95), row(0.7, 0.9), row(0.9, 1.1)], dataset, settings)
    assert "clearly above that of rank-one matrices at none of 3 points, and clearly below at 2." in words
    assert "n = 10 runs,\nseeds 0 to 9, 1 network each." in words
    assert words.endswith("None of 30 gradients were 0.")
    assert "rank-one" not in minibatch_network.caption([row(2, 3, runs=1)], dataset, settings)


# ---- the script -------------------------------------------------------------------------------------------

def test_there_is_a_row_for_each_length_and_batch_size():
    result = run()
    rows = result.rows
    assert len(result.finding) <= plots.LONGEST_TITLE
    assert len(result.figure.axes) <= plots.MOST_PANELS
    assert len(result.names + result.columns) <= 7
    assert [(row["steps"], row["batch_size"]) for row in rows] == [(0, 1), (0, 8), (20, 1), (20, 8)]
    assert rows[0]["first_vector"] == pytest.approx(1)
    assert rows[1]["first_vector"] < 0.999
    bands = [collection.get_paths()[0].vertices[:, 1] for collection in result.figure.axes[0].collections]
    assert [(band.min(), band.max()) for band in bands] == [
        (min(row[f"{key}_low"] for row in rows[:2]), max(row[f"{key}_high"] for row in rows[:2]))
        for key in ("rank_one", "excess")]
    runs_differ = [row["first_vector_low"] < row["first_vector_high"] for row in rows if row["batch_size"] > 1]
    assert all(runs_differ)


@pytest.mark.parametrize(("changes", "message"), [
    ({"batch_sizes": (0,)}, "batch_sizes is 0"),
    ({"batch_sizes": (1.5,)}, "batch_sizes is 1.5"),
    ({"batch_sizes": ()}, "one value or more"),
    ({"model": "cnn"}, "expected mlp or rbm"),
    ({"steps": (-1,)}, "steps is -1"),
    ({"runs": 0}, "runs is 0"),
    ({"draws": 0}, "draws is 0"),
    ({"seed": 1.5}, "seed is 1.5"),
    ({"init": "uniform(1000)", "steps": (0,), "batch_sizes": (1,)}, "gradients of 0 at every batch size"),
])
def test_mistakes_are_named(changes, message):
    with pytest.raises(UserError, match=message):
        run(**changes)
