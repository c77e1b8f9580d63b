"""What is true of all this? Every claim that the sources make, beside what the scripts measure, with a verdict.

The scripts of this repository are run with the settings below, several at once, and the essay's gradient networks over
many seeds; from their rows follow the numbers, and from the numbers, by the rule beside each claim, its verdict:
holds; holds, but is explained by something simpler; holds only where something else does too; does not hold. With
--store FILE what is finished is kept there, so that a run that was interrupted goes on where it stopped.

Figure: all claims at a glance, by verdict. The ledger itself is claims.md, beside it, and claims_parts.json has the
rows of all scripts that it rests on.

Takes 17 minutes on two cores with real data; with --quick, on built-in data and few seeds, under two, and its verdicts
are those of a trial.
"""
import json
import textwrap
from functools import partial
from pathlib import Path

import numpy as np
from scipy import special, stats

import grad_network
import second_order
import show_stats
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
NOT_MEASURED = "not measured"
HEAVY, EXPONENTIAL = 2.0, "an exponential law has 2"  # the skew above which a tail is called heavy
VERDICTS = {HOLDS: plots.INK, EXPLAINED: plots.BLUE, WHERE: "#b58a2a", NOT: plots.RED, NOT_MEASURED: plots.GREY}
TIMED = ("sparse", "recurrent")  # parts that measure time: nothing else runs beside them

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
    "large init": ("show_stats", 1, {"DATASETS": ("mnist",), "INIT": "uniform(0.25)", "RUNS": 10}, {
        "DATASETS": ("glyphs",), "STEPS": 3000, "REPLICATES": 10, "RUNS": 2}),
    "lyapunov": ("lyapunov", 1, {"DATASET": "mnist"}, {"RUNS": 2, "STEPS": 400, "TRANSIENT": 200, "WINDOW": 100}),
    "weights": ("weight_network", 5, {"DATASET": "mnist"}, {"IMAGES": 1000, "STEPS": 2000, "DRAWS": 10}),
    "rbm": ("minibatch_network", 1, {"MODEL": "rbm", "DATASET": "mnist", "BATCH_SIZES": (1,), "DRAWS": 3}, {
        "RUNS": 3, "STEPS": (0, 100)}),
    "deltas": ("show_delta_stats", 1, {"DATASET": "mnist", "RUNS": 10}, {
        "STEPS": (1, 10, 100, 1000), "REPLICATES": 10, "RUNS": 2}),
    "fractal": ("fractal_stats", 1, {"DATASETS": ("mnist", "noise"), "RUNS": 20}, {
        "DATASETS": ("glyphs", "noise"), "RUNS": 5}),
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
    """One run of a script, for `ensemble.run`: its part, its seed, and its rows and data as texts of JSON."""
    datasets.loaded.clear()
    part, k = parts_to_run(quick)[number]
    name, settings = settings_of(part, quick)
    rows = sweep.rows_of(name, settings | {"SEED": seed + k})
    runs = settings.get("RUNS", experiment.constants(experiment.ROOT / f"{name}.py").get("RUNS", (1,))[0])
    rows = [{"runs": runs} | row for row in rows]
    return {"part": part, "seed": seed + k, "rows": json.dumps(rows, default=float), "data": loaded()}


def loaded():
    """What has been loaded since the last call, as a text of JSON."""
    found, datasets.loaded[:] = json.dumps(datasets.loaded), []
    return found


def gradient_network(seed, data, rate, draws):
    """The essay's network of one training run: a row of numbers, or of the run being degenerate."""
    datasets.loaded.clear()
    dataset = datasets.load(data, limit=10_000)
    inputs = dataset.inputs.shape[1]
    gradient, _ = grad_network.last_gradient(dataset, inputs, 500, rate, 1, seed)
    if not (np.isfinite(gradient).all() and gradient[:inputs].any()):
        return {"seed": seed, "data": loaded(), "degenerate": True}
    chances = graphs.probabilities(gradient)[:inputs]
    kinds, first = comparison.networks(chances, "merged", draws, seed)
    _, threshold_commonest = comparison.multiplicity(comparison.thresholded(chances).sum(axis=1).astype(int))
    rows = {row["network"]: row for row in comparison.summary(kinds)}
    own, shuffled, degrees = (rows[name] for name in (comparison.OBSERVED, comparison.SHUFFLED, comparison.DEGREES))
    strengths = np.abs(gradient[:inputs]).sum(axis=1)
    return {"seed": seed, "data": loaded(), "degenerate": False, "diameter": own["diameter"],
            "clustering": own["clustering"], "commonest": own["units_of_commonest"],
            "threshold_commonest": threshold_commonest, "out_skew": own["out_skew"],
            "shuffled_skew": shuffled["out_skew"], "diameter_degrees": degrees["diameter"],
            "over_shuffled": shuffled["observed_over_this"], "over_degrees": degrees["observed_over_this"],
            "explained": float(np.corrcoef(first.sum(axis=1), strengths)[0, 1])}


