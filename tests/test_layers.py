"""The import contracts see what they are for: imports against the layers turn them red, in a copy of the code."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.paths import PROJECT

VIOLATIONS = {
    # up, from each layer to the next: (module that imports, what it imports)
    "commands to cli": ("livemerc/commands/root.py", "livemerc.cli"),
    "console to commands": ("livemerc/console/plain.py", "livemerc.commands.root"),
    "bench to commands": ("livemerc/bench/noise.py", "livemerc.commands.root"),
    "dashboard to console": ("livemerc/dashboard/keys.py", "livemerc.console.plain"),
    "web to console": ("livemerc/web/viewer.py", "livemerc.console.plain"),
    "server to console": ("livemerc/server/door.py", "livemerc.console.plain"),
    "client to export": ("livemerc/client.py", "livemerc.export.spans"),
    "protocol to config": ("livemerc/protocol.py", "livemerc.config"),
    "report to dashboard": ("livemerc/report/style.py", "livemerc.dashboard.state.vitals"),
    "export to report": ("livemerc/export/spans.py", "livemerc.report.style"),
    "streams to report": ("livemerc/streams/fair_lane.py", "livemerc.report.style"),
    "api to export": ("livemerc/api.py", "livemerc.export.spans"),
    "pipeline to api": ("livemerc/pipeline/overload.py", "livemerc.api"),
    "sessions to pipeline": ("livemerc/sessions/bookmarks.py", "livemerc.pipeline.overload"),
    "asr to pipeline": ("livemerc/asr/window.py", "livemerc.pipeline.overload"),
    "audio to asr": ("livemerc/audio/frames.py", "livemerc.asr.engine"),
    "model to audio": ("livemerc/model/fusion.py", "livemerc.audio.frames"),
    "runtime to audio": ("livemerc/runtime/lanes.py", "livemerc.audio.frames"),
    "config to runtime": ("livemerc/config.py", "livemerc.runtime.lanes"),
    "events to config": ("livemerc/events.py", "livemerc.config"),
    # the trainer's
    "recipe to cli": ("trainer/recipe.py", "trainer.cli"),
    "experiments to cli": ("trainer/experiments/results.py", "trainer.cli"),
    "experiments to their sibling": ("trainer/experiments/left_out.py", "trainer.recipe"),
    "compact to experiments": ("trainer/compact/compose.py", "trainer.experiments.results"),
    "compact to recipe": ("trainer/compact/config.py", "trainer.recipe"),
    "compact to its sibling": ("trainer/compact/compose.py", "trainer.merits_l.config"),
    "evaluation to compact": ("trainer/evaluation/figures.py", "trainer.compact.config"),
    "loop to evaluation": ("trainer/loop/losses.py", "trainer.evaluation.figures"),
    "files to corpora": ("trainer/files.py", "trainer.corpora.clips"),
    "corpora to loop": ("trainer/corpora/clips.py", "trainer.loop.losses"),
    # inside the trainer's rooms
    "saving to the loop": ("trainer/loop/saving.py", "trainer.loop.fit"),
    "a full-size stage to its recipe": ("trainer/merits_l/text.py", "trainer.merits_l.recipe"),
    "a compact stage to its recipe": ("trainer/compact/text.py", "trainer.compact.recipe"),
    "an experiment to another": ("trainer/experiments/left_out.py", "trainer.experiments.option_ablations"),
    # between and out of the packages
    "monitor to trainer": ("livemerc/emotions.py", "trainer.corpora.clips"),
    "torch in sessions": ("livemerc/sessions/lines.py", "torch"),
    "torch in the server": ("livemerc/server/limits.py", "torch"),
    "torch in the client": ("livemerc/client.py", "torch"),
    "textual in the server": ("livemerc/server/limits.py", "textual"),
    "torch on the screen": ("livemerc/dashboard/state/vitals.py", "torch"),
    "textual in console": ("livemerc/console/plain.py", "textual"),
    "textual in sessions": ("livemerc/sessions/player.py", "textual"),
}
NEW_ROOM = "livemerc/new_room.py"


@pytest.fixture(scope="module")
def verdict(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What lint-imports says of a copy with every violation, and with a module that no layer names."""
    copy = tmp_path_factory.mktemp("violated")
    for package in ("livemerc", "trainer"):
        shutil.copytree(PROJECT / package, copy / package, ignore=_all_but_code)
    shutil.copy(PROJECT / "pyproject.toml", copy)
    for file, module in VIOLATIONS.values():
        with (copy / file).open("a", encoding="utf-8") as code:
            code.write(f"\nimport {module}\n")
    (copy / NEW_ROOM).write_text('"""A room that no layer names."""\n', encoding="utf-8")
    first = _lint(copy)
    assert "livemerc.new_room" in first, first  # exhaustive: nothing else is looked at before it has its layer
    (copy / NEW_ROOM).unlink()
    return _lint(copy)


def _all_but_code(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if not name.endswith(".py") and not (Path(folder) / name).is_dir()]


def _lint(folder: Path) -> str:
    code = "import sys; sys.path.insert(0, ''); from importlinter.cli import lint_imports_command as lint; lint()"
    command = [sys.executable, "-c", code, "--no-cache"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("direction", VIOLATIONS)
def test_an_import_against_the_layers_is_seen(verdict: str, direction: str) -> None:
    file, module = VIOLATIONS[direction]
    importer = file.removesuffix(".py").replace("/", ".")
    assert re.search(rf"{re.escape(importer)} -> {re.escape(module)} \(l\.", verdict), verdict


def test_the_code_as_it_stands_keeps_them() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint, "--no-cache"], cwd=PROJECT, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout
