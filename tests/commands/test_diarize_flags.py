"""`run --diarize`: what contradicts it is refused in one sentence, before anything is opened."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from helpers.paths import DEMO

from livemerc.cli import app, call
from livemerc.config import Config, SpeakersConfig, load_config
from livemerc.errors import ConfigError
from livemerc.streams.streams import Streams


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (("--diarize", "--text-only"), "--text-only"),
        (("--diarize", "--purpose", "work"), "words alone"),
        (("--diarize", "--record", "talk", "--resume"), "--resume"),
        (("--no-diarize", "--max-speakers", "2"), "--max-speakers"),
        (("--diarize", "--max-speakers", "0"), "--max-speakers"),
        (("--diarize", "--max-speakers", "99"), "speakers.at_most"),
        (("--usual-voice",), "add --diarize"),
        (("--no-diarize", "--usual-voice"), "add --diarize"),
        (("--usual-voice", "--to", "http://127.0.0.1:1/rooms/x"), "--usual-voice"),
        (("--diarize", "--to", "http://127.0.0.1:1/rooms/x"), "--diarize"),
    ],
)
def test_what_contradicts_it_is_refused(
    flags: tuple[str, ...], named: str, capsys: pytest.CaptureFixture[str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    code = call(["run", "--file", str(DEMO), "--json", *flags], app)
    out, err = capsys.readouterr()
    assert code == 2
    assert out == ""
    assert named in err
    assert not (tmp_path / "talk").exists()


def test_it_is_off_unless_it_is_asked_for() -> None:
    assert not load_config(environ={}).speakers.diarize
    assert not load_config(environ={}).speakers.usual_voice
    asked = load_config(overrides={"speakers.diarize": True, "speakers.at_most": 3}, environ={})
    assert asked.speakers == SpeakersConfig(diarize=True, at_most=3)


def test_streams_do_not_pretend_to_do_it() -> None:
    config = msgspec.structs.replace(Config(), speakers=SpeakersConfig(diarize=True))
    with pytest.raises(ConfigError, match="leave it out"):
        Streams({}, config, stays=True)
