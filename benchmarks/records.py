"""Results on disk: one JSON file a benchmark."""

import json
from pathlib import Path
from typing import Any

from jiqa.files import write_whole

RESULTS = Path(__file__).parent / "results"


def write(path: Path, record: Any) -> None:
    """Writes a record whole, in a folder that need not be there yet."""
    path.parent.mkdir(exist_ok=True, parents=True)
    with write_whole(path) as file:
        file.write((json.dumps(record, indent=1) + "\n").encode())
