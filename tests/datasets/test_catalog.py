"""Arguments, provenance, and what every data set can do."""
import subprocess
import sys

import numpy as np
import pytest
from data_files import digest
from helpers import ROOT

from gradnets import datasets
from gradnets.datasets import real_files
from gradnets.errors import UserError


@pytest.mark.parametrize(
    ("match", "arguments"),
    [
        ("'glyph': expected glyphs, noise, .*clusters, mnist", ("glyph",)),
        ("None: expected glyphs", (None,)),
        (r"\['glyphs'\]: expected glyphs", (["glyphs"],)),
        ("split is 'valid': expected train or test", ("noise", "valid")),
        ("limit is 0: expected a positive integer", ("noise", "train", 0)),
        ("limit is -3:", ("mnist", "train", -3)),
        ("limit is 2.5:", ("tree", "train", 2.5)),
        ("limit is True:", ("tree", "train", True)),
        ("limit is '7':", ("tree", "train", "7")),
        ("seed is -1: .*at least 0", ("glyphs", "train", 5, -1)),
        ("seed is 0.5:", ("glyphs", "train", 5, 0.5)),
        ("seed is None:", ("glyphs", "train", 5, None)),
    ],
)
def test_wrong_arguments_are_named(match, arguments):
    with pytest.raises(UserError, match=match):
        datasets.load(*arguments)


def test_provenance_of_a_data_set():
    tree = datasets.load("tree", limit=6)
    sha256 = {"arrays": digest(tree.inputs.tobytes() + tree.labels.tobytes())}
    provenance = {"name": "tree", "split": "train", "n": 6, "source": "made here, train, seed 0", "sha256": sha256}
    assert tree.provenance == provenance
    assert [part.provenance for part in datasets.hold_out(tree)] == [provenance] * 2
    noise = datasets.load("noise", "test", limit=np.uint8(4), seed=np.uint8(2)).provenance
    assert [noise[key] for key in ("name", "split", "n")] == ["noise", "test", 4]
    with pytest.raises(AttributeError):
        tree.name = "changed"


def test_loading_a_built_in_set_imports_no_large_library():
    code = ("import sys; from gradnets import datasets; datasets.load('glyphs', limit=5); "
            "print(*{'matplotlib', 'scipy', 'numba', 'networkx', 'pooch', 'requests', 'tqdm'} & set(sys.modules))")
    assert subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True) == "\n"


def test_default_folder_is_beside_the_package(monkeypatch, tmp_path):
    monkeypatch.delenv("GRADNETS_DATA")
    monkeypatch.chdir(tmp_path)
    assert real_files.folder() == ROOT / "data"


def test_sets_that_need_no_download(folder):
    assert datasets.available("glyphs")
    for name, file in (("mnist", "train-images-idx3-ubyte.gz"), ("cifar10", "cifar-10-python.tar.gz"),
                       ("cifar100", "cifar-100-python")):
        assert not datasets.available(name)
        (folder / file).touch()
        assert datasets.available(name)
    with pytest.raises(UserError, match="data set is 'imagenet': expected glyphs"):
        datasets.available("imagenet")


def test_pooling_takes_means_over_tiles_of_each_color():
    images = np.arange(2 * 3 * 5 * 5, dtype=float).reshape(2, 75)
    dataset = datasets.Dataset("counted", images, np.zeros(2, int), 2, "made here")
    pooled = datasets.pool(dataset, 2).inputs.reshape(2, 3, 2, 2)
    colors = images.reshape(2, 3, 5, 5)
    assert pooled[1, 2, 0, 1] == colors[1, 2, 0:2, 2:4].mean()  # of five pixels the last row and column are cut
    assert pooled[0, 0, 1, 0] == colors[0, 0, 2:4, 0:2].mean()
    with pytest.raises(UserError, match="31 features: expected square images"):
        datasets.pool(datasets.load("tree", limit=5), 2)
    with pytest.raises(UserError, match="9 x 9"):
        datasets.pool(dataset, 9)


@pytest.mark.parametrize("n", [2, 5, 6, 7, 59, 60, 61, 2000])
def test_the_last_sixth_is_held_out(n):
    tree = datasets.load("tree", limit=n)
    training, validation = datasets.hold_out(tree)
    assert len(training.labels) == n * 5 // 6
    assert np.array_equal(np.concatenate([training.inputs, validation.inputs]), tree.inputs)
    assert np.array_equal(np.concatenate([training.labels, validation.labels]), tree.labels)
    assert np.shares_memory(training.inputs, tree.inputs)


def test_shares_that_leave_a_part_empty_are_refused():
    tree = datasets.load("tree", limit=10)
    assert [len(part.labels) for part in datasets.hold_out(tree, 0.3)] == [7, 3]
    for dataset, share in ((tree, 0.0), (tree, 1.0), (tree, -0.5), (datasets.load("tree", limit=1), 1 / 6)):
        with pytest.raises(UserError, match="expected at least one item for training and one for validation"):
            datasets.hold_out(dataset, share)
