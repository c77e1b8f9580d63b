"""Write files of tensors for tests, sound and damaged ones, and read them."""
import contextlib
import io
import json
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
from safetensors.numpy import save_file

from gradnets import checkpoints
from gradnets.errors import UserError


@contextlib.contextmanager
def takes_at_most(size):
    """Fail unless Python and numpy ask for less memory than `size` bytes in the block."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < size
    finally:
        tracemalloc.stop()


def read(path, *args, **options):
    """Return the matrices of a file by name."""
    return {matrix.name: matrix.values for matrix in checkpoints.matrices(path, *args, **options)}


def refusal(path, *args, **options):
    """Return the message with which a file is refused, which is one line."""
    with pytest.raises(UserError) as caught:
        read(path, *args, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 900
    return message


def save(path, arrays):
    """Write arrays with the library that the suffix belongs to."""
    if path.suffix == ".npz":
        np.savez(path, **arrays)
    else:
        save_file(arrays, path)
    return path


def raw_safetensors(path, header, body=b"", length=None):
    """Write a .safetensors file by the specification: the length of the header, the header, the numbers."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + body)
    return path


def entry(shape, begin, end, dtype="F32"):
    """Return a tensor's entry in the header of a .safetensors file."""
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def raw_npz(path, **members):
    """Write an archive of members, which are bytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, contents in members.items():
            archive.writestr(name + ".npy", contents)
    return path


def npy(array):
    """Return the bytes of an array's .npy file."""
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def npy_header(shape, descr="<f8"):
    """Return the bytes of a .npy header, true or false."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})
    return file.getvalue()


def torch_archive(path, pickled, storages, byte_order=b"little", compression=zipfile.ZIP_STORED):
    """Write an archive as torch.save does: a pickle, and the bytes of each storage."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("net/data.pkl", pickled)
        archive.writestr("net/byteorder", byte_order)
        for key, contents in storages.items():
            info = zipfile.ZipInfo(f"net/data/{key}")
            info.compress_type = compression
            filling = -(archive.fp.tell() + 34 + len(info.filename)) % 64  # storages begin at multiples of 64 bytes
            info.extra = struct.pack("<2sH", b"FB", filling) + bytes(filling)
            archive.writestr(info, contents)
    return path


def torch_pickle(shape, strides, first=0, kind="FloatStorage", key="0"):
    """Return the pickle of {"w": a tensor of this shape over a storage}."""
    def numbers(values):
        return b"(" + b"".join(b"\x8a\x08" + struct.pack("<q", value) for value in values) + b"t"

    def text(word):
        return b"X" + struct.pack("<I", len(word)) + word.encode()

    storage = (b"(" + text("storage") + b"ctorch\n" + kind.encode() + b"\n" + text(key) + text("cpu") + b"K\x01tQ")
    return (b"\x80\x02}" + text("w") + b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage
            + b"\x8a\x08" + struct.pack("<q", first) + numbers(shape) + numbers(strides)
            + b"\x89ccollections\nOrderedDict\n)RtRs.")
