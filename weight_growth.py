"""Do the rich weights get richer? Does the change of a weight grow with its size?

Trains nets on single samples. In windows of training it compares the size |w| of each weight of the first layer, at the
window's start, with its change |dw| over the window. The exponent is the slope of mean |dw| against |w| in logarithms:
0 means that size does not matter, 1 that changes are proportional to sizes. Only inputs that are lit count, since the
weights of dark pixels never move.

The change of a weight is a sum of inputs times deltas. Active units have large weights and large deltas, so changes go
with sizes unit by unit. Three controls tell weights from units:

1. Sizes and changes without the effects of inputs (rows) and units (columns), and unit means alone.
2. Null models: sizes that keep the effects of inputs and units, with the rest shuffled; sizes shuffled within inputs.
3. An intervention: a random half of the weights is doubled and the others are halved, and the net is trained on the
   same samples again. The same is done with all incoming, all outgoing, or all weights of a random half of the units.

Nets: the first of HIDDEN_UNITS from the first of INITS; the other widths and laws, one at a time; the first net on
noise; and the source's recipe, 128 units from ±1e-5 with targets -1 and 1, at a learning rate of 0.01.

The rows also hold the drift of the largest and of the smallest tenth of the weights: their mean move away from zero,
in mean changes of their input, or of their input and unit.

Figure: change against size; the exponent beside its controls; the exponent over training, a line per net; rank
correlations over units of the mean change with sizes, outgoing weights and gates (mean slopes of tanh); and the
exponents of the interventions over training.

Source: Howon Lee, README of stupidmlp (2016): a heavy tail makes one suspect positive feedback, which "is indeed seen
with the gradients".

Takes 30 s.
"""
import itertools
from typing import NamedTuple

import numpy as np
import scipy

import mlp
from gradnets import checks, datasets, experiment, growth, plots, sparse, streams, summaries
from gradnets.errors import NoResult, UserError
from gradnets.progress import progress

DATASET = "glyphs"          # data set: glyphs, noise, noise-constant, mnist, cifar10, cifar100, tree or clusters
IMAGES = 10_000             # largest number of training images, from the first on
HIDDEN_UNITS = (30, 100)    # numbers of hidden units, at least 10; one net each
INITS = ("normal(0.01)",
         "uniform(0.25)")   # laws of weights: uniform(scale), normal(scale), glorot, glorot-normal, orthogonal(gain)
LEARNING_RATE = 0.05        # step length of SGD
STARTS = (0, 1000, 3000, 10_000, 30_000)  # single-sample steps before each window; 0 is untrained
WINDOW = 1000               # number of steps over which changes are measured
RUNS = 10                   # number of runs of each net, with seeds starting at SEED
SEED = 0                    # seed of data, weights, samples and null models
# ---- not flags
LIT = 0.02           # least mean brightness of an input that counts
FEWEST_UNITS = 10    # that rank correlations need
FACTOR = 2.0         # of enlarged weights; the others are divided by it
GATE_SAMPLES = 500   # images over which the slopes of tanh are averaged
DECILES = 10
LARGEST = 1e100      # weights from here on count as diverged
CONTROLS_STREAM = 4  # of random numbers, for null models and interventions
NOISE, SOURCE = "noise", "source's recipe"  # names of nets
QUICK = {"runs": 3, "starts": (0, 1000, 10_000)}
COLUMNS = ("exponent", "same_effects", "rest", "doubled_weights", "doubled_outgoing")
HEADINGS = {"start": "from step", "same_effects": "by inputs and units alone", "rest": "without inputs and units",
            "doubled_weights": "single weights doubled", "doubled_outgoing": "outgoing doubled"}
CONTROLS = {  # what stands in the figure, from top to bottom
    "exponent": "as measured",
    "within_inputs": "within inputs",
    "unit_means": "unit means alone",
    "same_effects": "inputs and units alone",
    "inputs_shuffled": "shuffled within inputs",
    "rest": "without inputs and units",
    "rest_shuffled": "without both, shuffled",
}
RANKS = {"size_rank": "its mean size of weights", "outgoing_rank": "its outgoing weights",
         "gate_rank": "its mean slope of tanh", "shuffled_rank": "sizes of other units"}
