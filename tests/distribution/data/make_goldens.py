"""Writes goldens.json: what public packages say about small random features, images and parameters.

Packages: pytorch-fid 0.3.0, clean-fid 0.1.35, torch-fidelity 0.4.0, torchmetrics 1.9.0, prdc 0.2,
with torch 2.13.0, torchvision 0.28.0, numpy 2.4.6, scipy 1.17.1, pillow 13.0.0. Run once in an
environment of its own that holds them: `python make_goldens.py`.

The published parameters of Inception are replaced by random ones that `parameters.py` describes, so
what is compared is the architecture, the resizing and the arithmetic.
"""

import json
from pathlib import Path
from tempfile import NamedTemporaryFile

import numpy as np
import pytorch_fid.inception
import torch
import torch.nn.functional as F
from cleanfid import fid as clean_fid
from cleanfid.resize import make_resizer
from parameters import draw, features, images
from prdc import compute_prdc
from pytorch_fid.fid_score import calculate_frechet_distance
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
from torch_fidelity.interpolate_compat_tensorflow import (
    interpolate_bilinear_2d_like_tensorflow1x,
)
from torch_fidelity.metric_fid import fid_statistics_to_metric
from torch_fidelity.metric_isc import isc_features_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric
from torch_fidelity.metric_prc import prc_features_to_metric
from torchmetrics.image.fid import _compute_fid
from torchmetrics.image.kid import poly_mmd

KINDS = {
    "weight": "scale",
    "bias": "bias",
    "running_mean": "mean",
    "running_var": "var",
}
AXES = {4: (3, 2, 0, 1), 2: (1, 0), 1: (0,)}  # of a parameter of ours in PyTorch's order


def main() -> None:
    goldens = {
        "distances": distances(),
        "resizing": resizing(),
        "inception": inception(),
    }
    text = json.dumps(goldens, indent=1)
    Path(__file__).with_name("goldens.json").write_text(text + "\n")


