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

Figure: the significance profile of the topologies (Z divided by the length of the vector of all Z) before and after
training; Z of coloured motifs after training against before; the share of motifs with Z beyond 2 under each null model;
the motifs that learning raises most. A second figure, motif_stats_epochs.png, shows Z along training.

Takes 150 s on one core. motif_miner.py finds the motifs of a graph of yours.
"""
import itertools
from dataclasses import replace

import numpy as np
import scipy

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


# ---- all nets ---------------------------------------------------------------------------------------------

def z_table(comparisons):
    """Return the Z of each motif in each net, NaN where random graphs do not differ or the net lacks the motif.

    comparisons : list of motifs.Significance

    Returns codes int64 (q,), adjacency (q, k, k) and z float64 (nets, q).
    """
    codes, first = np.unique(np.concatenate([net.census.codes for net in comparisons]), return_index=True)
    adjacency = np.concatenate([net.census.adjacency for net in comparisons])[first]
    z = np.full((len(comparisons), len(codes)), np.nan)
    for row, net in zip(z, comparisons, strict=True):
        row[np.searchsorted(codes, net.census.codes)] = np.where(net.differs, net.z, np.nan)
    return codes, adjacency, z


def changes(before, after):
    """Return the mean Z of each coloured motif before and after training, and the q of the change, a dict per motif.

    before, after : lists of motifs.Significance of the same nets. A motif needs three quarters of the nets, and three
    at least.
    """
    codes_before, adjacency, z_before = z_table(before)
    codes_after, _, z_after = z_table(after)
    shared = np.intersect1d(codes_before, codes_after)
    adjacency = adjacency[np.searchsorted(codes_before, shared)]
    z_before = z_before[:, np.searchsorted(codes_before, shared)]
    z_after = z_after[:, np.searchsorted(codes_after, shared)]
    known = np.isfinite(z_before) & np.isfinite(z_after)
    rows, p = [], []
    for k in np.flatnonzero(known.sum(axis=0) >= max(3, 0.75 * len(before))):
        pair = z_before[known[:, k], k], z_after[known[:, k], k]
        rows.append({"id": motifs.fanmod.topology_id(adjacency[k]), "adjacency": adjacency[k],
                     "before": float(pair[0].mean()), "after": float(pair[1].mean())})
        p.append(scipy.stats.ttest_rel(pair[1], pair[0]).pvalue)
    q = scipy.stats.false_discovery_control(np.nan_to_num(p, nan=1.0))  # NaN: no net has another Z after training
    return [row | {"q": float(value)} for row, value in zip(rows, q, strict=True)]


def is_raised(row):
    """Return whether learning raises a motif, from its row of `changes`."""
    return row["q"] < 0.05 and row["after"] > row["before"]


def summarize(comparisons, epochs):
    """Return the rows of all nets, and the changes of the coloured motifs of each group of nets.

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
        change = changes(*([net[epoch]["layered"] for net in nets] for epoch in (0, epochs)))
        all_changes[data, init, labels] = change
        raised = list(filter(is_raised, change))
        lowered = [row for row in change if row["q"] < 0.05 and row["after"] < row["before"]]
        rows.append({"part": "learning", **group, "tested": len(change), "raised": len(raised),
                     "lowered": len(lowered), "created": sum(row["after"] > 2 for row in raised)})
    return rows, all_changes


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


def finding(rows):
    """Return how many motifs learning raises, in one sentence."""
    raised, tested = ({labels: sum(row[key] for row in rows if row["part"] == "learning" and row["labels"] == labels)
                       for labels in ("real", "shuffled")} for key in ("raised", "tested"))
    if not any(tested.values()):
        return "Too few nets have the same motifs to tell what learning does: take 3 runs or more"
    return (f"Learning raises {raised['real']} of {tested['real']:,} coloured motifs, and {raised['shuffled']} of "
            f"{tested['shuffled']:,} with shuffled labels")


def captions(rows, settings):
    """Return the captions of both figures."""
    def beyond(null, epoch):
        return np.median([row["percent"] for row in rows if row["part"] == "beyond 2" and row["null"] == null
                          and row["epoch"] == epoch and row["labels"] == "real"])

    common = (f"n = {settings.runs} seeds, starting at {settings.seed}; {settings.items:,} items, {settings.epochs} "
              f"epochs, two hidden layers of {settings.hidden_units}; {settings.nulls} random graphs of the layered "
              f"null model, {max(2, settings.nulls // 5)} of FANMOD's, motifs of {SIZE} nodes.")
    items = (" The data set tree has 16 different items and clusters 4, so nothing is left to test on."
             if {"tree", "clusters"} & set(settings.datasets) else "")
    return (f"{common}\nLearning changes a motif if q is below 0.05 (paired t-test over the seeds, Benjamini-Hochberg)."
            f"{items}\nColoured motifs with Z beyond 2, untrained and trained: {beyond('layered', 0):.0f} and "
            f"{beyond('layered', settings.epochs):.0f} % under the layered null model, {beyond('fanmod', 0):.0f} and "
            f"{beyond('fanmod', settings.epochs):.0f} % under FANMOD's, which detects layering.", common)


