"""Quality of pansharpened images without a reference: D_lambda, D_s and QNR.

Alparone, Aiazzi, Baronti, Garzelli, Nencini and Selva, "Multispectral and panchromatic data fusion
assessment without reference", Photogrammetric Engineering and Remote Sensing 74(2), 2008. A
multispectral image of low resolution and a panchromatic one of high resolution were fused to a
multispectral one of high resolution. Fusion should keep the similarity of each band to the others
(D_lambda) and to the panchromatic image (D_s).

The similarity Q is the universal quality index of its authors, in all 8 x 8 windows. Packages
differ in it: torchmetrics has a Gaussian window, which is `quality=functools.partial(jiqa.ssim,
k1=0.0, k2=0.0)`, the MATLAB toolbox of Vivone et al. (2014) has 32 x 32 blocks.
"""

from collections.abc import Callable, Mapping
from itertools import combinations

import jax
import jax.numpy as jnp

from jiqa.core import arrays
from jiqa.core.arrays import safe_power
from jiqa.core.filters import correlate_separable, imresize, uniform_window
from jiqa.core.registry import public_function
from jiqa.full_reference.uqi import uqi

Quality = Callable[[jax.Array, jax.Array], jax.Array]
LOW_PASS_SIZE = 7


@public_function
def d_lambda(
    multispectral: jax.Array,
    fused: jax.Array,
    *,
    data_range: float | None = None,
    exponent: float = 1.0,
    quality: Quality = uqi,
) -> jax.Array:
    """Spectral distortion: how fusion changed the similarity of the bands to each other.

    `mean over pairs of |Q(fused bands) - Q(multispectral bands)|^p ^ (1 / p)`.

    Args:
        multispectral: Images `[..., h, w, L]` of two bands or more, in [0, data_range].
        fused: `[..., H, W, L]` of the same dtype, of any height and width.
        data_range: Largest possible value of floating images, 1 by default; integers carry theirs.
        exponent: p; large values stress the pair that changed most.
        quality: Q, a function of two images `[..., H, W, 1]` in [0, 1] that returns `[...]`.

    Returns:
        `[...]` from 0, which the similarities of the multispectral image give, to 2.

    Raises:
        TypeError: Two dtypes, or one that images do not have.
        ValueError: Fewer than two bands, unlike shapes, or values out of range.

    >>> bands = jnp.linspace(0, 1, 16 * 16 * 4).reshape(16, 16, 4) ** jnp.arange(1, 5)
    >>> float(d_lambda(bands, bands))
    0.0
    """
    images = {"multispectral": multispectral, "fused": fused}
    multispectral, fused = _unit_images("d_lambda", images, data_range)
    if multispectral.shape[-1] < 2:
        raise ValueError("d_lambda: images of one band have no spectrum; give at least two bands.")
    return _mean_change(
        [
            [quality(_band(image, i), _band(image, j)) for image in (multispectral, fused)]
            for i, j in combinations(range(fused.shape[-1]), 2)
        ],
        exponent,
    )


@public_function
def d_s(
    multispectral: jax.Array,
    fused: jax.Array,
    panchromatic: jax.Array,
    *,
    panchromatic_low: jax.Array | None = None,
    data_range: float | None = None,
    exponent: float = 1.0,
    quality: Quality = uqi,
) -> jax.Array:
    """Spatial distortion: how fusion changed the similarity of the bands to the panchromatic image.

    `mean over bands of |Q(fused, panchromatic) - Q(multispectral, panchromatic_low)|^q ^ (1 / q)`.

    Args:
        multispectral: As in `d_lambda`, but one band is enough.
        fused: `[..., H, W, L]` of the same dtype.
        panchromatic: `[..., H, W, 1]` of the same dtype.
        panchromatic_low: The panchromatic image as the multispectral sensor would see it,
            `[..., h, w, 1]`; None takes a 7 x 7 mean and MATLAB's bicubic `imresize`.
        data_range: As in `d_lambda`.
        exponent: q; large values stress the band that changed most.
        quality: As in `d_lambda`.

    Returns:
        `[...]` from 0 to 2.

    Raises:
        TypeError: As in `d_lambda`.
        ValueError: Unlike shapes, or values out of range.

    >>> bands = jnp.linspace(0, 1, 32 * 32 * 4).reshape(32, 32, 4)
    >>> d_s(bands[::2, ::2], bands, bands[..., :1]).shape
    ()
    """
    images = {"multispectral": multispectral, "fused": fused, "panchromatic": panchromatic}
    if panchromatic_low is not None:
        images["panchromatic_low"] = panchromatic_low
    multispectral, fused, panchromatic, *low = _unit_images("d_s", images, data_range)
    seen_low = low[0] if low else _low_pass(panchromatic, multispectral.shape)
    return _mean_change(
        [
            [quality(_band(multispectral, i), seen_low), quality(_band(fused, i), panchromatic)]
            for i in range(fused.shape[-1])
        ],
        exponent,
    )


