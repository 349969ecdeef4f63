"""A network that ranks sixteen numbers, so that ranks can be trained for.

Ranks have no useful gradient; a network trained to predict them has one. Ayyoubzadeh and Royat,
"(ASNA) An attention-based Siamese-difference neural network with surrogate ranking loss function
for perceptual image quality assessment", CVPR Workshops 2021, after the authors' TensorFlow code.
The idea is that of Engilberge, Chevallier, Pérez and Cord, "SoDeep: a sorting deep net to learn
ranking loss surrogates", CVPR 2019.

    ranker = load("ranker.safetensors")
    loss = rank_distance(ranker, prediction["score"], scores)

It is trained on numbers of `sample`, then never changed: in a loss its parameters are constants. It
knows numbers between about -10 and 10, so scores are to have mean 0 and deviation 1.
`jiqa.evaluation.differentiable.soft_rank` can stand in its place; it needs no training, takes any
count, and treats all places alike.
"""

import itertools
from collections.abc import Callable
from os import PathLike, fspath
from pathlib import Path

import jax
import jax.numpy as jnp
from flax import nnx
from jax.scipy.stats import rankdata

from jiqa.networks.network import fill, named_arrays, split
from jiqa.weights.mapped import read_safetensors, write_parameters

ITEMS = 16
CHANNELS = (8, 16, 32, 64, 96, 128, 256)
SIZES = (2, 3, 5, 7, 10, 7, 7)  # of kernels
NORMALIZED = (False, True, True, True, False, True, True)


class Layer(nnx.Module):
    """A convolution along the list, batch normalisation where there is any, and a rectifier.

    The convolution is a fully connected layer of windows: as a convolution, its gradient takes a
    CPU hundreds of times as long. The rectifier's slope below zero is learned for every place and
    channel (He, Zhang, Ren and Sun, "Delving deep into rectifiers", ICCV 2015).
    """

    def __init__(
        self, inputs: int, outputs: int, size: int, *, normalized: bool, rngs: nnx.Rngs
    ) -> None:
        """Random parameters; the kernel spans `size` places."""
        self.size = size
        self.convolution = nnx.Linear(size * inputs, outputs, rngs=rngs)
        self.normalize = (
            nnx.BatchNorm(outputs, momentum=0.99, epsilon=1e-3, rngs=rngs) if normalized else None
        )
        self.slopes = nnx.Param(jnp.zeros((ITEMS, outputs), jnp.float32))

    def __call__(self, x: jax.Array, *, training: bool) -> jax.Array:
        """`[N, 16, inputs]` to `[N, 16, outputs]`."""
        x = self.convolution(_windows(x, self.size))
        if self.normalize is not None:
            x = self.normalize(x, use_running_average=not training)
        return jnp.where(x > 0, x, self.slopes[...] * x)


class Ranker(nnx.Module):
    """Seven convolutions along the list and one fully connected layer."""

    def __init__(self, *, rngs: nnx.Rngs) -> None:
        """Random parameters."""
        steps = zip(itertools.pairwise((1, *CHANNELS)), SIZES, NORMALIZED, strict=True)
        self.layers = nnx.List(
            Layer(before, after, size, normalized=normalized, rngs=rngs)
            for (before, after), size, normalized in steps
        )
        self.ranks = nnx.Linear(ITEMS * CHANNELS[-1], ITEMS, rngs=rngs)

    def __call__(self, values: jax.Array, *, rngs: nnx.Rngs | None = None) -> jax.Array:
        """Predicted ranks.

        Args:
            values: `[..., 16]`.
            rngs: Given in its own training, in which batches are normalised by themselves.

        Returns:
            `[..., 16]`, about 1 for the least to 16.

        Raises:
            ValueError: Another count than 16.
        """
        if values.shape[-1] != ITEMS:
            raise ValueError(f"{values.shape[-1]} values; the ranker takes {ITEMS} at a time.")
        x = values.reshape(-1, ITEMS, 1)
        for layer in self.layers:
            x = layer(x, training=rngs is not None)
        return self.ranks(x.reshape(len(x), -1)).reshape(values.shape)


def _windows(x: jax.Array, size: int) -> jax.Array:
    """The values around each place, zeros beyond the ends: `[N, 16, C]` to `[N, 16, size C]`."""
    padded = jnp.pad(x, ((0, 0), ((size - 1) // 2, size // 2), (0, 0)))
    return jnp.concatenate([padded[:, i : i + ITEMS] for i in range(size)], -1)


def sample(key: jax.Array, count: int) -> tuple[jax.Array, jax.Array]:
    """Lists to train on: half of normal numbers of deviation 2, half of uniform ones to +-10.

    Args:
        key: What is random.
        count: How many lists.

    Returns:
        Values and their exact ranks, each `[count, 16]`.

    >>> values, ranks = sample(jax.random.key(0), 4)
    >>> bool((jnp.sort(ranks) == jnp.arange(1, 17)).all())
    True
    """
    normal, uniform = jax.random.split(key)
    shape = (count, ITEMS)
    values = jnp.where(
        jnp.arange(count)[:, None] < count // 2,
        2 * jax.random.normal(normal, shape),
        jax.random.uniform(uniform, shape, minval=-10, maxval=10),
    )
    return values, exact_rank(values)


def exact_rank(values: jax.Array) -> jax.Array:
    """Ranks over the last axis, 1 for the least; equal values share the mean of theirs.

    >>> print(exact_rank(jnp.array([3.0, 1.0, 3.0])))
    [2.5 1.  2.5]
    """
    return rankdata(values, axis=-1)


def rank_distance(
    rank: Callable[[jax.Array], jax.Array], predictions: jax.Array, scores: jax.Array
) -> jax.Array:
    """How unlike the ranks of predictions are to those of scores: the mean squared difference.

    Args:
        rank: A `Ranker`, or `soft_rank`.
        predictions: `[16]`, or as many as `rank` takes.
        scores: The same shape.

    >>> float(rank_distance(exact_rank, jnp.array([0.1, 0.2]), jnp.array([2.0, 1.0])))
    1.0
    """
    return ((rank(predictions) - rank(scores)) ** 2).mean()


def save(path: str | PathLike[str], ranker: Ranker) -> None:
    """Writes a trained ranker as a safetensors file, whole or not at all.

    Raises:
        OSError: The file cannot be written.
    """
    _, parameters, statistics = split(ranker)
    trees = {"parameters": parameters, "statistics": statistics}
    write_parameters(Path(path), named_arrays(trees))


def load(path: str | PathLike[str]) -> Ranker:
    """Reads what `save` wrote.

    Raises:
        ValueError: The file is damaged, or not a ranker.
        OSError: The file cannot be read.
    """
    graph, parameters, statistics = split(nnx.eval_shape(lambda: Ranker(rngs=nnx.Rngs(0))))
    trees = {"parameters": parameters, "statistics": statistics}
    filled = fill(trees, read_safetensors(path), fspath(path))
    return nnx.merge(graph, filled["parameters"], filled["statistics"])
