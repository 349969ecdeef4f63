"""M-SVD and the projection on singular vectors against plain NumPy, block by block."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import spearmanr

import jiqa
from jiqa.images import read_image


def blocks_of(x, y, size):
    for i in range(0, x.shape[0] - size + 1, size):
        for j in range(0, x.shape[1] - size + 1, size):
            yield x[i : i + size, j : j + size], y[i : i + size, j : j + size]


@pytest.mark.parametrize("size", [8, 5])
def test_m_svd_is_its_definition(rng, size):
    x, y = rng.random((2, 27, 34))
    distances = [
        np.linalg.norm(np.linalg.svd(a)[1] - np.linalg.svd(b)[1]) for a, b in blocks_of(x, y, size)
    ]
    known = np.mean(np.abs(distances - np.median(distances)))
    images = x[..., None], y[..., None]
    assert_allclose(jiqa.m_svd(*images, block_size=size), known, rtol=1e-10)
    ours = jiqa.m_svd_map(*images, block_size=size)
    assert ours.shape == (27 // size, 34 // size)
    assert_allclose(np.ravel(ours), distances, rtol=1e-10)


def test_projection_is_its_definition(rng):
    x, y = rng.random((2, 19, 26))
    known = []
    for a, b in blocks_of(x, y, 8):
        u, s, vt = np.linalg.svd(a)
        coefficients = np.array([u[:, k] @ b @ vt[k] for k in range(8)])
        known.append(np.linalg.norm(coefficients - s) / np.linalg.norm(s))
    images = x[..., None], y[..., None]
    assert_allclose(jiqa.svd_projection(*images), np.mean(known), rtol=1e-10)
    assert_allclose(np.ravel(jiqa.svd_projection_map(*images)), known, rtol=1e-10)


def test_distortion_alike_in_all_blocks_scores_zero():
    x = np.tile(np.random.default_rng(2).random((8, 8)), (3, 3))[..., None]
    assert_allclose(jiqa.m_svd(x, 0.5 * x), 0, atol=1e-14)
    assert_allclose(jiqa.svd_projection(x, 0.5 * x), 0.5, rtol=1e-12)


def test_black_blocks_of_the_reference_count_as_zero():
    x = np.zeros((8, 16, 1))
    x[:, 8:] = 0.5
    assert_allclose(jiqa.svd_projection(x, x + 0.1), 0.1, rtol=1e-12)


@pytest.mark.parametrize(
    ("name", "known"), [("i03_11_5", 61.7880), ("i04_18_5", 0.3151), ("i06_18_3", 0.2742)]
)
def test_m_svd_on_tid2013(shared_data, name, known):
    """Values of an independent program, printed with four decimals."""
    folder = shared_data / "data" / "tid2013_calibration"
    reference = read_image(folder / "ref" / f"{name[:3].upper()}.png").astype(float)
    distorted = read_image(folder / "dist" / f"{name}.png").astype(float)
    score = jiqa.m_svd(reference, distorted, data_range=255, luma="bt601")
    assert round(float(score), 4) == known


def test_projection_follows_opinion_like_psnr(shared_data):
    """Rank correlation with the DMOS of one reference of LIVE; a coarse check of the choice."""
    folder = shared_data / "data" / "live_subset"
    lines = [line.split(",") for line in (folder / "dmos.csv").read_text().splitlines()[1:]]
    lines = [line for line in lines if line[1] == "ref/lighthouse.png"]
    opinion = [float(line[4]) for line in lines]
    scores = {"svd_projection": [], "psnr": []}
    for line in lines:
        reference, distorted = (read_image(folder / line[i]) for i in (1, 0))
        for metric, found in scores.items():
            found.append(float(getattr(jiqa, metric)(reference, distorted, luma="bt601")))
    ours, psnr = (abs(spearmanr(found, opinion)[0]) for found in scores.values())
    assert len(lines) >= 6
    assert ours >= psnr - 0.05


def test_weights_of_chosen_blocks_are_as_if_there_were_no_others(rng):
    x, y = rng.random((2, 27, 34, 1))
    weights = np.zeros((27, 34))
    weights[8:24, 8:32] = 2.0
    inside = x[8:24, 8:32], y[8:24, 8:32]
    for metric in (jiqa.m_svd, jiqa.svd_projection):
        assert_allclose(metric(x, y, weights=weights), metric(*inside), rtol=1e-10)
