"""How small is the space of gradients?

1. dimension: the effective dimension of single-sample gradients of the essay's net, which is the participation ratio of
   their second moments, over samples at fixed weights and over training. Controls: inputs paired with deltas of other
   samples, pixels or deltas shuffled within each sample, the derivatives of the activation left out, data of noise, and
   random rank-one matrices, whose effective dimension is the number of parameters.
2. nets: the same for perceptrons of several depths, a Boltzmann machine and a recurrent net, on several data sets.
3. hessian: the share of the gradient's energy in the leading eigenvectors of the exact Hessian, while a small net
   trains. Controls: random directions; and the gradient of the Hessian's own quadratic bowl at a random point.
4. training: the accuracy of nets that train inside a space of k directions: the leading directions of their first 500
   gradients, those directions with the hidden units shuffled, and random ones.

With --gradient FILE the script reads gradients of your own instead, such as a run of gradnets.checkpoints.Recorder, and
gives the ranks of each one and the effective dimension over the recorded steps of each layer.

Figure: what makes the dimension small; dimension against training; accuracy against k; share in the Hessian's leading
eigenvectors against training. A second figure, gradient_space_nets.png, compares nets and data sets.

Sources: the essay "Social Network Patterns in Neural Network Gradients" (2016), which concludes that "the space of
possible gradients is radically smaller than is assumed"; Gur-Ari, Roberts and Dyer, *Gradient descent happens in a tiny
subspace*, 2018; Li and others, *Measuring the intrinsic dimension of objective landscapes*, 2018.

Takes 2 min.
"""
from pathlib import Path

import numpy as np

import essay
import mlp
import optimizers
import rbm
import rnn
from gradnets import checkpoints, checks, curvature, datasets, dimension, experiment, plots, streams, summaries
from gradnets.checkpoints import ranks_figure
from gradnets.errors import NoResult, UserError
from gradnets.progress import progress

PARTS = ("dimension", "nets", "hessian", "training")  # parts to run, one or more of these four
GRADIENT = ""               # file with gradients of your own: .npy, .npz or .safetensors
LAYER = "*"                 # matrices of the file to measure, by name or pattern
KERNELS = "oihw"            # axes of a convolution's kernels in the file: oihw (PyTorch) or hwio (JAX, Keras)
LIST = False                # list the tensors of the file, and do nothing else
DATASETS = ("glyphs", "noise")  # data sets of nets; the first one is that of all other parts
IMAGES = 10_000             # largest number of training images, the first ones of the data set
LEARNING_RATES = (0.01, 0.1)  # step lengths of SGD in the part dimension; the part nets trains at the last of them
STEPS = (0, 100, 500, 2000)  # numbers of single-sample steps after which dimension is measured
SAMPLES = 500               # number of samples whose gradients are compared with each other
DEPTHS = (1, 2, 3)          # numbers of hidden layers of the perceptrons of nets
HIDDEN_UNITS = 256          # number of units in each hidden layer of nets; the essay's net has as many as inputs
DIRECTIONS = (5, 20, 100, 500)  # numbers of directions that training is restricted to
RUNS = 3                    # number of training runs, with seeds starting at SEED
SEED = 0                    # seed of data, weights, samples and controls

# ---- not flags --------------------------------------------------------------------------------------------

ALL_PARTS = PARTS
QUICK = {"runs": 2, "steps": (0, 100, 500), "directions": (5, 100), "depths": (1, 2)}
CONTROLS_STREAM = 4         # random stream of samples and controls
ESSAY_STEPS = 500           # steps of the essay's own gradient, and of training before the second look at nets
TOP = 10                    # leading eigenvectors of the Hessian, one for each class
HESSIAN_LOOKS = (0, 100, 500, 2000, 8000)  # steps, each on a batch of 10 at learning rate 0.1
HESSIAN_IMAGES, SINGLE = 1000, 50  # images behind Hessian and gradient, and single-sample gradients
SIDE, SMALL_HIDDEN = 7, 8   # of the small net: width of its images, hidden units
SPACES = {"leading": (plots.RED, "o"), "units shuffled": (plots.ORANGE, "s"), "random": (plots.GREY, "^")}
CONTROLS = {"dimension": "gradients", "noise": "gradients, noise as data",
            "gates_removed": "derivatives of tanh left out", "re_paired": "deltas of other samples",
            "pixels_shuffled": "pixels shuffled", "deltas_shuffled": "deltas shuffled", "random": "random rank one"}
