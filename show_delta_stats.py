"""How heavy are the tails of the deltas, step by step?

Trains nets on single samples, and at each chosen step passes the same test samples through the net. The deltas of each
layer are pooled, and their tail, skew and kurtosis are measured without zeros. Deltas of different samples differ in
scale, and a mixture of scales has a heavier tail than any of its parts; so hidden layers also get the median skew
within single samples. (Ten outputs are too few for a skew: it is bounded by 8 / 3.)

Figure: the skew of the pooled deltas of the first hidden layer against the training step, beside the skew within single
samples and the 2 of an exponential law, with full marks where the tail is heavy; the share of training steps whose
deltas vanish: all zero, because the outputs saturate, or not finite; below, the tails of the deltas, pooled and each
sample over its own root mean square. Further hidden layers have figures of their own.

With --gradient FILE the script reads deltas of your own instead of training a net. gradnets.checkpoints.Recorder or
your training loop wrote them as .npy, .npz or .safetensors: one matrix (samples, units) for each layer and step, whose
name ends with the step, such as delta/fc1/000500. --list shows what the file holds, and --layer selects matrices by
name or pattern; without --layer only those named delta/... are read, if there are any.

Source: README of mlp_gradient_networks (2016): the cached deltas have heavy-tailed histograms. The net is the essay's,
784-784-10.

Takes 15 s.
"""
import re
from itertools import groupby
from pathlib import Path

import numpy as np

import mlp
from gradnets import checkpoints, checks, datasets, experiment, plots, summaries, tails
from gradnets.errors import UserError
from gradnets.progress import progress

GRADIENT = ""               # file with deltas of your own: .npy, .npz or .safetensors
LAYER = "*"                 # matrices of the file to describe, by name or pattern
LIST = False                # list the tensors of the file, and do nothing else
DATASET = "glyphs"          # data set: glyphs, noise, noise-constant, mnist, cifar10, cifar100, tree or clusters
IMAGES = 10_000             # largest number of training images, the first ones of the data set
HIDDEN_UNITS = (784,)       # number of units in each hidden layer
INIT = "uniform(0.25)"      # law of the weights: uniform(scale), normal(scale), glorot, glorot-normal, orthogonal(gain)
LEARNING_RATE = 0.1         # step length of gradient descent
STEPS = (1, 10, 100, 1000, 10_000)  # training steps whose deltas are described, before their update; 1 is untrained
SAMPLES = 50                # number of samples whose deltas are pooled; from a larger file they are drawn at random
RUNS = 5                    # number of training runs, with seeds starting at SEED
REPLICATES = 50             # number of bootstrap replicates behind p
SEED = 0                    # seed of data, weights, samples and bootstrap

# ---- not flags
FEWEST = 30  # smallest number of units in a layer of a file for a skew within samples: that of n values is below √n
DRAWN = 4    # largest number of layers with a figure, the first ones
CURVES = 5   # largest number of steps whose tails are drawn, evenly spaced in their order
MOST_PRINTED = 15  # rows of the printed table
DASHES = [dash for dash in plots.DASHES if dash not in (":", (0, (1, 1)))]  # dots are for the exponential law
HEAVY = {"skew": 2.0, "kurtosis": 6.0}  # of an exponential law; a heavy tail has more of both
HEAVY_IN_WORDS = "above an exponential law's skew of 2 and kurtosis of 6"
TABLE = {"columns": ("vanished", "skew", "skew_within", "kurtosis", "verdict"),  # printed; the record has all
         "headings": {"vanished": "idle share", "skew_within": "within samples", "verdict": "law of the tail"}}


def main(settings):
    checks.nonempty_tuples(steps=settings.steps, hidden_units=settings.hidden_units)
    checks.positive_integers(images=settings.images, samples=settings.samples, runs=settings.runs,
                             replicates=settings.replicates, steps=settings.steps, hidden_units=settings.hidden_units)
    checkpoints.check_flags("gradient", settings.gradient, settings.layer, None, settings.list)
    if settings.list:
        return experiment.Result(checkpoints.table_of_contents(settings.gradient), names=("name",))
    return describe_file(settings) if settings.gradient else describe_training(settings)


