"""Maximum mean discrepancies: kernel distance (KID with features of Inception) and CMMD's.

`MMD^2 = E k(x, x') + E k(y, y') - 2 E k(x, y)` of Gretton, Borgwardt, Rasch, Schölkopf and Smola,
"A kernel two-sample test", JMLR 13, 2012. The unbiased estimate (their eq. 3) leaves out the pairs
of an image with itself and may be negative; the biased one (eq. 5) has them.

Sums over pairs are double words, so the small difference of large means has the precision of the
kernels themselves, and matrices of pairs are made in blocks, so memory grows with the number of
images and not with its square. All functions can be differentiated, and be part of a `jit`.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jiqa.core import double_word as dw
from jiqa.core.double_word import DoubleWord
from jiqa.distribution import blocks
from jiqa.distribution.checks import check_two_sets
from jiqa.distribution.inception_score import Estimate
from jiqa.kernels.forms import vary_alike

Kernel = Callable[[jax.Array, jax.Array, jax.Array], jax.Array]


def kernel_distance(
    reference: ArrayLike,
    generated: ArrayLike,
    *,
    key: jax.Array | None = None,
    subsets: int = 100,
    subset_size: int = 1000,
) -> Estimate:
    """Kernel distance of two sets, averaged over random subsets; KID with features of Inception.

    Bińkowski, Sutherland, Arbel and Gretton, "Demystifying MMD GANs", ICLR 2018, with their
    code's subsets: 100 of 1000 images, drawn without replacement from either set. The mean over
    all subsets is `polynomial_mmd`, which has no randomness and costs less for less than about
    10,000 images; the deviation is only had in this way.

    Args:
        reference: Features `[M, D]`.
        generated: Features `[N, D]`.
        key: Of JAX; the same key draws the same subsets. None is `jax.random.key(0)`.
        subsets: How many are drawn.
        subset_size: Images of each, at least 2, at most M and N.

    Returns:
        Mean and standard deviation of the unbiased estimates of the subsets; the mean is 0 where
        both sets have one distribution, and may be slightly below.

    Raises:
        TypeError: The features are no floats.
        ValueError: Other shapes, fewer images than `subset_size`, another number of dimensions,
            NaN or infinite values.

    >>> features = jax.random.normal(jax.random.key(1), (2, 50, 8))
    >>> estimate = kernel_distance(*features, subsets=10, subset_size=20)
    >>> print(abs(estimate.mean) < estimate.deviation)
    True
    """
    x, y = check_two_sets("kernel_distance", reference, generated)
    fewest = min(len(x), len(y))
    if not 2 <= subset_size <= fewest or subsets < 1:
        raise ValueError(
            f"kernel_distance: {subsets} subsets of {subset_size} images; give at least 1 of 2 to "
            f"{fewest} images, the number of the smaller set."
        )
    keys = jax.random.split(jax.random.key(0) if key is None else key, (2, subsets))
    rows = [
        _draw(own, len(features), subset_size) for own, features in zip(keys, (x, y), strict=True)
    ]
    return kernel_distance_of(x, y, *rows)


def kernel_distance_of(
    reference: ArrayLike, generated: ArrayLike, reference_rows: ArrayLike, generated_rows: ArrayLike
) -> Estimate:
    """Kernel distance averaged over given subsets, such as those that another package drew.

    Args:
        reference: Features `[M, D]`.
        generated: Features `[N, D]`.
        reference_rows: Integers `[S, B]` below M: the images of each subset.
        generated_rows: Integers `[S, B]` below N.

    Returns:
        As `kernel_distance`.

    Raises:
        TypeError: As `kernel_distance`.
        ValueError: As `kernel_distance`.

    >>> features = jax.random.normal(jax.random.key(1), (2, 50, 8))
    >>> everything = jnp.arange(50)[None]
    >>> estimate = kernel_distance_of(*features, everything, everything)
    >>> print(bool(abs(estimate.mean - polynomial_mmd(*features)) < 1e-6))
    True
    """
    x, y = check_two_sets("kernel_distance", reference, generated)
    rows = jnp.asarray(reference_rows), jnp.asarray(generated_rows)
    return Estimate(*_of_subsets(x, y, *rows))


def polynomial_mmd(
    reference: ArrayLike, generated: ArrayLike, *, unbiased: bool = True
) -> jax.Array:
    """Squared discrepancy under the kernel of KID, `(x^T y / D + 1)^3`, of all images.

    Args:
        reference: Features `[M, D]`.
        generated: Features `[N, D]`.
        unbiased: Whether pairs of an image with itself are left out.

    Returns:
        A scalar, 0 for one distribution, and perhaps slightly below if unbiased.

    Raises:
        TypeError: The features are no floats.
        ValueError: Fewer than two images, another number of dimensions, NaN or infinite values.

    >>> print(polynomial_mmd(jnp.zeros((2, 4)), jnp.ones((3, 4))))  # 1 + 8 - 2
    7.0
    """
    x, y = check_two_sets("polynomial_mmd", reference, generated)
    return _mmd(x, y, x.shape[1] ** -1.0, kernel=_cubic, unbiased=unbiased)


def gaussian_mmd(
    reference: ArrayLike,
    generated: ArrayLike,
    *,
    sigma: float = 10.0,
    scale: float = 1000.0,
    unbiased: bool = False,
) -> jax.Array:
    """Squared discrepancy under a Gaussian kernel: CMMD where features are CLIP embeddings.

    Jayasumana, Ramalingam, Veit, Glasner, Chakrabarti and Kumar, "Rethinking FID: towards a better
    evaluation metric for image generation", CVPR 2024, whose code has the biased estimate, sigma
    10, and the factor 1000 for legibility.

    Args:
        reference: Features `[M, D]`; CMMD has those of CLIP ViT-L/14 at 336 pixels.
        generated: Features `[N, D]`.
        sigma: Width of the kernel `exp(-|x - y|^2 / (2 sigma^2))`.
        scale: The result is multiplied by it.
        unbiased: Whether pairs of an image with itself are left out.

    Returns:
        A scalar; 0 for equal sets if biased.

    Raises:
        TypeError: The features are no floats.
        ValueError: A sigma that is not positive; fewer than two images, another number of
            dimensions, NaN or infinite values.

    >>> print(gaussian_mmd(jnp.zeros((2, 4)), jnp.full((3, 4), 1e3)))
    2000.0
    """
    x, y = check_two_sets("gaussian_mmd", reference, generated)
    if not sigma > 0:
        raise ValueError(f"gaussian_mmd: sigma={sigma} must be positive.")
    center = jax.lax.stop_gradient(jnp.mean(x, 0))  # distances stay, and lose fewer digits
    rate = 0.5 / sigma**2
    return scale * _mmd(x - center, y - center, rate, kernel=_gaussian, unbiased=unbiased)


def _cubic(rows: jax.Array, columns: jax.Array, rate: jax.Array) -> jax.Array:
    return (rate * blocks.inner_products(rows, columns) + 1) ** 3


def _gaussian(rows: jax.Array, columns: jax.Array, rate: jax.Array) -> jax.Array:
    return jnp.exp(-rate * blocks.squared_distances(rows, columns))


@partial(jax.jit, static_argnames=("kernel", "unbiased"))
def _mmd(
    x: jax.Array, y: jax.Array, rate: ArrayLike, *, kernel: Kernel, unbiased: bool
) -> jax.Array:
    rate = jnp.asarray(rate, x.dtype)
    within = dw.add(*(_mean(kernel, rate, z, z, skip_same=unbiased) for z in (x, y)))
    between = _mean(kernel, rate, x, y, skip_same=False)
    value = dw.add(within, DoubleWord(-2 * between.high, -2 * between.low))
    return value.high + value.low


def _mean(
    kernel: Kernel, rate: jax.Array, rows: jax.Array, columns: jax.Array, *, skip_same: bool
) -> DoubleWord:
    """The mean of the kernel over all pairs, but for those of equal numbers if they are skipped."""

    def add_block(
        sums: DoubleWord, block: jax.Array, numbers: jax.Array
    ) -> tuple[DoubleWord, None]:
        numbers = numbers[:, None]
        values = kernel(block, columns, rate)
        skipped = numbers >= len(rows)  # they fill up the block
        if skip_same:
            skipped |= numbers == jnp.arange(len(columns))
        return dw.add(sums, dw.total(jnp.where(skipped, 0, values), 0)), None

    *_, zeros = vary_alike(rows, columns, jnp.zeros(len(columns), rows.dtype))
    start = DoubleWord.of(zeros)
    sums = dw.total(blocks.scan_blocks(add_block, start, rows, len(columns))[0])
    pairs = len(rows) * (len(columns) - skip_same)
    return dw.divide(sums, dw.constant(pairs, rows.dtype))


@partial(jax.jit, static_argnames=("number", "size"))
def _draw(keys: jax.Array, number: int, size: int) -> jax.Array:
    """For each key `size` different integers below `number`."""
    return jax.lax.map(lambda key: jax.random.permutation(key, number)[:size], keys)


@jax.jit
def _of_subsets(
    x: jax.Array, y: jax.Array, x_rows: jax.Array, y_rows: jax.Array
) -> tuple[jax.Array, jax.Array]:
    rate = x.shape[1] ** -1.0
    values = jax.lax.map(
        lambda rows: _mmd(x[rows[0]], y[rows[1]], rate, kernel=_cubic, unbiased=True),
        (x_rows, y_rows),
    )
    return jnp.mean(values), jnp.std(values)
