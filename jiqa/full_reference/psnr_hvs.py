"""Peak signal-to-noise ratios weighted by human contrast sensitivity: PSNR-HVS and PSNR-HVS-M.

Egiazarian, Astola, Ponomarenko, Lukin, Battisti and Carli, "New full-reference quality metrics
based on HVS", VPQM 2006: the error of each 8 x 8 DCT coefficient is weighted by the contrast
sensitivity of its frequency. Ponomarenko, Silvestri, Egiazarian, Carli, Astola and Lukin, "On
between-coefficient contrast masking of DCT basis functions", VPQM 2007: what the block masks is
subtracted from the error first. Both as in the authors' `psnrhvsm.m`: whole blocks from the top
left corner, pixels beyond the last whole block unused, the stronger masking of the two images, and
no masking of the mean. The authors give 100000 dB for equal images, jiqa infinity.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from jiqa.core import pooling
from jiqa.core.arrays import safe_divide, safe_sqrt
from jiqa.core.color import apply_luma
from jiqa.core.filters import check_window_fits
from jiqa.core.pyramids import block_dct
from jiqa.core.registry import image_function, metric
from jiqa.core.vision import JPEG_LUMA_STEPS
from jiqa.full_reference.pixel import INFINITY, decibel_ratio

BLOCK = 8

# What JPEG quantises coarsely is seen badly: the authors' tables of sensitivity and masking are the
# reciprocals of its steps to six digits.
SENSITIVITY = np.round(25.73509 / JPEG_LUMA_STEPS, 6)
MASKING = np.round((10 / JPEG_LUMA_STEPS) ** 2, 6)

hvs_metric = partial(
    metric,
    kind="full_reference",
    higher_is_better=True,
    score_range=(-INFINITY, INFINITY),
    identical=INFINITY,
    color="all channels in one sum; luma= converts first",
    loss_options={"cap": 100.0},
)


@hvs_metric(
    paper='Egiazarian, Astola, Ponomarenko, Lukin, Battisti and Carli, "New full-reference quality '
    'metrics based on HVS", VPQM 2006',
    protocols={"psnr_hvs_y": {"luma": "matlab"}},
)
def psnr_hvs(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = None,
    step: int = BLOCK,
    cap: float | None = None,
    weights: jax.Array | None = None,
) -> jax.Array:
    """Peak signal-to-noise ratio weighted by contrast sensitivity.

    Args:
        reference: Images `[..., H, W, C]`, C 1 or 3, in [0, data_range], at least 8 x 8 pixels.
        distorted: The same shape and dtype.
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        luma: A preset of `jiqa.core.color.LUMA_PRESETS`, or None for all channels.
        step: Distance in pixels between the 8 x 8 blocks; below 8 they overlap.
        cap: The highest value returned, such as 100 for correlations and losses; None is none.
        weights: Pooling weights `[..., H, W]`, averaged in each block, or None.

    Returns:
        `[...]` in decibel; infinite for equal images unless capped. Its gradient is zero there
        and above the cap.

    Raises:
        ValueError: The images are smaller than a block, or the step is not positive.

    >>> import jax.numpy as jnp
    >>> gray = jnp.full((16, 16, 1), 0.5)
    >>> float(psnr_hvs(gray, gray))
    inf
    >>> board = jnp.indices((16, 16)).sum(0)[..., None] % 2 - 0.5
    >>> bool(psnr_hvs(gray, gray + 0.1 * board) > psnr_hvs(gray, gray + 0.05))
    True
    """
    error = _squared_error(reference, distorted, data_range, luma, step)
    return _ratio_in_decibel(error, data_range, step, cap, weights)


@image_function
def psnr_hvs_error_map(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = None,
    step: int = BLOCK,
) -> jax.Array:
    """The weighted squared error of each block, whose mean `psnr_hvs` takes; arguments as there.

    Returns:
        `[..., n, m]` for n x m blocks, averaged over channels, in squared units of the images; 0
        where the blocks are equal.

    >>> import jax.numpy as jnp
    >>> psnr_hvs_error_map(jnp.zeros((16, 31, 3)), jnp.ones((16, 31, 3))).shape
    (2, 3)
    """
    return _squared_error(reference, distorted, data_range, luma, step).mean(-1)


@hvs_metric(
    paper='Ponomarenko, Silvestri, Egiazarian, Carli, Astola and Lukin, "On between-coefficient '
    'contrast masking of DCT basis functions", VPQM 2007',
    protocols={"psnr_hvs_m_y": {"luma": "matlab"}},
)
def psnr_hvs_m(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = None,
    step: int = BLOCK,
    cap: float | None = None,
    weights: jax.Array | None = None,
) -> jax.Array:
    """Peak signal-to-noise ratio weighted by contrast sensitivity and masking.

    Args:
        reference: As in `psnr_hvs`.
        distorted: As in `psnr_hvs`.
        data_range: As in `psnr_hvs`.
        luma: As in `psnr_hvs`.
        step: As in `psnr_hvs`.
        cap: As in `psnr_hvs`.
        weights: As in `psnr_hvs`.

    Returns:
        `[...]` in decibel, at least `psnr_hvs`; infinite where every difference is masked, unless
        capped. Its gradient is zero there and above the cap.

    Raises:
        ValueError: As in `psnr_hvs`.

    >>> import jax
    >>> x, y = jax.random.uniform(jax.random.key(0), (2, 16, 16, 1))
    >>> bool(psnr_hvs_m(x, y) > psnr_hvs(x, y))
    True
    """
    error = _visible_squared_error(reference, distorted, data_range, luma, step)
    return _ratio_in_decibel(error, data_range, step, cap, weights)


@image_function
def psnr_hvs_m_error_map(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = None,
    step: int = BLOCK,
) -> jax.Array:
    """The weighted squared error of each block that is not masked; see `psnr_hvs_m`.

    Returns:
        As `psnr_hvs_error_map`.

    >>> import jax.numpy as jnp
    >>> psnr_hvs_m_error_map(jnp.zeros((16, 31, 3)), jnp.ones((16, 31, 3))).shape
    (2, 3)
    """
    return _visible_squared_error(reference, distorted, data_range, luma, step).mean(-1)


def _squared_error(
    reference: jax.Array, distorted: jax.Array, data_range: float, luma: str | None, step: int
) -> jax.Array:
    """The weighted error of each block, `[..., n, m, C]`."""
    reference, distorted = apply_luma(luma, reference, distorted, data_range=data_range)
    return _weigh(block_dct(_tile(reference - distorted, step)))


def _visible_squared_error(
    reference: jax.Array, distorted: jax.Array, data_range: float, luma: str | None, step: int
) -> jax.Array:
    """The weighted error of each block that is not masked, `[..., n, m, C]`."""
    pair = apply_luma(luma, reference, distorted, data_range=data_range)
    tiles = [_tile(image, step) for image in pair]
    coefficients = [block_dct(tile) for tile in tiles]
    masking = jnp.maximum(*map(_masking, tiles, coefficients))
    error = jnp.abs(coefficients[0] - coefficients[1])
    threshold = masking[..., None, None] / jnp.asarray(MASKING, error.dtype)
    return _weigh(jnp.maximum(error - threshold.at[..., 0, 0].set(0), 0))


def _weigh(error: jax.Array) -> jax.Array:
    """The mean square of the errors of a block's coefficients `[..., 8, 8]`, by sensitivity."""
    return ((error * jnp.asarray(SENSITIVITY, error.dtype)) ** 2).mean((-2, -1))


