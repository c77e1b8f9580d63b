"""What is true of all this? Every claim that the sources make, beside what the scripts measure, with a verdict.

The scripts of this repository are run with the settings below, each in its turn or several at once, the gradient
networks over many seeds; from their rows follow the numbers, and from the numbers, by the rule beside each claim, its
verdict: holds; holds, but is explained by something simpler; holds only where; does not hold. What is finished is kept
in OUT/claims_store.jsonl, so that a run that was interrupted goes on where it stopped.

Figure: all claims at a glance, by verdict. The ledger itself is claims.md, beside it.

Takes 20 minutes on two cores with real data; with --quick, on built-in data and few seeds, two minutes, and its
verdicts are those of a trial.
"""
import importlib
import json
from functools import partial

import numpy as np

import grad_network
from gradnets import comparison, datasets, ensemble, experiment, graphs, plots

QUICK = False               # built-in data, few seeds
JOBS = 2                    # worker processes
CLUSTER = ""                # tcp://host:8786 of a Dask cluster, in place of JOBS
STORE = ""                  # a file of finished parts to go on from; none: begin anew
RUNS = 30                   # seeds of the gradient networks on MNIST; a third of them on CIFAR-10
DRAWS = 10                  # networks of each gradient and null
SEED = 0                    # seeds all

HOLDS, EXPLAINED, WHERE, NOT = "holds", "holds, explained", "holds only where", "does not hold"
VERDICTS = {HOLDS: plots.INK, EXPLAINED: plots.BLUE, WHERE: "#b58a2a", NOT: plots.RED}

# Each part: a script, and the constants that differ from its own; --quick adds those of the third column.
SCRIPTS = {
    "weights": ("weight_network", {"DATASET": "mnist"}, {"IMAGES": 1000, "STEPS": 2000, "DRAWS": 10}),
    "tails": ("show_stats", {"DATASETS": ("mnist", "cifar10", "noise", "noise-constant")},
              {"DATASETS": ("glyphs", "noise"), "STEPS": 3000, "REPLICATES": 10}),
    "deltas": ("show_delta_stats", {"DATASET": "mnist"}, {"STEPS": (1, 10, 100, 1000), "REPLICATES": 10}),
    "fractal": ("fractal_stats", {"DATASETS": ("mnist", "noise")}, {"DATASETS": ("glyphs", "noise")}),
    "sparse": ("sparse_train", {"DATASET": "mnist"}, {"STEPS": 5000, "WIDTHS": (32, 128, 512), "RUNS": 2,
                                                      "CRITERIA": ("magnitude",), "PARAMETERS": (3180,)}),
    "recurrent": ("sparse_train", {"MODEL": "rnn", "DATASET": "mnist", "STEPS": 60_000, "BURN_IN": 5000,
                                   "LEARNING_RATES": (0.05, 0.1, 0.15)}, {"STEPS": 3000, "BURN_IN": 500, "RUNS": 2}),
    "rbm": ("minibatch_network", {"MODEL": "rbm", "DATASET": "mnist", "BATCH_SIZES": (1,), "DRAWS": 3},
            {"RUNS": 3, "STEPS": (0, 100)}),
    "second order": ("second_order", {"DIGITS": "mnist"}, {"STEPS": 10, "STARTS": 10, "FIRST_ORDER": 1000,
                                                           "ITERATIONS": 20, "RUNS": 2}),
    "lyapunov": ("lyapunov", {"DATASET": "mnist"}, {"RUNS": 2, "STEPS": 400, "TRANSIENT": 200, "WINDOW": 100}),
    "motifs": ("motif_stats", {}, {"RUNS": 4, "NULLS": 30, "EPOCHS": 5}),
}


# ---- what is measured -------------------------------------------------------------------------------------

def rows_of(part, quick, seed):
    """The rows of one script under the constants of its part, as its main returns them."""
    name, settings, shorter = SCRIPTS[part]
    module = importlib.import_module(name)
    wanted = settings | {"SEED": seed}
    if quick:
        wanted = {key: "glyphs" if value == "mnist" else value for key, value in (wanted | shorter).items()}
        if name == "second_order":
            wanted["DATASETS"] = ("glyphs",)
    before = {key: getattr(module, key) for key in wanted}
    for key, value in wanted.items():
        setattr(module, key, value)
    try:
        rows, *_ = module.main()
    finally:
        for key, value in before.items():
            setattr(module, key, value)
    return [{key: value for key, value in row.items() if value is not None} for row in rows]


