"""Compiled epochs over packed nets, and whole runs that train and prune.

The kernels do the forward pass, the derivative and the step in one, touch only the weights that are alive, and skip
inputs that are 0. A net is a plain perceptron: one activation for all hidden units, softmax or squared error, gradient
descent.
"""
import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gradnets import checks
from gradnets.errors import UserError
from gradnets.sparse import _kernels, checkpoints, pruning
from gradnets.sparse.packing import BLOCK_WIDTH, SPARE, Samples, check_net, check_numbers, pack, unpack

CRITERIA = ("magnitude", "moved", "random", "snip", "set", "rigl")
REGROWN_SHARE = 0.3    # share of the live weights that SET and RigL replace at their first regrowing
SCORED_SAMPLES = 1000  # samples whose mean gradient SNIP and RigL look at
RUN_STREAM = 5         # of random numbers, for the order of samples and the prunings of a run


# ---- epochs -----------------------------------------------------------------------------------------------

def train_epoch(net, samples, order, learning_rate, final_rate=None, batch_size=1, start=0, total=None):
    """Train a net by gradient descent on samples in the given order, in place.

    Parameters
    ----------
    net : Net
    samples : Samples
        Of the net's dtype, with as many features as the net has inputs.
    order : int array (steps * batch_size,)
        Indices of samples.
    learning_rate, final_rate : float, finite, at least 0
        The rate falls in a straight line from the first to the second, or stays if there is no second.
    batch_size : int, positive
        Number of samples whose mean gradient makes a step; divides the length of `order`.
    start, total : int, optional
        Where `order` begins within a longer order, and how long that order is: the rate falls over the whole of it.

    Returns
    -------
    int
        How many samples were recognised, each just before the step that it belongs to.

    Raises
    ------
    UserError
        If samples do not fit the net, or a number is outside these ranges.
    """
    order = np.asarray(order)
    final_rate = learning_rate if final_rate is None else final_rate
    _check_fit(net, samples)
    check_order(samples, net.layers[-1].outputs, order, learning_rate, final_rate)
    if not checks.is_integer(batch_size) or batch_size < 1 or order.size % batch_size:
        raise UserError(f"batch_size is {batch_size!r}: expected a divisor of {order.size}, the number of samples")
    order = order.astype(np.int64)
    rates = _kernels.Rates(float(learning_rate), float(final_rate), start, total or len(order))
    if batch_size == 1:
        return _kernels.train(net.layers, _buffers(net), samples, order, rates, *units(net))
    size = -(-batch_size // BLOCK_WIDTH) * BLOCK_WIDTH
    batch = _kernels.Minibatch(np.zeros(samples.features * size, samples.values.dtype), batch_size, size)
    return _kernels.train_batches(net.layers, _buffers(net, size), batch, samples, order, rates, *units(net))


def accuracy(net, samples):
    """Return the share of samples whose largest output is at their label."""
    _check_fit(net, samples)
    check_order(samples, net.layers[-1].outputs)
    return _kernels.count_recognized(net.layers, _buffers(net), samples, *units(net)) / len(samples.labels)


def gradients(weights, biases, samples, activation="tanh", loss="cross-entropy", targets=(0.0, 1.0)):
    """Return the derivatives of the mean loss with respect to all weights.

    Parameters are those of `pack`. A step over all samples at a learning rate of 1 subtracts this gradient.

    Returns
    -------
    list of float64 arrays (n_l, n_{l+1})
    """
    packed = pack(weights, biases, None, "dense", activation, loss, targets, np.float64)
    exact = samples._replace(values=samples.values.astype(np.float64))
    train_epoch(packed, exact, np.arange(len(samples.labels)), 1.0, batch_size=len(samples.labels))
    return [before - after for before, after in zip(weights, unpack(packed)[0], strict=True)]


def check_order(samples, outputs, order=(), learning_rate=0.0, final_rate=0.0):
    """Raise UserError unless labels are below `outputs`, `order` lists samples, and rates are finite, at least 0."""
    if len(samples.labels) == 0:
        raise UserError("there are 0 samples: expected at least one")
    if samples.labels.max() >= outputs:
        raise UserError(f"labels run to {samples.labels.max()}, the net has {outputs} outputs: expected labels below "
                        "that")
    if not (math.isfinite(learning_rate) and math.isfinite(final_rate) and min(learning_rate, final_rate) >= 0):
        raise UserError(f"learning rates are {learning_rate} and {final_rate}: expected finite numbers of at least 0")
    order = np.asarray(order)
    if order.ndim != 1 or (len(order) and order.dtype.kind not in "iu"):
        raise UserError(f"order is {order.dtype} of shape {order.shape}: expected a list of integers")
    if len(order) and not (order.min() >= 0 and order.max() < len(samples.labels)):
        raise UserError(f"order runs from {order.min()} to {order.max()}: expected indices of {len(samples.labels)} "
                        "samples")


def _check_fit(net, samples):
    inputs, dtype = net.layers[0].inputs, net.layers[0].values.dtype
    if samples.features != inputs or samples.values.dtype != dtype:
        raise UserError(f"samples have {samples.features} {samples.values.dtype} features, the net {inputs} {dtype} "
                        "inputs: make them match")


def _buffers(net, size=1):
    """Return the kernels' buffers, with `size` numbers for each unit."""
    lengths = [layer.outputs + SPARE for layer in net.layers]
    activations, deltas = (tuple(np.zeros(n * size, net.layers[0].values.dtype) for n in lengths) for _ in range(2))
    return _kernels.Buffers(activations, deltas, np.arange(max(lengths), dtype=np.uint32))


def units(net):
    """Return what the units of a net do, for the kernels: the activation and the loss."""
    dtype = net.layers[0].values.dtype
    return (_kernels.Activation(dtype.type(net.slope), _kernels.EXPONENTIALS[dtype]),
            _kernels.Loss(net.softmax, *map(dtype.type, net.targets)))


# ---- whole runs -------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Recipe:
    """How a net is trained and pruned.

    Parameters
    ----------
    steps : int, positive
        Number of samples, drawn with replacement.
    learning_rate : float
        Falls in a straight line to 0 if `decay`.
    keep : float in (0, 1]
        Share of the weights that is left in the end; 1 prunes nothing.
    criterion : str
        "magnitude", "moved" and "random" prune by the schedule; "snip" prunes once, before the first step; "set" and
        "rigl" start from a random mask and move it `prunings` times.
    schedule : "one-shot", "halvings" or "gradual"
        As `schedule` explains them.
    burn_in, prunings, batch_size : int
    block : 1 or 16
        Number of weights that live or die together.
    decay : bool
    first_layer_only : bool
        Whether all later layers stay whole.
    seed : int
        Seed of the order of samples, and of random prunings.
    """

    steps: int
    learning_rate: float
    keep: float = 1.0
    criterion: str = "magnitude"
    schedule: str = "gradual"
    burn_in: int = 500
    prunings: int = 30
    batch_size: int = 1
    block: int = 1
    decay: bool = True
    first_layer_only: bool = False
    seed: int = 0

    def __post_init__(self):
        checks.positive_integers(steps=self.steps, prunings=self.prunings, batch_size=self.batch_size)
        for name in ("burn_in", "seed"):
            if not checks.is_integer(getattr(self, name)) or getattr(self, name) < 0:
                raise UserError(f"{name} is {getattr(self, name)!r}: expected an integer of at least 0")
        checks.choice("criterion", self.criterion, CRITERIA)
        if not 0 < self.keep <= 1:
            raise UserError(f"keep is {self.keep!r}: expected a share of the weights, in (0, 1]")
        if self.criterion in ("set", "rigl") and self.block != 1:
            raise UserError(f"block is {self.block!r}: {self.criterion} regrows single weights, expected 1")


@dataclass(frozen=True)
class Trained:
    """A trained net: float64 weights and biases, bool masks, and the seconds of training and pruning."""

    weights: list
    biases: list
    masks: list
    seconds: float


def run(recipe, weights, biases, samples, activation="tanh", loss="cross-entropy", targets=(0.0, 1.0), checkpoint=None):
    """Train and prune a net, and leave the given weights and biases as they are.

    Parameters
    ----------
    recipe : Recipe
    weights, biases, activation, loss, targets
        As for `pack`.
    samples : Samples
    checkpoint : path, optional
        File that keeps the state after each pruning and each twentieth of the steps. If it exists, the run goes on
        from there, to the same weights as without the interruption.

    Returns
    -------
    Trained

    Raises
    ------
    UserError
        As `pack`, `prune` and `train_epoch` do; also if the checkpoint is damaged or belongs to another run, which
        leaves the file as it is.
    Diverged
        If training ends in weights that are not finite.
    """
    for index, w in enumerate(weights):
        check_numbers(index, w)
    events = _events(recipe)
    steps = recipe.steps - recipe.steps % recipe.batch_size
    if steps == 0:
        raise UserError(f"steps is {recipe.steps}: expected at least batch_size, {recipe.batch_size}")
    children = np.random.SeedSequence(recipe.seed, spawn_key=(RUN_STREAM,)).spawn(1 + len(events))
    order_rng, *event_rngs = map(np.random.default_rng, children)
    rngs = dict(zip(sorted(events), event_rngs, strict=True))
    order = order_rng.integers(len(samples.labels), size=steps)
    net = {"activation": activation, "loss": loss, "targets": targets}
    initial = [w.copy() for w in weights] if recipe.criterion == "moved" else None
    done, weights, masks = -1, [np.array(w, dtype=float) for w in weights], [np.ones(w.shape, bool) for w in weights]
    if checkpoint is not None:
        identity = checkpoints.identity(recipe, weights, biases, samples, **net)
        if Path(checkpoint).exists():
            done, weights, biases, masks = checkpoints.load(checkpoint, identity, biases)
    began = time.perf_counter()
    parts = 1 if checkpoint is None else 20
    stops = {steps * k // parts // recipe.batch_size * recipe.batch_size for k in range(1, parts + 1)} | set(events)
    for stop in sorted(stop for stop in stops if stop > done):
        if stop:
            packed = pack(weights, biases, masks, dtype=samples.values.dtype, **net)
            train_epoch(packed, samples, order[max(done, 0):stop], recipe.learning_rate,
                        0.0 if recipe.decay else None, recipe.batch_size, max(done, 0), steps)
            weights, biases = unpack(packed)
        if stop in events:
            masks = _move_masks(recipe, *events[stop], weights, biases, masks, initial, samples, net, rngs[stop])
            weights = [w * mask for w, mask in zip(weights, masks, strict=True)]
        done = stop
        if checkpoint is not None:
            checkpoints.save(checkpoint, identity, done, weights, biases, masks)
    check_net(weights, biases, masks, ["auto"] * len(weights))  # finds a net that diverged in the last part
    return Trained(weights, biases, masks, time.perf_counter() - began)


def train_at_best_rate(train, score, rates, runs):
    """Choose the learning rate by one run at each rate, and train further runs at the best rate.

    Parameters
    ----------
    train : function (rate, run) -> trained net
        Run k differs from run 0 by its seed only.
    score : function (trained net) -> float
        Such as its accuracy on validation data; the highest is best, of equal ones the first.
    rates : sequence of float
    runs : int, positive

    Returns
    -------
    float
        The best rate.
    float
        The score of run 0 at that rate.
    list of trained nets
        One for each run.
    """
    trained = {rate: train(rate, 0) for rate in rates}
    scores = {rate: score(net) for rate, net in trained.items()}
    best = max(scores, key=scores.get)
    return best, scores[best], [trained[best], *(train(best, run) for run in range(1, runs))]


def _events(recipe):
    """Return what happens after how many samples: {samples: ("prune" or "regrow", share)}."""
    if recipe.keep == 1:
        return {}
    if recipe.criterion == "snip":
        return {0: ("prune", recipe.keep)}
    regrows = recipe.criterion in ("set", "rigl")
    if regrows:
        end = recipe.steps * 3 // 4
        if recipe.burn_in > end:
            raise UserError(f"{recipe.criterion} with a burn-in of {recipe.burn_in} does not fit into {recipe.steps} "
                            "samples: shorten it")
        events = {recipe.burn_in + (end - recipe.burn_in) * k // recipe.prunings:
                  ("regrow", REGROWN_SHARE * (1 + math.cos(math.pi * k / recipe.prunings)) / 2)
                  for k in range(recipe.prunings)}
    else:
        events = {at: ("prune", keep) for at, keep in
                  pruning.schedule(recipe.schedule, recipe.keep, recipe.steps, recipe.burn_in, recipe.prunings)}
    events = {at // recipe.batch_size * recipe.batch_size: event for at, event in events.items()}
    if regrows:
        events[0] = ("prune", recipe.keep)  # last, since the rounding may move a regrowing there
    return events


def _move_masks(recipe, action, share, weights, biases, masks, initial, samples, net, rng):
    """Return the masks after one pruning or regrowing."""
    slopes = None
    if recipe.criterion == "snip" or (recipe.criterion == "rigl" and action == "regrow"):
        scored = rng.integers(len(samples.labels), size=SCORED_SAMPLES)
        slopes = gradients(weights, biases, _take(samples, scored), **net)
    affected = slice(1) if recipe.first_layer_only else slice(None)
    before, rest = masks[affected], masks[len(masks[affected]):]
    initial, slopes = (None if arrays is None else arrays[affected] for arrays in (initial, slopes))
    if action == "regrow":
        return pruning.regrow(weights[affected], before, share, slopes, rng) + rest
    score = "random" if recipe.criterion in ("set", "rigl") else recipe.criterion
    return pruning.prune(weights[affected], share, score, initial=initial, gradients=slopes, masks=before,
                         block=recipe.block, rng=rng) + rest


def _take(samples, indices):
    """Return the samples at these indices, in that order."""
    entries = [np.arange(samples.starts[k], samples.starts[k + 1]) for k in indices]
    starts = np.concatenate(([0], np.cumsum([len(part) for part in entries])))
    entries = np.concatenate(entries)
    return Samples(starts, samples.places[entries], samples.values[entries], samples.labels[indices], samples.features)
