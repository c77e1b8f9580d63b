"""Files that PyTorch wrote are read as PyTorch reads them; false and hostile ones are refused and run nothing."""
import json
import pickle
import shutil
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from helpers import ROOT
from hostile_pickles import hostile
from stored_files import read, refusal, takes_at_most, torch_archive, torch_pickle

from gradnets import checkpoints
from gradnets.errors import UserError

WRITTEN = Path(__file__).parent / "written_by_torch"
NUMBERS = np.arange(24, dtype=np.float32)
HOSTILE = "2 hostile files of tensors refused in bounded memory"


@pytest.fixture(scope="module")
def values():
    with np.load(WRITTEN / "values.npz") as stored:
        return {name: stored[name] for name in stored}


# ---- as PyTorch reads them --------------------------------------------------------------------------------

@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_views_dtypes_and_nested_names_are_those_of_torch(values, protocol):
    path = WRITTEN / f"views{protocol}.pth"
    expected = {name.removeprefix("views/"): array for name, array in values.items() if name.startswith("views/")}
    assert {tensor.name: tensor.shape for tensor in checkpoints.listing(path)} == {
        name: array.shape for name, array in expected.items()}
    matrices = read(path)
    assert set(expected) - set(matrices) == {"flags", "complex", "empty", "single", "nested.inner.1.deep"}
    for name, matrix in matrices.items():
        np.testing.assert_array_equal(matrix, expected[name], name)
        assert matrix.dtype.isnative
        assert matrix.flags.c_contiguous


@pytest.mark.parametrize("name", ["state.pt", "training.ckpt"])
def test_a_training_loops_file_is_read_like_its_weights(values, name):
    tensors = {tensor.name: tensor for tensor in checkpoints.listing(WRITTEN / name)}
    assert list(tensors) == [key.removeprefix("state/") for key in values if key.startswith("state/")]
    assert tensors["2.weight"].dtype == "bfloat16"
    for key, matrix in read(WRITTEN / name).items():
        np.testing.assert_array_equal(matrix, values[f"state/{key}"].reshape(matrix.shape))


def test_suffixes_and_shards(tmp_path, values):
    for suffix in (".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pth.tar"):
        shutil.copy(WRITTEN / "state.pt", tmp_path / f"net{suffix}")
        assert list(read(tmp_path / f"net{suffix}")) == ["0.weight", "2.weight"]
    shutil.copy(WRITTEN / "views2.pth", tmp_path / "second.bin")
    (tmp_path / "pytorch_model.bin.index.json").write_text(json.dumps(
        {"weight_map": {"0.weight": "net.bin", "2.weight": "net.bin", "turned": "second.bin"}}))
    matrices = read(tmp_path / "pytorch_model.bin.index.json", "2.weight,turned")
    np.testing.assert_array_equal(matrices["2.weight"], values["state/2.weight"])
    np.testing.assert_array_equal(matrices["turned"], values["views/turned"])


def test_numbers_are_mapped(tmp_path):
    path = torch_archive(tmp_path / "w.pt", torch_pickle((2000, 1000), (1000, 1)), {"0": bytes(8_000_000)})
    with takes_at_most(2_500_000):  # what the check of one block needs
        assert read(path)["w"].shape == (2000, 1000)


def test_big_endian_numbers(tmp_path):
    path = torch_archive(tmp_path / "w.pt", torch_pickle((2, 3), (3, 1), 4), {"0": NUMBERS.astype(">f4").tobytes()},
                         b"big")
    np.testing.assert_array_equal(read(path)["w"], NUMBERS[4:10].reshape(2, 3))


@pytest.mark.parametrize(("shape", "strides", "first"), [((4, 6), (6, 1), 0), ((6, 4), (1, 6), 0), ((2, 3), (12, 2), 7),
                                                         ((1, 1), (99, 99), 23), ((2, 2, 3), (1, 2, 4), 3)])
def test_strides_are_those_of_numpy(tmp_path, shape, strides, first):
    path = torch_archive(tmp_path / "w.pt", torch_pickle(shape, strides, first), {"0": NUMBERS.tobytes()})
    expected = np.lib.stride_tricks.as_strided(NUMBERS[first:], shape, [4 * stride for stride in strides])
    stack = list(read(path).values())
    np.testing.assert_array_equal(stack[0] if len(shape) == 2 else stack, expected)


# ---- refused ----------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("name", "named"), [("model.pt", "torch.nn.modules.container Sequential"),
                                             ("script.pt", "a TorchScript program"), ("old.pt", "a plain pickle")])
def test_programs_are_named_and_the_line_that_converts_them_works(tmp_path, name, named):
    path = Path(shutil.copy(WRITTEN / name, tmp_path))
    message = refusal(path)
    assert named in message
    pytest.importorskip("torch")
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # of TorchScript
        exec(message.split("convert it once with ")[1], {})
    assert len(read(path.with_suffix(".safetensors"))) >= 1


@pytest.mark.parametrize(("shape", "strides", "first"), [
    ((5, 6), (6, 1), 0), ((4, 6), (6, 1), 1), ((10**6, 10**6), (0, 0), 0), ((2**40, 2**40), (1, 1), 0),
    ((-1, 4), (6, 1), 0), ((4, 6), (6, -1), 23), ((4,), (6, 1), 0), ((4, 6), (6, 1), -1), ((2,) * 70, (1,) * 70, 0),
    ((25, 2), (0, 1), 0)])
