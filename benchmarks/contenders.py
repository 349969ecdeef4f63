"""The implementations that `ssim.py` compares, and the process in which one of them runs.

    python -P benchmarks/contenders.py

reads requests from standard input, one JSON object a line, and answers each with one: `{"start":
{"name": "kornia"}}` imports a package; `{"prepare": {...}}` loads images, compiles and gives value
and gradient of a case; `{"turn": {}}` times it; `{"weigh": {...}}` measures a case's memory. It
imports nothing else of this repository, for peers live in an environment of their own. Every peer
is called as its documentation says: eagerly, unless it compiles itself.
"""

import contextlib
import gc
import importlib
import inspect
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from typing import Any

import numpy as np

Call = Callable[[], Any]
TURN_SECONDS, TURN_CALLS = 0.1, 7  # a turn is a median over at most these

# What the public packages call the same computation: 11 x 11 Gaussian of deviation 1.5, only where
# the whole window is inside the image, channels averaged, K1 = 0.01, K2 = 0.03, a range of 1.
NOTES = {
    ("dm-pix", "ssim"): "clips variances at 0",
    ("frame-analytics", "ms_ssim"): "drops the last row and column of odd sizes",
    ("frame-analytics", "gmsd"): "no border; deviation over N; unrounded grey",
    ("kornia", "ssim"): "1e-12 added to the denominator; padding='valid'",
    ("piq", "ssim"): "downsample=False, its default is to shrink first",
    ("piq", "ms_ssim"): "repeats the first row and column of odd sizes",
    ("piq", "gmsd"): "unrounded grey; deviation over N",
    ("pyiqa", "ssim"): "negative contrast-structure counts as 0 at each position",
    ("pyiqa", "ms_ssim"): "as its SSIM; pads odd sizes with zeros",
    ("pyiqa", "gmsd"): "drops the last row and column of odd sizes",
    ("pytorch-msssim", "ms_ssim"): "pads odd sizes with zeros",
    ("scikit-image", "ssim"): "one image at a time; no gradient",
    ("torchmetrics", "ssim"): "reflects at the border: its map is cropped here; clips variances",
    ("torchmetrics", "ms_ssim"): "reflects at the border, crops contrast-structure, not SSIM",
}


def jiqa(implementation: str | None = None) -> tuple[dict[str, Any], Any]:
    """Public functions of jiqa, with the platform's best kernels or those asked for."""
    import jiqa as package

    names = ("ssim", "ms_ssim", "gmsd")
    scores = {name: getattr(package, name) for name in names if hasattr(package, name)}
    if implementation:
        scores = {
            name: partial(score, implementation=implementation)
            for name, score in scores.items()
            if "implementation" in inspect.signature(score).parameters
        }
    return scores, jax_calls


def dm_pix() -> tuple[dict[str, Any], Any]:
    """dm-pix, the peer that is written in JAX too."""
    return {"ssim": importlib.import_module("dm_pix").ssim}, jax_calls


def frame_analytics() -> tuple[dict[str, Any], Any]:
    """frame-analytics, native kernels under PyTorch."""
    import frame_analytics as package

    return {
        "ssim": partial(package.ssim, data_range=1.0),
        "ms_ssim": partial(package.ms_ssim, data_range=1.0),
        "gmsd": partial(package.gmsd, data_range=1.0, luma="bt601"),
    }, torch_calls


def kornia() -> tuple[dict[str, Any], Any]:
    """kornia; its MS-SSIM is only a loss that mixes in an L1 term."""
    metrics = importlib.import_module("kornia.metrics")
    return {"ssim": partial(metrics.ssim, window_size=11, padding="valid")}, torch_calls


def piq() -> tuple[dict[str, Any], Any]:
    """PyTorch Image Quality."""
    stand_in_for_torchvision()
    import piq as package

    return {
        "ssim": partial(package.ssim, downsample=False),
        "ms_ssim": package.multi_scale_ssim,
        "gmsd": package.gmsd,
    }, torch_calls


