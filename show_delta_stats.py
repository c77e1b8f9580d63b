"""How heavy are the tails of the deltas, step by step?

Trains nets on single samples, and at the named steps runs a fixed set of test samples through them: the deltas of each
layer, pooled, their tail, skew and kurtosis, without zeros. Deltas of different samples differ in scale, and a mixture
of scales makes a tail heavier than any of its parts; so for hidden layers the median skew within single samples stands
beside the pooled one. (Ten outputs are too few: their skew is bounded by 8 / 3.)

Figure: the CCDF of each layer's |deltas|, log-log, one curve a step; below, over training, the tail exponent, skew and
kurtosis, and the share of training steps whose deltas vanish: all zero, because the outputs saturate, or not finite.

With --gradient FILE it looks at deltas of your own, and trains nothing: gradnets.record or your training loop wrote
them as .npy, .npz or .safetensors, a matrix (samples, units) a layer and step, whose name ends with the step, such as
delta/fc1/000500. --list shows what the file holds, --layer picks some by name or pattern; unless it does, only those
named delta/... are taken where there are any.

Source: README of mlp_gradient_networks (2016): the cached deltas have heavy-tailed histograms. The net is the essay's,
784-784-10.

Takes 20 s.
"""
import re
from itertools import cycle, groupby
from pathlib import Path

import numpy as np

import mlp
from gradnets import datasets, experiment, metrics, plots, tails, tensors

GRADIENT = ""               # a file with deltas of your own: .npy, .npz or .safetensors
LAYER = "*"                 # of GRADIENT: the matrices, by name or pattern
LIST = False                # only show what is in GRADIENT
DATASET = "glyphs"          # glyphs, noise, noise-constant, mnist, cifar10, cifar100, tree or clusters
IMAGES = 10_000             # at most so many training images, from the first on
HIDDEN_UNITS = (784,)       # units of each hidden layer
INIT = "uniform(0.25)"      # uniform(scale), normal(scale), glorot, glorot-normal or orthogonal(gain)
LEARNING_RATE = 0.1         # step length
STEPS = (1, 10, 100, 1000, 10_000)  # the steps whose deltas are looked at, each before its update; 1 is untrained
SAMPLES = 50                # whose deltas are pooled; of GRADIENT at most so many, drawn at random
RUNS = 5                    # training runs, seeded SEED, SEED + 1, ...
REPLICATES = 50             # of the bootstrap
SEED = 0                    # seeds data, weights, samples and bootstrap

# Of a file: the units of a layer that a skew within samples needs, as n values have one below √n; and how many layers
# are drawn, the first, and of how many steps, evenly spaced, the CCDF.
FEWEST, DRAWN, CURVES = 30, 4, 8


def deltas_of_steps(dataset, test, hidden_units, init, learning_rate, steps, samples, seed):
    """The deltas of test samples at each step of a run, and the share of training steps up to it whose own vanish.

    Returns {step: (list of float64 (samples, units), one a layer, share since the step before)}.
    """
    sizes = (dataset.inputs.shape[1], *hidden_units, dataset.classes)
    network = mlp.MLP(sizes, "tanh", "squared", init, seed, biases=(True,) + (False,) * len(hidden_units))
    chosen = np.random.default_rng((seed, 4)).integers(len(test.labels), size=samples)
    inputs, labels = test.inputs[chosen], test.labels[chosen]
    found, vanished, since = {}, 0, 0
    training = mlp.train(network, dataset, max(steps), learning_rate, seed=seed)
    for step in experiment.progress(training, total=max(steps), what="training"):
        vanished += not (np.isfinite(step.deltas[0]).all() and step.deltas[0].any())
        if step.index in steps:  # the update follows: the net is that of the step
            found[step.index] = (network.backward(network.forward(inputs), labels), vanished / (step.index - since))
            vanished, since = 0, step.index
    return found


def describe(deltas, hidden, vanished, replicates, seed):
    """The row of one layer's deltas at one step: pooled magnitudes, and of a hidden layer the skew within samples."""
    if not np.isfinite(deltas).all():
        return {"vanished": vanished, "verdict": "no tail: not finite"}
    magnitudes = np.abs(deltas)
    row, _ = tails.describe(magnitudes, replicates, seed)
    within = [metrics.moments(sample[sample > 0])[0] for sample in magnitudes if np.count_nonzero(sample) > 1]
    return {"vanished": vanished} | ({"skew_within": np.median(within)} if hidden and within else {}) | row


