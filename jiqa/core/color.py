"""Luma presets and colour spaces.

Images are floating arrays `[..., H, W, 3]` of sRGB in [0, data_range]; results keep their dtype and
axes. Functions whose result has an offset or a non-linearity take `data_range`; those without are
linear, and their result has the scale of the images. Out-of-range values are converted by the same
formulas and never clipped. Gradients are finite everywhere, on black and grey too.
"""

import jax
import jax.numpy as jnp
import numpy as np

from jiqa.core.arrays import safe_divide, safe_power, to_float
from jiqa.core.channels import mix_channels, split_channels, unstack_channels
from jiqa.core.filters import downsample_box
from jiqa.kernels.rounded_luma import rounded_luma

LUMA_PRESETS = {
    "matlab": "MATLAB's rgb2gray of integer images: rounded to whole levels, half up",
    "matlab_float": "MATLAB's rgb2gray of floating images: the same weights, not rounded",
    "bt601": "ITU-R BT.601, full range: 0.299 R + 0.587 G + 0.114 B; the Y of YIQ and JPEG",
    "bt601_limited": "BT.601, 16 to 235 of 255: MATLAB's rgb2ycbcr, not rounded",
    "bt709": "ITU-R BT.709, full range: 0.2126 R + 0.7152 G + 0.0722 B",
    "bt709_limited": "BT.709, 16 to 235 of 255",
}
# The weights of MATLAB and GNU Octave are the first row of the inverse of the YIQ to RGB matrix
# [1 0.956 0.621; 1 -0.272 -0.647; 1 -1.106 1.703], which Octave rounds to six digits.
LUMA_WEIGHTS = {
    "matlab": np.array([[0.298936, 0.587043, 0.114021]]),
    "bt601": np.array([[0.299, 0.587, 0.114]]),
    "bt709": np.array([[0.2126, 0.7152, 0.0722]]),
}

# MATLAB's rgb2ntsc as documented; also the matrix of FSIM and HaarPSI.
RGB_TO_YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])

# JFIF 1.02 (ITU-T T.871), and MATLAB's rgb2ycbcr (BT.601 with 219 and 224 levels); both offsets
# are in levels of 255.
RGB_TO_YCBCR_FULL = np.array(
    [
        [0.299, 0.587, 0.114],
        [-0.299 / 1.772, -0.587 / 1.772, 0.5],
        [0.5, -0.587 / 1.402, -0.114 / 1.402],
    ]
)
RGB_TO_YCBCR_LIMITED = (
    np.array([[65.481, 128.553, 24.966], [-37.797, -74.203, 112.0], [112.0, -93.786, -18.214]])
    / 255
)
YCBCR_OFFSET_FULL = np.array([0.0, 128.0, 128.0]) / 255
YCBCR_OFFSET_LIMITED = np.array([16.0, 128.0, 128.0]) / 255

# BT.709 primaries and D65, in the digits of Poynton's "Frequently Asked Questions about Color",
# and the white of CIE 15 for the 2 degree observer.
RGB_TO_XYZ = np.array(
    [
        [0.412453, 0.357580, 0.180423],
        [0.212671, 0.715160, 0.072169],
        [0.019334, 0.119193, 0.950227],
    ]
)
D65 = (0.95047, 1.0, 1.08883)

# The Gaussian colour model of Geusebroek, van den Boomgaard, Smeulders and Geerts, "Color
# invariance", IEEE TPAMI 23(12), 2001; the LMN of VSI, of which MDSI takes M and N.
RGB_TO_LMN = np.array([[0.06, 0.63, 0.27], [0.30, 0.04, -0.35], [0.34, -0.60, 0.17]])

# Van de Sande, Gevers and Snoek, "Evaluating color descriptors for object and scene recognition",
# IEEE TPAMI 32(9), 2010, equation 3.
RGB_TO_OPPONENT = np.array(
    [
        np.array([1, -1, 0]) / np.sqrt(2),
        np.array([1, 1, -2]) / np.sqrt(6),
        np.array([1, 1, 1]) / np.sqrt(3),
    ]
)

# Responses of long, middle and short cones to linear sRGB, and what noise adds to them, of JPEG XL.
RGB_TO_CONES = np.array(
    [
        [0.30, 1 - 0.078 - 0.30, 0.078],
        [0.23, 1 - 0.078 - 0.23, 0.078],
        [0.24342268924547819, 0.20476744424496821, 1 - 0.24342268924547819 - 0.20476744424496821],
    ]
)
CONE_BIAS = 0.0037930732552754493

