"""Training: it learns, goes on after a kill to the same bytes, and divides its work."""

import json
import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jiqa.datasets.pipelines import Loading, patches
from jiqa.networks import Model
from jiqa.training import Data, Recipe, Stage, train
from jiqa.training.logs import LINES, read_lines
from jiqa.training.validation import agreement, predict
from jiqa.weights import read_safetensors
from tests.training.small_run import loss, loss_without_dropout, make_items, make_recipe

SCRIPT = Path(__file__).with_name("small_run.py")


def start(folder, **environment):
    """The run of the script in a process of its own."""
    settings = {**os.environ, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": "", **environment}
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), str(folder)],
        env={**settings, "PYTHONPATH": os.getcwd()},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def kill_after(process, step):
    """Kills the process once it has done a step."""
    for line in process.stdout:
        if line.startswith("step") and int(line.split()[1]) >= step:
            process.kill()
            break
    process.communicate()
    assert process.returncode == -9


def losses_of(process):
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    lines = [line.split() for line in output.splitlines() if line.startswith("loss")]
    return {int(step): float(value) for _, step, value in lines}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return folder, losses_of(start(folder))


@pytest.mark.slow
def test_a_run_that_is_killed_twice_gives_the_same_parameters(uninterrupted, tmp_path):
    folder, losses = uninterrupted
    for step in np.random.default_rng().integers(1, 20, 2):  # any step will do
        kill_after(start(tmp_path, JIQA_SLOW="0.02"), step)
    assert losses_of(start(tmp_path)) == losses
    for name in ("best.safetensors", "model.safetensors"):
        found, expected = (read_safetensors(path / name) for path in (tmp_path, folder))
        assert found.keys() == expected.keys()
        for array in expected:
            assert found[array].tobytes() == expected[array].tobytes()


@pytest.mark.slow
def test_eight_devices_and_two_processes_have_the_losses_of_one(tmp_path):
    alone = losses_of(start(tmp_path / "alone", JIQA_DIVIDED="1"))
    flags = "--xla_force_host_platform_device_count=8"
    eight = losses_of(start(tmp_path / "eight", JIQA_DIVIDED="1", XLA_FLAGS=flags))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    divided = {"JIQA_DIVIDED": "1", "JIQA_PORT": port}
    both = [start(tmp_path / "two", JIQA_PROCESS=str(i), **divided) for i in range(2)]
    for process in both:
        two = losses_of(process)
    assert list(alone) == list(range(1, 21))
    for other in (eight, two):
        assert other.keys() == alone.keys()
        np.testing.assert_allclose(list(other.values()), list(alone.values()), rtol=1e-3)


def make_stage(**settings):
    data = Data.of(make_items(16))
    batches = patches(data.train, Loading(batch_size=8), count=2, scale=data.scale)
    stage = {"name": "only", "loss": loss_without_dropout, "batches": batches, "steps": 3}
    return Stage(**{"optimizer": optax.sgd(1e-3), **stage, **settings})


def make_one_stage(stage, **settings):
    return Recipe(network="cnniqa", options={"filters": 4}, stages=(stage,), **settings)


def test_it_learns_and_keeps_the_best(tmp_path):
    data = Data.of(make_items(32, side=32))
    batches = patches(data.train, Loading(batch_size=16), count=1, scale=data.scale)
    stage = make_stage(batches=batches, optimizer=optax.adam(2e-3), steps=150)
    recipe = make_one_stage(stage, validation=data.train, evaluate_every=50)
    calls = []
    model = train(recipe, tmp_path, devices=one_device(), progress=lambda *call: calls.append(call))
    assert calls == [(step, 150) for step in range(1, 151)]
    found = agreement(predict(model, data.train))
    assert found["srocc"] > 0.8
    assert agreement(predict(recipe.begin(), data.train))["srocc"] < found["srocc"] - 0.1
    lines = [line for line in read_lines(tmp_path / LINES) if line["stage"] == "validation"]
    assert [line["step"] for line in lines] == [50, 100, 150]
    assert max(line["srocc"] for line in lines) == pytest.approx(found["srocc"], abs=1e-6)
    loaded = Model.load(tmp_path / "model.safetensors")
    images = jnp.asarray(np.stack([item["distorted"] for item in data.train[:2]]) / 255)
    np.testing.assert_array_equal(loaded(images)["score"], model(images)["score"])
    assert list((tmp_path / "tensorboard").iterdir())


