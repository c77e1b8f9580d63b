"""Ranks of recorded gradients, against singular values and dense inner products."""
import numpy as np
import pytest

from gradnets import dimension
from gradnets.checkpoints import Recorder, layer_and_step, layer_pattern, ranks
from gradnets.errors import NoResult, UserError


@pytest.fixture
def gradients():
    rng = np.random.default_rng(0)
    return {step: rng.normal(size=(12, 20)) @ np.diag(np.geomspace(1, 0.1, 20)) for step in range(0, 50, 10)}


@pytest.fixture
def recording(gradients, tmp_path):
    path = tmp_path / "run.safetensors"
    with Recorder(path, steps=range(0, 50, 10)) as recorder:
        for step, gradient in gradients.items():
            recorder.add(step, "gradient", "fc1.weight", gradient)
            recorder.add(step, "gradient", "fc2.weight", np.zeros((3, 4)) if step < 40 else np.eye(3, 4))
            recorder.add(step, "delta", "fc1", np.ones((5, 12)))
    return path


def test_each_gradient_has_its_ranks(recording, gradients):
    rows, _, shares = ranks.table(recording, "gradient/fc1.weight/*")
    assert [row["step"] for row in rows] == [0, 10, 20, 30, 40]
    for row, gradient in zip(rows, gradients.values(), strict=True):
        squares = np.linalg.svd(gradient, compute_uv=False)**2
        np.testing.assert_allclose(shares[row["name"]], squares / squares.sum(), atol=1e-12)
        assert row["stable_rank"] == pytest.approx(squares.sum() / squares[0])
        assert row["participation_ratio"] == pytest.approx(squares.sum()**2 / (squares**2).sum())
        assert (row["layer"], row["rows"], row["columns"]) == ("gradient/fc1.weight", 12, 20)
        assert row["random"] == pytest.approx(242 / 33)


def test_the_dimension_over_the_steps_is_that_of_flat_gradients(recording, gradients):
    _, over_steps, _ = ranks.table(recording, "gradient/fc1.weight/*")
    flat = np.array([gradient.ravel() for gradient in gradients.values()])
    unit = flat / np.linalg.norm(flat, axis=1, keepdims=True)
    row, = over_steps
    assert (row["layer"], row["steps"]) == ("gradient/fc1.weight", 5)
    assert row["dimension"] == pytest.approx(dimension.effective_dimension(unit @ unit.T))
    assert row["raw"] == pytest.approx(dimension.effective_dimension(flat @ flat.T))


def test_gradients_of_zero_have_a_row_without_ranks(recording):
    rows, over_steps, shares = ranks.table(recording, "gradient/*")
    silent = [row for row in rows if row["layer"] == "gradient/fc2.weight"]
    assert ["stable_rank" in row for row in silent] == [False] * 4 + [True]
    assert len(shares) == 6
    assert [row["layer"] for row in over_steps] == ["gradient/fc1.weight"]
    with pytest.raises(NoResult, match="zero everywhere"):
        ranks.table(recording, "gradient/fc2.weight/000000")


def test_a_matrix_without_a_step_stands_alone(tmp_path):
    np.savez(tmp_path / "mine.npz", a=np.eye(3), b=np.ones((2, 5)))
    rows, over_steps, _ = ranks.table(tmp_path / "mine.npz")
    assert [(row["layer"], row["stable_rank"]) for row in rows] == [("a", pytest.approx(3)), ("b", pytest.approx(1))]
    assert not over_steps
    assert all("step" not in row for row in rows)


def test_numbered_matrices_of_different_shapes_are_layers(tmp_path):
    np.savez(tmp_path / "mine.npz", **{"w_0": np.eye(3), "w_1": np.ones((2, 5)), "w_2": np.eye(3), "g/1": np.eye(3),
                                       "g/2": np.ones((3, 3))})
    rows, over_steps, _ = ranks.table(tmp_path / "mine.npz")
    assert [(row["layer"], row.get("step")) for row in rows] == [("w_0", None), ("w_1", None), ("w_2", None), ("g", 1),
                                                                 ("g", 2)]
    assert [row["layer"] for row in over_steps] == ["g"]


def test_a_step_that_a_layer_has_twice_is_refused(tmp_path):
    np.savez(tmp_path / "mine.npz", **{"g/1": np.eye(3), "g-01": np.eye(3)})
    with pytest.raises(UserError, match="g at step 1 twice"):
        ranks.table(tmp_path / "mine.npz")


@pytest.mark.parametrize(("name", "expected"), [
    ("delta/fc1/000500", ("delta/fc1", 500)), ("a.b-7", ("a.b", 7)), ("heads/000010[3]", ("heads[3]", 10)),
    ("fc1.weight", ("fc1.weight", None)), ("conv2", ("conv2", None)), ("heads[3]", ("heads[3]", None))])
def test_names_end_with_their_step(name, expected):
    assert layer_and_step(name) == expected


def test_gradients_are_read_unless_a_pattern_is_given(recording, tmp_path):
    assert layer_pattern(recording, "*", "gradient") == "gradient/*"
    assert layer_pattern(recording, "delta/*", "gradient") == "delta/*"
    np.save(tmp_path / "one.npy", np.eye(3))
    assert layer_pattern(tmp_path / "one.npy", "*", "gradient") == "*"
