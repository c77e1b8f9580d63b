"""Is the functional inverse of the gradient Newton's step?

The source's second net, the "fast network", is a perceptron whose step is a finite difference of the gradient's inverse
function. Measured are (1) the step's error against the pseudoinverse of the whole Hessian, as the difference r shrinks,
and how many outputs the difference moves across 0, where leaky units change their slope; (2) the error of the step's
formula as the batch outgrows the inputs; (3) test accuracy beside SGD and damped Newton; (4) how many random square
nets of two layers have a step equal to Newton's for each layer; (5) steps on Rosenbrock's function and in linear
regression, each from a random point. The source's regression starts Newton at the end of its gradient descent, because
its reset copies a reference instead of the weights. Learning rates and dampings of (3) are chosen on validation data.

Figure: panels for (1), (2) and (3), the first with the source's r.

Source: Howon Lee, notes of 2017 and 2018 on second order.

Takes 15 s.
"""
import numpy as np
import scipy

import mlp
import optimizers
from gradnets import checks, curvature, datasets, experiment, plots, streams, summaries

DATASETS = ("cifar100", "cifar10", "glyphs")  # data sets by name; the first available one is used
STEPS = 100                 # number of training steps
DRAWS = 200                 # number of random nets with layers of 3 and of 10 units; a tenth of it have 30 units
RUNS = 3                    # number of seeds, starting at SEED
SEED = 0                    # seed of data, weights and samples

# ---- not flags --------------------------------------------------------------------------------------------

ACTIVATION = "leaky(0.5)"
SIDE = 8                                              # images become SIDE x SIDE means of tiles
SOURCE_R = 1e-9                                       # the source's difference
DIFFERENCES = 10.0**np.arange(-12, 0.5, 1)            # differences r whose error is measured
SHARES = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 4.0)  # batch sizes over the number of inputs
BATCHES = 4                                           # stream of a seed that draws the batches of (1) and (2)
POINTS = 100                                          # random points of Rosenbrock's function and of the regression
SGD_RATES = (0.03, 0.1, 0.3, 1.0)
INVERSE_RATES = (0.003, 0.01, 0.03)
DAMPINGS = (0.3, 1.0, 3.0, 10.0)
STYLES = {"SGD": (plots.GREY, "v", "SGD"),
          "functional inverse": (plots.PURPLE, "D", "functional inverse, full steps"),
          "functional inverse, small steps": (plots.RED, "o", "functional inverse, small steps"),
          "damped Newton": (plots.BLUE, "s", "damped Newton")}
HEADINGS = {"what": "rule or step", "share": "batch / inputs", "accuracy": "test accuracy", "error": "error of step",
            "draws": "random nets", "agree": "equal to Newton's"}


# ---- a perceptron on images -------------------------------------------------------------------------------

def training_rules():
    """Return the rules by name and learning rate or damping, as `optimizers.learning_rows` takes them."""
    def by_inverse(rate):
        return lambda *net_and_batch: rate * curvature.functional_inverse_step(*net_and_batch)

    def damped(damping):
        return lambda *net_and_batch: curvature.block_step(*net_and_batch, damping, "cholesky")

    return {"SGD": {rate: optimizers.gradient_rule(rate) for rate in SGD_RATES},
            "functional inverse": {1.0: by_inverse(1.0)},
            "functional inverse, small steps": {rate: by_inverse(rate) for rate in INVERSE_RATES},
            "damped Newton": {damping: damped(damping) for damping in DAMPINGS}}


def exact_newton(network, inputs, labels):
    """Return -H⁺ g of a perceptron, by the pseudoinverse of each output's block, float64 (inputs, outputs)."""
    stack, = curvature.blocks(network, inputs, labels)
    gradient, = curvature.split(network, curvature.gradient(network, inputs, labels))
    return -np.einsum("kij,jk->ik", np.linalg.pinv(stack, hermitian=True), gradient)


