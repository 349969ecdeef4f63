"""CNNIQA on patches that all have the score of their image.

Kang, Ye, Li and Doermann, "Convolutional neural networks for no-reference image quality
assessment", CVPR 2014. The mean absolute error of patches; Adam and its learning rate, and 128
patches in a batch, 16 of each image, are those of the PyTorch port. How long is our choice.
"""

import optax

from jiqa.datasets.pipelines import Loading, patches
from jiqa.training import Data, Recipe, Stage
from jiqa.training.losses import mae

PATCHES = 16  # of an image
QUICK_STEPS = 300


def loss(network, batch, rngs):
    """How far each patch is from the score of its image."""
    error = mae(network(batch["distorted"], rngs=rngs)["patches"], batch["score"])
    return error, {"error": error}


def recipe(
    data: Data,
    *,
    quick: bool = False,
    epochs: int = 200,
    batch_size: int = 8,
    learning_rate: float = 1e-4,
    seed: int = 0,
) -> Recipe:
    """How it is trained.

    Args:
        data: A set whose images are at least as large as a patch.
        quick: At most 300 steps with ten times the learning rate, a minute or two on two cores.
        epochs: How often each image is seen.
        batch_size: Images in a batch.
        learning_rate: Of Adam.
        seed: Of parameters, order, places of patches and dropout.
    """
    steps = data.epochs_to_steps(epochs, batch_size)
    if quick:
        steps, learning_rate = min(steps, QUICK_STEPS), 10 * learning_rate
    loading = Loading(batch_size=batch_size, seed=seed)
    stage = Stage(
        name="patches",
        loss=loss,
        batches=patches(data.train, loading, size=32, count=PATCHES, scale=data.scale),
        optimizer=optax.adam(learning_rate),
        steps=steps,
    )
    return Recipe(
        network="cnniqa",
        stages=(stage,),
        validation=data.validation,
        seed=seed,
    )
