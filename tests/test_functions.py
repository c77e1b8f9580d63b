"""Every public function that takes arrays, given bad ones: an error in one line of our own, or the value it documents.

`CALLS` says how to call each with good arrays; `WITHOUT` names those that take none. A public function that stands in
neither fails the first test, so that a new one has to be entered.

Then arrays of any shape, dtype and layout in memory: `LAID_OUT` has functions whose value is that of a plain copy, and
what that is by numpy or networkx where this is quickly said.
"""
import dataclasses
import importlib
import inspect
import linecache
import pkgutil
import traceback
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

import gradnets
import mlp
import rbm
import rnn
from gradnets import (
    comparison,
    curvature,
    datasets,
    fractals,
    graphs,
    layers,
    metrics,
    motifs,
    nulls,
    plots,
    recurrent,
    sparse,
    tails,
)

ROOT = Path(__file__).resolve().parent.parent
MODULES = [*(importlib.import_module(f"gradnets.{module.name}") for module in pkgutil.iter_modules(gradnets.__path__)),
           mlp, rbm, rnn]


# ---- good arrays ------------------------------------------------------------------------------------------

one = np.random.default_rng(963)
GRADIENT = one.normal(size=(6, 6))
CHANCES = np.abs(GRADIENT) / np.abs(GRADIENT).max()
FACTOR = one.random(6)
LINKS = CHANCES > 0.3
NETWORK = graphs.merge_layers(LINKS)
VALUES = one.pareto(1.5, (8, 10)) + 1
SEED = np.array([[0.9, 0.5], [0.5, 0.2]])
INPUTS, LABELS = one.random((12, 9)), np.arange(12) % 3
WEIGHTS, SMALLER = one.normal(size=(9, 20)), one.normal(size=(20, 3))
MASKS = [one.random(w.shape) < 0.7 for w in (WEIGHTS, SMALLER)]
SQUARE = GRADIENT @ GRADIENT.T + np.eye(6)
RECURRENT = [one.normal(size=shape) for shape in ((3, 5), (5, 5), (5, 3))]
COLORS = one.integers(0, 3, (5, 6))


def data(inputs=INPUTS, labels=LABELS):
    return datasets.Dataset("toy", inputs, labels, 3, "made here", {})


def net(sizes=(9, 4, 3), activation="tanh"):
    return mlp.MLP(sizes, activation, "squared", "normal(0.5)", 0)


def machine():
    return rbm.RBM(9, 4, "normal(0.5)")


def reader():
    return rnn.RNN(3, 4, 3)


def packed(dtype=np.float64):
    return sparse.pack([WEIGHTS, SMALLER], [None, None], MASKS, dtype=dtype)


def recurrent_net():
    return recurrent.pack(RECURRENT, [np.zeros(5), np.zeros(3)], dtype=np.float64)


def samples():
    return sparse.pack_samples(INPUTS, LABELS, np.float64)


def axes():
    return Figure().add_subplot()


def trained(network, steps):
    """The last step's loss or error of a generator, and the parameters that training left."""
    last = [getattr(step, "loss", getattr(step, "error", None)) for step in steps][-1]
    return last, network.weights


RECIPE = sparse.Recipe(steps=40, learning_rate=0.1, keep=0.5, burn_in=10, prunings=2, schedule="one-shot")


# ---- how to call each function: {argument: good array or list of arrays} ------------------------------------

def batch(function, *rest):
    """A function of curvature that takes a net, inputs and labels."""
    return lambda inputs, labels: function(net(), inputs, labels, *rest), {"inputs": INPUTS, "labels": LABELS}


def step(function, *rest):
    return lambda gradient, hessian: function(gradient, hessian, *rest), {"gradient": FACTOR, "hessian": SQUARE}


