"""How heavy are the tails of weights and gradients?

Trains nets on each data set, and describes the magnitudes of each layer's weights and single-sample gradients before
and after training: a power-law tail; the laws that may describe it better; p, the probability that a true power law
fits as badly; and the law that describes the largest 90 %. Rows are medians over the runs, with the middle 90 %, and
the commonest verdicts.

Figure: one row of panels for each data set. Weights and gradients of the first layer, each as a histogram and a CCDF,
log-log: untrained in grey, trained in colour, with the best law drawn over the range it was fitted on.

With --weights FILE or --gradient FILE the script reads your own net instead of training one. Each matrix of a .npy,
.npz or .safetensors file gets one verdict, and the worst stand first: constant, rank one, dead, duplicated, near its
initialisation (for a gradient: like noise), heavy-tailed, plain. gradnets/checkpoints/diagnosis.py defines them. The
figure then has one panel for each matrix; --list shows what the file holds, and --layer selects matrices by name or
pattern.

Source: README of mlp_gradient_networks (2016): heavy-tailed histograms of the weights and cached deltas of a 784-30-10
tanh net, guessed to be stretched exponentials, and lost on random inputs. Here the net trains on 30,000 single samples
at a learning rate of 0.01 towards targets of -1 and 1. The source does not name its initialisation; weights look
heavy-tailed only from a small one, so this one is small. The exponent beta of a stretched exponential over the largest
90 % of the values decides about the guess: untrained normal weights have 1.4, and below 1 a tail is heavier than
exponential.

Takes 40 s; a file takes 0.4 s for each matrix, and 10 s for one of 58 million entries.
"""
from collections import Counter
from pathlib import Path

import numpy as np

import mlp
import rbm
from gradnets import checkpoints, checks, datasets, experiment, plots, tails
from gradnets.errors import NoResult, UserError
from gradnets.progress import progress

WEIGHTS = ""                # file with weights of your own: .npy, .npz or .safetensors
GRADIENT = ""               # file with gradients of your own: .npy, .npz or .safetensors
LAYER = "*"                 # matrices of the file to describe, by name or pattern
KERNELS = "oihw"            # axes of convolution kernels in the file: oihw (PyTorch) or hwio (JAX, Keras)
LIST = False                # list the tensors of the file, and do nothing else
PANELS = 24                 # largest number of matrices of a file in the figure, the worst first; the table has all
MODEL = "mlp"               # mlp: a perceptron; rbm: a restricted Boltzmann machine by contrastive divergence (CD-1)
DATASETS = ("glyphs", "noise", "noise-constant")  # data sets, by name; noise has random classes, noise-constant one
IMAGES = 10_000             # largest number of training images, the first ones of the data set
HIDDEN_UNITS = (30,)        # number of units in each hidden layer; a Boltzmann machine has one hidden layer
INIT = "normal(0.01)"       # law of the weights: uniform(scale), normal(scale), glorot, glorot-normal, orthogonal(gain)
LEARNING_RATE = 0.01        # step length of gradient descent
STEPS = 30_000              # number of single-sample training steps between before and after
GRADIENTS = 5               # number of single-sample gradients that are pooled
RUNS = 3                    # number of training runs for each data set, with seeds from SEED on
REPLICATES = 100            # number of bootstrap replicates behind p
SEED = 0                    # seed of data, weights, samples and bootstrap

# ---- not flags
MODELS = {"mlp": mlp, "rbm": rbm}
KINDS = ("weights", "gradients")
WHEN = ("before", "after")
WORDS = {"weights": {"random": "near initialisation"},  # what a verdict of the diagnosis means for either kind
         "gradients": {"random": "like noise", "dead": "silent"}}
PHRASES = {"rank one": "of rank one", "dead": "dead in part", "silent": "silent in part"}  # verdicts in a sentence