COLUMNS = ("dimension", "re_paired", "share", "accuracy")
HEADINGS = {"re_paired": "deltas of other samples", "share": "share in top 10"}
FILE_COLUMNS = ("stable_rank", "participation_ratio", "random", "rank_90", "dimension")
FILE_HEADINGS = {"random": "random matrix", "rank_90": "rank for 90 %", "dimension": "dimension over steps"}
MOST_PRINTED = 20


def main(settings):
    checkpoints.check_flags("gradient", settings.gradient, settings.layer, settings.kernels, settings.list)
    if settings.list:
        return experiment.Result(checkpoints.table_of_contents(settings.gradient), names=("name",))
    if settings.gradient:
        return measure_file(settings.gradient, settings.layer, settings.kernels)
    check(settings)
    seeds = range(settings.seed, settings.seed + settings.runs)
    sets = {name: datasets.load(name, limit=settings.images, seed=settings.seed)
            for name in dict.fromkeys((*settings.datasets, "noise"))}
    test = datasets.load(settings.datasets[0], "test", settings.images, settings.seed)
    first, rows = sets[settings.datasets[0]], []
    if "dimension" in settings.parts:
        rows += essay_rows(first, sets["noise"], settings.learning_rates, settings.steps, settings.samples, seeds)
        if not any("dimension" in row for row in rows if row["data"] == first.name):
            raise NoResult(f"fewer than {dimension.FEWEST} gradients differ from 0 at all of these steps: lower "
                           "--learning-rates")
    if "nets" in settings.parts:
        for name in dict.fromkeys(settings.datasets):
            rows += rows_of_nets(sets[name], settings.depths, settings.hidden_units, settings.learning_rates[-1],
                                 settings.samples, seeds)
    if "hessian" in settings.parts:
        rows += hessian_rows(first, seeds)
    if "training" in settings.parts:
        rows += training_rows(first, test, settings.directions, seeds)
    finding = finding_of(rows)
    read = [dataset for name, dataset in sets.items() if name == first.name or "nets" in settings.parts
            or (name == "noise" and "dimension" in settings.parts)]
    words = f"n = {settings.runs} runs, seeds {seeds[0]} to {seeds[-1]}"
    figures = {"_nets": picture_of_nets(rows, settings, words)} if "nets" in settings.parts else {}
    main_figure = picture(rows, finding, first, words) if set(settings.parts) != {"nets"} else figures.pop("_nets")
    return experiment.Result(rows, names=("part", "what", "step"), columns=COLUMNS, headings=HEADINGS,
                             printed=printed(rows), finding=finding, figure=main_figure, figures=figures,
                             data=[dataset.provenance for dataset in (*read, test)],
                             suggestion="--gradient FILE measures gradients that your own training loop recorded")


def check(settings):
    checks.nonempty_tuples(parts=settings.parts, datasets=settings.datasets, steps=settings.steps,
                           learning_rates=settings.learning_rates, depths=settings.depths,
                           directions=settings.directions)
    for part in settings.parts:
        checks.choice("part", part, ALL_PARTS)
    checks.positive_integers(images=settings.images, samples=settings.samples, depths=settings.depths,
                             hidden_units=settings.hidden_units, directions=settings.directions, runs=settings.runs)
    for steps in settings.steps:
        if not (checks.is_integer(steps) and steps >= 0):
            raise UserError(f"steps is {steps}: expected integers of at least 0")
    for rate in settings.learning_rates:
        checks.training_schedule(max(settings.steps) + 1, rate, 1)
    if max(settings.directions) > optimizers.RECORDED:
        raise UserError(f"directions is {max(settings.directions)}: expected at most {optimizers.RECORDED}, the number "
                        "of gradients that the leading directions are taken from")
    if settings.samples < dimension.FEWEST:
        raise UserError(f"samples is {settings.samples}: expected at least {dimension.FEWEST}")


