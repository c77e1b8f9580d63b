"""What do exact and saddle-free Newton steps buy against first order?

A race of training losses against iterations and processor seconds, on two nets: a classifier of 7 x 7 digits and an
autoencoder of 5 x 5 digits. Newton, Newton with a shifted spectrum and saddle-free Newton use the whole Hessian of all
data; the last two use the best of eight dampings at each step. SGD and Adam use batches of 20, with learning rates that
fall to zero. For each loss to be reached, the best of several rates and lengths of SGD and Adam counts. L-BFGS uses all
data. Loss and gradient are separate calls, which doubles the rivals' time: in curvature_race.py all share one pass.

Figure: training loss against iterations and against seconds, for each net. Losses are in units of the lowest that any
method reached in the run; marks show where 2, 1.2 and 1.05 of these units are reached. Beside them stands how many
times as long as its best rival (SGD, Adam or L-BFGS) saddle-free Newton takes. The title covers the marked losses that
both reach.

Source: Yann Dauphin and others, *Identifying and attacking the saddle point problem in high-dimensional non-convex
optimization*, 2014: the saddle-free step. Howon Lee, notes of 2017 and 2018 on second order.

Takes 1 min.
"""
import itertools
import time

import numpy as np
import scipy

import optimizers
from gradnets import checks, curvature, experiment, plots, summaries
from gradnets.progress import progress

DATASET = "glyphs"          # data set of gray images: glyphs, noise or mnist
IMAGES = 500                # number of training images
ITERATIONS = 30             # number of iterations of the three Newton methods
STEPS = 10_000              # largest number of steps of SGD and Adam; a third, a tenth and a thirtieth are tried too
RUNS = 3                    # number of seeds, starting at SEED
SEED = 0                    # seed of data, weights and samples

# ---- not flags --------------------------------------------------------------------------------------------

NETS = {"digits": optimizers.classifier, "autoencoder": optimizers.autoencoder}
DAMPINGS = 10.0**np.arange(-6, 2)                   # tried at each step
RATES = {"SGD": (0.1, 0.3, 1.0), "Adam": (0.01, 0.03, 0.1)}
QUICK = {"images": 200, "iterations": 15, "steps": 2000, "runs": 1}
HEADINGS = {"what": "net, method", "loss": "lowest loss", "negative": "negative curvatures",
            "iterations_to_2": "iterations to 2 x lowest", "seconds_to_2": "seconds to 2 x lowest",
            "milliseconds": "milliseconds per iteration"}
EXCESS = (0.05, 0.2, 1, 4, 19)                  # ticks, as losses above the lowest in its units
RIVALS = ("SGD", "Adam", "L-BFGS")
MARGINS = {"iterations": 3, "seconds": 15}      # factor of the axis beyond its last point, for words
TARGETS = (2.0, 1.2, 1.05)                          # losses to be reached, in units of the best that any method reached
LEVELS = 1 + 10.0**np.linspace(-2, 3, 251)          # of the curves, in units of the same loss
STYLES = {"SGD": (plots.GREY, "v"), "Adam": (plots.INK, "^"), "L-BFGS": (plots.BLUE, "s"),
          "Newton": (plots.PURPLE, "x"), "shifted": (plots.ORANGE, "D"), "saddle-free": (plots.RED, "o")}


# ---- one method on one net --------------------------------------------------------------------------------

def newton_descent(objective, method, iterations):
    """Minimize by "Newton", "shifted" or "saddle-free" steps, with the best damping at each step.

    A step that leads to NaN or infinity ends the descent: the loss is infinite from this iteration on.

    Returns
    -------
    optimizers.Descent
    """
    steps = {"Newton": lambda g, h: curvature.newton_step(g, h)[None],
             "shifted": lambda g, h: curvature.shifted_step(g, h, DAMPINGS),
             "saddle-free": lambda g, h: curvature.saddle_free_step(g, h, DAMPINGS)}
    point, losses, seconds = objective.start, [objective.loss(objective.start)], [0.0]
    start = time.process_time()
    for _ in range(iterations):
        if np.isfinite(losses[-1]):
            try:
                candidates = point + steps[method](objective.gradient(point), objective.hessian(point))
                values = np.array([objective.loss(candidate) for candidate in candidates])
                values[np.isnan(values)] = np.inf
                best = np.argmin(values)
                point, value = candidates[best], values[best]
            except (curvature.NotFinite, curvature.SingularHessian):
                value = np.inf
        losses.append(value)
        seconds.append(time.process_time() - start)
    return optimizers.Descent(np.arange(iterations + 1), np.array(losses), np.array(seconds), point)


