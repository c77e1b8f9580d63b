"""How does a recurrent net learn to read an image row by row?

A vanilla tanh recurrent net (Elman 1990) sees one row of pixels a time step and names the class after the last, by a
softmax of its last hidden state. Numpy alone, and a generator that records every step.

    network = rnn.RNN(28, 64, 10, seed=0)
    for step in rnn.train(network, dataset, steps=500, learning_rate=0.1):
        step.gradients[1]  # of the recurrent weights (64, 64), before clipping and before this step's update

Figure: loss and accuracy; the gradient's norm, and how often it is clipped; and how the derivative of the loss by the
pre-activations fades from the last row back to the first (Pascanu et al. 2013), untrained and trained.

Takes 5 s.
"""
from dataclasses import replace
from functools import cached_property

import numpy as np

from gradnets import checks, streams
from gradnets.errors import UserError

DATASET = "glyphs"          # glyphs, noise, mnist, cifar10, cifar100, tree or clusters
ROW = 28                    # features read a time step; it must divide their number
HIDDEN_UNITS = 64           # units of the hidden state
INIT = "glorot"             # of input and output weights: uniform(scale), normal(scale), glorot, orthogonal(gain)
RECURRENT_INIT = "orthogonal(1)"  # of recurrent weights, the same laws
LEARNING_RATE = 0.1         # step length of gradient descent
CLIP = 1.0                  # largest norm of a gradient, longer ones are shortened to it; 0 clips nothing
BATCH_SIZE = 8              # samples a step, drawn with replacement
STEPS = 5000                # updates
SEED = 0                    # seeds data, weights and the order of the samples


quiet = np.errstate(over="ignore", invalid="ignore")  # a net that diverges goes on with infinities


# ---- the network ------------------------------------------------------------------------------------------

class RNN:
    """A net of one recurrent tanh layer, float64: h_t = tanh(x_t U + h_{t-1} W + b), softmax of h_T V + c.

    Parameters
    ----------
    inputs, hidden, classes : int, positive
        Features of one time step, hidden units, outputs.
    init, recurrent_init : str
        Laws of the input and output weights and of the recurrent ones, as `mlp.draw_weights` names them.
    seed : int, not negative, or numpy.random.Generator

    Attributes
    ----------
    input_weights : float64 (inputs, hidden)
    recurrent_weights : float64 (hidden, hidden), from row to column
    output_weights : float64 (hidden, classes)
    hidden_bias, output_bias : float64 (hidden,), (classes,), 0 at first

    Raises
    ------
    ValueError
        For sizes that are not positive whole numbers and for unknown laws.
    """

    def __init__(self, inputs, hidden, classes, init="glorot", seed=0, recurrent_init="orthogonal(1)"):
        checks.positive_integers(inputs=inputs, hidden=hidden, classes=classes)
        rng = streams.generator(seed, streams.WEIGHTS)
        self.input_weights = streams.initial_weights(init, (inputs, hidden), rng)
        self.recurrent_weights = streams.initial_weights(recurrent_init, (hidden, hidden), rng)
        self.output_weights = streams.initial_weights(init, (hidden, classes), rng)
        self.hidden_bias, self.output_bias = np.zeros(hidden), np.zeros(classes)

    @property
    def weights(self):
        """Input, recurrent and output weights: a list of the arrays themselves."""
        return [self.input_weights, self.recurrent_weights, self.output_weights]

    @property
    def biases(self):
        """Of hidden units and outputs: a list of the arrays themselves."""
        return [self.hidden_bias, self.output_bias]

    def forward(self, sequences):
        """States and class probabilities.

        Parameters
        ----------
        sequences : (batch, time, inputs)

        Returns
        -------
        states : (time + 1, batch, hidden)
            The first is the start, all 0.
        outputs : (batch, classes)
        """
        driven = np.swapaxes(sequences, 0, 1) @ self.input_weights + self.hidden_bias  # (time, batch, hidden)
        dtype = np.result_type(driven, self.recurrent_weights)
        states = np.zeros((len(driven) + 1, *driven.shape[1:]), dtype)
        for t, drive in enumerate(driven):
            states[t + 1] = np.tanh(drive + states[t] @ self.recurrent_weights)
        total = states[-1] @ self.output_weights + self.output_bias
        total = np.exp(total - total.real.max(axis=1, keepdims=True))
        return states, total / total.sum(axis=1, keepdims=True)

    def loss(self, outputs, labels):
        """Minus the log-probability of each label: (batch,) from outputs (batch, classes)."""
        right = outputs[np.arange(len(labels)), labels]
        return -np.log(np.where(right == 0, np.finfo(float).tiny, right))  # a probability may underflow

    def backward(self, states, outputs, labels):
        """Backpropagation through time: the derivative of each sample's own loss by the pre-activations.

        Returns
        -------
        deltas : (time, batch, hidden)
        output_delta : (batch, classes)
        """
        output_delta = outputs.copy()
        output_delta[np.arange(len(labels)), labels] -= 1
        deltas = np.empty_like(states[1:])
        back = output_delta @ self.output_weights.T
        for t in range(len(deltas) - 1, -1, -1):
            deltas[t] = back * (1 - states[t + 1] * states[t + 1])
            back = deltas[t] @ self.recurrent_weights.T
        return deltas, output_delta


