"""Dimensions of gradients: dense gradients of small nets, closed forms of random vectors, and planted structure."""
import numpy as np
import pytest

import mlp
from gradnets import datasets, dimension
from gradnets.errors import UserError


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def dense(inputs, deltas):
    """Return the inner products of gradients that are formed: of sums of outer products, (n, k, a) and (n, k, b)."""
    gradients = [sum(np.outer(x, d) for x, d in zip(*pair, strict=True)) for pair in zip(inputs, deltas, strict=True)]
    return np.array([[(g * h).sum() for g in gradients] for h in gradients])


# ---- samples of gradients ---------------------------------------------------------------------------------

@pytest.mark.parametrize(("terms", "rows", "columns"), [(1, 7, 4), (2, 30, 20), (5, 3, 4)])
def test_inner_products_are_those_of_dense_gradients(rng, terms, rows, columns):
    inputs, deltas = rng.normal(size=(12, terms, rows)), rng.normal(size=(12, terms, columns))
    products = dimension.gram(inputs, deltas)
    np.testing.assert_allclose(products, dense(inputs, deltas), rtol=1e-10, atol=1e-11)
    if terms == 1:
        np.testing.assert_array_equal(dimension.gram(inputs[:, 0], deltas[:, 0]), products)


def test_inner_products_of_a_nets_gradients_are_those_of_its_single_steps():
    data = datasets.load("tree", limit=20)
    network = mlp.MLP((31, 9, 4), seed=3)
    activations = network.forward(data.inputs)
    deltas = network.backward(activations, data.labels)
    gradients = []
    for k in range(20):
        one = datasets.Dataset("one", data.inputs[k:k + 1], data.labels[k:k + 1], 4, "here")
        gradients.append(next(mlp.train(network, one, 1, 0.0)).gradients[1].ravel())
    np.testing.assert_allclose(dimension.gram(activations[1], deltas[1]), np.array(gradients) @ np.array(gradients).T,
                               rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("scale", [1e-150, 1.0, 1e60])
def test_scale_of_the_gradients_does_not_matter(rng, scale):
    inputs, deltas = rng.normal(size=(20, 6)), rng.normal(size=(20, 5))
    products = dimension.gram(inputs, scale * deltas)
    np.testing.assert_allclose(products, scale**2 * dense(inputs[:, None], deltas[:, None]), rtol=1e-9)
    assert dimension.effective_dimension(products) == pytest.approx(
        dimension.effective_dimension(dimension.gram(inputs, deltas)), rel=1e-9)


def test_inner_products_of_arrays_are_added_up_in_blocks(rng, monkeypatch):
    arrays = [rng.normal(size=(7, 5)).astype(np.float32) * 1e-20 for _ in range(4)]
    arrays[2] = np.asfortranarray(arrays[2])
    monkeypatch.setattr(dimension, "BLOCK", 12)
    flat = np.array([values.ravel() for values in arrays], dtype=np.float64)
    np.testing.assert_allclose(dimension.gram_of_arrays(arrays), flat @ flat.T, rtol=1e-6)


def test_dimension_of_normal_vectors_is_that_of_their_covariance(rng):
    """(sum of eigenvalues)² / (sum of squared eigenvalues), in a sample that is smaller than the dimension."""
    eigenvalues = np.arange(1.0, 401)
    estimates = []
    for _ in range(60):
        vectors = rng.normal(size=(100, 400)) * np.sqrt(eigenvalues)
        estimates.append(dimension.effective_dimension(vectors @ vectors.T))
    assert np.mean(estimates) == pytest.approx(eigenvalues.sum()**2 / (eigenvalues**2).sum(), rel=0.01)  # 300.4


def test_random_rank_one_matrices_span_as_many_dimensions_as_they_have_entries(rng):
    """400 samples of 60 x 50; the participation ratio of the sample itself could not exceed 400."""
    inputs, deltas = rng.normal(size=(400, 60)), rng.normal(size=(400, 50))
    for products in (dimension.gram(inputs, deltas), dimension.cosines(dimension.gram(inputs, deltas))):
        assert dimension.effective_dimension(products) == pytest.approx(3000, rel=0.03)


def test_vectors_in_a_plane_have_two_dimensions(rng):
    angles = rng.uniform(0, 2 * np.pi, 3000)
    plane = np.linalg.qr(rng.normal(size=(500, 2)))[0]
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1) @ plane.T
    assert dimension.effective_dimension(vectors @ vectors.T) == pytest.approx(2, rel=0.02)
    assert dimension.effective_dimension(np.ones((5, 5))) == 1
    assert dimension.effective_dimension(np.eye(5)) == np.inf


def test_a_few_long_vectors_do_not_raise_the_dimension(rng):
    """With their diagonal the energies of long vectors would count as pairs."""
    vectors = rng.normal(size=(300, 40)) * rng.pareto(1.1, (300, 1))
    plain = np.trace(vectors @ vectors.T)**2 / ((vectors @ vectors.T)**2).sum()
    assert plain < 15
    assert dimension.effective_dimension(dimension.cosines(vectors @ vectors.T)) == pytest.approx(40, rel=0.05)


