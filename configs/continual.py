"""DB-CNN on one set of ratings after another, as the authors of continual learning for IQA do.

Zhang, Li, Ma, Zhai, Yang and Ma, "Continual learning for blind image quality assessment", IEEE
TPAMI 45(3), 2023; see `jiqa.networks.continual`. `recipe` trains one task, beginning with the model
of the one before; `learn` goes through all. Rates, epochs, batch sizes, crops and the weight of
what keeps from forgetting are those of the authors' code. Ours are that all pairs of a batch are
compared, that images are not resized before they are cropped, and that replay learns the ratings of
what it kept. Synaptic intelligence needs gradients that the trainer does not hand out.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from jiqa.datasets.pipelines import Loading, Scale, decoding, multi_task
from jiqa.networks import Model
from jiqa.networks.continual import (
    Record,
    all_pairs,
    drift_penalty,
    fisher,
    keep_examples,
    old_preferences,
    preferences,
    remember,
    sensitivity,
)
from jiqa.networks.dbcnn import use_scnn
from jiqa.networks.network import split
from jiqa.networks.pretrained import use_pretrained
from jiqa.training import Data, Recipe, Stage, train
from jiqa.training.losses import fidelity, pair_probability
from jiqa.training.optimizers import by_part
from jiqa.training.validation import agreement, predict

WEIGHTS = {"none": 0.0, "lwf": 10.0, "ewc": 1e4, "mas": 10.0, "replay": 0.0}
IMPORTANCE_BATCHES = 50


class Kept(Sequence):
    """Items of several tasks, with the number of the task as their distortion."""

    def __init__(self, parts: Sequence[tuple[Sequence[Any], np.ndarray, Scale, int]]) -> None:
        """Sets, the places that are used, their scales and the numbers of their tasks."""
        self.items = [
            (source, int(place), scale, task)
            for source, places, scale, task in parts
            for place in places
        ]

    def __len__(self) -> int:
        """How many items there are."""
        return len(self.items)

    def __getitem__(self, number: int) -> Any:
        """An item, its score on the scale from 0 to 1."""
        source, place, scale, task = self.items[number]
        item = source[place]
        score = scale(item["score"])
        return {**item, "score": score, "higher_is_better": True, "distortion": f"{task:03}"}


def pair_loss(heads, scores, tasks):
    """How unlike preferences are to those of ratings, for pairs of the same task."""
    first, second = all_pairs(len(scores))
    own = jnp.take_along_axis(heads, tasks[:, None], axis=1)[:, 0]
    same = tasks[first] == tasks[second]
    predicted = jnp.where(same, pair_probability(own[first], own[second]), 0.5)
    wanted = jnp.where(same, preferences(scores), 0.5)
    return fidelity(predicted, wanted) * same.size / jnp.maximum(same.sum(), 1)


def make_loss(previous, task, method, weight, importance):
    """The loss of a task; `previous` is the model at the end of the one before."""

    def loss(network, batch, rngs):
        heads = network(batch["distorted"], rngs=rngs)["heads"]
        several = method == "replay" and task > 0
        tasks = batch["distortion"] if several else jnp.full(len(heads), task)
        losses = {"pairs": pair_loss(heads, batch["score"], tasks)}
        if task > 0 and method == "lwf":
            old = previous.merge()(batch["distorted"], rngs=rngs)["heads"]
            now, then = old_preferences(heads, task), old_preferences(old, task)
            losses["forgetting"] = weight * task * fidelity(now, then)  # the sum over old heads
        elif task > 0 and importance is not None:
            parameters = nnx.to_pure_dict(nnx.state(network.trunk, nnx.Param))
            before = previous.parameters["trunk"]
            losses["forgetting"] = weight * drift_penalty(parameters, before, importance)
        return sum(losses.values()), losses

    return loss


def optimizer(schedule, *, trunk: bool) -> optax.GradientTransformation:
    """Adam with decay added to gradients; S-CNN rests, and the trunk if it is to."""
    adam = optax.chain(optax.add_decayed_weights(5e-4), optax.adam(schedule))
    rest = {"scnn": optax.set_to_zero()} | ({} if trunk else {"trunk": optax.set_to_zero()})
    return by_part({**rest, "": adam})


def measure_importance(model: Model, data: Data, task: int, method: str, crop: int) -> Any:
    """How much each parameter of the trunk matters to a task that was just learned."""
    graph, _, _ = split(model.merge())
    loading = Loading(batch_size=8, epochs=None)
    stream = multi_task(data.train, loading, types=data.types, crop=crop, scale=data.scale)
    batches = [next(stream) for _ in range(min(IMPORTANCE_BATCHES, len(data.train) // 8))]

    def heads(trunk, batch):
        parameters = {**model.parameters, "trunk": trunk}
        network = nnx.merge(graph, parameters, model.statistics, copy=True)
        return network(batch["distorted"])["heads"][:, : task + 1]

    def loss(trunk, batch):
        return pair_loss(heads(trunk, batch), batch["score"], jnp.full(8, task))

    if method == "ewc":
        return fisher(loss, model.parameters["trunk"], batches)
    return sensitivity(heads, model.parameters["trunk"], batches)


def describe_distortions(model: Model, data: Data) -> np.ndarray:
    """Features of S-CNN of all images of a task, `[N, 128]`."""
    apply = jax.jit(lambda model, images: model(images)["features"][0])
    images = (item["distorted"] for item in decoding(data.train, ("distorted",)))
    return np.stack([apply(model, jnp.asarray(x[None] / 255, jnp.float32)) for x in images])


def recipe(
    data: Data,
    *,
    quick: bool = False,
    previous: Model | str | None = None,
    task: int = 0,
    tasks: int = 6,
    method: str = "lwf",
    weight: float | None = None,
    importance: Any = None,
    memory: Sequence[tuple[Data, np.ndarray]] = (),
    pretrained: bool = True,
    scnn: str | None = None,
    crop: int = 384,
    head_epochs: int = 3,
    epochs: int = 9,
    head_batch_size: int = 128,
    batch_size: int = 32,
    learning_rate: float = 2e-4,
    seed: int = 0,
) -> Recipe:
    """How one task is learned.

    Args:
        data: The set of the task.
        quick: A narrow trunk without published parameters, crops of 64 pixels, and at most 100
            steps a stage, which take a few minutes on two cores.
        previous: The model at the end of the task before, or its file; None for the first.
        task: The number of the task, from 0 on.
        tasks: How many there will be.
        method: What keeps from forgetting: "lwf", "ewc", "mas", "replay" or "none".
        weight: How much that counts; None is what the authors take.
        importance: Of the trunk's parameters, for "ewc" and "mas"; see `measure_importance`.
        memory: For "replay", the sets of earlier tasks and the places of the images that were kept.
        pretrained: Whether the trunk begins with its published parameters, which are fetched.
        scnn: The file of a trained model of "scnn"; without one it is random.
        crop: Side of the crops.
        head_epochs: Of the first stage, in which only heads learn.
        epochs: Of the second stage.
        head_batch_size: Images at a time in the first stage.
        batch_size: Images at a time in the second.
        learning_rate: Of both; in the second it is divided by ten after each third.
        seed: Of all that is random.

    Raises:
        ValueError: An unknown method, or importance or memory is missing.
    """
    if method not in WEIGHTS:
        raise ValueError(f"method={method!r}; give one of {', '.join(WEIGHTS)}.")
    if task and method in ("ewc", "mas") and importance is None:
        raise ValueError(f"{method} needs the importance of parameters; see measure_importance.")
    if task and (previous is None or (method == "replay" and not memory)):
        raise ValueError(f"task {task} needs the previous model, and replay a memory.")
    options: dict[str, Any] = {"tasks": tasks}
    steps = [
        data.epochs_to_steps(head_epochs, head_batch_size),
        data.epochs_to_steps(epochs, batch_size),
    ]
    if quick:
        options, pretrained, crop, head_batch_size = {**options, "narrow": 16}, False, 64, 16
        batch_size, learning_rate = 16, 10 * learning_rate
        steps = [min(count, 100) for count in steps]
    if isinstance(previous, str):
        previous = Model.load(previous)
    if previous is None:
        begin = Model.create("dbcnn", seed=seed, **options)
        begin = use_pretrained(begin) if pretrained else begin
        begin = use_scnn(begin, Model.load(scnn)) if scnn else begin
    else:
        begin = previous
    initial = remember(begin, task, describe_distortions(begin, data), seed=seed)
    loss = make_loss(begin, task, method, WEIGHTS[method] if weight is None else weight, importance)

    def stream(size: int):
        loading = Loading(batch_size=size, seed=seed)
        if not memory:
            return multi_task(data.train, loading, types=data.types, crop=crop, scale=data.scale)
        now = (data, np.arange(len(data.train)))
        parts = [(d.train, kept, d.scale, n) for n, (d, kept) in enumerate([*memory, now])]
        numbers = [f"{number:03}" for number in range(len(parts))]
        return multi_task(Kept(parts), loading, types=numbers, crop=crop)

    decay = optax.exponential_decay(learning_rate, max(1, steps[1] // 3), 0.1, staircase=True)
    return Recipe(
        network="dbcnn",
        options=options,
        initial=initial,
        stages=(
            Stage(
                name="heads",
                loss=loss,
                batches=stream(head_batch_size),
                optimizer=optimizer(learning_rate, trunk=False),
                steps=steps[0],
            ),
            Stage(
                name="all",
                loss=loss,
                batches=stream(batch_size),
                optimizer=optimizer(decay, trunk=True),
                steps=steps[1],
            ),
        ),
        validation=data.validation,
        evaluate_every=max(1, steps[1] // 10),
        seed=seed,
    )


def learn(
    sets: Sequence[Data], folder: Path | str, *, method: str = "lwf", **settings: Any
) -> tuple[Model, Record]:
    """All tasks, one after the other.

    Args:
        sets: Of all tasks, in their order.
        folder: In which each task has the folder of its run.
        method: See `recipe`.
        **settings: Of `recipe`.

    Returns:
        The model, and how well it did on the tests of all tasks after each.
    """
    model, importance, places, table = None, None, [], []
    for task, data in enumerate(sets):
        memory = [(sets[n], kept) for n, kept in enumerate(places)] if method == "replay" else ()
        wanted = recipe(
            data,
            previous=model,
            task=task,
            tasks=len(sets),
            method=method,
            importance=importance,
            memory=memory,
            **settings,
        )
        model = train(wanted, Path(folder, str(task)))
        if method in ("ewc", "mas"):
            crop = 64 if settings.get("quick") else settings.get("crop", 384)
            importance = measure_importance(model, data, task, method, crop)
        rng = np.random.default_rng(settings.get("seed", 0))
        places = keep_examples(places, len(data.train), rng)
        table.append([agreement(predict(model, each.test))["srocc"] for each in sets])
    return model, Record(np.array(table), np.array([len(each.test) for each in sets]))
