"""The header of WebP (RFC 9649): chunks of a RIFF file."""

import struct
from typing import BinaryIO

from jiqa.image_formats.header import Header, damaged, several, take
from jiqa.image_formats.tiff import read_orientation

ANIMATION, PROFILE_OR_EXIF = 0x02, 0x28


def read_header(file: BinaryIO) -> Header:
    """Reads the header of a WebP."""
    (length,) = struct.unpack_from("<I", take(file, 12), 4)
    end = 8 + length
    kind, length = struct.unpack("<4sI", take(file, 8))
    start = file.tell()
    width, height, flags = _read_size(kind, file.read(10))
    if flags & ANIMATION:
        raise several("an animation")
    chunks: dict[bytes, bytes] = {}
    while flags & PROFILE_OR_EXIF and (start := start + length + length % 2) < end:
        file.seek(start)
        kind, length = struct.unpack("<4sI", take(file, 8))
        start += 8
        if kind in {b"ICCP", b"EXIF"}:
            chunks[kind] = take(file, length)
    exif = chunks.get(b"EXIF", b"").removeprefix(b"Exif\0\0")  # some writers put it there
    return Header(
        "WebP",
        height,
        width,
        orientation=read_orientation(exif),
        profile=chunks.get(b"ICCP"),
    )


def _read_size(kind: bytes, content: bytes) -> tuple[int, int, int]:
    """Width, height and the flags of what else the file holds, from the first chunk."""
    if kind == b"VP8X":
        width, height = (int.from_bytes(each, "little") for each in (content[4:7], content[7:10]))
        return 1 + width, 1 + height, content[0]
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", content, 6)
        return width & 0x3FFF, height & 0x3FFF, 0
    if kind == b"VP8L":
        (packed,) = struct.unpack_from("<I", content, 1)
        return 1 + (packed & 0x3FFF), 1 + (packed >> 14 & 0x3FFF), 0
    raise damaged()
