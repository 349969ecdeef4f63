"""The multi-task network with a dictionary, trained end to end on distortion and score at once.

After Huang, Tian, Chen and Jiang, "Multitask convolutional neural network for no-reference image
quality assessment", Journal of Electronic Imaging 27(6), 2018: body, dictionary and both answers
learn together. All numbers are ours.
"""

import optax

from jiqa.datasets.pipelines import Loading, multi_task
from jiqa.training import Data, Recipe, Stage
from jiqa.training.losses import cross_entropy, mae
from jiqa.training.optimizers import warm_cosine

DISTORTION = 0.1  # how much naming the distortion counts beside the score in [0, 1]


def loss(network, batch, rngs):
    """The error of the score and the cross-entropy of the distortion."""
    prediction = network(batch["distorted"], rngs=rngs)
    error = mae(prediction["score"], batch["score"])
    distortion = cross_entropy(prediction["distortion"], batch["distortion"])
    return error + DISTORTION * distortion, {"score": error, "distortion": distortion}


def recipe(
    data: Data,
    *,
    quick: bool = False,
    crop: int = 128,
    epochs: int = 50,
    batch_size: int = 32,
    learning_rate: float = 1e-3,
    seed: int = 0,
) -> Recipe:
    """How it is trained.

    Args:
        data: A set whose images are at least as large as the crop.
        quick: At most 500 steps of crops of 64 pixels, a quarter of the width and three times the
            learning rate, which take a minute or two on two cores.
        crop: Side of the crops.
        epochs: How often each image is seen.
        batch_size: Images at a time.
        learning_rate: The highest, of Adam.
        seed: Of all that is random.
    """
    options = {"types": len(data.types)}
    steps = data.epochs_to_steps(epochs, batch_size)
    if quick:
        crop, steps, learning_rate = 64, min(steps, 500), 3 * learning_rate
        options |= {"width": 8, "codewords": 16}
    schedule = warm_cosine(learning_rate, steps)
    loading = Loading(batch_size=batch_size, seed=seed)
    return Recipe(
        network="multitask_cnn",
        options=options,
        stages=(
            Stage(
                name="all",
                loss=loss,
                batches=multi_task(
                    data.train, loading, types=data.types, crop=crop, scale=data.scale
                ),
                optimizer=optax.chain(optax.clip_by_global_norm(1.0), optax.adam(schedule)),
                steps=steps,
            ),
        ),
        validation=data.validation,
        average=None if quick else 0.999,
        seed=seed,
    )
