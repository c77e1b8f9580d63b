"""Shared training rules against formulas written out, and the choice of rates on validation data."""
import numpy as np
import pytest

import mlp
import optimizers
from gradnets import curvature, datasets


@pytest.fixture(scope="module")
def digits():
    return datasets.load("glyphs", limit=60)


def test_gray_images_are_required():
    assert optimizers.gray_images("noise", 7, 0).inputs.shape == (7, 784)
    with pytest.raises(ValueError, match="tree has 31 features: expected square images"):
        optimizers.gray_images("tree", 50, 0)


def test_an_autoencoder_has_its_images_as_targets(digits):
    objective = optimizers.autoencoder(digits, 0)
    assert objective.start.size == 509
    point = objective.start + 0.1
    images = datasets.pool(digits, 5).inputs
    outputs = objective.at(point).forward(images)[-1]
    expected = 0.5 * ((outputs - images)**2).sum(axis=1).mean() + optimizers.L2 / 2 * (point**2).sum()
    assert objective.loss(point) == pytest.approx(expected, rel=1e-12)
    assert optimizers.classifier(digits, 0).start.size == 490


def test_the_first_available_set_is_loaded_and_a_sixth_held_out(monkeypatch, tmp_path):
    monkeypatch.setenv("GRADNETS_DATA", str(tmp_path))
    (training, validation, test), data = optimizers.color_images(("cifar100", "noise", "glyphs"), 0)
    assert {part.name for part in (training, validation, test)} == {"noise"}
    assert (len(training.labels), len(validation.labels)) == (8333, 1667)
    assert [(entry["split"], entry["n"]) for entry in data] == [("train", 10_000), ("test", len(test.labels))]
    with pytest.raises(ValueError, match="cifar1000"):
        optimizers.color_images(("cifar1000", "glyphs"), 0)


def test_parts_are_centered_by_the_training_mean(digits):
    shifted = optimizers.centered([digits, digits], lambda inputs: 2 * inputs[:, :3])
    np.testing.assert_allclose(shifted[1].inputs, 2 * (digits.inputs - digits.inputs.mean())[:, :3])


def test_samples_do_not_repeat_in_a_batch(digits):
    distinct = []

    def rule(network, inputs, labels):
        distinct.append(len(np.unique(inputs, axis=0)))
        return -0.001 * curvature.gradient(network, inputs, labels)

    network = mlp.MLP((784, 10), "tanh", "squared", "glorot", 0)
    before = curvature.parameters(network)
    nets = list(optimizers.train(network, digits, rule, 3, 50, 0))
    assert distinct == [50, 50, 50]
    assert np.array_equal(curvature.parameters(network), before)  # the first net stays as it was
    first, last = (curvature.loss(net, digits.inputs, digits.labels) for net in (nets[0], nets[-1]))
    assert last < first


def test_the_rate_with_the_best_validation_accuracy_is_chosen(digits):
    rules = {"SGD": {rate: optimizers.gradient_rule(rate) for rate in (1e-9, 0.01, 1e9)}}  # the last one diverges

    def net(run):
        return mlp.MLP((784, 10), "leaky(0.5)", "squared", "glorot", run)

    rows = optimizers.learning_rows(rules, net, (digits, digits, digits), 20, 30, 1, 0)
    assert [row["step"] for row in rows] == [5, 10, 15, 20]
    assert {row["chosen"] for row in rows} == {0.01}
    *_, last = optimizers.train(net(0), digits, rules["SGD"][0.01], 20, 30, 0)
    assert rows[-1]["accuracy"] == mlp.accuracy(last, digits)


def test_adam_follows_its_formulas(digits):
    objective = optimizers.classifier(digits, 0)
    inputs, labels = objective.batch
    single = curvature.Objective(objective.network, inputs[:1], labels[:1], 1e-4)  # every sample of a batch is this one
    descent = optimizers.first_order(single, "Adam", 0.01, 3, 0)
    point, mean, square = single.start, 0.0, 0.0
    for index, rate in ((1, 0.01), (2, 0.01 * 2 / 3), (3, 0.01 / 3)):
        slope = single.gradient(point)
        mean, square = 0.9 * mean + 0.1 * slope, 0.999 * square + 0.001 * slope**2
        point = point - rate * (mean / (1 - 0.9**index)) / (np.sqrt(square / (1 - 0.999**index)) + 1e-8)
    np.testing.assert_allclose(descent.end, point, atol=1e-12)
    assert descent.losses[-1] == pytest.approx(single.loss(point), rel=1e-12)
    assert descent.iterations.tolist() == [0, 1, 2, 3]


def test_a_first_order_method_that_diverges_is_counted(digits):
    objective = optimizers.autoencoder(digits, 0)
    descent = optimizers.first_order(objective, "SGD", 1e200, 50, 0)
    assert descent.losses[-1] == np.inf
    assert len(descent.iterations) == len(descent.losses) == len(descent.seconds)
    assert np.isfinite(objective.loss(descent.end))