def finding(rows, what="Hidden |deltas|", vanishing="of the last steps vanish"):
    """What the first layer shows, from the first step to the last."""
    first, last = rows[0], [row for row in rows if row["layer"] == rows[0]["layer"]][-1]
    for row in (first, last):
        if "skew" not in row:
            return f"The deltas of step {row['step']:,} have no tail"
    within = (f", within a sample {first['skew_within']:.1f} and {last['skew_within']:.1f}"
              if "skew_within" in first and "skew_within" in last else "")
    return (f"{what}: skew {first['skew']:.1f} at step {first['step']}, {last['skew']:.1f} at "
            f"{last['step']:,}{within}; {last['vanished']:.0%} {vanishing}")


@plots.styled
def picture(rows, curves, vanishing, title, caption):
    """The figure. curves: {(step, layer): list of magnitudes (samples, units), one a run}; vanishing: steps or samples.
    """
    layers = list(dict.fromkeys(layer for _, layer in curves))
    statistics = ("alpha", "skew", "kurtosis", "vanished")
    mosaic = [[f"layer {layer}" for layer in layers for _ in statistics], [key for key in statistics for _ in layers]]
    figure, panels = plots.figure(mosaic, 13, 8, title, caption, height_ratios=(1.3, 1))
    steps = sorted({step for step, _ in curves})
    shades = plots.shades(len(steps))
    for layer, color in zip(layers, cycle((plots.BLUE, plots.RED, plots.INK, plots.GREY)), strict=False):
        ccdf = panels[f"layer {layer}"]
        for step, shade in zip(steps, shades, strict=True):
            if (step, layer) not in curves:  # a file may have other steps of each layer
                continue
            magnitudes = curves[step, layer][0].ravel()
            if np.isfinite(magnitudes).all() and magnitudes.any():
                plots.draw_ccdf(ccdf, [magnitudes], shade, f"step {step:,}")
        ccdf.set(title=f"|deltas| of layer {layer}", xlabel="|delta|", ylabel="share at least this large")
        if ccdf.lines:
            ccdf.legend(fontsize=8, loc="lower left")
        own = [row for row in rows if row["layer"] == layer]
        for key in statistics:
            drawn = [row for row in own if key in row]
            if not drawn:
                continue
            x = [row["step"] for row in drawn]
            low, middle, high = ([row.get(key + end, row[key]) for row in drawn] for end in ("_low", "", "_high"))
            panels[key].plot(x, middle, "o-", color=color, ms=4, label=f"layer {layer}")
            panels[key].fill_between(x, low, high, color=color, alpha=0.2, lw=0)
            within = [(row["step"], row["skew_within"]) for row in drawn if "skew_within" in row]
            if key == "skew" and within:
                panels[key].plot(*zip(*within, strict=True), "--", color=color, lw=1.2,
                                 label=f"layer {layer}, within a sample")
    headings = ("tail exponent alpha", "skew", "excess kurtosis", f"{vanishing} that vanish")
    for key, heading in zip(statistics, headings, strict=True):
        panels[key].set(title=heading, xlabel="step")
        panels[key].set_xscale("log" if steps[0] > 0 else "symlog")  # a file may have a step 0
        if key != "vanished" and panels[key].lines:  # which is the same of all layers
            panels[key].legend(fontsize=7)
    panels["vanished"].set(ylabel="share since the step before" if vanishing == "steps" else "share",
                           ylim=(-0.02, 1.02))
    return figure


# ---- a file -----------------------------------------------------------------------------------------------

def layer_and_step(name):
    """Of "delta/fc1/000500": "delta/fc1" and 500."""
    found = re.fullmatch(r"(.+)[/._-](\d+)", name)
    if not found:
        raise ValueError(f"{name}: expected a name that ends with its step, as in delta/fc1/000500; choose others with "
                         "--layer, --list shows them")
    return found[1], int(found[2])


def deltas_of_file(path, layer, most, rng):
    """Yields layer, step, the deltas of at most so many samples (samples, units), and how many there are.

    The matrices of a stack (batch, sequence, units) are samples of one layer.
    """
    if layer == "*" and any(tensor.name.startswith("delta/") for tensor in tensors.listing(path)):
        layer = "delta/*"
    matrices = tensors.matrices(path, layer)
    for name, stack in groupby(matrices, lambda matrix: re.sub(r"\[\d+\]$", "", matrix.name)):
        where = layer_and_step(name)
        deltas = np.concatenate([matrix.values for matrix in stack])
        chosen = np.sort(rng.choice(len(deltas), min(most, len(deltas)), replace=False))
        yield *where, deltas[chosen], len(deltas)


