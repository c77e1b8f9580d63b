"""The README's commands and its Python, run as they stand there."""
import json
import re
import shlex

import numpy as np
import pytest
import safetensors.numpy
from conftest import ROOT, real

import claims
import sparse_train
from gradnets import experiment
from gradnets.record import Recorder

README = (ROOT / "README.md").read_text(encoding="utf-8")
# Repetitions and cases, fewer than the README's.
FEW = {"RUNS": 1, "DRAWS": 2, "REPLICATES": 5, "CRITERIA": "magnitude", "WIDTHS": 16, "INITS": "normal(0.01)",
       "UNITS": 8, "STARTS": 4, "ITERATIONS": 3, "FIRST_ORDER": 100,
       "NULLS": 5, "ITEMS": 100, "EPOCHS": 2,
       "SPECTRUM_STEPS": 3, "WELL_STEPS": 100, "ESSAY_STEPS": 20}
SWEPT = ["--seeds", "2", "--steps", "20"]
SHORT = {"second_order.py": ["--steps", "5", "--datasets", "glyphs"],
         "lyapunov.py": ["--steps", "100", "--transient", "50", "--window", "25"]}
FEWER_STEPS = {"show_stats.py": ["--steps", "1000"], "sparse_train.py": ["--steps", "2000", "--learning-rates", "0.08"],
               "rnn.py": ["--steps", "300"], "weight_network.py": ["--steps", "500"], "mlp.py": ["--steps", "2000"],
               "rbm.py": ["--steps", "300"], "show_delta_stats.py": ["--steps", "1", "10", "100"]} | SHORT
COMMANDS = sorted(set(re.findall(r"\.venv/bin/python (\w+\.py[^`\n]*)", README)))


def few(name):
    """The flags of FEW that a script has."""
    return [word for constant, value in FEW.items() if constant in experiment.constants(ROOT / name)
            for word in ("--" + constant.lower().replace("_", "-"), str(value))]


@pytest.mark.parametrize("command", COMMANDS)
def test_command(command, script, tmp_path):
    for data in ("mnist", "cifar10"):
        if data in command:
            real(data, limit=1)
    example = tmp_path / "example.txt"  # a net of three layers
    example.write_text("".join(f"{k % 31} {31 + k * 7 % 30} {1 + k % 3}\n{31 + k % 30} {61 + k * 11 % 30} {1 + k % 2}\n"
                               for k in range(60)))
    files = {" FILE": example, " MODEL": model_of_ones_own(tmp_path), " RUN": run_of_ones_own(tmp_path)}
    for word, path in files.items():
        command = re.sub(rf"{word}\b", f" {path}", command)
    name, *flags = shlex.split(command.replace(" out/", f" {tmp_path}/"))
    many = "--seeds" in flags
    done = script(name, *flags, *few(name), *(SWEPT if many else FEWER_STEPS.get(name, ())), "--out", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / name.replace(".py", "_sweep.png" if many else ".png")).exists() != ("--list" in flags)


def model_of_ones_own(folder):
    """A checkpoint as PyTorch stores it, outputs by inputs."""
    rng = np.random.default_rng(0)
    safetensors.numpy.save_file({"fc1.weight": rng.standard_t(3, (12, 20)), "fc1.bias": np.zeros(12),
                                 "fc2.weight": rng.standard_t(3, (8, 12))}, folder / "model.safetensors")
    return folder / "model.safetensors"


def run_of_ones_own(folder):
    rng = np.random.default_rng(0)
    with Recorder(folder / "run.safetensors", steps=(40, 80)) as recorder:
        for step in (40, 80):
            recorder.add(step, "gradient", "fc1.weight", rng.standard_t(3, (12, 20)))
            recorder.add(step, "delta", "fc1", rng.standard_t(3, (30, 12)))
    return folder / "run.safetensors"


def test_commands_were_found():
    assert {command.split()[0] for command in COMMANDS} == {path.name for path in ROOT.glob("*.py")}


# Those that begin with "# with" need PyTorch or JAX, and are run in test_record.py.
@pytest.mark.parametrize("code", re.findall(r"```python\n(?!# with)(.*?)```", README, flags=re.DOTALL))
def test_python(code, capsys):
    exec(compile(code, "README.md", "exec"), {})
    assert "NetworkStats(nodes=784" in capsys.readouterr().out


def gallery(name):
    """The rows behind one figure of the gallery."""
    return json.loads((ROOT / f"figures/{name}.json").read_text())["rows"]


