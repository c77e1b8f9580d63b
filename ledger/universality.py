"""The claims on universality and criticality: what the sources expect of training as a dynamical system."""
import numpy as np

from ledger.comparisons import predicted, reference
from ledger.rows import brief, column, in_words, pick, spread
from ledger.verdicts import HOLDS, NOT, WHERE, Claim, Judgement, NotMeasured, first_true

FEIGENBAUM = 4.669   # ratio of successive distances between doublings
NEAR = 0.05          # relative distance from it that the last ratio may have
FEWEST_NETS = 20     # that the verdict on universality needs
FEWEST_CASCADES = 5  # nets that double to the end, for a median of their last ratios
FEWEST_RUNS = 5      # of each gain, for the verdict on criticality
CLOSE = 0.1          # distance from zero of an exponent per step that counts as critical
VANISHED = -1.0      # log10 of first over last delta, below which gradients count as vanishing


def universality(parts):
    """Judge whether living nets double their periods with Feigenbaum's ratio; collapsed nets are the control.

    A net that has collapsed is a map of one number, its output's bias, so that its cascade says nothing about nets.
    """
    rows = parts["period doubling"]
    nets = [row for row in pick(rows, system="net") if "crossing" not in row]
    if len(nets) < FEWEST_NETS:
        raise NotMeasured(f"{len(nets)} nets are too few for a verdict")
    alive = [row for row in nets if row["alive"]]
    living, collapsed = ([row for row in nets if row["alive"] is state and "last_ratio" in row]
                         for state in (True, False))
    torus = sum(row["outcome"] == "torus" for row in alive)
    if len(living) < FEWEST_CASCADES:
        if len(collapsed) < FEWEST_CASCADES:
            raise NotMeasured(f"{len(living)} living and {len(collapsed)} collapsed nets double their periods: too few")
        number, verdict = spread(column(collapsed, "last_ratio")), None
    else:
        number, verdict = spread(column(living, "last_ratio")), HOLDS
    near = abs(number["value"] / FEIGENBAUM - 1) <= NEAR
    most = len(living) > len(alive) / 2
    beside = (f"Of {len(nets)} nets {len(alive)} are alive where their cycles end. Of these {len(living)} double their "
              f"periods and {torus} end in a torus. {len(collapsed)} nets double their periods after they collapsed")
    beside += f", with the last ratio {in_words(spread(column(collapsed, 'last_ratio')))}." if collapsed else "."
    well = [row for row in pick(rows, system="double well") if "ratio" in row]
    beside += f" The double well, the control, has {well[-1]['ratio']:.4f}."
    return Judgement(f"last ratio of distances between doublings, {'living' if verdict else 'collapsed'} nets", number,
                     f"{len(living if verdict else collapsed)} of {len(nets)} nets", beside,
                     first_true((not near, NOT), (verdict is None, WHERE, "where the net has collapsed"),
                                (not most, WHERE, "where periods double, not where a torus or a jump comes first"),
                                (True, HOLDS)),
                     reference("Feigenbaum's constant", FEIGENBAUM)
                     | predicted(low=(1 - NEAR) * FEIGENBAUM, high=(1 + NEAR) * FEIGENBAUM))


def criticality(parts):
    """Judge whether trained recurrent nets avoid vanishing gradients near criticality, from every initial gain.

    Untrained nets are the control: they are near criticality at few gains.
    """
    rows = parts["criticality"]
    nets = [row for row in rows if "accuracy" in row]
    if not nets or min(row["runs"] for row in nets) < FEWEST_RUNS:
        raise NotMeasured(f"fewer than {FEWEST_RUNS} runs at some gain")
    trained = [row for row in nets if _is_critical(row, "_after")]
    untrained = sum(_is_critical(row, "") for row in nets)
    ends = column(nets, "driven_after")
    points = [row for row in rows if "critical_gain" in row]
    words = " ".join(f"The critical gain of {row['init']} weights ({row['border']}) is "
                     f"{brief(row['critical_gain'])}." for row in points if row["border"] != "best accuracy")
    best = pick(points, border="best accuracy")
    words += "".join(f" With {row['init']} weights gains from {brief(row['critical_gain_low'])} to "
                     f"{brief(row['critical_gain_high'])} learn best." for row in best)
    missed = {row["gain"] for row in nets if row not in trained}
    kept = {row["gain"] for row in nets} - missed
    return Judgement("driven exponent after training", _over_all(nets, "driven_after"), f"{len(nets)} laws and gains",
                     f"{len(trained)} of {len(nets)} laws and gains are critical after training, {untrained} before. "
                     f"The exponent is below zero after training at {np.count_nonzero(ends < 0)} of them. Before "
                     f"training it is {in_words(_over_all(nets, 'driven'))}. {words}",
                     first_true((len(trained) <= untrained, NOT), (len(trained) == len(nets), HOLDS),
                                (not kept, NOT),
                                (True, WHERE, "where the initial gain is "
                                 + (_in_words(kept) if len(kept) <= len(missed) else f"not {_in_words(missed)}"))),
                     predicted(low=-CLOSE, high=CLOSE))


def _is_critical(row, end):
    """Return whether 95 % of the runs of a row have no vanishing gradient, and a driven exponent near zero."""
    return (row[f"deltas{end}_low"] >= VANISHED and row[f"driven{end}_low"] >= -CLOSE
            and row[f"driven{end}_high"] <= CLOSE)


def _over_all(rows, key):
    """Return the median over rows, and the least and largest end of their intervals."""
    return {"value": float(np.median(column(rows, key))), "value_low": min(column(rows, f"{key}_low")),
            "value_high": max(column(rows, f"{key}_high"))}


def _in_words(gains):
    return " or ".join(f"{gain:g}" for gain in sorted(gains))


CLAIMS = (
    Claim("universality of the learning rate", "Descent at rising rates shows Feigenbaum's universality",
          "in words", None, "ratio of distances",
          "the last ratio of distances between doublings of living nets has a median within 5 % of 4.669, and more "
          "than half of the living nets double their periods to the end; it holds where periods double if fewer do, "
          "and where the net has collapsed if fewer than five living nets do", universality),
    Claim("recurrent nets at criticality", "Recurrent nets that avoid vanishing gradients are at criticality",
          "in words", None, "Lyapunov exponent",
          "after training, in 95 % of the runs from each gain, the first delta is at least a tenth of the last one and "
          "the largest exponent driven by images is within 0.1 of zero; it fails if no more gains reach this after "
          "training than before", criticality),
)
