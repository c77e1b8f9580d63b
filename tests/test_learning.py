"""Rows of a learning curve, on a training that counts its updates."""
from types import SimpleNamespace

import pytest

from gradnets import learning


class Counter:
    """A model that knows how many updates it has had."""

    updates = 0

    def train(self, steps):
        for index in range(1, steps + 1):
            yield SimpleNamespace(index=index, value=10 * index)
            self.updates += 1


@pytest.mark.parametrize(("steps", "records", "rows"), [
    (10, 4, [0, 3, 6, 9, 10]), (10, 5, [0, 2, 4, 6, 8, 10]), (1, 20, [0, 1]), (3, 1, [0, 3])])
def test_rows_stand_at_even_distances_and_at_both_ends(steps, records, rows):
    model = Counter()
    curve, _ = learning.curve(model.train(steps), steps, records, lambda step: step.value,
                              lambda recent: {"updates": model.updates})
    assert [row["step"] for row in curve] == [row["updates"] for row in curve] == rows


def test_a_row_sees_what_was_kept_since_the_row_before():
    model = Counter()
    curve, kept = learning.curve(model.train(7), 7, 3, lambda step: step.value, lambda recent: {"recent": recent})
    assert kept == [10, 20, 30, 40, 50, 60, 70]
    assert [row["recent"] for row in curve] == [[10], [20, 30, 40], [50, 60, 70], [50, 60, 70]]
