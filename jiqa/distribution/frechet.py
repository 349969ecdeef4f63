"""Fréchet distance of two sets of images, each taken as a Gaussian in a space of features.

Heusel, Ramsauer, Unterthiner, Nessler and Hochreiter, "GANs trained by a two time-scale update rule
converge to a local Nash equilibrium", NIPS 2017. With features of Inception it is the FID:
`|m - n|^2 + tr(A + B - 2 (A B)^(1/2))` for means m, n and covariances A, B.

The trace of the root is the sum of the singular values of `R^T S` for any factors `A = R R^T` and
`B = S S^T`: of Cholesky, or from the eigenvalues where a covariance is singular. Unlike a root of
the product or the roots of its eigenvalues, which other packages take, this is real, needs nothing
added to singular covariances, and is exact to rounding there too: no root is taken of a small
number that is a large one's rounding error.
"""

import contextlib
import warnings
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from jiqa.core.arrays import AnyArray
from jiqa.distribution import moments
from jiqa.distribution.checks import check_features
from jiqa.distribution.moments import Moments
from jiqa.distribution.statistics import UNKNOWN, Statistics, of_features

Set = Statistics | Moments | AnyArray


def frechet_distance(reference: Set, generated: Set) -> float:
    """Fréchet distance between two sets of images; FID where features are those of Inception.

    Computed in float64 on the host. With as few images as dimensions, or fewer, covariances are
    singular: the distance is defined, but far above that of many images, and a warning says so.

    Args:
        reference: The first set: features `[N, D]`, their streamed `Moments`, or `Statistics`.
        generated: The second set; the distance is symmetric.

    Returns:
        The distance, 0 for equal statistics.

    Raises:
        TypeError: Neither array, moments nor statistics.
        ValueError: Fewer than two images, another number of dimensions, statistics of other
            features, NaN or infinite values.

    >>> reference = Statistics(np.zeros(2), np.eye(2), 100)
    >>> generated = Statistics(np.ones(2), 4 * np.eye(2), 100)
    >>> frechet_distance(reference, generated)
    4.0
    """
    first, second = _statistics("reference", reference), _statistics("generated", generated)
    if first.mean.shape != second.mean.shape:
        raise ValueError(
            f"frechet_distance: `reference` has {len(first.mean)} dimensions and `generated` "
            f"{len(second.mean)}; compute both with the same feature function."
        )
    if first.features and second.features and first.features != second.features:
        raise ValueError(
            f"frechet_distance: `reference` is of {first.features} and `generated` of "
            f"{second.features}; compute both with the same feature function."
        )
    difference = first.mean - second.mean
    roots = [_root(statistics.covariance) for statistics in (first, second)]
    overlap = np.linalg.svd(roots[0].T @ roots[1], compute_uv=False).sum()
    traces = np.trace(first.covariance) + np.trace(second.covariance)
    return max(0.0, float(difference @ difference + traces - 2 * overlap))


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class FrechetLoss:
    """Fréchet distance of a batch from a reference, to be minimised: a pytree that is called.

    Mathiasen and Hvilshøj, "Backpropagating through Fréchet inception distance", 2020, make its
    cost that of a matrix as large as the batch; here the singular values of that matrix are taken,
    not roots of eigenvalues, so its gradient is bounded however few images or dimensions vary.

    Attributes:
        mean: The reference's mean `[D]`.
        root: A matrix R `[D, rank]` with `R R^T` the reference's covariance.
    """

    mean: jax.Array
    root: jax.Array

    @classmethod
    def from_reference(cls, reference: Set) -> "FrechetLoss":
        """The loss for a reference.

        Args:
            reference: As in `frechet_distance`.

        Returns:
            The loss, in float32 unless x64 is enabled.

        Raises:
            TypeError: As in `frechet_distance`.
            ValueError: As in `frechet_distance`.
        """
        found = _statistics("reference", reference)
        return cls(jnp.asarray(found.mean), jnp.asarray(_root(found.covariance)))

    def __call__(self, features: jax.Array) -> jax.Array:
        """The distance of features from the reference.

        Args:
            features: `[N, D]` of at least two images.

        Returns:
            A scalar in the features' precision.

        Raises:
            TypeError: The features are no floats.
            ValueError: Fewer than two images, another number of dimensions, NaN or infinite values.

        >>> loss = FrechetLoss.from_reference(Statistics(np.zeros(2), np.eye(2), 100))
        >>> print(loss(jnp.array([[1.0, 0.0], [-1.0, 0.0]])).round(4))  # 2 + 2 - 2 sqrt(2)
        1.1716
        """
        features = check_features("FrechetLoss", "features", features)
        if features.shape[1] != len(self.mean):
            raise ValueError(
                f"FrechetLoss: `features` has {features.shape[1]} dimensions and the reference "
                f"{len(self.mean)}; compute both with the same feature function."
            )
        mean, root = (array.astype(features.dtype) for array in (self.mean, self.root))
        own = jnp.mean(features, 0)
        deviations = (features - own) / (len(features) - 1) ** 0.5
        traces = jnp.sum(deviations**2) + jnp.sum(root**2)
        overlap = _nuclear_norm(jnp.matmul(deviations, root, precision="highest"))
        return jnp.sum((own - mean) ** 2) + traces - 2 * overlap


def _statistics(name: str, given: Set) -> Statistics:
    """Statistics of whatever describes a set; warns where there are too few images."""
    if isinstance(given, Moments):
        found = moments.compute(given)
    elif isinstance(given, Statistics):
        found = given
    else:
        check_features("frechet_distance", name, given)
        found = of_features(np.asarray(given))
    if found.count != UNKNOWN and found.count <= len(found.mean):
        warnings.warn(
            f"frechet_distance: `{name}` has {found.count} images for {len(found.mean)} "
            "dimensions, so its covariance is singular and the distance too large; use more "
            "images, or the kernel distance, which is unbiased.",
            stacklevel=3,
        )
    return found


def _root(covariance: np.ndarray) -> np.ndarray:
    """A matrix R `[D, rank]` with `R R^T` the covariance; what is rounding error of 0 is 0."""
    covariance = (covariance + covariance.T) / 2
    negligible = len(covariance) * np.finfo(np.float64).eps
    with contextlib.suppress(np.linalg.LinAlgError):
        triangle = np.linalg.cholesky(covariance)  # fast, but for regular matrices alone
        pivots = triangle.diagonal() ** 2
        if pivots.min() > negligible * pivots.max():
            return triangle
    values, vectors = np.linalg.eigh(covariance)
    kept = values > negligible * abs(values).max()
    return vectors[:, kept] * np.sqrt(values[kept])


@jax.custom_vjp
def _nuclear_norm(matrix: jax.Array) -> jax.Array:
    """The sum of the singular values."""
    return jnp.linalg.svd(matrix, compute_uv=False).sum()


def _nuclear_norm_forward(matrix: jax.Array) -> tuple[jax.Array, jax.Array]:
    left, values, right = jnp.linalg.svd(matrix, full_matrices=False)
    # Where a value is zero its vectors are arbitrary, and zero is a subgradient.
    kept = values > max(matrix.shape) * jnp.finfo(values.dtype).eps * jnp.max(values, initial=0)
    return values.sum(), jnp.matmul(left * kept, right, precision="highest")


def _nuclear_norm_backward(derivative: jax.Array, cotangent: jax.Array) -> tuple[jax.Array]:
    return (cotangent * derivative,)


_nuclear_norm.defvjp(_nuclear_norm_forward, _nuclear_norm_backward)
