"""Is a sampled gradient a social network?

Takes the gradient at one step of training, divides each absolute value by the largest, and draws each link with that
probability. Compares the networks with four null models: the same number of links anywhere in the matrix (shuffled
entries), the same number of links among the nodes that have one (Erdős-Rényi), the same degrees after merging
(undirected configuration), and the same out-degrees of inputs and in-degrees of hidden units (directed configuration).

Figure: the inputs as an image, with circles as large as their out-degrees; the gradient, with the sums of its rows and
columns along its margins, which are all of it for a single sample; the clustering beside that of the null models; and
one network as nodes and links, beside one of the same degrees and one of shuffled entries. A second figure has degrees,
path length and diameter. With --animate a film shows the network over the steps of training.

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
from gradnets import checkpoints, checks, datasets, experiment, networks, plots, streams
from gradnets.errors import UserError
from gradnets.progress import progress

GRADIENT = ""               # file with a gradient of your own: .npy, .npz or .safetensors; empty to train a net
LAYER = "*"                 # name of the matrix in the file, or a pattern that matches this matrix only
KERNELS = "oihw"            # axes of convolution kernels in the file: oihw (PyTorch) or hwio (JAX, Keras)
LIST = False                # list the tensors of the file, and do nothing else
MODEL = "mlp"               # mlp (perceptron) or rbm (restricted Boltzmann machine, contrastive divergence CD-1)
DATASET = "glyphs"          # data set: glyphs, noise, noise-constant, mnist, cifar10, cifar100, tree or clusters
IMAGES = 10_000             # largest number of training images, from the first on; the essay used 50_000
HIDDEN_UNITS = "inputs"     # number of hidden units, or the word inputs for as many as inputs: a square gradient
ACTIVATION = "tanh"         # activation of the perceptron: tanh, relu or leaky(slope)
LOSS = "squared"            # loss of the perceptron: squared or cross-entropy
INIT = "default"            # weights: default, uniform(scale), normal(scale), glorot, glorot-normal or orthogonal(gain)
LEARNING_RATE = 0.1         # step length of SGD, 0 or more; the essay used 0.01, 0.1 and 1.0
STEPS = 500                 # number of training steps; the gradient is that of the last step
BATCH_SIZE = 1              # samples per step
SEED = 0                    # seed of data, weights, order of samples, and links
DRAWS = 50                  # number of sampled networks, and of networks of each null model
METHOD = "sample"           # sample (draw links by probability) or threshold (keep the largest entries)
CUT = 0.0                   # threshold keeps entries above this share of the largest, in [0, 1); 0: as many as sampling
LAYERS = "auto"             # merged (input i and hidden unit i are one node), bipartite, or auto (merged if square)
ANIMATE = False             # also write a film (GIF) of the network over the steps of training
GRAPHML = False             # also write the first sampled network for Gephi, Cytoscape or networkx
# ---- not flags
METHODS = ("sample", "threshold")
# Numbers in the essay, of one network each: (diameter, clustering) by data set and learning rate.
ESSAY = {("mnist", 0.01): (5, 0.259), ("mnist", 0.1): (4, 0.279), ("mnist", 1.0): (6, 0.08),
         ("cifar10", 0.1): (4, 0.215)}
SUGGESTION = "--animate films the network over training, --seeds 5 shows the spread over seeds"
FRAMES, SCENE_DRAWS = 60, 5  # of the film: frames, and networks that the clustering of a frame is measured on
COLUMNS = ("clustering", "observed_over_this", "edges", "path_length", "diameter")  # the first matters most
ESSAYS, CLOSED_FORM = "the essay's one network", "closed form, rank one"
IN_WORDS = networks.comparison.IN_WORDS | {CLOSED_FORM: "expected from degrees"}  # names of networks for readers
HEADINGS = IN_WORDS | {"edges": "links", "observed_over_this": "clustering observed / null",
                       "giant_nodes": "nodes of the largest component"}
IN_TABLE = (networks.comparison.OBSERVED, networks.comparison.DIRECTED_CONFIGURATION, CLOSED_FORM,
            networks.comparison.SHUFFLED, networks.comparison.ERDOS_RENYI, ESSAYS)  # the finding needs these networks
IN_FIGURE_OF_DEGREES = (*networks.comparison.IN_WORDS, ESSAYS)
SHAPES = {784: (28, 28), 3072: (32, 32)}  # height and width of images by their number of inputs; 3072 are three colors


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
    figure = picture(gradient, first, rows, finding, caption(settings, gradient, first), settings)
    figures = {"_degrees": picture_of_degrees(rows, measurements, gradient.description)}
    if settings.animate:
        files[".gif"] = film(settings)
    return experiment.Result(rows, names=("network",), columns=COLUMNS, headings=HEADINGS,
                             printed=in_words(rows, IN_TABLE), finding=finding, figure=figure, figures=figures,
                             files=files, data=gradient.data, suggestion=SUGGESTION)


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
    inputs, hidden_units, layers, net = net_of(settings, dataset)
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
                   f"batch {settings.batch_size}, seed {settings.seed}, "
                   f"step {settings.steps} ({degenerate} degenerate)")
    return Gradient(values, probabilities, layers, description, [dataset.provenance], degenerate)


def net_of(settings, dataset):
    """Return the numbers of inputs and hidden units, "merged" or "bipartite", and further arguments of the net."""
    inputs = dataset.inputs.shape[1]
    hidden_units = inputs if settings.hidden_units == "inputs" else int(settings.hidden_units)
    net = {} if settings.model == "rbm" else {"activation": settings.activation, "loss": settings.loss}
    return inputs, hidden_units, resolved_layers(settings.layers, inputs, hidden_units), net


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
    return [{"network": ESSAYS, "diameter": diameter, "clustering": clustering}]


def rows_of_closed_form(settings, gradient):
    """Return the row of the closed form, in a list; an empty list unless layers are merged and samples single."""
    if (settings.model, settings.method, settings.batch_size, gradient.layers) != ("mlp", "sample", 1, "merged"):
        return []
    row, column = networks.rank_one(gradient.probabilities)
    return [{"network": CLOSED_FORM, "edges": networks.expected_degrees(row, column).sum() / 2,
             "clustering": networks.expected_clustering(row, column)}]


def in_words(rows, names):
    """Return the rows with these names, in their order, and named in plain words."""
    by_name = {row["network"]: row for row in rows}
    return [by_name[name] | {"network": IN_WORDS.get(name, name)} for name in names if name in by_name]


# ---- the figures ------------------------------------------------------------------------------------------

def caption(settings, gradient, first):
    chance = {"sample": "A link's probability is |gradient| / largest",
              "threshold": f"Links are entries above {settings.cut:g} of the largest" if settings.cut else
              "Links are the largest entries"}
    degrees = networks.drawing.join_layers(first, gradient.layers).sum(axis=0)
    _, every = networks.drawing.chosen_nodes(degrees)
    shown = "every node" if every == 1 else f"1 node in {every}"
    return (f"{gradient.description}, layers {gradient.layers}.\n{chance[settings.method]}. Dots are medians, bars "
            f"the middle 90 % of n = {plots.counted(settings.draws, 'network')}. Below, {shown}; area: its links.")


@plots.styled
def picture(gradient, first, rows, title, caption, settings):
    """Draw the figure; first: bool (inputs, hidden), one network."""
    figure, panels = plots.figure([["inputs", "gradient", "clustering"], ["network", "twin", "shuffled"]], 11, 7.6,
                                  title, caption, height_ratios=(1, 1.15))
    draw_inputs(panels["inputs"], gradient.probabilities, first, single_sample(settings))
    draw_gradient(panels["gradient"], gradient.probabilities, settings)
    draw_clustering(panels["clustering"], rows, gradient.layers)
    draw_networks([panels[name] for name in ("network", "twin", "shuffled")], first, gradient.layers, rows,
                  streams.generator(settings.seed, streams.LINKS, settings.draws))
    return figure


def single_sample(settings):
    """Return whether the gradient is the product of one input and the deltas."""
    return settings.batch_size == 1 and settings.model == "mlp" and not settings.gradient


def draw_inputs(axes, probabilities, first, single):
    """Draw the degree of each input: on its pixel if inputs are images, else against its expected degree."""
    expected, degrees = probabilities.sum(axis=1), first.sum(axis=1)
    if len(degrees) in SHAPES:
        is_hub = degrees.max() >= first.sum(axis=0).max() / 2  # beside the hidden units
        networks.drawing.draw_hubs(axes, expected, degrees, *SHAPES[len(degrees)], "hub" if is_hub else "input")
        axes.set(title="the largest hubs are hidden units" if not is_hub else
                 "hubs are the strongest inputs" if single else "hubs have the largest gradients",
                 xlabel="area of a circle: links of this input")
    else:
        axes.plot(expected, degrees, "o", color=plots.RED, ms=4, alpha=0.6, mew=0)
        axes.set(title="inputs", xlabel="sum of |gradient| / largest", ylabel="links of an input")


def draw_gradient(axes, probabilities, settings):
    single = single_sample(settings)
    labels = ("input", "|delta|") if single else ("sums of rows", "sums of columns")
    inputs = networks.drawing.draw_outer_product(axes, probabilities, *labels)
    axes.set(title="|gradient| = input times |delta|" if single else "|gradient|",
             xlabel=f"{inputs:,} inputs x {probabilities.shape[1]:,} hidden units, largest first\n"
                    f"darker is larger: logarithms, down to 1/{1 / networks.drawing.PALEST:,.0f}")


def draw_clustering(axes, rows, layers):
    """Draw the clustering of the networks, of those null models that the finding needs, and of the essay's network."""
    shown = in_words(rows, IN_TABLE)
    plots.draw_intervals(axes, shown, "clustering", IN_WORDS[networks.comparison.OBSERVED], show_labels=False,
                         carry="ticks")
    for place, row in enumerate(shown):
        if row["network"] == ESSAYS:
            plots.draw_source(axes, row["clustering"], place)
        axes.annotate(f"{row['network']}: {row['clustering']:.3f}", (0.02, place), xytext=(0, 6), fontsize=9,
                      xycoords=("axes fraction", "data"), textcoords="offset points",
                      bbox={"fc": "white", "ec": "none", "pad": 0.5})
    axes.set(title="clustering", xlabel="mean over the nodes" if layers == "merged" else
             "share of paths of three links that close", xlim=(0, None), ylim=(len(shown) - 0.6, -0.7))
    axes.locator_params("x", nbins=5, steps=[1, 2, 5, 10])


