"""Does gradient descent have positive Lyapunov exponents?

Descent x - η g(x) is a map with the Jacobian I - η H(x), and its Lyapunov exponents tell whether two nets that start
side by side separate. Three of the sources discuss their spectrum and none measures it. Here a small net on pooled
digits descends over the full batch, at learning rates from small to far beyond the edge of stability, which is where
sharpness, the largest eigenvalue of the Hessian, times η / 2 is 1. Exponents come from QR after each step: long-time
exponents after a transient, and finite-time exponents over windows that each start with a new direction. Training on
one sample per step is a random map, with its own exponent: that of products of I - η H_sample.

Controls of known result: the double well x - η (x³ - x), whose exponent is the mean of log |1 - η (3x² - 1)|, and
log 3 at η = 2, where the map is a Chebyshev polynomial; and a quadratic, whose exponents are log |1 - ηλ|.

At last, two copies of a net on whole images differ in one weight; with 784 hidden units, the net is the essay's. Where
the tangent vector, the direction of that weight times the product of the Jacobians, grows as the copies separate, this
instability separates them.

Figures: lyapunov.png, largest exponents against the learning rate for the small net over the full batch and on single
samples, and for nets on whole images, with the number of runs whose exponent is positive; lyapunov_training.png, the
edge of stability and the exponents of windows along training, and whole spectra; lyapunov_copies.png, how two copies of
a net separate; lyapunov_controls.png, the two controls beside their closed forms. Chaos at a setting means that the
exponent is above 0.02 in more than half of the runs.

A net that still trains has no asymptotic exponent. What is called long time here is the mean over the steps after
TRANSIENT. Its sign within 0.02 of zero says nothing, because a slow drift of the weights gives the same. Above 0.02
chaos may still be transient, and a transient longer than STEPS looks like lasting chaos: try --steps 20000 --transient
10000. At large learning rates this net does not leave for infinity. Its outputs saturate one after another, and
gradient, curvature and exponents vanish with them. Runs that end above their first loss are called saturated; they stay
in the medians, and count as chaotic if their exponent is above 0.02. A new direction has a component of about 1 / √p
along the one that grows most, so that a window misses about log(p) / 2 of that growth.

Source: Jeremy Cohen and others, *Gradient descent on neural networks typically occurs at the edge of stability*, 2021;
the rest goes beyond the sources.

Takes 45 s; --quick takes 15 s.
"""
import itertools

import numpy as np

import mlp
from gradnets import checks, curvature, datasets, dynamics, experiment, plots, summaries
from gradnets.dynamics import NEAR_ZERO, mostly_positive, positive_and_saturated
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
SPECTRUM_RATES = (0.16, 0.8, 2.4)  # learning rates of the whole spectra, each one of LEARNING_RATES
SPECTRUM_STEPS = 80         # number of updates that a whole spectrum averages, after TRANSIENT
WELL_RATES = (0.25, 0.75, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8, 1.9, 2.0)  # learning rates of the well, at most 2
WELL_STEPS = 3000           # steps that each control averages, after an equal number that are discarded
ESSAY_UNITS = (30, 784)     # hidden units of the nets on whole images, one net per number; the essay's net has 784
ESSAY_RATES = (0.01, 0.1)   # learning rates of the nets on whole images; the essay used both
ESSAY_STEPS = 300           # number of single-sample updates of the nets on whole images
RUNS = 5                    # number of seeds, starting at SEED
SEED = 0                    # seed of data, weights, samples and directions

# ---- not flags --------------------------------------------------------------------------------------------

