"""The demonstration's distortions do what their names say, and it runs from end to end."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import ndimage

from jiqa.explain import demo


@pytest.fixture
def image(rng):
    """A smooth colour picture of an odd size, without saturated values."""
    noise = ndimage.gaussian_filter(rng.standard_normal((61, 83, 3)), (3, 3, 0))
    return (128 + 60 * noise / np.abs(noise).max()).astype(np.uint8)


def test_jpeg_is_worse_at_a_lower_quality(image):
    errors = [np.abs(demo.compress_jpeg(image, q) - image.astype(int)).mean() for q in (90, 50, 10)]
    assert 0 < errors[0] < errors[1] < errors[2]


def test_blur_is_a_gaussian(image):
    expected = ndimage.gaussian_filter(image.astype(float), (2, 2, 0), radius=(6, 6, 0))
    assert np.abs(demo.blur(image, 2.0) - expected).max() <= 0.51  # rounded to levels


def test_noise_has_its_deviation_and_is_the_same_every_time(image):
    noisy = demo.add_noise(image, 15.0)
    assert (noisy - image.astype(float)).std() == pytest.approx(15, rel=0.03)  # 15 000 samples
    np.testing.assert_array_equal(noisy, demo.add_noise(image, 15.0))


def test_contrast_keeps_the_mean_and_scales_the_deviation(image):
    flat = demo.scale_contrast(image, 0.6).astype(float)
    np.testing.assert_allclose(flat.mean((0, 1)), image.mean((0, 1)), atol=0.1)
    np.testing.assert_allclose(flat.std((0, 1)), 0.6 * image.std((0, 1)), rtol=0.02)


def test_saturation_keeps_grey_and_luma(image):
    weights = [0.299, 0.587, 0.114]
    colorful = demo.scale_saturation(image, 1.8)
    assert np.abs(colorful @ weights - image @ weights).max() <= 0.51  # rounded to levels
    assert np.ptp(colorful.astype(int), -1).mean() > 1.6 * np.ptp(image.astype(int), -1).mean()
    grey = np.full((4, 4, 3), 77, np.uint8)
    np.testing.assert_array_equal(demo.scale_saturation(grey, 1.8), grey)


def test_some_blocks_move_and_the_rest_stays(image):
    moved = demo.shift_blocks(image, 0.3)
    blocks = (moved != image).any(-1)[:56, :80].reshape(7, 8, 10, 8).any((1, 3))
    assert 0.15 < blocks.mean() < 0.45  # 70 blocks
    assert not (moved != image)[56:].any()
    np.testing.assert_array_equal(demo.shift_blocks(image, 0.0), image)


def test_photographs_are_those_of_scikit_image():
    from skimage import data

    for name in ("astronaut", "coffee", "rocket"):
        with Image.open(demo.PHOTOGRAPHS / f"{name}.png") as photograph:
            bundled = np.asarray(photograph)
        whole = getattr(data, name)()
        left = (whole.shape[1] - bundled.shape[1]) // 2
        np.testing.assert_array_equal(bundled, whole[:512, left:][:, : bundled.shape[1]])
    assert "CC0" in (demo.PHOTOGRAPHS / "README.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_demonstration_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(demo, "METRICS", ("psnr", "ssim"))
    page = demo.run(tmp_path / "new" / "demo")
    assert page == tmp_path / "new" / "demo" / "index.html"
    assert 1e6 < page.stat().st_size < 8e6
    table = pd.read_csv(page.parent / "scores.csv")
    assert len(table) == 21
    assert table["error"].isna().all()
    assert table["psnr"].between(15, 40).all()
    assert len(list(page.parent.glob("distorted/*.png"))) == 21
    assert len(list(page.parent.glob("reference/*.png"))) == 3
    assert "noise, sigma 15" in capsys.readouterr().out
    # Once more over the same folder.
    assert demo.run(tmp_path / "new" / "demo") == page
