"""What public packages call LPIPS and DISTS, with the parameters that jiqa has.

As `peers.py`. Packages that would fetch parameters are given those files: AlexNet, the heads of
LPIPS and DISTS as they come with jiqa, VGG16 as `JIQA_BENCHMARK_VGG16` names it.
"""

import importlib
import os
from copy import deepcopy
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from peers import Peer, stand_in_for_torchvision, torch_calls

PARAMETERS = Path(__file__).parent.parent / "jiqa" / "weights" / "data"

# What the public packages compute otherwise, as far as it is known.
NOTES = {
    ("piq", "dists"): "shrinks images of more than 256 pixels a side first",
    ("piq", "lpips_vgg"): "other digits of the mean and deviation of ImageNet",
    ("torchmetrics", "lpips_alex"): "1e-8 added under the root",
    ("torchmetrics", "lpips_vgg"): "1e-8 added under the root",
}


def lpips() -> Peer:
    """The authors' LPIPS."""
    give_trunks()
    package = importlib.import_module("lpips")

    def build(net: str) -> Any:
        return partial(package.LPIPS(net=net, verbose=False).eval(), normalize=True)

    return {"lpips_alex": build("alex"), "lpips_vgg": build("vgg")}, frozen_calls


def piq() -> Peer:
    """PyTorch Image Quality, which has LPIPS of VGG16 only."""
    import torch

    give_trunks()
    package = importlib.import_module("piq")
    heads = read("lpips_heads.safetensors")
    published = {
        package.LPIPS: [heads[f"v0_1.vgg.{i}"].view(1, -1, 1, 1) for i in range(5)],
        package.DISTS: {k: v.view(1, -1, 1, 1) for k, v in read("dists.safetensors").items()},
    }

    def build(kind: Any) -> Any:
        torch.hub.load_state_dict_from_url = lambda *_, **__: published[kind]
        return kind(reduction="none")

    return {"lpips_vgg": build(package.LPIPS), "dists": build(package.DISTS)}, frozen_calls


def pyiqa() -> Peer:
    """pyiqa, with the heads in the package lpips and DISTS' weights in torchmetrics."""
    give_trunks()
    heads = Path(importlib.import_module("lpips").__file__).parent / "weights" / "v0.1"
    torchmetrics = Path(importlib.import_module("torchmetrics").__file__).parent
    weights = torchmetrics / "functional" / "image" / "dists_models" / "weights.pt"
    package = importlib.import_module("pyiqa.archs.lpips_arch").LPIPS
    dists = importlib.import_module("pyiqa.archs.dists_arch").DISTS
    return {
        "lpips_alex": package(net="alex", pretrained_model_path=str(heads / "alex.pth")),
        "lpips_vgg": package(net="vgg", pretrained_model_path=str(heads / "vgg.pth")),
        "dists": dists(pretrained_model_path=str(weights)),
    }, frozen_calls


def torchmetrics() -> Peer:
    """The package torchmetrics."""
    give_trunks()
    package = importlib.import_module("torchmetrics.functional.image.lpips")._LPIPS
    dists = importlib.import_module("torchmetrics.functional.image.dists").DISTSNetwork
    return {
        "lpips_alex": partial(package(net="alex"), normalize=True),
        "lpips_vgg": partial(package(net="vgg"), normalize=True),
        "dists": dists(),
    }, frozen_calls


PEERS = {"lpips": lpips, "piq": piq, "pyiqa": pyiqa, "torchmetrics": torchmetrics}


def read(file: str | Path) -> dict[str, Any]:
    """Tensors by name, of a file that comes with jiqa or another."""
    from safetensors.torch import load_file

    return load_file(PARAMETERS / file)


def give_trunks() -> None:
    """Lets torchvision's models have the convolutions of jiqa, and no classifier."""
    stand_in_for_torchvision()
    models = importlib.import_module("torchvision.models")
    vgg = importlib.import_module("torchvision.models.vgg")
    alexnet = models.AlexNet().features, "alexnet.safetensors"
    vgg16 = vgg.make_layers(vgg.cfgs["D"]), os.environ["JIQA_BENCHMARK_VGG16"]
    for name, (features, file) in (("alexnet", alexnet), ("vgg16", vgg16)):
        state = {}
        for key in features.state_dict():
            value = read(file)[f"features.{key}".replace("weight", "kernel")]
            state[key] = value.permute(3, 2, 0, 1) if value.ndim == 4 else value
        features.load_state_dict(state)
        setattr(models, name, partial(trunk, features))


def trunk(features: Any, *_: object, **__: object) -> Any:
    """What peers take for a model of torchvision: some of them change the features they get."""
    return SimpleNamespace(features=deepcopy(features))


def frozen_calls(score: Any, *images: Any) -> Any:
    """As `torch_calls`, of a module whose parameters get no gradients."""
    module = score.func if isinstance(score, partial) else score
    module.requires_grad_(False)
    return torch_calls(score, *images)
