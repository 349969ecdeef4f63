"""Several distortions at once: score, probability and severity of each group of distortions.

Ours, see `jiqa/networks/several.py`. The set has to be one of `jiqa.datasets.generator`, which
keeps the recipe of every image, made with `Plan(recipes=...)` so that images have several
distortions. How much each of the three tasks counts is fixed.
"""

import optax

from jiqa.datasets.distortions import Recipe as Distortions
from jiqa.datasets.distortions import find_distortion
from jiqa.datasets.pipelines import Loading, multi_task
from jiqa.networks.several import group_targets
from jiqa.training import Data, Recipe, Stage
from jiqa.training.losses import huber, mse
from jiqa.training.optimizers import warm_cosine

PRESENCE = 0.1  # how much cross-entropy counts beside errors of what is in [0, 1]


def targets(item):
    """What is to be said of an image's distortions, by its recipe.

    Levels are counted as their severity rises, which for a few distortions is another order.
    """
    if "recipe" not in item["extra"]:
        raise ValueError("there is no recipe: give a set of jiqa.datasets.generator.")
    found = []
    for step in Distortions.from_json(item["extra"]["recipe"]).steps:
        kind = find_distortion(step.name)
        found.append((kind.group, 1 + kind.severity.index(step.level)))
    present, severity = group_targets(found)
    return {"present": present, "severity": severity}


def loss(network, batch, rngs):
    """The error of the score, cross-entropy of each group, squared error of severities."""
    prediction = network(batch["distorted"], rngs=rngs)
    entropy = optax.losses.sigmoid_binary_cross_entropy(prediction["distortion"], batch["present"])
    losses = {
        "score": huber(prediction["score"], batch["score"]),
        "distortion": entropy.mean(),
        "severity": mse(prediction["severity"].ravel(), batch["severity"].ravel()),
    }
    right = (prediction["distortion"] > 0) == (batch["present"] > 0)
    total = losses["score"] + PRESENCE * losses["distortion"] + losses["severity"]
    return total, {**losses, "right": right.mean()}


def recipe(
    data: Data,
    *,
    quick: bool = False,
    width: int = 16,
    crop: int = 128,
    epochs: int = 30,
    batch_size: int = 32,
    learning_rate: float = 2e-3,
    seed: int = 0,
) -> Recipe:
    """How it is trained.

    Args:
        data: A generated set whose images are at least as large as the crop.
        quick: At most 600 steps of crops of 64 pixels, which take a minute or two on two cores.
        width: Of the network.
        crop: Side of the crops.
        epochs: How often each image is seen.
        batch_size: Images at a time.
        learning_rate: The highest, of Adam.
        seed: Of all that is random.
    """
    steps = data.epochs_to_steps(epochs, batch_size)
    crop, steps = (64, min(steps, 600)) if quick else (crop, steps)
    schedule = warm_cosine(learning_rate, steps)
    loading = Loading(batch_size=batch_size, seed=seed)
    batches = multi_task(
        data.train, loading, types=data.types, crop=crop, scale=data.scale, labels=targets
    )
    return Recipe(
        network="several",
        options={"width": width},
        stages=(
            Stage(
                name="all",
                loss=loss,
                batches=batches,
                optimizer=optax.chain(optax.clip_by_global_norm(1.0), optax.adam(schedule)),
                steps=steps,
            ),
        ),
        validation=data.validation,
        average=None if quick else 0.999,
        seed=seed,
    )
