"""Mean and covariance of a set's features, and the files that hold them."""

from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from jiqa.distribution.checks import check_features
from jiqa.files import write_whole

KIND = "jiqa_set_statistics"  # under which a file's metadata has the number of images
UNKNOWN = 0  # the count of statistics whose file does not tell it


@dataclass(frozen=True, eq=False)
class Statistics:
    """What a Fréchet distance needs of a set of images.

    Attributes:
        mean: `[D]`, float64.
        covariance: `[D, D]`, float64, symmetric; divided by `count - 1`.
        count: Number of images, or 0 if it is not known.
        features: What the features are, such as "inception_v3:avgpool, clean_fid", or nothing if
            it is not known. Only statistics of the same features can be compared.
    """

    mean: np.ndarray
    covariance: np.ndarray
    count: int
    features: str = ""

    def __post_init__(self) -> None:
        """Checks the arrays.

        Raises:
            ValueError: The shapes are not `[D]` and `[D, D]`, values are not finite, the
                covariance is not symmetric, or the count is negative.

        >>> Statistics(np.zeros(2), np.eye(3), 10)
        Traceback (most recent call last):
        ValueError: statistics: mean (2,) and covariance (3, 3); give [D] and [D, D].
        """
        mean, covariance = (np.asarray(array, np.float64) for array in (self.mean, self.covariance))
        if mean.ndim != 1 or not mean.size or covariance.shape != 2 * mean.shape:
            raise ValueError(
                f"statistics: mean {mean.shape} and covariance {covariance.shape}; give [D] and "
                "[D, D]."
            )
        if not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
            raise ValueError("statistics: the mean or the covariance holds NaN or infinite values.")
        # What is computed in float32 is symmetric to float32's precision.
        if not np.allclose(covariance, covariance.T, rtol=1e-5, atol=1e-5 * abs(covariance).max()):
            raise ValueError("statistics: the covariance is not symmetric.")
        if (count := int(self.count)) < 0:
            raise ValueError(f"statistics: count={count}; give 0 if it is not known.")
        object.__setattr__(self, "mean", mean)
        object.__setattr__(self, "covariance", covariance)
        object.__setattr__(self, "count", count)


def of_features(features: np.ndarray) -> Statistics:
    """The statistics of features that are all in memory.

    Args:
        features: `[N, D]`, at least two images.

    Returns:
        Mean and covariance, computed in float64.

    Raises:
        TypeError: The features are no floats.
        ValueError: Not `[N, D]`, fewer than two images, NaN or infinite values.

    >>> print(of_features(np.array([[1.0, 0.0], [3.0, 0.0]])).mean)
    [2. 0.]
    """
    check_features("statistics", "features", features)
    wide = np.asarray(features, np.float64)
    covariance = np.cov(wide, rowvar=False).reshape(2 * wide.shape[1:])
    return Statistics(wide.mean(0), covariance, len(wide))


def save_statistics(path: str | PathLike[str], statistics: Statistics) -> None:
    """Writes statistics as a safetensors file, whole or not at all.

    Args:
        path: The file, which is replaced if there is one.
        statistics: Mean, covariance and count.

    Raises:
        OSError: The file cannot be written.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "set.safetensors")
    >>> save_statistics(path, Statistics(np.zeros(2), np.eye(2), 10))
    >>> load_statistics(path).count
    10
    """
    from safetensors.numpy import save

    arrays = {"mean": statistics.mean, "covariance": statistics.covariance}
    facts = {KIND: str(statistics.count), "features": statistics.features}
    with write_whole(Path(path)) as file:
        file.write(save(arrays, facts))


def load_statistics(path: str | PathLike[str]) -> Statistics:
    """Reads what `save_statistics` wrote, or the archive of pytorch-fid and of TTUR.

    Args:
        path: A safetensors file, or an `.npz` file with the arrays `mu` and `sigma`.

    Returns:
        The statistics; their count is 0 if the file does not tell it.

    Raises:
        ValueError: Neither, or damaged, or not the statistics of one feature function.
        OSError: The file cannot be read.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "set.npz")
    >>> np.savez(path, mu=np.zeros(2), sigma=np.eye(2))
    >>> load_statistics(path).count
    0
    """
    try:
        return (_read_npz if Path(path).suffix.lower() == ".npz" else _read_safetensors)(path)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{fspath(path)}: there is no such file.") from error
    except ValueError as error:
        raise ValueError(f"{fspath(path)}: {error}") from error


def _read_safetensors(path: str | PathLike[str]) -> Statistics:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "numpy") as file:
            facts = file.metadata() or {}
            mean, covariance = (file.get_tensor(name) for name in ("mean", "covariance"))
            count = int(facts[KIND])
    except (SafetensorError, KeyError) as error:
        raise ValueError("no statistics of jiqa.") from error
    return Statistics(mean, covariance, count, facts.get("features", ""))


def _read_npz(path: str | PathLike[str]) -> Statistics:
    try:
        with np.load(path, allow_pickle=False) as archive:
            mean, covariance = (archive[name] for name in ("mu", "sigma"))
    except (KeyError, ValueError, EOFError, BadZipFile) as error:
        raise ValueError("no archive with the arrays mu and sigma.") from error
    return Statistics(mean, covariance, UNKNOWN)
