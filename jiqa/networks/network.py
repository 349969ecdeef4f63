"""What all networks share: names, parameters apart from code, files.

A network's module holds one Flax NNX module. Its call takes images `[B, H, W, C]` in [0, 1] and
returns a dictionary of results, "score" `[B]` among them. `Model` makes of it what the rest of jiqa
works with: a pytree of arrays and a pure function of them.
"""

import functools
import importlib
import json
import math
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Literal, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from flax.core import FrozenDict

from jiqa.core.arrays import is_concrete
from jiqa.core.registry import unknown_name
from jiqa.files import write_whole
from jiqa.weights.mapped import CHECKSUM, read_with_checksum
from jiqa.weights.trees import fingerprint

Kind = Literal["full_reference", "no_reference"]
Prediction = dict[str, jax.Array]
Tree = Mapping[str, Any]
N = TypeVar("N", bound=type[nnx.Module])
M = TypeVar("M", bound=nnx.Module)

METADATA = "jiqa_network"  # under which a file says what it is

_NETWORKS: dict[str, Any] = {}  # classes of Flax modules


def network(name: str, *, kind: Kind, paper: str) -> Callable[[N], N]:
    """Makes a Flax NNX module a network that is found by its name.

    Args:
        name: The name.
        kind: Whether it is called with `(reference, distorted)` or with `(distorted)`.
        paper: Authors, title, year.

    Returns:
        The decorator. The module's constructor takes `rngs` and options that JSON can hold, by
        keyword; its call takes images `[B, H, W, C]` by position and `rngs=None`, which are given
        in training only, for dropout and the like.
    """

    def decorate(module: N) -> N:
        module.name, module.kind, module.paper = name, kind, paper  # type: ignore[attr-defined]
        _NETWORKS[name] = module
        return module

    return decorate


def list_networks(kind: Kind | None = None) -> list[str]:
    """The names of all networks, sorted.

    Args:
        kind: Only networks of this kind.

    >>> "cnniqa" in list_networks("no_reference")
    True
    """
    _discover()
    return sorted(name for name, module in _NETWORKS.items() if kind in (None, module.kind))


def find_network(name: str) -> Any:
    """The Flax module of a network, a class with its name, kind and paper.

    Raises:
        ValueError: No such network; the message lists the nearest names.

    >>> find_network("cnniqa").kind
    'no_reference'
    """
    _discover()
    if name not in _NETWORKS:
        raise unknown_name("network", name, sorted(_NETWORKS))
    return _NETWORKS[name]


@functools.cache
def _discover() -> None:
    import jiqa.networks

    for module in pkgutil.iter_modules(jiqa.networks.__path__):
        importlib.import_module(f"jiqa.networks.{module.name}")


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Model:
    """A network with its parameters: a pytree that scores images.

    Attributes:
        network: The name of the network.
        options: What its constructor was given.
        higher_is_better: Whether the highest score is the best quality.
        parameters: What is learned, nested dictionaries of arrays.
        statistics: What is measured in training, such as those of batch normalisation.

    >>> model = Model.create("cnniqa")
    >>> model(jnp.zeros((2, 64, 64, 3)))["score"].shape
    (2,)
    """

    network: str = field(metadata={"static": True})
    options: FrozenDict[str, Any] = field(metadata={"static": True})
    higher_is_better: bool = field(metadata={"static": True})
    parameters: Tree
    statistics: Tree

    @classmethod
    def create(
        cls, network: str, *, seed: int = 0, higher_is_better: bool = True, **options: Any
    ) -> "Model":
        """A network with random parameters.

        Args:
            network: One of `list_networks()`.
            seed: Of the parameters.
            higher_is_better: Polarity of what it is to be trained on.
            **options: Of the network's constructor.

        Raises:
            ValueError: No such network.
            TypeError: An option that its constructor does not take.
        """
        frozen = _freeze(options)
        key = jax.random.key(seed)
        initialize = _initializer() if is_concrete(key) else _initialize
        parameters, statistics = initialize(key, network, frozen)
        return cls(network, frozen, higher_is_better, parameters, statistics)

    def __call__(self, *images: jax.Array) -> Prediction:
        """The results for images `[B, H, W, C]` in [0, 1]: `(reference, distorted)`, or alone."""
        return _predict(self, images)

    def score(self, *images: jax.Array, data_range: float = 1.0) -> jax.Array:
        """The scores `[...]` of images `[..., H, W, C]` in [0, data_range]."""
        shape = images[0].shape
        flat = [image.reshape(-1, *shape[-3:]) / data_range for image in images]
        return self(*flat)["score"].reshape(shape[:-3])

    def merge(self) -> nnx.Module:
        """The Flax module with these parameters."""
        graph, _, _ = _blueprint(self.network, self.options)
        return nnx.merge(graph, self.parameters, self.statistics, copy=True)

    @property
    def kind(self) -> Kind:
        """Whether it compares images with a reference."""
        return find_network(self.network).kind

    def save(self, path: str | PathLike[str], facts: Mapping[str, Any] | None = None) -> None:
        """Writes a safetensors file with a checksum, whole or not at all.

        Args:
            path: The file, which is replaced if there is one.
            facts: What else is to be known: data, recipe, results. For JSON.

        Raises:
            OSError: The file cannot be written.
        """
        from safetensors.numpy import save

        trees = {"parameters": self.parameters, "statistics": self.statistics}
        arrays = {name: np.asarray(array, order="C") for name, array in named_arrays(trees).items()}
        about = {
            "network": self.network,
            "options": dict(self.options),
            "higher_is_better": self.higher_is_better,
            "facts": dict(facts or {}),
        }
        metadata = {CHECKSUM: fingerprint(arrays), METADATA: json.dumps(about)}
        with write_whole(Path(path)) as file:
            file.write(save(arrays, metadata))

    @classmethod
    def load(cls, path: str | PathLike[str]) -> "Model":
        """Reads what `save` wrote.

        Raises:
            ValueError: Not such a file, or a damaged one.
            OSError: The file cannot be read.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Model.create("cnniqa").save(Path(folder, "m.safetensors"))
        ...     Model.load(Path(folder, "m.safetensors")).network
        'cnniqa'
        """
        about = read_about(path)
        arrays, recorded = read_with_checksum(path)
        if fingerprint(arrays) != recorded:
            raise ValueError(f"{fspath(path)}: damaged: its arrays are not those that were saved.")
        options = _freeze(about["options"])
        _, parameters, statistics = _blueprint(about["network"], options)
        trees = {"parameters": parameters, "statistics": statistics}
        filled = fill(trees, arrays, fspath(path))
        return cls(about["network"], options, about["higher_is_better"], **filled)


