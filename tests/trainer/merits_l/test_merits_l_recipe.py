"""`livemerc-train train` on words and voices, in miniature: networks of seconds on a corpus in IEMOCAP's own tree."""

from __future__ import annotations

import io
import json
import shutil
import signal
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.command_line import environment, livemerc
from helpers.paths import PROJECT
from helpers.trainer.miniature import small_config, write_iemocap, write_mosi

from livemerc.errors import ConfigError, InputError, LivemercError
from trainer.loop.options import TrainOptions
from trainer.recipe import train

STAGES = ("text", "speech", "conversation-text", "conversation-speech", "fusion")


def run_train(config: Path, data: Path, out: Path, **options: Any) -> tuple[str, str]:
    """`livemerc-train train ...` in this process: what it prints on standard output and standard error."""
    printed, said = io.StringIO(), io.StringIO()
    with redirect_stdout(printed), redirect_stderr(said):
        train(config, data, out, TrainOptions(**{"device": "cpu", **options}))
    return printed.getvalue(), said.getvalue()


def refused(error: type[LivemercError], code: int, *arguments: Any, **options: Any) -> str:
    """The sentence that `livemerc-train train ...` ends with."""
    with pytest.raises(error) as caught:
        run_train(*arguments, **options)
    assert caught.value.exit_code == code
    assert "\n" not in str(caught.value)
    return str(caught.value)


def table(output: str) -> list[str]:
    lines = output.splitlines()
    return lines[next(i for i, line in enumerate(lines) if line.startswith("stage ")) :]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_iemocap(tmp_path_factory.mktemp("data") / "iemocap")


@pytest.fixture(scope="module")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, str]:
    """(configuration, folder, output) of a run from beginning to end."""
    folder = tmp_path_factory.mktemp("whole")
    config = small_config(folder)
    return config, folder / "run", run_train(config, data, folder / "run")[0]


def weights(path: Path) -> dict[str, Any]:
    return torch.load(path, weights_only=True)


def test_a_run_leaves_figures_logs_and_a_checkpoint_that_runs_live(whole: tuple, shared_data: Path) -> None:
    _, run, output = whole
    for stage in STAGES:
        record = json.loads((run / stage / "stage.json").read_text())
        lines = [json.loads(line) for line in (run / stage / f"{stage}.jsonl").read_text().splitlines()]
        assert [line["epoch"] for line in lines] == list(range(1, len(lines) + 1))
        assert record["best"]["score"] == max(line["score"] for line in lines)
        assert f"{record['trained']:,}" in next(line for line in table(output) if line.startswith(f"{stage} "))
    dev = json.loads((run / "fusion" / "stage.json").read_text())["dev"]
    assert {
        "stage 1 text",
        "stage 1 speech",
        "stage 2 text, lag 0",
        "stage 3 fused, lag 0",
        "stage 3 fused, offline",
    } <= set(dev)
    fitted = json.loads((run / "fusion" / "model.json").read_text())
    assert fitted["labels"] == ["angry", "happy", "sad", "neutral"]
    assert sum(fitted["prior"]) == pytest.approx(1.0)
    assert any(t != 1.0 for t in fitted["temperatures"].values())

    jfk, checkpoint = shared_data / "speech/read/jfk.flac", run / "checkpoint"
    done = livemerc("run", "--file", jfk, "--speed", "0", "--json", "--asr", "none", "--checkpoint", checkpoint)
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert events[0]["labels"] == fitted["labels"]
    assert any(e["type"] == "emotion" and e["status"] == "frozen" for e in events)


def test_monologues_are_trained_from_their_own_configuration(tmp_path: Path) -> None:
    config = small_config(tmp_path, "merits-l-mosi.toml")
    output, _ = run_train(config, write_mosi(tmp_path / "mosi"), tmp_path / "run", max_steps=2)
    assert "negative" in (tmp_path / "run/checkpoint/merits-l.json").read_text()
    assert len(table(output)) > len(STAGES)


def test_the_same_command_again_trains_nothing(whole: tuple, data: Path) -> None:
    config, run, output = whole
    before = {p: p.stat().st_mtime_ns for p in run.rglob("*") if p.is_file()}
    again, said = run_train(config, data, run, resume=True)
    assert {p: p.stat().st_mtime_ns for p in run.rglob("*") if p.is_file()} == before
    assert said.count("done before") == len(STAGES)
    kept = table(again)
    assert kept == table(output)[: len(kept)]


def test_a_run_begun_with_another_configuration_is_refused_by_the_key(whole: tuple, data: Path, tmp_path: Path) -> None:
    _, run, _ = whole
    other = small_config(tmp_path, text__lr=5e-4)
    text = other.read_text().replace(str(tmp_path / "encoder"), str(run.parent / "encoder"))
    other.write_text(text)
    said = refused(ConfigError, 2, other, data, run)
    assert "was begun with text.lr = 0.001, now it is 0.0005; name another --out, or --overwrite" in said
    said = refused(ConfigError, 2, PROJECT / "configs/compact.toml", data, run, device=None)
    assert "holds a run of the recipe 'merits-l', not 'compact'" in said


def test_a_cache_of_another_front_end_is_refused(whole: tuple, data: Path, tmp_path: Path) -> None:
    _, run, _ = whole
    cache = shutil.copytree(run / "cache", tmp_path / "cache")
    settings = json.loads((cache / "settings.json").read_text())
    settings["frontend"]["name"] = "another"
    (cache / "settings.json").write_text(json.dumps(settings))
    config = small_config(tmp_path)
    said = refused(ConfigError, 2, config, data, tmp_path / "run", cache=cache, stage="speech")
    assert "a feature cache of another configuration" in said


