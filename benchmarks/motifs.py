"""How exact is the motif census, and how fast, beside igraph and networkx?

Published tables: those of FANMOD 1.1 in the folder that the environment variable FANMOD_TABLES names, with the
graphs they are of, as NAME_sizeK_fanmod.csv and NAME.txt. Z is compared over motifs expected at least five
times; the slope is that of ours by FANMOD's, by least squares. Behind each row stand the range over our seeds,
and how two of our own seeds agree.

The peers count uncoloured subgraphs, in a graph that stands before the clock starts, while ours begins with
arrays of edges. Our census is timed as it comes, in closed form where that seems quicker, and by enumeration as the
peers have it; at size 4 also by the formulas for any directed graph. Counts are compared before they are timed, class
by class, and end the run if they differ; of 784-1024-1024-10, which no peer can enumerate, three topologies are
compared with sums of matrix products.

Some peers were measured elsewhere, together with igraph. Their times are scaled by how long igraph takes here.

The largest published graph is not among the files: a random net of as many nodes and edges stands in for it,
layered 784-190-30-10, its edges drawn with chances that fall with a unit's rank, so that the largest hub has
about the share of all edges that it has in the published graph of 824 nodes.

Untrained nets become coloured by the cut of gradnets.motifs, as in the paper, fitted to their own weights.

The brute force reads the lines of each file for itself, tries all subsets of nodes, and names a class by the
largest number that its matrix makes over all orders. Every size is counted with colours and without.

Takes four minutes.
"""
import harness  # first: it pins the threads  # isort: skip

import itertools
import multiprocessing
import os
import resource
import statistics
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import networkx as nx
import numpy as np

import mlp
import motif_stats
from gradnets import motifs
from gradnets.motifs import fanmod

NULLS = 100
COLORS = 3
Z_SEEDS = 5
EXPECTED = 5     # times a motif occurs in a random graph, for its Z to be compared
RUNS = 12        # untrained nets of each initialisation
LAYERS = (31, 30, 30, 4)  # of these nets
GRAPHS = 1000    # against brute force
MOST_NODES, MOST_COLORS = 12, 7  # of these graphs
ROUNDS = 3
NETS = {(31, 30, 30, 4): 613, (784, 64, 10): 5000, (784, 128, 10): 20_326}  # layers: edges; the last has a fifth
REPETITIONS = {(31, 30, 30, 4): 50, (784, 64, 10): 5, (784, 128, 10): 1}    # of our quick counts
LARGEST, LARGEST_EDGES, FALL = (784, 190, 30, 10), 1860, 0.8  # the stand-in; chances are ranks to the power -FALL
RANDOM_NODES, RANDOM_EDGES = 1000, 10_000   # of a directed graph without layers
FORMULA_GOALS = {(31, 30, 30, 4): 20, (784, 64, 10): 20, (784, 128, 10): 500, "random": 40}
# Milliseconds by the peers' own clocks for nets of these layers and edges, measured elsewhere: PGD (Ahmed and others
# 2015) and ORCA (Hocevar and Demsar 2014), which count without directions, and gtrieScanner (Ribeiro and Silva 2014).
MEASURED_ELSEWHERE = {"igraph": {(31, 30, 30, 4): 8.9, (784, 64, 10): 326, (784, 128, 10): 14_000},
                      "PGD": {(31, 30, 30, 4): 0.54, (784, 64, 10): 9.8, (784, 128, 10): 320},
                      "ORCA": {(31, 30, 30, 4): 2.5, (784, 64, 10): 11, (784, 128, 10): 53},
                      "gtrieScanner": {(31, 30, 30, 4): 4.2, (784, 64, 10): 151, (784, 128, 10): 3013}}
WIDE, WIDE_EDGES = (784, 1024, 1024, 10), 372_326  # a fifth


def at_least(quantity, value, goal, **behind):
    """A row of a number that should reach its goal."""
    return {"what": quantity, "value": value, "goal": goal, "higher_is_better": True, **behind}


