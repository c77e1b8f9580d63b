"""Recorded arrays stand in the file as they were added: of numpy, PyTorch and JAX, also from the documented loops."""
import importlib.util
import itertools
import json
import os
import re
import subprocess
import sys
import tomllib
import tracemalloc

import numpy as np
import pytest
from helpers import ROOT
from safetensors import safe_open
from safetensors.numpy import load_file

from gradnets import checkpoints
from gradnets.checkpoints import Recorder
from gradnets.errors import UserError


def refusal(function, *args, **options):
    """Return the message with which a call is refused, which is one line."""
    with pytest.raises(UserError) as caught:
        function(*args, **options)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300
    return str(caught.value)


# ---- contents of the file ---------------------------------------------------------------------------------

def test_a_loop_that_changes_its_arrays_in_place(tmp_path):
    rng, weights, expected = np.random.default_rng(0), np.zeros((4, 3)), {}
    with Recorder(tmp_path / "new" / "folder" / "run.safetensors", steps=range(0, 10, 4)) as recorder:
        for step in range(10):
            gradient = rng.standard_normal((4, 3))
            recorder.add(step, "weight", "fc1", weights)
            recorder.add(step, "gradient", "fc1", gradient)
            if recorder.wants(step):
                expected[f"weight/fc1/{step:06d}"] = weights.copy()
                expected[f"gradient/fc1/{step:06d}"] = gradient.copy()
            weights -= gradient
            gradient[:] = 0
    path = tmp_path / "new" / "folder" / "run.safetensors"
    stored = load_file(path)
    assert stored.keys() == expected.keys()
    assert len(stored) == 6
    for name, array in expected.items():
        np.testing.assert_array_equal(stored[name], array)
    assert os.listdir(path.parent) == ["run.safetensors"]
    with safe_open(path, framework="np") as file:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        assert file.metadata() == {"gradnets": project["version"], "steps": "[0, 4, 8]"}


def test_patterns_select_kinds_layers_and_steps(tmp_path):
    with Recorder(tmp_path / "run.safetensors", steps={5, 1_000_000}) as recorder:
        for step in (5, 1_000_000):
            for name in ("fc1.weight", "fc2.weight"):
                recorder.add(step, "gradient", name, np.ones((2, 2)))
        recorder.add(np.int64(5), "delta", "fc1", np.ones((2, 2)))

    def names(layer):
        return [matrix.name for matrix in checkpoints.matrices(tmp_path / "run.safetensors", layer)]

    assert names("gradient/fc1.weight/*") == ["gradient/fc1.weight/000005", "gradient/fc1.weight/1000000"]
    assert names("*/000005") == ["delta/fc1/000005", "gradient/fc1.weight/000005", "gradient/fc2.weight/000005"]
    assert names("delta/*") == ["delta/fc1/000005"]


@pytest.mark.parametrize("array", [
    np.arange(6, dtype="f2").reshape(2, 3), np.arange(6, dtype="f4").reshape(2, 3).T, np.ones((2, 2, 2, 2)),
    np.asfortranarray(np.arange(6).reshape(2, 3)), np.arange(12, dtype=">f4").reshape(2, 6)[:, ::2],
    np.arange(3, dtype="u1"), np.array(2.5), [[1.5, 2], [3, 4]], np.array([[np.nan, np.inf]]), np.float32(3),
], ids=range(10))
def test_arrays_keep_dtype_and_shape(tmp_path, array):
    with Recorder(tmp_path / "run.safetensors", steps=[0]) as recorder:
        recorder.add(0, "gradient", "odd", np.ones(1, np.uint8))  # the next begins at an odd byte
        recorder.add(0, "gradient", "w", array)
    stored = load_file(tmp_path / "run.safetensors")["gradient/w/000000"]
    np.testing.assert_array_equal(stored, array)
    assert stored.shape == np.shape(array)
    assert stored.dtype == np.asarray(array).dtype.newbyteorder("=")


def test_longer_floats_become_float64(tmp_path):
    with Recorder(tmp_path / "run.safetensors", steps=[0]) as recorder:
        recorder.add(0, "weight", "w", np.ones((2, 2), np.longdouble) / 3)
    stored = load_file(tmp_path / "run.safetensors")["weight/w/000000"]
    np.testing.assert_array_equal(stored, np.full((2, 2), 1 / 3), strict=True)


