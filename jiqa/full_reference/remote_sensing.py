"""Metrics of fused satellite images against a reference of the same bands.

Bands are treated alike: the images may be of any three, or of one. Windows, borders and special
cases are those of the package sewar, which goldens and other packages follow.

- SCC: Zhou, Civco and Silander, "A wavelet transform method to merge Landsat TM and SPOT
  panchromatic data", International Journal of Remote Sensing 19(4), 1998.
- ERGAS: Wald, "Quality of high resolution synthesised images: is there a simple criterion?", Fusion
  of Earth Data, 2000.
- SAM: Yuhas, Goetz and Boardman, "Discrimination among semi-arid landscape endmembers using the
  spectral angle mapper (SAM) algorithm", JPL Airborne Geoscience Workshop, 1992.
- RASE: Gonzalez-Audicana, Saleta, Catalan and Garcia, "Fusion of multispectral and panchromatic
  images using improved IHS and PCA mergers based on wavelet decomposition", IEEE Transactions on
  Geoscience and Remote Sensing 42(6), 2004; here in sliding windows.
"""

import math
from functools import partial

import jax
import jax.numpy as jnp

from jiqa.core import pooling
from jiqa.core.arrays import arctan2, map_difference, safe_divide, safe_sqrt
from jiqa.core.filters import correlate_separable, pad, uniform_window
from jiqa.core.registry import image_function, metric
from jiqa.core.statistics import window_moments
from jiqa.full_reference.pixel import INFINITY, _ratio

band_metric = partial(metric, kind="full_reference", color="bands alike, no colour space")


@band_metric(
    higher_is_better=True,
    score_range=(-1, 1),
    identical=1,
    paper='Zhou, Civco and Silander, "A wavelet transform method to merge Landsat TM and SPOT '
    'panchromatic data", International Journal of Remote Sensing 19(4), 1998',
)
def scc(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    window_size: int = 8,
    weights: jax.Array | None = None,
) -> jax.Array:
    """Spatial correlation coefficient: local correlation of the images' high frequencies.

    The images, mirrored at the border, are filtered by a 3 x 3 Laplacian; correlation is that in
    square windows, in which what is outside of the image counts as 0.

    Args:
        reference: Images `[..., H, W, C]`, C 1 or 3, in [0, data_range].
        distorted: The same shape and dtype.
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
            The score does not depend on it.
        window_size: Side of the square window.
        weights: Pooling weights `[..., H, W]`, or None.

    Returns:
        `[...]` from -1 to 1. Windows that are flat in either image count as 0, so equal images
        give 1 less their share of flat windows.

    >>> image = jnp.linspace(0, 1, 16 * 16).reshape(16, 16, 1) ** 2
    >>> print(scc(image, 0.5 * image).round(6))
    1.0
    """
    del data_range
    return pooling.mean(_correlation(reference, distorted, window_size), weights).mean(-1)


@image_function
def scc_map(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    window_size: int = 8,
) -> jax.Array:
    """The local correlation, averaged over bands, whose mean is `scc`; arguments as there.

    Returns:
        `[..., H, W]`.

    >>> scc_map(jnp.zeros((9, 10, 3)), jnp.ones((9, 10, 3))).shape
    (9, 10)
    """
    del data_range
    return _correlation(reference, distorted, window_size).mean(-1)


@band_metric(
    higher_is_better=False,
    score_range=(0, INFINITY),
    identical=0,
    paper='Wald, "Quality of high resolution synthesised images: is there a simple criterion?", '
    "Fusion of Earth Data, 2000",
)
def ergas(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    ratio: float = 0.25,
    weights: jax.Array | None = None,
) -> jax.Array:
    """Relative dimensionless global error of synthesis.

    `100 ratio sqrt(mean over bands of (RMSE / mean of the reference)^2)`. There is no map: errors
    are relative to a band's mean.

    Args:
        reference: As in `scc`; the error is relative to it, so the order matters.
        distorted: As in `scc`.
        data_range: As in `scc`.
        ratio: Pixel size of the high resolution by that of the low one.
        weights: Pooling weights `[..., H, W]` of the errors and of the mean, or None.

    Returns:
        `[...]` from 0; infinite where a band is black in the reference alone.

    >>> float(ergas(jnp.full((4, 4, 3), 0.5), jnp.full((4, 4, 3), 0.25)))
    12.5
    """
    del data_range
    error = pooling.mean(map_difference(jnp.square, reference, distorted), weights)
    relative = _ratio(error, pooling.mean(reference, weights) ** 2)
    return 100 * ratio * safe_sqrt(relative.mean(-1))


