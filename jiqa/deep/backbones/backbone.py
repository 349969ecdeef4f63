"""What all backbones share: taps by name, parameters by shape, normalisation of the input.

A network's file holds a table of its layers and a generator that walks through them and yields each
result by its name. Whoever wants features names them, and nothing beyond the last is computed.
"""

import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

Tree = Mapping[str, Any]
Taps = Iterator[tuple[str, jax.Array]]

# Of the pixels of ImageNet in [0, 1], in single precision, as torchvision's networks got them.
IMAGENET_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
IMAGENET_DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)
# Blue, green and red, of 0 to 255.
CAFFE_MEAN = np.array([104, 117, 123], np.float32)

STATISTICS = ("mean", "var")  # measured in training, not learned


@dataclass(frozen=True, eq=False)
class Backbone:
    """A published network: a pure function of its parameters and of normalised images.

    Attributes:
        name: Under which `jiqa.weights` has its parameters.
        layers: Yields names and results, one layer after the other.
        shapes: The shapes of the parameters, a tree named by the modules of the published
            checkpoint.
        normalize: Brings RGB images in [0, 1] to what the network was trained on.
        side: Height and width of the images it was trained on.
    """

    name: str
    layers: Callable[..., Taps]
    shapes: Tree
    normalize: Callable[[jax.Array], jax.Array]
    side: int = 224

    def __call__(
        self, parameters: Tree, images: jax.Array, taps: Sequence[str], **options: Any
    ) -> dict[str, jax.Array]:
        """Features of images.

        Args:
            parameters: A tree as `jiqa.weights.load` or `initialize` gives it. What the taps do not
                need may be missing.
            images: `[..., H, W, 3]`, normalised; in their dtype everything is computed.
            taps: Names of features, of `names`.
            **options: Options of the network, static.

        Returns:
            By name, maps `[..., h, w, c]` or, of the last layers, vectors `[..., n]`.

        Raises:
            ValueError: An unknown tap, parameters that lack a layer, or images too small.
        """
        batch = images.shape[:-3]
        flat = images.reshape(math.prod(batch), *images.shape[-3:])
        try:
            found = self._collect(parameters, flat, tuple(taps), tuple(options.items()))
        except KeyError as error:
            self._check_names(taps)
            raise ValueError(
                f"{self.name}: the parameters lack {error}, which {', '.join(taps)} need."
            ) from error
        return {tap: x.reshape(*batch, *x.shape[1:]) for tap, x in found.items()}

    @functools.partial(jax.jit, static_argnums=(0, 3, 4))
    def _collect(
        self,
        parameters: Tree,
        images: jax.Array,
        taps: tuple[str, ...],
        options: tuple[tuple[str, Any], ...],
    ) -> dict[str, jax.Array]:
        found: dict[str, jax.Array] = {}
        for name, x in self.layers(parameters, images, **dict(options)):
            if 0 in x.shape[1:]:
                height, width = images.shape[1:3]
                raise ValueError(
                    f"{self.name}: images of {height} x {width} are too small: nothing is left at "
                    f"{name}."
                )
            if name in taps:
                found[name] = x
            if len(found) == len(set(taps)):
                return found
        self._check_names(taps)
        raise AssertionError("every name is yielded")

    def _check_names(self, taps: Sequence[str]) -> None:
        if unknown := [tap for tap in taps if tap not in self.names]:
            known = ", ".join(self.names)
            raise ValueError(f"{self.name} has no {', '.join(unknown)}; its features are {known}.")

    @functools.cached_property
    def names(self) -> tuple[str, ...]:
        """The names of all features, in the order in which they are computed."""
        images = jax.ShapeDtypeStruct((1, self.side, self.side, 3), jnp.float32)
        names: list[str] = []

        def run(parameters: Tree, images: jax.Array) -> None:
            names.extend(name for name, _ in self.layers(parameters, images))

        jax.eval_shape(run, jax.tree.map(_struct, self.shapes, is_leaf=_is_shape), images)
        return tuple(names)

    @property
    def parameter_count(self) -> int:
        """How many numbers are learned; statistics of batch normalisations are not."""
        leaves = jax.tree_util.tree_leaves_with_path(self.shapes, is_leaf=_is_shape)
        return sum(math.prod(shape) for path, shape in leaves if path[-1].key not in STATISTICS)

    def initialize(
        self, rng: np.random.Generator, parts: Sequence[str] | None = None
    ) -> dict[str, Any]:
        """Random parameters: kernels by He et al. (ICCV 2015), the same for the same generator.

        Args:
            rng: A generator of NumPy.
            parts: Which modules at the top of the tree to fill, such as "features"; None for all.

        Returns:
            A tree of float32 arrays.
        """
        shapes = {part: self.shapes[part] for part in parts or self.shapes}
        return jax.tree_util.tree_map_with_path(
            lambda path, shape: _draw(path[-1].key, shape, rng), shapes, is_leaf=_is_shape
        )


def _draw(kind: str, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    if kind == "kernel":
        deviation = np.float32(math.sqrt(2 / math.prod(shape[:-1])))
        return deviation * rng.standard_normal(shape, np.float32)
    return np.full(shape, 1.0 if kind in ("scale", "var") else 0.0, np.float32)


def _is_shape(tree: Any) -> bool:
    return isinstance(tree, tuple)


def _struct(shape: tuple[int, ...]) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, jnp.float32)


def convolution_shapes(
    size: int, inputs: int, outputs: int, *, bias: bool = True
) -> dict[str, tuple[int, ...]]:
    """Shapes of a convolution; `inputs` are the channels of one group.

    >>> convolution_shapes(3, 64, 128)
    {'kernel': (3, 3, 64, 128), 'bias': (128,)}
    """
    shapes: dict[str, tuple[int, ...]] = {"kernel": (size, size, inputs, outputs)}
    return {**shapes, "bias": (outputs,)} if bias else shapes


def normalization_shapes(channels: int) -> dict[str, tuple[int, ...]]:
    """Shapes of a batch normalisation.

    >>> normalization_shapes(8)["var"]
    (8,)
    """
    return dict.fromkeys(("scale", "bias", *STATISTICS), (channels,))


def fully_connected_shapes(inputs: int, outputs: int) -> dict[str, tuple[int, ...]]:
    """Shapes of a fully connected layer.

    >>> fully_connected_shapes(8, 2)
    {'kernel': (8, 2), 'bias': (2,)}
    """
    return {"kernel": (inputs, outputs), "bias": (outputs,)}


def imagenet_normalize(images: jax.Array) -> jax.Array:
    """Mean 0 and deviation 1 over ImageNet, as torchvision's networks take RGB images.

    Args:
        images: `[..., H, W, 3]` in [0, 1].

    Returns:
        The same shape.

    >>> print(imagenet_normalize(jnp.asarray(IMAGENET_MEAN)))
    [0. 0. 0.]
    """
    mean, deviation = (jnp.asarray(x, images.dtype) for x in (IMAGENET_MEAN, IMAGENET_DEVIATION))
    return (images - mean) / deviation


def caffe_normalize(images: jax.Array) -> jax.Array:
    """Blue, green, red less their means, as Caffe's networks take images.

    Args:
        images: RGB, `[..., H, W, 3]` in [0, 1].

    Returns:
        The same shape, about -120 to 150.

    >>> print(caffe_normalize(jnp.array([1.0, 0.0, 0.0])))
    [-104. -117.  132.]
    """
    return 255 * images[..., ::-1] - jnp.asarray(CAFFE_MEAN, images.dtype)
