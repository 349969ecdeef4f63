"""What `jiqa bench` scores: data sets as published and tables; and tables of scores."""

import numpy as np
import pandas as pd
import pytest

from jiqa import datasets
from jiqa.evaluation.data_sets import read_data_set, read_scores
from tests.datasets.fakes import FAKES
from tests.evaluation.folders import make_csiq, make_kadid, make_tid2013, scored


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
        "std": 0.471,  # the column is called var, and holds deviations
        "ratings": 30,
        "distortion": "15",
        "level": 5,
        "content": "I01",
    }


def test_csiq(tmp_path):
    make_csiq(tmp_path)
    assert dict(read_data_set(tmp_path).pairs[1].columns) == {
        "dmos": 0.24,
        "std": 0.05,
        "distortion": "jpeg2000",
        "level": 2,
        "content": "1600",
    }


@pytest.mark.parametrize("name", [n for n in FAKES if datasets.find(n).kind != "preference"])
def test_every_published_layout(tmp_path, name):
    count = FAKES[name](tmp_path)
    found = read_data_set(f"{name}={tmp_path}")
    assert (found.name, len(found.pairs)) == (datasets.find(name).title, count)
    assert len({tuple(pair.columns) for pair in found.pairs}) == 1
    assert not {None, ""} & set(found.pairs[0].columns.values())


def test_what_only_some_images_have(tmp_path):
    (tmp_path / "t.csv").write_text("distorted,mos,std,camera\na.png,1,,x\nb.png,2,0.5,\n")
    rows = [dict(pair.columns) for pair in read_data_set(tmp_path / "t.csv").pairs]
    assert rows == [
        {"mos": 1, "std": None, "camera": "x"},
        {"mos": 2, "std": 0.5, "camera": None},
    ]


def test_without_references(tmp_path):
    FAKES["live_itw"](tmp_path)
    found = read_data_set(tmp_path)
    assert (found.name, len(found.pairs)) == ("LIVE In the Wild", 5)
    assert found.pairs[0].reference is None
    assert set(found.pairs[0].columns) == {"mos", "std"}  # no two share a content


def test_one_of_several(tmp_path):
    FAKES["cid_iq_50cm"](tmp_path)
    assert read_data_set(f"cid_iq_50cm={tmp_path}").name == "CID:IQ 50 cm"
    with pytest.raises(ValueError, match=f"say cid_iq_100cm={tmp_path} or cid_iq_50cm="):
        read_data_set(tmp_path)


def test_preferences_are_no_opinions(tmp_path):
    FAKES["bapps_2afc"](tmp_path)
    with pytest.raises(ValueError, match="BAPPS 2AFC holds preferences between images"):
        read_data_set(f"bapps_2afc={tmp_path}")
    assert read_data_set(tmp_path).name == "BAPPS JND"


def test_missing_images_are_listed(tmp_path):
    make_tid2013(tmp_path)
    for name in ("i01_01_2.bmp", "i25_24_1.bmp"):
        (tmp_path / "distorted_images" / name).unlink()
    with pytest.raises(FileNotFoundError, match=r"(?s)2 of 10 images of TID2013 .*i01_01_2"):
        read_data_set(tmp_path)


def test_a_table(tmp_path):
    table = tmp_path / "mine.csv"
    rows = ["a.png,b.png,3.5,jpeg,x", "a.png,c.png,4,jpeg,y"]
    table.write_text("\n".join(["reference,distorted,dmos,distortion,camera", *rows]))
    found = read_data_set(table)
    assert found.name == "mine"
    assert found.pairs[0].distorted == tmp_path / "b.png"
    assert dict(found.pairs[0].columns) == {
        "dmos": 3.5,
        "distortion": "jpeg",
        "content": "a.png",
        "camera": "x",
    }


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "distorted,score\na.png,1\n", "needs one column mos .* or dmos .*; it has dist"),
        ("a.csv", "distorted,mos,dmos\na.png,1,1\n", "it has mos, dmos"),
        ("a.txt", "", r"the suffix must be one of \.csv"),
        ("dmos.csv", "image,score\na.png,1\n", "has no column dist_img, ref_img, dmos, var"),
        ("labels.csv", "image,score\n", "the layout of no published data set known here"),
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
