"""Contextual loss: whether every feature of the reference has its like somewhere in the image.

Mechrez, Talmi and Zelnik-Manor, "The contextual loss for image transformation with non-aligned
data", ECCV 2018, in the convention of the authors' code: features of VGG19 at relu3_2 and relu4_2,
cosine distances after the reference's mean is removed, relative to the nearest, a bandwidth of 0.5,
and of maps of more than 65 x 65 places as many, chosen at random (here always the same).

The distances of all places of one image to all of the other are never in memory together: the
image's places are taken some at a time, also for the gradient.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from jiqa.core.arrays import safe_log, to_unit
from jiqa.core.features import Features
from jiqa.core.registry import image_function, metric
from jiqa.deep.backbones.backbone import Tree
from jiqa.deep.maps import COLOR, Maps, extract, load_backbone
from jiqa.deep.pairs import pair_features

PAPER = 'Mechrez, Talmi and Zelnik-Manor, "The contextual loss for image transformation with '
PAPER += 'non-aligned data", ECCV 2018'
TAPS = ("relu3_2", "relu4_2")
EPSILON = 1e-5  # added to the nearest distance
AT_ONCE = 2**22  # distances in memory together, for each image


@metric(
    kind="full_reference",
    higher_is_better=False,
    score_range=(0, float("inf")),
    identical=0,
    paper=PAPER,
    color=COLOR,
    protocols={"contextual_loss_vgg16": {"net": "vgg16"}},
    parameters=load_backbone,
)
def contextual_loss(
    parameters: Tree,
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    net: str = "vgg19",
    taps: tuple[str, ...] = TAPS,
    bandwidth: float = 0.5,
    places: int | None = 65**2,
) -> jax.Array:
    """Negative logarithm of how alike two images are as collections of features.

    Args:
        parameters: Of the network, a tree as of `jiqa.weights`:
            `jiqa.load("contextual_loss").parameters`.
        reference: Images `[..., H, W, C]`, C 1 or 3, in [0, data_range].
        distorted: The same shape and dtype.
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        net: A name of `jiqa.deep.backbones.BACKBONES`.
        taps: Names of the network's features; layers are averaged.
        bandwidth: How fast likeness falls with distance; the paper's h.
        places: At most as many places of a layer are compared; None for all.

    Returns:
        `[...]` from 0, which equal images give whose features differ from place to place; where
        they are the same everywhere, the logarithm of the number of places.

    Raises:
        ValueError: Unknown network or features, or images too small for it.

    >>> from jiqa.deep.backbones.vgg import vgg11
    >>> features = vgg11.initialize(np.random.default_rng(0), ["features"])
    >>> image = jax.random.uniform(jax.random.key(0), (16, 16, 3))
    >>> print(abs(contextual_loss(features, image, image, net="vgg11", taps=("relu2_1",)).round(4)))
    0.0
    """
    vectors = partial(_vectors, data_range=data_range, net=net, taps=taps, places=places)
    return _loss(*pair_features(vectors, parameters, reference, distorted), bandwidth)


@image_function
def contextual_loss_features(
    parameters: Tree,
    reference: jax.Array,
    *,
    data_range: float = 1.0,
    net: str = "vgg19",
    taps: tuple[str, ...] = TAPS,
    places: int | None = 65**2,
) -> Features:
    """What `contextual_loss` compares of a reference, to be used many times; arguments as there.

    Returns:
        Vectors `[..., places, c]` by layer.
    """
    vectors = _vectors(parameters, reference, data_range, net, taps, places)
    return Features.of("contextual_loss", {"net": net, "taps": taps, "places": places}, vectors)


@image_function
def contextual_loss_distance(
    parameters: Tree,
    features: Features,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    bandwidth: float = 0.5,
) -> jax.Array:
    """The loss of images against what `contextual_loss_features` kept of the reference.

    Args:
        parameters: As in `contextual_loss`, those with which the features were made.
        features: Of the reference.
        distorted: Images `[..., H, W, C]` of any size; leading axes broadcast.
        data_range: As in `contextual_loss`.
        bandwidth: As in `contextual_loss`.

    Returns:
        `[...]`, as `contextual_loss`.

    Raises:
        ValueError: The features are another metric's.
    """
    options = features.options_of("contextual_loss")
    return _loss(features.values, _vectors(parameters, distorted, data_range, **options), bandwidth)


def contextual_similarity(
    reference: jax.Array, distorted: jax.Array, *, bandwidth: float = 0.5, at_once: int = AT_ONCE
) -> jax.Array:
    """How well the vectors of one collection are found in another, CX of the paper.

    Args:
        reference: Vectors `[..., n, c]`, each of which should be found.
        distorted: Vectors `[..., m, c]` among which it is looked for.
        bandwidth: As in `contextual_loss`.
        at_once: At most as many distances are in memory, for each of the leading axes.

    Returns:
        `[...]` from 0 to 1.

    >>> vectors = jnp.eye(4)
    >>> print(contextual_similarity(vectors, vectors[::-1]).round(4))
    1.0
    """
    mean = jnp.mean(reference, -2, keepdims=True)
    x, y = (to_unit(vectors - mean) for vectors in (reference, distorted))
    count = y.shape[-2]
    rows = max(1, min(count, at_once // x.shape[-2]))
    chunks = -(-count // rows)
    padded = jnp.pad(y, [(0, 0)] * (y.ndim - 2) + [(0, chunks * rows - count), (0, 0)])
    parts = jnp.moveaxis(padded.reshape(*y.shape[:-2], chunks, rows, y.shape[-1]), -3, 0)
    exists = (jnp.arange(chunks * rows) < count).reshape(chunks, rows, 1)

    @jax.checkpoint
    def look(best: jax.Array, part: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, None]:
        some, real = part
        cosine = jnp.einsum("...ic,...jc->...ij", some, x, precision="highest")
        likeness = jnp.where(real, _likeness(jnp.maximum(1 - cosine, 0) / 2, bandwidth), 0)
        return jnp.maximum(best, jnp.max(likeness, -2)), None

    none = jnp.zeros(jnp.broadcast_shapes(x.shape[:-2], y.shape[:-2]) + x.shape[-2:-1], x.dtype)
    best, _ = jax.lax.scan(look, none, (parts, exists))
    return jnp.mean(best, -1)


def _likeness(distances: jax.Array, bandwidth: float) -> jax.Array:
    """Distances `[..., m, n]` as shares of what each of m is like, of a sum of 1 over n."""
    relative = distances / (jnp.min(distances, -1, keepdims=True) + EPSILON)
    return jax.nn.softmax((1 - relative) / bandwidth, -1)


def _loss(x: Maps, y: Maps, bandwidth: float) -> jax.Array:
    layers = [-safe_log(contextual_similarity(x[tap], y[tap], bandwidth=bandwidth)) for tap in y]
    return jnp.mean(jnp.stack(layers), 0)


def _vectors(
    parameters: Tree,
    images: jax.Array,
    data_range: float,
    net: str,
    taps: tuple[str, ...],
    places: int | None,
) -> Maps:
    """Features of all places, or of a random choice that depends on their number only."""
    vectors = {}
    for tap, maps in extract(parameters, images, data_range, net, taps).items():
        every = maps.reshape(*maps.shape[:-3], -1, maps.shape[-1])
        count = every.shape[-2]
        if places is not None and count > places:
            chosen = np.random.default_rng(0).permutation(count)[:places]
            every = every[..., chosen, :]
        vectors[tap] = every
    return vectors
