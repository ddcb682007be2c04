"""Whose voice may be judged: what reaches the real speech encoder, whichever way it is asked for."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import wav_file
from helpers.command_line import environment
from helpers.paths import DEMO, DEMO_WORDS
from helpers.scripted_parts import Recited, Talk
from helpers.voices_heard import voices_heard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import livemerc
from livemerc.api import Turn
from livemerc.audio.file_source import FileSource
from livemerc.audio.read import read_samples
from livemerc.audio.source import Source
from livemerc.config import Config, load_config
from livemerc.errors import ConfigError, MicrophoneError
from livemerc.events import EmotionEvent, Event, SessionStart, UtteranceFinal
from livemerc.pipeline.monitor import Monitor
from livemerc.pipeline.recording_monitor import RecordingMonitor
from livemerc.pipeline.rerun import Options, rerun_monitor
from livemerc.purpose import PURPOSES, WORDS_ALONE
from livemerc.streams.streams import Streams

RATE_HZ = 16_000
ASKS = {
    "model.text_only": False, "judge_voice_of": "me", "live.partial_emotion_budget_ms": 5000.0,
    "live.partial_emotion_every_s": 0.5, "live.partial_emotion_last_s": 5.0,
}  # fmt: skip
"""What would judge a voice, by key."""
WAYS = ("flag", "file", "variable")


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's beginning on the left, a later part of it on the right: both speak at once."""
    left, right = read_samples(DEMO, RATE_HZ, 0.0, 12.0), read_samples(DEMO, RATE_HZ, 30.0, 42.0)
    return wav_file.write(tmp_path_factory.mktemp("call") / "call.wav", np.stack([left, right], axis=1), RATE_HZ)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory, call: Path, configured: Callable[..., Config]) -> Path:
    """That call, recorded with its audio for oneself: `me` on the left."""
    folder = tmp_path_factory.mktemp("recorded") / "call"
    record(folder, call, configured(asr__engine="none"))
    return folder


def record(folder: Path, call: Path, config: Config) -> None:
    source = FileSource(call, 0, 20.0, speakers=("me", "them"))
    list(RecordingMonitor(Monitor(source, config), folder, audio=True).events())


def given_as(ways: dict[str, tuple[str, Any]], folder: Path) -> tuple[Path, dict[str, Any], dict[str, str]]:
    """(file, flags, variables) of keys and their values, each given in its way."""
    lines: dict[str, list[str]] = {"": []}
    flags, variables = {}, {}
    for key, (way, value) in ways.items():
        section, _, leaf = key.rpartition(".")
        if way == "flag":
            flags[key] = value
        elif way == "variable":
            variables["LIVEMERC_" + key.replace(".", "_").upper()] = json.dumps(value).strip('"')
        else:
            lines.setdefault(section, []).append(f"{leaf} = {json.dumps(value)}")
    text = "\n".join("\n".join([f"[{section}]" if section else "", *found]) for section, found in lines.items())
    (folder / "livemerc.toml").write_text(text)
    return folder / "livemerc.toml", flags, variables


def events_of(entry: str, config: Config, call: Path) -> list[Event]:
    if entry == "live":
        return list(Monitor(Talk(6.0, live=True, pace=5.0), config, engine=Recited()).events())
    if entry == "offline":
        return list(livemerc.monitor(call, config=config))
    if entry == "streams":
        sources: dict[str, Source] = {"call": FileSource(call, 0, 20.0, speakers=("me", "them")), "talk": Talk(6.0)}
        return [event for _, event in Streams(sources, config, engines=Recited()).events()]
    predictor = livemerc.load(config=config)
    voice = read_samples(DEMO, RATE_HZ, 0.0, 2.0)
    return [predictor.predict(voice, "w1 hello", [Turn(voice, None)])]


