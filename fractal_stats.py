"""Does a weighted Kronecker fractal have the same histogram as a perceptron's gradient?

Compares magnitudes of single-sample gradients with the Kronecker power of a small matrix, both divided by their largest
entry: the logarithms as they are, and standardised to mean 0 and standard deviation 1. Logarithms of products are
nearly normal, so two controls say how much a likeness means: a normal distribution, and a power of higher order. The
comparison with these two is fair: a single level of order 10 holds up to 7 % of the entries, so no smooth histogram can
be near it. Histograms cannot show everything, so the script also compares the energy in the first singular vectors, and
the networks sampled from both. A stochastic Kronecker graph is fitted to the gradient's network by its counts of links,
wedges, tripins (three links at a node) and triangles.

Figure: the fractal and a gradient; their log histograms; the distances of these histograms; their standardised
distribution functions minus the normal one; the clustering of the networks beside that of their null models. A second
figure shows the counts that the fitted graphs miss.

Source: README of mlp_gradient_networks (Howon Lee, 2016), which shows that the power of this seed has a histogram like
that of a gradient. The net is the essay's, as in grad_network.py: 784-784-10, tanh, squared error, a bias on the input
layer alone. A fractal of order k takes k Kronecker products: order 10 has 2^11 rows and 78 distinct entries. Entries
that are exactly 0 (dark pixels, dead units) are counted and left out of the histograms.

Takes 4 s.
"""
import itertools
from typing import NamedTuple

import numpy as np
import scipy

import essay
from gradnets import checks, datasets, experiment, networks, plots, streams, summaries
from gradnets.errors import UserError

SEED_MATRIX = (0.99, 0.7, 0.7, 0.1)  # the fractal's seed, 2 x 2, row by row
ORDER = 10                  # number of Kronecker products of the fractal that gradients are compared with
LARGE_ORDER = 30            # number of Kronecker products of the control
NETWORK_ORDER = 9           # number of Kronecker products of the fractal that networks are drawn from; 9 for 2^10 nodes
DATASETS = ("glyphs", "noise")  # data sets, by name
IMAGES = 10_000             # largest number of training images, from the first on
HIDDEN_UNITS = "inputs"     # inputs, or their number: as many as inputs, since the gradient must be square
INIT = "uniform(0.25)"      # weights: uniform(scale), normal(scale), glorot, glorot-normal or orthogonal(gain)
LEARNING_RATE = 0.1         # step length of SGD
STEPS = 500                 # number of single-sample training steps; the gradient is that of the last step
RUNS = 5                    # number of training runs per data set, and of networks drawn from the fractal
SEED = 0                    # seed of the data; run k draws weights, samples and links with SEED + k
# ---- not flags
PICTURE_ORDER = 7  # of the fractal in the figure, where more rows would not be visible
NETWORKS = {"clustering": "sampled network", "clustering_same_degrees": "same in- and out-degrees",
            "clustering_fitted": "fitted Kronecker graph", "clustering_erdos_renyi": "random links"}
DISTANCES = {"raw_distance": "fractal, as it is", "standardised_distance": "fractal, rescaled",
             "large_order_distance": "higher-order\nfractal, rescaled", "normal_distance": "normal law, rescaled"}
COLUMNS = (*DISTANCES, "energy_share", "clustering")
HEADINGS = {"raw_distance": "distance to fractal", "standardised_distance": "standardised to fractal",
            "large_order_distance": "to high order", "normal_distance": "to normal law", "energy_share":
            "energy in 1 vector"}
SUGGESTION = "--seed-matrix 0.9 0.5 0.5 0.3 takes another fractal"


class Measurement(NamedTuple):
    """What is measured of one gradient.

    `numbers` are its statistics by name, `at_bound` names the parameters of the fitted graph that ended at a bound, and
    `logs` are the logarithms of its positive probabilities, float64, in rising order.
    """

    numbers: dict
    at_bound: tuple
    logs: np.ndarray


class Fractals(NamedTuple):
    """The seed matrix, and the histograms of its powers of both orders: logarithms in rising order and shares."""

    seed_matrix: np.ndarray
    histogram: tuple
    large_histogram: tuple


