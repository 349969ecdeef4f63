"""Generated sets: what is in them, that they are the same however they are made, and kills."""

import hashlib
import json
import math
import os
import random
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import pandas as pd
import pytest

import jiqa
from jiqa import cli
from jiqa.datasets import generator
from jiqa.datasets.builders import Prepared, count_items
from jiqa.datasets.distortions import Recipe, compose
from jiqa.datasets.generator import Plan, generate
from jiqa.images import ImageError, read_image, write_png

PLAN = Plan(
    distortions=("kadid_white_noise", "kadid_mean_shift", "kadid_jpeg2000"),
    levels=(1, 5),
    recipes=1,
    most=2,
    metrics=("gmsd", "psnr_y"),
    crop=(32, 48),
    seed=4,
    shards=2,
)


@pytest.fixture(scope="module")
def photographs(shared_data, tmp_path_factory):
    """Five photographs of 64 x 96 pixels, one of them grey, one in a folder of its own."""
    folder = tmp_path_factory.mktemp("photographs")
    (folder / "more").mkdir()
    for number in range(1, 6):
        image = read_image(shared_data / f"data/pristine_kodak/{number}.png")
        if image.shape[0] > image.shape[1]:
            image = image.swapaxes(0, 1)
        image = image[::8, ::8]
        image = image[..., 1:2] if number == 2 else image
        write_png(folder / ("more" if number == 3 else ".") / f"{number}.png", image)
    return folder


@pytest.fixture(scope="module")
def generated(photographs, tmp_path_factory):
    return generate(photographs, tmp_path_factory.mktemp("generated") / "set", PLAN)


def digests(folder):
    """Digest of every file by name."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
    }


def test_what_is_made(generated):
    assert count_items(generated) == {"train": 21, "validation": 7, "test": 7}
    train = Prepared(generated)
    assert train.metadata["kind"] == "dmos"
    assert len({item["content"] for item in train}) == 3
    for item in train:
        recipe = Recipe.from_json(item["extra"]["recipe"])
        assert item["reference"].shape == item["distorted"].shape == (32, 48, 3)
        np.testing.assert_array_equal(compose(item["reference"], recipe), item["distorted"])
        scores = item["extra"]["metrics"]
        assert item["score"] == pytest.approx(scores["gmsd"])
        assert item["higher_is_better"] is False
        expected = jiqa.psnr(item["reference"], item["distorted"], luma="matlab")
        assert scores["psnr_y"] == pytest.approx(float(expected), rel=1e-5)
        assert item["name"].startswith(item["content"])


def test_levels_are_orders_of_severity(generated):
    """KADID-10k's mean shift has its least offset at level 3, then 2, 4, 1 and 5."""
    levels = {
        (item["distortion"], step.level): item["level"]
        for item in Prepared(generated)
        for step in [Recipe.from_json(item["extra"]["recipe"]).steps[0]]
        if "recipe" not in item["name"]
    }
    assert levels["kadid_mean_shift", 1] == 4
    assert levels["kadid_mean_shift", 5] == 5
    assert levels["kadid_white_noise", 1] == 1


def test_recipes(generated):
    for item in Prepared(generated):
        steps = Recipe.from_json(item["extra"]["recipe"]).steps
        assert math.isnan(item["level"]) == (len(steps) > 1)
        assert (item["distortion"] == generator.SEVERAL) == (len(steps) > 1)
    drawn = [item for item in Prepared(generated) if "recipe" in item["name"]]
    assert len(drawn) == 3


def test_labels_are_those_of_the_records(generated):
    labels = pd.read_parquet(generated / "labels.parquet")
    assert labels["split"].value_counts().to_dict() == count_items(generated)
    for part in ("train", "validation", "test"):
        of_part = labels[labels["split"] == part].reset_index(drop=True)
        for place, item in enumerate(Prepared(generated, part, decode=False)):
            row = of_part.loc[place]
            for key in ("name", "content", "distortion"):
                assert row[key] == item[key]
            assert row["recipe"] == item["extra"]["recipe"]
            assert row["psnr_y"] == item["extra"]["metrics"]["psnr_y"]
            np.testing.assert_equal(row["level"], item["level"])
            assert row["score"] == pytest.approx(item["score"], rel=1e-6)


