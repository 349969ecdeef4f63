"""Colour differences, pixel by pixel, averaged over the image.

The `delta_e_*` functions take two arrays of CIE L*a*b* colours; the metrics take sRGB images,
convert them (`jiqa.core.color.rgb_to_lab`, D65) and average. Gray images are of neutral colours.
CIE94 and CMC weigh by the chroma of the reference, so there the order matters.

- CIE 1976: CIE 15:2004, "Colorimetry".
- CIE 1994: CIE 116-1995, "Industrial colour-difference evaluation".
- CMC(l:c): Clarke, McDonald and Rigg, "Modification to the JPC79 colour-difference formula",
  Journal of the Society of Dyers and Colourists 100(4), 1984; ISO 105-J03.
- CIEDE2000: Sharma, Wu and Dalal, "The CIEDE2000 color-difference formula: implementation notes,
  supplementary test data, and mathematical observations", Color Research and Application 30(1),
  2005.
- HyAB: Abasi, Amani Tehran and Fairchild, "Distance metrics for very large color differences",
  Color Research and Application 45(2), 2020.

Hue is undefined on neutral colours: there it is 0 and its gradient too.
"""

import functools
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from jiqa.core import pooling
from jiqa.core.arrays import arctan2, safe_power, safe_sqrt
from jiqa.core.channels import unstack_channels
from jiqa.core.color import gray_to_rgb, rgb_to_lab
from jiqa.core.registry import image_function, metric, public_function

# k_L, K_1 and K_2 of CIE94.
CIE94_APPLICATIONS = {"graphic_arts": (1.0, 0.045, 0.015), "textiles": (2.0, 0.048, 0.014)}

# Weights, and shifts in degrees, of the waves of one to four times the hue in T of CIEDE2000.
CIEDE2000_WAVES = ((-0.17, -30.0), (0.24, 0.0), (0.32, 6.0), (-0.20, -63.0))

color_metric = partial(
    metric,
    kind="full_reference",
    higher_is_better=False,
    score_range=(0, float("inf")),
    identical=0,
    color="sRGB to CIE L*a*b*; gray counts as neutral colour",
)


