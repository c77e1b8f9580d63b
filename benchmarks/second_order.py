"""How fast is second order, and how exact?

Peers: four pseudoinverses; and the slow network's own algorithm in plain numpy: each layer's block column by column
with an R-operator, its eigendecomposition, and the dense inverse V diag(1 / (|λ| + damping)) Vᵀ times the gradient. The
slow network's algorithm and the pseudoinverses take half a minute each and run once; all other times are medians. The
R-operator of the loop in the slow network moves one layer alone, which is quicker than a product with the whole
Hessian. Each step is compared with its peer's before it is timed: a difference above the stated one, over the peer's
largest entry, ends the run. The fast network's own finite difference is too noisy for this comparison: its difference
is kept in the row (`source_difference`), and both steps are compared with one pseudoinverse.

Two-layer steps, critical points, third order and Poisson's equation are the experiments of functional_inverse.py,
critical_points.py, third_order.py and poisson.py, with their settings. The two-layer rows count the closed form; they
also hold the counts of the complex step and of the finite difference with the source's r = 1e-9. An order takes the
partial sum of its series with the lowest loss; order 3 is Chebyshev's.

The Lanczos step stops after a set number of products, before it has converged: its row also holds its distance from the
step of four times as many products, and the loss before and after it.

The time of 50 whole Lyapunov spectra is that of two of them, in processor time: an ensemble on two cores runs 25 on
each. The race on the clock is that of curvature_race.py, with its grids and times: for each rival the best of its grid
or histories counts.

Takes eight minutes.
"""
import harness  # first: it pins the threads  # isort: skip

import multiprocessing
import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor

import numpy as np

import critical_points
import curvature_race
import functional_inverse
import mlp
import optimizers
import third_order
from gradnets import curvature, datasets, dynamics, experiment

ROUNDS = 5
DAMPING = 0.1    # the source's
DRAWS = 1000
SOURCE_R = 1e-9  # of the source's finite difference
SAVED = {3: 20, 4: 25}  # percent of Newton's iterations that each order should save
SIDES = "both: the same fused loss and gradient, from the same start to the same loss"  # of the race


def timed(function, *arguments):
    """Return the seconds of one call, and its result."""
    start = time.perf_counter()
    result = function(*arguments)
    return time.perf_counter() - start, result


def relative(values, expected):
    """Return the largest difference over the largest expected entry."""
    return float(np.abs(values - expected).max() / np.abs(expected).max())


def check(name, values, expected, most):
    """Return the relative difference from a peer's values; raise ArithmeticError if it is larger than `most`."""
    difference = relative(values, expected)
    if not difference <= most:
        raise ArithmeticError(f"{name}: {difference:.1e} from its peer, expected {most:g} at most")
    return difference


def at_least(name, value, goal, **details):
    """Return the row of a number that should reach its goal."""
    return {"what": name, "value": value, "goal": goal, "higher_is_better": True, **details}


def slopes(network, values):
    return np.where(values > 0, 1.0, network.slope)


# ---- the slow network -------------------------------------------------------------------------------------

def source_blocks(network, inputs, labels, damping):
    """Return the slow network's step by its own algorithm, float64 (p,)."""
    first, second = network.weights
    hidden = inputs @ first
    first_slopes = slopes(network, hidden)
    hidden = hidden * first_slopes
    outputs = hidden @ second
    second_slopes = slopes(network, outputs)
    delta = (outputs * second_slopes - network.targets[labels]) * second_slopes / len(labels)
    back = (delta @ second.T) * first_slopes
    squares = second_slopes**2 / len(labels)

    def first_product(move):
        output_change = (((inputs @ move) * first_slopes) @ second) * squares
        return inputs.T @ ((output_change @ second.T) * first_slopes)

    def second_product(move):
        return hidden.T @ ((hidden @ move) * squares)

    steps = []
    for weights, gradient, product in ((first, inputs.T @ back, first_product),
                                       (second, hidden.T @ delta, second_product)):
        block, move = np.empty((weights.size, weights.size)), np.zeros(weights.size)
        for column in range(weights.size):
            move[column] = 1.0
            block[:, column] = product(move.reshape(weights.shape)).ravel()
            move[column] = 0.0
        values, vectors = np.linalg.eigh(block)
        inverse = vectors @ np.diag(1 / (np.abs(values) + damping)) @ vectors.T
        steps.append(-inverse @ gradient.ravel())
    return np.concatenate(steps)


