"""Is training best where chaos begins? Time to learn, and what generalisation goes with, at many learning rates.

Two claims of 2025 and 2026 on the edge of chaos, tested on small nets on pooled digits, over the full batch and on
small batches:

1. Nets learn fastest at the learning rate where the largest Lyapunov exponent turns positive. Here the time is that to
   a given share of the best test accuracy of the seed and batch size. The exponent is that of the second half of
   training, and chaos begins at the smallest rate with an exponent above 0.02 per step.
2. Generalisation goes with a dimension of the whole Hessian spectrum rather than with its trace or its largest
   eigenvalue. The sharpness dimension is the Kaplan-Yorke dimension of the one-step exponents log |1 - learning rate
   times eigenvalue|, averaged over points at the end of training. Generalisation is test loss less training loss, over
   the nets that have learned. The learning rate alone stands beside, since the dimension contains it.

Figures: edge_of_chaos.png, exponent and time to learn against the learning rate; edge_of_chaos_generalisation.png, the
rank correlations, with 90 % intervals by bootstrap over nets.

Source: Pedro Jiménez-González, Miguel Soriano, Lucas Lacasa, *Leveraging chaos in the training of artificial neural
networks*, 2025, arXiv 2506.08523; Mario Tuci and others, *Generalization at the edge of stability*, 2026, arXiv
2604.19740.

Takes 70 s on two cores.
"""
import functools
import itertools

import numpy as np
import scipy

import mlp
from gradnets import checks, curvature, datasets, dynamics, experiment, plots, summaries
from gradnets.dynamics import attractors
from gradnets.errors import UserError

DATASET = "glyphs"          # data set of 28 x 28 images: glyphs, noise, noise-constant or mnist
IMAGES = 200                # number of training images, which are the full batch
TEST_IMAGES = 1000          # number of test images
SIDE = 7                    # side of the images after pooling, in pixels
HIDDEN_UNITS = 8            # number of hidden tanh units
LEARNING_RATES = (0.05, 0.1, 0.14, 0.2, 0.28, 0.4, 0.57, 0.8, 1.1, 1.6, 2.3, 3.2)  # learning rates
BATCH_SIZES = (200, 20, 2)  # samples per step; the number of images means the full batch, in order
STEPS = 1000                # number of steps of each net
TARGET = 0.9                # share of the best test accuracy that counts as learned
RUNS = 5                    # number of runs per setting, with seeds starting at SEED
JOBS = 2                    # number of worker processes
SEED = 0                    # seed of data, weights and batches

# ---- not flags --------------------------------------------------------------------------------------------

CHECK = 10          # steps between two measurements of the test accuracy
LAST, APART = 5, 10  # points at the end of training whose Hessians are averaged, and steps between them
RESAMPLES = 2000    # of nets, by bootstrap
FEWEST = 10         # nets that a rank correlation needs
SENSITIVE = 0.005   # exponent of a more sensitive onset, which a slow drift of weights may also reach
PREDICTORS = {"dimension": "sharpness dimension", "trace": "trace of the Hessian",
              "largest": "largest eigenvalue", "learning_rate": "learning rate alone"}
HEADINGS = {"exponent": "largest exponent", "steps_to_learn": "steps to learn", "gap": "test less training loss",
            "dimension": "sharpness dimension"}
SUGGESTION = "edge_of_chaos.py --target 0.98 asks for the last few percent of accuracy"
QUICK = {"runs": 2, "steps": 200, "learning_rates": (0.1, 0.4, 1.6, 3.2), "batch_sizes": (200, 20)}


# ---- one net ----------------------------------------------------------------------------------------------

