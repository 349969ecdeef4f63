"""FLIP: the difference one sees when two images alternate in place.

Andersson, Nilsson, Akenine-Moller, Oskarsson, Astrom and Fairchild, "FLIP: a difference evaluator
for alternating images", Proceedings of the ACM on Computer Graphics and Interactive Techniques
3(2), 2020, in the convention of the authors' code (LDR-FLIP): its own digits of the sRGB matrix and
white, borders that repeat the edge, all contrast sensitivity filters as wide as the widest, and
filtered colours clipped to what a display shows.
"""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np

from jiqa.core import color, pooling
from jiqa.core.arrays import safe_power, safe_sqrt
from jiqa.core.channels import split_channels
from jiqa.core.filters import correlate_separable
from jiqa.core.registry import image_function, metric
from jiqa.full_reference.color_difference import delta_e_hyab

PAPER = 'Andersson et al., "FLIP: a difference evaluator for alternating images", Proceedings of '
PAPER += "the ACM on Computer Graphics and Interactive Techniques 3(2), 2020"

# A screen 0.7 m wide with 3840 pixels, seen from 0.7 m: 67.02.
PIXELS_PER_DEGREE = 0.7 * (3840 / 0.7) * math.pi / 180

RGB_TO_XYZ = np.array(
    [
        [10135552 / 24577794, 8788810 / 24577794, 4435075 / 24577794],
        [2613072 / 12288897, 8788810 / 12288897, 887015 / 12288897],
        [1425312 / 73733382, 8788810 / 73733382, 70074185 / 73733382],
    ]
)
WHITE = (0.950428545, 1.0, 1.088900371)

# Amplitudes and scales (a, b) of the Gaussians of each channel's contrast sensitivity.
SENSITIVITY = {
    "achromatic": ((1.0, 0.0047),),
    "red_green": ((1.0, 0.0053),),
    "blue_yellow": ((34.1, 0.04), (13.5, 0.025)),
}
WIDEST_SCALE = 0.04

EDGE_WIDTH = 0.082  # degrees from the peak to the trough of the feature detectors
COLOR_EXPONENT, FEATURE_EXPONENT = 0.7, 0.5  # q_c and q_f
KNEE, KNEE_ERROR = 0.4, 0.95  # p_c and p_t


@metric(
    kind="full_reference",
    higher_is_better=False,
    score_range=(0, 1),
    identical=0,
    paper=PAPER,
    color="sRGB to a linear L*a*b*, filtered, to L*a*b*; gray counts as neutral colour",
)
def flip(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    pixels_per_degree: float = PIXELS_PER_DEGREE,
    weights: jax.Array | None = None,
) -> jax.Array:
    """Mean error seen when flipping between two images of low dynamic range.

    Args:
        reference: Images `[..., H, W, C]`, C 1 or 3, sRGB in [0, data_range].
        distorted: The same shape and dtype.
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        pixels_per_degree: Pixels in one degree of visual angle, at least 1; the default is that of
            a screen 0.7 m wide with 3840 pixels, seen from 0.7 m.
        weights: Pooling weights `[..., H, W]`, or None.

    Returns:
        `[...]` from 0, which equal images give, to 1.

    Raises:
        ValueError: `pixels_per_degree` is below 1.

    >>> round(float(flip(jnp.zeros((8, 8, 3)), jnp.ones((8, 8, 3)))), 3)
    0.967
    """
    error = _error_map(reference, distorted, data_range, pixels_per_degree)
    return pooling.mean(error, weights)[..., 0]


@image_function
def flip_map(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    pixels_per_degree: float = PIXELS_PER_DEGREE,
) -> jax.Array:
    """The error of each pixel, `[..., H, W]`, whose mean is `flip`; arguments as there.

    >>> flip_map(jnp.zeros((4, 5, 3)), jnp.ones((4, 5, 3))).shape
    (4, 5)
    """
    return _error_map(reference, distorted, data_range, pixels_per_degree)[..., 0]


def _error_map(
    reference: jax.Array, distorted: jax.Array, data_range: float, pixels_per_degree: float
) -> jax.Array:
    """The colour error, raised where features differ too, `[..., H, W, 1]`."""
    if not pixels_per_degree >= 1:
        raise ValueError(f"pixels_per_degree={pixels_per_degree} must be at least 1.")
    x, y = (_to_ycxcz(image, data_range) for image in (reference, distorted))
    color_error = _redistribute(
        delta_e_hyab(_to_seen_lab(x, pixels_per_degree), _to_seen_lab(y, pixels_per_degree))
    )
    achromatic_x, achromatic_y = ((image[..., :1] + 16) / 116 for image in (x, y))
    feature_error = _feature_error(achromatic_x, achromatic_y, pixels_per_degree)
    return safe_power(color_error[..., None], 1 - feature_error)


