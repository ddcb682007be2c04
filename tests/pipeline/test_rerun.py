"""`livemerc rerun`: the recorded audio, or the recorded words, through the chain once more."""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from helpers import wav_file
from helpers.command_line import livemerc, sentence
from helpers.paths import DEMO, DEMO_WORDS
from helpers.sessions import HOSTILE, conversation, write_session
from helpers.settled import settled

from livemerc.audio.file_source import FileSource
from livemerc.audio.items import EarItem, Quiet
from livemerc.audio.read import read_samples
from livemerc.audio.source import Block, SourceHealth
from livemerc.config import Config, settings_from
from livemerc.errors import ConfigError, InputError
from livemerc.events import EmotionEvent, Event, SessionEnd, SessionStart, UtteranceFinal
from livemerc.pipeline.monitor import Monitor
from livemerc.pipeline.recorded_words import RecordedWords
from livemerc.pipeline.recording import RecordingMonitor
from livemerc.pipeline.rerun import Options, default_folder, recorded_settings, rerun_monitor
from livemerc.sessions import journal
from livemerc.sessions.comparison import compare
from livemerc.sessions.corrections import CORRECTIONS_FILE
from livemerc.sessions.folder import EVENTS_FILE, SESSION_FILE, read_info
from livemerc.sessions.session import read_session

TRANSCRIPT = {"asr.engine": "transcript", "asr.transcript": str(DEMO_WORDS)}


def recorded(folder: Path, source: FileSource, **settings: object) -> list[Event]:
    config = settings_from({}, {**TRANSCRIPT, **settings}, "test")
    return list(RecordingMonitor(Monitor(source, config), folder, audio=True).events())


def again(folder: Path, new: Path, **options: object) -> list[Event]:
    settings = options.pop("settings", {})
    return list(rerun_monitor(folder, Options(new=new, settings=settings, **options)).events())  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Event]]:
    """The demo, recorded with audio, and its events."""
    folder = tmp_path_factory.mktemp("sessions") / "demo"
    return folder, recorded(folder, FileSource(DEMO, speed=0, name="demo"))


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Event]]:
    """The demo by its words alone, with a wait for silence so short that it freezes estimates."""
    folder = tmp_path_factory.mktemp("sessions") / "words"
    settings = {"model.text_only": True, "dialogue.freeze_after_s": 1.5}
    return folder, recorded(folder, FileSource(DEMO, speed=0, name="demo"), **settings)


def test_the_same_model_on_the_recorded_audio_gives_the_same_events(
    demo: tuple[Path, list[Event]], tmp_path: Path
) -> None:
    folder, first = demo
    second = again(folder, tmp_path / "new")
    assert settled(second) == settled(first)
    assert sum(isinstance(e, UtteranceFinal) for e in second) == 20
    assert [msgspec.json.encode(e) for e in journal.read(tmp_path / "new").events] == [
        msgspec.json.encode(e) for e in second
    ]


def test_the_new_session_says_what_it_was_made_from(demo: tuple[Path, list[Event]], tmp_path: Path) -> None:
    folder, _ = demo
    monitor = rerun_monitor(
        folder, Options(new=tmp_path / "new", settings={"dialogue.context": 4, "asr.window": "adaptive"})
    )
    events = iter(monitor.events())
    start = next(events)
    monitor.stop()
    rest = list(events)
    old, new = read_info(folder), read_info(tmp_path / "new")
    assert new.rerun_of is not None
    assert (new.rerun_of.session, new.rerun_of.what, new.rerun_of.corrected) == ("demo", "audio", False)
    assert new.rerun_of.checkpoint == old.checkpoint
    assert new.started_at == new.rerun_of.started_at == old.started_at
    assert (new.source, new.audio) == (old.source, None)
    changed = {"dialogue": {"context": 4}, "asr": {"window": "adaptive"}}
    assert new.config == old.config | {name: old.config[name] | change for name, change in changed.items()}
    assert isinstance(start, SessionStart)
    assert isinstance(rest[-1], SessionEnd)