def measure(learning_rate, batch_size, seed, dataset, images, test_images, side, hidden_units, steps, data_seed):
    """Train one net, and measure its exponent, its learning curve and its Hessians.

    Returns
    -------
    dict
        exponent, of the second half of training; accuracies, a list of test accuracies every CHECK steps;
        train_accuracy, train_loss, test_loss; dimension, trace and largest, of the Hessians at the end. Only
        "diverged" if weights or outputs are not finite.
    """
    data, test = (datasets.pool(datasets.load(dataset, split, limit=limit, seed=data_seed), side)
                  for split, limit in (("train", images), ("test", test_images)))
    network = mlp.MLP((data.inputs.shape[1], hidden_units, data.classes), "tanh", "squared", "glorot", seed)
    rng = np.random.default_rng((seed, 2))
    whole = batch_size == images
    chosen = [slice(None) if whole else rng.integers(images, size=batch_size) for _ in range(steps)]
    batches = [(data.inputs[places], data.labels[places]) for places in chosen]
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            logs, points = dynamics.lyapunov(*dynamics.descent(network, learning_rate, batches),
                                             curvature.parameters(network), steps, 1, seed)
        outputs = [curvature.at(network, point).forward(test.inputs)[-1] for point in points[CHECK::CHECK]]
        last = curvature.at(network, points[-1])
        hessians = of_hessians(network, points[-APART * LAST::APART], batches[-APART * LAST::APART], learning_rate,
                               (data.inputs, data.labels))
    except curvature.NotFinite:
        return {"diverged": True}
    return hessians | {
        "exponent": float(logs[steps // 2:].mean()),
        "accuracies": [float((output.argmax(axis=1) == test.labels).mean()) for output in outputs],
        "train_accuracy": float((last.forward(data.inputs)[-1].argmax(axis=1) == data.labels).mean()),
        "train_loss": float(curvature.loss(last, data.inputs, data.labels)),
        "test_loss": float(curvature.loss(last, test.inputs, test.labels))}


def of_hessians(network, points, batches, learning_rate, everything):
    """Return sharpness dimension, by the Hessians of the batches; trace and largest eigenvalue, by those of all images.

    The three are averages over points; the dimension is that of averaged exponents.
    """
    logs, traces, largest = [], [], []
    for point, batch in zip(points, batches, strict=True):
        moved = curvature.at(network, point)
        eigenvalues, of_batch = (np.linalg.eigvalsh(curvature.hessian(moved, *part)) for part in (everything, batch))
        with np.errstate(divide="ignore"):
            logs.append(np.sort(np.log(np.abs(1 - learning_rate * of_batch)).clip(-700))[::-1])
        traces.append(eigenvalues.sum())
        largest.append(eigenvalues[-1])
    return {"dimension": attractors.kaplan_yorke(np.mean(logs, axis=0)), "trace": float(np.mean(traces)),
            "largest": float(np.mean(largest))}


# ---- rows -------------------------------------------------------------------------------------------------

def nets_of(settings):
    """Return a row for each net: batch_size, learning_rate, seed, and what `measure` returns."""
    cases = [{"batch_size": size, "learning_rate": rate, "seed": seed} for size, rate, seed in itertools.product(
        settings.batch_sizes, settings.learning_rates, range(settings.seed, settings.seed + settings.runs))]
    names = ("dataset", "images", "test_images", "side", "hidden_units", "steps")
    function = functools.partial(measure, data_seed=settings.seed, **{name: getattr(settings, name) for name in names})
    results = experiment.ensemble.run(function, cases, settings.jobs, label="nets")
    return [case | net for case, net in zip(cases, results, strict=True)]


def add_times(nets, target):
    """Add steps_to_learn, gap and learned to the nets that did not diverge; a net that never learns has no steps.

    A net has learned once its test accuracy is the share `target` of the best one of its seed and batch size.
    """
    best = {}
    for net in nets:
        key = net["batch_size"], net["seed"]
        best[key] = max(best.get(key, 0), *net.get("accuracies", [0]))
    for net in nets:
        if "diverged" in net:
            continue
        accuracies = net.pop("accuracies")
        reached = np.flatnonzero(np.array(accuracies) >= target * best[net["batch_size"], net["seed"]])
        net["steps_to_learn"] = float((reached[0] + 1) * CHECK) if len(reached) else float("inf")
        net["learned"] = bool(accuracies[-1] >= target * best[net["batch_size"], net["seed"]])
        net["gap"] = net["test_loss"] - net["train_loss"]


def onset_rows(nets):
    """Return a row for each batch size and seed: the onset of chaos, the fastest rate, and their ratio.

    onset and ratio are missing without chaos; fastest, the geometric mean of the rates that share the shortest time, if
    no net learns. sensitive_ratio is that to the smallest rate with an exponent above SENSITIVE.
    """
    rows = []
    for key in dict.fromkeys((net["batch_size"], net["seed"]) for net in nets):
        group = [net for net in nets if (net["batch_size"], net["seed"]) == key and "diverged" not in net]
        row = {"part": "onset", "batch_size": key[0], "seed": key[1]}
        for name, least in (("onset", dynamics.NEAR_ZERO), ("sensitive_onset", SENSITIVE)):
            chaotic = [net["learning_rate"] for net in group if net["exponent"] > least]
            row |= {name: min(chaotic)} if chaotic else {}
        shortest = min((net["steps_to_learn"] for net in group), default=np.inf)
        if np.isfinite(shortest):
            rates = [net["learning_rate"] for net in group if net["steps_to_learn"] == shortest]
            row |= {"fastest": float(np.exp(np.mean(np.log(rates)))), "shortest": shortest}
        for name, onset in (("ratio", "onset"), ("sensitive_ratio", "sensitive_onset")):
            if onset in row and "fastest" in row:
                row[name] = row["fastest"] / row[onset]
        rows.append(row)
    return rows


def correlations(nets, rng):
    """Return rank correlations of PREDICTORS with the gap, over nets that have learned, and bootstrap intervals.

    Returns
    -------
    list of dict
        part "correlation"; batches, "all" or one batch size; predictor; correlation with _low and _high, the middle
        90 %; nets, their number; lead, with interval: the correlation of the dimension less the size of this one, on
        the same resampled nets. Groups of fewer than FEWEST nets have no row.
    """
    rows = []
    for size in ("all", *dict.fromkeys(net["batch_size"] for net in nets)):
        group = [net for net in nets if net.get("learned") and size in ("all", net["batch_size"])]
        if len(group) < FEWEST:
            continue
        values = np.array([[net[key] for net in group] for key in (*PREDICTORS, "gap")])
        draws = np.array([ranks_with_last(values[:, rng.integers(len(group), size=len(group))])
                          for _ in range(RESAMPLES)])
        measured = ranks_with_last(values)
        for place, predictor in enumerate(PREDICTORS):
            row = {"part": "correlation", "batches": size, "predictor": predictor, "nets": len(group)}
            for name, value, sample in (("correlation", measured[place], draws[:, place]),
                                        ("lead", measured[0] - abs(measured[place]),
                                         draws[:, 0] - np.abs(draws[:, place]))):
                low, high = np.nanquantile(sample, (0.05, 0.95))
                row |= {name: float(value), f"{name}_low": float(low), f"{name}_high": float(high)}
            rows.append(row)
    return rows


def ranks_with_last(values):
    """Return Spearman's rank correlation of each row with the last one, 0 for a row of one value."""
    ranks = scipy.stats.rankdata(values, axis=1)
    ranks -= ranks.mean(axis=1, keepdims=True)
    lengths = np.sqrt((ranks**2).sum(axis=1))
    return (ranks[:-1] @ ranks[-1]) / np.maximum(lengths[:-1] * lengths[-1], 1e-300)


def summary(nets):
    """Return the row of a setting: medians with 90 % intervals over the nets that did not diverge."""
    finite = [net for net in nets if "diverged" not in net]
    row = {"part": "setting", "batch_size": nets[0]["batch_size"], "learning_rate": nets[0]["learning_rate"],
           "runs": len(nets), "diverged": len(nets) - len(finite),
           "positive": sum(net["exponent"] > dynamics.NEAR_ZERO for net in finite)}
    keys = ("exponent", "steps_to_learn", "gap", "dimension", "trace", "largest", "train_accuracy")
    return row | (summaries.median_intervals(**{key: [net[key] for net in finite] for key in keys}) if finite else {})


# ---- findings ---------------------------------------------------------------------------------------------

def finding_of(onsets):
    """State where nets learn fastest beside the onset of chaos."""
    ratios = [row["ratio"] for row in onsets if "ratio" in row]
    if not ratios:
        return "No rate is chaotic, or no net learns, so that the two rates cannot be compared"
    return f"Nets learn fastest at {np.median(ratios):.2g} times the learning rate where chaos begins"


def finding_of_correlations(rows):
    """State which number goes best with the gap, over all batch sizes."""
    rows = [row for row in rows if row["batches"] == "all"]
    if not rows:
        return "Too few nets learn for a rank correlation"
    best = max(rows, key=lambda row: abs(row["correlation"]))
    dimension = next(row["correlation"] for row in rows if row["predictor"] == "dimension")
    if best["predictor"] == "dimension":
        return f"The sharpness dimension goes best with generalisation: rank correlation {dimension:.2f}"
    return (f"Generalisation goes with the {PREDICTORS[best['predictor']]} ({best['correlation']:.2f}), not the "
            f"dimension ({dimension:.2f})")


# ---- figures ----------------------------------------------------------------------------------------------

@plots.styled
def picture(rows, onsets, images, steps, title, caption):
    """Draw exponent and time to learn against the learning rate, a column per batch size."""
    sizes = list(dict.fromkeys(row["batch_size"] for row in rows))
    figure, panels = plots.figure([[f"exponent {size}" for size in sizes], [f"time {size}" for size in sizes]],
                                  4.2 * len(sizes), 7, title, caption, sharex=True)
    ticks = (-0.02, 0, 0.02, 0.1, 1)
    for column, size in enumerate(sizes):
        of_size = [row for row in rows if row["batch_size"] == size and "exponent" in row]
        exponents, times = panels[f"exponent {size}"], panels[f"time {size}"]
        rates = [row["learning_rate"] for row in of_size]
        plots.draw_band(exponents, rates, of_size, "exponent", plots.RED)
        exponents.axhline(dynamics.NEAR_ZERO, color=plots.GREY, lw=0.8, ls="--")
        learned = [row for row in of_size if np.isfinite(row["steps_to_learn"])]
        plots.draw_band(times, [row["learning_rate"] for row in learned],
                        [row | {"steps_to_learn_high": min(row["steps_to_learn_high"], 2 * steps)} for row in learned],
                        "steps_to_learn", plots.BLUE, marker="s")
        chosen = [row for row in onsets if row["batch_size"] == size]
        for key, axes, color, text in (("onset", exponents, plots.RED, "chaos begins"),
                                       ("fastest", times, plots.BLUE, "fastest")):
            values = [row[key] for row in chosen if key in row]
            if values:
                for panel in (exponents, times):
                    panel.axvspan(min(values) / 1.03, max(values) * 1.03, color=color, alpha=0.15, lw=0, zorder=0)
                axes.text(np.sqrt(min(values) * max(values)), 0.02, f"{text}\n({len(values)} runs)", rotation=90,
                          color=plots.text_color(color), ha="center", va="bottom", fontsize=8,
                          transform=axes.get_xaxis_transform())
        exponents.set(xscale="log", title="full batch" if size == images else f"batches of {size}")
        exponents.set_yscale("symlog", linthresh=dynamics.NEAR_ZERO)
        exponents.set_yticks(ticks, [f"{tick:g}".replace("-", "\N{MINUS SIGN}") for tick in ticks])
        exponents.minorticks_off()
        times.set(xscale="log", yscale="log", xlabel="learning rate")
        if column == 0:
            exponents.set_ylabel("largest exponent, per step")
            times.set_ylabel("steps to learn")
    for size in sizes:
        panels[f"exponent {size}"].set_ylim(-0.05, 1.5)
        panels[f"time {size}"].set_ylim(CHECK, 1.5 * steps)
    return figure


@plots.styled
def correlation_picture(nets, rows, images, title, caption):
    """Draw the gap against the dimension, and the rank correlations of all predictors."""
    figure, panels = plots.figure([["nets", "ranks"]], 12, 5.4, title, caption)
    learned = [net for net in nets if net.get("learned")]
    for size, color, marker in zip(dict.fromkeys(net["batch_size"] for net in nets), plots.COLORS, plots.MARKERS,
                                   strict=False):
        group = [net for net in learned if net["batch_size"] == size]
        panels["nets"].plot([net["dimension"] for net in group], [net["gap"] for net in group], marker, color=color,
                            ls="none", mfc="none", ms=5, label="full batch" if size == images else f"batches of {size}")
    panels["nets"].set(title="nets that have learned", xlabel="sharpness dimension", ylabel="test less training loss")
    panels["nets"].legend(fontsize=8)
    groups = list(dict.fromkeys(row["batches"] for row in rows))
    if not groups:
        panels["ranks"].text(0.5, 0.5, "too few nets have learned", ha="center", transform=panels["ranks"].transAxes)
        return figure
    looks = list(zip(PREDICTORS.items(), plots.COLORS, plots.MARKERS, strict=False))
    for place, size in enumerate(groups):
        for k, ((key, _), color, marker) in enumerate(looks):
            row = next(row for row in rows if row["batches"] == size and row["predictor"] == key)
            height = place + 0.18 * (k - 1.5)
            panels["ranks"].plot([row["correlation_low"], row["correlation_high"]], [height] * 2, color=color, lw=4,
                                 alpha=0.3, solid_capstyle="round")
            panels["ranks"].plot(row["correlation"], height, marker, color=color, ms=6,
                                 label=PREDICTORS[key] if place == 0 else None)
    names = {"all": "all nets", images: "full batch"}
    panels["ranks"].axvline(0, color=plots.INK, lw=0.8, zorder=0)
    panels["ranks"].set(title="rank correlation with test less training loss", xlim=(-1.05, 1.05),
                        xlabel="Spearman's rank correlation", yticks=range(len(groups)), ylim=(len(groups) - 0.5, -0.5),
                        yticklabels=[names.get(size, f"batches of {size}") for size in groups])
    figure.legend(handles=panels["ranks"].get_legend_handles_labels()[0], loc="outside lower right", ncols=4,
                  fontsize=9)
    return figure


# ---- the script -------------------------------------------------------------------------------------------

def main(settings):
    check_settings(settings)
    nets = nets_of(settings)
    if all("diverged" in net for net in nets):
        raise curvature.NotFinite("every net diverged: lower the learning rates")
    add_times(nets, settings.target)
    printed = [summary(list(group)) for _, group in
               itertools.groupby(nets, key=lambda net: (net["batch_size"], net["learning_rate"]))]
    onsets, ranked = onset_rows(nets), correlations(nets, np.random.default_rng((settings.seed, 3)))
    images = datasets.load(settings.dataset, limit=settings.images, seed=settings.seed)
    learned, lost = (sum(bool(net.get(key)) for net in nets) for key in ("learned", "diverged"))
    caption = (f"{images.name}, {settings.images} images pooled to {settings.side} x {settings.side}; tanh net of "
               f"{settings.side**2}-{settings.hidden_units}-{images.classes} units, squared error, {settings.steps:,} "
               f"steps, n = {plots.counted(settings.runs, 'run')} per setting; {lost} of {len(nets)} nets diverged.\n")
    sentence = finding_of(onsets)
    figure = picture(printed, onsets, settings.images, settings.steps, sentence, caption +
                     f"Learned: {100 * settings.target:g} % of the best test accuracy of the seed and batch size. "
                     "Vertical bands: where chaos begins (red) and where nets learn fastest (blue), over runs. "
                     "Bands that reach the top: some runs do not learn.")
    second = correlation_picture(nets, ranked, settings.images, finding_of_correlations(ranked), caption +
                                 f"{learned} nets have learned. Bars: 90 % intervals, by bootstrap over nets.")
    return experiment.Result(printed + onsets + ranked + [{"part": "net"} | net for net in nets],
                             names=("batch_size", "learning_rate", "seed", "batches", "predictor"), printed=printed,
                             columns=("positive", "exponent", "steps_to_learn", "gap", "dimension"), headings=HEADINGS,
                             finding=sentence, figure=figure, figures={"_generalisation": second},
                             data=[images.provenance], suggestion=SUGGESTION)


def check_settings(settings):
    """Raise UserError unless the settings of this script are in range and fit each other."""
    names = ("images", "test_images", "side", "hidden_units", "batch_sizes", "steps", "runs", "jobs")
    checks.positive_integers(**{name: getattr(settings, name) for name in names})
    checks.seed(settings.seed)
    tuples = {"learning_rates": settings.learning_rates, "batch_sizes": settings.batch_sizes}
    checks.nonempty_tuples(**tuples)
    checks.distinct(**tuples)
    for rate in settings.learning_rates:
        if not 0 < rate < np.inf:
            raise UserError(f"learning_rates has {rate!r}: expected positive, finite numbers")
    if max(settings.batch_sizes) > settings.images:
        raise UserError(f"batch_sizes is {settings.batch_sizes}: expected at most {settings.images}, the number of "
                        "images")
    if len(settings.batch_sizes) > plots.MOST_PANELS // 2:
        raise UserError(f"batch_sizes is {settings.batch_sizes}: expected at most {plots.MOST_PANELS // 2} sizes, a "
                        "column of the figure each")
    if settings.steps < LAST * APART:
        raise UserError(f"steps is {settings.steps}: expected at least {LAST * APART}, for the Hessians at the end")
    if not 0 < settings.target <= 1:
        raise UserError(f"target is {settings.target!r}: expected a share above 0 and at most 1")


if __name__ == "__main__":
    experiment.run(main)
