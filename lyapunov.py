"""Does gradient descent have positive Lyapunov exponents?

Descent x - η g(x) is a map with the Jacobian I - η H(x), and its Lyapunov exponents tell whether two nets that start
side by side separate. Three of the sources discuss their spectrum and none measures it. Here a small net on pooled
digits descends over the full batch, at learning rates from small to far beyond the edge of stability, which is where
sharpness, the largest eigenvalue of the Hessian, times η / 2 is 1. Exponents come from QR after each step: long-time
exponents after a transient, and finite-time exponents over windows that each start with a new direction. Training on
one sample per step is a random map, with its own exponent: that of products of I - η H_sample.

Controls of known result: the double well x - η (x³ - x), whose exponent is the mean of log |1 - η (3x² - 1)|, and
log 3 at η = 2, where the map is a Chebyshev polynomial; and a quadratic, whose exponents are log |1 - ηλ|.

At last, two copies of the essay's net differ in one weight. Where the tangent vector, the direction of that weight
times the product of the Jacobians, grows as the copies separate, this instability separates them.

Figure: exponents against the learning rate; the edge and the windows along training; whole spectra; the controls; the
essay's net.

A net that still trains has no asymptotic exponent. What is called long time here is the mean over the steps after
TRANSIENT. Its sign within NEAR_ZERO of zero says nothing, because a slow drift of the weights gives the same. Above
NEAR_ZERO chaos may still be transient, and a transient longer than STEPS looks like lasting chaos: try --steps 20000
--transient 10000. At large learning rates this net does not leave for infinity. Its outputs saturate one after
another, and gradient, curvature and exponents vanish with them; runs that end above their first loss are counted, and
stay in the medians. A new direction has a component of about 1 / √p along the one that grows most, so that a window
misses about log(p) / 2 of that growth.

Source: Jeremy Cohen and others, *Gradient descent on neural networks typically occurs at the edge of stability*, 2021;
the rest goes beyond the sources.

Takes 45 s.
"""
import itertools

import numpy as np

import mlp
from gradnets import checks, curvature, datasets, dynamics, experiment, plots, summaries
from gradnets.errors import UserError
from gradnets.progress import progress

DATASET = "glyphs"          # data set of 28 x 28 images: glyphs, noise, noise-constant or mnist
IMAGES = 200                # number of training images, which are the full batch
SIDE = 7                    # side of the images after pooling, in pixels
HIDDEN_UNITS = 8            # number of hidden tanh units of the small net
LOSS = "squared"            # loss of the small net: squared or cross-entropy
LEARNING_RATES = (0.16, 0.27, 0.46, 0.8, 1.4, 2.4, 4.0)  # learning rates of the small net
STEPS = 1600                # number of updates per run
TRANSIENT = 800             # number of updates before the long-time exponents are averaged
WINDOW = 200                # steps of a finite-time exponent; a divisor of STEPS
EXPONENTS = 3               # number of long-time exponents, largest first
NEAR_ZERO = 0.02            # exponent per step above which it is called positive
SPECTRUM_RATES = (0.16, 0.8, 2.4)  # learning rates of the whole spectra, each one of LEARNING_RATES
SPECTRUM_STEPS = 80         # number of updates that a whole spectrum averages, after TRANSIENT
WELL_RATES = (0.25, 0.75, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8, 1.9, 2.0)  # learning rates of the well, at most 2
WELL_STEPS = 3000           # steps that each control averages, after an equal number that are discarded
ESSAY_UNITS = (30, 784)     # hidden units of the essay's net on whole images, one net per number
ESSAY_RATES = (0.01, 0.1)   # learning rates of the essay's net
ESSAY_STEPS = 300           # number of single-sample updates of the essay's net
PERTURBATION = 1e-12        # difference in one weight between two copies of the essay's net
RUNS = 5                    # number of seeds, starting at SEED
SEED = 0                    # seed of data, weights, samples and directions

# ---- not flags --------------------------------------------------------------------------------------------

