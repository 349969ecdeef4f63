"""Batches: what is in them, that a step is always the same batch, and that shares are disjoint."""

import json

import numpy as np
import pandas as pd
import pytest

from jiqa.datasets.builders import Prepared, prepare
from jiqa.datasets.generator import Plan, generate
from jiqa.datasets.pipelines import (
    Loading,
    Scale,
    cover,
    list_types,
    multi_task,
    pairs,
    patches,
    rank,
    ranking,
    read_labels,
)
from jiqa.images import read_image, write_png
from tests.datasets.fakes import make_kadid

PIPELINES = {
    "pairs": lambda source, loading: pairs(source, loading, crop=24),
    "patches": lambda source, loading: patches(source, loading, size=8, count=3),
    "multi_task": lambda source, loading: multi_task(source, loading, crop=(16, 24)),
    "ranking": lambda source, loading: ranking(source, loading, crop=24),
}


@pytest.fixture(scope="module")
def source(shared_data, tmp_path_factory):
    """Three photographs of 40 x 48 pixels, distorted in two ways at three levels: 18 images."""
    folder = tmp_path_factory.mktemp("photographs")
    for number in range(1, 4):
        image = read_image(shared_data / f"data/pristine_kodak/{number}.png")
        write_png(folder / f"{number}.png", image[200:240, 200:248])
    plan = Plan(
        distortions=("kadid_mean_shift", "kadid_impulse_noise"),
        levels=(2, 3, 5),
        metrics=("gmsd", "psnr_y"),
        crop=None,
        parts=(1, 0, 0),
    )
    return Prepared(generate(folder, tmp_path_factory.mktemp("set"), plan))


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A prepared published set: ten images of 12 x 16 pixels."""
    folder = tmp_path_factory.mktemp("kadid")
    make_kadid(folder / "kadid")
    return Prepared(prepare("kadid10k", folder / "kadid", folder / "out", partial=True))


def numbered(count, shape=(4, 6)):
    """Items whose images say their number: pixels count up from it."""
    return [
        {
            "name": str(number),
            "content": str(number // 4),
            "distortion": "ab"[number % 2],
            "level": float(number % 4 // 2),
            "score": float(number),
            "higher_is_better": True,
            "reference": (number + np.arange(np.prod(shape))).astype(np.uint8).reshape(*shape, 1),
            "distorted": (number + np.arange(np.prod(shape))).astype(np.uint8).reshape(*shape, 1),
        }
        for number in range(count)
    ]


def equal(first, second):
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])


def test_pairs(source):
    batch = next(pairs(source, Loading(batch_size=18, shuffle=False), mirror=False))
    assert batch["reference"].shape == batch["distorted"].shape == (18, 40, 48, 3)
    assert batch["score"].dtype == batch["reference"].dtype == np.float32
    for place, item in enumerate(source):
        for name in ("reference", "distorted"):
            np.testing.assert_array_equal(batch[name][place], item[name] / np.float32(255))
        assert batch["score"][place] == item["score"]


def test_pixels_as_stored(source):
    batches = pairs(source, Loading(batch_size=2, shuffle=False, pixels="uint8"), mirror=False)
    np.testing.assert_array_equal(next(batches)["distorted"][1], source[1]["distorted"])
    deep = [{**item, "distorted": item["distorted"].astype(np.uint16)} for item in numbered(2)]
    with pytest.raises(ValueError, match="0: an image is uint16; ask for pixels='float32'"):
        next(multi_task(deep, Loading(batch_size=1, shuffle=False, pixels="uint8")))
    batch = next(multi_task(deep, Loading(batch_size=2, shuffle=False), mirror=False))
    np.testing.assert_array_equal(batch["distorted"][1], deep[1]["distorted"] / np.float32(65535))


def test_crops_and_mirroring_are_shared():
    """Reference and distorted stay aligned, all places and both sides occur, no pixel changes."""
    loading = Loading(batch_size=1, pixels="uint8")
    batches = pairs(numbered(4), loading, crop=(2, 3))
    whole = {name: item["distorted"] for item in numbered(4) for name in [float(item["score"])]}
    seen = set()
    for _ in range(300):
        batch = next(batches)
        np.testing.assert_array_equal(batch["reference"], batch["distorted"])
        patch = batch["distorted"][0]
        mirrored = patch[0, 0, 0] > patch[0, -1, 0]
        patch = patch[:, ::-1] if mirrored else patch
        image = whole[float(batch["score"][0])]
        top, left = np.argwhere(image[..., 0] == patch[0, 0, 0])[0]
        np.testing.assert_array_equal(image[top : top + 2, left : left + 3], patch)
        seen.add((top, left, mirrored))
    assert len(seen) == 3 * 4 * 2


def test_patches(source):
    batch = next(patches(source, Loading(batch_size=4), size=8, count=5))
    assert batch["reference"].shape == batch["distorted"].shape == (4, 5, 8, 8, 3)
    assert batch["score"].shape == (4,)
    aligned = numbered(4)
    batch = next(patches(aligned, Loading(batch_size=4, pixels="uint8"), size=2, count=9))
    np.testing.assert_array_equal(batch["reference"], batch["distorted"])
    assert len({patch.tobytes() for patch in batch["distorted"][0]}) > 1


def test_covering_patches(source):
    loading = Loading(batch_size=2, shuffle=False, pixels="uint8")
    batch = next(patches(source, loading, size=32, count=None))
    assert batch["distorted"].shape == (2, 4, 32, 32, 3)
    np.testing.assert_array_equal(batch["distorted"][1], cover(source[1]["distorted"], 32))


def test_cover():
    image = np.arange(7 * 9 * 2).reshape(7, 9, 2)
    found = cover(image, 4)
    assert found.shape == (6, 4, 4, 2)
    assert set(found.flat) == set(image.flat)
    np.testing.assert_array_equal(found[-1], image[-4:, -4:])
    np.testing.assert_array_equal(cover(image[:4, :4], 4), image[None, :4, :4])
    with pytest.raises(ValueError, match="7 x 9 pixels, less than 8 x 8"):
        cover(image, 8)


def test_multi_task(source):
    loading = Loading(batch_size=18, shuffle=False)
    batch = next(multi_task(source, loading, types=["kadid_mean_shift", "kadid_impulse_noise"]))
    assert batch.keys() == {"distorted", "score", "distortion", "level"}
    names = ["kadid_mean_shift", "kadid_impulse_noise"]
    for place, item in enumerate(source):
        assert names[batch["distortion"][place]] == item["distortion"]
        assert batch["level"][place] == item["level"]
    assert list_types(source) == sorted(names)
    both = next(multi_task(source, loading, references=True, mirror=False))
    np.testing.assert_array_equal(both["reference"][3], source[3]["reference"] / np.float32(255))
    told = next(multi_task(source, loading, labels=lambda item: {"length": len(item["name"])}))
    assert told["length"].tolist() == [len(item["name"]) for item in source]
    other = next(multi_task(source, loading))
    np.testing.assert_array_equal(other["distortion"], 1 - batch["distortion"])
    with pytest.raises(ValueError, match="types lacks kadid_impulse_noise"):
        multi_task(source, types=["kadid_mean_shift"])


def test_ranking_by_level(source):
    """Noise by its variance, mean shift by its distance from none."""
    ranked = rank(read_labels(source))
    assert len(ranked) == 3 * 2 * 3
    for better, worse in ranked.tolist():
        first, second = source[better], source[worse]
        assert first["content"] == second["content"]
        assert first["distortion"] == second["distortion"]
        assert first["level"] < second["level"]
        errors = [np.mean((x["distorted"] - 1.0 * x["reference"]) ** 2) for x in (first, second)]
        assert errors[0] < errors[1]


def test_ranking_by_score(source):
    """GMSD, of which less is better."""
    ranked = rank(read_labels(source), by="score", margin=0.01)
    scores = [(source[better]["score"], source[worse]["score"]) for better, worse in ranked]
    assert all(better + 0.01 < worse for better, worse in scores)
    kinds = {source[i]["distortion"] == source[j]["distortion"] for i, j in ranked}
    assert kinds == {True, False}
    assert 0 < len(ranked) < len(rank(read_labels(source), by="score"))
    upwards = read_labels(numbered(8))
    assert rank(upwards, by="score", margin=2.5).tolist() == [[3, 0], [7, 4]]
    with pytest.raises(ValueError, match="no two images of an original can be ranked by score"):
        rank(upwards, by="score", margin=3)
    with pytest.raises(ValueError, match="by='size'; give 'level' or 'score'"):
        rank(upwards, by="size")


def test_ranking_batches():
    items = numbered(16)
    batches = ranking(items, Loading(batch_size=8, pixels="uint8"), mirror=False)
    seen = []
    for _ in range(20):
        batch = next(batches)
        first, second = (batch[name][:, 0, 0, 0].astype(int) for name in ("first", "second"))
        np.testing.assert_array_equal(batch["preference"], first < second)
        seen += batch["preference"].tolist()
    assert 0.3 < np.mean(seen) < 0.7


def test_preferences():
    items = [
        {
            "name": str(place),
            "score": 0.9,
            "first": np.full((2, 2, 1), 10, np.uint8),
            "second": np.full((2, 2, 1), 20, np.uint8),
        }
        for place in range(8)
    ]
    batch = next(ranking(items, Loading(batch_size=8, pixels="uint8"), by="preference"))
    of_first = np.where(batch["first"][:, 0, 0, 0] == 10, np.float32(0.9), np.float32(0.1))
    np.testing.assert_allclose(batch["preference"], of_first, atol=1e-7)
    assert len(set(of_first)) == 2


@pytest.mark.parametrize("name", PIPELINES)
def test_a_step_is_always_the_same_batch(source, name):
    """Alone, in a stream of any number of threads, and after a state that went through JSON."""
    make = PIPELINES[name]
    stream = make(source, Loading(batch_size=4, seed=3, threads=3))
    batches = [next(stream) for _ in range(9)]
    state = None
    resumed = make(source, Loading(batch_size=4, seed=3, threads=1, ahead=1))
    for step in (0, 5, 8):
        equal(batches[step], stream.dataset[step])
        resumed.set_state({**resumed.get_state(), "step": step})
        equal(batches[step], next(resumed))
        if step == 5:
            state = json.dumps(resumed.get_state())
    resumed.set_state(json.loads(state))
    for step in (6, 7, 8):
        equal(batches[step], next(resumed))
    other = make(source, Loading(batch_size=4, seed=4))
    assert any((next(other)[key] != batches[0][key]).any() for key in batches[0])


@pytest.mark.slow
def test_worker_processes_change_nothing(source):
    """Nor does going on with another number of them."""
    stream = pairs(source, Loading(batch_size=4, seed=3), crop=24)
    batches = [next(stream) for _ in range(6)]
    workers = pairs(source, Loading(batch_size=4, seed=3, workers=2), crop=24)
    for batch in batches[:3]:
        equal(batch, next(workers))
    state = workers.get_state()
    del workers
    resumed = pairs(source, Loading(batch_size=4, seed=3), crop=24)
    resumed.set_state(state)
    for batch in batches[3:]:
        equal(batch, next(resumed))


def test_an_epoch_has_all_and_the_next_another_order():
    loading = Loading(batch_size=5, epochs=2)
    seen = np.concatenate([batch["score"] for batch in pairs(numbered(10), loading)])
    assert sorted(seen[:10]) == sorted(seen[10:]) == list(range(10))
    assert (seen[:10] != seen[10:]).any()


def test_the_rest():
    loading = {"batch_size": 4, "epochs": 1}
    sizes = [len(batch["score"]) for batch in pairs(numbered(10), Loading(**loading))]
    assert sizes == [4, 4]
    found = list(pairs(numbered(10), Loading(**loading, drop_rest=False, shuffle=False)))
    assert np.concatenate([batch["score"] for batch in found]).tolist() == list(range(10))


@pytest.mark.parametrize("drop_rest", [True, False])
def test_processes_share_an_epoch(drop_rest):
    """In every epoch no two see the same, together all but what is dropped."""
    shares = []
    for index in range(3):
        loading = Loading(
            batch_size=1, epochs=2, process_index=index, process_count=3, drop_rest=drop_rest
        )
        shares.append([batch["score"][0] for batch in pairs(numbered(11), loading)])
    if drop_rest:
        assert [len(share) for share in shares] == [6, 6, 6]
        for epoch in (slice(0, 3), slice(3, 6)):
            assert len({score for share in shares for score in share[epoch]}) == 9
    else:
        assert [len(share) for share in shares] == [8, 8, 6]
        assert sorted(score for share in shares for score in share) == sorted([*range(11)] * 2)


def test_processes_crop_differently():
    """Of equal images, too."""
    items = [
        {**numbered(1)[0], "distorted": np.arange(64 * 64, dtype=np.uint16).reshape(64, 64, 1)}
    ]
    first, second = (
        next(multi_task(items * 8, Loading(batch_size=4, process_index=i, process_count=2), crop=2))
        for i in range(2)
    )
    assert len({patch.tobytes() for patch in [*first["distorted"], *second["distorted"]]}) == 8


def test_shares_have_the_examples_of_the_whole_batch():
    """Cropped alike, so that it does not matter how many processes train."""
    whole = pairs(numbered(12), Loading(batch_size=6, seed=4), crop=2)
    shares = [whole.shared(i, 3) for i in range(3)]
    for _ in range(3):
        expected = next(whole)
        found = [next(share) for share in shares]
        assert [len(batch["score"]) for batch in found] == [2, 2, 2]
        together = {
            (score, image.tobytes())
            for batch in found
            for score, image in zip(batch["score"], batch["distorted"], strict=True)
        }
        assert together == {
            (score, image.tobytes())
            for score, image in zip(expected["score"], expected["distorted"], strict=True)
        }
    with pytest.raises(ValueError, match="batches of 6, of 1 processes, cannot be shared among 4"):
        whole.shared(0, 4)
    with pytest.raises(ValueError, match="of 3 processes"):
        shares[0].shared(0, 2)


def test_scale(source, published):
    assert Scale(1, 5)(np.float32(2)) == 0.25
    scale = Scale.of(source)
    assert not scale.higher_is_better
    batch = next(pairs(source, Loading(batch_size=18), scale=scale))
    assert batch["score"].min() == 0
    assert batch["score"].max() == 1
    scores = [item["score"] for item in published]
    assert Scale.of(published) == Scale(min(scores), max(scores))
    infinite = [*numbered(3), {**numbered(1)[0], "score": np.inf}]
    assert Scale.of(infinite) == Scale(0, 2)
    with pytest.raises(ValueError, match="all scores are the same"):
        Scale.of(numbered(1))


def test_labels_of_published_sets(published):
    labels = read_labels(published)
    assert len(labels) == len(published)
    assert labels["content"].tolist() == [item["content"] for item in published]
    batch = next(pairs(published, Loading(batch_size=2), crop=8))
    assert batch["reference"].shape == (2, 8, 8, 3)


def test_labels_of_a_part_of_a_part(source):
    part = Prepared(source.folder, "train[:50%]")
    labels = read_labels(part)
    assert labels["name"].tolist() == [item["name"] for item in part]
    assert len(labels) == 9
    pd.testing.assert_frame_equal(labels, read_labels(source)[labels.columns][:9])


def test_the_source_is_left_as_it_is(source):
    next(pairs(source, Loading(batch_size=2)))
    assert source.decode is True


def test_a_state_of_others_is_refused(source):
    state = pairs(source, Loading(batch_size=4)).get_state()
    for batches, message in (
        (pairs(source, Loading(batch_size=2)), "batch_size was 4, is 2"),
        (pairs(source, Loading(batch_size=4), crop=8), "crop was None, is 8"),
        (pairs(source, Loading(batch_size=4, process_count=2)), "process_count was 1, is 2"),
        (patches(source, Loading(batch_size=4)), "pipeline was Example, is Patches"),
    ):
        with pytest.raises(ValueError, match=message):
            batches.set_state(state)
    pairs(source, Loading(batch_size=4, threads=1, ahead=9, epochs=3)).set_state(state)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"process_index": 1}, "process_index=1: give 0 to 0"),
        ({"seed": -1}, "seed=-1: give 0 to"),
        ({"batch_size": 0}, "batch_size=0: give at least 1"),
        ({"pixels": "float64"}, "pixels='float64'"),
    ],
)
def test_wrong_loading(options, message):
    with pytest.raises(ValueError, match=message):
        Loading(**options)


def test_wrong_use():
    items = numbered(4)
    with pytest.raises(ValueError, match=r"1: an image has 4 x 6 pixels, less than 8 x 8"):
        next(pairs(items[1:2], Loading(batch_size=1), crop=8))
    with pytest.raises(ValueError, match="4 examples for 1 processes fill no batch of 5"):
        pairs(items, Loading(batch_size=5, epochs=1))
    alone = [{key: value for key, value in item.items() if key != "reference"} for item in items]
    with pytest.raises(ValueError, match="the set has no image reference"):
        pairs(alone)
    with pytest.raises(ValueError, match="the set has no image first, second"):
        ranking(items, by="preference")
    mixed = [items[0], numbered(2, (6, 4))[1]]
    with pytest.raises(ValueError, match=r"shapes \[\(4, 6, 1\), \(6, 4, 1\)\]; take crops"):
        next(pairs(mixed, Loading(batch_size=2)))
    unlike = [{**items[0], "reference": numbered(1, (6, 4))[0]["reference"]}]
    with pytest.raises(ValueError, match="images that belong together have shapes"):
        next(pairs(unlike, Loading(batch_size=1)))
