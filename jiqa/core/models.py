"""Fitted parameters of a metric, and the files that hold them.

A model is a frozen dataclass of NumPy arrays, compared by identity, so that it may be a static
argument of a compiled function. Its file is a safetensors file with the arrays under their names.
"""

import dataclasses
import functools
from os import PathLike, fspath
from pathlib import Path
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from jiqa.files import write_whole

M = TypeVar("M")
A = TypeVar("A", np.ndarray, jax.Array)


def save_model(path: str | PathLike[str], model: Any) -> None:
    """Writes a model as a safetensors file, whole or not at all.

    Args:
        path: The file, which is replaced if there is one.
        model: A dataclass of arrays.

    Raises:
        OSError: The file cannot be written.

    >>> import tempfile
    >>> Model = dataclasses.make_dataclass("Model", ["mean"], frozen=True, eq=False)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_model(Path(folder, "m.safetensors"), Model(np.ones(2)))
    ...     print(load_model(Path(folder, "m.safetensors"), Model).mean)
    [1. 1.]
    """
    from safetensors.numpy import save

    names = [field.name for field in dataclasses.fields(model)]
    arrays = {name: np.array(getattr(model, name), order="C") for name in names}
    with write_whole(Path(path)) as file:
        file.write(save(arrays, {"jiqa_model": type(model).__name__}))


def load_model(path: str | PathLike[str], kind: type[M]) -> M:
    """Reads what `save_model` wrote.

    Args:
        path: The file.
        kind: The dataclass of the model.

    Returns:
        The model.

    Raises:
        ValueError: The file is not a model, or a model of another kind, or damaged.
        OSError: The file cannot be read.

    >>> load_model(__file__, SupportVectors)
    Traceback (most recent call last):
    ValueError: ...models.py: not a model of jiqa.
    """
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise FileNotFoundError(f"{fspath(path)}: no such model.")
    try:
        with safe_open(path, "numpy") as file:
            found = (file.metadata() or {}).get("jiqa_model")
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"{fspath(path)}: not a model of jiqa.") from error
    names = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    if found != kind.__name__ or set(arrays) != names:
        raise ValueError(f"{fspath(path)}: a model of kind {found}, not {kind.__name__}.")
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise ValueError(f"{fspath(path)}: damaged; it has values that are not finite.")
    return kind(**arrays)


def find_model(model: Any, kind: type[M], published: dict[str, Path]) -> M:
    """The model that an option of a metric names.

    Args:
        model: A model, the name of one that comes with jiqa, or a file; a file is read once.
        kind: The dataclass of the model.
        published: Files of models by name.

    Returns:
        The model.

    Raises:
        ValueError: As in `load_model`, or neither a name nor a file.
        TypeError: Not a model of this kind, a name or a file.

    >>> find_model("nothing", SupportVectors, {})
    Traceback (most recent call last):
    ValueError: model='nothing' is neither a file nor one of .
    """
    if isinstance(model, kind):
        return model
    if not isinstance(model, str | PathLike):
        raise TypeError(f"model is a {type(model).__name__}; give a {kind.__name__} or its file.")
    path = published.get(str(model), Path(model))
    if not path.is_file():
        raise ValueError(f"model={model!r} is neither a file nor one of {', '.join(published)}.")
    return _load_once(path, kind)  # type: ignore[arg-type]


@functools.cache
def _load_once(path: Path, kind: type[M]) -> M:
    return load_model(path, kind)


def check_finite(name: str, features: np.ndarray, opinions: np.ndarray) -> None:
    """Raises ValueError where what a model is to be fitted to holds NaN or infinite values.

    >>> check_finite("fit_brisque", np.ones((2, 36)), np.array([1.0, np.nan]))
    Traceback (most recent call last):
    ValueError: fit_brisque: features and opinions must be finite.
    """
    if not (np.isfinite(features).all() and np.isfinite(opinions).all()):
        raise ValueError(f"{name}: features and opinions must be finite.")


def feature_range(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The lowest and highest value of each feature; the highest is 1 more where all are equal.

    Args:
        features: `[N, n]`.

    Returns:
        Both `[n]`, for `scale_features`.

    >>> feature_range(np.array([[1.0, 5.0], [3.0, 5.0]]))
    (array([1., 5.]), array([3., 6.]))
    """
    lowest, highest = features.min(0), features.max(0)
    return lowest, np.where(highest > lowest, highest, lowest + 1)


def scale_features(features: A, lowest: A, highest: A) -> A:
    """Features `[..., n]` as svm-scale does it: the lowest value becomes -1, the highest 1.

    >>> scale_features(np.array([1.0, 2.0]), np.zeros(2), np.full(2, 2.0))
    array([0., 1.])
    """
    return 2 * (features - lowest) / (highest - lowest) - 1


@dataclasses.dataclass(frozen=True, eq=False)
class SupportVectors:
    """A regression with radial kernel: `sum(coefficients exp(-gamma |x - vector|^2)) - bias`.

    Attributes:
        vectors: `[count, n]`.
        coefficients: `[count]`.
        bias: A scalar, rho in libsvm's files.
        gamma: A scalar, of which the width of the kernel is the inverse square root.

    >>> model = SupportVectors(np.zeros((1, 2)), np.full(1, 3.0), np.ones(()), np.ones(()))
    >>> print(model.predict(jnp.zeros((4, 2))))
    [2. 2. 2. 2.]
    """

    vectors: np.ndarray
    coefficients: np.ndarray
    bias: np.ndarray
    gamma: np.ndarray

    def predict(self, features: jax.Array) -> jax.Array:
        """The prediction `[...]` from features `[..., n]`."""
        dtype = features.dtype
        differences = features[..., None, :] - jnp.asarray(self.vectors, dtype)
        kernel = jnp.exp(-float(self.gamma) * jnp.sum(differences**2, -1))
        return jnp.sum(kernel * jnp.asarray(self.coefficients, dtype), -1) - float(self.bias)
