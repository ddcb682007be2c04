"""The endpoint as a teacher, against a real HTTP server that misbehaves as told."""

from __future__ import annotations

import csv
import email.utils
import json
import socket
import time
from pathlib import Path

import pytest
from helpers.trainer.scripted_endpoint import Reply, ScriptedEndpoint, error, scripted_endpoint

from livemerc.cli import call
from trainer.cli import app
from trainer.pseudo_labels.labelled_corpus import read_pseudo_labels
from trainer.pseudo_labels.request_pool import retry_after
from trainer.pseudo_labels.teachers import PROMPT

TEXTS = [f"sentence number {i}" for i in range(20)]
SECRET = "sk-very-secret-0123456789"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "texts.txt"
    path.write_text("\n".join(TEXTS) + "\n")
    return path


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def label(table: Path, endpoint: ScriptedEndpoint | str, *flags: str) -> int:
    """The command's exit code; `flags` replace the usual ones."""
    usual = {
        "--teacher": "endpoint", "--model": "m", "--out": str(table.with_name("out.csv")),
        "--base-url": endpoint if isinstance(endpoint, str) else endpoint.base_url,
    }  # fmt: skip
    given = [part for flag, value in usual.items() if flag not in flags for part in (flag, value)]
    return call(["pseudo-label", str(table), *given, *flags], app)


def summary(table: Path) -> dict:
    return json.loads(table.with_name("out.json").read_text())


