"""The trainer: stages, steps, validation, checkpoints; a killed run goes on to the same numbers.

    run/
      recipe.json           what is trained, and on which batches
      log.jsonl             losses and correlations by step
      tensorboard/          the same for TensorBoard
      checkpoints/          the latest few, from which a run goes on
      best.safetensors      the best of the last stage so far
      model.safetensors     the result, written last

Batches depend on the step only, random numbers on seed and step, and a checkpoint holds all else.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np

import jiqa
from jiqa.datasets.pipelines import differences
from jiqa.files import write_text
from jiqa.networks import Model
from jiqa.training import checkpoints
from jiqa.training.logs import Log
from jiqa.training.recipe import Recipe, Stage
from jiqa.training.step import Placement, State, begin, make_step, result
from jiqa.training.validation import agreement, predict

RESULT, BEST, RECIPE = "model.safetensors", "best.safetensors", "recipe.json"


@dataclass(frozen=True)
class Progress:
    """How far a run has come.

    Attributes:
        stage: The number of the stage.
        step: Steps of it that are done.
        total: Steps of all stages that are done.
        best: The highest SROCC of the last stage so far.
        waited: Validations since then.
        ended: Whether the stage has ended early.
    """

    stage: int = 0
    step: int = 0
    total: int = 0
    best: float = -2.0
    waited: int = 0
    ended: bool = False


def train(
    recipe: Recipe,
    folder: Path | str,
    *,
    checkpoint_every: int = 500,
    log_every: int = 20,
    devices: Sequence[jax.Device] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Model:
    """Trains a network, or goes on where a run in this folder ended.

    Under `jax.distributed` every process calls it with the same recipe and a shared folder.

    Args:
        recipe: What to do.
        folder: Of the run, made if need be.
        checkpoint_every: Steps between checkpoints.
        log_every: Steps between lines of the log.
        devices: Of all processes; None means all.
        progress: Called with the steps done and those of all stages.

    Returns:
        The best parameters of the last stage, or the last ones if nothing is validated.

    Raises:
        ValueError: The folder is that of another recipe, all its checkpoints are damaged, or
            batches cannot be divided among devices and parts.
        FloatingPointError: The loss is not finite. Checkpoints are those before.
        OSError: A file could not be written. What was written before is whole.
    """
    run = _Run(recipe, Path(folder), Placement(devices))
    try:
        while not run.finished:
            for values in run.steps():
                if run.due(log_every) or run.due(checkpoint_every):
                    run.report(values)
                if run.due(recipe.interval) and run.in_last_stage:
                    run.validate()
                if run.due(checkpoint_every) or run.done.ended:
                    run.save()
                if progress is not None:
                    progress(run.done.total, recipe.steps)
            run.end_stage()
        return run.finish()
    finally:
        run.close()


class _Run:
    """A run in a folder: where it is, and how it goes on."""

    def __init__(self, recipe: Recipe, folder: Path, place: Placement) -> None:
        """Begins, or takes up the latest checkpoint."""
        _check_sizes(recipe, place.devices)
        (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
        _check_recipe(folder / RECIPE, _describe(recipe))
        self.recipe, self.folder, self.place = recipe, folder, place
        self.model = recipe.begin()
        checkpoint = checkpoints.latest(folder / "checkpoints")
        self.done = Progress() if checkpoint is None else Progress(**checkpoint.progress)
        self.state = self._begin(self.model.parameters, self.model.statistics)
        if checkpoint is not None:
            self.state = checkpoint.load(self.state)
        self.log = Log(folder, self.done.total) if jax.process_index() == 0 else None
        self._reported = (self.done.total, time.perf_counter())

    @property
    def stage(self) -> Stage:
        return self.recipe.stages[self.done.stage]

    @property
    def in_last_stage(self) -> bool:
        return self.done.stage == len(self.recipe.stages) - 1

    @property
    def finished(self) -> bool:
        return self.done.stage == len(self.recipe.stages)

    def due(self, every: int) -> bool:
        """Whether what happens every so many steps, and at the end of a stage, happens now."""
        return self.done.step % every == 0 or self.done.step == self.stage.steps

    def steps(self) -> Iterator[dict[str, jax.Array]]:
        """The rest of the stage, step by step; gives what is to be logged."""
        step = make_step(self.recipe, self.stage, self.model)
        key = jax.random.fold_in(jax.random.key(self.recipe.seed), self.done.stage)
        batches = self.stage.batches.shared(jax.process_index(), jax.process_count())
        batches.step = self.done.step
        while self.done.step < self.stage.steps and not self.done.ended:
            batch = self.place.divide(next(batches))
            random = jax.random.fold_in(key, self.done.step)
            self.state, values = step(self.state, batch, random)
            self.done = replace(self.done, step=self.done.step + 1, total=self.done.total + 1)
            yield values

    def report(self, values: dict[str, jax.Array]) -> None:
        """Logs a step; raises FloatingPointError where it is not finite."""
        found = {name: float(value.addressable_data(0)) for name, value in values.items()}
        _check_finite(found, self.stage, self.done)
        then, began = self._reported
        self._reported = (self.done.total, time.perf_counter())
        images = (self.done.total - then) * self.stage.batches.batch_size
        found["images_per_second"] = images / (self._reported[1] - began)
        self._write(self.stage.name, found)

    def validate(self) -> None:
        """Keeps the parameters if they are the best so far."""
        if not len(self.recipe.validation):
            return
        candidate = replace(self.model, **result(self.state))
        predictions = predict(candidate, self.recipe.validation)
        found = agreement(predictions, higher_is_better=candidate.higher_is_better)
        self._write("validation", found)
        if found["srocc"] > self.done.best:
            self.done = replace(self.done, best=found["srocc"], waited=0)
            if jax.process_index() == 0:
                candidate.save(self.folder / BEST, {"step": self.done.total, **found})
            return
        waited, patience = self.done.waited + 1, self.recipe.patience
        ended = patience is not None and waited >= patience
        self.done = replace(self.done, waited=waited, ended=ended)

    def save(self) -> None:
        checkpoints.save(
            self.folder / "checkpoints", self.done.total, self.state, asdict(self.done)
        )

    def end_stage(self) -> None:
        """Goes on to the next stage, if there is one."""
        done = Progress(self.done.stage + 1, total=self.done.total, best=self.done.best)
        self.done, trees = done, result(self.state)
        if not self.finished:
            self.state = self._begin(trees["parameters"], trees["statistics"])

    def finish(self) -> Model:
        """Writes the result."""
        model = replace(self.model, **result(self.state))
        if len(self.recipe.validation):
            model = Model.load(self.folder / BEST)
        if jax.process_index() == 0:
            facts = {"recipe": _describe(self.recipe), "steps": self.done.total}
            if len(self.recipe.validation):
                facts["validation"] = {"srocc": self.done.best}
            model.save(self.folder / RESULT, facts)
        return model

    def close(self) -> None:
        if self.log is not None:
            self.log.close()

    def _begin(self, parameters: Any, statistics: Any) -> State:
        return self.place.replicate(begin(self.recipe, self.stage, parameters, statistics))

    def _write(self, name: str, values: dict[str, float]) -> None:
        if self.log is not None:
            self.log.write(self.done.total, name, values)


def _describe(recipe: Recipe) -> dict[str, Any]:
    """What two runs have in common if they give the same numbers, for JSON."""
    stages = [
        {
            "name": stage.name,
            "steps": stage.steps,
            "accumulate": stage.accumulate,
            "batches": stage.batches.get_state()["settings"],
        }
        for stage in recipe.stages
    ]
    options = ("higher_is_better", "average", "precision", "seed", "interval", "patience")
    facts = {
        "network": recipe.network,
        "options": dict(recipe.options),
        **{name: getattr(recipe, name) for name in options},
        "stages": stages,
        "jiqa": jiqa.__version__,
        "jax": jax.__version__,
    }
    return json.loads(json.dumps(facts))


def _check_recipe(path: Path, here: dict[str, Any]) -> None:
    """Raises ValueError where a folder is that of another recipe."""
    if path.is_file():
        there = json.loads(path.read_text())
        if changed := differences(there, here):
            raise ValueError(
                f"{path.parent} is the run of another recipe: {changed}. Take another folder, or "
                "remove this one."
            )
    elif jax.process_index() == 0:
        write_text(path, json.dumps(here, indent=1))


def _check_sizes(recipe: Recipe, devices: int) -> None:
    for stage in recipe.stages:
        if stage.batches.batch_size % (devices * stage.accumulate):
            raise ValueError(
                f"stage {stage.name}: batches of {stage.batches.batch_size} cannot be divided "
                f"among {devices} devices and {stage.accumulate} parts; make batch_size a multiple "
                f"of {devices * stage.accumulate}."
            )


def _check_finite(values: dict[str, float], stage: Stage, done: Progress) -> None:
    if not np.isfinite([values["loss"], values["gradient"]]).all():
        raise FloatingPointError(
            f"stage {stage.name}, step {done.step}: the loss is {values['loss']}, its gradient "
            f"{values['gradient']}; lower the learning rate, or clip the gradient."
        )