def describe(deltas, hidden, vanished, replicates, seed):
    """Return the row of the deltas of one layer at one step.

    Parameters
    ----------
    deltas : float array (samples, units)
    hidden : bool
        Whether to measure the skew within samples as well, which the few units of an output layer do not allow.
    vanished : float
        Share of steps, or of samples, whose deltas vanish; it becomes a column.
    replicates, seed
        As `tails.describe` takes them.
    """
    if not np.isfinite(deltas).all():
        return {"vanished": vanished, "verdict": "no tail: not finite"}
    magnitudes = np.abs(deltas)
    row = tails.describe(magnitudes, replicates, seed)[0] | tails.describe_extremes(magnitudes, replicates, seed)
    within = [summaries.moments(sample[sample > 0])[0] for sample in magnitudes if np.count_nonzero(sample) > 1]
    return {"vanished": vanished} | ({"skew_within": np.median(within)} if hidden and within else {}) | row


# ---- nets that are trained here ---------------------------------------------------------------------------

def describe_training(settings):
    """Train nets, and return the Result of their deltas at the chosen steps."""
    training, test = (datasets.load(settings.dataset, split, settings.images, settings.seed)
                      for split in ("train", "test"))
    steps, hidden_layers = sorted(set(settings.steps)), len(settings.hidden_units)
    runs = [deltas_of_steps(training, test, settings.hidden_units, settings.init, settings.learning_rate, steps,
                            settings.samples, settings.seed + run) for run in range(settings.runs)]
    cases = [(layer, step) for layer in range(hidden_layers + 1) for step in steps]
    rows, arrays = [], {}
    for layer, step in progress(cases, total=len(cases), label="fitting"):
        described = []
        for k, run in enumerate(runs):
            deltas, vanished = run[step]
            described.append(describe(deltas[layer], layer < hidden_layers, vanished, settings.replicates,
                                      settings.seed + k))
        rows.append({"step": step, "layer": layer + 1} | tails.over_runs(described))
        arrays[f"step_{step}_layer_{layer + 1}"] = np.stack([np.abs(run[step][0][layer]) for run in runs])
    sizes = (training.inputs.shape[1], *settings.hidden_units, training.classes)
    net = (f"{training.name}, {'-'.join(map(str, sizes))} tanh net, init {settings.init}, single-sample steps at "
           f"learning rate {settings.learning_rate:g}. |Deltas| of {settings.samples} test samples")
    bars = (f"Medians and middle 90 % of n = {plots.counted(settings.runs, 'run')}; tails: the first. Full marks: "
            f"heavy, the band lies {HEAVY_IN_WORDS}.")
    by_layer = {layer: [row for row in rows if row["layer"] == layer] for layer in range(1, hidden_layers + 1)}
    figures = [picture(of_layer, {step: arrays[f"step_{step}_layer_{layer}"][0] for step in steps}, "steps",
                       f"{net} in hidden layer {layer}, without zeros.\n{bars}")
               for layer, of_layer in list(by_layer.items())[:DRAWN]]
    return experiment.Result(rows, names=("layer", "step"), finding=finding(by_layer[1]), **TABLE,
                             figure=figures[0], figures=numbered(figures), printed=shortened(rows),
                             files={".npz": arrays}, data=[training.provenance, test.provenance],
                             suggestion="--learning-rate 0.01 takes smaller steps: deltas stay nearly exponential")


def numbered(figures):
    """Return the figures of all layers but the first by the ends of their files' names."""
    return {f"_{number}": figure for number, figure in enumerate(figures[1:], 2)}


def shortened(rows):
    """Return the rows to print: all of them, or the first and the last step of each layer if there are many."""
    if len(rows) <= MOST_PRINTED:
        return rows
    layers = [list(group) for _, group in groupby(rows, lambda row: row["layer"])]
    return [row for group in layers for row in (group if len(group) == 1 else [group[0], group[-1]])][:MOST_PRINTED]


def deltas_of_steps(dataset, test, hidden_units, init, learning_rate, steps, samples, seed):
    """Train one net, and return the deltas of test samples at chosen steps.

    Returns
    -------
    dict
        {step: (list of float64 (samples, units), one for each layer; share of the training steps since the chosen step
        before whose own deltas vanish)}
    """
    sizes = (dataset.inputs.shape[1], *hidden_units, dataset.classes)
    network = mlp.MLP(sizes, "tanh", "squared", init, seed, biases=(True,) + (False,) * len(hidden_units))
    chosen = np.random.default_rng((seed, 4)).integers(len(test.labels), size=samples)
    inputs, labels = test.inputs[chosen], test.labels[chosen]
    recorded, vanished, last = {}, 0, 0
    training = mlp.train(network, dataset, max(steps), learning_rate, seed=seed)
    for step in progress(training, total=max(steps), label="training"):
        vanished += not (np.isfinite(step.deltas[0]).all() and step.deltas[0].any())
        if step.index in steps:  # the update comes after the loop's body: the net is still the net of this step
            recorded[step.index] = network.backward(network.forward(inputs), labels), vanished / (step.index - last)
            vanished, last = 0, step.index
    return recorded


