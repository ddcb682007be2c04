"""`livemerc-train evaluate` with further flags: keys only where asked for, seeds, pictures, exit codes."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.command_line import environment
from helpers.networks import write_checkpoint
from helpers.trainer.command import train_command

from livemerc.emotions import LABELS
from trainer.evaluation.evaluate import Evaluation

HEADER = "dialogue_id,utterance_id,speaker,audio,start_s,end_s,text,emotion,split"
CONTRACT = {"text", "speech", "fused", "n", "labels"}


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return [write_checkpoint(tmp_path_factory.mktemp("checkpoints") / f"seed{s}", seed=s) for s in range(3)]


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight dialogues of five rows, text alone; split "one" holds a single dialogue, "joy" a single class."""
    rng = np.random.default_rng(0)
    rows = [
        f"d{d},{i},,,,,w{rng.integers(90)} w{rng.integers(90)},{'joy' if d in (6, 7) else LABELS[rng.integers(7)]},"
        f"{'one' if d == 0 else 'joy' if d in (6, 7) else 'many'}"
        for d in range(8) for i in range(5)
    ]  # fmt: skip
    path = tmp_path_factory.mktemp("manifest") / "m.csv"
    path.write_text("\n".join([HEADER, *rows, ""]))
    return path


def run(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    return train_command(capsys, "evaluate", "--device", "cpu", *arguments)


def found(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> dict[str, Any]:
    code, out, _ = run(capsys, "--json", *arguments)
    assert code == 0
    return json.loads(out)


def png_size(path: Path) -> tuple[int, int]:
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", data[16:24])
    return width, height


def test_without_further_flags_nothing_is_added(
    capsys: pytest.CaptureFixture[str], manifest: Path, checkpoints: list[Path]
) -> None:
    plain = found(capsys, "--manifest", manifest, "--checkpoint", checkpoints[0], "--lag", "1")
    assert set(plain) == CONTRACT
    assert plain == Evaluation(manifest, None, checkpoints[0], device="cpu").judgement(1).figures()


def test_texts_are_judged_in_the_writing_that_is_asked_for(
    capsys: pytest.CaptureFixture[str], checkpoints: list[Path], tmp_path: Path
) -> None:
    loud, heard = tmp_path / "loud.csv", tmp_path / "heard.csv"
    for path, text in ((loud, "w1!!!w2 (w3)"), (heard, "w1. w2 w3")):
        path.write_text(f"{HEADER}\nd,1,a,,,,{text},joy,test\nd,2,a,,,,{text} w4,anger,test\n")
    common = ("--checkpoint", checkpoints[0], "--manifest")
    assert found(capsys, *common, loud, "--writing", "whisper") == found(capsys, *common, heard)
    assert found(capsys, *common, loud) != found(capsys, *common, heard)


def test_every_flag_adds_its_own_keys_and_changes_no_figure(
    capsys: pytest.CaptureFixture[str], manifest: Path, checkpoints: list[Path], tmp_path: Path
) -> None:
    plain = Evaluation(manifest, None, checkpoints[0], device="cpu").judgement().figures()
    for flags, keys in (
        (["--bootstrap", "100"], {"bootstrap", "calibration"}),
        (["--calibration-halves"], {"calibration_halves", "calibration"}),
        (["--against", str(checkpoints[1])], {"against"}),
        (["--ladder"], {"ladder"}),
        (["--figures", str(tmp_path)], {"figures", "calibration"}),
    ):
        more = found(capsys, "--manifest", manifest, "--checkpoint", checkpoints[0], *flags)
        assert set(more) == CONTRACT | keys
        assert {k: more[k] for k in CONTRACT} == plain


def test_several_checkpoints_are_seeds(
    capsys: pytest.CaptureFixture[str], manifest: Path, checkpoints: list[Path]
) -> None:
    flags = [x for c in checkpoints for x in ("--checkpoint", c)]
    both = found(capsys, "--manifest", manifest, *flags, "--bootstrap", "200", "--calibration-halves")
    alone = [Evaluation(manifest, None, c, device="cpu").judgement().figures() for c in checkpoints]
    values = [a["fused"]["weighted_f1"] for a in alone]
    assert both["fused"]["weighted_f1"] == pytest.approx(np.mean(values))
    assert both["deviation"]["fused"]["weighted_f1"] == pytest.approx(np.std(values, ddof=1))
    recalls = [a["text"]["per_class"]["joy"]["recall"] for a in alone]
    assert both["text"]["per_class"]["joy"]["recall"] == pytest.approx(np.mean(recalls))
    assert both["deviation"]["text"]["per_class"]["joy"]["recall"] == pytest.approx(np.std(recalls, ddof=1))
    assert both["fused"]["per_class"]["joy"]["support"] == alone[0]["fused"]["per_class"]["joy"]["support"]
    assert both["speech"] is None
    assert both["deviation"]["speech"] is None
    assert [c["checkpoint"] for c in both["checkpoints"]] == [str(c) for c in checkpoints]
    assert {k: both["checkpoints"][1][k] for k in CONTRACT} == alone[1]
    halves = [c["calibration_halves"]["fused"]["ece"] for c in both["checkpoints"]]
    assert both["calibration_halves"]["fused"]["ece"] == pytest.approx(np.mean(halves))
    low, high = both["bootstrap"]["fused"]["weighted_f1"]
    assert low < both["fused"]["weighted_f1"] < high


def test_the_tables_name_every_section(
    capsys: pytest.CaptureFixture[str], manifest: Path, checkpoints: list[Path], tmp_path: Path
) -> None:
    code, out, err = run(
        capsys, "--manifest", manifest, "--checkpoint", checkpoints[0], "--bootstrap", "200", "--calibration-halves",
        "--against", checkpoints[1], "--ladder", "--figures", tmp_path,
    )  # fmt: skip
    assert (code, err) == (0, "")
    for part in ("40 utterances", "200 resamples of 8 dialogues", "perfectly calibrated", "one half of the dialogues",
                 "approximate randomisation", "labels differ in", "full dialogue", "no audio", "cost of streaming",
                 "fused-confusion.png"):  # fmt: skip
        assert part in out, part
    several = run(capsys, "--manifest", manifest, "--checkpoint", checkpoints[0], "--checkpoint", checkpoints[1])[1]
    assert "mean of 2 checkpoints" in several
    assert "±" in several


def test_pictures_are_pictures_and_the_table_holds_the_figures(
    capsys: pytest.CaptureFixture[str], manifest: Path, checkpoints: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "new" / "figures"
    more = found(capsys, "--manifest", manifest, "--checkpoint", checkpoints[0], "--figures", out)
    names = ["fused-confusion.png", "fused-reliability.png", "fused-per-class.md"]
    assert more["figures"] == [str(out / n) for n in names]
    for name in names[:2]:
        width, height = png_size(out / name)
        assert 600 < width < 2000
        assert 600 < height < 2000
    table = (out / names[2]).read_text()
    joy = more["fused"]["per_class"]["joy"]
    assert f"| joy | {joy['precision']:.3f} | {joy['recall']:.3f} | {joy['f1']:.3f} | {joy['support']} |" in table
    flags = [x for c in checkpoints[:2] for x in ("--checkpoint", c)]
    seeds = found(capsys, "--manifest", manifest, *flags, "--figures", tmp_path / "seeds")
    assert [Path(p).parent.name for p in seeds["figures"]] == ["1"] * 3 + ["2"] * 3


def test_matplotlib_is_loaded_for_pictures_only(manifest: Path, checkpoints: list[Path]) -> None:
    code = (
        "import sys; from livemerc.cli import call; from trainer.cli import app; "
        f"call(['evaluate', '--manifest', {str(manifest)!r}, '--checkpoint', {str(checkpoints[0])!r}, "
        "'--bootstrap', '100', '--calibration-halves', '--ladder', '--json'], app); "
        "print([m for m in ('matplotlib', 'jiwer', 'openai', 'tensorboard') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, env=environment(), timeout=120, check=True
    )  # fmt: skip
    assert done.stdout.decode().splitlines()[-1] == "[]"


def test_one_class_alone_is_judged_and_said(
    capsys: pytest.CaptureFixture[str], manifest: Path, checkpoints: list[Path]
) -> None:
    code, out, err = run(capsys, "--manifest", manifest, "--checkpoint", checkpoints[0], "--split", "joy", "--json")
    assert code == 0
    fused = json.loads(out)["fused"]
    assert fused["uar"] == fused["accuracy"] == fused["per_class"]["joy"]["recall"]
    assert "one class only (joy)" in err


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--bootstrap", "0"], 2, "--bootstrap"),
        (["--bootstrap", "99"], 2, "--bootstrap"),
        (["--bootstrap", "many"], 2, "--bootstrap"),
        (["--seed", "-1"], 2, "--seed"),
        (["--lag", "-1"], 2, "--lag"),
        (["--against", "nowhere"], 3, "nowhere"),
        (["--checkpoint", "nowhere"], 3, "nowhere"),
        (["--ladder", "--checkpoint", "OTHER"], 2, "--ladder takes one"),
        (["--against", "OTHER", "--checkpoint", "OTHER"], 2, "--against takes one"),
        (["--asr", "faster-whisper"], 2, "--ladder"),
        (["--split", "exam", "--bootstrap", "100"], 5, "'exam'"),
        (["--split", "one", "--bootstrap", "100"], 5, "two or more"),
        (["--split", "one", "--calibration-halves"], 5, "two or more"),
        (["--figures", "FILE/below"], 2, "--figures"),
    ],
)
def test_mistakes_have_their_exit_code_and_say_what_to_mend(
    capsys: pytest.CaptureFixture[str],
    manifest: Path,
    checkpoints: list[Path],
    arguments: list[str],
    code: int,
    says: str,
) -> None:
    named = {"OTHER": str(checkpoints[1]), "FILE/below": str(manifest / "below")}
    arguments = [named.get(a, a) for a in arguments]
    got, out, err = run(capsys, "--manifest", manifest, "--checkpoint", checkpoints[0], *arguments, "--json")
    assert got == code, err
    assert out == ""
    assert says in err
    assert "Traceback" not in err
