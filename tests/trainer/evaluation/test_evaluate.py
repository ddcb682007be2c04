"""`livemerc-train evaluate`: the object of the contract, and that it judges as the live dialogue does."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import wav_file as wav
from helpers.command_line import finished
from helpers.networks import write_checkpoint
from helpers.synthetic import RATE_HZ, buzz

from livemerc.api import Turn, load
from livemerc.config import DialogueConfig
from livemerc.emotions import LABELS
from livemerc.errors import InputError, ModelError
from livemerc.model.checkpoint import read_manifest
from livemerc.model.encoders import load_model
from livemerc.pipeline.abstention import Cues
from livemerc.pipeline.dialogue import Dialogue
from trainer.corpora.manifest import read_manifest_dialogues
from trainer.evaluation.evaluate import Evaluation, encode, judge
from trainer.evaluation.ladder import judge_whole
from trainer.loop.metrics import classification_metrics
from trainer.loop.windows import DialogueFeatures
from trainer.loop.windows import judge as judge_windows

HEADER = "dialogue_id,utterance_id,speaker,audio,start_s,end_s,text,emotion,split"
LONG = np.concatenate([buzz(0.7, seed=1), buzz(0.9, seed=2), buzz(0.8, seed=3)])
FIGURES = {"weighted_f1", "macro_f1", "uar", "accuracy", "ece", "nll", "per_class"}


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two dialogues; one file cut by times, one whole; every combination of modalities, both splits."""
    folder = tmp_path_factory.mktemp("manifest")
    wav.write(folder / "long.wav", LONG, RATE_HZ)
    wav.write(folder / "whole.wav", buzz(1.1, seed=4), RATE_HZ)
    return table(
        folder / "m.csv",
        "a,1,Ann,long.wav,0,0.7,hello w1,joy,test",
        "a,2,Bob,long.wav,0.7,1.6,,anger,test",
        "a,3,Ann,,,,sad w2 w3,sadness,test",
        "b,1,Bob,whole.wav,,,great,joy,train",
        "a,4,Bob,long.wav,1.6,,w8 w9,neutral,test",
        "a,5,Ann,,,,,fear,test",
        "b,2,Ann,,,,w11 w12,surprise,train",
    )


def table(path: Path, *rows: str) -> Path:
    path.write_text("\n".join([HEADER, *rows, ""]))
    return path