@band_metric(
    higher_is_better=False,
    score_range=(0, math.pi),
    identical=0,
    paper='Yuhas, Goetz and Boardman, "Discrimination among semi-arid landscape endmembers using '
    'the spectral angle mapper (SAM) algorithm", JPL Airborne Geoscience Workshop, 1992',
)
def sam(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    weights: jax.Array | None = None,
) -> jax.Array:
    """Spectral angle mapper: the mean angle between the pixels as vectors of bands.

    Args:
        reference: As in `scc`.
        distorted: As in `scc`.
        data_range: As in `scc`.
        weights: As in `scc`.

    Returns:
        `[...]` in radian from 0 (which images of one band have, too). Pixels that are black in
        either image have no angle and are left out; 0 where none is left.

    >>> red, green, black = jnp.eye(4, 3)[:3, None], jnp.eye(4, 3)[1:, None], jnp.zeros((3, 1, 3))
    >>> print((sam(red, green) / jnp.pi).round(6), sam(red, black))
    0.5 0.0
    """
    del data_range
    angle, seen = _spectral_angle(reference, distorted)
    weights = seen if weights is None else weights * seen
    return pooling.mean(angle[..., None], weights)[..., 0]


@image_function
def sam_map(reference: jax.Array, distorted: jax.Array, *, data_range: float = 1.0) -> jax.Array:
    """The spectral angle of each pixel in radian, 0 where either is black; see `sam`.

    Returns:
        `[..., H, W]`.

    >>> sam_map(jnp.zeros((4, 5, 3)), jnp.ones((4, 5, 3))).shape
    (4, 5)
    """
    del data_range
    return _spectral_angle(reference, distorted)[0]


@band_metric(
    higher_is_better=False,
    score_range=(0, INFINITY),
    identical=0,
    paper='Gonzalez-Audicana et al., "Fusion of multispectral and panchromatic images using '
    'improved IHS and PCA mergers based on wavelet decomposition", IEEE TGRS 42(6), 2004',
)
def rase(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    window_size: int = 8,
    weights: jax.Array | None = None,
) -> jax.Array:
    """Relative average spectral error, in percent, in sliding windows.

    `100 sqrt(mean over bands of MSE) / mean of the reference over window and bands`, averaged over
    the windows of `rmse_sw`.

    Args:
        reference: As in `scc`; the error is relative to it, so the order matters.
        distorted: As in `scc`.
        data_range: As in `scc`.
        window_size: As in `rmse_sw`.
        weights: As in `scc`.

    Returns:
        `[...]` from 0. Windows in which the reference is black count as 0; dark ones dominate.

    Raises:
        ValueError: The image is too small for the window.

    >>> print(rase(jnp.full((16, 16, 3), 0.5), jnp.full((16, 16, 3), 0.25)).round(4))
    50.0
    """
    del data_range
    error = _relative_error(reference, distorted, window_size)
    weights = pooling.fit_weights(weights, 1, *error.shape[-3:-1])
    return pooling.mean(error, weights)[..., 0]


@image_function
def rase_map(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    window_size: int = 8,
) -> jax.Array:
    """The relative error of each window, in percent, whose mean is `rase`; arguments as there.

    Returns:
        `[..., H - window_size, W - window_size]` for an even window.

    >>> rase_map(jnp.zeros((16, 20, 3)), jnp.ones((16, 20, 3))).shape
    (8, 12)
    """
    del data_range
    return _relative_error(reference, distorted, window_size)[..., 0]


