"""Does a weighted Kronecker fractal have the same histogram as a perceptron's gradient?

Compares magnitudes of single-sample gradients with the Kronecker power of a small matrix, both over their largest
entry: the logarithms as they are, and standardised to mean 0 and deviation 1. Logarithms of products are nearly normal,
so two controls say what a likeness is worth: a normal law, and a power of higher order. To compare with these two is
fair: a single level of order 10 holds up to 7 % of the entries, so no smooth histogram can be near it. Then what
no histogram shows: the energy in the first singular vectors, and the networks drawn from both, beside a stochastic
Kronecker graph that is fitted to the gradient's network by its counts of links, wedges, tripins (three links at a node)
and triangles.

Figure: the fractal and a gradient; their log histograms; their standardised distribution functions less the normal one;
the counts that the fitted graphs miss; the clustering of the networks beside that of their nulls.

Source: README of mlp_gradient_networks (Howon Lee, 2016), which shows that the power of this seed has a histogram like
that of a gradient. The net is the essay's, as in grad_network.py: 784-784-10, tanh, squared error, a bias on the input
layer alone. A fractal of order k takes k Kronecker products: order 10 has 2^11 rows and 78 distinct entries. Entries
that are exactly 0 (dark pixels, dead units) are counted and left out of the histograms.

Takes 4 s.
"""
import itertools

import numpy as np
from scipy import special
from scipy.sparse.linalg import svds

import grad_network
from gradnets import datasets, experiment, fractals, graphs, metrics, nulls, plots

SEED_MATRIX = (0.99, 0.7, 0.7, 0.1)  # the fractal's seed, 2 x 2, row by row
ORDER = 10                  # Kronecker products of the fractal that gradients are compared with
LARGE_ORDER = 30            # of another one, as a control
NETWORK_ORDER = 9           # of the one that networks are drawn from: 2^10 nodes
DATASETS = ("glyphs", "noise")  # names that gradnets.datasets knows
IMAGES = 10_000             # at most so many training images, from the first on
HIDDEN_UNITS = "inputs"     # as many as there are inputs, in this word or as a number: the gradient must be square
INIT = "uniform(0.25)"      # uniform(scale), normal(scale), glorot, glorot-normal or orthogonal(gain)
LEARNING_RATE = 0.1         # step length
STEPS = 500                 # single-sample steps; the gradient is that of the last one
RUNS = 5                    # training runs a data set, and networks drawn from the fractal
SEED = 0                    # seeds the data; run k has the weights, samples and links of grad_network.py's seed + k

COUNTS = fractals.Counts._fields
NETWORKS = {"clustering": "observed", "clustering_same_degrees": "directed configuration",
            "clustering_fitted": "fitted Kronecker graph", "clustering_erdos_renyi": "Erdős-Rényi"}
PICTURE_ORDER = 7  # more rows would not be seen
COLORS = (plots.BLUE, plots.RED, "#3f8f5f", "#8a63b0", "#b8860b", "#4d9aa8")  # of the data sets, in turn


# ---- what is measured -------------------------------------------------------------------------------------

def last_chances(dataset, init, learning_rate, steps, seed):
    """|gradient| of the last step over its largest entry, without the bias: float64 (inputs, inputs).

    None where it cannot be had: the gradient is zero everywhere, or not finite.
    """
    gradient, _ = grad_network.last_gradient(dataset, dataset.inputs.shape[1], steps, learning_rate, 1, seed, init=init)
    try:
        chances = graphs.probabilities(gradient)[:-1]
    except graphs.DegenerateMatrix:
        return None
    return chances if chances.any() else None


def histogram_of(seed_matrix, order):
    """Logarithms of the fractal's entries over the largest, rising, and their shares: float64 (q,) each."""
    levels = fractals.levels(seed_matrix, order)
    return levels.logs - levels.logs[-1], levels.shares


