"""The ladder: each rung is what its name says, by the live code, and what cannot be had is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import wav_file as wav
from helpers.synthetic import RATE_HZ, buzz
from helpers.trainer.acted_dialogues import write_acted

from livemerc.asr.engine import Transcript
from livemerc.audio.file_source import FileSource
from livemerc.audio.items import Utterance
from livemerc.config import Config, DialogueConfig, ModelConfig, VadConfig
from livemerc.emotions import LABELS
from livemerc.events import EmotionEvent, UtteranceFinal
from livemerc.pipeline.monitor import Monitor
from trainer.evaluation.evaluate import Evaluation, judge
from trainer.evaluation.ladder import judge_whole, ladder
from trainer.evaluation.options import EvaluateOptions
from trainer.loop.metrics import label_metrics

HEADER = "dialogue_id,utterance_id,speaker,audio,start_s,end_s,text,emotion,split"


def table(path: Path, *rows: str) -> Path:
    path.write_text("\n".join([HEADER, *rows, ""]))
    return path


def said(count: int, times: bool = True) -> list[str]:
    """Rows of one dialogue without audio: an utterance of 1 s every 2 s."""
    return [
        f"a,{i},,,{2 * i if times else ''},{2 * i + 1 if times else ''},w{i} w{i * 7 % 90},{LABELS[i % 7]},"
        for i in range(count)
    ]


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path) -> Evaluation:
    path = table(tmp_path_factory.mktemp("words") / "m.csv", *said(9), "b,1,,,,,w5,joy,", "b,2,,,,,w6 w8,fear,")
    return Evaluation(path, None, checkpoint, device="cpu")


class Recited:
    """A recogniser that always hears the same words, and remembers what it was given."""

    engine, model = "recited", "one"

    def __init__(self, text: str):
        self.text, self.given, self.closed = text, [], False

    def transcribe(self, utterance: Utterance) -> Transcript:
        self.given.append(utterance)
        return Transcript(text=self.text)

    def partial(self, samples: np.ndarray) -> str:
        return ""

    def close(self) -> None:
        self.closed = True


BUZZ = VadConfig(engine="webrtc")
"""Silero knows that a buzz is no voice."""


def climb(
    evaluation: Evaluation, engine: Recited | None = None, vad: VadConfig | None = None, **options: Any
) -> dict[str, Any]:
    asked = EvaluateOptions(device="cpu", ladder=True, **options)
    return ladder(evaluation, asked, lambda _: None, engine=engine, vad=vad)


def rung(found: dict[str, Any], name: str) -> dict[str, Any]:
    (one,) = [r for r in found["rungs"] if r["rung"] == name]
    return one


def test_the_whole_dialogue_is_what_the_live_dialogue_says_with_all_of_it_in_its_window(words: Evaluation) -> None:
    for dialogue in words.dialogues:
        n = len(dialogue)
        config = DialogueConfig(context=n, revise=n - 1)
        live = judge(words.model, dialogue, config, words.checkpoint.abstention, text=True, speech=True)
        np.testing.assert_allclose(judge_whole(words.model, dialogue), live, atol=1e-6)


def test_lag_rungs_are_the_contracts_figures(words: Evaluation, checkpoint: Path) -> None:
    found = climb(words, lag=3)
    for name, lag in (("lag 0", 0), ("lag 3", 3)):
        fused = words.judgement(lag).figures()["fused"]
        for key in ("weighted_f1", "macro_f1", "uar", "accuracy"):
            assert rung(found, name)[key] == fused[key]
    cost = rung(found, "full dialogue")["weighted_f1"] - rung(found, "lag 0")["weighted_f1"]
    assert found["cost_of_streaming_points"] == pytest.approx(100 * cost)
    assert "cost_of_streaming_interval" not in found
    low, high = climb(words, bootstrap=200)["cost_of_streaming_interval"]
    assert low <= high


def test_the_waits_are_those_of_the_times(tmp_path: Path, checkpoint: Path) -> None:
    path = table(tmp_path / "m.csv", *said(5))
    found = climb(Evaluation(path, None, checkpoint, device="cpu"), lag=2)
    # An utterance ends every 2 s: the first waits for four more, the last for none.
    assert rung(found, "full dialogue")["latency"]["wait_s"]["p50"] == 4.0
    assert rung(found, "full dialogue")["latency"]["wait_utterances"]["p50"] == 2.0
    assert rung(found, "lag 2")["latency"]["wait_s"] == {"p50": 4.0, "p95": 4.0}
    assert rung(found, "lag 2")["latency"]["wait_utterances"] == {"p50": 2.0, "p95": 2.0}
    assert rung(found, "lag 0")["latency"]["wait_s"] == {"p50": 0.0, "p95": 0.0}
    assert 0 < rung(found, "lag 0")["latency"]["compute_ms"]["p50"] <= 60_000


def test_without_times_or_in_several_files_waits_are_counted_in_utterances(tmp_path: Path, checkpoint: Path) -> None:
    wav.write(tmp_path / "a.wav", buzz(0.6, seed=1), RATE_HZ)
    wav.write(tmp_path / "b.wav", buzz(0.6, seed=2), RATE_HZ)
    for rows in (said(4, times=False), ["a,1,,a.wav,0,.5,,joy,", "a,2,,b.wav,0,.5,,joy,", "a,3,,,0,.5,w1,joy,"]):
        path = table(tmp_path / "m.csv", *rows)
        latency = climb(Evaluation(path, None, checkpoint, device="cpu"))["rungs"][0]["latency"]
        assert latency["wait_s"] is None
        assert latency["wait_utterances"]["p95"] > 1


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        (["a,1,,,,,w1,joy,"], "no audio"),
        (["a,1,,a.wav,,,w1,joy,", "a,2,,,,,w2,joy,"], "no dialogue with audio on every row"),
    ],
)
def test_rungs_that_need_audio_are_no_numbers_without_it(
    tmp_path: Path, checkpoint: Path, rows: list[str], why: str
) -> None:
    wav.write(tmp_path / "a.wav", buzz(0.6, seed=1), RATE_HZ)
    path = table(tmp_path / "m.csv", *rows)
    found = climb(Evaluation(path, None, checkpoint, device="cpu"))
    for name in ("ASR text", "VAD cuts"):
        assert rung(found, name) == {"rung": name, "weighted_f1": None, "why": why}


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Two dialogues: four utterances in one recording, 1 s each every 3 s, and two whole files."""
    quiet = np.zeros(2 * RATE_HZ, np.float32)
    wav.write(tmp_path / "call.wav", np.concatenate([x for s in range(4) for x in (quiet, buzz(1.0, seed=s))]), RATE_HZ)
    wav.write(tmp_path / "x.wav", buzz(0.8, seed=8), RATE_HZ)
    rows = [f"a,{i},,call.wav,{3 * i + 2},{3 * i + 3},w{i} hello,{LABELS[i]},"
            for i in range(4)]  # fmt: skip
    return table(tmp_path / "m.csv", *rows, "b,1,,x.wav,,,w9,fear,", "b,2,,x.wav,,,w9,joy,")


