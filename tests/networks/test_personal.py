"""What each observer would say."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jiqa.networks import Model, count_parameters
from jiqa.networks.personal import prior_of, vote_loss
from tests.networks.multi_task import photographs, train
from tests.networks.pairs import check_gradients, check_predictions

SMALL = {"width": 2, "hidden": 8, "observers": 3, "coordinates": 2}


def test_network_predicts_everybody(rng):
    model = Model.create("personal_cnn", **SMALL)
    images = photographs(rng, 2, 40, 33, 1)
    shapes = {"score": (2,), "observers": (2, 3), "deviation": (2,), "basis": (2, 4)}
    check_predictions(model, (images,), shapes)
    found = model(images)
    # Nobody differs before training.
    np.testing.assert_allclose(found["observers"], found["score"][:, None].repeat(3, 1))
    color = model(images.repeat(3, -1))
    np.testing.assert_allclose(color["score"], found["score"], rtol=1e-6)
    with pytest.raises(ValueError, match="at least 32"):
        model(images[:, :31])


def test_an_observer_costs_a_weight_for_each_coordinate_and_three_numbers_more():
    one, two = (count_parameters("personal_cnn", observers=n, coordinates=5) for n in (1, 2))
    assert two - one == 5 + 3


def test_coordinates_are_learned_from_votes(rng):
    """Observers who disagree about colour are told apart."""
    images = jnp.asarray(rng.random((8, 1, 1, 3)) * np.ones((8, 32, 32, 3)), jnp.float32)
    taste = jnp.asarray([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]], jnp.float32)
    votes = (images[:, 0, 0, :2] @ taste.T).at[0, 0].set(jnp.nan)
    model = Model.create("personal_cnn", **SMALL | {"width": 4, "hidden": 32}, dropout=0.0)

    def loss(network, batch, rngs):
        return vote_loss(network, network(batch["distorted"], rngs=rngs), votes), {}

    batch = {"distorted": images}
    trained, losses = train(model, loss, batch, steps=120, learning_rate=1e-2)
    assert losses[-1] < losses[0] - 1
    found = trained(images)["observers"]
    errors = jnp.where(jnp.isnan(votes), 0, found - votes)
    assert jnp.sqrt((errors**2).mean()) < 0.35 * jnp.nanstd(votes)


def test_gradients_of_black_images_are_finite():
    check_gradients(Model.create("personal_cnn", **SMALL), jnp.zeros((2, 32, 32, 3), jnp.float32))


def test_gradients_are_finite_where_somebody_or_nobody_voted():
    network = Model.create("personal_cnn", **SMALL).merge()
    votes = jnp.array([[0.5, jnp.nan, 0.1], [jnp.nan, jnp.nan, jnp.nan]])
    prediction = network(jnp.zeros((2, 32, 32, 3)))
    gradients = jax.grad(lambda prediction: vote_loss(network, prediction, votes))(prediction)
    assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(gradients))


def test_prior_of_a_model_is_that_of_its_observers():
    prior = prior_of(Model.create("personal_cnn", **SMALL))
    np.testing.assert_allclose(prior.mean, [0, 1, 0, 0])
    np.testing.assert_allclose(prior.covariance, 0)
    assert float(prior.noise) == pytest.approx(0.101)
