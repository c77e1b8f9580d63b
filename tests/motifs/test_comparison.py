"""Columns of a comparison by their definitions, in plain Python; what both null models conserve and find."""
import itertools

import numpy as np
import pytest
from motif_oracles import (
    assert_census,
    brute_force,
    code_of,
    graph_of,
    matrix_of,
    random_layers,
    random_matrix,
    smallest_codes,
)
from scipy import stats

from gradnets import motifs
from gradnets.errors import UserError
from gradnets.motifs import comparison, rewiring


def assert_comparison(result, observed, nulls, model):
    """Compare all columns with their definitions; observed and nulls: counts of motifs by code."""
    total, rows = sum(observed.values()), []
    for code in sorted(observed):
        counts = [null.get(code, 0) for null in nulls]
        shares = [count / (sum(null.values()) or 1) for count, null in zip(counts, nulls, strict=True)]
        value, chance = (observed[code], counts) if model == "layered" else (observed[code] / total, shares)
        differs = len(set(chance)) > 1
        if differs:
            z = (value - np.mean(chance)) / np.std(chance, ddof=1)
        else:
            z = 0 if value == chance[0] else np.inf if value > chance[0] else -np.inf
        rows.append({"differs": differs, "z": z,
                     "p": (1 + sum(null >= value for null in chance)) / (1 + len(chance)),
                     "larger": sum(null > value for null in chance) / len(chance),
                     "frequency": observed[code] / total, "mean_frequency": np.mean(shares),
                     "std": np.std(shares, ddof=1) if len(set(shares)) > 1 else 0})
    for name in rows[0]:
        np.testing.assert_allclose(getattr(result, name), [row[name] for row in rows], rtol=1e-9, atol=1e-12,
                                   err_msg=name)
    assert result.differs.dtype == bool
    tested, finite = result.differs | (result.z != 0), np.isfinite(result.z)
    np.testing.assert_allclose(result.q[tested], benjamini_hochberg(result.p[tested]), rtol=1e-12)
    assert (result.q[~tested] == 1).all()
    z = np.where(finite, result.z, np.sign(result.z) * np.abs(result.z[finite]).max(initial=0))
    np.testing.assert_allclose(result.profile, z / (np.sqrt((z**2).sum()) or 1), atol=1e-12)
    assert result.totals.tolist() == [sum(null.values()) for null in nulls]


def benjamini_hochberg(p):
    """Return the q of each p by its definition: the smallest m p' / rank over all p' of at least p, 1 at most."""
    return [min([1.0, *(len(p) * larger / np.count_nonzero(p <= larger) for larger in p if larger >= value)])
            for value in p]


def test_false_discovery_rates_equal_their_definition():
    rng = np.random.default_rng(19)
    for size in (0, 1, 2, 30, 60):
        for p in (np.round(rng.random(size)**3, 2), rng.integers(1, 102, size) / 101, np.ones(size)):  # with ties
            np.testing.assert_allclose(stats.false_discovery_control(p), benjamini_hochberg(p), rtol=1e-12)


@pytest.mark.parametrize(("model", "size", "colored", "threads"), [
    ("fanmod", 3, True, 1), ("fanmod", 4, True, 2), ("fanmod", 4, False, 1), ("fanmod", 5, False, 3),
    ("layered", 3, True, 1), ("layered", 4, True, 1), ("layered", 4, False, 2), ("layered", 5, False, 1)])
@pytest.mark.parametrize("in_closed_form", [False, True])
def test_significance_compares_the_censuses_of_random_graphs(monkeypatch, model, size, colored, threads,
                                                             in_closed_form):
    monkeypatch.setattr(comparison, "closed_form_is_quicker", lambda *_: in_closed_form)
    rng, nulls, sizes = np.random.default_rng(18), 8, (7, 6, 5)
    if model == "layered":
        graph = motifs.from_layers(random_layers(rng, sizes, 0.4, 2))
    else:
        graph, sizes = graph_of(random_matrix(rng, 16, 0.12, 2)), None
    rows_seen = []
    result = motifs.significance(graph, size, nulls, model, seed=6, colored=colored, threads=threads, sizes=sizes,
                                 progress=lambda rows: rows_seen.extend(rows) or rows_seen)
    assert rows_seen == list(range(nulls))

    colors = 2 if colored else 1
    graph = graph if colored else motifs.uncolored(graph)
    observed, rng = brute_force(matrix_of(graph), size, colors), np.random.default_rng(6)
    random = rewiring.random_graphs(graph, rng, motifs.layer_of(graph, sizes) if model == "layered" else None)
    drawn = list(itertools.islice(random, nulls + 1))
    censuses = [brute_force(matrix_of(null.graph), size, colors) for null in drawn[1:]]  # the first is not counted
    assert_census(result.census, observed, size, colors)
    assert_comparison(result, observed, censuses, model)
    assert result.differs.any() == (model == "fanmod" or size > 3)  # layered conserves all motifs of size 3
    assert result.differs.all() <= (model == "fanmod")
    assert result.tries == sum(null.tries for null in drawn)
    assert result.exchanges == sum(null.exchanges for null in drawn)


