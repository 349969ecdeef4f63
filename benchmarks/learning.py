"""What networks learn on a CPU: 64 patches by heart, and the quality of images of new content.

    python benchmarks/learning.py GENERATED [--networks cnniqa,wadiqam:variant=diqam_fr]

GENERATED is a set of `jiqa datasets generate`. For each config, then for each variant of it:

- By heart: how many steps and seconds of Adam, with the mean squared error, it takes until scores
  of 64 patches of different images agree with their images' scores, PLCC > 0.99; what is compiled
  is not counted. Patches are 32 x 32, or the least that the network takes.
- New content: SROCC on images of content that is not trained on, before and after training as the
  config says with `quick=True`, with 95 % intervals from drawing contents; the same of SSIM or,
  for networks without a reference, of NIQE; and how often a network that names distortions is
  right, beside always naming the commonest.

New content is the part for testing, or with `--held` the whole of another set. In a set without a
part for testing it is that for validation, which then chooses nothing. Images are held in memory,
so only some of each part are taken. Writes a line of JSON into `benchmarks/results/learning.jsonl`
as soon as a network is done; what is there already is not done again.
"""

import argparse
import contextlib
import inspect
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import jax
import numpy as np
import optax
import pandas as pd
from records import RESULTS, machine
from rich.console import Console
from rich.table import Table

import jiqa
from jiqa.datasets.builders import Prepared
from jiqa.datasets.pipelines import Loading, multi_task
from jiqa.evaluation.bootstrap import bootstrap
from jiqa.evaluation.correlation import plcc
from jiqa.evaluation.samples import UndefinedStatisticError
from jiqa.files import write_text
from jiqa.networks import Model, count_parameters
from jiqa.networks.heads import HEADS
from jiqa.training import Data, Recipe, Stage, train
from jiqa.training.configs import load_config
from jiqa.training.logs import read_lines
from jiqa.training.losses import mse
from jiqa.training.step import begin, make_step, result
from jiqa.training.validation import agreement, predict

Item = dict[str, Any]
Line = dict[str, Any]

CONFIGS = Path(__file__).parent.parent / "configs"
# Variants that no `Literal` of a config's settings tells.
ALSO = {
    "quality_cnn": [{"tasks": False}, *({"head": head} for head in HEADS if head != "score")],
    "quality_siamese": [{"tasks": True}],
}
PATCHES, PLACES, REACHED, LEARNING_RATE, EVERY = 64, 64, 0.99, 1e-3, 10
SIDES = (32, 48, 64, 96, 128, 192, 224, 227, 256, 288)
BESIDE = {"full_reference": "ssim_y", "no_reference": "niqe"}


@dataclass(frozen=True)
class Trial:
    """A config with what is set in it."""

    config: str
    settings: dict[str, Any]

    @property
    def name(self) -> str:
        """Such as "wadiqam:variant=diqam_fr"."""
        return ":".join([self.config, *(f"{key}={value}" for key, value in self.settings.items())])


def list_trials(folder: Path = CONFIGS) -> list[Trial]:
    """All configs as they are, then all variants."""
    configs = {path.stem: load_config(path) for path in sorted(folder.glob("*.py"))}
    plain = [Trial(name, {}) for name in configs]
    return plain + [
        Trial(name, settings) for name, recipe in configs.items() for settings in vary(name, recipe)
    ]


def vary(name: str, recipe: Any) -> Iterator[dict[str, Any]]:
    """The variants of a config; which published trunk there is makes none."""
    for setting, parameter in inspect.signature(recipe).parameters.items():
        if get_origin(parameter.annotation) is Literal and setting != "net":
            others = [v for v in get_args(parameter.annotation) if v != parameter.default]
            yield from ({setting: value} for value in others)
    yield from ALSO.get(name, [])


def choose(trials: Sequence[Trial], names: str | None) -> list[Trial]:
    """Those with these names, or all of a config.

    Raises:
        ValueError: A name that is none.
    """
    asked = [trial.name for trial in trials] if names is None else names.split(",")
    chosen = [trial for trial in trials if {trial.name, trial.config} & set(asked)]
    known = {name for trial in chosen for name in (trial.name, trial.config)}
    if unknown := sorted(set(asked) - known):
        there = ", ".join(trial.name for trial in trials)
        raise ValueError(f"there is no {', '.join(unknown)}; there are {there}.")
    return chosen