# Poirson and Wandell's pattern-colour separable space for the CIE 1931 observer, in the digits
# (and the sign of the last term of C1) of Zhang and Wandell's S-CIELAB code, `cmatrix('xyz2opp')`.
XYZ_TO_AC1C2 = np.array(
    [
        [0.2787336, 0.7218031, -0.1065520],
        [-0.4487736, 0.2898056, 0.0771569],
        [0.0859513, -0.5899859, 0.5011089],
    ]
)


def luma(
    images: jax.Array, preset: str, *, data_range: float = 1.0, halve: bool = False
) -> jax.Array:
    """The one-channel brightness of images by a named convention.

    Args:
        images: `[..., H, W, C]` in [0, data_range], C 1 or 3; one channel is returned unchanged.
        preset: A key of `LUMA_PRESETS`. "matlab" rounds to multiples of data_range / 255, or of 1
            where data_range is above 255; its gradient is that of "matlab_float".
        data_range: The range of the images.
        halve: Whether means of 2 x 2 pixels are taken of it, as by `downsample_box` with zeros.

    Returns:
        `[..., H, W, 1]` on the scale of the images: limited presets give 16 to 235 of 255.

    Raises:
        ValueError: Unknown preset, or channels other than 1 or 3.
        TypeError: The images are not floating.

    >>> float(luma(jnp.array([[[255.0, 0.0, 0.0]]]), "matlab", data_range=255.0)[0, 0, 0])
    76.0
    """
    if preset not in LUMA_PRESETS:
        raise ValueError(f"luma={preset!r} is unknown; use one of {', '.join(LUMA_PRESETS)}.")
    weights = LUMA_WEIGHTS[preset.split("_")[0]]
    if preset == "matlab" and images.shape[-1] != 1:
        levels = max(data_range, 255.0) / data_range
        colors = _color_images(images)
        return rounded_luma(colors, weights[0].tolist(), levels=levels, halve=halve)
    if images.shape[-1] != 1:
        images = _transform(images, weights)
        if preset.endswith("_limited"):
            images = (16 * data_range + 219 * images) / 255
    return downsample_box(images, 2, border="zero") if halve else images


def to_levels(images: jax.Array, preset: str | None, *, data_range: float) -> jax.Array:
    """Images on 0 to 255, for what is defined on levels of 8 bits.

    Args:
        images: `[..., H, W, C]`, floating, in [0, data_range].
        preset: A key of `LUMA_PRESETS`, or None for all channels.
        data_range: The range of the images.

    Returns:
        `[..., H, W, C]`, or `[..., H, W, 1]` with a preset.

    Raises:
        ValueError: As in `luma`.
        TypeError: As in `luma`.

    >>> print(to_levels(jnp.full((1, 1, 3), 0.5), None, data_range=1.0)[0, 0])
    [127.5 127.5 127.5]
    """
    if preset is not None:
        images = luma(images, preset, data_range=data_range)
    return images * (255 / data_range)


def apply_luma(
    preset: str | None,
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float,
    halve: bool = False,
) -> tuple[jax.Array, jax.Array]:
    """The luma of both images of a pair, or the pair itself.

    Args:
        preset: A key of `LUMA_PRESETS`, or None for no conversion.
        reference: `[..., H, W, C]`.
        distorted: The same shape.
        data_range: The range of both.
        halve: Whether means of 2 x 2 pixels are taken of both.

    Returns:
        Reference and distorted, each `[..., H, W, 1]` and floating, or for None as they are but for
        their halving.

    Raises:
        ValueError: As in `luma`.
        TypeError: As in `luma`.

    >>> pair = apply_luma("bt601", jnp.zeros((4, 4, 3)), jnp.ones((4, 4, 3)), data_range=1.0)
    >>> [image.shape for image in pair]
    [(4, 4, 1), (4, 4, 1)]
    """
    if preset is not None:
        x, y = (
            luma(to_float(image), preset, data_range=data_range, halve=halve)
            for image in (reference, distorted)
        )
        return x, y
    if halve:
        reference, distorted = (
            downsample_box(image, 2, border="zero") for image in (reference, distorted)
        )
    return reference, distorted


