"""A large language model behind an OpenAI-compatible endpoint (OpenAI, vLLM, llama.cpp, Ollama, ...) as a teacher."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from livemerc.errors import ConfigError, LivemercError, ModelError
from trainer.pseudo_labels.options import PseudoLabelOptions
from trainer.pseudo_labels.request_pool import Fatal, RequestPool, Transient, retry_after
from trainer.pseudo_labels.teachers import PROMPT, Answer, Record, Teacher, identity, parse_label

if TYPE_CHECKING:
    import openai

OPENAI_URL = "https://api.openai.com/v1"
OPENAI_KEY = "OPENAI_API_KEY"
MAX_TOKENS = 4

_FILTERED = ("content_filter", "content_policy_violation", "ResponsibleAIPolicyViolation")
_EMPTY_QUOTA = ("insufficient_quota", "billing_hard_limit_reached", "billing_not_active")
_TRANSIENT = (408, 409, 425, 429)
_OF_THE_TEXT = (400, 413, 422)


class EndpointTeacher(Teacher):
    """System message, temperature 0, at most 4 tokens; the user's message is the text.

    The key comes from an environment variable and goes only into the request's header. Where an endpoint echoes it, it
    is taken out of messages and stored answers. The base URL is no part of the identity, because the same model on
    another port gives the same answers.

    Raises `ConfigError` for an impossible URL or a missing key.
    """

    prompt = PROMPT

    def __init__(self, model: str, options: PseudoLabelOptions) -> None:
        self._model, self._options = model, options
        self.base_url = (options.base_url or OPENAI_URL).rstrip("/")
        self._check_url()
        # OpenAI's key goes to OpenAI alone; another host gets a key only where --key-env names one.
        at_openai = urlsplit(self.base_url).hostname == "api.openai.com"
        self._key_env = options.key_env or (OPENAI_KEY if at_openai else None)
        self._key = os.environ.get(self._key_env, "").strip() if self._key_env else ""
        if self._key_env and not self._key:
            raise ConfigError(
                f"{self._key_env}: this environment variable holds no key; set it to the key of {self.base_url}, or "
                "name another with --key-env."
            )
        self.name = f"endpoint:{model}"
        self.identity = identity(teacher="endpoint", model=model, prompt=PROMPT, temperature=0, max_tokens=MAX_TOKENS)
        self._client: openai.AsyncOpenAI
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
        self._client = openai.AsyncOpenAI(
            base_url=self.base_url,
            api_key=self._key or "none",  # the client wants one; local servers look at none
            max_retries=0,  # see `trainer.pseudo_labels.request_pool`
            timeout=self._options.timeout_s,
        )
        pool = RequestPool(self, self.ask, self._options, f"the endpoint {self.base_url}", texts, record, forget)

        async def run() -> None:
            async with self._client:
                await pool.run()

        asyncio.run(run())
        if pool.broken is not None:
            raise pool.broken
        if pool.interrupted:
            raise KeyboardInterrupt
        if pool.fatal is not None:
            raise LivemercError(pool.fatal)
        return len(pool.given_up)

    async def ask(self, text: str) -> Answer:
        """One request. Raises `Transient` and `Fatal`."""
        import openai

        self.requests += 1
        try:
            async with asyncio.timeout(self._options.timeout_s):  # the client's own limit starts anew with each byte
                completion: Any = await self._client.chat.completions.create(
                    model=self._model,
                    messages=[{"role": "system", "content": PROMPT}, {"role": "user", "content": text}],
                    temperature=0,
                    max_tokens=MAX_TOKENS,
                )
        except (TimeoutError, openai.APITimeoutError) as error:
            raise Transient(f"does not answer within {self._options.timeout_s:g} s", heard=False) from error
        except openai.APIConnectionError as error:
            cause = str(error.__cause__ or error).strip() or type(error.__cause__ or error).__name__
            raise Transient(f"cannot be reached ({self._clean(cause)})", heard=False) from error
        except openai.APIStatusError as error:
            return self._status(error)
        except (openai.APIResponseValidationError, ValueError) as error:  # a body that is no JSON
            raise Transient("answers something that is no JSON") from error
        return self._read(completion)

    def _status(self, error: openai.APIStatusError) -> Answer:
        code, what = error.status_code, self._said(error)
        url, model = self.base_url, self._model
        kind = str(getattr(error, "code", None) or getattr(error, "type", None) or "")
        if code == 401 or code == 403:
            # What it says is left out: some endpoints quote the key.
            whose = f"the key in {self._key_env}" if self._key_env else "a request without a key"
            mend = "set the right key" if self._key_env else "name the variable that holds its key: --key-env"
            raise Fatal(f"the endpoint {url} refuses {whose} ({code}); {mend}") from error
        if code == 404:
            raise Fatal(f"the endpoint {url} has no model {model!r}, or is no such API ({what}); check --model and "
                         "--base-url") from error  # fmt: skip
        if code == 402 or (code == 429 and kind in _EMPTY_QUOTA):
            raise Fatal(f"the account at {url} has nothing left ({what}); top it up") from error
        if code in _TRANSIENT or code >= 500:
            wait_s = retry_after(error.response.headers)
            raise Transient(f"answers {what}", wait_s, limited=code == 429) from error
        if code in _OF_THE_TEXT:
            filtered = any(name in (kind, str(error.body)) or name in str(error.body) for name in _FILTERED)
            return Answer("refused" if filtered else "rejected", None, what)
        raise Fatal(f"the endpoint {url} does not take the request ({what}); check --base-url") from error

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
            raise Transient("answers something that is no chat completion")
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
