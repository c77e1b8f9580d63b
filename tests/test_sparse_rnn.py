"""The rows of sparse_rnn.py, and its sentence from rows written out."""
import pytest
from helpers import assert_fits_the_page

import sparse_rnn
from gradnets import experiment
from gradnets.errors import UserError

SMALL = {"steps": 60, "hidden_units": 32, "burn_in": 20, "prunings": 3, "learning_rates": (0.05,), "runs": 1}


def run(**changes):
    return sparse_rnn.main(experiment.settings(sparse_rnn, **SMALL | changes))


def test_main_prunes_the_recurrent_weights_alone():
    result = run()
    rows = {row["what"]: row for row in result.rows}
    assert list(rows) == list(sparse_rnn.KINDS)
    rest = 28 * 32 + 32 * 10 + 42
    assert rows[sparse_rnn.DENSE]["parameters"] == rest + 32 * 32
    assert rows[sparse_rnn.QUARTER]["parameters"] == rest + 32 * 32 // 4
    assert rows["single weights, 1/10, random"]["parameters"] == rest + 32 * 32 // 10
    assert rows[sparse_rnn.DENSE]["times_faster"] == 1
    assert_fits_the_page(result)


def test_the_finding_compares_a_quarter_with_all():
    rows = [{"what": sparse_rnn.QUARTER, "accuracy": 0.94, "times_faster": 1.7},
            {"what": sparse_rnn.DENSE, "accuracy": 0.951, "times_faster": 1.0}]
    sentence = sparse_rnn.finding(rows)
    assert "keeps 1/4 of its recurrent weights loses 1.1 points" in sentence
    assert "1.7 times as fast" in sentence


@pytest.mark.parametrize(("changes", "message"), [
    ({"hidden_units": 0}, "hidden_units is 0"), ({"schedule": "sudden"}, "schedule is 'sudden'"),
    ({"burn_in": 90}, "does not fit into 60 samples"), ({"learning_rates": ()}, "learning_rates is"),
    ({"learning_rates": (-1.0,)}, "learning rates are -1.0"),
])
def test_mistakes_are_errors_of_the_user(changes, message):
    with pytest.raises(UserError, match=message):
        run(**changes)
