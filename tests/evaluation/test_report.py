"""The files of a benchmark, and its page as a browser's parser sees it."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from jiqa.evaluation import page
from jiqa.evaluation.benchmark import Protocol, evaluate
from jiqa.evaluation.rated import rate
from jiqa.evaluation.report import Report
from jiqa.evaluation.run import metadata
from tests.evaluation.folders import scored

METRICS = ["good", "worse", "poor"]
HOSTILE = "<script>alert(1)</script>"
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)


class Document(HTMLParser):
    """The tags of a page with their attributes, and its text outside script and style."""

    VOID = ("meta", "link", "path", "br")

    def __init__(self, html):
        """Reads a whole page."""
        super().__init__()
        self.tags, self.text, self.open = [], "", []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] not in ("script", "style"):
            self.text += data

    def all(self, tag, **wanted):
        return [
            found
            for name, found in self.tags
            if name == tag and all(found.get(key.rstrip("_")) == v for key, v in wanted.items())
        ]


@pytest.fixture(scope="module")
def report():
    protocol = Protocol(resamples=100)
    rng = np.random.default_rng(0)
    one = scored(rng).rename(columns={"poor": HOSTILE})
    two = scored(rng)[["mos", "good", "worse"]]
    rated = [rate("first set", one, ["good", "worse", HOSTILE]), rate("second", two, METRICS[:2])]
    return Report([evaluate(found, protocol) for found in rated], metadata(protocol))


@pytest.fixture(scope="module")
def written(report, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bench") / "new" / "folder"
    assert report.write(folder) == folder / "bench.json"
    page.write_page(folder / "index.html", report)
    return folder


def test_tables(report, written):
    table = pd.read_csv(written / "correlations.csv")
    assert table[["data_set", "metric"]].to_numpy().tolist() == [
        ["first set", "good"],
        ["first set", "worse"],
        ["first set", HOSTILE],
        ["second", "good"],
        ["second", "worse"],
    ]
    np.testing.assert_allclose(table["srocc"][:3], report.evaluations[0].summary["srocc"])
    assert set(pd.read_csv(written / "comparisons.csv")["data_set"]) == {"first set", "second"}
    assert len(pd.read_csv(written / "groups.csv")) == 3 * (2 + 12 + 4) + 2 * 4


def test_json_has_everything(report, written):
    document = json.loads((written / "bench.json").read_text())
    assert document["metadata"]["mapping"] == "logistic4"
    first, second = document["data_sets"]
    assert (first["images"], first["intervals_over"]) == (60, "12 contents")
    assert first["curves"]["good"]["kind"] == "logistic4"
    assert len(first["correlations"]) == 3
    assert second["notes"] == report.evaluations[1].notes
    value = first["correlations"][0]["srocc"]
    assert value == pytest.approx(report.evaluations[0].summary["srocc"][0], abs=1e-14)


def test_overview_averages_metrics_that_all_sets_have(report):
    overview = report.overview()
    assert list(overview.columns) == ["first set", "second", "mean", "weighted mean"]
    assert overview.loc["good", "mean"] == overview.loc["good", ["first set", "second"]].mean()
    assert np.isnan(overview.loc[HOSTILE, "mean"])
    assert overview.index[0] == "good"
    alone = Report(report.evaluations[:1], report.metadata).overview()
    assert list(alone.columns) == ["first set"]


def test_page_is_whole_and_closed(written):
    html = (written / "index.html").read_text()
    document = Document(html)
    assert document.open == []  # every tag is closed, in order
    assert len(document.all("script")) == 1
    assert html.count("<script>") == 1  # a metric's name stays text
    assert HOSTILE in document.text
    assert not re.search(r'(src|href)="(?!data:)', html)
    assert (
        "default-src 'none'"
        in document.all("meta", **{"http-equiv": "Content-Security-Policy"})[0]["content"]
    )


def test_page_shows_what_the_tables_hold(report, written):
    document = Document((written / "index.html").read_text())
    for evaluation in report.evaluations:
        for value in evaluation.summary["srocc"]:
            assert f"{value:.4f}" in document.text
        for note in evaluation.notes:
            assert note in document.text
    points = [found["d"].count("h0") for found in document.all("path", class_="dots")]
    assert sum(points) == 3 * 60 + 2 * 60
    assert len(document.all("path", class_="curve")) == 5
    assert len(document.all("button", **{"aria-pressed": "false"})) == 2  # two distortions
    titles = [found.get("title") or "" for found in document.all("td")]
    assert sum(title.startswith("p = ") for title in titles) == 7 * 6 + 4 * 2


def test_few_points_of_many_images(report, monkeypatch, tmp_path):
    monkeypatch.setattr(page, "POINTS", 20)
    path = page.write_page(tmp_path / "p.html", report)
    document = Document(path.read_text())
    points = [found["d"].count("h0") for found in document.all("path", class_="dots")]
    assert sum(points) == 20 * 5
    assert "20 of 60 images are drawn." in document.text


@pytest.mark.skipif(not CHROMIUM, reason="no Chromium")
def test_sorting_and_choosing_in_a_browser(written, tmp_path):
    """Clicks by a script in the page itself; what they did is written into its title."""
    html = (written / "index.html").read_text()
    script = """
    const table = document.querySelectorAll("table.sortable")[1];
    for (const _ of [1, 2]) table.tHead.rows[0].cells[1].querySelector("button").click();
    const first = table.tBodies[0].rows[0].cells[0].textContent.trim();
    document.querySelector(".legend button").click();
    const kept = document.querySelectorAll(".dots.kept").length;
    document.title = `${first}|${table.tHead.rows[0].cells[1].ariaSort}|${kept}`;
    </script>"""
    path = tmp_path / "clicked.html"
    path.write_text(html.replace("</script>", script))
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"]
    flags += ["--disable-background-networking", "--disable-component-update", "--dump-dom"]
    done = subprocess.run(
        [CHROMIUM, *flags, f"--user-data-dir={tmp_path}/profile", path.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    title = re.search("<title>(.*)</title>", done.stdout)[1]
    worst = HOSTILE.replace("<", "&lt;").replace(">", "&gt;")
    assert title == f"{worst} ↑|ascending|3"
