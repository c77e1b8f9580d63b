"""Claims on curvature, and on the steps that are made of it."""
import numpy as np

from gradnets import curvature
from ledger.rows import Row, any_of, column, each_in_words, in_words, of_row, pick, sample, spread
from ledger.verdicts import HOLDS, NOT, WHERE, Judgement, first_true

RIVALS = ("shifted", "L-BFGS", "Adam", "SGD")  # methods that saddle-free steps are compared with


def inverse(parts):
    """Judge whether the functional inverse equals Newton's step to 1e-6, also for batches larger than the inputs."""
    rows = parts["functional inverse"]
    exact, = pick(rows, what="complex-step")
    beyond = [row for row in rows if row.get("share", 0) > 1]
    low, high = min(row["error"] for row in beyond), max(row["error"] for row in beyond)
    return Judgement("relative difference, complex step", of_row(exact, "error"), f"{exact['runs']} runs",
                     f"{low:.0%} to {high:.0%} where the batch is larger",
                     first_true((exact["error_high"] > 1e-6, NOT),
                                (low > 1e-6, WHERE, "a batch has no more samples than inputs"), (True, HOLDS)))


def saddle_free(parts):
    """Judge whether saddle-free steps reach lower losses than pure Newton, and than every rival."""
    rows = Row({row["what"]: row for row in parts["second order"]})
    newton, saddle_free = (rows[f"digits, {name}"] for name in ("Newton", "saddle-free"))
    rivals = {name: rows[f"digits, {name}"] for name in RIVALS}
    as_good = [name for name, row in rivals.items() if row["loss_low"] < saddle_free["loss_high"]]
    points, = pick(parts["critical points"], what="critical points")
    return Judgement("loss after saddle-free steps", of_row(saddle_free, "loss"), f"{saddle_free['runs']} runs",
                     f"pure Newton {in_words(of_row(newton, 'loss'))}, with {newton['negative']:.0f} negative "
                     f"eigenvalues; {each_in_words(rivals, 'loss')}; index and loss of {points['points']} critical "
                     f"points correlate at {points['spearman']:.2f}",
                     first_true((newton["loss_low"] < saddle_free["loss_high"], NOT),
                                (as_good, WHERE, "pure Newton is the alternative"), (True, HOLDS)))


def anisotropy(parts):
    """Judge whether curvatures of trained nets spread over more decades than those of a random matrix."""
    trained, untrained = (pick(parts["spectrum"], what=f"digits, {when}") for when in ("trained", "untrained"))
    size = trained[0]["parameters"]
    random = np.random.default_rng(0).normal(size=(size, size))
    chance = curvature.spectrum_summary(np.linalg.eigvalsh(random @ random.T))["decades"]
    return Judgement("decades from small to large curvatures", sample(trained, "decades"), f"{len(trained)} nets",
                     f"untrained {in_words(sample(untrained, 'decades'))}; a random (Wishart) matrix {chance:.1f}; of "
                     f"{size} eigenvalues {in_words(sample(trained, 'flat'))} are rounding, "
                     f"{in_words(sample(trained, 'negative'))} negative",
                     first_true((np.quantile(column(trained, "decades"), 0.05) > chance, HOLDS)))


def lyapunov_exponents(parts):
    """Judge whether the largest exponent is positive in most runs, at every learning rate."""
    trainings = {part: pick(parts["lyapunov"], part=part) for part in ("full batch", "single samples")}
    positive = {part: [row for row in rows if row["positive"] > row["runs"] / 2] for part, rows in trainings.items()}
    copies = pick(parts["lyapunov"], part="essay's net")
    separating = [row for row in copies if row["exponent_low"] > 0.02]
    full_batch = trainings["full batch"]
    highest_window = max(row["highest_window"] for row in full_batch if "highest_window" in row)
    largest = max(full_batch, key=lambda row: row["exponent"])

    def counts(part):
        return ", ".join(f"{row['learning_rate']:g} ({row['positive']} of {row['runs']})" for row in trainings[part]
                         if row["positive"]) or "no rate"

    where = [f"{part.replace(' ', '-').removesuffix('s')} steps have the rate "
             + any_of(f"{row['learning_rate']:g}" for row in rows) for part, rows in positive.items() if rows]
    where += ["the net is the essay's"] if separating else []
    return Judgement(f"largest exponent a step, full batch, rate {largest['learning_rate']:g}",
                     of_row(largest, "exponent"), f"{largest['runs']} runs at each of {len(full_batch)} rates",
                     f"positive: full batch at {counts('full batch')}, single samples at {counts('single samples')}; "
                     f"two copies of the essay's net part in {len(separating)} of {len(copies)} settings; windows "
                     f"reach {highest_window:.2g}",
                     first_true((all(len(positive[part]) == len(rows) for part, rows in trainings.items()), HOLDS),
                                (where, WHERE, ", or ".join(where))))


def third_order(parts):
    """Judge whether Chebyshev's step saves a tenth of Newton's iterations on every problem."""
    rows = parts["third order"]
    cases, ended = (sum(row[key] for row in rows) for key in ("cases", "both_ended"))
    saved = spread(column(rows, "fewer_percent"))
    return Judgement("iterations saved by Chebyshev's step, %", saved, f"{len(rows)} problems, {cases} starts",
                     f"both end in {ended}; one more product an iteration, near a minimum; seconds are not compared",
                     first_true((saved["value_low"] > 10 and ended > 0.9 * cases, WHERE,
                                 "iterations count and not seconds")))


CLAIMS = (  # claim, the source's number, rule
    ("the functional inverse is Newton's step", "to r = 1e-9", inverse),
    ("saddle-free steps are needed", "in words", saddle_free),
    ("anisotropy at all scales", "in words", anisotropy),
    ("positive Lyapunov exponents", "expected", lyapunov_exponents),
    ("third order is practicable", "hoped for", third_order),
)
