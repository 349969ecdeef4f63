"""What the header of an image file says, and the errors that files give."""

from dataclasses import dataclass
from typing import BinaryIO

# No part of a header is longer in an honest file; profiles are the longest.
LONGEST_PART = 2**26
# Code points of ITU-T H.273 whose colours count as sRGB: the primaries of BT.709; the curves of
# sRGB, BT.709 and BT.601, which encoders give alike for ordinary images; 2 is "unspecified".
SRGB_PRIMARIES = {1, 2}
SRGB_TRANSFERS = {1, 2, 6, 13}


class ImageError(ValueError):
    """An image file that cannot be read or written: which, why, and what to do."""


@dataclass(frozen=True)
class Header:
    """What a decoder has to know.

    Attributes:
        format: Name of the file format.
        height: Rows, as stored.
        width: Columns, as stored.
        bits: Bits of a sample; 8 for the fewer that decoders of PNG and BMP expand themselves.
        orientation: How the stored image is turned, 1 to 8, as Exif counts.
        profile: The embedded ICC profile; empty if it is damaged, None if there is none.
        color_space: A colour space other than sRGB that is named without a profile.
        cmyk: Whether the colours are inks.
        white_is_zero: Whether samples count from white to black.
        separate: Whether channels lie one after the other, as planes.
        plain: Whether a PNG holds 8 bits of grey, RGB or RGBA, without a palette or a colour that
            stands for transparency.
        start: What a decoder needs of the part before `pixels_at`, where metadata are left out.
        pixels_at: From where on it needs the whole file.
    """

    format: str
    height: int
    width: int
    bits: int = 8
    orientation: int = 1
    profile: bytes | None = None
    color_space: str | None = None
    cmyk: bool = False
    white_is_zero: bool = False
    separate: bool = False
    plain: bool = False
    start: bytes = b""
    pixels_at: int = 0

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the image turned upright."""
        upright = self.orientation < 5
        return (self.height, self.width) if upright else (self.width, self.height)


def take(file: BinaryIO, length: int) -> bytes:
    """The next bytes of a header, all of them.

    Args:
        file: The file.
        length: How many.

    Returns:
        The bytes.

    Raises:
        ImageError: The file ends before, or no honest header has as many.
    """
    if not 0 <= length <= LONGEST_PART:
        raise damaged()
    content = file.read(length)
    if len(content) < length:
        raise damaged()
    return content


def damaged() -> ImageError:
    """The error for a header that makes no sense."""
    return ImageError("the file is damaged or cut off in its header; copy or export it again")


def several(what: str) -> ImageError:
    """The error for a file with more than one image, such as "an animation"."""
    return ImageError(f"the file holds {what}; save the one image to be measured as a file")


def name_color_space(primaries: int, transfer: int) -> str | None:
    """Puts a colour space into words.

    Args:
        primaries: Code point of ITU-T H.273.
        transfer: Code point of ITU-T H.273.

    Returns:
        The words, or None for sRGB.

    >>> name_color_space(9, 16)
    'primaries 9 and transfer 16 of ITU-T H.273'
    """
    if primaries in SRGB_PRIMARIES and transfer in SRGB_TRANSFERS:
        return None
    return f"primaries {primaries} and transfer {transfer} of ITU-T H.273"