# ---- figures ----------------------------------------------------------------------------------------------

def colors_of(inits):
    """Return the colour of each initialisation."""
    return dict(zip(inits, (plots.RED, plots.BLUE, plots.INK, plots.GREY, *plots.shades(len(inits))), strict=False))


@plots.styled
def picture(rows, all_changes, inits, epochs, title, caption):
    """Draw the figure of the experiment."""
    names = list(dict.fromkeys(row["data"] for row in rows))
    mosaic = [[*(f"topologies {name}" for name in names), "nulls"], [*(f"motifs {name}" for name in names), "raised"]]
    figure, panels = plots.figure(mosaic, 5 * len(names) + 5, 9, title, caption)
    colors = colors_of(inits)
    for name in names:
        draw_topologies(panels[f"topologies {name}"], [row for row in rows if row["part"] == "topology"
                                                       and row["data"] == name], colors, epochs)
        panels[f"topologies {name}"].set_title(f"{name}: significance profile, layered null model")
        draw_changes(panels[f"motifs {name}"], {init: all_changes[name, init, "real"] for init in inits}, colors)
        panels[f"motifs {name}"].set_title(f"{name}: coloured motifs, layered null model")
    draw_nulls(panels["nulls"], [row for row in rows if row["part"] == "beyond 2"], colors, epochs)
    draw_raised(panels["raised"], all_changes)
    return figure


def draw_topologies(axes, rows, colors, epochs):
    """Draw the profile before (ring) and after training (dot), and after shuffled labels (cross), by initialisation."""
    motif_names, marks = list(TOPOLOGIES.values()), (("real", 0, "o", -0.08), ("real", epochs, "o", 0.0),
                                                     ("shuffled", epochs, "x", 0.08))
    for row in rows:
        for labels, epoch, mark, shift in marks:
            if (row["labels"], row["epoch"]) == (labels, epoch):
                color, place = colors[row["init"]], list(colors).index(row["init"])
                x = motif_names.index(row["motif"]) + 0.27 * (place - (len(colors) - 1) / 2) + shift
                axes.plot([x, x], [row["profile_low"], row["profile_high"]], color=color, lw=2, alpha=0.25)
                axes.plot(x, row["profile"], mark, color=color, ms=5, mfc="white" if shift < 0 else color)
    for init, color in colors.items():
        axes.plot([], [], "o", color=color, label=init)
    for mark, face, label in (("o", "white", "untrained"), ("o", plots.INK, "trained"),
                              ("x", plots.INK, "shuffled labels")):
        axes.plot([], [], mark, color=plots.INK, mfc=face, label=label)
    axes.axhline(0, color=plots.GREY, lw=0.8)
    axes.set(ylabel="Z / length of all Z, median and middle 90 %", xlabel="topology", ylim=(-1.7, 1))
    axes.set_xticks(range(len(TOPOLOGIES)), [f"{name}\n{number}" for number, name in TOPOLOGIES.items()])
    axes.legend(fontsize=8, ncols=2, loc="lower left")


def draw_changes(axes, changes_of, colors):
    """Draw the mean Z of each coloured motif after training against before; changed motifs are filled."""
    for init, rows in changes_of.items():
        for changed in (False, True):
            some = [row for row in rows if (row["q"] < 0.05) == changed]
            axes.plot([row["before"] for row in some], [row["after"] for row in some], "o", ms=4, color=colors[init],
                      mfc=colors[init] if changed else "none", alpha=0.8,
                      label=f"{init}: {len(some)} of {len(rows)} changed" if changed else None)
    values = [row[key] for rows in changes_of.values() for row in rows for key in ("before", "after")] or [0, 1]
    axes.plot([min(values), max(values)], [min(values), max(values)], color=plots.GREY, lw=0.8, zorder=0)
    axes.set(xlabel="mean Z, untrained", ylabel="mean Z, trained")
    axes.legend(fontsize=8, loc="lower right")


def draw_nulls(axes, rows, colors, epochs):
    """Draw the share of motifs with Z beyond 2 under each null model, a dot per data set."""
    labels_of_ticks = []
    for place, (null, (labels, epoch, label)) in enumerate(itertools.product(
            ("layered", "fanmod"), (("real", 0, "untrained"), ("real", epochs, "trained"),
                                    ("shuffled", epochs, "shuffled")))):
        labels_of_ticks.append(f"{label}\n{null}")
        for row in rows:
            if (row["null"], row["labels"], row["epoch"]) == (null, labels, epoch):
                x = place + 0.2 * (list(colors).index(row["init"]) - (len(colors) - 1) / 2)
                axes.plot(x, row["percent"], "o", color=colors[row["init"]], ms=5)
                axes.plot([x, x], [row["percent_low"], row["percent_high"]], color=colors[row["init"]], lw=2, alpha=0.3)
    axes.axhline(5, color=plots.GREY, lw=0.8, ls="--")
    axes.set_xticks(range(len(labels_of_ticks)), labels_of_ticks, fontsize=8)
    axes.set(title="motifs with Z beyond ±2, by null model", ylabel="%, a dot per data set", ylim=(0, None))


