"""Writes the checkpoints in data/ with PyTorch and Flax, and what should be read of them.

Run once in an environment of its own, with PyTorch 2.13 and Flax 0.12:
`python make_torch_files.py`.
"""

from collections import OrderedDict
from pathlib import Path

import flax.serialization
import jax.numpy as jnp
import numpy as np
import torch

DATA = Path(__file__).parent / "data"


def main() -> None:
    tensors = all_kinds()
    torch.save(tensors, DATA / "archive.pt")
    torch.save(tensors, DATA / "row.pth", _use_new_zipfile_serialization=False)
    torch.save(tensors, DATA / "row4.pth", pickle_protocol=4, _use_new_zipfile_serialization=False)
    np.savez(DATA / "expected.npz", **{name: as_numpy(t) for name, t in tensors.items()})
    torch.save(training_run(), DATA / "training.pt")
    torch.save(training_run(), DATA / "training_row.pth", _use_new_zipfile_serialization=False)
    tree = {
        "params": {"Conv_0": {"kernel": jnp.arange(6.0).reshape(1, 1, 2, 3), "bias": jnp.ones(3)}},
        "batch_stats": {"mean": jnp.full(2, 1.5, jnp.bfloat16)},
        "step": 7,
    }
    (DATA / "flax.msgpack").write_bytes(flax.serialization.to_bytes(tree))


def all_kinds() -> dict[str, torch.Tensor]:
    """Windows on one storage, all dtypes, and shapes at the edge."""
    numbers = torch.arange(24.0).reshape(2, 3, 4)
    return OrderedDict(
        plain=numbers,
        shared=numbers,
        transposed=numbers.transpose(0, 2),
        window=numbers[1, :, 1:3],
        stepped=numbers[0, ::2, ::3],
        expanded=torch.ones(1, 3).expand(4, 3),
        parameter=torch.nn.Parameter(torch.full((2,), 0.5)),
        half=torch.tensor([0.1, -2.5], dtype=torch.float16),
        bfloat16=torch.tensor([[0.1, -2.5], [1e30, 0.0]], dtype=torch.bfloat16).T,
        double=torch.tensor([0.1], dtype=torch.float64),
        int64=torch.tensor([2**40, -1]),
        int8=torch.tensor([-7], dtype=torch.int8),
        uint8=torch.tensor([200], dtype=torch.uint8),
        bool=torch.tensor([True, False]),
        scalar=torch.tensor(3.5),
        empty=torch.zeros(0, 3),
    )


def as_numpy(tensor: torch.Tensor) -> np.ndarray:
    widened = tensor.float() if tensor.dtype == torch.bfloat16 else tensor
    return widened.detach().numpy()


def training_run() -> dict:
    """A checkpoint as training scripts write it: wrapped, with other things beside it."""
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, (2, 5)), torch.nn.BatchNorm2d(4), torch.nn.Linear(4, 2)
    )
    state = torch.nn.DataParallel(network).state_dict()
    optimizer = torch.optim.Adam(network.parameters()).state_dict()
    return {"epoch": 3, "best": 0.9, "state_dict": state, "optimizer": optimizer, "note": "ours"}


if __name__ == "__main__":
    main()
