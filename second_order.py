"""What do exact, saddle-free and finite-difference Newton steps buy?

1. slow: the source's first net, smaller (images projected to UNITS numbers, as many hidden units, where the source has
   50; leaky with slope 0.5, squared error, batches of 50), trained by saddle-free Newton layer by layer, as the source
   does, and with the block between the layers that it drops; with its damping, 1 / |λ + 0.1|, and with 1 / (|λ| + 0.1).
   The blocks have no negative eigenvalue, so on them the two are one, and "saddle-free" does nothing.
2. inverse: the source's second net, a perceptron that takes Newton's step by a finite difference of the gradient's
   inverse function: its error against the pseudoinverse of the whole Hessian as the difference r shrinks, and as the
   batch outgrows the inputs; its test accuracy beside SGD; the form for two layers on random square nets; steps on
   Rosenbrock's function and in linear regression, each from a random point (the source's regression starts Newton from
   the end of its gradient descent, since its reset copies a reference).
3. race: training loss against iterations and seconds: full-batch Newton, and Newton with shifted eigenvalues and
   saddle-free, these two with the best of eight dampings at each step; SGD and Adam on batches of 20, their rates
   falling to nothing, with the best of several rates and lengths for each loss to be reached; L-BFGS. A net on 7 x 7
   digits and an autoencoder of 5 x 5 ones.
4. index: the share of negative eigenvalues at critical points of a small net against the loss there.
5. third: iterations to a gradient below 1e-8, of Newton's step alone, and where Chebyshev's, which is of third order,
   is taken when it leaves the lower loss.
6. spectrum: the Hessian's eigenvalues before and after training.

Figure: a panel or more for each; learning rates and dampings of 1 and 2 are chosen on validation data, those of 3 by
the loss that is raced for.

Source: Howon Lee, two notes of 2017 and 2018 on second order. Yann Dauphin and others, *Identifying and attacking the
saddle point problem*, 2014: the saddle-free step, the index against the error.

Takes 90 s.
"""
import contextlib
import time
from dataclasses import replace

import numpy as np
from scipy import linalg, optimize, stats

import mlp
from gradnets import curvature, datasets, experiment, plots

PARTS = ("slow", "inverse", "race", "index", "third", "spectrum")  # what to do, any of these
DATASETS = ("cifar100", "cifar10", "glyphs")  # of slow and inverse: the first whose files are there
DIGITS = "glyphs"           # of the other parts: glyphs, noise or mnist
IMAGES = 500                # of DIGITS
STEPS = 100                 # of training in slow and inverse
UNITS = 20                  # of slow: numbers that an image is projected to, and hidden units
DAMPING = 0.1               # of slow: the source's
ITERATIONS = 30             # of the second-order methods in race
FIRST_ORDER = 10_000        # iterations of SGD and Adam there at most; also a third, a tenth and a thirtieth
STARTS = 40                 # descents along which critical points are looked for
RUNS = 3                    # seeds of all else: SEED, SEED + 1, ...
SEED = 0                    # seeds data, weights and samples

SLOPE = "leaky(0.5)"
BATCH = 50                                          # of slow, the source's
RATES = {"SGD": (0.3, 1.0, 3.0), "steps": (0.03, 0.1, 0.3), "source": (0.003, 0.01, 0.03)}  # tried on validation data
DIFFERENCES = 10.0**np.arange(-12, 0.5, 1)          # r of the finite difference
SHARES = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 4.0)  # batch over inputs
DAMPINGS = 10.0**np.arange(-6, 2)                   # tried at each step of race
RACE_L2 = 1e-4                                      # else a separable set has its minimum at infinity
FIRST_RATES = {"SGD": (0.1, 0.3, 1.0), "Adam": (0.01, 0.03, 0.1)}
TARGETS = (2.0, 1.2, 1.05)                          # losses to be reached, over the best that any method reached
VIOLET, GREEN = "#8a6bb8", "#4c8c5a"
COLORS = {"SGD": plots.GREY, "Adam": plots.INK, "L-BFGS": GREEN, "Newton": VIOLET, "shifted": plots.BLUE,
          "saddle-free": plots.RED}


class Objective:
    """The mean loss of a net on a batch plus l2 / 2 times the squared length of its parameters θ, float64 (p,)."""

    def __init__(self, network, inputs, labels, l2=0.0):
        self.network, self.batch, self.l2 = network, (inputs, labels), l2
        self.start = curvature.parameters(network)

    def loss(self, parameters):
        of_data = curvature.loss(curvature.at(self.network, parameters), *self.batch)
        with np.errstate(over="ignore"):  # a loss may be infinite
            return of_data + self.l2 / 2 * (parameters @ parameters)

    def gradient(self, parameters):
        return curvature.gradient(curvature.at(self.network, parameters), *self.batch) + self.l2 * parameters

    def hessian(self, parameters):
        hessian = curvature.hessian(curvature.at(self.network, parameters), *self.batch)
        hessian[np.diag_indices_from(hessian)] += self.l2
        return hessian

    def third(self, parameters, along):
        return curvature.third(curvature.at(self.network, parameters), *self.batch, along)


# ---- data -------------------------------------------------------------------------------------------------

def colour_images(names, seed):
    """Training, validation (the last sixth of the training set) and test set of the first name that is at hand."""
    name = next((name for name in names if datasets.at_hand(name)), names[0])
    training, test = (datasets.load(name, split, seed=seed) for split in ("train", "test"))
    cut = len(training.labels) * 5 // 6
    return (replace(training, inputs=training.inputs[:cut], labels=training.labels[:cut]),
            replace(training, inputs=training.inputs[cut:], labels=training.labels[cut:]), test)


