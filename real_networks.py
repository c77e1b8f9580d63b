"""Which real network does a gradient network resemble: a social one, a linguistic one, a worm's neurons?

Draws networks from the gradients of the essay's nets and profiles them beside real networks: clustering, mixing by
degree, rich club, communities, path length, spectral gap, core, and the information between the degrees at both ends of
a link. Sizes and degrees differ, so each measure is compared with that of random networks of the same degrees. Newman
and Park (2003) name two marks of social networks: nodes of alike degree are linked (assortative mixing), and nodes
cluster more than their degrees explain.

The essay forgets directions when it merges the layers. So gradient networks have a second null model, which keeps the
out-degrees of inputs and the in-degrees of hidden units, and is merged afterwards.

With --graph FILE a network of your own stands beside the others. FILE is a text file with a link a line: the names of
two nodes, and perhaps a weight, which is ignored.

Figure: clustering over null against assortativity less null, with the quadrant of both marks shaded; below, five
further measures by kind of network. A second figure has the core, the information between exact degrees, reciprocity
and the small-world index sigma.

Sources: the essay "Social Network Patterns in Neural Network Gradients" (2016), which names social, linguistic and
neural networks, and the README of its code, which points at Solé and Valverde (2004).

Takes 30 s on one core.
"""
from collections import Counter

import numpy as np

import essay
from gradnets import checks, datasets, experiment, networks, plots, streams, summaries
from gradnets.errors import UserError
from gradnets.progress import progress

GRAPH = ""                  # file with a network of your own, a link a line: source target
NETWORKS = ("all",)         # real networks, by name; repository: those of this repository; all: larger ones too
DATASET = "glyphs"          # data set of the nets at all learning rates and untrained, such as glyphs or mnist
CONTROLS = ("noise",)       # further data sets, at the learning rate 0.1 alone
LEARNING_RATES = (0.01, 0.1, 1.0)  # step lengths of SGD; the essay used 0.01, 0.1 and 1.0
STEPS = 500                 # number of single-sample training steps before the gradient is taken
RUNS = 12                   # number of training runs per setting, and of null networks per real network
NULLS = 3                   # number of null networks of each kind per gradient network
SEED = 0                    # seed of data, weights, samples, links and null networks
# ---- not flags
QUICK = {"runs": 4, "nulls": 1}
IMAGES = 10_000             # largest number of training images
CONTROL_RATE = 0.1          # learning rate of the nets on CONTROLS
FEWEST_LINKS, DENSEST = 75, 0.5  # of a network that is compared: links, and share of all pairs that are linked
FEWEST_NETWORKS = 4         # that distances need
LEAST, MOST = 0.1, 1000     # where ratios of 0 and infinity are drawn
LONG_AXIS = 3               # ratio of the ends of an axis that is logarithmic
GRADIENT, YOURS = "gradient", "yours"
NULL, DIRECTED, RANDOM = "null", "directed", "random"  # null models: same degrees, same in- and out-degrees, no degrees
SOCIAL = ("social", "collaboration")  # kinds that Newman and Park call social
NAMED = ("linguistic", "neural")      # kinds that the essay names
KINDS = {  # of real networks: color and marker
    "social": (plots.BLUE, "o"), "collaboration": (plots.SKY, "s"), "neural": (plots.PURPLE, "^"),
    "biological": (plots.GREEN, "D"), "technological": (plots.ORANGE, "v"), "information": (plots.INK, "P"),
    "linguistic": (plots.GREY, "X"), "schedule": (plots.GREY, "h"), YOURS: (plots.INK, "*"),
}


CLUSTERING, ASSORTATIVITY = "clustering_over_null", "assortativity_less_null"  # the two marks of social networks
COLUMNS = ("kind", CLUSTERING, ASSORTATIVITY, "sigma_random", "sigma_null", "nearest")
HEADINGS = {CLUSTERING: "clustering / null", ASSORTATIVITY: "assortativity − null", "sigma_null": "sigma, same degrees",
            "sigma_random": "sigma, random links", "nearest": "most like"}


