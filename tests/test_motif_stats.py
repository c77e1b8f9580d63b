"""Mining a file and the experiment on nets: what is written, what is said, both ways to run it."""
import csv
import itertools
import json

import numpy as np
import pytest

import motif_stats
from gradnets import datasets, experiment, fanmod, motifs

SMALL = ["--datasets", "tree", "--inits", "normal(0.1)", "--items", "60", "--epochs", "2", "--hidden-units", "8",
         "--runs", "3", "--nulls", "10"]


@pytest.fixture(scope="module")
def layered():
    """A layered net of three colours with a planted surplus of diamonds."""
    rng = np.random.default_rng(0)
    matrices = [np.where(rng.random(shape) < 0.2, rng.integers(1, 4, size=shape), 0) for shape in ((9, 8), (8, 5))]
    matrices[0][:3, :4] = matrices[1][:4, :2] = 2
    return matrices


@pytest.fixture
def file(tmp_path, layered):
    path = tmp_path / "net.txt"
    path.write_text(fanmod.format_graph(motifs.from_layers(layered)))
    return path


def run(tmp_path, *flags):
    experiment.run(motif_stats.main, [*map(str, flags), "--out", str(tmp_path)])
    record = json.loads((tmp_path / "motif_stats.json").read_text())
    return record, record["rows"]


def table(path):
    with open(path, newline="") as handle:
        return list(csv.DictReader(handle))


@pytest.mark.parametrize("model", motifs.MODELS)
def test_a_file_is_mined(model, file, tmp_path, layered):
    record, rows = run(tmp_path, "--graph", file, "--nulls", 20, "--null-model", model, "--strongest", 5)
    written = table(tmp_path / "motif_stats.csv")
    assert list(written[0]) == ["id", "adjacency", "count", "frequency", "mean_frequency", "std", "z", "p", "q"]
    census = motifs.census(motifs.from_layers(layered), 4, method="enumerate")
    assert {row["adjacency"]: int(row["count"]) for row in written} == {
        "/".join("".join(map(str, line)) for line in shape): count
        for shape, count in zip(census.adjacency.tolist(), census.counts.tolist(), strict=True)}
    assert sum(float(row["frequency"]) for row in written) == pytest.approx(1)
    known = [row for row in written if np.isfinite(float(row["z"])) and float(row["std"]) > 0]
    assert {row["adjacency"] for row in rows} == {row["adjacency"] for row in sorted(
        written, key=lambda row: -abs(float(row["z"])))[:5]}
    of_fanmod = fanmod.read_table(tmp_path / "motif_stats_fanmod.csv")
    assert sorted(of_fanmod.ids.tolist()) == sorted(int(row["id"]) for row in written)
    for row in known:
        expected = (float(row["frequency"]) - float(row["mean_frequency"])) / float(row["std"])
        if model == "fanmod":
            assert float(row["z"]) == pytest.approx(expected, rel=1e-6)
        assert 1 / 21 <= float(row["p"]) <= float(row["q"]) <= 1
    assert (tmp_path / "motif_stats.png").exists()
    assert f"of {len(written)} motifs of 4 nodes are above chance" in record["finding"]


def test_colours_can_be_left_out(file, tmp_path):
    run(tmp_path, "--graph", file, "--nulls", 5, "--no-colored", "--size", 3)
    assert {row["id"] for row in table(tmp_path / "motif_stats.csv")} == {"6", "12", "36"}


def test_a_share_of_the_subgraphs_gives_estimates_with_errors(file, tmp_path, layered):
    record, rows = run(tmp_path, "--graph", file, "--chance", 0.5)
    total = motifs.census(motifs.from_layers(layered), 4).total
    assert sum(row["count"] for row in rows) == pytest.approx(total, rel=0.5)
    assert all(row["standard_error"] > 0 for row in rows)
    assert "z" not in rows[0]
    assert record["finding"].startswith("Some ")
    assert not (tmp_path / "motif_stats_fanmod.csv").exists()


def test_layers_can_be_told(tmp_path, capsys):
    path = tmp_path / "part.txt"
    path.write_text("0 3 1\n1 3 2\n4 6 1\n4 7 2\n5 6 1\n")  # two parts: the second begins in the second layer
    _, rows = run(tmp_path, "--graph", path, "--nulls", 3, "--null-model", "layered", "--layers", 3, 3, 2, "--size", 3)
    assert len(rows) == 3
    with pytest.raises(SystemExit):
        run(tmp_path, "--graph", path, "--nulls", 3, "--null-model", "layered", "--layers", 3, 1, 4)
    assert "does not lead from one layer to the next" in capsys.readouterr().err


