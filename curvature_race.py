"""Where does second order pay on the clock?

A race of training losses against processor seconds, on six tasks. All methods use one fused pass for loss and gradient.
K-FAC, Levenberg-Marquardt, Gauss-Newton-CG and saddle-free Newton use curvature; self-scaled BFGS is a quasi-Newton
method, which learns curvature from gradients. Their rivals are Adam and Muon, which are first-order methods, and
scipy's L-BFGS with histories of 10 and 50 steps. Adam and Muon have an advantage: at each loss the best run of a grid
of rates, lengths and batches counts for each seed, and the other runs cost nothing. All other methods run once, with
settings that are the same on all tasks and seeds. The rows hold how many runs each method took for each seed, and their
processor seconds.

Tasks: classifiers of 7 x 7 digits (49-8-10) and of whole images (784-30-10); a small and a deep autoencoder
(25-8-4-8-25 and 196-64-32-8-32-64-196); the regression of a smooth function (1-20-20-1) and of the gray values of an
image (2-32-32-1).

Figure: processor seconds to 2, 1.2, 1.05 and 1.0001 times the lowest loss that any method reached on the seed, on each
task. The function's losses are absolute, because its lowest loss is a rounding error.

Source: James Martens and Roger Grosse, *Optimizing neural networks with Kronecker-factored approximate curvature*,
2015. Yann Dauphin and others, 2014: the saddle-free step. Howon Lee, notes of 2017 and 2018 on second order.

Takes 2 min.
"""
import functools
import itertools
import time
from typing import NamedTuple

import numpy as np
import scipy

import mlp
import optimizers
from gradnets import checks, curvature, datasets, experiment, plots, streams, summaries, threads
from gradnets.errors import UserError
from gradnets.progress import progress

DATASET = "glyphs"          # data set of gray images: glyphs, noise or mnist
TASKS = ("digits", "autoencoder", "images", "deep", "function", "pixels")  # tasks, by name
PATIENCE = 1.0              # factor of the processor time after which a method gives up
RUNS = 2                    # number of seeds, starting at SEED
SEED = 0                    # seed of data, weights and samples

# ---- not flags --------------------------------------------------------------------------------------------

QUICK = {"tasks": ("digits", "function"), "patience": 0.1, "runs": 1}
RELATIVE = (2.0, 1.2, 1.05, 1.0001)             # losses to be reached, in units of the lowest that any method reached
ABSOLUTE = (1e-2, 1e-4, 1e-6, 1e-8, 1e-10, 1e-12)
DAMPINGS = 10.0**np.arange(-6, 2)               # of saddle-free Newton, tried at each step
LOOKS = 80                                      # steps of Adam and Muon after which the loss on all data is computed
START = 5                                       # random stream of starts with random biases
RIVALS = ("Adam", "Muon", "L-BFGS 10", "L-BFGS 50")
FIRST_ORDER = RIVALS[:2]
STYLES = {"Adam": (plots.INK, "^"), "Muon": (plots.INK, "v"), "L-BFGS 10": (plots.GREY, "s"),
          "L-BFGS 50": (plots.GREY, "D"), "self-scaled BFGS": (plots.BLUE, "P"), "K-FAC": (plots.RED, "o"),
          "Levenberg-Marquardt": (plots.GREEN, "X"), "Gauss-Newton-CG": (plots.ORANGE, "*"),
          "saddle-free": (plots.PURPLE, "d")}
HEADINGS = {"what": "task, loss", "fastest": "fastest by curvature", "fastest_seconds": "its seconds",
            "rival": "fastest rival", "rival_seconds": "rival's seconds", "sooner": "times as fast"}


# ---- tasks ------------------------------------------------------------------------------------------------

class Task(NamedTuple):
    """A problem, and how it is raced on.

    Attributes
    ----------
    words : str
        The task and its net.
    problem : function of a data set and a seed
        Returns a curvature.Objective; for a net that mlp.py cannot build, a FusedObjective.
    images : int
        Number of training images; of these one is the target of "pixels".
    seconds : float
        Processor time after which a method gives up.
    methods : tuple of str
    grids : dict of tuple
        For each first-order method its learning rates, lengths in steps, and batch sizes.
    targets : tuple of float
        Losses to be reached.
    """

    words: str
    problem: object
    images: int
    seconds: float
    methods: tuple
    grids: dict
    targets: tuple = RELATIVE


def images_problem(dataset, seed):
    """Return the objective of a 784-30-10 tanh softmax net on whole images, 23,860 parameters."""
    network = mlp.MLP((784, 30, dataset.classes), "tanh", "cross-entropy", "glorot", seed)
    return curvature.Objective(network, dataset.inputs, dataset.labels, optimizers.L2)


