"""The parts of gradient_space.py against gradients that are formed, and the script as a user runs it."""
import numpy as np
import pytest
from helpers import assert_fits_the_page

import gradient_space
import mlp
import optimizers
import rbm
import rnn
from gradnets import curvature, datasets, dimension, experiment
from gradnets.checkpoints import Recorder
from gradnets.errors import NoResult, UserError

SMALL = {"datasets": ("glyphs", "noise"), "images": 300, "learning_rates": (0.1,), "steps": (0, 40), "samples": 60,
         "depths": (1,), "hidden_units": 16, "directions": (5, 20), "runs": 2}


@pytest.fixture
def short(monkeypatch):
    """Keep the steps that are no flags few."""
    monkeypatch.setattr(gradient_space, "ESSAY_STEPS", 20)
    monkeypatch.setattr(gradient_space, "HESSIAN_LOOKS", (0, 30))
    monkeypatch.setattr(optimizers, "ADAM_STEPS", 20)
    monkeypatch.setattr(optimizers, "RECORDED", 60)


@pytest.fixture(scope="module")
def tree():
    return datasets.load("tree", limit=40)


def run(**changes):
    return gradient_space.main(experiment.settings(gradient_space, **SMALL | changes))


def one_by_one(train, network, data, chosen):
    """Return the gradients of each chosen sample alone, as the model's own steps form them: [[(a, b), ...], ...]."""
    alone = (datasets.Dataset("one", data.inputs[k:k + 1], data.labels[k:k + 1], data.classes, "here") for k in chosen)
    return [next(train(network, sample, 1, 0.0)).gradients for sample in alone]


# ---- inputs and deltas of the models ----------------------------------------------------------------------

@pytest.mark.parametrize(("make", "train", "layers_of"), [
    (lambda: mlp.MLP((31, 8, 6, 4), seed=1), mlp.train, gradient_space.layers_of_perceptron),
    (lambda: rnn.RNN(1, 5, 4, seed=1), rnn.train, gradient_space.layers_of_recurrent)])
def test_inputs_and_deltas_give_the_inner_products_of_the_models_gradients(tree, make, train, layers_of):
    network, chosen = make(), np.array([3, 1, 20, 7])
    gradients = one_by_one(train, network, tree, chosen)
    layers = layers_of(network, tree, chosen)
    assert len(layers) == len(gradients[0])
    for place, arrays in enumerate(layers.values()):
        flat = np.array([of_sample[place].ravel() for of_sample in gradients])
        np.testing.assert_allclose(dimension.gram(*arrays[:2]), flat @ flat.T, rtol=1e-8, atol=1e-18)


def test_a_machines_gradient_is_the_difference_of_both_phases(tree):
    machine = rbm.RBM(31, 6, "normal(1)", seed=0)
    machine.visible_biases += 200  # every reconstruction is certain
    (inputs, deltas), = gradient_space.layers_of_machine(machine, tree, np.arange(9), np.random.default_rng(0)).values()
    data, ones = tree.inputs[:9], np.ones((9, 31))
    for k in range(9):
        expected = np.outer(ones[k], machine.hidden_given(ones)[k]) - np.outer(data[k], machine.hidden_given(data)[k])
        np.testing.assert_allclose(inputs[k].T @ deltas[k], expected, atol=1e-12)


def test_deltas_without_derivatives_are_those_of_a_linear_net(tree):
    network = mlp.MLP((31, 6, 4), seed=1)
    layers = gradient_space.layers_of_perceptron(network, tree, np.arange(5))
    outputs = network.forward(tree.inputs[:5])[-1]
    error = outputs - np.eye(4)[tree.labels[:5]]
    np.testing.assert_allclose(layers["layer 2"][2], error)
    np.testing.assert_allclose(layers["layer 1"][2], (error * (1 - outputs**2)) @ network.weights[1].T)


def test_dimensions_are_those_before_the_next_update(tree):
    numbers = gradient_space.essay_dimensions(tree, 0.1, [0, 15], 40, seed=2)
    network = mlp.MLP((31, 31, 4), seed=2, biases=(True, False))
    pairs = []
    for step in mlp.train(network, tree, 16, 0.1, seed=2):
        pairs.append((step.activations[0][0], step.deltas[0][0]))
        if step.index in (1, 16):
            activations = network.forward(tree.inputs)
            deltas = network.backward(activations, tree.labels)[0]
            gradients = [np.outer(x, d).ravel() for x, d in zip(tree.inputs, deltas, strict=True)]
            unit = np.array([gradient / np.linalg.norm(gradient) for gradient in gradients])
            expected = dimension.effective_dimension(unit @ unit.T)
            assert numbers[step.index - 1]["dimension"] == pytest.approx(expected)
    assert numbers["training"] is None  # 16 steps are too few


