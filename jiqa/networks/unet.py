"""An encoder and decoder that makes maps of images, after the U-Net.

Ronneberger, Fischer and Brox, "U-Net: convolutional networks for biomedical image segmentation",
MICCAI 2015. Each level of the encoder has two convolutions of 3 x 3 pixels and halves the map by
its largest values; the decoder doubles it by a transposed convolution of 2 x 2 pixels, beside which
it puts the encoder's map of the same size. Unlike the authors' it keeps borders, so that maps are
as large as images, and normalises by batches.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx

from jiqa.core.filters import pad_to_multiple
from jiqa.deep.backbones.layers import max_pool
from jiqa.networks.convolutional import Convolution


class UNet(nnx.Module):
    """Maps as large as images, and what the innermost level knows."""

    def __init__(self, inputs: int, outputs: int, *, widths: Sequence[int], rngs: nnx.Rngs) -> None:
        """Random parameters; all results are zero at first.

        Args:
            inputs: Channels of images.
            outputs: Channels of maps.
            widths: Channels of each level, the outermost first.
            rngs: Where parameters come from.
        """
        self.scale = 2 ** (len(widths) - 1)
        self.down = nnx.List(
            Twice(before, after, rngs=rngs)
            for before, after in zip((inputs, *widths), widths, strict=False)
        )
        steps = list(zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.double = nnx.List(
            nnx.ConvTranspose(before, after, (2, 2), strides=(2, 2), rngs=rngs)
            for before, after in steps
        )
        self.up = nnx.List(Twice(2 * after, after, rngs=rngs) for _, after in steps)
        zeros = nnx.initializers.zeros
        self.last = nnx.Conv(widths[0], outputs, (1, 1), kernel_init=zeros, rngs=rngs)

    def __call__(self, images: jax.Array, *, training: bool) -> tuple[jax.Array, jax.Array]:
        """Maps `[B, H, W, outputs]` of images, and the innermost features `[B, h, w, c]`.

        Args:
            images: `[B, H, W, inputs]`; sides that cannot be halved so often are extended by
                replicating the border, and the maps cut again.
            training: Whether the batch's own statistics normalise.
        """
        height, width = images.shape[1:3]
        x = pad_to_multiple(images, self.scale, "replicate")
        levels = []
        for number, down in enumerate(self.down):
            x = down(max_pool(x, size=2, stride=2) if number else x, training=training)
            levels.append(x)
        innermost = levels.pop()
        for double, up in zip(self.double, self.up, strict=True):
            x = up(jnp.concatenate([levels.pop(), double(x)], -1), training=training)
        return self.last(x)[:, :height, :width], innermost


class Twice(nnx.Module):
    """Two convolutions of 3 x 3 pixels, each normalised and rectified."""

    def __init__(self, inputs: int, outputs: int, *, rngs: nnx.Rngs) -> None:
        """Random parameters."""
        self.first = Convolution(inputs, outputs, rngs=rngs)
        self.second = Convolution(outputs, outputs, rngs=rngs)

    def __call__(self, x: jax.Array, *, training: bool) -> jax.Array:
        """`[B, H, W, inputs]` to `[B, H, W, outputs]`."""
        return self.second(self.first(x, training=training), training=training)
