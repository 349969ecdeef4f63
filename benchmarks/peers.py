"""What public packages call the metrics of jiqa, and how each of them is called.

Every builder imports its package and returns functions of `(reference, distorted)` by jiqa's names,
with how calls are made of them. Packages are called as their documentation says: eagerly, unless
they compile themselves. Where one has several conventions, the one nearest to jiqa's is chosen.
"""

import contextlib
import importlib
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

Call = Callable[[], Any]
Peer = tuple[dict[str, Any], Any]
MODELS = Path(__file__).parent.parent / "jiqa" / "no_reference" / "data"

# What the public packages compute otherwise, as far as it is known.
NOTES = {
    ("dm-pix", "ssim"): "clips variances at 0",
    ("frame-analytics", "gmsd"): "no border; deviation over N; unrounded grey",
    ("frame-analytics", "ms_gmsd"): "other weights",
    ("frame-analytics", "ms_ssim"): "drops the last row and column of odd sizes",
    ("frame-analytics", "nlpd"): "another distance of the same name",
    ("kornia", "ssim"): "1e-12 added to the denominator; padding='valid'",
    ("piq", "brisque"): "the authors' model, unrounded grey",
    ("piq", "dss_y"): "unrounded grey",
    ("piq", "gmsd"): "unrounded grey; deviation over N",
    ("piq", "iw_ssim_y"): "unrounded grey",
    ("piq", "ms_ssim"): "repeats the first row and column of odd sizes",
    ("piq", "ssim"): "downsample=False, its default is to shrink first",
    ("piq", "vsi"): "pads and resizes otherwise",
    ("pyiqa", "gmsd"): "drops the last row and column of odd sizes",
    ("pyiqa", "mad"): "test_y_channel=True, its default is the mean of the channels",
    ("pyiqa", "ms_ssim"): "as its SSIM; pads odd sizes with zeros",
    ("pyiqa", "nlpd_y"): "leaves out a weight",
    ("pyiqa", "ssim"): "negative contrast-structure counts as 0 at each position",
    ("pyiqa", "vsi"): "pads and resizes otherwise",
    ("pytorch-msssim", "ms_ssim"): "pads odd sizes with zeros",
    ("scikit-image", "ssim"): "one image at a time; no gradient",
    ("sewar", "uqi"): "means where the formula has sums",
    ("torchmetrics", "ms_ssim"): "reflects at the border, crops contrast-structure, not SSIM",
    ("torchmetrics", "rase"): "64 times as large",
    ("torchmetrics", "ssim"): "reflects at the border: its map is cropped here; clips variances",
    ("torchmetrics", "uqi"): "an 11 x 11 Gaussian, not 8 x 8 means",
    ("torchmetrics", "vif_p"): "its constants are for 0..255",
}


def dm_pix() -> Peer:
    """dm-pix, the peer that is written in JAX too."""
    package = importlib.import_module("dm_pix")
    return {name: getattr(package, name) for name in ("mae", "mse", "psnr", "rmse", "ssim")}, (
        jax_calls
    )


def frame_analytics() -> Peer:
    """frame-analytics, native kernels under PyTorch."""
    import frame_analytics as package

    unit = {"data_range": 1.0}
    own = {
        "dss_y": (package.dss, {"luma": "bt601"}),
        "flip": (package.flip, {}),
        "fsim": (package.fsim, {"luma": "bt601"}),
        "fsimc": (package.fsimc, {}),
        "gmsd": (package.gmsd, {"luma": "bt601"}),
        "haarpsi": (package.haarpsi, {}),
        "iw_ssim_y": (package.iw_ssim, {"luma": "bt601"}),
        "ms_gmsd": (package.ms_gmsd, {"luma": "bt601"}),
        "ms_ssim": (package.ms_ssim, {}),
        "nlpd": (package.nlpd, {}),
        "psnr": (package.psnr, {}),
        "psnr_hvs": (package.psnr_hvs, {}),
        "psnr_hvs_m": (package.psnr_hvs_m, {}),
        "s_cielab": (package.scielab, {}),
        "ciede2000": (package.ciede2000, {}),
        "sr_sim": (package.srsim, {"luma": "bt601"}),
        "sr_simc": (package.srsimc, {}),
        "ssim": (package.ssim, {}),
        "ssimulacra2": (package.ssimulacra2, {}),
        "vif_p_y": (package.vifp, {"luma": "bt601"}),
        "vsi": (package.vsi, {}),
    }
    scores = {name: partial(score, **unit, **options) for name, (score, options) in own.items()}
    scores |= {"mae": package.l1, "mse": package.mse}
    # Its first argument is the distorted image.
    for name, form in (("mdsi", "sum"), ("mdsi_product", "mult")):
        scores[name] = swapped(partial(package.mdsi, **unit, combination=form))
    return scores, torch_calls


def kornia() -> Peer:
    """kornia; its MS-SSIM is only a loss that mixes in an L1 term."""
    metrics = importlib.import_module("kornia.metrics")
    return {
        "psnr": partial(metrics.psnr, max_val=1.0),
        "ssim": partial(metrics.ssim, window_size=11, padding="valid"),
    }, torch_calls


