"""How long `jiqa score` takes on a folder, beside the time that decoding its files alone takes.

Makes pairs of 512 x 512 photographs and their distortions as PNG in a temporary folder, then times

- decoding: every file read by `jiqa.images.read_image` in as many threads as there are cores;
- scoring: `jiqa.scoring.score_files` in a process that has compiled its program, without start-up;
- command: the whole process `jiqa score --metrics psnr,ssim REFERENCE DISTORTED`, start-up and
  imports included, once with an empty compilation cache (cold), then with a filled one (warm).

    python benchmarks/score_folder.py --pairs 200 --repeat 5

prints a table of medians and writes `benchmarks/results/score_folder.json`. The three take turns,
so that other work on the machine meets all of them; CPU seconds suffer less from it than seconds.
"""

import argparse
import io
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter
from records import RESULTS, write
from skimage import data

PHOTOGRAPHS = ("astronaut", "coffee", "chelsea", "rocket")

# Runs in a process of its own, so that peak memory is that of one way of working alone.
WORKER = """
import json, resource, sys, time
from pathlib import Path
from jiqa.images import read_image
from jiqa.pairs import find_pairs
from jiqa.threads import thread_pool

what, folder, metrics = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
pairs = find_pairs(folder / "reference", folder / "distorted")

def decode():
    files = [path for pair in pairs for path in (pair.reference, pair.distorted)]
    with thread_pool() as pool:
        for _ in pool.map(lambda path: read_image(path).shape, files):
            pass

def score():
    score_files(pairs, metrics.split(","))

if what == "score":
    from jiqa.scoring import score_files, use_compilation_cache
    use_compilation_cache()
    score_files(pairs[:8], metrics.split(","))
work = {"decode": decode, "score": score}[what]
start, cpu_start = time.perf_counter(), time.process_time()
work()
run = {"seconds": time.perf_counter() - start, "cpu_seconds": time.process_time() - cpu_start}
run["peak_megabytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps(run))
"""


def make_pairs(folder: Path, pairs: int, size: int) -> None:
    """Writes crops of scikit-image's photographs and four distortions of them."""
    photographs = [Image.fromarray(getattr(data, name)()[..., :3]) for name in PHOTOGRAPHS]
    for name in ("reference", "distorted"):
        (folder / name).mkdir()

    def make(index: int) -> None:
        rng = np.random.default_rng(index)
        photograph = photographs[index % len(photographs)]
        scale = 1.1 * size / min(photograph.size)
        photograph = photograph.resize(
            [round(side * scale) for side in photograph.size], Image.Resampling.BICUBIC
        )
        left, top = (int(rng.integers(side - size + 1)) for side in photograph.size)
        reference = photograph.crop((left, top, left + size, top + size))
        # Grain, without which the enlarged photographs would be easier to decode than real ones.
        grain = rng.normal(0, 3, (size, size, 3))
        pixels = np.clip(np.asarray(reference) + grain, 0, 255)
        reference = Image.fromarray(pixels.astype(np.uint8))
        reference.save(folder / "reference" / f"{index:05d}.png")
        distort(reference, index, rng).save(folder / "distorted" / f"{index:05d}.png")

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(make, range(pairs)))


def distort(image: Image.Image, index: int, rng: np.random.Generator) -> Image.Image:
    """Blur, JPEG, noise or contrast, by turns."""
    pixels = np.asarray(image).astype(float)
    if index % 4 == 0:
        return image.filter(ImageFilter.GaussianBlur(1.5))
    if index % 4 == 1:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=20)
        return Image.open(buffer)
    if index % 4 == 2:
        pixels += rng.normal(0, 12, pixels.shape)
    else:
        pixels = (pixels - 128) * 0.7 + 128
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def run_worker(what: str, folder: Path, metrics: str) -> dict[str, float]:
    """Time and peak memory of decoding or scoring in a fresh process."""
    command = [sys.executable, "-c", WORKER, what, str(folder), metrics]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def run_command(folder: Path, metrics: str, cache: Path) -> dict[str, float]:
    """Time and peak memory of the command."""
    command = [sys.executable, "-m", "jiqa", "score", "--metrics", metrics]
    command += [str(folder / "reference"), str(folder / "distorted")]
    command += ["--output", str(folder / "scores.csv")]
    environment = {**os.environ, "JAX_COMPILATION_CACHE_DIR": str(cache)}
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"jiqa score failed with status {process.returncode}")
    return {
        "seconds": time.perf_counter() - start,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak_megabytes": usage.ru_maxrss / 1024,
    }


def measure(options: argparse.Namespace, folder: Path) -> dict[str, list[dict[str, float]]]:
    """All runs by label, taken in turns."""
    cache = folder / "cache"
    runs: dict[str, list[dict[str, float]]] = {"decoding": [], "scoring": []}
    runs["command, cold"] = [run_command(folder, options.metrics, cache)]
    runs["command, warm"] = []
    for _ in range(options.repeat):
        runs["decoding"].append(run_worker("decode", folder, options.metrics))
        runs["scoring"].append(run_worker("score", folder, options.metrics))
        runs["command, warm"].append(run_command(folder, options.metrics, cache))
    return runs


def summarize(runs: dict[str, list[dict[str, float]]], pairs: int) -> dict[str, dict[str, float]]:
    """Medians by label, and their ratios to decoding."""
    medians = {
        label: {key: statistics.median(run[key] for run in some) for key in some[0]}
        for label, some in runs.items()
    }
    for row in medians.values():
        row["pairs_per_second"] = pairs / row["seconds"]
        row["ratio"] = row["seconds"] / medians["decoding"]["seconds"]
        row["cpu_ratio"] = row["cpu_seconds"] / medians["decoding"]["cpu_seconds"]
    return medians


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--metrics", default="psnr,ssim")
    parser.add_argument("--output", type=Path, default=RESULTS / "score_folder.json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_pairs(folder, options.pairs, options.size)
        megabytes = sum(path.stat().st_size for path in folder.rglob("*.png")) / 1e6
        runs = measure(options, folder)
    medians = summarize(runs, options.pairs)
    print(f"{options.pairs} pairs of {options.size} x {options.size}, {megabytes:.0f} MB of PNG,")
    print(f"metrics {options.metrics}, {os.cpu_count()} cores; medians of {options.repeat}")
    columns = ("seconds", "ratio", "cpu_seconds", "cpu_ratio", "pairs_per_second", "peak_megabytes")
    print(" " * 14 + "".join(f"{column:>18}" for column in columns))
    for label, row in medians.items():
        print(f"{label:14}" + "".join(f"{row[column]:18.2f}" for column in columns))
    record = {
        "pairs": options.pairs,
        "size": options.size,
        "metrics": options.metrics,
        "png_megabytes": megabytes,
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "medians": medians,
        "runs": runs,
    }
    write(options.output, record)


if __name__ == "__main__":
    main()