def measure(quick, jobs, cluster, store, runs, seed):
    """What was loaded, and the rows of all parts: {part: rows}, gradient networks as "gradients of DATA at RATE"."""
    names = parts_to_run(quick)
    timed = [k for k, (part, _) in enumerate(names) if part in TIMED]
    others = [k for k in range(len(names)) if k not in timed]
    one = partial(part_of, quick=quick, seed=seed)
    scripts = sorted({name for name, *_ in SCRIPTS.values()})
    found = []
    for numbers, width in ((timed, 1), (others, jobs)):
        try:
            found += ensemble.run(one, numbers, width, cluster if numbers is others else "", store or None,
                                  "scripts", modules=scripts)
        except ensemble.FailedSeed as failed:
            raise ValueError(f"of the scripts {', '.join(part for part, _ in names)} one failed: "
                             f"{experiment.one_line(failed.__cause__)}") from failed.__cause__
    parts = {}
    for row in found:
        parts.setdefault(row["part"], []).extend({"seed": row["seed"]} | one for one in json.loads(row["rows"]))
    cases = [("glyphs" if quick else "mnist", rate, runs) for rate in (0.01, 0.1, 1.0)]
    cases += [] if quick else [("cifar10", 0.1, max(3, runs // 5))]
    for data, rate, count in cases:
        what = f"gradients of {data} at {rate:g}"
        parts[what] = ensemble.run(partial(gradient_network, data=data, rate=rate, draws=DRAWS),
                                   range(seed, seed + count), jobs, cluster, store or None, what)
        found += parts[what]
    entries = [entry for row in found for entry in json.loads(row.pop("data"))]
    return [entry for k, entry in enumerate(entries) if entry not in entries[:k]], parts


def read(path):
    """How the rows of a run before came to be, what it had loaded, and the rows."""
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
        return found["how"], found["data"], found["parts"]
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"{path} has not the rows of all scripts: expected a claims_parts.json of this script"
                         ) from None


# ---- claims and their rules -------------------------------------------------------------------------------
# Each function takes the rows of all parts and returns what is measured, its number, over how many of what, what
# stands beside it, and the verdict: that of the first rule whose condition is true, else NOT.

class NotMeasured(ValueError):
    """The rows lack what a claim is about: all runs were degenerate, or a part has other settings."""


class Row(dict):
    """A dict whose missing keys tell a claim that it cannot be judged."""

    def __missing__(self, key):
        raise NotMeasured(f"there is no {key}")


def pick(rows, **wanted):
    """The rows with these values."""
    found = [row for row in rows if all(row.get(key) == value for key, value in wanted.items())]
    if not found:
        raise NotMeasured("no run has " + ", ".join(f"{key} {value}" for key, value in wanted.items()))
    return found


def column(rows, key):
    if not rows:
        raise NotMeasured("every run is degenerate")
    return np.array([row[key] for row in rows], dtype=float)


def sample(rows, key):
    """Median and middle 90 % of a column."""
    return experiment.spread(value=column(rows, key))


def of_row(row, key):
    """The median and interval of one quantity of a script's row."""
    return {"value" + end: row[key + end] for end in ("", "_low", "_high")}


def share(count, total):
    """A share, with its exact (Clopper-Pearson) 90 % interval."""
    low, high = stats.binomtest(int(count), int(total)).proportion_ci(0.9)
    return {"value": count / total, "value_low": low, "value_high": high}


def said(measured, digits=3):
    """A number with its interval in words."""
    value, low, high = (f"{measured['value' + end]:.{digits}g}" for end in ("", "_low", "_high"))
    return value if low == high else f"{value} ({low} to {high})"


def first_true(*rules):
    """The verdict of the first rule, (condition, verdict, what completes it), whose condition is true; else NOT."""
    return next((" ".join(words) for condition, *words in rules if condition), NOT)


def any_of(names):
    return " or ".join(dict.fromkeys(names))


def networks(parts, data, rate):
    """The rows of gradient networks that are not degenerate, and in words how many of how many these are."""
    if f"gradients of {data} at {rate:g}" not in parts:
        raise NotMeasured(f"{data} is looked at with real data alone")
    rows = parts[f"gradients of {data} at {rate:g}"]
    sound = [row for row in rows if not row["degenerate"]]
    lost = len(rows) - len(sound)
    return sound, f"{len(sound)} runs" + (f", {lost} more have no gradient" if lost else "")


def main_networks(parts, rate):
    return networks(parts, "mnist" if "gradients of mnist at 0.1" in parts else "glyphs", rate)


def atypical(value, found):
    """Whether a value is no likely member of a sample: a two-sided rank test at 5 %, which takes 40 of them to say so.
    """
    outside = min(np.count_nonzero(found >= value), np.count_nonzero(found <= value))
    if outside == 0 and len(found) < 40:
        raise NotMeasured(f"{value:g} is beyond all of {len(found)} runs, too few for a test at 5 %")
    return 2 * (outside + 1) / (len(found) + 1) < 0.05


def by_degrees(rows):
    """Whether degrees explain the clustering: in nine runs of ten theirs is as large, to 10 %, or larger; in words."""
    same = np.quantile(column(rows, "over_degrees"), 0.9) <= 1.1
    return same, f"{said(sample(rows, 'over_degrees'))} times networks of the same in- and out-degrees"


def diameters(rows, number):
    """Ours, and how often the source's occurs, in words."""
    found = column(rows, "diameter")
    return f"diameter {said(sample(rows, 'diameter'))}, the source's {number} in {np.mean(found == number):.0%}"


def number_of_source(rows, key, number):
    """The rules for a number of the source that we measure too, and what stands beside ours."""
    found = column(rows, key)
    same, words = by_degrees(rows)
    rank = f"the source's is larger than {np.mean(found < number):.0%} of ours"
    return first_true((atypical(number, found), NOT), (same, EXPLAINED, "the degrees"), (True, HOLDS)), rank, words


def diameter(parts):
    rows, n = main_networks(parts, 0.1)
    own, degrees = sample(rows, "diameter"), sample(rows, "diameter_degrees")
    return "diameter", own, n, f"same in- and out-degrees: {said(degrees)}", first_true(
        (own["value"] != 4, NOT), (degrees["value"] == own["value"], EXPLAINED, "the degrees"), (True, HOLDS))


def clustering(parts):
    rows, n = main_networks(parts, 0.1)
    verdict, rank, words = number_of_source(rows, "clustering", 0.279)
    return "average clustering", sample(rows, "clustering"), n, f"{rank}; {words}", verdict


def slow(parts):
    rows, n = main_networks(parts, 0.01)
    verdict, rank, words = number_of_source(rows, "clustering", 0.259)
    return ("average clustering", sample(rows, "clustering"), n, f"{rank}; {diameters(rows, 5)}; {words}", verdict)


def hubs(parts):
    rows, n = main_networks(parts, 0.1)
    return ("skew of out-degrees", sample(rows, "out_skew"), n,
            f"shuffled entries: {said(sample(rows, 'shuffled_skew'))}",
            first_true((np.mean(column(rows, "out_skew") > column(rows, "shuffled_skew")) > 0.95, HOLDS)))


def inputs_decide(parts):
    rows, n = main_networks(parts, 0.1)
    return ("correlation of a unit's links with |x|", sample(rows, "explained"), n,
            "by construction: the gradient of one sample is an outer product",
            first_true((np.median(column(rows, "explained")) > 0.9, EXPLAINED, "rank one")))


def deterioration(parts):
    usual, n_usual = main_networks(parts, 0.1)
    fast, n = main_networks(parts, 1.0)
    slower, faster = (column(rows, "clustering") for rows in (usual, fast))
    if special.binom(len(slower) + len(faster), len(faster)) < 100:
        raise NotMeasured(f"{len(faster)} and {len(slower)} runs are too few for a rank test at 1 %")
    p = stats.mannwhitneyu(faster, slower, alternative="less").pvalue
    return ("average clustering", sample(fast, "clustering"), n,
            f"at 0.1 {said(sample(usual, 'clustering'))}, {n_usual}; lower by a rank test, p = {p:.1g}; "
            f"{diameters(fast, 6)}", first_true((p < 0.01, HOLDS)))


def cifar10(parts):
    rows, n = networks(parts, "cifar10", 0.1)
    verdict, rank, words = number_of_source(rows, "clustering", 0.215)
    return ("average clustering", sample(rows, "clustering"), n, f"{rank}; {diameters(rows, 4)}; {words}", verdict)


def boltzmann(parts):
    machines = {row["steps"]: row for row in parts["rbm"]}
    before, after = machines[min(machines)], machines[max(machines)]
    return ("clustering over that of shuffled entries", of_row(after, "over_shuffled"), f"{after['runs']} machines",
            f"untrained {said(of_row(before, 'over_shuffled'))}; over that of the same degrees "
            f"{said(of_row(after, 'excess'))}",
            first_true((after["over_shuffled_low"] <= 1, NOT), (after["excess"] <= 1.1, EXPLAINED, "the degrees"),
                       (True, HOLDS)))


def weights(parts):
    rows = pick(parts["weights"], when="trained", method="sample")
    nets = {}
    for row in rows:
        nets.setdefault((row["net"], row["init"]), []).append(row)
    found = {net: sample(own, "over_shuffled") for net, own in nets.items()}
    worst = max(found, key=lambda net: found[net]["value"])
    plain = {init: all(found[net]["value"] <= 1.05 for net in found if net[1] == init) for _, init in found}
    beside = "; ".join(f"{net}, {init}: {said(found[net, init])}" for net, init in found if (net, init) != worst)
    return (f"clustering over that of shuffled entries, {worst[0]}, {worst[1]}", found[worst],
            f"{len(nets[worst])} seed" + "s" * (len(nets[worst]) > 1),
            f"{beside}; over that of the same degrees {said(sample(nets[worst], 'over_degrees'))}",
            first_true((all(plain.values()), HOLDS),
                       (any(plain.values()), WHERE, f"the init is {any_of(k for k, v in plain.items() if v)}")))


def thresholding(parts):
    rows, n = main_networks(parts, 0.1)
    ratios = column(rows, "threshold_commonest") / column(rows, "commonest")
    pairs = {}
    for row in pick(parts["weights"], when="trained", layers="merged"):
        pairs.setdefault(row["init"], {}).setdefault(row["seed"], {})[row["method"]] = row["units_of_commonest"]
    of_weights = {init: [pair["threshold"] / pair["sample"] for pair in own.values()] for init, own in pairs.items()}
    return ("inputs of the commonest degree, over those when drawn", experiment.spread(value=ratios), n,
            "of weights: " + "; ".join(f"{said(experiment.spread(value=found))} from {init}, n = {len(found)}"
                                       for init, found in of_weights.items()),
            first_true((np.quantile(ratios, 0.05) > 1, HOLDS)))


def tails_of(parts, what):
    """{data: row} of the trained first layers on images, and on noise; and the untrained row of the first data set."""
    rows = pick(parts["tails"], layer=1, what=what)
    after = {row["data"]: row for row in rows if row["when"] == "after"}
    images = {data: row for data, row in after.items() if not data.startswith("noise")}
    noise = {data: row for data, row in after.items() if data.startswith("noise")}
    return images, noise, pick(rows, when="before", data=next(iter(images)))[0]


def also(key, rows):
    return "; ".join(f"{data} {said(of_row(row, key))}" for data, row in rows.items())


def heavy_weights(parts):
    images, _, untrained = tails_of(parts, "weights")
    small, large = show_stats.INIT, SCRIPTS["large init"][2]["INIT"]
    wide = pick(parts["large init"], layer=1, what="weights", when="after")[0]
    heavy = [data for data, row in images.items() if row["skew_low"] > HEAVY]
    where = [f"the data are {any_of(heavy)}"] * (len(heavy) < len(images))
    where += [f"the init is {small}"] * (wide["skew_low"] <= HEAVY)
    (data, row), *others = images.items()
    return (f"skew of |weights| on {data}, from {small}", of_row(row, "skew"), f"{row['runs']} runs",
            "; ".join(filter(None, [EXPONENTIAL, f"untrained {said(of_row(untrained, 'skew'))}",
                                    also("skew", dict(others)),
                                    f"{wide['data']} from {large} {said(of_row(wide, 'skew'))}"])),
            first_true((not heavy, NOT), (where, WHERE, " and ".join(where)), (True, HOLDS)))


def heavy_gradients(parts):
    images, noise, untrained = tails_of(parts, "gradients")
    heavy = [data for data, row in images.items() if row["skew_low"] > HEAVY]
    (data, row), *others = images.items()
    return (f"skew of |gradients| on {data}", of_row(row, "skew"), f"{row['runs']} runs",
            "; ".join(filter(None, [EXPONENTIAL, f"untrained {said(of_row(untrained, 'skew'))}",
                                    also("skew", dict(others) | noise)])),
            first_true((len(heavy) == len(images), HOLDS), (heavy, WHERE, f"the data are {any_of(heavy)}")))


def no_power_law(parts):
    kinds = {}
    for what in ("weights", "gradients"):
        images, *_ = tails_of(parts, what)
        kinds[what] = [sum(row[key] for row in images.values()) for key in ("power_law_ruled_out", "runs")]
    hidden = pick(parts["deltas"], layer=1)[-1]
    kinds["deltas"] = [hidden["power_law_ruled_out"], hidden["runs"]]
    shown = min(kinds, key=lambda what: kinds[what][0] / kinds[what][1])
    out = [what for what, (count, total) in kinds.items() if count >= 0.9 * total]
    return (f"share of tails of {shown} where it is ruled out", share(*kinds[shown]), f"{kinds[shown][1]} nets",
            "; ".join(f"{what} {count} of {total}" for what, (count, total) in kinds.items())
            + "; by bootstrap of the searched tail (p < 0.1), or a law that fits better",
            first_true((len(out) == len(kinds), HOLDS), (out, WHERE, f"the tails are those of {any_of(out)}")))


def stretched(parts):
    images, _, untrained = tails_of(parts, "weights")
    best = {data: row["top_90_percent"] for data, row in images.items()}
    found = [data for data, law in best.items() if law.startswith("stretched") and images[data]["beta_high"] < 1]
    data, row = next(iter(images.items()))
    return (f"exponent over the top 90 % on {data}", of_row(row, "beta"), f"{row['runs']} runs",
            "best law: " + "; ".join(f"{data} {law}" for data, law in best.items())
            + f"; stretched below 1, untrained {said(of_row(untrained, 'beta'))}",
            first_true((len(found) == len(images), HOLDS), (found, WHERE, f"the data are {any_of(found)}")))


def lost_on_noise(parts):
    images, noise, untrained = tails_of(parts, "weights")
    worst = max(noise, key=lambda data: noise[data]["skew"])
    return (f"skew of |weights| on {worst}", of_row(noise[worst], "skew"), f"{noise[worst]['runs']} runs",
            f"untrained {said(of_row(untrained, 'skew'))}; {also('skew', images)}",
            first_true((noise[worst]["skew_low"] <= 1.2 * untrained["skew"] and noise[worst]["skew_high"]
                        < min(row["skew_low"] for row in images.values()), HOLDS)))


def heavy_deltas(parts):
    last = pick(parts["deltas"], layer=1)[-1]
    return (f"skew of |deltas| at step {last['step']:,}", of_row(last, "skew"), f"{last['runs']} runs",
            f"{EXPONENTIAL}; within a sample {said(of_row(last, 'skew_within'))}",
            first_true((last["skew_low"] <= HEAVY, NOT), (last["skew_within"] < last["skew"] / 2, EXPLAINED,
                                                          "samples that differ in scale"), (True, HOLDS)))


def fractal(parts):
    row = next(row for row in parts["fractal"] if "normal_is_closer" in row)
    closer, total = row["normal_is_closer"], row["runs"]
    if total < 5:
        raise NotMeasured(f"{total} runs are too few to tell the fractal's law from a normal one")
    return (f"KS distance of logarithms, {row['matrix']}", of_row(row, "large_order_distance"), f"{total} runs",
            f"before standardising {said(of_row(row, 'raw_distance'))}; a normal law "
            f"{said(of_row(row, 'normal_distance'))}, nearer in {closer} of {total}",
            first_true((row["large_order_distance"] > 0.2, NOT), (share(closer, total)["value_high"] >= 0.5, EXPLAINED,
                       "any product's normal logarithm"), (True, HOLDS)))


def few_parameters(parts):
    dense, *others = pick(parts["sparse"], part="criteria")
    few = next(row for row in pick(others, what="magnitude") if 2000 < row["parameters"] <= 3180)
    return (f"test accuracy with {few['parameters']:,} of {dense['parameters']:,}", of_row(few, "accuracy"),
            f"{few['runs']} runs", f"all of them: {said(of_row(dense, 'accuracy'))}",
            first_true((few["accuracy_low"] > 0.9 * dense["accuracy"], HOLDS)))


def cost(parts):
    recipe = {what: pick(parts["sparse"], part="recipe", what=what) for what in ("dense", "halved")}
    # The widest interval that those of the two ends allow.
    grown = {what: {"value" + end: rows[-1]["microseconds" + end] / rows[0]["microseconds" + other]
                    for end, other in (("", ""), ("_low", "_high"), ("_high", "_low"))}
             for what, rows in recipe.items()}
    narrow, wide = (recipe["halved"][k]["hidden"] for k in (0, -1))
    gain = [row["hidden"] for row, other in zip(recipe["halved"], recipe["dense"], strict=True)
            if row["microseconds_high"] < other["microseconds_low"]]
    return (f"time of a run, {wide:,} units over {narrow}", grown["halved"], f"{recipe['halved'][0]['runs']} runs",
            f"dense {said(grown['dense'])}; the pruned run is faster at {', '.join(map(str, gain)) or 'no'} units",
            first_true((grown["halved"]["value_high"] < 1.5, HOLDS)))


def stay_large(parts):
    rows = pick(parts["sparse"], part="overlap")
    end = rows[-1]["step"]
    tenth = next(row for row in rows if row["step"] >= end / 10)
    most = next(row["step"] for row in rows if row["overlap_low"] > 0.8)
    return (f"share of the largest at the end so after {tenth['step']:,} of {end:,} samples",
            of_row(tenth, "overlap"), f"{tenth['runs']} runs", f"before training {said(of_row(rows[0], 'overlap'))}; "
            f"chance {tenth['chance']:.0%}; four fifths after {most:,}",
            first_true((tenth["overlap_low"] > 0.8, HOLDS), (tenth["overlap_low"] < 2 * rows[0]["overlap_high"], NOT),
                       (most < end, WHERE, f"{most / end:.0%} of training or more is over")))


def recurrent(parts):
    dense, blocks, *_ = parts["recurrent"]
    return (f"test accuracy with {blocks['what']} of the recurrent weights", of_row(blocks, "accuracy"),
            f"{blocks['runs']} runs", f"dense {said(of_row(dense, 'accuracy'))}; a step is "
            f"{blocks['times_faster']:.1f} times faster (one timing)",
            first_true((dense["accuracy"] - blocks["accuracy"] < 0.02 and blocks["times_faster"] > 1, HOLDS)))


def inverse(parts):
    rows = pick(parts["second order"], part="inverse")
    exact = pick(rows, what="complex-step")[0]
    beyond = [row for row in rows if row.get("share", 0) > 1]
    low, high = min(row["error"] for row in beyond), max(row["error"] for row in beyond)
    return ("relative difference, complex step", of_row(exact, "error"), f"{exact['runs']} runs",
            f"{low:.0%} to {high:.0%} where the batch is larger",
            first_true((exact["error_high"] > 1e-6, NOT),
                       (low > 1e-6, WHERE, "a batch has no more samples than inputs"), (True, HOLDS)))


def saddle_free(parts):
    rows = {row["what"]: row for row in parts["second order"] if row["part"] in ("race", "index")}
    newton, ours = (rows[f"digits, {name}"] for name in ("Newton", "saddle-free"))
    rivals = {name: rows[f"digits, {name}"] for name in ("shifted", "L-BFGS", "Adam", "SGD")}
    as_good = [name for name, row in rivals.items() if row["loss_low"] < ours["loss_high"]]
    points = rows["critical points"]
    return ("loss after saddle-free steps", of_row(ours, "loss"), f"{ours['runs']} runs",
            f"pure Newton {said(of_row(newton, 'loss'))}, with {newton['negative']:.0f} negative eigenvalues; "
            f"{also('loss', rivals)}; index and loss of {points['points']} critical points correlate at "
            f"{points['spearman']:.2f}",
            first_true((newton["loss_low"] < ours["loss_high"], NOT),
                       (as_good, WHERE, "pure Newton is the alternative"), (True, HOLDS)))


def anisotropy(parts):
    trained, untrained = (pick(parts["spectrum"], what=f"digits, {when}") for when in ("trained", "untrained"))
    size = trained[0]["parameters"]
    random = np.random.default_rng(0).normal(size=(size, size))
    chance = second_order.spectrum_row(np.linalg.eigvalsh(random @ random.T))["decades"]
    return ("decades from small to large curvatures", sample(trained, "decades"), f"{len(trained)} nets",
            f"untrained {said(sample(untrained, 'decades'))}; a random (Wishart) matrix {chance:.1f}; of {size} "
            f"eigenvalues {said(sample(trained, 'flat'))} are rounding, {said(sample(trained, 'negative'))} negative",
            first_true((np.quantile(column(trained, "decades"), 0.05) > chance, HOLDS)))


def lyapunov_exponents(parts):
    found = {part: pick(parts["lyapunov"], part=part) for part in ("full batch", "single samples", "essay's net")}
    positive = {part: [row for row in found[part] if row["positive"] > row["runs"] / 2]
                for part in ("full batch", "single samples")}
    copies = found["essay's net"]
    essays = [row for row in copies if row["exponent_low"] > 0.02]
    window = max((row for row in found["full batch"] if "highest_window" in row), key=lambda row: row["highest_window"])
    most = max(found["full batch"], key=lambda row: row["exponent"])

    def counts(part):
        return ", ".join(f"{row['learning_rate']:g} ({row['positive']} of {row['runs']})" for row in found[part]
                         if row["positive"]) or "no rate"

    where = [f"{part.replace(' ', '-').removesuffix('s')} steps have the rate "
             + any_of(f"{row['learning_rate']:g}" for row in rows) for part, rows in positive.items() if rows]
    where += ["the net is the essay's"] if essays else []
    return (f"largest exponent a step, full batch, rate {most['learning_rate']:g}", of_row(most, "exponent"),
            f"{most['runs']} runs at each of {len(found['full batch'])} rates",
            f"positive: full batch at {counts('full batch')}, single samples at {counts('single samples')}; two copies "
            f"of the essay's net part in {len(essays)} of {len(copies)} settings; windows reach "
            f"{window['highest_window']:.2g}",
            first_true((all(len(positive[part]) == len(found[part]) for part in positive), HOLDS),
                       (where, WHERE, ", or ".join(where))))


def third_order(parts):
    rows = pick(parts["second order"], part="third")
    cases, ended = (sum(row[key] for row in rows) for key in ("cases", "both_ended"))
    saved = experiment.spread(value=column(rows, "fewer_percent"))
    return ("iterations saved by Chebyshev's step, %", saved, f"{len(rows)} problems, {cases} starts",
            f"both end in {ended}; one more product an iteration, near a minimum; seconds are not compared",
            first_true((saved["value_low"] > 10 and ended > 0.9 * cases, WHERE, "iterations count and not seconds")))


def learned_motifs(parts):
    """{(init, labels): [raised, created, tested]} over the data sets, and how many nets of how many seeds."""
    found = {}
    rows = pick(parts["motifs"], part="learning")
    for row in rows:
        own = found.setdefault((row["init"], row["labels"]), [0, 0, 0])
        for place, key in enumerate(("raised", "created", "tested")):
            own[place] += row[key]
    return found, f"{len({(row['data'], row['init']) for row in rows})} nets of {rows[0]['runs']} seeds"


def more_often(one, other):
    """Whether a share, (count, total), is larger than another: Fisher's exact test at 1 %."""
    table = [[count, total - count] for count, total in (one, other)]
    return stats.fisher_exact(table, alternative="greater").pvalue < 0.01


def topology(parts):
    found, n = learned_motifs(parts)
    real, shuffled = ({init: (own[0], own[2]) for (init, of), own in found.items() if of == labels}
                      for labels in ("real", "shuffled"))
    control = tuple(sum(own[k] for own in shuffled.values()) for k in (0, 1))
    shaped = [init for init, own in real.items() if more_often(own, control)]
    return ("share of motifs that learning raises", share(*(sum(own[k] for own in real.values()) for k in (0, 1))), n,
            ", ".join(f"{init} {own[0]} of {own[1]}" for init, own in real.items())
            + f"; shuffled labels {control[0]} of {control[1]:,}",
            first_true((shaped == list(real), HOLDS), (shaped, WHERE, f"the init is {any_of(shaped)}")))


def initialisation(parts):
    rows = pick(parts["motifs"], part="beyond 2", epoch=0)
    layered = {}
    for row in pick(rows, null="layered"):
        layered.setdefault(row["init"], []).append(row)
    fanmod = column(pick(rows, null="fanmod"), "percent")
    medians = {init: column(own, "percent") for init, own in layered.items()}
    biased = [init for init, own in layered.items() if min(row["percent_low"] for row in own) > 5]
    return ("motifs of untrained nets beyond Z 2, %", experiment.spread(value=np.concatenate(list(medians.values()))),
            f"{len(pick(rows, null='layered'))} groups of {rows[0]['runs']} seeds",
            "layers kept; " + ", ".join(f"{init} {found.mean():.1f}" for init, found in medians.items())
            + f", 5 by chance; FANMOD's null, which detects layering: {fanmod.min():.0f} to {fanmod.max():.0f}",
            first_true((len(biased) == len(layered), HOLDS), (biased, WHERE, f"the init is {any_of(biased)}")))


def promotion(parts):
    found, n = learned_motifs(parts)
    plain, others = ([own for (init, labels), own in found.items() if labels == "real"
                      and init.startswith("normal") == is_plain] for is_plain in (True, False))
    plain, others = (tuple(sum(own[k] for own in group) for k in (1, 2)) for group in (plain, others))
    return ("share of motifs created beyond Z 2", share(*others), n,
            f"{others[0]} of {others[1]}; from a small normal law {plain[0]} of {plain[1]}",
            first_true((more_often(others, plain), HOLDS)))


# By section: the claim, the source's number, and its function.
CLAIMS = {
    "Gradient networks": (
        ("a diameter of 4", "4", diameter),
        ("a clustering of 0.279", "0.279", clustering),
        ("much the same at learning rate 0.01", "0.259, diameter 5", slow),
        ("skewed out-degrees", "hubs", hubs),
        ("inputs decide the degrees", "in words", inputs_decide),
        ("deterioration at learning rate 1.0", "0.08, diameter 6", deterioration),
        ("durable across data sets: CIFAR-10", "0.215, diameter 4", cifar10),
        ("gradients of Boltzmann machines are alike", "hoped for", boltzmann),
        ("trained weights are not a complex network", "not one", weights),
        ("thresholding multiplies degrees", "in words", thresholding)),
    "Tails": (
        ("trained weights have heavy tails", "histogram", heavy_weights),
        ("gradients have heavy tails", "in words", heavy_gradients),
        ("cached deltas have heavy tails", "histogram", heavy_deltas),
        ("not a power law", "by eye", no_power_law),
        ("perhaps stretched exponential", "a guess", stretched),
        ("lost on noise", "histogram", lost_on_noise),
        ("a Kronecker fractal has a like histogram", "by eye", fractal)),
    "Sparse training": (
        ("most of the accuracy with few parameters", "0.832", few_parameters),
        ("cost no longer grows with hidden units", "in words", cost),
        ("large weights stay large", "in words", stay_large),
        ("recurrent nets too", "announced", recurrent)),
    "Second order": (
        ("the functional inverse is Newton's step", "to r = 1e-9", inverse),
        ("saddle-free steps are needed", "in words", saddle_free),
        ("anisotropy at all scales", "in words", anisotropy),
        ("positive Lyapunov exponents", "expected", lyapunov_exponents),
        ("third order is practicable", "hoped for", third_order)),
    "Motifs": (
        ("learning shapes the topology", "motifs", topology),
        ("initialisation biases it", "Z of untrained nets", initialisation),
        ("non-trivial initialisations promote motifs", "in words", promotion)),
}


def ledger(parts):
    """A row for each claim, with value, value_low, value_high and a verdict, or why there is none."""
    parts = Row({part: [Row(row) for row in rows] for part, rows in parts.items()})
    rows = []
    for section, claims in CLAIMS.items():
        for claim, source, judge in claims:
            row = {"section": section, "claim": claim, "source": source}
            try:
                quantity, number, n, beside, verdict = judge(parts)
                row |= {"quantity": quantity} | number | {"n": n, "beside": beside, "verdict": verdict}
            except NotMeasured as error:
                row |= {"quantity": "", "n": "", "beside": str(error), "verdict": NOT_MEASURED}
            rows.append(row)
    return rows


# ---- what is written --------------------------------------------------------------------------------------

def kind(row):
    """Which of VERDICTS that of a row is."""
    return max((verdict for verdict in VERDICTS if row["verdict"].startswith(verdict)), key=len)


def measured(row):
    """What is measured, its number with its interval, and n, in words."""
    return f"{row['quantity']}: {said(row)}, {row['n']}" if "value" in row else ""


def finding(rows):
    counts = {verdict: sum(kind(row) == verdict for row in rows) for verdict in VERDICTS}
    lost = f", {counts[NOT_MEASURED]} could not be measured" if counts[NOT_MEASURED] else ""
    return (f"Of {len(rows)} claims {counts[HOLDS]} hold, {counts[EXPLAINED]} hold and are explained by something "
            f"simpler, {counts[WHERE]} hold in places, {counts[NOT]} do not hold{lost}")


def as_markdown(rows, caption):
    lines = ["# Claims", "", f"{finding(rows)}. {' '.join(caption.split())}", ""]
    for section in CLAIMS:
        lines += [f"## {section}", "", "| claim | source | measured here | beside it | verdict |",
                  "| --- | --- | --- | --- | --- |"]
        for row in rows:
            if row["section"] == section:
                cells = (row["claim"], row["source"], measured(row), row["beside"], row["verdict"])
                lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        lines.append("")
    return "\n".join(lines)


@plots.styled
def picture(rows, title, caption):
    height = 0.5 * len(rows) + 0.3 * len(CLAIMS) + 1.7
    figure, panels = plots.figure([["claims"]], 15, height, title, caption)
    axes, place = panels["claims"], 0.0
    columns = {verdict: 0.33 + 0.04 * k for k, verdict in enumerate(VERDICTS) if verdict != NOT_MEASURED}
    for verdict, x in columns.items():
        axes.text(x, -0.4, verdict.removesuffix(" by").replace(" ", "\n", 2), fontsize=8, ha="center", va="bottom",
                  color=VERDICTS[verdict])
    for section in CLAIMS:
        axes.text(0, place, section, fontweight="bold", fontsize=10, va="center")
        place += 0.8
        for row in (row for row in rows if row["section"] == section):
            axes.axhline(place + 0.5, color=plots.PALE, lw=0.5, zorder=0)
            axes.text(0.005, place, row["claim"], fontsize=8.5, va="center")
            axes.text(0.22, place, row["source"], fontsize=8, va="center", color=plots.GREY)
            color = VERDICTS[kind(row)]
            if kind(row) in columns:
                axes.plot(columns[kind(row)], place, "o", color=color, ms=8)
            axes.text(0.48, place - 0.28, row["verdict"], fontsize=8, va="center", color=color, fontweight="bold")
            axes.text(0.48, place + 0.02, measured(row), fontsize=8, va="center")
            beside = textwrap.shorten(row["beside"], 145, placeholder=" ...")
            axes.text(0.48, place + 0.3, beside, fontsize=7, va="center", color=plots.GREY)
            place += 1
    axes.set(xlim=(0, 1), ylim=(place - 0.5, -1.4), xticks=[], yticks=[])
    axes.spines[["left", "bottom"]].set_visible(False)
    return figure


def main():
    experiment.check_positive(JOBS=JOBS, RUNS=RUNS, DRAWS=DRAWS)
    if PARTS:
        how, data, parts = read(PARTS)
    else:
        how = {"quick": QUICK, "runs": min(RUNS, 4) if QUICK else RUNS, "seed": SEED}
        data, parts = measure(QUICK, JOBS, CLUSTER, STORE, how["runs"], SEED)
    datasets.loaded[:] = data
    rows = ledger(parts)
    sources = dict.fromkeys(entry["source"] for entry in data if entry["name"] in ("mnist", "cifar10", "glyphs"))
    caption = (f"{'Trial on built-in data. ' if how['quick'] else ''}Medians and the middle 90 % over n; a share has "
               f"its exact interval. Seeds from {how['seed']} on.\nData: {'; '.join(sources)}.")
    files = {".md": as_markdown(rows, caption), "_parts.json": {"how": how, "data": data, "parts": parts}}
    return rows, picture(rows, finding(rows), caption), files


if __name__ == "__main__":
    experiment.run(main)