INTERVENTIONS = {"doubled_weights": ("single weights", plots.RED, "o", "-"),
                 "doubled_incoming": ("incoming, by unit", plots.BLUE, "s", "--"),
                 "doubled_outgoing": ("outgoing, by unit", plots.GREEN, "^", "-."),
                 "doubled_both": ("both, by unit", plots.INK, "D", ":")}


class Net(NamedTuple):
    """A net, and how it is trained.

    Attributes
    ----------
    name : str
        In what the net differs from the first one.
    data : str
    hidden_units : int
    init : str
    learning_rate : float
    targets : pair of float
        Of a wrong output and of the right one.
    biases : bool
    """

    name: str
    data: str
    hidden_units: int
    init: str
    learning_rate: float
    targets: tuple = (0.0, 1.0)
    biases: bool | tuple = True


def main(settings):
    checks.nonempty_tuples(hidden_units=settings.hidden_units, inits=settings.inits, starts=settings.starts)
    checks.positive_integers(images=settings.images, hidden_units=settings.hidden_units, window=settings.window,
                             runs=settings.runs)
    checks.seed(settings.seed)
    if min(settings.hidden_units) < FEWEST_UNITS:
        raise UserError(f"hidden_units is {settings.hidden_units}: expected at least {FEWEST_UNITS} units, for "
                        "correlations over units")
    if not all(checks.is_integer(start) and start >= 0 for start in settings.starts):
        raise UserError(f"starts is {settings.starts}: expected integers of at least 0")
    nets, last = nets_of(settings), max(settings.starts)
    loaded = {name: datasets.load(name, limit=settings.images, seed=settings.seed)
              for name in dict.fromkeys(net.data for net in nets)}
    rows = []
    for net in nets:
        runs = measure_runs(net, loaded[net.data], settings)
        rows += [summary(net, start, runs[start]) for start in runs]
        if net is nets[0]:
            rows += curve_rows(net.name, last, runs[last])
    finding = finding_of(pick(rows, nets[0].name, last))
    figure = picture(rows, [net.name for net in nets], finding, caption(rows, loaded, nets[0], settings))
    printed = [row for row in rows if "bin" not in row and (row["net"] == nets[0].name or row["start"] == last)]
    return experiment.Result(rows, names=("net", "start", "bin"), columns=COLUMNS, headings=HEADINGS, printed=printed,
                             finding=finding, figure=figure, data=[dataset.provenance for dataset in loaded.values()],
                             suggestion="--window 100 looks at shorter windows")


def nets_of(settings):
    """Return the nets, each name once: the first one, its variants, and the source's recipe."""
    widths, inits = dict.fromkeys(settings.hidden_units), dict.fromkeys(settings.inits)
    first = Net(f"{next(iter(widths))} units", settings.dataset, next(iter(widths)), next(iter(inits)),
                settings.learning_rate)
    nets = [first]
    nets += [first._replace(name=f"{units} units", hidden_units=units) for units in widths]
    nets += [first._replace(name=init, init=init) for init in list(inits)[1:]]
    nets += [first._replace(name=NOISE, data=NOISE)] if settings.dataset != NOISE else []
    nets += [Net(SOURCE, settings.dataset, 128, "uniform(0.00001)", 0.01, (-1.0, 1.0), (True, False))]
    return list({net.name: net for net in nets}.values())


# ---- training ---------------------------------------------------------------------------------------------

def measure_runs(net, dataset, settings):
    """Return what `windows` yields in all runs of a net, by start: {start: [what a run yields]}."""
    samples = sparse.pack_samples(dataset.inputs, dataset.labels, np.float64)
    runs = {start: [] for start in sorted(set(settings.starts))}
    for run in progress(range(settings.runs), settings.runs, net.name):
        for start, measurements in windows(net, dataset, samples, list(runs), settings.window, settings.seed + run):
            runs[start].append(measurements)
    return runs