def read_data(folder: Path, held: Path | None, most: dict[str, int]) -> Data:
    """Some images of each part, in memory; "test" is what nothing is learned or chosen from.

    Args:
        folder: A set.
        held: Another one, all of which is taken in place of the part for testing.
        most: How many images of "train", "validation" and "test".

    Raises:
        FileNotFoundError: There is no such set.
        ValueError: It lacks a part, or the other one has the same contents.
    """
    parts = {name: open_parts(folder, name) for name in most}
    if held is not None:
        parts["test"] = open_parts(held, *most)
    if not parts["test"]:
        parts |= {"test": parts["validation"], "validation": []}
    if not (parts["train"] and parts["test"]):
        raise ValueError(f"{folder} lacks a part for training, or others; give --held.")
    data = Data.of(*(take(parts[name], number) for name, number in most.items()))
    learned, new = ({item["content"] for item in part} for part in (data.train, data.test))
    if both := sorted(learned & new):
        raise ValueError(f"contents to learn from are held out too: {', '.join(both)}.")
    return data


def open_parts(folder: Path, *names: str) -> list[Prepared]:
    """Those parts that a set has."""
    found = []
    for name in names:
        with contextlib.suppress(ValueError):
            found.append(Prepared(folder, name))
    return found


def take(parts: Sequence[Sequence[Item]], most: int) -> list[Item]:
    """Some of the items, the same each time, originals once for each content."""
    places = [(part, place) for part in parts for place in range(len(part))]
    chosen = np.sort(np.random.default_rng(0).permutation(len(places))[:most])
    originals: dict[str, np.ndarray] = {}
    items = []
    for part, place in (places[number] for number in chosen):
        item = dict(part[place])
        if "reference" in item:
            item["reference"] = originals.setdefault(item["content"], item["reference"])
        items.append(item)
    return items


def learn_by_heart(recipe: Recipe, data: Data, steps: int, seconds: float) -> Line:
    """Steps and seconds until the scores of patches are known, or how far it came in this time."""
    model = recipe.begin()
    side = find_side(model)
    compares = model.kind == "full_reference"
    batches = multi_task(
        cut_patches(data.train, side),
        Loading(batch_size=PATCHES, shuffle=False),
        references=compares,
        mirror=False,
        scale=data.scale,
    )
    names = ("reference", "distorted") if compares else ("distorted",)
    adam = optax.adam(LEARNING_RATE)
    loss = partial(score_loss, names=names)
    stage = Stage(name="by heart", loss=loss, batches=batches, optimizer=adam, steps=steps)
    recipe = Recipe(network=recipe.network, options=recipe.options, stages=(stage,), initial=model)
    batch = jax.device_put(next(batches))
    images = [batch[name] for name in names]
    step, score = make_step(recipe, stage, model), jax.jit(lambda model: model(*images)["score"])

    def start() -> Any:
        return begin(recipe, stage, model.parameters, model.statistics)

    def judge(state: Any) -> float:
        scores = np.asarray(score(replace(model, **result(state))), np.float64)
        return plcc(scores, batch["score"]) if np.ptp(scores) else 0.0

    judge(step(start(), batch, jax.random.key(0))[0])  # compiles
    state, best, number, began = start(), 0.0, 0, time.perf_counter()
    while best <= REACHED and number < steps and time.perf_counter() - began < seconds:
        state, _ = step(state, batch, jax.random.key(number))
        number += 1
        if number % EVERY == 0:
            best = max(best, judge(state))
    took = time.perf_counter() - began
    return {"side": side, "plcc": best, "steps": number, "seconds": took}


def score_loss(network: Any, batch: Any, rngs: Any, *, names: Sequence[str]) -> Any:
    """The squared error."""
    prediction = network(*(batch[name] for name in names), rngs=rngs)
    return mse(prediction["score"], batch["score"]), {}


def find_side(model: Model) -> int:
    """The least side of images that a network takes."""
    for side in SIDES:
        image = jax.ShapeDtypeStruct((1, side, side, 3), np.float32)
        images = [image, image] if model.kind == "full_reference" else [image]
        try:
            jax.eval_shape(Model.__call__, model, *images)
        except ValueError:
            continue
        return side
    raise ValueError(f"{model.network} takes no images of {SIDES[-1]} pixels.")


