"""A trained network as a metric, for all that takes metrics: scoring, benchmarks, maps."""

from os import PathLike
from pathlib import Path
from types import MappingProxyType

import jax

from jiqa.core.registry import Metric, image_function
from jiqa.networks.network import Model, find_network

COLOR = "as the network takes it"


def load_metric(path: str | PathLike[str]) -> Metric:
    """The metric of a saved model, named by its file.

    Args:
        path: What `Model.save` wrote.

    Raises:
        ValueError: Not such a file, or a damaged one.
        OSError: The file cannot be read.
    """
    return as_metric(Model.load(path), Path(path).stem)


def as_metric(model: Model, name: str) -> Metric:
    """A model as a metric of images of any leading axes and data range.

    >>> metric = as_metric(Model.create("cnniqa"), "untrained")
    >>> metric(jax.numpy.zeros((2, 3, 32, 32, 3))).shape
    (2, 3)
    """
    function = score_of_pair if model.kind == "full_reference" else score_of_image
    return Metric(
        name=name,
        kind=model.kind,
        function=function,
        higher_is_better=model.higher_is_better,
        score_range=(-float("inf"), float("inf")),
        identical=None,
        differentiable=True,
        color=COLOR,
        paper=find_network(model.network).paper,
        options=MappingProxyType({}),
        load_parameters=lambda: model,
        parameters=model,
    )


@image_function
def score_of_pair(
    parameters: Model, reference: jax.Array, distorted: jax.Array, *, data_range: float = 1.0
) -> jax.Array:
    """The score that a network gives to distorted images beside their references.

    Args:
        parameters: The network.
        reference: Images `[..., H, W, C]`, C 1 or 3, in [0, data_range].
        distorted: The same shape and dtype.
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).

    Returns:
        `[...]`, on the scale that the network was trained on.
    """
    return parameters.score(reference, distorted, data_range=data_range)


@image_function
def score_of_image(
    parameters: Model, distorted: jax.Array, *, data_range: float = 1.0
) -> jax.Array:
    """The score that a network gives to images alone; arguments as of `score_of_pair`."""
    return parameters.score(distorted, data_range=data_range)