def windows(net, dataset, samples, starts, window, seed):
    """Train a net, and yield each start with what `measure` returns of the window behind it, or NoResult.

    samples : the packed items of the data set; starts : in rising order.
    """
    sizes = dataset.inputs.shape[1], net.hidden_units, dataset.classes
    network = mlp.MLP(sizes, "tanh", "squared", net.init, seed, biases=net.biases, targets=net.targets)
    order = streams.generator(seed, streams.SAMPLES).integers(len(dataset.labels), size=starts[-1] + window)
    weights, biases, done = network.weights, network.biases, 0
    for start in starts:
        rng = streams.generator(seed, CONTROLS_STREAM, start)
        try:
            weights, biases, _ = train(net, weights, biases, samples, order[done:start])
            measurements = measure(net, weights, biases, dataset, samples, order[start:start + window], rng)
        except NoResult as error:
            measurements = error
        yield start, measurements
        done = start


def train(net, weights, biases, samples, order):
    """Return weights and biases after single-sample steps in an order, and the share of samples recognised on the way.

    The steps are those of `mlp.train` up to rounding, in compiled code. Raises sparse.Diverged if weights are not
    finite, or so large that sums of them are not.
    """
    packed = sparse.pack(weights, biases, None, "dense", "tanh", "squared", net.targets, np.float64)
    recognised = sparse.train_epoch(packed, samples, order, net.learning_rate)
    trained, trained_biases = sparse.unpack(packed)
    if not all((np.abs(matrix) < LARGEST).all() for matrix in trained):
        raise sparse.Diverged(f"weights are not finite, or above {LARGEST:g}: lower the learning rate")
    return trained, trained_biases, recognised / max(len(order), 1)


# ---- measurements -----------------------------------------------------------------------------------------

def measure(net, weights, biases, dataset, samples, order, rng):
    """Return what is measured of one window: numbers by name, and the curves of `compare`.

    weights, biases : at the start of the window; order : of the window's samples.
    """
    def changes_from(factors, outgoing_factors=1.0):
        start = [weights[0] * factors, weights[1] * outgoing_factors]
        after, _, recognised = train(net, start, biases, samples, order)
        return after[0] - start[0], recognised

    changes, recognised = changes_from(1.0)
    counted = (dataset.inputs.mean(axis=0) >= LIT) & changes.any(axis=1)
    if not counted.any():
        raise growth.NoExponent("no weight of a lit input changes: take a longer window")
    numbers, curves = compare(weights[0][counted], changes[counted], rng)

    gates = 1 - np.tanh(dataset.inputs[:GATE_SAMPLES] @ weights[0] + biases[0])**2
    unit_changes = np.abs(changes[counted]).mean(axis=0)
    numbers |= ranks(unit_changes, np.abs(weights[0][counted]).mean(axis=0), np.linalg.norm(weights[1], axis=1),
                     gates.mean(axis=0), rng)

    single = rng.random(weights[0].shape) < 0.5
    units = rng.permutation(net.hidden_units) < net.hidden_units // 2
    by_weight, by_unit = np.where(single, FACTOR, 1 / FACTOR), np.where(units, FACTOR, 1 / FACTOR)
    for name, enlarged, factors in (("doubled_weights", single, (by_weight,)), ("doubled_incoming", units, (by_unit,)),
                                    ("doubled_outgoing", units, (1.0, by_unit[:, None])),
                                    ("doubled_both", units, (by_unit, by_unit[:, None]))):
        enlarged = np.broadcast_to(enlarged, changes.shape)[counted]
        numbers[name] = growth.intervention_exponent(
            np.abs(changes[counted]), np.abs(changes_from(*factors)[0][counted]), enlarged, FACTOR**2)
    return numbers | {"recognised": recognised}, curves


