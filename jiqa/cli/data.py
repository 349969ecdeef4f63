"""The commands `jiqa datasets list`, `show`, `prepare` and `generate`."""

import contextlib
import io
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from jiqa.cli.terminal import delayed, make_console, make_table, progress_bar, split_names

if TYPE_CHECKING:
    from jiqa.datasets import DataSet


def list_data_sets() -> int:
    """List the published data sets that can be read, with their size and scale."""
    from jiqa import datasets

    table = make_table("name", "data set", "images", "references", "scores", "range", "home page")
    for name in datasets.names():
        found = datasets.find(name)
        low, high = found.score_range or ("", "")
        counts = ["" if count is None else str(count) for count in (found.images, found.references)]
        scale = f"{low:g} to {high:g}" if found.score_range else ""
        table.add_row(name, found.title, *counts, found.kind, scale, found.home)
    make_console().print(table)
    return 0


def show_data_set(
    name: Annotated[str, tyro.conf.Positional],
    folder: Annotated[Path | None, tyro.conf.Positional] = None,
    *,
    partial: bool = False,
    check: bool = False,
) -> int:
    """Show what is known of a data set, or what a folder of it holds.

    Args:
        name: A name from `jiqa datasets list`.
        folder: Where it lies, as published; without it only facts are shown.
        partial: A part of the set is meant, such as a sample.
        check: Decode all its images.
    """
    from jiqa import datasets

    publication = datasets.find(name)
    if folder is None:
        print(publication.expected)
        print(f"Paper: {publication.paper}")
        if publication.note:
            print(publication.note)
        return 0
    data_set = datasets.read(name, folder, partial=partial)
    if check:
        with progress_bar(f"decoding {data_set.title}", "images") as progress:
            datasets.check_images(data_set, progress=progress)
    _print_data_set(data_set)
    return 0


def prepare_data_set(
    name: Annotated[str, tyro.conf.Positional],
    root: Annotated[Path, tyro.conf.Positional],
    output: Annotated[Path, tyro.conf.Positional],
    *,
    by: Literal["official", "content", "image"] | None = None,
    parts: tuple[float, float, float] = (0.6, 0.2, 0.2),
    seed: int = 0,
    leaking: bool = False,
    partial: bool = False,
    columns: str = "",
) -> int:
    """Write a data set, split for training, as records that are read fast.

    Args:
        name: A name from `jiqa datasets list`, or table.
        root: Its folder or archive as published; for table a .csv or .parquet file with the columns
            distorted, mos or dmos and, where known, reference, content, split and others.
        output: Folder under which the records are written.
        by: Split as its authors did, so that images of one original stay together, or image by
            image; without it the first if there is such a split, else the second.
        parts: Shares for training, validation and testing.
        seed: Which random split.
        leaking: Allow parts that share originals, which flatters a model.
        partial: A part of the set is meant, such as a sample.
        columns: What a table calls the columns, as distorted=image,mos=score.
    """
    import absl.logging
    import tensorflow_datasets as tfds

    from jiqa.datasets.builders import count_items, prepare

    absl.logging.set_verbosity(absl.logging.ERROR)
    tfds.disable_progress_bar()
    quiet = contextlib.redirect_stdout(io.StringIO())  # TFDS talks
    with quiet, progress_bar("examining images", "images") as progress:
        folder = prepare(
            name,
            root,
            output,
            by=by,
            parts=parts,
            seed=seed,
            leaking=leaking,
            partial=partial,
            columns=_columns(columns),
            progress=progress,
        )
    counts = ", ".join(f"{count} {part}" for part, count in count_items(folder).items())
    print(f"{folder} holds {counts}.")
    return 0


