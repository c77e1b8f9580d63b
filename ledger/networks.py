"""Claims on the networks that gradients and weights make."""
from typing import NamedTuple

import numpy as np
import scipy

from ledger.comparisons import null, predicted, reference, second
from ledger.rows import any_of, atypical, brief, column, of_row, percent, pick, sample, spread
from ledger.verdicts import EXPLAINED, HOLDS, NOT, WHERE, Claim, Judgement, NotMeasured, first_true

SAME_DEGREES = "same degrees"  # networks with the in-degrees and out-degrees of the drawn ones


class Source(NamedTuple):
    """The source's numbers of one network."""

    clustering: float
    diameter: int

    def __str__(self):
        return f"{self.clustering:g}, diameter {self.diameter}"


ESSAY = {0.01: Source(0.259, 5), 0.1: Source(0.279, 4), 1.0: Source(0.08, 6)}  # by learning rate, on MNIST
ESSAY_CIFAR10 = Source(0.215, 4)


def gradient_networks(parts, data, rate):
    """Return the rows of the gradient networks that are not degenerate, and in words how many they are."""
    if f"gradients of {data} at {rate:g}" not in parts:
        raise NotMeasured(f"{data} is looked at with real data alone")
    rows = parts[f"gradients of {data} at {rate:g}"]
    sound = [row for row in rows if not row["degenerate"]]
    lost = len(rows) - len(sound)
    return sound, f"{len(sound)} runs" + (f", {lost} more {'has' if lost == 1 else 'have'} no gradient" if lost else "")


def essay_networks(parts, rate):
    """Return the gradient networks on MNIST, or in a trial on glyphs, and in words how many they are."""
    return gradient_networks(parts, "mnist" if "gradients of mnist at 0.1" in parts else "glyphs", rate)


def explained_by_degrees(rows):
    """Return whether degrees explain the clustering, and a sentence with the ratio.

    They do if in nine runs of ten the clustering is at most 1.1 times that of networks of the same degrees.
    """
    explained = np.quantile(column(rows, "over_degrees"), 0.9) <= 1.1
    return explained, (f"The clustering is {brief(sample(rows, 'over_degrees')['value'])} times that of networks with "
                       "the same in-degrees and out-degrees.")


def clustering_of_same_degrees(rows):
    """Return the columns of the null model's clustering, which is ours over the ratio, run by run."""
    clustering, ratios = column(rows, "clustering"), column(rows, "over_degrees")
    known = ratios > 0  # networks without triangles do not tell their null model's clustering
    return null(SAME_DEGREES, spread(clustering[known] / ratios[known])) if known.any() else {}


def over_degrees(ratio):
    """Return the columns of a ratio of clustering to that of networks with the same degrees."""
    return second("Clustering / that of networks with the same degrees", "ratio", ratio, **reference(SAME_DEGREES, 1))


def diameters(rows, label, source):
    """Return the columns of the diameter, and a sentence on how often the source's occurs."""
    share = np.mean(column(rows, "diameter") == source)
    return (second(f"Diameter {label}", "diameter", sample(rows, "diameter"), source_value=source,
                   source_share=float(share), **null(SAME_DEGREES, sample(rows, "diameter_degrees"))),
            f"The source's diameter of {source} occurs in {percent(share)} of our runs.")


def judge_clustering(rows, n, source, label=""):
    """Judge a clustering that the source gives: is it typical of our runs, and do degrees explain it?

    label : str, where the diameter is measured; without it the diameter has a claim of its own.
    """
    clustering = column(rows, "clustering")
    explained, ratio = explained_by_degrees(rows)
    verdict = first_true((atypical(source.clustering, clustering), NOT), (explained, EXPLAINED, "the degrees"),
                         (True, HOLDS))
    context = [f"The source's number is larger than {percent(np.mean(clustering < source.clustering))} of ours.", ratio]
    comparison = clustering_of_same_degrees(rows)
    if label:
        columns, sentence = diameters(rows, label, source.diameter)
        comparison |= columns
        context.append(sentence)
    return Judgement("average clustering", sample(rows, "clustering"), n, " ".join(context), verdict, comparison)


