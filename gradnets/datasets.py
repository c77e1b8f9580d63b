"""Data sets by name: five that are made here and need nothing, three that are read from files.

`load("glyphs")` draws digits, `load("mnist")` reads the real ones. Pixels are byte / 256, as in
the essays this project follows: exact in binary floating point, and below 1. What comes from
outside is not trusted: known files are checked by SHA-256, decompressed sizes are bounded, and
pickles are read as data, never run. Whatever is wrong ends in one line that says what to do.
"""

import contextlib
import hashlib
import io
import math
import numbers
import os
import pickletools
import struct
import sys
import tarfile
import tempfile
import threading
import zlib
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from tqdm import tqdm

BUILT_IN = ("glyphs", "noise", "noise-constant", "tree", "clusters")
NAMES = (*BUILT_IN, "mnist", "cifar10", "cifar100")
SPLITS = ("train", "test")

loaded = []  # one dict per successful load; whoever keeps records reads it and empties it


class DataError(ValueError):
    """Data that can be neither found nor trusted; the message is one line."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Items with labels, as `load` returns them.

    Attributes
    ----------
    name : str
        As given to `load`.
    inputs : float64 array (n, d)
        Pixels in [0, 1), row by row, a colour image as its red, green and blue planes in turn;
        for `tree` and `clusters` the values of the motif paper, which are not confined to [0, 1].
    labels : int64 array (n,)
        Each in 0 .. classes - 1.
    classes : int
        How many classes the set has, whether or not each occurs here.
    source : str
        Where the items came from.
    sha256 : dict
        File name -> SHA-256 of its decompressed contents; for a set made here,
        {"arrays": SHA-256 of the generated inputs and labels}.
    """

    name: str
    inputs: np.ndarray
    labels: np.ndarray
    classes: int
    source: str
    sha256: dict

    @property
    def shape(self):
        """Shape of one input as a picture: (28, 28), (32, 32, 3) or (31,)."""
        return {784: (28, 28), 3072: (32, 32, 3)}.get(self.inputs.shape[1], self.inputs.shape[1:])

    def picture(self, index):
        """Input `index` in that shape, colours last, ready to be drawn."""
        if len(self.shape) == 3:
            return self.inputs[index].reshape(3, 32, 32).transpose(1, 2, 0)
        return self.inputs[index].reshape(self.shape)


def load(name, split="train", limit=None, seed=0):
    """Load or make one data set.

    Parameters
    ----------
    name : str
        Made here: "glyphs" (28 x 28 digits in many fonts), "noise" (784 uniform bytes, random
        labels of ten classes), "noise-constant" (the same images, all labelled 0 of ten classes),
        "tree" and "clusters" (31 features, four classes). From files: "mnist", "cifar10",
        "cifar100" (fine labels), out of the folder that the environment variable GRADNETS_DATA
        names, else `data/` beside this package; what is missing there is downloaded into it.
    split : "train" or "test"
    limit : int, optional
        How many items to make, or of a set read from files the most to take: the first ones.
        None makes 10,000 (train) or 2,000 (test) images, 2,000 `tree` or `clusters` items, and
        takes all of a real set.
    seed : int
        Not negative. Fixes the sets that are made: with the same seed fewer items are the first
        of more. Ignored by real sets.

    Returns
    -------
    Dataset

    Raises
    ------
    DataError
        If an argument is wrong, or files are missing, unreachable or corrupt.
    """
    _check_name(name)
    if split not in SPLITS:
        raise DataError(f"split {split!r} of {name}: expected 'train' or 'test'")
    if limit is not None and not (_is_integer(limit) and limit > 0):
        raise DataError(f"limit {limit!r} for {name}: expected a positive whole number, or None")
    if not (_is_integer(seed) and seed >= 0):
        raise DataError(f"seed {seed!r} for {name}: expected a whole number, 0 or greater")

    limit, seed = None if limit is None else int(limit), int(seed)
    if name in BUILT_IN:
        inputs, labels, classes, source = _make(name, split, limit, seed)
        digest = hashlib.sha256(inputs)
        digest.update(labels)
        sha256 = {"arrays": digest.hexdigest()}
    elif name == "mnist":
        inputs, labels, classes, source, sha256 = _mnist(split, limit)
    else:
        inputs, labels, classes, source, sha256 = _cifar(name, split, limit)
    if inputs.dtype == np.uint8:
        inputs = np.multiply(inputs, 1 / 256, dtype=np.float64)
    dataset = Dataset(name, inputs, labels, classes, source, sha256)
    loaded.append({"name": name, "split": split, "n": len(labels), "source": source, "sha256": sha256})
    return dataset


