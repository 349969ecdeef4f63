"""Traditional full-reference metrics on the feature maps of a pretrained network.

Amirshahi, Pedersen and Beghdadi, "Reviving traditional image quality metrics using CNNs", Color and
Imaging Conference 2018: the maps of AlexNet's five convolutions are compared one by one, as if each
were an image, by MSE, PSNR, MAE, LMSE, NAE, maximum difference, structural content or SSIM; the
mean over maps is a layer's score, that over layers the image's. No code is published; what the
paper leaves open is chosen here:

- The maps of a layer are divided by the largest value that either image has in that layer, which is
  the data range of PSNR and SSIM. Scores of errors are relative to it.
- PSNR is averaged in decibel and capped at 100.
- Windows shrink to the shorter side of the maps; below a side of 4 they are uniform.
- LMSE needs maps of 3 x 3 at least, so images of 63 pixels.
- A map that is zero in both images does not count, nor one where a ratio is not finite because the
  map is zero in one image. If no map is left in a layer, the images are equal there.
- The network is torchvision's AlexNet, whose parameters come with jiqa; the authors have that of
  2012: `net="alexnet_caffe"`. Features before rectification are the taps "conv1" to "conv5".

`feature_maps` does the same with any other full-reference metric, network and layers.
"""

import functools
import inspect
from collections.abc import Callable
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp

from jiqa.core import registry
from jiqa.core.arrays import safe_divide
from jiqa.core.features import Features
from jiqa.core.registry import Metric, find, image_function, load, public_function
from jiqa.deep.backbones.backbone import Tree
from jiqa.deep.maps import (
    COLOR,
    Maps,
    extract,
    extract_pair,
    load_backbone,
    prepared_pair,
    resize,
)

PAPER = 'Amirshahi, Pedersen and Beghdadi, "Reviving traditional image quality metrics using '
PAPER += 'CNNs", Color and Imaging Conference 2018'
TAPS = ("relu1", "relu2", "relu3", "relu4", "relu5")
SURVEYED = {
    "alexnet_mse": "mse",
    "alexnet_psnr": "psnr",
    "alexnet_mae": "mae",
    "alexnet_lmse": "lmse",
    "alexnet_nae": "nae",
    "alexnet_md": "maximum_difference",
    "alexnet_sc": "structural_content",
    "alexnet_ssim": "ssim",
}


@public_function
def feature_maps(
    metric: str,
    *,
    net: str = "alexnet",
    taps: tuple[str, ...] = TAPS,
    parameters: Tree | None = None,
) -> Metric:
    """Any full-reference metric on the feature maps of any network.

    Args:
        metric: The name of a metric that takes images of one channel.
        net: A name of `jiqa.deep.backbones.BACKBONES`.
        taps: Names of the network's features, at least one.
        parameters: Of the network; None loads pretrained ones.

    Returns:
        The metric, with the facts of that which it applies; its further options are `data_range`,
        and `weights` where that takes them. It is registered as "feature_maps_" and that name.

    Raises:
        ValueError: Unknown metric, or one that is not full-reference, is itself learned, or has no
            score of equal images.
        ValueError, OSError: The parameters cannot be had; see `jiqa.weights`.

    >>> import numpy as np
    >>> from jiqa.deep.backbones import BACKBONES
    >>> random = BACKBONES["vgg11"].initialize(np.random.default_rng(0), ["features"])
    >>> deep_gmsd = feature_maps("gmsd", net="vgg11", taps=("relu2_1",), parameters=random)
    >>> image = jnp.linspace(0, 1, 24 * 24).reshape(24, 24, 1)
    >>> float(deep_gmsd(image, image)), deep_gmsd.higher_is_better
    (0.0, False)
    """
    name = f"feature_maps_{metric}"
    _register(name, metric)
    options = {"net": net, "taps": taps}
    if parameters is None:
        return load(name, **options)
    return replace(find(name), options=MappingProxyType(options), parameters=parameters)


def _score(
    parameters: Tree,
    reference: jax.Array,
    distorted: jax.Array,
    *,
    applied: Metric,
    data_range: float = 1.0,
    net: str = "alexnet",
    taps: tuple[str, ...] = TAPS,
    weights: jax.Array | None = None,
) -> jax.Array:
    """The mean over layers of what a metric gives on their maps."""
    x, y = extract_pair(parameters, reference, distorted, data_range, net, taps)
    return _mean_of_layers(applied, x, y, weights)