ENTRIES = ("live", "offline", "streams", "predict")


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("purpose", [p for p in PURPOSES if p not in WORDS_ALONE])
def test_other_purposes_judge_the_voice(
    entry: str, purpose: str, configured: Callable[..., Config], call: Path
) -> None:
    if entry == "live" and purpose != "personal":
        pytest.skip("takes a second, and once is enough")
    with voices_heard() as seen:
        events = events_of(entry, configured(purpose=purpose), call)
    assert seen
    estimates = [event for event in events if isinstance(event, EmotionEvent)]
    assert any(estimate.modality.speech for estimate in estimates)
    if entry == "live":
        assert any(estimate.status == "partial" for estimate in estimates)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    purpose=st.sampled_from(WORDS_ALONE),
    entry=st.sampled_from(ENTRIES),
    way=st.sampled_from(WAYS),
    asked=st.dictionaries(st.sampled_from(sorted(ASKS)), st.sampled_from(WAYS), max_size=2),
)
def test_no_voice_reaches_the_encoder_at_work_or_in_education(
    purpose: str, entry: str, way: str, asked: dict[str, str], checkpoint: Path, call: Path
) -> None:
    with tempfile.TemporaryDirectory() as folder, voices_heard() as seen:
        ways = {"purpose": (way, purpose)} | {key: (by, ASKS[key]) for key, by in asked.items()}
        file, flags, variables = given_as(ways, Path(folder))
        refused = None
        try:
            config = load_config(file, {"model.checkpoint": str(checkpoint), **flags}, variables)
            events = events_of(entry, config, call)
        except ConfigError as error:
            refused, events = error, []
    assert seen == []
    assert all(event.modality.speech is None for event in events if isinstance(event, EmotionEvent))
    assert (refused is not None) == bool(asked or entry == "predict")
    if refused is None:
        start = next(event for event in events if isinstance(event, SessionStart))
        assert (start.purpose, start.text_only, start.judge_voice_of) == (purpose, True, None)
    else:
        assert refused.exit_code == 2
        assert f"purpose {purpose} judges words alone" in str(refused)
        assert "AI Act, Art. 5(1)(f)" in str(refused)


@pytest.mark.parametrize("purpose", WORDS_ALONE)
@pytest.mark.parametrize("asks", [{}, *({key: value} for key, value in ASKS.items())])
def test_the_python_entry_points_refuse_as_the_command_line_does(
    purpose: str, asks: dict[str, Any], checkpoint: Path, call: Path
) -> None:
    keys = {key.replace(".", "__"): value for key, value in asks.items()}
    keys |= {"purpose": purpose, "model__checkpoint": str(checkpoint)}
    with voices_heard() as seen:
        if asks:
            with pytest.raises(ConfigError, match="would judge a voice"):
                livemerc.monitor(call, **keys)
            with pytest.raises(ConfigError, match="would judge a voice"):
                livemerc.load(**keys)
        else:
            list(livemerc.monitor(call, **keys))
            assert livemerc.load(**keys).predict(None, "w1 hello").modality.speech is None
            with pytest.raises(ConfigError, match="give the words alone"):
                livemerc.load(**keys).predict(context=[Turn(buzzing())])
    assert seen == []


def test_settings_that_are_made_by_hand_are_asked_all_the_same(configured: Callable[..., Config], call: Path) -> None:
    """Whoever makes a `Config` passes by every check of files, variables and flags."""
    from msgspec.structs import replace

    with voices_heard() as seen:
        list(livemerc.monitor(call, config=replace(configured(asr__engine="none"), purpose="work")))
        with pytest.raises(ConfigError, match="judge_voice_of"):
            livemerc.monitor(call, config=replace(configured(), purpose="education", judge_voice_of="me"))
    assert seen == []


def buzzing() -> np.ndarray:
    return read_samples(DEMO, RATE_HZ, 0.0, 2.0)


# -- the command line ------------------------------------------------------------------------------------------------

CHILD = """
import sys
from helpers.voices_heard import voices_heard
from livemerc.cli import call
with voices_heard() as seen:
    code = call(sys.argv[1:])
print("voices", len(seen), file=sys.stderr)
sys.exit(code)
"""


def command(
    *arguments: str | Path, home: Path, **variables: str
) -> tuple[subprocess.CompletedProcess[str], int | None]:
    """A command in a process of its own, and how many voices reached the encoder there."""
    env = environment(home, **variables)
    env["PYTHONPATH"] += f":{Path(__file__).parent}"
    done = subprocess.run(
        [sys.executable, "-c", CHILD, *map(str, arguments)], env=env, capture_output=True, text=True, timeout=300
    )
    counted = [line for line in done.stderr.splitlines() if line.startswith("voices ")]
    return done, int(counted[-1].split()[1]) if counted else None


