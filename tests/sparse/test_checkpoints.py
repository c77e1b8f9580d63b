"""Runs that are interrupted and resumed, and checkpoints that are damaged or belong to other runs."""
import pickle

import numpy as np
import pytest
from masked_descent import assert_same_run, problem, recipe, toy

from gradnets import sparse
from gradnets.errors import UserError
from gradnets.sparse import checkpoints, training

PRUNED = {"keep": 0.2}


def interrupt(patch, module, name, k):
    """Let a function of a module raise KeyboardInterrupt at its k-th call; return the list that counts its calls."""
    calls, function = [0], getattr(module, name)

    def interrupted(*arguments, **named):
        calls[0] += 1
        if calls[0] == k:
            raise KeyboardInterrupt
        return function(*arguments, **named)
    patch.setattr(module, name, interrupted)
    return calls


@pytest.mark.parametrize("settings", [
    {"keep": 0.2}, {"keep": 0.2, "criterion": "moved", "schedule": "halvings"}, {"keep": 0.2, "criterion": "random"},
    {"keep": 0.2, "criterion": "rigl"}, {"keep": 0.2, "criterion": "set"},
    {"keep": 0.2, "criterion": "snip", "batch_size": 7}, {}], ids=lambda s: s.get("criterion", str(s)))
@pytest.mark.parametrize(("module", "name"), [(training, "train_epoch"), (checkpoints, "save"),
                                              (training, "_move_masks")])
def test_an_interrupted_run_resumes_to_the_same_weights(settings, module, name, tmp_path, many):
    weights, biases, samples = problem(np.float32)
    biases, settings = [biases[0], None], recipe(**settings)
    with pytest.MonkeyPatch.context() as patch:
        calls = interrupt(patch, module, name, 0)
        whole = sparse.run(settings, weights, biases, samples, checkpoint=tmp_path / "whole.npz")
    assert_same_run(whole, sparse.run(settings, weights, biases, samples))
    assert calls[0] >= 15 or name == "_move_masks"
    assert calls[0] or settings.keep == 1
    for k in {round(k) for k in np.linspace(1, calls[0], many(2, calls[0]))} if calls[0] else ():
        path = tmp_path / f"{k}.npz"
        with pytest.MonkeyPatch.context() as patch:
            interrupt(patch, module, name, k)
            with pytest.raises(KeyboardInterrupt):
                sparse.run(settings, weights, biases, samples, checkpoint=path)
        assert_same_run(sparse.run(settings, weights, biases, samples, checkpoint=path), whole)
        assert {p.suffix for p in tmp_path.iterdir()} == {".npz"}  # nothing temporary is left


def test_an_interrupted_run_does_not_start_again(tmp_path, monkeypatch):
    weights, biases, samples = problem()
    half_way(tmp_path / "run.npz", recipe(), weights, biases, samples, at=12)
    interrupt(monkeypatch, training, "train_epoch", 10)  # 9 of 20 are left
    sparse.run(recipe(), weights, biases, samples, checkpoint=tmp_path / "run.npz")


def test_a_finished_run_is_read_from_its_checkpoint(tmp_path, monkeypatch):
    weights, biases, samples = problem()
    whole = sparse.run(recipe(**PRUNED), weights, biases, samples, checkpoint=tmp_path / "run.npz")
    interrupt(monkeypatch, training, "train_epoch", 1)
    again = sparse.run(recipe(**PRUNED), weights, biases, samples, checkpoint=str(tmp_path / "run.npz"))
    assert_same_run(again, whole)


def test_a_checkpoint_may_have_any_name(tmp_path):
    weights, biases, samples = problem()
    for name in ("state", "state.checkpoint"):
        sparse.run(recipe(), weights, biases, samples, checkpoint=tmp_path / name)
    assert {p.name for p in tmp_path.iterdir()} == {"state", "state.checkpoint"}


def test_numbers_of_numpy_are_part_of_a_recipe(tmp_path):
    weights, biases, samples = problem()
    settings = recipe(keep=np.float64(0.2), prunings=np.int64(4), seed=np.int64(3))
    sparse.run(settings, weights, biases, samples, checkpoint=tmp_path / "run.npz")
    sparse.run(recipe(keep=0.2, prunings=4, seed=3), weights, biases, samples, checkpoint=tmp_path / "run.npz")


def half_way(path, settings, weights, biases, samples, at=10):
    with pytest.MonkeyPatch.context() as patch:
        interrupt(patch, training, "train_epoch", at)
        with pytest.raises(KeyboardInterrupt):
            sparse.run(settings, weights, biases, samples, checkpoint=path)


# ---- damage -----------------------------------------------------------------------------------------------

class Trap:
    def __reduce__(self):
        return exec, ("raise SystemExit('a pickle was run')",)