def draw_networks(panels, first, layers, rows, rng):
    """Draw one network as nodes and links, one of the same degrees, and one of shuffled entries, on the same scales."""
    drawing, comparison = networks.drawing, networks.comparison
    kinds = {comparison.OBSERVED: first,
             comparison.DIRECTED_CONFIGURATION: networks.directed_configuration(first, rng),
             comparison.SHUFFLED: networks.shuffled_entries(first, rng)}
    joined = {name: drawing.join_layers(links, layers) for name, links in kinds.items()}
    largest = max(int(links.sum(axis=0).max()) for links in joined.values())
    clustering = {row["network"]: row["clustering"] for row in rows}
    colors = side_colors(first, layers)
    for axes, (name, links) in zip(panels, joined.items(), strict=True):
        drawing.draw_network(axes, links, colors, largest)
        axes.set_title(IN_WORDS[name], pad=20)
        color = plots.text_color(plots.RED) if name == comparison.OBSERVED else plots.INK
        axes.annotate(f"clustering {clustering[name]:.3f}", (0, 1), xytext=(0, 5), xycoords="axes fraction",
                      textcoords="offset points", fontsize=10, color=color)
    if colors is None:
        drawing.draw_color_key(panels[-1])
    else:
        panels[-1].text(1, 0, "blue: inputs\norange: hidden units", transform=panels[-1].transAxes, ha="right",
                        fontsize=8)