QUADRATIC = np.array([0.1, 0.4, 0.7, 1.2, 1.5, 1.75, 2.2, 2.6, 3.0])  # learning rate times eigenvalue
FULL_BATCH, SINGLE_SAMPLES, SPECTRUM = "full batch", "single samples", "whole spectrum"  # parts of the rows
DOUBLE_WELL, CONTROL, ESSAY = "double well", "quadratic", "essay's net"


# ---- rows -------------------------------------------------------------------------------------------------

def summary(runs, near_zero):
    """Summarise the runs of the small net at one learning rate as a row.

    Parameters
    ----------
    runs : list of dict, or None for a run that diverged
        Numbers of `dynamics.full_batch` or `dynamics.single_sample`.
    near_zero : float
        An exponent above it is positive.

    Returns
    -------
    dict
        runs; diverged; positive, the number of runs with a positive exponent; saturated, the number of runs that end
        above their first loss; and medians with 90 % intervals over the runs that stayed finite.
    """
    finite = [numbers for numbers in runs if numbers is not None]
    row = {"runs": len(runs), "diverged": len(runs) - len(finite),
           "positive": sum(bool(numbers["exponent"] > near_zero) for numbers in finite),
           "saturated": sum(bool(numbers["last_loss"] >= numbers["first_loss"]) for numbers in finite)}
    keys = [key for key in finite[0] if key != "first_loss"] if finite else []
    return row | summaries.median_intervals(**{key: [numbers[key] for numbers in finite] for key in keys})