def moments(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return x.mean(0), np.cov(x, rowvar=False)


def distances() -> dict[str, dict[str, float]]:
    x, y, logits = features()
    (m, a), (n, b) = moments(x), moments(y)
    tensors = [torch.from_numpy(array) for array in (m, a, n, b)]
    quiet = {"verbose": False, "rng_seed": 2020}
    kid = kid_features_to_metric(
        torch.from_numpy(y), torch.from_numpy(x), kid_subsets=7, kid_subset_size=40, **quiet
    )
    isc = isc_features_to_metric(torch.from_numpy(logits), splits=4, shuffle=False)
    np.random.seed(2020)
    same = min(len(x), len(y))
    return {
        "pytorch-fid": {"fid": calculate_frechet_distance(m, a, n, b)},
        "clean-fid": {
            "fid": clean_fid.frechet_distance(m, a, n, b),
            "kid_of_first": clean_fid.kernel_distance(x[:same], y[:same], 1, same),
        },
        "torch-fidelity": {
            "fid": fid_statistics_to_metric(
                {"mu": m, "sigma": a}, {"mu": n, "sigma": b}, verbose=False
            )["frechet_inception_distance"],
            "kid_mean": kid["kernel_inception_distance_mean"],
            "kid_std": kid["kernel_inception_distance_std"],
            "isc_mean": isc["inception_score_mean"],
            "isc_std": isc["inception_score_std"],
            **prc_features_to_metric(
                torch.from_numpy(y),
                torch.from_numpy(x),
                prc_neighborhood=3,
                prc_batch_size=50,
                save_cpu_ram=False,
                verbose=False,
            ),
        },
        "torchmetrics": {
            "fid": float(_compute_fid(*tensors)),
            "kid_of_first": float(poly_mmd(torch.from_numpy(x[:same]), torch.from_numpy(y[:same]))),
        },
        "prdc": {
            f"{name}_{k}": float(value)
            for k in (3, 5)
            for name, value in compute_prdc(x, y, k).items()
        },
    }


def resizing() -> dict[str, dict[str, list[float]]]:
    """Every 23rd pixel of rows and columns of images of 299 x 299, in [0, 255]."""
    tensors = {name: torch.from_numpy(image).movedim(-1, 0)[None] for name, image in images()}
    clean = make_resizer("PIL", False, "bicubic", (299, 299))
    ways = {
        "clean_fid": lambda name: clean(dict(images())[name]),
        "pytorch_fid": lambda name: (
            torch_image(
                F.interpolate(tensors[name] / 255, (299, 299), mode="bilinear", align_corners=False)
            )
            * 255
        ),
        "tensorflow": lambda name: torch_image(
            interpolate_bilinear_2d_like_tensorflow1x(
                tensors[name].float(), (299, 299), align_corners=False
            )
        ),
    }
    return {
        way: {
            name: np.asarray(resize(name))[::23, ::23].astype(float).round(4).ravel().tolist()
            for name in tensors
        }
        for way, resize in ways.items()
    }


def torch_image(x: torch.Tensor) -> np.ndarray:
    return x[0].movedim(0, -1).numpy()


def inception() -> dict[str, object]:
    """Taps of a small image in float64, and features of `images` as three packages compute them."""
    state = {}
    skeleton = pytorch_fid.inception._inception_v3(num_classes=1008, aux_logits=False, weights=None)
    for name, tensor in skeleton.state_dict().items():
        if name.endswith("num_batches_tracked"):
            state[name] = tensor
            continue
        place, last = name.rsplit(".", 1)
        kind = "kernel" if tensor.ndim > 1 else KINDS[last]
        shape = [tensor.shape[i] for i in np.argsort(AXES[tensor.ndim])]
        values = draw(f"{place}.{kind}", shape)
        state[name] = torch.from_numpy(values.transpose(AXES[tensor.ndim]).copy())
    pytorch_fid.inception.load_state_dict_from_url = lambda *_, **__: state
    count = sum(parameter.numel() for parameter in skeleton.parameters())
    net = pytorch_fid.inception.fid_inception_v3().double().eval()
    return {
        "parameter_count": count,
        "taps": taps(net),
        "features": feature_values(state),
    }


def taps(net: torch.nn.Module) -> dict[str, list[float]]:
    """Mean, mean square and three values of each part of the network."""
    found: dict[str, list[float]] = {}

    def note(name: str):
        return lambda _, __, x: found.update({name: summarize(x)})

    for name, module in net.named_children():
        if name not in ("dropout", "AuxLogits"):
            module.register_forward_hook(note({"fc": "logits"}.get(name, name)))
    x = torch.from_numpy(np.random.default_rng(3).uniform(-1, 1, (1, 79, 97, 3)))
    with torch.no_grad():
        net(x.movedim(-1, 1))
    return found


def summarize(x: torch.Tensor) -> list[float]:
    array = x.numpy()[0]
    array = np.moveaxis(array, 0, -1) if array.ndim == 3 else array.ravel()
    places = (np.array([0.1, 0.5, 0.9]) * array.size).astype(int)
    return [array.mean(), (array**2).mean(), *array.ravel()[places]]


def feature_values(state: dict[str, torch.Tensor]) -> dict[str, dict[str, list[float]]]:
    """The first features of each image, by the packages whose names our protocols have."""
    with NamedTemporaryFile() as file:
        torch.save(state, file.name)
        fidelity = FeatureExtractorInceptionV3(
            "inception-v3-compat",
            ["2048", "logits_unbiased"],
            feature_extractor_weights_path=file.name,
        )
    plain = pytorch_fid.inception.InceptionV3([3]).eval()
    bare = pytorch_fid.inception.InceptionV3([3], resize_input=False, normalize_input=False).eval()
    clean = make_resizer("PIL", False, "bicubic", (299, 299))
    found: dict[str, dict[str, list[float]]] = {"clean_fid": {}, "pytorch_fid": {}}
    found |= {"tensorflow": {}, "tensorflow_logits": {}}
    with torch.no_grad():
        for name, image in images():
            tensor = torch.from_numpy(image).movedim(-1, 0)[None]
            resized = torch.from_numpy(clean(image)).movedim(-1, 0)[None]
            pooled, logits = fidelity(tensor)
            values = {
                # What clean-fid's wrapper of NVIDIA's copy of the network does with its input.
                "clean_fid": bare((resized - 128) / 128)[0],
                "pytorch_fid": plain(tensor / 255)[0],
                "tensorflow": pooled,
                "tensorflow_logits": logits,
            }
            for way, x in values.items():
                found[way][name] = x.numpy().ravel()[:8].astype(float).tolist()
    return found


if __name__ == "__main__":
    main()
