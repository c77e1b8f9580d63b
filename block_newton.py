"""Does Newton's step need the Hessian's part between layers?

The source trains its first net, the "slow network", by saddle-free Newton layer by layer, without the part of the
Hessian between layers. Here the same net is smaller: images are projected to UNITS numbers, and there are as many
hidden units, where the source has 50; leaky units with slope 0.5, squared error, batches of 50. Compared are SGD, the
steps of the layers' blocks, and the step of the whole Hessian, with a damping outside the absolute value,
1 / (|λ| + 0.1), or inside, 1 / |λ + 0.1|, as in the source. The blocks have no negative eigenvalue: on the blocks both
are equal, and "saddle-free" changes nothing. Learning rates are chosen on validation data.

Figure: (1) the sorted eigenvalues of the layers' blocks and of the whole Hessian, after training by SGD; (2) test
accuracy against steps. The title compares the last accuracies with and without the part between layers.

Source: Howon Lee, notes of 2017 and 2018 on second order.

Takes 40 s.
"""
import numpy as np
import scipy

import mlp
import optimizers
from gradnets import checks, curvature, experiment, plots, streams
from gradnets.errors import UserError

DATASETS = ("cifar100", "cifar10", "glyphs")  # data sets by name; the first available one is used
STEPS = 100                 # number of training steps
UNITS = 20                  # number of inputs, after a random projection of the images, and of hidden units
DAMPING = 0.1               # damping of the eigenvalues; the source's value
RUNS = 3                    # number of seeds, starting at SEED
SEED = 0                    # seed of data, weights and samples

# ---- not flags --------------------------------------------------------------------------------------------

ACTIVATION = "leaky(0.5)"
BATCH_SIZE = 50             # the source's
SGD_RATES = (0.3, 1.0, 3.0)               # learning rates that are tried on validation data
NEWTON_RATES = (0.03, 0.1, 0.3)
INSIDE_RATES = (0.003, 0.01, 0.03)        # with the damping inside the absolute value
STYLES = {"SGD": (plots.GREY, "v", "SGD"), "layers' blocks": (plots.BLUE, "s", "layers' blocks"),
          "whole Hessian": (plots.RED, "o", "whole Hessian"),
          "whole, source's damping": (plots.PURPLE, "D", "whole, source's damping")}
QUICK = {"steps": 40, "runs": 1}
HEADINGS = {"what": "rule or spectrum", "chosen": "learning rate", "accuracy": "test accuracy",
            "milliseconds": "milliseconds per step", "parameters": "all eigenvalues",
            "negative": "negative eigenvalues"}


def training_rules(damping):
    """Return the rules by name and learning rate, as `optimizers.learning_rows` takes them."""
    def by_blocks(rate):
        return lambda *net_and_batch: rate * curvature.block_step(*net_and_batch, damping)

    def whole(rate, inside):
        return lambda *net_and_batch: rate * curvature.saddle_free_step(
            curvature.gradient(*net_and_batch), curvature.hessian(*net_and_batch), damping, inside=inside)

    return {"SGD": {rate: optimizers.gradient_rule(rate) for rate in SGD_RATES},
            "layers' blocks": {rate: by_blocks(rate) for rate in NEWTON_RATES},
            "whole Hessian": {rate: whole(rate, False) for rate in NEWTON_RATES},
            "whole, source's damping": {rate: whole(rate, True) for rate in INSIDE_RATES}}


def projected(parts, units, seed):
    """Return the parts with their inputs centered, and projected to `units` numbers by a random matrix."""
    features = parts[0].inputs.shape[1]
    projection = streams.generator(seed, streams.WEIGHTS).normal(size=(features, units)) / np.sqrt(features)
    return optimizers.centered(parts, lambda inputs: inputs @ projection)


def eigenvalues(network, inputs, labels):
    """Return the sorted eigenvalues of the layers' blocks together, and of the whole Hessian, {matrix: (p,)}."""
    hidden, output = curvature.blocks(network, inputs, labels)
    return {"blocks": np.sort(np.concatenate([scipy.linalg.eigvalsh(hidden), np.linalg.eigvalsh(output).ravel()])),
            "whole": scipy.linalg.eigvalsh(curvature.hessian(network, inputs, labels))}