def rgb_to_yiq(images: jax.Array) -> jax.Array:
    """Luma and two colour differences of NTSC television (MATLAB's `rgb2ntsc`).

    Args:
        images: `[..., H, W, 3]`.

    Returns:
        Y, I and Q in the scale of the images, `[..., H, W, 3]`; I and Q are 0 on grey.

    >>> print(rgb_to_yiq(jnp.array([1.0, 0.0, 0.0])))
    [0.299 0.596 0.211]
    """
    return _transform(images, RGB_TO_YIQ)


def yiq_to_rgb(images: jax.Array) -> jax.Array:
    """The inverse of `rgb_to_yiq`.

    Args:
        images: Y, I and Q, `[..., H, W, 3]`.

    Returns:
        RGB in the same scale, `[..., H, W, 3]`.

    >>> print(np.asarray(yiq_to_rgb(jnp.array([0.299, 0.596, 0.211]))).round(4) + 0.0)
    [1. 0. 0.]
    """
    return _transform(images, np.linalg.inv(RGB_TO_YIQ))


def rgb_to_ycbcr(images: jax.Array, *, data_range: float = 1.0, limited: bool = False) -> jax.Array:
    """Luma and blue and red colour differences of BT.601.

    Args:
        images: `[..., H, W, 3]` in [0, data_range].
        data_range: The range of the images.
        limited: False is JPEG's full range; True is MATLAB's `rgb2ycbcr` without rounding, with
            luma from 16 to 235 and colour from 16 to 240 of 255.

    Returns:
        Y, Cb and Cr on the scale of the images, `[..., H, W, 3]`; grey has Cb = Cr = 128 of 255.

    >>> white = jnp.array([255.0, 255.0, 255.0])
    >>> print(np.asarray(rgb_to_ycbcr(white, data_range=255.0, limited=True)).round(3))
    [235. 128. 128.]
    """
    matrix, offset = _ycbcr(limited)
    images = _transform(images, matrix)
    return images + jnp.asarray(offset * data_range, images.dtype)


def ycbcr_to_rgb(images: jax.Array, *, data_range: float = 1.0, limited: bool = False) -> jax.Array:
    """The inverse of `rgb_to_ycbcr`.

    Args:
        images: Y, Cb and Cr, `[..., H, W, 3]`.
        data_range: As in `rgb_to_ycbcr`.
        limited: As in `rgb_to_ycbcr`.

    Returns:
        RGB in [0, data_range], `[..., H, W, 3]`.

    >>> grey = ycbcr_to_rgb(jnp.array([60.0, 128.0, 128.0]), data_range=255.0)
    >>> print(np.asarray(grey).round(3))
    [60. 60. 60.]
    """
    matrix, offset = _ycbcr(limited)
    images = _color_images(images)
    return _transform(
        images - jnp.asarray(offset * data_range, images.dtype), np.linalg.inv(matrix)
    )


def rgb_to_hsv(images: jax.Array) -> jax.Array:
    """Hue, saturation and value (Smith, "Color gamut transform pairs", SIGGRAPH 1978).

    Args:
        images: `[..., H, W, 3]`, not negative.

    Returns:
        `[..., H, W, 3]`: hue in turns, [0, 1), 0 on grey; saturation in [0, 1], 0 on black; value
        in the scale of the images. The gradients of hue on grey and saturation on black are 0.

    >>> print(rgb_to_hsv(jnp.array([0.0, 0.5, 0.5])))
    [0.5 1.  0.5]
    """
    images = _color_images(images)
    red, green, blue = unstack_channels(images)
    value = images.max(-1)
    chroma = value - images.min(-1)
    sextant = jnp.where(
        value == red,
        safe_divide(green - blue, chroma) % 6,
        jnp.where(
            value == green,
            safe_divide(blue - red, chroma) + 2,
            safe_divide(red - green, chroma) + 4,
        ),
    )
    return jnp.stack([sextant / 6, safe_divide(chroma, value), value], axis=-1)


def hsv_to_rgb(images: jax.Array) -> jax.Array:
    """The inverse of `rgb_to_hsv`.

    Args:
        images: Hue in turns (any real number), saturation and value, `[..., H, W, 3]`.

    Returns:
        RGB in the scale of the value, `[..., H, W, 3]`.

    >>> print(hsv_to_rgb(jnp.array([0.5, 1.0, 0.5])))
    [0.  0.5 0.5]
    """
    images = _color_images(images)
    hue, saturation, value = split_channels(images)
    sextant = (6 * hue + jnp.array([5, 3, 1], images.dtype)) % 6
    missing = jnp.clip(jnp.minimum(sextant, 4 - sextant), 0, 1)
    return value * (1 - saturation * missing)


