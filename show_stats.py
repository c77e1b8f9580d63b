"""How heavy are the tails of weights and gradients?

Trains nets on each data set, and fits the magnitudes of each layer's weights and of single-sample gradients, before and
after training: a power-law tail, the laws that might describe it better, how often a true power law fits as badly (p),
and what describes the top 90 %. Rows are medians over the runs, with the middle 90 %, and the commonest verdicts.

Figure: a row a data set; for the first layer's weights and gradients the histogram and the CCDF, log-log, untrained in
grey and trained in colour, with the best law drawn over the range it was fitted on.

With --weights FILE or --gradient FILE it looks at a net of your own, and trains nothing: each matrix of a .npy, .npz or
.safetensors file gets one verdict, and the worst stand first: constant, of rank one, dead, duplicated, near its
initialisation (of a gradient: like noise), heavy-tailed, plain. gradnets/layers.py says what each of them is. Then the
figure has a panel a matrix; --list shows what the file holds, --layer picks some by name or pattern.

Source: README of mlp_gradient_networks (2016): heavy-tailed histograms of the weights and cached deltas of a 784-30-10
tanh net, guessed to be stretched exponentials, and lost on random inputs. As tried here: 30,000 single samples, a rate
of 0.01 towards targets of -1 and 1. The source's initialisation is not known; weights look heavy-tailed only from a
small one, so here it is. The guess is judged by the exponent beta of a stretched exponential over the top 90 % of the
values: untrained normal weights have 1.4, and below 1 a tail is heavier than an exponential.

Takes 40 s; a file some 0.4 s a matrix, 10 s one of 58 million entries.
"""
from collections import Counter
from pathlib import Path

import numpy as np

import mlp
import rbm
from gradnets import datasets, experiment, graphs, layers, plots, tails, tensors

WEIGHTS = ""                # a file with weights of your own: .npy, .npz or .safetensors
GRADIENT = ""               # or one with gradients
LAYER = "*"                 # of either: the matrices, by name or pattern
KERNELS = "oihw"            # axes of convolutions' kernels in it: oihw (PyTorch) or hwio (JAX, Keras)
LIST = False                # only show what is in the file
PANELS = 24                 # matrices of a file that are drawn, the worst; the table has all
MODEL = "mlp"               # mlp: a perceptron; rbm: a restricted Boltzmann machine by contrastive divergence (CD-1)
DATASETS = ("glyphs", "noise", "noise-constant")  # noise has random classes, noise-constant a single one
IMAGES = 10_000             # at most so many training images, from the first on
HIDDEN_UNITS = (30,)        # units of each hidden layer; a Boltzmann machine has one
INIT = "normal(0.01)"       # uniform(scale), normal(scale), glorot, glorot-normal or orthogonal(gain)
LEARNING_RATE = 0.01        # step length
STEPS = 30_000              # single-sample steps between before and after
GRADIENTS = 5               # gradients that are pooled, of samples of their own
RUNS = 3                    # training runs a data set, seeded SEED, SEED + 1, ...
REPLICATES = 100            # of the bootstrap
SEED = 0                    # seeds data, weights, samples and bootstrap

MODELS = {"mlp": mlp, "rbm": rbm}
WHAT = ("weights", "gradients")
WHEN = ("before", "after")
WORDS = {"weights": {"random": "near initialisation"},  # what verdicts mean for either
         "gradients": {"random": "like noise", "dead": "silent"}}
SAID = {"rank one": "of rank one", "dead": "dead in part", "silent": "silent in part"}


def magnitudes(model, network, dataset, count, seed):
    """|weights| and |gradients| of each layer: {what: list of flat arrays}; the network is not changed."""
    steps = list(MODELS[model].train(network, dataset, count, learning_rate=0.0, seed=seed))
    weights = [network.weights] if model == "rbm" else network.weights
    return {"weights": [np.abs(w).ravel() for w in weights],
            "gradients": [np.abs(np.concatenate([step.gradients[l].ravel() for step in steps]))
                          for l in range(len(weights))]}


def before_and_after(model, dataset, hidden_units, init, learning_rate, steps, count, seed):
    """{when: magnitudes} of one training run."""
    inputs = dataset.inputs.shape[1]
    if model == "rbm":
        network = rbm.RBM(inputs, *hidden_units, init, seed)
    else:
        network = mlp.MLP((inputs, *hidden_units, dataset.classes), "tanh", "squared", init, seed,
                          biases=(True,) + (False,) * len(hidden_units), targets=(-1.0, 1.0))
    probe = np.random.default_rng((seed, 4)).integers(2**32)  # the samples of both looks, apart from training's
    found = {"before": magnitudes(model, network, dataset, count, int(probe))}
    training = MODELS[model].train(network, dataset, steps, learning_rate, seed=seed)
    for _ in experiment.progress(training, total=steps, what=f"training on {dataset.name}"):
        pass
    largest = max(np.abs(weights).max() for weights in network.weights)
    if not largest < 1e100:
        raise graphs.DegenerateMatrix(f"on {dataset.name} training diverged, weights reach {largest:.3g}: lower "
                                      "LEARNING_RATE")
    return found | {"after": magnitudes(model, network, dataset, count, int(probe))}


