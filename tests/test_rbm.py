"""The machine against enumeration: every state of a tiny one, with its energy written out."""
from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import assert_fits_the_page, real

import rbm
from gradnets import datasets, experiment
from gradnets.errors import UserError

VISIBLE = np.array(list(product((0.0, 1.0), repeat=4)))  # (16, 4), every state
HIDDEN = np.array(list(product((0.0, 1.0), repeat=3)))   # (8, 3)
SMALL = {"images": 60, "test_images": 20, "hidden_units": 5, "steps": 40, "batch_size": 3}


def tiny(seed=0, scale=1.0):
    """Return a machine of 4 and 3 units whose weights and biases are all different."""
    machine = rbm.RBM(4, 3, f"normal({scale})", seed)
    rng = np.random.default_rng(seed + 100)
    machine.visible_biases[:], machine.hidden_biases[:] = rng.normal(0, 0.5, 4), rng.normal(0, 0.5, 3)
    return machine


def toy(inputs):
    return SimpleNamespace(name="toy", inputs=np.array(inputs, float))


def first_step(machine, inputs, **options):
    """Return one training step at learning rate 0, which leaves the machine as it is."""
    return next(rbm.train(machine, toy(inputs), 1, 0.0, **options))


def joint(machine):
    """Return exp(-E(v, h)) of every pair of states, summed term by term: (16, 8)."""
    minus_energy = np.zeros((16, 8))
    for s, v in enumerate(VISIBLE):
        for t, h in enumerate(HIDDEN):
            minus_energy[s, t] += sum(machine.visible_biases[i] * v[i] for i in range(4))
            minus_energy[s, t] += sum(machine.hidden_biases[j] * h[j] for j in range(3))
            minus_energy[s, t] += sum(machine.weights[i, j] * v[i] * h[j] for i in range(4) for j in range(3))
    return np.exp(minus_energy)


def log_likelihood(machine, items):
    """Return the mean log P(v) of binary items."""
    weights = joint(machine)
    places = [int(np.flatnonzero((item == VISIBLE).all(axis=1))[0]) for item in items]
    return np.log(weights.sum(axis=1)[places] / weights.sum()).mean()


def exact_gradients(machine, items):
    """Return derivatives of minus the mean log P(v), by central differences: of the weights and both biases."""
    slopes = []
    for parameter in (machine.weights, machine.visible_biases, machine.hidden_biases):
        slope = np.empty_like(parameter)
        for entry in np.ndindex(parameter.shape):
            kept, ends = parameter[entry], []
            for h in (1e-5, -1e-5):
                parameter[entry] = kept + h
                ends.append(log_likelihood(machine, items))
            parameter[entry] = kept
            slope[entry] = (ends[1] - ends[0]) / 2e-5
        slopes.append(slope)
    return slopes


def hidden_chances(machine, visible):
    """Return P(h_j = 1 | v) from sigmoids written out: (n, 3)."""
    return np.array([[1 / (1 + np.exp(-machine.hidden_biases[j] - sum(v[i] * machine.weights[i, j] for i in range(4))))
                      for j in range(3)] for v in visible])


def visible_chances(machine, hidden):
    return np.array([[1 / (1 + np.exp(-machine.visible_biases[i] - sum(h[j] * machine.weights[i, j] for j in range(3))))
                      for i in range(4)] for h in hidden])


def state_chances(chances, states):
    """Return the probability of each state of independent units: (n, states) from (n, units)."""
    return np.array([[np.prod(np.where(state == 1, p, 1 - p)) for state in states] for p in chances])


def after_gibbs(machine, item, k):
    """Return the distribution of v_k over VISIBLE, for chains started at hidden units sampled from the item: (16,)."""
    down = state_chances(visible_chances(machine, HIDDEN), VISIBLE)  # (8, 16)
    up = state_chances(hidden_chances(machine, VISIBLE), HIDDEN)     # (16, 8)
    chances = state_chances(hidden_chances(machine, [item]), HIDDEN)[0] @ down
    for _ in range(k - 1):
        chances = chances @ up @ down
    return chances


