"""The commands `jiqa compare-sets` and `jiqa set-statistics`."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import tyro

from jiqa.cli.terminal import direction, make_console, make_table, progress_bar

NEIGHBORS = ("manifold_neighbors", "density_neighbors")


def compare_sets(
    reference: Annotated[Path, tyro.conf.arg(metavar="REFERENCE")],
    generated: Annotated[Path, tyro.conf.arg(metavar="GENERATED")],
    /,
    *,
    metrics: str = "fid,kid",
    features: str = "inception_v3",
    protocol: Literal["clean_fid", "pytorch_fid", "tensorflow"] = "clean_fid",
    output: Path | None = None,
    subsets: int = 100,
    subset_size: int = 1000,
    seed: int = 0,
    sigma: float = 10.0,
    splits: int = 10,
    neighbors: int | None = None,
    alpha: Literal["error", "drop", "white", "black"] = "error",
    color_profile: Literal["srgb", "keep", "error"] = "srgb",
    max_pixels: int = 200_000_000,
    batch: int | None = None,
    workers: int | None = None,
) -> int:
    """Compare two sets of images, such as real and generated ones: FID, KID and others.

    Args:
        reference: A folder of images; for fid alone also statistics of one, as
            `jiqa set-statistics` and pytorch-fid (.npz) write them.
        generated: The folder to compare with it, or its statistics.
        metrics: Of fid, kid, mmd, precision_recall, density_coverage, inception_score.
        features: inception_v3, or a network of `jiqa weights list` with a feature, as in
            vgg16:relu5_3.
        protocol: How images are resized: as by clean-fid (antialiased), pytorch-fid, or TensorFlow
            and torch-fidelity. Values of different protocols cannot be compared.
        output: JSON file to write, with all that is needed to repeat the run.
        subsets: Random subsets over which kid is averaged.
        subset_size: Images in each.
        seed: Of the subsets.
        sigma: Width of the kernel of mmd.
        splits: Parts over which inception_score is averaged.
        neighbors: Of an image in its manifold; 3 for precision_recall and 5 for density_coverage
            if not given.
        alpha: What becomes of transparent images: an error, the alpha channel dropped, or shown
            before white or black.
        color_profile: What becomes of colours that are not sRGB: converted, kept, or an error.
        max_pixels: Larger images are an error.
        batch: Images that a device takes at a time.
        workers: Threads that decode files; one a core if not given.
    """
    from jiqa.distribution import comparison
    from jiqa.files import check_output
    from jiqa.scoring import use_compilation_cache

    if output is not None:
        check_output(output, (".json",))
    given = {} if neighbors is None else dict.fromkeys(NEIGHBORS, neighbors)
    use_compilation_cache()
    with progress_bar("measuring", "images") as progress:
        found = comparison.compare_sets(
            reference,
            generated,
            [name.strip() for name in metrics.split(",")],
            features=features,
            protocol=protocol,
            options=comparison.Options(subsets, subset_size, seed, sigma, splits, **given),
            reading={"alpha": alpha, "color_profile": color_profile, "max_pixels": max_pixels},
            batch=batch,
            workers=workers,
            progress=progress,
        )
    table = make_table("metric", "value", "deviation")
    for name, (value, deviation) in found.values.items():
        arrow = direction(found.higher_is_better[name], None)
        shown = "" if deviation is None else f"{deviation:.4g}"
        table.add_row(f"{name} {arrow}", f"{value:.6g}", shown)
    make_console().print(table)
    for note in found.notes:
        print(f"jiqa: note: {note}", file=sys.stderr)
    if output is not None:
        found.write(output)
    return 0


def set_statistics(
    images: Annotated[Path, tyro.conf.arg(metavar="IMAGES")],
    /,
    *,
    output: Path,
    features: str = "inception_v3",
    protocol: Literal["clean_fid", "pytorch_fid", "tensorflow"] = "clean_fid",
    alpha: Literal["error", "drop", "white", "black"] = "error",
    color_profile: Literal["srgb", "keep", "error"] = "srgb",
    max_pixels: int = 200_000_000,
    batch: int | None = None,
    workers: int | None = None,
) -> int:
    """Keep mean and covariance of a folder's features, to compare other sets with it by FID.

    Args:
        images: The folder.
        output: File to write, such as real.safetensors.
        features: As in `jiqa compare-sets`.
        protocol: As in `jiqa compare-sets`.
        alpha: As in `jiqa compare-sets`.
        color_profile: As in `jiqa compare-sets`.
        max_pixels: As in `jiqa compare-sets`.
        batch: As in `jiqa compare-sets`.
        workers: As in `jiqa compare-sets`.
    """
    from jiqa.distribution import comparison, statistics
    from jiqa.files import check_output
    from jiqa.scoring import use_compilation_cache

    check_output(output, (".safetensors",))
    use_compilation_cache()
    with progress_bar("measuring", "images") as progress:
        found = comparison.set_statistics(
            images,
            features=features,
            protocol=protocol,
            reading={"alpha": alpha, "color_profile": color_profile, "max_pixels": max_pixels},
            batch=batch,
            workers=workers,
            progress=progress,
        )
    statistics.save_statistics(output, found)
    print(f"The statistics are {output}: jiqa compare-sets {output} GENERATED --metrics fid")
    return 0