@pytest.mark.parametrize(
    ("arguments", "variables", "code"),
    [
        (["--purpose", "work"], {}, 0),
        ([], {"LIVEMERC_PURPOSE": "education"}, 0),
        (["--purpose", "work", "--judge-voice-of", "me"], {}, 2),
        (["--purpose", "education"], {"LIVEMERC_MODEL_TEXT_ONLY": "0"}, 2),
        (["--purpose", "work", "--asr", "none"], {}, 2),
    ],
)
def test_run_and_rerun_keep_to_it(
    arguments: list[str], variables: dict[str, str], code: int, checkpoint: Path, call: Path, recorded: Path,
    tmp_path: Path,
) -> None:  # fmt: skip
    run = ("run", "--file", call, "--speakers", "me,them", "--speed", "8", "--checkpoint", checkpoint, "--json")
    again = ("rerun", recorded, "-o", tmp_path / "again", "--json")
    words = () if "--asr" in arguments else ("--transcript", DEMO_WORDS)
    for entry in ((*run, *words), (*again, *words)):
        done, voices = command(*entry, *arguments, home=tmp_path, **variables)
        assert (done.returncode, voices) == (code, 0), done.stderr
        if code:
            assert done.stdout == ""
            assert len(done.stderr.splitlines()) == 2, "one sentence, and the count"
        else:
            assert '"speech":{' not in done.stdout


def test_without_a_purpose_the_same_commands_judge_the_voice(
    checkpoint: Path, call: Path, recorded: Path, tmp_path: Path
) -> None:
    """Else the test before shows nothing."""
    run = ("run", "--file", call, "--speakers", "me,them", "--speed", "8", "--checkpoint", checkpoint, "--json")
    for entry in (run, ("rerun", recorded, "-o", tmp_path / "again", "--json")):
        done, voices = command(*entry, "--asr", "none", home=tmp_path)
        assert done.returncode == 0, done.stderr
        assert voices


# -- recorded sessions -----------------------------------------------------------------------------------------------


def again(folder: Path, new: Path, **flags: Any) -> list[Event]:
    return list(rerun_monitor(folder, Options(new=new, settings=flags)).events())


def test_what_was_recorded_for_work_stays_that(configured: Callable[..., Config], call: Path, tmp_path: Path) -> None:
    record(tmp_path / "work", call, configured(asr__engine="none", purpose="work"))
    with voices_heard() as seen:
        (start, *_) = again(tmp_path / "work", tmp_path / "again")
        assert isinstance(start, SessionStart)
        assert (start.purpose, start.text_only) == ("work", True)
        again(tmp_path / "work", tmp_path / "school", purpose="education")
        others: list[dict[str, Any]] = [{"purpose": "personal"}, {"purpose": "research", "model.text_only": True}]
        for flags in others:
            with pytest.raises(ConfigError, match="was recorded for work"):
                again(tmp_path / "work", tmp_path / "no", **flags)
        asking: list[dict[str, Any]] = [{"model.text_only": False}, {"judge_voice_of": "me"}]
        for flags in asking:
            with pytest.raises(ConfigError, match="would judge a voice"):
                again(tmp_path / "work", tmp_path / "no", **flags)
    assert seen == []
    assert not (tmp_path / "no").exists()