def compare(weights, changes, rng):
    """Compare sizes of weights with their changes, (inputs, units) both: exponents beside their controls, and drift.

    Returns
    -------
    numbers : dict of float
    curves : list of two float64 (2, bins)
        Mean sizes and mean changes, each relative to its mean: as measured, and without effects of inputs and units.
    """
    sizes, moves = np.abs(weights), np.abs(changes)
    size_rest = growth.split_effects(sizes)[2]
    inputs, units, move_rest = growth.split_effects(moves)
    input_means, unit_means = moves.mean(axis=1, keepdims=True), moves.mean(axis=0, keepdims=True)
    numbers = {
        "exponent": growth.exponent(sizes, moves),
        "within_inputs": growth.exponent(sizes / sizes.mean(axis=1, keepdims=True), moves / input_means),
        "unit_means": growth.exponent(sizes, np.broadcast_to(unit_means, sizes.shape)),
        "same_effects": growth.exponent(growth.same_effects(sizes, rng), moves),
        "inputs_shuffled": growth.exponent(rng.permuted(sizes, axis=1), moves),
        "rest": growth.exponent(size_rest, move_rest),
        "rest_shuffled": growth.exponent(rng.permutation(size_rest.ravel()), move_rest.ravel()),
    }
    outward = np.sign(weights) * changes
    for name, of_sizes, expected in (("", sizes, input_means), ("_rest", size_rest, np.outer(inputs, units))):
        drift = growth.curve(of_sizes, outward / expected, DECILES, 0.0)[1]
        numbers |= {f"drift_low{name}": drift[0], f"drift_top{name}": drift[-1]}
    curves = [growth.curve(sizes / sizes.mean(), moves / moves.mean()), growth.curve(size_rest, move_rest)]
    return numbers, curves


def ranks(changes, sizes, outgoing, gates, rng):
    """Return rank correlations over units of their mean change with other numbers of theirs, and with shuffled ones."""
    compared = {"size_rank": sizes, "outgoing_rank": outgoing, "gate_rank": gates,
                "shuffled_rank": rng.permutation(sizes)}
    return {name: scipy.stats.spearmanr(changes, values).statistic for name, values in compared.items()}


# ---- rows, finding, figure --------------------------------------------------------------------------------

def summary(net, start, runs):
    """Return the row of a net and a start: medians and the middle 90 % of the runs that have a result."""
    valid = [numbers for numbers, _ in with_result(runs)]
    row = {"net": net.name, "start": start, "data": net.data, "hidden_units": net.hidden_units, "init": net.init,
           "learning_rate": net.learning_rate, "runs": len(runs), "without_result": len(runs) - len(valid)}
    if not valid:
        return row | {"reason": str(runs[0])}
    return row | summaries.median_intervals(**{key: [numbers[key] for numbers in valid] for key in valid[0]})


def with_result(runs):
    return [run for run in runs if not isinstance(run, NoResult)]


def curve_rows(name, start, runs):
    """Return a row for each bin of the curves of `compare`, over the runs whose bins are all filled."""
    full = [curves for _, curves in with_result(runs) if all(curve.shape[1] == growth.BINS for curve in curves)]
    keys = ("size", "change"), ("size_rest", "change_rest")
    rows = []
    for place in range(growth.BINS if full else 0):
        columns = {key: [curves[k][axis, place] for curves in full] for k in range(2)
                   for axis, key in enumerate(keys[k])}
        rows.append({"net": name, "start": start, "bin": place} | summaries.median_intervals(**columns))
    return rows


def pick(rows, net, start):
    """Return the row of a net and a start."""
    return next(row for row in rows if (row["net"], row["start"], row.get("bin")) == (net, start, None))


def finding_of(row):
    """State whether changes grow with sizes, and whether inputs and units explain it."""
    if "exponent" not in row:
        raise growth.NoExponent(f"no run of {row['net']} has a result at step {row['start']:,}, lower --learning-rate "
                                f"or take a longer --window ({row['reason']})")
    exponent, rest = (f"{round(row[key], 2) + 0.0:.2f}" for key in ("exponent", "rest"))  # never -0.00
    if row["exponent_low"] <= 0:
        return f"Large weights do not change more than small ones: exponent {exponent}"
    if row["rest_high"] < row["exponent_low"] / 2:
        cause = "their units" if row["unit_means"] > row["exponent"] / 2 else "inputs and units"
        return f"Large weights change more only through {cause}: exponent {exponent}, without them {rest}"
    return f"Large weights change more, even within units: exponent {exponent}, without units {rest}"


def caption(rows, loaded, net, settings):
    dataset = loaded[net.data]
    lost = sum(row["without_result"] for row in rows if "bin" not in row)
    total = sum(row["runs"] for row in rows if "bin" not in row)
    sizes = f"{dataset.inputs.shape[1]}-{net.hidden_units}-{dataset.classes}"
    return (f"{dataset.name}, {sizes} tanh net from {net.init}, learning rate {net.learning_rate:g}, unless named. "
            f"Changes are those over {settings.window:,} single-sample steps.\n"
            f"Medians and the middle 90 % of n = {settings.runs} runs; {lost} of {total} windows have no result. "
            f"Panels without steps show the window from step {max(settings.starts):,}.")


