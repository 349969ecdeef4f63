"""Photographs under growing distortion: the scores grow, and agree with observers."""

import csv

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.stats import spearmanr

import jiqa

SIDE = 256


def noisy(image, deviation):
    return image + deviation * np.random.default_rng(0).standard_normal(image.shape)


def blurred(image, sigma):
    return gaussian_filter(image, (sigma, sigma, 0))


def blocky(image, step):
    """Means of blocks of 8 pixels, mixed in: what strong JPEG compression leaves."""
    means = image.reshape(SIDE // 8, 8, SIDE // 8, 8, 3).mean((1, 3))
    return (1 - step) * image + step * means.repeat(8, 0).repeat(8, 1)


DISTORTIONS = {
    "noise": (noisy, (4, 12, 36)),
    "blur": (blurred, (0.6, 1.5, 4)),
    "blocks": (blocky, (0.2, 0.5, 1)),
}
# A signed difference that may cancel, and histograms that a picture all of blocks hardly changes.
ON_AVERAGE = ("rred_scalar", "rr_ssim")
METRICS = jiqa.list_metrics("reduced_reference")


@pytest.mark.parametrize("name", METRICS)
def test_scores_are_monotone_in_the_level(shared_data, name):
    photographs = [
        jiqa.images.read_image(shared_data / f"data/pristine_kodak/{k}.png")[100:, 100:]
        for k in (3, 7, 20)
    ]
    images = np.stack([image[:SIDE, :SIDE] for image in photographs])
    sign = -1 if jiqa.load(name).higher_is_better else 1
    for kind, (distort, levels) in DISTORTIONS.items():
        scores = []
        for level in levels:
            changed = np.stack([distort(image.astype(float), level) for image in images])
            changed = np.clip(np.round(changed), 0, 255).astype(np.uint8)
            scores.append(sign * jiqa.load(name)(images, changed))
        tested = np.mean(scores, axis=1) if name in ON_AVERAGE else np.array(scores)
        assert (np.diff(tested, axis=0) > 0).all(), (kind, tested)


@pytest.mark.slow
def test_order_on_live_within_a_distortion(shared_data):
    """Spearman's correlation with DMOS, of 12 blurred, 9 JPEG and 15 noisy images of LIVE."""
    with (shared_data / "data/live_subset/dmos.csv").open() as file:
        rows = list(csv.DictReader(file))
    pairs = [
        [jiqa.images.read_image(shared_data / "data/live_subset" / row[k]) for k in ("ref", "dist")]
        for row in rows
    ]
    least = {"rred": 0.9, "redlog": 0.85, "wavelet_nss": 0.8, "rr_svd_projection": 0.9}
    for name, bound in least.items():
        scores = np.array([float(jiqa.load(name)(*pair)) for pair in pairs])
        for kind in ("gblur", "jpeg", "wnoise"):
            chosen = [i for i, row in enumerate(rows) if row["distortion"] == kind]
            opinions = [float(rows[i]["dmos_realigned"]) for i in chosen]
            assert spearmanr(opinions, scores[chosen])[0] > bound, (name, kind)