def main(settings):
    check(settings)
    real = [datasets.load_network(name) for name in names_of_networks(settings.networks)]
    cases = cases_of_gradients(settings)
    loaded = {name: datasets.load(name, limit=IMAGES, seed=settings.seed) for name, *_ in cases}
    yours = [yours_of(settings, len(real))] if settings.graph else []
    rows = [row_of_network(network, settings.runs, streams.generator(settings.seed, streams.DATA, k))
            for k, network in enumerate(progress(real, len(real), "real networks"))]
    for network, row in yours:
        real, rows = [*real, network], [*rows, row]
    reference = [row for row in rows if row["compared"]]
    if len(reference) < FEWEST_NETWORKS:
        raise UserError(f"networks names {len(reference)} with {FEWEST_LINKS} links or more: expected at least "
                        f"{FEWEST_NETWORKS}, or all")
    data = [item.provenance for item in (*real, *loaded.values())]
    for row in rows:
        row |= likeness_of(row, [other for other in reference if other is not row])
    for name, label, rate, steps in cases:
        rows.append(row_of_gradients(loaded[name], label, rate, steps, settings, reference))
    finding, caption = finding_of(rows), caption_of(rows, settings)
    return experiment.Result(
        rows, names=("network",), columns=COLUMNS, headings=HEADINGS, printed=[printed(row) for row in rows],
        finding=finding, figure=picture(rows, finding, caption),
        figures={"_further": further_picture(rows, finding_on_small_worlds(rows), caption)}, data=data,
        suggestion="--graph FILE compares a network of yours")


# ---- which networks ---------------------------------------------------------------------------------------

def check(settings):
    checks.nonempty_tuples(networks=settings.networks, learning_rates=settings.learning_rates)
    checks.positive_integers(steps=settings.steps, runs=settings.runs, nulls=settings.nulls)
    for rate in settings.learning_rates:
        checks.training_schedule(settings.steps, rate, 1)


def names_of_networks(names):
    """Return the networks that are named, each once; all are those whose files are there."""
    groups = {"all": datasets.network_available, "repository": datasets.network_of_repository}
    for name in names:
        checks.choice("network", name, (*groups, *datasets.NETWORKS))
    chosen = [group for name, group in groups.items() if name in names]
    return list(dict.fromkeys([name for group in chosen for name in datasets.NETWORKS if group(name)]
                              + [name for name in names if name not in groups]))


def cases_of_gradients(settings):
    """Return (data set, label, learning rate, steps) of each setting; an untrained net's gradient is its first."""
    cases = [(settings.dataset, f"rate {rate:g}", rate, settings.steps) for rate in settings.learning_rates]
    cases += [(settings.dataset, "untrained", CONTROL_RATE, 1)]
    cases += [(name, f"rate {CONTROL_RATE:g}", CONTROL_RATE, settings.steps) for name in settings.controls]
    return list(dict.fromkeys(cases))


# ---- measurements -----------------------------------------------------------------------------------------

def beside(measure, null=NULL):
    """Return the column that holds a measure beside a null model, such as clustering_over_null."""
    return f"{measure.key}_{'over' if measure.is_ratio else 'less'}_{null}"


def measure_network(network, runs, rng):
    """Compare a real network with networks of the same degrees and with random links; one dict per null network."""
    adjacency = network.adjacency
    packed, observed = networks.pack(adjacency), networks.profile(adjacency, rng)
    if network.directed:
        observed |= direction_numbers(network.links)
    return [compare(observed, {NULL: networks.profile(networks.undirected_configuration(packed, rng), rng)},
                    small_world_numbers(networks.erdos_renyi(packed, rng))) for _ in range(runs)]


