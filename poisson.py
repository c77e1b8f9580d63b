"""How fast does a small net solve Poisson's equation to one part in a million, by steps of second order?

The equation is -Δu = 2π² sin(πx) sin(πy) on the unit square, with u = 0 on its boundary; the solution is known. A tanh
net of one hidden layer minimizes the squares of the residuals at points inside and on the boundary. The error is the L2
norm of the net minus the solution, over that of the solution, on a finer grid.

Three methods start at the same weights. Levenberg-Marquardt takes -(JᵀJ + damping I)⁻¹ Jᵀr, from the exact derivatives
J of the residuals r: where the damping is small, this is the energy natural gradient of the source. The damping is
halved after each step that lowers the loss, and doubled until one does. L-BFGS is scipy's with 50 pairs. Adam has the
rate, of ADAM_RATES, with the lowest median error at the end. All use the gradient Jᵀr.

Seconds are processor time without the measurement of the error. The damping's factor, the points and the weight of the
boundary were chosen on the seeds 0 to 5.

Figure: error against seconds, for each method; the source's errors, for which it gives no time on this machine.

Source: Johannes Müller and Marius Zeinhofer, "Achieving high accuracy with PINNs via energy natural gradient descent",
ICML 2023: 32 hidden units, relative errors of 1e-8 to 1e-6.

Takes 100 s.
"""
import time

import numpy as np
from scipy import linalg, optimize

from gradnets import checks, curvature, experiment, plots, streams, summaries
from gradnets.errors import UserError
from gradnets.progress import progress

HIDDEN_UNITS = 32           # number of hidden units
POINTS = 16                 # points inside the square, and on each of its sides: POINTS² and POINTS
SECONDS = 1.5               # processor time of each method
TARGET = 1e-6               # relative error that is waited for
RUNS = 10                   # number of runs, with seeds starting at SEED
SEED = 100                  # seed of the initial weights

# ---- not flags --------------------------------------------------------------------------------------------

BOUNDARY = 10.0             # weight of a residual on the boundary
FACTOR = 2.0                # between one damping and the next
GRID = 30                   # points of the error's grid in each direction
MEMORY = 50                 # pairs of L-BFGS
ADAM_RATES = (1e-2, 3e-3, 1e-3)
EVERY = 20                  # steps of Adam between two measurements of the error
SOURCE = 1e-8, 1e-6         # relative errors that the source reports
STYLES = {"Levenberg-Marquardt": (plots.RED, "-"), "L-BFGS": (plots.BLUE, "--"), "Adam": (plots.GREY, "-.")}
HEADINGS = {"what": "method", "arrived": "arrived", "seconds": "seconds to target", "error": "last error"}


def solution(points):
    """Return the solution at points (k, 2), float64 (k,)."""
    return np.sin(np.pi * points[:, 0]) * np.sin(np.pi * points[:, 1])


class Poisson:
    """The residuals of a net at points of the unit square.

    Attributes
    ----------
    inside, boundary : float64 (k, 2)
    """

    def __init__(self, count):
        line, middles = np.linspace(0, 1, count + 2)[1:-1], (np.arange(count) + 0.5) / count
        zeros, ones = np.zeros(count), np.ones(count)
        self.inside = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
        self.boundary = np.vstack([np.column_stack(side) for side in ((middles, zeros), (middles, ones),
                                                                      (zeros, middles), (ones, middles))])
        self.source = 2 * np.pi**2 * solution(self.inside)
        self.weights = len(self.inside)**-0.5, BOUNDARY * len(self.boundary)**-0.5
        fine = (np.arange(GRID) + 0.5) / GRID
        self.grid = np.stack(np.meshgrid(fine, fine), axis=-1).reshape(-1, 2)
        self.expected = solution(self.grid)

    def residuals(self, vector):
        """Return the weighted residuals (k,) of a net's parameters."""
        inside, boundary = self.weights
        return np.concatenate([inside * (curvature.net_laplacian(vector, self.inside) + self.source),
                               boundary * curvature.net_values(vector, self.boundary)])

    def residuals_and_jacobian(self, vector):
        """Return the weighted residuals (k,), and their derivatives by the parameters (k, p)."""
        inside, boundary = self.weights
        laplacian, by_laplacian = curvature.net_laplacian(vector, self.inside, jacobian=True)
        values, by_values = curvature.net_values(vector, self.boundary, jacobian=True)
        return (np.concatenate([inside * (laplacian + self.source), boundary * values]),
                np.vstack([inside * by_laplacian, boundary * by_values]))

    def loss_and_gradient(self, vector):
        """Return half of the sum of the squared residuals, and its gradient (p,)."""
        residuals, jacobian = self.residuals_and_jacobian(vector)
        return residuals @ residuals / 2, residuals @ jacobian

    def error(self, vector):
        """Return the relative L2 error of a net on the fine grid."""
        return np.linalg.norm(curvature.net_values(vector, self.grid) - self.expected) / np.linalg.norm(self.expected)