def main(settings):
    check(settings)
    seed_matrix = np.reshape(settings.seed_matrix, (2, 2)) / max(settings.seed_matrix)
    fractals = Fractals(seed_matrix, histogram_of(seed_matrix, settings.order),
                        histogram_of(seed_matrix, settings.large_order))
    rows_of_powers = power_rows(fractals, settings)
    rows, logs, provenance, shown = [], {}, [], None
    for name in dict.fromkeys(settings.datasets):
        dataset = load(name, settings)
        measurements, probabilities = measure_runs(dataset, fractals, settings)
        rows.append(gradient_row(name, measurements, settings.runs - len(measurements)))
        logs[name] = [measurement.logs for measurement in measurements]
        provenance.append(dataset.provenance)
        shown = probabilities if shown is None else shown
    finding = finding_of(rows)
    about = caption(rows, logs, settings)
    figure = picture(rows, rows_of_powers, fractals, shown, logs, settings, finding, about)
    fits = [row for row in rows if "a" in row]
    figures = {"_fit": picture_of_fits(fits, about)} if fits else {}
    return experiment.Result(rows + rows_of_powers, names=("matrix",), columns=COLUMNS, headings=HEADINGS,
                             finding=finding, figure=figure, figures=figures, data=provenance, suggestion=SUGGESTION)


def load(name, settings):
    """Load a data set, and check that the gradient will be square."""
    dataset = datasets.load(name, limit=settings.images, seed=settings.seed)
    inputs = dataset.inputs.shape[1]
    if str(settings.hidden_units) not in ("inputs", str(inputs)):
        raise UserError(f"hidden_units is {settings.hidden_units}, but {name} has {inputs} inputs and the gradient "
                        "must be square: set it to inputs")
    return dataset


# ---- measurements -----------------------------------------------------------------------------------------

def measure_runs(dataset, fractals, settings):
    """Return the Measurement of each run with a gradient that is not degenerate, and the probabilities of the first."""
    measurements, shown = [], None
    for seed in range(settings.seed, settings.seed + settings.runs):
        probabilities = last_probabilities(dataset, settings.init, settings.learning_rate, settings.steps, seed)
        if probabilities is not None:
            measurements.append(measure(probabilities, fractals, streams.generator(seed, streams.LINKS, 0)))
            shown = probabilities if shown is None else shown
    if not measurements:
        raise networks.DegenerateMatrix(f"{dataset.name}: the gradient of step {settings.steps} is zero or not finite "
                                        f"in all {settings.runs} runs: lower --learning-rate, or take other --steps or "
                                        "another --seed")
    return measurements, shown


def last_probabilities(dataset, init, learning_rate, steps, seed):
    """Return the sampling probabilities at the last step, float64 (inputs, inputs); None if they are degenerate."""
    inputs = dataset.inputs.shape[1]
    gradient, _ = essay.gradient(dataset, inputs, steps, learning_rate, 1, seed, init=init)
    try:
        return essay.sampling_probabilities(gradient, inputs)
    except networks.DegenerateMatrix:
        return None


def measure(probabilities, fractals, rng):
    """Return the Measurement of one gradient from its sampling probabilities."""
    entries = np.sort(probabilities[probabilities > 0])
    logs = np.log(entries)
    (skew, kurtosis), (log_skew, log_kurtosis) = summaries.moments(entries), summaries.moments(logs)
    numbers = {"zeros": 1 - logs.size / probabilities.size, **distances((logs, np.ones(logs.size)), fractals),
               "skew": skew, "kurtosis": kurtosis, "log_skew": log_skew, "log_kurtosis": log_kurtosis,
               "energy_share": energy_share(probabilities)}
    merged, clusterings = clustering(networks.sample(probabilities, rng), rng)
    fit, at_bound = kronecker_fit(merged, rng)
    return Measurement(numbers | fit | clusterings, at_bound, logs)


def histogram_of(seed_matrix, order):
    """Return the histogram of a power over its largest entry: rising logarithms and their shares, float64 (q,) each."""
    levels = networks.kronecker.levels(seed_matrix, order)
    return levels.logs - levels.logs[-1], levels.shares


def distances(histogram, fractals):
    """Return the distances of a histogram from those of both fractals and from a normal distribution."""
    ks_distance = networks.histograms.ks_distance
    return {"raw_distance": ks_distance(*histogram, *fractals.histogram),
            "standardised_distance": ks_distance(*histogram, *fractals.histogram, standardized=True),
            "large_order_distance": ks_distance(*histogram, *fractals.large_histogram, standardized=True),
            "normal_distance": networks.histograms.ks_distance_from_normal(*histogram)}


def energy_share(matrix):
    """Return the share of squared entries in the first singular vectors of a matrix (n, m) without negative entries."""
    # The first singular vectors have no negative entries either, so this start is not orthogonal to them.
    start = np.ones(min(matrix.shape))
    largest, *_ = scipy.sparse.linalg.svds(matrix, k=1, v0=start, return_singular_vectors=False)
    return float(largest**2 / (matrix**2).sum())


