"""Which motifs does a graph of yours have, and which of them stand out?

    python motif_miner.py --graph FILE --size 4 --nulls 100 --null-model fanmod

FILE has one edge per line, `source target colour` or `source target`, and numbers its nodes from 0. The script counts
the connected induced subgraphs of each class, with colours or without, and compares the counts with those of random
graphs, which keep the links of each node. It prints the motifs farthest from chance, and writes all motifs to
motif_miner.csv, and to motif_miner_fanmod.csv in the layout of FANMOD (Wernicke and Rasche 2006). With --chance below 1
it looks at a random share of the subgraphs only, and writes estimates with standard errors.

    python motif_miner.py --weights FILE --layer 'fc*.weight' --null-model layered

FILE is a checkpoint, and the matrices that --layer selects are the layers of a net, which follow one another. Weights
become edges of three colours: strong negative, mild, strong positive; weights near the mean are dropped (the cut of
Zambra, Maritan and Testolin 2020). The null model layered keeps each edge between its two layers.

Without a file the script mines an example: a perceptron of 31-30-30-4 units, trained on the data set tree.

A motif is above chance if it is more frequent than in the random graphs at a false discovery rate of 5 %. No p is below
1 / (NULLS + 1), so few random graphs can show no motif out of many; the finding then says how many it takes.

Figure: the motifs farthest from chance, drawn, beside their Z, with a line at Z = 2.
Takes 3 s for a graph of 95 nodes and 408 edges. motif_stats.py asks which motifs learning creates.
"""
import hashlib
import math
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

import mlp
from gradnets import checkpoints, checks, datasets, experiment, motifs, plots
from gradnets.errors import UserError
from gradnets.progress import progress

GRAPH = ""                  # file with a graph, one edge per line: source target colour
WEIGHTS = ""                # file with the layers of a net instead: .npy, .npz, .safetensors or a safetensors index
LAYER = "*"                 # matrices of WEIGHTS, by name or pattern; each layer follows on the one before
ROWS = "auto"               # rows of the matrices of WEIGHTS: inputs, outputs (PyTorch), or auto: what makes layers fit
KERNELS = "oihw"            # axes of convolution kernels in WEIGHTS: oihw (PyTorch) or hwio (JAX, Keras)
LIST = False                # list the tensors of the file, and do nothing else
SIZE = 4                    # number of nodes of a motif: 3, 4 or 5
COLORED = True              # whether edges of two colours differ
NULLS = 100                 # number of random graphs
NULL_MODEL = "fanmod"       # null model: fanmod, or layered, which keeps each edge between its two layers
LAYERS = (0,)               # units of each layer of GRAPH, numbered layer by layer, for layered; 0: told by the edges
CHANCE = 1.0                # share of the subgraphs that are looked at; below 1 gives estimates with errors and no Z
THREADS = 1                 # number of threads of the census
STRONGEST = 12              # number of motifs that are printed and drawn, at most 500
SEED = 0                    # seed of random graphs, of the sample, and of the example

# ---- not flags --------------------------------------------------------------------------------------------

MOST_SUBGRAPHS = 1e12  # of all graphs together; hours of enumeration
MOST_DRAWN = 500       # lines that a PNG has room for
LEVEL = 0.05           # false discovery rate
HEADINGS = {"id": "FANMOD's number", "adjacency": "motif, row by row", "mean_frequency": "frequency by chance",
            "z": "Z"}


class Source(NamedTuple):
    """A graph to mine, and where it comes from."""

    graph: "motifs.Graph"  # in quotes, since motifs are imported when they are used
    name: str
    sizes: tuple | None  # units of each layer, where they are known
    edges: dict          # what each colour stands for, where that is known
    note: str            # a sentence for the caption, or none
    data: list           # provenance


# ---- where the graph comes from ---------------------------------------------------------------------------

def source_of(settings):
    """Return the Source that the settings name."""
    if settings.graph:
        return graph_file(settings.graph, settings.size, settings.colored,
                          None if settings.layers == (0,) else settings.layers)
    if settings.weights:
        return weights_file(settings.weights, settings.layer, settings.kernels, settings.rows)
    return example(settings.seed)


def graph_file(path, size, colored, sizes):
    """Read a graph from a file of edges."""
    graph = motifs.fanmod.read_graph(path, *([motifs.most_colors(size)] if colored else []))
    path, data = Path(path), []
    if path.is_file():  # a pipe can be read only once
        with open(path, "rb") as file:
            data = [{"name": path.name, "source": str(path),
                     "sha256": {path.name: hashlib.file_digest(file, "sha256").hexdigest()}}]
    return Source(graph, path.name, sizes, {}, "", data)


