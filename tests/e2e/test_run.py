"""`livemerc run` as a user starts it: real audio, the bundled checkpoint, the real recogniser."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jiwer
import jsonschema
import pytest
from helpers.command_line import environment, livemerc
from helpers.paths import DEMO_WORDS, PROJECT
from helpers.settled import settled_lines
from helpers.speech import plain

from livemerc.asr.sidecar import read_cues
from livemerc.config import EndpointConfig

SCHEMA = json.loads((PROJECT / "livemerc/events.schema.json").read_text())


NEVER_BEHIND = {f"LIVEMERC_OVERLOAD_{level}_AFTER_S": "86400" for level in ("SKIP_PARTIALS", "FAST_ASR", "SPEECH_ONLY")}
"""A machine full of other work may be too slow for speech: that it then degrades is tested elsewhere."""


def run(*arguments: str | Path, stdin: bytes = b"", home: Path | None = None, **extra: str) -> list[dict[str, Any]]:
    """Events of `livemerc run --json ...`; stdout must be JSON Lines of the schema and nothing else."""
    done = livemerc("run", "--json", *arguments, env=environment(home, **extra), stdin=stdin)
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    validator = jsonschema.Draft202012Validator(SCHEMA)
    for event in events:
        validator.validate(event)
    return events


def of(events: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [e for e in events if e["type"] == kind]


@pytest.fixture(scope="module")
def call(shared_data: Path) -> Path:
    return shared_data / "speech/call/sample.flac"


@pytest.fixture(scope="module")
def call_events(call: Path) -> list[dict[str, Any]]:
    return run("--file", call, "--speed", "0", "--asr", "faster-whisper", "--block-ms", "10")


def test_the_order_of_a_session(call_events: list[dict[str, Any]]) -> None:
    assert call_events[0]["type"] == "session.start"
    assert call_events[-1]["type"] == "session.end"
    finals = [e["utterance_id"] for e in of(call_events, "utterance.final")]
    assert call_events[-1]["utterances"] == len(finals) == len(set(finals))
    for utterance in finals:
        kinds = [
            e.get("status", "final")
            for e in call_events
            if e.get("utterance_id") == utterance and e["type"] in ("utterance.final", "emotion")
        ]
        assert kinds[:2] == ["final", "provisional"]
        assert kinds[-1] == "frozen"
        assert kinds.count("frozen") == 1


def test_the_real_call_is_cut_into_its_speech(call: Path, call_events: list[dict[str, Any]]) -> None:
    finals = of(call_events, "utterance.final")
    assert len(finals) >= 3
    assert all(f["end_s"] - f["start_s"] <= EndpointConfig().max_utterance_s for f in finals)
    step_s = 0.01
    total = round(30.0 / step_s)
    reference, heard = [False] * total, [False] * total
    for line in call.with_suffix(".rttm").read_text().splitlines():
        _, _, _, start, duration, *_ = line.split()
        for i in range(round(float(start) / step_s), min(total, round((float(start) + float(duration)) / step_s))):
            reference[i] = True
    for f in finals:
        for i in range(round(f["start_s"] / step_s), min(total, round(f["end_s"] / step_s))):
            heard[i] = True
    inside = sum(h for h, r in zip(heard, reference, strict=True) if r) / sum(reference)
    outside = sum(h for h, r in zip(heard, reference, strict=True) if not r) / (total - sum(reference))
    assert inside >= 0.85
    assert outside <= 0.25


def test_every_utterance_has_words_a_label_and_calibrated_numbers(call_events: list[dict[str, Any]]) -> None:
    labels = call_events[0]["labels"]
    finals = of(call_events, "utterance.final")
    assert all(f["text"] for f in finals)
    # a lone "Hello?" of .4 s, before anybody has spoken, may count as no speech (docs/screening.md); nothing else does
    unheard = {f["utterance_id"] for f in finals if f["asr"]["gated"]}
    assert unheard <= {finals[0]["utterance_id"]}
    assert {f["asr"]["gated"] for f in finals} <= {None, "no speech"}
    for e in of(call_events, "emotion"):
        assert list(e["probabilities"]) == labels
        assert sum(e["probabilities"].values()) == pytest.approx(1.0, abs=1e-6)
        assert e["label"] == max(e["probabilities"], key=e["probabilities"].__getitem__)
        judged = e["utterance_id"] not in unheard
        assert (e["modality"]["text"] is not None) == judged
        assert (e["modality"]["speech"] is not None) == judged
        if e["status"] == "provisional" and judged:
            assert e["timing"]["endpoint_wait_ms"] is None
            assert e["timing"]["total_ms"] is None
            assert e["timing"]["fuse_ms"] > 0


def test_standard_input_in_blocks_of_any_size_gives_the_same_events_as_the_file(
    call: Path, call_events: list[dict[str, Any]]
) -> None:
    from livemerc.audio.read import read_samples

    raw = (read_samples(call, 16_000) * 32768).round().astype("<i2").tobytes()
    events = run(
        "--stdin", "--rate", "16000", "--asr", "faster-whisper", "--block-ms", "1000", stdin=raw, **NEVER_BEHIND
    )
    assert settled_lines(events) == settled_lines(call_events)


def test_text_only_infers_nothing_from_the_voice_and_no_recogniser_nothing_from_words(call: Path) -> None:
    words = of(run("--file", call, "--speed", "0", "--transcript", call.with_suffix(".stm"), "--text-only"), "emotion")
    assert words
    assert all(e["modality"]["speech"] is None for e in words)
    assert all(e["modality"]["text"] is not None for e in words)
    voice = run("--file", call, "--speed", "0", "--asr", "none")
    assert all(e["modality"]["text"] is None and e["modality"]["speech"] for e in of(voice, "emotion"))
    assert all(f["asr"]["gated"] for f in of(voice, "utterance.final"))


def test_a_sidecar_transcript_names_the_speakers(call: Path) -> None:
    events = run("--file", call, "--speed", "0", "--transcript", call.with_suffix(".stm"))
    finals = of(events, "utterance.final")
    assert {f["speaker"] for f in finals} <= {"Diane", "Sheila"}
    assert "I didn't know you were there" in " ".join(f["text"] for f in finals)


def test_the_demo_is_understood_and_shows_at_least_three_emotions_turn_by_turn(tmp_path: Path) -> None:
    events = run("--demo", "--speed", "0", home=tmp_path)
    assert events[0]["asr"]["engine"] == "faster-whisper"  # nothing is cached in this home: tiny.en, which ships
    cues = read_cues(DEMO_WORDS)
    finals = of(events, "utterance.final")
    assert len(finals) == len(cues)
    error = jiwer.wer([plain(cue.text) for cue in cues], [plain(final["text"]) for final in finals])
    print(f"tiny.en on the demo: word error {error:.3f}")
    assert error <= 0.05
    assert len({e["label"] for e in of(events, "emotion") if e["status"] == "frozen" and not e["abstained"]}) >= 3


def test_read_speech_is_mostly_neutral(shared_data: Path) -> None:
    """The base rate: unemotional reading is no drama. Words where a transcript is at hand, else the voice alone.

    Ten of these readers taught the model what neutral sounds like; the model card has the figure of those who did not.
    """
    import livemerc as package

    predictor = package.load()
    labels = []
    for clip in sorted(
        [*(shared_data / "speech/read").glob("*.flac"), *(shared_data / "speech/librispeech").glob("*.flac")]
    ):
        transcript = clip.with_suffix(".txt")
        text = transcript.read_text().strip() if transcript.exists() else None
        labels.append(predictor.predict(clip, text).label)
    assert labels.count("neutral") / len(labels) >= 0.7
