"""Claims on the networks that gradients and weights make."""
import numpy as np
import scipy

from ledger.rows import any_of, atypical, column, in_words, of_row, pick, sample, spread
from ledger.verdicts import EXPLAINED, HOLDS, NOT, WHERE, Judgement, NotMeasured, first_true


def gradient_networks(parts, data, rate):
    """Return the rows of the gradient networks that are not degenerate, and in words how many they are."""
    if f"gradients of {data} at {rate:g}" not in parts:
        raise NotMeasured(f"{data} is looked at with real data alone")
    rows = parts[f"gradients of {data} at {rate:g}"]
    sound = [row for row in rows if not row["degenerate"]]
    lost = len(rows) - len(sound)
    return sound, f"{len(sound)} runs" + (f", {lost} more have no gradient" if lost else "")


def essay_networks(parts, rate):
    """Return the gradient networks on MNIST, or in a trial on glyphs, and in words how many they are."""
    return gradient_networks(parts, "mnist" if "gradients of mnist at 0.1" in parts else "glyphs", rate)


def explained_by_degrees(rows):
    """Return whether degrees explain the clustering, and the ratio in words.

    They do if in nine runs of ten the clustering is at most 1.1 times that of networks of the same degrees.
    """
    explained = np.quantile(column(rows, "over_degrees"), 0.9) <= 1.1
    return explained, f"{in_words(sample(rows, 'over_degrees'))} times networks of the same in- and out-degrees"


def diameters(rows, source):
    """Return our diameters in words, and how often the source's occurs."""
    share = np.mean(column(rows, "diameter") == source)
    return f"diameter {in_words(sample(rows, 'diameter'))}, the source's {source} in {share:.0%}"


def judge_clustering(rows, n, source, source_diameter=None):
    """Judge a clustering that the source gives: is it typical of our runs, and do degrees explain it?"""
    clustering = column(rows, "clustering")
    explained, ratio = explained_by_degrees(rows)
    verdict = first_true((atypical(source, clustering), NOT), (explained, EXPLAINED, "the degrees"), (True, HOLDS))
    context = [f"the source's is larger than {np.mean(clustering < source):.0%} of ours"]
    context += [] if source_diameter is None else [diameters(rows, source_diameter)]
    return Judgement("average clustering", sample(rows, "clustering"), n, "; ".join([*context, ratio]), verdict)


def diameter(parts):
    """Judge the median diameter: it is 4; the degrees explain it if networks of the same degrees have the same."""
    rows, n = essay_networks(parts, 0.1)
    observed, same_degrees = sample(rows, "diameter"), sample(rows, "diameter_degrees")
    return Judgement("diameter", observed, n, f"same in- and out-degrees: {in_words(same_degrees)}", first_true(
        (observed["value"] != 4, NOT), (same_degrees["value"] == observed["value"], EXPLAINED, "the degrees"),
        (True, HOLDS)))


def clustering(parts):
    """Judge whether 0.279 is typical of our runs at learning rate 0.1."""
    return judge_clustering(*essay_networks(parts, 0.1), 0.279)


def slow(parts):
    """Judge whether 0.259 is typical of our runs at learning rate 0.01."""
    return judge_clustering(*essay_networks(parts, 0.01), 0.259, source_diameter=5)


def hubs(parts):
    """Judge whether out-degrees are more skewed than with shuffled entries, in 95 % of the runs."""
    rows, n = essay_networks(parts, 0.1)
    more_skewed = np.mean(column(rows, "out_skew") > column(rows, "shuffled_skew"))
    return Judgement("skew of out-degrees", sample(rows, "out_skew"), n,
                     f"shuffled entries: {in_words(sample(rows, 'shuffled_skew'))}",
                     first_true((more_skewed > 0.95, HOLDS)))


def inputs_decide(parts):
    """Judge whether links follow the strength of the input, at a median correlation above 0.9."""
    rows, n = essay_networks(parts, 0.1)
    return Judgement("correlation of a unit's links with |x|", sample(rows, "explained"), n,
                     "by construction: the gradient of one sample is an outer product",
                     first_true((np.median(column(rows, "explained")) > 0.9, EXPLAINED, "rank one")))