def distances(histogram, small, large):
    """How far a histogram lies from those of both fractals, and from a normal law."""
    return {"raw_distance": fractals.distance(*histogram, *small),
            "standardised_distance": fractals.distance(*histogram, *small, standardised=True),
            "large_order_distance": fractals.distance(*histogram, *large, standardised=True),
            "normal_distance": fractals.normal_distance(*histogram)}


def energy_share(matrix):
    """Share of the squared entries in the first singular vectors of a matrix (n, m) without negative entries."""
    # Then neither have those vectors negative entries, and this start cannot miss them.
    largest = svds(matrix, k=1, v0=np.ones(min(matrix.shape)), return_singular_vectors=False)[0]
    return float(largest**2 / (matrix**2).sum())


def clustering(links, rng):
    """The merged network of links, bool (n, n), and the clustering of it and of its nulls."""
    merged = graphs.merge_layers(links)
    if not merged.any():
        raise graphs.DegenerateMatrix(f"a network of {len(merged)} nodes was drawn without a link between two of them: "
                                      "take another SEED, other STEPS or a SEED_MATRIX with larger entries")
    networks = {"clustering": merged,
                "clustering_same_degrees": graphs.merge_layers(nulls.directed_configuration(links, rng)),
                "clustering_erdos_renyi": nulls.erdos_renyi(merged, rng)}
    return merged, {key: metrics.measure(network).average_clustering for key, network in networks.items()}


def kronecker_fit(merged, rng):
    """The seed fitted to a network, the counts it misses and the clustering of one draw; and what is at a bound.

    Nothing where a count is 0, so that there is no fit by moments.
    """
    if 0 in fractals.observed_counts(merged):
        return {}, ()
    fit = fractals.fit_seed(merged)
    (a, b), (_, c) = fit.seed.tolist()
    ratios = {f"{name}_ratio": expected / observed
              for name, expected, observed in zip(COUNTS, fit.expected, fit.observed, strict=True)}
    pairs = graphs.sample(np.triu(fractals.power(fit.seed, fit.order), k=1), rng)  # one chance for i, j and j, i
    drawn = metrics.measure(graphs.merge_layers(pairs))
    return {"a": a, "b": b, "c": c, "misfit": fit.misfit, **ratios,
            "clustering_fitted": drawn.average_clustering}, fit.at_bound


def measure_runs(dataset, seeds, small, large, init, learning_rate, steps):
    """What `measure` gives for each run that ends in a gradient other than 0, and the first such |gradient|."""
    measured, first = [], None
    for seed in seeds:
        chances = last_chances(dataset, init, learning_rate, steps, seed)
        if chances is not None:
            measured.append(measure(chances, small, large, stream(seed, 0)))
            first = chances if first is None else first
    if not measured:
        raise graphs.DegenerateMatrix(f"{dataset.name}: the gradient of step {steps} is zero or not finite in all "
                                      f"{len(seeds)} runs: lower LEARNING_RATE, or take other STEPS or another SEED")
    return measured, first


def measure(chances, small, large, rng):
    """The numbers of one gradient, what of its fit is at a bound, and its logarithms, rising."""
    entries = np.sort(chances[chances > 0])
    logs = np.log(entries)
    moments = fractals.Moments(*metrics.moments(entries), *metrics.moments(logs))
    numbers = {"zeros": 1 - logs.size / chances.size, **distances((logs, np.ones(logs.size)), small, large),
               **moments._asdict(), "energy_share": energy_share(chances)}
    merged, clusters = clustering(graphs.sample(chances, rng), rng)
    fit, at_bound = kronecker_fit(merged, rng)
    return numbers | fit | clusters, at_bound, logs


# ---- what is told -----------------------------------------------------------------------------------------

def spread(draws):
    """Medians and the middle 90 % of each number, over the draws that have it."""
    return experiment.spread(**{key: [numbers[key] for numbers in draws if key in numbers]
                                for key in dict.fromkeys(key for numbers in draws for key in numbers)})


