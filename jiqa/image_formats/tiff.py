"""The header of TIFF 6.0, whose directory of tags is also how Exif is stored."""

import io
import struct
from typing import BinaryIO

from jiqa.image_formats.header import Header, ImageError, damaged, several, take

WIDTH, HEIGHT, BITS, COMPRESSION, COLOR, ORIENTATION = 256, 257, 258, 259, 262, 274
PLANES, EXTRA_SAMPLES, SAMPLE_FORMAT, PROFILE = 284, 338, 339, 34675
TAGS = {
    *(WIDTH, HEIGHT, BITS, COMPRESSION, COLOR, ORIENTATION),
    *(PLANES, EXTRA_SAMPLES, SAMPLE_FORMAT, PROFILE),
}
TYPES = {1: "B", 3: "H", 4: "I", 7: "B"}
COLORS = {3: "palette", 4: "mask", 5: "CMYK", 6: "YCbCr", 8: "CIELab", 9: "ICCLab"}
Tags = dict[int, tuple[int, ...]]


def read_header(file: BinaryIO) -> Header:
    """Reads the header of a TIFF that holds one image of unsigned grey or RGB samples."""
    tags, following = _read_directory(file)
    if following:
        raise several("several pages")
    if WIDTH not in tags or HEIGHT not in tags:
        raise damaged()
    profile = tags.get(PROFILE)
    return Header(
        "TIFF",
        tags[HEIGHT][0],
        tags[WIDTH][0],
        bits=_check_bits(tags),
        orientation=_valid_orientation(tags),
        profile=None if profile is None else bytes(profile),
        white_is_zero=_check_color(tags) == 0,
        separate=tags.get(PLANES, (1,))[0] == 2,
    )


def _check_bits(tags: Tags) -> int:
    bits = tags.get(BITS, (1,))
    if set(tags.get(SAMPLE_FORMAT, (1,))) != {1}:
        raise ImageError(
            "the TIFF holds floating-point or signed samples, whose range it does not say; "
            "convert them to 8 or 16 bits"
        )
    if len(set(bits)) > 1 or not 1 <= bits[0] <= 16:
        raise ImageError(f"the TIFF has {bits} bits a sample; convert it to 8 or 16 bits")
    return bits[0]


def _check_color(tags: Tags) -> int:
    """The colour's number if it is grey or RGB, or YCbCr that JPEG decoders turn into RGB."""
    color, compression = tags.get(COLOR, (-1,))[0], tags.get(COMPRESSION, (1,))[0]
    if color not in {0, 1, 2} and (color, compression) != (6, 7):
        name = COLORS.get(color, "of an unknown colour space")
        raise ImageError(f"the TIFF is {name}; convert it to grey or RGB")
    if tags.get(EXTRA_SAMPLES, ()) not in {(), (2,)}:
        raise ImageError(
            "the TIFF has channels that are neither colour nor plain (unassociated) alpha; "
            "export it without them"
        )
    return color


def read_orientation(exif: bytes) -> int:
    r"""Reads how an image is turned.

    Args:
        exif: A block of Exif, which is a TIFF.

    Returns:
        1 to 8 as Exif counts; 1 if it is not said, or cannot be read, as viewers do.

    >>> read_orientation(struct.pack("<4sIHHHIHHI", b"II*\0", 8, 1, 274, 3, 1, 6, 0, 0))
    6
    """
    try:
        return _valid_orientation(_read_directory(io.BytesIO(exif))[0])
    except (ImageError, struct.error):
        return 1


def _valid_orientation(tags: Tags) -> int:
    orientation = tags.get(ORIENTATION, (1,))[0]
    return orientation if 1 <= orientation <= 8 else 1


def _read_directory(file: BinaryIO) -> tuple[Tags, int]:
    """The numbers in the first directory, and where the next directory is, or 0."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(take(file, 4))
    if order is None:
        raise damaged()
    file.seek(*struct.unpack(f"{order}I", take(file, 4)))
    (count,) = struct.unpack(f"{order}H", take(file, 2))
    entries = take(file, 12 * count + 4)
    tags: Tags = {}
    for entry in range(count):
        tag, kind, length, value = struct.unpack_from(f"{order}HHI4s", entries, 12 * entry)
        if tag not in TAGS or kind not in TYPES or not length:
            continue
        size = length * struct.calcsize(TYPES[kind])
        if size > 4:  # then it is not the value but where it is
            file.seek(*struct.unpack(f"{order}I", value))
            value = take(file, size)
        tags[tag] = struct.unpack(f"{order}{length}{TYPES[kind]}", value[:size])
    return tags, struct.unpack_from(f"{order}I", entries, 12 * count)[0]
