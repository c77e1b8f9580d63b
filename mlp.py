"""How does a plain multi-layer perceptron learn, seen step by step?

The model that the other scripts import: numpy alone, and a generator that records every step.

    network = mlp.MLP((784, 784, 10), activation="tanh", loss="squared", init="uniform(0.25)", seed=0)
    for step in mlp.train(network, dataset, steps=500, learning_rate=0.1):
        step.gradients[0]  # (784, 784), taken at the weights before this step's update

Run as a script it trains one net, prints its accuracy, and saves the weights and the learning curves.

Figure: loss and accuracy on training and test images against steps. Takes 2 s for 20,000 steps.
"""
from dataclasses import replace
from functools import cached_property
from itertools import pairwise

import numpy as np

from gradnets import checks, streams
from gradnets.errors import UserError

DATASET = "glyphs"          # glyphs, noise, mnist, cifar10, cifar100, tree or clusters
HIDDEN_UNITS = (30,)        # units of each hidden layer; several numbers make a deeper net
ACTIVATION = "tanh"         # tanh, relu or leaky(slope)
LOSS = "squared"            # squared (the output layer has the activation too) or cross-entropy (softmax)
INIT = "glorot"             # uniform(scale), normal(scale), glorot, glorot-normal or orthogonal(gain)
LEARNING_RATE = 0.05        # step length of gradient descent
MOMENTUM = 0.0              # share of the last update that is kept, in [0, 1)
NESTEROV = False            # look ahead along the momentum
BATCH_SIZE = 1              # samples a step, drawn with replacement
STEPS = 20_000              # updates
SEED = 0                    # seeds data, weights and the order of the samples


# ---- the network ------------------------------------------------------------------------------------------

# Each activation: its value from the pre-activation, its derivative from its value. They branch on the real
# part alone, so that a complex step (f(x + ih) has the derivative in its imaginary part) passes through.
ACTIVATIONS = {
    "tanh": (lambda total, slope: np.tanh(total),
             lambda value, slope: 1.0 - value * value),
    "relu": (lambda total, slope: np.where(total.real > 0, total, 0.0),
             lambda value, slope: (value.real > 0).astype(float)),
    "leaky": (lambda total, slope: np.where(total.real > 0, total, slope * total),
              lambda value, slope: np.where(value.real > 0, 1.0, slope)),
}
LOSSES = ("squared", "cross-entropy")
# What the number after a name is when it is left out; None where no number may follow.
SLOPES = {"tanh": None, "relu": None, "leaky": 0.01}


