"""MNIST against gzip, struct and pickle."""
import gzip
import pickle
import struct

import numpy as np
import pytest
from data_files import IDX, digest, idx, legacy_pickle, refused, unpickle, write_idx, write_mnist

from gradnets import datasets
from gradnets.datasets import real_files


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
    assert len(datasets.load("mnist", limit=100).labels) == 12  # the limit is a maximum


@pytest.mark.parametrize(
    ("match", "name", "contents"),
    [
        ("too few", IDX[0], b"\0\0\x08\x03"),
        ("the header is", IDX[0], idx(np.zeros(12, np.uint8)) + bytes(10)),
        ("the header is", IDX[0], idx(np.zeros((12, 28, 27), np.uint8))),
        ("the header is", IDX[0], idx(np.zeros((0, 28, 28), np.uint8))),
        ("expected 9424 for 12 items", IDX[0], idx(np.zeros((12, 28, 28), np.uint8))[:-1]),
        ("expected 9424 for 12 items", IDX[0], idx(np.zeros((12, 28, 28), np.uint8)) + b"\0"),
        ("bytes, expected 3367254359296 for", IDX[0], struct.pack(">4I", 2051, 2**32 - 1, 28, 28)),
        ("12 labels for the 13 images", IDX[0], idx(np.zeros((13, 28, 28), np.uint8))),
        ("the header is", IDX[1], idx(np.zeros((12, 1, 1), np.uint8))),
        ("expected 20 for 12 items", IDX[1], idx(np.zeros(12, np.uint8)) + b"\0"),
        ("label 10, expected 0 to 9", IDX[1], idx(np.arange(12, dtype=np.uint8).clip(0, 10))),
    ],
)
def test_headers_are_checked(folder, match, name, contents):
    write_mnist(folder)
    write_idx(folder / "mnist", name, contents)
    message = refused(match, "mnist")
    assert str(folder / "mnist") in message
    assert "delete" in message


def test_wrong_checksum_is_refused(folder):
    write_mnist(folder)
    path = folder / "mnist" / (IDX[1] + ".gz")
    path.write_bytes(gzip.compress(idx(np.zeros(12, np.uint8))))
    message = refused("SHA-256 of the contents is", "mnist")
    assert f"delete {path} and run again" in message


def test_pickle_is_read(folder):
    contents, parts = legacy_pickle()
    (folder / "mnist.pkl.gz").write_bytes(gzip.compress(contents))
    expected = unpickle(contents)
    train, test = datasets.load("mnist"), datasets.load("mnist", "test")
    assert np.array_equal(train.inputs, np.concatenate([expected[0][0], expected[1][0]]))
    assert np.array_equal(train.labels, np.concatenate([expected[0][1], expected[1][1]]))
    assert np.array_equal(test.inputs, parts[2][0] / 256)
    assert np.array_equal(test.labels, expected[2][1])
    assert train.sha256 == {"mnist.pkl": digest(contents)}
    assert len(datasets.load("mnist", limit=10).labels) == 10
    # The IDX files come first where both are there.
    arrays = write_mnist(folder)
    assert np.array_equal(datasets.load("mnist").labels, arrays[IDX[1]])


def test_pickle_of_wrong_contents_is_refused(folder):
    path = folder / "mnist.pkl.gz"
    images, labels = np.zeros((4, 784), "<f4"), np.arange(4)
    good = (images, labels)
    wrong = [
        (good, good),
        (good, good, good, good),
        (good, good, (images, labels, labels)),
        (good, good, "ab"),
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
    for value in wrong:
        path.write_bytes(gzip.compress(pickle.dumps(value, 2), 1))
        assert str(path) in refused("delete", "mnist")
    path.write_bytes(gzip.compress(pickle.dumps((good, good, good), 2), 1))
    assert len(datasets.load("mnist").labels) == 8


@pytest.mark.parametrize(("split", "n", "limit", "first"),
                         [("train", 60_000, 3000, [5, 0, 4]), ("test", 10_000, None, [7, 2, 1])])
def test_real_mnist(real_folder, split, n, limit, first):
    place = real_folder("mnist")
    names = IDX[:2] if split == "train" else IDX[2:]
    images, labels = (gzip.decompress((place / (name + ".gz")).read_bytes()) for name in names)
    read = datasets.load("mnist", split, limit)
    size = limit or n
    assert struct.unpack(">4I", images[:16]) == (2051, n, 28, 28)
    assert read.inputs.shape == (size, 784)
    assert (read.inputs * 256).astype(np.uint8).tobytes() == images[16:16 + 784 * size]
    assert read.labels.astype(np.uint8).tobytes() == labels[8:8 + size]
    assert read.labels[:3].tolist() == first
    assert read.sha256 == {name: real_files.SHA256[name] for name in names}
    assert read.sha256 == {names[0]: digest(images), names[1]: digest(labels)}
