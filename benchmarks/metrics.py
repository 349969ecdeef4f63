"""How long every metric takes, forward and with its gradient, beside public peers.

    python benchmarks/metrics.py --size 512 --repeat 9

times each metric on one pair of colour images in float32 after compilation, and scikit-image and
dm-pix where they have the metric, in turns; prints a table of medians and writes
`benchmarks/results/metrics.json`. Peers compute the same number unless the table says otherwise.
"""

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import dm_pix
import jax
import jax.numpy as jnp
import numpy as np
from skimage import metrics as skimage

import jiqa

RESULTS = Path(__file__).parent / "results" / "metrics.json"


def peers(reference: jax.Array, distorted: jax.Array) -> dict[str, dict[str, Callable[[], Any]]]:
    """Calls of other packages, by metric and package."""
    x, y = np.asarray(reference), np.asarray(distorted)
    gaussian = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    return {
        "ssim": {
            "scikit-image": lambda: skimage.structural_similarity(
                x, y, data_range=1, channel_axis=-1, **gaussian
            ),
            "dm-pix": partial(jax.jit(dm_pix.ssim), reference, distorted),
        },
        "psnr": {
            "scikit-image": lambda: skimage.peak_signal_noise_ratio(x, y, data_range=1),
            "dm-pix": partial(jax.jit(dm_pix.psnr), reference, distorted),
        },
        "mse": {
            "scikit-image": lambda: skimage.mean_squared_error(x, y),
            "dm-pix": partial(jax.jit(dm_pix.mse), reference, distorted),
        },
    }


def medians(calls: dict[str, Callable[[], Any]], repeat: int) -> dict[str, float]:
    """Median milliseconds of calls that take turns, after one call each to compile."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        jax.block_until_ready(call())
    for _ in range(repeat):
        for name, call in calls.items():
            start = time.perf_counter()
            jax.block_until_ready(call())
            times[name].append(1000 * (time.perf_counter() - start))
    return {name: statistics.median(some) for name, some in times.items()}


def main() -> None:
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--repeat", type=int, default=9)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    shape = (arguments.size, arguments.size, 3)
    reference = jnp.asarray(rng.random(shape), jnp.float32)
    noise = 0.1 * rng.standard_normal(shape)
    distorted = jnp.asarray(np.clip(reference + noise, 0, 1), jnp.float32)
    others = peers(reference, distorted)
    rows = {}
    print(f"{arguments.size} x {arguments.size} x 3, float32, median of {arguments.repeat}, ms")
    for name in jiqa.list_metrics():
        metric = jiqa.load(name)
        if metric.options:
            continue
        gradient = jax.jit(jax.grad(jiqa.as_loss(name), argnums=1))
        calls = {
            "forward": partial(jax.jit(metric), reference, distorted),
            "gradient": partial(gradient, reference, distorted),
            **others.get(name, {}),
        }
        rows[name] = medians(calls, arguments.repeat)
        print(f"{name:30}" + "  ".join(f"{key} {ms:8.2f}" for key, ms in rows[name].items()))
    facts = {"jax": jax.__version__, "platform": jax.default_backend(), "cpu": platform.machine()}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps({**facts, **vars(arguments), "milliseconds": rows}, indent=2))


if __name__ == "__main__":
    main()
