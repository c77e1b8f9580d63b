"""Does the gradient of a minibatch hold structure that degrees do not explain?

The gradient of one sample is an outer product, so degrees decide its network. The mean over a minibatch has a rank up
to the batch size: room for structure. This script trains nets on single samples, freezes them, and takes gradients over
ever larger batches; for each it draws networks, and as many with the same out-degrees and in-degrees, and divides the
clustering of the one by that of the other. Even a rank-one matrix does not give exactly 1 there, since links that are
certain leave less to chance than degrees do; so the rank-one matrix of the same row and column sums stands beside it.

Figure: that excess against the batch size, untrained and trained, with the middle 90 % of the training runs; the
clustering behind it, and the share of the gradient's energy in its first singular vector, which is 1 for rank one.

Beyond the sources: they sample single-sample gradients only. The net is the essay's, 784-784-10.

Takes 40 s.
"""
import numpy as np

import mlp
from gradnets import comparison, datasets, experiment, graphs, metrics, nulls, plots

DATASET = "glyphs"          # glyphs, noise, noise-constant, mnist, cifar10, cifar100, tree or clusters
IMAGES = 10_000             # at most so many training images, from the first on
INIT = "uniform(0.25)"      # uniform(scale), normal(scale), glorot, glorot-normal or orthogonal(gain)
LEARNING_RATE = 0.1         # step length
STEPS = (0, 500)            # single-sample steps before the net is frozen, a curve each
BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)  # samples that a gradient is the mean of
RUNS = 10                   # training runs, seeded SEED, SEED + 1, ...
DRAWS = 10                  # networks drawn from each gradient, and as many of the null
SEED = 0                    # seeds data, weights, samples and links

COLORS = (plots.GREY, plots.RED, plots.BLUE, plots.INK)


def frozen(dataset, steps, init, learning_rate, seed):
    """The essay's net after so many steps."""
    inputs = dataset.inputs.shape[1]
    network = mlp.MLP((inputs, inputs, dataset.classes), "tanh", "squared", init, seed, biases=(True, False))
    if steps:
        for _ in mlp.train(network, dataset, steps, learning_rate, seed=seed):
            pass
    return network


def batch_gradient(network, dataset, batch_size, seed):
    """The first layer's gradient over one batch, bias row last, or None where it is degenerate."""
    step = next(mlp.train(network, dataset, 1, learning_rate=0.0, batch_size=batch_size, seed=seed))
    gradient = np.vstack([step.gradients[0], step.bias_gradients[0]])
    return gradient if np.isfinite(gradient).all() and gradient[:-1].any() else None


def clustering(chances, draws, rng):
    """Links and clustering of networks drawn from the chances, and clustering of networks of their degrees: means."""
    drawn = [graphs.sample(chances, rng) for _ in range(draws)]
    same_degrees = [nulls.directed_configuration(adjacency, rng) for adjacency in drawn]
    found = [np.mean([metrics.measure(graphs.merge_layers(adjacency)).average_clustering for adjacency in kind])
             for kind in (drawn, same_degrees)]
    return np.mean([adjacency.sum() for adjacency in drawn]), *found


def excess(gradient, draws, rng):
    """Numbers of one gradient, and of the rank-one matrix that has the sums of its rows and columns."""
    chances = graphs.probabilities(gradient)[:-1]
    rank_one = np.minimum(1, np.outer(chances.sum(axis=1), chances.sum(axis=0)) / chances.sum())
    links, observed, same_degrees = clustering(chances, draws, rng)
    _, control, control_same_degrees = clustering(rank_one, draws, rng)
    strengths = np.linalg.svd(gradient[:-1], compute_uv=False) ** 2
    numbers = {"links": links, "clustering": observed, "same_degrees": same_degrees,
               "excess": comparison.ratio(observed, same_degrees),
               "rank_one": comparison.ratio(control, control_same_degrees)}
    return numbers | {"over_rank_one": comparison.ratio(numbers["excess"], numbers["rank_one"]),
                      "first_vector": strengths[0] / strengths.sum()}


def summary(steps, batch_size, found):
    """The row of one batch size: medians and 90 % intervals over the runs whose gradient was not degenerate."""
    row = {"steps": steps, "batch_size": batch_size, "runs": len(found), "degenerate": found.count(None)}
    sound = [numbers for numbers in found if numbers]
    for key in sound[0] if sound else ():
        low, middle, high = np.quantile([numbers[key] for numbers in sound], (0.05, 0.5, 0.95), method="inverted_cdf")
        row |= {key: middle, f"{key}_low": low, f"{key}_high": high}
    return row


