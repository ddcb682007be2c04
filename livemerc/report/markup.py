"""HTML by construction: a string is text and is escaped, only `Html` is markup, and only `tag` makes any.

A builder instead of a template: what is escaped is then a matter of type, not of remembering a filter, and there is no
place in which words could stand unquoted. Text is also made plain (`livemerc.text_safety`): no overrides, no controls.
"""

from __future__ import annotations

import html
from collections.abc import Iterable

from livemerc.text_safety import plain_text

_VOID = frozenset(("meta", "link", "br", "hr", "rect", "line", "path", "circle"))


class Html(str):
    """Markup. Made by `tag`, `join` and `raw` only."""

    __slots__ = ()


Child = str | Html | None | bool
"""A string is text; None and False are nothing."""


def text(words: str) -> Html:
    """`words` as text, whatever is in them; markup stays as it is."""
    return words if isinstance(words, Html) else Html(html.escape(plain_text(words)))


def raw(constant: str) -> Html:
    """Markup that stands in this program's source. It is never for what was read."""
    return Html(constant)


def tag(name: str, /, *children: Child, **attributes: str | float | bool | None) -> Html:
    """`<name attributes>children</name>`. Attributes: a trailing _ is cut, other _ are hyphens; None is left out."""
    opening = name + "".join(_attribute(key, value) for key, value in attributes.items())
    if name in _VOID:
        return Html(f"<{opening}>") if name in ("meta", "link", "br", "hr") else Html(f"<{opening}/>")
    return Html(f"<{opening}>{join(children)}</{name}>")


def join(children: Iterable[Child], between: str = "") -> Html:
    """The children one after the other."""
    return Html(between.join(text(child) for child in children if isinstance(child, str)))


def _attribute(key: str, value: str | float | bool | None) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    if value is True:
        return f" {name}"
    shown = f"{value:.6g}" if isinstance(value, float) else str(value)
    return f' {name}="{html.escape(plain_text(shown))}"'
