"""Does the gradient of a minibatch hold structure that degrees do not explain?

The gradient of one sample is an outer product, so degrees decide its network. The mean over a minibatch has a rank of
up to the batch size, which leaves room for structure. This script trains nets on single samples, freezes them, and
takes gradients over batches of rising size. From each gradient it draws networks, and one null model of each network
with the same out-degrees and in-degrees. The excess is the clustering of the networks over that of the null models.

Even a rank-one matrix does not give an excess of exactly 1, since certain links constrain the null model more than
degrees do. So the control is the rank-one matrix with the same row and column sums. With --model rbm the nets are
Boltzmann machines, whose gradients have rank two for a single sample already.

Figure: the excess against the batch size, untrained and trained, with the middle 90 % of the training runs; the
clustering behind it, beside that of shuffled entries; and the share of the gradient's energy in its first singular
vector, which is 1 for rank one.

Beyond the sources: they sample gradients of single samples only. The net is the essay's, 784-784-10.

Takes 40 s.
"""
import numpy as np

import essay
from gradnets import checks, datasets, experiment, networks, plots, summaries
from gradnets.progress import progress

MODEL = "mlp"               # mlp (perceptron) or rbm (restricted Boltzmann machine, contrastive divergence CD-1)
DATASET = "glyphs"          # data set: glyphs, noise, noise-constant, mnist, cifar10, cifar100, tree or clusters
IMAGES = 10_000             # largest number of training images, from the first on
INIT = "default"            # weights: default, uniform(scale), normal(scale), glorot, glorot-normal or orthogonal(gain)
LEARNING_RATE = 0.1         # step length of SGD
STEPS = (0, 500)            # numbers of single-sample steps before the net is frozen; one curve each
BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)  # numbers of samples that a gradient is averaged over
RUNS = 10                   # number of training runs, with seeds starting at SEED
DRAWS = 10                  # number of networks sampled from each gradient, and of null models
SEED = 0                    # seed of data, weights, samples and links
# ---- not flags
FEWEST = 10  # runs that a verdict needs
COLUMNS = ("runs", "links", "clustering", "excess", "rank_one", "over_rank_one", "first_vector")
HEADINGS = {"rank_one": "excess rank one", "over_rank_one": "excess / rank one", "first_vector": "energy 1st vector"}
QUICK = {"runs": 3, "draws": 3}


def main(settings):
    checks.nonempty_tuples(steps=settings.steps, batch_sizes=settings.batch_sizes)
    checks.choice("model", settings.model, essay.MODELS)
    checks.positive_integers(images=settings.images, runs=settings.runs, draws=settings.draws,
                             batch_sizes=settings.batch_sizes)
    dataset = datasets.load(settings.dataset, limit=settings.images, seed=settings.seed)
    rows = [row for steps in dict.fromkeys(settings.steps) for row in rows_after(steps, dataset, settings)]
    if not any("excess" in row for row in rows):
        raise networks.DegenerateMatrix(f"all {settings.runs} runs end in gradients of 0 at every batch size: lower "
                                        "--learning-rate")
    finding = finding_of(rows)
    return experiment.Result(rows, names=("steps", "batch_size"), columns=COLUMNS, headings=HEADINGS,
                             finding=finding, figure=picture(rows, finding, caption(rows, dataset, settings)),
                             data=[dataset.provenance])


# ---- measurements -----------------------------------------------------------------------------------------

def rows_after(steps, dataset, settings):
    """Return one row per batch size, over nets that are frozen after a number of training steps."""
    sizes = sorted(set(settings.batch_sizes))
    measurements = {size: [] for size in sizes}
    for run in progress(range(settings.runs), settings.runs, f"runs of {steps} steps"):
        seed = settings.seed + run
        network = frozen(dataset, steps, settings.model, settings.init, settings.learning_rate, seed)
        for size in sizes:
            samples, links = np.random.default_rng((seed, size)).spawn(2)
            gradient = batch_gradient(network, dataset, size, samples)
            measurements[size].append(None if gradient is None else excess(gradient, dataset, settings.draws, links))
    return [summary(steps, size, measurements[size]) for size in sizes]


def frozen(dataset, steps, model, init, learning_rate, seed):
    """Return a net with as many hidden units as inputs, trained for a number of steps."""
    network = essay.network(dataset, dataset.inputs.shape[1], seed, model, init)
    if steps:
        for _ in essay.train(network, dataset, steps, learning_rate, batch_size=1, seed=seed):
            pass
    return network


def batch_gradient(network, dataset, batch_size, rng):
    """Return the first layer's gradient over one batch, as essay.first_layer_gradient does; None if degenerate."""
    step = next(essay.train(network, dataset, 1, learning_rate=0.0, batch_size=batch_size, seed=rng))
    weights = step.gradients[0]
    return essay.first_layer_gradient(step) if np.isfinite(weights).all() and weights.any() else None


