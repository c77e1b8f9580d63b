"""Claims on sparse training."""
from ledger.rows import in_words, of_row, pick
from ledger.verdicts import HOLDS, NOT, WHERE, Judgement, NotMeasured, first_true

FEW = 3180                          # parameters of the source's sparse net
BLOCKS = "blocks of 16, 1/4"        # the recurrent net that is compared with the dense one


def few_parameters(parts):
    """Judge whether a pruned net keeps nine tenths of the accuracy of the dense net."""
    rows = pick(parts["sparse"], part="criteria")
    dense, = pick(rows, what="dense")
    few = next((row for row in pick(rows, what="magnitude") if 2000 < row["parameters"] <= FEW), None)
    if few is None:
        raise NotMeasured(f"no net is pruned to {FEW:,} parameters")
    return Judgement(f"test accuracy with {few['parameters']:,} of {dense['parameters']:,}", of_row(few, "accuracy"),
                     f"{few['runs']} runs", f"all of them: {in_words(of_row(dense, 'accuracy'))}",
                     first_true((few["accuracy_low"] > 0.9 * dense["accuracy"], HOLDS)))


def cost(parts):
    """Judge whether the widest pruned net costs less than 1.5 times the narrowest."""
    recipe = {kind: {row["hidden"]: row for row in pick(parts["sparse"], part="recipe", what=kind)}
              for kind in ("dense", "halved")}  # kind: {hidden units: row}
    narrow, wide = min(recipe["halved"]), max(recipe["halved"])
    # The widest interval that the intervals of the two ends allow.
    growth = {kind: {"value" + end: rows[wide]["microseconds" + end] / rows[narrow]["microseconds" + opposite]
                     for end, opposite in (("", ""), ("_low", "_high"), ("_high", "_low"))}
              for kind, rows in recipe.items()}
    faster = [str(hidden) for hidden, row in recipe["halved"].items()
              if row["microseconds_high"] < recipe["dense"][hidden]["microseconds_low"]]
    return Judgement(f"time of a run, {wide:,} units over {narrow}", growth["halved"],
                     f"{recipe['halved'][narrow]['runs']} runs",
                     f"dense {in_words(growth['dense'])}; the pruned run is faster at {', '.join(faster) or 'no'} "
                     "units",
                     first_true((growth["halved"]["value_high"] < 1.5, HOLDS)))


def stay_large(parts):
    """Judge whether four fifths of the largest weights at the end are among the largest after a tenth of training."""
    rows = sorted(pick(parts["sparse"], part="overlap"), key=lambda row: row["step"])
    untrained, end = rows[0], rows[-1]["step"]
    tenth = next(row for row in rows if row["step"] >= end / 10)
    most = next((row["step"] for row in rows if row["overlap_low"] > 0.8), end)
    return Judgement(f"share of the largest at the end so after {tenth['step']:,} of {end:,} samples",
                     of_row(tenth, "overlap"), f"{tenth['runs']} runs",
                     f"before training {in_words(of_row(untrained, 'overlap'))}; "
                     f"chance {tenth['chance']:.0%}; four fifths after {most:,}",
                     first_true((tenth["overlap_low"] > 0.8, HOLDS),
                                (tenth["overlap_low"] < 2 * untrained["overlap_high"], NOT),
                                (most < end, WHERE, f"{most / end:.0%} of training or more is over")))


def recurrent(parts):
    """Judge whether a net with few recurrent weights is faster, and loses less than 0.02 of accuracy."""
    (dense,), (blocks,) = (pick(parts["recurrent"], what=kind) for kind in ("dense", BLOCKS))
    return Judgement(f"test accuracy with {blocks['what']} of the recurrent weights", of_row(blocks, "accuracy"),
                     f"{blocks['runs']} runs", f"dense {in_words(of_row(dense, 'accuracy'))}; a step is "
                     f"{blocks['times_faster']:.1f} times faster (one timing)",
                     first_true((dense["accuracy"] - blocks["accuracy"] < 0.02 and blocks["times_faster"] > 1, HOLDS)))


CLAIMS = (  # claim, the source's number, rule
    ("most of the accuracy with few parameters", "0.832", few_parameters),
    ("cost no longer grows with hidden units", "in words", cost),
    ("large weights stay large", "in words", stay_large),
    ("recurrent nets too", "announced", recurrent),
)
