"""BIECON as its authors train it: first a metric with a reference, patch by patch, then opinion.

Kim and Lee, "Fully deep blind image quality predictor", IEEE JSTSP 11(1), 2017. Losses, their
weights, batches and learning rates are those of the authors' code, in which the first stage learns
SSIM at half resolution; the paper also has other metrics. Both stages see crops, not whole images,
so that images of any size share a batch: eight of 256 x 256 pixels have the authors' 512 patches.
The metric's map is extended at the borders, so that it covers all patches.
"""

from functools import partial

import optax

from jiqa.core.color import luma
from jiqa.core.filters import imresize
from jiqa.datasets.pipelines import Loading, pairs
from jiqa.full_reference.fsim import fsim_map
from jiqa.full_reference.gmsd import gmsd_map
from jiqa.full_reference.ssim import ssim_map
from jiqa.networks.biecon import PATCH
from jiqa.networks.patches import as_patches
from jiqa.training import Data, Recipe, Stage
from jiqa.training.losses import mse
from jiqa.training.optimizers import are_kernels, by_part

METRICS = {
    "ssim": partial(ssim_map, border="replicate"),
    "gms": partial(gmsd_map, luma=None, downsample=False),
    "fsim": partial(fsim_map, downsample=False),
}
WEIGHT = 100  # of errors, beside the squared kernels
PENALTY = 1e-4  # of squared kernels


def local_loss(network, batch, rngs, *, metric):
    """How far the local head is from the metric, over the patches that count."""
    prediction = network(batch["distorted"], rngs=rngs)
    targets = patch_targets(METRICS[metric], batch["reference"], batch["distorted"])
    errors = prediction["weights"] * (prediction["patches"] - targets) ** 2
    loss = WEIGHT * errors.sum() / prediction["weights"].sum()
    return loss, {}


def patch_targets(metric, reference, distorted):
    """The mean of the metric's map over each patch, `[B, P]`, at half resolution."""
    halves = (imresize(luma(images, "bt601"), 0.5) for images in (reference, distorted))
    return as_patches(metric(*halves)[..., None], PATCH // 2).mean((2, 3, 4))


def overall_loss(network, batch, rngs):
    """How far the score is from opinion."""
    prediction = network(batch["distorted"], rngs=rngs)
    return WEIGHT * mse(prediction["score"], batch["score"]), {}


def optimizer(learning_rate: float, unused: str) -> optax.GradientTransformation:
    """Adam with the penalty of kernels, which leaves the head that is not trained alone."""
    decay = optax.add_decayed_weights(2 * PENALTY, are_kernels)
    adam = optax.chain(decay, optax.adam(learning_rate))
    return by_part({unused: optax.set_to_zero(), "": adam})


def recipe(
    data: Data,
    *,
    quick: bool = False,
    metric: str = "ssim",
    crop: int = 256,
    local_epochs: int = 80,
    epochs: int = 80,
    batch_size: int = 8,
    local_learning_rate: float = 1e-4,
    learning_rate: float = 1e-5,
    seed: int = 0,
) -> Recipe:
    """How it is trained.

    Args:
        data: A set with references, whose images are at least as large as the crop.
        quick: At most 600 steps a stage, with crops of 128 pixels, an eighth of the width and ten
            times the learning rates, which take a few minutes on two cores.
        metric: What the first stage learns: "ssim", "gms" or "fsim".
        crop: Side of the crops, a multiple of 32.
        local_epochs: How often each image is seen in the first stage.
        epochs: How often in the second.
        batch_size: Images at a time.
        local_learning_rate: Of the first stage.
        learning_rate: Of the second.
        seed: Of all that is random.
    """
    local_steps = data.epochs_to_steps(local_epochs, batch_size)
    steps = data.epochs_to_steps(epochs, batch_size)
    options = {}
    if quick:
        crop, local_steps, steps = 128, min(local_steps, 600), min(steps, 600)
        options = {"filters": 16, "hidden": (128, 64, 64, 64)}
        local_learning_rate, learning_rate = 10 * local_learning_rate, 100 * learning_rate
    loading = Loading(batch_size=batch_size, seed=seed)
    batches = pairs(data.train, loading, crop=crop, scale=data.scale)
    return Recipe(
        network="biecon",
        options=options,
        stages=(
            Stage(
                name="local",
                loss=partial(local_loss, metric=metric),
                batches=batches,
                optimizer=optimizer(local_learning_rate, "overall"),
                steps=local_steps,
            ),
            Stage(
                name="overall",
                loss=overall_loss,
                batches=batches,
                optimizer=optimizer(learning_rate, "local"),
                steps=steps,
            ),
        ),
        validation=data.validation,
        seed=seed,
    )
