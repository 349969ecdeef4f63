"""Every format and layout is decoded to what was encoded, or to what Pillow says."""

import io
import sys

import imagecodecs
import numpy as np
import pytest
from PIL import Image, ImageFile

from jiqa.image_formats import decoding
from jiqa.images import ImageError, read_image
from tests.image_formats import samples
from tests.image_formats.samples import encode, pixels, smooth, tiff, with_orientation


def packed(values: np.ndarray, bits: int) -> np.ndarray:
    """Samples of 1, 2 or 4 bits, in rows of whole bytes."""
    split = np.unpackbits(values[..., None], axis=-1)[..., -bits:]
    return np.packbits(split.reshape(len(values), -1), axis=1)


@pytest.mark.usefixtures("decoder")
class TestPng:
    @pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3), (1, 1), (1, 9, 3)])
    def test_8_bits_are_exact(self, read, shape):
        image = pixels(*shape)
        np.testing.assert_array_equal(
            read(encode(image, "png")), image.reshape(*shape[:2], -1), strict=True
        )

    @pytest.mark.parametrize("bits", [1, 2, 4])
    def test_fewer_bits_fill_the_range(self, read, bits):
        values = pixels(6, 16) >> (8 - bits)
        image = read(samples.png(values, bits=bits, color=0, rows=self.rows(values, bits)))
        np.testing.assert_array_equal(image[..., 0], values * (255 // (2**bits - 1)))

    @pytest.mark.parametrize("bits", [1, 2, 4, 8])
    def test_palette_becomes_rgb(self, read, bits):
        values = pixels(6, 16) >> (8 - bits)
        colors = pixels(2**bits, 3, seed=1)
        file = samples.png(
            values,
            (b"PLTE", colors.tobytes()),
            bits=bits,
            color=3,
            rows=self.rows(values, bits),
        )
        np.testing.assert_array_equal(read(file), colors[values])

    def test_transparent_color_is_alpha(self, read):
        image = np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8)
        file = encode(image, "png", transparency=(1, 2, 3))
        with pytest.raises(ImageError, match="alpha='white'"):
            read(file)
        np.testing.assert_array_equal(read(file, alpha="white"), [[[255] * 3, [4, 5, 6]]])
        grey = read(encode(image[..., 0], "png", transparency=4), alpha="black")
        np.testing.assert_array_equal(grey[..., 0], [[1, 0]])

    def test_transparent_palette_entry_is_alpha(self, read):
        file = samples.png(
            np.array([[0, 1, 2]], np.uint8),
            (b"PLTE", bytes(range(9))),
            (b"tRNS", bytes([0, 128])),
            bits=8,
            color=3,
        )
        expected = [[[0, 0, 0], [3 * 128 // 255 + 1, 2, 3], [6, 7, 8]]]
        np.testing.assert_array_equal(read(file, alpha="black"), expected)
        np.testing.assert_array_equal(read(file, alpha="drop")[0, 0], [0, 1, 2])

    def rows(self, values: np.ndarray, bits: int) -> bytes:
        return b"".join(b"\0" + row.tobytes() for row in packed(values, bits))


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3), (1, 1, 3), (3, 3, 3)])
@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_16_bits_are_exact(read, shape, suffix):
    image = pixels(*shape, dtype="uint16")
    file = tiff(image) if suffix == "tiff" else imagecodecs.png_encode(image)
    np.testing.assert_array_equal(read(file), image.reshape(*shape[:2], -1), strict=True)


@pytest.mark.parametrize(
    "file",
    [
        imagecodecs.png_encode(pixels(3, 3, 3, dtype="uint16")),
        tiff(pixels(3, 3)),
        imagecodecs.jpegxl_encode(pixels(3, 3)),
        imagecodecs.avif_encode(pixels(8, 8, 3, dtype="uint16") // 64, bitspersample=10),
    ],
    ids=["png", "tiff", "jxl", "avif"],
)
def test_missing_imagecodecs_says_what_to_install(read, monkeypatch, file):
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    monkeypatch.setattr(decoding, "imagecodecs", decoding.imagecodecs.__wrapped__)
    with pytest.raises(ImageError, match=r"pip install 'jiqa\[image\]'"):
        read(file)


@pytest.mark.usefixtures("decoder")
class TestJpeg:
    @pytest.mark.parametrize("options", [{}, {"progressive": True}, {"keep_rgb": True}])
    def test_equals_pillow(self, read, options):
        file = encode(pixels(33, 41, 3), "jpeg", **options)
        np.testing.assert_array_equal(read(file), np.asarray(Image.open(io.BytesIO(file))))

    def test_grey_stays_grey(self, read):
        # A flat block is stored with a rounding of at most one level.
        np.testing.assert_allclose(read(encode(np.full((8, 8), 90, np.uint8), "jpeg")), 90, atol=1)

    @pytest.mark.parametrize(
        ("ink", "color"),
        [
            ((0, 0, 0, 0), (255, 255, 255)),
            ((255, 0, 0, 0), (0, 255, 255)),
            ((0, 255, 0, 0), (255, 0, 255)),
            ((0, 0, 0, 255), (0, 0, 0)),
            ((0, 0, 0, 102), (153, 153, 153)),
            ((51, 0, 102, 51), (163, 204, 122)),
        ],
    )
    @pytest.mark.parametrize("transform", ["CMYK", "YCCK"])
    def test_inks(self, read, ink, color, transform):
        stored = 255 - np.tile(np.array(ink, np.uint8), (16, 16, 1))
        file = imagecodecs.jpeg8_encode(
            stored, level=100, colorspace="CMYK", outcolorspace=transform
        )
        # YCCK is a rotation rounded to integers: two levels.
        np.testing.assert_allclose(read(file)[0, 0], color, atol=2)

    def test_first_image_counts(self, read):
        first, second = (Image.fromarray(np.full((16, 16), level, np.uint8)) for level in (9, 200))
        file = io.BytesIO()
        first.save(file, "mpo", save_all=True, append_images=[second])
        np.testing.assert_allclose(read(file.getvalue()), 9, atol=1)


def test_jpeg_of_12_bits_fills_the_range(read):
    image = np.tile(np.arange(0, 4096, 128, dtype=np.uint16)[:, None], (1, 32))
    file = imagecodecs.jpeg8_encode(image, level=100, bitspersample=12)
    # A few of 4096 levels are lost to compression.
    np.testing.assert_allclose(read(file)[..., 0], image * (65535 / 4095), atol=5 * 16)


@pytest.mark.parametrize("bits", [10, 12])
def test_depths_between_fill_the_range(read, bits):
    image = pixels(16, 16, 3, dtype="uint16") >> (16 - bits)
    expected = np.round(image * (65535 / (2**bits - 1)))
    avif = imagecodecs.avif_encode(image, 100, bitspersample=bits, pixelformat="444")
    np.testing.assert_array_equal(read(avif), expected)
    jxl = imagecodecs.jpegxl_encode(image, lossless=True, bitspersample=bits)
    np.testing.assert_array_equal(read(jxl, color_profile="keep"), expected)
    np.testing.assert_array_equal(read(tiff(image, bitspersample=bits)), expected)


class TestTiff:
    @pytest.mark.parametrize("dtype", ["uint8", "uint16"])
    @pytest.mark.parametrize(
        "options",
        [{}, {"byteorder": ">"}, {"tile": (16, 16)}, {"compression": "lzw", "predictor": 2}],
    )
    def test_layouts(self, read, dtype, options):
        image = pixels(20, 28, 3, dtype=dtype)
        np.testing.assert_array_equal(read(tiff(image, **options)), image, strict=True)

    @pytest.mark.parametrize("size", [(20, 28), (3, 3)])
    def test_separate_planes(self, read, size):
        image = pixels(3, *size)
        file = tiff(image, planarconfig="separate")
        np.testing.assert_array_equal(read(file), image.transpose(1, 2, 0))

    def test_zero_as_white_is_inverted(self, read):
        image = pixels(20, 28)
        file = tiff(image, photometric="miniswhite")
        np.testing.assert_array_equal(read(file)[..., 0], 255 - image)

    def test_bilevel(self, read):
        image = pixels(20, 28) > 99
        np.testing.assert_array_equal(read(encode(image, "tiff"))[..., 0], 255 * image)

    def test_compressed_as_jpeg(self, read):
        file = encode(smooth(32, 48), "tiff", mode="YCbCr", compression="jpeg", quality=100)
        # Chroma of half the resolution and two roundings.
        np.testing.assert_allclose(read(file).astype(int), smooth(32, 48), atol=8)

    @pytest.mark.parametrize(
        ("mode", "message"),
        [
            ("F", "floating-point or signed"),
            ("I", "floating-point or signed"),
            ("P", "palette; convert it to grey or RGB"),
            ("CMYK", "CMYK; convert"),
            ("YCbCr", "YCbCr; convert"),
            ("LAB", "CIELab; convert"),
        ],
    )
    def test_other_kinds_are_errors(self, read, mode, message):
        with pytest.raises(ImageError, match=message):
            read(encode(smooth(), "tiff", mode=mode))

    def test_premultiplied_alpha_is_an_error(self, read):
        file = tiff(pixels(9, 7, 4), extrasamples=["assocalpha"])
        with pytest.raises(ImageError, match="unassociated"):
            read(file)


@pytest.mark.usefixtures("decoder")
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "1", "P"])
def test_bmp(read, mode):
    picture = Image.fromarray(pixels(9, 7, 3)).convert(mode)
    file = io.BytesIO()
    picture.save(file, "bmp")
    expected = np.asarray(picture.convert("L" if mode in {"L", "1"} else "RGB"))
    np.testing.assert_array_equal(read(file.getvalue()), expected.reshape(9, 7, -1))


