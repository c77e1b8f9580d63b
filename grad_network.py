"""Is a sampled gradient a social network?

Takes the gradient at one step of training, divides each absolute value by the largest, and draws each link with that
probability. Compares the networks with four null models: the same number of links anywhere in the matrix (shuffled
entries), the same number of links among the nodes that have one (Erdős-Rényi), the same degrees after merging
(undirected configuration), and the same out-degrees of inputs and in-degrees of hidden units (directed configuration).

Figure: the gradient, one sampled network, the degrees of both sides (CCDF, log-log, with the band of shuffled entries),
and clustering, path length and diameter of the sampled networks beside those of each null model.

With --model rbm the gradient is that of a restricted Boltzmann machine, for which the source hoped the same. With
--gradient FILE a matrix of your own is taken, and nothing is trained: a gradient that checkpoints.Recorder or your
training loop wrote, .npy, .npz or .safetensors. --list shows what the file holds, --layer picks one matrix.

Source: the essay "Social Network Patterns in Neural Network Gradients" (2016). Its net is a 784-784-10 tanh net with a
bias on the input layer alone, squared error, weights uniform in ±0.25, trained on single samples. The essay merges
input i and hidden unit i into one node. This script does so if there are equally many, unless --layers says bipartite.

Takes 2 s on MNIST, 40 s and 1 GB on CIFAR-10, on one core.
"""
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import essay
from gradnets import checkpoints, checks, datasets, experiment, networks, plots
from gradnets.errors import UserError

GRADIENT = ""               # file with a gradient of your own: .npy, .npz or .safetensors
LAYER = "*"                 # name of the matrix in the file, or a pattern that matches this matrix only
KERNELS = "oihw"            # axes of convolution kernels in the file: oihw (PyTorch) or hwio (JAX, Keras)
LIST = False                # only show what the file holds
MODEL = "mlp"               # mlp (perceptron) or rbm (restricted Boltzmann machine, contrastive divergence CD-1)
DATASET = "glyphs"          # data set: glyphs, noise, noise-constant, mnist, cifar10, cifar100, tree or clusters
IMAGES = 10_000             # largest number of training images, from the first on; the essay used 50_000
HIDDEN_UNITS = "inputs"     # number of hidden units, or inputs for as many as inputs, so that the gradient is square
ACTIVATION = "tanh"         # activation of the perceptron: tanh, relu or leaky(slope)
LOSS = "squared"            # loss of the perceptron: squared or cross-entropy
INIT = "default"            # weights: default, uniform(scale), normal(scale), glorot, glorot-normal or orthogonal(gain)
LEARNING_RATE = 0.1         # step length of SGD; the essay used 0.01, 0.1 and 1.0
STEPS = 500                 # number of training steps; the gradient is that of the last step
BATCH_SIZE = 1              # samples per step
SEED = 0                    # seed of data, weights, order of samples, and links
DRAWS = 50                  # number of sampled networks, and of networks of each null model
METHOD = "sample"           # sample (draw links by probability) or threshold (keep the largest entries)
CUT = 0.0                   # threshold keeps entries above this share of the largest; 0 keeps as many as sampling draws
LAYERS = "auto"             # merged (input i and hidden unit i are one node), bipartite, or auto (merged if square)
GRAPHML = False             # also write the first sampled network for Gephi, Cytoscape or networkx
# ---- not flags
METHODS = ("sample", "threshold")
# Numbers in the essay, of one network each: (diameter, clustering) by data set and learning rate.
ESSAY = {("mnist", 0.01): (5, 0.259), ("mnist", 0.1): (4, 0.279), ("mnist", 1.0): (6, 0.08),
         ("cifar10", 0.1): (4, 0.215)}
COLUMNS = ("draws", "edges", "clustering", "observed_over_this", "path_length", "diameter")
HEADINGS = {"observed_over_this": "observed / this"}


@dataclass(frozen=True)
class Gradient:
    """A gradient, its sampling probabilities (n, m), and what the record of the run says about them."""

    values: np.ndarray
    probabilities: np.ndarray
    layers: str
    description: str            # the beginning of the caption
    data: list                  # provenance
    degenerate: int | None = None  # number of degenerate training steps; None for a matrix from a file


