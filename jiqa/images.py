"""Image files to arrays and back, by rules that are written down.

- **Format.** The content decides, not the name: PNG, JPEG, TIFF, WebP, BMP, AVIF and JPEG XL. More
  than 8 bits a sample, TIFF and JPEG XL need imagecodecs (`pip install 'jiqa[image]'`); where it
  is installed it also decodes ordinary PNG, JPEG and WebP: to the numbers of Pillow, but faster.
- **Depth.** Up to 8 bits become uint8, more become uint16, exactly; depths between (1, 2, 4, 10,
  12 bits) are stretched to the full range. Floating-point and signed samples are an error.
- **Channels.** Grey stays one channel. A palette becomes RGB (in a BMP grey, if it is a grey ramp).
- **Alpha.** Fully opaque, it is dropped: it changes nothing. Otherwise `alpha` says what to do.
- **Profiles.** An ICC profile that changes no colour by more than two of 255 levels is sRGB, and
  pixels stay as they are. `color_profile` says what becomes of others; conversion is LittleCMS's,
  relative colorimetric with black point compensation. Grey with an RGB profile is a neutral colour
  of that profile. A colour space named otherwise (PNG's cICP, AVIF's nclx, JPEG XL's own), as HDR
  and wide gamut images do, must be sRGB or kept. PNG's gAMA and cHRM are ignored, as by browsers.
- **CMYK** in a JPEG counts 255 as no ink, as Adobe and browsers do, whatever the file says. Without
  a profile, or if that is kept, R = (1 - C)(1 - K), and so on. In a TIFF it is an error.
- **Orientation** by Exif (JPEG, PNG before the pixels, WebP) or the format's own means (TIFF, AVIF,
  JPEG XL) is applied; one that is unreadable or not 1 to 8 is none.
- **One image.** Animations and several pages are an error; of a JPEG the first image counts.
- **Whole files.** Whatever is cut off, damaged or too large is an `ImageError`, never a grey half.
  A JPEG has no checksum: one with wrong bytes in the middle may decode to a wrong image.

All functions may be called from several threads; decoders run without Python's global lock.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from jiqa.files import write_whole
from jiqa.image_formats import Header, ImageError, png, read_header
from jiqa.image_formats.decoding import decode
from jiqa.image_formats.profiles import convert_to_srgb

__all__ = ["IMAGE_SUFFIXES", "ImageError", "decode_image", "image_size", "read_image", "write_png"]

IMAGE_SUFFIXES = frozenset(
    {".avif", ".bmp", ".jfif", ".jpe", ".jpeg", ".jpg", ".jxl", ".png", ".tif", ".tiff", ".webp"}
)
"""Suffixes, in lower case, of the files in a folder that are images."""

MAX_PIXELS = 200_000_000
"""Pixels at most unless more are asked for: those of the largest cameras."""

ALPHA = "error", "drop", "white", "black"
COLOR_PROFILE = "srgb", "keep", "error"


def read_image(
    path: Path | str,
    *,
    alpha: str = "error",
    color_profile: str = "srgb",
    max_pixels: int = MAX_PIXELS,
) -> np.ndarray:
    """Reads an image file by the rules of this module.

    Args:
        path: The file.
        alpha: What to do with an image that is not opaque: "error"; "drop" the alpha channel and
            keep the colours as they are; or show it before "white" or "black", in sRGB values.
        color_profile: What to do with colours that are not sRGB: convert them to "srgb" (an error
            where no ICC profile says how), "keep" their values, or "error".
        max_pixels: More pixels are an error, before anything is decoded.

    Returns:
        A new array, uint8 or uint16 `[H, W, C]`, C 1 or 3.

    Raises:
        ImageError: The file is missing, no image, damaged, or against the rules; says which file,
            why, and what to do.
        ValueError: An unknown option.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "grey.png")
    >>> write_png(path, np.full((2, 3), 7, np.uint8))
    >>> read_image(path).shape
    (2, 3, 1)
    """
    _check_option("alpha", alpha, ALPHA)
    _check_option("color_profile", color_profile, COLOR_PROFILE)
    with _naming(path), open(path, "rb") as file:
        return _read(file, alpha, color_profile, max_pixels)


def decode_image(
    content: bytes,
    *,
    name: str = "image",
    alpha: str = "error",
    color_profile: str = "srgb",
    max_pixels: int = MAX_PIXELS,
) -> np.ndarray:
    """Decodes what an image file holds, as `read_image` would the file.

    Args:
        content: All bytes of the file.
        name: What errors call it.
        alpha: See `read_image`.
        color_profile: See `read_image`.
        max_pixels: See `read_image`.

    Returns:
        A new array, uint8 or uint16 `[H, W, C]`, C 1 or 3.

    Raises:
        ImageError: No image, damaged, or against the rules.
        ValueError: An unknown option.

    >>> decode_image(b"")
    Traceback (most recent call last):
    jiqa.image_formats.header.ImageError: image: the file is empty (0 bytes); ...
    """
    _check_option("alpha", alpha, ALPHA)
    _check_option("color_profile", color_profile, COLOR_PROFILE)
    with _naming(name):
        return _read(io.BytesIO(content), alpha, color_profile, max_pixels)


def image_size(path: Path | str) -> tuple[int, int]:
    """Reads height and width of an image, as `read_image` would return it, from its header alone.

    Args:
        path: The file.

    Returns:
        Height and width in pixels.

    Raises:
        ImageError: The file is missing, no image, or damaged in its header.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "grey.png")
    >>> write_png(path, np.full((2, 3), 7, np.uint8))
    >>> image_size(path)
    (2, 3)
    """
    with _naming(path), open(path, "rb") as file:
        return read_header(file).size


def write_png(path: Path | str, image: np.ndarray) -> None:
    """Writes an image as PNG, exactly; the file appears under its name only when it is complete.

    Args:
        path: The file, which is replaced if there is one.
        image: uint8 or uint16 `[H, W]`, `[H, W, 1]` or `[H, W, 3]`.

    Raises:
        ImageError: An array of another kind, or a file that cannot be written.

    >>> write_png("never.png", np.zeros((2, 3)))
    Traceback (most recent call last):
    jiqa.image_formats.header.ImageError: never.png: cannot write float64 [2, 3] ...
    """
    image = np.asarray(image)
    unsigned = image.dtype.kind == "u" and image.dtype.itemsize <= 2
    grey_or_rgb = image.ndim == 2 or (image.ndim == 3 and image.shape[2] in {1, 3})
    path = Path(path)
    with _naming(path):
        if not (unsigned and grey_or_rgb and image.size):
            raise ImageError(
                f"cannot write {image.dtype} {list(image.shape)} as PNG; give uint8 or uint16 "
                "[H, W], [H, W, 1] or [H, W, 3], with at least one pixel"
            )
        with write_whole(path) as file:
            file.write(png.encode(image))


def _read(file: BinaryIO, alpha: str, color_profile: str, max_pixels: int) -> np.ndarray:
    """An open file's image by the rules of this module."""
    header = read_header(file)
    _check_pixels(header, max_pixels)
    image = decode(file, header)
    channels = image.shape[-1] if header.cmyk else 3 if image.shape[-1] >= 3 else 1
    opacity = image[..., channels:]
    image = convert_to_srgb(image[..., :channels], header, color_profile)
    if opacity.size:
        image = _remove_alpha(image, opacity, alpha)
    return np.ascontiguousarray(_turn_upright(image, header.orientation))