def test_overwrite_begins_a_stage_anew_and_later_ones_notice(whole: tuple, data: Path, tmp_path: Path) -> None:
    config, run, _ = whole
    copy = shutil.copytree(run, tmp_path / "run")
    (copy / "text" / "mine.txt").write_text("")
    run_train(config, data, copy, stage="text", overwrite=True)
    assert not (copy / "text" / "mine.txt").exists()
    same = weights(copy / "text" / "text.best.pt"), weights(run / "text" / "text.best.pt")
    assert all(torch.equal(same[0][k], same[1][k]) for k in same[1])
    with np.load(copy / "text" / "t1.npz") as arrays:
        changed = {k: arrays[k] + 1 for k in arrays.files}
    np.savez(copy / "text" / "t1.npz", **changed)
    record = json.loads((copy / "text" / "stage.json").read_text())
    (copy / "text" / "stage.json").write_text(json.dumps({**record, "fingerprint": "of other features"}))
    said = refused(ConfigError, 2, config, data, copy, stage="conversation")
    assert "conversation-text/stage.json: was begun with t1 = " in said


KILL = """
import os, signal, sys
import trainer.loop.fit as fit
real, steps = fit._step, []
def dying(*arguments):
    steps.append(1)
    if len(steps) == 7:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*arguments)
fit._step = dying
from trainer.cli import main
main(sys.argv[1:])
"""


def test_fine_tuning_killed_inside_an_epoch_goes_on_to_the_same_weights(
    whole: tuple, data: Path, tmp_path: Path
) -> None:
    """27 texts in batches of 8 are four steps an epoch: killed in the seventh step, the third of the second epoch."""
    reference = whole[1]
    config = tmp_path / "small.toml"
    config.write_text(whole[0].read_text().replace("save_every = 500", "save_every = 1"))
    run = tmp_path / "run"
    killed = subprocess.run(
        [sys.executable, "-c", KILL, "train", config, "--data", data, "--out", run, "--stage", "text", "--device",
         "cpu"],
        env=environment(), capture_output=True, text=True, cwd=PROJECT, check=False, timeout=250,
    )  # fmt: skip
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    at = json.loads(weights(run / "text" / "text.resume.pt")["at"])
    assert (at["epoch"], at["step"]) == (2, 2)
    assert not (run / "text" / "stage.json").exists()
    run_train(config, data, run, stage="text", resume=True)
    for name in ("text.best.pt", "text.resume.pt"):
        mine, theirs = weights(run / "text" / name), weights(reference / "text" / name)
        if name == "text.resume.pt":
            mine, theirs = mine["module"], theirs["module"]
        assert all(torch.equal(mine[k], theirs[k]) for k in theirs)
    with np.load(run / "text" / "t1.npz") as mine, np.load(reference / "text" / "t1.npz") as theirs:
        assert all((mine[k] == theirs[k]).all() for k in theirs.files)


def test_pseudo_labels_make_stage_zero_and_change_stage_one(whole: tuple, data: Path, tmp_path: Path) -> None:
    config, reference, _ = whole
    rows = "".join(
        f"you are {w} {i},{label},,vader,\n"
        for i in range(9)
        for w, label in (("fine", "positive"), ("bad", "negative"))
    )
    labels = tmp_path / "labels.csv"
    labels.write_text("text,label,source,teacher,prompt_sha256\n" + rows)
    run = tmp_path / "run"
    options = {"pseudo_labels": labels, "max_steps": 2}
    output, _ = run_train(config, data, run, stage="pretrain", **options)
    assert table(output)[1].startswith("pretrain ")
    run_train(config, data, run, stage="text", **options)
    state, other = weights(run / "text" / "text.best.pt"), weights(reference / "text" / "text.best.pt")
    assert not torch.equal(state["encoder.fc.weight"], other["encoder.fc.weight"])
    assert json.loads((run / "text" / "stage.json").read_text())["begun_with"]["pretrain"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resume": True}, "holds no run to resume; leave --resume out to begin one there"),
        ({"resume": True, "overwrite": True}, "--resume and --overwrite contradict each other"),
        ({"stage": "context"}, "--stage context: this recipe has all, pretrain, text, speech, conversation, fusion"),
        ({"stage": "fusion"}, "run `livemerc-train train ... --stage text` first"),
        ({"max_steps": 0}, "--max-steps must be 1 or more"),
    ],
)
def test_a_command_that_cannot_be_is_one_sentence(
    data: Path, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    assert message in refused(ConfigError, 2, small_config(tmp_path), data, tmp_path / "run", **options)


def test_a_folder_that_is_no_run_is_not_overwritten(data: Path, tmp_path: Path) -> None:
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "diary.txt").write_text("mine")
    assert "nothing is removed" in refused(ConfigError, 2, small_config(tmp_path), data, tmp_path, overwrite=True)
    assert (tmp_path / "text" / "diary.txt").read_text() == "mine"


def test_a_corpus_without_voices_is_refused_before_anything_is_computed(tmp_path: Path) -> None:
    data = write_iemocap(tmp_path / "iemocap", audio=False)
    said = refused(InputError, 5, small_config(tmp_path), data, tmp_path / "run")
    assert "no utterance of split 'train' has its audio" in said
    assert not (tmp_path / "run" / "text").exists()


def test_an_option_of_the_other_recipe_is_refused_for_the_compact_one(data: Path, tmp_path: Path) -> None:
    said = refused(ConfigError, 2, PROJECT / "configs/compact.toml", data, tmp_path, device=None, max_steps=2)
    assert "--max-steps belongs to the recipe merits-l" in said
