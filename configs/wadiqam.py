"""DIQaM and WaDIQaM, with and without a reference, as their authors train them.

Bosse, Maniry, Müller, Wiegand and Samek, "Deep neural networks for no-reference and full-reference
image quality assessment", IEEE TIP 27(1), 2018. 32 patches of each of four images from random
places. In DIQaM each patch has the score of its image, in WaDIQaM their weighted mean has; the mean
absolute error, and Adam. How long is our choice.
"""

from typing import Literal

import optax

from jiqa.datasets.pipelines import Loading, patches
from jiqa.training import Data, Recipe, Stage
from jiqa.training.losses import mae

PATCHES = 32  # of an image
QUICK_STEPS = 300

Variant = Literal["diqam_fr", "wadiqam_fr", "wadiqam_rr", "diqam_nr", "wadiqam_nr"]


def loss(network, batch, rngs):
    """How far patches, or images where patches are weighted, are from the score."""
    images = [batch["distorted"]]
    if network.kind == "full_reference":
        images = [batch["reference"], *images]
    prediction = network(*images, rngs=rngs)
    error = mae(prediction["score" if network.weighted else "patches"], batch["score"])
    return error, {"error": error}


def recipe(
    data: Data,
    *,
    quick: bool = False,
    variant: Variant = "wadiqam_fr",
    epochs: int = 200,
    batch_size: int = 4,
    learning_rate: float = 1e-4,
    seed: int = 0,
) -> Recipe:
    """How one of them is trained.

    Args:
        data: A set whose images are at least as large as a patch, with references if the variant
            needs them.
        quick: At most 300 steps, a quarter of the channels and ten times the learning rate, a few
            minutes on two cores.
        variant: Which of the networks.
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
        network=variant,
        options={"width": 8 if quick else 32},
        stages=(stage,),
        validation=data.validation,
        seed=seed,
    )