QUADRATIC = np.array([0.1, 0.4, 0.7, 1.2, 1.5, 1.75, 2.2, 2.6, 3.0])  # learning rate times eigenvalue
FULL_BATCH, SINGLE_SAMPLES, SPECTRUM = "full batch", "single samples", "whole spectrum"  # parts of the rows
DOUBLE_WELL, CONTROL, WHOLE_IMAGES = "double well", "quadratic", "nets on whole images"
WELL_POINTS = 2001          # points of the double well's curve: its windows without chaos are 0.005 wide and less
PERTURBATION = 1e-12        # difference in one weight between two copies of a net on whole images
IDLE = 0.1                  # share of steps without gradient from which the figure of copies names it
SATURATED = 0.3             # sharpness times learning rate / 2 below which the outputs are called saturated
AT_EDGE = (0.8, 1.2)        # sharpness times learning rate / 2 that counts as at the edge of stability
HEADINGS = {"positive": "positive runs", "exponent": "exponent per step", "highest_window": "highest window"}
SUGGESTION = "lyapunov.py --steps 20000 --transient 10000 tells lasting chaos from a long transient"
QUICK = {"images": 100, "runs": 2, "steps": 400, "transient": 200, "window": 100, "essay_units": (30,)}


# ---- rows -------------------------------------------------------------------------------------------------

def summary(runs):
    """Summarise the runs of the small net at one learning rate as a row.

    Parameters
    ----------
    runs : list of dict, or None for a run that diverged
        Numbers of `dynamics.full_batch` or `dynamics.single_sample`.

    Returns
    -------
    dict
        runs; diverged; positive, the number of runs with a positive exponent; saturated, the number of runs that end
        above their first loss; and medians with 90 % intervals over the runs that stayed finite.
    """
    finite = [numbers for numbers in runs if numbers is not None]
    row = {"runs": len(runs), "diverged": len(runs) - len(finite),
           "positive": sum(bool(numbers["exponent"] > NEAR_ZERO) for numbers in finite),
           "saturated": sum(bool(numbers["last_loss"] >= numbers["first_loss"]) for numbers in finite)}
    keys = [key for key in finite[0] if key != "first_loss"] if finite else []
    return row | summaries.median_intervals(**{key: [numbers[key] for numbers in finite] for key in keys})