def test_views_beyond_their_storage_are_refused(tmp_path, tried, shape, strides, first):
    path = torch_archive(tmp_path / "w.pt", torch_pickle(shape, strides, first), {"0": NUMBERS.tobytes()})
    with takes_at_most(3_000_000):
        assert f"{path} is no whole file of PyTorch's" in refusal(path)
    tried(HOSTILE, 1)


def test_archives_that_torch_did_not_write_are_refused(tmp_path, tried):
    whole = {"0": NUMBERS.tobytes()}
    good = torch_pickle((4, 6), (6, 1))
    cases = {"no storage": torch_archive(tmp_path / "a.pt", good, {}),
             "packed or encrypted": torch_archive(tmp_path / "b.pt", good, {"0": bytes(10**7)}, b"little",
                                                  zipfile.ZIP_DEFLATED),
             "unknown byte order": torch_archive(tmp_path / "c.pt", good, whole, b"middle"),
             "torch QInt8Storage": torch_archive(tmp_path / "d.pt", torch_pickle((4, 6), (6, 1), 0, "QInt8Storage"),
                                                 whole),
             "no storage ../../a": torch_archive(tmp_path / "e.pt", torch_pickle((4, 6), (6, 1), key="../../a"), whole)}
    with zipfile.ZipFile(tmp_path / "f.pt", "w") as archive:
        archive.writestr("a/b", b"")
    np.savez(tmp_path / "g.npz", w=NUMBERS)
    shutil.copy(tmp_path / "g.npz", tmp_path / "g.pt")
    for words, path in cases.items():
        assert words in refusal(path)
        tried(HOSTILE, 1)
    for path in (tmp_path / "f.pt", tmp_path / "g.pt"):
        assert "no data.pkl" in refusal(path)
        tried(HOSTILE, 1)


def test_values_that_hold_each_other_end(tmp_path, tried):
    doubled = [{}]
    for _ in range(45):
        doubled = [doubled, doubled]
    itself = []
    itself.append(itself)
    for name, value in (("doubled", doubled), ("itself", itself)):
        path = torch_archive(tmp_path / f"{name}.pt", pickle.dumps(value, 2), {})
        assert "too many dictionaries or lists within each other" in refusal(path)
        tried(HOSTILE, 1)


def test_every_truncation_is_refused(tmp_path, many, tried):
    contents = (WRITTEN / "views2.pth").read_bytes()
    lengths = np.linspace(0, len(contents) - 1, many(25, 200)).astype(int)
    for length in lengths:
        (tmp_path / "a.pt").write_bytes(contents[:length])
        refusal(tmp_path / "a.pt")
    tried("3 truncated files refused", len(lengths))


def test_a_flipped_bit_never_gives_other_shapes(tmp_path, many, tried):
    contents = (WRITTEN / "state.pt").read_bytes()
    expected = {name: values.shape for name, values in read(WRITTEN / "state.pt").items()}
    flips, refusals = many(60, 500), []
    for place in np.random.default_rng(0).choice(8 * len(contents), flips, replace=False):
        damaged = bytearray(contents)
        damaged[place // 8] ^= 1 << place % 8
        path = tmp_path / "a.pt"
        path.write_bytes(damaged)
        try:
            shapes = {name: values.shape for name, values in read(path).items()}
        except UserError as error:
            refusals.append(str(error))
        else:
            assert shapes == expected
    assert refusals
    assert not any("\n" in message for message in refusals)
    tried("3 flipped bits, of files without a checksum: an error or the right shapes", flips)


WATCHED = """
import json, sys
from pathlib import Path
from gradnets import checkpoints
from gradnets.checkpoints import reading, torch_files  # all imports come before watching
from gradnets.errors import UserError

watching, events, outcomes = False, [], {}

def hook(event, arguments):
    if watching and not (event in ("open", "os.listdir") and str(arguments[0]).endswith(".pt")):
        events.append(f"{event} {arguments}")

for attack in sorted(Path(sys.argv[1]).iterdir()):  # numpy and zipfile import parts of theirs at first use
    try:
        checkpoints.listing(attack)
    except UserError:
        pass
    break
sys.addaudithook(hook)
for attack in sorted(Path(sys.argv[1]).iterdir()):
    events.clear()
    watching = True
    try:
        for matrix in checkpoints.matrices(attack):
            pass
        outcomes[attack.stem] = ["read", "", []]
    except Exception as error:
        outcomes[attack.stem] = [type(error).__name__, str(error), list(events)]
    watching = False
print(json.dumps(outcomes))
"""


def test_hostile_pickles_in_an_archive_run_nothing(tmp_path, tried):
    trace = tmp_path / "trace"
    (tmp_path / "files").mkdir()
    attacks = hostile(trace)
    for name, pickled in attacks.items():
        torch_archive(tmp_path / "files" / f"{name}.pt", pickled, {"0": NUMBERS.tobytes()})
    done = subprocess.run([sys.executable, "-c", WATCHED, str(tmp_path / "files")], capture_output=True, text=True,
                          timeout=300, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-500:]
    outcomes = json.loads(done.stdout)
    assert outcomes.keys() == attacks.keys()
    for name, (kind, message, events) in outcomes.items():
        assert kind == "UserError", (name, kind, message)
        assert events == [], name
        assert "\n" not in message
        assert len(message) < 1500, name
    assert not trace.exists()
    tried(HOSTILE, len(outcomes))