def _to_ycxcz(images: jax.Array, data_range: float) -> jax.Array:
    linear = color.srgb_to_linear(color.gray_to_rgb(images), data_range=data_range)
    xyz = color.linear_rgb_to_xyz(linear, matrix=RGB_TO_XYZ)
    return color.xyz_to_ycxcz(xyz, white=WHITE)


def _to_seen_lab(images: jax.Array, pixels_per_degree: float) -> jax.Array:
    """L*a*b* after the filters of contrast sensitivity, clipped to what the display shows."""
    filters = _sensitivity_filters(pixels_per_degree)
    filtered = [
        sum(
            amplitude * correlate_separable(image, window, border="replicate")
            for amplitude, window in filters[channel]
        )
        for channel, image in zip(SENSITIVITY, split_channels(images), strict=True)
    ]
    xyz = color.ycxcz_to_xyz(jnp.concatenate(filtered, axis=-1), white=WHITE)
    shown = jnp.clip(color.xyz_to_linear_rgb(xyz, matrix=RGB_TO_XYZ), 0, 1)
    return _hunt_lab(shown)


def _hunt_lab(linear: jax.Array) -> jax.Array:
    """L*a*b* whose chroma grows with lightness, as Hunt found."""
    lab = color.xyz_to_lab(color.linear_rgb_to_xyz(linear, matrix=RGB_TO_XYZ), white=WHITE)
    lightness = lab[..., :1]
    return jnp.concatenate([lightness, 0.01 * lightness * lab[..., 1:]], axis=-1)


def _redistribute(difference: jax.Array) -> jax.Array:
    """Brings HyAB differences to [0, 1]: small ones fill most of it.

    The largest is that of pure green and pure blue.
    """
    green, blue = _hunt_lab(jnp.asarray([[0.0, 1, 0], [0, 0, 1]], difference.dtype))
    largest = delta_e_hyab(green, blue) ** COLOR_EXPONENT
    knee = KNEE * largest
    difference = safe_power(difference, COLOR_EXPONENT)
    beyond = KNEE_ERROR + (difference - knee) / (largest - knee) * (1 - KNEE_ERROR)
    return jnp.where(difference < knee, KNEE_ERROR / knee * difference, beyond)


def _feature_error(
    reference: jax.Array, distorted: jax.Array, pixels_per_degree: float
) -> jax.Array:
    """The larger difference of edges and of points, in [0, 1]."""
    smooth, edge, point = _feature_windows(pixels_per_degree)
    edges, points = (
        jnp.abs(_magnitude(reference, detector, smooth) - _magnitude(distorted, detector, smooth))
        for detector in (edge, point)
    )
    return safe_power(jnp.maximum(edges, points) / math.sqrt(2), FEATURE_EXPONENT)


def _magnitude(images: jax.Array, detector: np.ndarray, smooth: np.ndarray) -> jax.Array:
    """Length of the responses of a detector along either axis, smoothed along the other."""
    across = correlate_separable(images, smooth, detector, border="replicate")
    down = correlate_separable(images, detector, smooth, border="replicate")
    return safe_sqrt(across**2 + down**2)


@functools.cache
def _sensitivity_filters(pixels_per_degree: float) -> dict[str, list[tuple[float, np.ndarray]]]:
    """For each channel Gaussian windows of unit sum with their shares, which sum to one."""
    deviation = math.sqrt(WIDEST_SCALE / (2 * math.pi**2))
    radius = math.ceil(3 * deviation * pixels_per_degree)
    degrees = np.arange(-radius, radius + 1) / pixels_per_degree
    filters = {}
    for channel, gaussians in SENSITIVITY.items():
        windows = [np.exp(-((math.pi * degrees) ** 2) / scale) for _, scale in gaussians]
        masses = [
            amplitude * math.sqrt(math.pi / scale) * window.sum() ** 2
            for (amplitude, scale), window in zip(gaussians, windows, strict=True)
        ]
        filters[channel] = [
            (float(mass / sum(masses)), window / window.sum())
            for mass, window in zip(masses, windows, strict=True)
        ]
    return filters


@functools.cache
def _feature_windows(pixels_per_degree: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A Gaussian and its first and second derivative, positive and negative parts of sum one."""
    deviation = EDGE_WIDTH / 2 * pixels_per_degree
    radius = math.ceil(3 * deviation)
    x = np.arange(-radius, radius + 1)
    gaussian = np.exp(-(x**2) / (2 * deviation**2))
    edge, point = -x * gaussian, (x**2 / deviation**2 - 1) * gaussian
    balanced = [np.where(d < 0, d / -d[d < 0].sum(), d / d[d > 0].sum()) for d in (edge, point)]
    return gaussian / gaussian.sum(), *balanced
