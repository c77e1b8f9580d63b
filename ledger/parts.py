"""The runs that the ledger rests on: scripts under given settings and seeds, and the essay's gradient networks."""
import functools
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

import essay
from gradnets import datasets, experiment, networks
from gradnets.errors import UserError, one_line

IMAGES, STEPS = 10_000, 500         # training images and single-sample steps of the essay's gradients
RATES = (0.01, 0.1, 1.0)            # the essay's learning rates
CIFAR10_RATE = 0.1                  # learning rate of the gradients on CIFAR-10


class Part(NamedTuple):
    """A script, and how it is run.

    Attributes
    ----------
    script : str
    settings : dict
        The settings that differ from the script's own.
    trial : dict
        Those that a trial changes too; a trial takes glyphs instead of MNIST.
    seeds : int
        Number of seeds with which the whole script is run; most scripts have several runs of their own.
    timed : bool
        The script measures time, so that nothing else may run at the same time.
    """

    script: str
    settings: dict
    trial: dict
    seeds: int = 1
    timed: bool = False


PARTS = {  # the longest first
    "sparse": Part("sparse_train", {"dataset": "mnist"},
                   {"steps": 5000, "widths": (32, 128, 512), "runs": 2, "criteria": ("magnitude",),
                    "parameters": (3180,)}, timed=True),
    "recurrent": Part("sparse_rnn", {"dataset": "mnist"}, {"steps": 3000, "burn_in": 500, "runs": 2}, timed=True),
    "curvature race": Part("curvature_race", {"dataset": "mnist", "runs": 5},
                           {"tasks": ("digits", "function"), "patience": 0.2, "runs": 5}, timed=True),
    "third order": Part("third_order", {"dataset": "mnist"}, {"starts": 30, "sides": (5,)}, timed=True),
    "second order": Part("second_order", {"dataset": "mnist", "runs": 5},
                         {"steps": 1000, "iterations": 20, "runs": 2}),
    "functional inverse": Part("functional_inverse", {"runs": 5},
                               {"datasets": ("glyphs",), "steps": 10, "runs": 2}),
    "critical points": Part("critical_points", {"parts": ("index",), "dataset": "mnist"}, {"starts": 10}),
    "spectrum": Part("critical_points", {"parts": ("spectrum",), "dataset": "mnist"}, {"steps": 1000}, seeds=10),
    "motifs": Part("motif_stats", {}, {"runs": 4, "nulls": 30, "epochs": 5}),
    "motifs of five": Part("motifs_of_five", {"images": "mnist"},
                           {"inits": ("normal(0.1)",), "runs": 3, "wide_runs": 3, "nulls": 10}),
    "tails": Part("show_stats", {"datasets": ("mnist", "cifar10", "noise", "noise-constant"), "runs": 10},
                  {"datasets": ("glyphs", "noise"), "steps": 3000, "replicates": 10, "runs": 2}),
    "large init": Part("show_stats", {"datasets": ("mnist",), "init": "uniform(0.25)", "runs": 10},
                       {"datasets": ("glyphs",), "steps": 3000, "replicates": 10, "runs": 2}),
    "lyapunov": Part("lyapunov", {"dataset": "mnist"}, {"runs": 2, "steps": 400, "transient": 200, "window": 100}),
    "attractor": Part("attractor", {"dataset": "mnist", "runs": 4, "jobs": 1},
                      {"transient": 500, "orbit": 500, "spectrum_steps": 100, "theiler": 20, "runs": 1}),
    "edge of chaos": Part("edge_of_chaos", {"dataset": "mnist", "jobs": 1},
                          {"steps": 200, "learning_rates": (0.2, 0.8, 2.3, 3.2), "batch_sizes": (200,)}),
    "weights": Part("weight_network", {"dataset": "mnist"}, {"images": 1000, "steps": 2000, "draws": 10}, seeds=5),
    "growth": Part("weight_growth", {"dataset": "mnist"}, {"runs": 5, "starts": (0, 3000), "window": 500}),
    "period doubling": Part("period_doubling", {"dataset": "mnist"}, {"runs": 7, "longest": 8}),
    "criticality": Part("criticality", {"dataset": "mnist", "steps": 12_000},
                        {"images": 1000, "gains": (0.5, 1.0, 1.5), "steps": 300, "learning_rates": (0.03,)}),
    "space": Part("gradient_space",
                  {"parts": ("dimension", "training"), "datasets": ("mnist",), "steps": (0, 500), "directions": (100,),
                   "runs": 10},
                  {"datasets": ("glyphs",), "images": 2000, "steps": (0, 100), "directions": (50,), "runs": 5}),
    "rbm": Part("minibatch_network", {"model": "rbm", "dataset": "mnist", "batch_sizes": (1,), "draws": 3},
                {"runs": 3, "steps": (0, 100)}),
    "deltas": Part("show_delta_stats", {"dataset": "mnist", "runs": 10},
                   {"steps": (1, 10, 100, 1000), "replicates": 10, "runs": 2}),
    "origins": Part("delta_origins", {"datasets": ("mnist", "noise", "cifar10"), "scales": (0.25,),
                                      "activations": ("tanh",), "runs": 20},
                    {"datasets": ("glyphs", "noise"), "learning_rates": (0.1,), "steps": 100, "runs": 2}),
    "real networks": Part("real_networks", {"dataset": "mnist", "networks": ("repository",)},
                          {"networks": ("karate", "jazz", "polbooks", "adjnoun", "celegans"), "controls": (),
                           "learning_rates": (0.1,), "runs": 4, "nulls": 1}),
    "fractal": Part("fractal_stats", {"datasets": ("mnist", "noise"), "runs": 20},
                    {"datasets": ("glyphs", "noise"), "runs": 5}),
}


