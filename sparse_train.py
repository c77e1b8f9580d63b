"""How much training survives when nearly every weight is killed early?

1. The source's own recipe: weights from ±1e-5, tanh, squared error, a learning rate of 0.01. Over a burn-in of 200
   samples the weights of the first layer are halved in number several times, the smallest going first, until some 3,140
   are left for any number of hidden units. Measured: accuracy and time against hidden units, beside dense nets.
2. The fair version: softmax, a falling learning rate chosen for each net on validation data, and all weights and biases
   counted. Measured: test accuracy against parameters for several criteria.
3. The clock: microseconds per sample of a plain numpy net, of PyTorch where it is installed, of a fused dense kernel
   that skips dark pixels, and of sparse layouts with random masks, by density. (Trained masks sit on lit pixels, and
   take up to twice as long.)
4. The largest weights: how many of the largest at the end are among the largest early on.

Figure: test accuracy of the source's recipe by hidden units, with the source's own number as an open diamond; of each
criterion by the parameters that are left, beside the dense net and random pruning; and the overlap of part 4, beside
chance. A second figure, sparse_train_time, shows the time of the recipe, of dense nets, and of sparse layouts by
density; a ring is the largest density at and below which a layout beats the dense one. Bands are the middle 90 % of the
runs.

Source: Howon Lee, README of stupidmlp (2016): most weights are useless early; an accuracy of 0.832 on MNIST at 128
hidden units after 30,000 samples.

Takes 120 s.
"""
import itertools
from dataclasses import replace

import numpy as np

import mlp
from gradnets import checks, datasets, experiment, plots, sparse, summaries, timing
from gradnets.progress import progress

DATASET = "glyphs"          # data set: glyphs, noise, noise-constant, mnist, cifar10, cifar100, tree or clusters
HIDDEN_UNITS = (128,)       # hidden units in parts 2 and 4; several numbers make several hidden layers
ACTIVATION = "relu"         # activation in part 2: tanh or relu
STEPS = 30_000              # number of training samples per run, one per step
PARAMETERS = (800, 1500, 3180, 7000)  # budgets of part 2: numbers of weights and biases that are left
CRITERIA = ("magnitude", "moved", "random", "snip", "set", "rigl")  # what decides which weights live, in part 2
SCHEDULE = "gradual"        # when magnitude, moved and random prune: one-shot, halvings or gradual
BLOCK = 1                   # number of neighbouring weights that live or die together: 1, or 16 (not for set and rigl)
LEARNING_RATES = (0.02, 0.04, 0.08, 0.16)  # learning rates of part 2; the first run of a net chooses on validation data
BURN_IN = 500               # number of samples before the first pruning, in part 2
PRUNINGS = 30               # number of prunings or regrowings in part 2
WIDTHS = (16, 32, 64, 128, 256, 512, 1024)  # hidden units in parts 1 and 3
RUNS = 5                    # number of runs of each net, with seeds starting at SEED
SEED = 0                    # seed of data, weights and order of samples

# ---- not flags
SOURCE = {"activation": "tanh", "loss": "squared", "targets": (-1.0, 1.0)}
NAMES = ("part", "what", "hidden", "density", "step", "budget")
COLUMNS = ("parameters", "accuracy", "microseconds")
HEADINGS = {"microseconds": "microseconds per sample"}
QUICK = {"steps": 10_000, "parameters": (1500, 3180), "criteria": ("magnitude", "random"), "runs": 2}
SOURCE_UNITS, SOURCE_ACCURACY = 128, 0.832  # of the source's net on MNIST
LOOKS = {"magnitude": (plots.RED, "o", "-"), "moved": (plots.ORANGE, "s", ":"), "random": (plots.INK, "X", "--"),
         "snip": (plots.GREEN, "^", "-."), "set": (plots.BLUE, "D", "-"), "rigl": (plots.PURPLE, "v", "--")}
RECIPE_LOOKS = {"dense": (plots.GREY, "s", "--"), "halved": (plots.RED, "o", "-")}
ACRONYMS = {"snip": "SNIP", "set": "SET", "rigl": "RigL"}
LAYOUTS = {"blocks": "blocks of 16", "sparse": "single weights"}
TIMED_SAMPLES = 1000
DENSITIES = (1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 32, 1 / 64)


