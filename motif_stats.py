"""Which coloured motifs does learning create in a perceptron? And a FANMOD for the command line.

With --graph FILE the script mines a file of lines `source target colour`: the census of connected induced subgraphs,
coloured or not, held against random graphs. It prints the strongest motifs and writes all, also in FANMOD's layout.

    python motif_stats.py --graph FILE --size 4 --nulls 100 --null-model fanmod

With --weights FILE it mines the layers of your own net, whose matrices, picked by --layer, follow one another; weights
are cut to three colours as in the experiment, and --null-model layered keeps them between their layers.

    python motif_stats.py --weights FILE --layer 'fc*.weight' --null-model layered

Without, it is the experiment of Zambra, Maritan and Testolin (2020), over many seeds: 31-30-30-4 nets (relu, softmax,
SGD at 0.01 with Nesterov momentum 0.6, 20 epochs of batches of 20) learn two synthetic data sets from three
initialisations. A normal law is fitted to the weights, before and after training together; those where its density
is above 0.55 of its peak are dropped, of each tail the fifth of the weights next to the cut is a mild edge, the
rest are strong negative or positive ones. Each net is held against FANMOD's null model, which lets edges leave their
layers, and against one that keeps them; the control learns shuffled labels. A coloured motif is raised where its Z
under the layered null is higher after training than before over the seeds (paired t-test, Benjamini-Hochberg at 5 %,
motifs that three quarters of the nets have on both sides), and created where it then has a mean Z above 2.

What the paper's data and design do: `tree` has 16 different items and `clusters` 4, so that nothing is left to test on;
the thresholds join what is compared, before and after, and trained nets get more edges by them; of its motifs only
those of p below 0.05 and the largest Z of each topology are kept; and one net an initialisation has no error bars.

Figure: of a file, the strongest motifs, drawn, beside their Z. Of the experiment, the significance profile of the
topologies (Z over the length of all Z) before and after training; Z of coloured motifs before against after; how many
stand out under each null; the motifs that learning creates. A second figure, motif_stats_epochs.png, has Z along
training.

Takes 150 s; a file of 65 nodes and 197 edges takes 2 s.
"""
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from scipy import stats as scipy_stats

import mlp
from gradnets import datasets, experiment, fanmod, motifs, plots, tensors

GRAPH = ""                  # a file of lines `source target colour` to mine; without one, the experiment
WEIGHTS = ""                # or a file with the layers of your own net: .npy, .npz or .safetensors
LAYER = "*"                 # of WEIGHTS: the matrices, by name or pattern; each follows on the one before
ROWS = "auto"               # of WEIGHTS: inputs, outputs (as PyTorch stores them), or auto: what makes layers follow
KERNELS = "oihw"            # axes of convolutions' kernels in WEIGHTS: oihw (PyTorch) or hwio (JAX, Keras)
LIST = False                # only show what is in WEIGHTS
SIZE = 4                    # nodes of a motif of GRAPH or WEIGHTS: 3, 4 or 5
COLORED = True              # whether edges of two colours differ; of both
NULLS = 100                 # random graphs; of the experiment's fanmod null a fifth of them
NULL_MODEL = "fanmod"       # of both: fanmod, or layered, which keeps each edge between its layers
LAYERS = (0,)               # of GRAPH, for layered: units of each layer, numbered layer by layer; 0: told by the edges
CHANCE = 1.0                # of both: share of the subgraphs looked at; below 1, estimates with errors and no Z
THREADS = 1                 # of the census of both
STRONGEST = 20              # motifs that are printed and drawn
DATASETS = ("tree", "clusters")  # of the experiment: tree, clusters, glyphs or mnist
INITS = ("normal(0.1)", "orthogonal", "glorot-normal")  # uniform(scale), normal(scale), glorot, orthogonal(gain), ...
HIDDEN_UNITS = 30           # of each of the two hidden layers
EPOCHS = 20                 # of training
ITEMS = 2000                # training items
RUNS = 12                   # seeds of each net: SEED, SEED + 1, ...
SEED = 0                    # seeds data, weights, samples and random graphs

