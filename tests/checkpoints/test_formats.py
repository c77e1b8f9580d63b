"""Files that are damaged, mislabelled or hostile end in one line that names them, and run nothing."""
import itertools
import json
import os
import pickle
import struct
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from helpers import ROOT
from safetensors.numpy import save_file
from stored_files import entry, npy, npy_header, raw_npz, raw_safetensors, read, refusal, save, takes_at_most

from gradnets import checkpoints
from gradnets.checkpoints import Tensor
from gradnets.errors import UserError

HOSTILE = "2 hostile files of tensors refused in bounded memory"
SMALL = 6_000_000  # bytes that refusing a file may take: parsing 4,000 brackets takes 3 MB, and 4.4 MB in Python 3.13
LARGE = 2 * 10**7  # bytes of what must not be unpacked or parsed


@pytest.mark.parametrize("text", [
    "", "[]", "{", '{"weight_map": 3}', '{"weight_map": {"w": "../a.safetensors"}}',
    '{"weight_map": {"w": "model.safetensors.index.json"}}', '{"weight_map": {"w": 7}}',
    '{"weight_map": {"w": "/a.safetensors"}}', "[" * 100_000, "\udcff",
], ids=range(10))
def test_an_index_without_a_weight_map_is_refused(tmp_path, text):
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(text, encoding="utf-8", errors="surrogateescape")
    assert f"{index} is no index of a sharded checkpoint" in refusal(index)


# ---- other formats, damaged files ------------------------------------------------------------------------

def test_paths_without_a_readable_file_are_refused(tmp_path):
    assert f"no file {tmp_path}/missing.npy" in refusal(tmp_path / "missing.npy")
    assert f"{tmp_path} is a folder" in refusal(tmp_path)
    (tmp_path / "a.h5").touch()
    assert "a.h5 has the suffix '.h5': expected .npy, .npz, .safetensors" in refusal(tmp_path / "a.h5")
    (tmp_path / "a").touch()
    assert "a has the suffix '': expected .npy" in refusal(tmp_path / "a")


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".ckpt", ".bin", ".pth.tar"])
@pytest.mark.parametrize("inside", ["state_dict", "model_state_dict", "model", None])
def test_old_files_of_torch_are_refused_with_the_lines_that_convert_them(tmp_path, suffix, inside):
    path = tmp_path / ("my net" + suffix)
    torch = pytest.importorskip("torch")
    tied = torch.randn(3, 4)
    state = {"a": tied, "b": tied, "turned": tied.T, "epoch": 3}
    torch.save({inside: state, "epoch": 3} if inside else state, path, _use_new_zipfile_serialization=False)
    message = refusal(path)
    assert f"{path} is a plain pickle" in message
    exec(message.split("convert it once with ")[1], {})
    matrices = read(tmp_path / "my net.safetensors")
    assert list(matrices) == ["a", "b", "turned"]
    np.testing.assert_array_equal(matrices["turned"], tied.numpy().T)


@pytest.mark.parametrize("suffix", [".pkl", ".pickle"])
def test_pickled_arrays_are_converted_without_torch(tmp_path, suffix):
    path = tmp_path / ("my net" + suffix)
    path.write_bytes(pickle.dumps({"w": np.ones((2, 3))}))
    exec(refusal(path).split("convert it once with ")[1], {})
    np.testing.assert_array_equal(read(path.with_suffix(".npz"))["w"], np.ones((2, 3)))


