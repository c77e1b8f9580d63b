"""How heavy are the tails of the deltas, step by step?

Trains nets on single samples, and at the named steps runs a fixed set of test samples through them: the deltas of each
layer, pooled, their tail, skew and kurtosis, without zeros. Deltas of different samples differ in scale, and a mixture
of scales makes a tail heavier than any of its parts; so for hidden layers the median skew within single samples stands
beside the pooled one. (Ten outputs are too few: their skew is bounded by 8 / 3.)

Figure: the CCDF of each layer's |deltas|, log-log, one curve a step; below, over training, the tail exponent, skew and
kurtosis, and the share of training steps whose deltas vanish: all zero, because the outputs saturate, or not finite.

Source: README of mlp_gradient_networks (2016): the cached deltas have heavy-tailed histograms. The net is the essay's,
784-784-10.

Takes 20 s.
"""
from itertools import cycle

import numpy as np

import mlp
from gradnets import datasets, experiment, metrics, plots, tails

DATASET = "glyphs"          # glyphs, noise, noise-constant, mnist, cifar10, cifar100, tree or clusters
IMAGES = 10_000             # at most so many training images, from the first on
HIDDEN_UNITS = (784,)       # units of each hidden layer
INIT = "uniform(0.25)"      # uniform(scale), normal(scale), glorot, glorot-normal or orthogonal(gain)
LEARNING_RATE = 0.1         # step length
STEPS = (1, 10, 100, 1000, 10_000)  # the steps whose deltas are looked at, each before its update; 1 is untrained
SAMPLES = 50                # whose deltas are pooled
RUNS = 5                    # training runs, seeded SEED, SEED + 1, ...
REPLICATES = 50             # of the bootstrap
SEED = 0                    # seeds data, weights, samples and bootstrap


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


def finding(rows):
    """What the first hidden layer shows, from the first step to the last."""
    first, last = rows[0], [row for row in rows if row["layer"] == 1][-1]
    for row in (first, last):
        if "skew" not in row:
            return f"The deltas of step {row['step']:,} have no tail"
    return (f"Hidden |deltas|: skew {first['skew']:.1f} at step {first['step']}, {last['skew']:.1f} at "
            f"{last['step']:,}, within a sample {first['skew_within']:.1f} and {last['skew_within']:.1f}; "
            f"{last['vanished']:.0%} of the last steps vanish")


@plots.styled
def picture(rows, curves, title, caption):
    """The figure. curves: {(step, layer): list of magnitudes (samples, units), one a run}, layers from 1."""
    layers = sorted({layer for _, layer in curves})
    statistics = ("alpha", "skew", "kurtosis", "vanished")
    mosaic = [[f"layer {layer}" for layer in layers for _ in statistics], [key for key in statistics for _ in layers]]
    figure, panels = plots.figure(mosaic, 13, 8, title, caption, height_ratios=(1.3, 1))
    steps = sorted({step for step, _ in curves})
    shades = plots.shades(len(steps))
    for layer, color in zip(layers, cycle((plots.BLUE, plots.RED, plots.INK, plots.GREY)), strict=False):
        ccdf = panels[f"layer {layer}"]
        for step, shade in zip(steps, shades, strict=True):
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
            low, middle, high = ([row[key + end] for row in drawn] for end in ("_low", "", "_high"))
            panels[key].plot(x, middle, "o-", color=color, ms=4, label=f"layer {layer}")
            panels[key].fill_between(x, low, high, color=color, alpha=0.2, lw=0)
            if key == "skew" and "skew_within" in drawn[0]:
                panels[key].plot(x, [row["skew_within"] for row in drawn], "--", color=color, lw=1.2,
                                 label=f"layer {layer}, within a sample")
    for key, heading in zip(statistics, ("tail exponent alpha", "skew", "excess kurtosis", "steps that vanish"),
                            strict=True):
        panels[key].set(title=heading, xlabel="step", xscale="log")
        if key != "vanished" and panels[key].lines:  # which is the same of all layers
            panels[key].legend(fontsize=7)
    panels["vanished"].set(ylabel="share since the step before", ylim=(-0.02, 1.02))
    return figure


def main():
    experiment.check_several(STEPS=STEPS, HIDDEN_UNITS=HIDDEN_UNITS)
    experiment.check_positive(IMAGES=IMAGES, SAMPLES=SAMPLES, RUNS=RUNS, REPLICATES=REPLICATES, STEPS=STEPS)
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
    return rows, picture(rows, curves, finding(rows), caption), {".npz": arrays}


if __name__ == "__main__":
    experiment.run(main)