def initial(units, seed):
    """Return Glorot's uniform weights, with biases of the same law, for 2-units-1, float64 (4 units + 1,)."""
    rng = streams.generator(seed, streams.WEIGHTS)
    first, last = (6 / (2 + units))**0.5, (6 / (units + 1))**0.5
    return np.concatenate([rng.uniform(-first, first, 3 * units), rng.uniform(-last, last, units), [0.0]])


# ---- the methods: each reports its parameters, and ends when the report says that time is up ---------------

def levenberg_marquardt(problem, vector, report):
    """Report after each step that lowers the loss, until no damping does."""
    damping, unit = 1.0, np.eye(len(vector))
    residuals, jacobian = problem.residuals_and_jacobian(vector)
    while damping < 1e12:
        factor = linalg.cho_factor(jacobian.T @ jacobian + damping * unit, check_finite=False)
        step = -linalg.cho_solve(factor, residuals @ jacobian, check_finite=False)
        moved = problem.residuals(vector + step)
        if moved @ moved < residuals @ residuals:
            vector, damping = vector + step, max(damping / FACTOR, 1e-14 * np.sum(jacobian**2))
            residuals, jacobian = problem.residuals_and_jacobian(vector)
            if report(vector):
                return
        else:
            damping *= FACTOR


def adam(problem, vector, report, rate):
    """Report after every EVERY steps of Adam."""
    mean, square, step = np.zeros_like(vector), np.zeros_like(vector), 0
    while not (step and step % EVERY == 0 and report(vector)):
        step += 1
        _, gradient = problem.loss_and_gradient(vector)
        mean, square = 0.9 * mean + 0.1 * gradient, 0.999 * square + 0.001 * gradient**2
        vector = vector - rate * mean / (1 - 0.9**step) / (np.sqrt(square / (1 - 0.999**step)) + 1e-8)


def lbfgs(problem, vector, report):
    """Report after each iteration of L-BFGS."""
    def callback(vector):
        if report(vector):
            raise StopIteration

    optimize.minimize(problem.loss_and_gradient, vector, jac=True, method="L-BFGS-B", callback=callback,
                      options={"maxcor": MEMORY, "maxiter": 10**9, "maxfun": 10**9, "ftol": 0, "gtol": 0})


def course(method, problem, start, seconds, *options):
    """Return the seconds and the errors that a method reports, two float64 (k,), until the seconds are over."""
    times, errors, begin = [], [], time.process_time()

    def report(vector):
        nonlocal begin
        now = time.process_time()
        times.append(now - begin)
        errors.append(problem.error(vector))
        begin += time.process_time() - now
        return times[-1] > seconds

    method(problem, start, report, *options)
    return np.array(times), np.array(errors)


def first_below(times, errors, target):
    """Return the seconds to the first error below the target, infinite without one."""
    return next((float(at) for at, error in zip(times, errors, strict=True) if error < target), np.inf)


def courses_of(settings):
    """Return each method's courses, {name: [(seconds, errors), one per seed]}, and the name of Adam's best rate."""
    problem = Poisson(settings.points)
    courses = {}
    for seed in progress(range(settings.seed, settings.seed + settings.runs), label="runs"):
        start = initial(settings.hidden_units, seed)
        methods = {"Levenberg-Marquardt": (levenberg_marquardt,), "L-BFGS": (lbfgs,)}
        methods |= {f"Adam, rate {rate:g}": (adam, rate) for rate in ADAM_RATES}
        for name, (method, *options) in methods.items():
            run = course(method, problem, start, settings.seconds, *options)
            courses.setdefault(name, []).append(run)
    best = min((name for name in courses if name.startswith("Adam")),
               key=lambda name: np.median([errors.min() for _, errors in courses[name]]))
    return {name: courses[best if name == "Adam" else name] for name in STYLES}, best


