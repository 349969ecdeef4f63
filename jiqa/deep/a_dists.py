"""Locally adaptive structure and texture similarity.

Ding, Liu, Zou, Wang and Ma, "Locally adaptive structure and texture similarity for image quality
assessment", ACM Multimedia 2021, in the convention of the authors' A-DISTS.py. As DISTS
(`jiqa.deep.dists`) it compares means (texture) and covariances (structure) of the image itself and
of five stages of VGG16, but in windows, and how much either counts depends on the place: the more
the reference disperses there (the ratio of variance to mean), the more structure. Channels are
weighted by the entropy of the reference; nothing is fitted to opinions.

The authors' repository also has an earlier program, ADISTS_pt.py, which has thresholds of
dispersion for each stage in place of its product over stages, and all channels alike; it gives
other values.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from jiqa.core.arrays import safe_divide, safe_sqrt, similarity
from jiqa.core.features import Features, check_channels
from jiqa.core.filters import correlate_separable, gaussian_window
from jiqa.core.registry import image_function, metric
from jiqa.deep.backbones.backbone import Tree
from jiqa.deep.dists import STAGES, stage_features
from jiqa.deep.maps import COLOR, Maps, layer_mean, load_backbone, resize
from jiqa.deep.pairs import pair_features

PAPER = 'Ding, Liu, Zou, Wang and Ma, "Locally adaptive structure and texture similarity for image '
PAPER += 'quality assessment", ACM Multimedia 2021'
WINDOW = gaussian_window(21, 7.0)
CONSTANT = 1e-6  # of both similarities
EPSILON = 1e-12  # added to means and under logarithms


@metric(
    kind="full_reference",
    higher_is_better=False,
    score_range=(0, 2),
    identical=0,
    paper=PAPER,
    color=COLOR,
    parameters=partial(load_backbone, "vgg16"),
)
def a_dists(
    parameters: Tree,
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    weights: jax.Array | None = None,
) -> jax.Array:
    """Distance of deep features by texture or by structure, as the place demands.

    Args:
        parameters: Of VGG16, a tree as of `jiqa.weights`: `jiqa.load("a_dists").parameters`.
        reference: Images `[..., H, W, C]`, C 1 or 3, in [0, data_range].
        distorted: The same shape and dtype.
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        weights: Pooling weights `[..., H, W]`, or None; resampled to each stage's size. Stages
            whose shorter side is below 21 pixels are compared as a whole, without them.

    Returns:
        `[...]` from 0, which equal images give; up to 1 unless structures are opposed.

    Raises:
        ValueError: Images are too small for the network (16 pixels).

    >>> from jiqa.deep.backbones.vgg import vgg16
    >>> features = vgg16.initialize(np.random.default_rng(0), ["features"])
    >>> black, white = jnp.zeros((16, 16, 3)), jnp.ones((16, 16, 3))
    >>> bool(a_dists(features, black, white) > 0)
    True
    """
    features = partial(stage_features, data_range=data_range)
    x, y = pair_features(features, parameters, reference, distorted)
    return _distance(x, y, weights)


@image_function
def a_dists_map(
    parameters: Tree, reference: jax.Array, distorted: jax.Array, *, data_range: float = 1.0
) -> jax.Array:
    """Where images differ: the sum of the stages' maps, interpolated; arguments as in `a_dists`.

    Returns:
        `[..., H, W]`. Its mean is about the score, and not exactly, as windows do not reach the
        borders.
    """
    features = partial(stage_features, data_range=data_range)
    x, y = pair_features(features, parameters, reference, distorted)
    maps = []
    for stage, local in _local_distances(x, y).items():
        missing = x[stage].shape[-3] - local.shape[-2], x[stage].shape[-2] - local.shape[-1]
        borders = [(0, 0)] * (local.ndim - 2) + [(n // 2, n - n // 2) for n in missing]
        whole = jnp.pad(local, borders, mode="edge")
        maps.append(resize(whole, *reference.shape[-3:-1]))
    return jnp.sum(jnp.stack(maps), 0)


@image_function
def a_dists_features(
    parameters: Tree, reference: jax.Array, *, data_range: float = 1.0
) -> Features:
    """What `a_dists` compares of a reference, to be used many times; arguments as there.

    Returns:
        Features `[..., h, w, c]` by stage; the first is the image.
    """
    values = stage_features(parameters, reference, data_range=data_range)
    return Features.of("a_dists", {}, values)


@image_function
def a_dists_distance(
    parameters: Tree,
    features: Features,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    weights: jax.Array | None = None,
) -> jax.Array:
    """The distance of images from what `a_dists_features` kept of the reference.

    Args:
        parameters: As in `a_dists`, those with which the features were made.
        features: Of the reference.
        distorted: Images `[..., H, W, C]` of the reference's size; leading axes broadcast.
        data_range: As in `a_dists`.
        weights: As in `a_dists`.

    Returns:
        `[...]`, as `a_dists`.

    Raises:
        ValueError: The features are another metric's, or of an image of another size.
    """
    features.options_of("a_dists")
    own = stage_features(parameters, distorted, data_range=data_range)
    check_channels("a_dists", features.values["image"], own["image"], axes=3)
    return _distance(features.values, own, weights)


def _distance(x: Maps, y: Maps, weights: jax.Array | None) -> jax.Array:
    """The sum over stages of the means of their maps."""
    terms = [
        layer_mean(local, weights, x[stage].shape[-3:-1])
        for stage, local in _local_distances(x, y).items()
    ]
    return jnp.sum(jnp.stack(terms), 0)


def _local_distances(x: Maps, y: Maps) -> Maps:
    """Distances of all channels of a stage, weighted and summed, `[..., h', w']`, by stage."""
    structure_shares, channel_shares = _structure_shares(x), _channel_shares(x)
    return {
        stage: jnp.sum(
            channel_shares[stage] * _dissimilarity(x[stage], y[stage], structure_shares[stage]), -1
        )
        for stage in STAGES
    }


def _dissimilarity(x: jax.Array, y: jax.Array, share: jax.Array) -> jax.Array:
    """One less the similarity of maps in windows: of means, and by its share of covariances.

    Args:
        x: Maps `[..., h, w, c]`.
        y: The same shape.
        share: How much structure counts, `[..., h', w', 1]`.

    Returns:
        `[..., h', w', c]`.
    """
    x, y = _unit_energy(x), _unit_energy(y)
    x_mean, y_mean, power, apart = (_window_mean(z) for z in (x, y, x * x + y * y, (x - y) ** 2))
    variances = power - x_mean**2 - y_mean**2
    # The sum of variances less twice the covariance, which is not lost in their digits.
    difference = jnp.maximum(apart - (x_mean - y_mean) ** 2, 0)
    texture = 1 - similarity(x_mean, y_mean, CONSTANT)
    structure = difference / (variances + CONSTANT)
    return (1 - share) * texture + share * structure


def _structure_shares(x: Maps) -> Maps:
    """How much structure counts in each window, from 0 to 1, `[..., h', w', 1]`, by stage."""
    shares: Maps = {}
    product = None
    for stage in reversed(STAGES):
        dispersion = _dispersion(x[stage])
        height, width = dispersion.shape[-3:-1]
        if _fits(x[stage]):
            share = _rescale(jax.nn.sigmoid(_standardize(dispersion)))
        else:
            share = jax.nn.sigmoid(dispersion)
        if product is not None:
            share = share * _interpolate(product, height, width)
        product = _rescale(share) if _fits(x[stage]) else share
        shares[stage] = product
    return shares


def _dispersion(maps: jax.Array) -> jax.Array:
    """The ratio of variance to mean in each window, averaged over channels, `[..., h', w', 1]`."""
    mean = _window_mean(maps)
    variance = _window_mean(maps * maps) - mean**2
    return jnp.mean(variance / (mean + EPSILON), -1, keepdims=True)


def _channel_shares(x: Maps) -> Maps:
    """Weights of channels by entropy, `[..., 1, 1, c]` by stage; their sum over stages is 1."""
    shares = jnp.concatenate([_relative_entropy(x[stage]) for stage in STAGES], -1)
    shares = safe_divide(shares, jnp.sum(shares, -1, keepdims=True), fill=1 / shares.shape[-1])
    mean = jnp.mean(shares, -1, keepdims=True)
    deviation = safe_sqrt(jnp.mean((shares - mean) ** 2, -1, keepdims=True))
    shares = jnp.clip(shares, mean - deviation / 2, mean + deviation / 2)
    shares /= jnp.sum(shares, -1, keepdims=True)
    ends = np.cumsum([x[stage].shape[-1] for stage in STAGES])[:-1]
    return dict(zip(STAGES, jnp.split(shares, ends, -1), strict=True))


def _relative_entropy(maps: jax.Array) -> jax.Array:
    """The entropy of each map as a distribution over places, relative to the mean of all maps."""
    values = jnp.maximum(maps, 0)
    values = safe_divide(values, jnp.sum(values, (-3, -2), keepdims=True))
    entropy = jnp.sum(-values * jnp.log2(values + EPSILON), (-3, -2), keepdims=True)
    return safe_divide(entropy, jnp.mean(entropy, -1, keepdims=True))


def _unit_energy(maps: jax.Array) -> jax.Array:
    """Each map divided by the root of its sum of squares."""
    return safe_divide(maps, safe_sqrt(jnp.sum(maps * maps, (-3, -2), keepdims=True)))


def _fits(maps: jax.Array) -> bool:
    """Whether windows fit into maps `[..., h, w, c]`."""
    return min(maps.shape[-3:-1]) >= len(WINDOW)


def _window_mean(maps: jax.Array) -> jax.Array:
    """Means in windows, `[..., h', w', c]`; over maps that are smaller, their mean."""
    if _fits(maps):
        return correlate_separable(maps, WINDOW)
    return jnp.mean(maps, (-3, -2), keepdims=True)


def _standardize(maps: jax.Array) -> jax.Array:
    """Less the mean over places, divided by their sample deviation; 0 where all are equal."""
    mean = jnp.mean(maps, (-3, -2), keepdims=True)
    count = maps.shape[-3] * maps.shape[-2]
    variance = jnp.sum((maps - mean) ** 2, (-3, -2), keepdims=True) / max(count - 1, 1)
    return safe_divide(maps - mean, safe_sqrt(variance))


def _rescale(maps: jax.Array) -> jax.Array:
    """From 0 at the lowest to 1 at the highest place; 0 where all are equal."""
    lowest = jnp.min(maps, (-3, -2), keepdims=True)
    highest = jnp.max(maps, (-3, -2), keepdims=True)
    return safe_divide(maps - lowest, highest - lowest)


def _interpolate(maps: jax.Array, height: int, width: int) -> jax.Array:
    """Maps `[..., h, w, c]` interpolated linearly between corners that stay, `[..., H, W, c]`."""
    down, across = (
        jnp.asarray(_between_corners(source, target), maps.dtype)
        for source, target in zip(maps.shape[-3:-1], (height, width), strict=True)
    )
    return jnp.einsum("ih,...hwc,jw->...ijc", down, maps, across, precision="highest")


def _between_corners(source: int, target: int) -> np.ndarray:
    """Weights `[target, source]` with which samples contribute to an interpolated axis."""
    places = np.linspace(0, source - 1, target)[:, None]
    return np.maximum(0, 1 - np.abs(places - np.arange(source)))
