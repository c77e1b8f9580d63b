"""How heavy are the tails of weights and gradients?

Trains nets on each data set, and describes the magnitudes of each layer's weights and single-sample gradients before
and after training: the law of the tail; p, the probability that a true power law fits as badly; and the exponent beta
of a stretched exponential over the largest 90 %. An exponential law has beta 1, untrained normal weights have 1.4, and
a smaller beta means a heavier tail. Beside them stand the indices of the tail by three extreme-value estimators (xi).
Rows are medians over the runs, with the middle 90 %, and the commonest verdicts.

Figure: one panel for each data set, with the share of magnitudes that are at least x root mean squares, in the first
layer, untrained (dashed) and trained; an exponential law is a straight line. Below, the exponent of each, with the
middle 90 % of the runs, beside the 1 of an exponential law.

With --weights FILE or --gradient FILE the script reads your own net instead of training one. Each matrix of a .npy,
.npz or .safetensors file gets one verdict, and the worst stand first: constant, rank one, dead, duplicated, near its
initialisation (for a gradient: like noise), heavy-tailed, plain. gradnets/checkpoints/diagnosis.py defines them. The
figure then has one row for each matrix, in the model's order, with solid marks for the numbers that decide its verdict;
show_stats_worst.png has the tails of the four worst. --list shows what the file holds, and --layer selects matrices by
name or pattern.

Source: README of mlp_gradient_networks (2016): heavy-tailed histograms of the weights and cached deltas of a 784-30-10
tanh net, guessed to be stretched exponentials, and lost on random inputs. Here the net trains on 30,000 single samples
at a learning rate of 0.01 towards targets of -1 and 1. The source does not name its initialisation; weights look
heavy-tailed only from a small one, so this one is small.

Takes 40 s, with --quick 10 s; a file takes 0.4 s for each matrix, and 4 s for one of 58 million entries.
"""
import re
import textwrap
from collections import Counter
from pathlib import Path

import numpy as np

import mlp
import rbm
from gradnets import checkpoints, checks, datasets, experiment, plots, tails
from gradnets.errors import NoResult, UserError
from gradnets.progress import progress

WEIGHTS = ""                # file with weights of your own: .npy, .npz or .safetensors
GRADIENT = ""               # file with gradients of your own: .npy, .npz or .safetensors
LAYER = "*"                 # matrices of the file to describe, by name or pattern
KERNELS = "oihw"            # axes of convolution kernels in the file: oihw (PyTorch) or hwio (JAX, Keras)
LIST = False                # list the tensors of the file, and do nothing else
MODEL = "mlp"               # mlp: a perceptron; rbm: a restricted Boltzmann machine by contrastive divergence (CD-1)
DATASETS = ("glyphs", "noise", "noise-constant")  # data sets, by name; noise has random classes, noise-constant one
IMAGES = 10_000             # largest number of training images, the first ones of the data set
HIDDEN_UNITS = (30,)        # number of units in each hidden layer; a Boltzmann machine has one hidden layer
INIT = "normal(0.01)"       # law of the weights: uniform(scale), normal(scale), glorot, glorot-normal, orthogonal(gain)
LEARNING_RATE = 0.01        # step length of gradient descent
STEPS = 30_000              # number of single-sample training steps between before and after
GRADIENTS = 5               # number of single-sample gradients that are pooled
RUNS = 3                    # number of training runs for each data set, with seeds starting at SEED
REPLICATES = 100            # number of bootstrap replicates behind p
SEED = 0                    # seed of data, weights, samples and bootstrap

# ---- not flags
QUICK = {"steps": 5000, "runs": 2, "replicates": 10}
MODELS = {"mlp": mlp, "rbm": rbm}
KINDS = ("weights", "gradients")
WHEN = ("before", "after")
MOST_TAILS, MOST_PRINTED = 5, 15  # data sets with a panel of their own, and rows of the printed table
MOST_DRAWN, WORST = 100, 4        # matrices of a file in the figure, and those whose tails are drawn
LONGEST_NAME, LONGEST_VERDICT = 60, 42  # letters of a matrix's name and of its verdict in one line of the figure
NUMBERS = {  # columns of the figure of a file: heading, the value that is marked in large matrices, and its meaning
    "kurtosis": ("excess kurtosis", checkpoints.diagnosis.HEAVY_KURTOSIS, "heavy: right of the line"),
    "beta": ("exponent", checkpoints.diagnosis.HEAVY_BETA, "heavy: left of the line"),
    "spike": ("spike", 1.0, "chance: 1")}
