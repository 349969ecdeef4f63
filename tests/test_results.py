"""The table's three formats and the journal of an unfinished run."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyarrow import parquet

from jiqa.files import check_output
from jiqa.pairs import Pair
from jiqa.results import (
    TABLE_SUFFIXES,
    Journal,
    Outcome,
    Scores,
    journal_path,
    metadata_path,
)

SETTINGS = {"jiqa": "1", "metrics": {"psnr": {"options": {"luma": None}}}}


@pytest.fixture
def scores() -> Scores:
    frame = pd.DataFrame(
        {
            "reference": ["r/a.png", "r/b.png", "r/c.png"],
            "distorted": ["d/a.png", "d/b,ä.png", "d/c.png"],
            "mos": [1.0, 2.123456789012, np.nan],
            "level": [1, 2, 3],
            "psnr": np.array([np.inf, 31.4159274, np.nan], np.float32),
            "error": pd.array([None, None, "psnr: reason"], dtype="string"),
        }
    )
    return Scores(frame, {"jiqa": "0.1.0", "metrics": {"psnr": {"options": {}}}})


def test_csv_holds_every_digit_and_the_metadata_beside_it(scores, tmp_path):
    scores.write(tmp_path / "s.csv")
    back = pd.read_csv(tmp_path / "s.csv", dtype={"psnr": np.float32, "error": "string"})
    pd.testing.assert_frame_equal(back, scores.frame, check_exact=True, check_dtype=False)
    assert ",31.415928," in (tmp_path / "s.csv").read_text()
    assert json.loads(metadata_path(tmp_path / "s.csv").read_text()) == scores.metadata
    assert sorted(os.listdir(tmp_path)) == ["s.csv", "s.csv.meta.json"]


def test_parquet_holds_types_and_metadata(scores, tmp_path):
    scores.write(tmp_path / "s.parquet")
    back = pd.read_parquet(tmp_path / "s.parquet")
    pd.testing.assert_frame_equal(back, scores.frame, check_exact=True, check_dtype=False)
    assert back["psnr"].dtype == np.float32
    metadata = parquet.read_schema(tmp_path / "s.parquet").metadata[b"jiqa"]
    assert json.loads(metadata) == scores.metadata
    assert os.listdir(tmp_path) == ["s.parquet"]


def test_json_is_strict(scores, tmp_path):
    scores.write(tmp_path / "s.json")

    def reject(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    document = json.loads((tmp_path / "s.json").read_text(), parse_constant=reject)
    assert document["metadata"] == scores.metadata
    assert document["scores"][0]["psnr"] == "Infinity"
    assert float(document["scores"][0]["psnr"]) == np.inf
    assert document["scores"][1]["psnr"] == np.float32(31.4159274)
    assert document["scores"][2] == {
        "reference": "r/c.png",
        "distorted": "d/c.png",
        "mos": None,
        "level": 3,
        "psnr": None,
        "error": "psnr: reason",
    }


def test_failed_are_the_rows_with_an_error(scores):
    assert list(scores.failed["distorted"]) == ["d/c.png"]


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".json"])
def test_a_failing_write_leaves_the_old_file(scores, tmp_path, monkeypatch, suffix):
    path = tmp_path / f"s{suffix}"
    path.write_text("old")

    def fail(*_args: object, **_kwargs: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        scores.write(path)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("name", ["scores.xlsx", "scores", "scores.csv.gz"])
def test_other_suffixes_are_refused(name):
    with pytest.raises(ValueError, match=r"must be one of \.csv, \.parquet, \.json"):
        check_output(name, TABLE_SUFFIXES)


def test_folders_are_checked(tmp_path):
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(IsADirectoryError, match="is a folder"):
        check_output(tmp_path / "folder.csv", TABLE_SUFFIXES)
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*missing"):
        check_output(tmp_path / "missing" / "scores.csv", TABLE_SUFFIXES)


@pytest.fixture
def pairs(tmp_path: Path) -> list[Pair]:
    for name in ("reference.png", "a.png", "b.png", "c.png"):
        (tmp_path / name).write_bytes(b"image")
    return [Pair(tmp_path / "reference.png", tmp_path / name) for name in ("a.png", "b.png")] + [
        Pair(None, tmp_path / "c.png")
    ]


OUTCOMES = [
    Outcome(2, {"psnr": float("inf")}),
    Outcome(0, {"psnr": float(np.float32(0.1))}),
    Outcome(1, {}, "unreadable"),
]


def fill(output: Path, pairs: list[Pair]) -> Path:
    with Journal(output, SETTINGS, resume=False) as journal:
        journal.append(pairs, OUTCOMES[:1])
        journal.append(pairs, OUTCOMES[1:])
    return journal_path(output)


def test_journal_gives_back_what_was_scored_and_not_what_failed(pairs, tmp_path):
    fill(tmp_path / "s.csv", pairs)
    with Journal(tmp_path / "s.csv", SETTINGS, resume=True) as journal:
        assert list(journal.finished(pairs)) == [OUTCOMES[1], OUTCOMES[0]]
        journal.append(pairs, [Outcome(1, {"psnr": 1.0})])
    with Journal(tmp_path / "s.csv", SETTINGS, resume=True) as journal:
        assert [outcome.index for outcome in journal.finished(pairs)] == [0, 1, 2]
        journal.remove()
    assert not journal_path(tmp_path / "s.csv").exists()


def test_journal_survives_a_cut_at_any_byte(pairs, tmp_path):
    content = fill(tmp_path / "s.csv", pairs).read_bytes()
    ends = [place + 1 for place, byte in enumerate(content) if byte == ord("\n")]
    for cut in range(len(content)):
        path = journal_path(tmp_path / "cut.csv")
        path.write_bytes(content[:cut])
        with Journal(tmp_path / "cut.csv", SETTINGS, resume=True) as journal:
            found = len(list(journal.finished(pairs)))
            whole = sum(end <= cut for end in ends)
            assert found == min(max(whole - 1, 0), 2)
            journal.append(pairs, OUTCOMES[:1])
        lines = path.read_text().splitlines()
        assert json.loads(lines[0]) == SETTINGS
        assert json.loads(lines[-1])["distorted"].endswith("c.png")


def test_unfinished_run_is_not_overwritten(pairs, tmp_path):
    path = fill(tmp_path / "s.csv", pairs)
    content = path.read_bytes()
    with pytest.raises(ValueError, match=r"holds an unfinished run: resume it, or delete"):
        Journal(tmp_path / "s.csv", SETTINGS, resume=False)
    assert path.read_bytes() == content


def test_journal_of_other_settings_is_refused(pairs, tmp_path):
    fill(tmp_path / "s.csv", pairs)
    other = {**SETTINGS, "metrics": {"psnr": {"options": {"luma": "bt601"}}}}
    with pytest.raises(ValueError, match=r'written with metrics .*null.* has .*"bt601"'):
        Journal(tmp_path / "s.csv", other, resume=True)
    with pytest.raises(ValueError, match=r'written with jiqa "1", this run has "2"'):
        Journal(tmp_path / "s.csv", {**SETTINGS, "jiqa": "2"}, resume=True)


@pytest.mark.parametrize("name", ["a.png", "reference.png"])
@pytest.mark.parametrize("change", ["size", "time"])
def test_changed_input_is_refused(pairs, tmp_path, name, change):
    fill(tmp_path / "s.csv", pairs)
    if change == "size":
        (tmp_path / name).write_bytes(b"other image")
    else:
        os.utime(tmp_path / name, (1, 1))
    with (
        Journal(tmp_path / "s.csv", SETTINGS, resume=True) as journal,
        pytest.raises(ValueError, match=r"a\.png or its reference has changed"),
    ):
        list(journal.finished(pairs))


def test_repaired_input_is_scored(pairs, tmp_path):
    fill(tmp_path / "s.csv", pairs)
    (tmp_path / "b.png").write_bytes(b"repaired image")
    with Journal(tmp_path / "s.csv", SETTINGS, resume=True) as journal:
        assert [outcome.index for outcome in journal.finished(pairs)] == [0, 2]


def test_damaged_journal_is_refused(pairs, tmp_path):
    path = fill(tmp_path / "s.csv", pairs)
    path.write_bytes(path.read_bytes().replace(b'"psnr": Inf', b'"psnr": ?nf'))
    with pytest.raises(ValueError, match="is damaged"):
        Journal(tmp_path / "s.csv", SETTINGS, resume=True)


def test_journal_without_pairs_leaves_no_file(tmp_path):
    with Journal(tmp_path / "s.csv", SETTINGS, resume=False):
        assert journal_path(tmp_path / "s.csv").exists()
    assert os.listdir(tmp_path) == []
