"""Continual learning: one set of ratings after another, without forgetting the earlier ones.

Zhang, Li, Ma, Zhai, Yang and Ma, "Continual learning for blind image quality assessment", IEEE
TPAMI 45(3), 2023. Sets of ratings come one after the other, each a task with a head of its own on
common features ("dbcnn"). Images are compared in pairs of one set, so that its scale does not
matter: what is learned is the probability that one is better. When a new set comes, the old ones
are not there any more. Ways not to forget them:

- "lwf", learning without forgetting (Li and Hoiem, ECCV 2016), which the authors propose: on the
  new pairs, old heads have to go on saying what they said, `old_preferences`.
- Parameters that mattered stay where they were, `drift_penalty`. How much each mattered: "ewc", the
  mean squared gradient of the loss (Kirkpatrick et al., PNAS 2017, `fisher`); "mas", the mean
  magnitude of the gradient of the output's squared length (Aljundi et al., ECCV 2018,
  `sensitivity`); "si", what each has contributed to the fall of the loss on its way (Zenke, Poole
  and Ganguli, ICML 2017, `add_path` and `path_importance`).
- "replay": a few images of each old set are kept, `keep_examples`, and learned again.

`remember` leaves a task's centroids in the model, by which images find their heads; without it the
heads weigh the same. `Record` measures how much was learned and how much was forgotten.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.stats import norm

from jiqa.networks.dbcnn import CENTROIDS
from jiqa.networks.network import Model

STARTS = 5  # of k-means, of which the best is kept
MEMORY = 1000  # images that replay keeps of all tasks together
DAMPING = 0.1  # of synaptic intelligence

Tree = Any


def all_pairs(count: int) -> tuple[np.ndarray, np.ndarray]:
    """First and second of all pairs of so many images, each once.

    >>> [places.tolist() for places in all_pairs(3)]
    [[0, 0, 1], [1, 2, 2]]
    """
    return np.triu_indices(count, 1)


def preferences(scores: jax.Array, deviations: jax.Array | None = None) -> jax.Array:
    """How likely the first of each pair is preferred.

    Args:
        scores: Of images, `[B]`.
        deviations: Of their opinions, `[B]`; without them the higher score is preferred for sure.

    Returns:
        `[pairs]`, one half for equal ones, in the order of `all_pairs`.

    >>> print(preferences(jnp.array([2.0, 1.0, 2.0])))
    [1.  0.5 0. ]
    """
    first, second = all_pairs(len(scores))
    difference = scores[first] - scores[second]
    if deviations is None:
        return (1 + jnp.sign(difference)) / 2
    return norm.cdf(difference / jnp.hypot(deviations[first], deviations[second]))


def old_preferences(heads: jax.Array, tasks: int) -> jax.Array:
    """What the heads of earlier tasks say of pairs, by Thurstone's model with unit variances.

    Args:
        heads: Scores `[B, T]` by all heads.
        tasks: How many of them are of earlier tasks.

    Returns:
        Probabilities `[tasks, pairs]`.
    """
    first, second = all_pairs(len(heads))
    difference = (heads[first] - heads[second])[:, :tasks].T
    return norm.cdf(difference / jnp.sqrt(2.0))


def drift_penalty(parameters: Tree, before: Tree, importance: Tree) -> jax.Array:
    """The sum of squared changes of parameters, each as it mattered to earlier tasks.

    Args:
        parameters: Any part of a network's.
        before: The same part, at the end of the last task.
        importance: The same part, not negative.

    >>> float(drift_penalty({"a": jnp.ones(2)}, {"a": jnp.zeros(2)}, {"a": jnp.array([1.0, 3.0])}))
    4.0
    """
    terms = jax.tree.map(lambda p, b, i: (i * (p - b) ** 2).sum(), parameters, before, importance)
    return sum(jax.tree.leaves(terms), jnp.zeros(()))


def fisher(loss: Callable[[Tree, Any], jax.Array], parameters: Tree, batches: Iterable) -> Tree:
    """The mean over batches of the squared gradient of a loss, for elastic weight consolidation.

    Args:
        loss: Of parameters and a batch.
        parameters: At the end of a task.
        batches: Of that task; the smaller, the nearer to Fisher's information.

    Returns:
        Importance, as `drift_penalty` takes it.

    Raises:
        ValueError: There are no batches.
    """
    return _mean_over(jax.grad(loss), parameters, batches, jnp.square)


def sensitivity(
    outputs: Callable[[Tree, Any], jax.Array], parameters: Tree, batches: Iterable
) -> Tree:
    """The mean over batches of how much the outputs' squared length changes with parameters.

    Args:
        outputs: Of parameters and a batch, such as what heads say.
        parameters: At the end of a task.
        batches: Of any images: no ratings are needed.

    Returns:
        Importance, as `drift_penalty` takes it.

    Raises:
        ValueError: There are no batches.
    """
    length = jax.grad(lambda parameters, batch: (outputs(parameters, batch) ** 2).mean())
    return _mean_over(length, parameters, batches, jnp.abs)


def add_path(path: Tree, gradient: Tree, update: Tree) -> Tree:
    """What parameters have contributed to the fall of the loss, after one step more.

    Args:
        path: Before the step; zeros before the first.
        gradient: Of the loss.
        update: By which the step changes parameters.
    """
    return jax.tree.map(lambda total, g, u: total - g * u, path, gradient, update)


def path_importance(path: Tree, before: Tree, after: Tree, *, damping: float = DAMPING) -> Tree:
    """The contribution of each parameter to the fall of the loss, relative to its squared change.

    Args:
        path: Of `add_path`, over all steps of a task.
        before: Parameters before the task.
        after: Parameters after it.
        damping: Added to the squared change.

    Returns:
        Importance, as `drift_penalty` takes it; what made the loss rise matters not.
    """
    return jax.tree.map(
        lambda total, a, b: jnp.maximum(total, 0) / ((b - a) ** 2 + damping), path, before, after
    )


def keep_examples(
    kept: Sequence[np.ndarray], count: int, rng: np.random.Generator, *, memory: int = MEMORY
) -> list[np.ndarray]:
    """Which images of each task to keep when one more task is done.

    All are kept while there is room. Then every task may have the same number, and what is too many
    is left out at random.

    Args:
        kept: Places of those kept of earlier tasks.
        count: How many images the last task has.
        rng: What is random.
        memory: How many images there is room for.

    Returns:
        Places of those kept of all tasks, that of the last one at the end.

    >>> kept = keep_examples([], 8, np.random.default_rng(0), memory=10)
    >>> [len(places) for places in keep_examples(kept, 4, np.random.default_rng(0), memory=10)]
    [5, 4]
    """
    tasks = [*kept, np.arange(count)]
    if sum(map(len, tasks)) <= memory:
        return tasks
    share = memory // len(tasks)
    return [np.sort(rng.choice(task, min(share, len(task)), replace=False)) for task in tasks]


def remember(model: Model, task: int, features: jax.Array, *, seed: int = 0) -> Model:
    """The model with centroids of what a task's images look like.

    Args:
        model: Of "dbcnn".
        task: The number of its head.
        features: `[N, 128]` of the task's images. Where these are fewer than `CENTROIDS`, each is
            one.
        seed: Of where centroids begin.

    Returns:
        A model by which the task is known.
    """
    count = min(CENTROIDS, len(features))
    found = k_means(np.asarray(features), count, seed=seed)
    found = np.resize(found, (CENTROIDS, features.shape[1]))  # again, if there are too few
    centroids = model.statistics["centroids"].at[task].set(found)
    known = model.statistics["known"].at[task].set(1.0)
    return replace(model, statistics={**model.statistics, "centroids": centroids, "known": known})


def k_means(points: np.ndarray, count: int, *, seed: int = 0, starts: int = STARTS) -> np.ndarray:
    """Centroids such that points are near to one (SciPy's k-means, of several starts the best).

    Args:
        points: `[N, F]`.
        count: How many centroids.
        seed: Of which points centroids begin as.
        starts: How often to begin.

    Returns:
        `[count, F]`, or fewer where centroids are left without points.

    >>> points = np.array([[0.0], [1.0], [10.0], [11.0]])
    >>> print(np.sort(k_means(points, 2)[:, 0]))
    [ 0.5 10.5]
    """
    from scipy.cluster.vq import kmeans

    return kmeans(np.asarray(points, np.float64), count, iter=starts, seed=seed)[0]


@dataclass(frozen=True)
class Record:
    """How well each task was done after each.

    Attributes:
        srocc: `[T, T]`: after learning the task of the row, the correlation on that of the column.
        sizes: `[T]`, images of each task's test, for the weighted mean; None weighs all alike.
    """

    srocc: np.ndarray
    sizes: np.ndarray | None = None

    @property
    def after_each(self) -> np.ndarray:
        """After each task, the mean over those learned so far, `[T]`."""
        learned = np.tril(np.ones_like(self.srocc))
        return (learned * self.srocc).sum(1) / learned.sum(1)

    @property
    def plasticity(self) -> float:
        """How well each task was done when it was just learned, on average."""
        return float(np.diag(self.srocc).mean())

    @property
    def forgetting(self) -> float:
        """By how much earlier tasks fell from their best to the end, on average; 0 for one task."""
        if len(self.srocc) == 1:
            return 0.0
        learned = np.where(np.tril(np.ones_like(self.srocc)) > 0, self.srocc, -np.inf)
        return float((learned.max(0) - self.srocc[-1])[:-1].mean())

    @property
    def overall(self) -> float:
        """The mean over tasks at the end, weighted by their sizes."""
        return float(np.average(self.srocc[-1], weights=self.sizes))


def _mean_over(
    gradient: Callable[[Tree, Any], Tree],
    parameters: Tree,
    batches: Iterable,
    transform: Callable[[jax.Array], jax.Array],
) -> Tree:
    """The mean over batches of a transformed gradient."""
    add = jax.jit(
        lambda total, batch: jax.tree.map(
            lambda t, g: t + transform(g), total, gradient(parameters, batch)
        )
    )
    total, count = jax.tree.map(jnp.zeros_like, parameters), 0
    for batch in batches:
        total, count = add(total, batch), count + 1
    if not count:
        raise ValueError("importance needs at least one batch.")
    return jax.tree.map(lambda x: x / count, total)