BATCH, LEARNING_RATE, MOMENTUM = 20, 0.01, 0.6  # the paper's
PEAK, MILD = 0.55, 0.2  # weights are dropped above this share of the density's peak; this share of a tail is mild
EDGES = {1: ("strong negative", plots.BLUE), 2: ("mild", plots.GREY), 3: ("strong positive", plots.RED)}
# Those of size 4 that the layered null does not conserve, by FANMOD's numbers.
TOPOLOGIES = {74: "fork", 140: "N", 204: "bifan", 392: "join", 536: "chain", 2182: "diamond"}
REACH = 1e12  # subgraphs of all graphs together, hours of enumeration
LOOKS = (0, 1, 2, 5, 10)  # epochs of the second figure, and the last


# ---- a file -----------------------------------------------------------------------------------------------

def graph_asked():
    """The graph of GRAPH or WEIGHTS, its name, its layers' units where known, and how it was made, in words."""
    if GRAPH:
        graph = fanmod.read_graph(GRAPH, motifs.most_colors(SIZE)) if COLORED else fanmod.read_graph(GRAPH)
        return graph, Path(GRAPH).name, None if LAYERS == (0,) else LAYERS, ""
    found = list(tensors.matrices(WEIGHTS, LAYER, KERNELS))
    matrices, rows = in_order(found, ROWS)
    edges = cuts(np.concatenate([matrix.ravel() for matrix in matrices]))
    sizes = (*(len(matrix) for matrix in matrices), matrices[-1].shape[1])
    made = (f" Layers {', '.join(name for name, _ in found)}, {'-'.join(map(str, sizes))}, rows are {rows}; weights "
            f"between {edges[1]:.3g} and {edges[2]:.3g} dropped, mild up to {edges[0]:.3g} and {edges[3]:.3g}.")
    return motifs.from_layers([colors_of(matrix, edges) for matrix in matrices]), Path(WEIGHTS).name, sizes, made


def in_order(found, rows):
    """Matrices (inputs, outputs) of layers that follow one another, and which side their rows were.

    found : list of (name, float array (n, m)); rows : "inputs", "outputs" or "auto"
    """
    shapes = [values.shape for _, values in found]
    for side, ahead in (("inputs", 1), ("outputs", -1)):
        if rows in (side, "auto"):
            apart = [k for k in range(len(found) - 1) if shapes[k][::ahead][1] != shapes[k + 1][::ahead][0]]
            if not apart:
                return [values if side == "inputs" else values.T for _, values in found], side
    (one, _), (other, _) = found[apart[0]], found[apart[0] + 1]
    raise ValueError(f"{one} {shapes[apart[0]]} and {other} {shapes[apart[0] + 1]} do not follow one another: pick "
                     "layers that do, in their order in the file, with --layer")


def mine(graph, name, size, colored, nulls, model, sizes, threads, seed):
    """The motifs of a graph beside random graphs."""
    at_most = motifs.subgraphs_at_most(graph, size) * (nulls + 1)
    if at_most > REACH and (model == "fanmod" or size == 5):
        raise ValueError(f"{name} has up to {at_most / (nulls + 1):.1e} subgraphs of {size} nodes, too many for "
                         f"{nulls} random graphs: take --chance 0.001 or less, a smaller --size or fewer --nulls")
    bar = partial(experiment.progress, total=nulls, what="random graphs")
    return motifs.significance(graph, size, nulls, model, seed, colored, threads, sizes, bar)


def motif_rows(found):
    """All motifs, the most frequent first: the columns of the table that is written."""
    census = found.census
    order = np.lexsort((census.codes, -census.counts))
    return [{"id": fanmod.topology_id(census.adjacency[k]), "adjacency": written(census.adjacency[k]),
             "count": int(census.counts[k]), "frequency": found.frequency[k], "mean_frequency": found.mean_frequency[k],
             "std": found.std[k], "z": found.z[k], "p": found.p[k], "q": found.q[k]} for k in order]


def written(adjacency):
    """A matrix of colours as 0000/2000/2100/0000, with points between numbers of more digits."""
    between = "" if adjacency.max() < 10 else "."
    return "/".join(between.join(map(str, row)) for row in adjacency.tolist())


