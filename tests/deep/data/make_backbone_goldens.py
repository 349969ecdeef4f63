"""Writes backbone_goldens.json: features of torchvision's networks with drawn parameters, float64.

    python tests/deep/data/make_backbone_goldens.py

needs torch 2.14.1, torchvision 0.29.1 and efficientnet-lite-pytorch 0.1.0, and nothing of jiqa. The
two forms of AlexNet that torchvision lacks are written out below. Fully connected layers of AlexNet
and VGG are cut to 16 units. `draw` and `summarize` are what the test does too.
"""

import json
from pathlib import Path

import numpy as np
import torch
import torchvision
from torch import nn

SEED = 2012
UNITS = 16  # of fully connected layers
SIZES = {"alexnet_caffe": (227, 227), "caffenet": (227, 227)}
SIZE = (70, 85)


def draw(kind: str, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """A parameter: kernels as He et al., all else near its neutral value; shape as in PyTorch."""
    values = rng.standard_normal(shape, np.float32)
    if kind == "kernel":
        return values * np.float32(np.sqrt(2 / np.prod(shape[1:])))
    scale = np.float32(0.1)
    return {"bias": scale * values, "mean": scale * values}.get(kind, np.exp(scale * values))


def summarize(x: np.ndarray) -> list[float]:
    """Mean, mean square, and three entries of channels-first features of one image."""
    places = (np.array([0.1, 0.5, 0.9]) * x.size).astype(int)
    return [float(v) for v in (x.mean(), (x**2).mean(), *x.ravel()[places])]


def caffe_form(pool_first: bool) -> nn.Module:
    """AlexNet as in Caffe's bvlc_alexnet, or with pooling first, bvlc_reference_caffenet."""
    channels, sizes, groups = (3, 96, 256, 384, 384, 256), (11, 5, 3, 3, 3), (1, 2, 1, 2, 2)
    net = nn.Sequential()
    for i in range(5):
        padding, stride = (0, 4) if i == 0 else (sizes[i] // 2, 1)
        conv = nn.Conv2d(channels[i], channels[i + 1], sizes[i], stride, padding, groups=groups[i])
        net.add_module(f"conv{i + 1}", conv)
        net.add_module(f"relu{i + 1}", nn.ReLU())
        after = {"norm": nn.LocalResponseNorm(5, 1e-4, 0.75, 1.0)} if i < 2 else {}
        after |= {"pool": nn.MaxPool2d(3, 2, ceil_mode=True)} if i in (0, 1, 4) else {}
        for name in sorted(after, reverse=pool_first):
            net.add_module(f"{name}{i + 1}", after[name])
    net.add_module("flatten", nn.Flatten())
    for i, (inputs, outputs) in enumerate(((9216, UNITS), (UNITS, UNITS), (UNITS, 1000)), 6):
        net.add_module(f"fc{i}", nn.Linear(inputs, outputs))
        if i < 8:
            net.add_module(f"relu{i}", nn.ReLU())
    return net


def cut_classifier(net: nn.Module) -> nn.Module:
    """Fully connected layers of fewer units."""
    linear = [m for m in net.classifier if isinstance(m, nn.Linear)]
    sizes = (linear[0].in_features, UNITS, UNITS, 1000)
    place = 0
    for i, module in enumerate(net.classifier):
        if isinstance(module, nn.Linear):
            net.classifier[i] = nn.Linear(*sizes[place : place + 2])
            place += 1
    return net


ALEXNET = ["conv1", "relu1", "pool1", "conv2", "relu2", "pool2", "conv3", "relu3", "conv4", "relu4"]
ALEXNET += ["conv5", "relu5", "pool5"]
CLASSIFIER = ("fc6", "relu6", "fc7", "relu7", "fc8")


def vgg_names(counts: tuple[int, ...]) -> list[str]:
    """Our names of the features of VGG, in their order."""
    names = []
    for block, count in enumerate(counts, 1):
        names += [f"{kind}{block}_{i + 1}" for i in range(count) for kind in ("conv", "relu")]
        names.append(f"pool{block}")
    return names


def sequential_names(net: nn.Module, ours: list[str]) -> dict[str, str]:
    """Our names of the modules of AlexNet and VGG."""
    names = dict(zip(ours, [f"features.{i}" for i in range(len(net.features))], strict=True))
    kept = [i for i, module in enumerate(net.classifier) if not isinstance(module, nn.Dropout)]
    places = [f"classifier.{i}" for i in kept]
    return {**names, "avgpool": "avgpool", **dict(zip(CLASSIFIER, places, strict=True))}


def squeezenet_names(net: nn.Module) -> dict[str, str]:
    """Our names of the modules of SqueezeNet."""
    names, fire = {"conv1": "features.0", "relu1": "features.1", "pool1": "features.2"}, 1
    for place, module in list(net.features.named_children())[3:]:
        if isinstance(module, nn.MaxPool2d):
            names[f"pool{fire}"] = f"features.{place}"
            continue
        fire += 1
        names[f"fire{fire}"] = f"features.{place}"
        for part, _ in module.named_children():
            names[f"fire{fire}.{part}"] = f"features.{place}.{part}"
    return names | {"conv10": "classifier.1", "relu10": "classifier.2", "pool10": "classifier.3"}


def resnet_names(net: nn.Module) -> dict[str, str]:
    """Our names of the modules of a residual network: its own, but for a block's rectifiers."""
    return {
        name: name
        for name, module in net.named_modules()
        if name
        and "downsample." not in name
        and not name.endswith(".relu")
        and not (name.startswith("layer") and "." not in name)
    }


def efficientnet_names(net: nn.Module) -> dict[str, str]:
    """Our names of the modules of EfficientNet-Lite: its own without underscores."""
    return {
        name.replace("_blocks", "blocks").replace("._", ".").lstrip("_"): name
        for name, _ in net.named_modules()
        if name
        and "swish" not in name
        and "dropout" not in name
        and "static" not in name
        and name not in ("_blocks", "_avg_pooling")
    }


def networks() -> dict[str, tuple[nn.Module, dict[str, str]]]:
    """The networks, and which module gives which of our features."""
    from efficientnet_lite_pytorch import EfficientNet

    models = torchvision.models
    found = {}
    for name, names in {
        "alexnet": ALEXNET,
        "vgg11": vgg_names((1, 1, 2, 2, 2)),
        "vgg13": vgg_names((2, 2, 2, 2, 2)),
        "vgg16": vgg_names((2, 2, 3, 3, 3)),
        "vgg19": vgg_names((2, 2, 4, 4, 4)),
    }.items():
        net = cut_classifier(getattr(models, name)())
        found[name] = net, sequential_names(net, names)
    for name in ("squeezenet1_0", "squeezenet1_1"):
        net = getattr(models, name)()
        found[name] = net, squeezenet_names(net)
    for name in ("resnet18", "resnet50"):
        net = getattr(models, name)()
        found[name] = net, resnet_names(net)
    for name, pool_first in (("alexnet_caffe", False), ("caffenet", True)):
        net = caffe_form(pool_first)
        found[name] = net, {m: m for m, _ in net.named_children() if m != "flatten"}
    net = EfficientNet.from_name("efficientnet-lite0", image_size=None)
    found["efficientnet_lite0"] = net, efficientnet_names(net)
    return found


def fill(net: nn.Module, rng: np.random.Generator) -> None:
    """Draws all parameters in the order of the state dictionary."""
    state = net.state_dict()
    for key, value in state.items():
        if key.endswith("num_batches_tracked"):
            continue
        kind = {"weight": "kernel" if value.ndim > 1 else "scale", "bias": "bias"}
        kind |= {"running_mean": "mean", "running_var": "var"}
        drawn = draw(kind[key.rsplit(".", 1)[-1]], tuple(value.shape), rng)
        state[key] = torch.tensor(drawn, dtype=torch.float64)
    net.load_state_dict(state)


def features(net: nn.Module, names: dict[str, str], x: np.ndarray) -> dict[str, list[float]]:
    """Summaries of the features of one image."""
    for module in net.modules():
        if isinstance(module, (nn.ReLU, nn.ReLU6)):
            module.inplace = False
    found: dict[str, torch.Tensor] = {}
    modules = dict(net.named_modules())
    for ours, theirs in names.items():
        modules[theirs].register_forward_hook(
            lambda _module, _given, result, ours=ours: found.__setitem__(ours, result.clone())
        )
    with torch.no_grad():
        net(torch.tensor(x)[None])
    return {name: summarize(value[0].numpy()) for name, value in found.items()}


def main() -> None:
    """Writes the file."""
    goldens = {}
    for name, (net, names) in networks().items():
        net = net.double().eval()
        rng = np.random.default_rng(SEED)
        fill(net, rng)
        x = rng.standard_normal((3, *SIZES.get(name, SIZE)))
        goldens[name] = features(net, names, x)
        print(name, len(goldens[name]))
    path = Path(__file__).with_name("backbone_goldens.json")
    lines = [
        f'"{net}": {{\n' + ",\n".join(f'"{k}": {json.dumps(v)}' for k, v in row.items()) + "}"
        for net, row in goldens.items()
    ]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
