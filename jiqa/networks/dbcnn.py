"""DB-CNN: what is in an image times how it is distorted, with a head for each set of ratings.

Zhang, Ma, Yan, Deng and Wang, "Blind image quality assessment using a deep bilinear convolutional
neural network", IEEE TCSVT 30(1), 2020, in the form that Zhang, Li, Ma, Zhai, Yang and Ma,
"Continual learning for blind image quality assessment", IEEE TPAMI 45(3), 2023, learn several sets
of ratings with, one after the other; see `jiqa.networks.continual`. Maps of ResNet-18, trained on
photographs, and of S-CNN, trained on distortions, are multiplied place by place. The mean of all
products of two channels, of unit length, goes to a head for each task, a vector without bias.

Tasks have scales of their own, so that what heads say is not simply averaged. Each task leaves
centroids of the distortions that it had, found in the features of S-CNN, and an image is judged by
the heads whose centroids are near. Layers, sizes and the softmin of distances are those of the
authors' PyTorch code. As there, heads have unit length in inference and any length in training,
S-CNN rests, and normalisations keep their statistics.
"""

from dataclasses import replace
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from jiqa.core.arrays import safe_sqrt, to_unit
from jiqa.networks.network import Model, Prediction, at_rest, named_arrays, network
from jiqa.networks.pretrained import LAST, Trunk
from jiqa.networks.scnn import CHANNELS, SCNN

PAPER = 'Zhang, Li, Ma, Zhai, Yang and Ma, "Continual learning for blind image quality assessment",'
PAPER += " IEEE TPAMI 45(3), 2023"
CENTROIDS = 128  # of each task
SHARPNESS = 32.0  # of the softmin of distances

Net = Literal["resnet18", "vgg16"]


@network("dbcnn", kind="no_reference", paper=PAPER)
class DBCNN(nnx.Module):
    """Two trunks, their bilinear product, heads, and what each task's distortions look like.

    Attributes:
        heads: `[tasks, features]`.
        centroids: `[tasks, CENTROIDS, 128]`, of unit features of S-CNN.
        known: `[tasks]`, 1 for a task that has left its centroids.
    """

    def __init__(
        self,
        *,
        rngs: nnx.Rngs,
        tasks: int = 1,
        net: Net = "resnet18",
        normalized: bool = True,
        narrow: int = 1,
    ) -> None:
        """Random parameters; see `use_pretrained` and `use_scnn` for published ones.

        Args:
            rngs: Where they come from.
            tasks: How many heads there are.
            net: What sees the content.
            normalized: Whether S-CNN has batch normalisation.
            narrow: By what the channels of `net` are divided, for trials.
        """
        _, channels = LAST[net]
        self.trunk = Trunk(net, narrow=narrow, rngs=rngs)
        self.scnn = SCNN(normalized=normalized, rngs=rngs)
        features = channels // narrow * CHANNELS[-1]
        head = nnx.initializers.he_normal()(rngs.params(), (features, 1), jnp.float32)[:, 0]
        self.heads = nnx.Param(jnp.tile(head, (tasks, 1)))
        self.centroids = nnx.BatchStat(jnp.zeros((tasks, CENTROIDS, CHANNELS[-1]), jnp.float32))
        self.known = nnx.BatchStat(jnp.zeros(tasks, jnp.float32))

    def __call__(self, distorted: jax.Array, *, rngs: nnx.Rngs | None = None) -> Prediction:
        """Quality of images.

        Args:
            distorted: `[B, H, W, C]` in [0, 1], at least 32 x 32.
            rngs: Given in training, in which heads have any length.

        Returns:
            "heads" `[B, tasks]`, what each head says; "weights" `[B, tasks]`, how near the task is;
            "score" `[B]`, the sum of their products; "features" `[B, 128]`, of the distortion, of
            unit length.

        Raises:
            ValueError: Images are too small.
        """
        content = self.trunk.last(distorted)
        maps = at_rest(self.scnn).maps(distorted)
        features = to_unit(maps.mean((1, 2)))
        heads = self.heads[...] if rngs is not None else to_unit(self.heads[...])
        scores = multiply(content, maps) @ heads.T
        weights = self.weigh(features)
        score = (weights * scores).sum(-1)
        return {"score": score, "heads": scores, "weights": weights, "features": features}

    def weigh(self, features: jax.Array) -> jax.Array:
        """How near tasks are to features `[B, 128]`: `[B, tasks]`, which add up to one.

        Tasks without centroids have no weight; if none has any, all weigh the same.
        """
        known = self.known[...] > 0
        offsets = features[:, None, None] - self.centroids[...]
        nearest = safe_sqrt((offsets**2).sum(-1).min(-1))
        usable = known | ~known.any()
        logits = jnp.where(usable, -SHARPNESS * jnp.where(known, nearest, 0), -jnp.inf)
        return jax.nn.softmax(logits, -1)


def use_scnn(model: Model, scnn: Model) -> Model:
    """A model of DB-CNN with the parameters of a trained S-CNN.

    Args:
        model: Of "dbcnn".
        scnn: Of "scnn", with the same `normalized`.

    Returns:
        The model, all else as it was.

    Raises:
        ValueError: The parameters do not fit.
    """
    if named_arrays(scnn.parameters).keys() != named_arrays(model.parameters["scnn"]).keys():
        raise ValueError("S-CNN and that of DB-CNN differ; give both the same `normalized`.")
    parameters = {**model.parameters, "scnn": scnn.parameters}
    statistics = {**model.statistics, "scnn": scnn.statistics}
    return replace(model, parameters=parameters, statistics=statistics)


def multiply(content: jax.Array, distortion: jax.Array) -> jax.Array:
    """Mean over places of all products of two channels, of unit length.

    Args:
        content: Maps `[B, h, w, n]`.
        distortion: Maps `[B, H, W, m]`, which are resized if need be.

    Returns:
        `[B, n m]`.

    >>> print(multiply(jnp.full((1, 2, 2, 1), 3.0), jnp.ones((1, 4, 4, 4))))
    [[0.5 0.5 0.5 0.5]]
    """
    resized = resize_corners(distortion, (content.shape[1], content.shape[2]))
    product = jnp.einsum("bhwi,bhwj->bij", content, resized)
    return to_unit(product.reshape(len(content), -1))


def resize_corners(maps: jax.Array, size: tuple[int, int]) -> jax.Array:
    """Maps interpolated linearly, the corners' places kept: PyTorch's `align_corners=True`.

    Args:
        maps: `[B, H, W, C]`.
        size: Rows and columns of the result.

    Returns:
        `[B, *size, C]`.

    >>> print(resize_corners(jnp.arange(4.0).reshape(1, 4, 1, 1), (3, 1))[0, :, 0, 0])
    [0. 1.5 3. ]
    """
    rows, columns = (
        jnp.asarray(_interpolation(length, target), maps.dtype)
        for length, target in zip(maps.shape[1:3], size, strict=True)
    )
    return jnp.einsum("ih,jw,bhwc->bijc", rows, columns, maps)


def _interpolation(length: int, target: int) -> np.ndarray:
    """Weights `[target, length]`."""
    places = np.linspace(0, length - 1, target)
    return np.maximum(0, 1 - np.abs(places[:, None] - np.arange(length)))
