"""Complex wavelet structural similarity.

Sampat, Wang, Gupta, Bovik and Markey, "Complex wavelet structural similarity: a new image
similarity index", IEEE Transactions on Image Processing 18(11), 2009, in the convention of the
authors' `cwssim_index.m`: the coarsest level of a complex steerable pyramid, 7 x 7 windows, and a
Gaussian weight that favours the centre. Small shifts and rotations change phases alike and so
hardly change the score.
"""

import jax
import jax.numpy as jnp
import numpy as np

from jiqa.core import pooling
from jiqa.core.arrays import safe_sqrt
from jiqa.core.color import apply_luma
from jiqa.core.filters import correlate_separable, gaussian_window, imresize
from jiqa.core.registry import image_function, metric
from jiqa.core.steerable import steerable_pyramid_fourier

PAPER = 'Sampat, Wang, Gupta, Bovik and Markey, "Complex wavelet structural similarity: a new '
PAPER += 'image similarity index", IEEE TIP 18(11), 2009'

WINDOW_SIZE = 7


@metric(
    kind="full_reference",
    higher_is_better=True,
    score_range=(0, 1),
    identical=1,
    paper=PAPER,
    protocols={"cw_ssim_y": {"luma": "matlab"}},
)
def cw_ssim(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = None,
    levels: int = 4,
    orientations: int = 8,
    k: float = 0.0,
    weights: jax.Array | None = None,
) -> jax.Array:
    """Structural similarity of complex wavelet coefficients, insensitive to small shifts.

    Args:
        reference: Images `[..., H, W, C]`, C 1 or 3, in [0, data_range].
        distorted: The same shape and dtype.
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        luma: A preset of `jiqa.core.color.LUMA_PRESETS`, or None to average over channels.
        levels: Levels of the pyramid; the coarsest is compared.
        orientations: Orientations of the pyramid.
        k: The paper's stabilising constant K, for images of 0 to 255. With 0, windows without
            energy in either image count as alike.
        weights: Pooling weights `[..., H, W]` that multiply the Gaussian, or None.

    Returns:
        `[...]` from 0 to 1, 1 for equal images.

    Raises:
        ValueError: The coarsest level is smaller than the 7 x 7 window.

    >>> image = jnp.linspace(0, 1, 64 * 64).reshape(64, 64, 1)
    >>> round(float(cw_ssim(image, image)), 6)
    1.0
    """
    similarity = _similarity_map(reference, distorted, data_range, luma, levels, orientations, k)
    height, width = similarity.shape[-3:-1]
    deviation = (height + WINDOW_SIZE - 1) / 4
    center = np.outer(gaussian_window(height, deviation), gaussian_window(width, deviation))
    total = jnp.asarray(center, similarity.dtype)
    if weights is not None:
        total = total * _fit_weights(weights, height, width)
    return pooling.mean(similarity, total).mean(-1)


@image_function
def cw_ssim_map(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = None,
    levels: int = 4,
    orientations: int = 8,
    k: float = 0.0,
) -> jax.Array:
    """The map that `cw_ssim` pools, averaged over orientations and channels; arguments as there.

    Returns:
        `[..., H', W']` with `H' = ceil(H / 2 ** (levels - 1)) - 6`.

    >>> cw_ssim_map(jnp.zeros((64, 80, 3)), jnp.ones((64, 80, 3))).shape
    (2, 4)
    """
    found = _similarity_map(reference, distorted, data_range, luma, levels, orientations, k)
    return found.mean(-1)


def _similarity_map(
    reference: jax.Array,
    distorted: jax.Array,
    data_range: float,
    luma: str | None,
    levels: int,
    orientations: int,
    k: float,
) -> jax.Array:
    """Similarity of the coarsest bands (equation 6), averaged over orientations."""
    _check_size(reference.shape, levels)
    reference, distorted = apply_luma(luma, reference, distorted, data_range=data_range)
    bands_x, bands_y = (
        steerable_pyramid_fourier(image * (255 / data_range), levels, orientations).bands[-1]
        for image in (reference, distorted)
    )
    # Rounding errors of the transform, which flat images have in place of energy.
    noise = (2.0 ** (2 * levels) * 255 * float(jnp.finfo(reference.dtype).eps)) ** 2
    maps = [_compare(x, y, k, noise) for x, y in zip(bands_x, bands_y, strict=True)]
    return sum(maps[1:], start=maps[0]) / orientations


def _compare(x: jax.Array, y: jax.Array, k: float, noise: float) -> jax.Array:
    window = np.ones(WINDOW_SIZE)
    # Real and imaginary part by hand: the derivative of a complex modulus is undefined at zero.
    products = (
        x.real * y.real + x.imag * y.imag,
        x.imag * y.real - x.real * y.imag,
        x.real**2 + x.imag**2 + y.real**2 + y.imag**2,
    )
    real, imaginary, energy = (correlate_separable(p, window) for p in products)
    alike = energy <= noise
    similarity = (2 * safe_sqrt(real**2 + imaginary**2) + k) / (jnp.where(alike, 1, energy) + k)
    return jnp.where(alike, 1.0, similarity)


def _fit_weights(weights: jax.Array, height: int, width: int) -> jax.Array:
    """Weights of the image brought to the coarsest band, less the border of the window."""
    border = WINDOW_SIZE - 1
    band = imresize(weights[..., None], (height + border, width + border), "bilinear")[..., 0]
    half = border // 2
    return pooling.equal_if_zero(band[..., half : half + height, half : half + width])


def _check_size(shape: tuple[int, ...], levels: int) -> None:
    least = (WINDOW_SIZE - 1) * 2 ** (levels - 1) + 1
    if min(shape[-3:-1]) < least:
        raise ValueError(
            f"cw_ssim: images are {shape[-3]} x {shape[-2]} pixels; {levels} levels need at least "
            f"{least} a side. Use larger images or fewer levels."
        )
