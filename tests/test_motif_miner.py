"""The motif miner: graphs from files and from weights, tables, samples, and mistakes."""
import csv
import hashlib
import io
import itertools
import os
import threading

import numpy as np
import pytest
import scipy.stats

import motif_miner
from gradnets import experiment, motifs, plots
from gradnets.errors import UserError


@pytest.fixture(scope="module")
def matrices():
    """Colours of a layered net with a planted surplus of diamonds."""
    rng = np.random.default_rng(0)
    matrices = [np.where(rng.random(shape) < 0.2, rng.integers(1, 4, size=shape), 0) for shape in ((9, 8), (8, 5))]
    matrices[0][:3, :4] = matrices[1][:4, :2] = 2
    return matrices


@pytest.fixture
def path(tmp_path, matrices):
    path = tmp_path / "net.txt"
    path.write_text(motifs.fanmod.format_graph(motifs.from_layers(matrices)))
    return path


def result_of(**changes):
    return motif_miner.main(experiment.settings(motif_miner, **{name: str(value) if name in ("graph", "weights") else
                                                                value for name, value in changes.items()}))


def table(result):
    return list(csv.DictReader(io.StringIO(result.files[".csv"])))


@pytest.mark.parametrize("model", motifs.MODELS)
def test_a_file_is_mined(model, path, tmp_path, matrices):
    result = result_of(graph=path, nulls=20, null_model=model, strongest=5)
    written = table(result)
    assert list(written[0]) == ["id", "adjacency", "count", "frequency", "mean_frequency", "std", "z", "p", "q"]
    census = motifs.census(motifs.from_layers(matrices), 4, method="enumerate")
    assert {row["adjacency"]: int(row["count"]) for row in written} == {
        "/".join("".join(map(str, line)) for line in shape): count
        for shape, count in zip(census.adjacency.tolist(), census.counts.tolist(), strict=True)}
    assert sum(float(row["frequency"]) for row in written) == pytest.approx(1)
    assert [row["adjacency"] for row in result.rows] == [row["adjacency"] for row in sorted(
        written, key=lambda row: -abs(float(row["z"])))[:5]]
    for row in written:
        if np.isfinite(float(row["z"])) and float(row["std"]) > 0:
            expected = (float(row["frequency"]) - float(row["mean_frequency"])) / float(row["std"])
            if model == "fanmod":
                assert float(row["z"]) == pytest.approx(expected, rel=1e-6)
            assert 1 / 21 <= float(row["p"]) <= float(row["q"]) <= 1
    (tmp_path / "table.csv").write_text(result.files["_fanmod.csv"])
    of_fanmod = motifs.fanmod.read_table(tmp_path / "table.csv")
    assert sorted(of_fanmod.ids.tolist()) == sorted(int(row["id"]) for row in written)
    above = sum(float(row["q"]) < 0.05 for row in written)
    assert result.finding.startswith(f"{above} of " if above else "20 random graphs are too few")
    assert len(result.finding) <= plots.LONGEST_TITLE
    assert len(result.figure.axes) <= plots.MOST_PANELS
    assert len(result.names) + len(result.columns) <= 7
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert result.data == [{"name": "net.txt", "source": str(path), "sha256": {"net.txt": digest}}]


@pytest.mark.parametrize(("above", "nulls", "words"), [
    (3, 100, "3 of 200 motifs of 4 nodes are more frequent than by chance"),
    (0, 100, "100 random graphs are too few to decide on 200 motifs: take --nulls 4000"),
    (0, 3999, "take --nulls 4000"),
    (0, 4000, "None of 200 motifs of 4 nodes is more frequent than by chance"),
])
def test_none_is_said_only_with_enough_random_graphs(above, nulls, words):
    assert words in motif_miner.described(above, 200, 4, nulls)