def test_contents_are_in_one_part(generated):
    labels = pd.read_parquet(generated / "labels.parquet")
    assert (labels.groupby("content")["split"].nunique() == 1).all()
    assert set(labels["content"]) == {"1.png", "2.png", "more/3.png", "4.png", "5.png"}


def test_several_processes_make_the_same(photographs, generated, tmp_path):
    calls = []
    for index in (1, 0):
        assert not (tmp_path / "dataset_info.json").exists()
        generate(
            photographs,
            tmp_path,
            PLAN,
            process_index=index,
            process_count=2,
            workers=1,
            progress=lambda *counts: calls.append(counts),
        )
    assert digests(tmp_path) == digests(generated)
    assert calls[-1][0] == calls[-1][1]
    assert {total for _, total in calls} == {14, 21}


def test_what_is_whole_is_left_and_what_is_not_is_made(photographs, generated, tmp_path):
    generate(photographs, tmp_path, PLAN)
    whole, damaged, gone = sorted(tmp_path.glob("*.array_record-?????-of-?????"))[:3]
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    gone.unlink()
    inode = whole.stat().st_ino
    generate(photographs, tmp_path, PLAN)
    assert digests(tmp_path) == digests(generated)
    assert whole.stat().st_ino == inode


def test_a_list_of_files(photographs, generated, tmp_path):
    """The same contents, whatever the order."""
    files = list(photographs.rglob("*.png"))
    assert digests(generate(files[::-1], tmp_path, PLAN)) == digests(generated)


def test_photographs_are_reduced(tmp_path):
    """12 x 17 pixels, of which 4 x 4 are wanted: a third, 4 x 5, and of that the left four."""
    image = np.arange(12 * 17 * 3, dtype=np.uint16).reshape(12, 17, 3)
    write_png(tmp_path / "a.png", image)
    found = generator._read(tmp_path / "a.png", (4, 4))
    expected = [
        [image[3 * y : 3 * y + 3, 3 * x : 3 * x + 3].mean((0, 1)) for x in range(4)]
        for y in range(4)
    ]
    np.testing.assert_array_equal(found, np.rint(expected))
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(generator._read(tmp_path / "a.png", None), image)


def test_another_plan_is_refused(photographs, generated, tmp_path):
    with pytest.raises(ValueError, match="differs in seed: see"):
        generate(photographs, generated, Plan(**{**vars(PLAN), "seed": 5}))
    with pytest.raises(ValueError, match="differs in photographs: see"):
        generate(sorted(photographs.glob("*.png")), generated, PLAN)
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match="neither empty nor an unfinished set"):
        generate(photographs, tmp_path, PLAN)


def test_wrong_photographs(photographs, tmp_path):
    with pytest.raises(FileNotFoundError, match="no file or folder is called nowhere"):
        generate("nowhere", tmp_path / "out", PLAN)
    with pytest.raises(ValueError, match=r"5 photographs are smaller than the crop, 384 x 512"):
        generate(photographs, tmp_path / "out")
    write_png(tmp_path / "a.png", read_image(photographs / "1.png"))
    with pytest.raises(ValueError, match="1 contents are too few for a part validation"):
        generate(tmp_path, tmp_path / "out", PLAN)
    most = Plan(**{**vars(PLAN), "most": 4, "parts": (1, 0, 0)})
    with pytest.raises(ValueError, match="most=4; the names have 3 groups"):
        generate(tmp_path, tmp_path / "out", most)
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes())
    with pytest.raises(ValueError, match=r"a.png and b.png are the same photograph"):
        generate(tmp_path, tmp_path / "out", Plan(**{**vars(PLAN), "parts": (1, 0, 0)}))
    (tmp_path / "b.png").write_bytes(b"nothing")
    with pytest.raises(ImageError, match=r"b.png"):
        generate(tmp_path, tmp_path / "out", PLAN)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"distortions": ("kadid_fog",)}, "no distortion is called 'kadid_fog'"),
        ({"distortions": ()}, "at least one distortion and metric"),
        ({"levels": (6,)}, "levels from 1 to 5"),
        ({"levels": ()}, "or recipes"),
        ({"metrics": ("niqe",)}, "niqe is no_reference"),
        ({"metrics": ("fog",)}, "no metric is called 'fog'"),
        ({"shards": 0}, "at least one shard"),
        ({"crop": (0, 8)}, "a crop of at least one pixel"),
    ],
)
def test_wrong_plans(options, message):
    with pytest.raises(ValueError, match=message):
        Plan(**options)