def weights_file(path, layer, kernels, rows):
    """Make a graph of the layers in a checkpoint."""
    layers = list(checkpoints.matrices(path, layer, kernels))
    matrices, side = in_order(layers, rows)
    graph, sizes, edges = graph_of_weights(matrices)
    names = ", ".join(name for name, _ in layers)
    return Source(graph, Path(path).name, sizes, edges, f"Layers {names}, whose rows are {side}. ",
                  checkpoints.provenance(path, layer))


def example(seed):
    """Make a graph of a perceptron, trained on the data set tree as in the paper."""
    dataset = datasets.load("tree", limit=2000, seed=seed)
    network = mlp.MLP((dataset.inputs.shape[1], 30, 30, dataset.classes), "relu", "cross-entropy", "normal(0.1)", seed)
    for _ in mlp.train(network, dataset, 2000, 0.01, 20, seed, momentum=0.6, nesterov=True):
        pass
    graph, sizes, edges = graph_of_weights(network.weights)
    return Source(graph, f"Trained perceptron {'-'.join(map(str, sizes))}", sizes, edges, "", [dataset.provenance])


def in_order(layers, rows):
    """Return the matrices (inputs, outputs) of layers that follow one another, and what their rows were.

    Parameters
    ----------
    layers : list of (name, float array (n, m))
    rows : "inputs", "outputs" or "auto"

    Returns
    -------
    list of arrays, and "inputs" or "outputs"
    """
    for side, axis in (("inputs", 1), ("outputs", 0)):
        if rows in (side, "auto"):
            breaks = [k for k in range(1, len(layers))
                      if layers[k - 1][1].shape[axis] != layers[k][1].shape[1 - axis]]
            if not breaks:
                return [values if side == "inputs" else values.T for _, values in layers], side
    (before, first), (after, second) = layers[breaks[0] - 1:breaks[0] + 1]
    raise UserError(f"the layers {before} {first.shape} and {after} {second.shape} do not follow one another: choose "
                    "layers that do, in their order in the file, with --layer")


def graph_of_weights(matrices):
    """Return the coloured graph of weights (inputs, outputs), the units of each layer, and what each colour means."""
    cuts = motifs.weight_cuts(np.concatenate([matrix.ravel() for matrix in matrices]))
    sizes = (*(len(matrix) for matrix in matrices), matrices[-1].shape[1])
    strongly_negative, low, high, strongly_positive = (f"{cut:.2g}".replace("-", "\N{MINUS SIGN}") for cut in cuts)
    notes = {1: f"below {strongly_negative}", 3: f"above {strongly_positive}",
             2: f"{strongly_negative} to {low} or {high} to {strongly_positive}; from {low} to {high} there is no edge"}
    edges = {color: f"{name} weight: {notes[color]}" for color, name in motifs.WEIGHT_COLORS.items()}
    return motifs.from_layers([motifs.weight_colors(matrix, cuts) for matrix in matrices]), sizes, edges


# ---- mining -----------------------------------------------------------------------------------------------

def mine(source, settings):
    """Compare all motifs of a graph with those of random graphs."""
    graph, size, nulls, model = source.graph, settings.size, settings.nulls, settings.null_model
    subgraphs = motifs.subgraphs_at_most(graph, size)
    if subgraphs and nulls >= MOST_SUBGRAPHS / subgraphs and model == "fanmod":
        raise UserError(f"{source.name} has up to {subgraphs:.1e} subgraphs of {size} nodes, too many for {nulls} "
                        "random graphs: take --chance 0.001 or less, a smaller --size or fewer --nulls")
    bar = partial(progress, total=nulls, label="random graphs")
    comparison = motifs.significance(graph, size, nulls, model, settings.seed, settings.colored, settings.threads,
                                     source.sizes, bar)
    census = comparison.census
    if not len(census.codes):
        raise UserError(f"{source.name} has no connected subgraph of {size} nodes: take a smaller --size")
    rows = [{"id": motifs.fanmod.topology_id(census.adjacency[k]), "adjacency": motifs.text_of(census.adjacency[k]),
             "count": int(census.counts[k]), "frequency": comparison.frequency[k],
             "mean_frequency": comparison.mean_frequency[k], "std": comparison.std[k], "z": comparison.z[k],
             "p": comparison.p[k], "q": comparison.q[k]} for k in np.lexsort((census.codes, -census.counts))]
    farthest = sorted(rows, key=lambda row: -abs(row["z"]))[:settings.strongest]
    tested = int((comparison.differs | (comparison.z != 0)).sum())  # q is corrected for these motifs
    finding = described(int((comparison.q < LEVEL).sum()), tested, size, nulls)
    graphs = "that keep the layers" if model == "layered" else "of FANMOD's null model"
    layering = ("These random graphs ignore the layers, so layering itself stands out. "
                if model == "fanmod" and source.sizes else "")
    smallest = f"No p is below {1 / (nulls + 1):.2g}. " if not (comparison.q < LEVEL).any() else ""
    untested = len(rows) - tested
    conserved = (f" {plots.counted(untested, 'more motif')} {'is' if untested == 1 else 'are'} not tested: all random "
                 f"graphs conserve {'its count' if untested == 1 else 'their counts'}." if untested else "")
    caption = (f"{facts(source)}, {census.total:,} connected subgraphs; {nulls:,} random graphs {graphs}.\n"
               f"{source.note}{layering}More frequent: q < {LEVEL:g}. {smallest}Drawn: largest |Z|.{conserved}")
    figure = picture(farthest, [significance_note(row) for row in farthest], "z", "Z",
                     edges_of(source, settings.colored), finding, caption)
    return experiment.Result(
        farthest, names=("id", "adjacency"), columns=("count", "frequency", "mean_frequency", "z", "q"),
        headings=HEADINGS, finding=finding, figure=figure, data=source.data, suggestion=suggestion(settings),
        files={".csv": as_csv(rows),
               "_fanmod.csv": motifs.fanmod.format_table(graph, comparison, settings.colored, model)})


