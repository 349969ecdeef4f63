"""Quality maps as pictures: values, scale, colours and place."""

import jax.numpy as jnp
import numpy as np
import pytest
from skimage.metrics import structural_similarity

from jiqa.core import registry
from jiqa.explain import maps


def brightness(image, *, data_range=None):
    """Mean brightness, best in the middle of the range."""
    return jnp.mean(brightness_map(image, data_range=data_range))


@registry.image_function
def brightness_map(image, *, data_range=None):
    return image.mean(-1) / data_range


@pytest.fixture
def middle_is_best():
    """A metric without a reference whose best score is 0.5."""
    registry.metric(
        kind="no_reference",
        higher_is_better=None,
        score_range=(0, 1),
        identical=0.5,
        paper="none",
    )(brightness)
    yield registry.load("brightness")
    del registry._METRICS["brightness"]


def test_map_is_the_one_that_the_metric_pools(rng):
    reference = rng.integers(0, 256, (24, 31, 1), np.uint8)
    distorted = rng.integers(0, 256, (24, 31, 1), np.uint8)
    found = maps.quality_map(registry.load("ssim"), [reference, distorted])
    _, full = structural_similarity(
        reference[..., 0],
        distorted[..., 0],
        full=True,
        gaussian_weights=True,
        use_sample_covariance=False,
    )
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, full[5:-5, 5:-5], atol=1e-5)  # float32


def test_map_follows_the_protocol_of_the_name(rng):
    pair = list(rng.integers(0, 256, (2, 24, 31, 3), np.uint8))
    by_name = maps.quality_map(registry.load("ssim_y"), pair)
    assert not np.allclose(by_name, maps.quality_map(registry.load("ssim"), pair))
    score = float(registry.load("ssim_y")(*pair))
    np.testing.assert_allclose(by_name.mean(), score, rtol=1e-5)  # float32


def test_map_of_a_metric_with_its_best_in_the_middle_is_the_distance(middle_is_best):
    image = np.array([[[0], [255], [51]]], np.uint8)
    found = maps.quality_map(middle_is_best, [image])
    np.testing.assert_allclose(found, [[0.5, 0.5, 0.3]], atol=1e-6)  # float32
    assert maps.choose_scale(middle_is_best, [found]) == maps.Scale(0.0, 0.5, exceeded=False)


def test_metric_without_map_is_refused():
    with pytest.raises(ValueError, match="psnr has no map"):
        maps.quality_map(registry.load("psnr"), [np.zeros((4, 4, 1))] * 2)


@pytest.mark.parametrize(
    ("name", "values", "scale"),
    [
        ("ssim", [1.0] * 100, maps.Scale(1.0, 0.0, exceeded=False)),
        ("ssim", [1.0] * 90 + [0.61] * 9 + [-1.0], maps.Scale(1.0, 0.6, exceeded=True)),
        ("ssim", [-1.0] * 100, maps.Scale(1.0, -1.0, exceeded=False)),
        ("mae", [0.0] * 90 + [31.0] * 9 + [200.0], maps.Scale(0.0, 40.0, exceeded=True)),
        ("mae", [np.nan] * 3, maps.Scale(0.0, 1.0, exceeded=False)),
    ],
)
def test_scale_runs_from_equal_images_to_a_round_bad_value(name, values, scale):
    some, rest = np.array(values[:2]).reshape(2, 1), np.array(values[2:]).reshape(1, -1)
    found = maps.choose_scale(registry.load(name), [some, rest])
    np.testing.assert_allclose([found.good, found.bad], [scale.good, scale.bad], rtol=1e-12)
    assert found.exceeded == scale.exceeded


def test_bad_is_bright_whatever_the_polarity():
    higher, lower = maps.Scale(1.0, 0.2, exceeded=True), maps.Scale(0.0, 40.0, exceeded=True)
    for values, scale in ([1.0, 0.6, 0.2, -1.0], higher), ([0.0, 20.0, 40.0, 200.0], lower):
        colors = maps.colorize(np.array([values]), scale)[0]
        brightness = colors @ [0.299, 0.587, 0.114]
        assert np.all(np.diff(brightness[:3]) > 50)
        np.testing.assert_array_equal(colors[2], colors[3])


def test_missing_value_is_grey_and_infinity_bright():
    scale = maps.Scale(0.0, 1.0, exceeded=True)
    found = maps.colorize(np.array([[np.nan, np.inf]]), scale)
    assert found.tolist() == [[[128, 128, 128], maps.color_table()[-1].tolist()]]


def test_colors_get_steadily_lighter():
    assert np.all(np.diff(maps.color_table() @ [0.299, 0.587, 0.114]) > -0.7)


@pytest.mark.parametrize(
    ("map_shape", "image_shape", "expected"),
    [
        ((400, 512), (400, 512, 3), maps.Place(0, 0, 1)),
        ((393, 505), (400, 512, 3), maps.Place(3.5, 3.5, 1)),
        ((190, 246), (400, 512, 3), maps.Place(10, 10, 2)),
        ((200, 213), (400, 427, 1), maps.Place(0.5, 0, 2)),
    ],
)
def test_place(map_shape, image_shape, expected):
    assert maps.place_map(map_shape, image_shape) == expected


def test_shrink_averages_blocks(rng):
    values = rng.random((6, 9), np.float32)
    expected = values.reshape(2, 3, 3, 3).mean((1, 3))
    np.testing.assert_allclose(maps.shrink(values, 3), expected, rtol=1e-6)  # float32
    assert maps.shrink(np.zeros((7, 10, 3), np.uint8), 3).shape == (3, 4, 3)
