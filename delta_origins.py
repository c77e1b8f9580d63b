"""Where do the unequal deltas of a gradient come from, and what do they decide?

The delta of a hidden unit is a product: the error that comes back through the output weights, times the unit's gate,
the slope of its activation. Together with the pixels these two factors decide the network of a gradient. For nets of
several scales, rates, data sets and activations, this script passes single samples through the net, and asks:

- Do the two factors act independently? One of them is permuted among the units, and the clustering compared.
- What does each factor carry? Shapley shares of the skew of the deltas, and of the logarithm of clustering / density.
- Can the clustering be known without the gradient? A law of deltas has no free parameter: it takes the pixels, the
  scale of the weights and the sample's output deltas; or it draws these too, and takes pixels and scale alone. An
  integral over the law gives the clustering. The law is one of untrained nets: training breaks it, and of single
  samples it knows the median only.

Figure: above, clustering against the scale of the weights, drawn and by the law; deltas and their law; single samples
and the law's number for each. Below, the shares of the factors, and the clustering after training, with permuted gates
and by the law.

Beyond the source: the essay "Social Network Patterns in Neural Network Gradients" (2016) holds that "this whole thing
boils down to the histogram of cached deltas". The net is the essay's, 784-784-10.

Takes 30 s, with CIFAR-10 45 s.
"""
import itertools
from typing import NamedTuple

import numpy as np
import scipy

import essay
import mlp
from gradnets import checks, datasets, experiment, networks, plots, summaries
from gradnets.errors import UserError
from gradnets.networks import rank_one_law
from gradnets.progress import progress

DATASETS = ("glyphs", "noise")  # data sets; scales, rates and activations are varied on the first
SCALES = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0)  # scales of the weights, which are uniform in ±scale; untrained nets
LEARNING_RATES = (0.01, 0.1, 1.0)  # step lengths of nets that are trained, from the scale 0.25
ACTIVATIONS = ("tanh", "relu", "leaky")  # activations; tanh, relu or leaky(slope)
IMAGES = 5000               # largest number of training images, from the first on
STEPS = 500                 # number of single-sample steps before a trained net is frozen
RUNS = 16                   # number of nets for each case, with seeds starting at SEED
SAMPLES = 4                 # number of samples that pass through each net
SEED = 0                    # seed of data, weights, samples and draws
# ---- not flags
ESSAY_SCALE = 0.25
ESSAY_CLUSTERING = {0.01: 0.259, 0.1: 0.279, 1.0: 0.08}  # by learning rate, on MNIST
TOLERANCE = 0.015      # distance of medians at which the law counts as right
FEWEST = 40            # gradients for each scale that a verdict on the law needs
LAW_DRAWS = 20_000     # from the law of deltas, behind each integral
PERMUTATIONS = 5       # of the gates of one gradient
TINY = np.finfo(float).tiny
SMALLEST_SCALE = 1e-100  # that initial weights have, and the largest is one over it
FACTORS = {"pixels": "pixels", "back": "back-projection", "gate": "gate"}
LAWS = {"law": "law, from pixels and output deltas", "law_of_pixels": "law, from pixels alone",
        "law_of_even_errors": "law, if all outputs erred alike"}
LINES = (("law", plots.BLUE, "-"), ("law_of_pixels", plots.GREEN, "--"), ("law_of_even_errors", plots.GREY, ":"))
COLUMNS = ("clustering", "law", "permuted_change", *(f"share_{factor}" for factor in FACTORS))
HEADINGS = {"law": "by the law", "permuted_change": "if permuted", "share_pixels": "share: pixels",
            "share_back": "back-projection", "share_gate": "gate"}
QUICK = {"runs": 3}


class Case(NamedTuple):
    """A kind of net: a learning rate of 0 stands for an untrained net."""

    data: str
    activation: str
    rate: float
    scale: float


