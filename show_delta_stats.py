"""How heavy are the tails of the deltas, step by step?

Trains nets on single samples, and at each chosen step passes the same test samples through the net. The deltas of each
layer are pooled, and their tail, skew and kurtosis are measured without zeros. Deltas of different samples differ in
scale, and a mixture of scales has a heavier tail than any of its parts; so hidden layers also get the median skew
within single samples. (Ten outputs are too few for a skew: it is bounded by 8 / 3.)

Figure: the CCDF of each layer's |deltas|, log-log, one curve for each step; below, over training, the exponent of the
tail, skew and kurtosis, and the share of training steps whose deltas vanish: all zero, because the outputs saturate, or
not finite.

With --gradient FILE the script reads deltas of your own instead of training a net. gradnets.checkpoints.Recorder or
your training loop wrote them as .npy, .npz or .safetensors: one matrix (samples, units) for each layer and step, whose
name ends with the step, such as delta/fc1/000500. --list shows what the file holds, and --layer selects matrices by
name or pattern; without --layer only those named delta/... are read, if there are any.

Source: README of mlp_gradient_networks (2016): the cached deltas have heavy-tailed histograms. The net is the essay's,
784-784-10.

Takes 20 s.
"""
import re
from itertools import cycle, groupby
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
RUNS = 5                    # number of training runs, with seeds from SEED on
REPLICATES = 50             # number of bootstrap replicates behind p
SEED = 0                    # seed of data, weights, samples and bootstrap

# ---- not flags
FEWEST = 30  # smallest number of units in a layer of a file for a skew within samples: that of n values is below √n
DRAWN = 4    # largest number of layers of a file in the figure, the first ones
CURVES = 8   # largest number of steps of a file whose CCDF is drawn, evenly spaced
COLUMNS = ("vanished", "skew", "skew_within", "kurtosis", "verdict")  # printed; the record has all


def main(settings):
    checks.nonempty_tuples(steps=settings.steps, hidden_units=settings.hidden_units)
    checks.positive_integers(images=settings.images, samples=settings.samples, runs=settings.runs,
                             replicates=settings.replicates, steps=settings.steps, hidden_units=settings.hidden_units)
    checks.seed(settings.seed)
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
    row, _ = tails.describe(magnitudes, replicates, seed)
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
    rows, curves = [], {}
    for layer, step in progress(cases, total=len(cases), label="fitting"):
        described = []
        for k, run in enumerate(runs):
            deltas, vanished = run[step]
            described.append(describe(deltas[layer], layer < hidden_layers, vanished, settings.replicates,
                                      settings.seed + k))
        rows.append({"step": step, "layer": layer + 1} | tails.over_runs(described))
        curves[step, layer + 1] = [np.abs(run[step][0][layer]) for run in runs]
    sizes = (training.inputs.shape[1], *settings.hidden_units, training.classes)
    caption = (f"{training.name}, {'-'.join(map(str, sizes))} tanh net, init {settings.init}, single-sample steps at "
               f"learning rate {settings.learning_rate:g}; deltas of the same {settings.samples} test items at every "
               f"step.\nCurves of the first of n = {settings.runs} runs with seeds {settings.seed} to "
               f"{settings.seed + settings.runs - 1}; below, medians and middle 90 %, zeros out.")
    sentence = finding(rows, 1, "Hidden |deltas|", "of the last steps vanish")
    arrays = {f"step_{step}_layer_{layer}": np.stack(magnitudes) for (step, layer), magnitudes in curves.items()}
    return experiment.Result(rows, names=("layer", "step"), finding=sentence, columns=COLUMNS,
                             figure=picture(rows, curves, "steps", sentence, caption), files={".npz": arrays},
                             data=[training.provenance, test.provenance])


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
    pattern = layer_pattern(path, settings.layer)
    layers, rows, curves, counts = [], [], {}, set()
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
            curves[step, layer] = [np.abs(deltas)]
    rows.sort(key=lambda row: (layers.index(row["layer"]), row["step"]))
    steps = sorted({step for step, _ in curves})
    shown = {steps[k] for k in np.linspace(0, len(steps) - 1, min(len(steps), CURVES)).astype(int)}
    curves = {key: curves[key] for key in sorted(curves, key=lambda key: layers.index(key[1])) if key[0] in shown}
    more = f" {len(layers) - DRAWN} more layers are in the table." if len(layers) > DRAWN else ""
    most = (f"{settings.samples} of {max(counts):,}" if max(counts) > settings.samples else f"{max(counts)}")
    caption = (f"{Path(path).name}: deltas of {most} samples a layer and step, {len(layers)} layers, "
               f"{len({row['step'] for row in rows})} steps, seed {settings.seed}.{more}\nZeros out; below, one number "
               f"a layer and step; skew within single samples (dashed) of layers of at least {FEWEST} units.")
    sentence = finding(rows, layers[0], f"|deltas| of {layers[0]}", "of its samples vanish")
    return experiment.Result(rows, names=("layer", "step"), finding=sentence, columns=COLUMNS,
                             figure=picture(rows, curves, "samples", sentence, caption),
                             data=checkpoints.provenance(path, pattern),
                             suggestion="--layer selects matrices by name or pattern, --list shows all tensors")


