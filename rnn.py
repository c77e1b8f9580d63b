"""How does a recurrent net learn to read an image row by row?

A plain tanh recurrent net (Elman 1990) reads one row of pixels per time step and names the class after the last row, by
a softmax of its last hidden state. The model is plain numpy, and a generator that yields every training step.

    network = rnn.RNN(28, 64, 10, seed=0)
    for step in rnn.train(network, dataset, steps=500, learning_rate=0.1):
        step.gradients[1]  # of the recurrent weights (64, 64), before clipping and before this step's update

Figure: how the deltas, the derivatives of the loss with respect to the pre-activations, fade from the last row back to
the first (Pascanu et al. 2013), untrained and trained; accuracy and loss; the norm of the gradient, and how often it is
clipped.

Takes 5 s.
"""
from dataclasses import replace
from functools import cached_property, partial

import numpy as np

from gradnets import checks, learning, streams, summaries
from gradnets.errors import UserError

DATASET = "glyphs"          # data set: glyphs, noise, mnist, cifar10, cifar100, tree or clusters
ROW = 28                    # features per time step; a divisor of the number of features
HIDDEN_UNITS = 64           # number of units in the hidden state
INIT = "glorot"             # law of input and output weights: uniform(scale), normal(scale), glorot, orthogonal(gain)
RECURRENT_INIT = "orthogonal(1)"  # law of recurrent weights, one of the same laws
LEARNING_RATE = 0.1         # step length of gradient descent
CLIP = 1.0                  # largest norm of a gradient; longer ones are shortened to it, and 0 clips nothing
BATCH_SIZE = 8              # samples per step, drawn with replacement
STEPS = 5000                # number of updates
SEED = 0                    # seed of data, weights and the order of the samples

# ---- not flags --------------------------------------------------------------------------------------------

RECORDS = 20                # rows of the learning curve, about
FADING_ITEMS = 500          # test items whose deltas are followed back in time
quiet = np.errstate(over="ignore", invalid="ignore")  # a net that diverges continues with infinities


# ---- the network ------------------------------------------------------------------------------------------