def command(*arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    return finished("trainer", "evaluate", *arguments)


def rows_of(manifest: Path, split: str | None = None) -> list[Any]:
    return read_manifest_dialogues(manifest, LABELS, split)


def live(manifest: Path, checkpoint: Path, lag: int, text: bool = True, speech: bool = True) -> dict[str, list[Any]]:
    """dialogue -> frozen (label, probabilities) of `Dialogue` over samples that this test cut itself."""
    model, encoders = load_model(checkpoint, "cpu", 1)
    cuts = {"1": LONG[: round(0.7 * RATE_HZ)], "2": LONG[round(0.7 * RATE_HZ) : round(1.6 * RATE_HZ)]}
    out = {}
    for dialogue in rows_of(manifest):
        window = Dialogue(model, DialogueConfig(revise=lag), read_manifest(checkpoint).abstention)
        events = []
        for row in dialogue:
            samples = None
            if row.audio is not None:
                samples = buzz(1.1, seed=4) if row.audio.name == "whole.wav" else cuts.get(row.utterance_id)
                samples = LONG[round(1.6 * RATE_HZ) :] if samples is None else samples
                samples = ((samples * 32767).astype("<i2") / 32768).astype(np.float32)
            t1 = encoders.text([row.text])[0] if row.text and text else None
            s1 = encoders.speech(samples) if samples is not None and speech else None
            events += window.add(row.utterance_id, t1, s1, Cues(duration_s=2.0), speaker=row.speaker)
        events += window.freeze_all()
        out[dialogue[0].dialogue_id] = [list(e.probabilities.values()) for e in events if e.status == "frozen"]
    return out


def expected(manifest: Path, checkpoint: Path, lag: int, **masks: bool) -> dict[str, Any]:
    judged = live(manifest, checkpoint, lag, **masks)
    dialogues = rows_of(manifest)
    truth = np.array([LABELS.index(r.emotion) for d in dialogues for r in d])
    return classification_metrics(np.concatenate([judged[d[0].dialogue_id] for d in dialogues]), truth, LABELS)


def close(a: dict[str, Any], b: dict[str, Any]) -> bool:
    numbers = all(a[k] == pytest.approx(b[k], abs=1e-5) for k in FIGURES - {"per_class"})
    return numbers and all(a["per_class"][k] == pytest.approx(b["per_class"][k]) for k in b["per_class"])


def test_the_command_prints_the_object_of_the_contract_and_nothing_else(manifest: Path, checkpoint: Path) -> None:
    done = command("--manifest", manifest, "--checkpoint", checkpoint, "--json")
    assert done.returncode == 0, done.stderr.decode()
    figures = json.loads(done.stdout)
    assert set(figures) == {"text", "speech", "fused", "n", "labels"}
    assert figures["n"] == 7
    assert figures["labels"] == list(LABELS)
    for branch in ("text", "speech", "fused"):
        assert set(figures[branch]) == FIGURES
        assert list(figures[branch]["per_class"]) == list(LABELS)
        for c in figures[branch]["per_class"].values():
            assert set(c) == {"precision", "recall", "f1", "support"}
        assert sum(c["support"] for c in figures[branch]["per_class"].values()) == 7
    assert close(figures["fused"], expected(manifest, checkpoint, 0))


@pytest.mark.parametrize("lag", [0, 1, 2, 50])
def test_the_figures_are_those_of_the_live_dialogue(manifest: Path, checkpoint: Path, lag: int) -> None:
    figures = Evaluation(manifest, None, checkpoint, device="cpu").judgement(lag).figures()
    assert close(figures["fused"], expected(manifest, checkpoint, lag))
    assert close(figures["text"], expected(manifest, checkpoint, lag, speech=False))
    assert close(figures["speech"], expected(manifest, checkpoint, lag, text=False))


def test_at_lag_0_every_row_is_what_predict_says_with_what_came_before(manifest: Path, checkpoint: Path) -> None:
    model, encoders = load_model(checkpoint, "cpu", 1)
    predictor = load(checkpoint)
    (dialogue, _) = encode(rows_of(manifest), encoders)
    judged = judge(model, dialogue, DialogueConfig(revise=0), read_manifest(checkpoint).abstention,
                   text=True, speech=True)  # fmt: skip
    # The words alone, so that the comparison does not cut audio a second time.
    turns = [Turn(None, e.row.text or None) for e in dialogue]
    words = judge(model, dialogue, DialogueConfig(revise=0), read_manifest(checkpoint).abstention,
                  text=True, speech=False)  # fmt: skip
    for i, turn in enumerate(turns):
        estimate = predictor.predict(None, turn.text, turns[:i])
        np.testing.assert_allclose(words[i], list(estimate.probabilities.values()), atol=1e-5)
    assert np.abs(words[0] - judged[0]).max() > 1e-4


def test_a_lag_changes_only_rows_that_something_follows(manifest: Path, checkpoint: Path) -> None:
    model, encoders = load_model(checkpoint, "cpu", 1)
    abstention = read_manifest(checkpoint).abstention
    for dialogue in encode(rows_of(manifest), encoders):
        at = [
            judge(model, dialogue, DialogueConfig(revise=lag), abstention, text=True, speech=True) for lag in (0, 1, 2)
        ]
        # Nothing follows the last row; one row follows the one before: a second place of lag adds nothing to it.
        np.testing.assert_allclose(at[0][-1], at[2][-1], atol=1e-6)
        np.testing.assert_allclose(at[1][-2], at[2][-2], atol=1e-6)
        assert np.abs(at[0][0] - at[1][0]).max() > 1e-6


def test_the_order_of_unrelated_dialogues_and_their_number_change_no_row(manifest: Path, checkpoint: Path) -> None:
    both = Evaluation(manifest, None, checkpoint, device="cpu").judgement().figures()
    parts = [Evaluation(manifest, split, checkpoint, device="cpu").judgement().figures() for split in ("test", "train")]
    assert [p["n"] for p in parts] == [5, 2]
    for name in ("accuracy", "nll"):
        mean = sum(p["n"] * p["fused"][name] for p in parts) / 7
        assert both["fused"][name] == pytest.approx(mean, abs=1e-5)


@pytest.mark.parametrize(
    ("rows", "null"),
    [
        (["a,1,,,,,w1 w2,joy,", "a,2,,,,,w3,fear,"], {"speech"}),
        (["a,1,,long.wav,0,1,,joy,", "a,2,,long.wav,1,2,,fear,"], {"text"}),
        (["a,1,,long.wav,0,1,,joy,", "a,2,,,,,w2,fear,"], set()),
        (["a,1,,,,,,joy,"], {"text", "speech"}),
    ],
)
def test_a_branch_is_null_where_its_column_is_empty_and_fused_never(
    tmp_path: Path, checkpoint: Path, rows: list[str], null: set[str]
) -> None:
    wav.write(tmp_path / "long.wav", LONG, RATE_HZ)
    figures = Evaluation(table(tmp_path / "m.csv", *rows), None, checkpoint, device="cpu").judgement().figures()
    assert {b for b in ("text", "speech", "fused") if figures[b] is None} == null
    if null == {"speech"}:
        assert figures["fused"]["accuracy"] == figures["text"]["accuracy"]


def flat(tree: dict[str, Any], above: str = "") -> dict[str, Any]:
    """{"fused.uar": ..., ...}"""
    out: dict[str, Any] = {}
    for key, value in tree.items():
        out |= flat(value, f"{above}{key}.") if isinstance(value, dict) else {above + key: value}
    return out


def test_rows_of_context_are_heard_and_not_judged(tmp_path: Path, checkpoint: Path) -> None:
    rows = [f"{d},{i},,,,,w{5 * i} w{d},{LABELS[(d + i) % 7]}," for d in range(2) for i in range(4)]
    heard = [row if n % 4 in (1, 3) else row.rsplit(",", 2)[0] + ",,context" for n, row in enumerate(rows)]
    every, some, alone = (
        Evaluation(table(tmp_path / f"{name}.csv", *kept), None, checkpoint, device="cpu")
        for name, kept in (("every", rows), ("some", heard), ("alone", rows[1::2]))
    )
    for lag in (0, 2):
        np.testing.assert_allclose(some.judge(lag), every.judge(lag)[1::2], atol=1e-6)
        assert np.abs(some.judge(lag) - alone.judge(lag)).max() > 1e-4
        np.testing.assert_allclose(some.without_context().judge(lag), alone.judge(lag), atol=1e-6)
    assert some.truth.tolist() == alone.truth.tolist() == every.truth[1::2].tolist()
    assert some.dialogue.tolist() == [0, 0, 1, 1]
    assert some.judgement().figures()["n"] == 4
    # How many are judged at once changes the last bits.
    expected = pytest.approx(flat(alone.judgement().figures()), abs=1e-6)
    assert flat(some.without_context().judgement().figures()) == expected


def test_rows_with_nothing_to_judge_count_by_the_prior(tmp_path: Path, checkpoint: Path) -> None:
    figures = (
        Evaluation(table(tmp_path / "m.csv", "a,1,,,,,,joy,", "a,2,,,,,,neutral,"), None, checkpoint, device="cpu")
        .judgement()
        .figures()
    )
    assert figures["fused"]["accuracy"] == 0.5  # neutral is likeliest beforehand
    assert figures["fused"]["nll"] == pytest.approx(-(np.log(0.1) + np.log(0.4)) / 2, rel=1e-5)


def test_audio_that_cannot_be_read_names_the_line(tmp_path: Path, checkpoint: Path) -> None:
    wav.write(tmp_path / "short.wav", LONG, RATE_HZ)
    past = table(tmp_path / "past.csv", "a,1,,,,,w1,joy,", "a,2,,short.wav,60,61,,joy,")
    with pytest.raises(InputError, match=r"line 3 .*short\.wav"):
        Evaluation(past, None, checkpoint, device="cpu").judgement().figures()
    (tmp_path / "noise.wav").write_bytes(b"no audio")
    broken = table(tmp_path / "broken.csv", "a,1,,noise.wav,,,,joy,")
    with pytest.raises(InputError, match=r"line 2 .*noise\.wav"):
        Evaluation(broken, None, checkpoint, device="cpu").judgement().figures()


def test_an_unknown_emotion_is_exit_5_and_one_sentence(tmp_path: Path, checkpoint: Path) -> None:
    path = table(tmp_path / "m.csv", "a,1,,,,,w1,joy,", "a,2,,,,,w1,boredom,")
    done = command("--manifest", path, "--checkpoint", checkpoint, "--json")
    assert done.returncode == 5
    assert done.stdout == b""
    (line,) = done.stderr.decode().splitlines()
    assert f"{path}, line 3" in line
    assert "'boredom'" in line


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--manifest", "absent.csv"], 5, "absent.csv"),
        (["--manifest", "m.csv", "--split", "exam"], 5, "'exam'"),
        (["--manifest", "m.csv", "--checkpoint", "nowhere"], 3, "nowhere"),
        (["--manifest", "m.csv", "--lag", "-1"], 2, "--lag"),
        (["--json"], 2, "manifest"),
    ],
)
def test_mistakes_have_their_exit_code_and_say_what_to_mend(
    manifest: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, says: str
) -> None:
    monkeypatch.chdir(manifest.parent)
    if "--checkpoint" not in arguments:
        arguments = [*arguments, "--checkpoint", str(checkpoint)]
    done = command(*arguments)
    assert done.returncode == code, done.stderr.decode()
    assert done.stdout == b""
    assert says in done.stderr.decode().lower()
    assert "Traceback" not in done.stderr.decode()


