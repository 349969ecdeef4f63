"""The header of BMP, from BITMAPCOREHEADER to BITMAPV5HEADER."""

import struct
from typing import BinaryIO

from jiqa.image_formats.header import Header, take

FILE_HEADER = 14
EMBEDDED_PROFILE = b"DEBM"  # "MBED" as a little-endian number


def read_header(file: BinaryIO) -> Header:
    """Reads the header of a BMP; a negative height only says that rows are stored top down."""
    file.seek(FILE_HEADER)
    (length,) = struct.unpack("<I", take(file, 4))
    fields = take(file, length - 4)
    width, height = struct.unpack_from("<HH" if length == 12 else "<ii", fields)
    profile = None
    if length >= 124 and fields[52:56] == EMBEDDED_PROFILE:
        offset, size = struct.unpack_from("<II", fields, 108)
        file.seek(FILE_HEADER + offset)
        profile = take(file, size)
    return Header("BMP", abs(height), width, profile=profile)
