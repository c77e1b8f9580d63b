"""Values as JSON: what comes back is equal to the bit, and what would not come back is refused."""
import json
import math
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradnets.errors import UserError
from gradnets.experiment.encoding import decode, encode, short

VALUES = st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
                      lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10)


def test_values_come_back_as_they_were(many):
    @settings(max_examples=many(50, 1000), deadline=None, database=None, derandomize=True)
    @given(VALUES)
    def check(value):
        text = encode("the value", value)
        assert repr(decode(text)) == repr(value)  # which tells 1, 1.0 and True apart, and -0.0 from 0.0
        assert text.isascii()
        assert "\n" not in text

    check()


def test_floats_come_back_with_all_bits_and_without_finite_values_lost():
    values = [*np.frombuffer(np.random.default_rng(0).bytes(8 * 2000)).tolist(), 5e-324, -0.0, math.inf, -math.inf]
    for value, back in zip(values, decode(encode("the value", values)), strict=True):
        assert struct.pack("d", value) == struct.pack("d", back) or (math.isnan(value) and math.isnan(back))
    assert encode("the value", [math.nan, math.inf, -math.inf]) == "[NaN, Infinity, -Infinity]"


def test_scalars_of_numpy_become_pythons_and_tuples_become_lists():
    value = {"a": np.float32(0.1), "b": np.int64(3), "c": np.bool_(True), "d": (1, (np.float64(0.1),)),
             "e": np.str_("x")}
    expected = {"a": float(np.float32(0.1)), "b": 3, "c": True, "d": [1, [0.1]], "e": "x"}
    assert repr(decode(encode("the value", value))) == repr(expected)


def test_equal_dicts_have_equal_texts_when_keys_are_sorted():
    first, second = {"b": {"d": 1, "c": 2}, "a": 3}, {"a": 3, "b": {"c": 2, "d": 1}}
    assert encode("the case", first, sort_keys=True) == encode("the case", second, sort_keys=True)
    assert list(decode(encode("the result", first))) == ["b", "a"]


def nested(depth):
    value = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(("value", "words"), [
    (1j, "1j, a complex"), ({1: 2}, "{1: 2}, a dict"), ({"a": [object]}, "a type"), (np.zeros(2), "a ndarray"),
    ({1, 2}, "a set"), (b"bytes", "a bytes"), (np.datetime64("2020-01-01"), "a date"), (nested(100_000), "nested too"),
    (10 ** 5000, "a huge int"), (np.longdouble(1), "a longdouble")],
    ids=lambda value: value if isinstance(value, str) else "")
def test_what_json_would_not_give_back_is_refused_in_one_line(value, words):
    with pytest.raises(UserError, match=words) as caught:
        encode("the result", value)
    assert str(caught.value).startswith("the result ")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 250


def test_long_values_are_shown_in_one_short_line():
    assert short({"seed": 3}) == "{'seed': 3}"
    assert short("a\n" * 100) == "'" + "a\\n" * 18 + "a\\..."
    assert len(short(list(range(1000)))) == 60
    assert json.dumps(short(np.zeros((3, 3)))).count("\\n") == 0
