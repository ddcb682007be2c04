"""`livemerc-train experiment`: each one is run, small and for real, leaves its figures, and is not trained twice."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.command_line import environment
from helpers.networks import write_checkpoint
from helpers.trainer.command import train_command
from helpers.trainer.miniature import write_config
from helpers.trainer.releases import meld_table
from helpers.trainer.small_compact import SMALL, write_embeddings, write_text_features
from helpers.trainer.small_voices import voice_corpora

from livemerc.emotions import LABELS
from trainer.compact.compose import corrupted
from trainer.experiments.commands import experiments
from trainer.experiments.fusion_options import OPTIONS as FUSION_OPTIONS
from trainer.experiments.fusion_options import auroc
from trainer.experiments.left_out import LEFT_OUT
from trainer.experiments.option_ablations import OPTIONS
from trainer.loop.windows import DialogueFeatures


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    changes = {**SMALL, "voice__epochs": 1}
    return write_config(tmp_path_factory.mktemp("config") / "small.toml", "compact.toml", **changes)


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_text_features(tmp_path_factory.mktemp("features") / "text.npz")


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return voice_corpora(tmp_path_factory.mktemp("clips"))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Voice statistics, which the first experiment on voices makes for all."""
    return tmp_path_factory.mktemp("cache")


def shown(capsys: pytest.CaptureFixture[str], *arguments: str | Path | int) -> list[str]:
    """The lines of the Markdown table of an experiment that succeeds."""
    code, out, err = train_command(capsys, "experiment", *arguments)
    assert code == 0, err
    lines = out.splitlines()
    assert all(line.startswith("|") and line.endswith("|") for line in lines)
    assert len({line.count("|") for line in lines}) == 1
    return lines


def figures(out: Path) -> Any:
    return json.loads((out / "figures.json").read_text())


def logs(out: Path) -> dict[str, str]:
    """The lines of every epoch below `out`."""
    return {str(path.relative_to(out)): path.read_text() for path in sorted(out.rglob("*.jsonl"))}


def test_without_a_name_all_are_listed_with_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = train_command(capsys, "experiment")
    assert code == 0
    names = {name for name in experiments if not name.startswith("-")}
    assert names == {
        "stage-ablations",
        "option-ablations",
        "left-out-corpora",
        "dialogue-decoder",
        "fusion-options",
        "speakers",
        "overlaps",
        "voiceprints",
        "usual-voice",
        "read-prose",
    }
    said = " ".join(out.replace("│", " ").split())
    for name in names:
        sentence = (experiments[name].help or "").splitlines()[0]
        assert sentence.endswith(".")
        assert f"{name} {sentence[:20]}" in said


def test_the_list_waits_for_no_torch() -> None:
    code = "import sys; from livemerc.cli import call; from trainer.cli import app; call(['experiment'], app); "
    done = subprocess.run(
        [sys.executable, "-c", code + "print([m for m in ('torch', 'numpy') if m in sys.modules])"],
        capture_output=True, env=environment(), timeout=120, check=True,
    )  # fmt: skip
    assert done.stdout.decode().splitlines()[-1] == "[]"


def test_stage_ablations_of_two_seeds_and_again(
    capsys: pytest.CaptureFixture[str], config: Path, features: Path, tmp_path: Path
) -> None:
    speech, out = write_embeddings(tmp_path / "embeddings.npz"), tmp_path / "out"
    asked = ("stage-ablations", "--features", features, features, "--speech", speech, "--config", config, "--out", out)
    table = shown(capsys, *asked)
    seeds = figures(out)["seeds"]
    assert len(seeds) == 2
    assert seeds[0] != seeds[1]
    for rows in seeds:
        # the miniature's context is 4, so these two ask for what Stage II is
        assert rows["K = 4"] == rows["R = 0"] == rows["Stage II"]
        assert set(rows["staged"]) == set(rows["no modality dropout"]) < set(rows["end to end"])
    assert [line.split("|")[1].strip() for line in table[2:]] == list(seeds[0])
    mean = np.mean([rows["staged"]["clips"] for rows in seeds])
    deviation = np.std([rows["staged"]["clips"] for rows in seeds], ddof=1)
    (staged,) = (line for line in table if line.startswith("| staged |"))
    assert f"{mean:.3f} ({deviation:.3f})" in staged
    kept = logs(out)
    assert {Path(name).name for name in kept} == {"text.jsonl", "speech.jsonl", "fusion.jsonl", "joint.jsonl"}
    assert shown(capsys, *asked) == table
    assert logs(out) == kept


