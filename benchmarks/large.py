"""What do very large matrices cost? Seconds and gigabytes, from 57 thousand entries to 206 million.

Matrices are float32: lognormal entries times lognormal scales of rows and columns, which gives hubs and a heavy tail;
or normal entries, which give many more links. Every measurement is a process of its own. Its peak memory is counted by
the operating system and includes Python, the libraries and the matrix. Seconds are those of the processor, since other
programs may run; on an idle machine they equal those of the clock. They run from the matrix to the result, after a
small matrix has had all code compiled and loaded.

`tails` is the whole of `tails.describe`, with a bootstrap of 20 replicates; `layer` is the diagnosis of a matrix that
`show_stats.py --weights` makes; `sampling` is the probabilities and one network; `bipartite` and `merged` are sampling
and every metric; the nulls are those of `networks.comparison.draw`, three draws each; `ranks` is all singular values
and the ranks of the matrix; `pass` is the largest magnitude and a copy, the least that a matrix costs.

Takes eight minutes.
"""
import harness  # first: it pins the threads  # isort: skip

import json
import os
import statistics
import subprocess
import sys
import time

import numpy as np

from gradnets import checkpoints, dimension, files, networks, plots, tails

LAYER = (4096, 14336)     # of a large language model: 58,720,256 entries
SQUARE = (7616, 7616)     # nearly as many
LARGEST = {"bipartite": (7680, 26880), "merged": (14336, 14336)}  # 206 million
HALVINGS = 5              # of both sides, down to 57 thousand entries
ROUNDS = 3                # number of matrices behind a median; one for the largest, float16 and the nulls
REPLICATES = 20           # number of bootstrap replicates
DRAWS = 3                 # number of networks, and of each null
SECONDS, GIGABYTES = 60, 8  # the goals of all jobs that have none of their own
TAILS = 3, 1.3              # the goals of tails, in seconds and gigabytes
LAYER_SECONDS = 4           # the goal of the diagnosis of a layer
RANKS_GIGABYTES = 2       # the goal of ranks
COLORS = {"tails": plots.RED, "sampling": plots.GREY, "bipartite": plots.BLUE, "merged": plots.INK}


def matrix(shape, entries, seed=0):
    """Return a float32 matrix, computed in place: making it takes no more memory than the matrix itself."""
    rng = np.random.default_rng(seed)
    values = rng.standard_normal(shape, dtype=np.float32)
    if entries == "normal":
        return values
    np.exp(values, out=values)
    for side, view in ((shape[0], values), (shape[1], values.T)):
        view *= rng.lognormal(0, 0.5, (side, 1)).astype(np.float32)
    return values.astype(np.float16).astype(np.float32) if entries == "float16" else values


def sample(matrix):
    return networks.sample(networks.probabilities(matrix), 0)


def measure_network(matrix, layers):
    links = sample(matrix)
    return (networks.measure_bipartite(links) if layers == "bipartite" else
            networks.measure(networks.merge_layers(links)))


def compare_with_nulls(matrix, layers):
    measurements, _ = networks.comparison.draw(networks.probabilities(matrix), layers, DRAWS, seed=0)
    return networks.comparison.summary(measurements)


JOBS = {
    "pass": lambda matrix: (np.abs(matrix).max(), matrix.copy()),
    "tails": lambda matrix: tails.describe(np.abs(matrix, out=matrix), REPLICATES, 0),
    "layer": lambda matrix: checkpoints.diagnosis.describe("layer", matrix),
    "sampling": sample,
    "bipartite": lambda matrix: measure_network(matrix, "bipartite"),
    "merged": lambda matrix: measure_network(matrix, "merged"),
    "bipartite nulls": lambda matrix: compare_with_nulls(matrix, "bipartite"),
    "ranks": lambda matrix: dimension.ranks(dimension.energy_shares(matrix)),
    "merged nulls": lambda matrix: compare_with_nulls(matrix, "merged"),
}


def time_job(job, rows, columns, entries, seed):
    """Return the seconds of one job, measured in this process."""
    JOBS[job](matrix((300, 300), entries))
    values = matrix((rows, columns), entries, seed)
    start = time.process_time()
    JOBS[job](values)
    return time.process_time() - start


def measure(job, shape, entries="lognormal", rounds=ROUNDS):
    """Return median seconds, the largest peak of memory in GB, and the longest seconds, each matrix in a process."""
    seconds, gigabytes = [], []
    for seed in range(rounds):
        command = [sys.executable, __file__, job, *map(str, shape), entries, str(seed)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)  # this child's usage, not that of all children so far
        process.returncode = os.waitstatus_to_exitcode(status)
        process.stdout.close()
        if process.returncode:
            raise RuntimeError(f"{job} of {shape} ended with status {process.returncode}")
        seconds.append(json.loads(output))
        gigabytes.append(usage.ru_maxrss * 1024 / 1e9)
    return statistics.median(seconds), max(gigabytes), max(seconds)


def growth(job):
    """Return seconds, median and longest, and gigabytes by number of entries; the size of the goal is last but one."""
    shape, largest = (SQUARE, LARGEST["merged"]) if job == "merged" else (LAYER, LARGEST["bipartite"])
    shapes = [tuple(side >> k for side in shape) for k in range(HALVINGS, -1, -1)]
    costs = [measure(job, smaller) for smaller in shapes] + [measure(job, largest, rounds=1)]
    seconds, gigabytes, longest = map(list, zip(*costs, strict=True))
    entries = [int(np.prod(measured)) for measured in [*shapes, largest]]
    return {"entries": entries, "seconds": seconds, "gigabytes": gigabytes, "longest": longest}