def finding(rows):
    """By data set, untrained and trained: skew and exponent of the first layer; and how often no power law can be."""
    def numbers(row):
        return f"{row.get('skew', np.nan):.1f} ({row.get('beta', np.nan):.2f})"

    first = [row for row in rows if row["layer"] == 1]
    said = []
    for what in WHAT:
        before, after = ([row for row in first if (row["what"], row["when"]) == (what, when)] for when in WHEN)
        said.append(f"|{what}| untrained {numbers(before[0])}, trained "
                    + ", ".join(f"{row['data']} {numbers(row)}" for row in after))
    trained = [row for row in first if row["when"] == "after"]
    out, runs = (sum(row.get(key, 0) for row in trained) for key in ("power_law_ruled_out", "runs"))
    return (f"Skew (exponent of the stretched exponential): {said[0]}; {said[1]}. A power law is ruled out in {out} "
            f"of {runs} trained tails")


@plots.styled
def picture(found, best, title, caption):
    """The figure. found: {data: {when: magnitudes}}; best: {(data, what): (xmin, law, parameters) or None}."""
    names = list(found)
    mosaic = [[f"{name} {what} {view}" for what in WHAT for view in ("histogram", "CCDF")] for name in names]
    figure, panels = plots.figure(mosaic, 13, 0.9 + 2.6 * len(names), title, caption)
    for name in names:
        for what in WHAT:
            histogram, ccdf = (panels[f"{name} {what} {view}"] for view in ("histogram", "CCDF"))
            for when, color in zip(WHEN, (plots.GREY, plots.RED if what == "gradients" else plots.BLUE), strict=True):
                values = found[name][when][what][0]
                values = values[values > 0]
                if len(values) == 0 or not np.isfinite(values).all():
                    continue
                edges = np.geomspace(values.min(), values.max() * (1 + 1e-9), 50)
                density, _ = np.histogram(values, edges, density=True)
                middle = np.sqrt(edges[1:] * edges[:-1])
                histogram.plot(middle[density > 0], density[density > 0], ".", color=color, ms=4)
                plots.draw_ccdf(ccdf, [values], color, when)
            if best[name, what]:
                xmin, law, parameters = best[name, what]
                values = found[name]["after"][what][0]
                tail, positive = values[values >= xmin], np.count_nonzero(values)
                x = np.geomspace(xmin, tail.max(), 100)
                share = len(tail) / positive * tails.survival(law, parameters, x / xmin)
                ccdf.plot(x, share, "--", color=plots.INK, lw=1.3, label=law.replace("_", " "))
                histogram.plot(x, -np.gradient(share, x), "--", color=plots.INK, lw=1.3)
            histogram.set(xscale="log", yscale="log", title=f"{name}: |{what}|", ylabel="density")
            ccdf.set(ylabel="share at least this large")
            if ccdf.lines:
                ccdf.legend(fontsize=7, loc="lower left", handlelength=1.5)
    for name in mosaic[-1]:
        panels[name].set_xlabel("magnitude")
    return figure


# ---- a file -----------------------------------------------------------------------------------------------

def of_file(path, what, layer, kernels, panels, replicates, seed):
    """Rows and figure of the matrices of a file. what: weights or gradients; panels: how many are drawn at most."""
    matrices = experiment.progress(tensors.matrices(path, layer, kernels), what=f"describing {what}")
    found = layers.table(matrices, replicates, seed)
    for one in found:
        one.row["verdict"] = WORDS[what].get(one.row["verdict"], one.row["verdict"])
    rows = [one.row for one in found]
    law = "initialisation law" if what == "weights" else "law of noise"
    left = f" The {panels} worst; {len(found) - panels} more are in the table." if len(found) > panels else ""
    sampled = (f", of {layers.SAMPLE:,} entries drawn at random"
               if any(row.get("sampled", 0) < row["entries"] for row in rows) else "")
    caption = (f"{Path(path).name}: matrices of {what}, worst first, share of entries whose magnitude is at least so "
               f"large.{left}\nGrey: the nearest {law}, at the entries' own root mean square. Dashed: the best law of "
               f"the tail, where it was fitted{sampled}. Seed {seed}.")
    return rows, panels_of(found[:panels], what, verdicts(rows), caption)


def verdicts(rows):
    """How many matrices got which verdict, the worst first."""
    if len(rows) == 1:
        return f"{rows[0]['tensor']} is {SAID.get(rows[0]['verdict'], rows[0]['verdict'])}"
    counts = Counter(SAID.get(row["verdict"], row["verdict"]) for row in rows)
    return f"{len(rows)} matrices: {', '.join(f'{count} {words}' for words, count in counts.items())}"


