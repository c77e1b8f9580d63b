"""How fast is a recorded training step of mlp.py, beside PyTorch's eager mode?

float64, one sample a step, the essay's tanh net with squared error, on MNIST. PyTorch is measured twice: with its own
SGD optimiser, as most people write it, and with the update written by hand, its quickest way. A recorded step of ours
forms its gradients, outer products of what it keeps, when they are first read, and its update needs none: it is
measured without and with all of them read. The nets are made before the clock runs, and go on training from run to run.
"""
import harness  # first: it pins the threads  # isort: skip

import limits
import numpy as np

import mlp
from gradnets import datasets

NETS = {(784, 30, 10): 2000, (784, 784, 10): 400}  # sizes: steps a run
GOALS = {("gradients formed", (784, 784, 10), "PyTorch eager by hand"): 1.5}  # other goals are 2; memory limits this
SIDES = {"step": "ours: a step whose activations and deltas are kept, gradients not formed; {}: a step, gradients kept "
                 "until the next step",
         "gradients formed": "both: a step, gradients formed as arrays and kept until the next step"}
ROUNDS = 11
RATE = 0.01  # of the essay's rates the one at which no gradient vanishes


def ours(sizes, dataset, steps, read):
    """A function that trains for so many steps, and reads each one's gradients or not."""
    network = mlp.MLP(sizes, biases=(True, False))

    def run():
        for step in mlp.train(network, dataset, steps, RATE):
            if read:
                step.gradients, step.bias_gradients  # noqa: B018 - formed when first read
    return run


def pytorch(torch, sizes, dataset, steps, by_hand):
    """The same net, samples and update."""
    network = mlp.MLP(sizes, biases=(True, False))
    first, second = (torch.tensor(np.ascontiguousarray(w.T), requires_grad=True) for w in network.weights)
    bias = torch.tensor(network.biases[0], requires_grad=True)
    parameters = [first, second, bias]
    descent = torch.optim.SGD(parameters, lr=RATE)
    inputs, targets = torch.tensor(dataset.inputs), torch.eye(dataset.classes, dtype=torch.float64)[dataset.labels]
    chosen = np.random.default_rng(0).integers(len(inputs), size=steps).tolist()

    def run():
        for k in chosen:
            hidden = torch.tanh(torch.nn.functional.linear(inputs[k], first, bias))
            output = torch.tanh(torch.nn.functional.linear(hidden, second))
            loss = 0.5 * ((output - targets[k])**2).sum()
            loss.backward()
            if by_hand:
                with torch.no_grad():
                    for parameter in parameters:
                        parameter.sub_(parameter.grad, alpha=RATE)
                        parameter.grad = None
            else:
                descent.step()
                descent.zero_grad()
    return run


def memory_limit(sizes, dataset, name):
    """Return the limit of a step: the first layer's rows of lit pixels are read and updated, and written if formed."""
    size = 8 * sizes[0] * sizes[1]
    touched = np.count_nonzero(dataset.inputs) / dataset.inputs.size * size
    updates = 2 if name == "gradients formed" else 1
    return (f"reading and updating {size / 1024:.0f} KiB",
            touched / limits.reading(size) + updates * touched / limits.updating(size))


def main():
    rows, missing = [], []
    torch = harness.peer("torch", missing)
    dataset = harness.real("mnist", 10_000, missing)
    if torch:
        torch.set_num_threads(1)
    for sizes, steps in NETS.items() if torch else ():
        seconds = harness.medians({
            "step": (ours(sizes, dataset, steps, False), 1),
            "gradients formed": (ours(sizes, dataset, steps, True), 1),
            "PyTorch eager": (pytorch(torch, sizes, dataset, steps, False), 1),
            "PyTorch eager by hand": (pytorch(torch, sizes, dataset, steps, True), 1)}, ROUNDS)
        per_step = {name: value / steps for name, value in seconds.items()}
        net = "-".join(map(str, sizes))
        for name, recording in (("step", "recorded step"), ("gradients formed", "recorded step, gradients formed")):
            rows += [harness.ratio(f"{recording}, single sample, {net}, {dataset.name}, against {peer}", per_step, name,
                                   peer, GOALS.get((name, sizes, peer), 2), SIDES[name].format(peer),
                                   memory_limit(sizes, dataset, name)) for peer in ("PyTorch eager",
                                                                                    "PyTorch eager by hand")]
    if dataset.name == "mnist":
        seconds = harness.medians({"load": (lambda: datasets.load("mnist"), 1)}, 5)["load"]
        rows.append(harness.figure("loading the 60,000 MNIST images from disk, seconds", seconds, 1))
    harness.report("training", rows, ("numpy", "torch"), missing)


if __name__ == "__main__":
    main()
