"""Rated images: a few published data sets in their own layout, and tables of one's own.

Whatever it comes from, a data set is pairs of images with these columns: `mos` (more is better) or
`dmos` (more is worse), and where known `std` (standard deviation of an image's ratings), `ratings`
(their number) or `standard_error` (of the mean itself), `distortion`, `level` (of distortion, more
is worse) and `content` (what images of one original share).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jiqa.pairs import MANIFEST_SUFFIXES, Pair, read_manifest

if TYPE_CHECKING:
    import pandas as pd

OPINIONS = ("mos", "dmos")
NUMBERS = (*OPINIONS, "std", "ratings", "standard_error", "level")
LABELS = ("reference", "distorted", "distortion", "content", "error")


@dataclass(frozen=True)
class DataSet:
    """Pairs of images with opinions.

    Attributes:
        name: What it is called in tables.
        pairs: The images, with the columns named above.
    """

    name: str
    pairs: list[Pair]


def read_data_set(path: Path | str) -> DataSet:
    """The rated images of a folder in its published layout, or of a manifest.

    Args:
        path: A folder of TID2013 or TID2008 (`mos_with_names.txt`), KADID-10k (`dmos.csv`, of which
            more is better in spite of its name), CSIQ (`csiq.DMOS.xlsx`, or `csiq_label.txt` with a
            file name and a DMOS a line), or of LIVE images (`dmos.csv` with the columns dist, ref,
            distortion, dmos_realigned and dmos_std). Or a CSV or Parquet table with the columns
            distorted, mos or dmos, reference where there is one, and further ones as above.

    Returns:
        The data set; a manifest is called by its file's name.

    Raises:
        FileNotFoundError: There is no such path, or images are missing; it names them.
        ValueError: Another layout, or a table that lacks a column.

    >>> read_data_set("nowhere")
    Traceback (most recent call last):
    FileNotFoundError: no file or folder is called nowhere.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"no file or folder is called {path}.")
    if not path.is_dir():
        if path.suffix.lower() not in MANIFEST_SUFFIXES:
            raise ValueError(f"{path} is neither a folder nor a .csv or .parquet table.")
        pairs = read_manifest(path)
        find_opinion(str(path), pairs[0].columns if pairs else {})
        return DataSet(path.stem, pairs)
    for file, read in LAYOUTS.items():
        if (path / file).exists():
            found = read(path)
            check_files(found)
            return found
    raise ValueError(
        f"{path} is in no layout known here; these are known by their files {', '.join(LAYOUTS)}. "
        "Give a table instead: reference, distorted and mos or dmos."
    )


def find_opinion(where: str, columns: Mapping[str, Any]) -> str:
    """Which of mos and dmos a table has.

    Raises:
        ValueError: Neither, or both.

    >>> find_opinion("table.csv", {"distorted": "a.png", "mos": 3.2})
    'mos'
    """
    found = [name for name in OPINIONS if name in columns]
    if len(found) != 1:
        raise ValueError(
            f"{where} needs one column mos (more is better) or dmos (more is worse); it has "
            f"{', '.join(found) or ', '.join(columns) or 'nothing'}."
        )
    return found[0]


def check_files(data_set: DataSet) -> None:
    """Raises FileNotFoundError that lists the images that are not there."""
    named = {file for pair in data_set.pairs for file in (pair.reference, pair.distorted) if file}
    missing = sorted(str(file) for file in named if not file.exists())
    if missing:
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise FileNotFoundError(
            f"{len(missing)} images of {data_set.name} are missing: {', '.join(missing[:5])}{more}."
        )


def _read_tid(folder: Path) -> DataSet:
    """TID2013 and TID2008: a line "5.51429 I01_01_1.bmp" an image, of iRR_TT_L.

    `mos_std.txt` is 0.13 on average on a scale from 0 to 9: the error of the mean, not of a rating.
    """
    lines = [line.split() for line in (folder / "mos_with_names.txt").read_text().splitlines()]
    lines = [line for line in lines if line]
    spread = folder / "mos_std.txt"
    errors = [float(text) for text in spread.read_text().split()] if spread.exists() else []
    files = _files(folder)
    pairs = []
    for place, (mos, name) in enumerate(lines):
        scene, distortion, level = re.split("[_.]", name.lower())[:3]
        columns = {"mos": float(mos), "distortion": distortion, "level": int(level)}
        if errors:
            columns["standard_error"] = errors[place]
        pairs.append(
            Pair(
                files(f"reference_images/{scene}.bmp"),
                files(f"distorted_images/{name}"),
                {**columns, "content": scene},
            )
        )
    return DataSet("TID2008" if len(lines) == 1700 else "TID2013", pairs)


def _read_dmos_csv(folder: Path) -> DataSet:
    """KADID-10k, or images of LIVE: both have a `dmos.csv`, with different columns."""
    import pandas as pd

    table = pd.read_csv(folder / "dmos.csv")
    files = _files(folder)
    if {"dist_img", "ref_img", "dmos", "var"} <= set(table.columns):
        return DataSet("KADID-10k", [_kadid_pair(row, files) for row in table.to_dict("records")])
    if {"dist", "ref", "distortion", "dmos_realigned", "dmos_std"} <= set(table.columns):
        return DataSet("LIVE", [_live_pair(row, files) for row in table.to_dict("records")])
    raise ValueError(f"{folder / 'dmos.csv'} has neither KADID-10k's columns nor LIVE's.")