def test_tensors_of_torch(tmp_path):
    torch = pytest.importorskip("torch")
    weight = torch.nn.Parameter(torch.randn(3, 4, generator=torch.Generator().manual_seed(0)))
    (weight ** 2).sum().backward()
    arrays = {"parameter": weight, "gradient": weight.grad, "turned": weight.T, "part": weight[:, ::2],
              "half": weight.half(), "brain": weight.bfloat16(), "eight": weight.to(torch.float8_e4m3fn),
              "integers": torch.arange(4)}
    with Recorder(tmp_path / "run.safetensors", steps=[0]) as recorder:
        for name, array in arrays.items():
            recorder.add(0, "weight", name, array)
        assert "Sparse" in refusal(recorder.add, 0, "weight", "s", torch.eye(3).to_sparse())
        assert "Tensor, does not become" in refusal(recorder.add, 0, "weight", "m", torch.zeros(3, device="meta"))
    stored = load_file(tmp_path / "run.safetensors")
    assert len(stored) == len(arrays)
    for name, array in arrays.items():
        wide = array.detach().float() if name in ("brain", "eight") else array.detach()
        np.testing.assert_array_equal(stored[f"weight/{name}/000000"], wide.numpy(), strict=True)


def test_bfloat16_and_float8_of_jax(tmp_path):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    values = np.linspace(-3, 3, 20).reshape(4, 5)
    with Recorder(tmp_path / "run.safetensors", steps=[0]) as recorder:
        for name in ("bfloat16", "float8_e5m2"):
            recorder.add(0, "weight", name, values.astype(getattr(ml_dtypes, name)))
    stored = load_file(tmp_path / "run.safetensors")
    for name in ("bfloat16", "float8_e5m2"):
        expected = values.astype(getattr(ml_dtypes, name)).astype(np.float32)
        np.testing.assert_array_equal(stored[f"weight/{name}/000000"], expected, strict=True)


def test_memory_is_that_of_one_array(tmp_path):
    array = np.ones((1000, 500))
    tracemalloc.start()
    try:
        with Recorder(tmp_path / "run.safetensors", steps=range(20)) as recorder:
            for step in range(20):
                recorder.add(step, "gradient", "w", array.T)  # not in C order, so that one copy is made
        assert tracemalloc.get_traced_memory()[1] < 2 * array.nbytes
    finally:
        tracemalloc.stop()
    assert len(load_file(tmp_path / "run.safetensors")) == 20


@pytest.mark.parametrize("integer", [np.int64, np.array])
def test_steps_may_be_integers_of_numpy(tmp_path, integer):
    with Recorder(tmp_path / "run.safetensors", steps=range(0, 4, 2)) as recorder:
        for step in range(4):
            recorder.add(integer(step), "gradient", "w", np.ones((2, 2)))
    assert list(load_file(tmp_path / "run.safetensors")) == ["gradient/w/000000", "gradient/w/000002"]


# ---- when the file is written -----------------------------------------------------------------------------------

def test_flush_writes_all_arrays_so_far(tmp_path):
    path = tmp_path / "run.safetensors"
    with Recorder(path, steps=range(10)) as recorder:
        recorder.flush()
        assert not path.exists()
        for step in range(3):
            recorder.add(step, "gradient", "w", np.full((2, 2), step))
            recorder.flush()
            stored = load_file(path)
            assert len(stored) == step + 1
            assert all((array == int(name[-6:])).all() for name, array in stored.items())
        recorder.add(3, "gradient", "w", np.ones((2, 2)))
        assert len(load_file(path)) == 3
    assert len(load_file(path)) == 4


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_loop_that_fails_keeps_its_record(tmp_path, error):
    def loop(path, until):
        with Recorder(path, steps=range(10)) as recorder:
            for step in range(until):
                recorder.add(step, "gradient", "w", np.ones((2, 2)))
            raise error("diverged")

    path = tmp_path / "run.safetensors"
    with pytest.raises(error, match="diverged"):
        loop(path, until=1)
    assert list(load_file(path)) == ["gradient/w/000000"]
    with pytest.raises(error, match="diverged"):
        loop(tmp_path / "none.safetensors", until=0)
    assert os.listdir(tmp_path) == ["run.safetensors"]


