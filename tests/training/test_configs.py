"""Configs: read by their path, set by name=value."""

import pytest

from jiqa.training.configs import list_settings, load_config, parse_settings

CONFIG = """
def recipe(data, *, epochs=40, network="cnniqa", quick=False):
    return data, epochs, network, quick
"""


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "config.py"
    path.write_text(CONFIG)
    return load_config(path)


def test_settings_reach_the_recipe(recipe):
    settings = parse_settings(recipe, ["epochs=3", "network=diqa", "quick=True"])
    assert recipe("data", **settings) == ("data", 3, "diqa", True)
    assert dict(list_settings(recipe)) == {"epochs": 40, "network": "cnniqa", "quick": False}


@pytest.mark.parametrize("text", ["epoch=3", "epochs"])
def test_what_is_no_setting_is_refused(recipe, text):
    with pytest.raises(ValueError, match=r"is no setting; give name=value, with .*epochs"):
        parse_settings(recipe, [text])


def test_files_without_a_recipe_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such config"):
        load_config(tmp_path / "none.py")
    (tmp_path / "empty.py").write_text("steps = 3")
    with pytest.raises(ValueError, match="a config has a function recipe"):
        load_config(tmp_path / "empty.py")
