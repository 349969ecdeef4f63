"""What training tells: lines of JSON, and TensorBoard's files."""

import json
from collections.abc import Mapping
from pathlib import Path

from jiqa.files import write_text

LINES = "log.jsonl"


class Log:
    """Numbers by step, in `log.jsonl` and for TensorBoard.

    A run that goes on from a checkpoint first drops what was logged after it.
    """

    def __init__(self, folder: Path, step: int) -> None:
        """Opens the logs of a run in a folder, to go on after a step."""
        from tensorboardX import SummaryWriter

        path = folder / LINES
        kept = [line for line in read_lines(path) if line["step"] <= step]
        write_text(path, "".join(json.dumps(line) + "\n" for line in kept))
        self._lines = path.open("a")
        self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)

    def write(self, step: int, stage: str, values: Mapping[str, float]) -> None:
        """Adds numbers of a step."""
        self._lines.write(json.dumps({"step": step, "stage": stage, **values}) + "\n")
        self._lines.flush()
        for name, value in values.items():
            self._board.add_scalar(f"{stage}/{name}", value, step)

    def close(self) -> None:
        """Writes what is not written yet."""
        self._lines.close()
        self._board.close()


def read_lines(path: Path) -> list[dict]:
    """The lines of a log; one that a kill cut off is left out.

    Args:
        path: `log.jsonl`, which may not be there yet.
    """
    if not path.is_file():
        return []
    lines = path.read_text().splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]