def test_the_old_file_stays_until_the_new_one_is_complete(tmp_path, monkeypatch):
    path = tmp_path / "run.safetensors"
    path.write_text("the run before")

    def fails(arrays, temporary, metadata):
        temporary.write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr("gradnets.checkpoints.recorder.save_file", fails)
    with pytest.raises(OSError, match="No space left"), Recorder(path, steps=[0]) as recorder:
        recorder.add(0, "gradient", "w", np.ones((2, 2)))
    assert path.read_text() == "the run before"
    assert os.listdir(tmp_path) == ["run.safetensors"]


# ---- mistakes ---------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("name", "words"), [
    ("run.npz", "expected a file that ends in .safetensors"), ("", "expected a file that ends in .safetensors"),
    ("file/run.safetensors", "cannot write to the folder"), ("folder.safetensors", "expected a file that ends in"),
])
def test_a_path_that_cannot_be_written_is_refused_at_once(tmp_path, name, words):
    (tmp_path / "file").touch()
    (tmp_path / "folder.safetensors").mkdir()
    assert words in refusal(Recorder, tmp_path / name, steps=range(3))
    assert sorted(os.listdir(tmp_path)) == ["file", "folder.safetensors"]


@pytest.mark.parametrize("steps", [100, None, "0", [0.5], [], range(0)])
def test_steps_that_are_no_integers_are_refused(tmp_path, steps):
    assert f"steps {steps!r}: expected" in refusal(Recorder, tmp_path / "run.safetensors", steps=steps)


@pytest.mark.parametrize("steps", [range(100, 200), list(range(100, 200))])
def test_a_loop_that_reaches_none_of_the_steps_is_refused(tmp_path, steps):
    def loop():
        with Recorder(tmp_path / "run.safetensors", steps=steps) as recorder:
            for step in range(50):
                recorder.add(step, "gradient", "w", np.ones((2, 2)))

    assert "choose steps that the loop reaches, not " in refusal(loop)
    assert os.listdir(tmp_path) == []


def test_objects_that_are_no_arrays_are_refused(tmp_path):
    with Recorder(tmp_path / "run.safetensors", steps=[0]) as recorder:
        recorder.add(0, "gradient", "w", np.ones((2, 2)))
        for array, words in (
                (None, "is None: expected an array of numbers; has its gradient been computed?"),
                ("text", "is of dtype <U4"), (object(), "is of dtype object"), ([[1], [2, 3]], "does not become"),
                (np.ones((2, 2), complex), "is of dtype complex128"), (np.ones((2, 2), bool), "is of dtype bool"),
                (np.ones((0, 3)), "shape (0, 3)")):
            message = refusal(recorder.add, 0, "gradient", "v", array)
            assert message.startswith("gradient/v/000000")
            assert words in message
        assert "gradient/w/000000 was added twice" in refusal(recorder.add, 0, "gradient", "w", np.ones((2, 2)))
        message = refusal(recorder.add, 0, "grad", "w", np.ones(2))
        assert message == "kind of w is 'grad': expected gradient, delta, weight or activation"
    assert list(load_file(tmp_path / "run.safetensors")) == ["gradient/w/000000"]
    assert "after the with block" in refusal(recorder.add, 0, "gradient", "late", np.ones((2, 2)))


@pytest.mark.parametrize("name", ["a\nb", "a" * 300])
def test_names_that_could_not_be_read_again_are_refused(tmp_path, name):
    with (pytest.raises(UserError, match="holds the name"),
          Recorder(tmp_path / "run.safetensors", steps=[0]) as recorder):
        recorder.add(0, "gradient", name, np.ones((2, 2)))


# ---- the documented loops -----------------------------------------------------------------------------------