def test_a_suffix_of_another_format_is_noticed(tmp_path):
    array = np.ones((3, 4))
    np.save(tmp_path / "a.npy", array)
    np.savez(tmp_path / "b.npz", w=array)
    save_file({"w": array}, tmp_path / "c.safetensors")
    contents = {path.suffix: path.read_bytes() for path in sorted(tmp_path.iterdir())}
    for suffix, (true_suffix, data) in itertools.product(contents, contents.items()):
        path = tmp_path / ("x" + suffix)
        path.write_bytes(data)
        if true_suffix == suffix:
            assert len(read(path)) == 1
        else:
            assert str(path) in refusal(path)
            if true_suffix != ".safetensors":
                assert "begins like a" in refusal(path)
        path.write_bytes(b"")
        assert str(path) in refusal(path)
        path.write_text("epoch,loss\n" * 100)
        assert str(path) in refusal(path)


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".safetensors"])
def test_every_truncation_is_refused(tmp_path, many, tried, suffix):
    path, array = tmp_path / ("w" + suffix), np.arange(12.).reshape(3, 4)
    np.save(path, array) if suffix == ".npy" else save(path, {"w": array})
    whole = path.read_bytes()
    lengths = np.unique(np.linspace(0, len(whole) - 1, many(30, len(whole))).astype(int))
    assert len(lengths) >= many(30, 168)  # every length of the smallest file
    for length in lengths:
        path.write_bytes(whole[:length])
        assert str(path) in refusal(path)
    path.write_bytes(whole + b"\0")
    if suffix != ".npz":  # a zip archive may be followed by a comment
        assert str(path) in refusal(path)
    tried("3 truncated files refused", len(lengths))


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".safetensors"])
def test_a_flipped_bit_is_found_or_keeps_the_shapes(tmp_path, many, tried, suffix):
    """A .npz has checksums of its numbers, the other two have none."""
    path, rng = tmp_path / ("w" + suffix), np.random.default_rng(0)
    arrays = {"w": rng.random((30, 40))} | ({} if suffix == ".npy" else {"v": rng.random((4, 5), np.float32)})
    np.save(path, arrays["w"]) if suffix == ".npy" else save(path, arrays)
    whole = path.read_bytes()
    ends = [*range(8 * 400), *range(8 * (len(whole) - 400), 8 * len(whole))]  # headers, or a zip's directory
    bits = list(dict.fromkeys([*rng.permutation(ends)[:many(40, 800)], *rng.permutation(8 * len(whole))]))
    bits = bits[:many(55, 1000)]
    for bit in bits:
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        try:
            matrices = list(checkpoints.matrices(path))
        except UserError as error:
            message = str(error)
        else:
            message = str(path)
            shapes = sorted(matrix.values.shape for matrix in matrices)
            assert shapes == sorted(array.shape for array in arrays.values())
            if suffix == ".npz":
                for matrix in matrices:
                    assert any(np.array_equal(matrix.values, array) for array in arrays.values())
        assert str(path) in message
        assert message.isprintable()
        assert len(message) < 700
    tried("3 flipped bits, of files without a checksum: an error or the right shapes" if suffix != ".npz" else
          "3 flipped bits found, of files with a checksum", len(bits))


def test_a_truncated_tensor_is_named(tmp_path):
    path = save(tmp_path / "a.safetensors", {"a": np.ones((3, 4)), "b": np.ones((3, 4)), "c": np.ones((3, 4))})
    path.write_bytes(path.read_bytes()[:-97])  # c has 96: b loses one
    assert "truncated in b: its header makes it" in refusal(path)
    np.save(tmp_path / "w.npy", np.ones((3, 4), np.float32))
    (tmp_path / "w.npy").write_bytes((tmp_path / "w.npy").read_bytes()[:-1])
    assert "w.npy has 175 bytes where its header, float32 (3, 4), makes it 176" in refusal(tmp_path / "w.npy")


FALSE_SAFETENSORS = [
    {"w": entry([2, 2], 0, 15)}, {"w": entry([2**40, 2**40], 0, 16)}, {"w": entry([-2, -2], 0, 16)},
    {"w": entry([2, 2], 4, 20)}, {"w": entry([2, 2], 0, 16), "v": entry([2, 2], 0, 16)},
    {"w": entry([2, 2], 0, 16, "F31")}, {"w": 3}, [], b"{" * 50_000, b"[" * 50_000, b'{"w":', b"\xff\xfe",
    {"w": entry([2, 2], 16, 0)}, {"w": entry([2, 2], -16, 0)}, {"w": entry([2.0, 2], 0, 16)},
    {"w": entry([2**63, 2], 0, 16)}, {"w": entry([2**64, 1], 0, 16)}, {"w": entry([True, 4], 0, 16)},
    {f"w{k}": entry([2, 2], 0, 16) for k in range(100)}, {"w": {"dtype": "F32", "shape": [2, 2]}},
    {"w": entry([2, 2], 0, 16), "__metadata__": {"a": 1}}, b'{"w": NaN}', "{}".encode("utf-16"), b"\0" * 100,
]


@pytest.mark.parametrize("header", FALSE_SAFETENSORS, ids=range(len(FALSE_SAFETENSORS)))
def test_false_safetensors_headers_are_refused(tmp_path, tried, header):
    path = raw_safetensors(tmp_path / "a.safetensors", header, b"\0" * 16)
    assert f"{path}, of {path.stat().st_size} bytes, is no whole safetensors file" in refusal(path)
    tried(HOSTILE, 1)


@pytest.mark.parametrize("length", [2**20, 2**40, 2**63, 2**64 - 1])
def test_safetensors_headers_of_huge_length_are_refused(tmp_path, tried, length):
    path = raw_safetensors(tmp_path / "a.safetensors", {"w": entry([2, 2], 0, 16)}, b"\0" * 16, length)
    with takes_at_most(SMALL):
        refusal(path)
    tried(HOSTILE, 1)