def main(settings):
    recipe = checked_recipe(settings)
    whole, test = (datasets.load(settings.dataset, split, seed=settings.seed) for split in ("train", "test"))
    training, validation = datasets.hold_out(whole)
    samples, validation_samples, test_samples = (sparse.pack_samples(part.inputs, part.labels)
                                                 for part in (training, validation, test))
    classes = whole.classes
    criteria = criteria_rows(settings, recipe, samples, validation_samples, test_samples, classes)
    rate = row_of(criteria, "criteria", "dense")["learning_rate"]
    rows = [*criteria,
            *recipe_rows(whole, test, settings.widths, settings.steps, settings.runs, settings.seed),
            *clock_rows(training, samples, settings.widths, settings.seed),
            *density_rows(samples, max(settings.widths), classes, settings.seed),
            *overlap_rows(samples, settings.hidden_units, classes, settings.steps, rate, settings.runs, settings.seed)]
    sentence = finding(rows, settings.parameters)
    figure = picture(rows, sentence, caption(rows, settings, len(test.labels), len(validation.labels)))
    return experiment.Result(rows, names=NAMES, columns=COLUMNS, headings=HEADINGS, finding=sentence, figure=figure,
                             printed=printed(rows, settings.parameters),
                             figures={"_time": picture_of_times(rows, caption_of_times(settings))},
                             data=[whole.provenance, test.provenance],
                             suggestion="--block 16 prunes whole blocks, which train faster (leave out the criteria "
                                        "set and rigl)")


def checked_recipe(settings):
    """Return how the nets of part 2 are trained, but for rate, criterion and seed; raise UserError before any work."""
    checks.nonempty_tuples(hidden_units=settings.hidden_units, parameters=settings.parameters,
                           criteria=settings.criteria, widths=settings.widths, learning_rates=settings.learning_rates)
    checks.distinct(parameters=settings.parameters, criteria=settings.criteria, widths=settings.widths)
    checks.positive_integers(hidden_units=settings.hidden_units, steps=settings.steps, parameters=settings.parameters,
                             widths=settings.widths, runs=settings.runs, prunings=settings.prunings)
    checks.choice("schedule", settings.schedule, sparse.SCHEDULES)
    recipe = sparse.Recipe(settings.steps, settings.learning_rates[0], schedule=settings.schedule,
                           burn_in=settings.burn_in, prunings=settings.prunings, block=settings.block,
                           seed=settings.seed)
    for criterion in settings.criteria:
        replace(recipe, criterion=criterion)
    return recipe


def accuracy(trained, samples, **net):
    """Return the accuracy of a sparse.Trained; net: activation, loss and targets, as `sparse.pack` takes them."""
    return sparse.accuracy(sparse.pack(trained.weights, trained.biases, trained.masks, **net), samples)


def row_of(rows, part, kind):
    """Return the only row of a part that is of this kind."""
    row, = (row for row in rows if (row["part"], row["what"]) == (part, kind))
    return row


# ---- 1: the source's recipe -------------------------------------------------------------------------------

def with_bias(dataset):
    """Return the inputs with one more column, always 1: the source prunes the bias like all other weights."""
    return np.hstack([dataset.inputs, np.ones((len(dataset.labels), 1))])


def recipe_rows(training, test, widths, steps, runs, seed):
    """Return accuracy, parameters and time of the source's recipe, by hidden units: dense, and halved to 4 a pixel."""
    samples, test_samples = (sparse.pack_samples(with_bias(dataset), dataset.labels) for dataset in (training, test))
    rows = []
    cases = [(hidden, kind) for hidden in widths for kind in ("dense", "halved")]
    for hidden, kind in progress(cases, label="the source's recipe"):
        halvings = max(1, round(np.log2(hidden / 4)))
        keep = 1.0 if kind == "dense" else 0.5**halvings
        nets = []
        for run_seed in range(seed, seed + runs):
            net = mlp.MLP((samples.features, hidden, training.classes), "tanh", "squared", "uniform(0.00001)", run_seed,
                          biases=False, targets=SOURCE["targets"])
            recipe = sparse.Recipe(steps, 0.01, keep, "magnitude", "halvings", 200, halvings, decay=False,
                                   first_layer_only=True, seed=run_seed)
            nets.append(sparse.run(recipe, net.weights, net.biases, samples, **SOURCE))
        rows.append({"part": "recipe", "what": kind, "hidden": hidden}
                    | measured(nets, steps, [accuracy(net, test_samples, **SOURCE) for net in nets]))
    return rows


