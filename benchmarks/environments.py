"""Virtual environments for what is compared with or compiled for, never part of the package."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

PROJECT = Path(__file__).parent.parent


def prepare(name: str, requirements: Path, *options: str, also: Sequence[str] = ()) -> Path:
    """The Python of the environment `.venv-NAME`, made or brought up to date first.

    Args:
        name: Ends the folder's name.
        requirements: A file for pip; the environment is made anew when its text changes.
        *options: Options of pip for the requirements.
        also: Further packages, with what they depend on.

    Returns:
        The path of the interpreter.
    """
    folder = PROJECT / f".venv-{name}"
    python, stamp = folder / "bin" / "python", folder / "installed.txt"
    if stamp.exists() and stamp.read_text() == requirements.read_text():
        return python
    print(f"installing {requirements.name} into {folder.name}, some gigabytes")
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
    install = [str(python), "-m", "pip", "install", "--quiet"]
    subprocess.run([*install, *options, "-r", str(requirements)], check=True)
    if also:
        subprocess.run([*install, *also], check=True)
    stamp.write_text(requirements.read_text())
    return python
