"""Networks of parameters that others have published.

    model = import_network("CNNIQA-LIVE.pth", "cnniqa_lidq92")
    model(images)["score"]

`SOURCES` has all that can be read. Each says which layer of a published checkpoint is which of
ours, and what convention its network follows; names and shapes must fit exactly.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike, fspath
from typing import Any

import numpy as np

from jiqa.core.registry import unknown_name
from jiqa.deep.backbones.backbone import STATISTICS
from jiqa.networks.network import Model, fill
from jiqa.weights import read_checkpoint, to_jax


@dataclass(frozen=True, kw_only=True)
class Source:
    """A published implementation of a network.

    Attributes:
        network: The network it is here.
        layers: Its layers by the names that they have there.
        options: Of the network, by which it computes as the implementation does.
        unused: Layers there that the network does not use.
        higher_is_better: Polarity of the parameters it publishes; None where those differ.
        origin: Where it is published.
    """

    network: str
    layers: Mapping[str, str]
    options: Mapping[str, Any] = field(default_factory=dict)
    unused: tuple[str, ...] = ()
    higher_is_better: bool | None = None
    origin: str


def import_network(
    path: str | PathLike[str], source: str, *, higher_is_better: bool | None = None
) -> Model:
    """Reads a published checkpoint as a model.

    Args:
        path: A file that `jiqa.weights.read_checkpoint` reads. Chainer's HDF5 files have first to
            be written anew by `chainer.serializers.save_npz`.
        source: One of `SOURCES`.
        higher_is_better: Polarity of what it was trained on: True for MOS, False for DMOS. None is
            that of the published parameters.

    Returns:
        The model.

    Raises:
        ValueError: No such source, the polarity is not known and not given, or the file cannot be
            read or does not fit the network.
        OSError: The file cannot be read.

    >>> import_network("net.pth", "wadiqam_fr_lidq")
    Traceback (most recent call last):
    ValueError: no source is called 'wadiqam_fr_lidq'; did you mean wadiqam_fr_lidq92, ...?
    """
    if source not in SOURCES:
        raise unknown_name("source", source, sorted(SOURCES))
    known = SOURCES[source]
    better = known.higher_is_better if higher_is_better is None else higher_is_better
    if better is None:
        raise ValueError(
            f"{source}: parameters were published for several data sets; say higher_is_better=True "
            "if yours were trained on MOS, False if on DMOS."
        )
    model = Model.create(known.network, higher_is_better=better, **known.options)
    arrays = _rename(to_jax(read_checkpoint(path)), known)
    trees = {"parameters": model.parameters, "statistics": model.statistics}
    return dataclasses.replace(model, **fill(trees, arrays, fspath(path)))


def _rename(arrays: Mapping[str, np.ndarray], source: Source) -> dict[str, np.ndarray]:
    """The arrays that a network uses, by their names in ours; what is unknown keeps its name."""
    renamed = {}
    for name, array in arrays.items():
        layer, _, last = name.rpartition(".")
        if layer in source.layers:
            tree = "statistics" if last in STATISTICS else "parameters"
            renamed[f"{tree}.{source.layers[layer]}.{last}"] = array
        elif layer not in source.unused:
            renamed[name] = array
    return renamed


def _bosse(
    network: str, convention: str, origin: str, scores: tuple[str, str], weights: tuple[str, str]
) -> Source:
    """DIQaM or WaDIQaM, by the names of its fully connected layers for scores and for weights.

    Checkpoints of DIQaM may have layers for weights, which nothing was computed with.
    """
    weighted = network.startswith("wadiqam")
    layers = {f"conv{number + 1}": f"features.convolutions.{number}" for number in range(10)}
    layers |= zip(scores, ("quality.first", "quality.second"), strict=True)
    if weighted:
        layers |= zip(weights, ("importance.first", "importance.second"), strict=True)
    return Source(
        network=network,
        layers=layers,
        options={"convention": convention},
        unused=() if weighted else weights,
        origin=origin,
    )


def _scnn(*, normalized: bool) -> Source:
    """S-CNN, whose layers are numbered together with rectifiers and normalisations."""
    convolutions = ("convolution", "normalize", "rectifier")
    parts = convolutions if normalized else ("convolution", "rectifier")
    layers = {
        **_numbered("features", 9, parts),
        **_numbered("projection", 2, convolutions),
        "classifier": "classifier",
    }
    return Source(
        network="scnn",
        layers=layers,
        options={"normalized": normalized},
        higher_is_better=True,
        origin="github.com/zwx8981/DBCNN-PyTorch",
    )


def _numbered(sequence: str, count: int, parts: tuple[str, ...]) -> dict[str, str]:
    """Layers by their numbers in a sequence, as many of them one of ours as there are parts."""
    return {
        f"{sequence}.{len(parts) * number + place}": f"{sequence}.{number}.{part}"
        for number in range(count)
        for place, part in enumerate(parts)
    }


def _distortion_sensitivity() -> Source:
    encoders = {"ref": "of_reference", "dis": "of_distorted", "err": "of_error"}
    layers = {
        f"conv_featmap_{theirs}.{2 * number}": f"{ours}.{number}"
        for theirs, ours in encoders.items()
        for number in range(4)
    }
    layers |= {
        "conv_concat.0": "join",
        "down_1.0": "down.0",
        "down_2.0": "down.1",
        "same.0": "lowest",
        "up_2.0": "up.0",
        "up_1.0": "up.1",
        "sens.0": "sensitivity",
    }
    return Source(
        network="distortion_sensitivity",
        layers=layers,
        higher_is_better=True,
        origin="github.com/anse3832/DeepQA-modified",
    )


DEEPIQA = ("deepiqa", "github.com/dmaniry/deepIQA", ("fc1", "fc2"), ("fc1_a", "fc2_a"))
LIDQ92 = ("lidq92", "github.com/lidq92/WaDIQaM")
LIDQ92_FR = (*LIDQ92, ("fc1_q", "fc2_q"), ("fc1_w", "fc2_w"))
LIDQ92_NR = (*LIDQ92, ("fc1q_nr", "fc2q_nr"), ("fc1w_nr", "fc2w_nr"))

SOURCES = {
    "cnniqa_lidq92": Source(
        network="cnniqa",
        layers={name: name for name in ("conv1", "fc1", "fc2", "fc3")},
        options={"convention": "lidq92"},
        higher_is_better=False,
        origin="github.com/lidq92/CNNIQA",
    ),
    "diqam_fr_deepiqa": _bosse("diqam_fr", *DEEPIQA),
    "wadiqam_fr_deepiqa": _bosse("wadiqam_fr", *DEEPIQA),
    "diqam_nr_deepiqa": _bosse("diqam_nr", *DEEPIQA),
    "wadiqam_nr_deepiqa": _bosse("wadiqam_nr", *DEEPIQA),
    "diqam_fr_lidq92": _bosse("diqam_fr", *LIDQ92_FR),
    "wadiqam_fr_lidq92": _bosse("wadiqam_fr", *LIDQ92_FR),
    "diqam_nr_lidq92": _bosse("diqam_nr", *LIDQ92_NR),
    "wadiqam_nr_lidq92": _bosse("wadiqam_nr", *LIDQ92_NR),
    "scnn_dbcnn": _scnn(normalized=True),
    "scnn_dbcnn_plain": _scnn(normalized=False),
    "distortion_sensitivity_ahn": _distortion_sensitivity(),
}
