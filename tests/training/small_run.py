"""A run of a few seconds, which tests start in processes of their own: `small_run.py FOLDER`.

Its last lines are the losses. JIQA_SLOW makes every step wait, so that a test can kill it in
between; JIQA_PROCESS and JIQA_PORT make it one of two processes.
"""

import os
import sys
import time
from pathlib import Path

import numpy as np


def make_items(count: int, side: int = 40) -> list[dict]:
    """Images of noise, whose score is how strong it is."""
    rng = np.random.default_rng(0)
    items = []
    for number in range(count):
        strength = (number * 7 % count) / count
        image = 128 + 100 * strength * rng.standard_normal((side, side, 3))
        image = image.clip(0, 255).astype(np.uint8)
        items.append(
            {
                "name": f"{number}.png",
                "content": str(number // 4),
                "reference": np.full_like(image, 128),
                "distorted": image,
                "score": strength,
                "higher_is_better": False,
                "distortion": "noise",
                "level": float(number % 5),
            }
        )
    return items


def loss(network, batch, rngs):
    """Of patches, with dropout."""
    from jiqa.training.losses import mae

    prediction = network(batch["distorted"], rngs=rngs)
    return mae(prediction["patches"], batch["score"]), {"mean": prediction["score"].mean()}


def loss_without_dropout(network, batch, _):
    """The same for whoever divides the batch."""
    return loss(network, batch, None)


def make_recipe(loss=loss, **settings):
    """Two stages of CNNIQA, with validation in the second."""
    import optax

    from jiqa.datasets.pipelines import Loading, patches
    from jiqa.training import Data, Recipe, Stage

    items = make_items(32)
    data = Data.of(items[:24], items[24:])

    def stage(name, steps, optimizer):
        loading = Loading(batch_size=8, seed=1)
        batches = patches(data.train, loading, count=2, scale=data.scale)
        return Stage(name=name, loss=loss, batches=batches, optimizer=optimizer, steps=steps)

    stages = (stage("first", 7, optax.sgd(0.01, 0.9)), stage("second", 13, optax.adam(1e-3)))
    recipe = {"network": "cnniqa", "options": {"filters": 4}, "stages": stages, "average": 0.8}
    recipe |= {"validation": data.validation, "evaluate_every": 5, "seed": 2}
    return Recipe(**{**recipe, **settings})


if __name__ == "__main__":
    import jax

    if "JIQA_PORT" in os.environ:
        address = f"127.0.0.1:{os.environ['JIQA_PORT']}"
        jax.distributed.initialize(address, 2, int(os.environ["JIQA_PROCESS"]))
    from jiqa.training import train
    from jiqa.training.logs import LINES, read_lines

    pause = float(os.environ.get("JIQA_SLOW", "0"))
    divided = "JIQA_DIVIDED" in os.environ

    def progress(done: int, total: int) -> None:
        print(f"step {done} of {total}", flush=True)
        time.sleep(pause)

    recipe = make_recipe(loss_without_dropout if divided else loss)
    train(recipe, sys.argv[1], checkpoint_every=5, log_every=1, progress=progress)
    for line in read_lines(Path(sys.argv[1], LINES)):
        if "loss" in line:
            print("loss", line["step"], line["loss"])
