"""Does a weighted Kronecker fractal have the same histogram as a perceptron's gradient?

Compares magnitudes of single-sample gradients with the Kronecker power of a small matrix, both divided by their largest
entry: the logarithms as they are, and standardised to mean 0 and standard deviation 1. Logarithms of products are
nearly normal, so two controls say how much a likeness means: a normal distribution, and a power of higher order. The
comparison with these two is fair: a single level of order 10 holds up to 7 % of the entries, so no smooth histogram can
be near it. Histograms cannot show everything, so the script also compares the energy in the first singular vectors, and
the networks sampled from both. A stochastic Kronecker graph is fitted to the gradient's network by its counts of links,
wedges (two links at a node), three-stars (three links at a node; "tripins" in the JSON) and triangles.

Figure: a part of the fractal and a gradient; their log histograms; the distances of these histograms; their
standardised distribution functions minus the normal one; the clustering of the networks beside that of their null
models. A second figure shows the counts that the fitted graphs miss.

Source: README of mlp_gradient_networks (Howon Lee, 2016), which shows that the power of this seed has a histogram like
that of a gradient. The net is the essay's, as in grad_network.py: 784-784-10, tanh, squared error, a bias on the input
layer alone. A fractal of order k takes k Kronecker products: order 10 has 2,048 rows and 78 distinct entries.
Entries that are exactly 0 (dark pixels, dead units) are counted and left out of the histograms.

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
PART_ORDER = 7  # of the part of the fractal that is drawn: 256 rows, since more would not be visible
BINS_PER_DECADE = 2  # of the log histograms
COUNTS = {  # that Kronecker graphs are fitted to, in words
    "edges": "links", "wedges": "wedges\n(two links at a node)", "tripins": "three-stars\n(three links at a node)",
    "triangles": "triangles"}
NETWORKS = {"clustering": "sampled network", "clustering_same_degrees": "same in- and out-degrees",
            "clustering_fitted": "fitted Kronecker graph", "clustering_erdos_renyi": "random links"}
DISTANCES = {"raw_distance": "to the fractal", "standardised_distance": "to the fractal,\nrescaled",
             "large_order_distance": "to the large fractal,\nrescaled", "normal_distance": "to a normal law,\nrescaled"}
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
    rows, logs, provenance, gradients = [], {}, [], {}
    for name in dict.fromkeys(settings.datasets):
        dataset = load(name, settings)
        measurements, first = measure_runs(dataset, fractals, settings)
        rows.append(gradient_row(name, measurements, settings.runs - len(measurements)))
        logs[name] = [measurement.logs for measurement in measurements]
        provenance.append(dataset.provenance)
        if name == settings.datasets[0]:
            gradients[name] = first
    finding = finding_of(rows)
    figure = picture(rows, rows_of_powers, fractals, gradients, logs, settings, finding, caption(rows, settings))
    fits = [row for row in rows if "a" in row]
    figures = {"_fit": picture_of_fits(fits, caption_of_fits(fits, settings))} if fits else {}
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
    merged = networks.pack_merged(links)
    if not merged.neighbors.size:
        raise networks.DegenerateMatrix(f"a network of {len(links)} nodes was drawn without a link between two of "
                                        "them: take another --seed, other --steps or a --seed-matrix with larger "
                                        "entries")
    same_degrees = networks.pack_merged(networks.directed_configuration(links, rng))
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
    random = networks.pack_merged(networks.sample(upper, rng))
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
    """State whether a normal distribution is nearer to gradients than the large fractal is; rows of gradients.

    Neither is nearer if an exact 90 % interval of the share of runs holds one half.
    """
    closer, runs = (sum(row[key] for row in rows) for key in ("normal_is_closer", "runs"))
    low, high = scipy.stats.binomtest(closer, runs).proportion_ci(0.9)
    if low > 0.5:
        return "Gradients' histograms are nearer to a normal law than to the large fractal"
    if high < 0.5:
        return "Gradients' histograms are nearer to the large fractal than to a normal law"
    return "Gradients' histograms are no nearer to the large fractal than to a normal law"


# ---- the figure -------------------------------------------------------------------------------------------

def caption(rows, settings):
    a, b, c, d = settings.seed_matrix
    return (f"{about_nets(rows, settings)}\nFractal: Kronecker powers of ({a:g} {b:g}; {c:g} {d:g}), "
            f"{size_in_words(settings.order)} rows; large: {size_in_words(settings.large_order)} rows. "
            "Rescaled: logarithms of mean 0, deviation 1. No zeros. Medians, middle 90 %.")


def caption_of_fits(rows, settings):
    bounds = [f"{bound} in {count_of(int(count), row['runs'])} fits on {data_of(row)}" for row in rows
              for bound, count in (entry.split(" in ") for entry in row["at_bound"].split(", ") if entry != "none")]
    return (f"{about_nets(rows, settings)}\nMedians and the middle 90 %. Fitted: a 2 x 2 matrix (a b; b c)"
            + (f"; at a bound: {', '.join(bounds)}." if bounds else "."))


def count_of(count, total):
    """Return a share of runs in words: all 20, or 19 of 20."""
    return f"all {total}" if count == total > 1 else f"{count} of {total}"


def about_nets(rows, settings):
    lost = sum(row["degenerate_runs"] for row in rows)
    return (f"Square tanh nets, init {settings.init}, |gradients| of single-sample step {settings.steps:,}, learning "
            f"rate {settings.learning_rate:g}; n = {plots.counted(settings.runs, 'run')} each on "
            f"{', '.join(map(data_of, rows))}{f' ({lost} without a gradient)' if lost else ''}.")


def data_of(row):
    """Return the data set of a row of gradients."""
    return row["matrix"].removesuffix(" gradient")


def size_in_words(order):
    """Return the number of rows of a fractal, as 2,048 or as a power of two."""
    return f"{2**(order + 1):,}" if order < 17 else f"2^{order + 1}"


@plots.styled
def picture(rows, rows_of_powers, fractals, gradients, logs, settings, title, caption):
    """Draw the figure.

    gradients : {data: probabilities (n, n) of its first run}, of the data set that is drawn
    logs : {data: list of arrays, one per run}
    """
    figure, panels = plots.figure([["fractal", "gradient", "distances"], ["raw", "standardised", "clustering"]], 12,
                                  7.6, title, caption)
    # A block of a fractal is the fractal of a lower order times a constant, so this is a part of it.
    part = min(PART_ORDER, settings.order)
    plots.draw_matrix(panels["fractal"], networks.probabilities(networks.kronecker.power(fractals.seed_matrix, part)))
    panels["fractal"].set(title="the fractal" + (f": {size_in_words(part)} of its {size_in_words(settings.order)} rows"
                                                 if part < settings.order else ""), xlabel="column", ylabel="row")
    (name, gradient), = gradients.items()
    # In the order of their sums and without the dark inputs, so that rank one shows as a corner.
    inputs = np.argsort(-gradient.sum(axis=1), kind="stable")[:np.count_nonzero(gradient.any(axis=1))]
    hidden = np.argsort(-gradient.sum(axis=0), kind="stable")
    plots.draw_matrix(panels["gradient"], gradient[np.ix_(inputs, hidden)])
    panels["gradient"].set(title=f"|gradient| on {name}, run 1", xlabel="hidden units, largest first",
                           ylabel=f"the {len(inputs)} inputs that are not 0")
    colors = dict(zip(logs, itertools.cycle(plots.COLORS), strict=False))
    draw_histograms(panels["raw"], logs, fractals.histogram, colors)
    draw_distributions(panels["standardised"], logs, fractals.large_histogram, colors)
    draw_distances(panels["distances"], rows, colors)
    draw_clustering(panels["clustering"], [row for row in rows + rows_of_powers if "clustering" in row],
                    {f"fractal, order {settings.network_order}":
                     f"fractal of\n{size_in_words(settings.network_order)} rows"})
    return figure


def draw_histograms(axes, logs, fractal, colors):
    """Draw the share of entries in each bin: of the fractal, and of each data set the median run with its band."""
    levels, shares = fractal[0] / np.log(10), fractal[1]
    lowest = min(levels[np.searchsorted(np.cumsum(shares), 0.01)],
                 *(values[len(values) // 100] / np.log(10) for runs in logs.values() for values in runs))
    first = min(np.floor(lowest), -1)  # without the lowest hundredth
    edges = np.linspace(first, 0, int(-first * BINS_PER_DECADE) + 1) + 1e-9  # the largest entry is in the last bin
    axes.hist(levels, edges, weights=shares, color=plots.PALE, label="the fractal")
    for (name, runs), dash in zip(logs.items(), itertools.cycle(plots.DASHES), strict=False):
        heights = [np.histogram(values / np.log(10), edges)[0] / len(values) for values in runs]
        low, median, high = summaries.quantiles(heights, axis=0)
        axes.fill_between(edges, *(np.append(ends, ends[-1]) for ends in (low, high)), step="post", alpha=0.2, lw=0,
                          color=colors[name])
        axes.stairs(median, edges, color=colors[name], lw=2, ls=dash, label=f"gradients on {name}")
    axes.set(title="log histograms", xlabel="log10 of magnitude over the largest", ylabel="share of entries in a bin",
             xlim=(edges[0], 0.1))
    axes.set_ylim(0, 1.3 * axes.get_ylim()[1])
    axes.legend(loc="upper left", fontsize=8)


def draw_distributions(axes, logs, large_fractal, colors):
    """Draw standardised distribution functions minus the normal one: the height of a curve is its distance.

    large_fractal : the histogram of the fractal of large order, which is nearly smooth
    """
    grid = np.linspace(-4, 3, 701)
    normal, standardize = scipy.special.ndtr(grid), networks.histograms.standardize
    places = np.searchsorted(standardize(*large_fractal), grid, side="right")
    axes.plot(grid, np.concatenate(([0], np.cumsum(large_fractal[1])))[places] - normal, color=plots.INK, lw=0.8,
              label="the large fractal")
    for (name, runs), dash in zip(logs.items(), itertools.cycle(plots.DASHES), strict=False):
        curves = [np.searchsorted(standardize(values, np.ones(len(values))), grid, side="right") / len(values) - normal
                  for values in runs]
        low, median, high = summaries.quantiles(curves, axis=0)
        axes.fill_between(grid, low, high, alpha=0.2, lw=0, color=colors[name])
        axes.plot(grid, median, color=colors[name], lw=2, ls=dash, label=f"gradients on {name}")
    axes.axhline(0, color=plots.GREY, lw=1.5, ls=":", label="a normal law")
    axes.set(title="rescaled, minus a normal law", xlabel="standard deviations from the mean",
             ylabel="difference of cumulative shares", xlim=(-4, 3))
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
        axes.plot(median, heights, marker, color=color, ms=6, label=f"gradients on {name}")
        axes.annotate(f"nearer than the large fractal: {row['normal_is_closer']} of {row['runs']}",
                      (high[-1], heights[-1]), xytext=(8, 0), textcoords="offset points", va="center", fontsize=8,
                      color=plots.text_color(color))
    axes.set(title="distance of log histograms", xlabel="Kolmogorov-Smirnov distance", xlim=(0, None),
             yticks=range(len(DISTANCES)), yticklabels=DISTANCES.values(), ylim=(len(DISTANCES) - 0.5, -0.5))
    axes.tick_params(axis="y", length=0)
    axes.legend(loc="center right", fontsize=8)


@plots.styled
def picture_of_fits(rows, caption):
    """Draw expected over observed counts of the Kronecker graphs that were fitted to the gradients' networks."""
    worst, count, data = max(((row[f"{count}_ratio"], COUNTS[count].split("\n")[0], data_of(row)) for row in rows
                              for count in COUNTS), key=lambda fit: abs(np.log(fit[0])))
    ratio = "half" if 0.45 <= worst <= 0.55 else f"{worst:.2f} times"
    title = f"Kronecker fits have {ratio} as many {count} as gradient networks on {data}"
    figure, panels = plots.figure([["fit"]], 11, 4.6, title, caption)
    axes = panels["fit"]
    for k, (row, color, marker) in enumerate(zip(rows, itertools.cycle(plots.COLORS), itertools.cycle(plots.MARKERS),
                                                 strict=False)):
        places = np.arange(len(COUNTS)) + 0.15 * (k - (len(rows) - 1) / 2)
        low, median, high = ([row[f"{count}_ratio{end}"] for count in COUNTS] for end in ("_low", "", "_high"))
        axes.vlines(places, low, high, color=color, lw=4, alpha=0.3, capstyle="round")
        a, b, c = (f"{row[name]:.2f}" for name in "abc")
        axes.plot(places, median, marker, color=color, ms=6, label=f"{data_of(row)}: ({a} {b}; {b} {c})")
    axes.axhline(1, color=plots.GREY, lw=0.8)
    axes.set(title="counts of the fitted graphs", ylabel="expected count / count in the network",
             xticks=range(len(COUNTS)), xticklabels=COUNTS.values(), xlim=(-0.5, len(COUNTS) - 0.5))
    axes.set_ylim(0, 1.3 * axes.get_ylim()[1])
    axes.legend(loc="upper right", fontsize=8, title="fitted matrix (medians)", title_fontsize=8,
                alignment="left")
    return figure


def draw_clustering(axes, rows, names):
    """Draw one line per matrix: the networks drawn from it, and their null models.

    names : words for the matrices whose rows have other names
    """
    colors = plots.INK, plots.ORANGE, plots.GREEN, plots.GREY
    for k, ((key, label), marker, color) in enumerate(zip(NETWORKS.items(), "oDs^", colors, strict=True)):
        places = [place for place, row in enumerate(rows) if key in row]
        low, median, high = ([rows[place][key + end] for place in places] for end in ("_low", "", "_high"))
        heights = np.array(places) + 0.15 * (k - 1.5)
        axes.hlines(heights, low, high, color=color, lw=4, alpha=0.3, capstyle="round")
        axes.plot(median, heights, marker, color=color, ms=6, label=label)
    axes.set(title="clustering of sampled networks", xlabel="mean over the nodes", yticks=range(len(rows)),
             ylim=(len(rows) + 0.7, -0.6))
    axes.set_yticklabels([names.get(row["matrix"], row["matrix"].replace(" ", "\n", 1)) for row in rows])
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
