"""Which motifs of five nodes does learning raise, and do they add anything to motifs of four?

Nets learn the data sets of Zambra, Maritan and Testolin (2020) and a set of images, as in motif_stats.py: weights
become edges of three colours by one cut for both ends of training, and the motifs are compared with those of random
nets that keep the layers. The control learns shuffled labels. All counts are exact, in closed form.

Learning raises a motif if its Z is higher after training than before over the seeds (paired t-test, Benjamini-Hochberg
at 5 %, motifs that three quarters of the nets have before and after).

A motif of five nodes contains up to five motifs of four, its parts. Over the random nets a linear regression predicts
the count of the motif from the counts of its parts. What a net has above this prediction, in standard errors, is Z
beyond the parts. The motif adds something to motifs of four if learning raises Z beyond the parts, too. Random nets
that keep the layers conserve all motifs of three nodes, which therefore predict nothing.

Figure: the motifs that learning raises most, drawn, beside their mean Z before and after training, a column per
initialisation; a diamond is Z beyond the parts after training. Below, the share of the motifs that learning raises, as
such and beyond their parts, and with shuffled labels.

Source: Zambra, Maritan and Testolin, "Emergence of Network Motifs in Deep Neural Networks", Entropy 22 (2020) 204,
which mined motifs of five nodes in single nets.

Takes 3 minutes on one core.
"""
from dataclasses import replace

import numpy as np

import mlp
from gradnets import checks, datasets, experiment, motifs, plots, streams
from gradnets.errors import UserError
from gradnets.progress import progress

DATASETS = ("tree", "clusters")  # data sets of the small nets: tree, clusters, glyphs or mnist
INITS = ("normal(0.1)", "orthogonal", "glorot-normal")  # initialisations: uniform(scale), normal(scale), glorot, ...
IMAGES = "glyphs"           # images that the wide net learns, from the first initialisation: glyphs, noise or mnist
NULLS = 50                  # number of random nets that keep the layers, at least 10
RUNS = 12                   # number of seeds of each small net, starting at SEED
WIDE_RUNS = 5               # number of seeds of the wide net, starting at SEED
SEED = 0                    # first seed of data, weights, samples and random nets
# ---- not flags
SIZE = 5                                       # nodes of a motif
HIDDEN, WIDE_HIDDEN = (30, 30), (128,)         # units of the hidden layers
ITEMS, WIDE_ITEMS = 2000, 10_000               # training items
EPOCHS, WIDE_EPOCHS = 20, 5
BATCH_SIZE, LEARNING_RATE, MOMENTUM = 20, 0.01, 0.6  # the paper's
LINES, COLUMNS = 4, 3                          # motifs of a data set and initialisations in the figure, at most
QUICK = {"datasets": ("tree",), "inits": ("normal(0.1)", "glorot-normal"), "nulls": 20, "runs": 6, "wide_runs": 3}
HEADINGS = {"init": "initial weights", "beyond": "raised beyond parts", "explained": "variance by parts"}


# ---- nets -------------------------------------------------------------------------------------------------

