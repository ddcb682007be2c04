"""`tools/compare_peers.py`: what it reads, counts and prints; peers themselves are not run."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from helpers.paths import PROJECT

from livemerc.asr.sidecar import Cue
from livemerc.config import SAMPLE_RATE_HZ


@pytest.fixture(scope="module")
def tools() -> dict[str, ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(PROJECT / "tools"))
        return {name: importlib.import_module(name) for name in ("compare_peers", "peer_figures", "peer_adapters")}


@pytest.fixture
def peers(tools: dict[str, ModuleType]) -> Any:
    return tools["compare_peers"]


@pytest.fixture
def log(tools: dict[str, ModuleType]) -> Any:
    log = tools["peer_figures"].Log()
    for at_s, line in (
        (0.0, {"ready": True}),
        (1.2, {"t": 9, "text": "Hello", "final": False}),
        (1.9, {"t": 9, "text": "Hello, their.", "final": False}),
        (2.6, {"t": 9, "text": "Hello, there.", "final": True, "id": "u1"}),
        (2.7, {"t": 9, "judged": "u1"}),
        (2.8, {"t": 9, "judged": "u1"}),
        (5.4, {"t": 9, "text": "How", "final": False}),
        (6.5, {"t": 9, "text": "How old are", "final": True, "id": "u2"}),
        (7.0, {"t": 9, "text": "you?", "final": True, "id": "u3"}),
        (9.8, {"t": 9, "text": "Well.", "final": True}),
    ):
        log.read(json.dumps(line), at_s)
    return log


@pytest.fixture
def clip(tools: dict[str, ModuleType]) -> Any:
    said = ["hello", "there", "how", "are", "you", "bye"]
    return tools["peer_figures"].Clip(
        "made up", np.zeros(1), said, [1.0, 2.0, 5.0, 5.5, 6.0, 9.0], [(2, 2.0), (5, 6.0), (6, 9.0)]
    )


def test_delays_are_counted_from_what_was_said(tools: dict[str, ModuleType], clip: Any, log: Any) -> None:
    found = tools["peer_figures"].figures(clip, log)
    assert log.ready
    assert found["final_s"] == {"p50": pytest.approx(0.8), "p95": pytest.approx(1.0), "n": 3}
    assert found["emotion_s"] == {"p50": pytest.approx(0.7), "p95": pytest.approx(0.7), "n": 1}
    assert (found["missed"], found["of"]) == (0, 3)
    assert found["wer"] == pytest.approx(2 / 6), '"old" is put in, "bye" is changed'


def test_a_word_is_seen_when_it_is_first_shown_as_it_was_said(
    tools: dict[str, ModuleType], clip: Any, log: Any
) -> None:
    seen = tools["peer_figures"].first_seen(clip, log)
    assert seen == {0: 1.2, 1: 2.6, 2: 5.4, 3: 6.5, 4: 7.0}, "settled or not; a wrong one does not count"


def test_nothing_heard_is_no_figure(tools: dict[str, ModuleType], clip: Any) -> None:
    found = tools["peer_figures"].figures(clip, tools["peer_figures"].Log())
    assert found["final_s"] is found["seen_s"] is found["emotion_s"] is None
    assert found["missed"] == 3
    assert found["wer"] == 1


@pytest.mark.parametrize("line", ["no JSON", '{"text": "a"}', '{"text": 1, "final": true}', "{}"])
def test_what_is_no_line_is_refused(tools: dict[str, ModuleType], line: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        tools["peer_figures"].Log().read(line, 0.0)


def test_stretches_end_in_pauses_and_words_before_them(tools: dict[str, ModuleType]) -> None:
    spoken = np.zeros(6 * 100, bool)
    for begin_s, end_s in ((0.5, 1.5), (1.6, 2.5), (3.5, 5.0)):  # a breath, then a pause
        spoken[round(begin_s * 100) : round(end_s * 100)] = True
    samples = np.random.default_rng(0).standard_normal(6 * SAMPLE_RATE_HZ).astype(np.float32) * 0.1
    samples *= np.repeat(spoken, SAMPLE_RATE_HZ // 100)
    cues = [Cue(0.5, 1.5, "One two,"), Cue(1.6, 2.4, "three."), Cue(3.5, 5.2, "Four five.")]
    heard = [("One", 0.5, 0.9), (" to", 0.9, 1.5), (" three.", 1.6, 3.4), (" Four", 3.5, 4.0)]
    clip = tools["peer_figures"].make_clip("noise", samples, cues, heard)
    assert clip.said == ["one", "two", "three", "four", "five"]
    assert [stop for stop, _ in clip.stretches] == [3, 5]
    assert [voiced_s for _, voiced_s in clip.stretches] == pytest.approx([2.5, 5.0], abs=0.05)
    assert clip.ends_s[:2] == pytest.approx([0.9, 1.5]), "a word that was misheard is a word all the same"
    assert clip.ends_s[2] == clip.stretches[0][1], "not drawn out over the pause"


def test_each_peer_has_an_adapter_or_a_reason(tools: dict[str, ModuleType], peers: Any) -> None:
    for name, peer in peers.PEERS.items():
        assert bool(peer.lacks) != (peer.adapter in tools["peer_adapters"].ADAPTERS), name


def test_the_list_says_what_is_not_here(peers: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "moonshine").mkdir()
    (tmp_path / "moonshine" / "failed.txt").write_text("ERROR: no such version")
    assert peers.main(["--list", "--venvs", str(tmp_path)]) == 0
    told = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert told["livemerc"].endswith("ready")
    assert "not installed; run --install" in told["realtimestt"]
    assert "could not be installed: ERROR: no such version" in told["moonshine"]
    assert "no package holds English weights" in told["vosk"]


def test_the_table_invents_no_figures(tools: dict[str, ModuleType], peers: Any, clip: Any, log: Any) -> None:
    row = tools["peer_figures"].figures(clip, log) | {"rss_mb": 900.0, "cores": 0.5, "others": 0.1}
    told = peers.table({"livemerc": {"demo": row}, "vosk": {"why_not": "no package holds English weights"}})
    (line,) = (one for one in told if one.startswith("| livemerc"))
    assert line.endswith("| - | - | - | 900 | 0.50 | 0.10 |"), "no call was played"
    assert "- Vosk: no package holds English weights" in told
    assert not any(one.startswith("| Vosk") for one in told)


_CHILD = """
import json, sys
print(json.dumps({"ready": True}), flush=True)
count = len(sys.stdin.buffer.read())
print(json.dumps({"t": 0, "text": f"{count} bytes", "final": True}), flush=True)
"""


def test_a_peer_gets_all_samples_and_silence_behind_them(
    tools: dict[str, ModuleType], peers: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = tmp_path / "child.py"
    child.write_text(_CHILD)
    monkeypatch.setattr(peers, "ADAPTERS", child)
    monkeypatch.setattr(peers, "SILENCE_S", 0.25)
    clip = tools["peer_figures"].Clip("short", np.zeros(800), ["9600", "bytes"], [0.0, 0.1], [(2, 0.1)])
    found = peers.play(peers.Peer("a child", "any"), Path(sys.executable), clip)
    assert found["wer"] == 0
    assert found["final_s"]["n"] == 1
    assert found["final_s"]["p50"] > 0.1, "it says so after the silence"
    assert found["rss_mb"] > 0
    assert "others" in found


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("raise SystemExit('no weights here')", "no weights here"),
        ("print('{\"ready\": true}', flush=True); raise SystemExit('the end')", "the end"),
        ("print('hello', flush=True)", "Expecting value"),
    ],
)
def test_a_peer_that_fails_says_why(
    tools: dict[str, ModuleType], peers: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, why: str
) -> None:
    child = tmp_path / "child.py"
    child.write_text(source)
    monkeypatch.setattr(peers, "ADAPTERS", child)
    monkeypatch.setattr(peers, "SILENCE_S", 0.25)
    clip = tools["peer_figures"].Clip("short", np.zeros(800), ["a"], [0.0], [(1, 0.1)])
    with pytest.raises(RuntimeError, match=why):
        peers.play(peers.Peer("a child", "any"), Path(sys.executable), clip)
