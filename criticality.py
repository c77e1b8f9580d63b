"""Do recurrent nets learn best at criticality, and does training lead them there?

Recurrent weights are drawn with a gain g: small gains make a net forget, and large ones make it chaotic. Plain tanh
nets read digits row by row. Before and after training the script measures three things. Each has a critical point of
its own, the gain at which it crosses its border in untrained nets:

1. without input: the largest Lyapunov exponent of the net alone reaches zero;
2. deltas: the first delta of backpropagation is as long as the last one (a vanishing gradient lies below);
3. driven: the largest exponent along the states that images drive the net through reaches zero.

The learning rate of each gain is chosen on validation images, and accuracy is that on test images.

Figure: exponents, norm ratios of deltas, and accuracy against the gain, for both laws of recurrent weights. Diamonds
are the critical points.

Source: Howon Lee's notes suppose that recurrent nets that avoid vanishing gradients are "systems at criticality". Nils
Bertschinger and Thomas Natschläger, *Real-time computation at the edge of chaos in recurrent neural networks*, 2004.

Takes 35 s on one core.
"""
import contextlib
import itertools
from dataclasses import replace

import numpy as np

import rnn
from gradnets import checks, datasets, experiment, plots, sparse, streams, summaries
from gradnets.dynamics import criticality
from gradnets.errors import NoResult, UserError
from gradnets.progress import progress

DATASET = "glyphs"          # data set: glyphs, noise, mnist or cifar10
IMAGES = 10_000             # largest number of training images; a sixth of them is held out for validation
GAINS = (0.5, 0.75, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0)  # gains of the initial recurrent weights, three or more
LAWS = ("normal", "orthogonal")  # laws of the initial recurrent weights: normal, orthogonal
HIDDEN_UNITS = 64           # number of hidden units
STEPS = 3000                # single-sample training steps
LEARNING_RATES = (0.01, 0.03)  # step lengths; the accuracy on validation images chooses one for each gain
CLIP = 1.0                  # largest norm of a gradient; longer ones are shortened to it
RUNS = 5                    # number of runs at each gain, with seeds starting at SEED
SEED = 0                    # seed of data, weights and the order of the samples

# ---- not flags --------------------------------------------------------------------------------------------

MEASURED_ITEMS = 200  # test images along which deltas and exponents are measured
NEAR_ZERO = 0.01      # distance from zero at which the exponent without input counts as critical: it stays at zero then
PLATEAU = 0.025       # accuracy below that of the best gain, as a median over runs, that still counts as good
BORDERS = {  # of what is measured: its critical value
    "free": -NEAR_ZERO,
    "deltas": 0.0,
    "driven": 0.0,
}
NAMES = {"free": "without input", "deltas": "deltas", "driven": "driven by images"}
BEST = "best accuracy"  # the row of the gains that learn best
LOOKS = {"free": (plots.BLUE, "s", "--"), "deltas": (plots.INK, "^", "-."), "driven": (plots.RED, "o", "-")}
AFTER = plots.GREEN, "D", ":"
COLUMNS = ("accuracy", "driven", "driven_after", "deltas", "deltas_after")
HEADINGS = {"init": "recurrent weights", "driven": "exponent driven", "driven_after": "after training",
            "deltas": "log10 first / last delta", "deltas_after": "after training"}
QUICK = {"runs": 2, "steps": 2000, "learning_rates": (0.03,)}


def main(settings):
    check(settings)
    whole = datasets.load(settings.dataset, limit=settings.images, seed=settings.seed)
    test = datasets.load(settings.dataset, "test", limit=settings.images, seed=settings.seed)
    training, validation = datasets.hold_out(whole)
    packed = [sparse.pack_samples(part.inputs, part.labels) for part in (training, validation, test)]
    row_length = training.inputs.shape[1] // (whole.shape[0] if len(whole.shape) > 1 else 1)
    few = replace(test, inputs=test.inputs[:MEASURED_ITEMS], labels=test.labels[:MEASURED_ITEMS])
    rows, gains = [], sorted(set(settings.gains))
    cases = list(itertools.product(dict.fromkeys(settings.laws), gains))
    for law, gain in progress(cases, len(cases), "recurrent nets"):
        rows.append({"init": law, "gain": gain} | measure(law, gain, packed, few, row_length, settings))
    runs = {law: [row.pop("each") for row in rows if row["init"] == law] for law in dict.fromkeys(settings.laws)}
    points = [point for law in runs for point in critical_points(law, gains, runs[law])]
    finding = finding_of(rows, points)
    figure = picture(rows, points, finding, caption(whole, test, settings))
    return experiment.Result(rows + points, names=("init", "gain", "border"), columns=COLUMNS, headings=HEADINGS,
                             printed=rows, finding=finding, figure=figure, data=[whole.provenance, test.provenance],
                             suggestion="--steps 20000 --learning-rates 0.003 0.01 0.03 trains longer")


