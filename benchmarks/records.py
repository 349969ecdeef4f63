"""Results on disk: one JSON file a benchmark."""

import json
import os
from pathlib import Path
from typing import Any

from jiqa.files import write_text

RESULTS = Path(__file__).parent / "results"


def machine() -> dict[str, Any]:
    """How many cores there are, and how busy they were."""
    return {"cores": os.cpu_count(), "load": os.getloadavg()[0]}


def write(path: Path, record: Any) -> None:
    """Writes a record whole, in a folder that need not be there yet."""
    path.parent.mkdir(exist_ok=True, parents=True)
    write_text(path, json.dumps(record, indent=1) + "\n")
