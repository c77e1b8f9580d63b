"""The rules of block_newton.py against their formulas, and its rows on few glyphs."""
import numpy as np
import pytest
from helpers import assert_fits_the_page

import block_newton
import mlp
from gradnets import curvature, experiment, plots


def test_steps_of_the_whole_hessian_are_their_formulas():
    rng = np.random.default_rng(0)
    batch = mlp.MLP((5, 4, 3), "leaky(0.5)", "squared", "glorot", 0), rng.normal(size=(9, 5)), rng.integers(3, size=9)
    values, vectors = np.linalg.eigh(curvature.hessian(*batch, "finite-difference"))
    along = vectors.T @ curvature.gradient(*batch)
    rules = block_newton.training_rules(0.1)
    for name, denominators in (("whole Hessian", np.abs(values) + 0.1),
                               ("whole, source's damping", np.abs(values + 0.1))):
        rate, rule = next(iter(rules[name].items()))
        np.testing.assert_allclose(rule(*batch), -rate * vectors @ (along / denominators), rtol=1e-4, atol=1e-8)


def test_blocks_are_positive_and_the_whole_hessian_is_not():
    settings = experiment.settings(block_newton, datasets=("glyphs",), steps=4, units=6, runs=2)
    result = block_newton.main(settings)
    rows = {(row["what"], row.get("step")): row for row in result.rows}
    for when in ("untrained", "trained"):
        assert rows[f"spectrum of blocks, {when}", None]["negative"] == 0
        assert rows[f"spectrum of whole, {when}", None]["negative"] > 0
        assert rows[f"spectrum of whole, {when}", None]["parameters"] == 6 * 6 + 6 * 10
        assert result.files[".npz"][f"{when}_blocks"].size == 96
    labels = [text.get_text() for axes in result.figure.axes for text in axes.texts]
    for name, (_, _, words) in block_newton.STYLES.items():
        assert any(label.startswith(f"{rows[name, 4]['accuracy']:.3f}  {words}, ") for label in labels)
    assert {row["step"] for row in result.printed if "step" in row} == {4}
    assert_fits_the_page(result)
    assert [(entry["name"], entry["split"]) for entry in result.data] == [("glyphs", "train"), ("glyphs", "test")]


@pytest.mark.parametrize(("whole", "words"), [
    ((0.28, 0.34), "Newton is as accurate (0.250, whole 0.310)"), ((0.3, 0.35), "Newton is as accurate"),
    ((0.31, 0.41), "Newton is less accurate (0.250, whole 0.360)"), ((0.1, 0.19), "Newton is more accurate (0.250,")])
def test_the_finding_compares_intervals(whole, words):
    sentence = block_newton.finding_of({
        name: {"accuracy": (low + high) / 2, "accuracy_low": low, "accuracy_high": high}
        for name, (low, high) in (("layers' blocks", (0.2, 0.3)), ("whole Hessian", whole))})
    assert words in sentence
    assert len(sentence) <= plots.LONGEST_TITLE


@pytest.mark.parametrize(("changes", "message"), [
    ({"damping": 0}, "damping is 0: expected a positive, finite number"), ({"damping": np.nan}, "damping is nan"),
    ({"units": 0}, "units is 0"), ({"datasets": ()}, r"datasets is \(\)"), ({"datasets": ("cifar11",)}, "cifar11")])
def test_mistakes_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        block_newton.main(experiment.settings(block_newton, **changes))