def deterioration(parts):
    """Judge whether clustering is lower at learning rate 1.0, by a rank test at 1 %."""
    usual, n_usual = essay_networks(parts, 0.1)
    fast, n = essay_networks(parts, 1.0)
    slower, faster = (column(rows, "clustering") for rows in (usual, fast))
    if scipy.special.binom(len(slower) + len(faster), len(faster)) < 100:
        raise NotMeasured(f"{len(faster)} and {len(slower)} runs are too few for a rank test at 1 %")
    p = scipy.stats.mannwhitneyu(faster, slower, alternative="less").pvalue
    return Judgement("average clustering", sample(fast, "clustering"), n,
                     f"at 0.1 {in_words(sample(usual, 'clustering'))}, {n_usual}; lower by a rank test, p = {p:.1g}; "
                     f"{diameters(fast, 6)}", first_true((p < 0.01, HOLDS)))


def cifar10(parts):
    """Judge whether 0.215 is typical of our runs on CIFAR-10."""
    return judge_clustering(*gradient_networks(parts, "cifar10", 0.1), 0.215, source_diameter=4)


def boltzmann(parts):
    """Judge whether gradients of machines cluster more than shuffled entries, and more than their degrees explain."""
    machines = {row["steps"]: row for row in parts["rbm"]}
    before, after = machines[min(machines)], machines[max(machines)]
    return Judgement("clustering over that of shuffled entries", of_row(after, "over_shuffled"),
                     f"{after['runs']} machines",
                     f"untrained {in_words(of_row(before, 'over_shuffled'))}; over that of the same degrees "
                     f"{in_words(of_row(after, 'excess'))}",
                     first_true((after["over_shuffled_low"] <= 1, NOT),
                                (after["excess"] <= 1.1, EXPLAINED, "the degrees"), (True, HOLDS)))


def weights(parts):
    """Judge whether trained weights cluster no more than shuffled entries, to 5 %, for every init and net."""
    nets = {}  # (net, init): rows
    for row in pick(parts["weights"], when="trained", method="sample"):
        nets.setdefault((row["net"], row["init"]), []).append(row)
    ratios = {net: sample(rows, "over_shuffled") for net, rows in nets.items()}
    worst = max(ratios, key=lambda net: ratios[net]["value"])
    plain = {init: all(ratio["value"] <= 1.05 for (_, its_init), ratio in ratios.items() if its_init == init)
             for _, init in ratios}
    others = "; ".join(f"{net}, {init}: {in_words(ratio)}" for (net, init), ratio in ratios.items()
                       if (net, init) != worst)
    seeds = len(nets[worst])
    return Judgement(f"clustering over that of shuffled entries, {worst[0]}, {worst[1]}", ratios[worst],
                     f"{seeds} seed" + "s" * (seeds > 1),
                     f"{others}; over that of the same degrees {in_words(sample(nets[worst], 'over_degrees'))}",
                     first_true((all(plain.values()), HOLDS),
                                (any(plain.values()), WHERE,
                                 f"the init is {any_of(init for init, is_plain in plain.items() if is_plain)}")))


def thresholding(parts):
    """Judge whether more inputs share a degree if links are thresholded, in 95 % of the runs."""
    rows, n = essay_networks(parts, 0.1)
    ratios = column(rows, "threshold_commonest") / column(rows, "commonest")
    units = {}  # init: seed: method: units of the commonest degree
    for row in pick(parts["weights"], when="trained", layers="merged"):
        units.setdefault(row["init"], {}).setdefault(row["seed"], {})[row["method"]] = row["units_of_commonest"]
    of_weights = {init: [by_method["threshold"] / by_method["sample"] for by_method in seeds.values()]
                  for init, seeds in units.items()}
    return Judgement("inputs of the commonest degree, over those when drawn", spread(ratios), n,
                     "of weights: " + "; ".join(f"{in_words(spread(values))} from {init}, n = {len(values)}"
                                                for init, values in of_weights.items()),
                     first_true((np.quantile(ratios, 0.05) > 1, HOLDS)))


CLAIMS = (  # claim, the source's number, rule
    ("a diameter of 4", "4", diameter),
    ("a clustering of 0.279", "0.279", clustering),
    ("much the same at learning rate 0.01", "0.259, diameter 5", slow),
    ("skewed out-degrees", "hubs", hubs),
    ("inputs decide the degrees", "in words", inputs_decide),
    ("deterioration at learning rate 1.0", "0.08, diameter 6", deterioration),
    ("durable across data sets: CIFAR-10", "0.215, diameter 4", cifar10),
    ("gradients of Boltzmann machines are alike", "hoped for", boltzmann),
    ("trained weights are not a complex network", "not one", weights),
    ("thresholding multiplies degrees", "in words", thresholding),
)