def generate_data_set(
    photographs: Annotated[Path, tyro.conf.Positional],
    output: Annotated[Path, tyro.conf.Positional],
    *,
    distortions: str = "kadid",
    levels: tuple[int, ...] = (1, 2, 3, 4, 5),
    recipes: int = 0,
    most: int = 4,
    order: Literal["random", "camera"] = "random",
    metrics: str = "fsimc,mdsi,gmsd,ssim_y,psnr_y",
    crop: tuple[int, int] = (384, 512),
    whole: bool = False,
    seed: int = 0,
    shards: int = 16,
    parts: tuple[float, float, float] = (0.6, 0.2, 0.2),
    process_index: int = 0,
    process_count: int = 1,
) -> int:
    """Make a labelled set of distorted images from photographs; start it again after a kill.

    Args:
        photographs: A folder of pristine images.
        output: The folder of the set: new, or of an unfinished run.
        distortions: Names or families (kadid, tid, dbcnn, camera), separated by commas.
        levels: Each distortion is applied at each of these, 1 to 5.
        recipes: Images of each photograph that several distortions make.
        most: The most distortions of one of these.
        order: Their order: random, or that of a camera.
        metrics: Full-reference metrics, separated by commas; the first is the score.
        crop: Height and width of what is taken from each photograph.
        whole: Take all of each photograph instead.
        seed: Of all that is random.
        shards: Files of each part; after a kill, one is made anew.
        parts: Shares of photographs for training, validation and testing.
        process_index: Which of several processes this is that share the work.
        process_count: How many these are.
    """
    from jiqa.datasets.builders import INFORMATION, count_items
    from jiqa.datasets.generator import Plan, generate
    from jiqa.scoring import use_compilation_cache

    use_compilation_cache()
    plan = Plan(
        distortions=tuple(split_names(distortions)),
        levels=levels,
        recipes=recipes,
        most=most,
        order=order,
        metrics=tuple(split_names(metrics)),
        crop=None if whole else crop,
        seed=seed,
        shards=shards,
        parts=parts,
    )
    with progress_bar("distorting", "images") as progress:
        generate(
            photographs,
            output,
            plan,
            process_index=process_index,
            process_count=process_count,
            progress=progress,
        )
    if (output / INFORMATION).is_file():
        counts = ", ".join(f"{count} {part}" for part, count in count_items(output).items())
        print(f"{output} holds {counts}.")
    else:
        print(f"{output} waits for the other processes.")
    return 0


def datasets(
    command: tyro.conf.OmitSubcommandPrefixes[
        Annotated[Any, tyro.conf.subcommand("list", constructor=delayed(list_data_sets))]
        | Annotated[Any, tyro.conf.subcommand("show", constructor=delayed(show_data_set))]
        | Annotated[Any, tyro.conf.subcommand("prepare", constructor=delayed(prepare_data_set))]
        | Annotated[Any, tyro.conf.subcommand("generate", constructor=delayed(generate_data_set))]
    ],
) -> int:
    """List, show, prepare and generate data sets of rated images."""
    return command()


def _columns(text: str) -> dict[str, str]:
    """Column of a file by what it should be called."""
    parts = [part.partition("=") for part in text.split(",") if part.strip()]
    if any(not equals for _, equals, _ in parts):
        raise ValueError(f"columns are {text!r}: give them as distorted=image,mos=score.")
    return {name.strip(): given.strip() for name, _, given in parts}


def _print_data_set(data_set: "DataSet") -> None:
    """Prints how many images there are of each distortion, and the ranges of their scores."""
    from jiqa.datasets import RatedImage

    scores: dict[str, list[float]] = {}
    for record in data_set.records:
        scores.setdefault(record.distortion or "all", []).append(record.score)
    table = make_table("distortion", "images", "lowest score", "highest score")
    for distortion, values in sorted(scores.items()):
        table.add_row(distortion, str(len(values)), f"{min(values):.4g}", f"{max(values):.4g}")
    console = make_console()
    console.print(table)
    contents = len({record.content for record in data_set.records})
    better = {"mos": "more is better", "dmos": "more is worse", "preference": "of the first"}
    console.print(
        f"{data_set.title}: {len(data_set.records)} images of {contents} contents, "
        f"{data_set.kind} ({better[data_set.kind]}).",
        markup=False,
    )
    known = [
        name
        for name in ("std", "standard_error", "ratings", "level")
        if any(
            isinstance(record, RatedImage) and getattr(record, name) is not None
            for record in data_set.records
        )
    ]
    if known:
        console.print(f"Published of them: {', '.join(known)}.")
    splits = Counter(record.split for record in data_set.records if record.split)
    if splits:
        shown = ", ".join(f"{count} {split}" for split, count in splits.items())
        console.print(f"Official split: {shown}.")
