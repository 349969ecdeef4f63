"""Tables of one's own, with names of columns as they come; and the real samples at hand."""

import pandas as pd
import pytest

from jiqa.datasets import check_images, read_table

NAMES = {"distorted": "dist", "reference": "ref"}


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_all_columns(tmp_path, suffix):
    table = pd.DataFrame(
        {
            "reference": ["01.png", "01.png", "02.png"],
            "distorted": ["a.png", "b.png", "c.png"],
            "dmos": [1.5, 2, 3],
            "std": [0.5, None, 0.25],
            "ratings": [15, 16, None],
            "level": [1, 2, None],
            "distortion": ["01", None, "02"],
            "split": ["train", "train", "test"],
            "camera": ["x", "y", None],
        }
    )
    path = tmp_path / f"mine.{suffix}"
    table.to_csv(path, index=False) if suffix == "csv" else table.to_parquet(path)
    found = read_table(path)
    assert (found.name, found.title, found.kind) == (path.name, "mine", "dmos")
    first, second, third = found.records
    assert first.reference == tmp_path / "01.png"
    assert (first.score, first.std, first.ratings, first.level) == (1.5, 0.5, 15, 1)
    assert (first.distortion, first.content, first.split) == ("01", "01.png", "train")
    assert (first.extra, third.extra) == ({"camera": "x"}, {})
    assert (second.std, second.distortion, third.ratings, third.level) == (None, "", None, None)


def test_contents_without_references(tmp_path):
    (tmp_path / "t.csv").write_text("distorted,mos,content\na.png,1,007\nb.png,2,\n")
    assert [record.content for record in read_table(tmp_path / "t.csv").records] == ["007", "b.png"]


@pytest.mark.parametrize(
    ("content", "columns", "message"),
    [
        (
            "distorted,score\na.png,1\n",
            {},
            "needs one column mos .* or dmos .*; it has distorted, s",
        ),
        ("image,mos\na.png,1\n", {}, "needs a column distorted; it has image, mos"),
        ("image,mos\na.png,1\n", {"distorted": "img"}, "has no column img; it has image, mos"),
        ("distorted,mos\na.png,1\n,2\nc.png,\n", {}, "in row 2, 3 "),
        ("distorted,mos\n", {}, "in any row: there is none"),
        ("distorted,mos\na.png,good\n", {}, "could not convert string to float: 'good'"),
        ("distorted,mos,split\na.png,1,dev\n", {}, "a.png has the split dev; give one of train"),
        ("", {}, "cannot be read as a table"),
    ],
)
def test_wrong_tables(tmp_path, content, columns, message):
    (tmp_path / "t.csv").write_text(content)
    with pytest.raises(ValueError, match=message):
        read_table(tmp_path / "t.csv", columns=columns)


def test_no_table(tmp_path):
    with pytest.raises(FileNotFoundError, match="no table is called"):
        read_table(tmp_path / "t.csv")
    with pytest.raises(ValueError, match=r"the suffix must be one of \.csv, \.parquet"):
        read_table(tmp_path / "t.xlsx")


def test_the_live_images_at_hand(shared_data):
    columns = {**NAMES, "dmos": "dmos_realigned", "standard_error": "dmos_std"}
    found = read_table(shared_data / "data/live_subset/dmos.csv", columns=columns)
    check_images(found)
    assert found.kind == "dmos"
    assert {record.distortion for record in found.records} == {"gblur", "jpeg", "wnoise"}
    assert found.records[0].score == 60.10697150963521
    assert found.records[0].standard_error == 1.630337445805143
    assert found.records[0].reference.name == "buildings.png"
    assert 4 <= len({record.content for record in found.records}) <= 6


def test_the_tid2013_images_at_hand(shared_data):
    found = read_table(shared_data / "data/tid2013_calibration/mos.csv", columns=NAMES)
    check_images(found)
    scores = {record.extra["tid2013_name"]: record.score for record in found.records}
    assert scores["i03_11_5.bmp"] == 0.7
    assert scores["i04_18_5.bmp"] == 3.92683


def test_the_kadid_images_at_hand(shared_data):
    columns = {**NAMES, "mos": "dmos", "std": "var"}
    found = read_table(shared_data / "data/kadid10k_sample/dmos.csv", columns=columns)
    check_images(found)
    assert [(r.distorted.name, r.score, r.std) for r in found.records] == [
        ("I01_01_02.png", 4.33, 0.869),
        ("I01_15_05.png", 1.33, 0.471),
    ]


def test_the_avt_images_at_hand(shared_data, tmp_path):
    folder = (shared_data / "data/avt_image_quality").resolve()
    table = pd.read_csv(folder / "mos_ci.csv")
    assert len(table) == 371
    table["file"] = [str(folder / "images" / f"{name}.png") for name in table["image_name"]]
    there = {str(path) for path in (folder / "images").iterdir()}
    table[table["file"].isin(there)].to_csv(tmp_path / "avt.csv", index=False)
    found = read_table(tmp_path / "avt.csv", columns={"distorted": "file"})
    check_images(found)
    assert len(found.records) == 40
    assert all(1 <= record.score <= 5 and record.std is not None for record in found.records)