# ---- a file -----------------------------------------------------------------------------------------------

def describe_file(settings):
    """Return the Result of the deltas in a file."""
    path, rng = settings.gradient, np.random.default_rng(settings.seed)
    pattern = checkpoints.layer_pattern(path, settings.layer, "delta")
    layers, rows, magnitudes, counts = [], [], {}, set()
    matrices = deltas_of_file(path, pattern, settings.samples, rng)
    for layer, step, deltas, samples in progress(matrices, label="fitting"):
        if layer not in layers:
            layers.append(layer)
        if any((row["step"], row["layer"]) == (step, layer) for row in rows):
            raise UserError(f"{path} has deltas of {layer} at step {step} twice: pick one with --layer")
        vanished = float(1 - deltas.any(axis=1).mean())
        row = describe(deltas, deltas.shape[1] >= FEWEST, vanished, settings.replicates, settings.seed)
        rows.append({"step": step, "layer": layer, "samples": len(deltas)} | row)
        counts.add(samples)
        if layer in layers[:DRAWN]:
            magnitudes.setdefault(layer, {})[step] = np.abs(deltas)
    rows.sort(key=lambda row: (layers.index(row["layer"]), row["step"]))
    most = f"{settings.samples} of {max(counts):,}" if max(counts) > settings.samples else f"{max(counts)}"
    figures = [picture([row for row in rows if row["layer"] == layer], magnitudes[layer], "samples", (
        f"{Path(path).name}: |deltas| of {most} samples in {layer}, without zeros.\n"
        f"Full marks: heavy, {HEAVY_IN_WORDS}. Skew within single samples of layers of at least {FEWEST} units."))
        for layer in layers[:DRAWN]]
    sentence = finding([row for row in rows if row["layer"] == layers[0]])
    return experiment.Result(rows, names=("layer", "step"), finding=sentence, **TABLE, printed=shortened(rows),
                             figure=figures[0], figures=numbered(figures),
                             data=checkpoints.provenance(path, pattern),
                             suggestion="--layer selects matrices by name or pattern, --list shows all tensors")


def deltas_of_file(path, pattern, most, rng):
    """Yield layer, step, the deltas (samples, units) of at most `most` samples, and the number of samples in the file.

    The matrices of a stack (batch, sequence, units) are samples of one layer.
    """
    matrices = checkpoints.matrices(path, pattern)
    for name, stack in groupby(matrices, lambda matrix: re.sub(r"\[\d+\]$", "", matrix.name)):
        layer, step = checkpoints.layer_and_step(name)
        if step is None:
            raise UserError(f"{name}: expected a name that ends with its step, as in delta/fc1/000500; choose others "
                            "with --layer, --list shows them")
        deltas = np.concatenate([matrix.values for matrix in stack])
        chosen = np.sort(rng.choice(len(deltas), min(most, len(deltas)), replace=False))
        yield layer, step, deltas[chosen], len(deltas)


# ---- finding and figure -----------------------------------------------------------------------------------

def finding(rows):
    """Say at which steps the deltas of one layer have a heavy tail, pooled and within single samples.

    A tail is heavy if its skew and its kurtosis are above those of an exponential law over the middle 90 % of the runs.
    Within single samples only the skew is known.
    """
    if not any("skew" in row for row in rows):
        return "All deltas are zero or not finite, so they have no tail"
    heavy = [row for row in rows if is_heavy(row)]
    within = sum(is_heavy_within(row) for row in heavy)
    sentence = f"Deltas have heavy tails {steps_in_words(rows, heavy)}"
    if not any("skew_within" in row for row in heavy):
        return sentence
    return (f"{sentence}, within single samples at {plots.counted(within, 'step')}" if within else
            f"{sentence} because samples differ in scale")


def steps_in_words(rows, heavy):
    """Return at which of the steps the tails are heavy, such as "from step 10 on". heavy : those of the rows."""
    if 1 < len(heavy) == len(rows):
        return f"at all {len(rows)} steps"
    if len(heavy) > 1 and heavy == rows[-len(heavy):]:
        return f"from step {heavy[0]['step']:,} on"
    return f"at {len(heavy)} of {plots.counted(len(rows), 'step')}"


def is_heavy(row):
    """Return whether skew and kurtosis of a row, with their intervals, lie above those of an exponential law."""
    return all(row.get(key + "_low", row.get(key, 0.0)) > limit for key, limit in HEAVY.items())


