"""How does a plain multi-layer perceptron learn, seen step by step?

The model that the other scripts import: plain numpy, and a generator that yields every training step.

    network = mlp.MLP((784, 784, 10), activation="tanh", loss="squared", init="uniform(0.25)", seed=0)
    for step in mlp.train(network, dataset, steps=500, learning_rate=0.1):
        step.gradients[0]  # (784, 784), taken at the weights before this step's update

Run as a script it trains one net, prints its accuracy, and saves the weights and the learning curve.

Figure: loss and accuracy on training and test images against steps. Takes 2 s for 20,000 steps.
"""
import sys
from functools import cached_property, partial
from itertools import pairwise

import numpy as np

from gradnets import checks, learning, streams
from gradnets.errors import UserError

DATASET = "glyphs"          # data set: glyphs, noise, mnist, cifar10, cifar100, tree or clusters
HIDDEN_UNITS = (30,)        # number of units in each hidden layer; several numbers make a deeper net
ACTIVATION = "tanh"         # activation: tanh, relu or leaky(slope)
LOSS = "squared"            # loss: squared (the output layer is activated too) or cross-entropy (softmax)
INIT = "glorot"             # law of initial weights: uniform(scale), normal(scale), glorot, orthogonal(gain)
LEARNING_RATE = 0.05        # step length of gradient descent
MOMENTUM = 0.0              # share of the last update that is kept, in [0, 1)
NESTEROV = False            # take Nesterov's step, which looks ahead along the momentum
BATCH_SIZE = 1              # samples per step, drawn with replacement
STEPS = 20_000              # number of updates
SEED = 0                    # seed of data, weights and the order of the samples

# ---- not flags --------------------------------------------------------------------------------------------

RECORDS = 20                # rows of the learning curve, about
LOSSES = ("squared", "cross-entropy")
SLOPES = {"tanh": None, "relu": None, "leaky": 0.01}  # default number after an activation's name; None: takes none
# Each activation: its value from the pre-activation, and its derivative from its value. Both branch on the real part
# alone, so that a complex step passes through: the imaginary part of f(x + ih) / h is the derivative of f.
ACTIVATIONS = {
    "tanh": (lambda total, slope: np.tanh(total),
             lambda value, slope: 1.0 - value * value),
    "relu": (lambda total, slope: np.where(total.real > 0, total, 0.0),
             lambda value, slope: (value.real > 0).astype(float)),
    "leaky": (lambda total, slope: np.where(total.real > 0, total, slope * total),
              lambda value, slope: np.where(value.real > 0, 1.0, slope)),
}


# ---- the network ------------------------------------------------------------------------------------------

