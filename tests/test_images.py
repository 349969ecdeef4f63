"""What is read is what was written, in every format and by every rule."""

import io
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from jiqa import images
from jiqa.image_formats import png
from jiqa.images import ImageError, decode_image, image_size, read_image, write_png
from tests.image_formats import samples
from tests.image_formats.samples import encode, pixels, smooth, with_orientation

# How an upright image is stored, by its orientation (Exif 2.3, 4.6.4).
STORED = {
    1: lambda image: image,
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.swapaxes(0, 1),
    6: lambda image: image.swapaxes(0, 1)[::-1],
    7: lambda image: image.swapaxes(0, 1)[::-1, ::-1],
    8: lambda image: image.swapaxes(0, 1)[:, ::-1],
}


@pytest.fixture
def read(tmp_path: Path):
    """Reads the content of a file, from the disk and from memory."""

    def read(content: bytes, **options):
        path = tmp_path / "image"
        path.write_bytes(content)
        image = read_image(path, **options)
        np.testing.assert_array_equal(decode_image(content, **options), image)
        assert image_size(path) == image.shape[:2]
        assert image.flags.c_contiguous
        assert image.flags.writeable
        return image

    return read


class TestAlpha:
    @pytest.mark.parametrize("dtype", ["uint8", "uint16"])
    @pytest.mark.parametrize("channels", [1, 3])
    def test_rules(self, read, dtype, channels):
        image = pixels(9, 7, channels + 1, dtype=dtype)
        file = imagecodecs.png_encode(image)
        color, full = image[..., :-1], float(np.iinfo(dtype).max)
        opacity = image[..., -1:] / full
        np.testing.assert_array_equal(read(file, alpha="drop"), color)
        for alpha, background in (("white", full), ("black", 0.0)):
            expected = np.floor(color * opacity + background * (1 - opacity) + 0.5)
            np.testing.assert_array_equal(read(file, alpha=alpha), expected)
        with pytest.raises(ImageError, match="transparent in places"):
            read(file)

    @pytest.mark.parametrize("suffix", ["png", "webp", "tiff"])
    def test_opaque_alpha_is_dropped(self, read, suffix):
        image = pixels(9, 7, 4)
        image[..., 3] = 255
        options = {"lossless": True} if suffix == "webp" else {}
        np.testing.assert_array_equal(read(encode(image, suffix, **options)), image[..., :3])

    def test_in_jpeg_xl(self, read):
        image = pixels(9, 7, 4)
        file = imagecodecs.jpegxl_encode(image, lossless=True)
        np.testing.assert_array_equal(read(file, alpha="drop"), image[..., :3])


@pytest.mark.parametrize("suffix", ["png", "webp", "tiff", "avif", "jpeg"])
@pytest.mark.parametrize("orientation", STORED)
def test_orientation(read, suffix, orientation):
    options = {
        "webp": {"lossless": True},
        "avif": {"quality": 100, "subsampling": "4:4:4"},
        "jpeg": {"quality": 100},
    }.get(suffix, {})
    if suffix == "tiff":
        options["tiffinfo"] = {274: orientation}
    else:
        options["exif"] = with_orientation(orientation)
    upright = smooth() if suffix == "jpeg" else pixels(9, 7, 3)
    image = read(encode(np.ascontiguousarray(STORED[orientation](upright)), suffix, **options))
    # Blocks of JPEG fall differently on an image that is turned; AVIF rounds YCbCr.
    tolerance = {"jpeg": 8, "avif": 4}.get(suffix, 0)
    np.testing.assert_allclose(image.astype(int), upright, atol=tolerance)


def test_orientation_of_jpeg_xl(read):
    # libjxl's lossless file of [[0, 40, 80], [120, 160, 200]] with orientation 6 put into it.
    file = bytes.fromhex("ff0a08400b04c52d010804010034004b188b150a1d27834f10b40959")
    np.testing.assert_array_equal(read(file)[..., 0], [[120, 0], [160, 40], [200, 80]])


@pytest.mark.parametrize("suffix", ["png", "webp", "avif", "tiff"])
def test_several_images_are_an_error(read, suffix):
    first, second = (Image.fromarray(pixels(16, 16, 3, seed=seed)) for seed in (0, 1))
    file = io.BytesIO()
    first.save(file, suffix, save_all=True, append_images=[second])
    with pytest.raises(ImageError, match=r"holds (an animation|several pages)"):
        read(file.getvalue())


def test_animation_of_jpeg_xl_is_an_error(read):
    with pytest.raises(ImageError, match="holds an animation"):
        read(imagecodecs.jpegxl_encode(pixels(2, 9, 7, 3), lossless=True))


def test_content_decides_and_not_the_name(tmp_path):
    path = tmp_path / "photograph.png"
    path.write_bytes(encode(smooth(), "bmp"))
    np.testing.assert_array_equal(read_image(path), smooth())


