"""The images and windows with which the forms of a kernel are compared."""

import jax.numpy as jnp
import numpy as np

from jiqa.core.filters import gaussian_window, uniform_window
from jiqa.kernels.ssim_statistics import Similarity

GAUSSIAN = Similarity(tuple(gaussian_window(11, 1.5).tolist()), 1e-4, 9e-4)
UNIFORM = Similarity(tuple(uniform_window(8).tolist()), 1e-4, 9e-4, 64 / 63)
LOPSIDED = Similarity((0.5, 0.3, 0.2), 1e-4, 9e-4)


def make_pair(rng, shape, dtype=np.float32):
    """Noise and the same with more noise, on the dtype's range."""
    x = rng.random(shape)
    y = np.clip(x + 0.2 * rng.standard_normal(shape), 0, 1)
    dtype = jnp.dtype(dtype)
    top = np.iinfo(dtype).max if np.issubdtype(dtype, np.integer) else 1
    return jnp.asarray(x * top, dtype), jnp.asarray(y * top, dtype)


def make_weights(rng, shape, similarity):
    """A weight for every position of the window in images of a shape."""
    count, height, width, channels = shape
    reach = len(similarity.window) - 1
    size = (count, height - reach, width - reach, channels)
    return jnp.asarray(rng.random(size), jnp.float32)
