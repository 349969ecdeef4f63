"""The package as a whole: it loads lazily, and its README is up to date."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def run(code):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout


def test_import_loads_nothing_heavy():
    heavy = {"jax", "numpy", "pandas", "PIL", "scipy", "matplotlib"}
    loaded = run("import sys, jiqa; print(' '.join(sys.modules))").split()
    assert not heavy & set(loaded)


def test_first_metric_loads_neither_files_nor_tables():
    loaded = run("import sys, jiqa; jiqa.ssim; print(' '.join(sys.modules))").split()
    assert "jax" in loaded
    assert not {"pandas", "PIL", "matplotlib", "jiqa.images", "jiqa.scoring"} & set(loaded)


def test_tables_in_the_documentation_are_up_to_date():
    # In a process of its own, as other tests register metrics.
    code = (
        "import sys; sys.path.insert(0, 'docs'); import update_tables\n"
        "for path, text in update_tables.texts().items():\n"
        "    if path.read_text('utf-8') != text:\n"
        "        print(path.name, end=' ')"
    )
    assert not run(code), "run: python docs/update_tables.py"
