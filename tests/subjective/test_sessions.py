"""Conditions and what guidelines demand of them."""

import pytest

from jiqa.subjective.sessions import (
    Session,
    check_session,
    check_study,
    decimal_acuity,
    read_sessions,
)

GOOD = Session(
    "Ann",
    "laboratory",
    viewing_distance=0.6,
    ambient_light=15.0,
    display_width=3840,
    display_height=2160,
    display_diagonal=27.0,
    peak_luminance=120.0,
    gamut="sRGB",
    acuity=1.0,
    plates_missed=0,
    country="Norway",
    language="no",
    instruction_language="no",
    minutes=20.0,
    training_items=4,
    random_order=True,
    test_items=6,
)
SURVEY = {"reliability", "viewing conditions", "display", "acuity", "culture"}


def failed(**changes):
    values = {**vars(GOOD), **changes}
    found = check_session(Session(**values), stimulus_size=(1920, 1080))
    return [finding.name for finding in found if finding.status == "fail"]


def test_a_good_session_passes_every_check_of_the_surveys_list():
    found = check_session(GOOD, stimulus_size=(1920, 1080))
    assert {finding.status for finding in found} == {"pass"}
    assert {finding.topic for finding in found} == SURVEY | {"procedure"}


def test_what_was_not_recorded_is_unknown():
    found = check_session(Session("Ben"))
    assert {finding.status for finding in found} == {"unknown"}
    assert all(finding.detail.startswith("not recorded; ") for finding in found)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"ambient_light": 300.0}, "ambient light in lux"),
        ({"display_width": 1280, "display_height": 720}, "resolution"),
        ({"peak_luminance": 400.0}, "peak luminance in cd/m2"),
        ({"acuity": 0.5}, "visual acuity"),
        ({"plates_missed": 3}, "plates for colour vision missed"),
        ({"instruction_language": "en"}, "own language and that of the instructions"),
        ({"minutes": 50.0}, "minutes without a break"),
        ({"training_items": 0}, "training items"),
        ({"random_order": False}, "random order"),
        ({"test_items": 0}, "golden or repeated items"),
    ],
)
def test_each_demand_can_fail(changes, name):
    assert failed(**changes) == [name]
    assert failed() == []


def test_a_crowd_may_have_more_light():
    assert failed(environment="crowd", ambient_light=150.0, peak_luminance=400.0) == []


def test_pixels_per_degree():
    # 3840 x 2160 on 27 inches: a pixel has 0.1556 mm, and a degree at 0.6 m 10.47 mm.
    assert GOOD.pixels_per_degree == pytest.approx(67.3, abs=0.1)


def test_a_study_is_as_good_as_its_worst_session():
    sessions = [Session(**{**vars(GOOD), "observer": str(i)}) for i in range(24)]
    assert {finding.status for finding in check_study(sessions)} == {"pass"}
    sessions[3] = Session(**{**vars(sessions[3]), "acuity": None})
    sessions[4] = Session(**{**vars(sessions[4]), "minutes": 40.0})
    found = {f.name: f for f in check_study(sessions)}
    assert found["visual acuity"].status == "unknown"
    assert found["minutes without a break"].status == "fail"
    assert found["minutes without a break"].detail == "23 pass, 1 fail; at most 30 (BT.500)"
    assert check_study(sessions[:5])[0].status == "fail"
    with pytest.raises(ValueError, match="no sessions"):
        check_study([])
    with pytest.raises(ValueError, match="observer Ann has more than one session"):
        check_study([GOOD, GOOD])
    with pytest.raises(ValueError, match="some sessions are of a laboratory"):
        check_study([GOOD, Session("Ben")])


def test_sessions_are_read(tmp_path):
    path = tmp_path / "sessions.csv"
    path.write_text(
        "observer,environment,acuity,random_order,display_width,minutes\n"
        "01,laboratory,6/9,yes,1920,12.5\n02,,,no,,\n"
    )
    first, second = read_sessions(path)
    assert (first.observer, first.environment, first.display_width) == ("01", "laboratory", 1920)
    assert first.acuity == pytest.approx(2 / 3)
    assert first.random_order is True
    assert (second.environment, second.random_order, second.minutes) == ("crowd", False, None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name\nAnn\n", "has no column observer"),
        ("observer,shoes\nAnn,red\n", "has columns shoes; the columns of sessions are observer"),
        ("observer,minutes\nAnn,long\n", "row 1: minutes is 'long', which is no number"),
        ("observer,minutes\nAnn,-3\n", "minutes=-3.0 of Ann is negative"),
        ("observer,random_order\nAnn,maybe\n", "say yes or no"),
        ("observer,acuity\nAnn,good\n", "acuity 'good' is neither like 20/30"),
        ("observer,environment\nAnn,train\n", "'train' of Ann is neither laboratory"),
    ],
)
def test_wrong_files_are_clear_errors(tmp_path, text, message):
    path = tmp_path / "sessions.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_sessions(path)


def test_acuities():
    assert decimal_acuity("20/20") == 1
    for text in ("20/0", "-1", "", "0", "12"):
        with pytest.raises(ValueError, match="neither like"):
            decimal_acuity(text)
