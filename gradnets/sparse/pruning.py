"""Choose which weights live: pruning by a score, regrowing, and schedules of both.

Sources: Howon Lee, README of stupidmlp (2016), for killing weights after a short burn-in; Zhu and Gupta 2017, "To
prune, or not to prune", for the gradual schedule; Lee et al. 2018 (SNIP), Mocanu et al. 2018 (SET) and Evci et al. 2020
(RigL) for their criteria.
"""
import numpy as np

from gradnets import checks
from gradnets.errors import UserError
from gradnets.sparse import packing
from gradnets.sparse.packing import BLOCK_WIDTH, as_blocks, by_output

SCHEDULES = ("one-shot", "halvings", "gradual")


def prune(weights, keep, score="magnitude", *, initial=None, gradients=None, masks=None, block=1, rng=None):
    """Choose which weights to keep: those of the highest scores over all layers together, or random ones.

    Parameters
    ----------
    weights : list of float arrays (n_l, n_{l+1}), finite
    keep : float in (0, 1]
        Share of all weights, rounded down; share of all blocks if block is 16.
    score : str
        "magnitude"; "moved", the distance from `initial`; "snip", |weight * gradient| (Lee et al. 2018); "random",
        which keeps small layers denser.
    initial, gradients : lists of arrays like weights
        Needed by "moved" and "snip".
    masks : list of bool arrays, optional
        Weights that are alive; the dead ones stay dead.
    block : 1 or 16
        Number of weights that live or die together, along the rows that `pack` lists; their score is the mean.
    rng : numpy.random.Generator
        Needed by "random".

    Returns
    -------
    list of bool arrays like weights

    Raises
    ------
    UserError
        If keep is outside (0, 1], a name is unknown, an argument is missing, or a layer would lose all its weights.
    Diverged
        If weights or scores are not finite.
    """
    if not 0 < keep <= 1:  # true for NaN too
        raise UserError(f"keep is {keep!r}: expected a share of the weights, in (0, 1]")
    checks.choice("block", block, (1, BLOCK_WIDTH))
    alive = [np.ones(w.shape, dtype=bool) for w in weights] if masks is None else masks
    _check_alike(weights, alive, initial, gradients)
    scores = _scores(weights, score, initial, gradients, rng)
    for index, values in enumerate(scores):
        packing.check_finite(index, values)
    units = [_unit_scores(values * mask, index, block)
             for index, (values, mask) in enumerate(zip(scores, alive, strict=True))]
    for index, (values, mask) in enumerate(zip(units, alive, strict=True)):
        values[_unit_scores(mask, index, block) == 0] = -1.0  # dead
    sizes = [values.size for values in units]
    count = int(keep * sum(sizes) + 1e-9)  # 0.1 * 30 is slightly less than 3
    if score == "random":
        shares = _layer_shares(count, [np.count_nonzero(values >= 0) for values in units],
                               [sum(values.shape) for values in units])
        kept = [_largest(values.ravel(), share) for values, share in zip(units, shares, strict=True)]
    else:
        kept = np.split(_largest(np.concatenate([values.ravel() for values in units]), count), np.cumsum(sizes)[:-1])
    for index, (mask, w) in enumerate(zip(kept, weights, strict=True)):
        if not mask.any():
            raise UserError(f"keeping {keep:.3g} of the weights leaves none in layer {index + 1} of shape {w.shape}: "
                            "keep more")
    return [_unit_mask(mask.reshape(values.shape), index, before.shape, block) & before
            for index, (mask, values, before) in enumerate(zip(kept, units, alive, strict=True))]


def regrow(weights, masks, share, gradients, rng):
    """Replace the smallest live weights of each layer by dead ones, which start at 0; change `weights` in place.

    Parameters
    ----------
    weights : list of float arrays (n_l, n_{l+1}), writable
    masks : list of bool arrays like weights
        Which weights are alive.
    share : float in [0, 1]
        Share of the live weights that is replaced.
    gradients : list of float arrays like weights, or None
        Grow the weights whose gradients are largest (RigL, Evci et al. 2020), or random ones if None (SET, Mocanu et
        al. 2018).
    rng : numpy.random.Generator

    Returns
    -------
    list of bool arrays like weights
        Each with as many live weights as before.

    Raises
    ------
    UserError
        If share is outside [0, 1], or arrays do not fit each other or are read-only.
    Diverged
        If weights or gradients are not finite.
    """
    if not 0 <= share <= 1:
        raise UserError(f"share is {share!r}: expected a share of the live weights, in [0, 1]")
    _check_alike(weights, masks, gradients)
    for index, w in enumerate(weights):
        if not w.flags.writeable or w.dtype.kind != "f":
            raise UserError(f"layer {index + 1} has {'' if w.flags.writeable else 'read-only '}weights of {w.dtype}, "
                            "which are changed in place: pass a writable array of floats")
    new_masks = []
    for index, (w, mask) in enumerate(zip(weights, masks, strict=True)):
        alive, dead = np.flatnonzero(mask), np.flatnonzero(~mask)
        count = min(int(share * alive.size), dead.size)
        dropped = alive[np.argsort(np.abs(w.ravel()[alive]), kind="stable")[:count]]
        if gradients is None:
            grown = rng.choice(dead, count, replace=False)
        else:
            grown = dead[np.argsort(-np.abs(gradients[index].ravel()[dead]), kind="stable")[:count]]
        new_mask = mask.ravel().copy()
        new_mask[dropped], new_mask[grown] = False, True
        new_masks.append(new_mask.reshape(w.shape))
        w[~(mask & new_masks[-1])] = 0.0  # the dropped and the grown weights
    return new_masks