def of_file():
    layers, rows, curves, counts = [], [], {}, set()
    rng = np.random.default_rng(SEED)
    matrices = deltas_of_file(GRADIENT, LAYER, SAMPLES, rng)
    for layer, step, deltas, samples in experiment.progress(matrices, what="fitting"):
        if layer not in layers:
            layers.append(layer)
        if any((row["step"], row["layer"]) == (step, layer) for row in rows):
            raise ValueError(f"{GRADIENT} has deltas of {layer} at step {step} twice: pick one with --layer")
        vanished = float(1 - deltas.any(axis=1).mean())
        row = describe(deltas, deltas.shape[1] >= FEWEST, vanished, REPLICATES, SEED)
        rows.append({"step": step, "layer": layer, "samples": len(deltas)} | row)
        counts.add(samples)
        if layer in layers[:DRAWN]:
            curves[step, layer] = [np.abs(deltas)]
    rows.sort(key=lambda row: (layers.index(row["layer"]), row["step"]))
    steps = sorted({step for step, _ in curves})
    shown = {steps[k] for k in np.linspace(0, len(steps) - 1, min(len(steps), CURVES)).astype(int)}
    curves = {key: curves[key] for key in sorted(curves, key=lambda key: layers.index(key[1])) if key[0] in shown}
    left = f" {len(layers) - DRAWN} more layers are in the table." if len(layers) > DRAWN else ""
    most = f"{min(max(counts), SAMPLES)} of {max(counts):,}" if max(counts) > SAMPLES else f"{max(counts)}"
    caption = (f"{Path(GRADIENT).name}: deltas of {most} samples a layer and step, {len(layers)} layers, "
               f"{len({row['step'] for row in rows})} steps, seed {SEED}.{left}\nZeros out; below, one number a layer "
               f"and step; skew within single samples (dashed) of layers of at least {FEWEST} units.")
    title = finding(rows, f"|deltas| of {layers[0]}", "of its samples vanish")
    return rows, picture(rows, curves, "samples", title, caption)


# ---- the experiment ---------------------------------------------------------------------------------------

def of_training():
    dataset, test = (datasets.load(DATASET, split, IMAGES, SEED) for split in ("train", "test"))
    runs = [deltas_of_steps(dataset, test, HIDDEN_UNITS, INIT, LEARNING_RATE, set(STEPS), SAMPLES, SEED + run)
            for run in range(RUNS)]
    cases = [(layer, step) for layer in range(len(HIDDEN_UNITS) + 1) for step in sorted(set(STEPS))]
    rows, curves = [], {}
    for layer, step in experiment.progress(cases, total=len(cases), what="fitting"):
        described = [describe(run[step][0][layer], layer < len(HIDDEN_UNITS), run[step][1], REPLICATES, SEED + k)
                     for k, run in enumerate(runs)]
        rows.append({"step": step, "layer": layer + 1} | tails.over_runs(described))
        curves[step, layer + 1] = [np.abs(run[step][0][layer]) for run in runs]
    sizes = (dataset.inputs.shape[1], *HIDDEN_UNITS, dataset.classes)
    caption = (f"{dataset.name}, {'-'.join(map(str, sizes))} tanh net, init {INIT}, single-sample steps at learning "
               f"rate {LEARNING_RATE:g}; deltas of the same {SAMPLES} test items at every step.\nCurves of the first "
               f"of n = {RUNS} runs with seeds {SEED} to {SEED + RUNS - 1}; below, medians and middle 90 %, zeros out.")
    arrays = {f"step_{step}_layer_{layer}": np.stack(runs_) for (step, layer), runs_ in curves.items()}
    return rows, picture(rows, curves, "steps", finding(rows), caption), {".npz": arrays}


def main():
    experiment.check_several(STEPS=STEPS, HIDDEN_UNITS=HIDDEN_UNITS)
    experiment.check_positive(IMAGES=IMAGES, SAMPLES=SAMPLES, RUNS=RUNS, REPLICATES=REPLICATES, STEPS=STEPS)
    if (LIST or LAYER != "*") and not GRADIENT:
        raise ValueError("--list and --layer are of a file: name it with --gradient")
    if LIST:
        return tensors.table(GRADIENT), None
    return of_file() if GRADIENT else of_training()


if __name__ == "__main__":
    experiment.run(main)
