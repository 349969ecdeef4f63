"""S-CIELAB against its authors' program, its definition, and uniform images."""

import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

import jiqa
from tests import goldens

# Means at 23 and 30 samples per degree by the authors' separableFilters.m, separableConv.m,
# pad4conv.m, resize.m, gauss.m and xyz2lab.m in GNU Octave, called in the order of scielab.m on the
# XYZ and the white of jiqa.core.color. (The package frame-analytics, of goldens.json,
# makes the Gaussians at 30 samples per degree, where "half width less one sample" is another width:
# it is up to a factor of 2.1 off on the astronaut.)
AUTHORS = {
    "astronaut_block": (4.221716846, 4.079846417),
    "astronaut_blur": (4.549312847, 4.234770808),
    "astronaut_colour": (13.461182315, 13.361337997),
    "astronaut_contrast": (18.999077165, 19.228372715),
    "astronaut_jpeg10": (5.402755064, 5.023658487),
    "astronaut_jpeg50": (1.954174130, 1.734512997),
    "astronaut_noise": (3.823980144, 3.223122416),
    "coffee_block": (4.060672503, 3.836336863),
    "coffee_blur": (4.270801600, 3.885638733),
    "coffee_colour": (27.408110762, 27.207788293),
    "coffee_contrast": (23.834353337, 23.840702698),
    "coffee_jpeg10": (5.951723279, 5.453260070),
    "coffee_jpeg50": (2.480715244, 2.129980902),
    "coffee_noise": (4.575387692, 3.810525066),
    "rocket_block": (1.076770564, 1.003685034),
    "rocket_blur": (1.509491052, 1.349157773),
    "rocket_colour": (27.691630220, 27.642655173),
    "rocket_contrast": (9.310088983, 9.279928454),
    "rocket_jpeg10": (4.970244823, 4.700975418),
    "rocket_jpeg50": (1.830260326, 1.667876505),
    "rocket_noise": (4.276176952, 3.546168782),
}


@pytest.mark.parametrize("photograph", goldens.PHOTOGRAPHS)
def test_authors_values(photograph):
    for pair in goldens.pairs_of(photograph):
        reference, distorted = (image / 255 for image in goldens.pair_images(pair))
        for samples, expected in zip((23.0, 30.0), AUTHORS[pair], strict=True):
            score = jiqa.s_cielab(reference, distorted, samples_per_degree=samples)
            # xyz2lab.m has 7.787 and 903.3 where L*a*b* has 841 / 108 and 24389 / 27.
            assert_allclose(score, expected, rtol=1e-6, err_msg=pair)


def slow_windows(samples, gaussians):
    """Gaussians at a multiple of the resolution, to which images are interpolated and back."""
    multiple = int(np.ceil(224 / samples))
    count = int(np.ceil(samples * multiple / 2)) * 2 - 1
    x = np.arange(count) - count // 2
    for half_width, weight in gaussians:
        window = 0.5 ** ((2 * x / (half_width * samples * multiple - 1)) ** 2)
        window /= window.sum()
        taps = range(-(count // 2 // multiple), count // 2 // multiple + 1)
        interpolated = [
            sum(window * np.maximum(0, 1 - abs(x - tap * multiple) / multiple)) for tap in taps
        ]
        yield weight, np.array(interpolated)


def slow_blur(plane, samples, gaussians):
    total = np.zeros_like(plane)
    for weight, window in slow_windows(samples, gaussians):
        reach = len(window) // 2
        part = plane
        for _ in range(2):  # along either axis
            length = part.shape[0]
            seen = reach if len(window) < length else length // 2
            extended = np.pad(part, ((seen, seen), (0, 0)), mode="symmetric")
            extended = np.pad(extended, ((reach - seen, reach - seen), (0, 0)))
            rows = [sum(window[:, None] * extended[i : i + len(window)]) for i in range(length)]
            part = np.array(rows).T
        total += weight * part
    return total


@pytest.mark.parametrize(
    ("samples", "difference"), [(30.0, "cie76"), (9.5, "cie94"), (9.5, "ciede2000")]
)
def test_definition_also_on_images_smaller_than_the_window(samples, difference, rng):
    images = rng.random((2, 15, 34, 3))
    to_xyz = np.array(
        [
            [0.412453, 0.35758, 0.180423],
            [0.212671, 0.71516, 0.072169],
            [0.019334, 0.119193, 0.950227],
        ]
    )
    to_opponent = np.array(
        [
            [278.7336, 721.8031, -106.552],
            [-448.7736, 289.8056, 77.1569],
            [85.9513, -589.9859, 501.1089],
        ]
    )
    gaussians = [
        [(0.05, 1.00327), (0.225, 0.114416), (7.0, -0.117686)],
        [(0.0685, 0.616725), (0.826, 0.383275)],
        [(0.092, 0.567885), (0.6451, 0.432115)],
    ]
    labs = []
    for image in images:
        linear = np.where(image <= 0.04045, image / 12.92, ((image + 0.055) / 1.055) ** 2.4)
        opponent = linear @ (to_opponent @ to_xyz).T
        blurred = [slow_blur(opponent[..., i], samples, gaussians[i]) for i in range(3)]
        ratio = np.stack(blurred, -1) @ np.linalg.inv(to_opponent).T / [0.95047, 1, 1.08883]
        curve = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio * 841 / 108 + 4 / 29)
        x, y, z = np.moveaxis(curve, -1, 0)
        labs.append(np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -1))
    expected = np.asarray(getattr(jiqa, f"delta_e_{difference}")(*labs))
    options = {"samples_per_degree": samples, "difference": difference}
    assert_allclose(jiqa.s_cielab_map(*images, **options), expected, rtol=1e-8)
    assert_allclose(jiqa.s_cielab(*images, **options), expected.mean(), rtol=1e-8)


def test_uniform_images_differ_as_their_colours(rng):
    """At 224 samples per degree the windows sum to one; they are wide, so in float32."""
    first, second = (np.full((226, 224, 3), rng.random(3), np.float32) for _ in range(2))
    found = jiqa.s_cielab_map(first, second, samples_per_degree=224.0)
    assert_allclose(found, np.full((226, 224), jiqa.cie76(first, second)), rtol=1e-4)


def test_fine_patterns_vanish_from_afar():
    board = np.float32(np.indices((48, 48)).sum(0) % 2)[..., None]
    near, far = (
        jiqa.s_cielab(board, 1 - board, samples_per_degree=samples) for samples in (12.0, 120.0)
    )
    assert far < 1 < near


def test_gray_counts_as_neutral_colour(rng):
    gray = rng.random((2, 24, 25, 1))
    assert_allclose(jiqa.s_cielab(*gray), jiqa.s_cielab(*np.repeat(gray, 3, -1)), rtol=1e-12)


def test_bad_options_are_clear_errors():
    image = jnp.ones((24, 24, 3))
    with pytest.raises(ValueError, match=r"difference='cmc' is unknown.*ciede2000"):
        jiqa.s_cielab(image, image, difference="cmc")
    with pytest.raises(ValueError, match="must be at least 3"):
        jiqa.s_cielab(image, image, samples_per_degree=1.0)