@pytest.mark.usefixtures("decoder")
@pytest.mark.parametrize("lossless", [True, False])
def test_webp(read, lossless):
    file = encode(smooth(), "webp", lossless=lossless)
    expected = smooth() if lossless else np.asarray(Image.open(io.BytesIO(file)))
    np.testing.assert_array_equal(read(file), expected)


@pytest.mark.parametrize("shape", [(16, 18), (16, 18, 3)])
def test_avif_and_jpeg_xl_without_loss(read, shape):
    image = pixels(*shape)
    avif = imagecodecs.avif_encode(image, 100)
    np.testing.assert_array_equal(read(avif), image.reshape(16, 18, -1))
    for container in (False, True):
        jxl = imagecodecs.jpegxl_encode(image, lossless=True, usecontainer=container)
        np.testing.assert_array_equal(read(jxl), image.reshape(16, 18, -1))


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (8, 16), (255, 300), (256, 248), (600, 800)])
def test_jpeg_xl_sizes(read, size):
    assert read(imagecodecs.jpegxl_encode(np.zeros(size, np.uint8))).shape == (*size, 1)


@pytest.mark.parametrize("exif", [b"Exif\0\0nothing", with_orientation(9).tobytes()])
@pytest.mark.parametrize("suffix", ["jpeg", "png", "webp"])
@pytest.mark.usefixtures("decoder")
def test_unknown_orientation_is_none(read, suffix, exif, recwarn):
    file = encode(pixels(9, 7, 3), suffix, exif=exif)
    assert read(file).shape == (9, 7, 3)
    assert not recwarn.list


@pytest.mark.usefixtures("decoder")
def test_limits_of_pillow_do_not_count_and_stay(tmp_path, monkeypatch, recwarn):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    for suffix in ("png", "jpeg", "bmp"):
        path = tmp_path / f"a.{suffix}"
        path.write_bytes(encode(smooth(), suffix))
        assert read_image(path).shape == (20, 28, 3)
    assert not recwarn.list
    assert Image.MAX_IMAGE_PIXELS == 10
    assert not ImageFile.LOAD_TRUNCATED_IMAGES
