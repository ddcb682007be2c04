"""Names and numbers out of words, by a simple rule that is meant for English.

1. Links, e-mail addresses and @handles become [link], [e-mail] and [handle].
2. The speakers' names become Speaker 1, Speaker 2 ... in order of appearance, also where one is mentioned in the words,
   by its whole name or by a part that is one speaker's alone ([name] otherwise), in any case, not inside longer words.
3. Digits become [number], with the separators between them; so do two or more number words in a row ("five five two").
4. A capitalised word that does not begin a sentence becomes [name], with the words right after it that are capitalised
   too; also everywhere else in the session where it begins a sentence, unless it is also written in small letters.

What it misses: names at the beginning of a sentence that occur nowhere else, names in words that are written all in
small letters or all in capitals, single number words, nicknames, places and facts that tell who somebody is. It also
takes out what is no name (German nouns, titles of books). Read the result before you hand it on.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable

from livemerc.text_safety import plain_text

RULE = (
    "Speakers' names, links, e-mail addresses, digits and rows of number words are replaced, and capitalised words "
    "that do not begin a sentence count as names. This is a simple rule made for English. It misses names that only "
    "ever begin a sentence, names in words without capitals (some recognisers write none), single number words, "
    "nicknames, and whatever else tells who somebody is."
)
"""For the reader of what was anonymised."""

LINK, EMAIL, HANDLE, NUMBER, NAME, SPEAKER = "[link]", "[e-mail]", "[handle]", "[number]", "[name]", "Speaker N"

_REST = r"\S*[^\s.,;:!?]"
_LINK = re.compile(
    rf"\b[a-z][a-z0-9+.-]{{1,20}}://{_REST}|\bwww\.{_REST}|\b(?:mailto|javascript|data|tel):{_REST}", re.IGNORECASE
)
_EMAIL = re.compile(r"[^\s@<>()\[\]\",;:]+@[^\s@<>()\[\]\",;:]+")
_HANDLE = re.compile(r"(?<!\w)@\w+")
_DOMAIN = re.compile(
    r"\b(?:[a-z0-9-]+\.)+(?:com|org|net|edu|gov|info|io|de|uk|eu|fr|ch|at|pl)\b(?:/\S*)?", re.IGNORECASE
)
_DIGITS = re.compile(r"[+(]?\d(?:[\s().,:/'’+\-–]{0,3}\d)*")
_UNITS = (
    "zero|oh|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|"
    "seventeen|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|million|double"
)
_SPELT = re.compile(rf"\b(?:{_UNITS})(?:[\s,-]+(?:and\s+)?(?:{_UNITS}))+\b", re.IGNORECASE)
_ALIKE = str.maketrans(dict.fromkeys("’ʼ`´", "'") | dict.fromkeys("‐‑", "-"))
"""O’Brien is O'Brien, for recognisers and transcripts write either."""
_FIRST_SIGN = 0xF0000
"""Private characters, which no plain text has, stand for the speakers while the other rules run."""
_WORD = re.compile(r"\[[\w-]+\]|[\U000F0000-\U000FFFFD]|[^\W\d_]+(?:['’\-.][^\W\d_]+)*")
_TITLES = frozenset(("mr", "mrs", "ms", "dr", "prof", "st", "sir", "miss", "sr", "jr", "mister", "doctor"))
_NO_NAMES = frozenset(("i", "ok", "okay", "tv", "oh", "ah", "mr", "mrs", "ms", "dr", "prof", "sir", "miss"))
_GENERIC = frozenset(
    ("speaker", "channel", "left", "right", "mic", "microphone", "input", "unknown", "person", "participant", "spk",
     "mono", "stereo", "the", "of", "and", "de", "la", "von", "van", "der", "el", "al", "mr", "mrs", "ms", "dr")
)  # fmt: skip