def test_this_machines_purpose_holds_for_what_was_recorded_elsewhere(
    recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIVEMERC_PURPOSE", "work")
    with voices_heard() as seen:
        (start, *_) = again(recorded, tmp_path / "again")
    assert isinstance(start, SessionStart)
    assert (start.purpose, seen) == ("work", [])


# -- some voices alone -----------------------------------------------------------------------------------------------


def channel_of(samples: np.ndarray, call: Path) -> str:
    """Whose channel these samples are a stretch of."""
    whole = {name: bytes_of(read_channel(call, i)) for i, name in enumerate(("me", "them"))}
    found = [name for name, data in whole.items() if bytes_of(samples) in data]
    return found[0] if len(found) == 1 else f"{len(found)} channels"


def bytes_of(samples: np.ndarray) -> bytes:
    return np.round(samples * 32768).astype("<i2").tobytes()


def read_channel(call: Path, channel: int) -> np.ndarray:
    import wave

    with wave.open(str(call)) as file:
        frames = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
    return frames[:, channel].astype(np.float32) / 32768


@pytest.mark.parametrize("speed", [0.0, 5.0])
def test_the_encoder_gets_the_voice_of_the_named_channel_alone(
    speed: float, configured: Callable[..., Config], call: Path
) -> None:
    config = configured(asr__engine="none", judge_voice_of="me")
    source = FileSource(call, speed, 20.0, speakers=("me", "them"))
    with voices_heard() as seen:
        events = list(Monitor(source, config).events())
    inputs = [tensor[0].numpy() for tensor in seen if tensor.ndim == 2 and tensor.shape[1] > 1000]
    hiss = [samples for samples in inputs if channel_of(samples, call) == "0 channels"]
    assert len(hiss) <= (1 if speed else 0), "live the model is warmed with hiss, once"
    assert {channel_of(samples, call) for samples in inputs if not any(samples is h for h in hiss)} == {"me"}
    speakers = {event.utterance_id: event.speaker for event in events if isinstance(event, UtteranceFinal)}
    assert set(speakers.values()) == {"me", "them"}
    for event in events:
        if isinstance(event, EmotionEvent) and event.status != "partial":  # its id may go to whoever ends first
            assert (event.modality.speech is not None) == (speakers[event.utterance_id] == "me")
    start = events[0]
    assert isinstance(start, SessionStart)
    assert (start.text_only, start.judge_voice_of) == (False, ["me"])


def test_of_several_streams_only_the_named_channels_are_heard(configured: Callable[..., Config], call: Path) -> None:
    config = configured(judge_voice_of="me")
    sources: dict[str, Source] = {"call": FileSource(call, 0, 20.0, speakers=("me", "them")), "talk": Talk(6.0)}
    with voices_heard() as seen:
        events = list(Streams(sources, config, engines=Recited()).events())
    assert seen
    speakers = {(s, e.utterance_id): e.speaker for s, e in events if isinstance(e, UtteranceFinal)}
    for stream, event in events:
        if isinstance(event, EmotionEvent):
            assert (event.modality.speech is not None) == (speakers[stream, event.utterance_id] == "me")


@pytest.mark.parametrize(
    ("names", "speakers", "words"),
    [
        ("me", (), "no channel has a name"),
        ("me,ann", ("me", "them"), "ann: livemerc does not know anybody by voice yet"),
        ("me,,ann", ("me", "ann"), "empty name"),
        (" ", ("me", "ann"), "empty name"),
    ],
)
def test_a_name_that_no_channel_has_is_refused(
    names: str, speakers: tuple[str, ...], words: str, checkpoint: Path, call: Path
) -> None:
    def begin() -> None:
        config = load_config(overrides={"judge_voice_of": names, "model.checkpoint": str(checkpoint)}, environ={})
        Monitor(FileSource(call, 0, 20.0, speakers=speakers), config)

    with pytest.raises(ConfigError, match=words):
        begin()


def test_predict_knows_nobody_and_says_so(configured: Callable[..., Config]) -> None:
    predictor = livemerc.load(config=configured(judge_voice_of="me"))
    with voices_heard() as seen, pytest.raises(ConfigError, match="does not know who speaks"):
        predictor.predict(buzzing(), "w1")
    assert seen == []
    assert predictor.predict(None, "w1").modality.speech is None


def test_a_microphone_whose_voice_is_judged_cannot_become_another(
    configured: Callable[..., Config], call: Path
) -> None:
    source = FileSource(call, 0, 20.0, speakers=("me", "them"))
    monitor = Monitor(source, configured(asr__engine="none", judge_voice_of="me"))
    with pytest.raises(MicrophoneError, match="begin a new session"):
        monitor.switch("Lamp")
    monitor.stop()
