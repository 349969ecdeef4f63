"""The header of AVIF (AV1 Image File Format), which Pillow reads all but depth and colour of."""

import re
import struct
from typing import BinaryIO

from jiqa.image_formats.header import (
    Header,
    ImageError,
    damaged,
    name_color_space,
    several,
    take,
)
from jiqa.image_formats.tiff import read_orientation

# Flags of the box "av1C": more than 8 bits, and 12 bits.
DEPTHS = {0x00: 8, 0x20: 8, 0x40: 10, 0x60: 12}


def read_header(file: BinaryIO) -> Header:
    """Reads the header of an AVIF."""
    from PIL import AvifImagePlugin

    description = _read_description(file)
    file.seek(0)
    try:
        picture = AvifImagePlugin.AvifImageFile(file)
    except Exception as error:  # it raises what it likes on damaged files
        raise ImageError(f"the AVIF cannot be read ({error}); copy or export it again") from error
    if getattr(picture, "n_frames", 1) > 1:
        raise several("an animation")
    flags = re.findall(rb"av1C..(.)", description, re.DOTALL)
    color = re.search(rb"colrnclx(....)", description, re.DOTALL)
    return Header(
        "AVIF",
        picture.height,
        picture.width,
        bits=max((DEPTHS[each[0] & 0x60] for each in flags), default=8),
        orientation=read_orientation(picture.info.get("exif", b"").removeprefix(b"Exif\0\0")),
        profile=picture.info.get("icc_profile"),
        color_space=name_color_space(*struct.unpack(">HH", color[1])) if color else None,
    )


def _read_description(file: BinaryIO) -> bytes:
    """The content of the box that describes the images."""
    start = 0
    while True:
        file.seek(start)
        length, kind = struct.unpack(">I4s", take(file, 8))
        if length < 8:
            raise damaged()
        if kind == b"meta":
            return take(file, length - 8)
        start += length