# ---- scripts ----------------------------------------------------------------------------------------------

def settings_of(part, trial):
    """Return the settings of a part that differ from those of its script."""
    settings = PARTS[part].settings
    if trial:
        settings = {name: "glyphs" if value == "mnist" else value for name, value in settings.items()}
        settings |= PARTS[part].trial
    return settings


def run_part(part, seed, trial):
    """Run the script of a part once.

    Returns
    -------
    dict
        rows, each with the number of runs, where the row itself does not say; data, what was read.
    """
    script, settings = PARTS[part].script, settings_of(part, trial)
    result = experiment.result_of(script, **settings, seed=seed)
    runs = getattr(experiment.settings(script, **settings), "runs", 1)
    return {"rows": [{"runs": runs} | row for row in result.rows], "data": list(result.data)}


def cases_of_scripts(trial, seed):
    """Return part and seed of every run of a script: the cases that are timed, and the others."""
    cases = {True: [], False: []}
    for name, part in PARTS.items():
        for k in range(1 if trial else part.seeds):
            cases[part.timed].append({"part": name, "seed": seed + k})
    return cases[True], cases[False]


# ---- gradient networks ------------------------------------------------------------------------------------

def gradient_network(data, rate, seed, draws):
    """Measure the essay's network after one training run.

    Returns
    -------
    dict
        row: the seed, whether the gradient is degenerate, and if not the numbers of the network; data, what was read.
    """
    dataset = datasets.load(data, limit=IMAGES)
    inputs = dataset.inputs.shape[1]
    gradient, _ = essay.gradient(dataset, inputs, STEPS, rate, 1, seed)
    if not (np.isfinite(gradient).all() and gradient[:inputs].any()):
        return {"row": {"seed": seed, "degenerate": True}, "data": [dataset.provenance]}
    probabilities = essay.sampling_probabilities(gradient, inputs)
    measurements, first = networks.comparison.draw(probabilities, "merged", draws, seed)
    thresholded = networks.comparison.threshold_probabilities(probabilities).sum(axis=1).astype(int)
    _, threshold_commonest = networks.comparison.multiplicity(thresholded)
    rows = {row["network"]: row for row in networks.comparison.summary(measurements)}
    observed = rows[networks.comparison.OBSERVED]
    shuffled, same_degrees = (rows[name] for name in (networks.comparison.SHUFFLED,
                                                      networks.comparison.DIRECTED_CONFIGURATION))
    strengths = np.abs(gradient[:inputs]).sum(axis=1)
    row = {"seed": seed, "degenerate": False, "diameter": observed["diameter"], "clustering": observed["clustering"],
           "commonest": observed["units_of_commonest"], "threshold_commonest": threshold_commonest,
           "out_skew": observed["out_skew"], "shuffled_skew": shuffled["out_skew"],
           "diameter_degrees": same_degrees["diameter"], "over_shuffled": shuffled["observed_over_this"],
           "over_degrees": same_degrees["observed_over_this"],
           "explained": float(np.corrcoef(first.sum(axis=1), strengths)[0, 1])}
    return {"row": row, "data": [dataset.provenance]}


