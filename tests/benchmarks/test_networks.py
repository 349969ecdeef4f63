"""The benchmarks of networks: what is timed, what is told of learning, going on after a kill."""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from jiqa.networks import Model, list_networks
from jiqa.training import Data

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
CONFIG = """
import optax
from jiqa.datasets.pipelines import Loading, multi_task
from jiqa.training import Recipe, Stage
from jiqa.training.losses import cross_entropy, mse

def loss(network, batch, rngs):
    prediction = network(batch["distorted"], rngs=rngs)
    right = cross_entropy(prediction["distortion"], batch["distortion"])
    return mse(prediction["score"], batch["score"]) + right, {}

def recipe(data, *, quick=False):
    assert quick
    loading = Loading(batch_size=16)
    batches = multi_task(data.train, loading, types=data.types, crop=32, scale=data.scale)
    stage = Stage(name="all", loss=loss, batches=batches, optimizer=optax.adam(1e-2), steps=60)
    options = {"types": len(data.types)}
    return Recipe(network="cnniqa_plus_plus", options=options, stages=(stage,))
"""


@pytest.fixture(scope="module")
def modules():
    """The benchmarks, which import one another by name, as programs do."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import learning
        import network_contenders
        import networks
    finally:
        sys.path.remove(str(BENCHMARKS))
    return argparse.Namespace(learning=learning, networks=networks, contenders=network_contenders)


@pytest.fixture
def learning(modules, tmp_path, monkeypatch):
    """The benchmark with one config only, and a metric that is quick."""
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "small.py").write_text(CONFIG)
    monkeypatch.setattr(modules.learning, "CONFIGS", tmp_path / "configs")
    monkeypatch.setitem(modules.learning.BESIDE, "no_reference", "psnr_y")
    return modules.learning


def make_items(count):
    """Noise and stripes, whose score is how strong they are."""
    rng = np.random.default_rng(0)
    stripes = np.broadcast_to(np.sign(np.arange(40) % 4 - 1.5)[:, None, None], (40, 40, 3))
    grey, items = np.full((40, 40, 3), 128, np.uint8), []
    for number in range(count):
        noisy, strength = number % 2, (number * 7 % count) / count
        pattern = rng.standard_normal(grey.shape) if noisy else stripes
        items.append(
            {
                "name": f"{number}.png",
                "content": str(number // 4),
                "reference": grey.copy(),
                "distorted": (grey + 25 * strength * pattern).clip(0, 255).astype(np.uint8),
                "score": strength,
                "higher_is_better": False,
                "distortion": "noise" if noisy else "stripes",
                "level": float(number % 5),
            }
        )
    return items


@pytest.fixture(scope="module")
def data():
    """Three quarters to learn from."""
    items = make_items(96)
    return Data.of(items[:72], (), items[72:])


def test_sizes_of_batches(modules):
    assert modules.networks.parse_batch("4x224") == (4, 224, 224, 3)
    assert modules.networks.parse_batch("4x8x32") == (4, 8, 32, 32, 3)
    with pytest.raises(ValueError, match="IMAGESxSIDE"):
        modules.networks.parse_batch("224")
    assert set(modules.networks.TRAINING) <= set(list_networks())
    assert set(modules.networks.TWINS) <= set(modules.networks.TRAINING)


def test_written_batches_are_of_the_shape(modules, tmp_path):
    modules.networks.write_batch(tmp_path, (2, 3, 8, 8, 3))
    for name in ("reference", "distorted"):
        batch = np.load(tmp_path / f"{name}.npy")
        assert batch.shape == (2, 3, 8, 8, 3)
        assert batch.dtype == np.float32


def test_steps_that_are_timed_train(modules, tmp_path, monkeypatch, rng):
    monkeypatch.setenv("JIQA_BENCHMARK_MODELS", str(tmp_path))
    Model.create("cnniqa", filters=2).save(tmp_path / "cnniqa.safetensors")
    images = rng.uniform(size=(2, 4, 32, 32, 3)).astype(np.float32)
    calls = modules.contenders.jiqa_calls("cnniqa", images, images)
    losses = [float(calls["step"]()) for _ in range(5)]
    assert losses[-1] < losses[0]
    assert calls["inference"]().shape == (2,)


class Process:
    """A contender whose every call takes as long."""

    def __init__(self, name, seconds):
        """Seconds, or None for a network that it does not have."""
        self.name, self.seconds = name, seconds

    def ask(self, *_, **__):
        if self.seconds is None:
            return {"absent": "has no such network"}
        return {"seconds": self.seconds, "value": 0.0, "first_seconds": 9.0}


def test_rates_and_ratios(modules, tmp_path):
    contenders = [
        modules.networks.Contender(process, process)
        for process in (
            Process("jiqa", 0.25),
            Process("torch", 1.0),
            Process("torch:compiled", 0.5),
        )
    ]
    options = argparse.Namespace(memory=False, repeat=2, budget=9.0, inference="2x8")
    case = modules.networks.measure("cnniqa", "inference", contenders, tmp_path, options)
    assert modules.networks.show(case) == ["2x8", "8", "4", "compiled", "2"]
    alone = [*contenders[:1], modules.networks.Contender(Process("torch:eager", None), None)]
    case = modules.networks.measure("cnniqa", "inference", alone, tmp_path, options)
    assert modules.networks.show(case) == ["2x8", "8", "", "", ""]


def test_trials_are_all_configs_then_variants(modules):
    trials = [trial.name for trial in modules.learning.list_trials()]
    configs = sorted(path.stem for path in (BENCHMARKS.parent / "configs").glob("*.py"))
    assert trials[: len(configs)] == configs
    assert {"wadiqam:variant=diqam_nr", "quality_siamese:tasks=True"} <= set(trials)
    assert len(set(trials)) == len(trials)


def test_chosen_trials(modules):
    trials = modules.learning.list_trials()
    one = modules.learning.choose(trials, "wadiqam:variant=diqam_nr")
    assert [trial.settings for trial in one] == [{"variant": "diqam_nr"}]
    assert {trial.config for trial in modules.learning.choose(trials, "wadiqam")} == {"wadiqam"}
    assert modules.learning.choose(trials, None) == trials
    with pytest.raises(ValueError, match="there is no wadiqa;"):
        modules.learning.choose(trials, "wadiqa,cnniqa")


def test_taken_images_share_originals(modules):
    parts = make_items(8), make_items(16)
    taken = modules.learning.take(parts, 20)
    assert len(taken) == 20
    assert [item["name"] for item in taken] == [i["name"] for i in modules.learning.take(parts, 20)]
    for content in {item["content"] for item in taken}:
        assert len({id(i["reference"]) for i in taken if i["content"] == content}) == 1


@pytest.mark.parametrize(
    ("there", "held", "sizes"),
    [
        ({"train": 0, "validation": 1, "test": 2}, None, (8, 4, 4)),
        ({"train": 0, "validation": 1}, None, (8, 0, 4)),
        ({"train": 0, "validation": 1}, {"train": 2, "test": 3}, (8, 4, 6)),
    ],
)
def test_new_content_is_held_out(modules, monkeypatch, there, held, sizes):
    sets = {"set": there, "held": held or {}}

    def open_parts(folder, *names):
        found = [sets[folder][name] for name in names if name in sets[folder]]
        return [
            [{**i, "content": f"{part}-{i['content']}"} for i in make_items(8)] for part in found
        ]

    monkeypatch.setattr(modules.learning, "open_parts", open_parts)
    most = {"train": 8, "validation": 4, "test": 6 if held else 4}
    data = modules.learning.read_data("set", "held" if held else None, most)
    assert tuple(map(len, (data.train, data.validation, data.test))) == sizes
    with pytest.raises(ValueError, match="held out too"):
        modules.learning.read_data("set", "set", most)


def test_patches_need_room_and_images(modules, data):
    cut = modules.learning.cut_patches(data.train, 32)
    assert {item["distorted"].shape for item in cut} == {(32, 32, 3)}
    assert len({item["name"] for item in cut}) == len(cut) == 64
    with pytest.raises(ValueError, match="smaller than 48 x 48"):
        modules.learning.cut_patches(data.train, 48)
    with pytest.raises(ValueError, match="64 are needed"):
        modules.learning.cut_patches(data.test, 32)


def test_learns_reports_and_goes_on(learning, data, tmp_path, monkeypatch):
    monkeypatch.setattr(learning, "PATCHES", 16)
    output = tmp_path / "results" / "learning.jsonl"
    options = argparse.Namespace(
        data="data", held=None, steps=None, heart_steps=300, heart_seconds=60.0, output=output
    )
    trials = learning.list_trials(learning.CONFIGS)
    (line,) = learning.run(trials, data, options)
    assert "error" not in line
    assert line["by_heart"]["plcc"] > 0.99
    assert line["by_heart"]["steps"] < 300
    assert line["trained"]["srocc"] > max(0.5, line["untrained"]["srocc"])
    assert line["trained"]["low"] <= line["trained"]["srocc"] <= line["trained"]["high"]
    assert line["naming"]["right"] > line["naming"]["commonest"] == 0.5
    assert line["beside"]["metric"] == "psnr_y"
    assert json.loads(output.read_text()) == line

    def fail(*_):
        raise RuntimeError("broken")

    monkeypatch.setattr(learning, "try_out", fail)
    assert learning.run(trials, data, options) == [line]  # what is done is not done again
    with output.open("a") as file:
        file.write('{"trial": "cut o')
    more = [*trials, learning.Trial("other", {})]
    assert "broken" in learning.run(more, data, options)[1]["error"]
    assert len(output.read_text().splitlines()) == 2
    monkeypatch.setattr(learning, "try_out", lambda *_: {"parameters": 1})
    assert learning.run(more, data, options)[1]["parameters"] == 1  # what failed is done again
    assert len(output.read_text().splitlines()) == 2


def test_constant_scores_and_few_contents(modules):
    table = modules.learning.pd.DataFrame(
        {"prediction": np.arange(6.0), "score": np.arange(6.0), "higher_is_better": False}
    ).assign(content="one")
    assert modules.learning.assess(table, True) == {"srocc": -1.0, "low": None, "high": None}
    constant = modules.learning.assess(table.assign(prediction=1.0), True)
    assert constant["srocc"] == 0.0


def test_tables(modules, capsys):
    console = modules.learning.Console(width=220)
    found = {"srocc": 0.5, "low": 0.4, "high": 0.6}
    line = {
        "trial": "small",
        "parameters": 1234,
        "by_heart": {"plcc": 0.991, "steps": 40, "seconds": 2.0},
        "untrained": {"srocc": 0.0, "low": None, "high": None},
        "trained": found,
        "beside": {"metric": "niqe", **found},
        "naming": {"right": 0.75, "commonest": 0.5},
        "training": {"steps": 1500, "seconds": 61.2},
    }
    broken = {"trial": "broken", "error": "ValueError: no [images]"}
    small = {**line, "trial": "large", "by_heart": {"error": "images are smaller than 256 x 256."}}
    modules.learning.print_table(console, [line, broken, small])
    printed = capsys.readouterr().out
    for text in ("0.500 [0.400, 0.600]", "0.75 (0.50)", "1,500", "61", "ValueError: no [images]"):
        assert text in printed
    assert "large by heart: images are smaller than 256 x 256." in printed
