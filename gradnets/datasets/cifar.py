"""Read CIFAR-10 and CIFAR-100: pickled batches, in a folder or in the archive that the folder comes in."""
import hashlib
import os
from typing import NamedTuple

import numpy as np

from gradnets.datasets import pickles, real_files
from gradnets.datasets.real_files import corrupt
from gradnets.errors import Malformed


class Published(NamedTuple):
    """How a set is published."""

    folder: str
    archive: str  # the file that the folder comes in
    label_key: str  # of the labels in a batch
    classes: int


SETS = {
    "cifar10": Published("cifar-10-batches-py", "cifar-10-python.tar.gz", "labels", 10),
    "cifar100": Published("cifar-100-python", "cifar-100-python.tar.gz", "fine_labels", 100),
}
# MD5 of the published batches, as torchvision 0.20 lists them (its datasets/cifar.py). They say whether a batch is
# the published one; whether a download arrived whole is checked by the SHA-256 of the archive.
MD5 = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f", "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751", "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb", "test_batch": "40351d587109b95175f43aff81a1287e",
    "train": "16019d7e3df5f24257cddd939b257f8d", "test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
}


def available(name):
    """Return whether the folder or the archive of a set is in the folder of data."""
    return any(os.path.exists(real_files.folder() / file) for file in (SETS[name].folder, SETS[name].archive))


def read(name, split, limit):
    """Return (uint8 images (n, 3072), int64 labels (n,), classes, source, sha256) of the first `limit` items.

    A training set of CIFAR-10 is made of the batches that are there: all five, or the first of them.
    """
    published = SETS[name]
    directory = _directory(published)
    if name == "cifar100":
        files, source = [split], f"CIFAR-100, {published.folder}/{split}"
    elif split == "test":
        files, source = ["test_batch"], f"CIFAR-10, {published.folder}/test_batch"
    else:
        batches = [k for k in range(1, 6) if os.path.exists(directory / f"data_batch_{k}")]
        if not batches or batches[-1] != len(batches):
            raise corrupt(directory, f"the folder has training batches {', '.join(map(str, batches)) or 'none'}, "
                                     "expected 1 to 5 or the first of them")
        files = [f"data_batch_{k}" for k in batches]
        source = f"CIFAR-10, {published.folder}, {len(files)} of 5 training batches"
    images, labels, sha256, all_published = [], [], {}, True
    for file in files:
        if limit and len(labels) >= limit:
            break
        contents = real_files.contents(directory / file, delete=directory)
        try:
            batch_images, batch_labels = _read_batch(contents, published.label_key, published.classes)
        except Malformed as error:
            raise corrupt(directory / file, error, delete=directory) from None
        images.append(batch_images)
        labels += batch_labels
        sha256[file] = hashlib.sha256(contents).hexdigest()
        all_published &= hashlib.md5(contents, usedforsecurity=False).hexdigest() == MD5[file]
    source += "" if all_published else ", not the published file" + "s" * (len(sha256) > 1)
    images = images[0] if len(images) == 1 else np.concatenate(images)
    return images[:limit], np.array(labels[:limit], np.int64), published.classes, source, sha256


def _directory(published):
    """Return the path of the folder of batches, after unpacking its archive, or downloading that, if needed."""
    folder = real_files.folder()
    directory, archive = folder / published.folder, folder / published.archive
    if not os.path.exists(directory):
        from gradnets.datasets import archives  # here, since a folder of batches needs neither

        if not os.path.exists(archive):
            from gradnets.datasets import downloads

            downloads.download("cifar", archive.name, folder)
        archives.extract(archive, directory)
    return directory


def _read_batch(contents, label_key, classes):
    """Return the images, uint8 (n, 3072), and a list of n labels of one pickled batch."""
    batch = pickles.read(contents)
    if type(batch) is not dict or not {"data", label_key} <= batch.keys():
        raise Malformed(f"expected a dictionary with 'data' and '{label_key}'")
    images, labels = pickles.array(batch["data"]), batch[label_key]
    if images.dtype != np.uint8 or images.ndim != 2 or images.shape[1] != 3072 or not len(images):
        raise Malformed(f"the data are {images.dtype} of shape {images.shape}, expected uint8 (n, 3072)")
    if type(labels) is not list or len(labels) != len(images):
        raise Malformed(f"expected a list of {len(images)} labels")
    if not all(type(label) is int and 0 <= label < classes for label in labels):
        raise Malformed(f"the labels are not integers from 0 to {classes - 1}")
    return images, labels