def gradient_row(name, measured, degenerate):
    """The row of one data set, from what `measure` gave for each run."""
    draws = [numbers for numbers, _, _ in measured]
    bounds = [bound for _, at_bound, _ in measured for bound in at_bound]
    return {"matrix": f"{name} gradient", "runs": len(draws), "degenerate_runs": degenerate, **spread(draws),
            "normal_is_closer": sum(numbers["normal_distance"] < numbers["large_order_distance"] for numbers in draws),
            "at_bound": ", ".join(f"{bound} in {bounds.count(bound)}" for bound in dict.fromkeys(bounds)) or "none"}


def fractal_row(seed_matrix, order, small, large):
    """The row of one fractal, in closed form."""
    return {"matrix": fractal_name(order), "zeros": 1 - (np.count_nonzero(seed_matrix) / 4) ** (order + 1),
            **distances(histogram_of(seed_matrix, order), small, large),
            **fractals.moments(seed_matrix, order)._asdict(), "energy_share": fractals.energy_share(seed_matrix, order)}


def finding(rows):
    """The verdict in a sentence, over the runs on all data sets."""
    gradients = [row for row in rows if "runs" in row]

    def span(key):
        low, high = min(row[f"{key}_low"] for row in gradients), max(row[f"{key}_high"] for row in gradients)
        return low, high, f"{low:.2f} to {high:.2f}"

    raw, standardised, large, normal = (span(f"{key}_distance")
                                        for key in ("raw", "standardised", "large_order", "normal"))
    if raw[0] > standardised[1]:
        verdict = f"Log histograms differ (KS {raw[2]}), less so standardised ({standardised[2]})"
    else:
        verdict = f"Log histograms are at KS {raw[2]}, standardised at {standardised[2]}"
    closer, runs = (sum(row[key] for row in gradients) for key in ("normal_is_closer", "runs"))
    return (f"{verdict}, at a higher order ({large[2]}); a normal law is nearer than that in {closer} of {runs} runs "
            f"({normal[2]})")


# ---- the figure -------------------------------------------------------------------------------------------

@plots.styled
def picture(rows, fractal, gradient, logs, histograms, title, caption):
    """The figure. logs: {data: list of arrays, one a run}; histograms: {fractal: (logs, shares)}."""
    figure, panels = plots.figure([["fractal", "gradient", "raw"], ["standardised", "fit", "clustering"]], 13, 8,
                                  title, caption)
    plots.draw_matrix(panels["fractal"], fractal)
    panels["fractal"].set(title=f"fractal, order {PICTURE_ORDER}", xlabel="column", ylabel="row")
    # In the order of their sums, without the dark inputs: rank one shows as a corner.
    inputs = np.argsort(-gradient.sum(axis=1), kind="stable")[:np.count_nonzero(gradient.any(axis=1))]
    hidden = np.argsort(-gradient.sum(axis=0), kind="stable")
    plots.draw_matrix(panels["gradient"], gradient[np.ix_(inputs, hidden)])
    panels["gradient"].set(title=f"|gradient| on {next(iter(logs))}, its first run",
                           xlabel="hidden units, largest first", ylabel=f"the {len(inputs)} inputs that are not 0")
    colors = dict(zip(logs, itertools.cycle(COLORS), strict=False))
    draw_histograms(panels["raw"], logs, next(iter(histograms.values())), colors)
    draw_distributions(panels["standardised"], logs, histograms, colors)
    draw_fits(panels["fit"], [row for row in rows if "runs" in row], colors.values())
    draw_clustering(panels["clustering"], [row for row in rows if "clustering" in row])
    return figure


