"""The small network for images alone: score, distortion and level at once, or one of its heads.

Ours, see `jiqa/networks/convolutional.py`. Random crops with the score of their image; errors that
are large count linearly, and that the order is right counts too, by correlation over the batch. If
the distortions are known, how much each of the three tasks counts is learned (Kendall, Gal and
Cipolla, "Multi-task learning using uncertainty to weigh losses", CVPR 2018).
"""

from collections.abc import Sequence

from jiqa.datasets.pipelines import Loading, multi_task
from jiqa.networks.heads import to_shares
from jiqa.training import Data, Recipe, Stage
from jiqa.training.losses import (
    cross_entropy,
    earth_movers,
    gaussian_nll,
    huber,
    level_error,
    plcc_loss,
    uncertainty_weighted,
)
from jiqa.training.optimizers import adamw

VOTE_DEVIATION = 0.1  # of single votes on the scale of 0 to 1, which most sets do not tell


def loss(network, batch, rngs):
    """The loss of whatever heads the network has."""
    prediction = network(batch["distorted"], rngs=rngs)
    losses = {"score": score_loss(prediction, batch["score"])}
    if "distortion" not in prediction:
        return losses["score"], losses
    losses |= {
        "distortion": cross_entropy(prediction["distortion"], batch["distortion"]),
        "level": level_error(prediction["level"], batch["level"]),
    }
    return uncertainty_weighted(losses, network.tasks.log_variances), losses


def score_loss(prediction, scores):
    """That of the head, and one minus the correlation with the scores of the batch."""
    order = 0.1 * plcc_loss(prediction["score"], scores)
    if "distribution" in prediction:
        logits = prediction["distribution"]
        return order + earth_movers(logits, to_shares(scores, VOTE_DEVIATION, logits.shape[-1]))
    if "deviation" in prediction:
        return order + gaussian_nll(prediction["score"], prediction["deviation"], scores)
    return order + huber(prediction["score"], scores)


def recipe(
    data: Data,
    *,
    quick: bool = False,
    head: str = "score",
    tasks: bool = True,
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
        data: A set whose images are at least as large as the crop.
        quick: At most 600 steps of crops of 64 pixels, which take a minute or two on two cores.
        head: Of the network.
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
    batches = multi_task(data.train, loading, types=data.types, crop=crop, scale=data.scale)
    return Recipe(
        network="quality_cnn",
        options={"head": head, "width": width, "types": len(data.types) if tasks else 0},
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
