"""Are the trained weights of a perceptron a complex network?

Trains nets, takes the absolute values of the first layer's weights over the largest as chances of links, draws networks
from them or keeps the largest entries (threshold, as many links), and compares both with the nulls of grad_network.py,
untrained and trained. A net with as many hidden units as inputs is merged, as the essay merges gradients; another one
keeps its layers apart, where four-cycles take the place of triangles.

Merged all the same, hidden unit i with input i, a 784-30 net has a triangle only where two of its nodes are hidden
units: it takes a link from one of the first 30 inputs to a hidden unit. On MNIST those inputs are always dark, their
weights keep the initial values, and where these are small there are next to no such links. The columns shared_links
and triangles count both.

With --weights FILE it takes the matrices of your own net, and trains nothing: .npy, .npz or .safetensors; --list shows
what the file holds, --layer picks some by name or pattern. Square ones are merged.

Figure: the clustering over that of each null, a line a network; of the last net the trained weights, the degrees, the
weights of the first inputs, and how many inputs share a degree when links are drawn and when the largest are kept.

Source: README of mlp_gradient_networks (2016): the weight network of a trained 784-30-10 net is not a complex network.
The source's initialisation is not known, so there are two.

Takes 35 s.
"""
from pathlib import Path

import numpy as np

import mlp
from gradnets import comparison, datasets, experiment, graphs, metrics, plots, tensors

WEIGHTS = ""                # a file with weights of your own: .npy, .npz or .safetensors
LAYER = "*"                 # of WEIGHTS: the matrices, by name or pattern
KERNELS = "oihw"            # axes of convolutions' kernels in WEIGHTS: oihw (PyTorch) or hwio (JAX, Keras)
LIST = False                # only show what is in WEIGHTS
DATASET = "glyphs"          # glyphs, noise, noise-constant, mnist, cifar10, cifar100, tree or clusters
IMAGES = 10_000             # at most so many training images, from the first on
HIDDEN_UNITS = (30, 784)    # a net each; one with as many hidden units as inputs is merged
INITS = ("uniform(0.25)", "normal(0.01)")  # uniform(scale), normal(scale), glorot, glorot-normal, orthogonal(gain)
LEARNING_RATE = 0.01        # step length
STEPS = 30_000              # single-sample steps of training
DRAWS = 20                  # networks drawn from each matrix of weights, and of each null
SEED = 0                    # seeds data, weights, samples and links

WHEN = ("untrained", "trained")
METHODS = ("sample", "threshold")
# Observed clustering over that of each null; where layers stay apart there are two of them.
OVER = {comparison.SHUFFLED: "over_shuffled", comparison.DEGREES: "over_degrees",
        comparison.UNDIRECTED[0]: "over_undirected", comparison.UNDIRECTED[1]: "over_erdos_renyi"}


def weights_before_and_after(dataset, hidden_units, init, learning_rate, steps, seed):
    """The first layer's weights, float64 (inputs, hidden): {"untrained": ..., "trained": ...}."""
    sizes = (dataset.inputs.shape[1], hidden_units, dataset.classes)
    network = mlp.MLP(sizes, "tanh", "squared", init, seed, biases=(True, False), targets=(-1.0, 1.0))
    before = network.weights[0].copy()
    training = mlp.train(network, dataset, steps, learning_rate, seed=seed)
    for _ in experiment.progress(training, total=steps, what=f"training {'-'.join(map(str, sizes))}"):
        pass
    return {"untrained": before, "trained": network.weights[0]}


def compare(chances, draws, seed):
    """Of one matrix of chances: its row, the degrees of its networks and of shuffled ones, and its first network.

    Degrees are {name: list of sides}, the network is bool (n, m).
    """
    layers = "merged" if chances.shape[0] == chances.shape[1] else "bipartite"
    kinds, first = comparison.networks(chances, layers, draws, seed)
    rows = {row["network"]: row for row in comparison.summary(kinds)}
    observed = rows[comparison.OBSERVED]
    row = {"layers": layers}
    for key in ("edges", "clustering", "diameter", "out_degrees", "units_of_commonest"):
        row |= {key + end: observed[key + end] for end in ("", "_low", "_high")}
    for null, key in OVER.items():
        if null in rows:
            row |= {key + end: rows[null]["observed_over_this" + end] for end in ("", "_low", "_high")}
    degrees = {name: [sides for _, sides in kinds[name]] for name in (comparison.OBSERVED, comparison.SHUFFLED)}
    return row, degrees, first