def test_asr_text_replaces_the_words_and_nothing_else(recording: Path, checkpoint: Path) -> None:
    asr = Recited("great hello")
    evaluation = Evaluation(recording, None, checkpoint, device="cpu")
    found = rung(climb(evaluation, engine=asr), "ASR text")
    assert asr.closed
    assert (found["n"], found["dialogues"]) == (6, 2)
    lengths = [len(u.samples) / RATE_HZ for u in asr.given[:6]]
    assert lengths == pytest.approx([1, 1, 1, 1, 0.8, 0.8], abs=0.01)
    # The same manifest with those words as reference must give the same labels at lag 0.
    text = recording.read_text().splitlines()
    rewritten = [",".join([*line.split(",")[:6], "great hello", *line.split(",")[7:]]) for line in text[1:]]
    other = (
        Evaluation(table(recording.parent / "other.csv", *rewritten), None, checkpoint, device="cpu")
        .judgement()
        .figures()
    )
    assert found["weighted_f1"] == other["fused"]["weighted_f1"]
    assert found["lag_0_same_rows"] == evaluation.judgement(0).figures()["fused"]["weighted_f1"]
    assert found["asr"] == {"engine": "recited", "model": "one", "gated": 0.0}


def test_screened_text_does_not_reach_the_model(recording: Path, checkpoint: Path) -> None:
    evaluation = Evaluation(recording, None, checkpoint, device="cpu")
    found = rung(climb(evaluation, engine=Recited("[Music]")), "ASR text")
    speech = Evaluation(recording, None, checkpoint, device="cpu").judgement().figures()["speech"]
    assert found["asr"]["gated"] == 1.0
    assert found["weighted_f1"] == speech["weighted_f1"]


