"""Real networks: the committed files are those of their sources, and lists of links are read or refused in one line."""
import hashlib
import subprocess
import sys

import networkx as nx
import numpy as np
import pytest
from helpers import ROOT

from gradnets import datasets
from gradnets.datasets import real_files, real_networks
from gradnets.errors import UserError

HERE = [name for name in datasets.NETWORKS if datasets.network_of_repository(name)]
SIZES = {  # nodes and links, as the publications and collectors give them
    "karate": (34, 78), "lesmis": (77, 254), "florentine": (15, 20), "davis-women": (18, 139), "dolphins": (62, 159),
    "jazz": (198, 2742), "netscience": (1461, 2742), "celegans": (297, 2345), "power": (4941, 6594),
    "usair97": (332, 2126), "polblogs": (1224, 19025), "polbooks": (105, 441), "football": (115, 613),
    "adjnoun": (112, 425)}


@pytest.mark.parametrize("name", HERE)
def test_networks_of_the_repository_need_no_folder(name):
    network = datasets.load_network(name)
    assert datasets.network_available(name)
    assert network.ends.shape[1] == 2
    assert network.ends.min() == 0
    assert len(np.unique(network.ends)) == network.nodes == network.ends.max() + 1
    assert (network.ends[:, 0] != network.ends[:, 1]).all()
    np.testing.assert_array_equal(network.adjacency, network.links | network.links.T)
    assert network.links.sum() == len(network.ends)
    assert network.directed or network.adjacency.sum() == 2 * len(network.ends)
    if name in SIZES:
        nodes, links = SIZES[name]
        assert network.nodes == nodes
        assert len(network.ends) == pytest.approx(links, rel=1e-3)
    assert network.provenance["n"] == len(network.ends)
    assert all(len(value) == 64 for value in network.provenance["sha256"].values())


def test_networkx_reads_the_same_links():
    for name in ("dolphins", "celegans", "polblogs"):
        network = datasets.load_network(name)
        kind = nx.DiGraph if network.directed else nx.Graph
        graph = nx.read_edgelist(ROOT / f"data/networks/{name}.txt", create_using=kind)
        assert (graph.number_of_nodes(), graph.number_of_edges()) == (network.nodes, len(network.ends))
        degrees = network.links.sum(axis=1) if network.directed else network.adjacency.sum(axis=1)
        expected = graph.out_degree if network.directed else graph.degree
        assert sorted(degrees) == sorted(degree for _, degree in expected)
    club = datasets.load_network("karate")
    np.testing.assert_array_equal(club.adjacency, nx.to_numpy_array(nx.karate_club_graph(), weight=None) > 0)
    women = datasets.load_network("davis-women").adjacency
    assert nx.is_isomorphic(nx.from_numpy_array(women), nx.from_numpy_array(co_attendance()))


def co_attendance():
    """Return which women were at one event, from the table of women and events."""
    graph = nx.davis_southern_women_graph()
    women, events = graph.graph["top"], graph.graph["bottom"]
    table = nx.bipartite.biadjacency_matrix(graph, women, events).toarray()
    together = table @ table.T > 0
    np.fill_diagonal(together, False)
    return together


def test_committed_files_are_all_known_and_unchanged(monkeypatch, tmp_path):
    files = {path.stem: path.read_bytes() for path in (ROOT / "data/networks").glob("*.txt")}
    assert {name for name, facts in datasets.NETWORKS.items() if facts.sha256} == set(files)
    assert not {"ukfaculty", "macaque", "yeast-ppi"} & set(files)  # their licence asks to share alike
    for name, contents in files.items():
        assert hashlib.sha256(contents).hexdigest() == datasets.NETWORKS[name].sha256
    page = (ROOT / "data/README.md").read_text(encoding="utf-8")
    assert all(f"| `{name}` |" in page for name in datasets.NETWORKS)
    monkeypatch.setattr(real_networks, "COMMITTED", tmp_path)
    (tmp_path / "dolphins.txt").write_bytes(files["dolphins"].replace(b"0", b"1", 1))
    with pytest.raises(datasets.DataError, match=r"dolphins\.txt has changed: .*git checkout"):
        datasets.load_network("dolphins")


