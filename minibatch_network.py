"""Does the gradient of a minibatch hold structure that degrees do not explain?

The gradient of one sample is an outer product, so degrees decide its network. The mean over a minibatch has a rank up
to the batch size: room for structure. This script trains nets on single samples, freezes them, and takes gradients over
ever larger batches; for each it draws networks, and as many with the same out-degrees and in-degrees, and divides the
clustering of the one by that of the other. Even a rank-one matrix does not give exactly 1 there, since links that are
certain leave less to chance than degrees do; so the rank-one matrix of the same row and column sums is its control.
MODEL rbm does the same with Boltzmann machines, where already one sample gives rank two.

Figure: that excess against the batch size, untrained and trained, with the middle 90 % of the training runs; the
clustering behind it, beside that of shuffled entries, and the share of the gradient's energy in its first singular
vector, which is 1 for rank one.

Beyond the sources: they sample single-sample gradients only. The net is the essay's, 784-784-10.

Takes 40 s.
"""
import numpy as np

import mlp
import rbm
from grad_network import DEFAULT_INITS
from gradnets import comparison, datasets, experiment, graphs, metrics, nulls, plots

MODEL = "mlp"               # mlp: a perceptron; rbm: a restricted Boltzmann machine by contrastive divergence (CD-1)
DATASET = "glyphs"          # glyphs, noise, noise-constant, mnist, cifar10, cifar100, tree or clusters
IMAGES = 10_000             # at most so many training images, from the first on
INIT = "default"            # uniform(scale), normal(scale), glorot, glorot-normal, orthogonal(gain), or the model's own
LEARNING_RATE = 0.1         # step length
STEPS = (0, 500)            # single-sample steps before the net is frozen, a curve each
BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)  # samples that a gradient is the mean of
RUNS = 10                   # training runs, seeded SEED, SEED + 1, ...
DRAWS = 10                  # networks drawn from each gradient, and as many of the null
SEED = 0                    # seeds data, weights, samples and links

MODELS = {"mlp": mlp, "rbm": rbm}
FEWEST = 10  # runs that a verdict needs


def frozen(model, dataset, steps, init, learning_rate, seed):
    """The model after so many steps, as many hidden units as inputs."""
    inputs = dataset.inputs.shape[1]
    if model == "rbm":
        network = rbm.RBM(inputs, inputs, init, seed)
    else:
        network = mlp.MLP((inputs, inputs, dataset.classes), "tanh", "squared", init, seed, biases=(True, False))
    if steps:
        for _ in MODELS[model].train(network, dataset, steps, learning_rate, seed=seed):
            pass
    return network


def batch_gradient(model, network, dataset, batch_size, seed):
    """The weights' gradient over one batch, of a perceptron the first layer's with the bias as its last row, or None
    where it is degenerate."""
    step = next(MODELS[model].train(network, dataset, 1, learning_rate=0.0, batch_size=batch_size, seed=seed))
    gradient = step.gradients[0]
    if not (np.isfinite(gradient).all() and gradient.any()):
        return None
    return gradient if model == "rbm" else np.vstack([gradient, step.bias_gradients[0]])


def clustering(chances, draws, rng):
    """Means over networks drawn from the chances: links, their clustering, that of networks of their degrees."""
    drawn = [graphs.sample(chances, rng) for _ in range(draws)]
    same_degrees = [nulls.directed_configuration(adjacency, rng) for adjacency in drawn]
    return {"links": np.mean([adjacency.sum() for adjacency in drawn]), "clustering": mean_clustering(drawn),
            "same_degrees": mean_clustering(same_degrees),
            "shuffled": mean_clustering(nulls.shuffled_entries(adjacency, rng) for adjacency in drawn)}


def mean_clustering(networks):
    return np.mean([metrics.measure(graphs.merge_layers(adjacency)).average_clustering for adjacency in networks])


def excess(gradient, inputs, draws, rng):
    """Numbers of one gradient, and the excess of the rank-one matrix that has the sums of its rows and columns."""
    chances = graphs.probabilities(gradient)[:inputs]
    numbers = clustering(chances, draws, rng)
    rank_one = np.minimum(1, np.outer(chances.sum(axis=1), chances.sum(axis=0)) / chances.sum())
    control = clustering(rank_one, draws, rng)
    strengths = np.linalg.svd(gradient[:inputs], compute_uv=False) ** 2
    numbers["over_shuffled"] = comparison.ratio(numbers["clustering"], numbers["shuffled"])
    numbers["excess"] = comparison.ratio(numbers["clustering"], numbers["same_degrees"])
    numbers["rank_one"] = comparison.ratio(control["clustering"], control["same_degrees"])
    numbers["over_rank_one"] = comparison.ratio(numbers["excess"], numbers["rank_one"])
    return numbers | {"first_vector": strengths[0] / strengths.sum()}


def summary(steps, batch_size, found):
    """The row of one batch size: medians and 90 % intervals over the runs whose gradient was not degenerate."""
    sound = [numbers for numbers in found if numbers]
    row = {"steps": steps, "batch_size": batch_size, "runs": len(found), "degenerate": len(found) - len(sound)}
    return row | (experiment.spread(**{key: [numbers[key] for numbers in sound] for key in sound[0]}) if sound else {})


