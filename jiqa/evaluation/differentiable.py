"""Correlations to train with: PLCC and a Spearman coefficient with a gradient, in JAX."""

import jax
import jax.numpy as jnp

from jiqa.core.arrays import safe_divide, safe_sqrt


def plcc_loss(predictions: jax.Array, opinions: jax.Array) -> jax.Array:
    """One minus Pearson's correlation over the last axis.

    Args:
        predictions: `[..., N]`.
        opinions: `[..., N]`, more being better for both or for neither.

    Returns:
        `[...]`, from 0 (perfect) to 2. Where predictions or opinions are all equal it is 1 and its
        gradient 0.

    >>> x = jnp.array([1.0, 2.0, 4.0])
    >>> bool(plcc_loss(x, 2 * x) < 1e-6), bool(plcc_loss(x, -x) > 2 - 1e-6)
    (True, True)
    """
    _check(predictions, opinions)
    x = _standardized(predictions)
    y = _standardized(opinions)
    return 1 - (x * y).mean(-1)


def srocc_loss(
    predictions: jax.Array, opinions: jax.Array, *, temperature: float = 0.1
) -> jax.Array:
    """One minus Spearman's correlation over the last axis, with soft ranks of the predictions.

    Args:
        predictions: `[..., N]`.
        opinions: `[..., N]`, more being better for both or for neither. Their ranks are exact, and
            have no gradient.
        temperature: See `soft_rank`.

    Returns:
        `[...]`, from 0 to 2. Where predictions or opinions are all equal it is 1 and its gradient
        finite.

    >>> order = jnp.array([1.0, 2.0, 3.0, 4.0])
    >>> float(srocc_loss(order, -order)) > 1.99
    True
    """
    _check(predictions, opinions)
    steps = jnp.sign(opinions[..., :, None] - opinions[..., None, :])
    exact = jax.lax.stop_gradient(steps.sum(-1).astype(predictions.dtype))
    return plcc_loss(soft_rank(predictions, temperature=temperature), exact)


def soft_rank(values: jax.Array, *, temperature: float = 0.1) -> jax.Array:
    """Ranks over the last axis that change smoothly with the values.

    Each comparison with another value counts as a logistic function of the difference, in place of
    0 or 1 (T. Qin, T.-Y. Liu and H. Li, "A general approximation framework for direct optimization
    of information retrieval measures", Information Retrieval 13, 2010). Memory grows with N^2.

    Args:
        values: `[..., N]`.
        temperature: Differences that count as about equal, in standard deviations of the values.
            Towards 0 the ranks become exact and the gradient vanishes; it must be positive.

    Returns:
        `[..., N]` from 1, the least, to N. They sum to N (N + 1) / 2; equal values share a rank.

    >>> [round(rank, 3) for rank in soft_rank(jnp.array([3.0, 1.0, 2.0])).tolist()]
    [3.0, 1.0, 2.0]
    """
    if temperature <= 0:
        raise ValueError(f"the temperature is {temperature}; it must be positive.")
    z = _standardized(values)
    return 0.5 + jax.nn.sigmoid((z[..., :, None] - z[..., None, :]) / temperature).sum(-1)


def _standardized(values: jax.Array) -> jax.Array:
    """Mean 0 and variance 1 over the last axis; zeros where nothing varies."""
    centred = values - values.mean(-1, keepdims=True)
    deviation = safe_sqrt((centred**2).mean(-1, keepdims=True))
    return safe_divide(centred, deviation)


def _check(predictions: jax.Array, opinions: jax.Array) -> None:
    if predictions.shape != opinions.shape or predictions.ndim < 1 or predictions.shape[-1] < 2:
        raise ValueError(
            f"predictions are {list(predictions.shape)} and opinions {list(opinions.shape)}: both "
            "must be [..., N] with N at least 2."
        )
