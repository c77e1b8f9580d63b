"""FANMOD's file formats: graphs, tables of motifs, and the numbers by which it names topologies.

FANMOD 1.1 (Wernicke and Rasche 2006) reads a graph from lines `source target colour`, and writes the motifs it
found as comma-separated values below a header. Files are read line by line, each up to a limit: memory goes with
the edges or motifs that a file holds, not with its bytes.
"""
import re
from array import array
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from gradnets import motifs

LARGEST_LABEL = 10**9
LARGEST_COLOR = 2**63 - 1
LONGEST = 1000  # bytes of a line
SHOWN = 40      # bytes of it in an error

# FANMOD 1.1's numbers of the 13 connected directed graphs on 3 nodes and the 199 on 4, and of the 42 on 5 that its
# tables of layered nets name (Zambra, Maritan and Testolin 2020).
TOPOLOGIES = {
    3: (6, 12, 14, 36, 38, 46, 78, 102, 140, 164, 166, 174, 238),
    4: (14, 28, 30, 74, 140, 142, 150, 158, 202, 204, 206, 222, 284, 286, 332, 334, 350, 390, 392, 396, 398, 414,
        462, 536, 540, 588, 590, 602, 604, 606, 652, 662, 666, 668, 670, 710, 714, 716, 718, 734, 858, 862, 924,
        972, 974, 990, 2076, 2116, 2118, 2124, 2126, 2134, 2140, 2142, 2182, 2184, 2188, 2190, 2198, 2202, 2204,
        2206, 2252, 2254, 2270, 2398, 2458, 2462, 2510, 2716, 2758, 2766, 2782, 3038, 4380, 4382, 4438, 4442, 4492,
        4494, 4510, 4554, 4558, 4574, 4636, 4686, 4694, 4748, 4766, 4810, 4814, 4958, 5070, 6222, 6284, 6286, 6302,
        6350, 6494, 6558, 6606, 6862, 6878, 8538, 8588, 8598, 8606, 8650, 8652, 8670, 8732, 8844, 8862, 8906, 8908,
        8910, 9182, 10312, 10372, 10380, 10398, 10974, 13214, 13262, 13278, 14942, 15052, 16668, 16780, 16798,
        16838, 16842, 16920, 16924, 16982, 16986, 17036, 17038, 17046, 17050, 17054, 17094, 17098, 17100, 17102,
        17118, 17238, 17244, 17246, 17302, 17306, 17308, 17310, 17356, 17358, 17374, 18460, 18504, 18518, 18568,
        18572, 18574, 18582, 18590, 18634, 18636, 18638, 18654, 18782, 18846, 18894, 19030, 19034, 19036, 19038,
        19094, 19098, 19100, 19102, 19142, 19146, 19148, 19150, 19166, 19422, 21406, 23006, 25438, 25500, 25566,
        27030, 27082, 27084, 27102, 27294, 27340, 27342, 27614, 31710),
    5: (30, 60, 154, 402, 404, 540, 796, 924, 1080, 1176, 1304, 2324, 2840, 3864, 8244, 8340, 8344, 8468, 8470,
        8472, 8724, 8728, 16646, 16780, 17158, 17176, 25368, 49680, 66704, 67088, 67632, 68108, 132624, 532520,
        532744, 532752, 540716, 540940, 541068, 541196, 541198, 541200),
}

HEADER = {  # what the lines above a table say; one mined without colours has no line of colours
    "nodes": "Number of nodes: {}",
    "edges": "Number of edges: {}",
    "colors": "Number of edge colors: {}",
    "size": "Subgraph size: {}",
    "nulls": "Generated {} random networks",
    "total": "{} subgraphs were enumerated in the original network.",
    "null_total": "{} subgraphs were enumerated in the random networks.",
}
COLUMNS = "ID,Adj-Matrix,Frequency,Mean-Freq,Standard-Dev,Z-Score,p-Value"

EDGE = re.compile(rb"[ \t]*(-?\d+)[ \t]+(-?\d+)(?:[ \t]+(-?\d+))?\s*")
ROW = re.compile(rb",(\d+(?:\.\d+)*)\s*")
MOTIF = re.compile(rb"(\d{1,18})(,[\d.]+),(N)%,(N)%,(N|undefined),(N|undefined),(N)\s*".replace(
    b"N", rb"[-+]?\d+(?:\.\d*)?(?:e[-+]?\d{1,3})?"))


