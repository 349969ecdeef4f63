"""CNNIQA: the first convolutional network for quality without a reference.

Kang, Ye, Li and Doermann, "Convolutional neural networks for no-reference image quality
assessment", CVPR 2014. Patches of 32 x 32 pixels of the locally normalised luma go through one
layer of 50 filters; of each filter's response only the highest and the lowest value are kept, and
three fully connected layers make a score of them. That of an image is the mean of its patches.

Two conventions. "paper" normalises the whole image by mean and deviation of 7 x 7 pixels, and then
cuts it. "lidq92" is that of the PyTorch port of which trained parameters are public: it cuts first,
from the upper left corner and without the last row and column of patches (its loops end one step
early), and normalises each patch by 3 x 3 pixels and a constant of the whole range. Its luma has
256 levels, and its dropout comes one layer earlier.
"""

from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from jiqa.core.arrays import pass_through, safe_sqrt
from jiqa.core.color import luma
from jiqa.core.filters import Border, correlate_separable, uniform_window
from jiqa.core.pooling import largest
from jiqa.networks.network import Prediction, network
from jiqa.networks.patches import as_patches, grid, merge_batch

PAPER = "Kang, Ye, Li and Doermann, "
PAPER += '"Convolutional neural networks for no-reference image quality assessment", CVPR 2014'
PATCH = 32  # pixels along each side
PILLOW_WEIGHTS = np.array([19595, 38470, 7471])  # of 65536, which add up to one


@network("cnniqa", kind="no_reference", paper=PAPER)
class CNNIQA(nnx.Module):
    """One layer of filters, their extremes, three fully connected layers."""

    def __init__(
        self, *, rngs: nnx.Rngs, convention: Literal["paper", "lidq92"] = "paper", filters: int = 50
    ) -> None:
        """Random parameters.

        Args:
            rngs: Where they come from.
            convention: How images become normalised patches, and where dropout is; see above.
            filters: Of the one convolution.
        """
        self.convention = convention
        self.conv1 = nnx.Conv(1, filters, (7, 7), padding="VALID", rngs=rngs)
        self.fc1 = nnx.Linear(2 * filters, 800, rngs=rngs)
        self.fc2 = nnx.Linear(800, 800, rngs=rngs)
        self.fc3 = nnx.Linear(800, 1, rngs=rngs)
        self.dropout = nnx.Dropout(0.5)

    def __call__(self, distorted: jax.Array, *, rngs: nnx.Rngs | None = None) -> Prediction:
        """Scores of images and of their patches.

        Args:
            distorted: Images `[B, H, W, C]` in [0, 1], at least 32 x 32, or patches of them
                `[B, P, 32, 32, C]`.
            rngs: For dropout, in training.

        Returns:
            "score" `[B]`, "patches" `[B, P]`.
        """
        patches = self._normalized_patches(distorted)
        x = extremes(self.conv1(merge_batch(patches)))
        x = jax.nn.relu(self.fc1(x))
        early = self.convention == "lidq92"
        x = self._drop(x, rngs) if early else x
        x = jax.nn.relu(self.fc2(x))
        x = x if early else self._drop(x, rngs)
        scores = self.fc3(x).reshape(patches.shape[:2])
        return {"score": scores.mean(1), "patches": scores}

    def _drop(self, x: jax.Array, rngs: nnx.Rngs | None) -> jax.Array:
        return self.dropout(x, deterministic=rngs is None, rngs=rngs)

    def _normalized_patches(self, images: jax.Array) -> jax.Array:
        if self.convention == "lidq92":
            patches = port_patches(_pillow_luma(images))
            return normalize_contrast(patches, uniform_window(3), constant=1.0)
        return normalized_patches(images)


def extremes(maps: jax.Array) -> jax.Array:
    """The highest and the lowest value of each channel, `[N, 2 C]` of `[N, h, w, C]`.

    >>> print(extremes(jnp.array([1.0, 6.0, 2.0]).reshape(1, 3, 1, 1)))
    [[6. 1.]]
    """
    return jnp.concatenate([largest(maps), -largest(-maps)], -1)


def normalized_patches(images: jax.Array) -> jax.Array:
    """Patches of 32 x 32 pixels of the locally normalised luma, as the paper has them.

    Args:
        images: `[B, H, W, C]` in [0, 1], or patches of them `[B, P, 32, 32, C]`.

    Returns:
        `[B, P, 32, 32, 1]`.

    Raises:
        ValueError: Images are smaller than a patch.

    >>> normalized_patches(jnp.ones((2, 70, 100, 3))).shape
    (2, 6, 32, 32, 1)
    """
    gray = luma(images, "bt601")
    return as_patches(normalize_contrast(gray, uniform_window(7), constant=10 / 255), PATCH)


def normalize_contrast(
    images: jax.Array, window: np.ndarray, *, constant: float, border: Border = "symmetric"
) -> jax.Array:
    """Local contrast normalisation: (image - mean) / (deviation + constant).

    Args:
        images: `[..., H, W, C]`.
        window: Along either axis, of which mean and deviation are.
        constant: In the units of the images.
        border: As in `jiqa.core.filters.correlate_separable`.

    Returns:
        The same shape, without unit.

    >>> print(normalize_contrast(jnp.ones((5, 5, 1)), uniform_window(3), constant=1.0).max())
    0.0
    """
    mean = correlate_separable(images, window, border=border)
    mean_of_square = correlate_separable(images**2, window, border=border)
    deviation = safe_sqrt(jnp.maximum(mean_of_square - mean**2, 0))
    return (images - mean) / (deviation + constant)


def _pillow_luma(images: jax.Array) -> jax.Array:
    """Luma in 256 levels as Pillow rounds it; the gradient is that without rounding."""
    if images.shape[-1] == 1:
        return images
    smooth = images @ jnp.asarray(PILLOW_WEIGHTS / 65536, images.dtype)
    levels = jnp.round(images * 255) @ jnp.asarray(PILLOW_WEIGHTS, images.dtype)
    return pass_through(jnp.floor(levels / 65536 + 0.5) / 255, smooth)[..., None]


def port_patches(images: jax.Array) -> jax.Array:
    """Patches from the upper left corner, but the last row and column where they fit exactly.

    Args:
        images: `[B, H, W, C]`, or patches `[B, P, 32, 32, C]`, which are handed back.

    Returns:
        `[B, P, 32, 32, C]`, row by row.

    >>> port_patches(jnp.zeros((1, 64, 65, 3))).shape
    (1, 2, 32, 32, 3)
    """
    if images.ndim == 5:
        return images
    rows, columns = (-(-side // PATCH) - 1 for side in images.shape[1:3])
    grid((rows * PATCH, columns * PATCH, 1), PATCH)
    return as_patches(images[:, : rows * PATCH, : columns * PATCH], PATCH)