def test_two_speakers_on_two_channels_come_again(tmp_path: Path) -> None:
    samples = read_samples(DEMO, 16_000, 0, 24)
    part = len(samples) // 2
    left, right = samples.copy(), samples.copy()
    left[part:], right[:part] = 0, 0
    wav_file.write(tmp_path / "two.wav", np.stack([left, right], axis=1), 16_000)
    source = FileSource(tmp_path / "two.wav", speed=0, speakers=("Ann", "Ben"))
    settings = {"asr.engine": "none", "asr.transcript": None}
    first = recorded(tmp_path / "s", source, **settings)
    second = again(tmp_path / "s", tmp_path / "new", record_audio=True)
    assert {e.speaker for e in first if isinstance(e, UtteranceFinal)} == {"Ann", "Ben"}
    assert settled(second) == settled(first)
    track = read_info(tmp_path / "new").audio
    assert track is not None
    assert (track.channels, track.speakers) == (2, ["Ann", "Ben"])
    third = again(tmp_path / "new", tmp_path / "newer")
    assert settled(third) == settled(first)


def test_recorded_words_give_the_events_of_a_session_by_words(words: tuple[Path, list[Event]], tmp_path: Path) -> None:
    folder, first = words
    second = again(folder, tmp_path / "new", from_text=True)
    assert settled(second) == settled(first)
    ends = [e for events in (first, second) for e in events if isinstance(e, SessionEnd)]
    assert ends[0].utterances == ends[1].utterances == 20
    assert ends[0].duration_s == pytest.approx(ends[1].duration_s, abs=0.05)
    info = read_info(tmp_path / "new")
    assert info.rerun_of is not None
    assert (info.rerun_of.what, info.rerun_of.corrected) == ("text", False)
    assert info.config["model"]["text_only"] is True


def test_words_that_a_person_corrected_are_judged_unless_told_otherwise(
    words: tuple[Path, list[Event]], tmp_path: Path
) -> None:
    folder = tmp_path / "corrected"
    shutil.copytree(words[0], folder)
    lines = ['{"utterance_id":"u2","text":"I hate this so much!","speaker":"Zoe"}', '{"utterance_id":"u3","text":""}']
    (folder / CORRECTIONS_FILE).write_text("\n".join(lines) + "\n")
    events = again(folder, tmp_path / "new", from_text=True)
    finals = {e.utterance_id: e for e in events if isinstance(e, UtteranceFinal)}
    assert (finals["u2"].text, finals["u2"].speaker) == ("I hate this so much!", "Zoe")
    assert (finals["u3"].text, finals["u3"].asr.gated) == ("", "empty")
    label = {e.utterance_id: e.label for e in events if isinstance(e, EmotionEvent)}
    assert label["u2"] in ("anger", "disgust")
    assert read_session(tmp_path / "new").info.rerun_of.corrected  # type: ignore[union-attr]
    heard = again(folder, tmp_path / "heard", from_text=True, as_heard=True)
    assert settled(heard) == settled(words[1])


def test_a_session_without_audio_is_judged_by_its_words_whatever_they_are(tmp_path: Path) -> None:
    folder = write_session(tmp_path / "s", conversation(6, text=HOSTILE))
    events = again(folder, tmp_path / "new")
    assert [e.text for e in events if isinstance(e, UtteranceFinal)] == [f"{HOSTILE} {n}" for n in range(1, 7)]
    frozen = [e for e in events if isinstance(e, EmotionEvent) and e.status == "frozen"]
    assert len(frozen) == 6
    assert all(e.modality.speech is None for e in frozen)


def test_events_alone_are_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))  # there are no settings but this machine's
    folder = write_session(tmp_path / "s", conversation(3))
    events = again(folder / EVENTS_FILE, tmp_path / "new")
    assert [e.utterance_id for e in events if isinstance(e, UtteranceFinal)] == ["u1", "u2", "u3"]
    of = read_info(tmp_path / "new").rerun_of
    assert of is not None
    assert of.session == EVENTS_FILE


def test_a_rerun_of_words_can_be_stopped_at_any_time(tmp_path: Path) -> None:
    folder = write_session(tmp_path / "s", conversation(200))
    monitor = rerun_monitor(folder, Options(new=tmp_path / "new", settings={}))
    events = []
    for event in monitor.events():
        events.append(event)
        if isinstance(event, UtteranceFinal) and event.utterance_id == "u5":
            monitor.stop()
    finals = [e.utterance_id for e in events if isinstance(e, UtteranceFinal)]
    assert finals[:5] == ["u1", "u2", "u3", "u4", "u5"]
    assert len(finals) < 10
    assert sorted(finals) == sorted(e.utterance_id for e in events if getattr(e, "status", "") == "frozen")
    assert isinstance(events[-1], SessionEnd)
    assert journal.read(tmp_path / "new").ended