@pytest.mark.parametrize("model", motifs.MODELS)
def test_columns_are_defined_if_the_random_graphs_do_not_differ(model):
    rng, codes, values = np.random.default_rng(22), list(range(1, 10)), set()
    for case in range(30):
        observed = rng.integers(1, 5, 9)
        spread = np.zeros(9, int) if case % 3 == 0 else rng.integers(0, 3, 9)
        counts = rng.integers(0, 5, 9) + rng.integers(0, spread + 1, (7 + case, 9))  # ties, many without spread
        if case % 2:
            for array in (observed, counts):
                array[..., -1] += 99 - array.sum(axis=-1)  # of one total, so that shares may be equal too
        if case % 5 == 0:
            counts[3] = 0  # a random graph without any
        census = motifs.Census(motifs.decode(codes, 3, 1), observed, int(observed.sum()), np.array(codes))
        result = comparison._compare(census, counts, counts.sum(axis=1), model, 5, 4)
        assert_comparison(result, dict(zip(codes, observed.tolist(), strict=True)),
                          [dict(zip(codes, row, strict=True)) for row in counts.tolist()], model)
        assert (result.tries, result.exchanges) == (5, 4)
        values |= set(result.z[~result.differs].tolist())
    assert values == {-np.inf, 0.0, np.inf}


def test_z_is_infinite_for_a_motif_of_no_random_graph_and_0_for_a_motif_that_all_have_as_often():
    nodes = np.arange(200)
    edges = np.concatenate([np.transpose([nodes, (nodes + 1) % 200]), [(0, 2), (10, 12)]])
    result = motifs.significance(motifs.graph(200, *edges.T), 3, 4, seed=1)
    triangle = result.census.codes == code_of(3, [(0, 1), (1, 2), (0, 2)])
    assert result.census.counts[triangle].tolist() == [2]
    assert (result.z[triangle].tolist(), result.p[triangle].tolist()) == ([np.inf], [1 / 5])
    assert result.profile[triangle] == np.abs(result.profile).max()
    star = motifs.significance(motifs.graph(5, [0] * 4, [1, 2, 3, 4]), 4, 5)
    for name, value in {"differs": False, "z": 0, "p": 1, "q": 1, "larger": 0, "profile": 0, "std": 0,
                        "frequency": 1, "mean_frequency": 1}.items():
        assert getattr(star, name).tolist() == [value]
    assert (star.totals.tolist(), star.exchanges) == ([4] * 5, 0)


def test_random_nets_have_few_motifs_under_the_layered_null_model_and_many_under_fanmods():
    """The layered null model conserves the trees around one node."""
    # FANMOD's numbers of these trees: the matrix as a binary number, diagonal included.
    trees = np.concatenate([smallest_codes(np.array([int(bit) for bit in f"{number:016b}"]).reshape(1, 4, 4), 1)
                            for number in (14, 28, 2116, 2184)])
    rng, sizes = np.random.default_rng(20), (31, 30, 30, 4)
    z = {model: [] for model in motifs.MODELS}
    for seed in range(2):
        net = motifs.from_layers(random_layers(rng, sizes, 0.22, 3))
        results = {model: motifs.significance(net, 4, nulls, model, seed=seed, sizes=sizes)
                   for model, nulls in (("layered", 40), ("fanmod", 15))}
        layered = results["layered"]
        topologies = smallest_codes(np.minimum(layered.census.adjacency.astype(np.int64), 1), 1)
        is_tree = np.isin(topologies, trees)
        assert 40 < is_tree.sum() < len(is_tree)
        assert not layered.differs[is_tree].any()
        assert (layered.z[is_tree] == 0).all()
        assert (layered.q[is_tree] == 1).all()
        assert layered.differs[~is_tree].mean() > 0.9
        assert results["fanmod"].differs[is_tree].all()
        for model, result in results.items():
            z[model].append(result.z[np.isfinite(result.z)])
    beyond = {model: np.mean(np.abs(np.concatenate(values)) > 2) for model, values in z.items()}
    assert beyond["layered"] <= 0.12
    assert beyond["fanmod"] > 0.3


@pytest.mark.parametrize(("options", "message"), [
    ({"model": "uniform"}, "null model is 'uniform': expected fanmod or layered"),
    ({"nulls": 1}, "nulls is 1: expected 2 random graphs or more"),
    ({"nulls": 10**10}, "nulls is 10000000000: expected 2 .* at most 1,000,000,000"),
    ({"nulls": 2.0}, "nulls is 2.0: expected a positive integer"),
    ({"seed": -1}, "seed is -1: expected an integer of at least 0"),
    ({"model": "layered", "sizes": (2, 2)}, "layers of 2, 2 units have nodes 0 to 3, and the graph has a node 4"),
])
def test_wrong_arguments_are_refused(options, message):
    with pytest.raises(UserError, match=message):
        motifs.significance(motifs.graph(5, [0, 1], [1, 2]), 3, **{"nulls": 2} | options)