def clustering(links, rng):
    """Merge a sampled network, bool (n, n), and measure its clustering and that of its null models.

    Returns metrics.Packed of the merged network, and dict of float.
    """
    merged = networks.pack(networks.merge_layers(links))
    if not merged.neighbors.size:
        raise networks.DegenerateMatrix(f"a network of {len(links)} nodes was drawn without a link between two of "
                                        "them: take another --seed, other --steps or a --seed-matrix with larger "
                                        "entries")
    same_degrees = networks.merge_layers(networks.directed_configuration(links, rng))
    random = networks.erdos_renyi(merged, rng)
    return merged, {"clustering": networks.average_clustering(merged),
                    "clustering_same_degrees": networks.average_clustering(same_degrees),
                    "clustering_erdos_renyi": networks.average_clustering(random)}


def kronecker_fit(merged, rng):
    """Fit a seed to a network; return its numbers, and the parameters at a bound.

    The numbers are the seed, the expected counts over the observed ones, and the clustering of one network drawn from
    the fitted graph. Both are empty if a count is 0, since there is no fit by moments then.
    """
    kronecker = networks.kronecker
    if 0 in kronecker.observed_counts(merged):
        return {}, ()
    fit = kronecker.fit_seed(merged)
    (a, b), (_, c) = fit.seed.tolist()
    ratios = {f"{name}_ratio": expected / observed for (name, expected), observed in
              zip(fit.expected._asdict().items(), fit.observed, strict=True)}
    upper = np.triu(kronecker.power(fit.seed, fit.order), k=1)  # one probability for the pairs i, j and j, i
    random = networks.merge_layers(networks.sample(upper, rng))
    return {"a": a, "b": b, "c": c, "misfit": fit.misfit, **ratios,
            "clustering_fitted": networks.average_clustering(random)}, fit.at_bound


# ---- rows and finding -------------------------------------------------------------------------------------

def power_rows(fractals, settings):
    """Return the rows of the Kronecker powers in closed form, with the clustering of networks drawn from one power."""
    rows = {order: power_row(fractals, order)
            for order in (settings.order, settings.large_order, settings.network_order)}
    probabilities = networks.probabilities(networks.kronecker.power(fractals.seed_matrix, settings.network_order))
    clusterings = []
    for seed in range(settings.seed, settings.seed + settings.runs):
        rng = streams.generator(seed, streams.LINKS, 1)
        clusterings.append(clustering(networks.sample(probabilities, rng), rng)[1])
    rows[settings.network_order] |= intervals(clusterings)
    return list(rows.values())


def power_row(fractals, order):
    seed_matrix = fractals.seed_matrix
    return {"matrix": f"fractal, order {order}", "zeros": 1 - (np.count_nonzero(seed_matrix) / 4) ** (order + 1),
            **distances(histogram_of(seed_matrix, order), fractals),
            **networks.kronecker.moments(seed_matrix, order)._asdict(),
            "energy_share": networks.kronecker.energy_share(seed_matrix, order)}


def gradient_row(name, measurements, degenerate):
    """Return the row of one data set from the Measurements of its runs and the number of degenerate runs."""
    draws = [measurement.numbers for measurement in measurements]
    bounds = [bound for measurement in measurements for bound in measurement.at_bound]
    return {"matrix": f"{name} gradient", "runs": len(draws), "degenerate_runs": degenerate, **intervals(draws),
            "normal_is_closer": sum(numbers["normal_distance"] < numbers["large_order_distance"] for numbers in draws),
            "at_bound": ", ".join(f"{bound} in {bounds.count(bound)}" for bound in dict.fromkeys(bounds)) or "none"}


def intervals(draws):
    """Return medians and 90 % intervals of each number over the draws that have it."""
    keys = dict.fromkeys(key for numbers in draws for key in numbers)
    return summaries.median_intervals(**{key: [numbers[key] for numbers in draws if key in numbers] for key in keys})


def finding_of(rows):
    """State in how many runs a normal distribution is nearer than the fractal of high order; rows of gradients."""
    closer, runs = (sum(row[key] for row in rows) for key in ("normal_is_closer", "runs"))
    return f"A normal law is nearer to gradients' log histograms than the fractal in {closer} of {runs} runs"


# ---- the figure -------------------------------------------------------------------------------------------

def caption(rows, logs, settings):
    lost = sum(row["degenerate_runs"] for row in rows)
    of_lost = f", {lost} runs with gradients of 0 left out" if lost else ""
    return (f"Square tanh nets, init {settings.init}, gradients of single-sample step {settings.steps:,}, rate "
            f"{settings.learning_rate:g}; n = {settings.runs} runs for each of {', '.join(logs)}{of_lost}.\n"
            f"Fractal: powers of {' '.join(map(str, settings.seed_matrix))}. Magnitudes over the largest, no zeros. "
            "Dots are medians, bars the middle 90 %.")