def part_of(number, quick, seed):
    """The part of that number as one flat row, for `ensemble.run`: its rows are one text of JSON."""
    part = list(SCRIPTS)[number]
    return {"part": part, "rows": json.dumps(rows_of(part, quick, seed), default=float)}


def gradient_network(seed, data, rate, draws):
    """The essay's network of one training run: a row of numbers, or of the run being degenerate."""
    dataset = datasets.load(data, limit=10_000)
    inputs = dataset.inputs.shape[1]
    gradient, _ = grad_network.last_gradient(dataset, inputs, 500, rate, 1, seed)
    if not (np.isfinite(gradient).all() and gradient[:inputs].any()):
        return {"seed": seed, "degenerate": True}
    kinds, first = comparison.networks(graphs.probabilities(gradient)[:inputs], "merged", draws, seed)
    rows = {row["network"]: row for row in comparison.summary(kinds)}
    own, shuffled, degrees = (rows[name] for name in (comparison.OBSERVED, comparison.SHUFFLED, comparison.DEGREES))
    strengths = np.abs(gradient[:inputs]).sum(axis=1)
    return {"seed": seed, "degenerate": False, "diameter": own["diameter"], "clustering": own["clustering"],
            "out_skew": own["out_skew"], "shuffled_skew": shuffled["out_skew"],
            "diameter_degrees": degrees["diameter"],
            "over_shuffled": shuffled["observed_over_this"], "over_degrees": degrees["observed_over_this"],
            "explained": float(np.corrcoef(first.sum(axis=1), strengths)[0, 1])}


