"""Archives of CIFAR against tarfile: hostile members, headers that lie, interruptions."""
import bz2
import gzip
import os
import shutil
import tarfile

import numpy as np
import pytest
from data_files import (
    ARCHIVE,
    FOLDER,
    cifar10_members,
    digest,
    files_in,
    python2_batch,
    read_or_refused,
    refused,
    tar_entry,
    write_archive,
)

from gradnets import datasets
from gradnets.datasets import real_files


def test_archive_is_unpacked(folder):
    write_archive(folder / ARCHIVE, cifar10_members())
    read = datasets.load("cifar10")
    assert read.source.endswith("5 of 5 training batches, not the published files")
    assert np.array_equal(read.inputs[4:8], python2_batch(4, seed=1)[1] / 256)
    batches = [name for name, _ in cifar10_members()[1:]]
    assert files_in(folder) == sorted([ARCHIVE, FOLDER, *batches])
    (folder / ARCHIVE).unlink()
    assert len(datasets.load("cifar10", "test").labels) == 4


HOSTILE_MEMBERS = [
    "../evil",
    f"{FOLDER}/../../evil",
    f"{FOLDER}/..",
    f"{FOLDER}/../{FOLDER}/../../../evil",
    "/tmp/gradnets-evil",
    "//tmp/gradnets-evil",
    "evil",
    f"{FOLDER}/deeper/evil",
    "../" * 40 + "tmp/gradnets-evil",  # longer than a plain header holds
    "..\\evil",
    tar_entry(f"{FOLDER}/link", tarfile.SYMTYPE, "/etc/passwd"),
    tar_entry(f"{FOLDER}/link", tarfile.SYMTYPE, "../../evil"),
    tar_entry(f"{FOLDER}/link", tarfile.SYMTYPE, "data_batch_1"),
    tar_entry(f"{FOLDER}/hard", tarfile.LNKTYPE, "/etc/passwd"),
    tar_entry(f"{FOLDER}/hard", tarfile.LNKTYPE, f"{FOLDER}/data_batch_1"),
    tar_entry(f"{FOLDER}/device", tarfile.CHRTYPE),
    tar_entry(f"{FOLDER}/disk", tarfile.BLKTYPE),
    tar_entry(f"{FOLDER}/fifo", tarfile.FIFOTYPE),
    tar_entry("../evil", tarfile.DIRTYPE),
    tar_entry("/tmp/gradnets-evil", tarfile.DIRTYPE),
    tar_entry(FOLDER, tarfile.SYMTYPE, "/tmp"),
    tar_entry(FOLDER, tarfile.SYMTYPE, ".."),
    tar_entry(FOLDER, tarfile.LNKTYPE, "/tmp"),
]


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize(
    "member", HOSTILE_MEMBERS,
    ids=lambda member: member if isinstance(member, str) else f"{member.name} {member.type} {member.linkname}",
)
def test_hostile_archives_are_refused(folder, tried, member, first):
    path = folder / ARCHIVE
    write_archive(path, [(member, b"evil"), *cifar10_members()] if first else [*cifar10_members(), (member, b"evil")])
    assert str(path) in refused("does not belong there", "cifar10")
    assert files_in(folder.parent) == ["data", f"data/{ARCHIVE}"]
    assert not os.path.exists("/tmp/gradnets-evil")
    tried("5 hostile archives refused, nothing written outside", 1)


def extended(**headers):
    """Return a member whose extended header holds these values; _ stands for a dot."""
    info = tarfile.TarInfo(f"{FOLDER}/evil")
    info.pax_headers = {name.replace("_", "."): value for name, value in headers.items()}
    return info


def header_with(size):
    """Return the header of a file that claims any size, in binary where octal digits do not suffice."""
    header = tarfile.TarInfo(f"{FOLDER}/evil").tobuf(tarfile.GNU_FORMAT)
    return with_checksum(header[:124] + tarfile.itn(size, 12, tarfile.GNU_FORMAT) + header[136:])


def with_checksum(header):
    """Return a header whose checksum is right."""
    return header[:148] + b"%06o\0 " % tarfile.calc_chksums(header)[0] + header[156:]