def test_networks_are_those_of_the_gallery():
    rows = {row["network"]: row for row in gallery("grad_network")}
    ratio = [rows["directed configuration"]["observed_over_this" + end] for end in ("", "_low", "_high")]
    assert "{:.2f} times (90 % interval {:.2f} to {:.2f})".format(*ratio) in README
    observed = rows["observed network"]["clustering"]
    shuffled = rows["shuffled entries"]["observed_over_this"]
    assert f"clustering {observed:.3f}, {shuffled:.1f} times that of shuffled entries" in README
    over_runs = {row["claim"]: row for row in gallery("claims")}["a clustering of 0.279"]
    assert "over {} {:.3f} ({:.3f} to {:.3f})".format(
        over_runs["n"].split(",")[0], *(over_runs["value" + end] for end in ("", "_low", "_high"))) in README
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
    betas = [weights[name, "after"]["beta"] for name in ("mnist", "cifar10", "noise", "noise-constant")]
    assert ("exponent is {:.2f} on MNIST, heavier than an exponential, {:.2f} on CIFAR-10, {:.2f} and {:.2f} on noise, "
            "{:.2f} untrained".format(*betas, weights["mnist", "before"]["beta"])) in README
    trained = [row for row in rows if row["when"] == "after"]
    out, runs = (sum(row[key] for row in trained) for key in ("power_law_ruled_out", "runs"))
    assert f"A power law is ruled out in {out} of {runs} trained tails" in README
    hidden = {row["step"]: row for row in gallery("show_delta_stats") if row["layer"] == 1}
    last = hidden[10_000]
    within = [row["skew_within"] for row in hidden.values()]
    assert ("skew grows from {:.1f} to {:.1f} ({:.1f} to {:.1f}) in 10,000 steps, within a sample it stays from {:.1f} "
            "to {:.1f}".format(hidden[1]["skew"], *(last["skew" + end] for end in ("", "_low", "_high")), min(within),
                            max(within))) in README
    assert f"{100 * last['vanished']:.0f} % of the last 9,000 steps have no gradient" in README
    gradients = [row for row in gallery("fractal_stats") if "runs" in row]
    spans = [f"{min(row[key + '_low'] for row in gradients):.2f} to {max(row[key + '_high'] for row in gradients):.2f}"
             for key in ("raw_distance", "standardised_distance")]
    assert "KS distance {}, standardised {}".format(*spans) in README
    large = [f"{pick(row['large_order_distance' + end] for row in gradients):.2f}" for pick, end in
             ((min, "_low"), (max, "_high"))]
    assert "{} to {} at order 30".format(*large) in README
    closer, runs = (sum(row[key] for row in gradients) for key in ("normal_is_closer", "runs"))
    assert f"a normal law is nearer than that in {closer} of {runs}" in README


def test_weights_and_minibatches_are_those_of_the_gallery():
    rows = [row for row in gallery("weight_network") if row["when"] == "trained"]
    small = [row for row in rows if row["init"] == "normal(0.01)"]
    assert all(round(row["over_shuffled"], 1) == 1.0 for row in rows if row not in small)
    shuffled, degrees = (sorted(row[key] for row in small) for key in ("over_shuffled", "over_degrees"))
    assert f"{shuffled[0]:.1f} (784-784-10) to {shuffled[-1]:.1f} times (784-30-10, thresholded)" in README
    assert f"{degrees[0]:.2f} to {degrees[-1]:.2f} times that of the same in- and out-degrees" in README
    drawn, kept = (row["units_of_commonest"] for row in small if row["net"] == "784-784-10")
    assert f"makes {kept} of 784 inputs share a degree, {drawn} when drawn" in README
    rows = gallery("minibatch_network")
    spans = [f"{min(row[key] for row in rows):.2f} to {max(row[key] for row in rows):.2f}"
             for key in ("excess", "rank_one")]
    assert "{} times that of the same in- and out-degrees, {} times for rank-one matrices".format(*spans) in README
    assert not any(row["over_rank_one_low"] > 1 for row in rows)
    untrained, trained = (row for row in gallery("rbm/minibatch_network") if row["batch_size"] == 1)
    shuffled, degrees = ([trained[key + end] for end in ("", "_low", "_high")] for key in ("over_shuffled", "excess"))
    assert ("{:.1f} times as much as shuffled entries untrained, {:.1f} times ({:.1f} to {:.0f}) after 500 steps of "
            "CD-1, and then {:.2f} times ({:.2f} to {:.2f}) as much as their degrees"
            .format(untrained["over_shuffled"], *shuffled, *degrees)) in README
    skews = [row["skew"] for row in gallery("rbm/show_stats") if row["what"] == "gradients"]
    assert "skew of the entries rises from {:.1f} to {:.1f}".format(*skews) in README


def test_the_model_with_planted_faults_is_that_of_its_figure():
    record = json.loads((ROOT / "figures/layers/show_stats.json").read_text())
    assert f"planted faults: {record['finding'].removeprefix('26 matrices: ')}." in README


