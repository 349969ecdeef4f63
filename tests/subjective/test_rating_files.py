"""Files of ratings: tables, matrices and data sets, of which none is run."""

import json

import numpy as np
import pytest

from jiqa.subjective.rating_files import read_literals, read_matrix, read_ratings, read_sureal

DATA_SET = {
    "ref_videos": [{"content_id": 0, "content_name": "foo", "path": "foo.png"}],
    "dis_videos": [
        {"asset_id": 0, "content_id": 0, "os": {"Tom": [3, 2], "Ann": 4}, "path": "foo.png"},
        {"asset_id": 1, "content_id": 0, "os": {"Tom": 1}, "path": "bar.png"},
    ],
    "ref_score": 5,
}


def check_data_set(ratings):
    assert ratings.stimuli == ("foo.png", "bar.png")
    assert ratings.observers == ("Tom", "Ann")
    expected = [[[3, 2], [4, np.nan]], [[1, np.nan], [np.nan, np.nan]]]
    np.testing.assert_array_equal(ratings.scores, expected)
    assert ratings.contents == ("foo", "foo")
    assert ratings.references.tolist() == [0, 0]
    assert ratings.best_score == 5.0


def test_a_data_set_in_json_and_in_python(tmp_path):
    (tmp_path / "set.json").write_text(json.dumps(DATA_SET))
    check_data_set(read_ratings(tmp_path / "set.json"))
    lines = [f"{name} = {value!r}" for name, value in DATA_SET.items()]
    text = "'''A data set.'''\nimport numpy as np\n" + "\n".join(lines)
    (tmp_path / "set.py").write_text(text.replace("'bar.png'", "folder + 'r.png'"))
    with pytest.raises(ValueError, match=r"set\.py is not a data set of sureal: line \d"):
        read_ratings(tmp_path / "set.py")
    text = "folder = 'ba'\n" + text.replace("'bar.png'", "folder + 'r.png'")
    (tmp_path / "set.py").write_text(text)
    check_data_set(read_ratings(tmp_path / "set.py"))


def test_scores_in_a_list_are_those_of_numbered_observers(tmp_path):
    stimuli = [{"asset_id": i, "content_id": 0, "os": [i, 2.5]} for i in range(2)]
    (tmp_path / "set.json").write_text(json.dumps({**DATA_SET, "dis_videos": stimuli}))
    ratings = read_sureal(tmp_path / "set.json")
    assert ratings.stimuli == ("0", "1")  # no paths, so the assets' numbers
    assert ratings.observers == ("0", "1")
    assert ratings.scores[..., 0].tolist() == [[0, 2.5], [1, 2.5]]


@pytest.mark.parametrize(
    "text",
    [
        "import os\nos.remove('file')",
        "a = open('file')",
        "a = [x for x in (1, 2)]",
        "a = __import__('os')",
        "a = 'x' * 10**9",
        "a = (1).real",
        "a: int = 1",
        "a, b = 1, 2",
        "a[0] = 1",
        "for i in []: pass",
        "def f(): pass",
        "a = {**{}}",
        "a = f'{1}'",
        "a = 1 + 2",
        "a = unknown",
    ],
)
def test_python_that_does_more_is_refused(text):
    with pytest.raises(ValueError, match="does more than assign literals"):
        read_literals(text)


def test_literals_are_read():
    text = "import numpy as np\na = -1\nb = [np.nan, float('nan'), (2,)]\nc = {'x': 'y' 'z'}"
    found = read_literals(text)
    assert found["a"] == -1
    assert np.isnan(found["b"][:2]).all()
    assert found["b"][2] == [2]
    assert found["c"] == {"x": "yz"}
    with pytest.raises(ValueError, match="line 1 is not Python"):
        read_literals("a = ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "no 'dis_videos'"),
        ("[]", "not a data set"),
        ('{"ref_videos": [], "dis_videos": [{"asset_id": 1}]}', "no 'content_id'"),
        ("{", "not a data set"),
    ],
)
def test_another_json_is_a_clear_error(tmp_path, text, message):
    (tmp_path / "set.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_sureal(tmp_path / "set.json")


def test_a_table_with_other_names_and_a_score_for_missing(tmp_path):
    path = tmp_path / "votes.csv"
    path.write_text("user,image,rating\n01,a.png,4\n02,a.png,-1\n02,b.png,3\n01,b.png,\n")
    names = {"observer": "user", "stimulus": "image", "score": "rating"}
    ratings = read_ratings(path, columns=names, missing=-1)
    assert ratings.observers == ("01", "02")
    np.testing.assert_array_equal(ratings.scores[..., 0], [[4, np.nan], [np.nan, 3]])
    with pytest.raises(ValueError, match=r"votes\.csv: no column is called observer, score"):
        read_ratings(path)
    with pytest.raises(FileNotFoundError, match="no file is called"):
        read_ratings(tmp_path / "nothing.csv")


def test_a_matrix(tmp_path):
    path = tmp_path / "matrix.csv"
    path.write_text("image,user1,user2,mos\na,5,,5\nb,2,3,2.5\n")
    ratings = read_matrix(path, observers=["user1", "user2"])
    assert ratings.stimuli == ("a", "b")
    np.testing.assert_array_equal(ratings.scores[..., 0], [[5, np.nan], [2, 3]])
    with pytest.raises(ValueError, match="no column is called user3"):
        read_matrix(path, observers=["user3"])
    path.write_text("image,user1\na,5\na,4\n")
    with pytest.raises(ValueError, match="stimulus a has two rows"):
        read_matrix(path)
    path.write_text("image,user1\na,good\n")
    with pytest.raises(ValueError, match="column user1 is not numbers"):
        read_matrix(path)


def test_public_data_sets_are_read(shared_data):
    folder = shared_data / "data/raw_ratings"
    netflix = read_sureal(folder / "sureal/NFLX_dataset_public_raw.py")
    assert netflix.scores.shape == (79, 26, 1)
    assert netflix.stimuli[0].endswith("/dis/BigBuckBunny_20_288_375.yuv")
    assert netflix.stimuli[netflix.references[0]].endswith("/ref/BigBuckBunny_25fps.yuv")
    missing = read_sureal(folder / "sureal/vqeg_frtv_p1_625_line_high_dataset.py")
    assert np.isnan(missing.scores).sum() == 6
    hfr = read_matrix(folder / "live_hfr/subject_raw.csv", missing=-1)
    assert hfr.scores.shape == (480, 85, 1)
    assert np.isnan(hfr.scores).mean() == pytest.approx(0.467, abs=0.001)
