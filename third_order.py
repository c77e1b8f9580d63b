"""How many of Newton's iterations, and how much of its time, do steps of order three to five save?

Newton's path leads from a point to a critical point: along it the gradient shrinks in proportion. Newton's step is the
first term of the path's Taylor series and has order two, Chebyshev's step adds the second and has order three, and so
on. One factorization of the Hessian gives all terms. Each method takes the sum of terms, from Newton's step up to its
own order, that leads to the lowest loss, until the gradient's length is below 1e-8.

The problems are Rosenbrock's function from random points in [-2, 2]², and logistic regression of images at several
sizes, with two weights of the squared parameters. In logistic regression each method also tries half of the path, and
if no sum lowers the loss, Newton's step is halved until the loss falls.

Seconds are processor time, of all methods in turn on the same problem.

Figure: iterations saved, and time over Newton's, for each problem and order.

Source: Joseph Traub, *Iterative Methods for the Solution of Equations*, 1964: Chebyshev's method and its relatives.

Takes 80 s.
"""
import time
from typing import NamedTuple

import numpy as np
import scipy

import mlp
import optimizers
from gradnets import checks, curvature, datasets, experiment, plots, summaries
from gradnets.errors import UserError

DATASET = "glyphs"          # data set of gray images: glyphs, noise or mnist
IMAGES = 500                # number of images
SIDES = (5, 7, 14)          # widths of the images of the regressions, in pixels
STARTS = 300                # number of random starting points on Rosenbrock's function
SEED = 0                    # seed of data, weights and starting points

# ---- not flags --------------------------------------------------------------------------------------------

L2 = (1e-4, 1e-6)           # weights of the squared parameters, in logistic regression
SETS, DRAWS = 5, 4          # sets that the smallest images are parted in, and draws of initial weights for each set
LARGER_DRAWS = (5, 3)       # draws of initial weights on all images, for the second width and the others
ORDERS = (3, 4, 5)          # orders of convergence that are compared with Newton's, which is 2
ROUNDING = 1e-6             # length of the gradient from which differences of the loss are rounding errors
STYLES = {3: (plots.RED, "D"), 4: (plots.BLUE, "s"), 5: (plots.GREEN, "o")}
HEADINGS = {"what": "problem", "all_ended": "solved by all", "newton": "Newton's iterations",
            "fewer_percent": "saved, percent", "time_ratio": "time over Newton's"}


class Problem(NamedTuple):
    """Functions of a point float64 (p,), and whether steps are halved until the loss falls.

    Attributes
    ----------
    loss, gradient, hessian : functions of a point
    gradient_and_series : function of a point to the gradient and its Taylor coefficients, as
        `curvature.newton_series` takes them
    halve : bool
    """

    loss: object
    gradient: object
    hessian: object
    gradient_and_series: object
    halve: bool


def iterations_to_minimum(problem, start, order, limit=200):
    """Count the iterations to a gradient below 1e-8; infinite if more than `limit` are needed.

    Parameters
    ----------
    problem : Problem
    start : float64 (p,)
    order : int
        Largest order of the steps; 2 is Newton's method.
    """
    point, before, powers = start, problem.loss(start), np.arange(1, order)[:, None]
    for index in range(limit):
        slope, coefficient = (problem.gradient(point), None) if order == 2 else problem.gradient_and_series(point)
        length = np.linalg.norm(slope)
        if length < 1e-8:
            return index
        terms = curvature.newton_series(slope, problem.hessian(point), coefficient, order)
        lengths = (1.0, 0.5) if problem.halve else (1.0,)
        steps = [step for t in lengths for step in np.cumsum(t**powers * terms, axis=0)]
        losses = [problem.loss(point + step) for step in steps]
        best = int(np.argmin(losses))
        step, loss = steps[best], losses[best]
        if problem.halve and length > ROUNDING and not loss < before:
            shortened = (0.5**k * terms[0] for k in range(2, 11))
            step, loss = next(((short, loss) for short in shortened if (loss := problem.loss(point + short)) < before),
                              (step, loss))
        point, before = point + step, loss
    return np.inf


def rosenbrock_series(point):
    """Return the gradient of Rosenbrock's function, and its Taylor coefficients as a function of a path's terms."""
    def coefficient(terms):
        x, y = np.vstack([point, terms, np.zeros(2)]).T  # by powers of t
        top = len(terms) + 1
        excess = y - np.convolve(x, x)[:top + 1]  # of y over x²
        return np.array([2 * x[top] - 400 * np.convolve(x, excess)[top], 200 * excess[top]])
    return scipy.optimize.rosen_der(point), coefficient


def regression(images, chosen, l2, rng):
    """Return a logistic regression on the chosen images, as a Problem, and its random start."""
    network = mlp.MLP((images.inputs.shape[1], images.classes), "tanh", "cross-entropy", "normal(0.01)", rng)
    objective = curvature.Objective(network, images.inputs[chosen], images.labels[chosen], l2)
    return Problem(objective.loss, objective.gradient, objective.hessian, objective.gradient_and_series,
                   halve=True), objective.start


