"""The README's commands and its Python, run as they stand there."""
import json
import re
import shlex

import pytest
from conftest import ROOT, real

from gradnets import experiment

README = (ROOT / "README.md").read_text(encoding="utf-8")
FEW = {"RUNS": 1, "DRAWS": 2, "REPLICATES": 5}  # repetitions, fewer than the README's
COMMANDS = sorted(set(re.findall(r"\.venv/bin/python (\w+\.py[^`\n]*)", README)))


@pytest.mark.parametrize("command", COMMANDS)
def test_command(command, script, tmp_path):
    for data in ("mnist", "cifar10"):
        if data in command:
            real(data, limit=1)
    name, *flags = shlex.split(command)
    for constant, few in FEW.items():
        if constant in experiment.constants(ROOT / name):
            flags += ["--" + constant.lower(), few]
    done = script(name, *flags, "--out", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / name.replace(".py", ".png")).exists()


def test_commands_were_found():
    scripts = {path.name for path in ROOT.glob("*.py")}
    assert {command.split()[0] for command in COMMANDS} == scripts


@pytest.mark.parametrize("code", re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL))
def test_python(code, capsys):
    exec(compile(code, "README.md", "exec"), {})
    assert "NetworkStats(nodes=784" in capsys.readouterr().out


def gallery(name):
    """The rows behind one figure of the gallery."""
    return json.loads((ROOT / f"figures/{name}.json").read_text())["rows"]


def test_networks_are_those_of_the_gallery():
    rows, boltzmann = ({row["network"]: row for row in gallery(name)} for name in ("grad_network", "rbm/grad_network"))
    ratio = [rows["directed configuration"]["observed_over_this" + end] for end in ("", "_low", "_high")]
    assert "{:.2f} times (90 % interval {:.2f} to {:.2f})".format(*ratio) in README
    observed = rows["observed network"]["clustering"]
    shuffled = rows["shuffled entries"]["observed_over_this"]
    assert f"clustering {observed:.3f}, {shuffled:.1f} times that of shuffled entries" in README
    ratio = [boltzmann["directed configuration"]["observed_over_this" + end] for end in ("", "_low", "_high")]
    assert "{:.0f} times as much as shuffled entries, {:.2f} times ({:.2f} to {:.2f}) as much as their degrees".format(
        boltzmann["shuffled entries"]["observed_over_this"], *ratio) in README
    accuracy = gallery("mlp")[-1]["test_accuracy"]
    assert f"test accuracy {accuracy:.3f}" in README
    errors = [gallery("rbm")[k]["test_error"] for k in (-1, 0)]
    assert "{:.3f} per pixel after 5,000 steps of 20 images, {:.3f} untrained".format(*errors) in README


def test_tails_are_those_of_the_gallery():
    rows = [row for row in gallery("show_stats") if row["layer"] == 1]
    weights = {(row["data"], row["when"]): row for row in rows if row["what"] == "weights"}
    trained = [weights[name, "after"]["skew"] for name in ("mnist", "cifar10", "noise", "noise-constant")]
    assert ("skew of the first layer's weights {:.1f} untrained, {:.1f} after MNIST, {:.1f} after CIFAR-10, {:.1f} and "
            "{:.1f} after noise".format(weights["mnist", "before"]["skew"], *trained)) in README
    assert weights["mnist", "after"]["top_90_percent"].startswith("stretched exponential, not a power law: 3 of 3")
    assert f"exponent {weights['mnist', 'after']['beta']:.2f} over the top 90 %" in README
    assert not any(row["verdict"].startswith("power law:") for row in rows if row["when"] == "after")
    hidden = {row["step"]: row for row in gallery("show_delta_stats") if row["layer"] == 1}
    assert "skew grows from {:.1f} to {:.1f} in 10,000 steps, within a sample it stays {:.1f}".format(
        hidden[1]["skew"], hidden[10_000]["skew"], hidden[1]["skew_within"]) in README
    assert round(hidden[10_000]["skew_within"], 1) == round(hidden[1]["skew_within"], 1)
    gradients = [row for row in gallery("fractal_stats") if "runs" in row]
    spans = [f"{min(row[key + '_low'] for row in gradients):.2f} to {max(row[key + '_high'] for row in gradients):.2f}"
             for key in ("raw_distance", "standardised_distance")]
    assert "KS distance {}, standardised {}".format(*spans) in README
    assert all(row["normal_is_closer"] == row["runs"] == 5 for row in gradients)


def test_weights_and_minibatches_are_those_of_the_gallery():
    rows = [row for row in gallery("weight_network") if row["when"] == "trained"]
    small = [row for row in rows if row["init"] == "normal(0.01)"]
    assert all(round(row["over_shuffled"], 1) == 1.0 for row in rows if row not in small)
    shuffled, degrees = (sorted(row[key] for row in small) for key in ("over_shuffled", "over_degrees"))
    assert f"{shuffled[0]:.1f} (784-784-10) to {shuffled[-1]:.1f} times (784-30-10, thresholded)" in README
    assert f"{degrees[0]:.2f} to {degrees[-1]:.2f} times that of the same degrees" in README
    over = [row["over_rank_one"] for row in gallery("minibatch_network")]
    assert f"{min(over):.2f} to {max(over):.2f} times that of rank-one matrices of the same sums" in README


def test_benchmarks_are_those_measured():
    measured = {row["what"]: row["value"] for subject in ("networks", "training")
                for row in json.loads((ROOT / f"benchmarks/{subject}.json").read_text())["rows"]}
    for data in ("MNIST", "CIFAR-10"):
        ends = [measured[f"all metrics end to end, {data}, against {peer}"] for peer in ("networkx", "igraph")]
        assert "{:.0f} / {:.0f}".format(*ends) in README
    for net in ("784-30-10", "784-784-10"):
        steps = [measured[f"recorded step, single sample, {net}, mnist, against {peer}"]
                 for peer in ("PyTorch eager", "PyTorch eager by hand")]
        assert "{:.1f} / {:.1f}".format(*steps) in README


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)|src=\"([^\"]+)\"", README):
        assert (ROOT / (target[0] or target[1])).exists(), target