def test_late_and_gated_words_stay_what_they_were(tmp_path: Path) -> None:
    events = conversation(2)
    changed: list[Event] = []
    for event in events:
        if isinstance(event, UtteranceFinal) and event.utterance_id == "u1":
            asr = msgspec.structs.replace(event.asr, gated="repetition")
            event = msgspec.structs.replace(event, text="no no no", asr=asr)
        elif isinstance(event, UtteranceFinal):
            event = msgspec.structs.replace(event, text="", asr=msgspec.structs.replace(event.asr, gated="behind"))
        elif isinstance(event, EmotionEvent) and event.utterance_id == "u2" and event.status == "frozen":
            event = msgspec.structs.replace(event, late_text="I am so happy")
        changed.append(event)
    found = again(write_session(tmp_path / "s", changed), tmp_path / "new")
    first, second = (e for e in found if isinstance(e, UtteranceFinal))
    assert (first.text, first.asr.gated) == ("no no no", "repetition")
    assert (second.text, second.asr.gated, second.asr.engine) == ("I am so happy", None, "none")
    frozen = {e.utterance_id: e for e in found if isinstance(e, EmotionEvent) and e.status == "frozen"}
    assert frozen["u1"].abstained == "nothing to judge"
    assert frozen["u2"].label == "joy"


def _heard(folder: Path, *, freeze_after_s: float) -> list[EarItem]:
    config = settings_from({}, {"dialogue.freeze_after_s": freeze_after_s}, "test")
    source = RecordedWords(read_session(folder), config)
    ears = source.ears(config)
    return [item for block in source.blocks() for item in ears.feed(block)] + ears.flush()


def test_silence_is_where_nobody_spoke_for_long_enough(tmp_path: Path) -> None:
    folder = write_session(tmp_path / "s", conversation(3))  # 2 s every 10 s, from second 1 on
    quiet = [item.t_s for item in _heard(folder, freeze_after_s=5.0) if isinstance(item, Quiet)]
    assert quiet == [8.0, 18.0, 28.0]
    assert [i for i in _heard(folder, freeze_after_s=9.0) if isinstance(i, Quiet)] == []
    long = [
        msgspec.structs.replace(e, end_s=19.0) if isinstance(e, UtteranceFinal) and e.utterance_id == "u1" else e
        for e in conversation(3)
    ]
    overlapping = write_session(tmp_path / "long", long)  # somebody speaks through the first silence
    quiet = [item.t_s for item in _heard(overlapping, freeze_after_s=5.0) if isinstance(item, Quiet)]
    assert quiet == [28.0]


def test_its_ears_take_no_samples(tmp_path: Path) -> None:
    source = RecordedWords(read_session(write_session(tmp_path / "s", conversation(2))), Config())
    blocks = list(source.blocks())
    assert all(len(block.samples) == 0 for block in blocks)
    assert [block.start_s for block in blocks] == sorted(block.start_s for block in blocks)
    assert all(isinstance(block, Block) for block in blocks)


def test_settings_that_this_version_does_not_know_are_named_and_left_out(tmp_path: Path) -> None:
    folder = write_session(tmp_path / "s", conversation(1))
    path = folder / SESSION_FILE
    data = json.loads(path.read_text())
    data["config"]["dialogue"]["moon"] = 3
    data["config"]["tide"] = {"high": True}
    data["config"]["dialogue"]["context"] = 7
    path.write_text(json.dumps(data))
    settings, warnings = recorded_settings(read_session(folder), {"dialogue.revise": 1})
    assert (settings.dialogue.context, settings.dialogue.revise) == (7, 1)
    assert len(warnings) == 1
    assert "dialogue.moon" in warnings[0]
    assert "tide" in warnings[0]
    data["config"]["vad"] = "loud"
    path.write_text(json.dumps(data))
    with pytest.raises(InputError, match="settings are damaged"):
        recorded_settings(read_session(folder), {})


def test_what_cannot_be_run_again_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    folder = write_session(tmp_path / "s", conversation(2))
    with pytest.raises(ConfigError, match="--asr needs audio"):
        rerun_monitor(folder, Options(settings={"asr.engine": "pocketsphinx"}))
    with pytest.raises(ConfigError, match="--record-audio needs audio"):
        rerun_monitor(folder, Options(record_audio=True, settings={}))
    with pytest.raises(ConfigError, match="there is a session in it already"):
        rerun_monitor(folder, Options(new=folder, settings={}))
    empty = write_session(tmp_path / "empty", conversation(0))
    with pytest.raises(InputError, match="nothing to judge"):
        rerun_monitor(empty, Options(settings={}))
    with (folder / EVENTS_FILE).open("ab") as writing:
        fcntl.flock(writing, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with pytest.raises(InputError, match="still being recorded"):
            rerun_monitor(folder, Options(settings={}))
    lost = write_session(tmp_path / "lost", conversation(2), audio="gone.flac")
    with pytest.raises(InputError, match="--from-text"):
        rerun_monitor(lost, Options(settings={}))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "lost", "s"]


