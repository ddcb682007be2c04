"""Labelling that is killed, stopped, or left alone by its server, and goes on: processes of their own, real signals."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from helpers.command_line import running
from helpers.paths import PROJECT
from helpers.trainer.scripted_endpoint import Reply, scripted_endpoint
from helpers.trainer.tiny_models import causal_lm

from livemerc.errors import LivemercError
from trainer.pseudo_labels.answers import Journal
from trainer.pseudo_labels.labelled_corpus import read_pseudo_labels

TEXTS = [f"sentence number {i}" for i in range(60)]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "HF_HUB_OFFLINE": "1"}


def command(folder: Path, base_url: str, *flags: str) -> AbstractContextManager[subprocess.Popen[str]]:
    """The labelling of `folder/texts.txt` to `folder/out.csv`, started."""
    table = folder / "texts.txt"
    if not table.exists():
        table.write_text("\n".join(TEXTS) + "\n")
    arguments = ["--teacher", "endpoint", "--base-url", base_url, "--out", str(folder / "out.csv")]
    if "--model" not in flags:
        arguments += ["--model", "m"]
    words = [sys.executable, "-m", "trainer", "pseudo-label", str(table), *arguments, *flags]
    return running(words, cwd=PROJECT, env=ENVIRONMENT, text=True)


def kept(folder: Path) -> set[str]:
    """Texts whose answers are in the journal."""
    with sqlite3.connect(folder / "out.answers.sqlite") as db:
        texts = {text for (text,) in db.execute("SELECT text FROM answers")}
    db.close()
    return texts


def finish(process: subprocess.Popen[str], code: int = 0) -> str:
    _, err = process.communicate(timeout=120)
    assert process.returncode == code, err
    assert "Traceback" not in err
    return err


def labelled(folder: Path, base_url: str, *flags: str, code: int = 0) -> str:
    """What the labelling says, which ends with `code`."""
    with command(folder, base_url, *flags) as process:
        return finish(process, code)


def test_kill_9_in_the_middle_asks_nothing_kept_again(tmp_path: Path) -> None:
    with scripted_endpoint(lambda t, n: Reply(delay_s=0.05)) as endpoint:
        with command(tmp_path, endpoint.base_url, "--concurrency", "4") as process:
            endpoint.wait_for(25)
            process.kill()
        assert process.returncode == -signal.SIGKILL
        before = kept(tmp_path)
        assert len(before) >= 25 - 1 - 4  # all but what was under way
        asked_before = dict(endpoint.asked)
        labelled(tmp_path, endpoint.base_url, "--concurrency", "4")
    assert all(endpoint.asked[text] == 1 for text in before)
    # The others were under way when it died: no answer of theirs had come in.
    again = [text for text in TEXTS if endpoint.asked[text] > 1]
    assert set(again) <= set(asked_before) - before
    assert len(again) <= 4
    assert [text for text, _ in read_pseudo_labels(tmp_path / "out.csv")] == TEXTS
    assert json.loads((tmp_path / "out.json").read_text())["from_journal"] == len(before)


def test_a_signal_waits_for_what_is_under_way_so_nothing_is_asked_twice(tmp_path: Path) -> None:
    with scripted_endpoint(lambda t, n: Reply(delay_s=0.1)) as endpoint:
        with command(tmp_path, endpoint.base_url, "--concurrency", "4") as process:
            endpoint.wait_for(15)
            process.send_signal(signal.SIGINT)
            err = finish(process, 130)
        assert "answers are kept" in err
        assert not (tmp_path / "out.csv").exists()
        assert len(kept(tmp_path)) == sum(endpoint.asked.values())
        labelled(tmp_path, endpoint.base_url)
    assert set(endpoint.asked.values()) == {1}
    assert len(endpoint.asked) == len(TEXTS)


def test_two_runs_on_one_journal_do_not_both_ask(tmp_path: Path) -> None:
    second_is_over = threading.Event()

    def script(text: str, before: int) -> Reply:
        second_is_over.wait(50.0)
        return Reply()

    with scripted_endpoint(script) as endpoint, command(tmp_path, endpoint.base_url) as first:
        endpoint.wait_for(1)
        assert "another run" in labelled(tmp_path, endpoint.base_url, code=6)
        second_is_over.set()
        finish(first)
    assert set(endpoint.asked.values()) == {1}


def test_a_full_disk_keeps_what_is_in_the_journal(tmp_path: Path) -> None:
    from trainer.pseudo_labels.teachers import Answer

    answer = Answer("malformed", None, "x" * 2000)
    done = 0
    with Journal(tmp_path / "j.sqlite") as journal:
        (pages,) = journal._db.execute("PRAGMA page_count").fetchone()
        journal._db.execute(f"PRAGMA max_page_count = {pages + 5}")

        def fill() -> None:
            nonlocal done
            while True:
                journal.add("m", [(str(done), "text", answer)])
                done += 1

        with pytest.raises(LivemercError, match="free space"):
            fill()
    with Journal(tmp_path / "j.sqlite") as journal:
        assert len(journal.answers(str(i) for i in range(done + 1))) == done > 0


@contextmanager
def transformers_serve(model: Path, home: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    (home / "hub").mkdir(parents=True, exist_ok=True)  # its list of models wants a cache folder
    words = [str(Path(sys.executable).with_name("transformers")), "serve", str(model), "--host", "127.0.0.1"]
    with (
        (home / "log").open("a") as log,
        running(
            [*words, "--port", str(port)], env={**ENVIRONMENT, "HF_HOME": str(home)}, stdout=log, stderr=log
        ) as process,
    ):
        end = time.monotonic() + 120
        while True:
            try:
                with urlopen(f"http://127.0.0.1:{port}/health", timeout=2):
                    break
            except (URLError, OSError):
                assert process.poll() is None, (home / "log").read_text()
                assert time.monotonic() < end, "transformers serve does not come up"
                time.sleep(0.2)
        yield process


@pytest.mark.slow
def test_a_real_server_that_babbles_hangs_and_crashes(tmp_path: Path) -> None:
    model = causal_lm(tmp_path / "lm")
    texts = [f"sentence number {i}" for i in range(80)]
    (tmp_path / "texts.txt").write_text("\n".join(texts) + "\n")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = tmp_path / "home" / "log"

    def run(*flags: str) -> AbstractContextManager[subprocess.Popen[str]]:
        quick = ("--concurrency", "2", "--timeout-s", "2", "--retries", "1", "--stop-after", "2")
        return command(tmp_path, f"http://127.0.0.1:{port}/v1", "--model", str(model), *quick, *flags)

    def answered() -> int:
        return log.read_text().count('POST /v1/chat/completions HTTP/1.1" 200')

    def wait_for_answers(more: int, labelling: subprocess.Popen[str]) -> None:
        enough, end = answered() + more, time.monotonic() + 60
        while answered() < enough:
            assert labelling.poll() is None, labelling.communicate()
            assert time.monotonic() < end
            time.sleep(0.01)

    with transformers_serve(model, tmp_path / "home", port) as server:
        with run() as labelling:
            wait_for_answers(3, labelling)
            server.send_signal(signal.SIGSTOP)  # hangs: its socket is open, and nothing comes any more
            assert "does not answer within 2 s" in finish(labelling, 6)
        hung = kept(tmp_path)
        assert 2 <= len(hung) < len(texts)
        assert not (tmp_path / "out.csv").exists()
        server.send_signal(signal.SIGCONT)

        # What a random model says is no label, whatever it says.
        with run() as labelling:
            assert f"none of {len(texts)} answers is a label" in finish(labelling, 6)
        figures = json.loads((tmp_path / "out.json").read_text())
        assert figures["apart"] == {"malformed": len(texts), "refused": 0, "rejected": 0}
        assert figures["from_journal"] == len(hung)
        assert figures["asked"] == len(texts) - len(hung)
        assert figures["tokens"]["completion"] > 0
        assert figures["endpoint"]["answered_by"] == [f"{model}@main"]

        with run("--ask-again") as labelling:
            wait_for_answers(3, labelling)
            server.kill()
            assert "cannot be reached" in finish(labelling, 6)
        crashed = kept(tmp_path)
        assert 2 <= len(crashed) < len(texts)
    with run() as labelling:
        err = finish(labelling, 6)
    assert f"{len(crashed)} of {len(texts)} answers are kept" in err
    assert kept(tmp_path) == crashed