def main(settings):
    check(settings)
    if settings.list:
        return experiment.Result(checkpoints.table_of_contents(settings.gradient), names=("name",))
    gradient = gradient_of_file(settings) if settings.gradient else trained_gradient(settings)
    probabilities = gradient.probabilities
    if settings.method == "threshold":
        probabilities = networks.comparison.threshold_probabilities(probabilities, settings.cut)
    measurements, first = networks.comparison.draw(probabilities, gradient.layers, settings.draws, settings.seed)
    rows = table(settings, gradient, networks.comparison.summary(measurements))
    files = {".npz": {"gradient": gradient.values, "adjacency": first}}
    if settings.graphml:
        files[".graphml"] = networks.to_networkx(first, gradient.layers)
    finding = networks.comparison.verdict(rows)
    figure = picture(rows, gradient, first, measurements, finding, caption(settings, gradient))
    return experiment.Result(rows, names=("network",), columns=COLUMNS, headings=HEADINGS, finding=finding,
                             figure=figure, files=files, data=gradient.data)


# ---- the gradient -----------------------------------------------------------------------------------------

def gradient_of_file(settings):
    """Return the Gradient of the one matrix that --gradient and --layer name."""
    path = settings.gradient
    name, values = single_matrix(path, settings.layer, settings.kernels)
    layers = resolved_layers(settings.layers, *values.shape)
    try:
        probabilities = networks.probabilities(values)
    except networks.DegenerateMatrix as error:
        raise networks.DegenerateMatrix(f"{path}, {name}: {error}") from None
    rows, columns = values.shape
    return Gradient(values, probabilities, layers,
                    f"{name} of {Path(path).name}, {rows:,} x {columns:,}, seed {settings.seed}",
                    checkpoints.provenance(path, settings.layer))


def single_matrix(path, layer, kernels):
    """Return name and values, float32 or float64 (n, m), of the one matrix of a file that `layer` matches."""
    matrices = checkpoints.matrices(path, layer, kernels)
    matrix, second = next(matrices), next(matrices, None)
    if second is not None:
        raise UserError(f"{path} has {matrix.name}, {second.name} and perhaps more: pick one with --layer, --list "
                        "shows them")
    return matrix


def trained_gradient(settings):
    """Return the Gradient at the last training step."""
    dataset = datasets.load(settings.dataset, limit=settings.images, seed=settings.seed)
    inputs = dataset.inputs.shape[1]
    hidden_units = inputs if settings.hidden_units == "inputs" else int(settings.hidden_units)
    layers = resolved_layers(settings.layers, inputs, hidden_units)
    net = {} if settings.model == "rbm" else {"activation": settings.activation, "loss": settings.loss}
    values, degenerate = essay.gradient(dataset, hidden_units, settings.steps, settings.learning_rate,
                                        settings.batch_size, settings.seed, settings.model, settings.init, **net)
    try:
        probabilities = essay.sampling_probabilities(values, inputs)
    except networks.DegenerateMatrix as error:
        raise networks.DegenerateMatrix(f"step {settings.steps} ({degenerate} steps are degenerate): {error}") from None
    model = (f"{inputs}-{hidden_units} Boltzmann machine by CD-1" if settings.model == "rbm" else
             f"{inputs}-{hidden_units}-{dataset.classes} {settings.activation} net, {settings.loss} loss")
    description = (f"{dataset.name}, {len(dataset.labels):,} items, {model}, "
                   f"init {essay.named_init(settings.model, settings.init)}, learning rate {settings.learning_rate:g}, "
                   f"batch {settings.batch_size}, seed {settings.seed};\n"
                   f"gradient of step {settings.steps} ({degenerate} of {settings.steps} degenerate)")
    return Gradient(values, probabilities, layers, description, [dataset.provenance], degenerate)


def resolved_layers(layers, inputs, hidden_units):
    """Return "merged" or "bipartite" for a matrix of this size; `layers` may be "auto"."""
    if layers == "merged" and hidden_units != inputs:
        raise UserError(f"merging layers needs as many hidden units as the {inputs} inputs, there are "
                        f"{hidden_units}: take --layers bipartite or auto")
    return ("merged" if inputs == hidden_units else "bipartite") if layers == "auto" else layers


# ---- the rows ---------------------------------------------------------------------------------------------

def table(settings, gradient, summary):
    """Return all rows: observed networks, the essay's network, null models and closed form, where they apply."""
    null_models = {row["network"]: row for row in summary}
    observed = null_models.pop(networks.comparison.OBSERVED)
    if gradient.degenerate is None:
        return [observed, *null_models.values()]
    observed["degenerate_steps"] = gradient.degenerate
    return [observed, *rows_of_essay(settings, gradient), *null_models.values(),
            *rows_of_closed_form(settings, gradient)]


def rows_of_essay(settings, gradient):
    """Return the row of the essay's network, in a list; an empty list unless the settings are those of the essay."""
    inputs, hidden_units = gradient.probabilities.shape
    same = (settings.model, hidden_units, settings.activation, settings.loss, settings.init, settings.batch_size,
            settings.method, gradient.layers) == ("mlp", inputs, "tanh", "squared", "default", 1, "sample", "merged")
    setting = settings.dataset, settings.learning_rate
    if not same or setting not in ESSAY:
        return []
    diameter, clustering = ESSAY[setting]
    return [{"network": "the essay's one network", "diameter": diameter, "clustering": clustering}]


