"""How many iterations does Chebyshev's step of third order save against Newton's?

Both minimize until the gradient's length is below 1e-8: Newton's step alone, and the better of Newton's and Chebyshev's
at each iteration, which is the one with the lower loss. The problems are Rosenbrock's function from random points in
[-2, 2]², and logistic regression on images of 5 x 5 pixels with two weights of the squared parameters, where Newton's
step is halved until the loss falls.

Figure: the mean number of iterations, for each problem.

Source: Joseph Traub, *Iterative Methods for the Solution of Equations*, 1964: Chebyshev's method.

Takes 3 s.
"""
import numpy as np
import scipy

import mlp
import optimizers
from gradnets import checks, curvature, datasets, experiment, plots
from gradnets.errors import UserError

DATASET = "glyphs"          # data set of gray images: glyphs, noise or mnist
IMAGES = 500                # number of images
STARTS = 300                # number of random starting points on Rosenbrock's function
SEED = 0                    # seed of data, weights and starting points

# ---- not flags --------------------------------------------------------------------------------------------

L2 = (1e-4, 1e-6)           # weights of the squared parameters, in logistic regression
SETS, DRAWS = 5, 4          # sets that the images are parted in, and draws of initial weights for each set


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
        ended = [pair for pair in of_problem if np.isfinite(pair).all()]
        newton, chebyshev = np.mean(ended, axis=0) if ended else (np.nan, np.nan)
        rows.append({"what": name, "cases": len(of_problem), "both_ended": len(ended), "newton": newton,
                     "chebyshev": chebyshev, "fewer_percent": 100 * (1 - chebyshev / newton)})
    return rows


@plots.styled
def picture(rows, title, caption):
    """Return the figure: two bars for each row."""
    drawing, panels = plots.figure([["iterations"]], 9, 4.5, title, caption)
    axes = panels["iterations"]
    for place, row in enumerate(rows):
        for key, color, shift in (("newton", plots.GREY, -0.15), ("chebyshev", plots.RED, 0.15)):
            axes.barh(place + shift, row[key], 0.28, color=color, label=key.capitalize() if place == 0 else None)
            axes.text(row[key], place + shift, f" {row[key]:.1f}", va="center", fontsize=8)
    axes.set(title="iterations to a gradient below 1e-8", xlabel="iterations, mean", ylim=(len(rows) - 0.4, -0.6))
    axes.set_yticks(range(len(rows)), [row["what"].replace(", ", "\n").replace(" regression", "\nregression")
                                       + f"\n(n = {row['both_ended']})" for row in rows], fontsize=8)
    axes.margins(x=0.15)
    axes.legend(fontsize=8)
    return drawing


def main(settings):
    checks.positive_integers(images=settings.images, starts=settings.starts)
    if settings.images < SETS:
        raise UserError(f"images is {settings.images}: expected at least {SETS}, one for each set of the regression")
    dataset = optimizers.gray_images(settings.dataset, settings.images, settings.seed)
    rows = iteration_rows(dataset, settings.starts, settings.seed)
    fewer = [row["fewer_percent"] for row in rows]
    finding = f"Chebyshev's step saves {min(fewer):.0f} to {max(fewer):.0f} % of Newton's iterations"
    caption = f"{dataset.name}, {len(dataset.labels):,} images in {SETS} sets; seed {settings.seed}"
    return experiment.Result(rows, names=("what",), finding=finding, figure=picture(rows, finding, caption),
                             data=[dataset.provenance])


if __name__ == "__main__":
    experiment.run(main)