def main(settings):
    checks.positive_integers(images=settings.images, steps=settings.steps, gradients=settings.gradients,
                             runs=settings.runs, replicates=settings.replicates, panels=settings.panels,
                             hidden_units=settings.hidden_units)
    checks.nonempty_tuples(datasets=settings.datasets, hidden_units=settings.hidden_units)
    checks.seed(settings.seed)
    checks.choice("model", settings.model, MODELS)
    if settings.weights and settings.gradient:
        raise UserError("--weights and --gradient are both given: take one of them")
    path, kind = settings.weights or settings.gradient, "weights" if settings.weights else "gradients"
    checkpoints.check_flags(("weights", "gradient"), path, settings.layer, settings.kernels, settings.list)
    if settings.list:
        return experiment.Result(checkpoints.table_of_contents(path), names=("name",))
    return diagnose_file(path, kind, settings) if path else describe_training(settings)


# ---- nets that are trained here ---------------------------------------------------------------------------

def describe_training(settings):
    """Train nets on each data set, and return the Result of the tails before and after."""
    if settings.model == "rbm" and len(settings.hidden_units) != 1:
        raise UserError(f"hidden_units is {settings.hidden_units}: a Boltzmann machine has one hidden layer, give one "
                        "number")
    depth = 1 if settings.model == "rbm" else len(settings.hidden_units) + 1
    names = tuple(dict.fromkeys(settings.datasets))
    rows, first_runs, best_laws, data = [], {}, {}, []
    for name in names:
        dataset = datasets.load(name, limit=settings.images, seed=settings.seed)
        data.append(dataset.provenance)
        runs = [before_and_after(settings.model, dataset, settings.hidden_units, settings.init, settings.learning_rate,
                                 settings.steps, settings.gradients, settings.seed + run)
                for run in range(settings.runs)]
        first_runs[name] = runs[0]
        cases = [(kind, when, layer) for kind in KINDS for when in WHEN for layer in range(depth)]
        for kind, when, layer in progress(cases, total=len(cases), label=f"fitting {name}"):
            described = [tails.describe(run[when][kind][layer], settings.replicates, settings.seed + k)
                         for k, run in enumerate(runs)]
            rows.append({"data": name, "what": kind, "when": when, "layer": layer + 1}
                        | tails.over_runs([row for row, _ in described]))
            if when == "after" and layer == 0:
                best_laws[name, kind] = described[0][1]

    net = ("A Boltzmann machine by CD-1" if settings.model == "rbm" else
           "First layer of a tanh net, targets -1 and 1")
    caption = (f"{net}, hidden units {' '.join(map(str, settings.hidden_units))}, init {settings.init}, before (grey) "
               f"and after {settings.steps:,} single-sample steps at learning rate {settings.learning_rate:g}; n = "
               f"{settings.runs} runs, curves of the first.\nAll weights, and the entries of {settings.gradients} "
               "gradients, zeros left out; the body is their top 90 %. Dashed: the best law of the tail, where it was "
               "fitted.")
    sentence = finding(rows, names)
    return experiment.Result(rows, names=("data", "what", "when", "layer"), finding=sentence,
                             columns=("skew", "beta", "power_law_ruled_out", "verdict"),
                             figure=picture(first_runs, best_laws, sentence, caption), data=data)


def before_and_after(model, dataset, hidden_units, init, learning_rate, steps, gradients, seed):
    """Train one net, and return {"before": ..., "after": ...}, the magnitudes on both sides of training."""
    inputs = dataset.inputs.shape[1]
    if model == "rbm":
        network = rbm.RBM(inputs, *hidden_units, init, seed)
    else:
        network = mlp.MLP((inputs, *hidden_units, dataset.classes), "tanh", "squared", init, seed,
                          biases=(True,) + (False,) * len(hidden_units), targets=(-1.0, 1.0))
    probe = int(np.random.default_rng((seed, 4)).integers(2**32))  # draws the same samples twice, apart from training
    before = magnitudes(model, network, dataset, gradients, probe)
    training = MODELS[model].train(network, dataset, steps, learning_rate, seed=seed)
    for _ in progress(training, total=steps, label=f"training on {dataset.name}"):
        pass
    largest = max(np.abs(weights).max() for weights in network.weights)
    if not largest < 1e100:
        raise NoResult(f"on {dataset.name} training diverged, weights reach {largest:.3g}: lower --learning-rate")
    return {"before": before, "after": magnitudes(model, network, dataset, gradients, probe)}