def layer_pattern(path, layer):
    """Return the pattern of the matrices to read: "delta/*" if none is given and the file has such names."""
    if layer == "*" and any(tensor.name.startswith("delta/") for tensor in checkpoints.listing(path)):
        return "delta/*"
    return layer


def deltas_of_file(path, pattern, most, rng):
    """Yield layer, step, the deltas (samples, units) of at most `most` samples, and the number of samples in the file.

    The matrices of a stack (batch, sequence, units) are samples of one layer.
    """
    matrices = checkpoints.matrices(path, pattern)
    for name, stack in groupby(matrices, lambda matrix: re.sub(r"\[\d+\]$", "", matrix.name)):
        layer, step = layer_and_step(name)
        deltas = np.concatenate([matrix.values for matrix in stack])
        chosen = np.sort(rng.choice(len(deltas), min(most, len(deltas)), replace=False))
        yield layer, step, deltas[chosen], len(deltas)


def layer_and_step(name):
    """Split "delta/fc1/000500" into "delta/fc1" and 500."""
    match = re.fullmatch(r"(.+)[/._-](\d{1,18})", name)
    if not match:
        raise UserError(f"{name}: expected a name that ends with its step, as in delta/fc1/000500; choose others with "
                        "--layer, --list shows them")
    return match[1], int(match[2])


# ---- finding and figure -----------------------------------------------------------------------------------

def finding(rows, layer, subject, vanish):
    """Say how the skew of one layer changes from its first step to its last.

    subject, vanish : str, words for the deltas of this layer, and for what vanishes.
    """
    of_layer = [row for row in rows if row["layer"] == layer]
    first, last = (extreme(of_layer, key=lambda row: row["step"]) for extreme in (min, max))
    for row in (first, last):
        if "skew" not in row:
            return f"The deltas of step {row['step']:,} have no tail"
    within = (f", within a sample {first['skew_within']:.1f} and {last['skew_within']:.1f}"
              if "skew_within" in first and "skew_within" in last else "")
    return (f"{subject}: skew {first['skew']:.1f} at step {first['step']}, {last['skew']:.1f} at "
            f"{last['step']:,}{within}; {last['vanished']:.0%} {vanish}")


@plots.styled
def picture(rows, curves, unit, title, caption):
    """Draw the figure.

    curves : {(step, layer): list of magnitudes (samples, units), one for each run}; unit : "steps" or "samples", what
    the share of vanishing deltas counts.
    """
    layers = list(dict.fromkeys(layer for _, layer in curves))
    statistics = {"alpha": "tail exponent alpha", "skew": "skew", "kurtosis": "excess kurtosis",
                  "vanished": f"{unit} that vanish"}
    mosaic = [[f"layer {layer}" for layer in layers for _ in statistics], [key for key in statistics for _ in layers]]
    figure, panels = plots.figure(mosaic, 13, 8, title, caption, height_ratios=(1.3, 1))
    steps = sorted({step for step, _ in curves})
    shades = dict(zip(steps, plots.shades(len(steps)), strict=True))
    for layer, color in zip(layers, cycle((plots.BLUE, plots.RED, plots.INK, plots.GREY)), strict=False):
        ccdf = panels[f"layer {layer}"]
        for step in steps:
            if (step, layer) in curves:  # the layers of a file may have different steps
                magnitudes = curves[step, layer][0].ravel()
                if np.isfinite(magnitudes).all() and magnitudes.any():
                    plots.draw_ccdf(ccdf, [magnitudes], shades[step], f"step {step:,}")
        ccdf.set(title=f"|deltas| of layer {layer}", xlabel="|delta|", ylabel="share at least this large")
        if ccdf.lines:
            ccdf.legend(fontsize=8, loc="lower left")
        for key in statistics:
            draw_statistic(panels[key], [row for row in rows if row["layer"] == layer and key in row], key, color,
                           f"layer {layer}")
    for key, heading in statistics.items():
        panels[key].set(title=heading, xlabel="step")
        panels[key].set_xscale("log" if steps[0] > 0 else "symlog")  # a file may have a step 0
        if key != "vanished" and panels[key].lines:  # the share that vanishes is the same for all layers
            panels[key].legend(fontsize=7)
    panels["vanished"].set(ylabel="share since the step before" if unit == "steps" else "share", ylim=(-0.02, 1.02))
    return figure


def draw_statistic(axes, rows, key, color, label):
    """Draw one number of a layer against the step, with its middle 90 % over the runs; dashed, the skew in samples."""
    if not rows:
        return
    x = [row["step"] for row in rows]
    low, middle, high = ([row.get(key + end, row[key]) for row in rows] for end in ("_low", "", "_high"))
    axes.plot(x, middle, "o-", color=color, ms=4, label=label)
    axes.fill_between(x, low, high, color=color, alpha=0.2, lw=0)
    within = [(row["step"], row["skew_within"]) for row in rows if "skew_within" in row]
    if key == "skew" and within:
        axes.plot(*zip(*within, strict=True), "--", color=color, lw=1.2, label=f"{label}, within a sample")


if __name__ == "__main__":
    experiment.run(main)
