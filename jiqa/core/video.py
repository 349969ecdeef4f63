"""From scores of frames to the score of a video.

Every metric takes `[T, H, W, C]` and gives one score a frame; these functions pool over time.
"""

import jax
import jax.numpy as jnp

from jiqa.core.arrays import safe_power

METHODS = ("mean", "minkowski", "worst", "hysteresis")


def pool_frames(
    scores: jax.Array,
    method: str = "mean",
    *,
    higher_is_better: bool = True,
    weights: jax.Array | None = None,
    exponent: float = 2.0,
    percent: float = 5.0,
    memory: int = 12,
    share: float = 0.8,
) -> jax.Array:
    """One score of a video from those of its frames.

    Args:
        scores: `[..., T]`.
        method: "mean"; "minkowski", the root of the mean power, for errors; "worst", the mean of
            the worst frames; "hysteresis" (Seshadrinathan and Bovik, "Temporal hysteresis model of
            time varying subjective video quality", ICASSP 2011): bad frames are remembered and
            judged the more, the worse they are.
        higher_is_better: Polarity of the scores.
        weights: `[..., T]` for "mean" and "minkowski", such as `motion`, or None.
        exponent: Of "minkowski".
        percent: Share of the frames that "worst" takes, at least one.
        memory: Frames that "hysteresis" looks back and ahead.
        share: Weight of memory against the present in "hysteresis".

    Returns:
        `[...]`.

    Raises:
        ValueError: Unknown method.

    >>> print(pool_frames(jnp.array([1.0, 1.0, 0.0, 1.0]), "worst", percent=25))
    0.0
    """
    if method not in METHODS:
        raise ValueError(f"method={method!r} is unknown; use one of {', '.join(METHODS)}.")
    if method == "worst":
        ranked = jnp.sort(scores if higher_is_better else -scores, -1)
        count = max(1, round(scores.shape[-1] * percent / 100))
        worst = ranked[..., :count].mean(-1)
        return worst if higher_is_better else -worst
    if method == "hysteresis":
        quality = scores if higher_is_better else -scores
        pooled = _hysteresis(quality, memory, share).mean(-1)
        return pooled if higher_is_better else -pooled
    weights = jnp.ones_like(scores) if weights is None else weights
    weights = weights / jnp.sum(weights, -1, keepdims=True)
    if method == "mean":
        return jnp.sum(weights * scores, -1)
    return safe_power(jnp.sum(weights * jnp.abs(scores) ** exponent, -1), 1 / exponent)


def motion(frames: jax.Array) -> jax.Array:
    """How much each frame differs from the one before, as weights in time.

    Args:
        frames: `[..., T, H, W, C]`, T at least 2.

    Returns:
        `[..., T]`, the mean absolute difference; the first frame has that of the second.

    >>> print(motion(jnp.array([0.0, 0.0, 1.0]).reshape(3, 1, 1, 1)))
    [0. 0. 1.]
    """
    change = jnp.abs(jnp.diff(frames, axis=-4)).mean((-3, -2, -1))
    return jnp.concatenate([change[..., :1], change], -1)


def _hysteresis(quality: jax.Array, memory: int, share: float) -> jax.Array:
    """Equations 2 to 5: the worst of the past, and the future with the worst weighted most."""
    past = jnp.stack([_shift(quality, back) for back in range(1, memory + 1)], -1).min(-1)
    past = past.at[..., 0].set(quality[..., 0])
    ahead = jnp.stack([_shift(quality, -step) for step in range(memory + 1)], -1)
    ranked = jnp.sort(jnp.where(jnp.isfinite(ahead), ahead, jnp.inf), -1)
    fall = jnp.exp(-((jnp.arange(memory + 1) / (memory / 2)) ** 2) / 2)
    known = jnp.isfinite(ranked)
    weights = jnp.where(known, fall, 0)
    present = jnp.sum(jnp.where(known, ranked, 0) * weights, -1) / weights.sum(-1)
    return share * past + (1 - share) * present


def _shift(quality: jax.Array, back: int) -> jax.Array:
    """Each frame's score `back` frames earlier, infinite where there is none."""
    frames = quality.shape[-1]
    source = jnp.arange(frames) - back
    found = jnp.take(quality, jnp.clip(source, 0, frames - 1), -1)
    return jnp.where((source >= 0) & (source < frames), found, jnp.inf)
