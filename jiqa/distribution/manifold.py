"""How much of one set of images lies within the other: precision, recall, density, coverage.

The manifold of a set is the union of balls, around each image's features, that reach to its k-th
nearest neighbour in the set (Kynkäänniemi, Karras, Laine, Lehtinen and Aila, "Improved precision
and recall metric for assessing generative models", NeurIPS 2019). Points on a ball's surface are
outside, as in the code of Naeem, Oh, Uh, Choi and Yoo (package prdc), whose numbers these are; it
makes a difference only among equal images. Distances are made in blocks, so memory grows with the
number of images and not with its square.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jiqa.distribution import blocks
from jiqa.distribution.checks import check_two_sets
from jiqa.kernels.forms import vary_alike


class PrecisionRecall(NamedTuple):
    """Shares of images within the other set's manifold.

    Attributes:
        precision: Share of the generated images within the reference's manifold: fidelity.
        recall: Share of the reference's images within the generated manifold: diversity.
    """

    precision: jax.Array
    recall: jax.Array


class DensityCoverage(NamedTuple):
    """How densely generated images lie in the reference's manifold, and how much they cover.

    Attributes:
        density: Mean number of the reference's balls that a generated image is in, over k; about 1
            for one distribution, and more where generated images crowd in dense regions.
        coverage: Share of the reference's balls that hold a generated image.
    """

    density: jax.Array
    coverage: jax.Array


class PRDC(NamedTuple):
    """All four, as in `PrecisionRecall` and `DensityCoverage`.

    Attributes:
        precision: See there.
        recall: See there.
        density: See there.
        coverage: See there.
    """

    precision: jax.Array
    recall: jax.Array
    density: jax.Array
    coverage: jax.Array


def precision_recall(
    reference: ArrayLike, generated: ArrayLike, *, neighbors: int = 3
) -> PrecisionRecall:
    """Improved precision and recall of Kynkäänniemi et al. (NeurIPS 2019).

    Args:
        reference: Features `[M, D]`.
        generated: Features `[N, D]`; the authors have 50,000 of either set.
        neighbors: k; the authors' is 3. It needs more than k images.

    Returns:
        Precision and recall, each from 0 to 1.

    Raises:
        TypeError: The features are no floats.
        ValueError: Too few images for k, another number of dimensions, NaN or infinite values.

    >>> reference, generated = jnp.arange(8.0)[:, None], 2.5 + jnp.arange(4.0)[:, None]
    >>> found = precision_recall(reference, generated, neighbors=1)
    >>> print(found.precision, found.recall)
    1.0 0.625
    """
    found = _shares(*_check("precision_recall", reference, generated, neighbors), neighbors)
    return PrecisionRecall(found.precision, found.recall)


def density_coverage(
    reference: ArrayLike, generated: ArrayLike, *, neighbors: int = 5
) -> DensityCoverage:
    """Density and coverage of Naeem et al., "Reliable fidelity and diversity metrics", ICML 2020.

    Args:
        reference: Features `[M, D]`.
        generated: Features `[N, D]`.
        neighbors: k; the authors' is 5. It needs more than k images.

    Returns:
        Density from 0, and coverage from 0 to 1.

    Raises:
        TypeError: The features are no floats.
        ValueError: Too few images for k, another number of dimensions, NaN or infinite values.

    >>> reference, generated = jnp.arange(8.0)[:, None], 2.5 + jnp.arange(4.0)[:, None]
    >>> found = density_coverage(reference, generated, neighbors=1)
    >>> print(found.density, found.coverage)
    2.0 0.625
    """
    found = _shares(*_check("density_coverage", reference, generated, neighbors), neighbors)
    return DensityCoverage(found.density, found.coverage)


def prdc(reference: ArrayLike, generated: ArrayLike, *, neighbors: int = 5) -> PRDC:
    """Precision, recall, density and coverage, in the time of two of them.

    Args:
        reference: Features `[M, D]`.
        generated: Features `[N, D]`.
        neighbors: k, for all four; 5 as in the package prdc. It needs more than k images.

    Returns:
        The four.

    Raises:
        TypeError: The features are no floats.
        ValueError: Too few images for k, another number of dimensions, NaN or infinite values.

    >>> reference, generated = jnp.arange(8.0)[:, None], 2.5 + jnp.arange(4.0)[:, None]
    >>> print(*prdc(reference, generated, neighbors=1))
    1.0 0.625 2.0 0.625
    """
    return _shares(*_check("prdc", reference, generated, neighbors), neighbors)


def _check(
    function: str, reference: ArrayLike, generated: ArrayLike, neighbors: int
) -> tuple[jax.Array, jax.Array]:
    if neighbors < 1:
        raise ValueError(f"{function}: neighbors={neighbors} must be at least 1.")
    return check_two_sets(function, reference, generated, least=neighbors + 1)


@partial(jax.jit, static_argnames="neighbors")
def _shares(x: jax.Array, y: jax.Array, neighbors: int) -> PRDC:
    """Counts for each y the balls of x it is in, for each x those of y, and which x cover a y."""
    center = jnp.mean(x, 0)  # distances stay, and lose fewer digits
    x, y = x - center, y - center
    x_radii, y_radii = (_squared_radii(features, neighbors) for features in (x, y))

    def count(
        in_x: jax.Array, block: jax.Array, numbers: jax.Array
    ) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
        distances = blocks.squared_distances(block, y)
        radii = x_radii.at[numbers].get(mode="fill", fill_value=-1)  # nothing is in what fills up
        in_block = distances < radii[:, None]
        in_y = distances < y_radii
        return in_x + jnp.sum(in_block, 0), (jnp.sum(in_y, 1), jnp.any(in_block, 1))

    *_, start = vary_alike(x, y, jnp.zeros(len(y), int))
    in_x, (in_y, covered) = blocks.scan_blocks(count, start, x, len(y))
    return PRDC(
        *(
            jnp.mean(found, dtype=x.dtype)
            for found in (in_x > 0, in_y > 0, in_x / neighbors, covered)
        )
    )


def _squared_radii(features: jax.Array, neighbors: int) -> jax.Array:
    """Squared distance of each image to its k-th nearest neighbour, itself not counted."""

    def farthest(_: None, block: jax.Array, numbers: jax.Array) -> tuple[None, jax.Array]:
        distances = blocks.squared_distances(block, features)
        itself = numbers[:, None] == jnp.arange(len(features))
        return None, _kth_smallest(jnp.where(itself, jnp.inf, distances), neighbors)

    return blocks.scan_blocks(farthest, None, features, len(features))[1]


def _kth_smallest(x: jax.Array, k: int) -> jax.Array:
    """The k-th smallest number of each row, equal ones counted each.

    It goes from one value to the next, of which few are needed; on CPUs `top_k` takes ten times as
    long.
    """

    def next_value(_: int, state: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        value, missing = state
        larger = jnp.min(x, 1, where=x > value[:, None], initial=jnp.inf)
        value = jnp.where(missing > 0, larger, value)
        return value, missing - jnp.sum(x == larger[:, None], 1)

    start = jnp.full_like(x[:, 0], -jnp.inf), jnp.full_like(x[:, 0], k, dtype=int)
    return jax.lax.fori_loop(0, k, next_value, start)[0]
