"""Colour against scikit-image, colorsys, MATLAB's documented values and exact integers."""

import colorsys
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import skimage.color
from jax.test_util import check_grads
from PIL import Image

from jiqa.core import color

PAIRS = {
    "yiq": (color.rgb_to_yiq, color.yiq_to_rgb),
    "ycbcr": (color.rgb_to_ycbcr, color.ycbcr_to_rgb),
    "ycbcr_limited": (
        partial(color.rgb_to_ycbcr, limited=True),
        partial(color.ycbcr_to_rgb, limited=True),
    ),
    "hsv": (color.rgb_to_hsv, color.hsv_to_rgb),
    "linear": (color.srgb_to_linear, color.linear_to_srgb),
    "xyz": (color.rgb_to_xyz, color.xyz_to_rgb),
    "lab": (color.rgb_to_lab, color.lab_to_rgb),
    "ac1c2": (color.xyz_to_ac1c2, color.ac1c2_to_xyz),
    "light": (color.linear_rgb_to_xyz, color.xyz_to_linear_rgb),
    "ycxcz": (color.xyz_to_ycxcz, color.ycxcz_to_xyz),
}
WITH_RANGE = ["ycbcr", "ycbcr_limited", "linear", "xyz", "lab"]
CONVERSIONS = {
    **{name: forward for name, (forward, _) in PAIRS.items()},
    **{f"{name}_inverse": inverse for name, (_, inverse) in PAIRS.items()},
    "lmn": color.rgb_to_lmn,
    "opponent": color.rgb_to_opponent,
    "luma_matlab": partial(color.luma, preset="matlab"),
    "luma_bt709_limited": partial(color.luma, preset="bt709_limited"),
}
RED, GREEN, BLUE, BLACK, GREY, WHITE = np.array(
    [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0], [0.5, 0.5, 0.5], [1, 1, 1]]
)
MATLAB_MILLIONTHS = np.array([298936, 587043, 114021])


@pytest.fixture(scope="module")
def halves() -> tuple[np.ndarray, np.ndarray]:
    """The 8-bit colours whose MATLAB luma is within 3e-5 of a half, and it rounded half up."""
    red, green, blue = (np.arange(256, dtype=np.int32) * weight for weight in MATLAB_MILLIONTHS)
    millionths = red[:, None, None] + green[:, None] + blue
    colors = np.argwhere(np.abs(millionths % 1_000_000 - 500_000) <= 30)
    return colors, (colors @ MATLAB_MILLIONTHS + 500_000) // 1_000_000


