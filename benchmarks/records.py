"""Results on disk: one JSON file a benchmark."""

import json
from pathlib import Path
from typing import Any

from jiqa.files import write_text

RESULTS = Path(__file__).parent / "results"


def write(path: Path, record: Any) -> None:
    """Writes a record whole, in a folder that need not be there yet."""
    path.parent.mkdir(exist_ok=True, parents=True)
    write_text(path, json.dumps(record, indent=1) + "\n")
