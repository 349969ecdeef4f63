"""DeepQA and its successor: errors weighted by how sensitive the eye is to them.

Kim and Lee, "Deep learning of human visual sensitivity in image quality assessment framework", CVPR
2017, after the authors' code. A network sees the distorted image without its low frequencies, and
the map of errors, and predicts at a quarter of the size how much an error counts at each place. The
mean of the errors so weighted, borders left out, goes through two small layers.

"distortion_sensitivity" is the successor of Ahn, Choi and Yoon, "Deep learning-based distortion
sensitivity prediction for full-reference image quality assessment", CVPR Workshops 2021, after the
authors' code: three encoders, of reference, distorted image and errors; a map of sensitivity in
full size, from a network that goes down two scales and up again; and the mean of the weighted
errors is the score.

Errors are logarithmic in both and normalised: 1 where images are equal, 0 for black against white.
So more is better, and so is a higher score.

Ours is how both begin: DeepQA with positive weights in its two small layers, the successor, as
DeepQA, with a sensitivity around 1. Else the rectifiers at their ends may be zero at first, and
stay so. Where a map of the successor has an odd size, what is doubled loses its last row or
column.
"""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from jiqa.core.color import luma
from jiqa.core.filters import check_least_side, correlate_separable
from jiqa.deep.backbones.layers import max_pool
from jiqa.networks.layers import Conv
from jiqa.networks.network import Prediction, network

