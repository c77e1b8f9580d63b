"""The essay's net, its gradient and its sampling probabilities: what several questions start from.

Source: the essay "Social Network Patterns in Neural Network Gradients" (2016). Its net is a 784-784-10 tanh net with a
bias on the input layer alone, squared error, weights uniform in ±0.25, trained on single samples. The gradient of the
first layer is divided by its largest absolute entry, and each entry is the probability of a link. A Boltzmann machine
of the same size can take the place of the perceptron, since the essay hoped that its gradients look the same.
"""
import numpy as np

import mlp
import rbm
from gradnets import checks, networks
from gradnets.progress import progress

DEFAULT_INITS = {"mlp": "uniform(0.25)", "rbm": "normal(0.01)"}  # the essay's; Hinton's practical guide of 2010
MODELS = tuple(DEFAULT_INITS)


def named_init(model, init):
    """Return `init`, or the default law of initial weights of a model, "mlp" or "rbm", if it is "default"."""
    return DEFAULT_INITS[model] if init == "default" else init


def network(dataset, hidden_units, seed, model="mlp", init="default", **net):
    """Make the untrained net of the essay, or a Boltzmann machine of its size.

    Parameters
    ----------
    dataset : datasets.Dataset
        Sets the number of inputs and, for a perceptron, of outputs.
    hidden_units : int, positive
    seed : int
        Draws the weights.
    model : "mlp" or "rbm"
    init : str
        A law of `streams.initial_weights`, or "default" for the model's law in DEFAULT_INITS.
    **net
        Further arguments of mlp.MLP, such as activation and loss.

    Returns
    -------
    mlp.MLP with a bias on the input layer alone, or rbm.RBM
    """
    checks.choice("model", model, MODELS)
    checks.labelled_data(dataset)
    inputs, init = dataset.inputs.shape[1], named_init(model, init)
    if model == "rbm":
        return rbm.RBM(inputs, hidden_units, init, seed)
    return mlp.MLP((inputs, hidden_units, dataset.classes), init=init, seed=seed, **{"biases": (True, False)} | net)


def train(network, dataset, steps, learning_rate, batch_size, seed):
    """Train a net that `network` made, with the train function of its model; yields the steps of that function."""
    model = rbm if isinstance(network, rbm.RBM) else mlp
    return model.train(network, dataset, steps, learning_rate, batch_size, seed)


def first_layer_gradient(step):
    """Return the gradient of the first layer of weights at a step of `train`.

    float64 (inputs + 1, hidden_units) for a perceptron, whose bias is the last row, as in the essay; (inputs,
    hidden_units) for a Boltzmann machine.
    """
    if isinstance(step, rbm.Step):
        return step.gradients[0]
    return np.vstack([step.gradients[0], step.bias_gradients[0]])


def gradient(dataset, hidden_units, steps, learning_rate, batch_size, seed, model="mlp", init="default", **net):
    """Return the gradient of the first layer of weights at the last training step.

    Parameters
    ----------
    dataset, hidden_units, model, init, **net
        As for `network`.
    steps, batch_size : int, positive
    learning_rate : float
    seed : int
        Draws weights and samples.

    Returns
    -------
    gradient : float64 (n, hidden_units)
        As `first_layer_gradient` returns it.
    degenerate : int
        Number of steps whose gradient is zero or not finite.
    """
    untrained = network(dataset, hidden_units, seed, model, init, **net)
    degenerate = 0
    for step in progress(train(untrained, dataset, steps, learning_rate, batch_size, seed), steps, "training"):
        signal = step.gradients[0] if model == "rbm" else step.deltas[0]  # deltas are cheaper to check
        degenerate += not (np.isfinite(signal).all() and signal.any())
    return first_layer_gradient(step), degenerate


def sampling_probabilities(gradient, inputs):
    """Return the probability of each link, float64 (inputs, hidden_units), from a gradient.

    The bias row counts when the largest entry is looked for, and is left out afterwards, as in the essay. Raises
    networks.DegenerateMatrix if the gradient is zero or not finite, or if all rows but that of the bias are zero.
    """
    probabilities = networks.probabilities(gradient)[:inputs]
    if not probabilities.any():
        raise networks.DegenerateMatrix("every input is 0, so only the bias has a gradient: take another step, seed or "
                                        "data set")
    return probabilities
