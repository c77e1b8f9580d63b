"""Values as JSON text: what a case and a result may hold, and how they are written.

NaN and infinities are written as NaN, Infinity and -Infinity, as Python's json does. A float is written with as many
digits as give the same float64 back.
"""
import json

import numpy as np

from gradnets.errors import UserError


def encode(name, value, sort_keys=False):
    """Return a value as JSON text in one line.

    Parameters
    ----------
    name : str
        What the value is, in the message of an error.
    value : number, string, bool, None, or lists, tuples and dicts by strings of such
        Scalars of numpy become Python's, tuples become lists.
    sort_keys : bool
        Whether the keys of dicts are written in alphabetical order, so that equal dicts have equal texts.

    Raises
    ------
    UserError
        If the value holds anything else.
    """
    try:
        return json.dumps(_plain(name, value), sort_keys=sort_keys)
    except RecursionError:
        raise UserError(f"{name} is nested too deeply: expected less than a hundred levels") from None
    except ValueError as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{name} is {short(value)}, which JSON cannot hold: {error}") from None  # 5,000 digits


def decode(text):
    """Return the value of a JSON text."""
    return json.loads(text)


def _plain(name, value):
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [_plain(name, item) for item in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: _plain(name, item) for key, item in value.items()}
    raise UserError(f"{name} holds {short(value)}, a {type(value).__name__}: expected numbers, strings, bools, None, "
                    "and lists and dicts by strings of such")


def short(value):
    """Return the repr of a value in one line of at most 60 characters."""
    try:
        text = " ".join(repr(value).split())
    except ValueError:  # an integer of 5,000 digits
        return f"a huge {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:57]}..."