@contextmanager
def _naming(path: Path | str) -> Iterator[None]:
    """Puts the file's name in front of errors, and makes those of the file system ours."""
    try:
        yield
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from error
    except FileNotFoundError as error:
        raise ImageError(f"{path}: there is no such file or folder; check the name") from error
    except IsADirectoryError as error:
        raise ImageError(f"{path}: this is a folder; give an image file") from error
    except OSError as error:
        raise ImageError(
            f"{path}: {error.strerror or error}; check permissions and disk"
        ) from error


def _check_option(name: str, given: str, allowed: tuple[str, ...]) -> None:
    if given not in allowed:
        raise ValueError(f"{name} is {given!r}; give one of {', '.join(map(repr, allowed))}.")


def _check_pixels(header: Header, max_pixels: int) -> None:
    if header.height * header.width > max_pixels:
        raise ImageError(
            f"the header announces {header.height} x {header.width} pixels, more than "
            f"max_pixels={max_pixels}; raise it if the file is meant to be as large"
        )


def _turn_upright(image: np.ndarray, orientation: int) -> np.ndarray:
    """Exif 2.3, 4.6.4: which edges of the scene the first row and column of the file are."""
    if orientation >= 5:
        image = image.swapaxes(0, 1)
    if orientation in {3, 4, 7, 8}:
        image = image[::-1]
    if orientation in {2, 3, 6, 7}:
        image = image[:, ::-1]
    return image


def _remove_alpha(image: np.ndarray, opacity: np.ndarray, alpha: str) -> np.ndarray:
    full = int(np.iinfo(image.dtype).max)
    if alpha == "drop" or (opacity == full).all():
        return image
    if alpha == "error":
        raise ImageError(
            "the image is transparent in places; say what it lies on with alpha='white' or "
            "'black', or ignore that with alpha='drop'"
        )
    background = full if alpha == "white" else 0
    opacity = opacity.astype(np.uint32)  # which holds 65535^2 and a half
    mixed = image * opacity + background * (full - opacity)
    return ((mixed + full // 2) // full).astype(image.dtype)