def side_colors(links, layers):
    """Return a color for each input and hidden unit, or None if layers are merged and so colors show clustering."""
    inputs, hidden_units = links.shape
    return None if layers == "merged" else [plots.BLUE] * inputs + [plots.ORANGE] * hidden_units


@plots.styled
def picture_of_degrees(rows, measurements, caption):
    """Draw degrees, path length and diameter beside those of the null models."""
    rows = [row for row in in_words(rows, IN_FIGURE_OF_DEGREES) if "diameter" in row]
    names, draws = {row["network"] for row in rows}, len(measurements[networks.comparison.OBSERVED])
    caption += (f".\nDots and lines: medians; bars: middle 90 % of n = {plots.counted(draws, 'network')} of each kind."
                + " Diamond: the essay's." * (ESSAYS in names)
                + " Relabelled: units are merged in other pairs." * (IN_WORDS[networks.comparison.RELABELED] in names))
    figure, panels = plots.figure([["degrees", "path_length", "diameter"]], 11, 4.2, title_of_degrees(measurements),
                                  caption)
    draw_degrees(panels["degrees"], measurements)
    for key, xlabel in (("path_length", "mean over pairs, links"), ("diameter", "longest shortest path, links")):
        plots.draw_intervals(panels[key], rows, key, IN_WORDS[networks.comparison.OBSERVED],
                             show_labels=key == "path_length")
        panels[key].set(title=key.replace("_", " "), xlabel=xlabel)
        panels[key].locator_params("x", nbins=5, steps=[1, 2, 5, 10], integer=key == "diameter")
    for place, row in enumerate(rows):
        if row["network"] == ESSAYS:
            plots.draw_source(panels["diameter"], row["diameter"], place)
    return figure


