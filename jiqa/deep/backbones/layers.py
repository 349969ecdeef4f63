"""The layers that published convolutional networks are made of, on images `[N, H, W, C]`.

Parameters of a layer are a dictionary: "kernel" (`[kh, kw, C / groups, O]`, or `[I, O]`) and "bias"
of a convolution or a fully connected layer, "scale", "bias", "mean" and "var" of a batch
normalisation. They are brought to the dtype of the images, in which everything is computed.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from jiqa.kernels import convolution as kernels
from jiqa.kernels.convolution import Borders, windows

Layer = Mapping[str, jax.Array]
Padding = int | Borders

relu = jax.nn.relu
relu6 = jax.nn.relu6


def convolution(
    x: jax.Array, layer: Layer, *, stride: int = 1, padding: Padding = 0, groups: int = 1
) -> jax.Array:
    """Convolution with a bias where the layer has one.

    Args:
        x: `[N, H, W, C]`.
        layer: "kernel" `[kh, kw, C / groups, O]` and perhaps "bias" `[O]`.
        stride: Pixels from one result to the next, along both axes.
        padding: Zeros at each border, or at the top and bottom, left and right.
        groups: The channels are split into as many groups that do not mix.

    Returns:
        `[N, H', W', O]`.

    >>> layer = {"kernel": jnp.ones((3, 3, 2, 5)), "bias": jnp.ones(5)}
    >>> print(convolution(jnp.ones((1, 4, 4, 2)), layer)[0, 0, 0])
    [19. 19. 19. 19. 19.]
    """
    kernel = layer["kernel"].astype(x.dtype)
    y = kernels.convolution(x, kernel, stride=stride, padding=borders(padding), groups=groups)
    return y + layer["bias"].astype(x.dtype) if "bias" in layer else y


def borders(padding: Padding) -> Borders:
    """The padding of each side.

    >>> borders(2)
    ((2, 2), (2, 2))
    """
    return ((padding, padding), (padding, padding)) if isinstance(padding, int) else padding


def same_padding(x: jax.Array, size: int, stride: int) -> Padding:
    """TensorFlow's "SAME": results for every `stride`-th pixel, an odd zero at the end.

    >>> same_padding(jnp.ones((1, 8, 9, 1)), 3, 2)
    ((0, 1), (1, 1))
    """
    missing = [max(0, (-(-n // stride) - 1) * stride + size - n) for n in x.shape[1:3]]
    rows, columns = ((n // 2, n - n // 2) for n in missing)
    return rows, columns


def batch_normalization(x: jax.Array, layer: Layer, *, epsilon: float) -> jax.Array:
    """Batch normalisation by the statistics of training: a gain and an offset a channel.

    >>> layer = {"scale": 2.0, "bias": 1.0, "mean": 3.0, "var": 4.0}
    >>> print(batch_normalization(jnp.array(5.0), jax.tree.map(jnp.array, layer), epsilon=0.0))
    3.0
    """
    scale, bias, mean, var = (
        layer[key].astype(x.dtype) for key in ("scale", "bias", "mean", "var")
    )
    gain = scale / jnp.sqrt(var + epsilon)
    return x * gain + (bias - mean * gain)


def fully_connected(x: jax.Array, layer: Layer) -> jax.Array:
    """All inputs to all outputs: "kernel" `[I, O]` and "bias" `[O]` on `[N, I]`.

    >>> print(fully_connected(jnp.ones((1, 2)), {"kernel": jnp.ones((2, 1)), "bias": jnp.ones(1)}))
    [[3.]]
    """
    kernel, bias = (layer[key].astype(x.dtype) for key in ("kernel", "bias"))
    return jnp.matmul(x, kernel, precision="highest") + bias


def flatten(x: jax.Array) -> jax.Array:
    """Maps `[N, H, W, C]` as vectors in the order of channels, rows, columns, as PyTorch and Caffe.

    >>> print(flatten(jnp.arange(4.0).reshape(1, 1, 2, 2)))
    [[0. 2. 1. 3.]]
    """
    return jnp.moveaxis(x, -1, 1).reshape(x.shape[0], -1)


def max_pool(
    x: jax.Array, *, size: int, stride: int, padding: int = 0, ceil: bool = False
) -> jax.Array:
    """The largest value of each window.

    Args:
        x: `[N, H, W, C]`.
        size: Side of a window.
        stride: Pixels from one window to the next.
        padding: Pixels at each border that never are the largest.
        ceil: Whether a last window that is not whole counts, as in Caffe.

    Returns:
        `[N, H', W', C]`.

    >>> x = jnp.arange(16.0).reshape(1, 4, 4, 1)
    >>> max_pool(x, size=3, stride=2).shape, max_pool(x, size=3, stride=2, ceil=True).shape
    ((1, 1, 1, 1), (1, 2, 2, 1))
    """
    beyond = [(-(n + 2 * padding - size) % stride if ceil else 0) for n in x.shape[1:3]]
    ends = ((0, 0), *((padding, padding + extra) for extra in beyond), (0, 0))
    first, *others = windows(jnp.pad(x, ends, constant_values=-jnp.inf), (size, size), stride)
    largest = first
    # The first of equals gets the gradient, as in PyTorch; on a CPU that of `lax.reduce_window`
    # takes thirty times as long.
    for view in others:
        largest = jnp.where(view > largest, view, largest)
    return largest


def l2_pool(x: jax.Array) -> jax.Array:
    """The root of the mean square around every other pixel, weighted (1, 2, 1) along both axes.

    Hénaff and Simoncelli, "Geodesics of learned representations", ICLR 2016, as in DISTS: zeros
    beyond the border, and 1e-12 under the root.

    >>> print(l2_pool(jnp.ones((1, 3, 3, 1)))[0, :, :, 0])
    [[0.75 0.75]
     [0.75 0.75]]
    """
    power = jnp.pad(x * x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    for axis in (1, 2):
        ends = [2 * ((x.shape[axis] - 1) // 2) + 1 + i for i in range(3)]
        a, b, c = (jax.lax.slice_in_dim(power, i, ends[i], 2, axis) for i in range(3))
        power = 0.25 * (a + c) + 0.5 * b
    return jnp.sqrt(power + 1e-12)


def average_pool(x: jax.Array, size: int) -> jax.Array:
    """Means over `size` x `size` parts that cover maps of any size and may overlap by a pixel.

    Args:
        x: `[N, H, W, C]`.
        size: Rows and columns of the result.

    Returns:
        `[N, size, size, C]`.

    >>> print(average_pool(jnp.arange(3.0).reshape(1, 3, 1, 1), 2)[0, :, 0, 0])
    [0.5 1.5]
    """
    rows, columns = (jnp.asarray(_parts(n, size), x.dtype) for n in x.shape[1:3])
    return jnp.einsum("ih,jw,nhwc->nijc", rows, columns, x, precision="highest")


def _parts(length: int, count: int) -> np.ndarray:
    """Weights `[count, length]` of the means of `count` parts."""
    start = np.arange(count) * length // count
    end = -(-(np.arange(count) + 1) * length // count)
    place = np.arange(length)
    inside = (place >= start[:, None]) & (place < end[:, None])
    return inside / inside.sum(1, keepdims=True)


def global_average(x: jax.Array) -> jax.Array:
    """The mean of each map: `[N, C]` of `[N, H, W, C]`.

    >>> print(global_average(jnp.ones((1, 2, 2, 3))))
    [[1. 1. 1.]]
    """
    return jnp.mean(x, (1, 2))


def local_response_normalization(
    x: jax.Array, *, size: int = 5, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> jax.Array:
    """Each value divided by the strength of `size` neighbouring channels, in Caffe's form.

    `x / (k + alpha / size * sum(x ** 2)) ** beta`. Krizhevsky, Sutskever and Hinton (NIPS 2012)
    have k = 2 and do not divide alpha by the size; Caffe's networks were trained with k = 1.

    Args:
        x: `[N, H, W, C]`.
        size: Number of channels, an odd number; fewer at the first and last.
        alpha: As in the formula.
        beta: As in the formula.
        k: As in the formula.

    Returns:
        The same shape.

    >>> x = jnp.full((1, 1, 1, 3), 2.0)
    >>> print(9 * local_response_normalization(x, size=3, alpha=3.0, beta=1.0)[0, 0, 0, 0])
    2.0
    """
    power = jnp.pad(x * x, ((0, 0), (0, 0), (0, 0), (size // 2, size // 2)))
    channels = x.shape[-1]
    total = sum(power[..., i : i + channels] for i in range(1, size))
    return x / (k + alpha / size * (power[..., :channels] + total)) ** beta
