"""PNG (W3C Recommendation, third edition): the header's chunks, and a writer."""

import io
import struct
import zlib
from typing import BinaryIO

import numpy as np

from jiqa.image_formats.header import (
    LONGEST_PART,
    Header,
    damaged,
    name_color_space,
    several,
    take,
)
from jiqa.image_formats.tiff import read_orientation

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, RGB, PALETTE, RGBA = 0, 2, 3, 6
WANTED = {b"IHDR", b"PLTE", b"tRNS", b"acTL", b"cICP", b"eXIf", b"iCCP"}
UP = 2  # the filter that stores differences from the row above
SRGB = b"\x01\x0d"  # as the cICP chunk says it


def read_header(file: BinaryIO) -> Header:
    """Reads the header of a PNG. Metadata after the pixels do not count, as in browsers."""
    file.seek(len(SIGNATURE))
    chunks: dict[bytes, bytes] = {}
    while (chunk := struct.unpack(">I4s", take(file, 8)))[1] != b"IDAT":
        length, kind = chunk
        if kind not in WANTED:
            file.seek(length + 4, io.SEEK_CUR)  # 4: the checksum
            continue
        chunks[kind] = take(file, length)
        if _chunk(kind, chunks[kind])[-4:] != take(file, 4):
            raise damaged()
    width, height, bits, color = struct.unpack_from(">IIBB", chunks.get(b"IHDR", b""))
    if b"acTL" in chunks and struct.unpack_from(">I", chunks[b"acTL"]) != (1,):
        raise several("an animation")
    if b"cICP" in chunks:  # it counts before a profile
        chunks.pop(b"iCCP", None)
    return Header(
        "PNG",
        height,
        width,
        bits=max(bits, 8),
        orientation=read_orientation(chunks.get(b"eXIf", b"")),
        profile=_inflate_profile(chunks[b"iCCP"]) if b"iCCP" in chunks else None,
        color_space=name_color_space(*struct.unpack_from("BB", chunks.get(b"cICP", SRGB))),
        plain=bits == 8 and color in {GREY, RGB, RGBA} and b"tRNS" not in chunks,
        start=SIGNATURE + b"".join(_chunk(*each) for each in _choose_essential(chunks, color)),
        pixels_at=file.tell() - 8,
    )


def _choose_essential(chunks: dict[bytes, bytes], color: int) -> list[tuple[bytes, bytes]]:
    """The chunks that pixels depend on; of others libpng prints what displeases it."""
    kinds = [b"IHDR"]
    if color == PALETTE:
        kinds.append(b"PLTE")
    entries = len(chunks.get(b"PLTE", b"")) // 3
    lengths = {GREY: {2}, RGB: {6}, PALETTE: set(range(1, entries + 1))}
    if b"tRNS" in chunks and color in lengths:
        kinds.append(b"tRNS")
        if len(chunks[b"tRNS"]) not in lengths[color]:
            raise damaged()
    return [(kind, chunks[kind]) for kind in kinds if kind in chunks]


def _inflate_profile(chunk: bytes) -> bytes:
    """The profile, which follows a name, a zero and the number of the only compression method."""
    compressed = chunk.partition(b"\0")[2][1:]
    try:
        return zlib.decompressobj().decompress(compressed, LONGEST_PART)
    except zlib.error:
        return b""


def encode(image: np.ndarray) -> bytes:
    """Encodes an image as PNG.

    Args:
        image: uint8 or uint16 `[H, W]`, `[H, W, 1]` or `[H, W, 3]`.

    Returns:
        The content of the file.
    """
    height, width = image.shape[:2]
    color = RGB if image.shape[2:] == (3,) else GREY
    rows = image.astype(image.dtype.newbyteorder(">")).reshape(height, -1).view(np.uint8)
    filtered = np.full((height, 1 + rows.shape[1]), UP, np.uint8)
    filtered[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    shape = struct.pack(">IIBBBBB", width, height, 8 * image.dtype.itemsize, color, 0, 0, 0)
    pixels = zlib.compress(filtered.tobytes())
    return SIGNATURE + _chunk(b"IHDR", shape) + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)
