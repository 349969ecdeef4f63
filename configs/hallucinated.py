"""Hallucinated-IQA: a generator, a discriminator and a regression network, trained together.

After Lin and Wang, "Hallucinated-IQA: no-reference image quality assessment via adversarial
learning", CVPR 2018. One loss has the sums of all three, whose gradients do not mix:

- the regression's is the error of the score; what the generator imagined is given;
- the generator's is the error of its pixels, of what VGG19 and the regression network see in them
  (the quality-aware perceptual loss), and how little the discriminator takes them for real; the
  judges are given;
- the discriminator's is how well it tells real references from imagined ones. An imagined one that
  leads to the right score it has to take for real.

The first stage has no regression yet. Weights of losses, and what counts as the right score, are
ours, and so is that distances of pixels and features are relative to their own size. The
discriminator is trained by least squares.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import optax

import jiqa
from jiqa.core.arrays import safe_divide
from jiqa.core.color import gray_to_rgb
from jiqa.datasets.pipelines import Loading, pairs
from jiqa.deep.backbones import BACKBONES
from jiqa.networks.network import at_rest
from jiqa.training import Data, Recipe, Stage
from jiqa.training.losses import adversarial, mae, mse
from jiqa.training.optimizers import by_part

ADVERSARIAL, PERCEPTUAL = 1e-2, 0.1  # weights beside that of pixels
RIGHT = 0.1  # error of a score from 0 to 1, up to which it counts as right
TAPS = {"vgg19": "relu5_4", "alexnet": "relu3"}  # what is compared of published networks
Features = Callable[[jax.Array], jax.Array]


def first_loss(network, batch, rngs, *, see: Features | None):  # noqa: ARG001
    """Without regression: the generator's loss, and the discriminator's of nothing right."""
    imagined, _ = network.hallucinate(batch["distorted"], training=True)
    real = gray_to_rgb(batch["reference"])
    losses = {"pixels": distance(imagined, real)}
    if see is not None:
        losses["perceptual"] = PERCEPTUAL * distance(see(imagined), see(real))
    if network.discriminator is not None:
        losses |= adversarial_losses(network, real, imagined, jnp.zeros(len(real)))
    return sum(losses.values()), losses


def joint_loss(network, batch, rngs, *, see: Features | None):  # noqa: ARG001
    """That of all three."""
    distorted, real = batch["distorted"], gray_to_rgb(batch["reference"])
    imagined, known = network.hallucinate(distorted, training=True)
    given = jax.lax.stop_gradient((imagined, known))
    scores = network.regressor(distorted, *given, training=True)
    losses = {"score": mae(scores, batch["score"]), "pixels": distance(imagined, real)}
    if see is not None:
        compare = partial(at_rest(network.regressor).compare, distorted)
        seen = distance(see(imagined), see(real)) + distance(compare(imagined), compare(real))
        losses["perceptual"] = PERCEPTUAL * seen
    if network.discriminator is not None:
        right = (jnp.abs(scores - batch["score"]) < RIGHT).astype(scores.dtype)
        losses |= adversarial_losses(network, real, imagined, right)
    return sum(losses.values()), losses


def adversarial_losses(network, real, imagined, right):
    """The generator's and the discriminator's; `right` is 1 for what counts as real, else 0."""
    judge, given = at_rest(network.discriminator), jax.lax.stop_gradient(imagined)
    of_real = adversarial(network.discriminator(real), real=True)
    return {
        "generator": ADVERSARIAL * adversarial(judge(imagined), real=True),
        "discriminator": (of_real + mse(network.discriminator(given), right)) / 2,
    }


def distance(features: jax.Array, real: jax.Array) -> jax.Array:
    """The mean squared difference, relative to the mean square of the real ones."""
    size = jax.lax.stop_gradient((real**2).mean())
    return safe_divide(((features - real) ** 2).mean(), size)


def published_features(net: str) -> Features:
    """What a published network sees in images `[B, H, W, 3]`; its parameters are looked up now."""
    backbone, parameters, tap = BACKBONES[net], jiqa.weights.load(net), TAPS[net]
    return lambda images: backbone(parameters, backbone.normalize(images), [tap])[tap]


def optimizer(
    learning_rate: float, steps: int, *, gan: bool, judged: bool
) -> optax.GradientTransformation:
    """Adam for each part, with less momentum for those that play against each other."""
    schedule = optax.cosine_decay_schedule(learning_rate, steps)
    playing, alone = optax.adam(schedule, b1=0.5 if gan else 0.9), optax.adam(schedule)
    parts = {"generator": playing, "regressor": alone if judged else optax.set_to_zero()}
    return by_part(parts | ({"discriminator": playing} if gan else {}))


def recipe(
    data: Data,
    *,
    quick: bool = False,
    gan: bool = True,
    qp_loss: bool = True,
    hlf: bool = True,
    perceptual: str = "vgg19",
    crop: int = 256,
    first_epochs: int = 20,
    epochs: int = 80,
    batch_size: int = 16,
    learning_rate: float = 1e-4,
    seed: int = 0,
) -> Recipe:
    """How it is trained.

    Args:
        data: A set with references, whose images are at least as large as the crop.
        quick: At most 200 and 800 steps with crops of 64 pixels, an eighth of the width, ten times
            the learning rate and AlexNet in place of VGG19, which take a few minutes on two cores.
        gan: Whether there is a discriminator.
        qp_loss: Whether features are compared too, not only pixels.
        hlf: Whether the regression is given the generator's innermost features.
        perceptual: The published network that compares them: "vgg19", or "alexnet", which comes
            with jiqa.
        crop: Side of the crops.
        first_epochs: How often each image is seen before the regression begins.
        epochs: How often after that.
        batch_size: Images at a time.
        learning_rate: The highest of each stage, which falls to zero as a cosine.
        seed: Of all that is random.
    """
    first_steps = data.epochs_to_steps(first_epochs, batch_size)
    steps = data.epochs_to_steps(epochs, batch_size)
    options = {"gan": gan, "hlf": hlf}
    if quick:
        crop, first_steps, steps = 64, min(first_steps, 200), min(steps, 800)
        narrow = (8, 16, 32, 64)
        options |= {"widths": narrow, "discriminator_widths": narrow, "regressor_widths": narrow}
        options |= {"hidden": 64}
        learning_rate, perceptual = 10 * learning_rate, "alexnet"
    see = published_features(perceptual) if qp_loss else None
    loading = Loading(batch_size=batch_size, seed=seed)
    batches = pairs(data.train, loading, crop=crop, scale=data.scale)
    return Recipe(
        network="hallucinated",
        options=options,
        stages=(
            Stage(
                name="first",
                loss=partial(first_loss, see=see),
                batches=batches,
                optimizer=optimizer(learning_rate, first_steps, gan=gan, judged=False),
                steps=first_steps,
            ),
            Stage(
                name="joint",
                loss=partial(joint_loss, see=see),
                batches=batches,
                optimizer=optimizer(learning_rate, steps, gan=gan, judged=True),
                steps=steps,
            ),
        ),
        validation=data.validation,
        seed=seed,
    )