DEEPQA = "Kim and Lee, "
DEEPQA += '"Deep learning of human visual sensitivity in image quality assessment framework", '
DEEPQA += "CVPR 2017"
AHN = "Ahn, Choi and Yoon, "
AHN += '"Deep learning-based distortion sensitivity prediction for full-reference image quality '
AHN += 'assessment", CVPR Workshops 2021'
BINOMIAL = np.array([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
SLOPE = 0.1  # of leaky rectifiers below zero
BORDER = 4  # pixels of DeepQA's maps that are left out
LEAST_SIDE = 8 * BORDER + 1  # pixels, of which something is left


@network("deepqa", kind="full_reference", paper=DEEPQA)
class DeepQA(nnx.Module):
    """Two branches, of the distorted image and of errors, and what they say together."""

    def __init__(self, *, rngs: nnx.Rngs, width: int = 32) -> None:
        """Random parameters.

        Args:
            rngs: Where they come from.
            width: Channels of each branch.
        """
        self.of_image = _branch(width, rngs)
        self.of_error = _branch(width, rngs)
        self.joined = nnx.List(
            _convolution(2 * width, 2 * width, rngs=rngs, stride=stride) for stride in (1, 2, 1)
        )
        self.sensitivity = _convolution(2 * width, 1, rngs=rngs, bias_init=nnx.initializers.ones)
        self.head = nnx.List(
            nnx.Linear(before, after, kernel_init=_positive, rngs=rngs)
            for before, after in ((1, 4), (4, 1))
        )

    def __call__(
        self, reference: jax.Array, distorted: jax.Array, *, rngs: nnx.Rngs | None = None
    ) -> Prediction:
        """Scores of distorted images.

        Args:
            reference: `[B, H, W, C]` in [0, 1], at least 33 x 33.
            distorted: The same shape.
            rngs: Not used: nothing in it is random.

        Returns:
            "score" `[B]`, at least 0, and "map" `[B, H / 4, W / 4]`, the sensitivity.

        Raises:
            ValueError: Images are too small.
        """
        del rngs
        check_least_side("deepqa", distorted.shape, LEAST_SIDE)
        reference, distorted = (luma(x, "bt601") for x in (reference, distorted))
        error = log_error(reference, distorted, least=1.0)
        x = jnp.concatenate(
            [_walk(self.of_image, without_low_pass(distorted)), _walk(self.of_error, error)], -1
        )
        sensitivity = jax.nn.relu(self.sensitivity(_walk(self.joined, x)))
        weighted = sensitivity * _halve(_halve(error))
        mean = weighted[:, BORDER:-BORDER, BORDER:-BORDER].mean((1, 2))
        first, second = self.head
        score = jax.nn.relu(second(jax.nn.leaky_relu(first(mean), SLOPE)))
        return {"score": score[:, 0], "map": sensitivity[..., 0]}


@network("distortion_sensitivity", kind="full_reference", paper=AHN)
class DistortionSensitivity(nnx.Module):
    """Three encoders, two scales down and up again, and the mean of weighted errors."""

    def __init__(self, *, rngs: nnx.Rngs, width: int = 32) -> None:
        """Random parameters.

        Args:
            rngs: Where they come from.
            width: Channels of each encoder.
        """
        self.of_reference = _encoder(width, rngs)
        self.of_distorted = _encoder(width, rngs)
        self.of_error = _encoder(width, rngs)
        wide = 4 * width
        self.join = Conv(3 * width, wide, (1, 1), rngs=rngs)
        self.down = nnx.List(_convolution(wide, wide, rngs=rngs) for _ in range(2))
        self.lowest = _convolution(wide, wide, rngs=rngs)
        self.up = nnx.List(
            nnx.ConvTranspose(
                2 * wide,
                wide,
                (3, 3),
                strides=2,
                padding=((1, 2), (1, 2)),
                transpose_kernel=True,
                rngs=rngs,
            )
            for _ in range(2)
        )
        self.sensitivity = _convolution(2 * wide, 1, rngs=rngs, bias_init=nnx.initializers.ones)

    def __call__(
        self, reference: jax.Array, distorted: jax.Array, *, rngs: nnx.Rngs | None = None
    ) -> Prediction:
        """Scores of distorted images.

        Args:
            reference: `[B, H, W, C]` in [0, 1].
            distorted: The same shape.
            rngs: Not used: nothing in it is random.

        Returns:
            "score" `[B]`, at least 0, and "map" `[B, H, W]`, the sensitivity.
        """
        del rngs
        reference, distorted = (luma(x, "matlab_float") for x in (reference, distorted))
        error = log_error(reference, distorted, least=0.1)
        encoders = (self.of_reference, self.of_distorted, self.of_error)
        found = zip(encoders, (reference, distorted, error), strict=True)
        x = jnp.concatenate([_walk(encoder, x, slope=0.0) for encoder, x in found], -1)
        maps = [jax.nn.relu(self.join(x))]
        for down in self.down:
            maps.append(_pool(jax.nn.relu(down(maps[-1]))))
        x = jax.nn.relu(self.lowest(maps[-1]))
        for up in self.up:
            x = jnp.concatenate([x, maps.pop()], -1)
            x = jax.nn.relu(up(x))[:, : maps[-1].shape[1], : maps[-1].shape[2]]
        x = jnp.concatenate([x, maps[-1]], -1)
        sensitivity = jax.nn.relu(self.sensitivity(x))
        return {"score": (sensitivity * error).mean((1, 2, 3)), "map": sensitivity[..., 0]}


def log_error(reference: jax.Array, distorted: jax.Array, *, least: float) -> jax.Array:
    """How little images differ, logarithmically: 1 where they are equal, 0 where least alike.

    Args:
        reference: `[..., H, W, 1]` in [0, 1].
        distorted: The same shape.
        least: Squared error, in levels of 255, that counts as none.

    Returns:
        The same shape.

    >>> black, gray = jnp.zeros((1, 1, 1)), jnp.full((1, 1, 1), 0.5)
    >>> print(log_error(black, jnp.stack([black, gray]), least=1.0).round(3).ravel())
    [1.    0.125]
    """
    most = math.log(255**2)
    error = jnp.log((255 * (reference - distorted)) ** 2 + least)
    return (most - error) / (most - math.log(least))


def without_low_pass(images: jax.Array) -> jax.Array:
    """Images less themselves, halved twice and doubled twice.

    Args:
        images: `[B, H, W, C]`.

    Returns:
        The same shape; zeros lie beyond the borders.
    """
    half = _halve(images)
    low = _double(_double(_halve(half), half.shape), images.shape)
    return images - low


def _halve(images: jax.Array) -> jax.Array:
    return correlate_separable(images, BINOMIAL, border="zero", stride=2)


def _double(images: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    spread = jnp.zeros(shape, images.dtype).at[:, ::2, ::2].set(images)
    return correlate_separable(spread, 2 * BINOMIAL, border="zero")


def _pool(x: jax.Array) -> jax.Array:
    return max_pool(x, size=2, stride=2, ceil=True)


def _walk(layers: nnx.List, x: jax.Array, slope: float = SLOPE) -> jax.Array:
    """Convolutions, each followed by a leaky rectifier."""
    for layer in layers:
        x = jax.nn.leaky_relu(layer(x), slope)
    return x


def _branch(width: int, rngs: nnx.Rngs) -> nnx.List:
    """A convolution, and one that halves the map."""
    return nnx.List(
        [_convolution(1, width, rngs=rngs), _convolution(width, width, rngs=rngs, stride=2)]
    )


def _encoder(width: int, rngs: nnx.Rngs) -> nnx.List:
    """Four convolutions in full size."""
    channels = itertools.pairwise((1, *[width] * 4))
    return nnx.List(_convolution(before, after, rngs=rngs) for before, after in channels)


def _convolution(
    inputs: int,
    outputs: int,
    *,
    rngs: nnx.Rngs,
    stride: int = 1,
    bias_init: nnx.Initializer = nnx.initializers.zeros,
) -> Conv:
    """A convolution of 3 x 3 pixels with a pixel of zeros at each border."""
    return Conv(
        inputs,
        outputs,
        (3, 3),
        strides=stride,
        padding=1,
        kernel_init=nnx.initializers.he_uniform(),
        bias_init=bias_init,
        rngs=rngs,
    )


def _positive(key: jax.Array, shape: tuple[int, ...], dtype: jnp.dtype, *_: object) -> jax.Array:
    """Random weights `[inputs, outputs]` of which each output's add up to about one."""
    return jax.random.uniform(key, shape, dtype, maxval=2 / shape[0])
