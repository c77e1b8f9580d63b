"""FANMOD's files: published graphs and tables against our census and Z, numbers of topologies, broken files."""
import itertools
import os
import re
import time
import tracemalloc
from dataclasses import fields
from functools import lru_cache
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from helpers import ROOT
from motif_oracles import assert_same_census

from gradnets import motifs
from gradnets.errors import UserError
from gradnets.motifs import fanmod

FOLDER = Path(os.environ.get("GRADNETS_DATA") or ROOT.parent / "shared" / "data").parent / "fanmod"
published = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no published FANMOD tables in {FOLDER}")
TABLES = {"normal_init_size4": 127, "orth_clusters_size4": 195, "orth_clusters_size5": 2008,
          "uncoloured_mnist_size4": 10}  # motifs in each
FIGURES = ("frequency", "mean_frequency", "std", "z", "p")

SMALL = """\
FANMOD 1.1 subgraph enumeration
-------------------------------

Network name: small.txt
Network type: Directed
Number of nodes: 7
Number of edges: 5
Number of single edges: 4
Number of mutual edges: 1
Number of edge colors: 2

Algorithm: enumeration
Subgraph size: 3

Generated 10 random networks
   with locally constant number of bidirectional edges,
   exchanging only edges with the same color,
   3 exchanges per edge and 3 tries per edge.

8 subgraphs were enumerated in the original network.
79 subgraphs were enumerated in the random networks.
87 subgraphs were enumerated in all networks.

For the random networks: 150 tries were made, 90 were successful.
Randomization took 0 seconds.
Enumeration took 0.001 seconds.


Result overview:

ID,Adj-Matrix,Frequency,Mean-Freq,Standard-Dev,Z-Score,p-Value
,,[Original],[Random],[Random]

6,000,62.5%,50.25%,0.025,4.9,0.1
,000
,210

38,000,37.5%,9.4e-005%,0,undefined,0
,100
,120

"""


@lru_cache
def mined(name):
    """Return a published graph, its table as text and as a Table, and our comparison under FANMOD's null model."""
    path = FOLDER / f"{name}_fanmod.csv"
    table = fanmod.read_table(path)
    graph = fanmod.read_graph(FOLDER / f"{name.rsplit('_', 1)[0]}.txt")
    comparison = motifs.significance(graph, table.size, 100, "fanmod", 0, table.colors is not None)
    return graph, path.read_text(), table, comparison


def places(table, comparison):
    """Return the places of a table's motifs in our census, after a check that both have the same motifs."""
    codes = motifs.canonical(table.adjacency, table.colors or 1)
    assert sorted(codes.tolist()) == comparison.census.codes.tolist()
    return np.searchsorted(comparison.census.codes, codes)


@published
@pytest.mark.parametrize("name", TABLES)
def test_our_census_equals_every_published_motif_and_frequency(name):
    graph, text, table, comparison = mined(name)
    printed = re.findall(r"^(\d+),(\d+),([\d.e-]+)%,.*((?:\n,\d+)+)$", text, re.M)
    assert len(printed) == len(comparison.census.codes) == TABLES[name]
    closed_form = motifs.census(graph, table.size, table.colors is not None, method="layered")
    assert_same_census(closed_form, comparison.census)
    order = places(table, comparison)
    expected = [f"{float(frequency):.5g}" for _, _, frequency, _ in printed]
    assert [f"{100 * share:.5g}" for share in comparison.frequency[order]] == expected
    assert [f"{100 * share:.5g}" for share in table.frequency] == expected
    assert [first + rest.replace("\n,", "") for _, first, _, rest in printed] == [
        "".join(map(str, matrix.ravel())) for matrix in table.adjacency]
    ids = [int(number) for number, _, _, _ in printed]
    assert table.ids.tolist() == ids
    assert fanmod.topology_id(comparison.census.adjacency)[order].tolist() == ids
    assert f"Number of nodes: {fanmod.node_count(graph)}\n" in text
    assert f"Number of edges: {len(graph.sources)}\n" in text
    assert f"\n{comparison.census.total} subgraphs were enumerated in the original network.\n" in text