def test_dtypes_that_numpy_lacks_are_listed_and_refused(tmp_path):
    path = raw_safetensors(tmp_path / "a.safetensors", {
        "scale": entry([2, 2], 0, 4, "F8_E8M0"), "packed": entry([2, 2], 4, 6, "F4"),
        "wave": entry([2, 2], 6, 38, "C64"), "w": entry([1, 1], 38, 42)}, b"\0" * 42)
    assert [tensor.dtype for tensor in checkpoints.listing(path)] == ["f8_e8m0", "f4", "complex64", "float32"]
    assert list(read(path)) == ["w"]
    assert "packed of" in refusal(path, "packed")
    assert "wave of" in refusal(path, "wave")


def test_names_that_occur_twice_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("fc1.npy", npy(np.ones((2, 2))))
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("fc1.npy", npy(np.zeros((2, 2))))
    assert f"{tmp_path}/a.npz holds fc1 twice" in refusal(tmp_path / "a.npz")
    text = json.dumps({"w": entry([2, 2], 0, 16)})[1:-1]
    path = raw_safetensors(tmp_path / "a.safetensors", f"{{{text},{text}}}".encode(), b"\0" * 16)
    assert f"{path} holds w twice" in refusal(path)
    for shard, names in (("x", "w"), ("y", "vw")):
        save_file({name: np.ones((2, 2)) for name in names}, tmp_path / f"{shard}.safetensors")
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"w": "x.safetensors", "v": "y.safetensors"}}))
    assert f"{index} holds w twice" in refusal(index)


HUGE = 2**50


def raw_header(text):
    """Return a .npy header with any text, which numpy would not write."""
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(text)) + text


def header_of(descr="'<f8'", fortran="False", shape="(3, 4)"):
    return raw_header(f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}}}".encode())


FALSE_NPY = [
    npy_header((HUGE, HUGE)), npy_header((HUGE, 2)), npy_header((-3, -4)), npy_header((3, 4), "<f7"),
    npy_header((3, 4), "|V99999999999999"), npy_header((3.5, 4)), npy_header("abc"),
    b"\x93NUMPY\x02\0" + struct.pack("<I", LARGE) + b" " * LARGE, b"\x93NUMPY\x07\0" + npy_header((3, 4))[8:],
    b"\x93NUMPY\x01\0\xff\xff" + b"(" * 0xFFFF, b"\x93NUMPY\x01\0\x00\x10" + b"(" * 0x1000, b"\x93NUMPY",
    b"\x93NUMPY\x01\0\x05\0{'a':", header_of(shape="(True, 12)"), header_of(shape="(1,) * 9"),
    header_of(shape=(1,) * 65), header_of(shape=(2**63, 0)), header_of(shape="(" + "9" * 4000 + ", 0)"),
    header_of(shape="(" + "9" * 5000 + ",)"), header_of(shape="(3L, 5L)"), header_of(shape="(" + "-" * 5000 + "3, 4)"),
    header_of(shape="__import__('os').system('true')"), header_of(shape="[3, 4]"), header_of(fortran="7"),
    header_of(fortran="'False'"), header_of("'<f8,' * 3"), header_of("'" + "f8," * 2000 + "'"),
    header_of("{'a': 'f8'}"), header_of("[('a', '<f8', (1000000000,))]"), header_of("('<f8', (1000000000,))"),
    header_of("'\\\\d'"), header_of("'<M8[zz]'"), header_of(shape="(3, 4), 'more': 1"), raw_header(b"{" * 200),
    raw_header(b"-" * 9000 + b"1"), raw_header(b"\0" * 500), raw_header(b"\xff\xfe" * 50), raw_header(b"[[[]]]"),
    raw_header(b""), b"\x93NUMPX" + npy_header((3, 4))[6:], b"\x93NUMPY\x03\0\x10\0\0\0" + b"\xff" * 16,
    b"\x93NUMPY\x02\0\xff\xff\xff\xff" + b"{}",
]


@pytest.mark.parametrize("header", FALSE_NPY, ids=range(len(FALSE_NPY)))
def test_false_npy_headers_are_refused(tmp_path, tried, header):
    path = tmp_path / "w.npy"
    path.write_bytes(header + b"\0" * 96)
    archive = raw_npz(tmp_path / "a.npz", fc1=header + b"\0" * 96)
    with takes_at_most(SMALL):
        assert str(path) in refusal(path)
        assert f"fc1.npy in {archive}" in refusal(archive)
    tried(HOSTILE, 2)


