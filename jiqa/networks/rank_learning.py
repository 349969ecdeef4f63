"""MRLIQ: a ranking of images for each distortion, all of them learned together.

Xu, Li, Lin, Zhang, Ma, Fang and Yan, "Multi-task rank learning for image quality assessment", IEEE
Transactions on Circuits and Systems for Video Technology 27(9), 2017. Each type of distortion is a
task with a ranking of its own; what the tasks have in common helps them all; pairs of images are
learned from, not ratings, and ranks are mapped to ratings in the end. We know no more than that of
the paper, and so this is after it.

An image with features x and distortion t ranks at

    s_t(x) = (w + v_t) . x

with w shared and v_t small. What is minimised is convex: the logistic loss of the differences of
all pairs of images, or of those of one original, whatever their distortions, of which people saw a
difference,

    mean log(1 + exp(-(s_i - s_j))) + a/2 |w|^2 + b/2 sum |v_t|^2

so that the result does not depend on how it is found. Any features will do, such as those of
`jiqa.networks.handcrafted.describe_images`, or of a network. Which distortion an image has is told
by a softmax of the same features; its rank is the mean of all rankings, weighted by that, and a
monotone line with bends, from the isotonic regression of the images it was fitted to, makes a
rating of it.
"""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jiqa.core.models import check_finite
from jiqa.networks.gated import gate
from jiqa.networks.network import Prediction

STEPS = 1000  # of L-BFGS, at most
TOLERANCE = 1e-5  # of the length of the gradient


@dataclasses.dataclass(frozen=True, eq=False)
class RankModel:
    """Rankings, one for each distortion, and what makes ratings of them.

    Weights are of n standardised features and, at the end, of the number 1.

    Attributes:
        mean: `[n]`, subtracted from features.
        deviation: `[n]`, by which they are divided.
        shared: Weights w of all rankings, `[n + 1]`.
        own: What each adds, v_t, `[types, n + 1]`.
        types: Weights of the logits of the distortions, `[types, n + 1]`.
        ranks: Of the bends of the map from ranks to ratings, `[m]`.
        ratings: There, `[m]`.
    """

    mean: np.ndarray
    deviation: np.ndarray
    shared: np.ndarray
    own: np.ndarray
    types: np.ndarray
    ranks: np.ndarray
    ratings: np.ndarray

    def predict(self, features: jax.Array) -> Prediction:
        """What is said of images.

        Args:
            features: `[B, n]`.

        Returns:
            "score" `[B]` in the unit of the opinions that it was fitted to, and "distortion"
            `[B, types]`, logits.
        """
        features = jnp.asarray(features)
        mean, deviation, shared, own, types, ranks, ratings = (
            jnp.asarray(array, features.dtype) for array in vars(self).values()
        )
        inputs = _with_one((features - mean) / deviation)
        logits = inputs @ types.T
        rank = gate(logits, inputs @ (shared + own).T)
        score = jnp.interp(rank, ranks, ratings, left="extrapolate", right="extrapolate")
        return {"score": score, "distortion": logits}


def fit_rank_model(
    features: np.ndarray,
    opinions: np.ndarray,
    types: np.ndarray,
    contents: np.ndarray | None = None,
    *,
    margin: float = 0.0,
    shared_penalty: float = 1e-3,
    own_penalty: float = 1e-2,
    type_penalty: float = 1e-3,
) -> RankModel:
    """Learns rankings from rated images.

    Args:
        features: `[N, n]`.
        opinions: `[N]`, in any unit and of either polarity.
        types: Number of each image's distortion, `[N]`; from 0 on, all of them there.
        contents: Which original each image is of, `[N]`, to compare only images of one original,
            where opinions of different ones are not comparable; None compares all with all.
        margin: Pairs whose opinions do not differ by more are left out.
        shared_penalty: Of the squares of shared weights, a in the formula.
        own_penalty: Of the squares of a distortion's own weights, b; infinite, they would be zero.
        type_penalty: Of the squares of the weights that tell distortions apart.

    Returns:
        The model, for `jiqa.core.models.save_model` too.

    Raises:
        ValueError: Shapes do not fit, numbers are not finite, a type is missing, or there is no
            pair.

    >>> rng = np.random.default_rng(0)
    >>> features, types = rng.random((40, 3)), np.arange(40) % 2
    >>> model = fit_rank_model(features, features[:, 0], types)
    >>> found = model.predict(features)["score"]
    >>> bool(np.corrcoef(found, features[:, 0])[0, 1] > 0.95)
    True
    """
    features, opinions = np.asarray(features, np.float64), np.asarray(opinions, np.float64)
    types = check_samples("fit_rank_model", features, opinions, types)
    pairs = find_pairs(opinions, contents, margin)
    mean, deviation = standardization(features)
    inputs = _with_one(jnp.asarray((features - mean) / deviation))
    count = types.max() + 1
    weights = {"shared": jnp.zeros(inputs.shape[1]), "own": jnp.zeros((count, inputs.shape[1]))}
    penalties = {"shared": shared_penalty, "own": own_penalty}
    found = minimize(pair_loss, weights, inputs, types, pairs, penalties)
    logits = minimize(type_loss, weights["own"], inputs, types, type_penalty)
    rankings = inputs @ (found["shared"] + found["own"]).T
    ranks, ratings = monotone_map(np.asarray(gate(inputs @ logits.T, rankings)), opinions)
    arrays = (mean, deviation, found["shared"], found["own"], logits, ranks, ratings)
    return RankModel(*(np.asarray(array) for array in arrays))


