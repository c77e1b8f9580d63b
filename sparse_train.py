"""How much training survives when nearly every weight is killed early?

1. The source's own recipe: weights from ±1e-5, tanh, squared error, a learning rate of 0.01; over a burn-in of 200
   samples the weights of the first layer are halved in number, the smallest going first, until some 3,140 are left
   whatever the number of hidden units; accuracy and time against hidden units, beside dense nets.
2. The honest version: softmax, a falling learning rate chosen for each net on validation data, weights of all layers
   and all biases counted; test accuracy against parameters for several criteria.
3. The clock: microseconds a sample of a plain numpy net, PyTorch where it is installed, a fused dense kernel that skips
   dark pixels, and sparse layouts; and at which density single weights and blocks of 16 begin to pay, in random
   masks (trained ones sit on lit pixels, and take up to twice as long).
4. How many of the weights that are largest at the end are among the largest early on.

Figure: a panel each of these, accuracies with the middle 90 % of the runs.

Source: Howon Lee, README of stupidmlp (2016): most weights are useless early; 0.832 on MNIST at 128 hidden units after
30,000 samples. Its announced third part, recurrent nets, was never written: here it is MODEL rnn, which reads images
row by row.

Takes 120 s.
"""
import itertools
import time

import numpy as np

import mlp
import rnn
from gradnets import datasets, experiment, plots, sparse

MODEL = "mlp"               # mlp: a perceptron; rnn: a recurrent net that reads images row by row
DATASET = "glyphs"          # glyphs, noise, mnist, cifar10, cifar100, tree or clusters
HIDDEN_UNITS = (128,)       # of the nets of 2 and 4; several numbers make deeper ones
ACTIVATION = "relu"         # of the nets of 2: tanh or relu
STEPS = 30_000              # samples, one a step
PARAMETERS = (800, 1500, 3180, 7000)  # how many are left, biases counted
CRITERIA = ("magnitude", "moved", "random", "snip", "set", "rigl")  # what decides which weights live
SCHEDULE = "gradual"        # of magnitude, moved and random: one-shot, halvings or gradual
BLOCK = 1                   # 1: weights live and die singly; 16: in rows of 16 (not for set and rigl)
LEARNING_RATES = (0.02, 0.04, 0.08, 0.16)  # tried on validation data; the first runs decide
BURN_IN = 500               # samples before the first pruning
PRUNINGS = 30               # of the gradual schedule
WIDTHS = (16, 32, 64, 128, 256, 512, 1024)  # hidden units of 1 and 3
RUNS = 5                    # seeds of each net: SEED, SEED + 1, ...
SEED = 0                    # seeds data, weights and samples

SOURCE = {"activation": "tanh", "loss": "squared", "targets": (-1.0, 1.0)}
TIMED = 1000  # samples of each timing
DENSITIES = (1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 32, 1 / 64)


def load(name, seed):
    """Training, validation (the last sixth of the training set) and test samples, packed; and the data set itself."""
    training, test = (datasets.load(name, split, seed=seed) for split in ("train", "test"))
    cut = len(training.labels) * 5 // 6
    parts = ((training.inputs[:cut], training.labels[:cut]), (training.inputs[cut:], training.labels[cut:]),
             (test.inputs, test.labels))
    return training, [sparse.pack_samples(*part) for part in parts]


def accuracy(trained, samples, **net):
    return sparse.accuracy(sparse.pack(trained.weights, trained.biases, trained.masks, **net), samples)


# ---- 1: the source's recipe -------------------------------------------------------------------------------

def with_bias(dataset):
    """The source holds the bias as one more input, always 1, and prunes its weights like all others."""
    return np.hstack([dataset.inputs, np.ones((len(dataset.labels), 1))])


def recipe_rows(name, widths, steps, runs, seed):
    """Accuracy, parameters and time of the source's recipe against hidden units: dense, and halved to 4 a pixel."""
    training, test = (datasets.load(name, split, seed=seed) for split in ("train", "test"))
    packed, held_out = (sparse.pack_samples(with_bias(dataset), dataset.labels) for dataset in (training, test))
    rows = []
    cases = [(hidden, kind) for hidden in widths for kind in ("dense", "halved")]
    for hidden, kind in experiment.progress(cases, total=len(cases), what="the source's recipe"):
        halvings = max(1, round(np.log2(hidden / 4)))
        found = {"accuracy": [], "microseconds": [], "parameters": []}
        for run in range(runs):
            net = mlp.MLP((packed.features, hidden, training.classes), "tanh", "squared", "uniform(0.00001)",
                          seed + run, biases=False, targets=SOURCE["targets"])
            recipe = sparse.Recipe(steps, 0.01, 1.0 if kind == "dense" else 0.5**halvings, "magnitude", "halvings", 200,
                                   halvings, decay=False, first_layer_only=True, seed=seed + run)
            trained = sparse.run(recipe, net.weights, net.biases, packed, **SOURCE)
            found["accuracy"].append(accuracy(trained, held_out, **SOURCE))
            found["microseconds"].append(1e6 * trained.seconds / steps)
            found["parameters"].append(sparse.parameters(trained.masks, trained.biases))
        rows.append({"part": "recipe", "what": kind, "hidden": hidden} | experiment.spread(**found))
    return rows