class MLP:
    """A fully connected net, float64, with the same activation in every layer.

    Parameters
    ----------
    sizes : sequence of int
        Units of each layer, inputs first, at least two layers.
    activation : str
        "tanh", "relu", or "leaky(slope)" with a slope in (0, 1), by default 0.01.
    loss : str
        "squared": half the sum over outputs of (output - target)², with an activated output layer; "cross-entropy":
        softmax outputs, and minus the log-probability of the label.
    init : str
        The law of the weights; see `gradnets.streams.initial_weights`.
    seed : int, not negative, or numpy.random.Generator
    biases : bool, or one bool per layer of weights
        Which layers have a bias. In the essay of 2016 only the first has one: (True, False). A bias is drawn by the
        law of the weights if this is uniform or normal, because the sources hold the bias as one more row of the
        weights; otherwise it starts at zero.
    targets : pair of float
        The target of a wrong output and of the right output under "squared".

    Attributes
    ----------
    weights : list of float64 (n_l, n_{l+1})
    biases : list of float64 (n_{l+1},), or None for a layer without a bias
    targets : float64 (labels, n_L)
        Row k: the targets of all outputs for label k under "squared". An autoencoder replaces this table by its
        inputs, and labels each input with its own row.

    Raises
    ------
    UserError
        If a size is not a positive integer, or a name or number is not one of those above.
    """

    def __init__(self, sizes, activation="tanh", loss="squared", init="uniform(0.25)", seed=0, *,
                 biases=True, targets=(0.0, 1.0)):
        self.sizes = _checked_sizes(sizes)
        layers = len(self.sizes) - 1
        self.activation, self.slope = streams.name_and_number("activation", activation, SLOPES)
        if self.slope is not None and self.slope >= 1:
            raise UserError(f"activation {activation!r}: expected a slope between 0 and 1")
        self.loss_name = checks.choice("loss", loss, LOSSES)
        wrong, right = targets if loss == "squared" else (0.0, 1.0)
        self.targets = np.full((self.sizes[-1],) * 2, float(wrong))
        np.fill_diagonal(self.targets, right)
        has_bias = [bool(biases)] * layers if np.ndim(biases) == 0 else list(biases)
        if len(has_bias) != layers:
            raise UserError(f"biases has {len(has_bias)} values, expected one for each of the {layers} layers of "
                            f"weights between sizes {self.sizes}")
        rng = streams.generator(seed, streams.WEIGHTS)
        self.weights, self.biases = [], []
        for shape, biased in zip(pairwise(self.sizes), has_bias, strict=True):
            self.weights.append(streams.initial_weights(init, shape, rng))
            self.biases.append(streams.initial_bias(init, shape[1], rng) if biased else None)

    def forward(self, inputs):
        """Return the activations of every layer, inputs first: list of (batch, n_l) from inputs (batch, n_0)."""
        activate, _ = ACTIVATIONS[self.activation]
        activations = [inputs]
        for layer, (weights, bias) in enumerate(zip(self.weights, self.biases, strict=True), start=1):
            total = _times_weights(activations[-1], weights)
            if bias is not None:
                total += bias
            softmax = self.loss_name == "cross-entropy" and layer == len(self.weights)
            activations.append(_softmax(total) if softmax else activate(total, self.slope))
        return activations

    def loss(self, outputs, labels):
        """Return the loss of each sample, (batch,), from the outputs (batch, n_L) and labels int (batch,)."""
        if self.loss_name == "squared":
            error = outputs - self.targets[labels]
            return 0.5 * (error * error).sum(axis=1)
        right = outputs[np.arange(len(labels)), labels]
        return -np.log(np.where(right == 0, np.finfo(float).tiny, right))  # a probability may underflow

    def backward(self, activations, labels):
        """Return the deltas of every layer after the inputs: list of (batch, n_{l+1}).

        A delta is the derivative of one sample's loss with respect to the pre-activations of a layer.
        """
        _, derivative = ACTIVATIONS[self.activation]
        delta = activations[-1] - self.targets[labels]
        if self.loss_name == "squared":
            delta *= derivative(activations[-1], self.slope)
        deltas = [delta]
        for layer in range(len(self.weights) - 1, 0, -1):
            delta = (delta @ self.weights[layer].T) * derivative(activations[layer], self.slope)
            deltas.append(delta)
        return deltas[::-1]


def accuracy(network, dataset, chunk=2000):
    """Return the share of items whose largest output is the output of their label.

    The net runs on `chunk` items at a time. A net whose outputs are NaN predicts class 0. Raises UserError for a
    dataset that does not fit the network.
    """
    _check_data(network, dataset)
    right = 0
    for start in range(0, len(dataset.labels), chunk):
        with np.errstate(over="ignore", invalid="ignore"):
            outputs = network.forward(dataset.inputs[start:start + chunk])[-1]
        right += np.count_nonzero(outputs.argmax(axis=1) == dataset.labels[start:start + chunk])
    return right / len(dataset.labels)


def _checked_sizes(sizes):
    sizes = tuple(sizes)
    if len(sizes) < 2 or not all(checks.is_integer(size) and size > 0 for size in sizes):
        raise UserError(f"layer sizes {sizes}: expected at least two positive integers, inputs first")
    return tuple(map(int, sizes))


def _softmax(total):
    total = np.exp(total - total.real.max(axis=1, keepdims=True))
    return total / total.sum(axis=1, keepdims=True)


# ---- training, a generator of recorded steps --------------------------------------------------------------

class Step:
    """What one training step computed. Keep these arrays without copying: nothing writes to an array that is held.

    Attributes
    ----------
    index : int
        From 1: step 1 is taken at the untrained weights.
    loss : float
        Mean over the batch.
    activations : list of float64 (batch, n_l), inputs first
    deltas : list of float64 (batch, n_{l+1})
        Derivative of each sample's loss with respect to the pre-activations.
    gradients : list of float64 (n_l, n_{l+1})
        Derivative of the mean loss with respect to the weights before the step's update: a sum of outer products of
        activations and deltas, computed when it is first read. Read-only.
    bias_gradients : list of float64 (n_{l+1},), or None for a layer without a bias
    """

    def __init__(self, index, loss, activations, deltas, has_bias, memories):
        self.index, self.loss, self.activations, self.deltas = index, loss, activations, deltas
        self._has_bias, self._memories = has_bias, memories

    @cached_property
    def gradients(self):
        return [_gradient(activation, delta, memory) for activation, delta, memory in
                zip(self.activations, self.deltas, self._memories, strict=False)]

    @cached_property
    def bias_gradients(self):
        return [delta.mean(axis=0) if biased else None
                for delta, biased in zip(self.deltas, self._has_bias, strict=True)]


