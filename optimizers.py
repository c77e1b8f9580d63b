"""Rules of training and the nets that they train: what the scripts on second order share.

Some scripts minimize an objective of a few hundred parameters on small gray images; one trains a net inside spaces of
few directions; others train a net on color images by a rule, which is a function step(network, inputs, labels) that
returns what to add to the parameters, float64 (p,).
"""
import contextlib
import time
from dataclasses import replace
from typing import NamedTuple

import numpy as np

import mlp
from gradnets import curvature, datasets, dimension, plots, streams, summaries
from gradnets.errors import NoResult, UserError
from gradnets.progress import progress

L2 = 1e-4                           # weight of the squared parameters; without it a separable set has no minimum
BATCH_SIZE = 20                     # samples per step of SGD and Adam
LOOKS = 60                          # steps of SGD and Adam after which the loss on all data is computed
SPACES = 4                          # random stream of spaces
SPACE_HIDDEN = 30                   # hidden units of the net that trains inside a space
RECORDED = 500                      # its single-sample gradients that make the leading directions
ADAM_STEPS, INSIDE_BATCH = 400, 50  # steps inside a space, and samples of each
RATE_INSIDE, RATE_OUTSIDE = 0.1, 0.01  # where the search for a learning rate starts; that of all parameters


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


# ---- training inside a space ------------------------------------------------------------------------------

def rows_inside(dataset, test, counts, seeds):
    """Train a 784-30-10 softmax net inside spaces of few directions, 400 steps of Adam on batches of 50.

    The spaces: the leading directions of the net's first 500 single-sample gradients; those of the same gradients with
    the hidden units of each one shuffled; random ones. For comparison: all parameters, and the first 500 steps alone.

    Parameters
    ----------
    dataset, test : datasets.Dataset
        A sixth of `dataset` is held out: in the first run it chooses the learning rate of each space.
    counts : sequence of int
        Numbers of directions.
    seeds : sequence of int

    Returns
    -------
    list of dict
        space; directions, 0 for all parameters and for the recorded steps; learning_rate, which was chosen; runs and
        parameters; with intervals over runs accuracy, on test data; later_energy, the share of the next 500 gradients'
        energy inside the space; energy, that of the first 500, for leading directions.
    """
    training, validation = datasets.hold_out(dataset)
    counts, rates = sorted(set(counts)), {}
    runs = [_accuracies_inside(training, validation, test, counts, rates, seed)
            for seed in progress(seeds, len(seeds), "training inside a space")]
    rows = []
    for space, k in runs[0]:
        numbers = {key: [run[space, k][key] for run in runs] for key in runs[0][space, k]}
        rows.append({"space": space, "directions": k, "runs": len(runs), "parameters": numbers.pop("parameters")[0]}
                    | ({"learning_rate": rates[space, k]} if (space, k) in rates else {})
                    | summaries.median_intervals(**numbers))
    return rows


def _accuracies_inside(training, validation, test, counts, rates, seed):
    """Return {(space, k): numbers} of one run; `rates` gets the learning rate of each space that it lacks."""
    sizes = (training.inputs.shape[1], SPACE_HIDDEN, training.classes)
    network, moving = (mlp.MLP(sizes, "tanh", "cross-entropy", "glorot", seed) for _ in range(2))
    first = first_gradients(moving, training, RECORDED, seed)
    numbers = {("recorded steps", 0): {"accuracy": mlp.accuracy(moving, test)}}
    later = first_gradients(moving, training, RECORDED, streams.generator(seed, SPACES, 1))
    later = later[np.linalg.norm(later, axis=1) > dimension.VANISHED]
    directions, energies = spaces(network, first, max(counts), streams.generator(seed, SPACES))
    for space, k in [("all parameters", 0), *((space, k) for space in directions for k in counts)]:
        inside = directions[space][:k] if k else None
        if (space, k) in rates:
            trained = train_inside(network, inside, training, rates[space, k], ADAM_STEPS, INSIDE_BATCH, seed)
        else:
            rates[space, k], trained = best_rate(network, inside, training, validation,
                                                 RATE_INSIDE if k else RATE_OUTSIDE, seed)
        numbers[space, k] = {"accuracy": mlp.accuracy(trained, test)}
        if k:
            numbers[space, k]["later_energy"] = np.mean(dimension.share_inside(later, inside))
        if space == "leading":
            numbers[space, k]["energy"] = energies[:k].sum()
    return {key: row | {"parameters": first.shape[1]} for key, row in numbers.items()}


