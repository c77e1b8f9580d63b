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
VIOLET, GREEN = "#8a6bb8", "#4c8c5a"


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
        start = time.perf_counter()
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
        clock += time.perf_counter() - start
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
            start = time.perf_counter()
            networks = {}
            for index, network in enumerate(train(net(run), training, candidates[best], steps, batch_size, run), 1):
                if index in accuracies:
                    networks[index] = network
            seconds.append((time.perf_counter() - start) / steps)
            for look, network in networks.items():
                accuracies[look].append(mlp.accuracy(network, test))
        rows += [{"what": name, "chosen": best, "step": look} | summaries.median_intervals(accuracy=accuracies[look])
                 | {"milliseconds": 1e3 * np.median(seconds)} for look in looks]
    return rows


# ---- panels -----------------------------------------------------------------------------------------------

def draw_accuracy(axes, rows, colors, title):
    """Draw test accuracy against steps, from the rows of `learning_rows`; colors: {name of a rule: color}."""
    rows = [row for row in rows if "accuracy" in row]
    for name in dict.fromkeys(row["what"] for row in rows):
        of_rule = [row for row in rows if row["what"] == name]
        plots.draw_band(axes, [row["step"] for row in of_rule], of_rule, "accuracy", colors[name],
                        f"{name} ({of_rule[0]['milliseconds']:.2g} ms per step)", ms=3)
    low = min(row["accuracy_low"] for row in rows)
    high = max(row["accuracy_high"] for row in rows)
    axes.set(title=title, xlabel="step", ylabel="test accuracy", ylim=(low - 0.5 * (high - low), None))
    axes.legend(fontsize=7, loc="lower right")


def draw_spectra(axes, spectra, title):
    """Draw sorted eigenvalues; spectra: {(when, matrix): eigenvalues, ascending}, untrained dotted, trained solid."""
    styles = {"untrained": ":", "trained": "-"}
    for (when, matrix), values in spectra.items():
        axes.plot(np.linspace(0, 1, len(values)), values, styles[when], lw=1.5, label=f"{matrix}, {when}",
                  color=plots.RED if matrix == "whole" else plots.BLUE)
    axes.set_yscale("symlog", linthresh=1e-4)
    axes.axhline(0, color=plots.GREY, lw=0.6)
    axes.set(title=title, xlabel="share of eigenvalues below", ylabel="eigenvalue")
    axes.legend(fontsize=8, loc="upper left")
