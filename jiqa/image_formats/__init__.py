"""Image file formats, one a file: what their headers say; and how all of them are decoded.

`read_header` reads no pixels and few bytes, so that files can be sorted by size, and oversized and
unreadable ones refused before anything is decoded. `jiqa.images` is what to call.
"""

import re
import struct
from collections.abc import Callable
from typing import BinaryIO

from jiqa.image_formats import avif, bmp, jpeg, jpeg_xl, png, tiff, webp
from jiqa.image_formats.header import Header, ImageError, damaged

__all__ = ["Header", "ImageError", "read_header"]

_FORMATS: tuple[tuple[bytes, Callable[[BinaryIO], Header]], ...] = (
    (rb"\x89PNG\r\n\x1a\n", png.read_header),
    (rb"\xff\xd8\xff", jpeg.read_header),
    (rb"II\*\0|MM\0\*", tiff.read_header),
    (rb"RIFF....WEBP", webp.read_header),
    (rb"BM", bmp.read_header),
    (rb"....ftyp.*avi[fs]", avif.read_header),
    (rb"\xff\x0a|\0\0\0\x0cJXL \r\n\x87\n", jpeg_xl.read_header),
)


def read_header(file: BinaryIO) -> Header:
    """Reads the header of an image file. What it is, its content says and not its name.

    Args:
        file: The file, open for reading, at its beginning.

    Returns:
        What the header says.

    Raises:
        ImageError: A file that is no image, is damaged, or holds what jiqa does not read. The
            message does not name the file.

    >>> import io
    >>> read_header(io.BytesIO(b"BM" + struct.pack("<12xIii", 40, 4, -3) + bytes(28))).size
    (3, 4)
    """
    start = file.read(64)
    if not start:
        raise ImageError("the file is empty (0 bytes); copy or export it again")
    read = next((read for form, read in _FORMATS if re.match(form, start, re.DOTALL)), None)
    if read is None:
        raise ImageError(
            "by its content the file is no PNG, JPEG, TIFF, WebP, BMP, AVIF or JPEG XL image; "
            "convert it to PNG, or remove it"
        )
    file.seek(0)
    try:
        header = read(file)
    except (struct.error, IndexError) as error:
        raise damaged() from error
    if header.height < 1 or header.width < 1:
        raise damaged()
    return header
