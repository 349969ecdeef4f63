"""PieAPP: perceptual image error, learned from which of two images people prefer.

Prashnani, Cai, Mostofi and Sen, "PieAPP: perceptual image-error assessment through pairwise
preference", CVPR 2018, in the convention of the authors' PyTorch code, version 0.1. Patches of 64 x
64 pixels of both images go through one network of eleven convolutions; from the differences of
features of five layers comes an error, from those of the last a weight, and the score is the
weighted mean of the errors. As in that code images are blue, green, red and of 0 to 255.

Patches begin at every `stride`-th pixel as long as they fit. (The authors' script takes the same
but for the last ones, depending on how it cuts large images into parts.)
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jiqa
from jiqa.core import pooling
from jiqa.core.arrays import safe_divide
from jiqa.core.color import gray_to_rgb
from jiqa.core.filters import check_window_fits, correlate_separable, uniform_window
from jiqa.core.registry import image_function, metric
from jiqa.deep.backbones.backbone import Tree, convolution_shapes, fully_connected_shapes
from jiqa.deep.backbones.layers import (
    convolution,
    flatten,
    fully_connected,
    max_pool,
    relu,
)
from jiqa.deep.maps import COLOR

PAPER = "Prashnani, Cai, Mostofi and Sen, "
PAPER += '"PieAPP: perceptual image-error assessment through pairwise preference", CVPR 2018'
PATCH = 64  # pixels along each side
AT_ONCE = 16  # patches in memory together
CHANNELS = (3, 64, 64, 64, 128, 128, 128, 256, 256, 256, 512, 512)
POOLED = (2, 4, 6, 8, 10)  # convolutions followed by pooling
COMPARED = (3, 5, 7, 9, 11)  # convolutions whose features are compared
FEATURES, COARSE, HIDDEN = 120_832, 2048, 512
SHAPES: dict[str, Any] = {
    **{f"conv{i}": convolution_shapes(3, *CHANNELS[i - 1 : i + 1]) for i in range(1, 12)},
    "fc1_score": fully_connected_shapes(FEATURES, HIDDEN),
    "fc2_score": fully_connected_shapes(HIDDEN, 1),
    "fc1_weight": fully_connected_shapes(COARSE, HIDDEN),
    "fc2_weight": fully_connected_shapes(HIDDEN, 1),
    "ref_score_subtract": fully_connected_shapes(1, 1),
}


def load_parameters() -> dict[str, Any]:
    """Pretrained parameters, of the authors' PieAPPv0.1.pth."""
    return jiqa.weights.load("pieapp")


@metric(
    kind="full_reference",
    higher_is_better=False,
    score_range=(-float("inf"), float("inf")),
    identical=0,
    paper=PAPER,
    color=COLOR,
    protocols={"pieapp_dense": {"stride": 6}},
    parameters=load_parameters,
)
def pieapp(
    parameters: Tree,
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    stride: int = 27,
    weights: jax.Array | None = None,
) -> jax.Array:
    """Perceptual error as people's preferences among pairs of images show it.

    Args:
        parameters: Of the network, of shapes `SHAPES`: `jiqa.load("pieapp").parameters`.
        reference: Images `[..., H, W, C]`, C 1 or 3, in [0, data_range], at least 64 x 64 pixels.
        distorted: The same shape and dtype.
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        stride: Pixels from one patch to the next: 27 is what the authors call sparse, 6 dense,
            with which they compare metrics.
        weights: Weights of patches, means of pooling weights `[..., H, W]`, or None.

    Returns:
        `[...]`, mostly from 0; of equal images nearly 0, as a fitted number is subtracted.

    Raises:
        ValueError: Images smaller than a patch.
    """
    errors, importance = _patch_errors(parameters, reference, distorted, data_range, stride)
    if weights is not None:
        window = uniform_window(PATCH)
        weights = correlate_separable(weights[..., None], window, stride=stride)[..., 0]
    total, share = (
        pooling.mean(x[..., None], weights)[..., 0] for x in (errors * importance, importance)
    )
    return safe_divide(total, share)


@image_function
def pieapp_map(
    parameters: Tree,
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    stride: int = 27,
) -> jax.Array:
    """The errors of patches, of which `pieapp` is the weighted mean; arguments as there.

    Returns:
        `[..., rows, columns]`; entry (i, j) belongs to the patch that begins at the pixel
        (i * stride, j * stride).
    """
    return _patch_errors(parameters, reference, distorted, data_range, stride)[0]


def _patch_errors(
    parameters: Tree,
    reference: jax.Array,
    distorted: jax.Array,
    data_range: float,
    stride: int,
) -> tuple[jax.Array, jax.Array]:
    """Errors and weights of patches, each `[..., rows, columns]`."""
    check_window_fits(reference.shape, PATCH, PATCH)
    *batch, height, width, _ = reference.shape
    pair = jnp.stack([gray_to_rgb(x)[..., ::-1] for x in (reference, distorted)])
    pair = (255 / data_range * pair).reshape(2, -1, height, width, 3)
    rows, columns = np.arange(0, height - 63, stride), np.arange(0, width - 63, stride)
    corners = jnp.stack(jnp.meshgrid(rows, columns, indexing="ij"), -1).reshape(-1, 2)

    @jax.checkpoint
    def at(corner: jax.Array) -> tuple[jax.Array, jax.Array]:
        start = (0, 0, corner[0], corner[1], 0)
        patches = jax.lax.dynamic_slice(pair, start, (*pair.shape[:2], PATCH, PATCH, 3))
        return _error_and_weight(parameters, patches)

    at_once = max(1, AT_ONCE // pair.shape[1])
    found = jax.lax.map(at, corners, batch_size=at_once)
    errors, weights = (
        jnp.moveaxis(x, 0, -1).reshape(*batch, len(rows), len(columns)) for x in found
    )
    return errors, weights


def _error_and_weight(parameters: Tree, patches: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Error and weight `[N]` of patches `[2, N, 64, 64, 3]`, the reference's first."""
    everything, coarse = _features(parameters, patches.reshape(-1, *patches.shape[2:]))
    everything, coarse = (x.reshape(*patches.shape[:2], -1) for x in (everything, coarse))

    def head(name: str, x: jax.Array) -> jax.Array:
        hidden = relu(fully_connected(x, parameters[f"fc1_{name}"]))
        return fully_connected(hidden, parameters[f"fc2_{name}"])

    score = 0.01 * head("score", everything[0] - everything[1])
    error = fully_connected(score, parameters["ref_score_subtract"])
    return error[:, 0], head("weight", coarse[0] - coarse[1])[:, 0] + 1e-6


def _features(parameters: Tree, x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Features of all compared layers, and those of the last, `[N, n]`."""
    found = []
    for number in range(1, 12):
        x = relu(convolution(x, parameters[f"conv{number}"], padding=1))
        if number in COMPARED:
            found.append(flatten(x))
        if number in POOLED:
            x = max_pool(x, size=2, stride=2)
    return jnp.concatenate(found, -1), found[-1]