def piq() -> Peer:
    """PyTorch Image Quality; its model of BRISQUE, which it would fetch, is taken from jiqa."""
    stand_in_for_torchvision()
    import piq as package
    from safetensors.torch import load_file

    model = load_file(MODELS / "brisque_live.safetensors")
    support = model["coefficients"].float(), model["vectors"].float()
    # It transposes what it is given in place.
    sys.modules["piq.brisque"].load_url = lambda *_, **__: [part.clone() for part in support]
    return {
        "brisque": alone(package.brisque),
        "dss_y": package.dss,
        "fsim": partial(package.fsim, chromatic=False),
        "fsimc": package.fsim,
        "gmsd": package.gmsd,
        "haarpsi": package.haarpsi,
        "iw_ssim_y": package.information_weighted_ssim,
        "mdsi": package.mdsi,
        "mdsi_product": partial(package.mdsi, combination="mult"),
        "ms_gmsd": package.multi_scale_gmsd,
        "ms_gmsdc": partial(package.multi_scale_gmsd, chromatic=True),
        "ms_ssim": package.multi_scale_ssim,
        "psnr": package.psnr,
        "sr_sim": package.srsim,
        "sr_simc": partial(package.srsim, chromatic=True),
        "ssim": partial(package.ssim, downsample=False),
        "total_variation": alone(partial(package.total_variation, norm_type="l1")),
        "vif_p_y": package.vif_p,
        "vsi": package.vsi,
    }, torch_calls


def pyiqa() -> Peer:
    """Functions of pyiqa in float32; its classes compute SSIM in float64 and on grey.

    Models that it would fetch are replaced by those of jiqa, which takes as long.
    """
    stand_in_for_torchvision()
    from safetensors.torch import load_file

    def find(module: str, name: str) -> Any:
        return getattr(importlib.import_module(f"pyiqa.archs.{module}_arch"), name)

    niqe, il_niqe, brisque = (
        load_file(MODELS / f"{name}.safetensors")
        for name in ("niqe_live", "il_niqe", "brisque_live")
    )
    return {
        "brisque": alone(
            partial(
                find("brisque", "brisque"), sv_coef=brisque["coefficients"], sv=brisque["vectors"]
            )
        ),
        "cw_ssim_y": find("ssim", "CW_SSIM")(),
        "entropy": alone(find("entropy", "Entropy")()),
        "fsim": find("fsim", "FSIM")(chromatic=False),
        "fsimc": find("fsim", "FSIM")(),
        "gmsd": find("gmsd", "gmsd"),
        "il_niqe": alone(
            partial(
                find("niqe", "calculate_ilniqe"),
                crop_border=0,
                mu_pris_param=il_niqe["mean"],
                cov_pris_param=il_niqe["covariance"],
                principleVectors=il_niqe["components"],
                meanOfSampleData=il_niqe["center"],
            )
        ),
        "mad": find("mad", "MAD")(test_y_channel=True),
        "ms_ssim": find("ssim", "ms_ssim"),
        "niqe": alone(
            partial(
                find("niqe", "calculate_niqe"),
                mu_pris_param=niqe["mean"],
                cov_pris_param=niqe["covariance"],
            )
        ),
        "nlpd_y": find("nlpd", "NLPD")(),
        "piqe": alone(find("piqe", "PIQE")()),
        "psnr": find("psnr", "psnr"),
        "ssim": find("ssim", "ssim"),
        "vif_y": find("vif", "VIF")(),
        "vsi": find("vsi", "VSI")(),
    }, torch_calls


def pytorch_msssim() -> Peer:
    """pytorch-msssim."""
    import pytorch_msssim as package

    return {
        "ssim": partial(package.ssim, data_range=1.0),
        "ms_ssim": partial(package.ms_ssim, data_range=1.0),
    }, torch_calls


def scikit_image() -> Peer:
    """scikit-image, whose truncated Gaussian has eleven taps too."""
    from skimage import color, measure, metrics

    def difference(measure: Any) -> Any:
        def score(reference: np.ndarray, distorted: np.ndarray) -> np.ndarray:
            return measure(*(color.rgb2lab(image) for image in (reference, distorted))).mean()

        return score

    window = {"channel_axis": -1, "gaussian_weights": True, "sigma": 1.5}
    ssim = partial(metrics.structural_similarity, use_sample_covariance=False, **window)
    return {
        "cie76": difference(color.deltaE_cie76),
        "cie94": difference(color.deltaE_ciede94),
        "ciede2000": difference(color.deltaE_ciede2000),
        "cmc": difference(color.deltaE_cmc),
        "entropy": lambda _, image: measure.shannon_entropy(
            np.round(255 * color.rgb2gray(image)).astype(np.uint8)
        ),
        "mse": metrics.mean_squared_error,
        "psnr": partial(metrics.peak_signal_noise_ratio, data_range=1.0),
        "ssim": partial(ssim, data_range=1.0),
    }, numpy_calls