def main(settings):
    check(settings)
    rows, measurements = [], {}
    kinds = cases(settings)
    loaded = {data: datasets.load(data, limit=settings.images, seed=settings.seed) for data in settings.datasets}
    for data, dataset in loaded.items():
        for case in (case for case in kinds if case.data == data):
            net = label(case, kinds[0])
            measurements[net], lost = measure(case, net, dataset, settings)
            rows.append(summary(case, net, measurements[net], lost, settings.runs))
    if not any("clustering" in row for row in rows):
        raise networks.DegenerateMatrix("no gradient has a network with triangles: take more --samples, or other "
                                        "--datasets")
    finding = finding_of(rows)
    figure = picture(rows, measurements, finding, caption(rows, settings))
    return experiment.Result(rows, names=("net",), columns=COLUMNS, headings=HEADINGS, finding=finding, figure=figure,
                             files={".npz": arrays(measurements)},
                             data=[dataset.provenance for dataset in loaded.values()],
                             suggestion="--datasets mnist noise cifar10 compares images")


def check(settings):
    """Raise UserError for settings that no net can have, before any net is measured."""
    checks.nonempty_tuples(datasets=settings.datasets, scales=settings.scales, activations=settings.activations)
    checks.distinct(datasets=settings.datasets, activations=settings.activations)
    checks.positive_integers(images=settings.images, steps=settings.steps, runs=settings.runs,
                             samples=settings.samples)
    for scale in settings.scales:
        if not SMALLEST_SCALE < scale < 1 / SMALLEST_SCALE:
            raise UserError(f"scales: got {scale!r}, expected positive numbers of ordinary size, such as {ESSAY_SCALE}")
    for activation in settings.activations:
        mlp.MLP((1, 1), activation=activation)
    for rate in settings.learning_rates:
        checks.training_schedule(settings.steps, rate, 1)


def cases(settings):
    """Return what is looked at: scales, rates and activations on the first data set, then the other data sets."""
    first, *others = settings.datasets
    activation, *activations = settings.activations
    return list(dict.fromkeys([
        Case(first, activation, 0.0, ESSAY_SCALE),
        *(Case(first, activation, float(rate), ESSAY_SCALE) for rate in settings.learning_rates),
        *(Case(first, other, 0.0, ESSAY_SCALE) for other in activations),
        *(Case(data, activation, 0.0, ESSAY_SCALE) for data in others),
        *(Case(first, activation, 0.0, float(scale)) for scale in sorted(settings.scales))]))


def label(case, first):
    """Return the name of a case: in what it differs from the first case, an untrained net of the essay's scale."""
    differences = (case.activation if case.activation != first.activation else "",
                   f"rate {case.rate:.9g}" if case.rate else "",
                   f"scale {case.scale:.9g}" if case.scale != first.scale else "")
    return f"{case.data}, {' '.join(filter(None, differences)) or 'untrained'}"


# ---- measurements -----------------------------------------------------------------------------------------

def measure(case, net, dataset, settings):
    """Measure gradients of single samples in nets of one kind.

    Returns
    -------
    measured : list of dict
        One for each gradient, as `describe` and `by_the_law` return it, with the seed of its net.
    lost : int
        Number of gradients that are zero or not finite, or whose network has no triangle.
    """
    measured, lost = [], 0
    for seed in progress(range(settings.seed, settings.seed + settings.runs), settings.runs, net):
        network = essay.network(dataset, dataset.inputs.shape[1], seed, init=f"uniform({case.scale})",
                                activation=case.activation)
        if case.rate:
            for _ in essay.train(network, dataset, settings.steps, case.rate, batch_size=1, seed=seed):
                pass
        samples, draws = np.random.default_rng((seed, 5)).spawn(2)
        for item in samples.integers(len(dataset.labels), size=settings.samples):
            with np.errstate(all="ignore"):  # of a net that diverged
                factors, output_deltas = factors_of(network, dataset.inputs[[item]], dataset.labels[[item]])
                deltas = factors["back"] * factors["gate"]
            if not (np.isfinite(deltas).all() and deltas.max() > TINY and expected_clustering(**factors) > 0):
                lost += 1
                continue
            numbers = describe(factors, draws)
            if network.activation == "tanh":
                numbers |= by_the_law(factors["pixels"], output_deltas, case.scale, draws)
            measured.append({"seed": seed} | numbers)
    return measured, lost