@dataclass(frozen=True, eq=False)
class Table:
    """A table of motifs, in the order of its file; arrays of (q,) where nothing else is said.

    Attributes
    ----------
    size : int
        Nodes of a motif.
    nodes : int
        The largest label + 1.
    edges : int
        Linked pairs of nodes: an edge and the one back are one.
    colors : int, or None
        The largest colour; None where colours were left out.
    nulls : int
        Random networks.
    total, null_total : int
        Subgraphs of the network, and of all random networks together.
    ids : int64
        Of the topologies; motifs that differ in colours alone share one.
    adjacency : int64 (q, size, size)
        Colours, 0 for no edge, the nodes in any order.
    frequency, mean_frequency, std : float64
        Share of the network's subgraphs; its mean and standard deviation over the random networks. Not per cent.
    z, p : float64
        NaN where z is undefined; p is the share of random networks with strictly more.
    """

    size: int
    nodes: int
    edges: int
    colors: int | None
    nulls: int
    total: int
    null_total: int
    ids: np.ndarray
    adjacency: np.ndarray
    frequency: np.ndarray
    mean_frequency: np.ndarray
    std: np.ndarray
    z: np.ndarray
    p: np.ndarray


def _lines(path):
    """The lines of a file as bytes, numbered from 1."""
    try:
        with open(path, "rb") as file:
            number = 0
            while line := file.readline(LONGEST + 1):
                number += 1
                if len(line) > LONGEST:
                    raise _wrong(path, number, line, f"lines of at most {LONGEST} characters")
                yield number, line
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}: expected a text file") from None


def _wrong(path, number, line, expected):
    shown = ascii(line[:SHOWN].decode("latin-1").strip()) + ("..." if len(line) > SHOWN else "")
    return ValueError(f"{path}, line {number}: {shown}: expected {expected}")


# ---- graphs -----------------------------------------------------------------------------------------------

def read_graph(path, most_colors=LARGEST_COLOR):
    """The graph of a file of lines `source target` or `source target colour`.

    Its nodes are those that occur, `labels` what the file calls them, 0 to 1000000000: a large label costs no more
    than a small one. Loops are dropped, though their nodes stay; of a repeated edge the last colour stays; without
    colours all are 1. Empty lines are passed over. most_colors: the largest colour that is accepted, such as
    `motifs.most_colors` gives for a size.

    Returns
    -------
    motifs.Graph

    Raises
    ------
    ValueError
        For a file that cannot be read or has no edges, and for the first line that is not two or three whole
        numbers, or not as many as the lines before, has a label or a colour out of range, or more than 1000 bytes.

    Notes
    -----
    About a second for a million lines, which take 24 bytes each, and a few times that while edges are sorted.
    """
    numbers, columns, number = array("q"), 0, 0
    for number, line in _lines(path):
        found = EDGE.fullmatch(line)
        if not found:
            if line.isspace():
                continue
            raise _wrong(path, number, line, "two or three whole numbers: source, target and, if any, colour")
        columns = columns or found.lastindex
        if found.lastindex != columns:
            raise _wrong(path, number, line, f"{columns} numbers, as in the lines before")
        source, target, color = map(int, found.groups(b"1"))
        if not (0 <= source <= LARGEST_LABEL and 0 <= target <= LARGEST_LABEL):
            raise _wrong(path, number, line, f"nodes from 0 to {LARGEST_LABEL}")
        if not 0 < color <= most_colors:
            raise _wrong(path, number, line, f"a colour from 1 to {most_colors}")
        numbers.append(source)
        numbers.append(target)
        numbers.append(color)
    edges = np.array(numbers, np.int64).reshape(-1, 3)
    labels, ends = np.unique(edges[:, :2], return_inverse=True)
    sources, targets = ends.reshape(-1, 2).T
    graph = motifs.graph(len(labels), sources, targets, edges[:, 2], labels)
    if not len(graph.sources):
        raise ValueError(f"{path}: no edges in {number} lines{', loops only' if len(edges) else ''}: expected "
                         "lines of source, target and, if any, colour")
    return graph


