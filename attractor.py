"""Does training end on a strange attractor? Entropy and dimension of the orbit of weights, and whether they mean much.

A strange attractor is a set that an orbit settles on and wanders over chaotically. A small net on pooled digits is
trained, over the full batch or on single samples, with and without weight decay. After a transient, its weights are
recorded. Four questions are asked in turn, and a dimension is spoken of only after the first three:

1. Is the orbit settled? The means of its halves are at most 0.3 standard deviations apart. A straight line has 1.73,
   and a random walk in many dimensions 1.41.
2. Is it chaotic? The largest Lyapunov exponent is above log(n) / n for n steps, which growth in proportion to time
   also gives, as on a sheared torus.
3. Is the net alive? Its outputs differ between images, and it recognises at least twice as many images as a net that
   always names the commonest digit. Otherwise the net is dead: often its weights have collapsed, and only a few biases
   move on the attractor.
4. What is its dimension? The Kaplan-Yorke dimension comes from the whole Lyapunov spectrum. The correlation dimension
   (Grassberger and Procaccia) comes from the distances between points, and stands beside that of surrogates: the same
   spectra with random phases, and a random walk of the same steps. The sum of positive exponents is the entropy.

Controls of known result: Hénon's map, the logistic map, two irrational rotations (a torus), gradient descent on a
quadratic, and a random walk, which the first question must refuse.

Figures: attractor.png, the first three questions, a line per setting; attractor_dimension.png, the slopes behind a
correlation dimension, dimensions beside surrogates, and the controls.

Source: Howon Lee, README of stupidmlp (2016): "I don't know if the attractor itself has a similar, scaling or
heavy-tailed structure, but that should be investigated". J.-P. Eckmann and David Ruelle, *Ergodic theory of chaos and
strange attractors*, 1985, and their bound of 1992: n points show dimensions below 2 log10(n) at most.

Takes 60 s on two cores.
"""
import functools
import itertools

import numpy as np

import mlp
from gradnets import checks, curvature, datasets, dynamics, experiment, plots, summaries
from gradnets.dynamics import attractors
from gradnets.errors import UserError

DATASET = "glyphs"          # data set of 28 x 28 images: glyphs, noise, noise-constant or mnist
IMAGES = 100                # number of training images, which are the full batch
SIDE = 4                    # side of the images after pooling, in pixels
HIDDEN_UNITS = 4            # number of hidden tanh units
LEARNING_RATES = (0.4, 1.2, 2.4)  # learning rates
DECAYS = (0.0, 0.001, 0.05)  # weight decays: each times the weights is added to the gradient
TRANSIENT = 30_000          # number of steps before the orbit
ORBIT = 20_000              # number of steps of the orbit, a multiple of STRIDE
STRIDE = 20                 # steps from one recorded point of the orbit to the next
SPECTRUM_STEPS = 500        # number of steps, behind the orbit, that the Lyapunov exponents average
THEILER = 50                # recorded points within which pairs do not count for a correlation dimension
SURROGATES = 5              # number of surrogates of each kind, per orbit
RUNS = 3                    # number of runs per setting, with seeds starting at SEED
JOBS = 2                    # number of worker processes
SEED = 0                    # seed of data, weights, samples and surrogates

# ---- not flags --------------------------------------------------------------------------------------------

FULL_BATCH, SINGLE_SAMPLES = "full batch", "single samples"
ALIGNMENT = 100         # steps in which a frame turns to the leading directions before exponents are averaged
LEAST_SPREAD = 0.02     # standard deviation of outputs over images below which a net has collapsed; targets are 0 and 1
ABOVE_COMMONEST = 2     # times the share of the commonest digit that a net alive recognises
LAST = 50               # recorded points, the last ones, at which outputs are looked at
SMALL_SCALES = 0.0005, 0.005  # shares of pairs between the smallest and the largest of the small scales
CURVE = np.geomspace(0.0005, 0.5, 16)  # shares of pairs between which slopes are drawn
DRIFTS, CALM, COLLAPSED, STRANGE = "drifts", "settled and calm", "chaotic, net dead", "strange attractor"
REGIMES = {DRIFTS: (plots.GREY, "x"), CALM: (plots.BLUE, "s"), COLLAPSED: (plots.ORANGE, "^"),
           STRANGE: (plots.RED, "o")}  # with color and marker