def test_stage_ablations_without_voices_are_of_the_text(
    capsys: pytest.CaptureFixture[str], config: Path, features: Path, tmp_path: Path
) -> None:
    table = shown(capsys, "stage-ablations", "--features", features, "--config", config, "--out", tmp_path)
    assert table[0] == "|  | written | whisper | plain | misheard |"
    assert "staged" not in figures(tmp_path)["seeds"][0]


def meld_of(features: Path, folder: Path) -> Path:
    """MELD's training table of the dialogues that the features are of, with one sentiment a class."""
    arrays = np.load(features)
    labels, lines, at = arrays["train_labels"], [], 0
    for dialogue, length in enumerate(arrays["train_lengths"]):
        for turn in range(length):
            label = LABELS[labels[at]]
            sentiment = {"neutral": "neutral", "joy": "positive"}.get(label, "negative")
            lines.append((dialogue, turn, "Ross", "Hi.", label, sentiment))
            at += 1
    meld_table(folder / "meld" / "train_sent_emo.csv", lines)
    return folder


def test_option_ablations_and_again(
    capsys: pytest.CaptureFixture[str], config: Path, features: Path, tmp_path: Path
) -> None:
    data, out = meld_of(features, tmp_path / "data"), tmp_path / "out"
    asked = ("option-ablations", "--features", features, "--data", data, "--config", config, "--out", out)
    table = shown(capsys, *asked)
    (rows,) = figures(out)["seeds"]
    assert list(rows) == list(OPTIONS)
    assert all(set(row) == {"written", "whisper", "plain", "misheard", "uar"} for row in rows.values())
    kept = logs(out)
    assert len(kept) == len(OPTIONS)
    losses = {name: json.loads(lines.splitlines()[0])["loss"] for name, lines in kept.items()}
    assert len(set(losses.values())) == len(OPTIONS), "each option is another loss"
    assert shown(capsys, *asked) == table
    assert logs(out) == kept


def test_left_out_corpora_in_two_processes_then_together(
    capsys: pytest.CaptureFixture[str], config: Path, clips: Path, cache: Path, tmp_path: Path
) -> None:
    asked = ("left-out-corpora", "--data", clips, "--config", config, "--cache", cache, "--out", tmp_path, "--seeds", 2)
    some = shown(capsys, *asked, "--only", "emodb", "ased")
    assert [line.split("|")[1].strip() for line in some[2:4]] == ["emodb", "ased"]
    assert not (tmp_path / "figures.json").exists()
    kept = logs(tmp_path)
    assert len(kept) == 2 * 2
    table = shown(capsys, *asked)
    assert set(some[2:4]) <= set(table)
    assert logs(tmp_path).items() > kept.items()
    found = figures(tmp_path)
    names = [line.split("|")[1].strip() for line in table[2:]]
    assert names == [*LEFT_OUT, "readers", "mean", *(f"librispeech, utterance {n} neutral" for n in (1, 20))]
    for name in LEFT_OUT:
        assert name not in found["trained_on"][name]
        assert "ased" not in found["trained_on"][name]
        row = found["left_out"][name]
        assert set(row) == {"head cold", "head warm", "regression cold", "regression warm"}
        assert all(len(values) == 2 for values in row.values())
    assert "readers" not in found["trained_on"]["readers"]
    assert found["left_out"]["mean"]["head warm"][0] == pytest.approx(
        np.mean([found["left_out"][name]["head warm"][0] for name in LEFT_OUT])
    )
    for state in ("cold", "warm"):
        of_state = found["calibration"][state]
        assert 0.25 <= of_state["temperature"] <= 8.0
        assert set(of_state["ece"]) == set(LEFT_OUT)
    before = logs(tmp_path)
    assert shown(capsys, *asked) == table
    assert logs(tmp_path) == before


