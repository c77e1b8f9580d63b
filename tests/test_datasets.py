"""gradnets.datasets against gzip, struct, pickle, tarfile, networkx, scipy.ndimage, and a bad web server."""

import bz2
import contextlib
import gzip
import hashlib
import io
import itertools
import json
import os
import pickle
import re
import shutil
import struct
import subprocess
import sys
import tarfile
import threading
import warnings
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import networkx
import numpy as np
import pytest
from scipy import ndimage, stats

from gradnets import datasets

REAL = os.environ.get("GRADNETS_DATA", "")
OFFICIAL = dict(datasets.SHA256)
IDX = tuple(f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1"))


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty data folder, nothing recorded, and no way to the network."""
    chosen = tmp_path / "data"
    chosen.mkdir()
    monkeypatch.setenv("GRADNETS_DATA", str(chosen))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    closed = ("http://127.0.0.1:9/",)
    monkeypatch.setattr(datasets, "MIRRORS", {"mnist": closed, "cifar": closed})
    monkeypatch.setattr(datasets, "SHA256", dict(OFFICIAL))
    monkeypatch.setattr(datasets, "loaded", [])
    return chosen


def refused(match, *arguments, **keywords):
    """The one line with which `load` refuses."""
    with pytest.raises(datasets.DataError, match=match) as caught:
        datasets.load(*arguments, **keywords)
    message = str(caught.value)
    assert message.isprintable()
    assert len(message) < 1500
    assert datasets.loaded == []
    return message


def digest(contents):
    return hashlib.sha256(contents).hexdigest()


def files_in(place):
    return sorted(str(path.relative_to(place)) for path in place.rglob("*"))


# Arguments and records.


@pytest.mark.parametrize(
    ("match", "arguments"),
    [
        ("'glyph': expected one of glyphs, noise, .*clusters, mnist", ("glyph",)),
        ("None: expected one of", (None,)),
        (r"\['glyphs'\]: expected one of", (["glyphs"],)),
        ("split 'valid' .*'train' or 'test'", ("noise", "valid")),
        ("limit 0 .*positive whole number", ("noise", "train", 0)),
        ("limit -3 ", ("mnist", "train", -3)),
        ("limit 2.5 ", ("tree", "train", 2.5)),
        ("limit True ", ("tree", "train", True)),
        ("limit '7' ", ("tree", "train", "7")),
        ("seed -1 .*0 or greater", ("glyphs", "train", 5, -1)),
        ("seed 0.5 ", ("glyphs", "train", 5, 0.5)),
        ("seed None ", ("glyphs", "train", 5, None)),
    ],
)
def test_wrong_arguments_are_named(match, arguments):
    refused(match, *arguments)


def test_each_load_is_recorded():
    first = datasets.load("tree", limit=3)
    datasets.load("noise", "test", limit=np.uint8(4), seed=np.uint8(2))
    assert datasets.loaded == [
        {"name": "tree", "split": "train", "n": 3, "source": first.source, "sha256": first.sha256},
        {**datasets.loaded[1], "name": "noise", "split": "test", "n": 4},
    ]
    assert first.sha256 == {"arrays": digest(first.inputs.tobytes() + first.labels.tobytes())}
    with pytest.raises(AttributeError):
        first.name = "other"


def test_default_folder_is_beside_the_package(monkeypatch, tmp_path):
    monkeypatch.delenv("GRADNETS_DATA")
    monkeypatch.chdir(tmp_path)
    assert datasets._folder() == Path(datasets.__file__).resolve().parents[1] / "data"


# Sets that are made.


@pytest.mark.parametrize("name", datasets.BUILT_IN)
def test_made_sets(name):
    d, classes = (31, 4) if name in ("tree", "clusters") else (784, 10)
    train, test = datasets.load(name), datasets.load(name, "test")
    assert train.inputs.shape == (2000 if d == 31 else 10_000, d)
    assert test.inputs.shape == (2000, d)
    for one in (train, test):
        assert one.inputs.dtype == np.float64
        assert one.labels.dtype == np.int64
        assert one.labels.shape == one.inputs.shape[:1]
        assert one.classes == classes
        assert one.picture(1).shape == one.shape == ((31,) if d == 31 else (28, 28))
        assert np.array_equal(one.picture(1).ravel(), one.inputs[1])
    if d == 784:
        pixels = train.inputs * 256
        assert np.array_equal(pixels, pixels.astype(np.uint8))
    # The same seed gives the same items, fewer are the first of more, and train is not test.
    again, fewer, other = datasets.load(name), datasets.load(name, limit=333), datasets.load(name, seed=1)
    assert np.array_equal(again.inputs, train.inputs)
    assert again.sha256 == train.sha256
    assert np.array_equal(fewer.inputs, train.inputs[:333])
    assert np.array_equal(fewer.labels, train.labels[:333])
    assert not np.array_equal(other.inputs, train.inputs)
    assert not np.array_equal(test.inputs, train.inputs[:2000])
    assert len({one.sha256["arrays"] for one in (train, test, fewer, other)}) == 4


def test_glyph_templates_have_open_holes():
    holes = {4: 1, 6: 1, 8: 2, 9: 1, 0: 1}
    templates = datasets._templates()
    for font, digits in zip(datasets.FONTS, templates, strict=True):
        for digit, template in enumerate(digits):
            components = ndimage.label(template < 128)[1]
            # The 4 of the italic text font is written open.
            expected = 0 if (font, digit) == ("cmti10", 4) else holes.get(digit, 0)
            assert components == 1 + expected, (font, digit)
    rim = np.ones(templates.shape[-2:], bool)
    rim[2:-2, 2:-2] = False
    assert templates[..., rim].max() == 0


def test_glyph_templates_match_another_rasteriser():
    """FreeType's own bitmap of the same digit, stretched to the same box, covers the same cells."""
    from matplotlib import get_data_path
    from matplotlib.ft2font import FT2Font

    def cut(ink):
        rows, columns = np.nonzero(ink > 0.5)
        box = ink[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        return ndimage.zoom(box, np.divide((60, 40), box.shape), order=1) > 0.5

    for index, font in enumerate(datasets.FONTS):
        face = FT2Font(f"{get_data_path()}/fonts/ttf/{font}.ttf")
        face.set_size(64, 72)
        for digit in range(10):
            face.clear()
            face.set_text(str(digit))
            face.draw_glyphs_to_bitmap(antialiased=True)
            theirs = cut(np.asarray(face.get_image()) / 255)
            ours = cut(datasets._templates()[index, digit] / 400)
            assert (theirs & ours).sum() / (theirs | ours).sum() > 0.6, (font, digit)


def test_glyphs_look_like_mnist():
    glyphs = datasets.load("glyphs", limit=5000)
    images = glyphs.inputs.reshape(-1, 28, 28)
    assert np.array_equal(np.sort(glyphs.labels.reshape(-1, 10)), np.tile(np.arange(10), (500, 1)))
    rim = np.ones((28, 28), bool)
    rim[1:-1, 1:-1] = False
    assert images[:, rim].max() == 0  # inside, on black
    assert images.max(axis=(1, 2)).min() > 0.6  # every stroke is bright somewhere
    assert 0.15 < (images > 0).mean() < 0.23  # MNIST: 0.191
    assert 0.10 < images.mean() < 0.16  # MNIST: 0.131
    middle = [ndimage.center_of_mass(image) for image in images[:500]]
    assert np.abs(np.mean(middle, axis=0) - 13.5).max() < 0.5
    assert np.abs(np.array(middle) - 13.5).max() < 4.5
    assert len(np.unique(images, axis=0)) == 5000


def test_glyphs_can_be_learned():
    """Least squares on the pixels, the simplest reader there is, reads unseen digits."""
    train, test = datasets.load("glyphs"), datasets.load("glyphs", "test")
    design = train.inputs - train.inputs.mean(axis=0)
    gram = design.T @ design + 10 * np.eye(784)
    weights = np.linalg.solve(gram, design.T @ np.eye(10)[train.labels])
    guesses = ((test.inputs - train.inputs.mean(axis=0)) @ weights).argmax(axis=1)
    assert (guesses == test.labels).mean() > 0.9


def test_noise_is_uniform():
    noise, constant = datasets.load("noise", limit=3000), datasets.load("noise-constant", limit=3000)
    counts = np.bincount((noise.inputs * 256).astype(int).ravel(), minlength=256)
    assert stats.chisquare(counts).pvalue > 1e-4
    assert stats.chisquare(np.bincount(noise.labels, minlength=10)).pvalue > 1e-4
    assert np.array_equal(constant.inputs, noise.inputs)
    assert not constant.labels.any()
    assert constant.classes == 10


def test_tree_follows_its_rules():
    tree = datasets.load("tree", limit=20_000)
    x = tree.inputs
    assert set(np.unique(x)) == {-1, 1}
    assert len(np.unique(x, axis=0)) == 16
    # One class for each pattern of the first seven features, and the other way round.
    patterns = {(tuple(row), label) for row, label in zip(x[:, :7], tree.labels, strict=True)}
    assert len(patterns) == len({row for row, _ in patterns}) == len({label for _, label in patterns}) == 4
    assert np.array_equal(x[:, 1], x[:, 0])
    assert np.array_equal(x[:, 2], -x[:, 0])
    assert stats.binomtest(int((x[:, 0] == 1).sum()), len(x), 0.5).pvalue > 1e-4
    for node in range(1, 15):
        on, children = x[:, node] == 1, x[:, [2 * node + 1, 2 * node + 2]]
        assert (children[~on] == -1).all()
        assert (children[on].sum(axis=1) == 0).all()
        assert stats.binomtest(int((children[on, 0] == 1).sum()), int(on.sum()), 0.7).pvalue > 1e-4


def test_clusters_count_ancestors():
    groups = np.split(np.arange(31), np.cumsum([8, 7, 9]))
    inputs, labels = datasets._clusters(4000, np.random.default_rng(1), np.random.default_rng(2))
    centres = np.repeat([(-4, -4), (-4, 4), (4, -4), (4, 4)], [8, 7, 9, 7], axis=0)
    points = centres + np.random.default_rng(2).standard_normal((31, 2))
    graph = networkx.DiGraph()
    graph.add_nodes_from(range(31))
    pairs = [(i, j) for j in range(31) for i in range(j)]
    graph.add_edges_from((i, j) for i, j in pairs if np.hypot(*(points[i] - points[j])) <= 1.5)
    for label, group in enumerate(groups):
        row = np.full(31, -1.0)
        row[group] = [max(1, len(networkx.ancestors(graph, j))) for j in group]
        assert (inputs[labels == label] == row).all()
        assert row.max() > 2
    assert stats.chisquare(np.bincount(labels, minlength=4)).pvalue > 1e-4
    train, test = datasets.load("clusters"), datasets.load("clusters", "test")
    assert np.array_equal(np.unique(train.inputs, axis=0), np.unique(test.inputs, axis=0))


# Small files in the real layouts.


def idx(values):
    magic = 2049 if values.ndim == 1 else 2051
    return struct.pack(f">{1 + values.ndim}I", magic, *values.shape) + values.tobytes()


def write_mnist(folder, packed=True, place="mnist"):
    """A small MNIST whose checksums are the known ones: file name -> array."""
    rng = np.random.default_rng(3)
    arrays = {}
    for images, labels, n in ((*IDX[:2], 12), (*IDX[2:], 5)):
        arrays[images] = rng.integers(0, 256, (n, 28, 28), dtype=np.uint8)
        arrays[labels] = rng.integers(0, 10, n, dtype=np.uint8)
    (folder / place).mkdir(exist_ok=True)
    for name, values in arrays.items():
        put_idx(folder / place, name, idx(values), packed)
    return arrays


def put_idx(place, name, contents, packed=True):
    datasets.SHA256[name] = digest(contents)
    if packed:
        contents = gzip.compress(contents)
        datasets.SHA256[name + ".gz"] = digest(contents)
    (place / (name + ".gz" * packed)).write_bytes(contents)


def short(text):
    return b"U" + bytes([len(text)]) + text


def number(value):
    return b"J" + struct.pack("<i", value)


def python2_array(values, code):
    """An array as Python 2 pickled it, protocol 2: byte strings throughout."""
    head = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85" + short(b"b") + b"tR(K\x01"
    shape = b"(" + b"".join(number(side) for side in values.shape) + b"t"
    order = b"|" if code.endswith(b"1") else b"<"
    dtype = b"cnumpy\ndtype\n(" + short(code) + b"K\x00K\x01tR(K\x03" + short(order) + b"NNN"
    raw = b"I00\nT" + struct.pack("<I", values.nbytes) + values.tobytes()
    return head + shape + dtype + number(-1) + number(-1) + b"K\x00tb" + raw + b"tb"


def python2_batch(n=7, key=b"labels", classes=10, seed=4):
    rng = np.random.default_rng(seed)
    images, labels = rng.integers(0, 256, (n, 3072), dtype=np.uint8), rng.integers(0, classes, n).tolist()
    listed = b"]q\x02(" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
    names = b"](" + b"".join(short(b"%04d.png" % i) for i in range(n)) + b"e"
    head = b"\x80\x02}q\x01(" + short(b"batch_label") + short(b"training batch 1 of 5") + short(key) + listed
    tail = short(b"data") + python2_array(images, b"u1") + short(b"filenames") + names + b"u."
    return head + tail, images, labels


def write_cifar10(folder, batches=(1,)):
    place = folder / "cifar-10-batches-py"
    place.mkdir()
    written = [(f"data_batch_{k}", *python2_batch(6 + k, seed=k)) for k in batches]
    written.append(("test_batch", *python2_batch(5, seed=9)))
    for name, contents, _, _ in written:
        (place / name).write_bytes(contents)
    return {name: (contents, images, labels) for name, contents, images, labels in written}


def legacy_pickle():
    """A small mnist.pkl: its contents, and (images uint8, labels) of its three parts."""
    rng = np.random.default_rng(6)
    parts = [(rng.integers(0, 256, (n, 784), dtype=np.uint8), rng.integers(0, 10, n)) for n in (9, 4, 3)]
    pairs = [python2_array((images / 256).astype("<f4"), b"f4") + python2_array(labels, b"i8") + b"\x86"
             for images, labels in parts]
    return b"\x80\x02" + b"".join(pairs) + b"\x87.", parts


def unpickle(contents):
    """The standard library's reading, the oracle for files we trust because we wrote them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy.core has moved
        return pickle.loads(contents, encoding="bytes")


# MNIST.


@pytest.mark.parametrize(("packed", "place"), [(True, "mnist"), (False, "mnist"), (True, "."), (False, ".")])
def test_mnist_is_read(folder, packed, place):
    arrays = write_mnist(folder, packed, place)
    for split, images, labels in (("train", *IDX[:2]), ("test", *IDX[2:])):
        read = datasets.load("mnist", split)
        assert np.array_equal(read.inputs, arrays[images].reshape(-1, 784) / 256)
        assert np.array_equal(read.labels, arrays[labels])
        assert read.inputs.dtype == np.float64
        assert read.labels.dtype == np.int64
        assert read.classes == 10
        assert read.sha256 == {name: digest(idx(arrays[name])) for name in (images, labels)}
        assert images in read.source
    few = datasets.load("mnist", limit=4)
    assert np.array_equal(few.inputs, arrays[IDX[0]][:4].reshape(4, 784) / 256)
    assert len(datasets.load("mnist", limit=100).labels) == 12  # at most, not exactly


@pytest.mark.parametrize(
    ("match", "name", "contents"),
    [
        ("too few", IDX[0], b"\0\0\x08\x03"),
        ("header says", IDX[0], idx(np.zeros(12, np.uint8)) + bytes(10)),
        ("header says", IDX[0], idx(np.zeros((12, 28, 27), np.uint8))),
        ("header says", IDX[0], idx(np.zeros((0, 28, 28), np.uint8))),
        ("expected 9424 for 12 items", IDX[0], idx(np.zeros((12, 28, 28), np.uint8))[:-1]),
        ("expected 9424 for 12 items", IDX[0], idx(np.zeros((12, 28, 28), np.uint8)) + b"\0"),
        ("bytes, expected 3367254359296 for", IDX[0], struct.pack(">4I", 2051, 2**32 - 1, 28, 28)),
        ("12 labels for the 13 images", IDX[0], idx(np.zeros((13, 28, 28), np.uint8))),
        ("header says", IDX[1], idx(np.zeros((12, 1, 1), np.uint8))),
        ("expected 20 for 12 items", IDX[1], idx(np.zeros(12, np.uint8)) + b"\0"),
        ("label 10, expected 0 to 9", IDX[1], idx(np.arange(12, dtype=np.uint8).clip(0, 10))),
    ],
)
def test_mnist_headers_are_checked(folder, match, name, contents):
    write_mnist(folder)
    put_idx(folder / "mnist", name, contents)
    message = refused(match, "mnist")
    assert str(folder / "mnist") in message
    assert "delete" in message


def test_wrong_checksum_is_refused(folder):
    write_mnist(folder)
    path = folder / "mnist" / (IDX[1] + ".gz")
    path.write_bytes(gzip.compress(idx(np.zeros(12, np.uint8))))
    message = refused("SHA-256 of the contents is", "mnist")
    assert f"delete {path} and run again" in message


def test_gzip_bomb_is_bounded(folder, monkeypatch):
    write_mnist(folder)
    monkeypatch.setattr(datasets, "MAX_BYTES", 100_000)
    path = folder / "mnist" / (IDX[0] + ".gz")
    path.write_bytes(gzip.compress(bytes(20_000_000)))
    assert path.stat().st_size < 100_000
    refused("more than 100000 bytes", "mnist")
    path.write_bytes(bytes(100_001))
    refused("more than 100000 bytes", "mnist")


def test_directory_in_the_place_of_a_file(folder):
    write_mnist(folder, packed=False)
    (folder / "mnist" / IDX[0]).unlink()
    (folder / "mnist" / IDX[0]).mkdir()
    refused("not a file", "mnist")


def test_legacy_pickle_is_read(folder):
    contents, parts = legacy_pickle()
    (folder / "mnist.pkl.gz").write_bytes(gzip.compress(contents))
    theirs = unpickle(contents)
    train, test = datasets.load("mnist"), datasets.load("mnist", "test")
    assert np.array_equal(train.inputs, np.concatenate([theirs[0][0], theirs[1][0]]))
    assert np.array_equal(train.labels, np.concatenate([theirs[0][1], theirs[1][1]]))
    assert np.array_equal(test.inputs, parts[2][0] / 256)
    assert np.array_equal(test.labels, theirs[2][1])
    assert train.sha256 == {"mnist.pkl": digest(contents)}
    assert len(datasets.load("mnist", limit=10).labels) == 10
    # The IDX files come first where both are there.
    arrays = write_mnist(folder)
    assert np.array_equal(datasets.load("mnist").labels, arrays[IDX[1]])


def test_legacy_pickle_of_other_contents_is_refused(folder):
    path = folder / "mnist.pkl.gz"
    images, labels = np.zeros((4, 784), "<f4"), np.arange(4)
    good = (images, labels)
    wrong = [
        (good, good),
        (good, good, good, good),
        ((images[:3], labels), good, good),
        ((images[:, :783], labels), good, good),
        ((images[:0], labels[:0]), good, good),
        ((images + 0.3, labels), good, good),
        ((images + 1, labels), good, good),
        ((images - 1, labels), good, good),
        ((images * np.float32(np.nan), labels), good, good),
        ((images, labels + 7), good, good),
        ((images, labels - 1), good, good),
        ((images, labels.astype("<f8")), good, good),
        (([0.0], [1]), good, good),
        [],
        5,
    ]
    for thing in wrong:
        path.write_bytes(gzip.compress(pickle.dumps(thing, 2)))
        assert str(path) in refused("delete", "mnist")
    path.write_bytes(gzip.compress(pickle.dumps((good, good, good), 2)))
    assert len(datasets.load("mnist").labels) == 8


# CIFAR.


@pytest.mark.parametrize("batches", [(1,), (1, 2, 3), (1, 2, 3, 4, 5)])
def test_cifar10_is_read(folder, batches):
    written = write_cifar10(folder, batches)
    theirs = [unpickle(written[f"data_batch_{k}"][0]) for k in batches]
    train, test = datasets.load("cifar10"), datasets.load("cifar10", "test")
    assert np.array_equal(train.inputs, np.concatenate([one[b"data"] for one in theirs]) / 256)
    assert train.labels.tolist() == [label for one in theirs for label in one[b"labels"]]
    assert train.inputs.dtype == np.float64
    assert train.labels.dtype == np.int64
    assert train.classes == 10
    assert train.source == (f"CIFAR-10, cifar-10-batches-py, {len(batches)} of 5 training batches, not the published "
                            f"file{'s' * (len(batches) > 1)}")
    assert train.sha256 == {name: digest(one[0]) for name, one in written.items() if name != "test_batch"}
    assert np.array_equal(test.inputs, written["test_batch"][1] / 256)
    assert np.array_equal(train.picture(2)[5, 7], train.inputs[2, [5 * 32 + 7, 1024 + 167, 2048 + 167]])
    few = datasets.load("cifar10", limit=3)
    assert np.array_equal(few.inputs, train.inputs[:3])
    assert list(few.sha256) == ["data_batch_1"]
    assert few.source.endswith("batches, not the published file")


def test_published_batches_are_known(folder, monkeypatch):
    written = write_cifar10(folder, (1,))
    for name, (contents, *_) in written.items():
        monkeypatch.setitem(datasets.CIFAR_MD5, name, hashlib.md5(contents).hexdigest())
    assert datasets.load("cifar10").source == "CIFAR-10, cifar-10-batches-py, 1 of 5 training batches"


@pytest.mark.parametrize("batches", [(), (2,), (1, 3), (1, 2, 3, 5)])
def test_cifar10_batches_have_to_follow_each_other(folder, batches):
    write_cifar10(folder, batches)
    refused(f"batches {', '.join(map(str, batches)) or 'none'}, expected 1 to 5", "cifar10")


def test_cifar100_is_read(folder):
    (folder / "cifar-100-python").mkdir()
    contents, _, labels = python2_batch(8, b"fine_labels", 100)
    (folder / "cifar-100-python" / "train").write_bytes(contents)
    read = datasets.load("cifar100")
    assert np.array_equal(read.inputs, unpickle(contents)[b"data"] / 256)
    assert read.labels.tolist() == labels
    assert read.classes == 100
    assert read.sha256 == {"train": digest(contents)}
    assert "cannot be read" in refused_after_clearing("test", "cifar100", "test")


def refused_after_clearing(match, *arguments):
    datasets.loaded.clear()
    return refused(match, *arguments)


def test_python3_and_fortran_order_pickles_are_read(folder):
    place = folder / "cifar-10-batches-py"
    place.mkdir()
    images = np.random.default_rng(0).integers(0, 256, (5, 3072), dtype=np.uint8)
    for protocol in (1, 2):
        for data in (images, np.asfortranarray(images)):
            batch = {"data": data, "labels": [1, 2, 3, 4, 0], "filenames": ["é"] * 5}
            (place / "data_batch_1").write_bytes(pickle.dumps(batch, protocol))
            assert np.array_equal(datasets.load("cifar10").inputs, images / 256)


@pytest.mark.parametrize(
    "wrong",
    [
        {"data": np.zeros((2, 3072), np.int64)},
        {"data": np.zeros((2, 3071), np.uint8)},
        {"data": np.zeros((0, 3072), np.uint8), "labels": []},
        {"data": np.zeros(6144, np.uint8)},
        {"data": [0] * 6144},
        {"data": "x" * 6144},
        {"labels": [1]},
        {"labels": [1, 2, 3]},
        {"labels": [1, 10]},
        {"labels": [1, -1]},
        {"labels": [1, True]},
        {"labels": [1, "2"]},
        {"labels": (1, 2)},
        {"labels": np.array([1, 2])},
        {"labels": None},
        {"data": None},
    ],
    ids=str,
)
def test_malformed_batches_are_refused(folder, wrong):
    place = folder / "cifar-10-batches-py"
    place.mkdir()
    good = {"data": np.zeros((2, 3072), np.uint8), "labels": [1, 2]}
    (place / "data_batch_1").write_bytes(pickle.dumps(good, 2))
    assert len(datasets.load("cifar10").labels) == 2
    datasets.loaded.clear()
    (place / "data_batch_1").write_bytes(pickle.dumps({**good, **wrong}, 2))
    message = refused("delete", "cifar10")
    assert str(place / "data_batch_1") in message


# Damaged files.


def truncations(whole, count):
    return [whole[:size] for size in np.unique(np.linspace(0, len(whole) - 1, count).astype(int))]


def flips(whole, count):
    """A single bit flipped in each, half of them among the first 512 bytes, where headers are."""
    rng = np.random.default_rng(0)
    bits = [*rng.permutation(8 * min(len(whole), 512))[: count // 2], *rng.permutation(8 * len(whole))]
    flipped = []
    for bit in list(dict.fromkeys(bits))[:count]:
        flipped.append(bytearray(whole))
        flipped[-1][bit // 8] ^= 1 << bit % 8
    return flipped


def read_or_refused(name, path):
    """What `load` gives, or None where it refuses in one line that names the file."""
    datasets.loaded.clear()
    try:
        return datasets.load(name)
    except datasets.DataError as error:
        message = str(error)
    assert str(path) in message
    assert message.isprintable()
    assert datasets.loaded == []
    return None


@pytest.mark.parametrize("file", [IDX[0], IDX[0] + ".gz", IDX[1], IDX[1] + ".gz", "mnist.pkl.gz",
                                  "cifar-10-python.tar.gz"])
def test_damage_is_found_where_a_checksum_is_known(folder, many, tried, file):
    if file == "mnist.pkl.gz":
        (folder / file).write_bytes(gzip.compress(legacy_pickle()[0]))
    elif file in datasets.CIFAR["cifar10"]:
        archive_of(folder / file, good_members())
    else:
        write_mnist(folder, packed=file.endswith(".gz"))
    path = next(folder.rglob(file))
    name = "cifar10" if "cifar" in file else "mnist"
    right, whole, held = datasets.load(name), path.read_bytes(), files_in(folder)
    if name == "cifar10":
        shutil.rmtree(folder / STEM)
        held = [path.name]
    cuts, flipped = truncations(whole, many(15, 200)), flips(whole, many(40, 500))
    for damaged in (*cuts, *flipped, whole + b"\0"):
        path.write_bytes(damaged)
        read = read_or_refused(name, path)
        if read is not None:  # gzip's own header holds a time stamp, which is not content
            assert file in (IDX[0] + ".gz", IDX[1] + ".gz", "mnist.pkl.gz")
            assert damaged[10:] == whole[10:]
            assert np.array_equal(read.inputs, right.inputs)
            assert np.array_equal(read.labels, right.labels)
        assert files_in(folder) == held
    tried("3 truncated files refused", len(cuts))
    tried("3 flipped bits found, of files with a checksum", len(flipped))


@pytest.mark.parametrize("kind", [*IDX[:2], "mnist.pkl", "data_batch_1", "train"])
def test_damage_without_a_checksum_never_gives_other_shapes(folder, many, tried, monkeypatch, kind):
    """IDX files here have the checksum of the damaged one. A damaged batch is none that was published."""
    name = {"data_batch_1": "cifar10", "train": "cifar100"}.get(kind, "mnist")
    if kind in IDX:
        whole = idx(write_mnist(folder, packed=False)[kind])
        path = folder / "mnist" / kind
    elif kind == "mnist.pkl":
        whole, path = legacy_pickle()[0], folder / "mnist.pkl.gz"
    else:
        whole = python2_batch(7, b"fine_labels", 100)[0] if name == "cifar100" else python2_batch(7)[0]
        path = folder / datasets.CIFAR[name][0] / kind
        path.parent.mkdir()
        monkeypatch.setitem(datasets.CIFAR_MD5, kind, hashlib.md5(whole).hexdigest())

    def put(contents):
        path.write_bytes(gzip.compress(contents, 1) if path.suffix == ".gz" else contents)
        datasets.SHA256[kind] = digest(contents)

    put(whole)
    right = datasets.load(name)
    assert "not the published" not in right.source
    cuts, flipped = truncations(whole, many(15, 200)), flips(whole, many(60, 500))
    for contents in cuts:
        put(contents)
        assert read_or_refused(name, path) is None
    for contents in flipped:
        put(contents)
        read = read_or_refused(name, path)
        if read is not None:
            assert read.inputs.shape == right.inputs.shape
            assert read.labels.shape == right.labels.shape
            assert 0 <= read.inputs.min() <= read.inputs.max() < 1
            assert 0 <= read.labels.min() <= read.labels.max() < read.classes
            assert read.sha256 != right.sha256
            assert ("not the published" in read.source) == (name != "mnist")
    tried("3 truncated files refused", len(cuts))
    tried("3 flipped bits, of files without a checksum: an error or the right shapes", len(flipped))


# Hostile pickles.


class Calls:
    def __init__(self, function, *arguments):
        self.reduced = function, arguments

    def __reduce__(self):
        return self.reduced


class Stateful(Calls):
    def __reduce__(self):
        return (*self.reduced, {"state": 1})


def calling(name, *arguments):
    """A pickle that calls a function by its name, "module attribute"."""
    return b"c" + name.replace(" ", "\n").encode() + b"\n(" + b"".join(b"V%s\n" % str(one).encode() for one in arguments
                                                                      ) + b"tR."


DOUBLED = b"K\x01q\x00" + b"h\x00h\x00\x86q\x00" * 60  # a tuple of tuples of tuples: what walks it never ends
U1 = b"cnumpy\ndtype\n(U\x02u1K\x00K\x01tR"
NEW = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85U\x01btR"


def array_of(shape, dtype, raw):
    """A new array that is told its state; each argument is the opcodes that make it."""
    return NEW + b"(K\x01" + shape + dtype + b"\x89" + raw + b"tb"


def typed(code, order=b"|"):
    named = b"cnumpy\ndtype\n(" + short(code) + b"K\x00K\x01tR"
    return named + b"(K\x03" + short(order) + b"NNN" + 2 * number(-1) + b"K\x00tb"


def declared(shape, code=b"u1", raw=b"x" * 8, order=b"|"):
    """A batch whose array claims this shape and type."""
    sides = b"(" + b"".join(number(side) for side in shape) + b"t"
    return (b"\x80\x02}(" + short(b"labels") + b"]K\x01a" + short(b"data")
            + array_of(sides, typed(code, order), short(raw)) + b"u.")


def hostile(trace):
    """Pickles that would run something (leaving a trace), exhaust memory or time, or are no numbers."""
    touch = f"touch {trace}"
    opened = f"open({str(trace)!r}, 'w')"
    argument = b"V" + touch.encode() + b"\n"
    called = b"cos\nsystem\n" + argument + b"\x85R"
    setstate = b"}U\x0c__setstate__cos\nsystem\nsb" + argument + b"b."
    attacks = {
        f"{name} {protocol}": pickle.dumps(thing, protocol)
        for protocol in (0, 1, 2, 4, 5)
        for name, thing in {
            "os.system": Calls(os.system, touch),
            "eval": Calls(eval, opened),
            "exec": Calls(exec, opened),
            "nested": {"data": [Calls(getattr, Calls(__import__, "os"), "system")], "labels": [1]},
            "in a list": {"data": np.zeros((1, 3072), np.uint8), "labels": [Calls(os.system, touch)]},
            "open": Calls(open, str(trace), "w"),
            "state": Stateful(os.system, touch),
            "object array": {"data": np.array([1, "a", None], object), "labels": [1]},
            "code in an object array": {"data": np.array([Calls(os.system, touch)]), "labels": [1]},
            "set": {"data": {1, 2}, "labels": [1]},
        }.items()
    }
    attacks |= {name: calling(name, *arguments) for name, *arguments in (
        ("subprocess Popen", touch), ("subprocess getoutput", touch), ("os popen", touch),
        ("os execl", "/bin/sh", "sh"), ("pty spawn", touch), ("builtins compile", opened, "", "exec"),
        ("builtins __import__", "antigravity"),
        ("__builtin__ eval", opened), ("importlib import_module", "this"), ("runpy run_path", trace),
        ("timeit timeit", opened), ("pdb run", opened), ("cProfile run", opened), ("code interact",),
        ("webbrowser open", "http://127.0.0.1:9/"), ("urllib.request urlopen", "http://127.0.0.1:9/"),
        ("shutil rmtree", trace.parent), ("os remove", trace), ("pathlib Path", trace), ("ctypes CDLL", trace),
        ("os _exit", 0), ("os abort",), ("sys exit",), ("faulthandler _sigsegv",), ("marshal loads", "c"),
        ("pickle loads", "cos\\nsystem"), ("codecs decode", "x", "base64"), ("codecs open", trace, "w"),
        ("_codecs encode", "x", "zip"), ("_codecs lookup", "idna"), ("copyreg _reconstructor", "x"),
        ("copyreg add_extension", "os", "system", 1), ("functools partial", "x"), ("operator attrgetter", "system"),
        ("types FunctionType", "x"), ("numpy load", trace), ("numpy memmap", trace), ("numpy save", trace, "x"),
        ("numpy fromfile", trace), ("numpy ndarray", 8), ("numpy.testing._private.utils runstring", opened, "{}"),
        ("numpy.core.multiarray scalar", "x"), ("numpy.core.multiarray fromstring", "x"), ("joblib load", trace),
        ("torch load", trace), ("gradnets.datasets _find", trace))}
    return attacks | {
        "posix by hand": b"cposix\nsystem\n(S'" + touch.encode() + b"'\ntR.",
        "inst": b"(S'" + touch.encode() + b"'\nios\nsystem\n.",
        "obj": b"(cos\nsystem\n" + argument + b"o.",
        "newobj": b"\x80\x02cnumpy\nndarray\nK\x05\x85\x81.",
        "newobj_ex": b"\x80\x04cos\nsystem\n" + argument + b"\x85}\x92.",
        "by the stack": b"\x80\x04\x8c\x02os\x8c\x06system\x93" + argument + b"\x85R.",
        "dotted": b"\x80\x04\x8c\x05numpy\x8c\x0bf2py.sys.exit\x93.",
        "chain of getattr": (b"cbuiltins\ngetattr\n(cbuiltins\ngetattr\n(cnumpy\nndarray\nV__class__\ntR"
                             b"V__subclasses__\ntR."),
        "globals of a function": b"cbuiltins\ngetattr\n(cnumpy\nload\nV__globals__\ntR.",
        "a name with a space": b"cos system\nx\n" + argument + b"\x85R.",
        "two names in one": b"cnumpy dtype\n\n" + argument + b"\x85R.",
        "code in the place of a shape": array_of(called, U1, short(b"x")) + b".",
        "code in the place of a dtype": array_of(number(1) + b"\x85", called, short(b"x")) + b".",
        "array of a subclass": NEW.replace(b"ndarray", b"memmap") + setstate,
        "encode with another codec": b"c_codecs\nencode\n(X\x01\x00\x00\x00aX\x06\x00\x00\x00base64tR.",
        "build a global": b"cnumpy\ndtype\n}(U\x08__init__K\x01ub.",
        "build a list": b"]}b.",
        "__setstate__": U1 + setstate,
        "slots": U1 + b"N}U\x05value" + argument + b"s\x86b.",
        "persistent": b"Pname\n.",
        "persistent on the stack": b"Vname\nQ.",
        "extension": b"\x82\x01.",
        "extension of two bytes": b"\x83\x01\x00.",
        "extension of four bytes": b"\x84\x01\x00\x00\x00.",
        "next buffer": b"\x80\x05\x97\x98.",
        "huge frame": b"\x80\x04\x95" + b"\xff" * 7 + b"\x7fK\x01.",
        "huge bytes": b"\x8e" + b"\xff" * 7 + b"\x7fx.",
        "huge bytearray": b"\x96" + b"\xff" * 7 + b"\x7fx.",
        "hash of nested tuples": b"\x80\x02}" + DOUBLED + b"K\x01s.",
        "nested tuples written out": b"\x80\x02" + DOUBLED + b"]R.",
        "nested tuples as byte order": b"\x80\x02" + DOUBLED + U1 + b"(K\x03h\x00NNNtb.",
        "nested tuples as shape": b"\x80\x02" + DOUBLED + array_of(b"h\x00", U1, short(b"x")) + b".",
        "words as byte order": U1 + b"(K\x03T" + struct.pack("<I", 2**23) + b"a " * 2**22 + b"NNNtb.",
        "many arrays of the same bytes": (
            b"\x80\x02](T" + struct.pack("<I", 2**23) + bytes(2**23) + b"q\x01" + typed(b"u1") + b"q\x02"
            + array_of(number(2**23) + b"\x85", b"h\x02", b"h\x01") * 300 + b"e."),
        "memo of one hash": b"K\x01" + b"".join(b"p%d\n" % (k * (2**61 - 1)) for k in range(1, 40_000)) + b".",
        "memo index": b"]r\xff\xff\xff\x7f.",
        "negative memo index": b"]p-1\n.",
        "huge string": b"T\xff\xff\xff\x7fabc.",
        "negative string": b"T\xff\xff\xff\xffabc.",
        "huge long": b"\x8b\xff\xff\xff\x7f1.",
        "million digits": b"I" + b"9" * 10**6 + b"\n.",
        "million digits, long": b"L" + b"9" * 10**6 + b"L\n.",
        "huge shape": declared((2**31 - 1, 3072)),
        "overflowing shape": declared((2**31 - 1,) * 8),
        "many axes": declared((1,) * 70, raw=b"x"),
        "negative shape": declared((-1, 8)),
        "shape of wrong size": declared((1, 3072)),
        "no entries, huge": declared((0, 2**31 - 1), raw=b""),
        "objects by type code": declared((1,), b"O8", order=b"|"),
        "objects in a list": array_of(number(1) + b"\x85", typed(b"O8"), b"]cos\nsystem\na") + b".",
        "void": declared((1,), b"V8"),
        "text": declared((1,), b"S8"),
        "times": declared((1,), b"M8", order=b"<"),
        "bad byte order": declared((8,), order=b"*"),
        "images of bytes": pickle.dumps(((np.zeros((4, 784), np.uint8), np.arange(4)),) * 3, 2),
        "many objects": b"}" * 200_000 + b".",
        "deep": b"]" * 50_000 + b"a" * 49_999 + b".",
        "itself": b"]q\x00h\x00a.",
        "empty stack": b".",
        "no mark": b"]e.",
        "no memo": b"h\x07.",
        "odd dictionary": b"}(U\x01au.",
        "not a pickle": b"<!DOCTYPE html><html>404</html>",
        "zeros": bytes(1000),
        "empty": b"",
    }


# Loads each pickle of a folder in the place of a data file, within 200 MB and 20 s each, and says how it was refused
# and what Python reported of it: imports, calls, processes, sockets, files.
WATCHED = """
import codecs, json, resource, signal, sys
from pathlib import Path
from gradnets import datasets

attacks, place, which = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
datasets.MAX_OPCODES, datasets.MAX_BYTES = 150_000, 2**24
watching, seen = False, []
allowed = str(place)

def hook(event, arguments):
    if watching and not (event == "open" and str(arguments[0]) == allowed and arguments[1] in ("r", "rb")):
        seen.append(f"{event} {arguments}")

for encoding in ("ascii", "raw-unicode-escape"):  # Python imports an encoding when it first meets it
    codecs.lookup(encoding)
sys.addaudithook(hook)
taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + 200 * 2**20,) * 2)
outcome = {}
for attack in sorted(attacks.iterdir()):
    place.write_bytes(attack.read_bytes())
    seen.clear()
    signal.alarm(20)
    watching = True
    try:
        datasets.load(which)
        outcome[attack.name] = ["read", "", []]
    except Exception as error:
        outcome[attack.name] = [type(error).__name__, str(error), list(seen)]
    watching = False
signal.alarm(0)
print(json.dumps(outcome))
"""


def test_hostile_pickles_are_refused(folder, tmp_path, many, tried):
    trace = tmp_path / "trace"
    attacks = hostile(trace)
    assert len(set(attacks.values())) == len(attacks) > 120
    places = {"cifar10": folder / STEM / "data_batch_1", "mnist": folder / "mnist.pkl.gz"}
    (folder / STEM).mkdir()
    for which in list(places)[:many(1, 2)]:
        place, pickles = places[which], tmp_path / which
        pickles.mkdir()
        for name, contents in attacks.items():
            (pickles / name).write_bytes(contents if which == "cifar10" else gzip.compress(contents, 1))
        done = subprocess.run([sys.executable, "-c", WATCHED, pickles, place, which], capture_output=True, text=True,
                              timeout=300)
        assert done.returncode == 0, done.stderr[-500:]
        outcome = json.loads(done.stdout)
        assert outcome.keys() == attacks.keys()
        for name, (kind, message, events) in outcome.items():
            assert kind == "DataError", (name, kind, message)
            assert events == [], name
            assert message.startswith(f"{place}: "), name
            assert "delete" in message, name
            assert message.isprintable(), name
            assert len(message) < 1500, name
            assert ("more than 150000 opcodes" in message) == (name == "many objects"), name
        assert not trace.exists()
        tried("1 hostile pickles refused without a side effect", len(outcome))


def test_hostile_pickles_are_live(tmp_path):
    """The standard library steps into them."""
    trace = tmp_path / "trace"
    attacks = hostile(trace)
    live = ("os.system 2", "eval 0", "exec 5", "open 4", "posix by hand", "inst", "obj", "by the stack",
            "subprocess getoutput", "__builtin__ eval", "code in the place of a shape", "in a list 1")
    for name in live:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with contextlib.suppress(TypeError):
                pickle.loads(attacks[name])
        assert trace.exists(), name
        trace.unlink()


# Archives.


def archive_of(path, members):
    """A .tar.gz of (TarInfo or name, contents), whose checksum becomes the known one."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for member, contents in members:
            info = tarfile.TarInfo(member) if isinstance(member, str) else member
            if info.isfile():
                info.size = len(contents)
            tar.addfile(info, io.BytesIO(contents) if info.isfile() else None)
    path.write_bytes(buffer.getvalue())
    datasets.SHA256[path.name] = digest(buffer.getvalue())


def entry(name, kind, target=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


STEM = "cifar-10-batches-py"


def good_members():
    return [(entry(STEM, tarfile.DIRTYPE), b"")] + [
        (f"{STEM}/{name}", python2_batch(4, seed=k)[0])
        for k, name in enumerate([*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"])
    ]


def test_archive_is_unpacked(folder):
    archive_of(folder / "cifar-10-python.tar.gz", good_members())
    read = datasets.load("cifar10")
    assert read.source.endswith("5 of 5 training batches, not the published files")
    assert np.array_equal(read.inputs[4:8], python2_batch(4, seed=1)[1] / 256)
    assert files_in(folder) == sorted(["cifar-10-python.tar.gz", *(name if isinstance(name, str) else STEM
                                                                   for name, _ in good_members())])
    (folder / "cifar-10-python.tar.gz").unlink()
    assert len(datasets.load("cifar10", "test").labels) == 4


HOSTILE_MEMBERS = [
    "../evil",
    f"{STEM}/../../evil",
    f"{STEM}/..",
    f"{STEM}/../{STEM}/../../../evil",
    "/tmp/gradnets-evil",
    "//tmp/gradnets-evil",
    "evil",
    f"{STEM}/deeper/evil",
    "../" * 40 + "tmp/gradnets-evil",  # longer than a plain header holds
    "..\\evil",
    entry(f"{STEM}/link", tarfile.SYMTYPE, "/etc/passwd"),
    entry(f"{STEM}/link", tarfile.SYMTYPE, "../../evil"),
    entry(f"{STEM}/link", tarfile.SYMTYPE, "data_batch_1"),
    entry(f"{STEM}/hard", tarfile.LNKTYPE, "/etc/passwd"),
    entry(f"{STEM}/hard", tarfile.LNKTYPE, f"{STEM}/data_batch_1"),
    entry(f"{STEM}/device", tarfile.CHRTYPE),
    entry(f"{STEM}/disk", tarfile.BLKTYPE),
    entry(f"{STEM}/fifo", tarfile.FIFOTYPE),
    entry("../evil", tarfile.DIRTYPE),
    entry("/tmp/gradnets-evil", tarfile.DIRTYPE),
    entry(STEM, tarfile.SYMTYPE, "/tmp"),
    entry(STEM, tarfile.SYMTYPE, ".."),
    entry(STEM, tarfile.LNKTYPE, "/tmp"),
]


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize(
    "member", HOSTILE_MEMBERS,
    ids=lambda member: member if isinstance(member, str) else f"{member.name} {member.type} {member.linkname}",
)
def test_hostile_archives_are_refused(folder, tried, member, first):
    path = folder / "cifar-10-python.tar.gz"
    archive_of(path, [(member, b"evil"), *good_members()] if first else [*good_members(), (member, b"evil")])
    assert str(path) in refused("does not belong there", "cifar10")
    assert files_in(folder.parent) == ["data", "data/cifar-10-python.tar.gz"]
    assert not os.path.exists("/tmp/gradnets-evil")
    tried("5 hostile archives refused, nothing written outside", 1)


def pax(**headers):
    info = tarfile.TarInfo(f"{STEM}/evil")
    info.pax_headers = {name.replace("_", "."): value for name, value in headers.items()}
    return info


def header_with(size):
    """A file's header that claims any size, in binary where octal digits do not do."""
    header = tarfile.TarInfo(f"{STEM}/evil").tobuf(tarfile.GNU_FORMAT)
    return summed(header[:124] + tarfile.itn(size, 12, tarfile.GNU_FORMAT) + header[136:])


def summed(header):
    return header[:148] + b"%06o\0 " % tarfile.calc_chksums(header)[0] + header[156:]


@pytest.mark.parametrize("case", [
    "bomb of 1000 to 1", "bomb of many members", "sparse", "sparse by extension", "negative size",
    "size to the header before", "path by extension", "link by extension", "byte 0 in a name", "time beyond the clock",
    "name too long", "headers of headers", "a huge header of headers", "a folder as a file", "a name of surrogates",
    "no members", "no archive", "another packing", "cut short",
])
def test_archives_that_lie_are_refused(folder, monkeypatch, tried, case):
    monkeypatch.setattr(datasets, "MAX_BYTES", 10**6)
    path = folder / "cifar-10-python.tar.gz"
    good, batch, said = good_members()[1:], python2_batch(4)[0], "cannot be unpacked"
    match case:
        case "bomb of 1000 to 1":
            archive_of(path, [*good, (f"{STEM}/bomb", bytes(3 * 10**7))])
            assert path.stat().st_size < 2 * 10**5
            said = "more than 1000000 bytes unpacked"
        case "bomb of many members":
            archive_of(path, [(f"{STEM}/{k}", bytes(10**5)) for k in range(300)])
            said = "more than 1000000 bytes unpacked"
        case "sparse":
            size = tarfile.itn(10**13, 12, tarfile.GNU_FORMAT)
            tar = summed(header_with(0)[:156] + b"S" + header_with(0)[157:483] + size + bytes(17)) + bytes(1024)
            said = "claims 10000000000000 bytes"
        case "sparse by extension":
            sparse = {"GNU_sparse_major": "1", "GNU_sparse_minor": "0", "GNU_sparse_realsize": str(10**13)}
            archive_of(path, [(pax(**sparse), b"1\n0\n1\n".ljust(512, b"\0")), *good])
            said = "claims 10000000000000 bytes"
        case "negative size" | "size to the header before":
            size = -1 if case == "negative size" else -512
            tar = header_with(size) + bytes(10240)
            said = f"claims {size} bytes"
        case "path by extension":
            archive_of(path, [(pax(path="/tmp/gradnets-evil"), b"evil"), *good])
            said = "'/tmp/gradnets-evil', which does not belong there"
        case "link by extension":
            info = pax(path=f"{STEM}/link", linkpath="/etc/passwd")
            info.type = tarfile.SYMTYPE
            archive_of(path, [(info, b""), *good])
            said = "does not belong there"
        case "byte 0 in a name":
            archive_of(path, [(pax(path=f"{STEM}/evil\0"), b"evil"), *good])
            said = "embedded null"
        case "time beyond the clock":
            archive_of(path, [*good, (pax(mtime="1e30"), b"evil")])
        case "name too long":
            archive_of(path, [(f"{STEM}/" + "x" * 5000, b"evil"), *good])
            said = "File name too long"
        case "headers of headers":
            tar = entry("x", tarfile.GNUTYPE_LONGNAME).tobuf(tarfile.GNU_FORMAT) * 1500 + bytes(1024)
        case "a huge header of headers":
            tar = summed(header_with(2**36)[:156] + b"x" + header_with(2**36)[157:]) + bytes(1024)
        case "a folder as a file":
            archive_of(path, [(STEM, b"evil"), *good])
            said = "does not belong there"
        case "a name of surrogates":
            archive_of(path, [(f"{STEM}/\udc80" + "\udcff" * 300, b"evil"), *good])
            said = "File name too long"
        case "no members":
            archive_of(path, [])
            said = f"holds no {STEM}"
        case "no archive":
            tar = b"<!DOCTYPE html>" * 100
        case "another packing":
            tar = bz2.compress(bytes(10240))
        case "cut short":
            archive_of(path, good)
            tar = gzip.decompress(path.read_bytes())[:-len(batch)]
            tar = tar[:tar.rindex(batch[:20]) + 100]
    if not path.exists() or case == "cut short":
        path.write_bytes(gzip.compress(tar))
        datasets.SHA256[path.name] = digest(path.read_bytes())
    message = refused(said, "cifar10")
    assert str(path) in message
    assert files_in(folder.parent) == ["data", f"data/{path.name}"]
    assert not os.path.exists("/tmp/gradnets-evil")
    tried("5 hostile archives refused, nothing written outside", 1)


def test_archives_of_random_headers(folder, many, tried):
    """A byte of a header changed, its sum put right, the archive's checksum known: refused, or no more than batches."""
    path, rng = folder / "cifar-10-python.tar.gz", np.random.default_rng(0)
    archive_of(path, good_members()[1:3])
    tar = gzip.decompress(path.read_bytes())
    for _ in range(many(30, 500)):
        changed = bytearray(tar)
        at, value = rng.choice([*range(110), *range(124, 136), 156, 156, *range(257, 512)]), rng.integers(256)
        changed[at] = value
        changed[:512] = summed(changed[:512])
        path.write_bytes(gzip.compress(changed, 1))
        datasets.SHA256[path.name] = digest(path.read_bytes())
        read = read_or_refused("cifar10", folder)
        assert read is None or read.inputs.shape in ((4, 3072), (8, 3072))
        assert files_in(folder.parent)[:2] == ["data", "data/cifar-10-batches-py" if (folder / STEM).exists() else
                                               f"data/{path.name}"]
        assert all(file.startswith(("data", f"data/{STEM}/")) for file in files_in(folder.parent))
        shutil.rmtree(folder / STEM, ignore_errors=True)
        assert files_in(folder.parent) == ["data", f"data/{path.name}"]
    tried("5 archives with a wrong byte in a header: refused, or nothing but batches", many(30, 500))


def test_another_process_unpacks_first(folder, monkeypatch):
    archive_of(folder / "cifar-10-python.tar.gz", good_members())
    replace = os.replace

    def late(source, target):
        shutil.copytree(source, target)
        replace(source, target)

    monkeypatch.setattr(os, "replace", late)
    assert len(datasets.load("cifar10").labels) == 20
    assert sorted(path.name for path in folder.iterdir()) == [STEM, "cifar-10-python.tar.gz"]


def test_archive_that_cannot_be_unpacked_where_it_is(folder, monkeypatch):
    archive_of(folder / "cifar-10-python.tar.gz", good_members())

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    message = refused("No space left on device", "cifar10")
    assert "make room" in message
    assert files_in(folder) == ["cifar-10-python.tar.gz"]


def test_interrupted_unpacking_leaves_nothing(folder, monkeypatch):
    archive_of(folder / "cifar-10-python.tar.gz", good_members())

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", interrupted)
        with pytest.raises(KeyboardInterrupt):
            datasets.load("cifar10")
    assert files_in(folder) == ["cifar-10-python.tar.gz"]
    assert len(datasets.load("cifar10").labels) == 20


# Downloads, from a server on this machine.


HTML = b"<!DOCTYPE html><html><body>Please sign in</body></html>"
STATUS = ("401", "403", "404", "408", "410", "429", "500", "502", "503", "504")


def answer(way, name, body):
    """The bytes with which a server answers that misbehaves in one of these ways; afterwards it hangs up."""
    def reply(content=body, status="200 OK", **headers):
        headers = {key.replace("_", "-"): value for key, value in headers.items()}
        headers = {"Content-Length": len(content), "Connection": "close"} | headers
        lines = [f"HTTP/1.1 {status}", *(f"{key}: {value}" for key, value in headers.items() if value is not None)]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + content

    def moved(where):
        return reply(b"", "302 Found", Location=where)

    return {
        "good": lambda: reply(),
        "unsized": lambda: reply(Content_Length=None),
        "in small pieces": lambda: reply(b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n",
                                         Content_Length=None, Transfer_Encoding="chunked"),
        "redirect": lambda: moved(f"/good/{name}"),
        **{status: lambda: reply(HTML, f"{way} Something \x1b[31m went wrong") for status in STATUS},
        "204": lambda: reply(b"", "204 No Content"),
        "206": lambda: reply(body[:30], "206 Partial Content", Content_Range=f"bytes 0-29/{len(body)}"),
        "304": lambda: reply(b"", "304 Not Modified"),
        "html": lambda: reply(HTML),
        "html as gzip": lambda: reply(gzip.compress(HTML), Content_Type="application/gzip"),
        "wrong": lambda: reply(body[:-1] + bytes([body[-1] ^ 1])),
        "another file": lambda: reply(gzip.compress(idx(np.zeros(5, np.uint8)))),
        "empty": lambda: reply(b""),
        "nothing": lambda: b"",
        "no answer of HTTP": lambda: b"220 ftp ready\r\n" * 20,
        "random bytes": lambda: np.random.default_rng(0).bytes(5000),
        "short": lambda: reply(body[: len(body) // 2], Content_Length=len(body)),
        "claims less": lambda: reply(Content_Length=len(body) - 1),
        "claims more": lambda: reply(Content_Length=len(body) + 1),
        "claims too much": lambda: reply(Content_Length=10**30),
        "claims no number": lambda: reply(Content_Length="many"),
        "claims less than nothing": lambda: reply(b"", Content_Length=-5),
        "broken pieces": lambda: reply(b"zz\r\n" + body, Content_Length=None, Transfer_Encoding="chunked"),
        "pieces cut short": lambda: reply(b"ffff\r\n" + body[:100], Content_Length=None, Transfer_Encoding="chunked"),
        "not packed as said": lambda: reply(HTML, Content_Encoding="gzip"),
        "bomb": lambda: reply(gzip.compress(bytes(3 * 10**7)), Content_Encoding="gzip"),
        "endless": lambda: reply(bytes(3 * 10**6), Content_Length=None),
        "too large": lambda: reply(bytes(3 * 10**6)),
        "many headers": lambda: reply(**{f"X-{k}": k for k in range(500)}),
        "long header": lambda: reply(X="x" * 10**5),
        "loop": lambda: moved(f"/loop/{name}"),
        "ring": lambda: moved(f"/gnir/{name}"),
        "gnir": lambda: moved(f"/ring/{name}"),
        "to nowhere": lambda: moved("http://127.0.0.1:9/x"),
        "to a file": lambda: moved("file:///etc/hostname"),
        "to no address": lambda: moved("http://[::1/%00\x01"),
        "to no place": lambda: reply(b"", "302 Found"),
    }[way]()


SLOW = {"silent": b"", "silent in the header": b"HTTP/1.1 200 OK\r\nContent-", "stall": None}
DRIP = {"drip": b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", "drip in the header": b"HTTP/1.1 200 OK\r\nX: "}


@pytest.fixture
def server(tmp_path, monkeypatch):
    """Serves files below `served` as the first part of the path says; `asked` lists the requests."""
    served, asked, done = tmp_path / "served", [], threading.Event()
    served.mkdir()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            _, way, name = unquote(self.path).split("/")
            asked.append(way)
            body = (served / name).read_bytes()
            with contextlib.suppress(OSError):  # who asked has hung up
                if way in DRIP:
                    self.wfile.write(DRIP[way])
                    while not done.wait(0.05):
                        self.wfile.write(b"x")
                elif way in SLOW:
                    stalled = answer("good", name, body)
                    self.wfile.write(stalled[: len(stalled) // 2] if SLOW[way] is None else SLOW[way])
                    done.wait(20)
                else:
                    self.wfile.write(answer(way, name, body))

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as web:
        web.daemon_threads = True
        thread = threading.Thread(target=web.serve_forever, args=(0.01,))
        thread.start()
        monkeypatch.setattr(datasets, "SILENCE", 0.3)
        monkeypatch.setattr(datasets, "MAX_BYTES", 10**6)
        base = f"http://127.0.0.1:{web.server_port}"

        def mirrors(*ways):
            urls = tuple(f"{base}/{way.replace(' ', '%20')}/" for way in ways)
            monkeypatch.setattr(datasets, "MIRRORS", {"mnist": urls, "cifar": urls})

        yield served, asked, mirrors
        done.set()
        web.shutdown()
        thread.join()


GOOD = ("good", "redirect", "unsized", "in small pieces")
BAD = (*STATUS, "204", "206", "304", "html", "html as gzip", "wrong", "another file", "empty", "nothing",
       "no answer of HTTP", "random bytes", "short", "claims less", "claims more", "claims too much",
       "claims no number", "claims less than nothing", "broken pieces", "pieces cut short", "not packed as said",
       "bomb", "endless", "too large", "many headers", "long header", "loop", "ring", "to nowhere", "to a file",
       "to no address", "to no place", *SLOW)


def serve_mnist(served):
    arrays = write_mnist(served, place=".")
    return arrays[IDX[0]].reshape(-1, 784) / 256


def without_redirects(asked):
    """The first of each run of the same way, where one redirects to itself or in a ring."""
    ways = ["ring" if way == "gnir" else way for way in asked]
    return [way for way, _ in itertools.groupby(ways)]


@pytest.mark.parametrize("bad", BAD)
def test_next_mirror_is_tried(folder, server, tried, bad):
    served, asked, mirrors = server
    inputs = serve_mnist(served)
    mirrors(bad, "good")
    assert np.array_equal(datasets.load("mnist").inputs, inputs)
    assert without_redirects(asked) == [bad, "good"] * 2
    assert files_in(folder) == ["mnist", f"mnist/{IDX[0]}.gz", f"mnist/{IDX[1]}.gz"]
    datasets.load("mnist")
    assert without_redirects(asked) == [bad, "good"] * 2  # the second time nothing is asked for
    tried("4 downloads from a server that misbehaves", 2)


@pytest.mark.parametrize("bad", DRIP)
def test_a_server_that_drips_is_given_up(folder, server, tried, monkeypatch, bad):
    """It is never silent for long, and would take hours."""
    served, asked, mirrors = server
    archive_of(served / "cifar-10-python.tar.gz", good_members())
    mirrors(bad, "good")
    monkeypatch.setattr(datasets, "PATIENCE", 3)
    assert len(datasets.load("cifar10").labels) == 20
    assert asked == [bad, "good"]
    shutil.rmtree(folder / STEM)
    (folder / "cifar-10-python.tar.gz").unlink()
    mirrors(bad)
    monkeypatch.setattr(datasets, "PATIENCE", 0.5)
    datasets.loaded.clear()
    refused(f"/{bad}/: gave up after 0.5 s".replace(" ", "(?: |%20)"), "cifar10")
    assert files_in(folder) == []
    tried("4 downloads from a server that misbehaves", 1 + datasets.ROUNDS)


def test_mirrors_that_fail_in_any_order(folder, server, many, tried):
    served, asked, mirrors = server
    archive_of(served / "cifar-10-python.tar.gz", good_members())
    rng, failures = np.random.default_rng(0), 0
    for _ in range(many(4, 150)):
        ways = [*rng.choice(BAD, 3, replace=False), *rng.choice(GOOD, rng.integers(2))]
        mirrors(*ways)
        if ways[-1] in GOOD:
            assert len(datasets.load("cifar10").labels) == 20
            assert files_in(folder)[0] == STEM
            shutil.rmtree(folder / STEM)
            (folder / "cifar-10-python.tar.gz").unlink()
            failures += 3
        else:
            message = refused("nor could it be downloaded", "cifar10")
            assert all(f"/{way.replace(' ', '%20')}/: " in message for way in ways)
            failures += 3 * datasets.ROUNDS
        assert files_in(folder) == []
        folder.mkdir(exist_ok=True)
        datasets.loaded.clear()
        asked.clear()
    tried("4 downloads from a server that misbehaves", failures)


@pytest.mark.parametrize("way", GOOD)
def test_good_mirror_is_enough(folder, server, way):
    served, _, mirrors = server
    inputs = serve_mnist(served)
    mirrors(way)
    assert np.array_equal(datasets.load("mnist").inputs, inputs)


def test_all_mirrors_fail(folder, server, tried):
    served, asked, mirrors = server
    serve_mnist(served)
    ways = ("403", "404", "500", "html", "wrong", "short", "stall", "silent")
    mirrors(*ways)
    message = refused("nor could it be downloaded", "mnist")
    assert asked == [*ways, *ways]
    assert f"{IDX[0]}.gz is neither in {folder / 'mnist'}" in message
    assert "glyphs, noise, noise-constant, tree, clusters" in message
    assert "403 Client Error" in message
    assert files_in(folder) == []
    tried("4 downloads from a server that misbehaves", len(asked))


def test_interrupted_download_leaves_nothing(folder, server, monkeypatch):
    served, _, mirrors = server
    serve_mnist(served)
    mirrors("good")

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(datasets._Fetch, "__call__", interrupted)
    with pytest.raises(KeyboardInterrupt):
        datasets.load("mnist")
    assert files_in(folder) == []


def test_archive_is_downloaded_and_unpacked(folder, server):
    served, asked, mirrors = server
    archive_of(served / "cifar-10-python.tar.gz", good_members())
    mirrors("404", "wrong", "good")
    assert len(datasets.load("cifar10").labels) == 20
    assert len(datasets.load("cifar10", "test").labels) == 4
    assert asked == ["404", "wrong", "good"]


def test_no_network(folder):
    message = refused("cifar-100-python.tar.gz is neither in", "cifar100")
    assert str(folder) in message
    assert "use a set that needs no files: glyphs, noise" in message


def test_folder_that_does_not_exist(monkeypatch, tmp_path):
    monkeypatch.setenv("GRADNETS_DATA", str(tmp_path / "nowhere"))
    for name in ("mnist", "cifar10", "cifar100"):
        refused(r"GRADNETS_DATA is '.*nowhere'.*no folder", name)
    assert len(datasets.load("tree", limit=5).labels) == 5


def test_folder_that_cannot_be_written(folder, monkeypatch):
    def full(*_, **__):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(datasets.tempfile, "TemporaryFile", full)
    refused("cannot write there: Read-only file system.*needs no files", "mnist")
    (folder / "mnist").rmdir()
    (folder / "mnist").write_text("in the way")
    refused("cannot write there: File exists", "mnist")


def test_known_checksums_are_documented():
    text = (Path(datasets.__file__).resolve().parents[1] / "data" / "README.md").read_text()
    found = {name: known for known, name in re.findall(r"^ {4}([0-9a-f]{64}) {2}(\S+)$", text, re.M)}
    assert found == OFFICIAL


# The real files, where they are.


def real(name, monkeypatch):
    if not (REAL and os.path.exists(os.path.join(REAL, name))):
        pytest.skip(f"GRADNETS_DATA names no folder with {name}")
    monkeypatch.setenv("GRADNETS_DATA", REAL)
    return Path(REAL, name)


@pytest.mark.parametrize(("split", "n", "first"), [("train", 60_000, [5, 0, 4]), ("test", 10_000, [7, 2, 1])])
def test_real_mnist(monkeypatch, split, n, first):
    place = real("mnist", monkeypatch)
    names = IDX[:2] if split == "train" else IDX[2:]
    images, labels = (gzip.decompress((place / (name + ".gz")).read_bytes()) for name in names)
    read = datasets.load("mnist", split)
    assert struct.unpack(">4I", images[:16]) == (2051, n, 28, 28)
    assert read.inputs.shape == (n, 784)
    assert (read.inputs * 256).astype(np.uint8).tobytes() == images[16:]
    assert read.labels.astype(np.uint8).tobytes() == labels[8:]
    assert read.labels[:3].tolist() == first
    assert read.sha256 == {names[0]: digest(images), names[1]: digest(labels)}
    assert read.sha256 == {name: OFFICIAL[name] for name in names}


@pytest.mark.parametrize(("split", "file"), [("train", "data_batch_1"), ("test", "test_batch")])
def test_real_cifar10(monkeypatch, split, file):
    place = real("cifar-10-batches-py", monkeypatch)
    contents = (place / file).read_bytes()
    theirs = unpickle(contents)
    read = datasets.load("cifar10", split, limit=len(theirs[b"labels"]))
    assert np.array_equal((read.inputs * 256).astype(np.uint8), theirs[b"data"])
    assert read.labels.tolist() == theirs[b"labels"]
    assert read.sha256 == {file: digest(contents)}


def test_what_is_at_hand(monkeypatch, tmp_path):
    monkeypatch.setenv("GRADNETS_DATA", str(tmp_path))
    assert datasets.at_hand("glyphs")
    for name, kept in (("mnist", "train-images-idx3-ubyte.gz"), ("cifar10", "cifar-10-python.tar.gz"),
                       ("cifar100", "cifar-100-python")):
        assert not datasets.at_hand(name)
        (tmp_path / kept).touch()
        assert datasets.at_hand(name)
    with pytest.raises(datasets.DataError, match="data set 'imagenet': expected one of"):
        datasets.at_hand("imagenet")
