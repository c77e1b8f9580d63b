"""What several test files share: the real data, where there is any, and settings that make a script short."""
import os
from pathlib import Path

import pytest

from gradnets import datasets, experiment, plots

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = {"mnist": "mnist", "cifar10": "cifar-10-batches-py"}  # folder of each real data set


# Settings that keep a run of each script to seconds: fewer repetitions and cases than its constants have.
FEWER = {"runs": 1, "draws": 2, "replicates": 5, "criteria": ("magnitude",), "widths": (16,),
         "inits": ("normal(0.01)",), "units": 8, "starts": 4, "iterations": 3, "nulls": 5, "items": 100, "epochs": 2}
FEWER_STEPS = {
    "show_stats": {"steps": 1000}, "show_delta_stats": {"steps": (1, 10, 100)}, "weight_network": {"steps": 500},
    "delta_origins": {"steps": 20, "samples": 2, "scales": (0.05, 1.0), "learning_rates": (0.1,),
                      "activations": ("tanh", "leaky")},
    "real_networks": {"steps": 20, "nulls": 1, "networks": ("karate", "jazz", "polbooks", "adjnoun", "celegans")},
    "sparse_train": {"steps": 2000, "learning_rates": (0.08,)},
    "sparse_rnn": {"steps": 2000, "burn_in": 500, "learning_rates": (0.1,)},
    "mlp": {"steps": 2000}, "rbm": {"steps": 300}, "rnn": {"steps": 300},
    "lyapunov": {"steps": 100, "transient": 50, "window": 25, "spectrum_steps": 3, "well_steps": 100,
                 "essay_steps": 20},
    "curvature_race": {"tasks": ("digits", "function"), "patience": 0.02},
    "second_order": {"steps": 100}, "third_order": {"sides": (5,)}, "poisson": {"seconds": 0.05, "points": 5},
    "critical_points": {"steps": 100}, "block_newton": {"steps": 5},
    "motifs_of_five": {"datasets": ("tree",), "nulls": 10, "wide_runs": 1},
    "functional_inverse": {"steps": 5}, "weight_growth": {"images": 1000, "starts": (0, 200), "window": 100},
    "attractor": {"transient": 50, "orbit": 300, "stride": 5, "spectrum_steps": 10, "theiler": 10, "surrogates": 1,
                  "jobs": 1},
    "edge_of_chaos": {"steps": 80, "learning_rates": (0.2, 1.0), "batch_sizes": (200, 20)},
    "period_doubling": {"decays": (0.05,), "longest": 4},
    "criticality": {"images": 240, "steps": 50, "hidden_units": 12},
    "gradient_space": {"steps": (0, 20), "directions": (5,), "depths": (1,), "images": 300, "samples": 60},
}


def short_settings(script):
    """Return the settings, by lower-case names, that make a script short."""
    names = {name.lower() for name in experiment.constants(ROOT / f"{script}.py")}
    return {name: value for name, value in (FEWER | FEWER_STEPS.get(script, {})).items() if name in names}


def as_flags(settings):
    """Return settings as words of a command line."""
    return [word for name, value in settings.items()
            for word in ("--" + name.replace("_", "-"), *map(str, value if isinstance(value, tuple) else (value,)))]


def assert_fits_the_page(result):
    """Check that the finding, the panels of each figure and the printed columns are as few as the house allows."""
    assert len(result.finding) <= plots.LONGEST_TITLE
    for figure in (result.figure, *result.figures.values()):
        assert len([axes for axes in figure.axes if axes.get_label() != "<colorbar>"]) <= plots.MOST_PANELS
    names = {name for name in result.names if any(name in row for row in result.printed or result.rows)}
    assert len(names.union(result.columns)) <= 7


def real(name, **options):
    """Return a real data set, or skip the test with the reason."""
    require(name)
    return datasets.load(name, **options)


def require(name):
    """Skip the test, with the reason, unless a real data set can be loaded."""
    folder = os.environ.get("GRADNETS_DATA", "")
    if not (Path(folder) / FOLDERS[name]).is_dir():
        pytest.skip(f"no {FOLDERS[name]} in GRADNETS_DATA ({folder or 'not set'})")