def damage(path, how):
    good = path.read_bytes()
    if how == "an object array":
        with np.load(path) as kept:
            arrays = dict(kept)
        arrays["weights_0"] = np.array([Trap()], dtype=object)
        with open(path, "wb") as file:
            np.savez(file, **arrays)
    elif how == "an npy file":
        with open(path, "wb") as file:
            np.save(file, np.zeros(3))
    elif how == "another npz file":
        np.savez(path, a=np.zeros(3))
    elif how.startswith("without"):
        with np.load(path) as kept:
            arrays = dict(kept)
        del arrays[how.split()[1]]
        np.savez(path, **arrays)
    else:
        path.write_bytes({"truncated": good[:len(good) // 2], "without its end": good[:-1], "empty": b"",
                          "garbage": b"garbage" * 100, "a text": b"done = 60\n", "a pickle": pickle.dumps(Trap()),
                          "flipped": good[:400] + bytes([good[400] ^ 16]) + good[401:],
                          "half a header": b"PK\x03\x04", "half an npy header": b"\x93NUMPY\x01"}[how])


@pytest.mark.parametrize("how", [
    "truncated", "empty", "garbage", "a text", "a pickle", "an object array", "flipped", "half a header",
    "half an npy header", "an npy file", "another npz file", "without weights_1", "without mask_0", "without bias_0",
    "without done", "without identity"])
def test_a_damaged_checkpoint_is_named_and_left_as_it_is(how, tmp_path):
    weights, biases, samples = problem()
    path = tmp_path / "run.npz"
    half_way(path, recipe(**PRUNED), weights, biases, samples, at=3)
    damage(path, how)
    damaged = path.read_bytes()
    with pytest.raises(UserError, match=r"run\.npz") as caught:
        sparse.run(recipe(**PRUNED), weights, biases, samples, checkpoint=path)
    assert "\n" not in str(caught.value)
    assert "remove it" in str(caught.value)
    assert path.read_bytes() == damaged
    assert list(tmp_path.iterdir()) == [path]


def test_any_flipped_bit_is_detected_or_does_no_harm(tmp_path, many):
    """One bit in each of many places: an error that names the file, or the state as it was saved."""
    weights, biases, masks, *_ = toy((4, 3, 3))
    path = tmp_path / "run.npz"
    checkpoints.save(path, "this run", 60, weights, biases, masks)
    good = path.read_bytes()
    errors = []
    flips = sorted({(k, bit) for k in range(len(good)) for bit in (0, k % 8)})[::many(15, 1)]
    for place, bit in flips:
        path.write_bytes(good[:place] + bytes([good[place] ^ 1 << bit]) + good[place + 1:])
        try:
            done, *state = checkpoints.load(path, "this run", biases)
        except UserError as error:
            errors.append(str(error))
            continue
        assert done == 60
        for loaded, saved in zip(state, (weights, biases, masks), strict=True):
            for a, b in zip(loaded, saved, strict=True):
                np.testing.assert_array_equal(a, b)
    assert len(errors) > len(flips) / 4
    assert all("run.npz" in error for error in errors)


def test_a_checkpoint_of_another_run_is_refused_and_kept(tmp_path):
    weights, biases, samples = problem()
    path = tmp_path / "run.npz"
    half_way(path, recipe(**PRUNED), weights, biases, samples, at=3)
    kept = path.read_bytes()
    changed_weights = [weights[0], weights[1] + 1e-12]
    changed_samples = samples._replace(labels=samples.labels[::-1].copy())
    for settings, arguments in [
            (recipe(keep=0.2, seed=1), (weights, biases, samples)), (recipe(keep=0.3), (weights, biases, samples)),
            (recipe(keep=0.2, learning_rate=0.2), (weights, biases, samples)),
            (recipe(keep=0.2), (changed_weights, biases, samples)),
            (recipe(keep=0.2), (weights, [biases[0] + 1, biases[1]], samples)),
            (recipe(keep=0.2), (weights, biases, changed_samples)),
            (recipe(keep=0.2), (weights, biases, problem(np.float32)[2])),
            (recipe(keep=0.2), (weights, biases, samples, "relu")),
            (recipe(keep=0.2), (weights, biases, samples, "tanh", "squared")),
            (recipe(keep=0.2), (weights, biases, samples, "tanh", "cross-entropy", (0.0, 0.9)))]:
        with pytest.raises(UserError, match=r"run\.npz belongs to another run \(net, data or recipe\): give another"):
            sparse.run(settings, *arguments, checkpoint=path)
        assert path.read_bytes() == kept


def test_a_checkpoint_of_a_net_with_its_bias_elsewhere_is_refused(tmp_path):
    weights, _, samples = problem(sizes=(20, 3, 3))
    half_way(tmp_path / "run.npz", recipe(), weights, [None, np.zeros(3)], samples, at=3)
    with pytest.raises(UserError, match="another run"):
        sparse.run(recipe(), weights, [np.zeros(3), None], samples, checkpoint=tmp_path / "run.npz")


def test_a_save_that_fails_leaves_the_older_checkpoint(tmp_path, monkeypatch):
    weights, biases, samples = problem()
    path, settings = tmp_path / "run.npz", recipe(**PRUNED)
    half_way(path, settings, weights, biases, samples)
    kept = path.read_bytes()

    def full(file, **arrays):
        file.write(b"PK\x03\x04 and some more")
        raise OSError(28, "No space left on device")
    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", full)
        with pytest.raises(OSError, match="No space left"):
            sparse.run(settings, weights, biases, samples, checkpoint=path)
    assert path.read_bytes() == kept
    assert list(tmp_path.iterdir()) == [path]
    assert_same_run(sparse.run(settings, weights, biases, samples, checkpoint=path),
                    sparse.run(settings, weights, biases, samples))
