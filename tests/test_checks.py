"""Checks of arguments: what passes is returned without a copy, and what fails is named."""
from types import SimpleNamespace

import numpy as np
import pytest

from gradnets import checks
from gradnets.errors import UserError


@pytest.mark.parametrize("check", [checks.real_array, checks.integer_array])
@pytest.mark.parametrize(("values", "axes", "message"), [
    (np.array(["a"]), None, "x: got <U1 of shape (1,), expected"),
    (np.zeros((2, 3)) + 1j, None, "complex128"),
    (np.array([None]), None, "object"),
    (np.zeros(3, dtype=int), 2, "with 2 axes"),
    (np.int64(3), 1, "with 1 axis"),
])
def test_errors_say_what_arrived_and_what_was_expected(check, values, axes, message):
    with pytest.raises(UserError, match="x: got") as error:
        check("x", values, axes)
    assert message in str(error.value)


def test_good_arrays_are_not_copied():
    for array in (np.arange(3.0), np.arange(3), np.ones(3, dtype=bool), np.arange(3, dtype=">f2")):
        assert checks.real_array("x", array) is array
    array = np.arange(3)
    assert checks.integer_array("x", array) is array


def test_integers_become_int64_or_raise():
    np.testing.assert_array_equal(checks.integer_array("x", []), np.zeros(0, dtype=int), strict=True)
    np.testing.assert_array_equal(checks.integer_array("x", np.array([True, False])), [1, 0])
    assert checks.integer_array("x", np.array([2**63 - 1], dtype=np.uint64)) == 2**63 - 1
    with pytest.raises(UserError, match="9223372036854775808 is too large"):
        checks.integer_array("x", np.array([1, 2**63], dtype=np.uint64))


def test_arrays_of_numbers_must_be_finite_and_not_empty():
    with pytest.raises(UserError, match="2 of 4 numbers are NaN or infinite"):
        checks.real_array("x", [1.0, np.nan, np.inf, 3.0])
    with pytest.raises(UserError, match=r"an empty array of shape \(0,\), expected at least one number"):
        checks.real_array("x", [])


def test_floats_keep_single_precision_and_nothing_else():
    for dtype, expected in (("f2", "f4"), ("f4", "f4"), ("f8", "f8"), ("i4", "f8"), ("u1", "f8"), ("?", "f8")):
        assert checks.as_floats(np.ones(3, dtype)).dtype == np.dtype(expected)
    for dtype in ("f4", "f8"):
        array = np.ones(3, dtype)
        assert checks.as_floats(array) is array
    with pytest.raises(UserError, match="expected real numbers, got complex128"):
        checks.as_floats(np.ones(3, complex))


@pytest.mark.parametrize("values", [np.ones((2, 2)), np.ones(3, bool), np.ones((0, 2), bool)])
def test_a_matrix_of_bools_is_nothing_else(values):
    matrix = np.eye(2, dtype=bool)
    assert checks.bool_matrix("x", matrix) is matrix
    with pytest.raises(UserError, match="x: expected a matrix of bools with at least one entry"):
        checks.bool_matrix("x", values)


def test_single_values_and_tuples_are_named():
    checks.positive_integers(steps=3, widths=(1, np.int64(2)))
    checks.nonempty_tuples(widths=(1,))
    assert checks.choice("loss", "squared", ("squared", "hinge")) == "squared"
    for value in (0, 1.5, True, (5, 0)):
        with pytest.raises(UserError, match=r"steps is .*: expected a positive integer"):
            checks.positive_integers(steps=value)
    with pytest.raises(UserError, match=r"hidden_units is 30: expected .* in parentheses, as in \(30,\)"):
        checks.nonempty_tuples(steps=(1, 2), hidden_units=30)
    with pytest.raises(UserError, match="loss is 'l1': expected squared, cross-entropy or hinge"):
        checks.choice("loss", "l1", ("squared", "cross-entropy", "hinge"))


@pytest.mark.parametrize(("change", "message"), [
    ({"steps": 0}, "steps is 0: expected a positive integer"),
    ({"steps": 1.5}, "steps is 1.5"),
    ({"batch_size": -1}, "batch_size is -1"),
    ({"learning_rate": float("nan")}, "learning_rate is nan: expected a finite number"),
    ({"learning_rate": float("inf")}, "learning_rate is inf"),
    ({"learning_rate": -0.1}, "not negative"),
])
def test_bad_schedules_raise(change, message):
    checks.training_schedule(1, 0.0, 1)
    with pytest.raises(UserError, match=message):
        checks.training_schedule(**{"steps": 2, "learning_rate": 0.1, "batch_size": 1} | change)


@pytest.mark.parametrize(("change", "message"), [
    ({"inputs": np.ones((0, 5)), "labels": np.zeros(0, int)}, "toy has 0 items and 0 labels"),
    ({"inputs": np.ones(2)}, r"inputs of toy are float64 of shape \(2,\)"),
    ({"inputs": np.ones((2, 5), complex)}, "inputs of toy are complex128"),
    ({"inputs": np.array([[1.0], [np.nan]])}, "toy has inputs from nan to nan: expected finite numbers"),
    ({"labels": np.eye(2)}, "labels of toy are float64 of .*: expected one integer per item"),
    ({"labels": np.array([0])}, "1 labels: expected one label per item"),
    ({"labels": np.array([0, 3])}, "labels of toy run from 0 to 3: expected 0 to 2"),
    ({"labels": np.array([-1, 0])}, "labels of toy run from -1 to 0"),
])
def test_bad_data_raise(change, message):
    dataset = {"name": "toy", "inputs": np.ones((2, 5)), "labels": np.array([0, 2]), "classes": 3}
    checks.labelled_data(SimpleNamespace(**dataset))
    with pytest.raises(UserError, match=message):
        checks.labelled_data(SimpleNamespace(**dataset | change))


def test_items_given_twice_are_named():
    checks.distinct(widths=(8, 16), names=("a", "b"))
    with pytest.raises(UserError, match=r"widths is \(8, 16, 8\): expected each value once"):
        checks.distinct(widths=(8, 16, 8))