def measure_gradient(dataset, rate, steps, nulls, seed):
    """Compare one network drawn from a gradient with the means over null networks.

    Returns
    -------
    dict of float, or None if the gradient is degenerate or the network has fewer than FEWEST_LINKS links
    """
    inputs = dataset.inputs.shape[1]
    gradient, _ = essay.gradient(dataset, inputs, steps, rate, 1, seed)
    rng = streams.generator(seed, streams.LINKS)
    try:
        links = networks.sample(essay.sampling_probabilities(gradient, inputs), rng)
    except networks.DegenerateMatrix:
        return None
    merged = networks.merge_layers(links)
    if np.count_nonzero(merged) < 2 * FEWEST_LINKS:
        return None
    observed, packed = networks.profile(merged, rng) | direction_numbers(links), networks.pack(merged)
    null, directed, random = [], [], []
    for _ in range(nulls):
        null.append(networks.profile(networks.undirected_configuration(packed, rng), rng))
        drawn = networks.directed_configuration(links, rng)
        directed.append(networks.profile(networks.merge_layers(drawn), rng) | direction_numbers(drawn))
        random.append(small_world_numbers(networks.erdos_renyi(packed, rng)))
    null, directed, random = (networks.mean_profile(profiles) for profiles in (null, directed, random))
    return compare(observed, {NULL: null, DIRECTED: directed}, random) | {
        "reciprocity_of_directed": directed["reciprocity"],
        **{f"{beside(measure)}_of_directed": measure.compare(directed, null) for measure in networks.MEASURES}}


def compare(observed, nulls, random):
    """Return the numbers of a network, what they are beside null models, and the sigmas.

    observed, random : dict; nulls : dict of dict by null model
    """
    row = dict(observed)
    for name, null in nulls.items():
        row |= {beside(measure, name): measure.compare(observed, null) for measure in networks.MEASURES}
        for key in ("information", "binned_information"):
            row |= {f"{key}_of_{name}": null[key], f"{key}_over_{name}": networks.comparison.ratio(observed[key],
                                                                                                    null[key])}
        row[f"sigma_{name}"] = networks.small_world(observed, null)
    return row | {f"sigma_{RANDOM}": networks.small_world(observed, random)}


def direction_numbers(links):
    """Return the reciprocity, and the correlation of a node's out-degree with its in-degree."""
    return {"reciprocity": networks.reciprocity(links),
            "in_and_out": float(np.corrcoef(links.sum(axis=1), links.sum(axis=0))[0, 1])}


def small_world_numbers(adjacency):
    """Return what sigma needs of a network of random links."""
    stats = networks.measure(adjacency)
    return {"clustering": stats.average_clustering, "path_length": stats.average_path_length}


# ---- rows -------------------------------------------------------------------------------------------------

def row_of_network(network, runs, rng):
    """Return the row of a real network: medians and 90 % intervals over null networks."""
    row = {"network": network.words, "kind": network.kind, "runs": runs}
    row |= intervals(measure_network(network, runs, rng))
    density = row["links"] / (row["nodes"] * (row["nodes"] - 1) / 2)
    return row | {"compared": network.kind != YOURS and row["links"] >= FEWEST_LINKS and density <= DENSEST,
                  "social": int(is_social(row))}


def yours_of(settings, place):
    """Return the network of --graph and its row; place : int, of the network among all real ones."""
    network = datasets.read_network(settings.graph)
    try:
        return network, row_of_network(network, settings.runs, streams.generator(settings.seed, streams.DATA, place))
    except UserError as error:
        raise UserError(f"{settings.graph}: {error}") from None


def row_of_gradients(dataset, label, rate, steps, settings, reference):
    """Return the row of one setting: medians and 90 % intervals over training runs.

    reference : list of dict, the rows of the real networks that it is compared with
    """
    seeds = range(settings.seed, settings.seed + settings.runs)
    runs = [measure_gradient(dataset, rate, steps, settings.nulls, seed)
            for seed in progress(seeds, len(seeds), f"{dataset.name}, {label}")]
    measured = [run for run in runs if run is not None]
    row = {"network": f"{dataset.name}, {label}", "kind": GRADIENT, "data": dataset.name, "setting": label,
           "runs": len(runs), "degenerate": len(runs) - len(measured), "compared": False}
    if not measured:
        return row
    nearest = []
    for run in measured:
        own, null = likeness_of(run, reference), likeness_of(run, reference, "_of_directed")
        nearest.append(own.pop("nearest"))
        run |= own | {f"{key}_of_directed": null[key] for key in own}
    (name, count), = Counter(nearest).most_common(1)
    return row | intervals(measured) | {
        "social": sum(map(is_social, measured)),
        "social_of_directed": sum(is_social(run, "_of_directed") for run in measured),
        "nearest": name, "nearest_count": count, "outside": ", ".join(outside(row | intervals(measured), reference))}


