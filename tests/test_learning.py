"""Rows of a learning curve, on a training that counts its updates."""
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest

from gradnets import learning


@dataclass
class Items:
    """A data set."""

    inputs: np.ndarray
    labels: np.ndarray


class Counter:
    """A model that knows how many updates it has had."""

    updates = 0

    def train(self, steps):
        for index in range(1, steps + 1):
            yield SimpleNamespace(index=index, value=10 * index, loss=float(index))
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


def test_a_classifier_is_measured_on_as_many_training_items_as_there_are_test_items():
    model = Counter()
    training, test = Items(np.arange(9), np.ones(9)), Items(np.arange(100, 104), np.zeros(4))

    def accuracy(items):
        return items.inputs.tolist(), items.labels.tolist(), model.updates

    rows, kept = learning.classifier_curve(model.train(5), accuracy, (training, test), 5, 2, lambda step: step.value,
                                           lambda values: {"values": list(values)})
    assert rows == [{"step": step, "loss": loss, "training_accuracy": ([0, 1, 2, 3], [1] * 4, step),
                     "test_accuracy": ([100, 101, 102, 103], [0] * 4, step), "values": values}
                    for step, loss, values in ((0, 1, [10]), (3, 3, [20, 30, 40]), (5, 4, [30, 40, 50]))]
    assert kept == [10, 20, 30, 40, 50]