def small_net(make, inputs, labels, learning_rates, seeds, steps, transient, window, count):
    """Measure the small net over the full batch and on single samples, at several learning rates.

    Parameters
    ----------
    make : function from a seed to a net
    inputs, labels : float64 (batch, n_0), int (batch,)
    learning_rates, seeds : sequences
    steps, transient, window, count : int
        As `dynamics.full_batch` takes them.

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
            rows[part].append({"part": part, "learning_rate": rate} | summary(runs))
    curves = {name: np.array(values) for name, values in bands.items()}
    return rows[FULL_BATCH] + rows[SINGLE_SAMPLES], curves | {"steps": np.arange(0, steps + 1, window)}, leaders


def band(curves, points):
    """Return lower end, median and upper end over curves: float64 (3, points), NaN if there is no curve."""
    return summaries.quantiles(curves, axis=0) if curves else np.full((3, points), np.nan)


def spectrum_row(learning_rate, seed, exponents):
    """Count the exponents of a whole spectrum that lie above, within and below ±NEAR_ZERO."""
    row = {"part": SPECTRUM, "learning_rate": learning_rate, "seed": seed, "runs": 1,
           "diverged": int(np.isnan(exponents).any())}
    if row["diverged"]:
        return row
    above, below = np.count_nonzero(exponents > NEAR_ZERO), np.count_nonzero(exponents < -NEAR_ZERO)
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


def nets_on_whole_images(images, units, learning_rates, steps, seeds):
    """Measure how two copies of a net on whole images separate.

    Returns
    -------
    rows : list of dict, one per width and learning rate
    curves : dict
        tangent, copies: lower ends, medians and upper ends of the growth, float64 (rows, 3, records).
    """
    rows, curves = [], {"tangent": [], "copies": []}
    pairs = list(itertools.product(units, learning_rates))
    for hidden, rate in progress(pairs, total=len(pairs), label=WHOLE_IMAGES):
        sizes = (images.inputs.shape[1], hidden, images.classes)
        numbers, growth = [], {"tangent": [], "copies": []}
        for seed in seeds:
            network = mlp.MLP(sizes, "tanh", "squared", "uniform(0.25)", seed, biases=(True, False),
                              targets=(-1.0, 1.0))
            tangent, copies, idle = dynamics.separation(network, images, rate, steps, PERTURBATION, seed)
            numbers.append(dynamics.separation_numbers(tangent, copies, idle, steps, PERTURBATION))
            growth["tangent"].append(tangent)
            growth["copies"].append(copies)
        for name, runs in growth.items():
            curves[name].append(summaries.quantiles(runs, axis=0))
        rows.append({"part": WHOLE_IMAGES, "learning_rate": rate, "net": "-".join(map(str, sizes)), "runs": len(seeds),
                     "positive": sum(bool(run["exponent"] > NEAR_ZERO) for run in numbers)}
                    | summaries.median_intervals(**{key: [run[key] for run in numbers] for key in numbers[0]}))
    return rows, {name: np.array(values) for name, values in curves.items()}


# ---- findings ---------------------------------------------------------------------------------------------

def finding(rows):
    """Return a sentence: at which learning rates most runs have a positive exponent, in each kind of training.

    Where so many rates do not fit a title, the sentence has their number.
    """
    all_of = {part: [row for row in rows if row["part"] == part] for part in (FULL_BATCH, SINGLE_SAMPLES, WHOLE_IMAGES)}
    chaotic = {part: [f"{row['learning_rate']:g}" for row in of_part if mostly_positive(row)]
               for part, of_part in all_of.items()}
    if not any(chaotic.values()):
        return "Descent is chaotic at no learning rate, neither in the small net nor in larger nets"
    counts = {part: f"{len(rates)} of {len(all_of[part])}" for part, rates in chaotic.items()}
    larger = f"and in {counts[WHOLE_IMAGES]} larger nets"
    full, single = chaotic[FULL_BATCH], chaotic[SINGLE_SAMPLES]
    at = f"rate{'s' * (len(full) > 1)} {listed(full)}" if full else "no rate"
    sentence = f"Chaos at {at} (full batch), {listed(single) or 'none'} (single samples), {larger}"
    return sentence if len(sentence) <= plots.LONGEST_TITLE else (
        f"Chaos at {counts[FULL_BATCH]} rates (full batch), {counts[SINGLE_SAMPLES]} (single samples), {larger}")


def listed(words):
    """Return words as a list in a sentence: "a", "a and b", "a, b and c", nothing without words."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def finding_of_training(rows):
    """Return a sentence: at how many learning rates sharpness settles at the edge, and how many exponents are small."""
    full = [row for row in rows if row["part"] == FULL_BATCH]
    near = sum(bool(AT_EDGE[0] <= row["edge"] <= AT_EDGE[1]) for row in full if "edge" in row)
    within, others = (sum(row.get(key, 0) for row in rows if row["part"] == SPECTRUM for key in keys)
                      for keys in (("within",), ("above", "below")))
    most = "and most exponents near zero" if within > others else "but few exponents near zero"
    return f"Sharpness settles at the edge of stability at {near} of {len(full)} rates, {most}"


def finding_of_copies(rows):
    """Return a sentence: at how many settings two copies of a net separate in most runs."""
    rows = [row for row in rows if row["part"] == WHOLE_IMAGES]
    separating = sum(map(mostly_positive, rows))
    return f"Two copies of a net that differ in one weight separate at {separating} of {len(rows)} settings"


def finding_of_controls(rows):
    """Return a sentence: the largest error of the measured exponents."""
    error = max(abs(row["exponent"] - row["closed_form"]) for row in rows if "closed_form" in row)
    return f"The method (repeated QR) finds the exponents of both known maps to within {error:.2g} per step"


# ---- the figure of exponents ------------------------------------------------------------------------------

