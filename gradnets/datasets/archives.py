"""Unpack the archives of CIFAR, whose SHA-256 is known."""
import hashlib
import io
import os
import tarfile
import tempfile
from pathlib import Path

from gradnets.datasets import real_files
from gradnets.datasets.real_files import DataError, corrupt


def extract(archive, directory):
    """Unpack an archive that holds one directory of plain files, so that the directory appears whole or not at all.

    Parameters
    ----------
    archive, directory : Path
        The directory appears beside the archive.

    Raises
    ------
    DataError
        If the SHA-256 is not the known one; if the archive holds anything but plain files in that directory; if it is
        damaged or too large; if the directory cannot be written.
    """
    packed = real_files.read_bytes(archive)
    digest, expected = hashlib.sha256(packed).hexdigest(), real_files.SHA256[archive.name]
    if digest != expected:
        raise corrupt(archive, f"SHA-256 is {digest[:12]}..., expected {expected[:12]}...")
    # First into memory: tarfile believes the sizes in headers, so there shall be no more to read than is allowed.
    contents, _ = real_files.unpack(archive, packed)
    try:
        with tarfile.open(fileobj=io.BytesIO(contents), mode="r:") as tar:
            _check_members(tar, archive, directory)
            # The same as filter="data", which Python has from 3.11.4 on.
            tar.extraction_filter = getattr(tarfile, "data_filter", None)
            with tempfile.TemporaryDirectory(dir=archive.parent) as temporary:
                tar.extractall(temporary)
                os.replace(Path(temporary, directory.name), directory)
    except DataError:
        raise
    except OSError as error:
        if not directory.is_dir():  # else another process was faster
            raise DataError(f"{archive}: cannot be unpacked into {archive.parent} ({error.strerror}): make room there, "
                            "allow to write there, or set GRADNETS_DATA to another folder") from None
    except Exception as error:  # the file is at fault, whatever a damaged header leads to
        raise corrupt(archive, f"the archive cannot be unpacked ({error or type(error).__name__})") from None


def _check_members(tar, archive, directory):
    """Raise DataError unless an archive holds the directory, plain files in it, and nothing else."""
    size = 0
    for member in tar:
        place = Path(member.name)
        inside = member.isfile() and place.parent == Path(directory.name) and place.name != ".."
        if not (inside or (member.isdir() and member.name == directory.name)):
            raise corrupt(archive, f"the archive holds {member.name[:200]!r}, which does not belong there")
        size += member.size
        if member.size < 0 or size > real_files.MAX_BYTES:  # before the next header is looked for behind this member
            raise corrupt(archive, f"{member.name[:200]!r} claims {member.size} bytes: expected 0 or more, "
                                   f"and {real_files.MAX_BYTES} in all at most")
    if not tar.getmembers():
        raise corrupt(archive, f"the archive holds no {directory.name}")
