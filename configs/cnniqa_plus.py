"""CNNIQA with a second answer, and its compact form: patches learn score and distortion.

Kang, Ye, Li and Doermann, "Simultaneous estimation of image quality and distortion via multi-task
convolutional neural networks", ICIP 2015. Both losses count the same, and Adam takes the place of
the paper's gradient descent, as in the PyTorch port whose sizes the networks have; so does its
learning rate. Each example is a crop of nine patches, which are normalised together.
"""

from typing import Literal

import jax.numpy as jnp
import optax

from jiqa.datasets.pipelines import Loading, multi_task
from jiqa.networks.cnniqa import PATCH
from jiqa.training import Data, Recipe, Stage
from jiqa.training.losses import cross_entropy, mae

CROP = 3 * PATCH


def loss(network, batch, rngs):
    """Half the error of scores and half the cross-entropy of distortions, both of patches."""
    scores, logits = network.answer(batch["distorted"], rngs=rngs)
    classes = jnp.broadcast_to(batch["distortion"][:, None], scores.shape)
    error, distortion = mae(scores, batch["score"]), cross_entropy(logits, classes)
    return (error + distortion) / 2, {"score": error, "distortion": distortion}


def recipe(
    data: Data,
    *,
    quick: bool = False,
    variant: Literal["plus", "plus_plus"] = "plus_plus",
    epochs: int = 500,
    batch_size: int = 16,
    learning_rate: float = 1e-4,
    seed: int = 0,
) -> Recipe:
    """How it is trained.

    Args:
        data: A set whose images are at least 96 x 96 pixels.
        quick: At most 1000 steps at ten times the learning rate, which take a minute or two on two
            cores.
        variant: "plus", CNNIQA with a second answer; or "plus_plus", the compact one.
        epochs: How often each image is seen.
        batch_size: Crops of nine patches at a time.
        learning_rate: Of Adam.
        seed: Of all that is random.

    Raises:
        ValueError: No such variant.
    """
    if variant not in ("plus", "plus_plus"):
        raise ValueError(f"variant={variant!r}; give 'plus' or 'plus_plus'.")
    steps = data.epochs_to_steps(epochs, batch_size)
    if quick:
        steps, learning_rate = min(steps, 1000), 10 * learning_rate
    loading = Loading(batch_size=batch_size, seed=seed)
    return Recipe(
        network=f"cnniqa_{variant}",
        options={"types": len(data.types)},
        stages=(
            Stage(
                name="all",
                loss=loss,
                batches=multi_task(
                    data.train, loading, types=data.types, crop=CROP, scale=data.scale
                ),
                optimizer=optax.adam(learning_rate),
                steps=steps,
            ),
        ),
        validation=data.validation,
        seed=seed,
    )