def slow_network(images):
    """Return the rows of a step at 50-50-100 with a batch of 50: 2,500 and 5,000 parameters."""
    projection = np.random.default_rng(0).normal(size=(images.inputs.shape[1], 50)) / images.inputs.shape[1]**0.5
    net = mlp.MLP((50, 50, 100), "leaky(0.5)", "squared", "glorot", 0, biases=False)
    batch = net, images.inputs[:50] @ projection, images.labels[:50], DAMPING
    source_seconds, expected = timed(source_blocks, *batch)
    methods = {"conjugate-gradients": 20, "cholesky": 1, "eigendecomposition": 1}  # repetitions
    difference = max(check(f"slow network, {method}", curvature.block_step(*batch, method), expected, 1e-9)
                     for method in methods)
    seconds = harness.medians({method: (lambda method=method: curvature.block_step(*batch, method), repetitions)
                               for method, repetitions in methods.items()}, ROUNDS) | {"source": source_seconds}
    comparison = f"slow network's step against its own algorithm, {images.name}"
    rows = [harness.ratio(comparison, seconds, "conjugate-gradients", "source", 1000),
            harness.ratio("the same with the eigendecomposition kept", seconds, "eigendecomposition", "source",
                          20)]
    rows[0]["cholesky_ms"] = 1e3 * seconds["cholesky"]
    return [row | {"difference": difference} for row in rows]


# ---- the fast network -------------------------------------------------------------------------------------

def four_pseudoinverses(network, inputs, labels):
    """Return the fast network's step by its own algorithm: X⁺ and (Xᵀ)⁺ for each of two values of the inverse."""
    outputs, = network.forward(inputs)[1:]
    targets, slope = network.targets[labels], slopes(network, outputs)
    gradient = inputs.T @ ((outputs - targets) * slope)

    def inverse(part):
        values = targets + (np.linalg.pinv(inputs.T) @ part) / slope
        return np.linalg.pinv(inputs) @ (values / slopes(network, values))

    return -(inverse(gradient * (1 + SOURCE_R)) - inverse(gradient)).ravel() / SOURCE_R


def fast_network(images):
    """Return the row of a step of 3072-100."""
    net = mlp.MLP((images.inputs.shape[1], 100), "leaky(0.5)", "squared", "glorot", 0, biases=False)
    batch = net, images.inputs, images.labels
    outputs, = net.forward(images.inputs)[1:]
    residuals = (outputs - net.targets[images.labels]) / slopes(net, outputs)
    exact = -(np.linalg.pinv(images.inputs) @ residuals).ravel()
    difference = check("fast network", curvature.functional_inverse_step(*batch), exact, 1e-8)
    seconds = harness.medians({"ours": (lambda: curvature.functional_inverse_step(*batch), 1)}, ROUNDS)
    seconds["source"], source_step = timed(four_pseudoinverses, *batch)
    count, features = images.inputs.shape
    comparison = f"fast network's step at {count} x {features}, {images.name}, against four pseudoinverses"
    return [harness.ratio(comparison, seconds, "ours", "source", 20)
            | {"difference": difference, "source_difference": relative(source_step, exact)}]


# ---- the scripts' experiments -----------------------------------------------------------------------------

def two_layer_inverse(n):
    """Return the row that counts the nets whose functional-inverse step is Newton's."""
    agree = {row["what"]: row["agree"] for row in functional_inverse.two_layer_rows(n, DRAWS, n)}
    closed, complex_step, difference = (agree[f"two layers of {n}, {method}"]
                                        for method in ("closed-form", "complex-step", "finite-difference"))
    return [at_least(f"two-layer functional inverse agrees with block Newton, n = {n}, draws of {DRAWS:,}", closed,
                     DRAWS, complex_step=complex_step, finite_difference_with_the_source_r=difference)]