def standardised(parts, transform):
    """Each part's inputs less the training mean, transformed (inputs (n, d) -> (n, k))."""
    mean = parts[0].inputs.mean()
    return [replace(part, inputs=transform(part.inputs - mean)) for part in parts]


# ---- training by a rule of steps --------------------------------------------------------------------------

def train(network, dataset, step, steps, batch, seed):
    """Yield the net after each of `steps` updates by step(network, inputs, labels) -> (p,); one that diverges stays."""
    rng = mlp.generator(seed, child=1)
    for _ in range(steps):
        chosen = rng.choice(len(dataset.labels), size=batch, replace=False)  # a repeated item has no functional inverse
        with contextlib.suppress(curvature.NotFinite):
            move = step(network, dataset.inputs[chosen], dataset.labels[chosen])
            network = curvature.at(network, curvature.parameters(network) + move)
        yield network


@np.errstate(over="ignore", invalid="ignore")  # of a net that diverged
def learning_rows(part, rules, net, parts, steps, batch, runs, seed):
    """Test accuracy and seconds a step against steps, a row for each of `rules` and each step looked at.

    rules: {name: {what it was tried with: step function}}; the first run's validation accuracy decides.
    """
    training, validation, test = parts
    looks = sorted({max(1, steps * k // 4) for k in range(1, 5)})
    rows = []
    for what, tried in experiment.progress(rules.items(), total=len(rules), what=part):
        reached = {}
        for number, step in tried.items():
            *_, last = train(net(seed), training, step, steps, batch, seed)
            reached[number] = mlp.accuracy(last, validation)
        best = max(reached, key=reached.get)
        accuracies, seconds = {look: [] for look in looks}, []
        for run in range(seed, seed + runs):
            start = time.perf_counter()
            kept = {}
            for index, network in enumerate(train(net(run), training, tried[best], steps, batch, run), start=1):
                if index in accuracies:
                    kept[index] = network
            seconds.append((time.perf_counter() - start) / steps)
            for look, network in kept.items():
                accuracies[look].append(mlp.accuracy(network, test))
        rows += [{"part": part, "what": what, "chosen": best, "step": look}
                 | experiment.spread(accuracy=accuracies[look]) | {"milliseconds": 1e3 * np.median(seconds)}
                 for look in looks]
    return rows


def descent(rate):
    return lambda *net_and_batch: -rate * curvature.gradient(*net_and_batch)


# ---- 1: the slow network ----------------------------------------------------------------------------------

def slow_rules(damping):
    def blocks(rate):
        return lambda *net_and_batch: rate * curvature.block_step(*net_and_batch, damping)

    def whole(rate, inside):
        return lambda *net_and_batch: rate * curvature.saddle_free_step(
            curvature.gradient(*net_and_batch), curvature.hessian(*net_and_batch), damping, inside=inside)

    return {"SGD": {rate: descent(rate) for rate in RATES["SGD"]},
            "layers' blocks": {rate: blocks(rate) for rate in RATES["steps"]},
            "whole Hessian": {rate: whole(rate, False) for rate in RATES["steps"]},
            "whole, source's damping": {rate: whole(rate, True) for rate in RATES["source"]}}


def slow(parts, units, steps, damping, runs, seed):
    """Rows of training and of spectra, and the eigenvalues: {(when, what): float64}."""
    features, classes = parts[0].inputs.shape[1], parts[0].classes
    projection = mlp.generator(seed, child=0).normal(size=(features, units)) / np.sqrt(features)
    parts = standardised(parts, lambda inputs: inputs @ projection)

    def net(run):
        return mlp.MLP((units, units, classes), SLOPE, "squared", "glorot", run, biases=False)

    rows = learning_rows("slow", slow_rules(damping), net, parts, steps, BATCH, runs, seed)
    *_, trained = train(net(seed), parts[0], slow_rules(damping)["SGD"][rows[0]["chosen"]], steps, BATCH, seed)
    batch = parts[0].inputs[:BATCH], parts[0].labels[:BATCH]
    spectra = {}
    for when, network in (("untrained", net(seed)), ("trained", trained)):
        hidden, output = curvature.blocks(network, *batch)
        spectra[when, "blocks"] = np.sort(np.concatenate([linalg.eigvalsh(hidden), np.linalg.eigvalsh(output).ravel()]))
        spectra[when, "whole"] = linalg.eigvalsh(curvature.hessian(network, *batch))
        rows += [{"part": "slow", "what": f"spectrum of {what}, {when}"} | spectrum_row(spectra[when, what])
                 for what in ("blocks", "whole")]
    return rows, spectra


def spectrum_row(values):
    """What a row says of a spectrum; an eigenvalue counts as negative below rounding of the largest.

    flat: those that are no larger in size; decades: between the 5th and the 95th percentile of the sizes of the others.
    """
    sizes = np.abs(values)
    curved = sizes[sizes > 1e-10 * sizes.max()]
    small, large = np.quantile(curved, (0.05, 0.95)) if len(curved) else (1.0, 1.0)
    return {"parameters": len(values), "negative": int(np.count_nonzero(values < -1e-10 * sizes.max())),
            "flat": len(values) - len(curved), "least": values[0], "largest": values[-1],
            "decades": np.log10(large / small)}


# ---- 2: the functional inverse ----------------------------------------------------------------------------

def exact_newton(network, inputs, labels):
    """-H⁺ g of a perceptron by the pseudoinverse of each output's block, float64 (inputs, outputs)."""
    stack, = curvature.blocks(network, inputs, labels)
    gradient, = curvature.split(network, curvature.gradient(network, inputs, labels))
    return -np.einsum("kij,jk->ik", np.linalg.pinv(stack, hermitian=True), gradient)


def source_formula(network, inputs, labels):
    """-X⁺ [(h - y) / f'], the limit of the source's finite difference, for any batch, float64 (inputs, outputs)."""
    outputs = network.forward(inputs)[-1]
    return -np.linalg.pinv(inputs) @ ((outputs - network.targets[labels]) / np.where(outputs > 0, 1, network.slope))


def difference_rows(net, dataset, runs, seed):
    """The finite difference's error against r, and the formula's against the batch, over the exact step's largest."""
    features = dataset.inputs.shape[1]
    rng = mlp.generator(seed, child=4)

    def batch(size):
        chosen = rng.choice(len(dataset.labels), size=size, replace=False)
        return dataset.inputs[chosen], dataset.labels[chosen]

    errors = {}
    for network in map(net, range(seed, seed + runs)):
        half = batch(features // 2)
        exact = exact_newton(network, *half).ravel()
        for method, r in [("complex-step", 0.0)] + [("finite-difference", r) for r in DIFFERENCES]:
            found = curvature.functional_inverse_step(network, *half, method, r)
            errors.setdefault((method, float(r)), []).append(relative(found, exact))
        for share in SHARES:
            some = batch(round(share * features))
            errors.setdefault(("batch over inputs", share), []).append(
                relative(source_formula(network, *some), exact_newton(network, *some)))
    return [{"part": "inverse", "what": what} | ({"share": size} if what == "batch over inputs" else {"r": size})
            | experiment.spread(error=found) for (what, size), found in errors.items()]


def relative(found, exact):
    return float(np.abs(found - exact).max() / np.abs(exact).max())


def inverse_rules():
    def by_inverse(rate):
        return lambda *net_and_batch: rate * curvature.functional_inverse_step(*net_and_batch)

    def damped(damping):
        return lambda *net_and_batch: curvature.block_step(*net_and_batch, damping, "cholesky")

    return {"SGD": {rate: descent(rate) for rate in (0.03, 0.1, 0.3, 1.0)},
            "functional inverse": {1.0: by_inverse(1.0)},
            "functional inverse, small steps": {rate: by_inverse(rate) for rate in (0.003, 0.01, 0.03)},
            "damped Newton": {damping: damped(damping) for damping in (0.3, 1.0, 3.0, 10.0)}}


def two_layers(units, draws, seed):
    """How many random square two-layer nets have a functional-inverse step that agrees with block Newton's.

    Weights and inputs, both (units, units), are standard normal. The block of layer l is J_lᵀ J_l / batch, with J_l the
    outputs' derivatives by its weights, since the units are piecewise linear, and Newton's step of the block solves
    J_l step = t - h: the reference is the dense solution of that, since to solve with the block itself squares the
    condition number, and is off by a tenth on the worst draws. To agree is `numpy.allclose` at its default tolerances.
    """
    rng = np.random.default_rng(seed)
    ways = {"closed-form": 0.0, "complex-step": 0.0, "finite-difference": 1e-9}
    agree = dict.fromkeys(ways, 0)
    for _ in range(draws):
        network = mlp.MLP((units,) * 3, SLOPE, "squared", "normal(1)", rng, biases=False)
        inputs, labels = rng.normal(size=(units, units)), rng.integers(units, size=units)
        hidden, outputs = network.forward(inputs)[1:]
        slopes = [np.where(values > 0, 1.0, network.slope) for values in (hidden, outputs)]
        through = slopes[0][:, :, None] * network.weights[1]
        first = np.einsum("ik,ijk,ia->ikaj", slopes[1], through, inputs, optimize=True)
        second = slopes[1].T[:, :, None] * hidden  # an output's weights meet that output alone
        miss = network.targets[labels] - outputs
        newton = np.concatenate([np.linalg.solve(first.reshape(units**2, units**2), miss.ravel()),
                                 np.linalg.solve(second, miss.T[..., None])[..., 0].T.ravel()])
        for way, r in ways.items():
            found = curvature.functional_inverse_step(network, inputs, labels, way, r)
            agree[way] += bool(np.allclose(found, newton))
    return [{"part": "inverse", "what": f"two layers of {units}, {way}", "r": r, "draws": draws, "agree": agree[way]}
            for way, r in ways.items()]


def rosenbrock_inverse(gradient):
    """The point (x, y) whose gradient of (1 - x)² + 100 (y - x²)² this is: the functional inverse in closed form."""
    x = (gradient[0] + 2) / (2 - 2 * gradient[1])
    return np.array([x, x * x + gradient[1] / 200])


def example_rows(draws, seed):
    """The source's two examples: largest relative difference of the functional inverse's and Newton's steps."""
    rng = np.random.default_rng(seed)
    inputs, targets = rng.normal(size=(100, 10)), rng.normal(size=100)
    square = inputs.T @ inputs
    cases = {"Rosenbrock": (optimize.rosen_der, optimize.rosen_hess, rosenbrock_inverse, 2),
             "linear regression": (lambda w: square @ w - inputs.T @ targets, lambda w: square,
                                   lambda g: np.linalg.solve(square, g + inputs.T @ targets), 10)}
    rows = []
    for name, (gradient, hessian, inverse, size) in cases.items():
        for method, r in (("complex-step", 0.0), ("finite-difference", 1e-9), ("finite-difference", 1e-5)):
            worst = 0.0
            for point in rng.uniform(-2, 2, size=(draws, size)):
                step = curvature.difference_of_inverse(inverse, gradient(point), method, r or 1.0)
                worst = max(worst, relative(step, curvature.newton_step(gradient(point), hessian(point))))
            rows.append({"part": "inverse", "what": f"{name}, {method}", "r": r, "draws": draws, "error": worst})
    return rows


def inverse(parts, steps, runs, seed):
    parts = standardised([datasets.pooled(part, 8) for part in parts], lambda inputs: inputs)
    features, classes = parts[0].inputs.shape[1], parts[0].classes

    def net(run):
        return mlp.MLP((features, classes), SLOPE, "squared", "glorot", run, biases=False)

    return (learning_rows("inverse", inverse_rules(), net, parts, steps, features // 2, runs, seed)
            + difference_rows(net, parts[0], runs, seed) + example_rows(100, seed)
            + two_layers(3, 200, seed) + two_layers(10, 200, seed) + two_layers(30, 20, seed))


# ---- 3: the race ------------------------------------------------------------------------------------------

def race_nets(dataset, seed):
    """{name: Objective}: a classifier of 7 x 7 digits, and an autoencoder of 5 x 5 ones (each its own target)."""
    seven, five = datasets.pooled(dataset, 7).inputs, datasets.pooled(dataset, 5).inputs
    classifier = mlp.MLP((49, 8, dataset.classes), "tanh", "cross-entropy", "glorot", seed)
    autoencoder = mlp.MLP((25, 8, 4, 8, 25), "tanh", "squared", "glorot", seed)
    autoencoder.targets = five
    return {"digits": Objective(classifier, seven, dataset.labels, RACE_L2),
            "autoencoder": Objective(autoencoder, five, np.arange(len(five)), RACE_L2)}


def second_order_race(objective, method, iterations):
    """Losses and seconds after each iteration, from 0 on, and the last parameters.

    A step that leads to NaN or infinity ends it: the loss is infinite from there on.
    """
    steps = {"Newton": lambda g, h: curvature.newton_step(g, h)[None],
             "shifted": lambda g, h: curvature.shifted_step(g, h, DAMPINGS),
             "saddle-free": lambda g, h: curvature.saddle_free_step(g, h, DAMPINGS)}
    here, losses, seconds = objective.start, [objective.loss(objective.start)], [0.0]
    start = time.perf_counter()
    for _ in range(iterations):
        if np.isfinite(losses[-1]):
            try:
                candidates = here + steps[method](objective.gradient(here), objective.hessian(here))
                found = [objective.loss(candidate) for candidate in candidates]
                best = np.nanargmin(found)
                here, value = candidates[best], found[best]
            except (curvature.NotFinite, curvature.SingularHessian):
                value = np.inf
        losses.append(value)
        seconds.append(time.perf_counter() - start)
    return np.array(losses), np.array(seconds), here


@np.errstate(over="ignore", invalid="ignore")  # a net that diverges is counted
def first_order_race(objective, method, rate, iterations, seed):
    """The same for SGD and Adam (Kingma and Ba 2015), at some iterations, which come first.

    Batches of 20, the rate falls linearly to nothing; the losses, of all data, are not on the clock.
    """
    rng = mlp.generator(seed, child=1)
    inputs, labels = objective.batch
    network, here = objective.network, objective.start.copy()
    sound = here
    looks = set(np.unique(np.geomspace(1, iterations, 60).astype(int)).tolist())
    losses, seconds, first, second, clock = {0: objective.loss(here)}, {0: 0.0}, 0.0, 0.0, 0.0
    for index in range(1, iterations + 1):
        start = time.perf_counter()
        chosen = rng.integers(len(labels), size=20)
        try:
            slope = curvature.gradient(curvature.at(network, here), inputs[chosen], labels[chosen])
        except curvature.NotFinite:  # it diverged: the loss is infinite, and what it had before counts as its end
            losses[index], seconds[index], here = np.inf, clock, sound
            break
        slope = slope + objective.l2 * here
        if method == "Adam":
            first, second = 0.9 * first + 0.1 * slope, 0.999 * second + 0.001 * slope * slope
            slope = first / (1 - 0.9**index) / (np.sqrt(second / (1 - 0.999**index)) + 1e-8)
        here = here - rate * (1 - (index - 1) / iterations) * slope
        clock += time.perf_counter() - start
        if index in looks:
            losses[index], seconds[index] = objective.loss(here), clock
            sound = here if np.isfinite(losses[index]) else sound
    return np.array(list(losses)), np.array(list(losses.values())), np.array(list(seconds.values())), here


def quasi_newton_race(objective, iterations):
    """The same for scipy's L-BFGS on the full batch; an iteration may take several gradients."""
    counts, losses, seconds, start = [0], [objective.loss(objective.start)], [0.0], time.perf_counter()

    def note(intermediate_result):
        counts.append(len(counts))
        losses.append(intermediate_result.fun)
        seconds.append(time.perf_counter() - start)
    end = optimize.minimize(objective.loss, objective.start, jac=objective.gradient, method="L-BFGS-B", callback=note,
                            options={"maxiter": iterations, "maxfun": 2 * iterations, "ftol": 0, "gtol": 1e-9})
    return np.array(counts), np.array(losses), np.array(seconds), end.x


def race_once(objective, method, iterations, first_order, seed):
    """All tries of a method in one run: a list of (iterations, losses, seconds), and where the best one ended."""
    if method in FIRST_RATES:
        lengths = [max(1, first_order // part) for part in (30, 10, 3, 1)]
        tried = [first_order_race(objective, method, rate, length, seed)
                 for rate in FIRST_RATES[method] for length in lengths]
    elif method == "L-BFGS":
        tried = [quasi_newton_race(objective, first_order // 10)]
    else:
        losses, seconds, here = second_order_race(objective, method, iterations)
        tried = [(np.arange(len(losses)), losses, seconds, here)]
    best = min(tried, key=lambda one: one[1].min())
    return [one[:3] for one in tried], best[3]


def race(dataset, iterations, first_order, runs, seed):
    """Rows, and the first run's curves, of each method the try that ends lowest: {(net, method): ...}."""
    rows, curves = [], {}
    for name in experiment.progress(("digits", "autoencoder"), total=2, what="race"):
        tries, negative = {method: [] for method in COLORS}, {method: [] for method in COLORS}
        for run in range(seed, seed + runs):
            objective = race_nets(dataset, run)[name]
            for method in COLORS:
                tried, end = race_once(objective, method, iterations, first_order, run)
                tries[method].append(tried)
                negative[method].append(spectrum_row(linalg.eigvalsh(objective.hessian(end)))["negative"])
        best = [min(losses.min() for method in tries for _, losses, _ in tries[method][run]) for run in range(runs)]
        for method, found in tries.items():
            lowest = [min(tried, key=lambda one: one[1].min()) for tried in found]
            curves[name, method] = lowest[0]
            row = {"part": "race", "what": f"{name}, {method}", "parameters": objective.start.size}
            row |= experiment.spread(loss=[losses.min() for _, losses, _ in lowest], negative=negative[method])
            for target in TARGETS:
                pairs = [reached(tried, target * floor) for tried, floor in zip(found, best, strict=True)]
                row |= experiment.spread(**{f"iterations_to_{target:g}": [pair[0] for pair in pairs],
                                            f"seconds_to_{target:g}": [pair[1] for pair in pairs]})
            each = np.median([clock[-1] / counts[-1] for counts, _, clock in lowest])
            rows.append(row | {"milliseconds": 1e3 * each})
    return rows, curves


def reached(tried, target):
    """Fewest iterations and fewest seconds to a loss of `target` in any of the tries; infinite where in none."""
    found = [(counts[when[0]], clock[when[0]]) for counts, losses, clock in tried
             if (when := np.flatnonzero(losses <= target)).size]
    return tuple(float(min(values)) for values in zip(*found, strict=True)) if found else (np.inf, np.inf)


# ---- 4: index against loss --------------------------------------------------------------------------------

def critical_points(dataset, starts, seed):
    """Distinct critical points of a 25-5-4 softmax net on the digits 0 to 3, l2 0.003.

    Roots of the gradient are looked for from places along gradient descents, and kept where its length is below 1e-8.
    Two are one where loss and spectrum are equal: renamed or reflected hidden units give the same net.

    Returns
    -------
    shares, losses : float64 (points,)
        Of negative eigenvalues, and the loss with its l2.
    """
    few = np.flatnonzero(dataset.labels < 4)[:100]
    if len(few) < 10:
        raise ValueError(f"{len(few)} of {len(dataset.labels)} images are digits from 0 to 3: more IMAGES")
    inputs, labels = datasets.pooled(dataset, 5).inputs[few], dataset.labels[few]
    rng = mlp.generator(seed, child=0)
    points = []
    for _ in experiment.progress(range(starts), total=starts, what="critical points"):
        init = f"normal({rng.choice([0.1, 0.3, 1.0])})"
        network = mlp.MLP((inputs.shape[1], 5, 4), "tanh", "cross-entropy", init, rng)
        objective = Objective(network, inputs, labels, 3e-3)
        here = objective.start
        for index in range(400):
            if index in (0, 5, 10, 20, 40, 80, 160, 399):
                points += critical_point(objective, here)
            here = here - objective.gradient(here)
    distinct = []
    for point in points:
        if not any(np.allclose(point, other, rtol=1e-5, atol=1e-7) for other in distinct):
            distinct.append(point)
    values = np.array([point[1:] for point in distinct]).reshape(len(distinct), -1)
    return (values < -1e-6).mean(axis=1) if distinct else np.empty(0), np.array([point[0] for point in distinct])


def critical_point(objective, start):
    """[loss, *eigenvalues] of the root that is found from here, in a list; an empty list where there is none."""
    try:
        root = optimize.root(objective.gradient, start, jac=objective.hessian, tol=1e-12).x
        if np.linalg.norm(objective.gradient(root)) < 1e-8:
            return [np.concatenate([[objective.loss(root)], linalg.eigvalsh(objective.hessian(root))])]
    except curvature.NotFinite:  # the search left for infinity
        pass
    return []


def index_rows(shares, losses):
    if len(losses) < 3:
        raise ValueError(f"{len(losses)} distinct critical points were found: expected 3 or more, raise STARTS")
    return [{"part": "index", "what": "critical points", "points": len(losses),
             "spearman": stats.spearmanr(shares, losses)[0], "minima": int(np.count_nonzero(shares == 0)),
             "least": losses.min(), "largest": losses.max()}]


# ---- 5: third order ---------------------------------------------------------------------------------------

def iterations_to_minimum(loss, gradient, hessian, third, start, chebyshev, halve, most=200):
    """Iterations to a gradient below 1e-8, infinite if there are more than `most`.

    chebyshev: take its step where that leaves a lower loss than Newton's. halve: Newton's step, ten times at most,
    until the loss falls.
    """
    here = start
    for index in range(most):
        slope = gradient(here)
        if np.linalg.norm(slope) < 1e-8:
            return index
        curve = hessian(here)
        newton = curvature.newton_step(slope, curve)
        shortened = (newton * 0.5**k for k in range(11 if halve else 1))
        move = next((step for step in shortened if not halve or loss(here + step) < loss(here)), newton)
        if chebyshev:
            step = curvature.chebyshev_step(slope, curve, lambda p, at=here: third(at, p))
            move = min(move, step, key=lambda one, at=here: loss(at + one))
        here = here + move
    return np.inf


def rosenbrock_third(point, along):
    """T[p, p] of Rosenbrock's function: its only third derivatives are xxx, 2400 x, and xxy, -400."""
    return np.array([2400 * point[0] * along[0]**2 - 800 * along[0] * along[1], -400 * along[0]**2])


def third_rows(dataset, starts, seed):
    """Mean iterations of both on Rosenbrock's function, in [-2, 2]², and on logistic regression with two l2."""
    rng = np.random.default_rng(seed)

    def both(*problem, halve):
        return [iterations_to_minimum(*problem, chebyshev, halve) for chebyshev in (False, True)]

    rosenbrock = optimize.rosen, optimize.rosen_der, optimize.rosen_hess, rosenbrock_third
    counts = {"Rosenbrock": [both(*rosenbrock, point, halve=False) for point in rng.uniform(-2, 2, size=(starts, 2))]}
    images = datasets.pooled(dataset, 5)
    for l2 in (1e-4, 1e-6):
        counts[f"logistic regression, l2 {l2:g}"] = found = []
        for part in np.array_split(np.arange(len(images.labels)), 5) * 4:  # four beginnings on each of five sets
            network = mlp.MLP((25, images.classes), "tanh", "cross-entropy", "normal(0.01)", rng)
            one = Objective(network, images.inputs[part], images.labels[part], l2)
            found.append(both(one.loss, one.gradient, one.hessian, one.third, one.start, halve=True))
    rows = []
    for what, found in counts.items():
        done = [pair for pair in found if np.isfinite(pair).all()]
        newton, chebyshev = np.mean(done, axis=0) if done else (np.nan, np.nan)
        rows.append({"part": "third", "what": what, "cases": len(found), "both_ended": len(done), "newton": newton,
                     "chebyshev": chebyshev, "fewer_percent": 100 * (1 - chebyshev / newton)})
    return rows


# ---- 6: the spectrum --------------------------------------------------------------------------------------

def spectra_of_training(dataset, first_order, seed):
    """Rows and eigenvalues of the classifier's Hessian, without l2, before and after Adam: {when: float64}."""
    objective = race_nets(dataset, seed)["digits"]
    *_, trained = first_order_race(objective, "Adam", FIRST_RATES["Adam"][1], first_order, seed)
    spectra = {}
    for when, parameters in (("untrained", objective.start), ("trained", trained)):
        network = curvature.at(objective.network, parameters)
        spectra[when] = linalg.eigvalsh(curvature.hessian(network, *objective.batch))
    return [{"part": "spectrum", "what": f"digits, {when}"} | spectrum_row(values)
            for when, values in spectra.items()], spectra


# ---- the picture ------------------------------------------------------------------------------------------

PANELS = {"slow": ("spectra", "slow"), "inverse": ("r", "batch", "inverse"), "index": ("index",),
          "third": ("third",), "spectrum": ("spectrum",),
          "race": ("digits iterations", "digits seconds", "autoencoder iterations", "autoencoder seconds")}
SERIES = {"SGD": plots.GREY, "layers' blocks": plots.BLUE, "whole Hessian": plots.RED,
          "whole, source's damping": VIOLET,
          "functional inverse": VIOLET, "functional inverse, small steps": plots.RED, "damped Newton": plots.BLUE}


@plots.styled
def picture(rows, spectra, curves, points, title, caption):
    """The figure. spectra: {(part, when, what): eigenvalues}; curves as `race` gives them; points: shares, losses."""
    parts = [part for part in PANELS if any(row["part"] == part for row in rows)]
    names = [name for part in parts for name in PANELS[part]]
    if "race" in parts:  # its four panels share a row
        names[-4:-4] = ["."] * (-(len(names) - 4) % 4)
    columns = min(4, len(names))
    names += ["."] * (-len(names) % columns)
    mosaic = [names[start:start + columns] for start in range(0, len(names), columns)]
    figure, panels = plots.figure(mosaic, max(4.2 * columns, 9), 4 * len(mosaic) + 0.5, title, caption)
    draw = {"slow": lambda: (draw_spectra(panels["spectra"], spectra, "slow"), draw_learning(panels, rows, "slow")),
            "inverse": lambda: (draw_differences(panels, rows), draw_learning(panels, rows, "inverse")),
            "race": lambda: draw_race(panels, curves), "index": lambda: draw_index(panels["index"], *points),
            "third": lambda: draw_third(panels["third"], rows),
            "spectrum": lambda: draw_spectra(panels["spectrum"], spectra, "spectrum")}
    for part in parts:
        draw[part]()
    return figure


def draw_spectra(axes, spectra, part):
    styles = {"untrained": ":", "trained": "-"}
    for (of, when, what), values in spectra.items():
        if of == part:
            axes.plot(np.linspace(0, 1, len(values)), values, styles[when], color=plots.RED if what == "whole" else
                      plots.BLUE, lw=1.5, label=f"{what}, {when}")
    axes.set_yscale("symlog", linthresh=1e-4)
    axes.axhline(0, color=plots.GREY, lw=0.6)
    axes.set(xlabel="share of eigenvalues below", ylabel="eigenvalue",
             title="slow net: layers' blocks and the whole" if part == "slow" else "digits: before and after training")
    axes.legend(fontsize=8, loc="upper left")


def draw_learning(panels, rows, part):
    axes = panels[part]
    rows = [row for row in rows if row["part"] == part and "accuracy" in row]
    for what in dict.fromkeys(row["what"] for row in rows):
        color = SERIES[what]
        own = [row for row in rows if row["what"] == what]
        steps = [row["step"] for row in own]
        axes.fill_between(steps, [row["accuracy_low"] for row in own], [row["accuracy_high"] for row in own],
                          color=color, alpha=0.2, lw=0)
        axes.plot(steps, [row["accuracy"] for row in own], "o-", color=color, ms=3,
                  label=f"{what} ({own[0]['milliseconds']:.2g} ms a step)")
    low = min(row["accuracy_low"] for row in rows)
    high = max(row["accuracy_high"] for row in rows)
    axes.set(title="slow net" if part == "slow" else "perceptron", xlabel="step", ylabel="test accuracy",
             ylim=(low - 0.5 * (high - low), None))
    axes.legend(fontsize=7, loc="lower right")


def draw_differences(panels, rows):
    """Errors of the functional inverse, with the middle 90 % of the runs as bars."""
    for panel, what, key in (("r", "finite-difference", "r"), ("batch", "batch over inputs", "share")):
        own = [row for row in rows if row["part"] == "inverse" and row["what"] == what]
        middle = np.array([row["error"] for row in own])
        bars = np.abs([[row["error" + end] for row in own] - middle for end in ("_low", "_high")])
        panels[panel].errorbar([row[key] for row in own], middle, bars, fmt="o-", color=plots.RED, ms=4, lw=1.5)
        panels[panel].set(yscale="log", ylabel="largest error over largest entry")
    exact = next(row for row in rows if row["what"] == "complex-step")
    panels["r"].axhline(exact["error"], color=plots.BLUE, lw=1.5)
    panels["r"].text(1, exact["error"] * 1.5, "complex step", color=plots.BLUE, fontsize=8, ha="right")
    panels["r"].axvline(1e-9, color=plots.GREY, lw=0.8, ls=":")
    panels["r"].text(1.3e-9, panels["r"].get_ylim()[1], "source", color=plots.GREY, fontsize=8, va="top")
    panels["r"].set(title="functional inverse by differences", xlabel="r", xscale="log")
    panels["batch"].axvline(1, color=plots.GREY, lw=0.8, ls=":")
    panels["batch"].set(title="its formula against exact Newton", xlabel="batch over inputs", xscale="log")
    panels["batch"].set_xticks(SHARES[::2] + SHARES[-1:], [f"{share:g}" for share in SHARES[::2] + SHARES[-1:]])
    panels["batch"].minorticks_off()


def draw_race(panels, curves):
    for (net, method), (counts, losses, seconds) in curves.items():
        for unit, places in (("iterations", counts), ("seconds", seconds)):
            axes = panels[f"{net} {unit}"]
            axes.plot(places[1:], losses[1:], color=COLORS[method], lw=1.5, label=method)
            best = min(found[1].min() for (name, _), found in curves.items() if name == net)
            axes.set(title=f"{net}: training loss", xlabel=unit, ylabel="loss, l2 counted", xscale="log", yscale="log",
                     ylim=(0.8 * best, 3 * losses[0]))
    panels["digits iterations"].legend(fontsize=8, loc="upper right", title="Newton alone leaves upwards",
                                       title_fontsize=8)


def draw_index(axes, shares, losses):
    axes.plot(losses, shares, "o", color=plots.RED, ms=4, mew=0, alpha=0.7)
    axes.set(title=f"{len(losses)} critical points", xlabel="loss, l2 counted", ylabel="share of negative eigenvalues")


def draw_third(axes, rows):
    rows = [row for row in rows if row["part"] == "third"]
    for place, row in enumerate(rows):
        for key, color, shift in (("newton", plots.GREY, -0.15), ("chebyshev", plots.RED, 0.15)):
            axes.barh(place + shift, row[key], 0.28, color=color, label=key.capitalize() if place == 0 else None)
            axes.text(row[key], place + shift, f" {row[key]:.1f}", va="center", fontsize=8)
    axes.set(title="iterations to a gradient below 1e-8", xlabel="iterations, mean", ylim=(len(rows) - 0.4, -0.6))
    axes.set_yticks(range(len(rows)), [row["what"].replace(", ", "\n").replace(" regression", "\nregression")
                                       + f"\n(n = {row['both_ended']})" for row in rows], fontsize=8)
    axes.margins(x=0.15)
    axes.legend(fontsize=8)


def finding(rows):
    """What the parts that were run say, the race first."""
    by = {(row["part"], row["what"]): row for row in rows}  # the last of each: the end of a training
    said = []
    if ("race", "digits, Adam") in by:
        words = []
        for target in (TARGETS[0], TARGETS[-1]):
            for net in ("digits", "autoencoder"):
                ours = by["race", f"{net}, saddle-free"][f"seconds_to_{target:g}"]
                theirs, best = min((by["race", f"{net}, {name}"][f"seconds_to_{target:g}"], name)
                                   for name in ("SGD", "Adam", "L-BFGS"))
                words.append(f"{versus(ours, theirs, best)} ({net}, {target:g} times the lowest loss)")
        said.append("On the clock saddle-free Newton " + ", ".join(words))
    if ("slow", "SGD") in by:
        sgd, ours = by["slow", "SGD"], by["slow", "layers' blocks"]
        reach = [f"{row['accuracy']:.3f} ({row['accuracy_low']:.3f} to {row['accuracy_high']:.3f})"
                 for row in (ours, sgd)]
        said.append(f"slow net {reach[0]}, SGD {reach[1]} after as many steps, its own "
                    f"{ours['milliseconds'] / sgd['milliseconds']:.0f} times as long")
    if ("inverse", "SGD") in by:
        exact = by["inverse", "complex-step"]["error"]
        beyond = [row["error"] for row in rows if row["part"] == "inverse" and row.get("share", 0) > 1]
        said.append(f"the functional inverse is Newton's step to {exact:.0e}, or off by {min(beyond):.0%} to "
                    f"{max(beyond):.0%} where the batch outgrows the inputs")
    if ("index", "critical points") in by:
        row = by["index", "critical points"]
        said.append(f"index and loss of {row['points']} critical points correlate at {row['spearman']:.2f}")
    if ("third", "Rosenbrock") in by:
        fewer = [row["fewer_percent"] for row in rows if row["part"] == "third"]
        said.append(f"Chebyshev's step saves {min(fewer):.0f} to {max(fewer):.0f} % of Newton's iterations")
    if not said:
        before, after = (by["spectrum", f"digits, {when}"] for when in ("untrained", "trained"))
        said.append(f"{before['negative']} of {before['parameters']} eigenvalues are negative before training, "
                    f"{after['negative']} after")
    text = "; ".join(said)
    return text[0].upper() + text[1:]


def versus(ours, theirs, name):
    """Seconds beside those of another method, in words."""
    if not np.isfinite(ours):
        return "does not arrive in its steps"
    if not np.isfinite(theirs):
        return "alone arrives"
    return f"loses to {name} {ours / theirs:.1f} times" if ours > theirs else f"beats {name} {theirs / ours:.1f} times"


def main():
    experiment.check_several(PARTS=PARTS, DATASETS=DATASETS)
    for part in PARTS:
        if part not in PANELS:
            raise ValueError(f"PARTS names {part!r}: expected some of {', '.join(PANELS)}")
    experiment.check_positive(IMAGES=IMAGES, STEPS=STEPS, UNITS=UNITS, ITERATIONS=ITERATIONS, FIRST_ORDER=FIRST_ORDER,
                              STARTS=STARTS, RUNS=RUNS)
    if not 0 < DAMPING < np.inf:
        raise ValueError(f"DAMPING is {DAMPING!r}: expected a positive, finite number")
    rows, spectra, curves, points = [], {}, {}, (np.empty(0), np.empty(0))
    digits = datasets.load(DIGITS, limit=IMAGES, seed=SEED)
    if datasets.pooled(digits, 5).inputs.shape[1] != 25:
        raise ValueError(f"DIGITS is {DIGITS!r}: expected grey images, glyphs, noise or mnist")
    coloured = [part for part in PARTS if part in ("slow", "inverse")]
    images = colour_images(DATASETS, SEED) if coloured else None
    for part in PARTS:
        if part == "slow":
            found, of_slow = slow(images, UNITS, STEPS, DAMPING, RUNS, SEED)
            spectra |= {("slow", *key): values for key, values in of_slow.items()}
        elif part == "inverse":
            found = inverse(images, STEPS, RUNS, SEED)
        elif part == "race":
            found, curves = race(digits, ITERATIONS, FIRST_ORDER, RUNS, SEED)
        elif part == "index":
            points = critical_points(digits, STARTS, SEED)
            found = index_rows(*points)
        elif part == "third":
            found = third_rows(digits, 300, SEED)
        else:
            found, of_digits = spectra_of_training(digits, FIRST_ORDER, SEED)
            spectra |= {("spectrum", when, "whole"): values for when, values in of_digits.items()}
        rows += found
    shown = f"{images[0].name}, {len(images[0].labels):,} images (slow net, perceptron); " if images else ""
    rest = f"{DIGITS}, {len(digits.labels):,} images (the rest). " if len(PARTS) > len(coloured) else ""
    caption = (f"{shown}{rest}n = {RUNS} runs, seeds {SEED} to {SEED + RUNS - 1}, bands and bars the middle 90 %; "
               "the race shows the first run.\nRates and dampings of slow net and perceptron are chosen on validation "
               "images, rates and lengths of SGD and Adam in the race by the loss raced for.")
    arrays = {"_".join(key): values for key, values in spectra.items()}
    arrays |= {"critical_shares": points[0], "critical_losses": points[1]} if "index" in PARTS else {}
    arrays |= {f"race_{net}_{method}": np.array(found) for (net, method), found in curves.items()}
    return rows, picture(rows, spectra, curves, points, finding(rows), caption), {".npz": arrays}


if __name__ == "__main__":
    experiment.run(main)
