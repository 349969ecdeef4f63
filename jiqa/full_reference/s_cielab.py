"""S-CIELAB: CIE L*a*b* differences of what the eye resolves.

Zhang and Wandell, "A spatial extension of CIELAB for digital color image reproduction", SID
Symposium Digest 27, 1996, in the convention of the authors' `scielab.m`. Images become XYZ (here:
of sRGB under D65) and opponent colours, each channel is blurred by two or three Gaussians that
Poirson and Wandell (1993) measured, and the blurred XYZ are compared in L*a*b*.

Peculiar to that code: Gaussians one degree wide, given by their full width at half maximum less one
sample; below 224 samples a degree they are made at a multiple of the resolution and brought back
by linear interpolation, which leaves sums of 0.997 to 1.002 at 23 samples a degree; and images are
mirrored at the border by at most half their size, beyond which they are 0.
"""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np

from jiqa.core import color, pooling
from jiqa.core.channels import split_channels
from jiqa.core.filters import correlate_separable
from jiqa.core.registry import image_function, metric
from jiqa.full_reference.color_difference import delta_e_cie76, delta_e_cie94, delta_e_ciede2000

PAPER = 'Zhang and Wandell, "A spatial extension of CIELAB for digital color image reproduction", '
PAPER += "SID Symposium Digest 27, 1996"

# Half widths in degrees and weights of the Gaussians for the achromatic, red-green and blue-yellow
# channel, in the digits of `separableFilters.m`.
GAUSSIANS = (
    ((0.05, 1.00327), (0.225, 0.114416), (7.0, -0.117686)),
    ((0.0685, 0.616725), (0.826, 0.383275)),
    ((0.0920, 0.567885), (0.6451, 0.432115)),
)
FINEST = 224  # samples a degree that the Gaussians need

DIFFERENCES = {"cie76": delta_e_cie76, "cie94": delta_e_cie94, "ciede2000": delta_e_ciede2000}


@metric(
    kind="full_reference",
    higher_is_better=False,
    score_range=(0, float("inf")),
    identical=0,
    paper=PAPER,
    color="sRGB to opponent colours, blurred, to CIE L*a*b*; gray counts as neutral colour",
)
def s_cielab(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    samples_per_degree: float = 23.0,
    difference: str = "cie76",
    weights: jax.Array | None = None,
) -> jax.Array:
    """Mean colour difference after the blur of human vision.

    Args:
        reference: Images `[..., H, W, C]`, C 1 or 3, sRGB in [0, data_range].
        distorted: The same shape and dtype.
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        samples_per_degree: Pixels in one degree of visual angle, at least 3; the authors' example
            has 23, a screen of 72 dots an inch seen from 18 inches.
        difference: "cie76" as the authors, "cie94" (where the order matters) or "ciede2000".
        weights: Pooling weights `[..., H, W]`, or None.

    Returns:
        `[...]` from 0, which equal images give.

    Raises:
        ValueError: Unknown difference, or `samples_per_degree` below 3.

    >>> image = jnp.zeros((24, 24, 3)).at[::2].set(1.0)  # stripes finer than the eye resolves
    >>> bool(s_cielab(image, 1 - image, samples_per_degree=120.0) < 10)
    True
    """
    differences = _difference_map(reference, distorted, data_range, samples_per_degree, difference)
    return pooling.mean(differences, weights)[..., 0]


@image_function
def s_cielab_map(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    samples_per_degree: float = 23.0,
    difference: str = "cie76",
) -> jax.Array:
    """The difference of each pixel, `[..., H, W]`, whose mean is `s_cielab`; arguments as there.

    >>> s_cielab_map(jnp.zeros((4, 5, 3)), jnp.ones((4, 5, 3))).shape
    (4, 5)
    """
    return _difference_map(reference, distorted, data_range, samples_per_degree, difference)[..., 0]


def _difference_map(
    reference: jax.Array,
    distorted: jax.Array,
    data_range: float,
    samples_per_degree: float,
    difference: str,
) -> jax.Array:
    """The difference of each pixel, `[..., H, W, 1]`."""
    if difference not in DIFFERENCES:
        raise ValueError(
            f"difference={difference!r} is unknown; use one of {', '.join(DIFFERENCES)}."
        )
    if not samples_per_degree >= 3:
        raise ValueError(f"samples_per_degree={samples_per_degree} must be at least 3.")
    labs = (_seen_lab(image, data_range, samples_per_degree) for image in (reference, distorted))
    return DIFFERENCES[difference](*labs)[..., None]


def _seen_lab(images: jax.Array, data_range: float, samples_per_degree: float) -> jax.Array:
    """L*a*b* after the blur in opponent colours."""
    xyz = color.rgb_to_xyz(color.gray_to_rgb(images), data_range=data_range)
    windows = _windows(samples_per_degree)
    opponent = _mirror(color.xyz_to_ac1c2(xyz), len(windows[0][0][1]))
    blurred = [
        sum(weight * correlate_separable(channel, window) for weight, window in own)
        for channel, own in zip(split_channels(opponent), windows, strict=True)
    ]
    return color.xyz_to_lab(color.ac1c2_to_xyz(jnp.concatenate(blurred, axis=-1)))


def _mirror(images: jax.Array, taps: int) -> jax.Array:
    """Extends images for a window: mirrored, as far as half of a small image, then zeros."""
    mirrored, zeros = [(0, 0)] * images.ndim, [(0, 0)] * images.ndim
    for axis in (-3, -2):
        length = images.shape[axis]
        width = taps // 2 if taps < length else length // 2
        mirrored[axis], zeros[axis] = (width, width), (taps // 2 - width,) * 2
    return jnp.pad(jnp.pad(images, mirrored, mode="symmetric"), zeros)


@functools.cache
def _windows(samples_per_degree: float) -> list[list[tuple[float, np.ndarray]]]:
    """For each channel the weights and windows of its Gaussians, all of one odd length."""
    multiple = max(1, math.ceil(FINEST / samples_per_degree))
    fine = multiple * samples_per_degree
    return [
        [(weight, _coarse(_gaussian(width * fine, fine), multiple)) for width, weight in gaussians]
        for gaussians in GAUSSIANS
    ]


def _gaussian(half_width: float, samples_per_degree: float) -> np.ndarray:
    """`gauss.m`: of unit sum within one degree, at half its height `half_width - 1` apart."""
    radius = math.ceil(samples_per_degree / 2) - 1
    x = np.arange(-radius, radius + 1)
    window = np.exp(-4 * math.log(2) * (x / (half_width - 1)) ** 2)
    return window / window.sum()


def _coarse(window: np.ndarray, multiple: int) -> np.ndarray:
    """A window for images of which linear interpolation would make `multiple` times the samples."""
    triangle = 1 - np.abs(np.arange(1 - multiple, multiple)) / multiple
    interpolated = np.convolve(window, triangle, "same")
    return interpolated[len(window) // 2 % multiple :: multiple]