@public_function
def qnr(
    multispectral: jax.Array,
    fused: jax.Array,
    panchromatic: jax.Array,
    *,
    panchromatic_low: jax.Array | None = None,
    data_range: float | None = None,
    alpha: float = 1.0,
    beta: float = 1.0,
    exponent: float = 1.0,
    quality: Quality = uqi,
) -> jax.Array:
    """Quality with no reference, `(1 - D_lambda)^alpha (1 - D_s)^beta`.

    Args:
        multispectral: As in `d_lambda`.
        fused: As in `d_s`.
        panchromatic: As in `d_s`.
        panchromatic_low: As in `d_s`.
        data_range: As in `d_lambda`.
        alpha: Importance of the spectrum.
        beta: Importance of space.
        exponent: That of `d_lambda` and `d_s`.
        quality: As in `d_lambda`.

    Returns:
        `[...]` from 0 to 1, which is best; a distortion above 1 counts as 1.

    Raises:
        TypeError: As in `d_lambda`.
        ValueError: As in `d_lambda` and `d_s`.

    >>> bands = jnp.linspace(0, 1, 32 * 32 * 4).reshape(32, 32, 4)
    >>> bool(qnr(bands[::2, ::2], bands, bands[..., :1]) <= 1)
    True
    """
    spectral = d_lambda(
        multispectral, fused, data_range=data_range, exponent=exponent, quality=quality
    )
    spatial = d_s(
        multispectral,
        fused,
        panchromatic,
        panchromatic_low=panchromatic_low,
        data_range=data_range,
        exponent=exponent,
        quality=quality,
    )
    return safe_power(1 - spectral, alpha) * safe_power(1 - spatial, beta)


def _mean_change(qualities: list[list[jax.Array]], exponent: float) -> jax.Array:
    """The generalised mean of the changes from the first to the second of each pair."""
    changes = jnp.stack([jnp.abs(before - after) for before, after in qualities], axis=-1)
    return safe_power(safe_power(changes, exponent).mean(-1), 1 / exponent)


def _band(images: jax.Array, index: int) -> jax.Array:
    return images[..., index : index + 1]


def _low_pass(panchromatic: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """The panchromatic image, smoothed, in the height and width of images of a shape."""
    smooth = correlate_separable(panchromatic, uniform_window(LOW_PASS_SIZE), border="symmetric")
    return imresize(smooth, (shape[-3], shape[-2]))


def _unit_images(
    function: str, images: Mapping[str, jax.Array], data_range: float | None
) -> list[jax.Array]:
    """The images as floats in [0, 1], once dtypes, values and shapes have been checked."""
    for name, image in images.items():
        if len(getattr(image, "shape", ())) < 3:
            raise ValueError(f"{function}: `{name}` must be an array [..., height, width, bands].")
    dtypes = {str(image.dtype) for image in images.values()}
    if len(dtypes) > 1 or not dtypes <= {*arrays.INTEGER_RANGES, *arrays.FLOAT_TYPES}:
        raise TypeError(
            f"{function}: the images have dtype {', '.join(sorted(dtypes))}; give floating arrays, "
            "uint8 or uint16, all of one dtype."
        )
    _check_shapes(function, {name: image.shape for name, image in images.items()})
    top = arrays.resolve_data_range(function, images["fused"].dtype, data_range)
    for name, image in images.items():
        arrays.check_values(function, name, image, top)
    return [arrays.to_float(image) / top for image in images.values()]


def _check_shapes(function: str, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raises ValueError unless leading axes, bands, and sizes at either resolution agree."""
    *batch, height, width, bands = shapes["fused"]
    low = shapes["multispectral"][-3:-1]
    expected = {
        "multispectral": (*batch, *low, bands),
        "fused": shapes["fused"],
        "panchromatic": (*batch, height, width, 1),
        "panchromatic_low": (*batch, *low, 1),
    }
    for name, shape in shapes.items():
        if tuple(shape) != tuple(expected[name]):
            raise ValueError(
                f"{function}: `{name}` has shape {tuple(shape)}; beside `fused` "
                f"{tuple(shapes['fused'])} it must be {expected[name]}."
            )