class RNN:
    """A net of one recurrent tanh layer, float64: h_t = tanh(x_t U + h_{t-1} W + b), softmax of h_T V + c.

    Parameters
    ----------
    inputs, hidden, classes : int, positive
        Numbers of features per time step, hidden units and outputs.
    init, recurrent_init : str
        Laws of the input and output weights, and of the recurrent weights; see `gradnets.streams.initial_weights`.
    seed : int, not negative, or numpy.random.Generator

    Attributes
    ----------
    input_weights : float64 (inputs, hidden)
        U.
    recurrent_weights : float64 (hidden, hidden)
        W: row i sends, column j receives.
    output_weights : float64 (hidden, classes)
        V.
    hidden_bias, output_bias : float64 (hidden,), (classes,)
        b and c, zero at the start.

    Raises
    ------
    UserError
        If a size is not a positive integer, or a law is unknown.
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
        """Input, recurrent and output weights: a list of the arrays themselves, not copies."""
        return [self.input_weights, self.recurrent_weights, self.output_weights]

    @property
    def biases(self):
        """Biases of hidden units and outputs: a list of the arrays themselves, not copies."""
        return [self.hidden_bias, self.output_bias]

    def forward(self, sequences):
        """Return the hidden states and the class probabilities.

        Parameters
        ----------
        sequences : (batch, time, inputs)

        Returns
        -------
        states : (time + 1, batch, hidden)
            The first is the initial state, zero.
        outputs : (batch, classes)
        """
        drives = np.swapaxes(sequences, 0, 1) @ self.input_weights + self.hidden_bias  # (time, batch, hidden)
        dtype = np.result_type(drives, self.recurrent_weights)
        states = np.zeros((len(drives) + 1, *drives.shape[1:]), dtype)
        for t, drive in enumerate(drives):
            states[t + 1] = np.tanh(drive + states[t] @ self.recurrent_weights)
        total = states[-1] @ self.output_weights + self.output_bias
        total = np.exp(total - total.real.max(axis=1, keepdims=True))
        return states, total / total.sum(axis=1, keepdims=True)

    def loss(self, outputs, labels):
        """Return minus the log-probability of each label, (batch,), from outputs (batch, classes)."""
        right = outputs[np.arange(len(labels)), labels]
        return -np.log(np.where(right == 0, np.finfo(float).tiny, right))  # a probability may underflow

    def backward(self, states, outputs, labels):
        """Return the deltas of all time steps and of the outputs, by backpropagation through time.

        A delta is the derivative of one sample's loss with respect to the pre-activations.

        Returns
        -------
        deltas : (time, batch, hidden)
        output_delta : (batch, classes)
        """
        output_delta = outputs.copy()
        output_delta[np.arange(len(labels)), labels] -= 1
        deltas = np.empty_like(states[1:])
        state_gradient = output_delta @ self.output_weights.T  # (batch, hidden)
        for t in range(len(deltas) - 1, -1, -1):
            deltas[t] = state_gradient * (1 - states[t + 1] * states[t + 1])
            state_gradient = deltas[t] @ self.recurrent_weights.T
        return deltas, output_delta


def sequences(inputs, row):
    """Return images (n, features) as sequences (n, features / row, row), a view where numpy can make one.

    Raises UserError unless the images are a matrix of real numbers, and `row` divides the number of features.
    """
    if inputs.ndim != 2 or inputs.dtype.kind not in "fiub":
        raise UserError(f"inputs are {inputs.dtype} of shape {inputs.shape}: expected a matrix of real numbers")
    features = inputs.shape[1]
    if not checks.is_integer(row) or row < 1 or features % row:
        raise UserError(f"row is {row!r}: expected an integer that divides the {features} features")
    return inputs.reshape(len(inputs), features // row, row)


@quiet
def accuracy(network, dataset, chunk=2000):
    """Return the share of items whose largest output is the output of their label.

    The net runs on `chunk` items at a time. A net whose outputs are NaN predicts class 0. Raises UserError for a
    dataset that does not fit the network.
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
    """What one training step computed. Nothing writes to these arrays later: keep them without copying.

    Attributes
    ----------
    index : int
        From 1: step 1 is taken at the untrained weights.
    loss : float
        Mean over the batch.
    inputs : float64 (time, batch, inputs)
    states : float64 (time + 1, batch, hidden)
        The first is the initial state, zero.
    deltas : float64 (time, batch, hidden)
        Derivative of each sample's loss with respect to the pre-activations of the hidden units.
    output_delta : float64 (batch, classes)
        Derivative of each sample's loss with respect to the pre-activations of the outputs.
    gradients : list of three float64 arrays
        Derivative of the mean loss with respect to input, recurrent and output weights, before clipping; computed when
        it is first read.
    bias_gradients : list of two float64 arrays
    norm : float
        Length of the whole gradient, weights and biases together.
    """

    def __init__(self, index, loss, inputs, states, deltas, output_delta):
        self.index, self.loss, self.inputs, self.states = index, loss, inputs, states
        self.deltas, self.output_delta = deltas, output_delta

    @cached_property
    def gradients(self):
        pairs = ((self.inputs, self.deltas), (self.states[:-1], self.deltas), (self.states[-1], self.output_delta))
        batch_size = len(self.output_delta)
        return [sent.reshape(-1, sent.shape[-1]).T @ delta.reshape(-1, delta.shape[-1]) / batch_size
                for sent, delta in pairs]

    @cached_property
    def bias_gradients(self):
        batch_size = len(self.output_delta)
        return [self.deltas.sum(axis=(0, 1)) / batch_size, self.output_delta.sum(axis=0) / batch_size]

    @cached_property
    def norm(self):
        return float(np.sqrt(sum(np.vdot(g, g) for g in self.gradients + self.bias_gradients)))


