"""The demonstration: bundled photographs under real distortions, scored and shown.

The distortions stand for what happens to pictures in practice, each at a named level: compression
by a real encoder, blur, noise, and changes of contrast, colour and geometry.
"""

import io
import shutil
from collections.abc import Callable
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike
from PIL import Image
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from jiqa.core.color import luma
from jiqa.core.filters import correlate_separable, gaussian_window
from jiqa.explain.page import write_page
from jiqa.images import read_image, write_png
from jiqa.pairs import Pair
from jiqa.results import Scores
from jiqa.scoring import score_files

PHOTOGRAPHS = Path(__file__).parent / "photographs"
METRICS = ("psnr", "ssim", "ssim_y", "ms_ssim", "iw_ssim", "cw_ssim", "lpips_alex", "mae")
INTRODUCTION = (
    "Three photographs under seven distortions, scored with several metrics. Look where they "
    "disagree: a change of contrast or colour costs many decibels but little structure, noise the "
    "other way round, and ssim_y, which sees only brightness, hardly notices a change of colour."
)


def run(output_folder: Path) -> Path:
    """Distorts the bundled photographs, scores them, prints the table and writes the page.

    Args:
        output_folder: Made if it is not there. Receives `reference/` and `distorted/` with PNG
            files, `scores.csv` and `index.html`; files of these names are overwritten.

    Returns:
        The page.

    Raises:
        OSError: The folder cannot be written.
        ImportError: jinja2 or matplotlib is missing.
    """
    pairs = write_images(output_folder)
    console = Console()
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task(f"scoring {len(pairs)} pairs", total=len(pairs))
        scores = score_files(
            pairs, METRICS, progress=lambda done, _: progress.update(task, completed=done)
        )
    console.print(_table(scores))
    scores.write(output_folder / "scores.csv")
    return write_page(
        output_folder / "index.html",
        scores,
        title="jiqa: a demonstration",
        introduction=INTRODUCTION,
    )


def write_images(output_folder: Path) -> list[Pair]:
    """Writes the photographs and their distorted versions as PNG files.

    Args:
        output_folder: Made if it is not there.

    Returns:
        The pairs, with a column that names the distortion and its level.
    """
    pairs = []
    for folder in ("reference", "distorted"):
        (output_folder / folder).mkdir(parents=True, exist_ok=True)
    for photograph in sorted(PHOTOGRAPHS.glob("*.png")):
        reference = output_folder / "reference" / photograph.name
        shutil.copyfile(photograph, reference)
        image = read_image(reference)
        for name, (distortion, distort) in DISTORTIONS.items():
            distorted = output_folder / "distorted" / f"{photograph.stem}_{name}.png"
            write_png(distorted, distort(image))
            pairs.append(Pair(reference, distorted, {"distortion": distortion}))
    return pairs