def magnitudes(model, network, dataset, gradients, seed):
    """Return |weights| and |gradients| of each layer, {kind: list of flat arrays}; the network stays as it is."""
    steps = list(MODELS[model].train(network, dataset, gradients, learning_rate=0.0, seed=seed))
    weights = [network.weights] if model == "rbm" else network.weights
    return {"weights": [np.abs(layer).ravel() for layer in weights],
            "gradients": [np.abs(np.concatenate([step.gradients[k].ravel() for step in steps]))
                          for k in range(len(weights))]}


def finding(rows, names):
    """Say skew and beta of the first layer, untrained and trained, and how often a power law is ruled out.

    names : the data sets in order; the untrained numbers are those of the first one.
    """
    def numbers(row):
        return f"{row.get('skew', np.nan):.1f} ({row.get('beta', np.nan):.2f})"

    first = {(row["data"], row["what"], row["when"]): row for row in rows if row["layer"] == 1}
    parts = [f"|{kind}| untrained {numbers(first[names[0], kind, 'before'])}, trained "
             + ", ".join(f"{name} {numbers(first[name, kind, 'after'])}" for name in names) for kind in KINDS]
    trained = [row for (_, _, when), row in first.items() if when == "after"]
    ruled_out, runs = (sum(row.get(key, 0) for row in trained) for key in ("power_law_ruled_out", "runs"))
    return (f"Skew (exponent of the stretched exponential): {'; '.join(parts)}. A power law is ruled out in "
            f"{ruled_out} of {runs} trained tails")


@plots.styled
def picture(samples, best_laws, title, caption):
    """Draw the figure of trained nets.

    samples : {data set: {when: magnitudes}}; best_laws : {(data set, kind): (xmin, law, parameters) or None}.
    """
    mosaic = [[f"{name} {kind} {view}" for kind in KINDS for view in ("histogram", "CCDF")] for name in samples]
    figure, panels = plots.figure(mosaic, 13, 0.9 + 2.6 * len(samples), title, caption)
    for name, magnitudes_when in samples.items():
        for kind in KINDS:
            histogram, ccdf = (panels[f"{name} {kind} {view}"] for view in ("histogram", "CCDF"))
            for when, color in zip(WHEN, (plots.GREY, plots.RED if kind == "gradients" else plots.BLUE), strict=True):
                values = magnitudes_when[when][kind][0]
                values = values[values > 0]
                if len(values) and np.isfinite(values).all():
                    draw_histogram(histogram, values, color)
                    plots.draw_ccdf(ccdf, [values], color, when)
            if best_laws[name, kind]:
                draw_law(histogram, ccdf, magnitudes_when["after"][kind][0], *best_laws[name, kind])
            histogram.set(xscale="log", yscale="log", title=f"{name}: |{kind}|", ylabel="density")
            ccdf.set(ylabel="share at least this large")
            if ccdf.lines:
                ccdf.legend(fontsize=7, loc="lower left", handlelength=1.5)
    for name in mosaic[-1]:
        panels[name].set_xlabel("magnitude")
    return figure


def draw_histogram(axes, values, color):
    edges = np.geomspace(values.min(), values.max() * (1 + 1e-9), 50)
    density, _ = np.histogram(values, edges, density=True)
    middle = np.sqrt(edges[1:] * edges[:-1])
    axes.plot(middle[density > 0], density[density > 0], ".", color=color, ms=4)


def draw_law(histogram, ccdf, values, xmin, law, parameters):
    """Draw the best law of a tail over the range it was fitted on."""
    tail, positive = values[values >= xmin], np.count_nonzero(values)
    x = np.geomspace(xmin, tail.max(), 100)
    share = len(tail) / positive * tails.survival(law, parameters, x / xmin)
    ccdf.plot(x, share, "--", color=plots.INK, lw=1.3, label=law.replace("_", " "))
    histogram.plot(x, -np.gradient(share, x), "--", color=plots.INK, lw=1.3)


# ---- a file -----------------------------------------------------------------------------------------------