CALLS = {
    "comparison.multiplicity": (comparison.multiplicity, {"degrees": LABELS}),
    "comparison.networks": (lambda chances: comparison.networks(chances, "merged", 2, 0), {"chances": CHANCES}),
    "comparison.thresholded": (comparison.thresholded, {"chances": CHANCES}),

    "curvature.at": (lambda vector: curvature.parameters(curvature.at(net(), vector)), {"vector": np.arange(55.0)}),
    "curvature.block_step": batch(curvature.block_step, 10.0),
    "curvature.blocks": batch(curvature.blocks),
    "curvature.chebyshev_step": step(curvature.chebyshev_step, lambda p: p / 2),
    "curvature.damped_step": step(curvature.damped_step, 1.0),
    "curvature.difference_of_inverse": (lambda gradient: curvature.difference_of_inverse(lambda g: g / 2, gradient),
                                        {"gradient": FACTOR}),
    "curvature.functional_inverse_step": (
        lambda inputs, labels: curvature.functional_inverse_step(net((9, 3), "leaky"), inputs, labels),
        {"inputs": INPUTS[:3], "labels": LABELS[:3]}),
    "curvature.gradient": batch(curvature.gradient),
    "curvature.hessian": batch(curvature.hessian),
    "curvature.hessian_vector": (lambda inputs, labels, vector: curvature.hessian_vector(net(), inputs, labels, vector),
                                 {"inputs": INPUTS, "labels": LABELS, "vector": np.arange(55.0)}),
    "curvature.lanczos": (lambda start: curvature.lanczos(lambda v: 2 * v, start, 3), {"start": FACTOR}),
    "curvature.loss": batch(curvature.loss),
    "curvature.lyapunov": (lambda start: curvature.lyapunov(lambda x: x / 2, lambda x, frame: frame / 2, start, 3, 1),
                           {"start": FACTOR}),
    "curvature.newton_step": step(curvature.newton_step),
    "curvature.products": (
        lambda inputs, labels, vector: curvature.products(net(), inputs, labels)(vector),
        {"inputs": INPUTS, "labels": LABELS, "vector": np.arange(55.0)}),
    "curvature.saddle_free_step": step(curvature.saddle_free_step, 0.5),
    "curvature.shifted_step": step(curvature.shifted_step, 0.5),
    "curvature.split": (lambda vectors: curvature.split(net(), vectors), {"vectors": np.arange(55.0)}),
    "curvature.third": (lambda inputs, labels, direction: curvature.third(net(), inputs, labels, direction),
                        {"inputs": INPUTS, "labels": LABELS, "direction": np.arange(55.0)}),

    "fractals.distance": (
        lambda values, weights: fractals.distance(values, weights, FACTOR[:4], FACTOR[:4], True),
        {"values": FACTOR, "weights": FACTOR}),
    "fractals.energy_share": (lambda seed: fractals.energy_share(seed, 3), {"seed": SEED}),
    "fractals.expected_counts": (lambda seed: fractals.expected_counts(seed, 3), {"seed": SEED}),
    "fractals.fit_seed": (fractals.fit_seed, {"adjacency": NETWORK}),
    "fractals.levels": (lambda seed: fractals.levels(seed, 3), {"seed": SEED}),
    "fractals.moments": (lambda seed: fractals.moments(seed, 3), {"seed": SEED}),
    "fractals.normal_distance": (fractals.normal_distance, {"values": FACTOR, "weights": FACTOR}),
    "fractals.observed_counts": (fractals.observed_counts, {"adjacency": NETWORK}),
    "fractals.power": (lambda seed: fractals.power(seed, 2), {"seed": SEED}),
    "fractals.standardise": (fractals.standardise, {"values": FACTOR, "weights": FACTOR}),

    "graphs.as_floats": (graphs.as_floats, {"values": GRADIENT}),
    "graphs.as_links": (graphs.as_links, {"adjacency": LINKS}),
    "graphs.merge_layers": (graphs.merge_layers, {"adjacency": LINKS}),
    "graphs.probabilities": (graphs.probabilities, {"matrix": GRADIENT}),
    "graphs.sample": (lambda probabilities: graphs.sample(probabilities, 0), {"probabilities": CHANCES}),
    "graphs.threshold": (lambda matrix: graphs.threshold(matrix, edges=5), {"matrix": GRADIENT}),
    "graphs.to_networkx": (graphs.to_networkx, {"adjacency": LINKS}),

    "layers.describe": (lambda values: layers.describe("x", values, 2), {"values": VALUES}),
    "layers.survival": (lambda x: layers.survival("normal", x), {"x": FACTOR}),
    "layers.table": (lambda values: layers.table([("x", values)], 2), {"values": VALUES}),

    "metrics.measure": (metrics.measure, {"adjacency": NETWORK}),
    "metrics.measure_bipartite": (metrics.measure_bipartite, {"adjacency": LINKS}),
    "metrics.moments": (metrics.moments, {"degrees": LABELS}),
    "metrics.pack": (metrics.pack, {"adjacency": NETWORK}),
    "metrics.summarize_distances": (metrics.summarize_distances, {"counts": np.array([6, 12, 10])}),

    "motifs.canonical": (lambda matrices: motifs.canonical(matrices, 2), {"matrices": one.integers(0, 3, (4, 3, 3))}),
    "motifs.decode": (lambda codes: motifs.decode(codes, 3, 2), {"codes": np.arange(9)}),
    "motifs.false_discovery": (motifs.false_discovery, {"p": FACTOR}),
    "motifs.from_adjacency": (motifs.from_adjacency, {"matrix": one.integers(0, 3, (5, 5))}),
    "motifs.from_layers": (motifs.from_layers, {"matrices": [COLORS]}),
    "motifs.graph": (lambda sources, targets, colors: motifs.graph(4, sources, targets, colors),
                     {"sources": LABELS, "targets": LABELS[::-1] + 1, "colors": LABELS + 1}),
    "motifs.layered_census": (motifs.layered_census, {"matrices": [COLORS]}),

    "nulls.directed_configuration": (lambda adjacency: nulls.directed_configuration(adjacency, 0),
                                     {"adjacency": LINKS}),
    "nulls.erdos_renyi": (lambda adjacency: nulls.erdos_renyi(adjacency, 0), {"adjacency": NETWORK}),
    "nulls.expected_clustering": (nulls.expected_clustering, {"row": FACTOR, "column": FACTOR[::-1].copy()}),
    "nulls.expected_degrees": (nulls.expected_degrees, {"row": FACTOR, "column": FACTOR[::-1].copy()}),
    "nulls.rank_one": (nulls.rank_one, {"probabilities": np.outer(FACTOR, FACTOR)}),
    "nulls.shuffled_entries": (lambda adjacency: nulls.shuffled_entries(adjacency, 0), {"adjacency": LINKS}),
    "nulls.undirected_configuration": (lambda adjacency: nulls.undirected_configuration(adjacency, 0),
                                       {"adjacency": NETWORK}),

    "plots.draw_ccdf": (lambda sample: plots.draw_ccdf(axes(), [sample], "k", ""), {"sample": FACTOR}),
    "plots.draw_matrix": (lambda matrix: plots.draw_matrix(axes(), matrix), {"matrix": CHANCES}),

    "recurrent.pack": (lambda weights, masks, bias: recurrent.pack(weights, [bias, np.zeros(3)], masks),
                       {"weights": RECURRENT, "masks": [w > 0 for w in RECURRENT], "bias": FACTOR[:5]}),
    "recurrent.run": (lambda weights: recurrent.run(RECIPE, weights, [np.zeros(5), np.zeros(3)], samples()).weights,
                      {"weights": RECURRENT}),
    "recurrent.train_epoch": (lambda order: recurrent.train_epoch(recurrent_net(), samples(), order, 0.1),
                              {"order": np.arange(12)}),

    "sparse.check_order": (lambda order: sparse.check_order(samples(), 3, order, 0.1, 0.1), {"order": np.arange(12)}),
    "sparse.cost": (lambda mask: sparse.cost(mask, "blocks"), {"mask": MASKS[0]}),
    "sparse.gradients": (lambda weights: sparse.gradients(weights, [None, None], samples()),
                         {"weights": [WEIGHTS, SMALLER]}),
    "sparse.pack": (lambda weights, masks, biases: sparse.pack(weights, biases, masks),
                    {"weights": [WEIGHTS, SMALLER], "masks": MASKS, "biases": [SMALLER[:, 0], SMALLER[0]]}),
    "sparse.pack_samples": (sparse.pack_samples, {"inputs": INPUTS, "labels": LABELS}),
    "sparse.prune": (lambda weights, initial, masks: sparse.prune(weights, 0.3, "moved", initial=initial, masks=masks),
                     {"weights": [WEIGHTS, SMALLER], "initial": [WEIGHTS / 2, SMALLER * 2], "masks": MASKS}),
    "sparse.regrow": (lambda weights, masks, slopes: sparse.regrow(weights, masks, 0.3, slopes, None),
                      {"weights": [WEIGHTS, SMALLER], "masks": MASKS, "slopes": [WEIGHTS / 2, SMALLER * 2]}),
    "sparse.run": (lambda weights: sparse.run(RECIPE, weights, [None, None], samples()).weights,
                   {"weights": [WEIGHTS, SMALLER]}),
    "sparse.train_epoch": (lambda order: sparse.train_epoch(packed(), samples(), order, 0.1), {"order": np.arange(12)}),

    "tails.bootstrap_p": (lambda values: tails.bootstrap_p(values, 3), {"values": VALUES}),
    "tails.compare": (lambda values: tails.compare(values, 1.0), {"values": VALUES}),
    "tails.describe": (lambda values: tails.describe(values, 3), {"values": VALUES}),
    "tails.fit": (tails.fit, {"values": VALUES}),
    "tails.stability": (tails.stability, {"values": VALUES}),
    "tails.survival": (lambda x: tails.survival("lognormal", {"mu": 0.0, "sigma": 1.0}, x), {"x": VALUES}),

    "mlp.accuracy": (lambda inputs, labels: mlp.accuracy(net(), data(inputs, labels)),
                     {"inputs": INPUTS, "labels": LABELS}),
    "mlp.learning_curve": (
        lambda inputs, labels: mlp.learning_curve(net(), data(inputs, labels), data(), 4, 2, learning_rate=0.1),
        {"inputs": INPUTS, "labels": LABELS}),
    "mlp.train": (lambda inputs, labels: trained(*(lambda network: (network, mlp.train(
        network, data(inputs, labels), 4, 0.1)))(net())), {"inputs": INPUTS, "labels": LABELS}),

    "rbm.compare": (lambda training, test: rbm.compare(machine(), training, test),
                    {"training": INPUTS, "test": INPUTS[:4]}),
    "rbm.learning_curve": (lambda inputs: rbm.learning_curve(machine(), data(inputs), data(), 4, 2, learning_rate=0.1),
                           {"inputs": INPUTS}),
    "rbm.reconstruct": (lambda inputs: rbm.reconstruct(machine(), inputs), {"inputs": INPUTS}),
    "rbm.tile": (lambda pictures: rbm.tile(pictures, 2, 1.0), {"pictures": [GRADIENT, GRADIENT, GRADIENT]}),
    "rbm.train": (lambda inputs: trained(*(lambda made: (made, rbm.train(made, data(inputs), 4, 0.1)))(machine())),
                  {"inputs": INPUTS}),

    "rnn.accuracy": (lambda inputs, labels: rnn.accuracy(reader(), data(inputs, labels)),
                     {"inputs": INPUTS, "labels": LABELS}),
    "rnn.fading": (lambda inputs, labels: rnn.fading(reader(), data(inputs, labels)),
                   {"inputs": INPUTS, "labels": LABELS}),
    "rnn.learning_curve": (
        lambda inputs, labels: rnn.learning_curve(reader(), data(inputs, labels), data(), 4, 2, learning_rate=0.1,
                                                  clip=1.0), {"inputs": INPUTS, "labels": LABELS}),
    "rnn.sequences": (lambda inputs: rnn.sequences(inputs, 3), {"inputs": INPUTS}),
    "rnn.train": (lambda inputs, labels: trained(*(lambda network: (network, rnn.train(
        network, data(inputs, labels), 4, 0.1)))(reader())), {"inputs": INPUTS, "labels": LABELS}),
}


