"""Distortion recognition: first what patches suffer from, then how good each kind leaves them.

After Wang, Zuo and Fu, "Distortion recognition for image quality assessment with convolutional
neural network", ICME 2016. The first stage trains the encoder and the recognition of each patch;
the second leaves these as they are and fits a regression for each distortion, from images of that
distortion only. All numbers are ours.
"""

import jax.numpy as jnp
import optax

from jiqa.datasets.pipelines import Loading, multi_task
from jiqa.training import Data, Recipe, Stage
from jiqa.training.losses import cross_entropy, mae
from jiqa.training.optimizers import by_part


def recognition_loss(network, batch, rngs):
    """Cross-entropy of the distortion that each patch is taken for."""
    logits = network.recognize(batch["distorted"], rngs=rngs)
    classes = jnp.broadcast_to(batch["distortion"][:, None], logits.shape[:2])
    right = logits.argmax(-1) == classes
    return cross_entropy(logits, classes), {"right": right.mean()}


def quality_loss(network, batch, rngs):
    """The error of the regression of the distortion that an image has."""
    qualities = network.qualities(batch["distorted"], rngs=rngs)
    own = jnp.take_along_axis(qualities, batch["distortion"][:, None], axis=1)[:, 0]
    return mae(own, batch["score"]), {}


def recipe(
    data: Data,
    *,
    quick: bool = False,
    crop: int = 128,
    recognition_epochs: int = 30,
    epochs: int = 30,
    batch_size: int = 32,
    learning_rate: float = 1e-3,
    seed: int = 0,
) -> Recipe:
    """How it is trained.

    Args:
        data: A set whose images are at least as large as the crop.
        quick: At most 400 steps a stage, of one patch an image and half the width, at three times
            the learning rate, which take a minute or two on two cores.
        crop: Side of the crops, a multiple of 64.
        recognition_epochs: How often each image is seen in the first stage.
        epochs: How often in the second.
        batch_size: Images at a time.
        learning_rate: Of Adam, in both.
        seed: Of all that is random.
    """
    first, second = (data.epochs_to_steps(e, batch_size) for e in (recognition_epochs, epochs))
    options = {"types": len(data.types)}
    if quick:
        crop, first, second = 64, min(first, 400), min(second, 400)
        options, learning_rate = options | {"width": 8}, 3 * learning_rate
    loading = Loading(batch_size=batch_size, seed=seed)
    batches = multi_task(data.train, loading, types=data.types, crop=crop, scale=data.scale)
    of_quality = optax.adam(optax.cosine_decay_schedule(learning_rate, second))
    return Recipe(
        network="recognition",
        options=options,
        stages=(
            Stage(
                name="recognition",
                loss=recognition_loss,
                batches=batches,
                optimizer=optax.adam(optax.cosine_decay_schedule(learning_rate, first)),
                steps=first,
            ),
            Stage(
                name="quality",
                loss=quality_loss,
                batches=batches,
                optimizer=by_part({"quality": of_quality, "": optax.set_to_zero()}),
                steps=second,
            ),
        ),
        validation=data.validation,
        seed=seed,
    )