class MLP:
    """A fully connected net, float64, with one activation throughout.

    Parameters
    ----------
    sizes : sequence of int
        Units of each layer, inputs first, at least two layers.
    activation : str
        "tanh", "relu", or "leaky(slope)" with a slope in (0, 1), 0.01 unless given.
    loss : str
        "squared": half the sum over outputs of (output - target)², the output layer having the activation
        like every other; "cross-entropy": softmax outputs and minus the log-probability of the label.
    init : str
        "uniform(scale)" in ±scale; "normal(scale)", scale the standard deviation; "glorot", uniform, and
        "glorot-normal" (Glorot and Bengio 2010, eq. 16); "orthogonal(gain)" (Saxe et al. 2013). In a shell
        "uniform:0.25" needs no quotes.
    seed : int, not negative, or numpy.random.Generator
    biases : bool, or one bool a layer of weights
        Where there is a bias. The essay of 2016 has one on the input layer only: (True, False). A bias is
        drawn by the law of the weights for uniform and normal (the sources hold it as one more row of the
        weight matrix), and starts at zero otherwise.
    targets : pair of float
        What "squared" asks of a wrong and of the right output.

    Attributes
    ----------
    weights : list of float64 (n_l, n_{l+1})
    biases : list of float64 (n_{l+1},), or None where the layer has none
    targets : float64 (labels, n_L)
        Row k: what "squared" asks of the outputs for label k. An autoencoder's are its inputs, each its own label.

    Raises
    ------
    ValueError
        For sizes that are not positive integers, and for names and numbers that are not in the lists above.
    """

    def __init__(self, sizes, activation="tanh", loss="squared", init="uniform(0.25)", seed=0, *,
                 biases=True, targets=(0.0, 1.0)):
        self.sizes = _sizes(sizes)
        layers = len(self.sizes) - 1
        self.activation, self.slope = streams.name_and_number("activation", activation, SLOPES)
        if self.slope is not None and self.slope >= 1:
            raise UserError(f"activation {activation!r}: expected a slope between 0 and 1")
        if loss not in LOSSES:
            raise UserError(f"unknown loss {loss!r}: expected one of {', '.join(LOSSES)}")
        self.loss_name = loss
        wrong, right = targets if loss == "squared" else (0.0, 1.0)
        self.targets = np.full((self.sizes[-1],) * 2, float(wrong))
        np.fill_diagonal(self.targets, right)
        biased = [bool(biases)] * layers if np.ndim(biases) == 0 else list(biases)
        if len(biased) != layers:
            raise UserError(f"biases names {len(biased)} layers, but sizes {self.sizes} make {layers}")
        rng = streams.generator(seed, streams.WEIGHTS)
        self.weights, self.biases = [], []
        for shape, has_bias in zip(pairwise(self.sizes), biased, strict=True):
            self.weights.append(streams.initial_weights(init, shape, rng))
            self.biases.append(streams.initial_bias(init, shape[1], rng) if has_bias else None)

    def forward(self, inputs):
        """Activations of every layer, inputs first: list of (batch, n_l) from inputs (batch, n_0)."""
        activate, _ = ACTIVATIONS[self.activation]
        activations = [inputs]
        for layer, (weights, bias) in enumerate(zip(self.weights, self.biases, strict=True), start=1):
            total = _product(activations[-1], weights)
            if bias is not None:
                total += bias
            softmax = self.loss_name == "cross-entropy" and layer == len(self.weights)
            activations.append(_softmax(total) if softmax else activate(total, self.slope))
        return activations

    def loss(self, outputs, labels):
        """Loss of each sample: (batch,) from the last activations (batch, n_L) and labels int (batch,)."""
        if self.loss_name == "squared":
            miss = outputs - self.targets[labels]
            return 0.5 * (miss * miss).sum(axis=1)
        right = outputs[np.arange(len(labels)), labels]
        return -np.log(np.where(right == 0, np.finfo(float).tiny, right))  # a probability may underflow

    def backward(self, activations, labels):
        """Deltas of every layer: list of (batch, n_{l+1}), the derivative of each sample's own loss with
        respect to the pre-activations of layer l + 1."""
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
    """Share of the dataset's items whose largest output is their label's, `chunk` items at a time.

    ValueError for a dataset that does not fit the network. A net whose outputs are NaN is taken to say 0.
    """
    checks.labelled_data(dataset)
    _check_fit(network, dataset)
    right = 0
    for start in range(0, len(dataset.labels), chunk):
        with np.errstate(over="ignore", invalid="ignore"):
            outputs = network.forward(dataset.inputs[start:start + chunk])[-1]
        right += np.count_nonzero(outputs.argmax(axis=1) == dataset.labels[start:start + chunk])
    return right / len(dataset.labels)


# ---- training, a generator of recorded steps --------------------------------------------------------------

class Step:
    """What one step of training saw. Nothing in it is written to again: keep it without copying.

    Attributes
    ----------
    index : int
        From 1: step 1 is taken at the untrained weights.
    loss : float
        Mean over the batch.
    activations : list of float64 (batch, n_l), inputs first
    deltas : list of float64 (batch, n_{l+1})
        Derivative of each sample's own loss with respect to the pre-activations.
    gradients : list of float64 (n_l, n_{l+1})
        Derivative of the mean loss with respect to the weights before the step's update; an outer product
        of activations and deltas, formed when it is first read.
    bias_gradients : list of float64 (n_{l+1},), or None where the layer has no bias
    """

    def __init__(self, index, loss, activations, deltas, biased):
        self.index, self.loss, self.activations, self.deltas = index, loss, activations, deltas
        self._biased = biased

    @cached_property
    def gradients(self):
        return [_gradient(a, d) for a, d in zip(self.activations, self.deltas, strict=False)]

    @cached_property
    def bias_gradients(self):
        return [d.mean(axis=0) if has else None for d, has in zip(self.deltas, self._biased, strict=True)]