def train(network, dataset, steps, learning_rate, batch_size=1, seed=0, clip=1.0):
    """Train by gradient descent on samples drawn with replacement; yield each Step before its update is applied.

    While the body of the loop looks at a step, `network` still holds the weights at which the gradient was taken. The
    update is applied when the loop asks for the next step, and also after the last step. It follows the gradient,
    shortened to the norm `clip` if it is longer (Pascanu et al. 2013, algorithm 1).

    Parameters
    ----------
    network : RNN
        Trained in place.
    dataset : datasets.Dataset
        Each input is cut into time steps of as many features as the network has inputs.
    steps, batch_size : int, positive
    learning_rate : float, finite, not negative
    seed : int, not negative, or numpy.random.Generator
        Draws the samples. The seed of the network may be used again: it gives another random stream here.
    clip : float, positive, or None
        None clips nothing.

    Yields
    ------
    Step

    Raises
    ------
    UserError
        If a number is outside these ranges, or the dataset does not fit the network; before the first step.

    Notes
    -----
    A net that diverges continues with infinities and NaN: look at `step.loss`.
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
        drawn = rng.integers(len(labels), size=batch_size)
        step = _compute_step(network, index, items[drawn], labels[drawn])
        yield step
        _descend(network, step, learning_rate, clip)


@quiet
def _compute_step(network, index, items, labels):
    states, outputs = network.forward(items)
    deltas, output_delta = network.backward(states, outputs, labels)
    loss = float(network.loss(outputs, labels).mean())
    return Step(index, loss, np.swapaxes(items, 0, 1), states, deltas, output_delta)


@quiet
def _descend(network, step, learning_rate, clip):
    if clip is not None and step.norm > clip:
        learning_rate *= clip / step.norm
    for parameter, gradient in zip(network.weights + network.biases, step.gradients + step.bias_gradients, strict=True):
        parameter -= learning_rate * gradient


# ---- as a script ------------------------------------------------------------------------------------------

def fading(network, dataset):
    """Return the norm of each delta divided by that of the last time step: (items, time), the last column 1.

    Raises UserError for a dataset that does not fit the network.
    """
    _check_data(network, dataset)
    states, outputs = network.forward(sequences(dataset.inputs, len(network.input_weights)))
    deltas, _ = network.backward(states, outputs, dataset.labels)
    norms = np.linalg.norm(deltas, axis=2).T
    return norms / np.maximum(norms[:, -1:], np.finfo(float).tiny)


@quiet
def learning_curve(network, training, test, steps, records, **options):
    """Train a network; return the rows of its learning curve, and the norm of every gradient.

    Parameters
    ----------
    network : RNN
        Trained in place.
    training, test : datasets.Dataset
    steps, records : int
        Number of updates, and of distances between rows.
    **options
        Arguments of `train`, clip among them.

    Returns
    -------
    rows : list of dict
        step; loss, median_norm and share_clipped since the row before; training_accuracy (on as many training items as
        there are test items) and test_accuracy.
    norms : float64 (steps,)
    """
    _check_data(network, training)
    clip = np.inf if options["clip"] is None else options["clip"]

    def of_norms(norms):
        return {"median_norm": np.median(norms), "share_clipped": np.mean(np.array(norms) > clip)}

    rows, norms = learning.classifier_curve(train(network, training, steps, **options), partial(accuracy, network),
                                            (training, test), steps, records, lambda step: step.norm, of_norms)
    return rows, np.array(norms)


def picture(rows, norms, shares, clip, title, caption):
    """Draw the figure. rows, norms: of `learning_curve`; shares: {"untrained": (items, time), "trained": ...}."""
    from gradnets import plots

    figure, panels = plots.figure([["fading", "accuracy"], ["norm", "loss"]], 11, 7.6, title, caption)
    plots.draw_training(panels["loss"], panels["accuracy"], rows)
    _draw_fading(panels["fading"], shares)
    _draw_norms(panels["norm"], rows, norms, clip)
    return figure


def _draw_fading(axes, shares):
    """Draw how deltas fade from the last time step back to the first, untrained and trained, with 90 % bands."""
    from matplotlib.ticker import MaxNLocator

    from gradnets import plots

    lines = []
    for (name, share), color, dash in zip(shares.items(), (plots.BLUE, plots.RED), ("--", "-"), strict=True):
        low, median, high = summaries.quantiles(share, axis=0)[:, ::-1]
        axes.fill_between(range(len(median)), low, high, color=color, alpha=0.15, lw=0)
        axes.plot(range(len(median)), median, ls=dash, color=color, lw=2)
        lines.append((range(len(median)), median, f"{name}: {median[-1]:.2g}", color))
    axes.axhline(1, color=plots.GREY, lw=0.7, zorder=0)
    axes.set(title="deltas on their way back to the first row", xlabel="rows before the last one", yscale="log",
             ylabel="norm / norm at the last row", xlim=(0, max(len(lines[0][1]) - 1, 1)))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    plots.label_lines(axes, lines)


def _draw_norms(axes, rows, norms, clip):
    """Draw the norm of each step's gradient, the medians of these norms, and the norm that clipping keeps."""
    from gradnets import plots

    steps, medians = [row["step"] for row in rows[1:]], [row["median_norm"] for row in rows[1:]]
    axes.plot(np.arange(1, len(norms) + 1), norms, ".", color=plots.GREY, ms=2, alpha=0.4, rasterized=True)
    axes.plot(steps, medians, "o-", color=plots.INK, ms=3)
    axes.set(title="norm of each step's gradient", ylabel="norm (line: median since the last dot)", yscale="log",
             xlim=(0, 1.01 * len(norms)))
    plots.name_steps(axes)
    if clip is not None:
        axes.axhline(clip, color=plots.RED, lw=1.5)
        axes.set_title(f"norm of each step's gradient; {100 * np.mean(norms > clip):.0f} % are clipped")
        plots.label_lines(axes, [([1.01 * len(norms)], [clip], "clipped\nabove", plots.RED)])