@pytest.mark.parametrize("lag", [0, 1, None])
def test_cached_features_are_judged_as_the_manifest_is(tmp_path: Path, checkpoint: Path, lag: int | None) -> None:
    rows = [f"{d},{i},,,,,w{7 * i} w{d},{LABELS[(d + i) % 7]}," for d in range(3) for i in range(4 + d)]
    evaluation = Evaluation(table(tmp_path / "m.csv", *rows), None, checkpoint, device="cpu")
    features = []
    for number, dialogue in enumerate(evaluation.dialogues):
        n = len(dialogue)
        t1 = np.stack([e.t1.numpy() for e in dialogue if e.t1 is not None])
        labels = evaluation.truth[evaluation.dialogue == number]
        features.append(DialogueFeatures(t1, np.zeros((n, 7), np.float32), np.ones(n, bool), np.zeros(n, bool), labels))
    conversation = evaluation.model.conversation
    logits = torch.cat([w.fused for w in judge_windows(conversation, features, 32, lag)]).double()
    cached = (logits / evaluation.model.temperatures.text_only).softmax(-1).numpy()
    np.testing.assert_allclose(cached, evaluation.judge(50 if lag is None else lag), atol=1e-5)


def test_weights_that_are_not_numbers_are_the_checkpoints_fault(tmp_path: Path, checkpoint: Path) -> None:
    evaluation = Evaluation(table(tmp_path / "m.csv", "a,1,,,,,w1,joy,"), None, checkpoint, device="cpu")
    with torch.no_grad():
        evaluation.model.conversation.text_context.head.bias[0] = float("nan")
    with pytest.raises(ModelError, match="not numbers"):
        evaluation.judgement()


