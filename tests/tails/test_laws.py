"""The laws beside a power law against the library powerlaw, mpmath, and samples of known laws."""
import mpmath
import numpy as np
import powerlaw
import pytest
from tail_samples import known_law, pareto, powerlaw_fit, quietly, rng, with_body

from gradnets import tails
from gradnets.errors import UserError
from gradnets.tails import laws


@pytest.mark.parametrize("name", tails.LAWS)
@pytest.mark.parametrize("unit", [1.0, 1e-200])
def test_the_right_law_is_chosen(name, unit):
    values = known_law(name) * unit
    rows = tails.compare(values, values.min())
    assert min(rows, key=lambda row: row["aic"])["alternative"] == name
    assert tails.verdict(rows) == f"{name.replace('_', ' ')}, not a power law"


def test_a_power_law_is_called_a_power_law():
    rows = tails.compare(pareto(2.5, 20_000, 9), 1.0)
    assert tails.verdict(rows) == "power law"
    assert {row["alternative"]: row["ratio"] > 2 for row in rows}["exponential"]


@pytest.mark.parametrize("name", ["exponential", "lognormal", "stretched_exponential"])
def test_ratios_equal_those_of_powerlaw(name):
    values = known_law(name, 1000)
    ratio, p = quietly(powerlaw_fit(values, 1.0).distribution_compare, "power_law", name, normalized_ratio=True)
    row = next(row for row in tails.compare(values, 1.0) if row["alternative"] == name)
    assert row["ratio"] == pytest.approx(ratio, rel=1e-3)
    assert row["p"] == pytest.approx(p, rel=1e-2, abs=1e-12)


@pytest.mark.parametrize("nested", [False, True])
def test_likelihood_ratios_equal_those_of_powerlaw(nested):
    plain, alternative = rng(1).normal(-3, 1, 4000), rng(2).normal(-3.02, 1.1, 4000)
    alternative[17] = -np.inf
    expected = powerlaw.loglikelihood_ratio(plain.copy(), alternative.copy(), nested=nested, normalized_ratio=True)
    assert laws.vuong(plain, alternative, nested) == expected


@pytest.mark.parametrize("name", tails.LAWS)
def test_laws_are_fitted_as_well_as_any_neighbour(name):
    """By powerlaw's densities, likelihoods are those returned at the fitted parameters, and lower around them."""
    values = known_law(name, 2000) / known_law(name, 2000).min()
    parameters, likelihoods = tails.LAWS[name](values, np.log(values))
    law = getattr(powerlaw, "_".join(word.capitalize() for word in name.split("_")))

    def expected(parameters):
        return quietly(lambda: law(xmin=1.0, parameters=parameters, verbose=0).loglikelihoods(values))

    np.testing.assert_allclose(likelihoods, expected(parameters), rtol=1e-6, atol=1e-8)
    for key in parameters:
        for factor in (0.99, 1.01):
            assert expected(parameters | {key: parameters[key] * factor}).sum() < likelihoods.sum()


@pytest.mark.parametrize("order", [-40.5, -3.0, 0.0, 0.3, 1.0, 1.5, 2.5, 7.0, 60.0])
@pytest.mark.parametrize("x", [1e-12, 1e-3, 0.7, 5.0, 80.0])
def test_exponential_integral_equals_that_of_mpmath(order, x):
    with mpmath.workdps(120):  # its series cancel
        expected = float(mpmath.log(mpmath.re(mpmath.expint(mpmath.mpf(order), mpmath.mpf(x)))))
    assert laws.log_exponential_integral(order, x) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(("order", "x"), [(700.0, 150.0), (-1e5, 1e5), (1e6, 1e-9), (-800.0, 3.0)])
def test_exponential_integral_keeps_its_bounds_at_extremes(order, x):
    """E_n(x) exp(x) lies between 1 / (x + n) and 1 / (x + n - 1) for n > 1; below, E_n follows from E_(n + 1)."""
    value = laws.log_exponential_integral(order, x)
    if order > 1:
        assert -np.log(x + order) <= value + x <= -np.log(x + order - 1)
    else:  # integration by parts
        lower = laws.log_exponential_integral(order + 1, x)
        assert np.exp(-x - value) - order * np.exp(lower - value) == pytest.approx(x, rel=1e-6)


@pytest.mark.parametrize("values", [
    rng(1).normal(10, 0.1, 500), rng(2).normal(10, 3, 500).clip(0), 1 + rng(3).random(400),
    1 + rng(4).random(400) * 1e-6,
    rng(5).weibull(8, 500), rng(6).poisson(5, 500), rng(7).pareto(0.3, 500), np.arange(1.0, 11),
    np.geomspace(1, 1e200, 30),
], ids=["narrow", "wide", "uniform", "within 1e-6", "steep", "integers", "very heavy", "ten", "200 decades"])
def test_any_tail_is_compared_without_a_warning(values):
    for xmin in (tails.fit(values).xmin, values[values > 0].min()):
        if len(np.unique(values[values >= xmin])) >= tails.FEWEST:
            rows = tails.compare(values, xmin)
            aic = {row["alternative"]: row["aic"] for row in rows}
            assert np.isfinite([*aic.values(), *(row["ratio"] for row in rows)]).all(), rows
            # It contains the power law and the exponential, so it can lose only by one more parameter.
            assert aic["truncated_power_law"] <= min(0, aic["exponential"]) + 2.1
    assert 0 < tails.bootstrap_p(values, 20) <= 1


@pytest.mark.parametrize("name", ["power_law", *tails.LAWS])
def test_survival_equals_the_shares_of_samples(name):
    values = pareto(2.5, 20_000, 9) if name == "power_law" else known_law(name)
    values = values / values.min()
    if name == "power_law":
        parameters = {"alpha": tails.fit(values).alpha}
    else:
        parameters, _ = tails.LAWS[name](values, np.log(values))
    x = np.quantile(values, (0.0, 0.1, 0.5, 0.9, 0.99))
    shares = [(values >= least).mean() for least in x]
    np.testing.assert_allclose(tails.survival(name, parameters, x), shares, atol=0.02)
    assert tails.survival(name, parameters, np.array([1.0])) == pytest.approx(1.0)


def test_survival_refuses_an_unknown_law_and_small_x():
    with pytest.raises(UserError, match="law is 'cauchy': expected power_law, exponential"):
        tails.survival("cauchy", {}, np.ones(1))
    with pytest.raises(UserError, match=r"the smallest x is 0.5: expected values of the tail"):
        tails.survival("power_law", {"alpha": 2.0}, np.array([0.5, 2.0]))


@pytest.mark.parametrize("xmin", [0.0, -1.0, 1e9, np.nan])
def test_compare_refuses_an_xmin_that_leaves_no_tail(xmin):
    with pytest.raises(tails.NoTail, match="xmin"):
        tails.compare(with_body(2.5, 300, 1), xmin)