def excess(gradient, dataset, draws, rng):
    """Measure one gradient, and the rank-one matrix with the same sums of probabilities by row and by column.

    Returns dict of float: the means of `clustering`, the energy share of the first singular vector, and ratios.
    """
    inputs = dataset.inputs.shape[1]
    probabilities = essay.sampling_probabilities(gradient, inputs)
    numbers = clustering(probabilities, draws, rng)
    sums = np.outer(probabilities.sum(axis=1), probabilities.sum(axis=0)) / probabilities.sum()
    control = clustering(np.minimum(1, sums), draws, rng)
    energies = np.linalg.svd(gradient[:inputs], compute_uv=False) ** 2
    ratio = networks.comparison.ratio
    numbers["over_shuffled"] = ratio(numbers["clustering"], numbers["shuffled"])
    numbers["excess"] = ratio(numbers["clustering"], numbers["same_degrees"])
    numbers["rank_one"] = ratio(control["clustering"], control["same_degrees"])
    numbers["over_rank_one"] = ratio(numbers["excess"], numbers["rank_one"])
    return numbers | {"first_vector": energies[0] / energies.sum()}


def clustering(probabilities, draws, rng):
    """Return means over sampled networks: links, clustering, and the clustering of both null models."""
    sampled = [networks.sample(probabilities, rng) for _ in range(draws)]
    same_degrees = [networks.directed_configuration(adjacency, rng) for adjacency in sampled]
    return {"links": np.mean([adjacency.sum() for adjacency in sampled]), "clustering": mean_clustering(sampled),
            "same_degrees": mean_clustering(same_degrees),
            "shuffled": mean_clustering(networks.shuffled_entries(adjacency, rng) for adjacency in sampled)}


def mean_clustering(adjacencies):
    return np.mean([networks.average_clustering(networks.merge_layers(adjacency)) for adjacency in adjacencies])


# ---- rows, finding, figure --------------------------------------------------------------------------------

def summary(steps, batch_size, measurements):
    """Return the row of one batch size: medians and 90 % intervals over the runs; None stands for a degenerate one."""
    valid = [numbers for numbers in measurements if numbers is not None]
    row = {"steps": steps, "batch_size": batch_size, "runs": len(measurements),
           "degenerate": len(measurements) - len(valid)}
    if not valid:
        return row
    return row | summaries.median_intervals(**{key: [numbers[key] for numbers in valid] for key in valid[0]})


def finding_of(rows):
    """State the range of the excess, and at how many batch sizes it clearly differs from that of the control."""
    valid = [row for row in rows if "excess" in row]
    gradient, control = (f"{min(row[key] for row in valid):.2f} to {max(row[key] for row in valid):.2f}"
                         for key in ("excess", "rank_one"))
    judged = [row for row in valid if row["runs"] - row["degenerate"] >= FEWEST]
    more = sum(row["over_rank_one_low"] > 1 for row in judged)
    less = sum(row["over_rank_one_high"] < 1 for row in judged)
    return (f"Clustering over that of the same degrees {gradient}, of rank-one matrices {control}: clearly more at "
            f"{more} and clearly less at {less} of {len(judged)} batch sizes with {FEWEST} runs or more")


def caption(rows, dataset, settings):
    inputs, last_seed = dataset.inputs.shape[1], settings.seed + settings.runs - 1
    model = (f"{inputs}-{inputs} Boltzmann machine by CD-1" if settings.model == "rbm" else
             f"{inputs}-{inputs}-{dataset.classes} tanh net")
    zero = sum(row["degenerate"] for row in rows)
    return (f"{dataset.name}, {model}, init {essay.named_init(settings.model, settings.init)}, single-sample steps at "
            f"learning rate {settings.learning_rate:g}, then frozen; {settings.draws} networks per gradient, layers "
            f"merged.\nLines are medians, bands the middle 90 % of n = {settings.runs} runs with seeds {settings.seed} "
            f"to {last_seed}; {zero} of {settings.runs * len(rows)} gradients were 0 and are left out.")


@plots.styled
def picture(rows, title, caption):
    figure, panels = plots.figure([["excess", "clustering", "first_vector"]], 13, 4.8, title, caption)
    lengths = list(dict.fromkeys(row["steps"] for row in rows))
    colors = (plots.GREY, plots.RED) if len(lengths) == 2 else plots.shades(len(lengths))
    for steps, color in zip(lengths, colors, strict=True):
        curve = [row for row in rows if row["steps"] == steps and "excess" in row]
        sizes = [row["batch_size"] for row in curve]
        for key, panel in panels.items():
            plots.draw_band(panel, sizes, curve, key, color, f"after {steps:,} steps" if steps else "untrained")
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


if __name__ == "__main__":
    experiment.run(main)
