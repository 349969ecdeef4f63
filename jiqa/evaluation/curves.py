"""Curves that map a metric's scores to the scale of opinions before PLCC and RMSE are computed.

A metric need not be linear in opinion; so a monotone curve is fitted to a data set first (Video
Quality Experts Group, "Final report ... Phase II", 2003; Sheikh, Sabir and Bovik, "A statistical
evaluation of recent full reference image quality assessment algorithms", IEEE TIP 15(11), 2006).
The fits are by least squares on standardised scores and opinions. For a given slope and centre the
rest of a logistic curve is linear, so a grid over these two gives starts near the optimum.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from jiqa.evaluation.samples import UndefinedStatisticError, paired

Kind = Literal["logistic4", "logistic5", "cubic"]
PARAMETERS: dict[str, int] = {"logistic4": 4, "logistic5": 5, "cubic": 4, "linear": 2}

# The grid of starts: slopes of a logistic curve at its centre, in 1 / standard deviation.
SLOPES = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
CENTRES = 9
# Limits of a logistic curve. Flatter than the least slope it is a straight line as far as scores
# can tell. Steeper than the greatest, in 1 / robust standard deviation, it fits a jump between
# neighbouring scores. With its centre as far outside the scores as this, in 1 / slope, it is an
# exponential.
LEAST_SLOPE = 0.02
GREATEST_SLOPE = 10.0
BEYOND = 15.0
# By how much of the opinions' variance a fit may miss a straight line and still count as fitted.
SLACK = 1e-4
# Where on the range of scores a curve is checked for monotony.
CHECKED = np.linspace(0, 1, 1001)


@dataclass(frozen=True)
class Curve:
    """A fitted curve: call it with scores to get predictions of opinion.

    With z = (score - center) / scale and e(x) = 1 / (1 + exp(-x)), predictions are:

    - logistic4: b2 + (b1 - b2) e((z - b3) / b4);
    - logistic5: b1 (e(b2 (z - b3)) - 1/2) + b4 z + b5;
    - cubic: b1 + b2 z + b3 z^2 + b4 z^3, monotone from `low` to `high`;
    - linear: b1 + b2 z.

    Attributes:
        kind: Which of these it is: what was asked for, or "linear" where that could not be fitted.
        parameters: b1, b2, ... in units of the opinions.
        center: Mean of the scores it was fitted to.
        scale: Their standard deviation.
        low: The least of them.
        high: The greatest of them.
        fit_ok: Whether the fit converged to something at least as good as a straight line.
        monotone: Whether the curve never turns from `low` to `high`.
    """

    kind: str
    parameters: tuple[float, ...]
    center: float
    scale: float
    low: float
    high: float
    fit_ok: bool
    monotone: bool

    def __call__(self, scores: ArrayLike) -> np.ndarray:
        """Predicted opinions of scores, of any shape."""
        z = (np.asarray(scores, np.float64) - self.center) / self.scale
        return _FORMULAS[self.kind](np.array(self.parameters), z)


def fit_curve(scores: ArrayLike, opinions: ArrayLike, kind: Kind = "logistic4") -> Curve:
    """The curve of a kind that is nearest to the opinions.

    - logistic4 has four parameters and is monotone by construction (VQEG).
    - logistic5 adds a linear term (Sheikh et al. 2006). It fits best, and may turn: see `monotone`.
    - cubic is the polynomial of third degree, held monotone on the range of the scores (ITU-T
      P.1401). Beyond that range it may turn.

    Args:
        scores: Finite scores `[N]`.
        opinions: MOS or DMOS `[N]`.
        kind: "logistic4", "logistic5" or "cubic".

    Returns:
        The curve. Where no fit converges to something at least as good as a straight line, it is
        that line with `fit_ok` False.

    Raises:
        ValueError: Shapes differ, values are not finite, or another kind.
        UndefinedStatisticError: Not more items than parameters, or all scores or opinions equal.

    >>> scores = np.linspace(0, 1, 20)
    >>> curve = fit_curve(scores, 1 + 4 / (1 + np.exp(-(scores - 0.4) / 0.1)))
    >>> curve([0.4]).round(6).tolist()
    [3.0]
    """
    if kind not in get_args(Kind):
        raise ValueError(f"kind is {kind!r}; give one of {', '.join(get_args(Kind))}.")
    x, y = paired(scores, opinions, least=PARAMETERS[kind] + 1)
    center, scale, middle, spread = x.mean(), x.std(), y.mean(), y.std()
    if min(scale, spread) == 0:
        raise UndefinedStatisticError("the values differ by less than double precision resolves.")
    z, target = (x - center) / scale, (y - middle) / spread
    line = np.polynomial.polynomial.polyfit(z, target, 1)
    fitted = _fit_cubic(z, target) if kind == "cubic" else _fit_logistic(kind, z, target)
    used: str = kind
    if fitted is None or _loss(kind, fitted, z, target) > _loss("linear", line, z, target) + SLACK:
        used, fitted = "linear", line
    checked = z.min() + CHECKED * (z.max() - z.min())
    steps = np.diff(_FORMULAS[used](fitted, checked))
    tolerance = 1e-9 * np.abs(steps).sum()
    return Curve(
        kind=used,
        parameters=tuple(float(b) for b in _in_units(used, fitted, middle, spread)),
        center=float(center),
        scale=float(scale),
        low=float(x.min()),
        high=float(x.max()),
        fit_ok=used == kind,
        monotone=bool((steps >= -tolerance).all() or (steps <= tolerance).all()),
    )


def _logistic(x: np.ndarray) -> np.ndarray:
    from scipy import special

    return special.expit(x)


def _logistic4(b: np.ndarray, z: np.ndarray) -> np.ndarray:
    return b[1] + (b[0] - b[1]) * _logistic((z - b[2]) / b[3])


def _logistic5(b: np.ndarray, z: np.ndarray) -> np.ndarray:
    return b[0] * (_logistic(b[1] * (z - b[2])) - 0.5) + b[3] * z + b[4]


def _polynomial(b: np.ndarray, z: np.ndarray) -> np.ndarray:
    return np.polynomial.polynomial.polyval(z, b)


_FORMULAS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "logistic4": _logistic4,
    "logistic5": _logistic5,
    "cubic": _polynomial,
    "linear": _polynomial,
}


def _loss(kind: str, parameters: np.ndarray, z: np.ndarray, target: np.ndarray) -> float:
    """The mean squared error of a curve."""
    return float(((_FORMULAS[kind](parameters, z) - target) ** 2).mean())


def _in_units(kind: str, b: np.ndarray, middle: float, spread: float) -> np.ndarray:
    """Parameters for standardised opinions turned into those for the opinions themselves."""
    scaled, shifted = {
        "logistic4": ([0, 1], [0, 1]),
        "logistic5": ([0, 3, 4], [4]),
        "cubic": ([0, 1, 2, 3], [0]),
        "linear": ([0, 1], [0]),
    }[kind]
    b = b.copy()
    b[scaled] *= spread
    b[shifted] += middle
    return b


def _fit_logistic(kind: str, z: np.ndarray, target: np.ndarray) -> np.ndarray | None:
    """The best of the fits from several starts; None if none converged.

    Only the slope and the centre are searched; the rest is solved for at each step.
    """
    from scipy import optimize

    spread = np.subtract(*np.quantile(z, [0.75, 0.25])) / 1.349  # normal scores: 1
    greatest = GREATEST_SLOPE / (spread if spread > 0 else 1.0)

    def residuals(at: np.ndarray) -> np.ndarray:
        terms = _terms(kind, *_within_limits(at, z, greatest), z)
        return terms @ np.linalg.lstsq(terms, target)[0] - target

    centres = np.unique(np.quantile(z, np.linspace(0.02, 0.98, CENTRES)))
    found = []
    for slope in SLOPES:
        starts = [np.array([np.log(slope), centre]) for centre in centres]
        start = min(starts, key=lambda at: (residuals(at) ** 2).sum())
        fit = optimize.least_squares(residuals, start, method="lm")
        if fit.success and np.isfinite(fit.x).all():
            found.append(fit)
    if not found:
        return None
    at = min(found, key=lambda fit: fit.cost).x
    slope, centre = _within_limits(at, z, greatest)
    terms = _terms(kind, slope, centre, z)
    b = np.linalg.lstsq(terms, target)[0]
    height = b[1] / _logistic(slope * (z - centre)).max()
    if kind == "logistic4":
        return np.array([b[0] + height, b[0], centre, 1 / slope])
    return np.array([height, slope, centre, b[2], b[0] + height / 2])


def _within_limits(at: np.ndarray, z: np.ndarray, greatest: float) -> tuple[float, float]:
    """Slope and centre of a log slope and a centre, kept to what makes a difference."""
    slope = np.exp(np.clip(at[0], np.log(LEAST_SLOPE), np.log(greatest)))
    beyond = BEYOND / slope
    return float(slope), float(np.clip(at[1], z.min() - beyond, z.max() + beyond))


def _terms(kind: str, slope: float, centre: float, z: np.ndarray) -> np.ndarray:
    """What a logistic curve of given slope and centre is a sum of: 1, the step, for logistic5 z."""
    step = _logistic(slope * (z - centre))
    further = [z] if kind == "logistic5" else []
    return np.stack([np.ones_like(z), step / step.max(), *further], 1)


def _fit_cubic(z: np.ndarray, target: np.ndarray) -> np.ndarray | None:
    """The cubic of least squared error among those that do not turn on the range of z.

    With t from -1 to 1 on that range, a quadratic in t is at least 0 there exactly if it is
    (a + b t)^2 + c^2 (1 - t^2) (Markov and Lukacs). That is the derivative of a rising cubic, or of
    a falling one with the other sign, so the fit over a, b, c and an offset has no constraint.
    """
    from scipy import optimize

    half = (z.max() - z.min()) / 2
    to_t = np.polynomial.Polynomial([-(z.max() + z.min()) / 2 / half, 1 / half])
    q, r = np.linalg.qr(np.polynomial.polynomial.polyvander(to_t(z), 3))
    free = np.linalg.lstsq(r, q.T @ target)[0]
    best: np.ndarray | None = free
    if not _keeps_sign(free):
        starts = [(0, 1, 0, 1), (0, 1, 1, 0.1), (0, 1, -1, 0.1)]
        fits = [
            optimize.least_squares(
                lambda b, sign=sign: r @ _monotone_cubic(b, sign) - q.T @ target, start
            )
            for sign in (1, -1)
            for start in starts
        ]
        least = min(range(len(fits)), key=lambda place: fits[place].cost)
        sign = 1 if least < len(starts) else -1
        best = _monotone_cubic(fits[least].x, sign) if fits[least].success else None
    if best is None:
        return None
    in_z = np.polynomial.Polynomial(best)(to_t).coef
    return np.pad(in_z, (0, 4 - len(in_z)))


def _monotone_cubic(parameters: np.ndarray, sign: int) -> np.ndarray:
    """Coefficients of a cubic with the derivative sign ((a + b t)^2 + c^2 (1 - t^2))."""
    offset, a, b, c = parameters
    return np.array([offset, sign * (a**2 + c**2), sign * a * b, sign * (b**2 - c**2) / 3])


def _keeps_sign(cubic: np.ndarray) -> bool:
    """Whether the derivative of a cubic has one sign from -1 to 1."""
    slope = np.polynomial.Polynomial(cubic).deriv()
    turns = slope.deriv().roots()
    values = slope(np.array([-1.0, 1.0, *turns[np.abs(turns) < 1]]))
    return bool((values >= 0).all() or (values <= 0).all())