def finding(rows):
    """The excess of all batch sizes, and where its interval, over the rank-one control's, lies above or below 1."""
    sound = [row for row in rows if "excess" in row]
    gradient, control = (f"{min(row[key] for row in sound):.2f} to {max(row[key] for row in sound):.2f}"
                         for key in ("excess", "rank_one"))
    judged = [row for row in sound if row["runs"] - row["degenerate"] >= FEWEST]
    more = sum(row["over_rank_one_low"] > 1 for row in judged)
    less = sum(row["over_rank_one_high"] < 1 for row in judged)
    return (f"Clustering over that of the same degrees {gradient}, of rank-one matrices {control}: clearly more at "
            f"{more} and clearly less at {less} of {len(judged)} batch sizes with {FEWEST} runs or more")


@plots.styled
def picture(rows, title, caption):
    figure, panels = plots.figure([["excess", "clustering", "first_vector"]], 13, 4.8, title, caption)
    lengths = list(dict.fromkeys(row["steps"] for row in rows))
    colors = (plots.GREY, plots.RED) if len(lengths) == 2 else plots.shades(len(lengths))
    for steps, color in zip(lengths, colors, strict=True):
        curve = [row for row in rows if row["steps"] == steps and "excess" in row]
        sizes = [row["batch_size"] for row in curve]
        for key, panel in panels.items():
            low, middle, high = ([row[key + end] for row in curve] for end in ("_low", "", "_high"))
            panel.plot(sizes, middle, "o-", color=color, ms=4, label=f"after {steps:,} steps" if steps else "untrained")
            panel.fill_between(sizes, low, high, color=color, alpha=0.2, lw=0)
        for key, panel, style, label in (("rank_one", "excess", "--", "rank one, the same sums"),
                                         ("same_degrees", "clustering", "--", "the same degrees"),
                                         ("shuffled", "clustering", ":", "shuffled entries")):
            panels[panel].plot(sizes, [row[key] for row in curve], style, color=color, lw=1.2, label=label)
    panels["excess"].axhline(1, color=plots.INK, lw=0.8)
    panels["excess"].set(title="clustering over that of the same degrees", ylabel="ratio")
    panels["clustering"].set(title="clustering", ylabel="mean over the nodes", ylim=(0, None))
    panels["first_vector"].set(title="energy in the first singular vector", ylabel="share", ylim=(0, 1.05))
    sizes = sorted({row["batch_size"] for row in rows})
    for panel in panels.values():
        panel.set_xscale("log", base=2)
        panel.set(xlabel="samples in the batch", xticks=sizes, xticklabels=sizes)
        panel.legend(fontsize=8)
    return figure


def main():
    experiment.check_several(STEPS=STEPS, BATCH_SIZES=BATCH_SIZES)
    if MODEL not in MODELS:
        raise ValueError(f"MODEL is {MODEL!r}: expected {' or '.join(MODELS)}")
    experiment.check_positive(IMAGES=IMAGES, RUNS=RUNS, DRAWS=DRAWS, BATCH_SIZES=BATCH_SIZES)
    sizes = sorted(set(BATCH_SIZES))
    dataset = datasets.load(DATASET, limit=IMAGES, seed=SEED)
    inputs = dataset.inputs.shape[1]
    init = DEFAULT_INITS[MODEL] if INIT == "default" else INIT
    rows = []
    for steps in dict.fromkeys(STEPS):
        found = {size: [] for size in sizes}
        for run in experiment.progress(range(RUNS), total=RUNS, what=f"runs of {steps} steps"):
            network = frozen(MODEL, dataset, steps, init, LEARNING_RATE, SEED + run)
            for size in sizes:
                samples, links = np.random.default_rng((SEED + run, size)).spawn(2)
                gradient = batch_gradient(MODEL, network, dataset, size, samples)
                found[size].append(None if gradient is None else excess(gradient, inputs, DRAWS, links))
        rows += [summary(steps, size, found[size]) for size in sizes]
    if not any("excess" in row for row in rows):
        raise graphs.DegenerateMatrix(f"all {RUNS} runs end in gradients of 0 at every batch size: lower LEARNING_RATE")
    what = (f"{inputs}-{inputs} Boltzmann machine by CD-1" if MODEL == "rbm" else
            f"{inputs}-{inputs}-{dataset.classes} tanh net")
    zero = sum(row["degenerate"] for row in rows)
    caption = (f"{dataset.name}, {what}, init {init}, single-sample steps at learning rate {LEARNING_RATE:g}, then "
               f"frozen; {DRAWS} networks a gradient, layers merged.\nLines are medians, bands the middle 90 % of n = "
               f"{RUNS} runs with seeds {SEED} to {SEED + RUNS - 1}; {zero} of {RUNS * len(rows)} gradients were 0 and "
               "are left out.")
    return rows, picture(rows, finding(rows), caption)


if __name__ == "__main__":
    experiment.run(main)
