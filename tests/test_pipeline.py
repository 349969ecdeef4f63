"""The stream from files to scores: batches, programs, devices, failures, memory."""

import gc
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from functools import partial
from pathlib import Path

import jax
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from jiqa import images, pipeline, scoring
from jiqa.core import registry
from jiqa.pairs import Pair, find_pairs
from jiqa.scoring import score_files
from tests.image_files import SUMMATION, expected, write_image, write_pairs


@pytest.fixture
def make_pairs(tmp_path: Path) -> Callable[..., list[Pair]]:
    """Writes a pair of files for each shape."""
    return partial(write_pairs, tmp_path)


@pytest.fixture
def traced() -> Iterator[list[tuple[int, ...]]]:
    """Shapes with which two throw-away metrics, `brightness` and `difference`, are traced."""
    shapes: list[tuple[int, ...]] = []
    facts = {"higher_is_better": False, "score_range": (0, 1), "paper": "none"}

    @registry.metric(kind="no_reference", identical=None, **facts)
    def brightness(image, *, data_range=1.0):
        """Mean value."""
        shapes.append(image.shape)
        return image.mean((-3, -2, -1)) / data_range

    @registry.metric(kind="full_reference", identical=0, **facts)
    def difference(reference, distorted, *, data_range=1.0, power=1):
        """Mean absolute difference."""
        shapes.append(reference.shape)
        return (abs(reference - distorted) / data_range).mean((-3, -2, -1)) ** power

    yield shapes
    for metric in (brightness, difference):
        del registry._METRICS[metric.__name__]


def test_mixed_sizes_compile_once_a_size(make_pairs, traced):
    sizes = [(24, 20, 3), (16, 31, 3), (20, 24, 3)]
    score_files(make_pairs(*sizes * 5), ["brightness", "difference"], batch_pixels=1000)
    assert Counter(shape[-3:] for shape in traced) == dict.fromkeys(sizes, 2)


def test_grey_and_colour_of_a_size_compile_once_each(make_pairs, traced):
    score_files(make_pairs(*[(24, 20, 3), (24, 20)] * 4), ["difference"])
    assert Counter(shape[-1] for shape in traced) == {1: 1, 3: 1}


@pytest.mark.parametrize("batch_pixels", [1, 2 * 480, 5 * 480, 100 * 480])
def test_scores_do_not_depend_on_the_batch(make_pairs, batch_pixels):
    pairs = make_pairs(*[(24, 20, 3)] * 7)
    one = jax.devices()[:1]
    table = score_files(pairs, ["psnr", "ssim"], devices=one, batch_pixels=batch_pixels).frame
    for metric in ("psnr", "ssim"):
        truth = [expected(pair, metric) for pair in pairs]
        np.testing.assert_allclose(table[metric], truth, **SUMMATION)


def test_padding_of_a_batch_changes_nothing(make_pairs):
    pairs = make_pairs(*[(24, 20, 3)] * 7)
    whole = score_files(pairs, ["psnr", "ssim"], batch_pixels=480).frame
    alone = [score_files([pair], ["psnr", "ssim"], batch_pixels=480).frame for pair in pairs]
    pd.testing.assert_frame_equal(whole, pd.concat(alone, ignore_index=True), check_exact=True)


def test_batches_are_sharded_over_all_devices(make_pairs, traced):
    pairs = make_pairs(*[(24, 20, 3)] * 11)
    assert len(jax.devices()) == 8
    eight = score_files(pairs, ["ssim", "difference"], batch_pixels=2 * 480)
    # Each device traces its own part: two images.
    assert traced == [(2, 24, 20, 3)]
    one = score_files(pairs, ["ssim", "difference"], devices=jax.devices()[:1])
    # Means of single precision, summed in another order.
    pd.testing.assert_frame_equal(eight.frame, one.frame, rtol=1e-5)
    assert (eight.metadata["devices"], one.metadata["devices"]) == (8, 1)


def test_no_reference_metrics_take_images_alone(make_pairs, traced, tmp_path):
    make_pairs((24, 20, 3), (24, 20, 3))
    table = score_files(find_pairs(tmp_path / "d"), ["brightness"]).frame
    assert list(table.columns) == ["distorted", "brightness", "error"]
    assert len(traced) == 1
    truth = [np.asarray(Image.open(path)).mean() / 255 for path in table["distorted"]]
    np.testing.assert_allclose(table["brightness"], truth, **SUMMATION)


@pytest.mark.usefixtures("traced")
def test_kinds_mix(make_pairs):
    pairs = make_pairs((24, 20, 3))
    both = score_files(pairs, ["brightness", "difference"]).frame
    for metric in ("brightness", "difference"):
        assert both[metric][0] == score_files(pairs, [metric]).frame[metric][0]


@pytest.mark.usefixtures("traced")
def test_references_are_not_read_where_no_metric_needs_them(make_pairs):
    pairs = make_pairs((24, 20, 3))
    pairs[0].reference.unlink()
    assert score_files(pairs, ["brightness"]).failed.empty


def test_a_reference_of_many_images_is_read_once(make_pairs, monkeypatch):
    pairs = make_pairs(*[(24, 20, 3)] * 6)
    pairs = [Pair(pairs[i % 2].reference, pair.distorted) for i, pair in enumerate(pairs)]
    read = []

    def count(path: Path, **options: object) -> np.ndarray:
        read.append(path)
        return images.read_image(path, **options)

    monkeypatch.setattr(scoring, "read_image", count)
    assert score_files(pairs, ["psnr"]).failed.empty
    assert set(Counter(read).values()) == {1}
    assert len(read) == 8


def spoil_truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:200])


