"""What is true of all this? Every claim that the sources make, beside what the scripts measure, with a verdict.

The scripts of this repository are run with the settings below, several at once, and the essay's gradient networks over
many seeds; from their rows follow the numbers, and from the numbers, by the rule beside each claim, its verdict:
holds; holds, but is explained by something simpler; holds only where something else does too; does not hold. With
--store FILE what is finished is kept there, so that a run that was interrupted goes on where it stopped.

Figure: all claims at a glance, by verdict. The ledger itself is claims.md, beside it, and claims_parts.json has the
rows of all scripts that it rests on.

Takes 15 minutes on two cores with real data; with --quick, on built-in data and few seeds, under two, and its verdicts
are those of a trial.
"""
import json
import textwrap
from functools import partial
from pathlib import Path

import numpy as np
from scipy import stats

import grad_network
from gradnets import comparison, datasets, ensemble, experiment, graphs, plots, sweep

QUICK = False               # built-in data, few seeds
JOBS = 2                    # worker processes
CLUSTER = ""                # tcp://host:8786 of a Dask cluster, in place of JOBS
STORE = ""                  # a file of finished parts to go on from; none: begin anew
PARTS = ""                  # a claims_parts.json: the ledger of its rows anew, without running anything
RUNS = 100                  # seeds of the gradient networks on MNIST; a fifth of them on CIFAR-10
DRAWS = 10                  # networks of each gradient and null
SEED = 0                    # seeds all

HOLDS, EXPLAINED, WHERE, NOT = "holds", "holds, explained by", "holds only where", "does not hold"
VERDICTS = {HOLDS: plots.INK, EXPLAINED: plots.BLUE, WHERE: "#b58a2a", NOT: plots.RED}

# Each part: a script, over how many seeds it is run as a whole (most have runs of their own), and the constants that
# differ from its own; --quick runs it once, with those of the last column too.
SCRIPTS = {
    "sparse": ("sparse_train", 1, {"DATASET": "mnist"}, {
        "STEPS": 5000, "WIDTHS": (32, 128, 512), "RUNS": 2, "CRITERIA": ("magnitude",), "PARAMETERS": (3180,)}),
    "recurrent": ("sparse_train", 1, {
        "MODEL": "rnn", "DATASET": "mnist", "STEPS": 60_000, "BURN_IN": 5000, "LEARNING_RATES": (0.05, 0.1, 0.15)},
        {"STEPS": 3000, "BURN_IN": 500, "RUNS": 2}),
    "second order": ("second_order", 1, {"DIGITS": "mnist", "RUNS": 5}, {
        "DATASETS": ("glyphs",), "STEPS": 10, "STARTS": 10, "FIRST_ORDER": 1000, "ITERATIONS": 20, "RUNS": 2}),
    "spectrum": ("second_order", 10, {"PARTS": ("spectrum",), "DIGITS": "mnist"}, {"FIRST_ORDER": 1000}),
    "motifs": ("motif_stats", 1, {}, {"RUNS": 4, "NULLS": 30, "EPOCHS": 5}),
    "tails": ("show_stats", 1, {"DATASETS": ("mnist", "cifar10", "noise", "noise-constant"), "RUNS": 10}, {
        "DATASETS": ("glyphs", "noise"), "STEPS": 3000, "REPLICATES": 10, "RUNS": 2}),
    "lyapunov": ("lyapunov", 1, {"DATASET": "mnist"}, {"RUNS": 2, "STEPS": 400, "TRANSIENT": 200, "WINDOW": 100}),
    "weights": ("weight_network", 5, {"DATASET": "mnist"}, {"IMAGES": 1000, "STEPS": 2000, "DRAWS": 10}),
    "rbm": ("minibatch_network", 1, {"MODEL": "rbm", "DATASET": "mnist", "BATCH_SIZES": (1,), "DRAWS": 3}, {
        "RUNS": 3, "STEPS": (0, 100)}),
    "deltas": ("show_delta_stats", 1, {"DATASET": "mnist", "RUNS": 10}, {
        "STEPS": (1, 10, 100, 1000), "REPLICATES": 10, "RUNS": 2}),
    "fractal": ("fractal_stats", 1, {"DATASETS": ("mnist", "noise"), "RUNS": 20}, {
        "DATASETS": ("glyphs", "noise"), "RUNS": 3}),
}


