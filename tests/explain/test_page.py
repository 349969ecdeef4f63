"""The report page: what is in it, what is not, and what a browser makes of it."""

import base64
import io
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import jiqa
from jiqa.explain import page
from jiqa.images import write_png
from jiqa.pairs import Pair
from jiqa.scoring import score_files

METRICS = ("psnr", "ssim", "mae")
HOSTILE = "<script>alert(1)<!--.png", "\"><img src=x onerror='alert(1)'>&amp;.png"
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)


class Document(HTMLParser):
    """Tags with their attributes, and the text outside script and style."""

    def __init__(self, html):
        """Reads a whole page."""
        super().__init__()
        self.tags, self.text, self._last = [], "", ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._last = tag

    def handle_data(self, data):
        if self._last not in ("script", "style"):
            self.text += data

    def all(self, tag, **wanted):
        return [
            attributes
            for found, attributes in self.tags
            if found == tag and all(attributes.get(k) == v for k, v in wanted.items())
        ]


def decode(uri):
    assert uri.startswith("data:image/webp;base64,")
    return Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2], validate=True)))


def as_document(path):
    return Document(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A smooth reference with an equal, two noisy (with hostile names) and an unreadable image."""
    folder = tmp_path_factory.mktemp("page")
    rows, columns = np.mgrid[:32, :40]
    reference = np.stack([6 * columns, 7 * rows, 120 + 0 * rows], -1).astype(np.uint8)
    noise = np.random.default_rng(0).integers(-12, 13, reference.shape)
    noisy = np.clip(reference + noise, 0, 255).astype(np.uint8)
    noisier = np.clip(reference + 3 * noise, 0, 255).astype(np.uint8)
    write_png(folder / "reference.png", reference)
    for name, image in zip(("equal.png", *HOSTILE), (reference, noisy, noisier), strict=True):
        write_png(folder / name, image)
    (folder / "broken.png").write_bytes(b"not a picture")
    return folder


@pytest.fixture(scope="module")
def scores(folder):
    names = ["equal.png", *HOSTILE, "broken.png"]
    pairs = [
        Pair(folder / "reference.png", folder / name, {"level <b>": number})
        for number, name in enumerate(names)
    ]
    return score_files(pairs, METRICS)


@pytest.fixture(scope="module")
def path(folder, scores):
    return page.write_page(folder / "page.html", scores, title="<i>Title", introduction="A & B")


@pytest.fixture(scope="module")
def document(path):
    return as_document(path)


def test_nothing_is_loaded_from_elsewhere(path, document):
    html = path.read_text(encoding="utf-8")
    assert "://" not in html
    assert "url(" not in html
    assert "@import" not in html
    links = [
        value
        for _, attributes in document.tags
        for name, value in attributes.items()
        if name in ("src", "href", "srcset", "action", "data")
    ]
    assert len(links) > 10
    assert all(link.startswith(("data:", "#")) for link in links)
    (policy,) = document.all("meta", **{"http-equiv": "Content-Security-Policy"})
    assert policy["content"].startswith("default-src 'none'; img-src data:;")


def test_every_picture_decodes_to_its_size_and_has_a_text(document):
    pictures = document.all("img")
    assert len(pictures) == 3 * (1 + 2)  # three readable pairs: distorted, maps of ssim and mae
    assert all(picture["alt"] for picture in pictures)
    for picture in [*pictures, *document.all("image")]:
        image = decode(picture.get("src") or picture["href"])
        assert image.size == (int(picture["width"]), int(picture["height"]))


def test_reference_is_in_the_page_once(folder, document):
    (original,) = document.all("image")
    shown = np.asarray(decode(original["href"]), float)
    with Image.open(folder / "reference.png") as image:
        assert np.abs(shown - np.asarray(image)).mean() < 4  # WebP at quality 92
    assert document.all("use") == 3 * [{"href": f"#{original['id']}"}]


def test_all_scores_are_present(document, scores):
    exact = [cell["data-value"] for cell in document.all("td") if "data-value" in cell]
    expected = scores.frame[list(METRICS)].to_numpy().ravel()
    found = np.array([float(text) if text else np.nan for text in exact], np.float32)
    np.testing.assert_array_equal(found, expected)
    assert exact[0] == "Infinity"
    assert exact[-3:] == ["", "", ""]
    assert document.text.count("∞") == 2  # in the table and under the pair
    for score in scores.frame["ssim"].dropna():
        assert f"{score:.4f}" in document.text


def test_polarity_is_marked_and_decides_the_shading(document):
    cells = [cell for cell in document.all("td") if "data-value" in cell]
    by_column = {name: cells[i::3] for i, name in enumerate(METRICS)}
    for name in METRICS:
        equal, noisy, noisier, broken = by_column[name]
        assert equal["class"] == "number good"
        assert noisier["class"] == "number bad"
        strengths = [cell["style"] for cell in (equal, noisy, noisier, broken)]
        assert strengths == [f"--strength: {percent}%" for percent in (100, 0, 100, 0)]
    arrows = [a["title"] for a in document.all("abbr")[:3]]
    assert arrows == ["higher is better", "higher is better", "lower is better"]


def test_facts_are_in_the_header(document, scores):
    for fact in (jiqa.__version__, scores.metadata["jax"], scores.metadata["date"], "cpu"):
        assert fact in document.text


def test_hostile_text_stays_text(document):
    assert len(document.all("script")) == 1
    assert not [name for _, attributes in document.tags for name in attributes if name[:2] == "on"]
    assert not document.all("img", src="x")
    assert not document.all("i")
    for text in (*HOSTILE, "<i>Title", "A & B", "level <b>"):
        assert text in document.text


def test_unreadable_image_is_named_with_its_reason(document, scores):
    (reason,) = scores.failed["error"]
    assert reason in document.text
    assert not document.all("img", alt="distorted broken.png")


def test_maps_have_one_scale_their_place_and_bright_is_bad(document):
    maps = [picture for picture in document.all("img") if picture["alt"].startswith("ssim map")]
    brightness = [np.asarray(decode(map_["src"]).convert("L"), float).mean() for map_ in maps]
    assert brightness[0] < 5
    assert brightness[0] < brightness[1] < brightness[2]
    # The 11 x 11 window leaves five pixels at each border of 32 x 40.
    for map_ in maps:
        assert map_["style"] == "left: 12.5%; top: 15.625%; width: 75.0%; height: 68.75%"
        assert (map_["width"], map_["height"]) == ("30", "22")
    assert "good 1" in " ".join(document.text.split())
    assert "good 0" in " ".join(document.text.split())


def test_large_image_is_shown_smaller_and_says_so(scores, monkeypatch, tmp_path):
    monkeypatch.setattr(page, "PREVIEW_SIDE", 16)
    document = as_document(page.write_page(tmp_path / "small.html", scores))
    sizes = {(picture["width"], picture["height"]) for picture in document.all("img")}
    assert sizes == {("14", "11"), ("10", "8")}  # a third, of the image and of the ssim map
    for picture in document.all("img"):
        assert decode(picture["src"]).size == (int(picture["width"]), int(picture["height"]))
    assert "at most 16 pixels a side" in document.text
    assert "40 × 32 px" in document.text


def test_grey_image_of_16_bits(tmp_path):
    deep = np.full((16, 16, 1), 40_000, np.uint16)
    write_png(tmp_path / "a.png", deep)
    write_png(tmp_path / "b.png", deep - 4000)
    scores = score_files([Pair(tmp_path / "a.png", tmp_path / "b.png")], ["mae"])
    document = as_document(page.write_page(tmp_path / "page.html", scores))
    (original,) = document.all("image")
    np.testing.assert_allclose(np.asarray(decode(original["href"])), 40_000 / 257, atol=3)  # WebP


def test_page_is_replaced_at_once_or_not_at_all(scores, tmp_path, monkeypatch):
    target = tmp_path / "page.html"
    target.write_text("before")

    def fail(self, _):
        assert self.stat().st_size > 1000
        raise OSError("no space left")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", fail)
        with pytest.raises(OSError, match="no space left"):
            page.write_page(target, scores)
    assert target.read_text() == "before"
    assert list(tmp_path.iterdir()) == [target]
    page.write_page(target, scores)
    assert target.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert list(tmp_path.iterdir()) == [target]


def test_missing_folder_is_an_error(scores, tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        page.write_page(tmp_path / "nowhere" / "page.html", scores)


def browse(path, folder, *options):
    command = [
        CHROMIUM,
        "--headless",
        "--no-sandbox",
        "--no-first-run",
        "--disable-gpu",
        "--disable-quic",
        "--disable-sync",
        "--disable-background-networking",
        "--disable-component-update",
        f"--user-data-dir={folder / 'profile'}",
        *options,
        path.as_uri(),
    ]
    done = subprocess.run(command, capture_output=True, timeout=120, check=True)
    return done.stdout.decode()


@pytest.mark.skipif(not CHROMIUM, reason="no Chromium here")
@pytest.mark.parametrize("width", [1280, 600])
def test_browser_draws_the_page(path, tmp_path, width):
    shot = tmp_path / "page.png"
    browse(path, tmp_path, f"--screenshot={shot}", f"--window-size={width},2000")
    with Image.open(shot) as image:
        colors = np.asarray(image.convert("RGB"), int)
    assert colors.shape == (2000, width, 3)
    # The colours of a map (bright yellow) and of the reference (saturated) are on the screen.
    assert np.ptp(colors, axis=-1).max() > 150
    assert len(np.unique(colors.reshape(-1, 3), axis=0)) > 500


@pytest.mark.skipif(not CHROMIUM, reason="no Chromium here")
def test_browser_sorts_and_covers(path, tmp_path):
    actions = """<script>
      const buttons = document.querySelectorAll("thead button");
      const order = () => [...document.querySelectorAll("tbody tr")].map(row => row.dataset.pair);
      buttons[2].click();
      document.body.setAttribute("data-psnr-ascending", order().join(" "));
      buttons[4].click();
      buttons[4].click();
      document.querySelector("article").querySelectorAll(".choose")[1].click();
    </script></body>"""
    acted = tmp_path / "acted.html"
    html = path.read_text(encoding="utf-8").replace("</body>", actions)
    acted.write_text(html, encoding="utf-8")
    document = Document(browse(acted, tmp_path, "--dump-dom"))
    assert document.all("html") == [{"lang": "en", "class": "js"}]
    # Worst first; equal images have an infinite PSNR; what has no score is last either way.
    (body,) = document.all("body")
    assert body["data-psnr-ascending"] == "pair-3 pair-2 pair-1 pair-4"
    mae_descending = ["pair-3", "pair-2", "pair-1", "pair-4"]
    assert [row["data-pair"] for row in document.all("tr") if "data-pair" in row] == mae_descending
    assert [pair["id"] for pair in document.all("article")] == mae_descending
    sorted_by = [heading.get("aria-sort") for heading in document.all("th", scope="col")]
    assert sorted_by == [None, None, None, None, "descending"]
    # The second map of the first pair now covers the distorted image.
    pressed = [b["aria-pressed"] for b in document.all("button") if "aria-pressed" in b]
    assert pressed == ["false", "true", *4 * ["false"]]
    assert len(document.all("span", **{"class": "frame over"})) == 1