def check(settings):
    checks.nonempty_tuples(gains=settings.gains, laws=settings.laws, learning_rates=settings.learning_rates)
    checks.positive_integers(images=settings.images, hidden_units=settings.hidden_units, steps=settings.steps,
                             runs=settings.runs)
    for law in settings.laws:
        checks.choice("law", law, ("normal", "orthogonal"))
    if len(set(settings.gains)) < 3 or not all(0 < gain < np.inf for gain in settings.gains):
        raise UserError(f"gains are {settings.gains}: expected three or more different positive numbers")


# ---- measurements -----------------------------------------------------------------------------------------

def make_network(law, gain, row_length, classes, hidden_units, seed):
    """Return an untrained net whose recurrent weights have a gain: their spectral radius is about that."""
    scale = gain / np.sqrt(hidden_units) if law == "normal" else gain
    return rnn.RNN(row_length, hidden_units, classes, "glorot", seed, f"{law}({scale:.17g})")


def state_of(network, few):
    """Return the three measures of a net: exponents without input and driven, log10 of the deltas' norm ratio."""
    states, _ = network.forward(rnn.sequences(few.inputs, len(network.input_weights)))
    driven = criticality.driven_exponents(network.recurrent_weights, states)
    ratios = rnn.fading(network, few)[:, 0]
    return {"free": criticality.free_exponent(network.recurrent_weights, network.hidden_bias),
            "deltas": float(np.log10(max(np.median(ratios), np.finfo(float).tiny))),
            "driven": float(np.median(driven))}


def measure(law, gain, packed, few, row_length, settings):
    """Return the row of a law and a gain: medians over runs, and in `each` those of each run before training."""
    networks = [make_network(law, gain, row_length, few.classes, settings.hidden_units, settings.seed + run)
                for run in range(settings.runs)]
    before = [state_of(network, few) for network in networks]
    training, validation, test = packed
    trained = {rate: [train(network, training, rate, settings, settings.seed + run)
                      for run, network in enumerate(networks)] for rate in dict.fromkeys(settings.learning_rates)}
    rate = max(trained, key=lambda rate: np.mean([sparse.recurrent.accuracy(net, validation) for net in trained[rate]]))
    accuracy = [sparse.recurrent.accuracy(net, test) for net in trained[rate]]
    after = []
    for network, net in zip(networks, trained[rate], strict=True):
        weights, biases = sparse.recurrent.unpack(net)
        network.input_weights, network.recurrent_weights, network.output_weights = weights
        network.hidden_bias, network.output_bias = biases
        radius = np.abs(np.linalg.eigvals(network.recurrent_weights)).max()
        after.append(state_of(network, few) | {"radius": float(radius)})
    samples = {key: [state[key] for state in before] for key in before[0]}
    samples |= {f"{key}_after": [state[key] for state in after] for key in after[0]}
    each = [state | {"accuracy": share} for state, share in zip(before, accuracy, strict=True)]
    return {"runs": settings.runs, "learning_rate": rate, "each": each} | summaries.median_intervals(
        accuracy=accuracy, **samples)


def train(network, samples, rate, settings, seed):
    """Return a trained copy of a net, packed."""
    net = sparse.recurrent.pack(network.weights, network.biases)
    order = streams.generator(seed, streams.SAMPLES).integers(len(samples.labels), size=settings.steps)
    sparse.recurrent.train_epoch(net, samples, order, rate, clip=settings.clip)
    return net


def critical_points(law, gains, runs):
    """Return rows of the critical gain by each measure, over runs, and the row of the best gains.

    runs : list of lists of dict, measures and accuracy of each run at each gain.
    """
    points = []
    for border, level in BORDERS.items():
        crossings = []
        for of_run in zip(*runs, strict=True):
            with contextlib.suppress(NoResult):
                crossings.append(criticality.first_crossing(gains, [state[border] for state in of_run], level))
        points.append({"init": law, "border": NAMES[border], "runs": len(runs[0]), "crossings": len(crossings)}
                      | (summaries.median_intervals(critical_gain=crossings) if crossings else {}))
    accuracy = np.array([[state["accuracy"] for state in of_gain] for of_gain in runs])  # (gains, runs)
    best = accuracy.mean(axis=1).argmax()
    good = [gain for gain, lost in zip(gains, np.median(accuracy[best] - accuracy, axis=1), strict=True)
            if lost <= PLATEAU]
    points.append({"init": law, "border": BEST, "runs": len(runs[0]), "critical_gain": gains[best],
                   "critical_gain_low": good[0], "critical_gain_high": good[-1]})
    return points