def test_over_training_the_gradients_are_those_of_the_steps(tree):
    numbers = gradient_space.essay_dimensions(tree, 0.05, [60], 100, seed=0)
    network = mlp.MLP((31, 31, 4), seed=0, biases=(True, False))
    flat = np.array([step.gradients[0].ravel() for step in mlp.train(network, tree, 61, 0.05, seed=0)])
    unit = flat / np.linalg.norm(flat, axis=1, keepdims=True)
    assert numbers["training"]["dimension"] == pytest.approx(dimension.effective_dimension(unit @ unit.T))


def test_runs_whose_gradients_vanish_are_counted():
    row = gradient_space.summary([None, {"parameters": 9, "dimension": 2.0}, {"parameters": 9, "dimension": 4.0}])
    assert (row["runs"], row["degenerate"], row["dimension_low"], row["dimension_high"]) == (3, 1, 2.0, 4.0)
    assert gradient_space.summary([None]) == {"runs": 1, "degenerate": 1}


# ---- the Hessian ------------------------------------------------------------------------------------------

def test_shares_are_those_of_a_hessian_by_finite_differences(short):
    images = datasets.pool(datasets.load("glyphs", limit=50), 7)
    numbers = gradient_space.hessian_shares(images, "squared", 0)[0]
    network = mlp.MLP((49, 8, 10), "tanh", "squared", "glorot", 0)
    values, vectors = np.linalg.eigh(curvature.hessian(network, images.inputs, images.labels, "finite-difference"))
    gradient = curvature.gradient(network, images.inputs, images.labels)
    top = vectors[:, -10:]
    assert numbers["share"] == pytest.approx(np.sum((top.T @ gradient)**2) / (gradient @ gradient), abs=1e-6)
    pulls = np.random.default_rng(0).normal(size=(4000, 490)) * values  # gradients of the bowl, by eigenvector
    assert numbers["bowl_share"] == pytest.approx((pulls[:, -10:]**2).sum() / (pulls**2).sum(), rel=0.02)
    assert 0 < numbers["random_share"] < 0.1
    assert numbers["parameters"] == 490


# ---- training inside a space ------------------------------------------------------------------------------

def finite_differences(loss, point):
    steps = 1e-6 * np.eye(len(point))
    return np.array([(loss(point + step) - loss(point - step)) / 2e-6 for step in steps])


@pytest.mark.parametrize("inside", [False, True])
def test_training_inside_a_space_is_adam_on_its_coordinates(tree, inside):
    network = mlp.MLP((31, 2, 4), "tanh", "cross-entropy", "glorot", 0)
    start = curvature.parameters(network)
    directions = dimension.random_directions(6, start.size, np.random.default_rng(1)) if inside else np.eye(start.size)
    trained = optimizers.train_inside(network, directions if inside else None, tree, 0.1, 4, 40, seed=5)
    rng = np.random.default_rng(np.random.SeedSequence(5, spawn_key=(1,)))
    place, mean, square = (np.zeros(len(directions)) for _ in range(3))
    for t, rate in enumerate((0.1, 0.1, 0.1, 0.05), start=1):
        chosen = rng.integers(40, size=40)

        def loss(at, chosen=chosen):
            moved = curvature.at(network, start + at @ directions)
            outputs = moved.forward(tree.inputs[chosen])[-1]
            return -np.log(outputs[np.arange(40), tree.labels[chosen]]).mean()
        slope = finite_differences(loss, place)
        mean, square = 0.9 * mean + 0.1 * slope, 0.999 * square + 0.001 * slope**2
        place = place - rate * mean / (1 - 0.9**t) / (np.sqrt(square / (1 - 0.999**t)) + 1e-8)
    np.testing.assert_allclose(curvature.parameters(trained), start + place @ directions, atol=2e-4)
    np.testing.assert_array_equal(curvature.parameters(network), start)


def test_recorded_gradients_are_those_of_the_steps(tree):
    network, moving = (mlp.MLP((31, 3, 4), "tanh", "cross-entropy", "glorot", 0) for _ in range(2))
    vectors = optimizers.first_gradients(moving, tree, 5, seed=0)
    np.testing.assert_allclose(curvature.parameters(moving),
                               curvature.parameters(network) - 0.05 * vectors.sum(axis=0), rtol=1e-9, atol=1e-12)