def deep_problem(dataset, seed):
    """Return the objective of a 196-64-32-8-32-64-196 autoencoder with linear outputs, 30,108 parameters."""
    images = datasets.pool(dataset, 14).inputs
    sizes = (196, 64, 32, 8, 32, 64, 196)
    start = curvature.parameters(mlp.MLP(sizes, "tanh", "squared", "glorot", seed))
    return curvature.FusedObjective(sizes, images, images, start, "linear", 1e-5)


def function_problem(dataset, seed):
    """Return the objective of a 1-20-20-1 net that fits sin(4 pi x) exp(-x²) + x at 200 points of [-1, 1]."""
    points = np.linspace(-1, 1, 200)[:, None]
    values = np.sin(4 * np.pi * points) * np.exp(-points**2) + points
    return regression((1, 20, 20, 1), points, values, 0.0, seed)


def pixels_problem(dataset, seed):
    """Return the objective of a 2-32-32-1 net that fits the gray values of one image, another one for each seed."""
    image = dataset.inputs[seed % len(dataset.inputs)]
    side = round(len(image)**0.5)
    places = np.linspace(-1, 1, side)
    points = np.array(list(itertools.product(places, places)))
    return regression((2, 32, 32, 1), points, image[:, None], 1e-6, seed)


def regression(sizes, points, values, l2, seed):
    """Return a FusedObjective with linear outputs, whose initial biases are as large as the weights."""
    rng, layers = streams.generator(seed, START), []
    for below, above in itertools.pairwise(sizes):
        limit = np.sqrt(6 / (below + above))  # Glorot and Bengio's
        layers.append(rng.uniform(-limit, limit, (below + 1) * above))
    return curvature.FusedObjective(sizes, points, values, np.concatenate(layers), "linear", l2)


# Grids of first-order methods, chosen from wider ones (rates 0.001 to 0.3, up to 10,000 steps, batches of 20 to all
# samples) on the first seed of MNIST.
SMALL = {"Adam": ((0.03, 0.1, 0.3), (300, 3000), (20, 500))}
TABLE = {
    "digits": Task("digits, 49-8-10", optimizers.classifier, 500, 0.4,
                   ("Adam", "L-BFGS 10", "L-BFGS 50", "self-scaled BFGS", "K-FAC", "Gauss-Newton-CG", "saddle-free"),
                   SMALL),
    "autoencoder": Task("autoencoder, 25-8-4-8-25", optimizers.autoencoder, 500, 0.5,
                        ("Adam", "L-BFGS 10", "L-BFGS 50", "self-scaled BFGS", "K-FAC", "Gauss-Newton-CG",
                         "saddle-free"), SMALL),
    "images": Task("whole images, 784-30-10", images_problem, 1000, 1.2,
                   ("Adam", "Muon", "L-BFGS 10", "L-BFGS 50", "K-FAC", "Gauss-Newton-CG"),
                   {"Adam": ((0.01, 0.03), (300, 1000), (100,)), "Muon": ((0.01, 0.03), (300,), (100, 300))}),
    "deep": Task("deep autoencoder, 196-64-32-8-32-64-196", deep_problem, 1000, 5.0,
                 ("Adam", "Muon", "L-BFGS 10", "K-FAC"),
                 {"Adam": ((0.003, 0.01), (3000,), (50,)), "Muon": ((0.03,), (1000, 2000), (200,))}),
    "function": Task("smooth function, 1-20-20-1", function_problem, 1, 0.8,
                     ("Adam", "L-BFGS 10", "L-BFGS 50", "self-scaled BFGS", "Levenberg-Marquardt"),
                     {"Adam": ((0.03, 0.1, 0.3), (3000,), (200,))}, ABSOLUTE),
    "pixels": Task("pixels of an image, 2-32-32-1", pixels_problem, 100, 2.0,
                   ("Adam", "L-BFGS 10", "L-BFGS 50", "self-scaled BFGS", "Levenberg-Marquardt"),
                   {"Adam": ((0.01, 0.03), (3000,), (100, 784))}),
}


# ---- one method on one task -------------------------------------------------------------------------------

class Course(NamedTuple):
    """Processor seconds and the losses on all data that were reached by then, float64 (k,) each."""

    seconds: np.ndarray
    losses: np.ndarray


