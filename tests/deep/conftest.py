"""Pretrained parameters from the shared data."""

import importlib.util
import io
import pickle
import sys
import types
from collections import OrderedDict

import numpy as np
import pytest

FOLDED = {"alexnet": (0, 3, 6, 8, 10), "vgg16": (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)}


@pytest.fixture(scope="session")
def pretrained(shared_data, tmp_path_factory):
    """Lets `jiqa.weights` find VGG16, which does not come with the package, in the shared data."""
    weights = shared_data / "data" / "weights"
    with pytest.MonkeyPatch.context() as patch:
        if importlib.util.find_spec("jiqa.weights") is None:
            module = types.ModuleType("jiqa.weights")
            module.load = lambda name: read(name, weights)
            patch.setitem(sys.modules, "jiqa.weights", module)
        else:
            folder = tmp_path_factory.mktemp("weights")
            (folder / "vgg16.npz").symlink_to((weights / "lpips/lpips_vgg16.npz").resolve())
            patch.setenv("JIQA_WEIGHTS", str(folder))
            patch.setenv("JIQA_OFFLINE", "1")
        yield


def read(name, weights):
    """Parameters as jiqa.weights gives them, where that is missing."""
    if name == "lpips_heads":
        return {
            f"v0_{minor}": {
                net: read_heads(weights / f"lpips/v0.{minor}/{net}.pth")
                for net in ("alex", "vgg", "squeeze")
            }
            for minor in (0, 1)
        }
    if name == "dists":
        file = np.load(weights.parents[1] / "goldens/deep_random/dists_alpha_beta_real.npz")
        return {key: file[key].ravel() for key in ("alpha", "beta")}
    if name not in FOLDED:
        raise FileNotFoundError(f"{name} is not on this machine.")
    file = np.load(weights / f"lpips/lpips_{name}.npz")
    title = {"alexnet": "AlexNet_0", "vgg16": "VGG16_0"}[name]
    return {
        "features": {
            str(place): {key: file[f"{title}/Conv_{i}/{key}"] for key in ("kernel", "bias")}
            for i, place in enumerate(FOLDED[name])
        }
    }


def read_heads(path):
    """The vectors in one of the authors' files of heads, by number."""

    class Reader(pickle.Unpickler):
        def find_class(self, module, name):
            if name.startswith("_rebuild_tensor"):
                return lambda *given: given[0]
            return {"OrderedDict": OrderedDict}.get(name, f"{module}.{name}")

        def persistent_load(self, storage):
            return storage[2]  # its key

    file = io.BytesIO(path.read_bytes())
    _, _, _, tensors, keys = (Reader(file).load() for _ in range(5))
    storages = {}
    for key in keys:
        length = int.from_bytes(file.read(8), "little")
        storages[key] = np.frombuffer(file.read(4 * length), np.float32)
    return {name.split(".")[0].removeprefix("lin"): storages[key] for name, key in tensors.items()}