def test_wrong_process(tmp_path):
    with pytest.raises(ValueError, match="process_index=2: give 0 to 1"):
        generate(tmp_path, tmp_path / "out", process_index=2, process_count=2)


def test_seeds():
    """One of the seed, the photograph, the distortion or the level is another, so is the noise."""
    assert PLAN.recipes_for("a") == PLAN.recipes_for("a")
    other = Plan(**{**vars(PLAN), "seed": 5})
    seeds = [
        step.seed
        for plan in (PLAN, other)
        for content in "ab"
        for recipe in plan.recipes_for(content).values()
        for step in recipe.steps
    ]
    assert len(set(seeds)) == len(seeds)
    few = Plan(**{**vars(PLAN), "distortions": ("kadid_mean_shift",), "recipes": 0})
    assert few.recipes_for("a").items() <= PLAN.recipes_for("a").items()


COMMAND = [
    *("--distortions", "kadid_white_noise,kadid_mean_shift", "--metrics", "psnr_y"),
    *("--crop", "32", "32", "--shards", "3", "--recipes", "20", "--most", "2"),
]


@pytest.mark.slow
def test_a_killed_run_goes_on(photographs, tmp_path, capsys):
    """Killed outright at random points, in three processes one after the other."""
    assert cli.main(["datasets", "generate", str(photographs), str(tmp_path / "a"), *COMMAND]) == 0
    assert f"{tmp_path / 'a'} holds 90 train, 30 validation, 30 test." in capsys.readouterr().out
    folder = tmp_path / "b"
    command = [sys.executable, "-m", "jiqa", "datasets", "generate", str(photographs), str(folder)]
    environment = {
        **os.environ,
        "JAX_ENABLE_X64": "1",  # as in this process, whose compiled programs it finds
        "JAX_COMPILATION_CACHE_DIR": jax.config.jax_compilation_cache_dir or str(tmp_path / "xla"),
    }
    rng = random.Random(time.time_ns())
    killed = 0
    for _ in range(3):
        process = subprocess.Popen([*command, *COMMAND], env=environment, stdout=subprocess.DEVNULL)
        there = set(folder.glob("*"))
        while process.poll() is None and set(folder.glob("*")) <= there | {folder / "plan.json"}:
            time.sleep(0.005)  # until it has begun, or written a shard more
        time.sleep(rng.uniform(0, 0.5))
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
    assert killed
    subprocess.run([*command, *COMMAND], env=environment, check=True, stdout=subprocess.DEVNULL)
    visible = {name: digest for name, digest in digests(folder).items() if name[0] != "."}
    assert visible == digests(tmp_path / "a")


def test_command_of_one_process_of_two(photographs, tmp_path, capsys):
    arguments = ["generate", str(photographs), str(tmp_path / "out"), *COMMAND]
    arguments += ["--process-index", "1", "--process-count", "2"]
    assert cli.main(["datasets", *arguments]) == 0
    assert "waits for the other processes" in capsys.readouterr().out
    plan = json.loads((tmp_path / "out/plan.json").read_text())
    assert plan["crop"] == [32, 32]
    assert cli.main(["datasets", *arguments, "--seed", "1"]) == 2
    assert "differs in seed" in capsys.readouterr().err
