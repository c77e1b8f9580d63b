"""What do exact and saddle-free Newton steps buy against first order?

A race of training losses against iterations and seconds, on two nets: a classifier of 7 x 7 digits and an autoencoder
of 5 x 5 digits. Newton, Newton with a shifted spectrum and saddle-free Newton use the whole Hessian of all data; the
last two use the best of eight dampings at each step. SGD and Adam use batches of 20, with learning rates that fall to
zero. For each loss to be reached, the best of several rates and lengths of SGD and Adam counts. L-BFGS uses all data.

Figure: training loss of the first run, for each net against iterations and against seconds.

Source: Yann Dauphin and others, *Identifying and attacking the saddle point problem in high-dimensional non-convex
optimization*, 2014: the saddle-free step. Howon Lee, notes of 2017 and 2018 on second order.

Takes 45 s.
"""
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
RIVALS = ("SGD", "Adam", "L-BFGS")
TARGETS = (2.0, 1.2, 1.05)                          # losses to be reached, in units of the best that any method reached
COLORS = {"SGD": plots.GREY, "Adam": plots.INK, "L-BFGS": optimizers.GREEN, "Newton": optimizers.VIOLET,
          "shifted": plots.BLUE, "saddle-free": plots.RED}


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
    start = time.perf_counter()
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
        seconds.append(time.perf_counter() - start)
    return optimizers.Descent(np.arange(iterations + 1), np.array(losses), np.array(seconds), point)


def lbfgs_descent(objective, iterations):
    """Minimize by scipy's L-BFGS on all data; an iteration may take several gradients. Returns optimizers.Descent."""
    counts, losses, seconds, start = [0], [objective.loss(objective.start)], [0.0], time.perf_counter()

    def note(intermediate_result):
        counts.append(len(counts))
        losses.append(intermediate_result.fun)
        seconds.append(time.perf_counter() - start)

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


def first_reached(tried, target):
    """Return the fewest iterations and the fewest seconds to a loss of `target` in any descent, infinite if in none."""
    reached = [(descent.iterations[below[0]], descent.seconds[below[0]]) for descent in tried
               if (below := np.flatnonzero(descent.losses <= target)).size]
    return tuple(float(min(values)) for values in zip(*reached, strict=True)) if reached else (np.inf, np.inf)


def race(dataset, iterations, steps, runs, seed):
    """Run all methods on both nets.

    Returns
    -------
    rows : list of dict, one per net and method
    curves : {(net, method): the lowest Descent of the first run}
    """
    rows, curves = [], {}
    for net, objective_of in progress(NETS.items(), total=len(NETS), label="race"):
        objectives = [objective_of(dataset, run) for run in range(seed, seed + runs)]
        tries = {method: [descents(objective, method, iterations, steps, run)
                          for run, objective in enumerate(objectives, start=seed)] for method in COLORS}
        floors = [min(descent.losses.min() for method in tries for descent in tries[method][run])
                  for run in range(runs)]
        for method, by_run in tries.items():
            best = [lowest(tried) for tried in by_run]
            curves[net, method] = best[0]
            negative = [curvature.spectrum_summary(scipy.linalg.eigvalsh(objective.hessian(descent.end)))["negative"]
                        for objective, descent in zip(objectives, best, strict=True)]
            row = {"what": f"{net}, {method}", "parameters": objectives[0].start.size}
            row |= summaries.median_intervals(loss=[descent.losses.min() for descent in best], negative=negative)
            for target in TARGETS:
                pairs = [first_reached(tried, target * floor) for tried, floor in zip(by_run, floors, strict=True)]
                row |= summaries.median_intervals(**{f"iterations_to_{target:g}": [pair[0] for pair in pairs],
                                                     f"seconds_to_{target:g}": [pair[1] for pair in pairs]})
            per_iteration = np.median([descent.seconds[-1] / descent.iterations[-1] for descent in best])
            rows.append(row | {"milliseconds": 1e3 * per_iteration})
    return rows, curves


def finding_of(rows, target=TARGETS[0]):
    """Compare the seconds that saddle-free Newton and the fastest rival take to a loss, in one sentence."""
    seconds = {row["what"]: row[f"seconds_to_{target:g}"] for row in rows}
    clauses = []
    for net in NETS:
        newton = seconds[f"{net}, saddle-free"]
        rival, name = min((seconds[f"{net}, {name}"], name) for name in RIVALS)
        clauses.append(f"{comparison(newton, rival, name)} on {'digits' if net == 'digits' else 'the autoencoder'}")
    return f"To {target:g} times the lowest loss saddle-free Newton {clauses[0]}, and {clauses[1]}"


def comparison(newton, rival, name):
    """Compare two numbers of seconds in words; infinite seconds mean that the loss is not reached."""
    if not np.isfinite(newton):
        return "does not arrive"
    if not np.isfinite(rival):
        return "alone arrives"
    if newton == rival:
        return f"is as fast as {name}"
    return f"is {newton / rival:.1f} times slower than {name}" if newton > rival else (
        f"is {rival / newton:.1f} times faster than {name}")


@plots.styled
def picture(curves, title, caption):
    """Return the figure; curves as `race` returns them."""
    mosaic = [[f"{net} {unit}" for unit in ("iterations", "seconds")] for net in NETS]
    drawing, panels = plots.figure(mosaic, 9, 8.5, title, caption)
    for net in NETS:
        of_net = {method: curves[net, method] for method in COLORS}
        floor = min(descent.losses.min() for descent in of_net.values())
        ceiling = 3 * of_net["SGD"].losses[0]
        for unit in ("iterations", "seconds"):
            axes = panels[f"{net} {unit}"]
            for method, descent in of_net.items():
                axes.plot(getattr(descent, unit)[1:], descent.losses[1:], color=COLORS[method], lw=1.5, label=method)
            axes.set(title=f"{net}: training loss", xlabel=unit, ylabel="loss, l2 counted", xscale="log", yscale="log",
                     ylim=(0.8 * floor, ceiling))
    panels["digits iterations"].legend(fontsize=8, loc="upper right", title="Newton alone leaves upwards",
                                       title_fontsize=8)
    return drawing


def main(settings):
    checks.positive_integers(images=settings.images, iterations=settings.iterations, steps=settings.steps,
                             runs=settings.runs)
    seed, runs = settings.seed, settings.runs
    dataset = optimizers.gray_images(settings.dataset, settings.images, seed)
    rows, curves = race(dataset, settings.iterations, settings.steps, runs, seed)
    finding = finding_of(rows)
    caption = (f"{dataset.name}, {len(dataset.labels):,} images; n = {runs} runs, seeds {seed} to {seed + runs - 1}; "
               "the curves are those of the first run. Rates and lengths of SGD and Adam are the best for each loss.")
    arrays = {f"{net}_{method}": np.array(descent[:3]) for (net, method), descent in curves.items()}
    return experiment.Result(rows, names=("what",), finding=finding,
                             columns=("loss", "negative", "iterations_to_2", "seconds_to_2", "milliseconds"),
                             figure=picture(curves, finding, caption), files={".npz": arrays},
                             data=[dataset.provenance])


if __name__ == "__main__":
    experiment.run(main)
