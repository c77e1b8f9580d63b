"""Matrices read from files: the numbers that numpy, safetensors and PyTorch wrote, selected by name."""
import hashlib
import itertools
import json

import numpy as np
import pytest
from safetensors.numpy import save_file
from stored_files import entry, npy_header, raw_safetensors, read, refusal, save, takes_at_most

from gradnets import checkpoints
from gradnets.checkpoints import Tensor
from gradnets.errors import UserError


@pytest.fixture
def rng():
    return np.random.default_rng(0)


# ---- numbers ----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i1", "i8", "u2", "u8"])
def test_every_dtype_is_widened(tmp_path, rng, suffix, dtype):
    array = (100 * rng.random((5, 7))).astype(dtype)
    path = save(tmp_path / ("a" + suffix), {"w": array, "b": np.ones(7)})
    values = read(path)["w"]
    assert values.dtype == (np.float32 if dtype in ("f2", "f4") else np.float64)
    assert values.flags.c_contiguous
    np.testing.assert_array_equal(values, array)
    assert Tensor("w", (5, 7), np.dtype(dtype).name) in checkpoints.listing(path)


@pytest.mark.parametrize("save_npz", [np.savez, np.savez_compressed])
def test_an_npz_is_read_in_its_order(tmp_path, rng, save_npz):
    arrays = {"second/kernel": rng.random((300, 200)), "first": rng.random((2, 3)).astype(">f4"), "b": np.zeros(3),
              "turned": np.asfortranarray(rng.random((4, 3)))}
    save_npz(tmp_path / "a.npz", **arrays)
    assert [tensor.name for tensor in checkpoints.listing(tmp_path / "a.npz")] == list(arrays)
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
    assert checkpoints.listing(str(tmp_path / "fc1.weight.npy")) == [Tensor("fc1.weight", (3, 4), array.dtype.name)]
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
    values[0, 0] = 5  # writeable, as compiled kernels need it
    assert type(values) is np.ndarray
    assert read(path)["w"][0, 0] == 1


def test_a_listing_reads_no_numbers(tmp_path):
    with open(tmp_path / "w.npy", "wb") as file:
        header = npy_header((10**6, 10**5))
        file.write(header)
        file.truncate(len(header) + 8 * 10**11)  # a hole of 800 GB
    assert checkpoints.listing(tmp_path / "w.npy") == [Tensor("w", (10**6, 10**5), "float64")]


def test_one_member_of_an_npz_at_a_time(tmp_path):
    array = np.ones((1000, 500))
    np.savez(tmp_path / "a.npz", **{f"layer{k}": array for k in range(10)})
    with takes_at_most(2.5 * array.nbytes):  # `matrix` still holds the last one
        for k, matrix in enumerate(checkpoints.matrices(tmp_path / "a.npz")):
            assert matrix.name == f"layer{k}"


def test_bfloat16_and_float8_equal_those_of_torch(tmp_path):
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file
    values = torch.randn(30, 20, generator=torch.Generator().manual_seed(0)) * 10
    codes = torch.arange(256, dtype=torch.uint8)
    arrays = {"bfloat16": values.to(torch.bfloat16)}
    for name in ("float8_e4m3fn", "float8_e5m2"):
        every = codes.view(getattr(torch, name))
        arrays[name] = every[every.float().isfinite()].view(2, -1)
    save_file(arrays, tmp_path / "a.safetensors")
    assert all(name == dtype for name, _, dtype in checkpoints.listing(tmp_path / "a.safetensors"))
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


# ---- selection -------------------------------------------------------------------------------------------

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
def test_names_that_select_no_matrix_get_a_reason(net, layer, words):
    assert words.format(net) in refusal(net, layer)


def test_a_listing_shows_tensors_that_are_not_read(net):
    listed = {tensor.name: tensor for tensor in checkpoints.listing(net)}
    assert len(listed) == 13
    assert listed["step"].shape == ()
    assert listed["things"].dtype == "object"


