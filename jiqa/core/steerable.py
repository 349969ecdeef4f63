"""Steerable pyramids, by filters in space and by masks in the frequency domain.

Simoncelli and Freeman, "The steerable pyramid: a flexible architecture for multi-scale derivative
computation", ICIP 1995, in the conventions of matlabPyrTools: `buildSpyr` with the filters sp1,
sp3 and sp5 (used by VIF), `buildSFpyr` and its complex form `buildSCFpyr` (used by RRIQA and
CW-SSIM).
"""

import functools
import math
from collections.abc import Sequence
from importlib import resources
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jiqa.core.filters import correlate

TABLE_SIZE = 256  # samples of the radial transition in matlabPyrTools
ANGLE_TABLE_SIZE = 1024


class SteerablePyramid(NamedTuple):
    """A decomposed image: `bands[level][orientation]`, finest level first."""

    highpass: jax.Array
    bands: tuple[tuple[jax.Array, ...], ...]
    lowpass: jax.Array


def steerable_pyramid(
    images: jax.Array,
    levels: int,
    filters: str = "sp5",
    *,
    orientations: Sequence[int] | None = None,
) -> SteerablePyramid:
    """Steerable pyramid by filters in space, with 'reflect' borders (`buildSpyr`).

    Args:
        images: `[..., H, W, C]`.
        levels: Number of levels; each halves the size, rounding up.
        filters: "sp1" (2 orientations), "sp3" (4) or "sp5" (6).
        orientations: Those of which bands are wanted, in this order; None means all.

    Returns:
        The pyramid; the high-pass residual has the images' size.

    Raises:
        ValueError: Unknown filters, or images too small for that many levels.

    >>> pyramid = steerable_pyramid(jnp.ones((32, 24, 1)), 2, "sp3")
    >>> len(pyramid.bands[0]), pyramid.bands[1][0].shape, pyramid.lowpass.shape
    (4, (16, 12, 1), (8, 6, 1))
    """
    kernels = _load_filters(filters)
    lowpass_size = len(kernels["level_lowpass"])
    least = (lowpass_size // 2 + 1) * 2 ** (levels - 1)
    if min(images.shape[-3:-1]) < least:
        raise ValueError(
            f"steerable_pyramid: {levels} levels of {filters} need at least {least} pixels a "
            f"side, not {images.shape[-3]} x {images.shape[-2]}."
        )
    highpass = correlate(images, kernels["highpass"], border="reflect")
    lowpass = correlate(images, kernels["lowpass"], border="reflect")
    wanted = kernels["bands"] if orientations is None else kernels["bands"][list(orientations)]
    bands = []
    for _ in range(levels):
        bands.append(tuple(correlate(lowpass, kernel, border="reflect") for kernel in wanted))
        lowpass = correlate(lowpass, kernels["level_lowpass"], border="reflect", stride=2)
    return SteerablePyramid(highpass, tuple(bands), lowpass)


@functools.cache
def _load_filters(name: str) -> dict[str, np.ndarray]:
    path = resources.files("jiqa.core") / "data" / "steerable_filters.npz"
    with path.open("rb") as file, np.load(file) as table:
        found = {k.removeprefix(f"{name}_"): table[k] for k in table if k.startswith(f"{name}_")}
    if not found:
        raise ValueError(f"filters={name!r} is unknown; use sp1, sp3 or sp5.")
    return found


def steerable_pyramid_fourier(
    images: jax.Array, levels: int, orientations: int, *, complex_bands: bool = True
) -> SteerablePyramid:
    """Steerable pyramid by masks in the frequency domain (`buildSCFpyr`, `buildSFpyr`).

    Args:
        images: `[..., H, W, C]`.
        levels: Number of levels; each keeps the central half of the frequencies.
        orientations: Number of orientations over half a turn.
        complex_bands: Whether bands are complex, with the Hilbert transform as imaginary part;
            their real part is the real pyramid.

    Returns:
        The pyramid. Residuals are real; the high-pass one has the images' size.

    Raises:
        ValueError: Images too small for that many levels.

    >>> pyramid = steerable_pyramid_fourier(jnp.ones((32, 24, 1)), 2, 4)
    >>> pyramid.bands[1][0].shape, pyramid.bands[1][0].dtype.kind
    ((16, 12, 1), 'c')
    """
    height, width = images.shape[-3:-1]
    if min(height, width) < 2 ** (levels + 1):
        raise ValueError(
            f"steerable_pyramid_fourier: {levels} levels need at least {2 ** (levels + 1)} pixels "
            f"a side, not {height} x {width}."
        )
    dtype = images.dtype
    log_radius, angle = _polar_grid(height, width)
    spectrum = jnp.fft.fftshift(jnp.fft.fft2(images, axes=(-3, -2)), axes=(-3, -2))
    highpass = _to_space(_masked(spectrum, _high_mask(log_radius, 0), dtype)).real
    spectrum = _masked(spectrum, _low_mask(log_radius, 0), dtype)
    bands = []
    for level in range(1, levels + 1):
        radial = _high_mask(log_radius, level)
        masks = [radial * mask for mask in _angle_masks(angle, orientations, complex_bands)]
        phased = spectrum * (-1j) ** (orientations - 1)
        responses = [_to_space(_masked(phased, mask, dtype)) for mask in masks]
        bands.append(tuple(r if complex_bands else r.real for r in responses))
        rows, columns = (_central_half(length) for length in log_radius.shape)
        log_radius, angle = log_radius[rows, columns], angle[rows, columns]
        spectrum = _masked(spectrum[..., rows, columns, :], _low_mask(log_radius, level), dtype)
    return SteerablePyramid(highpass, tuple(bands), _to_space(spectrum).real)


def _polar_grid(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Base-two logarithm of the radius (0 at the Nyquist frequency) and angle, centred."""

    def ramp(length: int) -> np.ndarray:
        return (np.arange(length) - length // 2) / (length / 2)

    x, y = np.meshgrid(ramp(width), ramp(height))
    radius = np.hypot(x, y)
    center = (height // 2, width // 2)
    radius[center] = radius[center[0], center[1] - 1]
    return np.log2(radius), np.arctan2(y, x)


def _high_mask(log_radius: np.ndarray, level: int) -> np.ndarray:
    """Rises from 0 to 1 in the octave below `2 ** -level` as the square root of a raised cosine.

    Interpolated in the same table as matlabPyrTools does, since metrics compare to 1e-6.
    """
    angles = math.pi * np.arange(-TABLE_SIZE - 1, 2) / (2 * TABLE_SIZE)
    values = np.cos(angles) ** 2
    values[0], values[-1] = values[1], values[-2]
    positions = -0.5 + 2 / math.pi * (angles + math.pi / 4) - level
    return np.interp(log_radius, positions, np.sqrt(values))


def _low_mask(log_radius: np.ndarray, level: int) -> np.ndarray:
    """The complement of `_high_mask` in power, interpolated in a table of its own."""
    angles = math.pi * np.arange(-TABLE_SIZE - 1, 2) / (2 * TABLE_SIZE)
    values = np.cos(angles) ** 2
    values[0], values[-1] = values[1], values[-2]
    positions = -0.5 + 2 / math.pi * (angles + math.pi / 4) - level
    return np.interp(log_radius, positions, np.sqrt(1 - values))


def _angle_masks(angle: np.ndarray, orientations: int, one_sided: bool) -> list[np.ndarray]:
    """Powers of a cosine around each orientation; on one side only for complex bands."""
    order = orientations - 1
    norm = 2 ** (2 * order) * math.factorial(order) ** 2
    norm /= orientations * math.factorial(2 * order)
    steps = np.arange(-(2 * ANGLE_TABLE_SIZE + 1), ANGLE_TABLE_SIZE + 2)
    positions = math.pi * steps / ANGLE_TABLE_SIZE
    values = math.sqrt(norm) * np.cos(positions) ** order
    if one_sided:
        turned = np.mod(math.pi + positions, 2 * math.pi) - math.pi
        values = 2 * values * (np.abs(turned) < math.pi / 2)
    return [
        np.interp(angle, positions + math.pi * b / orientations, values)
        for b in range(orientations)
    ]


def _central_half(length: int) -> slice:
    """The central half of a centred frequency axis, as matlabPyrTools cuts it."""
    half = math.ceil((length - 0.5) / 2)
    start = length // 2 - half // 2
    return slice(start, start + half)


def _masked(spectrum: jax.Array, mask: np.ndarray, dtype: jnp.dtype) -> jax.Array:
    return spectrum * jnp.asarray(mask, dtype)[..., None]


def _to_space(spectrum: jax.Array) -> jax.Array:
    return jnp.fft.ifft2(jnp.fft.ifftshift(spectrum, axes=(-3, -2)), axes=(-3, -2))