def first_gradients(network, dataset, steps, seed):
    """Train a net on single samples at rate 0.05; return the gradients of all steps, float64 (steps, p)."""
    return np.array([np.concatenate([np.vstack(layer).ravel()
                                     for layer in zip(step.gradients, step.bias_gradients, strict=True)])
                     for step in mlp.train(network, dataset, steps, 0.05, 1, seed)])


def spaces(network, vectors, most, rng):
    """Return the directions of each space, float64 (most, p), and the energy share of each leading direction.

    network : MLP with one hidden layer; vectors : float64 (n, p), its gradients
    """
    leading, energies = dimension.leading_directions(vectors, most)
    shuffled, _ = dimension.leading_directions(with_units_shuffled(network, vectors, rng), most)
    return {"leading": leading, "units shuffled": shuffled,
            "random": dimension.random_directions(most, vectors.shape[1], rng)}, energies


def with_units_shuffled(network, vectors, rng):
    """Return gradients of a net with one hidden layer, in each of which the hidden units have changed places."""
    below, above = (part.copy() for part in curvature.split(network, vectors))
    for k in range(len(vectors)):
        order = rng.permutation(below.shape[2])
        below[k], above[k, :len(order)] = below[k][:, order], above[k, order]
    return np.concatenate([part.reshape(len(vectors), -1) for part in (below, above)], axis=1)


def best_rate(network, directions, training, validation, start, seed):
    """Search the learning rate of training inside a space with the best validation accuracy, by factors of three.

    The search goes up from `start` as long as the accuracy rises, or else down, so that the rate is no end of a range.

    Returns
    -------
    rate : float
    trained : MLP
        The net that was trained at this rate.

    Raises
    ------
    NoResult
        If training diverges at `start` and at a third of it.
    """
    def trained_at(rate):
        with contextlib.suppress(curvature.NotFinite):
            trained = train_inside(network, directions, training, rate, ADAM_STEPS, INSIDE_BATCH, seed)
            return mlp.accuracy(trained, validation), rate, trained
        return -1.0, rate, None

    best = trained_at(start)
    for factor in (3, 1 / 3):
        further = trained_at(float(f"{best[1] * factor:.3g}"))
        rises = further[0] > best[0]
        while further[0] > best[0]:
            best, further = further, trained_at(float(f"{further[1] * factor:.3g}"))
        if rises:
            break
    if best[2] is None:
        raise NoResult(f"training inside a space diverges at the learning rates {start:g} and {start / 3:g}")
    return best[1:]


def train_inside(network, directions, dataset, learning_rate, steps, batch_size, seed):
    """Train a net by Adam (Kingma and Ba 2015) inside the space through its start that some directions span.

    Parameters
    ----------
    network : MLP
        The start, which stays as it is.
    directions : float array (k, p), or None for all parameters
        Adam moves the k coordinates along them.
    dataset : datasets.Dataset
    learning_rate : float
        Step length, constant for the first half of the steps and then falling linearly to 0.
    steps, batch_size : int, positive
    seed : int

    Returns
    -------
    MLP

    Raises
    ------
    curvature.NotFinite
        If the net diverges.
    """
    rng, start = streams.generator(seed, streams.SAMPLES), curvature.parameters(network)
    if directions is not None:
        directions = np.asarray(directions, np.float32)  # most of the time goes into reading them
    place = np.zeros(len(start) if directions is None else len(directions))
    mean, square = np.zeros_like(place), np.zeros_like(place)

    def moved():
        return curvature.at(network, start + (place if directions is None else place.astype(np.float32) @ directions))

    for index in range(1, steps + 1):
        chosen = rng.integers(len(dataset.labels), size=batch_size)
        slope = curvature.gradient(moved(), dataset.inputs[chosen], dataset.labels[chosen])
        slope = slope if directions is None else directions @ slope.astype(np.float32)
        mean, square = 0.9 * mean + 0.1 * slope, 0.999 * square + 0.001 * slope * slope
        rate = learning_rate * min(1, 2 * (1 - (index - 1) / steps))
        place -= rate * mean / (1 - 0.9**index) / (np.sqrt(square / (1 - 0.999**index)) + 1e-8)
    return moved()


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