@plots.styled
def picture(rows, title, caption):
    """Draw the exponents of the small net, and those of nets on whole images, in panels that share their axis."""
    from matplotlib.lines import Line2D

    parts = (FULL_BATCH, SINGLE_SAMPLES, WHOLE_IMAGES)
    drawn = [[row for row in rows if row["part"] == part] for part in parts]
    figure, panels = plots.figure([list(parts)], 12, 5.4, title, caption, sharey=True,
                                  width_ratios=[2 + len(of_part) for of_part in drawn])
    for part, of_part in zip(parts, drawn, strict=True):
        draw_exponents(panels[part], of_part)
    panels[FULL_BATCH].set(title="small net: full batch", xlabel="learning rate", ylabel="largest exponent, per step")
    panels[SINGLE_SAMPLES].set(title="small net: single samples", xlabel="learning rate")
    panels[WHOLE_IMAGES].set(title="larger nets: single samples", xlabel="learning rate, hidden units")
    highest = max([row[key] for row in rows for key in ("highest_window_high", "exponent_high") if key in row])
    set_symlog(panels[FULL_BATCH], -NEAR_ZERO / 4, 4 * max(highest, NEAR_ZERO))
    panels[FULL_BATCH].text(-0.02, 0.98, "positive:", fontsize=8, ha="right", va="top",
                            transform=panels[FULL_BATCH].transAxes)
    looks = {"exponent, positive in most runs": (plots.RED, "o", plots.RED),
             "exponent, positive in fewer runs": (plots.BLUE, "s", plots.BLUE),
             "highest window, transient included (median of each run's highest)": (plots.GREY, "^", "white")}
    figure.legend(handles=[Line2D([], [], ls="none", marker=marker, color=color, mfc=face, label=label)
                           for label, (color, marker, face) in looks.items()],
                  loc="outside lower left", ncols=3, fontsize=9)
    return figure


def draw_exponents(axes, rows):
    """Draw the exponents of one kind of net with 90 % intervals, and above them the number of positive runs."""
    shade_zero(axes)
    for place, row in enumerate(rows):
        color, marker = (plots.RED, "o") if mostly_positive(row) else (plots.BLUE, "s")
        draw_interval(axes, place - 0.2, row, "highest_window", plots.GREY, "^", "white")
        draw_interval(axes, place + 0.1, row, "exponent", color, marker, color)
        axes.text(place, 0.98, f"{row['positive']} of {row['runs']}", color=plots.text_color(color), ha="center",
                  va="top", fontsize=8, transform=axes.get_xaxis_transform(),
                  fontweight="bold" if mostly_positive(row) else "normal")
    axes.set_xticks(range(len(rows)), [name_of(row) for row in rows], fontsize=8)
    axes.set_xlim(-0.6, len(rows) - 0.4)


def name_of(row):
    """Return the learning rate of a row and, for a net on whole images, its number of hidden units."""
    return f"{row['learning_rate']:g}" + (f"\n{units_of(row)} units" if "net" in row else "")


def units_of(row):
    """Return the number of hidden units of a net on whole images, as a word."""
    return row["net"].split("-")[1]


def draw_interval(axes, x, row, key, color, marker, face):
    """Draw row[key], if the row has it, as a marker on the bar of its interval."""
    if key in row:
        axes.plot([x, x], [row[key + "_low"], row[key + "_high"]], color=color, lw=4, alpha=0.3,
                  solid_capstyle="round")
        axes.plot(x, row[key], marker, color=color, mfc=face, ms=6)


def shade_zero(axes):
    """Draw a line at 0, and shade the range in which the sign of an exponent says nothing."""
    axes.axhspan(-NEAR_ZERO, NEAR_ZERO, color=plots.PALE, alpha=0.6, lw=0, zorder=0)
    axes.axhline(0, color=plots.INK, lw=0.8, zorder=1)