def train(network, dataset, steps, learning_rate, batch_size=1, seed=0, momentum=0.0, nesterov=False):
    """Train by gradient descent on samples drawn with replacement; yield each Step before its update is applied.

    While the body of the loop looks at a step, `network` still holds the weights at which the gradient was taken. The
    update is applied when the loop asks for the next step, and also after the last step.

    Parameters
    ----------
    network : MLP
        Trained in place.
    dataset : datasets.Dataset
        With as many features as the network has inputs, and at most as many classes as it has outputs.
    steps, batch_size : int, positive
    learning_rate : float, finite, not negative
    seed : int, not negative, or numpy.random.Generator
        Draws the samples. The seed of the network may be used again: it gives another random stream here.
    momentum : float in [0, 1)
        velocity = momentum * velocity + gradient; the update follows the velocity, or with `nesterov` follows
        gradient + momentum * velocity (Sutskever et al. 2013, in the form that PyTorch uses).

    Yields
    ------
    Step

    Raises
    ------
    UserError
        If a number is outside these ranges, or the dataset does not fit the network; before the first step.

    Notes
    -----
    A single sample without momentum costs one pass over the rows of weights whose input is not zero: no other row
    moves. A net that diverges continues with infinities and NaN: look at `step.loss`.
    """
    checks.training_schedule(steps, learning_rate, batch_size)
    if not 0 <= momentum < 1:
        raise UserError(f"momentum is {momentum!r}: expected a number in [0, 1)")
    if nesterov and momentum == 0:
        raise UserError("nesterov needs a momentum, and momentum is 0: set the momentum, or leave nesterov out")
    _check_data(network, dataset)
    rng = streams.generator(seed, streams.SAMPLES)
    return _steps(network, dataset, steps, learning_rate, batch_size, rng, momentum, nesterov)


def _check_data(network, dataset):
    checks.labelled_data(dataset)
    features = dataset.inputs.shape[1]
    if features != network.sizes[0] or dataset.classes > network.sizes[-1]:
        raise UserError(f"{dataset.name} has {features} features and {dataset.classes} classes, the network "
                        f"{network.sizes[0]} inputs and {network.sizes[-1]} outputs: expected them to match")


def _steps(network, dataset, steps, learning_rate, batch_size, rng, momentum, nesterov):
    has_bias = [bias is not None for bias in network.biases]
    # In turn, since a loop may still hold the last step's gradient when it reads this step's.
    memories = [[_GradientMemory() for _ in network.weights] for _ in range(2)]
    if momentum:
        velocities = [np.zeros_like(parameter) for parameter in _parameters(network.weights, network.biases)]
    else:
        scratch = [np.empty_like(weights) for weights in network.weights]  # saves an allocation per step
    for index in range(1, steps + 1):
        items = rng.integers(len(dataset.labels), size=batch_size)
        inputs, labels = dataset.inputs[items], dataset.labels[items]
        with np.errstate(over="ignore", invalid="ignore"):  # not around the yield: it would leak to the caller
            activations = network.forward(inputs)
            deltas = network.backward(activations, labels)
            loss = float(network.loss(activations[-1], labels).sum() / batch_size)
        step = Step(index, loss, activations, deltas, has_bias, memories[index % 2])
        yield step
        with np.errstate(over="ignore", invalid="ignore"):
            if momentum:
                _descend_with_momentum(network, step, learning_rate, velocities, momentum, nesterov)
            else:
                _descend(network, step, learning_rate, scratch)


def _nonzero_inputs(activation):
    """Return the indices of nonzero inputs if the batch is one sample and most inputs are zero; otherwise None.

    Images have many dark pixels. The rows of weights of zero inputs are neither read nor moved in such a step.
    """
    if len(activation) == 1:
        nonzero = activation[0].nonzero()[0]
        if 2 * nonzero.size < activation.shape[1]:
            return nonzero
    return None


def _times_weights(activation, weights):
    nonzero = _nonzero_inputs(activation)
    return activation @ weights if nonzero is None else activation[:, nonzero] @ weights[nonzero]


class _GradientMemory:
    """An array for gradients that are zero in most rows, used for the next gradient if nobody holds the last one.

    Only the rows that the last gradient filled are cleared. A new array of zeros would take as long as the gradient.
    """

    def __init__(self):
        self._array, self._filled, self._references = None, None, None

    def outer(self, column, row, nonzero):
        """Return the outer product of a column, zero except at these indices, and a row, as a read-only array."""
        if self._array is None or sys.getrefcount(self._array) != self._references:  # a view of it counts, too
            self._array = np.zeros((column.size, row.size), row.dtype)
            self._references = sys.getrefcount(self._array)
        else:
            self._array[self._filled] = 0
        self._array[nonzero] = np.einsum("i,j->ij", column[nonzero], row)
        self._filled = nonzero
        gradient = self._array.view()
        gradient.flags.writeable = False  # other entries must stay zero
        return gradient


