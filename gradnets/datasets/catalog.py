"""Data sets by name, and what can be done with any of them.

`load("glyphs")` draws digits, `load("mnist")` reads the real ones. A pixel is its byte / 256, as in the essays that
this project follows: exact in binary floating point, and below 1.
"""
import hashlib
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np

from gradnets import checks
from gradnets.datasets import built_in
from gradnets.errors import UserError

BUILT_IN = built_in.NAMES
NAMES = (*BUILT_IN, "mnist", "cifar10", "cifar100")
SPLITS = built_in.SPLITS


@dataclass(frozen=True, eq=False)
class Dataset:
    """Items with labels, as `load` returns them.

    Attributes
    ----------
    name : str
        Name of the set, as given to `load`.
    inputs : float64 array (n, d)
        Pixels in [0, 1), row by row; a color image holds its red plane, then its green and its blue one. The values of
        `tree` and `clusters` are those of the motif paper, which are not confined to [0, 1].
    labels : int64 array (n,)
        Class of each item, in 0 .. classes - 1.
    classes : int
        Number of classes of the set, whether or not each occurs here.
    source : str
        Where the items came from.
    sha256 : dict
        File name -> SHA-256 of its decompressed contents. A generated set has one entry,
        {"arrays": SHA-256 of the generated inputs and labels}.
    split : "train" or "test"
    loaded : int
        Number of items that `load` returned, which a part of them remembers. By default the number of labels.
    """

    name: str
    inputs: np.ndarray
    labels: np.ndarray
    classes: int
    source: str
    sha256: dict = field(default_factory=dict)
    split: str = "train"
    loaded: int | None = None

    def __post_init__(self):
        if self.loaded is None:
            object.__setattr__(self, "loaded", np.size(self.labels))

    @property
    def provenance(self):
        """What the record of a run keeps of its data: a dict of name, split, n, source and sha256."""
        return {"name": self.name, "split": self.split, "n": self.loaded, "source": self.source, "sha256": self.sha256}

    @property
    def shape(self):
        """Shape of one input as a picture: (28, 28), (32, 32, 3), or (d,) for an input that is no image."""
        return {784: (28, 28), 3072: (32, 32, 3)}.get(self.inputs.shape[1], self.inputs.shape[1:])

    def picture(self, index):
        """Return input `index` in the shape of a picture, the colors last, ready to be drawn."""
        if len(self.shape) == 3:
            return self.inputs[index].reshape(3, 32, 32).transpose(1, 2, 0)
        return self.inputs[index].reshape(self.shape)


def load(name, split="train", limit=None, seed=0):
    """Generate or read one data set.

    Parameters
    ----------
    name : str
        Generated sets: "glyphs" (28 x 28 digits in many fonts), "noise" (784 uniform bytes, random labels of ten
        classes), "noise-constant" (the same images, all labelled 0 of ten classes), "tree" and "clusters" (31 features,
        four classes). Sets from files: "mnist", "cifar10", "cifar100" (fine labels). The files lie in the folder that
        the environment variable GRADNETS_DATA names, else in `data/` beside the package; a file that is missing there
        is downloaded into that folder.
    split : "train" or "test"
    limit : int, optional
        Number of items to generate; from files, the largest number of items to take, starting at the first. None
        generates 10,000 (train) or 2,000 (test) images, or 2,000 items of `tree` or `clusters`, and takes all items of
        a set from files.
    seed : int, not negative
        Fixes the generated sets: fewer items are the first of more items with the same seed. Sets from files ignore it.

    Returns
    -------
    Dataset

    Raises
    ------
    DataError
        If files are missing and cannot be downloaded, or are corrupt.
    UserError
        If an argument is wrong.
    """
    checks.choice("data set", name, NAMES)
    checks.choice("split", split, SPLITS)
    if limit is not None and not (checks.is_integer(limit) and limit > 0):
        raise UserError(f"limit is {limit!r}: expected a positive integer or None")
    if not (checks.is_integer(seed) and seed >= 0):
        raise UserError(f"seed is {seed!r}: expected an integer of at least 0")

    limit, seed = None if limit is None else int(limit), int(seed)
    if name in BUILT_IN:
        inputs, labels, classes, source = built_in.generate(name, split, limit, seed)
        digest = hashlib.sha256(inputs)
        digest.update(labels)
        sha256 = {"arrays": digest.hexdigest()}
    else:
        inputs, labels, classes, source, sha256 = _reader(name).read(name, split, limit)
    if inputs.dtype == np.uint8:
        inputs = np.multiply(inputs, 1 / 256, dtype=np.float64)
    return Dataset(name, inputs, labels, classes, source, sha256, split)


def available(name):
    """Return whether `load(name)` needs no download: the set is generated, or its files are in the folder of data."""
    checks.choice("data set", name, NAMES)
    return name in BUILT_IN or _reader(name).available(name)


def _reader(name):
    from gradnets.datasets import cifar, mnist  # here, since generated sets need no readers

    return mnist if name == "mnist" else cifar


def pool(dataset, side):
    """Return the data set with each image reduced to side x side means of square tiles, each color by itself.

    Where the width is not a multiple of `side`, the outer rows and columns are cut off. Raises UserError unless the
    inputs are square images of at least side x side pixels.
    """
    items, features = dataset.inputs.shape
    planes = 3 if features % 3 == 0 and round((features / 3)**0.5)**2 * 3 == features else 1
    width = round((features / planes)**0.5)
    tile = width // side
    if planes * width * width != features or not tile:
        raise UserError(f"{dataset.name} has {features} features: expected square images of {side} x {side} pixels or "
                        "more, such as glyphs")
    edge = (width - side * tile) // 2
    inner = slice(edge, edge + side * tile)
    tiles = dataset.inputs.reshape(items, planes, width, width)[:, :, inner, inner]
    means = tiles.reshape(items, planes, side, tile, side, tile).mean(axis=(3, 5))
    return replace(dataset, inputs=means.reshape(items, -1))


def hold_out(dataset, share=1 / 6):
    """Split a training set into a training part and a validation part, which is the last share of the items.

    Parameters
    ----------
    dataset : Dataset
    share : float in (0, 1)
        Share of the items that validation gets, rounded up to a whole item.

    Returns
    -------
    training, validation : Dataset
        Their arrays are views of the arrays of `dataset`.

    Raises
    ------
    UserError
        If one of the parts would be empty.
    """
    share = Fraction(share).limit_denominator(1000)  # 1 / 6 exactly, so that rounding cannot move the cut
    cut = int(len(dataset.labels) * (1 - share))
    if not 0 < cut < len(dataset.labels):
        raise UserError(f"share is {float(share):.3g} of {len(dataset.labels)} items of {dataset.name}: expected at "
                        "least one item for training and one for validation")
    return tuple(replace(dataset, inputs=dataset.inputs[part], labels=dataset.labels[part])
                 for part in (slice(cut), slice(cut, None)))