def described(above, tested, size, nulls):
    """Return how many motifs are above chance, or how many random graphs it takes to tell.

    Parameters
    ----------
    above, tested : int
        Motifs with q below LEVEL, and motifs that q is corrected for.
    """
    if above:
        return f"{above} of {tested} motifs of {size} nodes are more frequent than by chance"
    if not tested:
        return f"The random graphs have the same motifs of {size} nodes as the graph itself"
    needed = math.floor(tested / LEVEL)  # smallest number with tested / (needed + 1) < LEVEL: one motif can be shown
    if nulls < needed:
        return f"{nulls} random graphs are too few to decide on {tested} motifs: take --nulls {needed}"
    return f"None of {tested} motifs of {size} nodes is more frequent than by chance"


def significance_note(row):
    """Return what stands beside the bar of a motif: its Z, and its share of the subgraphs over that by chance."""
    z = f"Z {row['z']:.1f}".replace("-", "\N{MINUS SIGN}") if np.isfinite(row["z"]) else "Z infinite"
    if row["mean_frequency"] == 0:
        return f"{z}, never by chance"
    ratio = row["frequency"] / row["mean_frequency"]
    return f"{z}, {f'{ratio:,.0f}' if ratio >= 10 else f'{ratio:.2g}'} × chance"


def sample(source, settings):
    """Estimate the census of a graph from a random share of its subgraphs."""
    graph, size = source.graph, settings.size
    census = motifs.sampled_census(graph, size, settings.chance, settings.colored, threads=settings.threads,
                                   seed=settings.seed)
    if not len(census.codes):
        raise UserError(f"the sample has no subgraph of {size} nodes: take a larger --chance than {settings.chance:g}")
    rows = [{"id": motifs.fanmod.topology_id(census.adjacency[k]), "adjacency": motifs.text_of(census.adjacency[k]),
             "count": float(census.counts[k]), "standard_error": float(census.errors[k]),
             "frequency": float(census.counts[k] / census.total)} for k in np.argsort(-census.counts)]
    frequent = rows[:settings.strongest]
    notes = [f"{row['frequency']:.2%} ± {row['standard_error'] / census.total:.2%}" for row in frequent]
    total = float(f"{census.total:.3g}")
    finding = f"About {total:,.0f} connected subgraphs of {size} nodes have {len(rows)} motifs or more"
    caption = (f"{facts(source)}. A share of {settings.chance:g} of the subgraphs in 10 samples; bars are standard "
               f"errors.\n{source.note}There are no random graphs and no Z: for them, take --chance 1.")
    figure = picture(frequent, notes, "frequency", "share of all subgraphs", edges_of(source, settings.colored),
                     finding, caption)
    return experiment.Result(frequent, names=("id", "adjacency"), columns=("count", "standard_error", "frequency"),
                             headings=HEADINGS, finding=finding, figure=figure, files={".csv": as_csv(rows)},
                             data=source.data, suggestion=suggestion(settings))


def suggestion(settings):
    """Return what to try next after the example."""
    if settings.graph or settings.weights:
        return ""
    return ("--graph FILE mines a graph of yours" if settings.null_model == "layered" else
            "--null-model layered takes random graphs that keep the layers, --graph FILE mines a graph of yours")