def intervals(measurements):
    """Return the median and the middle 90 % of each number of several measurements."""
    return summaries.median_intervals(**{key: [numbers[key] for numbers in measurements] for key in measurements[0]})


def is_social(row, end=""):
    """Return whether a network shows both marks of social networks; end: "_of_directed" asks for its null network."""
    return row[CLUSTERING + end] > 1 and row[ASSORTATIVITY + end] > 0


def likeness_of(row, reference, end=""):
    """Return the nearest of the reference networks, its distance, and the distance to the nearest of NAMED kinds."""
    keys = [beside(measure) for measure in networks.MEASURES]
    distances, = networks.profile_distances([[row[key + end] for key in keys]],
                                            [[other[key] for key in keys] for other in reference])
    likeness = {"nearest": reference[distances.argmin()]["network"], "distance": float(distances.min())}
    named = [distance for distance, other in zip(distances, reference, strict=True) if other["kind"] in NAMED]
    return likeness | ({"distance_named": float(min(named))} if named else {})


def outside(row, reference):
    """Return the measures whose median is outside the range of the reference networks."""
    ranges = {measure: [other[beside(measure)] for other in reference] for measure in networks.MEASURES}
    return [measure.key for measure, values in ranges.items() if not min(values) <= row[beside(measure)] <= max(values)]


def printed(row):
    """Return the row as it is printed, real networks without their narrow intervals."""
    return row if row["kind"] == GRADIENT else {key: row[key] for key in ("network", *COLUMNS) if key in row}


# ---- findings ---------------------------------------------------------------------------------------------

def of_kind(rows, *kinds):
    """Return the rows of these kinds that have numbers."""
    return [row for row in rows if row["kind"] in kinds and CLUSTERING in row]


def networks_measured(rows):
    """Return the number of gradient networks in all rows."""
    return sum(row["runs"] - row["degenerate"] for row in of_kind(rows, GRADIENT))


def finding_of(rows):
    """State how many gradient networks show both marks of social networks, or whether the user's network does.

    A network of fewer than FEWEST_LINKS links is too small to judge.
    """
    for row in of_kind(rows, YOURS):
        name = row["network"] if len(row["network"]) <= 25 else row["network"][:22] + "..."
        if row["links"] < FEWEST_LINKS:
            return f"{name} has {row['links']:.0f} links, too few to judge it: expected {FEWEST_LINKS} or more"
        shows = "shows" if row["social"] else "does not show"
        return f"{name} {shows} both marks of a social network; most like {row['nearest']}"
    total = networks_measured(rows)
    if not total:
        return "No gradient network could be measured"
    social = sum(row["social"] for row in of_kind(rows, GRADIENT))
    return f"{social} of {total} gradient networks show both marks of a social network"


def finding_on_small_worlds(rows):
    """State whether gradient networks are small worlds beside random links, and beside the same degrees."""
    gradients = of_kind(rows, GRADIENT)
    if not gradients:
        return "No gradient network could be measured"
    random, null = ([row[f"sigma_{name}_low"] > 1 for row in gradients] for name in (RANDOM, NULL))
    if not all(random):
        return f"Beside random links, {sum(random)} of {len(random)} gradient settings are small worlds"
    if not any(null):
        return "Gradient networks are small worlds beside random links, not beside the same degrees"
    return f"Beside the same degrees, {sum(null)} of {len(null)} gradient settings are small worlds"


def caption_of(rows, settings):
    real = [row for row in rows if row["kind"] not in (GRADIENT, YOURS)]
    left_out = sum(not row["compared"] for row in real)
    note = f"; {left_out} too small or too dense are not drawn" * (left_out > 0)
    gradients = [row for row in rows if row["kind"] == GRADIENT]
    lost, runs = (sum(row[key] for row in gradients) for key in ("degenerate", "runs"))
    moved = f" Ratios of 0 are drawn at {LEAST:g}." if drawn(rows) != drawn(on_axes(rows)) else ""
    return (f"{len(real) - left_out} real networks, each beside {settings.runs} null networks of the same degrees"
            f"{note}. Gradients: medians and middle 90 % of n = {settings.runs} runs a setting,\n"
            f"{plots.counted(settings.nulls, 'null network')} of each kind per run; {lost} of {runs} runs have no "
            f"network. Open squares: beside the same in- and out-degrees.{moved}")


