"""Networks that learn quality from rated images, in Flax: one file a published network.

A `Model` is a network with its parameters.

    from jiqa.networks import Model

    model = Model.create("cnniqa")  # or Model.load("cnniqa.safetensors")
    model(images)["score"]
"""

try:
    from jiqa.networks.network import (
        Model,
        count_parameters,
        find_network,
        list_networks,
        network,
        read_about,
    )
except ModuleNotFoundError as error:
    raise ImportError(f"networks need {error.name}: pip install 'jiqa[networks]'.") from error

__all__ = ["Model", "count_parameters", "find_network", "list_networks", "network", "read_about"]