def problems(dataset, sides, starts, seed):
    """Yield the name of each problem, its label, its number of parameters, and the list of its cases and starts."""
    rng = np.random.default_rng(seed)
    rosenbrock = Problem(scipy.optimize.rosen, scipy.optimize.rosen_der, scipy.optimize.rosen_hess,
                         rosenbrock_series, halve=False)
    yield ("Rosenbrock", "Rosenbrock's function", 2,
           [(rosenbrock, point) for point in rng.uniform(-2, 2, size=(starts, 2))])
    everything = np.arange(len(dataset.labels))
    for place, side in enumerate(sides):
        images = datasets.pool(dataset, side)
        parts = (np.array_split(everything, SETS) * DRAWS if place == 0
                 else [everything] * LARGER_DRAWS[min(place, len(LARGER_DRAWS)) - 1])
        for l2 in L2:
            cases = [regression(images, chosen, l2, rng) for chosen in parts]
            size = len(cases[0][1])
            number = np.format_float_positional(l2)
            yield (f"logistic regression, {size:,} parameters, l2 {l2:g}",
                   f"regression, {size:,} parameters\nl2 = {number}", size, cases)


def order_rows(dataset, sides, starts, seed):
    """Return a row for each problem and order: mean iterations, and times over Newton's, where all orders end."""
    rows = []
    for name, label, size, cases in problems(dataset, sides, starts, seed):
        iterations_to_minimum(*cases[0], max(ORDERS), limit=1)  # compiles and warms up
        iterations, seconds = np.empty((2, len(cases), 1 + len(ORDERS)))
        for index, case in enumerate(cases):
            for column, order in enumerate((2, *ORDERS)):
                begin = time.process_time()
                iterations[index, column] = iterations_to_minimum(*case, order)
                seconds[index, column] = time.process_time() - begin
        ended = np.isfinite(iterations).all(axis=1)
        for column, order in enumerate(ORDERS, start=1):
            row = {"what": name, "label": label, "order": order, "parameters": size, "cases": len(cases),
                   "all_ended": int(ended.sum())}
            if ended.any():
                newton, series = iterations[ended, 0], iterations[ended, column]
                row |= {"newton": newton.mean(), "iterations": series.mean(),
                        "fewer_percent": 100 * (1 - series.mean() / newton.mean())}
                row |= summaries.median_intervals(saved=100 * (1 - series / newton),
                                                  time_ratio=seconds[ended, column] / seconds[ended, 0],
                                                  seconds=seconds[ended, column], newton_seconds=seconds[ended, 0])
            rows.append(row)
    return rows


def finding_of(rows):
    """Say in one sentence how many iterations order four saves on the solved problems, and where it saves time."""
    solved = [row for row in rows if row["order"] == 4 and row["all_ended"]]
    if not solved:
        return "No case was solved by all orders"
    low, high = (f"{end(row['fewer_percent'] for row in solved):.0f}" for end in (min, max))
    quicker = sum(row["time_ratio"] < 1 for row in solved) / len(solved)
    time_saved = ("and time on every problem" if quicker == 1 else "and time on most problems" if quicker > 0.5 else
                  "and time on some problems" if quicker else "but no time")
    return f"Order 4 saves {low if low == high else f'{low} to {high}'} % of Newton's iterations, {time_saved}"


@plots.styled
def picture(rows, title, caption):
    """Return the figure: iterations saved and time over Newton's, a mark for each problem and order."""
    labels = list(dict.fromkeys(row["label"] for row in rows))
    drawing, panels = plots.figure([["saved", "time_ratio"]], 10, 1.6 + 0.62 * len(labels), title, caption,
                                   sharey=True)
    for key, axes in panels.items():
        for row in rows:
            if not row["all_ended"]:
                continue
            color, marker = STYLES[row["order"]]
            place = labels.index(row["label"]) + 0.25 * (row["order"] - 4)
            middle = row["fewer_percent" if key == "saved" else key]
            axes.plot([row[f"{key}_low"], row[f"{key}_high"]], [place] * 2, color=color, lw=4, alpha=0.3,
                      solid_capstyle="butt")
            axes.plot(middle, place, marker, color=color, ms=6,
                      label=f"order {row['order']}" if row["label"] == labels[0] else None)
        for place in range(1, len(labels)):
            axes.axhline(place - 0.5, color=plots.PALE, lw=0.8)
        axes.tick_params(axis="y", length=0)
    cases = {row["label"]: row["all_ended"] for row in rows}
    panels["saved"].set_yticks(range(len(labels)), [f"{label}, n = {cases[label]}" for label in labels])
    panels["saved"].set(xlabel="iterations saved against Newton's, percent", ylim=(len(labels) - 0.5, -0.5))
    panels["saved"].axvline(0, color=plots.INK, lw=1, ls="--")
    panels["time_ratio"].axvline(1, color=plots.INK, lw=1, ls="--")
    panels["time_ratio"].set(xlabel="processor time over Newton's")
    panels["time_ratio"].text(1, -0.42, " Newton", va="center", fontsize="small")
    panels["saved"].legend(loc="best", frameon=True)
    return drawing


def main(settings):
    checks.positive_integers(images=settings.images, starts=settings.starts, sides=settings.sides)
    if settings.images < SETS:
        raise UserError(f"images is {settings.images}: expected at least {SETS}, one for each set of the regression")
    dataset = optimizers.gray_images(settings.dataset, settings.images, settings.seed)
    rows = order_rows(dataset, settings.sides, settings.starts, settings.seed)
    finding = finding_of(rows)
    caption = ("Symbols: share of all iterations, and the median of the ratios of times, over n starts; bars: the "
               f"middle 90 % of the starts. Each order takes its best partial sum of the series. {dataset.name}: "
               f"{len(dataset.labels):,} images; l2 is the weight of the squared parameters. One thread.")
    return experiment.Result(rows, names=("what", "order"), finding=finding,
                             columns=("all_ended", "newton", "iterations", "fewer_percent", "time_ratio"),
                             headings=HEADINGS, figure=picture(rows, finding, caption), data=[dataset.provenance],
                             suggestion="--dataset noise shows the regression on images without digits")


if __name__ == "__main__":
    experiment.run(main)
