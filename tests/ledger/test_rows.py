"""Intervals and tests of the ledger against their definitions."""
import numpy as np
import pytest
from scipy import stats

from ledger import rows
from ledger.verdicts import NotMeasured


@pytest.mark.parametrize(("above", "size", "atypical"), [(0, 40, True), (1, 30, False), (1, 100, True),
                                                         (4, 100, False), (50, 100, False), (100, 100, True)])
def test_atypical_values_are_beyond_nearly_all_of_a_sample(above, size, atypical):
    sample = np.concatenate([np.full(above, 2.0), np.zeros(size - above)])
    assert bool(rows.atypical(1.0, sample)) is atypical


def test_a_small_sample_cannot_show_that_a_value_is_atypical():
    with pytest.raises(NotMeasured, match="1 is beyond all of 39 runs, too few"):
        rows.atypical(1.0, np.zeros(39))


def test_shares_have_their_exact_interval():
    # At the ends of the 90 % interval of 19 of 24, 19 or more, and 19 or fewer, have a probability of 5 %.
    number = rows.share(19, 24)
    assert stats.binom.sf(18, 24, number["value_low"]) == pytest.approx(0.05)
    assert stats.binom.cdf(19, 24, number["value_high"]) == pytest.approx(0.05)
    assert number["value"] == 19 / 24


def test_a_share_is_larger_at_one_percent():
    def probability(count, total, reference):  # of a share this large, by the hypergeometric distribution
        return stats.hypergeom.sf(count - 1, total + reference[1], count + reference[0], total)
    for count in (5, 6, 7, 8, 9, 10):
        assert rows.more_often((count, 100), (1, 200)) == (probability(count, 100, (1, 200)) < 0.01)


def test_numbers_in_words_have_their_interval_unless_it_is_a_point():
    assert rows.in_words(rows.spread([1.0, 2.0, 3.23456])) == "2 (1 to 3.23)"
    assert rows.in_words(rows.spread([4])) == "4"
