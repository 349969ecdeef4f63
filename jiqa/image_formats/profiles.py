"""From the colours that a file stores to sRGB.

ICC profiles are applied by LittleCMS, relative colorimetric with black point compensation: through
Pillow to 8 bits, through imagecodecs to 16.
"""

import functools
import io
from typing import Any

import numpy as np

from jiqa.image_formats.decoding import imagecodecs
from jiqa.image_formats.header import Header, ImageError

SRGB_TOLERANCE = 2
"""Levels of 255 by which a profile may differ from sRGB and be taken for it."""


def convert_to_srgb(image: np.ndarray, header: Header, color_profile: str) -> np.ndarray:
    """Converts colours to sRGB.

    Args:
        image: uint8 or uint16 `[H, W, C]`, C 1, 3, or 4 for CMYK with 255 for all of an ink.
        header: Of the file that holds the image.
        color_profile: "srgb"; "keep" to convert only inks, by a formula; or "error" for what a
            profile would change.

    Returns:
        Grey or RGB of the same dtype and size.

    Raises:
        ImageError: Colours that are not sRGB and cannot, or should not, be converted.
    """
    if header.profile is None or color_profile == "keep":
        if header.color_space is not None and color_profile != "keep":
            raise ImageError(
                f"the colours are not sRGB ({header.color_space}) and cannot be converted here; "
                "convert them to sRGB, or take them as they are with color_profile='keep'"
            )
        return _mix_inks(image) if header.cmyk else image
    channels = image.shape[-1]
    mode = _choose_mode(header, channels)
    transform = _choose_transform(header.profile, mode, color_profile)
    if transform is None:
        return image
    if mode == "RGB" and channels == 1:
        image = np.repeat(image, 3, axis=-1)
    convert = _apply if image.dtype == np.uint8 else _apply_16_bits
    converted = convert(transform, header.profile, image, mode)
    return converted[..., :1] if channels == 1 else converted


def _mix_inks(image: np.ndarray) -> np.ndarray:
    """What inks leave of white light: R = (1 - C)(1 - K), and so on.

    >>> _mix_inks(np.array([0, 255, 51, 0], np.uint8))
    array([255,   0, 204], dtype=uint8)
    """
    left = np.invert(image).astype(np.uint16)
    return ((left[..., :3] * left[..., 3:] + 127) // 255).astype(np.uint8)


def _choose_mode(header: Header, channels: int) -> str:
    """Pillow's name for the colours that the profile is applied to."""
    if header.cmyk:
        return "CMYK"
    # A grey image may have the profile of the RGB image it was made from.
    return "L" if channels == 1 and _space(header.profile or b"") == "GRAY" else "RGB"


def _space(profile: bytes) -> str:
    """The colour space of an ICC profile (ICC.1, 7.2.8)."""
    return profile[16:20].decode("latin-1").strip()


def _choose_transform(profile: bytes, mode: str, color_profile: str) -> Any:
    """The transform to sRGB, None if it is the identity, or an error if it is not wanted."""
    try:
        transform = _build_transform(profile, mode)
    except (OSError, ValueError) as error:
        raise ImageError(
            f"the colour profile ({_space(profile) or 'damaged'}) cannot be applied to the image "
            f"({mode}); take its values as they are with color_profile='keep'"
        ) from error
    if transform is not None and color_profile == "error":
        raise ImageError(
            "the colour profile is not sRGB; convert with color_profile='srgb', or take the "
            "values as they are with color_profile='keep'"
        )
    return transform


@functools.lru_cache(maxsize=32)
def _build_transform(profile: bytes, mode: str) -> Any:
    """LittleCMS's transform of 8 bits, or None if it changes nothing to speak of."""
    from PIL import ImageCms

    try:
        transform = ImageCms.buildTransform(
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except ImageCms.PyCMSError as error:
        raise ValueError(str(error)) from error
    if mode == "CMYK":
        return transform
    levels = np.arange(0, 256, 15, dtype=np.uint8)
    colors = np.stack(np.meshgrid(*[levels] * len(mode)), axis=-1).reshape(1, -1, len(mode))
    change = _apply(transform, profile, colors, mode) - colors.astype(int)
    return None if np.abs(change).max() <= SRGB_TOLERANCE else transform


def _apply(transform: Any, _: bytes, image: np.ndarray, mode: str) -> np.ndarray:
    from PIL import Image, ImageCms

    picture = Image.frombytes(mode, image.shape[1::-1], image.tobytes())
    return np.array(ImageCms.applyTransform(picture, transform))


def _apply_16_bits(_: Any, profile: bytes, image: np.ndarray, mode: str) -> np.ndarray:
    from PIL import ImageCms

    codecs = imagecodecs()
    if codecs is None:
        raise ImageError("16-bit colours need imagecodecs: pip install 'jiqa[image]'")
    return codecs.cms_transform(
        np.ascontiguousarray(image.squeeze(-1) if mode == "L" else image),
        profile,
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
        colorspace="gray" if mode == "L" else "rgb",
        outcolorspace="rgb",
        intent=codecs.CMS.INTENT.RELATIVE_COLORIMETRIC,
        # Unless told not to, LittleCMS takes a table, up to 15 of 255 levels off for Display P3.
        flags=codecs.CMS.FLAGS.BLACKPOINTCOMPENSATION | codecs.CMS.FLAGS.NOOPTIMIZE,
    )
