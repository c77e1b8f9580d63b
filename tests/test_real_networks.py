"""Gradient networks beside real ones: planted networks have the marks they should, and the script as a user runs it."""
import networkx as nx
import numpy as np
import pytest
from helpers import assert_fits_the_page

import essay
import real_networks
from gradnets import datasets, experiment, networks
from gradnets.errors import UserError
from gradnets.networks import profile

FEW = ("karate", "dolphins", "polbooks", "adjnoun", "football", "celegans")
SMALL = {"networks": FEW, "dataset": "noise", "controls": (), "learning_rates": (0.1,), "steps": 10, "runs": 2,
         "nulls": 1}


def run(**changes):
    return real_networks.main(experiment.settings(real_networks, **SMALL | changes))


@pytest.fixture(scope="module")
def result():
    return run(networks=(*FEW, "florentine", "davis-women"))


# ---- measurements -----------------------------------------------------------------------------------------

def measure(monkeypatch, gradient, seed=0):
    """Measure a network that is drawn from a gradient without its bias row."""
    whole = np.vstack([gradient, np.zeros(len(gradient))])
    monkeypatch.setattr(essay, "gradient", lambda *_, **__: (whole, 0))
    dataset = datasets.Dataset("toy", np.zeros((1, len(gradient))), [0], 1, "here")
    return real_networks.measure_gradient(dataset, 0.1, 1, 4, seed)


def test_outer_products_are_explained_by_their_directed_degrees_and_communities_are_not(monkeypatch):
    rng = np.random.default_rng(0)
    outer = np.outer(rng.random(150) < 0.2, rng.exponential(1, 150))  # dark pixels, unequal deltas
    blocks = np.kron(np.eye(5), np.ones((30, 30))) * rng.uniform(0.3, 1, (150, 150)) + 0.02
    outer, blocks = (measure(monkeypatch, gradient / gradient.max()) for gradient in (outer, blocks))
    for measured, explained in ((outer, True), (blocks, False)):
        assert (abs(measured["modularity_less_directed"]) < 0.03) == explained
        assert (abs(np.log(measured["clustering_over_directed"])) < 0.15) == explained
        assert (abs(np.log(measured["spectral_gap_over_directed"])) < 0.2) == explained
    assert outer["clustering_over_null"] < 0.95  # the roles of a merged node are strangers
    assert outer["assortativity_less_null"] < -0.03
    assert blocks["sigma_random"] > 1.5
    assert outer["reciprocity"] == pytest.approx(outer["reciprocity_of_directed"], abs=0.05)


def test_the_numbers_are_those_of_the_null_models_that_are_named():
    keys = ["information", *(measure.key for measure in networks.MEASURES)]
    observed, null, directed = (dict.fromkeys(keys, value) for value in (6.0, 2.0, 3.0))
    row = real_networks.compare(observed, {"null": null, "directed": directed}, {"clustering": 1, "path_length": 3})
    assert (row["clustering_over_null"], row["clustering_over_directed"]) == (3, 2)
    assert (row["assortativity_less_null"], row["assortativity_less_directed"]) == (4, 3)
    assert (row["information_over_null"], row["binned_information_of_directed"]) == (3, 3)
    assert (row["sigma_null"], row["sigma_random"]) == (1, 3)


def test_networks_that_cannot_be_measured_are_none(monkeypatch):
    assert measure(monkeypatch, np.zeros((50, 50))) is None
    few = np.zeros((50, 50))
    few[0, :40] = 1
    assert measure(monkeypatch, few) is None


# ---- rows and findings ------------------------------------------------------------------------------------

def row(kind="social", clustering=2.0, assortativity=0.1, **numbers):
    values = {real_networks.beside(measure): 1.0 for measure in networks.MEASURES}
    values |= {real_networks.CLUSTERING: clustering, real_networks.ASSORTATIVITY: assortativity}
    return {"network": kind, "kind": kind, "compared": True, "links": 75} | values | numbers


@pytest.mark.parametrize(("clustering", "assortativity", "social"), [
    (2.0, 0.1, True), (0.9, 0.1, False), (2.0, -0.1, False), (0.7, -0.3, False)])
def test_social_networks_show_both_marks(clustering, assortativity, social):
    assert real_networks.is_social(row("social", clustering, assortativity)) == social