def test_cosines_are_inner_products_of_vectors_of_length_one(rng):
    vectors = rng.normal(size=(9, 4)) * np.geomspace(1e-8, 1e8, 9)[:, None]
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    np.testing.assert_allclose(dimension.cosines(vectors @ vectors.T), unit @ unit.T, atol=1e-9)


# ---- controls ---------------------------------------------------------------------------------------------

def test_independent_inputs_and_deltas_have_the_product_of_their_dimensions(rng):
    inputs, deltas = rng.normal(size=(800, 40)) + 1, rng.normal(size=(800, 30)) * np.linspace(0.1, 2, 30)
    row = dimension.with_controls({"layer": (inputs, deltas)}, rng)["layer"]
    second_moments = np.eye(40) + 1
    assert row["inputs"] == pytest.approx(np.trace(second_moments)**2 / (second_moments**2).sum(), rel=0.05)
    assert row["dimension"] == pytest.approx(row["product"], rel=0.03)
    assert row["over_re_paired"] == pytest.approx(1, abs=0.03)
    assert row["random"] == pytest.approx(1200, rel=0.05)
    assert row["pixels_shuffled"] == pytest.approx(row["dimension"], rel=0.05)
    assert row["deltas_shuffled"] > 1.5 * row["dimension"]
    assert (row["parameters"], row["vanished"]) == (1200, 0)


def test_deltas_that_follow_their_inputs_are_found(rng):
    """Ten classes with directions of their own for inputs and deltas: 10 dimensions, and 100 if they are re-paired."""
    labels = rng.integers(10, size=1000)
    inputs, deltas = np.eye(20)[labels], np.eye(15)[labels]
    row = dimension.with_controls({"layer": (inputs, deltas)}, rng)["layer"]
    assert row["dimension"] == pytest.approx(10, rel=0.05)
    assert row["re_paired"] == pytest.approx(100, rel=0.1)
    assert row["over_re_paired"] == pytest.approx(0.1, rel=0.1)


def test_gradients_that_vanish_are_counted_and_left_out(rng):
    inputs, deltas = rng.normal(size=(100, 8)), rng.normal(size=(100, 6))
    deltas[::4] = 1e-14
    row = dimension.with_controls({"layer": (inputs, deltas, 2 * deltas)}, rng)["layer"]
    assert row["vanished"] == 0.25
    chosen = np.arange(100) % 4 > 0
    kept = dimension.cosines(dense(inputs[chosen, None], deltas[chosen, None]))
    assert row["dimension"] == pytest.approx(dimension.effective_dimension(kept))
    assert row["gates_removed"] == pytest.approx(row["dimension"])
    assert dimension.with_controls({"layer": (inputs, np.zeros((100, 6)))}, rng) is None
    assert dimension.with_controls({"layer": (inputs[:29], rng.normal(size=(29, 6)))}, rng) is None


def test_all_weights_add_the_inner_products_of_the_layers(rng):
    layers = {"first": (rng.normal(size=(60, 3, 8)), rng.normal(size=(60, 3, 6))),
              "silent": (np.zeros((60, 4)), rng.normal(size=(60, 5))),
              "second": (rng.normal(size=(60, 7)), rng.normal(size=(60, 5)))}
    numbers = dimension.with_controls(layers, rng)
    assert list(numbers) == ["first", "second", "all weights"]
    total = dense(*layers["first"]) + dense(*(values[:, None] for values in layers["second"]))
    whole = numbers["all weights"]
    assert whole["dimension"] == pytest.approx(dimension.effective_dimension(dimension.cosines(total)))
    assert whole["raw"] == pytest.approx(dimension.effective_dimension(total))
    assert whole["parameters"] == 83
    assert "product" not in numbers["first"]


# ---- one matrix -------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("dtype", "error"), [(np.float32, 1e-6), (np.float64, 1e-13)])
@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_energy_shares_are_squared_singular_values(rng, monkeypatch, dtype, error, scale):
    monkeypatch.setattr(dimension, "BLOCK", 100)
    matrix = (scale * rng.normal(size=(20, 33)) * np.geomspace(1, 1e-3, 33)).astype(dtype)
    squares = np.linalg.svd(matrix.astype(float) / scale, compute_uv=False)**2
    for values in (matrix, matrix.T, np.asfortranarray(matrix)):
        np.testing.assert_allclose(dimension.energy_shares(values), squares / squares.sum(), atol=error)


def test_ranks_of_known_shares():
    assert dimension.ranks(np.full(20, 0.05)) == pytest.approx(
        {"stable_rank": 20, "participation_ratio": 20, "rank_90": 18, "rank_99": 20})
    assert dimension.ranks([0.9, 0.06, 0.04, 0.0])["rank_99"] == 3
    assert dimension.ranks([1.0, 0.0]) == {"stable_rank": 1, "participation_ratio": 1, "rank_90": 1, "rank_99": 1}