def train(network, dataset, steps, learning_rate, batch_size=1, seed=0, momentum=0.0, nesterov=False):
    """Gradient descent on samples drawn with replacement; yields a Step before its update is applied.

    While the loop's body looks at a step, `network` still holds the weights at which its gradient was taken;
    the update follows when the loop asks for more, after the last step too.

    Parameters
    ----------
    network : MLP
        Trained in place.
    dataset : datasets.Dataset
        As wide as the network's inputs, with no more classes than it has outputs.
    steps, batch_size : int, positive
    learning_rate : float, finite, not negative
    seed : int, not negative, or numpy.random.Generator
        Draws the samples; the network's own number may serve again, it gives another stream here.
    momentum : float in [0, 1)
        velocity = momentum * velocity + gradient; the step goes along the velocity, or with `nesterov` along
        gradient + momentum * velocity (Sutskever et al. 2013, in the form that PyTorch uses).

    Raises
    ------
    ValueError
        For numbers outside these ranges and for a dataset that does not fit the network.

    Notes
    -----
    A single sample without momentum costs one pass over the rows of nonzero inputs, since no other row moves.
    A net that diverges goes on with infinities and NaN, as its numbers are: look at `step.loss`.
    """
    _check_training(network, dataset, steps, learning_rate, batch_size, momentum, nesterov)
    rng = streams.generator(seed, streams.SAMPLES)
    return _steps(network, dataset, steps, learning_rate, batch_size, rng, momentum, nesterov)


def _steps(network, dataset, steps, learning_rate, batch_size, rng, momentum, nesterov):
    biased = [bias is not None for bias in network.biases]
    if momentum:
        velocities = [np.zeros_like(parameter) for parameter in _parameters(network.weights, network.biases)]
    else:
        scratch = [np.empty_like(weights) for weights in network.weights]  # spares an allocation a step
    for index in range(1, steps + 1):
        chosen = rng.integers(len(dataset.labels), size=batch_size)
        inputs, labels = dataset.inputs[chosen], dataset.labels[chosen]
        with np.errstate(over="ignore", invalid="ignore"):  # not around the yield: it would leak to the caller
            activations = network.forward(inputs)
            deltas = network.backward(activations, labels)
            loss = float(network.loss(activations[-1], labels).sum() / batch_size)
        step = Step(index, loss, activations, deltas, biased)
        yield step
        with np.errstate(over="ignore", invalid="ignore"):
            if momentum:
                _descend_with_momentum(network, step, learning_rate, velocities, momentum, nesterov)
            else:
                _descend(network, step, learning_rate, scratch)


def _live(activation):
    """Which inputs are not zero, for a single sample where most are (dark pixels); None otherwise.

    The other rows of the weights are neither read nor moved in its step.
    """
    if len(activation) == 1:
        live = activation[0].nonzero()[0]
        if 2 * live.size < activation.shape[1]:
            return live
    return None


def _product(activation, weights):
    live = _live(activation)
    return activation @ weights if live is None else activation[:, live] @ weights[live]


def _gradient(activation, delta):
    if len(delta) > 1:
        return activation.T @ (delta / len(delta))
    live = _live(activation)
    if live is None:
        return activation.T * delta  # an outer product: cheaper than a matrix product with inner size one
    gradient = np.zeros((activation.shape[1], delta.shape[1]), delta.dtype)
    gradient[live] = activation[0, live, None] * delta
    return gradient


def _descend(network, step, rate, scratch):
    for weights, bias, activation, delta, moves in zip(network.weights, network.biases, step.activations,
                                                       step.deltas, scratch, strict=False):
        scaled = (rate / len(delta)) * delta
        if bias is not None:
            bias -= scaled.sum(axis=0)
        live = _live(activation)
        if live is not None:
            rows, products = moves[:live.size], moves[live.size:2 * live.size]
            np.take(weights, live, axis=0, out=rows, mode="clip")  # unless told to clip, it copies once more
            rows -= np.einsum("i,j->ij", activation[0, live], scaled[0], out=products)
            weights[live] = rows
        elif len(delta) == 1:
            weights -= np.multiply(activation.T, scaled, out=moves)
        else:
            weights -= np.matmul(activation.T, scaled, out=moves)


