"""What runs in the processes of `networks.py`: networks of jiqa, and twins in PyTorch.

As `peers.py`, with networks in place of metrics: the call "inference" gives the scores of images,
"step" the loss of a step of training, which is forward, backward and Adam with the mean absolute
error of the score. All begin with the parameters in the folder that `JIQA_BENCHMARK_MODELS` names.
`JIQA_BENCHMARK_TWINS` says what twins are: "eager", "channels_last" in memory, or "compiled".
"""

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from peers import Call, Peer

OPINION, LEARNING_RATE = 0.5, 1e-4  # of every image; of Adam


def jiqa() -> Peer:
    """All networks, compiled, with the step of the trainer."""
    from jiqa.networks import list_networks

    return {name: name for name in list_networks()}, jiqa_calls


def torch() -> Peer:
    """Those that have a twin."""
    from networks_torch import TWINS

    return {name: name for name in TWINS}, torch_calls


PEERS = {"jiqa": jiqa, "torch": torch}


def saved(name: str) -> Path:
    """The file of a model."""
    return Path(os.environ["JIQA_BENCHMARK_MODELS"], f"{name}.safetensors")


def jiqa_calls(name: str, reference: np.ndarray, distorted: np.ndarray) -> dict[str, Call]:
    """The calls of a network; the state of training is made when a step is first asked for."""
    import jax

    from jiqa.networks import Model

    model = Model.load(saved(name))
    given = {"reference": reference, "distorted": distorted}
    given = given if model.kind == "full_reference" else {"distorted": distorted}
    images = jax.device_put(given)
    predict = jax.jit(lambda model, images: model(*images.values()))
    return {
        "inference": lambda: jax.block_until_ready(predict(model, images))["score"],
        "step": partial(next, jiqa_steps(model, images)),
    }


def jiqa_steps(model: Any, images: dict[str, Any]) -> Iterator[Any]:
    """The loss of step after step."""
    import jax
    import jax.numpy as jnp
    import optax

    from jiqa.training import Recipe, Stage
    from jiqa.training.losses import mae
    from jiqa.training.step import begin, make_step

    def loss(network: Any, batch: dict[str, Any], rngs: Any) -> Any:
        given = [batch[image] for image in images]
        return mae(network(*given, rngs=rngs)["score"], batch["score"]), {}

    adam = optax.adam(LEARNING_RATE)
    stage = Stage(name="step", loss=loss, batches=None, optimizer=adam, steps=1)  # always one batch
    recipe = Recipe(network=model.network, options=model.options, stages=(stage,))
    step = make_step(recipe, stage, model)
    state = begin(recipe, stage, model.parameters, model.statistics)
    batch = {**images, "score": jnp.full(len(images["distorted"]), OPINION)}
    while True:
        state, logs = jax.block_until_ready(step(state, batch, jax.random.key(0)))
        yield logs["loss"]


def torch_calls(name: str, reference: np.ndarray, distorted: np.ndarray) -> dict[str, Call]:
    """The calls of a twin."""
    import torch
    from networks_torch import load

    twin, form = load(name, saved(name)), os.environ["JIQA_BENCHMARK_TWINS"]
    if form == "channels_last":
        twin = twin.to(memory_format=torch.channels_last)
    elif form == "compiled":
        twin = torch.compile(twin)
    given = [reference, distorted] if name.endswith("_fr") else [distorted]
    images = [torch.from_numpy(np.moveaxis(image, -1, -3).copy()) for image in given]

    def inference() -> Any:
        with torch.inference_mode():
            return twin.eval()(*images)["score"]

    return {"inference": inference, "step": partial(next, torch_steps(twin, images))}


def torch_steps(twin: Any, images: list[Any]) -> Iterator[Any]:
    """The loss of step after step."""
    import torch

    adam = torch.optim.Adam(twin.train().parameters(), lr=LEARNING_RATE, fused=True)
    while True:
        adam.zero_grad()
        loss = (twin(*images)["score"] - OPINION).abs().mean()
        loss.backward()
        adam.step()
        yield loss.detach()