def _tile(images: jax.Array, step: int) -> jax.Array:
    """The blocks that start every `step` pixels, side by side: `[..., 8 n, 8 m, C]`."""
    height, width = images.shape[-3:-1]
    check_window_fits(images.shape, BLOCK, BLOCK)
    if step == BLOCK:
        return images[..., : height // BLOCK * BLOCK, : width // BLOCK * BLOCK, :]
    rows, columns = _samples(height, step), _samples(width, step)
    return images[..., rows, :, :][..., columns, :]


def _samples(length: int, step: int) -> np.ndarray:
    """The indices of all samples of all blocks along an axis, block after block."""
    if step < 1:
        raise ValueError(f"step={step} must be a positive number of pixels.")
    starts = np.arange(0, length - BLOCK + 1, step)
    return (starts[:, None] + np.arange(BLOCK)).ravel()


def _masking(tiles: jax.Array, coefficients: jax.Array) -> jax.Array:
    """What each block masks, `[..., n, m, C]`: less where its variance lies between quadrants."""
    weighted = coefficients**2 * jnp.asarray(MASKING, tiles.dtype)
    energy = jnp.sum(weighted.at[..., 0, 0].set(0), axis=(-2, -1))
    quadrants = _scaled_variance(tiles, BLOCK // 2)
    *batch, rows, columns, channels = quadrants.shape
    pairs = quadrants.reshape(*batch, rows // 2, 2, columns // 2, 2, channels)
    share = safe_divide(pairs.sum((-4, -2)), _scaled_variance(tiles, BLOCK))
    return safe_sqrt(energy * share) / 32


def _scaled_variance(tiles: jax.Array, size: int) -> jax.Array:
    """Sample variance (N - 1) of each `size` x `size` block times its number N of pixels."""
    *batch, height, width, channels = tiles.shape
    blocks = tiles.reshape(*batch, height // size, size, width // size, size, channels)
    return blocks.var((-4, -2), ddof=1) * size**2


def _ratio_in_decibel(
    error: jax.Array,
    data_range: float,
    step: int,
    cap: float | None,
    weights: jax.Array | None,
) -> jax.Array:
    """The ratio of the peak to the squared errors of blocks, `[..., n, m, C]`."""
    if weights is not None:
        tiles = _tile(weights[..., None], step)[..., 0]
        weights = pooling.block_weights(tiles, BLOCK, *error.shape[-3:-1])
    mean_error = pooling.mean(error, weights).mean(-1)
    decibel = decibel_ratio(jnp.full_like(mean_error, data_range**2), mean_error)
    return decibel if cap is None else jnp.minimum(decibel, cap)
