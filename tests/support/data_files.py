"""Small files in the layouts of MNIST and CIFAR, and damaged copies of files."""
import gzip
import hashlib
import io
import pickle
import struct
import tarfile
import warnings

import numpy as np
import pytest

from gradnets import datasets
from gradnets.datasets import real_files

IDX = tuple(f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1"))
ARCHIVE, FOLDER = "cifar-10-python.tar.gz", "cifar-10-batches-py"


def refused(match, *arguments, **keywords):
    """Return the one line with which `datasets.load` refuses."""
    with pytest.raises(datasets.DataError, match=match) as caught:
        datasets.load(*arguments, **keywords)
    message = str(caught.value)
    assert message.isprintable()
    assert len(message) < 1500
    return message


def read_or_refused(name, path):
    """Return what `datasets.load` returns, or None if it refuses in one line that names the file."""
    try:
        return datasets.load(name)
    except datasets.DataError as error:
        message = str(error)
    assert str(path) in message
    assert message.isprintable()
    return None


def digest(contents):
    return hashlib.sha256(contents).hexdigest()


def files_in(place):
    return sorted(str(path.relative_to(place)) for path in place.rglob("*"))


# ---- MNIST ------------------------------------------------------------------------------------------------

def idx(values):
    magic = 2049 if values.ndim == 1 else 2051
    return struct.pack(f">{1 + values.ndim}I", magic, *values.shape) + values.tobytes()


def write_mnist(folder, packed=True, place="mnist"):
    """Write a small MNIST whose checksums become the known ones; return file name -> array."""
    rng = np.random.default_rng(3)
    arrays = {}
    for images, labels, n in ((*IDX[:2], 12), (*IDX[2:], 5)):
        arrays[images] = rng.integers(0, 256, (n, 28, 28), dtype=np.uint8)
        arrays[labels] = rng.integers(0, 10, n, dtype=np.uint8)
    (folder / place).mkdir(exist_ok=True)
    for name, values in arrays.items():
        write_idx(folder / place, name, idx(values), packed)
    return arrays


def write_idx(place, name, contents, packed=True):
    real_files.SHA256[name] = digest(contents)
    if packed:
        contents = gzip.compress(contents)
        real_files.SHA256[name + ".gz"] = digest(contents)
    (place / (name + ".gz" * packed)).write_bytes(contents)


def legacy_pickle():
    """Return the contents of a small mnist.pkl, and (images uint8, labels) of its three parts."""
    rng = np.random.default_rng(6)
    parts = [(rng.integers(0, 256, (n, 784), dtype=np.uint8), rng.integers(0, 10, n)) for n in (9, 4, 3)]
    pairs = [python2_array((images / 256).astype("<f4"), b"f4") + python2_array(labels, b"i8") + b"\x86"
             for images, labels in parts]
    return b"\x80\x02" + b"".join(pairs) + b"\x87.", parts


# ---- CIFAR, and the pickles of Python 2 -------------------------------------------------------------------

def short(text):
    return b"U" + bytes([len(text)]) + text


def number(value):
    return b"J" + struct.pack("<i", value)


def python2_array(values, code):
    """Pickle an array as Python 2 did with protocol 2: all text is byte strings."""
    head = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85" + short(b"b") + b"tR(K\x01"
    shape = b"(" + b"".join(number(side) for side in values.shape) + b"t"
    order = b"|" if code.endswith(b"1") else b"<"
    dtype = b"cnumpy\ndtype\n(" + short(code) + b"K\x00K\x01tR(K\x03" + short(order) + b"NNN"
    raw = b"I00\nT" + struct.pack("<I", values.nbytes) + values.tobytes()
    return head + shape + dtype + number(-1) + number(-1) + b"K\x00tb" + raw + b"tb"


def python2_batch(n=7, key=b"labels", classes=10, seed=4):
    """Return the contents of a pickled batch, its images and its labels."""
    rng = np.random.default_rng(seed)
    images, labels = rng.integers(0, 256, (n, 3072), dtype=np.uint8), rng.integers(0, classes, n).tolist()
    listed = b"]q\x02(" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
    names = b"](" + b"".join(short(b"%04d.png" % i) for i in range(n)) + b"e"
    head = b"\x80\x02}q\x01(" + short(b"batch_label") + short(b"training batch 1 of 5") + short(key) + listed
    tail = short(b"data") + python2_array(images, b"u1") + short(b"filenames") + names + b"u."
    return head + tail, images, labels


def unpickle(contents):
    """Read a pickle with the standard library: the oracle for files that are trusted because the tests wrote them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy.core has moved
        return pickle.loads(contents, encoding="bytes")


def write_cifar10(folder, batches=(1,)):
    """Write batches of a small CIFAR-10; return file name -> (contents, images, labels)."""
    place = folder / FOLDER
    place.mkdir()
    written = {f"data_batch_{k}": python2_batch(6 + k, seed=k) for k in batches}
    written["test_batch"] = python2_batch(5, seed=9)
    for name, (contents, _, _) in written.items():
        (place / name).write_bytes(contents)
    return written


def tar_entry(name, kind, target=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def cifar10_members():
    """Return the members of a small archive of CIFAR-10: the directory, and all batches of four images."""
    return [(tar_entry(FOLDER, tarfile.DIRTYPE), b"")] + [
        (f"{FOLDER}/{name}", python2_batch(4, seed=k)[0])
        for k, name in enumerate([*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"])
    ]


def write_archive(path, members):
    """Write a .tar.gz of (TarInfo or name, contents), whose checksum becomes the known one."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as tar:
        for member, contents in members:
            info = tarfile.TarInfo(member) if isinstance(member, str) else member
            if info.isfile():
                info.size = len(contents)
            tar.addfile(info, io.BytesIO(contents) if info.isfile() else None)
    path.write_bytes(buffer.getvalue())
    real_files.SHA256[path.name] = digest(buffer.getvalue())


# ---- damage -----------------------------------------------------------------------------------------------

def truncations(whole, count):
    return [whole[:size] for size in np.unique(np.linspace(0, len(whole) - 1, count).astype(int))]


def flips(whole, count):
    """Return copies with a single bit flipped, half of them among the first 512 bytes, where headers are."""
    rng = np.random.default_rng(0)
    bits = [*rng.permutation(8 * min(len(whole), 512))[: count // 2], *rng.permutation(8 * len(whole))]
    flipped = []
    for bit in list(dict.fromkeys(bits))[:count]:
        flipped.append(bytearray(whole))
        flipped[-1][bit // 8] ^= 1 << bit % 8
    return flipped
