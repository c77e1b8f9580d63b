"""Read MNIST: the four IDX files, or the pickle of the old deep learning tutorials.

The reader of IDX is our own because the format is a header of integers and then bytes: a library would be longer to
check than these lines.
"""
import hashlib
import math
import os
import struct

import numpy as np

from gradnets.datasets import pickles, real_files
from gradnets.datasets.real_files import corrupt
from gradnets.errors import Malformed
from gradnets.pickles import expect

SIDE = 28  # pixels along an image
PREFIXES = {"train": "train", "test": "t10k"}  # of the files of each split
PICKLE = "mnist.pkl.gz"


def available(name="mnist"):
    """Return whether the training images are in the folder of data, in one of their forms."""
    return _find(real_files.folder(), PICKLE, "train-images-idx3-ubyte", "train-images-idx3-ubyte.gz") is not None


def read(name, split, limit):
    """Return (uint8 images (n, 784), int64 labels (n,), 10, source, sha256) of the first `limit` items."""
    folder = real_files.folder()
    names = [f"{PREFIXES[split]}-{kind}-ubyte" for kind in ("images-idx3", "labels-idx1")]
    paths = [_find(folder, file, file + ".gz") for file in names]
    pickle = _find(folder, PICKLE)
    if paths == [None, None] and pickle:
        return _read_pickle(pickle, split, limit)
    for k, file in enumerate(names):
        if not paths[k]:
            from gradnets.datasets import downloads  # here, since importing pooch takes 0.2 s

            paths[k] = downloads.download("mnist", file + ".gz", folder / "mnist")
    (images, image_digest), (labels, label_digest) = map(_read_idx, paths, names)
    if len(images) != len(labels):
        raise corrupt(paths[1], f"the file has {len(labels)} labels for the {len(images)} images of {paths[0].name}")
    if labels.max() > 9:
        raise corrupt(paths[1], f"the file has a label {labels.max()}, expected 0 to 9")
    source = f"MNIST, {' and '.join(path.name for path in paths)}"
    sha256 = dict(zip(names, (image_digest, label_digest), strict=True))
    return images[:limit], labels[:limit].astype(np.int64), 10, source, sha256


def _find(folder, *names):
    """Return the path of the first of these files that is in `mnist/` or in the folder itself, or None."""
    paths = (place / name for place in (folder / "mnist", folder) for name in names)
    return next((path for path in paths if os.path.exists(path)), None)


def _read_idx(path, name):
    """Return the values of an IDX file of bytes, uint8 (n, 784) or (n,), and the SHA-256 of its contents."""
    contents = real_files.contents(path)
    digest, expected = hashlib.sha256(contents).hexdigest(), real_files.SHA256[name]
    if digest != expected:
        raise corrupt(path, f"SHA-256 of the contents is {digest[:12]}..., expected {expected[:12]}...")
    magic, shape = (2051, (SIDE, SIDE)) if "images" in name else (2049, ())
    header_bytes = 4 * (2 + len(shape))
    if len(contents) < header_bytes:
        raise corrupt(path, f"{len(contents)} bytes are too few for a header")
    header = struct.unpack(f">{2 + len(shape)}I", contents[:header_bytes])
    n = header[1]
    if header != (magic, n, *shape) or not n:
        raise corrupt(path, f"the header is {header}, expected {(magic, 'n > 0', *shape)}")
    expected_bytes = header_bytes + n * math.prod(shape)
    if len(contents) != expected_bytes:
        raise corrupt(path, f"the file has {len(contents)} bytes, expected {expected_bytes} for {n} items")
    values = np.frombuffer(contents, np.uint8, offset=header_bytes)
    return values.reshape((n, math.prod(shape)) if shape else n), digest


def _read_pickle(path, split, limit):
    """Read three pairs (images float32 (n, 784), labels (n,)); the first two are the training set."""
    contents = real_files.contents(path)
    try:
        pairs = [expect((tuple, list), pair) for pair in expect((tuple, list), pickles.read(contents))]
        if [len(pair) for pair in pairs] != [2, 2, 2]:
            raise Malformed("expected three pairs of images and labels")
        pairs = [tuple(map(pickles.array, pair)) for pair in pairs]
        pairs = pairs[:2] if split == "train" else pairs[2:]
        for images, labels in pairs:
            _check_pickled(images, labels)
    except Malformed as error:
        raise corrupt(path, error) from None
    images, labels = (np.concatenate(arrays)[:limit] for arrays in zip(*pairs, strict=True))
    sha256 = {path.stem: hashlib.sha256(contents).hexdigest()}
    return (images * 256).astype(np.uint8), labels.astype(np.int64), 10, f"MNIST, {path.name}", sha256


def _check_pickled(images, labels):
    if labels.ndim != 1 or images.shape != (labels.size, SIDE * SIDE) or not labels.size:
        raise Malformed(f"the shapes are {images.shape} of images and {labels.shape} of labels, expected (n, 784) and "
                        "(n,)")
    if images.dtype.kind != "f":
        raise Malformed(f"the images are {images.dtype}, expected float32")
    if labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() > 9:
        raise Malformed("the labels are not integers from 0 to 9")
    if not ((images >= 0) & (images < 1)).all() or (images * 256 % 1).any():
        raise Malformed("the pixels are not byte / 256")