@published
@pytest.mark.parametrize("name", TABLES)
def test_our_z_follows_the_published_z(name):
    _, _, table, comparison = mined(name)
    expected = table.mean_frequency * table.total >= 5
    theirs, ours = table.z[expected], comparison.z[places(table, comparison)][expected]
    assert len(theirs) >= 10
    assert np.corrcoef(theirs, ours)[0, 1] >= 0.98
    assert 0.90 <= np.polyfit(theirs, ours, 1)[0] <= 1.10


@published
@pytest.mark.parametrize("name", TABLES)
def test_our_table_has_the_header_and_the_motifs_of_the_published_one(name, tmp_path):
    graph, text, table, comparison = mined(name)
    written = fanmod.format_table(graph, comparison, table.colors is not None, "fanmod", 1.5)
    theirs = text[text.index("Network type"):text.index("subgraphs were enumerated in the random")].splitlines()
    assert len(theirs) >= 15
    assert set(theirs[:-1]) <= set(written.splitlines())  # the last line has the total of the random networks
    (tmp_path / "table.csv").write_text(written)
    again = fanmod.read_table(tmp_path / "table.csv")
    assert again.ids.tolist() == fanmod.topology_id(comparison.census.adjacency)[places(again, comparison)].tolist()
    assert (np.diff(again.frequency) <= 0).all()


@published
@pytest.mark.parametrize("name", ["normal_init", "orth_clusters", "uncoloured_mnist"])
def test_a_published_graph_is_written_as_it_was_read(name):
    assert fanmod.format_graph(fanmod.read_graph(FOLDER / f"{name}.txt")) == (FOLDER / f"{name}.txt").read_text()


# ---- graphs -----------------------------------------------------------------------------------------------

def test_a_graph_file_is_read_as_fanmod_reads_it(tmp_path):
    path = tmp_path / "graph.txt"
    path.write_bytes(b"7 3 2\r\n3\t7 1\n\n  5 5 9  \n1000000000 7 4\n7 3 9223372036854775807")
    graph = fanmod.read_graph(path)
    assert graph.labels.tolist() == [3, 5, 7, 10**9]
    assert graph.nodes == 4
    assert fanmod.node_count(graph) == 10**9 + 1
    edges = np.stack([graph.labels[graph.sources], graph.labels[graph.targets], graph.colors], axis=1).tolist()
    assert sorted(edges) == [[3, 7, 1], [7, 3, 2**63 - 1], [10**9, 7, 4]]  # no loop, and the last colour
    assert all(array.dtype == np.int64 for array in (graph.sources, graph.targets, graph.colors, graph.labels))
    path.write_text("2 1\n1 0\n")
    assert fanmod.read_graph(path).colors.tolist() == [1, 1]


