"""Riesz transforms, which extend the Hilbert transform to images.

Images are `[..., H, W, C]`, periodic; each channel is transformed by itself.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jiqa.core.pyramids import kovesi_grid
from jiqa.core.vision import half_plane


class RieszTransform(NamedTuple):
    """Responses of first and second order, each `[..., H, W, C]`."""

    x: jax.Array
    y: jax.Array
    xx: jax.Array
    xy: jax.Array
    yy: jax.Array


def riesz_transform(images: jax.Array) -> RieszTransform:
    """Riesz transforms of first and second order along W (x) and H (y).

    Felsberg and Sommer, "The monogenic signal", IEEE Transactions on Signal Processing 49(12),
    2001: frequencies (u, v) are multiplied by `-i u / r` and `-i v / r` with r their length, and by
    products of two of these. The mean counts as zero. Odd sides take frequencies for one pixel
    less, as Kovesi's grids and the authors of RFSIM do.

    Args:
        images: `[..., H, W, C]`.

    Returns:
        The five responses; `xx + yy` is the images' mean less the images.

    >>> wave = jnp.cos(jnp.arange(8) * jnp.pi / 4) * jnp.ones((6, 1))
    >>> first = riesz_transform(wave[..., None])
    >>> print(first.x[0, :, 0].round(3) + 0)  # the sine
    [ 0.     0.707  1.     0.707  0.    -0.707 -1.    -0.707]
    """
    size = images.shape[-3:-1]
    spectrum = jnp.fft.rfft2(images, axes=(-3, -2))

    def respond(response: np.ndarray) -> jax.Array:
        kernel = jnp.asarray(response[..., None], spectrum.dtype)
        return jnp.fft.irfft2(spectrum * kernel, size, axes=(-3, -2))

    x, y, xx, xy = (respond(response) for response in _responses(*size))
    yy = images.mean((-3, -2), keepdims=True) - images - xx
    return RieszTransform(x, y, xx, xy, yy)


@functools.cache
def _responses(height: int, width: int) -> tuple[np.ndarray, ...]:
    """Factors of `rfft2` for x, y, xx and xy, each complex `[height, width // 2 + 1]`."""
    _, angle = kovesi_grid(height, width)
    x, y = -1j * np.cos(angle), 1j * np.sin(angle)
    x[0, 0] = y[0, 0] = 0
    return tuple(half_plane(np.fft.fftshift(response)) for response in (x, y, x * x, x * y))