def sewar() -> Peer:
    """sewar, whose constants are for a range of 255."""
    package = importlib.import_module("sewar.full_ref")
    gaussian = {"fltr_specs": {"fltr": "gaussian", "sigma": 1.5, "ws": 11}, "MAX": 255.0}
    return {
        "ergas": package.ergas,
        "mse": package.mse,
        "psnr": partial(package.psnr, MAX=255.0),
        "psnr_b_y": package.psnrb,
        "rase": package.rase,
        "rmse": package.rmse,
        "rmse_sw": lambda reference, distorted: package.rmse_sw(reference, distorted)[0],
        "sam": package.sam,
        "scc": package.scc,
        "ssim": lambda reference, distorted: package.ssim(reference, distorted, **gaussian)[0],
        "uqi": package.uqi,
        "vif_p": package.vifp,
    }, levels_calls


def torchmetrics() -> Peer:
    """torchmetrics; its map of SSIM is cropped to where the window is inside the image."""
    stand_in_for_torchvision()
    package = importlib.import_module("torchmetrics.functional.image")

    def ssim(reference: Any, distorted: Any) -> Any:
        whole = package.structural_similarity_index_measure(
            distorted, reference, data_range=1.0, return_full_image=True
        )[1]
        return whole[..., 5:-5, 5:-5]

    ms_ssim = package.multiscale_structural_similarity_index_measure
    return {
        "ergas": swapped(package.error_relative_global_dimensionless_synthesis),
        "ms_ssim": swapped(partial(ms_ssim, data_range=1.0)),
        "psnr": swapped(partial(package.peak_signal_noise_ratio, data_range=1.0)),
        "rase": swapped(package.relative_average_spectral_error),
        "rmse_sw": swapped(package.root_mean_squared_error_using_sliding_window),
        "sam": swapped(package.spectral_angle_mapper),
        "scc": swapped(package.spatial_correlation_coefficient),
        "ssim": ssim,
        "total_variation": alone(package.total_variation),
        "uqi": swapped(package.universal_image_quality_index),
        "vif_p": swapped(package.visual_information_fidelity),
    }, torch_calls


PEERS = {
    "dm-pix": dm_pix,
    "frame-analytics": frame_analytics,
    "kornia": kornia,
    "piq": piq,
    "pyiqa": pyiqa,
    "pytorch-msssim": pytorch_msssim,
    "scikit-image": scikit_image,
    "sewar": sewar,
    "torchmetrics": torchmetrics,
}


def alone(score: Any) -> Any:
    """A function of the distorted image as one of two."""
    return lambda _, distorted: score(distorted)


def swapped(score: Any) -> Any:
    """A function of (distorted, reference) as one of (reference, distorted)."""
    return lambda reference, distorted: score(distorted, reference)


def stand_in_for_torchvision() -> None:
    """Declares operators that torchvision built for GPUs wants beside PyTorch built for CPUs.

    Three peers import torchvision, whose compiled part only loads beside the PyTorch it was built
    with, and without that part it only imports if these exist. Nothing here calls them.
    """
    import torch

    with contextlib.suppress(ImportError, RuntimeError):
        import torchvision  # noqa: F401

        return
    for name in [name for name in sys.modules if name.startswith("torchvision")]:
        del sys.modules[name]
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    torch.torchvision_stand_in = library  # lives as long as PyTorch does


def jax_calls(
    score: Any, reference: np.ndarray, distorted: np.ndarray, *parameters: Any
) -> dict[str, Call]:
    """Forward and gradient of a function of parameters and JAX arrays, compiled."""
    import jax

    def mean(distorted: Any, reference: Any, *parameters: Any) -> Any:
        return score(*parameters, reference, distorted).mean()

    x, y = jax.device_put((reference, distorted))
    forward, gradient = jax.jit(score), jax.jit(jax.value_and_grad(mean))
    return {
        "forward": lambda: jax.block_until_ready(forward(*parameters, x, y)),
        "gradient": lambda: jax.block_until_ready(gradient(y, x, *parameters)),
    }


def torch_calls(score: Any, reference: np.ndarray, distorted: np.ndarray) -> dict[str, Call]:
    """Forward and gradient of a function of PyTorch tensors, with channels before height."""
    import torch

    images = (torch.from_numpy(image.transpose(0, 3, 1, 2)) for image in (reference, distorted))
    x, y = (image.contiguous() for image in images)
    leaf = y.clone().requires_grad_()

    def forward() -> Any:
        with torch.no_grad():
            return score(x, y)

    def gradient() -> Any:
        value = score(x, leaf).mean()
        return value.detach(), torch.autograd.grad(value, leaf)[0].permute(0, 2, 3, 1)

    return {"forward": forward, "gradient": gradient}


def numpy_calls(score: Any, reference: np.ndarray, distorted: np.ndarray) -> dict[str, Call]:
    """Forward of a function of two NumPy images, one pair after the other."""

    def forward() -> np.ndarray:
        return np.array([score(x, y) for x, y in zip(reference, distorted, strict=True)])

    return {"forward": forward}


def levels_calls(score: Any, reference: np.ndarray, distorted: np.ndarray) -> dict[str, Call]:
    """Forward of a function of two NumPy images with a range of 255."""
    return numpy_calls(score, 255 * reference, 255 * distorted)