def title_of_degrees(measurements):
    """Say which unit is the largest hub, and how many links it has, there and with shuffled entries."""
    hubs = {name: {side: np.median([draw.degrees[side].max() for draw in measurements[name]])
                   for side in ("out", "in")} for name in (networks.comparison.OBSERVED, networks.comparison.SHUFFLED)}
    observed, shuffled = hubs[networks.comparison.OBSERVED], hubs[networks.comparison.SHUFFLED]
    unit = "an input" if observed["out"] >= observed["in"] else "a hidden unit"
    return (f"The largest hub, {unit}, has {max(observed.values()):,.0f} links, with shuffled entries "
            f"{max(shuffled.values()):,.0f}")


def draw_degrees(axes, measurements):
    from matplotlib.patches import Patch
    for side, color, dash, label in (("out", plots.BLUE, "-", "inputs"), ("in", plots.RED, "--", "hidden units")):
        observed, shuffled = ([measurement.degrees[side] for measurement in measurements[name]]
                              for name in (networks.comparison.OBSERVED, networks.comparison.SHUFFLED))
        plots.draw_ccdf(axes, shuffled, color, None, band=True)
        plots.draw_ccdf(axes, observed, color, label)
        axes.lines[-1].set_linestyle(dash)
    axes.set(title="degrees", xlabel="degree", ylabel="share of units with at least this degree",
             ylim=(axes.get_ylim()[0], 8))  # room for the legend above all shares
    handles = [*axes.get_legend_handles_labels()[0], Patch(color=plots.GREY, alpha=0.4, lw=0, label="shuffled entries")]
    axes.legend(handles=handles, loc="upper left", fontsize=8, ncols=2, borderaxespad=0, columnspacing=1.2)
    ticks = [tick for tick in axes.get_yticks() if axes.get_ylim()[0] <= tick <= 1]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_yticks([], minor=True)


# ---- the film ---------------------------------------------------------------------------------------------

def film(settings, frames=FRAMES):
    """Train once more, and return the film of the network over the steps as the bytes of a GIF."""
    dataset = datasets.load(settings.dataset, limit=settings.images, seed=settings.seed)
    inputs, hidden_units, layers, net = net_of(settings, dataset)
    network = essay.network(dataset, hidden_units, settings.seed, settings.model, settings.init, **net)
    shown = set(np.linspace(1, settings.steps, min(frames, settings.steps)).round().astype(int).tolist())
    training = essay.train(network, dataset, settings.steps, settings.learning_rate, settings.batch_size, settings.seed)
    scenes = []
    for number, step in enumerate(progress(training, settings.steps, "filming"), start=1):
        if number not in shown:
            continue
        try:
            probabilities = essay.sampling_probabilities(essay.first_layer_gradient(step), inputs)
        except networks.DegenerateMatrix:
            continue
        if settings.method == "threshold":
            probabilities = networks.comparison.threshold_probabilities(probabilities, settings.cut)
        scenes.append(scene(number, probabilities, layers, settings.seed))
    return frames_as_gif(scenes, layers, settings)


def scene(step, probabilities, layers, seed):
    """Return what a frame shows: step, probabilities, the first network, and clustering by name of network."""
    measurements, first = networks.comparison.draw(probabilities, layers, SCENE_DRAWS, seed)
    rows = {row["network"]: row for row in networks.comparison.summary(measurements)}
    return {"step": step, "probabilities": probabilities, "links": first, **{
        name: rows[name]["clustering"] for name in (networks.comparison.OBSERVED, networks.comparison.SHUFFLED,
                                                    networks.comparison.DIRECTED_CONFIGURATION)}}