DECIDING = {"rank one": "spike", "near initialisation": "spike", "like noise": "spike"}  # numbers behind a verdict
MARKS = {  # marker and color of each verdict in the figure
    "constant": ("X", plots.INK), "rank one": ("P", plots.PURPLE), "dead": ("v", plots.RED),
    "duplicated": ("D", plots.ORANGE), "random": ("^", plots.SKY), "heavy-tailed": ("o", plots.BLUE),
    "plain": ("s", plots.GREEN)}
LINES = [(kind, when, {"color": color, "marker": marker, "mec": color} | style)  # style of each kind of magnitude
         for kind, color, marker in (("weights", plots.BLUE, "o"), ("gradients", plots.RED, "s"))
         for when, style in (("before", {"ls": "--", "lw": 1.3, "mfc": "white"}), ("after", {"ls": "-", "lw": 2.2}))]
WORDS = {"weights": {"random": "near initialisation"},  # what a verdict of the diagnosis means for either kind
         "gradients": {"random": "like noise", "dead": "silent"}}
USUAL = ("heavy-tailed", "plain")  # verdicts of sound matrices
PHRASES = {"rank one": "of rank one", "dead": "dead in part", "silent": "silent in part"}  # verdicts in a sentence


def main(settings):
    checks.positive_integers(images=settings.images, steps=settings.steps, gradients=settings.gradients,
                             runs=settings.runs, replicates=settings.replicates,
                             hidden_units=settings.hidden_units)
    checks.nonempty_tuples(datasets=settings.datasets, hidden_units=settings.hidden_units)
    checks.choice("model", settings.model, MODELS)
    if settings.weights and settings.gradient:
        raise UserError("--weights and --gradient are both given: take one of them")
    path, kind = settings.weights or settings.gradient, "weights" if settings.weights else "gradients"
    checkpoints.check_flags(("weights", "gradient"), path, settings.layer, settings.kernels, settings.list)
    if settings.list:
        return experiment.Result(checkpoints.table_of_contents(path), names=("name",))
    return diagnose_file(path, kind, settings) if path else describe_training(settings)


# ---- nets that are trained here ---------------------------------------------------------------------------

def describe_training(settings):
    """Train nets on each data set, and return the Result of the tails before and after."""
    if settings.model == "rbm" and len(settings.hidden_units) != 1:
        raise UserError(f"hidden_units is {settings.hidden_units}: a Boltzmann machine has one hidden layer, give one "
                        "number")
    depth = 1 if settings.model == "rbm" else len(settings.hidden_units) + 1
    names = tuple(dict.fromkeys(settings.datasets))
    rows, first_runs, data = [], {}, []
    for name in names:
        dataset = datasets.load(name, limit=settings.images, seed=settings.seed)
        data.append(dataset.provenance)
        runs = [before_and_after(settings.model, dataset, settings.hidden_units, settings.init, settings.learning_rate,
                                 settings.steps, settings.gradients, settings.seed + run)
                for run in range(settings.runs)]
        first_runs[name] = runs[0]
        cases = [(kind, when, layer) for kind in KINDS for when in WHEN for layer in range(depth)]
        for kind, when, layer in progress(cases, total=len(cases), label=f"fitting {name}"):
            described = [tails.describe(run[when][kind][layer], settings.replicates, settings.seed + k)[0]
                         | tails.describe_extremes(run[when][kind][layer], settings.replicates, settings.seed + k)
                         for k, run in enumerate(runs)]
            rows.append({"data": name, "what": kind, "when": when, "layer": layer + 1} | tails.over_runs(described))

    net = "Boltzmann machine" if settings.model == "rbm" else "First layer of a tanh net"
    pooled = "a single-sample gradient" if settings.gradients == 1 else f"{settings.gradients} pooled gradients"
    caption = (f"{net} with {' and '.join(map(str, settings.hidden_units))} hidden units, init {settings.init}, "
               f"{settings.steps:,} samples at learning rate {settings.learning_rate:g}; n = "
               f"{plots.counted(settings.runs, 'run')}. Curves: first run; bars: middle 90 %.\n"
               f"All weights, entries of {pooled}, no zeros. Exponent: of a stretched exponential, top 90 %; heavy: "
               f"below {checkpoints.diagnosis.HEAVY_BETA:g}." + " noise-constant: noise, all of one class." * (
                   "noise-constant" in names))
    first = [row for row in rows if row["layer"] == 1]
    sentence = finding(first)
    return experiment.Result(rows, names=("data", "what", "when", "layer"), finding=sentence,
                             columns=("skew", "beta", "verdict"),
                             headings={"what": "magnitudes of", "beta": "exponent", "verdict": "law of the tail"},
                             printed=first if len(rows) > MOST_PRINTED else [],
                             figure=picture(first_runs, first, sentence, caption), data=data,
                             suggestion="--init 'uniform(0.25)' shows nets that start from larger weights")