def test_the_number_of_random_graphs_in_the_finding_can_show_one_motif():
    """A motif that no random graph has as often gets q below 0.05 with that many random graphs, and not with fewer."""
    for tested in (1, 3, 180):
        needed = int(motif_miner.described(0, tested, 4, 2).split("--nulls ")[1])
        ps = np.ones(tested)
        for nulls, expected in ((needed, True), (needed - 1, False)):
            ps[0] = 1 / (nulls + 1)
            assert (scipy.stats.false_discovery_control(ps)[0] < motif_miner.LEVEL) == expected
    assert "the same motifs" in motif_miner.described(0, 0, 4, 100)


def test_the_example_is_mined_without_a_file():
    result = result_of(nulls=2, size=3, strongest=3)
    assert len(result.rows) == 3
    assert [entry["name"] for entry in result.data] == ["tree"]


def test_a_graph_is_read_from_a_pipe(path, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_text(path.read_text()))
    writer.start()
    result = result_of(graph=pipe, nulls=2, size=3)
    writer.join()
    assert table(result) == table(result_of(graph=path, nulls=2, size=3))
    assert result.data == []


def test_colours_can_be_left_out(path):
    assert {row["id"] for row in table(result_of(graph=path, nulls=2, colored=False, size=3))} == {"6", "12", "36"}


def test_a_share_of_the_subgraphs_gives_estimates_with_errors(path, matrices):
    result = result_of(graph=path, chance=0.5)
    total = motifs.census(motifs.from_layers(matrices), 4).total
    assert sum(float(row["count"]) for row in table(result)) == pytest.approx(total, rel=0.3)
    assert all(row["standard_error"] > 0 for row in result.rows)
    assert list(result.rows[0]) == ["id", "adjacency", "count", "standard_error", "frequency"]
    assert result.finding.startswith("About ")
    assert set(result.files) == {".csv"}


def test_layers_of_a_graph_can_be_given(tmp_path):
    path = tmp_path / "part.txt"
    path.write_text("0 3 1\n1 3 2\n4 6 1\n4 7 2\n5 6 1\n")  # two parts: the second one starts in the second layer
    settings = {"graph": path, "nulls": 3, "null_model": "layered"}
    assert len(result_of(**settings, layers=(3, 3, 2), size=3).rows) == 3
    with pytest.raises(motifs.NotLayered, match="does not lead from one layer to the next"):
        result_of(**settings, layers=(3, 1, 4))


@pytest.mark.parametrize(("text", "changes", "message"), [
    ("0 1 2 3\n", {}, "line 1"),
    ("0 1 0\n", {}, "line 1"),
    ("0 0 1\n", {}, "no edges"),
    ("0 1 1\n", {}, "no connected subgraph of 4 nodes"),
    ("0 1 1\n", {"chance": 0.5}, "the sample has no subgraph of 4 nodes: take a larger --chance than 0.5"),
    ("0 1 1\n1 2 99\n2 3 1\n", {}, "line 2: '1 2 99': expected a colour from 1 to 37"),
    ("0 1 1\n1 2 1\n2 0 1\n0 3 1\n", {"null_model": "layered"}, "choose the null model fanmod"),
    ("0 1 1\n", {"null_model": "milo"}, "null model is 'milo': expected fanmod or layered"),
    ("0 1 1\n", {"nulls": 1}, "nulls is 1: expected 2 random graphs or more"),
    ("0 1 1\n", {"size": 6}, "size is 6: expected 3, 4 or 5"),
    ("0 1 1\n", {"chance": 2}, "chance is 2: expected a number up to 1"),
    ("0 1 1\n", {"chance": 0.0}, "chance is 0.0: expected a number from 1e-30 to 1"),
    ("0 1 1\n", {"strongest": 501}, "strongest is 501: expected at most 500"),
    ("0 1 1\n1 2 1\n2 3 1\n", {"nulls": 10**400}, "random graphs: take --chance"),
    ("0 1 1\n1 2 1\n2 3 1\n", {"nulls": 10**30, "null_model": "layered"}, "at most 1,000,000,000"),
    ("0 1 1\n", {"threads": 0}, "threads is 0: expected a positive integer"),
    ("0 1 1\n", {"seed": 1.5}, "seed is 1.5: expected an integer"),
    ("0 1 1\n", {"rows": "columns"}, "rows is 'columns': expected auto, inputs or outputs"),
    ("0 1 1\n", {"layers": (2, 2)}, "--layers is for --graph with --null-model layered"),
    ("0 1 1\n", {"list": True}, "--list, --layer and --kernels need a file: name it with --weights"),
    ("0 1 1\n", {"weights": "net.npz"}, "--graph and --weights are both given"),
])
def test_wrong_files_and_settings_are_refused(text, changes, message, tmp_path):
    path = tmp_path / "graph.txt"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        result_of(graph=path, **changes)


