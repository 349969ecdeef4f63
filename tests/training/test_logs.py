"""Logs: lines that a run repeats are there once, and half a line is none."""

from jiqa.training.logs import LINES, Log, read_lines


def write(folder, after, *steps):
    log = Log(folder, after)
    for step in steps:
        log.write(step, "fit", {"loss": step / 2})
    log.close()


def test_a_resumed_run_replaces_what_came_after_its_checkpoint(tmp_path):
    write(tmp_path, 0, 1, 2, 3)
    with (tmp_path / LINES).open("a") as file:
        file.write('{"step": 4, "stage"')
    assert [line["step"] for line in read_lines(tmp_path / LINES)] == [1, 2, 3]
    write(tmp_path, 2, 3, 4)
    found = read_lines(tmp_path / LINES)
    assert [line["step"] for line in found] == [1, 2, 3, 4]
    assert found[-1] == {"step": 4, "stage": "fit", "loss": 2.0}
    assert read_lines(tmp_path / "none.jsonl") == []