def test_a_random_matrix_has_the_participation_ratio_of_its_moments(rng):
    draws = [np.linalg.svd(rng.normal(size=(6, 9)), compute_uv=False)**2 for _ in range(20_000)]
    ratio = np.mean([squares.sum()**2 for squares in draws]) / np.mean([(squares**2).sum() for squares in draws])
    assert dimension.random_participation_ratio(6, 9) == pytest.approx(ratio, rel=0.005)
    large = dimension.ranks(dimension.energy_shares(rng.normal(size=(200, 300))))
    assert dimension.random_participation_ratio(200, 300) == pytest.approx(large["participation_ratio"], rel=0.01)


@pytest.mark.parametrize(("rows", "columns"), [(150, 300), (300, 150), (200, 200), (1, 40)])
def test_a_random_matrix_has_the_energies_of_marchenko_and_pastur(rng, rows, columns):
    shares = dimension.random_energy_shares(rows, columns)
    squares = np.mean([np.linalg.svd(rng.normal(size=(rows, columns)), compute_uv=False)**2 for _ in range(10)], axis=0)
    np.testing.assert_allclose(np.cumsum(shares), np.cumsum(squares) / squares.sum(), atol=0.005)
    assert dimension.ranks(shares)["participation_ratio"] == pytest.approx(
        dimension.random_participation_ratio(rows, columns), rel=0.02)


# ---- directions -------------------------------------------------------------------------------------------

def test_leading_directions_are_singular_vectors(rng):
    vectors = rng.normal(size=(15, 40)) * np.geomspace(1, 1e-2, 40)
    _, values, right = np.linalg.svd(vectors)
    directions, shares = dimension.leading_directions(vectors, 6)
    np.testing.assert_allclose(np.abs(directions @ right[:6].T), np.eye(6), atol=1e-7)
    np.testing.assert_allclose(shares, values**2 / (values**2).sum(), atol=1e-12)
    assert dimension.share_inside(vectors, directions).shape == (15,)


def test_random_directions_are_orthogonal_and_hold_their_share_of_any_vector(rng):
    directions = dimension.random_directions(7, 30, rng)
    np.testing.assert_allclose(directions @ directions.T, np.eye(7), atol=1e-12)
    vector = np.eye(30)[3]
    shares = [dimension.share_inside(vector, dimension.random_directions(7, 30, rng)) for _ in range(2000)]
    assert np.mean(shares) == pytest.approx(7 / 30, rel=0.03)
    assert dimension.share_inside(vector, dimension.random_directions(30, 30, rng)) == pytest.approx(1)


def test_share_inside_is_that_of_the_projection(rng):
    directions = np.linalg.qr(rng.normal(size=(12, 4)))[0].T
    vectors = rng.normal(size=(5, 12)) * 1e-120
    for vector, share in zip(vectors, dimension.share_inside(vectors, directions), strict=True):
        unit = vector / np.linalg.norm(vector)
        rest = unit - directions.T @ np.linalg.lstsq(directions.T, unit, rcond=None)[0]
        assert share == pytest.approx(1 - rest @ rest)
    assert dimension.share_inside(directions[1], directions) == pytest.approx(1)


# ---- mistakes ---------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("call", "message"), [
    (lambda: dimension.gram(np.ones((3, 2)), np.ones((4, 2))), "inputs of 3 samples and 1 terms, deltas of 4 and 1"),
    (lambda: dimension.gram(np.ones((3, 2)), np.ones(3)), r"deltas of shape \(3,\)"),
    (lambda: dimension.gram(np.full((2, 2), 1e200), np.ones((2, 2))), "larger than the largest float"),
    (lambda: dimension.gram_of_arrays([np.ones((2, 3)), np.ones((3, 2))]), r"shapes \(2, 3\), \(3, 2\)"),
    (lambda: dimension.gram_of_arrays([]), "shapes none"),
    (lambda: dimension.cosines(np.diag([1.0, 0.0])), "gradient 1 of 2 is 0"),
    (lambda: dimension.effective_dimension(np.ones((2, 3))), "expected a square matrix"),
    (lambda: dimension.effective_dimension([[1.0, 2.0], [0.0, 1.0]]), "not symmetric"),
    (lambda: dimension.effective_dimension(np.diag([1.0, 0.0, 0.0])), "1 of 3 gradients differ from 0"),
    (lambda: dimension.energy_shares(np.zeros((2, 3))), "zero everywhere"),
    (lambda: dimension.ranks([0.2, 0.8]), "largest first"),
    (lambda: dimension.ranks([0.5, 0.4]), "sum 0.9"),
    (lambda: dimension.random_participation_ratio(0, 3), "rows is 0"),
    (lambda: dimension.leading_directions(np.ones((4, 9)), 2), "2 directions of 4 vectors that span 1"),
    (lambda: dimension.random_directions(5, 4, np.random.default_rng(0)), "expected at most 4"),
    (lambda: dimension.share_inside(np.ones(3), np.ones((1, 3))), "differ by 2"),
    (lambda: dimension.share_inside(np.ones(4), np.eye(3)), "expected the same number of entries"),
    (lambda: dimension.share_inside(np.zeros(3), np.eye(3)), "a vector is 0"),
])
def test_mistakes_are_named(call, message):
    with pytest.raises(UserError, match=message):
        call()
