"""DeepWSD: Wasserstein distance of deep features.

Liao, Chen, Zhu, Wang, Zhou and Kwong, "DeepWSD: projecting degradations in perceptual space to
Wasserstein distance in deep feature space", ACM Multimedia 2022, in the convention of the authors'
DeepWSD.py of October 2022. The image itself and five stages of VGG16, whose pooling is that of
DISTS, are compared part by part, each as two distributions of energy over 16 places: by the squared
Wasserstein distance of order 2, plus the squared difference with a weight that falls as that
distance grows.

As in that code, images in [0, 1] are not normalised for the network, energies are relative to the
sum over the whole layer and so are no probabilities, and the 16 places of a part are equally far
apart in the sequence of all channels, rows and columns, and no window of 4 x 4 pixels.
"""

from functools import partial

import jax
import jax.numpy as jnp

from jiqa.core.color import gray_to_rgb
from jiqa.core.features import Features, check_channels
from jiqa.core.registry import image_function, metric
from jiqa.deep.backbones.backbone import Tree
from jiqa.deep.backbones.layers import l2_pool
from jiqa.deep.backbones.vgg import vgg16
from jiqa.deep.dists import STAGES, TAPS
from jiqa.deep.maps import COLOR, Maps, load_backbone
from jiqa.deep.pairs import pair_features

PAPER = 'Liao, Chen, Zhu, Wang, Zhou and Kwong, "DeepWSD: projecting degradations in perceptual '
PAPER += 'space to Wasserstein distance in deep feature space", ACM Multimedia 2022'
SIDE = 256  # to which the longer side of images is reduced, about
EPSILON = 1e-6


@metric(
    kind="full_reference",
    higher_is_better=False,
    score_range=(0, float("inf")),
    identical=0,
    paper=PAPER,
    color=COLOR,
    loss_options={"logarithmic": False},
    parameters=partial(load_backbone, "vgg16"),
)
def deepwsd(
    parameters: Tree,
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    downsample: bool = True,
    logarithmic: bool = True,
) -> jax.Array:
    """Wasserstein distance between the deep features of two images.

    Args:
        parameters: Of VGG16, a tree as of `jiqa.weights`: `jiqa.load("deepwsd").parameters`.
        reference: Images `[..., H, W, C]`, C 1 or 3, in [0, data_range].
        distorted: The same shape and dtype.
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        downsample: Whether images are first reduced by `round(max(H, W) / 256)`, means of as many
            pixels. Where that is 5 or more, distributions have 256 places.
        logarithmic: Whether the score is `log(1 + distance)`, as the authors assess quality; as a
            loss it is the distance. (Of images that are reduced they square the logarithm, which
            does not change ranks.)

    Returns:
        `[...]` from 0, which equal images give.

    Raises:
        ValueError: Images are too small for the network (16 pixels).

    >>> import numpy as np
    >>> features = vgg16.initialize(np.random.default_rng(0), ["features"])
    >>> black, white = jnp.zeros((16, 16, 3)), jnp.ones((16, 16, 3))
    >>> bool(deepwsd(features, black, white) > 0)
    True
    """
    features = partial(_features, data_range=data_range, downsample=downsample)
    return _compare(*pair_features(features, parameters, reference, distorted), logarithmic)


@image_function
def deepwsd_features(
    parameters: Tree, reference: jax.Array, *, data_range: float = 1.0, downsample: bool = True
) -> Features:
    """What `deepwsd` compares of a reference, to be used many times; arguments as there.

    Returns:
        `[..., places, parts]` by stage; the first is the image.
    """
    values = _features(parameters, reference, data_range, downsample)
    return Features.of("deepwsd", {"downsample": downsample}, values)


@image_function
def deepwsd_distance(
    parameters: Tree,
    features: Features,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    logarithmic: bool = True,
) -> jax.Array:
    """The distance of images from what `deepwsd_features` kept of the reference.

    Args:
        parameters: As in `deepwsd`, those with which the features were made.
        features: Of the reference.
        distorted: Images `[..., H, W, C]` of the reference's size; leading axes broadcast.
        data_range: As in `deepwsd`.
        logarithmic: As in `deepwsd`.

    Returns:
        `[...]`, as `deepwsd`.

    Raises:
        ValueError: The features are another metric's, or of an image of another size.
    """
    own = _features(parameters, distorted, data_range, **features.options_of("deepwsd"))
    for stage in STAGES:
        check_channels("deepwsd", features.values[stage], own[stage])
    return _compare(features.values, own, logarithmic)