def format_graph(graph):
    """The lines `source target colour` of a graph, of which `read_graph` makes the same graph.

    A node without edges is given a loop, which FANMOD drops too, while it counts the node.
    """
    labels = np.arange(graph.nodes) if graph.labels is None else graph.labels
    alone = np.setdiff1d(np.arange(graph.nodes), np.concatenate([graph.sources, graph.targets]))
    columns = (labels[np.concatenate([graph.sources, alone])], labels[np.concatenate([graph.targets, alone])],
               np.concatenate([graph.colors, np.ones_like(alone)]))
    return "".join(map("%d %d %d\n".__mod__, zip(*(column.tolist() for column in columns), strict=True)))


def node_count(graph):
    """How many nodes FANMOD says a graph has: the largest label + 1."""
    return graph.nodes if graph.labels is None else int(graph.labels.max(initial=-1)) + 1


# ---- topologies -------------------------------------------------------------------------------------------

def topology_id(adjacency):
    """FANMOD's number of a topology: its adjacency matrix, read row by row as a binary number.

    The order of the nodes behind it is nauty's canonical one, neither that of the smallest number nor that of the
    largest; TOPOLOGIES therefore lists FANMOD's numbers of all connected topologies of 3 and 4 nodes and of 42 of
    5 nodes. Any other topology of 5 nodes gets the smallest number over all orders of its nodes, which tells it
    from the rest but is not FANMOD's.

    Parameters
    ----------
    adjacency : bool or int (..., k, k), k = 3, 4 or 5
        An edge where it is not 0, whatever the colour; the diagonal is not looked at.

    Returns
    -------
    int64 (...), or int for a single matrix
    """
    adjacency = np.asarray(adjacency)
    size = adjacency.shape[-1]
    motifs.check_size(size, 1)
    known, ids = _topologies(size)
    codes = motifs.canonical((adjacency != 0).reshape(-1, size, size), 1)
    place = np.searchsorted(known, codes).clip(max=len(known) - 1)
    smallest = motifs.decode(codes, size, 1).reshape(-1, size * size) @ (1 << np.arange(size * size)[::-1])
    found = np.where(known[place] == codes, ids[place], smallest)
    return found.reshape(adjacency.shape[:-2]) if adjacency.ndim > 2 else int(found[0])


@lru_cache
def _topologies(size):
    """Codes of the listed topologies, ascending, and FANMOD's numbers of them, int64 (q,) each."""
    ids = np.array(TOPOLOGIES[size])
    codes = motifs.canonical((ids[:, None] >> np.arange(size * size)[::-1] & 1).reshape(-1, size, size), 1)
    order = np.argsort(codes)
    return codes[order], ids[order]


# ---- tables -----------------------------------------------------------------------------------------------

def read_table(path):
    """A table of motifs with commas, as FANMOD writes after a full enumeration, or `format_table`.

    Returns
    -------
    Table

    Raises
    ------
    ValueError
        For a file that cannot be read or is no such table, for a header that lacks a line, and for the first line
        that a table does not have there: other columns, a matrix of another size, colours beyond the header's.
    """
    lines = _lines(path)
    header = _header(path, lines)
    size, most = header["size"], header["colors"] or 1
    ids, rows, figures, number = [], [], [], 0
    for number, line in lines:
        if line.isspace() or line.startswith(b",,["):
            continue
        text, place = line, len(rows) % size
        if len(rows) == size * len(ids):
            found = MOTIF.fullmatch(line)
            if not found:
                raise _wrong(path, number, line, f"a motif, as in {COLUMNS}")
            values = [np.nan if field == b"undefined" else float(field) for field in found.groups()[2:]]
            if not (0 <= values[0] <= 100 and 0 <= values[1] <= 100 and 0 <= values[4] <= 1):
                raise _wrong(path, number, line, "frequencies from 0 to 100 % and p from 0 to 1")
            ids.append(int(found[1]))
            figures.append(values)
            text = found[2]
        row = _row(text)
        if len(row) != size or max(row) > most or row[place]:  # on the diagonal FANMOD shows colours of nodes
            raise _wrong(path, number, line, f"row {place + 1} of a motif: {size} colours from 0 to {most}, 0 on "
                                             "the diagonal")
        rows.append(row)
    if len(rows) != size * len(ids):
        raise ValueError(f"{path}, line {number}: ends after row {len(rows) % size} of a motif's {size}")
    columns = np.array(figures).reshape(-1, 5).T / [[100], [100], [1], [1], [1]]
    return Table(**header, ids=np.array(ids, np.int64), adjacency=np.array(rows, np.int64).reshape(-1, size, size),
                 **dict(zip(("frequency", "mean_frequency", "std", "z", "p"), columns, strict=True)))