@pytest.mark.parametrize("data_range", [1.0, 255.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_matlab_luma_rounds_as_integers_do(halves, dtype, data_range):
    colors, expected = halves
    assert len(colors) == 748
    images = jnp.asarray(colors[:, None, None] * (data_range / 255), dtype)
    found = np.asarray(color.luma(images, "matlab", data_range=data_range))[:, 0, 0, 0]
    np.testing.assert_array_equal(np.rint(found.astype(float) * (255 / data_range)), expected)
    np.testing.assert_allclose(found, expected * (data_range / 255), rtol=2 * np.finfo(dtype).eps)


def test_matlab_luma_of_photographs_is_alike_in_both_precisions(shared_data):
    convert = jax.jit(color.luma, static_argnames=("preset", "data_range"))
    paths = sorted((shared_data / "goldens/img").glob("*.png"))
    assert len(paths) == 24
    for path in paths:
        pixels = np.asarray(Image.open(path))[::2]
        expected = np.floor(pixels.astype(float) @ (MATLAB_MILLIONTHS / 1e6) + 0.5)[..., None]
        for dtype in (np.float32, np.float64):
            found = convert(pixels.astype(dtype), "matlab", data_range=255.0)
            np.testing.assert_array_equal(found, expected)
        found = convert((pixels / 255).astype(np.float32), "matlab", data_range=1.0)
        np.testing.assert_array_equal(np.rint(np.asarray(found, float) * 255), expected)


def test_matlab_luma_of_fractions_and_of_16_bits(rng):
    levels = rng.uniform(0, 255, (6, 7, 3))
    weights = MATLAB_MILLIONTHS / 1e6
    found = color.luma(jnp.asarray(levels / 255), "matlab")[..., 0] * 255
    np.testing.assert_allclose(found, np.floor(levels @ weights + 0.5), rtol=1e-14)
    levels = rng.integers(0, 65536, (6, 7, 3)).astype(float)
    found = color.luma(jnp.asarray(levels), "matlab", data_range=65535.0)[..., 0]
    np.testing.assert_array_equal(found, np.floor(levels @ weights + 0.5))


def test_matlab_luma_passes_gradients_straight_through(rng):
    images = jnp.asarray(rng.uniform(size=(4, 5, 3)))
    rounded, smooth = (
        jax.grad(lambda x, preset=preset: jnp.sum(color.luma(x, preset)))(images)
        for preset in ("matlab", "matlab_float")
    )
    np.testing.assert_array_equal(rounded, smooth)
    np.testing.assert_allclose(rounded[0, 0], MATLAB_MILLIONTHS / 1e6, rtol=1e-15)


@pytest.mark.parametrize(
    ("preset", "red", "white", "black"),
    [
        ("matlab", 76, 255, 0),
        ("matlab_float", 255 * 0.298936, 255, 0),
        ("bt601", 255 * 0.299, 255, 0),
        ("bt601_limited", 16 + 65.481, 235, 16),
        ("bt709", 255 * 0.2126, 255, 0),
        ("bt709_limited", 16 + 219 * 0.2126, 235, 16),
    ],
)
@pytest.mark.parametrize("data_range", [1.0, 255.0, 65535.0])
def test_luma_of_corners(preset, red, white, black, data_range):
    corners = jnp.asarray(np.array([[RED, WHITE, BLACK]]) * data_range)
    found = color.luma(corners, preset, data_range=data_range)[0, :, 0] * (255 / data_range)
    tolerance = 0.5 if preset == "matlab" and data_range > 255 else 1e-12
    np.testing.assert_allclose(found, [red, white, black], atol=tolerance)


def test_limited_luma_is_that_of_rgb2ycbcr(rng):
    images = rng.uniform(size=(5, 6, 3))
    expected = skimage.color.rgb2ycbcr(images)[..., :1]
    found = color.luma(jnp.asarray(images) * 255, "bt601_limited", data_range=255.0)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("preset", color.LUMA_PRESETS)
def test_luma_leaves_grey_images_alone(preset, rng):
    images = jnp.asarray(rng.uniform(size=(2, 4, 5, 1)))
    np.testing.assert_array_equal(color.luma(images, preset), images)


def test_luma_names_its_presets_when_one_is_unknown():
    with pytest.raises(ValueError, match=r"luma='yuv' is unknown.*matlab.*bt709_limited"):
        color.luma(jnp.zeros((4, 4, 1)), "yuv")


def test_apply_luma(rng):
    reference, distorted = jnp.asarray(rng.uniform(size=(2, 4, 5, 3)))
    assert color.apply_luma(None, reference, distorted, data_range=1.0) == (reference, distorted)
    pair = color.apply_luma("bt709", reference, distorted, data_range=1.0)
    for found, image in zip(pair, (reference, distorted), strict=True):
        np.testing.assert_array_equal(found, color.luma(image, "bt709"))


def test_yiq_is_that_of_the_documentation_of_rgb2ntsc(rng):
    # MATLAB documents three digits; scikit-image has eight, which differ by up to 6e-4.
    corners = np.array([RED, GREEN, BLUE])
    documented = [[0.299, 0.596, 0.211], [0.587, -0.274, -0.523], [0.114, -0.322, 0.312]]
    np.testing.assert_allclose(color.rgb_to_yiq(jnp.asarray(corners)), documented, rtol=1e-15)
    images = rng.uniform(size=(5, 6, 3))
    found = color.rgb_to_yiq(jnp.asarray(images))
    np.testing.assert_allclose(found, skimage.color.rgb2yiq(images), atol=2e-3)


def test_full_range_ycbcr_is_that_of_jpeg(rng):
    # The values of JFIF 1.02; Pillow rounds to whole levels with 16-bit integers.
    found = color.rgb_to_ycbcr(jnp.asarray(RED * 255), data_range=255.0)
    np.testing.assert_allclose(found, [76.245, 128 - 0.1687 * 255, 255.5], atol=0.01)
    pixels = rng.integers(0, 256, (9, 8, 3)).astype(np.uint8)
    expected = np.asarray(Image.fromarray(pixels).convert("YCbCr"), float)
    found = color.rgb_to_ycbcr(jnp.asarray(pixels, float), data_range=255.0)
    np.testing.assert_allclose(np.clip(found, 0, 255), expected, atol=1)


def test_limited_ycbcr_is_that_of_rgb2ycbcr(rng):
    # Corners as MATLAB documents them: 16 to 235 and 16 to 240.
    corners = jnp.asarray([BLACK, WHITE, BLUE, RED])
    found = color.rgb_to_ycbcr(corners, limited=True) * 255
    expected = [
        [16, 128, 128],
        [235, 128, 128],
        [16 + 24.966, 240, 128 - 18.214],
        [16 + 65.481, 128 - 37.797, 240],
    ]
    # MATLAB's coefficients have three decimals and sum to 0.
    np.testing.assert_allclose(found, expected, atol=1e-10)
    images = rng.uniform(size=(5, 6, 3))
    found = color.rgb_to_ycbcr(jnp.asarray(images), limited=True) * 255
    np.testing.assert_allclose(found, skimage.color.rgb2ycbcr(images), rtol=1e-12)


def test_hsv_is_that_of_colorsys(rng):
    few = rng.integers(0, 3, (60, 3)) / 2  # ties of all kinds
    images = np.concatenate([few, rng.uniform(size=(60, 3)), [BLACK, GREY, WHITE]])
    expected = np.array([colorsys.rgb_to_hsv(*image) for image in images])
    found = color.rgb_to_hsv(jnp.asarray(images))
    np.testing.assert_allclose(found, expected, atol=1e-14)
    np.testing.assert_allclose(found, skimage.color.rgb2hsv(images), atol=1e-14)
    hsv = rng.uniform(size=(60, 3))
    expected = np.array([colorsys.hsv_to_rgb(*image) for image in hsv])
    np.testing.assert_allclose(color.hsv_to_rgb(jnp.asarray(hsv)), expected, atol=1e-14)


def test_transfer_function_has_its_published_values():
    # IEC 61966-2-1: a line of slope 12.92 below 0.04045, a power of 2.4 above.
    values = np.array([-0.1, 0.0, 0.04, 0.5, 1.0, 1.2])
    expected = np.where(values < 0.04045, values / 12.92, np.abs((values + 0.055) / 1.055) ** 2.4)
    found = color.srgb_to_linear(jnp.asarray(values))
    np.testing.assert_allclose(found, expected, rtol=1e-15)
    np.testing.assert_allclose(color.linear_to_srgb(found), values, rtol=1e-12)


def test_xyz_is_that_of_skimage(rng):
    images = rng.uniform(size=(5, 6, 3))
    xyz = skimage.color.rgb2xyz(images)
    np.testing.assert_allclose(color.rgb_to_xyz(jnp.asarray(images)), xyz, rtol=1e-12)
    np.testing.assert_allclose(
        color.xyz_to_rgb(jnp.asarray(xyz)), skimage.color.xyz2rgb(xyz), rtol=1e-12
    )


def test_lab_is_that_of_skimage(rng):
    # Above the line near black both are the same formula; on it scikit-image rounds the constants
    # to 7.787 and 0.008856, which moves L by up to 116 * 0.008856 * 3.7e-5 and a by 4.3 times that.
    images = np.concatenate([rng.uniform(0.2, 1, (30, 3)), rng.uniform(0, 0.1, (30, 3))])
    found, expected = color.rgb_to_lab(jnp.asarray(images)), skimage.color.rgb2lab(images)
    np.testing.assert_allclose(found[:30], expected[:30], atol=1e-12)
    np.testing.assert_allclose(found[30:], expected[30:], atol=1.7e-4)
    np.testing.assert_allclose(color.lab_to_rgb(found), images, rtol=1e-10)


def test_lab_of_another_white(rng):
    xyz = rng.uniform(0.05, 1, (30, 3))
    white = tuple(skimage.color.xyz_tristimulus_values(illuminant="D50", observer="2"))
    found = color.xyz_to_lab(jnp.asarray(xyz), white=white)
    np.testing.assert_allclose(found, skimage.color.xyz2lab(xyz, "D50", "2"), atol=1e-12)
    np.testing.assert_allclose(color.lab_to_xyz(found, white=white), xyz, rtol=1e-12)


def test_lab_has_its_exact_line_near_black():
    # CIE 15: L* = (29/3)**3 Y below (6/29)**3, where it meets the cube root with equal slope.
    limit = (6 / 29) ** 3
    grey = jnp.asarray(np.array([0.0, limit / 2, limit, limit * (1 + 1e-9)])[:, None] * color.D65)
    expected = np.array([0, (29 / 3) ** 3 * limit / 2, 8, 8])
    np.testing.assert_allclose(color.xyz_to_lab(grey)[:, 0], expected, atol=1e-6)


def test_lmn_is_that_of_vsi():
    # Zhang, Shen and Li, "VSI", IEEE TIP 23(10), 2014, equation 3.
    red, green, blue = color.rgb_to_lmn(jnp.asarray([RED, GREEN, BLUE]))
    np.testing.assert_array_equal(red, [0.06, 0.30, 0.34])
    np.testing.assert_array_equal(green, [0.63, 0.04, -0.60])
    np.testing.assert_array_equal(blue, [0.27, -0.35, 0.17])


def test_opponent_colours_are_a_rotation(rng):
    images = jnp.asarray(rng.uniform(size=(5, 6, 3)))
    found = color.rgb_to_opponent(images)
    red, green, blue = jnp.moveaxis(images, -1, 0)
    np.testing.assert_allclose(found[..., 0], (red - green) / 2**0.5, rtol=1e-12)
    np.testing.assert_allclose(found[..., 1], (red + green - 2 * blue) / 6**0.5, rtol=1e-11)
    lengths = [jnp.linalg.norm(x, axis=-1) for x in (images, found)]
    np.testing.assert_allclose(*lengths, rtol=1e-14)


def test_ac1c2_is_that_of_scielab():
    # Zhang and Wandell, 1996, print three digits (0.72 and 0.29 two), and C1's last as -0.077.
    printed = np.array([[0.279, 0.72, -0.107], [-0.449, 0.29, 0.077], [0.086, -0.59, 0.501]])
    np.testing.assert_allclose(color.xyz_to_ac1c2(jnp.eye(3)).T, printed, atol=2e-3)


def test_ycxcz_is_lab_without_its_root(rng):
    white = np.array(color.D65)
    roots = rng.uniform(0.3, 1, size=(5, 6, 3))  # above the linear part of Lab
    expected = color.xyz_to_lab(jnp.asarray(roots**3 * white))
    np.testing.assert_allclose(color.xyz_to_ycxcz(jnp.asarray(roots * white)), expected, atol=1e-10)


@pytest.mark.parametrize("channels", [1, 3])
def test_gray_counts_as_neutral_colour(channels, rng):
    images = jnp.asarray(rng.uniform(size=(2, 4, 5, channels)))
    found = color.gray_to_rgb(images)
    np.testing.assert_array_equal(found, images[..., [0, 0, 0] if channels == 1 else [0, 1, 2]])


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-9), (np.float32, 3e-5)])
def test_round_trips(name, dtype, tolerance, rng):
    # Float32: the cubes and powers of Lab and sRGB multiply its 6e-8 by about 100 near black.
    forward, inverse = PAIRS[name]
    images = np.concatenate([rng.uniform(size=(40, 3)), [RED, GREEN, BLUE, BLACK, GREY, WHITE]])
    images = jnp.asarray(images, dtype)
    found = jax.jit(lambda x: inverse(forward(x)))(images)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, images, atol=tolerance)


