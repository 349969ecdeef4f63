"""`jiqa datasets` says what there is, what a folder holds, and prepares it."""

import pytest

from jiqa import cli, datasets
from jiqa.datasets.builders import Prepared
from tests.datasets.fakes import make_csiq, make_kadid, make_koniq10k


def test_list(capsys):
    assert cli.main(["datasets", "list"]) == 0
    out = capsys.readouterr().out
    for name in datasets.names():
        assert f" {name} " in out
    line = next(line for line in out.splitlines() if " kadid10k " in line)
    assert line.split()[1:6] == ["KADID-10k", "10125", "81", "mos", "1"]


def test_show_a_publication(capsys):
    assert cli.main(["datasets", "show", "kadid10k"]) == 0
    out = capsys.readouterr().out
    assert "dmos.csv: dist_img, ref_img, dmos, var" in out
    assert "Home page: http://database.mmsp-kn.de" in out
    assert "QoMEX 2019" in out


def test_show_a_folder(tmp_path, capsys):
    make_csiq(tmp_path / "csiq")
    assert cli.main(["datasets", "show", "csiq", str(tmp_path / "csiq"), "--partial"]) == 0
    out = capsys.readouterr().out
    assert "CSIQ: 15 images of 5 contents, dmos (more is worse)." in out
    assert "Published of them: std, level." in out
    assert "jpeg2000" in out
    make_koniq10k(tmp_path / "koniq")
    arguments = ["show", "koniq10k", str(tmp_path / "koniq"), "--partial", "--check"]
    assert cli.main(["datasets", *arguments]) == 0
    assert "Official split: 2 train, 1 validation, 2 test." in capsys.readouterr().out


def test_prepare(tmp_path, capsys):
    make_kadid(tmp_path / "kadid")
    arguments = ["prepare", "kadid10k", str(tmp_path / "kadid"), str(tmp_path / "out")]
    assert cli.main(["datasets", *arguments]) == 2
    assert "say so: partial=True, or --partial." in capsys.readouterr().err
    assert cli.main(["datasets", *arguments, "--partial"]) == 0
    folder = tmp_path / "out/rated_images/kadid10k-partial/1.0.0"
    assert f"{folder} holds 6 train, 2 validation, 2 test." in capsys.readouterr().out
    assert len(Prepared(folder)) == 6


def test_prepare_a_table(tmp_path, capsys):
    make_kadid(tmp_path)
    lines = (tmp_path / "dmos.csv").read_text().replace("I0", "images/I0")
    (tmp_path / "mine.csv").write_text(lines)
    arguments = ["prepare", "table", str(tmp_path / "mine.csv"), str(tmp_path / "out")]
    columns = "distorted=dist_img,reference=ref_img,mos=dmos,std=var"
    arguments += ["--columns", columns, "--parts", "0.8", "0", "0.2", "--seed", "1"]
    assert cli.main(["datasets", *arguments]) == 0
    folder = tmp_path / "out/rated_images/table-mine-80_0_20-seed_1/1.0.0"
    assert f"{folder} holds 8 train, 2 test." in capsys.readouterr().out
    deviations = sorted({item["std"] for item in Prepared(folder)})
    assert deviations == pytest.approx([0.471, 0.869])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "kadid"], "no data set is called 'kadid'"),
        (["show", "kadid10k", "nowhere"], "no folder is called nowhere"),
        (["prepare", "kadid10k", "nowhere", "out"], "no file or folder is called nowhere"),
        (["prepare", "table", ".", "out", "--columns", "mos"], "give them as distorted=image"),
    ],
)
def test_wrong_use(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["datasets", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
