"""The header of JPEG (ITU-T T.81), with Exif and ICC profiles (ICC.1, annex B)."""

import struct
from collections.abc import Iterator
from typing import BinaryIO

from jiqa.image_formats.header import Header, ImageError, damaged, take
from jiqa.image_formats.tiff import read_orientation

APPLICATION_1, APPLICATION_2 = 0xE1, 0xE2
START_OF_SCAN, END_OF_IMAGE = 0xDA, 0xD9
# Huffman tables, a reserved marker and arithmetic conditioning lie among the starts of frames.
START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
ALONE = frozenset(range(0xD0, 0xD8)) | {0x01}  # markers without content


def read_header(file: BinaryIO) -> Header:
    """Reads the header of a JPEG: of the first image, where another or a gain map follows it."""
    frame, exif = b"", b""
    profile: dict[int, bytes] = {}
    parts = 0
    start = [take(file, 2)]
    for marker, content in _read_segments(file):
        if marker in START_OF_FRAME:
            frame = content
        if marker == APPLICATION_1 and content.startswith(b"Exif\0\0"):
            exif = exif or content[6:]
        elif marker == APPLICATION_2 and content.startswith(b"ICC_PROFILE\0"):
            number, parts = content[12:14]
            profile[number] = content[14:]
        else:
            start.append(struct.pack(">BBH", 0xFF, marker, 2 + len(content)) + content)
    bits, height, width, components = struct.unpack_from(">BHHB", frame)
    if components not in {1, 3, 4} or (components == 4 and bits > 8):
        raise ImageError(
            f"the JPEG has {components} components of {bits} bits; export it as RGB or grey"
        )
    complete = sorted(profile) == list(range(1, parts + 1))
    return Header(
        "JPEG",
        height,
        width,
        bits=bits,
        orientation=read_orientation(exif),
        profile=_join(profile) if profile and complete else b"" if profile else None,
        cmyk=components == 4,
        start=b"".join(start),
        pixels_at=file.tell(),
    )


def _join(parts: dict[int, bytes]) -> bytes:
    return b"".join(parts[number] for number in sorted(parts))


def _read_segments(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Marker and content of each segment before the pixels."""
    marker = -1
    while marker != START_OF_SCAN:
        if take(file, 1) != b"\xff":
            raise damaged()
        marker = 0xFF
        while marker == 0xFF:  # any number may come before a marker
            marker = take(file, 1)[0]
        if marker == END_OF_IMAGE:
            raise damaged()
        if marker not in ALONE:
            yield marker, take(file, struct.unpack(">H", take(file, 2))[0] - 2)
