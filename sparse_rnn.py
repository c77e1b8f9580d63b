"""How much does a recurrent net keep when most of its memory is killed?

A recurrent net reads images row by row. Its recurrent weights are pruned while it trains, in blocks of 16 or singly, by
magnitude or at random; all its other weights live. The learning rate of each net is chosen on validation data.

Figure: test accuracy, with the middle 90 % of the runs, and time per sample.

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
RUNS = 5                    # number of runs of each net, with seeds from SEED on
SEED = 0                    # seed of data, weights and order of samples

# ---- not flags
TIMED_SAMPLES = 1000
DENSE, QUARTER = "dense", "blocks of 16, 1/4"
# Share of the recurrent weights that is kept, criterion, and weights that live or die together.
KINDS = {DENSE: (1.0, "magnitude", 1), QUARTER: (1 / 4, "magnitude", 16), "blocks of 16, 1/8": (1 / 8, "magnitude", 16),
         "single weights, 1/10, magnitude": (1 / 10, "magnitude", 1),
         "single weights, 1/10, random": (1 / 10, "random", 1)}
COLUMNS = ("learning_rate", "accuracy", "parameters", "microseconds", "times_faster")


def main(settings):
    recipe = checked_recipe(settings)
    whole, test = (datasets.load(settings.dataset, split, seed=settings.seed) for split in ("train", "test"))
    parts = [sparse.pack_samples(part.inputs, part.labels) for part in (*datasets.hold_out(whole), test)]
    row_length = parts[0].features // (whole.shape[0] if len(whole.shape) > 1 else 1)
    rows = measure(recipe, *parts, row_length, whole.classes, settings)
    sentence = finding(rows)
    caption = (f"{settings.dataset}, read row by row, {settings.hidden_units} tanh units, {settings.steps:,} single "
               f"samples per run, {settings.schedule} pruning of the recurrent weights after {settings.burn_in:,}.\n"
               f"n = {settings.runs} runs, seeds {settings.seed} to {settings.seed + settings.runs - 1}, bars the "
               "middle 90 %; learning rates chosen on validation data.")
    return experiment.Result(rows, names=("what",), columns=COLUMNS, finding=sentence,
                             figure=picture(rows, sentence, caption), data=[whole.provenance, test.provenance])


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
    """Say what a quarter of the recurrent weights costs and wins."""
    by_kind = {row["what"]: row for row in rows}
    lost = 100 * (by_kind[DENSE]["accuracy"] - by_kind[QUARTER]["accuracy"])
    return (f"With a quarter of its recurrent weights, in blocks, a net loses {lost:.1f} points of accuracy and trains "
            f"{by_kind[QUARTER]['times_faster']:.1f} times faster")


@plots.styled
def picture(rows, title, caption):
    figure, panels = plots.figure([["accuracy", "microseconds"]], 11, 4.2, title, caption)
    for key, heading, unit in (("accuracy", "test accuracy", "share of test items"),
                               ("microseconds", "time", "microseconds per sample")):
        plots.draw_intervals(panels[key], rows, key, label="what", show_labels=key == "accuracy")
        panels[key].set(title=heading, xlabel=unit)
    return figure


if __name__ == "__main__":
    experiment.run(main)
