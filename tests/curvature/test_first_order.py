"""Adam and Muon against their published formulas written out."""
import dense_nets
import numpy as np
import pytest

from gradnets import curvature, streams


def test_adam_follows_its_formula():
    objective, point = dense_nets.objective("softmax"), dense_nets.objective("softmax").start
    rows = streams.generator(3, streams.SAMPLES).integers(12, size=(5, 4))
    mean = square = 0.0
    for step, moved in enumerate(curvature.adam_descent(objective, 0.1, 5, 4, 3), start=1):
        gradient = objective.loss_and_gradient(point, rows[step - 1])[1]
        mean, square = 0.9 * mean + 0.1 * gradient, 0.999 * square + 0.001 * gradient**2
        rate = 0.1 * (5 - step + 1) / 5
        point = point - rate * mean / (1 - 0.9**step) / (np.sqrt(square / (1 - 0.999**step)) + 1e-8)
        np.testing.assert_allclose(moved, point, rtol=1e-12)
    assert step == 5


def test_large_batches_are_all_data():
    objective = dense_nets.objective("softmax")
    ends = [[point.copy() for point in curvature.adam_descent(objective, 0.1, 4, 12, seed)][-1] for seed in (0, 1)]
    np.testing.assert_array_equal(*ends)


@pytest.mark.parametrize("shape", [(6, 20), (20, 6), (7, 7)])
def test_orthogonalization_keeps_singular_vectors_and_evens_the_values(shape):
    matrix = np.random.default_rng(0).normal(size=shape)
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    inner = left.T @ curvature.orthogonalized(matrix) @ right.T
    new = np.diag(inner)
    assert np.abs(inner - np.diag(new)).max() < 1e-3
    assert new[values > 0.05 * values.max()].min() > 0.6
    assert new.max() < 1.3
    assert values.max() / values.min() > new.max() / new.min()


def test_muon_takes_momentum_orthogonalized():
    objective, point = dense_nets.objective("softmax"), dense_nets.objective("softmax").start
    rows = streams.generator(3, streams.SAMPLES).integers(12, size=(3, 4))
    momentum = 0.0
    for step, moved in enumerate(curvature.muon_descent(objective, 0.05, 3, 4, 3)):
        gradient = objective.loss_and_gradient(point, rows[step])[1]
        momentum = 0.95 * momentum + gradient
        rate = 0.05 * (3 - step) / 3
        update = [0.2 * np.sqrt(max(layer.shape)) * curvature.orthogonalized(layer)
                  for layer in objective.split(gradient + 0.95 * momentum)]
        point = point - rate * np.concatenate([layer.ravel() for layer in update])
        np.testing.assert_allclose(moved, point, rtol=1e-6, atol=1e-9)
