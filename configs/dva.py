"""Deep visual attention without recorded gaze: it learns the saliency that a formula finds.

Wang and Shen, "Deep visual attention prediction", IEEE TIP 27(5), 2018, train all four predictions
by the cross-entropy with maps of fixations, equally weighted, and so does this. But sets of rated
images have no fixations. The target is a saliency of `jiqa.core.saliency`, computed from the crop,
by default one that does not prefer the crop's centre; whoever has maps of fixations puts them in
its place. Optimiser and crops are ours.
"""

from functools import partial

import jax
import jax.numpy as jnp
import optax

from jiqa.datasets.pipelines import Loading, multi_task
from jiqa.networks import Model
from jiqa.networks.pretrained import use_pretrained
from jiqa.regions import SALIENCY
from jiqa.training import Data, Recipe, Stage


def loss(network, batch, rngs, *, target):  # noqa: ARG001 (nothing is random)
    """Cross-entropy of each depth and of the fused prediction."""
    wanted = jnp.clip(SALIENCY[target](batch["distorted"], data_range=1.0), 0, 1)
    wanted = jax.lax.stop_gradient(wanted)[..., None]
    logits = network.predict(batch["distorted"])
    losses = optax.losses.sigmoid_binary_cross_entropy(logits, wanted).mean((0, 1, 2))
    return losses.sum(), {"fused": losses[-1]}


def recipe(
    data: Data,
    *,
    quick: bool = False,
    target: str = "spectral_residual",
    pretrained: bool = True,
    crop: int = 224,
    epochs: int = 20,
    batch_size: int = 16,
    learning_rate: float = 1e-4,
    seed: int = 0,
) -> Recipe:
    """How it is trained.

    Args:
        data: A set whose images are at least as large as the crop; scores are not used.
        quick: At most 300 steps of 8 crops of 96 pixels with a sixteenth of the width, random
            parameters at first and ten times the learning rate, which take a few minutes on two
            cores.
        target: A name of `jiqa.regions.SALIENCY`.
        pretrained: Whether it begins with the published parameters of VGG16.
        crop: Side of the crops.
        epochs: How often each image is seen.
        batch_size: Images at a time.
        learning_rate: The highest, of Adam; it falls to zero as a cosine.
        seed: Of all that is random.
    """
    options = {}
    if quick:
        options, pretrained, crop, batch_size = {"narrow": 16}, False, 96, min(batch_size, 8)
        learning_rate = 10 * learning_rate
    steps = data.epochs_to_steps(epochs, batch_size)
    steps = min(steps, 300) if quick else steps
    model = Model.create("dva", seed=seed, **options)
    loading = Loading(batch_size=batch_size, seed=seed)
    batches = multi_task(data.train, loading, types=data.types, crop=crop, scale=data.scale)
    return Recipe(
        network="dva",
        options=options,
        initial=use_pretrained(model) if pretrained else model,
        stages=(
            Stage(
                name="saliency",
                loss=partial(loss, target=target),
                batches=batches,
                optimizer=optax.adam(optax.cosine_decay_schedule(learning_rate, steps)),
                steps=steps,
            ),
        ),
        seed=seed,
    )
