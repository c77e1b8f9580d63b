"""Claims on motifs of nets before and after learning.

As in motif_stats.py, learning raises a motif whose Z is higher after training than before, and creates it if the mean Z
after training is above 2, too.
"""
import numpy as np

from ledger.comparisons import null, predicted, reference
from ledger.rows import any_of, column, more_often, pick, share, spread
from ledger.verdicts import HOLDS, WHERE, Claim, Judgement, first_true

COUNTS = ("raised", "created", "tested")  # motifs that learning raises, creates beyond Z 2, and all that are tested


def counts_of_learning(parts):
    """Return {(init, labels): {count: sum over data sets}}, and in words how many nets of how many seeds these are."""
    counts = {}
    rows = pick(parts["motifs"], part="learning")
    seeds, = {row["runs"] for row in rows}
    for row in rows:
        sums = counts.setdefault((row["init"], row["labels"]), dict.fromkeys(COUNTS, 0))
        for key in COUNTS:
            sums[key] += row[key]
    return counts, f"{len({(row['data'], row['init']) for row in rows})} nets of {seeds} seeds"


def percentage(count, total):
    """Return a share in percent, with its exact 90 % interval."""
    return {key: 100 * value for key, value in share(count, total).items()}


def total(sums, *keys):
    """Return the totals of several counts, a tuple in the order of the keys."""
    return tuple(sum(counts[key] for counts in sums) for key in keys)


def topology(parts):
    """Judge whether learning raises more motifs than with shuffled labels, from every init."""
    counts, n = counts_of_learning(parts)
    real = {init: (sums["raised"], sums["tested"]) for (init, labels), sums in counts.items() if labels == "real"}
    control = total([sums for (_, labels), sums in counts.items() if labels == "shuffled"], "raised", "tested")
    shaped = [init for init, pair in real.items() if more_often(pair, control)]
    shuffled = percentage(*control)
    return Judgement("motifs that learning raises (higher Z), %",
                     percentage(*map(sum, zip(*real.values(), strict=True))), n,
                     " ".join(f"From {init} learning raises {raised} of {tested} motifs."
                              for init, (raised, tested) in real.items())
                     + f" With shuffled labels learning raises {control[0]} of {control[1]:,}.",
                     first_true((shaped == list(real), HOLDS), (shaped, WHERE, f"where the init is {any_of(shaped)}")),
                     null("shuffled labels", shuffled) | predicted(low=shuffled["value"]))


def initialization(parts):
    """Judge whether more than the 5 % of chance are beyond Z 2 in untrained nets, from every init."""
    rows = pick(parts["motifs"], part="beyond 2", epoch=0)
    seeds, = {row["runs"] for row in rows}
    layered = {}  # init: rows
    for row in pick(rows, null="layered"):
        layered.setdefault(row["init"], []).append(row)
    fanmod = column(pick(rows, null="fanmod"), "percent")
    percents = {init: column(of_init, "percent") for init, of_init in layered.items()}
    biased = [init for init, of_init in layered.items() if min(row["percent_low"] for row in of_init) > 5]
    return Judgement("motifs of untrained nets beyond Z 2, %", spread(np.concatenate(list(percents.values()))),
                     f"{len(pick(rows, null='layered'))} groups of {seeds} seeds",
                     " ".join(f"From {init} {values.mean():.1f} % are beyond Z 2." for init, values in percents.items())
                     + " FANMOD's null model does not keep the layers, and so finds "
                     f"{fanmod.min():.0f} to {fanmod.max():.0f} %.",
                     first_true((len(biased) == len(layered), HOLDS),
                                (biased, WHERE, f"where the init is {any_of(biased)}")),
                     reference("chance", 5) | predicted(low=5))


def promotion(parts):
    """Judge whether nets from other inits than a small normal law create more motifs."""
    counts, n = counts_of_learning(parts)
    normal, others = (total([sums for (init, labels), sums in counts.items() if labels == "real"
                             and init.startswith("normal") == is_normal], "created", "tested")
                      for is_normal in (True, False))
    from_normal = percentage(*normal)
    return Judgement("motifs that learning creates (Z above 2), %", percentage(*others), n,
                     f"From other initialisations learning creates {others[0]} of {others[1]} motifs. From a small "
                     f"normal law learning creates {normal[0]} of {normal[1]}.",
                     first_true((more_often(others, normal), HOLDS)),
                     null("small normal law", from_normal) | predicted(low=from_normal["value"]))


def five_nodes(parts, raised="raised", tested="tested", quantity="motifs of five nodes that learning raises, %"):
    """Judge whether learning raises more motifs of five nodes than with shuffled labels, in all nets."""
    rows = pick(parts["motifs of five"], part="learning")
    counts = {labels: {(row["data"], row["init"]): (row[raised], row[tested]) for row in pick(rows, labels=labels)}
              for labels in ("real", "shuffled")}
    real, control = counts["real"], counts["shuffled"]
    shaped = [f"{data} from {init}" for (data, init), pair in real.items() if more_often(pair, control[data, init])]
    (all_raised, all_tested), (control_raised, control_tested) = (
        tuple(map(sum, zip(*pairs.values(), strict=True))) for pairs in (real, control))
    shuffled = percentage(control_raised, control_tested)
    return Judgement(quantity, percentage(all_raised, all_tested),
                     f"{len(real)} nets",
                     " ".join(f"On {data} from {init} these are {count} of {of:,} motifs."
                              for (data, init), (count, of) in real.items())
                     + f" With shuffled labels these are {control_raised} of {control_tested:,}.",
                     first_true((len(shaped) == len(real), HOLDS),
                                (shaped, WHERE, f"where the nets learn {any_of(shaped)}")),
                     null("shuffled labels", shuffled) | predicted(low=shuffled["value"]))


def beyond_parts(parts):
    """Judge whether learning raises motifs of five nodes beyond what the motifs of four nodes in them predict."""
    return five_nodes(parts, "beyond", "tested_beyond", "motifs of five raised beyond their motifs of four, %")


CLAIMS = (
    Claim("learning shapes the topology", "Learning raises motifs", "motifs", None, "percent of motifs",
          "learning raises more motifs than with shuffled labels, from every init, by Fisher's exact test at 1 %",
          topology),
    Claim("initialisation biases it", "The initialisation biases the motifs", "Z of untrained nets", None,
          "percent of motifs", "more than 5 % of the motifs are beyond Z 2, from every init", initialization),
    Claim("non-trivial initialisations promote motifs", "Elaborate initialisations create more motifs", "in words",
          None, "percent of motifs",
          "learning creates more motifs than from a small normal law, by Fisher's exact test at 1 %", promotion),
    Claim("learning shapes motifs of five nodes", "Motifs of five nodes rise with learning", "motifs in single nets",
          None, "percent of motifs",
          "learning raises more motifs than with shuffled labels, in all nets, by Fisher's exact test at 1 %",
          five_nodes),
    Claim("five nodes add to four", "Motifs of five nodes say more than motifs of four", "not stated", None,
          "percent of motifs",
          "beyond what a linear regression on the counts of the motifs of four nodes in them predicts, learning raises "
          "more motifs than with shuffled labels, in all nets, by Fisher's exact test at 1 %", beyond_parts),
)
