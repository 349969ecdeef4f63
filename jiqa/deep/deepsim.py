"""DeepSim: local similarity of the features of a network trained to recognise objects.

Gao, Wang, Li, Tan, Yu and Zhu, "DeepSim: deep similarity for image quality assessment",
Neurocomputing 257, 2017. Each map of a layer of VGG16 is compared with that of the other image as
SSIM compares images; local similarities are pooled over the map, then over maps, then over layers.
No code is published. As the paper finds that features of the middle are best and that rectification
helps, the layers are relu3_3 and relu4_3; constants are relative to the largest value of a layer,
as in `jiqa.deep.feature_maps`.
"""

import jax
import jax.numpy as jnp

from jiqa.core import pooling
from jiqa.core.features import Features
from jiqa.core.registry import find, image_function, metric
from jiqa.deep.backbones.backbone import Tree
from jiqa.deep.feature_maps import layer_map, local_scores, mean_of_maps
from jiqa.deep.maps import (
    COLOR,
    Maps,
    extract,
    extract_pair,
    layer_weights,
    load_backbone,
    prepared_pair,
    resize,
)

PAPER = 'Gao, Wang, Li, Tan, Yu and Zhu, "DeepSim: deep similarity for image quality assessment", '
PAPER += "Neurocomputing 257, 2017"
TAPS = ("relu3_3", "relu4_3")
POOLINGS = ("mean", "deviation")
SSIM = find("ssim")


@metric(
    kind="full_reference",
    higher_is_better=True,
    score_range=(-1, 1),
    identical=1,
    paper=PAPER,
    color=COLOR,
    protocols={"deepsim_alexnet": {"net": "alexnet", "taps": ("relu2", "relu3")}},
    parameters=load_backbone,
)
def deepsim(
    parameters: Tree,
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    net: str = "vgg16",
    taps: tuple[str, ...] = TAPS,
    pool: str = "mean",
    weights: jax.Array | None = None,
) -> jax.Array:
    """Structural similarity of the features of a deep network.

    Args:
        parameters: Of the network, a tree as of `jiqa.weights`: `jiqa.load("deepsim").parameters`.
        reference: Images `[..., H, W, C]`, C 1 or 3, in [0, data_range].
        distorted: The same shape and dtype.
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        net: A name of `jiqa.deep.backbones.BACKBONES`.
        taps: Names of the network's features.
        pool: "mean" of local similarities, or "deviation": one less their standard deviation.
        weights: Pooling weights `[..., H, W]`, or None; resampled to each layer's size.

    Returns:
        `[...]` from -1 to 1, 1 for equal images.

    Raises:
        ValueError: Unknown network, features or pooling, or images too small for them.

    >>> import numpy as np
    >>> from jiqa.deep.backbones.vgg import vgg11
    >>> features = vgg11.initialize(np.random.default_rng(0), ["features"])
    >>> image = jnp.linspace(0, 1, 24 * 24).reshape(24, 24, 1)
    >>> print(deepsim(features, image, image, net="vgg11", taps=("relu2_1",)).round(4))
    1.0
    """
    x, y = extract_pair(parameters, reference, distorted, data_range, net, taps)
    return _pool(x, y, pool, weights)


@image_function
def deepsim_map(
    parameters: Tree,
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    net: str = "vgg16",
    taps: tuple[str, ...] = TAPS,
) -> jax.Array:
    """Where features are alike: the layers' maps, interpolated and averaged; arguments as there.

    Returns:
        `[..., H, W]`. Its mean is about the score, and not exactly, as windows do not reach the
        borders.
    """
    x, y = extract_pair(parameters, reference, distorted, data_range, net, taps)
    size = reference.shape[-3:-1]
    return jnp.mean(jnp.stack([resize(layer_map(SSIM, x[tap], y[tap]), *size) for tap in taps]), 0)


@image_function
def deepsim_features(
    parameters: Tree,
    reference: jax.Array,
    *,
    data_range: float = 1.0,
    net: str = "vgg16",
    taps: tuple[str, ...] = TAPS,
) -> Features:
    """What `deepsim` compares of a reference, to be used many times; arguments as there.

    Returns:
        Maps `[..., h, w, c]` by layer.
    """
    maps = extract(parameters, reference, data_range, net, taps)
    return Features.of("deepsim", {"net": net, "taps": taps}, maps)


@image_function
def deepsim_distance(
    parameters: Tree,
    features: Features,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    pool: str = "mean",
    weights: jax.Array | None = None,
) -> jax.Array:
    """The similarity of images to what `deepsim_features` kept of the reference.

    Args:
        parameters: As in `deepsim`, those with which the features were made.
        features: Of the reference.
        distorted: Images `[..., H, W, C]` of the reference's size; leading axes broadcast.
        data_range: As in `deepsim`.
        pool: As in `deepsim`.
        weights: As in `deepsim`.

    Returns:
        `[...]`, as `deepsim`.

    Raises:
        ValueError: The features are another metric's, or of an image of another size.
    """
    x, y = prepared_pair(parameters, "deepsim", features, distorted, data_range)
    return _pool(x, y, pool, weights)


def _pool(x: Maps, y: Maps, pool: str, weights: jax.Array | None) -> jax.Array:
    """Local similarities pooled over places, then maps, then layers."""
    if pool not in POOLINGS:
        raise ValueError(f"deepsim: pool={pool!r} is unknown; use {' or '.join(POOLINGS)}.")
    layers = []
    for tap in y:
        local, counts = local_scores(SSIM, x[tap], y[tap])
        fitted = layer_weights(weights, y[tap].shape[-3:-1], local.shape[-3:-1])
        if pool == "mean":
            scores = pooling.mean(local, fitted)
        else:
            scores = 1 - pooling.standard_deviation(local, fitted)
        layers.append(mean_of_maps(scores, counts, fill=1.0))
    return jnp.mean(jnp.stack(layers), 0)
