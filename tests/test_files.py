"""Files that are either whole or not there."""

import pytest

from jiqa.files import write_whole


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "scores.csv"
    target.write_text("before")

    def fail_midway():
        with write_whole(target) as file:
            file.write(b"half")
            assert target.read_text() == "before"
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        fail_midway()
    assert target.read_text() == "before"
    assert list(tmp_path.iterdir()) == [target]


def test_success_replaces_the_file(tmp_path):
    target = tmp_path / "scores.csv"
    target.write_text("before")
    with write_whole(target) as file:
        file.write(b"after")
    assert target.read_bytes() == b"after"
    assert list(tmp_path.iterdir()) == [target]