def followed(iterates, patience):
    """Return the Course of a generator of curvature.Iterate, until it ends or the time is over."""
    begin, seconds, losses = time.process_time(), [], []
    for iterate in iterates:
        seconds.append(time.process_time() - begin if seconds else 0.0)  # the start takes no time
        losses.append(iterate.loss)
        if seconds[-1] > patience:
            break
    return Course(np.array(seconds), np.array(losses))


def lbfgs_course(objective, history, patience):
    """Return the Course of scipy's L-BFGS on the fused loss and gradient."""
    begin, seconds, losses = time.process_time(), [0.0], [objective.loss(objective.start)]

    def note(intermediate_result):
        seconds.append(time.process_time() - begin)
        losses.append(intermediate_result.fun)
        if seconds[-1] > patience:
            raise StopIteration

    scipy.optimize.minimize(objective.loss_and_gradient, objective.start, jac=True, method="L-BFGS-B", callback=note,
                            options={"maxcor": history, "maxiter": 10**6, "maxfun": 10**6, "ftol": 0, "gtol": 1e-12,
                                     "maxls": 40})
    return Course(np.array(seconds), np.array(losses))


@np.errstate(over="ignore", invalid="ignore")  # a run that diverges ends
def batches_course(objective, points, steps, patience):
    """Return the Course of a generator of points by batches; its losses on all data are computed beside the clock."""
    looks = set(np.unique(np.geomspace(1, steps, LOOKS).astype(int)).tolist())
    seconds, losses, clock, begin = [0.0], [objective.loss(objective.start)], 0.0, time.process_time()
    for step, point in enumerate(points, start=1):
        if step in looks:
            clock += time.process_time() - begin
            seconds.append(clock)
            loss = objective.loss(point)
            losses.append(loss if np.isfinite(loss) else np.inf)
            if not np.isfinite(losses[-1]) or clock > patience:
                break
            begin = time.process_time()
    return Course(np.array(seconds), np.array(losses))


def saddle_free_descent(objective, fused):
    """Yield curvature.Iterate of saddle-free Newton, with the best of eight dampings at each step."""
    point, loss = fused.start, fused.loss(fused.start)
    while np.isfinite(loss):
        yield curvature.Iterate(point, loss)
        _, gradient = fused.loss_and_gradient(point)
        candidates = point + curvature.saddle_free_step(gradient, objective.hessian(point), DAMPINGS)
        losses = [fused.loss(candidate) for candidate in candidates]
        best = int(np.argmin(losses))
        point, loss = candidates[best], losses[best]


def courses(task, method, objective, seed, patience):
    """Return the Courses of a method: one for each run of a grid, or one."""
    fused = objective if isinstance(objective, curvature.FusedObjective) else curvature.FusedObjective.of(objective)
    if method in FIRST_ORDER:
        descent = {"Adam": curvature.adam_descent, "Muon": curvature.muon_descent}[method]
        return [batches_course(fused, descent(fused, rate, steps, batch, seed), steps, patience)
                for rate, steps, batch in itertools.product(*task.grids[method])]
    if method.startswith("L-BFGS"):
        return [lbfgs_course(fused, int(method.split()[1]), patience)]
    descents = {"K-FAC": functools.partial(curvature.kfac_descent, seed=seed),
                "self-scaled BFGS": curvature.bfgs_descent,
                "Levenberg-Marquardt": curvature.levenberg_marquardt_descent,
                "Gauss-Newton-CG": curvature.gauss_newton_descent,
                "saddle-free": functools.partial(saddle_free_descent, objective)}
    return [followed(descents[method](fused), patience)]


# ---- the race ---------------------------------------------------------------------------------------------

def reached(tried, loss):
    """Return the fewest seconds in which any Course reaches a loss; infinite where none does."""
    return min((course.seconds[np.argmax(course.losses <= loss)] for course in tried if (course.losses <= loss).any()),
               default=np.inf)


def race(task, dataset, seeds, patience):
    """Run all methods on a task, in turn for each seed.

    Returns
    -------
    list of dict
        A row per method and loss: task, method, loss (its words), seconds with its interval, arrived (of runs),
        tried (runs per seed) and tried_seconds (of all of them, median over seeds).
    """
    entry, tries = TABLE[task], {method: [] for method in TABLE[task].methods}
    with threads.single_blas_thread():
        for method in tries:
            courses(entry, method, entry.problem(dataset, seeds[0]), seeds[0], 0.0)  # libraries load
        for seed, method in itertools.product(seeds, tries):
            tries[method].append(courses(entry, method, entry.problem(dataset, seed), seed, patience * entry.seconds))
    lowest = [min(course.losses.min() for by_seed in tries.values() for course in by_seed[run])
              for run in range(len(seeds))]
    rows = []
    for target, (method, by_seed) in itertools.product(entry.targets, tries.items()):
        absolute = entry.targets == ABSOLUTE
        seconds = [reached(tried, target * (1.0 if absolute else floor))
                   for tried, floor in zip(by_seed, lowest, strict=True)]
        rows.append({"what": f"{task}, {loss_in_words(target)}, {method}", "task": task, "method": method,
                     "target": target, "runs": len(seeds), "arrived": int(np.isfinite(seconds).sum())}
                    | summaries.median_intervals(seconds=seconds)
                    | {"tried": len(by_seed[0]), "lowest": float(np.median(lowest)),
                       "tried_seconds": float(np.median([sum(course.seconds[-1] for course in tried)
                                                         for tried in by_seed]))})
    return rows


