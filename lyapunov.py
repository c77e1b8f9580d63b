"""Does gradient descent have positive Lyapunov exponents?

Descent x - η g(x) is a map with the Jacobian I - η H(x), and its Lyapunov exponents tell whether two nets that
start side by side part. Three of the sources speak of their spectrum and none measures it. Here a small net on
pooled digits descends over the full batch, at rates from well-behaved to far beyond the edge of stability, where
sharpness, the Hessian's largest eigenvalue, times η / 2 is 1. Exponents come from QR after each step: those
of long time after a transient, those of finite time over windows that each start with a new direction. One sample
a step makes the map a random one, with an exponent of its own, that of products of I - η H_sample.

Controls of known result: the double well x - η (x³ - x), whose exponent is the mean of log |1 - η (3x² - 1)|, and
log 3 at η = 2, where the map is a Chebyshev polynomial; and a quadratic, whose exponents are log |1 - ηλ|.

Last, two copies of the essay's net that differ in one weight. Where the tangent vector, that weight's direction
times the product of the Jacobians, grows as the copies part, it is this instability that parts them.

Figure: exponents against the learning rate; the edge and the windows along training; whole spectra; the controls;
the essay's net.

A net that still trains has no asymptotic exponent. What is called long time here is the mean over the steps after
TRANSIENT, and its sign within NEAR_ZERO of zero says nothing: a slow drift of the weights gives as much. Above it,
chaos may still be transient, and one that outlives STEPS looks like one that lasts: try --steps 20000 --transient
10000. At large rates this net does not leave for infinity. Its outputs saturate, one after another, and with them
go gradient, curvature and exponents; runs that end above the loss they started from are counted, and stay in the
medians. A new direction has a share of some 1 / √p in the one that grows most, so that a window misses some
log(p) / 2 of that growth.

Source: Jeremy Cohen and others, *Gradient descent on neural networks typically occurs at the edge of stability*,
2021; the rest goes beyond the sources.

Takes 45 s.
"""
import copy
import itertools

import numpy as np
from scipy import linalg

import mlp
from gradnets import curvature, datasets, experiment, plots

DATASET = "glyphs"          # glyphs, noise, noise-constant or mnist: images of 28 x 28
IMAGES = 200                # training images, the full batch
SIDE = 7                    # pixels a side that the 28 are averaged to
HIDDEN_UNITS = 8            # of the small net, tanh
LOSS = "squared"            # squared or cross-entropy
LEARNING_RATES = (0.16, 0.27, 0.46, 0.8, 1.4, 2.4, 4.0)  # of the small net
STEPS = 1600                # updates a run
TRANSIENT = 800             # of which so many come before the long-time exponents
WINDOW = 200                # steps of a finite-time exponent; a divisor of STEPS
EXPONENTS = 3               # leading ones, of long time
NEAR_ZERO = 0.02            # per step; an exponent above it is called positive
SPECTRUM_RATES = (0.16, 0.8, 2.4)  # of LEARNING_RATES; the whole spectrum of the run of largest exponent
SPECTRUM_STEPS = 80         # of the whole spectrum, after TRANSIENT
WELL_RATES = (0.25, 0.75, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8, 1.9, 2.0)  # of the double well, at most 2
WELL_STEPS = 3000           # of the double well and of the quadratic, after as many that are dropped
ESSAY_UNITS = (30, 784)     # hidden units of the essay's net on whole images, a net each
ESSAY_RATES = (0.01, 0.1)   # of the essay's net
ESSAY_STEPS = 300           # single-sample updates of the essay's net
PERTURBATION = 1e-12        # what one of its weights is changed by
RUNS = 5                    # seeded SEED, SEED + 1, ...
SEED = 0                    # seeds data, weights, samples and directions

PIXELS = 28                 # a side, of the whole images
RECORD = 10                 # steps from one distance of the copies to the next
IDLE = 1e-9                 # a gradient with no larger entry moves nothing that matters
RITZ = 30                   # products with the Hessian for its largest eigenvalue
FORGOTTEN = 15 * np.log(10)  # growth after which a change of 1e-15 is one of 1
QUADRATIC = np.array([0.1, 0.4, 0.7, 1.2, 1.5, 1.75, 2.2, 2.6, 3.0])  # rate times eigenvalue
quiet = np.errstate(over="ignore", invalid="ignore")  # a decorator: what comes of it is NotFinite