@plots.styled
def panels_of(found, what, title, caption):
    """The figure of a file. found: list of layers.Layer, a panel each."""
    columns = min(4, len(found))
    places = [list(range(start, start + columns)) for start in range(0, len(found), columns)]
    mosaic = [[str(k) if k < len(found) else "." for k in row] for row in places]
    figure, panels = plots.figure(mosaic, max(3.3 * columns, 9), 1.2 + 2.6 * len(mosaic), title, caption)
    for k, layer in enumerate(found):
        axes, row = panels[str(k)], layer.row
        name = row["tensor"] if len(row["tensor"]) <= 40 else f"{row['tensor'][:12]}...{row['tensor'][-25:]}"
        axes.set_title(f"{name}\n{row['shape']}, {row['verdict']}\n{row['why']}", fontsize=8)
        if row["verdict"] == "constant":
            axes.set_axis_off()
        else:
            draw_layer(axes, layer, plots.BLUE if what == "weights" else plots.RED)
    for row in mosaic:
        panels[row[0]].set_ylabel("share at least this large")
    for k in range(max(len(found) - columns, 0), len(found)):
        panels[str(k)].set_xlabel("magnitude")
    return figure


def draw_layer(axes, layer, color):
    """CCDF, the nearest plain law, and the best law of the tail."""
    row, (x, share) = layer.row, layer.ccdf
    shown = (x >= row["std"] / 100) & (share > 0)
    near = layers.survival(row["near"], x / row["std"])
    axes.plot(x[shown & (near > 0)], near[shown & (near > 0)], color=plots.GREY, lw=3, alpha=0.5, label=row["near"])
    axes.plot(x[shown], share[shown], color=color, lw=1.6)
    if layer.tail:
        xmin, law, parameters = layer.tail
        tail = np.geomspace(xmin, max(x[-1], xmin), 100)
        level = row["tail"] * (1 - row["zeros"]) * tails.survival(law, parameters, tail / xmin)
        axes.plot(tail, level, "--", color=plots.INK, lw=1.1, label=law.replace("_", " "))
    axes.set(xscale="log", yscale="log", ylim=(0.5 / row["entries"], 1.5))
    axes.legend(fontsize=7, loc="lower left", handlelength=1.5)


# ---- the experiment ---------------------------------------------------------------------------------------

def of_training():
    depth = 1 if MODEL == "rbm" else len(HIDDEN_UNITS) + 1
    rows, found, best = [], {}, {}
    for name in dict.fromkeys(DATASETS):
        dataset = datasets.load(name, limit=IMAGES, seed=SEED)
        runs = [before_and_after(MODEL, dataset, HIDDEN_UNITS, INIT, LEARNING_RATE, STEPS, GRADIENTS, SEED + run)
                for run in range(RUNS)]
        found[name] = runs[0]
        cases = [(what, when, layer) for what in WHAT for when in WHEN for layer in range(depth)]
        for what, when, layer in experiment.progress(cases, total=len(cases), what=f"fitting {name}"):
            described = [tails.describe(run[when][what][layer], REPLICATES, SEED + k) for k, run in enumerate(runs)]
            rows.append({"data": name, "what": what, "when": when, "layer": layer + 1}
                        | tails.over_runs([row for row, _ in described]))
            if when == "after" and layer == 0:
                best[name, what] = described[0][1]

    what = "A Boltzmann machine by CD-1" if MODEL == "rbm" else "First layer of a tanh net, targets -1 and 1"
    caption = (f"{what}, hidden units {' '.join(map(str, HIDDEN_UNITS))}, init {INIT}, before (grey) and after "
               f"{STEPS:,} single-sample steps at learning rate {LEARNING_RATE:g}; n = {RUNS} runs, curves of the "
               f"first.\nAll weights, and the entries of {GRADIENTS} gradients, zeros left out; the body is their top "
               "90 %. Dashed: the best law of the tail, where it was fitted.")
    return rows, picture(found, best, finding(rows), caption)


def main():
    experiment.check_positive(IMAGES=IMAGES, STEPS=STEPS, GRADIENTS=GRADIENTS, RUNS=RUNS, REPLICATES=REPLICATES,
                              PANELS=PANELS)
    experiment.check_several(DATASETS=DATASETS, HIDDEN_UNITS=HIDDEN_UNITS)
    if MODEL not in MODELS:
        raise ValueError(f"MODEL is {MODEL!r}: expected {' or '.join(MODELS)}")
    if MODEL == "rbm" and len(HIDDEN_UNITS) != 1:
        raise ValueError(f"HIDDEN_UNITS is {HIDDEN_UNITS}: a Boltzmann machine has one hidden layer, give one number")
    if WEIGHTS and GRADIENT:
        raise ValueError("--weights and --gradient are both given: take one of them")
    if (LIST or LAYER != "*" or KERNELS != "oihw") and not (WEIGHTS or GRADIENT):
        raise ValueError("--list, --layer and --kernels are of a file: name it with --weights or --gradient")
    if LIST:
        return tensors.table(WEIGHTS or GRADIENT), None
    if WEIGHTS or GRADIENT:
        return of_file(WEIGHTS or GRADIENT, "weights" if WEIGHTS else "gradients", LAYER, KERNELS, PANELS,
                       REPLICATES, SEED)
    return of_training()


if __name__ == "__main__":
    experiment.run(main)