def loss_in_words(target):
    """Return a loss to be reached in words: "2 x lowest", or "1e-06" where it is absolute."""
    return f"{target:g} x lowest" if target >= 1 else f"{target:.0e}"


def comparisons(rows):
    """Compare the fastest method by curvature with the fastest rival, at each loss of each task.

    rows : list of dict, as `race` returns them

    Returns
    -------
    list of dict
        what, task, target; fastest and rival, "none" where fewer than half of the runs of each method arrive;
        fastest_seconds and rival_seconds; first, the quicker of both, or "none" if the start is
        low enough; sooner, the rival's seconds over the other's, if both arrive.
    """
    compared = []
    for (task, target), group in itertools.groupby(rows, key=lambda row: (row["task"], row["target"])):
        arrived = {row["method"]: row["seconds"] for row in group if np.isfinite(row["seconds"])}
        row = {"what": f"{task}, {loss_in_words(target)}", "task": task, "target": target}
        for key, side in (("fastest", [name for name in arrived if name not in RIVALS]),
                          ("rival", [name for name in arrived if name in RIVALS])):
            row[key] = min(side, key=arrived.get, default="none")
            row[f"{key}_seconds"] = arrived.get(row[key], np.inf)
        row["first"] = row["fastest"] if row["fastest_seconds"] < row["rival_seconds"] else row["rival"]
        if row["fastest_seconds"] == 0:
            row["first"] = "none"
        elif np.isfinite(row["fastest_seconds"] + row["rival_seconds"]):
            row["sooner"] = row["rival_seconds"] / row["fastest_seconds"]
        compared.append(row)
    return compared


def finding_of(compared):
    """Say to how many losses a method by curvature is first, and which rivals lead to the rest, in one sentence."""
    decided = [row for row in compared if row["first"] != "none"]
    if not decided:
        return "No method reached a loss that counts: give the race more patience"
    wins = sum(row["first"] not in RIVALS for row in decided)
    sentence = f"Curvature is first to {wins} of {plots.counted(len(decided), 'loss', 'losses')}"
    leaders = [rival for rival in RIVALS if any(row["first"] == rival for row in decided)]
    longer = f"{sentence}, {' or '.join(leaders)} to the rest" if leaders else sentence
    return longer if len(longer) <= plots.LONGEST_TITLE else sentence


# ---- the picture ------------------------------------------------------------------------------------------

@plots.styled
def picture(rows, compared, title, caption):
    """Return the figure; rows as `race` returns them, `compared` as `comparisons` does."""
    tasks = list(dict.fromkeys(row["task"] for row in rows))
    columns = min(2, len(tasks))
    cells = [tasks[k:k + columns] for k in range(0, len(tasks), columns)]
    cells[-1] += ["."] * (columns - len(cells[-1]))
    drawing, panels = plots.figure(cells, 9.5, 1.9 + 2.9 * len(cells), title, caption)
    methods = [name for name in STYLES if any(row["method"] == name for row in rows)]
    for task in tasks:
        draw_task(panels[task], [row for row in rows if row["task"] == task],
                  [row for row in compared if row["task"] == task], methods)
    for row in cells:
        panels[row[0]].set_ylabel("training loss to be reached")
    for task in cells[-1]:
        if task != ".":
            panels[task].set_xlabel("processor seconds")
    handles = [panels[tasks[0]].plot([], [], color=STYLES[name][0], marker=STYLES[name][1], ls="", label=name,
                                     **mark_of(name))[0] for name in methods]
    drawing.legend(handles=handles, loc="outside lower center", ncols=5, fontsize=9)
    return drawing


def mark_of(method):
    """Return the look of a method's mark: open for rivals, filled for methods by curvature."""
    if method in RIVALS:
        return {"ms": 6, "mew": 1.2, "mfc": "white"}
    return {"ms": 11 if STYLES[method][1] == "*" else 8, "mew": 0.6, "mec": "white"}


