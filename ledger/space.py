"""The claim on the space of gradients."""
from ledger.comparisons import null, predicted, reference, second
from ledger.rows import brief, of_row, pick
from ledger.verdicts import EXPLAINED, HOLDS, NOT, Claim, Judgement, NotMeasured, first_true

SMALL = 0.01   # share of the number of parameters up to which a dimension is radically smaller
FEWEST = 5     # runs that a verdict needs


def small_space(parts):
    """Judge whether the effective dimension of gradients is at most a hundredth of the number of parameters.

    Inputs and deltas explain this if gradients whose deltas are those of other samples have less than twice as large a
    one.
    """
    rows = pick(parts["space"], part="dimension")
    rows = [row for row in rows if row["runs"] - row["degenerate"] >= FEWEST]
    if not rows:
        raise NotMeasured(f"fewer than {FEWEST} runs have gradients that do not vanish")
    digits = [row for row in rows if row["data"] != "noise"] or rows
    row = max(digits, key=lambda row: row["dimension"])
    share, same_pairs = ({"value" + end: row[key + end] / row["parameters"] for end in ("", "_low", "_high")}
                         for key in ("dimension", "re_paired"))
    random = row["random"] / row["parameters"]
    if not 0.9 < random < 1.1:
        raise NotMeasured(f"random matrices have {brief(random)} of their dimension: the estimate needs more samples")
    inside = max(pick(parts["space"], space="leading"), key=lambda row: row["directions"])
    whole, = pick(parts["space"], space="all parameters")
    noise = max((row["dimension"] for row in rows if row["data"] == "noise"), default=None)
    on_noise = "" if noise is None else f"On noise it is at most {brief(noise)}" + (
        ", so that a small space is no sign of structure." if noise < row["dimension"] else ".")
    context = [f"The largest dimension is {brief(row['dimension'])}, that of inputs with deltas of other samples "
               f"{brief(row['re_paired'])}, and that of random matrices {brief(row['random'])}.",
               on_noise,
               f"The leading {inside['directions']} directions hold {brief(inside['energy'])} of the energy of the "
               f"gradients that they are taken from, and {brief(inside['later_energy'])} of that of later ones."]
    return Judgement("effective dimension / number of parameters", share, f"{row['runs'] - row['degenerate']} runs",
                     " ".join(filter(None, context)),
                     first_true((any(row["dimension_high"] > SMALL * row["parameters"] for row in digits), NOT),
                                (all(row["over_re_paired_low"] > 0.5 for row in digits), EXPLAINED,
                                 "few dimensions of inputs and deltas"), (True, HOLDS)),
                     null("deltas of other samples", same_pairs) | reference("random rank-one matrices", random)
                     | predicted(high=SMALL)
                     | second(f"Training inside {inside['directions']} leading directions of gradients", "accuracy",
                              of_row(inside, "accuracy"), **reference("all parameters", whole["accuracy"])))


CLAIMS = (
    Claim("a radically smaller space of gradients", "The space of gradients is radically smaller than assumed",
          "in words", None, "dimension", "in 95 % of the runs the effective dimension is at most a hundredth of the "
          "number of parameters, at all rates, at steps 0 and 500 (in a trial 0 and 100) and over the steps between "
          "them, and no later step is looked at; inputs and deltas explain it if gradients with the deltas of other "
          "samples have less than twice the dimension in 95 % of the runs, everywhere",
          small_space),
)
