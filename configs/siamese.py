"""The plain Siamese network on crops: the mean squared error, and Adam. All of it is our choice."""

import optax

from jiqa.datasets.pipelines import Loading, pairs
from jiqa.networks.siamese import Comparison
from jiqa.training import Data, Recipe, Stage
from jiqa.training.losses import mse

QUICK_STEPS = 300


def loss(network, batch, rngs):
    """How far the score is from opinion."""
    prediction = network(batch["reference"], batch["distorted"], rngs=rngs)
    error = mse(prediction["score"], batch["score"])
    return error, {"error": error}


def recipe(
    data: Data,
    *,
    quick: bool = False,
    comparison: Comparison = "difference",
    epochs: int = 100,
    batch_size: int = 16,
    learning_rate: float = 1e-3,
    crop: int = 192,
    seed: int = 0,
) -> Recipe:
    """How it is trained.

    Args:
        data: A set with references, whose images are at least as large as the crop.
        quick: At most 300 steps, half the channels and crops of 64 pixels, a minute or two on two
            cores.
        comparison: See `jiqa.networks.siamese`.
        epochs: How often each image is seen.
        batch_size: Pairs in a batch.
        learning_rate: Of Adam.
        crop: Side of the crops.
        seed: Of parameters, order and crops.
    """
    steps = data.epochs_to_steps(epochs, batch_size)
    if quick:
        steps, crop = min(steps, QUICK_STEPS), 64
    loading = Loading(batch_size=batch_size, seed=seed)
    stage = Stage(
        name="pairs",
        loss=loss,
        batches=pairs(data.train, loading, crop=crop, scale=data.scale),
        optimizer=optax.adam(learning_rate),
        steps=steps,
    )
    return Recipe(
        network="siamese",
        options={"comparison": comparison, "width": 16 if quick else 32},
        stages=(stage,),
        validation=data.validation,
        seed=seed,
    )