def test_shuffled_units_are_gradients_of_nets_whose_units_changed_places(tree):
    network = mlp.MLP((31, 3, 4), "tanh", "cross-entropy", "glorot", 0)
    gradient = curvature.gradient(network, tree.inputs, tree.labels)
    shuffled = optimizers.with_units_shuffled(network, np.tile(gradient, (20, 1)), np.random.default_rng(0))
    orders = {}
    for order in ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)):
        turned = mlp.MLP((31, 3, 4), "tanh", "cross-entropy", "glorot", 0)
        turned.weights = [network.weights[0][:, order], network.weights[1][list(order)]]
        turned.biases = [network.biases[0][list(order)], network.biases[1]]
        orders[order] = curvature.gradient(turned, tree.inputs, tree.labels)
    seen = {next(order for order, expected in orders.items() if np.allclose(expected, vector)) for vector in shuffled}
    assert len(seen) >= 4


@pytest.mark.parametrize("best", [0.001, 0.03, 0.09, 0.1, 0.8, 30])
def test_the_best_rate_is_that_of_the_validation_items(tree, monkeypatch, best):
    monkeypatch.setattr(optimizers, "train_inside", lambda *arguments: arguments[3])  # its learning rate
    monkeypatch.setattr(mlp, "accuracy", lambda rate, data: 1 - abs(np.log(rate / best)) / 100)
    rate, trained = optimizers.best_rate(None, None, tree, tree, 0.1, 0)
    assert abs(np.log(rate / best)) <= np.log(3) / 2 + 1e-9
    assert rate == trained


def test_training_that_diverges_at_all_rates_has_no_result(tree):
    network = mlp.MLP((31, 3, 4), "relu", "squared", "glorot", 0)
    with pytest.raises(NoResult, match="diverges at the learning rates 1e\\+200"), np.errstate(all="ignore"):
        optimizers.best_rate(network, None, tree, tree, 1e200, 0)


# ---- words ------------------------------------------------------------------------------------------------

def dims(dimension, low=0.9, **further):
    return {"part": "dimension", "over": "over samples", "data": "mnist", "dimension": dimension, "parameters": 1000,
            "over_re_paired": low, "over_re_paired_low": low} | further


def spaces(accuracy):
    return [{"part": "training", "space": space, "directions": k, "accuracy": value, "accuracy_low": value - 0.01,
             "accuracy_high": value + 0.01}
            for space, k, value in (("leading", 5, 0.2), ("leading", 50, accuracy), ("all parameters", 0, 0.9))]


@pytest.mark.parametrize(("rows", "words"), [
    ([dims(12.3), dims(30.4, over="over training"), dims(99, data="noise")],
     "is at most 30 of 1,000 parameters, like inputs times deltas"),
    ([dims(30.4, low=0.4)], "is at most 30 of 1,000 parameters"),
    ([dims(30.4), *spaces(0.7)], "is at most 30, yet training in 50 directions loses accuracy"),
    ([dims(30.4), *spaces(0.89)], "is at most 30, and training in 50 directions loses nothing"),
    ([dims(60.4), *spaces(0.7)], "is at most 60 of 1,000 parameters"),
    (spaces(0.7), "Inside 50 leading directions nets lose 20.0 points"),
    ([{"part": "hessian", "share": 0.9, "bowl_share": 0.95}, {"part": "hessian", "share": 0.9, "bowl_share": 0.8}],
     "1 of 2 times"),
    ([{"part": "nets", "over_re_paired": 0.5}, {"part": "nets", "over_re_paired": 0.8}],
     "1.2 to 2 times the gradients' dimension"),
    ([{"part": "nets"}], "Too few gradients"),
])
def test_the_finding_follows_the_rows(rows, words):
    assert words in gradient_space.finding_of(rows)


# ---- the script -------------------------------------------------------------------------------------------

def test_all_parts_have_rows_and_two_figures(short):
    result = run()
    assert_fits_the_page(result)
    counts = {part: sum(row["part"] == part for row in result.rows) for part in gradient_space.ALL_PARTS}
    assert counts == {"dimension": 2 * 3, "nets": 2 * 2 * (3 + 1 + 4), "hessian": 2 * 2, "training": 2 + 3 * 2}
    assert list(result.figures) == ["_nets"]
    assert len(result.figure.axes) == 4
    for row in result.rows:
        if "random" in row and row.get("layer") in (None, "layer 1", "weights"):
            assert row["random"] == pytest.approx(row["parameters"], rel=0.15)
        if "product" in row and row.get("layer") in (None, "layer 1"):
            assert row["re_paired"] == pytest.approx(row["product"], rel=0.15)
    training = {row["what"]: row for row in result.rows if row["part"] == "training"}
    assert training["leading, 20 directions"]["energy"] > training["leading, 5 directions"]["energy"] > 0.1
    assert training["random, 20 directions"]["later_energy"] < 0.02
    assert training["all parameters"]["accuracy"] > 0.5