DIVERGED, CONTROL = "diverged", "control"
CONTROL_POINTS = 8000   # of each control, after a tenth of these
HEADINGS = {"strange": "strange attractors", "exponent": "largest exponent"}
SUGGESTION = "attractor.py --transient 200000 --orbit 100000 --stride 100 waits longer for the drift to end"
QUICK = {"transient": 2000, "orbit": 4000, "spectrum_steps": 100, "theiler": 20, "runs": 1}


# ---- one run ----------------------------------------------------------------------------------------------

def measure(training, decay, learning_rate, seed, dataset, images, side, hidden_units, transient, orbit, stride,
            spectrum_steps, theiler, surrogates, data_seed):
    """Train one net and measure its orbit.

    Parameters
    ----------
    training : FULL_BATCH or SINGLE_SAMPLES
    decay, learning_rate : float
    seed, data_seed : int
        Of weights, samples and surrogates; of the images.
    The others are the settings of this script.

    Returns
    -------
    dict of float
        drift; exponent, entropy, kaplan_yorke, from the whole spectrum; correlation, correlation_small, the correlation
        dimension at ordinary and at small scales; phases, walk, the medians of its surrogates; spread, the standard
        deviation of outputs over images; accuracy; largest_weight, by size; radii, a list, at which CURVE of the pairs
        are closer. Only "diverged" if weights or outputs are not finite.
    """
    data = datasets.pool(datasets.load(dataset, limit=images, seed=data_seed), side)
    network = mlp.MLP((data.inputs.shape[1], hidden_units, data.classes), "tanh", "squared", "glorot", seed)
    whole = training == FULL_BATCH
    shape = transient + orbit + spectrum_steps + ALIGNMENT, 0 if whole else 1
    order = np.random.default_rng((seed, 1)).integers(images, size=shape)
    targets = network.targets[data.labels]

    def after(point, steps):
        moved = attractors.descend(point, data.inputs, targets, order[steps], learning_rate, decay)
        if not np.isfinite(moved).all():
            raise curvature.NotFinite("the weights are not finite: lower the learning rate")
        return moved

    try:
        point, points = after(curvature.parameters(network), slice(transient)), []
        for start in range(transient, transient + orbit, stride):
            points.append(point)
            point = after(point, slice(start, start + stride))
        batches = ((data.inputs[chosen], data.labels[chosen]) for chosen in
                   (itertools.repeat(slice(None)) if whole else order[transient + orbit:]))
        maps = dynamics.descent(network, learning_rate, batches, decay, whole)
        with np.errstate(over="ignore", invalid="ignore"):
            logs, _ = dynamics.lyapunov(*maps, point, ALIGNMENT + spectrum_steps, point.size, seed)
        points = np.array(points)
        outputs = [curvature.at(network, point).forward(data.inputs)[-1] for point in points[-LAST:]]
        return of_spectrum(logs[ALIGNMENT:].mean(axis=0)) | of_orbit(points, theiler, surrogates, seed) | {
            "spread": float(np.median([output.std(axis=0).mean() for output in outputs])),
            "accuracy": float(np.median([(output.argmax(axis=1) == data.labels).mean() for output in outputs])),
            "commonest": float(np.bincount(data.labels).max() / images),
            "largest_weight": float(max(np.abs(weights).max() for weights in curvature.at(network, point).weights))}
    except curvature.NotFinite:
        return {DIVERGED: True}


def of_spectrum(exponents):
    """Return what a whole Lyapunov spectrum says."""
    return {"exponent": float(exponents.max()), "entropy": attractors.entropy(exponents),
            "kaplan_yorke": attractors.kaplan_yorke(exponents)}


def of_orbit(points, theiler, surrogates, seed):
    """Return what the points of an orbit say."""
    radii, shares = attractors.correlation_sums(points, theiler)
    draws = {name: [attractors.correlation_dimension(draw(points, seed + k), theiler) for k in range(surrogates)]
             for name, draw in (("phases", attractors.phase_surrogate), ("walk", attractors.walk_surrogate))}
    return {"drift": attractors.drift(points), "correlation": attractors.correlation_dimension(points, theiler),
            "correlation_small": attractors.correlation_dimension(points, theiler, SMALL_SCALES),
            "radii": radii[np.searchsorted(shares, CURVE)].tolist()} | {
                name: float(np.median(values)) for name, values in draws.items() if values}