def source_formula(network, inputs, labels):
    """Return -X⁺ [(h - y) / f'], the limit of the source's difference, float64 (inputs, outputs), for any batch."""
    outputs = network.forward(inputs)[-1]
    return -np.linalg.pinv(inputs) @ ((outputs - network.targets[labels]) / np.where(outputs > 0, 1, network.slope))


def relative_error(step, exact):
    """Return the largest difference over the largest exact entry."""
    return float(np.abs(step - exact).max() / np.abs(exact).max())


def crossings(network, inputs, labels, r):
    """Count the outputs that change their sign in a difference of size r, which compares h with h + r (h - y).

    Leaky units have another slope beyond 0, so that the difference of a crossing output is no derivative.
    """
    outputs = network.forward(inputs)[-1]
    return int(np.count_nonzero((outputs > 0) != (outputs + r * (outputs - network.targets[labels]) > 0)))


def error_rows(net, dataset, runs, seed):
    """Return the errors of the finite difference for each r, and of its formula for each batch size.

    net : function from a seed to a perceptron; dataset : Dataset; runs, seed : int
    """
    features = dataset.inputs.shape[1]
    rng = streams.generator(seed, BATCHES)

    def batch(size):
        chosen = rng.choice(len(dataset.labels), size=size, replace=False)
        return dataset.inputs[chosen], dataset.labels[chosen]

    measurements = {}
    for network in map(net, range(seed, seed + runs)):
        half = batch(features // 2)
        exact = exact_newton(network, *half).ravel()
        for method, r in [("complex-step", 0.0)] + [("finite-difference", r) for r in DIFFERENCES]:
            step = curvature.functional_inverse_step(network, *half, method, r)
            numbers = {"error": relative_error(step, exact)}
            if method == "finite-difference":
                numbers["crossed"] = crossings(network, *half, r)
            measurements.setdefault((method, "r", float(r)), []).append(numbers)
        for share in SHARES:
            drawn = batch(round(share * features))
            error = relative_error(source_formula(network, *drawn), exact_newton(network, *drawn))
            measurements.setdefault(("batch over inputs", "share", share), []).append({"error": error})
    return [{"what": name, key: value}
            | summaries.median_intervals(**{quantity: [numbers[quantity] for numbers in runs] for quantity in runs[0]})
            for (name, key, value), runs in measurements.items()]


# ---- two layers, and two functions ------------------------------------------------------------------------

def two_layer_rows(units, draws, seed):
    """Count the random square nets of two layers whose functional-inverse step is Newton's step of each layer.

    Weights and inputs, both (units, units), are standard normal. The block of layer l is J_lᵀ J_l / batch, where J_l
    contains the outputs' derivatives by the layer's weights, because the units are piecewise linear. Newton's step of
    the block therefore solves J_l step = t - h, and the reference is the dense solution of this system: a solution
    with the block itself would square the condition number, and be wrong by a tenth in the worst draws. Two steps are
    equal if `numpy.allclose` says so at its default tolerances.
    """
    rng = np.random.default_rng(seed)
    differences = {"closed-form": 0.0, "complex-step": 0.0, "finite-difference": SOURCE_R}
    agree = dict.fromkeys(differences, 0)
    for _ in range(draws):
        network = mlp.MLP((units,) * 3, ACTIVATION, "squared", "normal(1)", rng, biases=False)
        inputs, labels = rng.normal(size=(units, units)), rng.integers(units, size=units)
        hidden, outputs = network.forward(inputs)[1:]
        slopes = [np.where(values > 0, 1.0, network.slope) for values in (hidden, outputs)]
        output_by_hidden = slopes[0][:, :, None] * network.weights[1]
        first = np.einsum("ik,ijk,ia->ikaj", slopes[1], output_by_hidden, inputs, optimize=True)
        second = slopes[1].T[:, :, None] * hidden  # the weights of an output unit move this output alone
        residual = network.targets[labels] - outputs
        newton = np.concatenate([np.linalg.solve(first.reshape(units**2, units**2), residual.ravel()),
                                 np.linalg.solve(second, residual.T[..., None])[..., 0].T.ravel()])
        for method, r in differences.items():
            step = curvature.functional_inverse_step(network, inputs, labels, method, r)
            agree[method] += bool(np.allclose(step, newton))
    return [{"what": f"two layers of {units}, {method}", "r": r, "draws": draws, "agree": agree[method]}
            for method, r in differences.items()]


def rosenbrock_inverse(gradient):
    """Return the point (x, y) at which (1 - x)² + 100 (y - x²)² has this gradient: the inverse in closed form."""
    x = (gradient[0] + 2) / (2 - 2 * gradient[1])
    return np.array([x, x * x + gradient[1] / 200])


def example_rows(points, seed):
    """Return the largest relative difference of the functional inverse's and Newton's steps in two examples.

    The examples are the source's: Rosenbrock's function and linear regression, from random points in [-2, 2]^n.
    """
    rng = np.random.default_rng(seed)
    inputs, targets = rng.normal(size=(100, 10)), rng.normal(size=100)
    square = inputs.T @ inputs
    examples = {"Rosenbrock": (scipy.optimize.rosen_der, scipy.optimize.rosen_hess, rosenbrock_inverse, 2),
                "linear regression": (lambda w: square @ w - inputs.T @ targets, lambda w: square,
                                      lambda g: np.linalg.solve(square, g + inputs.T @ targets), 10)}
    rows = []
    for name, (gradient, hessian, inverse, size) in examples.items():
        for method, r in (("complex-step", 0.0), ("finite-difference", SOURCE_R), ("finite-difference", 1e-5)):
            largest = 0.0
            for point in rng.uniform(-2, 2, size=(points, size)):
                step = curvature.difference_of_inverse(inverse, gradient(point), method, r or 1.0)
                newton = curvature.newton_step(gradient(point), hessian(point))
                largest = max(largest, relative_error(step, newton))
            rows.append({"what": f"{name}, {method}", "r": r, "draws": points, "error": largest})
    return rows


# ---- the picture ------------------------------------------------------------------------------------------

def finding_of(rows):
    """Say in one sentence whether the functional inverse is Newton's step, also where samples outnumber inputs."""
    within = [row["error"] for row in rows if 0 < row.get("share", 0) <= 0.9 or row["what"] == "complex-step"]
    if max(within) > 1e-6:
        return f"The functional inverse is not Newton's step: its error is up to {max(within):.1g}"
    if min(row["error"] for row in rows if row.get("share", 0) > 1) < 0.005:
        return "The functional inverse is Newton's step for batches of any size"
    return f"The functional inverse is Newton's step, but {percent_beyond(rows)} off if samples outnumber inputs"


def percent_beyond(rows):
    """Return the range of the errors of batches with more samples than inputs, in words: "34 to 41 %"."""
    errors = [row["error"] for row in rows if row.get("share", 0) > 1]
    low, high = (f"{100 * error:.0f}" for error in (min(errors), max(errors)))
    return f"{low if low == high else f'{low} to {high}'} %"


@plots.styled
def picture(rows, title, caption):
    """Return the figure: errors against r, errors against the batch, and test accuracy."""
    drawing, panels = plots.figure([["r", "batch"], ["accuracy", "accuracy"]], 9, 7.5, title, caption)
    exact = next(row for row in rows if row["what"] == "complex-step")
    source = next(row for row in rows if row.get("r") == SOURCE_R and row["what"] == "finite-difference")
    axes = panels["r"]
    draw_errors(axes, rows, "finite-difference", "r")
    plots.draw_source(axes, SOURCE_R, source["error"])
    axes.annotate(f"source's r,\nerror {np.format_float_positional(source['error'], 1, fractional=False)}",
                  (SOURCE_R, source["error"]), xytext=(8, 6), textcoords="offset points")
    axes.axhline(exact["error"], color=plots.BLUE, lw=1.5, ls="--")
    axes.text(DIFFERENCES[0], exact["error"] / 2, "complex step", color=plots.BLUE, va="top")
    bent = [row["r"] for row in rows if row.get("crossed", 0) > 0]
    if bent:
        axes.text(min(bent) / 3, 4, f"from r = {min(bent):g} on, outputs cross 0\nin most runs: leaky units bend there",
                  ha="right", va="top")
    axes.set(title="error by differences of size r", xlabel="r")
    axes = panels["batch"]
    draw_errors(axes, rows, "batch over inputs", "share")
    axes.axvline(1, color=plots.GREY, lw=0.8, ls=":")
    axes.text(1.03, 1e-12, "as many samples\nas inputs", color=plots.GREY)
    beyond = [row for row in rows if row.get("share", 0) > 1]
    axes.text(max(row["share"] for row in beyond), 2 * max(row["error_high"] for row in beyond),
              f"{percent_beyond(rows)} off", ha="right", color=plots.text_color(plots.RED), fontweight="bold")
    axes.set(title="error of its formula, without r", xlabel="batch size over number of inputs")
    axes.set_xticks((0.25, 0.5, 1, 2, 4), ("0.25", "0.5", "1", "2", "4"))
    axes.minorticks_off()
    for name in ("r", "batch"):
        panels[name].set(ylim=(1e-13, 20), ylabel="error (1 is as large as the step)")
    optimizers.draw_accuracy(panels["accuracy"], [row for row in rows if row["what"] in STYLES], STYLES,
                             "test accuracy, and milliseconds per step", 0.3)
    return drawing


def draw_errors(axes, rows, name, key):
    """Draw the errors of the rows with this name against row[key], with the middle 90 % of the runs as a band."""
    rows = [row for row in rows if row["what"] == name]
    axes.set(xscale="log", yscale="log")
    plots.draw_band(axes, [row[key] for row in rows], rows, "error", plots.RED)


def main(settings):
    checks.nonempty_tuples(datasets=settings.datasets)
    checks.positive_integers(steps=settings.steps, draws=settings.draws, runs=settings.runs)
    steps, seed, runs = settings.steps, settings.seed, settings.runs
    parts, data = optimizers.color_images(settings.datasets, seed)
    parts = optimizers.centered([datasets.pool(part, SIDE) for part in parts], lambda inputs: inputs)
    training = parts[0]
    features = training.inputs.shape[1]

    def net(run):
        return mlp.MLP((features, training.classes), ACTIVATION, "squared", "glorot", run, biases=False)

    rows = optimizers.learning_rows(training_rules(), net, parts, steps, features // 2, runs, seed)
    rows += error_rows(net, training, runs, seed) + example_rows(POINTS, seed)
    for units, draws in ((3, settings.draws), (10, settings.draws), (30, max(1, settings.draws // 10))):
        rows += two_layer_rows(units, draws, seed)
    finding = finding_of(rows)
    caption = (f"{training.name}, {len(training.labels):,} images as {features} numbers each; n = "
               f"{plots.counted(runs, 'seed')}, lines are medians, bands the middle 90 %. An error is the largest "
               "difference from the Hessian's pseudoinverse times the gradient, over the largest entry of that step.")
    return experiment.Result(rows, names=("what", "step", "r", "share"), finding=finding, headings=HEADINGS,
                             columns=("accuracy", "error", "draws", "agree"), printed=rows_to_print(rows, steps),
                             figure=picture(rows, finding, caption), data=data,
                             suggestion="--datasets noise shows test accuracies without anything to learn")


def rows_to_print(rows, steps):
    """Return the accuracies after the last step, the main errors, and the counts of nets with layers of 10 units."""
    return [{key: value for key, value in row.items() if key != "step"} for row in rows
            if row.get("step") == steps or (row.get("r") in (0, SOURCE_R) and "error" in row and "draws" not in row)
            or row.get("share") in (0.5, 1, 1.25, 4) or "of 10," in row["what"]]


if __name__ == "__main__":
    experiment.run(main)
