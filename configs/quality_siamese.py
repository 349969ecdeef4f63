"""The small network for images beside their reference: score alone, or with distortion and level.

Ours, see `jiqa/networks/convolutional.py`. Random crops with the score of their image; errors that
are large count linearly, and that the order is right counts too, by correlation over the batch. If
distortions are learned too, how much each of the three tasks counts is learned with them (Kendall,
Gal and Cipolla, "Multi-task learning using uncertainty to weigh losses", CVPR 2018).
"""

from collections.abc import Sequence

from jiqa.datasets.pipelines import Loading, multi_task, pairs
from jiqa.training import Data, Recipe, Stage
from jiqa.training.losses import (
    cross_entropy,
    huber,
    level_error,
    plcc_loss,
    uncertainty_weighted,
)
from jiqa.training.optimizers import adamw


def loss(network, batch, rngs):
    """The loss of whatever the network says."""
    prediction = network(batch["reference"], batch["distorted"], rngs=rngs)
    order = 0.1 * plcc_loss(prediction["score"], batch["score"])
    losses = {"score": order + huber(prediction["score"], batch["score"])}
    if "distortion" not in prediction:
        return losses["score"], losses
    losses |= {
        "distortion": cross_entropy(prediction["distortion"], batch["distortion"]),
        "level": level_error(prediction["level"], batch["level"]),
    }
    return uncertainty_weighted(losses, network.tasks.log_variances), losses


def recipe(
    data: Data,
    *,
    quick: bool = False,
    tasks: bool = False,
    width: int = 16,
    crop: int = 128,
    epochs: int = 30,
    batch_size: int = 32,
    learning_rate: float = 2e-3,
    validations: int = 20,
    opinion: Sequence[str] = (),
    seed: int = 0,
) -> Recipe:
    """How it is trained.

    Args:
        data: A set with originals, whose images are at least as large as the crop.
        quick: At most 600 steps of crops of 64 pixels, which take a few minutes on two cores.
        tasks: Whether distortion and level are learned too.
        width: Of the network.
        crop: Side of the crops.
        epochs: How often each image is seen.
        batch_size: Images at a time.
        learning_rate: The highest.
        validations: How often the network is validated.
        opinion: Metrics of a generated set whose mean rank is learned in place of its score.
        seed: Of all that is random.
    """
    data = data.rated_by(opinion) if opinion else data
    steps = data.epochs_to_steps(epochs, batch_size)
    crop, steps = (64, min(steps, 600)) if quick else (crop, steps)
    loading = Loading(batch_size=batch_size, seed=seed)
    if tasks:
        batches = multi_task(
            data.train, loading, types=data.types, references=True, crop=crop, scale=data.scale
        )
    else:
        batches = pairs(data.train, loading, crop=crop, scale=data.scale)
    return Recipe(
        network="quality_siamese",
        options={"width": width, "types": len(data.types) if tasks else 0},
        stages=(
            Stage(
                name="all",
                loss=loss,
                batches=batches,
                optimizer=adamw(learning_rate, steps),
                steps=steps,
            ),
        ),
        validation=data.validation,
        evaluate_every=max(1, steps // validations),
        average=max(0.9, 1 - 20 / steps),
        seed=seed,
    )