def forced_together(links):
    """Links whose both ends are hidden units, and triangles, once hidden unit i and input i are one node.

    links: bool (inputs, hidden), more inputs than hidden units.
    """
    inputs, hidden = links.shape
    square = np.zeros((inputs, inputs), dtype=bool)
    square[:, :hidden] = links
    merged = graphs.merge_layers(square)
    return np.count_nonzero(np.triu(merged[:hidden, :hidden])), int(metrics.triangles(metrics.pack(merged)).sum()) // 3


def finding(rows):
    """What the networks of trained weights say, by the nulls."""
    trained = [row for row in rows if row["when"] != "untrained"]
    spans = [f"{min(row[key] for row in trained):.2f} to {max(row[key] for row in trained):.2f}"
             for key in ("over_shuffled", "over_degrees")]
    return (f"Networks of {trained[0]['when']} weights cluster {spans[0]} times as much as shuffled entries, "
            f"{spans[1]} times as much as their degrees")


@plots.styled
def picture(rows, weights, degrees, shared, title, caption, sides=("inputs", "hidden units")):
    """The figure.

    weights, degrees: of the last net, {when: matrix}, {(when, method): {name: list of sides}}; of these what is shown
    alone is the last. shared: the inputs that hidden units would share nodes with, 0 for none. sides: what the matrix's
    rows and columns are.
    """
    last = list(weights)[-1]
    figure, panels = plots.figure([["ratios", "matrix", "degrees"], ["ratios", "strengths", "shared"]], 14,
                                  max(8, 2 + 0.35 * len(rows)), title, caption)
    largest = np.abs(weights[last])
    order = np.ix_(np.argsort(-largest.sum(axis=1)), np.argsort(-largest.sum(axis=0)))
    plots.draw_matrix(panels["matrix"], largest[order] / largest.max())
    panels["matrix"].set(title=f"|{last} weights| over the largest", xlabel=f"{sides[1]}, strongest first",
                         ylabel=f"{sides[0]}, strongest first")
    for side, color, label in (("out", plots.BLUE, sides[0]), ("in", plots.RED, sides[1])):
        drawn = degrees[last, "sample"]
        plots.draw_ccdf(panels["degrees"], [d[side] for d in drawn[comparison.SHUFFLED]], color, None, band=True)
        plots.draw_ccdf(panels["degrees"], [d[side] for d in drawn[comparison.OBSERVED]], color, label)
    panels["degrees"].set(title="degrees, drawn", xlabel="degree (shaded: entries shuffled)",
                          ylabel="share of units with at least this degree", xscale="linear")
    panels["degrees"].legend(fontsize=8, loc="lower left")
    for method, color in zip(METHODS, (plots.INK, plots.RED), strict=True):
        of_first = degrees[last, method][comparison.OBSERVED][0]
        units = np.sort(np.bincount(of_first["out"])[1:])[::-1]  # those that share a degree, none left out
        panels["shared"].plot(range(1, np.count_nonzero(units) + 1), units[units > 0], ".-", color=color, lw=0.8,
                              label={"sample": "drawn", "threshold": "largest kept"}[method])
    panels["shared"].set(title=f"{sides[0]} that share a degree", xlabel="degrees, the commonest first",
                         ylabel=sides[0], yscale="log", xscale="log")
    panels["shared"].legend(fontsize=8)
    first = slice(0, 200)
    for when, color in zip(weights, (plots.GREY, plots.RED), strict=False):
        panels["strengths"].plot(np.abs(weights[when][first]).max(axis=1), color=color, lw=1, label=when)
    panels["strengths"].axvspan(0, shared, color=plots.PALE, zorder=0)
    panels["strengths"].set(title=f"largest |weight| of the first {sides[0]}", ylabel="|weight|",
                            xlabel=sides[0] + (f" (shaded: the first {shared})" if shared else ""))
    panels["strengths"].legend(fontsize=8)
    draw_ratios(panels["ratios"], rows)
    return figure