# ---- the maps ---------------------------------------------------------------------------------------------

def descent(network, rate, batches):
    """One step of gradient descent and its Jacobian times the rows of a frame: two functions for `lyapunov`.

    batches: iterable of (inputs, labels), one a step; each function goes through them on its own, once a call.
    """
    ahead, along = itertools.tee(batches)

    def advance(point):
        return point - rate * curvature.gradient(curvature.at(network, point), *next(ahead))

    def tangent(point, frame):
        return frame - rate * curvature.products(curvature.at(network, point), *next(along))(frame)

    return advance, tangent


def sharpness(network, point, inputs, labels):
    """Largest eigenvalue of the Hessian of the mean loss, by Lanczos."""
    product = curvature.products(curvature.at(network, point), inputs, labels)
    start = np.random.default_rng(0).normal(size=point.size)
    _, diagonal, beside = curvature.lanczos(product, start, RITZ)
    return linalg.eigh_tridiagonal(diagonal, beside, eigvals_only=True)[-1]


# ---- controls of known result -----------------------------------------------------------------------------

def double_well(rate, steps, seed):
    """Exponent per step of x - rate (x³ - x) by `curvature.lyapunov`, after as many steps that are dropped.

    rate: positive, at most 2, from where on nearly all orbits leave for infinity.
    """
    logs, _ = curvature.lyapunov(lambda x: x - rate * (x**3 - x),
                                 lambda x, frame: frame * (1 - rate * (3 * x**2 - 1)),
                                 np.random.default_rng(seed).uniform(-1, 1, 1), 2 * steps, 1, seed)
    return logs[steps:].mean()


def double_well_mean(rates, steps, orbits, seed):
    """The mean of log |1 - rate (3x² - 1)| over orbits of other starts, after as many steps dropped."""
    rates = np.asarray(rates, float)
    x = np.random.default_rng((seed, 1)).uniform(-1, 1, (orbits, *rates.shape))
    total = np.zeros_like(x)
    for step in range(2 * steps):
        if step >= steps:
            with np.errstate(divide="ignore"):
                total += np.log(np.abs(1 - rates * (3 * x**2 - 1)))
        x = x - rates * (x**3 - x)
    return total.mean(axis=0) / steps


def quadratic(products, steps, seed):
    """Exponents at the minimum of a quadratic, and log |1 - ηλ|: float64 (p,), ordered as `products`, ηλ."""
    axes = linalg.qr(np.random.default_rng(seed).normal(size=(len(products),) * 2))[0]
    hessian = axes @ np.diag(products) @ axes.T
    logs, _ = curvature.lyapunov(lambda x: x - hessian @ x, lambda x, frame: frame - frame @ hessian,
                                 np.zeros(len(products)), 2 * steps, len(products), seed)
    closed = np.log(np.abs(1 - products))
    found = np.empty_like(closed)
    found[np.argsort(-closed)] = logs[steps:].mean(axis=0)
    return found, closed


# ---- the small net ----------------------------------------------------------------------------------------