def last_rows(rows):
    """Return the row of the last step of each rule: {name: row}."""
    return {row["what"]: row for row in sorted((row for row in rows if "step" in row), key=lambda row: row["step"])}


def finding_of(ends):
    """Compare the last accuracies of Newton's steps without and with the Hessian between layers, in one sentence.

    Two accuracies count as equal if the intervals of their runs overlap.
    """
    blocks, whole = ends["layers' blocks"], ends["whole Hessian"]
    accurate = {1: "more accurate", 0: "as accurate", -1: "less accurate"}[clearly(blocks, whole)]
    return (f"Without the Hessian between layers, Newton is {accurate} ({blocks['accuracy']:.3f}, whole "
            f"{whole['accuracy']:.3f})")


def clearly(row, reference):
    """Return 1 or -1 if a row's interval of accuracies lies above or below the reference's, and 0 if they overlap."""
    return int(row["accuracy_low"] > reference["accuracy_high"]) - int(row["accuracy_high"] < reference["accuracy_low"])


@plots.styled
def picture(rows, spectra, title, caption):
    """Return the figure, with eigenvalues {(when, matrix): (p,)}."""
    drawing, panels = plots.figure([["whole", "accuracy"], ["blocks", "accuracy"]], 9.6, 4.8, title, caption)
    for matrix, words in (("whole", "eigenvalues of the whole Hessian"), ("blocks", "of the layers' blocks alone")):
        optimizers.draw_spectrum(panels[matrix], spectra["trained", matrix], words)
    panels["whole"].tick_params(labelbottom=False)
    panels["blocks"].set_xlabel("percent of the eigenvalues, sorted")
    optimizers.draw_accuracy(panels["accuracy"], rows, STYLES, "test accuracy, and milliseconds per step", 0.6)
    return drawing


def main(settings):
    checks.nonempty_tuples(datasets=settings.datasets)
    checks.positive_integers(steps=settings.steps, units=settings.units, runs=settings.runs)
    if not 0 < settings.damping < np.inf:
        raise UserError(f"damping is {settings.damping!r}: expected a positive, finite number")
    steps, seed, runs = settings.steps, settings.seed, settings.runs
    parts, data = optimizers.color_images(settings.datasets, seed)
    parts = projected(parts, settings.units, seed)
    training = parts[0]

    def net(run):
        return mlp.MLP((settings.units, settings.units, training.classes), ACTIVATION, "squared", "glorot", run,
                       biases=False)

    rules = training_rules(settings.damping)
    rows = optimizers.learning_rows(rules, net, parts, steps, BATCH_SIZE, runs, seed)
    ends = last_rows(rows)
    *_, trained = optimizers.train(net(seed), training, rules["SGD"][ends["SGD"]["chosen"]], steps, BATCH_SIZE, seed)
    spectra = {}
    for when, network in (("untrained", net(seed)), ("trained", trained)):
        for matrix, values in eigenvalues(network, training.inputs[:BATCH_SIZE], training.labels[:BATCH_SIZE]).items():
            spectra[when, matrix] = values
            rows.append({"what": f"spectrum of {matrix}, {when}"} | curvature.spectrum_summary(values))
    finding = finding_of(ends)
    caption = (f"{training.name}, {len(training.labels):,} training images projected to {settings.units} numbers; "
               f"n = {plots.counted(runs, 'seed')}, medians and the middle 90 %, equal if these overlap. Eigenvalues λ "
               f"of one batch after training. A step divides by |λ| + {settings.damping:g} along each eigenvector; by "
               f"the source's damping, by |λ + {settings.damping:g}|.")
    printed = [*ends.values(), *(row for row in rows if "step" not in row)]
    return experiment.Result(rows, names=("what", "step"), finding=finding, printed=printed, headings=HEADINGS,
                             columns=("chosen", "accuracy", "milliseconds", "parameters", "negative"),
                             figure=picture(rows, spectra, finding, caption),
                             files={".npz": {"_".join(key): values for key, values in spectra.items()}}, data=data,
                             suggestion="--damping 1 shows steps that are closer to the gradient's")


if __name__ == "__main__":
    experiment.run(main)