def test_accumulated_parts_give_the_step_of_the_whole_batch(tmp_path):
    whole = train(make_one_stage(make_stage()), tmp_path / "whole")
    parts = train(
        make_one_stage(make_stage(accumulate=4)), tmp_path / "parts", devices=one_device()
    )
    for a, b in zip(jax.tree.leaves(whole), jax.tree.leaves(parts), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def one_device():
    return jax.devices()[:1]


def test_the_average_lags_behind(tmp_path):
    stage = make_stage(steps=1, optimizer=optax.sgd(1.0))
    recipe = make_one_stage(stage)
    begun = recipe.begin()
    last = train(recipe, tmp_path / "last")
    average = train(make_one_stage(stage, average=0.75), tmp_path / "average")
    for before, after, between in zip(
        *(jax.tree.leaves(model) for model in (begun, last, average)), strict=True
    ):
        np.testing.assert_allclose(between, 0.75 * before + 0.25 * after, atol=1e-6)


def test_half_precision_computes_in_it_and_keeps_float32(tmp_path):
    seen = []

    def watched(network, batch, rngs):
        seen.extend([network.conv1.kernel.dtype, batch["distorted"].dtype])
        return loss(network, batch, rngs)

    model = train(make_one_stage(make_stage(loss=watched), precision="bfloat16"), tmp_path)
    assert {dtype.name for dtype in seen} == {"bfloat16"}
    assert {leaf.dtype.name for leaf in jax.tree.leaves(model)} == {"float32"}


def test_patience_ends_the_last_stage(tmp_path):
    stage = make_stage(steps=50, optimizer=optax.set_to_zero())
    items = make_items(16)
    recipe = make_one_stage(stage, validation=items, evaluate_every=2, patience=3)
    train(recipe, tmp_path)
    validations = [x for x in read_lines(tmp_path / LINES) if x["stage"] == "validation"]
    assert [line["step"] for line in validations] == [2, 4, 6, 8]


def test_a_loss_that_is_not_finite_is_an_error(tmp_path):
    def infinite(network, batch, rngs):
        value, logs = loss(network, batch, rngs)
        return value / 0.0, logs  # so that the parameters are lost

    with pytest.raises(FloatingPointError, match="stage only, step 3: the loss is nan"):
        train(make_one_stage(make_stage(loss=infinite)), tmp_path)
    assert not list((tmp_path / "checkpoints").iterdir())


def test_what_does_not_fit_is_refused(tmp_path):
    recipe = make_one_stage(make_stage())
    train(recipe, tmp_path)
    with pytest.raises(ValueError, match="run of another recipe: seed was 0, is 1"):
        train(replace(recipe, seed=1), tmp_path)
    with pytest.raises(ValueError, match="batches of 8 cannot be divided among 8 devices and 2"):
        train(make_one_stage(make_stage(accumulate=2)), tmp_path / "parts")
    with pytest.raises(ValueError, match="a recipe needs a stage"):
        Recipe(network="cnniqa", stages=())
    with pytest.raises(ValueError, match="steps=0"):
        make_stage(steps=0)
    with pytest.raises(ValueError, match="average=1"):
        make_recipe(average=1.0)
    with pytest.raises(ValueError, match="precision='float16'"):
        make_recipe(precision="float16")


def test_a_finished_run_is_not_repeated(tmp_path):
    recipe = make_one_stage(make_stage())
    first = train(recipe, tmp_path)

    def never(*_):
        pytest.fail("a step was made")

    again = train(recipe, tmp_path, progress=never)
    for a, b in zip(jax.tree.leaves(first), jax.tree.leaves(again), strict=True):
        np.testing.assert_array_equal(a, b)
    assert json.loads((tmp_path / "recipe.json").read_text())["network"] == "cnniqa"
