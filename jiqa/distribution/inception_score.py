"""Inception score: do images look each like one class, and all together like many?

Salimans, Goodfellow, Zaremba, Cheung, Radford and Chen, "Improved techniques for training GANs",
NIPS 2016: `exp(mean KL(p(class | image) || p(class)))`, in parts ("splits") whose mean and standard
deviation are reported. The authors' code takes the logits of Inception without their bias, the tap
`logits_unbiased`; so does torch-fidelity, whose parts are the consecutive ones of `score`.

A state holds, for each part, the number of images, the sum of their probabilities and that of their
negative entropies, as double words.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike, DTypeLike

from jiqa.core import double_word as dw
from jiqa.core.double_word import DoubleWord
from jiqa.distribution import processes
from jiqa.distribution.checks import check_features

BATCH = 1000  # images whose probabilities, times the number of parts, are in memory at once


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class ClassSums:
    """What the score needs of the images seen so far: a pytree of arrays.

    Attributes:
        counts: Images of each part, int32 `[S]`.
        probabilities: Sums of the probabilities of K classes, `[S, K]`.
        negative_entropies: Sums of `sum(p log p)` over the classes, `[S]`.
    """

    counts: jax.Array
    probabilities: DoubleWord
    negative_entropies: DoubleWord


class Estimate(NamedTuple):
    """A number, perhaps estimated on several subsets.

    Attributes:
        mean: The number, or the mean over the subsets: a float or a scalar array.
        deviation: Their standard deviation (the root of the mean square), if there are several.
    """

    mean: Any
    deviation: Any = None


def score(logits: ArrayLike, splits: int = 10) -> Estimate:
    """Inception score of logits that are all in memory.

    Args:
        logits: `[N, K]` before the softmax.
        splits: Number of parts, each of consecutive images; at most N.

    Returns:
        Mean and standard deviation over the parts, from 1 to K.

    Raises:
        TypeError: The logits are no floats.
        ValueError: Not `[N, K]`, fewer images than parts, NaN or infinite values.

    >>> print(score(100 * np.eye(4), splits=1).mean)
    4.0
    """
    checked = check_features("inception_score", "logits", logits, least=1)
    number, classes = checked.shape
    if not 1 <= splits <= number:
        raise ValueError(
            f"inception_score: splits={splits} of {number} images; give from 1 to {number}."
        )
    parts = consecutive_parts(number, splits)
    state = init(classes, splits, checked.dtype)
    for start in range(0, number, BATCH):
        batch = slice(start, start + BATCH)
        state = update(state, checked[batch], parts[batch])
    return compute(state)


def consecutive_parts(number: int, splits: int) -> np.ndarray:
    """The part of each image where parts are of consecutive images, as near in size as may be.

    Args:
        number: N, of the images.
        splits: S, of the parts.

    Returns:
        Integers `[N]` from 0 to S - 1.

    >>> print(consecutive_parts(5, 2))
    [0 0 1 1 1]
    """
    bounds = np.arange(splits) * number // splits
    return np.searchsorted(bounds, np.arange(number), side="right") - 1


def init(classes: int, splits: int = 10, dtype: DTypeLike = float) -> ClassSums:
    """The state before the first image.

    Args:
        classes: K, the length of the logits.
        splits: S, the number of parts.
        dtype: Of what is computed; float32 unless x64 is enabled.

    Returns:
        The state.

    >>> print(init(1008).counts)
    [0 0 0 0 0 0 0 0 0 0]
    """
    return ClassSums(
        jnp.zeros(splits, jnp.int32),
        DoubleWord.of(jnp.zeros((splits, classes), dtype)),
        DoubleWord.of(jnp.zeros(splits, dtype)),
    )


def update(state: ClassSums, logits: ArrayLike, parts: ArrayLike | None = None) -> ClassSums:
    """The state after a batch of images.

    Args:
        state: The state before.
        logits: `[N, K]` before the softmax.
        parts: Integers `[N]`: the part from 0 to S - 1 of each image; those of other numbers, such
            as -1, fill up a batch and do not count. None deals the images out in turn.

    Returns:
        The state after.

    Raises:
        TypeError: The logits are no floats.
        ValueError: Not `[N, K]`, another K, parts that are not integers `[N]`, NaN or infinite
            values in images that count.

    >>> state = update(init(2, splits=1), jnp.zeros((3, 2)))
    >>> print(compute(state).mean)
    1.0
    """
    name = "inception_score.update"
    logits = jnp.asarray(logits)
    splits, classes = state.probabilities.high.shape
    if parts is None:
        parts = (jnp.sum(state.counts) + jnp.arange(len(logits))) % splits
    parts = jnp.asarray(parts)
    if not jnp.issubdtype(parts.dtype, jnp.integer) or parts.shape != logits.shape[:1]:
        raise ValueError(
            f"{name}: `parts` is {parts.dtype} {parts.shape}; give integers {logits.shape[:1]}."
        )
    counted = ((parts >= 0) & (parts < splits)).reshape(-1, *[1] * (logits.ndim - 1))
    checked = check_features(name, "logits", jnp.where(counted, logits, 0), least=0)
    if checked.shape[1] != classes:
        raise ValueError(
            f"{name}: `logits` has {checked.shape[1]} classes but the state has {classes}."
        )
    return _update(state, checked.astype(state.probabilities.high.dtype), parts)


@jax.jit
def merge(first: ClassSums, second: ClassSums) -> ClassSums:
    """What the score needs of two sets of images together, part by part.

    >>> states = [update(init(2, splits=1), jnp.zeros((n, 2))) for n in (1, 2)]
    >>> int(merge(*states).counts[0])
    3
    """
    return ClassSums(
        first.counts + second.counts,
        dw.add(first.probabilities, second.probabilities),
        dw.add(first.negative_entropies, second.negative_entropies),
    )


def merge_across(state: ClassSums, axis_name: str | tuple[str, ...]) -> ClassSums:
    """What the score needs of the images of all devices, inside `shard_map`.

    Args:
        state: That of one device's images.
        axis_name: The mapped axis, or several.

    Returns:
        That of all images, on every device.

    >>> states = jax.vmap(lambda x: update(init(2, splits=1), x))(jnp.zeros((3, 4, 2)))
    >>> jax.vmap(lambda state: merge_across(state, "i"), axis_name="i")(states).counts.tolist()
    [[12], [12], [12]]
    """
    return ClassSums(
        jax.lax.psum(state.counts, axis_name),
        dw.psum(state.probabilities, axis_name),
        dw.psum(state.negative_entropies, axis_name),
    )


def merge_processes(state: ClassSums) -> ClassSums:
    """What the score needs of the images of all processes of a `jax.distributed` program.

    Args:
        state: That of this process's images; every process has to call the function.

    Returns:
        That of all images, on every process.

    >>> merge_processes(init(2, splits=1)).counts.tolist()
    [0]
    """
    return processes.merge_processes(state, merge)


def compute(state: ClassSums) -> Estimate:
    """The score.

    Args:
        state: What `update` gathered: at least one image for each part.

    Returns:
        Mean and standard deviation over the parts, from 1 to the number of classes.

    Raises:
        ValueError: A part has no image.

    >>> compute(init(2, splits=2))
    Traceback (most recent call last):
    ValueError: inception_score: 0 images for 2 parts leave one empty; give more images or fewer \
