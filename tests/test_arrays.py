"""The two checks that public functions take arrays through."""
import numpy as np
import pytest

from gradnets import arrays


@pytest.mark.parametrize("check", [arrays.real, arrays.whole])
@pytest.mark.parametrize(("values", "axes", "words"), [
    (np.array(["a"]), None, "x: got <U1 of shape (1,), expected"),
    (np.zeros((2, 3)) + 1j, None, "complex128"),
    (np.array([None]), None, "object"),
    (np.zeros(3, dtype=int), 2, "on 2 axes"),
    (np.int64(3), 1, "on 1 axis"),
])
def test_checks_say_what_came_and_what_was_expected(check, values, axes, words):
    with pytest.raises(ValueError, match="x: got") as error:
        check("x", values, axes)
    assert words in str(error.value)


def test_checks_copy_nothing_that_is_right_and_know_the_largest_numbers():
    for good in (np.arange(3.0), np.arange(3), np.ones(3, dtype=bool), np.arange(3, dtype=">f2")):
        assert arrays.real("x", good) is good
    good = np.arange(3)
    assert arrays.whole("x", good) is good
    np.testing.assert_array_equal(arrays.whole("x", []), np.zeros(0, dtype=int), strict=True)
    np.testing.assert_array_equal(arrays.whole("x", np.array([True, False])), [1, 0])
    assert arrays.whole("x", np.array([2**63 - 1], dtype=np.uint64)) == 2**63 - 1
    with pytest.raises(ValueError, match="9223372036854775808 is too large"):
        arrays.whole("x", np.array([1, 2**63], dtype=np.uint64))
    with pytest.raises(ValueError, match="2 of 4 numbers are NaN or infinite"):
        arrays.real("x", [1.0, np.nan, np.inf, 3.0])
    with pytest.raises(ValueError, match="holds no number"):
        arrays.real("x", [])
