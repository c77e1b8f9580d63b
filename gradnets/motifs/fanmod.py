"""Read and write FANMOD's files: graphs, tables of motifs, and the numbers that name topologies.

FANMOD 1.1 (Wernicke and Rasche 2006) reads a graph from lines `source target colour`, and writes motifs as
comma-separated values below a header. Files are read line by line, and long lines are refused: the memory that is
needed grows with the number of edges or motifs in a file, not with its bytes.
"""
import re
from array import array
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from gradnets.errors import UserError
from gradnets.motifs import codes, graphs, rewiring

LARGEST_LABEL = 10**9
LARGEST_COLOR = 2**63 - 1
LONGEST_LINE = 1000  # bytes
SHOWN = 40           # bytes of a wrong line that an error message shows

# FANMOD 1.1's numbers of the 13 connected directed graphs on 3 nodes, of the 199 on 4 nodes, and of those 42 on 5 nodes
# that occur in its tables of layered nets (Zambra, Maritan and Testolin 2020).
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

HEADER = {  # lines above a table; a table without colours has no line of colours
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
    """A table of motifs, in the order of its file; arrays have shape (q,) unless a shape is given.

    Attributes
    ----------
    size : int
        Number of nodes of a motif.
    nodes : int
        The largest label + 1.
    edges : int
        Number of linked pairs of nodes: an edge and the edge back count once.
    colors : int, or None
        The largest colour; None if the table was made without colours.
    nulls : int
        Number of random networks.
    total, null_total : int
        Number of subgraphs of the network, and of all random networks together.
    ids : int64
        FANMOD's numbers of the topologies; motifs that differ only in colours share a number.
    adjacency : int64 (q, size, size)
        Colours, 0 for no edge; the nodes are in any order.
    frequency, mean_frequency, std : float64
        Share of all subgraphs of the network; its mean and standard deviation over the random networks. The file has
        the first two in per cent.
    z, p : float64
        Z-score, NaN where it is undefined; share of the random networks with strictly more.
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
    """Yield the number, from 1 on, and the bytes of each line of a file."""
    try:
        with open(path, "rb") as file:
            number = 0
            while line := file.readline(LONGEST_LINE + 1):
                number += 1
                if len(line) > LONGEST_LINE:
                    raise _line_error(path, number, line, f"lines of at most {LONGEST_LINE} characters")
                yield number, line
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}: expected a text file") from None


def _line_error(path, number, line, expected):
    shown = ascii(line[:SHOWN].decode("latin-1").strip()) + ("..." if len(line) > SHOWN else "")
    return UserError(f"{path}, line {number}: {shown}: expected {expected}")


# ---- graphs -----------------------------------------------------------------------------------------------

def read_graph(path, most_colors=LARGEST_COLOR):
    """Read the graph of a file of lines `source target` or `source target colour`.

    The graph has the nodes that occur in the file. Their labels are their numbers in the file, 0 to 1000000000; a large
    label costs no more than a small one. Loops are dropped, but their nodes stay; of a repeated edge the last colour
    stays; without colours every edge has colour 1. Empty lines are skipped.

    Parameters
    ----------
    most_colors : int
        The largest colour that is accepted, such as `motifs.most_colors(size)`.

    Returns
    -------
    motifs.Graph

    Raises
    ------
    UserError
        If the file cannot be read or has no edges, and for the first line that does not hold two or three integers,
        holds another number of integers than the lines before, has a label or a colour out of range, or is longer
        than 1000 bytes.

    Notes
    -----
    Takes about a second and 24 MB for a million lines, and a few times as much memory while the edges are sorted.
    """
    numbers, columns, number = array("q"), 0, 0
    for number, line in _lines(path):
        match = EDGE.fullmatch(line)
        if not match:
            if line.isspace():
                continue
            raise _line_error(path, number, line, "two or three integers: source, target and, if any, colour")
        columns = columns or match.lastindex
        if match.lastindex != columns:
            raise _line_error(path, number, line, f"{columns} numbers, as in the lines before")
        source, target, color = map(int, match.groups(b"1"))
        if not (0 <= source <= LARGEST_LABEL and 0 <= target <= LARGEST_LABEL):
            raise _line_error(path, number, line, f"nodes from 0 to {LARGEST_LABEL}")
        if not 0 < color <= most_colors:
            raise _line_error(path, number, line, f"a colour from 1 to {most_colors}")
        numbers.append(source)
        numbers.append(target)
        numbers.append(color)
    edges = np.array(numbers, np.int64).reshape(-1, 3)
    labels, ends = np.unique(edges[:, :2], return_inverse=True)
    sources, targets = ends.reshape(-1, 2).T
    graph = graphs.graph(len(labels), sources, targets, edges[:, 2], labels)
    if not len(graph.sources):
        raise UserError(f"{path}: no edges in {number} lines{', only loops' if len(edges) else ''}: expected lines of "
                        "source, target and, if any, colour")
    return graph


def format_graph(graph):
    """Return the lines `source target colour` of a graph; `read_graph` makes the same graph of them.

    A node without edges is written as a loop. FANMOD drops the loop and counts the node.
    """
    labels = np.arange(graph.nodes) if graph.labels is None else graph.labels
    alone = np.setdiff1d(np.arange(graph.nodes), np.concatenate([graph.sources, graph.targets]))
    columns = (labels[np.concatenate([graph.sources, alone])], labels[np.concatenate([graph.targets, alone])],
               np.concatenate([graph.colors, np.ones_like(alone)]))
    return "".join(map("%d %d %d\n".__mod__, zip(*(column.tolist() for column in columns), strict=True)))


def node_count(graph):
    """Return the number of nodes that FANMOD prints for a graph: the largest label + 1."""
    return graph.nodes if graph.labels is None else int(graph.labels.max(initial=-1)) + 1


# ---- topologies -------------------------------------------------------------------------------------------

def topology_id(adjacency):
    """Return FANMOD's number of a topology: its adjacency matrix, read row by row as a binary number.

    FANMOD puts the nodes in nauty's canonical order, whose number is neither the smallest nor the largest. TOPOLOGIES
    therefore lists FANMOD's numbers of all connected topologies of 3 and 4 nodes, and of 42 topologies of 5 nodes. Any
    other topology of 5 nodes gets the smallest number over all orders of its nodes; this number is different for each
    topology, but it is not FANMOD's.

    Parameters
    ----------
    adjacency : bool or int (..., k, k), k = 3, 4 or 5
        An edge is any entry that is not 0, whatever the colour; the diagonal does not count.

    Returns
    -------
    int64 (...), or int for a single matrix
    """
    adjacency = np.asarray(adjacency)
    size = adjacency.shape[-1]
    codes.check_size(size, 1)
    listed, ids = _topologies(size)
    topologies = codes.canonical((adjacency != 0).reshape(-1, size, size), 1)
    places = np.searchsorted(listed, topologies).clip(max=len(listed) - 1)
    smallest = codes.decode(topologies, size, 1).reshape(-1, size * size) @ (1 << np.arange(size * size)[::-1])
    numbers = np.where(listed[places] == topologies, ids[places], smallest)
    return numbers.reshape(adjacency.shape[:-2]) if adjacency.ndim > 2 else int(numbers[0])


@lru_cache
def _topologies(size):
    """Return the codes of the listed topologies, ascending, and FANMOD's numbers of them, int64 (q,) each."""
    ids = np.array(TOPOLOGIES[size])
    listed = codes.canonical((ids[:, None] >> np.arange(size * size)[::-1] & 1).reshape(-1, size, size), 1)
    order = np.argsort(listed)
    return listed[order], ids[order]


# ---- tables -----------------------------------------------------------------------------------------------

def read_table(path):
    """Read a table of motifs with commas, as FANMOD writes it after a full enumeration, or as `format_table` does.

    Returns
    -------
    Table

    Raises
    ------
    UserError
        If the file cannot be read or is no such table, if its header lacks a line, and for the first line that does
        not fit: other columns, a matrix of another size, a colour above the header's.
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
            match = MOTIF.fullmatch(line)
            if not match:
                raise _line_error(path, number, line, f"a motif, as in {COLUMNS}")
            values = [np.nan if field == b"undefined" else float(field) for field in match.groups()[2:]]
            if not (0 <= values[0] <= 100 and 0 <= values[1] <= 100 and 0 <= values[4] <= 1):
                raise _line_error(path, number, line, "frequencies from 0 to 100 % and p from 0 to 1")
            ids.append(int(match[1]))
            figures.append(values)
            text = match[2]
        row = _row(text)
        if len(row) != size or max(row) > most or row[place]:  # FANMOD shows colours of nodes on the diagonal
            raise _line_error(path, number, line, f"row {place + 1} of a motif: {size} colours from 0 to {most}, 0 on "
                                                  "the diagonal")
        rows.append(row)
    if len(rows) != size * len(ids):
        raise UserError(f"{path}, line {number}: the file ends after row {len(rows) % size} of a motif's {size} rows")
    columns = np.array(figures).reshape(-1, 5).T / [[100], [100], [1], [1], [1]]
    return Table(**header, ids=np.array(ids, np.int64), adjacency=np.array(rows, np.int64).reshape(-1, size, size),
                 **dict(zip(("frequency", "mean_frequency", "std", "z", "p"), columns, strict=True)))


def _header(path, lines):
    """Read the lines of a table down to the line of the columns; return their numbers by their names in HEADER."""
    patterns = {name: re.compile(re.escape(words).replace(r"\{\}", r"(\d{1,18})").encode())
                for name, words in HEADER.items()}
    header = {"colors": None}
    for number, line in lines:
        for name, pattern in patterns.items():
            if match := pattern.fullmatch(line.strip()):
                header[name] = int(match[1])
        if line.strip() == COLUMNS.encode():
            for name in HEADER:
                if name not in header:
                    raise _line_error(path, number, line, f"a line '{HEADER[name].format('...')}' above")
            if not 3 <= header["size"] <= 8:
                raise _line_error(path, number, line, f"a subgraph size from 3 to 8 above, not {header['size']}")
            return header
    raise UserError(f"{path}: no line {COLUMNS}: expected a table of FANMOD's, with commas and random networks")


def _row(text):
    """Return the colours in a row of a matrix, digits or numbers separated by points; [] if the text is no row."""
    match = ROW.fullmatch(text)
    if not match:
        return []
    return [int(color) for color in (match[1].split(b".") if b"." in match[1] else match[1].decode())]


def format_table(graph, significance, colored, model, seconds=None):
    """Return a table of motifs in FANMOD's layout, the most frequent motif first.

    Parameters
    ----------
    graph : motifs.Graph
    significance : motifs.Significance
        Of that graph.
    colored : bool
    model : str
        What motifs.significance was given.
    seconds : float, optional
        Time that the comparison took.

    Returns
    -------
    str
        Numbers have five digits. Under the null model layered, z and p are those of counts, and a line says so. Colours
        above 9, which FANMOD does not have, are separated by points.
    """
    census, totals = significance.census, significance.totals
    size, layered = census.adjacency.shape[1], model == "layered"
    edges, back = graph.sources * graph.nodes + graph.targets, graph.targets * graph.nodes + graph.sources
    mutual = int(np.isin(edges, back).sum()) // 2
    values = {"nodes": node_count(graph), "edges": len(edges) - mutual, "colors": graph.largest_color, "size": size,
              "nulls": len(totals), "total": census.total, "null_total": int(totals.sum())}
    lines = {name: HEADER[name].format(value) for name, value in values.items()}
    head = [
        "Subgraph enumeration in the layout of FANMOD 1.1",
        "------------------------------------------------",
        "",
        "Network type: Directed",
        lines["nodes"],
        lines["edges"],
        f"Number of single edges: {len(edges) - 2 * mutual}",
        f"Number of mutual edges: {mutual}",
        *([lines["colors"]] if colored else []),
        "",
        "Algorithm: enumeration",
        lines["size"],
        "",
        lines["nulls"],
        "   with locally constant number of bidirectional edges,",
        *(["   exchanging only edges with the same color,"] if colored else []),
        *(["   exchanging only edges between the same two layers, as FANMOD does not,"] if layered else []),
        f"   {rewiring.SWEEPS} exchanges per edge and {rewiring.TRIES} tries per edge.",
        "",
        lines["total"],
        lines["null_total"],
        f"{values['total'] + values['null_total']} subgraphs were enumerated in all networks.",
        "",
        f"For the random networks: {significance.tries} tries were made, {significance.exchanges} were successful.",
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
    ids, body = topology_id(census.adjacency), []
    separator = "" if census.adjacency.max(initial=0) < 10 else "."
    for k in np.lexsort((census.codes, -significance.frequency)):
        z = f"{significance.z[k]:.5g}" if significance.differs[k] else "undefined"
        first, *rest = (separator.join(map(str, row)) for row in census.adjacency[k].tolist())
        body += [f"{ids[k]},{first},{100 * significance.frequency[k]:.5g}%,{100 * significance.mean_frequency[k]:.5g}%,"
                 f"{significance.std[k]:.5g},{z},{significance.larger[k]:.5g}", *(f",{row}" for row in rest), ""]
    return "\n".join(head + body) + "\n"
