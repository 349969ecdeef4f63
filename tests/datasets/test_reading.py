"""Every published layout gives the right labels, and what is wrong with a folder is said."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from jiqa import datasets
from jiqa.datasets.folders import Folder, LabelError
from tests.datasets.fakes import FAKES, TID_SCENES, make_cid_iq, make_kadid, make_tid2013

# What the reader must say of one record of each fake: its place, and some of its fields.
EXPECTED = {
    "agiqa1k": (
        1,
        {
            "content": "1_0_1_0",
            "score": pytest.approx(4 / 3),
            "distorted": "dreamStudio_1_0_1_0.jpg",
        },
    ),
    "agiqa1k_raw": (0, {"content": "1_0_1_0", "score": 1.5, "extra": {"model": "deepai"}}),
    "agiqa3k": (
        3,
        {
            "content": "text 2",
            "score": 2.5,
            "std": 0.25,
            "extra": {
                "model": "DALLE2",
                "prompt": "text 2",
                "mos_align": 3.5,
                "std_align": 0.75,
            },
        },
    ),
    "bapps_2afc": (
        1,
        {
            "first": "000001.png",
            "score": pytest.approx(0.6),  # of p0; the file holds the share of p1
            "ratings": 2,
            "distortion": "cnn",
            "split": "train",
        },
    ),
    "bapps_jnd": (
        5,
        {"score": pytest.approx(2 / 3), "ratings": 3, "distortion": "traditional"},
    ),
    "bid": (1, {"distorted": "DatabaseImage0024.JPG", "score": 4.79, "std": 0.8}),
    "cid_iq_50cm": (
        6,
        {
            "reference": "final02.bmp",
            "distorted": "final02_d2_l2.bmp",
            "score": pytest.approx(1 + 8 * 6 / 29),
            "ratings": 17,
            "distortion": "jpeg_compression",
            "level": 2,
            "extra": {"distance_cm": 50},
        },
    ),
    "cid_iq_100cm": (6, {"distorted": "final02_d2_l2.bmp", "score": pytest.approx(9 - 48 / 29)}),
    "csiq": (
        1,
        {
            "reference": "1600.png",
            "distorted": "1600.jpeg2000.2.png",
            "score": 0.24,
            "std": 0.05,
            "distortion": "jpeg2000",
            "level": 2,
            "content": "1600",
        },
    ),
    "htid": (2, {"distorted": "im002_02.png", "content": "set02", "std": 0.5}),
    "kadid10k": (
        1,
        {
            "reference": "I01.png",
            "distorted": "I01_15_05.png",
            "score": 1.33,  # its column is called dmos, and more is better
            "std": 0.471,  # its column is called var
            "ratings": 30,
            "distortion": "15",
            "level": 5,
        },
    ),
    "koniq10k": (
        2,
        {
            "distorted": "10004473378.jpg",
            "score": 72.5,
            "std": None,
            "ratings": 102,
            "shares": (0, 0, 0.25, 0.7, 0.05),
            "split": "validation",
            "extra": {"std_1_to_5": 0.53},
        },
    ),
    "koniq10k_512x384": (0, {"distorted": "10004473376.jpg", "split": "train"}),
    "live": (
        0,
        {
            "reference": "bikes.bmp",
            "distorted": "img1.bmp",
            "score": 0,
            "standard_error": 2.5,
            "distortion": "jp2k",
            "content": "bikes",
            "extra": {"parameter": 0.75},
        },
    ),
    "live_itw": (1, {"distorted": "4.JPG", "score": pytest.approx(20 + 60 * 8 / 11)}),
    "live_md": (
        19,
        {
            "reference": "palace2.bmp",
            "score": 45,
            "distortion": "blur+noise",
            "level": None,
            "extra": {"part": "Part 2", "blur": 2, "noise": 3},
        },
    ),
    "paq2piq": (1, {"distorted": "AVA__1.jpg", "score": 60, "split": "validation"}),
    "pieapp": (1, {"score": 3.25, "distortion": "jpeg", "content": "ref_3", "split": "test"}),
    "pieapp_pairs": (
        1,
        {
            "first": "ref_3.png",
            "second": "distort_3_jpeg_inter_1.png",
            "score": 0.9,
            "ratings": 40,
            "split": "test",
        },
    ),
    "pipal": (3, {"reference": "A0002.bmp", "distortion": "06", "score": 1411.7958}),
    "spaq": (
        4,
        {
            "distorted": "00005.jpg",
            "score": 95,
            "extra": {"Brightness": 60, "Animal": 0, "Cityscape": 1, "ISO": 100},
        },
    ),
    "tid2008": (3, {"distorted": "i01_17_2.bmp", "distortion": "17", "level": 2}),
    "tid2013": (
        0,
        {
            "reference": "I01.BMP",
            "distorted": "i01_01_1.bmp",  # listed as I01_01_1.bmp
            "score": 3.99,
            "standard_error": 0.13,
            "distortion": "01",
            "level": 1,
            "content": "i01",
        },
    ),
}


@pytest.fixture(scope="module")
def fakes(tmp_path_factory):
    """A small data set of every layout, made once."""
    made = {}

    def make(name):
        if name not in made:
            folder = tmp_path_factory.mktemp(name)
            made[name] = folder, FAKES[name](folder)
        return made[name]

    return make


def test_every_layout_has_a_fake_and_a_row_in_the_documentation():
    assert sorted(FAKES) == datasets.names()
    page = (Path(__file__).parents[2] / "docs/datasets.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    for name in datasets.names():
        (row,) = [line for line in rows if f"`{name}`" in line]
        publication = datasets.find(name)
        if publication.images:
            assert f"| {publication.images}" in row
        if publication.references:
            assert f"| {publication.references} |" in row


@pytest.mark.parametrize("name", sorted(FAKES))
def test_labels(fakes, name):
    folder, count = fakes(name)
    found = datasets.read(name, folder, partial=True)
    assert (found.name, found.kind) == (name, datasets.find(name).kind)
    assert len(found.records) == count
    for record in found.records:
        assert all(file.is_file() for file in record.images.values())
        assert ("reference" in record.images) == (datasets.find(name).references != 0)
    place, fields = EXPECTED[name]
    for field, value in fields.items():
        there = getattr(found.records[place], field)
        assert (
            there.name if field in ("reference", "distorted", "first", "second") else there
        ) == (value), field


@pytest.mark.parametrize("name", [n for n in sorted(FAKES) if datasets.find(n).images])
def test_a_part_is_no_whole(fakes, name):
    folder, count = fakes(name)
    what = "pairs" if datasets.find(name).kind == "preference" else "images"
    message = rf"has {datasets.find(name).images} {what}, .* name {count}\. .*partial=True"
    with pytest.raises(ValueError, match=f"(?s){message}.*Home page: "):
        datasets.read(name, folder)


@pytest.mark.parametrize("name", [n for n in sorted(FAKES) if datasets.find(n).score_range])
def test_scores_out_of_range(fakes, name, monkeypatch):
    folder, _ = fakes(name)
    scores = sorted(record.score for record in datasets.read(name, folder, partial=True).records)
    publication = datasets.find(name)
    monkeypatch.setitem(
        publication.__dict__, "score_range", (publication.score_range[0], scores[-1] - 1e-3)
    )
    with pytest.raises(ValueError, match=r"are not from .* as all published ones are"):
        datasets.read(name, folder, partial=True)


def test_the_folder_may_be_deeper_and_cases_do_not_matter(tmp_path):
    make_kadid(tmp_path / "archive" / "KADID10K")
    inside = tmp_path / "archive" / "KADID10K"
    (inside / "images").rename(inside / "Images")
    (inside / "dmos.csv").rename(inside / "DMOS.csv")
    found = datasets.read("kadid10k", tmp_path, partial=True)
    assert found.records[0].distorted == inside / "Images/I01_01_02.png"
    shutil.copytree(inside, tmp_path / "archive" / "copy")
    with pytest.raises(
        ValueError, match="holds the labels in archive/KADID10K and in archive/copy"
    ):
        datasets.read("kadid10k", tmp_path, partial=True)


def test_missing_and_damaged_files_are_reported_together(tmp_path):
    make_tid2013(tmp_path)
    images = tmp_path / "distorted_images"
    (images / "i01_01_2.bmp").unlink()
    (images / "i01_24_1.bmp").write_bytes(b"<html>404</html>")
    (tmp_path / "reference_images/i25.bmp").write_bytes(b"")
    with pytest.raises(FileNotFoundError) as caught:
        datasets.read("tid2013", tmp_path, partial=True)
    message = str(caught.value)
    assert "3 of 10 images of TID2013 are missing or damaged" in message
    assert "i01_01_2.bmp: missing" in message
    assert "i01_24_1.bmp: by its content the file is no PNG" in message
    assert "i25.bmp: the file is empty" in message
    assert "reference_images/I01.BMP to I25.BMP" in message
    assert "Home page: http://www.ponomarenko.info/tid2013.htm" in message


def test_what_only_decoding_finds(tmp_path):
    make_kadid(tmp_path)
    file = tmp_path / "images/I02_01_02.png"
    file.write_bytes(file.read_bytes()[:-40])
    found = datasets.read("kadid10k", tmp_path, partial=True)
    calls = []
    with pytest.raises(FileNotFoundError, match=r"1 of 15 images .*\n.*I02_01_02\.png: "):
        datasets.check_images(found, progress=lambda *call: calls.append(call))
    assert calls[-1] == (15, 15)


def test_missing_labels(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        datasets.read("csiq", tmp_path)
    assert "lacks the labels of CSIQ: csiq.DMOS.xlsx or csiq_label.txt." in str(caught.value)
    assert "src_imgs/<image>.png" in str(caught.value)
    with pytest.raises(FileNotFoundError, match="no folder is called"):
        datasets.read("csiq", tmp_path / "nowhere")
    with pytest.raises(ValueError, match="no data set is called 'csi'; there are agiqa1k, "):
        datasets.read("csi", tmp_path)


def replace(name, old, new):
    def change(folder):
        (folder / name).write_text((folder / name).read_text().replace(old, new))

    return change


def overwrite(name, content=b"PK no workbook"):
    def change(folder):
        (folder / name).write_bytes(content)

    return change


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (
            "tid2013",
            replace("mos_with_names.txt", "i01_24_1", "i01-24-1"),
            "has a line '3.99000 i01-",
        ),
        ("tid2013", replace("mos_std.txt", "0.13\n0.13\n", "0.13\n"), "hold 20 and 10 entries"),
        ("tid2013", replace("mos_with_names.txt", "I01_01_1", "i01_01_2"), "is rated twice"),
        (
            "tid2013",
            replace("mos_with_names.txt", "3.99000", "nan"),
            "2 scores .* i01_01_1.bmp nan",
        ),
        ("tid2013", replace("mos_with_names.txt", "3.99000", "x"), "damaged .*to float: 'x'"),
        ("kadid10k", replace("dmos.csv", "var", "std"), "has no column var; it has dist_img"),
        ("kadid10k", replace("dmos.csv", "I01_01_02", "J01"), "has an image 'J01.png'"),
        ("kadid10k", overwrite("dmos.csv", b"dist_img,ref_img,dmos,var\n"), "name no image"),
        ("htid", replace("htid.csv", "set02/im002_02.png", ""), "labels in .* are damaged"),
        ("koniq10k", replace("koniq10k_distributions_sets.csv", "validation", "dev"), "sets dev"),
        ("csiq", overwrite("csiq.DMOS.xlsx"), "cannot be read as a table"),
        ("live", overwrite("refnames_all.mat"), "cannot be read as a MATLAB file"),
        ("pipal", replace("Train_Label/A0001.txt", "_06_", "-06-"), "has a line 'A0001-06-11"),
        ("bapps_jnd", overwrite("jnd/val/cnn/same/000001.npy"), "is no array of one number"),
        (
            "pieapp_pairs",
            replace("labels/val/ref_2_pairwise_labels.csv", "for A", "A"),
            "'processed",
        ),
    ],
)
def test_damaged_labels(tmp_path, name, change, message):
    FAKES[name](tmp_path)
    change(tmp_path)
    with pytest.raises(LabelError, match=f"(?s){message}.*Home page: "):
        datasets.read(name, tmp_path, partial=True)


def test_order_gives_the_scores_of_cid_iq_so_all_images_are_needed(tmp_path):
    make_cid_iq(tmp_path)
    (tmp_path / "Images/Reproduction/2_JPEG_Compression/final03_d2_l2.bmp").unlink()
    with pytest.raises(LabelError, match=r"has 30 scores by their order, and .* 29 images"):
        datasets.read("cid_iq_50cm", tmp_path, partial=True)


def test_cid_iq_from_a_list(tmp_path):
    make_cid_iq(tmp_path)
    (tmp_path / "MOS100.mat").unlink()
    name = "CIDIQ_MOS100/Images/Reproduction/4_Gaussian_Blur/final02_d4_l2.bmp"
    (tmp_path / "CIDIQ_MOS100.txt").write_text(
        f"dis_img_path,dis_type,ref_img_path,score\n{name},BLUR,x,4.82\n"
    )
    (record,) = datasets.read("cid_iq_100cm", tmp_path, partial=True).records
    assert record.distorted.name == "final02_d4_l2.bmp"
    assert (record.score, record.distortion) == (4.82, "gaussian_blur")


def test_csiq_from_lines(tmp_path):
    FAKES["csiq"](tmp_path)
    (tmp_path / "csiq.DMOS.xlsx").unlink()
    (tmp_path / "csiq_label.txt").write_text("1600.AWGN.1.png 0.06\nelk.jpeg2000.2.png 0.3\n")
    records = datasets.read("csiq", tmp_path, partial=True).records
    assert [record.distortion for record in records] == ["awgn", "jpeg2000"]
    assert records[0].distorted == tmp_path / "dst_imgs/awgn/1600.AWGN.1.png"
    assert records[1].score == 0.3


@pytest.mark.parametrize(
    "name", [n for n in sorted(FAKES) if datasets.find(n).kind != "preference"]
)
def test_a_folder_is_recognised(fakes, name):
    folder, count = fakes(name)
    several = name.startswith(("agiqa1k", "cid_iq"))
    found = datasets.recognise(f"{name}={folder}" if several else folder, partial=True)
    expected = "tid2013" if name == "tid2008" else name  # a part of TID2008 could be of either
    assert (found.name, len(found.records)) == (expected, count)
    if several:
        with pytest.raises(ValueError, match=f"holds 2 sets of labels: say .*{name}={folder}"):
            datasets.recognise(folder, partial=True)


def test_tid2008_is_told_by_its_size(tmp_path):
    scenes = tuple(f"I{scene:02d}.BMP" for scene in range(1, 26))
    kinds = tuple(f"{kind:02d}" for kind in range(1, 18))
    folder = tmp_path / "one"
    make_tid2013(folder, scenes[:1], kinds[:1])
    lines = [
        f"3.5 i{n[1:3]}_{k}_{level}.bmp" for n in scenes for k in kinds for level in range(1, 5)
    ]
    (folder / "mos_with_names.txt").write_text("\n".join(lines))
    recognises = datasets.find("tid2008").recognises
    assert recognises(Folder(folder))
    (folder / "mos_with_names.txt").write_text("\n".join([*lines[:-1], "3.5 i25_18_1.bmp"]))
    assert not recognises(Folder(folder))


def test_an_unknown_folder(tmp_path):
    (tmp_path / "labels.csv").write_text("image,score\n")
    with pytest.raises(ValueError, match="has the layout of no published data set known here"):
        datasets.recognise(tmp_path)


def test_training_images_of_live_in_the_wild_come_first(tmp_path):
    FAKES["live_itw"](tmp_path)
    from scipy.io import loadmat, savemat

    file = tmp_path / "Data/AllImages_release.mat"
    savemat(file, {"AllImages_release": loadmat(file)["AllImages_release"][::-1]})
    with pytest.raises(LabelError, match=r"the first 7 images should be t1\.bmp and so on, not 11"):
        datasets.read("live_itw", tmp_path, partial=True)


def test_five_scenes_of_tid(fakes):
    folder, _ = fakes("tid2013")
    records = datasets.read("tid2013", folder, partial=True).records
    assert len({record.content for record in records}) == len(TID_SCENES)
    assert np.mean([record.standard_error for record in records]) == pytest.approx(0.13)
