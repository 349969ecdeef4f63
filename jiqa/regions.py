"""Any mapped metric where it matters: weighted by saliency, or only in the salient region.

"Quality is in the salient region of the image" (survey, reference 37): a metric is pooled with a
map of saliency as its weights, or over the region that holds a share of the saliency; any metric
can be had of a crop. Saliency is that of the reference, or of the image itself for metrics without
one.
"""

import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jiqa.core import saliency as maps
from jiqa.core.arrays import resolve_data_range, to_float
from jiqa.core.registry import Metric, load

SALIENCY: dict[str, Callable[..., jax.Array]] = {
    "spectral_residual": maps.spectral_residual,
    "sdsp": maps.sdsp,
    "fine_grained": maps.fine_grained,
    "graph_based": maps.graph_based,
    "center": lambda images, *, data_range: maps.center_prior(images),  # noqa: ARG005
}
REGIONS = ("weights", "pixels", "rectangle", "crop")
SIZES = np.arange(1, 17) / 16  # of rectangles, relative to the image


def salient_region(
    metric: str | Callable[..., jax.Array],
    *,
    saliency: str | Callable[[jax.Array], jax.Array] = "spectral_residual",
    region: str = "weights",
    energy: float = 0.2,
    side: float = 0.5,
    **options: Any,
) -> Callable[..., jax.Array]:
    """A metric that looks where the eye does.

    Args:
        metric: A name, a `Metric` or a decorated function; it takes `weights` unless `region` is
            "crop".
        saliency: "spectral_residual", "sdsp", "fine_grained", "graph_based", "center" (the
            baseline that ignores the image), or a function of images `[..., H, W, C]` in [0, 1]
            that returns `[..., H, W]`, at least zero.
        region: "weights" pools with the saliency as weights; "pixels" over the most salient pixels
            that hold a share `energy` of the saliency; "rectangle" over the smallest rectangle
            of the image's proportions that does. "crop" cuts the images to the most salient
            rectangle of one size, of which every metric has a score.
        energy: The share, above 0 and at most 1.
        side: Of a crop, relative to the image's sides; above 0 and at most 1.
        **options: Options of the metric.

    Returns:
        A function of the metric's images, with its result; works under `jit`, `vmap` and `grad`.
        The region is a constant for the gradient.

    Raises:
        ValueError: The metric takes no weights; unknown saliency or region; an energy or a side
            out of range.

    >>> image = jnp.linspace(0, 1, 32 * 32).reshape(32, 32, 1)
    >>> float(salient_region("ssim", region="rectangle")(image, image))
    1.0
    """
    name = metric if isinstance(metric, str) else getattr(metric, "name", metric.__name__)
    found = metric if isinstance(metric, Metric) else load(name)
    takes_weights = "weights" in inspect.signature(found.function).parameters
    if region != "crop" and not takes_weights:
        raise ValueError(f"{name} takes no weights; it can look at a region with region='crop'.")
    if region not in REGIONS:
        raise ValueError(f"region={region!r} is unknown; use one of {', '.join(REGIONS)}.")
    for what, share in (("energy", energy), ("side", side)):
        if not 0 < share <= 1:
            raise ValueError(f"{what}={share} must be above 0 and at most 1.")
    if isinstance(saliency, str) and saliency not in SALIENCY:
        raise ValueError(f"saliency={saliency!r} is unknown; use one of {', '.join(SALIENCY)}.")

    def score(*images: jax.Array) -> jax.Array:
        weights = jax.lax.stop_gradient(_find_saliency(saliency, name, images[0], options))
        if region == "crop":
            return found(*salient_crop(weights, *images, side=side), **options)
        if region == "pixels":
            weights = salient_pixels(weights, energy)
        if region == "rectangle":
            weights = salient_rectangle(weights, energy)
        return found(*images, weights=weights, **options)

    return score


def _find_saliency(
    saliency: str | Callable[[jax.Array], jax.Array],
    name: str,
    images: jax.Array,
    options: dict[str, Any],
) -> jax.Array:
    data_range = resolve_data_range(name, images.dtype, options.get("data_range"))
    images = to_float(images) / data_range
    if callable(saliency):
        return jnp.maximum(saliency(images), 0)
    return jnp.maximum(SALIENCY[saliency](images, data_range=1.0), 0)


