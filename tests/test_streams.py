"""Random streams against numpy's own spawning, and the laws of initial weights against their formulas."""
import numpy as np
import pytest

from gradnets import streams
from gradnets.errors import UserError


def test_streams_of_a_seed_are_its_spawned_children_and_differ():
    children = np.random.SeedSequence(7).spawn(4)
    draws = [streams.generator(7, stream).random(5) for stream in
             (streams.WEIGHTS, streams.SAMPLES, streams.LINKS, streams.DATA)]
    for draw, child in zip(draws, children, strict=True):
        np.testing.assert_array_equal(draw, np.random.default_rng(child).random(5))
    assert len(np.unique(draws)) == 20


def test_parts_of_a_stream_differ_from_each_other_and_from_the_stream():
    draws = [streams.generator(7, streams.LINKS, *parts).random(5) for parts in ((), (0,), (1,), (1, 0))]
    assert len(np.unique(draws)) == 20


def test_a_generator_is_returned_as_it_is():
    rng = np.random.default_rng(3)
    assert streams.generator(rng, streams.WEIGHTS) is streams.plain_generator(rng) is rng
    assert streams.plain_generator(3).random() == np.random.default_rng(3).random()


@pytest.mark.parametrize("seed", [-1, 1.5, "a", None, True])
def test_bad_seeds_raise(seed):
    for make in (lambda: streams.generator(seed, streams.WEIGHTS), lambda: streams.plain_generator(seed)):
        with pytest.raises(UserError, match=f"seed is {seed!r}: expected an integer of at least 0"):
            make()


def test_initial_weights_follow_their_laws():
    def weights(init, shape=(300, 200)):
        return streams.initial_weights(init, shape, np.random.default_rng(0))
    assert np.abs(weights("uniform(0.25)")).max() == pytest.approx(0.25, rel=1e-3)
    assert weights("uniform(0.25)").std() == pytest.approx(0.25 / np.sqrt(3), rel=0.01)
    assert weights("normal(0.1)").std() == pytest.approx(0.1, rel=0.01)
    assert np.abs(weights("glorot")).max() == pytest.approx(np.sqrt(6 / 500), rel=1e-3)
    assert weights("glorot-normal").std() == pytest.approx(np.sqrt(2 / 500), rel=0.01)
    for shape in ((300, 200), (200, 300), (40, 40)):
        tall = weights("orthogonal(2)", shape)
        tall = tall if shape[0] >= shape[1] else tall.T
        np.testing.assert_allclose(tall.T @ tall, 4 * np.eye(min(shape)), atol=1e-12)
    np.testing.assert_array_equal(weights("uniform:0.5"), weights("uniform(0.5)"))
    np.testing.assert_array_equal(weights("uniform"), weights("uniform(0.25)"))


def test_initial_biases_follow_the_law_of_the_weights_or_are_zero():
    biases = {init: streams.initial_bias(init, 2000, np.random.default_rng(0))
              for init in ("uniform(0.5)", "normal(2)", "glorot", "orthogonal(2)")}
    assert np.abs(biases["uniform(0.5)"]).max() == pytest.approx(0.5, rel=1e-2)
    assert biases["normal(2)"].std() == pytest.approx(2, rel=0.05)
    assert not biases["glorot"].any()
    assert not biases["orthogonal(2)"].any()


@pytest.mark.parametrize(("init", "message"), [
    ("uniform(x)", "expected a positive number"),
    ("uniform(-1)", "expected a positive number"),
    ("uniform(nan)", "expected a positive number"),
    ("normal(1e308)", "ordinary size"),
    ("uniform(0.2", "unknown init"),
    ("he", "expected one of uniform, normal"),
    ("glorot(2)", "glorot takes no number, write glorot"),
])
def test_bad_laws_raise(init, message):
    with pytest.raises(UserError, match=message):
        streams.initial_weights(init, (3, 2), np.random.default_rng(0))