def index_against_loss():
    """Return the rows of the critical points: their number, and their rank correlation."""
    settings = experiment.settings(critical_points)
    images = datasets.load(settings.dataset, limit=settings.images, seed=settings.seed)
    row = critical_points.index_row(*critical_points.critical_points(images, settings.starts, settings.seed))
    return [at_least("index against loss, distinct critical points", row["points"], 50, minima=row["minima"]),
            at_least("index against loss, Spearman", float(row["spearman"]), 0.8)]


def orders_against_newton(digits):
    """Return rows for each problem and order 3 and 4: iterations saved, in percent, and time over Newton's."""
    settings = experiment.settings(third_order)
    rows = []
    for row in third_order.order_rows(digits, settings.sides, settings.starts, settings.seed):
        if row["order"] in SAVED:
            name = f"order {row['order']}, {row['what']}"
            counts = {key: float(row[key]) for key in ("newton", "iterations", "cases", "all_ended")}
            rows += [at_least(f"{name}, fewer iterations, %", float(row["fewer_percent"]), SAVED[row["order"]],
                              **counts),
                     harness.figure(f"{name}, time over Newton's", float(row["time_ratio"]), 0.92,
                                    ours_ms=1e3 * row["seconds"], peer_ms=1e3 * row["newton_seconds"])]
    return rows


# ---- the race on the clock --------------------------------------------------------------------------------

def race_rows(missing):
    """Return the rows of the race: how many times as long a rival takes to a loss, medians of five seeds.

    A rival that fewer than three seeds bring to the loss counts with the time after which it gave up.
    """
    arrived = {}
    for task in ("digits", "images", "function"):
        dataset = harness.real("mnist", curvature_race.TABLE[task].images, missing)
        arrived |= {(task, row["target"], row["method"]): row
                    for row in curvature_race.race(task, dataset, range(5), 1.0)}

    def row(name, task, target, ours, rivals, goal):
        seconds = {method: arrived[task, target, method]["seconds"] for method in (ours, *rivals)}
        best = min(rivals, key=seconds.get)
        seconds[best] = min(seconds[best], curvature_race.TABLE[task].seconds)
        return harness.ratio(name, seconds, ours, best, goal, SIDES) | {
            "peer": best, "arrived": arrived[task, target, ours]["arrived"],
            "peer_arrived": arrived[task, target, best]["arrived"]}

    lbfgs = curvature_race.RIVALS[2:]
    name = "K-FAC to {:g} times the lowest loss, MNIST 784-30-10, against {}"
    rows = [row(name.format(2, "Adam"), "images", 2.0, "K-FAC", ("Adam",), 1.5),
            row(name.format(2, "L-BFGS"), "images", 2.0, "K-FAC", lbfgs, 1.5)]
    rows += [row(name.format(target, "L-BFGS"), "images", target, "K-FAC", lbfgs, 1.8) for target in (1.2, 1.05)]
    rows += [row(f"self-scaled BFGS to {target:g} times the lowest loss, MNIST 49-8-10, against L-BFGS", "digits",
                 target, "self-scaled BFGS", lbfgs, goal) for target, goal in ((1.2, 1.4), (1.05, 2))]
    rows.append(row("Levenberg-Marquardt to 1e-6, regression 1-20-20-1, against L-BFGS", "function", 1e-6,
                    "Levenberg-Marquardt", lbfgs, 5))
    rows.append(at_least("Levenberg-Marquardt to 1e-12, regression 1-20-20-1, seeds of 5",
                         arrived["function", 1e-12, "Levenberg-Marquardt"]["arrived"], 5))
    digits = optimizers.classifier(harness.real("mnist", 500, missing), 0)
    fused = curvature.FusedObjective.of(digits)
    seconds = {"fused": [], "separate": []}
    for _ in range(200):  # processor time, as in the race
        for name, function in (("fused", lambda: fused.loss_and_gradient(fused.start)),
                               ("separate", lambda: (digits.loss(digits.start), digits.gradient(digits.start)))):
            begin = time.process_time()
            function()
            seconds[name].append(time.process_time() - begin)
    fused_ms, separate_ms = (1e3 * float(np.median(seconds[name])) for name in ("fused", "separate"))
    rows.append(harness.figure("fused loss and gradient, 490 parameters, 500 digits, ms", fused_ms, 0.12,
                               separate_ms=separate_ms))
    return rows