def random_layers(sizes, edges, colors, seed, fall=0.0):
    """Colour matrices of a net with exactly that many edges, units of each side met by chances rank**-fall."""
    rng = np.random.default_rng(seed)
    chances = [np.outer(*(rng.permutation(np.arange(1.0, units + 1)**-fall) for units in pair))
               for pair in itertools.pairwise(sizes)]
    drawn = np.zeros(sum(part.size for part in chances), np.int64)
    joined = np.concatenate([part.ravel() for part in chances])
    kept = rng.choice(len(drawn), edges, replace=False, p=joined / joined.sum())
    drawn[kept] = rng.integers(1, colors + 1, edges)
    ends = np.cumsum([part.size for part in chances])[:-1]
    return [part.reshape(chance.shape) for part, chance in zip(np.split(drawn, ends), chances, strict=True)]


def classes(matrices, colors):
    """Names of the classes of colour matrices (q, k, k), int64 (q,): the largest number over all orders of nodes.

    Made without gradnets.motifs, whose codes are the smallest numbers.
    """
    matrices = np.asarray(matrices, dtype=np.int64)
    size = matrices.shape[1]
    places = np.zeros((size, size), np.int64)
    places[~np.eye(size, dtype=bool)] = (colors + 1)**np.arange(size * (size - 1))
    orders = np.array(list(itertools.permutations(range(size))))
    places = places[orders[:, :, None], orders[:, None, :]].reshape(len(orders), -1)
    return (matrices.reshape(-1, size * size) @ places.T).max(axis=1)


def named(census, colors):
    """{class: count} of a census; ArithmeticError if two of its motifs are of one class."""
    counts = dict(zip(classes(census.adjacency, colors).tolist(), census.counts.tolist(), strict=True))
    if len(counts) != len(census.counts) or sum(counts.values()) != census.total:
        raise ArithmeticError(f"{len(census.counts)} motifs of {len(counts)} classes, counts that add up to "
                              f"{sum(counts.values())}, and a total of {census.total}")
    return counts


def check(comparison, counts, expected):
    """ArithmeticError unless two {class: count} are the same."""
    wrong = {key for key in counts | expected if counts.get(key, 0) != expected.get(key, 0)}
    if wrong:
        example = min(wrong)
        raise ArithmeticError(f"{comparison}: {len(wrong)} of {len(counts | expected)} classes have other counts, "
                              f"such as {counts.get(example, 0)} instead of {expected.get(example, 0)} by the peer")


# ---- published tables -------------------------------------------------------------------------------------

def published(missing):
    """Yield the name, graph and table of each published table.

    Without any table, print a warning on standard error, and append the variable's name to the list `missing`.
    """
    folder = os.environ.get("FANMOD_TABLES", "")
    paths = sorted(Path(folder).glob("*_size?_fanmod.csv")) if folder else []
    if not paths:
        print(f"FANMOD_TABLES is {folder!r}: no NAME_sizeK_fanmod.csv there, their comparisons are left out",
              file=sys.stderr)
        missing.append("FANMOD_TABLES")
    for path in paths:
        name, size = path.name.removesuffix("_fanmod.csv").rsplit("_size", 1)
        yield f"{name}, size {size}", fanmod.read_graph(path.with_name(f"{name}.txt")), fanmod.read_table(path)


def exactness(tables):
    """Rows of what differs between the census and the tables: motifs, and frequencies as they are printed."""
    lacking = extra = differ = compared = 0  # numbers of motifs
    for _, graph, table in tables:
        census = motifs.census(graph, table.size, table.colors is not None)
        counts = named(census, table.colors or 1)
        printed = dict(zip(classes(table.adjacency, table.colors or 1).tolist(), table.frequency, strict=True))
        lacking, extra = lacking + len(printed.keys() - counts.keys()), extra + len(counts.keys() - printed.keys())
        both = counts.keys() & printed.keys()
        compared += len(both)
        differ += sum(f"{100 * counts[key] / census.total:.5g}" != f"{100 * printed[key]:.5g}" for key in both)
    return [harness.figure("published tables, motifs missing or extra", lacking + extra, 0, tables=len(tables),
                           missing=lacking, extra=extra),
            harness.figure("published tables, printed frequencies that differ", differ, 0, compared=compared)]


