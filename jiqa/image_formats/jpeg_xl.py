"""The header of JPEG XL (ISO/IEC 18181-1, annex D): numbers of a few bits each."""

import struct
from fractions import Fraction
from typing import BinaryIO

from jiqa.image_formats.header import Header, ImageError, damaged, several, take

HEADER_BYTES = 4096  # at most: names of channels could take more, but never do
# Width by height, by number; 0 says that the width is given.
RATIOS = [
    Fraction(*pair) for pair in ((0, 1), (1, 1), (6, 5), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
]
ENUMERATION = (0, 0), (1, 0), (2, 4), (18, 6)
ALPHA = 0


def read_header(file: BinaryIO) -> Header:
    """Reads the header of a JPEG XL, bare or in boxes."""
    bits = _Bits(_read_codestream(file))
    bits.take(16)
    height, width = _read_size(bits)
    if bits.take(1):  # all else is as usual
        return Header("JPEG XL", height, width)
    orientation = 1
    if bits.take(1):
        orientation = 1 + bits.take(3)
        if bits.take(1):
            _read_size(bits)  # wanted for display
        if bits.take(1):
            raise ImageError("the JPEG XL holds a preview; export it without")
        if bits.take(1):
            raise several("an animation")
    depth = _read_depth(bits)
    bits.take(1)
    _check_channels(bits)
    bits.take(1)
    return Header(
        "JPEG XL",
        height,
        width,
        bits=depth,
        orientation=orientation,
        color_space=None if _is_srgb(bits) else "as the header of the JPEG XL says",
    )


class _Bits:
    """Bits, the lowest of each byte first."""

    def __init__(self, content: bytes) -> None:
        self.value = int.from_bytes(content, "little")
        self.left = 8 * len(content)

    def take(self, count: int) -> int:
        """The next bits as a number."""
        self.left -= count
        if self.left < 0:
            raise damaged()
        number = self.value & ((1 << count) - 1)
        self.value >>= count
        return number

    def choose(self, *choices: tuple[int, int]) -> int:
        """A number of which two bits say how it is written: from what, and with how many bits."""
        start, count = choices[self.take(2)]
        return start + self.take(count)


def _read_codestream(file: BinaryIO) -> bytes:
    start = 0
    if file.read(2) == b"\xff\x0a":
        file.seek(0)
        return file.read(HEADER_BYTES)
    while True:
        file.seek(start)
        length, kind = struct.unpack(">I4s", take(file, 8))
        if kind in {b"jxlc", b"jxlp"}:
            take(file, 4 * (kind == b"jxlp"))  # the number of the part
            return file.read(HEADER_BYTES)
        if length < 8:
            raise damaged()
        start += length


def _read_size(bits: _Bits) -> tuple[int, int]:
    if bits.take(1):
        height, ratio = 8 * (1 + bits.take(5)), RATIOS[bits.take(3)]
        width = int(height * ratio) or 8 * (1 + bits.take(5))
        return height, width
    lengths = (1, 9), (1, 13), (1, 18), (1, 30)
    height, ratio = bits.choose(*lengths), RATIOS[bits.take(3)]
    return height, int(height * ratio) or bits.choose(*lengths)


def _read_depth(bits: _Bits) -> int:
    """Bits of an unsigned sample."""
    if bits.take(1):
        raise ImageError("the JPEG XL holds floating-point samples; convert them to 8 or 16 bits")
    depth = bits.choose((8, 0), (10, 0), (12, 0), (1, 6))
    if depth > 16:
        raise ImageError(f"the JPEG XL has {depth} bits a sample; convert it to 8 or 16 bits")
    return depth


def _check_channels(bits: _Bits) -> None:
    """Steps over the channels beside colour, of which only one, plain alpha, can be read."""
    count = bits.choose((0, 0), (1, 0), (2, 4), (1, 12))
    plain = count == 0
    if count == 1:
        plain = bool(bits.take(1))  # all is as usual: alpha of 8 bits
        if not plain and bits.choose(*ENUMERATION) == ALPHA:
            _read_depth(bits)
            bits.choose((0, 0), (3, 0), (4, 0), (1, 3))  # how much coarser it is
            bits.take(8 * bits.choose((0, 0), (0, 4), (16, 5), (48, 10)))  # its name
            plain = not bits.take(1)  # not multiplied with the colours
    if not plain:
        raise ImageError(
            "the JPEG XL has channels that are neither colour nor plain (unassociated) alpha; "
            "export it without them"
        )


def _is_srgb(bits: _Bits) -> bool:
    """Whether colours are sRGB, or grey with the curve of sRGB."""
    if bits.take(1):  # as usual
        return True
    has_profile, space = bits.take(1), bits.choose(*ENUMERATION)
    if has_profile or space > 1:
        return False
    white_is_d65 = bits.choose(*ENUMERATION) == 1
    primaries_are_srgb = white_is_d65 and (space == 1 or bits.choose(*ENUMERATION) == 1)
    return primaries_are_srgb and not bits.take(1) and bits.choose(*ENUMERATION) == 13
