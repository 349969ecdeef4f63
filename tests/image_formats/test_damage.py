"""Whatever a file holds, it is read right or gives the one error, which names it."""

import contextlib
import struct
import sys
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest

from jiqa.image_formats import decoding, read_header
from jiqa.images import ImageError, image_size, read_image
from tests.image_formats import samples

FILES = samples.every_format()
# What follows the pixels of a PNG: two checksums and the end. Other formats are read to their end.
TAIL = {"png": 24}


@pytest.fixture(params=["imagecodecs", "pillow"], autouse=True)
def _decoder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reads with imagecodecs and as if it were not installed."""
    if request.param == "pillow":
        monkeypatch.setattr(decoding, "imagecodecs", lambda: None)


@pytest.fixture(autouse=True)
def _no_warnings(recwarn: pytest.WarningsRecorder):
    yield
    assert not recwarn.list


def fails(path: Path, message: str = ".", **options) -> None:
    """Reading gives the error, which names the file."""
    with pytest.raises(ImageError, match=message) as caught:
        read_image(path, **options)
    assert str(caught.value).startswith(f"{path}: ")


def attempt(path: Path, read: Callable[[Path], Any]) -> Any:
    """What reading gives; or None if it gives the error, which names the file."""
    try:
        return read(path)
    except ImageError as error:
        message = str(error)
    assert message.startswith(f"{path}: ")
    return None


@pytest.mark.parametrize("name", FILES)
def test_cut_off(tmp_path, name):
    path, content = tmp_path / name, FILES[name]
    path.write_bytes(content)
    end = len(content) - TAIL.get(path.suffix[1:], 1)
    for length in {1, 2, 3, 8, 12, 20, 30, 60, *np.linspace(90, end, 12, dtype=int)}:
        path.write_bytes(content[: min(length, end)])
        fails(path)
        attempt(path, image_size)  # which may have all it needs


@pytest.mark.parametrize("name", FILES)
def test_wrong_bytes(tmp_path, name, rng):
    path, content = tmp_path / name, FILES[name]
    for trial in range(60):
        damaged = bytearray(content)
        for place in rng.integers(0, len(damaged) if trial % 2 else 80, 3):
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged)
        image = attempt(path, partial(read_image, alpha="drop", max_pixels=10**6))
        if image is not None:
            assert image.shape[2] in {1, 3}
            assert image.dtype in (np.uint8, np.uint16)


def announce(name: str, old: bytes, new: bytes) -> bytes:
    """A file with another size in its header."""
    assert FILES[name].count(old) == 1
    return FILES[name].replace(old, new)


def jpeg_xl_header(size: int) -> bytes:
    """The size of a square in JPEG XL: not small, one of 18 bits, and as wide as high."""
    bits = 0b10 << 1 | (size - 1) << 3 | 1 << 21
    return b"\xff\x0a" + (bits | 1 << 24).to_bytes(4, "little")


BOMBS = {
    "a.png": samples.png(np.broadcast_to(0, (60000, 60000)), bits=8, color=2, rows=b"rows"),
    "a.jpg": announce("rgb.jpg", struct.pack(">HH", 20, 28), struct.pack(">HH", 60000, 60000)),
    "a.tif": announce(
        "rgb.tif",
        struct.pack("<HHIIHHII", 256, 4, 1, 28, 257, 4, 1, 20),
        struct.pack("<HHIIHHII", 256, 4, 1, 60000, 257, 4, 1, 60000),
    ),
    "a.webp": announce("rgb.webp", struct.pack("<HH", 28, 20), struct.pack("<HH", 16383, 16383)),
    "a.bmp": announce("rgb.bmp", struct.pack("<ii", 28, 20), struct.pack("<ii", 60000, 60000)),
    "a.jxl": jpeg_xl_header(60000) + bytes(40),
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_not_decoded(tmp_path, name, monkeypatch):
    path = tmp_path / name
    path.write_bytes(BOMBS[name])
    size = 16383 if name == "a.webp" else 60000  # the most that WebP can say
    assert image_size(path) == (size, size)
    monkeypatch.setattr("jiqa.images.decode", None)  # calling it would be another error
    fails(path, "more than max_pixels=200000000; raise it")


def test_header_without_checksum_is_damaged(tmp_path):
    content = bytearray(FILES["rgb.png"])
    content[19] ^= 1  # the width
    path = tmp_path / "a.png"
    path.write_bytes(content)
    fails(path, "damaged or cut off in its header")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"empty \(0 bytes\)"),
        (b"Dear reader,\n" * 9, "no PNG, JPEG, TIFF"),
        (bytes(range(200, 256)) * 9, "no PNG, JPEG, TIFF"),
        (b"BM is how this text begins" * 9, "damaged"),
        (b"GIF89a" + bytes(90), "convert it to PNG"),
        (b"\0\0\0\x18ftypheic" + bytes(90), "convert it to PNG"),
        (b"\x89PNG\r\n\x1a\n" + bytes(90), "damaged"),
        (b"\xff\xd8\xff\xd9" + bytes(90), "damaged"),
        (b"II*\0\xff\xff\xff\xff", "damaged"),
        (b"II*\0\x08\0\0\0\0\0\0\0\0\0", "damaged"),
        (b"\xff\x0a", "damaged"),
        (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(90), "damaged"),
        (b"\0\0\0\x1cftypavif" + bytes(90), "damaged"),
    ],
)
def test_what_is_no_image(tmp_path, content, message):
    path = tmp_path / "image.png"
    path.write_bytes(content)
    fails(path, message)


def test_no_file(tmp_path):
    fails(tmp_path / "missing.png", "there is no such file")
    fails(tmp_path, "this is a folder")
    with pytest.raises(ImageError, match="there is no such file"):
        image_size(tmp_path / "missing.png")


def test_other_errors_of_the_file_system(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    fails(tmp_path / "a.png", "Permission denied")


def test_shape_other_than_announced_is_an_error(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    path.write_bytes(FILES["rgb.png"])
    monkeypatch.setattr(decoding, "_run_decoder", lambda *_: np.zeros((20, 27, 3), np.uint8))
    fails(path, "holds 20 x 27 pixels of uint8, its header says 20 x 28")


def test_no_memory_is_said(tmp_path, monkeypatch):
    def fill(*_):
        raise MemoryError

    path = tmp_path / "a.png"
    path.write_bytes(FILES["rgb.png"])
    monkeypatch.setattr(decoding, "_run_decoder", fill)
    fails(path, "not enough memory")


def test_decoders_get_no_metadata_to_complain_of(tmp_path):
    # libpng would print what is wrong with these.
    chunks = [(b"gAMA", b""), (b"sBIT", b"\x09"), (b"zTXt", b"x"), (b"eXIf", b"x")]
    path = tmp_path / "a.png"
    path.write_bytes(samples.png(samples.smooth(), *chunks, bits=8, color=2))
    np.testing.assert_array_equal(read_image(path), samples.smooth())
    with open(path, "rb") as file:
        assert read_header(file).start == path.read_bytes()[:33]


def test_long_text_of_a_png_is_not_inflated(tmp_path):
    text = b"text\0\0" + zlib.compress(bytes(10**8))
    path = tmp_path / "a.png"
    path.write_bytes(samples.png(samples.smooth(), (b"zTXt", text), bits=8, color=2))
    np.testing.assert_array_equal(read_image(path), samples.smooth())


def test_damaged_files_use_up_no_references():
    content = imagecodecs.png_encode(samples.pixels(9, 9, dtype="uint16"))[:-30]
    before = sys.getrefcount(None)
    for _ in range(2000):
        with contextlib.suppress(imagecodecs.PngError):
            decoding._decode_png(imagecodecs, content)
    assert sys.getrefcount(None) > before - 1000
