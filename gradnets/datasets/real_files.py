"""Find and read files of data that nobody vouches for.

Sizes are bounded, checksums are known, and every problem ends in one line that names the file and says what to do.
"""
import os
import zlib
from pathlib import Path

from gradnets.errors import UserError

MAX_BYTES = 2**28  # of any one file, packed or unpacked; the largest real file has 220 million
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


class DataError(UserError):
    """Data that can be neither found nor trusted; the message is one line."""


def folder():
    """Return the folder of real data: GRADNETS_DATA if that variable is set, else `data/` beside the package."""
    chosen = os.environ.get("GRADNETS_DATA")
    if not chosen:
        return Path(__file__).resolve().parents[2] / "data"
    if not Path(chosen).is_dir():
        raise DataError(f"GRADNETS_DATA is {chosen!r}, which is no folder: create it, correct it or unset it")
    return Path(chosen)


def printable_line(error):
    """Return a message as one short line that a terminal can show, whatever a file has put into the message."""
    line = " ".join(str(error)[:1000].split())[:200]
    return "".join(character if character.isprintable() else "?" for character in line)


def corrupt(path, problem, delete=None):
    """Return the DataError of a corrupt file; `delete` is what has to be deleted, if that is not the file itself."""
    return DataError(f"{path}: {printable_line(problem)}: delete {delete or path} and run again to download it, "
                     "or put a good copy there (see data/README.md)")


def contents(path, delete=None):
    """Return all bytes of a file, unpacked if its name ends in `.gz`; at most MAX_BYTES before and after unpacking."""
    packed = read_bytes(path, delete)
    if path.suffix != ".gz":
        return packed
    unpacked, rest = unpack(path, packed, delete)
    if rest:
        raise corrupt(path, "the file has bytes after the end of its gzip data", delete)
    return unpacked


def read_bytes(path, delete=None):
    """Return all bytes of a file, at most MAX_BYTES."""
    try:
        if path.exists() and not path.is_file():
            raise OSError(None, "not a file")
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise corrupt(path, f"the file cannot be read ({error.strerror})", delete) from None
    if len(data) > MAX_BYTES:
        raise corrupt(path, f"the file has more than {MAX_BYTES} bytes", delete)
    return data


def unpack(path, packed, delete=None):
    """Return what gzip packed, at most MAX_BYTES, and the bytes after it; `path` is for error messages."""
    unpacker = zlib.decompressobj(wbits=31)  # gzip, whose checksum at the end is verified
    try:
        unpacked = unpacker.decompress(packed, MAX_BYTES + 1)
    except zlib.error as error:
        raise corrupt(path, f"the file holds no valid gzip data ({error})", delete) from None
    if len(unpacked) > MAX_BYTES:
        raise corrupt(path, f"the file has more than {MAX_BYTES} bytes unpacked", delete)
    if not unpacker.eof:
        raise corrupt(path, "the file is cut short", delete)
    return unpacked, unpacker.unused_data