def check_samples(
    name: str, features: np.ndarray, opinions: np.ndarray, types: np.ndarray
) -> np.ndarray:
    """The types, after checks of what a model is to be fitted to.

    Raises:
        ValueError: As in `fit_rank_model`.

    >>> check_samples("fit", np.ones((2, 3)), np.ones(2), np.array([0, 2]))
    Traceback (most recent call last):
    ValueError: fit: types are 0, 2; number them from 0 on, so that all are there.
    """
    types = np.asarray(types)
    if features.ndim != 2 or not opinions.shape == types.shape == features.shape[:1]:
        raise ValueError(
            f"{name}: features {features.shape}, opinions {opinions.shape} and types "
            f"{types.shape} must be [N, n], [N] and [N]."
        )
    check_finite(name, features, opinions)
    there = np.unique(types)
    if not np.array_equal(there, np.arange(len(there))):
        raise ValueError(
            f"{name}: types are {', '.join(map(str, there))}; number them from 0 on, so that all "
            "are there."
        )
    return types.astype(np.int32)


def standardization(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation `[n]` of features `[N, n]`, 1 for the deviation of a constant.

    >>> standardization(np.array([[1.0, 5.0], [3.0, 5.0]]))
    (array([2., 5.]), array([1., 1.]))
    """
    deviation = features.std(0)
    return features.mean(0), np.where(deviation > 0, deviation, 1)


def find_pairs(
    opinions: np.ndarray, contents: np.ndarray | None = None, margin: float = 0.0
) -> np.ndarray:
    """All pairs of images whose opinions differ, of one original if these are given.

    Args:
        opinions: `[N]`.
        contents: As in `fit_rank_model`.
        margin: As in `fit_rank_model`.

    Returns:
        Places `[P, 2]`, the higher opinion first.

    Raises:
        ValueError: There is none.

    >>> find_pairs(np.array([1.0, 3.0, 2.0]), np.array(["a", "a", "b"])).tolist()
    [[1, 0]]
    """
    contents = np.zeros(len(opinions)) if contents is None else np.asarray(contents)
    found = []
    for content in np.unique(contents):
        places = np.flatnonzero(contents == content)
        higher = opinions[places, None] > opinions[places] + margin
        found.append(np.stack([places[side] for side in np.nonzero(higher)], -1))
    pairs = np.concatenate(found)
    if not len(pairs):
        raise ValueError(
            f"no two images of one content have opinions more than margin={margin} apart."
        )
    return pairs


def pair_loss(
    weights: dict[str, jax.Array],
    inputs: jax.Array,
    types: jax.Array,
    pairs: jax.Array,
    penalties: dict[str, float],
) -> jax.Array:
    """What the weights of rankings minimise; see above."""
    ranks = (inputs * (weights["shared"] + weights["own"][types])).sum(-1)
    differences = ranks[pairs[:, 0]] - ranks[pairs[:, 1]]
    penalty = sum(penalties[name] / 2 * (weights[name] ** 2).sum() for name in penalties)
    return jax.nn.softplus(-differences).mean() + penalty


def type_loss(weights: jax.Array, inputs: jax.Array, types: jax.Array, penalty: float) -> jax.Array:
    """What the weights that tell distortions apart minimise: cross-entropy and a penalty."""
    losses = optax.losses.softmax_cross_entropy_with_integer_labels(inputs @ weights.T, types)
    return losses.mean() + penalty / 2 * (weights**2).sum()


@partial(jax.jit, static_argnums=0)
def minimize(loss: Callable[..., jax.Array], start: Any, *data: Any) -> Any:
    """The minimum of a smooth convex function, by L-BFGS.

    Args:
        loss: A function of a tree of arrays, and of data.
        start: The tree where the search begins.
        *data: What else the function takes.

    Returns:
        The tree at the minimum.

    >>> print(minimize(lambda x, centre: ((x - centre) ** 2).sum(), jnp.zeros(2), jnp.ones(2)))
    [1. 1.]
    """
    solver = optax.lbfgs()

    def value(point: Any) -> jax.Array:
        return loss(point, *data)

    def step(carry: Any) -> Any:
        point, state = carry
        found, gradient = optax.value_and_grad_from_state(value)(point, state=state)
        updates, state = solver.update(
            gradient, state, point, value=found, grad=gradient, value_fn=value
        )
        return optax.apply_updates(point, updates), state

    def unfinished(carry: Any) -> jax.Array:
        count, gradient = (optax.tree.get(carry[1], name) for name in ("count", "grad"))
        long = optax.tree.norm(gradient) > TOLERANCE
        return (count == 0) | (long & (count < STEPS))

    return jax.lax.while_loop(unfinished, step, (start, solver.init(start)))[0]


def monotone_map(ranks: np.ndarray, ratings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A rising line with bends through ranks and ratings.

    Args:
        ranks: `[N]`.
        ratings: `[N]`.

    Returns:
        Both at the bends, rising, which are the centres of the blocks that isotonic regression
        makes of equal ratings; at least two.

    >>> monotone_map(np.array([1.0, 2.0, 3.0, 4.0]), np.array([0.0, 5.0, 1.0, 9.0]))
    (array([1. , 2.5, 4. ]), array([0., 3., 9.]))
    """
    from scipy.optimize import isotonic_regression

    order = np.argsort(ranks, kind="stable")
    fitted = isotonic_regression(ratings[order])
    starts = fitted.blocks[:-1]
    centres = np.add.reduceat(ranks[order], starts) / np.diff(fitted.blocks)
    if len(starts) == 1:  # the ranks say nothing
        return centres + np.array([-1.0, 1.0]), np.repeat(fitted.x[0], 2)
    return centres, fitted.x[starts]


def _with_one(features: jax.Array) -> jax.Array:
    """The features and the number 1, which offsets are weights of."""
    return jnp.concatenate([features, jnp.ones((*features.shape[:-1], 1), features.dtype)], -1)
