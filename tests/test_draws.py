"""Words against SplitMix64's published numbers, and integers against Python's own long multiplication."""
import numpy as np
from scipy import stats

from gradnets import draws


def words(state, count):
    drawn = []
    with np.errstate(over="ignore"):  # states count on modulo 2**64
        for _ in range(count):
            state = np.uint64(state) + draws.STEP
            drawn.append(int(draws.word_of(state)))
    return drawn


def test_words_are_those_of_splitmix64():
    # Published with the generator, for the seed 1234567, as in https://rosettacode.org/wiki/Pseudo-random_numbers
    assert words(1234567, 5) == [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431,
                                 16408922859458223821]


def test_words_split_into_an_integer_and_a_further_word():
    rng = np.random.default_rng(0)
    for word in [0, 1, 2**64 - 1, 2**63, *rng.integers(2**64, size=50, dtype=np.uint64).tolist()]:
        for count in (1, 2, 3, 10, 4097, 10**6 + 3, 2**31, 2**32 - 1):
            integer, rest = draws.split(np.uint64(word), count)
            assert (integer, int(rest)) == divmod(word * count, 2**64)


def test_integers_of_one_word_are_uniform_and_independent():
    drawn = np.zeros((5, 7, 2), np.int64)
    for word in words(int(draws.first_state(np.random.default_rng(1))), 20_000):
        first, rest = draws.split(np.uint64(word), 5)
        second, rest = draws.split(np.uint64(rest), 7)
        drawn[first, second, draws.split(np.uint64(rest), 2)[0]] += 1
    assert stats.chisquare(drawn.ravel()).pvalue > 1e-4
    states = {int(draws.first_state(np.random.default_rng(seed))) for seed in range(20)}
    assert len(states) == 20