# ---- figures ----------------------------------------------------------------------------------------------

def on_axes(rows):
    """Return rows whose ratios have a place on a logarithmic axis: 0 is drawn at LEAST, infinity at MOST."""
    return [{key: min(max(value, LEAST), MOST) if ("_over_" in key or key.startswith("sigma")) and value in (0, np.inf)
             else value for key, value in row.items()} for row in rows]


def drawn(rows):
    """Return the rows of real networks that figures show: those that are compared, and the user's."""
    return [row for row in rows if row["compared"] or row["kind"] == YOURS]


@plots.styled
def picture(rows, title, caption):
    """Draw the two marks of social networks in a plane, and five further measures below."""
    rows, shown = on_axes(rows), networks.MEASURES[2:6] + networks.MEASURES[7:]
    figure, panels = plots.figure([["plane"] * len(shown), [measure.key for measure in shown]], 12, 11, title, caption,
                                  height_ratios=(1.3, 1))
    draw_strips([panels[measure.key] for measure in shown], rows,
                [(beside(measure), beside(measure, DIRECTED), measure.words, measure.is_ratio) for measure in shown])
    draw_plane(panels["plane"], rows)
    return figure


@plots.styled
def further_picture(rows, title, caption):
    """Draw sigma beside both null models, the information between exact degrees, the core and the reciprocity."""
    rows, core = on_axes(rows), networks.MEASURES[6]
    strips = [("sigma_random", None, "sigma, random links", True),
              ("sigma_null", "sigma_directed", "sigma, same degrees", True),
              ("information_over_null", "information_over_directed", "exact information / null", True),
              (beside(core), beside(core, DIRECTED), core.words, False),
              ("reciprocity", "reciprocity_of_directed", "reciprocity", None)]
    figure, panels = plots.figure([[key for key, *_ in strips]], 12, 5.8, title, caption)
    draw_strips(list(panels.values()), rows, strips)
    return figure


def draw_plane(axes, rows):
    """Draw clustering over null against assortativity less null, the quadrant of both marks shaded."""
    gradients, places, crosses = of_kind(rows, GRADIENT), [], []
    for row in gradients:
        crosses += draw_cross(axes, row, CLUSTERING, ASSORTATIVITY, marker="o")
        places.append((row[CLUSTERING], row[ASSORTATIVITY], row["network"], plots.RED))
    directed = [beside(measure, DIRECTED) for measure in networks.MEASURES[:2]]
    for row in gradients:
        crosses += draw_cross(axes, row, *directed, marker="s", mfc="white")
    for row in drawn(rows):
        color, marker = KINDS[row["kind"]]
        axes.plot(row[CLUSTERING], row[ASSORTATIVITY], marker, color=color, ms=13 if row["kind"] == YOURS else 7,
                  mec="white", mew=0.6, zorder=3)
        places.append((row[CLUSTERING], row[ASSORTATIVITY], row["network"], color))
    axes.set(xscale="log", title="the two marks of social networks", xlabel="clustering / that of the same degrees",
             ylabel="assortativity − that of the same degrees")
    axes.margins(0.06, 0.08)
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    axes.set(xlim=(min(left, 0.8), max(right, 1.25)), ylim=(min(bottom, -0.1), max(top, 0.1)))
    axes.axhline(0, color=plots.GREY, lw=0.8, zorder=0)
    axes.axvline(1, color=plots.GREY, lw=0.8, zorder=0)
    axes.fill_between([1, axes.get_xlim()[1]], 0, axes.get_ylim()[1], color=plots.SKY, alpha=0.15, lw=0, zorder=0)
    social = [row["social"] for row in rows if row["compared"] and row["kind"] in SOCIAL]
    others = [row["social"] for row in rows if row["compared"] and row["kind"] not in SOCIAL]
    axes.annotate(f"both marks: {sum(social)} of {len(social)} social and collaboration networks,\n"
                  f"{sum(others)} of {len(others)} other networks, "
                  f"{sum(row['social'] for row in gradients)} of {networks_measured(rows)} gradient networks",
                  (1, axes.get_ylim()[1]), xytext=(8, -6), textcoords="offset points", va="top", fontsize=9,
                  color=plots.text_color(plots.BLUE))
    axes.text(0.01, 0.98, "red: gradients\nopen squares: beside the\nsame in- and out-degrees", va="top",
              transform=axes.transAxes, fontsize=9, color=plots.text_color(plots.RED))
    plots.plain_ticks(axes)
    axes.minorticks_off()
    lines = [(1, y) for y in np.linspace(*axes.get_ylim(), 60)] + [(x, 0) for x in np.geomspace(*axes.get_xlim(), 120)]
    plots.label_points(axes, places[::-1], crosses + lines)  # among real networks there is less room


