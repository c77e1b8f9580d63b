"""Generated sets against networkx, the look of MNIST and the rules of the motif paper."""
import networkx
import numpy as np
import pytest

from gradnets import datasets
from gradnets.datasets import built_in

DIGESTS = {  # SHA-256 of 100 items of seed 7, which is the same on every machine
    "glyphs": "5efcb3f7f5987af9ae685b09af8ede7c659dc1257e9202718aa47d293f1e1dd8",
    "noise": "b373b81d4901d9cdde10c971d231de61c482aedd06dc8a84b73e640ff29f1157",
    "noise-constant": "5144fe06d97c9f4c286f07a5a75e7a0399fb97ffff1ef013634fd6d3d67c992b",
    "tree": "1c6e2b3fc9bdd80d29964bb6adf2bb0d190b7ffbb83b216a58f099fd92b747c8",
    "clusters": "f0d8aedf62ff253515f04c60a01c2ee18553b906b488c82ff49f00224e3f06bc",
}


@pytest.mark.parametrize("name", datasets.BUILT_IN)
def test_generated_sets(name):
    d, classes = (31, 4) if name in ("tree", "clusters") else (784, 10)
    train, test = datasets.load(name, limit=1000), datasets.load(name, "test")
    assert test.inputs.shape == (2000, d)
    for dataset in (train, test):
        assert dataset.inputs.dtype == np.float64
        assert dataset.labels.dtype == np.int64
        assert dataset.labels.shape == dataset.inputs.shape[:1]
        assert dataset.classes == classes
        assert dataset.picture(1).shape == dataset.shape == ((31,) if d == 31 else (28, 28))
        assert np.array_equal(dataset.picture(1).ravel(), dataset.inputs[1])
    if d == 784:
        pixels = train.inputs * 256
        assert np.array_equal(pixels, pixels.astype(np.uint8))
    # The same seed gives the same items, fewer are the first of more, and train is not test.
    fewer, reseeded = datasets.load(name, limit=333), datasets.load(name, limit=1000, seed=1)
    assert np.array_equal(fewer.inputs, train.inputs[:333])
    assert np.array_equal(fewer.labels, train.labels[:333])
    assert not np.array_equal(reseeded.inputs, train.inputs)
    assert not np.array_equal(test.inputs[:1000], train.inputs)
    assert len({dataset.sha256["arrays"] for dataset in (train, test, fewer, reseeded)}) == 4
    assert datasets.load(name, limit=100, seed=7).sha256["arrays"] == DIGESTS[name]


def test_default_sizes():
    assert [len(datasets.load(name).labels) for name in ("glyphs", "tree")] == [10_000, 2000]


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
    centers = np.einsum("nij,kij->nk", images, np.indices((28, 28))) / images.sum(axis=(1, 2))[:, None]
    assert np.abs(centers.mean(axis=0) - 13.5).max() < 0.5
    assert np.abs(centers - 13.5).max() < 4.5
    assert len(set(map(bytes, images))) == 5000


def test_glyphs_can_be_learned():
    """Least squares on tiles of pixels, the simplest classifier there is, recognizes unseen digits."""
    train, test = (datasets.pool(datasets.load("glyphs", split, 2000), 14) for split in ("train", "test"))
    mean = train.inputs.mean(axis=0)
    x = train.inputs - mean
    weights = np.linalg.solve(x.T @ x + np.eye(196), x.T @ np.eye(10)[train.labels])
    assert (((test.inputs - mean) @ weights).argmax(axis=1) == test.labels).mean() > 0.9


def likely(successes, trials, probability):
    """Return whether a number of successes lies within four standard deviations of its mean."""
    return abs(successes - trials * probability) < 4 * np.sqrt(trials * probability * (1 - probability))


def even(counts):
    """Return whether Pearson's chi-squared of equal chances lies within four standard deviations of its mean."""
    freedom = len(counts) - 1
    return abs(((counts - counts.mean())**2 / counts.mean()).sum() - freedom) < 4 * np.sqrt(2 * freedom)


def test_noise_is_uniform():
    noise, constant = datasets.load("noise", limit=1000), datasets.load("noise-constant", limit=1000)
    counts = np.bincount((noise.inputs * 256).astype(int).ravel(), minlength=256)
    assert even(counts)
    assert even(np.bincount(noise.labels, minlength=10))
    assert np.array_equal(constant.inputs, noise.inputs)
    assert not constant.labels.any()
    assert constant.classes == 10


def test_tree_follows_its_rules():
    tree = datasets.load("tree", limit=20_000)
    x = tree.inputs
    assert set(np.unique(x)) == {-1, 1}
    assert len(set(map(bytes, x))) == 16
    # One class for each pattern of the first seven features, and one pattern for each class.
    patterns = {(tuple(row), label) for row, label in zip(x[:, :7], tree.labels, strict=True)}
    assert len(patterns) == len({row for row, _ in patterns}) == len({label for _, label in patterns}) == 4
    assert np.array_equal(x[:, 1], x[:, 0])
    assert np.array_equal(x[:, 2], -x[:, 0])
    assert likely((x[:, 0] == 1).sum(), len(x), 0.5)
    for node in range(1, 15):
        on, children = x[:, node] == 1, x[:, [2 * node + 1, 2 * node + 2]]
        assert (children[~on] == -1).all()
        assert (children[on].sum(axis=1) == 0).all()
        assert likely((children[on, 0] == 1).sum(), on.sum(), 0.7)


def test_clusters_count_ancestors():
    groups = np.split(np.arange(31), np.cumsum([8, 7, 9]))
    inputs, labels = built_in.clusters(4000, np.random.default_rng(1), np.random.default_rng(2))
    centers = np.repeat([(-4, -4), (-4, 4), (4, -4), (4, 4)], [8, 7, 9, 7], axis=0)
    points = centers + np.random.default_rng(2).standard_normal((31, 2))
    graph = networkx.DiGraph()
    graph.add_nodes_from(range(31))
    pairs = [(i, j) for j in range(31) for i in range(j)]
    graph.add_edges_from((i, j) for i, j in pairs if np.hypot(*(points[i] - points[j])) <= 1.5)
    for label, group in enumerate(groups):
        row = np.full(31, -1.0)
        row[group] = [max(1, len(networkx.ancestors(graph, j))) for j in group]
        assert (inputs[labels == label] == row).all()
        assert row.max() > 2
        assert likely((labels == label).sum(), 4000, 1 / 4)
    train, test = datasets.load("clusters"), datasets.load("clusters", "test")
    assert np.array_equal(np.unique(train.inputs, axis=0), np.unique(test.inputs, axis=0))
