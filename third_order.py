"""How many iterations does Chebyshev's step of third order save against Newton's?

Both minimize until the gradient's length is below 1e-8: Newton's step alone, and the better of Newton's and Chebyshev's
at each iteration, which is the one with the lower loss. The problems are Rosenbrock's function from random points in
[-2, 2]², and logistic regression on images of 5 x 5 pixels with two weights of the squared parameters, where Newton's
step is halved until the loss falls.

Figure: iterations of both methods, for each problem.

Source: Joseph Traub, *Iterative Methods for the Solution of Equations*, 1964: Chebyshev's method.

Takes 3 s.
"""
import numpy as np
import scipy

import mlp
import optimizers
from gradnets import checks, curvature, datasets, experiment, plots, summaries
from gradnets.errors import UserError

DATASET = "glyphs"          # data set of gray images: glyphs, noise or mnist
IMAGES = 500                # number of images
STARTS = 300                # number of random starting points on Rosenbrock's function
SEED = 0                    # seed of data, weights and starting points

# ---- not flags --------------------------------------------------------------------------------------------

L2 = (1e-4, 1e-6)           # weights of the squared parameters, in logistic regression
SETS, DRAWS = 5, 4          # sets that the images are parted in, and draws of initial weights for each set
METHODS = {"newton": (plots.GREY, "o", -0.17), "chebyshev": (plots.RED, "D", 0.17)}  # color, marker, place in a row
LABELS = ("Rosenbrock's function", *(f"logistic regression\nl2 = {np.format_float_positional(l2)}" for l2 in L2))
HEADINGS = {"what": "problem", "both_ended": "solved by both", "newton": "Newton's iterations",
            "chebyshev": "Chebyshev's iterations", "fewer_percent": "saved, percent"}


def iterations_to_minimum(loss, gradient, hessian, third, start, chebyshev, halve, limit=200):
    """Count the iterations to a gradient below 1e-8; infinite if more than `limit` are needed.

    Parameters
    ----------
    loss, gradient, hessian : functions of a point, float64 (p,)
    third : function of a point and a direction to the third derivative, twice along the direction
    start : float64 (p,)
    chebyshev : bool
        Take Chebyshev's step where it leads to a lower loss than Newton's.
    halve : bool
        Halve Newton's step, at most ten times, until the loss falls.
    """
    point = start
    for index in range(limit):
        slope = gradient(point)
        if np.linalg.norm(slope) < 1e-8:
            return index
        curve = hessian(point)
        newton = curvature.newton_step(slope, curve)
        shortened = (newton * 0.5**k for k in range(11 if halve else 1))
        move = next((step for step in shortened if not halve or loss(point + step) < loss(point)), newton)
        if chebyshev:
            step = curvature.chebyshev_step(slope, curve, lambda p, at=point: third(at, p))
            move = min(move, step, key=lambda step, at=point: loss(at + step))
        point = point + move
    return np.inf


def rosenbrock_third(point, direction):
    """Return T[p, p] of Rosenbrock's function, whose only third derivatives are xxx, 2400 x, and xxy, -400."""
    return np.array([2400 * point[0] * direction[0]**2 - 800 * direction[0] * direction[1], -400 * direction[0]**2])