def is_heavy_within(row):
    """Return whether the skew within single samples, with its interval, lies above the skew of an exponential law."""
    return row.get("skew_within_low", row.get("skew_within", 0.0)) > HEAVY["skew"]


@plots.styled
def picture(rows, magnitudes, unit, caption):
    """Draw the figure of one layer.

    rows : those of the layer, by step; magnitudes : {step: float array (samples, units)}, for the tails; unit : "steps"
    or "samples", what the share of vanishing deltas counts.
    """
    tails_of = ("pooled", "within") if any("skew_within" in row for row in rows) else ("pooled", "pooled")
    figure, panels = plots.figure([["skew", "idle"], tails_of], 11, 7.2, finding(rows), caption)
    draw_skew(panels["skew"], [row for row in rows if "skew" in row])
    plots.draw_band(panels["idle"], [row["step"] for row in rows], rows, "vanished", plots.INK)
    panels["idle"].set(title=f"idle {unit}: all deltas are zero", ylim=(-0.02, 1.02),
                       ylabel=f"share of {unit}{' since the dot before' if unit == 'steps' else ''}")
    scale_steps(panels["idle"], rows)
    steps = [step for step, values in magnitudes.items() if np.isfinite(values).all() and values.any()]
    steps = [steps[k] for k in np.unique(np.linspace(0, len(steps) - 1, CURVES).astype(int))] if steps else []
    for key in set(tails_of):
        curves = [(*plots.tail_curve(magnitudes[step] if key == "pooled" else over_samples(magnitudes[step])),
                   {"color": color, "ls": dash, "label": f"step {step:,}"})
                  for step, color, dash in zip(steps, plots.shades(len(steps)), DASHES, strict=False)]
        plots.draw_tails(panels[key], curves)
        words, unit_of = {"pooled": ("of all samples, pooled", ""),
                          "within": ("within single samples", " of its sample")}[key]
        panels[key].set(title=f"tails {words}", xlabel=f"|delta| / root mean square{unit_of}")
    panels["pooled"].set_ylabel("share at least this large")
    panels["pooled"].legend(fontsize=8, loc="upper right", handlelength=3, labelspacing=0.2, borderaxespad=0)
    return figure


def over_samples(magnitudes):
    """Return the positive magnitudes of all samples, each sample over its own root mean square, float64."""
    samples = [sample[sample > 0] / sample.max() for sample in magnitudes.astype(float) if sample.any()]
    return np.concatenate([sample / np.sqrt(np.mean(sample**2)) for sample in samples])


def draw_skew(axes, rows):
    """Draw the skew of all deltas, and of those of single samples, against the step: full marks for heavy tails."""
    labels = []
    for key, color, line, label, heavy in (
            ("skew", plots.RED, {"marker": "o"}, "pooled", is_heavy),
            ("skew_within", plots.BLUE, {"ls": "--", "marker": "s"}, "within one sample", is_heavy_within)):
        drawn = [row for row in rows if key in row]
        if drawn:
            steps = [row["step"] for row in drawn]
            plots.draw_band(axes, steps, drawn, key, color, **line)
            light = [(row["step"], row[key]) for row in drawn if not heavy(row)]
            axes.plot(*zip(*light, strict=True) if light else ([], []), line["marker"], color=color, mfc="white", ms=5,
                      mew=1.3)
            labels.append((steps[-1:], [drawn[-1][key]], f"{label}: {drawn[-1][key]:.1f}", color))
    if labels:
        axes.hlines(HEAVY["skew"], rows[0]["step"], rows[-1]["step"], color=plots.INK, ls=":", lw=1.5)
        labels.append((labels[0][0], [HEAVY["skew"]], f"exponential law: {HEAVY['skew']:.0f}", plots.INK))
    axes.set(title="skew of the deltas over training", ylabel="skew", ylim=(min(axes.get_ylim()[0], 0), None))
    scale_steps(axes, rows)
    plots.label_lines(axes, labels)


def scale_steps(axes, rows):
    """Give a panel a logarithmic axis of training steps, with a place for step 0."""
    axes.set_xlabel("training step")
    if all(row["step"] > 0 for row in rows):
        axes.set_xscale("log")
        return
    last = max(row["step"] for row in rows)
    ticks = [0, *(tick for tick in (1, 10, 100, 1000, 10_000, 100_000) if tick <= last)]
    axes.set_xscale("symlog", linthresh=1)
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.minorticks_off()
    axes.set_xlim(-0.3, 1.4 * max(last, 1))


if __name__ == "__main__":
    experiment.run(main)