def set_symlog(axes, low, high):
    """Set a vertical scale from low to high that is linear within NEAR_ZERO, with plain ticks."""
    axes.set_yscale("symlog", linthresh=NEAR_ZERO, linscale=0.6)
    axes.set_ylim(low, high)
    decades = 10.0 ** np.arange(np.ceil(np.log10(2 * NEAR_ZERO)), np.log10(max(-low, high)) + 1)
    ticks = [tick for tick in [*-decades[::-1], -NEAR_ZERO, 0, NEAR_ZERO, *decades] if low <= tick <= high]
    axes.set_yticks(ticks, [signed(tick) for tick in ticks])
    axes.minorticks_off()


# ---- the figure of training -------------------------------------------------------------------------------

@plots.styled
def training_picture(rows, curves, transient, title, caption):
    """Draw the edge of stability and single windows along training, and whole spectra; curves as the script saves them.
    """
    figure, panels = plots.figure([["edges", "windows"], ["spectra", "spectra"]], 12, 9, title, caption)
    full = [row for row in rows if row["part"] == FULL_BATCH]
    draw_edges(panels["edges"], curves["steps"], curves["edges"], full, transient)
    draw_windows(panels["windows"], curves["steps"], curves["windows"][:, 1], full, transient)
    draw_spectra(panels["spectra"], [row for row in rows if row["part"] == SPECTRUM], curves["spectra"])
    return figure


def draw_edges(axes, steps, edges, rows, transient):
    """Draw sharpness along full-batch training: a line with its band per learning rate, named at its start.

    The lines of rates at which most outputs saturate end near 0, with the number of runs that do so. Instead of a band,
    which would cover the panel, they have a dashed line at the upper end of their runs.
    """
    axes.set_yscale("symlog", linthresh=SATURATED, linscale=0.5)
    top = 2 * np.nanmax(edges[:, 1], initial=1)
    saturated = []
    for row, color, (low, median, high) in zip(rows, plots.shades(len(rows)), edges, strict=True):
        rate = f"{row['learning_rate']:g}"
        axes.plot(steps, median, ".-", color=color, lw=1.5, ms=5)
        if np.isfinite(median[0]):
            axes.annotate(rate, (steps[0], median[0]), xytext=(-6, 0), textcoords="offset points", ha="right",
                          va="center", fontsize=8, color=plots.text_color(color))
        if median[-1] < SATURATED:
            saturated.append((f"{rate}: {row['saturated']} of {row['runs']} runs saturated", color))
            axes.plot(steps, high, "--", color=color, lw=1)
            if high[-1] > SATURATED:
                plots.label_line(axes, steps, high, f"{rate}: upper\nend of runs", color)
            else:
                place = np.argmax(high < SATURATED)
                axes.annotate(f"{rate}: upper end of runs", (steps[place], high[place]), xytext=(6, 0), fontsize=8,
                              textcoords="offset points", va="center", color=plots.text_color(color))
        else:
            axes.fill_between(steps, low, high, color=color, alpha=0.15, lw=0)
    for place, (words, color) in enumerate(saturated[::-1]):
        axes.annotate(words, (steps[-1], 0), xytext=(-2, 5 + 11 * place), textcoords="offset points", ha="right",
                      fontsize=8, color=plots.text_color(color))
    axes.axhspan(*AT_EDGE, color=plots.PALE, alpha=0.6, lw=0, zorder=0)
    axes.axhline(1, color=plots.INK, lw=0.8)
    axes.axvline(transient, color=plots.GREY, lw=0.8, ls=":")
    ticks = [tick for tick in (0, SATURATED, 1, 3, 10, 30, 100, 300) if tick < top]
    axes.set(title="full batch: edge of stability at 1, within 20 % in grey", ylabel="sharpness × learning rate / 2",
             xlabel="step (names of lines: learning rate; dotted: end of the transient)",
             xlim=(-0.1 * steps[-1], steps[-1]), ylim=(-0.03, top))
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()


