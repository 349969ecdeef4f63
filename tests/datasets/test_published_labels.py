"""The true label tables of whole databases, through the readers, and figures published of them.

Images stand in for the published ones: only their names and number matter here.
"""

import os

import numpy as np
import pandas as pd
import pytest
from scipy.io import savemat
from scipy.stats import spearmanr

from jiqa import datasets
from jiqa.images import write_png
from tests.datasets.fakes import LIVE_COUNTS, book, cell


@pytest.fixture(scope="module")
def labels(shared_data):
    return shared_data / "data/labels_and_scores"


@pytest.fixture
def put(tmp_path):
    """Makes images of the given names."""
    write_png(tmp_path / "one.png", np.zeros((4, 4), np.uint8))

    def put(names):
        for folder in {os.path.dirname(name) for name in names}:
            (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        for name in set(names):
            os.link(tmp_path / "one.png", tmp_path / name)

    return put


def correlate(data_set, scores, key):
    """SROCC of opinions and scores of the images that `key` names."""
    opinions = [record.score for record in data_set.records]
    return spearmanr(opinions, [scores[key(record)] for record in data_set.records]).statistic


def test_tid2013(tmp_path, labels, put):
    for name in ("mos_with_names", "mos_std"):
        (tmp_path / f"{name}.txt").write_text((labels / f"misc/tid2013_{name}.txt").read_text())
    table = pd.read_csv(labels / "vqmtcrossval/TID2013.VQMT.csv")
    put([f"reference_images/I{scene:02d}.BMP" for scene in range(1, 26)])
    put([f"distorted_images/{name.lower()}" for name in table["dist_img"]])
    found = datasets.recognise(tmp_path)
    assert (found.name, len(found.records)) == ("tid2013", 3000)
    assert (found.records[0].score, found.records[0].standard_error) == (5.51429, 0.13013)
    scores = dict(zip(table["dist_img"].str.lower(), table["DSSIM"], strict=True))
    srocc = correlate(found, scores, lambda record: record.distorted.name)
    assert srocc == pytest.approx(-0.861, abs=5e-4)


def test_tid2008(tmp_path, labels, put):
    table = pd.read_csv(labels / "jakub1t/result_tid2008_iqa.tsv", sep="\t")
    lines = [f"{mos} {name}" for name, mos in zip(table["image_name"], table["mos"], strict=True)]
    (tmp_path / "mos_with_names.txt").write_text("\n".join(lines))
    put([f"reference_images/I{scene:02d}.BMP" for scene in range(1, 26)])
    put([f"distorted_images/{name}" for name in table["image_name"]])
    found = datasets.recognise(tmp_path)
    assert (found.name, len(found.records)) == ("tid2008", 1700)
    published = pd.read_csv(labels / "jakub1t/cc_result_tid2008_iqa.tsv", sep="\t", index_col=0)
    scores = dict(zip(table["image_name"], table["ssim"], strict=True))
    srocc = correlate(found, scores, lambda record: record.distorted.name)
    assert srocc == pytest.approx(published.loc["srocc", "ssim"], abs=5e-4)


def test_kadid10k(tmp_path, labels, put):
    table = pd.read_csv(labels / "jakub1t/result_kadid10k_iqa.tsv", sep="\t")
    columns = ["dist_img", "ref_img", "dmos", "var"]
    table[columns].to_csv(tmp_path / "dmos.csv", index=False)
    put([f"images/{name}" for column in columns[:2] for name in set(table[column])])
    found = datasets.recognise(tmp_path)
    assert (found.name, len(found.records)) == ("kadid10k", 10125)
    published = pd.read_csv(labels / "jakub1t/cc_result_kadid10k_iqa.tsv", sep="\t", index_col=0)
    scores = dict(zip(table["dist_img"], table["ssim"], strict=True))
    srocc = correlate(found, scores, lambda record: record.distorted.name)
    assert srocc == pytest.approx(published.loc["srocc", "ssim"], abs=5e-4)

    # Of 30 whole votes the sum of squares is whole. This tells what the column var is.
    mos, spread = table["dmos"].to_numpy(), table["var"].to_numpy()
    mean = np.round(30 * mos) / 30
    whole = {}
    for name, variance, error in (
        ("variance", spread, 0.0005),
        ("deviation", spread**2, 0.001 * spread),
    ):
        squares = 30 * (variance + mean**2)
        whole[name] = np.mean(abs(squares - np.round(squares)) <= 30 * error + 1e-6)
    assert whole["deviation"] > 0.94
    assert whole["variance"] < 0.05
    assert found.records[0].std == spread[0]


def test_csiq(tmp_path, labels, put):
    table = pd.read_csv(labels / "vqmtcrossval/csiq.DMOS.csv", decimal=",", dtype={"image": "str"})
    types = {"AWGN": "noise", "BLUR": "blur", "JPEG": "jpeg", "jpeg2000": "jpeg 2000"}
    names = [
        f"dst_imgs/{row.dst_type.lower()}/{row.image}.{row.dst_type}.{row.dst_lev}.png"
        for row in table.itertuples()
    ]
    put([*names, *(f"src_imgs/{image}.png" for image in set(table["image"]))])
    sheet = table.assign(dst_type=table["dst_type"].replace(types))
    book(tmp_path / "csiq.DMOS.xlsx", sheet, sheet="all_by_image", above=3)
    found = datasets.recognise(tmp_path)
    assert (found.name, len(found.records)) == ("csiq", 866)
    metrics = pd.read_csv(labels / "vqmtcrossval/csiq.VQMT.csv")
    keys = zip(metrics["image"].astype(str), metrics["dst_type"], metrics["dst_lev"], strict=True)
    keys = [(image, kind.lower(), level) for image, kind, level in keys]
    scores = dict(zip(keys, metrics["DSSIM"], strict=True))
    srocc = correlate(found, scores, lambda r: (r.content, r.distortion, r.level))
    assert srocc == pytest.approx(0.946, abs=5e-4)


def test_live(tmp_path, labels, put):
    table = pd.read_csv(labels / "vqmtcrossval/LIVE2.DMOS.csv")
    names = [
        (kind, f"img{n}.bmp") for kind, count in LIVE_COUNTS.items() for n in range(1, count + 1)
    ]
    rows = {(row.dst_type, row.dist_img): row for row in table.itertuples()}
    there = [rows.get(name) for name in names]  # the table lacks the copies of references
    values = {
        "dmos_new": [[row.dmos_new if row else 0 for row in there]],
        "dmos_std": [[row.dmos_std if row else 0 for row in there]],
        "orgs": [[int(row is None) for row in there]],
    }
    savemat(tmp_path / "dmos_realigned.mat", values)
    references = [row.refnames_all if row else "bikes.bmp" for row in there]
    savemat(tmp_path / "refnames_all.mat", {"refnames_all": cell(references)})
    put([f"refimgs/{name}" for name in set(table["refnames_all"])])
    put([f"{kind}/{name}" for kind, name in rows])
    found = datasets.recognise(tmp_path)
    assert (found.name, len(found.records)) == ("live", 779)
    kinds = pd.Series([record.distortion for record in found.records]).value_counts()
    assert dict(kinds) == {"jpeg": 175, "jp2k": 169, "wn": 145, "gblur": 145, "fastfading": 145}
    metrics = pd.read_csv(labels / "vqmtcrossval/LIVE2.VQMT.csv")
    keys = zip(metrics["dst_type"], metrics["dist_img"], strict=True)
    scores = dict(zip(keys, metrics["DSSIM"], strict=True))
    srocc = correlate(found, scores, lambda record: (record.distortion, record.distorted.name))
    assert srocc == pytest.approx(0.955, abs=5e-4)


def test_live_in_the_wild(tmp_path, labels, put):
    table = pd.read_csv(
        labels / "liqe_lists/clive_all.txt", sep="\t", names=["image", "mos", "std"]
    )
    names = [f"t{n}.bmp" for n in range(1, 8)] + [name.split("/")[1] for name in table["image"]]
    (tmp_path / "Data").mkdir()
    savemat(
        tmp_path / "Data/AllImages_release.mat", {"AllImages_release": cell(names, column=True)}
    )
    for what, column in (("MOS", "mos"), ("StdDev", "std")):
        values = np.concatenate([np.zeros(7), table[column]])[None]
        savemat(tmp_path / f"Data/All{what}_release.mat", {f"All{what}_release": values})
    put([f"Images/{name}" for name in names[7:]])
    found = datasets.recognise(tmp_path)
    assert (found.name, len(found.records)) == ("live_itw", 1162)
    assert (found.records[0].score, found.records[0].std) == (38.489474, 21.085801)


def test_koniq10k(tmp_path, labels, put):
    file = "koniq10k_distributions_sets.csv"
    (tmp_path / file).write_text((labels / "misc" / file).read_text())
    put([f"512x384/{name}" for name in pd.read_csv(tmp_path / file)["image_name"]])
    found = datasets.recognise(tmp_path)
    assert found.name == "koniq10k_512x384"
    parts = datasets.split_records(found.records)
    sizes = {name: len(part) for name, part in parts.items()}
    assert sizes == {"train": 7058, "validation": 1000, "test": 2015}
    shares = np.array([record.shares for record in found.records])
    np.testing.assert_allclose(shares.sum(1), 1, atol=1e-6)
    means = shares @ np.arange(1, 6)
    assert spearmanr(means, [record.score for record in found.records]).statistic > 0.99
    deviations = np.sqrt(shares @ np.arange(1, 6) ** 2 - means**2)
    given = [record.extra["std_1_to_5"] for record in found.records]
    np.testing.assert_allclose(deviations, given, atol=0.02)  # so they are not of the score


def test_pipal(tmp_path, labels, put):
    lines = (labels / "misc/pipal_train.txt").read_text().splitlines()
    (tmp_path / "Train_Label").mkdir()
    by_scene = {}
    for line in lines:
        by_scene.setdefault(line[:5], []).append(line)
    for scene, of_scene in by_scene.items():
        (tmp_path / "Train_Label" / f"{scene}.txt").write_text("\n".join(of_scene))
    put([f"Train_Ref/{scene}.bmp" for scene in by_scene])
    put([f"Train_Dis/{line.split(',')[0]}" for line in lines])
    found = datasets.recognise(tmp_path)
    assert (found.name, len(found.records)) == ("pipal", 23200)
    kinds = pd.Series([record.distortion for record in found.records]).value_counts() // 200
    assert kinds.sort_index().tolist() == [12, 16, 10, 24, 13, 14, 27]


def test_paq2piq(tmp_path, labels, put):
    file = tmp_path / "labels_image.csv"
    file.write_text((labels / "misc/paq2piq_labels_image.csv").read_text())
    put(list(pd.read_csv(file)["name"]))
    found = datasets.recognise(tmp_path)
    assert (found.name, len(found.records)) == ("paq2piq", 39810)
    assert found.records[0].score == 75.44372347614072


def test_agiqa(tmp_path, labels, put):
    (tmp_path / "AIGC_all.csv").write_text((labels / "misc/agiqa1k.csv").read_text())
    put(list(pd.read_csv(tmp_path / "AIGC_all.csv")["Image"]))
    found = datasets.recognise(tmp_path)
    assert (found.name, len(found.records)) == ("agiqa1k_raw", 1080)
    assert found.records[0].content == "6_2_0_1"
    (tmp_path / "AIGC_all.csv").unlink()
    (tmp_path / "data.csv").write_text((labels / "misc/agiqa3k.csv").read_text())
    put([f"images/{name}" for name in pd.read_csv(tmp_path / "data.csv")["name"]])
    found = datasets.recognise(tmp_path)
    assert (found.name, len(found.records)) == ("agiqa3k", 2982)
    assert len({record.content for record in found.records}) == 300
    parts = datasets.split_records(found.records)
    assert {name: len({r.content for r in part}) for name, part in parts.items()} == {
        "train": 180,
        "validation": 60,
        "test": 60,
    }


def test_bid(tmp_path, labels, put):
    names = ["image", "grade", "std"]
    table = pd.read_csv(labels / "liqe_lists/bid_all.txt", sep="\t", names=names)
    numbers = table["image"].str[-8:-4].astype(int)
    columns = {"Image Number": numbers, "Average Subjective Grade": table["grade"]}
    book(tmp_path / "DatabaseGrades.xlsx", pd.DataFrame({**columns, "std": table["std"]}))
    put(list(table["image"]))
    found = datasets.recognise(tmp_path)
    assert (found.name, len(found.records)) == ("bid", 586)
    assert (found.records[0].score, found.records[0].std) == (3.180518, 1.166392)


def test_spaq_as_a_table(tmp_path, labels):
    file = tmp_path / "spaq.csv"
    file.write_text((labels / "misc/spaq_mos.csv").read_text())
    found = datasets.read_table(file, columns={"distorted": "image"})
    low, high = datasets.find("spaq").score_range
    assert len(found.records) == 11121  # four less than published
    assert all(low <= record.score <= high for record in found.records)
    sizes = {name: len(part) for name, part in datasets.split_records(found.records).items()}
    assert sizes == {"train": 8897, "test": 2224}


def test_htid_as_a_table(tmp_path, labels, put):
    table = pd.read_csv(labels / "jakub1t/result_htid_iqa.tsv", sep="\t")
    names = {"h_names": "image", "h_mos": "mos"}
    table.rename(columns=names).to_csv(tmp_path / "htid.csv", index=False)
    put(list(table["h_names"]))
    found = datasets.recognise(tmp_path)
    assert (found.name, len(found.records)) == ("htid", 2832)
    assert len({record.content for record in found.records}) == 48
