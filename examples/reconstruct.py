"""Reconstructs a photograph from noise by gradient descent on a mix of metrics.

    pip install '.[examples]'
    python examples/reconstruct.py photo.png --loss lpips_vgg=1,ssim=0.5 --output reconstructed.png

What a metric does not see, it does not restore: the picture shows what a loss is blind to. The
parameters of learned metrics are arguments of the compiled step, and stay as they are: the gradient
is taken with respect to the image alone.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np
import optax
import tyro
from rich.console import Console
from rich.progress import track

import jiqa
from jiqa.images import read_image, write_png


@dataclass(frozen=True)
class Options:
    """What to reconstruct, by which losses, for how long."""

    photo: tyro.conf.Positional[Path]
    loss: str = "lpips_alex=1,ssim=0.5"
    """Metrics with their weights; each counts as its loss (`jiqa.as_loss`)."""
    side: int = 192
    """Of the middle of the photograph that is used, in pixels."""
    steps: int = 400
    learning_rate: Annotated[float, tyro.conf.arg(help="Of Adam, falling to 0 as a cosine.")] = 0.05
    seed: int = 0
    output: Path = Path("reconstructed.png")
    """The photograph, the noise and the result, side by side."""


def parse_mix(text: str) -> list[tuple[jiqa.Metric, float]]:
    """Metrics, with their parameters, and weights of a text such as "lpips_alex=1,ssim=0.5"."""
    pairs = (part.split("=") for part in text.split(","))
    return [(jiqa.load(name.strip()), float(weight)) for name, weight in pairs]


def reconstruct(photo: np.ndarray, options: Options) -> tuple[np.ndarray, np.ndarray, list[float]]:
    """Descends from noise; the noise, the result and the loss at each step.

    Pixels are a logistic function of what is optimised, so that they stay in [0, 1].
    """
    mix = parse_mix(options.loss)
    optimizer = optax.adam(optax.cosine_decay_schedule(options.learning_rate, options.steps))

    def objective(logits, mix, photo):
        image = jax.nn.sigmoid(logits)
        return sum(weight * jiqa.as_loss(metric)(photo, image) for metric, weight in mix)

    @jax.jit
    def step(logits, state, mix, photo):
        loss, gradient = jax.value_and_grad(objective)(logits, mix, photo)
        updates, state = optimizer.update(gradient, state)
        return optax.apply_updates(logits, updates), state, loss

    noise = 0.5 * jax.random.normal(jax.random.key(options.seed), photo.shape, photo.dtype)
    logits, state, losses = noise, optimizer.init(noise), []
    for _ in track(range(options.steps), "descending", console=Console(stderr=True)):
        logits, state, loss = step(logits, state, mix, photo)
        losses.append(loss)
    values = [float(loss) for loss in losses]
    return np.asarray(jax.nn.sigmoid(noise)), np.asarray(jax.nn.sigmoid(logits)), values


def main(options: Options) -> None:
    """Reconstructs, prints how loss and PSNR went, writes the picture."""
    image = read_image(options.photo)
    top, left = ((length - options.side) // 2 for length in image.shape[:2])
    if min(top, left) < 0:
        raise SystemExit(f"{options.photo} is smaller than --side {options.side}.")
    photo = image[top : top + options.side, left : left + options.side].astype(np.float32)
    photo /= np.iinfo(image.dtype).max
    noise, result, losses = reconstruct(photo, options)
    for number in np.linspace(0, options.steps - 1, 6).astype(int):
        print(f"step {number:5d}: loss {losses[number]:.5f}")
    for name, image in (("noise", noise), ("result", result)):
        psnr = float(jiqa.psnr(jnp.asarray(photo), jnp.asarray(image)))
        ssim = float(jiqa.ssim(jnp.asarray(photo), jnp.asarray(image)))
        print(f"{name:6}: PSNR {psnr:.2f} dB, SSIM {ssim:.4f}")
    if not math.isfinite(losses[-1]):
        raise SystemExit("the loss is not finite.")
    sheet = np.concatenate([photo, noise, result], axis=1)
    write_png(options.output, (255 * sheet).round().astype(np.uint8))
    print(f"The picture is {options.output}.")


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__.splitlines()[0]))