def salient_pixels(saliency: jax.Array, energy: float) -> jax.Array:
    """Ones at the most salient pixels that together hold a share of the saliency.

    Args:
        saliency: `[..., H, W]`, at least zero.
        energy: The share, above 0 and at most 1.

    Returns:
        `[..., H, W]` of zeros and ones.

    >>> print(salient_pixels(jnp.array([[1.0, 5.0], [3.0, 1.0]]), 0.6))
    [[0. 1.]
     [1. 0.]]
    """
    flat = saliency.reshape(*saliency.shape[:-2], -1)
    ranked = jnp.sort(flat, -1, descending=True)
    before = jnp.cumsum(ranked, -1) - ranked
    needed = before < energy * flat.sum(-1, keepdims=True)
    least = jnp.min(jnp.where(needed, ranked, jnp.inf), -1)
    return (saliency >= least[..., None, None]).astype(saliency.dtype)


def salient_rectangle(saliency: jax.Array, energy: float) -> jax.Array:
    """Ones in the smallest rectangle of the image's proportions that holds a share of saliency.

    Sides are multiples of a sixteenth of the image's, and the rectangle may begin at every pixel.

    Args:
        saliency: `[..., H, W]`, at least zero.
        energy: The share, above 0 and at most 1.

    Returns:
        `[..., H, W]` of zeros and ones.

    >>> spot = jnp.zeros((32, 32)).at[20:22, 4:6].set(1.0)
    >>> int(salient_rectangle(spot, 0.9).sum())
    4
    """
    height, width = saliency.shape[-2:]
    total = saliency.sum((-2, -1))
    mask = jnp.ones_like(saliency)
    sums = _integral(saliency)
    for size in SIZES[:-1][::-1]:  # the smallest that suffices is the last to be kept
        rows, columns = _sides(height, width, size)
        top, left, held = _most_salient(sums, rows, columns)
        down = jnp.arange(height) - top[..., None]
        across = jnp.arange(width) - left[..., None]
        inside = ((down >= 0) & (down < rows))[..., :, None]
        inside = inside & ((across >= 0) & (across < columns))[..., None, :]
        mask = jnp.where((held >= energy * total)[..., None, None], inside, mask)
    return mask.astype(saliency.dtype)


def salient_crop(saliency: jax.Array, *images: jax.Array, side: float) -> list[jax.Array]:
    """Images cut to the rectangle of one size that holds the most saliency.

    Args:
        saliency: `[..., H, W]`, at least zero.
        *images: `[..., H, W, C]`.
        side: Of the rectangle, relative to the images'; above 0 and at most 1.

    Returns:
        Images `[..., round(side H), round(side W), C]`, at least one pixel a side.

    >>> spot = jnp.zeros((32, 32)).at[20:22, 4:6].set(1.0)
    >>> [crop] = salient_crop(spot, spot[..., None], side=1 / 16)
    >>> print(crop[..., 0])
    [[1. 1.]
     [1. 1.]]
    """
    height, width = saliency.shape[-2:]
    rows, columns = _sides(height, width, side)
    top, left, _ = _most_salient(_integral(saliency), rows, columns)
    down = (top[..., None] + jnp.arange(rows))[..., :, None, None]
    across = (left[..., None] + jnp.arange(columns))[..., None, :, None]
    return [
        jnp.take_along_axis(jnp.take_along_axis(image, down, -3), across, -2) for image in images
    ]


def _sides(height: int, width: int, size: float) -> tuple[int, int]:
    return max(1, round(height * size)), max(1, round(width * size))


def _integral(saliency: jax.Array) -> jax.Array:
    """Sums `[..., H + 1, W + 1]` of what is above and left."""
    sums = jnp.pad(saliency, [*[(0, 0)] * (saliency.ndim - 2), (1, 0), (1, 0)])
    return jnp.cumsum(jnp.cumsum(sums, -2), -1)


def _most_salient(
    sums: jax.Array, rows: int, columns: int
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Top, left and saliency of the best rectangle of a size, each `[...]`."""
    held = (
        sums[..., rows:, columns:]
        - sums[..., :-rows, columns:]
        - sums[..., rows:, :-columns]
        + sums[..., :-rows, :-columns]
    )
    flat = held.reshape(*held.shape[:-2], -1)
    top, left = jnp.divmod(jnp.argmax(flat, -1), held.shape[-1])
    return top, left, flat.max(-1)