def rows_of_closed_form(settings, gradient):
    """Return the row of the closed form, in a list; an empty list unless layers are merged and samples single."""
    if (settings.model, settings.method, settings.batch_size, gradient.layers) != ("mlp", "sample", 1, "merged"):
        return []
    row, column = networks.rank_one(gradient.probabilities)
    return [{"network": "closed form, rank one", "edges": networks.expected_degrees(row, column).sum() / 2,
             "clustering": networks.expected_clustering(row, column)}]


# ---- the figure -------------------------------------------------------------------------------------------

def caption(settings, gradient):
    method = {"sample": "sampled", "threshold": f"thresholded at {settings.cut:g}" if settings.cut else "thresholded"}
    return (f"{gradient.description}, {method[settings.method]}, layers {gradient.layers}. Dots are medians, bars the "
            f"middle 90 % of n = {settings.draws} networks of each kind; rings are single numbers.")


@plots.styled
def picture(rows, gradient, first, measurements, title, caption):
    """Draw the figure; first: bool (inputs, hidden), one network; measurements: as comparison.draw returns them."""
    figure, panels = plots.figure([["gradient", "network", "degrees"], ["clustering", "path_length", "diameter"]],
                                  12, 7.8, title, caption, height_ratios=(1.1, 1))
    # Hubs first and without the dark inputs, so that rank one shows as a corner.
    probabilities = gradient.probabilities
    inputs = np.argsort(-probabilities.sum(axis=1), kind="stable")[:np.count_nonzero(probabilities.any(axis=1))]
    order = np.ix_(inputs, np.argsort(-probabilities.sum(axis=0), kind="stable"))
    plots.draw_matrix(panels["gradient"], probabilities[order])
    plots.draw_matrix(panels["network"], first[order])
    panels["gradient"].set(title="|gradient| over its largest entry", ylabel=f"the {len(inputs)} inputs that are not 0")
    panels["network"].set(title=f"one network: {first.sum():,} links, unmerged")
    for name in ("gradient", "network"):
        panels[name].set(xlabel="hidden units, largest first")
    draw_degrees(panels["degrees"], measurements)
    clustering = "mean over the nodes" if gradient.layers == "merged" else "four-cycles, of the paths of three links"
    for key, xlabel in (("clustering", clustering), ("path_length", "mean over pairs, links"),
                        ("diameter", "longest shortest path, links")):
        plots.draw_intervals(panels[key], rows, key, show_labels=key == "clustering")
        panels[key].set(title=key.replace("_", " "), xlabel=xlabel)
        panels[key].locator_params("x", nbins=5, steps=[1, 2, 5, 10], integer=key == "diameter")
    return figure


def draw_degrees(axes, measurements):
    for side, color, label in (("out", plots.BLUE, "inputs"), ("in", plots.RED, "hidden units")):
        observed, shuffled = ([measurement.degrees[side] for measurement in measurements[name]]
                              for name in (networks.comparison.OBSERVED, networks.comparison.SHUFFLED))
        plots.draw_ccdf(axes, shuffled, color, None, band=True)
        plots.draw_ccdf(axes, observed, color, label)
    axes.set(title="degrees", xlabel="degree (shaded: entries shuffled)",
             ylabel="share of units with at least this degree")
    axes.legend(loc="lower right", bbox_to_anchor=(1.03, 0.98), ncols=2, fontsize=8, handlelength=1, columnspacing=1)


# ---- checks -----------------------------------------------------------------------------------------------

def check(settings):
    checks.choice("model", settings.model, essay.MODELS)
    checks.choice("method", settings.method, METHODS)
    checks.choice("layers", settings.layers, ("auto", *networks.LAYERS))
    checks.positive_integers(images=settings.images, steps=settings.steps, batch_size=settings.batch_size,
                             draws=settings.draws)
    if not 0 <= settings.cut < 1:
        raise UserError(f"cut is {settings.cut}: expected a share of the largest entry, in [0, 1)")
    if settings.cut and settings.method != "threshold":
        raise UserError(f"cut is {settings.cut}, but method is {settings.method}: a cut needs --method threshold")
    checkpoints.check_flags("gradient", settings.gradient, settings.layer, settings.kernels, settings.list)
    hidden_units = str(settings.hidden_units)
    if hidden_units != "inputs" and not (hidden_units.isdecimal() and int(hidden_units) > 0):
        raise UserError(f"hidden_units is {settings.hidden_units!r}: expected a positive integer, or inputs")


if __name__ == "__main__":
    experiment.run(main)