def read_about(path: str | PathLike[str]) -> dict[str, Any]:
    """What a saved model says of itself: network, options, polarity and facts.

    Raises:
        ValueError: Not a saved model.
        OSError: The file cannot be read.
    """
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise FileNotFoundError(f"{fspath(path)}: no such model.")
    try:
        with safe_open(path, "numpy") as file:
            return json.loads((file.metadata() or {})[METADATA])
    except (SafetensorError, KeyError) as error:
        raise ValueError(f"{fspath(path)}: not a network that jiqa saved.") from error


def split(module: nnx.Module) -> tuple[nnx.GraphDef, dict[str, Any], dict[str, Any]]:
    """A Flax module as its structure, its parameters and its statistics, the latter plain trees."""
    graph, *states = nnx.split(module, nnx.Param, ...)
    parameters, statistics = map(nnx.to_pure_dict, states)
    return graph, parameters, statistics


def check_choice(name: str, value: object, known: Iterable[str]) -> None:
    """Raises ValueError where an option is none of those known.

    >>> check_choice("net", "vgg", ["small"])
    Traceback (most recent call last):
    ValueError: net='vgg'; give one of small.
    """
    if value not in (known := tuple(known)):
        raise ValueError(f"{name}={value!r}; give one of {', '.join(known)}.")


def at_rest(module: M) -> M:
    """A copy that hands gradients on to its inputs, and has none of its own."""
    graph, state = nnx.split(module)
    return nnx.merge(graph, jax.lax.stop_gradient(state))


def count_parameters(network: str, **options: Any) -> int:
    """How many numbers a network learns; nothing is computed.

    >>> count_parameters("cnniqa")
    724901
    """
    _, parameters, _ = _blueprint(network, _freeze(options))
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(parameters))


def named_arrays(tree: Tree) -> dict[str, Any]:
    """The leaves of a tree by their path, joined by dots.

    >>> named_arrays({"layers": {0: {"bias": 1}}})
    {'layers.0.bias': 1}
    """
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {".".join(str(key.key) for key in path): leaf for path, leaf in leaves}


def fill(shapes: Tree, arrays: Mapping[str, np.ndarray], source: str) -> dict[str, Any]:
    """A tree with given arrays in place of its leaves.

    Args:
        shapes: The tree, of arrays or of their shapes.
        arrays: By path, joined by dots.
        source: Where they come from, for the message.

    Raises:
        ValueError: Arrays are missing, left over, or of other shapes.

    >>> fill({"layers": {0: np.zeros(2)}}, {"layers.0": np.ones(2)}, "here")
    {'layers': {0: Array([1., 1.], dtype=float64)}}
    """
    wanted = {name: list(leaf.shape) for name, leaf in named_arrays(shapes).items()}
    found = {name: list(array.shape) for name, array in arrays.items()}
    wrong = [name for name in {**wanted, **found} if wanted.get(name) != found.get(name)]
    if wrong:
        few = "; ".join(
            f"{name} is {found.get(name, 'missing')}, not {wanted.get(name, 'wanted')}"
            for name in wrong[:3]
        )
        raise ValueError(f"{source}: {len(wrong)} arrays do not fit the network: {few}.")
    leaves = [jnp.asarray(arrays[name]) for name in wanted]
    return jax.tree.unflatten(jax.tree.structure(shapes), leaves)


@functools.cache
def _blueprint(
    network: str, options: FrozenDict[str, Any]
) -> tuple[nnx.GraphDef, dict[str, Any], dict[str, Any]]:
    """Structure and shapes of a network."""
    build = find_network(network)
    return split(nnx.eval_shape(lambda: build(rngs=nnx.Rngs(0), **options)))


@functools.cache
def _initializer() -> Callable[..., tuple[dict[str, Any], dict[str, Any]]]:
    """Compiles random parameters as one program, on CPUs without optimisation: it runs once."""
    quickly = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
    options = quickly if jax.default_backend() == "cpu" else None
    return jax.jit(_initialize, static_argnames=("network", "options"), compiler_options=options)


def _initialize(
    key: jax.Array, network: str, options: FrozenDict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Parameters and statistics at the start."""
    _, parameters, statistics = split(find_network(network)(rngs=nnx.Rngs(key), **options))
    return parameters, statistics


@jax.jit
def _predict(model: Model, images: tuple[jax.Array, ...]) -> Prediction:
    return model.merge()(*images)


def _freeze(options: Mapping[str, Any]) -> FrozenDict[str, Any]:
    return FrozenDict({k: tuple(v) if isinstance(v, list) else v for k, v in options.items()})