def negative_phase(states, machine, chances):
    """Return mean and variance of v_i P(h_j | v), of v_i, and of P(h_j | v): two lists of three arrays."""
    hidden = hidden_chances(machine, states)
    values = [states[:, :, None] * hidden[:, None, :], states, hidden]
    means = [np.tensordot(chances, value, 1) for value in values]
    variances = [np.tensordot(chances, value**2, 1) - mean**2 for value, mean in zip(values, means, strict=True)]
    return means, variances


def deviations(step, machine, means, variances):
    """Return by how many standard errors recorded gradients differ from means minus positive phase: one flat array."""
    hidden = hidden_chances(machine, step.visible[:1])[0]  # the data set has one item, so all rows are equal
    visible = step.visible[0]
    recorded = [step.gradients[0], step.visible_gradient, step.hidden_gradient]
    expected = [mean - positive for mean, positive in zip(means, (np.outer(visible, hidden), visible, hidden),
                                                          strict=True)]
    return np.concatenate([((a - b) / np.sqrt(variance / len(step.reconstruction))).ravel()
                           for a, b, variance in zip(recorded, expected, variances, strict=True)])


# ---- the machine ------------------------------------------------------------------------------------------

def test_free_energy_and_conditionals_equal_the_enumeration():
    machine = tiny()
    weights = joint(machine)
    np.testing.assert_allclose(machine.free_energy(VISIBLE), -np.log(weights.sum(axis=1)), rtol=0, atol=1e-12)
    up = (weights @ HIDDEN) / weights.sum(axis=1, keepdims=True)
    down = (weights.T @ VISIBLE) / weights.sum(axis=0)[:, None]
    np.testing.assert_allclose(machine.hidden_given(VISIBLE), up, rtol=1e-12)
    np.testing.assert_allclose(machine.visible_given(HIDDEN), down, rtol=1e-12)


def test_free_energy_and_conditionals_are_exact_for_large_weights():
    machine = rbm.RBM(2, 2)
    machine.weights[:] = [[1e4, -1e4], [0.0, 0.0]]
    machine.visible_biases[:] = [3.0, 0.0]
    np.testing.assert_array_equal(machine.free_energy(np.array([[1.0, 0.0]])), [-3.0 - 1e4])
    np.testing.assert_array_equal(machine.hidden_given(np.array([[1.0, 0.0]])), [[1.0, 0.0]])
    machine.weights[:] = -40.0
    assert machine.hidden_given(np.array([[1.0, 0.0]]))[0, 0] == pytest.approx(np.exp(-40), rel=1e-12)


def test_initial_weights_follow_their_law_and_biases_are_zero():
    machine = rbm.RBM(300, 200, seed=1)
    assert machine.weights.std() == pytest.approx(0.01, rel=0.01)
    assert machine.weights.dtype == np.float64
    assert not machine.visible_biases.any()
    assert not machine.hidden_biases.any()
    assert np.abs(rbm.RBM(300, 200, "uniform(0.5)").weights).max() == pytest.approx(0.5, rel=1e-3)


# ---- gradients --------------------------------------------------------------------------------------------

SHARP = {"seed": 2, "scale": 1.5}  # by enumeration, one, two, three and many Gibbs steps differ widely
ITEM = np.array([1.0, 0.0, 1.0, 0.0])
GREY = np.array([0.9, 0.1, 0.6, 0.0])


@pytest.mark.parametrize("item", [ITEM, GREY])
@pytest.mark.parametrize("k", [1, 2])
def test_contrastive_divergence_has_the_mean_of_enumerated_chains(item, k):
    machine = tiny(**SHARP)
    step = first_step(machine, [item], batch_size=50_000, k=k)
    errors = {n: deviations(step, machine, *negative_phase(VISIBLE, machine, after_gibbs(machine, item, n)))
              for n in (k, k + 1)}
    assert np.abs(errors[k]).max() < 4
    assert np.abs(errors[k + 1]).max() > 10  # one Gibbs step more or less would show