BAD_LINES = {
    "one number": (b"1 2\n3\n", 2, "'3': expected two or three integers"),
    "four numbers": (b"1 2 3 4\n", 1, "two or three integers"),
    "a word": (b"1 2 3\n4 five 1\n", 2, "'4 five 1': expected two or three"),
    "a fraction": (b"1 2 1.0\n", 1, "two or three integers"),
    "an underscore": (b"1_0 2\n", 1, "two or three integers"),
    "commas": (b"1,2,3\n", 1, "two or three integers"),
    "foreign digits": ("٣ ٤\n".encode(), 1, "two or three integers"),
    "old line ends": (b"0 1\r1 2\r", 1, "two or three integers"),
    "two, then three": (b"1 2\n\n2 3 1\n", 3, "'2 3 1': expected 2 numbers"),
    "three, then two": (b"1 2 1\n2 3\n", 2, "'2 3': expected 3 numbers"),
    "negative label": (b"0 1 1\n-1 2 1\n", 2, "'-1 2 1': expected nodes from 0 to 1000000000"),
    "large label": (b"0 1000000001\n", 1, "expected nodes from 0 to 1000000000"),
    "endless label": (b"0 " + b"9" * 900 + b"\n", 1, "expected nodes from 0 to 1000000000"),
    "colour 0": (b"0 1 0\n", 1, "expected a colour from 1 to 9223372036854775807"),
    "colour -3": (b"0 1 2\n0 2 -3\n", 2, "'0 2 -3': expected a colour from 1 to"),
    "large colour": (b"0 1 9223372036854775808\n", 1, "expected a colour from 1 to"),
    "long line": (b"0 1\n0 " + b" " * 2000 + b"1\n", 2, "expected lines of at most 1000 characters"),
    "binary": (b"\x7fELF\x02\x00\x1b[31m\xff\n", 1, r"'\x7fELF\x02\x00\x1b[31m\xff': expected two or three"),
    "zeros": (b"0 1 1\n" + bytes(10), 2, "two or three integers"),
    "a byte 0": (b"0 1\n1 \x002\n", 2, r"'1 \x002': expected two or three"),
    "a byte 0 at the end": (b"0 1\n1 2\x00\n", 2, "two or three integers"),
    "ten million digits": (b"0 1\n1 " + b"9" * 10**7 + b"\n", 2, "expected lines of at most 1000 characters"),
    "ten million digits of a colour": (b"0 1 1\n1 2 " + b"9" * 10**7, 2, "expected lines of at most 1000 characters"),
    "digits to the limit": (b"0 1\n0 " + b"9" * 997 + b"\n", 2, "expected nodes from 0 to 1000000000"),
    "negative to the limit": (b"0 1\n0 -" + b"9" * 996 + b"\n", 2, "expected nodes from 0 to 1000000000"),
    "spaces to the limit, then a word": (b"0 1\n0 1" + b" " * 995 + b"x\n", 2, "two or three integers"),
    "digits to the limit, then a word": (b"0 1\n" + b"1" * 998 + b"x\n", 2, "two or three integers"),
    "two to the 64": (b"0 18446744073709551616\n", 1, "expected nodes from 0 to 1000000000"),
    "negative source": (b"-9223372036854775808 0 1\n", 1, "expected nodes from 0 to"),
    "minus alone": (b"0 1\n- 1\n", 2, "two or three integers"),
    "two signs": (b"0 --1\n", 1, "two or three integers"),
    "a plus": (b"0 +1\n", 1, "two or three integers"),
    "a power": (b"0 1e3\n", 1, "two or three integers"),
    "base 16": (b"0 0x10\n", 1, "two or three integers"),
    "not a number": (b"0 nan 1\n", 1, "two or three integers"),
    "infinite": (b"0 1 inf\n", 1, "two or three integers"),
    "byte order mark": (b"\xef\xbb\xbf0 1\n", 1, r"'\xef\xbb\xbf0 1': expected two or three"),
    "two bytes a letter": ("0 1\n".encode("utf-16"), 1, "two or three integers"),
    "two bytes a letter, no mark": ("0 1\n".encode("utf-16-le"), 1, "two or three integers"),
    "foreign spaces": ("0\u00a01\n".encode(), 1, "two or three integers"),
    "full-width digits": ("\uff10 \uff11\n".encode(), 1, "two or three integers"),
    "a comment": (b"# nodes\n0 1\n", 1, "'# nodes': expected two or three"),
    "a header": (b"source target\n0 1\n", 1, "two or three integers"),
    "windows line ends, a bad line": (b"0 1\r\n\r\n1 x\r\n", 3, "'1 x': expected two or three"),
    "old line ends between": (b"0 1\n1 2\r3 4\n", 2, "two or three integers"),
    "no line end, a bad line": (b"0 1\n1", 2, "'1': expected two or three"),
    "a page of the web": (b"<!DOCTYPE html>\n<html>", 1, "two or three integers"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(100), 1, "two or three integers"),
    "packed": (b"\x1f\x8b\x08\x00" + bytes(200), 1, "two or three integers"),
    "a pickle": (b"cos\nsystem\n(S'true'\ntR.", 1, "two or three integers"),
    "a terminal's commands": (b"0 1\n\x1b]0;title\x07\x1b[2J\n", 2, r"'\x1b]0;title\x07\x1b[2J': expected"),
    "late": (b"0 1 1\n" * 50_000 + b"0 1\n", 50_001, "'0 1': expected 3 numbers"),
}


