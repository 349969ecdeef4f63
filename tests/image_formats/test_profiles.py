"""Colours are converted to sRGB as colorimetry says, and only where they are not sRGB."""

import io
import re
import struct
import zlib

import imagecodecs
import numpy as np
import pytest
from PIL import Image, ImageCms

from jiqa.image_formats.header import Header
from jiqa.image_formats.profiles import convert_to_srgb
from jiqa.images import ImageError
from tests.image_formats.samples import (
    PRIMARIES,
    SRGB,
    encode,
    pixels,
    png,
    rgb_profile,
    smooth,
    with_orientation,
)

LAB = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()


def to_srgb(image: np.ndarray, primaries: str, gamma: float) -> np.ndarray:
    """The textbook: decode, change primaries, encode; in the range of the dtype, not rounded."""

    def matrix(name: str) -> np.ndarray:
        to_xyz = np.array([[x / y, 1, (1 - x - y) / y] for x, y, _ in chunks(PRIMARIES[name])]).T
        white = np.array([0.3127 / 0.3290, 1, (1 - 0.3127 - 0.3290) / 0.3290])
        return to_xyz * np.linalg.solve(to_xyz, white)

    def chunks(values: list[float]) -> list[list[float]]:
        return [values[start : start + 3] for start in (0, 3, 6)]

    full = np.iinfo(image.dtype).max
    change = np.linalg.solve(matrix("srgb"), matrix(primaries))
    linear = np.clip((image / full) ** gamma @ change.T, 0, 1)
    low = linear <= 0.0031308
    return full * np.where(low, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def with_profile(image: np.ndarray, profile: bytes, color: int) -> bytes:
    """A PNG of 8 or 16 bits with a profile."""
    stored = image.astype(image.dtype.newbyteorder(">"))
    chunk = (b"iCCP", b"name\0\0" + zlib.compress(profile))
    return png(stored, chunk, bits=8 * image.itemsize, color=color)


@pytest.mark.parametrize("suffix", ["png", "tiff", "webp"])
def test_srgb_changes_nothing(read, suffix):
    options = {"lossless": True} if suffix == "webp" else {}
    image = pixels(20, 28, 3)
    file = encode(image, suffix, icc_profile=SRGB, **options)
    for rule in ("srgb", "keep", "error"):
        np.testing.assert_array_equal(read(file, color_profile=rule), image)


def test_srgb_of_few_steps_is_srgb(read):
    steps = np.linspace(0, 1, 64)
    low = steps <= 0.04045
    curve = np.where(low, steps / 12.92, ((steps + 0.055) / 1.055) ** 2.4)
    profile = imagecodecs.cms_profile(
        "rgb",
        whitepoint=[0.3127, 0.3290, 1.0],
        primaries=PRIMARIES["srgb"],
        transferfunction=np.round(curve * 65535).astype(np.uint16),
    )
    image = pixels(20, 28, 3)
    np.testing.assert_array_equal(read(with_profile(image, profile, 2)), image)


@pytest.mark.parametrize("primaries", ["p3", "swapped"])
@pytest.mark.parametrize(("dtype", "tolerance"), [("uint8", 1), ("uint16", 0.25 * 257)])
def test_other_profiles_are_converted(read, primaries, dtype, tolerance):
    # LittleCMS works with curves of 4096 steps: a quarter of a level of 255, and rounding.
    image = pixels(20, 28, 3, dtype=dtype)
    file = with_profile(image, rgb_profile(primaries), 2)
    converted, expected = read(file), to_srgb(image, primaries, 2.2)
    assert converted.dtype == dtype
    np.testing.assert_allclose(converted, expected, atol=tolerance)
    assert np.abs(expected - image).max() > 20 * tolerance
    np.testing.assert_array_equal(read(file, color_profile="keep"), image)
    with pytest.raises(ImageError, match="color_profile='srgb'"):
        read(file, color_profile="error")


@pytest.mark.parametrize("suffix", ["jpeg", "tiff", "webp", "avif"])
def test_profiles_of_every_format(read, suffix):
    profile = rgb_profile("swapped")
    options = {"lossless": True} if suffix == "webp" else {}
    file = encode(smooth(), suffix, icc_profile=profile, **options)
    stored = read(file, color_profile="keep")
    np.testing.assert_allclose(read(file), to_srgb(stored, "swapped", 2.2), atol=1)


def test_profile_of_bmp(read):
    image, profile = pixels(4, 4, 3), rgb_profile("swapped")
    rows = np.ascontiguousarray(image[::-1, :, ::-1]).tobytes()
    fields = struct.pack("<IiiHHIIIIII", 124, 4, 4, 1, 24, 0, len(rows), 0, 0, 0, 0)
    fields += bytes(16) + b"DEBM" + bytes(48) + struct.pack("<IIII", 4, 124 + 48, len(profile), 0)
    file = b"BM" + struct.pack("<IHHI", 14 + 124 + 48 + len(profile), 0, 0, 14 + 124)
    stored = file + fields + rows + profile
    np.testing.assert_array_equal(read(stored, color_profile="keep"), image)
    np.testing.assert_allclose(read(stored), to_srgb(image, "swapped", 2.2), atol=1)


def test_profile_in_several_segments_of_jpeg(read):
    profile = rgb_profile("swapped") + bytes(70000)
    profile = struct.pack(">I", len(profile)) + profile[4:]
    file = encode(smooth(), "jpeg", icc_profile=profile)
    stored = read(file, color_profile="keep")
    np.testing.assert_allclose(read(file), to_srgb(stored, "swapped", 2.2), atol=1)
    second = file.index(b"ICC_PROFILE\0\2")
    with pytest.raises(ImageError, match="damaged"):
        read(file[:second] + b"ICC_NOTHING\0\2" + file[second + 13 :])


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("profile", ["gray", "rgb"])
def test_grey(read, dtype, profile):
    image = pixels(20, 28, 1, dtype=dtype)
    content = (
        imagecodecs.cms_profile("gray", whitepoint=[0.3457, 0.3585, 1.0], gamma=1.8)
        if profile == "gray"
        else rgb_profile("p3", 1.8)
    )
    converted = read(with_profile(image, content, 0))
    expected = to_srgb(np.repeat(image, 3, axis=-1), "srgb", 1.8)[..., :1]
    assert converted.shape == (20, 28, 1)
    # LittleCMS goes through 8-bit lightness for 8-bit grey: two roundings.
    tolerance = 2 if dtype == "uint8" else 0.25 * 257
    np.testing.assert_allclose(converted, expected, atol=tolerance)


def test_alpha_is_not_converted_and_the_image_is_turned_after(read):
    image = pixels(9, 7, 4)
    profile = rgb_profile("swapped")
    file = encode(image, "png", icc_profile=profile, exif=with_orientation(3))
    expected = to_srgb(image[..., :3], "swapped", 2.2)[::-1, ::-1]
    opacity = image[::-1, ::-1, 3:] / 255
    np.testing.assert_allclose(read(file, alpha="drop"), expected, atol=1)
    np.testing.assert_allclose(read(file, alpha="black"), expected * opacity, atol=1.5)


def ink_profile() -> bytes:
    """A CMYK profile of an odd press: black ink darkens and all others leave no trace."""
    lab = [
        value
        for ink in range(16)  # two steps an ink, black the fastest
        for value in ((1 - ink % 2) * 0xFF00, 0x8000, 0x8000)
    ]
    identity = struct.pack(
        ">9i", *(65536 * (row == column) for row in range(3) for column in range(3))
    )
    table = b"mft2" + struct.pack(">IBBBx", 0, 4, 3, 2) + identity + struct.pack(">HH", 2, 2)
    table += struct.pack(">8H", *(0, 65535) * 4) + struct.pack(">48H", *lab)
    table += struct.pack(">6H", *(0, 65535) * 3)
    start = 128 + 4 + 12
    header = struct.pack(
        ">I4sI4s4s4s", start + len(table), b"", 0x02400000, b"prtr", b"CMYK", b"Lab "
    )
    header += bytes(12) + b"acsp" + bytes(28) + struct.pack(">III", 0xF6D6, 0x10000, 0xD32D)
    header += bytes(128 - len(header))
    return header + struct.pack(">I4sII", 1, b"A2B0", start, len(table)) + table


@pytest.mark.parametrize(
    ("ink", "formula", "press"),
    [
        ((255, 0, 0, 0), (0, 255, 255), (255, 255, 255)),
        ((0, 0, 0, 255), (0, 0, 0), (0, 0, 0)),
    ],
)
def test_inks_follow_their_profile(ink, formula, press):
    image = np.tile(np.array(ink, np.uint8), (2, 2, 1))
    header = Header("JPEG", 2, 2, cmyk=True, profile=ink_profile())
    np.testing.assert_allclose(convert_to_srgb(image, header, "srgb")[0, 0], press, atol=1)
    np.testing.assert_array_equal(convert_to_srgb(image, header, "keep")[0, 0], formula)
    with pytest.raises(ImageError, match="not sRGB"):
        convert_to_srgb(image, header, "error")


def test_inks_with_profile_from_a_file(read):
    file = io.BytesIO()
    picture = Image.new("CMYK", (16, 16), (255, 0, 0, 0))
    picture.save(file, "jpeg", icc_profile=ink_profile())
    np.testing.assert_allclose(read(file.getvalue()), 255, atol=1)
    picture.save(file := io.BytesIO(), "jpeg", icc_profile=SRGB)
    with pytest.raises(
        ImageError, match=r"profile \(RGB\) cannot be applied to the image \(CMYK\)"
    ):
        read(file.getvalue())


@pytest.mark.parametrize(
    "profile", [b"", b"nothing", SRGB[:200], LAB], ids=["empty", "text", "cut off", "Lab"]
)
def test_profiles_that_cannot_be_applied_are_errors(read, profile):
    image = pixels(4, 4, 3)
    file = with_profile(image, profile, 2)
    with pytest.raises(ImageError, match=r"cannot be applied .* color_profile='keep'"):
        read(file)
    np.testing.assert_array_equal(read(file, color_profile="keep"), image)


def test_grey_profile_of_an_rgb_image_is_an_error(read):
    profile = imagecodecs.cms_profile("gray", whitepoint=[0.3457, 0.3585, 1.0], gamma=1.8)
    with pytest.raises(
        ImageError, match=r"profile \(GRAY\) cannot be applied to the image \(RGB\)"
    ):
        read(with_profile(pixels(4, 4, 3), profile, 2))


def test_profile_that_does_not_inflate_is_an_error(read):
    file = png(pixels(4, 4, 3), (b"iCCP", b"name\0\0nothing"), bits=8, color=2)
    with pytest.raises(ImageError, match="damaged"):
        read(file)


@pytest.mark.parametrize(
    "file",
    [
        png(pixels(4, 4, 3), (b"cICP", b"\x09\x10\0\1"), bits=8, color=2),
        re.sub(
            rb"colrnclx....",
            b"colrnclx\0\x09\0\x10",
            imagecodecs.avif_encode(pixels(8, 8, 3)),
            flags=re.S,
        ),
        imagecodecs.jpegxl_encode(pixels(4, 4, 3, dtype="uint16")),  # linear, by its encoder
    ],
    ids=["png", "avif", "jxl"],
)
def test_named_color_spaces_other_than_srgb(read, file):
    with pytest.raises(ImageError, match=r"not sRGB .* color_profile='keep'"):
        read(file)
    assert read(file, color_profile="keep").shape[-1] == 3


def test_named_srgb_counts_before_a_profile(read):
    image = pixels(4, 4, 3)
    profile = (b"iCCP", b"name\0\0" + zlib.compress(rgb_profile("swapped")))
    file = png(image, (b"cICP", b"\x01\x0d\0\1"), profile, bits=8, color=2)
    np.testing.assert_array_equal(read(file), image)
