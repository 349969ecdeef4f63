"""MEON in the two steps of its paper: first the distortion, then quality with it.

Ma, Liu, Zhang, Duanmu, Wang and Zuo, "End-to-end blind image quality assessment using deep neural
networks", IEEE TIP 27(3), 2018. Step one learns to name the distortion, step two both subtasks,
beginning with what the first learned. The first needs no opinions: the more images with known
distortions, the better, as `jiqa.datasets.generator` makes them. That errors of scores count
linearly, weights, batches and learning rates are ours.
"""

import optax

from jiqa.datasets.pipelines import Loading, multi_task
from jiqa.networks.meon import SIDE
from jiqa.training import Data, Recipe, Stage
from jiqa.training.losses import cross_entropy, mae


def distortion_loss(network, batch, rngs):
    """Cross-entropy of the distortion alone."""
    del rngs
    logits = network.identify(batch["distorted"])
    right = logits.argmax(-1) == batch["distortion"]
    return cross_entropy(logits, batch["distortion"]), {"right": right.mean()}


def joint_loss(network, batch, rngs):
    """The error of the score and the cross-entropy of the distortion."""
    prediction = network(batch["distorted"], rngs=rngs)
    error = mae(prediction["score"], batch["score"])
    distortion = cross_entropy(prediction["distortion"], batch["distortion"])
    return error + distortion, {"score": error, "distortion": distortion}


def recipe(
    data: Data,
    *,
    quick: bool = False,
    distortion_epochs: int = 20,
    epochs: int = 20,
    batch_size: int = 40,
    distortion_learning_rate: float = 3e-3,
    learning_rate: float = 1e-3,
    seed: int = 0,
) -> Recipe:
    """How it is trained.

    Args:
        data: A set whose images are at least 256 x 256 pixels.
        quick: At most 300 steps of 16 crops for each of both steps, which take a few minutes on two
            cores.
        distortion_epochs: How often each image is seen in the first step.
        epochs: How often in the second.
        batch_size: Crops at a time.
        distortion_learning_rate: Of Adam in the first step.
        learning_rate: Of Adam in the second.
        seed: Of all that is random.
    """
    batch_size = min(batch_size, 16) if quick else batch_size
    first, second = (data.epochs_to_steps(e, batch_size) for e in (distortion_epochs, epochs))
    if quick:
        first, second = min(first, 300), min(second, 300)
    loading = Loading(batch_size=batch_size, seed=seed)
    batches = multi_task(data.train, loading, types=data.types, crop=SIDE, scale=data.scale)
    return Recipe(
        network="meon",
        options={"types": len(data.types)},
        stages=(
            Stage(
                name="distortion",
                loss=distortion_loss,
                batches=batches,
                optimizer=optax.adam(optax.cosine_decay_schedule(distortion_learning_rate, first)),
                steps=first,
            ),
            Stage(
                name="joint",
                loss=joint_loss,
                batches=batches,
                optimizer=optax.adam(optax.cosine_decay_schedule(learning_rate, second)),
                steps=second,
            ),
        ),
        validation=data.validation,
        seed=seed,
    )