def regime_of(run, spectrum_steps):
    """Return which of REGIMES a run is in, or DIVERGED; `least_exponent` has the threshold of chaos."""
    if DIVERGED in run:
        return DIVERGED
    if run["drift"] > attractors.STATIONARY:
        return DRIFTS
    if run["exponent"] <= least_exponent(spectrum_steps):
        return CALM
    alive = run["spread"] > LEAST_SPREAD and run["accuracy"] > ABOVE_COMMONEST * run["commonest"]
    return STRANGE if alive else COLLAPSED


def least_exponent(steps):
    """Return log(n) / n, the exponent that growth in proportion to time has after n steps."""
    return np.log(steps) / steps


def runs_of(settings):
    """Return a row for each run: training, decay, learning_rate, seed, regime, and what `measure` returns."""
    cases = [{"training": training, "decay": decay, "learning_rate": rate, "seed": seed}
             for training, decay, rate, seed in itertools.product(
                 (FULL_BATCH, SINGLE_SAMPLES), settings.decays, settings.learning_rates,
                 range(settings.seed, settings.seed + settings.runs))]
    names = ("dataset", "images", "side", "hidden_units", "transient", "orbit", "stride", "spectrum_steps", "theiler",
             "surrogates")
    function = functools.partial(measure, data_seed=settings.seed, **{name: getattr(settings, name) for name in names})
    results = experiment.ensemble.run(function, cases, settings.jobs, label="runs")
    return [case | {"regime": regime_of(run, settings.spectrum_steps)} | run
            for case, run in zip(cases, results, strict=True)]


# ---- controls ---------------------------------------------------------------------------------------------