def claim(path, unpacked=None, packed=None):
    """Change the size that an archive states of its one member, in both places."""
    data = bytearray(path.read_bytes())
    start = data.index(b"PK\x01\x02")
    for at, size in ((start + 24, unpacked), (start + 20, packed), (22, unpacked), (18, packed)):
        if size is not None:
            data[at:at + 4] = struct.pack("<I", size)
    path.write_bytes(data)
    return path


def test_a_member_that_claims_more_than_it_holds_is_refused(tmp_path):
    """Header and archive agree on four gigabytes; the file has 96 bytes of them."""
    size = 128 + 8 * 2**29 - 256
    header = npy_header(((size - 128) // 8, 1))
    assert len(header) == 128
    path = claim(raw_npz(tmp_path / "a.npz", fc1=header + b"\0" * 96), size)
    with takes_at_most(SMALL):
        assert f"fc1.npy in {path} claims {size} bytes" in refusal(path)
    stored = tmp_path / "b.npz"
    with zipfile.ZipFile(stored, "w") as archive:
        archive.writestr("fc1.npy", header + b"\0" * 96)
    with takes_at_most(SMALL):
        assert f"fc1.npy in {stored} claims {size} bytes" in refusal(claim(stored, size, size))


def test_a_bomb_is_unpacked_no_further_than_it_claims(tmp_path):
    header = npy_header((3, 4))
    path = claim(raw_npz(tmp_path / "a.npz", fc1=header + b"\0" * LARGE), len(header) + 96)
    with takes_at_most(SMALL):
        assert f"fc1.npy in {path} cannot be unpacked" in refusal(path)
    path = raw_npz(tmp_path / "b.npz", fc1=header + b"\0" * LARGE)
    assert f"{LARGE + 128} bytes where its header, float64 (3, 4), makes it 224" in refusal(path)


def test_archives_that_numpy_did_not_write_are_refused(tmp_path):
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02.")  # as in PyTorch's .pt
    assert f"archive/data.pkl in {path} is no .npy array" in refusal(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("w.npy", npy(np.ones((2, 2))))
    assert f"w.npy in {path} is encrypted, commented or packed" in refusal(path)


def test_damaged_numbers_in_an_archive_are_noticed(tmp_path):
    np.savez(tmp_path / "a.npz", w=np.ones((300, 40)))
    data = bytearray((tmp_path / "a.npz").read_bytes())
    data[90_000] ^= 1
    (tmp_path / "a.npz").write_bytes(data)
    assert f"w.npy in {tmp_path}/a.npz cannot be unpacked" in refusal(tmp_path / "a.npz")
    assert len(checkpoints.listing(tmp_path / "a.npz")) == 1


NAMES = {"a line end": "w\nx", "a terminal's command": "w\x1b[2J", "a long one": "w" * 50_000, "direction": "w\u202e"}


@pytest.mark.parametrize("case", NAMES)
@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_names_that_spoil_a_line_are_refused(tmp_path, tried, suffix, case):
    path = save(tmp_path / ("a" + suffix), {NAMES[case]: np.ones((2, 2))})
    message = refusal(path)
    assert message.startswith(f"{path} holds the name 'w")
    assert message.isprintable()
    with pytest.raises(UserError, match="holds the name"):
        checkpoints.listing(path)
    tried(HOSTILE, 1)


@pytest.mark.parametrize("shard", ["x\ny.safetensors", "x" * 5000, "x\0", "\ud800", "..", "a.bin", "a.npy"])
def test_shards_of_bad_names_are_refused(tmp_path, tried, shard):
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"w": shard}}))
    message = refusal(index)
    assert str(tmp_path) in message
    assert message.isprintable()
    tried(HOSTILE, 1)


def test_more_axes_than_a_line_holds_are_cut(tmp_path):
    path = raw_safetensors(tmp_path / "a.safetensors", {"w": entry([1] * 10_000, 0, 4)}, b"\0" * 4)
    assert "w has 10000 axes, (1, 1, 1," in refusal(path)


@pytest.mark.parametrize("suffix", [".npy", ".safetensors"])
def test_a_file_that_becomes_shorter_while_it_is_read_is_named(tmp_path, suffix):
    path, array = tmp_path / ("w" + suffix), np.ones((300, 400))
    np.save(path, array) if suffix == ".npy" else save(path, {"w": array})
    matrices = checkpoints.matrices(path)  # has read the header
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(UserError, match="became shorter while it was read"):
        next(matrices)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_without_permission_is_refused(tmp_path):
    path = save(tmp_path / "a.npz", {"w": np.ones((2, 2))})
    path.chmod(0)
    assert f"{path} cannot be read (Permission denied)" in refusal(path)


