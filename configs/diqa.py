"""DIQA as its authors train it: first the map of errors, where it is reliable, then opinion.

Kim, Nguyen and Lee, "Deep CNN-based blind image quality predictor", IEEE TNNLS 30(1), 2019. Adam
with Nesterov's momentum and a learning rate of 2e-4, as the notebook of the package `image-quality`
cites the authors; crops of 112 pixels, as a public port has. Sizes of batches and numbers of epochs
are ours.
"""

import optax

from jiqa.datasets.pipelines import Loading, pairs
from jiqa.networks.diqa import error_map
from jiqa.training import Data, Recipe, Stage
from jiqa.training.losses import mse
from jiqa.training.optimizers import are_kernels, by_part


def error_loss(network, batch, rngs):
    """How far the map is from that of errors, each place as it is reliable."""
    prediction = network(batch["distorted"], rngs=rngs)
    errors = prediction["map"] - error_map(batch["reference"], batch["distorted"])
    return ((errors * network.reliability(batch["distorted"])) ** 2).mean(), {}


def score_loss(network, batch, rngs):
    """How far the score is from opinion."""
    return mse(network(batch["distorted"], rngs=rngs)["score"], batch["score"]), {}


def optimizer(learning_rate: float, unused: str) -> optax.GradientTransformation:
    """Nadam with weight decay of kernels, which leaves the part that is not trained alone."""
    decay = optax.add_decayed_weights(1e-4, are_kernels)
    nadam = optax.chain(decay, optax.nadam(learning_rate))
    return by_part({unused: optax.set_to_zero(), "": nadam})


def recipe(
    data: Data,
    *,
    quick: bool = False,
    crop: int = 112,
    error_epochs: int = 80,
    epochs: int = 80,
    batch_size: int = 16,
    learning_rate: float = 2e-4,
    seed: int = 0,
) -> Recipe:
    """How it is trained.

    Args:
        data: A set with references, whose images are at least as large as the crop.
        quick: At most 300 steps a stage and a third of the width, which take a few minutes on two
            cores.
        crop: Side of the crops.
        error_epochs: How often each image is seen in the first stage.
        epochs: How often in the second.
        batch_size: Images at a time.
        learning_rate: Of both stages.
        seed: Of all that is random.
    """
    error_steps = data.epochs_to_steps(error_epochs, batch_size)
    steps = data.epochs_to_steps(epochs, batch_size)
    options = {}
    if quick:
        error_steps, steps = min(error_steps, 300), min(steps, 300)
        options = {"widths": (16, 16, 24, 24, 24, 24, 48, 48)}
        learning_rate = 5 * learning_rate
    loading = Loading(batch_size=batch_size, seed=seed)
    batches = pairs(data.train, loading, crop=crop, scale=data.scale)
    return Recipe(
        network="diqa",
        options=options,
        stages=(
            Stage(
                name="errors",
                loss=error_loss,
                batches=batches,
                optimizer=optimizer(learning_rate, "judge"),
                steps=error_steps,
            ),
            Stage(
                name="scores",
                loss=score_loss,
                batches=batches,
                optimizer=optimizer(learning_rate, "draw"),
                steps=steps,
            ),
        ),
        validation=data.validation,
        seed=seed,
    )
