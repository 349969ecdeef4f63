"""Pairs from files, folders, patterns and manifests: names only, no image is opened."""

from pathlib import Path

import pandas as pd
import pytest

from jiqa.pairs import Pair, find_images, find_pairs, read_manifest


def make_files(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def names(pairs: list[Pair]) -> list[tuple[str, str]]:
    return [(pair.reference.name, pair.distorted.name) for pair in pairs]


@pytest.fixture
def tid(tmp_path: Path) -> tuple[Path, Path]:
    """Folders named as in TID2013, upper and lower case mixed."""
    references = make_files(tmp_path / "reference_images", "I01.BMP", "i02.bmp")
    distorted = make_files(
        tmp_path / "distorted_images", "i01_08_2.bmp", "I01_01_1.bmp", "i02_24_5.bmp"
    )
    return references, distorted


def test_two_files(tmp_path):
    make_files(tmp_path, "a.png", "b.png")
    assert find_pairs(tmp_path / "a.png", tmp_path / "b.png") == [
        Pair(tmp_path / "a.png", tmp_path / "b.png")
    ]


def test_one_reference_serves_a_folder(tmp_path):
    folder = make_files(tmp_path / "d", "x.png", "y.jpg")
    reference = make_files(tmp_path, "a.png") / "a.png"
    assert names(find_pairs(reference, folder)) == [("a.png", "x.png"), ("a.png", "y.jpg")]


def test_folders_pair_by_stem_with_subfolders_and_any_suffix_or_case(tmp_path):
    first = make_files(tmp_path / "r", "b.png", "A.BMP", "sub/b.png", "notes.txt", ".hidden.png")
    second = make_files(tmp_path / "d", "a.jpg", "b.webp", "sub/b.jpg", "Thumbs.db")
    pairs = find_pairs(first, second)
    assert names(pairs) == [("A.BMP", "a.jpg"), ("b.png", "b.webp"), ("b.png", "b.jpg")]
    assert pairs[2].reference == first / "sub/b.png"


def test_names_with_dots_keep_all_but_the_suffix(tmp_path):
    first = make_files(tmp_path / "r", "1600.v1.png", "1600.v2.png")
    second = make_files(tmp_path / "d", "1600.v1.jpg", "1600.v2.jpg")
    assert names(find_pairs(first, second))[1] == ("1600.v2.png", "1600.v2.jpg")


def test_unpaired_names_of_both_folders_are_listed(tmp_path):
    first = make_files(tmp_path / "r", "a.png", "only_reference.png")
    second = make_files(tmp_path / "d", "a.png", "only_distorted.png")
    with pytest.raises(ValueError, match=r"2 of 4 .*only_distorted\.png, .*only_reference\.png"):
        find_pairs(first, second)
    assert names(find_pairs(first, second, unpaired="ignore")) == [("a.png", "a.png")]


def test_many_unpaired_names_are_counted(tmp_path):
    first = make_files(tmp_path / "r", *[f"r{i}.png" for i in range(15)])
    second = make_files(tmp_path / "d", "a.png")
    with pytest.raises(ValueError, match=r"16 of 16 .* and 6 more"):
        find_pairs(first, second)


def test_a_name_twice_is_an_error(tmp_path):
    first = make_files(tmp_path / "r", "a.png", "a.jpg")
    second = make_files(tmp_path / "d", "a.png")
    with pytest.raises(ValueError, match=r"two images are called 'a': .*a\.jpg and .*a\.png"):
        find_pairs(first, second)
    with pytest.raises(ValueError, match="two images are called"):
        find_pairs(second, first, unpaired="ignore")


def test_pattern_pairs_tid2013(tid):
    pairs = find_pairs(*tid, pattern="{reference}_*")
    assert names(pairs) == [
        ("I01.BMP", "I01_01_1.bmp"),
        ("I01.BMP", "i01_08_2.bmp"),
        ("i02.bmp", "i02_24_5.bmp"),
    ]


@pytest.mark.parametrize(
    ("pattern", "distorted"),
    [
        ("{reference}_*", "night_sky_blur_3.png"),
        ("*_{reference}", "blur_night_sky.png"),
        ("q[0-9][0-9]-{reference}-?", "q10-night_sky-a.png"),
        ("{reference}.*.[0-9]", "night_sky.AWGN.1.png"),
        ("{reference}", "night_sky.png"),
    ],
)
def test_pattern_takes_the_longest_reference_that_fits(tmp_path, pattern, distorted):
    first = make_files(tmp_path / "r", "night.png", "night_sky.png", "sky.png")
    second = make_files(tmp_path / "d", distorted)
    pairs = find_pairs(first, second, pattern=pattern, unpaired="ignore")
    assert names(pairs) == [("night_sky.png", distorted)]


def test_pattern_lists_what_does_not_fit(tid):
    make_files(tid[1], "i03_01_1.bmp", "i01-08.bmp")
    with pytest.raises(ValueError, match=r"2 of 7 .*i01-08\.bmp, .*i03_01_1\.bmp"):
        find_pairs(*tid, pattern="{reference}_*")
    assert len(find_pairs(*tid, pattern="{reference}_*", unpaired="ignore")) == 3


def test_pattern_lists_references_without_images(tid):
    make_files(tid[0], "i25.bmp")
    with pytest.raises(ValueError, match=r"1 of 6 .*i25\.bmp"):
        find_pairs(*tid, pattern="{reference}_*")


@pytest.mark.parametrize("pattern", ["*_1", "{reference}_{reference}"])
def test_pattern_holds_the_reference_once(tid, pattern):
    with pytest.raises(ValueError, match=r"must hold \{reference\} once"):
        find_pairs(*tid, pattern=pattern)


def test_pattern_needs_folders(tid):
    with pytest.raises(ValueError, match="a pattern pairs two folders"):
        find_pairs(tid[0], tid[1] / "i01_08_2.bmp", pattern="{reference}_*")


def test_missing_path_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no file or folder is called .*nowhere"):
        find_pairs(tmp_path, tmp_path / "nowhere")


def test_folder_without_images_is_an_error(tmp_path):
    make_files(tmp_path, "readme.txt", ".cache/a.png")
    with pytest.raises(FileNotFoundError, match=r"holds no image; .*\.png"):
        find_images(tmp_path)


def test_folder_before_file_is_an_error(tmp_path):
    make_files(tmp_path, "a.png")
    with pytest.raises(ValueError, match=r"is a folder but .* is a file"):
        find_pairs(tmp_path, tmp_path / "a.png")


def test_images_alone(tmp_path):
    make_files(tmp_path, "b.png", "a.png")
    assert find_pairs(tmp_path) == [Pair(None, tmp_path / "a.png"), Pair(None, tmp_path / "b.png")]
    assert find_pairs(tmp_path / "b.png") == [Pair(None, tmp_path / "b.png")]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_manifest(tmp_path, suffix):
    table = pd.DataFrame(
        {
            "distorted": ["d/1.png", "/elsewhere/2.png"],
            "mos": [3.5, 1.25],
            "reference": ["r/1.png", "007"],
            "kind": ["blur", "noise"],
        }
    )
    path = tmp_path / f"pairs{suffix}"
    table.to_csv(path, index=False) if suffix == ".csv" else table.to_parquet(path)
    assert find_pairs(path) == [
        Pair(tmp_path / "r/1.png", tmp_path / "d/1.png", {"mos": 3.5, "kind": "blur"}),
        Pair(tmp_path / "007", Path("/elsewhere/2.png"), {"mos": 1.25, "kind": "noise"}),
    ]


def test_manifest_of_images_alone(tmp_path):
    (tmp_path / "images.csv").write_text("distorted\na.png\nb.png\n")
    assert read_manifest(tmp_path / "images.csv") == [
        Pair(None, tmp_path / "a.png"),
        Pair(None, tmp_path / "b.png"),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "reference,image\na,b\n",
            "needs columns reference and distorted; it has reference, image",
        ),
        ("reference,distorted\na,b\n,c\nd,\n", "no reference or distorted in row 2, 3 "),
        ("", "cannot be read as a table"),
        ('a,b\n"', "cannot be read as a table"),
    ],
)
def test_bad_manifest(tmp_path, content, message):
    path = tmp_path / "pairs.csv"
    path.write_text(content)
    with pytest.raises(ValueError, match=message):
        read_manifest(path)


def test_manifest_that_is_no_parquet(tmp_path):
    path = tmp_path / "pairs.parquet"
    path.write_text("reference,distorted\n")
    with pytest.raises(ValueError, match="cannot be read as a table"):
        read_manifest(path)