def factors_of(network, inputs, label):
    """Return the three factors of one sample's gradient, float64 (n,) each, and its output deltas.

    |Gradient of the weight from input i to hidden unit j| = pixels[i] back[j] gate[j].
    """
    activations = network.forward(inputs)
    output_deltas = network.backward(activations, label)[-1][0]
    _, derivative = mlp.ACTIVATIONS[network.activation]
    return {"pixels": np.abs(inputs[0]), "back": np.abs(network.weights[-1] @ output_deltas),
            "gate": derivative(activations[1][0], network.slope)}, output_deltas


def sampling_factors(pixels, back, gate):
    """Return row and column, whose outer product is the essay's sampling probabilities: the bias is an input of 1."""
    deltas = back * gate
    return pixels / max(pixels.max(), 1.0), deltas / deltas.max()


def expected_clustering(pixels, back, gate):
    return networks.expected_clustering(*sampling_factors(pixels, back, gate))


def excess(pixels, back, gate):
    """Return log(clustering / density), both expected: 0 for links that are equally likely everywhere."""
    row, column = sampling_factors(pixels, back, gate)
    density = networks.expected_degrees(row, column).mean() / (len(row) - 1)
    return float(np.log(networks.expected_clustering(row, column) / density))


def skew(back, gate):
    """Return the skew of deltas, 0 if all are equal."""
    return float(np.nan_to_num(summaries.moments(back * gate)[0]))


def describe(factors, rng):
    """Measure one gradient.

    Returns
    -------
    dict
        clustering, of a drawn network; expected, in closed form from the factors; permuted, the same for permuted
        gates; their change; the share of each factor in the clustering beyond density; the skew of the deltas, and the
        part of it that each factor carries; row and column, the factors of the sampling probabilities.
    """
    row, column = sampling_factors(**factors)
    drawn = networks.pack_merged(networks.sample(np.outer(row, column), rng))
    expected = networks.expected_clustering(row, column)
    permuted = np.mean([expected_clustering(factors["pixels"], factors["back"], rng.permutation(factors["gate"]))
                        for _ in range(PERMUTATIONS)])
    deltas = {"back": factors["back"], "gate": factors["gate"]}
    numbers = {"clustering": networks.average_clustering(drawn), "expected": expected, "permuted": permuted,
               "permuted_change": permuted - expected, "skew": skew(**deltas), "row": row, "column": column}
    parts = summaries.shapley_values(excess, factors)
    total = sum(parts.values()) or np.nan  # of links that are equally likely everywhere there are no shares
    numbers |= {f"share_{factor}": part / total for factor, part in parts.items()}
    numbers["share_deltas"] = numbers["share_back"] + numbers["share_gate"]
    return numbers | {f"skew_{factor}": part for factor, part in summaries.shapley_values(skew, deltas).items()}


def by_the_law(pixels, output_deltas, scale, rng):
    """Return the clustering that the law of deltas gives for one sample: laws by what they know.

    law: the sample's pixels and output deltas; law_of_pixels: its pixels alone; law_of_even_errors: its pixels, and
    that all outputs have the same error, which makes back-projected errors nearly normal. law_deltas: draws of `law`,
    one for each hidden unit, over the largest.
    """
    row = pixels / max(pixels.max(), 1.0)
    deviation = rank_one_law.deviation(pixels, scale)
    errors = {"law": output_deltas, "law_of_even_errors": np.ones_like(output_deltas),
              "law_of_pixels": rank_one_law.draw_output_deltas(deviation, scale, len(pixels), len(output_deltas), rng)}
    numbers = {}
    for law, error in errors.items():
        deltas = rank_one_law.draw_deltas(error, scale, deviation, LAW_DRAWS, rng)
        numbers[law] = rank_one_law.predict(row, deltas).clustering if deltas.any() else 0.0
    deltas = rank_one_law.draw_deltas(output_deltas, scale, deviation, len(pixels), rng)
    return numbers | {"law_deltas": deltas / deltas.max()}


