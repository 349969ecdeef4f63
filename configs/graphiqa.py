"""GraphIQA as its authors train it: first distortions and levels, as graphs, then opinion.

Sun, Shi, Kim and Wang, "GraphIQA: learning distortion graph representations for blind image quality
assessment", IEEE Transactions on Multimedia 25, 2023. Losses, rates and crops are those of their
code: Adam with 1e-5 and 5e-6, 32 crops of 224 pixels, 25 of each image, and the published trunk,
which rests. Ours are the number of steps of the first stage, and that all of it is done on the set
that opinions are learned from, which has to have several distortions; there, each batch has an
anchor, a positive and a negative graph.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jiqa.datasets.pipelines import Loading, Reordered, multi_task, read_labels
from jiqa.networks import Model
from jiqa.networks.graphiqa import triplet
from jiqa.networks.pretrained import use_pretrained
from jiqa.training import Data, Recipe, Stage
from jiqa.training.losses import level_error, mse
from jiqa.training.optimizers import by_part


def draw_triplets(source: Sequence[Any], size: int, count: int, seed: int) -> Reordered:
    """Items of a set in the order in which graphs need them, again and again.

    First `size` items of one distortion, as many more of the same, and as many of another; so
    `count` times.
    """
    kinds = list(read_labels(source).groupby("distortion").indices.values())
    if len(kinds) < 2:
        raise ValueError("all images have the same distortion; GraphIQA needs two or more.")
    rng = np.random.default_rng(seed)
    order = []
    for _ in range(count):
        one, other = rng.choice(len(kinds), 2, replace=False)
        for kind, number in ((kinds[one], 2 * size), (kinds[other], size)):
            order.append(rng.choice(kind, number, replace=len(kind) < number))
    return Reordered(source, np.concatenate(order))


def relation_loss(network, batch, rngs):
    """Codes of the same distortion are alike, and levels are told."""
    anchor, positive, negative = jnp.split(batch["distorted"], 3)
    found = network.relate(anchor, rngs=rngs)
    same, other = (
        jax.lax.stop_gradient(network.relate(images, rngs=rngs)["code"])
        for images in (positive, negative)
    )
    losses = {
        "code": triplet(found["code"], same, other),
        "level": level_error(found["level"], batch["level"][: len(anchor)]),
    }
    return losses["code"] + 0.25 * losses["level"], losses


def score_loss(network, batch, rngs):
    """How far the score is from opinion."""
    return mse(network(batch["distorted"], rngs=rngs)["score"], batch["score"]), {}


def optimizer(learning_rate: float, train_trunk: bool) -> optax.GradientTransformation:
    """Adam, for the trunk a tenth of the rate or none."""
    trunk = optax.adam(learning_rate / 10) if train_trunk else optax.set_to_zero()
    return by_part({"trunk": trunk, "": optax.adam(learning_rate)})


def recipe(
    data: Data,
    *,
    quick: bool = False,
    pretrained: bool = True,
    train_trunk: bool = False,
    crop: int = 224,
    crops: int = 25,
    relation_steps: int = 20_000,
    epochs: int = 50,
    batch_size: int = 32,
    learning_rate: float = 1e-5,
    seed: int = 0,
) -> Recipe:
    """How it is trained.

    Args:
        data: A set of several distortions, whose images are at least as large as the crop.
        quick: A small trunk, which learns too, crops of 64 pixels, graphs of 16 images, and at most
            200 and 800 steps with higher rates, which take a few minutes on two cores.
        pretrained: Whether the trunk has its published parameters, which are fetched.
        train_trunk: Whether the trunk learns too.
        crop: Side of the crops.
        crops: Of each image in an epoch of the second stage.
        relation_steps: Of the first stage.
        epochs: Of the second stage.
        batch_size: Images of a graph, and of a batch of the second stage.
        learning_rate: Of the first stage; that of the second is half of it.
        seed: Of all that is random.
    """
    steps = data.epochs_to_steps(crops * epochs, batch_size)
    options: dict[str, Any] = {"net": "resnet50"}
    if quick:
        options, pretrained, train_trunk = {"net": "small"}, False, True
        crop, batch_size, learning_rate = 64, 16, 2e-3
        relation_steps, steps = min(relation_steps, 200), min(steps, 800)
    count = min(relation_steps, data.epochs_to_steps(1, batch_size))
    triplets = draw_triplets(data.train, batch_size, count, seed)
    shared: dict[str, Any] = {"types": data.types, "crop": crop, "scale": data.scale}
    in_order = Loading(batch_size=3 * batch_size, shuffle=False, seed=seed)
    initial = Model.create("graphiqa", seed=seed, **options)
    return Recipe(
        network="graphiqa",
        options=options,
        initial=use_pretrained(initial) if pretrained else initial,
        stages=(
            Stage(
                name="relations",
                loss=relation_loss,
                batches=multi_task(triplets, in_order, **shared),
                optimizer=optimizer(learning_rate, train_trunk),
                steps=relation_steps,
            ),
            Stage(
                name="scores",
                loss=score_loss,
                batches=multi_task(data.train, Loading(batch_size=batch_size, seed=seed), **shared),
                optimizer=optimizer(learning_rate / 2, train_trunk),
                steps=steps,
            ),
        ),
        validation=data.validation,
        seed=seed,
    )
