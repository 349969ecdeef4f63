"""The commands `jiqa train` and `jiqa import-network`."""

import json
import sys
from pathlib import Path
from typing import Annotated

import tyro

from jiqa.cli.terminal import progress_bar
from jiqa.files import write_text


def train(
    config: Annotated[Path, tyro.conf.Positional],
    data: Annotated[Path, tyro.conf.Positional],
    run: Annotated[Path, tyro.conf.Positional],
    settings: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME=VALUE")] = (),
    /,
    *,
    checkpoint_every: int = 500,
    log_every: int = 20,
) -> int:
    """Train a network as a config says, or go on with a run that was interrupted.

    Args:
        config: A file such as configs/cnniqa.py.
        data: A prepared or generated data set; see jiqa datasets.
        run: The folder of the run. Called again with the same arguments, it goes on.
        settings: Of the config, such as quick=True epochs=10.
        checkpoint_every: Steps between checkpoints.
        log_every: Steps between lines of the log.
    """
    from jiqa.networks import count_parameters
    from jiqa.scoring import use_compilation_cache
    from jiqa.training import Data
    from jiqa.training import train as run_recipe
    from jiqa.training.configs import load_config, parse_settings
    from jiqa.training.trainer import RESULT
    from jiqa.training.validation import agreement, predict

    recipe_of = load_config(config)
    chosen = parse_settings(recipe_of, settings)
    parts = Data.open(data)
    recipe = recipe_of(parts, **chosen)
    count = count_parameters(recipe.network, **recipe.options)
    print(f"{recipe.network}: {count:,} parameters, {recipe.steps:,} steps")
    use_compilation_cache()
    try:
        with progress_bar("training", "steps") as progress:
            model = run_recipe(
                recipe,
                run,
                checkpoint_every=checkpoint_every,
                log_every=log_every,
                progress=progress,
            )
    except KeyboardInterrupt:
        print(f"jiqa: interrupted; the same command goes on with {run}.", file=sys.stderr)
        raise
    if len(parts.test):
        found = agreement(predict(model, parts.test), higher_is_better=model.higher_is_better)
        print("test " + ", ".join(f"{name} {value:.4f}" for name, value in found.items()))
        write_text(run / "test.json", json.dumps(found))
    print(f"The model is {run / RESULT}: jiqa score IMAGES --model {run / RESULT}")
    return 0


def import_network(
    file: Annotated[Path, tyro.conf.Positional],
    source: Annotated[str, tyro.conf.Positional],
    model: Annotated[Path, tyro.conf.Positional],
    *,
    higher_is_better: bool | None = None,
) -> int:
    """Convert a network that others have trained. Nothing in its file is executed.

    Args:
        file: A checkpoint of PyTorch or Chainer.
        source: Which implementation it is of, such as cnniqa_lidq92; a wrong one lists them.
        model: The file to write, such as cnniqa.safetensors.
        higher_is_better: Polarity of what it was trained on, if that differs among its checkpoints.
    """
    from jiqa.files import check_output
    from jiqa.networks.importers import SOURCES
    from jiqa.networks.importers import import_network as read_network
    from jiqa.scoring import NETWORK_SUFFIX

    check_output(model, [NETWORK_SUFFIX])
    found = read_network(file, source, higher_is_better=higher_is_better)
    found.save(model, {"source": source, "origin": SOURCES[source].origin})
    print(f"The model is {model}: jiqa score IMAGES --model {model}")
    return 0