def test_vad_cuts_are_what_the_monitor_says_of_the_file(recording: Path, checkpoint: Path) -> None:
    evaluation = Evaluation(recording, None, checkpoint, device="cpu")
    found = rung(climb(evaluation, vad=BUZZ, engine=Recited("w3 great")), "VAD cuts")
    assert (found["n"], found["dialogues"]) == (4, 1)  # the other dialogue has no recording of its own
    model = ModelConfig(checkpoint=str(checkpoint), device="cpu")
    config = Config(model=model, dialogue=DialogueConfig(revise=0), vad=BUZZ)
    events = list(
        Monitor(FileSource(recording.parent / "call.wav", speed=0), config, engine=Recited("w3 great")).events()
    )
    starts = [e.start_s for e in events if isinstance(e, UtteranceFinal)]
    labels = [e.label for e in events if isinstance(e, EmotionEvent) and e.status == "frozen"]
    assert [round(s) for s in starts] == [2, 5, 8, 11]
    expected = label_metrics(np.array([LABELS.index(x) for x in labels]), np.arange(4), 7)
    assert {k: found[k] for k in expected} == expected
    assert found["cuts"] == {"segments": 4, "missed": 0, "insertions": 0, "merged": 0, "split": 0}
    # Silence of `hangover_ms` ends an utterance: that is the wait.
    hangover_s = Config().endpoint.hangover_ms / 1000
    assert found["latency"]["wait_s"]["p50"] == pytest.approx(hangover_s, abs=0.1)


def test_a_missed_utterance_counts_as_wrong_and_an_insertion_is_counted(recording: Path, checkpoint: Path) -> None:
    rows = recording.read_text().splitlines()[1:5]
    # The second row is moved to where nobody speaks.
    rows[1] = "a,1,,call.wav,3.4,4.6,w1 hello,joy,"
    path = table(recording.parent / "moved.csv", *rows)
    evaluation = Evaluation(path, None, checkpoint, device="cpu")
    found = rung(climb(evaluation, vad=BUZZ, engine=Recited("w3 great")), "VAD cuts")
    assert found["cuts"] == {"segments": 4, "missed": 1, "insertions": 1, "merged": 0, "split": 0}
    assert found["accuracy"] <= 0.75


def test_the_whole_ladder_on_acted_recordings(shared_data: Path, tmp_path: Path) -> None:
    manifest = write_acted(shared_data / "ravdess", tmp_path, ("21", "24"), dialogues=1, length=4)
    evaluation = Evaluation(manifest, None, None, device="cpu")
    told: list[str] = []
    found = ladder(evaluation, EvaluateOptions(device="cpu", asr="faster-whisper"), told.append)
    assert [r["rung"] for r in found["rungs"]] == ["full dialogue", "lag 2", "lag 0", "ASR text", "VAD cuts"]
    assert all(r["n"] == 4 for r in found["rungs"])
    assert told == ["ASR: faster-whisper tiny.en (ships with livemerc, English only)."]
    cuts = rung(found, "VAD cuts")["cuts"]
    assert cuts["missed"] <= 1
    assert cuts["insertions"] <= 1
    assert 3 <= cuts["segments"] <= 8
    latency = rung(found, "VAD cuts")["latency"]
    assert 0.1 < latency["wait_s"]["p50"] < 0.6
    assert rung(found, "ASR text")["latency"]["wait_s"]["p50"] == 0.0