def agreement(name, graph, table):
    """Rows of correlation and slope of our Z with a table's."""
    places = np.argsort(classes(table.adjacency, table.colors or 1))
    z_of_seeds = []
    for seed in range(Z_SEEDS):
        significance = motifs.significance(graph, table.size, NULLS, "fanmod", seed, table.colors is not None)
        z_of_seeds.append(significance.z[np.argsort(classes(significance.census.adjacency, table.colors or 1))])
    theirs, ours = table.z[places], np.array(z_of_seeds)
    often = table.mean_frequency[places] * table.null_total / table.nulls >= EXPECTED
    kept = often & np.isfinite(theirs) & np.isfinite(ours).all(axis=0)
    theirs, ours = theirs[kept], ours[:, kept]
    correlations = [float(np.corrcoef(theirs, z)[0, 1]) for z in ours]
    slopes = [float(np.polyfit(theirs, z, 1)[0]) for z in ours]
    between_seeds = [float(np.corrcoef(*pair)[0, 1]) for pair in itertools.combinations(ours, 2)]
    behind = {"motifs": int(kept.sum()), "expected_often": int(often.sum()), "seeds": Z_SEEDS}
    comparison, slope = f"Z against FANMOD's, {name}, median of {Z_SEEDS} seeds,", statistics.median(slopes)
    return [at_least(f"{comparison} correlation", statistics.median(correlations), 0.98, lowest=min(correlations),
                     of_our_own_seeds=statistics.median(between_seeds), **behind),
            harness.figure(f"{comparison} distance of the slope from 1", abs(slope - 1), 0.1, slope=slope,
                           lowest=min(slopes), highest=max(slopes), **behind)]


# ---- peers ------------------------------------------------------------------------------------------------

def igraph_counts(igraph, counts):
    """{class: count} of motifs_randesu, which has NaN for what is not connected."""
    counts_of_classes = {}
    for number, count in enumerate(counts):
        if count > 0:
            motif = igraph.Graph.Isoclass(n=4, cls=number, directed=True)
            counts_of_classes[classes([motif.get_adjacency().data], 1).item()] = int(count)
    return counts_of_classes


def networkx_counts(counts):
    """{class: count} of triadic_census, connected triads alone."""
    counts_of_classes = {}
    for name, count in counts.items():
        triad = nx.triad_graph(name)
        if count and nx.is_weakly_connected(triad):
            counts_of_classes[classes([nx.to_numpy_array(triad)], 1).item()] = count
    return counts_of_classes


def against(peer, sizes, size, count, read):
    """Rows: the census of a random net, by default and by enumeration, against a peer's `count()`.

    read: from what that returns to {class: count}.
    """
    graph = motifs.from_layers(random_layers(sizes, NETS[sizes], 1, 0))
    function = count(graph)
    expected = read(function())
    for method in ("enumerate", "auto"):
        check(f"{'-'.join(map(str, sizes))}, {method}, against {peer}",
              named(motifs.census(graph, size, method=method), 1), expected)
    repetitions = REPETITIONS[sizes]
    seconds = harness.medians({"enumerate": (lambda: motifs.census(graph, size, method="enumerate"), repetitions),
                               "auto": (lambda: motifs.census(graph, size), repetitions),
                               peer: (function, 1)}, ROUNDS)
    comparison = f"census of size {size} against {peer}, {'-'.join(map(str, sizes))} with {NETS[sizes]:,} edges"
    return [harness.ratio(comparison, seconds, "auto", peer, 10) | {"subgraphs": sum(expected.values())},
            harness.ratio(comparison + ", by enumeration", seconds, "enumerate", peer, 10)]


def of_igraph(igraph):
    def count(graph):
        edges = np.stack([graph.sources, graph.targets], axis=1)
        standing = igraph.Graph(n=graph.nodes, edges=edges, directed=True)
        return lambda: standing.motifs_randesu(4)

    def read(counts):
        return igraph_counts(igraph, counts)
    return [row for sizes in NETS for row in against("igraph's motifs_randesu", sizes, 4, count, read)]


