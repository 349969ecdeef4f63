"""Writes jiqa/weights/data/shapes.json: names and shapes of the parameters of published networks.

Run once in an environment of its own, with PyTorch, torchvision and pytorch-fid (whose classes say
what their files hold), jiqa, and the fetched files of the networks that no package defines:
`python make_shapes.py efficientnet_lite0=FILE.pth st_lpips_alex=FILE.pth ...`.
"""

import itertools
import json
import sys
from unittest import mock

import numpy as np
import torch
from pytorch_fid import inception
from torchvision import models

from jiqa.weights import DATA, read_checkpoint
from jiqa.weights.trees import to_jax

TORCHVISION = (
    *("alexnet", "vgg11", "vgg13", "vgg16", "vgg19"),
    *("squeezenet1_0", "squeezenet1_1", "resnet18", "resnet50"),
)


def main() -> None:
    networks = {name: getattr(models, name)().state_dict() for name in TORCHVISION}
    networks["inception_v3_fid"] = inception_state()
    networks |= {"caffenet": caffenet(), "pieapp": pieapp()}
    arrays = {
        name: {k: np.asarray(v) for k, v in state.items()} for name, state in networks.items()
    }
    arrays |= {name: read_checkpoint(path) for name, _, path in map(partition, sys.argv[1:])}
    lines = [f'"{name}":{shapes(of)}' for name, of in arrays.items()]
    (DATA / "shapes.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


def partition(argument: str) -> tuple[str, str, str]:
    return argument.partition("=")


def shapes(arrays: dict[str, np.ndarray]) -> str:
    found = {name: array.shape for name, array in to_jax(arrays).items()}
    return json.dumps(found, separators=(",", ":"))


def inception_state() -> dict[str, torch.Tensor]:
    """The network of pytorch-fid as it is before its file is loaded."""
    found = {}
    with (
        mock.patch.object(inception, "load_state_dict_from_url"),
        mock.patch.object(
            models.Inception3, "load_state_dict", lambda self, _: found.update(self.state_dict())
        ),
    ):
        inception.fid_inception_v3()
    return found


def caffenet() -> dict[str, np.ndarray]:
    """Caffe's AlexNet and CaffeNet: convolutions 2, 4 and 5 in two groups."""
    convolutions = [(96, 3, 11), (256, 48, 5), (384, 256, 3), (384, 192, 3), (256, 192, 3)]
    arrays = {}
    for number, (out, into, side) in enumerate(convolutions, 1):
        arrays[f"conv{number}.weight"] = np.zeros((out, into, side, side))
        arrays[f"conv{number}.bias"] = np.zeros(out)
    layers = {"fc6": (4096, 9216), "fc7": (4096, 4096), "fc8": (1000, 4096)}
    return arrays | dense(layers)


def dense(layers: dict[str, tuple[int, int]]) -> dict[str, np.ndarray]:
    """Weights and biases of layers by outputs and inputs."""
    arrays = {}
    for name, (out, into) in layers.items():
        arrays[f"{name}.weight"] = np.broadcast_to(np.float32(0), (out, into))
        arrays[f"{name}.bias"] = np.zeros(out)
    return arrays


def pieapp() -> dict[str, np.ndarray]:
    """PieAPP 0.1: eleven convolutions, and the layers behind them."""
    widths = [3, 64, 64, 64, 128, 128, 128, 256, 256, 256, 512, 512]
    arrays = {}
    for number, (into, out) in enumerate(itertools.pairwise(widths), 1):
        arrays[f"conv{number}.weight"] = np.zeros((out, into, 3, 3))
        arrays[f"conv{number}.bias"] = np.zeros(out)
    layers = {
        "fc1_score": (512, 120832),
        "fc2_score": (1, 512),
        "fc1_weight": (512, 2048),
        "fc2_weight": (1, 512),
        "ref_score_subtract": (1, 1),
    }
    return arrays | dense(layers)


if __name__ == "__main__":
    main()