def pyiqa() -> tuple[dict[str, Any], Any]:
    """Functions of pyiqa in float32; its classes compute SSIM in float64 and on grey."""
    stand_in_for_torchvision()
    ssim = importlib.import_module("pyiqa.archs.ssim_arch")
    gmsd = importlib.import_module("pyiqa.archs.gmsd_arch").gmsd
    return {"ssim": ssim.ssim, "ms_ssim": ssim.ms_ssim, "gmsd": gmsd}, torch_calls


def pytorch_msssim() -> tuple[dict[str, Any], Any]:
    """pytorch-msssim."""
    import pytorch_msssim as package

    return {
        "ssim": partial(package.ssim, data_range=1.0),
        "ms_ssim": partial(package.ms_ssim, data_range=1.0),
    }, torch_calls


def scikit_image() -> tuple[dict[str, Any], Any]:
    """scikit-image, whose truncated Gaussian has eleven taps too."""
    from skimage.metrics import structural_similarity

    options = {"data_range": 1.0, "channel_axis": -1, "gaussian_weights": True, "sigma": 1.5}
    each = partial(structural_similarity, use_sample_covariance=False, **options)

    def ssim(reference: np.ndarray, distorted: np.ndarray) -> np.ndarray:
        return np.array([each(x, y) for x, y in zip(reference, distorted, strict=True)])

    return {"ssim": ssim}, numpy_calls


def torchmetrics() -> tuple[dict[str, Any], Any]:
    """torchmetrics; its map of SSIM is cropped to where the window is inside the image."""
    stand_in_for_torchvision()
    package = importlib.import_module("torchmetrics.functional.image")

    def ssim(reference: Any, distorted: Any) -> Any:
        whole = package.structural_similarity_index_measure(
            distorted, reference, data_range=1.0, return_full_image=True
        )[1]
        return whole[..., 5:-5, 5:-5]

    ms_ssim = package.multiscale_structural_similarity_index_measure
    return {"ssim": ssim, "ms_ssim": partial(ms_ssim, data_range=1.0)}, torch_calls


PEERS = {
    "dm-pix": dm_pix,
    "frame-analytics": frame_analytics,
    "kornia": kornia,
    "piq": piq,
    "pyiqa": pyiqa,
    "pytorch-msssim": pytorch_msssim,
    "scikit-image": scikit_image,
    "torchmetrics": torchmetrics,
}


def stand_in_for_torchvision() -> None:
    """Declares operators that torchvision built for GPUs wants beside PyTorch built for CPUs.

    Three peers import torchvision, whose compiled part only loads beside the PyTorch it was built
    with, and without that part it only imports if these exist. Nothing here calls them.
    """
    import torch

    with contextlib.suppress(ImportError, RuntimeError):
        import torchvision  # noqa: F401

        return
    for name in [name for name in sys.modules if name.startswith("torchvision")]:
        del sys.modules[name]
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    torch.torchvision_stand_in = library  # lives as long as PyTorch does


def jax_calls(score: Any, reference: np.ndarray, distorted: np.ndarray) -> dict[str, Call]:
    """Forward and gradient of a function of JAX arrays, compiled."""
    import jax

    def mean(distorted: Any, reference: Any) -> Any:
        return score(reference, distorted).mean()

    x, y = jax.device_put((reference, distorted))
    forward, gradient = jax.jit(score), jax.jit(jax.value_and_grad(mean))
    return {
        "forward": lambda: jax.block_until_ready(forward(x, y)),
        "gradient": lambda: jax.block_until_ready(gradient(y, x)),
    }


def torch_calls(score: Any, reference: np.ndarray, distorted: np.ndarray) -> dict[str, Call]:
    """Forward and gradient of a function of PyTorch tensors, with channels before height."""
    import torch

    images = (torch.from_numpy(image.transpose(0, 3, 1, 2)) for image in (reference, distorted))
    x, y = (image.contiguous() for image in images)
    leaf = y.clone().requires_grad_()

    def forward() -> Any:
        with torch.no_grad():
            return score(x, y)

    def gradient() -> Any:
        value = score(x, leaf).mean()
        return value.detach(), torch.autograd.grad(value, leaf)[0].permute(0, 2, 3, 1)

    return {"forward": forward, "gradient": gradient}


def numpy_calls(score: Any, reference: np.ndarray, distorted: np.ndarray) -> dict[str, Call]:
    """Forward of a function of NumPy arrays."""
    return {"forward": lambda: score(reference, distorted)}


