"""Does the gradient of a minibatch hold structure that degrees do not explain?

The gradient of one sample is an outer product, so degrees decide its network. The mean over a minibatch has a rank of
up to the batch size, which leaves room for structure. This script trains nets on single samples, freezes them, and
takes gradients over batches of rising size. From each gradient it draws networks, and one null model of each network
with the same out-degrees and in-degrees. The excess is the clustering of the networks over that of the null models.

Even a rank-one matrix does not give an excess of exactly 1, since certain links constrain the null model more than
degrees do. So the control is the rank-one matrix with the same row and column sums. With --model rbm the nets are
Boltzmann machines, whose gradients have rank two for a single sample already.

Figure: above, the excess against the batch size, untrained and trained, with the middle 90 % of the training runs,
beside that of the control; below, the clustering behind it, beside that of the same degrees and of shuffled entries; at
the right, the share of the gradient's energy in its first singular vector, which is 1 for rank one.

Beyond the sources: they sample gradients of single samples only. The net is the essay's, 784-784-10.

Takes 40 s.
"""
import itertools

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
MOST_ROWS = 15  # that are printed; of more, those of the longest training
COLUMNS = ("clustering", "same_degrees", "excess", "rank_one", "over_rank_one")
HEADINGS = {"excess": "clustering / same degrees", "rank_one": "the same of rank one", "over_rank_one": "both, divided"}
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
    figure = picture(rows, finding, caption(rows, dataset, settings))
    return experiment.Result(rows, names=("steps", "batch_size"), columns=COLUMNS, headings=HEADINGS,
                             printed=printed(rows), finding=finding, figure=figure, data=[dataset.provenance],
                             suggestion="--dataset noise shows batches without classes")


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
    return np.mean([networks.average_clustering(networks.pack_merged(adjacency)) for adjacency in adjacencies])


# ---- rows, finding, figure --------------------------------------------------------------------------------

def summary(steps, batch_size, measurements):
    """Return the row of one batch size: medians and 90 % intervals over the runs; None stands for a degenerate one."""
    valid = [numbers for numbers in measurements if numbers is not None]
    row = {"steps": steps, "batch_size": batch_size, "runs": len(measurements),
           "degenerate": len(measurements) - len(valid)}
    if not valid:
        return row
    return row | summaries.median_intervals(**{key: [numbers[key] for numbers in valid] for key in valid[0]})


def printed(rows):
    """Return all rows if they are few, else those of the longest training."""
    return rows if len(rows) <= MOST_ROWS else [row for row in rows if row["steps"] == rows[-1]["steps"]]


def clear_differences(rows):
    """Count batch sizes with a clearly higher and a clearly lower excess than the control, of those with enough runs.

    Returns three ints: higher, lower, and with enough runs.
    """
    judged = [row for row in rows if "excess" in row and row["runs"] - row["degenerate"] >= FEWEST]
    higher = sum(row["over_rank_one_low"] > 1 for row in judged)
    lower = sum(row["over_rank_one_high"] < 1 for row in judged)
    return higher, lower, len(judged)


def finding_of(rows):
    """State whether batches add clustering to that of the degrees, and the range of the excess."""
    excess = [row["excess"] for row in rows if "excess" in row]
    more, _, judged = clear_differences(rows)
    span = f"{min(excess):.2f} to {max(excess):.2f} times"
    if not judged:
        return f"Batches cluster {span} as much as their degrees alone: too few runs to judge"
    if more:
        return f"Batches cluster clearly more than rank-one matrices at {more} of {judged} batch sizes"
    return f"Batches add no clear clustering to that of the degrees: {span} as much"


def caption(rows, dataset, settings):
    inputs, last_seed = dataset.inputs.shape[1], settings.seed + settings.runs - 1
    model = (f"{inputs}-{inputs} Boltzmann machine by CD-1" if settings.model == "rbm" else
             f"{inputs}-{inputs}-{dataset.classes} tanh net")
    zero = sum(row["degenerate"] for row in rows)
    more, less, judged = clear_differences(rows)
    compared = (f"The ratio is clearly above that of rank-one matrices at {more or 'none'} of {judged} points, and "
                f"clearly below at {less or 'none'}. " if judged else "")
    return (f"{dataset.name}, {model}, init {essay.named_init(settings.model, settings.init)}, single-sample steps at "
            f"learning rate {settings.learning_rate:g}, then frozen. Medians and the middle 90 % of n = "
            f"{plots.counted(settings.runs, 'run')},\nseeds {settings.seed} to {last_seed}, "
            f"{plots.counted(settings.draws, 'network')} each. {compared}"
            f"{zero or 'None'} of {settings.runs * len(rows):,} gradients {'was' if zero == 1 else 'were'} 0.")


