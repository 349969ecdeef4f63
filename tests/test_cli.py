"""The command as a user runs it: arguments, tables, messages and exit status."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import types
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from jiqa import cli, scoring
from jiqa.core import registry


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch, tmp_path_factory):
    """Keeps the tests out of the user's cache."""
    monkeypatch.setattr(scoring, "use_compilation_cache", lambda: None)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture
def folders(tmp_path: Path) -> tuple[str, str]:
    """Three pairs of small images in two folders."""
    rng = np.random.default_rng(0)
    for index in range(3):
        pixels = rng.integers(0, 256, (24, 20, 3), dtype=np.uint8)
        for name, image in (("r", pixels), ("d", pixels // 2)):
            (tmp_path / name).mkdir(exist_ok=True)
            Image.fromarray(image).save(tmp_path / name / f"image{index}.png")
    return str(tmp_path / "r"), str(tmp_path / "d")


def run(*arguments: str, **options: object) -> subprocess.CompletedProcess:
    """The command in a process of its own."""
    environment = {**os.environ, "XLA_FLAGS": "", **options.pop("env", {})}
    command = [sys.executable, "-m", "jiqa", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, env=environment, check=False, **options
    )


def wrong_use(capsys, *arguments: str) -> str:
    """Runs a wrong command, checks status and form, and returns its message."""
    assert cli.main(arguments) == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert error.startswith("jiqa: ")
    assert error.count("\n") == 1
    return error


def test_two_folders_as_a_table(folders, capsys):
    assert cli.main(["score", "--metrics", "psnr,mae", *folders]) == 0
    out, error = capsys.readouterr()
    assert error == ""
    lines = [line.split() for line in out.splitlines() if line.strip(" ─")]
    assert lines[0] == ["reference", "distorted", "psnr", "↑", "mae", "↓"]
    assert [line[:2] for line in lines[1:4]] == [[f"image{i}.png"] * 2 for i in range(3)]
    assert lines[4][:3] == ["mean", "of", "3"]
    psnr = [float(line[-2]) for line in lines[1:5]]
    assert psnr[3] == pytest.approx(np.mean(psnr[:3]), abs=0.01)
    assert re.fullmatch(r"\d\d\.\d\d", lines[1][-1])  # four digits


def test_two_files_and_identical_images(folders, capsys):
    assert cli.main(["score", f"{folders[0]}/image0.png", f"{folders[0]}/image0.png"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["image0.png", "image0.png", "inf", "1.0000"] in lines


def test_output_and_first_rows(folders, tmp_path, capsys):
    output = tmp_path / "s.csv"
    assert cli.main(["score", "--rows", "2", "--output", str(output), *folders]) == 0
    out = capsys.readouterr().out
    assert "image1.png" in out
    assert "image2.png" not in out
    assert f"The first 2 of 3 pairs; all are in {output}." in out
    assert len(pd.read_csv(output)) == 3
    metadata = json.loads((tmp_path / "s.csv.meta.json").read_text())
    assert list(metadata["metrics"]) == ["psnr", "ssim"]
    assert cli.main(["score", "--rows", "2", *folders]) == 0
    assert "The first 2 of 3 pairs; --output keeps all of them." in capsys.readouterr().out


def test_a_pair_that_fails_gives_status_1(folders, tmp_path, capsys):
    (tmp_path / "d/image1.png").write_bytes(b"")
    output = tmp_path / "s.parquet"
    assert cli.main(["score", "--output", str(output), *folders]) == 1
    out, error = capsys.readouterr()
    assert "mean of 2" in out
    first, last = error.splitlines()
    assert first.startswith("jiqa: ")
    assert f"{tmp_path}/d/image1.png" in first
    assert last == "jiqa: 1 of 3 pairs could not be scored."
    table = pd.read_parquet(output)
    assert list(table["error"].notna()) == [False, True, False]


def test_many_failures_are_cut_short_where_a_file_has_them(folders, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(cli.scoring, "ERRORS_SHOWN", 1)
    for index in range(3):
        (tmp_path / f"d/image{index}.png").write_bytes(b"")
    assert cli.main(["score", *folders, "--output", str(tmp_path / "s.json")]) == 1
    assert "and 2 more, see" in capsys.readouterr().err
    assert cli.main(["score", *folders]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 4


def test_pattern_and_unpaired(folders, tmp_path, capsys):
    for index in range(2):
        (tmp_path / f"d/image{index}.png").rename(tmp_path / f"d/image{index}_blur.png")
    error = wrong_use(capsys, "score", *folders)
    assert "4 of 6 images have no partner" in error
    assert cli.main(["score", *folders, "--unpaired", "ignore"]) == 0
    assert "mean of 1" in capsys.readouterr().out
    pattern = ["--pattern", "{reference}_*", "--unpaired", "ignore"]
    assert cli.main(["score", *folders, *pattern]) == 0
    assert "mean of 2" in capsys.readouterr().out


@pytest.mark.usefixtures("folders")
def test_manifest(tmp_path, capsys):
    manifest = tmp_path / "pairs.csv"
    manifest.write_text("reference,distorted,mos\nr/image0.png,d/image0.png,3\n")
    assert cli.main(["score", str(manifest), "--output", str(tmp_path / "s.csv")]) == 0
    assert list(pd.read_csv(tmp_path / "s.csv")["mos"]) == [3]
    assert "mean of 1" in capsys.readouterr().out


def test_images_alone(folders, capsys):
    @registry.metric(
        kind="no_reference", higher_is_better=None, score_range=(0, 1), identical=None, paper="-"
    )
    def brightness(images, *, data_range=1.0):
        """Mean value."""
        return images.mean((-3, -2, -1)) / data_range

    try:
        assert cli.main(["score", "--metrics", "brightness", folders[0]]) == 0
    finally:
        del registry._METRICS["brightness"]
    out = capsys.readouterr().out
    assert "mean of 3" in out
    assert "reference" not in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["score", "nowhere", "{d}"], "no file or folder is called nowhere."),
        (["score", "{r}"], "psnr, ssim needs a reference, and .*image0.png has none."),
        (["score", "{r}", "{d}", "{d}"], "score takes one or two paths, not 3"),
        (["score", "{r}", "{d}", "--metrics", "sim"], "no metric is called 'sim'; did you mean"),
        (["score", "{r}", "{d}", "--metrics", "ssim:a=1"], "'a=1' is not an option of ssim"),
        (["score", "{r}", "{d}", "--output", "s.xlsx"], "s.xlsx: the suffix must be one of"),
        (["score", "{r}", "{d}", "--output", "no/s.csv"], "there is no folder no"),
        (["describe", "sim"], "no metric is called 'sim'"),
    ],
)
def test_wrong_use_is_one_line_and_status_2(folders, capsys, arguments, message):
    filled = [argument.format(r=folders[0], d=folders[1]) for argument in arguments]
    assert re.search(message, wrong_use(capsys, *filled))


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["scores"],
        ["score", "--metric"],
        ["list", "--kind=a"],
        ["score", "a", "b", "--alpha=red"],
    ],
)
def test_unknown_arguments_give_status_2(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    assert stop.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


def test_an_unfinished_run_must_be_resumed(folders, tmp_path, capsys):
    output = tmp_path / "s.csv"
    Path(f"{output}.partial").write_text("{}\n")
    error = wrong_use(capsys, "score", *folders, "--output", str(output))
    assert "holds an unfinished run: resume it, or delete the file" in error
    error = wrong_use(capsys, "score", *folders, "--output", str(output), "--resume")
    assert "was written with" in error


def test_list_and_describe(capsys):
    assert cli.main(["list"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"ssim +full reference +↑ +Structural similarity of local", out)
    assert re.search(r"average_difference +full reference +→0 ", out)
    assert len(out.splitlines()) >= len(registry.list_metrics())
    assert cli.main(["list", "--kind", "reduced_reference"]) == 0
    out = capsys.readouterr().out
    assert "rr_ssim" in out
    assert "full reference" not in out
    assert cli.main(["describe", "ssim"]) == 0
    assert capsys.readouterr().out.strip() == registry.describe("ssim")


def test_demo_calls_the_page(monkeypatch, tmp_path, capsys):
    demo = types.ModuleType("jiqa.explain.demo")
    demo.run = lambda folder: folder / "index.html"
    monkeypatch.setitem(sys.modules, "jiqa.explain.demo", demo)
    monkeypatch.setattr("jiqa.explain.demo", demo, raising=False)
    assert cli.main(["demo", "--output", str(tmp_path)]) == 0
    assert f"{tmp_path}/index.html" in capsys.readouterr().out


def test_fitted_models_score(folders, tmp_path, capsys):
    """Photographs and opinions make models, which the command then uses."""
    rng = np.random.default_rng(0)
    for index in range(3):
        pixels = rng.integers(0, 256, (64, 80, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"photo{index}.png")
    model = str(tmp_path / "niqe.safetensors")
    options = ["--block-size", "16", "--sharpness", "0.5"]
    assert cli.main(["fit-niqe", str(tmp_path), "--output", model, *options]) == 0
    assert f"niqe:model={model}" in capsys.readouterr().out
    photo = str(tmp_path / "photo0.png")
    assert cli.main(["score", photo, "--metrics", f"niqe:model={model}:block_size=16"]) == 0

    table = tmp_path / "rated.csv"
    names = [f"{kind}/image{index}.png" for kind in "rd" for index in range(3)]
    pd.DataFrame({"image": names, "score": [10, 12, 14, 70, 72, 74]}).to_csv(table)
    model = str(tmp_path / "brisque.safetensors")
    assert cli.main(["fit-brisque", str(table), "--output", model]) == 0
    output = tmp_path / "scores.csv"
    arguments = [
        "score",
        folders[0],
        "--metrics",
        f"brisque:model={model}",
        "--output",
        str(output),
    ]
    assert cli.main(arguments) == 0
    # The regression passes within its tolerance of 0.1 of what it was fitted to.
    np.testing.assert_allclose(
        pd.read_csv(output)[f"brisque:model={model}"], [10, 12, 14], atol=0.2
    )


def test_fits_of_too_little_are_clear_errors(folders, tmp_path, capsys):
    output = str(tmp_path / "model.safetensors")
    assert "smaller than the" in wrong_use(capsys, "fit-niqe", folders[0], "--output", output)
    table = tmp_path / "rated.csv"
    table.write_text("file,score\na.png,3\n")
    assert "no column image" in wrong_use(capsys, "fit-brisque", str(table), "--output", output)
    assert not Path(output).exists()


@pytest.fixture
def ratings(tmp_path: Path) -> Path:
    """A table of votes; the last observer votes against all others."""
    rng = np.random.default_rng(0)
    votes = np.linspace(1, 5, 12)[:, None] + rng.normal(0, 0.3, (12, 6))
    votes[:, 5] = 6 - votes[:, 5]
    rows = [
        f"observer {j},[image {i}],{votes[i, j].round().clip(1, 5)}"
        for i in range(12)
        for j in range(6)
    ]
    path = tmp_path / "ratings.csv"
    path.write_text("observer,stimulus,score\n" + "\n".join(rows))
    return path


def test_opinions_as_tables_and_a_page(ratings, tmp_path, capsys):
    output, page = tmp_path / "opinions.csv", tmp_path / "page.html"
    arguments = ["mos", str(ratings), "--screen", "correlation", "--rows", "2"]
    assert cli.main([*arguments, "--output", str(output), "--page", str(page)]) == 0
    out, error = capsys.readouterr()
    assert error == ""
    assert re.search(r"\[image 0\] +5 +\d\.\d{3} ", out)
    assert "The first 2 of 12 stimuli." in out
    assert "60 votes of 5 of 6 observers on a scale from 1 to 5" in out
    assert re.search(r"rejected observer 5: correlation -0\.\d\d with the mean is below 0.75", out)
    assert "ICC(2,k) 0.9" in out
    assert f"The page is {page}." in out
    assert len(pd.read_csv(output)) == 12
    assert pd.read_csv(tmp_path / "opinions.observers.csv")["rejected"].sum() == 1
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_opinions_of_a_matrix_and_of_sessions(tmp_path, capsys):
    path = tmp_path / "matrix.csv"
    path.write_text("image,Ann,Ben\na,5,4\nb,-1,2\nc,1,2\nd,3,3\n")
    (tmp_path / "sessions.csv").write_text("observer,minutes\nAnn,45\nBen,20\n")
    arguments = ["mos", str(path), "--matrix", "--missing", "-1", "--scale", "1", "5"]
    assert cli.main([*arguments, "--sessions", str(tmp_path / "sessions.csv")]) == 0
    out = capsys.readouterr().out
    assert "7 votes of 2 of 2 observers" in out
    assert "procedure, minutes without a break: fail, 1 pass, 1 fail; at most 30 (BT.500)" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--columns", "who", "what", "how"],
            "no column is called how, what, who; there are observer, stimulus",
        ),
        (["--output", "o.parquet"], "the suffix must be one of .csv, .json"),
        (["--scale", "2", "5"], "votes go from 1 to 5, which is outside the scale"),
        (["--model", "ambiguity"], "the model ambiguity needs contents"),
        (["--sessions", "nowhere.csv"], "no file is called nowhere.csv"),
    ],
)
def test_wrong_use_of_opinions_is_one_line_and_status_2(ratings, capsys, arguments, message):
    assert message in wrong_use(capsys, "mos", str(ratings), *arguments)


def test_help_does_not_import_jax():
    code = "import sys; from jiqa.cli import main\n"
    code += "try: main(['list', '--help'])\n"
    code += "finally: print(sorted({'jax', 'pandas', 'PIL'} & set(sys.modules)), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "usage: jiqa list" in done.stdout
    assert done.stderr.strip() == "[]"


def test_the_process_keeps_compiled_programs_and_its_status(folders, tmp_path):
    (tmp_path / "d/image1.png").write_bytes(b"no image")
    cache = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    first = run("score", *folders, env=cache)
    assert first.returncode == 1
    assert "mean of 2" in first.stdout
    assert first.stderr.count("\n") == 2
    kept = sorted((tmp_path / "cache/jiqa/xla").glob("*-cache"))
    assert kept
    second = run("score", *folders, env=cache)
    assert second.stdout == first.stdout
    assert sorted((tmp_path / "cache/jiqa/xla").glob("*-cache")) == kept


@pytest.mark.usefixtures("folders")
def test_interrupt_says_how_to_resume(tmp_path):
    output = tmp_path / "s.csv"
    rows = "r/image0.png,d/image0.png\n" * 20000
    (tmp_path / "many.csv").write_text(f"reference,distorted\n{rows}")
    command = [sys.executable, "-m", "jiqa", "score", str(tmp_path / "many.csv")]
    command += ["--metrics", "psnr", "--output", str(output)]
    environment = {**os.environ, "XLA_FLAGS": ""}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    journal = Path(f"{output}.partial")
    while process.poll() is None and not (journal.exists() and journal.stat().st_size > 2000):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate()
    assert process.returncode == 130
    # A slow machine may first have said that it compiles slowly.
    assert error.endswith(f"jiqa: interrupted; what is done is in {journal}: add --resume.\n")
    assert journal.exists()
    assert not output.exists()
