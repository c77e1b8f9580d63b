"""Claims on curvature, and on the steps that are made of it."""
import numpy as np

from gradnets import curvature, dynamics
from ledger.comparisons import null, predicted, reference, second
from ledger.rows import Row, any_of, brief, column, each_in_words, of_row, percent, pick, sample
from ledger.verdicts import HOLDS, NOT, WHERE, Claim, Judgement, first_true

SOURCE_STEP = 1e-9  # the source's step r of a finite difference

RIVALS = ("shifted", "L-BFGS", "Adam", "SGD")  # methods that saddle-free steps are compared with


def inverse(parts):
    """Judge whether the functional inverse equals Newton's step to 1e-6, also for batches larger than the inputs."""
    rows = parts["functional inverse"]
    exact, = pick(rows, what="complex-step")
    beyond = [row for row in rows if row.get("share", 0) > 1]
    low, high = min(row["error"] for row in beyond), max(row["error"] for row in beyond)
    at_step = {row["r"]: row for row in rows if row.get("what") == "finite-difference"}
    comparison = predicted(high=1e-6) | null("batch larger than inputs", {
        "value": float(np.median([row["error"] for row in beyond])), "value_low": low, "value_high": high})
    if SOURCE_STEP in at_step:
        comparison |= second("With the source's step r = 1e-9", "difference", of_row(at_step[SOURCE_STEP], "error"))
    return Judgement("relative difference, complex step", of_row(exact, "error"), f"{exact['runs']} runs",
                     f"In batches with more samples than inputs the difference is {100 * low:.0f} to {percent(high)}.",
                     first_true((exact["error_high"] > 1e-6, NOT),
                                (low > 1e-6, WHERE, "where a batch has no more samples than inputs"), (True, HOLDS)),
                     comparison)


def saddle_free(parts):
    """Judge whether saddle-free steps reach lower losses than pure Newton, and than every rival."""
    rows = Row({row["what"]: row for row in parts["second order"]})
    newton, saddle_free = (rows[f"digits, {name}"] for name in ("Newton", "saddle-free"))
    rivals = {name: rows[f"digits, {name}"] for name in RIVALS}
    as_good = [name for name, row in rivals.items() if row["loss_low"] < saddle_free["loss_high"]]
    points, = pick(parts["critical points"], what="critical points")
    best = min(rivals, key=lambda name: rivals[name]["loss"])
    return Judgement("loss after saddle-free steps", of_row(saddle_free, "loss"), f"{saddle_free['runs']} runs",
                     f"After the last step of pure Newton {newton['negative']:.0f} of {newton['parameters']} "
                     "curvatures are negative. "
                     + each_in_words("The loss after {name} steps is {value}", rivals, "loss")
                     + " The index of a critical point is its share of negative curvatures. Index and loss of "
                     f"{points['points']} critical points correlate at {points['spearman']:.2f}.",
                     first_true((newton["loss_low"] < saddle_free["loss_high"], NOT),
                                (as_good, WHERE, "where pure Newton is the alternative"), (True, HOLDS)),
                     null("pure Newton", of_row(newton, "loss")) | predicted(high=rivals[best]["loss"])
                     | reference(f"best rival: {best}", rivals[best]["loss"]))


def anisotropy(parts):
    """Judge whether curvatures of trained nets spread over more decades than those of a random matrix."""
    trained, untrained = (pick(parts["spectrum"], what=f"digits, {when}") for when in ("trained", "untrained"))
    size, = {row["parameters"] for row in trained}
    random = np.random.default_rng(0).normal(size=(size, size))
    chance = float(curvature.spectrum_summary(np.linalg.eigvalsh(random @ random.T))["decades"])
    return Judgement("decades from small to large curvatures", sample(trained, "decades"), f"{len(trained)} nets",
                     f"A random (Wishart) matrix has {chance:.1f} decades. Of {size} eigenvalues "
                     f"{brief(sample(trained, 'flat')['value'])} are rounding errors. "
                     f"Another {brief(sample(trained, 'negative')['value'])} are negative.",
                     first_true((np.quantile(column(trained, "decades"), 0.05) > chance, HOLDS)),
                     null("untrained", sample(untrained, "decades")) | reference("random matrix", chance)
                     | predicted(low=chance))


