"""How much does a recurrent net keep when most of its memory is killed?

A recurrent net reads images row by row. Its recurrent weights are pruned while it trains, in blocks of 16 or singly, by
magnitude or at random; all its other weights live. The learning rate of each net is chosen on validation data.

Figure: test accuracy of each net, a dot with the middle 90 % of the runs, and its time per sample. Pruning at random
is the null beside pruning by magnitude.

Source: Howon Lee, README of stupidmlp (2016), whose announced third part, on recurrent nets, was never written.

Takes 180 s on MNIST.
"""
from dataclasses import replace
from functools import partial

import numpy as np

import rnn
from gradnets import checks, datasets, experiment, plots, sparse, summaries, timing
from gradnets.progress import progress

DATASET = "glyphs"          # data set: glyphs, noise, noise-constant, mnist, cifar10, cifar100, tree or clusters
HIDDEN_UNITS = 128          # number of hidden units
STEPS = 60_000              # number of training samples per run, one per step
SCHEDULE = "gradual"        # when weights are pruned: one-shot, halvings or gradual
LEARNING_RATES = (0.05, 0.1, 0.15)  # learning rates; the first run of a net chooses on validation data
BURN_IN = 5000              # number of samples before the first pruning
PRUNINGS = 30               # number of prunings
RUNS = 5                    # number of runs of each net, with seeds starting at SEED
SEED = 0                    # seed of data, weights and order of samples

# ---- not flags
TIMED_SAMPLES = 1000
DENSE, QUARTER = "dense", "blocks of 16, 1/4"
# Share of the recurrent weights that is kept, criterion, and weights that live or die together.
KINDS = {DENSE: (1.0, "magnitude", 1), QUARTER: (1 / 4, "magnitude", 16), "blocks of 16, 1/8": (1 / 8, "magnitude", 16),
         "single weights, 1/10, magnitude": (1 / 10, "magnitude", 1),
         "single weights, 1/10, random": (1 / 10, "random", 1)}
WORDS = {DENSE: "all", QUARTER: "1/4, in blocks of 16", "blocks of 16, 1/8": "1/8, in blocks of 16",
         "single weights, 1/10, magnitude": "1/10, the largest", "single weights, 1/10, random": "1/10, at random"}
COLUMNS = ("learning_rate", "accuracy", "parameters", "microseconds", "times_faster")
HEADINGS = {"what": "recurrent weights", "microseconds": "microseconds per sample"}
QUICK = {"steps": 10_000, "burn_in": 1000, "learning_rates": (0.1,), "runs": 2}


def main(settings):
    recipe = checked_recipe(settings)
    whole, test = (datasets.load(settings.dataset, split, seed=settings.seed) for split in ("train", "test"))
    samples, validation, test_samples = (sparse.pack_samples(part.inputs, part.labels)
                                         for part in (*datasets.hold_out(whole), test))
    row_length = samples.features // (whole.shape[0] if len(whole.shape) > 1 else 1)
    rows = measure(recipe, samples, validation, test_samples, row_length, whole.classes, settings)
    sentence = finding(rows)
    return experiment.Result(rows, names=("what",), columns=COLUMNS, headings=HEADINGS, finding=sentence,
                             figure=picture(rows, sentence, caption(settings, len(test.labels))),
                             data=[whole.provenance, test.provenance],
                             suggestion="--hidden-units 256 shows whether blocks gain more in a wider net")


def checked_recipe(settings):
    """Return how the nets are trained, but for rate, pruning and seed; raise UserError before any work."""
    checks.nonempty_tuples(learning_rates=settings.learning_rates)
    checks.positive_integers(hidden_units=settings.hidden_units, steps=settings.steps, runs=settings.runs,
                             prunings=settings.prunings)
    sparse.schedule(settings.schedule, 0.5, settings.steps, settings.burn_in, settings.prunings)
    return sparse.Recipe(settings.steps, settings.learning_rates[0], schedule=settings.schedule,
                         burn_in=settings.burn_in, prunings=settings.prunings, seed=settings.seed)


