"""What a metric keeps of a reference image: features that know their method, and their files.

Such a metric is two pure functions, `rred_features(reference)` and `rred_distance(features,
distorted)`, and the metric that they make, `rred(reference, distorted)`. The features know the
method's options, so the second function repeats none.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jiqa.files import write_whole

VERSION = "1"  # of the files; a method whose features change their meaning raises it


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Features:
    """What a method keeps of a reference image: a pytree whose leaves are the values.

    Attributes:
        values: Arrays by name, each `[..., C, n]` or as the method's documentation says.
        method: The metric that made them.
        options: Its options, but for the data range, as pairs sorted by name.

    >>> values = {"entropies": jnp.zeros((4, 5, 1), jnp.float32)}
    >>> features = Features.of("rred", {"luma": None}, values)
    >>> features.scalars, features.nbytes
    (20, 80)
    """

    values: dict[str, jax.Array]
    method: str = field(metadata={"static": True})
    options: tuple[tuple[str, Any], ...] = field(metadata={"static": True})

    @classmethod
    def of(
        cls, method: str, options: Mapping[str, Any], values: dict[str, jax.Array]
    ) -> "Features":
        """Features with options given as a mapping; lists become tuples."""
        pairs = ((k, tuple(v) if isinstance(v, list) else v) for k, v in options.items())
        return cls(values, method, tuple(sorted(pairs)))

    @property
    def scalars(self) -> int:
        """How many numbers they are, those of all images of a batch together."""
        return sum(value.size for value in self.values.values())

    @property
    def nbytes(self) -> int:
        """How many bytes the values take as they are."""
        return sum(value.size * value.dtype.itemsize for value in self.values.values())

    def options_of(self, method: str) -> dict[str, Any]:
        """The options, for the distance of a method.

        Args:
            method: Whose features these have to be.

        Returns:
            The options by name.

        Raises:
            ValueError: They are another method's.
        """
        if self.method != method:
            raise ValueError(f"{method}: the features are those of {self.method}.")
        return dict(self.options)


def check_channels(method: str, sent: jax.Array, own: jax.Array, *, axes: int = 2) -> None:
    """Checks that features of two images can be compared.

    Args:
        method: Name of the metric, for the message.
        sent: Features of the reference, `[..., C, n]`.
        own: The same of the distorted image.
        axes: How many of the last axes must be alike; those before may broadcast.

    Raises:
        ValueError: The shapes differ.

    >>> check_channels("redlog", jnp.zeros((3, 6)), jnp.zeros((1, 6)))
    Traceback (most recent call last):
    ValueError: redlog: the features have shape (3, 6), those of the distorted image (1, 6); \
compare images of one size and as many channels.
    """
    if sent.shape[-axes:] != own.shape[-axes:]:
        raise ValueError(
            f"{method}: the features have shape {sent.shape}, those of the distorted image "
            f"{own.shape}; compare images of one size and as many channels."
        )


def save_features(path: str | PathLike[str], features: Features) -> None:
    """Writes features with their method and options as a safetensors file, whole or not at all.

    Args:
        path: The file, which is replaced if there is one.
        features: Concrete features.

    Raises:
        OSError: The file cannot be written.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "reference.safetensors")
    ...     save_features(path, Features.of("rred", {"subband": 4}, {"entropies": jnp.ones(3)}))
    ...     found = load_features(path)
    >>> found.method, found.options, found.values["entropies"].tolist()
    ('rred', (('subband', 4),), [1.0, 1.0, 1.0])
    """
    from safetensors.numpy import save

    values = {name: np.ascontiguousarray(value) for name, value in features.values.items()}
    metadata = {
        "jiqa_features": VERSION,
        "method": features.method,
        "options": json.dumps(dict(features.options)),
    }
    with write_whole(Path(path)) as file:
        file.write(save(values, metadata))


def load_features(path: str | PathLike[str]) -> Features:
    """Reads what `save_features` wrote.

    Args:
        path: The file.

    Returns:
        The features.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no safetensors file, holds no features, or those of another version.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            values = {name: jnp.asarray(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"{path} is no whole safetensors file: {error}") from error
    version = metadata.get("jiqa_features")
    if version != VERSION:
        found = "no features" if version is None else f"features of version {version}"
        raise ValueError(f"{path} holds {found}; make it by save_features of version {VERSION}.")
    return Features.of(metadata["method"], json.loads(metadata["options"]), values)
