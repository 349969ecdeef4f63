"""JPEG 2000 by OpenJPEG, through Pillow."""

import io

import jax
import numpy as np
from jax.typing import ArrayLike
from PIL import Image

from jiqa.datasets.distortions.registry import distortion
from jiqa.datasets.distortions.rounding import on_host

RESOLUTIONS = 8


@distortion(
    "kadid",
    9,
    group="compression",
    parameter="compression ratio",
    levels=(16, 32, 45, 120, 400),
    host_side=True,
)
@distortion(
    "dbcnn",
    4,
    group="compression",
    parameter="compression ratio",
    levels=tuple(24 / bits for bits in (0.46, 0.16, 0.07, 0.04, 0.02)),
    host_side=True,
)
@distortion(
    "tid",
    11,
    group="compression",
    parameter="compression ratio",
    between=(2.0, 5000.0),
    host_side=True,
)
def jpeg2000(image: jax.Array, ratio: ArrayLike) -> jax.Array:
    """JPEG 2000 with the irreversible wavelet, at a ratio of 8-bit samples to bytes."""
    return on_host(_code, image, ratio)


def _code(levels: np.ndarray, ratio: float) -> np.ndarray:
    """The decoded image; as many resolutions as its sides allow, eight at most."""
    file = io.BytesIO()
    Image.fromarray(levels.squeeze(-1) if levels.shape[-1] == 1 else levels).save(
        file,
        "JPEG2000",
        quality_mode="rates",
        quality_layers=[ratio],
        irreversible=True,
        mct=int(levels.shape[-1] == 3),
        num_resolutions=min(RESOLUTIONS, int(np.log2(min(levels.shape[:2]))) + 1),
    )
    return np.asarray(Image.open(file)).reshape(levels.shape)