@pytest.mark.parametrize("name", WITH_RANGE)
def test_data_range_scales_rgb_only(name, rng):
    forward, inverse = PAIRS[name]
    images = jnp.asarray(rng.uniform(size=(4, 5, 3)))
    scale = 255 if name.startswith("ycbcr") else 1
    scaled = jax.jit(partial(forward, data_range=255.0))(images * 255)
    expected = jax.jit(forward)(images) * scale
    np.testing.assert_allclose(scaled, expected, rtol=1e-10, atol=1e-12)
    back = jax.jit(partial(inverse, data_range=255.0))(scaled)
    np.testing.assert_allclose(back, images * 255, rtol=1e-9)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_gradients_are_finite_on_degenerate_images(dtype):
    colors = np.array([BLACK, GREY, WHITE, RED, GREEN, BLUE, 1 - RED, 1e-8 * RED, -0.1 * WHITE])
    images = jnp.asarray(colors[:, None], dtype)

    def total(function, x):
        return jnp.sum(function(x) * jnp.arange(1, 4, dtype=dtype))

    @jax.jit  # all in one program, which compiles faster than one each
    def gradients(x):
        return {
            name: jax.value_and_grad(partial(total, function))(x)
            for name, function in CONVERSIONS.items()
        }

    for name, (value, gradient) in gradients(images).items():
        assert gradient.dtype == dtype, name
        assert np.isfinite(float(value)), name
        assert np.isfinite(np.asarray(gradient, np.float32)).all(), name