def test_the_nearest_network_and_the_measures_outside_the_range():
    reference = [row(kind, 1.0 + k, 0.1 * k, network=f"{kind} {k}")
                 for k, kind in enumerate(["social", "neural", "linguistic", "social", "schedule"])]
    likeness = real_networks.likeness_of(row("gradient", 3.9, 0.3), reference)
    assert likeness["nearest"] == "social 3"
    assert likeness["distance"] < likeness["distance_named"]
    assert real_networks.likeness_of(reference[1], reference)["distance_named"] == 0
    assert "distance_named" not in real_networks.likeness_of(reference[0], [reference[0], *reference[3:]])
    assert real_networks.outside(row("gradient", 0.5, 0.2), reference) == ["clustering"]
    assert real_networks.outside(row("gradient", 1.5, 0.9, rich_club_over_null=3), reference) == ["assortativity",
                                                                                                "rich_club"]


def gradients(social, runs=12, lost=0, **numbers):
    return row("gradient", compared=False, runs=runs, degenerate=lost, social=social, **numbers)


def test_findings_count_gradient_networks():
    assert real_networks.finding_of([row(), gradients(0), gradients(3, lost=2)]).startswith("3 of 22 gradient networks")
    assert real_networks.finding_of([row(), {"kind": "gradient", "runs": 3, "degenerate": 3}]) == (
        "No gradient network could be measured")
    yours = row("yours", network="a" * 60, social=1, nearest="Facebook")
    assert real_networks.finding_of([yours, gradients(0)]) == (
        f"{'a' * 22}... shows both marks of a social network; most like Facebook")
    assert "does not show both marks" in real_networks.finding_of([yours | {"social": 0}])
    assert "has 74 links, too few to judge" in real_networks.finding_of([yours | {"links": 74}])


@pytest.mark.parametrize(("random", "null", "words"), [
    (2, 0.7, "beside random links, not beside the same degrees"), (0.9, 0.7, "0 of 1 gradient settings are small"),
    (3, 1.2, "Beside the same degrees, 1 of 1")])
def test_small_worlds_need_both_comparisons(random, null, words):
    finding = real_networks.finding_on_small_worlds([gradients(0, sigma_random_low=random, sigma_null_low=null)])
    assert words in finding


