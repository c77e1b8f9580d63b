"""Matrices read from files: those that numpy, safetensors and PyTorch wrote, and what is refused of others."""
import contextlib
import hashlib
import io
import itertools
import json
import os
import pickle
import struct
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from matplotlib.text import Text
from safetensors.numpy import save_file

import grad_network
import show_stats
import weight_network
from gradnets import datasets, tensors
from gradnets.tensors import Tensor

ROOT = Path(__file__).resolve().parent.parent
HOSTILE = "2 hostile .npy, .npz and .safetensors files refused in bounded memory"
SMALL = 6_000_000  # bytes that refusing a file may take at most: parsing 4,000 brackets does 3, in Python 3.13 4.4 MB


@contextlib.contextmanager
def takes_at_most(size):
    """Memory that Python and numpy ask for in the block."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < size
    finally:
        tracemalloc.stop()


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def read(path, *args, **how):
    return {matrix.name: matrix.values for matrix in tensors.matrices(path, *args, **how)}


def refusal(path, *args, **how):
    """The message with which a file is refused: one line, that names it."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011, the message is what is returned
        read(path, *args, **how)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 700
    return message


def save(path, arrays):
    """Write arrays with the library that the suffix belongs to."""
    if path.suffix == ".npz":
        np.savez(path, **arrays)
    else:
        save_file(arrays, path)
    return path