def _header(path, lines):
    """The numbers in a table's header, by their names in HEADER; takes the lines down to that of the columns."""
    patterns = {name: re.compile(re.escape(words).replace(r"\{\}", r"(\d{1,18})").encode())
                for name, words in HEADER.items()}
    header = {"colors": None}
    for number, line in lines:
        for name, pattern in patterns.items():
            if found := pattern.fullmatch(line.strip()):
                header[name] = int(found[1])
        if line.strip() == COLUMNS.encode():
            for name in HEADER:
                if name not in header:
                    raise _wrong(path, number, line, f"a line '{HEADER[name].format('...')}' above")
            if not 3 <= header["size"] <= 8:
                raise _wrong(path, number, line, f"a subgraph size from 3 to 8 above, not {header['size']}")
            return header
    raise ValueError(f"{path}: no line {COLUMNS}: expected a table of FANMOD's, with commas and random networks")


def _row(text):
    """The colours in a row of a matrix, digits or numbers with points between; none where it is no row."""
    found = ROW.fullmatch(text)
    if not found:
        return []
    return [int(color) for color in (found[1].split(b".") if b"." in found[1] else found[1].decode())]


def format_table(graph, found, colored, model, seconds=None):
    """A table of motifs in FANMOD's layout, the most frequent first.

    Parameters
    ----------
    graph : motifs.Graph
    found : motifs.Significance
        Of that graph.
    colored, model
        What motifs.significance was given.
    seconds : float, optional
        What it took.

    Returns
    -------
    str
        Figures have five digits. Under the null model layered, z and p are those of counts, as a line says.
        Colours above 9, which FANMOD does not take, are written with points between them.
    """
    census, size = found.census, found.census.adjacency.shape[1]
    layered = model == "layered"
    edges, back = graph.sources * graph.nodes + graph.targets, graph.targets * graph.nodes + graph.sources
    mutual = int(np.isin(edges, back).sum()) // 2
    values = {"nodes": node_count(graph), "edges": len(edges) - mutual, "size": size, "nulls": len(found.totals),
              "colors": int(graph.colors.max(initial=1)), "total": census.total,
              "null_total": int(found.totals.sum())}
    says = {name: HEADER[name].format(value) for name, value in values.items()}
    head = [
        "Subgraph enumeration in the layout of FANMOD 1.1",
        "------------------------------------------------",
        "",
        "Network type: Directed",
        says["nodes"],
        says["edges"],
        f"Number of single edges: {len(edges) - 2 * mutual}",
        f"Number of mutual edges: {mutual}",
        *([says["colors"]] if colored else []),
        "",
        "Algorithm: enumeration",
        says["size"],
        "",
        says["nulls"],
        "   with locally constant number of bidirectional edges,",
        *(["   exchanging only edges with the same color,"] if colored else []),
        *(["   exchanging only edges between the same two layers, as FANMOD does not,"] if layered else []),
        f"   {motifs.SWEEPS} exchanges per edge and {motifs.TRIES} tries per edge.",
        "",
        says["total"],
        says["null_total"],
        f"{values['total'] + values['null_total']} subgraphs were enumerated in all networks.",
        "",
        f"For the random networks: {found.tries} tries were made, {found.exchanges} were successful.",
        *([] if seconds is None else [f"Randomization and enumeration took {seconds:.3f} seconds."]),
        *(["Z-Scores and p-Values are of counts, not of frequencies."] if layered else []),
        "",
        "",
        "Result overview:",
        "",
        COLUMNS,
        ",,[Original],[Random],[Random]",
        "",
    ]
    ids, between = topology_id(census.adjacency), "" if census.adjacency.max(initial=0) < 10 else "."
    body = []
    for k in np.lexsort((census.codes, -found.frequency)):
        z = "undefined" if not found.differs[k] else f"{found.z[k]:.5g}"
        first, *rest = (between.join(map(str, row)) for row in census.adjacency[k].tolist())
        body += [f"{ids[k]},{first},{100 * found.frequency[k]:.5g}%,{100 * found.mean_frequency[k]:.5g}%,"
                 f"{found.std[k]:.5g},{z},{found.larger[k]:.5g}", *(f",{row}" for row in rest), ""]
    return "\n".join(head + body) + "\n"