def measured(nets, steps, accuracies):
    """Return what both parts say about several runs of a net: accuracy, parameters and microseconds per sample."""
    return summaries.median_intervals(accuracy=accuracies,
                                      parameters=[sparse.parameters(net.masks, net.biases) for net in nets],
                                      microseconds=[1e6 * net.seconds / steps for net in nets])


# ---- 2: criteria against parameters -----------------------------------------------------------------------

def train(recipe, budget, samples, hidden_units, classes, activation):
    """Train one net until `budget` parameters are left, or dense if the budget is None; return a sparse.Trained."""
    net = mlp.MLP((samples.features, *hidden_units, classes), activation, "cross-entropy", "glorot", recipe.seed)
    keep = 1.0 if budget is None else sparse.keep_for(budget, net.weights, net.biases)
    return sparse.run(replace(recipe, keep=keep), net.weights, net.biases, samples, activation)


def criteria_rows(settings, recipe, samples, validation, test, classes):
    """Return the test accuracy of a dense net, and of each criterion at each budget, at the best learning rates."""
    cases = [("dense", None), *itertools.product(settings.criteria, settings.parameters)]
    return [{"part": "criteria", "what": kind} | ({} if budget is None else {"budget": budget})
            | criterion_row(settings, replace(recipe, criterion="magnitude" if budget is None else kind), budget,
                            samples, validation, test, classes)
            for kind, budget in progress(cases, label="criteria")]


def criterion_row(settings, recipe, budget, samples, validation, test, classes):
    """Return the learning rate that is best on validation data, its score there, and what test data say."""
    def train_run(rate, run):
        return train(replace(recipe, learning_rate=rate, seed=settings.seed + run), budget, samples,
                     settings.hidden_units, classes, settings.activation)

    def score(net, samples=validation):
        return accuracy(net, samples, activation=settings.activation)

    rate, validation_score, nets = sparse.train_at_best_rate(train_run, score, settings.learning_rates, settings.runs)
    return {"learning_rate": rate, "validation": validation_score} | measured(nets, settings.steps,
                                                                              [score(net, test) for net in nets])


# ---- 3: the clock -----------------------------------------------------------------------------------------

def numpy_step(weights, biases, x, label, rate):
    """Take a plain step of a softmax net with one hidden layer on one sample; weights and biases change in place."""
    hidden = np.tanh(x @ weights[0] + biases[0])
    out = hidden @ weights[1] + biases[1]
    delta = np.exp(out - out.max())
    delta /= delta.sum()
    delta[label] -= 1
    back = (weights[1] @ delta) * (1 - hidden * hidden)
    for w, b, value, d in zip(weights, biases, (x, hidden), (delta, back)[::-1], strict=True):
        w -= rate * np.outer(value, d)
        b -= rate * d


def torch_epoch(weights, biases, inputs, labels):
    """Return a function that trains on all samples with PyTorch's layers and optimizer; None if it is missing."""
    try:
        import torch
    except ImportError:
        return None
    torch.set_num_threads(1)
    net = torch.nn.Sequential(torch.nn.Linear(*weights[0].shape), torch.nn.Tanh(), torch.nn.Linear(*weights[1].shape))
    with torch.no_grad():
        for layer, w, b in zip(net[::2], weights, biases, strict=True):
            layer.weight.copy_(torch.tensor(w.T))
            layer.bias.copy_(torch.tensor(b))
    optimizer, loss = torch.optim.SGD(net.parameters(), lr=0.01), torch.nn.CrossEntropyLoss()
    x, y = torch.tensor(inputs), torch.tensor(labels)

    def epoch():
        for k in range(len(x)):
            optimizer.zero_grad()
            loss(net(x[k:k + 1]), y[k:k + 1]).backward()
            optimizer.step()
    return epoch