class Anonymiser:
    """Replaces names and numbers of one session. `texts`: all its words, from which it learns which words are names.

    `replaced` counts what was replaced so far, by what stands there now.
    """

    def __init__(self, speakers: Iterable[str], texts: Iterable[str] = ()) -> None:
        self.replaced: dict[str, int] = {}
        self._speakers: dict[str, int] = {}
        self._parts: dict[str, int | None] = {}  # folded names and parts of names; None: of several speakers
        forms: set[str] = set()
        for name in speakers:
            forms |= self._announce(name)
        self._mention = _mention(forms)
        self._learnt = _learnt(self._without_signs(text) for text in texts)
        self.replaced.clear()

    def speaker(self, name: str) -> str:
        """`Speaker N`; the same for the same name, whatever its case. One that was not announced is [name]."""
        number = self._speakers.get(_key(name))
        return NAME if number is None else f"Speaker {number}"

    def text(self, text: str) -> str:
        """`text` by the whole rule."""
        return self._with_speakers(self._names(self._without_signs(text)))

    def phrase(self, text: str) -> str:
        """A phrase of the program's own, or a short entry, by all of the rule but the capitals."""
        return self._with_speakers(self._without_signs(text))

    def mentions(self, text: str) -> str:
        """`text` with speakers' names replaced, and nothing else."""
        text = _plain(text)
        return self._with_speakers(text if self._mention is None else self._mention.sub(self._as_speaker, text))

    # -- signs and speakers --------------------------------------------------------------------------------------------

    def _without_signs(self, text: str) -> str:
        text = _plain(text)
        for pattern, sign in ((_LINK, LINK), (_EMAIL, EMAIL), (_HANDLE, HANDLE), (_DOMAIN, LINK)):
            text = self._count(pattern, sign, text)
        if self._mention is not None:
            text = self._mention.sub(self._as_speaker, text)
        text = self._count(_SPELT, NUMBER, self._count(_DIGITS, NUMBER, text))
        # numerals that are no digits (Roman ones of one character, circled ones): nothing is read from them
        return "".join("#" if c.isnumeric() and not c.isalpha() else c for c in text)

    def _with_speakers(self, text: str) -> str:
        return re.sub("[\U000f0000-\U000ffffd]", lambda sign: f"Speaker {ord(sign[0]) - _FIRST_SIGN}", text)

    def _count(self, pattern: re.Pattern[str], sign: str, text: str) -> str:
        text, number = pattern.subn(sign, text)
        if number:
            self.replaced[sign] = self.replaced.get(sign, 0) + number
        return text

    def _announce(self, name: str) -> set[str]:
        """The forms in which a speaker's name is looked for. Single letters are no names in words."""
        number = self._speakers.setdefault(_key(name), len(self._speakers) + 1)
        whole = " ".join(_plain(name).split())
        forms = {
            part
            for part in re.split(r"[^\w'’-]+|_", whole)
            if len(part) > 1 and _key(part) not in _GENERIC and not part.isnumeric()
        }
        for part in map(_key, forms):
            self._parts[part] = number if self._parts.get(part, number) == number else None
        if len(whole) > 1:
            forms.add(whole)
        return forms

    def _as_speaker(self, match: re.Match[str]) -> str:
        key = _key(match[0])
        number = self._speakers.get(key, self._parts.get(key))
        self.replaced[SPEAKER] = self.replaced.get(SPEAKER, 0) + 1
        return NAME if number is None else chr(_FIRST_SIGN + min(number, 0xFFFD))

    # -- other names ---------------------------------------------------------------------------------------------------

    def _names(self, text: str) -> str:
        all_capitals = not any(character.islower() for character in text)

        def replace(match: re.Match[str], begins: bool) -> str:
            word = match[0]
            if not _capitalised(word):
                return word
            if (begins or all_capitals) and _stem(word) not in self._learnt:
                return word
            self.replaced[NAME] = self.replaced.get(NAME, 0) + 1
            return NAME + _possessive(word)

        named = _each_word(text, replace)
        return re.sub(r"\[name\](?:\s+\[name\])+", NAME, named)


def _plain(text: str) -> str:
    """`text` composed and drawable, without joiners, which draw nothing and would hide a name from the rule."""
    return plain_text(unicodedata.normalize("NFKC", text)).replace("\u200d", "").replace("\u200c", "")


def _key(name: str) -> str:
    return " ".join(_plain(name).translate(_ALIKE).casefold().split())


def _mention(forms: Iterable[str]) -> re.Pattern[str] | None:
    """Finds any of the names, the longest first, with any white space between their words. None: nobody has a name."""
    patterns = []
    for part in sorted(forms, key=len, reverse=True):
        body = r"\s+".join(re.escape(word) for word in part.translate(_ALIKE).split())
        body = body.replace("'", "['’ʼ`´]").replace(r"\-", "[-‐‑]")
        # scripts without capitals (Chinese, Arabic) may write the next word right after a name
        before = r"(?<![^\W\d_])" if part[:1].upper() != part[:1].lower() else ""
        after = r"(?![^\W\d_])" if part[-1:].upper() != part[-1:].lower() else ""
        patterns.append(before + body + after)
    return re.compile("|".join(patterns), re.IGNORECASE) if patterns else None


def _each_word(text: str, replace: Callable[[re.Match[str], bool], str]) -> str:
    """`replace(match, begins a sentence)` for every word."""
    pieces, end, before = [], 0, ""
    for match in _WORD.finditer(text):
        between = text[end : match.start()]
        initial = len(before) == 1 and before.isupper() and before != "I"
        ended = bool(re.search(r"[.!?…:;\"“„»¿¡]|--|[—–]", between)) and before.lower() not in _TITLES and not initial
        pieces += [
            between,
            match[0] if match[0][0] == "[" or match[0] >= chr(_FIRST_SIGN) else replace(match, not before or ended),
        ]
        end, before = match.end(), match[0]
    return "".join([*pieces, text[end:]])


def _learnt(texts: Iterable[str]) -> frozenset[str]:
    """Words that are capitalised inside a sentence and nowhere written in small letters."""
    names: set[str] = set()
    small: set[str] = set()

    def look(match: re.Match[str], begins: bool) -> str:
        word = match[0]
        if _capitalised(word):
            if not begins:
                names.add(_stem(word))
        elif word[:1].islower():
            small.add(_stem(word))
        return word

    for text in texts:
        if any(character.islower() for character in text):  # all in capitals: tells nothing
            _each_word(text, look)
    return frozenset(names - small)


def _capitalised(word: str) -> bool:
    stem = _stem(word)
    return word[:1].isupper() and stem not in _NO_NAMES and not stem.startswith(("i'", "i’"))


def _stem(word: str) -> str:
    return word[: len(word) - len(_possessive(word))].casefold()


def _possessive(word: str) -> str:
    return word[-2:] if word[-2:].lower() in ("'s", "’s") else ""