def before_and_after(model, dataset, hidden_units, init, learning_rate, steps, gradients, seed):
    """Train one net, and return {"before": ..., "after": ...}, the magnitudes on both sides of training."""
    inputs = dataset.inputs.shape[1]
    if model == "rbm":
        network = rbm.RBM(inputs, *hidden_units, init, seed)
    else:
        network = mlp.MLP((inputs, *hidden_units, dataset.classes), "tanh", "squared", init, seed,
                          biases=(True,) + (False,) * len(hidden_units), targets=(-1.0, 1.0))
    probe = int(np.random.default_rng((seed, 4)).integers(2**32))  # draws the same samples twice, apart from training
    before = magnitudes(model, network, dataset, gradients, probe)
    training = MODELS[model].train(network, dataset, steps, learning_rate, seed=seed)
    for _ in progress(training, total=steps, label=f"training on {dataset.name}"):
        pass
    largest = max(np.abs(weights).max() for weights in network.weights)
    if not largest < 1e100:
        raise NoResult(f"on {dataset.name} training diverged, weights reach {largest:.3g}: lower --learning-rate")
    return {"before": before, "after": magnitudes(model, network, dataset, gradients, probe)}


def magnitudes(model, network, dataset, gradients, seed):
    """Return |weights| and |gradients| of each layer, {kind: list of flat arrays}; the network stays as it is."""
    steps = list(MODELS[model].train(network, dataset, gradients, learning_rate=0.0, seed=seed))
    weights = [network.weights] if model == "rbm" else network.weights
    return {"weights": [np.abs(layer).ravel() for layer in weights],
            "gradients": [np.abs(np.concatenate([step.gradients[k].ravel() for step in steps]))
                          for k in range(len(weights))]}


def finding(rows):
    """Say on which data sets trained gradients and weights have a heavy tail. rows : those of the first layer."""
    def heavy(kind):
        return [row["data"] for row in rows if (row["what"], row["when"]) == (kind, "after")
                and row.get("beta_high", np.inf) < checkpoints.diagnosis.HEAVY_BETA]

    total = len({row["data"] for row in rows})
    kinds = sorted(((kind, heavy(kind)) for kind in ("gradients", "weights")), key=lambda item: not item[1])
    for most_names in (3, 0):  # names of data sets may be long
        sentence = compare_kinds(*kinds, total, most_names)
        if len(sentence) <= plots.LONGEST_TITLE:
            break
    return sentence


def compare_kinds(first, second, total, most_names):
    """Say on which data sets two kinds of magnitudes have heavy tails.

    first, second : (kind, data sets), the second has none if the first has none; total : number of all data sets;
    most_names : number of data sets up to which they are named.
    """
    def words(data):
        if len(data) > most_names:
            return f"{len(data)} of {total} data sets"
        return " and ".join(filter(None, (", ".join(data[:-1]), data[-1])))

    (kind, data), (other_kind, other_data) = first, second
    if not data:
        return f"Neither trained {kind} nor trained {other_kind} have heavy tails"
    if data == other_data:
        return f"Trained {kind} and trained {other_kind} have heavy tails on {words(data)}"
    where = (f"on {words(other_data)}{' alone' if set(other_data) < set(data) else ''}" if other_data else
             "nowhere" if total > 1 else "do not")
    return f"Trained {kind} have heavy tails on {words(data)}, trained {other_kind} {where}"