def sequences(inputs, row):
    """Images (n, features) as sequences (n, features / row, row), not a copy.

    ValueError if row does not divide the features, or images are no matrix of real numbers.
    """
    if inputs.ndim != 2 or inputs.dtype.kind not in "fiub":
        raise UserError(f"inputs are {inputs.dtype} of shape {inputs.shape}: expected a matrix of real numbers")
    features = inputs.shape[1]
    if not isinstance(row, int | np.integer) or row < 1 or features % row:
        raise UserError(f"row is {row!r}: expected a whole number that divides the {features} features")
    return inputs.reshape(len(inputs), features // row, row)


@quiet
def accuracy(network, dataset, chunk=2000):
    """Share of the dataset's items whose largest output is their label's, `chunk` items at a time.

    ValueError for a dataset that does not fit the network. A net whose outputs are NaN is taken to say 0.
    """
    _check_data(network, dataset)
    items = sequences(dataset.inputs, len(network.input_weights))
    right = 0
    for start in range(0, len(items), chunk):
        _, outputs = network.forward(items[start:start + chunk])
        right += np.count_nonzero(outputs.argmax(axis=1) == dataset.labels[start:start + chunk])
    return right / len(items)


# ---- training, a generator of recorded steps --------------------------------------------------------------

class Step:
    """What one step of training saw. Nothing in it is written to again: keep it without copying.

    Attributes
    ----------
    index : int
        From 1: step 1 is taken at the untrained weights.
    loss : float
        Mean over the batch.
    inputs : float64 (time, batch, inputs)
    states : float64 (time + 1, batch, hidden)
        The first is the start, all 0.
    deltas : float64 (time, batch, hidden)
        Derivative of each sample's own loss by the pre-activations of the hidden units.
    output_delta : float64 (batch, classes)
        The same of the outputs.
    gradients : list of three float64 arrays
        Derivative of the mean loss by input, recurrent and output weights, before clipping; formed when first read.
    bias_gradients : list of two float64 arrays
    norm : float
        Of the whole gradient, weights and biases.
    """

    def __init__(self, index, loss, inputs, states, deltas, output_delta):
        self.index, self.loss, self.inputs, self.states = index, loss, inputs, states
        self.deltas, self.output_delta = deltas, output_delta

    @cached_property
    def gradients(self):
        pairs = ((self.inputs, self.deltas), (self.states[:-1], self.deltas), (self.states[-1], self.output_delta))
        size = len(self.output_delta)
        return [a.reshape(-1, a.shape[-1]).T @ d.reshape(-1, d.shape[-1]) / size for a, d in pairs]

    @cached_property
    def bias_gradients(self):
        size = len(self.output_delta)
        return [self.deltas.sum(axis=(0, 1)) / size, self.output_delta.sum(axis=0) / size]

    @cached_property
    def norm(self):
        return float(np.sqrt(sum(np.vdot(g, g) for g in self.gradients + self.bias_gradients)))


def train(network, dataset, steps, learning_rate, batch_size=1, seed=0, clip=1.0):
    """Gradient descent on samples drawn with replacement; yields a Step before its update is applied.

    While the loop's body looks at a step, `network` still holds the weights at which its gradient was taken; the update
    follows when the loop asks for more, after the last step too. It goes along the gradient, shortened to the norm
    `clip` where it is longer (Pascanu et al. 2013, algorithm 1).

    Parameters
    ----------
    network : RNN
        Trained in place.
    dataset : datasets.Dataset
        Rows of inputs are cut into sequences as wide as the network's inputs.
    steps, batch_size : int, positive
    learning_rate : float, finite, not negative
    seed : int, not negative, or numpy.random.Generator
        Draws the samples; the network's own number may serve again, it gives another stream here.
    clip : float, positive, or None
        None clips nothing.

    Raises
    ------
    ValueError
        For numbers outside these ranges and for a dataset that does not fit the network.

    Notes
    -----
    A net that diverges goes on with infinities and NaN, as its numbers are: look at `step.loss`.
    """
    checks.training_schedule(steps, learning_rate, batch_size)
    if clip is not None and not clip > 0:
        raise UserError(f"clip is {clip!r}: expected a positive number, or None")
    _check_data(network, dataset)
    items = sequences(dataset.inputs, len(network.input_weights))
    rng = streams.generator(seed, streams.SAMPLES)
    return _steps(network, items, dataset.labels, steps, learning_rate, batch_size, rng, clip)


def _check_data(network, dataset):
    checks.labelled_data(dataset)
    classes = len(network.output_bias)
    if dataset.labels.max() >= classes:
        raise UserError(f"labels of {dataset.name} run from {dataset.labels.min()} to {dataset.labels.max()}: the "
                         f"network has {classes} outputs, expected 0 to {classes - 1}")


def _steps(network, items, labels, steps, learning_rate, batch_size, rng, clip):
    for index in range(1, steps + 1):
        chosen = rng.integers(len(labels), size=batch_size)
        step = _look(network, index, items[chosen], labels[chosen])
        yield step
        _descend(network, step, learning_rate, clip)


@quiet
def _look(network, index, items, labels):
    states, outputs = network.forward(items)
    deltas, output_delta = network.backward(states, outputs, labels)
    loss = float(network.loss(outputs, labels).mean())
    return Step(index, loss, np.swapaxes(items, 0, 1), states, deltas, output_delta)


@quiet
def _descend(network, step, rate, clip):
    if clip is not None and step.norm > clip:
        rate *= clip / step.norm
    for parameter, gradient in zip(network.weights + network.biases, step.gradients + step.bias_gradients, strict=True):
        parameter -= rate * gradient


# ---- as a script ------------------------------------------------------------------------------------------

def fading(network, dataset):
    """Norms of the deltas, over that of the last time step: (items, time), the last column 1.

    ValueError for a dataset that does not fit the network.
    """
    _check_data(network, dataset)
    states, outputs = network.forward(sequences(dataset.inputs, len(network.input_weights)))
    deltas, _ = network.backward(states, outputs, dataset.labels)
    norms = np.linalg.norm(deltas, axis=2).T
    return norms / np.maximum(norms[:, -1:], np.finfo(float).tiny)


@quiet
def learning_curve(network, training, test, steps, records, **how):
    """Train; rows of step, loss, accuracies and clipping about `records` times, and every step's norm (steps,)."""
    from gradnets import experiment

    _check_data(network, training)
    few = replace(training, inputs=training.inputs[:len(test.labels)], labels=training.labels[:len(test.labels)])
    every = -(-steps // records)
    clip = np.inf if how["clip"] is None else how["clip"]
    rows, losses, norms = [], [], []

    def note(updates):
        rows.append({"step": updates, "loss": np.mean(losses[-every:]), "training_accuracy": accuracy(network, few),
                     "test_accuracy": accuracy(network, test), "median_norm": np.median(norms[-every:]),
                     "share_clipped": np.mean(np.array(norms[-every:]) > clip)})

    for step in experiment.progress(train(network, training, steps, **how), total=steps, what="training"):
        losses.append(step.loss)
        norms.append(step.norm)
        if (step.index - 1) % every == 0:  # so many updates have been applied by now
            note(step.index - 1)
    note(steps)
    return rows, np.array(norms)


def picture(rows, norms, faded, clip, title, caption):
    """The figure. rows, norms: of `learning_curve`; faded: {"untrained": (items, time), "trained": ...}."""
    from matplotlib.ticker import MaxNLocator

    from gradnets import plots

    made, panels = plots.figure([["loss", "accuracy"], ["norm", "fading"]], 10, 7.4, title, caption)
    steps = [row["step"] for row in rows]
    panels["loss"].plot(steps, [row["loss"] for row in rows], "o-", color=plots.INK, ms=3)
    panels["loss"].set(title="loss, mean since the last dot", ylabel="nats", yscale="log")
    for key, color in (("training_accuracy", plots.GREY), ("test_accuracy", plots.RED)):
        panels["accuracy"].plot(steps, [row[key] for row in rows], "o-", color=color, ms=3, label=key.split("_")[0])
    panels["accuracy"].set(title="accuracy", ylim=(0, 1.02))
    panels["accuracy"].legend(loc="lower right")
    panels["norm"].plot(np.arange(1, len(norms) + 1), norms, ".", color=plots.GREY, ms=2, alpha=0.5,
                        rasterized=True)
    panels["norm"].plot(steps[1:], [row["median_norm"] for row in rows[1:]], "o-", color=plots.INK, ms=3)
    panels["norm"].set(title="norm of each step's gradient, and its median", yscale="log")
    if clip is not None:
        panels["norm"].axhline(clip, color=plots.RED, lw=1)
        panels["norm"].text(0.99, clip, f"above: clipped, {np.mean(norms > clip):.0%} of all steps", color=plots.RED,
                            ha="right", va="bottom", transform=panels["norm"].get_yaxis_transform(),
                            bbox={"facecolor": "white", "alpha": 0.8, "lw": 0, "pad": 1})
    for name in ("loss", "accuracy", "norm"):
        panels[name].xaxis.set_major_locator(MaxNLocator(5))
        panels[name].set_xlabel("step")
    for (name, shares), color in zip(faded.items(), (plots.GREY, plots.RED), strict=True):
        low, middle, high = np.quantile(shares, (0.05, 0.5, 0.95), axis=0)
        before = np.arange(len(middle))[::-1]
        panels["fading"].fill_between(before, low, high, color=color, alpha=0.2, lw=0)
        panels["fading"].plot(before, middle, color=color, lw=2, label=name)
    panels["fading"].set(title="norm of the delta, over that of the last time step", yscale="log",
                         xlabel="time steps before the last")
    panels["fading"].xaxis.set_major_locator(MaxNLocator(integer=True))
    panels["fading"].legend()
    return made


def main():
    from gradnets import datasets, experiment, plots  # here, so that the model itself needs numpy and mlp alone

    experiment.check_positive(HIDDEN_UNITS=HIDDEN_UNITS)
    if not CLIP >= 0:
        raise UserError(f"CLIP is {CLIP!r}: expected a positive number, or 0 to clip nothing")
    clip = CLIP or None
    training, test = (datasets.load(DATASET, split, seed=SEED) for split in ("train", "test"))
    few = replace(test, inputs=test.inputs[:500], labels=test.labels[:500])
    time = sequences(few.inputs, ROW).shape[1]
    network = RNN(ROW, HIDDEN_UNITS, training.classes, INIT, SEED, RECURRENT_INIT)
    faded = {"untrained": fading(network, few)}
    rows, norms = learning_curve(network, training, test, STEPS, 20, learning_rate=LEARNING_RATE,
                                 batch_size=BATCH_SIZE, seed=SEED, clip=clip)
    title = "Training diverged, the loss is not finite: lower LEARNING_RATE"
    if np.isfinite(rows[-1]["loss"]):
        faded["trained"] = fading(network, few)
        first = {name: np.median(shares[:, 0]) for name, shares in faded.items()}
        title = (f"Test accuracy {rows[-1]['test_accuracy']:.1%} after {STEPS:,} steps; the delta at the first of "
                 f"{time} time steps has {first['untrained']:.2g} of the last one's norm untrained, "
                 f"{first['trained']:.2g} trained")
    else:
        faded["trained"] = np.full_like(faded["untrained"], np.nan)
    shortened = "not clipped" if clip is None else f"clipped to norm {clip:g}"
    caption = (f"{training.name} read as {time} rows of {ROW}, {HIDDEN_UNITS} tanh units, init {INIT}, recurrent "
               f"{RECURRENT_INIT}, batch {BATCH_SIZE}, learning rate {LEARNING_RATE:g},\ngradients {shortened}, seed "
               f"{SEED}; trained on {len(training.labels):,} items, accuracy on {len(test.labels):,} of each set.\n"
               f"Deltas: median and middle 90 % of {len(few.labels)} test items.")
    figure = plots.styled(picture)(rows, norms, faded, clip, title, caption)
    arrays = {name: getattr(network, name) for name in
              ("input_weights", "recurrent_weights", "output_weights", "hidden_bias", "output_bias")}
    arrays |= {key: np.array([row[key] for row in rows]) for key in rows[0]} | {"norms": norms}
    arrays |= {f"fading_{name}": shares for name, shares in faded.items()}
    return rows, figure, {".npz": arrays}


if __name__ == "__main__":
    from gradnets import experiment

    experiment.run(main)