# ---- finding, figure --------------------------------------------------------------------------------------

def finding_of(rows, points):
    """State where the best gains lie beside the onset of driven chaos, and on which side of it training ends."""
    law = rows[0]["init"]
    gain = {point["border"]: point for point in points if point["init"] == law}
    best, onset = gain[BEST], gain[NAMES["driven"]].get("critical_gain")
    if onset is None:
        return f"Gains {best['critical_gain_low']:g} to {best['critical_gain_high']:g} learn best, and none is critical"
    place = "around" if best["critical_gain_low"] <= onset <= best["critical_gain_high"] else (
        "below" if best["critical_gain_high"] < onset else "above")
    ends = [row["driven_after"] < 0 for row in rows if row["init"] == law]
    return f"Nets learn best {place} the onset of chaos; from {sum(ends)} of {len(ends)} gains training ends below it"


def caption(whole, test, settings):
    return (f"{whole.name} read row by row, {settings.hidden_units} tanh units, {settings.steps:,} single-sample "
            f"steps, rates {', '.join(f'{rate:g}' for rate in settings.learning_rates)} chosen on validation images.\n"
            f"Medians and the middle 90 % of n = {settings.runs} runs at each gain; {len(test.labels):,} test images. "
            f"Open diamonds: critical points of untrained nets; the title is on {settings.laws[0]} weights.")


@plots.styled
def picture(rows, points, title, caption):
    laws = list(dict.fromkeys(row["init"] for row in rows))
    parts = ("exponent", "deltas", "accuracy")
    figure, panels = plots.figure([[f"{part} {law}" for law in laws] for part in parts], 5.9 * len(laws) + 0.6, 10,
                                  title, caption, sharex=True)
    for law in laws:
        chosen = [row for row in rows if row["init"] == law]
        gains = [row["gain"] for row in chosen]
        critical = {point["border"]: point.get("critical_gain") for point in points if point["init"] == law}
        draw_exponents(panels[f"exponent {law}"], gains, chosen, critical)
        draw_deltas(panels[f"deltas {law}"], gains, chosen, critical)
        draw_accuracy(panels[f"accuracy {law}"], gains, chosen, critical)
        panels[f"exponent {law}"].set_title(f"{law} recurrent weights: exponents")
    for part in parts:  # panels of one quantity share their axis
        limits = np.array([panels[f"{part} {law}"].get_ylim() for law in laws])
        for law in laws:
            panels[f"{part} {law}"].set_ylim(limits[:, 0].min(), limits[:, 1].max())
    return figure


def draw_lines(axes, gains, rows, series):
    """Draw quantities against the gain, named in the legend. series : (key, label, (color, marker, dash))."""
    for key, label, (color, marker, dash) in series:
        plots.draw_band(axes, gains, rows, key, color, label, marker=marker, ls=dash)
    axes.axhline(0, color=plots.GREY, lw=0.8, zorder=0)
    axes.legend(fontsize=8)


def draw_exponents(axes, gains, rows, critical):
    draw_lines(axes, gains, rows, [("free", "untrained, without input", LOOKS["free"]),
                                   ("driven", "untrained, driven by images", LOOKS["driven"]),
                                   ("driven_after", "trained, driven by images", AFTER)])
    for border in ("free", "driven"):
        if critical[NAMES[border]] is not None:
            plots.draw_source(axes, critical[NAMES[border]], 0, mec=LOOKS[border][0])
    axes.set_ylabel("largest exponent per step")


def draw_deltas(axes, gains, rows, critical):
    draw_lines(axes, gains, rows, [("deltas", "untrained", LOOKS["deltas"]), ("deltas_after", "trained", AFTER)])
    if critical[NAMES["deltas"]] is not None:
        plots.draw_source(axes, critical[NAMES["deltas"]], 0, mec=LOOKS["deltas"][0])
    axes.set(title="norm of the first delta / norm of the last", ylabel="power of ten")


def draw_accuracy(axes, gains, rows, critical):
    plots.draw_band(axes, gains, rows, "accuracy", plots.INK)
    for border, name in NAMES.items():
        if critical[name] is not None:
            color, _, dash = LOOKS[border]
            axes.axvline(critical[name], color=color, ls=dash, lw=1.2, zorder=0, label=name)
    axes.set(title="accuracy after training, and critical points", ylabel="test accuracy",
             xlabel="gain of the initial recurrent weights")
    axes.legend(fontsize=8, loc="lower left")


if __name__ == "__main__":
    experiment.run(main)