def test_larger_networks_are_read_where_they_are(folder):
    assert not datasets.network_available("facebook")
    assert not datasets.network_of_repository("facebook")
    assert len(HERE) == 15
    with pytest.raises(datasets.DataError, match=r"facebook\.txt is missing: put its links there"):
        datasets.load_network("facebook")
    (folder / "networks").mkdir()
    (folder / "networks/facebook.txt").write_text("0 1\n1 2\n")
    assert datasets.network_available("facebook")
    network = datasets.load_network("facebook")
    assert (network.kind, network.nodes, network.ends.tolist()) == ("social", 3, [[0, 1], [1, 2]])
    with pytest.raises(UserError, match="network is 'faceboook': expected karate"):
        datasets.load_network("faceboook")


def test_the_real_larger_networks(real_folder):
    real_folder("networks")
    facebook = datasets.load_network("facebook")
    assert (facebook.nodes, len(facebook.ends)) == (4039, 88234)


def test_a_list_of_links_of_ones_own(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("# by hand\n\nJosé Ana 3.5\nAna\tZoë\t1\r\n% more\nAna José 1\nZoë Zoë 9\n", encoding="utf-8-sig")
    network = datasets.read_network(path)
    assert (network.name, network.kind, network.nodes) == ("mine.txt", "yours", 3)
    assert network.adjacency.tolist() == [[False, True, False], [True, False, True], [False, True, False]]
    assert network.provenance["sha256"] == {"mine.txt": hashlib.sha256(path.read_bytes()).hexdigest()}


@pytest.mark.parametrize(("contents", "message"), [
    (b"", "has no link: expected source target"),
    (b"# only words\n\n", "has no link"),
    (b"1 1\n2 2\n", r"has no link between two different nodes \(loops do not count\)"),
    (b"1\n", r"line 1: b'1\\n': expected source target, perhaps a weight"),
    (b"1 2\n1 2 3\n", r"line 2: .*expected 2 words, as in the lines before"),
    (b"1 2 3\n1 2\n", r"line 2: .*expected 3 words"),
    (b"1 2 3 4\n", "line 1: .*expected source target, perhaps a weight"),
    (b"a b\n\xff\xfe c\n", r"line 2: b'\\xff\\xfe c\\n': expected text in UTF-8"),
    (b"\x89PNG\r\n\x1a\n\x00\x00", "line 1: .*expected text in UTF-8"),
    (b"a b\n" + b"x" * 2000 + b" y\n", "line 2: .*expected lines of at most 1000 characters"),
])
def test_bad_files_are_refused_in_one_line(tmp_path, contents, message):
    path = tmp_path / "bad.txt"
    path.write_bytes(contents)
    with pytest.raises(datasets.DataError, match=message) as caught:
        datasets.read_network(path)
    assert str(path) in str(caught.value)
    assert str(caught.value).isprintable()


def test_files_that_cannot_be_read_or_are_too_large(tmp_path, monkeypatch):
    for path in (tmp_path / "missing.txt", tmp_path):
        with pytest.raises(datasets.DataError, match="expected a text file with a link a line"):
            datasets.read_network(path)
    path = tmp_path / "path.txt"
    path.write_text("".join(f"{k} {k + 1}\n" for k in range(50)))
    monkeypatch.setattr(real_networks, "LARGEST", 50)
    with pytest.raises(datasets.DataError, match="51 nodes: expected at most 50"):
        datasets.read_network(path)
    monkeypatch.setattr(real_files, "MAX_BYTES", 100)
    with pytest.raises(datasets.DataError, match="more than 100 bytes"):
        datasets.read_network(path)


def test_reading_a_committed_network_imports_no_large_library():
    code = ("import sys; from gradnets import datasets; datasets.load_network('celegans'); "
            "print(*{'matplotlib', 'scipy', 'numba', 'networkx'} & set(sys.modules))")
    assert subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True) == "\n"
