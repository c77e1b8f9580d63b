"""Damaged files, files that are too large, and folders that are not there."""
import gzip
import hashlib
import re
import shutil

import numpy as np
import pytest
from data_files import (
    ARCHIVE,
    FOLDER,
    IDX,
    cifar10_members,
    digest,
    files_in,
    flips,
    idx,
    legacy_pickle,
    python2_batch,
    read_or_refused,
    refused,
    truncations,
    write_archive,
    write_mnist,
)
from helpers import ROOT

from gradnets import datasets
from gradnets.datasets import cifar, real_files


@pytest.mark.parametrize("file", [IDX[0], IDX[0] + ".gz", IDX[1], IDX[1] + ".gz", "mnist.pkl.gz", ARCHIVE])
def test_damage_is_found_where_a_checksum_is_known(folder, many, tried, file):
    name = "cifar10" if file == ARCHIVE else "mnist"
    if file == "mnist.pkl.gz":
        (folder / file).write_bytes(gzip.compress(legacy_pickle()[0]))
    elif file == ARCHIVE:
        write_archive(folder / file, cifar10_members())
    else:
        write_mnist(folder, packed=file.endswith(".gz"))
    path = next(folder.rglob(file))
    expected, whole, files = datasets.load(name), path.read_bytes(), files_in(folder)
    if name == "cifar10":
        shutil.rmtree(folder / FOLDER)
        files = [path.name]
    cut, flipped = truncations(whole, many(15, 200)), flips(whole, many(40, 500))
    for damaged in (*cut, *flipped, whole + b"\0"):
        path.write_bytes(damaged)
        read = read_or_refused(name, path)
        if read is not None:  # gzip's own header holds a time stamp, which is not content
            assert file in (IDX[0] + ".gz", IDX[1] + ".gz", "mnist.pkl.gz")
            assert damaged[10:] == whole[10:]
            assert np.array_equal(read.inputs, expected.inputs)
            assert np.array_equal(read.labels, expected.labels)
        assert files_in(folder) == files
    tried("3 truncated files refused", len(cut))
    tried("3 flipped bits found, of files with a checksum", len(flipped))


@pytest.mark.parametrize("file", [*IDX[:2], "mnist.pkl", "data_batch_1", "train"])
def test_damage_without_a_checksum_keeps_the_shapes(folder, many, tried, monkeypatch, file):
    """IDX files here have the checksum of the damaged file. A damaged batch is none that was published."""
    name = {"data_batch_1": "cifar10", "train": "cifar100"}.get(file, "mnist")
    if file in IDX:
        whole = idx(write_mnist(folder, packed=False)[file])
        path = folder / "mnist" / file
    elif file == "mnist.pkl":
        whole, path = legacy_pickle()[0], folder / "mnist.pkl.gz"
    else:
        whole = python2_batch(7, b"fine_labels", 100)[0] if name == "cifar100" else python2_batch(7)[0]
        path = folder / cifar.SETS[name].folder / file
        path.parent.mkdir()
        monkeypatch.setitem(cifar.MD5, file, hashlib.md5(whole).hexdigest())

    def write(contents):
        path.write_bytes(gzip.compress(contents, 1) if path.suffix == ".gz" else contents)
        real_files.SHA256[file] = digest(contents)

    write(whole)
    expected = datasets.load(name)
    assert "not the published" not in expected.source
    cut, flipped = truncations(whole, many(15, 200)), flips(whole, many(60, 500))
    for contents in cut:
        write(contents)
        assert read_or_refused(name, path) is None
    for contents in flipped:
        write(contents)
        read = read_or_refused(name, path)
        if read is not None:
            assert read.inputs.shape == expected.inputs.shape
            assert read.labels.shape == expected.labels.shape
            assert 0 <= read.inputs.min() <= read.inputs.max() < 1
            assert 0 <= read.labels.min() <= read.labels.max() < read.classes
            assert read.sha256 != expected.sha256
            assert ("not the published" in read.source) == (name != "mnist")
    tried("3 truncated files refused", len(cut))
    tried("3 flipped bits, of files without a checksum: an error or the right shapes", len(flipped))


def test_unpacked_size_is_bounded(folder, monkeypatch):
    write_mnist(folder)
    monkeypatch.setattr(real_files, "MAX_BYTES", 100_000)
    path = folder / "mnist" / (IDX[0] + ".gz")
    path.write_bytes(gzip.compress(bytes(20_000_000), 1))
    assert path.stat().st_size < 100_000
    refused("more than 100000 bytes unpacked", "mnist")
    path.write_bytes(bytes(100_001))
    refused("more than 100000 bytes:", "mnist")


def test_directory_where_a_file_is_expected(folder):
    write_mnist(folder, packed=False)
    (folder / "mnist" / IDX[0]).unlink()
    (folder / "mnist" / IDX[0]).mkdir()
    refused("not a file", "mnist")


def test_folder_that_does_not_exist(monkeypatch, tmp_path):
    monkeypatch.setenv("GRADNETS_DATA", str(tmp_path / "nowhere"))
    for name in ("mnist", "cifar10", "cifar100"):
        refused(r"GRADNETS_DATA is '.*nowhere'.*no folder", name)
    assert len(datasets.load("tree", limit=5).labels) == 5


def test_known_checksums_are_documented():
    text = (ROOT / "data" / "README.md").read_text()
    documented = {name: known for known, name in re.findall(r"^ {4}([0-9a-f]{64}) {2}(\S+)$", text, re.M)}
    assert documented == real_files.SHA256
