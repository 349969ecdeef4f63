"""Scoring real files: the table, wrong use, output files, resuming."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import jax
import numpy as np
import pandas as pd
import pytest
from PIL import Image

import jiqa
from jiqa import images, scoring
from jiqa.pairs import Pair, find_pairs
from jiqa.results import journal_path
from jiqa.scoring import parse_metric, score_files, use_compilation_cache
from tests.image_files import SUMMATION, expected, read, write_pairs


@pytest.fixture
def make_pairs(tmp_path: Path) -> Callable[..., list[Pair]]:
    """Writes a pair of files for each shape."""
    return partial(write_pairs, tmp_path)


def test_scores_are_those_of_the_metric_in_the_order_of_the_pairs(make_pairs):
    pairs = make_pairs((24, 20, 3), (16, 31, 3), (24, 20), (24, 20, 3), (16, 31, 3), (12, 11, 3))
    pairs = [pairs[i] for i in (3, 0, 5, 2, 4, 1)]
    table = score_files(pairs, ["psnr", "ssim"]).frame
    assert list(table.columns) == ["reference", "distorted", "psnr", "ssim", "error"]
    assert list(table["distorted"]) == [str(pair.distorted) for pair in pairs]
    assert table["error"].isna().all()
    for metric in ("psnr", "ssim"):
        truth = [expected(pair, metric) for pair in pairs]
        np.testing.assert_allclose(table[metric], truth, **SUMMATION)


def test_manifest_columns_are_carried_through(make_pairs):
    pairs = [
        Pair(pair.reference, pair.distorted, {"mos": mos, "kind": kind})
        for pair, mos, kind in zip(
            make_pairs(*[(24, 20, 3)] * 2), [1.5, 2.5], ["blur", "noise"], strict=True
        )
    ]
    table = score_files(pairs, ["psnr"]).frame
    assert list(table.columns) == ["reference", "distorted", "mos", "kind", "psnr", "error"]
    assert list(table["mos"]) == [1.5, 2.5]
    assert list(table["kind"]) == ["blur", "noise"]


def test_wrong_use(make_pairs, tmp_path):
    pairs = make_pairs((24, 20, 3))
    with pytest.raises(ValueError, match="no metric is called 'sim'"):
        score_files(pairs, ["psnr", "sim"])
    with pytest.raises(ValueError, match="nothing to score"):
        score_files([], ["psnr"])
    with pytest.raises(ValueError, match=r"psnr, ssim needs a reference, and .*000\.png has none"):
        score_files(find_pairs(tmp_path / "d"), ["psnr", "ssim"])
    with pytest.raises(ValueError, match="the manifest's columns psnr are names of the result"):
        score_files([Pair(Path("a"), Path("b"), {"psnr": 1.0})], ["psnr"])
    with pytest.raises(ValueError, match="alpha is 'red'; give one of error, drop, white, black"):
        score_files(pairs, ["psnr"], alpha="red")
    with pytest.raises(ValueError, match="color_profile is 'p3'; give one of srgb, keep, error"):
        score_files(pairs, ["psnr"], color_profile="p3")
    with pytest.raises(ValueError, match="the suffix must be one of"):
        score_files(pairs, ["psnr"], output=tmp_path / "scores.txt")


def test_options_of_a_metric(make_pairs):
    pairs = make_pairs((24, 20, 3))
    column = "ssim:luma=bt601:window_size=7"
    table = score_files(pairs, [column, "ssim"]).frame
    truth = jiqa.ssim(
        read(pairs[0].reference), read(pairs[0].distorted), luma="bt601", window_size=7
    )
    np.testing.assert_allclose(table[column][0], truth, **SUMMATION)
    assert abs(table[column][0] - table["ssim"][0]) > 1e-3


@pytest.mark.parametrize("text", ["ssim:lumen=1", "ssim:luma", "ssim:", "ssim:weights=1"])
def test_wrong_options_of_a_metric(text):
    with pytest.raises(ValueError, match="is not an option of ssim; give option=value"):
        parse_metric(text)


def test_transparent_and_large_images_follow_the_rules(tmp_path):
    pixels = np.full((24, 20, 4), 128, np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    pair = Pair(tmp_path / "a.png", tmp_path / "a.png")
    assert "transparent" in score_files([pair], ["psnr"]).failed["error"][0]
    assert "max_pixels=479" in score_files([pair], ["psnr"], max_pixels=479).failed["error"][0]
    scores = score_files([pair], ["psnr"], alpha="white")
    assert scores.failed.empty
    assert scores.metadata["alpha"] == "white"


def test_metadata_says_what_was_computed(make_pairs):
    metadata = score_files(make_pairs((24, 20, 3)), ["ssim_y:k1=0.02", "psnr"]).metadata
    assert metadata["jiqa"] == jiqa.__version__
    assert metadata["jax"] == jax.__version__
    assert metadata["platform"] == "cpu"
    assert metadata["pairs"] == 1
    ssim, psnr = metadata["metrics"].values()
    assert (ssim["metric"], ssim["higher_is_better"], ssim["identical"]) == ("ssim_y", True, 1)
    assert ssim["options"]["luma"] == "matlab"
    assert ssim["options"]["k1"] == 0.02
    assert ssim["options"]["window_size"] == 11
    assert psnr["identical"] == "inf"


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".json"])
def test_output_is_the_table_and_nothing_is_left_over(make_pairs, tmp_path, suffix):
    output = tmp_path / "out" / f"scores{suffix}"
    output.parent.mkdir()
    scores = score_files(make_pairs((24, 20, 3), (16, 20, 3)), ["psnr"], output=output)
    if suffix == ".json":
        table = pd.DataFrame(pd.read_json(output, typ="series")["scores"])
    else:
        table = pd.read_csv(output) if suffix == ".csv" else pd.read_parquet(output)
    np.testing.assert_allclose(table["psnr"], scores.frame["psnr"], rtol=1e-7)
    expected_names = [output.name] + [f"{output.name}.meta.json"] * (suffix == ".csv")
    assert sorted(os.listdir(output.parent)) == expected_names


def test_unwritable_output_is_told_before_any_work(make_pairs, tmp_path, monkeypatch):
    pairs = make_pairs((24, 20, 3))
    monkeypatch.setattr(scoring, "read_image", None)
    with pytest.raises(FileNotFoundError, match="cannot be written: there is no folder"):
        score_files(pairs, ["psnr"], output=tmp_path / "missing" / "s.csv")

    def refuse(*_args: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(OSError, match=r"s\.csv cannot be written: Permission denied"):
        score_files(pairs, ["psnr"], output=tmp_path / "s.csv")
    assert not (tmp_path / "s.csv.partial").exists()


def test_progress_counts_every_pair(make_pairs):
    pairs = make_pairs(*[(24, 20, 3)] * 5)
    pairs[3].distorted.write_bytes(b"")
    seen: list[tuple[int, int]] = []
    score_files(pairs, ["psnr"], progress=lambda *counts: seen.append(counts), batch_pixels=1)
    assert seen[0] == (0, 5)
    assert seen[-1] == (5, 5)
    assert sorted(seen) == seen


def test_an_interrupted_run_resumes_and_repeats_nothing(make_pairs, tmp_path, monkeypatch):
    pairs = make_pairs(*[(24, 20, 3), (16, 20, 3)] * 10)
    pairs[7].distorted.write_bytes(b"")
    options = {"metrics": ["psnr", "ssim"], "batch_pixels": 1, "devices": jax.devices()[:1]}
    whole = score_files(pairs, **options)
    read: list[Path] = []

    def count(path: Path, **read_options: object) -> np.ndarray:
        read.append(path)
        return images.read_image(path, **read_options)

    def interrupt(finished: int, _total: int) -> None:
        if finished >= 9:
            raise KeyboardInterrupt

    monkeypatch.setattr(scoring, "read_image", count)
    output = tmp_path / "scores.csv"
    with pytest.raises(KeyboardInterrupt):
        score_files(pairs, output=output, progress=interrupt, **options)
    assert not output.exists()
    kept = len(journal_path(output).read_text().splitlines()) - 1
    assert kept >= 9
    read.clear()
    seen: list[int] = []
    resumed = score_files(
        pairs, output=output, resume=True, progress=lambda done, _: seen.append(done), **options
    )
    assert seen[0] == kept - 1  # the unreadable file is tried again
    assert len(read) == 2 * (20 - kept)
    pd.testing.assert_frame_equal(resumed.frame, whole.frame, check_exact=True)
    assert not journal_path(output).exists()


# Registers a slow metric's worth of reading, and writes down every file that is read.
CHILD = """
import sys, time
from pathlib import Path
from jiqa import images, scoring
from jiqa.pairs import find_pairs
from jiqa.scoring import score_files

