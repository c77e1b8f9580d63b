"""What do very large matrices cost? Seconds and gigabytes, from 57 thousand entries to 206 million.

Matrices are float32: lognormal entries times lognormal scales of rows and columns, which gives hubs and a heavy
tail; or normal entries, which give many more links. Every measurement is a process of its own, whose peak memory
is the operating system's count and includes Python, the libraries and the matrix. Seconds are the processor's, as
other programs may run: those of the clock on an idle machine. They run from the matrix to the result, once a small
matrix has had all code compiled and loaded.

`tails` is everything that `tails.describe` says, its bootstrap of 20 replicates included; `sampling` the chances
and one network; `bipartite` and `merged` that and every metric; the nulls are those of `comparison.networks`, three
draws each; `pass` the largest magnitude and a copy, as a measure of what a matrix costs at least.

Takes some eight minutes.
"""
import harness  # first: it pins the threads  # isort: skip

import json
import os
import statistics
import subprocess
import sys
import time

import numpy as np

from gradnets import comparison, experiment, graphs, metrics, plots, tails

LAYER = (4096, 14336)     # of a large language model: 58,720,256 entries
SQUARE = (7616, 7616)     # nearly as many
LARGEST = {"bipartite": (7680, 26880), "merged": (14336, 14336)}  # 206 million
HALVINGS = 5              # of both sides, down to 57 thousand entries
ROUNDS = 3                # of which the median is taken; one for the largest, float16 and the nulls
REPLICATES = 20           # of the bootstrap
DRAWS = 3                 # of the nulls
SECONDS, GIGABYTES = 60, 8  # the goals
COLORS = {"tails": plots.RED, "sampling": plots.GREY, "bipartite": plots.BLUE, "merged": plots.INK}


def matrix(shape, entries, seed=0):
    """float32, made in place: its making takes no more memory than it does."""
    rng = np.random.default_rng(seed)
    made = rng.standard_normal(shape, dtype=np.float32)
    if entries == "normal":
        return made
    np.exp(made, out=made)
    for side, scales in ((shape[0], made), (shape[1], made.T)):
        scales *= rng.lognormal(0, 0.5, (side, 1)).astype(np.float32)
    return made.astype(np.float16).astype(np.float32) if entries == "float16" else made


def network(matrix, layers):
    links = graphs.sample(graphs.probabilities(matrix), 0)
    if layers == "bipartite":
        return metrics.measure_bipartite(links)
    return metrics.measure(graphs.merge_layers(links))


def nulls(matrix, layers):
    kinds, _ = comparison.networks(graphs.probabilities(matrix), layers, DRAWS, seed=0)
    return comparison.summary(kinds)


JOBS = {
    "pass": lambda matrix: (np.abs(matrix).max(), matrix.copy()),
    "tails": lambda matrix: tails.describe(np.abs(matrix, out=matrix), REPLICATES, 0),
    "sampling": lambda matrix: graphs.sample(graphs.probabilities(matrix), 0),
    "bipartite": lambda matrix: network(matrix, "bipartite"),
    "merged": lambda matrix: network(matrix, "merged"),
    "bipartite nulls": lambda matrix: nulls(matrix, "bipartite"),
    "merged nulls": lambda matrix: nulls(matrix, "merged"),
}


def alone(job, rows, columns, entries, seed):
    """The seconds of one job: what a process of its own does."""
    JOBS[job](matrix((100, 100), entries))
    given = matrix((rows, columns), entries, seed)
    start = time.process_time()
    JOBS[job](given)
    return time.process_time() - start


def measure(job, shape, entries="lognormal", rounds=ROUNDS):
    """Median seconds, largest peak of memory in GB, and longest seconds, of as many matrices, each in a process."""
    seconds, gigabytes = [], []
    for seed in range(rounds):
        command = [sys.executable, __file__, job, *map(str, shape), entries, str(seed)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        said = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)  # this child's usage, not that of all children so far
        process.returncode = os.waitstatus_to_exitcode(status)
        process.stdout.close()
        if process.returncode:
            raise RuntimeError(f"{job} of {shape} ended with status {process.returncode}")
        seconds.append(json.loads(said))
        gigabytes.append(usage.ru_maxrss * 1024 / 1e9)
    return statistics.median(seconds), max(gigabytes), max(seconds)


def growth(job):
    """Seconds, median and longest, and gigabytes against entries: lists of one length, the goal's size last but one."""
    shape, largest = (SQUARE, LARGEST["merged"]) if job == "merged" else (LAYER, LARGEST["bipartite"])
    shapes = [tuple(side >> k for side in shape) for k in range(HALVINGS, -1, -1)]
    costs = [measure(job, one) for one in shapes] + [measure(job, largest, rounds=1)]
    seconds, gigabytes, longest = map(list, zip(*costs, strict=True))
    return {"entries": [int(np.prod(one)) for one in [*shapes, largest]], "seconds": seconds, "gigabytes": gigabytes,
            "longest": longest}


