"""Every layout is prepared, and what is read back is what the files hold; or nothing is."""

import itertools
import math
import pickle
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import grain
import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from jiqa import datasets
from jiqa.datasets import builders
from jiqa.datasets.builders import Prepared, RatedImages, count_items, prepare
from jiqa.images import ImageError, read_image, write_png
from tests.datasets.fakes import FAKES, make_kadid, make_tid2013


@pytest.fixture(autouse=True)
def quiet():
    tfds.disable_progress_bar()


@pytest.fixture(scope="module")
def kadid(tmp_path_factory):
    """A set of five originals and what is prepared from it."""
    folder = tmp_path_factory.mktemp("kadid")
    make_kadid(folder / "published")
    prepared = prepare("kadid10k", folder / "published", folder / "output", partial=True)
    return folder / "published", prepared


def every_item(prepared):
    return {part: list(Prepared(prepared, part)) for part in count_items(prepared)}


@pytest.mark.parametrize("name", sorted(FAKES))
def test_every_layout(tmp_path, name):
    FAKES[name](tmp_path / "published")
    prepared = prepare(name, tmp_path / "published", tmp_path / "output", partial=True)
    assert prepared == tmp_path / f"output/rated_images/{name}-partial/1.0.0"
    data_set = datasets.read(name, tmp_path / "published", partial=True)
    parts = every_item(prepared)
    expected = datasets.split_records(data_set.records)
    assert {part: len(items) for part, items in parts.items()} == {
        part: len(records) for part, records in expected.items()
    }
    # Parts are shuffled: what is unique in an item tells which record it is.
    for part, items in parts.items():
        records = {key(record.images): record for record in expected[part]}
        assert len(records) == len(items)
        for item in items:
            pixels = {
                what: item[what]
                for what in ("reference", "first", "distorted", "second")
                if what in item
            }
            record = records.pop(tuple(image.tobytes() for image in pixels.values()))
            assert list(pixels) == sorted(record.images, key=list(pixels).index)
            assert item["score"] == np.float32(record.score)
            assert item["content"] == record.content
            assert item["distortion"] == record.distortion
            assert item["ratings"] == (record.ratings or 0)
            assert item["higher_is_better"] is (data_set.kind != "dmos")
            assert item["extra"] == dict(record.extra)
            for unsure in ("std", "standard_error", "level"):
                value = getattr(record, unsure, None)
                if data_set.kind == "preference":
                    assert unsure not in item
                elif value is None:
                    assert math.isnan(item[unsure])
                else:
                    assert item[unsure] == np.float32(value)
            if data_set.kind != "preference":
                assert item["shares"].tolist() == np.float32(record.shares).tolist()
    assert Prepared(prepared, next(iter(parts))).metadata["kind"] == data_set.kind


def key(images):
    """The pixels of a record's files."""
    order = ("reference", "first", "distorted", "second")
    return tuple(read_image(images[what]).tobytes() for what in order if what in images)


def test_the_whole_set_is_checked(tmp_path):
    make_kadid(tmp_path / "published")
    with pytest.raises(ValueError, match="KADID-10k has 10125 images"):
        prepare("kadid10k", tmp_path / "published", tmp_path / "output")
    assert not (tmp_path / "output/rated_images/kadid10k/1.0.0").exists()


def test_pixels_of_16_bits(tmp_path):
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 65536, (5, 7, 3), dtype=np.uint16) for _ in range(3)]
    grey = rng.integers(0, 65536, (5, 7, 1), dtype=np.uint16)
    for number, image in enumerate([*images, grey]):
        write_png(tmp_path / f"{number}.png", image)
    lines = [f"{number}.png,{number}" for number in range(4)]
    (tmp_path / "deep.csv").write_text("\n".join(["image,mos", *lines]))
    prepared = prepare(
        "table",
        tmp_path / "deep.csv",
        tmp_path / "output",
        columns={"distorted": "image"},
        parts=(1, 0, 0),
    )
    assert prepared.parent.name == "table-deep-100_0_0"
    found = {item["name"]: item["distorted"] for item in Prepared(prepared)}
    for number, image in enumerate([*images, grey]):
        assert found[f"{number}.png"].dtype == np.uint16
        np.testing.assert_array_equal(found[f"{number}.png"], image)