def documented_loop(library, folder, before="", after=""):
    """Run a loop as docs/your-own-network.md prints it, in a process; return the arrays and steps it recorded.

    JAX, once imported, warns at every fork, and other tests fork.
    """
    if importlib.util.find_spec(library.lower().replace("py", "")) is None:
        pytest.skip(f"{library} is not installed")
    page = (ROOT / "docs" / "your-own-network.md").read_text(encoding="utf-8")
    code = re.search(rf"```python\n(# with {library}\n.*?)```", page, flags=re.DOTALL)
    assert code, f"docs/your-own-network.md has no block of Python that begins with # with {library}"
    done = subprocess.run([sys.executable, "-W", "error", "-c", before + code[1] + after], cwd=folder, timeout=300,
                          capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert (done.returncode, done.stderr) == (0, "")
    path = folder / "out" / f"{library.lower().replace('py', '')}.safetensors"
    with safe_open(path, framework="np") as file:
        steps = json.loads(file.metadata()["steps"])
    assert len(steps) > 2
    return load_file(path), steps


def test_the_loop_of_torch(tmp_path):
    """Gradients are those that the optimiser uses; deltas are those of the chain rule."""
    recorded, steps = documented_loop("PyTorch", tmp_path, before="""
import numpy
from torch.optim.optimizer import register_optimizer_step_pre_hook
used = []
register_optimizer_step_pre_hook(lambda optimizer, *_: used.append(
    [array.numpy().copy() for p in optimizer.param_groups[0]["params"] for array in (p.detach(), p.grad)]))
""", after="""
numpy.savez("used.npz", **{f"{step:06d} {k}": a for step, arrays in enumerate(used) for k, a in enumerate(arrays)})
""")
    used = np.load(tmp_path / "used.npz")
    for step in (f"{step:06d}" for step in steps):
        names = itertools.product(("fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"), ("weight", "gradient"))
        for k, (name, kind) in enumerate(names):
            np.testing.assert_array_equal(recorded[f"{kind}/{name}/{step}"], used[f"{step} {k}"], strict=True)
        hidden, tanh, logits = (recorded[f"activation/{name}/{step}"] for name in ("fc1", "tanh", "fc2"))
        np.testing.assert_allclose(tanh, np.tanh(hidden), rtol=1e-5, atol=1e-6)
        softmax = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        labels = softmax - len(logits) * recorded[f"delta/fc2/{step}"]  # the mean over the batch divides each delta
        np.testing.assert_allclose(np.sort(labels), np.eye(10)[[9] * len(logits)], atol=1e-5)
        delta = recorded[f"delta/fc2/{step}"] @ recorded[f"weight/fc2.weight/{step}"]
        np.testing.assert_allclose(recorded[f"delta/tanh/{step}"], delta, rtol=1e-4, atol=1e-7)
        np.testing.assert_allclose(recorded[f"delta/fc1/{step}"], delta * (1 - tanh**2), rtol=1e-4, atol=1e-7)


def test_the_loop_of_jax(tmp_path):
    """Weights and gradients are those of plain numpy from the same start, on the same data."""
    recorded, steps = documented_loop("JAX", tmp_path, after="""
import numpy
numpy.save("data.npy", numpy.stack([jax.random.normal(key, (32, 30)) for key in keys[:100]]))
""")
    data = np.load(tmp_path / "data.npy")
    first, second = (recorded[f"weight/{layer}.kernel/000000"].astype(float) for layer in ("fc1", "fc2"))
    for step, batch in enumerate(data):
        inputs, targets = batch[:, :20], batch[:, 20:]
        hidden = np.tanh(inputs @ first)
        delta = 2 * (hidden @ second - targets) / targets.size
        gradients = inputs.T @ (delta @ second.T * (1 - hidden**2)), hidden.T @ delta
        if step in steps:
            for layer, weight, gradient in zip(("fc1", "fc2"), (first, second), gradients, strict=True):
                for kind, expected in (("weight", weight), ("gradient", gradient)):
                    np.testing.assert_allclose(recorded[f"{kind}/{layer}.kernel/{step:06d}"], expected, rtol=1e-3,
                                               atol=1e-5)
        first, second = first - 0.1 * gradients[0], second - 0.1 * gradients[1]
    assert len(recorded) == 4 * len(steps)