def lbfgs_descent(objective, iterations):
    """Minimize by scipy's L-BFGS on all data; an iteration may take several gradients. Returns optimizers.Descent."""
    counts, losses, seconds, start = [0], [objective.loss(objective.start)], [0.0], time.process_time()

    def note(intermediate_result):
        counts.append(len(counts))
        losses.append(intermediate_result.fun)
        seconds.append(time.process_time() - start)

    end = scipy.optimize.minimize(objective.loss, objective.start, jac=objective.gradient, method="L-BFGS-B",
                                  callback=note, options={"maxiter": iterations, "maxfun": 2 * iterations, "ftol": 0,
                                                          "gtol": 1e-9})
    return optimizers.Descent(np.array(counts), np.array(losses), np.array(seconds), end.x)


def descents(objective, method, iterations, steps, seed):
    """Return a method's descents in one run: for SGD and Adam one for each rate and length, otherwise one."""
    if method in RATES:
        lengths = [max(1, steps // part) for part in (30, 10, 3, 1)]
        return [optimizers.first_order(objective, method, rate, length, seed)
                for rate in RATES[method] for length in lengths]
    if method == "L-BFGS":
        return [lbfgs_descent(objective, max(1, steps // 10))]
    return [newton_descent(objective, method, iterations)]


# ---- the race ---------------------------------------------------------------------------------------------

def lowest(tried):
    """Return the descent that reaches the lowest loss."""
    return min(tried, key=lambda descent: descent.losses.min())


def first_reached(tried, losses):
    """Return the fewest iterations and the fewest seconds in which any descent reaches each of several losses.

    tried : list of optimizers.Descent; losses : float64 (k,)

    Returns float64 (2, k), iterations and seconds, infinite where no descent reaches the loss.
    """
    fewest = np.full((2, len(losses)), np.inf)
    for descent in tried:
        falling = np.fmin.accumulate(descent.losses)
        places = np.searchsorted(-falling, -np.asarray(losses))  # of the first loss that is low enough
        padded = np.append([descent.iterations, descent.seconds], [[np.inf], [np.inf]], axis=1)
        fewest = np.minimum(fewest, padded[:, places])
    return fewest


def race(dataset, iterations, steps, runs, seed):
    """Run all methods on both nets.

    Returns
    -------
    rows : list of dict, one per net and method
    courses : {(net, method): float64 (2, levels)}
        Median iterations and seconds to each of LEVELS times the lowest loss, infinite where most runs do not arrive.
    """
    rows, courses = [], {}
    for net, objective_of in progress(NETS.items(), total=len(NETS), label="race"):
        objectives = [objective_of(dataset, run) for run in range(seed, seed + runs)]
        for method in STYLES:
            descents(objectives[0], method, 1, 1, seed)  # libraries load before the first clock runs
        tries = {method: [descents(objective, method, iterations, steps, run)
                          for run, objective in enumerate(objectives, start=seed)] for method in STYLES}
        floors = [min(descent.losses.min() for method in tries for descent in tries[method][run])
                  for run in range(runs)]
        for method, by_run in tries.items():
            best = [lowest(tried) for tried in by_run]
            negative = [curvature.spectrum_summary(scipy.linalg.eigvalsh(objective.hessian(descent.end)))["negative"]
                        for objective, descent in zip(objectives, best, strict=True)]
            row = {"what": f"{net}, {method}", "parameters": objectives[0].start.size}
            row |= summaries.median_intervals(loss=[descent.losses.min() for descent in best], negative=negative)
            for target in TARGETS:
                reached = [first_reached(tried, [target * floor])[:, 0].tolist()
                           for tried, floor in zip(by_run, floors, strict=True)]
                row |= summaries.median_intervals(**{f"iterations_to_{target:g}": [first for first, _ in reached],
                                                     f"seconds_to_{target:g}": [first for _, first in reached]})
            per_iteration = np.median([descent.seconds[-1] / descent.iterations[-1] for descent in best])
            rows.append(row | {"milliseconds": 1e3 * per_iteration})
            courses[net, method] = summaries.quantiles(
                [first_reached(tried, LEVELS * floor) for tried, floor in zip(by_run, floors, strict=True)], axis=0)[1]
    return rows, courses


def ratios(rows, unit):
    """Compare what saddle-free Newton takes on the way to each loss with what its best rival takes.

    rows : list of dict, as `race` returns them; unit : "iterations" or "seconds"

    Returns {(net, target): (rival, ratio)}, without the losses that one of both does not reach, or starts below.
    """
    by_name, compared = {row["what"]: row for row in rows}, {}
    for net, target in itertools.product(NETS, TARGETS):
        key = f"{unit}_to_{target:g}"
        saddle_free = by_name[f"{net}, saddle-free"][key]
        of_rivals = {rival: by_name[f"{net}, {rival}"][key] for rival in RIVALS}
        best = min(of_rivals, key=of_rivals.get)
        if 0 < of_rivals[best] < np.inf and 0 < saddle_free < np.inf:
            compared[net, target] = best, saddle_free / of_rivals[best]
    return compared


def finding_of(rows):
    """Compare saddle-free Newton with its best rival on the way to each loss that both reach, in one sentence."""
    iterations, seconds = ([ratio for _, ratio in ratios(rows, unit).values()] for unit in ("iterations", "seconds"))
    if not seconds or not iterations:
        return "Every marked loss is too near or too far to compare saddle-free Newton with rivals"
    low, high = map(in_words, (min(seconds), max(seconds)))
    takes = f"takes {low if low == high else f'{low} to {high}'} times as long as the best rival"
    saves = ""
    if max(iterations) < 1:
        saves = f"saves iterations {'but' if max(seconds) > 1 else 'and'} "
    if min(iterations) >= 1:
        saves = "saves no iterations and "
    sentence = f"Saddle-free Newton {saves}{takes}"
    return sentence if len(sentence) <= plots.LONGEST_TITLE else f"Saddle-free Newton {takes}"


def in_words(ratio):
    """Return a ratio with two digits, such as 0.15, 6.3, 38 or 130."""
    return np.format_float_positional(ratio, 2, fractional=False, trim="-")


# ---- the picture ------------------------------------------------------------------------------------------

@plots.styled
def picture(rows, courses, title, caption):
    """Return the figure; rows and courses as `race` returns them."""
    drawing, panels = plots.figure([[f"{net} {unit}" for unit in MARGINS] for net in NETS], 9, 8.4, title, caption)
    by_name = {row["what"]: row for row in rows}
    highest = max(LEVELS[course[0] > 0].max(initial=2) for course in courses.values())
    for number, (unit, margin) in enumerate(MARGINS.items()):
        times = np.concatenate([course[number] for course in courses.values()])
        times = times[np.isfinite(times) & (times > 0)]
        limits = (times.min() / 1.5, times.max() * margin) if len(times) else (0.1, 10)
        for net in NETS:
            axes, curves = panels[f"{net} {unit}"], {}
            axes.set(xscale="log", yscale="log", xlim=limits, ylim=(0.035, 1.6 * highest),
                     title=f"{net}: loss against {unit}", xlabel=unit if unit == "iterations" else "processor seconds")
            axes.set_yticks(EXCESS, [f"{1 + excess:g}" for excess in EXCESS])
            axes.minorticks_off()
            for target in TARGETS:
                axes.axhline(target - 1, color=plots.PALE, lw=0.8, zorder=0)
            for method, (color, marker) in STYLES.items():
                course = courses[net, method][number]
                shown = np.isfinite(course) & (course > 0)
                curves[method] = course[shown], LEVELS[shown] - 1
                axes.plot(*curves[method], color=color, lw=2.5 if method == "saddle-free" else 1.3)
                row = by_name[f"{net}, {method}"]
                for target in TARGETS:
                    middle, low, high = (row[f"{unit}_to_{target:g}{end}"] for end in ("", "_low", "_high"))
                    if np.isfinite(high):
                        axes.plot([low, high], [target - 1] * 2, color=color, lw=4, alpha=0.3)
                    axes.plot(middle, target - 1, marker, color=color, ms=7, mec="white", mew=0.7)
            label_curves(axes, curves, label_ratios(axes, rows, net) if unit == "seconds" else (),
                         mark_end(axes, *curves["Newton"]))
    for net in NETS:
        panels[f"{net} iterations"].set_ylabel("loss, in units of the lowest of any method")
    return drawing


def mark_end(axes, times, excess):
    """Mark the last point of Newton's curve, which reaches no lower loss, and return its words: {"Newton": words}.

    times, excess : float64 (k,), the curve from its lowest loss to its highest; k is 0 where there is no curve
    """
    if not len(times) or excess[0] < axes.get_ylim()[0]:
        return {}
    color, marker = STYLES["Newton"]
    axes.plot(times[0], excess[0], marker, color=color, ms=7, mew=1.5)
    return {"Newton": "Newton, no\nlower than ×"}


def label_ratios(axes, rows, net):
    """Write at the right of each marked loss how many times as long as its best rival saddle-free Newton takes.

    axes : with logarithmic scales and final limits

    Returns the opposite corners of each text, in units of the panel: [((left, bottom), (right, top))].
    """
    compared, boxes = ratios(rows, "seconds"), []
    arrives = {target: np.isfinite(row[f"seconds_to_{target:g}"]) for row in rows for target in TARGETS
               if row["what"] == f"{net}, saddle-free"}
    for target in TARGETS:
        words = "" if arrives[target] else "not reached"
        if (net, target) in compared:
            rival, ratio = compared[net, target]
            words = f"{in_words(ratio)} × {rival}"
        if target == TARGETS[0]:
            words = f"saddle-free takes\n{words}"
        height = np.log((target - 1) / axes.get_ylim()[0]) / np.log(axes.get_ylim()[1] / axes.get_ylim()[0])
        axes.text(0.99, height + 0.01, words, transform=axes.transAxes, fontsize=8, ha="right", va="bottom",
                  color=plots.text_color(STYLES["saddle-free"][0]))
        lines = words.split("\n")
        boxes.append(((0.98 - 0.016 * max(map(len, lines)), height), (1, height + 0.01 + 0.04 * len(lines))))
    return boxes


def label_curves(axes, curves, boxes, words):
    """Write the name of each falling curve beside it, at the place that is farthest from other curves and names.

    axes : with logarithmic scales and final limits; curves : {method: (x, y)}, each float64 (k,); boxes : opposite
    corners of the texts that are there already, in units of the panel; words : {method: what stands for its name}
    """
    lows, highs = np.log([axes.get_xlim(), axes.get_ylim()]).T
    lines = {}
    for method, curve in curves.items():
        line = (np.log(curve).T - lows) / (highs - lows)  # in units of the panel
        inside = line[((line > 0) & (line < 1)).all(axis=1)]
        if len(inside) and np.ptp(inside[:, 1]) > 0.1:
            dense = np.linspace(0, len(inside) - 1, 4 * len(inside))
            lines[method] = np.column_stack([np.interp(dense, np.arange(len(inside)), along) for along in inside.T])
    grid = np.indices((12, 5)).reshape(2, -1).T / (11, 4)
    names = np.concatenate([np.empty((0, 2)), *(low + (np.array(high) - low) * grid for low, high in boxes)])  # covered
    for method, line in sorted(lines.items(), key=lambda item: -len(item[0])):
        name = words.get(method, method)
        rows = name.split("\n")
        size = np.array([0.018 * max(map(len, rows)) + 0.015, 0.04 * len(rows)])  # of the name, roughly
        others = np.concatenate([names, *(line for key, line in lines.items() if key != method)])
        best = (-1, None, None)
        for point in line[::12]:
            for sign in (1, -1):  # above at the right or below at the left: there the falling curve itself is not
                box = np.sort([point + sign * 0.012, point + sign * (0.012 + size)], axis=0)
                if (box > 0.01).all() and (box < 0.99).all():
                    room = min(np.hypot(*(others - near).T).min(initial=0.15)
                               for near in (point, np.clip(others, *box)))
                    best = max(best, (room, tuple(point), sign))
        room, point, sign = best
        if point is None:
            continue
        corner = np.array(point) + sign * 0.012
        names = np.concatenate([names, corner + sign * size * grid])
        axes.text(*corner, name, transform=axes.transAxes, fontsize=9, ha="left" if sign > 0 else "right",
                  va="bottom" if sign > 0 else "top", fontweight="bold", color=plots.text_color(STYLES[method][0]))


def main(settings):
    checks.positive_integers(images=settings.images, iterations=settings.iterations, steps=settings.steps,
                             runs=settings.runs)
    seed, runs = settings.seed, settings.runs
    dataset = optimizers.gray_images(settings.dataset, settings.images, seed)
    rows, courses = race(dataset, settings.iterations, settings.steps, runs, seed)
    finding = finding_of(rows)
    caption = (f"{dataset.name}, {len(dataset.labels):,} images; n = {plots.counted(runs, 'seed')}, curves are "
               "medians. Marks: 2, 1.2 and 1.05 times the lowest loss; bars: the middle 90 %, if all runs arrive. "
               "Saddle-free and shifted vary Newton's step, whose own curve is missing where it stays above the start.")
    arrays = {f"{net}_{method}": course for (net, method), course in courses.items()}
    return experiment.Result(rows, names=("what",), finding=finding,
                             columns=("loss", "negative", "iterations_to_2", "seconds_to_2", "milliseconds"),
                             headings=HEADINGS, figure=picture(rows, courses, finding, caption),
                             files={".npz": arrays | {"levels": LEVELS}}, data=[dataset.provenance],
                             suggestion="--dataset noise shows the race on images without digits")


if __name__ == "__main__":
    experiment.run(main)
