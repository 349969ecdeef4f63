"""Feature fusion of ResNet-50: crops learn score and distortion, new layers faster than old ones.

After Golestaneh and Kitani, "No-reference image quality assessment via feature fusion and
multi-task learning", 2020. Sets that do not tell distortions, those of real cameras, are learned by
their scores alone. All numbers are ours.
"""

from typing import Literal

import optax

from jiqa.datasets.pipelines import Loading, multi_task
from jiqa.networks import Model
from jiqa.networks.pretrained import use_pretrained
from jiqa.training import Data, Recipe, Stage
from jiqa.training.losses import cross_entropy, mae
from jiqa.training.optimizers import by_part

DISTORTION = 0.1  # how much naming the distortion counts beside the score in [0, 1]


def loss(network, batch, rngs):
    """The error of the score and the cross-entropy of the distortion, 0 where there is one type."""
    prediction = network(batch["distorted"], rngs=rngs)
    error = mae(prediction["score"], batch["score"])
    distortion = cross_entropy(prediction["distortion"], batch["distortion"])
    return error + DISTORTION * distortion, {"score": error, "distortion": distortion}


def optimizer(learning_rate: float, steps: int) -> optax.GradientTransformation:
    """Adam, in new layers ten times as fast as in the trunk."""
    slow, fast = (
        optax.adam(optax.cosine_decay_schedule(rate, steps))
        for rate in (learning_rate, 10 * learning_rate)
    )
    return optax.chain(optax.clip_by_global_norm(1.0), by_part({"trunk": slow, "": fast}))


def recipe(
    data: Data,
    *,
    quick: bool = False,
    net: Literal["resnet50", "resnet18", "small"] = "resnet50",
    pretrained: bool = True,
    crop: int = 224,
    epochs: int = 20,
    batch_size: int = 32,
    learning_rate: float = 2e-5,
    seed: int = 0,
) -> Recipe:
    """How it is trained.

    Args:
        data: A set whose images are at least as large as the crop.
        quick: At most 500 steps of crops of 64 pixels with a small trunk that begins with random
            parameters and learns as fast as all else, which take a minute or two on two cores.
        net: Of the trunk.
        pretrained: Whether a ResNet begins with published parameters.
        crop: Side of the crops.
        epochs: How often each image is seen.
        batch_size: Images at a time.
        learning_rate: The highest, of the trunk.
        seed: Of all that is random.
    """
    steps = data.epochs_to_steps(epochs, batch_size)
    options = {"net": net, "types": len(data.types)}
    optimize = optimizer(learning_rate, steps)
    if quick:
        net, crop, steps = "small", 64, min(steps, 500)
        options |= {"net": net, "hidden": 64, "width": 8}
        optimize = optax.adam(optax.cosine_decay_schedule(3e-3, steps))
    model = Model.create("fusion", seed=seed, **options)
    loading = Loading(batch_size=batch_size, seed=seed)
    return Recipe(
        network="fusion",
        options=options,
        initial=use_pretrained(model) if pretrained and net != "small" else model,
        stages=(
            Stage(
                name="all",
                loss=loss,
                batches=multi_task(
                    data.train, loading, types=data.types, crop=crop, scale=data.scale
                ),
                optimizer=optimize,
                steps=steps,
            ),
        ),
        validation=data.validation,
        seed=seed,
    )