# ---- dimensions -------------------------------------------------------------------------------------------

def layers_of_perceptron(network, dataset, chosen, rng=None):
    """Return the layers of an MLP as `dimension.with_controls` takes them, for the samples that are chosen."""
    labels = dataset.labels[chosen]
    activations = network.forward(dataset.inputs[chosen])
    deltas = network.backward(activations, labels)
    ungated = [delta @ weights.T for delta, weights in zip(deltas[1:], network.weights[1:], strict=True)]
    ungated.append(activations[-1] - network.targets[labels])
    return {f"layer {k}": triple for k, triple in enumerate(zip(activations, deltas, ungated, strict=False), start=1)}


def layers_of_machine(machine, dataset, chosen, rng):
    """Return the weights of an RBM, likewise: two terms for each sample, one of them with negative deltas."""
    visible = dataset.inputs[chosen]
    hidden = machine.hidden_given(visible)
    expected = machine.visible_given((rng.random(hidden.shape) < hidden).astype(float))
    reconstruction = (rng.random(expected.shape) < expected).astype(float)
    return {"weights": (np.stack([visible, reconstruction], axis=1),
                        np.stack([-hidden, machine.hidden_given(reconstruction)], axis=1))}


def layers_of_recurrent(network, dataset, chosen, rng=None):
    """Return the weights of an RNN, likewise: one term for each time step."""
    sequences = rnn.sequences(dataset.inputs[chosen], len(network.input_weights))
    states, outputs = network.forward(sequences)
    deltas, output_deltas = network.backward(states, outputs, dataset.labels[chosen])
    deltas = deltas.swapaxes(0, 1)
    return {"input weights": (sequences, deltas), "recurrent weights": (states[:-1].swapaxes(0, 1), deltas),
            "output weights": (states[-1], output_deltas)}


def through_training(training, network, layers_of, dataset, looks, samples, rng):
    """Measure dimensions after some numbers of training steps.

    Parameters
    ----------
    training : generator of the steps of a model, which trains `network`
    layers_of : function that returns the layers of the net for chosen samples

    Yields
    ------
    number of updates; the step of the model before the next one; at a look what `dimension.with_controls` returns
    """
    chosen = rng.choice(len(dataset.labels), min(samples, len(dataset.labels)), replace=False)
    for step in training:
        done = step.index - 1
        is_look = done in looks
        yield done, step, dimension.with_controls(layers_of(network, dataset, chosen, rng), rng) if is_look else None
        if done == max(looks):
            return


def essay_dimensions(dataset, rate, looks, samples, seed):
    """Return the numbers of the first layer of the essay's net: {look: numbers}, and over the steps {"training": ...}.
    """
    network, rng = essay.network(dataset, dataset.inputs.shape[1], seed), streams.generator(seed, CONTROLS_STREAM)
    training = essay.train(network, dataset, max(looks) + 1, rate, 1, seed)
    numbers, pairs = {}, []
    for done, step, measured in through_training(training, network, layers_of_perceptron, dataset, looks, samples, rng):
        if done in looks:
            numbers[done] = measured and measured["layer 1"]
        pairs.append((step.activations[0][0], step.deltas[0][0]))
    even = np.unique(np.linspace(0, len(pairs) - 1, samples).astype(int))
    inputs, deltas = (np.array(values) for values in zip(*(pairs[k] for k in even), strict=True))
    measured = dimension.with_controls({"layer 1": (inputs, deltas)}, rng)
    numbers["training"] = measured and measured["layer 1"]
    return numbers