def test_mild_edges_are_a_fifth_of_each_tail():
    weights = np.random.default_rng(0).normal(0.1, 0.5, 200_000)
    edges = motif_stats.cuts(weights)
    assert (edges[1:3] - 0.1) / 0.5 == pytest.approx([-1.0935, 1.0935], abs=0.01)  # where exp(-x² / 2) is 0.55
    colors = motif_stats.colors_of(weights, edges)
    for strong, tail in ((1, weights < edges[1]), (3, weights > edges[2])):
        assert np.mean(colors[tail] == 2) == pytest.approx(0.2, abs=0.001)
        assert set(colors[tail]) == {2, strong}
    assert not colors[(weights > edges[1]) & (weights < edges[2])].any()


def test_weights_are_those_after_so_many_epochs():
    dataset = datasets.load("tree", limit=40)
    kept = motif_stats.weights_along(dataset, 5, "glorot", 3, {0, 1, 2}, 0)
    shorter = motif_stats.weights_along(dataset, 5, "glorot", 1, {0}, 0)
    assert sorted(kept) == [0, 1, 2, 3]
    for one, other in zip(kept[1], shorter[1], strict=True):
        np.testing.assert_array_equal(one, other)
    assert not np.array_equal(kept[2][0], kept[3][0])


def fake(z, codes=(7, 9)):
    """A comparison of two motifs with these Z."""
    shapes = np.array([[[0, 1, 0], [0, 0, 1], [0, 0, 0]], [[0, 1, 1], [0, 0, 0], [0, 0, 0]]], np.uint8)
    census = motifs.Census(shapes[:len(codes)], np.ones(len(codes), int), len(codes), np.array(codes))
    nothing = np.zeros(len(codes))
    z = np.array(z, float)
    return motifs.Significance(census, *[nothing] * 3, np.isfinite(z), z, *[nothing] * 5, 0, 0)


def test_motifs_that_learning_lifts_are_found():
    rng = np.random.default_rng(0)
    before = [fake(rng.normal(size=2)) for _ in range(12)]
    after = [fake(found.z + np.array([5 + rng.normal(), 0.1 * rng.normal()])) for found in before]
    first, second = motif_stats.created(before, after)
    assert first["q"] < 0.001
    assert first["after"] - first["before"] == pytest.approx(5, abs=1)
    assert second["q"] > 0.05
    assert motif_stats.created(before[:2], after[:2]) == []  # too few seeds to tell
    missing = [fake([np.nan, 0.0])] * 6 + before[6:]
    assert len(motif_stats.created(missing, after)) == 1


def test_nets_are_compared(tmp_path):
    record, rows = run(tmp_path, *SMALL)
    learning = {row["labels"]: row for row in rows if row["part"] == "learning"}
    assert set(learning) == {"real", "shuffled"}
    epochs = {row["epoch"] for row in rows if row["part"] == "topology" and row["labels"] == "real"}
    assert epochs == {0, 1, 2}
    assert {row["null"] for row in rows if row["part"] == "beyond 2"} == {"layered", "fanmod"}
    assert (tmp_path / "motif_stats_epochs.png").exists()
    assert "under FANMOD's null, which detects layering" in record["finding"]


def test_the_same_seed_gives_the_same_rows(tmp_path):
    small = [*SMALL, "--runs", "1", "--nulls", "3", "--epochs", "1"]
    assert run(tmp_path, *small)[1] == run(tmp_path, *small)[1]


def test_from_the_shell(script, file, tmp_path):
    done = script("motif_stats.py", "--graph", file, "--size", 4, "--nulls", 10, "--null-model", "fanmod", "--seed", 0,
                  "--out", tmp_path / "out")
    assert (done.returncode, done.stderr) == (0, "")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "motif_stats.png", "motif_stats.json", "motif_stats.csv", "motif_stats_fanmod.csv"}