# ---- what is measured -------------------------------------------------------------------------------------

def parts_to_run(quick):
    """(part, how many seeds on) for each run of a script, the longest scripts first."""
    return [(part, k) for part, (_, seeds, *_) in SCRIPTS.items() for k in range(1 if quick else seeds)]


def settings_of(part, quick):
    """The script of a part, and the constants that differ from its own."""
    name, _, settings, shorter = SCRIPTS[part]
    if quick:
        settings = {key: "glyphs" if value == "mnist" else value for key, value in (settings | shorter).items()}
    return name, settings


def part_of(number, quick, seed):
    """One run of a script, for `ensemble.run`: its part, its seed, and its rows as one text of JSON."""
    part, k = parts_to_run(quick)[number]
    name, settings = settings_of(part, quick)
    rows = sweep.rows_of(name, settings | {"SEED": seed + k})
    runs = settings.get("RUNS", experiment.constants(experiment.ROOT / f"{name}.py").get("RUNS", (1,))[0])
    return {"part": part, "seed": seed + k, "rows": json.dumps([{"runs": runs} | row for row in rows], default=float)}


def gradient_network(seed, data, rate, draws):
    """The essay's network of one training run: a row of numbers, or of the run being degenerate."""
    dataset = datasets.load(data, limit=10_000)
    inputs = dataset.inputs.shape[1]
    gradient, _ = grad_network.last_gradient(dataset, inputs, 500, rate, 1, seed)
    if not (np.isfinite(gradient).all() and gradient[:inputs].any()):
        return {"seed": seed, "source": dataset.source, "degenerate": True}
    kinds, first = comparison.networks(graphs.probabilities(gradient)[:inputs], "merged", draws, seed)
    rows = {row["network"]: row for row in comparison.summary(kinds)}
    own, shuffled, degrees = (rows[name] for name in (comparison.OBSERVED, comparison.SHUFFLED, comparison.DEGREES))
    strengths = np.abs(gradient[:inputs]).sum(axis=1)
    return {"seed": seed, "source": dataset.source, "degenerate": False, "diameter": own["diameter"],
            "clustering": own["clustering"], "out_skew": own["out_skew"], "shuffled_skew": shuffled["out_skew"],
            "diameter_degrees": degrees["diameter"],
            "over_shuffled": shuffled["observed_over_this"], "over_degrees": degrees["observed_over_this"],
            "explained": float(np.corrcoef(first.sum(axis=1), strengths)[0, 1])}