splits.
    """
    counts = np.asarray(state.counts)
    if not counts.all():
        raise ValueError(
            f"inception_score: {counts.sum()} images for {len(counts)} parts leave one empty; give "
            "more images or fewer splits."
        )
    marginal = dw.to_float64(state.probabilities) / counts[:, None]
    logarithm = np.log(np.where(marginal > 0, marginal, 1))
    entropies = dw.to_float64(state.negative_entropies) / counts
    scores = np.exp(np.maximum(0, entropies - (marginal * logarithm).sum(-1)))
    return Estimate(float(scores.mean()), float(scores.std()))


@jax.jit
def _update(state: ClassSums, logits: jax.Array, parts: jax.Array) -> ClassSums:
    logarithms = jax.nn.log_softmax(logits)
    probabilities = jnp.exp(logarithms)
    # The product is 0 where the probability is, however small its logarithm.
    negative_entropies = jnp.sum(probabilities * logarithms, -1)
    own = parts[:, None] == jnp.arange(len(state.counts))
    batch = ClassSums(
        jnp.sum(own, 0, dtype=jnp.int32),
        dw.total(jnp.where(own[:, :, None], probabilities[:, None], 0), 0),
        dw.total(jnp.where(own, negative_entropies[:, None], 0), 0),
    )
    return merge(state, batch)