def row_of(name, runs, target):
    """Return a method's row: how many runs arrive, after how many seconds, and the lowest errors."""
    seconds = [first_below(*run, target) for run in runs]
    return {"what": name, "runs": len(runs), "arrived": int(np.isfinite(seconds).sum()),
            **summaries.median_intervals(seconds=seconds, error=[errors.min() for _, errors in runs]),
            "steps": int(np.median([len(errors) for _, errors in runs]))}


def finding_of(rows, target):
    """Say in one sentence which method reaches the target in most runs, and how fast."""
    first = max(rows, key=lambda row: (row["arrived"], -row["seconds"]))
    if not first["arrived"]:
        return f"No method solves Poisson's equation to {target:g}"
    accuracy = f"{target:g}".replace("e-0", "e-")
    end = f"in {first['seconds']:.2f} s" if np.isfinite(first["seconds"]) else "in some runs"
    rest = sum(row["arrived"] for row in rows) - first["arrived"]
    return (f"{first['what']} solves Poisson's equation to {accuracy} {end}"
            + ("; no other method does" if not rest else ""))


@plots.styled
def picture(courses, rows, settings, title, caption):
    """Return the figure: the median error so far and the middle 90 % against seconds, a line per method."""
    drawing, panels = plots.figure([["error"]], 9, 4.6, title, caption)
    axes = panels["error"]
    grid = np.geomspace(settings.seconds / 300, settings.seconds, 200)
    for row in rows:
        name, (color, dash) = row["what"], STYLES[row["what"]]
        so_far = []
        for times, errors in courses[name]:
            lowest = np.concatenate([[np.nan], np.minimum.accumulate(errors)])
            so_far.append(lowest[np.searchsorted(times, grid, side="right")])
        seen = np.isfinite(so_far).all(axis=0)
        low, middle, high = summaries.quantiles(np.array(so_far)[:, seen], axis=0)
        axes.fill_between(grid[seen], low, high, color=color, alpha=0.2, lw=0)
        axes.plot(grid[seen], middle, dash, color=color, lw=2)
        axes.annotate(name, (grid[seen][-1], middle[-1]), xytext=(6, 0), textcoords="offset points", va="center",
                      color=plots.text_color(color), fontweight="bold", annotation_clip=False)
    at = settings.seconds * 13
    axes.plot([at, at], SOURCE, color=plots.INK, lw=1)
    axes.plot([at, at], SOURCE, "D", mfc="white", mec=plots.INK, ms=8)
    axes.annotate("the source's errors,\nat any time", (at, SOURCE[1]), xytext=(0, 8), textcoords="offset points",
                  ha="center", va="bottom")
    axes.axhline(settings.target, color=plots.INK, lw=0.8, ls=":")
    axes.set(xscale="log", yscale="log", xlabel="processor seconds", ylabel="lowest relative error so far",
             xlim=(grid[0], settings.seconds * 28))
    ticks = [tick for tick in (0.01, 0.03, 0.1, 0.3, 1, 3) if grid[0] <= tick <= settings.seconds]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    return drawing


def main(settings):
    checks.positive_integers(hidden_units=settings.hidden_units, points=settings.points, runs=settings.runs)
    if not (0 < settings.seconds < np.inf and 0 < settings.target < 1):
        raise UserError(f"seconds is {settings.seconds} and target {settings.target}: expected a positive number of "
                        "seconds, and a target between 0 and 1")
    courses, best = courses_of(settings)
    rows = [row_of(name, runs, settings.target) for name, runs in courses.items()]
    finding = finding_of(rows, settings.target)
    caption = (f"Lines are medians, bands the middle 90 % of {settings.runs} runs. Net 2-{settings.hidden_units}-1, "
               f"{settings.points**2} points inside and {4 * settings.points} on the boundary; the error is measured "
               f"at {GRID**2:,} other points. {best}: the best of {len(ADAM_RATES)} rates. One thread.")
    return experiment.Result(rows, names=("what",), finding=finding,
                             columns=("runs", "arrived", "seconds", "error"), headings=HEADINGS,
                             figure=picture(courses, rows, settings, finding, caption),
                             suggestion="--hidden-units 16 shows a smaller net")


if __name__ == "__main__":
    experiment.run(main)