def lab_function(function: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
    """Publishes a function of two arrays of colours, with a check of their shapes."""

    @functools.wraps(function)
    def checked(reference: jax.Array, distorted: jax.Array, **options: Any) -> jax.Array:
        shapes = jnp.shape(reference), jnp.shape(distorted)
        if any(shape[-1:] != (3,) for shape in shapes):
            raise ValueError(
                f"{function.__name__}: the colours have shapes {shapes[0]} and {shapes[1]}; the "
                "last axis holds L*, a* and b*, [..., 3]."
            )
        return function(jnp.asarray(reference), jnp.asarray(distorted), **options)

    return public_function(checked)


@lab_function
def delta_e_cie76(reference: jax.Array, distorted: jax.Array) -> jax.Array:
    """CIE 1976 difference: the distance in L*a*b*.

    Args:
        reference: L*, a* and b*, `[..., 3]`, floating.
        distorted: The same shape.

    Returns:
        `[...]` from 0.

    >>> float(delta_e_cie76(jnp.array([50.0, 3.0, 0.0]), jnp.array([50.0, 0.0, 4.0])))
    5.0
    """
    light, a, b = unstack_channels(reference - distorted)
    return safe_sqrt(light**2 + a**2 + b**2)


@lab_function
def delta_e_cie94(
    reference: jax.Array, distorted: jax.Array, *, application: str = "graphic_arts"
) -> jax.Array:
    """CIE 1994 difference: chroma and hue count less the more chroma the reference has.

    Args:
        reference: L*, a* and b*, `[..., 3]`, floating.
        distorted: The same shape.
        application: "graphic_arts" or "textiles".

    Returns:
        `[...]` from 0.

    Raises:
        ValueError: Unknown application.

    >>> gray = jnp.array([50.0, 0.0, 0.0])
    >>> float(delta_e_cie94(gray, gray.at[0].set(52.0), application="textiles"))
    1.0
    """
    if application not in CIE94_APPLICATIONS:
        raise ValueError(
            f"application={application!r} is unknown; use one of {', '.join(CIE94_APPLICATIONS)}."
        )
    lightness_tolerance, k1, k2 = CIE94_APPLICATIONS[application]
    first, second = unstack_channels(reference), unstack_channels(distorted)
    lightness, chroma, hue_squared = _lightness_chroma_hue(first, second)
    chroma_reference = _length(*first[1:])
    return safe_sqrt(
        (lightness / lightness_tolerance) ** 2
        + (chroma / (1 + k1 * chroma_reference)) ** 2
        + hue_squared / (1 + k2 * chroma_reference) ** 2
    )


@lab_function
def delta_e_cmc(
    reference: jax.Array, distorted: jax.Array, *, lightness: float = 2.0, chroma: float = 1.0
) -> jax.Array:
    """CMC(l:c) difference: ellipsoids around the reference that depend on its hue too.

    Args:
        reference: L*, a* and b*, `[..., 3]`, floating.
        distorted: The same shape.
        lightness: l, the tolerance of lightness: 2 for acceptability, 1 for perceptibility.
        chroma: c, the tolerance of chroma.

    Returns:
        `[...]` from 0; 1 is the limit of what is accepted.

    >>> gray = jnp.array([10.0, 0.0, 0.0])
    >>> print(delta_e_cmc(gray, gray.at[0].set(11.022)).round(4))
    1.0
    """
    light, a, b = unstack_channels(reference)
    other = unstack_channels(distorted)
    delta_lightness, delta_chroma, hue_squared = _lightness_chroma_hue((light, a, b), other)
    chroma_reference, hue = _length(a, b), _hue(a, b)
    bright = jnp.maximum(light, 16)
    s_l = jnp.where(light < 16, 0.511, 0.040975 * bright / (1 + 0.01765 * bright))
    s_c = 0.0638 * chroma_reference / (1 + 0.0131 * chroma_reference) + 0.638
    t = jnp.where(
        (hue >= 164) & (hue <= 345),
        0.56 + jnp.abs(0.2 * _cos(hue + 168)),
        0.36 + jnp.abs(0.4 * _cos(hue + 35)),
    )
    square = a**2 + b**2
    f = square / jnp.sqrt(square**2 + 1900)
    s_h = s_c * (f * t + 1 - f)
    return safe_sqrt(
        (delta_lightness / (lightness * s_l)) ** 2
        + (delta_chroma / (chroma * s_c)) ** 2
        + hue_squared / s_h**2
    )


@lab_function
def delta_e_ciede2000(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    k_l: float = 1.0,
    k_c: float = 1.0,
    k_h: float = 1.0,
) -> jax.Array:
    """CIEDE2000 difference, by the equations of Sharma, Wu and Dalal; symmetric.

    Args:
        reference: L*, a* and b*, `[..., 3]`, floating.
        distorted: The same shape.
        k_l: Tolerance of lightness (2 for textiles).
        k_c: Tolerance of chroma.
        k_h: Tolerance of hue.

    Returns:
        `[...]` from 0.

    >>> blue = jnp.array([50.0, 2.6772, -79.7751])
    >>> print(delta_e_ciede2000(blue, jnp.array([50.0, 0.0, -82.7485])).round(4))
    2.0425
    """
    light_1, a_1, b_1 = unstack_channels(reference)
    light_2, a_2, b_2 = unstack_channels(distorted)
    mean_chroma = (_length(a_1, b_1) + _length(a_2, b_2)) / 2
    stretch = 1.5 - _chroma_share(mean_chroma) / 2
    a_1, a_2 = stretch * a_1, stretch * a_2
    chroma_1, chroma_2 = _length(a_1, b_1), _length(a_2, b_2)
    product = chroma_1 * chroma_2
    delta_angle, hue = _hue_difference_and_mean(_hue(a_1, b_1), _hue(a_2, b_2), product)
    chroma = (chroma_1 + chroma_2) / 2
    t = _hue_weight(jnp.radians(hue))
    distance = ((light_1 + light_2) / 2 - 50) ** 2
    lightness = light_2 - light_1
    lightness = lightness / (k_l * (1 + 0.015 * distance / jnp.sqrt(20 + distance)))
    delta_chroma = (chroma_2 - chroma_1) / (k_c * (1 + 0.045 * chroma))
    delta_hue = 2 * safe_sqrt(product) * jnp.sin(jnp.radians(delta_angle / 2))
    delta_hue = delta_hue / (k_h * (1 + 0.015 * chroma * t))
    rotation = 60 * jnp.exp(-(((hue - 275) / 25) ** 2))
    rotation = -2 * _chroma_share(chroma) * jnp.sin(jnp.radians(rotation))
    return safe_sqrt(
        lightness**2 + delta_chroma**2 + delta_hue**2 + rotation * delta_chroma * delta_hue
    )


@lab_function
def delta_e_hyab(reference: jax.Array, distorted: jax.Array) -> jax.Array:
    """HyAB: city-block between lightness and the distance of a* and b*, for large differences.

    Args:
        reference: L*, a* and b*, `[..., 3]`, floating.
        distorted: The same shape.

    Returns:
        `[...]` from 0.

    >>> float(delta_e_hyab(jnp.array([50.0, 3.0, 0.0]), jnp.array([52.0, 0.0, 4.0])))
    7.0
    """
    light, a, b = unstack_channels(reference - distorted)
    return light * jnp.sign(light) + _length(a, b)  # jnp.abs has slope 1 at 0


@color_metric(paper='CIE 15:2004, "Colorimetry"')
def cie76(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    weights: jax.Array | None = None,
) -> jax.Array:
    """Mean CIE 1976 colour difference: the distance in L*a*b*.

    Args:
        reference: Images `[..., H, W, C]`, C 1 or 3, sRGB in [0, data_range].
        distorted: The same shape and dtype.
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        weights: Pooling weights `[..., H, W]`, or None.

    Returns:
        `[...]` from 0, which equal images give.

    >>> print(cie76(jnp.zeros((4, 4, 3)), jnp.ones((4, 4, 3))).round(2))
    100.0
    """
    return pooling.mean(_map(delta_e_cie76, reference, distorted, data_range), weights)[..., 0]


@image_function
def cie76_map(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
) -> jax.Array:
    """The difference of each pixel, `[..., H, W]`, whose mean is `cie76`; arguments as there.

    >>> cie76_map(jnp.zeros((4, 5, 3)), jnp.ones((4, 5, 3))).shape
    (4, 5)
    """
    return _map(delta_e_cie76, reference, distorted, data_range)[..., 0]


@color_metric(paper='CIE 116-1995, "Industrial colour-difference evaluation"')
def cie94(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    application: str = "graphic_arts",
    weights: jax.Array | None = None,
) -> jax.Array:
    """Mean CIE 1994 colour difference.

    Args:
        reference: As in `cie76`; its chroma weighs, so the order matters.
        distorted: As in `cie76`.
        data_range: As in `cie76`.
        application: As in `delta_e_cie94`.
        weights: As in `cie76`.

    Returns:
        `[...]` from 0, which equal images give.

    Raises:
        ValueError: Unknown application.

    >>> black, white = jnp.zeros((4, 4, 3)), jnp.ones((4, 4, 3))
    >>> print(cie94(black, white, application="textiles").round(2))
    50.0
    """
    difference = partial(delta_e_cie94, application=application)
    return pooling.mean(_map(difference, reference, distorted, data_range), weights)[..., 0]


@image_function
def cie94_map(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    application: str = "graphic_arts",
) -> jax.Array:
    """The difference of each pixel, `[..., H, W]`, whose mean is `cie94`; arguments as there.

    >>> cie94_map(jnp.zeros((4, 5, 3)), jnp.ones((4, 5, 3))).shape
    (4, 5)
    """
    difference = partial(delta_e_cie94, application=application)
    return _map(difference, reference, distorted, data_range)[..., 0]


@color_metric(
    paper='Clarke, McDonald and Rigg, "Modification to the JPC79 colour-difference formula", '
    "Journal of the Society of Dyers and Colourists 100(4), 1984"
)
def cmc(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    lightness: float = 2.0,
    chroma: float = 1.0,
    weights: jax.Array | None = None,
) -> jax.Array:
    """Mean CMC(l:c) colour difference; CMC(2:1) unless told otherwise.

    Args:
        reference: As in `cie76`; its chroma weighs, so the order matters.
        distorted: As in `cie76`.
        data_range: As in `cie76`.
        lightness: As in `delta_e_cmc`.
        chroma: As in `delta_e_cmc`.
        weights: As in `cie76`.

    Returns:
        `[...]` from 0, which equal images give.

    >>> red = jnp.zeros((4, 4, 3)).at[..., 0].set(1.0)
    >>> bool(cmc(red, 0.9 * red) < cmc(red, 0.9 * red, lightness=1.0))
    True
    """
    difference = partial(delta_e_cmc, lightness=lightness, chroma=chroma)
    return pooling.mean(_map(difference, reference, distorted, data_range), weights)[..., 0]


@image_function
def cmc_map(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    lightness: float = 2.0,
    chroma: float = 1.0,
) -> jax.Array:
    """The difference of each pixel, `[..., H, W]`, whose mean is `cmc`; arguments as there.

    >>> cmc_map(jnp.zeros((4, 5, 3)), jnp.ones((4, 5, 3))).shape
    (4, 5)
    """
    difference = partial(delta_e_cmc, lightness=lightness, chroma=chroma)
    return _map(difference, reference, distorted, data_range)[..., 0]


@color_metric(
    paper='Sharma, Wu and Dalal, "The CIEDE2000 color-difference formula", Color Research and '
    "Application 30(1), 2005"
)
def ciede2000(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    k_l: float = 1.0,
    k_c: float = 1.0,
    k_h: float = 1.0,
    weights: jax.Array | None = None,
) -> jax.Array:
    """Mean CIEDE2000 colour difference.

    Args:
        reference: As in `cie76`.
        distorted: As in `cie76`.
        data_range: As in `cie76`.
        k_l: As in `delta_e_ciede2000`.
        k_c: As in `delta_e_ciede2000`.
        k_h: As in `delta_e_ciede2000`.
        weights: As in `cie76`.

    Returns:
        `[...]` from 0, which equal images give.

    >>> print(ciede2000(jnp.zeros((4, 4, 3)), jnp.ones((4, 4, 3))).round(2))
    100.0
    """
    difference = partial(delta_e_ciede2000, k_l=k_l, k_c=k_c, k_h=k_h)
    return pooling.mean(_map(difference, reference, distorted, data_range), weights)[..., 0]


@image_function
def ciede2000_map(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    k_l: float = 1.0,
    k_c: float = 1.0,
    k_h: float = 1.0,
) -> jax.Array:
    """The difference of each pixel, `[..., H, W]`, whose mean is `ciede2000`; arguments as there.

    >>> ciede2000_map(jnp.zeros((4, 5, 3)), jnp.ones((4, 5, 3))).shape
    (4, 5)
    """
    difference = partial(delta_e_ciede2000, k_l=k_l, k_c=k_c, k_h=k_h)
    return _map(difference, reference, distorted, data_range)[..., 0]


@color_metric(
    paper='Abasi, Amani Tehran and Fairchild, "Distance metrics for very large color '
    'differences", Color Research and Application 45(2), 2020'
)
def hyab(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    weights: jax.Array | None = None,
) -> jax.Array:
    """Mean HyAB colour difference, made for large differences.

    Args:
        reference: As in `cie76`.
        distorted: As in `cie76`.
        data_range: As in `cie76`.
        weights: As in `cie76`.

    Returns:
        `[...]` from 0, which equal images give.

    >>> print(hyab(jnp.zeros((4, 4, 3)), jnp.ones((4, 4, 3))).round(1))
    100.0
    """
    return pooling.mean(_map(delta_e_hyab, reference, distorted, data_range), weights)[..., 0]


@image_function
def hyab_map(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
) -> jax.Array:
    """The difference of each pixel, `[..., H, W]`, whose mean is `hyab`; arguments as there.

    >>> hyab_map(jnp.zeros((4, 5, 3)), jnp.ones((4, 5, 3))).shape
    (4, 5)
    """
    return _map(delta_e_hyab, reference, distorted, data_range)[..., 0]


def _map(
    difference: Callable[[jax.Array, jax.Array], jax.Array],
    reference: jax.Array,
    distorted: jax.Array,
    data_range: float,
) -> jax.Array:
    """The difference of each pixel, `[..., H, W, 1]`."""
    labs = tuple(rgb_to_lab(gray_to_rgb(x), data_range=data_range) for x in (reference, distorted))
    # Without the barrier XLA computes the difference's slopes anew for each channel of the images.
    return difference(*jax.lax.optimization_barrier(labs))[..., None]


def _lightness_chroma_hue(
    reference: Sequence[jax.Array], distorted: Sequence[jax.Array]
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Differences of lightness and chroma, and the square of that of hue, of L*, a* and b*."""
    (light_1, a_1, b_1), (light_2, a_2, b_2) = reference, distorted
    chroma = _length(a_1, b_1) - _length(a_2, b_2)
    hue_squared = (a_1 - a_2) ** 2 + (b_1 - b_2) ** 2 - chroma**2
    return light_1 - light_2, chroma, jnp.maximum(hue_squared, 0)


def _hue_difference_and_mean(
    hue_1: jax.Array, hue_2: jax.Array, chromas: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Signed difference and mean of two hues along the shorter arc, in degrees.

    With a neutral colour, whose chroma makes the product `chromas` 0, they are 0 and the sum.
    """
    difference, total = hue_2 - hue_1, hue_1 + hue_2
    far = jnp.abs(difference) > 180
    mean = jnp.where(far, total + jnp.where(total < 360, 360, -360), total) / 2
    difference = jnp.where(far, difference - 360 * jnp.sign(difference), difference)
    neutral = chromas == 0
    return jnp.where(neutral, 0, difference), jnp.where(neutral, total, mean)


def _hue_weight(hue: jax.Array) -> jax.Array:
    """T of CIEDE2000, of the cosines of four multiples of a hue in radians.

    They are made of one cosine and one sine, which CPUs compute slowly.
    """
    cos, sin = jnp.cos(hue), jnp.sin(hue)
    t = jnp.ones_like(hue)
    cos_n, sin_n = cos, sin
    for weight, degrees in CIEDE2000_WAVES:
        turn = math.radians(degrees)
        t += weight * (math.cos(turn) * cos_n - math.sin(turn) * sin_n)
        cos_n, sin_n = cos_n * cos - sin_n * sin, sin_n * cos + cos_n * sin
    return t


def _hue(a: jax.Array, b: jax.Array) -> jax.Array:
    """Angle in [0, 360) degrees; 0 on neutral colours."""
    neutral = (a == 0) & (b == 0)
    return jnp.degrees(arctan2(b, jnp.where(neutral, 1, a))) % 360


def _length(a: jax.Array, b: jax.Array) -> jax.Array:
    return safe_sqrt(a**2 + b**2)


def _chroma_share(chroma: jax.Array) -> jax.Array:
    """`sqrt(chroma ** 7 / (chroma ** 7 + 25 ** 7))`, with a finite derivative at 0."""
    ratio = chroma / 25
    return safe_power(ratio, 3.5) / jnp.sqrt(1 + ratio**7)


def _cos(degrees: jax.Array) -> jax.Array:
    return jnp.cos(jnp.radians(degrees))