def draw_task(axes, rows, compared, methods):
    """Draw a dot per method and loss, its interval over seeds, and at the right who is first and by which factor."""
    finite = [row[key] for row in rows for key in ("seconds_low", "seconds", "seconds_high")
              if np.isfinite(row[key]) and row[key] > 0]
    low, high = (min(finite) / 1.5, max(finite) * 1.5) if finite else (0.1, 10)
    right = high * (high / low)**0.8  # room for words
    targets = [row["target"] for row in compared]
    shifts = np.linspace(-0.36, 0.36, len(methods))
    for row in rows:
        color, marker = STYLES[row["method"]]
        place = targets.index(row["target"]) + shifts[methods.index(row["method"])]
        if np.isfinite(row["seconds"]) and row["seconds"] > 0:
            ends = max(row["seconds_low"], low), min(row["seconds_high"], high)
            axes.plot(ends, [place] * 2, color=color, lw=1.5, alpha=0.45)
            axes.plot(row["seconds"], place, marker, color=color, **mark_of(row["method"]))
    for place, row in enumerate(compared):
        if place:
            axes.axhline(place - 0.5, color=plots.PALE, lw=0.8)
        words, color = verdict_of(row)
        axes.text(0.995, place, words, transform=axes.get_yaxis_transform(), ha="right", va="center", fontsize=8,
                  fontweight="bold", color=plots.text_color(color),
                  bbox={"facecolor": "white", "edgecolor": "none", "pad": 1})
    axes.set(xscale="log", xlim=(low, right), ylim=(len(targets) - 0.5, -0.5), title=TABLE[rows[0]["task"]].words)
    axes.set_yticks(range(len(targets)), [f"{target:g} × lowest" if target >= 1 else
                                          f"$10^{{{round(np.log10(target))}}}$" for target in targets])
    axes.tick_params(axis="y", length=0)


def verdict_of(row):
    """Return who is first to a loss, how much longer the other side takes, and the first one's color."""
    if row["first"] == "none":
        return "not reached" if row["fastest_seconds"] else "so low at the start", plots.GREY
    loser = row["rival"] if row["first"] == row["fastest"] else row["fastest"]
    takes = "no rival arrives" if loser == row["rival"] else "no curvature arrives"
    if "sooner" in row:
        ratio = max(row["sooner"], 1 / row["sooner"])
        takes = f"{loser} takes {ratio:.2g} \N{MULTIPLICATION SIGN}" if ratio >= 1.05 else f"{loser} takes as long"
    return f"{row['first']} first\n{takes}", STYLES[row["first"]][0]


def caption_of(name, runs):
    """Return the caption of the figure, from the name of the data set and the number of seeds."""
    return (f"{name}; n = {plots.counted(runs, 'seed')}: marks are medians, lines the middle 90 %. No mark: most seeds "
            "did not arrive in the time given. Open marks: rivals; Adam and Muon show the best of a grid of runs. "
            "Self-scaled BFGS is a quasi-Newton method. At the right: who is first, and how long the best of the other "
            "kind takes. Lowest: the lowest loss of any method on the seed in the time given.")


def main(settings):
    checks.positive_integers(runs=settings.runs)
    checks.nonempty_tuples(tasks=settings.tasks)
    checks.distinct(tasks=settings.tasks)
    for task in settings.tasks:
        checks.choice("tasks", task, tuple(TABLE))
    if not 0 < settings.patience < np.inf:
        raise UserError(f"patience is {settings.patience:g}: expected a positive number")
    most = max(TABLE[task].images for task in settings.tasks)
    dataset = optimizers.gray_images(settings.dataset, most, settings.seed)
    seeds, rows = range(settings.seed, settings.seed + settings.runs), []
    for task in progress(settings.tasks, len(settings.tasks), "race"):
        rows += race(task, datasets.load(settings.dataset, limit=TABLE[task].images, seed=settings.seed), seeds,
                     settings.patience)
    compared = comparisons(rows)
    finding = finding_of(compared)
    caption = caption_of(dataset.name, settings.runs)
    return experiment.Result(compared + rows, names=("what",), finding=finding, printed=compared,
                             columns=("fastest", "fastest_seconds", "rival", "rival_seconds", "sooner"),
                             headings=HEADINGS, figure=picture(rows, compared, finding, caption),
                             data=[dataset.provenance],
                             suggestion="--runs 5 shows the spread over seeds")


if __name__ == "__main__":
    experiment.run(main)