def _map(
    parameters: Tree,
    reference: jax.Array,
    distorted: jax.Array,
    *,
    applied: Metric,
    data_range: float = 1.0,
    net: str = "alexnet",
    taps: tuple[str, ...] = TAPS,
) -> jax.Array:
    """The maps of layers, `[..., H, W]` at the resolution of the images, averaged."""
    x, y = extract_pair(parameters, reference, distorted, data_range, net, taps)
    layers = [resize(layer_map(applied, x[tap], y[tap]), *reference.shape[-3:-1]) for tap in taps]
    return jnp.mean(jnp.stack(layers), 0)


def _features(
    parameters: Tree,
    reference: jax.Array,
    *,
    name: str,
    data_range: float = 1.0,
    net: str = "alexnet",
    taps: tuple[str, ...] = TAPS,
) -> Features:
    """The maps of a reference, `[..., h, w, c]` by tap."""
    maps = extract(parameters, reference, data_range, net, taps)
    return Features.of(name, {"net": net, "taps": taps}, maps)


def _distance(
    parameters: Tree,
    features: Features,
    distorted: jax.Array,
    *,
    name: str,
    applied: Metric,
    data_range: float = 1.0,
    weights: jax.Array | None = None,
) -> jax.Array:
    """The score of distorted images against the maps of their reference."""
    x, y = prepared_pair(parameters, name, features, distorted, data_range)
    return _mean_of_layers(applied, x, y, weights)


def _mean_of_layers(metric: Metric, x: Maps, y: Maps, weights: jax.Array | None) -> jax.Array:
    scores = [layer_scores(metric, x[tap], y[tap], weights) for tap in y]
    return jnp.mean(jnp.stack(scores), 0)


def layer_scores(
    metric: Metric, reference: jax.Array, distorted: jax.Array, weights: jax.Array | None = None
) -> jax.Array:
    """A metric on the maps of one layer, each compared by itself, and their mean.

    Args:
        metric: A metric without parameters.
        reference: Maps `[..., h, w, c]`.
        distorted: The same shape.
        weights: Pooling weights `[..., H, W]` at the resolution of the images, or None.

    Returns:
        `[...]`.

    >>> maps = jnp.arange(32.0).reshape(4, 4, 2)
    >>> print(layer_scores(find("mae"), maps, maps + maps.max()).round(4))
    0.5
    """
    x, y = _as_images(reference, distorted)
    height, width = x.shape[-3:-1]
    given: dict[str, Any] = _options(metric, height, width)
    if weights is not None:
        given["weights"] = resize(weights, height, width)[..., None, :, :]
    try:
        scores = metric(x, y, data_range=1.0, **given)
    except ValueError as error:
        raise ValueError(f"on feature maps of {height} x {width}: {error}") from error
    return mean_of_maps(scores, _lives(x, y) & jnp.isfinite(scores), fill=_identical(metric))


