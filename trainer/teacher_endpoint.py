"""A large language model behind an OpenAI-compatible endpoint (OpenAI, vLLM, llama.cpp, Ollama, ...) as a teacher.

Requests go through the `openai` client, its own retries off: they cannot be seen from outside, so one request told to
wait would not hold back the others, back-off ends at 8 s, a Retry-After above two minutes is not waited for, and an
empty quota (429 too) is tried again like a full minute.
"""

from __future__ import annotations

import asyncio
import contextlib
import email.utils
import json
import math
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from livemerc.errors import ConfigError, LivemercError, ModelError
from trainer.teachers import PROMPT, Answer, Record, Teacher, identity, parse_label

if TYPE_CHECKING:
    import openai

OPENAI_URL = "https://api.openai.com/v1"
OPENAI_KEY = "OPENAI_API_KEY"
MAX_TOKENS = 4
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
LONGEST_RETRY_AFTER_S = 900.0
"""An endpoint that asks for more has run out of something that waiting in a loop does not mend."""
FIRST_CONNECTIONS = 3
"""Tries of the very first connection: nothing was ever heard of this endpoint, so most likely the address is wrong."""

_FILTERED = ("content_filter", "content_policy_violation", "ResponsibleAIPolicyViolation")
_EMPTY_QUOTA = ("insufficient_quota", "billing_hard_limit_reached", "billing_not_active")
_TRANSIENT = (408, 409, 425, 429)
_OF_THE_TEXT = (400, 413, 422)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where and how to ask. `retries`: further tries of one text; `stop_after`: texts in a row without an answer."""

    model: str
    base_url: str | None = None
    key_env: str | None = None
    concurrency: int = 8
    timeout_s: float = 60.0
    retries: int = 6
    stop_after: int = 8


class _Fatal(Exception):
    """Going on is pointless; the message is the sentence."""


class _Transient(Exception):
    """Worth another try, after `retry_after_s` where the endpoint gave a time. `heard`: something is there."""

    def __init__(self, what: str, retry_after_s: float | None = None, *, heard: bool = True) -> None:
        super().__init__(what)
        self.retry_after_s = retry_after_s
        self.heard = heard


class EndpointTeacher(Teacher):
    """System message, temperature 0, at most 4 tokens; the user's message is the text.

    The key comes from an environment variable and goes nowhere but into the request's header: out of messages and
    stored answers it is taken, should an endpoint echo it. The base URL is no part of the identity: the same model on
    another port has the same answers.

    Raises `ConfigError` for an impossible URL or a missing key.
    """

    prompt = PROMPT

    def __init__(self, endpoint: Endpoint, environ: Mapping[str, str]) -> None:
        self._settings = endpoint
        self.base_url = (endpoint.base_url or OPENAI_URL).rstrip("/")
        self._check_url()
        # Another host gets a key only if told which: the one of OpenAI is not for everybody.
        at_openai = urlsplit(self.base_url).hostname == "api.openai.com"
        self._key_env = endpoint.key_env or (OPENAI_KEY if at_openai else None)
        self._key = environ.get(self._key_env, "").strip() if self._key_env else ""
        if self._key_env and not self._key:
            raise ConfigError(
                f"{self._key_env}: this environment variable holds no key; set it to the key of {self.base_url}, or "
                "name another with --key-env."
            )
        self.name = f"endpoint:{endpoint.model}"
        self.identity = identity(
            teacher="endpoint", model=endpoint.model, prompt=PROMPT, temperature=0, max_tokens=MAX_TOKENS
        )
        self._answered_by: set[str] = set()

    def account(self) -> dict[str, Any]:
        """The address, and the model names that the answers carry."""
        return {"base_url": self.base_url, "answered_by": sorted(self._answered_by)}

    def _check_url(self) -> None:
        try:
            parts = urlsplit(self.base_url)
            valid = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:
            valid = False
        if not valid:
            raise ConfigError("--base-url is no http(s) address; give one such as http://localhost:8000/v1.")
        if parts.username or parts.password or parts.query:
            raise ConfigError(
                "--base-url holds no keys: put the key into an environment variable and name it: --key-env."
            )

    def label_all(self, texts: Sequence[str], record: Record, forget: Callable[[Sequence[int]], None]) -> int:
        """Raises `LivemercError` (exit 6), KeyboardInterrupt after a signal once the open requests have ended."""
        if not texts:
            return 0
        try:
            import openai
        except ImportError as error:
            raise ModelError(
                f"the openai client cannot be loaded ({error}); run `pip install livemerc[train]`."
            ) from error
        client = openai.AsyncOpenAI(
            base_url=self.base_url,
            api_key=self._key or "none",  # the client wants one; local servers look at none
            max_retries=0,
            timeout=self._settings.timeout_s,
        )
        crowd = _Crowd(self, self._settings, client, texts, record, forget)
        asyncio.run(crowd.run())
        if crowd.broken is not None:
            raise crowd.broken
        if crowd.interrupted:
            raise KeyboardInterrupt
        if crowd.fatal is not None:
            raise LivemercError(crowd.fatal)
        return len(crowd.given_up)

    async def ask(self, client: openai.AsyncOpenAI, text: str) -> Answer:
        """One request. Raises `_Transient` and `_Fatal`."""
        import openai

        self.requests += 1
        try:
            async with asyncio.timeout(self._settings.timeout_s):  # the client's own limit starts anew with each byte
                completion: Any = await client.chat.completions.create(
                    model=self._settings.model,
                    messages=[{"role": "system", "content": PROMPT}, {"role": "user", "content": text}],
                    temperature=0,
                    max_tokens=MAX_TOKENS,
                )
        except (TimeoutError, openai.APITimeoutError) as error:
            raise _Transient(f"does not answer within {self._settings.timeout_s:g} s") from error
        except openai.APIConnectionError as error:
            cause = str(error.__cause__ or error).strip() or type(error.__cause__ or error).__name__
            raise _Transient(f"cannot be reached ({self._clean(cause)})", heard=False) from error
        except openai.APIStatusError as error:
            return self._status(error)
        except (openai.APIResponseValidationError, ValueError) as error:  # a body that is no JSON
            raise _Transient("answers something that is no JSON") from error
        return self._read(completion)

    def _status(self, error: openai.APIStatusError) -> Answer:
        code, what = error.status_code, self._said(error)
        url, model = self.base_url, self._settings.model
        kind = str(getattr(error, "code", None) or getattr(error, "type", None) or "")
        if code == 401 or code == 403:
            # What it says is left out: some endpoints quote the key.
            whose = f"the key in {self._key_env}" if self._key_env else "a request without a key"
            mend = "set the right key" if self._key_env else "name the variable that holds its key: --key-env"
            raise _Fatal(f"the endpoint {url} refuses {whose} ({code}); {mend}") from error
        if code == 404:
            raise _Fatal(f"the endpoint {url} has no model {model!r}, or is no such API ({what}); check --model and "
                         "--base-url") from error  # fmt: skip
        if code == 402 or (code == 429 and kind in _EMPTY_QUOTA):
            raise _Fatal(f"the account at {url} has nothing left ({what}); top it up") from error
        if code in _TRANSIENT or code >= 500:
            raise _Transient(f"answers {what}", retry_after(error.response.headers)) from error
        if code in _OF_THE_TEXT:
            filtered = any(name in (kind, str(error.body)) or name in str(error.body) for name in _FILTERED)
            return Answer("refused" if filtered else "rejected", None, what)
        raise _Fatal(f"the endpoint {url} does not take the request ({what}); check --base-url") from error

    def _said(self, error: openai.APIStatusError) -> str:
        body = error.body
        message = body.get("message") or body.get("detail") if isinstance(body, dict) else body
        text = message if isinstance(message, str) else json.dumps(message or error.response.reason_phrase or "")
        return f"{error.status_code}: {self._clean(text)}"

    def _read(self, completion: Any) -> Answer:
        choices = getattr(completion, "choices", None)
        choice = choices[0] if isinstance(choices, list) and choices else None
        message = getattr(choice, "message", None)
        if choice is None or message is None:
            raise _Transient("answers something that is no chat completion")
        self._answered_by.add(str(completion.model))
        usage = getattr(completion, "usage", None)
        tokens = [getattr(usage, name, None) for name in ("prompt_tokens", "completion_tokens")]
        prompt_tokens, completion_tokens = (t if isinstance(t, int) and t >= 0 else None for t in tokens)
        refusal = getattr(message, "refusal", None)
        raw = message.content if isinstance(message.content, str) else ""
        if refusal or choice.finish_reason == "content_filter":
            return Answer("refused", None, self._hide(str(refusal or raw)), prompt_tokens, completion_tokens)
        label = parse_label(raw)
        return Answer("label" if label else "malformed", label, self._hide(raw), prompt_tokens, completion_tokens)

    def _hide(self, text: str) -> str:
        return text.replace(self._key, "[key]") if self._key else text

    def _clean(self, text: str) -> str:
        return " ".join(self._hide(text).split())[:200].rstrip(".")


class _Crowd:
    """Workers that share one queue, one pause and one count of failures; one event loop, so there are no locks."""

    def __init__(
        self,
        teacher: EndpointTeacher,
        settings: Endpoint,
        client: openai.AsyncOpenAI,
        texts: Sequence[str],
        record: Record,
        forget: Callable[[Sequence[int]], None],
    ) -> None:
        self._teacher, self._settings, self._client = teacher, settings, client
        self._texts, self._record, self._forget = texts, record, forget
        self._queue: Iterator[int] = iter(range(len(texts)))
        self._not_before_s = 0.0
        self._streak: list[tuple[int, str]] = []  # texts in a row that nothing good was heard of, and why
        self._rejected_only = True
        self._heard = False
        self.given_up: list[int] = []
        self.fatal: str | None = None
        self.broken: LivemercError | None = None  # the journal, not the endpoint
        self.interrupted = False

    async def run(self) -> None:
        self._stop = asyncio.Event()
        with self._signals():
            async with self._client:
                # One alone first: a wrong key or address costs one request, not one a worker.
                await self._one(next(self._queue))
                if not self._heard and self._streak:
                    self._give_in()
                async with asyncio.TaskGroup() as group:
                    for _ in range(min(self._settings.concurrency, len(self._texts) - 1)):
                        group.create_task(self._work())
        if self._rejected_only and self._streak and not (self._teacher.proven or self.interrupted):
            self._give_in()  # a handful of texts, none of them answered

    async def _work(self) -> None:
        for index in self._queue:
            if self._stop.is_set():
                return
            await self._one(index)

    async def _one(self, index: int) -> None:
        try:
            answer = await self._patiently(self._texts[index])
        except _Fatal as error:
            self.fatal = self.fatal or str(error)
            self._stop.set()
            return
        except _Transient as error:
            self.given_up.append(index)
            self._teacher.last_failure = f"the endpoint {error}"
            self._count(index, str(error))
            return
        if answer is None:  # stopped while waiting
            return
        try:
            self._record([(index, answer)])
        except LivemercError as error:
            self.broken = error
            self._stop.set()
            return
        if answer.status == "rejected":
            self._count(index, f"rejects the text ({answer.raw})")
        else:
            self._streak.clear()
            self._rejected_only = False

    def _count(self, index: int, why: str) -> None:
        self._streak.append((index, why))
        if len(self._streak) >= self._settings.stop_after:
            self._give_in()

    def _give_in(self) -> None:
        """Stops the run. Rejections in a row say something of the settings, not of their texts: they are taken back."""
        if self.fatal is None:
            n = len(self._streak)
            self.fatal = (
                f"the endpoint {self._teacher.base_url} {self._streak[-1][1]}; {n} text{'s' * (n > 1)} in a row "
                "without an answer: see that it runs, and check --base-url and --model"
            )
        self._forget([index for index, _ in self._streak])
        self._stop.set()

    async def _patiently(self, text: str) -> Answer | None:
        """The answer, after as many tries as it takes; None when the run stops meanwhile."""
        attempt = 0
        while True:
            await self._pause(self._not_before_s - time.monotonic())
            if self._stop.is_set():
                return None
            try:
                answer = await self._teacher.ask(self._client, text)
            except _Transient as error:
                self._heard = self._heard or error.heard
                retries = self._settings.retries
                if attempt >= (retries if self._heard else min(retries, FIRST_CONNECTIONS - 1)):
                    raise
                await self._back_off(attempt, error)
            else:
                self._heard = True
                return answer
            attempt += 1
            if not self._stop.is_set():
                self._teacher.retries += 1

    async def _back_off(self, attempt: int, error: _Transient) -> None:
        longest_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0**attempt)
        # Jitter: what failed together does not come back together.
        pause_s = longest_s * random.uniform(0.5, 1.0)
        if error.retry_after_s is not None:
            if error.retry_after_s > LONGEST_RETRY_AFTER_S:
                raise _Fatal(
                    f"the endpoint {self._teacher.base_url} {error} and asks to wait {error.retry_after_s:.0f} s; try "
                    "again then"
                )
            # Never earlier than asked, and everybody waits.
            self._not_before_s = max(self._not_before_s, time.monotonic() + error.retry_after_s)
            pause_s = error.retry_after_s + random.uniform(0.0, min(1.0, error.retry_after_s / 4))
        await self._pause(pause_s)

    async def _pause(self, seconds: float) -> None:
        """Ends early when the run stops."""
        if seconds > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), seconds)

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """The first Ctrl+C lets open requests end and keeps their answers; the second one is not caught."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        numbers = (signal.SIGINT, signal.SIGTERM)

        def stop() -> None:
            self.interrupted = True
            self._stop.set()
            for number in numbers:
                loop.remove_signal_handler(number)

        with contextlib.suppress(NotImplementedError):  # Windows: Ctrl+C cancels at once
            for number in numbers:
                loop.add_signal_handler(number, stop)
        try:
            yield
        finally:
            with contextlib.suppress(NotImplementedError):
                for number in numbers:
                    loop.remove_signal_handler(number)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds from `retry-after-ms` or `Retry-After` (RFC 9110: seconds or a date); None where neither helps."""
    for name, divisor in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        with contextlib.suppress(KeyError, ValueError):
            seconds = float(headers[name]) / divisor
            if math.isfinite(seconds) and seconds >= 0:
                return seconds
    with contextlib.suppress(KeyError, ValueError):
        date = email.utils.parsedate_to_datetime(headers["retry-after"])
        return max(0.0, date.timestamp() - time.time())
    return None
