"""From the content of an image file to the samples it stores."""

import ctypes
import functools
import io
from types import ModuleType
from typing import Any, BinaryIO

import numpy as np

from jiqa.image_formats.header import Header, ImageError

END_OF_JPEG = b"\xff\xd9"


@functools.cache
def imagecodecs() -> ModuleType | None:
    """The package imagecodecs, or None if it is not installed."""
    try:
        import imagecodecs
    except ImportError:
        return None
    return imagecodecs


def decode(file: BinaryIO, header: Header) -> np.ndarray:
    """Decodes an image.

    Args:
        file: The file, open for reading.
        header: What its header says.

    Returns:
        All samples as stored, neither turned nor converted, uint8 or uint16 `[H, W, C]` in full
        range. C is 1 to 4: grey or RGB with or without alpha, or CMYK with 255 for all of an ink.

    Raises:
        ImageError: The file is damaged, or of a kind that cannot be read here.
    """
    file.seek(header.pixels_at)
    content = header.start + file.read()
    try:
        image = _run_decoder(content, header)
    except ImageError:
        raise
    except MemoryError as error:
        raise ImageError("there is not enough memory for the image; free some") from error
    except Exception as error:  # decoders raise what they like on damaged files
        raise ImageError(
            f"the {header.format} is damaged or cut off ({error}); copy or export it again"
        ) from error
    if image.ndim == 2:
        image = image[..., None]
    if header.bits not in {8, 16}:
        image = _stretch(image, header.bits)
    dtype = np.dtype(np.uint8 if header.bits <= 8 else np.uint16)
    if image.shape[:2] != (header.height, header.width) or image.dtype != dtype:
        raise ImageError(
            f"the {header.format} holds {image.shape[0]} x {image.shape[1]} pixels of "
            f"{image.dtype}, its header says {header.height} x {header.width} of {dtype}; "
            "export it again"
        )
    return np.invert(image) if header.white_is_zero else image


def _run_decoder(content: bytes, header: Header) -> np.ndarray:
    """The faster of the decoders that read the file exactly."""
    codecs = imagecodecs()
    match header.format:
        case "PNG" if codecs and header.bits > 8:
            return _decode_png(codecs, content)
        case "PNG" if codecs and header.plain:
            return codecs.spng_decode(content)
        case "JPEG" if codecs and not header.cmyk:
            # Of a file that is cut off, it would return what there is, and grey for the rest.
            if content.rfind(END_OF_JPEG, len(header.start)) < 0:
                raise ImageError("the JPEG is cut off; copy or export it again")
            return codecs.jpeg8_decode(content)
        case "WebP" if codecs:
            return codecs.webp_decode(content)
        case "AVIF" if codecs and header.bits > 8:
            return codecs.avif_decode(content, index=0)
        case "TIFF" if codecs:
            image = codecs.tiff_decode(content)
            return np.moveaxis(image, 0, -1) if header.separate and image.ndim == 3 else image
        case "JPEG XL" if codecs:
            return codecs.jpegxl_decode(content, keeporientation=True)
        case _ if header.bits > 8 or header.format in {"TIFF", "JPEG XL"}:
            raise ImageError(
                f"a {header.format} of {header.bits} bits a sample needs imagecodecs: "
                "pip install 'jiqa[image]'"
            )
    return _decode_with_pillow(content, header)


def _decode_png(codecs: ModuleType, content: bytes) -> np.ndarray:
    """Decodes by libpng, but keeps count of None.

    With every error imagecodecs 2026.3.6 takes away a reference to None, and the interpreter
    aborts when, before Python 3.12, some thousand damaged files have used them up.
    """
    try:
        return codecs.png_decode(content)
    except codecs.PngError:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(None))
        raise


def _decode_with_pillow(content: bytes, header: Header) -> np.ndarray:
    """Decodes by a plugin of Pillow; the limits and warnings of `Image.open` are global."""
    from PIL import (
        AvifImagePlugin,
        BmpImagePlugin,
        JpegImagePlugin,
        PngImagePlugin,
        WebPImagePlugin,
    )

    plugins: dict[str, Any] = {
        "AVIF": AvifImagePlugin.AvifImageFile,
        "BMP": BmpImagePlugin.BmpImageFile,
        "JPEG": JpegImagePlugin.JpegImageFile,
        "PNG": PngImagePlugin.PngImageFile,
        "WebP": WebPImagePlugin.WebPImageFile,
    }
    picture = plugins[header.format](io.BytesIO(content))
    if "transparency" in picture.info:
        return np.array(picture.convert("LA" if picture.mode in {"1", "L"} else "RGBA"))
    if picture.mode in {"1", "P"}:
        return np.array(picture.convert("L" if picture.mode == "1" else "RGB"))
    return np.array(picture)


def _stretch(image: np.ndarray, bits: int) -> np.ndarray:
    """Samples of a depth between, rounded to the full range of uint8 or uint16.

    >>> _stretch(np.array([0, 512, 1023], np.uint16), 10)
    array([    0, 32800, 65535], dtype=uint16)
    """
    dtype = np.uint8 if bits < 8 else np.uint16
    full, highest = int(np.iinfo(dtype).max), 2**bits - 1
    return ((image.astype(np.uint32) * full + highest // 2) // highest).astype(dtype)