def compare_net(dataset, hidden, epochs, init, labels, nulls, seed):
    """Compare the motifs of a net before and after training with those of random nets: two motifs.PartsComparison.

    hidden : tuple of int; labels : "real" or "shuffled"
    """
    if labels == "shuffled":
        rng = streams.generator(seed, streams.DATA)
        dataset = replace(dataset, labels=rng.permutation(dataset.labels))
    sizes = (dataset.inputs.shape[1], *hidden, dataset.classes)
    network = mlp.MLP(sizes, "relu", "cross-entropy", init, seed)
    before, steps = [matrix.copy() for matrix in network.weights], epochs * (len(dataset.labels) // BATCH_SIZE)
    for _ in mlp.train(network, dataset, steps, LEARNING_RATE, BATCH_SIZE, seed, MOMENTUM, nesterov=True):
        pass
    ends = before, network.weights
    cuts = motifs.weight_cuts(np.concatenate([matrix.ravel() for weights in ends for matrix in weights]))
    rng = streams.generator(seed, streams.LINKS)
    return [motifs.compare_with_parts(motifs.from_layers([motifs.weight_colors(matrix, cuts) for matrix in weights]),
                                      SIZE, nulls, rng, sizes) for weights in ends]


def summarize(comparisons):
    """Return the rows of all nets.

    comparisons : {(data, init, labels): list of what `compare_net` returns for each seed}
    """
    rows, changes = [], {}
    for (data, init, labels), nets in comparisons.items():
        before, after = zip(*nets, strict=True)
        of_z = {motifs.text_of(row["adjacency"]): row for row in motifs.changes(before, after)}
        beyond = {motifs.text_of(row["adjacency"]): row for row in motifs.changes(*(
            [replace(net, z=net.beyond, differs=np.isfinite(net.beyond)) for net in end] for end in (before, after)))}
        changes[data, init, labels] = of_z, beyond
        raised = {motif for motif, row in of_z.items() if motifs.is_raised(row)}
        raised_beyond = {motif for motif, row in beyond.items() if motifs.is_raised(row)}
        untrained = np.concatenate([net.beyond[np.isfinite(net.beyond)] for net in before])
        explained = np.concatenate([net.explained[np.isfinite(net.explained)] for net in before])
        rows.append({"part": "learning", "data": data, "init": init, "labels": labels, "runs": len(nets),
                     "tested": len(of_z), "raised": len(raised), "tested_beyond": len(beyond),
                     "beyond": len(raised_beyond), "both": len(raised & raised_beyond),
                     "explained": float(np.median(explained)) if explained.size else 0.0,
                     "untrained_beyond_2": 100 * float(np.mean(np.abs(untrained) > 2)) if untrained.size else 0.0})
    return rows + motif_rows(changes)


def motif_rows(changes):
    """Return a row for each motif worth drawing, in each group of nets that has it.

    changes : {(data, init, labels): two dicts {motif: row of motifs.changes}, of Z and of Z beyond the parts}

    Of each data set these are the motifs whose Z increases most with real labels, those that learning raises first.
    """
    rows = []
    for data in dict.fromkeys(data for data, _, _ in changes):
        increase = {}  # the largest one over the initialisations
        for (name, _, labels), (of_z, _) in changes.items():
            for motif, row in of_z.items() if (name, labels) == (data, "real") else ():
                increase[motif] = max(increase.get(motif, (False, -np.inf)),
                                      (motifs.is_raised(row), row["after"] - row["before"]))
        for motif in sorted(increase, key=increase.get, reverse=True)[:LINES]:
            for (name, init, labels), (of_z, beyond) in changes.items():
                if name == data and motif in of_z:
                    row = of_z[motif]
                    rows.append({"part": "motif", "data": data, "init": init, "labels": labels, "motif": motif}
                                | {key: row[key] for key in ("id", "before", "after", "q")}
                                | ({f"beyond_{key}": beyond[motif][key] for key in ("before", "after", "q")}
                                   if motif in beyond else {}))
    return rows


def finding_of(rows):
    """Return which share of the motifs learning raises, as such and beyond their parts, in one sentence."""
    tested, raised, beyond = ({labels: sum(row[key] for row in rows if row["part"] == "learning"
                                           and row["labels"] == labels) for labels in ("real", "shuffled")}
                              for key in ("tested", "raised", "beyond"))
    if not tested["real"]:
        return "Too few nets have the same motifs to tell what learning does: take 3 runs or more"
    if not raised["real"]:
        return f"These seeds do not show that learning raises any of {tested['real']:,} motifs of five nodes"
    own = f"{beyond['real']:,}" if beyond["real"] else "but none"
    return f"Learning raises {raised['real']:,} motifs of five, {own} beyond what their motifs of four predict"


def caption_of(rows, settings):
    """Return what the figure is measured on, and how well parts predict."""
    explained, beyond = ([row[key] for row in rows if row["part"] == "learning"]
                         for key in ("explained", "untrained_beyond_2"))
    return (f"n = {plots.counted(settings.runs, 'seed')}; {settings.images}: 784-128-10 net, "
            f"n = {plots.counted(settings.wide_runs, 'seed')}. Other nets have two hidden layers of 30 units. Z over "
            f"{settings.nulls} random nets that keep the layers; shaded: |Z| up to 2.\n"
            f"The parts of a motif are the motifs of four nodes in it. They predict {100 * min(explained):.0f} to "
            f"{100 * max(explained):.0f} % of the variance of its count over random nets. Beyond them, "
            f"{min(beyond):.1f} to {max(beyond):.1f} % of the motifs of untrained nets have |Z| above 2 (5 % by "
            "chance).")


# ---- figure -----------------------------------------------------------------------------------------------

@plots.styled
def picture(rows, title, caption):
    """Draw the motifs that learning raises most, and the shares of motifs that learning raises."""
    learning, of_motifs = ([row for row in rows if row["part"] == part] for part in ("learning", "motif"))
    inits = list(dict.fromkeys(row["init"] for row in learning))[:COLUMNS]
    lines = []  # (data, motif) from top to bottom; a line without motif is a heading
    for data in dict.fromkeys(row["data"] for row in learning):
        lines += [(data, None), *((data, motif) for motif in dict.fromkeys(
            row["motif"] for row in of_motifs if row["data"] == data))]
    groups = list(dict.fromkeys((row["data"], row["init"]) for row in learning))
    heights = 0.5 * len(lines), 0.8 + 0.27 * len(groups)
    figure, panels = plots.figure([["motifs", *inits], [".", *["shares"] * len(inits)]], 2.0 + 2.7 * max(3, len(inits)),
                                  sum(heights) + 3.0, title, caption, height_ratios=heights,
                                  width_ratios=[2.0, *[2.7] * len(inits)])
    motifs.draw_column(panels["motifs"], lines, motifs.edge_styles(len(motifs.WEIGHT_COLORS)), 0.6)
    for place, init in enumerate(inits):
        axes = panels[init]
        draw_changes(axes, lines, [row for row in of_motifs if row["init"] == init],
                     {row["data"] for row in learning if row["init"] == init})
        axes.set_title(f"from {init}")
        if place:
            axes.sharex(panels[inits[0]])
    name_marks(figure, panels[inits[0]])
    draw_shares(panels["shares"], learning, groups)
    return figure


def draw_changes(axes, lines, rows, measured):
    """Draw mean Z of each line's motif before and after training, and Z beyond the parts after training as a diamond.

    rows : of one initialisation; measured : the data sets that were learned from it
    """
    rows_of = {(row["data"], row["motif"], row["labels"]): row for row in rows}
    axes.axvspan(-2, 2, color=plots.PALE, alpha=0.4, lw=0)
    for place, (data, motif) in enumerate(lines):
        if motif is None and data not in measured:
            axes.text(0.5, place + 1, "not measured", transform=axes.get_yaxis_transform(), ha="center", fontsize=8,
                      color=plots.GREY)
        for labels, shift, color, mark in (("real", -0.08, plots.GREEN, "o"), ("shuffled", 0.2, plots.GREY, "s")):
            if (row := rows_of.get((data, motif, labels))) is None:
                continue
            y, changed = place + shift, row["q"] < 0.05
            size = 6 if labels == "real" else 4
            axes.plot([row["before"], row["after"]], [y, y], color=color, lw=3 if changed else 1.2)
            axes.plot(row["before"], y, mark, color=color, ms=size, mfc="white")
            axes.plot(row["after"], y, mark, color=color, ms=size)
            if labels == "real" and "beyond_after" in row:
                filled = row["beyond_q"] < 0.05 and row["beyond_after"] > row["beyond_before"]
                axes.plot(row["beyond_after"], y, "D", color=plots.RED, ms=5, mfc=plots.RED if filled else "white",
                          zorder=5)
    axes.set(xlabel="mean Z over seeds", ylim=(len(lines) - 0.4, -0.6), yticks=[])
    axes.spines["left"].set_visible(False)


def name_marks(figure, axes):
    """Say below the figure what the edges of motifs and the marks of a panel are."""
    styles = motifs.edge_styles(len(motifs.WEIGHT_COLORS))
    handles = [axes.plot([], [], **styles[color], label=f"{name} weight")[0]
               for color, name in motifs.WEIGHT_COLORS.items()]
    for mark, color, fill, words in (("o", plots.GREEN, "white", "before learning"),
                                     ("o", plots.GREEN, plots.GREEN, "after learning (thick line: q < 0.05)"),
                                     ("s", plots.GREY, plots.GREY, "shuffled labels"),
                                     ("D", plots.RED, "white", "after, beyond the parts (filled: raised)")):
        handles.append(axes.plot([], [], mark, color=color, mfc=fill, ms=5, label=words)[0])
    figure.legend(handles=handles, loc="outside lower left", ncols=4)


def draw_shares(axes, rows, groups):
    """Draw the percentage of the tested motifs that learning raises in each group of nets, (data, init)."""
    rows_of = {(row["data"], row["init"], row["labels"]): row for row in rows}
    marks = (("real", "raised", "tested", plots.GREEN, "o", -0.2, "raised"),
             ("real", "beyond", "tested_beyond", plots.RED, "D", 0.0, "raised beyond their parts"),
             ("shuffled", "raised", "tested", plots.GREY, "s", 0.2, "raised with shuffled labels"))
    for labels, key, total, color, mark, shift, words in marks:
        shown = [(100 * rows_of[*group, labels][key] / max(rows_of[*group, labels][total], 1), place + shift)
                 for place, group in enumerate(groups) if (*group, labels) in rows_of]
        axes.plot(*zip(*shown, strict=True), mark, color=color, ms=5, ls="", label=words)
    axes.set_yticks(range(len(groups)), [f"{data}, from {init}" for data, init in groups])
    axes.set(xlabel="% of the motifs that are tested", ylim=(len(groups) - 0.5, -0.5), title="motifs that learning "
             "raises")
    axes.set_xlim(-0.2, max(8, axes.get_xlim()[1]))
    axes.grid(axis="y", color=plots.PALE, lw=0.6)
    axes.legend(loc="lower right", fontsize=8)


def main(settings):
    checks.nonempty_tuples(datasets=settings.datasets, inits=settings.inits)
    checks.positive_integers(nulls=settings.nulls, runs=settings.runs, wide_runs=settings.wide_runs)
    checks.seed(settings.seed)
    if settings.nulls < 10:
        raise UserError(f"nulls is {settings.nulls}: expected 10 random nets or more, for a regression on the parts")
    inits = list(dict.fromkeys(settings.inits))
    names = [name for name in dict.fromkeys(settings.datasets) if name != settings.images]
    groups = {(name, init): (HIDDEN, ITEMS, EPOCHS, settings.runs) for name in names for init in inits}
    groups[settings.images, inits[0]] = WIDE_HIDDEN, WIDE_ITEMS, WIDE_EPOCHS, settings.wide_runs
    nets = [(group, labels, run) for group in groups for labels in ("real", "shuffled")
            for run in range(groups[group][-1])]
    comparisons, provenance = {}, {}
    for (name, init), labels, run in progress(nets, total=len(nets), label="nets"):
        hidden, items, epochs, _ = groups[name, init]
        seed = settings.seed + run
        dataset = datasets.load(name, limit=items, seed=seed)
        provenance[name, seed] = dataset.provenance
        comparisons.setdefault((name, init, labels), []).append(
            compare_net(dataset, hidden, epochs, init, labels, settings.nulls, seed))
    rows = summarize(comparisons)
    finding = finding_of(rows)
    return experiment.Result(
        rows, names=("part", "data", "init", "labels", "motif"),
        columns=("tested", "raised", "beyond", "explained"), headings=HEADINGS, finding=finding,
        printed=[{key: value for key, value in row.items() if key != "part"} for row in rows
                 if row["part"] == "learning"],
        figure=picture(rows, finding, caption_of(rows, settings)), data=list(provenance.values()),
        suggestion="--quick --inits 'normal(0.1)' 'normal(0.2)' shows how small weights must start")


if __name__ == "__main__":
    experiment.run(main)
