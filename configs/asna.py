"""ASNA as its authors train it: errors, correlation and ranks, 16 images in a batch.

Ayyoubzadeh and Royat, "(ASNA) An attention-based Siamese-difference neural network with surrogate
ranking loss function for perceptual image quality assessment", CVPR Workshops 2021. The loss is
`a MSE + (1 - a) (1 - r^2) + b D`, with r Pearson's correlation and D the distance of ranks, of
scores with mean 0 and deviation 1; and the squares of kernels. For "attention" the authors have
a = 1 and b = 0.01, which leaves no correlation; for "bn" and "simple" they have a = 0.5 and b = 0.1
too. Adam, with a tenth of the learning rate in the second half.

Ranks are those of a trained `Ranker`, which `train_ranker` writes, or soft ranks if none is given.
The authors train on other sets first, and turn images and change their lightness; here they are
cropped and mirrored.
"""

from collections.abc import Callable
from os import PathLike

import jax
import numpy as np
import optax
from flax import nnx

from jiqa.datasets.pipelines import Loading, pairs, read_labels
from jiqa.networks import ranker as ranking
from jiqa.networks.asna import Variant
from jiqa.networks.network import split
from jiqa.training import Data, Recipe, Stage
from jiqa.training.losses import mae, mse, plcc_loss, soft_rank, squared_kernels

BATCH = 16  # as many as the ranker takes
DECAY = {"encoder": 1e-4, "decoder": 1e-4, "reduce": 1e-4, "head.0": 1e-6}  # of kernels
ROUND = 100  # steps of the ranker that are compiled as one
QUICK_STEPS = 300

Rank = Callable[[jax.Array], jax.Array]


def make_loss(rank: Rank, mean: float, deviation: float, *, a: float, b: float) -> Callable:
    """The loss, for scores of this mean and deviation.

    Args:
        rank: A `Ranker`, or `soft_rank`.
        mean: Of the scores.
        deviation: Of the scores.
        a: What the squared error counts; the rest to one, correlation.
        b: What ranks count.
    """

    def loss(network, batch, rngs):
        prediction = network(batch["reference"], batch["distorted"], rngs=rngs)
        predicted, scores = ((x - mean) / deviation for x in (prediction["score"], batch["score"]))
        error = mse(predicted, scores)
        correlation = 1 - plcc_loss(predicted, scores)
        distance = ranking.rank_distance(rank, predicted, scores)
        total = a * error + (1 - a) * (1 - correlation**2) + b * distance
        for part, share in DECAY.items():
            total += share * squared_kernels(network, part)
        return total, {"error": error, "correlation": correlation, "rank_distance": distance}

    return loss


def train_ranker(
    path: str | PathLike[str], *, steps: int = 150_000, batch_size: int = 1024, seed: int = 0
) -> None:
    """Trains a ranker, with a tenth of the learning rate three times on the way, and writes it.

    Args:
        path: The safetensors file.
        steps: How many, rounded to hundreds.
        batch_size: Lists in a step.
        seed: Of its parameters and of lists.
    """
    graph, parameters, statistics = split(ranking.Ranker(rngs=nnx.Rngs(seed)))
    drops = {round(steps * share): 0.1 for share in (0.3, 0.6, 0.9)}
    optimizer = optax.adam(optax.piecewise_constant_schedule(1e-3, drops))

    def step(carry, key):
        parameters, statistics, state = carry
        values, ranks = ranking.sample(key, batch_size)

        def objective(parameters):
            ranker = nnx.merge(graph, parameters, statistics, copy=True)
            return mae(ranker(values, rngs=nnx.Rngs(0)), ranks), split(ranker)[2]

        gradient, statistics = jax.grad(objective, has_aux=True)(parameters)
        updates, state = optimizer.update(gradient, state)
        return (optax.apply_updates(parameters, updates), statistics, state), None

    advance = jax.jit(lambda carry, keys: jax.lax.scan(step, carry, keys)[0])
    carry = (parameters, statistics, optimizer.init(parameters))
    for key in jax.random.split(jax.random.key(seed), round(steps / ROUND)):
        carry = advance(carry, jax.random.split(key, ROUND))
    ranking.save(path, nnx.merge(graph, carry[0], carry[1]))


def recipe(
    data: Data,
    *,
    quick: bool = False,
    variant: Variant = "attention",
    ranker: str | PathLike[str] | None = None,
    epochs: int = 20,
    learning_rate: float = 1e-4,
    a: float = 1.0,
    b: float = 0.01,
    seed: int = 0,
) -> Recipe:
    """How it is trained.

    Args:
        data: A set with references, whose images have at least 288 x 288 pixels.
        quick: At most 300 steps, patches of 64 pixels and ten times the learning rate, a few
            minutes on two cores.
        variant: Which of the authors' networks.
        ranker: The file of a trained ranker.
        epochs: How often each image is seen.
        learning_rate: Of Adam.
        a: Of the loss.
        b: Of the loss.
        seed: Of parameters, order and crops.
    """
    steps, side = data.epochs_to_steps(epochs, BATCH), 288
    if quick:
        steps, learning_rate, side = min(steps, QUICK_STEPS), 10 * learning_rate, 64
    scores = [data.scale(score) for score in read_labels(data.train)["score"]]
    rank = soft_rank if ranker is None else ranking.load(ranker)
    loading = Loading(batch_size=BATCH, seed=seed)
    drop = {max(1, steps // 2): 0.1}
    stage = Stage(
        name="pairs",
        loss=make_loss(rank, float(np.mean(scores)), float(np.std(scores)), a=a, b=b),
        batches=pairs(data.train, loading, crop=side, scale=data.scale),
        optimizer=optax.adam(optax.piecewise_constant_schedule(learning_rate, drop)),
        steps=steps,
    )
    return Recipe(
        network="asna",
        options={"variant": variant, "side": side},
        stages=(stage,),
        validation=data.validation,
        seed=seed,
    )