@plots.styled
def picture(rows, rows_of_powers, fractals, gradient, logs, settings, title, caption):
    """Draw the figure; gradient: probabilities (n, n) of the first run; logs: {data: list of arrays, one per run}."""
    figure, panels = plots.figure([["fractal", "gradient", "distances"], ["raw", "standardised", "clustering"]], 12,
                                  7.6, title, caption)
    power = networks.kronecker.power(fractals.seed_matrix, PICTURE_ORDER)
    plots.draw_matrix(panels["fractal"], networks.probabilities(power))
    panels["fractal"].set(title=f"fractal, order {PICTURE_ORDER}", xlabel="column", ylabel="row")
    # In the order of their sums and without the dark inputs, so that rank one shows as a corner.
    inputs = np.argsort(-gradient.sum(axis=1), kind="stable")[:np.count_nonzero(gradient.any(axis=1))]
    hidden = np.argsort(-gradient.sum(axis=0), kind="stable")
    plots.draw_matrix(panels["gradient"], gradient[np.ix_(inputs, hidden)])
    panels["gradient"].set(title=f"|gradient| on {next(iter(logs))}, run 1",
                           xlabel="hidden units, largest first", ylabel=f"the {len(inputs)} inputs that are not 0")
    colors = dict(zip(logs, itertools.cycle(plots.COLORS), strict=False))
    histograms = {f"fractal, order {settings.order}": fractals.histogram,
                  f"fractal, order {settings.large_order}": fractals.large_histogram}
    draw_histograms(panels["raw"], logs, fractals.histogram, colors)
    draw_distributions(panels["standardised"], logs, histograms, colors)
    draw_distances(panels["distances"], rows, colors)
    draw_clustering(panels["clustering"], [row for row in rows + rows_of_powers if "clustering" in row])
    return figure


