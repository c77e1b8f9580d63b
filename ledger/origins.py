"""The claim on what decides the networks of gradients: the essay says that it is the histogram of the deltas."""
from ledger.comparisons import null, predicted, reference, second
from ledger.rows import any_of, brief, each_in_words, of_row, pick
from ledger.verdicts import HOLDS, WHERE, Claim, Judgement, first_true

HALF = 0.5
ESSAY = {"activation": "tanh", "scale": 0.25}  # of the weights, which are uniform in ±scale
RATE = 0.1


def deltas_decide(parts):
    """Judge whether deltas carry more than half of the clustering beyond density, for every data set and rate.

    They do so for a kind of net if their share is above one half in 95 % of its gradients.
    """
    rows = [row for row in pick(parts["origins"], **ESSAY) if "share_deltas" in row]
    digits = "mnist" if any(row["data"] == "mnist" for row in rows) else "glyphs"
    trained, noise = pick(rows, data=digits, rate=RATE)[0], pick(rows, data="noise")[0]
    decided = {}  # data: whether the deltas decide, for each kind of net
    for row in rows:
        decided.setdefault(row["data"], []).append(row["share_deltas_low"] > HALF)
    where = [data for data, kinds in decided.items() if all(kinds)]
    correlation = trained["skew_rank_correlation"]
    return Judgement("share of the deltas in log(clustering / density)", of_row(trained, "share_deltas"),
                     f"{trained['gradients']} gradients of {trained['runs']} nets",
                     each_in_words("For {name} the share is {value}",
                                   {row["net"]: row for row in rows if row is not trained}, "share_deltas")
                     + f" The rank correlation of the skew of deltas with clustering is {brief(correlation)}.",
                     first_true((len(where) == len(decided), HOLDS),
                                (where, WHERE, f"where the data are {any_of(where)}")),
                     null("on noise", of_row(noise, "share_deltas")) | reference("half", HALF) | predicted(low=HALF)
                     | second("Share of the deltas in the differences between gradients", "share",
                              of_row(trained, "spread_by_deltas"), **reference("half", HALF)))


CLAIMS = (
    Claim("the skew of deltas decides all", "The histogram of the deltas decides the network", "in words", None,
          "share", "for every data set and net, deltas carry more than half of log(clustering / density) in 95 % of "
          "the gradients", deltas_decide),
)
