"""Two small networks that come with jiqa: quality beside a reference, and alone.

Both are described in `jiqa.networks.convolutional`; docs/models.md says what they were trained on,
how, and how well they agree with people. Nobody was asked for the scores they learned from: these
are mean ranks by six full-reference metrics.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import jax

from jiqa.core.registry import metric

if TYPE_CHECKING:
    from jiqa.networks import Model

PAPER = "jiqa's own, see docs/models.md"
DATA = Path(__file__).parent / "data"
INFINITY = float("inf")


def load_full_reference() -> "Model":
    """The network of `jiqa_fr`; it needs Flax."""
    return _load("jiqa_fr")


def load_no_reference() -> "Model":
    """The network of `jiqa_nr`; it needs Flax."""
    return _load("jiqa_nr")


@metric(
    kind="full_reference",
    higher_is_better=True,
    score_range=(0, 1),
    identical=1,
    paper=PAPER,
    color="RGB; grey as three equal channels",
    parameters=load_full_reference,
)
def jiqa_fr(
    parameters: "Model", reference: jax.Array, distorted: jax.Array, *, data_range: float = 1.0
) -> jax.Array:
    """Quality by a small network that saw what six metrics say of distorted photographs.

    Args:
        parameters: `jiqa.load("jiqa_fr").parameters`.
        reference: Images `[..., H, W, C]`, C 1 or 3, in [0, data_range], at least 32 x 32 pixels.
        distorted: The same shape and dtype.
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).

    Returns:
        `[...]`, 1 for equal images, less for all others.

    Raises:
        ValueError: Images are too small.

    >>> import jiqa
    >>> image = jax.numpy.ones((32, 32, 3))
    >>> float(jiqa.load("jiqa_fr")(image, image))
    1.0
    """
    return parameters.score(reference, distorted, data_range=data_range)


@metric(
    kind="no_reference",
    higher_is_better=True,
    score_range=(-INFINITY, INFINITY),
    identical=None,
    paper=PAPER,
    color="RGB; grey as three equal channels",
    parameters=load_no_reference,
)
def jiqa_nr(parameters: "Model", distorted: jax.Array, *, data_range: float = 1.0) -> jax.Array:
    """Quality without a reference by a small network that saw distorted photographs.

    Args:
        parameters: `jiqa.load("jiqa_nr").parameters`.
        distorted: Images `[..., H, W, C]`, C 1 or 3, in [0, data_range], at least 32 x 32 pixels.
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).

    Returns:
        `[...]`, about 0 for the worst and 1 for the best.

    Raises:
        ValueError: Images are too small.

    >>> import jiqa
    >>> jiqa.load("jiqa_nr")(jax.numpy.ones((2, 32, 32, 3))).shape
    (2,)
    """
    return parameters.score(distorted, data_range=data_range)


def _load(name: str) -> "Model":
    from jiqa.networks import Model

    return Model.load(DATA / f"{name}.safetensors")