@plots.styled
def picture(rows, title, caption):
    lengths = list(dict.fromkeys(row["steps"] for row in rows))
    shown = list(dict.fromkeys((lengths[0], lengths[-1])))
    figure, panels = plots.figure([[*(f"excess {steps}" for steps in shown), "energy"],
                                   [*(f"clustering {steps}" for steps in shown), "energy"]], 12, 6.8, title, caption)
    for steps in shown:
        curve = [row for row in rows if row["steps"] == steps and "excess" in row]
        sizes = [row["batch_size"] for row in curve]
        excess, clustering = panels[f"excess {steps}"], panels[f"clustering {steps}"]
        excess.axhline(1, color=plots.GREY, lw=0.8)
        plots.draw_band(excess, sizes, curve, "rank_one", plots.BLUE, "rank-one matrices with the same sums",
                        marker="s", ls="--", mfc="white")
        plots.draw_band(excess, sizes, curve, "excess", plots.RED, "gradients of batches", lw=1.8)
        excess.set_title(f"clustering / same degrees, {named(steps)}")
        clustering.plot(sizes, [row["same_degrees"] for row in curve], color=plots.INK, lw=6, alpha=0.3,
                        label="same in- and out-degrees")
        clustering.plot(sizes, [row["shuffled"] for row in curve], ":^", color=plots.GREY, ms=4,
                        label="shuffled entries")
        plots.draw_band(clustering, sizes, curve, "clustering", plots.RED, lw=1.8)
        clustering.set_title(f"clustering, {named(steps)}")
    panels[f"excess {shown[0]}"].set_ylabel("ratio")
    panels[f"clustering {shown[0]}"].set_ylabel("mean over the nodes")
    share_heights([panels[f"excess {steps}"] for steps in shown])
    set_clustering_scale([panels[f"clustering {steps}"] for steps in shown])
    for panel in panels.values():
        sizes = sorted({row["batch_size"] for row in rows})
        panel.set_xscale("log", base=2)
        panel.set(xlabel="samples in the batch", xticks=sizes, xticklabels=sizes)
    draw_energy(panels["energy"], rows, lengths)
    handles = [handle for kind in ("excess", "clustering")
               for handle in panels[f"{kind} {shown[0]}"].get_legend_handles_labels()[0][::-1]]
    figure.legend(handles=handles, loc="outside lower left", ncols=len(handles), fontsize=9)
    return figure


def draw_energy(axes, rows, lengths):
    """Draw the share of energy in the first singular vector, a named line for each length of training."""
    colors, lines = (plots.GREY, plots.RED) if len(lengths) == 2 else plots.shades(len(lengths)), []
    for steps, color, marker in zip(lengths, colors, itertools.cycle(plots.MARKERS), strict=False):
        curve = [row for row in rows if row["steps"] == steps and "excess" in row]
        sizes = [row["batch_size"] for row in curve]
        plots.draw_band(axes, sizes, curve, "first_vector", color, marker=marker)
        lines.append((sizes, [row["first_vector"] for row in curve], named(steps).replace(" ", "\n", 1), color))
    axes.set(title="energy in the first singular vector", ylabel="share (1 is rank one)", ylim=(0, 1.02),
             yticks=np.linspace(0, 1, 6))
    plots.label_lines(axes, [line for line in lines if line[0]])


def named(steps):
    """Return the length of training in words."""
    return f"after {plots.counted(steps, 'step')}" if steps else "untrained"


def share_heights(panels):
    low, high = min(panel.get_ylim()[0] for panel in panels), max(panel.get_ylim()[1] for panel in panels)
    for panel in panels:
        panel.set_ylim(low, high)


def set_clustering_scale(panels):
    """Give panels one axis that begins at 0, or a logarithmic one where their numbers have many sizes."""
    heights = [height for panel in panels for line in panel.lines for height in line.get_ydata()]
    many_sizes = min(heights, default=0) > 0 and max(heights) > 30 * min(heights)
    for panel in panels:
        panel.set(**{"yscale": "log", "ylim": (min(heights) / 1.5, 1.5 * max(heights))} if many_sizes else
                  {"ylim": (0, None)})
    share_heights(panels)


if __name__ == "__main__":
    experiment.run(main)
