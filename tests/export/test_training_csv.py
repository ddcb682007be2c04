"""`livemerc label --export`: what a person labelled, as a manifest that `livemerc-train evaluate` takes in one go."""

from __future__ import annotations

import csv
import errno
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from helpers import wav_file
from helpers.command_line import finished, livemerc, sentence
from helpers.paths import DEMO
from helpers.sessions import HOSTILE, conversation, write_session

from livemerc.audio.file_source import FileSource
from livemerc.audio.read import read_samples
from livemerc.config import settings_from
from livemerc.emotions import LABELS
from livemerc.errors import ConfigError, InputError, LivemercError
from livemerc.events import UtteranceFinal
from livemerc.export.training_csv import COLUMNS, write_manifest
from livemerc.pipeline.monitor import Monitor
from livemerc.pipeline.recording_monitor import RecordingMonitor
from livemerc.sessions.annotation import Annotation
from livemerc.sessions.corrections import Correction, append_correction
from livemerc.sessions.session import read_session
from trainer.corpora.manifest import read_manifest_corpus, read_manifest_dialogues
from trainer.evaluation.evaluate import Evaluation


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def label_all(folder: Path, labels: Sequence[str]) -> None:
    """As with the keys of the screen."""
    a = Annotation(folder)
    for label in labels:
        assert a.set_emotion(label)
        a.next_open()
    assert a.labelled == len(labels) == len(a.utterances)


def test_the_columns_are_those_of_the_contract() -> None:
    assert ",".join(COLUMNS) == "dialogue_id,utterance_id,speaker,audio,start_s,end_s,text,emotion,split"


def test_the_demo_is_recorded_labelled_exported_and_evaluated_in_one_go(tmp_path: Path) -> None:
    folder = tmp_path / "sessions" / "demo"
    run = ("run", "--demo", "--speed", "0", "--asr", "transcript", "--plain", "--record", folder, "--record-audio")
    assert livemerc(*run).returncode == 0
    model = [u.label or "" for u in read_session(folder).utterances]
    person = [label if n % 4 else "anger" for n, label in enumerate(model)]
    label_all(folder, person)
    done = livemerc("label", folder, "--export", tmp_path / "mine.csv")
    assert (done.returncode, done.stdout) == (0, b"")
    assert "20 utterances to" in done.stderr.decode()
    assert [row["audio"] for row in rows(tmp_path / "mine.csv")] == ["sessions/demo/audio.flac"] * 20
    evaluated = finished("trainer", "evaluate", "--manifest", tmp_path / "mine.csv", "--json")
    assert evaluated.returncode == 0, evaluated.stderr
    figures = json.loads(evaluated.stdout)
    assert (figures["n"], figures["labels"]) == (20, list(LABELS))
    assert figures["text"] is not None
    assert figures["speech"] is not None
    # the model agrees with a person who took its labels but for every fourth, or nearly: the cuts lack the pre-roll
    assert abs(figures["fused"]["accuracy"] - np.mean([a == b for a, b in zip(model, person, strict=True)])) <= 0.15


def test_a_session_of_words_alone_is_evaluated_too(tmp_path: Path) -> None:
    folder = write_session(tmp_path / "s", conversation(4, text="I am so happy today"))
    label_all(folder, ["joy", "joy", "joy", "anger"])
    done = livemerc("label", folder, "--export", tmp_path / "words.csv", "--split", "train")
    assert done.returncode == 0, done.stderr
    figures = Evaluation(tmp_path / "words.csv", split="train").judgement().figures()
    assert (figures["n"], figures["speech"], figures["fused"]["accuracy"]) == (4, None, 0.75)
    corpus = read_manifest_corpus(tmp_path / "words.csv")
    assert corpus.labels == ("joy", "anger")
    assert list(corpus.splits) == ["train"]


