"""Quality maps as pictures: where an image is bad, in colours that mean the same for all pairs.

Dark is good and bright is bad, whatever the polarity of the metric. The scale of a metric runs from
the value of equal images to a round value that at most one pixel in twenty exceeds.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import jax
import numpy as np
from PIL import Image

from jiqa.core.registry import Metric

# Of all values of a metric's maps, the share in percent that is drawn in the brightest colour.
BEYOND_SCALE = 5.0
ROUND_NUMBERS = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)
NO_VALUE = (128, 128, 128)


@dataclass(frozen=True)
class Scale:
    """Which values of a metric's maps are drawn dark and which bright.

    Attributes:
        good: The value drawn darkest.
        bad: The value drawn brightest, as are those beyond it.
        exceeded: Whether there are values beyond `bad`.
    """

    good: float
    bad: float
    exceeded: bool


@dataclass(frozen=True)
class Place:
    """Where a map lies on its image, in pixels of the image.

    Attributes:
        left: Columns of the image without a value, on either side.
        top: Rows of the image without a value, above and below.
        factor: Pixels of the image that one value covers along each axis.
    """

    left: float
    top: float
    factor: int

    @property
    def note(self) -> str:
        """What a reader must know about it, or nothing.

        >>> Place(left=5.0, top=5.5, factor=2).note
        '5.5 rows and 5 columns at each border have no value; a value covers 2 x 2 pixels'
        """
        border = f"{self.top:g} rows and {self.left:g} columns at each border have no value"
        block = f"a value covers {self.factor} x {self.factor} pixels"
        notes = [border] * bool(self.left or self.top) + [block] * (self.factor > 1)
        return "; ".join(notes)


def quality_map(metric: Metric, images: Sequence[np.ndarray]) -> np.ndarray:
    """The map that a metric pools, of one pair; larger or smaller values are worse as its score.

    A metric whose best score is in the middle of its range gives the distance from it.

    Args:
        metric: A metric with a `map_function`.
        images: Reference and distorted `[H, W, C]`, or the image alone.

    Returns:
        float32 `[H', W']`.

    Raises:
        ValueError: The metric has no map, or rejects the images.

    >>> from jiqa.core.registry import load
    >>> black = np.zeros((2, 3, 1), np.uint8)
    >>> quality_map(load("mae"), [black, black + 9])
    array([[9., 9., 9.],
           [9., 9., 9.]], dtype=float32)
    """
    if metric.map_function is None:
        raise ValueError(f"{metric.name} has no map; only its score can be shown.")
    values = jax.device_get(metric.map_function(*images))
    if metric.higher_is_better is None:
        values = np.abs(values - metric.identical)
    return np.asarray(values, np.float32)


def choose_scale(metric: Metric, maps: Sequence[np.ndarray]) -> Scale:
    """The scale on which all maps of a metric can be compared.

    Args:
        metric: The metric of the maps.
        maps: One or more arrays `[H', W']` of any shapes, from `quality_map`.

    Returns:
        From the value of equal images (or the best one found, where that is infinite) to a round
        value that at most `BEYOND_SCALE` percent of all values exceed, within the metric's range.

    >>> from jiqa.core.registry import load
    >>> choose_scale(load("mae"), [np.linspace(0, 23, 1000).reshape(10, 100)])
    Scale(good=0.0, bad=25.0, exceeded=False)
    """
    values = np.concatenate([each.ravel() for each in maps])
    values = values[np.isfinite(values)]
    if not values.size:
        return Scale(0.0, 1.0, exceeded=False)
    higher = bool(metric.higher_is_better)
    worst, best = (values.min(), values.max()) if higher else (values.max(), values.min())
    good = _best_value(metric, float(best))
    edge = np.percentile(values, BEYOND_SCALE if higher else 100 - BEYOND_SCALE)
    length = _round_up(abs(good - float(edge)))
    bad = good - length if higher else good + length
    if metric.higher_is_better is not None:
        bad = float(np.clip(bad, *metric.score_range))
    if abs(good - worst) <= abs(good - bad):
        return Scale(good, bad, exceeded=False)
    return Scale(good, bad, exceeded=True)


def colorize(values: np.ndarray, scale: Scale) -> np.ndarray:
    """A map in matplotlib's perceptually uniform colours "inferno", from black to light yellow.

    Args:
        values: `[H', W']`.
        scale: From `choose_scale`.

    Returns:
        uint8 `[H', W', 3]`; NaN is grey.

    >>> colorize(np.array([[1.0, 0.0]]), Scale(good=1.0, bad=0.5, exceeded=True)).tolist()
    [[[0, 0, 4], [252, 255, 164]]]
    """
    badness = (values - scale.good) / (scale.bad - scale.good)
    levels = np.nan_to_num(np.clip(badness, 0, 1) * 255).round().astype(np.uint8)
    colors = color_table()[levels]
    colors[np.isnan(values)] = NO_VALUE
    return colors


def color_table() -> np.ndarray:
    """The 256 colours of the maps, uint8 `[256, 3]`, best first."""
    from matplotlib import colormaps

    return (colormaps["inferno"](np.arange(256))[:, :3] * 255).round().astype(np.uint8)


def place_map(map_shape: tuple[int, ...], image_shape: tuple[int, ...]) -> Place:
    """Where a map lies on its image: in the middle, each value on whole pixels.

    A map without its border, as of windows that lie wholly inside, is smaller than the image by
    less than half; one of half the size or less is the map of a reduced image.

    Args:
        map_shape: `(H', W')`.
        image_shape: `(H, W, ...)`.

    Returns:
        The place.

    >>> place_map((502, 390), (512, 400, 3))
    Place(left=5.0, top=5.0, factor=1)
    >>> place_map((246, 190), (512, 400, 3))
    Place(left=10.0, top=10.0, factor=2)
    """
    (rows, columns), (height, width) = map_shape, image_shape[:2]
    factor = max(1, min(height // rows, width // columns))
    return Place((width - columns * factor) / 2, (height - rows * factor) / 2, factor)


def shrink(values: np.ndarray, factor: int) -> np.ndarray:
    """The means of blocks of `factor x factor` values; those of a cut block at the edge too.

    Args:
        values: uint8 `[H, W, 3]` or float32 `[H, W]`.
        factor: At least 1.

    Returns:
        `[ceil(H / factor), ceil(W / factor)]`, with channels where there were some.

    >>> shrink(np.arange(4, dtype=np.float32).reshape(2, 2), 2)
    array([[1.5]], dtype=float32)
    """
    return values if factor == 1 else np.asarray(Image.fromarray(values).reduce(factor))


def _best_value(metric: Metric, best_found: float) -> float:
    """The value drawn darkest."""
    if metric.higher_is_better is None:
        return 0.0
    if metric.identical is not None and math.isfinite(metric.identical):
        return metric.identical
    return best_found


def _round_up(length: float) -> float:
    """The next number of `ROUND_NUMBERS` times a power of ten; 1 for zero.

    >>> [_round_up(0.31), _round_up(0.0)]
    [0.4, 1.0]
    """
    if length == 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(length))
    return next(n for n in ROUND_NUMBERS if n * power >= length * (1 - 1e-9)) * power
