"""Inception V3 as the Inception score, FID and KID take it.

Szegedy, Vanhoucke, Ioffe, Shlens and Wojna, "Rethinking the Inception architecture for computer
vision", CVPR 2016, in the form of TensorFlow's frozen graph of 2015-12-05, with the names of its
conversion to PyTorch in pytorch-fid. It differs from torchvision's form: averages do not count what
is beyond the border, the last block takes a maximum where the others take an average, and there
are 1008 classes, of which some stand for nothing.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jiqa.deep.backbones.backbone import (
    Backbone,
    Taps,
    Tree,
    fully_connected_shapes,
    normalization_shapes,
)
from jiqa.deep.backbones.layers import (
    batch_normalization,
    convolution,
    fully_connected,
    global_average,
    max_pool,
    relu,
)

CLASSES = 1008
SIDE = 299


class Unit(NamedTuple):
    """A convolution, batch normalisation and rectifier."""

    name: str
    outputs: int
    rows: int = 1
    columns: int = 1
    stride: int = 1
    same: bool = True  # whether zeros keep the size


Branch = tuple[Unit | str | tuple[Unit, Unit], ...]  # units, poolings, two units side by side
Block = tuple[Branch, ...]

STEM: tuple[Unit | str, ...] = (
    Unit("Conv2d_1a_3x3", 32, 3, 3, 2, False),
    Unit("Conv2d_2a_3x3", 32, 3, 3, same=False),
    Unit("Conv2d_2b_3x3", 64, 3, 3),
    "maxpool1",
    Unit("Conv2d_3b_1x1", 80),
    Unit("Conv2d_4a_3x3", 192, 3, 3, same=False),
    "maxpool2",
)


def block_5(pooled: int) -> Block:
    """Figure 5 of the paper, with 5 x 5 kernels left."""
    return (
        (Unit("branch1x1", 64),),
        (Unit("branch5x5_1", 48), Unit("branch5x5_2", 64, 5, 5)),
        (
            Unit("branch3x3dbl_1", 64),
            Unit("branch3x3dbl_2", 96, 3, 3),
            Unit("branch3x3dbl_3", 96, 3, 3),
        ),
        ("average", Unit("branch_pool", pooled)),
    )


def block_6(width: int) -> Block:
    """Figure 6: kernels of 7 x 7 in rows and columns."""
    return (
        (Unit("branch1x1", 192),),
        (
            Unit("branch7x7_1", width),
            Unit("branch7x7_2", width, 1, 7),
            Unit("branch7x7_3", 192, 7, 1),
        ),
        (
            Unit("branch7x7dbl_1", width),
            Unit("branch7x7dbl_2", width, 7, 1),
            Unit("branch7x7dbl_3", width, 1, 7),
            Unit("branch7x7dbl_4", width, 7, 1),
            Unit("branch7x7dbl_5", 192, 1, 7),
        ),
        ("average", Unit("branch_pool", 192)),
    )


def block_7(pooling: str) -> Block:
    """Figure 7: kernels of 3 x 3 as a row beside a column."""
    return (
        (Unit("branch1x1", 320),),
        (
            Unit("branch3x3_1", 384),
            (Unit("branch3x3_2a", 384, 1, 3), Unit("branch3x3_2b", 384, 3, 1)),
        ),
        (
            Unit("branch3x3dbl_1", 448),
            Unit("branch3x3dbl_2", 384, 3, 3),
            (Unit("branch3x3dbl_3a", 384, 1, 3), Unit("branch3x3dbl_3b", 384, 3, 1)),
        ),
        (pooling, Unit("branch_pool", 192)),
    )


BLOCKS: dict[str, Block] = {
    "Mixed_5b": block_5(32),
    "Mixed_5c": block_5(64),
    "Mixed_5d": block_5(64),
    "Mixed_6a": (
        (Unit("branch3x3", 384, 3, 3, 2, False),),
        (
            Unit("branch3x3dbl_1", 64),
            Unit("branch3x3dbl_2", 96, 3, 3),
            Unit("branch3x3dbl_3", 96, 3, 3, 2, False),
        ),
        ("halve",),
    ),
    "Mixed_6b": block_6(128),
    "Mixed_6c": block_6(160),
    "Mixed_6d": block_6(160),
    "Mixed_6e": block_6(192),
    "Mixed_7a": (
        (Unit("branch3x3_1", 192), Unit("branch3x3_2", 320, 3, 3, 2, False)),
        (
            Unit("branch7x7x3_1", 192),
            Unit("branch7x7x3_2", 192, 1, 7),
            Unit("branch7x7x3_3", 192, 7, 1),
            Unit("branch7x7x3_4", 192, 3, 3, 2, False),
        ),
        ("halve",),
    ),
    "Mixed_7b": block_7("average"),
    "Mixed_7c": block_7("maximum"),
}


def layers(parameters: Tree, x: jax.Array) -> Taps:
    """Features: the parts of the stem, the blocks, avgpool, and logits without and with bias."""
    for part in STEM:
        if isinstance(part, Unit):
            x = _unit(parameters, x, part)
            yield part.name, x
        else:
            x = max_pool(x, size=3, stride=2)
            yield part, x
    for name, block in BLOCKS.items():
        x = jnp.concatenate([_branch(parameters[name], x, branch) for branch in block], -1)
        yield name, x
    x = global_average(x)
    yield "avgpool", x
    layer = parameters["fc"]
    yield "logits_unbiased", fully_connected(x, {**layer, "bias": jnp.zeros_like(layer["bias"])})
    yield "logits", fully_connected(x, layer)


def _branch(parameters: Tree, x: jax.Array, branch: Branch) -> jax.Array:
    for part in branch:
        if isinstance(part, Unit):
            x = _unit(parameters, x, part)
        elif isinstance(part, tuple):
            x = jnp.concatenate([_unit(parameters, x, unit) for unit in part], -1)
        else:
            x = POOLINGS[part](x)
    return x


def _unit(parameters: Tree, x: jax.Array, unit: Unit) -> jax.Array:
    layer = parameters[unit.name]
    rows, columns = (size // 2 if unit.same else 0 for size in (unit.rows, unit.columns))
    padding = (rows, rows), (columns, columns)
    x = convolution(x, layer["conv"], stride=unit.stride, padding=padding)
    return relu(batch_normalization(x, layer["bn"], epsilon=1e-3))


def average_within(x: jax.Array) -> jax.Array:
    """Means of 3 x 3 neighbours; at the border of those that there are.

    Args:
        x: `[N, H, W, C]`.

    Returns:
        The same shape.

    >>> print(average_within(jnp.arange(3.0).reshape(1, 1, 3, 1)).ravel())
    [0.5 1.  1.5]
    """
    rows, columns = (_neighbors(length) for length in x.shape[1:3])
    sums = jax.lax.reduce_window(
        x,
        np.zeros((), x.dtype),
        jax.lax.add,
        window_dimensions=(1, 3, 3, 1),
        window_strides=(1, 1, 1, 1),
        padding=((0, 0), (1, 1), (1, 1), (0, 0)),
    )
    return sums / jnp.asarray((rows[:, None] * columns)[..., None], x.dtype)


def _neighbors(length: int) -> np.ndarray:
    """How many of three neighbours there are at each place of an axis."""
    place = np.arange(length)
    return np.minimum(place + 1, length - 1) - np.maximum(place - 1, 0) + 1


POOLINGS = {
    "average": average_within,
    "maximum": lambda x: max_pool(x, size=3, stride=1, padding=1),
    "halve": lambda x: max_pool(x, size=3, stride=2),
}


def shapes() -> Tree:
    """Shapes of the parameters."""
    inputs = 3
    tree: dict[str, Tree] = {}
    for part in STEM:
        if isinstance(part, Unit):
            tree[part.name] = _unit_shapes(part, inputs)
            inputs = part.outputs
    for name, block in BLOCKS.items():
        branches = [_branch_shapes(branch, inputs) for branch in block]
        tree[name] = {key: value for branch, _ in branches for key, value in branch.items()}
        inputs = sum(outputs for _, outputs in branches)
    return {**tree, "fc": fully_connected_shapes(inputs, CLASSES)}


def _branch_shapes(branch: Branch, inputs: int) -> tuple[dict[str, Tree], int]:
    """Shapes of the parameters of a branch, and how many channels it gives."""
    tree: dict[str, Tree] = {}
    for part in branch:
        if isinstance(part, str):
            continue
        units = (part,) if isinstance(part, Unit) else part
        tree |= {unit.name: _unit_shapes(unit, inputs) for unit in units}
        inputs = sum(unit.outputs for unit in units)
    return tree, inputs


def _unit_shapes(unit: Unit, inputs: int) -> Tree:
    kernel = {"kernel": (unit.rows, unit.columns, inputs, unit.outputs)}
    return {"conv": kernel, "bn": normalization_shapes(unit.outputs)}


def normalize(images: jax.Array) -> jax.Array:
    """Pixels from [0, 255] to about [-1, 1] as in TensorFlow's graph.

    Args:
        images: `[..., H, W, 3]` in [0, 1].

    Returns:
        The same shape, `(255 x - 128) / 128`.

    >>> print(normalize(jnp.array([0.0, 1.0])))
    [-1.         0.9921875]
    """
    return (255 * images - 128) / 128


inception_v3_fid = Backbone("inception_v3_fid", layers, shapes(), normalize, SIDE)