def test_kernels_have_two_orders(net):
    assert refusal(net, kernels="chw") == "kernels is 'chw': expected oihw or hwio"


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_a_file_without_matrices(tmp_path, suffix):
    path = save(tmp_path / ("a" + suffix), {"b": np.ones(3)})
    assert "b has one axis" in refusal(path)
    if suffix == ".safetensors":
        assert checkpoints.listing(save(path, {})) == []
        assert "holds no tensors" in refusal(path)


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".safetensors"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_nan_and_infinity_are_counted(tmp_path, suffix, dtype):
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
    assert len(checkpoints.listing(index)) == 3
    assert list(read(index, "b*")) == ["b.weight"]
    index.write_text(json.dumps({"weight_map": shard_of | {"c": "model-00002-of-00002.safetensors"}}))
    assert "model-00002-of-00002.safetensors holds c, which it does not" in refusal(index)
    index.write_text(json.dumps({"weight_map": shard_of | {"c": "model-00003-of-00003.safetensors"}}))
    assert f"no file {tmp_path}/model-00003-of-00003.safetensors" in refusal(index)


def test_names_that_a_stack_and_a_matrix_share_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", **{"q[1]": np.ones((2, 2)), "q": np.ones((3, 2, 2))})
    assert "both q[1]: rename one" in refusal(tmp_path / "a.npz")


def test_provenance_names_each_file_that_is_read(tmp_path):
    for name in ("one", "two", "three"):
        save_file({name: np.ones((2, 3)), name + "b": np.ones((2, 3))}, tmp_path / f"{name}.safetensors")
    shards = {name + b: f"{name}.safetensors" for name in ("one", "two", "three") for b in ("", "b")}
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": shards}))

    def expected(*names):
        paths = [tmp_path / f"{name}.safetensors" for name in names]
        return [{"name": path.name, "source": str(path),
                 "sha256": {path.name: hashlib.sha256(path.read_bytes()).hexdigest()}} for path in paths]

    assert checkpoints.provenance(index, "two*,one") == expected("one", "two")
    assert checkpoints.provenance(index) == expected("one", "two", "three")
    assert checkpoints.provenance(str(tmp_path / "one.safetensors")) == expected("one")
    with pytest.raises(UserError, match="no layer 'four'"):
        checkpoints.provenance(index, "four")


def test_a_table_of_contents_counts_the_matrices(net):
    rows = {row["name"]: row for row in checkpoints.table_of_contents(net)}
    assert rows["fc1.weight"] == {"name": "fc1.weight", "shape": "4 x 3", "dtype": "float64", "matrices": 1}
    assert (rows["step"]["shape"], rows["step"]["matrices"]) == ("a single number", 0)
    np.savez(net.with_name("heads.npz"), heads=np.ones((3, 4, 5)))
    assert [row["matrices"] for row in checkpoints.table_of_contents(net.with_name("heads.npz"))] == [3]


@pytest.mark.parametrize(("flags", "path", "message"), [
    (("fc*", "oihw", False), "", "--list, --layer and --kernels need a file: name it with --weights"),
    (("*", "hwio", False), "", "--list, --layer and --kernels need a file: name it with --weights"),
    (("*", None, True), "", "--list and --layer need a file: name it with --weights"),
    (("*", "oihw", False), "", None), (("*", None, False), "", None), (("fc*", "hwio", True), "net.npz", None),
])
def test_flags_about_a_file_need_a_file(flags, path, message):
    if message is None:
        checkpoints.check_flags("weights", path, *flags)
        return
    with pytest.raises(UserError) as caught:
        checkpoints.check_flags("weights", path, *flags)
    assert str(caught.value) == message
    with pytest.raises(UserError, match="name it with --weights or --gradient"):
        checkpoints.check_flags(("weights", "gradient"), path, *flags)