def _descend_with_momentum(network, step, rate, velocities, momentum, nesterov):
    parameters = _parameters(network.weights, network.biases)
    gradients = _parameters(step.gradients, step.bias_gradients)
    for parameter, gradient, velocity in zip(parameters, gradients, velocities, strict=True):
        velocity *= momentum
        velocity += gradient
        parameter -= rate * (gradient + momentum * velocity if nesterov else velocity)


def _parameters(weights, biases):
    """Weights and those biases that there are, in one list."""
    return weights + [bias for bias in biases if bias is not None]


# ---- checks and draws -------------------------------------------------------------------------------------

def _sizes(sizes):
    sizes = tuple(sizes)
    if len(sizes) < 2 or not all(checks.is_integer(n) and n > 0 for n in sizes):
        raise UserError(f"layer sizes {sizes}: expected at least two positive whole numbers, inputs first")
    return tuple(map(int, sizes))


def _softmax(total):
    total = np.exp(total - total.real.max(axis=1, keepdims=True))
    return total / total.sum(axis=1, keepdims=True)


def _check_training(network, dataset, steps, learning_rate, batch_size, momentum, nesterov):
    checks.training_schedule(steps, learning_rate, batch_size)
    if not 0 <= momentum < 1:
        raise UserError(f"momentum is {momentum!r}: expected a number in [0, 1)")
    if nesterov and momentum == 0:
        raise UserError("nesterov looks ahead along the momentum, and momentum is 0: set it, or leave nesterov out")
    checks.labelled_data(dataset)
    _check_fit(network, dataset)


def _check_fit(network, dataset):
    features = dataset.inputs.shape[1]
    if features != network.sizes[0] or dataset.classes > network.sizes[-1]:
        raise UserError(f"{dataset.name} has {features} features and {dataset.classes} classes, the network "
                         f"{network.sizes[0]} inputs and {network.sizes[-1]} outputs: make them match")


# ---- as a script ------------------------------------------------------------------------------------------

def learning_curve(network, training, test, steps, records, **how):
    """Train, and note about `records` times, the end included, the recent loss and the accuracy on both sets."""
    from gradnets import experiment

    checks.labelled_data(training)
    few = replace(training, inputs=training.inputs[:len(test.labels)], labels=training.labels[:len(test.labels)])
    every = -(-steps // records)
    rows, losses = [], []

    def note(updates):
        rows.append({"step": updates, "loss": np.mean(losses[-every:]), "training_accuracy": accuracy(network, few),
                     "test_accuracy": accuracy(network, test)})

    for step in experiment.progress(train(network, training, steps, **how), total=steps, what="training"):
        losses.append(step.loss)
        if (step.index - 1) % every == 0:  # so many updates have been applied by now
            note(step.index - 1)
    note(steps)
    return rows


def main():
    from gradnets import datasets, experiment, plots  # here, so that the model itself needs numpy alone

    experiment.check_several(HIDDEN_UNITS=HIDDEN_UNITS)
    training, test = (datasets.load(DATASET, split, seed=SEED) for split in ("train", "test"))
    sizes = (training.inputs.shape[1], *HIDDEN_UNITS, training.classes)
    network = MLP(sizes, ACTIVATION, LOSS, INIT, SEED)
    rows = learning_curve(network, training, test, STEPS, 20, learning_rate=LEARNING_RATE, batch_size=BATCH_SIZE,
                          seed=SEED, momentum=MOMENTUM, nesterov=NESTEROV)

    title = f"Test accuracy {rows[-1]['test_accuracy']:.1%} after {STEPS:,} steps"
    if not np.isfinite(rows[-1]["loss"]):
        title = "Training diverged, the loss is not finite: lower LEARNING_RATE"
    caption = (f"{training.name}, {'-'.join(map(str, sizes))} {ACTIVATION} net, {LOSS} loss, batch {BATCH_SIZE}, "
               f"learning rate {LEARNING_RATE:g}, seed {SEED}; trained on {len(training.labels):,} items, accuracy on "
               f"{len(test.labels):,} of each set")
    arrays = {f"weights_{l}": weights for l, weights in enumerate(network.weights)}
    arrays |= {key: np.array([row[key] for row in rows]) for key in rows[0]}
    arrays |= {f"biases_{l}": bias for l, bias in enumerate(network.biases) if bias is not None}
    return rows, plots.learning_curve(rows, title, caption), {".npz": arrays}


if __name__ == "__main__":
    from gradnets import experiment

    experiment.run(main)
