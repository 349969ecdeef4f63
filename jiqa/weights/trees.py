"""Trees of parameters: their names, their layout, their checksum.

A tree is nested dictionaries of arrays, named by the path of modules that the publisher gave them
and laid out as JAX expects: `tree["features"]["0"]["kernel"]` of `[height, width, in, out]`. Files
hold it flat, with the names joined by dots.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

RENAMED = {"bias": "bias", "b": "bias", "running_mean": "mean", "running_var": "var"}


def to_jax(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Parameters as PyTorch or Chainer name and lay them out, as JAX does.

    The last part of a name decides. "weight" (Chainer's "W") of four dimensions, out, in, height,
    width, becomes "kernel" of height, width, in, out; of two, out and in, "kernel" of in and out;
    of one, "scale". "b" becomes "bias", "running_mean" "mean" and "running_var" "var";
    "num_batches_tracked" is dropped. All else keeps name and layout, so that parameters already in
    this form stay as they are. Floating-point numbers become float32.

    Args:
        arrays: The arrays by name.

    Returns:
        Contiguous arrays by their new names.

    Raises:
        ValueError: Two arrays get one name, or numbers are not finite.

    >>> {name: a.shape for name, a in to_jax({"0.weight": np.ones((64, 3, 11, 11))}).items()}
    {'0.kernel': (11, 11, 3, 64)}
    """
    converted: dict[str, np.ndarray] = {}
    for name, array in arrays.items():
        module, dot, last = name.rpartition(".")
        if last == "num_batches_tracked":
            continue
        new, axes = _layout(last, array.ndim)
        if f"{module}{dot}{new}" in converted:
            raise ValueError(f"two arrays would be {module}{dot}{new}; one of them is {name}.")
        if array.dtype.kind == "f":
            array = array.astype(np.float32, copy=False)
            if not np.isfinite(array).all():
                raise ValueError(f"{name} has values that are not finite in float32.")
        converted[f"{module}{dot}{new}"] = np.asarray(array.transpose(axes), order="C")
    return converted


def _layout(last: str, dimensions: int) -> tuple[str, tuple[int, ...]]:
    """The new name of an array, and the order of its axes."""
    same = tuple(range(dimensions))
    if last not in ("weight", "W"):
        return RENAMED.get(last, last), same
    known = {4: ("kernel", (2, 3, 1, 0)), 2: ("kernel", (1, 0)), 1: ("scale", (0,))}
    return known.get(dimensions, (last, same))


def nest(arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """The nested tree of arrays whose names are joined by dots.

    >>> nest({"features.0.bias": 1, "features.3.bias": 2})
    {'features': {'0': {'bias': 1}, '3': {'bias': 2}}}
    """
    tree: dict[str, Any] = {}
    for name, array in arrays.items():
        *path, last = name.split(".")
        node = tree
        for part in path:
            node = node.setdefault(part, {})
            if not isinstance(node, dict):
                raise ValueError(f"{name} lies below another array.")
        if last in node:
            raise ValueError(f"{name} is both an array and above one.")
        node[last] = array
    return tree


def flatten(tree: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The arrays of a nested tree by their names, joined by dots: what `nest` took.

    >>> flatten({"features": {"0": {"bias": np.zeros(2)}}})
    {'features.0.bias': array([0., 0.])}
    """
    arrays: dict[str, np.ndarray] = {}
    for name, value in tree.items():
        if isinstance(value, Mapping):
            arrays |= {f"{name}.{below}": array for below, array in flatten(value).items()}
        else:
            arrays[name] = np.asarray(value)
    return arrays


def fingerprint(arrays: Mapping[str, np.ndarray]) -> str:
    """The SHA-256 of arrays, whatever file they are in.

    It is that of `<name> <dtype> <shape>`, a line feed and the bytes in C order, one array after
    the other in the order of the names.

    >>> fingerprint({"a": np.zeros(2, np.float32)})[:8]
    '...'
    """
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.asarray(arrays[name], order="C")
        shape = ",".join(map(str, array.shape))
        digest.update(f"{name} {array.dtype.newbyteorder('<').str} {shape}\n".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def check_shapes(
    arrays: Mapping[str, np.ndarray], expected: Mapping[str, Iterable[int]], what: str
) -> None:
    """Raises ValueError, with a list of the differences, unless names and shapes are as expected.

    >>> check_shapes({"a": np.ones(2)}, {"a": [3], "b": [1]}, "line")
    Traceback (most recent call last):
    ValueError: these are not the parameters of line: missing: b; a is [2], not [3].
    """
    differences = []
    for label, names in (
        ("missing", expected.keys() - arrays.keys()),
        ("unexpected", arrays.keys() - expected.keys()),
    ):
        if names:
            differences.append(f"{label}: {_few(sorted(names))}")
    unlike = [
        f"{name} is {list(arrays[name].shape)}, not {list(shape)}"
        for name, shape in expected.items()
        if name in arrays and arrays[name].shape != tuple(shape)
    ]
    if unlike:
        differences.append(_few(unlike))
    if differences:
        raise ValueError(f"these are not the parameters of {what}: {'; '.join(differences)}.")


def _few(words: list[str]) -> str:
    rest = f" and {len(words) - 8} more" if len(words) > 8 else ""
    return ", ".join(words[:8]) + rest
