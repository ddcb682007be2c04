"""Words come from recognisers, sidecar files and replays, and nothing in them may steer the terminal.

Everything that a terminal would interpret instead of draw (escape sequences, C0 and C1 controls, bidirectional
overrides, invisible format characters, lone surrogates) becomes one visible character. Printable text is unchanged.
"""

from __future__ import annotations

_JOINERS = "\u200c\u200d"  # Persian and Indic spelling needs them; they draw nothing and steer nothing
_SPACES = frozenset("\t\n\v\f\r\x85\u2028\u2029")
_REPLACEMENT = "\ufffd"


def plain_text(text: str) -> str:
    """`text` with every character drawn, none interpreted.

    Kinds of white space (tabs, line ends, no-break spaces) become a space; C0 controls become their Unicode picture
    (ESC is shown as U+241B); C1 controls, bidi controls, other format characters, private and unassigned ones become
    U+FFFD. The result is idempotent, has no line end, and has as many characters as `text`.
    """
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else _visible(character) for character in text)


def _visible(character: str) -> str:
    if character in _JOINERS:
        return character
    if character in _SPACES or character.isspace():
        return " "
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    return "\u2421" if code == 0x7F else _REPLACEMENT


def encodable(text: str) -> str:
    """`text` with every lone surrogate (a file name that is no UTF-8 has some) as U+FFFD, so that JSON can hold it."""
    return "".join(_REPLACEMENT if "\ud800" <= character <= "\udfff" else character for character in text)


def sure_width(text: str) -> str:
    """`plain_text` without what terminals measure differently, for a row of a table must be as wide as we count.

    Variation selectors, emoji joiners and skin tones are left out (the emoji itself stays).
    """
    text = plain_text(text)
    if text.isascii():
        return text
    kept: list[str] = []
    for character in text:
        if "\ufe00" <= character <= "\ufe0f" or "\U0001f3fb" <= character <= "\U0001f3ff" or character == "\u20e3":
            continue
        if character == "\u200d" and not (kept and kept[-1].isalpha()):
            continue
        kept.append(character)
    return "".join(kept)