def draw_windows(axes, steps, windows, rows, transient):
    """Draw the median exponents of windows along training as a map: a row per learning rate, red where positive."""
    from matplotlib.colors import SymLogNorm

    bound = max(1.0, np.nanmax(np.abs(windows), initial=0))
    norm = SymLogNorm(NEAR_ZERO, linscale=0.4, vmin=-bound, vmax=bound)
    axes.pcolormesh(steps, np.arange(len(rows) + 1) - 0.5, windows, cmap="RdBu_r", norm=norm, alpha=0.8, lw=0)
    for place, of_rate in enumerate(windows):
        for middle, value in zip((steps[1:] + steps[:-1]) / 2, of_rate, strict=True):
            axes.text(middle, place, signed(value), fontsize=8, ha="center", va="center")
    axes.axvline(transient, color=plots.INK, lw=0.8, ls=":")
    axes.set_yticks(range(len(rows)), [f"{row['learning_rate']:g}" for row in rows])
    axes.set(title="full batch: exponent of each window, per step", ylabel="learning rate",
             xlabel="step (dotted: end of the transient)")
    axes.tick_params(axis="y", length=0)


def signed(value):
    """Return an exponent with one digit and a minus sign, 0 if it is tiny, and no words for NaN."""
    if np.isnan(value):
        return ""
    return "0" if abs(value) < 0.0005 else f"{value:.1g}".replace("-", "\N{MINUS SIGN}")


def draw_spectra(axes, rows, spectra):
    """Draw whole spectra, largest exponent first, with rings around the exponents above NEAR_ZERO."""
    count = spectra.shape[1]
    order, lines = np.arange(1, count + 1), []
    for row, color, dash, exponents in zip(rows, plots.shades(len(rows)), plots.DASHES * len(rows), spectra,
                                           strict=False):
        axes.plot(order, exponents, ls=dash, color=color, lw=2)
        above = exponents > NEAR_ZERO
        axes.plot(order[above], exponents[above], "o", color=color, mfc="white", ms=5)
        lines.append((order, exponents, f"rate {row['learning_rate']:g}: {row.get('above')} above", color))
    shade_zero(axes)
    finite = spectra[np.isfinite(spectra)]
    low, high = (finite.min(), finite.max()) if finite.size else (0, 0)
    set_symlog(axes, 2 * min(low, -NEAR_ZERO), 2 * max(high, NEAR_ZERO))
    axes.set(title=f"full batch: all {count} exponents, with rings above {NEAR_ZERO:g}", ylabel="exponent, per step",
             xlabel="rank of the exponent, largest first", xlim=(1 - 0.015 * count, count))
    ticks = [1, *(tick for tick in axes.get_xticks() if 1 < tick < 0.95 * count), count]
    axes.set_xticks(ticks, [f"{tick:.0f}" for tick in ticks])
    plots.label_lines(axes, lines)


# ---- the figure of copies ---------------------------------------------------------------------------------

@plots.styled
def copies_picture(rows, curves, title, caption):
    """Draw the growth of the tangent vector as lines, and the growth of the distance between copies as marks."""
    figure, panels = plots.figure([["copies"]], 10, 5.4, title, caption)
    axes, lines = panels["copies"], []
    steps = np.arange(curves["tangent"].shape[-1]) * dynamics.RECORD
    for row, color, marker, tangent, copies in zip(rows, plots.COLORS * len(rows), plots.MARKERS * len(rows),
                                                   curves["tangent"], curves["copies"], strict=False):
        low, median, high = tangent / np.log(10)
        lines.append((steps, median, f"rate {row['learning_rate']:g}, {units_of(row)} units:\n"
                      f"{row['positive']} of {row['runs']} runs separate", color))
        axes.fill_between(steps, low, high, color=color, alpha=0.1, lw=0)
        axes.plot(steps, median, color=color, lw=1.5)
        axes.plot(steps[::5], copies[1, ::5] / np.log(10), marker, color=color, mfc="white", ms=5)
        if row["idle"] >= IDLE:
            name_idle_steps(axes, steps, median, row["idle"], color)
    height = -np.log10(PERTURBATION)
    axes.axhline(height, color=plots.GREY, lw=0.8, ls="--")
    axes.text(0, height + 0.2, "copies differ by 1", color=plots.GREY, fontsize=8)
    axes.set(title="growth of the difference", ylabel="growth, powers of ten",
             xlabel="single-sample step (lines: tangent vector; marks: two copies)")
    plots.label_lines(axes, lines, gap=0.08)
    return figure