def _kadid_pair(row: Mapping[Any, Any], files: Callable[[str], Path]) -> Pair:
    """Images IRR_TT_LL.png; "dmos" is a MOS from 1 to 5 of 30 ratings, "var" their variance."""
    _, distortion, level = row["dist_img"].split(".")[0].split("_")
    columns = {
        "mos": row["dmos"],
        "std": row["var"] ** 0.5,
        "ratings": 30,
        "distortion": distortion,
        "level": int(level),
        "content": row["ref_img"].split(".")[0],
    }
    return Pair(files(f"images/{row['ref_img']}"), files(f"images/{row['dist_img']}"), columns)


def _live_pair(row: Mapping[Any, Any], files: Callable[[str], Path]) -> Pair:
    """Realigned DMOS; their standard deviations, 2.5 of 100 on average, are of the mean."""
    columns = {
        "dmos": row["dmos_realigned"],
        "standard_error": row["dmos_std"],
        "distortion": row["distortion"],
        "content": Path(row["ref"]).stem,
    }
    return Pair(files(row["ref"]), files(row["dist"]), columns)


# Distortions as CSIQ's table calls them, and as its files do.
CSIQ_TYPES = {
    "noise": "awgn",
    "blur": "blur",
    "contrast": "contrast",
    "fnoise": "fnoise",
    "jpeg": "jpeg",
    "jpeg 2000": "jpeg2000",
}


def _read_csiq_table(folder: Path) -> DataSet:
    """The published workbook: a row an image, below three rows of headings."""
    import pandas as pd

    try:
        table = pd.read_excel(
            folder / "csiq.DMOS.xlsx", "all_by_image", header=3, dtype={"image": "str"}
        )
    except ImportError as error:
        raise ImportError(f"csiq.DMOS.xlsx needs {error.name}: pip install openpyxl") from error
    files = _files(folder)
    pairs = []
    for row in table.to_dict("records"):
        kind = CSIQ_TYPES[str(row["dst_type"]).strip().lower()]
        columns = {"dmos": float(row["dmos"]), "std": float(row["dmos_std"])}
        pairs.append(_csiq_pair(row["image"], kind, int(row["dst_lev"]), columns, files))
    return DataSet("CSIQ", pairs)


def _read_csiq_lines(folder: Path) -> DataSet:
    """A line "1600.AWGN.1.png 0.062" an image."""
    files = _files(folder)
    pairs = []
    for line in (folder / "csiq_label.txt").read_text().split("\n"):
        if line.strip():
            name, dmos = line.split()
            scene, kind, level = name.split(".")[:3]
            pairs.append(_csiq_pair(scene, kind.lower(), int(level), {"dmos": float(dmos)}, files))
    return DataSet("CSIQ", pairs)


def _csiq_pair(
    scene: str, kind: str, level: int, opinion: Mapping[str, float], files: Callable[[str], Path]
) -> Pair:
    """Images dst_imgs/<type>/<scene>.<TYPE>.<level>.png."""
    return Pair(
        files(f"src_imgs/{scene}.png"),
        files(f"dst_imgs/{kind}/{scene}.{kind}.{level}.png"),
        {**opinion, "distortion": kind, "level": level, "content": scene},
    )


LAYOUTS: dict[str, Callable[[Path], DataSet]] = {
    "mos_with_names.txt": _read_tid,
    "dmos.csv": _read_dmos_csv,
    "csiq.DMOS.xlsx": _read_csiq_table,
    "csiq_label.txt": _read_csiq_lines,
}


def _files(folder: Path) -> Callable[[str], Path]:
    """Finds files below a folder whatever their letters' case; what is not there stays as named."""
    by_name = {
        str(path.relative_to(folder)).casefold(): path
        for path in folder.rglob("*")
        if path.is_file()
    }
    return lambda name: by_name.get(name.casefold(), folder / name)


def read_scores(
    path: Path | str,
    *,
    metrics: list[str] | None = None,
    rename: Mapping[str, str] | None = None,
) -> tuple["pd.DataFrame", list[str]]:
    """A table of precomputed scores: opinions, what is known of the images, a column a metric.

    Args:
        path: A .csv, .tsv or .parquet file with the column mos or dmos; others as above.
        metrics: Which columns are metrics. None means all numbers that have no meaning of their
            own.
        rename: Column of the file by the name it should have, such as {"dmos": "dmos_new"}.

    Returns:
        The table, and the names of its metrics.

    Raises:
        ValueError: A column is missing, doubled or no number, or there is no metric.
    """
    import pandas as pd

    path, rename = Path(path), dict(rename or {})
    texts = {given: "str" for name, given in rename.items() if name in LABELS}
    texts |= dict.fromkeys(LABELS, "str")
    if path.suffix.lower() == ".parquet":
        table = pd.read_parquet(path)
    elif path.suffix.lower() in (".csv", ".tsv"):
        separator = "\t" if path.suffix.lower() == ".tsv" else ","
        table = pd.read_csv(path, sep=separator, dtype=texts)
    else:
        raise ValueError(f"{path}: a table of scores must be .csv, .tsv or .parquet.")
    wanted = [*rename.values(), *(metrics or [])]
    if missing := [name for name in wanted if name not in table]:
        raise ValueError(f"{path} has no column {', '.join(missing)}; it has {_listed(table)}.")
    replaced = [name for name in rename if name not in rename.values()]
    table = table.drop(columns=replaced, errors="ignore")
    table = table.rename(columns={given: name for name, given in rename.items()})
    find_opinion(str(path), {str(name): None for name in table})
    if metrics is None:
        known = {*NUMBERS, *LABELS}
        numbers = table.select_dtypes("number").columns
        metrics = [str(name) for name in numbers if name not in known]
    words = [name for name in metrics if not pd.api.types.is_numeric_dtype(table[name])]
    if words or not metrics:
        raise ValueError(f"{path}: {', '.join(words) or 'no column'} holds scores as numbers.")
    return table, metrics


def _listed(table: "pd.DataFrame") -> str:
    return ", ".join(str(name) for name in table)