folder, log = Path(sys.argv[1]), sys.argv[2]

def read(path, **options):
    with open(log, "a") as file:
        print(path, file=file)
    time.sleep(0.02)
    return images.read_image(path, **options)

scoring.read_image = read
score_files(find_pairs(folder / "r", folder / "d"), ["psnr"], batch_pixels=1,
            output=folder / "scores.csv", resume="resume" in sys.argv, workers=1)
"""


def run_child(folder: Path, log: str, *options: str) -> subprocess.Popen:
    environment = dict(os.environ)  # compiled as here, for the same bits
    command = [sys.executable, "-c", CHILD, str(folder), str(folder / log), *options]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


def test_a_killed_run_resumes_and_repeats_nothing(make_pairs, tmp_path):
    pairs = make_pairs(*[(24, 20, 3)] * 60)
    journal = journal_path(tmp_path / "scores.csv")
    killed = run_child(tmp_path, "first")
    while killed.poll() is None:
        time.sleep(0.01)
        if journal.exists() and journal.read_bytes().count(b"\n") > 10:
            killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL, killed.stderr.read()
    assert not (tmp_path / "scores.csv").exists()
    content = journal.read_bytes()
    kept = content.count(b"\n") - 1
    assert 10 <= kept < 60
    journal.write_bytes(content + b'{"reference": "to')  # as if cut within a line

    refused = run_child(tmp_path, "second")
    assert "holds an unfinished run" in refused.communicate()[1]
    assert not (tmp_path / "second").exists()

    resumed = run_child(tmp_path, "third", "resume")
    _, errors = resumed.communicate()
    assert resumed.returncode == 0, errors
    again = Counter((tmp_path / "third").read_text().splitlines())
    assert len(again) == 2 * (60 - kept)
    assert set(again.values()) == {1}
    assert not journal.exists()
    table = pd.read_csv(tmp_path / "scores.csv", dtype={"psnr": np.float32})
    whole = score_files(pairs, ["psnr"], batch_pixels=1, devices=jax.devices()[:1]).frame
    np.testing.assert_array_equal(table["psnr"], whole["psnr"])


def test_compilation_cache_keeps_what_the_user_has_set(monkeypatch, tmp_path):
    names = (
        "jax_compilation_cache_dir",
        "jax_persistent_cache_min_compile_time_secs",
        "jax_persistent_cache_min_entry_size_bytes",
    )
    before = {name: getattr(jax.config, name) for name in names}
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    try:
        jax.config.update("jax_compilation_cache_dir", None)
        assert use_compilation_cache() == tmp_path / "jiqa" / "xla"
        assert jax.config.jax_persistent_cache_min_compile_time_secs == 0
        jax.config.update("jax_compilation_cache_dir", str(tmp_path / "mine"))
        assert use_compilation_cache() == tmp_path / "mine"
    finally:
        for name, value in before.items():
            jax.config.update(name, value)
