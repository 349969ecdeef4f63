"""Reading from memory, with either decoder."""

from pathlib import Path

import pytest

from jiqa.image_formats import decoding
from jiqa.images import image_size, read_image


@pytest.fixture(params=["imagecodecs", "pillow"])
def decoder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Reads with imagecodecs and as if it were not installed."""
    if request.param == "pillow":
        monkeypatch.setattr(decoding, "imagecodecs", lambda: None)
    return request.param


@pytest.fixture
def read(tmp_path: Path):
    """Reads the content of a file."""

    def read(content: bytes, **options):
        path = tmp_path / "image"
        path.write_bytes(content)
        image = read_image(path, **options)
        assert image_size(path) == image.shape[:2]
        assert image.flags.c_contiguous
        assert image.flags.writeable
        return image

    return read
