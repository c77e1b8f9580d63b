"""Are the trained weights of a perceptron a complex network?

Trains nets, divides each absolute weight of the first layer by the largest, and draws each link with that probability,
or keeps the same number of largest entries (threshold). Compares both kinds of network with the null models of
grad_network.py, before and after training. A net with as many hidden units as inputs is merged, as the essay merges
gradients. Any other net keeps its layers apart, and four-cycles are counted instead of triangles.

If a 784-30 net is merged all the same, hidden unit i with input i, a triangle needs two nodes that are hidden units,
and so a link from one of the first 30 inputs to a hidden unit. On MNIST those inputs are always dark, so their weights
keep the initial values. If these are small, there are almost no such links. The columns shared_links and triangles
count both.

With --weights FILE the matrices of your own net are taken, and nothing is trained: .npy, .npz or .safetensors. --list
shows what the file holds, --layer picks matrices by name or pattern. Square matrices are merged.

Figure: the clustering over that of shuffled entries and of the same degrees, one line per network; and of the net that
clusters most over shuffled entries the trained weights, the degrees, the weights of the first inputs, and how many
inputs share a degree with either method.

Source: README of mlp_gradient_networks (2016): the weight network of a trained 784-30-10 net is not a complex network.
The source does not say how weights were initialised, so there are two laws.

Takes 35 s.
"""
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import essay
from gradnets import checkpoints, checks, datasets, experiment, networks, plots
from gradnets.progress import progress

WEIGHTS = ""                # file with weights of your own: .npy, .npz or .safetensors
LAYER = "*"                 # matrices of the file to compare, by name or pattern
KERNELS = "oihw"            # axes of convolution kernels in the file: oihw (PyTorch) or hwio (JAX, Keras)
LIST = False                # list the tensors of the file, and do nothing else
DATASET = "glyphs"          # data set: glyphs, noise, noise-constant, mnist, cifar10, cifar100, tree or clusters
IMAGES = 10_000             # largest number of training images, from the first on
HIDDEN_UNITS = (30, 784)    # numbers of hidden units, one net each; layers are merged if as many as inputs
INITS = ("uniform(0.25)",
         "normal(0.01)")    # laws of weights: uniform(scale), normal(scale), glorot, glorot-normal, orthogonal(gain)
LEARNING_RATE = 0.01        # step length of SGD
STEPS = 30_000              # number of single-sample training steps
DRAWS = 20                  # number of networks sampled from each matrix of weights, and of each null model
SEED = 0                    # seed of data, weights, samples and links
# ---- not flags
METHODS = {"sample": "drawn", "threshold": "largest kept"}
NAMES = ("net", "init", "when", "method")
COLUMNS = ("clustering", "over_shuffled", "over_degrees")
HEADINGS = {"method": "links", "over_shuffled": "clustering / shuffled", "over_degrees": "clustering / same degrees"}
SUGGESTION = "--weights FILE compares the weights of your own net, --quick trains for a tenth of the steps"
QUICK = {"steps": 3000, "draws": 5}


@dataclass(frozen=True)
class Comparison:
    """The networks of one net beside their null models: its Weights, rows, and degrees, as `compare` returns them."""

    weights: "Weights"
    rows: list
    degrees: dict

    def most_clustered(self, when):
        """Return the row of the network, trained or stored, that clusters most over shuffled entries."""
        return max((row for row in self.rows if row["when"] == when), key=lambda row: row["over_shuffled"])


@dataclass(frozen=True)
class Weights:
    """The matrices (n, m) of one layer, by when they were taken: untrained and trained, or stored."""

    net: str                # sizes of the net, or the name of the matrix
    init: str               # law of the initial weights, or the shape of the matrix
    matrices: dict
    rows_are_inputs: bool   # known of trained nets, not of matrices from a file

    @property
    def sides(self):
        """What rows and columns are."""
        return ("inputs", "hidden units") if self.rows_are_inputs else ("rows", "columns")


def main(settings):
    checks.nonempty_tuples(hidden_units=settings.hidden_units, inits=settings.inits)
    checks.positive_integers(images=settings.images, steps=settings.steps, draws=settings.draws,
                             hidden_units=settings.hidden_units)
    checkpoints.check_flags("weights", settings.weights, settings.layer, settings.kernels, settings.list)
    if settings.list:
        return experiment.Result(checkpoints.table_of_contents(settings.weights), names=("name",))
    return result_of_file(settings) if settings.weights else result_of_training(settings)