def test_ased_trains_only_where_it_is_asked_for(
    capsys: pytest.CaptureFixture[str], config: Path, clips: Path, cache: Path, tmp_path: Path
) -> None:
    asked = ("left-out-corpora", "--data", clips, "--config", config, "--cache", cache, "--out", tmp_path, "--seeds", 1)
    shown(capsys, *asked, "--only", "emodb", "--with-ased")
    begun = json.loads(
        torch.load(tmp_path / "without-emodb-with-ased/seed0/voice.resume.pt", weights_only=True)["begun_with"]
    )
    assert "ased" in begun["trained_on"]
    assert "emodb" not in begun["trained_on"]


def test_a_log_mel_checkpoint_is_judged_beside_them(
    capsys: pytest.CaptureFixture[str], config: Path, clips: Path, cache: Path, checkpoint: Path, tmp_path: Path
) -> None:
    asked = ("left-out-corpora", "--data", clips, "--config", config, "--cache", cache, "--out", tmp_path, "--seeds", 1)
    table = shown(capsys, *asked, "--only", "emotiontts", "--against", checkpoint)
    assert "log-mel cold" in table[0]


def test_a_folder_belongs_to_one_experiment_with_one_configuration(
    capsys: pytest.CaptureFixture[str], config: Path, clips: Path, cache: Path, features: Path, tmp_path: Path
) -> None:
    out, other = tmp_path / "out", tmp_path / "other.toml"
    other.write_text(config.read_text().replace("l2 = ", "l2 = 0.1 # "))
    asked = ("--data", clips, "--cache", cache, "--out", out, "--seeds", 1, "--only", "emodb")
    shown(capsys, "left-out-corpora", *asked, "--config", config)
    before = logs(out)
    for mistake, says in (
        (("left-out-corpora", *asked, "--config", other), "voice.l2"),
        (("stage-ablations", "--features", features, "--out", out, "--config", config), "left-out-corpora"),
    ):
        code, _, err = train_command(capsys, "experiment", *mistake)
        assert code == 2
        assert says in err
    assert logs(out) == before
    record = json.loads((out / "run.json").read_text())
    assert record["recipe"] == "experiment left-out-corpora"
    (sitting,) = record["sittings"]
    assert {"ravdess", "emodb", "ased", "readers", "speech"} <= set(sitting["data"])
    assert "l2" in (out / "config.toml").read_text()
    shown(capsys, "left-out-corpora", *asked, "--config", other, "--overwrite")
    assert logs(out).keys() == before.keys()
    assert logs(out) != before


def test_a_training_keeps_its_threads_through_the_voice_stage(
    capsys: pytest.CaptureFixture[str], config: Path, clips: Path, tmp_path: Path
) -> None:
    torch.set_num_threads(1)
    code, _, err = train_command(
        capsys, "train", config, "--data", clips, "--out", tmp_path, "--stage", "voice", "--threads", 2
    )  # fmt: skip
    assert code == 0, err
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("nonsense",), 2, "unknown command"),
        (("left-out-corpora", "--out", "OUT"), 2, "--data"),
        (("left-out-corpora", "--data", "nowhere", "--out", "OUT"), 5, "nowhere"),
        (
            ("left-out-corpora", "--data", "CLIPS", "--cache", "CACHE", "--out", "OUT", "--only", "tess"),
            2,
            "--only tess",
        ),
        (("left-out-corpora", "--data", "CLIPS", "--cache", "CACHE", "--out", "OUT", "--seeds", "0"), 2, "--seeds"),
        (("left-out-corpora", "--data", "CLIPS", "--out", "OUT", "--processes", "0"), 2, "--processes"),
        (("left-out-corpora", "--data", "CLIPS", "--out", "OUT", "--threads", "0"), 2, "--threads"),
        (("stage-ablations", "--features", "nowhere.npz", "--out", "OUT"), 2, "--stage text"),
        (("stage-ablations", "--features", "FEATURES", "--speech", "no.npz", "--out", "OUT"), 2, "--stage voice"),
        (("option-ablations", "--features", "FEATURES", "--data", "nowhere", "--out", "OUT"), 5, "nowhere"),
    ],
)
def test_a_mistake_has_its_exit_code_and_says_what_to_mend(
    capsys: pytest.CaptureFixture[str], config: Path, features: Path, clips: Path, cache: Path, tmp_path: Path,
    arguments: tuple[str, ...], code: int, says: str,
) -> None:  # fmt: skip
    places = {"OUT": tmp_path, "CLIPS": clips, "CACHE": cache, "FEATURES": features}
    given = [places.get(a, a) for a in arguments]
    got, out, err = train_command(capsys, "experiment", *given, *([] if len(given) == 1 else ["--config", config]))
    assert (got, out) == (code, "")
    assert says in err
    assert err.count("\n") <= 1