def diameter(parts):
    """Judge the median diameter: it is 4; the degrees explain it if networks of the same degrees have the same."""
    rows, n = essay_networks(parts, 0.1)
    observed, same_degrees = sample(rows, "diameter"), sample(rows, "diameter_degrees")
    share = np.mean(column(rows, "diameter") == ESSAY[0.1].diameter)
    return Judgement("diameter, in links", observed, n,
                     f"The source's diameter occurs in {percent(share)} of our runs.",
                     first_true((observed["value"] != ESSAY[0.1].diameter, NOT),
                                (same_degrees["value"] == observed["value"], EXPLAINED, "the degrees"), (True, HOLDS)),
                     null(SAME_DEGREES, same_degrees))


def clustering(parts):
    """Judge whether the source's clustering is typical of our runs at learning rate 0.1."""
    return judge_clustering(*essay_networks(parts, 0.1), ESSAY[0.1])


def slow(parts):
    """Judge whether the source's clustering is typical of our runs at learning rate 0.01."""
    return judge_clustering(*essay_networks(parts, 0.01), ESSAY[0.01], "at learning rate 0.01")


def hubs(parts):
    """Judge whether out-degrees are more skewed than with shuffled entries, in 95 % of the runs."""
    rows, n = essay_networks(parts, 0.1)
    more_skewed = np.mean(column(rows, "out_skew") > column(rows, "shuffled_skew"))
    shuffled = sample(rows, "shuffled_skew")
    return Judgement("skew of out-degrees", sample(rows, "out_skew"), n,
                     f"The skew is larger than with shuffled entries in {percent(more_skewed)} of the runs.",
                     first_true((more_skewed > 0.95, HOLDS)),
                     null("shuffled entries", shuffled) | predicted(low=shuffled["value"]))


def inputs_decide(parts):
    """Judge whether links follow the strength of the input, at a median correlation above 0.9."""
    rows, n = essay_networks(parts, 0.1)
    return Judgement("correlation of a unit's links with |x|", sample(rows, "explained"), n,
                     "This follows from the construction: the gradient of one sample is an outer product.",
                     first_true((np.median(column(rows, "explained")) > 0.9, EXPLAINED, "rank one")),
                     predicted(low=0.9))


def deterioration(parts):
    """Judge whether clustering is lower at learning rate 1.0, by a rank test at 1 %."""
    usual, _ = essay_networks(parts, 0.1)
    fast, n = essay_networks(parts, 1.0)
    slower, faster = (column(rows, "clustering") for rows in (usual, fast))
    if scipy.special.binom(len(slower) + len(faster), len(faster)) < 100:
        raise NotMeasured(f"{len(faster)} and {len(slower)} runs are too few for a rank test at 1 %")
    p = scipy.stats.mannwhitneyu(faster, slower, alternative="less").pvalue
    at_usual = sample(usual, "clustering")["value"]
    columns, sentence = diameters(fast, "at learning rate 1.0", ESSAY[1.0].diameter)
    return Judgement("average clustering", sample(fast, "clustering"), n,
                     f"At learning rate 0.1 the clustering is {brief(at_usual)}. A rank test compares both: "
                     f"p = {p:.1g}. {sentence}", first_true((p < 0.01, HOLDS)),
                     clustering_of_same_degrees(fast) | reference("at rate 0.1", at_usual)
                     | predicted(high=at_usual) | columns)


def cifar10(parts):
    """Judge whether the source's clustering is typical of our runs on CIFAR-10."""
    return judge_clustering(*gradient_networks(parts, "cifar10", 0.1), ESSAY_CIFAR10, "on CIFAR-10")


def boltzmann(parts):
    """Judge whether gradients of machines cluster more than shuffled entries, and more than their degrees explain."""
    machines = {row["steps"]: row for row in parts["rbm"]}
    before, after = machines[min(machines)], machines[max(machines)]
    return Judgement("clustering / that of shuffled entries", of_row(after, "over_shuffled"),
                     f"{after['runs']} machines",
                     f"The median clustering is {brief(after['excess'])} times that of networks with the same degrees. "
                     f"In single machines it is {brief(after['excess_low'])} to {brief(after['excess_high'])} times.",
                     first_true((after["over_shuffled_low"] <= 1, NOT),
                                (after["excess"] <= 1.1, EXPLAINED, "the degrees"), (True, HOLDS)),
                     null("untrained", of_row(before, "over_shuffled")) | reference("shuffled entries", 1)
                     | predicted(low=1) | over_degrees(of_row(after, "excess")))


