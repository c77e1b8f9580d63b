"""Which coloured motifs does learning create in a perceptron?

The experiment of Zambra, Maritan and Testolin (2020), over many seeds: 31-30-30-4 nets (relu, softmax, SGD at 0.01 with
Nesterov momentum 0.6, 20 epochs of batches of 20) learn two synthetic data sets from three initialisations. Weights
become edges of three colours by one cut for both ends of training: strong negative, mild, strong positive; weights near
the mean are dropped. The motifs of each net are compared with those of random graphs under two null models: FANMOD's,
which lets edges leave their layers, and a layered one, which keeps them. The control learns shuffled labels.

Learning raises a coloured motif if its Z under the layered null model is higher after training than before over the
seeds (paired t-test, Benjamini-Hochberg at 5 %, motifs that three quarters of the nets have before and after). Learning
creates the motif if its mean Z after training is also above 2.

Properties of the paper's data and design: `tree` has 16 different items and `clusters` 4, so nothing is left to test
on. The cut is fitted to the weights before and after training together, and gives trained nets more edges. The paper
keeps only motifs with p below 0.05, and of each topology the largest Z. It trains one net per initialisation, so its
numbers have no error bars.

Figure: for each data set the motifs that learning raises most, drawn, beside their mean Z before and after training, a
column per initialisation, with shuffled labels in grey and a line at Z = 2; below, the share of the motifs of untrained
nets that each null model calls significant. A second figure, motif_stats_epochs.png, shows uncoloured motifs along
training.

Takes 3 minutes on one core. motif_miner.py finds the motifs of a graph of yours.
"""
import itertools
from dataclasses import replace

import numpy as np

import mlp
from gradnets import checks, datasets, experiment, motifs, plots, streams, summaries
from gradnets.errors import NoResult, UserError
from gradnets.progress import progress

DATASETS = ("tree", "clusters")  # data sets: tree, clusters, glyphs or mnist
INITS = ("normal(0.1)", "orthogonal", "glorot-normal")  # initialisations: uniform(scale), normal(scale), glorot, ...
HIDDEN_UNITS = 30           # number of units in each of the two hidden layers
EPOCHS = 20                 # number of training epochs
ITEMS = 2000                # number of training items
NULLS = 100                 # number of random graphs of the layered null model; FANMOD's gets a fifth of them
RUNS = 12                   # number of seeds of each net, starting at SEED
SEED = 0                    # first seed of data, weights, samples and random graphs

# ---- not flags --------------------------------------------------------------------------------------------

SIZE = 4  # nodes of a motif
BATCH_SIZE, LEARNING_RATE, MOMENTUM = 20, 0.01, 0.6  # the paper's
LOOKS = (1, 2, 5, 10)  # epochs of the second figure, beside the first and the last
LINES, COLUMNS = 10, 4  # motifs and initialisations in the figure, at most
QUICK = {"datasets": ("tree",), "inits": ("normal(0.1)", "glorot-normal"), "items": 1000, "nulls": 20, "runs": 8}
# The topologies of four nodes that the layered null model does not conserve, by FANMOD's numbers.
TOPOLOGIES = {74: "fork", 140: "N", 204: "bifan", 392: "join", 536: "chain", 2182: "diamond"}


# ---- one net ----------------------------------------------------------------------------------------------