def timed_net(samples, hidden, classes, seed):
    """Return the untrained tanh net whose steps are timed."""
    return mlp.MLP((samples.features, hidden, classes), "tanh", "cross-entropy", "glorot", seed)


def microseconds(functions):
    """Return the median time per sample of functions that each train on the timed samples."""
    return {name: 1e6 * seconds / TIMED_SAMPLES for name, seconds in timing.medians(functions, rounds=3).items()}


def clock_rows(training, samples, widths, seed):
    """Return the time per sample of dense nets, by implementation and hidden units.

    training : Dataset; samples : the same data, packed
    """
    inputs, labels = training.inputs[:TIMED_SAMPLES].astype(np.float32), training.labels[:TIMED_SAMPLES]
    order, rows = np.arange(TIMED_SAMPLES), []
    for hidden in progress(widths, label="the clock"):
        net = timed_net(samples, hidden, training.classes, seed)
        weights, biases = [w.astype(np.float32) for w in net.weights], [b.astype(np.float32) for b in net.biases]
        packed = sparse.pack(net.weights, net.biases, layout="dense")

        def plain(weights=weights, biases=biases):
            for x, label in zip(inputs, labels, strict=True):
                numpy_step(weights, biases, x, label, np.float32(0.01))

        functions = {"numpy": plain, "PyTorch": torch_epoch(weights, biases, inputs, labels),
                     "fused dense": lambda packed=packed: sparse.train_epoch(packed, samples, order, 0.01)}
        times = microseconds({name: function for name, function in functions.items() if function})
        rows += [{"part": "clock", "what": name, "hidden": hidden, "microseconds": value}
                 for name, value in times.items()]
    return rows


def density_rows(samples, hidden, classes, seed):
    """Return the time per sample of one net, dense and with random masks of each layout and density."""
    net, order = timed_net(samples, hidden, classes, seed), np.arange(TIMED_SAMPLES)
    nets = {("fused dense", 1.0): sparse.pack(net.weights, net.biases, layout="dense")}
    for density, (layout, block) in itertools.product(DENSITIES, (("sparse", 1), ("blocks", sparse.BLOCK_WIDTH))):
        if density * net.weights[0].size < 2 * block:
            continue  # nothing would be left of a net so small
        masks = [*sparse.prune(net.weights[:1], density, "random", block=block, rng=np.random.default_rng(seed)),
                 np.ones(net.weights[1].shape, dtype=bool)]
        nets[layout, density] = sparse.pack(net.weights, net.biases, masks, layout=(layout, "dense"))
    times = microseconds({name: lambda packed=packed: sparse.train_epoch(packed, samples, order, 0.01)
                          for name, packed in nets.items()})
    return [{"part": "density", "what": layout, "hidden": hidden, "density": density, "microseconds": value}
            for (layout, density), value in times.items()]


def break_even(rows, layout):
    """Return the largest density at and below which a layout always beats the fused dense kernel, or None."""
    times = {row["density"]: row["microseconds"] for row in rows if (row["part"], row["what"]) == ("density", layout)}
    dense = row_of(rows, "density", "fused dense")["microseconds"]
    faster = list(itertools.takewhile(lambda density: times[density] < dense, sorted(times)))
    return faster[-1] if faster else None


# ---- 4: early and late ------------------------------------------------------------------------------------

