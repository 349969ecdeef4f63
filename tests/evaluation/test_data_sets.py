"""Readers of published layouts, on folders with the same names, and of tables."""

import numpy as np
import pandas as pd
import pytest

from jiqa.evaluation.data_sets import check_files, read_data_set, read_scores
from tests.evaluation.folders import (
    CSIQ_ROWS,
    make_csiq_images,
    make_kadid,
    make_tid2013,
    scored,
)


def test_tid2013(tmp_path):
    make_tid2013(tmp_path)
    found = read_data_set(tmp_path)
    assert found.name == "TID2013"
    assert len(found.pairs) == 8
    first = found.pairs[0]
    assert first.reference.name == "I01.BMP"
    assert first.distorted.name == "i01_01_1.bmp"
    assert dict(first.columns) == {
        "mos": 3.99,
        "distortion": "01",
        "level": 1,
        "standard_error": 0.13,
        "content": "i01",
    }
    assert found.pairs[-1].reference.name == "i25.bmp"
    assert found.pairs[-1].columns["distortion"] == "24"


def test_kadid(tmp_path):
    make_kadid(tmp_path)
    found = read_data_set(tmp_path)
    assert found.name == "KADID-10k"
    pair = found.pairs[1]
    assert pair.distorted == tmp_path / "images/I01_15_05.png"
    assert dict(pair.columns) == {
        "mos": 1.33,  # the column is called dmos, and more is better
        "std": 0.5,  # the column holds variances
        "ratings": 30,
        "distortion": "15",
        "level": 5,
        "content": "I01",
    }


def test_csiq_from_lines(tmp_path):
    make_csiq_images(tmp_path)
    lines = ["1600.AWGN.1.png 0.06", "1600.jpeg2000.2.png 0.3", "boston.fnoise.1.png 0.1"]
    (tmp_path / "csiq_label.txt").write_text("\n".join(lines) + "\n")
    found = read_data_set(tmp_path)
    assert found.name == "CSIQ"
    assert found.pairs[0].reference == tmp_path / "src_imgs/1600.png"
    assert found.pairs[0].distorted == tmp_path / "dst_imgs/awgn/1600.AWGN.1.png"
    assert [pair.columns["distortion"] for pair in found.pairs] == ["awgn", "jpeg2000", "fnoise"]
    assert found.pairs[1].columns["dmos"] == 0.3


def test_csiq_from_the_workbook(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    make_csiq_images(tmp_path)
    book = openpyxl.Workbook()
    sheet = book.create_sheet("all_by_image")
    for text in ("CSIQ", "", "more headings"):
        sheet.append([text])
    sheet.append(["image", "dst_idx", "dst_type", "dst_lev", "dmos_std", "dmos"])
    for scene, kind, level, dmos in CSIQ_ROWS:
        number = int(scene) if scene.isdigit() else scene  # as the published workbook has it
        sheet.append([number, 1, kind, level, 0.05, dmos])
    book.save(tmp_path / "csiq.DMOS.xlsx")
    found = read_data_set(tmp_path)
    assert [pair.distorted.name for pair in found.pairs] == [
        "1600.AWGN.1.png",
        "1600.jpeg2000.2.png",
        "boston.fnoise.1.png",
    ]
    assert dict(found.pairs[1].columns) == {
        "dmos": 0.3,
        "std": 0.05,
        "distortion": "jpeg2000",
        "level": 2,
        "content": "1600",
    }


def test_the_live_images_at_hand(shared_data):
    found = read_data_set(shared_data / "data" / "live_subset")
    assert found.name == "LIVE"
    assert {pair.columns["distortion"] for pair in found.pairs} == {"gblur", "jpeg", "wnoise"}
    assert all(0 < pair.columns["standard_error"] < 6 for pair in found.pairs)
    assert len({pair.columns["content"] for pair in found.pairs}) >= 4


def test_missing_images_are_listed(tmp_path):
    make_tid2013(tmp_path)
    for name in ("i01_01_2.bmp", "i25_24_1.bmp"):
        (tmp_path / "distorted_images" / name).unlink()
    with pytest.raises(FileNotFoundError, match=r"2 images of TID2013 are missing: .*i01_01_2"):
        read_data_set(tmp_path)


def test_manifest(tmp_path):
    table = tmp_path / "mine.csv"
    table.write_text("reference,distorted,dmos,distortion\na.png,b.png,3.5,jpeg\n")
    found = read_data_set(table)
    assert found.name == "mine"
    assert found.pairs[0].columns == {"dmos": 3.5, "distortion": "jpeg"}
    with pytest.raises(FileNotFoundError, match=r"2 images of mine are missing: .*a\.png"):
        check_files(found)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "distorted,score\na.png,1\n", "needs one column mos .* or dmos .*; it has score"),
        ("a.csv", "distorted,mos,dmos\na.png,1,1\n", "it has mos, dmos"),
        ("a.txt", "", r"neither a folder nor a \.csv"),
        ("dmos.csv", "image,score\na.png,1\n", "neither KADID-10k's columns nor LIVE's"),
        ("labels.csv", "image,score\n", "is in no layout known here"),
    ],
)
def test_other_layouts(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    alone = name in ("a.csv", "a.txt")
    with pytest.raises(ValueError, match=message):
        read_data_set(tmp_path / name if alone else tmp_path)


def test_scores_of_a_table(rng, tmp_path):
    table = scored(rng)
    table.to_csv(tmp_path / "t.csv", index=False)
    table.to_csv(tmp_path / "t.tsv", index=False, sep="\t")
    table.to_parquet(tmp_path / "t.parquet")
    for suffix in ("csv", "tsv", "parquet"):
        frame, metrics = read_scores(tmp_path / f"t.{suffix}")
        assert metrics == ["good", "worse", "poor"]
        np.testing.assert_allclose(frame["good"], table["good"])
    _, metrics = read_scores(tmp_path / "t.csv", metrics=["poor"])
    assert metrics == ["poor"]


def test_columns_by_other_names(tmp_path):
    (tmp_path / "t.csv").write_text("image,dmos_new,dmos,a\n01,3,7,0.1\n02,4,8,0.2\n")
    rename = {"dmos": "dmos_new", "content": "image"}
    frame, metrics = read_scores(tmp_path / "t.csv", rename=rename)
    assert metrics == ["a"]
    assert frame["dmos"].tolist() == [3, 4]
    assert frame["content"].tolist() == ["01", "02"]  # a label keeps its digits


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metrics": ["ssim"]}, "has no column ssim; it has distorted, content"),
        ({"rename": {"dmos": "score"}}, "has no column score"),
        ({"rename": {"dmos": "poor"}}, "it has mos, dmos"),
        ({"metrics": ["content"]}, "content holds scores as numbers"),
    ],
)
def test_wrong_columns(rng, tmp_path, options, message):
    scored(rng).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(ValueError, match=message):
        read_scores(tmp_path / "t.csv", **options)


def test_tables_without_scores(tmp_path):
    pd.DataFrame({"mos": [1, 2]}).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(ValueError, match="no column holds scores"):
        read_scores(tmp_path / "t.csv")
    with pytest.raises(ValueError, match=r"must be \.csv, \.tsv or \.parquet"):
        read_scores(tmp_path / "t.xlsx")
