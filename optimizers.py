"""Rules of training and the nets that they train: what the scripts on second order share.

Some scripts minimize an objective of a few hundred parameters on small gray images; others train a net on color images
by a rule, which is a function step(network, inputs, labels) that returns what to add to the parameters, float64 (p,).
"""
import contextlib
import time
from dataclasses import replace
from typing import NamedTuple

import numpy as np

import mlp
from gradnets import curvature, datasets, plots, streams, summaries
from gradnets.errors import UserError
from gradnets.progress import progress

L2 = 1e-4                           # weight of the squared parameters; without it a separable set has no minimum
BATCH_SIZE = 20                     # samples per step of SGD and Adam
LOOKS = 60                          # steps of SGD and Adam after which the loss on all data is computed


# ---- small gray images ------------------------------------------------------------------------------------

def gray_images(name, limit, seed):
    """Return a data set of gray images; raise UserError if the set has other features."""
    dataset = datasets.load(name, limit=limit, seed=seed)
    if datasets.pool(dataset, 5).inputs.shape[1] != 25:
        raise UserError(f"the data set is {name!r}: expected gray images, such as glyphs, noise or mnist")
    return dataset


def classifier(dataset, seed):
    """Return the objective of a 49-8-10 tanh softmax net on images of 7 x 7 pixels, 490 parameters."""
    images = datasets.pool(dataset, 7).inputs
    network = mlp.MLP((49, 8, dataset.classes), "tanh", "cross-entropy", "glorot", seed)
    return curvature.Objective(network, images, dataset.labels, L2)


def autoencoder(dataset, seed):
    """Return the objective of a 25-8-4-8-25 tanh autoencoder of images of 5 x 5 pixels, 509 parameters."""
    images = datasets.pool(dataset, 5).inputs
    network = mlp.MLP((25, 8, 4, 8, 25), "tanh", "squared", "glorot", seed)
    network.targets = images  # the label of an image is its own number
    return curvature.Objective(network, images, np.arange(len(images)), L2)


class Descent(NamedTuple):
    """The course of one minimization.

    iterations : int (k,), from 0; losses, seconds : float64 (k,), after these iterations; end : float64 (p,), the
    last parameters with a finite loss
    """

    iterations: np.ndarray
    losses: np.ndarray
    seconds: np.ndarray
    end: np.ndarray


@np.errstate(over="ignore", invalid="ignore")  # a net that diverges is counted
def first_order(objective, method, learning_rate, steps, seed):
    """Minimize by SGD or Adam (Kingma and Ba 2015), on batches of 20 samples drawn with replacement.

    The learning rate falls linearly to zero. The losses, of all data, are computed at about 60 steps, and the clock
    stops meanwhile. If the parameters diverge, the last loss is infinite.

    Parameters
    ----------
    objective : curvature.Objective
    method : "SGD" or "Adam"
    learning_rate : float
        At the first step.
    steps : int, positive
    seed : int

    Returns
    -------
    Descent
    """
    rng = streams.generator(seed, streams.SAMPLES)
    inputs, labels = objective.batch
    point = finite_point = objective.start.copy()
    looks = set(np.unique(np.geomspace(1, steps, LOOKS).astype(int)).tolist())
    losses, seconds, mean, square, clock = {0: objective.loss(point)}, {0: 0.0}, 0.0, 0.0, 0.0
    for index in range(1, steps + 1):
        start = time.process_time()
        chosen = rng.integers(len(labels), size=BATCH_SIZE)
        try:
            slope = curvature.gradient(objective.at(point), inputs[chosen], labels[chosen])
        except curvature.NotFinite:
            losses[index], seconds[index], point = np.inf, clock, finite_point
            break
        slope = slope + objective.l2 * point
        if method == "Adam":
            mean, square = 0.9 * mean + 0.1 * slope, 0.999 * square + 0.001 * slope * slope
            slope = mean / (1 - 0.9**index) / (np.sqrt(square / (1 - 0.999**index)) + 1e-8)
        point = point - learning_rate * (1 - (index - 1) / steps) * slope
        clock += time.process_time() - start
        if index in looks:
            losses[index], seconds[index] = objective.loss(point), clock
            finite_point = point if np.isfinite(losses[index]) else finite_point
    return Descent(np.array(list(losses)), np.array(list(losses.values())), np.array(list(seconds.values())), point)


# ---- color images -----------------------------------------------------------------------------------------

def color_images(names, seed):
    """Load the first available of several data sets, and hold out a sixth of the training set for validation.

    Returns
    -------
    training, validation, test : Dataset
    provenance : list of dict, of the two sets that were loaded
    """
    name = next((name for name in names if datasets.available(name)), names[0])
    whole, test = (datasets.load(name, split, seed=seed) for split in ("train", "test"))
    return (*datasets.hold_out(whole), test), [whole.provenance, test.provenance]


def centered(parts, transform):
    """Subtract the training set's mean from the inputs of each part, and transform them, (n, d) to (n, k)."""
    mean = parts[0].inputs.mean()
    return [replace(part, inputs=transform(part.inputs - mean)) for part in parts]


def gradient_rule(learning_rate):
    """Return the rule of gradient descent."""
    return lambda *net_and_batch: -learning_rate * curvature.gradient(*net_and_batch)