def shares_of_spread(measured):
    """Return the share of the spread of log clustering among nets that the deltas decide: one for each sample of a net.

    Every net's pixels are combined with every net's deltas. Of the variance of the table, the deltas decide that of the
    means of its columns.
    """
    by_net = {}
    for numbers in measured:
        by_net.setdefault(numbers["seed"], []).append(numbers)
    shares = []
    for gradients in itertools.zip_longest(*by_net.values()):  # the first sample of every net, then the second
        gradients = [numbers for numbers in gradients if numbers is not None]
        table = [[networks.expected_clustering(pixels["row"], deltas["column"]) for deltas in gradients]
                 for pixels in gradients]
        table = np.log(np.maximum(table, TINY))
        if table.var() > 0:
            shares.append(table.mean(axis=0).var() / table.var())
    return shares


# ---- rows, finding, figure --------------------------------------------------------------------------------

def summary(case, net, measured, lost, runs):
    """Return the row of one case: medians and the middle 90 % over its gradients."""
    row = {"net": net, "data": case.data, "activation": case.activation, "rate": case.rate, "scale": case.scale,
           "runs": runs, "gradients": len(measured), "lost": lost}
    if not measured:
        return row
    row |= summaries.median_intervals(**{key: [numbers[key] for numbers in measured] for key in measured[0]
                                         if np.ndim(measured[0][key]) == 0 and key != "seed"})
    shares = shares_of_spread(measured)
    if shares:
        row |= summaries.median_intervals(spread_by_deltas=shares)
    clustering, law, skews = ([numbers.get(key) for numbers in measured] for key in ("clustering", "law", "skew"))
    row["skew_rank_correlation"] = correlation(*map(scipy.stats.rankdata, (skews, clustering)))
    return row | ({"law_correlation": correlation(law, clustering)} if "law" in row else {})


def correlation(first, second):
    """Return the correlation of two samples, NaN if one of them is constant."""
    return float(np.corrcoef(first, second)[0, 1]) if np.ptp(first) and np.ptp(second) else float("nan")


def scale_rows(rows):
    """Return the rows of untrained nets of the first kind, by scale."""
    kind = ("data", "activation")
    first = [row for row in rows if all(row[key] == rows[0][key] for key in kind) and not row["rate"]]
    return sorted((row for row in first if "law" in row), key=lambda row: row["scale"])


def rate_rows(rows):
    """Return the rows of the first kind of net at the essay's scale, untrained and trained, by rate."""
    kind = ("data", "activation", "scale")
    return sorted((row for row in rows if all(row[key] == rows[0][key] for key in kind) and "clustering" in row),
                  key=lambda row: row["rate"])


def case_rows(rows):
    """Return the rows whose shares are drawn: all at the essay's scale."""
    return [row for row in rows if row["scale"] == ESSAY_SCALE and "clustering" in row]


def finding_of(rows):
    """State how close both laws come at the worst scale, and what carries the excess of the first untrained case.

    The excess is log(clustering / density).
    """
    gaps = [abs(row[law] - row["clustering"]) for row in scale_rows(rows) for law in ("law", "law_of_pixels")]
    first = min((row for row in rows if "clustering" in row), key=lambda row: row["rate"] > 0)
    most = max(FACTORS, key=lambda factor: first[f"share_{factor}"])
    names = {"pixels": "pixels carry", "back": "back-projection has", "gate": "the gate carries"}
    share = f"{names[most]} {100 * first[f'share_{most}']:.0f} %"
    if not gaps:
        return f"On {first['data']}, {share} of log(clustering / density)"
    if min(row["gradients"] for row in scale_rows(rows)) < FEWEST:
        return f"Too few gradients to judge the law, off by {max(gaps):.3f}; {share} of the excess"
    hit = "gives the clustering to" if max(gaps) <= TOLERANCE else "misses the clustering by"
    return f"Untrained: a law {hit} {max(gaps):.3f}; {share} of its excess"