def of_formulas(igraph):
    """Rows of the formulas for any directed graph, against igraph and against times that were measured elsewhere."""
    rng = np.random.default_rng(0)
    graphs = {sizes: motifs.from_layers(random_layers(sizes, edges, 1, 0)) for sizes, edges in NETS.items()}
    graphs["random"] = motifs.graph(RANDOM_NODES, *rng.integers(0, RANDOM_NODES, (2, RANDOM_EDGES)))
    rows = []
    for key, graph in graphs.items():
        name = (f"random graph of {RANDOM_NODES:,} nodes and {RANDOM_EDGES:,} edges" if key == "random" else
                f"{'-'.join(map(str, key))} with {NETS[key]:,} edges")
        edges = np.stack([graph.sources, graph.targets], axis=1)
        standing = igraph.Graph(n=graph.nodes, edges=edges, directed=True)
        counts = named(motifs.census(graph, 4, method="formulas"), 1)
        check(f"{name}, formulas, against igraph", counts, igraph_counts(igraph, standing.motifs_randesu(4)))
        seconds = harness.medians({
            "formulas": (lambda g=graph: motifs.census(replace(g), 4, method="formulas"), REPETITIONS.get(key, 10)),
            "igraph": (lambda s=standing: s.motifs_randesu(4), 1)}, ROUNDS)
        rows.append(harness.ratio(f"formulas for any graph of size 4 against igraph's motifs_randesu, {name}", seconds,
                                  "formulas", "igraph", FORMULA_GOALS[key]) | {"subgraphs": sum(counts.values())})
        if key in NETS:
            slower = seconds["igraph"] / MEASURED_ELSEWHERE["igraph"][key]
            rows += [harness.ratio(f"formulas for any graph of size 4 against {peer}, measured elsewhere, {name}",
                                   seconds | {peer: slower * MEASURED_ELSEWHERE[peer][key]}, "formulas", peer, 1)
                     for peer in ("PGD", "ORCA", "gtrieScanner")]
    return rows


def of_networkx():
    def count(graph):
        standing = nx.DiGraph(zip(graph.sources.tolist(), graph.targets.tolist(), strict=True))
        return lambda: nx.triadic_census(standing)
    return [row for sizes in NETS
            for row in against("networkx's triadic_census", sizes, 3, count, networkx_counts)]


# ---- large graphs -----------------------------------------------------------------------------------------

def largest_published():
    """Rows of the stand-in for it, coloured: size 4 with random graphs, size 5 alone."""
    graph = motifs.from_layers(random_layers(LARGEST, LARGEST_EDGES, COLORS, 0, FALL))
    hub = int(np.bincount(np.concatenate([graph.sources, graph.targets])).max())
    seconds = harness.medians({"four": (lambda: motifs.significance(graph, 4, NULLS, "fanmod"), 1),
                               "five": (lambda: motifs.census(graph, 5, method="enumerate"), 1)}, ROUNDS)
    stand_in = f"stand-in for the largest published graph, {graph.nodes:,} nodes, {len(graph.sources):,} edges,"
    return [harness.figure(f"{stand_in} size {size} {nets}, seconds", seconds[key], 5, largest_degree=hub,
                           subgraphs=motifs.census(graph, size).total)
            for size, nets, key in ((4, f"with {NULLS + 1} nets", "four"), (5, "one net", "five"))]


def layered_z():
    """Seconds and peak gigabytes of the layered Z of 784-128-10; for a process of its own."""
    sizes = (784, 128, 10)
    graph = motifs.from_layers(random_layers(sizes, NETS[sizes], COLORS, 0))
    seconds = harness.medians({"z": (lambda: motifs.significance(graph, 4, NULLS, "layered"), 1)}, ROUNDS)["z"]
    peak = peak_gigabytes()
    check("784-128-10, coloured, the closed form against enumeration",
          named(motifs.census(graph, 4, method="layered"), COLORS),
          named(motifs.census(graph, 4, method="enumerate"), COLORS))
    return seconds, peak


