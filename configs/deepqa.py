"""DeepQA as its authors train it, or the network of distortion sensitivity that followed it.

Kim and Lee, "Deep learning of human visual sensitivity in image quality assessment framework", CVPR
2017. The mean squared error, 1000 times; the total variation of the map of sensitivity; and the
squares of all kernels; Adam, and five images in a batch. The authors take whole images of most data
sets, here they are crops. How the successor was trained is not public: here by the error alone.
"""

from typing import Literal

import jax
import optax

from jiqa.core.arrays import safe_power
from jiqa.core.filters import gradient
from jiqa.datasets.pipelines import Loading, pairs
from jiqa.training import Data, Recipe, Stage
from jiqa.training.losses import mse, squared_kernels

ERROR, VARIATION, DECAY = 1e3, 1e-2, 5e-3  # what the parts of the loss count
SOBEL = 4.0  # times as strong as the gradient of jiqa
QUICK_STEPS = 300


def loss(network, batch, rngs):
    """How far the score is from opinion, how much the map varies, how large kernels are."""
    prediction = network(batch["reference"], batch["distorted"], rngs=rngs)
    error = mse(prediction["score"], batch["score"])
    if network.name != "deepqa":
        return error, {"error": error}
    variation = total_variation(prediction["map"])
    total = ERROR * error + VARIATION * variation + DECAY * squared_kernels(network)
    return total, {"error": error, "variation": variation}


def total_variation(sensitivity: jax.Array) -> jax.Array:
    """The mean cube of the gradient's length, by Sobel's kernels, of maps `[B, h, w]`."""
    horizontal, vertical = gradient(sensitivity[..., None], "sobel", border="valid")
    return safe_power(SOBEL**2 * (horizontal**2 + vertical**2), 1.5).mean()


def recipe(
    data: Data,
    *,
    quick: bool = False,
    network: Literal["deepqa", "distortion_sensitivity"] = "deepqa",
    epochs: int = 80,
    batch_size: int = 5,
    learning_rate: float = 5e-4,
    crop: int = 224,
    seed: int = 0,
) -> Recipe:
    """How one of them is trained.

    Args:
        data: A set with references, whose images are at least as large as the crop.
        quick: At most 300 steps, half the channels and crops of 64 pixels, a few minutes on two
            cores.
        network: Which of them.
        epochs: How often each image is seen.
        batch_size: Pairs in a batch.
        learning_rate: Of Adam.
        crop: Side of the crops.
        seed: Of parameters, order and crops.
    """
    steps = data.epochs_to_steps(epochs, batch_size)
    if quick:
        steps, crop = min(steps, QUICK_STEPS), 64
    loading = Loading(batch_size=batch_size, seed=seed)
    stage = Stage(
        name="pairs",
        loss=loss,
        batches=pairs(data.train, loading, crop=crop, scale=data.scale),
        optimizer=optax.adam(learning_rate),
        steps=steps,
    )
    return Recipe(
        network=network,
        options={"width": 16 if quick else 32},
        stages=(stage,),
        validation=data.validation,
        seed=seed,
    )
