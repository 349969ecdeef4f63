"""Fitted curves: known ones are found again, hard ones converge, and flags say what is wrong."""

import numpy as np
import pytest
from scipy import optimize

from jiqa.evaluation import UndefinedStatisticError, fit_curve, plcc, rmse
from jiqa.evaluation.curves import PARAMETERS

KINDS = ("logistic4", "logistic5", "cubic")


def logistic4(q, b1, b2, b3, b4):
    return (b1 - b2) / (1 + np.exp(-(q - b3) / abs(b4))) + b2


def logistic5(q, b1, b2, b3, b4, b5):
    return b1 * (0.5 - 1 / (1 + np.exp(b2 * (q - b3)))) + b4 * q + b5


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
@pytest.mark.parametrize("direction", [1, -1])
def test_known_logistic_curves_are_found_again(rng, scale, direction):
    scores = rng.uniform(0, 1, 300)
    for formula, kind, parameters in (
        (logistic4, "logistic4", (4.5, 1.0, 0.6, 0.12)),
        (logistic5, "logistic5", (3.0, 12.0, 0.4, 0.8, 2.5)),
    ):
        opinions = formula(scores, *parameters)
        curve = fit_curve(direction * scale * scores + 7 * scale, opinions, kind)
        assert curve.fit_ok
        assert curve.monotone
        predictions = curve(direction * scale * scores + 7 * scale)
        np.testing.assert_allclose(predictions, opinions, atol=1e-5)


def test_parameters_are_those_of_the_formula(rng):
    scores = rng.uniform(0, 1, 200)
    opinions = logistic4(scores, 5, 1, 0.5, 0.1) + 0.05 * rng.normal(size=200)
    curve = fit_curve(scores, opinions)
    b1, b2, b3, b4 = curve.parameters
    center, width = curve.center + b3 * curve.scale, b4 * curve.scale
    np.testing.assert_allclose(curve(scores), logistic4(scores, b1, b2, center, width), atol=1e-12)
    np.testing.assert_allclose([b1, b2, center, width], [5, 1, 0.5, 0.1], rtol=0.05)
    five = fit_curve(scores, opinions, "logistic5")
    z = (scores - five.center) / five.scale
    np.testing.assert_allclose(five(scores), logistic5(z, *five.parameters), atol=1e-9)


@pytest.mark.parametrize("noise", [0.1, 1.0])
def test_no_worse_than_a_global_search(rng, noise):
    """From any start SciPy finds nothing better than one part in a thousand."""
    scores = rng.gamma(2.0, size=80)
    opinions = np.exp(-scores) + noise * rng.normal(size=80)
    z = (scores - scores.mean()) / scores.std()
    for kind, formula, bounds in (
        ("logistic4", logistic4, [(-5, 5), (-5, 5), (-3, 3), (0.05, 3)]),
        ("logistic5", logistic5, [(-5, 5), (0.3, 10), (-3, 3), (-3, 3), (-3, 3)]),
    ):
        best = optimize.differential_evolution(
            lambda b, f=formula: ((f(z, *b) - opinions) ** 2).mean(), bounds, seed=0, maxiter=300
        )
        found = rmse(fit_curve(scores, opinions, kind)(scores), opinions)
        assert found <= np.sqrt(best.fun) * 1.001


def test_cubic_is_the_best_of_those_that_do_not_turn(rng):
    """Beside a quadratic programme with the slope held positive on a fine grid."""
    scores = rng.uniform(-1, 1, 60)
    opinions = np.sin(3 * scores) + 0.3 * rng.normal(size=60)  # turns inside the range
    curve = fit_curve(scores, opinions, "cubic")
    assert curve.monotone
    free = np.polynomial.polynomial.polyfit(scores, opinions, 3)
    terms = np.polynomial.polynomial.polyvander(scores, 3)
    grid = np.linspace(scores.min(), scores.max(), 201)
    slopes = np.stack([0 * grid, 1 + 0 * grid, 2 * grid, 3 * grid**2], 1)
    assert (slopes @ free).min() < 0
    best = optimize.minimize(
        lambda b: ((terms @ b - opinions) ** 2).mean(),
        [0, 1, 0, 0],
        constraints={"type": "ineq", "fun": lambda b: slopes @ b, "jac": lambda _: slopes},
        method="SLSQP",
        options={"ftol": 1e-12, "maxiter": 500},
    )
    assert best.success
    assert rmse(curve(scores), opinions) == pytest.approx(np.sqrt(best.fun), rel=1e-4)
    unconstrained = fit_curve(scores, scores**3 + scores, "cubic")
    np.testing.assert_allclose(unconstrained(scores), scores**3 + scores, atol=1e-12)


def test_five_parameters_may_turn_and_say_so():
    scores = np.linspace(0, 1, 60)
    opinions = (scores - 0.3) ** 2
    curve = fit_curve(scores, opinions, "logistic5")
    assert curve.fit_ok
    assert not curve.monotone
    for kind in ("logistic4", "cubic"):
        assert fit_curve(scores, opinions, kind).monotone


@pytest.mark.parametrize("kind", KINDS)
def test_hard_shapes(rng, kind):
    """A line, a step, an exponential, noise and few items: never worse than a line."""
    scores = rng.normal(size=50)
    shapes = [2 * scores + 1, (scores > 0) * 1.0, np.exp(3 * scores), rng.normal(size=50)]
    for opinions in shapes:
        curve = fit_curve(scores, opinions, kind)
        assert curve.fit_ok
        assert plcc(curve(scores), opinions) > abs(plcc(scores, opinions)) - 1e-3
        assert np.isfinite(curve.parameters).all()
    least = PARAMETERS[kind] + 1
    assert np.isfinite(fit_curve(np.arange(least), np.arange(least) ** 2, kind)([0, 1])).all()
    with pytest.raises(UndefinedStatisticError, match=f"{least - 1} items are too few"):
        fit_curve(np.arange(least - 1), np.arange(least - 1), kind)


def test_a_fit_that_fails_is_a_line_and_says_so(rng, monkeypatch):
    scores = rng.normal(size=50)
    opinions = np.tanh(scores)

    def fail(_, start, **__):
        return optimize.OptimizeResult(x=start, cost=1.0, success=False)

    monkeypatch.setattr(optimize, "least_squares", fail)
    curve = fit_curve(scores, opinions)
    assert not curve.fit_ok
    assert curve.kind == "linear"
    expected = np.polynomial.Polynomial.fit(scores, opinions, 1)(scores)
    np.testing.assert_allclose(curve(scores), expected, atol=1e-12)


def test_unknown_kind():
    with pytest.raises(ValueError, match="give one of logistic4, logistic5, cubic"):
        fit_curve(range(9), range(9), "probit")
