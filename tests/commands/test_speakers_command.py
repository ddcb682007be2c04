"""`livemerc speakers`: consent before all else, and one sentence for whatever is not done."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from helpers.paths import DEMO
from helpers.voiceprints import voiceprint
from helpers.wav_file import write as write_wav

from livemerc.audio.read import read_samples
from livemerc.cli import call
from livemerc.config import SAMPLE_RATE_HZ, load_config
from livemerc.console.enrolment import consent_to, enrol
from livemerc.errors import ConfigError, InputError
from livemerc.model.checkpoint import read_manifest
from livemerc.speakers.ge2e import embedder_id
from livemerc.speakers.voiceprints import UsualVoice, Voiceprints


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.setattr("sys.stdin", io.StringIO())


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = call(["speakers", *arguments])
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.parametrize(
    ("arguments", "code", "named"),
    [
        (("enroll", "Ann"), 2, "--mic or --file"),
        (("enroll", "Ann", "--mic", "--file", str(DEMO)), 2, "one of them"),
        (("enroll", "S1", "--file", str(DEMO), "--consent"), 2, "give a person's name"),
        (("enroll", "Ann", "--file", str(DEMO)), 2, "--consent"),
        (("enroll", "Ann", "--file", "absent.wav", "--consent"), 5, "absent.wav"),
        (("enroll",), 2, "speakers"),
        (("forget",), 2, "--all"),
        (("forget", "Ann", "--all"), 2, "--all"),
        (("forget", "Ann"), 2, "speakers list"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_keeps_nothing(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: int, named: str
) -> None:
    found, out, err = said(capsys, *arguments)
    assert found == code
    assert out == ""
    assert named in err
    assert len(err.splitlines()) == 1
    assert Voiceprints().read().prints == []


def test_several_people_or_too_little_voice_are_exit_code_5(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    short = write_wav(tmp_path / "short.wav", read_samples(DEMO, SAMPLE_RATE_HZ, 0.0, 5.0), SAMPLE_RATE_HZ)
    code, out, err = said(capsys, "enroll", "Ann", "--file", str(short), "--consent")
    assert (code, out) == (5, "")
    assert "clean voice" in err
    code, out, err = said(capsys, "enroll", "Ann", "--file", str(DEMO), "--consent")
    assert (code, out) == (5, "")
    assert "more than one voice" in err
    assert Voiceprints().read().prints == []


def test_where_words_alone_are_judged_no_voice_is_taken(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIVEMERC_PURPOSE", "work")
    code, _, err = said(capsys, "enroll", "Ann", "--file", str(DEMO), "--consent")
    assert code == 2
    assert "words alone" in err


def test_who_is_enrolled_is_listed_with_the_consent_and_forgotten(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "list") == (0, f"nobody is enrolled (voiceprints would be in {Voiceprints().folder})\n", "")
    Voiceprints().add(voiceprint("Ann", embedder=embedder_id()))
    Voiceprints().add(voiceprint("Ben"))
    usual = UsualVoice(statistics="2" * 64, checkpoint="test-1", voices=[bytes(8)])
    Voiceprints().add(voiceprint("Cem", embedder=embedder_id(), usual_voice=usual))
    code, out, err = said(capsys, "list")
    assert code == 0
    ann, ben, cem = out.splitlines()
    assert cem == "Cem  2026-01-02, 16 s of voice, usual voice for test-1, consent of 2026-01-02 (flag)"
    assert said(capsys, "forget", "Cem")[0] == 0
    assert ann == "Ann  2026-01-02, 16 s of voice, consent of 2026-01-02 (flag)"
    assert ben.endswith("by another embedder (test): not compared")
    assert "Ben" in err
    code, _, err = said(capsys, "enroll", "ANN", "--file", str(DEMO), "--consent")
    assert code == 2
    assert "enrolled already" in err
    assert said(capsys, "forget", "ann")[0] == 0
    assert [one.name for one in Voiceprints().read().prints] == ["Ben"]
    code, _, err = said(capsys, "forget", "--all")
    assert code == 0
    assert "1 voiceprint taken away" in err
    assert Voiceprints().read().prints == []


@pytest.mark.parametrize("answer", ["y\n", "Yes\n"])
def test_consent_is_asked_at_the_terminal_and_dated(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    consent = consent_to("Ann", given=False)
    assert consent.how == "terminal"
    assert consent.given_at.endswith("+00:00")
    assert consent.question in capsys.readouterr().err
    assert "how it usually sounds" not in consent.question
    given = consent_to("Ann", given=True, usual_voice=True)
    assert given.how == "flag"
    assert "how it usually sounds" in given.question
    assert "emotions" in given.question


@pytest.mark.parametrize("answer", ["", "\n", "n\n", "of course not\n", "yep\n"])
def test_whatever_is_no_yes_is_a_no(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    with pytest.raises(ConfigError, match="has not agreed"):
        consent_to("Ann", given=False)


def test_a_microphone_that_hears_nothing_is_told(tmp_path: Path) -> None:
    from livemerc.audio.source import SourceHealth
    from livemerc.events import MicState

    class Silent:
        name, rate_hz, live, warnings = "mic:Desk", SAMPLE_RATE_HZ, True, list[str]()

        def blocks(self):
            yield from ()

        def close(self) -> None:
            """Nothing is open."""

        def health(self) -> SourceHealth:
            return SourceHealth(mic=MicState(ok=False, why="only digital silence arrives: unmute it"))

    with pytest.raises(InputError, match="digital silence"):
        enrol("Ann", Silent, load_config(), consent_given=True, prints=Voiceprints(tmp_path))
    assert Voiceprints(tmp_path).read().prints == []


@pytest.fixture
def recording(tmp_path: Path, shared_data: Path) -> Path:
    """Three clips of one reader."""
    folder = shared_data / "speech" / "librispeech"
    paths = sorted(folder.glob("*.flac"))
    own = [path for path in paths if path.name.split("-")[0] == paths[0].name.split("-")[0]]
    pause = np.zeros(SAMPLE_RATE_HZ, np.float32)
    samples = np.concatenate([part for path in own[:3] for part in (read_samples(path, SAMPLE_RATE_HZ), pause)])
    return write_wav(tmp_path / "ann.wav", samples, SAMPLE_RATE_HZ)


def test_a_reader_is_enrolled_from_a_recording(capsys: pytest.CaptureFixture[str], recording: Path) -> None:
    code, out, err = said(capsys, "enroll", "Ann", "--file", str(recording), "--consent")
    assert (code, err) == (0, "")
    (kept,) = Voiceprints().read().prints
    assert out.startswith("Ann: enrolled with")
    assert kept.embedder == embedder_id()
    assert kept.consent.how == "flag"
    assert len(kept.mean) == 256
    assert kept.usual_voice is None
    assert "usually sounds" not in kept.consent.question


def test_how_a_voice_usually_sounds_is_kept_where_that_is_asked_for(
    capsys: pytest.CaptureFixture[str], recording: Path
) -> None:
    code, out, err = said(capsys, "enroll", "Ann", "--file", str(recording), "--usual-voice", "--consent")
    assert (code, err) == (0, "")
    (kept,) = Voiceprints().read().prints
    manifest = read_manifest()
    assert f"how it usually sounds to {manifest.id}" in out
    assert kept.usual_voice is not None
    assert kept.usual_voice.statistics == manifest.voice_statistics_id
    assert kept.usual_voice.checkpoint == manifest.id
    assert len(kept.usual_voice.voices) == kept.utterances
    assert "how it usually sounds" in kept.consent.question
    assert f"usual voice for {manifest.id}" in said(capsys, "list")[1]
    assert said(capsys, "forget", "Ann")[0] == 0
    assert list(Voiceprints().folder.iterdir()) == []


def test_a_checkpoint_without_baselines_is_told_before_anybody_is_heard(
    capsys: pytest.CaptureFixture[str], checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIVEMERC_MODEL_CHECKPOINT", str(checkpoint))
    code, out, err = said(capsys, "enroll", "Ann", "--file", "absent.wav", "--usual-voice", "--consent")
    assert (code, out) == (2, "")
    assert "--usual-voice" in err
    assert len(err.splitlines()) == 1