def draw_cross(axes, row, x, y, **marker):
    """Draw the medians of two numbers, and their intervals as a cross; return points along it."""
    across = [(value, row[y]) for value in np.linspace(row[x + "_low"], row[x + "_high"], 20)]
    along = [(row[x], value) for value in np.linspace(row[y + "_low"], row[y + "_high"], 20)]
    for line in (across, along):
        axes.plot(*zip(*line, strict=True), color=plots.RED, lw=2, alpha=0.3)
    axes.plot(row[x], row[y], **{"color": plots.RED, "ms": 7, "zorder": 4} | marker)
    return across + along


def draw_strips(panels, rows, strips):
    """Draw numbers side by side, a line for each kind of real network and for each setting of gradients.

    Parameters
    ----------
    panels : list of Axes
    strips : list of (column, column against the same in- and out-degrees or None, words, is_ratio)
        is_ratio is True for an axis around 1, logarithmic if long; False for an axis around 0; None for an axis from 0.
    """
    real, gradients = drawn(rows), of_kind(rows, GRADIENT)
    kinds = [kind for kind in KINDS if any(row["kind"] == kind for row in real)]
    for axes, (key, directed, words, is_ratio) in zip(panels, strips, strict=True):
        for height, kind in enumerate(kinds):
            color, marker = KINDS[kind]
            values = [row[key] for row in real if row["kind"] == kind and np.isfinite(row.get(key, np.nan))]
            axes.plot(values, [height] * len(values), marker, color=color, ms=7, alpha=0.75, mec="white", mew=0.5)
        for height, row in enumerate(gradients, start=len(kinds)):
            axes.plot([row[key + "_low"], row[key + "_high"]], [height] * 2, color=plots.RED, lw=4, alpha=0.3)
            axes.plot(row[key], height, "o", color=plots.RED, ms=6)
            if directed:
                axes.plot(row[directed], height, "s", color=plots.RED, mfc="white", ms=5)
        if is_ratio is not None:
            axes.axvline(1 if is_ratio else 0, color=plots.GREY, lw=0.8, zorder=0)
        lines = len(kinds) + len(gradients)
        axes.set(title=words, ylim=(lines - 0.5, -0.5), yticks=range(lines),
                 yticklabels=kinds + [row["network"] for row in gradients] if axes is panels[0] else [])
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="y", color=plots.PALE, lw=0.6)
        axes.set_axisbelow(True)
        axes.margins(x=0.1)
        low, high = axes.dataLim.intervalx
        if is_ratio and high > LONG_AXIS * low:
            axes.set(xscale="log", xlim=(min(low, 1) / 1.4, max(high, 1) * 1.4))
            plots.plain_ticks(axes)
            axes.minorticks_off()
        else:
            axes.locator_params("x", nbins=4)
    colors = [KINDS[kind][0] for kind in kinds] + [plots.RED] * len(gradients)
    for text, color in zip(panels[0].get_yticklabels(), colors, strict=True):
        text.set_color(plots.text_color(color))


if __name__ == "__main__":
    experiment.run(main)
