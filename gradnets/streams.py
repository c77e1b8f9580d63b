"""Random streams, and the laws that initial weights are drawn from."""
import re

import numpy as np

from gradnets.checks import is_integer
from gradnets.errors import UserError

# The streams of one seed: a net, its samples, the links drawn from it and its data never share random numbers.
WEIGHTS, SAMPLES, LINKS, DATA = range(4)
# Default of the number after the name of a law; None where no number may follow.
SCALES = {"uniform": 0.25, "normal": 0.1, "glorot": None, "glorot-normal": None, "orthogonal": 1.0}


def generator(seed, stream, *parts):
    """Return the generator of one stream of a seed, or `seed` itself if it is a generator.

    Parameters
    ----------
    seed : int, not negative, or numpy.random.Generator
    stream : int
        Number of the stream: WEIGHTS, SAMPLES, LINKS, DATA, or any other integer that is not negative.
    *parts : int
        Number of an independent part of the stream, such as that of a draw.
    """
    if isinstance(seed, np.random.Generator):
        return seed
    _check_seed(seed)
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(stream, *parts)))


def plain_generator(seed):
    """Return numpy's own generator of a seed, or `seed` itself if it is a generator."""
    if isinstance(seed, np.random.Generator):
        return seed
    _check_seed(seed)
    return np.random.default_rng(seed)


def _check_seed(seed):
    if not is_integer(seed) or seed < 0:
        raise UserError(f"seed is {seed!r}: expected an integer of at least 0, or a numpy Generator")


def initial_weights(init, shape, rng):
    """Draw initial weights.

    Parameters
    ----------
    init : str
        "uniform(scale)" in ±scale; "normal(scale)", scale the standard deviation; "glorot", uniform, and
        "glorot-normal" (Glorot and Bengio 2010, eq. 16); "orthogonal(gain)" (Saxe et al. 2013). In a shell
        "uniform:0.25" needs no quotes.
    shape : tuple of int
    rng : numpy.random.Generator

    Returns
    -------
    float64 array of that shape

    Raises
    ------
    UserError
        For another law, or a scale that is not a positive number of ordinary size.
    """
    law, scale = name_and_number("init", init, SCALES)
    if law == "uniform":
        return rng.uniform(-scale, scale, shape)
    if law == "normal":
        return rng.normal(0.0, scale, shape)
    if law == "glorot":
        limit = np.sqrt(6.0 / sum(shape))
        return rng.uniform(-limit, limit, shape)
    if law == "glorot-normal":
        return rng.normal(0.0, np.sqrt(2.0 / sum(shape)), shape)
    tall = rng.normal(size=(max(shape), min(shape)))
    q, r = np.linalg.qr(tall)
    q *= np.sign(np.diag(r))  # else QR's sign convention would bias the draw
    return scale * np.ascontiguousarray(q if shape[0] >= shape[1] else q.T)


def initial_bias(init, size, rng):
    """Draw a bias, float64 (size,), by the law of the weights for uniform and normal; zeros for the other laws."""
    law, _ = name_and_number("init", init, SCALES)
    return initial_weights(init, (size,), rng) if law in ("uniform", "normal") else np.zeros(size)


def name_and_number(what, text, defaults):
    """Split "uniform(0.25)" or "uniform:0.25" into ("uniform", 0.25); "uniform" alone gets its default number.

    defaults : {name: number}, the allowed names; None where no number may follow.
    """
    match = re.fullmatch(r"([a-z-]+)(?:\(([^()]+)\)|:([^()]+))?", str(text))
    name, number = (match[1], match[2] or match[3]) if match else (None, None)
    if name not in defaults:
        raise UserError(f"unknown {what} {text!r}: expected one of {', '.join(defaults)}")
    if number is None:
        return name, defaults[name]
    if defaults[name] is None:
        raise UserError(f"{what} {text!r}: {name} takes no number, write {name}")
    try:
        value = float(number)
    except ValueError:
        value = np.nan
    if not 1e-100 < value < 1e100:
        raise UserError(f"{what} {text!r}: expected a positive number of ordinary size after the name, as in "
                        f"{name}({defaults[name]})")
    return name, value