class Contender:
    """One implementation in this process, with the case it was last prepared for."""

    call: Call | None = None
    seconds = 0.0

    def start(self, name: str) -> dict[str, Any]:
        """Imports the package; its version and those of what it stands on."""
        package, _, implementation = name.partition(":")
        build = PEERS[package] if package in PEERS else partial(jiqa, implementation or None)
        self.scores, self.make_calls = build()
        used = [package, "numpy", *({"jax", "torch"} & set(sys.modules))]
        return {"versions": {package: version(package) for package in used}}

    def load(self, metric: str, mode: str, folder: str) -> dict[str, Any]:
        """Makes the call of a case and runs it once, which compiles it; its first answer."""
        self.call = None
        if metric not in self.scores:
            return {"absent": f"has no {metric}"}
        images = [np.load(f"{folder}/{name}.npy") for name in ("reference", "distorted")]
        calls = self.make_calls(self.scores[metric], *images)
        if mode not in calls:
            return {"absent": f"has no {mode}"}
        self.call = calls[mode]
        start = time.perf_counter()
        answer = describe(self.call())
        return {**answer, "first_seconds": time.perf_counter() - start}

    def prepare(self, **case: str) -> dict[str, Any]:
        """Loads a case; its value, a sample of its gradient, and the seconds of a second call."""
        answer = self.load(**case)
        if self.call is not None:
            answer["seconds"] = self.seconds = measure_seconds(self.call)
        return answer

    def weigh(self, **case: str) -> dict[str, Any]:
        """Loads a case, measures the memory of a second call, and lets go of it."""
        self.load(**case)
        growth = None if self.call is None else measure_growth(self.call)
        self.call = None
        return {"growth_bytes": growth}

    def turn(self) -> dict[str, float]:
        """Median seconds of a turn, after a call that is not timed where calls are short."""
        if self.seconds < TURN_SECONDS:
            self.call()
        times: list[float] = []
        while not times or (sum(times) < TURN_SECONDS and len(times) < TURN_CALLS):
            times.append(measure_seconds(self.call))
        return {"seconds": statistics.median(times)}


def measure_seconds(call: Call) -> float:
    """Wall-clock seconds of a call; its result is let go of afterwards."""
    start = time.perf_counter()
    result = call()
    seconds = time.perf_counter() - start
    del result
    return seconds


def describe(result: Any) -> dict[str, Any]:
    """Mean value, and the gradient at a grid of positions, of a call's result."""
    value, gradient = result if isinstance(result, tuple) else (result, None)
    answer: dict[str, Any] = {"value": float(np.mean(np.asarray(value), dtype=np.float64))}
    if gradient is not None:
        gradient = np.asarray(gradient)
        rows, columns = (np.linspace(0, size - 1, 16).astype(int) for size in gradient.shape[1:3])
        answer["gradient"] = gradient[:, rows][:, :, columns].astype(float).ravel().tolist()
    return answer


def measure_growth(call: Call) -> int | None:
    """Bytes by which a call raises resident memory at its peak, its result included.

    The system's record of the peak is set to what is resident before the call. Where it keeps none
    (Linux does) the answer is None. `MALLOC_MMAP_THRESHOLD_` makes the allocator return what is
    free at once, without which a call would live on what the one before left behind.
    """
    gc.collect()
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
        before = read_status("VmRSS")
    except OSError:
        return None
    result = call()
    growth = max(0, read_status("VmHWM") - before)
    del result
    return growth


def read_status(key: str) -> int:
    """A number of bytes from this process's status."""
    with open("/proc/self/status") as file:
        line = next(line for line in file if line.startswith(key + ":"))
    return 1024 * int(line.split()[1])


def main() -> None:
    """Answers requests, each the name of a method and its arguments, until there are none."""
    # Answers go out where standard output was; what packages print goes to standard error.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    contender = Contender()
    for line in sys.stdin:
        ((method, arguments),) = json.loads(line).items()
        try:
            answer = getattr(contender, method)(**arguments)
        except Exception as error:  # a row of the table, with its reason
            answer = {"error": f"{type(error).__name__}: {str(error).strip()}"}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