def overlap_rows(samples, hidden_units, classes, steps, rate, runs, seed):
    """Return which share of the first layer's largest weights at the end are among the largest early on, by step.

    Dense nets; the number of largest weights is the number that the source leaves, 4 per input.
    """
    marks = sorted({0, *(int(mark) for mark in np.geomspace(min(100, steps), steps, 9)), steps})
    overlaps = {mark: [] for mark in marks}
    for run_seed in progress(range(seed, seed + runs), label="early and late"):
        net = mlp.MLP((samples.features, *hidden_units, classes), "tanh", "cross-entropy", "glorot", run_seed)
        packed = sparse.pack(net.weights, net.biases)
        order = np.random.default_rng((run_seed, 6)).integers(len(samples.labels), size=steps)
        size = net.weights[0].size
        count = min(4 * samples.features, size // 2)
        largest = {}
        for start, mark in itertools.pairwise([0, *marks]):
            rates = [rate * (1 - at / steps) for at in (start, mark)]
            sparse.train_epoch(packed, samples, order[start:mark], *rates)
            magnitudes = np.abs(sparse.unpack(packed)[0][0]).ravel()
            largest[mark] = set(np.argsort(-magnitudes)[:count].tolist())
        for mark in marks:
            overlaps[mark].append(len(largest[mark] & largest[steps]) / count)
    return [{"part": "overlap", "what": f"{count} largest", "step": mark, "chance": count / size}
            | summaries.median_intervals(overlap=values) for mark, values in overlaps.items()]


# ---- finding and figures ----------------------------------------------------------------------------------

def middle(budgets):
    """Return the budget that the finding is about."""
    return sorted(budgets)[len(budgets) // 2]


def finding(rows, budgets):
    """Say how much accuracy the criterion that is best on validation data loses, at the middle budget."""
    best, dense = best_of(rows, middle(budgets)), row_of(rows, "criteria", "dense")
    lost = 100 * (round(dense["accuracy"], 3) - round(best["accuracy"], 3))  # of the numbers as they are written
    return (f"A net that keeps {100 * best['parameters'] / dense['parameters']:.2g} % of its parameters "
            f"{'loses' if lost >= 0 else 'wins'} {abs(lost):.1f} points of test accuracy")


def best_of(rows, budget):
    """Return the row of the criterion that is best on validation data at a budget."""
    return max((row for row in rows if row.get("budget") == budget), key=lambda row: row["validation"])


def finding_of_times(rows):
    """Say up to which density blocks and single weights are faster than the dense kernel."""
    def reach(layout):
        limit = break_even(rows, layout)
        return ("at no density" if limit is None else "at all tested densities" if limit == densest(rows, layout) else
                f"up to a density of {fraction(limit)}")

    blocks, single = reach("blocks"), reach("sparse")
    single = single if blocks == "at no density" else single.replace("a density of ", "")
    return f"Blocks of {sparse.BLOCK_WIDTH} beat the dense kernel {blocks}, single weights {single}"


def densest(rows, layout):
    """Return the largest density at which a layout was timed."""
    return max(row["density"] for row in rows if (row["part"], row["what"]) == ("density", layout))


def fraction(density):
    """Return a density in words, such as 1/16."""
    return "1" if density == 1 else f"1/{1 / density:.0f}"


def printed(rows, budgets):
    """Return the rows worth printing: the finding's budget, and the source's recipe at about the source's width."""
    width = min((row["hidden"] for row in rows if row["part"] == "recipe"), key=lambda h: abs(h - SOURCE_UNITS))
    chosen = [row for row in rows if (row["part"] == "criteria" and row.get("budget") in (None, middle(budgets)))
              or (row["part"] == "recipe" and row["hidden"] == width)]
    return [{key: value for key, value in row.items() if key != "budget"} for row in chosen]


def caption(rows, settings, test_count, validation_count):
    best, dense = best_of(rows, middle(settings.parameters)), row_of(rows, "criteria", "dense")
    units = "-".join(map(str, settings.hidden_units))
    blocks = f" in blocks of {settings.block}" if settings.block > 1 else ""
    published = ", ".join(name for criterion, name in ACRONYMS.items() if criterion in settings.criteria)
    words = ["moved: farthest from the start"] * ("moved" in settings.criteria)
    words += [f"{published}: published methods"] if published else []
    words = "; ".join(words)
    return (f"{settings.dataset}, {settings.steps:,} samples per run. Left: tanh, squared error; right: {units} tanh "
            f"units, dense; middle: {units} {settings.activation} units, {settings.schedule} pruning{blocks}, rates "
            f"chosen on {validation_count:,} other items.\n"
            f"{words[:1].upper()}{words[1:]}{'. ' if words else ''}n = {plots.counted(settings.runs, 'run')}, bands: "
            f"middle 90 %; {test_count:,} test items. Title: {best['what']} at {best['parameters']:,}, "
            f"{best['accuracy']:.3f} against {dense['accuracy']:.3f}.")


def caption_of_times(settings):
    return (f"{settings.dataset}, single samples on one thread; the recipe: n = "
            f"{plots.counted(settings.runs, 'run')} of {settings.steps:,} samples, bands the middle 90 %;\n"
            f"others: medians of 3 rounds of {TIMED_SAMPLES:,} samples; random masks; a ring: the largest "
            "tested density that pays.")


def draw_lines(axes, rows, x, y, looks, names=None):
    """Draw the rows of one part, a line with a band for each kind; return the lines for `plots.label_lines`.

    looks : dict of kind to color, marker and dash; names : dict of kind to words for it, where they differ
    """
    lines = []
    for kind, (color, marker, dash) in looks.items():
        curve = [row for row in rows if row["what"] == kind]
        if curve:
            places = [row[x] for row in curve]
            plots.draw_band(axes, places, curve, y, color, marker=marker, ls=dash)
            lines.append((places, [row[y] for row in curve], (names or {}).get(kind, kind), color))
    axes.set_xscale("log")
    return lines


def rows_of(rows, part):
    return [row for row in rows if row["part"] == part]


def plain_marks(axis, marks, words):
    """Write these ticks on a logarithmic axis, and no others."""
    axis.set_ticks(marks, words)
    axis.set_ticks([], minor=True)


def hidden_axis(axes, widths):
    """Name an axis of hidden units, with a tick at every second width of many."""
    widths = sorted(set(widths))
    widths = widths[::2] if len(widths) > 4 else widths
    axes.set_xlabel("hidden units")
    plain_marks(axes.xaxis, widths, [f"{width:,}" for width in widths])


@plots.styled
def picture(rows, title, caption):
    """Return the figure of accuracy and overlap."""
    figure, panels = plots.figure([["recipe", "criteria", "overlap"]], 12, 4.9, title, caption)
    panels["criteria"].sharey(panels["recipe"])
    named = {"recipe": draw_recipe(panels["recipe"], rows_of(rows, "recipe")),
             "criteria": draw_criteria(panels["criteria"], rows_of(rows, "criteria"))}
    for name, lines in named.items():  # when the shared axis has its limits
        plots.label_lines(panels[name], lines, gap=0.045)
    draw_overlap(panels["overlap"], rows_of(rows, "overlap"))
    return figure


def draw_recipe(axes, rows):
    """Draw accuracy by hidden units beside the source's number; return the lines to name."""
    lines = draw_lines(axes, rows, "hidden", "accuracy", RECIPE_LOOKS)
    plots.draw_source(axes, [SOURCE_UNITS], [SOURCE_ACCURACY], mfc="none", ms=9)
    axes.annotate(f"source, MNIST: {SOURCE_ACCURACY}", (SOURCE_UNITS, SOURCE_ACCURACY), xytext=(0, -24),
                  textcoords="offset points", ha="center", fontsize=8)
    axes.set(title="the source's recipe, weights halved early", ylabel="test accuracy")
    hidden_axis(axes, [row["hidden"] for row in rows])
    return lines


def draw_criteria(axes, rows):
    """Draw accuracy by the parameters that are kept, fewer to the right; return the lines to name."""
    rows = sorted(rows, key=lambda row: -row["parameters"])
    lines = draw_lines(axes, rows, "parameters", "accuracy", LOOKS, ACRONYMS)
    dense = row_of(rows, "criteria", "dense")
    axes.axhline(dense["accuracy"], color=plots.GREY, lw=1, ls="--")
    axes.annotate(f"dense, {dense['parameters']:,} parameters", (0, dense["accuracy"]), xytext=(3, 3),
                  xycoords=("axes fraction", "data"), textcoords="offset points", fontsize=8, color=plots.GREY)
    axes.set(title="what decides which weights live", xlabel="parameters kept, biases included")
    axes.invert_xaxis()
    budgets = sorted({row["budget"] for row in rows if "budget" in row})
    plain_marks(axes.xaxis, budgets, [f"{budget:,}" for budget in budgets])
    return lines


def draw_overlap(axes, rows):
    (chance,), (largest,) = ({row[key] for row in rows} for key in ("chance", "what"))  # the same in all rows
    count = int(largest.removesuffix(" largest"))
    plots.draw_band(axes, [row["step"] for row in rows], rows, "overlap", plots.RED)
    axes.axhline(chance, color=plots.GREY, lw=1, ls="--")
    axes.annotate(f"chance, {100 * chance:.0f} %", (1, chance), xytext=(0, 3), ha="right",
                  xycoords=("axes fraction", "data"), textcoords="offset points", fontsize=8, color=plots.GREY)
    axes.set(title="do the largest weights stay the largest?", xlabel="samples seen",
             ylabel=f"share of the {count:,} largest that are so at the end", ylim=(0, 1.02))
    axes.set_xscale("symlog", linthresh=100)
    last = max(row["step"] for row in rows)
    axes.set_xlim(0, 1.1 * last)
    marks = [mark for mark in (0, 100, 1000, 10_000, 100_000, 1_000_000) if mark <= last]
    plain_marks(axes.xaxis, marks, [f"{mark:,}" for mark in marks])


@plots.styled
def picture_of_times(rows, caption):
    """Return the figure of microseconds per sample."""
    figure, panels = plots.figure([["recipe", "clock", "density"]], 12, 4.9, finding_of_times(rows), caption,
                                  sharey=True)
    for axes in panels.values():
        axes.set_yscale("log")
        axes.margins(y=0.12)  # room for words below the lowest ring
    recipe, clock = rows_of(rows, "recipe"), rows_of(rows, "clock")
    named = [(panels["recipe"], draw_lines(panels["recipe"], recipe, "hidden", "microseconds", RECIPE_LOOKS)),
             (panels["clock"], draw_lines(panels["clock"], clock, "hidden", "microseconds",
                                          {"numpy": (plots.BLUE, "^", "-."), "PyTorch": (plots.GREEN, "D", ":"),
                                           "fused dense": (plots.GREY, "s", "--")}))]
    panels["recipe"].set(title="the source's recipe, whole runs", ylabel="microseconds per sample")
    panels["clock"].set(title="dense nets, by implementation")
    for name, part in (("recipe", recipe), ("clock", clock)):
        hidden_axis(panels[name], [row["hidden"] for row in part])
    named.append((panels["density"], draw_density(panels["density"], rows)))
    for axes, lines in named:  # when the shared axis has its limits
        plots.label_lines(axes, lines, gap=0.045)
    return figure


def draw_density(axes, rows):
    """Draw time by density, lower to the right, with a ring where a layout begins to pay; return the lines to name."""
    part = rows_of(rows, "density")
    looks = {"sparse": (plots.INK, "^", "-."), "blocks": (plots.RED, "o", "-")}
    lines = draw_lines(axes, part, "density", "microseconds", looks, LAYOUTS)
    dense = row_of(rows, "density", "fused dense")
    marks = sorted({row["density"] for row in part} - {1.0})
    if marks:  # else the net is too small for any density
        lines.append(([marks[-1], marks[0]], [dense["microseconds"]] * 2, "fused dense", plots.GREY))
        axes.plot(*lines[-1][:2], color=plots.GREY, lw=1, ls="--")
        plain_marks(axes.xaxis, marks, list(map(fraction, marks)))
    for layout, place, side in (("sparse", (4, 21), "bottom"), ("blocks", (-7, -28), "top")):
        color = looks[layout][0]
        limit = break_even(rows, layout)
        if limit:
            time, = (row["microseconds"] for row in part if (row["what"], row["density"]) == (layout, limit))
            axes.plot(limit, time, "o", ms=12, mfc="none", mec=color, mew=1.3)
            words = f"pays up to {fraction(limit)}" + ",\nthe densest tested" * (limit == densest(rows, layout))
            axes.annotate(words, (limit, time), xytext=place, fontsize=8, va=side, textcoords="offset points",
                          color=plots.text_color(color))
    axes.set(title=f"sparse nets of {dense['hidden']:,} hidden units", xlabel="density of the first layer")
    axes.invert_xaxis()
    return lines


if __name__ == "__main__":
    experiment.run(main)
