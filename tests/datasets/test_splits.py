"""Parts share no content, are the same everywhere, and leak only when told to."""

from pathlib import Path

import pytest

from jiqa.datasets import RatedImage, split_records

IMAGES = [
    RatedImage(distorted=Path(f"{content}_{level}.png"), score=level, content=f"c{content}")
    for content in range(25)
    for level in range(4)
]


def contents(part):
    return {record.content for record in part}


def test_contents_stay_together():
    found = split_records(IMAGES)
    assert {name: len(part) for name, part in found.items()} == {
        "train": 60,
        "validation": 20,
        "test": 20,
    }
    sets = [contents(part) for part in found.values()]
    assert sum(map(len, sets)) == len(set.union(*sets)) == 25
    assert sorted(map(id, IMAGES)) == sorted(id(r) for part in found.values() for r in part)


def test_the_seed_decides_and_nothing_else():
    test = contents(split_records(IMAGES)["test"])
    assert test == {"c1", "c12", "c23", "c7", "c8"}  # the same on every machine
    assert test == contents(split_records(IMAGES[::-1])["test"])
    assert test != contents(split_records(IMAGES, seed=1)["test"])


def test_shares():
    found = split_records(IMAGES, parts=(0.8, 0, 0.2))
    assert {name: len(part) for name, part in found.items()} == {"train": 80, "test": 20}
    assert list(split_records(IMAGES, parts=(1, 0, 0))) == ["train"]
    for parts in ((0.5, 0.5, 0.5), (1.2, -0.4, 0.2), (0.8, 0.2)):
        with pytest.raises(ValueError, match="give three shares with sum 1"):
            split_records(IMAGES, parts=parts)
    with pytest.raises(ValueError, match="2 contents are too few for a part test"):
        split_records(IMAGES[:8])


def test_a_leak_must_be_meant():
    with pytest.raises(ValueError, match=r"a split by image puts .* \(24 contents, such as c0\)"):
        split_records(IMAGES, by="image")
    found = split_records(IMAGES, by="image", leaking=True)
    assert {name: len(part) for name, part in found.items()} == {
        "train": 60,
        "validation": 20,
        "test": 20,
    }
    split_records(IMAGES[::4], by="image")  # each has its own content


def official(labels, contents):
    return [
        RatedImage(distorted=Path(f"{n}.png"), score=n, content=content, split=label)
        for n, (label, content) in enumerate(zip(labels, contents, strict=True))
    ]


def test_the_authors_split():
    records = official(["test", "train", "train"], "abc")
    assert {name: len(part) for name, part in split_records(records).items()} == {
        "train": 2,
        "test": 1,
    }
    by_content = split_records(records, by="content", parts=(0.5, 0, 0.5))
    assert {name: len(part) for name, part in by_content.items()} == {"train": 2, "test": 1}
    leaking = official(["test", "train", "train"], "aab")
    with pytest.raises(ValueError, match="a split by official puts"):
        split_records(leaking)
    assert split_records(leaking, leaking=True)["test"] == leaking[:1]
    with pytest.raises(ValueError, match="100 records say no official part"):
        split_records(IMAGES, by="official")
    with pytest.raises(ValueError, match="by is 'scene'; give one of official, content, image"):
        split_records(IMAGES, by="scene")