def train(network, dataset, rule, steps, batch_size, seed):
    """Train by a rule, and yield the net after each step, a new one each time.

    The samples of a batch differ from each other, since the functional inverse allows no repetition. A step at which a
    net is not finite leaves the net as it is.
    """
    rng = streams.generator(seed, streams.SAMPLES)
    for _ in range(steps):
        chosen = rng.choice(len(dataset.labels), size=batch_size, replace=False)
        with contextlib.suppress(curvature.NotFinite):
            move = rule(network, dataset.inputs[chosen], dataset.labels[chosen])
            network = curvature.at(network, curvature.parameters(network) + move)
        yield network


@np.errstate(over="ignore", invalid="ignore")  # a net that diverged still has an accuracy
def learning_rows(rules, net, parts, steps, batch_size, runs, seed):
    """Return the test accuracy of each rule at four steps, over several runs, and the time per step.

    Parameters
    ----------
    rules : dict of dict
        {name: {number: rule}}, where the number is a learning rate or a damping. For each name the number with the
        best validation accuracy of the first run is chosen.
    net : function from a seed to the untrained net
    parts : training, validation and test set
    steps, batch_size, runs, seed : int

    Returns
    -------
    list of dict with what (the name), chosen (the number), step, accuracy and its interval, and milliseconds per step
    """
    training, validation, test = parts
    looks = sorted({max(1, steps * k // 4) for k in range(1, 5)})
    rows = []
    for name, candidates in progress(rules.items(), total=len(rules), label="rules"):
        validation_accuracy = {}
        for number, rule in candidates.items():
            *_, last = train(net(seed), training, rule, steps, batch_size, seed)
            validation_accuracy[number] = mlp.accuracy(last, validation)
        best = max(validation_accuracy, key=validation_accuracy.get)
        accuracies, seconds = {look: [] for look in looks}, []
        for run in range(seed, seed + runs):
            start = time.process_time()
            networks = {}
            for index, network in enumerate(train(net(run), training, candidates[best], steps, batch_size, run), 1):
                if index in accuracies:
                    networks[index] = network
            seconds.append((time.process_time() - start) / steps)
            for look, network in networks.items():
                accuracies[look].append(mlp.accuracy(network, test))
        rows += [{"what": name, "chosen": best, "step": look} | summaries.median_intervals(accuracy=accuracies[look])
                 | {"milliseconds": 1e3 * np.median(seconds)} for look in looks]
    return rows


# ---- panels -----------------------------------------------------------------------------------------------

def draw_accuracy(axes, rows, styles, title, room):
    """Draw test accuracy against steps, with the last accuracy, the rule and its time per step at the end of each line.

    Parameters
    ----------
    rows : list of dict
        As `learning_rows` returns them; rows without an accuracy are left out.
    styles : dict
        {name of a rule: (color, marker, words for the figure)}.
    room : float
        For the names, in units of the lines' width.
    """
    rows = [row for row in rows if "accuracy" in row]
    steps = sorted({row["step"] for row in rows})
    lines = []
    for name, (color, marker, words) in styles.items():
        of_rule = [row for row in rows if row["what"] == name]
        plots.draw_band(axes, steps, of_rule, "accuracy", color, marker=marker, ms=5)
        time_per_step, = {row["milliseconds"] for row in of_rule}  # the same in the rows of all steps
        accuracies = {row["step"]: row["accuracy"] for row in of_rule}
        lines.append((steps, [accuracies[step] for step in steps], f"{accuracies[steps[-1]]:.3f}  {words}, "
                      f"{time_per_step:.{0 if time_per_step >= 10 else 1}f} ms", color))
    width = steps[-1] - steps[0] or 1
    axes.set(title=title, xlabel="step", ylabel="test accuracy", xticks=steps,
             xlim=(steps[0] - 0.05 * width, steps[-1] + room * width))
    plots.label_lines(axes, lines)


def draw_spectrum(axes, eigenvalues, title):
    """Draw sorted eigenvalues as an area, with the negative ones in red and their number beside them."""
    summary = curvature.spectrum_summary(eigenvalues)
    percent = 100 * (np.arange(len(eigenvalues)) + 0.5) / len(eigenvalues)
    split = summary["negative"]
    for part, color in ((slice(None, split), plots.RED), (slice(split, None), plots.BLUE)):
        axes.fill_between(percent[part], eigenvalues[part], color=color, lw=0, step="mid")
    axes.axhline(0, color=plots.INK, lw=0.7)
    axes.set_yscale("symlog", linthresh=1e-4)
    ticks = (-0.1, -0.001, 0, 0.001, 0.1)
    axes.set_yticks(ticks, [f"{tick:g}".replace("-", "\N{MINUS SIGN}") for tick in ticks])
    axes.set(title=title, xlim=(0, 100), ylim=(-1, 3), ylabel="eigenvalue")
    depth = f",\ndown to {eigenvalues[0]:.1g}".replace("-", "\N{MINUS SIGN}") if split else ""
    axes.text(99, -0.03, f"{split or 'none'} of {len(eigenvalues)} negative{depth}", ha="right", va="center",
              fontweight="bold", color=plots.text_color(plots.RED))