# ---- bad arrays -------------------------------------------------------------------------------------------

def _with(value):
    def make(good):
        bad = good.astype(float)
        bad.flat[bad.size // 2] = value
        return bad
    return make


def _strided(good):
    apart = np.zeros([2 * n for n in good.shape], good.dtype)
    apart[(slice(None, None, 2),) * good.ndim] = good
    return apart[(slice(None, None, 2),) * good.ndim]


def _read_only(good):
    good = good.copy()
    good.flags.writeable = False
    return good


REFUSED = {  # what no function takes, but for those of TAKES
    "NaN": _with(np.nan),
    "infinity": _with(np.inf),
    "-infinity": _with(-np.inf),
    "objects": lambda good: good.astype(object),
    "complex numbers": lambda good: good + 1j,
    "strings": lambda good: good.astype(str),
    "dates": lambda good: good.astype(int).astype("M8[s]"),
    "empty": lambda good: good[:0],
    "no axis": lambda good: good.ravel()[0].reshape(()),
    "another axis": lambda good: good[..., None],
}
VALUED = {  # refused, or a value of finite numbers
    "zero": np.zeros_like,
    "constant": lambda good: np.full_like(good, good.ravel()[-1]),
    "one element": lambda good: good.ravel()[:1].reshape((1,) * good.ndim),
    "one axis": np.ravel,
    "subnormal": lambda good: good * 1e-310,
    "huge": lambda good: good.astype(float).clip(-1, 1) * 1e308,
    "huge whole": lambda good: np.full(good.shape, 2**62),
    "negative": lambda good: -1 - np.abs(good.astype(float)),
    "negative whole": lambda good: np.full(good.shape, -1),
    "bool": lambda good: good.astype(bool),
    "int8": lambda good: good.astype(np.int8),
    "uint8": lambda good: np.abs(good * 1.0).astype(np.uint8),
    "float16": lambda good: good.astype(np.float16),
}
SAME = {  # the same numbers, and so the same value
    "Fortran order": np.asfortranarray,
    "strided": _strided,
    "turned": lambda good: np.flip(np.flip(good).copy()),
    "read-only": _read_only,
    "big-endian": lambda good: good.astype(good.dtype.newbyteorder(">")),
}
KINDS = REFUSED | VALUED | SAME


def bad(kind, good):
    """The bad array, or the list with a bad first one."""
    if isinstance(good, list):
        return [KINDS[kind](good[0]), *(array.copy() for array in good[1:])]
    return KINDS[kind](good)


def fresh(good):
    return {name: [one.copy() for one in array] if isinstance(array, list) else array.copy()
            for name, array in good.items()}


def parts(value):
    """The numbers, words and arrays that something is made of."""
    if isinstance(value, nx.Graph):
        value = [list(value.nodes), list(value.edges)]
    if dataclasses.is_dataclass(value):
        value = vars(value)
    if isinstance(value, dict):
        value = [*value.keys(), *value.values()]
    if isinstance(value, list | tuple):
        return [part for one in value for part in parts(one)]
    return [value]


def finite(value):
    return all(np.isfinite(part).all() for part in parts(value) if np.asarray(part).dtype.kind in "fc")


def assert_same(value, other, rtol=1e-9, atol=1e-12):
    for one, two in zip(parts(value), parts(other), strict=True):
        if np.asarray(one).dtype.kind in "fc":  # products may be added up in another order
            np.testing.assert_allclose(one, two, rtol=rtol, atol=atol)
        else:
            np.testing.assert_array_equal(one, two)


TAKES = {  # of the kinds that are refused, those that have a value here, as the docstring says
    "comparison.multiplicity": {"empty", "no axis", "another axis"},
    "curvature.at": {"NaN", "infinity", "-infinity", "complex numbers"},
    "curvature.difference_of_inverse": {"no axis", "another axis"},
    "curvature.hessian_vector": {"complex numbers"},
    "curvature.products": {"complex numbers"},
    "curvature.split": {"NaN", "infinity", "-infinity", "complex numbers"},
    "graphs.as_floats": {"NaN", "infinity", "-infinity", "empty", "no axis", "another axis"},
    "layers.survival": {"no axis", "another axis"},
    "metrics.moments": {"no axis", "another axis"},
    "motifs.canonical": {"empty"},
    "motifs.decode": {"empty"},
    "motifs.false_discovery": {"empty"},
    "motifs.from_layers": {"empty"},
    "motifs.graph": {"another axis"},
    "motifs.layered_census": {"empty"},
    "rbm.tile": {"NaN", "infinity", "-infinity"},
    "recurrent.train_epoch": {"empty"},
    "rnn.sequences": {"NaN", "infinity", "-infinity", "empty"},
    "sparse.check_order": {"empty"},
    "sparse.train_epoch": {"empty"},
    "tails.bootstrap_p": {"another axis"},
    "tails.compare": {"another axis"},
    "tails.describe": set(REFUSED),  # says in the row why there is no tail
    "tails.fit": {"another axis"},
    "tails.stability": {"another axis"},
    "tails.survival": {"no axis", "another axis"},
}
NOT_FINITE = {  # whose value may hold NaN or infinity, as the docstring says; or holds what was given
    "comparison.networks", "curvature.at", "curvature.split", "fractals.moments", "graphs.as_floats", "metrics.measure",
    "metrics.measure_bipartite", "metrics.moments", "rbm.tile", "rnn.sequences"}
IN_PLACE = {"sparse.regrow": {"weights"}}
WITHOUT = {  # public functions that take no arrays, by what they take
    "names, numbers, texts and paths": (
        "datasets.at_hand datasets.load ensemble.key ensemble.run experiment.atomic experiment.check_positive "
        "experiment.check_several experiment.constants experiment.number experiment.progress experiment.run "
        "experiment.naming fanmod.read_graph fanmod.read_table mlp.check_schedule mlp.draw_weights mlp.generator "
        "motifs.check_size motifs.most_colors plots.figure plots.shades sparse.by_output sparse.schedule sweep.one_run "
        "sweep.rows_of sweep.run tensors.listing tensors.matrices tensors.table"),
    "single numbers, infinite ones too, or an error": "comparison.ratio experiment.cell experiment.one_line",
    "rows, as the function before it returns them": (
        "comparison.summary comparison.verdict experiment.spread experiment.table layers.badness plots.draw_intervals "
        "plots.learning_curve rbm.picture rnn.picture sweep.curves_of sweep.finding sweep.lines_of sweep.names_of "
        "sweep.picture sweep.summary tails.best tails.over_runs tails.verdict"),
    "a Dataset, as datasets.load makes it": "datasets.pooled mlp.check_data",
    "a Packed, as metrics.pack makes it": "metrics.distances metrics.triangles",
    "a Graph or a Census, as motifs makes them": (
        "fanmod.format_graph fanmod.format_table fanmod.node_count fanmod.topology_id motifs.census motifs.layer_of "
        "motifs.layers motifs.rewire motifs.sampled_census motifs.significance motifs.subgraphs_at_most "
        "motifs.uncolored"),
    "a net as it is": "curvature.parameters rbm.filters",
    "a Net and Samples, as sparse makes them": "recurrent.accuracy recurrent.unpack sparse.accuracy sparse.unpack",
    "arrays whose sizes alone count": "sparse.keep_for sparse.parameters",
    "nothing": "experiment.processor tensors.check_name mlp.main rbm.main rnn.main",
}


# ---- the tests --------------------------------------------------------------------------------------------

def test_every_public_function_is_entered():
    public = {f"{module.__name__.removeprefix('gradnets.')}.{name}" for module in MODULES
              for name, function in inspect.getmembers(module, inspect.isfunction)
              if not name.startswith("_") and function.__module__ == module.__name__}
    assert public >= {"graphs.sample", "sparse.train_epoch", "rnn.train"}
    entered = [*CALLS, *(name for names in WITHOUT.values() for name in names.split())]
    assert len(entered) == len(set(entered))
    assert set(entered) == public - {"arrays.real", "arrays.whole"}  # what the others check with


def refused(call, arrays):
    """Whether it refuses them, in one line of our own; any other exception, warnings too, goes on."""
    try:
        return None, call(*arrays.values())
    except ValueError as error:
        message, where = str(error), traceback.extract_tb(error.__traceback__)[-1]
        assert "\n" not in message
        assert 20 < len(message) < 400
        assert ROOT in Path(where.filename).parents
        assert linecache.getline(where.filename, where.lineno).lstrip().startswith("raise "), (where, message)
        return error, None


@pytest.mark.parametrize("name", CALLS)
def test_bad_arrays_are_refused_in_one_line_or_have_a_documented_value(name, many, tried):
    call, good = CALLS[name]
    cases = [(argument, kind) for argument in good for kind in KINDS]
    every = many(8, 1)  # a sample is each eighth, from another place on in each function
    cases = cases[list(CALLS).index(name) % every::every]
    expected = call(**fresh(good))
    assert name in NOT_FINITE or finite(expected)
    for argument, kind in cases:
        with np.errstate(all="ignore"):
            spoilt = bad(kind, good[argument])
        error, value = refused(call, fresh(good) | {argument: spoilt})
        what = f"{argument}: {kind}"
        if kind in SAME and (kind != "read-only" or argument not in IN_PLACE.get(name, ())):
            assert error is None, what
            assert_same(value, expected)
            if argument not in IN_PLACE.get(name, ()):
                assert_same(spoilt, good[argument])
        elif kind in REFUSED and kind not in TAKES.get(name, ()):
            assert error is not None, what
        elif error is None:
            assert name in NOT_FINITE or finite(value), what
    tried("8 bad arrays to public functions", len(cases))


# ---- shapes, dtypes and layouts ---------------------------------------------------------------------------

REAL = ("f8", "f4", "f2", ">f8", ">f4", "i8", "i4", "i1", "u1", ">i2", "?")
WHOLE = ("i8", "i4", "i2", "i1", "u1", "u8", ">i8", ">u2")


def _unaligned(array):
    raw = np.zeros(array.nbytes + 1, np.uint8)[1:]
    raw[:] = np.frombuffer(array.tobytes(), np.uint8)
    return raw.view(array.dtype).reshape(array.shape)


def _framed(array):
    frame = np.ones([n + 3 for n in array.shape], array.dtype)
    inside = frame[tuple(slice(1, n + 1) for n in array.shape)]
    inside[...] = array
    return inside


LAYOUTS = {
    "C": np.array,
    "Fortran": np.asfortranarray,
    "axes in another order": lambda array: np.moveaxis(np.moveaxis(array, 0, -1).copy(), -1, 0),
    "every second": _strided,
    "backwards": lambda array: np.flip(np.flip(array).copy()),
    "rows backwards": lambda array: array[::-1].copy()[::-1],
    "inside another": _framed,
    "not aligned": _unaligned,
    "read-only": _read_only,
}


def real(rng, rows, columns):
    return rng.integers(-8, 9, (rows, columns)) / 8  # exact in each dtype but for the whole ones


def chances(rng, rows, columns):
    return rng.integers(0, 9, (rows, columns)) / 8


def links(rng, rows, columns):
    return rng.random((rows, columns)) < rng.random()


def network(rng, rows, columns):
    return graphs.merge_layers(links(rng, rows, rows))


def colors(rng, rows, columns):
    return rng.integers(0, 4, (rows, columns)) * links(rng, rows, columns)


def colored(rng, rows, columns):
    return colors(rng, rows, rows)


def magnitudes(rng, rows, columns):
    return (60 * rng.random((rows, 4, columns)) ** 2).round(1)


def seeds(rng, rows, columns):
    square = rng.integers(0, 9, (2 + rows % 3,) * 2) / 8
    square[0, 1] = 1
    return square


def items(rng, rows, columns):
    return rng.integers(0, 9, (rows, 9)) / 8


def directions(rng, rows, columns):
    return rng.integers(-8, 9, (columns, 55)) / 8


def wide(rng, rows, columns):
    return rng.integers(-8, 9, (9, 4)) / 8 + 0.0625


def labels_of(inputs):
    return np.arange(len(inputs)) % 3


def trained_from(weights):
    made = sparse.pack([weights, SMALLER[:4]], [None, np.zeros(3)], None, "auto", dtype=np.float64)
    return sparse.train_epoch(made, samples(), np.arange(12), 0.1), sparse.unpack(made)


def networkx_numbers(network):
    graph = nx.from_numpy_array(network)
    return [graph.number_of_nodes(), graph.number_of_edges(), nx.number_connected_components(graph),
            nx.average_clustering(graph), nx.transitivity(graph)]


def our_numbers(network):
    stats = metrics.measure(network)
    return [stats.nodes, stats.edges, stats.components, stats.average_clustering, stats.transitivity]


def networkx_bipartite(adjacency):
    rows, columns = adjacency.shape
    graph = nx.from_numpy_array(np.block([[np.zeros((rows, rows)), adjacency],
                                          [adjacency.T, np.zeros((columns, columns))]]))
    return [rows + columns, graph.number_of_edges(), nx.number_connected_components(graph),
            max(map(len, nx.connected_components(graph)))]


def our_bipartite(adjacency):
    stats = metrics.measure_bipartite(adjacency)
    return [stats.nodes, stats.edges, stats.components, stats.giant_nodes]


def connected_triples(matrix):
    """How many connected subgraphs of three nodes there are, directions and colours aside."""
    linked = ((matrix + matrix.T) > 0).astype(int)
    np.fill_diagonal(linked, 0)
    degrees = linked.sum(axis=0)
    return int((degrees * (degrees - 1) // 2).sum() - np.trace(linked @ linked @ linked) // 3)


def layered_triples(matrix):
    return sum(int((k * (k - 1) // 2).sum()) for k in ((matrix > 0).sum(axis=0), (matrix > 0).sum(axis=1)))


def exponent(values):
    """Maximum likelihood at the xmin that was found (Clauset et al. 2009, eq. 3.1)."""
    xmin = tails.fit(values).xmin
    tail = values[values >= xmin]
    return [1 + tail.size / np.log(tail / xmin).sum(), tail.size, np.count_nonzero(values == 0)]


def our_exponent(values):
    fit = tails.fit(values)
    return [fit.alpha, fit.n_tail, fit.zeros]


def largest(matrix):
    kept = np.zeros(matrix.size, dtype=bool)
    kept[np.argsort(-np.abs(matrix.ravel().astype(float)), kind="stable")[:1]] = True
    return kept.reshape(matrix.shape)


def sampled(chances):
    rng, drawn = np.random.default_rng(5), np.zeros(chances.shape, dtype=bool)
    drawn[chances > 0] = rng.random(np.count_nonzero(chances)) < chances[chances > 0]
    return drawn


def hessian_times(vectors):
    return vectors @ curvature.hessian(net(), INPUTS, LABELS, "r-operator")


def undirected(adjacency):
    either = adjacency | adjacency.T
    np.fill_diagonal(either, False)
    return either


def nothing_new(null, axes):
    """What a null keeps: sums along axes, or of all."""
    return lambda adjacency: [null(adjacency, 3).sum(axis=axis) for axis in axes]


def kept(axes):
    return lambda adjacency: [adjacency.sum(axis=axis) for axis in axes]


# name: what is drawn, its dtypes, the function, and its value by other means or None
LAID_OUT = {
    "probabilities": (real, REAL, graphs.probabilities, lambda m: np.abs(m) / np.abs(m).max()),
    "sample": (chances, ("f8", "f4", "f2", ">f8"), lambda p: graphs.sample(p, 5), sampled),
    "threshold": (real, REAL, lambda m: graphs.threshold(m, edges=1), largest),
    "threshold by a cut": (real, REAL, lambda m: graphs.threshold(m, cut=0.5), lambda m: np.abs(m) > 0.5),
    "merge_layers": (lambda rng, n, _: links(rng, n, n), "?", graphs.merge_layers, undirected),
    "to_networkx": (links, "?", lambda a: sorted(graphs.to_networkx(a, "bipartite").edges),
                    lambda a: [(i, len(a) + j) for i, j in np.argwhere(a)]),
    "measure": (network, "?", our_numbers, networkx_numbers),
    "measure, all of it": (network, "?", metrics.measure, None),
    "measure_bipartite": (links, "?", our_bipartite, networkx_bipartite),
    "measure_bipartite, all of it": (links, "?", metrics.measure_bipartite, None),
    "observed_counts": (network, "?", lambda a: fractals.observed_counts(a)[3],
                        lambda a: sum(nx.triangles(nx.from_numpy_array(a)).values()) // 3),
    "erdos_renyi": (network, "?", lambda a: nulls.erdos_renyi(a, 3), None),
    "undirected_configuration": (network, "?", nothing_new(nulls.undirected_configuration, [0]), kept([0])),
    "undirected_configuration, the draw": (network, "?", lambda a: nulls.undirected_configuration(a, 3), None),
    "directed_configuration": (links, "?", nothing_new(nulls.directed_configuration, [0, 1]), kept([0, 1])),
    "directed_configuration, the draw": (links, "?", lambda a: nulls.directed_configuration(a, 3), None),
    "shuffled_entries": (links, "?", nothing_new(nulls.shuffled_entries, [None]), kept([None])),
    "rank_one": (lambda rng, n, m: np.outer(rng.integers(1, 9, n), rng.integers(1, 9, m)) / 64,
                 ("f8", "f4", ">f8", ">f4"), lambda p: np.outer(*nulls.rank_one(p)), np.array),
    "fit": (magnitudes, ("f8", "f4", "f2", ">f8", "i4", "u1"), our_exponent, exponent),
    "fit, all of it": (magnitudes, ("f8", "f4", "f2", ">f8", "i4", "u1"), tails.fit, None),
    "stability": (magnitudes, ("f8", "f4", ">f4"), tails.stability, None),
    "census": (colored, WHOLE, lambda m: motifs.census(motifs.from_adjacency(m), 3).total, connected_triples),
    "census of four": (colored, WHOLE, lambda m: motifs.census(motifs.from_adjacency(m), 4), None),
    "layered_census": (colors, WHOLE, lambda m: motifs.layered_census([m], 3).total, layered_triples),
    "layered_census of four": (colors, WHOLE, lambda m: motifs.layered_census([m]), None),
    "moments of a fractal": (seeds, ("f8", "f4", ">f8"), lambda s: fractals.moments(s, 3), None),
    "power": (seeds, ("f8", "f4", ">f8"), lambda s: fractals.power(s, 1), lambda s: np.kron(s, s)),
    "pack_samples": (items, REAL, lambda x: sparse.pack_samples(x, labels_of(x), np.float64).values,
                     lambda x: x[x != 0]),
    "pack": (wide, ("f8", "f4", "f2", ">f8", ">f4"),
             lambda w: sparse.unpack(sparse.pack([w], [None], [w > 0.2], "sparse", dtype=np.float64))[0][0],
             lambda w: np.where(w > 0.2, w, 0)),
    "train_epoch": (wide, ("f8", "f4", "f2", ">f8"), trained_from, None),
    "prune": (wide, ("f8", "f4", ">f8"), lambda w: sparse.prune([w], 0.3)[0].sum(), lambda w: int(0.3 * w.size)),
    "gradient": (items, REAL, lambda x: curvature.gradient(net(), x, labels_of(x)), None),
    "hessian": (items, ("f8", "f4", ">f8", "i4"), lambda x: curvature.hessian(net(), x, labels_of(x)),
                lambda x: curvature.hessian(net(), x, labels_of(x), "r-operator")),
    "hessian_vector": (directions, ("f8", "f4", ">f8", "i4"),
                       lambda v: curvature.hessian_vector(net(), INPUTS, LABELS, v), hessian_times),
    "forward": (items, ("f8", "f4", ">f8", "i4"), lambda x: net().forward(x)[-1],
                lambda x: np.vstack([net().forward(row[None])[-1] for row in x])),
}


@pytest.mark.parametrize("name", LAID_OUT)
def test_shape_dtype_and_layout_do_not_change_the_value(name, many, tried):
    draw, dtypes, call, oracle = LAID_OUT[name]
    count = 0

    @settings(max_examples=many(6, 300), deadline=None, database=None, derandomize=True)
    @given(st.integers(1, 12), st.integers(1, 12), st.sampled_from(dtypes), st.sampled_from(sorted(LAYOUTS)),
           st.integers(0, 2**32 - 1))
    def same(rows, columns, dtype, layout, seed):
        nonlocal count
        array = LAYOUTS[layout](draw(np.random.default_rng(seed), rows, columns).astype(dtype))
        plain = np.array(array, dtype={"f": float, "b": bool}.get(array.dtype.kind, np.int64), order="C")
        before, close = plain.copy(), {"rtol": 1e-6 if array.dtype.itemsize <= 4 else 1e-9, "atol": 1e-11}
        error, value = refused(call, {"array": array})
        plain_error, expected = refused(call, {"array": plain})
        assert type(error) is type(plain_error)
        if error is None:
            assert_same(value, expected, **close)
            if oracle is not None:
                assert_same(value, oracle(before), **close)
        np.testing.assert_array_equal(array, before)
        count += 1

    same()
    tried("9 shapes, dtypes and layouts", count)