def control_rows(count, theiler, seed):
    """Measure orbits of known result: a row for each, with `known_` numbers beside the measured ones."""
    products = np.array([0.1, 0.7, 1.5, 1.9])  # learning rate times eigenvalue
    quadratic = (lambda x: x - products * x, lambda x, frame: frame * (1 - products), np.ones(4))
    zeros = dict.fromkeys(("entropy", "kaplan_yorke", "correlation"), 0.0)
    maps = {"Hénon's map": (attractors.henon(), {"entropy": 0.4192, "kaplan_yorke": 1.258, "correlation": 1.22}),
            "logistic map": (attractors.logistic(), {"entropy": np.log(2), "kaplan_yorke": 1.0, "correlation": 1.0}),
            "torus": (attractors.torus(), {"entropy": 0.0, "kaplan_yorke": 2.0, "correlation": 2.0}),
            "quadratic": (quadratic, zeros)}
    rows = []
    for name, ((advance, tangent, start), known) in maps.items():
        logs, points = dynamics.lyapunov(advance, tangent, start, count + count // 10, start.size, seed)
        logs, points = logs[count // 10:], points[count // 10 + 1:]
        points = attractors.on_circles(points) if name == "torus" else points
        rows.append({"training": CONTROL, "control": name} | of_spectrum(logs.mean(axis=0))
                    | of_orbit(points, theiler, 0, seed) | {f"known_{key}": value for key, value in known.items()})
    walk = np.cumsum(np.random.default_rng(seed).normal(size=(2000, 100)), axis=0)
    rows.append({"training": CONTROL, "control": "random walk"} | of_orbit(walk, theiler, 0, seed))
    return rows


# ---- rows and findings ------------------------------------------------------------------------------------

def summary(runs):
    """Return the row of a setting: how many runs are in which regime, and medians with 90 % intervals."""
    row = {key: runs[0][key] for key in ("training", "decay", "learning_rate")} | {"runs": len(runs)}
    row |= {name: sum(run["regime"] == regime for run in runs) for name, regime in (
        ("diverged", DIVERGED), ("drifting", DRIFTS), ("calm", CALM), ("collapsed", COLLAPSED), ("strange", STRANGE))}
    finite = [run for run in runs if run["regime"] != DIVERGED]
    keys = ("drift", "exponent", "entropy", "kaplan_yorke", "correlation", "correlation_small", "phases", "walk",
            "spread", "accuracy", "largest_weight")
    return row | (summaries.median_intervals(**{key: [run[key] for run in finite] for key in keys}) if finite else {})


def finding_of(runs):
    """State which share of runs ends on a strange attractor, with and without weight decay."""
    count = {decays: [run["regime"] for run in runs if bool(run["decay"]) == decays] for decays in (False, True)}
    parts = [f"{100 * regimes.count(STRANGE) / len(regimes):.0f} % of runs {words}"
             for decays, words in ((True, "with weight decay"), (False, "without")) if (regimes := count[decays])]
    return f"Strange attractors in {' and in '.join(parts)}"


def finding_of_dimensions(runs, points):
    """State for how many orbits on strange attractors a correlation dimension may be spoken of."""
    strange = [run for run in runs if run["regime"] == STRANGE]
    if not strange:
        return "No orbit is on a strange attractor, so that no dimension may be spoken of"
    resolved = sum(is_resolved(run, points) for run in strange)
    return f"A correlation dimension can be read for {resolved} of {len(strange)} orbits on strange attractors"


def is_resolved(run, points):
    """Return whether a correlation dimension is below its surrogates and below what the points can show."""
    return run["correlation"] < min(run["phases"], run["walk"], 2 * np.log10(points))


def name_of(row):
    decay = f"decay {row['decay']:g}" if row["decay"] else "no decay"
    return f"{row['training']}, {decay}, rate {row['learning_rate']:g}"


# ---- the figure of regimes --------------------------------------------------------------------------------

@plots.styled
def picture(runs, least, title, caption):
    """Draw drift, largest exponent and spread of outputs of all runs, a line per setting."""
    from matplotlib.lines import Line2D

    names = list(dict.fromkeys(map(name_of, runs)))
    figure, panels = plots.figure([["drift", "exponent", "spread"]], 12, 2.2 + 0.26 * len(names), title, caption,
                                  sharey=True)
    for run in runs:
        if run["regime"] == DIVERGED:
            continue
        color, marker = REGIMES[run["regime"]]
        for key, axes in panels.items():
            value = np.clip(run[key], 1e-5, None) if key == "spread" else run[key]
            axes.plot(value, names.index(name_of(run)), marker, color=color, mfc="none", mew=1.4, ms=6)
    panels["drift"].set(title="settled: drift at most 0.3", xlabel="drift, standard deviations", xlim=(-0.05, 2.05),
                        yticks=range(len(names)), yticklabels=names, ylim=(len(names) - 0.5, -0.9))
    for value, text in ((np.sqrt(3), "line"), (np.sqrt(2), "walk")):
        plots.draw_source(panels["drift"], value, -0.55)
        panels["drift"].annotate(text, (value, -0.55), xytext=(-6, 0), textcoords="offset points", fontsize=8,
                                 ha="right", va="center")
    panels["exponent"].set(title=f"chaotic: exponent above {least:.2g}", xlabel="largest Lyapunov exponent, per step")
    panels["exponent"].set_xscale("symlog", linthresh=least, linscale=0.7)
    panels["exponent"].set_xticks([-0.1, 0, 0.1, 1], ["\N{MINUS SIGN}0.1", "0", "0.1", "1"])
    panels["exponent"].minorticks_off()
    panels["spread"].set(title=f"alive: outputs spread above {LEAST_SPREAD:g}", xscale="log",
                         xlabel="spread of outputs over images (left edge: less)", xlim=(7e-6, 1))
    for key, low, high in (("drift", -0.05, attractors.STATIONARY), ("exponent", least, 3),
                           ("spread", LEAST_SPREAD, 1)):
        panels[key].axvspan(low, high, color=plots.SKY, alpha=0.2, lw=0, zorder=0)
        panels[key].grid(axis="y", color=plots.PALE, lw=0.6)
        panels[key].tick_params(axis="y", length=0)
    panels["exponent"].set_xlim(-0.2, 3)
    counts = {regime: sum(run["regime"] == regime for run in runs) for regime in REGIMES}
    figure.legend(handles=[Line2D([], [], ls="none", marker=marker, color=color, mfc="none", mew=1.4,
                                  label=f"{regime} ({counts[regime]})") for regime, (color, marker) in REGIMES.items()],
                  loc="outside lower left", ncols=4, fontsize=9)
    return figure


# ---- the figure of dimensions -----------------------------------------------------------------------------

@plots.styled
def dimension_picture(runs, controls, points, title, caption):
    """Draw the slopes behind correlation dimensions, the dimensions of settled chaotic runs, and the controls."""
    figure, panels = plots.figure([["slopes", "runs", "controls"]], 13, 5.6, title, caption,
                                  width_ratios=(1, 1.1, 0.9))
    draw_slopes(panels["slopes"], runs, controls)
    draw_dimensions(panels["runs"], [run for run in runs if run["regime"] in (STRANGE, COLLAPSED)], points)
    draw_controls(panels["controls"], [row for row in controls if "known_correlation" in row])
    return figure


def draw_slopes(axes, runs, controls):
    """Draw the slope of the correlation sum at each scale: level where there is a dimension."""
    drawn = [(row["control"], row) for row in controls if row["control"] in ("Hénon's map", "random walk")]
    drawn += [(text, run) for regime, text in ((STRANGE, "strange\nattractor"), (DRIFTS, "drifting\nnet"))
              for run in [run for run in runs if run["regime"] == regime][:1]]
    lines = []
    for (text, row), color, marker in zip(drawn, (plots.BLUE, plots.INK, plots.RED, plots.GREY), plots.MARKERS,
                                          strict=False):
        with np.errstate(divide="ignore"):
            slopes = np.diff(np.log(CURVE)) / np.diff(np.log(row["radii"]))
        middle = np.sqrt(CURVE[1:] * CURVE[:-1])
        axes.plot(middle, slopes, marker=marker, color=color, ms=4)
        lines.append((middle, slopes, text, color))
    axes.axvspan(*attractors.SCALES, color=plots.PALE, alpha=0.5, lw=0, zorder=0)
    axes.set(xscale="log", yscale="log", title="slope of the correlation sum", ylabel="slope: the dimension if level",
             xlabel="share of pairs that are closer (grey: scales of the fit)")
    plots.label_lines(axes, lines, gap=0.09)


def draw_dimensions(axes, runs, points):
    """Draw dimensions of settled chaotic runs beside those of their surrogates, a line per setting."""
    from matplotlib.lines import Line2D

    names = list(dict.fromkeys(map(name_of, runs)))
    looks = {"correlation": ("correlation", plots.RED, "o"), "phases": ("same, random phases", plots.GREY, "|"),
             "walk": ("same, random walk", plots.INK, "x"), "kaplan_yorke": ("Kaplan-Yorke", plots.BLUE, "D")}
    for run in runs:
        for key, (_, color, marker) in looks.items():
            face = color if key == "correlation" and run["regime"] == STRANGE else "none"
            axes.plot(run[key], names.index(name_of(run)), marker, color=color, mfc=face, mew=1.4, ms=6)
    axes.axvline(2 * np.log10(points), color=plots.GREY, lw=1, ls=":")
    axes.set(xscale="log", title="settled, chaotic runs (filled: net alive)", xlabel="dimension",
             yticks=range(len(names)), ylim=(max(len(names), 1) - 0.5, -0.5))
    axes.set_yticklabels([name.replace(", decay", "\ndecay") for name in names], fontsize=8)
    axes.grid(axis="y", color=plots.PALE, lw=0.6)
    axes.legend(handles=[Line2D([], [], ls="none", marker=marker, color=color, mfc="none", label=label)
                         for label, color, marker in looks.values()], fontsize=8, ncols=2, loc="upper left",
                bbox_to_anchor=(-0.4, -0.12))


def draw_controls(axes, rows):
    """Draw measured dimensions and entropies of the controls on their known values."""
    looks = (("kaplan_yorke", "Kaplan-Yorke", plots.BLUE, "s"), ("correlation", "correlation", plots.RED, "o"),
             ("entropy", "entropy", plots.GREEN, "^"))
    for place, row in enumerate(rows):
        for k, (key, _, color, marker) in enumerate(looks):
            height = place + 0.22 * (k - 1)
            plots.draw_source(axes, row[f"known_{key}"], height, ms=10, zorder=1)
            axes.plot(row[key], height, marker, color=color, ms=5)
    axes.set(title="controls (diamond: known)", xlabel="dimension, or entropy in nats per step",
             yticks=range(len(rows)), yticklabels=[row["control"] for row in rows], ylim=(len(rows) - 0.4, -0.6))
    for _, label, color, marker in looks:
        axes.plot([], [], marker, color=color, label=label)
    axes.legend(fontsize=8, loc="lower right")


# ---- the script -------------------------------------------------------------------------------------------

def main(settings):
    check_settings(settings)
    runs = runs_of(settings)
    groups = itertools.groupby(runs, key=name_of)
    controls = control_rows(CONTROL_POINTS, settings.theiler, settings.seed)
    printed = [summary(list(group)) for _, group in groups]
    images = datasets.load(settings.dataset, limit=settings.images, seed=settings.seed)
    sentence, points = finding_of(runs), settings.orbit // settings.stride
    caption = captions(settings, runs, images, points)
    figure = picture(runs, least_exponent(settings.spectrum_steps), sentence, caption["regimes"])
    dimensions = dimension_picture(runs, controls, points, finding_of_dimensions(runs, points), caption["dimensions"])
    return experiment.Result(printed + runs + controls, names=("training", "decay", "learning_rate", "control", "seed"),
                             columns=("drift", "exponent", "entropy", "strange"), headings=HEADINGS,
                             printed=printed, finding=sentence, figure=figure, figures={"_dimension": dimensions},
                             data=[images.provenance], suggestion=SUGGESTION)


def captions(settings, runs, images, points):
    """Return the captions of the two figures."""
    lost = sum(run["regime"] == DIVERGED for run in runs)
    common = (f"{images.name}, {settings.images} images pooled to {settings.side} x {settings.side}; tanh net of "
              f"{settings.side**2}-{settings.hidden_units}-{images.classes} units, squared error, steps "
              f"{settings.transient:,} to {settings.transient + settings.orbit:,}. n = "
              f"{plots.counted(settings.runs, 'run')} per setting; {lost} of {len(runs)} diverged.\n")
    return {"regimes": common + "Blue: where an orbit may be on a strange attractor. Alive also means that the net "
                                f"recognises {ABOVE_COMMONEST} times the share of the commonest digit. Diamonds: a "
                                "straight line and a random walk.",
            "dimensions": common + f"Dotted: {2 * np.log10(points):.1f}, the largest dimension that {points:,} points "
                                   "can show (Eckmann and Ruelle 1992). Pairs within "
                                   f"{settings.theiler} points in time do not count."}


def check_settings(settings):
    """Raise UserError unless the settings of this script are in range and fit each other."""
    names = ("images", "side", "hidden_units", "transient", "orbit", "stride", "spectrum_steps", "theiler",
             "surrogates", "runs", "jobs")
    checks.positive_integers(**{name: getattr(settings, name) for name in names})
    checks.seed(settings.seed)
    tuples = {"learning_rates": settings.learning_rates, "decays": settings.decays}
    checks.nonempty_tuples(**tuples)
    checks.distinct(**tuples)
    for name, values, words in (("learning_rates", settings.learning_rates, "positive"),
                                ("decays", settings.decays, "not negative")):
        for value in values:
            if not (0 <= value < np.inf) or (value == 0 and words == "positive"):
                raise UserError(f"{name} has {value!r}: expected finite numbers, {words}")
    points = settings.orbit // settings.stride
    if settings.orbit % settings.stride or points < max(LAST, 2 * settings.theiler):
        raise UserError(f"orbit is {settings.orbit}, stride {settings.stride}: expected a multiple of the stride, of "
                        f"at least {max(LAST, 2 * settings.theiler)} points")
    if settings.spectrum_steps < 10:
        raise UserError(f"spectrum_steps is {settings.spectrum_steps}: expected at least 10")


if __name__ == "__main__":
    experiment.run(main)