# ---- 2: criteria against parameters -----------------------------------------------------------------------

def train(criterion, count, rate, hidden_units, activation, dataset, samples, steps, schedule, burn_in, prunings, block,
          seed):
    """One net with `count` parameters left, or dense where that is None: a sparse.Trained."""
    net = mlp.MLP((samples.features, *hidden_units, dataset.classes), activation, "cross-entropy", "glorot", seed)
    keep = 1.0 if count is None else sparse.keep_for(count, net.weights, net.biases)
    recipe = sparse.Recipe(steps, rate, keep, criterion, schedule, burn_in, prunings, block=block, seed=seed)
    return sparse.run(recipe, net.weights, net.biases, samples, activation)


def criteria_rows(criteria, counts, rates, runs, parts, activation, seed, **how):
    """Test accuracy of each criterion at each number of parameters, at the rate that is best on validation data."""
    samples, validation, test = parts
    how |= {"samples": samples, "activation": activation}
    cases = [("dense", None), *((criterion, count) for criterion in criteria for count in counts)]
    rows = []
    for name, count in experiment.progress(cases, total=len(cases), what="criteria"):
        criterion = "magnitude" if count is None else name
        tried = {rate: train(criterion, count, rate, seed=seed, **how) for rate in rates}
        scores = {rate: accuracy(trained, validation, activation=activation) for rate, trained in tried.items()}
        rate = max(scores, key=scores.get)
        nets = [tried[rate], *(train(criterion, count, rate, seed=seed + run, **how) for run in range(1, runs))]
        rows.append({"part": "criteria", "what": name, "learning_rate": rate, "validation": scores[rate]}
                    | experiment.spread(accuracy=[accuracy(net, test, activation=activation) for net in nets],
                                        parameters=[sparse.parameters(net.masks, net.biases) for net in nets],
                                        microseconds=[1e6 * net.seconds / how["steps"] for net in nets]))
    return rows


# ---- 3: the clock -----------------------------------------------------------------------------------------

def numpy_step(weights, biases, x, label, rate):
    """A plain step of a 1-hidden-layer softmax net on one sample, as anyone would write it; weights change in place."""
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
    """A function that trains so many samples with PyTorch's own layers and optimiser, or None where it is missing."""
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
    optimiser, loss = torch.optim.SGD(net.parameters(), lr=0.01), torch.nn.CrossEntropyLoss()
    x, y = torch.tensor(inputs), torch.tensor(labels)

    def epoch():
        for k in range(len(x)):
            optimiser.zero_grad()
            loss(net(x[k:k + 1]), y[k:k + 1]).backward()
            optimiser.step()
    return epoch


def medians(functions, count, rounds=3):
    """Microseconds a sample of each function, run in turn; one round does not count."""
    times = {name: [] for name in functions}
    for turn in range(rounds + 1):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            if turn:
                times[name].append(1e6 * (time.perf_counter() - start) / count)
    return {name: float(np.median(values)) for name, values in times.items()}


