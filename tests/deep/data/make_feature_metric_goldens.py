"""Writes feature_metric_goldens.json: the authors' programs on small photographs.

    python make_feature_metric_goldens.py FOLDER

FOLDER holds what the package index has not, as it stands in the authors' repositories: A-DISTS.py
(dingkeyan93/A-DISTS), DeepWSD.py with its utils.py (Buka-Xing/DeepWSD, October 2022) and
PieAPPv0pt1_PT.py (prashnani/PerceptualImageError). Needs numpy, pillow, torch, POT, and the files
of stlpips-pytorch 0.0.2 and DeepDC-PyTorch 0.2 (`pip install --no-deps`); torchvision and what else
they import and do not need is replaced by empty modules.

Networks have random parameters (`draw`), so that a test needs no file; of ST-LPIPS also the
authors' parameters are used. Everything is computed in float64.
"""

import importlib.util
import json
import sys
import types
from pathlib import Path

import numpy as np
import torch
from PIL import Image

HERE = Path(__file__).parent
IMAGES = HERE.parents[1] / "data" / "goldens" / "img"
PAIRS = ("astronaut_jpeg10", "coffee_noise", "rocket_blur")
CROP = (slice(100, 196), slice(60, 172))  # 96 x 112 pixels
LARGE = (slice(0, 160), slice(0, 400))  # reduced by two in DeepWSD
VGG16 = (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M")
VGG19 = tuple(
    layer
    for block in ((64,) * 2, (128,) * 2, (256,) * 4, (512,) * 4, (512,) * 4)
    for layer in (*block, "M")
)
SEEDS = {"vgg16": 102, "vgg19": 119, "alex": 201, "vgg": 202, "pieapp": 203}


def draw(module, seed):
    """Fills a module: kernels by He et al., biases of deviation 0.05, in PyTorch's order."""
    rng = np.random.default_rng(seed)
    state = {}
    for name, value in module.state_dict().items():
        if name.endswith((".filt", "shift", "scale")):
            state[name] = value
            continue
        if name.startswith("lins."):  # the heads by another name
            state[name] = state[name.replace("lins.", "lin")]
            continue
        drawn = rng.standard_normal(value.shape, np.float32)
        if value.ndim == 1:
            drawn *= np.float32(0.05)
        elif "lin" in name:
            drawn = np.abs(drawn)
        else:
            drawn *= np.float32(np.sqrt(2 / np.prod(value.shape[1:])))
        state[name] = torch.from_numpy(drawn)
    module.load_state_dict(state)
    return module


def vgg(layers, seed):
    """VGG of torchvision without its classifier, with random parameters."""
    modules, channels = [], 3
    for layer in layers:
        if layer == "M":
            modules.append(torch.nn.MaxPool2d(2, 2))
            continue
        modules += [torch.nn.Conv2d(channels, layer, 3, padding=1), torch.nn.ReLU(inplace=True)]
        channels = layer
    network = torch.nn.Module()
    network.features = draw(torch.nn.Sequential(*modules), seed)
    return network


def replace_torchvision():
    models = types.ModuleType("torchvision.models")
    models.vgg16 = lambda **_: vgg(VGG16, SEEDS["vgg16"])
    models.vgg19 = lambda **_: vgg(VGG19, SEEDS["vgg19"])
    for name, content in {
        "torchvision": {"models": models, "transforms": None},
        "torchvision.models": vars(models),
        "IPython": {"embed": None},
        "torchsummary": {"summary": None},
        "skimage": {},
        "skimage.io": {},
    }.items():
        module = types.ModuleType(name)
        vars(module).update(content)
        sys.modules[name] = module
    sys.modules["skimage"].io = sys.modules["skimage.io"]


def read_module(path):
    sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location(path.stem.replace("-", "_"), path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pair(name, crop=CROP):
    """Reference and distorted image, `[1, 3, H, W]` in [0, 1]."""
    names = (f"{name.split('_')[0]}_ref", name)
    images = (np.asarray(Image.open(IMAGES / f"{name}.png"), float)[crop] / 255 for name in names)
    return [torch.from_numpy(image).permute(2, 0, 1)[None] for image in images]


def st_lpips(net, random):
    from stlpips_pytorch import stlpips

    model = stlpips.LPIPS(net=net, variant="shift_tolerant", verbose=False, blur_filter_size=3)
    model = (draw(model, SEEDS[net]) if random else model).double()
    return lambda x, y: model(x, y, normalize=True)


def make_pieapp(folder):
    return draw(read_module(folder / "PieAPPv0pt1_PT.py").PieAPP(1, 1), SEEDS["pieapp"]).double()


def pieapp(model):
    def score(reference, distorted):
        patches = [  # every 16 pixels, BGR of 0 to 255
            torch.stack(
                [
                    255 * image[0, [2, 1, 0], i : i + 64, j : j + 64]
                    for i in range(0, image.shape[2] - 63, 16)
                    for j in range(0, image.shape[3] - 63, 16)
                ]
            )
            for image in (distorted, reference)
        ]
        model.num_patches = len(patches[0])
        return model.compute_score(*patches)[0]

    return score


def main():
    folder = Path(sys.argv[1])
    replace_torchvision()
    from DeepDC_PyTorch import DeepDC

    deepwsd = read_module(folder / "DeepWSD.py").DeepWSD().double()
    a_dists = read_module(folder / "A-DISTS.py").ADISTS().double()
    deepdc = DeepDC().double()
    metrics = {
        "st_lpips_alex": st_lpips("alex", random=True),
        "st_lpips_vgg": st_lpips("vgg", random=True),
        "st_lpips_alex authors": st_lpips("alex", random=False),
        "st_lpips_vgg authors": st_lpips("vgg", random=False),
        "a_dists": a_dists,
        "deepdc": lambda x, y: deepdc(x, y),
        "deepwsd": deepwsd,
        "pieapp": pieapp(make_pieapp(folder)),
    }
    count = sum(parameter.numel() for parameter in make_pieapp(folder).parameters())
    goldens = {"parameters of pieapp": count}
    with torch.no_grad():
        for name, score in metrics.items():
            goldens[name] = {p: float(score(*pair(p))) for p in PAIRS}
            print(name, goldens[name], flush=True)
        goldens["deepwsd"]["large"] = float(deepwsd(*pair(PAIRS[0], LARGE)))
    path = HERE / "feature_metric_goldens.json"
    path.write_text(json.dumps(goldens, indent=1) + "\n")


if __name__ == "__main__":
    main()
