"""The rules of block_newton.py against their formulas, and its rows on few glyphs."""
import numpy as np
import pytest
from helpers import assert_fits_the_page

import block_newton
import mlp
from gradnets import curvature, experiment


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
    whole, blocks = (rows[name, 4]["accuracy"] for name in ("whole Hessian", "layers' blocks"))
    assert result.finding.endswith(f"{whole:.3f} with it, {blocks:.3f} without")
    assert {row["step"] for row in result.printed if "step" in row} == {4}
    assert_fits_the_page(result)
    assert [(entry["name"], entry["split"]) for entry in result.data] == [("glyphs", "train"), ("glyphs", "test")]


def test_the_finding_compares_intervals():
    def verdict(low, high):
        return block_newton.finding_of({name: {"accuracy": (a + b) / 2, "accuracy_low": a, "accuracy_high": b}
                                        for name, a, b in (("layers' blocks", 0.2, 0.3), ("whole Hessian", low, high))})

    assert "changes little: test accuracy 0.300 with it, 0.250 without" in verdict(0.25, 0.35)
    assert "between layers helps" in verdict(0.31, 0.4)
    assert "between layers harms" in verdict(0.1, 0.19)


@pytest.mark.parametrize(("changes", "message"), [
    ({"damping": 0}, "damping is 0: expected a positive, finite number"), ({"damping": np.nan}, "damping is nan"),
    ({"units": 0}, "units is 0"), ({"datasets": ()}, r"datasets is \(\)"), ({"datasets": ("cifar11",)}, "cifar11")])
def test_mistakes_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        block_newton.main(experiment.settings(block_newton, **changes))