def finding(rows):
    """How far any batch size is from a rank-one matrix of its sums, by medians; 5 % counts as explained."""
    sound = [row for row in rows if "excess" in row]
    low, high = (pick(row["over_rank_one"] for row in sound) for pick in (min, max))
    if low >= 0.95 and high <= 1.05:
        return (f"Degrees explain the clustering at every batch size: {low:.2f} to {high:.2f} times that of rank-one "
                "matrices of the same sums")
    worst = max(sound, key=lambda row: abs(row["over_rank_one"] - 1))
    return (f"A batch of {worst['batch_size']} after {worst['steps']:,} steps clusters {worst['over_rank_one']:.2f} "
            "times as much as a rank-one matrix of its sums: degrees do not explain it")


@plots.styled
def picture(rows, title, caption):
    figure, panels = plots.figure([["excess", "clustering", "first_vector"]], 13, 4.6, title, caption)
    for steps, color in zip(dict.fromkeys(row["steps"] for row in rows), COLORS, strict=False):
        curve = [row for row in rows if row["steps"] == steps and "excess" in row]
        sizes = [row["batch_size"] for row in curve]
        for key, panel in panels.items():
            low, middle, high = ([row[key + end] for row in curve] for end in ("_low", "", "_high"))
            panel.plot(sizes, middle, "o-", color=color, ms=4, label=f"after {steps:,} steps" if steps else "untrained")
            panel.fill_between(sizes, low, high, color=color, alpha=0.2, lw=0)
        for key, panel, label in (("rank_one", "excess", "rank one, the same sums"),
                                  ("same_degrees", "clustering", "the same degrees")):
            panels[panel].plot(sizes, [row[key] for row in curve], "--", color=color, lw=1.2, label=label)
    panels["excess"].axhline(1, color=plots.INK, lw=0.8)
    panels["excess"].set(title="clustering over that of the same degrees", ylabel="ratio")
    panels["clustering"].set(title="clustering", ylabel="mean over the nodes", ylim=(0, None))
    panels["first_vector"].set(title="energy in the first singular vector", ylabel="share", ylim=(0, 1.05))
    for panel in panels.values():
        panel.set_xscale("log", base=2)
        panel.set(xlabel="samples in the batch", xticks=BATCH_SIZES, xticklabels=BATCH_SIZES)
        panel.legend(fontsize=8)
    return figure


def main():
    experiment.check_positive(IMAGES=IMAGES, RUNS=RUNS, DRAWS=DRAWS)
    dataset = datasets.load(DATASET, limit=IMAGES, seed=SEED)
    rows = []
    for steps in STEPS:
        found = {size: [] for size in BATCH_SIZES}
        for run in experiment.progress(range(RUNS), total=RUNS, what=f"runs of {steps} steps"):
            network = frozen(dataset, steps, INIT, LEARNING_RATE, SEED + run)
            for size in BATCH_SIZES:
                samples, links = np.random.default_rng((SEED + run, size)).spawn(2)
                gradient = batch_gradient(network, dataset, size, samples)
                found[size].append(None if gradient is None else excess(gradient, DRAWS, links))
        rows += [summary(steps, size, found[size]) for size in BATCH_SIZES]
    if not any("excess" in row for row in rows):
        raise graphs.DegenerateMatrix(f"all {RUNS} runs end in gradients of 0 at every batch size: lower LEARNING_RATE")
    inputs = dataset.inputs.shape[1]
    caption = (f"{dataset.name}, {inputs}-{inputs}-{dataset.classes} tanh net, init {INIT}, single-sample steps at "
               f"learning rate {LEARNING_RATE:g}, then frozen; {DRAWS} networks a gradient, layers merged.\nLines are "
               "medians, "
               f"bands the middle 90 % of n = {RUNS} runs with seeds {SEED} to {SEED + RUNS - 1}; "
               f"{sum(row['degenerate'] for row in rows)} of {RUNS * len(rows)} gradients were 0 and are left out.")
    return rows, picture(rows, finding(rows), caption)


if __name__ == "__main__":
    experiment.run(main)