def srgb_to_linear(images: jax.Array, *, data_range: float = 1.0) -> jax.Array:
    """Linear light of sRGB values (IEC 61966-2-1).

    Args:
        images: Array of any shape in [0, data_range].
        data_range: The range of the images.

    Returns:
        The same shape, in [0, 1].

    >>> print(np.asarray(srgb_to_linear(jnp.array([0.0, 0.5, 1.0]))).round(4))
    [0.    0.214 1.   ]
    """
    images = images / data_range
    return jnp.where(images <= 0.04045, images / 12.92, safe_power((images + 0.055) / 1.055, 2.4))


def linear_to_srgb(images: jax.Array, *, data_range: float = 1.0) -> jax.Array:
    """The inverse of `srgb_to_linear`.

    Args:
        images: Linear light of any shape, in [0, 1].
        data_range: The range of the result.

    Returns:
        sRGB in [0, data_range], the same shape.

    >>> print(np.asarray(linear_to_srgb(jnp.array([0.0, 0.214, 1.0]))).round(4))
    [0.  0.5 1. ]
    """
    curve = 1.055 * safe_power(images, 1 / 2.4) - 0.055
    return data_range * jnp.where(images <= 0.0031308, 12.92 * images, curve)


def rgb_to_xyz(images: jax.Array, *, data_range: float = 1.0) -> jax.Array:
    """CIE 1931 tristimulus values of sRGB, under D65.

    Args:
        images: `[..., H, W, 3]` in [0, data_range].
        data_range: The range of the images.

    Returns:
        X, Y and Z, `[..., H, W, 3]`; white has Y = 1.

    >>> print(np.asarray(rgb_to_xyz(jnp.ones(3))).round(4))
    [0.9505 1.     1.0888]
    """
    return _transform(srgb_to_linear(_color_images(images), data_range=data_range), RGB_TO_XYZ)


def xyz_to_rgb(images: jax.Array, *, data_range: float = 1.0) -> jax.Array:
    """The inverse of `rgb_to_xyz`.

    Args:
        images: X, Y and Z, `[..., H, W, 3]`.
        data_range: The range of the result.

    Returns:
        sRGB, `[..., H, W, 3]`; colours that sRGB does not have leave [0, data_range].

    >>> print(np.asarray(xyz_to_rgb(jnp.array([0.950456, 1.0, 1.088754]))).round(4))
    [1. 1. 1.]
    """
    return linear_to_srgb(_transform(images, np.linalg.inv(RGB_TO_XYZ)), data_range=data_range)


def xyz_to_lab(images: jax.Array, *, white: tuple[float, float, float] = D65) -> jax.Array:
    """CIE 1976 L*a*b* of tristimulus values (CIE 15:2004, with its exact constants).

    Args:
        images: X, Y and Z, `[..., H, W, 3]`.
        white: X, Y and Z of the reference white.

    Returns:
        L* (0 on black, 100 on white), a* and b*, `[..., H, W, 3]`.

    >>> print(xyz_to_lab(jnp.array([0.95047, 1.0, 1.08883])))
    [100.   0.   0.]
    """
    images = _color_images(images)
    ratio = images / jnp.asarray(white, images.dtype)
    linear = ratio <= (6 / 29) ** 3
    root = safe_power(ratio, 1 / 3)
    lightness = jnp.where(linear, ratio * (841 / 108) + 4 / 29, root)
    x, y, z = unstack_channels(lightness)
    return jnp.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def lab_to_xyz(images: jax.Array, *, white: tuple[float, float, float] = D65) -> jax.Array:
    """The inverse of `xyz_to_lab`.

    Args:
        images: L*, a* and b*, `[..., H, W, 3]`.
        white: As in `xyz_to_lab`.

    Returns:
        X, Y and Z, `[..., H, W, 3]`.

    >>> print(lab_to_xyz(jnp.array([100.0, 0.0, 0.0])))
    [0.95047 1.      1.08883]
    """
    images = _color_images(images)
    light, a, b = unstack_channels(images)
    y = (light + 16) / 116
    lightness = jnp.stack([y + a / 500, y, y - b / 200], axis=-1)
    linear = lightness <= 6 / 29
    ratio = jnp.where(linear, (lightness - 4 / 29) * (108 / 841), lightness**3)
    return ratio * jnp.asarray(white, images.dtype)


