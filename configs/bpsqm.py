"""BPSQM in two stages: first the map of similarity, then map and opinion together.

After Pan, Shi, Hou, Ying, Fu and Zhang, "Blind predicting similar quality map for image quality
assessment", CVPR 2018. What is similar is a choice: structure ("ssim"), gradients as in GMSD
("gms"), or gradients as in FSIM ("fsim_g"). Pixels near the border do not count. Crops, losses and
optimiser are ours.
"""

from functools import partial

import jax
import jax.numpy as jnp
import optax

from jiqa.datasets.pipelines import Loading, pairs
from jiqa.full_reference.fsim import GRADIENT_CONSTANT
from jiqa.full_reference.gmsd import gmsd_map
from jiqa.full_reference.ssim import ssim_map
from jiqa.networks.network import Prediction
from jiqa.training import Data, Recipe, Stage
from jiqa.training.losses import mse
from jiqa.training.optimizers import by_part

gradients = partial(gmsd_map, luma="bt601", downsample=False)
TARGETS = {
    "ssim": partial(ssim_map, luma="bt601", border="replicate"),
    "gms": gradients,
    "fsim_g": partial(gradients, operator="scharr", constant=GRADIENT_CONSTANT / 255**2),
}
BORDER = 4  # pixels that do not count


def map_loss(network, batch, rngs, *, target):
    """How far the map is from that of the metric."""
    prediction = network(batch["distorted"], rngs=rngs)
    return compare_maps(prediction, batch, target), {}


def joint_loss(network, batch, rngs, *, target):
    """How far map and score are from metric and opinion."""
    prediction = network(batch["distorted"], rngs=rngs)
    losses = {
        "map": compare_maps(prediction, batch, target),
        "score": mse(prediction["score"], batch["score"]),
    }
    return losses["map"] + losses["score"], losses


def compare_maps(prediction: Prediction, batch, target: str) -> jax.Array:
    """The mean squared error of the map inside of the border."""
    wanted = jnp.clip(TARGETS[target](batch["reference"], batch["distorted"]), 0, 1)
    inside = (slice(None), slice(BORDER, -BORDER), slice(BORDER, -BORDER))
    return ((prediction["map"] - wanted)[inside] ** 2).mean()


def optimizer(learning_rate: float, steps: int) -> optax.GradientTransformation:
    """Adam, with a learning rate that falls to zero as a cosine."""
    return optax.adam(optax.cosine_decay_schedule(learning_rate, steps))


def recipe(
    data: Data,
    *,
    quick: bool = False,
    target: str = "gms",
    crop: int = 144,
    map_epochs: int = 50,
    epochs: int = 50,
    batch_size: int = 16,
    learning_rate: float = 1e-4,
    seed: int = 0,
) -> Recipe:
    """How it is trained.

    Args:
        data: A set with references, whose images are at least as large as the crop.
        quick: At most 500 steps a stage, with crops of 64 pixels, an eighth of the width and ten
            times the learning rate, which take a few minutes on two cores.
        target: The metric of which the map is predicted: "ssim", "gms" or "fsim_g".
        crop: Side of the crops.
        map_epochs: How often each image is seen in the first stage.
        epochs: How often in the second.
        batch_size: Images at a time.
        learning_rate: The highest of each stage, which falls to zero as a cosine.
        seed: Of all that is random.
    """
    map_steps = data.epochs_to_steps(map_epochs, batch_size)
    steps = data.epochs_to_steps(epochs, batch_size)
    options = {}
    if quick:
        crop, map_steps, steps = 64, min(map_steps, 500), min(steps, 500)
        options = {"widths": (8, 16, 32, 64)}
        learning_rate = 10 * learning_rate
    loading = Loading(batch_size=batch_size, seed=seed)
    batches = pairs(data.train, loading, crop=crop, scale=data.scale)
    return Recipe(
        network="bpsqm",
        options=options,
        stages=(
            Stage(
                name="maps",
                loss=partial(map_loss, target=target),
                batches=batches,
                optimizer=by_part(
                    {"judge": optax.set_to_zero(), "": optimizer(learning_rate, map_steps)}
                ),
                steps=map_steps,
            ),
            Stage(
                name="scores",
                loss=partial(joint_loss, target=target),
                batches=batches,
                optimizer=optimizer(learning_rate, steps),
                steps=steps,
            ),
        ),
        validation=data.validation,
        seed=seed,
    )