@plots.styled
def picture(samples, rows, title, caption):
    """Draw the figure of trained nets.

    samples : {data set: {when: {kind: magnitudes of each layer}}}, for the curves; rows : those of the first layer.
    """
    from matplotlib.lines import Line2D
    names = list(samples)
    drawn = names[:MOST_TAILS]
    mosaic = [[*drawn, "exponents"]] if len(names) == 1 else [drawn, ["exponents"] * len(drawn)]
    figure, panels = plots.figure(mosaic, 10.5 if len(names) == 1 else 12, 2.2 + 2.3 * len(mosaic), title, caption)
    first = panels[drawn[0]]
    for name in drawn:
        axes = panels[name]
        plots.draw_tails(axes, [(*plots.tail_curve(samples[name][when][kind][0]),
                                 {key: style[key] for key in ("color", "ls", "lw")}) for kind, when, style in LINES])
        axes.set(title=f"tails on {name}", xlabel="magnitude / root mean square")
        axes.tick_params(labelleft=axes is first)
    first.set_ylabel("share at least this large")
    handles = [Line2D([], [], ms=5, label=f"{kind}, {'un' if when == 'before' else ''}trained", **style)
               for kind, when, style in LINES]
    first.legend(handles=[*handles, first.lines[-1]], fontsize=7.5, loc="upper right", handlelength=2.6,
                 borderaxespad=0, labelspacing=0.3)  # no curve lies above 1 / x²
    draw_exponents(panels["exponents"], rows, names)
    return figure


def draw_exponents(axes, rows, names):
    """Draw the exponent of each kind of magnitude, untrained and trained, one group for each data set."""
    limit = checkpoints.diagnosis.HEAVY_BETA
    axes.axhspan(limit, 1 / limit, color=plots.PALE, alpha=0.6, lw=0)
    axes.axhline(1, color=plots.INK, ls=":", lw=1.5)
    for kind, when, style in LINES:
        offset = 0.5 + 0.13 * (-1 if kind == "weights" else 1) + 0.04 * (-1 if when == "before" else 1)
        for row in rows:
            if (row["what"], row["when"]) == (kind, when) and "beta" in row:
                x = names.index(row["data"]) + offset
                axes.plot([x, x], [row["beta_low"], row["beta_high"]], color=style["color"], lw=4, alpha=0.35)
                axes.plot(x, row["beta"], **style | {"ls": "none", "ms": 7, "mew": 1.5})
    low, high = (extreme([row["beta" + end] for row in rows if "beta" in row] + [default])
                 for extreme, end, default in ((min, "_low", 0.5), (max, "_high", 2.0)))
    axes.set(title="exponent: the lower, the heavier the tail", ylabel="exponent", yscale="log", xlim=(0, len(names)),
             ylim=(low / 1.3, high * 1.4))
    ticks = [tick for tick in (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20) if low / 1.3 < tick < high * 1.4]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_yticks([], minor=True)
    axes.set_xticks(np.arange(len(names)) + 0.5, names)
    axes.tick_params(axis="x", length=0)
    axes.annotate("lighter tails", (len(names), 1 / limit), xytext=(-4, 3), textcoords="offset points", ha="right",
                  va="bottom", fontsize=8)
    axes.annotate("heavier tails", (len(names), limit), xytext=(-4, -4), textcoords="offset points", ha="right",
                  va="top", fontsize=8)


# ---- a file -----------------------------------------------------------------------------------------------

def diagnose_file(path, kind, settings):
    """Diagnose the matrices of a file, and return the Result. kind : "weights" or "gradients"."""
    order = []
    layers = checkpoints.diagnosis.table(progress(named(path, order, settings), label=f"describing {kind}"),
                                         settings.replicates, settings.seed)
    if Path(path).suffix != ".npz":  # .safetensors files are sorted by types and letters
        order.sort(key=natural)
    styles = {layer.row["tensor"]: MARKS[layer.row["verdict"]] for layer in layers}
    for layer in layers:
        layer.row["verdict"] = WORDS[kind].get(layer.row["verdict"], layer.row["verdict"])
    rows, name = [layer.row for layer in layers], Path(path).name
    drawn = sorted(rows[:MOST_DRAWN], key=lambda row: order.index(row["tensor"]))
    count = "a matrix" if len(rows) == 1 else f"{len(rows)} matrices"
    if len(drawn) < len(rows):
        count = f"the {len(drawn)} worst of {count}"
    caption = (f"{name}: {count} of {kind}, in the model's order. Exponent: of a stretched exponential over the "
               "largest 90 %. Spike: the largest singular value over that of chance. Solid marks decide: heavy tails "
               f"have a kurtosis above {checkpoints.diagnosis.HEAVY_KURTOSIS:g} or an exponent below "
               f"{checkpoints.diagnosis.HEAVY_BETA:g}, with more room for chance in small matrices (dotted).")
    sentence = finding_of_file(rows, kind)
    worst = [layer for layer in layers if "near" in layer.row][:WORST]
    figures = {"_worst": picture_of_worst(worst, styles, finding_of_worst(worst), (
        f"{name}: the matrices of {kind} with the worst verdicts; constant matrices have no tail. Dashed: the nearest "
        f"{'initialisation law' if kind == 'weights' else 'law of noise'}."))} if worst else {}
    more = f"the JSON has all {len(rows)} rows, " if len(rows) > MOST_PRINTED else ""
    return experiment.Result(rows, names=("tensor",), finding=sentence, columns=("shape", "verdict", "why", "std"),
                             headings={"tensor": "matrix", "std": "root mean square"}, printed=rows[:MOST_PRINTED],
                             figure=picture_of_file(drawn, styles, sentence, caption), figures=figures,
                             data=checkpoints.provenance(path, settings.layer),
                             suggestion=f"{more}--layer selects matrices by name or pattern, --list shows all tensors")