def test_what_a_person_labelled_is_judged_and_the_rest_is_context_unless_all_is_asked_for(tmp_path: Path) -> None:
    folder = write_session(tmp_path / "s", conversation(4))
    a = Annotation(folder)
    a.set_emotion("fear")
    a.set_text("mended words")
    a.set_speaker("Ann")
    a.move(2)
    a.set_nothing_to_judge()
    written = write_manifest(read_session(folder), tmp_path / "a.csv")
    assert (written.rows, written.context, written.warnings) == (1, 3, [])
    found = rows(tmp_path / "a.csv")
    assert found[0] == {
        "dialogue_id": "s@2026-01-02T03:04:05.000+00:00", "utterance_id": "u1", "speaker": "Ann", "audio": "",
        "start_s": "1.000", "end_s": "3.000", "text": "mended words", "emotion": "fear", "split": "test",
    }  # fmt: skip
    assert [(r["utterance_id"], r["emotion"], r["split"], r["text"]) for r in found[1:]] == [
        (f"u{n}", "", "context", f"words {n}") for n in (2, 3, 4)
    ]
    write_manifest(read_session(folder), tmp_path / "b.csv", everything=True, split="dev")
    assert [(r["utterance_id"], r["split"]) for r in rows(tmp_path / "b.csv")] == [
        ("u1", "dev"), ("u2", "dev"), ("u3", "context"), ("u4", "dev"),
    ]  # fmt: skip
    with pytest.raises(ConfigError, match="--split context"):
        write_manifest(read_session(folder), tmp_path / "c.csv", split="context")


def test_what_was_said_between_two_labels_is_heard_by_evaluate(tmp_path: Path) -> None:
    folder = write_session(tmp_path / "s", conversation(5, text="I am so happy today"))
    a = Annotation(folder)
    a.set_emotion("joy")
    a.go(4)
    a.set_emotion("joy")
    for name, everything in (("some", False), ("all", True)):
        write_manifest(read_session(folder), tmp_path / f"{name}.csv", everything=everything)
    some, every = (Evaluation(tmp_path / f"{name}.csv") for name in ("some", "all"))
    assert some.judgement().figures()["n"] == 2
    np.testing.assert_allclose(some.judge(0), every.judge(0)[[0, 4]], atol=1e-6)


def test_rows_stand_in_the_order_in_which_the_dialogue_got_them(tmp_path: Path) -> None:
    """One who speaks long is judged after the other who has answered meanwhile."""
    events: list[Any] = [
        msgspec.structs.replace(e, end_s=15.0) if isinstance(e, UtteranceFinal) and e.utterance_id == "u1" else e
        for e in conversation(2)
    ]
    folder = write_session(tmp_path / "s", events)
    label_all(folder, ["joy", "fear"])
    write_manifest(read_session(folder), tmp_path / "m.csv")
    assert [row["utterance_id"] for row in rows(tmp_path / "m.csv")] == ["u2", "u1"]


def test_hostile_words_come_through_as_one_line_each(tmp_path: Path) -> None:
    folder = write_session(tmp_path / "s", conversation(2, text=HOSTILE))
    label_all(folder, ["joy", "fear"])
    append_correction(folder, Correction(utterance_id="u1", speaker='=cmd|"x"\n\x1b[31m'))
    write_manifest(read_session(folder), tmp_path / "m.csv")
    (dialogue,) = read_manifest_dialogues(tmp_path / "m.csv", LABELS)
    assert [row.emotion for row in dialogue] == ["joy", "fear"]
    assert all(row.text.isprintable() and (row.speaker or "").isprintable() for row in dialogue)
    assert "quote" in dialogue[0].text


def test_words_that_were_screened_out_stay_out(tmp_path: Path) -> None:
    events = [
        msgspec.structs.replace(e, asr=msgspec.structs.replace(e.asr, gated="repetition"))
        if isinstance(e, UtteranceFinal)
        else e
        for e in conversation(2)
    ]
    folder = write_session(tmp_path / "s", events)
    label_all(folder, ["joy", "fear"])
    append_correction(folder, Correction(utterance_id="u2", text="what was said"))
    write_manifest(read_session(folder), tmp_path / "m.csv")
    assert [row["text"] for row in rows(tmp_path / "m.csv")] == ["", "what was said"]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray]:
    """Two people on two channels at once, recorded by the voice alone; and the channels."""
    folder = tmp_path_factory.mktemp("two")
    left, right = read_samples(DEMO, 16_000, 0, 11), read_samples(DEMO, 16_000, 40, 51)
    samples = np.stack([left, right], axis=1)
    wav_file.write(folder / "two.wav", samples, 16_000)
    settings = settings_from({}, {"asr.engine": "none"}, "test")
    source = FileSource(folder / "two.wav", speed=0, speakers=("Ann", "Ben"))
    assert list(RecordingMonitor(Monitor(source, settings), folder / "s", audio=True).events())
    return folder / "s", samples