def layer_map(metric: Metric, reference: jax.Array, distorted: jax.Array) -> jax.Array:
    """The map of a metric on the maps of one layer, averaged over them.

    Args:
        metric: A metric without parameters that is a pooled map.
        reference: Maps `[..., h, w, c]`.
        distorted: The same shape.

    Returns:
        `[..., h, w]`; where windows do not reach, the nearest value.

    >>> maps = jnp.arange(32.0).reshape(4, 4, 2)
    >>> layer_map(find("ssim"), maps, maps + 1).shape
    (4, 4)
    """
    local, counts = local_scores(metric, reference, distorted)
    mean = mean_of_maps(local, counts[..., None, None, :], fill=_identical(metric))
    missing = [reference.shape[axis - 1] - mean.shape[axis] for axis in (-2, -1)]
    borders = [(0, 0)] * (mean.ndim - 2) + [(count // 2, count - count // 2) for count in missing]
    return jnp.pad(mean, borders, mode="edge")


def local_scores(
    metric: Metric, reference: jax.Array, distorted: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """The map of a metric on each map of one layer.

    Args:
        metric: A metric without parameters that is a pooled map.
        reference: Maps `[..., h, w, c]`.
        distorted: The same shape.

    Returns:
        `[..., h', w', c]`, as far as windows reach, and which maps count, `[..., c]`.

    >>> maps = jnp.ones((12, 15, 2)).at[..., 1].set(0)
    >>> local, counts = local_scores(find("ssim"), maps, maps)
    >>> local.shape, counts.tolist()
    ((2, 5, 2), [True, False])
    """
    x, y = _as_images(reference, distorted)
    function = metric.map_function
    assert function is not None
    local = function(x, y, data_range=1.0, **_options(metric, *x.shape[-3:-1]))
    return jnp.moveaxis(local, -3, -1), _lives(x, y)


def mean_of_maps(values: jax.Array, counts: jax.Array, fill: float) -> jax.Array:
    """The mean over the maps that count.

    Args:
        values: `[..., c]`.
        counts: Booleans that broadcast with them.
        fill: The mean where no map counts.

    Returns:
        `[...]`.

    >>> print(mean_of_maps(jnp.array([1.0, jnp.inf]), jnp.array([True, False]), 0.0))
    1.0
    """
    total = jnp.sum(jnp.where(counts, values, 0), -1)
    return safe_divide(total, jnp.sum(counts, -1, dtype=total.dtype), fill)


def _as_images(x: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Maps `[..., h, w, c]` as images of one channel in [0, 1], `[..., c, h, w, 1]`."""
    largest = jnp.maximum(jnp.abs(x), jnp.abs(y)).max((-3, -2, -1), keepdims=True)
    x, y = (jnp.moveaxis(safe_divide(maps, largest), -1, -3)[..., None] for maps in (x, y))
    return x, y


def _lives(x: jax.Array, y: jax.Array) -> jax.Array:
    """Whether images of one channel are not zero everywhere in both."""
    return jnp.any((x != 0) | (y != 0), (-3, -2, -1))


def _options(metric: Metric, height: int, width: int) -> dict[str, Any]:
    """Options of a metric that keep it finite, and its window within the maps."""
    given = dict(metric.loss_options)
    defaults = inspect.signature(metric.function).parameters
    side = min(height, width)
    if "window_size" in defaults:
        given["window_size"] = min(defaults["window_size"].default, side)
        if side < 4 and "window" in defaults:
            given["window"] = "uniform"
    return given


def _identical(metric: Metric) -> float:
    """The score of equal images, with the options that keep it finite."""
    assert metric.identical is not None
    return min(metric.identical, metric.loss_options.get("cap", float("inf")))


@functools.cache
def _register(name: str, applied: str) -> None:
    """Registers a metric on feature maps with its map, where it has one, and for `prepare`."""
    metric = find(applied)
    if metric.kind != "full_reference" or metric.learned or metric.identical is None:
        raise ValueError(
            f"feature_maps: {applied} cannot be applied; give a full-reference metric without "
            "parameters that has a score of equal images."
        )
    decorate = registry.metric(
        kind="full_reference",
        higher_is_better=metric.higher_is_better,
        score_range=metric.score_range,
        identical=_identical(metric),
        differentiable=metric.differentiable,
        color=COLOR,
        paper=PAPER,
        parameters=load_backbone,
    )
    what = f"{metric.summary.rstrip('.')}, of feature maps; see `jiqa.deep.feature_maps`."
    members = {
        "": (decorate, _fix(_score, applied=metric)),
        "_features": (image_function, _fix(_features, name=name)),
        "_distance": (image_function, _fix(_distance, name=name, applied=metric)),
    }
    if metric.map_function is not None:
        members["_map"] = (image_function, _fix(_map, applied=metric))
    for ending, (decorator, function) in members.items():
        function.__name__ = function.__qualname__ = name + ending
        function.__doc__ = what if not ending else function.__doc__
        globals()[name + ending] = decorator(function)


def _fix(function: Callable[..., Any], **fixed: Any) -> Callable[..., Any]:
    """A function without those of its options that are fixed, nor `weights` that nothing takes."""

    @functools.wraps(function)
    def bound(*args: Any, **options: Any) -> Any:
        return function(*args, **options, **fixed)

    signature = inspect.signature(function)
    metric = fixed.get("applied")
    unweighted = metric and "weights" not in inspect.signature(metric.function).parameters
    gone = {*fixed, "weights"} if unweighted else {*fixed}
    kept = [p for name, p in signature.parameters.items() if name not in gone]
    bound.__signature__ = signature.replace(parameters=kept)  # type: ignore[attr-defined]
    return bound


for _name, _applied in SURVEYED.items():
    _register(_name, _applied)