def rgb_to_lab(
    images: jax.Array, *, data_range: float = 1.0, white: tuple[float, float, float] = D65
) -> jax.Array:
    """CIE 1976 L*a*b* of sRGB.

    Args:
        images: `[..., H, W, 3]` in [0, data_range].
        data_range: The range of the images.
        white: As in `xyz_to_lab`.

    Returns:
        L* (0 on black, 100 on white), a* and b*, `[..., H, W, 3]`.

    >>> print(np.asarray(rgb_to_lab(jnp.array([1.0, 0.0, 0.0]))).round(1))
    [53.2 80.1 67.2]
    """
    return xyz_to_lab(rgb_to_xyz(images, data_range=data_range), white=white)


def lab_to_rgb(
    images: jax.Array, *, data_range: float = 1.0, white: tuple[float, float, float] = D65
) -> jax.Array:
    """The inverse of `rgb_to_lab`.

    Args:
        images: L*, a* and b*, `[..., H, W, 3]`.
        data_range: The range of the result.
        white: As in `xyz_to_lab`.

    Returns:
        sRGB, `[..., H, W, 3]`; colours that sRGB does not have leave [0, data_range].

    >>> print(np.asarray(lab_to_rgb(jnp.array([100.0, 0.0, 0.0]))).round(3))
    [1. 1. 1.]
    """
    return xyz_to_rgb(lab_to_xyz(images, white=white), data_range=data_range)


def rgb_to_lmn(images: jax.Array) -> jax.Array:
    """Luminance and two chrominances of the Gaussian colour model, as in VSI.

    Args:
        images: `[..., H, W, 3]`.

    Returns:
        L, M and N in the scale of the images, `[..., H, W, 3]`.

    >>> print(rgb_to_lmn(jnp.array([0.0, 1.0, 0.0])))
    [ 0.63  0.04 -0.6 ]
    """
    return _transform(images, RGB_TO_LMN)


def rgb_to_opponent(images: jax.Array) -> jax.Array:
    """Red against green, yellow against blue, and intensity: a rotation of RGB.

    Args:
        images: `[..., H, W, 3]`.

    Returns:
        O1, O2 and O3 in the scale of the images, `[..., H, W, 3]`; O1 and O2 are 0 on grey.

    >>> print(np.asarray(rgb_to_opponent(jnp.array([1.0, 0.0, 0.0]))).round(4))
    [0.7071 0.4082 0.5774]
    """
    return _transform(images, RGB_TO_OPPONENT)


def xyz_to_ac1c2(images: jax.Array) -> jax.Array:
    """The opponent space of Poirson and Wandell, in which S-CIELAB blurs.

    Args:
        images: X, Y and Z, `[..., H, W, 3]`.

    Returns:
        Achromatic, red-green and blue-yellow channel, `[..., H, W, 3]`.

    >>> print(np.asarray(xyz_to_ac1c2(jnp.array([0.0, 1.0, 0.0]))).round(4))
    [ 0.7218  0.2898 -0.59  ]
    """
    return _transform(images, XYZ_TO_AC1C2)


def ac1c2_to_xyz(images: jax.Array) -> jax.Array:
    """The inverse of `xyz_to_ac1c2`.

    Args:
        images: Achromatic, red-green and blue-yellow channel, `[..., H, W, 3]`.

    Returns:
        X, Y and Z, `[..., H, W, 3]`.

    >>> print(np.asarray(ac1c2_to_xyz(jnp.array([0.7218, 0.2898, -0.59]))).round(3) + 0.0)
    [0. 1. 0.]
    """
    return _transform(images, np.linalg.inv(XYZ_TO_AC1C2))


def linear_rgb_to_xyz(images: jax.Array, *, matrix: np.ndarray = RGB_TO_XYZ) -> jax.Array:
    """CIE 1931 tristimulus values of linear light.

    Args:
        images: `[..., H, W, 3]`, linear in light, in [0, 1].
        matrix: X, Y and Z of red, green and blue, in columns; the default is that of sRGB.

    Returns:
        X, Y and Z, `[..., H, W, 3]`.

    >>> print(np.asarray(linear_rgb_to_xyz(jnp.ones(3))).round(4))
    [0.9505 1.     1.0888]
    """
    return _transform(images, matrix)