def measure(quick, jobs, cluster, store, runs, seed):
    """The rows of all parts: {part: rows}; gradient networks as {("gradients", data, rate): rows}."""
    how = {"jobs": jobs, "cluster": cluster, "store": store or None}
    numbers = range(len(SCRIPTS))
    found = ensemble.run(partial(part_of, quick=quick, seed=seed), numbers, what="scripts", **how)
    parts = {row["part"]: json.loads(row["rows"]) for row in found}
    cases = [("glyphs" if quick else "mnist", rate, runs) for rate in (0.01, 0.1, 1.0)]
    cases += [] if quick else [("cifar10", 0.1, max(3, runs // 3))]
    for data, rate, count in cases:
        rows = ensemble.run(partial(gradient_network, data=data, rate=rate, draws=DRAWS), range(seed, seed + count),
                            what=f"gradients of {data} at {rate:g}", **how)
        parts["gradients", data, rate] = rows
    return parts


# ---- claims and their rules -------------------------------------------------------------------------------
# Each takes all parts and returns (claim, source's number, ours, what explains it, verdict).

def said(values, digits=3):
    """Median and middle 90 % of numbers, and how many they are, in words."""
    low, middle, high = np.quantile(values, (0.05, 0.5, 0.95), method="inverted_cdf")
    return f"{middle:.{digits}g} ({low:.{digits}g} to {high:.{digits}g}, n = {len(values)})"


def interval(row, key, digits=3):
    """The same of a row that has a median and its interval."""
    middle, low, high = (f"{row[key + end]:.{digits}g}" for end in ("", "_low", "_high"))
    return f"{middle} ({low} to {high}, n = {row['runs']})"


def networks(parts, data, rate):
    """The rows of gradient networks that are not degenerate, and how many are."""
    rows = next(rows for key, rows in parts.items() if key[0] == "gradients" and key[1:] == (data, rate))
    sound = [row for row in rows if not row["degenerate"]]
    return sound, len(rows) - len(sound)


def column(rows, key):
    return np.array([row[key] for row in rows], dtype=float)


def by_degrees(sound):
    """Whether networks of the same degrees cluster as much, or more, in words, and a bool."""
    ratio = column(sound, "over_degrees")
    return f"{said(ratio)} times networks of the same in- and out-degrees", np.quantile(ratio, 0.05) <= 1


def gradient_claims(parts):
    main = "mnist" if ("gradients", "mnist", 0.1) in parts else "glyphs"
    sound, lost = networks(parts, main, 0.1)
    words, same = by_degrees(sound)
    diameters = column(sound, "diameter")
    yield ("a diameter of 4", "4", f"{said(diameters)}; {lost} runs without a gradient",
           f"same degrees: {said(column(sound, 'diameter_degrees'))}",
           EXPLAINED if np.median(diameters) in (4, 5) else NOT)
    clustering = column(sound, "clustering")
    yield ("a clustering of 0.279", "0.279", said(clustering), words,
           (EXPLAINED if same else HOLDS) if clustering.min() <= 0.279 <= clustering.max() else NOT)
    skew, chance = column(sound, "out_skew"), column(sound, "shuffled_skew")
    yield ("skewed out-degrees", "hubs", f"skew {said(skew)}", f"shuffled entries: {said(chance)}",
           HOLDS if np.quantile(skew, 0.05) > np.quantile(chance, 0.95) else NOT)
    explained = column(sound, "explained")
    yield ("the input decides its unit's degree", "in words", f"correlation {said(explained)}",
           "rank one: links of input i go with |x_i|", EXPLAINED if np.median(explained) > 0.9 else NOT)
    worst, lost = networks(parts, main, 1.0)
    usual = np.median(clustering)
    lower = column(worst, "clustering")
    yield ("deterioration at learning rate 1.0", "0.08, diameter 6", f"{said(lower)}; {lost} of {lost + len(worst)} "
           f"runs without a gradient; diameter {said(column(worst, 'diameter'))}", "outputs saturate",
           HOLDS if np.quantile(lower, 0.95) < usual else WHERE if np.median(lower) < usual or lost > len(worst) / 4
           else NOT)
    if ("gradients", "cifar10", 0.1) in parts:
        other, lost = networks(parts, "cifar10", 0.1)
        words, same = by_degrees(other)
        yield ("durable across data sets: CIFAR-10", "0.215, diameter 4",
               f"clustering {said(column(other, 'clustering'))}, diameter {said(column(other, 'diameter'))}; {lost} "
               "runs without a gradient", words, EXPLAINED if same else HOLDS)
    machines = {row["steps"]: row for row in parts["rbm"]}
    before, after = machines[min(machines)], machines[max(machines)]
    yield ("gradients of Boltzmann machines are alike", "hoped for",
           f"{interval(after, 'over_shuffled')} times shuffled entries, {before['over_shuffled']:.2g} untrained",
           f"{interval(after, 'excess')} times the same degrees",
           EXPLAINED if after["over_shuffled_low"] > 1 else NOT)
    weights = [row for row in parts["weights"] if row["when"] == "trained" and row["method"] == "sample"]
    ratios = {row["init"]: [one["over_shuffled"] for one in weights if one["init"] == row["init"]] for row in weights}
    large = [init for init, found in ratios.items() if max(found) > 1.05]
    yield ("trained weights are not a complex network", "not one", "clustering over that of shuffled entries "
           + ", ".join(f"{min(found):.2f} to {max(found):.2f} from {init}" for init, found in ratios.items()),
           f"same degrees: {min(row['over_degrees'] for row in weights):.2f} to "
           f"{max(row['over_degrees'] for row in weights):.2f}", WHERE if 0 < len(large) < len(ratios) else
           NOT if large else HOLDS)
    pairs = {}
    for row in parts["weights"]:
        if row["when"] == "trained" and row["layers"] == "merged":
            pairs.setdefault(row["init"], {})[row["method"]] = row["units_of_commonest"]
    words = [f"{pair['threshold']} inputs share a degree, {pair['sample']} when drawn ({init})"
             for init, pair in pairs.items()]
    more = [pair["threshold"] > pair["sample"] for pair in pairs.values()]
    yield ("thresholding multiplies degrees", "in words", "; ".join(words), "equal entries give equal degrees",
           HOLDS if all(more) else WHERE if any(more) else NOT)


def tail_claims(parts):
    rows = {(row["data"], row["what"], row["when"]): row for row in parts["tails"] if row["layer"] == 1}
    data = [name for name in dict.fromkeys(key[0] for key in rows) if not name.startswith("noise")]
    noises = [name for name in dict.fromkeys(key[0] for key in rows) if name.startswith("noise")]
    untrained = rows[data[0], "weights", "before"]
    after = [rows[name, "weights", "after"] for name in data]
    words = ", ".join(f"{row['data']} {interval(row, 'skew', 2)}" for row in after)
    noise = [rows[name, "weights", "after"]["skew"] for name in noises]
    heavy = [row["skew_low"] > 1.2 * untrained["skew"] for row in after]
    yield ("trained weights have heavy tails", "histogram", f"skew {words}", f"untrained {untrained['skew']:.2g}",
           HOLDS if all(heavy) else WHERE if any(heavy) else NOT)
    trained = [row for row in rows.values() if row["when"] == "after"]
    out, runs = (sum(row[key] for row in trained) for key in ("power_law_ruled_out", "runs"))
    yield ("not a power law", "by eye", f"ruled out in {out} of {runs} trained tails", "bootstrap of the searched tail",
           HOLDS if out > 0.9 * runs else WHERE if out > runs / 2 else NOT)
    betas = ", ".join(f"{row['data']} {row['beta']:.2g}" for row in after)
    yield ("perhaps stretched exponential", "a guess", f"exponent over the top 90 %: {betas}",
           f"untrained, a half-normal law: {untrained['beta']:.2g}",
           HOLDS if all(row["beta"] < 1 for row in after) else WHERE if any(row["beta"] < 1 for row in after) else NOT)
    yield ("lost on noise", "histogram", "skew " + ", ".join(f"{value:.2g}" for value in noise),
           f"untrained {untrained['skew']:.2g}", HOLDS if max(noise) < min(row["skew"] for row in after) else NOT)
    hidden = {row["step"]: row for row in parts["deltas"] if row["layer"] == 1}
    last = hidden[max(hidden)]
    yield ("cached deltas have heavy tails", "histogram", f"skew {interval(last, 'skew')} at step {max(hidden):,}",
           f"within a sample {last['skew_within']:.2g}: samples differ in scale",
           EXPLAINED if last["skew_low"] > 2 * last["skew_within"] else NOT)
    fits = [row for row in parts["fractal"] if "runs" in row]
    closer, runs = (sum(row[key] for row in fits) for key in ("normal_is_closer", "runs"))
    spans = [f"{min(row[key] for row in fits):.2f} to {max(row[key] for row in fits):.2f}"
             for key in ("raw_distance", "standardised_distance", "normal_distance")]
    yield ("a Kronecker fractal has a like histogram", "by eye", f"distance {spans[0]}, standardised {spans[1]}",
           f"a normal law: {spans[2]}, nearer in {closer} of {runs}", EXPLAINED if closer >= runs / 3 else HOLDS)


def sparse_claims(parts):
    rows = parts["sparse"]
    criteria = [row for row in rows if row["part"] == "criteria"]
    dense, few = criteria[0], next(row for row in criteria if row["what"] == "magnitude" and row["parameters"] <= 3180
                                   and row["parameters"] > 2000)
    yield ("most of the accuracy with few parameters", "0.832", f"{few['accuracy']:.3f} with {few['parameters']:,} of "
           f"{dense['parameters']:,}", f"all of them: {dense['accuracy']:.3f}",
           HOLDS if few["accuracy"] > 0.9 * dense["accuracy"] else NOT)
    recipe = {what: [row for row in rows if row["part"] == "recipe" and row["what"] == what]
              for what in ("dense", "halved")}
    grown = {what: found[-1]["microseconds"] / found[0]["microseconds"] for what, found in recipe.items()}
    units = [found["hidden"] for found in recipe["halved"]]
    yield ("cost no longer grows with hidden units", "in words",
           f"{grown['halved']:.1f} times from {units[0]} to {units[-1]} units", f"dense: {grown['dense']:.1f} times",
           HOLDS if grown["halved"] < 1.5 else WHERE if grown["halved"] < grown["dense"] / 2 else NOT)
    overlap = [row for row in rows if row["part"] == "overlap"]
    early = next(row for row in overlap if row["step"] > 0)
    late = overlap[-2] if len(overlap) > 1 else overlap[-1]
    yield ("large weights stay large", "in words", f"{early['overlap']:.0%} of the largest at the end are so after "
           f"{early['step']:,} samples, {late['overlap']:.0%} after {late['step']:,}", f"chance {early['chance']:.0%}",
           HOLDS if early["overlap"] > 0.8 else WHERE if early["overlap"] > 3 * early["chance"] else NOT)
    dense, blocks, *_ = parts["recurrent"]
    lost = dense["accuracy"] - blocks["accuracy"]
    yield ("recurrent nets too", "announced", f"{100 * lost:.1f} points lost, {blocks['times_faster']:.1f} times "
           f"faster with {blocks['what']}", f"dense: {dense['accuracy']:.3f}",
           HOLDS if lost < 0.02 and blocks["times_faster"] > 1 else NOT)


def second_order_claims(parts):
    rows = {(row["part"], row["what"]): row for row in parts["second order"]}
    exact = rows["inverse", "complex-step"]["error"]
    beyond = [row["error"] for row in parts["second order"] if row.get("share", 0) > 1]
    yield ("the functional inverse is Newton's step", "to r = 1e-9", f"to {exact:.0e} by a complex step",
           f"off by {min(beyond):.0%} to {max(beyond):.0%} where the batch outgrows the inputs", WHERE)
    index = rows["index", "critical points"]
    newton, ours, shifted = (rows["race", f"digits, {name}"] for name in ("Newton", "saddle-free", "shifted"))
    yield ("saddle-free steps are needed", "in words", f"loss {ours['loss']:.3g}, pure Newton {newton['loss']:.3g} at "
           f"{newton['negative']:.0f} negative eigenvalues; index and loss correlate at {index['spearman']:.2f}",
           f"shifted eigenvalues {shifted['loss']:.3g}; the source's blocks have "
           f"{rows['slow', 'spectrum of blocks, trained']['negative']} negative eigenvalues",
           WHERE if shifted["loss"] < 1.2 * ours["loss"] else HOLDS)
    before, after = (rows["spectrum", f"digits, {when}"] for when in ("untrained", "trained"))
    yield ("anisotropy at all scales", "in words", f"eigenvalues from {after['least']:.2g} to {after['largest']:.2g}, "
           f"{after['negative']} of {after['parameters']} negative", f"untrained {before['least']:.2g} to "
           f"{before['largest']:.2g}, {before['negative']} negative",
           HOLDS if after["largest"] > 100 * abs(after["least"]) else WHERE)
    full = [row for row in parts["lyapunov"] if row["part"] == "full batch"]
    positive = [row for row in full if row["positive"] > row["runs"] / 2]
    window = max(full, key=lambda row: row["highest_window"])
    yield ("positive Lyapunov exponents", "expected", f"at {len(positive)} of {len(full)} learning rates in most runs",
           f"windows reach {window['highest_window']:.2g} per step at {window['learning_rate']:g}",
           WHERE if positive or window["highest_window"] > 0.02 else NOT)
    third = [row for row in parts["second order"] if row["part"] == "third"]
    saved = [row["fewer_percent"] for row in third]
    yield ("third order is practicable", "hoped for", f"Chebyshev's step saves {min(saved):.0f} to {max(saved):.0f} % "
           "of Newton's iterations", "near a minimum, for one more product", HOLDS if min(saved) > 10 else WHERE)


def motif_claims(parts):
    learning = {(row["data"], row["init"], row["labels"]): row for row in parts["motifs"] if row["part"] == "learning"}
    real = {key[:2]: row for key, row in learning.items() if key[2] == "real"}
    shuffled = sum(row["raised"] for key, row in learning.items() if key[2] == "shuffled")
    words = ", ".join(f"{row['raised']} of {row['tested']} ({data}, {init})" for (data, init), row in real.items())
    some = [row["raised"] > 0 for row in real.values()]
    yield ("learning shapes the topology", "motifs", f"raised: {words}", f"shuffled labels {shuffled}",
           NOT if shuffled >= sum(row["raised"] for row in real.values()) else HOLDS if all(some) else WHERE)
    beyond = {}
    for row in parts["motifs"]:
        if row["part"] == "beyond 2" and row["labels"] == "real" and row["epoch"] == 0:
            beyond.setdefault((row["null"], row["init"]), []).append(row["percent"])
    layered = {init: np.mean(found) for (null, init), found in beyond.items() if null == "layered"}
    fanmod = [np.mean(found) for (null, _), found in beyond.items() if null == "fanmod"]
    yield ("initialisation biases it", "Z of untrained nets", "motifs beyond Z 2, layers kept: "
           + ", ".join(f"{init} {value:.1f} %" for init, value in layered.items()),
           f"FANMOD's null: {min(fanmod):.0f} to {max(fanmod):.0f} %, which detects layering",
           WHERE if max(layered.values()) > 6 else NOT)
    plain = [row["created"] for (_, init), row in real.items() if init.startswith("normal")]
    others = [row["created"] for (_, init), row in real.items() if not init.startswith("normal")]
    yield ("non-trivial initialisations promote motifs", "in words",
           f"created from orthogonal and glorot: {sum(others)}",
           f"from normal(0.1): {sum(plain)}", HOLDS if sum(others) > sum(plain) else NOT)


SECTIONS = {"Gradient networks": gradient_claims, "Tails": tail_claims, "Sparse training": sparse_claims,
            "Second order": second_order_claims, "Motifs": motif_claims}


def ledger(parts):
    """A row for each claim."""
    return [{"section": section, "claim": claim, "source": source, "ours": ours, "beside": beside, "verdict": verdict}
            for section, claims in SECTIONS.items() for claim, source, ours, beside, verdict in claims(parts)]


# ---- what is written --------------------------------------------------------------------------------------

def finding(rows):
    counts = {verdict: sum(row["verdict"] == verdict for row in rows) for verdict in VERDICTS}
    return (f"Of {len(rows)} claims {counts[HOLDS]} hold, {counts[EXPLAINED]} hold and are explained by something "
            f"simpler, {counts[WHERE]} hold in places, {counts[NOT]} do not hold")


def as_markdown(rows, caption):
    lines = ["# Claims", "", f"{finding(rows)}. {' '.join(caption.split())}", ""]
    for section in SECTIONS:
        lines += [f"## {section}", "", "| claim | source | measured here | beside it | verdict |",
                  "| --- | --- | --- | --- | --- |"]
        lines += ["| " + " | ".join(str(row[key]).replace("|", "\\|") for key in (
            "claim", "source", "ours", "beside", "verdict")) + " |" for row in rows if row["section"] == section]
        lines.append("")
    return "\n".join(lines)


@plots.styled
def picture(rows, title, caption):
    figure, panels = plots.figure([["claims"]], 15, 0.34 * len(rows) + 0.3 * len(SECTIONS) + 1.6, title, caption)
    axes, place = panels["claims"], 0.0
    columns = {verdict: 0.30 + 0.045 * k for k, verdict in enumerate(VERDICTS)}
    for section in SECTIONS:
        axes.text(0, place, section, fontweight="bold", fontsize=9, va="center")
        for verdict, x in columns.items() if place == 0 else ():
            axes.text(x, place - 0.2, verdict.replace(" ", "\n", 2), fontsize=7, ha="center", va="bottom",
                      color=VERDICTS[verdict])
        place += 1
        for row in rows:
            if row["section"] == section:
                axes.axhline(place + 0.5, color=plots.PALE, lw=0.5, zorder=0)
                axes.text(0.005, place, row["claim"], fontsize=8, va="center")
                axes.text(0.2, place, row["source"], fontsize=7, va="center", color=plots.GREY)
                axes.plot(columns[row["verdict"]], place, "o", color=VERDICTS[row["verdict"]], ms=7)
                words = f"{row['ours']}; {row['beside']}"
                axes.text(0.47, place, words if len(words) < 135 else words[:132] + "...", fontsize=7, va="center")
                place += 1
    axes.set(xlim=(0, 1), ylim=(place - 0.5, -1.2), xticks=[], yticks=[])
    axes.spines[["left", "bottom"]].set_visible(False)
    return figure


def main():
    experiment.check_positive(JOBS=JOBS, RUNS=RUNS)
    runs = 4 if QUICK else RUNS
    parts = measure(QUICK, JOBS, CLUSTER, STORE, runs, SEED)
    rows = ledger(parts)
    caption = (f"{'Trial on built-in data. ' if QUICK else ''}Gradient networks over {runs} seeds, the rest as in the "
               f"scripts' figures; seed {SEED}. Medians and middle 90 %.\n"
               + ("" if QUICK else f"CIFAR-10 as it was at hand: {datasets.load('cifar10', limit=1).source}."))
    return rows, picture(rows, finding(rows), caption), {".md": as_markdown(rows, caption)}


if __name__ == "__main__":
    experiment.run(main)
