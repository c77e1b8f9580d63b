"""Parameters as one vector, against vectors put together by hand."""
import numpy as np
import plain_perceptron as plain
import pytest
from plain_perceptron import BIASES, problem

import mlp
from gradnets import curvature


@pytest.mark.parametrize("biases", BIASES)
def test_parameters_are_split_and_put_back(biases):
    network, inputs, _ = problem(4, "tanh", "squared", biases)
    vector = curvature.parameters(network)
    np.testing.assert_array_equal(vector, plain.vector_of(network))
    assert not any(np.shares_memory(vector, weights) for weights in network.weights)
    moved = curvature.at(network, np.arange(vector.size))
    assert [bias is None for bias in moved.biases] == [bias is None for bias in network.biases]
    for part, weights, bias in zip(curvature.split(network, np.arange(vector.size)), moved.weights, moved.biases,
                                   strict=True):
        np.testing.assert_array_equal(part, weights if bias is None else np.vstack([weights, bias]))
    np.testing.assert_array_equal(curvature.parameters(moved), np.arange(vector.size))
    np.testing.assert_array_equal(curvature.parameters(network), vector)
    np.testing.assert_array_equal(curvature.at(network, vector).forward(inputs)[-1], network.forward(inputs)[-1])


def test_a_net_at_a_vector_is_a_view_of_the_vector():
    network, _, _ = problem(2, "tanh", "squared")
    vector = curvature.parameters(network)
    moved = curvature.at(network, vector)
    vector[:] = 7
    assert all((part == 7).all() for part in moved.weights + moved.biases)
    assert not (network.weights[0] == 7).any()
    assert curvature.at(network, vector * 1j).weights[1].dtype == complex


def test_many_vectors_are_split_at_once():
    network, _, _ = problem(3, "tanh", "squared", "some")
    vectors = np.arange(2. * 3 * curvature.parameters(network).size).reshape(2, 3, -1)
    for layer, part in enumerate(curvature.split(network, vectors)):
        assert np.shares_memory(part, vectors)
        for index in np.ndindex(2, 3):
            np.testing.assert_array_equal(part[index], curvature.split(network, vectors[index])[layer])


@pytest.mark.parametrize(("vectors", "message"), [
    (np.ones(9), r"shape \(9,\) for a net of 8 parameters"), (np.ones(7), r"shape \(7,\) for a net of 8 parameters"),
    (np.ones((2, 9)), r"shape \(2, 9\) for a net of 8"), (np.float64(1), r"shape \(\) for a net of 8"),
    (np.full(8, "1"), "got <U1, expected real or complex numbers")])
def test_vectors_that_do_not_fit_are_refused(vectors, message):
    with pytest.raises(ValueError, match=message):
        curvature.split(mlp.MLP((3, 2)), vectors)