def _features(parameters: Tree, images: jax.Array, data_range: float, downsample: bool) -> Maps:
    """The image in [0, 1] and its features, each `[..., places, parts]`."""
    images = gray_to_rgb(images) / data_range
    factor = max(1, round(max(images.shape[-3:-1]) / SIDE)) if downsample else 1
    window = 16 if factor >= 5 else 4
    images = _box_means(images, factor)
    stages = {"image": images, **vgg16(parameters, images, TAPS, pool=l2_pool)}
    return {stage: _parts(maps, window) for stage, maps in stages.items()}


def _box_means(images: jax.Array, factor: int) -> jax.Array:
    """Means of `factor` x `factor` pixels; what is left at the end is cut off."""
    *batch, height, width, channels = images.shape
    rows, columns = height // factor, width // factor
    cut = images[..., : rows * factor, : columns * factor, :]
    return cut.reshape(*batch, rows, factor, columns, factor, channels).mean((-4, -2))


def _parts(maps: jax.Array, window: int) -> jax.Array:
    """Maps in the order of channels, rows, columns, in `window^2` equally long pieces.

    Their sides are first brought to the nearest multiple of the window, at least one: rows at the
    bottom and columns at the left are cut off or filled with zeros.
    """
    height, width = maps.shape[-3:-1]
    rows, columns = (max(1, round(n / window)) * window for n in (height, width))
    borders = [(0, 0, 0)] * maps.ndim
    borders[-3:-1] = (0, rows - height, 0), (columns - width, 0, 0)
    maps = jax.lax.pad(maps, jnp.zeros((), maps.dtype), borders)
    return jnp.moveaxis(maps, -1, -3).reshape(*maps.shape[:-3], window**2, -1)


def _compare(x: Maps, y: Maps, logarithmic: bool) -> jax.Array:
    """The mean over stages."""
    total = sum(_stage_distance(x[stage], y[stage]) for stage in STAGES)
    distance = jnp.asarray(total) / len(STAGES)
    return jnp.log1p(distance) if logarithmic else distance


def _stage_distance(x: jax.Array, y: jax.Array) -> jax.Array:
    """The sum over parts of `[..., places, parts]`."""
    transport = _squared_wasserstein(_cumulative_energy(x), _cumulative_energy(y))
    difference = jnp.sum((x - y) ** 2, -2)
    weight = jnp.exp(0.5 / (transport + 10)) / (transport + 10) ** 2
    return jnp.sum(transport + weight * difference, -1)


def _cumulative_energy(x: jax.Array) -> jax.Array:
    total = jnp.sum(x, (-2, -1), keepdims=True)
    return jnp.cumsum(x * x / (total + EPSILON), -2)


def _squared_wasserstein(u: jax.Array, v: jax.Array) -> jax.Array:
    """The squared distance of order 2 between masses at the places 0, 1, ..., n - 1.

    The integral of the squared difference of both quantile functions. These rise by one at each of
    the cumulative masses but the last, so that it is the sum of |u_j - v_k| less half the sums of
    |u_j - u_k| and |v_j - v_k| over all pairs of places.

    Args:
        u: Cumulative masses `[..., n, parts]`.
        v: The same shape.

    Returns:
        `[..., parts]`.
    """
    u, v = u[..., :-1, :], v[..., :-1, :]

    @jax.checkpoint
    def add_pairs(shift: int, total: jax.Array) -> jax.Array:
        u_later, v_later = (jnp.roll(z, shift, -2) for z in (u, v))
        own = jnp.abs(u - u_later) + jnp.abs(v - v_later)
        return total + jnp.sum(jnp.abs(u - v_later) - own / 2, -2)

    return jax.lax.fori_loop(0, u.shape[-2], add_pairs, jnp.zeros_like(u[..., 0, :] + v[..., 0, :]))
