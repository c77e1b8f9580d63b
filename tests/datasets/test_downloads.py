"""Downloads from a server on this machine that misbehaves."""
import contextlib
import gzip
import itertools
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

import numpy as np
import pytest
from data_files import ARCHIVE, FOLDER, IDX, cifar10_members, files_in, idx, refused, write_archive, write_mnist

from gradnets import datasets
from gradnets.datasets import downloads, real_files

HTML = b"<!DOCTYPE html><html><body>Please sign in</body></html>"
STATUS = ("401", "403", "404", "408", "410", "429", "500", "502", "503", "504")


def answer(way, name, body):
    """Return what the server sends in one of these ways before it hangs up."""
    def reply(content=body, status="200 OK", **headers):
        headers = {key.replace("_", "-"): value for key, value in headers.items()}
        headers = {"Content-Length": len(content), "Connection": "close"} | headers
        lines = [f"HTTP/1.1 {status}", *(f"{key}: {value}" for key, value in headers.items() if value is not None)]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + content

    def moved(where):
        return reply(b"", "302 Found", Location=where)

    return {
        "good": lambda: reply(),
        "unsized": lambda: reply(Content_Length=None),
        "in small pieces": lambda: reply(b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n",
                                         Content_Length=None, Transfer_Encoding="chunked"),
        "redirect": lambda: moved(f"/good/{name}"),
        **{status: lambda: reply(HTML, f"{way} Something \x1b[31m went wrong") for status in STATUS},
        "204": lambda: reply(b"", "204 No Content"),
        "206": lambda: reply(body[:30], "206 Partial Content", Content_Range=f"bytes 0-29/{len(body)}"),
        "304": lambda: reply(b"", "304 Not Modified"),
        "html": lambda: reply(HTML),
        "html as gzip": lambda: reply(gzip.compress(HTML), Content_Type="application/gzip"),
        "wrong": lambda: reply(body[:-1] + bytes([body[-1] ^ 1])),
        "another file": lambda: reply(gzip.compress(idx(np.zeros(5, np.uint8)))),
        "empty": lambda: reply(b""),
        "nothing": lambda: b"",
        "no answer of HTTP": lambda: b"220 ftp ready\r\n" * 20,
        "random bytes": lambda: np.random.default_rng(0).bytes(5000),
        "short": lambda: reply(body[: len(body) // 2], Content_Length=len(body)),
        "claims less": lambda: reply(Content_Length=len(body) - 1),
        "claims more": lambda: reply(Content_Length=len(body) + 1),
        "claims too much": lambda: reply(Content_Length=10**30),
        "claims no number": lambda: reply(Content_Length="many"),
        "claims less than nothing": lambda: reply(b"", Content_Length=-5),
        "broken pieces": lambda: reply(b"zz\r\n" + body, Content_Length=None, Transfer_Encoding="chunked"),
        "pieces cut short": lambda: reply(b"ffff\r\n" + body[:100], Content_Length=None, Transfer_Encoding="chunked"),
        "not packed as said": lambda: reply(HTML, Content_Encoding="gzip"),
        "bomb": lambda: reply(gzip.compress(bytes(3 * 10**7), 1), Content_Encoding="gzip"),
        "endless": lambda: reply(bytes(3 * 10**6), Content_Length=None),
        "too large": lambda: reply(bytes(3 * 10**6)),
        "many headers": lambda: reply(**{f"X-{k}": k for k in range(500)}),
        "long header": lambda: reply(X="x" * 10**5),
        "loop": lambda: moved(f"/loop/{name}"),
        "ring": lambda: moved(f"/gnir/{name}"),
        "gnir": lambda: moved(f"/ring/{name}"),
        "to nowhere": lambda: moved("http://127.0.0.1:9/x"),
        "to a file": lambda: moved("file:///etc/hostname"),
        "to no address": lambda: moved("http://[::1/%00\x01"),
        "to no place": lambda: reply(b"", "302 Found"),
    }[way]()


SLOW = {"silent": b"", "silent in the header": b"HTTP/1.1 200 OK\r\nContent-", "stall": None}
DRIP = {"drip": b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", "drip in the header": b"HTTP/1.1 200 OK\r\nX: "}


@pytest.fixture
def server(tmp_path, monkeypatch):
    """Serve files of `served` in the way that the first part of a path names; `requests` lists these ways."""
    served, requests, done = tmp_path / "served", [], threading.Event()
    served.mkdir()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            _, way, name = unquote(self.path).split("/")
            requests.append(way)
            body = (served / name).read_bytes()
            with contextlib.suppress(OSError):  # the client has hung up
                if way in DRIP:
                    self.wfile.write(DRIP[way])
                    while not done.wait(0.05):
                        self.wfile.write(b"x")
                elif way in SLOW:
                    stalled = answer("good", name, body)
                    self.wfile.write(stalled[: len(stalled) // 2] if SLOW[way] is None else SLOW[way])
                    done.wait(20)
                else:
                    self.wfile.write(answer(way, name, body))

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as web:
        web.daemon_threads = True
        thread = threading.Thread(target=web.serve_forever, args=(0.01,))
        thread.start()
        monkeypatch.setattr(downloads, "SILENCE", 0.3)
        monkeypatch.setattr(real_files, "MAX_BYTES", 10**6)
        base = f"http://127.0.0.1:{web.server_port}"

        def mirrors(*ways):
            urls = tuple(f"{base}/{way.replace(' ', '%20')}/" for way in ways)
            monkeypatch.setattr(downloads, "MIRRORS", {"mnist": urls, "cifar": urls})

        yield served, requests, mirrors
        done.set()
        web.shutdown()
        thread.join()


GOOD = ("good", "redirect", "unsized", "in small pieces")
BAD = (*STATUS, "204", "206", "304", "html", "html as gzip", "wrong", "another file", "empty", "nothing",
       "no answer of HTTP", "random bytes", "short", "claims less", "claims more", "claims too much",
       "claims no number", "claims less than nothing", "broken pieces", "pieces cut short", "not packed as said",
       "bomb", "endless", "too large", "many headers", "long header", "loop", "ring", "to nowhere", "to a file",
       "to no address", "to no place", *SLOW)


def serve_mnist(served):
    arrays = write_mnist(served, place=".")
    return arrays[IDX[0]].reshape(-1, 784) / 256


def without_redirects(requests):
    """Return the first of equal requests in a row: "loop" redirects to itself, "ring" to "gnir" and back."""
    ways = ["ring" if way == "gnir" else way for way in requests]
    return [way for way, _ in itertools.groupby(ways)]


@pytest.mark.parametrize("bad", BAD)
def test_next_mirror_is_tried(folder, server, tried, bad):
    served, requests, mirrors = server
    inputs = serve_mnist(served)
    mirrors(bad, "good")
    assert np.array_equal(datasets.load("mnist").inputs, inputs)
    assert without_redirects(requests) == [bad, "good"] * 2
    assert files_in(folder) == ["mnist", f"mnist/{IDX[0]}.gz", f"mnist/{IDX[1]}.gz"]
    datasets.load("mnist")
    assert without_redirects(requests) == [bad, "good"] * 2  # the second load asks for nothing
    tried("4 downloads from a server that misbehaves", 2)


@pytest.mark.parametrize("bad", DRIP)
def test_a_server_that_drips_is_given_up(folder, server, tried, monkeypatch, bad):
    """The server is never silent for long, and would take hours."""
    served, requests, mirrors = server
    write_archive(served / ARCHIVE, cifar10_members())
    mirrors(bad, "good")
    monkeypatch.setattr(downloads, "PATIENCE", 1)
    assert len(datasets.load("cifar10").labels) == 20
    assert requests == [bad, "good"]
    shutil.rmtree(folder / FOLDER)
    (folder / ARCHIVE).unlink()
    mirrors(bad)
    monkeypatch.setattr(downloads, "PATIENCE", 0.3)
    refused(f"/{bad}/: gave up after 0.3 s".replace(" ", "(?: |%20)"), "cifar10")
    assert files_in(folder) == []
    tried("4 downloads from a server that misbehaves", 1 + downloads.ROUNDS)


def test_mirrors_that_fail_in_any_order(folder, server, many, tried):
    served, requests, mirrors = server
    write_archive(served / ARCHIVE, cifar10_members())
    rng, failures = np.random.default_rng(0), 0
    for _ in range(many(4, 150)):
        ways = [*rng.choice(BAD, 3, replace=False), *rng.choice(GOOD, rng.integers(2))]
        mirrors(*ways)
        if ways[-1] in GOOD:
            assert len(datasets.load("cifar10").labels) == 20
            assert files_in(folder)[0] == FOLDER
            shutil.rmtree(folder / FOLDER)
            (folder / ARCHIVE).unlink()
            failures += 3
        else:
            message = refused("nor could it be downloaded", "cifar10")
            assert all(f"/{way.replace(' ', '%20')}/: " in message for way in ways)
            failures += 3 * downloads.ROUNDS
        assert files_in(folder) == []
        folder.mkdir(exist_ok=True)
        requests.clear()
    tried("4 downloads from a server that misbehaves", failures)


@pytest.mark.parametrize("way", GOOD)
def test_good_mirror_is_enough(folder, server, way):
    served, _, mirrors = server
    inputs = serve_mnist(served)
    mirrors(way)
    assert np.array_equal(datasets.load("mnist").inputs, inputs)


def test_all_mirrors_fail(folder, server, tried):
    served, requests, mirrors = server
    serve_mnist(served)
    ways = ("403", "404", "500", "html", "wrong", "short", "silent")
    mirrors(*ways)
    message = refused("nor could it be downloaded", "mnist")
    assert requests == [*ways, *ways]
    assert f"{IDX[0]}.gz is neither in {folder / 'mnist'}" in message
    assert "glyphs, noise, noise-constant, tree, clusters" in message
    assert "403 Client Error" in message
    assert files_in(folder) == []
    tried("4 downloads from a server that misbehaves", len(requests))


def test_interrupted_download_leaves_nothing(folder, server, monkeypatch):
    served, _, mirrors = server
    serve_mnist(served)
    mirrors("good")

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(downloads.Fetch, "__call__", interrupted)
    with pytest.raises(KeyboardInterrupt):
        datasets.load("mnist")
    assert files_in(folder) == []


def test_archive_is_downloaded_and_unpacked(folder, server):
    served, requests, mirrors = server
    write_archive(served / ARCHIVE, cifar10_members())
    mirrors("404", "wrong", "good")
    assert len(datasets.load("cifar10").labels) == 20
    assert len(datasets.load("cifar10", "test").labels) == 4
    assert requests == ["404", "wrong", "good"]


def test_no_network(folder):
    message = refused("cifar-100-python.tar.gz is neither in", "cifar100")
    assert str(folder) in message
    assert "use a set that needs no files: glyphs, noise" in message


def test_folder_that_cannot_be_written(folder, monkeypatch):
    def full(*_, **__):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(downloads.tempfile, "TemporaryFile", full)
    refused("cannot write there: Read-only file system.*needs no files", "mnist")
    (folder / "mnist").rmdir()
    (folder / "mnist").write_text("in the way")
    refused("cannot write there: File exists", "mnist")