def test_a_baseline_grows_from_the_speakers_earlier_rows_of_the_dialogue(tmp_path: Path) -> None:
    """As live, in file order; a row without a speaker, and the same name in another dialogue, know of nothing."""
    checkpoint = write_checkpoint(tmp_path / "checkpoint", baselines=True)
    wav.write(tmp_path / "long.wav", LONG, RATE_HZ)
    cuts = ("0,0.7", "0.7,1.6", "1.6,")

    def judged(*speakers: str) -> np.ndarray:
        rows = [f"{i // 3},{i},{who},long.wav,{cuts[i % 3]},,joy,test" for i, who in enumerate(speakers)]
        evaluation = Evaluation(table(tmp_path / "m.csv", *rows), None, checkpoint, context=1, device="cpu")
        return evaluation.judge(0)

    cold = judged(*[""] * 6)
    warm = judged("Ann", "Ann", "Ann", "Ann", "Bob", "Ann")
    changed = np.abs(warm - cold).max(1) > 1e-4
    assert changed.tolist() == [False, True, True, False, False, True]
    turns = [Turn(samples, None, "Ann") for samples in np.split(LONG, [round(0.7 * RATE_HZ), round(1.6 * RATE_HZ)])]
    predictor = load(checkpoint, dialogue__context=1, dialogue__revise=0)
    live_one = predictor.predict(turns[2].audio, context=turns[:2], speaker="Ann")
    np.testing.assert_allclose(warm[2], list(live_one.probabilities.values()), atol=2e-3)  # 16 bit on disk


def test_the_whole_dialogue_at_once_is_judged_against_the_same_baselines(tmp_path: Path) -> None:
    checkpoint = write_checkpoint(tmp_path / "checkpoint", baselines=True)
    wav.write(tmp_path / "long.wav", LONG, RATE_HZ)

    def whole(first: str) -> np.ndarray:
        rows = (f"a,1,{first},long.wav,0,0.7,w1,joy,test", "a,2,Ann,long.wav,0.7,1.6,,joy,test")
        evaluation = Evaluation(table(tmp_path / "m.csv", *rows), None, checkpoint, context=2, device="cpu")
        found = judge_whole(evaluation.model, evaluation.dialogues[0])
        np.testing.assert_allclose(found, evaluation.judge(1), atol=1e-5)
        return found

    assert np.abs(whole("Ann")[1] - whole("Bob")[1]).max() > 1e-4
