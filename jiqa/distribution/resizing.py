"""Images as Inception takes them: 299 x 299, by one of the three protocols that are in use.

Parmar, Zhang and Zhu, "On aliased resizing and surprising subtleties in GAN evaluation", CVPR 2022:
how images are resized changes FID as much as a change of the generator, so a number without its
protocol means nothing. They compute nothing in between in integers:

- "clean_fid": Pillow's bicubic in floating point, whose kernel widens where an image shrinks,
  clipped to 0 to 255; then `(x - 128) / 128`. What clean-fid does, and recommended.
- "pytorch_fid": bilinear between four pixels, aliased where an image shrinks; pixels are areas
  (PyTorch's `align_corners=False`); then `2 x / 255 - 1`. What pytorch-fid does.
- "tensorflow": the same four pixels, but pixels are points whose first corners coincide, as in
  TensorFlow 1; then `(x - 128) / 128`. What the authors of FID, torch-fidelity and torchmetrics do.
"""

from typing import Literal, TypeVar, get_args

import jax
import jax.numpy as jnp
import numpy as np

from jiqa.core.filters import RESIZE_KERNELS

Protocol = Literal["clean_fid", "pytorch_fid", "tensorflow"]
PROTOCOLS: tuple[str, ...] = get_args(Protocol)
SIDE = 299

A = TypeVar("A", jax.Array, np.ndarray)


def check_protocol(protocol: str) -> None:
    """Raises ValueError for an unknown protocol.

    >>> check_protocol("bicubic")
    Traceback (most recent call last):
    ValueError: protocol='bicubic' is unknown; use one of clean_fid, pytorch_fid, tensorflow.
    """
    if protocol not in PROTOCOLS:
        raise ValueError(f"protocol={protocol!r} is unknown; use one of {', '.join(PROTOCOLS)}.")


def resize(images: jax.Array, protocol: str, side: int = SIDE) -> jax.Array:
    """Images of a protocol's size; differentiable.

    Args:
        images: Floats `[..., H, W, C]` in [0, 255].
        protocol: One of `PROTOCOLS`.
        side: Height and width of the result.

    Returns:
        `[..., side, side, C]` in [0, 255].

    Raises:
        ValueError: An unknown protocol.

    >>> resize(jnp.ones((7, 10, 3)), "clean_fid").shape
    (299, 299, 3)
    """
    check_protocol(protocol)
    if protocol != "clean_fid":
        return _bilinear(_bilinear(images, -3, protocol, side), -2, protocol, side)
    height, width = images.shape[-3:-1]
    rows, columns = (jnp.asarray(_bicubic(n, side), images.dtype) for n in (height, width))
    across = jnp.einsum("kw,...hwc->...hkc", columns, images, precision="highest")
    return jnp.clip(jnp.einsum("kh,...hwc->...kwc", rows, across, precision="highest"), 0, 255)


def resize_on_host(image: np.ndarray, protocol: str, side: int = SIDE) -> np.ndarray:
    """The same of one image in a thread's own time: for files, whose sizes vary.

    A program of XLA is compiled for each size; this needs none.

    Args:
        image: Floats `[H, W, C]` in [0, 255].
        protocol: One of `PROTOCOLS`.
        side: Height and width of the result.

    Returns:
        Float32 `[side, side, C]` in [0, 255].

    Raises:
        ValueError: An unknown protocol.

    >>> resize_on_host(np.ones((7, 10, 3)), "tensorflow").shape
    (299, 299, 3)
    """
    check_protocol(protocol)
    image = image.astype(np.float32)
    if protocol != "clean_fid":
        return _bilinear(_bilinear(image, -3, protocol, side), -2, protocol, side)
    from PIL import Image

    channels = [
        np.asarray(Image.fromarray(channel).resize((side, side), Image.Resampling.BICUBIC))
        for channel in np.ascontiguousarray(np.moveaxis(image, -1, 0))
    ]
    return np.stack(channels, -1).clip(0, 255)


def _bicubic(length: int, side: int) -> np.ndarray:
    """Pillow's weights `[side, length]`; beyond the border there is nothing."""
    scale = length / side
    centers = (np.arange(side) + 0.5) * scale
    kernel, _ = RESIZE_KERNELS["bicubic"]
    weights = kernel((np.arange(length) + 0.5 - centers[:, None]) / max(scale, 1))
    return weights / weights.sum(1, keepdims=True)


def _bilinear(images: A, axis: int, protocol: str, side: int) -> A:
    """The two nearest samples along an axis, weighted by their nearness."""
    length = images.shape[axis]
    # In single precision, as in the packages: at a side of 1000 it is 0.01 of a level.
    scale, half = np.float32(length / side), np.float32(0.5)
    places = np.arange(side, dtype=np.float32)
    places = scale * (places + half) - half if protocol == "pytorch_fid" else scale * places
    places = places.clip(0, length - 1)
    first = places.astype(int)
    after = (places - first).astype(images.dtype).reshape(-1, *[1] * (-1 - axis))
    second = np.minimum(first + 1, length - 1)
    return images.take(first, axis) * (1 - after) + images.take(second, axis) * after