def test_each_speakers_own_channel_is_what_is_evaluated(two: tuple[Path, np.ndarray], tmp_path: Path) -> None:
    folder, samples = two
    session = read_session(folder)
    assert {u.speaker for u in session.utterances} == {"Ann", "Ben"}
    write_manifest(session, tmp_path / "m.csv", everything=True)
    (dialogue,) = read_manifest_dialogues(tmp_path / "m.csv", LABELS)
    for row, utterance in zip(dialogue, session.utterances, strict=True):
        channel = ("Ann", "Ben").index(utterance.speaker or "")
        assert row.audio is not None
        clip = read_samples(row.audio, 16_000, row.start_s, row.end_s)
        original = samples[round(utterance.start_s * 16_000) : round(utterance.end_s * 16_000), channel]
        assert len(clip) == pytest.approx(len(original), abs=1)
        assert np.abs(clip[: len(original)] - original[: len(clip)]).max() < 2e-4
    assert Evaluation(tmp_path / "m.csv").judgement().figures()["n"] == len(dialogue)


def test_a_speaker_whom_the_words_named_is_heard_on_the_loudest_channel(
    two: tuple[Path, np.ndarray], tmp_path: Path
) -> None:
    session = read_session(two[0])
    one = session.utterances[0]
    quiet = np.abs(two[1][round(one.start_s * 16_000) : round(one.end_s * 16_000)]).mean(axis=0)
    other = msgspec.structs.replace(one.final, speaker="Cleo")
    session.utterances[:] = [type(one)(other, one.estimates, one.correction)]
    write_manifest(session, tmp_path / "m.csv", everything=True)
    clip = read_samples(tmp_path / "m-clips/00001.flac", 16_000)
    assert np.abs(clip).mean() == pytest.approx(quiet.max(), rel=0.01)


def test_audio_that_ends_early_is_said_and_the_words_stay(two: tuple[Path, np.ndarray], tmp_path: Path) -> None:
    session = read_session(two[0])
    last = session.utterances[-1]
    beyond = msgspec.structs.replace(last.final, utterance_id="late", start_s=500.0, end_s=502.0, text="so late")
    asr = msgspec.structs.replace(beyond.asr, gated=None)
    session.utterances.append(type(last)(msgspec.structs.replace(beyond, asr=asr), last.estimates, None))
    written = write_manifest(session, tmp_path / "m.csv", everything=True)
    assert len(written.warnings) == 1
    assert "ends before 1 of" in written.warnings[0]
    assert rows(tmp_path / "m.csv")[-1]["audio"] == ""
    assert Evaluation(tmp_path / "m.csv").judgement().figures()["n"] == len(session.utterances)


def test_an_utterance_of_no_length_is_still_a_row_that_can_be_read(tmp_path: Path) -> None:
    events: list[Any] = [
        msgspec.structs.replace(e, end_s=e.start_s) if isinstance(e, UtteranceFinal) else e for e in conversation(1)
    ]
    folder = write_session(tmp_path / "s", events)
    label_all(folder, ["joy"])
    write_manifest(read_session(folder), tmp_path / "m.csv")
    assert len(read_manifest_dialogues(tmp_path / "m.csv", LABELS)) == 1


def test_an_earlier_manifest_is_replaced_and_a_sessions_own_files_are_not(tmp_path: Path) -> None:
    folder = write_session(tmp_path / "s", conversation(2))
    with pytest.raises(InputError, match="no utterance has a person's label"):
        write_manifest(read_session(folder), tmp_path / "m.csv")
    label_all(folder, ["joy", "joy"])
    (tmp_path / "m.csv").write_text("an earlier one")
    write_manifest(read_session(folder), tmp_path / "m.csv")
    assert len(rows(tmp_path / "m.csv")) == 2
    before = {path: path.read_bytes() for path in folder.iterdir()}
    for target, what in (
        (folder / "events.jsonl", "belongs to a recorded session"),
        (folder / "corrections.jsonl", "belongs to a recorded session"),
        (folder, "a folder"),
        (tmp_path / "absent" / "m.csv", "there is no folder"),
    ):
        with pytest.raises(ConfigError, match=what):
            write_manifest(read_session(folder), target)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.csv", "s"]


def test_earlier_clips_are_replaced_and_a_folder_of_something_else_is_not(
    two: tuple[Path, np.ndarray], tmp_path: Path
) -> None:
    session, clips = read_session(two[0]), tmp_path / "m-clips"
    write_manifest(session, tmp_path / "m.csv", everything=True)
    count = len(session.utterances)
    assert len(list(clips.iterdir())) == count
    (clips / "00077.flac").write_bytes(b"of a longer session")
    write_manifest(session, tmp_path / "m.csv", everything=True)
    assert sorted(clip.name for clip in clips.iterdir()) == [f"{n:05}.flac" for n in range(1, count + 1)]
    (clips / "00001.flac").unlink()
    (clips / "holiday.jpg").write_bytes(b"mine")
    earlier = (tmp_path / "m.csv").read_bytes()
    with pytest.raises(ConfigError, match="it holds something else"):
        write_manifest(session, tmp_path / "m.csv", everything=True)
    assert (clips / "holiday.jpg").read_bytes() == b"mine"
    assert (tmp_path / "m.csv").read_bytes() == earlier
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m-clips", "m.csv"]