def draw_histograms(axes, logs, fractal, colors):
    """Draw shares in bins of half a decade, and a line for each level of the fractal."""
    levels, shares = fractal[0] / np.log(10), fractal[1]
    lowest = min(levels[np.searchsorted(np.cumsum(shares), 0.01)],
                 *(values[len(values) // 100] / np.log(10) for runs in logs.values() for values in runs))
    edges = np.arange(np.floor(lowest), 0.1, 0.5)  # without the lowest hundredth
    axes.hist(levels, edges, weights=shares, color=plots.PALE, label="fractal, in bins")
    axes.vlines(levels, 0, shares, color=plots.INK, lw=1, label="fractal, its levels")
    for name, runs in logs.items():
        for k, values in enumerate(runs):
            counts, _ = np.histogram(values / np.log(10), edges)
            axes.stairs(counts / len(values), edges, color=colors[name], alpha=0.7,
                        label=None if k else f"{name} gradients")
    axes.set(title="log histograms", xlabel="log10 of magnitude over the largest", ylabel="share, of a bin or a level",
             xlim=(edges[0], 0.1))
    axes.set_ylim(0, 1.35 * axes.get_ylim()[1])
    axes.legend(loc="upper left", fontsize=8)


def draw_distributions(axes, logs, histograms, colors):
    """Draw standardised distribution functions minus the normal one: the height of a curve is its distance."""
    grid = np.linspace(-4, 3, 701)
    normal, standardize = scipy.special.ndtr(grid), networks.histograms.standardize
    for name, runs in logs.items():
        for k, values in enumerate(runs):
            standardised = standardize(values, np.ones(len(values)))
            axes.plot(grid, np.searchsorted(standardised, grid, side="right") / len(values) - normal,
                      color=colors[name], lw=1, label=None if k else f"{name} gradients")
    for (name, (values, shares)), color in zip(histograms.items(), (plots.GREY, plots.INK), strict=False):
        places = np.searchsorted(standardize(values, shares), grid, side="right")
        axes.plot(grid, np.concatenate(([0], np.cumsum(shares)))[places] - normal, color=color, lw=0.8, zorder=1,
                  label=name)
    axes.axhline(0, color=plots.GREY, lw=0.8)
    axes.set(title="standardised logs, less a normal law", xlabel="standard deviations from the mean",
             ylabel="difference of distribution functions", xlim=(-4, 3))
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.5 * (high - low))
    axes.legend(loc="upper left", fontsize=8)


def draw_distances(axes, rows, colors):
    """Draw the distance of the gradients of each data set from the fractals and from a normal law."""
    for k, (row, (name, color), marker) in enumerate(zip(rows, colors.items(), itertools.cycle(plots.MARKERS),
                                                         strict=False)):
        heights = np.arange(len(DISTANCES)) + 0.22 * (k - (len(rows) - 1) / 2)
        low, median, high = ([row[key + end] for key in DISTANCES] for end in ("_low", "", "_high"))
        axes.hlines(heights, low, high, color=color, lw=4, alpha=0.3, capstyle="round")
        axes.plot(median, heights, marker, color=color, ms=6, label=f"{name} gradients")
    axes.set(title="distance of log histograms to", xlabel="Kolmogorov-Smirnov distance", xlim=(0, None),
             yticks=range(len(DISTANCES)), yticklabels=DISTANCES.values(), ylim=(len(DISTANCES) - 0.5, -0.5))
    axes.tick_params(axis="y", length=0)
    axes.legend(loc="lower right", fontsize=8)


@plots.styled
def picture_of_fits(rows, caption):
    """Draw expected over observed counts of the Kronecker graphs that were fitted to the gradients' networks."""
    counts = networks.kronecker.Counts._fields
    worst, count, matrix = max(((row[f"{count}_ratio"], count, row["matrix"]) for row in rows for count in counts),
                               key=lambda fit: abs(np.log(fit[0])))
    title = f"The Kronecker graph fitted to the {matrix} has {worst:.2f} times its {count}"
    figure, panels = plots.figure([["fit"]], 10, 4.6, title, caption)
    axes = panels["fit"]
    for k, (row, color, marker) in enumerate(zip(rows, itertools.cycle(plots.COLORS), itertools.cycle(plots.MARKERS),
                                                 strict=False)):
        places = np.arange(len(counts)) + 0.15 * (k - (len(rows) - 1) / 2)
        low, median, high = ([row[f"{count}_ratio{end}"] for count in counts] for end in ("_low", "", "_high"))
        axes.vlines(places, low, high, color=color, lw=4, alpha=0.3, capstyle="round")
        seed = " ".join(f"{row[name]:.2f}" for name in "abc")
        axes.plot(places, median, marker, color=color, ms=6, label=f"{row['matrix']}: a, b, c are {seed}; at a bound: "
                  f"{row['at_bound']} of {row['runs']}")
    axes.axhline(1, color=plots.GREY, lw=0.8)
    axes.set(title="counts of the fitted graph", ylabel="expected count over observed", xticks=range(len(counts)),
             xlim=(-0.5, len(counts) - 0.5))
    axes.set_ylim(0, 1.45 * axes.get_ylim()[1])
    axes.set_xticklabels(counts)
    axes.legend(loc="upper right", fontsize=8)
    return figure


def draw_clustering(axes, rows):
    """Draw one line per matrix: the networks drawn from it, and their null models."""
    colors = plots.INK, plots.ORANGE, plots.GREEN, plots.GREY
    for k, ((key, label), marker, color) in enumerate(zip(NETWORKS.items(), "oDs^", colors, strict=True)):
        places = [place for place, row in enumerate(rows) if key in row]
        low, median, high = ([rows[place][key + end] for place in places] for end in ("_low", "", "_high"))
        heights = np.array(places) + 0.15 * (k - 1.5)
        axes.hlines(heights, low, high, color=color, lw=4, alpha=0.3, capstyle="round")
        axes.plot(median, heights, marker, color=color, ms=6, label=label)
    axes.set(title="clustering", xlabel="mean over the nodes", yticks=range(len(rows)), ylim=(len(rows) + 0.7, -0.6))
    axes.set_yticklabels([row["matrix"].replace(" ", "\n", 1) for row in rows])
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(left=0)
    axes.locator_params("x", nbins=5, steps=[1, 2, 5, 10])
    axes.legend(loc="lower right", fontsize=8)


# ---- checks -----------------------------------------------------------------------------------------------

def check(settings):
    checks.nonempty_tuples(seed_matrix=settings.seed_matrix, datasets=settings.datasets)
    checks.positive_integers(images=settings.images, steps=settings.steps, runs=settings.runs)
    numbers = settings.seed_matrix
    if len(numbers) != 4:
        raise UserError(f"seed_matrix has {len(numbers)} numbers: expected 4, the rows of a 2 x 2 matrix")
    if not (np.isfinite(numbers).all() and min(numbers) >= 0):
        raise UserError(f"seed_matrix is {numbers}: expected finite numbers of at least 0")
    if len(set(numbers) - {0}) < 2:
        raise UserError(f"seed_matrix is {numbers}: expected at least two different values above 0, since powers of "
                        "one value have no histogram")


if __name__ == "__main__":
    experiment.run(main)