@band_metric(
    higher_is_better=False,
    score_range=(0, INFINITY),
    identical=0,
    paper="none; the package sewar, 2018",
)
def rmse_sw(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    window_size: int = 8,
    weights: jax.Array | None = None,
) -> jax.Array:
    """Root of the mean squared error in a sliding window, averaged over windows and bands.

    Args:
        reference: As in `scc`.
        distorted: As in `scc`.
        data_range: As in `scc`; the score is in units of the images.
        window_size: Side of the square window. As in sewar, windows whose centre is within
            `round(window_size / 2)` of the border are left out.
        weights: As in `scc`.

    Returns:
        `[...]`, in units of the images, from 0.

    Raises:
        ValueError: The image is too small for the window.

    >>> float(rmse_sw(jnp.zeros((16, 16, 3)), jnp.full((16, 16, 3), 0.5)))
    0.5
    """
    del data_range
    error = safe_sqrt(_window_means((reference - distorted) ** 2, window_size))
    weights = pooling.fit_weights(weights, 1, *error.shape[-3:-1])
    return pooling.mean(error, weights).mean(-1)


@image_function
def rmse_sw_map(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    window_size: int = 8,
) -> jax.Array:
    """The error of each window, averaged over bands, whose mean is `rmse_sw`; arguments as there.

    Returns:
        `[..., H - window_size, W - window_size]` for an even window.

    >>> rmse_sw_map(jnp.zeros((16, 20, 3)), jnp.ones((16, 20, 3))).shape
    (8, 12)
    """
    del data_range
    return safe_sqrt(_window_means((reference - distorted) ** 2, window_size)).mean(-1)


def _correlation(reference: jax.Array, distorted: jax.Array, window_size: int) -> jax.Array:
    """Correlation of the high frequencies around each pixel, `[..., H, W, C]`; 0 where flat."""
    widths = [(0, 0)] * reference.ndim
    widths[-3] = widths[-2] = (window_size // 2, (window_size - 1) // 2)
    x, y = (jnp.pad(_high_pass(image), widths) for image in (reference, distorted))
    moments = window_moments(x, y, window_size)
    deviations = safe_sqrt(moments.squares_x) * safe_sqrt(moments.squares_y)
    return safe_divide(moments.products, deviations)


def _high_pass(images: jax.Array) -> jax.Array:
    """Eight times the pixel less its neighbours, by differences, which are 0 where it is flat."""
    height, width = images.shape[-3:-1]
    extended = pad(images, 3, 3, "symmetric")
    return sum(
        (
            images - extended[..., row : row + height, column : column + width, :]
            for row in range(3)
            for column in range(3)
        ),
        start=jnp.zeros_like(images),
    )


def _spectral_angle(reference: jax.Array, distorted: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Angle between pixels, 0 where one is black, and whether none is, both `[..., H, W]`.

    Twice the arc tangent of |u - v| / |u + v| for unit vectors, which is exact at small angles.
    """
    energies = (jnp.sum(image**2, axis=-1, keepdims=True) for image in (reference, distorted))
    seen = jnp.logical_and(*(energy > 0 for energy in energies))
    u, v = (_unit_vectors(jnp.where(seen, image, 1)) for image in (reference, distorted))
    lengths = (safe_sqrt(jnp.sum(vector**2, axis=-1)) for vector in (u - v, u + v))
    return 2 * arctan2(*lengths), seen[..., 0].astype(reference.dtype)


def _unit_vectors(vectors: jax.Array) -> jax.Array:
    return vectors / safe_sqrt(jnp.sum(vectors**2, axis=-1, keepdims=True))


def _relative_error(reference: jax.Array, distorted: jax.Array, window_size: int) -> jax.Array:
    """Error of all bands by the mean of the reference in each window, `[..., H', W', 1]`."""
    error = _window_means((reference - distorted) ** 2, window_size).mean(-1, keepdims=True)
    level = _window_means(reference, window_size).mean(-1, keepdims=True)
    return safe_divide(100 * safe_sqrt(error), level)


def _window_means(images: jax.Array, window_size: int) -> jax.Array:
    """Means in the windows that sewar keeps: centred `round(window_size / 2)` from the border."""
    margin = round(window_size / 2)
    height, width = images.shape[-3:-1]
    if min(height, width) <= 2 * margin:
        raise ValueError(
            f"images are {height} x {width} pixels; window_size={window_size} needs at least "
            f"{2 * margin + 1} a side."
        )
    first = margin - window_size // 2
    rows = slice(first, first + height - 2 * margin)
    columns = slice(first, first + width - 2 * margin)
    return correlate_separable(images, uniform_window(window_size))[..., rows, columns, :]