@pytest.mark.parametrize("case", [
    "bomb of 100 to 1", "bomb of many members", "sparse", "sparse by extension", "negative size",
    "size to the header before", "path by extension", "link by extension", "byte 0 in a name", "time beyond the clock",
    "name too long", "headers of headers", "a huge header of headers", "a folder as a file", "a name of surrogates",
    "no members", "no archive", "another packing", "cut short",
])
def test_archives_that_lie_are_refused(folder, monkeypatch, tried, case):
    monkeypatch.setattr(real_files, "MAX_BYTES", 10**6)
    path = folder / ARCHIVE
    good, batch, problem = cifar10_members()[1:], python2_batch(4)[0], "cannot be unpacked"
    match case:
        case "bomb of 100 to 1":
            write_archive(path, [*good, (f"{FOLDER}/bomb", bytes(3 * 10**7))])
            assert path.stat().st_size < 3 * 10**5
            problem = "more than 1000000 bytes unpacked"
        case "bomb of many members":
            write_archive(path, [(f"{FOLDER}/{k}", bytes(10**5)) for k in range(300)])
            problem = "more than 1000000 bytes unpacked"
        case "sparse":
            size = tarfile.itn(10**13, 12, tarfile.GNU_FORMAT)
            tar = with_checksum(header_with(0)[:156] + b"S" + header_with(0)[157:483] + size + bytes(17)) + bytes(1024)
            problem = "claims 10000000000000 bytes"
        case "sparse by extension":
            sparse = {"GNU_sparse_major": "1", "GNU_sparse_minor": "0", "GNU_sparse_realsize": str(10**13)}
            write_archive(path, [(extended(**sparse), b"1\n0\n1\n".ljust(512, b"\0")), *good])
            problem = "claims 10000000000000 bytes"
        case "negative size" | "size to the header before":
            size = -1 if case == "negative size" else -512
            tar = header_with(size) + bytes(10240)
            problem = f"claims {size} bytes"
        case "path by extension":
            write_archive(path, [(extended(path="/tmp/gradnets-evil"), b"evil"), *good])
            problem = "'/tmp/gradnets-evil', which does not belong there"
        case "link by extension":
            info = extended(path=f"{FOLDER}/link", linkpath="/etc/passwd")
            info.type = tarfile.SYMTYPE
            write_archive(path, [(info, b""), *good])
            problem = "does not belong there"
        case "byte 0 in a name":
            write_archive(path, [(extended(path=f"{FOLDER}/evil\0"), b"evil"), *good])
            problem = "embedded null"
        case "time beyond the clock":
            write_archive(path, [*good, (extended(mtime="1e30"), b"evil")])
        case "name too long":
            write_archive(path, [(f"{FOLDER}/" + "x" * 5000, b"evil"), *good])
            problem = "File name too long"
        case "headers of headers":
            tar = tar_entry("x", tarfile.GNUTYPE_LONGNAME).tobuf(tarfile.GNU_FORMAT) * 1500 + bytes(1024)
        case "a huge header of headers":
            tar = with_checksum(header_with(2**36)[:156] + b"x" + header_with(2**36)[157:]) + bytes(1024)
        case "a folder as a file":
            write_archive(path, [(FOLDER, b"evil"), *good])
            problem = "does not belong there"
        case "a name of surrogates":
            write_archive(path, [(f"{FOLDER}/\udc80" + "\udcff" * 300, b"evil"), *good])
            problem = "File name too long"
        case "no members":
            write_archive(path, [])
            problem = f"holds no {FOLDER}"
        case "no archive":
            tar = b"<!DOCTYPE html>" * 100
        case "another packing":
            tar = bz2.compress(bytes(10240))
        case "cut short":
            write_archive(path, good)
            tar = gzip.decompress(path.read_bytes())[:-len(batch)]
            tar = tar[:tar.rindex(batch[:20]) + 100]
    if not path.exists() or case == "cut short":
        path.write_bytes(gzip.compress(tar, 1))
        real_files.SHA256[path.name] = digest(path.read_bytes())
    message = refused(problem, "cifar10")
    assert str(path) in message
    assert files_in(folder.parent) == ["data", f"data/{path.name}"]
    assert not os.path.exists("/tmp/gradnets-evil")
    tried("5 hostile archives refused, nothing written outside", 1)


def test_archives_of_random_headers(folder, many, tried):
    """One byte of a header is wrong, and all checksums are right: the archive is refused, or gives nothing but batches.
    """
    path, rng = folder / ARCHIVE, np.random.default_rng(0)
    write_archive(path, cifar10_members()[1:3])
    tar = gzip.decompress(path.read_bytes())
    for _ in range(many(30, 500)):
        changed = bytearray(tar)
        at, value = rng.choice([*range(110), *range(124, 136), 156, 156, *range(257, 512)]), rng.integers(256)
        changed[at] = value
        changed[:512] = with_checksum(changed[:512])
        path.write_bytes(gzip.compress(changed, 1))
        real_files.SHA256[path.name] = digest(path.read_bytes())
        read = read_or_refused("cifar10", folder)
        assert read is None or read.inputs.shape in ((4, 3072), (8, 3072))
        assert files_in(folder.parent)[:2] == ["data", f"data/{FOLDER if (folder / FOLDER).exists() else ARCHIVE}"]
        assert all(file.startswith(("data", f"data/{FOLDER}/")) for file in files_in(folder.parent))
        shutil.rmtree(folder / FOLDER, ignore_errors=True)
        assert files_in(folder.parent) == ["data", f"data/{path.name}"]
    tried("5 archives with a wrong byte in a header: refused, or nothing but batches", many(30, 500))


def test_another_process_unpacks_first(folder, monkeypatch):
    write_archive(folder / ARCHIVE, cifar10_members())
    replace = os.replace

    def late(source, target):
        shutil.copytree(source, target)
        replace(source, target)

    monkeypatch.setattr(os, "replace", late)
    assert len(datasets.load("cifar10").labels) == 20
    assert sorted(path.name for path in folder.iterdir()) == [FOLDER, ARCHIVE]


def test_archive_that_cannot_be_unpacked_where_it_is(folder, monkeypatch):
    write_archive(folder / ARCHIVE, cifar10_members())

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    message = refused("No space left on device", "cifar10")
    assert "make room" in message
    assert files_in(folder) == [ARCHIVE]


def test_interrupted_unpacking_leaves_nothing(folder, monkeypatch):
    write_archive(folder / ARCHIVE, cifar10_members())

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", interrupted)
        with pytest.raises(KeyboardInterrupt):
            datasets.load("cifar10")
    assert files_in(folder) == [ARCHIVE]
    assert len(datasets.load("cifar10").labels) == 20