def diagnose_file(path, kind, settings):
    """Diagnose the matrices of a file, and return the Result. kind : "weights" or "gradients"."""
    matrices = checkpoints.matrices(path, settings.layer, settings.kernels)
    layers = checkpoints.diagnosis.table(progress(matrices, label=f"describing {kind}"), settings.replicates,
                                         settings.seed)
    for layer in layers:
        layer.row["verdict"] = WORDS[kind].get(layer.row["verdict"], layer.row["verdict"])
    rows, drawn = [layer.row for layer in layers], layers[:settings.panels]
    law = "initialisation law" if kind == "weights" else "law of noise"
    more = (f" The {settings.panels} worst; {len(layers) - len(drawn)} more are in the table."
            if len(layers) > len(drawn) else "")
    sampled = (f", of {checkpoints.diagnosis.SAMPLE:,} entries drawn at random"
               if any(row.get("sampled", 0) < row["entries"] for row in rows) else "")
    caption = (f"{Path(path).name}: matrices of {kind}, worst first, share of entries whose magnitude is at least so "
               f"large.{more}\nGrey: the nearest {law}, at the entries' own root mean square. Dashed: the best law of "
               f"the tail, where it was fitted{sampled}. Seed {settings.seed}.")
    sentence = count_verdicts(rows)
    return experiment.Result(rows, names=("tensor",), finding=sentence, columns=("shape", "verdict", "why", "std"),
                             figure=picture_of_file(drawn, kind, sentence, caption),
                             data=checkpoints.provenance(path, settings.layer),
                             suggestion="--layer selects matrices by name or pattern, --list shows all tensors")


def count_verdicts(rows):
    """Say how many matrices got each verdict, the worst first."""
    phrases = [PHRASES.get(row["verdict"], row["verdict"]) for row in rows]
    if len(rows) == 1:
        return f"{rows[0]['tensor']} is {phrases[0]}"
    return f"{len(rows)} matrices: {', '.join(f'{count} {phrase}' for phrase, count in Counter(phrases).items())}"


@plots.styled
def picture_of_file(layers, kind, title, caption):
    """Draw one panel for each diagnosis.Layer."""
    columns = min(4, len(layers))
    places = [list(range(start, start + columns)) for start in range(0, len(layers), columns)]
    mosaic = [[str(k) if k < len(layers) else "." for k in row] for row in places]
    figure, panels = plots.figure(mosaic, max(3.3 * columns, 9), 1.2 + 2.6 * len(mosaic), title, caption)
    for k, layer in enumerate(layers):
        axes, row = panels[str(k)], layer.row
        name = row["tensor"] if len(row["tensor"]) <= 40 else f"{row['tensor'][:12]}...{row['tensor'][-25:]}"
        axes.set_title(f"{name}\n{row['shape']}, {row['verdict']}\n{row['why']}", fontsize=8)
        if row["verdict"] == "constant":
            axes.set_axis_off()
        else:
            draw_layer(axes, layer, plots.BLUE if kind == "weights" else plots.RED)
    for row in mosaic:
        panels[row[0]].set_ylabel("share at least this large")
    for k in range(max(len(layers) - columns, 0), len(layers)):
        panels[str(k)].set_xlabel("magnitude")
    return figure


def draw_layer(axes, layer, color):
    """Draw the CCDF of a matrix, the nearest law of initialisation, and the best law of the tail."""
    row, (x, share) = layer.row, layer.ccdf
    shown = (x >= row["std"] / 100) & (share > 0)
    near = checkpoints.distribution.survival(row["near"], x / row["std"])
    axes.plot(x[shown & (near > 0)], near[shown & (near > 0)], color=plots.GREY, lw=3, alpha=0.5, label=row["near"])
    axes.plot(x[shown], share[shown], color=color, lw=1.6)
    if layer.tail:
        xmin, law, parameters = layer.tail
        tail = np.geomspace(xmin, max(x[-1], xmin), 100)
        level = row["tail"] * (1 - row["zeros"]) * tails.survival(law, parameters, tail / xmin)
        axes.plot(tail, level, "--", color=plots.INK, lw=1.1, label=law.replace("_", " "))
    axes.set(xscale="log", yscale="log", ylim=(0.5 / row["entries"], 1.5))
    axes.legend(fontsize=7, loc="lower left", handlelength=1.5)


if __name__ == "__main__":
    experiment.run(main)
