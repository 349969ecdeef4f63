"""Every metric against its authors' values, eager, batched, jitted, vmapped and sharded.

Where a golden source is a package, it is the one that goldens/CONVENTIONS.md finds equal to the
authors' MATLAB. Values computed from unrounded luma or single channels need no rule about rounding.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from numpy.testing import assert_allclose

import jiqa
from tests import goldens

# The authors' SSIM goldens were made with the arguments of the usage example in ssim_index.m:
# K = [0.05 0.05], window = ones(8), L = 100. Constants are relative to 255 here.
USAGE_EXAMPLE = {
    "luma": "matlab",
    "window": "uniform",
    "window_size": 8,
    "k1": 0.05 * 100 / 255,
    "k2": 0.05 * 100 / 255,
}
MATLAB = {"luma": "matlab"}


class Golden(NamedTuple):
    metric: str
    options: dict
    golden: str
    source: str
    rtol: float = 1e-6  # relative, in float64
    rtol32: float = 1e-4


GOLDENS = [
    Golden("ssim", USAGE_EXAMPLE, "ssim_y", "AUTHOR(octave) ssim_index.m(no downsample)"),
    Golden(
        "ssim",
        {**USAGE_EXAMPLE, "downsample": True},
        "ssim_y",
        "AUTHOR(octave) ssim_index.m+ssim.m-style downsample(retyped)",
    ),
    Golden("ssim", {}, "ssim_rgb", "sewar_gauss1.5"),
    Golden("ssim", {"luma": "bt601"}, "ssim_y", "skimage_gauss_popcov_Yunrounded"),
    Golden("ssim", {"sample_covariance": True}, "ssim_rgb", "skimage_gauss_samplecov"),
    Golden(
        "ssim",
        {"window": "uniform", "window_size": 7, "sample_covariance": True},
        "ssim_rgb",
        "skimage_default_uniform7_samplecov",
    ),
    Golden(
        "ssim",
        {"window": "uniform", "window_size": 11},
        "ssim_rgb",
        "sewar_default_uniform11",
        rtol=1e-1,  # sewar's default divides by N - 1 in part; only its size is checked
    ),
    Golden("uqi", MATLAB, "uqi", "AUTHOR(octave) img_qi.m(ws8)"),
    Golden("uqi", {}, "uqi", "numpy_imgqi_rgbmean_ws8"),
    Golden("ms_ssim", MATLAB, "ms_ssim_y", "AUTHOR(octave) msssim.m"),
    # Float32 windows in the peer.
    Golden("ms_ssim", {}, "ms_ssim_rgb", "piqa", rtol=5e-6),
    Golden("iw_ssim", MATLAB, "iw_ssim", "AUTHOR(octave) iwssim.m"),
    Golden("gmsd", {}, "gmsd", "AUTHOR(octave) GMSD.m"),
    Golden("fsim", {}, "fsim", "AUTHOR(octave) FeatureSIM.m"),
    Golden("fsim", {"color": True}, "fsimc", "AUTHOR(octave) FeatureSIM.m"),
    Golden("sr_sim", {}, "srsim", "AUTHOR(octave) SR_SIM.m(shim imresize)"),
    # piq has other digits in its YIQ and takes the absolute value of a negative product.
    Golden("sr_sim", {"color": True}, "srsimc", "piq", rtol=1e-3, rtol32=1e-3),
    Golden("vsi", {}, "vsi", "AUTHOR(octave) VSI.m"),
    Golden("ssimulacra2", {}, "ssimulacra2", "frame_analytics"),
    Golden("haarpsi", {}, "haarpsi", "AUTHOR(octave) HaarPSI.m"),
    Golden("haarpsi", MATLAB, "haarpsi_gray", "AUTHOR(octave) HaarPSI.m(rgb2gray)"),
    Golden("mdsi", {}, "mdsi", "AUTHOR(octave) MDSI.m"),
    Golden("mdsi", {"combination": "product"}, "mdsi_mult", "AUTHOR(octave) MDSI.m"),
    Golden("ms_gmsd", {}, "ms_gmsd", "piq"),
    # The peer's YIQ has four digits, MATLAB's three; with the peer's they agree to 1e-15.
    Golden("ms_gmsdc", {}, "ms_gmsdc", "piq_chromatic", rtol=1e-3),
    Golden("dss", MATLAB, "dss", "AUTHOR(octave) dss_index.m(rgb2gray)"),
    Golden("dss", {"luma": "bt601"}, "dss", "piq"),
    Golden("nlpd", MATLAB, "nlpd", "AUTHOR(octave) NLP_dist.m(rgb2gray)"),
    # The peer leaves out a weight of 0.0072.
    Golden("nlpd", {"luma": "bt601"}, "nlpd", "pyiqa_default_float32", rtol=5e-3),
    Golden("pamse", MATLAB, "pamse", "AUTHOR(octave) PAMSE.m(rgb2gray)"),
    Golden("wsnr", {"luma": "bt601"}, "wsnr", "AUTHOR(octave) MeTriX MuX wsnr_new_modified.m"),
    Golden("vsnr", {}, "vsnr", "AUTHOR(octave) MeTriX MuX vsnr_modified.m"),
    Golden("vif", MATLAB, "vif", "AUTHOR(octave) vifvec(VIF_FR.m,matlabPyrTools)"),
    Golden("vif_p", MATLAB, "vif_p", "AUTHOR(octave) vifp_mscale.m"),
    Golden("mse", {}, "mse", "numpy_255"),
    Golden("mae", {}, "mae", "numpy_255"),
    Golden("rmse", {}, "rmse", "sewar_255"),
    Golden("psnr", {}, "psnr_rgb", "numpy"),
    Golden("psnr", {"luma": "bt601"}, "psnr_y", "numpy_bt601full_unrounded"),
    Golden("psnr", {"luma": "bt601_limited"}, "psnr_y", "numpy_matlab_rgb2ycbcr_unrounded"),
    # The authors' own values of PSNR-HVS are in test_psnr_hvs.py; this peer computes in float32.
    Golden("psnr_hvs", {"luma": "bt601"}, "psnr_hvs", "frame_analytics_Ybt601"),
    Golden("psnr_hvs_m", {"luma": "bt601"}, "psnr_hvs_m", "frame_analytics_Ybt601"),
    # The peer rounds luma of three-digit weights; test_psnr_b.py has it without that difference.
    Golden("psnr_b", MATLAB, "psnrb", "sewar_Y", rtol=1e-5),
    Golden("cie76", {}, "deltaE_cie76_mean", "skimage"),
    Golden("cie94", {}, "deltaE_cie94_mean", "skimage"),
    Golden("cmc", {"lightness": 1.0}, "deltaE_cmc_mean", "skimage"),
    Golden("ciede2000", {}, "ciede2000_mean", "skimage_D65"),
    Golden("flip", {"pixels_per_degree": 67.0}, "flip", "frame_analytics_ppd67"),
    Golden("scc", {}, "scc", "sewar_rgb"),
    Golden("ergas", {}, "ergas", "sewar_r=0.25"),
    Golden("sam", {}, "sam", "sewar"),
    Golden("rase", {}, "rase", "sewar"),
    Golden("rmse_sw", {}, "rmse_sw", "sewar_ws8"),
]


def label(golden):
    return f"{golden.metric}-{golden.source}".replace(" ", "_")


def expected(golden, pair):
    return goldens.VALUES[pair].get(golden.golden, {}).get(golden.source)


def stacked(photograph, dtype):
    """All pairs of a photograph as two batches."""
    pairs = [goldens.pair_images(pair) for pair in goldens.pairs_of(photograph)]
    return tuple(np.stack(images).astype(dtype) for images in zip(*pairs, strict=True))


def test_the_authors_values_cover_all_pairs():
    assert len(goldens.PAIRS) == 21
    for golden in GOLDENS:
        if golden.source.startswith("AUTHOR"):
            assert all(expected(golden, pair) for pair in goldens.PAIRS), golden


# Packages were run on the astronaut alone, the authors' code on all photographs.
CASES = [
    pytest.param(golden, photograph, id=f"{label(golden)}-{photograph}")
    for golden in GOLDENS
    for photograph in goldens.PHOTOGRAPHS
    if expected(golden, goldens.pairs_of(photograph)[0]) is not None
]


@pytest.mark.parametrize(("golden", "photograph"), CASES)
def test_batch_equals_golden_values(golden, photograph):
    known = [expected(golden, pair) for pair in goldens.pairs_of(photograph)]
    metric = getattr(jiqa, golden.metric)
    scores = metric(*stacked(photograph, np.float64), data_range=255, **golden.options)
    assert_allclose(scores, known, rtol=golden.rtol)
    if photograph == goldens.PHOTOGRAPHS[0]:
        scores = metric(*stacked(photograph, np.float32), data_range=255, **golden.options)
        assert scores.dtype == jnp.float32
        assert_allclose(scores, known, rtol=max(golden.rtol32, golden.rtol))


@pytest.mark.parametrize("photograph", goldens.PHOTOGRAPHS)
def test_pixel_metrics_equal_numpy_on_all_pairs(photograph):
    reference, distorted = stacked(photograph, np.float64)
    error = (reference - distorted).reshape(len(reference), -1)
    squared = np.mean(error**2, axis=1)
    for metric, value in (
        ("mse", squared),
        ("rmse", np.sqrt(squared)),
        ("mae", np.mean(np.abs(error), axis=1)),
        ("psnr", 10 * np.log10(255**2 / squared)),
        ("maximum_difference", np.max(np.abs(error), axis=1)),
        ("average_difference", np.mean(error, axis=1)),
    ):
        score = getattr(jiqa, metric)
        assert_allclose(score(reference, distorted, data_range=255), value, rtol=1e-6, atol=1e-12)
        unsigned = score(reference.astype(np.uint8), distorted.astype(np.uint8))
        assert unsigned.dtype == jnp.float32
        # The signed mean of large differences cancels in single precision.
        assert_allclose(unsigned, value, rtol=1e-4, atol=1e-3)


# tests/test_every_metric.py does this with every metric's own options; here are rounded luma and
# down-sampling.
ROUNDED = [golden for golden in GOLDENS if golden.metric in ("ssim", "uqi", "gmsd", "psnr")]


@pytest.mark.parametrize("golden", ROUNDED, ids=label)
def test_eager_jit_vmap_and_devices_agree(golden):
    """On a part of odd size of a photograph; eight pairs over eight devices."""
    metric = getattr(jiqa, golden.metric)
    images = tuple(image[:, :181, 200:391] for image in stacked("rocket", np.float64))
    images = tuple(np.concatenate([image, image[:1]]) for image in images)
    scale = 1 / 255

    def score(reference, distorted):
        return metric(reference, distorted, **golden.options)

    images = tuple(image * scale for image in images)
    batch = score(*images)
    assert_allclose(jax.jit(score)(*images), batch, rtol=1e-9)
    assert_allclose(jax.vmap(score)(*images), batch, rtol=1e-9)
    for i in (0, 6):
        assert_allclose(score(images[0][i], images[1][i]), batch[i], rtol=1e-9)
    mesh = Mesh(np.array(jax.devices()), ("batch",))
    sharded = jax.device_put(images, NamedSharding(mesh, PartitionSpec("batch")))
    scores = jax.jit(score)(*sharded)
    assert len(scores.sharding.device_set) == 8
    assert_allclose(scores, batch, rtol=1e-9)


OFFICIAL = {  # official values on TID2013, to the digits in which they are printed
    "i03_11_5": {
        "psnr": 21.11,
        "nlpd_y": 0.561610097,
        "ssim_y": 0.6993,
        "cw_ssim_y": 0.2763,
        "gmsd": 0.22035,
        "vif_y": 0.0172,
    },
    "i04_18_5": {
        "psnr": 20.99,
        "nlpd_y": 0.019534799,
        "ssim_y": 0.9978,
        "cw_ssim_y": 0.9996,
        "ms_ssim_y": 0.9996,
        "gmsd": 0.00052,
        "vif_y": 0.9891,
        "fsimc": 0.9702,
    },
    "i06_18_3": {
        "psnr": 27.01,
        "nlpd_y": 0.015915632,
        "ssim_y": 0.9989,
        "cw_ssim_y": 1.0000,
        "ms_ssim_y": 0.9998,
        "gmsd": 0.00045,
        "vif_y": 0.9924,
        "fsimc": 0.9927,
    },
}


@pytest.mark.parametrize("name", OFFICIAL)
def test_official_values_on_tid2013(shared_data, name):
    """MS-SSIM of the first pair is printed as 0.6733, and the authors' msssim.m gives 0.6700.

    The same function equals msssim.m to 1e-14 on all golden pairs; which code gave 0.6733 is
    unknown (no down-sampling filter, border or weighting that was tried gives it). VSI, printed as
    0.9139, 0.9620 and 0.9922, is left out for the like reason: ours equals the authors' VSI.m on
    all golden pairs, and gives 0.9244, 0.9497 and 0.9876 here.
    """
    folder = shared_data / "data" / "tid2013_calibration"
    reference = jiqa.images.read_image(folder / "ref" / f"{name[:3].upper()}.png")
    distorted = jiqa.images.read_image(folder / "dist" / f"{name}.png")
    images = reference.astype(float), distorted.astype(float)
    for metric, value in OFFICIAL[name].items():
        digits = {"psnr": 2, "gmsd": 5, "nlpd_y": 9}.get(metric, 4)
        score = float(getattr(jiqa, metric)(*images, data_range=255))
        assert round(score, digits) == value, metric
