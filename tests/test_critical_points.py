"""The critical points that critical_points.py finds, and each of its parts alone."""
import numpy as np
import pytest
from helpers import assert_fits_the_page

import critical_points
import optimizers
from gradnets import datasets, experiment, plots


@pytest.fixture(scope="module")
def digits():
    return datasets.load("glyphs", limit=60)


def test_critical_points_are_critical_and_distinct(digits):
    shares, losses = critical_points.critical_points(digits, 3, 0)
    assert len(losses) >= 5
    assert np.unique(np.round(losses, 5)).size >= len(losses) - 1
    row = critical_points.index_row(shares, losses)
    assert row["spearman"] > 0.8
    assert row["minima"] == np.count_nonzero(shares == 0)
    with pytest.raises(ValueError, match="raise STARTS"):
        critical_points.index_row(shares[:2], losses[:2])
    with pytest.raises(ValueError, match="raise IMAGES"):
        critical_points.critical_points(datasets.load("glyphs", limit=3), 1, 0)


@pytest.mark.parametrize(("part", "finding"), [
    ("index", "The higher the loss"), ("spectrum", "Training leaves")])
def test_each_part_runs_alone(part, finding):
    settings = experiment.settings(critical_points, parts=(part,), images=60, starts=1, steps=30)
    result = critical_points.main(settings)
    assert {row["part"] for row in result.rows} == {part}
    assert len(result.figure.axes) == (1 if part == "index" else 2)
    assert result.finding.startswith(finding)
    assert_fits_the_page(result)


@pytest.mark.parametrize(("spearman", "negative", "words"), [
    (0.9, (), "The higher the loss of a critical point"), (0.1, (), "do not follow"), (-0.9, (), "fall with"),
    (None, (8, 7), "Training leaves 7 of 9 eigenvalues"), (0.9, (8, 7), "at critical points and in training"),
    (0.9, (7, 8), "The higher the loss of a critical point"), (0.1, (8, 7), "do not follow")])
def test_the_finding_follows_the_rows(spearman, negative, words):
    rows = [] if spearman is None else [{"what": "critical points", "spearman": spearman}]
    rows += [{"what": f"digits, {when}", "parameters": 9, "negative": count, "loss": loss}
             for when, loss, count in zip(("untrained", "trained"), (2.0, 0.5), negative, strict=False)]
    sentence = critical_points.finding_of(rows)
    assert words in sentence
    assert len(sentence) <= plots.LONGEST_TITLE


def test_the_spectrum_is_that_of_a_classifier_without_l2(digits):
    spectra, losses = critical_points.spectra_of_training(digits, 20, 0)
    assert spectra["trained"].size == 490
    objective = optimizers.classifier(digits, 0)
    start = objective.start
    assert losses["untrained"] == pytest.approx(objective.loss(start) - objective.l2 / 2 * start @ start, rel=1e-12)
    assert losses["trained"] < losses["untrained"]
    whole = objective.hessian(start) - objective.l2 * np.eye(490)
    np.testing.assert_allclose(spectra["untrained"], np.linalg.eigvalsh(whole), atol=1e-12)
    assert abs(spectra["trained"] - spectra["untrained"]).max() > 0.1


@pytest.mark.parametrize(("changes", "message"), [
    ({"parts": ("fourth",)}, "part is 'fourth': expected index or spectrum"), ({"starts": 0}, "starts is 0"),
    ({"dataset": "tree"}, "tree has 31 features: expected square images")])
def test_mistakes_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        critical_points.main(experiment.settings(critical_points, **changes))