def small_net(make, inputs, labels, learning_rates, seeds, steps, transient, window, count, near_zero):
    """Measure the small net over the full batch and on single samples, at several learning rates.

    Parameters
    ----------
    make : function from a seed to a net
    inputs, labels : float64 (batch, n_0), int (batch,)
    learning_rates, seeds : sequences
    steps, transient, window, count : int
        As `dynamics.full_batch` takes them.
    near_zero : float

    Returns
    -------
    rows : list of dict
        One row per learning rate over the full batch, then one per learning rate on single samples.
    curves : dict of arrays
        edges, windows: lower ends, medians and upper ends over full-batch runs, (learning rates, 3, points); steps.
    leaders : dict
        {learning rate: seed of the full-batch run with the largest exponent}
    """
    leaders, rows = {}, {FULL_BATCH: [], SINGLE_SAMPLES: []}
    bands = {"edges": [], "windows": []}
    for rate in progress(learning_rates, total=len(learning_rates), label="learning rates"):
        full = [dynamics.full_batch(make(seed), inputs, labels, rate, steps, transient, window, count, seed)
                for seed in seeds]
        exponents = [-np.inf if numbers is None else numbers["exponent"] for numbers, _ in full]
        leaders[rate] = seeds[int(np.argmax(exponents))]
        for name, points in (("edges", steps // window + 1), ("windows", steps // window)):
            bands[name].append(band([curves[name] for _, curves in full if curves], points))
        single = [dynamics.single_sample(make(seed), inputs, labels, rate, steps, transient, window, seed)
                  for seed in seeds]
        for part, runs in ((FULL_BATCH, [numbers for numbers, _ in full]), (SINGLE_SAMPLES, single)):
            rows[part].append({"part": part, "learning_rate": rate} | summary(runs, near_zero))
    curves = {name: np.array(values) for name, values in bands.items()}
    return rows[FULL_BATCH] + rows[SINGLE_SAMPLES], curves | {"steps": np.arange(0, steps + 1, window)}, leaders


def band(curves, points):
    """Return lower end, median and upper end over curves: float64 (3, points), NaN if there is no curve."""
    return summaries.quantiles(curves, axis=0) if curves else np.full((3, points), np.nan)


def spectrum_row(learning_rate, seed, exponents, near_zero):
    """Count the exponents of a whole spectrum that lie above, within and below ±near_zero."""
    row = {"part": SPECTRUM, "learning_rate": learning_rate, "seed": seed, "runs": 1,
           "diverged": int(np.isnan(exponents).any())}
    if row["diverged"]:
        return row
    above, below = np.count_nonzero(exponents > near_zero), np.count_nonzero(exponents < -near_zero)
    return row | {"exponent": exponents[0], "above": above, "within": exponents.size - above - below, "below": below}


def control_rows(well_rates, steps, seed):
    """Measure the double well and the quadratic: rows of exponents by QR, and their closed forms."""
    means = dynamics.double_well_mean(well_rates, steps, 20, seed)
    rows = [{"part": DOUBLE_WELL, "learning_rate": rate, "exponent": dynamics.double_well(rate, steps, seed),
             "closed_form": mean} for rate, mean in zip(well_rates, means, strict=True)]
    exponents, closed_forms = dynamics.quadratic(QUADRATIC, steps, seed)
    return rows + [{"part": CONTROL, "product": product, "edge": product / 2, "exponent": exponent,
                    "closed_form": closed_form}
                   for product, exponent, closed_form in zip(QUADRATIC, exponents, closed_forms, strict=True)]


def essay_net(images, units, learning_rates, steps, change, seeds):
    """Measure how two copies of the essay's net separate.

    Returns
    -------
    rows : list of dict, one per width and learning rate
    curves : dict
        tangent, copies: lower ends, medians and upper ends of the growth, float64 (rows, 3, records).
    """
    rows, curves = [], {"tangent": [], "copies": []}
    pairs = list(itertools.product(units, learning_rates))
    for hidden, rate in progress(pairs, total=len(pairs), label="essay's net"):
        sizes = (images.inputs.shape[1], hidden, images.classes)
        numbers, growth = [], {"tangent": [], "copies": []}
        for seed in seeds:
            network = mlp.MLP(sizes, "tanh", "squared", "uniform(0.25)", seed, biases=(True, False),
                              targets=(-1.0, 1.0))
            tangent, copies, idle = dynamics.separation(network, images, rate, steps, change, seed)
            numbers.append(dynamics.separation_numbers(tangent, copies, idle, steps, change))
            growth["tangent"].append(tangent)
            growth["copies"].append(copies)
        for name, runs in growth.items():
            curves[name].append(summaries.quantiles(runs, axis=0))
        rows.append({"part": ESSAY, "learning_rate": rate, "net": "-".join(map(str, sizes)), "runs": len(seeds)}
                    | summaries.median_intervals(**{key: [run[key] for run in numbers] for key in numbers[0]}))
    return rows, {name: np.array(values) for name, values in curves.items()}


# ---- finding ----------------------------------------------------------------------------------------------

def finding(rows, near_zero, window):
    """Return a sentence: at which learning rates exponents are positive, and what single windows reach."""
    full, single = ([row for row in rows if row["part"] == part] for part in (FULL_BATCH, SINGLE_SAMPLES))
    sentence = (f"Largest exponent above {near_zero:g} per step: full batch {_where_positive(full)}; single samples "
                f"{_where_positive(single)}")
    calm = [row for row in full if "exponent" in row and row["exponent"] <= near_zero < row["highest_window"]]
    if not calm:
        return sentence
    highest = max(calm, key=lambda row: row["highest_window"])
    return sentence + (f". Windows of {window} full-batch steps reach {highest['highest_window']:.2g} even at "
                       f"{highest['learning_rate']:g}, where the long-time exponent is {highest['exponent']:.2g}")


def _where_positive(rows):
    """Return in words in how many of the finite runs the exponent is positive, by increasing learning rate."""
    phrases = []
    for share, group in itertools.groupby(sorted(rows, key=lambda row: row["learning_rate"]), _share_positive):
        rates = [f"{row['learning_rate']:g}" for row in group]
        phrases.append(f"{share} at " + (rates[0] if len(rates) == 1 else f"{rates[0]} to {rates[-1]}"))
    return ", ".join(phrases)


def _share_positive(row):
    finite = row["runs"] - row["diverged"]
    if finite == 0:
        return "(all diverged)"
    return "in no run" if row["positive"] == 0 else "in all" if row["positive"] == finite else "in some"


# ---- figure -----------------------------------------------------------------------------------------------

@plots.styled
def picture(rows, curves, near_zero, transient, change, title, caption):
    """Draw the figure. curves: as the script saves them; change: difference between the copies of the essay's net."""
    figure, panels = plots.figure([["exponents"] * 4 + ["edges"] * 4 + ["windows"] * 4,
                                   ["spectra"] * 3 + ["well"] * 3 + ["quadratic"] * 3 + ["essay"] * 3],
                                  16, 10, title, caption)
    parts = {}
    for row in rows:
        parts.setdefault(row["part"], []).append(row)
    draw_exponents(panels["exponents"], parts[FULL_BATCH], parts[SINGLE_SAMPLES], near_zero)
    rates = [row["learning_rate"] for row in parts[FULL_BATCH]]
    floor = 0.3
    draw_medians(panels["edges"], curves["steps"], curves["edges"], rates, floor)
    panels["edges"].axhline(1, color=plots.INK, lw=0.8)
    panels["edges"].set(title="edge of stability", ylabel="sharpness × learning rate / 2", yscale="log",
                        ylim=(floor, None))
    panels["edges"].text(0.02, 0.02, f"medians below {floor:g} (saturated) are not drawn", fontsize=8,
                         color=plots.GREY, transform=panels["edges"].transAxes)
    panels["edges"].legend(title="learning rate", fontsize=8, title_fontsize=8, ncols=2)
    middles = (curves["steps"][1:] + curves["steps"][:-1]) / 2
    draw_medians(panels["windows"], middles, curves["windows"], rates)
    draw_zero(panels["windows"], near_zero)
    panels["windows"].set(title="exponents of single windows, medians", ylabel="per step")
    for name in ("edges", "windows"):
        panels[name].axvline(transient, color=plots.GREY, lw=0.8, ls=":")
        panels[name].set_xlabel("step (dotted: end of the transient)")
    draw_spectra(panels["spectra"], parts.get(SPECTRUM, []), curves["spectra"], near_zero)
    draw_controls(panels["well"], panels["quadratic"], parts[DOUBLE_WELL], parts[CONTROL], curves)
    draw_essay(panels["essay"], parts[ESSAY], curves, change)
    return figure


def draw_zero(axes, near_zero):
    """Set a scale that is linear within near_zero, and shade that range."""
    axes.set_yscale("symlog", linthresh=near_zero)
    axes.axhspan(-near_zero, near_zero, color=plots.PALE, alpha=0.6, lw=0, zorder=0)
    axes.axhline(0, color=plots.GREY, lw=0.8, zorder=0)


def draw_exponents(axes, full, single, near_zero):
    """Draw long-time exponents and highest windows against the learning rate, with 90 % intervals."""
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


def draw_medians(axes, steps, curves, rates, floor=None):
    """Draw one line per learning rate; with a floor, only what lies above it, with its 90 % interval."""
    for rate, color, (low, median, high) in zip(rates, plots.shades(len(rates)), curves, strict=True):
        drawn = np.full(len(median), True) if floor is None else median >= floor
        axes.plot(steps, np.where(drawn, median, np.nan), ".-", color=color, lw=1.5, ms=5, label=f"{rate:g}")
        if floor is not None:
            axes.fill_between(steps, np.maximum(low, floor), high, where=drawn, color=color, alpha=0.12, lw=0)


def draw_spectra(axes, rows, spectra, near_zero):
    """Draw whole spectra, largest exponent first."""
    for row, color, exponents in zip(rows, plots.shades(len(rows)), spectra, strict=True):
        label = f"{row['learning_rate']:g}: " + ("diverged" if row["diverged"] else
                                                 f"{row['above']} above, {row['below']} below")
        axes.plot(np.arange(1, len(exponents) + 1), exponents, ".-", color=color, ms=3, lw=0.8, label=label)
    draw_zero(axes, near_zero)
    axes.set(title="whole spectrum, one run per rate", xlabel="exponent, largest first", ylabel="per step")
    if rows:
        axes.legend(title=f"learning rate: exponents beyond ±{near_zero:g}", fontsize=8, title_fontsize=8)


def draw_controls(well, quadratic, well_rows, quadratic_rows, curves):
    """Draw the controls: dots by QR on the lines of the closed forms."""
    well.plot(curves["well_rates"], curves["well_mean"], color=plots.GREY, lw=0.8,
              label="mean log |1 - η (3x² - 1)|")
    edges = np.linspace(0, 1.6, 801)
    with np.errstate(divide="ignore"):
        quadratic.plot(edges, np.log(np.abs(1 - 2 * edges)), color=plots.GREY, lw=0.8, label="log |1 - ηλ|")
    for axes, rows, key in ((well, well_rows, "learning_rate"), (quadratic, quadratic_rows, "edge")):
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
    """Draw the growth of the tangent vector as lines, and that of the distance between copies as dots."""
    steps = np.arange(curves["tangent"].shape[-1]) * dynamics.RECORD
    colors = plots.shades(len(rows))
    for row, color, tangent, copies in zip(rows, colors, curves["tangent"], curves["copies"], strict=True):
        after, (low, median, high) = row["forgotten_after"], tangent / np.log(10)
        axes.plot(steps, median, color=color, lw=1.5, label=f"{row['net']}, {row['learning_rate']:g}: "
                  + (f"{after:,.0f}" if after < 1e5 else "over 100,000"))
        axes.fill_between(steps, low, high, color=color, alpha=0.12, lw=0)
        axes.plot(steps[::4], copies[1, ::4] / np.log(10), ".", color=color, ms=5)
    axes.axhline(-np.log10(change), color=plots.GREY, lw=0.8, ls=":")
    axes.text(steps[-1], -np.log10(change) - 0.3, "copies differ by 1", color=plots.GREY, fontsize=8, ha="right",
              va="top")
    axes.set(title="essay's net, one weight changed", xlabel="single-sample step",
             ylabel="growth, decades (dots: two copies)")
    axes.set_ylim(top=1.35 * axes.get_ylim()[1])  # room for the legend
    axes.legend(title="net, learning rate: steps from 1e-15 to 1 at this pace", fontsize=8, title_fontsize=8,
                loc="upper left")


# ---- the script -------------------------------------------------------------------------------------------

def main(settings):
    """Measure all exponents; return rows of every part, the curves and the figure."""
    check_settings(settings)
    images = datasets.load(settings.dataset, limit=settings.images, seed=settings.seed)
    inputs, labels = datasets.pool(images, settings.side).inputs, images.labels
    sizes = (inputs.shape[1], settings.hidden_units, images.classes)
    seeds = range(settings.seed, settings.seed + settings.runs)

    def make(seed):
        return mlp.MLP(sizes, "tanh", settings.loss, "glorot", seed)

    parameters = curvature.parameters(make(settings.seed)).size
    if parameters < settings.exponents:
        raise UserError(f"exponents is {settings.exponents}: expected at most {parameters}, the number of parameters "
                        "of the small net")
    rows, curves, leaders = small_net(make, inputs, labels, settings.learning_rates, seeds, settings.steps,
                                      settings.transient, settings.window, settings.exponents, settings.near_zero)
    if not any("exponent" in row for row in rows if row["part"] == FULL_BATCH):
        raise curvature.NotFinite("every full-batch run diverged at every learning rate: lower the learning rates")
    spectra = [dynamics.whole_spectrum(make(leaders[rate]), inputs, labels, rate, settings.spectrum_steps,
                                       settings.transient, settings.seed) for rate in settings.spectrum_rates]
    rows += [spectrum_row(rate, leaders[rate], exponents, settings.near_zero)
             for rate, exponents in zip(settings.spectrum_rates, spectra, strict=True)]
    rows += control_rows(settings.well_rates, settings.well_steps, settings.seed)
    essay_rows, growth = essay_net(images, settings.essay_units, settings.essay_rates, settings.essay_steps,
                                   settings.perturbation, seeds)
    rows += essay_rows
    rates = np.linspace(0.02, 2, 400)
    curves |= growth | {"spectra": np.array(spectra), "well_rates": rates,
                        "well_mean": dynamics.double_well_mean(rates, 1000, 10, settings.seed)}
    counts = {(part, key): sum(row[key] for row in rows if row["part"] == part)
              for part in (FULL_BATCH, SINGLE_SAMPLES) for key in ("diverged", "saturated")}
    runs = settings.runs * len(settings.learning_rates)
    caption = (f"{images.name}, {len(labels)} images; small net {'-'.join(map(str, sizes))}, tanh, {settings.loss} "
               f"loss, {parameters} parameters, {settings.steps:,} steps, long time from step {settings.transient:,} "
               f"on, windows of {settings.window}, grey within ±{settings.near_zero:g} per step.\n"
               f"n = {settings.runs} runs per rate, medians and 90 % intervals. Of {runs} full-batch runs "
               f"{counts[FULL_BATCH, 'diverged']} diverged and {counts[FULL_BATCH, 'saturated']} ended above their "
               f"first loss (saturated, included); of {runs} single-sample runs "
               f"{counts[SINGLE_SAMPLES, 'diverged']} and {counts[SINGLE_SAMPLES, 'saturated']}.\n"
               f"Whole spectra: the run with the largest exponent, {settings.spectrum_steps} steps after the "
               f"transient. Essay's net: one weight changed by {settings.perturbation:g}.")
    sentence = finding(rows, settings.near_zero, settings.window)
    figure = picture(rows, curves, settings.near_zero, settings.transient, settings.perturbation, sentence, caption)
    return experiment.Result(rows, names=("part", "learning_rate", "product", "net"), finding=sentence, figure=figure,
                             columns=("runs", "positive", "exponent", "highest_window", "edge", "closed_form"),
                             files={".npz": curves}, data=[images.provenance])


def check_settings(settings):
    """Raise UserError unless the settings of this script are in range and fit each other."""
    checks.positive_integers(**{name: getattr(settings, name) for name in (
        "images", "side", "hidden_units", "steps", "transient", "window", "exponents", "runs", "spectrum_steps",
        "well_steps", "essay_units", "essay_steps")})
    for name in ("learning_rates", "spectrum_rates", "well_rates", "essay_rates", "essay_units"):
        values = getattr(settings, name)
        checks.nonempty_tuples(**{name: values})
        for value in values:
            if not 0 < value < np.inf:
                raise UserError(f"{name} has {value!r}: expected positive, finite numbers")
        if len(set(values)) < len(values):
            raise UserError(f"{name} is {values}: expected each number once")
    if max(settings.well_rates) > 2:
        raise UserError(f"well_rates has {max(settings.well_rates):g}: expected at most 2, since beyond 2 the orbits "
                        "of the double well leave for infinity")
    if not set(settings.spectrum_rates) <= set(settings.learning_rates):
        raise UserError(f"spectrum_rates is {settings.spectrum_rates}: expected some of the learning rates, "
                        f"{settings.learning_rates}")
    if settings.steps % settings.window or not settings.window <= settings.transient < settings.steps:
        raise UserError(f"window is {settings.window}, transient {settings.transient}, steps {settings.steps}: "
                        "expected steps to be a multiple of window, and transient to be from window to below steps")
    if settings.essay_steps % dynamics.RECORD:
        raise UserError(f"essay_steps is {settings.essay_steps}: expected a multiple of {dynamics.RECORD}")
    if not 1e-15 <= settings.perturbation <= 1e-6:  # a smaller one is lost in rounding
        raise UserError(f"perturbation is {settings.perturbation!r}: expected a number from 1e-15 to 1e-6")
    if not 0 < settings.near_zero < np.inf:
        raise UserError(f"near_zero is {settings.near_zero!r}: expected a positive, finite number")


if __name__ == "__main__":
    experiment.run(main)