def draw_raised(axes, all_changes):
    """Draw the eight motifs that learning raises most, of all groups with real labels."""
    raised = [(data, init, row) for (data, init, labels), rows in all_changes.items() for row in rows
              if labels == "real" and is_raised(row)]
    raised = sorted(raised, key=lambda item: item[2]["before"] - item[2]["after"])[:8]
    shades = motifs.edge_shades(len(motifs.WEIGHT_COLORS))
    for place, (data, init, row) in enumerate(raised):
        motifs.draw_motif(axes, row["adjacency"], 0.0, place, shades, 0.8, 0.6)
        axes.text(0.65, place, f"{data}, {init}\nZ {row['before']:.1f} to {row['after']:.1f}", va="center", fontsize=8)
    if not raised:
        axes.text(0, 0, "none", va="center", fontsize=9)
    axes.set(title="raised most by learning", xlim=(-0.6, 3.0), ylim=(max(len(raised), 1) - 0.4, -0.6), xticks=[],
             yticks=[])
    axes.spines[["left", "bottom"]].set_visible(False)
    for color, name in motifs.WEIGHT_COLORS.items():
        axes.plot([], [], color=shades[color], lw=2, label=name)
    axes.legend(fontsize=8, loc="lower right", title="edges")


@plots.styled
def epochs_picture(rows, caption):
    """Draw Z of the topologies along training, a panel per data set and initialisation."""
    rows = [row for row in rows if row["part"] == "topology" and row["labels"] == "real"]
    names, inits = (list(dict.fromkeys(row[key] for row in rows)) for key in ("data", "init"))
    last = max(row["epoch"] for row in rows)
    farthest = max((row for row in rows if row["epoch"] == last), key=lambda row: abs(row["z"]))
    title = (f"Training moves Z of the {farthest['motif']} most, to {farthest['z']:.1f} on {farthest['data']} from "
             f"{farthest['init']}")
    figure, panels = plots.figure([[f"{name} {init}" for init in inits] for name in names], 4.2 * len(inits),
                                  3.6 * len(names) + 0.8, title, f"{caption} Layered null model.", sharey=True)
    for name, init in itertools.product(names, inits):
        axes = panels[f"{name} {init}"]
        for motif, color in zip(TOPOLOGIES.values(), plots.shades(len(TOPOLOGIES)), strict=True):
            curve = [row for row in rows if (row["data"], row["init"], row["motif"]) == (name, init, motif)]
            epochs = [row["epoch"] for row in curve]
            axes.fill_between(epochs, [row["z_low"] for row in curve], [row["z_high"] for row in curve], color=color,
                              alpha=0.1, lw=0)
            axes.plot(epochs, [row["z"] for row in curve], "o-", ms=3, color=color, label=motif)
        axes.axhline(0, color=plots.GREY, lw=0.8)
        axes.set(title=f"{name}, {init}", xlabel="epoch", ylabel="Z")
        axes.set_xscale("symlog", linthresh=1)
        axes.set_xticks(epochs, epochs)
        axes.set_xticks([], minor=True)
        axes.set_xlim(left=0)
    next(iter(panels.values())).legend(fontsize=8, ncols=2)
    return figure


def main(settings):
    checks.nonempty_tuples(datasets=settings.datasets, inits=settings.inits)
    checks.positive_integers(hidden_units=settings.hidden_units, epochs=settings.epochs, items=settings.items,
                             nulls=settings.nulls, runs=settings.runs)
    if settings.nulls < 2:
        raise UserError("nulls is 1: expected 2 random graphs or more, for a standard deviation")
    groups = list(itertools.product(dict.fromkeys(settings.datasets), dict.fromkeys(settings.inits),
                                    ("real", "shuffled")))
    comparisons, provenance = {group: [] for group in groups}, {}
    nets = ((group, run) for group in groups for run in range(settings.runs))
    for (name, init, labels), run in progress(nets, total=len(groups) * settings.runs, label="nets"):
        seed = settings.seed + run
        dataset = datasets.load(name, limit=settings.items, seed=seed)
        provenance[name, seed] = dataset.provenance
        looks = {0, *(epoch for epoch in LOOKS if epoch < settings.epochs and labels == "real")}
        comparisons[name, init, labels].append(compare_net(
            dataset, labels, init, settings.hidden_units, settings.epochs, looks, settings.nulls, seed))
    rows, all_changes = summarize(comparisons, settings.epochs)
    title, (caption, caption_of_epochs) = finding(rows), captions(rows, settings)
    has_epochs = any(row["part"] == "topology" for row in rows)
    return experiment.Result(
        rows, names=("part", "data", "init", "labels", "epoch", "motif", "null"),
        columns=("z", "percent", "tested", "raised", "lowered", "created"), finding=title,
        figure=picture(rows, all_changes, settings.inits, settings.epochs, title, caption),
        figures={"_epochs": epochs_picture(rows, caption_of_epochs)} if has_epochs else {},
        data=list(provenance.values()))


if __name__ == "__main__":
    experiment.run(main)