@pytest.mark.parametrize(("text", "flags", "message"), [
    ("0 1 2 3\n", [], "line 1"),
    ("0 1 0\n", [], "line 1"),
    ("0 0 1\n", [], "no edge"),
    ("0 1 1\n", [], "no connected subgraph of 4 nodes"),
    ("0 1 1\n1 2 99\n2 3 1\n", [], "line 2: '1 2 99': expected a colour from 1 to 37"),
    ("0 1 1\n1 2 1\n2 0 1\n0 3 1\n", ["--null-model", "layered"], "take the null model fanmod"),
    ("0 1 1\n", ["--null-model", "milo"], "null model 'milo': expected one of"),
    ("0 1 1\n", ["--nulls", 1], "NULLS is 1"),
    ("0 1 1\n", ["--size", 6], "size 6"),
    ("0 1 1\n", ["--chance", 2], "CHANCE is 2"),
    ("0 1 1\n", ["--threads", 0], "THREADS is 0"),
    ("0 1 1\n", ["--layers", 2, 2], "LAYERS is set, and nothing uses it"),
])
def test_mistakes_end_in_one_line(text, flags, message, tmp_path, capsys):
    path = tmp_path / "bad.txt"
    path.write_text(text)
    with pytest.raises(SystemExit):
        run(tmp_path, "--graph", path, *flags)
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_what_is_beyond_reach_is_said(tmp_path, capsys):
    path = tmp_path / "star.txt"
    path.write_text("".join(f"0 {leaf} 1\n" for leaf in range(1, 30_000)))
    with pytest.raises(SystemExit):
        run(tmp_path, "--graph", path)
    assert "too many for 100 random graphs: take --chance 0.001" in capsys.readouterr().err


def test_the_experiment_counts_four_nodes(tmp_path, capsys):
    with pytest.raises(SystemExit):
        run(tmp_path, "--size", 3)
    assert "SIZE is 3: the experiment counts motifs of 4 nodes" in capsys.readouterr().err


def test_too_few_seeds_tell_nothing(tmp_path):
    record, _ = run(tmp_path, *SMALL, "--runs", "1", "--nulls", "3", "--epochs", "1")
    assert record["finding"].startswith("No motif was in enough nets")


def test_layers_of_ones_own_net(script, tmp_path):
    """A net stored as PyTorch does, (outputs, inputs), gives the graph of its transposes."""
    rng = np.random.default_rng(0)
    weights = [rng.standard_t(3, (12, 9)), rng.standard_t(3, (9, 9)), rng.standard_t(3, (9, 4))]
    np.savez(tmp_path / "in.npz", **{f"layer{k}": matrix for k, matrix in enumerate(weights)})
    np.savez(tmp_path / "out.npz", **{f"layer{k}": matrix.T for k, matrix in enumerate(weights)})
    tables = []
    for name in ("in", "out"):
        done = script("motif_stats.py", "--weights", tmp_path / f"{name}.npz", "--null-model", "layered", "--nulls", 5,
                      "--out", tmp_path / name)
        assert (done.returncode, done.stderr) == (0, "")
        tables.append((tmp_path / name / "motif_stats.csv").read_text())
    assert tables[0] == tables[1]
    edges = motif_stats.cuts(np.concatenate([matrix.ravel() for matrix in weights]))
    graph = motifs.from_layers([motif_stats.colors_of(matrix, edges) for matrix in weights])
    total = sum(int(line.split(",")[2]) for line in tables[0].splitlines()[1:])
    assert total == motifs.census(graph, 4).total


@pytest.mark.parametrize(("shapes", "rows", "found"), [
    (((3, 4), (4, 5)), "auto", "inputs"), (((4, 3), (5, 4)), "auto", "outputs"), (((4, 4), (4, 4)), "auto", "inputs"),
    (((4, 4), (4, 4)), "outputs", "outputs")])
def test_layers_follow_one_another(shapes, rows, found):
    stored = [(f"w{k}", np.arange(np.prod(shape), dtype=float).reshape(shape)) for k, shape in enumerate(shapes)]
    matrices, side = motif_stats.in_order(stored, rows)
    assert side == found
    assert all(len(after) == before.shape[1] for before, after in itertools.pairwise(matrices))
    assert np.array_equal(matrices[0], stored[0][1] if side == "inputs" else stored[0][1].T)


def test_layers_that_do_not_follow_are_refused():
    with pytest.raises(ValueError, match=r"a \(3, 4\) and b \(5, 6\) do not follow one another: pick layers"):
        motif_stats.in_order([("a", np.ones((3, 4))), ("b", np.ones((5, 6)))], "auto")
