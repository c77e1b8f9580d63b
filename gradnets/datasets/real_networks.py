"""Real networks by name, to compare networks of gradients with, and lists of links of your own.

Four come with networkx, eleven lie in `data/networks/`, and larger ones are read from the folder `networks` of
GRADNETS_DATA if they are there. data/README.md has their sources and terms.
"""
import hashlib
import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gradnets import checks
from gradnets.datasets import real_files
from gradnets.datasets.real_files import DataError, printable_line

COMMITTED = Path(__file__).resolve().parents[2] / "data" / "networks"
LARGEST = 30_000     # nodes; a network becomes a matrix of bools, of 0.9 GB for this number
LONGEST_LINE = 1000  # characters


class Facts(NamedTuple):
    """What is known of a network: its name in words, its kind, whether links have a direction, and the SHA-256 of its
    file, if the file is in this repository."""

    words: str
    kind: str
    directed: bool = False
    sha256: str = ""


NETWORKS = {
    "karate": Facts("karate club", "social"),
    "lesmis": Facts("Les Misérables", "social"),
    "florentine": Facts("Florentine families", "social"),
    "davis-women": Facts("Southern women", "social"),
    "dolphins": Facts("dolphins", "social", False,
                      "d38a6ca5530193885556abaf35ed2e1f7cda8dec23f95685a064841ab79d4984"),
    "ukfaculty": Facts("faculty", "social", True),
    "email-eu": Facts("e-mail", "social", True),
    "facebook": Facts("Facebook", "social"),
    "jazz": Facts("jazz", "collaboration", False,
                  "767acb5700af0043ed88e2c665e17a7320aa28c8f9ec2e0434f976a34729de44"),
    "netscience": Facts("network science", "collaboration", False,
                        "dbe14c5cb73f475d80bf853b05dc076bed379010e93c5e42edce402b2b57b27d"),
    "ca-grqc": Facts("relativity", "collaboration"),
    "celegans": Facts("C. elegans", "neural", True,
                      "05fa8afd3999609b0bbdad083be83b1c789849c5e883515286e99cd408f175d4"),
    "macaque": Facts("macaque cortex", "neural", True),
    "yeast-ppi": Facts("yeast proteins", "biological"),
    "yeast-pajek": Facts("yeast (Pajek)", "biological"),
    "power": Facts("power grid", "technological", False,
                   "8b68bfe8e28d70f9a0b6bec7d9c290bc844669bdd2711a499a710fcc90721b58"),
    "usair97": Facts("US flights", "technological", False,
                     "fdaa55e8f74619338c2a13b195e5c19ebb09bd9256104a6e40b9dfa200936590"),
    "internet-as": Facts("Internet", "technological"),
    "polblogs": Facts("political blogs", "information", True,
                      "f661ca281c8bd4d1da481cfbb268171deaabbeec85e355d87ebf09e868381c6b"),
    "polbooks": Facts("political books", "information", False,
                      "6064ac8ab403b1386da7cbed84f61a78749e72b9c3bdf8693b40fb4259da0a86"),
    "adjnoun": Facts("David Copperfield", "linguistic", False,
                     "c8bc5649fc6eb70ec2a79cc4d6e3ee784dcd393efc9fa4f01fb5e5d653ccddc6"),
    "alice-words": Facts("Alice", "linguistic", True,
                         "8493f686127a6d9d58f9feb3cca8a63a28c94ec4f1ae061612b8f536d76ba70b"),
    "football": Facts("football", "schedule", False,
                      "d9f5cc1b3ba5ef263ac43d03e789d3726932f8ef15dddeff09818f82fc3b0905"),
}
OF_NETWORKX = {  # name: function of networkx
    "karate": "karate_club_graph", "lesmis": "les_miserables_graph", "florentine": "florentine_families_graph",
    "davis-women": "davis_southern_women_graph",  # projected on the women
}


@dataclass(frozen=True, eq=False)
class Network:
    """The links of one network.

    Attributes
    ----------
    name : str
        A name of NETWORKS, or the name of a file.
    words : str
        The name as figures have it.
    kind : str
        Such as "social"; "yours" for a file of the user's.
    directed : bool
        Whether links have a direction.
    nodes : int
    ends : int64 array (m, 2)
        Both ends of each link, sender first, as numbers of nodes in the order in which they occur. Loops are left out.
    source : str
        The name of its file, or of the library that has it.
    sha256 : dict
        File name -> SHA-256 of its contents.
    """

    name: str
    words: str
    kind: str
    directed: bool
    nodes: int
    ends: np.ndarray
    source: str
    sha256: dict = field(default_factory=dict)

    @property
    def provenance(self):
        """What the record of a run keeps of its data: a dict of name, n, source and sha256."""
        return {"name": self.name, "n": len(self.ends), "source": self.source, "sha256": self.sha256}

    @property
    def links(self):
        """The directed links, bool (nodes, nodes): row i sends, column j receives."""
        matrix = np.zeros((self.nodes, self.nodes), dtype=bool)
        matrix[self.ends[:, 0], self.ends[:, 1]] = True
        return matrix

    @property
    def adjacency(self):
        """The network without directions, bool (nodes, nodes), symmetric without loops."""
        matrix = self.links
        matrix[self.ends[:, 1], self.ends[:, 0]] = True
        return matrix


