"""Which pairs to compare next: those whose vote is expected to tell most.

The expected information of a vote is the mutual information between it and the scores: how unsure
the vote is, less how unsure it would still be if the scores were known. It is high for stimuli near
each other whose difference is not known well, and pairs so chosen need far fewer votes than all
pairs (Ye and Doermann 2014; Li et al., "Hybrid-MST", NeurIPS 2018; Mikhailiuk et al., "ASAP", ICPR
2020). The scores' errors are taken as normal, with the covariance of `scale_pairs`.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from jiqa.subjective.pairwise import Model, log_choice, scale_pairs
from jiqa.subjective.precision import in_double_precision

NODES = 30  # of the Gauss-Hermite quadrature over the difference of two scores


@in_double_precision
def expected_information(
    score: ArrayLike, covariance: ArrayLike, *, model: Model = "thurstone"
) -> np.ndarray:
    """What one more vote on each pair is expected to tell of the scores.

    Args:
        score: `[stimuli]`, in JOD.
        covariance: `[stimuli, stimuli]`, of their errors.
        model: Of the votes, "thurstone" or "bradley_terry".

    Returns:
        `[stimuli, stimuli]`, in bits, from 0 to 1, symmetric with a diagonal of zero.

    Raises:
        ValueError: Arrays of another shape, or an unknown model.

    >>> print(expected_information([0.0, 0.0, 4.0], np.eye(3)).round(3)[0])
    [0.    0.263 0.053]
    """
    mean, errors = np.asarray(score, float), np.asarray(covariance, float)
    if mean.ndim != 1 or errors.shape != (len(mean), len(mean)):
        raise ValueError(
            f"scores have shape {mean.shape} and their covariance {errors.shape}; give [stimuli] "
            "and [stimuli, stimuli]."
        )
    log_choice(model)
    return np.asarray(_information(jnp.asarray(mean), jnp.asarray(errors), model))


def next_pairs(
    wins: ArrayLike,
    *,
    count: int | None = None,
    model: Model = "thurstone",
    prior_deviation: float = 3.0,
    seed: int = 0,
) -> list[tuple[int, int]]:
    """The pairs to show next, most telling first.

    Args:
        wins: `[stimuli, stimuli]` or `[observers, stimuli, stimuli]` so far, which may be zero.
        count: How many pairs; None for one fewer than stimuli, which are then the spanning tree of
            most information (Hybrid-MST): it links all stimuli, and each vote tells something that
            the others do not. For fewer or more the most telling pairs are taken, which repeat
            each other where they are many.
        model: Of the votes.
        prior_deviation: As in `scale_pairs`.
        seed: Of the order of pairs that are equally telling, as at the start.

    Returns:
        Pairs of indices, the smaller first.

    Raises:
        ValueError: As in `scale_pairs`; a count that is not positive, or of more than all pairs.

    >>> next_pairs([[0, 9, 9], [0, 0, 2], [0, 2, 0]], count=1)
    [(1, 2)]
    """
    scale = scale_pairs(wins, model=model, prior_deviation=prior_deviation)
    information = expected_information(scale.score, scale.covariance, model=model)
    stimuli = len(information)
    first, second = np.triu_indices(stimuli, 1)
    if count is not None and not 0 < count <= len(first):
        raise ValueError(f"count={count} is not from 1 to all {len(first)} pairs.")
    # Equal pairs are ordered at random, by what is far too small to order others.
    order = np.random.default_rng(seed).uniform(0, 1e-9, len(first))
    telling = information[first, second] + order
    if count is None:
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import minimum_spanning_tree

        graph = coo_array((2 - telling, (first, second)), (stimuli, stimuli))
        tree = minimum_spanning_tree(graph).tocoo()
        pairs = zip(tree.data, tree.row, tree.col, strict=True)
        return [(int(min(i, j)), int(max(i, j))) for _, i, j in sorted(pairs)]
    best = np.argsort(-telling)[:count]
    return [(int(first[pair]), int(second[pair])) for pair in best]


@functools.partial(jax.jit, static_argnames="model")
def _information(score: jax.Array, covariance: jax.Array, model: Model) -> jax.Array:
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    variance = jnp.diag(covariance)
    variance = variance[:, None] + variance - 2 * covariance
    deviation = jnp.sqrt(jnp.maximum(variance, 0))
    difference = (score[:, None] - score)[..., None] + deviation[..., None] * nodes
    preferred = jnp.exp(log_choice(model)(difference))
    share = weights / weights.sum()
    known = _entropy(preferred) @ share
    information = _entropy(preferred @ share) - known
    return jnp.maximum(information, 0) * (1 - jnp.eye(len(score)))


def _entropy(probability: jax.Array) -> jax.Array:
    """Of a yes or no, in bits."""
    both = jnp.stack([probability, 1 - probability])
    return -jnp.sum(jnp.where(both > 0, both * jnp.log2(jnp.where(both > 0, both, 1)), 0), 0)