def iteration_rows(dataset, starts, seed):
    """Return the mean iterations of both methods, a row for each problem, over the cases in which both end."""
    rng = np.random.default_rng(seed)

    def both(*problem, halve):
        return [iterations_to_minimum(*problem, chebyshev, halve) for chebyshev in (False, True)]

    rosenbrock = scipy.optimize.rosen, scipy.optimize.rosen_der, scipy.optimize.rosen_hess, rosenbrock_third
    pairs = {"Rosenbrock": [both(*rosenbrock, point, halve=False) for point in rng.uniform(-2, 2, size=(starts, 2))]}
    images = datasets.pool(dataset, 5)
    for l2 in L2:
        of_problem = pairs[f"logistic regression, l2 {l2:g}"] = []
        for chosen in np.array_split(np.arange(len(images.labels)), SETS) * DRAWS:
            network = mlp.MLP((25, images.classes), "tanh", "cross-entropy", "normal(0.01)", rng)
            objective = curvature.Objective(network, images.inputs[chosen], images.labels[chosen], l2)
            of_problem.append(both(objective.loss, objective.gradient, objective.hessian, objective.third,
                                   objective.start, halve=True))
    rows = []
    for name, of_problem in pairs.items():
        ended = np.array([pair for pair in of_problem if np.isfinite(pair).all()] or [[np.nan, np.nan]])
        newton, chebyshev = ended.mean(axis=0)
        row = {"what": name, "cases": len(of_problem), "both_ended": int(np.isfinite(ended[:, 0]).sum())}
        row |= summaries.median_intervals(newton=ended[:, 0], chebyshev=ended[:, 1])
        rows.append(row | {"newton": newton, "chebyshev": chebyshev, "fewer_percent": 100 * (1 - chebyshev / newton)})
    return rows


def finding_of(rows):
    """Say in one sentence how many percent of the iterations are saved, over the problems that were solved."""
    fewer = [row["fewer_percent"] for row in rows if row["both_ended"]]
    if not fewer:
        return "No case was solved by both methods"
    least, most = f"{min(fewer):.0f}", f"{max(fewer):.0f}"
    span = least if least == most else f"{least} to {most}"
    return f"Chebyshev's third-order step saves {span} % of Newton's iterations"


@plots.styled
def picture(rows, title, caption):
    """Return the figure: an interval for each problem and method."""
    drawing, panels = plots.figure([["iterations"]], 9, 4, title, caption)
    axes = panels["iterations"]
    right = 1.15 * max(row[f"{key}_high"] for row in rows for key in METHODS)
    for place, row in enumerate(rows):
        for key, (color, marker, shift) in METHODS.items():
            axes.plot([row[f"{key}_low"], row[f"{key}_high"]], [place + shift] * 2, color=color, lw=6, alpha=0.3,
                      solid_capstyle="butt")
            axes.plot(row[key], place + shift, marker, color=color, ms=8)
            words = f"{row[key]:.1f}" + (f", {row['fewer_percent']:.0f} % fewer" if key == "chebyshev" else "")
            axes.annotate(f"{key.capitalize()} {words}" if place == 0 else words, (row[f"{key}_high"], place + shift),
                          xytext=(6, 0), textcoords="offset points", va="center", color=plots.text_color(color),
                          fontweight="bold")
        if place:
            axes.axhline(place - 0.5, color=plots.PALE, lw=0.8)
    axes.set(xlabel="iterations until the gradient's length is below $10^{-8}$", ylim=(len(rows) - 0.5, -0.5),
             xlim=(0, right))
    axes.set_yticks(range(len(rows)), [f"{label}\nn = {row['both_ended']}"
                                       for label, row in zip(LABELS, rows, strict=True)])
    axes.tick_params(axis="y", length=0)
    return drawing


def main(settings):
    checks.positive_integers(images=settings.images, starts=settings.starts)
    if settings.images < SETS:
        raise UserError(f"images is {settings.images}: expected at least {SETS}, one for each set of the regression")
    dataset = optimizers.gray_images(settings.dataset, settings.images, settings.seed)
    rows = iteration_rows(dataset, settings.starts, settings.seed)
    finding = finding_of(rows)
    caption = ("Symbols are means over n starting points, bars the middle 90 %. Chebyshev: its step or Newton's, "
               f"whichever leads to the lower loss. Regression: {len(dataset.labels):,} images of {dataset.name} in "
               f"{SETS} sets; l2 is the weight of the squared parameters.")
    return experiment.Result(rows, names=("what",), finding=finding,
                             columns=("cases", "both_ended", "newton", "chebyshev", "fewer_percent"), headings=HEADINGS,
                             figure=picture(rows, finding, caption), data=[dataset.provenance],
                             suggestion="--dataset noise shows the regression on images without digits")


if __name__ == "__main__":
    experiment.run(main)
