"""Generalised divisive normalisation: each channel divided by the strength of all at its place.

Ballé, Laparra and Simoncelli, "Density modeling of images using a generalized normalization
transformation", ICLR 2016, in the form with exponents two and one half that MEON uses:

    y_i = x_i / sqrt(beta_i + sum_j gamma_ij x_j^2)

The inverse option multiplies instead of dividing, which undoes it approximately (Ballé, Laparra and
Simoncelli, "End-to-end optimized image compression", ICLR 2017).

The root needs a positive beta and no negative gamma. What is learned are numbers whose squares they
are, so that no step of any optimiser can make them invalid. A square that is 0 has no gradient:
channels begin to influence each other a little.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

LEAST_BETA = 1e-6
FIRST_BETA, FIRST_GAMMA = 1.0, 0.1  # of a channel on itself
FIRST_INFLUENCE = 1e-4  # of a channel on another


class GDN(nnx.Module):
    """Divisive normalisation over the last axis.

    >>> normalize = GDN(3, rngs=nnx.Rngs(0))
    >>> print(normalize(jnp.array([[0.0, 0.0, 3.0]]))[0].round(3))
    [0.    0.    2.176]
    """

    def __init__(self, channels: int, *, inverse: bool = False, rngs: nnx.Rngs) -> None:
        """Parameters that depend on nothing random.

        Args:
            channels: Length of the last axis.
            inverse: Whether to multiply in place of dividing.
            rngs: Not used; layers take it.
        """
        del rngs
        root_of_gamma = np.full((channels, channels), math.sqrt(FIRST_INFLUENCE), np.float32)
        np.fill_diagonal(root_of_gamma, math.sqrt(FIRST_GAMMA))
        root_of_beta = np.full(channels, math.sqrt(FIRST_BETA - LEAST_BETA), np.float32)
        self.inverse = inverse
        self.root_of_beta = nnx.Param(jnp.asarray(root_of_beta))
        self.root_of_gamma = nnx.Param(jnp.asarray(root_of_gamma))

    @property
    def beta(self) -> jax.Array:
        """What is added, `[channels]`, at least 1e-6."""
        return self.root_of_beta[...] ** 2 + LEAST_BETA

    @property
    def gamma(self) -> jax.Array:
        """The influence of channel j on channel i, `[i, j]`, not negative."""
        return self.root_of_gamma[...] ** 2

    def __call__(self, x: jax.Array) -> jax.Array:
        """`[..., channels]` to the same shape."""
        strength = self.beta + jnp.matmul(x**2, self.gamma.T, precision="highest")
        return x * jnp.sqrt(strength) if self.inverse else x / jnp.sqrt(strength)