def measure(quick, jobs, cluster, store, runs, seed):
    """The rows of all parts: {part: rows}, gradient networks as "gradients of DATA at RATE"."""
    how = {"jobs": jobs, "cluster": cluster, "store": store or None}
    found = ensemble.run(partial(part_of, quick=quick, seed=seed), range(len(parts_to_run(quick))), what="scripts",
                         modules=sorted({name for name, *_ in SCRIPTS.values()}), **how)
    parts = {}
    for row in found:
        parts.setdefault(row["part"], []).extend({"seed": row["seed"]} | one for one in json.loads(row["rows"]))
    cases = [("glyphs" if quick else "mnist", rate, runs) for rate in (0.01, 0.1, 1.0)]
    cases += [] if quick else [("cifar10", 0.1, max(3, runs // 5))]
    for data, rate, count in cases:
        what = f"gradients of {data} at {rate:g}"
        parts[what] = ensemble.run(partial(gradient_network, data=data, rate=rate, draws=DRAWS),
                                   range(seed, seed + count), what=what, **how)
    return parts


def read(path):
    """The rows of all parts, as a run before wrote them."""
    try:
        parts = json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError:
        parts = None
    if not isinstance(parts, dict) or set(SCRIPTS) - set(parts):
        raise ValueError(f"{path} has not the rows of all scripts: expected a claims_parts.json of this script")
    return parts


# ---- claims and their rules -------------------------------------------------------------------------------
# Each function yields rows of the ledger; the rule behind a verdict is the expression that picks it.

def first_true(*rules):
    """The verdict of the first rule, (condition, verdict, what completes it), whose condition is true; else NOT."""
    return next((" ".join(words) for condition, *words in rules if condition), NOT)


def row_of(claim, source, quantity, measured, n, beside, verdict):
    """A row of the ledger.

    claim, source : what the sources say, and their number
    quantity, measured : what is measured, and its median and middle 90 %: a sample, or three numbers in a dict
    n : over how many of what, in words
    beside : the null or control
    verdict : one of VERDICTS, and where it has to be said what explains it or where it holds
    """
    if not isinstance(measured, dict):
        measured = experiment.spread(value=measured)
    return {"claim": claim, "source": source, "quantity": quantity} | measured | {
        "n": n, "beside": beside, "verdict": verdict}


def from_row(row, key):
    """The median and interval of one quantity of a script's row."""
    return {"value" + end: row[key + end] for end in ("", "_low", "_high")}


def share(count, total):
    """A share, with its exact (Clopper-Pearson) 90 % interval."""
    low, high = stats.binomtest(int(count), int(total)).proportion_ci(0.9)
    return {"value": count / total, "value_low": low, "value_high": high}


def said(values, digits=3):
    """Median and middle 90 % of a sample in words."""
    low, middle, high = (f"{value:.{digits}g}" for value in np.quantile(values, (0.05, 0.5, 0.95),
                                                                        method="inverted_cdf"))
    return f"{middle} ({low} to {high})"


def column(rows, key):
    return np.array([row[key] for row in rows], dtype=float)


def networks(parts, data, rate):
    """The rows of gradient networks that are not degenerate, and in words how many of how many these are."""
    rows = parts[f"gradients of {data} at {rate:g}"]
    sound = [row for row in rows if not row["degenerate"]]
    lost = len(rows) - len(sound)
    return sound, f"{len(sound)} runs" + (f", {lost} more have no gradient" if lost else "")


def atypical(value, sample):
    """Whether a value is no likely member of a sample: two-sided rank test, p < 0.05."""
    above, below = np.count_nonzero(sample >= value), np.count_nonzero(sample <= value)
    return 2 * (min(above, below) + 1) / (len(sample) + 1) < 0.05


def by_degrees(rows):
    """The ratio to networks of the same degrees in words, and whether these cluster as much, or more."""
    ratio = column(rows, "over_degrees")
    return f"{said(ratio)} times networks of the same in- and out-degrees", np.quantile(ratio, 0.05) <= 1


def main_data(parts):
    return "mnist" if "gradients of mnist at 0.1" in parts else "glyphs"


def gradient_claims(parts):
    usual, n = networks(parts, main_data(parts), 0.1)
    words, same = by_degrees(usual)
    diameters, clustering = column(usual, "diameter"), column(usual, "clustering")
    yield row_of("a diameter of 4", "4", "diameter", diameters, n,
                 f"same in- and out-degrees: {said(column(usual, 'diameter_degrees'))}",
                 first_true((np.median(diameters) == 4, EXPLAINED, "the degrees")))
    rank = f"the source's is larger than {np.mean(clustering < 0.279):.0%} of ours; "
    yield row_of("a clustering of 0.279", "0.279", "average clustering", clustering, n, rank + words,
                 first_true((atypical(0.279, clustering), NOT), (same, EXPLAINED, "the degrees"), (True, HOLDS)))
    slow, n_slow = networks(parts, main_data(parts), 0.01)
    words, same = by_degrees(slow)
    yield row_of("much the same at learning rate 0.01", "0.259, diameter 5", "average clustering",
                 column(slow, "clustering"), n_slow, f"diameter {said(column(slow, 'diameter'))}; {words}",
                 first_true((atypical(0.259, column(slow, "clustering")), NOT), (same, EXPLAINED, "the degrees"),
                            (True, HOLDS)))
    skew, chance = column(usual, "out_skew"), column(usual, "shuffled_skew")
    yield row_of("skewed out-degrees", "hubs", "skew of out-degrees", skew, n, f"shuffled entries: {said(chance)}",
                 first_true((np.quantile(skew, 0.05) > np.quantile(chance, 0.95), HOLDS)))
    explained = column(usual, "explained")
    yield row_of("the input decides its unit's degree", "in words", "correlation of degree and |x|", explained, n,
                 "by construction: the gradient of one sample is an outer product, links of input i go with |x_i|",
                 first_true((np.median(explained) > 0.9, EXPLAINED, "rank one")))
    fast, n_fast = networks(parts, main_data(parts), 1.0)
    lower = column(fast, "clustering")
    yield row_of("deterioration at learning rate 1.0", "0.08, diameter 6", "average clustering", lower, n_fast,
                 f"at 0.1: {said(clustering)}; diameter {said(column(fast, 'diameter'))}; outputs saturate",
                 first_true((np.quantile(lower, 0.95) < np.median(clustering), HOLDS),
                            (np.median(lower) < np.median(clustering), WHERE, "outputs saturate")))
    if "gradients of cifar10 at 0.1" in parts:
        other, n = networks(parts, "cifar10", 0.1)
        words, same = by_degrees(other)
        found = column(other, "clustering")
        yield row_of("durable across data sets: CIFAR-10", "0.215, diameter 4", "average clustering", found, n,
                     f"diameter {said(column(other, 'diameter'))}; {words}",
                     first_true((atypical(0.215, found), NOT), (same, EXPLAINED, "the degrees"), (True, HOLDS)))
    machines = {row["steps"]: row for row in parts["rbm"]}
    before, after = machines[min(machines)], machines[max(machines)]
    yield row_of("gradients of Boltzmann machines are alike", "hoped for", "clustering over that of shuffled entries",
                 from_row(after, "over_shuffled"), f"{after['runs']} machines",
                 f"untrained {before['over_shuffled']:.2g}; over that of the same degrees {after['excess']:.2f} "
                 f"({after['excess_low']:.2f} to {after['excess_high']:.2f})",
                 first_true((after["over_shuffled_low"] <= 1, NOT),
                            (after["excess_low"] <= 1, EXPLAINED, "the degrees"), (True, HOLDS)))
    yield from weight_claims([row for row in parts["weights"] if row["when"] == "trained"])


def weight_claims(rows):
    nets = {}
    for row in rows:
        if row["method"] == "sample":
            nets.setdefault(row["init"], []).append(row)
    small = max(nets, key=lambda init: np.median(column(nets[init], "over_shuffled")))
    others = {init: column(found, "over_shuffled") for init, found in nets.items() if init != small}
    like_shuffled = np.quantile(column(nets[small], "over_shuffled"), 0.05) <= 1.05
    seeds = len({row["seed"] for row in rows})
    seeds = f"{seeds} seed{'s' * (seeds > 1)}"
    yield row_of("trained weights are not a complex network", "not one", "clustering over that of shuffled entries",
                 column(nets[small], "over_shuffled"), f"2 nets from {small}, {seeds}",
                 "; ".join(f"from {init} {said(found)}" for init, found in others.items())
                 + f"; over that of the same degrees {said(column(nets[small], 'over_degrees'))}",
                 first_true((like_shuffled, HOLDS), (all(np.median(found) <= 1.05 for found in others.values()), WHERE,
                                                     "the initial weights are large")))
    pairs = {}
    for row in rows:
        if row["layers"] == "merged":
            pairs.setdefault(row["init"], {}).setdefault(row["seed"], {})[row["method"]] = row["units_of_commonest"]
    ratios = {init: [pair["threshold"] / pair["sample"] for pair in found.values()] for init, found in pairs.items()}
    more = [init for init, found in ratios.items() if np.quantile(found, 0.05) > 1]
    most = max(ratios, key=lambda init: np.median(ratios[init]))
    yield row_of("thresholding multiplies degrees", "in words", "inputs of the commonest degree, over those when drawn",
                 ratios[most], f"{seeds}, {most}",
                 "; ".join(f"from {init} {said(found)}" for init, found in ratios.items() if init != most),
                 first_true((len(more) == len(ratios), HOLDS), (more, WHERE, f"the init is {' or '.join(more)}")))


def tail_claims(parts):
    rows = {(row["data"], row["what"], row["when"]): row for row in parts["tails"] if row["layer"] == 1}
    names = list(dict.fromkeys(data for data, *_ in rows))
    noises = [rows[name, "weights", "after"] for name in names if name.startswith("noise")]
    images = [rows[name, "weights", "after"] for name in names if not name.startswith("noise")]
    first, untrained = images[0], rows[images[0]["data"], "weights", "before"]
    n = f"{first['runs']} runs on {first['data']}"

    def also(key, some):
        return "".join(f"; {row['data']} {row[key]:.2f} ({row[key + '_low']:.2f} to {row[key + '_high']:.2f})"
                       for row in some)

    heavy = [row["data"] for row in images if row["skew_low"] > 1.2 * untrained["skew"]]
    yield row_of("trained weights have heavy tails", "histogram", "skew of |w|", from_row(first, "skew"), n,
                 f"untrained {untrained['skew']:.2f}{also('skew', images[1:])}",
                 first_true((len(heavy) == len(images), HOLDS), (heavy, WHERE, f"the data are {' or '.join(heavy)}")))
    trained = [row for row in rows.values() if row["when"] == "after"]
    out, total = (sum(row[key] for row in trained) for key in ("power_law_ruled_out", "runs"))
    by_what = {what: [row for row in trained if row["what"] == what] for what in ("weights", "gradients")}
    words = ", ".join(f"{what} {sum(row['power_law_ruled_out'] for row in found)} of "
                      f"{sum(row['runs'] for row in found)}" for what, found in by_what.items() if found)
    yield row_of("not a power law", "by eye", "share of tails where it is ruled out", share(out, total),
                 f"{total} trained tails",
                 f"{words}; by bootstrap of the searched tail (p < 0.1) or a law that fits better",
                 first_true((out > 0.9 * total, HOLDS), (out > total / 2, WHERE, "the tail is long enough to tell")))
    below = [row["data"] for row in images if row["beta_high"] < 1]
    yield row_of("perhaps stretched exponential", "a guess", "exponent over the top 90 %", from_row(first, "beta"), n,
                 f"stretched where below 1; untrained, a half-normal law, {untrained['beta']:.2f}"
                 f"{also('beta', images[1:] + noises)}",
                 first_true((len(below) == len(images), HOLDS), (below, WHERE, f"the data are {' or '.join(below)}")))
    worst = max(noises, key=lambda row: row["skew"])
    yield row_of("lost on noise", "histogram", "skew of |w|", from_row(worst, "skew"),
                 f"{worst['runs']} runs on {worst['data']}", f"untrained {untrained['skew']:.2f}{also('skew', images)}",
                 first_true((worst["skew_high"] < min(row["skew_low"] for row in images), HOLDS)))
    hidden = {row["step"]: row for row in parts["deltas"] if row["layer"] == 1}
    last = hidden[max(hidden)]
    yield row_of("cached deltas have heavy tails", "histogram", f"skew of |delta| at step {max(hidden):,}",
                 from_row(last, "skew"), f"{last['runs']} runs", f"within a sample {last['skew_within']:.2g}",
                 first_true((last["skew_low"] > 2 * last["skew_within"], EXPLAINED, "samples that differ in scale")))
    fits = [row for row in parts["fractal"] if "normal_is_closer" in row]
    closer, total = (sum(row[key] for row in fits) for key in ("normal_is_closer", "runs"))
    yield row_of("a Kronecker fractal has a like histogram", "by eye", "KS distance of standardised logarithms",
                 from_row(fits[0], "standardised_distance"), f"{fits[0]['runs']} runs on {fits[0]['matrix']}",
                 f"raw {fits[0]['raw_distance']:.2f}; a normal law {fits[0]['normal_distance']:.2f}, nearer in "
                 f"{closer} of {total}",
                 first_true((fits[0]["standardised_distance"] > 0.2, NOT), (share(closer, total)["value_high"] >= 0.5,
                            EXPLAINED, "any product's normal logarithm"), (True, HOLDS)))


def sparse_claims(parts):
    rows = parts["sparse"]
    criteria = [row for row in rows if row["part"] == "criteria"]
    dense, few = criteria[0], next(row for row in criteria if row["what"] == "magnitude"
                                   and 2000 < row["parameters"] <= 3180)
    yield row_of("most of the accuracy with few parameters", "0.832",
                 f"test accuracy with {few['parameters']:,} of {dense['parameters']:,}", from_row(few, "accuracy"),
                 f"{few['runs']} runs", f"all of them: {dense['accuracy']:.3f}",
                 first_true((few["accuracy_low"] > 0.9 * dense["accuracy"], HOLDS)))
    recipe = {what: [row for row in rows if row["part"] == "recipe" and row["what"] == what]
              for what in ("dense", "halved")}
    # The widest interval that the two ends allow.
    ends = {what: {"value" + end: found[-1]["microseconds" + end] / found[0]["microseconds" + other]
                   for end, other in (("", ""), ("_low", "_high"), ("_high", "_low"))}
            for what, found in recipe.items()}
    grown = {what: end["value"] for what, end in ends.items()}
    units = [found["hidden"] for found in recipe["halved"]]
    gain = [row["hidden"] for row, other in zip(recipe["halved"], recipe["dense"], strict=True)
            if row["microseconds"] < other["microseconds"]]
    yield row_of("cost no longer grows with hidden units", "in words",
                 f"time of a step, {units[-1]} units over {units[0]}", ends["halved"], f"{few['runs']} runs",
                 f"dense: {grown['dense']:.1f}; the pruned run is the faster one "
                 + (f"from {min(gain)} units on" if gain else "nowhere"),
                 first_true((grown["halved"] < 1.5, HOLDS), (gain and grown["halved"] < grown["dense"] / 2, WHERE,
                            f"there are {min(gain, default=0)} units or more")))
    overlap = [row for row in rows if row["part"] == "overlap"]
    early = next(row for row in overlap if row["step"] > 0)
    late = overlap[-2] if len(overlap) > 1 else overlap[-1]
    yield row_of("large weights stay large", "in words", f"share of the largest at the end so after {early['step']:,}",
                 from_row(early, "overlap"), f"{early['runs']} runs",
                 f"after {late['step']:,} samples of {overlap[-1]['step']:,}: {late['overlap']:.0%}; chance "
                 f"{early['chance']:.0%}",
                 first_true((early["overlap"] > 0.8, HOLDS), (late["overlap"] > 0.8, WHERE,
                                                              "training is well under way")))
    dense, blocks, *_ = parts["recurrent"]
    yield row_of("recurrent nets too", "announced", f"test accuracy with {blocks['what']} of the recurrent weights",
                 from_row(blocks, "accuracy"), f"{blocks['runs']} runs",
                 f"dense {dense['accuracy']:.3f}; a step is {blocks['times_faster']:.1f} times faster",
                 first_true((dense["accuracy"] - blocks["accuracy"] < 0.02 and blocks["times_faster"] > 1, HOLDS)))


def second_order_claims(parts):
    rows = {(row["part"], row["what"]): row for row in parts["second order"]}
    exact = rows["inverse", "complex-step"]
    beyond = [row["error"] for row in parts["second order"] if row.get("share", 0) > 1]
    yield row_of("the functional inverse is Newton's step", "to r = 1e-9", "relative difference, complex step",
                 from_row(exact, "error"), f"{exact['runs']} runs",
                 f"{min(beyond):.0%} to {max(beyond):.0%} where the batch is larger",
                 first_true((exact["error"] > 1e-6, NOT), (min(beyond) > 1e-6, WHERE,
                            "a batch has no more samples than inputs"), (True, HOLDS)))
    points = rows["index", "critical points"]
    newton, ours, shifted = (rows["race", f"digits, {name}"] for name in ("Newton", "saddle-free", "shifted"))
    yield row_of("saddle-free steps are needed", "in words", "loss after saddle-free steps", from_row(ours, "loss"),
                 f"{ours['runs']} runs",
                 f"pure Newton {newton['loss']:.3g}, at {newton['negative']:.0f} negative eigenvalues; shifted "
                 f"eigenvalues {shifted['loss']:.3g}; index and loss of {points['points']} critical points correlate "
                 f"at {points['spearman']:.2f}",
                 first_true((newton["loss"] < 1.2 * ours["loss"], NOT), (shifted["loss"] < 1.2 * ours["loss"], WHERE,
                            "negative eigenvalues are not shifted away"), (True, HOLDS)))
    spectra = {when: [row for row in parts["spectrum"] if row["what"] == f"digits, {when}"]
               for when in ("untrained", "trained")}
    decades = {when: column(found, "decades") for when, found in spectra.items()}
    trained = spectra["trained"]
    yield row_of("anisotropy at all scales", "in words", "decades between small and large curvatures",
                 decades["trained"], f"{len(trained)} nets",
                 f"untrained {said(decades['untrained'])}; negative {said(column(trained, 'negative'))} of "
                 f"{trained[0]['parameters']}, untrained {said(column(spectra['untrained'], 'negative'))}",
                 first_true((np.quantile(decades["trained"], 0.05) > 2, HOLDS)))
    full = [row for row in parts["lyapunov"] if row["part"] == "full batch"]
    positive = [row for row in full if row["positive"] > row["runs"] / 2]
    best = max(full, key=lambda row: row["exponent"])
    window = max(full, key=lambda row: row["highest_window"])
    yield row_of("positive Lyapunov exponents", "expected",
                 f"largest exponent per step, rate {best['learning_rate']:g}",
                 from_row(best, "exponent"), f"{best['runs']} runs",
                 f"positive in most runs at {len(positive)} of {len(full)} rates; windows reach "
                 f"{window['highest_window']:.2g} at {window['learning_rate']:g}",
                 first_true((len(positive) == len(full), HOLDS), (positive, WHERE, "the rate is " + " or ".join(
                     f"{row['learning_rate']:g}" for row in positive))))
    third = [row for row in parts["second order"] if row["part"] == "third"]
    saved = column(third, "fewer_percent")
    yield row_of("third order is practicable", "hoped for", "iterations saved by Chebyshev's step, %", saved,
                 f"{sum(row['cases'] for row in third)} starts, {len(third)} problems",
                 "near a minimum, for one more product an iteration",
                 first_true((min(saved) > 10, HOLDS)))


def motif_claims(parts):
    rows = parts["motifs"]
    n = f"6 nets of {rows[0]['runs']} seeds"
    learning = {(row["data"], row["init"], row["labels"]): row for row in rows if row["part"] == "learning"}
    real = {key[:2]: row for key, row in learning.items() if key[2] == "real"}
    control = [row for key, row in learning.items() if key[2] == "shuffled"]
    raised, tested = (sum(row[key] for row in control) for key in ("raised", "tested"))
    least = {init: min(row["raised"] for (_, other), row in real.items() if other == init) for _, init in real}
    shaped = [init for init, lowest in least.items() if lowest]
    yield row_of("learning shapes the topology", "motifs", "motifs that learning raises, %",
                 [100 * row["raised"] / row["tested"] for row in real.values()], n,
                 f"shuffled labels {raised} of {tested:,}; " + ", ".join(
                     f"{row['raised']} of {row['tested']} ({data}, {init})" for (data, init), row in real.items()),
                 first_true((raised >= sum(row["raised"] for row in real.values()), NOT),
                            (shaped == list(least), HOLDS), (shaped, WHERE, f"the init is {' or '.join(shaped)}")))
    beyond = {}
    for row in rows:
        if row["part"] == "beyond 2" and row["labels"] == "real" and row["epoch"] == 0:
            beyond.setdefault(row["null"], {}).setdefault(row["init"], []).append(row["percent"])
    layered = {init: np.mean(found) for init, found in beyond["layered"].items()}
    fanmod = [value for found in beyond["fanmod"].values() for value in found]
    biased = [init for init, value in layered.items() if value > 6]  # 5 % by chance, and some
    yield row_of("initialisation biases it", "Z of untrained nets", "motifs of untrained nets beyond Z 2, %",
                 np.concatenate(list(beyond["layered"].values())), n,
                 ", ".join(f"{init} {value:.1f}" for init, value in layered.items())
                 + f"; FANMOD's null, which detects layering: {min(fanmod):.0f} to {max(fanmod):.0f}",
                 first_true((len(biased) == len(layered), HOLDS),
                            (biased, WHERE, f"the init is {' or '.join(biased)}")))
    plain, others = ([row["created"] for (_, init), row in real.items() if init.startswith("normal") == is_plain]
                     for is_plain in (True, False))
    yield row_of("non-trivial initialisations promote motifs", "in words", "motifs created beyond Z 2", others,
                 f"4 nets of {rows[0]['runs']} seeds", f"from a small normal law: {', '.join(map(str, plain))}",
                 first_true((sum(others) > sum(plain), HOLDS)))


SECTIONS = {"Gradient networks": gradient_claims, "Tails": tail_claims, "Sparse training": sparse_claims,
            "Second order": second_order_claims, "Motifs": motif_claims}


def ledger(parts):
    """A row for each claim."""
    return [{"section": section} | row for section, claims in SECTIONS.items() for row in claims(parts)]


# ---- what is written --------------------------------------------------------------------------------------

def kind(row):
    """Which of VERDICTS that of a row is."""
    return max((verdict for verdict in VERDICTS if row["verdict"].startswith(verdict)), key=len)


def measured(row):
    """The number of a row with its interval, in words."""
    value, low, high = (f"{row['value' + end]:.3g}" for end in ("", "_low", "_high"))
    return value if low == high else f"{value} ({low} to {high})"


def finding(rows):
    counts = {verdict: sum(kind(row) == verdict for row in rows) for verdict in VERDICTS}
    return (f"Of {len(rows)} claims {counts[HOLDS]} hold, {counts[EXPLAINED]} hold and are explained by something "
            f"simpler, {counts[WHERE]} hold in places, {counts[NOT]} do not hold")


def as_markdown(rows, caption):
    lines = ["# Claims", "", f"{finding(rows)}. {' '.join(caption.split())}", ""]
    for section in SECTIONS:
        lines += [f"## {section}", "", "| claim | source | what is measured | here | n | beside it | verdict |",
                  "| --- | --- | --- | --- | --- | --- | --- |"]
        for row in rows:
            if row["section"] == section:
                cells = (row["claim"], row["source"], row["quantity"], measured(row), row["n"], row["beside"],
                         row["verdict"])
                lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        lines.append("")
    return "\n".join(lines)


@plots.styled
def picture(rows, title, caption):
    height = 0.46 * len(rows) + 0.3 * len(SECTIONS) + 1.7
    figure, panels = plots.figure([["claims"]], 15, height, title, caption)
    axes, place = panels["claims"], 0.0
    columns = {verdict: 0.30 + 0.042 * k for k, verdict in enumerate(VERDICTS)}
    for verdict, x in columns.items():
        axes.text(x, -0.4, verdict.removesuffix(" by").replace(" ", "\n", 2), fontsize=8, ha="center", va="bottom",
                  color=VERDICTS[verdict])
    for section in SECTIONS:
        axes.text(0, place, section, fontweight="bold", fontsize=10, va="center")
        place += 0.8
        for row in (row for row in rows if row["section"] == section):
            axes.axhline(place + 0.5, color=plots.PALE, lw=0.5, zorder=0)
            axes.text(0.005, place, row["claim"], fontsize=9, va="center")
            axes.text(0.205, place, row["source"], fontsize=8, va="center", color=plots.GREY)
            color = VERDICTS[kind(row)]
            axes.plot(columns[kind(row)], place, "o", color=color, ms=8)
            axes.text(0.46, place - 0.2, f"{row['quantity']}: {measured(row)}, {row['n']}", fontsize=8, va="center")
            beside = textwrap.shorten(row["beside"], 160, placeholder=" ...")
            axes.text(0.46, place + 0.2, beside, fontsize=7, va="center", color=plots.GREY)
            if row["verdict"] != kind(row):
                because = row["verdict"].removeprefix("holds").lstrip(", ")
                axes.text(1, place - 0.2, because, fontsize=8, va="center", ha="right", color=color)
            place += 1
    axes.set(xlim=(0, 1), ylim=(place - 0.5, -1.4), xticks=[], yticks=[])
    axes.spines[["left", "bottom"]].set_visible(False)
    return figure


def main():
    experiment.check_positive(JOBS=JOBS, RUNS=RUNS, DRAWS=DRAWS)
    runs = 4 if QUICK else RUNS
    parts = read(PARTS) if PARTS else measure(QUICK, JOBS, CLUSTER, STORE, runs, SEED)
    rows = ledger(parts)
    caption = (f"{'Trial on built-in data. ' if QUICK else ''}Medians and middle 90 % over n; shares with their exact "
               f"interval; seeds from {SEED} on.\n"
               + "; ".join(dict.fromkeys(rows[0]["source"] for what, rows in parts.items() if "gradients" in what))
               + ".")
    files = {".md": as_markdown(rows, caption), "_parts.json": parts}
    return rows, picture(rows, finding(rows), caption), files


if __name__ == "__main__":
    experiment.run(main)
