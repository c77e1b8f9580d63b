"""The essay's net, its gradient and its sampling probabilities: what several questions start from.

Source: the essay "Social Network Patterns in Neural Network Gradients" (2016). Its net is a 784-784-10 tanh net with a
bias on the input layer alone, squared error, weights uniform in ±0.25, trained on single samples. The gradient of the
first layer is divided by its largest absolute entry, and each entry is the probability of a link.
"""
import numpy as np

import mlp
import rbm
from gradnets import networks
from gradnets.progress import progress

DEFAULT_INITS = {"mlp": "uniform(0.25)", "rbm": "normal(0.01)"}  # the essay's; Hinton's practical guide of 2010


def gradient(dataset, hidden_units, steps, learning_rate, batch_size, seed, model="mlp", init="default", **net):
    """Return the gradient of the first layer of weights at the last training step.

    Parameters
    ----------
    dataset : datasets.Dataset
    hidden_units, steps, batch_size : int, positive
    learning_rate : float
    seed : int
        Draws weights and samples.
    model : "mlp" or "rbm"
    init : str
        A law of `streams.initial_weights`, or "default" for the model's own in DEFAULT_INITS.
    **net
        Further arguments of mlp.MLP, such as activation and loss.

    Returns
    -------
    gradient : float64 (inputs + 1, hidden_units) of a perceptron, with its bias as the last row, as in the essay;
        (inputs, hidden_units) of a Boltzmann machine
    degenerate : int
        Number of steps whose gradient is zero or not finite.
    """
    inputs = dataset.inputs.shape[1]
    init = DEFAULT_INITS[model] if init == "default" else init
    if model == "rbm":
        network = rbm.RBM(inputs, hidden_units, init, seed)
        training = rbm.train(network, dataset, steps, learning_rate, batch_size, seed)
    else:
        network = mlp.MLP((inputs, hidden_units, dataset.classes), init=init, seed=seed, biases=(True, False), **net)
        training = mlp.train(network, dataset, steps, learning_rate, batch_size, seed)
    degenerate = 0
    for step in progress(training, total=steps, label="training"):
        moved = step.gradients[0] if model == "rbm" else step.deltas[0]  # deltas are cheaper to check
        degenerate += not (np.isfinite(moved).all() and moved.any())
    if model == "rbm":
        return step.gradients[0], degenerate
    return np.vstack([step.gradients[0], step.bias_gradients[0]]), degenerate


def sampling_probabilities(gradient, inputs):
    """Return the probability of each link, float64 (inputs, hidden_units), from a gradient.

    The bias row counts when the largest entry is looked for, and is left out afterwards, as in the essay. Raises
    networks.DegenerateMatrix if the gradient is zero or not finite.
    """
    return networks.probabilities(gradient)[:inputs]
