"""What a config describes: a network, and the stages in which it is trained."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import jax
import optax
from flax import nnx

from jiqa.datasets.pipelines import Batches
from jiqa.networks import Model

Logs = Mapping[str, jax.Array]
Loss = Callable[[Any, Mapping[str, jax.Array], nnx.Rngs], tuple[jax.Array, Logs]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Stage:
    """Steps with one loss, one stream of batches and one optimiser.

    Attributes:
        name: In logs.
        loss: Takes the network (a Flax module), a batch and `rngs` for what is random; gives the
            loss, a mean over the batch, and further means to log.
        batches: A stream of `jiqa.datasets.pipelines`, of the batch size of all devices together.
        optimizer: Of Optax.
        steps: How many.
        accumulate: In how many parts a batch is computed one after the other, to save memory; the
            gradient is the mean of theirs.
    """

    name: str
    loss: Loss
    batches: Batches
    optimizer: optax.GradientTransformation
    steps: int
    accumulate: int = 1

    def __post_init__(self) -> None:
        """Checks numbers."""
        if self.steps < 1 or self.accumulate < 1:
            raise ValueError(
                f"stage {self.name}: steps={self.steps}, accumulate={self.accumulate}; "
                "both must be at least 1."
            )


@dataclass(frozen=True, kw_only=True, eq=False)
class Recipe:
    """How a network is trained.

    Attributes:
        network: One of `jiqa.networks.list_networks()`.
        options: Of the network.
        stages: One after the other, each beginning with the parameters of the one before.
        validation: Items by which the best parameters of the last stage are chosen, by SROCC; if
            there are none, the last parameters are taken.
        higher_is_better: Polarity of the scores in batches, which a scale makes 1 for the best.
        initial: Parameters to begin with; None are random ones.
        evaluate_every: Steps between validations, which the last stage ends with too; None is a
            twentieth of it.
        patience: Validations without improvement after which the last stage ends; None never.
        average: Decay of a running average of the parameters, which is then validated and kept in
            their place, such as 0.999; None for no average.
        precision: "bfloat16" computes network and loss in it; parameters stay in float32.
        seed: Of parameters and of what is random in training.
    """

    network: str
    stages: Sequence[Stage]
    options: Mapping[str, Any] = field(default_factory=dict)
    validation: Sequence[dict[str, Any]] = ()
    higher_is_better: bool = True
    initial: Model | None = None
    evaluate_every: int | None = None
    patience: int | None = None
    average: float | None = None
    precision: Literal["float32", "bfloat16"] = "float32"
    seed: int = 0

    def __post_init__(self) -> None:
        """Checks what would show only after hours."""
        if not self.stages:
            raise ValueError("a recipe needs a stage.")
        if self.precision not in ("float32", "bfloat16"):
            raise ValueError(f"precision={self.precision!r}; give 'float32' or 'bfloat16'.")
        if self.average is not None and not 0 < self.average < 1:
            raise ValueError(f"average={self.average}; give a decay between 0 and 1.")
        if self.evaluate_every is not None and self.evaluate_every < 1:
            raise ValueError(f"evaluate_every={self.evaluate_every}; give at least 1.")

    @property
    def steps(self) -> int:
        """Of all stages."""
        return sum(stage.steps for stage in self.stages)

    @property
    def interval(self) -> int:
        """Steps between validations."""
        return self.evaluate_every or max(1, self.stages[-1].steps // 20)

    def begin(self) -> Model:
        """The model before the first step."""
        if self.initial is not None:
            return self.initial
        return Model.create(
            self.network,
            seed=self.seed,
            higher_is_better=self.higher_is_better,
            **dict(self.options),
        )