@pytest.mark.parametrize("name", [name for name in CONVERSIONS if name != "luma_matlab"])
def test_gradients_are_those_of_finite_differences(name):
    images = jnp.asarray([[[0.2, 0.5, 0.9], [0.7, 0.3, 0.6]]])
    check_grads(jax.jit(CONVERSIONS[name]), (images,), order=1, modes=["rev"], rtol=1e-5)


@pytest.mark.parametrize("name", CONVERSIONS)
def test_transformations_agree_with_eager(name, rng):
    # XLA may contract a product and a sum into one rounding: a few ulp, times 100 for Lab.
    images = jnp.asarray(rng.uniform(size=(2, 3, 5, 7, 3)))
    function = CONVERSIONS[name]
    expected = function(images)
    assert expected.shape[:-1] == images.shape[:-1]
    compiled = jax.jit(
        lambda x: (function(x), jax.vmap(function)(x), jnp.stack([function(x[0]), function(x[1])]))
    )
    for found in compiled(images):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


# The transfer function is of each channel alone and takes any shape.
@pytest.mark.parametrize("name", [name for name in CONVERSIONS if not name.startswith("linear")])
def test_wrong_channels_are_an_error(name):
    with pytest.raises(ValueError, match=r"shape \(4, 5, 4\).*three channels"):
        CONVERSIONS[name](jnp.zeros((4, 5, 4)))


def test_integers_are_an_error():
    with pytest.raises(TypeError, match="uint8"):
        color.rgb_to_lab(jnp.zeros((4, 5, 3), jnp.uint8), data_range=255.0)
    with pytest.raises(TypeError, match="uint8"):
        color.luma(jnp.zeros((4, 5, 3), jnp.uint8), "bt601", data_range=255.0)