def cut_patches(items: Sequence[Item], side: int) -> list[Item]:
    """A patch of each of 64 images: of 64 places the one that differs most from the original.

    Some distortions leave most of an image as it was. Without an original it is the place with the
    most contrast.
    """
    rng = np.random.default_rng(0)
    if len(items) < PATCHES:
        raise ValueError(f"there are {len(items)} images to learn from; {PATCHES} are needed.")
    cut = []
    for place in np.sort(rng.permutation(len(items))[:PATCHES]).tolist():
        item = items[place]
        room = np.array(item["distorted"].shape[:2]) - side
        if room.min() < 0:
            raise ValueError(f"images are smaller than {side} x {side}.")
        change = item["distorted"].astype(np.float32)
        change -= item.get("reference", change.mean())
        windows = [
            (slice(top, top + side), slice(left, left + side))
            for top, left in rng.integers(0, room, (PLACES, 2), endpoint=True)
        ]
        window = max(windows, key=lambda window, of=change: np.square(of[window]).mean())
        images = {name: item[name][window] for name in ("reference", "distorted") if name in item}
        cut.append({**item, **images})
    return cut


def generalize(recipe: Recipe, data: Data, beside: "Beside") -> Line:
    """Agreement on new content, before and after training."""
    types = data.types if recipe.options.get("types") == len(data.types) else None
    model = recipe.begin()
    untrained = assess(predict(model, data.test), model.higher_is_better)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        model = train(recipe, folder, checkpoint_every=recipe.steps, log_every=100)
    seconds = time.perf_counter() - began
    predictions = predict(model, data.test, types=types)
    line = {
        "training": {"steps": recipe.steps, "seconds": seconds},
        "untrained": untrained,
        "trained": assess(predictions, model.higher_is_better),
        "beside": beside.of(model.kind),
    }
    if types is not None:
        shares = predictions["distortion"].value_counts(normalize=True)
        right = agreement(predictions)["accuracy"]
        line["naming"] = {"right": right, "commonest": float(shares.max())}
    return line


def assess(predictions: pd.DataFrame, higher_is_better: bool) -> Line:
    """SROCC, 1 is perfect, with its interval if there are contents to draw from."""
    polarity = predictions["higher_is_better"] == higher_is_better
    opinions = np.where(polarity, 1.0, -1.0) * predictions["score"]
    scores, contents = predictions["prediction"].to_numpy(), predictions["content"].to_numpy()
    if not np.ptp(scores):
        return {"srocc": 0.0, "low": None, "high": None}
    try:
        found = bootstrap(scores, opinions, clusters=contents)
    except UndefinedStatisticError:  # hardly any contents
        value = agreement(predictions, higher_is_better=higher_is_better)["srocc"]
        return {"srocc": value, "low": None, "high": None}
    ends = {"low": float(found.low[0]), "high": float(found.high[0])}
    return {"srocc": float(found.value[0]), **ends}


class Beside:
    """Agreement of known metrics on the same images, computed once."""

    def __init__(self, items: Sequence[Item]) -> None:
        """The images."""
        self.items = items
        self.known: dict[str, Line] = {}

    def of(self, kind: str) -> Line:
        """That of the metric beside networks of a kind."""
        if kind not in self.known:
            metric = jiqa.load(BESIDE[kind])
            names = ("reference", "distorted") if metric.needs_reference else ("distorted",)
            compute = jax.jit(lambda *images: metric(*images))
            rows = [
                {
                    **{key: item[key] for key in ("content", "score", "higher_is_better")},
                    "prediction": float(compute(*(item[name] for name in names))),
                }
                for item in self.items
            ]
            found = assess(pd.DataFrame(rows), bool(metric.higher_is_better))
            self.known[kind] = {"metric": BESIDE[kind], **found}
        return self.known[kind]


def try_out(trial: Trial, data: Data, beside: Beside, options: argparse.Namespace) -> Line:
    """All that is told of a trial."""
    recipe = load_config(CONFIGS / f"{trial.config}.py")(data, quick=True, **trial.settings)
    if options.steps:
        few = [replace(s, steps=min(s.steps, options.steps)) for s in recipe.stages]
        recipe = replace(recipe, stages=few)
    count = count_parameters(recipe.network, **recipe.options)
    try:
        by_heart = learn_by_heart(recipe, data, options.heart_steps, options.heart_seconds)
    except ValueError as error:  # images that are too small, or too few
        by_heart = {"error": str(error)}
    about = {"network": recipe.network, "options": dict(recipe.options), "parameters": count}
    return {**about, "by_heart": by_heart, **generalize(recipe, data, beside)}