def compress_jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    """Through libjpeg and back, with its usual halved chroma.

    Args:
        image: uint8 `[H, W, 3]`, as in all distortions here.
        quality: From 1 to 95.

    Returns:
        uint8 `[H, W, 3]`.

    >>> compress_jpeg(np.full((9, 8, 3), 128, np.uint8), 10).shape
    (9, 8, 3)
    """
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def blur(image: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur, cut at three standard deviations, with mirrored borders.

    Args:
        image: uint8 `[H, W, 3]`.
        sigma: Standard deviation in pixels.

    Returns:
        uint8 `[H, W, 3]`.

    >>> blur(np.full((9, 8, 3), 128, np.uint8), 2.0)[0, 0].tolist()
    [128, 128, 128]
    """
    window = gaussian_window(2 * round(3 * sigma) + 1, sigma)
    return _levels(correlate_separable(jnp.float32(image), window, border="symmetric"))


def add_noise(image: np.ndarray, sigma: float) -> np.ndarray:
    """White Gaussian noise, the same in every run.

    Args:
        image: uint8 `[H, W, 3]`.
        sigma: Standard deviation in levels of 255.

    Returns:
        uint8 `[H, W, 3]`.

    >>> add_noise(np.zeros((1, 4, 1), np.uint8), 15.0).ravel().tolist()
    [2, 0, 10, 2]
    """
    return _levels(image + np.random.default_rng(0).normal(0, sigma, image.shape))


def scale_contrast(image: np.ndarray, factor: float) -> np.ndarray:
    """Multiplies the distance of every pixel from the mean colour.

    Args:
        image: uint8 `[H, W, 3]`.
        factor: Below 1 for less contrast.

    Returns:
        uint8 `[H, W, 3]`.

    >>> scale_contrast(np.array([[[0], [100]]], np.uint8), 0.6).ravel().tolist()
    [20, 80]
    """
    mean = image.mean((0, 1))
    return _levels(mean + factor * (image - mean))


def scale_saturation(image: np.ndarray, factor: float) -> np.ndarray:
    """Multiplies the distance of every pixel from the grey of its luma.

    Args:
        image: uint8 `[H, W, 3]`.
        factor: Above 1 for stronger colours.

    Returns:
        uint8 `[H, W, 3]`.

    >>> scale_saturation(np.array([[[120, 100, 100]]], np.uint8), 2.0).ravel().tolist()
    [134, 94, 94]
    """
    grey = luma(jnp.float32(image), "bt601", data_range=255.0)
    return _levels(grey + factor * (image - grey))


def shift_blocks(image: np.ndarray, share: float, size: int = 8, most: int = 6) -> np.ndarray:
    """Fills some blocks with what lies beside them, as a decoder with broken motion vectors does.

    Args:
        image: uint8 `[H, W, 3]`.
        share: Part of the blocks, from 0 to 1.
        size: Side of a block in pixels.
        most: Largest shift in pixels along each axis.

    Returns:
        uint8 `[H, W, 3]`.

    >>> image = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    >>> bool((shift_blocks(image, 1.0) == image).all())
    False
    """
    rng = np.random.default_rng(0)
    height, width = image.shape[:2]
    shifted = image.copy()
    for top in range(0, height - size + 1, size):
        for left in range(0, width - size + 1, size):
            if rng.random() < share:
                row = np.clip(top + rng.integers(-most, most + 1), 0, height - size)
                column = np.clip(left + rng.integers(-most, most + 1), 0, width - size)
                block = image[row : row + size, column : column + size]
                shifted[top : top + size, left : left + size] = block
    return shifted


DISTORTIONS: dict[str, tuple[str, Callable[[np.ndarray], np.ndarray]]] = {
    "jpeg50": ("JPEG, quality 50", lambda image: compress_jpeg(image, 50)),
    "jpeg10": ("JPEG, quality 10", lambda image: compress_jpeg(image, 10)),
    "blur": ("blur, sigma 2", lambda image: blur(image, 2.0)),
    "noise": ("noise, sigma 15", lambda image: add_noise(image, 15.0)),
    "contrast": ("contrast x 0.6", lambda image: scale_contrast(image, 0.6)),
    "saturation": ("saturation x 1.8", lambda image: scale_saturation(image, 1.8)),
    "blocks": ("30 % blocks moved", lambda image: shift_blocks(image, 0.3)),
}


def _levels(values: ArrayLike) -> np.ndarray:
    """The nearest of the 256 levels; what an 8-bit image cannot hold saturates."""
    return np.asarray(values).round().clip(0, 255).astype(np.uint8)


def _table(scores: Scores) -> Table:
    """The scores for the terminal, a section a photograph."""
    table = Table(title="↑ higher is better, ↓ lower is better", box=SIMPLE_HEAD, padding=0)
    table.add_column("image", no_wrap=True)
    for column, facts in scores.metadata["metrics"].items():
        arrow = "↑" if facts["higher_is_better"] else "↓"
        table.add_column(f"{column}\n{arrow}", justify="right", no_wrap=True)
    for reference, rows in scores.frame.groupby("reference"):
        table.add_row(f"[bold]{Path(str(reference)).stem}")
        for row in rows.to_dict("records"):
            table.add_row(row["distortion"], *(f"{row[column]:#.4g}" for column in METRICS))
        table.add_section()
    return table
