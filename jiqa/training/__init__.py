"""Training of networks: losses, a trainer that resumes exactly, checkpoints.

    from jiqa.training import Data, train

    model = train(recipe(Data.open("generated")), "run")

Recipes, one a network, are plain files in the folder `configs`.
"""

try:
    from jiqa.training.data import Data
    from jiqa.training.recipe import Recipe, Stage
    from jiqa.training.trainer import train
except ModuleNotFoundError as error:
    raise ImportError(f"training needs {error.name}: pip install 'jiqa[train]'.") from error

__all__ = ["Data", "Recipe", "Stage", "train"]