def lyapunov_exponents(parts):
    """Judge whether the largest exponent is positive in most runs, at every learning rate."""
    trainings = {part: pick(parts["lyapunov"], part=part) for part in ("full batch", "single samples")}
    chaotic = {part: [row for row in rows if dynamics.mostly_positive(row)] for part, rows in trainings.items()}
    copies = pick(parts["lyapunov"], part="nets on whole images")
    separating = sum(map(dynamics.mostly_positive, copies))
    positive, saturated = dynamics.positive_and_saturated([*trainings["full batch"],
                                                           *trainings["single samples"]])
    full_batch = trainings["full batch"]
    highest_window = max(row["highest_window"] for row in full_batch if "highest_window" in row)
    largest = max(full_batch, key=lambda row: row["exponent"])

    def shares(rows, name):
        return [f"{name.format(**row)} at rate {row['learning_rate']:g} the exponent is positive in "
                f"{percent(row['positive'] / row['runs'])} of the runs." for row in rows if row["positive"]]

    where = [f"{part.replace(' ', '-').removesuffix('s')} steps have the rate "
             + any_of(f"{row['learning_rate']:g}" for row in rows) for part, rows in chaotic.items() if rows]
    where += [f"the net reads whole images ({separating} of {len(copies)} settings)"] if separating else []
    return Judgement(f"largest exponent per step, full batch, rate {largest['learning_rate']:g}",
                     of_row(largest, "exponent"), f"{largest['runs']} runs at each of {len(full_batch)} rates",
                     " ".join([*shares(full_batch, "With full batch"),
                               *shares(trainings["single samples"], "With single samples"),
                               f"Of these {positive} runs at least {saturated} end above their first loss.",
                               *shares(copies, "In the net {net}"),
                               f"Two copies of a net on whole images separate at {separating} of {len(copies)} "
                               f"settings. The highest exponent of a short window is {highest_window:.2g}."]),
                     first_true((all(len(chaotic[part]) == len(rows) for part, rows in trainings.items()), HOLDS),
                                (where, WHERE, f"where {', or '.join(where)}")),
                     reference("no chaos", 0) | predicted(low=dynamics.NEAR_ZERO))


def third_order(parts):
    """Judge whether steps of order four save a tenth of Newton's iterations on every problem, and whether time too."""
    third, fourth = (pick(parts["third order"], order=order) for order in (3, 4))
    cases, ended = (sum(row[key] for row in fourth) for key in ("cases", "all_ended"))
    saved, times = (sample(fourth, key) for key in ("fewer_percent", "time_ratio"))
    chebyshev = sample(third, "fewer_percent")["value"]
    slower = max((row["parameters"] for row in fourth if row["time_ratio"] >= 1), default=0)
    largest = max(row["parameters"] for row in fourth)
    return Judgement("iterations saved by order 4, %", saved, f"{len(fourth)} problems, {cases} starts",
                     f"All methods end in {ended} of {cases} starts. Order 3, Chebyshev's step, saves "
                     f"{chebyshev:.0f} %. Order 4 takes {times['value']:.2f} of Newton's time.",
                     first_true((not (saved["value_low"] > 10 and ended > 0.9 * cases), NOT), (not slower, HOLDS),
                                (largest > slower, WHERE, f"where a problem has more than {slower:,} parameters"),
                                (True, WHERE, "where iterations count and not seconds")),
                     predicted(low=10) | second("Order 4, time over Newton's", "ratio", times, predicted_high=1))


CLAIMS = (
    Claim("the functional inverse is Newton's step", "The functional inverse is Newton's step", "to r = 1e-9", None,
          "difference", "the difference is at most 1e-6, also in batches with more samples than inputs", inverse),
    Claim("saddle-free steps are needed", "Training needs saddle-free steps", "in words", None, "loss",
          "saddle-free steps reach a lower loss than pure Newton, and than every rival", saddle_free),
    Claim("anisotropy at all scales", "Curvatures spread over all scales", "in words", None, "decades",
          "curvatures spread over more decades than those of a random matrix, in 95 % of the nets", anisotropy),
    Claim("positive Lyapunov exponents", "Training has positive Lyapunov exponents", "expected", None,
          "Lyapunov exponent", f"the exponent is above {dynamics.NEAR_ZERO:g} in more than half of the runs, at every "
          "learning rate", lyapunov_exponents),
    Claim("third and fourth order are practicable", "Third- and fourth-order steps are practicable", "hoped for", None,
          "percent of iterations", "order 4 saves more than 10 % of Newton's iterations in less than its time on every "
          "problem, and all methods end in more than nine starts of ten", third_order),
)