def test_rules_of_decoding(tmp_path):
    pixels = np.array([[[10, 20, 30, 0], [40, 50, 60, 255]]], np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    (tmp_path / "t.csv").write_text("distorted,mos\na.png,1\n")
    prepared = prepare("table", tmp_path / "t.csv", tmp_path / "output", parts=(0, 0, 1))
    with pytest.raises(ImageError, match=r"distorted of a\.png in .*1\.0\.0: .*transparent"):
        Prepared(prepared, "test")[0]
    (item,) = Prepared(prepared, "test", alpha="drop")
    np.testing.assert_array_equal(item["distorted"], pixels[..., :3])


def test_reading(kadid):
    published, prepared = kadid
    items = Prepared(prepared, "train")
    assert len(items) == 6
    assert items[-1]["name"] == items[5]["name"]
    assert [item["name"] for item in items[1:3]] == [items[1]["name"], items[2]["name"]]
    with pytest.raises(IndexError, match="6 of 6 items"):
        items[6]
    again = pickle.loads(pickle.dumps(items))
    np.testing.assert_array_equal(again[3]["distorted"], items[3]["distorted"])
    raw = Prepared(prepared, "train", decode=False)[0]
    assert raw["distorted"] == (published / "images" / raw["name"]).read_bytes()
    assert len(Prepared(prepared, "train[:50%]")) == 3
    with pytest.raises(ValueError, match=r"has no part 'dev'; it has .*train"):
        Prepared(prepared, "dev")


def test_as_a_source_for_grain(kadid):
    items = Prepared(kadid[1], "train")
    source = grain.MapDataset.source(items).seed(7).shuffle().map(lambda item: item["name"])
    assert sorted(source) == sorted(item["name"] for item in items)


def test_without_tensorflow():
    code = "import jiqa.datasets.builders, sys; assert 'tensorflow' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_tfds_has_its_own_way(tmp_path):
    make_tid2013(tmp_path / "published")
    builder = RatedImages(data_dir=tmp_path / "output", config="tid2013")
    config = tfds.download.DownloadConfig(manual_dir=tmp_path / "nowhere")
    with pytest.raises(AssertionError, match=r"(?s)Manual directory .*mos_with_names\.txt.*Home"):
        builder.download_and_prepare(file_format="array_record", download_config=config)
    config = tfds.download.DownloadConfig(manual_dir=tmp_path / "published")
    with pytest.raises(ValueError, match="TID2013 has 3000 images"):
        builder.download_and_prepare(file_format="array_record", download_config=config)


@pytest.mark.parametrize("suffix", ["zip", "tar", "gztar"])
def test_an_archive(tmp_path, suffix):
    make_kadid(tmp_path / "published" / "kadid10k")
    archive = shutil.make_archive(tmp_path / "archive", suffix, tmp_path / "published")
    prepared = prepare("kadid10k", archive, tmp_path / "output", partial=True)
    assert sum(map(len, every_item(prepared).values())) == 10
    assert not list((tmp_path / "output").glob(".unpacked*"))


def test_no_archive(tmp_path):
    (tmp_path / "kadid.rar").write_bytes(b"Rar!")
    with pytest.raises(ValueError, match=r"neither a folder nor an archive .* unpack it"):
        prepare("kadid10k", tmp_path / "kadid.rar", tmp_path / "output")
    with pytest.raises(FileNotFoundError, match="no file or folder is called"):
        prepare("kadid10k", tmp_path / "nowhere", tmp_path / "output")
    with pytest.raises(ValueError, match="no data set is called 'kadid'"):
        prepare("kadid", tmp_path, tmp_path / "output")


def test_options_name_the_folder(kadid, tmp_path):
    published, _ = kadid
    options = {"by": "image", "seed": 3, "parts": (0.8, 0, 0.2), "leaking": True}
    prepared = prepare("kadid10k", published, tmp_path, partial=True, **options)
    assert prepared.parent.name == "kadid10k-by_image-80_0_20-seed_3-leaking-partial"
    parts = every_item(prepared)
    assert {part: len(items) for part, items in parts.items()} == {"train": 8, "test": 2}
    with pytest.raises(ValueError, match="say leaking=True"):
        prepare("kadid10k", published, tmp_path, partial=True, by="image")
    with pytest.raises(FileExistsError, match="is there already"):
        prepare("kadid10k", published, tmp_path, partial=True, **options)


def test_a_damaged_image_is_not_prepared(tmp_path):
    make_kadid(tmp_path / "published")
    file = tmp_path / "published/images/I02_01_02.png"
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(FileNotFoundError, match=r"1 of 15 images .*\n.*I02_01_02\.png"):
        prepare("kadid10k", tmp_path / "published", tmp_path / "output", partial=True)
    assert not list((tmp_path / "output").rglob("*.array_record*"))


FOLDER = "output/rated_images/kadid10k-partial/1.0.0"


def fail_at_the_third(monkeypatch):
    count = itertools.count()
    whole = builders._example

    def example(*args):
        if next(count) == 2:
            raise OSError("no space left on device")
        return whole(*args)

    monkeypatch.setattr(builders, "_example", example)


def test_a_half_prepared_set_is_none(tmp_path, monkeypatch):
    make_kadid(tmp_path / "published")
    with monkeypatch.context() as patch:
        fail_at_the_third(patch)
        with pytest.raises(OSError, match="no space left"):
            prepare("kadid10k", tmp_path / "published", tmp_path / "output", partial=True)
    assert not (tmp_path / FOLDER).exists()
    with pytest.raises(FileNotFoundError, match="holds no prepared data set"):
        Prepared(tmp_path / FOLDER)
    prepared = prepare("kadid10k", tmp_path / "published", tmp_path / "output", partial=True)
    assert sum(map(len, every_item(prepared).values())) == 10


KILLED = """
import itertools, os, signal, sys
from jiqa.datasets import builders
count, whole = itertools.count(), builders._example
def example(*args):
    if next(count) == 8:
        os.kill(os.getpid(), signal.SIGKILL)
    return whole(*args)
builders._example = example
builders.prepare("kadid10k", sys.argv[1], sys.argv[2], partial=True)
"""


def test_a_killed_run_leaves_none(tmp_path):
    make_kadid(tmp_path / "published")
    output = tmp_path / "output"
    command = [sys.executable, "-c", KILLED, str(tmp_path / "published"), str(output)]
    assert subprocess.run(command, capture_output=True).returncode == -signal.SIGKILL
    left = [path.name for path in output.glob("rated_images/kadid10k-partial/*")]
    assert len(left) == 1
    assert left[0].startswith("incomplete")
    for folder in (tmp_path / FOLDER, output / "rated_images/kadid10k-partial" / left[0]):
        with pytest.raises(FileNotFoundError, match="holds no prepared data set"):
            Prepared(folder)
    prepared = prepare("kadid10k", tmp_path / "published", output, partial=True)
    assert sum(map(len, every_item(prepared).values())) == 10


@pytest.mark.parametrize("damage", ["missing", "empty", "cut"])
def test_a_damaged_set_is_none(kadid, tmp_path, damage):
    folder = tmp_path / "1.0.0"
    shutil.copytree(kadid[1], folder)
    (file,) = folder.glob("*-train.array_record*")
    content = file.read_bytes()
    file.unlink()
    if damage != "missing":
        file.write_bytes(b"" if damage == "empty" else content[: len(content) // 2])
    with pytest.raises(FileNotFoundError, match="prepare the data set anew"):
        Prepared(folder, "validation")


def test_another_number_of_records(kadid, tmp_path):
    folder = tmp_path / "1.0.0"
    shutil.copytree(kadid[1], folder)
    (train,) = folder.glob("*-train.array_record*")
    (test,) = folder.glob("*-test.array_record*")
    shutil.copy(test, train)
    with pytest.raises(FileNotFoundError, match=r"holds 2 records, not 6: delete its folder"):
        Prepared(folder, "test")


def test_the_output_may_be_a_path_or_text(tmp_path):
    make_kadid(tmp_path / "published")
    prepared = prepare("kadid10k", str(tmp_path / "published"), str(tmp_path / "o"), partial=True)
    assert isinstance(prepared, Path)