def essay_rows(dataset, noise, rates, steps, samples, seeds):
    """Return the rows of the essay's net, on a data set at all rates, and on noise at the last one."""
    rows, looks = [], sorted(set(steps))
    cases = [(dataset, rate) for rate in dict.fromkeys(rates)]
    cases += [(noise, rates[-1])] if dataset.name != noise.name else []
    for data, rate in cases:
        runs = [essay_dimensions(data, rate, looks, samples, seed)
                for seed in progress(seeds, len(seeds), f"{data.name} at rate {rate:g}")]
        over_training = ["training"] if looks[-1] >= dimension.FEWEST else []  # of fewer steps there is no dimension
        for look in looks + over_training:
            over = "over training" if look == "training" else "over samples"
            row = {"part": "dimension", "what": f"{data.name}, rate {rate:g}, {over}",
                   "step": looks[-1] if look == "training" else look, "data": data.name, "learning_rate": rate,
                   "over": over}
            rows.append(row | summary([run[look] for run in runs]))
    return rows


def rows_of_nets(dataset, depths, hidden, rate, samples, seeds):
    """Return rows for each net on a data set, each matrix of weights, and before and after training."""
    inputs, classes = dataset.inputs.shape[1], dataset.classes
    row_length = next(inputs // times for times in (28, 32, 1) if inputs % times == 0)

    def perceptron(depth):
        return lambda seed: (mlp.MLP((inputs, *[hidden] * depth, classes), seed=seed), mlp.train, layers_of_perceptron)

    nets = {f"perceptron, {depth} hidden": perceptron(depth) for depth in dict.fromkeys(depths)}
    nets["Boltzmann machine"] = lambda seed: (rbm.RBM(inputs, hidden, seed=seed), rbm.train, layers_of_machine)
    nets["recurrent"] = lambda seed: (rnn.RNN(row_length, 64, classes, seed=seed), rnn.train, layers_of_recurrent)
    rows, looks = [], (0, ESSAY_STEPS)
    for name, make in progress(nets.items(), len(nets), f"nets on {dataset.name}"):
        runs = []
        for seed in seeds:
            network, train, layers_of = make(seed)
            training = train(network, dataset, ESSAY_STEPS + 1, rate, 1, seed)
            rng = streams.generator(seed, CONTROLS_STREAM)
            runs.append({done: measured or {} for done, _, measured in
                         through_training(training, network, layers_of, dataset, looks, samples, rng) if done in looks})
        for look in looks:
            for layer in dict.fromkeys(layer for run in runs for layer in run[look]):
                rows.append({"part": "nets", "what": f"{dataset.name}, {name}, {layer}", "step": look,
                             "data": dataset.name, "net": name, "layer": layer, "learning_rate": rate}
                            | summary([run[look].get(layer) for run in runs]))
    return rows


def summary(runs):
    """Return medians and intervals over runs, None for each without a result, and how many of them there are."""
    sound = [run for run in runs if run is not None]
    row = {"runs": len(runs), "degenerate": len(runs) - len(sound)}
    if not sound:
        return row
    numbers = {key: [run[key] for run in sound] for key in sound[0] if key != "parameters"}
    return row | {"parameters": sound[0]["parameters"]} | summaries.median_intervals(**numbers)


# ---- the Hessian's leading eigenvectors -------------------------------------------------------------------

def hessian_shares(images, loss, seed):
    """Return the numbers of a 49-8-10 tanh net at HESSIAN_LOOKS: {look: dict of float}.

    share: of the energy of the full gradient in the TOP leading eigenvectors; single_share: the median of that of
    single samples; random_share: in random directions; bowl_share: that of the gradient H x of a quadratic bowl at a
    random point x of an isotropic law, which is the share of these eigenvalues in the sum of all squared ones.
    """
    network = mlp.MLP((images.inputs.shape[1], SMALL_HIDDEN, images.classes), "tanh", loss, "glorot", seed)
    rng = streams.generator(seed, CONTROLS_STREAM)
    batch = images.inputs[:HESSIAN_IMAGES], images.labels[:HESSIAN_IMAGES]
    chosen = rng.choice(len(batch[1]), min(SINGLE, len(batch[1])), replace=False)
    numbers = {}
    for step in mlp.train(network, images, HESSIAN_LOOKS[-1] + 1, 0.1, 10, seed):
        if step.index - 1 not in HESSIAN_LOOKS:
            continue
        values, vectors = np.linalg.eigh(curvature.hessian(network, *batch))
        top, gradient = vectors[:, -TOP:].T, curvature.gradient(network, *batch)
        singles = np.array([curvature.gradient(network, *(part[k:k + 1] for part in batch)) for k in chosen])
        singles = singles[np.linalg.norm(singles, axis=1) > dimension.VANISHED]
        random = dimension.random_directions(TOP, len(values), rng)
        numbers[step.index - 1] = {
            "share": dimension.share_inside(gradient, top), "random_share": dimension.share_inside(gradient, random),
            "single_share": np.median(dimension.share_inside(singles, top)) if len(singles) else np.nan,
            "bowl_share": (values[-TOP:]**2).sum() / (values**2).sum(), "parameters": len(values)}
        if step.index - 1 == HESSIAN_LOOKS[-1]:
            return numbers


def hessian_rows(dataset, seeds):
    """Return rows for both losses and all looks."""
    images, rows = datasets.pool(dataset, SIDE), []
    for loss in mlp.LOSSES:
        runs = [hessian_shares(images, loss, seed) for seed in progress(seeds, len(seeds), f"Hessian, {loss}")]
        rows += [{"part": "hessian", "what": f"{dataset.name}, {loss}", "step": look, "loss": loss}
                 | summary([run[look] for run in runs]) for look in HESSIAN_LOOKS]
    return rows


# ---- training inside a space ------------------------------------------------------------------------------

def training_rows(dataset, test, counts, seeds):
    """Return the rows of nets that train inside spaces of directions."""
    rows = []
    try:
        inside = optimizers.rows_inside(dataset, test, counts, seeds)
    except NoResult:
        raise
    except UserError as error:
        raise UserError(f"--directions up to {max(counts)} with {len(dataset.labels)} --images: {error}; lower "
                        "--directions or raise --images") from error
    for row in inside:
        what = f"{row['space']}, {row['directions']} directions" if row["directions"] else row["space"]
        rows.append({"part": "training", "what": what} | row)
    return rows


# ---- words ------------------------------------------------------------------------------------------------

def finding_of(rows):
    """State the effective dimension of gradients, and whether about as many directions are enough to train."""
    measured = [row for row in rows if row["part"] == "dimension" and row["data"] == rows[0]["data"]
                and "dimension" in row]
    inside = [row for row in rows if row["part"] == "training"]
    if measured:
        most = max(measured, key=lambda row: row["dimension"])
        words = f"The effective dimension is at most {most['dimension']:,.0f}"
        if verdict := verdict_on_training(inside, most["dimension"]) if inside else "":
            return words + verdict
        alike = ", like inputs times deltas" if is_product(most) and not inside else ""
        return f"{words} of {most['parameters']:,} parameters{alike}"
    if inside:
        leading = max((row for row in inside if row["space"] == "leading"), key=lambda row: row["directions"])
        whole, = (row for row in inside if row["space"] == "all parameters")
        return (f"Inside {leading['directions']} leading directions nets lose "
                f"{100 * (whole['accuracy'] - leading['accuracy']):.1f} points of accuracy")
    shares = [row for row in rows if row["part"] == "hessian" and "share" in row]
    if shares:
        below = sum(row["share"] < row["bowl_share"] for row in shares)
        return f"A quadratic bowl puts more of its gradient into leading curvatures {below} of {len(shares)} times"
    ratios = [row["over_re_paired"] for row in rows if "over_re_paired" in row]
    if not ratios:
        return "Too few gradients differ from 0 to estimate a dimension"
    low, high = 1 / max(ratios), 1 / min(ratios)
    return f"Deltas of other samples would give {low:.2g} to {high:.2g} times the gradients' dimension"


def is_product(row):
    """Return whether deltas of other samples would give less than twice the dimension, in 95 % of the runs."""
    return row["over_re_paired_low"] > 0.5


def verdict_on_training(rows, dimensions):
    """Say whether nets train as well inside the smallest number of leading directions of at least `dimensions`.

    Returns no words if all numbers of directions are smaller.
    """
    leading = sorted((row["directions"], row["accuracy_high"]) for row in rows if row["space"] == "leading")
    whole, = (row for row in rows if row["space"] == "all parameters")
    count, accuracy = next(((k, high) for k, high in leading if k >= dimensions), (None, None))
    if count is None:
        return ""
    return (f", and training in {count} directions loses nothing" if accuracy >= whole["accuracy_low"] else
            f", yet training in {count} directions loses accuracy")


def printed(rows):
    """Return the rows worth printing: of nets those of all weights, or of the only ones, after training."""
    shown = [row for row in rows if row["part"] != "nets" or (row["step"] and is_whole(row))]
    return shown if len(shown) <= MOST_PRINTED else [
        row for row in shown if row["part"] in ("dimension", "training") or row["step"] == HESSIAN_LOOKS[-1]]


def is_whole(row):
    """Return whether a row of nets is of all weights of its net."""
    return row["layer"] in ("all weights", "weights")


# ---- figures ----------------------------------------------------------------------------------------------

@plots.styled
def picture(rows, title, dataset, words):
    """Return the main figure: two panels for dimension, and one each for training and hessian, if they were run."""
    parts = {part: [row for row in rows if row["part"] == part] for part in ALL_PARTS}
    names = [name for part, panels in (("dimension", ("controls", "course")), ("training", ("inside",)),
                                       ("hessian", ("top",))) if parts[part] for name in panels]
    mosaic = [names[:2], names[2:]] if len(names) == 4 else [names]
    inputs = dataset.inputs.shape[1]
    caption = f"{dataset.name}, {words}: medians, middle 90 %. "
    if parts["dimension"]:
        caption += f"Above: first layer of a {inputs}-{inputs}-{dataset.classes} net; {left_out(parts['dimension'])}. "
    if parts["training"]:
        caption += (f"Training: {inputs}-{optimizers.SPACE_HIDDEN}-{dataset.classes} net, leading directions of "
                    f"{optimizers.RECORDED} gradients. ")
    if parts["hessian"]:
        caption += (f"Curvatures: {SIDE**2}-{SMALL_HIDDEN}-{dataset.classes} net; dashed: at a random point of a bowl "
                    "with these curvatures.")
    figure, panels = plots.figure(mosaic, 5.8 * len(mosaic[0]), 1 + 3.9 * len(mosaic), title, caption)
    if parts["dimension"]:
        draw_controls(panels["controls"], parts["dimension"])
        draw_course(panels["course"], parts["dimension"])
    if parts["training"]:
        draw_inside(panels["inside"], parts["training"])
    if parts["hessian"]:
        draw_top(panels["top"], parts["hessian"])
    return figure


def left_out(rows):
    """Say how many gradients vanish, and how many runs have too few that do not."""
    most, lost = max(row.get("vanished", 1) for row in rows), sum(row["degenerate"] for row in rows)
    return f"up to {100 * most:.0f} % of gradients vanish and are left out" + (
        f", and {lost} of {sum(row['runs'] for row in rows)} runs" if lost else "")


def draw_controls(axes, rows):
    """Draw the dimension of gradients and of each control, at the essay's number of steps."""
    data, rate, lines = rows[0]["data"], rows[-1]["learning_rate"], []
    measured = [row for row in rows if row["over"] == "over samples" and "dimension" in row]
    observed = max((row for row in measured if row["data"] == data),
                   key=lambda row: (row["learning_rate"] == rate, row["step"] == ESSAY_STEPS, row["step"]))
    noise = next((row for row in measured if row["data"] != data and row["step"] == observed["step"]), None)
    for key, name in CONTROLS.items():
        row, column = (noise, "dimension") if key == "noise" else (observed, key)
        if row is not None:
            lines.append({"network": name} | {"value" + end: row[column + end] for end in ("", "_low", "_high")})
    axes.set_xscale("log")
    plots.draw_intervals(axes, lines, "value", CONTROLS["dimension"])
    axes.axvline(observed["parameters"], color=plots.INK, ls="--", lw=1)
    axes.annotate(f"all {observed['parameters']:,} parameters", (observed["parameters"], 0.5), xytext=(-5, 0),
                  textcoords="offset points", ha="right", va="center", fontsize=8, color=plots.GREY)
    axes.set(title=f"what makes it small, {after(observed)}", xlabel="effective dimension",
             xlim=(min(line["value_low"] for line in lines) / 2, 2 * observed["parameters"]))


def after(row):
    return f"after {row['step']:,} steps at rate {row['learning_rate']:g}" if row["step"] else "untrained"


def draw_course(axes, rows):
    """Draw the dimension against training, beside that of deltas of other samples, of noise, and of all steps."""
    shown = [row for row in rows if row["over"] == "over samples" and "dimension" in row]
    over_training = {(row["data"], row["learning_rate"]): row for row in rows if row["over"] == "over training"
                     and "dimension" in row}
    styles = dict(zip(dict.fromkeys((row["data"], row["learning_rate"]) for row in shown),
                      ((plots.BLUE, "s"), (plots.RED, "o"), (plots.GREEN, "^"), (plots.PURPLE, "v"),
                       (plots.ORANGE, "P"), (plots.SKY, "X")), strict=False))
    lines = []
    for (data, rate), (color, marker) in styles.items():
        curve = [row for row in shown if (row["data"], row["learning_rate"]) == (data, rate)]
        steps = [row["step"] for row in curve]
        is_noise = data != rows[0]["data"]
        color, marker = (plots.GREY, "D") if is_noise else (color, marker)
        plots.draw_band(axes, steps, curve, "dimension", color, marker=marker)
        lines.append((steps, [row["dimension"] for row in curve], "noise as data" if is_noise else f"rate {rate:g}",
                      color))
        if not is_noise:
            pairs = [row["re_paired"] for row in curve]
            axes.plot(steps, pairs, "--", color=color, lw=1)
            lines.append((steps, pairs, "deltas of other samples", color))
            if (row := over_training.get((data, rate))) is not None:
                axes.plot(row["step"], row["dimension"], "*", color=color, mfc="white", ms=9, clip_on=False)
                lines.append(([row["step"]], [row["dimension"]], "gradients of all steps", color))
    axes.set_ylim(bottom=0)
    scale_steps(axes, [row["step"] for row in shown])
    plots.label_lines(axes, lines)
    axes.set(title="dimension against training", ylabel="effective dimension")


def scale_steps(axes, steps):
    """Give an axis a logarithmic scale of steps that has a place for step 0, and few ticks."""
    steps = sorted(set(steps))
    axes.set_xscale("symlog", linthresh=100, linscale=0.6)
    axes.set_xticks(steps, [f"{step:,}" for step in steps])
    axes.minorticks_off()
    axes.set(xlabel="training step", xlim=(-10, max(*steps, 1)))


def draw_inside(axes, rows):
    """Draw the accuracy of nets that train inside a space against its number of directions."""
    lines = []
    for space, (color, marker) in SPACES.items():
        curve = [row for row in rows if row["space"] == space]
        counts = [row["directions"] for row in curve]
        plots.draw_band(axes, counts, curve, "accuracy", color, marker=marker)
        lines.append((counts, [row["accuracy"] for row in curve], space, color))
    axes.set(xscale="log", ylim=(0, 1), title="training inside a space of k directions", ylabel="test accuracy",
             xlabel="k, number of directions")
    axes.set_xticks(counts, [f"{count:,}" for count in counts])
    axes.minorticks_off()
    for space, words, style in (("all parameters", "all {:,} parameters", "--"),
                                ("recorded steps", f"the first {optimizers.RECORDED} steps themselves", ":")):
        row, = (row for row in rows if row["space"] == space)
        axes.plot([counts[0], counts[-1]], [row["accuracy"]] * 2, color=plots.INK, ls=style, lw=1)
        axes.annotate(words.format(row["parameters"]), (counts[0], row["accuracy"]), xytext=(0, 3),
                      textcoords="offset points", fontsize=8, color=plots.INK)
    plots.label_lines(axes, lines)


def draw_top(axes, rows):
    """Draw the share of the gradient in the leading eigenvectors of the Hessian against training."""
    lines = []
    for loss, (color, marker) in zip(mlp.LOSSES, ((plots.RED, "o"), (plots.BLUE, "s")), strict=True):
        curve = [row for row in rows if row["loss"] == loss]
        steps = [row["step"] for row in curve]
        plots.draw_band(axes, steps, curve, "share", color, marker=marker)
        bowl = [row["bowl_share"] for row in curve]
        axes.plot(steps, bowl, "--", color=color, lw=1)
        lines.append((steps, [row["share"] for row in curve], loss, color))
    random = [row["random_share"] for row in curve]
    axes.plot(steps, random, ":", color=plots.GREY)
    lines.append((steps, random, "random directions", plots.GREY))
    scale_steps(axes, steps)
    axes.set(title=f"gradient in the top {TOP} of {rows[0]['parameters']} curvatures", ylabel="share of squared length",
             ylim=(0, 1.02))
    plots.label_lines(axes, lines)


@plots.styled
def picture_of_nets(rows, settings, words):
    """Return the figure that compares nets on each data set, with all weights of a net together."""
    shown = [row for row in rows if row["part"] == "nets" and is_whole(row) and "dimension" in row]
    names = list(dict.fromkeys(row["data"] for row in shown))[:plots.MOST_PANELS]
    title = finding_of(shown)
    caption = (f"{words}; medians with the middle 90 %. All weights of a net together, before (ring) and after (dot) "
               f"{ESSAY_STEPS} single-sample steps at rate {settings.learning_rates[-1]:g}; {settings.hidden_units} "
               "hidden units. Square: with deltas of other samples, after training. Dash: number of parameters.")
    columns = min(len(names), 2)
    mosaic = [names[k:k + columns] for k in range(0, len(names), columns)]
    mosaic[-1] += ["."] * (columns - len(mosaic[-1]))
    figure, panels = plots.figure(mosaic, 5.8 * columns, 1.2 + 2.6 * len(mosaic), title, caption, sharex=True)
    nets = list(dict.fromkeys(row["net"] for row in shown))
    for k, name in enumerate(names):
        axes = panels[name]
        for row in (row for row in shown if row["data"] == name):
            place, trained = nets.index(row["net"]), row["step"] > 0
            color = plots.RED if trained else plots.INK
            place += 0.12 if trained else -0.12
            axes.plot([row["dimension_low"], row["dimension_high"]], [place] * 2, color=color, lw=4, alpha=0.3)
            axes.plot(row["dimension"], place, "o", color=color, mfc=color if trained else "white", ms=6)
            if trained:
                axes.plot(row["re_paired"], place, "s", color=plots.BLUE, mfc="none", ms=8)
                axes.plot(row["parameters"], place, "|", color=plots.INK, ms=12, mew=1.5)
        axes.set(xscale="log", title=name, yticks=range(len(nets)), ylim=(len(nets) - 0.5, -0.5),
                 yticklabels=nets if k % columns == 0 else [],
                 xlabel="effective dimension" if k >= len(names) - columns else "")
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="y", color=plots.PALE, lw=0.6)
    return figure


# ---- a file -----------------------------------------------------------------------------------------------

def measure_file(path, layer, kernels):
    """Return the Result of the gradients in a file: ranks of each matrix, and dimensions over the steps of a layer."""
    pattern = checkpoints.layer_pattern(path, layer, "gradient")
    rows, over_steps, shares = checkpoints.ranks.table(path, pattern, kernels)
    finding = ranks_figure.finding(rows, over_steps)
    return experiment.Result(rows + over_steps, names=("layer", "step"), finding=finding, columns=FILE_COLUMNS,
                             headings=FILE_HEADINGS, printed=(over_steps + rows)[:MOST_PRINTED],
                             figure=ranks_figure.picture(rows, over_steps, shares, finding, Path(path).name),
                             data=checkpoints.provenance(path, pattern),
                             suggestion="--layer selects matrices by name or pattern, --list shows all tensors")


if __name__ == "__main__":
    experiment.run(main)