def test_the_default_folder_is_the_first_free_one_beside_it(tmp_path: Path) -> None:
    assert default_folder(tmp_path / "s") == tmp_path.resolve() / "s-rerun"
    (tmp_path / "s-rerun").mkdir()
    (tmp_path / "s-rerun-2").symlink_to(tmp_path / "nowhere")
    assert default_folder(tmp_path / "s") == tmp_path.resolve() / "s-rerun-3"


def test_as_a_user_starts_it(tmp_path: Path) -> None:
    folder = write_session(tmp_path / "s", conversation(3, text="I am so happy"))
    done = livemerc("rerun", folder, "--json")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "s-rerun" / EVENTS_FILE).read_bytes() == done.stdout
    assert "recorded words are judged" in done.stderr.decode()
    none = livemerc("rerun", tmp_path / "absent")
    assert none.returncode == 5
    sentence(none)
    window = livemerc("rerun", folder, "--asr-window", "adaptive", "-o", tmp_path / "window")
    assert window.returncode == 2
    assert "--asr-window needs audio" in sentence(window)
    taken = livemerc("rerun", folder, "-o", folder)
    assert taken.returncode == 2
    sentence(taken)
    missing = livemerc("rerun", folder, "-o", tmp_path / "more", "--checkpoint", tmp_path / "absent")
    assert missing.returncode == 3
    sentence(missing)
    assert not (tmp_path / "more").exists()


class LostAndFound:
    """The demo as a device hears it that starts late, loses four seconds at 20.16 s of it, and runs on."""

    name = "mic:lossy"
    live = False
    speakers: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    rate_hz = 16_000

    def __init__(self, late_s: float) -> None:
        self._late_s = late_s
        self._file = FileSource(DEMO, speed=0)

    def blocks(self) -> Iterator[Block]:
        lost_s = 0.0
        for block in self._file.blocks():
            gap_s = 4.0 if not lost_s and block.start_s > 20.159 else 0.0
            lost_s += gap_s
            if block.start_s > 44.0:
                return
            yield replace(block, start_s=block.start_s + self._late_s + lost_s, gap_s=gap_s)

    def close(self) -> None:
        self._file.close()

    def health(self) -> SourceHealth:
        return SourceHealth(dropped_s=4.0)


@pytest.mark.parametrize("late_s", [0.768, 0.75], ids=["in step with the frames", "between two frames"])
def test_what_was_lost_is_silence_and_times_agree_to_within_a_frame(tmp_path: Path, late_s: float) -> None:
    config = settings_from({}, {"asr.engine": "none"}, "test")
    source = LostAndFound(late_s)
    first = list(RecordingMonitor(Monitor(source, config), tmp_path / "s", audio=True).events())  # type: ignore[arg-type]
    second = again(tmp_path / "s", tmp_path / "new")
    times = [
        np.array([(e.start_s, e.end_s) for e in events if isinstance(e, UtteranceFinal)]) for events in (first, second)
    ]
    assert len(times[0]) == len(times[1]) >= 8
    assert times[0].max() > 40
    apart_s = np.abs(times[0] - times[1])
    frame_s = 0.032
    # on other frames the detector may find a word a few frames earlier or later; the clocks agree all the same
    assert (apart_s.max() if late_s == 0.768 else np.median(apart_s)) <= frame_s + 1e-6


def test_another_checkpoint_gives_a_session_of_its_labels(
    demo: tuple[Path, list[Event]], tmp_path: Path, checkpoint: Path
) -> None:
    second = again(demo[0], tmp_path / "new", settings={"model.checkpoint": str(checkpoint)})
    before, after = read_info(demo[0]), read_info(tmp_path / "new")
    assert after.checkpoint.sha256 != before.checkpoint.sha256
    assert after.rerun_of is not None
    assert after.rerun_of.checkpoint == before.checkpoint
    finals = [[e for e in events if isinstance(e, UtteranceFinal)] for events in (demo[1], second)]
    assert finals[0] == finals[1]
    assert settled(second) != settled(demo[1])
    found = compare(read_session(demo[0]), read_session(tmp_path / "new"))
    assert (len(found.pairs), found.word_errors()["edits"]) == (20, 0)