def test_fusion_options_and_again(
    capsys: pytest.CaptureFixture[str], config: Path, features: Path, tmp_path: Path
) -> None:
    speech, out = write_embeddings(tmp_path / "embeddings.npz"), tmp_path / "out"
    asked = ("fusion-options", "--features", features, "--speech", speech, "--config", config, "--out", out)
    table = shown(capsys, *asked)
    (rows,) = figures(out)["seeds"]
    assert list(rows) == list(FUSION_OPTIONS)
    always = {"clean", "words", "corrupted", "auroc confidence"}
    for name, row in rows.items():
        assert set(row) - always == {
            "gated recursions": {"shuffled"},
            "latent distributions .01": {"auroc uncertainty"},
        }.get(name, set())
        assert always <= set(row)
    # the words pass through fusion as they are, whatever the option
    assert len({row["words"] for row in rows.values()}) == 1
    kept = logs(out)
    losses = [
        json.loads(lines.splitlines()[0])["loss"] for name, lines in kept.items() if name.endswith("fusion.jsonl")
    ]
    assert len(set(losses)) == len(FUSION_OPTIONS), "each option is another loss"
    assert shown(capsys, *asked) == table
    assert logs(out) == kept


def test_a_score_that_knows_the_errors_has_the_whole_area() -> None:
    wrong = np.array([True, False, True, False])
    assert auroc(wrong, np.array([0.9, 0.1, 0.8, 0.3])) == 1.0
    assert auroc(wrong, np.array([0.1, 0.9, 0.3, 0.8])) == 0.0
    assert auroc(np.zeros(4, bool), np.arange(4.0)) == 0.5


def test_corrupted_voices_are_those_of_others_and_nothing_else_changes() -> None:
    rng = np.random.default_rng(0)
    n = 200
    s1 = np.arange(n * 7, dtype=np.float32).reshape(n, 7)
    there = rng.random(n) < 0.8
    dialogue = DialogueFeatures(np.zeros((n, 3), np.float32), s1, np.ones(n, bool), there, np.zeros(n, np.int64))
    (spoiled,) = corrupted([dialogue], 0.5, rng)
    moved = (spoiled.s1 != s1).any(1)
    assert not moved[~there].any()
    assert 0.3 < moved[there].mean() < 0.7
    assert {tuple(row) for row in spoiled.s1[moved]} <= {tuple(row) for row in s1[there]}
    assert spoiled.labels is dialogue.labels


def test_dialogue_decoder_of_two_checkpoints(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    said = [(d, u, "AB"[u % 2], "hello great", LABELS[(d + u // 4) % 7], "neutral") for d in range(8) for u in range(8)]
    for split in ("train", "dev"):
        meld_table(tmp_path / "data" / "meld" / f"{split}_sent_emo.csv", said)
    checkpoints = [write_checkpoint(tmp_path / f"checkpoint{seed}", seed) for seed in (0, 1)]
    asked = ("dialogue-decoder", "--data", tmp_path / "data", "--out", tmp_path / "out", "--checkpoint", *checkpoints)
    table = shown(capsys, *asked)
    one, other = figures(tmp_path / "out")["seeds"]
    assert one != other
    assert [line.split("|")[1].strip() for line in table[2:]] == list(one)
    for heard in ("alone", "in context"):
        assert one[f"{heard}, lag 0"] != one[f"{heard}, lag 0, decoded"] != one[f"{heard}, lag 0, decoded for UAR"]
    assert one["alone, lag 2, decoded"] != one["alone, lag 0, decoded"]


def test_a_lag_that_the_window_cannot_hold_is_a_usage_error(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, _, err = train_command(
        capsys, "experiment", "dialogue-decoder", "--data", tmp_path, "--out", tmp_path, "--lag", -1
    )
    assert code == 2
    assert "--lag counts later utterances" in err