def result_of_file(settings):
    rows, zero, shown = [], [], None
    for name, values in checkpoints.matrices(settings.weights, settings.layer, settings.kernels):
        if not values.any():
            zero.append(name)
            continue
        weights = Weights(name, " x ".join(map(str, values.shape)), {"stored": values}, False)
        comparison = compare(weights, settings.draws, settings.seed)
        rows += comparison.rows
        shown = more_clustered(shown, comparison, "stored")
    if not rows:
        raise networks.DegenerateMatrix(f"{settings.weights}: {', '.join(zero)} is zero everywhere, choose another "
                                        "with --layer")
    matrices = plots.counted(len(rows) // len(METHODS), "matrix", "matrices")
    caption = (f"{Path(settings.weights).name}, {matrices}; n = {networks_and_nulls(settings.draws)} per line, "
               f"bars the middle 90 %, seed {settings.seed}.{about_layers(rows)}\nOn the right: {shown.weights.net}."
               + (f" Left out, all zero: {', '.join(zero)}." if zero else ""))
    return result(rows, "stored", shown, caption, checkpoints.provenance(settings.weights, settings.layer))


def result_of_training(settings):
    dataset = datasets.load(settings.dataset, limit=settings.images, seed=settings.seed)
    rows, shown = [], None
    for hidden_units in dict.fromkeys(settings.hidden_units):
        for init in dict.fromkeys(settings.inits):
            weights = trained_weights(dataset, hidden_units, init, settings.learning_rate, settings.steps,
                                      settings.seed)
            comparison = compare(weights, settings.draws, settings.seed)
            rows += comparison.rows
            shown = more_clustered(shown, comparison, "trained")
    caption = (f"{dataset.name}, {len(dataset.labels):,} items, tanh nets, targets -1 and 1, {settings.steps:,} "
               f"single-sample steps at learning rate {settings.learning_rate:g}, seed {settings.seed}; n = "
               f"{networks_and_nulls(settings.draws)} per line, bars the middle 90 %.\n"
               f"On the right: {shown.weights.net}, init {shown.weights.init}, whose networks cluster most."
               f"{about_layers(rows)}")
    return result(rows, "trained", shown, caption, [dataset.provenance])


def networks_and_nulls(draws):
    return plots.counted(draws, "network and null", "networks and nulls")


def more_clustered(first, second, when):
    """Return the Comparison whose networks cluster more over shuffled entries; the first may be None."""
    both = [comparison for comparison in (first, second) if comparison is not None]
    return max(both, key=lambda comparison: comparison.most_clustered(when)["over_shuffled"])


def about_layers(rows):
    """Return a sentence on what is counted, if some networks keep their layers apart."""
    if all(row["layers"] == "merged" for row in rows):
        return ""
    return " Where the layers differ in size they stay apart, and four-cycles are counted instead of triangles."


def result(rows, when, shown, caption, data):
    """Return the Result: all rows, and of one net its weights and degrees. shown : Comparison, of that net."""
    trained = [row for row in rows if row["when"] == when]
    finding = finding_of(trained, when)
    figure = picture(rows, shown, when, finding, caption)
    printed = [row | {"method": METHODS[row["method"]]} for row in trained]
    return experiment.Result(rows, names=NAMES, columns=COLUMNS, headings=HEADINGS, printed=printed, finding=finding,
                             figure=figure, data=data, suggestion=SUGGESTION)


# ---- measurements -----------------------------------------------------------------------------------------

def trained_weights(dataset, hidden_units, init, learning_rate, steps, seed):
    """Return the Weights of the first layer, float64 (inputs, hidden_units), untrained and trained."""
    network = essay.network(dataset, hidden_units, seed, init=init, targets=(-1.0, 1.0))
    net = "-".join(map(str, network.sizes))
    untrained = network.weights[0].copy()
    training = essay.train(network, dataset, steps, learning_rate, batch_size=1, seed=seed)
    for _ in progress(training, total=steps, label=f"training {net}"):
        pass
    return Weights(net, init, {"untrained": untrained, "trained": network.weights[0]}, True)


def compare(weights, draws, seed):
    """Compare the networks of all matrices, by both methods, with their null models.

    Returns a Comparison. Its degrees are, by (when, method) and then by name of the network, the list of degrees that
    networks.comparison measures.
    """
    rows, degrees = [], {}
    for when, matrix in weights.matrices.items():
        for method in METHODS:
            probabilities = networks.probabilities(matrix)
            if method == "threshold":
                probabilities = networks.comparison.threshold_probabilities(probabilities)
            row, degrees[when, method], first = compare_with_nulls(probabilities, draws, seed)
            if weights.rows_are_inputs and len(first) > first.shape[1]:
                row["shared_links"], row["triangles"] = links_if_merged(first)
            rows.append({"net": weights.net, "init": weights.init, "when": when, "method": method} | row)
    return Comparison(weights, rows, degrees)


def compare_with_nulls(probabilities, draws, seed):
    """Compare sampled networks with their null models, merged if the matrix is square.

    Returns
    -------
    row : dict
        Numbers of the sampled networks, and their clustering over that of each null model.
    degrees : dict of str to list
        Of sampled networks and of shuffled entries, the degrees of both sides.
    first : bool array (n, m)
        The first sampled network.
    """
    comparison = networks.comparison
    layers = "merged" if probabilities.shape[0] == probabilities.shape[1] else "bipartite"
    measurements, first = comparison.draw(probabilities, layers, draws, seed)
    rows = {row["network"]: row for row in comparison.summary(measurements)}
    row = {"layers": layers}
    for key in ("edges", "clustering", "diameter", "out_degrees", "units_of_commonest"):
        row |= interval(rows[comparison.OBSERVED], key, key)
    for null_model, key in ((comparison.SHUFFLED, "over_shuffled"),
                            (comparison.DIRECTED_CONFIGURATION, "over_degrees"),
                            (comparison.UNDIRECTED_CONFIGURATION, "over_undirected"),
                            (comparison.ERDOS_RENYI, "over_erdos_renyi")):
        if null_model in rows:  # bipartite networks have no undirected null models
            row |= interval(rows[null_model], "observed_over_this", key)
    degrees = {name: [measurement.degrees for measurement in measurements[name]]
               for name in (comparison.OBSERVED, comparison.SHUFFLED)}
    return row, degrees, first


def interval(row, key, new_key):
    """Return median and interval of a column under a new name."""
    return {new_key + end: row[key + end] for end in ("", "_low", "_high")}


def links_if_merged(links):
    """Count links between hidden units, and triangles, once hidden unit i and input i are merged.

    links : bool (inputs, hidden), more inputs than hidden units. Returns two ints.
    """
    inputs, hidden = links.shape
    square = np.zeros((inputs, inputs), dtype=bool)
    square[:, :hidden] = links
    merged = networks.merge_layers(square)
    triangles = int(networks.triangles(networks.pack(merged)).sum()) // 3
    return np.count_nonzero(np.triu(merged[:hidden, :hidden])), triangles


# ---- finding and figure -----------------------------------------------------------------------------------

def finding_of(rows, when):
    """State how much more the networks cluster than shuffled entries, and whether their degrees explain it."""
    largest = max(row["over_shuffled"] for row in rows)
    if largest < 1.1:
        return f"{when.capitalize()} weights cluster no more than shuffled ones (at most {largest:.2f} times)"
    start = f"{when.capitalize()} weights cluster up to {largest:.1f} times as much as shuffled ones"
    explained = all(row["over_degrees_low"] >= 0.9 and row["over_degrees_high"] <= 1.1 for row in rows)
    return f"{start}: degrees explain it" if explained else f"{start}, not by degrees alone"


@plots.styled
def picture(rows, shown, when, title, caption):
    """Draw all rows at the left, and one net at the right.

    shown : the Comparison of that net
    when : which of its matrices the panels of a single matrix show.
    """
    figure, panels = plots.figure([["ratios", "matrix", "degrees"], ["ratios", "strengths", "shared"]], 13,
                                  max(7, 2 + 0.3 * len(rows)), title, caption, width_ratios=(1.35, 1, 1))
    comparison, (row_units, column_units) = networks.comparison, shown.weights.sides
    method = shown.most_clustered(when)["method"]
    draw_ratios(panels["ratios"], rows, when)
    magnitudes = np.abs(shown.weights.matrices[when])
    order = np.ix_(np.argsort(-magnitudes.sum(axis=1)), np.argsort(-magnitudes.sum(axis=0)))
    plots.draw_matrix(panels["matrix"], magnitudes[order] / magnitudes.max())
    panels["matrix"].set(title=f"|{when} weights| / largest", xlabel=f"{column_units}, strongest first",
                         ylabel=f"{row_units}, strongest first")
    for side, color, dash, label in (("out", plots.BLUE, "-", row_units), ("in", plots.RED, "--", column_units)):
        drawn = shown.degrees[when, method]
        plots.draw_ccdf(panels["degrees"], [d[side] for d in drawn[comparison.SHUFFLED]], color, None, band=True)
        plots.draw_ccdf(panels["degrees"], [d[side] for d in drawn[comparison.OBSERVED]], color, None)
        line = panels["degrees"].lines[-1]
        line.set_linestyle(dash)
        plots.label_line(panels["degrees"], *line.get_data(), label, color)
    panels["degrees"].set(title=f"degrees, {METHODS[method]}", xlabel="degree (shaded: shuffled entries)",
                          ylabel="share of units with at least this degree")
    draw_shared_degrees(panels["shared"], shown.degrees, when, row_units)
    draw_strengths(panels["strengths"], shown.weights)
    return figure


def draw_strengths(axes, weights):
    """Draw the largest weights of the first units; inputs that merging would pair with hidden units are shaded."""
    (units, _), matrices = weights.sides, list(weights.matrices.values())
    strengths = {name: np.abs(matrix[:200]).max(axis=1) for name, matrix in weights.matrices.items()}
    for (name, values), (color, width) in zip(strengths.items(), ((plots.GREY, 3), (plots.RED, 1)), strict=False):
        axes.plot(values, color=color, lw=width, label=name, alpha=0.5 if width > 1 else 1)
    inputs, hidden = matrices[0].shape
    xlabel = units
    if weights.rows_are_inputs and hidden < inputs:
        axes.axvspan(-0.5, min(hidden, 200) - 0.5, color=plots.PALE, zorder=0)
        same = all((matrix[:hidden] == matrices[0][:hidden]).all() for matrix in matrices)
        xlabel += f"; merging would pair the {plots.counted(hidden, 'hidden unit')} with the\nshaded ones" + (
            ", which are always dark and stay untrained" if same else "")
    axes.set(title=f"largest |weight| of the first {units}", ylabel="|weight|", xlabel=xlabel,
             ylim=(0, 1.3 * max(map(np.max, strengths.values()))))
    axes.legend(fontsize=8, loc="upper right", ncols=2)


def draw_shared_degrees(axes, degrees, when, units):
    """Draw how many units share each degree, in one network of each method."""
    for (method, label), color, marker in zip(METHODS.items(), (plots.INK, plots.RED), "os", strict=True):
        first, *_ = degrees[when, method][networks.comparison.OBSERVED]
        sharing = np.sort(np.bincount(first["out"])[1:])[::-1]  # units without a link are left out
        axes.plot(range(1, np.count_nonzero(sharing) + 1), sharing[sharing > 0], marker + "-", color=color, lw=0.8,
                  ms=3, label=label)
    axes.set(title=f"{units} that share a degree", xlabel="degrees, the commonest first", ylabel=units, yscale="log",
             xscale="log")
    axes.legend(fontsize=8, loc="upper right")


def draw_ratios(axes, rows, when):
    """Draw clustering over that of both null models, one line per network, under the name of its net.

    The largest ratio to shuffled entries, of the matrices that `when` names, is written beside its mark.
    """
    heights, labels, height, net = [], [], 0, None
    for row in rows:
        if (row["net"], row["init"]) != net:
            net = row["net"], row["init"]
            heights.append(height)
            labels.append(f"{net[0]}, {net[1]}")
            height += 1
        heights.append(height)
        labels.append(f"{row['when']}, {METHODS[row['method']]}")
        height += 1
    headers = [k for k, label in enumerate(labels) if label.split(", ")[-1] not in METHODS.values()]
    places = [place for k, place in enumerate(heights) if k not in headers]
    for key, color, marker, size, label in (("over_shuffled", plots.BLUE, "s", 8, "over shuffled entries"),
                                            ("over_degrees", plots.RED, "o", 4.5, "over the same degrees")):
        axes.hlines(places, [row[key + "_low"] for row in rows], [row[key + "_high"] for row in rows], color=color,
                    lw=4, alpha=0.3)
        axes.plot([row[key] for row in rows], places, marker, color=color, ms=size, label=label,
                  mfc="white" if marker == "s" else color)
    axes.plot([1, 1], [-0.5, height - 0.5], color=plots.INK, lw=0.8, zorder=0)
    largest, place = max((row["over_shuffled"], place) for row, place in zip(rows, places, strict=True)
                         if row["when"] == when)
    axes.annotate(f"{largest:.1f} times", (largest, place), xytext=(-9, 0), textcoords="offset points", ha="right",
                  va="center", fontsize=8, color=plots.BLUE, bbox={"fc": "white", "lw": 0, "pad": 1})
    axes.set(title="clustering over that of null models", yticks=heights, ylim=(height - 0.5, -1.8), xscale="log",
             yticklabels=labels, xlabel="clustering / clustering of the null model")
    low, high = axes.get_xlim()
    axes.set_xlim(min(low, 0.8), max(1.15 * high, 1.25))
    ticks = [tick for tick in (0.1, 0.2, 0.5, 1, 2, 3, 4, 5, 10, 20, 50, 100) if low <= tick <= axes.get_xlim()[1]]
    if len(ticks) > 1:  # else the axis has the ticks of all logarithmic axes
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.set_xticks([], minor=True)
    for k, label in enumerate(axes.get_yticklabels()):
        label.set(fontsize=8, fontweight="bold" if k in headers else "normal")
    axes.tick_params(axis="y", length=0)
    axes.hlines(places, 0, 1, transform=axes.get_yaxis_transform(), color=plots.PALE, lw=0.6, zorder=0)
    axes.legend(fontsize=8, loc="upper right", ncols=2)


if __name__ == "__main__":
    experiment.run(main)
