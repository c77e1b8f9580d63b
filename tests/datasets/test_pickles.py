"""Hostile pickles, which run under the standard library and are refused here without a side effect."""
import contextlib
import gzip
import json
import pickle
import subprocess
import sys
import warnings

from data_files import FOLDER
from hostile_pickles import hostile

# Loads each pickle of a folder as if it were a data file, within 200 MB and 20 s each, and prints how the pickle was
# refused and which events Python reported meanwhile: imports, calls, processes, sockets, files.
WATCHED = """
import codecs, json, resource, signal, sys
from pathlib import Path
from gradnets import pickles
from gradnets.datasets import catalog, cifar, mnist, real_files  # all imports come before watching

attacks, path, data_set = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
pickles.MAX_OPCODES, real_files.MAX_BYTES = 150_000, 2**24
watching, events, outcomes = False, [], {}

def hook(event, arguments):
    if watching and not (event == "open" and str(arguments[0]) == str(path) and arguments[1] in ("r", "rb")):
        events.append(f"{event} {arguments}")

for encoding in ("ascii", "raw-unicode-escape"):  # Python imports an encoding when it first meets it
    codecs.lookup(encoding)
sys.addaudithook(hook)
taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + 200 * 2**20,) * 2)
for attack in sorted(attacks.iterdir()):
    path.write_bytes(attack.read_bytes())
    events.clear()
    signal.alarm(20)
    watching = True
    try:
        catalog.load(data_set)
        outcomes[attack.name] = ["read", "", []]
    except Exception as error:
        outcomes[attack.name] = [type(error).__name__, str(error), list(events)]
    watching = False
signal.alarm(0)
print(json.dumps(outcomes))
"""


def test_hostile_pickles_are_refused(folder, tmp_path, many, tried):
    trace = tmp_path / "trace"
    attacks = hostile(trace)
    assert len(set(attacks.values())) == len(attacks) > 120
    paths = {"cifar10": folder / FOLDER / "data_batch_1", "mnist": folder / "mnist.pkl.gz"}
    (folder / FOLDER).mkdir()
    for data_set in list(paths)[:many(1, 2)]:
        path, pickles = paths[data_set], tmp_path / data_set
        pickles.mkdir()
        for name, contents in attacks.items():
            (pickles / name).write_bytes(contents if data_set == "cifar10" else gzip.compress(contents, 1))
        process = subprocess.run([sys.executable, "-c", WATCHED, pickles, path, data_set], capture_output=True,
                                 text=True, timeout=300)
        assert process.returncode == 0, process.stderr[-500:]
        outcomes = json.loads(process.stdout)
        assert outcomes.keys() == attacks.keys()
        for name, (kind, message, events) in outcomes.items():
            assert kind == "DataError", (name, kind, message)
            assert events == [], name
            assert message.startswith(f"{path}: "), name
            assert "delete" in message, name
            assert message.isprintable(), name
            assert len(message) < 1500, name
            assert ("more than 150000 opcodes" in message) == (name == "many objects"), name
        assert not trace.exists()
        tried("1 hostile pickles refused without a side effect", len(outcomes))


def test_hostile_pickles_are_live(tmp_path):
    """The same pickles leave a trace when the standard library reads them."""
    trace = tmp_path / "trace"
    attacks = hostile(trace)
    live = ("os.system 2", "eval 0", "exec 5", "open 4", "posix by hand", "inst", "obj", "by the stack",
            "subprocess getoutput", "__builtin__ eval", "code as a shape", "in a list 1")
    for name in live:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with contextlib.suppress(TypeError):
                pickle.loads(attacks[name])
        assert trace.exists(), name
        trace.unlink()