def caption(rows, settings):
    first, lost = rows[0], sum(row["lost"] for row in rows)
    measured = [row["gradients"] for row in rows if row["gradients"]]
    least, most = min(measured), max(measured)
    n = f"{least} to {most}" if least < most else most
    total = settings.runs * settings.samples * len(rows)
    return (f"Square nets with one hidden layer, weights uniform in ±{ESSAY_SCALE:g} unless a scale is named; trained "
            f"ones take {settings.steps} single-sample steps. Scales, rates: {first['data']}, {first['activation']}.\n"
            f"Dots, bars: medians over n = {n} gradients, {settings.samples} samples in each of {settings.runs} nets; "
            f"bands, thin lines: the middle 90 %. {lost} of all {total} gradients have no network.")


def arrays(measurements):
    """Return the deltas of each kind of net over the largest, and draws from their law, float64 (gradients, n)."""
    return {f"{net}: {key}": np.stack([numbers[key] for numbers in measured]) for net, measured in measurements.items()
            for key in ("column", "law_deltas") if measured and key in measured[0]}


@plots.styled
def picture(rows, measurements, title, caption):
    figure, panels = plots.figure([["scales", "tails", "samples"], ["shares", "skew", "rates"]], 13, 8.4, title,
                                  caption)
    draw_scales(panels["scales"], scale_rows(rows))
    draw_deltas(panels["tails"], scale_rows(rows), measurements)
    draw_samples(panels["samples"], rate_rows(rows), measurements)
    chosen = case_rows(rows)
    draw_bars(panels["shares"], chosen, {f"share_{factor}": name for factor, name in FACTORS.items()}, 100)
    panels["shares"].set(title="what carries the clustering", xlabel="percent of log(clustering / density)")
    draw_bars(panels["skew"], chosen, {f"skew_{factor}": FACTORS[factor] for factor in ("back", "gate")}, 1)
    panels["skew"].set(title="what carries the skew of the deltas", xlabel="skew", yticklabels=[])
    draw_rates(panels["rates"], rate_rows(rows))
    return figure


def draw_scales(axes, rows):
    """Draw clustering against the scale of the weights, and the lines of the laws."""
    scales = [row["scale"] for row in rows]
    if rows:
        plots.draw_band(axes, scales, rows, "clustering", plots.RED, "drawn networks", ls="none", ms=7)
    axes.set(xscale="log", title="clustering of untrained nets", xlabel="scale of the weights",
             ylabel="mean over nodes", ylim=(0, None))
    for key, color, dash in LINES:
        axes.plot(scales, [row[key] for row in rows], color=color, ls=dash, lw=1.8, label=LAWS[key])
    name_lines(axes, rows, loc="upper right")


