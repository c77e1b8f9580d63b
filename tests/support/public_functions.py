"""The public functions of the project, good arrays for them, and what tests of all of them share."""
import dataclasses
import importlib
import inspect
import linecache
import pkgutil
import traceback
from pathlib import Path

import networkx as nx
import numpy as np
from helpers import ROOT

import gradnets
import mlp
from gradnets import datasets
from gradnets.errors import UserError

MODELS = ("essay", "mlp", "rbm", "rnn")


def public_functions():
    """Return {name: function} of all that a caller may use: what each folder exports, small tools and models."""
    functions = {}
    for info in pkgutil.iter_modules(gradnets.__path__):
        module = importlib.import_module(f"gradnets.{info.name}")
        if not info.ispkg:
            functions |= _functions_of(module, info.name)
        for name in module.__all__ if info.ispkg else ():
            value = getattr(module, name)
            if inspect.ismodule(value):
                functions |= _functions_of(value, f"{info.name}.{name}")
            elif inspect.isfunction(value):
                functions[f"{info.name}.{name}"] = value
    for name in MODELS:
        functions |= _functions_of(importlib.import_module(name), name)
    return functions


def _functions_of(module, prefix):
    return {f"{prefix}.{name}": function for name, function in inspect.getmembers(module, inspect.isfunction)
            if not name.startswith("_") and function.__module__ == module.__name__}


# ---- good arrays ------------------------------------------------------------------------------------------

INPUTS, LABELS = np.random.default_rng(963).random((12, 9)), np.arange(12) % 3


def dataset(inputs=INPUTS, labels=LABELS):
    return datasets.Dataset("toy", inputs, labels, 3, "made here", {})


def perceptron(sizes=(9, 4, 3), activation="tanh"):
    return mlp.MLP(sizes, activation, "squared", "normal(0.5)", 0)


def strided(array):
    """Return a view of every second number of a larger array."""
    larger = np.zeros([2 * n for n in array.shape], array.dtype)
    larger[(slice(None, None, 2),) * array.ndim] = array
    return larger[(slice(None, None, 2),) * array.ndim]


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


# ---- what comes back --------------------------------------------------------------------------------------

def refused(call, arrays):
    """Return the UserError that refuses the arrays, if it does, and the value. Any other exception or warning goes on.

    The error is raised by this project, in one line, by a raise statement.
    """
    try:
        return None, call(*arrays.values())
    except UserError as error:
        message, place = str(error), traceback.extract_tb(error.__traceback__)[-1]
        assert "\n" not in message
        assert 20 < len(message) < 400
        assert ROOT in Path(place.filename).parents
        assert linecache.getline(place.filename, place.lineno).lstrip().startswith("raise "), (place, message)
        return error, None


def parts(value):
    """Return the numbers, strings and arrays that a value consists of."""
    if isinstance(value, nx.Graph):
        value = [list(value.nodes), list(value.edges)]
    if dataclasses.is_dataclass(value):
        value = vars(value)
    if isinstance(value, dict):
        value = [*value.keys(), *value.values()]
    if isinstance(value, list | tuple):
        return [part for item in value for part in parts(item)]
    return [value]


def is_finite(value):
    return all(np.isfinite(part).all() for part in parts(value) if np.asarray(part).dtype.kind in "fc")


def assert_same(value, expected, rtol=1e-9, atol=1e-12):
    """Compare two values; floats may differ by rounding, since products may be added up in another order."""
    for part, expected_part in zip(parts(value), parts(expected), strict=True):
        if np.asarray(part).dtype.kind in "fc":
            np.testing.assert_allclose(part, expected_part, rtol=rtol, atol=atol)
        else:
            np.testing.assert_array_equal(part, expected_part)