def draw_histograms(axes, logs, fractal, colors):
    """Shares in bins of half a decade, and a line for each level of the fractal."""
    levels, shares = fractal[0] / np.log(10), fractal[1]
    lowest = min(levels[np.searchsorted(np.cumsum(shares), 0.01)],
                 *(values[len(values) // 100] / np.log(10) for runs in logs.values() for values in runs))
    edges = np.arange(np.floor(lowest), 0.1, 0.5)  # all but the lowest hundredth
    axes.hist(levels, edges, weights=shares, color=plots.PALE, label="fractal, in bins")
    axes.vlines(levels, 0, shares, color=plots.INK, lw=1, label="fractal, its levels")
    for name, runs in logs.items():
        for k, values in enumerate(runs):
            counts, _ = np.histogram(values / np.log(10), edges)
            axes.stairs(counts / len(values), edges, color=colors[name], alpha=0.7,
                        label=None if k else f"{name} gradients")
    axes.set(title="log histograms", xlabel="log10 of magnitude over the largest", ylabel="share, of a bin or a level",
             xlim=(edges[0], 0.1))
    axes.legend(loc="upper left", fontsize=8)


def draw_distributions(axes, logs, histograms, colors):
    """Standardised distribution functions less the normal one: how high a curve rises is its distance from it."""
    grid = np.linspace(-4, 3, 701)
    normal = special.ndtr(grid)
    for name, runs in logs.items():
        for k, values in enumerate(runs):
            standardised = fractals.standardise(values, np.ones(len(values)))
            axes.plot(grid, np.searchsorted(standardised, grid, side="right") / len(values) - normal,
                      color=colors[name], lw=1, label=None if k else f"{name} gradients")
    for (name, (values, shares)), color in zip(histograms.items(), (plots.GREY, plots.INK), strict=False):
        places = np.searchsorted(fractals.standardise(values, shares), grid, side="right")
        axes.plot(grid, np.concatenate(([0], np.cumsum(shares)))[places] - normal, color=color, lw=0.8, zorder=1,
                  label=name)
    axes.axhline(0, color=plots.GREY, lw=0.8)
    axes.set(title="standardised logs, less a normal law", xlabel="standard deviations from the mean",
             ylabel="difference of distribution functions", xlim=(-4, 3))
    axes.legend(loc="upper left", fontsize=8)


def draw_fits(axes, gradients, colors):
    """Expected over observed counts of the fitted graphs, a column a count."""
    for k, (row, color) in enumerate(zip(gradients, colors, strict=False)):
        places = np.arange(len(COUNTS)) + 0.2 * (k - (len(gradients) - 1) / 2)
        low, middle, high = ([row[f"{count}_ratio{end}"] for count in COUNTS] for end in ("_low", "", "_high"))
        axes.vlines(places, low, high, color=color, lw=4, alpha=0.3, capstyle="round")
        seed = " ".join(f"{row[name]:.2f}" for name in "abc")
        axes.plot(places, middle, "o", color=color, ms=6,
                  label=f"{row['matrix']}: a, b, c {seed}\nat a bound: {row['at_bound']} of {row['runs']}")
    axes.axhline(1, color=plots.GREY, lw=0.8)
    axes.set(title="fitted Kronecker graph", ylabel="expected count over observed", xticks=range(len(COUNTS)),
             xlim=(-0.5, len(COUNTS) - 0.5))
    axes.set_xticklabels(COUNTS)
    axes.set_ylim(bottom=0)
    axes.legend(loc="lower left", fontsize=8)


def draw_clustering(axes, rows):
    """A line a matrix: the network drawn from it, and its nulls."""
    for (key, label), marker, color in zip(NETWORKS.items(), "oDs^", (plots.RED, plots.INK, plots.BLUE, plots.GREY),
                                           strict=True):
        places = [k for k, row in enumerate(rows) if key in row]
        low, middle, high = ([rows[k][key + end] for k in places] for end in ("_low", "", "_high"))
        heights = np.array(places) + 0.15 * (list(NETWORKS).index(key) - 1.5)
        axes.hlines(heights, low, high, color=color, lw=4, alpha=0.3, capstyle="round")
        axes.plot(middle, heights, marker, color=color, ms=6, label=label)
    axes.set(title="clustering", xlabel="mean over the nodes", yticks=range(len(rows)), ylim=(len(rows) + 0.4, -0.6))
    axes.set_yticklabels([row["matrix"].replace(" ", "\n", 1) for row in rows])
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(left=0)
    axes.locator_params("x", nbins=5, steps=[1, 2, 5, 10])
    axes.legend(loc="lower right", fontsize=8)


# ---- the script -------------------------------------------------------------------------------------------

def main():
    check_constants()
    seed_matrix, seeds = np.reshape(SEED_MATRIX, (2, 2)) / max(SEED_MATRIX), range(SEED, SEED + RUNS)
    small, large = (histogram_of(seed_matrix, order) for order in (ORDER, LARGE_ORDER))
    powers = {fractal_name(order): fractal_row(seed_matrix, order, small, large)
              for order in (ORDER, LARGE_ORDER, NETWORK_ORDER)}
    chances = graphs.probabilities(fractals.power(seed_matrix, NETWORK_ORDER))
    draws = [clustering(graphs.sample(chances, rng), rng)[1] for rng in (stream(seed, 1) for seed in seeds)]
    powers[fractal_name(NETWORK_ORDER)] |= spread(draws)

    rows, logs, shown = [], {}, []
    for name in dict.fromkeys(DATASETS):
        dataset = datasets.load(name, limit=IMAGES, seed=SEED)
        if str(HIDDEN_UNITS) not in ("inputs", str(dataset.inputs.shape[1])):
            raise ValueError(f"HIDDEN_UNITS is {HIDDEN_UNITS}, but {name} has {dataset.inputs.shape[1]} inputs and the "
                             "gradient must be square: set it to inputs")
        measured, first = measure_runs(dataset, seeds, small, large, INIT, LEARNING_RATE, STEPS)
        rows.append(gradient_row(name, measured, RUNS - len(measured)))
        logs[name] = [values for _, _, values in measured]
        shown.append(first)
    degenerate = ", ".join(f"{row['degenerate_runs']} on {name}" for name, row in zip(logs, rows, strict=True))
    rows += powers.values()

    caption = (f"Tanh nets with as many hidden units as inputs, squared loss, init {INIT}, at most {IMAGES:,} items; "
               f"gradients of single-sample step {STEPS:,} at\nlearning rate {LEARNING_RATE:g}, seeds {seeds[0]} to "
               f"{seeds[-1]}; of {RUNS} runs left out as zero or not finite: {degenerate}. Fractals: powers of "
               f"{' '.join(map(str, SEED_MATRIX))}.\nMagnitudes over the largest, zeros left out. Dots are medians, "
               f"bars the middle 90 % of n = {RUNS} runs, or of as many networks drawn from the fractal.")
    histograms = {fractal_name(ORDER): small, fractal_name(LARGE_ORDER): large}
    fractal = graphs.probabilities(fractals.power(seed_matrix, PICTURE_ORDER))
    return rows, picture(rows, fractal, shown[0], logs, histograms, finding(rows), caption)


def stream(seed, child):
    """Random numbers for the networks of one run: child 0 of the gradient, 1 of the fractal."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(2, child)))


def fractal_name(order):
    return f"fractal, order {order}"


def check_constants():
    experiment.check_several(SEED_MATRIX=SEED_MATRIX, DATASETS=DATASETS)
    experiment.check_positive(IMAGES=IMAGES, STEPS=STEPS, RUNS=RUNS)
    if not (isinstance(SEED, int) and SEED >= 0):
        raise ValueError(f"SEED is {SEED!r}: expected a whole number, 0 or greater")
    if len(SEED_MATRIX) != 4:
        raise ValueError(f"SEED_MATRIX has {len(SEED_MATRIX)} numbers: expected 4, the rows of a 2 x 2 matrix")
    if not (np.isfinite(SEED_MATRIX).all() and min(SEED_MATRIX) >= 0):
        raise ValueError(f"SEED_MATRIX is {SEED_MATRIX}: expected finite numbers, none negative")
    if len(set(SEED_MATRIX) - {0}) == 1:
        raise ValueError(f"SEED_MATRIX is {SEED_MATRIX}: all its values but 0 are equal, so its powers have no "
                         "histogram: give it at least two")


if __name__ == "__main__":
    experiment.run(main)