def named(path, names, settings):
    """Yield the matrices of a file, and append the name of each to a list."""
    for matrix in checkpoints.matrices(path, settings.layer, settings.kernels):
        names.append(matrix.name)
        yield matrix


def natural(name):
    """Return a key that sorts names by letters, and the numbers in them by size."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"([0-9]+)", name)]


def finding_of_file(rows, kind):
    """Say how many matrices stand out, and by which verdicts, or what is said of a single one."""
    if len(rows) == 1:
        phrase = PHRASES.get(rows[0]["verdict"], rows[0]["verdict"])
        sentence = f"{rows[0]['tensor']} is {phrase}"
        return sentence if len(sentence) <= plots.LONGEST_TITLE else f"The matrix is {phrase}"
    verdicts = Counter(row["verdict"] for row in rows)  # the worst first
    heavy, _ = (verdicts.pop(verdict, 0) for verdict in USUAL)
    if not verdicts:
        return f"None of {len(rows)} matrices of {kind} stands out; heavy tails: {heavy}"
    words = " or ".join(filter(None, (", ".join(list(verdicts)[:-1]), list(verdicts)[-1])))
    sentence = f"{verdicts.total()} of {len(rows)} matrices stand out: {words}"
    return sentence if len(sentence) <= plots.LONGEST_TITLE else sentence.split(":")[0]


def finding_of_worst(layers):
    """Say how many of the worst matrices have a heavy tail."""
    if len(layers) == 1:
        return finding_of_file([layers[0].row], "")
    limit = checkpoints.diagnosis.HEAVY_BETA
    heavy = sum(layer.row.get("beta", np.inf) < limit for layer in layers)
    count = f"All {heavy}" if heavy == len(layers) else f"{heavy} of the {len(layers)}"
    return f"{count} worst matrices have heavy tails, with an exponent below {limit:g}"


@plots.styled
def picture_of_file(rows, styles, title, caption):
    """Draw one line for each matrix: its verdict, and the numbers behind it.

    styles : {name of a matrix: marker and color of its verdict}
    """
    names = ["\n".join(map(plots.drawable, textwrap.wrap(row["tensor"], LONGEST_NAME))) for row in rows]
    verdicts = ["\n".join(map(plots.drawable, textwrap.wrap(verdict_in_words(row), LONGEST_VERDICT))) for row in rows]
    letters, letters_of_verdicts = (max(len(line) for text in texts for line in text.split("\n"))
                                    for texts in (names, verdicts))
    lines = max(text.count("\n") + 1 for text in names + verdicts)
    width = 0.5 + 0.065 * letters_of_verdicts  # of the verdicts, in inches
    figure, panels = plots.figure([["verdict", *NUMBERS]], 7 + width + 0.06 * letters,
                                  2 + len(rows) * (0.06 + 0.14 * lines), title, caption,
                                  width_ratios=[width] + [2] * len(NUMBERS))
    for axes in panels.values():
        axes.set(ylim=(len(rows) - 0.5, -0.5), yticks=[])
        axes.xaxis.tick_top()
        axes.xaxis.set_label_position("top")
        for side, shown in {"top": axes is not panels["verdict"], "bottom": False, "left": False}.items():
            axes.spines[side].set_visible(shown)
    limits = [checkpoints.diagnosis.heavy_limits(row) for row in rows]
    for key, (heading, value, words) in NUMBERS.items():
        panels[key].stairs([of_row.get(key, value) for of_row in limits], np.arange(len(rows) + 1) - 0.5,
                           orientation="horizontal", baseline=None, color=plots.INK, ls=":", lw=1.2)
        panels[key].set_title(heading)
        panels[key].set_xlabel(words, loc="left", fontsize=8)
    panels["verdict"].set(title="verdict", xlim=(0, width))
    panels["verdict"].set_xticks([0], [" "])  # room for ticks and a label, so that all headings stand in a line
    panels["verdict"].set_xlabel(" ", fontsize=8)
    panels["verdict"].set_yticks(range(len(rows)), names, fontsize=8)
    panels["verdict"].tick_params(axis="both", width=0)
    for place, (row, verdict, label) in enumerate(zip(rows, verdicts, panels["verdict"].get_yticklabels(),
                                                      strict=True)):
        usual = row["verdict"] in USUAL
        marker, color = styles[row["tensor"]]
        draw_verdict(panels, place, row, verdict, {"marker": marker, "color": color, "ms": 6})
        label.set_fontweight("normal" if usual else "bold")
        for key, axes in panels.items():
            if not usual:
                axes.axhspan(place - 0.5, place + 0.5, color=plots.PALE, alpha=0.6, lw=0, zorder=0)
            elif key != "verdict":
                axes.axhline(place, color=plots.PALE, lw=0.6, zorder=0)
    set_scales(panels, rows)
    return figure


def verdict_in_words(row):
    """Return the verdict of a matrix, and what it follows from."""
    if row["verdict"] == "plain":
        return row["verdict"]
    is_random = row["verdict"] in (words["random"] for words in WORDS.values())
    return f"{row['verdict']}: {row['near'] if is_random else row.get('heavy_by', row['why'])}"


def draw_verdict(panels, place, row, verdict, style):
    """Draw the line of one matrix: solid marks for the numbers that decide the verdict, pale ones for the others."""
    panels["verdict"].plot(0.12, place, **style)
    panels["verdict"].text(0.28, place, verdict, va="center", fontsize=8)
    deciding = row.get("heavy_by", DECIDING.get(row["verdict"], "")).replace("exponent", "beta").split(" and ")
    for key in NUMBERS:
        if np.isfinite(row.get(key, np.nan)):
            panels[key].plot(row[key], place, **style, alpha=1 if key in deciding else 0.3)


def set_scales(panels, rows):
    """Give each number a logarithmic axis; the one of the kurtosis, which may be negative, is linear up to 1."""
    for key, (_, value, _) in NUMBERS.items():
        values = [value / 2, 2 * value, *(row[key] for row in rows if np.isfinite(row.get(key, np.nan)))]
        if key == "kurtosis":
            panels[key].set_xscale("symlog", linthresh=1, linscale=0.5)
            top = max(2, int(np.ceil(np.log10(max(values)))))
            powers = range(0, top + 1, 1 + top // 4)
            panels[key].set_xticks([0, *(10**power for power in powers)],
                                   ["0", *(f"{10**power:,}" if power < 5 else f"$10^{power}$" for power in powers)])
            panels[key].minorticks_off()
            panels[key].set_xlim(-2, 1.5 * max(values))
        else:
            panels[key].set(xscale="log", xlim=(min(values) / 1.3, max(values) * 1.3))


@plots.styled
def picture_of_worst(layers, styles, title, caption):
    """Draw the tails of a few matrices, each a diagnosis.Layer, beside the nearest law and an exponential law."""
    columns = min(2, len(layers))
    places = [str(k) if k < len(layers) else "." for k in range(len(layers) + len(layers) % columns)]
    mosaic = [places[start:start + columns] for start in range(0, len(places), columns)]
    figure, panels = plots.figure(mosaic, 10, 1 + 3.2 * len(mosaic), title, caption)
    for place, layer in enumerate(layers):
        axes, row = panels[str(place)], layer.row
        _, color = styles[row["tensor"]]
        x, shares = layer.ccdf[0] / row["std"], layer.ccdf[1]
        near = checkpoints.distribution.survival(row["near"], x)
        plots.draw_tails(axes, [(x[shares > 0], shares[shares > 0], {"color": color, "label": "entries"}),
                                (x, near, {"color": plots.GREY, "ls": "--", "lw": 1.5, "label": f"{row['near']} law"})])
        exponent = f", exponent {row['beta']:.3f}" if "beta" in row and "exponent" not in row["why"] else ""
        heading = [*textwrap.wrap(row["tensor"], LONGEST_NAME),
                   *textwrap.wrap(f"{row['verdict']}: {row['why']}{exponent}", 70)]
        axes.set_title("\n".join(map(plots.drawable, heading)), fontsize=8)
        axes.set(xlabel="magnitude / root mean square", ylabel="share at least this large")
        axes.legend(fontsize=7.5, loc="upper right")
    return figure


if __name__ == "__main__":
    experiment.run(main)
