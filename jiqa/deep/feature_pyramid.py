"""Strengths of a network's feature maps, compared cell by cell over a spatial pyramid.

Amirshahi, Pedersen and Yu, "Image quality assessment by comparing CNN features between images",
Journal of Imaging Science and Technology 60(6), 2016. In PHOG (`jiqa.core.phog`) a histogram of
orientations describes each cell of a grid that is refined by two at each level; here the strengths
of the maps of a layer of AlexNet take the place of orientations. Cells of both images are compared
by histogram intersection, then come cells, levels and layers to a mean. No code is published; what
the paper leaves open is chosen here:

- Images are brought to 512 x 512 pixels, bicubic, as every grid must fit the coarsest maps.
- Four levels, each with twice the weight of the coarser one, as in spatial pyramid matching.
- Layers are relu1 to relu5, and their mean is geometric.
- The network is torchvision's AlexNet, whose parameters come with jiqa; the authors have that of
  2012: `net="alexnet_caffe"`.
"""

from functools import partial

import jax
import jax.numpy as jnp

from jiqa.core import pooling
from jiqa.core.arrays import safe_divide, safe_power
from jiqa.core.features import Features
from jiqa.core.filters import check_window_fits, imresize
from jiqa.core.phog import cell_sums, histogram_intersection, merge_cells
from jiqa.core.registry import image_function, metric
from jiqa.deep.backbones.backbone import Tree
from jiqa.deep.feature_maps import TAPS
from jiqa.deep.maps import COLOR, Maps, extract, load_backbone
from jiqa.deep.pairs import pair_features

PAPER = 'Amirshahi, Pedersen and Yu, "Image quality assessment by comparing CNN features between '
PAPER += 'images", Journal of Imaging Science and Technology 60(6), 2016'


@metric(
    kind="full_reference",
    higher_is_better=True,
    score_range=(0, 1),
    identical=1,
    paper=PAPER,
    color=COLOR,
    parameters=load_backbone,
)
def feature_pyramid(
    parameters: Tree,
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    net: str = "alexnet",
    taps: tuple[str, ...] = TAPS,
    side: int | None = 512,
    levels: int = 3,
    normalize: bool = True,
    weights: jax.Array | None = None,
) -> jax.Array:
    """Similarity of where in the image which features of a network are strong.

    Args:
        parameters: Of the network, a tree as of `jiqa.weights`:
            `jiqa.load("feature_pyramid").parameters`.
        reference: Images `[..., H, W, C]`, C 1 or 3, in [0, data_range].
        distorted: The same shape and dtype.
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        net: A name of `jiqa.deep.backbones.BACKBONES`.
        taps: Names of the network's features.
        side: Rows and columns to which images are brought first; None leaves them.
        levels: Levels beyond the whole image; the last has `4^levels` cells.
        normalize: Whether the strengths in a cell are divided by their sum, so that contrast does
            not matter; otherwise twice the intersection is divided by both sums (the similarity of
            Bray and Curtis).
        weights: Weights of the cells, sums of pooling weights `[..., H, W]`, or None.

    Returns:
        `[...]` from 0 to 1, 1 for equal images.

    Raises:
        ValueError: Unknown network or features, or images too small for them or for the grid.

    >>> import numpy as np
    >>> from jiqa.deep.backbones.vgg import vgg11
    >>> features = vgg11.initialize(np.random.default_rng(0), ["features"])
    >>> image, options = jnp.ones((16, 16, 3)), {"net": "vgg11", "taps": ("relu2_1",), "side": None}
    >>> print(feature_pyramid(features, image, image, **options).round(4))
    1.0
    """
    strengths = partial(
        _strengths, data_range=data_range, net=net, taps=taps, side=side, levels=levels
    )
    x, y = pair_features(strengths, parameters, reference, distorted)
    return _compare(x, y, normalize, weights)


