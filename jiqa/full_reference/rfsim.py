"""Riesz-transform based feature similarity.

Zhang, Zhang and Mou, "RFSIM: a feature based image quality assessment metric using Riesz
transforms", ICIP 2010, in the convention of the authors' `RFSIM.m`: luma rounded as MATLAB does,
reduced by `round(min(H, W) / 256)` with a mean filter and zero borders, and compared where either
image has an edge of the Canny detector (sigma 3.6, thresholds 0.08 and 0.13), dilated by a square
of 4 x 4 pixels that reaches two to the right and to the bottom. The detector is that of MATLAB
since R2019; that of 2010 smoothed twice, which moves scores by some percent.
"""

import jax
import jax.numpy as jnp

from jiqa.core import pooling
from jiqa.core.arrays import similarity
from jiqa.core.color import apply_luma
from jiqa.core.edges import canny
from jiqa.core.filters import downsample_box, downsampling_factor
from jiqa.core.registry import metric
from jiqa.core.riesz import riesz_transform

PAPER = 'Zhang, Zhang and Mou, "RFSIM: a feature based image quality assessment metric using Riesz '
PAPER += 'transforms", ICIP 2010'

CONSTANT = 1.2  # of every similarity, for 0 to 255
EDGE_SIGMA, EDGE_THRESHOLDS = 3.6, (0.08, 0.13)
DILATION = 4  # side of the square around an edge, in pixels


@metric(
    kind="full_reference",
    higher_is_better=True,
    score_range=(-1, 1),
    identical=1,
    paper=PAPER,
    color="luma, rounded as by MATLAB; luma=None averages over channels",
)
def rfsim(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = "matlab",
    downsample: bool = True,
    weights: jax.Array | None = None,
) -> jax.Array:
    """Product of the similarities of five Riesz transforms near edges.

    There is no map: transforms are multiplied after pooling.

    Args:
        reference: Images `[..., H, W, C]`, C 1 or 3, in [0, data_range].
        distorted: The same shape and dtype.
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        luma: A preset of `jiqa.core.color.LUMA_PRESETS`, or None to average over channels.
        downsample: Whether the images are reduced by `round(min(H, W) / 256)` first.
        weights: Pooling weights `[..., H, W]`, or None; reduced with the images.

    Returns:
        `[...]`, 1 for equal images, in practice above 0; higher is better. Where neither image has
        edges, all places count.

    >>> image = jnp.sin(jnp.arange(24 * 24.0)).reshape(24, 24, 1) / 4 + 0.5
    >>> print(rfsim(image, image))
    1.0
    >>> bool(rfsim(image, image**2) > rfsim(image, 1 - image))
    True
    """
    factor = downsampling_factor(reference.shape) if downsample else 1
    x, y = (
        downsample_box(image * (255 / data_range), factor, border="zero")
        for image in apply_luma(luma, reference, distorted, data_range=data_range)
    )
    weights = pooling.fit_weights(weights, factor, *x.shape[-3:-1])
    near_edges = _near_edges(x, y)
    features = zip(riesz_transform(x), riesz_transform(y), strict=True)
    means = [_mean_where(near_edges, similarity(a, b, CONSTANT), weights) for a, b in features]
    return jnp.prod(jnp.stack(means), axis=0).mean(-1)


def _near_edges(x: jax.Array, y: jax.Array) -> jax.Array:
    """1 where an edge of either image is near, else 0, `[..., H, W, C]`; without gradient."""
    x_edges, y_edges = (
        canny(jax.lax.stop_gradient(image), sigma=EDGE_SIGMA, thresholds=EDGE_THRESHOLDS)
        for image in (x, y)
    )
    # The origin of a square of even size is before its centre.
    reach = DILATION // 2, (DILATION - 1) // 2
    batch = x.ndim - 3
    near = jax.lax.reduce_window(
        x_edges | y_edges,
        False,
        jax.lax.bitwise_or,
        window_dimensions=(*[1] * batch, DILATION, DILATION, 1),
        window_strides=(1,) * x.ndim,
        padding=[*[(0, 0)] * batch, reach, reach, (0, 0)],
    )
    return near.astype(x.dtype)


def _mean_where(chosen: jax.Array, values: jax.Array, weights: jax.Array | None) -> jax.Array:
    """The weighted mean over the pixels chosen in each channel, `[..., C]`."""
    values, chosen = (jnp.moveaxis(each, -1, -3) for each in (values, chosen))
    weights = None if weights is None else weights[..., None, :, :]
    return pooling.importance_mean(values, chosen, weights)
