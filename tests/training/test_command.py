"""`jiqa train`: from photographs to a model that scores files."""

import json

import pytest

from jiqa.cli import main
from jiqa.datasets.generator import Plan, generate
from jiqa.images import read_image, write_png

CONFIG = """
import optax

from jiqa.datasets.pipelines import Loading, patches
from jiqa.training import Recipe, Stage
from jiqa.training.losses import mae


def loss(network, batch, rngs):
    return mae(network(batch["distorted"], rngs=rngs)["patches"], batch["score"]), {}


def recipe(data, *, steps=3):
    batches = patches(data.train, Loading(batch_size=8), count=1, scale=data.scale)
    stage = Stage(name="fit", loss=loss, batches=batches, optimizer=optax.adam(1e-3), steps=steps)
    return Recipe(
        network="cnniqa",
        options={"filters": 4},
        stages=(stage,),
        validation=data.validation,
    )
"""


@pytest.fixture(scope="module")
def data(shared_data, tmp_path_factory):
    """Five photographs of 96 x 64 pixels, and noise."""
    folder = tmp_path_factory.mktemp("photographs")
    for number in range(1, 6):
        image = read_image(shared_data / f"data/pristine_kodak/{number}.png")
        image = image if image.shape[0] < image.shape[1] else image.swapaxes(0, 1)
        write_png(folder / f"{number}.png", image[::8, ::8])
    plan = Plan(distortions=("kadid_white_noise",), metrics=("gmsd",), crop=(48, 64))
    return folder, generate(folder, folder.parent / "set", plan)


def test_training_from_the_command_line(data, tmp_path, capsys):
    photographs, folder = data
    config = tmp_path / "config.py"
    config.write_text(CONFIG)
    run = tmp_path / "run"
    command = ["train", str(config), str(folder), str(run), "steps=5", "--log-every", "2"]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert "5 steps" in printed
    assert "test srocc" in printed
    assert set(json.loads((run / "test.json").read_text())) == {"srocc", "krocc", "plcc"}
    model = str(run / "model.safetensors")
    assert main(["score", str(photographs), "--model", model]) == 0
    assert "1.png" in capsys.readouterr().out
    assert main([*command[:4], "steps=6"]) == 2
    assert "run of another recipe" in capsys.readouterr().err
    assert main([*command[:4], "epochs=6"]) == 2
    assert "'epochs=6' is no setting" in capsys.readouterr().err


def test_published_networks_become_models(shared_data, tmp_path, capsys):
    weights = shared_data / "data/weights/cnniqa/CNNIQA-LIVE.pth"
    image = shared_data / "data/tid2013_calibration/dist/i03_01_1.png"
    model = str(tmp_path / "cnniqa.safetensors")
    assert main(["import-network", str(weights), "cnniqa_lidq92", model]) == 0
    assert main(["score", str(image), "--model", model]) == 0
    assert "18.13" in capsys.readouterr().out
    assert main(["import-network", str(weights), "cnniqa", model]) == 2
    assert "did you mean cnniqa_lidq92" in capsys.readouterr().err
    assert main(["import-network", str(weights), "cnniqa_lidq92", "cnniqa.pth"]) == 2
    assert "the suffix must be .safetensors" in capsys.readouterr().err