def test_large_matrices_are_those_measured():
    rows = {row["what"]: row for row in json.loads((ROOT / "benchmarks/large.json").read_text())["rows"]}

    def cost(what):
        seconds, memory = (rows[f"{what}, {unit}"] for unit in ("seconds", "GB"))
        return seconds["value"], seconds["longest"], memory["value"]

    tails, one, merged, sampling = map(cost, (
        "tails with every comparison, 20 bootstrap replicates, 4096 x 14336",
        "a network with every metric, bipartite, 4096 x 14336", "a network with every metric, merged, 7616 x 7616",
        "sampling, 4096 x 14336"))
    assert "take {:.1f} s (the longest of three matrices {:.1f} s) and {:.2f} GB".format(*tails) in README
    assert (f"every metric {one[0]:.2f} s and {one[2]:.2f} GB, or merged, of 7616 x 7616, {merged[0]:.2f} s and "
            f"{merged[2]:.2f} GB. Sampling alone takes {sampling[0]:.2f} s ({sampling[1]:.2f} s)") in README


def test_benchmarks_are_those_measured():
    measured = {row["what"]: row["value"] for subject in ("networks", "training", "sparse", "second_order")
                for row in json.loads((ROOT / f"benchmarks/{subject}.json").read_text())["rows"]}
    for data in ("MNIST", "CIFAR-10"):
        ends = [measured[f"all metrics end to end, {data}, against {peer}"] for peer in ("networkx", "igraph")]
        assert "{:.0f} / {:.0f}".format(*ends) in README
    for net in ("784-30-10", "784-784-10"):
        steps = [measured[f"recorded step, single sample, {net}, mnist, against {peer}"]
                 for peer in ("PyTorch eager", "PyTorch eager by hand")]
        assert "{:.1f} / {:.1f}".format(*steps) in README


    fused, mini = ([measured[what.format(hidden)] for hidden in (128, 1024)] for what in (
        "fused dense step, single sample, H={}, against PyTorch eager",
        "sparse minibatch of 64, H={}, density 1/32, against dense numpy minibatch"))
    assert "/ PyTorch eager | {:.0f} | {:.0f} |".format(*fused) in README
    assert "/ dense numpy | {:.1f} | {:.1f} |".format(*mini) in README
    blocks = [measured[f"blocks, H=4096, density 1/{part}, whole step, against fused dense"] for part in (8, 32)]
    assert "/ fused dense | | | {:.1f}, {:.1f} |".format(*blocks) in README
    reached = [measured[f"accuracy at 3180 parameters, {k}k samples"] for k in (30, 60, 120, 600)]
    assert "| 3,180 | {:.3f} | {:.3f} | {:.3f} | {:.3f} |".format(*reached) in README
    assert f"| 1,500 | | | | {measured['accuracy at 1500 parameters, 600k samples']:.3f} |" in README


def test_sparse_training_is_that_of_the_gallery():
    rows = gallery("sparse_train")
    criteria = [row for row in rows if row["part"] == "criteria"]
    best = next(row for row in criteria if (row["what"], row["parameters"]) == ("magnitude", 3180))
    assert "3,180 of 101,770 parameters reach {:.3f} ({:.3f} to {:.3f}) of test accuracy, all of them {:.3f}".format(
        *(best["accuracy" + end] for end in ("", "_low", "_high")), criteria[0]["accuracy"]) in README
    recipe = next(row for row in rows if (row["part"], row["what"], row.get("hidden")) == ("recipe", "halved", 128))
    assert "recipe gives {:.3f} ({:.3f} to {:.3f}) at 128 hidden units".format(
        *(recipe["accuracy" + end] for end in ("", "_low", "_high"))) in README
    assert (sparse_train.break_even(rows, "sparse"), sparse_train.break_even(rows, "blocks")) == (1 / 16, 1 / 2)
    last = gallery("rnn")[-1]
    assert f"test accuracy {last['test_accuracy']:.3f} after 5,000 steps of 8 images" in README
    dense, blocks, *_ = gallery("rnn/sparse_train")
    lost = 100 * (dense["accuracy"] - blocks["accuracy"])
    assert f"costs {lost:.1f} points of {dense['accuracy']:.3f}, and a step" in README
    assert f"{blocks['times_faster']:.1f} times faster" in README