def clock_rows(dataset, samples, widths, seed):
    """Time a sample of dense nets, by implementation and hidden units; and of sparse ones by density at the widest."""
    inputs, labels = dataset.inputs[:TIMED].astype(np.float32), dataset.labels[:TIMED]
    order, rows = np.arange(TIMED), []
    for hidden in experiment.progress(widths, total=len(widths), what="the clock"):
        net = mlp.MLP((samples.features, hidden, dataset.classes), "tanh", "cross-entropy", "glorot", seed)
        weights, biases = [w.astype(np.float32) for w in net.weights], [b.astype(np.float32) for b in net.biases]
        packed = sparse.pack(net.weights, net.biases, layout="dense")

        def plain(weights=weights, biases=biases):
            for x, label in zip(inputs, labels, strict=True):
                numpy_step(weights, biases, x, label, np.float32(0.01))

        functions = {"numpy": plain, "PyTorch": torch_epoch(weights, biases, inputs, labels),
                     "fused dense": lambda packed=packed: sparse.train_epoch(packed, samples, order, 0.01)}
        times = medians({name: function for name, function in functions.items() if function}, TIMED)
        rows += [{"part": "clock", "what": name, "hidden": hidden, "microseconds": value}
                 for name, value in times.items()]
    functions = {("fused dense", 1.0): functions["fused dense"]}
    for density in DENSITIES:
        for layout, block in (("sparse", 1), ("blocks", sparse.WIDTH)):
            if density * net.weights[0].size < 2 * block:
                continue  # a net so small has nothing left there
            masks = [sparse.prune([net.weights[0]], density, "random", block=block, rng=np.random.default_rng(seed))[0],
                     np.ones(net.weights[1].shape, dtype=bool)]
            packed = sparse.pack(net.weights, net.biases, masks, layout=(layout, "dense"))
            functions[layout, density] = lambda packed=packed: sparse.train_epoch(packed, samples, order, 0.01)
    rows += [{"part": "density", "what": layout, "hidden": hidden, "density": density, "microseconds": value}
             for (layout, density), value in medians(functions, TIMED).items()]
    return rows


# ---- 4: early and late ------------------------------------------------------------------------------------

