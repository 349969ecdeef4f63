"""Confidence intervals of a correlation from its size and the number of items alone."""

import math
from typing import Literal

from jiqa.evaluation.samples import UndefinedStatisticError

# The variance of atanh(r) is (a + b r^2) / (N - c).
VARIANCES = {
    "plcc": (1.0, 0.0, 3),
    "srocc": (1.0, 0.5, 3),
    "srocc_fieller": (1.06, 0.0, 3),
    "krocc": (0.437, 0.0, 4),
}
Coefficient = Literal["plcc", "srocc", "srocc_fieller", "krocc"]


def fisher_interval(
    value: float, items: int, coefficient: Coefficient = "plcc", *, confidence: float = 0.95
) -> tuple[float, float]:
    """The interval of a correlation by Fisher's z transformation.

    It assumes independent items and, but for the mapping to z, normal ones. Images of one reference
    are not independent: the interval is then too narrow, and `bootstrap` with clusters is right.

    Args:
        value: The coefficient, from -1 to 1.
        items: The number of items it was computed from.
        coefficient: "plcc" (variance 1 / (N - 3), Fisher 1915); "srocc" ((1 + r^2 / 2) / (N - 3),
            Bonett and Wright, Psychometrika 65, 2000); "krocc" (0.437 / (N - 4)) and
            "srocc_fieller" (1.06 / (N - 3), too narrow for coefficients above about 0.8), both of
            Fieller, Hartley and Pearson, Biometrika 44, 1957.
        confidence: The share of such intervals that hold the true coefficient.

    Returns:
        The lower and the upper end. Of 1 and -1 both ends are the value itself.

    Raises:
        ValueError: Another coefficient, a value outside [-1, 1], or a confidence outside (0, 1).
        UndefinedStatisticError: Fewer than 5 items.

    >>> [round(end, 3) for end in fisher_interval(0.9, 100)]
    [0.855, 0.932]
    """
    from scipy import special

    if coefficient not in VARIANCES:
        raise ValueError(f"coefficient is {coefficient!r}; give one of {', '.join(VARIANCES)}.")
    if not -1 <= value <= 1 or not 0 < confidence < 1:
        raise ValueError(
            f"the value is {value} and the confidence {confidence}; they must be in [-1, 1] and "
            "(0, 1)."
        )
    if items < 5:
        raise UndefinedStatisticError(f"{items} items are too few, at least 5 are needed.")
    if abs(value) == 1:
        return float(value), float(value)
    a, b, c = VARIANCES[coefficient]
    error = math.sqrt((a + b * value**2) / (items - c))
    half = special.ndtri((1 + confidence) / 2) * error
    return math.tanh(math.atanh(value) - half), math.tanh(math.atanh(value) + half)