BAD_GRAPHS = "12 bad graph files refused, with the number of the line"


def one_line(path, read):
    """Return the message with which a file is refused, after a check that it is one line that a terminal can show."""
    with pytest.raises(UserError, match=re.escape(str(path))) as caught:
        read(path)
    message = str(caught.value)
    assert message.isprintable()
    assert len(message) < len(str(path)) + 300
    return message


@pytest.mark.parametrize("case", BAD_LINES)
def test_a_bad_line_of_a_graph_is_named(case, tmp_path, tried):
    contents, number, expected = BAD_LINES[case]
    path = tmp_path / "graph.txt"
    path.write_bytes(contents)
    message = one_line(path, fanmod.read_graph)
    assert message.startswith(f"{path}, line {number}: ")
    assert expected in message
    tried(BAD_GRAPHS, 1)


def test_binary_graph_files_are_refused_with_a_line(tmp_path, many, tried):
    """Write random bytes after some good lines; check the message and the memory."""
    path, rng = tmp_path / "graph.txt", np.random.default_rng(0)
    tracemalloc.start()
    try:
        for _ in range(many(25, 1000)):
            good = int(rng.integers(5))
            alphabet = [*range(256)] if rng.random() < 0.5 else [*b"0123456789 -\t\0x"]  # the second looks like numbers
            path.write_bytes(b"3 4 1\n" * good + b"!" + bytes(rng.choice(alphabet, 20_000).astype(np.uint8)))
            assert one_line(path, fanmod.read_graph).startswith(f"{path}, line {good + 1}: ")
        assert tracemalloc.get_traced_memory()[1] < 2**21
    finally:
        tracemalloc.stop()
    tried(BAD_GRAPHS, many(25, 1000))


def test_a_graph_of_huge_labels_takes_no_more_than_one_of_small_ones(tmp_path, tried):
    peaks = []
    for scale in (1, 10**6):
        path = tmp_path / "graph.txt"
        path.write_text("".join(f"{k * scale} {(k * 7 + 1) % 1000 * scale} {2**63 - 1}\n" for k in range(1000)))
        tracemalloc.start()
        graph = fanmod.read_graph(path)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert graph.nodes == 1000
        assert graph.labels.max() == 999 * scale
    assert peaks[1] < 1.2 * peaks[0]
    tried("12 graph files of huge labels, read in the memory of small ones", 1)