def xyz_to_linear_rgb(images: jax.Array, *, matrix: np.ndarray = RGB_TO_XYZ) -> jax.Array:
    """The inverse of `linear_rgb_to_xyz`.

    Args:
        images: X, Y and Z, `[..., H, W, 3]`.
        matrix: As in `linear_rgb_to_xyz`.

    Returns:
        Linear light, `[..., H, W, 3]`; colours that the primaries do not have leave [0, 1].

    >>> print(np.asarray(xyz_to_linear_rgb(jnp.array([0.950456, 1.0, 1.088754]))).round(4))
    [1. 1. 1.]
    """
    return _transform(images, np.linalg.inv(matrix))


def xyz_to_ycxcz(images: jax.Array, *, white: tuple[float, float, float] = D65) -> jax.Array:
    """CIE L*a*b* with its cube root left out, in which light adds up.

    Flohr, Kolpatzik, Balasubramanian, Carrara, Bouman and Allebach, "Model-based color image
    quantization", SPIE 1913, 1993.

    Args:
        images: X, Y and Z, `[..., H, W, 3]`.
        white: X, Y and Z of the reference white.

    Returns:
        Y (-16 on black, 100 on white), Cx (red-green) and Cz (yellow-blue), `[..., H, W, 3]`.

    >>> print(xyz_to_ycxcz(jnp.array([0.95047, 1.0, 1.08883])))
    [100.   0.   0.]
    """
    images = _color_images(images)
    ratio = images / jnp.asarray(white, images.dtype)
    x, y, z = unstack_channels(ratio)
    return jnp.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def ycxcz_to_xyz(images: jax.Array, *, white: tuple[float, float, float] = D65) -> jax.Array:
    """The inverse of `xyz_to_ycxcz`.

    Args:
        images: Y, Cx and Cz, `[..., H, W, 3]`.
        white: As in `xyz_to_ycxcz`.

    Returns:
        X, Y and Z, `[..., H, W, 3]`.

    >>> print(ycxcz_to_xyz(jnp.array([100.0, 0.0, 0.0])))
    [0.95047 1.      1.08883]
    """
    images = _color_images(images)
    light, red_green, yellow_blue = unstack_channels(images)
    y = (light + 16) / 116
    ratio = jnp.stack([y + red_green / 500, y, y - yellow_blue / 200], axis=-1)
    return ratio * jnp.asarray(white, images.dtype)


def linear_rgb_to_xyb(images: jax.Array) -> jax.Array:
    """The opponent space of JPEG XL, made of cube roots of cone responses.

    Alakuijala et al., "JPEG XL next-generation image compression architecture and coding tools",
    SPIE 11137, 2019, with the numbers of libjxl's `opsin_params.h`.

    Args:
        images: `[..., H, W, 3]`, linear in light, in [0, 1].

    Returns:
        X (red-green), Y (brightness) and B (blue), `[..., H, W, 3]`.

    >>> print(np.asarray(linear_rgb_to_xyb(jnp.ones(3))).round(4) + 0)
    [0.     0.8453 0.8453]
    """
    cones = safe_power(_transform(images, RGB_TO_CONES) + CONE_BIAS, 1 / 3) - CONE_BIAS ** (1 / 3)
    long, middle, short = unstack_channels(cones)
    return jnp.stack([(long - middle) / 2, (long + middle) / 2, short], axis=-1)


def gray_to_rgb(images: jax.Array) -> jax.Array:
    """Images of three channels: one channel is repeated, three are returned as they are.

    Args:
        images: `[..., H, W, C]`, C 1 or 3.

    Returns:
        `[..., H, W, 3]`.

    >>> gray_to_rgb(jnp.ones((4, 5, 1))).shape
    (4, 5, 3)
    """
    return jnp.broadcast_to(images, (*images.shape[:-1], 3))


def _ycbcr(limited: bool) -> tuple[np.ndarray, np.ndarray]:
    if limited:
        return RGB_TO_YCBCR_LIMITED, YCBCR_OFFSET_LIMITED
    return RGB_TO_YCBCR_FULL, YCBCR_OFFSET_FULL


def _color_images(images: jax.Array) -> jax.Array:
    images = jnp.asarray(images)
    if images.ndim == 0 or images.shape[-1] != 3:
        raise ValueError(
            f"images have shape {images.shape}; a colour space needs three channels, "
            "[..., height, width, 3]."
        )
    if not jnp.issubdtype(images.dtype, jnp.floating):
        raise TypeError(
            f"images have dtype {images.dtype}; colour is converted in floating point: use "
            "jnp.asarray(images, jnp.float32) and their data_range."
        )
    return images


def _transform(images: jax.Array, matrix: np.ndarray) -> jax.Array:
    return mix_channels(_color_images(images), matrix)