def poisson_equation():
    """Return the row of the seconds to a relative error of one in a million; the peers need not arrive."""
    ours, *peers = experiment.result_of("poisson").rows
    return [harness.figure("Poisson's equation, 2-32-1, relative L2 error 1e-6, seconds", ours["seconds"], 1,
                           runs=ours["runs"], arrived=ours["arrived"], seconds_low=ours["seconds_low"],
                           seconds_high=ours["seconds_high"],
                           peers_arrived={row["what"]: row["arrived"] for row in peers},
                           peers_error={row["what"]: row["error"] for row in peers})]


# ---- Lanczos ----------------------------------------------------------------------------------------------

def lanczos_step():
    """Measure one saddle-free step at 784-128-10 on 1,000 images; for a process of its own.

    The peak of the memory is read before the longer step that this one is compared with.

    Returns dict of numbers: products, seconds, gigabytes, parameters, distance, loss, loss_after.
    """
    digits = harness.real("mnist", 1000, missing=[])  # the process that started this one reports what is missing
    net = mlp.MLP((784, 128, 10), "tanh", "cross-entropy", "glorot", 0)
    batch = net, digits.inputs, digits.labels
    product, calls = curvature.products(*batch), []

    def counted_product(vector):
        calls.append(vector.shape)
        return product(vector)

    def timed_step():
        return curvature.saddle_free_step(curvature.gradient(*batch), curvature.products(*batch), DAMPING)

    step = curvature.saddle_free_step(curvature.gradient(*batch), counted_product, DAMPING)
    seconds = harness.medians({"step": (timed_step, 1)}, ROUNDS)["step"]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    longer = curvature.saddle_free_step(curvature.gradient(*batch), product, DAMPING, 4 * len(calls))
    moved = curvature.at(net, curvature.parameters(net) + step)
    return {"products": len(calls), "seconds": seconds, "gigabytes": peak / 1e9, "parameters": step.size,
            "distance": float(np.linalg.norm(step - longer) / np.linalg.norm(longer)),
            "loss": float(curvature.loss(*batch)), "loss_after": float(curvature.loss(moved, *batch[1:]))}


def lanczos():
    """Return the rows of a saddle-free step by Lanczos.

    Call this first: on Linux the peak of a new process begins at the memory of the process that started it.
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        measured = pool.submit(lanczos_step).result()
    name = "saddle-free by Lanczos, 784-128-10,"
    return [harness.figure(f"{name} Hessian products a step", measured["products"], 60,
                           ours_ms=1e3 * measured["seconds"], parameters=measured["parameters"],
                           distance_from_four_times_as_many=measured["distance"], loss_before=measured["loss"],
                           loss_after=measured["loss_after"]),
            harness.figure(f"{name} peak memory, GB", measured["gigabytes"], 2)]


def lyapunov_spectra(images):
    """Return the row of 50 whole spectra of 1,210 exponents, over 80 steps each, from the times of two cases."""
    inputs, labels = datasets.pool(images, 7).inputs[:200], images.labels[:200]
    seconds = []
    for rate, seed in ((0.16, 0), (1.4, 1)):
        net = mlp.MLP((49, 20, 10), "tanh", "squared", "glorot", seed)
        start = time.process_time()
        dynamics.whole_spectrum(net, inputs, labels, rate, 80, 800, seed)
        seconds.append(time.process_time() - start)
    return harness.figure("whole Lyapunov spectra at 1,210 parameters, 10 rates and 5 seeds, minutes on two cores",
                          50 * float(np.mean(seconds)) / 2 / 60, 10, seconds_per_case=float(np.mean(seconds)))


def main():
    lanczos_rows, missing = lanczos(), []
    digits, images = harness.real("mnist", 500, missing), harness.real("cifar10", 2500, missing)
    rows = slow_network(images)
    if images.name == "cifar10":  # the stand-in has fewer inputs than the batch has images
        rows += fast_network(images)
    for n in (3, 10, 30):
        rows += two_layer_inverse(n)
    rows += index_against_loss() + orders_against_newton(digits) + poisson_equation()
    rows += [lyapunov_spectra(digits), *race_rows(missing)]
    harness.report("second_order", rows + lanczos_rows, ("numpy", "scipy", "torch"), missing)


if __name__ == "__main__":
    main()