def at_hand(name):
    """Whether `load(name)` needs no network: the set is made here, or its files are in the folder of real data."""
    _check_name(name)
    if name in BUILT_IN:
        return True
    folder = _folder()
    if name == "mnist":
        return _find(folder, "mnist.pkl.gz", "train-images-idx3-ubyte", "train-images-idx3-ubyte.gz") is not None
    return any(os.path.exists(folder / kept) for kept in CIFAR[name])


def _check_name(name):
    if name not in NAMES:
        raise DataError(f"data set {name!r}: expected one of {', '.join(NAMES)}")


def pooled(dataset, side):
    """The same images as side x side means of square tiles, each colour on its own; what is over is cut off."""
    items, features = dataset.inputs.shape
    planes = 3 if features % 3 == 0 and round((features / 3)**0.5)**2 * 3 == features else 1
    width = round((features / planes)**0.5)
    tile = width // side
    if planes * width * width != features or not tile:
        raise DataError(f"{dataset.name} has {features} features: expected square images of {side} x {side} pixels or "
                        "more, such as glyphs")
    edge = (width - side * tile) // 2
    inner = slice(edge, edge + side * tile)
    tiles = dataset.inputs.reshape(items, planes, width, width)[:, :, inner, inner]
    means = tiles.reshape(items, planes, side, tile, side, tile).mean(axis=(3, 5))
    return replace(dataset, inputs=means.reshape(items, -1))


def _is_integer(value):
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


# Sets that are made here.

FONTS = (  # of those that matplotlib ships, the ones whose ten digits are digits and stand on one line
    *("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSans-BoldOblique"),
    *("DejaVuSansMono", "DejaVuSansMono-Bold", "DejaVuSansMono-Oblique", "DejaVuSansMono-BoldOblique"),
    *("DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-Italic", "DejaVuSerif-BoldItalic"),
    *("STIXGeneral", "STIXGeneralBol", "STIXGeneralItalic", "STIXGeneralBolIta"),
    *("cmb10", "cmr10", "cmss10", "cmti10", "cmtt10"),
)
SIDE = 28  # pixels along an image
DIGIT = 20  # pixels along the longer side of an undistorted digit, as in MNIST
FINE = 3  # template cells along a pixel
DOTS = 4  # yes-or-no samples along a template cell


def _make(name, split, limit, seed):
    """Inputs (uint8 images, float64 features), int64 labels, number of classes, source."""
    n = limit or (2_000 if split == "test" or name in ("tree", "clusters") else 10_000)
    # Child 3 of the seed: nets and samples of the same seed draw from others. The graph behind
    # `clusters` belongs to both splits, so it has a stream of its own.
    *streams, graph = map(np.random.default_rng, np.random.SeedSequence(seed, spawn_key=(3,)).spawn(3))
    rng = streams[SPLITS.index(split)]
    made = f"made here, {split}, seed {seed}"
    if name == "glyphs":
        return *_glyphs(n, rng), 10, f"{made}, {len(FONTS)} fonts of matplotlib"
    if name == "tree":
        return *_tree(n, rng), 4, made
    if name == "clusters":
        return *_clusters(n, rng, graph), 4, made
    label_rng, image_rng = rng.spawn(2)
    images = image_rng.integers(0, 256, (n, SIDE * SIDE), dtype=np.uint8)
    labels = label_rng.integers(0, 10, n) if name == "noise" else np.zeros(n, np.int64)
    return images, labels, 10, made