def weights(parts):
    """Judge whether trained weights cluster no more than shuffled entries, to 5 %, for every init and net."""
    nets = {}  # (net, init): rows
    for row in pick(parts["weights"], when="trained", method="sample"):
        nets.setdefault((row["net"], row["init"]), []).append(row)
    ratios = {net: sample(rows, "over_shuffled") for net, rows in nets.items()}
    worst = max(ratios, key=lambda net: ratios[net]["value"])
    plain = {init: all(ratio["value"] <= 1.05 for (_, its_init), ratio in ratios.items() if its_init == init)
             for _, init in ratios}
    others = " ".join(f"The net {net} from {init} has a ratio of {brief(ratio['value'])}."
                      for (net, init), ratio in ratios.items() if (net, init) != worst)
    seeds = len(nets[worst])
    return Judgement(f"clustering / that of shuffled entries, {worst[0]}, {worst[1]}", ratios[worst],
                     f"{seeds} seed" + "s" * (seeds > 1), others,
                     first_true((all(plain.values()), HOLDS),
                                (any(plain.values()), WHERE,
                                 f"where the init is {any_of(init for init, is_plain in plain.items() if is_plain)}")),
                     reference("shuffled entries", 1) | predicted(high=1.05)
                     | over_degrees(sample(nets[worst], "over_degrees")))


def thresholding(parts):
    """Judge whether more inputs share a degree if links are thresholded, in 95 % of the runs."""
    rows, n = essay_networks(parts, 0.1)
    ratios = column(rows, "threshold_commonest") / column(rows, "commonest")
    units = {}  # init: seed: method: units of the commonest degree
    for row in pick(parts["weights"], when="trained", layers="merged"):
        units.setdefault(row["init"], {}).setdefault(row["seed"], {})[row["method"]] = row["units_of_commonest"]
    of_weights = {init: [by_method["threshold"] / by_method["sample"] for by_method in seeds.values()]
                  for init, seeds in units.items()}
    return Judgement("inputs that share the commonest degree, thresholded / drawn", spread(ratios), n,
                     " ".join(f"For trained weights from {init} the ratio is {brief(spread(values)['value'])}."
                              for init, values in of_weights.items()),
                     first_true((np.quantile(ratios, 0.05) > 1, HOLDS)), reference("drawn", 1) | predicted(low=1))


TYPICAL = ("the source's number is typical of ours, by a rank test at 5 %; degrees explain it if nine runs of ten "
           "cluster at most 1.1 times as much as networks of the same degrees")
CLAIMS = (
    Claim("a diameter of 4", "At learning rate 0.1 the diameter is 4", f"{ESSAY[0.1].diameter}", ESSAY[0.1].diameter,
          "diameter", "our median is 4; degrees explain it if networks of the same degrees have the same median",
          diameter),
    Claim("a clustering of 0.279", "At learning rate 0.1 the clustering is 0.279", f"{ESSAY[0.1].clustering:g}",
          ESSAY[0.1].clustering, "clustering", TYPICAL, clustering),
    Claim("much the same at learning rate 0.01", "At learning rate 0.01 the network is much the same", str(ESSAY[0.01]),
          ESSAY[0.01].clustering, "clustering", TYPICAL, slow),
    Claim("skewed out-degrees", "Out-degrees are skewed: few units are hubs", "hubs", None, "skew",
          "out-degrees are more skewed than with shuffled entries, in more than 95 % of the runs", hubs),
    Claim("inputs decide the degrees", "The strength of an input decides its degree", "in words", None, "correlation",
          "the median correlation is above 0.9", inputs_decide),
    Claim("deterioration at learning rate 1.0", "At learning rate 1.0 the network deteriorates", str(ESSAY[1.0]),
          ESSAY[1.0].clustering, "clustering",
          "the clustering is lower than at learning rate 0.1, by a rank test at 1 %", deterioration),
    Claim("durable across data sets: CIFAR-10", "CIFAR-10 gives the same kind of network", str(ESSAY_CIFAR10),
          ESSAY_CIFAR10.clustering, "clustering", TYPICAL, cifar10),
    Claim("gradients of Boltzmann machines are alike", "Boltzmann machines give the same kind of network", "hoped for",
          None, "ratio", "95 % of the machines cluster more than shuffled entries; degrees explain it if the median is "
          "at most 1.1 times that of networks of the same degrees", boltzmann),
    Claim("trained weights are not a complex network", "Trained weights are not a complex network", "not one", None,
          "ratio", "the clustering is at most 1.05 times that of shuffled entries, from every init and in every net",
          weights),
    Claim("thresholding multiplies degrees", "Thresholding gives many inputs the same degree", "in words", None,
          "ratio", "more inputs share the commonest degree than when links are drawn, in 95 % of the runs",
          thresholding),
)