@plots.styled
def picture(rows, names, title, caption):
    starts = sorted({row["start"] for row in rows})
    figure, panels = plots.figure([["curve", "controls"], ["training", "ranks"], ["training", "doubled"]], 11.5, 8.8,
                                  title, caption, height_ratios=(1, 0.5, 0.8))
    row = pick(rows, names[0], starts[-1])
    draw_curve(panels["curve"], [row for row in rows if "bin" in row])
    draw_named(panels["controls"], row, CONTROLS, "exponent")
    panels["controls"].set(title="exponent beside its controls", xlabel="exponent (0: size does not matter)")
    draw_named(panels["ranks"], row, RANKS, "size_rank")
    panels["ranks"].set(title="mean change of a unit, ranked against", xlabel="rank correlation over units",
                        xlim=(-1.05, 1.05))
    looks = zip(plots.COLORS, plots.MARKERS, plots.DASHES, strict=True)
    draw_over_starts(panels["training"], rows, starts, [
        (name, *look, name, "exponent") for name, look in zip(names, itertools.cycle(looks), strict=False)])
    panels["training"].set(title="exponent over training")
    draw_over_starts(panels["doubled"], rows, starts, [
        (label, *look, names[0], key) for key, (label, *look) in INTERVENTIONS.items()], gap=0.1)
    panels["doubled"].set(title="exponent if a random half is doubled, the rest halved")
    return figure


def draw_curve(axes, rows):
    """Draw mean change against size, as measured and without the effects of inputs and units."""
    axes.set(xscale="log", yscale="log", title="change against size", xlabel="|weight| / mean",
             ylabel="mean |change| / mean")
    if not rows:
        return
    lines = []
    for end, color, look, label in (("", plots.RED, {}, "as measured"),
                                    ("_rest", plots.BLUE, {"ls": "--", "marker": "s"}, "without inputs\nand units")):
        x = [row[f"size{end}"] for row in rows]
        plots.draw_band(axes, x, rows, f"change{end}", color, **look)
        lines.append((x, [row[f"change{end}"] for row in rows], label, color))
    low, high = min(axes.get_ylim()[0], 0.5), max(axes.get_ylim()[1], 2)
    ends = np.clip((rows[0]["size"], rows[-1]["size"]), low, high)
    axes.plot(ends, ends, ":", color=plots.GREY, lw=1.2)
    axes.annotate("proportional", (0.6, 0.6), xytext=(6, -2), textcoords="offset points", va="center", fontsize=8,
                  color=plots.GREY)
    axes.set_ylim(low, high)
    plots.label_lines(axes, lines)


def draw_named(axes, row, names, observed):
    """Draw some numbers of a row with their intervals, one below the other, and the observed one in its color."""
    lines = [{"label": label} | {f"value{end}": row[key + end] for end in ("", "_low", "_high")}
             for key, label in names.items()]
    plots.draw_intervals(axes, lines, "value", names[observed], "label")
    axes.axvline(0, color=plots.GREY, lw=0.8, zorder=0)


def draw_over_starts(axes, rows, starts, series, gap=0.06):
    """Draw lines over the starts of windows.

    series : list of (label, color, marker, dash, net, column); gap : as `plots.label_lines` takes it.
    """
    axes.hlines(0, 0, len(starts) - 1, color=plots.GREY, lw=0.8, zorder=0)
    lines = []
    for label, color, marker, dash, net, key in series:
        chosen = {place: row for place, start in enumerate(starts) if key in (row := pick(rows, net, start))}
        plots.draw_band(axes, list(chosen), list(chosen.values()), key, color, marker=marker, ls=dash)
        if chosen:
            lines.append((list(chosen), [row[key] for row in chosen.values()], label, color))
    axes.set(xlabel="window from step", xticks=range(len(starts)), xticklabels=[f"{start:,}" for start in starts])
    plots.label_lines(axes, lines, gap)


if __name__ == "__main__":
    experiment.run(main)