@image_function
def feature_pyramid_features(
    parameters: Tree,
    reference: jax.Array,
    *,
    data_range: float = 1.0,
    net: str = "alexnet",
    taps: tuple[str, ...] = TAPS,
    side: int | None = 512,
    levels: int = 3,
) -> Features:
    """What `feature_pyramid` compares of a reference; arguments as there.

    Returns:
        Strengths in the cells of the finest grid, `[..., 2^levels, 2^levels, c]`, by layer.
    """
    values = _strengths(parameters, reference, data_range, net, taps, side, levels)
    options = {"net": net, "taps": taps, "side": side, "levels": levels}
    return Features.of("feature_pyramid", options, values)


@image_function
def feature_pyramid_distance(
    parameters: Tree,
    features: Features,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    normalize: bool = True,
    weights: jax.Array | None = None,
) -> jax.Array:
    """The similarity of images to what `feature_pyramid_features` kept of the reference.

    Args:
        parameters: As in `feature_pyramid`, those with which the features were made.
        features: Of the reference.
        distorted: Images `[..., H, W, C]`; leading axes broadcast.
        data_range: As in `feature_pyramid`.
        normalize: As in `feature_pyramid`.
        weights: As in `feature_pyramid`.

    Returns:
        `[...]`, as `feature_pyramid`.

    Raises:
        ValueError: The features are another metric's.
    """
    options = features.options_of("feature_pyramid")
    own = _strengths(parameters, distorted, data_range, **options)
    return _compare(features.values, own, normalize, weights)


def _strengths(
    parameters: Tree,
    images: jax.Array,
    data_range: float,
    net: str,
    taps: tuple[str, ...],
    side: int | None,
    levels: int,
) -> Maps:
    """Sums of the maps over the cells of the finest grid, `[..., cells, cells, c]`, by layer."""
    if side is not None:
        images = imresize(images, (side, side))
    maps = extract(parameters, images, data_range, net, taps)
    for tap in taps:
        check_window_fits(maps[tap].shape, 2**levels, 2**levels)
    return {tap: cell_sums(maps[tap], 2**levels) for tap in taps}


def _compare(x: Maps, y: Maps, normalize: bool, weights: jax.Array | None) -> jax.Array:
    """The geometric mean of the similarities of layers."""
    layers = [_layer_similarity(x[tap], y[tap], normalize, weights) for tap in y]
    return safe_power(jnp.prod(jnp.stack(layers), 0), 1 / len(layers))


def _layer_similarity(
    x: jax.Array, y: jax.Array, normalize: bool, weights: jax.Array | None
) -> jax.Array:
    """The mean over cells, then over levels: one of n x n cells counts n times."""
    places = None if weights is None else cell_sums(weights[..., None], x.shape[-2])
    total = _level_similarity(x, y, places, normalize)
    levels = (x.shape[-2]).bit_length() - 1
    for _ in range(levels):
        x, y = merge_cells(x), merge_cells(y)
        places = None if places is None else merge_cells(places)
        total += _level_similarity(x, y, places, normalize)
    return total / (2 ** (levels + 1) - 1)


def _level_similarity(
    x: jax.Array, y: jax.Array, places: jax.Array | None, normalize: bool
) -> jax.Array:
    """The mean over n x n cells, n times."""
    local = _cell_similarity(x, y, normalize)[..., None]
    return x.shape[-2] * pooling.mean(local, None if places is None else places[..., 0])[..., 0]


def _cell_similarity(x: jax.Array, y: jax.Array, normalize: bool) -> jax.Array:
    """How alike strengths `[..., cells, cells, c]` are in each cell, `[..., cells, cells]`."""
    x_sum, y_sum = x.sum(-1, keepdims=True), y.sum(-1, keepdims=True)
    if normalize:
        alike = histogram_intersection(safe_divide(x, x_sum), safe_divide(y, y_sum))
    else:
        alike = safe_divide(2 * histogram_intersection(x, y), (x_sum + y_sum)[..., 0])
    return jnp.where((x_sum + y_sum)[..., 0] == 0, 1.0, alike)