@pytest.mark.parametrize(("part", "panels"), [("dimension", 2), ("nets", 1), ("hessian", 1), ("training", 1)])
def test_each_part_runs_alone(short, part, panels):
    result = run(parts=(part,), datasets=("glyphs",), runs=1, directions=(5,))
    assert {row["part"] for row in result.rows} == {part}
    assert len(result.figure.axes) == panels
    assert_fits_the_page(result)


@pytest.mark.parametrize(("changes", "message"), [
    ({"parts": ("gradient",)}, "part is 'gradient'"), ({"parts": ()}, "parts is"), ({"runs": 0}, "runs is 0"),
    ({"samples": 29}, "samples is 29: expected at least 30"),
    ({"steps": (-1,)}, "steps is -1: expected integers of at least 0"),
    ({"directions": (5, 501)}, "directions is 501: expected at most 500"), ({"learning_rates": (np.inf,)}, "inf"),
    ({"layer": "fc1"}, "need a file"), ({"parts": ("hessian",), "datasets": ("tree",)}, "expected square images"),
])
def test_mistakes_are_named(changes, message):
    with pytest.raises(UserError, match=message):
        run(**changes)


def test_rates_at_which_all_gradients_vanish_are_refused_and_those_of_one_rate_are_counted(short):
    with pytest.raises(NoResult, match="lower --learning-rates"):
        run(parts=("dimension",), learning_rates=(1e6,), steps=(20,))
    result = run(parts=("dimension",), learning_rates=(0.1, 1e6), steps=(0, 20))
    lost = [row for row in result.rows if row["degenerate"]]
    assert [(row["data"], row["learning_rate"], row["step"]) for row in lost] == [("glyphs", 1e6, 20),
                                                                                  ("noise", 1e6, 20)]
    assert all("dimension" not in row for row in lost)
    assert_fits_the_page(result)


# ---- a file -----------------------------------------------------------------------------------------------

@pytest.fixture
def recording(tmp_path):
    rng = np.random.default_rng(0)
    left, right = rng.normal(size=(40, 3)), rng.normal(size=(3, 50))
    with Recorder(tmp_path / "run.safetensors", steps=range(8)) as recorder:
        for step in range(8):
            recorder.add(step, "gradient", "fc1.weight", left @ np.diag(rng.normal(size=3)) @ right)
            recorder.add(step, "weight", "fc1.weight", rng.normal(size=(40, 50)))
    return tmp_path / "run.safetensors"


def test_recorded_gradients_have_ranks_and_a_dimension(recording):
    result = run(gradient=str(recording))
    assert_fits_the_page(result)
    assert len(result.rows) == 9
    assert all(row["rank_99"] <= 3 for row in result.rows if "step" in row)
    last = result.rows[-1]
    assert (last["layer"], last["steps"]) == ("gradient/fc1.weight", 8)
    assert last["dimension"] < 4
    assert result.finding.startswith("Over 8 steps gradients of the first layer have an effective dimension of ")
    assert len(result.figure.axes) == 2


def test_too_few_images_are_named_with_their_flags(short):
    with pytest.raises(UserError, match=r"--directions up to 60 with 3 --images: .* lower --directions or raise"):
        run(parts=("training",), images=3, directions=(60,), runs=1)


def test_orthogonal_steps_have_no_number(tmp_path):
    np.savez(tmp_path / "mine.npz", **{"g/1": np.diag([1.0, 0, 0]), "g/2": np.diag([0, 1.0, 0])})
    result = run(gradient=str(tmp_path / "mine.npz"))
    assert result.finding == "Over 2 steps the first layer's effective dimension is more than the steps can show"
    assert result.figure.axes[1].get_title(loc="left") == "ranks of each gradient"
    assert_fits_the_page(result)


def test_a_single_matrix_has_its_ranks(tmp_path):
    np.save(tmp_path / "mine.npy", np.diag([3.0, 1.0, 1.0, 1.0]))
    result = run(gradient=str(tmp_path / "mine.npy"))
    assert result.rows[0]["stable_rank"] == pytest.approx(12 / 9)
    assert result.rows[0]["participation_ratio"] == pytest.approx(144 / 84)
    assert result.finding == "The gradient fills 1.71 of 4 singular directions"
    assert run(gradient=str(tmp_path / "mine.npy"), list=True).rows[0]["name"] == "mine"
    with pytest.raises(UserError, match="no layer"):
        run(gradient=str(tmp_path / "mine.npy"), layer="other")
