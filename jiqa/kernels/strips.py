"""Images cut into strips of rows that stay in a core's cache, for the forms tuned for CPUs.

Three facts shape these forms. XLA never fuses a matrix product into its consumer, so a vertical
window as a product with a banded matrix is computed once, where a sum of shifted rows would be
computed again for every tap of the horizontal window. Rows `[W, C]` folded to `[W * C]` turn the
horizontal window into shifts by C, with no transposition. And a loop over strips of a few rows
keeps every intermediate in cache.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import DTypeLike

STRIP_ROWS = 16


def band(window: Sequence[float], rows: int, stride: int, dtype: DTypeLike) -> jax.Array:
    """The matrix that correlates `(rows - 1) * stride + len(window)` rows into `rows` rows.

    >>> print(band((1.0, 2.0), 3, 1, jnp.float32))
    [[1. 2. 0. 0.]
     [0. 1. 2. 0.]
     [0. 0. 1. 2.]]
    """
    shape = (rows, (rows - 1) * stride + len(window))
    row, column = (lax.broadcasted_iota(jnp.int32, shape, axis) for axis in (0, 1))
    # Not a constant array: a primitive that is partitioned over devices must not capture one.
    matrix = jnp.zeros(shape, dtype)
    for tap, weight in enumerate(window):
        matrix = jnp.where(column - stride * row == tap, weight, matrix)
    return matrix


def shifted_sum(rows: jax.Array, window: Sequence[float], channels: int) -> jax.Array:
    """Valid correlation along W of folded rows `[..., W * C]`.

    >>> print(shifted_sum(jnp.arange(8.0), (1.0, 1.0), 2))
    [ 2.  4.  6.  8. 10. 12.]
    """
    width = rows.shape[-1] - (len(window) - 1) * channels
    shifted = (
        weight * lax.slice_in_dim(rows, tap * channels, tap * channels + width, axis=-1)
        for tap, weight in enumerate(window)
    )
    return sum(shifted, start=jnp.zeros((), rows.dtype))


def padded_columns(rows: jax.Array, width: int) -> jax.Array:
    """Zeros left and right of folded rows.

    >>> print(padded_columns(jnp.ones((1, 2)), 1))
    [[0. 1. 1. 0.]]
    """
    return jnp.pad(rows, ((0, 0), (width, width)))


def fold(images: jax.Array) -> jax.Array:
    """`[N, H, W, C]` as `[N, H, W * C]`.

    >>> fold(jnp.zeros((1, 2, 3, 4))).shape
    (1, 2, 12)
    """
    return images.reshape(*images.shape[:2], -1)


@dataclass(frozen=True)
class Strips:
    """How the windows of several images are cut into strips of equally many rows.

    The last strip of an image overlaps the one before where the rows do not divide evenly; what it
    repeats is left out by `keep_new`.

    Attributes:
        images: Number of images.
        outputs: Positions of the window along H.
        rows: Positions of the window along H in a strip.
        stride: Rows of the image from one position to the next.
        halo: Rows of the image that a strip reads beyond `rows * stride`.
    """

    images: int
    outputs: int
    rows: int
    stride: int
    halo: int

    @classmethod
    def cut(
        cls, images: int, height: int, taps: int, *, stride: int = 1, rows: int = STRIP_ROWS
    ) -> "Strips":
        """Cuts `images` images of `height` rows for a window of `taps` rows.

        >>> Strips.cut(2, 30, 11).number
        4
        """
        outputs = (height - taps) // stride + 1
        return cls(images, outputs, min(rows, outputs), stride, taps - stride)

    @property
    def per_image(self) -> int:
        """Strips in an image."""
        return -(-self.outputs // self.rows)

    @property
    def number(self) -> int:
        """Strips in all images."""
        return self.images * self.per_image

    @property
    def indices(self) -> jax.Array:
        """The strips in order."""
        return jnp.arange(self.number)

    def _place(self, index: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        """The image, its first new output and its first output of a strip."""
        new = (index % self.per_image) * self.rows
        return index // self.per_image, new, jnp.minimum(new, self.outputs - self.rows)

    def take_inputs(self, images: jax.Array, index: jax.Array) -> jax.Array:
        """The rows `[rows * stride + halo, W * C]` under a strip's windows."""
        image, _, first = self._place(index)
        size = (1, self.rows * self.stride + self.halo, images.shape[-1])
        return lax.dynamic_slice(images, (image, first * self.stride, 0), size)[0]

    def add_inputs(self, images: jax.Array, rows: jax.Array, index: jax.Array) -> jax.Array:
        """Adds to the rows under a strip's windows."""
        image, _, first = self._place(index)
        changed = self.take_inputs(images, index) + rows
        return lax.dynamic_update_slice(images, changed[None], (image, first * self.stride, 0))

    def take_outputs(self, maps: jax.Array, index: jax.Array) -> jax.Array:
        """A strip `[rows, W' * C]` of a map."""
        image, _, first = self._place(index)
        return lax.dynamic_slice(maps, (image, first, 0), (1, self.rows, maps.shape[-1]))[0]

    def put_outputs(self, maps: jax.Array, rows: jax.Array, index: jax.Array) -> jax.Array:
        """Writes a strip of a map."""
        image, _, first = self._place(index)
        return lax.dynamic_update_slice(maps, rows[None], (image, first, 0))

    def keep_new(self, rows: jax.Array, index: jax.Array) -> jax.Array:
        """Zero in the rows of a strip that the strip before has too."""
        _, new, first = self._place(index)
        return jnp.where((first + jnp.arange(self.rows) >= new)[:, None], rows, 0)

    def sum_images(self, values: jax.Array) -> jax.Array:
        """Sums over the strips of each image: `[number, C]` to `[N, C]`."""
        return jnp.sum(values.reshape(self.images, self.per_image, -1), 1)