def draw_ratios(axes, rows):
    nulls = ("over_shuffled", plots.BLUE, "shuffled entries"), ("over_degrees", plots.RED, "the same degrees")
    for place, row in enumerate(rows):
        for key, color, label in nulls:
            axes.plot([row[key + "_low"], row[key + "_high"]], [place] * 2, color=color, lw=4, alpha=0.3)
            axes.plot(row[key], place, "o", color=color, ms=5, label=label if place == 0 else None)
    axes.axvline(1, color=plots.INK, lw=0.8, zorder=0)
    axes.set(title="observed clustering over that of", yticks=range(len(rows)), ylim=(len(rows) - 0.5, -0.5),
             yticklabels=[f"{row['net']} {row['init']}\n{row['when']}, {row['method']}" for row in rows],
             xlabel="ratio (of four-cycles where layers stay apart)")
    axes.tick_params(axis="y", length=0, labelsize=8)
    axes.grid(axis="y", color=plots.PALE, lw=0.6)
    axes.set_axisbelow(True)
    axes.legend(fontsize=8, loc="upper right")


def main():
    experiment.check_several(HIDDEN_UNITS=HIDDEN_UNITS, INITS=INITS)
    experiment.check_positive(IMAGES=IMAGES, STEPS=STEPS, DRAWS=DRAWS)
    if (LIST or LAYER != "*" or KERNELS != "oihw") and not WEIGHTS:
        raise ValueError("--list, --layer and --kernels are of a file: name it with --weights")
    if LIST:
        return tensors.table(WEIGHTS), None
    return of_file() if WEIGHTS else of_training()


def of_file():
    rows, zero = [], []
    for name, values in tensors.matrices(WEIGHTS, LAYER, KERNELS):
        if not values.any():
            zero.append(name)
            continue
        weights, degrees = {"stored": values}, {}
        chances = graphs.probabilities(values)
        for method in METHODS:
            kept = comparison.thresholded(chances) if method == "threshold" else chances
            row, degrees["stored", method], _ = compare(kept, DRAWS, SEED)
            rows.append({"net": name, "init": " x ".join(map(str, values.shape)), "when": "stored", "method": method}
                        | row)
    if not rows:
        raise graphs.DegenerateMatrix(f"{WEIGHTS}: {', '.join(zero)} is zero everywhere, choose another with --layer")
    caption = (f"{Path(WEIGHTS).name}, {len(rows) // len(METHODS)} matrices; n = {DRAWS} networks and nulls a line, "
               f"bars the middle 90 %, seed {SEED}.\nOn the right: {rows[-1]['net']}."
               + (f" Left out, all zero: {', '.join(zero)}." if zero else ""))
    return rows, picture(rows, weights, degrees, 0, finding(rows), caption, ("rows", "columns"))


def of_training():
    dataset = datasets.load(DATASET, limit=IMAGES, seed=SEED)
    rows = []
    for hidden_units in HIDDEN_UNITS:
        for init in INITS:
            weights = weights_before_and_after(dataset, hidden_units, init, LEARNING_RATE, STEPS, SEED)
            degrees = {}
            for when in WHEN:
                chances = graphs.probabilities(weights[when])
                for method in METHODS:
                    kept = comparison.thresholded(chances) if method == "threshold" else chances
                    row, degrees[when, method], first = compare(kept, DRAWS, SEED)
                    if len(first) > hidden_units:
                        row["shared_links"], row["triangles"] = forced_together(first)
                    net = "-".join(map(str, (dataset.inputs.shape[1], hidden_units, dataset.classes)))
                    rows.append({"net": net, "init": init, "when": when, "method": method} | row)
    caption = (f"{dataset.name}, {len(dataset.labels):,} items, tanh nets, targets -1 and 1, {STEPS:,} single-sample "
               f"steps at learning rate {LEARNING_RATE:g}, seed {SEED}; n = {DRAWS} networks and nulls a line, bars "
               f"the middle 90 %.\nOn the right: {rows[-1]['net']}, init {rows[-1]['init']}.")
    return rows, picture(rows, weights, degrees, min(HIDDEN_UNITS), finding(rows), caption)


if __name__ == "__main__":
    experiment.run(main)
