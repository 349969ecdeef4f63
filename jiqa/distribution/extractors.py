"""Networks whose features describe image files, by name, for whole sets of them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import jax
import numpy as np

import jiqa
from jiqa.core.arrays import INTEGER_RANGES
from jiqa.core.color import gray_to_rgb
from jiqa.deep.backbones import BACKBONES
from jiqa.deep.backbones.backbone import Backbone, Tree
from jiqa.deep.backbones.inception_v3 import inception_v3_fid
from jiqa.distribution import inception
from jiqa.distribution.resizing import check_protocol, resize_on_host

INCEPTION = "inception_v3"
FEATURES, LOGITS = "features", "logits"  # what an extractor computes


@dataclass(frozen=True)
class Extractor:
    """A network with parameters, and how it takes images.

    Attributes:
        name: Network, tap and protocol, as files of statistics record them.
        side: Height and width of what `compute` takes.
        prepare: Of an image uint8 or uint16 `[H, W, C]` on the host, float32 `[side, side, 3]`.
        compute: Of parameters and a batch of such images, "features" `[N, D]`, and "logits"
            `[N, K]` if the network has those of the Inception score.
        parameters: A tree of arrays.
    """

    name: str
    side: int
    prepare: Callable[[np.ndarray], np.ndarray]
    compute: Callable[[Tree, jax.Array], dict[str, jax.Array]]
    parameters: Tree

    @property
    def sizes(self) -> dict[str, int]:
        """How many numbers an image has, by what is computed."""
        images = jax.ShapeDtypeStruct((1, self.side, self.side, 3), np.float32)
        found = jax.eval_shape(self.compute, self.parameters, images)
        return {name: x.shape[1] for name, x in found.items()}

    @property
    def facts(self) -> dict[str, str]:
        """Its name, and the SHA-256 of its parameters as of `jiqa.weights.fingerprint`."""
        arrays = jiqa.weights.flatten(self.parameters)
        return {"name": self.name, "parameters": jiqa.weights.fingerprint(arrays)}


def find_extractor(features: str = INCEPTION, protocol: str = "clean_fid") -> Extractor:
    """The extractor of a name, with pretrained parameters.

    Args:
        features: "inception_v3", which has the tap "avgpool" unless another is named, as in
            "inception_v3:Mixed_6e"; or one of `jiqa.deep.backbones.BACKBONES` with a tap, as in
            "alexnet:relu5". Maps are averaged.
        protocol: How images are resized, see `jiqa.distribution.resizing`. Other networks than
            Inception have their own size and normalisation.

    Returns:
        The extractor.

    Raises:
        ValueError: An unknown network, tap or protocol.
        FileNotFoundError: The parameters are not on this machine and could not be fetched.

    >>> find_extractor("alexnet:relu5").name
    'alexnet:relu5, clean_fid'
    """
    check_protocol(protocol)
    network, _, tap = features.partition(":")
    backbone = inception_v3_fid if network == INCEPTION else BACKBONES.get(network)
    if backbone is None:
        known = ", ".join([INCEPTION, *BACKBONES])
        raise ValueError(
            f"features={features!r}: there is no network {network}; there are {known}."
        )
    if network == INCEPTION:
        tap = tap or inception.TAP
    if tap not in backbone.names:
        raise ValueError(
            f"features={features!r}: name one of the network's features, as in "
            f"{network}:{backbone.names[-1]}; they are {', '.join(backbone.names)}."
        )
    if network == INCEPTION:
        compute = partial(_compute_inception, protocol=protocol, tap=tap)
    else:
        compute = partial(_compute, backbone=backbone, tap=tap)
    return Extractor(
        f"{network}:{tap}, {protocol}",
        backbone.side,
        partial(_prepare, protocol=protocol, side=backbone.side),
        compute,
        jiqa.weights.load(backbone.name),
    )


def _prepare(image: np.ndarray, *, protocol: str, side: int) -> np.ndarray:
    levels = image * np.float32(255 / INTEGER_RANGES[str(image.dtype)])
    resized = resize_on_host(levels, protocol, side)
    return np.broadcast_to(resized, (side, side, 3))


def _compute_inception(
    parameters: Tree, levels: jax.Array, *, protocol: str, tap: str
) -> dict[str, jax.Array]:
    taps = (tap, inception.LOGITS_TAP)
    found = inception.features_of_levels(parameters, levels, protocol, taps)
    return {FEATURES: found[tap], LOGITS: found[inception.LOGITS_TAP]}


def _compute(
    parameters: Tree, levels: jax.Array, *, backbone: Backbone, tap: str
) -> dict[str, jax.Array]:
    x = backbone(parameters, backbone.normalize(gray_to_rgb(levels) / 255), (tap,))[tap]
    return {FEATURES: x.mean(tuple(range(1, x.ndim - 1)))}