def schedule(name, keep, steps, burn_in, prunings):
    """Return when to prune to which share.

    Parameters
    ----------
    name : str
        "one-shot", once, after the burn-in; "halvings", `prunings` equal factors at equal distances within the burn-in,
        which are halves if keep is 2^-prunings; "gradual", a cubic fall from the burn-in to half of the steps (Zhu and
        Gupta 2017, equation 1).
    keep : float in (0, 1]
        Share of the weights that is kept in the end.
    steps, burn_in : int
        Numbers of samples.
    prunings : int, positive

    Returns
    -------
    list of (int, float)
        Samples seen and share kept, in order.

    Raises
    ------
    UserError
        For an unknown name, and if the last pruning would come after the last step.
    """
    if not (0 < keep <= 1 and prunings >= 1):
        raise UserError(f"keep is {keep!r} and prunings {prunings!r}: expected a share in (0, 1] and one or more")
    checks.choice("schedule", name, SCHEDULES)
    if name == "one-shot":
        plan = [(burn_in, keep)]
    elif name == "halvings":
        plan = [(burn_in * k // prunings, keep ** (k / prunings)) for k in range(1, prunings + 1)]
    else:
        plan = [(burn_in + (steps // 2 - burn_in) * k // prunings, keep + (1 - keep) * (1 - k / prunings) ** 3)
                for k in range(1, prunings + 1)]
    if not 0 <= burn_in <= plan[-1][0] <= steps:
        raise UserError(f"{name} pruning with a burn-in of {burn_in} does not fit into {steps} samples: shorten it")
    return plan


def keep_for(count, weights, biases):
    """Return the share of the weights to keep so that weights and biases together are `count` parameters.

    Raises UserError if there are as many biases.
    """
    bias_count = packing.parameters([], biases)
    if count <= bias_count:
        raise UserError(f"{count} parameters do not cover the {bias_count} biases: allow more")
    return min(1.0, (count - bias_count) / sum(w.size for w in weights))


def _check_alike(weights, masks, *arrays):
    """Raise UserError unless masks are bools, and weights and arrays finite numbers, all of the weights' shapes."""
    numbers = [weights, *(array for array in arrays if array is not None)]
    for layers, check in [(masks, packing.check_bools), *((layers, packing.check_numbers) for layers in numbers)]:
        if len(layers) != len(weights):
            raise UserError(f"there are {len(weights)} weights and {len(layers)} masks or scores: expected one for "
                            "every layer")
        for index, (array, w) in enumerate(zip(layers, weights, strict=True)):
            check(index, array)
            if array.ndim != 2 or array.shape != w.shape:
                raise UserError(f"layer {index + 1} has weights {w.shape} and a mask or scores {array.shape}: expected "
                                "matrices of one shape")
            packing.check_finite(index, array)


def _scores(weights, score, initial, gradients, rng):
    if score == "magnitude":
        return [np.abs(w) for w in weights]
    needed = {"moved": ("initial", initial), "snip": ("gradients", gradients), "random": ("rng", rng)}
    checks.choice("score", score, ("magnitude", *needed))
    name, value = needed[score]
    if value is None:
        raise UserError(f"score {score!r} needs the argument {name}")
    if score == "moved":
        return [np.abs(w - before) for w, before in zip(weights, initial, strict=True)]
    if score == "snip":
        return [np.abs(w * gradient) for w, gradient in zip(weights, gradients, strict=True)]
    return [rng.random(w.shape) for w in weights]


def _largest(scores, count):
    """Return the mask of the `count` largest scores, of equal ones the first; dead ones, below 0, are left out."""
    live = np.flatnonzero(scores >= 0)  # without the dead, since numpy's partition is slow where many are equal
    kept = np.zeros(scores.size, dtype=bool)
    if count >= live.size:
        kept[live] = True
    elif count > 0:
        values = scores[live]
        border = np.partition(values, live.size - count)[live.size - count]
        above = values > border
        kept[live[above]] = True
        kept[live[values == border][:count - np.count_nonzero(above)]] = True
    return kept


def _layer_shares(count, sizes, spans):
    """Return how many of `count` weights each layer keeps, at most its size: in proportion to its span.

    The span is rows plus columns, so that small layers stay denser (Mocanu et al. 2018, equation 1).
    """
    low, high = 0.0, float(max(sizes))
    for _ in range(100):  # bisection for the factor, with which the sum grows
        middle = (low + high) / 2
        low, high = (middle, high) if sum(map(min, sizes, (middle * span for span in spans))) < count else (low, middle)
    shares = [min(size, int(low * span)) for size, span in zip(sizes, spans, strict=True)]
    for k in sorted(range(len(sizes)), key=lambda k: shares[k] - sizes[k]):  # the remainder of rounding down
        shares[k] += min(count - sum(shares), sizes[k] - shares[k])
    return shares


def _unit_scores(values, index, block):
    """Return the scores of the units that live or die together: single weights, or means of blocks (rows, blocks)."""
    if block == 1:
        return values
    values = values.T if by_output(index, values.shape) else values
    members = as_blocks(np.ones(values.shape))
    return as_blocks(values).sum(axis=2) / members.sum(axis=2)


def _unit_mask(mask, index, shape, block):
    """Return the mask of single weights that a mask of units means."""
    if block == 1:
        return mask
    transposed = by_output(index, shape)
    mask = np.repeat(mask, BLOCK_WIDTH, axis=1)[:, :shape[0] if transposed else shape[1]]
    return np.ascontiguousarray(mask.T if transposed else mask)
