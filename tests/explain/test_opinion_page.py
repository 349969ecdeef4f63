"""The page of a subjective study."""

import base64
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import numpy as np
import pytest

from jiqa.explain.opinion_page import write_opinion_page
from jiqa.opinions import analyse
from jiqa.subjective.ratings import Ratings
from jiqa.subjective.sessions import Session
from tests.explain.test_page import Document

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def opinions():
    rng = np.random.default_rng(0)
    votes = rng.uniform(1.5, 4.5, (30, 1)) + rng.normal(0, 0.6, (30, 12))
    votes[:, 5] = rng.uniform(1, 5, 30)
    ratings = Ratings(
        votes.round().clip(1, 5)[..., None],
        (HOSTILE, *(f"image {i}" for i in range(29))),
        tuple(f"observer {i}" for i in range(12)),
    )
    sessions = [
        Session(name, country="NO" if name < "observer 5" else "SE", minutes=40.0)
        for name in ratings.observers
    ]
    return analyse(ratings, screen="reliability", sessions=sessions)


@pytest.fixture(scope="module")
def document(opinions, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "page.html"
    write_opinion_page(path, opinions, title="A & <b>")
    html = path.read_text(encoding="utf-8")
    assert "://" not in html
    return Document(html)


def test_drawings_are_pictures_with_texts(document):
    pictures = document.all("img")
    assert len(pictures) == 3
    for picture in pictures:
        assert picture["alt"]
        kind, _, data = picture["src"].partition(",")
        assert kind == "data:image/svg+xml;base64"
        drawing = ElementTree.fromstring(base64.b64decode(data, validate=True))
        assert drawing.tag.endswith("svg")


def test_every_stimulus_and_observer_is_there(document, opinions):
    for name in (*opinions.stimuli["stimulus"], *opinions.observers["observer"]):
        assert name in document.text
    for score in opinions.stimuli["score"]:
        assert f"{score:.3f}" in document.text
    (reason,) = opinions.observers.loc[opinions.observers["rejected"], "reason"]
    assert reason in document.text
    assert "ICC(2,k)" in document.text
    assert "Mean bias by country" in document.text
    assert "at most 30 (BT.500)" in document.text


def test_hostile_text_stays_text(document):
    assert not document.all("script")
    assert "A & <b>" in document.text


def test_what_is_not_known_is_left_out(opinions, tmp_path):
    observers = opinions.observers.assign(bias=np.nan, inconsistency=np.nan)
    unknown = {**opinions.metadata, "sos": None, "agreement": {}, "checks": [], "note": "why"}
    some = replace(opinions, observers=observers, metadata=unknown)
    path = write_opinion_page(tmp_path / "page.html", some)
    found = Document(path.read_text(encoding="utf-8"))
    assert len(found.all("img")) == 1
    assert "why" in found.text
    assert "ICC" not in found.text