def test_a_damaged_graph_file_is_refused_or_gives_a_graph(tmp_path, many, tried):
    """A graph file has no checksum: a changed label cannot be found."""
    path, rng = tmp_path / "graph.txt", np.random.default_rng(0)
    whole = "".join(f"{a} {b} {c}\n" for a, b, c in rng.integers(1, 10**9, (60, 3))).encode()
    lines = whole.count(b"\n")
    cuts = [whole[:size] for size in np.unique(np.linspace(0, len(whole) - 1, many(15, 200)).astype(int))]
    flipped = []
    for bit in rng.permutation(8 * len(whole))[:many(30, 500)]:
        flipped.append(bytearray(whole))
        flipped[-1][bit // 8] ^= 1 << bit % 8
    for damaged in (*cuts, *flipped):
        path.write_bytes(damaged)
        try:
            graph = fanmod.read_graph(path)
        except UserError as error:
            message = str(error)
        else:
            message = f"{path}, line 1: "
            assert len(graph.sources) == len(graph.targets) == len(graph.colors) <= lines
            assert len(graph.sources) >= min(lines, damaged.count(b"\n")) - 1
            assert max(graph.sources.max(), graph.targets.max()) < graph.nodes == len(graph.labels)
            assert 0 <= graph.labels.min() <= graph.labels.max() <= 10**9
        assert re.match(re.escape(str(path)) + r"(, line \d+: |: no edges in 0 lines)", message)
        assert message.isprintable()
    tried("3 truncated graph files: the line, or a graph of the lines there are", len(cuts))
    tried("3 flipped bits, of files without a checksum: an error or the right shapes", len(flipped))


@pytest.mark.parametrize(("contents", "expected"), [
    (b"", "no edges in 0 lines: expected lines of source"),
    (b"\n  \n", "no edges in 2 lines: expected lines of source"),
    (b"1 1 1\n3 3 2\n", "no edges in 2 lines, only loops: expected lines of source")])
def test_a_graph_file_without_edges_is_refused(contents, expected, tmp_path):
    path = tmp_path / "graph.txt"
    path.write_bytes(contents)
    assert expected in one_line(path, fanmod.read_graph)


@pytest.mark.parametrize("read", [fanmod.read_graph, fanmod.read_table])
def test_a_missing_file_and_a_folder_are_refused(read, tmp_path):
    assert "No such file or directory: expected a text file" in one_line(tmp_path / "absent", read)
    assert "expected a text file" in one_line(tmp_path, read)


@pytest.mark.parametrize("read", [fanmod.read_graph, fanmod.read_table])
def test_a_huge_line_is_refused_without_being_kept(read, tmp_path, tried):
    path = tmp_path / "zeros"
    with open(path, "wb") as file:
        file.truncate(2**32)  # takes no room on the disk
    tracemalloc.start()
    try:
        assert ", line 1: " in one_line(path, read)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
    tried(BAD_GRAPHS, 1)


def test_many_lines_are_read_in_time(tmp_path):
    ends = np.random.default_rng(0).integers(0, 10**9, (5 * 10**4, 2)).tolist()
    path = tmp_path / "graph.txt"
    path.write_text("".join(f"{source} {target} 3\n" for source, target in ends))
    start = time.process_time()
    graph = fanmod.read_graph(path)
    assert time.process_time() - start < 0.8  # usually 0.08 s
    pairs = np.stack([graph.labels[graph.sources], graph.labels[graph.targets]], axis=1)
    assert pairs.tolist() == ends


@pytest.mark.parametrize("seed", range(4))
def test_a_graph_is_read_as_it_was_written(seed, tmp_path):
    rng = np.random.default_rng(seed)
    labels = np.sort(rng.choice(10**9, 12, replace=False))
    graph = motifs.graph(12, rng.integers(0, 9, 15), rng.integers(0, 9, 15), rng.integers(1, 5, 15),
                         labels if seed % 2 else None)
    path = tmp_path / "graph.txt"
    path.write_text(fanmod.format_graph(graph))
    again = fanmod.read_graph(path)
    assert again.nodes == 12  # the last three without edges
    np.testing.assert_array_equal(again.labels, labels if seed % 2 else np.arange(12))
    for name in ("sources", "targets", "colors"):
        np.testing.assert_array_equal(getattr(again, name), getattr(graph, name))


# ---- topologies -------------------------------------------------------------------------------------------

def matrices_of(numbers, size):
    """Return the adjacency matrices (q, k, k) that make these binary numbers, row by row with the diagonal."""
    bits = [[int(bit) for bit in f"{number:0{size * size}b}"] for number in numbers]
    return np.array(bits).reshape(-1, size, size)


def smallest(matrices):
    """Return the smallest number of each matrix over all orders of nodes."""
    size = matrices.shape[1]
    weights = 2**np.arange(size * size)[::-1]
    orders = map(list, itertools.permutations(range(size)))
    return np.min([matrices[:, order][:, :, order].reshape(-1, size * size) @ weights for order in orders], axis=0)


def connected(matrix):
    return nx.is_weakly_connected(nx.from_numpy_array(matrix, create_using=nx.DiGraph))


@pytest.mark.parametrize(("size", "count"), [(3, 13), (4, 199), (5, 42)])
def test_listed_numbers_name_themselves_and_different_connected_topologies(size, count):
    numbers = fanmod.TOPOLOGIES[size]
    matrices = matrices_of(numbers, size)
    assert fanmod.topology_id(matrices).tolist() == list(numbers)
    assert [fanmod.topology_id(matrix) for matrix in matrices] == list(numbers)
    assert not matrices.diagonal(axis1=1, axis2=2).any()
    assert all(map(connected, matrices))
    assert len(np.unique(smallest(matrices))) == len(numbers) == count


@pytest.mark.parametrize("size", [3, 4])
def test_all_connected_graphs_of_three_and_four_nodes_have_a_listed_number(size):
    off = ~np.eye(size, dtype=bool)
    matrices = np.zeros((2**(size * size - size), size, size), int)
    matrices[:, off] = list(itertools.product([0, 1], repeat=size * size - size))
    matrices = matrices[[connected(matrix) for matrix in matrices]]
    ids = fanmod.topology_id(matrices)
    assert set(ids.tolist()) == set(fanmod.TOPOLOGIES[size])
    np.testing.assert_array_equal(smallest(matrices_of(ids, size)), smallest(matrices))


def test_topologies_of_five_nodes_have_a_listed_number_or_the_smallest():
    rng = np.random.default_rng(0)
    matrices = (rng.random((300, 5, 5)) < rng.uniform(0.1, 0.9, (300, 1, 1))).astype(int)
    matrices *= 1 - np.eye(5, dtype=int)
    order = rng.permutation(5)
    listed = dict(zip(smallest(matrices_of(fanmod.TOPOLOGIES[5], 5)).tolist(), fanmod.TOPOLOGIES[5], strict=True))
    ids = fanmod.topology_id(matrices)
    assert ids.tolist() == [listed.get(number, number) for number in smallest(matrices).tolist()]
    np.testing.assert_array_equal(fanmod.topology_id(matrices[:, order][:, :, order]), ids)


def test_topologies_have_the_numbers_that_papers_cite():
    cited = {"feed-forward loop": (38, 3, "01 02 12"), "cycle": (140, 3, "01 12 20"), "fan out": (6, 3, "01 02"),
             "fan in": (36, 3, "01 21"), "chain": (12, 3, "01 12"), "bifan": (204, 4, "02 03 12 13"),
             "diamond": (2182, 4, "01 02 13 23")}
    for number, size, edges in cited.values():
        matrix = np.zeros((size, size), int)
        for source, target in edges.split():
            matrix[int(source), int(target)] = 7  # whatever the colour
        assert fanmod.topology_id(matrix) == number
        assert fanmod.topology_id(matrix.tolist()) == number
        assert isinstance(fanmod.topology_id(matrix), int)


def test_thousands_of_topologies_are_named_one_by_one_in_time():
    matrices = np.random.default_rng(0).integers(0, 4, (2000, 5, 5), dtype=np.uint8)
    together = fanmod.topology_id(matrices)
    start = time.process_time()
    assert [fanmod.topology_id(matrix) for matrix in matrices] == together.tolist()
    assert time.process_time() - start < 1.0  # usually 0.1 s


def test_topologies_of_other_sizes_are_refused():
    with pytest.raises(UserError, match="size is 6: expected 3, 4 or 5"):
        fanmod.topology_id(np.ones((6, 6)))


# ---- tables -----------------------------------------------------------------------------------------------

def test_a_table_is_read(tmp_path):
    path = tmp_path / "table.csv"
    path.write_bytes(SMALL.replace("\n", "\r\n").encode())
    table = fanmod.read_table(path)
    assert [getattr(table, field.name) for field in fields(table)[:7]] == [3, 7, 5, 2, 10, 8, 79]
    assert table.ids.tolist() == [6, 38]
    assert table.adjacency.tolist() == [[[0, 0, 0], [0, 0, 0], [2, 1, 0]], [[0, 0, 0], [1, 0, 0], [1, 2, 0]]]
    np.testing.assert_allclose([getattr(table, name) for name in FIGURES],
                               [[0.625, 0.375], [0.5025, 9.4e-7], [0.025, 0], [4.9, np.nan], [0.1, 0]], rtol=1e-14)
    plain = SMALL.replace("Number of edge colors: 2\n", "").replace(",210", ",110").replace(",120", ",110")
    path.write_text(plain)
    again = fanmod.read_table(path)
    assert again.colors is None
    np.testing.assert_array_equal(again.adjacency, table.adjacency > 0)


BROKEN = {
    "no table": (SMALL[:SMALL.index("ID")], None, "no line ID,Adj-Matrix"),
    "empty": ("", None, "no line ID,Adj-Matrix"),
    "a graph": ("0 1 2\n", None, "no line ID,Adj-Matrix"),
    "no random nets": (SMALL.replace("Generated 10 random", "No random"), 31, "'Generated ... random networks'"),
    "no size": (SMALL.replace("Subgraph size: 3", ""), 31, "a line 'Subgraph size: ...' above"),
    "size 2": (SMALL.replace("size: 3", "size: 2"), 31, "a subgraph size from 3 to 8 above, not 2"),
    "size 4": (SMALL.replace("size: 3", "size: 4"), 34, "row 1 of a motif: 4 colours"),
    "no per cent": (SMALL.replace("62.5%", "62.5"), 34, "a motif, as in ID,Adj-Matrix"),
    "a word": (SMALL.replace("0.025", "small"), 34, "a motif, as in ID,Adj-Matrix"),
    "a column less": (SMALL.replace(",0.1\n", "\n"), 34, "a motif, as in ID,Adj-Matrix"),
    "per cent beyond": (SMALL.replace("62.5%", "162.5%"), 34, "frequencies from 0 to 100 %"),
    "p beyond": (SMALL.replace("4.9,0.1", "4.9,1.1"), 34, "p from 0 to 1"),
    "colour beyond": (SMALL.replace("colors: 2", "colors: 1"), 36, "row 3 of a motif: 3 colours from 0 to 1"),
    "coloured node": (SMALL.replace(",120", ",121"), 40, "0 on the diagonal"),
    "a short row": (SMALL.replace(",120", ",12"), 40, "row 3 of a motif: 3 colours"),
    "a row missing": (SMALL.replace(",210\n", ""), 37, "row 3 of a motif: 3 colours"),
    "a row too many": (SMALL.replace(",210\n", ",210\n,000\n"), 37, "a motif, as in ID,Adj-Matrix"),
    "cut short": (SMALL[:SMALL.index(",100")], 38, "the file ends after row 1 of a motif's 3 rows"),
    "binary": (SMALL.replace("38,000", "38,0\x000\x1b"), 38, "a motif, as in ID,Adj-Matrix"),
    "long": (SMALL.replace(",100", ",1" + "0" * 2000), 39, "lines of at most 1000 characters"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_table_is_refused_with_its_line(case, tmp_path):
    text, number, expected = BROKEN[case]
    path = tmp_path / "table.csv"
    path.write_text(text)
    message = one_line(path, fanmod.read_table)
    assert expected in message
    assert message.startswith(f"{path}: " if number is None else f"{path}, line {number}: ")


def assert_table_comes_back(tmp_path, graph, comparison, colored, model):
    """Write a table and read it; return its text and the Table."""
    text = fanmod.format_table(graph, comparison, colored, model)
    path = tmp_path / "table.csv"
    path.write_text(text)
    table = fanmod.read_table(path)
    order = places(table, comparison)
    for name in FIGURES:
        values = comparison.larger if name == "p" else getattr(comparison, name)
        if name == "z":
            values = np.where(comparison.differs, values, np.nan)
        np.testing.assert_allclose(getattr(table, name), values[order], rtol=5.1e-5, err_msg=name)
    assert (np.diff(table.frequency) <= 0).all()
    assert (table.total, table.null_total) == (comparison.census.total, comparison.totals.sum())
    assert table.nulls == len(comparison.totals)
    assert table.nodes == fanmod.node_count(graph)
    assert table.colors == (graph.colors.max() if colored else None)
    return text, table


@pytest.mark.parametrize("colored", [True, False])
@pytest.mark.parametrize(("size", "most"), [(3, 2), (4, 12), (5, 1)])
def test_a_table_is_read_as_it_was_written(size, most, colored, tmp_path):
    rng = np.random.default_rng(size)
    ends, colors = rng.integers(0, 20, (2, 45)), rng.integers(1, most + 1, 45)
    graph = motifs.graph(20, *ends, colors, np.arange(20) * 3)
    comparison = motifs.significance(graph, size, 10, "fanmod", 1, colored)
    text, table = assert_table_comes_back(tmp_path, graph, comparison, colored, "fanmod")
    assert np.isnan(table.z).any() == ("undefined" in text)
    assert ("exchanging only edges with the same color" in text) == colored
    assert "seconds" not in text


def test_a_header_counts_mutual_edges_as_fanmod_does(tmp_path):
    graph = motifs.graph(6, [0, 1, 1, 2, 3], [1, 0, 2, 3, 4], [1, 2, 3, 1, 1])
    comparison = motifs.significance(graph, 3, 5)
    head = fanmod.format_table(graph, comparison, True, "fanmod", 0.25).split("\n\n")
    assert head[1:4] == [
        "Network type: Directed\nNumber of nodes: 6\nNumber of edges: 4\nNumber of single edges: 3\n"
        "Number of mutual edges: 1\nNumber of edge colors: 3",
        "Algorithm: enumeration\nSubgraph size: 3",
        "Generated 5 random networks\n   with locally constant number of bidirectional edges,\n"
        "   exchanging only edges with the same color,\n   3 exchanges per edge and 3 tries per edge."]
    assert head[4].startswith("3 subgraphs were enumerated in the original network.\n")
    assert head[5] == (f"For the random networks: {comparison.tries} tries were made, {comparison.exchanges} were "
                       "successful.\nRandomization and enumeration took 0.250 seconds.")
    assert_table_comes_back(tmp_path, graph, comparison, True, "fanmod")


def test_a_layered_table_says_what_fanmod_does_not_do(tmp_path):
    rng = np.random.default_rng(0)
    graph = motifs.from_layers([rng.integers(0, 3, (6, 5)), rng.integers(0, 3, (5, 4))])
    comparison = motifs.significance(graph, 4, 20, "layered")
    text, table = assert_table_comes_back(tmp_path, graph, comparison, True, "layered")
    assert "   exchanging only edges between the same two layers, as FANMOD does not,\n" in text
    assert "\nZ-Scores and p-Values are of counts, not of frequencies.\n" in text
    assert np.isnan(table.z[np.isin(table.ids, [14, 28, 2116, 2184])]).any()


def test_a_table_without_motifs_is_read_as_it_was_written(tmp_path):
    graph = motifs.graph(2, [0], [1])
    _, table = assert_table_comes_back(tmp_path, graph, motifs.significance(graph, 4, 3), True, "fanmod")
    assert table.adjacency.shape == (0, 4, 4)
