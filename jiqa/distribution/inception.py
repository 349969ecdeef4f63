"""Features of Inception: what FID, KID and the Inception score are computed from."""

from functools import partial

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jiqa.core import arrays
from jiqa.core.color import gray_to_rgb
from jiqa.deep.backbones.backbone import Tree
from jiqa.deep.backbones.inception_v3 import inception_v3_fid, normalize
from jiqa.distribution.resizing import Protocol, check_protocol, resize

TAP = "avgpool"  # 2048 numbers, for FID and KID
LOGITS_TAP = "logits_unbiased"  # 1008 numbers, for the Inception score


def inception_features(
    parameters: Tree,
    images: ArrayLike,
    *,
    protocol: Protocol = "clean_fid",
    tap: str = TAP,
    data_range: float | None = None,
) -> jax.Array:
    """Features of images, as clean-fid, pytorch-fid or torch-fidelity compute them.

    Args:
        parameters: Of Inception: `jiqa.weights.load("inception_v3_fid")`.
        images: `[..., H, W, C]`, C 1 or 3, RGB; gray counts as neutral colour.
        protocol: How they are resized and normalised, see `jiqa.distribution.resizing`.
        tap: "avgpool" (2048 numbers) for FID and KID; "logits_unbiased" (1008) for the Inception
            score; or another of `inception_v3_fid.names`, whose maps are averaged, such as
            "maxpool1" (64), "maxpool2" (192) and "Mixed_6e" (768).
        data_range: Largest possible value of floating images, 1 if not given; integers carry
            theirs (255, 65535).

    Returns:
        `[..., D]`, float32, or float64 of float64 images.

    Raises:
        TypeError: The images are neither floats, uint8 nor uint16.
        ValueError: No images, a range they do not have, an unknown protocol or tap.

    >>> import numpy as np
    >>> parameters = inception_v3_fid.initialize(np.random.default_rng(0))
    >>> inception_features(parameters, np.zeros((2, 32, 32, 3), np.uint8), tap="maxpool1").shape
    (2, 64)
    """
    check_protocol(protocol)
    images = jnp.asarray(images)
    arrays.check_images("inception_features", {"images": images})
    largest = arrays.resolve_data_range("inception_features", images.dtype, data_range)
    arrays.check_values("inception_features", "images", images, largest)
    levels = arrays.to_float(images) * (255 / largest)
    return features_of_levels(parameters, _resize(levels, protocol=protocol), protocol, (tap,))[tap]


def features_of_levels(
    parameters: Tree, levels: jax.Array, protocol: str, taps: tuple[str, ...]
) -> dict[str, jax.Array]:
    """Features of images that have the protocol's size already.

    Args:
        parameters: Of Inception.
        levels: Floats `[..., 299, 299, C]` in [0, 255], C 1 or 3.
        protocol: How they are normalised.
        taps: Names of features.

    Returns:
        By tap, `[..., D]`.

    Raises:
        ValueError: An unknown tap.
    """
    levels = gray_to_rgb(levels)
    # pytorch-fid has another zero than the graph of TensorFlow that it converts.
    inputs = levels / 127.5 - 1 if protocol == "pytorch_fid" else normalize(levels / 255)
    found = inception_v3_fid(parameters, inputs, taps)
    batch = levels.ndim - 3
    return {tap: x.mean(tuple(range(batch, x.ndim - 1))) for tap, x in found.items()}


_resize = partial(jax.jit, static_argnames="protocol")(resize)