def overlap_rows(dataset, samples, hidden_units, steps, rate, runs, seed):
    """Share of the first layer's largest weights at the end that are among the largest early on, as many of each.

    As many as the source leaves, 4 an input, on average; dense nets.
    """
    marks = sorted({0, *(int(m) for m in np.geomspace(min(100, steps), steps, 9)), steps})
    found = {mark: [] for mark in marks}
    for run in experiment.progress(range(runs), total=runs, what="early and late"):
        net = mlp.MLP((samples.features, *hidden_units, dataset.classes), "tanh", "cross-entropy", "glorot", seed + run)
        packed = sparse.pack(net.weights, net.biases)
        order = np.random.default_rng((seed + run, 6)).integers(len(samples.labels), size=steps)
        count = min(4 * samples.features, net.weights[0].size // 2)
        largest = {}
        for start, mark in zip([0, *marks], marks, strict=False):
            rates = [rate * (1 - at / steps) for at in (start, mark)]
            sparse.train_epoch(packed, samples, order[start:mark], *rates)
            magnitudes = np.abs(sparse.unpack(packed)[0][0]).ravel()
            largest[mark] = set(np.argsort(-magnitudes)[:count].tolist())
        for mark in marks:
            found[mark].append(len(largest[mark] & largest[steps]) / count)
    return [{"part": "overlap", "what": f"{count} largest", "step": mark, "chance": count / net.weights[0].size}
            | experiment.spread(overlap=found[mark]) for mark in marks]


# ---- recurrent nets ---------------------------------------------------------------------------------------

def recurrent_rows(dataset, parts, hidden, rates, runs, steps, schedule, burn_in, prunings, seed):
    """Accuracy and time of a recurrent net, dense and with few of its recurrent weights, by kind."""
    samples, validation, test = parts
    side = dataset.shape[0] if len(dataset.shape) > 1 else 1
    row = samples.features // side
    kinds = {"dense": (1.0, "magnitude", 1)}
    kinds |= {f"blocks of 16, 1/{k}": (1 / k, "magnitude", sparse.WIDTH) for k in (4, 8)}
    kinds |= {f"single weights, 1/10, {criterion}": (1 / 10, criterion, 1) for criterion in ("magnitude", "random")}

    def train_one(kind, rate, run):
        keep, criterion, block = kinds[kind]
        net = rnn.RNN(row, hidden, dataset.classes, seed=seed + run)
        recipe = sparse.Recipe(steps, rate, keep, criterion, schedule, burn_in, prunings, block=block, seed=seed + run)
        return sparse.recurrent.run(recipe, net.weights, net.biases, samples)

    def score(trained, on):
        return sparse.recurrent.accuracy(sparse.recurrent.pack(trained.weights, trained.biases, trained.masks), on)

    rows, functions = [], {}
    order = np.arange(TIMED)
    for kind in experiment.progress(kinds, total=len(kinds), what="recurrent nets"):
        tried = {rate: train_one(kind, rate, 0) for rate in rates}
        scores = {rate: score(trained, validation) for rate, trained in tried.items()}
        rate = max(scores, key=scores.get)
        nets = [tried[rate], *(train_one(kind, rate, run) for run in range(1, runs))]
        packed = sparse.recurrent.pack(nets[0].weights, nets[0].biases, nets[0].masks)
        functions[kind] = lambda packed=packed: sparse.recurrent.train_epoch(packed, samples, order, 0.0)
        rows.append({"part": "recurrent", "what": kind, "learning_rate": rate}
                    | experiment.spread(accuracy=[score(net, test) for net in nets],
                                        parameters=[sparse.parameters(net.masks, net.biases) for net in nets]))
    times = medians(functions, TIMED)
    return [row | {"microseconds": times[row["what"]], "times_faster": times["dense"] / times[row["what"]]}
            for row in rows]


def recurrent_finding(rows):
    dense, blocks = rows[0], rows[1]
    lost = 100 * (dense["accuracy"] - blocks["accuracy"])
    return (f"A recurrent net with a quarter of its memory, in blocks, is {lost:.1f} points of accuracy below dense, "
            f"{dense['accuracy']:.3f}, and trains {blocks['times_faster']:.1f} times faster")


@plots.styled
def recurrent_picture(rows, title, caption):
    figure, panels = plots.figure([["accuracy", "microseconds"]], 11, 4.2, title, caption)
    for key, heading, unit in (("accuracy", "test accuracy", "share of test items"),
                               ("microseconds", "time", "microseconds a sample")):
        named = [{"network": row["what"]} | row for row in rows]
        plots.draw_intervals(panels[key], named, key, names=key == "accuracy")
        panels[key].set(title=heading, xlabel=unit)
    return figure


# ---- what is told -----------------------------------------------------------------------------------------

def break_even(rows, layout):
    """The largest density at which a layout is faster than the fused dense kernel, at that and all lower ones."""
    own = {row["density"]: row["microseconds"] for row in rows if row["part"] == "density" and row["what"] == layout}
    dense = next(row["microseconds"] for row in rows if row["part"] == "density" and row["what"] == "fused dense")
    faster = list(itertools.takewhile(lambda density: own[density] < dense, sorted(own)))
    return faster[-1] if faster else None


def finding(rows):
    """How much accuracy the best criterion keeps with how much, and from which density sparse layouts are faster."""
    dense, *pruned = (row for row in rows if row["part"] == "criteria")
    counts = sorted({row["parameters"] for row in pruned})
    middle = [row for row in pruned if row["parameters"] == counts[len(counts) // 2]]
    best = max(middle, key=lambda row: row["validation"])
    said = (f"{best['parameters']:,} of {dense['parameters']:,} parameters reach an accuracy of {best['accuracy']:.3f} "
            f"({best['what']}), all {dense['accuracy']:.3f}")
    for layout, name in (("sparse", "single weights"), ("blocks", "blocks of 16")):
        density = break_even(rows, layout)
        said += f"; {name} beat dense " + (f"up to a density of 1/{1 / density:.0f}" if density else "nowhere")
    return said


@plots.styled
def picture(rows, title, caption):
    figure, panels = plots.figure([["recipe", "seconds", "criteria"], ["clock", "density", "overlap"]], 13, 8, title,
                                  caption)

    def draw(panel, part, x, y, colors):
        for what, color in zip(dict.fromkeys(row["what"] for row in rows if row["part"] == part), colors, strict=False):
            own = [row for row in rows if row["part"] == part and row["what"] == what]
            places = [row[x] for row in own]
            if y + "_low" in own[0]:
                panels[panel].fill_between(places, [row[y + "_low"] for row in own], [row[y + "_high"] for row in own],
                                           color=color, alpha=0.2, lw=0)
            panels[panel].plot(places, [row[y] for row in own], "o-", color=color, ms=4, label=what)

    two = (plots.GREY, plots.RED)
    draw("recipe", "recipe", "hidden", "accuracy", two)
    panels["recipe"].set(title="the source's recipe", xlabel="hidden units", ylabel="test accuracy", xscale="log")
    draw("seconds", "recipe", "hidden", "microseconds", two)
    panels["seconds"].set(title="its time", xlabel="hidden units", ylabel="microseconds a sample", xscale="log",
                          yscale="log")
    criteria = list(dict.fromkeys(row["what"] for row in rows if row["part"] == "criteria"))
    draw("criteria", "criteria", "parameters", "accuracy", (plots.GREY, *plots.shades(len(criteria) - 1)))
    dense = next(row for row in rows if row["part"] == "criteria")
    panels["criteria"].axhline(dense["accuracy"], color=plots.GREY, lw=0.8)
    panels["criteria"].set(title="accuracy by what decides who lives", xlabel="parameters, biases counted",
                           ylabel="test accuracy", xscale="log")
    draw("clock", "clock", "hidden", "microseconds", (plots.GREY, plots.BLUE, plots.INK))
    panels["clock"].set(title="dense nets, by implementation", xlabel="hidden units", ylabel="microseconds a sample",
                        xscale="log", yscale="log")
    draw("density", "density", "density", "microseconds", (plots.INK, plots.BLUE, plots.RED))
    dense = next(row for row in rows if row["part"] == "density")
    panels["density"].axhline(dense["microseconds"], color=plots.INK, lw=0.8)
    panels["density"].set(title=f"sparse nets of {dense['hidden']:,} hidden units", xlabel="density of the first layer",
                          ylabel="microseconds a sample", xscale="log", yscale="log")
    draw("overlap", "overlap", "step", "overlap", (plots.RED,))
    chance = next(row["chance"] for row in rows if row["part"] == "overlap")
    panels["overlap"].axhline(chance, color=plots.GREY, lw=0.8, ls="--", label="chance")
    panels["overlap"].set(title="largest at the end that are so early", xlabel="samples seen", ylabel="share",
                          ylim=(0, 1.02))
    panels["overlap"].set_xscale("symlog", linthresh=100)
    panels["overlap"].set_xlim(left=0)
    for panel in panels.values():
        panel.legend(fontsize=8)
    return figure


def main():
    if MODEL not in ("mlp", "rnn"):
        raise ValueError(f"MODEL is {MODEL!r}: expected mlp or rnn")
    experiment.check_several(HIDDEN_UNITS=HIDDEN_UNITS, PARAMETERS=PARAMETERS, CRITERIA=CRITERIA, WIDTHS=WIDTHS,
                             LEARNING_RATES=LEARNING_RATES)
    experiment.check_positive(HIDDEN_UNITS=HIDDEN_UNITS, STEPS=STEPS, PARAMETERS=PARAMETERS, WIDTHS=WIDTHS, RUNS=RUNS,
                              PRUNINGS=PRUNINGS)
    for criterion in CRITERIA:  # before any work
        sparse.Recipe(STEPS, LEARNING_RATES[0], 0.5, criterion, SCHEDULE, BURN_IN, PRUNINGS, block=BLOCK)
    if MODEL == "rnn" and len(HIDDEN_UNITS) != 1:
        raise ValueError(f"HIDDEN_UNITS is {HIDDEN_UNITS}: a recurrent net has one hidden layer, give one number")
    dataset, parts = load(DATASET, SEED)
    if MODEL == "rnn":
        rows = recurrent_rows(dataset, parts, HIDDEN_UNITS[0], LEARNING_RATES, RUNS, STEPS, SCHEDULE, BURN_IN,
                              PRUNINGS, SEED)
        caption = (f"{DATASET}, read row by row, {HIDDEN_UNITS[0]} tanh units, {STEPS:,} single samples a run, "
                   f"{SCHEDULE} pruning of the recurrent weights after {BURN_IN:,}.\nn = {RUNS} runs, seeds {SEED} "
                   f"to {SEED + RUNS - 1}, bars the middle 90 %; learning rates chosen on validation data.")
        return rows, recurrent_picture(rows, recurrent_finding(rows), caption)
    how = {"hidden_units": HIDDEN_UNITS, "dataset": dataset, "steps": STEPS, "schedule": SCHEDULE, "burn_in": BURN_IN,
           "prunings": PRUNINGS, "block": BLOCK}
    rows = criteria_rows(CRITERIA, PARAMETERS, LEARNING_RATES, RUNS, parts, ACTIVATION, SEED, **how)
    rows += recipe_rows(DATASET, WIDTHS, STEPS, RUNS, SEED)
    rows += clock_rows(dataset, parts[0], WIDTHS, SEED)
    rows += overlap_rows(dataset, parts[0], HIDDEN_UNITS, STEPS, rows[0]["learning_rate"], RUNS, SEED)
    caption = (f"{DATASET}, {STEPS:,} single samples a run, hidden units {' '.join(map(str, HIDDEN_UNITS))} where they "
               f"are no axis; {ACTIVATION} in the third panel, else tanh; {SCHEDULE} pruning, blocks of {BLOCK}.\n"
               f"n = {RUNS} runs, seeds {SEED} to {SEED + RUNS - 1}, bands the middle 90 %; accuracy on "
               f"{len(parts[2].labels):,} test items, learning rates chosen on {len(parts[1].labels):,} others.\n"
               "Times on one thread, medians.")
    return rows, picture(rows, finding(rows), caption)


if __name__ == "__main__":
    experiment.run(main)