@pytest.mark.parametrize("option", ["alpha", "color_profile"])
def test_unknown_option(tmp_path, option):
    with pytest.raises(ValueError, match=f"{option} is 'pink'; give one of 'error'|'srgb'"):
        read_image(tmp_path / "any.png", **{option: "pink"})


def test_max_pixels(tmp_path):
    path = tmp_path / "a.png"
    write_png(path, pixels(9, 7))
    assert read_image(path, max_pixels=63).shape == (9, 7, 1)
    with pytest.raises(ImageError, match="9 x 7 pixels, more than max_pixels=62"):
        read_image(path, max_pixels=62)


def test_threads_read_what_one_reads(tmp_path):
    paths = []
    for name, content in samples.every_format().items():
        paths.append(tmp_path / name)
        paths[-1].write_bytes(content)
    wide = encode(smooth(), "png", icc_profile=samples.rgb_profile("p3"))
    paths.append(tmp_path / "wide.png")
    paths[-1].write_bytes(wide)
    alone = [read_image(path) for path in paths]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(read_image, paths * 10))
    for number, image in enumerate(together):
        np.testing.assert_array_equal(image, alone[number % len(paths)], strict=True)


class TestWritePng:
    @pytest.mark.parametrize("dtype", ["uint8", "uint16"])
    @pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1), (5, 7, 3), (1, 1), (1, 9, 3)])
    def test_round_trip(self, tmp_path, dtype, shape):
        image, path = pixels(*shape, dtype=dtype), tmp_path / "a.png"
        write_png(path, image)
        np.testing.assert_array_equal(read_image(path), image.reshape(*shape[:2], -1), strict=True)
        stored = imagecodecs.png_decode(path.read_bytes())
        np.testing.assert_array_equal(stored.reshape(shape), image, strict=True)

    def test_strides_and_byte_order_do_not_matter(self, tmp_path):
        image = pixels(10, 14, 3, dtype="uint16")[::2, ::-2]
        write_png(tmp_path / "a.png", image.astype(">u2"))
        np.testing.assert_array_equal(read_image(tmp_path / "a.png"), image)

    def test_replaces_a_file_and_leaves_no_other(self, tmp_path):
        path = tmp_path / "a.png"
        path.write_text("old")
        write_png(path, pixels(5, 7))
        assert read_image(path).shape == (5, 7, 1)
        assert os.listdir(tmp_path) == ["a.png"]

    @pytest.mark.parametrize("failing", [(png, "encode"), (Path, "replace"), (Path, "open")])
    def test_failure_leaves_all_as_it_was(self, tmp_path, monkeypatch, failing):
        def fail(*_):
            raise OSError(28, "No space left on device")

        path = tmp_path / "a.png"
        path.write_text("old")
        with monkeypatch.context() as patch:
            patch.setattr(*failing, fail)
            with pytest.raises(ImageError, match=r"a\.png: No space left on device"):
                write_png(path, pixels(5, 7))
        assert path.read_text() == "old"
        assert os.listdir(tmp_path) == ["a.png"]

    @pytest.mark.parametrize(
        "image",
        [
            np.zeros((5, 7, 3)),
            np.zeros((5, 7), bool),
            np.zeros((5, 7), np.int16),
            np.zeros((5, 7, 4), np.uint8),
            np.zeros((3, 5, 7), np.uint8),
            np.zeros((2, 5, 7, 3), np.uint8),
            np.zeros(7, np.uint8),
            np.zeros((0, 7), np.uint8),
        ],
    )
    def test_other_arrays_are_errors(self, tmp_path, image):
        with pytest.raises(ImageError, match=r"cannot write .* give uint8 or uint16 \[H, W\]"):
            write_png(tmp_path / "a.png", image)
        assert not os.listdir(tmp_path)

    def test_targets_that_cannot_be_written(self, tmp_path):
        with pytest.raises(ImageError, match="no such file or folder"):
            write_png(tmp_path / "missing" / "a.png", pixels(5, 7))
        (tmp_path / "folder.png").mkdir()
        with pytest.raises(ImageError, match="this is a folder"):
            write_png(tmp_path / "folder.png", pixels(5, 7))
        (tmp_path / "file").touch()
        with pytest.raises(ImageError, match="Not a directory"):
            write_png(tmp_path / "file" / "a.png", pixels(5, 7))
        assert sorted(os.listdir(tmp_path)) == ["file", "folder.png"]


def test_suffixes_are_those_that_are_read():
    assert {
        f".{name.rpartition('.')[2]}" for name in samples.every_format()
    } < images.IMAGE_SUFFIXES
    assert all(suffix == suffix.lower() for suffix in images.IMAGE_SUFFIXES)