@plots.styled
def first_frame(scenes, layers, settings):
    same_degrees, observed = (np.array([shot[name] for shot in scenes]) for name in (
        networks.comparison.DIRECTED_CONFIGURATION, networks.comparison.OBSERVED))
    ratios = [networks.comparison.ratio(*pair) for pair in zip(observed, same_degrees, strict=True)]
    title = (f"Over {settings.steps:,} steps clustering is {min(ratios):.2f} to {max(ratios):.2f} times that of the "
             "same in- and out-degrees")
    return plots.figure([["inputs", "network", "degrees", "clustering"]], 11, 3.6, title,
                        f"{settings.dataset}, seed {settings.seed}, learning rate {settings.learning_rate:g}, layers "
                        f"{layers}; clustering: medians of {SCENE_DRAWS} networks per step.")


def frames_as_gif(scenes, layers, settings):
    """Draw all scenes, and return the bytes of a GIF."""
    import io

    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    figure, panels = first_frame(scenes, layers, settings)
    canvas = FigureCanvasAgg(figure)
    figure.set_dpi(80)
    highest = max(int(networks.drawing.join_layers(shot["links"], layers).sum(axis=0).max()) for shot in scenes)
    images = []
    for number in range(1, len(scenes) + 1):
        with rc_context(plots.STYLE):
            draw_frame(panels, scenes[:number], scenes, highest, layers, single_sample(settings))
        canvas.draw()
        if number == 1:
            figure.set_layout_engine("none")  # panels keep their places
        images.append(Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3]).quantize(64))
    content = io.BytesIO()
    images[0].save(content, "gif", save_all=True, append_images=images[1:], duration=[200] * (len(images) - 1) + [3000],
                   loop=0)
    return content.getvalue()


def draw_frame(panels, past, scenes, highest, layers, single):
    """Draw the last scene of `past`, and the clustering of all of them."""
    shot = past[-1]
    for axes in panels.values():
        axes.clear()
    draw_inputs(panels["inputs"], shot["probabilities"], shot["links"], single)
    joined = networks.drawing.join_layers(shot["links"], layers)
    networks.drawing.draw_network(panels["network"], joined, side_colors(shot["links"], layers), highest)
    panels["network"].set_title(f"network of step {shot['step']:,}")
    for side, color, dash, label in ((1, plots.BLUE, "-", "inputs"), (0, plots.RED, "--", "hidden units")):
        degrees = np.sort(shot["links"].sum(axis=side))[::-1]
        panels["degrees"].plot(degrees, np.arange(1, len(degrees) + 1) / len(degrees), dash, color=color,
                               label=label, lw=2)
    panels["degrees"].set(title="degrees", xlabel="degree", ylabel="share of units with at least it", xlim=(0, highest),
                          ylim=(0, 1.02))
    panels["degrees"].legend(fontsize=8, loc="upper right")
    steps = [entry["step"] for entry in past]
    kinds = ((networks.comparison.DIRECTED_CONFIGURATION, plots.INK, "-", 5, 0.35, "same in- and out-degrees"),
             (networks.comparison.OBSERVED, plots.RED, "-", 1.5, 1, "the gradient's network"),
             (networks.comparison.SHUFFLED, plots.GREY, ":", 1.5, 1, "shuffled entries"))
    for name, color, dash, width, alpha, label in kinds:
        panels["clustering"].plot(steps, [entry[name] for entry in past], dash, color=color, lw=width, alpha=alpha,
                                  label=label)
    top = max(entry[name] for entry in scenes for name, *_ in kinds)
    panels["clustering"].set(title="clustering", xlabel="step", xlim=(0, scenes[-1]["step"]), ylim=(0, 1.6 * top or 1))
    panels["clustering"].legend(fontsize=8, loc="upper right")


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
    if settings.animate and settings.gradient:
        raise UserError("animate shows training, which a gradient from a file has none of: leave out --gradient")
    checkpoints.check_flags("gradient", settings.gradient, settings.layer, settings.kernels, settings.list)
    hidden_units = str(settings.hidden_units)
    if hidden_units != "inputs" and not (hidden_units.isdecimal() and int(hidden_units) > 0):
        raise UserError(f"hidden_units is {settings.hidden_units!r}: expected a positive integer, or inputs")


if __name__ == "__main__":
    experiment.run(main)
