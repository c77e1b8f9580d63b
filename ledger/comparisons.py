"""What the number of a claim is compared with: further columns of the claim's row."""


def null(name, number):
    """Return the columns of the null model or control: its name, and its number with its interval."""
    return {"null_name": name} | {key.replace("value", "null"): value for key, value in number.items()}


def reference(name, value):
    """Return the columns of a reference value, such as the skew of an exponential law."""
    return {"reference_name": name, "reference": value}


def predicted(low=None, high=None):
    """Return the columns of the side that a claim in words predicts: everything above low, or below high."""
    return {f"predicted_{end}": value for end, value in (("low", low), ("high", high)) if value is not None}


def second(statement, axis, number, **further):
    """Return the columns of a second number that belongs to a claim, such as the diameter beside a clustering.

    They are the columns of a row of its own, with second_ before each: its name as a statement, its kind of quantity,
    value with interval, and further ones such as the source's number.
    """
    columns = {"statement": statement, "axis": axis} | number | further
    return {f"second_{key}": value for key, value in columns.items()}