def _gradient(activation, delta, memory):
    nonzero = _nonzero_inputs(activation)
    if nonzero is not None:
        return memory.outer(activation[0], delta[0], nonzero)
    # Of a single sample it is an outer product: cheaper than a matrix product with inner size one.
    gradient = activation.T * delta if len(delta) == 1 else activation.T @ (delta / len(delta))
    gradient.flags.writeable = False
    return gradient


def _descend(network, step, learning_rate, scratch):
    for weights, bias, activation, delta, buffer in zip(network.weights, network.biases, step.activations,
                                                        step.deltas, scratch, strict=False):
        scaled = (learning_rate / len(delta)) * delta
        if bias is not None:
            bias -= scaled.sum(axis=0)
        nonzero = _nonzero_inputs(activation)
        if nonzero is not None:
            rows, products = buffer[:nonzero.size], buffer[nonzero.size:2 * nonzero.size]
            np.take(weights, nonzero, axis=0, out=rows, mode="clip")  # without mode="clip", numpy copies once more
            rows -= np.einsum("i,j->ij", activation[0, nonzero], scaled[0], out=products)
            weights[nonzero] = rows
        elif len(delta) == 1:
            weights -= np.multiply(activation.T, scaled, out=buffer)
        else:
            weights -= np.matmul(activation.T, scaled, out=buffer)


def _descend_with_momentum(network, step, learning_rate, velocities, momentum, nesterov):
    parameters = _parameters(network.weights, network.biases)
    gradients = _parameters(step.gradients, step.bias_gradients)
    for parameter, gradient, velocity in zip(parameters, gradients, velocities, strict=True):
        velocity *= momentum
        velocity += gradient
        parameter -= learning_rate * (gradient + momentum * velocity if nesterov else velocity)


def _parameters(weights, biases):
    """Return one list of all weights, and all biases that are not None."""
    return weights + [bias for bias in biases if bias is not None]


# ---- as a script ------------------------------------------------------------------------------------------

def learning_curve(network, training, test, steps, records, **options):
    """Train a network, and return the rows of its learning curve.

    Parameters
    ----------
    network : MLP
        Trained in place.
    training, test : datasets.Dataset
    steps, records : int
        Number of updates, and of distances between rows.
    **options
        Arguments of `train`.

    Returns
    -------
    list of dict
        step, loss (mean since the row before), training_accuracy (on as many training items as there are test
        items) and test_accuracy.
    """
    checks.labelled_data(training)
    rows, _ = learning.classifier_curve(train(network, training, steps, **options), partial(accuracy, network),
                                        (training, test), steps, records)
    return rows


def main(settings):
    """Train one net; return its learning curve and its weights."""
    from gradnets import datasets, experiment, plots  # here, because the model itself needs numpy alone

    checks.nonempty_tuples(hidden_units=settings.hidden_units)
    training, test = (datasets.load(settings.dataset, split, seed=settings.seed) for split in ("train", "test"))
    sizes = (training.inputs.shape[1], *settings.hidden_units, training.classes)
    network = MLP(sizes, settings.activation, settings.loss, settings.init, settings.seed)
    rows = learning_curve(network, training, test, settings.steps, RECORDS, learning_rate=settings.learning_rate,
                          batch_size=settings.batch_size, seed=settings.seed, momentum=settings.momentum,
                          nesterov=settings.nesterov)

    right = rows[-1]["test_accuracy"]
    finding = f"The net classifies {100 * right:.1f} % of test items correctly after {settings.steps:,} steps"
    if not np.isfinite(rows[-1]["loss"]):
        finding = "Training diverged: the loss is not finite, lower the learning rate"
    caption = (f"{training.name}, {len(training.labels):,} training items; {'-'.join(map(str, sizes))} "
               f"{settings.activation} net, {settings.loss} loss, batch {settings.batch_size}, learning rate "
               f"{settings.learning_rate:g}.\nn = 1 run, seed {settings.seed}; accuracy on {len(test.labels):,} items "
               "of each set.")
    arrays = {f"weights_{layer}": weights for layer, weights in enumerate(network.weights)}
    arrays |= {key: np.array([row[key] for row in rows]) for key in rows[0]}
    arrays |= {f"biases_{layer}": bias for layer, bias in enumerate(network.biases) if bias is not None}
    return experiment.Result(rows, names=("step",), finding=finding, files={".npz": arrays},
                             figure=plots.learning_curve(rows, finding, caption), printed=rows[::-2][::-1],
                             data=[training.provenance, test.provenance],
                             suggestion="mlp.py --hidden-units 100 shows whether a wider net classifies more correctly")


if __name__ == "__main__":
    from gradnets import experiment

    experiment.run(main)