def facts(source):
    """Return the name and the size of a graph, in words."""
    return f"{source.name}: {motifs.fanmod.node_count(source.graph):,} nodes, {len(source.graph.sources):,} edges"


def edges_of(source, colored):
    """Return the name of each colour of edges, as a dict."""
    colors = source.graph.largest_color if colored else 1
    return {color: source.edges.get(color, f"colour {color}") for color in range(1, colors + 1)}


def as_csv(rows):
    """Return rows with the same keys as comma-separated values."""
    return "\n".join([",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)]) + "\n"


@plots.styled
def picture(rows, notes, key, label, edges, title, caption):
    """Draw motifs, one per line, each beside a bar of row[key] and a note; edges: what each colour means."""
    figure, panels = plots.figure([["drawn", "bars"]], 9, max(3.0, 0.46 * len(rows) + 2.0), title, caption,
                                  width_ratios=[1, 3])
    drawn, bars, styles = panels["drawn"], panels["bars"], motifs.edge_styles(len(edges))
    largest = max((abs(row[key]) for row in rows if np.isfinite(row[key])), default=5.0)
    for place, (row, note) in enumerate(zip(rows, notes, strict=True)):
        motifs.draw_motif(drawn, motifs.adjacency_of(row["adjacency"]), 0.0, place, styles)
        value = np.clip(row[key], -largest, largest)
        bars.barh(place, value, 0.5, **({"color": plots.INK} if value > 0 else {"color": plots.PALE, "ec": plots.INK}))
        if "standard_error" in row:
            error = row["standard_error"] * row["frequency"] / row["count"]
            bars.plot([value - error, value + error], [place, place], color=plots.INK, lw=1.5)
            value += error
        bars.annotate(note, (max(value, 0), place), xytext=(6, 0), textcoords="offset points", va="center",
                      bbox={"facecolor": "white", "edgecolor": "none", "pad": 1})
    drawn.set(xlim=(-0.6, 0.6), ylim=(len(rows) - 0.4, -0.6), xticks=[], aspect="auto", title="motif")
    drawn.set_yticks(range(len(rows)), [motifs.TOPOLOGY_NAMES.get((row["adjacency"].count("/") + 1, row["id"]),
                                                                  f"no. {row['id']}") for row in rows])
    drawn.spines[["left", "bottom"]].set_visible(False)
    drawn.tick_params(length=0)
    if len(edges) > 1:
        handles = [bars.plot([], [], **styles[color], label=name)[0] for color, name in edges.items()]
        figure.legend(handles=handles, loc="outside lower left", ncols=1 if len(edges) <= 3 else 6)
    bars.axvline(0, color=plots.INK, lw=0.8)
    if key == "z":
        bars.xaxis.get_major_locator().set_params(integer=True)
        bars.axvline(2, color=plots.INK, lw=1, ls="--")
        bars.text(2, -0.55, " Z = 2", va="bottom", fontsize=8)
    bars.set(xlabel=label, yticks=[], ylim=(len(rows) - 0.4, -0.6))
    bars.set_xlim(*(edge * (1.45 if edge > 0 else 1.1) for edge in bars.get_xlim()))
    bars.spines["left"].set_visible(False)
    return figure


def check(settings):
    """Raise UserError for settings out of range, and for settings that nothing would use."""
    checks.positive_integers(threads=settings.threads, strongest=settings.strongest)
    checks.choice("rows", settings.rows, ("auto", "inputs", "outputs"))
    if settings.strongest > MOST_DRAWN:
        raise UserError(f"strongest is {settings.strongest}: expected at most {MOST_DRAWN}, since the figure has "
                        "a line for each; motif_miner.csv has all motifs")
    if not settings.chance <= 1:
        raise UserError(f"chance is {settings.chance!r}: expected a number up to 1")
    if settings.graph and settings.weights:
        raise UserError("--graph and --weights are both given: take one of them")
    if settings.layers != (0,) and not (settings.graph and settings.null_model == "layered"):
        raise UserError("--layers is for --graph with --null-model layered: give both, or leave --layers out")
    checkpoints.check_flags("weights", settings.weights, settings.layer, settings.kernels, settings.list)


def main(settings):
    check(settings)
    if settings.list:
        return experiment.Result(checkpoints.table_of_contents(settings.weights), names=("name",))
    source = source_of(settings)
    return mine(source, settings) if settings.chance == 1 else sample(source, settings)


if __name__ == "__main__":
    experiment.run(main)