def measure(recipe, samples, validation, test, row_length, classes, settings):
    """Return accuracy, parameters and time of each kind of net, a row each."""
    def train(kind, rate, run):
        keep, criterion, block = KINDS[kind]
        net = rnn.RNN(row_length, settings.hidden_units, classes, seed=settings.seed + run)
        recipe_of_run = replace(recipe, learning_rate=rate, keep=keep, criterion=criterion, block=block,
                                seed=settings.seed + run)
        return sparse.recurrent.run(recipe_of_run, net.weights, net.biases, samples)

    def packed(trained):
        return sparse.recurrent.pack(trained.weights, trained.biases, trained.masks)

    def score(trained, samples=validation):
        return sparse.recurrent.accuracy(packed(trained), samples)

    def timed_epoch(net):
        sparse.recurrent.train_epoch(net, samples, np.arange(TIMED_SAMPLES), 0.0)

    rows, functions = [], {}
    for kind in progress(KINDS, label="recurrent nets"):
        rate, _, nets = sparse.train_at_best_rate(partial(train, kind), score, settings.learning_rates, settings.runs)
        functions[kind] = partial(timed_epoch, packed(nets[0]))
        rows.append({"part": "recurrent", "what": kind, "learning_rate": rate} | summaries.median_intervals(
            accuracy=[score(net, test) for net in nets],
            parameters=[sparse.parameters(net.masks, net.biases) for net in nets]))
    seconds = timing.medians(functions, rounds=3)
    return [row | {"microseconds": 1e6 * seconds[row["what"]] / TIMED_SAMPLES,
                   "times_faster": seconds[DENSE] / seconds[row["what"]]} for row in rows]


def finding(rows):
    """Say what a net that keeps a quarter of its recurrent weights loses in accuracy and wins in time."""
    by_kind = {row["what"]: row for row in rows}
    dense, quarter = (round(by_kind[kind]["accuracy"], 3) for kind in (DENSE, QUARTER))  # as they are written
    lost = 100 * (dense - quarter)
    return (f"A net that keeps 1/4 of its recurrent weights {'loses' if lost >= 0 else 'wins'} {abs(lost):.1f} points "
            f"and is {by_kind[QUARTER]['times_faster']:.1f} times as fast")


def caption(settings, test_count):
    return (f"{settings.dataset}, read row by row, {settings.hidden_units} tanh units, {settings.steps:,} single "
            f"samples per run, {settings.schedule} pruning of the recurrent weights after {settings.burn_in:,}.\n"
            f"n = {plots.counted(settings.runs, 'run')}, bars the middle 90 % on {test_count:,} test items; rings "
            f"are medians of 3 rounds of {TIMED_SAMPLES:,} samples. A point is 0.01 of accuracy.")


@plots.styled
def picture(rows, title, caption):
    figure, panels = plots.figure([["accuracy", "microseconds"]], 11, 4.2, title, caption)
    rows = [row | {"name": WORDS[row["what"]]} for row in rows]
    for key, heading, unit in (("accuracy", "accuracy, by recurrent weights kept", "test accuracy"),
                               ("microseconds", "time of the same nets", "microseconds per sample")):
        plots.draw_intervals(panels[key], rows, key, WORDS[DENSE], label="name", show_labels=key == "accuracy")
        panels[key].set(title=heading, xlabel=unit)
        for place, row in enumerate(rows):
            if key == "microseconds" and row["what"] == DENSE:
                continue  # as fast as itself
            words = f"{row['accuracy']:.3f}" if key == "accuracy" else f"{row['times_faster']:.1f} times as fast"
            panels[key].annotate(words, (row[key], place), xytext=(0, 8), textcoords="offset points", ha="center",
                                 fontsize=8, bbox={"fc": "white", "ec": "none", "pad": 0.5})
    panels["microseconds"].set_xlim(0, 1.2 * max(row["microseconds"] for row in rows))
    return figure


if __name__ == "__main__":
    experiment.run(main)