def _glyphs(n, rng):
    """Digits of random fonts, each under a random affine map: uint8 (n, 784), int64 (n,).

    Classes are balanced: each ten items from the start hold each digit once. The random numbers
    meet only + - * and /, so with the same outlines the bytes are the same on every machine.
    """
    label_rng, map_rng = rng.spawn(2)
    labels = label_rng.random((-(-n // 10), 10)).argsort(axis=1).ravel()[:n]
    draws = map_rng.random((n, 7))
    between = [(-0.08, 0.08), (-0.2, 0.2), (0.82, 0.98), (0.85, 1.1), (-0.9, 0.9), (-0.9, 0.9)]
    half_turn, shear, height, width, right, down = (
        low + (high - low) * draw for (low, high), draw in zip(between, draws[:, 1:].T, strict=True)
    )
    # half_turn is tan(angle / 2), up to 9 degrees: its cosine and sine need no trigonometry.
    cos, sin = (1 - half_turn**2) / (1 + half_turn**2), 2 * half_turn / (1 + half_turn**2)
    # From an image to its template: undo the shift, turn, shear and scale, in template cells.
    x_scale, y_scale = FINE / (height * width), FINE / height
    to_x = np.stack([x_scale * (cos - shear * sin), x_scale * (sin + shear * cos)])
    to_y = np.stack([-y_scale * sin, y_scale * cos])
    pixel = np.arange(SIDE) - (SIDE - 1) / 2
    middle = (SIDE * FINE - 1) / 2

    templates = _templates()
    cells = templates.shape[-1]
    flat = templates.ravel()
    first = ((draws[:, 0] * len(FONTS)).astype(np.int64) * 10 + labels) * cells**2
    images = np.empty((n, SIDE, SIDE), np.uint8)
    for start in range(0, n, 256):  # few enough to stay in cache
        part = slice(start, start + 256)
        across = pixel - right[part, None]  # (part, 28)
        along = pixel - down[part, None]
        x, y = (
            (to[0, part, None] * across)[:, None, :] + (to[1, part, None] * along)[:, :, None] + middle
            for to in (to_x, to_y)
        )
        # Bilinear: four neighbours; the template's rim is empty, so its cells may repeat outwards.
        x, y = x.clip(0, cells - 2), y.clip(0, cells - 2)
        column, row = x.astype(np.int64), y.astype(np.int64)
        x, y = (x - column).astype(np.float32), (y - row).astype(np.float32)
        corner = first[part, None, None] + row * cells + column
        upper, lower = flat.take(corner), flat.take(corner + cells)
        upper += x * (flat.take(corner + 1) - upper)
        lower += x * (flat.take(corner + cells + 1) - lower)
        images[part] = upper + y * (lower - upper)
    return images.reshape(n, SIDE * SIDE), labels


@lru_cache(maxsize=1)
def _templates():
    """Ink of each font's digits in each cell, 0 to 255: float32 (fonts, 10, 84, 84).

    A cell holds the ink of a whole image pixel around it: one bilinear sample is antialiased.
    """
    return np.stack([[_template(font, digit) for digit in range(10)] for font in FONTS])


def _template(font, digit):
    from matplotlib import get_data_path
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    file = Path(get_data_path(), "fonts", "ttf", font + ".ttf")
    outline = TextPath((0, 0), str(digit), size=100, prop=FontProperties(fname=file))
    contours = [contour * [1, -1] for contour in outline.to_polygons(closed_only=True)]  # y downwards
    low, high = np.min(np.vstack(contours), axis=0), np.max(np.vstack(contours), axis=0)
    fine, dots = FINE * DOTS, SIDE * FINE * DOTS
    scale = DIGIT * fine / max(high - low)
    corner = dots / 2 - scale * (high - low) / 2
    ink = _fill([corner + scale * (contour - low) for contour in contours], dots)
    # The centre of mass goes to the middle, as in MNIST, but a 7 goes no further than a pixel.
    shift = [round(np.clip((dots - 1) / 2 - where.mean(), -fine, fine)) for where in np.nonzero(ink)]
    cells = np.roll(ink, shift, axis=(0, 1)).reshape(SIDE * FINE, DOTS, SIDE * FINE, DOTS).mean(axis=(1, 3))
    wide = sum(np.roll(cells, (i, j), axis=(0, 1)) for i in (-1, 0, 1) for j in (-1, 0, 1)) / FINE**2
    return np.minimum(255, 400 * wide).astype(np.float32)  # hairlines in full white, as a pen leaves them


def _fill(contours, dots):
    """Which dots lie inside closed contours, by non-zero winding: bool (dots, dots).

    A hole runs against the contour around it, so there the windings cancel and it stays open.
    """
    winding = np.zeros((dots, dots + 1), np.int64)
    for contour in contours:
        (x0, y0), (x1, y1) = contour[:-1].T, contour[1:].T
        first = np.ceil(np.minimum(y0, y1) - 0.5).astype(np.int64)
        rows = np.ceil(np.maximum(y0, y1) - 0.5).astype(np.int64) - first  # that the edge crosses
        edge = np.repeat(np.arange(len(rows)), rows)
        row = first[edge] + np.arange(len(edge)) - (np.cumsum(rows) - rows)[edge]
        x = x0[edge] + (row + 0.5 - y0[edge]) * (x1 - x0)[edge] / (y1 - y0)[edge]
        np.add.at(winding, (row, np.ceil(x - 0.5).astype(np.int64)), np.sign(y1 - y0)[edge].astype(np.int64))
    return winding[:, :-1].cumsum(axis=1) != 0


def _tree(n, rng):
    """The motif paper's binary tree of depth 5: 31 features ±1 in heap order, class 0 to 3.

    The root is +1 or -1 by a fair coin, its children (+1, -1) or (-1, +1) accordingly. Below, a
    +1 node gives its children (+1, -1) with probability 0.7, else (-1, +1); a -1 node gives both
    -1. The class is the pattern of the first seven features, numbered by which of the four nodes
    on the third level is +1. There are 16 distinct rows, so a test set repeats the training rows.
    """
    coins = rng.random((n, 15))  # one for each inner node
    features = np.empty((n, 31))
    features[:, 0] = np.where(coins[:, 0] < 0.5, 1, -1)
    features[:, 1], features[:, 2] = features[:, 0], -features[:, 0]
    for node in range(1, 15):
        on, left = features[:, node] > 0, coins[:, node] < 0.7
        features[:, 2 * node + 1] = np.where(on & left, 1, -1)
        features[:, 2 * node + 2] = np.where(on & ~left, 1, -1)
    return features, features[:, 3:7].argmax(axis=1)


def _clusters(n, rng, graph_rng):
    """The motif paper's clustered variables: 31 features, class 0 to 3.

    The variables form four groups of 8, 7, 9 and 7, each the points of one two-dimensional
    Gaussian; near pairs are linked, far pairs are not, and a link runs from the earlier variable
    to the later. An item picks a group, which is its class: all its features are -1, except that
    each variable of that group holds its number of ancestors in the graph, or 1 if it has none.

    The paper leaves open the Gaussians, the cut and how items are drawn. Here: unit variance
    around the corners of a square of side 8, links up to a distance of 1.5, groups equally likely.
    The graph is drawn from the seed and shared by both splits. There are four distinct rows.
    """
    group = np.repeat(np.arange(4), (8, 7, 9, 7))
    centres = np.array([(-4, -4), (-4, 4), (4, -4), (4, 4)])
    points = centres[group] + graph_rng.standard_normal((31, 2))
    near = ((points[:, None] - points) ** 2).sum(axis=2) <= 1.5**2
    ancestors = np.zeros((31, 31), bool)  # [i, j]: i is an ancestor of j
    for j in range(31):
        parents = near[:j, j].nonzero()[0]
        ancestors[:, j] = ancestors[:, parents].any(axis=1)
        ancestors[parents, j] = True
    values = np.maximum(ancestors.sum(axis=0), 1)
    labels = rng.integers(0, 4, n)
    return np.where(group == labels[:, None], values, -1.0), labels


# Sets read from files.

SHA256 = {  # of the official downloads, and of MNIST's decompressed files
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    "cifar-10-python.tar.gz": "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
    "cifar-100-python.tar.gz": "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7",
}
MIRRORS = {  # tried in this order; what they send is checked, so none needs to be trusted
    "mnist": (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "https://dataset.bj.bcebos.com/mnist/",
    ),
    "cifar": (
        "https://www.cs.toronto.edu/~kriz/",
        "https://dataset.bj.bcebos.com/cifar/",
    ),
}
ROUNDS = 2  # times that each mirror is tried
SILENCE = 20  # seconds without an answer before a mirror is given up
PATIENCE = 1800  # seconds that one download may take
MAX_BYTES = 2**28  # of any one file, packed or unpacked; the largest real one has 220 million
CIFAR = {"cifar10": ("cifar-10-batches-py", "cifar-10-python.tar.gz"),  # the folder, and what it comes in
         "cifar100": ("cifar-100-python", "cifar-100-python.tar.gz")}
# MD5 of the published batches, as torchvision 0.20 lists them (its datasets/cifar.py). They say whether a batch is
# the published one; whether that arrived whole is checked by the archive's SHA-256.
CIFAR_MD5 = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f", "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751", "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb", "test_batch": "40351d587109b95175f43aff81a1287e",
    "train": "16019d7e3df5f24257cddd939b257f8d", "test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
}
MAX_OPCODES = 10**6  # in a pickle; CIFAR-100's needs a quarter of that


def _mnist(split, limit):
    folder = _folder()
    prefix = {"train": "train", "test": "t10k"}[split]
    names = (f"{prefix}-images-idx3-ubyte", f"{prefix}-labels-idx1-ubyte")
    paths = [_find(folder, name, name + ".gz") for name in names]
    legacy = _find(folder, "mnist.pkl.gz")
    if paths == [None, None] and legacy:
        return _mnist_pickle(legacy, split, limit)
    paths = [path or _download("mnist", name + ".gz", folder / "mnist")
             for path, name in zip(paths, names, strict=True)]
    (images, image_sum), (labels, label_sum) = (_idx(p, k) for p, k in zip(paths, names, strict=True))
    if len(images) != len(labels):
        raise _corrupt(paths[1], f"{len(labels)} labels for the {len(images)} images of {paths[0].name}")
    if labels.max() > 9:
        raise _corrupt(paths[1], f"label {labels.max()}, expected 0 to 9")
    source = f"MNIST, {' and '.join(path.name for path in paths)}"
    sha256 = dict(zip(names, (image_sum, label_sum), strict=True))
    return images[:limit], labels[:limit].astype(np.int64), 10, source, sha256


def _find(folder, *names):
    """The first of these files in `mnist/` or in the folder itself, or None."""
    paths = (place / name for place in (folder / "mnist", folder) for name in names)
    return next((path for path in paths if os.path.exists(path)), None)


def _idx(path, name):
    """Contents of an IDX file of bytes, (n, 784) or (n,), and their SHA-256."""
    contents = _contents(path)
    digest = hashlib.sha256(contents).hexdigest()
    if digest != SHA256[name]:
        raise _corrupt(path, f"SHA-256 of the contents is {digest[:12]}..., expected {SHA256[name][:12]}...")
    magic, sides = (2051, (SIDE, SIDE)) if "images" in name else (2049, ())
    length = 4 * (2 + len(sides))
    if len(contents) < length:
        raise _corrupt(path, f"{len(contents)} bytes are too few for a header")
    found, n, *found_sides = struct.unpack(f">{2 + len(sides)}I", contents[:length])
    if (found, tuple(found_sides)) != (magic, sides) or not n:
        raise _corrupt(path, f"header says {(found, n, *found_sides)}, expected {(magic, 'n > 0', *sides)}")
    if len(contents) != length + n * math.prod(sides):
        raise _corrupt(path, f"{len(contents)} bytes, expected {length + n * math.prod(sides)} for {n} items")
    values = np.frombuffer(contents, np.uint8, offset=length)
    return values.reshape((n, math.prod(sides)) if sides else n), digest


def _mnist_pickle(path, split, limit):
    """The legacy pickle: (images float32 (n, 784), labels) of 50,000, 10,000 and 10,000 items."""
    contents = _contents(path)
    try:
        parts = [(_array(images), _array(labels)) for images, labels in _read_pickle(contents)]
        train, valid, test = parts
        pairs = [train, valid] if split == "train" else [test]
        for images, labels in pairs:
            if labels.ndim != 1 or images.shape != (labels.size, SIDE * SIDE) or not labels.size:
                raise ValueError(f"images {images.shape} with labels {labels.shape}")
            if images.dtype.kind != "f":
                raise ValueError(f"images are {images.dtype}, expected float32")
            if labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() > 9:
                raise ValueError("labels are not whole numbers from 0 to 9")
        images, labels = (np.concatenate(arrays)[:limit] for arrays in zip(*pairs, strict=True))
        if not ((images >= 0) & (images < 1)).all() or (images * 256 % 1).any():
            raise ValueError("pixels are not byte / 256")
    except (ValueError, TypeError) as error:
        raise _corrupt(path, error) from None
    sha256 = {path.stem: hashlib.sha256(contents).hexdigest()}
    return (images * 256).astype(np.uint8), labels.astype(np.int64), 10, f"MNIST, {path.name}", sha256


def _cifar(name, split, limit):
    """CIFAR's pickled batches; those there are, from the first, make up a training set."""
    folder = _folder()
    ten = name == "cifar10"
    stem, packed = CIFAR[name]
    directory = folder / stem
    if not os.path.exists(directory):
        archive = folder / packed
        if not os.path.exists(archive):
            _download("cifar", archive.name, folder)
        _extract(archive, directory)
    if not ten:
        names, source = [split], f"CIFAR-100, {stem}/{split}"
    elif split == "test":
        names, source = ["test_batch"], f"CIFAR-10, {stem}/test_batch"
    else:
        batches = [k for k in range(1, 6) if os.path.exists(directory / f"data_batch_{k}")]
        if not batches or batches[-1] != len(batches):
            found = ", ".join(map(str, batches)) or "none"
            raise _corrupt(directory, f"has training batches {found}, expected 1 to 5 or the first of them")
        names = [f"data_batch_{k}" for k in batches]
        source = f"CIFAR-10, {stem}, {len(names)} of 5 training batches"
    key, classes = ("labels", 10) if ten else ("fine_labels", 100)
    images, labels, sha256, published = [], [], {}, True
    for file in names:
        if limit and len(labels) >= limit:
            break
        contents = _contents(directory / file, delete=directory)
        try:
            batch_images, batch_labels = _batch(contents, key, classes)
        except ValueError as error:
            raise _corrupt(directory / file, error, delete=directory) from None
        images.append(batch_images)
        labels += batch_labels
        sha256[file] = hashlib.sha256(contents).hexdigest()
        published &= hashlib.md5(contents, usedforsecurity=False).hexdigest() == CIFAR_MD5[file]
    source += "" if published else ", not the published file" + "s" * (len(sha256) > 1)
    images = images[0] if len(images) == 1 else np.concatenate(images)
    return images[:limit], np.array(labels[:limit], np.int64), classes, source, sha256


def _batch(contents, key, classes):
    """Images uint8 (n, 3072) and a list of n labels, out of one pickled batch."""
    batch = _read_pickle(contents)
    if type(batch) is not dict or not {"data", key} <= batch.keys():
        raise ValueError(f"expected a dictionary with 'data' and '{key}'")
    images, labels = _array(batch["data"]), batch[key]
    if images.dtype != np.uint8 or images.ndim != 2 or images.shape[1] != 3072 or not len(images):
        raise ValueError(f"data is {images.dtype} {images.shape}, expected uint8 (n, 3072)")
    if type(labels) is not list or len(labels) != len(images):
        raise ValueError(f"expected a list of {len(images)} labels")
    if not all(type(label) is int and 0 <= label < classes for label in labels):
        raise ValueError(f"labels are not whole numbers from 0 to {classes - 1}")
    return images, labels


# Pickles, read as data.


@dataclass(eq=False)
class _Numpy:
    """A dtype or an array that a pickle announces, and its value once the pickle has told it."""

    code: str = ""  # of a dtype
    value: object = None


def _read_pickle(contents):
    """What a pickle of protocol 1 or 2 holds, if it is plain data and arrays of numbers.

    A pickle is a program. Here its opcodes are walked through, and only those are known that
    whole numbers, text, lists, tuples, dictionaries and arrays of numbers need: nothing is
    imported or called, whatever the file asks for. Byte strings come out as text, a character a
    byte, since Python 2 did not tell them apart; arrays as `_Numpy`. All else is a ValueError.
    """
    try:
        return _walk(contents)
    except MemoryError:
        raise
    except Exception as error:  # whatever garbage leads to
        raise ValueError(f"not a pickle of plain numbers ({error or type(error).__name__})") from None


def _walk(contents):
    stack, below, memo, held = [], [], {}, 0
    for count, (opcode, argument, _) in enumerate(pickletools.genops(contents)):
        if count > MAX_OPCODES:
            raise ValueError(f"more than {MAX_OPCODES} opcodes")
        kind = opcode.name
        if kind in ("TUPLE", "APPENDS", "SETITEMS"):  # take all that was stacked since the mark
            items, stack = stack, below.pop()
        elif kind in ("REDUCE", "BUILD", "APPEND", "TUPLE1", "SETITEM", "TUPLE2", "TUPLE3"):
            size = 3 if kind == "TUPLE3" else 2 if kind in ("TUPLE2", "SETITEM") else 1
            items = [stack.pop() for _ in range(size)][::-1]
        match kind:
            case "PROTO":
                pass
            case "STOP":
                return stack.pop()
            case "MARK":
                below.append(stack)
                stack = []
            case "INT" | "BININT" | "BININT1" | "BININT2" | "BINSTRING" | "SHORT_BINSTRING" | "BINUNICODE":
                stack.append(argument)
            case "GLOBAL":
                stack.append(argument)  # no more than the name, such as "numpy dtype"
            case "NONE" | "NEWTRUE" | "NEWFALSE":
                stack.append({"NONE": None, "NEWTRUE": True, "NEWFALSE": False}[kind])
            case "EMPTY_LIST" | "EMPTY_DICT" | "EMPTY_TUPLE":
                stack.append({"EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_TUPLE": tuple}[kind]())
            case "PUT" | "BINPUT" | "LONG_BINPUT":
                if not 0 <= argument <= count:  # honest ones are counted up; others can be made to share a hash
                    raise ValueError("memo out of turn")
                memo[argument] = stack[-1]
            case "GET" | "BINGET" | "LONG_BINGET":
                stack.append(memo[argument])
            case "TUPLE" | "TUPLE1" | "TUPLE2" | "TUPLE3":
                stack.append(tuple(items))
            case "APPEND" | "APPENDS":
                _expect(list, stack[-1]).extend(items)
            case "SETITEM" | "SETITEMS":
                # Only text as a key: to hash a tuple of tuples of tuples can take for ever.
                keys = [_expect(str, key) for key in items[::2]]
                _expect(dict, stack[-1]).update(zip(keys, items[1::2], strict=True))
            case "REDUCE":
                stack.append(_announced(stack.pop(), *items))
            case "BUILD":
                held += _settle(_expect(_Numpy, stack[-1]), *items)
                if held > len(contents):  # thousands of arrays can be made of the same bytes
                    raise ValueError("more bytes in arrays than in the file")
            case _:
                raise ValueError(f"opcode {kind}")
    raise ValueError("no end")


def _announced(function, arguments):
    """What the calls stand for that numpy writes, and Python 3 for byte strings in protocol 2."""
    match function, arguments:
        case "numpy dtype", ("u1" | "i4" | "i8" | "f4" | "f8" as code, *_):
            return _Numpy(code)
        case "numpy.core.multiarray _reconstruct" | "numpy._core.multiarray _reconstruct", _:
            return _Numpy()
        case "_codecs encode", (str(text), "latin1"):
            return text
    # Not str() of just anything: a few nested tuples can be written out for ever.
    called = function[:60] if isinstance(function, str) else type(function).__name__
    raise ValueError(f"refused to call {called} with {type(arguments).__name__}")


def _settle(announced, state):
    """Give a dtype its byte order, or an array its shape, dtype, order and contents; how many bytes these are."""
    if announced.code:
        order = _expect(str, state[1])
        if order not in ("|", "<", ">"):
            raise ValueError("unknown byte order")
        announced.value = np.dtype(order.strip("|") + announced.code)
        return 0
    _, shape, dtype, fortran, raw = state
    if not all(type(side) is int and side >= 0 for side in shape):
        raise ValueError("array of impossible shape")
    flat = np.frombuffer(_expect(str, raw).encode("latin1"), _expect(np.dtype, dtype.value))
    announced.value = flat.reshape(shape, order="F" if fortran else "C")
    return flat.nbytes


def _array(thing):
    return _expect(np.ndarray, _expect(_Numpy, thing).value)


def _expect(kind, thing):
    if not isinstance(thing, kind):
        raise ValueError(f"{type(thing).__name__} in the place of {kind.__name__}")
    return thing


# Files: found, read, fetched, unpacked.


def _folder():
    """The folder of real data; GRADNETS_DATA, if set, has to exist."""
    chosen = os.environ.get("GRADNETS_DATA")
    if not chosen:
        return Path(__file__).resolve().parent.parent / "data"
    if not Path(chosen).is_dir():
        raise DataError(f"GRADNETS_DATA is {chosen!r}, which is no folder: create it, correct it or unset it")
    return Path(chosen)


def _line(error):
    """Any message as one short line that a terminal can show, whatever a file put into it."""
    line = " ".join(str(error)[:1000].split())[:200]
    return "".join(character if character.isprintable() else "?" for character in line)


def _corrupt(path, problem, delete=None):
    return DataError(f"{path}: {_line(problem)}: delete {delete or path} and run again to download it, "
                     "or put a good copy there (see data/README.md)")


def _contents(path, delete=None):
    """All bytes of a file, unpacked if it is called `.gz`, at most MAX_BYTES either way."""
    contents = _bytes(path, delete)
    if path.suffix == ".gz":
        contents, rest = _unpacked(path, contents, delete)
        if rest:
            raise _corrupt(path, "has bytes after the end of its gzip data", delete)
    return contents


def _bytes(path, delete=None):
    try:
        if path.exists() and not path.is_file():
            raise OSError(None, "not a file")
        with open(path, "rb") as file:
            contents = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise _corrupt(path, f"cannot be read ({error.strerror})", delete) from None
    if len(contents) > MAX_BYTES:
        raise _corrupt(path, f"has more than {MAX_BYTES} bytes", delete)
    return contents


def _unpacked(path, packed, delete=None):
    """What gzip packed, and the bytes after it."""
    unpacker = zlib.decompressobj(wbits=31)  # gzip, whose trailing checksum is verified
    try:
        contents = unpacker.decompress(packed, MAX_BYTES + 1)
    except zlib.error as error:
        raise _corrupt(path, f"no valid gzip data ({error})", delete) from None
    if len(contents) > MAX_BYTES:
        raise _corrupt(path, f"has more than {MAX_BYTES} bytes unpacked", delete)
    if not unpacker.eof:
        raise _corrupt(path, "cut short", delete)
    return contents, unpacker.unused_data


def _download(group, name, folder):
    """Fetch a file whose SHA-256 is known into the folder, trying each mirror in turn: its path.

    It gets its name only once it is whole and right; until then it is a temporary file.
    """
    import pooch

    pooch.get_logger().setLevel("WARNING")  # the error below tells of failed attempts
    missing = f"{name} is neither in {folder} nor could it be downloaded"
    remedy = (f"put it there (see data/README.md), set GRADNETS_DATA to a folder that has it, "
              f"or use a set that needs no files: {', '.join(BUILT_IN)}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise DataError(f"{missing} (cannot write there: {error.strerror}): {remedy}") from None
    failures = {}
    try:
        for mirror in MIRRORS[group] * ROUNDS:
            # A folder of its own for each attempt: one that is given up may still write into its.
            with tempfile.TemporaryDirectory(dir=folder, ignore_cleanup_errors=True) as place, _Fetch(name) as fetch:
                try:
                    _in_time(pooch.retrieve, mirror + name, f"sha256:{SHA256[name]}", name, place, downloader=fetch)
                    os.replace(Path(place, name), folder / name)
                    return folder / name
                except (OSError, ValueError) as error:  # no answer, a bad one, or the wrong bytes
                    failures[mirror] = f"{mirror}: {_line(error)[:100]}"
        raise DataError(f"{missing} ({'; '.join(failures.values())}): {remedy}")
    finally:
        with contextlib.suppress(OSError):  # only an empty folder can be removed
            folder.rmdir()


def _in_time(function, *arguments, **keywords):
    """What a function returns or raises; OSError after PATIENCE seconds, and then it is left to itself.

    A server that sends a byte now and then is never silent: no other clock stops it for certain.
    """
    outcome = Future()

    def call():
        try:
            outcome.set_result(function(*arguments, **keywords))
        except BaseException as error:  # KeyboardInterrupt too belongs to whoever waits
            outcome.set_exception(error)

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    if thread.is_alive():
        raise OSError(f"gave up after {PATIENCE} s")
    return outcome.result()


class _Fetch:
    """What pooch calls to download: it shows a progress bar on a terminal, and ends when it is closed or too large."""

    def __init__(self, name):
        import requests

        self.get = requests.get
        self.bar = tqdm(desc=name, unit="B", unit_scale=True, disable=not sys.stderr.isatty())
        self.closed = False

    def __call__(self, url, path, _):
        received = 0
        # Not packed once more on the way: the .gz itself, not what is in it.
        headers = {"Accept-Encoding": "identity"}
        with self.get(url, stream=True, timeout=SILENCE, headers=headers) as response, open(path, "wb") as file:
            response.raise_for_status()
            self.bar.total = int(response.headers.get("Content-Length", 0))
            for block in response.iter_content(2**14):
                received += len(block)
                if self.closed or received > MAX_BYTES:
                    raise OSError(f"gave up after {received} bytes")
                file.write(block)
                self.bar.update(len(block))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.closed = True
        self.bar.close()


def _extract(archive, directory):
    """Unpack one of CIFAR's archives, whose SHA-256 is known, so that its directory appears whole.

    First in memory: tarfile believes what a header says of sizes, so there should be no more to read than is allowed.
    """
    packed = _bytes(archive)
    digest = hashlib.sha256(packed).hexdigest()
    if digest != SHA256[archive.name]:
        raise _corrupt(archive, f"SHA-256 is {digest[:12]}..., expected {SHA256[archive.name][:12]}...")
    contents, _ = _unpacked(archive, packed)
    try:
        with tarfile.open(fileobj=io.BytesIO(contents), mode="r:") as tar:
            size = 0
            for member in tar:  # the directory and plain files in it, nothing else
                place = Path(member.name)
                inside = member.isfile() and place.parent == Path(directory.name) and place.name != ".."
                if not (inside or (member.isdir() and member.name == directory.name)):
                    raise _corrupt(archive, f"holds {member.name[:200]!r}, which does not belong there")
                size += member.size
                if member.size < 0 or size > MAX_BYTES:  # before the next header is looked for behind it
                    raise _corrupt(archive, f"{member.name[:200]!r} claims {member.size} bytes: expected 0 or more, "
                                            f"and {MAX_BYTES} in all at most")
            if not tar.getmembers():
                raise _corrupt(archive, f"holds no {directory.name}")
            # As filter="data", which Python has from 3.11.4 on.
            tar.extraction_filter = getattr(tarfile, "data_filter", None)
            with tempfile.TemporaryDirectory(dir=archive.parent) as temporary:
                tar.extractall(temporary)
                os.replace(Path(temporary, directory.name), directory)
    except DataError:
        raise
    except OSError as error:
        if not directory.is_dir():  # no other process was faster
            raise DataError(f"{archive}: cannot be unpacked into {archive.parent} ({error.strerror}): make room there, "
                            "allow to write there, or set GRADNETS_DATA to another folder") from None
    except Exception as error:  # whatever a damaged header leads to
        raise _corrupt(archive, f"cannot be unpacked ({error or type(error).__name__})") from None
