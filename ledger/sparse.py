"""Claims on sparse training."""
from ledger.comparisons import null, predicted, reference, second
from ledger.rows import brief, of_row, percent, pick
from ledger.verdicts import HOLDS, NOT, WHERE, Claim, Judgement, NotMeasured, first_true

FEW = 3180                          # parameters of the source's sparse net
SOURCE, SOURCE_UNITS = 0.832, 128   # the source's test accuracy, and the hidden units of its recipe
BLOCKS = "blocks of 16, 1/4"        # the recurrent net that is compared with the dense one


def few_parameters(parts):
    """Judge whether a pruned net keeps nine tenths of the accuracy of the dense net."""
    rows = pick(parts["sparse"], part="criteria")
    dense, = pick(rows, what="dense")
    few = next((row for row in pick(rows, what="magnitude") if 2000 < row["parameters"] <= FEW), None)
    if few is None:
        raise NotMeasured(f"no net is pruned to {FEW:,} parameters")
    random = [row for row in rows if (row["what"], row["parameters"]) == ("random", few["parameters"])]
    recipe = [row for row in parts["sparse"]
              if (row.get("part"), row.get("what"), row.get("hidden")) == ("recipe", "halved", SOURCE_UNITS)]
    comparison = reference("all parameters", dense["accuracy"]) | predicted(low=0.9 * dense["accuracy"])
    comparison |= null("random pruning", of_row(random[0], "accuracy")) if random else {}
    for row in recipe:
        comparison |= second("The source's own recipe", "accuracy", of_row(row, "accuracy"), source_value=SOURCE,
                             quantity=f"{row['hidden']} hidden units, {row['parameters']:,} parameters")
    return Judgement(f"test accuracy with {few['parameters']:,} of {dense['parameters']:,} parameters",
                     of_row(few, "accuracy"), f"{few['runs']} runs",
                     f"With all parameters the accuracy is {brief(dense['accuracy'])}."
                     + f" Compare the source's {SOURCE:g} with the line ↳." * bool(recipe),
                     first_true((few["accuracy_low"] > 0.9 * dense["accuracy"], HOLDS)), comparison)


def cost(parts):
    """Judge whether the widest pruned net costs less than 1.5 times the narrowest."""
    recipe = {kind: {row["hidden"]: row for row in pick(parts["sparse"], part="recipe", what=kind)}
              for kind in ("dense", "halved")}  # kind: {hidden units: row}
    narrow, wide = min(recipe["halved"]), max(recipe["halved"])
    # The widest interval that the intervals of the two ends allow.
    growth = {kind: {"value" + end: rows[wide]["microseconds" + end] / rows[narrow]["microseconds" + opposite]
                     for end, opposite in (("", ""), ("_low", "_high"), ("_high", "_low"))}
              for kind, rows in recipe.items()}
    faster = [f"{hidden:,}" for hidden, row in recipe["halved"].items()
              if row["microseconds_high"] < recipe["dense"][hidden]["microseconds_low"]]
    return Judgement(f"time of a run, {wide:,} hidden units / {narrow}", growth["halved"],
                     f"{recipe['halved'][narrow]['runs']} runs",
                     f"The pruned run is faster than the dense one at {', '.join(faster) or 'no number of'} units.",
                     first_true((growth["halved"]["value_high"] < 1.5, HOLDS)),
                     null("dense net", growth["dense"]) | reference("no growth", 1) | predicted(high=1.5))


def stay_large(parts):
    """Judge whether four fifths of the largest weights at the end are among the largest after a tenth of training."""
    rows = sorted(pick(parts["sparse"], part="overlap"), key=lambda row: row["step"])
    untrained, end = rows[0], rows[-1]["step"]
    tenth = next(row for row in rows if row["step"] >= end / 10)
    most = next((row["step"] for row in rows if row["overlap_low"] > 0.8), end)
    return Judgement(f"overlap of the largest weights after {tenth['step']:,} and {end:,} samples",
                     of_row(tenth, "overlap"), f"{tenth['runs']} runs",
                     f"By chance the overlap is {percent(tenth['chance'])}. The overlap reaches four fifths "
                     f"after {most:,} samples.",
                     first_true((tenth["overlap_low"] > 0.8, HOLDS),
                                (tenth["overlap_low"] < 2 * untrained["overlap_high"], NOT),
                                (most < end, WHERE, f"from {percent(most / end)} of training on")),
                     null("before training", of_row(untrained, "overlap")) | predicted(low=0.8))


def recurrent(parts):
    """Judge whether a net with few recurrent weights is faster, and loses less than 0.02 of accuracy."""
    (dense,), (blocks,) = (pick(parts["recurrent"], what=kind) for kind in ("dense", BLOCKS))
    return Judgement(f"test accuracy, recurrent weights in {blocks['what']}", of_row(blocks, "accuracy"),
                     f"{blocks['runs']} runs", f"A step is {blocks['times_faster']:.1f} times faster than a dense one, "
                     "by one timing.",
                     first_true((dense["accuracy"] - blocks["accuracy"] < 0.02 and blocks["times_faster"] > 1, HOLDS)),
                     reference("all parameters", dense["accuracy"]) | predicted(low=dense["accuracy"] - 0.02))


CLAIMS = (
    Claim("most of the accuracy with few parameters", "Few parameters keep most of the accuracy", f"{SOURCE:g}", SOURCE,
          "accuracy", "the accuracy is above 0.9 times that with all parameters", few_parameters),
    Claim("cost no longer grows with hidden units", "Cost does not grow with the hidden units", "in words", None,
          "ratio", "the widest pruned net takes less than 1.5 times as long as the narrowest", cost),
    Claim("large weights stay large", "Weights that are large early stay large", "in words", None, "share",
          "after a tenth of training the overlap with the end is above 0.8", stay_large),
    Claim("recurrent nets too", "Recurrent nets can be pruned, too", "announced", None, "accuracy",
          "the pruned net loses less than 0.02 of accuracy, and a step is faster", recurrent),
)