def raw_safetensors(path, header, body=b"", length=None):
    """A .safetensors file as the format's specification has it: the header's length, the header, the numbers."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + body)
    return path


def entry(shape, begin, end, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def raw_npz(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, contents in members.items():
            archive.writestr(name + ".npy", contents)
    return path


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def npy_header(shape, descr="<f8"):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})
    return file.getvalue()


# ---- what is read -----------------------------------------------------------------------------------------

@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i1", "i8", "u2", "u8"])
def test_every_dtype_is_widened(tmp_path, rng, suffix, dtype):
    array = (100 * rng.random((5, 7))).astype(dtype)
    path = save(tmp_path / ("a" + suffix), {"w": array, "b": np.ones(7)})
    values = read(path)["w"]
    assert values.dtype == (np.float32 if dtype in ("f2", "f4") else np.float64)
    assert values.flags.c_contiguous
    np.testing.assert_array_equal(values, array)
    assert Tensor("w", (5, 7), np.dtype(dtype).name) in tensors.listing(path)


@pytest.mark.parametrize("save_npz", [np.savez, np.savez_compressed])
def test_an_npz_is_read_in_its_order(tmp_path, rng, save_npz):
    arrays = {"second/kernel": rng.random((300, 200)), "first": rng.random((2, 3)).astype(">f4"), "b": np.zeros(3),
              "turned": np.asfortranarray(rng.random((4, 3)))}
    save_npz(tmp_path / "a.npz", **arrays)
    assert [tensor.name for tensor in tensors.listing(tmp_path / "a.npz")] == list(arrays)
    values = read(tmp_path / "a.npz")
    assert list(values) == ["second/kernel", "first", "turned"]
    for name, matrix in values.items():
        np.testing.assert_array_equal(matrix, arrays[name])
        assert matrix.dtype.isnative
        assert matrix.flags.c_contiguous


@pytest.mark.parametrize("array", [np.arange(12.).reshape(3, 4), np.arange(12, dtype=">f4").reshape(3, 4),
                                   np.asfortranarray(np.arange(12, dtype=np.float16).reshape(3, 4))])
def test_an_npy_is_named_by_its_stem(tmp_path, array):
    np.save(tmp_path / "fc1.weight.npy", array)
    assert tensors.listing(str(tmp_path / "fc1.weight.npy")) == [Tensor("fc1.weight", (3, 4), array.dtype.name)]
    values = read(tmp_path / "fc1.weight.npy")["fc1.weight"]
    np.testing.assert_array_equal(values, array)
    assert values.dtype.isnative
    assert values.flags.c_contiguous


@pytest.mark.parametrize("suffix", [".npy", ".safetensors"])
def test_a_map_takes_no_memory_and_leaves_the_file_alone(tmp_path, suffix):
    path, array = tmp_path / ("w" + suffix), np.ones((2000, 1000), np.float32)
    np.save(path, array) if suffix == ".npy" else save_file({"w": array}, path)
    with takes_at_most(array.nbytes / 4):  # what the check of one block needs
        values = read(path)["w"]
    values[0, 0] = 5  # writeable, as compiled kernels like it
    assert type(values) is np.ndarray
    assert read(path)["w"][0, 0] == 1


def test_a_listing_reads_no_numbers(tmp_path):
    with open(tmp_path / "w.npy", "wb") as file:
        header = npy_header((10**6, 10**5))
        file.write(header)
        file.truncate(len(header) + 8 * 10**11)  # a hole of 800 GB
    assert tensors.listing(tmp_path / "w.npy") == [Tensor("w", (10**6, 10**5), "float64")]


def test_one_member_of_an_npz_at_a_time(tmp_path):
    array = np.ones((1000, 500))
    np.savez(tmp_path / "a.npz", **{f"layer{k}": array for k in range(10)})
    with takes_at_most(2.5 * array.nbytes):  # `matrix` still holds the one before
        for k, matrix in enumerate(tensors.matrices(tmp_path / "a.npz")):
            assert matrix.name == f"layer{k}"


def test_bfloat16_and_float8_are_those_of_torch(tmp_path):
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file
    values = torch.randn(30, 20, generator=torch.Generator().manual_seed(0)) * 10
    codes = torch.arange(256, dtype=torch.uint8)
    arrays = {"bfloat16": values.to(torch.bfloat16)}
    for name in ("float8_e4m3fn", "float8_e5m2"):
        every = codes.view(getattr(torch, name))
        arrays[name] = every[every.float().isfinite()].view(2, -1)
    save_file(arrays, tmp_path / "a.safetensors")
    assert all(name == dtype for name, _, dtype in tensors.listing(tmp_path / "a.safetensors"))
    matrices = read(tmp_path / "a.safetensors")
    for name, array in arrays.items():
        assert matrices[name].dtype == np.float32
        np.testing.assert_array_equal(matrices[name], array.float().numpy())
    save_file({"w": codes.view(torch.float8_e4m3fn).view(2, 128)}, tmp_path / "b.safetensors")
    assert "w of" in refusal(tmp_path / "b.safetensors")
    assert "has 2 NaN and 0 infinite entries of 256" in refusal(tmp_path / "b.safetensors")


def test_unaligned_numbers(tmp_path):
    values = np.arange(6, dtype=np.float32)
    path = raw_safetensors(tmp_path / "a.safetensors", {"u": entry([1], 0, 1, "U8"), "w": entry([2, 3], 1, 25)},
                           b"\0" + values.tobytes())
    matrix = read(path)["w"]
    np.testing.assert_array_equal(matrix, values.reshape(2, 3))
    assert matrix.flags.aligned


# ---- more axes than two -----------------------------------------------------------------------------------

def test_kernels_of_torch_multiply_patches(tmp_path, rng):
    torch = pytest.importorskip("torch")
    kernels, images = torch.from_numpy(rng.random((8, 3, 5, 4))), torch.from_numpy(rng.random((2, 3, 9, 10)))
    np.savez(tmp_path / "a.npz", features=kernels.numpy())
    matrix = read(tmp_path / "a.npz")["features"]
    patches = torch.nn.functional.unfold(images, (5, 4)).numpy()
    np.testing.assert_allclose(matrix @ patches, torch.nn.functional.conv2d(images, kernels).flatten(2).numpy())


def test_kernels_of_keras_multiply_patches(tmp_path, rng):
    kernels, image = rng.random((2, 3, 4, 5)), rng.random((6, 7, 4))  # height, width, in(, out)
    np.savez(tmp_path / "a.npz", kernel=kernels)
    matrix = read(tmp_path / "a.npz", kernels="hwio")["kernel"]
    assert matrix.shape == (2 * 3 * 4, 5)
    for y, x in itertools.product(range(5), range(5)):
        patch = image[y:y + 2, x:x + 3]
        np.testing.assert_allclose(patch.ravel() @ matrix, np.einsum("hwi,hwio->o", patch, kernels))


def test_one_and_three_dimensional_kernels(tmp_path, rng):
    arrays = {"Conv1D.weight": rng.random((2, 3, 4)), "cube": rng.random((2, 3, 4, 5, 6))}
    np.savez(tmp_path / "a.npz", **arrays)
    assert {n: m.shape for n, m in read(tmp_path / "a.npz").items()} == {
        "Conv1D.weight": (2, 12), "cube": (2, 360)}
    assert {n: m.shape for n, m in read(tmp_path / "a.npz", kernels="hwio").items()} == {
        "Conv1D.weight": (6, 4), "cube": (120, 6)}


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_a_stack_is_read_head_by_head(tmp_path, rng, suffix):
    heads = rng.random((4, 3, 2)).astype(np.float16)
    path = save(tmp_path / ("a" + suffix), {"heads": heads, "heads1": np.ones((2, 2))})
    for layer in ("*", "heads,heads1", "heads*"):
        matrices = read(path, layer)
        assert sorted(matrices) == ["heads1", "heads[0]", "heads[1]", "heads[2]", "heads[3]"]
        for k in range(4):
            np.testing.assert_array_equal(matrices[f"heads[{k}]"], heads[k])
    assert list(read(path, "heads[1]")) == ["heads[1]"]  # a name before it is a pattern, which heads1 would match
    assert list(read(path, "heads[[]2]")) == ["heads[2]"]


# ---- what is asked for ------------------------------------------------------------------------------------

@pytest.fixture
def net(tmp_path):
    arrays = {
        "fc1.weight": np.ones((4, 3)), "fc1.bias": np.ones(4), "fc2.weight": np.ones((2, 4)),
        "fc2.bias": np.ones(2), "a,b": np.ones((2, 2)), "step": np.array(7), "names": np.array([["a", "b"]]),
        "mask": np.ones((2, 2), bool), "none": np.ones((0, 3)), "complex": np.ones((2, 2), complex),
        "deep": np.ones((1,) * 6), "pairs": np.zeros((2, 2), [("x", "f4"), ("y", "i2")]),
        "things": np.array([[{}, []]], object)}
    np.savez(tmp_path / "net.npz", **arrays)
    return tmp_path / "net.npz"


def test_names_and_patterns(net):
    matrices = ["fc1.weight", "fc2.weight", "a,b"]
    assert list(read(net)) == matrices
    assert list(read(net, "fc2.weight, fc1.weight,fc?.weight")) == matrices[:2]  # the file's order, each once
    assert list(read(net, "[!f]*")) == ["a,b"]
    assert list(read(net, "a,b")) == ["a,b"]


@pytest.mark.parametrize(("layer", "words"), [
    ("fc1.bias", "fc1.bias of {} has one axis, (4,): expected a matrix"),
    ("fc1.weight,fc2.bias", "fc2.bias of {} has one axis, (2,): expected a matrix"),
    ("step", "step of {} has no axes, ()"),
    ("deep", "deep of {} has 6 axes"),
    ("names", "names of {} is of dtype str32: expected real numbers"),
    ("mask", "mask of {} is of dtype bool: expected real numbers"),
    ("complex", "complex of {} is of dtype complex128: expected real numbers"),
    ("pairs", "pairs of {} is of dtype void48: expected real numbers"),
    ("things", "things of {} is of dtype object: expected real numbers"),
    ("none", "none of {} is empty, (0, 3)"),
    ("fc1.wieght", "no layer 'fc1.wieght' in {}: did you mean fc1.weight"),
    ("fc*,FC*", "no layer 'FC*' in {}"),
    ("zzz", "it holds fc1.weight, fc1.bias, fc2.weight, fc2.bias, a,b, step, names, mask, none, complex and 3 more"
     ),
    ("*.bias", "'*.bias' matches no matrix of {}: fc1.bias has one axis"),
    ("", "no layer '' in {}"),
])
def test_what_is_no_matrix_is_said(net, layer, words):
    assert words.format(net) in refusal(net, layer)


def test_a_listing_shows_what_is_passed_over(net):
    listed = {tensor.name: tensor for tensor in tensors.listing(net)}
    assert len(listed) == 13
    assert listed["step"].shape == ()
    assert listed["things"].dtype == "object"


def test_kernels_have_two_orders(net):
    assert "kernels 'chw': expected 'oihw'" in refusal(net, kernels="chw")


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_a_file_without_matrices(tmp_path, suffix):
    path = save(tmp_path / ("a" + suffix), {"b": np.ones(3)})
    assert "b has one axis" in refusal(path)
    if suffix == ".safetensors":
        assert tensors.listing(save(path, {})) == []
        assert "holds no tensors" in refusal(path)


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".safetensors"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_entries_that_are_not_finite_are_counted(tmp_path, suffix, dtype):
    array = np.ones((3000, 1000), dtype)
    array[0, 0], array[-1, -2:] = np.nan, (np.inf, -np.inf)
    path = tmp_path / ("w" + suffix)
    np.save(path, array) if suffix == ".npy" else save(path, {"w": array, "good": np.ones((2, 2))})
    assert f"w of {path} has 1 NaN and 2 infinite entries of 3000000" in refusal(path, "w")
    if suffix != ".npy":
        assert list(read(path, "good")) == ["good"]


# ---- shards -----------------------------------------------------------------------------------------------

def test_shards_are_read_through_their_index(tmp_path):
    save_file({"b.weight": np.ones((2, 2)), "b.bias": np.ones(2)}, tmp_path / "model-00001-of-00002.safetensors")
    save_file({"a.weight": np.zeros((3, 2), np.float16)}, tmp_path / "model-00002-of-00002.safetensors")
    index = tmp_path / "model.safetensors.index.json"
    shard_of = {"a.weight": "model-00002-of-00002.safetensors", "b.weight": "model-00001-of-00002.safetensors",
                "b.bias": "model-00001-of-00002.safetensors"}
    index.write_text(json.dumps({"metadata": {"total_size": 60}, "weight_map": shard_of}))
    assert {name: matrix.shape for name, matrix in read(index).items()} == {"a.weight": (3, 2), "b.weight": (2, 2)}
    assert len(tensors.listing(index)) == 3
    assert list(read(index, "b*")) == ["b.weight"]
    index.write_text(json.dumps({"weight_map": shard_of | {"c": "model-00002-of-00002.safetensors"}}))
    assert "model-00002-of-00002.safetensors holds c, which it does not" in refusal(index)
    index.write_text(json.dumps({"weight_map": shard_of | {"c": "model-00003-of-00003.safetensors"}}))
    assert f"no file {tmp_path}/model-00003-of-00003.safetensors" in refusal(index)


@pytest.mark.parametrize("text", [
    "", "[]", "{", '{"weight_map": 3}', '{"weight_map": {"w": "../a.safetensors"}}',
    '{"weight_map": {"w": "model.safetensors.index.json"}}', '{"weight_map": {"w": 7}}',
    '{"weight_map": {"w": "/a.safetensors"}}', "[" * 100_000, "\udcff",
], ids=range(10))
def test_an_index_that_is_none(tmp_path, text):
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(text, encoding="utf-8", errors="surrogateescape")
    assert f"{index} is no index of a sharded checkpoint" in refusal(index)


# ---- files that are not what they say ---------------------------------------------------------------------

def test_what_is_no_file(tmp_path):
    assert f"no file {tmp_path}/missing.npy" in refusal(tmp_path / "missing.npy")
    assert f"{tmp_path} is a folder" in refusal(tmp_path)
    (tmp_path / "a.h5").touch()
    assert "a.h5 has the suffix '.h5': expected .npy, .npz, .safetensors" in refusal(tmp_path / "a.h5")
    (tmp_path / "a").touch()
    assert "a has the suffix '': expected .npy" in refusal(tmp_path / "a")


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".pkl", ".ckpt", ".bin", ".pth.tar"])
@pytest.mark.parametrize("inside", ["state_dict", "model_state_dict", "model", None])
def test_pickles_are_refused_with_the_lines_that_convert_them(tmp_path, suffix, inside):
    path = tmp_path / ("my net" + suffix)
    torch = pytest.importorskip("torch")
    tied = torch.randn(3, 4)
    state = {"a": tied, "b": tied, "turned": tied.T, "epoch": 3}
    torch.save({inside: state, "epoch": 3} if inside else state, path)
    message = refusal(path)
    assert f"{path} is pickled" in message
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


def test_names_that_a_stack_and_a_matrix_share_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", **{"q[1]": np.ones((2, 2)), "q": np.ones((3, 2, 2))})
    assert "both q[1]: rename one" in refusal(tmp_path / "a.npz")


def test_contents_of_another_format(tmp_path):
    array = np.ones((3, 4))
    np.save(tmp_path / "a.npy", array)
    np.savez(tmp_path / "b.npz", w=array)
    save_file({"w": array}, tmp_path / "c.safetensors")
    contents = {path.suffix: path.read_bytes() for path in sorted(tmp_path.iterdir())}
    for suffix, (other, data) in itertools.product(contents, contents.items()):
        path = tmp_path / ("x" + suffix)
        path.write_bytes(data)
        if other == suffix:
            assert len(read(path)) == 1
        else:
            assert str(path) in refusal(path)
            if other != ".safetensors":
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
    assert len(lengths) >= many(30, 168)  # all, of the smallest file
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
    bits = list(dict.fromkeys([*rng.permutation(ends)[:many(60, 800)], *rng.permutation(8 * len(whole))]))
    bits = bits[:many(80, 1000)]
    for bit in bits:
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        try:
            matrices = list(tensors.matrices(path))
        except ValueError as error:
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
    path.write_bytes(path.read_bytes()[:-97])  # of 96 in c: b loses one
    assert "truncated in b: its header makes it" in refusal(path)
    np.save(tmp_path / "w.npy", np.ones((3, 4), np.float32))
    (tmp_path / "w.npy").write_bytes((tmp_path / "w.npy").read_bytes()[:-1])
    assert "w.npy has 175 bytes where its header, float32 (3, 4), makes it 176" in refusal(tmp_path / "w.npy")


SAFETENSORS_LIES = [
    {"w": entry([2, 2], 0, 15)}, {"w": entry([2**40, 2**40], 0, 16)}, {"w": entry([-2, -2], 0, 16)},
    {"w": entry([2, 2], 4, 20)}, {"w": entry([2, 2], 0, 16), "v": entry([2, 2], 0, 16)},
    {"w": entry([2, 2], 0, 16, "F31")}, {"w": 3}, [], b"{" * 50_000, b"[" * 50_000, b'{"w":', b"\xff\xfe",
    {"w": entry([2, 2], 16, 0)}, {"w": entry([2, 2], -16, 0)}, {"w": entry([2.0, 2], 0, 16)},
    {"w": entry([2**63, 2], 0, 16)}, {"w": entry([2**64, 1], 0, 16)}, {"w": entry([True, 4], 0, 16)},
    {f"w{k}": entry([2, 2], 0, 16) for k in range(100)}, {"w": {"dtype": "F32", "shape": [2, 2]}},
    {"w": entry([2, 2], 0, 16), "__metadata__": {"a": 1}}, b'{"w": NaN}', "{}".encode("utf-16"), b"\0" * 100,
]


@pytest.mark.parametrize("header", SAFETENSORS_LIES, ids=range(len(SAFETENSORS_LIES)))
def test_a_safetensors_header_that_lies(tmp_path, tried, header):
    path = raw_safetensors(tmp_path / "a.safetensors", header, b"\0" * 16)
    assert f"{path}, of {path.stat().st_size} bytes, is no whole safetensors file" in refusal(path)
    tried(HOSTILE, 1)


@pytest.mark.parametrize("length", [2**20, 2**40, 2**63, 2**64 - 1])
def test_a_safetensors_header_that_is_too_long(tmp_path, tried, length):
    path = raw_safetensors(tmp_path / "a.safetensors", {"w": entry([2, 2], 0, 16)}, b"\0" * 16, length)
    with takes_at_most(SMALL):
        refusal(path)
    tried(HOSTILE, 1)


def test_dtypes_that_numpy_lacks_are_listed_and_refused(tmp_path):
    path = raw_safetensors(tmp_path / "a.safetensors", {
        "scale": entry([2, 2], 0, 4, "F8_E8M0"), "packed": entry([2, 2], 4, 6, "F4"),
        "wave": entry([2, 2], 6, 38, "C64"), "w": entry([1, 1], 38, 42)}, b"\0" * 42)
    assert [tensor.dtype for tensor in tensors.listing(path)] == ["f8_e8m0", "f4", "complex64", "float32"]
    assert list(read(path)) == ["w"]
    assert "packed of" in refusal(path, "packed")
    assert "wave of" in refusal(path, "wave")


def test_names_that_stand_twice(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("fc1.npy", npy(np.ones((2, 2))))
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("fc1.npy", npy(np.zeros((2, 2))))
    assert f"{tmp_path}/a.npz holds fc1 twice" in refusal(tmp_path / "a.npz")
    one = json.dumps({"w": entry([2, 2], 0, 16)})[1:-1]
    path = raw_safetensors(tmp_path / "a.safetensors", f"{{{one},{one}}}".encode(), b"\0" * 16)
    assert f"{path} holds w twice" in refusal(path)
    for shard, names in (("x", "w"), ("y", "vw")):
        save_file({name: np.ones((2, 2)) for name in names}, tmp_path / f"{shard}.safetensors")
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"w": "x.safetensors", "v": "y.safetensors"}}))
    assert f"{index} holds w twice" in refusal(index)


HUGE = 2**50


def written(text):
    """An .npy header as it stands, whatever numpy would say to it."""
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(text)) + text


def told(descr="'<f8'", fortran="False", shape="(3, 4)"):
    return written(f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}}}".encode())


NPY_LIES = [
    npy_header((HUGE, HUGE)), npy_header((HUGE, 2)), npy_header((-3, -4)), npy_header((3, 4), "<f7"),
    npy_header((3, 4), "|V99999999999999"), npy_header((3.5, 4)), npy_header("abc"),
    b"\x93NUMPY\x02\0\0\xe1\xf5\x05" + b" " * 10**8,
    b"\x93NUMPY\x07\0" + npy_header((3, 4))[8:], b"\x93NUMPY\x01\0\xff\xff" + b"(" * 0xFFFF,
    b"\x93NUMPY\x01\0\x00\x10" + b"(" * 0x1000, b"\x93NUMPY", b"\x93NUMPY\x01\0\x05\0{'a':",
    told(shape="(True, 12)"), told(shape="(1,) * 9"), told(shape=(1,) * 65), told(shape=(2**63, 0)),
    told(shape="(" + "9" * 4000 + ", 0)"), told(shape="(" + "9" * 5000 + ",)"), told(shape="(3L, 5L)"),
    told(shape="(" + "-" * 5000 + "3, 4)"), told(shape="__import__('os').system('true')"), told(shape="[3, 4]"),
    told(fortran="7"), told(fortran="'False'"), told("'<f8,' * 3"), told("'" + "f8," * 2000 + "'"), told("{'a': 'f8'}"),
    told("[('a', '<f8', (1000000000,))]"), told("('<f8', (1000000000,))"), told("'\\\\d'"), told("'<M8[zz]'"),
    told(shape="(3, 4), 'more': 1"), written(b"{" * 200), written(b"-" * 9000 + b"1"), written(b"\0" * 500),
    written(b"\xff\xfe" * 50), written(b"[[[]]]"), written(b""), b"\x93NUMPX" + npy_header((3, 4))[6:],
    b"\x93NUMPY\x03\0\x10\0\0\0" + b"\xff" * 16, b"\x93NUMPY\x02\0\xff\xff\xff\xff" + b"{}",
]


@pytest.mark.parametrize("header", NPY_LIES, ids=range(len(NPY_LIES)))
def test_an_npy_header_that_lies(tmp_path, tried, header):
    path = tmp_path / "w.npy"
    path.write_bytes(header + b"\0" * 96)
    archive = raw_npz(tmp_path / "a.npz", fc1=header + b"\0" * 96)
    with takes_at_most(SMALL):
        assert str(path) in refusal(path)
        assert f"fc1.npy in {archive}" in refusal(archive)
    tried(HOSTILE, 2)


def claim(path, unpacked=None, packed=None):
    """Change what an archive of one member says of its size, in both places that say it."""
    data = bytearray(path.read_bytes())
    start = data.index(b"PK\x01\x02")
    for at, size in ((start + 24, unpacked), (start + 20, packed), (22, unpacked), (18, packed)):
        if size is not None:
            data[at:at + 4] = struct.pack("<I", size)
    path.write_bytes(data)
    return path


def test_a_member_that_claims_more_than_it_holds(tmp_path):
    """Header and archive agree on four gigabytes, of which there are 96 bytes."""
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
    path = claim(raw_npz(tmp_path / "a.npz", fc1=header + b"\0" * 10**8), len(header) + 96)
    with takes_at_most(SMALL):
        assert f"fc1.npy in {path} cannot be unpacked" in refusal(path)
    path = raw_npz(tmp_path / "b.npz", fc1=header + b"\0" * 10**8)
    assert "100000128 bytes where its header, float64 (3, 4), makes it 224" in refusal(path)


def test_an_archive_that_numpy_did_not_write(tmp_path):
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02.")  # as PyTorch's .pt has it
    assert f"archive/data.pkl in {path} is no .npy array" in refusal(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("w.npy", npy(np.ones((2, 2))))
    assert f"w.npy in {path} is encrypted, commented or packed" in refusal(path)


def test_damaged_numbers_of_an_archive_are_noticed(tmp_path):
    np.savez(tmp_path / "a.npz", w=np.ones((300, 40)))
    data = bytearray((tmp_path / "a.npz").read_bytes())
    data[90_000] ^= 1
    (tmp_path / "a.npz").write_bytes(data)
    assert f"w.npy in {tmp_path}/a.npz cannot be unpacked" in refusal(tmp_path / "a.npz")
    assert len(tensors.listing(tmp_path / "a.npz")) == 1


NAMES = {"a line end": "w\nx", "a terminal's command": "w\x1b[2J", "a long one": "w" * 50_000, "direction": "w\u202e"}


@pytest.mark.parametrize("case", NAMES)
@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_names_that_spoil_a_line_are_refused(tmp_path, tried, suffix, case):
    path = save(tmp_path / ("a" + suffix), {NAMES[case]: np.ones((2, 2))})
    message = refusal(path)
    assert message.startswith(f"{path} holds the name 'w")
    assert message.isprintable()
    with pytest.raises(ValueError, match="holds the name"):
        tensors.listing(path)
    tried(HOSTILE, 1)


@pytest.mark.parametrize("shard", ["x\ny.safetensors", "x" * 5000, "x\0", "\ud800", "..", "a.bin", "a.npy"])
def test_shards_of_bad_names_are_refused(tmp_path, tried, shard):
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"w": shard}}))
    message = refusal(index)
    assert str(tmp_path) in message
    assert message.isprintable()
    tried(HOSTILE, 1)


def test_more_axes_than_can_be_shown(tmp_path):
    path = raw_safetensors(tmp_path / "a.safetensors", {"w": entry([1] * 10_000, 0, 4)}, b"\0" * 4)
    assert "w has 10000 axes, (1, 1, 1," in refusal(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read(tmp_path):
    path = save(tmp_path / "a.npz", {"w": np.ones((2, 2))})
    path.chmod(0)
    assert f"{path} cannot be read (Permission denied)" in refusal(path)


# Reads each file of a folder within 60 MB and 20 s, those of the compiled reader included, and says how it was
# refused and what Python reported of it: imports, calls, processes, and files other than that one.
WATCHED = """
import json, resource, signal, sys
import unicodedata  # which Python imports when it first parses a letter that is not ASCII
from pathlib import Path
import grad_network
import show_stats
import weight_network
from gradnets import datasets, tensors