def apart(table: Path) -> list[dict[str, str]]:
    with table.with_name("out.apart.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def by_number(text: str, before: int) -> Reply:
    return Reply(["Positive", " negative.\n", "NEUTRAL"][int(text.split()[-1]) % 3])


def test_the_request_is_the_papers_and_the_corpus_is_in_input_order(table: Path) -> None:
    # the first ones are answered last
    def script(text: str, before: int) -> Reply:
        reply = by_number(text, before)
        reply.delay_s = 0.02 * (20 - int(text.split()[-1]))
        return reply

    with scripted_endpoint(script) as endpoint:
        assert label(table, endpoint, "--concurrency", "5") == 0
    body = endpoint.requests[0][3]
    assert body["messages"][0] == {"role": "system", "content": PROMPT}
    assert body["temperature"] == 0
    assert body["max_tokens"] == 4
    assert body["model"] == "m"
    assert set(endpoint.asked.values()) == {1}
    assert 1 < endpoint.most_at_once <= 5
    expected = [(text, ["positive", "negative", "neutral"][i % 3]) for i, text in enumerate(TEXTS)]
    assert read_pseudo_labels(table.with_name("out.csv")) == expected


def test_a_text_is_asked_once_for_all_its_rows_and_runs(table: Path) -> None:
    table.write_text("\n".join([*TEXTS, *TEXTS[:5], "", "  sentence   number 3 "]) + "\n")
    with scripted_endpoint(by_number) as endpoint:
        assert label(table, endpoint) == 0
        first = table.with_name("out.csv").read_bytes()
        assert label(table, endpoint) == 0
    assert set(endpoint.asked.values()) == {1}
    assert table.with_name("out.csv").read_bytes() == first
    figures = summary(table)
    assert (figures["rows"], figures["unique"], figures["empty"], figures["asked"]) == (27, 20, 1, 0)
    assert len(read_pseudo_labels(table.with_name("out.csv"))) == 26


def test_another_model_is_another_teacher(table: Path) -> None:
    with scripted_endpoint(by_number) as endpoint:
        assert label(table, endpoint) == 0
        assert label(table, endpoint, "--model", "other") == 0
    assert set(endpoint.asked.values()) == {2}


def test_retry_after_is_honoured_by_every_request(table: Path) -> None:
    refused_at: list[float] = []

    def script(text: str, before: int) -> Reply:
        if text == TEXTS[6] and not before:
            refused_at.append(time.monotonic())
            return error(429, "slow down", "rate_limit_exceeded", retry_after="2")
        return Reply(delay_s=0.05)

    with scripted_endpoint(script) as endpoint:
        assert label(table, endpoint, "--concurrency", "3") == 0
    # Requests under way at that moment end; none begins before the two seconds are over.
    later = [at - refused_at[0] for at, *_ in endpoint.requests if at - refused_at[0] > 0.5]
    assert len(later) >= len(TEXTS) - 6 - 3
    assert min(later) >= 2.0
    assert set(endpoint.answered.values()) == {1}
    assert summary(table)["retries"] == 1


def test_a_rate_limit_is_no_failure_while_answers_come(table: Path) -> None:
    window: list[float] = []

    def script(text: str, before: int) -> Reply:
        now = time.monotonic()
        window[:] = [at for at in window if now - at < 0.15]
        if len(window) >= 2:
            return error(429, "slow down", "rate_limit_exceeded", retry_after_ms="150")
        window.append(now)
        return by_number(text, before)

    with scripted_endpoint(script) as endpoint:
        assert label(table, endpoint, "--concurrency", "16", "--retries", "2") == 0
    assert set(endpoint.answered.values()) == {1}
    assert max(endpoint.asked.values()) > 3  # more tries than --retries allows a failure
    assert len(read_pseudo_labels(table.with_name("out.csv"))) == len(TEXTS)


def test_retry_after_is_read_as_seconds_milliseconds_or_date() -> None:
    assert retry_after({"retry-after": "7"}) == 7.0
    assert retry_after({"retry-after-ms": "250", "retry-after": "7"}) == 0.25
    in_a_minute = retry_after({"retry-after": email.utils.formatdate(time.time() + 60, usegmt=True)})
    assert in_a_minute is not None
    assert 50 < in_a_minute <= 60
    assert retry_after({"retry-after": email.utils.formatdate(time.time() - 60, usegmt=True)}) == 0.0
    for nonsense in ("soon", "", "nan", "-3"):
        assert retry_after({"retry-after": nonsense}) is None
    assert retry_after({}) is None


def test_an_hour_of_waiting_is_said_and_not_waited(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with scripted_endpoint(lambda t, n: error(429, "later", retry_after="3600")) as endpoint:
        assert label(table, endpoint) == 6
    assert sum(endpoint.asked.values()) == 1
    assert "asks to wait 3600 s" in capsys.readouterr().err


@pytest.mark.parametrize(
    "first",
    [
        error(500), error(502), error(408), Reply(close=True), Reply(body="{broken"), Reply(body="<html>busy</html>"),
        Reply(body="<html>", headers={"content-type": "text/html"}), Reply(body={"choices": []}),
        Reply(body={"hello": "world"}), Reply(body=[1, 2]), Reply(delay_s=1.5),
    ],
    ids=["500", "502", "408", "hung-up", "broken-json", "html-as-json", "html", "no-choice", "other-json", "list",
         "slow"],
)  # fmt: skip
def test_what_passes_is_tried_again(table: Path, first: Reply) -> None:
    def script(text: str, before: int) -> Reply:
        return first if text == TEXTS[2] and not before else by_number(text, before)

    with scripted_endpoint(script) as endpoint:
        assert label(table, endpoint, "--timeout-s", "1") == 0
    assert endpoint.asked[TEXTS[2]] == 2
    assert all(endpoint.asked[text] == 1 for text in TEXTS if text != TEXTS[2])
    assert len(read_pseudo_labels(table.with_name("out.csv"))) == len(TEXTS)


def test_answers_that_are_no_labels_are_kept_apart_and_never_guessed(table: Path) -> None:
    odd = {
        TEXTS[0]: Reply("positive, because it is"),
        TEXTS[1]: Reply("not negative"),
        TEXTS[2]: Reply("I'm sorry, but I can't"),
        TEXTS[3]: Reply(""),
        TEXTS[4]: Reply(None),
        TEXTS[5]: Reply(None, refusal="I cannot help with positive"),
        TEXTS[6]: Reply("positive", finish_reason="content_filter"),
        TEXTS[7]: error(400, "filtered", "content_filter"),
        TEXTS[8]: error(400, "the prompt is too long"),
    }
    with scripted_endpoint(lambda t, n: odd.get(t) or by_number(t, n)) as endpoint:
        assert label(table, endpoint) == 0
        assert [text for text, _ in read_pseudo_labels(table.with_name("out.csv"))] == TEXTS[9:]
        kept = {row["text"]: (row["status"], row["raw"]) for row in apart(table)}
        assert kept == {
            TEXTS[0]: ("malformed", "positive, because it is"),
            TEXTS[1]: ("malformed", "not negative"),
            TEXTS[2]: ("malformed", "I'm sorry, but I can't"),
            TEXTS[3]: ("malformed", ""),
            TEXTS[4]: ("malformed", ""),
            TEXTS[5]: ("refused", "I cannot help with positive"),
            TEXTS[6]: ("refused", "positive"),
            TEXTS[7]: ("refused", "400: filtered"),
            TEXTS[8]: ("rejected", "400: the prompt is too long"),
        }
        assert summary(table)["apart"] == {"malformed": 5, "refused": 3, "rejected": 1}
        assert label(table, endpoint) == 0
        assert set(endpoint.asked.values()) == {1}
        odd.clear()
        assert label(table, endpoint, "--ask-again") == 0
    assert {endpoint.asked[text] for text in TEXTS[:9]} == {2}
    assert {endpoint.asked[text] for text in TEXTS[9:]} == {1}
    assert len(read_pseudo_labels(table.with_name("out.csv"))) == len(TEXTS)
    assert not table.with_name("out.apart.csv").exists()


def test_a_wrong_key_costs_one_request_and_is_never_shown(
    table: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", SECRET)
    with scripted_endpoint(lambda t, n: error(401, f"Incorrect API key provided: {SECRET}")) as endpoint:
        assert label(table, endpoint, "--key-env", "MY_KEY") == 6
    assert sum(endpoint.asked.values()) == 1
    assert endpoint.requests[0][2]["authorization"] == f"Bearer {SECRET}"
    said = capsys.readouterr()
    assert "MY_KEY" in said.err
    assert "401" in said.err
    assert SECRET not in said.err + said.out
    assert said.err.count("\n") == 1


def test_a_key_that_an_endpoint_echoes_is_stored_nowhere(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", SECRET)

    def script(text: str, before: int) -> Reply:
        return {TEXTS[1]: Reply(f"your key is {SECRET}"), TEXTS[2]: error(400, f"bad {SECRET}")}.get(text, Reply())

    with scripted_endpoint(script) as endpoint:
        assert label(table, endpoint, "--key-env", "MY_KEY") == 0
    assert [row["raw"] for row in apart(table)] == ["your key is [key]", "400: bad [key]"]
    for path in table.parent.iterdir():
        assert SECRET.encode() not in path.read_bytes(), path


def test_openais_key_goes_to_openai_alone(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    with scripted_endpoint(by_number) as endpoint:
        assert label(table, endpoint) == 0
    assert SECRET not in endpoint.requests[0][2]["authorization"]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--base-url", "https://api.openai.com/v1"], "OPENAI_API_KEY"),
        (["--key-env", "NO_SUCH_KEY"], "NO_SUCH_KEY"),
        (["--base-url", "localhost:8000"], "--base-url"),
        (["--base-url", f"http://me:{SECRET}@localhost/v1"], "--key-env"),
        (["--price-in", "1"], "--price-out"),
        (["--concurrency", "0"], "--concurrency"),
        (["--timeout-s", "nan"], "--timeout-s"),
        (["--out", "corpus.txt"], ".csv"),
    ],
)
def test_wrong_settings_end_with_2_before_anything_is_asked(
    table: Path, flags: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with scripted_endpoint(by_number) as endpoint:
        assert label(table, endpoint, *flags) == 2
    assert not endpoint.asked
    err = capsys.readouterr().err
    assert said in err
    assert SECRET not in err


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (error(404, "The model `m` does not exist", "model_not_found"), "--model"),
        (error(403, "not for you"), "403"),
        (error(402, "pay"), "nothing left"),
        (error(429, "You exceeded your current quota", "insufficient_quota"), "nothing left"),
        (error(405, "no"), "--base-url"),
    ],
    ids=["404", "403", "402", "quota", "405"],
)
def test_what_cannot_pass_stops_at_once(
    table: Path, reply: Reply, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with scripted_endpoint(lambda t, n: reply) as endpoint:
        assert label(table, endpoint) == 6
    assert sum(endpoint.asked.values()) == 1
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


def test_settings_that_reject_every_text_are_no_verdict_on_the_texts(
    table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    replies = [error(400, "max_tokens is not supported")]
    with scripted_endpoint(lambda t, n: replies[0]) as endpoint:
        assert label(table, endpoint, "--stop-after", "4", "--concurrency", "2") == 6
        assert sum(endpoint.asked.values()) <= 4 + 1
        assert "max_tokens is not supported" in capsys.readouterr().err
        replies[0] = Reply()
        assert label(table, endpoint) == 0
    assert len(read_pseudo_labels(table.with_name("out.csv"))) == len(TEXTS)


def test_an_endpoint_that_is_down(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound and not listening: nobody answers, and nobody else takes it
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/v1"
        assert label(table, url) == 6
    err = capsys.readouterr().err
    assert "cannot be reached" in err
    assert err.count("\n") == 1
    assert not table.with_name("out.csv").exists()


def test_an_endpoint_that_never_answers(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:  # takes connections, and says nothing
        assert label(table, f"http://127.0.0.1:{mute.getsockname()[1]}/v1", "--timeout-s", "0.3") == 6
    assert "does not answer within 0.3 s; 1 text" in capsys.readouterr().err


def test_an_endpoint_that_breaks_down_keeps_what_it_said(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = {"down": False}

    def script(text: str, before: int) -> Reply:
        state["down"] = state["down"] or text == TEXTS[12]
        return error(503, "overloaded") if state["down"] else by_number(text, before)

    with scripted_endpoint(script) as endpoint:
        flags = ("--retries", "1", "--stop-after", "3", "--concurrency", "2")
        assert label(table, endpoint, *flags) == 6
        err = capsys.readouterr().err
        assert "503: overloaded" in err
        done = sum(endpoint.answered.values())
        assert f"{done} of 20 answers are kept" in err
        assert 10 <= done < len(TEXTS)
        endpoint.script = by_number
        assert label(table, endpoint, *flags) == 0
    assert set(endpoint.answered.values()) == {1}
    assert summary(table)["from_journal"] == done
    assert len(read_pseudo_labels(table.with_name("out.csv"))) == len(TEXTS)


def test_a_text_without_an_answer_costs_not_the_others(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = {TEXTS[5]}
    with scripted_endpoint(lambda t, n: error(500, "oops") if t in broken else Reply()) as endpoint:
        assert label(table, endpoint, "--retries", "1") == 6
        assert "1 of 20 texts got no answer" in capsys.readouterr().err
        assert len(read_pseudo_labels(table.with_name("out.csv"))) == 19
        broken.clear()
        assert label(table, endpoint) == 0
    assert endpoint.asked[TEXTS[5]] == 3
    assert set(endpoint.answered.values()) == {1}


def test_cost_is_counted_from_usage_and_unknown_without(table: Path) -> None:
    prices = ("--price-in", "0.5", "--price-out", "1.5")
    with scripted_endpoint(lambda t, n: Reply(usage=(60, 2))) as endpoint:
        assert label(table, endpoint, *prices) == 0
    assert summary(table)["tokens"] == {"prompt": 1200, "completion": 40}
    assert summary(table)["cost"] == pytest.approx((1200 * 0.5 + 40 * 1.5) / 1e6)
    with scripted_endpoint(lambda t, n: Reply(usage=None if t == TEXTS[9] else (60, 2))) as endpoint:
        assert label(table, endpoint, *prices, "--model", "other") == 0
    assert summary(table)["tokens"] == {"prompt": None, "completion": None}
    assert summary(table)["cost"] is None