def spoil_gone(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_text("this is no image"),
        spoil_truncated,
        spoil_gone,
    ],
    ids=["zero-byte", "non-image", "truncated", "gone"],
)
@pytest.mark.parametrize("role", ["reference", "distorted"])
def test_an_unreadable_file_is_reported_and_the_rest_scored(make_pairs, spoil, role):
    pairs = make_pairs(*[(24, 20, 3)] * 4)
    spoil(getattr(pairs[2], role))
    scores = score_files(pairs, ["psnr"])
    assert list(scores.failed.index) == [2]
    assert f"{'r' if role == 'reference' else 'd'}/002.png" in scores.failed["error"][2]
    assert np.isnan(scores.frame["psnr"][2])
    rest = [expected(pairs[i], "psnr") for i in (0, 1, 3)]
    np.testing.assert_allclose(scores.frame["psnr"][[0, 1, 3]], rest, **SUMMATION)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((24, 21, 3), "the reference has 24 x 20 pixels, the distorted image 24 x 21: crop"),
        ((24, 20), "the reference has 3 channels, the distorted image 1: convert"),
    ],
)
def test_unlike_images_of_a_pair_are_reported(make_pairs, shape, message):
    pairs = make_pairs(*[(24, 20, 3)] * 3)
    write_image(pairs[1].distorted, 0, shape)
    scores = score_files(pairs, ["psnr"])
    assert list(scores.failed.index) == [1]
    assert message in scores.failed["error"][1]


def test_unlike_depths_of_a_pair_are_reported(make_pairs, tmp_path):
    pairs = make_pairs((24, 20), (24, 20))
    Image.fromarray(np.zeros((24, 20), np.uint16)).save(tmp_path / "d/001.png")
    scores = score_files(pairs, ["psnr"])
    assert list(scores.failed.index) == [1]
    assert "the reference is uint8, the distorted image uint16" in scores.failed["error"][1]


@pytest.mark.usefixtures("traced")
def test_an_image_smaller_than_a_window_fails_that_metric_alone(make_pairs):
    pairs = make_pairs((24, 20, 3), (8, 20, 3), (24, 20, 3))
    scores = score_files(pairs, ["difference", "ssim"])
    assert list(scores.failed.index) == [1]
    assert scores.failed["error"][1].startswith("ssim: ")
    assert "smaller than the 11 x 11 window" in scores.failed["error"][1]
    assert np.isfinite(scores.frame["difference"]).all()
    assert list(np.isnan(scores.frame["ssim"])) == [False, True, False]


@pytest.mark.usefixtures("traced")
def test_a_device_error_is_reported_and_the_rest_scored(make_pairs, monkeypatch):
    pairs = make_pairs((24, 20, 3), (16, 20, 3))
    compile_program = pipeline.Program._compile

    def fail(self: pipeline.Program, images: dict[str, jax.Array]):
        if images["distorted"].shape[1] == 16:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: out of memory\ndetails")
        return compile_program(self, images)

    monkeypatch.setattr(pipeline.Program, "_compile", fail)
    scores = score_files(pairs, ["difference"])
    assert list(scores.frame["error"].fillna("")) == ["", "RESOURCE_EXHAUSTED: out of memory"]
    assert np.isfinite(scores.frame["difference"][0])


def test_an_unexpected_error_is_raised(make_pairs, monkeypatch):
    pairs = make_pairs((24, 20, 3))

    def fail(*_args: object, **_options: object) -> np.ndarray:
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr(scoring, "read_image", fail)
    with pytest.raises(RuntimeError, match="a mistake of ours"):
        score_files(pairs, ["psnr"])


@pytest.mark.usefixtures("traced")
def test_memory_does_not_grow_with_the_number_of_files(make_pairs, monkeypatch):
    pairs = make_pairs((24, 20, 3), (16, 20, 3)) * 100
    alive, most = 0, 0

    def read(path: Path, **_options: object) -> np.ndarray:
        nonlocal alive, most
        image = np.zeros((16 if path.stem == "001" else 24, 20, 3), np.uint8)
        alive += 1
        most = max(most, alive)
        weakref.finalize(image, release)
        return image

    def release() -> None:
        nonlocal alive
        alive -= 1

    # A new reference for each pair, so that none is shared.
    pairs = [
        Pair(Path(f"{i}/{pair.distorted.name}"), pair.distorted) for i, pair in enumerate(pairs)
    ]
    monkeypatch.setattr(scoring, "read_image", read)
    one = jax.devices()[:1]
    score_files(pairs, ["difference"], devices=one, workers=2, batch_pixels=4 * 480)
    gc.collect()
    # Three pairs ahead, and those of the batch being collected or stacked.
    assert most <= 2 * (3 + 2 * 5)
    assert alive == 0


class Immediate(Executor):
    """Does at once what is submitted, and counts it."""

    submitted = 0

    def submit(self, function, /, *args) -> Future:
        self.submitted += 1
        future: Future = Future()
        future.set_result(function(*args))
        return future


@pytest.mark.parametrize(("pixels", "pairs_ahead"), [(10**8, 5), (2 * 480, 2), (1, 1)])
def test_very_large_images_are_not_read_far_ahead(monkeypatch, pixels, pairs_ahead):
    pairs = [Pair(Path(f"r{i}"), Path(f"d{i}")) for i in range(12)]
    monkeypatch.setattr(pipeline, "PIXELS_AHEAD", pixels)
    pool = Immediate()
    image = np.zeros((24, 20, 3), np.uint8)
    sizes = dict.fromkeys(range(12), (24, 20))
    stream = pipeline._decode_ahead(pairs, sizes, lambda _path: image, pool, ahead=5)
    for place, _ in enumerate(stream):
        assert pool.submitted == 2 * min(12, place + pairs_ahead)