def test_second_order_is_that_of_the_gallery():
    rows = {(row["part"], row["what"]): row for row in gallery("second_order")}
    ours, theirs = rows["race", "digits, saddle-free"], rows["race", "digits, L-BFGS"]
    assert (f"{ours['seconds_to_2']:.2f} s on MNIST digits ({ours['parameters']} parameters, "
            f"{ours['iterations_to_2']:.0f} iterations) and L-BFGS {theirs['seconds_to_2']:.3f} s") in README
    seconds = [rows["race", f"autoencoder, {name}"]["seconds_to_2"] for name in ("saddle-free", "Adam")]
    assert "on an autoencoder {:.2f} s and Adam {:.3f} s".format(*seconds) in README
    assert all(rows["race", f"{net}, saddle-free"]["seconds_to_2"] > min(
        rows["race", f"{net}, {name}"]["seconds_to_2"] for name in ("SGD", "Adam", "L-BFGS"))
        for net in ("digits", "autoencoder"))
    exact = rows["inverse", "complex-step"]["error"]
    of_source = next(row["error"] for row in gallery("second_order") if row.get("r") == 1e-9 and "share" not in row)
    beyond = [row["error"] for row in gallery("second_order") if row.get("share", 0) > 1]
    assert (f"Newton's step to {exact:.0e} by a complex step, {of_source:.0e} with the source's r = 1e-9, and off by "
            f"{100 * min(beyond):.0f} to {100 * max(beyond):.0f} %") in README
    points = rows["index", "critical points"]
    assert f"of {points['points']} critical points: Spearman {points['spearman']:.2f}" in README
    fewer = [row["fewer_percent"] for (part, _), row in rows.items() if part == "third"]
    assert f"saves {min(fewer):.0f} to {max(fewer):.0f} % of Newton's iterations" in README
    rows = gallery("lyapunov")
    full = {row["learning_rate"]: row for row in rows if row["part"] == "full batch"}
    calm = [rate for rate, row in full.items() if not row["positive"] and rate < 2]
    assert f"at rates {min(calm)} to {max(calm)}, though windows" in README
    assert f"reach {full[1.4]['highest_window']:.2f}, {full[2.4]['positive']} runs of 5 at 2.4" in README
    essay = {row["learning_rate"]: row for row in rows if row["part"] == "essay's net" and row["net"] == "784-30-10"}
    assert "by {:.3f} ({:.3f} to {:.3f}) per step at 0.1, {:.4f} at 0.01".format(
        *(essay[0.1]["exponent" + end] for end in ("", "_low", "_high")), essay[0.01]["exponent"]) in README
    measured = {row["what"]: row["value"] for row in json.loads(
        (ROOT / "benchmarks/second_order.json").read_text())["rows"]}
    slow = measured["slow network's step against its own algorithm, cifar10"]
    assert f"against its own algorithm | {slow:.0f} |" in README
    hessian = [measured["structured Hessian, 49-20-10 tanh softmax, 1,210 parameters, batch of 100, against " + peer]
               for peer in ("a loop of R-operators", "torch.func.hessian")]
    assert "torch.func.hessian | {:.1f} / {:.1f} |".format(*hessian) in README


def test_motifs_are_those_of_the_gallery():
    rows = gallery("motif_stats")
    beyond = {key: sorted(row["percent"] for row in rows if row["part"] == "beyond 2" and row["labels"] == "real"
                          and row["epoch"] == 0 and row["null"] == key) for key in ("layered", "fanmod")}
    layered, fanmod = (np.median(beyond[key]) for key in ("layered", "fanmod"))
    assert f"untrained nets {layered:.0f} % of the motifs" in README
    assert f"keep their layers, {fanmod:.0f} % under FANMOD's null" in README
    learning = [row for row in rows if row["part"] == "learning"]
    normal, orthogonal, glorot = (row for row in learning if row["data"] == "tree" and row["labels"] == "real")
    assert (f"raises {normal['raised']} of {normal['tested']} coloured motifs from init normal(0.1), "
            f"{normal['created']} of them beyond a Z of 2, {orthogonal['raised']} from orthogonal and "
            f"{glorot['raised']} from glorot-normal, none of them") in README
    assert not orthogonal["created"] + glorot["created"]
    control = [row for row in learning if row["labels"] == "shuffled"]
    raised, tested = (sum(row[key] for row in control) for key in ("raised", "tested"))
    assert f"with shuffled labels {raised} of {tested:,}." in README
    measured = {row["what"]: row["value"] for row in json.loads((ROOT / "benchmarks/motifs.json").read_text())["rows"]}
    for net in ("31-30-30-4 with 613 edges", "784-64-10 with 5,000 edges", "784-128-10 with 20,326 edges"):
        what = f"census of size 4 against igraph's motifs_randesu, {net}"
        assert f"{measured[what]:.0f} / {measured[what + ', by enumeration']:.1f}" in README


def test_the_ledger_is_that_of_the_gallery():
    record = json.loads((ROOT / "figures/claims.json").read_text())
    assert record["finding"] + "." in README
    for row in record["rows"]:
        measured = claims.measured(row).replace("|", "\\|")
        assert f"| {row['claim']} | {row['source']} | {measured} | {row['verdict']} |" in README


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)|src=\"([^\"]+)\"", README):
        assert (ROOT / (target[0] or target[1])).exists(), target