def test_too_many_subgraphs_are_refused(tmp_path):
    path = tmp_path / "star.txt"
    path.write_text("".join(f"0 {leaf} 1\n" for leaf in range(1, 30_000)))
    with pytest.raises(UserError, match=r"star.txt has up to 4.5e\+12 subgraphs .* random graphs: take --chance 0.001"):
        result_of(graph=path)


# ---- weights ----------------------------------------------------------------------------------------------

def test_rows_of_a_checkpoint_may_be_inputs_or_outputs(tmp_path):
    """A net that is stored as PyTorch does, (outputs, inputs), gives the graph of the transposed matrices."""
    rng = np.random.default_rng(0)
    weights = [rng.standard_t(3, (12, 9)), rng.standard_t(3, (9, 9)), rng.standard_t(3, (9, 4))]
    np.savez(tmp_path / "in.npz", **{f"layer{k}": matrix for k, matrix in enumerate(weights)})
    np.savez(tmp_path / "out.npz", **{f"layer{k}": matrix.T for k, matrix in enumerate(weights)})
    first, second = (result_of(weights=tmp_path / f"{name}.npz", null_model="layered", nulls=5)
                     for name in ("in", "out"))
    assert first.files == second.files
    assert [entry["name"] for entry in first.data] == ["in.npz"]
    cuts = motifs.weight_cuts(np.concatenate([matrix.ravel() for matrix in weights]))
    graph = motifs.from_layers([motifs.weight_colors(matrix, cuts) for matrix in weights])
    assert sum(int(row["count"]) for row in table(first)) == motifs.census(graph, 4).total


def test_the_contents_of_a_checkpoint_are_listed(tmp_path):
    np.savez(tmp_path / "net.npz", first=np.ones((3, 4)), bias=np.ones(4))
    result = result_of(weights=tmp_path / "net.npz", list=True)
    assert result.figure is None
    assert {row["name"]: row["matrices"] for row in result.rows} == {"first": 1, "bias": 0}


@pytest.mark.parametrize(("shapes", "rows", "expected"), [
    (((3, 4), (4, 5)), "auto", "inputs"), (((4, 3), (5, 4)), "auto", "outputs"), (((4, 4), (4, 4)), "auto", "inputs"),
    (((4, 4), (4, 4)), "outputs", "outputs"), (((4, 3),), "auto", "inputs")])
def test_layers_are_put_in_order(shapes, rows, expected):
    stored = [(f"w{k}", np.arange(np.prod(shape), dtype=float).reshape(shape)) for k, shape in enumerate(shapes)]
    matrices, side = motif_miner.in_order(stored, rows)
    assert side == expected
    assert all(len(after) == before.shape[1] for before, after in itertools.pairwise(matrices))
    assert np.array_equal(matrices[0], stored[0][1] if side == "inputs" else stored[0][1].T)


@pytest.mark.parametrize("rows", ["auto", "inputs", "outputs"])
def test_layers_that_do_not_follow_one_another_are_refused(rows):
    with pytest.raises(UserError, match=r"the layers a \(3, 4\) and b \(5, 6\) do not follow one another: choose lay"):
        motif_miner.in_order([("a", np.ones((3, 4))), ("b", np.ones((5, 6)))], rows)
