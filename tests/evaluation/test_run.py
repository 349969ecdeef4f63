"""The command: data sets and tables in, files and an exit status out, and going on after a stop."""

import json

import numpy as np
import pandas as pd
import pytest

from jiqa import cli
from jiqa.evaluation import run
from jiqa.images import write_png
from tests.evaluation.folders import make_tid2013, scored


@pytest.fixture
def images(tmp_path):
    """Six images, noisier and noisier, with a manifest."""
    rng = np.random.default_rng(0)
    clean = rng.integers(60, 200, (32, 32, 3))
    rows = []
    write_png(tmp_path / "clean.png", clean.astype(np.uint8))
    for level in range(6):
        noisy = np.clip(clean + (level + 1) * 6 * rng.normal(size=clean.shape), 0, 255)
        write_png(tmp_path / f"{level}.png", noisy.astype(np.uint8))
        rows.append(("clean.png", f"{level}.png", 5 - level * 0.7, "noise"))
    columns = ["reference", "distorted", "mos", "distortion"]
    pd.DataFrame(rows, columns=columns).to_csv(tmp_path / "mine.csv", index=False)
    return tmp_path


QUICK = ["--resamples", "50"]


def test_a_manifest_is_scored_and_compared(images, capsys):
    output = images / "out"
    arguments = ["bench", str(images / "mine.csv"), "--metrics", "psnr,mae", *QUICK]
    assert cli.main([*arguments, "--output", str(output)]) == 0
    out, error = capsys.readouterr()
    assert error == ""
    assert "mine: 6 images, intervals over 6 images" in out
    assert "psnr ↑" in out
    assert "mae ↓" in out
    assert f"All results are in {output}; see {output}/index.html." in out
    table = pd.read_csv(output / "correlations.csv")
    assert table["srocc"].tolist() == pytest.approx([1, 1])
    assert table["polarity_from"].tolist() == ["registry"] * 2
    names = {"correlations.csv", "comparisons.csv", "groups.csv", "bench.json", "index.html"}
    assert {path.name for path in output.iterdir()} == {*names, "scores"}


def test_going_on(images, capsys, monkeypatch):
    output = images / "out"
    arguments = ["bench", str(images / "mine.csv"), "--no-page", *QUICK, "--output", str(output)]
    assert cli.main([*arguments, "--metrics", "psnr,mae"]) == 0
    before = json.loads((output / "bench.json").read_text())

    def fail(*_, **__):
        raise AssertionError("scored again")

    monkeypatch.setattr(run, "score_files", fail)
    assert cli.main([*arguments, "--metrics", "psnr,mae", "--resume"]) == 0
    after = json.loads((output / "bench.json").read_text())
    assert before["data_sets"] == after["data_sets"]
    capsys.readouterr()
    assert cli.main([*arguments, "--metrics", "psnr", "--resume"]) == 2
    assert "holds psnr, mae of 6 images, not what is asked for" in capsys.readouterr().err


def test_an_unfinished_run_must_be_resumed(images, capsys):
    partial = images / "out/scores/mine.csv.partial"
    partial.parent.mkdir(parents=True)
    partial.write_text("{}\n")
    arguments = ["bench", str(images / "mine.csv"), "--output", str(images / "out")]
    assert cli.main(arguments) == 2
    assert "holds an unfinished run: resume it" in capsys.readouterr().err


def test_images_that_fail_give_status_1(images, capsys):
    (images / "3.png").write_bytes(b"no image")
    arguments = ["bench", str(images / "mine.csv"), "--metrics", "mae", "--no-page", *QUICK]
    assert cli.main([*arguments, "--output", str(images / "out")]) == 1
    out, error = capsys.readouterr()
    assert "1 of 6 images lack a score" in out
    assert error == f"jiqa: 1 pairs could not be scored, see {images}/out/scores.\n"


def test_tables_and_data_sets_together(images, rng, capsys):
    make_tid2013(images / "tid")
    table = scored(rng)[["mos", "good"]].rename(columns={"mos": "opinion", "good": "mae"})
    table.to_csv(images / "theirs.csv", index=False)
    arguments = ["bench", str(images / "tid"), "--scores", str(images / "theirs.csv"), "--no-page"]
    arguments += ["--columns", "mos=opinion", "--metrics", "mae", *QUICK]
    arguments += ["--higher-is-better", "mae"]
    assert cli.main([*arguments, "--output", str(images / "out")]) == 0
    out = capsys.readouterr().out
    assert "TID2013: 8 images" in out
    assert "theirs: 60 images" in out
    assert "weighted mean" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "there is nothing to compare"),
        (["nowhere"], "no file or folder is called nowhere"),
        (["{i}/mine.csv", "--metrics", "sim"], "no metric is called 'sim'"),
        (["--scores", "{i}/mine.csv"], "no column holds scores as numbers"),
        (["--scores", "{i}/t.csv", "{i}/t.csv"], "two data sets are called t"),
        (["--scores", "{i}/t.csv", "--columns", "dmos"], "give columns as name=column"),
        (["--scores", "{i}/t.csv", "--lower-is-better", "sim"], "sim: no such metric"),
    ],
)
def test_wrong_use_shows_before_any_work(images, rng, capsys, arguments, message):
    scored(rng).to_csv(images / "t.csv", index=False)
    filled = [argument.format(i=images) for argument in arguments]
    assert cli.main(["bench", *filled, "--output", str(images / "out")]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (images / "out").exists()