def test_mean_field_contrastive_divergence_has_the_mean_over_hidden_states_alone():
    machine = tiny(**SHARP)
    step = first_step(machine, [GREY], batch_size=50_000, mean_field=True)
    chances = state_chances(hidden_chances(machine, [GREY]), HIDDEN)[0]
    kept = visible_chances(machine, HIDDEN)
    assert np.abs(deviations(step, machine, *negative_phase(kept, machine, chances))).max() < 4
    sampled = negative_phase(VISIBLE, machine, after_gibbs(machine, GREY, 1))
    assert np.abs(deviations(step, machine, *sampled)).max() > 10
    assert step.error == pytest.approx(np.square(step.visible - step.reconstruction).mean(), rel=1e-12)


@pytest.mark.parametrize("options", [{"k": 40, "batch_size": 20_000}, {"persistent": True, "chains": 20_000}])
def test_long_chains_have_the_gradient_of_the_likelihood(options):
    machine = tiny(**SHARP)
    steps = 40 if "persistent" in options else 1
    *_, step = rbm.train(machine, toy([ITEM]), steps, 0.0, **options)
    weights = joint(machine)
    means, variances = negative_phase(VISIBLE, machine, weights.sum(axis=1) / weights.sum())
    assert np.abs(deviations(step, machine, means, variances)).max() < 4
    short = negative_phase(VISIBLE, machine, after_gibbs(machine, ITEM, 1))
    assert np.abs(deviations(step, machine, *short)).max() > 12  # a chain that started again would show
    # Differences of the log-likelihood share no formula with the enumeration.
    recorded = (step.gradients[0], step.visible_gradient, step.hidden_gradient)
    for ours, exact, variance in zip(recorded, exact_gradients(machine, [ITEM]), variances, strict=True):
        assert (np.abs(ours - exact) < 4 * np.sqrt(variance / 20_000) + 1e-8).all()