def name_idle_steps(axes, steps, growth, idle, color):
    """Write the share of steps without gradient above the middle of the longest flat stretch of a line."""
    moves = np.flatnonzero(np.abs(np.diff(growth)) > 1e-3) + 1
    flat = max(np.split(np.arange(len(growth)), moves), key=len)  # the places of its points
    axes.annotate(f"no gradient in {100 * idle:.0f} % of steps", (steps[flat].mean(), growth[flat[0]]), xytext=(0, 7),
                  textcoords="offset points", ha="center", fontsize=8, color=plots.text_color(color))


# ---- the figure of controls -------------------------------------------------------------------------------

@plots.styled
def control_picture(rows, curves, title, caption):
    """Draw the controls: rings of measured exponents on the lines of the closed forms."""
    figure, panels = plots.figure([["well", "quadratic"]], 12, 5, title, caption, sharey=True)
    edges = np.linspace(0, 1.6, 801)
    with np.errstate(divide="ignore"):
        quadratic = np.log(np.abs(1 - 2 * edges))
    panels["well"].plot(curves["well_rates"], curves["well_mean"], color=plots.BLUE, lw=0.7)
    panels["quadratic"].plot(edges, quadratic, color=plots.BLUE, lw=1)
    for name, part, key in (("well", DOUBLE_WELL, "learning_rate"), ("quadratic", CONTROL, "edge")):
        of_part = [row for row in rows if row["part"] == part]
        panels[name].plot([row[key] for row in of_part], [row["exponent"] for row in of_part], "o", color=plots.RED,
                          mfc="none", mew=1.5, ms=7)
        panels[name].axhline(0, color=plots.INK, lw=0.8, zorder=0)
        panels[name].text(0.02, 0.93, "line: closed form", color=plots.text_color(plots.BLUE), fontsize=9,
                          transform=panels[name].transAxes)
        panels[name].text(0.02, 0.87, "rings: measured", color=plots.text_color(plots.RED), fontsize=9,
                          transform=panels[name].transAxes)
    plots.draw_source(panels["well"], 2, np.log(3), ms=13, mfc="none")
    panels["well"].annotate("exact: log 3", (2, np.log(3)), xytext=(-12, 3), textcoords="offset points", ha="right",
                            fontsize=8)
    draw_calm(panels["well"], [row for row in rows if row["part"] == DOUBLE_WELL])
    panels["well"].set(title="double well", xlabel="learning rate η", ylabel="exponent, per step", ylim=(-2.1, 1.5))
    panels["quadratic"].set(title="quadratic", xlabel="eigenvalue λ × learning rate η / 2")
    return figure