def _gone(audio: Path) -> None:
    audio.unlink()


def _empty(audio: Path) -> None:
    audio.write_bytes(b"")


def _no_audio(audio: Path) -> None:
    audio.write_bytes(b"fLaC and nothing more")


def _a_link(audio: Path) -> None:
    audio.unlink()
    audio.symlink_to(DEMO)


@pytest.mark.parametrize("spoil", [_gone, _empty, _no_audio, _a_link])
def test_words_are_exported_where_the_audio_is_of_no_use(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    folder = write_session(tmp_path / "s", conversation(2, text="so happy"), audio="audio.flac")
    spoil(folder / "audio.flac")
    label_all(folder, ["joy", "joy"])
    written = write_manifest(read_session(folder), tmp_path / "m.csv")
    (warning,) = written.warnings
    assert "audio.flac" in warning
    assert warning.endswith("The words alone are exported.")
    assert [row["audio"] for row in rows(tmp_path / "m.csv")] == ["", ""]
    assert Evaluation(tmp_path / "m.csv").judgement().figures()["speech"] is None


def test_audio_that_was_cut_off_behind_its_header_is_said(tmp_path: Path) -> None:
    """The header still declares 75 s: every row that names audio must be one that evaluate can read."""
    folder = write_session(tmp_path / "s", conversation(4), audio="audio.flac")
    whole = DEMO.read_bytes()
    (folder / "audio.flac").write_bytes(whole[: len(whole) // 4])
    label_all(folder, ["joy"] * 4)
    written = write_manifest(read_session(folder), tmp_path / "m.csv")
    assert "ends before 2 of the utterances" in written.warnings[0]
    assert [bool(row["audio"]) for row in rows(tmp_path / "m.csv")] == [True, True, False, False]
    assert Evaluation(tmp_path / "m.csv").judgement().figures()["n"] == 4


def test_folders_with_white_space_are_named_so_that_they_are_found_and_others_refused(tmp_path: Path) -> None:
    for name in (" s ", "s\udce9"):
        folder = write_session(tmp_path / name, conversation(1), audio="audio.flac")
        (folder / "audio.flac").write_bytes(DEMO.read_bytes())
        label_all(folder, ["joy"])
    write_manifest(read_session(tmp_path / " s "), tmp_path / "m.csv")
    ((row,),) = read_manifest_dialogues(tmp_path / "m.csv", LABELS)
    assert row.audio is not None
    with pytest.raises(InputError, match="not UTF-8; rename"):
        write_manifest(read_session(tmp_path / "s\udce9"), tmp_path / "m.csv")


def test_a_full_disk_leaves_the_earlier_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_session(tmp_path / "s", conversation(1))
    label_all(folder, ["joy"])
    (tmp_path / "m.csv").write_text("an earlier one")

    def full(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("livemerc.export.output.os.write", full)
    with pytest.raises(LivemercError, match="No space left") as caught:
        write_manifest(read_session(folder), tmp_path / "m.csv")
    assert caught.value.exit_code == 6
    assert (tmp_path / "m.csv").read_text() == "an earlier one"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.csv", "s"]


def test_as_a_user_starts_it(tmp_path: Path) -> None:
    folder = write_session(tmp_path / "s", conversation(2))
    for arguments, code, what in (
        (("label", folder), 2, "--export FILE"),
        (("label", folder, "--all"), 2, "--export FILE"),
        (("label", folder, "--export", tmp_path / "m.csv"), 5, "no utterance has a person's label"),
        (("label", tmp_path), 5, "holds no session"),
    ):
        done = livemerc(*arguments)
        assert done.returncode == code
        assert what in sentence(done)
    label_all(folder, ["joy", "joy"])
    done = livemerc("label", folder / "events.jsonl", "-o", tmp_path / "m.csv")  # the labels lie beside the events
    assert done.returncode == 0
    assert sentence(done) == f"livemerc: 2 utterances to {tmp_path / 'm.csv'} (a person's labels)"
