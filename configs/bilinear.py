"""Learned and handcrafted features fused, and the same without one of them to compare with.

After Chetouani, Quach, Valenzise and Dufaux, "Combination of deep learning-based and handcrafted
features for blind image quality assessment", EUVIP 2021. Crops are large, as features that describe
an image need one. All numbers are ours.
"""

from typing import Literal

import optax

from jiqa.datasets.pipelines import Loading, multi_task
from jiqa.networks import Model
from jiqa.networks.pretrained import use_pretrained
from jiqa.training import Data, Recipe, Stage
from jiqa.training.losses import mae
from jiqa.training.optimizers import warm_cosine


def loss(network, batch, rngs):
    """The error of the score."""
    prediction = network(batch["distorted"], rngs=rngs)
    return mae(prediction["score"], batch["score"]), {}


def recipe(
    data: Data,
    *,
    quick: bool = False,
    fusion: Literal["bilinear", "concatenation", "average", "learned", "handcrafted"] = "bilinear",
    net: Literal["small", "vgg16", "resnet50"] = "small",
    crop: int = 192,
    epochs: int = 50,
    batch_size: int = 32,
    learning_rate: float = 1e-3,
    seed: int = 0,
) -> Recipe:
    """How it is trained.

    Args:
        data: A set whose images are at least as large as the crop.
        quick: At most 300 steps of crops of 128 pixels and half the width, at three times the
            learning rate, which take a few minutes on two cores.
        fusion: Of the network.
        net: What describes patches; published networks begin with their parameters, and are best
            trained with a learning rate of 1e-5.
        crop: Side of the crops.
        epochs: How often each image is seen.
        batch_size: Images at a time.
        learning_rate: The highest, of Adam.
        seed: Of all that is random.
    """
    steps = data.epochs_to_steps(epochs, batch_size)
    options = {"fusion": fusion, "net": net}
    if quick:
        crop, steps, learning_rate = 128, min(steps, 300), 3 * learning_rate
        options["width"] = 8
    model = Model.create("bilinear", seed=seed, **options)
    schedule = warm_cosine(learning_rate, steps)
    loading = Loading(batch_size=batch_size, seed=seed)
    return Recipe(
        network="bilinear",
        options=options,
        initial=model if net == "small" else use_pretrained(model),
        stages=(
            Stage(
                name="all",
                loss=loss,
                batches=multi_task(
                    data.train, loading, types=data.types, crop=crop, scale=data.scale
                ),
                optimizer=optax.adam(schedule),
                steps=steps,
            ),
        ),
        validation=data.validation,
        seed=seed,
    )