def draw_calm(axes, rows):
    """Name the rates of the double well that are calm although a smaller rate is chaotic."""
    chaotic = [row["learning_rate"] for row in rows if row["closed_form"] > 0]
    for row in rows:
        if chaotic and row["learning_rate"] > min(chaotic) and row["closed_form"] < 0:
            axes.annotate("narrow window\nwithout chaos", (row["learning_rate"], row["exponent"]), xytext=(-12, -45),
                          textcoords="offset points", ha="center", va="top", fontsize=8,
                          arrowprops={"arrowstyle": "-", "color": plots.GREY, "lw": 0.7, "shrinkB": 5})


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
                                      settings.transient, settings.window, settings.exponents)
    if not any("exponent" in row for row in rows if row["part"] == FULL_BATCH):
        raise curvature.NotFinite("every full-batch run diverged at every learning rate: lower the learning rates")
    spectra = [dynamics.whole_spectrum(make(leaders[rate]), inputs, labels, rate, settings.spectrum_steps,
                                       settings.transient, settings.seed) for rate in settings.spectrum_rates]
    rows += [spectrum_row(rate, leaders[rate], exponents)
             for rate, exponents in zip(settings.spectrum_rates, spectra, strict=True)]
    rows += control_rows(settings.well_rates, settings.well_steps, settings.seed)
    rows_of_copies, growth = nets_on_whole_images(images, settings.essay_units, settings.essay_rates,
                                                  settings.essay_steps, seeds)
    rows += rows_of_copies
    rates = np.union1d(np.linspace(0.02, 2, WELL_POINTS), settings.well_rates)
    curves |= growth | {"spectra": np.array(spectra), "well_rates": rates,
                        "well_mean": dynamics.double_well_mean(rates, 1000, 5, settings.seed)}
    sentence = finding(rows)
    text = captions(settings, rows, f"{images.name}, {len(labels)} images", sizes, parameters)
    figure = picture(rows, sentence, text["exponents"])
    figures = {"_training": training_picture(rows, curves, settings.transient, finding_of_training(rows),
                                             text["training"]),
               "_copies": copies_picture(rows_of_copies, curves, finding_of_copies(rows), text["copies"]),
               "_controls": control_picture(rows, curves, finding_of_controls(rows), text["controls"])}
    return experiment.Result(rows, names=("part", "learning_rate", "product", "net"), finding=sentence, figure=figure,
                             columns=("runs", "positive", "exponent", "highest_window"), headings=HEADINGS,
                             printed=[row for row in rows if "positive" in row], figures=figures,
                             files={".npz": curves}, data=[images.provenance], suggestion=SUGGESTION)


def captions(settings, rows, images, sizes, parameters):
    """Return the captions of the four figures."""
    several = [row for row in rows if row["part"] in (FULL_BATCH, SINGLE_SAMPLES)]
    runs, diverged = (sum(row[key] for row in several) for key in ("runs", "diverged"))
    positive, saturated = positive_and_saturated(several)
    chaotic, chaotic_and_saturated = positive_and_saturated([row for row in several if row["part"] == FULL_BATCH])
    n = plots.counted(settings.runs, "run")
    small = f"small net {'-'.join(map(str, sizes))}, tanh, {settings.loss} loss"
    exponent = f"{np.log10(PERTURBATION):.0f}".translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return {
        "exponents": f"{images}; {small}, from step {settings.transient:,} to {settings.steps:,}; medians and 90 % "
                     f"intervals of n = {n} per mark. Positive: above {NEAR_ZERO:g}, the grey.\n"
                     f"Small net: {diverged} of {runs} runs diverged; of {positive} positive runs at least {saturated} "
                     f"end above their first loss. Larger nets: whole images, {settings.essay_steps} steps; the "
                     "essay's has 784 units.",
        "training": f"{images}; {small}; n = {n} per rate, medians and 90 % intervals. Windows of "
                    f"{settings.window} steps.\nSaturated: the run ends above its first loss; of the {chaotic} "
                    f"runs that count as chaotic at least {chaotic_and_saturated} do. Spectra: the run with the "
                    f"largest exponent at each rate, {settings.spectrum_steps} steps.",
        "copies": f"{images}; nets on whole images, the essay's with 784 hidden units; at the start the copies differ "
                  f"by 10{exponent} in one weight.\nMedians of n = {n} per setting; bands: 90 % intervals of the "
                  f"tangent vector. Separate: exponent above {NEAR_ZERO:g}, in most runs.",
        "controls": "Double well x - η (x³ - x): mean of log |1 - η (3x² - 1)|; diamond: log 3, exact at η = 2. "
                    "Quadratic: log |1 - ηλ|.\nMeasured: a QR decomposition after each step, means over "
                    f"{settings.well_steps:,} steps, n = 1 orbit per ring."}


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


if __name__ == "__main__":
    experiment.run(main)
