"""The page of distortions says what the registry says."""

from pathlib import Path

from jiqa.datasets.distortions import find_distortion, list_distortions

DOCS = Path(__file__).parents[3] / "docs"


def test_table_is_up_to_date():
    rows = {}
    for line in (DOCS / "distortions.md").read_text().split("\n"):
        if line.startswith("| `"):
            cells = [cell.strip() for cell in line.strip("|").split(" | ")]
            rows[cells[0].strip("`")] = cells
    assert list(rows) == list_distortions()
    for name, cells in rows.items():
        found = find_distortion(name)
        assert cells[2] == ", ".join(f"{level:.4g}" for level in found.levels)
        assert ("d" in cells[4].split(";")[0].split()) == found.differentiable
        assert ("h" in cells[4].split(";")[0].split()) == found.host_side
        assert ("by severity" in cells[4]) == (not found.monotone)


def test_sheets_are_small():
    sheets = list((DOCS / "distortions").glob("*.jpg"))
    assert {sheet.stem for sheet in sheets} == {"kadid", "tid", "dbcnn", "camera"}
    assert sum(sheet.stat().st_size for sheet in sheets) < 400_000
