"""How commands print: tables, numbers and progress."""

import functools
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec

from rich.console import Console

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

P = ParamSpec("P")


def delayed(function: Callable[P, int]) -> Callable[P, Callable[[], int]]:
    """Gives the call instead of making it: tyro would take its errors for those of arguments."""

    @functools.wraps(function)
    def prepare(*args: P.args, **kwargs: P.kwargs) -> Callable[[], int]:
        return functools.partial(function, *args, **kwargs)

    return prepare


def track(what: str, paths: Sequence[Path]) -> Iterable[Path]:
    """The paths, with a bar on standard error if that is a terminal."""
    from rich.progress import track

    console = Console(stderr=True)
    return track(paths, what, console=console, disable=not console.is_terminal)


@contextmanager
def progress_bar(what: str, unit: str) -> Iterator[Callable[[int, int], None] | None]:
    """A bar with rate and time left on standard error, if that is a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    from rich import progress

    class Rate(progress.ProgressColumn):
        def render(self, task: progress.Task) -> str:
            return f"{task.speed:.1f} {unit}/s" if task.speed else ""

    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        Rate(),
    )
    left = progress.TimeRemainingColumn()
    with progress.Progress(*columns, left, console=console, transient=True) as bar:
        tasks: list[progress.TaskID] = []

        def advance(finished: int, total: int) -> None:
            # What a resumed run had finished before is no progress of this one.
            if not tasks:
                tasks.append(bar.add_task(what, total=total, completed=finished))
            bar.update(tasks[0], completed=finished)

        yield advance


def make_console() -> Console:
    """Standard output; where it is not a terminal, as wide as the text needs."""
    console = Console()
    return console if console.is_terminal else Console(width=10_000)


def make_table(*columns: str) -> "Table":
    """A table with a line below its heads."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def direction(higher_is_better: bool | None, identical: float | str | None) -> str:
    """Where the best score lies."""
    if higher_is_better is None:
        return f"→{float(identical or 0):g}"
    return "↑" if higher_is_better else "↓"


def short_names(paths: "pd.Series") -> list[str]:
    """Paths below the folder that all of them share."""
    parents = [str(Path(path).parent) for path in paths]
    common = os.path.commonpath(parents)
    return [os.path.relpath(path, common) if common else path for path in paths]


def format_numbers(values: "pd.Series", column: "pd.Series") -> list[str]:
    """Numbers with as many decimals as give the largest of the column four digits."""
    sizes = [abs(value) for value in column if math.isfinite(value) and value != 0]
    decimals = min(8, max(0, 4 - math.ceil(math.log10(max(sizes))))) if sizes else 4
    return ["-" if math.isnan(value) else f"{value:.{decimals}f}" for value in values]


def split_names(names: str) -> list[str]:
    """Names between commas, each once."""
    return list(dict.fromkeys(name.strip() for name in names.split(",") if name.strip()))
