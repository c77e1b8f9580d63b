"""CIFAR's batches against the standard library's pickle."""
import hashlib
import pickle

import numpy as np
import pytest
from data_files import FOLDER, digest, python2_batch, refused, unpickle, write_cifar10

from gradnets import datasets
from gradnets.datasets import cifar


@pytest.mark.parametrize("batches", [(1,), (1, 2, 3), (1, 2, 3, 4, 5)])
def test_cifar10_is_read(folder, batches):
    written = write_cifar10(folder, batches)
    expected = [unpickle(written[f"data_batch_{k}"][0]) for k in batches]
    train, test = datasets.load("cifar10"), datasets.load("cifar10", "test")
    assert np.array_equal(train.inputs, np.concatenate([batch[b"data"] for batch in expected]) / 256)
    assert train.labels.tolist() == [label for batch in expected for label in batch[b"labels"]]
    assert train.inputs.dtype == np.float64
    assert train.labels.dtype == np.int64
    assert train.classes == 10
    assert train.source == (f"CIFAR-10, cifar-10-batches-py, {len(batches)} of 5 training batches, not the published "
                            f"file{'s' * (len(batches) > 1)}")
    assert train.sha256 == {name: digest(contents) for name, (contents, *_) in written.items() if name != "test_batch"}
    assert np.array_equal(test.inputs, written["test_batch"][1] / 256)
    assert np.array_equal(train.picture(2)[5, 7], train.inputs[2, [5 * 32 + 7, 1024 + 167, 2048 + 167]])
    few = datasets.load("cifar10", limit=3)
    assert np.array_equal(few.inputs, train.inputs[:3])
    assert list(few.sha256) == ["data_batch_1"]
    assert few.source.endswith("batches, not the published file")


def test_published_batches_are_known(folder, monkeypatch):
    written = write_cifar10(folder, (1,))
    for name, (contents, *_) in written.items():
        monkeypatch.setitem(cifar.MD5, name, hashlib.md5(contents).hexdigest())
    assert datasets.load("cifar10").source == "CIFAR-10, cifar-10-batches-py, 1 of 5 training batches"


@pytest.mark.parametrize("batches", [(), (2,), (1, 3), (1, 2, 3, 5)])
def test_training_batches_follow_each_other(folder, batches):
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
    assert "cannot be read" in refused("test", "cifar100", "test")


def test_pickles_of_python_3_and_in_fortran_order_are_read(folder):
    place = folder / FOLDER
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
    place = folder / FOLDER
    place.mkdir()
    good = {"data": np.zeros((2, 3072), np.uint8), "labels": [1, 2]}
    (place / "data_batch_1").write_bytes(pickle.dumps(good, 2))
    assert len(datasets.load("cifar10").labels) == 2
    (place / "data_batch_1").write_bytes(pickle.dumps({**good, **wrong}, 2))
    message = refused("delete", "cifar10")
    assert str(place / "data_batch_1") in message


@pytest.mark.parametrize(("split", "file"), [("train", "data_batch_1"), ("test", "test_batch")])
def test_real_cifar10(real_folder, split, file):
    contents = (real_folder(FOLDER) / file).read_bytes()
    expected = unpickle(contents)
    read = datasets.load("cifar10", split, limit=500)
    assert np.array_equal((read.inputs * 256).astype(np.uint8), expected[b"data"][:500])
    assert read.labels.tolist() == expected[b"labels"][:500]
    assert read.sha256 == {file: digest(contents)}
