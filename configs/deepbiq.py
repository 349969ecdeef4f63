"""The network behind DeepBIQ: CaffeNet learns to tell five degrees of quality.

Bianco, Celona, Napoletano and Schettini, "On the use of deep learning for blind image quality
assessment", Signal, Image and Video Processing 12, 2018. Random crops of the size on which the
network was trained, each with the class of its image's score; all layers learn, the new one ten
times as fast. Learning rate, momentum and size of batches are ours.

The trained network then gives features to a regression, see `jiqa.networks.deepbiq_net`.
"""

import optax

from jiqa.datasets.pipelines import Loading, patches
from jiqa.networks import Model
from jiqa.networks.deepbiq_net import to_classes, use_pretrained
from jiqa.networks.patches import merge_batch
from jiqa.training import Data, Recipe, Stage
from jiqa.training.losses import cross_entropy
from jiqa.training.optimizers import by_part


def loss(network, batch, rngs):
    """Cross-entropy of the class of each crop."""
    crops = batch["distorted"]
    logits, _ = network.classify(merge_batch(crops), rngs=rngs)
    classes = to_classes(batch["score"]).repeat(crops.shape[1])
    return cross_entropy(logits, classes), {"right": (logits.argmax(-1) == classes).mean()}


def optimizer(learning_rate: float) -> optax.GradientTransformation:
    """Gradient descent with momentum, ten times as fast in the layer of classes."""
    slow, fast = (
        optax.chain(optax.add_decayed_weights(1e-5), optax.sgd(rate, momentum=0.9))
        for rate in (learning_rate, 10 * learning_rate)
    )
    return by_part({"classes": fast, "": slow})


def recipe(
    data: Data,
    *,
    quick: bool = False,
    net: str = "caffenet",
    pretrained: bool = True,
    epochs: int = 60,
    batch_size: int = 64,
    learning_rate: float = 1e-3,
    seed: int = 0,
) -> Recipe:
    """How it is trained.

    Args:
        data: A set whose images are at least as large as a crop (227 pixels, 224 for "alexnet").
        quick: At most 200 steps of 16 crops with the AlexNet that comes with jiqa and smaller fully
            connected layers, which take a few minutes on two cores.
        net: The form of AlexNet.
        pretrained: Whether it begins with the published parameters, see `jiqa.weights`; CaffeNet's
            have to be brought, the convolutions of "alexnet" come with jiqa.
        epochs: How often each image is seen.
        batch_size: Crops at a time.
        learning_rate: Of all layers but the last.
        seed: Of all that is random.
    """
    options = {"net": net}
    if quick:
        options, batch_size = {"net": "alexnet", "hidden": 256}, min(batch_size, 16)
    steps = data.epochs_to_steps(epochs, batch_size)
    steps = min(steps, 200) if quick else steps
    model = Model.create("deepbiq", seed=seed, **options)
    side = model.merge().trunk.backbone.side
    loading = Loading(batch_size=batch_size, seed=seed)
    return Recipe(
        network="deepbiq",
        options=options,
        initial=use_pretrained(model) if pretrained else model,
        stages=(
            Stage(
                name="classes",
                loss=loss,
                batches=patches(data.train, loading, size=side, count=1, scale=data.scale),
                optimizer=optimizer(learning_rate),
                steps=steps,
            ),
        ),
        validation=data.validation,
        evaluate_every=max(1, steps // 10),
        seed=seed,
    )
