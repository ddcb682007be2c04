"""Precedence, refusal of what is unknown, and the name of the key in every refusal."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from livemerc.config import Config, load_config, user_config_file
from livemerc.errors import EXIT_USAGE, ConfigError


def _file(folder: Path, text: str) -> Path:
    path = folder / "livemerc.toml"
    path.write_text(text)
    return path


def test_a_flag_beats_the_environment_which_beats_the_file_which_beats_the_default(tmp_path: Path) -> None:
    path = _file(tmp_path, "[endpoint]\nhangover_ms = 300\npre_roll_ms = 400\nonset_ms = 120\n")
    environ = {"LIVEMERC_ENDPOINT_PRE_ROLL_MS": "500", "LIVEMERC_ENDPOINT_ONSET_MS": "150"}
    config = load_config(path, {"endpoint.onset_ms": 180}, environ)
    assert config.endpoint.min_utterance_s == Config().endpoint.min_utterance_s
    assert config.endpoint.hangover_ms == 300
    assert config.endpoint.pre_roll_ms == 500
    assert config.endpoint.onset_ms == 180


def test_a_flag_that_was_not_given_changes_nothing(tmp_path: Path) -> None:
    path = _file(tmp_path, "[dialogue]\ncontext = 5\n")
    assert load_config(path, {"dialogue.context": None}, {}).dialogue.context == 5


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("[endpoint]\nhangover_msec = 300\n", "endpoint.hangover_msec"),
        ("[endpoints]\nhangover_ms = 300\n", "endpoints"),
        ("verbose = true\n", "verbose"),
        ("[endpoint]\nhangover_ms = 'long'\n", "endpoint.hangover_ms"),
        ("[endpoint]\nhangover_ms = 5\n", "endpoint.hangover_ms"),
        ("[vad]\nengine = 'best'\n", "vad.engine"),
        ("[endpoint]\nonset_threshold = 0.3\n", "endpoint.onset_threshold"),
    ],
)
def test_a_bad_key_in_the_file_is_named_with_its_path_and_the_file(tmp_path: Path, text: str, key: str) -> None:
    path = _file(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_config(path, environ={})
    assert f"{key}" in str(caught.value)
    assert str(path) in str(caught.value)
    assert caught.value.exit_code == EXIT_USAGE


def test_each_detector_has_its_own_onset_unless_one_is_given(tmp_path: Path) -> None:
    assert load_config(environ={}).endpoint.onset_threshold == 0.5
    webrtc = load_config(environ={}, overrides={"vad.engine": "webrtc"}).endpoint
    assert (webrtc.onset_threshold, webrtc.onset_ms, webrtc.min_utterance_s) == (0.6, 140.0, 0.25)
    path = _file(tmp_path, "[endpoint]\nonset_ms = 100\n")
    given = load_config(path, {"vad.engine": "webrtc"}, {}).endpoint
    assert (given.onset_threshold, given.onset_ms) == (0.6, 100.0)


def test_broken_toml_is_refused_with_the_files_name(tmp_path: Path) -> None:
    path = _file(tmp_path, "[endpoint\n")
    with pytest.raises(ConfigError, match=r"livemerc\.toml: not valid TOML"):
        load_config(path, environ={})


def test_a_configuration_file_that_was_asked_for_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path / "absent.toml", environ={})


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="where XDG says where it lies")
def test_the_users_own_file_is_read_where_it_exists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert load_config(environ={}) == Config()
    user_config_file().parent.mkdir()
    user_config_file().write_text("offline = true\n")
    assert load_config(environ={}).offline


def test_the_users_file_lies_in_the_configuration_folder() -> None:
    assert user_config_file().name == "livemerc.toml"


@pytest.mark.parametrize("name", ["LIVEMERC_ENDPOINT_HANGOVER", "LIVEMERC_HANGOVER_MS", "LIVEMERC_"])
def test_an_unknown_environment_variable_is_refused_by_name(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(environ={name: "3"})
    assert name in str(caught.value) or "endpoint.hangover" in str(caught.value)


@pytest.mark.parametrize(("value", "expected"), [("true", True), ("1", True), ("false", False), ("0", False)])
def test_switches_in_the_environment_are_read_as_switches(value: str, expected: bool) -> None:
    assert load_config(environ={"LIVEMERC_OFFLINE": value}).offline is expected


def test_other_variables_of_the_environment_are_not_ours() -> None:
    assert load_config(environ={"HOME": "/nowhere", "LIVEMERCURY": "1"}) == Config()


def test_a_section_that_is_no_section_is_refused() -> None:
    with pytest.raises(ConfigError):
        load_config(environ={"LIVEMERC_ENDPOINT": "3"})
    with pytest.raises(ConfigError):
        load_config(environ={"LIVEMERC_ENDPOINT": "3", "LIVEMERC_ENDPOINT_HANGOVER_MS": "300"})


def test_a_value_out_of_range_on_the_command_line_is_named() -> None:
    with pytest.raises(ConfigError, match=r"dialogue\.context"):
        load_config(overrides={"dialogue.context": 0}, environ={})