def weights_along_training(dataset, hidden_units, init, epochs, looks, seed):
    """Train a net; return its weights after some epochs: {epoch: list of float64 (n_l, n_{l+1})}.

    looks : set of int, the epochs, beside the last one
    """
    sizes = (dataset.inputs.shape[1], hidden_units, hidden_units, dataset.classes)
    network = mlp.MLP(sizes, "relu", "cross-entropy", init, seed)
    updates = max(1, len(dataset.labels) // BATCH_SIZE)  # per epoch
    weights = {0: [matrix.copy() for matrix in network.weights]} if 0 in looks else {}
    for step in mlp.train(network, dataset, epochs * updates, LEARNING_RATE, BATCH_SIZE, seed, MOMENTUM, nesterov=True):
        epoch, rest = divmod(step.index - 1, updates)  # step.index - 1 updates have been applied
        if rest == 0 and epoch in looks and epoch:
            weights[epoch] = [matrix.copy() for matrix in network.weights]
    weights[epochs] = network.weights
    return weights


def compare_net(dataset, labels, init, hidden_units, epochs, looks, nulls, seed):
    """Compare the motifs of one net along training with those of random graphs.

    Parameters
    ----------
    labels : "real" or "shuffled"
    looks : set of int
        Epochs at which topologies are compared, beside the last one.

    Returns
    -------
    dict
        {epoch: {"topologies", "layered", "fanmod": motifs.Significance}}: uncoloured motifs under the layered null
        model at every look; coloured motifs before and after training under both null models.

    Raises
    ------
    NoResult
        If the random graphs of a null model do not differ from each other.
    """
    if labels == "shuffled":
        rng = streams.generator(seed, streams.DATA)
        dataset = replace(dataset, labels=rng.permutation(dataset.labels))
    weights = weights_along_training(dataset, hidden_units, init, epochs, looks, seed)
    cuts = motifs.weight_cuts(np.concatenate([matrix.ravel() for epoch in (0, epochs) for matrix in weights[epoch]]))
    sizes = (dataset.inputs.shape[1], hidden_units, hidden_units, dataset.classes)
    comparisons = {}
    for epoch, matrices in weights.items():
        graph = motifs.from_layers([motifs.weight_colors(matrix, cuts) for matrix in matrices])
        rng = streams.generator(seed, streams.LINKS)
        comparisons[epoch] = {
            "topologies": motifs.significance(graph, SIZE, nulls, "layered", rng, colored=False, sizes=sizes)}
        if epoch in (0, epochs):
            comparisons[epoch] |= {
                "layered": motifs.significance(graph, SIZE, nulls, "layered", rng, sizes=sizes),
                "fanmod": motifs.significance(graph, SIZE, max(2, nulls // 5), "fanmod", rng)}
            if not all(comparisons[epoch][null].differs.any() for null in motifs.MODELS):
                raise NoResult(f"all random graphs have the motifs of the net with {hidden_units} hidden units: take "
                               "more hidden units or more nulls")
    return comparisons


def initial_spread(dataset, hidden_units, init, seed):
    """Return the root mean square of the weights of an untrained net."""
    sizes = (dataset.inputs.shape[1], hidden_units, hidden_units, dataset.classes)
    weights = np.concatenate([matrix.ravel() for matrix in mlp.MLP(sizes, "relu", "cross-entropy", init, seed).weights])
    return float(np.sqrt((weights**2).mean()))


# ---- all nets ---------------------------------------------------------------------------------------------

def summarize(comparisons, epochs):
    """Return the rows of all nets. A last part of the rows has the motifs that learning raises from some init.

    comparisons : {(data, init, labels): list of what `compare_net` returns for each seed}
    """
    rows, all_changes = [], {}
    for (data, init, labels), nets in comparisons.items():
        group = {"data": data, "init": init, "labels": labels}
        for epoch in sorted(nets[0]):
            rows += [{"part": "topology", **group, "epoch": epoch, **row}
                     for row in topology_rows([net[epoch]["topologies"] for net in nets])]
        for null in ("layered", "fanmod"):
            for epoch in (0, epochs):
                z = [net[epoch][null].z[net[epoch][null].differs] for net in nets]
                percent = [100 * np.mean(np.abs(values) > 2) for values in z]
                rows.append({"part": "beyond 2", **group, "epoch": epoch, "null": null}
                            | summaries.median_intervals(percent=percent))
        change = motifs.changes(*([net[epoch]["layered"] for net in nets] for epoch in (0, epochs)))
        all_changes[data, init, labels] = change
        raised = list(filter(motifs.is_raised, change))
        lowered = [row for row in change if row["q"] < 0.05 and row["after"] < row["before"]]
        rows.append({"part": "learning", **group, "tested": len(change), "raised": len(raised),
                     "lowered": len(lowered), "created": sum(row["after"] > 2 for row in raised)})
    return rows + motif_rows(all_changes)


def motif_rows(all_changes):
    """Return a row for each coloured motif worth drawing, in each group of nets that has it.

    all_changes : {(data, init, labels): list of dict, as `motifs.changes` returns them}

    Of each data set these are the motifs that learning raises from some initialisation, or, if there are none, those
    whose Z increases most; the motif whose Z increases most comes first.
    """
    rows = []
    for data in dict.fromkeys(data for data, _, _ in all_changes):
        changes_of = {group: {motifs.text_of(row["adjacency"]): row for row in change}
                      for group, change in all_changes.items() if group[0] == data}
        increase = {}  # the largest one over the initialisations: (raised, increase of Z)
        for (_, _, labels), change in changes_of.items():
            for motif, row in change.items() if labels == "real" else ():
                increase[motif] = max(increase.get(motif, (False, -np.inf)),
                                      (motifs.is_raised(row), row["after"] - row["before"]))
        order = sorted(increase, key=increase.get, reverse=True)
        raised = [motif for motif in order if increase[motif][0]]
        for motif, ((_, init, labels), change) in itertools.product(raised or order[:LINES], changes_of.items()):
            if motif in change:
                row = change[motif]
                rows.append({"part": "motif", "data": data, "init": init, "labels": labels, "motif": motif}
                            | {key: row[key] for key in ("id", "before", "after", "q")})
    return rows


def topology_rows(comparisons):
    """Return a row for each of TOPOLOGIES: its Z and significance profile over the nets that have it."""
    values = {}
    for net in comparisons:
        for k in np.flatnonzero(net.differs):
            values.setdefault(motifs.fanmod.topology_id(net.census.adjacency[k]), []).append((net.z[k], net.profile[k]))
    rows = []
    for number, name in TOPOLOGIES.items():
        if number in values:
            z, profile = zip(*values[number], strict=True)
            rows.append({"motif": name, "n": len(z)} | summaries.median_intervals(z=z, profile=profile))
    return rows


def finding(rows, spreads, runs):
    """Return which motifs learning creates, in one sentence.

    spreads : dict, the root mean square of the initial weights of each initialisation; runs : int, number of seeds
    """
    learning = [row for row in rows if row["part"] == "learning"]
    created, raised, tested = ({labels: sum(row[key] for row in learning if row["labels"] == labels)
                                for labels in ("real", "shuffled")} for key in ("created", "raised", "tested"))
    if not tested["real"]:
        return "Too few nets have the same motifs to tell what learning does: take 3 runs or more"
    if not created["real"]:
        return (f"Learning raises {raised['real']} of {tested['real']:,} coloured motifs, but none of them above Z = 2"
                if raised["real"] else
                f"{runs} seeds do not show that learning raises any of {tested['real']:,} coloured motifs")
    creators = {row["init"] for row in learning if row["labels"] == "real" and row["created"]}
    rest = spreads.keys() - creators
    if created["shuffled"] or not rest:
        return (f"Learning creates {created['real']} of {tested['real']:,} coloured motifs, and {created['shuffled']} "
                "with shuffled labels")
    if max(spreads[init] for init in creators) < min(spreads[init] for init in rest):
        size = "smallest" if len(creators) == 1 else "smaller"
        return f"Learning creates coloured motifs, but only from the {size} initial weights"
    return f"Learning creates coloured motifs, but only from {len(creators)} of {len(spreads)} initialisations"


def caption_of(settings):
    """Return what the figures are measured on: n, the nets, and the null model."""
    return (f"n = {plots.counted(settings.runs, 'seed')}; nets with two hidden layers of "
            f"{settings.hidden_units} units, {settings.epochs} epochs; motifs of {SIZE} nodes; Z over {settings.nulls} "
            "random graphs that keep the layers.")


# ---- figures ----------------------------------------------------------------------------------------------

@plots.styled
def picture(rows, spreads, title, caption):
    """Draw the motifs that learning raises most, and what the null models call significant in untrained nets."""
    inits = list(spreads)[:COLUMNS]
    lines = lines_of([row for row in rows if row["part"] == "motif"])
    height = 0.46 * (len(lines) + 1)
    figure, panels = plots.figure([["motifs", *inits], ["nulls"] * (1 + len(inits))], 1.6 + 2.7 * max(3, len(inits)),
                                  height + 3.5, title, caption, height_ratios=[height, 1.2],
                                  width_ratios=[1.6, *[2.7] * len(inits)])
    draw_motifs(panels["motifs"], lines)
    for place, init in enumerate(inits):
        axes = panels[init]
        draw_changes(axes, lines, [row for row in rows if row.get("init") == init], is_first=place == 0)
        axes.set_title(f"from {init}\n")
        axes.text(0, 1.01, f"initial weights: RMS {spreads[init]:.2g}", transform=axes.transAxes)
        if place:
            axes.sharex(panels[inits[0]])
    low, high = axes.get_xlim()
    axes.set_xlim(low, max(high, 6))  # room for words beyond Z = 2
    draw_nulls(panels["nulls"], [row for row in rows if row["part"] == "beyond 2" and row["labels"] == "real"
                                 and row["epoch"] == 0])
    return figure


def lines_of(rows):
    """Return the lines of the figure, (data, motif) from top to bottom; a line without motif is a heading.

    rows : those of the part "motif"
    """
    names = list(dict.fromkeys(row["data"] for row in rows))
    lines = []
    for name in names:
        of_data = dict.fromkeys(row["motif"] for row in rows if row["data"] == name)
        lines += [(name, None), *((name, motif) for motif in list(of_data)[:max(2, LINES // len(names))])]
    return lines


def draw_motifs(axes, lines):
    """Draw the motifs of the lines, and the names of the data sets."""
    styles = motifs.edge_styles(len(motifs.WEIGHT_COLORS))
    motifs.draw_column(axes, lines, styles, 0.5)
    for color, name in motifs.WEIGHT_COLORS.items():
        axes.plot([], [], **styles[color], label=f"{name} weight")
    axes.legend(loc="upper left", bbox_to_anchor=(0, 0), fontsize=8)


def draw_changes(axes, lines, rows, is_first):
    """Draw mean Z of each line's motif before and after training as a dumbbell, and that of shuffled labels in grey.

    rows : of one initialisation; the panel that is the first one names the marks.
    """
    learning = {(row["data"], row["labels"]): row for row in rows if row["part"] == "learning"}
    changes_of = {(row["data"], row["motif"], row["labels"]): row for row in rows if row["part"] == "motif"}
    axes.axvspan(-2, 2, color=plots.PALE, alpha=0.4, lw=0)
    axes.axvline(2, color=plots.INK, lw=1, ls="--")
    axes.text(2, -0.55, " Z = 2", va="top", fontsize=8)
    for place, line in enumerate(lines):
        if line[1] is None:
            row = learning[line[0], "real"]
            axes.text(0.99, place + 0.2, f"creates {row['created']} of {row['tested']}", ha="right", va="center",
                      transform=axes.get_yaxis_transform(), fontweight="bold" if row["created"] else "normal")
            continue
        for labels, shift in (("real", -0.1), ("shuffled", 0.2)):
            if (*line, labels) in changes_of:
                row = changes_of[*line, labels]
                draw_dumbbell(axes, row["before"], row["after"], place + shift, labels, row["q"] < 0.05)
                if is_first and place == 1:
                    name_marks(axes, row, place + shift)
    axes.set(xlabel="Z, mean over the seeds", ylim=(len(lines) - 0.4, -0.6), yticks=[])
    axes.spines["left"].set_visible(False)


def draw_dumbbell(axes, before, after, y, labels, is_changed):
    """Draw one motif: a ring before and a dot after training, green and thick if the change is significant."""
    color = plots.GREY if labels == "shuffled" else plots.GREEN if is_changed else plots.INK
    axes.plot([before, after], [y, y], color=color, lw=3 if is_changed else 1.2)
    mark, size = ("s", 4) if labels == "shuffled" else ("o", 6)
    axes.plot(before, y, mark, color=color, ms=size, mfc="white")
    axes.plot(after, y, mark, color=color, ms=size)


def name_marks(axes, row, y):
    """Write what the marks of a dumbbell are."""
    if row["labels"] == "shuffled":
        axes.annotate("shuffled labels", (max(row["before"], row["after"], 2), y), xytext=(6, 0),
                      textcoords="offset points", va="center", fontsize=8, color=plots.GREY)
        return
    for key, word, align in (("before", "before", "center"),
                             ("after", "after learning", "right" if row["after"] > 5 else "left")):
        axes.annotate(word, (row[key], y), xytext=(0, 6), textcoords="offset points", fontsize=8, ha=align)


def draw_nulls(axes, rows):
    """Draw the median share of motifs with Z beyond 2 under each null model as a bar, and a dot for each group."""
    for place, (null, label) in enumerate((("layered", "null model whose random graphs keep the layers"),
                                           ("fanmod", "FANMOD's null model, which ignores the layers"))):
        percents = [row["percent"] for row in rows if row["null"] == null]
        axes.barh(place, np.median(percents), 0.4, color=plots.PALE, ec=plots.INK, lw=0.8)
        axes.plot([5, 5], [place - 0.2, place + 0.28], "--", color=plots.INK, lw=1.2)
        axes.plot(percents, np.full(len(percents), place), "o", color=plots.INK, ms=4, mfc="white")
        axes.annotate(f"{np.median(percents):.0f} %", (max(percents), place), xytext=(8, 0),
                      textcoords="offset points", va="center", fontsize=11, fontweight="bold")
        axes.text(0.6, place - 0.3, label, va="bottom")
    axes.set(title="untrained nets: motifs that each null model calls significant", xlim=(0, 100), yticks=[],
             ylim=(1.4, -0.75), xlabel="% of the motifs with |Z| above 2; dashed: 5 % by chance; circles: a data set "
             "and an initialisation each")


@plots.styled
def epochs_picture(rows, caption):
    """Draw Z of the topologies along training, a panel per data set and initialisation, six at most."""
    rows = [row for row in rows if row["part"] == "topology" and row["labels"] == "real"]
    last = max(row["epoch"] for row in rows)
    farthest = {}  # |Z| after training of each net
    for row in rows:
        if row["epoch"] == last:
            net = row["data"], row["init"]
            farthest[net] = max(farthest.get(net, 0.0), abs(row["z"]))
    nets = sorted(sorted(farthest, key=farthest.get)[-plots.MOST_PANELS:], key=list(farthest).index)
    columns = len({init for _, init in nets}) if len(nets) == len(farthest) else min(3, len(nets))
    mosaic = [[" ".join(net) for net in nets[start:start + columns]] for start in range(0, len(nets), columns)]
    mosaic[-1] += ["."] * (columns - len(mosaic[-1]))
    high = {epoch: {(row["motif"], row["data"], row["init"]) for row in rows if row["epoch"] == epoch and row["z"] > 2}
            for epoch in (0, last)}
    beyond = sorted(high[last] - high[0])
    names, where = {name for name, _, _ in beyond}, {f", on {data} from {init}" for _, data, init in beyond}
    title = (f"Learning raises {len(names)} of {len(TOPOLOGIES)} uncoloured motifs to Z above 2"
             f"{where.pop() if len(where) == 1 else ''}")
    figure, panels = plots.figure(mosaic, 4 * columns, 3.2 * len(mosaic) + 0.8, title, caption, sharey=True,
                                  sharex=True)
    labels = {net: [] for net in nets}
    for net in nets:
        axes = panels[" ".join(net)]
        axes.axhspan(-2, 2, color=plots.PALE, alpha=0.4, lw=0)
        for motif, color, dash in zip(TOPOLOGIES.values(), plots.COLORS, plots.DASHES, strict=False):
            curve = [row for row in rows if (row["data"], row["init"], row["motif"]) == (*net, motif)]
            epochs, z = [row["epoch"] for row in curve], [row["z"] for row in curve]
            if z and abs(z[-1]) > 2:
                plots.draw_band(axes, epochs, curve, "z", color, ls=dash, lw=2)
                labels[net].append((epochs, z, motif, color))
            else:
                axes.plot(epochs, z, color=plots.GREY, lw=1)
        axes.set(title=f"{net[0]}, from {net[1]}", xlabel="epoch" if net in nets[-columns:] else "")
    for net in nets:  # when the shared axes have their limits
        plots.label_lines(panels[" ".join(net)], labels[net], gap=0.15)
        draw_shapes(panels[" ".join(net)])
    for line in mosaic:
        panels[line[0]].set_ylabel("Z, median over the seeds")
    return figure


def draw_shapes(axes):
    """Draw each topology whose name stands beside a panel under its name."""
    numbers = {name: number for number, name in TOPOLOGIES.items()}
    for label in axes.texts:
        x, y = label.xy
        shape = axes.inset_axes((x + 0.015, y - 0.115, 0.19, 0.08))
        adjacency = np.array(list(f"{numbers[label.get_text()]:0{SIZE**2}b}"), int).reshape(SIZE, SIZE)
        motifs.draw_motif(shape, adjacency, 0.0, 0.0, {1: {"color": label.get_color(), "linewidth": 1}}, 0.9, 0.8)
        shape.set(xlim=(-0.55, 0.55), ylim=(0.55, -0.55))
        shape.set_axis_off()


def main(settings):
    checks.nonempty_tuples(datasets=settings.datasets, inits=settings.inits)
    checks.positive_integers(hidden_units=settings.hidden_units, epochs=settings.epochs, items=settings.items,
                             nulls=settings.nulls, runs=settings.runs)
    if settings.nulls < 2:
        raise UserError("nulls is 1: expected 2 random graphs or more, for a standard deviation")
    groups = list(itertools.product(dict.fromkeys(settings.datasets), dict.fromkeys(settings.inits),
                                    ("real", "shuffled")))
    comparisons, provenance, spreads = {group: [] for group in groups}, {}, {}
    nets = ((group, run) for group in groups for run in range(settings.runs))
    for (name, init, labels), run in progress(nets, total=len(groups) * settings.runs, label="nets"):
        seed = settings.seed + run
        dataset = datasets.load(name, limit=settings.items, seed=seed)
        provenance[name, seed] = dataset.provenance
        spreads.setdefault(init, initial_spread(dataset, settings.hidden_units, init, seed))
        looks = {0, *(epoch for epoch in LOOKS if epoch < settings.epochs and labels == "real")}
        comparisons[name, init, labels].append(compare_net(
            dataset, labels, init, settings.hidden_units, settings.epochs, looks, settings.nulls, seed))
    rows = summarize(comparisons, settings.epochs)
    title = finding(rows, spreads, settings.runs)
    figures = {}
    if any(row["part"] == "topology" for row in rows):
        figures["_epochs"] = epochs_picture(rows, f"{caption_of(settings)}\nBands: middle 90 % of the seeds. Grey "
                                            "lines: motifs that end in the shaded range, with Z within 2 of 0.")
    caption = (f"{caption_of(settings)}\nThick green: learning changes the motif (paired t-test, q < 0.05). "
               "Learning creates a motif that it raises to Z above 2.")
    return experiment.Result(
        rows, names=("part", "data", "init", "labels", "epoch", "motif", "null"),
        columns=("tested", "raised", "lowered", "created"), finding=title,
        headings={"init": "initial weights", "created": "created (Z > 2)"},
        printed=[{key: value for key, value in row.items() if key != "part"} for row in rows
                 if row["part"] == "learning"],
        figure=picture(rows, spreads, title, caption), figures=figures, data=list(provenance.values()),
        suggestion="--quick --inits 'normal(0.1)' 'normal(0.15)' 'normal(0.2)' shows how small weights must start")


if __name__ == "__main__":
    experiment.run(main)
