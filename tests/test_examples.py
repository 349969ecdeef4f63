"""The examples run, on small images and for few steps."""

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.mark.parametrize("loss", ["ssim=1", "lpips_alex=1,mse=2"])
def test_reconstruction_from_noise_descends_and_shows_it(loss, tmp_path, monkeypatch, capsys):
    rows, columns = np.mgrid[:60, :70]
    photo = np.stack([4 * rows, 3 * columns, 2 * (rows + columns) % 256], -1).astype(np.uint8)
    Image.fromarray(photo).save(tmp_path / "photo.png")
    output = tmp_path / "reconstructed.png"
    arguments = [tmp_path / "photo.png", "--loss", loss, "--side", 40, "--steps", 20]
    monkeypatch.setattr(
        sys, "argv", ["reconstruct.py", *map(str, arguments), "--output", str(output)]
    )
    runpy.run_path(str(EXAMPLES / "reconstruct.py"), run_name="__main__")
    printed = capsys.readouterr().out
    losses = [float(line.split()[-1]) for line in printed.splitlines() if line.startswith("step")]
    assert losses[-1] < 0.8 * losses[0]
    assert Image.open(output).size == (120, 40)
