"""Small image files of every format, made in memory."""

import io
import struct
import zlib
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from PIL import Image, ImageCms

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
PRIMARIES = {
    "srgb": [0.64, 0.33, 1, 0.30, 0.60, 1, 0.15, 0.06, 1],
    "p3": [0.68, 0.32, 1, 0.265, 0.69, 1, 0.15, 0.06, 1],
    "swapped": [0.30, 0.60, 1, 0.64, 0.33, 1, 0.15, 0.06, 1],
}


def pixels(*shape: int, dtype: str = "uint8", seed: int = 0) -> np.ndarray:
    """Random samples over the full range."""
    generator = np.random.default_rng(seed)
    return generator.integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


def smooth(height: int = 20, width: int = 28) -> np.ndarray:
    """An RGB image that lossy formats change little."""
    rows, columns = np.mgrid[0:height, 0:width]
    planes = (6 * rows + 60, 5 * columns + 40, 3 * (rows + columns) + 20)
    return np.stack(planes, axis=-1).astype(np.uint8)


def encode(image: np.ndarray, suffix: str, *, mode: str | None = None, **options: Any) -> bytes:
    """The image as Pillow writes it, in a mode if one is given."""
    picture = Image.fromarray(image)
    file = io.BytesIO()
    (picture.convert(mode) if mode else picture).save(file, suffix, **options)
    return file.getvalue()


def tiff(image: np.ndarray, **options: Any) -> bytes:
    """The image as tifffile writes it."""
    file = io.BytesIO()
    color = "rgb" if image.ndim == 3 else "minisblack"
    tifffile.imwrite(file, image, **{"photometric": color, **options})
    return file.getvalue()


def with_orientation(orientation: int) -> Image.Exif:
    """Exif that says how the image is turned."""
    exif = Image.Exif()
    exif[274] = orientation
    return exif


def rgb_profile(name: str, gamma: float = 2.2) -> bytes:
    """An ICC profile of an RGB space with white D65."""
    return imagecodecs.cms_profile(
        "rgb", whitepoint=[0.3127, 0.3290, 1.0], primaries=PRIMARIES[name], gamma=gamma
    )


def png(
    image: np.ndarray, *chunks: tuple[bytes, bytes], bits: int, color: int, rows: bytes = b""
) -> bytes:
    """A PNG by hand: samples unfiltered, with more chunks before them."""
    height, width = image.shape[:2]
    rows = rows or b"".join(b"\0" + row.tobytes() for row in image)
    header = struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, 0)
    pieces = (b"IHDR", header), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*piece) for piece in pieces)


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + checksum


def every_format() -> dict[str, bytes]:
    """A file of each kind that is read, by a name that ends in its suffix."""
    rgb, deep = smooth(), pixels(20, 28, 3, dtype="uint16")
    palette = np.asarray(Image.fromarray(rgb).quantize(9).convert("RGB"))
    return {
        "rgb.png": encode(rgb, "png"),
        "palette.png": encode(palette, "png", mode="P"),
        "deep.png": imagecodecs.png_encode(deep),
        "rgb.jpg": encode(rgb, "jpeg"),
        "progressive.jpg": encode(rgb, "jpeg", progressive=True),
        "cmyk.jpg": encode(rgb, "jpeg", mode="CMYK"),
        "rgb.tif": encode(rgb, "tiff"),
        "lzw.tif": encode(rgb, "tiff", compression="tiff_lzw"),
        "deep.tif": tiff(deep),
        "rgb.webp": encode(rgb, "webp"),
        "lossless.webp": encode(rgb, "webp", lossless=True, exif=with_orientation(6)),
        "rgb.bmp": encode(rgb, "bmp"),
        "rgb.avif": encode(rgb, "avif"),
        "ten.avif": imagecodecs.avif_encode(deep // 64, bitspersample=10),
        "rgb.jxl": imagecodecs.jpegxl_encode(rgb),
        "lossless.jxl": imagecodecs.jpegxl_encode(rgb, lossless=True),
    }