watching, seen = None, []

def hook(event, arguments):
    if event in ("pickle.find_class", "exec", "os.system", "subprocess.Popen", "import", "socket.connect"):
        seen.append(f"{event} {arguments}"[:200] * (watching is not None))
    if event == "open" and watching is not None and str(arguments[0]) not in (watching, "<string>"):  # it quotes code
        seen.append(f"{event} {arguments}")

paths = sorted(Path(sys.argv[1]).iterdir())
warm = [path for path in paths if path.name.startswith("good")]
for path in warm:
    list(tensors.matrices(path))
sys.addaudithook(hook)
taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + 60 * 2**20,) * 2)
outcome = {}
for path in paths:
    seen.clear()
    signal.alarm(20)
    watching = str(path)
    try:
        outcome[path.name] = ["read", str(len(list(tensors.matrices(path)))), list(seen)]
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
    for k, header in enumerate(NPY_LIES):
        (folder / f"lie {k}.npy").write_bytes(header + b"\0" * 96)
        raw_npz(folder / f"lie {k}.npz", fc1=header + b"\0" * 96)
    for k, header in enumerate(SAFETENSORS_LIES):
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
        assert kind == ("read" if name.startswith("good") else "ValueError"), (name, kind, message)
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
    assert tensors.listing(tmp_path / "w.npy") == [Tensor("w", (1, 1), "object")]
    for path in (tmp_path / "w.npy", tmp_path / "a.npz"):
        assert "is of dtype object" in refusal(path)
        assert f"w of {path} is of dtype object" in refusal(path, "w")