@quiet
def full_batch(network, inputs, labels, rate, steps, transient, window, count, seed):
    """Numbers of one run over the full batch, and how it went; None, None where it diverges.

    Returns
    -------
    dict of float
        `exponent`, `exponent_2`, ... after the transient, largest first, per step; `highest_window`;
        sharpness times rate / 2, `edge_at_start` and, its median after the transient, `edge`; first and last loss.
    dict of float64 arrays
        `windows` (steps / window,), finite-time exponents per step; `edges` (steps / window + 1,).
    """
    advance, tangent = descent(network, rate, itertools.repeat((inputs, labels)))
    try:
        windows, points = curvature.lyapunov(advance, tangent, curvature.parameters(network), steps, 1, seed,
                                             restart=window)
        # The same orbit again, its points at hand; the frame has one window to turn to the leading directions.
        start, path = points[transient - window], iter(points[transient - window + 1:])
        logs, _ = curvature.lyapunov(lambda _: next(path), tangent, start, steps - transient + window, count,
                                     seed)
        edges = rate / 2 * np.array([sharpness(network, point, inputs, labels) for point in points[::window]])
    except curvature.NotFinite:
        return None, None
    windows = windows.reshape(-1, window).mean(axis=1)
    late = np.sort(logs[window:].mean(axis=0))[::-1]
    numbers = {"exponent" if k == 0 else f"exponent_{k + 1}": value for k, value in enumerate(late)}
    numbers |= {"highest_window": windows.max(), "edge_at_start": edges[0],
                "edge": np.median(edges[-(-transient // window):]),
                "first_loss": curvature.loss(network, inputs, labels),
                "last_loss": curvature.loss(curvature.at(network, points[-1]), inputs, labels)}
    return numbers, {"windows": windows, "edges": edges}


@quiet
def single_sample(network, inputs, labels, rate, steps, transient, window, seed):
    """The same of one sample a step, drawn with replacement: one exponent, its windows not restarted."""
    order = np.random.default_rng((seed, 2)).integers(len(labels), size=steps)
    batches = ((inputs[which:which + 1], labels[which:which + 1]) for which in order)
    try:
        logs, points = curvature.lyapunov(*descent(network, rate, batches), curvature.parameters(network),
                                          steps, 1, seed)
    except curvature.NotFinite:
        return None
    windows = logs.reshape(-1, window).mean(axis=1)
    return {"exponent": logs[transient:].mean(), "highest_window": windows.max(),
            "first_loss": curvature.loss(network, inputs, labels),
            "last_loss": curvature.loss(curvature.at(network, points[-1]), inputs, labels)}


@quiet
def whole_spectrum(network, inputs, labels, rate, steps, transient, seed):
    """All exponents after the transient, float64 (p,), largest first; NaN where the run diverges."""
    advance, _ = descent(network, rate, itertools.repeat((inputs, labels)))
    point = curvature.parameters(network)

    def tangent(x, frame):  # for so many rows the Hessian is cheaper than its products
        return frame - rate * frame @ curvature.hessian(curvature.at(network, x), inputs, labels)

    try:
        for _ in range(transient):
            point = advance(point)
        logs, _ = curvature.lyapunov(advance, tangent, point, steps, point.size, seed)
    except curvature.NotFinite:
        return np.full(point.size, np.nan)
    return np.sort(logs.mean(axis=0))[::-1]


# ---- the essay's net --------------------------------------------------------------------------------------

def lit_part(network, pixels):
    """One sample's part of a net of one hidden layer: the rest of its parameters has no gradient on that sample.

    Returns
    -------
    mlp.MLP
        For `curvature.at`: as many inputs as `pixels` (n_0,) has lit ones; its weights are the wrong ones.
    lit : int64 (inputs,)
    where : int64
        Its parameters' places in the net's vector.
    """
    lit, hidden = pixels.nonzero()[0], network.sizes[1]
    smaller = copy.copy(network)
    smaller.sizes = (lit.size, *network.sizes[1:])
    smaller.weights = [network.weights[0][:lit.size], *network.weights[1:]]
    rows = np.append(lit, network.sizes[0])  # the last one is the bias
    first = rows[:, None] * hidden + np.arange(hidden)
    rest = np.arange((network.sizes[0] + 1) * hidden, (network.sizes[0] + 1) * hidden + network.weights[1].size)
    return smaller, lit, np.concatenate([first.ravel(), rest])


@quiet
def part_ways(network, dataset, rate, steps, change, seed):
    """Two copies of the essay's net that differ in one weight, and the tangent vector of that weight.

    Returns
    -------
    tangent, twin : float64 (steps / RECORD + 1,)
        Natural logarithms, from 0 on: length of the tangent vector, and distance of the copies over `change`; -inf
        where they are one again.
    idle : float
        Share of steps with a gradient below IDLE everywhere.

    Raises
    ------
    NotFinite
        Where the nets, or the tangent vector, leave for infinity.
    """
    order = np.random.default_rng((seed, 3)).integers(len(dataset.labels), size=steps)
    one, vector = curvature.parameters(network), np.zeros(curvature.parameters(network).size)
    weight = dataset.inputs.mean(axis=0).argmax() * network.sizes[1]  # brightest pixel to first hidden unit
    vector[weight] = 1.0
    two = one + change * vector
    change = two[weight] - one[weight]  # as rounding left it
    tangent, twin, idle = [0.0], [0.0], 0
    for index, which in enumerate(order, start=1):
        smaller, lit, where = lit_part(network, dataset.inputs[which])
        sample = dataset.inputs[which:which + 1, lit], dataset.labels[which:which + 1]
        here = curvature.at(smaller, one[where])
        try:
            gradient = curvature.gradient(here, *sample)
            vector[where] -= rate * curvature.hessian_vector(here, *sample, vector[where])
        except curvature.NotFinite:
            raise curvature.NotFinite(f"the essay's net at rate {rate:g} is not finite after {index} steps: lower "
                                      "ESSAY_RATES") from None
        two[where] -= rate * curvature.gradient(curvature.at(smaller, two[where]), *sample)
        one[where] -= rate * gradient
        idle += np.abs(gradient).max() < IDLE
        if index % RECORD == 0:
            length = np.linalg.norm(vector)
            vector /= length
            tangent.append(tangent[-1] + np.log(length))
            with np.errstate(divide="ignore"):
                twin.append(np.log(np.linalg.norm(two - one) / change))
    return np.array(tangent), np.array(twin), idle / steps


def forgetting(tangent, twin, idle, steps, change):
    """Numbers of one run of `part_ways`."""
    near = np.flatnonzero(twin + np.log(change) < np.log(1e-3))[-1]  # the last record at which they are neighbours
    rate = tangent[-1] / steps
    return {"exponent": rate, "decades_apart": abs(twin[near] - tangent[near]) / np.log(10), "idle": idle,
            "forgotten_after": FORGOTTEN / rate if rate > 0 else np.inf}


# ---- rows, words and picture ------------------------------------------------------------------------------

def summary(found, near_zero):
    """One row of the small net's runs at one rate: medians and 90 % intervals over those that stayed finite.

    `positive`: how many have an exponent above near_zero; `saturated`: how many end above their first loss.
    """
    sound = [numbers for numbers in found if numbers is not None]
    row = {"runs": len(found), "diverged": len(found) - len(sound),
           "positive": sum(bool(numbers["exponent"] > near_zero) for numbers in sound),
           "saturated": sum(bool(numbers["last_loss"] >= numbers["first_loss"]) for numbers in sound)}
    keys = [key for key in sound[0] if key != "first_loss"] if sound else []
    return row | experiment.spread(**{key: [numbers[key] for numbers in sound] for key in keys})


def finding(rows, near_zero, window):
    """At which rates the exponents are positive, over the full batch and sample by sample; what windows say."""
    full, single = ([row for row in rows if row["part"] == part] for part in ("full batch", "single samples"))
    said = (f"Largest exponent above {near_zero:g} per step: full batch {_where_positive(full)}; single samples "
            f"{_where_positive(single)}")
    calm = [row for row in full if "exponent" in row and row["exponent"] <= near_zero < row["highest_window"]]
    if not calm:
        return said
    most = max(calm, key=lambda row: row["highest_window"])
    return said + (f". Windows of {window} full-batch steps reach {most['highest_window']:.2g} even at "
                   f"{most['learning_rate']:g}, where it is {most['exponent']:.2g} in the long run")


def _where_positive(rows):
    """In how many of the runs that stayed finite, in words, rates in their order."""
    words = []
    for kind, group in itertools.groupby(sorted(rows, key=lambda row: row["learning_rate"]), _how_many):
        rates = [f"{row['learning_rate']:g}" for row in group]
        words.append(f"{kind} at " + (rates[0] if len(rates) == 1 else f"{rates[0]} to {rates[-1]}"))
    return ", ".join(words)


def _how_many(row):
    left = row["runs"] - row["diverged"]
    if left == 0:
        return "(all diverged)"
    return "in no run" if row["positive"] == 0 else "in all" if row["positive"] == left else "in some"


@plots.styled
def picture(rows, curves, settings, title, caption):
    """The figure. curves: as the script keeps them; settings: near_zero, transient, change (PERTURBATION)."""
    figure, panels = plots.figure([["exponents"] * 4 + ["edges"] * 4 + ["windows"] * 4,
                                   ["spectra"] * 3 + ["well"] * 3 + ["quadratic"] * 3 + ["essay"] * 3],
                                  16, 10, title, caption)
    by_part = {}
    for row in rows:
        by_part.setdefault(row["part"], []).append(row)
    draw_exponents(panels["exponents"], by_part["full batch"], by_part["single samples"], settings["near_zero"])
    rates = [row["learning_rate"] for row in by_part["full batch"]]
    floor = 0.3
    draw_along(panels["edges"], curves["steps"], curves["edges"], rates, floor)
    panels["edges"].axhline(1, color=plots.INK, lw=0.8)
    panels["edges"].set(title="edge of stability", ylabel="sharpness × learning rate / 2", yscale="log",
                        ylim=(floor, None))
    panels["edges"].text(0.02, 0.02, f"medians below {floor:g} (saturated) not drawn", fontsize=8,
                         color=plots.GREY, transform=panels["edges"].transAxes)
    panels["edges"].legend(title="learning rate", fontsize=8, title_fontsize=8, ncols=2)
    middles = (curves["steps"][1:] + curves["steps"][:-1]) / 2
    draw_along(panels["windows"], middles, curves["windows"], rates)
    draw_zero(panels["windows"], settings["near_zero"])
    panels["windows"].set(title="exponents of single windows, medians", ylabel="per step")
    for name in ("edges", "windows"):
        panels[name].axvline(settings["transient"], color=plots.GREY, lw=0.8, ls=":")
        panels[name].set_xlabel("step (dotted: from here on long time)")
    draw_spectra(panels["spectra"], by_part.get("whole spectrum", []), curves["spectra"], settings["near_zero"])
    draw_controls(panels["well"], panels["quadratic"], by_part["double well"], by_part["quadratic"], curves)
    draw_essay(panels["essay"], by_part["essay's net"], curves, settings["change"])
    return figure


def draw_zero(axes, near_zero):
    """A scale that is linear within near_zero, shaded."""
    axes.set_yscale("symlog", linthresh=near_zero)
    axes.axhspan(-near_zero, near_zero, color=plots.PALE, alpha=0.6, lw=0, zorder=0)
    axes.axhline(0, color=plots.GREY, lw=0.8, zorder=0)


def draw_exponents(axes, full, single, near_zero):
    for rows, key, color, mark, shift, label in (
            (full, "exponent", plots.RED, "o", 1, "full batch, long time"),
            (full, "highest_window", plots.RED, "^", 0.95, "full batch, highest window"),
            (single, "exponent", plots.BLUE, "o", 1.05, "single samples, long time")):
        for row in rows:
            if key in row:
                place = shift * row["learning_rate"]
                axes.plot([place] * 2, [row[key + "_low"], row[key + "_high"]], color=color, lw=4, alpha=0.3,
                          solid_capstyle="round")
                axes.plot(place, row[key], mark, color=color, ms=5, mfc="white" if mark == "^" else color,
                          label=label)
                label = None
    draw_zero(axes, near_zero)
    rates = [row["learning_rate"] for row in full]
    axes.set(title="largest exponent of the small net", xscale="log", xlabel="learning rate", ylabel="per step")
    axes.set_xticks(rates, [f"{rate:g}" for rate in rates])
    axes.minorticks_off()
    axes.legend(fontsize=8, loc="lower right")


def draw_along(axes, steps, curves, rates, floor=None):
    """The median over the runs, a line a rate; with a floor what lies above it, with the 90 % interval."""
    for rate, color, (low, middle, high) in zip(rates, plots.shades(len(rates)), curves, strict=True):
        shown = np.full(len(middle), True) if floor is None else middle >= floor
        axes.plot(steps, np.where(shown, middle, np.nan), ".-", color=color, lw=1.5, ms=5, label=f"{rate:g}")
        if floor is not None:
            axes.fill_between(steps, np.maximum(low, floor), high, where=shown, color=color, alpha=0.12, lw=0)


def draw_spectra(axes, rows, spectra, near_zero):
    for row, color, values in zip(rows, plots.shades(len(rows)), spectra, strict=True):
        label = f"{row['learning_rate']:g}: " + ("diverged" if row["diverged"] else
                                                 f"{row['above']} above, {row['below']} below")
        axes.plot(np.arange(1, len(values) + 1), values, ".-", color=color, ms=3, lw=0.8, label=label)
    draw_zero(axes, near_zero)
    axes.set(title="whole spectrum, one run a rate", xlabel="exponent, largest first", ylabel="per step")
    if rows:
        axes.legend(title=f"learning rate: exponents beyond ±{near_zero:g}", fontsize=8, title_fontsize=8)


def draw_controls(well, quadratic, wells, quadratics, curves):
    """Dots by QR on the lines of the closed forms."""
    well.plot(curves["well_rates"], curves["well_mean"], color=plots.GREY, lw=0.8,
              label="mean log |1 - η (3x² - 1)|")
    quadratic_line = np.linspace(0, 1.6, 801)
    with np.errstate(divide="ignore"):
        quadratic.plot(quadratic_line, np.log(np.abs(1 - 2 * quadratic_line)), color=plots.GREY, lw=0.8,
                       label="log |1 - ηλ|")
    for axes, rows, key in ((well, wells, "learning_rate"), (quadratic, quadratics, "edge")):
        axes.plot([row[key] for row in rows], [row["exponent"] for row in rows], "o", color=plots.RED, ms=4,
                  label="by QR")
        axes.axhline(0, color=plots.GREY, lw=0.8, zorder=0)
        axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(0, 0.88))
        axes.set(ylabel="per step", ylim=(-2.1, 1.4))
    well.axhline(np.log(3), color=plots.GREY, lw=0.8, ls=":")
    well.text(0.05, np.log(3), "log 3", color=plots.GREY, fontsize=8, va="bottom")
    quadratic.axvline(1, color=plots.INK, lw=0.8, ls=":")
    well.set(title="control: double well", xlabel="learning rate η")
    quadratic.set(title="control: quadratic", xlabel="eigenvalue λ × learning rate η / 2")


def draw_essay(axes, rows, curves, change):
    steps = np.arange(curves["tangent"].shape[-1]) * RECORD
    colors = plots.shades(len(rows))
    for row, color, tangent, twin in zip(rows, colors, curves["tangent"], curves["twin"], strict=True):
        after, (low, middle, high) = row["forgotten_after"], tangent / np.log(10)
        axes.plot(steps, middle, color=color, lw=1.5, label=f"{row['net']}, {row['learning_rate']:g}: "
                  + (f"{after:,.0f}" if after < 1e5 else "over 100,000"))
        axes.fill_between(steps, low, high, color=color, alpha=0.12, lw=0)
        axes.plot(steps[::4], twin[1, ::4] / np.log(10), ".", color=color, ms=5)
    axes.axhline(-np.log10(change), color=plots.GREY, lw=0.8, ls=":")
    axes.text(steps[-1], -np.log10(change) - 0.3, "copies apart by 1", color=plots.GREY, fontsize=8, ha="right",
              va="top")
    axes.set(title="essay's net, one weight changed", xlabel="single-sample step",
             ylabel="growth, decades (dots: two copies)")
    axes.set_ylim(top=1.35 * axes.get_ylim()[1])  # room for the legend
    axes.legend(title="net, learning rate: steps from 1e-15 to 1 at this pace", fontsize=8, title_fontsize=8,
                loc="upper left")


def controls(well_rates, steps, seed):
    """Rows of the double well and of the quadratic: exponents by QR, and the closed forms."""
    means = double_well_mean(well_rates, steps, 20, seed)
    rows = [{"part": "double well", "learning_rate": rate, "exponent": double_well(rate, steps, seed),
             "closed_form": mean} for rate, mean in zip(well_rates, means, strict=True)]
    return rows + [{"part": "quadratic", "edge": product / 2, "exponent": found, "closed_form": closed}
                   for product, found, closed in zip(QUADRATIC, *quadratic(QUADRATIC, steps, seed), strict=True)]


def spectrum_row(rate, seed, values, near_zero):
    """How many of all exponents lie above, within and below ±near_zero."""
    row = {"part": "whole spectrum", "learning_rate": rate, "seed": seed, "runs": 1,
           "diverged": int(np.isnan(values).any())}
    if row["diverged"]:
        return row
    above, below = np.count_nonzero(values > near_zero), np.count_nonzero(values < -near_zero)
    return row | {"exponent": values[0], "above": above, "within": values.size - above - below, "below": below}


def interval(curves, points):
    """Quantiles 0.05, 0.5 and 0.95 over runs of curves of so many points: float64 (3, points); NaN of no runs."""
    if not curves:
        return np.full((3, points), np.nan)
    return np.quantile(curves, (0.05, 0.5, 0.95), axis=0, method="inverted_cdf")


def small_net(make, inputs, labels, rates, seeds, steps, transient, window, count, near_zero):
    """Rows of the full batch and of single samples, the full batch's curves along training, and its leaders.

    make: function from a seed to a net; leaders: {rate: seed of the run with the largest exponent}.
    """
    leaders = {}
    rows, curves = {"full batch": [], "single samples": []}, {"edges": [], "windows": []}
    for rate in experiment.progress(rates, total=len(rates), what="learning rates"):
        found = [full_batch(make(seed), inputs, labels, rate, steps, transient, window, count, seed)
                 for seed in seeds]
        rows["full batch"].append([numbers for numbers, _ in found])
        exponents = [-np.inf if numbers is None else numbers["exponent"] for numbers, _ in found]
        leaders[rate] = seeds[int(np.argmax(exponents))]
        for name, points in (("edges", steps // window + 1), ("windows", steps // window)):
            curves[name].append(interval([along[name] for _, along in found if along], points))
        rows["single samples"].append([single_sample(make(seed), inputs, labels, rate, steps, transient, window,
                                                     seed) for seed in seeds])
    curves = {name: np.array(values) for name, values in curves.items()}
    curves["steps"] = np.arange(0, steps + 1, window)
    return [{"part": part, "learning_rate": rate} | summary(found, near_zero)
            for part, several in rows.items() for rate, found in zip(rates, several, strict=True)], curves, leaders


def essay_net(images, units, rates, steps, change, seeds):
    """A row for each width and rate, and the growth along the steps, {"tangent", "twin"}: (rows, 3, records)."""
    rows, curves = [], {"tangent": [], "twin": []}
    pairs = list(itertools.product(units, rates))
    for hidden, rate in experiment.progress(pairs, total=len(pairs), what="essay's net"):
        sizes = (images.inputs.shape[1], hidden, images.classes)
        found = [part_ways(mlp.MLP(sizes, "tanh", "squared", "uniform(0.25)", seed, biases=(True, False),
                                   targets=(-1.0, 1.0)), images, rate, steps, change, seed) for seed in seeds]
        for name, several in zip(curves, zip(*found, strict=True), strict=False):
            curves[name].append(interval(several, steps // RECORD + 1))
        numbers = [forgetting(*one, steps, change) for one in found]
        rows.append({"part": "essay's net", "learning_rate": rate, "net": "-".join(map(str, sizes)),
                     "runs": len(seeds)}
                    | experiment.spread(**{key: [one[key] for one in numbers] for key in numbers[0]}))
    return rows, {name: np.array(values) for name, values in curves.items()}


def main():
    check_constants()
    images = datasets.load(DATASET, limit=IMAGES, seed=SEED)
    inputs, labels = datasets.pooled(images, SIDE).inputs, images.labels
    sizes = (inputs.shape[1], HIDDEN_UNITS, images.classes)
    seeds = range(SEED, SEED + RUNS)

    def make(seed):
        return mlp.MLP(sizes, "tanh", LOSS, "glorot", seed)

    parameters = curvature.parameters(make(SEED)).size
    if parameters < EXPONENTS:
        raise ValueError(f"EXPONENTS is {EXPONENTS}: the net has {parameters} parameters, and no more exponents")
    rows, curves, leaders = small_net(make, inputs, labels, LEARNING_RATES, seeds, STEPS, TRANSIENT, WINDOW,
                                      EXPONENTS, NEAR_ZERO)
    if not any("exponent" in row for row in rows if row["part"] == "full batch"):
        raise curvature.NotFinite("every full-batch run diverged at every rate: lower LEARNING_RATES")
    spectra = [whole_spectrum(make(leaders[rate]), inputs, labels, rate, SPECTRUM_STEPS, TRANSIENT, SEED)
               for rate in SPECTRUM_RATES]
    rows += [spectrum_row(rate, leaders[rate], values, NEAR_ZERO)
             for rate, values in zip(SPECTRUM_RATES, spectra, strict=True)]
    rows += controls(WELL_RATES, WELL_STEPS, SEED)
    essay_rows, growth = essay_net(images, ESSAY_UNITS, ESSAY_RATES, ESSAY_STEPS, PERTURBATION, seeds)
    rows += essay_rows
    line = np.linspace(0.02, 2, 400)
    curves |= growth | {"spectra": np.array(spectra), "well_rates": line,
                        "well_mean": double_well_mean(line, 1000, 10, SEED)}
    lost = [sum(row[key] for row in rows if row["part"] == part) for key in ("diverged", "saturated")
            for part in ("full batch", "single samples")]
    caption = (f"{images.name}, {len(labels)} images; small net {'-'.join(map(str, sizes))}, tanh, {LOSS} loss, "
               f"{parameters} parameters, {STEPS:,} steps, long time from step {TRANSIENT:,} on, windows of "
               f"{WINDOW}, grey within ±{NEAR_ZERO:g} per step.\nn = {RUNS} runs a rate, medians and 90 % "
               f"intervals. Of {RUNS * len(LEARNING_RATES)} full-batch and as many single-sample runs {lost[0]} "
               f"and {lost[1]} diverged, {lost[2]} and {lost[3]} ended above their first loss (saturated, counted "
               f"in).\nWhole spectra: of the run of largest exponent, {SPECTRUM_STEPS} steps after the transient. "
               f"Essay's net: one weight changed by {PERTURBATION:g}.")
    settings = {"near_zero": NEAR_ZERO, "transient": TRANSIENT, "change": PERTURBATION}
    return rows, picture(rows, curves, settings, finding(rows, NEAR_ZERO, WINDOW), caption), {".npz": curves}


def check_constants():
    experiment.check_several(LEARNING_RATES=LEARNING_RATES, WELL_RATES=WELL_RATES, ESSAY_RATES=ESSAY_RATES,
                             ESSAY_UNITS=ESSAY_UNITS, SPECTRUM_RATES=SPECTRUM_RATES)
    experiment.check_positive(IMAGES=IMAGES, SIDE=SIDE, HIDDEN_UNITS=HIDDEN_UNITS, STEPS=STEPS,
                              TRANSIENT=TRANSIENT, WINDOW=WINDOW, EXPONENTS=EXPONENTS, RUNS=RUNS,
                              SPECTRUM_STEPS=SPECTRUM_STEPS, WELL_STEPS=WELL_STEPS, ESSAY_UNITS=ESSAY_UNITS,
                              ESSAY_STEPS=ESSAY_STEPS)
    for name, rates in (("LEARNING_RATES", LEARNING_RATES), ("SPECTRUM_RATES", SPECTRUM_RATES),
                        ("WELL_RATES", WELL_RATES), ("ESSAY_RATES", ESSAY_RATES)):
        for rate in rates:
            if not 0 < rate < np.inf:
                raise ValueError(f"{name} has {rate!r}: expected positive, finite numbers")
    if max(WELL_RATES) > 2:
        raise ValueError(f"WELL_RATES has {max(WELL_RATES):g}: beyond 2 the orbits of the double well leave "
                         "for infinity")
    if not set(SPECTRUM_RATES) <= set(LEARNING_RATES):
        raise ValueError(f"SPECTRUM_RATES is {SPECTRUM_RATES}: expected rates of LEARNING_RATES, {LEARNING_RATES}")
    if STEPS % WINDOW or not WINDOW <= TRANSIENT < STEPS:
        raise ValueError(f"WINDOW is {WINDOW}, TRANSIENT {TRANSIENT}, STEPS {STEPS}: expected STEPS to be a "
                         "multiple of WINDOW, and TRANSIENT to be from WINDOW to below STEPS")
    if ESSAY_STEPS % RECORD:
        raise ValueError(f"ESSAY_STEPS is {ESSAY_STEPS}: expected a multiple of {RECORD}")
    if not 1e-15 <= PERTURBATION <= 1e-6:  # less is lost in rounding
        raise ValueError(f"PERTURBATION is {PERTURBATION!r}: expected a number from 1e-15 to 1e-6")
    if not 0 < NEAR_ZERO < np.inf:
        raise ValueError(f"NEAR_ZERO is {NEAR_ZERO!r}: expected a positive, finite number")


if __name__ == "__main__":
    experiment.run(main)