def as_csv(rows):
    """Rows of one kind as comma-separated values."""
    return "\n".join([",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)]) + "\n"


def strongest(rows, most, key="z"):
    """The rows farthest from chance, those first that chance never gave."""
    return sorted(rows, key=lambda row: -abs(row[key]))[:most]


@plots.styled
def motif_picture(rows, labels, reach, title, caption):
    """Motifs, drawn, a row each, beside a bar of what `labels` names: {key of the row: words}."""
    height = max(3.0, 0.55 * len(rows) + 1.6)
    figure, panels = plots.figure([["drawn", "bars"]], 9, height, title, caption, width_ratios=[1, 3])
    drawn, bars = panels["drawn"], panels["bars"]
    (key, words), = labels.items()
    largest = max((abs(row[key]) for row in rows if np.isfinite(row[key])), default=1.0)
    for place, row in enumerate(rows):
        draw_motif(drawn, row["adjacency"], 0.0, place, reach)
        value = np.clip(row[key], -largest, largest)
        bars.barh(place, value, 0.6, color=plots.RED if value > 0 else plots.BLUE)
        bars.text(max(value, 0), place, f"  {row['note']}", va="center", fontsize=8)
    drawn.set(xlim=(-1, 1), ylim=(len(rows) - 0.4, -0.6), xticks=[], yticks=range(len(rows)), aspect="auto")
    drawn.set_yticklabels([str(row["id"]) for row in rows])
    drawn.set(title="motif, its number")
    drawn.spines[["left", "bottom"]].set_visible(False)
    drawn.tick_params(length=0)
    if reach > 1:
        for color in range(1, reach + 1):
            bars.plot([], [], color=edge_colors(reach)[color], lw=2, label=f"colour {color}")
        figure.legend(*bars.get_legend_handles_labels(), fontsize=8, loc="outside lower right", ncols=6)
    bars.axvline(0, color=plots.INK, lw=0.8)
    bars.set(xlabel=words, yticks=[], ylim=(len(rows) - 0.4, -0.6))
    bars.margins(x=0.25)
    bars.spines["left"].set_visible(False)
    return figure


def edge_colors(reach):
    """What edges of the colours 1 to `reach` are drawn in."""
    if reach == 1:
        return {1: plots.INK}
    return dict(enumerate([shade for _, shade in EDGES.values()] if reach <= 3 else plots.shades(reach), start=1))


def draw_motif(axes, text, x, y, reach, width=0.9, height=0.62):
    """A motif as a little graph, its nodes in levels from left to right; reach: the largest colour of all."""
    rows = [row.split(".") if "." in row else list(row) for row in text.split("/")]
    matrix = np.array(rows, dtype=int)
    size = len(matrix)
    level = np.zeros(size, int)
    for _ in range(size):  # the longest way that leads there; in a circle it stops growing
        for i, j in zip(*np.nonzero(matrix), strict=True):
            if not matrix[j, i]:
                level[j] = max(level[j], min(level[i] + 1, size - 1))
    spots = np.zeros((size, 2))
    for one in np.unique(level):
        inside = np.flatnonzero(level == one)
        spots[inside, 0] = x + width * (one / max(level.max(), 1) - 0.5)
        spots[inside, 1] = y + height * ((np.arange(len(inside)) + 0.5) / len(inside) - 0.5)
    for i, j in zip(*np.nonzero(matrix), strict=True):
        color = edge_colors(reach)[int(matrix[i, j])]
        bent = matrix[j, i] or level[j] - level[i] != 1
        axes.annotate("", spots[j], spots[i], arrowprops={
            "arrowstyle": "-|>", "color": color, "lw": 1.2, "shrinkA": 2, "shrinkB": 2, "mutation_scale": 7,
            "connectionstyle": f"arc3,rad={0.3 if bent else 0.0}"})
    axes.plot(*spots.T, "o", color=plots.INK, ms=3)


def of_file():
    graph, name, sizes, made = graph_asked()
    if CHANCE < 1:
        return of_sample(graph, name, made)
    found = mine(graph, name, SIZE, COLORED, NULLS, NULL_MODEL, sizes, THREADS, SEED)
    if not len(found.census.codes):
        raise ValueError(f"{name} has no connected subgraph of {SIZE} nodes: take a smaller --size")
    rows = motif_rows(found)
    shown = [row | {"note": f"{row['count']:,} times, {100 * row['frequency']:.2g} %, by chance "
                    f"{100 * row['mean_frequency']:.2g} %, Z " + (f"{row['z']:.1f}" if np.isfinite(row["z"]) else
                                                                   "infinite")} for row in strongest(rows, STRONGEST)]
    above = int((found.q < 0.05).sum())
    title = (f"{above} of {len(rows)} motifs of {SIZE} nodes are above chance at a false discovery rate of 5 %; "
             f"{int((np.abs(found.z) > 2).sum())} have a Z beyond 2")
    caption = (f"{name}: {fanmod.node_count(graph):,} nodes, {len(graph.sources):,} edges, "
               f"{found.census.total:,} connected subgraphs of {SIZE} nodes.{made}\nNull model {NULL_MODEL}, "
               f"{NULLS} random graphs, so that no p is below {1 / (NULLS + 1):.2g}, seed {SEED}; the {len(shown)} "
               "motifs farthest from chance."
               + ("\nZ is of counts, std of frequencies." if NULL_MODEL == "layered" else ""))
    reach = int(graph.colors.max()) if COLORED else 1
    figure = motif_picture(shown, {"z": "Z"}, reach, title, caption)
    return strongest(rows, STRONGEST), figure, {
        ".csv": as_csv(rows), "_fanmod.csv": fanmod.format_table(graph, found, COLORED, NULL_MODEL)}


def of_sample(graph, name, made):
    """A sampled census: counts with standard errors."""
    census = motifs.sampled_census(graph, SIZE, CHANCE, COLORED, threads=THREADS, seed=SEED)
    if not len(census.codes):
        raise ValueError(f"no subgraph of {SIZE} nodes was met at a chance of {CHANCE}: choose more")
    order = np.argsort(-census.counts)
    rows = [{"id": fanmod.topology_id(census.adjacency[k]), "adjacency": written(census.adjacency[k]),
             "count": float(census.counts[k]), "standard_error": float(census.errors[k]),
             "frequency": float(census.counts[k] / census.total)} for k in order]
    shown = [row | {"note": f"{row['frequency']:.2%}, ± {row['standard_error'] / census.total:.2%}"}
             for row in rows[:STRONGEST]]
    title = f"Some {census.total:.3g} connected subgraphs of {SIZE} nodes, of {len(rows)} kinds or more; a sample, no Z"
    caption = (f"{name}: {fanmod.node_count(graph):,} nodes, {len(graph.sources):,} edges; a share of "
               f"{CHANCE:g} of the subgraphs was looked at, in 10 samples whose spread gives standard errors, seed "
               f"{SEED}.{made}\nNo random graphs, no Z: take --chance 1.")
    reach = int(graph.colors.max()) if COLORED else 1
    figure = motif_picture(shown, {"frequency": "share of all subgraphs"}, reach, title, caption)
    return rows[:STRONGEST], figure, {".csv": as_csv(rows)}


# ---- the experiment ---------------------------------------------------------------------------------------

def weights_along(dataset, hidden_units, init, epochs, looks, seed):
    """Weights of a net after 0, ... epochs of training: {epoch: list of float64 (n_l, n_{l+1})}."""
    sizes = (dataset.inputs.shape[1], hidden_units, hidden_units, dataset.classes)
    network = mlp.MLP(sizes, "relu", "cross-entropy", init, seed)
    each = max(1, len(dataset.labels) // BATCH)
    kept = {0: [weights.copy() for weights in network.weights]} if 0 in looks else {}
    for step in mlp.train(network, dataset, epochs * each, LEARNING_RATE, BATCH, seed, MOMENTUM, nesterov=True):
        done, rest = divmod(step.index - 1, each)  # updates that have been applied
        if rest == 0 and done in looks and done:
            kept[done] = [weights.copy() for weights in network.weights]
    kept[epochs] = network.weights
    return kept


def cuts(weights):
    """The four weights at which colours change, strong and mild on either side: the paper's cut, ascending float64."""
    mean, deviation = weights.mean(), weights.std()
    reach = deviation * np.sqrt(-2 * np.log(PEAK))
    low, high = weights[weights < mean - reach], weights[weights > mean + reach]
    return np.array([np.quantile(low, 1 - MILD) if low.size else mean - reach, mean - reach, mean + reach,
                     np.quantile(high, MILD) if high.size else mean + reach])


def colors_of(weights, edges):
    """Colours of a matrix of weights, int64: 1 strong negative, 2 mild of either sign, 3 strong positive, 0 dropped."""
    return np.array([1, 2, 0, 2, 3])[np.searchsorted(edges, weights)]


def compare_net(name, init, labels, items, hidden_units, epochs, looks, nulls, seed):
    """One net along training: {epoch: {"topologies", "layered", "fanmod": motifs.Significance}}.

    Topologies are uncoloured and held against the layered null at every look; coloured motifs before and after
    training, against fanmod's null by a fifth of the random graphs.
    """
    dataset = datasets.load(name, limit=items, seed=seed)
    if labels == "shuffled":
        dataset = replace(dataset, labels=mlp.generator(seed, child=3).permutation(dataset.labels))
    kept = weights_along(dataset, hidden_units, init, epochs, looks, seed)
    edges = cuts(np.concatenate([weights.ravel() for epoch in (0, epochs) for weights in kept[epoch]]))
    sizes = (dataset.inputs.shape[1], hidden_units, hidden_units, dataset.classes)
    found = {}
    for epoch, weights in kept.items():
        graph = motifs.from_layers([colors_of(matrix, edges) for matrix in weights])
        rng = mlp.generator(seed, child=2)
        found[epoch] = {"topologies": motifs.significance(graph, 4, nulls, "layered", rng, False, sizes=sizes)}
        if epoch in (0, epochs):
            found[epoch]["layered"] = motifs.significance(graph, 4, nulls, "layered", rng, True, sizes=sizes)
            found[epoch]["fanmod"] = motifs.significance(graph, 4, max(2, nulls // 5), "fanmod", rng, True)
    return found


def z_table(runs):
    """Z of each motif in each run, NaN where a net lacks it: codes int64 (q,), adjacency (q, k, k), z (runs, q)."""
    codes, first = np.unique(np.concatenate([found.census.codes for found in runs]), return_index=True)
    adjacency = np.concatenate([found.census.adjacency for found in runs])[first]
    table = np.full((len(runs), len(codes)), np.nan)
    for row, found in zip(table, runs, strict=True):
        row[np.searchsorted(codes, found.census.codes)] = np.where(found.differs, found.z, np.nan)
    return codes, adjacency, table


def created(before, after):
    """Coloured motifs whose Z training changes: rows of their Z and q, for those that most runs have on both sides."""
    codes, adjacency, first = z_table(before)
    later, _, last = z_table(after)
    shared = np.intersect1d(codes, later)
    one, other = first[:, np.searchsorted(codes, shared)], last[:, np.searchsorted(later, shared)]
    known = np.isfinite(one) & np.isfinite(other)
    rows, p = [], []
    for k in np.flatnonzero(known.sum(axis=0) >= max(3, 0.75 * len(before))):
        pairs = one[known[:, k], k], other[known[:, k], k]
        shape = adjacency[np.searchsorted(codes, shared[k])]
        rows.append({"id": fanmod.topology_id(shape), "adjacency": written(shape), "before": float(pairs[0].mean()),
                     "after": float(pairs[1].mean())})
        p.append(scipy_stats.ttest_rel(pairs[1], pairs[0]).pvalue)
    for row, q in zip(rows, motifs.false_discovery(np.array(p)), strict=True):
        row["q"] = float(q)
    return rows


def experiment_rows(results, epochs):
    """Rows of all nets, and of each group its coloured motifs: {(data, init, labels): rows of `created`}.

    results: {(data, init, labels): a list over runs of what `compare_net` returns}.
    """
    rows, changed = [], {}
    for (data, init, labels), runs in results.items():
        which = {"data": data, "init": init, "labels": labels}
        for epoch in sorted(runs[0]):
            by_id = {}
            for run in runs:
                found = run[epoch]["topologies"]
                for k in np.flatnonzero(found.differs):
                    one = fanmod.topology_id(found.census.adjacency[k])
                    by_id.setdefault(one, []).append((found.z[k], found.profile[k]))
            for one, name in TOPOLOGIES.items():
                if one in by_id:
                    z, profile = zip(*by_id[one], strict=True)
                    rows.append({"part": "topology", **which, "epoch": epoch, "motif": name, "n": len(z)}
                                | experiment.spread(z=z, profile=profile))
        for null in ("layered", "fanmod"):
            for epoch in (0, epochs):
                found = [run[epoch][null] for run in runs]
                shares = [100 * np.mean(np.abs(one.z[one.differs]) > 2) for one in found]
                rows.append({"part": "beyond 2", **which, "epoch": epoch, "null": null}
                            | experiment.spread(percent=shares))
        found = created(*([run[epoch]["layered"] for run in runs] for epoch in (0, epochs)))
        changed[data, init, labels] = found
        raised = [row for row in found if row["q"] < 0.05 and row["after"] > row["before"]]
        lowered = [row for row in found if row["q"] < 0.05 and row["after"] < row["before"]]
        rows.append({"part": "learning", **which, "tested": len(found), "raised": len(raised), "lowered": len(lowered),
                     "created": sum(row["after"] > 2 for row in raised)})
    return rows, changed


def finding(rows, epochs):
    """What the nulls and the seeds say of the paper."""
    def beyond(null, epoch):
        return np.median([row["percent"] for row in rows if row["part"] == "beyond 2" and row["null"] == null
                          and row["epoch"] == epoch and row["labels"] == "real"])
    learning = [row for row in rows if row["part"] == "learning"]
    if not any(row["tested"] for row in learning):
        return "No motif was in enough nets to tell what learning does: 3 RUNS or more"
    words = [f"{row['raised']} and {row['created']} of {row['tested']} ({row['data']}, {row['init']})"
             for row in learning if row["labels"] == "real"]
    control = [row for row in learning if row["labels"] == "shuffled"]
    return (f"Of untrained nets {beyond('layered', 0):.0f} % of coloured motifs have a Z beyond 2 where random graphs "
            f"keep the layers, {beyond('fanmod', 0):.0f} % under FANMOD's null, which detects layering; trained "
            f"{beyond('layered', epochs):.0f} and {beyond('fanmod', epochs):.0f} %. Learning raises, and lifts "
            f"beyond a Z of 2, {', '.join(words)}; with shuffled labels it raises "
            f"{sum(row['raised'] for row in control)} of {sum(row['tested'] for row in control)}")


def shades_of(inits):
    return dict(zip(inits, (plots.RED, plots.BLUE, plots.INK, plots.GREY, *plots.shades(len(inits))), strict=False))


@plots.styled
def experiment_picture(rows, changed, inits, epochs, title, caption):
    names = list(dict.fromkeys(row["data"] for row in rows))
    mosaic = [[f"topologies {name}" for name in names] + ["nulls"], [f"motifs {name}" for name in names] + ["created"]]
    figure, panels = plots.figure(mosaic, 5 * len(names) + 5, 9, title, caption)
    colors = shades_of(inits)
    for name in names:
        draw_topologies(panels[f"topologies {name}"], [row for row in rows if row["part"] == "topology"
                                                       and row["data"] == name], colors, epochs)
        panels[f"topologies {name}"].set_title(f"{name}: significance profile, layered null")
        draw_changes(panels[f"motifs {name}"], {init: changed[name, init, "real"] for init in inits}, colors)
        panels[f"motifs {name}"].set_title(f"{name}: coloured motifs, layered null")
    draw_nulls(panels["nulls"], [row for row in rows if row["part"] == "beyond 2"], colors, epochs)
    draw_created(panels["created"], changed)
    return figure


def draw_topologies(axes, rows, colors, epochs):
    """Before (ring), after (dot), after shuffled labels (cross), side by side for each initialisation."""
    for group, init in enumerate(colors):
        for labels, epoch, mark, shift in (("real", 0, "o", -0.08), ("real", epochs, "o", 0.0),
                                           ("shuffled", epochs, "x", 0.08)):
            for row in rows:
                if (row["init"], row["labels"], row["epoch"]) == (init, labels, epoch):
                    x = list(TOPOLOGIES.values()).index(row["motif"]) + 0.27 * (group - (len(colors) - 1) / 2) + shift
                    axes.plot([x, x], [row["profile_low"], row["profile_high"]], color=colors[init], lw=2, alpha=0.25)
                    hollow = mark == "o" and epoch == 0
                    axes.plot(x, row["profile"], mark, color=colors[init], ms=5,
                              mfc="white" if hollow else colors[init])
    for init, color in colors.items():
        axes.plot([], [], "o", color=color, label=init)
    for mark, face, word in (("o", "white", "untrained"), ("o", plots.INK, "trained"),
                             ("x", plots.INK, "shuffled labels")):
        axes.plot([], [], mark, color=plots.INK, mfc=face, label=word)
    axes.axhline(0, color=plots.GREY, lw=0.8)
    axes.set(ylabel="Z over the length of all Z, median and middle 90 %", xlabel="topology", ylim=(-1.7, 1))
    axes.set_xticks(range(len(TOPOLOGIES)), [f"{name}\n{one}" for one, name in TOPOLOGIES.items()])
    axes.legend(fontsize=8, ncols=2, loc="lower left")


def draw_changes(axes, found, colors):
    """Mean Z of each coloured motif after training against before; those that learning changes are filled."""
    for init, rows in found.items():
        for sure in (False, True):
            some = [row for row in rows if (row["q"] < 0.05) == sure]
            axes.plot([row["before"] for row in some], [row["after"] for row in some], "o", ms=4, color=colors[init],
                      mfc=colors[init] if sure else "none", alpha=0.8,
                      label=f"{init}: {len(some)} of {len(rows)} changed" if sure else None)
    ends = [value for rows in found.values() for row in rows for value in (row["before"], row["after"])] or [0, 1]
    axes.plot([min(ends), max(ends)], [min(ends), max(ends)], color=plots.GREY, lw=0.8, zorder=0)
    axes.set(xlabel="mean Z untrained", ylabel="mean Z trained")
    axes.legend(fontsize=8, loc="lower right")


def draw_nulls(axes, rows, colors, epochs):
    groups = [(null, labels, epoch) for null in ("layered", "fanmod")
              for labels, epoch in (("real", 0), ("real", epochs), ("shuffled", epochs))]
    for place, (null, labels, epoch) in enumerate(groups):
        for row in rows:
            if (row["null"], row["labels"], row["epoch"]) == (null, labels, epoch):
                shift = 0.2 * (list(colors).index(row["init"]) - (len(colors) - 1) / 2)
                axes.plot(place + shift, row["percent"], "o", color=colors[row["init"]], ms=5)
                axes.plot([place + shift] * 2, [row["percent_low"], row["percent_high"]], color=colors[row["init"]],
                          lw=2, alpha=0.3)
    axes.axhline(5, color=plots.GREY, lw=0.8, ls="--")
    words = {("real", 0): "untrained", ("real", epochs): "trained", ("shuffled", epochs): "shuffled"}
    axes.set_xticks(range(len(groups)), [f"{words[labels, epoch]}\n{null}" for null, labels, epoch in groups],
                    fontsize=8)
    axes.set(title="motifs with |Z| beyond 2, by null model", ylabel="%, a dot a data set", ylim=(0, None))


def draw_created(axes, changed):
    """The motifs that learning lifts most, drawn, of all groups with real labels."""
    lifted = [(key, row) for key, rows in changed.items() for row in rows
              if key[2] == "real" and row["q"] < 0.05 and row["after"] > row["before"]]
    lifted = sorted(lifted, key=lambda pair: pair[1]["before"] - pair[1]["after"])[:8]
    for place, ((data, init, _), row) in enumerate(lifted):
        draw_motif(axes, row["adjacency"], 0.0, place, 3, 0.8, 0.6)
        axes.text(0.65, place, f"{data}, {init}\nZ {row['before']:.1f} to {row['after']:.1f}", va="center", fontsize=8)
    if not lifted:
        axes.text(0, 0, "none", va="center", fontsize=9)
    axes.set(title="lifted most by learning", xlim=(-0.6, 2.4), ylim=(max(len(lifted), 1) - 0.4, -0.6), xticks=[],
             yticks=[])
    axes.spines[["left", "bottom"]].set_visible(False)
    for word, shade in EDGES.values():
        axes.plot([], [], color=shade, lw=2, label=word)
    axes.legend(fontsize=8, loc="lower right", title="edges")


@plots.styled
def epochs_picture(rows, caption):
    rows = [row for row in rows if row["part"] == "topology" and row["labels"] == "real"]
    names, inits = (list(dict.fromkeys(row[key] for row in rows)) for key in ("data", "init"))
    mosaic = [[f"{name} {init}" for init in inits] for name in names]
    last = max(row["epoch"] for row in rows)
    most = max((row for row in rows if row["epoch"] == last), key=lambda row: abs(row["z"]))
    title = (f"Along training the {most['motif']}'s Z goes farthest, to {most['z']:.1f} ({most['z_low']:.1f} to "
             f"{most['z_high']:.1f}) on {most['data']} from {most['init']}; layered null")
    figure, panels = plots.figure(mosaic, 4.2 * len(inits), 3.6 * len(names) + 0.8, title, caption, sharey=True)
    for (name, init), axes in ((key, panels[f"{key[0]} {key[1]}"]) for key in ((n, i) for n in names for i in inits)):
        for motif, color in zip(TOPOLOGIES.values(), plots.shades(len(TOPOLOGIES)), strict=True):
            own = [row for row in rows if (row["data"], row["init"], row["motif"]) == (name, init, motif)]
            epochs = [row["epoch"] for row in own]
            axes.fill_between(epochs, [row["z_low"] for row in own], [row["z_high"] for row in own], color=color,
                              alpha=0.1, lw=0)
            axes.plot(epochs, [row["z"] for row in own], "o-", ms=3, color=color, label=motif)
        axes.axhline(0, color=plots.GREY, lw=0.8)
        axes.set(title=f"{name}, {init}", xlabel="epoch", ylabel="Z")
        axes.set_xscale("symlog", linthresh=1)
        axes.set_xlim(left=0)
    next(iter(panels.values())).legend(fontsize=8, ncols=2)
    return figure


def of_nets():
    experiment.check_several(DATASETS=DATASETS, INITS=INITS)
    experiment.check_positive(HIDDEN_UNITS=HIDDEN_UNITS, EPOCHS=EPOCHS, ITEMS=ITEMS, RUNS=RUNS)
    groups = [(data, init, labels) for data in DATASETS for init in INITS for labels in ("real", "shuffled")]
    jobs = [(group, run) for group in groups for run in range(RUNS)]
    results = {group: [] for group in groups}
    for (data, init, labels), run in experiment.progress(jobs, total=len(jobs), what="nets"):
        looks = {0, *(epoch for epoch in LOOKS if epoch < EPOCHS and labels == "real")}
        results[data, init, labels].append(
            compare_net(data, init, labels, ITEMS, HIDDEN_UNITS, EPOCHS, looks, NULLS, SEED + run))
    rows, changed = experiment_rows(results, EPOCHS)
    caption = (f"n = {RUNS} seeds from {SEED} on, {ITEMS:,} items, {EPOCHS} epochs, two hidden layers of "
               f"{HIDDEN_UNITS}; {NULLS} random graphs of the layered null, {max(2, NULLS // 5)} of FANMOD's, motifs "
               "of 4 nodes.")
    more = ("\nA motif is changed by learning at a false discovery rate of 5 % (paired t-test over the seeds)."
            + (" Tree has 16 different items and clusters 4: nothing is left to test on."
               if {"tree", "clusters"} & set(DATASETS) else ""))
    return rows, experiment_picture(rows, changed, INITS, EPOCHS, finding(rows, EPOCHS), caption + more), {
        "_epochs.png": epochs_picture(rows, caption)}


def main():
    experiment.check_positive(NULLS=NULLS, THREADS=THREADS, STRONGEST=STRONGEST)
    if NULLS < 2:
        raise ValueError(f"NULLS is {NULLS}: expected 2 or more, for a standard deviation")
    if not 0 < CHANCE <= 1:
        raise ValueError(f"CHANCE is {CHANCE!r}: expected a number in (0, 1]")
    if LAYERS != (0,) and (NULL_MODEL != "layered" or not GRAPH):
        raise ValueError("LAYERS is set, and nothing uses it: take --null-model layered with --graph")
    if GRAPH and WEIGHTS:
        raise ValueError("--graph and --weights are both given: take one of them")
    if (LIST or LAYER != "*" or KERNELS != "oihw") and not WEIGHTS:
        raise ValueError("--list, --layer and --kernels are of a file of weights: name it with --weights")
    if ROWS not in ("auto", "inputs", "outputs"):
        raise ValueError(f"ROWS is {ROWS!r}: expected auto, inputs or outputs")
    if LIST:
        return tensors.table(WEIGHTS), None
    if SIZE != 4 and not (GRAPH or WEIGHTS):
        raise ValueError(f"SIZE is {SIZE}: the experiment counts motifs of 4 nodes, other sizes need --graph")
    return of_file() if GRAPH or WEIGHTS else of_nets()


if __name__ == "__main__":
    experiment.run(main)