def main(settings):
    """Train one net; return its learning curve, its weights, and how its deltas fade."""
    from gradnets import datasets, experiment, plots  # here, because the model itself needs numpy alone

    checks.positive_integers(hidden_units=settings.hidden_units)
    if not settings.clip >= 0:
        raise UserError(f"clip is {settings.clip!r}: expected a positive number, or 0 to clip nothing")
    clip = settings.clip or None
    training, test = (datasets.load(settings.dataset, split, seed=settings.seed) for split in ("train", "test"))
    items = replace(test, inputs=test.inputs[:FADING_ITEMS], labels=test.labels[:FADING_ITEMS])
    times = sequences(items.inputs, settings.row).shape[1]
    network = RNN(settings.row, settings.hidden_units, training.classes, settings.init, settings.seed,
                  settings.recurrent_init)
    shares = {"untrained": fading(network, items)}
    rows, norms = learning_curve(network, training, test, settings.steps, RECORDS, clip=clip, seed=settings.seed,
                                 learning_rate=settings.learning_rate, batch_size=settings.batch_size)
    diverged = not np.isfinite(rows[-1]["loss"])
    shares["trained"] = np.full_like(shares["untrained"], np.nan) if diverged else fading(network, items)
    finding = described(rows, shares)
    clipping = "not clipped" if clip is None else f"clipped to norm {clip:g}"
    caption = (f"{training.name}, {len(training.labels):,} training items read as {times} rows of {settings.row}; "
               f"{settings.hidden_units} tanh units, batch {settings.batch_size}, learning rate "
               f"{settings.learning_rate:g}, gradients {clipping}.\nn = 1 run, seed {settings.seed}; accuracy on "
               f"{len(test.labels):,} items of each set; deltas: of the cross-entropy loss, median and middle 90 % "
               f"of {len(items.labels)} test items.")
    figure = plots.styled(picture)(rows, norms, shares, clip, finding, caption)
    arrays = {name: getattr(network, name) for name in
              ("input_weights", "recurrent_weights", "output_weights", "hidden_bias", "output_bias")}
    arrays |= {key: np.array([row[key] for row in rows]) for key in rows[0]} | {"norms": norms}
    arrays |= {f"fading_{name}": share for name, share in shares.items()}
    return experiment.Result(rows, names=("step",), finding=finding, figure=figure, files={".npz": arrays},
                             printed=rows[::-2][::-1], data=[training.provenance, test.provenance],
                             suggestion="rnn.py --recurrent-init 'orthogonal(1.5)' shows untrained deltas that grow")


def described(rows, shares):
    """Return the finding of a run: what training does to the deltas of the first row."""
    if not np.isfinite(rows[-1]["loss"]):
        return "Training diverged: the loss is not finite, lower the learning rate"
    before, after = (f"{np.median(share[:, 0]):.2g}" for share in shares.values())
    verb = "lifts" if float(after) > float(before) else "lowers" if float(after) < float(before) else "keeps"
    return f"Training {verb} the first row's deltas from {before} to {after} times the last row's"


if __name__ == "__main__":
    from gradnets import experiment

    experiment.run(main)