def test_the_gradient_of_a_batch_is_the_mean_over_its_images():
    machine = tiny()
    step = first_step(machine, VISIBLE, batch_size=6, k=2)
    up, down = hidden_chances(machine, step.visible), hidden_chances(machine, step.reconstruction)
    np.testing.assert_allclose(step.hidden, up, rtol=1e-12)
    np.testing.assert_allclose(step.reconstruction_hidden, down, rtol=1e-12)
    each = [np.outer(vk, hk) - np.outer(v, h)
            for v, h, vk, hk in zip(step.visible, up, step.reconstruction, down, strict=True)]
    np.testing.assert_allclose(step.gradients[0], np.mean(each, axis=0), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(step.visible_gradient, (step.reconstruction - step.visible).mean(axis=0), atol=1e-15)
    np.testing.assert_allclose(step.hidden_gradient, (down - up).mean(axis=0), atol=1e-15)
    assert np.isin(step.reconstruction, (0, 1)).all()


def test_the_gradient_of_one_image_has_at_most_rank_two():
    data = toy(np.random.default_rng(0).random((20, 30)))
    ranks = [np.linalg.matrix_rank(step.gradients[0]) for step in rbm.train(rbm.RBM(30, 25, seed=1), data, 10, 0.5)]
    assert set(ranks) == {2}
    step = next(rbm.train(rbm.RBM(30, 25, seed=1), data, 1, 0.5, batch_size=5))
    assert 2 < np.linalg.matrix_rank(step.gradients[0]) <= 10


def test_the_error_compares_images_with_probabilities_at_sampled_hidden_units():
    machine = tiny(**SHARP)
    step = first_step(machine, [GREY], batch_size=100_000, persistent=True, chains=1)
    errors = np.square(GREY - visible_chances(machine, HIDDEN)).mean(axis=1)
    chances = state_chances(hidden_chances(machine, [GREY]), HIDDEN)[0]
    mean = chances @ errors
    spread = np.sqrt((chances @ errors**2 - mean**2) / 100_000)
    assert step.error == pytest.approx(mean, abs=4 * spread)


# ---- training ---------------------------------------------------------------------------------------------

def parameters(machine):
    return machine.weights, machine.visible_biases, machine.hidden_biases


@pytest.mark.parametrize("options", [{}, {"batch_size": 5}, {"batch_size": 5, "mean_field": True},
                                     {"batch_size": 3, "persistent": True, "chains": 7, "k": 2}])
def test_update_after_the_yield_is_the_learning_rate_times_the_gradient(options):
    machine, before = tiny(), None
    for step in rbm.train(machine, toy(VISIBLE), 8, 0.3, **options):
        if before is not None:
            for new, old, gradient in zip(parameters(machine), *before, strict=True):
                np.testing.assert_allclose(new, old - 0.3 * gradient, rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(step.hidden, hidden_chances(machine, step.visible), rtol=1e-12)
        before = [a.copy() for a in parameters(machine)], [*step.gradients, step.visible_gradient, step.hidden_gradient]
    for new, old, gradient in zip(parameters(machine), *before, strict=True):  # after the last step too
        np.testing.assert_allclose(new, old - 0.3 * gradient, rtol=1e-12, atol=1e-15)


def test_gradients_read_late_are_those_before_the_update():
    options = {"batch_size": 2, "persistent": True, "chains": 3}
    early = [(step.gradients[0], step.visible_gradient, step.hidden_gradient, step.reconstruction.copy())
             for step in rbm.train(tiny(), toy(VISIBLE), 5, 0.5, **options)]
    steps = list(rbm.train(tiny(), toy(VISIBLE), 5, 0.5, **options))
    assert [step.index for step in steps] == [1, 2, 3, 4, 5]
    for step, kept in zip(steps, early, strict=True):
        late = (step.gradients[0], step.visible_gradient, step.hidden_gradient, step.reconstruction)
        for read_late, read_early in zip(late, kept, strict=True):
            np.testing.assert_array_equal(read_late, read_early)


@pytest.mark.parametrize(("options", "widths"), [({"k": 1}, [3, 3, 3, 3]), ({"k": 2}, [5, 5, 5, 5]),
                                                 ({"persistent": True}, [3, 5, 7, 9]),
                                                 ({"persistent": True, "k": 2}, [5, 9, 13, 17])])
def test_persistent_chains_continue(options, widths):
    """In this machine nothing is random: each Gibbs step switches on the neighbors of the units that are on."""
    machine = rbm.RBM(21, 20)
    machine.weights[:] = 2000 * (np.eye(21, 20) + np.eye(21, 20, -1))  # hidden j: visible j and j + 1
    machine.visible_biases[:] = machine.hidden_biases[:] = -1000
    steps = rbm.train(machine, toy(np.eye(21)[[10]]), 4, 0.0, **options)
    for step, width in zip(steps, widths, strict=True):
        np.testing.assert_array_equal(step.reconstruction[0], np.abs(np.arange(21) - 10) <= width // 2)


def test_the_number_of_chains_is_the_batch_size_or_the_one_asked_for():
    for options, count in (({}, 5), ({"persistent": True}, 5), ({"persistent": True, "chains": 8}, 8)):
        step = first_step(tiny(), VISIBLE, batch_size=5, **options)
        assert step.reconstruction.shape == (count, 4)
        assert step.reconstruction_hidden.shape == (count, 3)
        assert step.visible.shape == (5, 4)


@pytest.mark.parametrize("options", [{}, {"persistent": True, "chains": 20}, {"k": 3}])
def test_training_raises_the_exact_likelihood(options):
    data = np.array([[1, 1, 0, 0], [0, 0, 1, 1]] * 2, float)
    machine = rbm.RBM(4, 3, seed=1)
    assert log_likelihood(machine, data) == pytest.approx(-np.log(16), abs=0.01)
    for _ in rbm.train(machine, toy(data), 2000, 0.1, batch_size=10, **options):
        pass
    assert -np.log(2) - 0.5 < log_likelihood(machine, data) < -np.log(2)  # at best either item with 1/2


def test_a_seed_determines_the_machine_and_its_training():
    def trained(seed):
        machine = rbm.RBM(4, 3, seed=seed)
        errors = [step.error for step in rbm.train(machine, toy(VISIBLE), 5, 0.1, 2, seed)]
        return errors, machine.weights
    errors, weights = trained(7)
    repeated_errors, repeated_weights = trained(7)
    assert errors == repeated_errors
    np.testing.assert_array_equal(weights, repeated_weights)
    assert trained(8)[0] != errors


def test_weights_and_samples_come_from_different_streams():
    weights, samples = (np.random.default_rng(child) for child in np.random.SeedSequence(7).spawn(2))
    machine = rbm.RBM(4, 3, "uniform(0.5)", seed=7)
    np.testing.assert_array_equal(machine.weights, weights.uniform(-0.5, 0.5, (4, 3)))
    step = next(rbm.train(machine, toy(VISIBLE), 1, 0.1, batch_size=6, seed=7))
    np.testing.assert_array_equal(step.visible, VISIBLE[samples.integers(16, size=6)])


def test_divergence_shows_in_the_error_without_a_warning():
    data = toy(np.random.default_rng(0).random((20, 30)))
    errors = [step.error for step in rbm.train(rbm.RBM(30, 25, seed=1), data, 20, 1.7e308, batch_size=4)]
    assert np.isfinite(errors[0])
    assert not np.isfinite(errors[-1])
    saturated = rbm.RBM(30, 25, seed=1)
    assert all(0 < step.error < 1 for step in rbm.train(saturated, data, 20, 1e9, batch_size=4))
    assert np.isin(rbm.reconstruct(saturated, data.inputs), (0, 1)).all()


@pytest.mark.parametrize(("arguments", "message"), [
    ({"visible": 0}, "visible is 0: expected a positive integer"),
    ({"hidden": -3}, "hidden is -3"),
    ({"hidden": 2.5}, "hidden is 2.5"),
    ({"init": "he"}, "unknown init 'he'"),
    ({"seed": -1}, "seed is -1"),
])
def test_bad_machines_raise(arguments, message):
    with pytest.raises(UserError, match=message):
        rbm.RBM(**{"visible": 4, "hidden": 3} | arguments)


@pytest.mark.parametrize(("arguments", "message"), [
    ({"steps": 0}, "steps is 0"),
    ({"seed": -1}, "seed is -1"),
    ({"k": 0}, "k is 0: expected a positive integer"),
    ({"k": 1.0}, "k is 1.0"),
    ({"persistent": True, "chains": 0}, "chains is 0"),
    ({"chains": 3}, "chains is 3, but without persistent chains each image has one"),
    ({"dataset": toy(np.ones((0, 4)))}, "toy has 0 items"),
    ({"dataset": toy(np.ones((2, 5)))}, "toy has 5 features, the machine 4 visible units"),
    ({"dataset": toy([[0, 0, 0, 1.5]])}, r"values of toy run from 0 to 1.5: expected probabilities, within \[0, 1\]"),
    ({"dataset": toy([[0, -0.1, 0, 1]])}, "values of toy run from -0.1 to 1"),
    ({"dataset": toy([[0, np.nan, 0, 1]])}, "values of toy run from nan to nan"),
])
def test_bad_training_raises_before_the_first_step(arguments, message):
    with pytest.raises(UserError, match=message):
        rbm.train(rbm.RBM(4, 3), **{"dataset": toy(VISIBLE), "steps": 2, "learning_rate": 0.1} | arguments)


# ---- the script -------------------------------------------------------------------------------------------

def test_compare_returns_errors_energies_and_their_gap():
    machine = tiny()
    training, test = VISIBLE[:6], VISIBLE[6:]
    row = rbm.compare(machine, training, test)
    energies = -np.log(joint(machine).sum(axis=1))
    assert row["training_free_energy"] == pytest.approx(energies[:6].mean(), rel=1e-12)
    assert row["free_energy_gap"] == pytest.approx(energies[6:].mean() - energies[:6].mean(), rel=1e-12)
    half = 1.96 * np.sqrt(energies[:6].var() / 6 + energies[6:].var() / 10)
    assert row["free_energy_gap_high"] - row["free_energy_gap"] == pytest.approx(half, rel=1e-12)
    assert row["free_energy_gap"] - row["free_energy_gap_low"] == pytest.approx(half, rel=1e-12)
    expected = np.square(test - visible_chances(machine, hidden_chances(machine, test))).mean()
    assert row["test_error"] == pytest.approx(expected, rel=1e-12)


def test_the_curve_starts_untrained_and_ends_after_the_last_update():
    data = toy(VISIBLE)
    machine = tiny()
    untrained = rbm.compare(machine, VISIBLE[:4], VISIBLE[:4])
    rows = rbm.learning_curve(machine, data, toy(VISIBLE[:4]), 10, 4, learning_rate=0.1)
    assert [row["step"] for row in rows] == [0, 3, 6, 9, 10]
    assert rows[0] == {"step": 0} | untrained
    assert rows[-1] == {"step": 10} | rbm.compare(machine, VISIBLE[:4], VISIBLE[:4])


def test_pictures_are_tiled_line_by_line():
    pictures = [np.full((2, 3), i) for i in range(3)]
    np.testing.assert_array_equal(rbm.tile(pictures, 2, 9.0), [[0, 0, 0, 9, 1, 1, 1], [0, 0, 0, 9, 1, 1, 1], [9] * 7,
                                                               [2, 2, 2, 9, 9, 9, 9], [2, 2, 2, 9, 9, 9, 9]])
    assert rbm.tile([np.zeros((2, 2, 3))] * 4, 2, 1.0).shape == (5, 5, 3)


@pytest.mark.parametrize("width", [784, 3072])
def test_filters_draw_weights_as_pictures_of_the_data(width):
    machine = rbm.RBM(width, 3)
    machine.weights[:, 2] = 0
    machine.weights[0, 2] = 10.0  # the first pixel; in colour, of the red plane
    data = datasets.Dataset("toy", np.zeros((1, width)), np.zeros(1, int), 1, "here", {})
    sheet = rbm.filters(machine, data)
    side = data.shape[0]
    third = sheet[side + 1:, :side]  # two columns
    assert sheet.shape[:2] == (2 * side + 1, 2 * side + 1)
    first = third[0, 0]
    np.testing.assert_array_equal(first, 1.0 if width == 784 else [1.0, 0.5, 0.5])
    assert (third[1:] == 0.5).all()
    contrast = np.ptp(sheet[:side, :side])  # of a filter with much smaller weights than the third
    assert contrast > 0.9 if width == 3072 else contrast < 0.1
    assert sheet.min() >= 0
    assert sheet.max() <= 1


def run(**changes):
    return rbm.main(experiment.settings(rbm, **SMALL | changes))


def test_script_returns_the_run():
    result = run(k=2, persistent=True, mean_field=True)
    rows, arrays = result.rows, result.files[".npz"]
    assert [row["step"] for row in rows] == list(range(0, 41, 2))
    assert f"{rows[0]['test_error']:.3g} to {rows[-1]['test_error']:.3g}" in result.finding
    machine = rbm.RBM(784, 5)
    machine.weights[:], machine.visible_biases[:] = arrays["weights"], arrays["visible_biases"]
    machine.hidden_biases[:] = arrays["hidden_biases"]
    assert arrays["test_error"][-1] == rows[-1]["test_error"]
    test = datasets.load("glyphs", "test", 20).inputs
    repeated = rbm.compare(machine, datasets.load("glyphs", limit=60).inputs[:20], test)
    assert repeated == {key: rows[-1][key] for key in repeated}
    assert [entry["split"] for entry in result.data] == ["train", "test"]
    assert_fits_the_page(result)


def test_script_draws_colour_images():
    real("cifar10", limit=1)
    result = run(dataset="cifar10")
    weights = next(axes for axes in result.figure.axes if axes.get_title("left").startswith("weights"))
    assert weights.images[0].get_array().shape == (2 * 33 - 1, 3 * 33 - 1, 3)  # five filters in three columns


def test_script_reports_divergence():
    assert run(learning_rate=1e308).finding.startswith("Training diverged")


@pytest.mark.parametrize(("change", "message"), [
    ({"dataset": "tree"}, "values of tree run from"),
    ({"dataset": "clusters"}, "choose a data set of images"),
    ({"images": 0}, "images is 0"),
    ({"test_images": 0}, "test_images is 0"),
    ({"hidden_units": 0}, "hidden is 0"),
    ({"steps": 0}, "steps is 0"),
    ({"k": 0}, "k is 0"),
    ({"init": "zero"}, "unknown init"),
])
def test_mistakes_in_settings_raise(change, message):
    with pytest.raises(UserError, match=message):
        run(**change)