def cases_of_networks(trial, runs, seed):
    """Return data set, learning rate and seed of every gradient network; CIFAR-10 has a fifth of the runs."""
    groups = [("glyphs" if trial else "mnist", rate, runs) for rate in RATES]
    groups += [] if trial else [("cifar10", CIFAR10_RATE, max(3, runs // 5))]
    return [{"data": data, "rate": rate, "seed": seed + k} for data, rate, count in groups for k in range(count)]


# ---- all of them ------------------------------------------------------------------------------------------

def measure(trial, jobs, cluster, store, runs, draws, seed):
    """Run everything that the ledger rests on.

    Parameters
    ----------
    trial : bool
        Built-in data and few seeds.
    jobs, cluster, store
        As `experiment.ensemble.run` takes them. What is timed runs alone, in this process.
    runs : int
        Number of gradient networks on MNIST, at each learning rate.
    draws : int
        Number of networks drawn from each gradient, and from each null model.
    seed : int

    Returns
    -------
    data : list of dict
        What was read, each entry once.
    parts : dict of list of dict
        The rows of every part, and of "gradients of DATA at RATE".
    """
    parts, data = {}, []
    scripts = sorted({part.script for part in PARTS.values()})
    timed, others = cases_of_scripts(trial, seed)
    results = run_all(functools.partial(run_part, trial=trial), timed, 1, "", store, "timed scripts", scripts)
    results += run_all(functools.partial(run_part, trial=trial), others, jobs, cluster, store, "scripts", scripts)
    for case, result in zip(timed + others, results, strict=True):
        parts.setdefault(case["part"], []).extend({"seed": case["seed"]} | row for row in result["rows"])
        data += result["data"]
    cases = cases_of_networks(trial, runs, seed)
    results = run_all(functools.partial(gradient_network, draws=draws), cases, jobs, cluster, store,
                      "gradient networks")
    for case, result in zip(cases, results, strict=True):
        parts.setdefault(f"gradients of {case['data']} at {case['rate']:g}", []).append(result["row"])
        data += result["data"]
    return [entry for k, entry in enumerate(data) if entry not in data[:k]], parts


def run_all(function, cases, jobs, cluster, store, label, modules=()):
    """Return the results of all cases; raise UserError if one fails by a user's mistake, and its own error otherwise.
    """
    try:
        return experiment.ensemble.run(function, cases, jobs, cluster, store or None, label, modules)
    except experiment.ensemble.FailedCase as failed:
        error = failed.__cause__
        if not isinstance(error, UserError | OSError | MemoryError):
            raise error from None  # a fault of the code
        case = ", ".join(f"{name} {value}" for name, value in failed.case.items())
        raise UserError(f"{one_line(error)} ({case})") from error


def read(path):
    """Return how the rows of an earlier run were made, what it read, and the rows, from a claims_parts.json."""
    try:
        record = json.loads(Path(path).read_text(encoding="utf-8"))
        return record["how"], record["data"], record["parts"]
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{path} does not hold the rows of all scripts: expected a claims_parts.json of this script"
                        ) from None