def load_network(name):
    """Read one real network.

    Parameters
    ----------
    name : str
        A name of NETWORKS.

    Returns
    -------
    Network

    Raises
    ------
    DataError
        If the file is missing or is not the one that is known.
    UserError
        If there is no network of that name.
    """
    facts = NETWORKS[checks.choice("network", name, NETWORKS)]
    if name in OF_NETWORKX:
        return _of_networkx(name, facts)
    path = _path_of(name, facts)
    if not path.is_file():
        raise DataError(f"the network {name} is not in this repository and {path} is missing: put its links there, "
                        "source target a line (see data/README.md), or choose another network")
    contents = _contents(path)
    if facts.sha256 and hashlib.sha256(contents).hexdigest() != facts.sha256:
        raise DataError(f"{path} has changed: expected the file of this repository, restore it with git checkout")
    return _network(path, contents, name, facts)


def network_available(name):
    """Return whether `load_network(name)` finds its file; raise UserError unless there is a network of that name."""
    return network_of_repository(name) or _path_of(name, NETWORKS[name]).is_file()


def network_of_repository(name):
    """Return whether a network needs no folder of data; raise UserError unless there is a network of that name."""
    return name in OF_NETWORKX or bool(NETWORKS[checks.choice("network", name, NETWORKS)].sha256)


def read_network(path):
    """Read a network from a list of links of the user's.

    Parameters
    ----------
    path : str or path
        A text file in UTF-8 with a link a line: the names of two nodes, any words without spaces, and perhaps a third
        word, such as a weight, which is ignored. Empty lines and lines that begin with # or % are skipped. Links are
        taken in both directions, repeated links once, and loops are left out.

    Returns
    -------
    Network
        Its kind is "yours".

    Raises
    ------
    UserError
        If the file cannot be read, has no link or more than 30,000 nodes, and for the first line that does not hold
        two or three words, or another number of words than the lines before.
    """
    path = Path(path)
    return _network(path, _contents(path), path.name, Facts(path.name, "yours"))


def _path_of(name, facts):
    return (COMMITTED if facts.sha256 else real_files.folder() / "networks") / f"{name}.txt"


def _contents(path):
    """Return the bytes of a file, at most MAX_BYTES."""
    try:
        with open(path, "rb") as file:
            contents = file.read(real_files.MAX_BYTES + 1)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}: expected a text file with a link a line") from None
    if len(contents) > real_files.MAX_BYTES:
        raise DataError(f"{path} has more than {real_files.MAX_BYTES} bytes: expected a smaller network")
    return contents


def _network(path, contents, name, facts):
    numbers, ends, columns = {}, [], 0
    for place, line in enumerate(io.BytesIO(contents), start=1):
        words = _words(path, place, line)
        if not words or words[0][0] in "#%":
            continue
        if len(words) not in (2, 3) or len(words) != (columns or len(words)):
            expected = f"{columns} words, as in the lines before" if columns else "source target, perhaps a weight"
            raise _line_error(path, place, line, expected)
        columns = len(words)
        if words[0] != words[1]:
            ends.append([numbers.setdefault(word, len(numbers)) for word in words[:2]])
    if not ends:
        between = " between two different nodes (loops do not count)" if columns else ""
        raise DataError(f"{path} has no link{between}: expected source target a line")
    if len(numbers) > LARGEST:
        raise DataError(f"{path} has {len(numbers):,} nodes: expected at most {LARGEST:,}, since a network becomes a "
                        "matrix here; take a part of it")
    return Network(name, facts.words, facts.kind, facts.directed, len(numbers), np.array(ends), path.name,
                   {path.name: hashlib.sha256(contents).hexdigest()})


def _words(path, place, line):
    if len(line) > LONGEST_LINE:
        raise _line_error(path, place, line, f"lines of at most {LONGEST_LINE} characters")
    try:
        return line.decode("utf-8-sig" if place == 1 else "utf-8").split()
    except UnicodeDecodeError:
        raise _line_error(path, place, line, "text in UTF-8") from None


def _line_error(path, place, line, expected):
    return DataError(f"{path}, line {place}: {printable_line(repr(line[:40]))}: expected {expected}")


def _of_networkx(name, facts):
    import networkx as nx  # here, since the other networks need no library
    graph = getattr(nx, OF_NETWORKX[name])()
    if name == "davis-women":
        graph = nx.bipartite.projected_graph(graph, graph.graph["top"])
    numbers = {node: k for k, node in enumerate(graph)}
    ends = np.array([[numbers[node] for node in link] for link in graph.edges])
    digest = hashlib.sha256(ends.astype("<i8").tobytes()).hexdigest()
    return Network(name, facts.words, facts.kind, facts.directed, len(numbers), ends, f"networkx {nx.__version__}",
                   {"arrays": digest})