def print_table(console: Console, lines: Sequence[Line]) -> None:
    """A row a trial."""
    table = Table(title="what networks learn; SROCC on new content, with 95 % intervals")
    table.add_column("config", no_wrap=True)
    heart, training = ("64 patches", "steps", "s"), ("steps", "s")
    for head in ("parameters", *heart, "untrained", "trained", "beside", "naming", *training):
        table.add_column(head, justify="right")
    for line in lines:
        if "error" in line:
            console.print(f"{line['trial']}: {line['error']}", markup=False)
            continue
        table.add_row(
            line["trial"],
            f"{line['parameters']:,}",
            *show_heart(line["by_heart"]),
            show_srocc(line["untrained"]),
            show_srocc(line["trained"]),
            f"{line['beside']['metric']} {show_srocc(line['beside'])}",
            show_naming(line.get("naming")),
            *show_cost(line["training"]),
        )
    console.print(table)
    console.print("64 patches: PLCC by heart, where learning ends above 0.99.")
    console.print("naming: how often right, and how often the commonest distortion would be.")
    for line in lines:
        if "error" in line.get("by_heart", {}):
            console.print(f"{line['trial']} by heart: {line['by_heart']['error']}", markup=False)


def show_heart(found: Line) -> list[str]:
    """PLCC, steps and seconds."""
    return [""] * 3 if "error" in found else [f"{found['plcc']:.3f}", *show_cost(found)]


def show_cost(found: Line) -> list[str]:
    """Steps and seconds."""
    return [f"{found['steps']:,}", f"{found['seconds']:.0f}"]


def show_naming(found: Line | None) -> str:
    """The share of distortions that is named right."""
    return f"{found['right']:.2f} ({found['commonest']:.2f})" if found else ""


def show_srocc(found: Line) -> str:
    """The value and its interval."""
    if found["low"] is None:
        return f"{found['srocc']:.3f}"
    return f"{found['srocc']:.3f} [{found['low']:.3f}, {found['high']:.3f}]"


def main() -> None:
    """Trains, prints and writes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("data", type=Path)
    add("--held", type=Path, help="another set, all of which is new content")
    add("--networks", help="configs, all of their variants too; or names such as in the table")
    add("--train", type=int, default=1000, help="images to learn from, at most")
    add("--validation", type=int, default=100, help="to choose the best parameters by, at most")
    add("--test", type=int, default=250, help="of new content, at most")
    add("--steps", type=int, help="of each stage, at most; only for a try")
    add("--heart-steps", type=int, default=2000, help="at most, of learning by heart")
    add("--heart-seconds", type=float, default=120.0, help="at most, of learning by heart")
    add("--output", type=Path, default=RESULTS / "learning.jsonl")
    options = parser.parse_args()
    trials = choose(list_trials(), options.networks)
    most = {name: getattr(options, name) for name in ("train", "validation", "test")}
    data = read_data(options.data, options.held, most)
    lines = run(trials, data, options)
    print_table(Console(width=None if sys.stdout.isatty() else 200), lines)


def run(trials: Sequence[Trial], data: Data, options: argparse.Namespace) -> list[Line]:
    """The lines of all trials, of which those that are there already are read."""
    about = {"data": str(options.data), "held": str(options.held), "steps_at_most": options.steps}
    about |= {"images": [len(part) for part in (data.train, data.validation, data.test)]}
    about |= {"contents": len({item["content"] for item in data.test})}
    kept = [line for line in read_lines(options.output) if "error" not in line]
    options.output.parent.mkdir(parents=True, exist_ok=True)
    write_text(options.output, "".join(json.dumps(line) + "\n" for line in kept))
    done = {line["trial"]: line for line in kept if about.items() <= line.items()}
    beside = Beside(data.test)
    for trial in trials:
        if trial.name not in done:
            print(trial.name, flush=True)
            try:
                found = try_out(trial, data, beside, options)
            except Exception as error:  # a line with its reason
                found = {"error": f"{type(error).__name__}: {error}"}
            done[trial.name] = line = {"trial": trial.name, **about, **machine(), **found}
            with options.output.open("a") as file:
                file.write(json.dumps(line) + "\n")
            jax.clear_caches()  # of which each program takes memory
    return [done[trial.name] for trial in trials]


if __name__ == "__main__":
    main()