def test_groups_of_networks(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADNETS_DATA", str(tmp_path))
    (tmp_path / "networks").mkdir()
    (tmp_path / "networks/facebook.txt").write_text("0 1\n")
    repository = real_networks.names_of_networks(("repository",))
    assert len(repository) == 15
    assert set(real_networks.names_of_networks(("all",))) == {*repository, "facebook"}
    assert real_networks.names_of_networks(("dolphins", "karate", "dolphins")) == ["dolphins", "karate"]
    assert real_networks.names_of_networks(("facebook", "repository")) == [*repository, "facebook"]


def test_settings_of_gradients():
    settings = experiment.settings(real_networks, dataset="noise", learning_rates=(0.1, 1.0),
                                   controls=("noise", "tree"))
    assert real_networks.cases_of_gradients(settings) == [
        ("noise", "rate 0.1", 0.1, 500), ("noise", "rate 1", 1.0, 500), ("noise", "untrained", 0.1, 1),
        ("tree", "rate 0.1", 0.1, 500)]


# ---- the script -------------------------------------------------------------------------------------------

def test_there_is_a_row_for_each_network_and_each_setting(result):
    assert_fits_the_page(result)
    rows = {entry["network"]: entry for entry in result.rows}
    assert list(rows)[-2:] == ["noise, rate 0.1", "noise, untrained"]
    assert len(rows) == len(FEW) + 4
    assert [name for name, entry in rows.items() if entry["kind"] != "gradient" and not entry["compared"]] == [
        "Florentine families", "Southern women"]
    assert rows["C. elegans"]["reciprocity"] == pytest.approx(nx.overall_reciprocity(nx.from_numpy_array(
        datasets.load_network("celegans").links, create_using=nx.DiGraph)))
    assert "reciprocity" not in rows["karate club"]
    assert rows["football"]["social"] == 1
    assert rows["noise, untrained"]["social"] == 0
    assert rows["noise, untrained"]["nearest"] in rows
    assert rows["noise, untrained"]["degenerate"] == 0
    assert {entry["name"] for entry in result.data} == {*FEW, "florentine", "davis-women", "noise"}


def test_the_plane_names_the_networks_that_are_compared(result):
    texts = {text.get_text() for text in result.figure.axes[0].texts}
    compared = {entry["network"] for entry in result.rows if entry["compared"] or entry["kind"] == "gradient"}
    assert compared <= texts
    assert "Florentine families" not in texts


def test_a_network_of_ones_own_stands_beside_the_others(tmp_path):
    """Cliques of many sizes, joined in a ring: nodes of alike degree are linked, and their neighbours too."""
    graph = nx.disjoint_union_all([nx.complete_graph(size) for size in (3, 5, 8, 12, 18)])
    firsts = np.cumsum([0, 3, 5, 8, 12])
    graph.add_edges_from(zip(firsts, np.roll(firsts, 1), strict=True))
    path = tmp_path / "cliques.txt"
    nx.write_edgelist(graph, path, data=False)
    result = run(graph=str(path), learning_rates=(0.1,), steps=2, runs=1)
    assert result.finding.startswith("cliques.txt shows both marks of a social network; most like ")
    assert_fits_the_page(result)
    (yours,) = [entry for entry in result.rows if entry["kind"] == "yours"]
    peer = nx.community.modularity(graph, nx.community.louvain_communities(graph, seed=0))
    assert yours["modularity"] == pytest.approx(peer, abs=0.01)
    assert not yours["compared"]


def test_a_network_without_triangles_has_a_place_on_the_axes(tmp_path):
    path = tmp_path / "tree.txt"
    nx.write_edgelist(nx.barabasi_albert_graph(200, 1, seed=0), path, data=False)
    result = run(graph=str(path), steps=2, runs=1)
    (yours,) = [entry for entry in result.rows if entry["kind"] == "yours"]
    assert yours["clustering_over_null"] == 0
    assert "does not show both marks" in result.finding
    assert [line.get_xdata()[0] for line in result.figure.axes[0].lines if line.get_marker() == "*"] == [0.1]


def test_runs_without_a_gradient_are_counted():
    rows = run(learning_rates=(1e9,), steps=5).rows
    lost, untrained = (entry for entry in rows if entry["kind"] == "gradient")
    assert (lost["degenerate"], lost["runs"]) == (2, 2)
    assert "clustering" not in lost
    assert untrained["degenerate"] == 0


@pytest.mark.parametrize(("changes", "message"), [
    ({"networks": ("karate", "dolphin")}, "network is 'dolphin': expected all, repository, karate"),
    ({"networks": ("karate", "dolphins")}, "networks names 2 with 75 links or more: expected at least 4"),
    ({"networks": ()}, "networks is"),
    ({"runs": 0}, "runs is 0"),
    ({"nulls": 0}, "nulls is 0"),
    ({"steps": 0}, "steps is 0"),
    ({"learning_rates": ()}, "learning_rates is"),
    ({"dataset": "nose"}, "data set is 'nose'"),
    ({"graph": "nowhere.txt"}, "nowhere.txt: .*expected a text file"),
])
def test_mistakes_are_named(changes, message):
    with pytest.raises(UserError, match=message):
        run(**changes)


@pytest.mark.parametrize(("graph", "words"), [
    (nx.cycle_graph(90), "each of 90 nodes has 2 links:"), (nx.complete_graph(3), "each of 3 nodes has 2 links:"),
    (nx.path_graph(2), "each of 2 nodes has 1 link:")])
def test_a_regular_network_is_refused_in_one_line_before_others_are_measured(tmp_path, monkeypatch, graph, words):
    path = tmp_path / "regular.txt"
    nx.write_edgelist(graph, path, data=False)
    measured = []
    monkeypatch.setattr(networks, "profile", lambda adjacency, rng: measured.append(1) or profile(adjacency, rng))
    with pytest.raises(UserError, match=f"regular.txt: {words}"):
        run(graph=str(path))
    assert len(measured) == 1


@pytest.mark.parametrize(("changes", "message"), [
    ({"dataset": "nose"}, "data set is 'nose'"), ({"controls": ("nose",)}, "data set is 'nose'"),
    ({"networks": ("karate", "repositry")}, "expected all, repository, karate"),
    ({"learning_rates": (-1.0,)}, "learning_rate is -1.0"), ({"graph": "nowhere.txt"}, "nowhere.txt")])
def test_mistakes_are_named_before_anything_is_measured(monkeypatch, changes, message):
    monkeypatch.setattr(networks, "profile", lambda *_: pytest.fail("a network was measured"))
    with pytest.raises(UserError, match=message):
        run(**changes)