# Reads each file of a folder within 60 MB and 20 s, including those that the compiled library reads. Prints how each
# was refused, and the imports, calls, processes and other opened files that Python reported meanwhile.
WATCHED = """
import json, resource, signal, sys
import unicodedata  # which Python imports when it first parses a letter that is not ASCII
from pathlib import Path
from gradnets import checkpoints

watching, seen = None, []

def hook(event, arguments):
    if event in ("pickle.find_class", "exec", "os.system", "subprocess.Popen", "import", "socket.connect"):
        seen.append(f"{event} {arguments}"[:200] * (watching is not None))
    if event == "open" and watching is not None and str(arguments[0]) not in (watching, "<string>"):  # it quotes code
        seen.append(f"{event} {arguments}")

paths = sorted(Path(sys.argv[1]).iterdir())
warm = [path for path in paths if path.name.startswith("good")]
for path in warm:
    list(checkpoints.matrices(path))
sys.addaudithook(hook)
taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + 60 * 2**20,) * 2)
outcome = {}
for path in paths:
    seen.clear()
    signal.alarm(20)
    watching = str(path)
    try:
        outcome[path.name] = ["read", str(len(list(checkpoints.matrices(path)))), list(seen)]
    except Exception as error:
        outcome[path.name] = [type(error).__name__, str(error), list(seen)]
    watching = None
signal.alarm(0)
print(json.dumps(outcome))
"""


class Bomb:
    def __reduce__(self):
        return os.system, ("touch unpickled",)


def test_hostile_files_run_nothing_and_take_little(tmp_path, tried):
    folder = tmp_path / "files"
    folder.mkdir()
    good = np.ones((3, 4))
    for k, header in enumerate(FALSE_NPY):
        (folder / f"lie {k}.npy").write_bytes(header + b"\0" * 96)
        raw_npz(folder / f"lie {k}.npz", fc1=header + b"\0" * 96)
    for k, header in enumerate(FALSE_SAFETENSORS):
        raw_safetensors(folder / f"lie {k}.safetensors", header, b"\0" * 16)
    for k, length in enumerate([2**20, 10**8, 10**8 + 1, 2**40, 2**63, 2**64 - 1]):
        raw_safetensors(folder / f"long {k}.safetensors", {"w": entry([2, 2], 0, 16)}, b"\0" * 16, length)
    for k, objects in enumerate([np.array([[Bomb()]], object), np.array([[1, "a"], [None, {}]], object),
                                 np.array([(Bomb(),)], [("x", object)])]):
        np.save(folder / f"objects {k}.npy", objects, allow_pickle=True)
        np.savez(folder / f"objects {k}.npz", w=objects)
    size = 128 + 8 * 2**29 - 256
    header = npy_header(((size - 128) // 8, 1))
    claim(raw_npz(folder / "claims.npz", fc1=header + b"\0" * 96), size)
    with open(folder / "hole.npy", "wb") as file:
        file.write(npy_header((10**6, 10**5), "<f4")[:100])
        file.truncate(10**11)
    np.save(folder / "good.npy", good)
    for suffix in (".npz", ".safetensors"):
        save(folder / ("good" + suffix), {"w": good})
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", WATCHED, folder], capture_output=True, text=True,
                          timeout=300, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr[-500:]
    outcome = json.loads(done.stdout)
    assert len(outcome) == len(list(folder.iterdir())) > 120
    for name, (kind, message, events) in outcome.items():
        assert kind == ("read" if name.startswith("good") else "UserError"), (name, kind, message)
        assert events == [], name
        assert message.isprintable()
        assert len(message) < 700
    assert list(tmp_path.iterdir()) == [folder]
    tried(HOSTILE, len(outcome) - 3)


def test_objects_are_never_unpickled(tmp_path):
    class Bomb:
        def __reduce__(self):
            return pytest.fail, ("unpickled",)

    np.save(tmp_path / "w.npy", np.array([[Bomb()]], object), allow_pickle=True)
    np.savez(tmp_path / "a.npz", w=np.array([[Bomb()]], object))
    assert checkpoints.listing(tmp_path / "w.npy") == [Tensor("w", (1, 1), "object")]
    for path in (tmp_path / "w.npy", tmp_path / "a.npz"):
        assert "is of dtype object" in refusal(path)
        assert f"w of {path} is of dtype object" in refusal(path, "w")