@pytest.mark.parametrize("module", [show_stats, weight_network, grad_network], ids=lambda module: module.__name__)
def test_scripts_take_kernels_as_jax_stores_them(module, tmp_path, monkeypatch):
    np.save(tmp_path / "kernel.npy", np.random.default_rng(0).standard_t(3, (3, 3, 4, 8)))
    file = "GRADIENT" if module is grad_network else "WEIGHTS"
    for name, value in {file: str(tmp_path / "kernel.npy"), "KERNELS": "hwio", "DRAWS": 2, "REPLICATES": 2}.items():
        monkeypatch.setattr(module, name, value, raising=False)
    rows, figure, *_ = module.main()
    assert "36 x 8" in "".join([*map(str, rows), *(text.get_text() for text in figure.findobj(Text))])


def test_each_file_that_was_read_is_told_with_its_sha256(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets, "loaded", [])
    for name in ("one", "two", "three"):
        save_file({name: np.ones((2, 3)), name + "b": np.ones((2, 3))}, tmp_path / f"{name}.safetensors")
    shards = {name + b: f"{name}.safetensors" for name in ("one", "two", "three") for b in ("", "b")}
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": shards}))
    assert len(list(tensors.matrices(index, "two*,one"))) == 3
    assert datasets.loaded == [
        {"name": f"{name}.safetensors", "source": str(tmp_path / f"{name}.safetensors"),
         "sha256": {f"{name}.safetensors": hashlib.sha256((tmp_path / f"{name}.safetensors").read_bytes()).hexdigest()}}
        for name in ("one", "two")]