def draw_deltas(axes, rows, measurements):
    """Draw the CCDF of the deltas of a gradient at three scales, and that of the law."""
    rows = [rows[k] for k in sorted({0, len(rows) // 2, len(rows) - 1})] if rows else []
    for row, color in zip(rows, plots.shades(len(rows)), strict=True):
        measured = measurements[row["net"]]
        plots.draw_ccdf(axes, [numbers["column"] for numbers in measured], color, f"scale {row['scale']:g}", band=True)
        plots.draw_ccdf(axes, [numbers["law_deltas"] for numbers in measured], color, None)
    axes.set(title="deltas within one gradient", xlabel="|delta| / largest", ylabel="share at least this large",
             xlim=(1e-3, 1.1))
    name_lines(axes, rows, loc="lower left", title="bands: gradients; lines: law", title_fontsize=8)


def draw_samples(axes, rows, measurements):
    """Draw clustering of single gradients against the law's number, untrained and after the fastest training."""
    for row, color, marker in zip(rows[:1] + rows[1:][-1:], (plots.BLUE, plots.RED), "ox", strict=False):
        measured = measurements[row["net"]]
        if "law" in row:
            axes.plot([numbers["law"] for numbers in measured], [numbers["clustering"] for numbers in measured], marker,
                      color=color, ms=4, mfc="white" if marker == "o" else color,
                      label=f"{name_of_rate(row)}: correlation {row['law_correlation']:.2f}")
    highest = max(*axes.get_xlim(), *axes.get_ylim())
    axes.plot([0, highest], [0, highest], color=plots.GREY, lw=0.8)
    axes.set(title="single gradients", xlabel="clustering by the law", ylabel="clustering of the drawn network",
             xlim=(0, highest), ylim=(0, highest))
    name_lines(axes, [row for row in rows if "law" in row], loc="upper left")


def name_lines(axes, rows, **options):
    """Draw the legend of a panel on the law, or say why the panel has no rows."""
    if rows:
        axes.legend(fontsize=8, **options)
    else:
        axes.text(0.5, 0.5, "the law is for tanh nets", transform=axes.transAxes, ha="center", color=plots.GREY)


def draw_bars(axes, rows, names, factor):
    """Draw a bar for each number of each row, with the middle 90 % as a line; names : {key of the row: label}.

    The bars of the first row have their labels beside them.
    """
    if not rows:
        return
    height = 0.8 / len(names)
    colors = {"pixels": plots.ORANGE, "back-projection": plots.BLUE, "gate": plots.RED}
    for k, (key, name) in enumerate(names.items()):
        places = np.arange(len(rows)) + (k - (len(names) - 1) / 2) * height
        axes.barh(places, [factor * row[key] for row in rows], height, color=colors[name], alpha=0.75)
        axes.hlines(places, [factor * row[f"{key}_low"] for row in rows], [factor * row[f"{key}_high"] for row in rows],
                    color=plots.INK, lw=0.8)
        axes.annotate(name, (factor * rows[0][f"{key}_high"], places[0]), xytext=(4, 0), textcoords="offset points",
                      va="center", fontsize=7.5, color=plots.text_color(colors[name]))
    axes.margins(x=0.15)
    axes.axvline(0, color=plots.GREY, lw=0.8)
    axes.set(yticks=range(len(rows)), ylim=(len(rows) - 0.5, -0.5), yticklabels=[row["net"] for row in rows])
    axes.tick_params(axis="y", length=0)


def name_of_rate(row):
    return f"rate {row['rate']:g}" if row["rate"] else "untrained"


def draw_rates(axes, rows):
    """Draw clustering after training at each rate, permuted, and by the laws, beside the essay's numbers."""
    places = range(len(rows))
    lines = [("clustering", plots.RED, "o-", "drawn"), ("permuted", plots.INK, "s--", "gates permuted"),
             *((key, color, marker + dash, LAWS[key]) for (key, color, dash), marker in zip(LINES, "^v", strict=False))]
    if rows:
        axes.fill_between(places, [row["clustering_low"] for row in rows], [row["clustering_high"] for row in rows],
                          color=plots.RED, alpha=0.15, lw=0)
    for key, color, line, name in lines:
        axes.plot(places, [row.get(key, np.nan) for row in rows], line, color=color, ms=5, label=name)
    essays = {place: ESSAY_CLUSTERING[row["rate"]] for place, row in enumerate(rows) if row["rate"] in ESSAY_CLUSTERING}
    plots.draw_source(axes, essays.keys(), essays.values(), label="the essay, MNIST")
    axes.set(title="clustering after training", xlabel="learning rate", ylabel="mean over nodes", ylim=(0, None),
             xticks=places, xticklabels=[f"{row['rate']:g}" if row["rate"] else "untrained" for row in rows])
    axes.legend(fontsize=8)


if __name__ == "__main__":
    experiment.run(main)