def in_a_process(function):
    """What a function returns in a process of its own. On Linux its peak begins at that of this process."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function).result()


def peak_gigabytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e9


def of_layered_z():
    """Call it first, for the peak."""
    seconds, gigabytes = in_a_process(layered_z)
    quantity = f"784-128-10 with a fifth of its edges, layered Z at size 4 over {NULLS} nets, seconds"
    return harness.figure(quantity, seconds, 5, stretch_goal=3, peak_gigabytes=gigabytes)


def wide_five():
    """Seconds and peak gigabytes of the census of five nodes of WIDE, and seconds of its Z; for a process of its own.
    """
    matrices = random_layers(WIDE, WIDE_EDGES, COLORS, 0)
    census = motifs.layered_census(matrices, 5)
    seconds = harness.medians({"census": (lambda: motifs.layered_census(matrices, 5), 1)}, ROUNDS)["census"]
    peak, graph = peak_gigabytes(), motifs.from_layers(matrices)
    z = harness.medians({"z": (lambda: motifs.significance(graph, 5, NULLS, "layered", sizes=WIDE), 1)}, 1)["z"]
    return seconds, peak, z, census.total


def of_five_nodes():
    """Rows of motifs of five nodes in closed form; call it early, for the peak."""
    rows = []
    for colors in (1, COLORS):
        matrices = random_layers(LAYERS, NETS[LAYERS], colors, 0)
        graph, name = motifs.from_layers(matrices), f"{'-'.join(map(str, LAYERS))} with {NETS[LAYERS]} edges"
        check(f"{name}, five nodes, {colors} colours", named(motifs.layered_census(matrices, 5), colors),
              named(motifs.census(graph, 5, method="enumerate"), colors))
        seconds = harness.medians({"closed form": (lambda m=matrices: motifs.layered_census(m, 5), 50), "enumeration": (
            lambda g=graph: motifs.census(g, 5, method="enumerate"), 1)}, ROUNDS)
        rows.append(harness.ratio(f"census of size 5 in closed form against enumeration, {name}, "
                                  f"{colors} colour{'s' * (colors > 1)}", seconds, "closed form", "enumeration", 30))
    seconds, peak, z, subgraphs = in_a_process(wide_five)
    name = f"{'-'.join(map(str, WIDE))} with a fifth of its edges, {COLORS} colours,"
    return [*rows, harness.figure(f"{name} exact size 5 census, seconds", seconds, 1, subgraphs=subgraphs),
            harness.figure(f"{name} exact size 5 census, peak gigabytes", peak, 0.3),
            harness.figure(f"{name} layered Z at size 5 over {NULLS} nets, seconds", z, 90)]


def products(matrices):
    """{FANMOD's number: count} of three topologies of four nodes in an uncoloured net, by matrix products.

    Bifans from how many targets two sources share, diamonds from how many ways of two edges lead from one unit to
    another, chains of four layers; float64 holds them exactly, each sum staying below 2**53.
    """
    edges = [matrix.astype(np.float64) for matrix in matrices]

    def pairs(ways):
        return (ways * (ways - 1) / 2).sum()
    shared = sum((pairs(matrix @ matrix.T) - pairs(matrix.sum(axis=1))) / 2 for matrix in edges)
    diamonds = sum(pairs(first @ second) for first, second in itertools.pairwise(edges))
    chains = sum((first.sum(axis=0) @ second @ third.sum(axis=1))
                 for first, second, third in zip(edges, edges[1:], edges[2:], strict=False))
    return {204: int(shared), 2182: int(diamonds), 536: int(chains)}


def wide():
    """A row of the exact census of 784-1024-1024-10, coloured."""
    matrices = random_layers(WIDE, WIDE_EDGES, COLORS, 0)
    uncolored = [np.minimum(matrix, 1) for matrix in matrices]
    graph, plain = motifs.from_layers(matrices), motifs.from_layers(uncolored)
    census, expected = motifs.census(graph, 4), products(uncolored)
    name = "-".join(map(str, WIDE))
    for colors, counted in (("coloured", census), ("uncoloured", motifs.census(plain, 4))):
        ids = fanmod.topology_id(counted.adjacency)
        check(f"{name}, {colors}, against matrix products",
              {number: int(counted.counts[ids == number].sum()) for number in expected}, expected)
    seconds = harness.medians({"coloured": (lambda: motifs.census(graph, 4), 1),
                               "uncoloured": (lambda: motifs.census(plain, 4), 1)}, ROUNDS)
    quantity = f"{name} with a fifth of its edges, exact size 4 census, seconds"
    return harness.figure(quantity, seconds["coloured"], 5, subgraphs=census.total, classes=len(census.codes),
                          uncoloured_seconds=seconds["uncoloured"])


# ---- untrained nets ---------------------------------------------------------------------------------------

def untrained(init):
    """A row of how many motifs of untrained nets have a Z beyond 2."""
    beyond = {model: [] for model in motifs.MODELS}
    for seed in range(RUNS):
        weights = mlp.MLP(LAYERS, "relu", "cross-entropy", init, seed).weights
        cuts = motifs.weight_cuts(np.concatenate([matrix.ravel() for matrix in weights]))
        graph = motifs.from_layers([motifs.weight_colors(matrix, cuts) for matrix in weights])
        for model, rows in beyond.items():
            significance = motifs.significance(graph, 4, NULLS, model, seed, sizes=LAYERS)
            rows.append(np.abs(significance.z[significance.differs]) > 2)  # without the trees that the null conserves
    percent = {model: 100 * float(np.concatenate(rows).mean()) for model, rows in beyond.items()}
    return harness.figure(f"{RUNS} untrained nets {'-'.join(map(str, LAYERS))}, {init}, motifs beyond 2 under the "
                          "layered null, %", percent["layered"], 8, fanmod_percent=percent["fanmod"],
                          motifs=sum(map(len, beyond["layered"])), fanmod_motifs=sum(map(len, beyond["fanmod"])))


# ---- brute force ------------------------------------------------------------------------------------------

def random_lines(rng):
    """Lines `source target colour` of a random graph: loops, repeated edges and large labels too."""
    nodes, colors = int(rng.integers(3, MOST_NODES + 1)), int(rng.integers(1, MOST_COLORS + 1))
    labels = rng.choice(fanmod.LARGEST_LABEL + 1, nodes, replace=False)
    ends = rng.integers(nodes, size=(int(rng.integers(2, nodes * nodes)), 2))
    ends[0] = rng.choice(nodes, 2, replace=False)  # not loops alone
    drawn = rng.integers(1, colors + 1, len(ends))
    return [f"{labels[i]} {labels[j]} {color}" for (i, j), color in zip(ends, drawn, strict=True)]


def edges_of(lines):
    """{(source, target): colour} of lines: the last colour stays, loops do not."""
    edges = {}
    for source, target, color in (map(int, line.split()) for line in lines):
        edges[source, target] = color
    return {ends: color for ends, color in edges.items() if ends[0] != ends[1]}


def brute_force(edges, size, colors):
    """{class: count} of all connected subsets of nodes."""
    labels = sorted(set(itertools.chain(*edges)))
    matrix = np.zeros((len(labels), len(labels)), np.int64)
    for (source, target), color in edges.items():
        matrix[labels.index(source), labels.index(target)] = color
    subsets = np.array(list(itertools.combinations(range(len(labels)), size)), np.int64).reshape(-1, size)
    inside = matrix[subsets[:, :, None], subsets[:, None, :]]
    ways = (inside + inside.swapaxes(1, 2) > 0) + np.eye(size, dtype=np.int64)
    connected = (np.linalg.matrix_power(ways, size - 1) > 0).all(axis=(1, 2))
    names, counts = np.unique(classes(inside[connected], colors), return_counts=True)
    return dict(zip(names.tolist(), counts.tolist(), strict=True))


def exact_graphs():
    """A row of how many random graphs are counted exactly, from their files on."""
    rng = np.random.default_rng(0)
    exact, subgraphs = 0, 0
    seen = {"with_mutual_edges": 0, "with_loops": 0, "with_repeated_edges": 0}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.txt"
        for _ in range(GRAPHS):
            lines = random_lines(rng)
            path.write_text("\n".join(lines) + "\n")
            graph, edges = fanmod.read_graph(path), edges_of(lines)
            colors = max(edges.values())
            same = True
            for size, colored in itertools.product(motifs.SIZES, (True, False)):
                most = colors if colored else 1
                expected = brute_force(edges if colored else dict.fromkeys(edges, 1), size, most)
                counts = named(motifs.census(graph, size, colored), most)
                same, subgraphs = same and counts == expected, subgraphs + sum(expected.values())
            exact += same
            ends = [tuple(line.split()[:2]) for line in lines]
            seen["with_mutual_edges"] += any((target, source) in edges for source, target in edges)
            seen["with_loops"] += any(source == target for source, target in ends)
            seen["with_repeated_edges"] += len(set(ends)) < len(ends)
    quantity = f"random graphs up to {MOST_NODES} nodes against brute force, sizes 3 to 5, exact"
    return at_least(quantity, exact, GRAPHS, subgraphs=subgraphs, **seen)


def main():
    of_z, of_five, missing = of_layered_z(), of_five_nodes(), []
    igraph, tables = harness.peer("igraph", missing), list(published(missing))
    rows = exactness(tables) if tables else []
    for table in tables:
        rows += agreement(*table)
    if igraph:
        rows += of_igraph(igraph) + of_formulas(igraph)
    rows += [*of_networkx(), *largest_published(), of_z, wide(), *of_five]
    rows += [untrained(init) for init in motif_stats.INITS]
    rows.append(exact_graphs())
    harness.report("motifs", rows, ("numpy", "numba", "networkx", "igraph"), missing)


if __name__ == "__main__":
    main()
