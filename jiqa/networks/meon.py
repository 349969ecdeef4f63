"""MEON: what the distortion is helps to say how bad it is.

Ma, Liu, Zhang, Duanmu, Wang and Zuo, "End-to-end blind image quality assessment using deep neural
networks", IEEE Transactions on Image Processing 27(3), 2018. Four convolutions, each followed by
divisive normalisation and pooling, make 64 numbers of 256 x 256 pixels. From these one subtask
names the distortion, in probabilities, and another gives a score for each distortion; the quality
is their product. The first is trained before the second, because any number of images with known
distortions can be made.

Sizes of layers are those of a TensorFlow version of the authors' network that is in public use. Our
own: pixels are in [0, 1]; an image is cut into overlapping squares of 256 pixels, 128 or a little
less from one to the next, so that the outermost touch its borders; its score is the mean of theirs,
and its distortion what they say together.
"""

import jax
from flax import nnx

from jiqa.core.color import gray_to_rgb
from jiqa.deep.backbones.layers import max_pool
from jiqa.networks.gated import gate, of_images, vote
from jiqa.networks.gdn import GDN
from jiqa.networks.network import Prediction, network
from jiqa.networks.patches import merge_batch, spread_squares

PAPER = 'Ma, Liu, Zhang, Duanmu, Wang and Zuo, "End-to-end blind image quality assessment using '
PAPER += 'deep neural networks", IEEE TIP 27(3), 2018'
SIDE = 256  # pixels, of which one place is left
STEP = 128  # the most from one square to the next
# Size, stride and padding of the kernels, and channels of what they give.
CONVOLUTIONS = ((5, 2, 2, 8), (5, 2, 2, 16), (5, 2, 2, 32), (3, 1, 0, 64))
HIDDEN = {"distortion": 128, "quality": 256}


class Stage(nnx.Module):
    """A convolution, divisive normalisation, and the largest of each 2 x 2."""

    def __init__(
        self, inputs: int, size: int, stride: int, padding: int, outputs: int, *, rngs: nnx.Rngs
    ) -> None:
        """Random parameters; the kernel has `size` x `size` pixels."""
        self.convolution = nnx.Conv(
            inputs, outputs, (size, size), strides=stride, padding=padding, rngs=rngs
        )
        self.normalize = GDN(outputs, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """`[N, H, W, inputs]` to `[N, h, w, outputs]`."""
        return max_pool(self.normalize(self.convolution(x)), size=2, stride=2)


class Subtask(nnx.Module):
    """Two fully connected layers with divisive normalisation between them."""

    def __init__(self, inputs: int, hidden: int, types: int, *, rngs: nnx.Rngs) -> None:
        """Random parameters."""
        self.fc1 = nnx.Linear(inputs, hidden, rngs=rngs)
        self.normalize = GDN(hidden, rngs=rngs)
        self.fc2 = nnx.Linear(hidden, types, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """`[N, inputs]` to `[N, types]`."""
        return self.fc2(self.normalize(self.fc1(x)))


@network("meon", kind="no_reference", paper=PAPER)
class MEON(nnx.Module):
    """Shared convolutions and two subtasks."""

    def __init__(self, *, rngs: nnx.Rngs, types: int = 5) -> None:
        """Random parameters.

        Args:
            rngs: Where they come from.
            types: How many distortions there are, none being one of them.
        """
        inputs = (3, *(convolution[-1] for convolution in CONVOLUTIONS))
        self.shared = nnx.List(
            Stage(before, *convolution, rngs=rngs)
            for before, convolution in zip(inputs, CONVOLUTIONS, strict=False)
        )
        self.distortion = Subtask(inputs[-1], HIDDEN["distortion"], types, rngs=rngs)
        self.quality = Subtask(inputs[-1], HIDDEN["quality"], types, rngs=rngs)

    def __call__(self, distorted: jax.Array, *, rngs: nnx.Rngs | None = None) -> Prediction:
        """Quality and distortion of images and of squares cut out of them.

        Args:
            distorted: Images `[B, H, W, C]` in [0, 1], at least 256 x 256, or squares of them
                `[B, P, 256, 256, C]`.
            rngs: Not used; nothing is random.

        Returns:
            "score" `[B]`, "distortion" `[B, types]`, "patches" `[B, P]`.

        Raises:
            ValueError: Images are too small.
        """
        del rngs
        features = self._features(distorted)
        logits = self.distortion(features)
        return of_images(gate(logits, self.quality(features)), logits)

    def identify(self, distorted: jax.Array) -> jax.Array:
        """The distortion alone, `[B, types]`, for the first step of training; else as the call."""
        return vote(self.distortion(self._features(distorted)))

    def _features(self, images: jax.Array) -> jax.Array:
        """`[B, P, 64]`."""
        squares = overlapping(images)
        x = gray_to_rgb(merge_batch(squares))
        for stage in self.shared:
            x = stage(x)
        return x.reshape(*squares.shape[:2], -1)


def overlapping(images: jax.Array, side: int = SIDE, step: int = STEP) -> jax.Array:
    """Squares that cover images evenly, the outermost touching their borders.

    Args:
        images: `[B, H, W, C]`, or squares `[B, P, side, side, C]`, which are handed back.
        side: Of a square.
        step: The most from one to the next.

    Returns:
        `[B, P, side, side, C]`, row by row.

    Raises:
        ValueError: Images are smaller than a square.

    >>> overlapping(jax.numpy.zeros((1, 256, 512, 3))).shape
    (1, 3, 256, 256, 3)
    """
    rows, columns = (1 - (side - length) // step for length in images.shape[-3:-1])
    return spread_squares(images, side, rows, columns)