def size(shape):
    return f"{shape[0]} x {shape[1]}"


def cost_at(cost, k):
    return cost["seconds"][k], cost["gigabytes"][k], cost["longest"][k]


def pair(quantity, cost, goals=(SECONDS, GIGABYTES), **behind):
    """Return two rows, of seconds and of gigabytes, each with its goal."""
    return [harness.figure(f"{quantity}, seconds", cost[0], goals[0], longest=cost[2], **behind),
            harness.figure(f"{quantity}, GB", cost[1], goals[1])]


@plots.styled
def picture(costs):
    at_goal = {job: cost_at(cost, -2) for job, cost in costs.items()}
    slower = max(at_goal["bipartite"][0], at_goal["merged"][0])
    title = (f"Tails of a layer take {at_goal['tails'][0]:.0f} s, a sampled network with every metric "
             f"{slower:.1f} s")
    caption = ("float32 matrices, lognormal entries times lognormal scales, on one thread; medians of "
               f"n = {ROUNDS} matrices, each in a process of its own, n = 1 for the largest; bars to the longest.\n"
               f"Tails: every comparison and {REPLICATES} bootstrap replicates; sampling: probabilities and one "
               "network; bipartite (2 : 7) and merged (square): that and every metric.")
    figure, panels = plots.figure([["seconds", "gigabytes"]], 10, 4.6, title, caption)
    for key, unit, goal in (("seconds", "s", TAILS[0]), ("gigabytes", "GB", TAILS[1])):
        panel = panels[key]
        for job, cost in costs.items():
            panel.plot(cost["entries"], cost[key], "o-", color=COLORS[job], ms=3.5, lw=1.5, label=job)
            if key == "seconds":
                panel.vlines(cost["entries"], cost[key], cost["longest"], color=COLORS[job], lw=4, alpha=0.3)
        entries = np.array(costs["tails"]["entries"], dtype=float)
        at = np.prod(LAYER)
        panel.plot(at, goal, "v", color=plots.RED, ms=7)
        panel.text(at / 1.4, goal, f"goal of tails: {goal} {unit} at {at / 1e6:.0f} million", color=plots.RED,
                   ha="right", va="center", fontsize=8)
        if key == "gigabytes":
            panel.plot(entries, 4 * entries / 1e9, color=plots.PALE, lw=3, zorder=0, label="the matrix itself")
        else:
            panel.plot(entries, entries * costs["sampling"][key][-2] / at / 4, color=plots.PALE, lw=3, zorder=0,
                       label="slope 1")
        panel.set(xscale="log", yscale="log", xlabel="entries of the matrix")
        panel.legend(loc="upper left", fontsize=8)
    panels["seconds"].set_title("seconds of the processor")
    panels["gigabytes"].set_title("peak memory of the process, GB")
    panels["gigabytes"].set_ylim(0.05, 30)
    return figure


def main():
    costs = {job: growth(job) for job in COLORS}
    named = {"tails": f"tails with every comparison, {REPLICATES} bootstrap replicates", "sampling": "sampling",
             "bipartite": "a network with every metric, bipartite",
             "merged": "a network with every metric, merged"}
    rows = []
    for job, cost in costs.items():
        behind = {f"growth_{key}": values for key, values in cost.items()}
        rows += pair(f"{named[job]}, {size(SQUARE if job == 'merged' else LAYER)}", cost_at(cost, -2),
                     TAILS if job == "tails" else (SECONDS, GIGABYTES), **behind)
        if job in LARGEST:  # the goals are those of a quarter of the entries
            rows += pair(f"{named[job]}, {size(LARGEST[job])}", cost_at(cost, -1))
    seconds, gigabytes, _ = measure("pass", LAYER)
    than = "over those of its largest magnitude and a copy"
    times, room, _ = cost_at(costs["sampling"], -2)
    rows += [harness.figure(f"sampling, {size(LAYER)}, seconds {than}", times / seconds, 10),
             harness.figure(f"sampling, {size(LAYER)}, GB {than}", room / gigabytes, 1.25)]
    rows += pair(f"tails of float16, {size(LAYER)}", measure("tails", LAYER, "float16", rounds=1))
    rows += pair(f"diagnosis of a layer by show_stats.py, {size(LAYER)}", measure("layer", LAYER),
                 (LAYER_SECONDS, GIGABYTES))
    for layers, shape in (("bipartite", LAYER), ("merged", SQUARE)):
        rows += pair(f"{named[layers]}, normal entries, {size(shape)}", measure(layers, shape, "normal"))
    for layers, shape in (("bipartite", LAYER), ("merged", SQUARE), ("merged", LARGEST["merged"])):
        rows += pair(f"{DRAWS} networks and as many of each null, every metric, {layers}, {size(shape)}",
                     measure(f"{layers} nulls", shape, rounds=1))
    seconds, gigabytes, longest = measure("ranks", LAYER)
    rows += [harness.figure(f"ranks of a gradient, {size(LAYER)}, seconds", seconds, SECONDS, longest=longest),
             harness.figure(f"ranks of a gradient, {size(LAYER)}, GB", gigabytes, RANKS_GIGABYTES)]
    harness.report("large", rows, ("numpy", "numba", "scipy"), missing=[])
    with files.atomic(harness.ROOT / "benchmarks" / "large.png") as temporary:
        picture(costs).savefig(temporary, format="png")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(time_job(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], int(sys.argv[5]))))
    else:
        main()