def size(shape):
    return f"{shape[0]} x {shape[1]}"


def cost_at(cost, k):
    return cost["seconds"][k], cost["gigabytes"][k], cost["longest"][k]


def pair(what, cost, **behind):
    """Two rows, each with its goal."""
    return [harness.figure(f"{what}, seconds", cost[0], SECONDS, longest=cost[2], **behind),
            harness.figure(f"{what}, GB", cost[1], GIGABYTES)]


@plots.styled
def picture(grown):
    at_goal = {job: cost_at(cost, -2) for job, cost in grown.items()}
    slower, larger, _ = np.max([at_goal["bipartite"], at_goal["merged"]], axis=0)
    title = (f"59 million entries: tails in {at_goal['tails'][0]:.0f} s and {at_goal['tails'][1]:.1f} GB, "
             f"a network with every metric in {slower:.1f} s and {larger:.1f} GB")
    caption = ("float32 matrices, lognormal entries times lognormal scales, on one thread; medians of "
               f"n = {ROUNDS} matrices, each in a process of its own, n = 1 for the largest; bars to the longest.\n"
               f"Tails: every comparison and {REPLICATES} bootstrap replicates; sampling: chances and one network; "
               "bipartite (2 : 7) and merged (square): that and every metric.")
    figure, panels = plots.figure([["seconds", "gigabytes"]], 10, 4.6, title, caption)
    for key, unit, goal in (("seconds", "s", SECONDS), ("gigabytes", "GB", GIGABYTES)):
        panel = panels[key]
        for job, cost in grown.items():
            panel.plot(cost["entries"], cost[key], "o-", color=COLORS[job], ms=3.5, lw=1.5, label=job)
            if key == "seconds":
                panel.vlines(cost["entries"], cost[key], cost["longest"], color=COLORS[job], lw=4, alpha=0.3)
        entries = np.array(grown["tails"]["entries"], dtype=float)
        at = np.prod(LAYER)
        panel.plot(at, goal, "v", color=plots.RED, ms=7)
        panel.text(at / 1.4, goal, f"goal: {goal} {unit} at {at / 1e6:.0f} million", color=plots.RED, ha="right",
                   va="center", fontsize=8)
        if key == "gigabytes":
            panel.plot(entries, 4 * entries / 1e9, color=plots.PALE, lw=3, zorder=0, label="the matrix itself")
        else:
            panel.plot(entries, entries * grown["sampling"][key][-2] / at / 4, color=plots.PALE, lw=3, zorder=0,
                       label="slope 1")
        panel.set(xscale="log", yscale="log", xlabel="entries of the matrix")
        panel.legend(loc="upper left", fontsize=8)
    panels["seconds"].set_title("seconds of the processor")
    panels["gigabytes"].set_title("peak memory of the process, GB")
    panels["gigabytes"].set_ylim(0.05, 30)
    return figure


def main():
    grown = {job: growth(job) for job in COLORS}
    named = {"tails": f"tails with every comparison, {REPLICATES} bootstrap replicates", "sampling": "sampling",
             "bipartite": "a network with every metric, bipartite",
             "merged": "a network with every metric, merged"}
    rows = []
    for job, cost in grown.items():
        behind = {f"growth_{key}": values for key, values in cost.items()}
        rows += pair(f"{named[job]}, {size(SQUARE if job == 'merged' else LAYER)}", cost_at(cost, -2), **behind)
        if job in LARGEST:  # the goals are those of a quarter of the entries
            rows += pair(f"{named[job]}, {size(LARGEST[job])}", cost_at(cost, -1))
    seconds, gigabytes, _ = measure("pass", LAYER)
    than = "over those of its largest magnitude and a copy"
    times, room, _ = cost_at(grown["sampling"], -2)
    rows += [harness.figure(f"sampling, {size(LAYER)}, seconds {than}", times / seconds, 10),
             harness.figure(f"sampling, {size(LAYER)}, GB {than}", room / gigabytes, 1.25)]
    rows += pair(f"tails of float16, {size(LAYER)}", measure("tails", LAYER, "float16", rounds=1))
    for layers, shape in (("bipartite", LAYER), ("merged", SQUARE)):
        rows += pair(f"{named[layers]}, normal entries, {size(shape)}", measure(layers, shape, "normal"))
    for layers, shape in (("bipartite", LAYER), ("merged", SQUARE), ("merged", LARGEST["merged"])):
        rows += pair(f"{DRAWS} networks and as many of each null, every metric, {layers}, {size(shape)}",
                     measure(f"{layers} nulls", shape, rounds=1))
    harness.report("large", rows, ("numpy", "numba", "scipy"))
    with experiment.atomic(harness.ROOT / "benchmarks" / "large.png") as temporary:
        picture(grown).savefig(temporary, format="png")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(alone(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], int(sys.argv[5]))))
    else:
        main()
