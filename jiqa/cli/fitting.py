"""The commands `jiqa fit-niqe` and `jiqa fit-brisque`."""

from pathlib import Path
from typing import Annotated

import tyro

import jiqa
from jiqa.cli.terminal import track


def fit_niqe(
    photographs: Annotated[Path, tyro.conf.Positional],
    *,
    output: Path,
    block_size: int = 96,
    sharpness: float = 0.75,
) -> int:
    """Fit a model of pristine photographs, for niqe:model=FILE.

    Args:
        photographs: A folder of photographs without visible distortion, of any sizes.
        output: The model to write, such as ours.safetensors.
        block_size: Side of a block in pixels.
        sharpness: Blocks count that are sharper than this share of their photograph's sharpest.
    """
    from jiqa.core.models import save_model
    from jiqa.images import read_image
    from jiqa.pairs import find_images

    paths = track("measuring", find_images(photographs))
    images = (read_image(path) for path in paths)
    model = jiqa.fit_niqe(images, block_size=block_size, sharpness=sharpness)
    save_model(output, model)
    print(f"The model is {output}: jiqa score IMAGES --metrics niqe:model={output}")
    return 0


def fit_brisque(table: Annotated[Path, tyro.conf.Positional], *, output: Path) -> int:
    """Fit the regression of BRISQUE to opinions, for brisque:model=FILE.

    Args:
        table: A CSV file with the columns image, a path as seen from the table, and score.
        output: The model to write, such as ours.safetensors.
    """
    import numpy as np
    import pandas as pd

    from jiqa.core.models import save_model
    from jiqa.images import read_image

    rated = pd.read_csv(table)
    if missing := {"image", "score"} - set(rated.columns):
        raise ValueError(f"{table}: no column {', '.join(sorted(missing))}.")
    paths = track("measuring", [table.parent / name for name in rated["image"]])
    features = [np.asarray(jiqa.brisque_features(read_image(path)))[0] for path in paths]
    save_model(output, jiqa.fit_brisque(np.stack(features), rated["score"].to_numpy()))
    print(f"The model is {output}: jiqa score IMAGES --metrics brisque:model={output}")
    return 0
