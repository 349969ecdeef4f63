"""Observers whose qualities are known."""


def simulate_votes(rng, stimuli=60, observers=24, spread=(0.3, 0.9), bias=0.4):
    """Votes with the scores, biases and inconsistencies that made them."""
    score = rng.uniform(1, 5, stimuli)
    biases = rng.normal(0, bias, observers)
    inconsistency = rng.uniform(*spread, observers)
    noise = rng.normal(size=(stimuli, observers)) * inconsistency
    return score[:, None] + biases + noise, score, biases - biases.mean(), inconsistency
