"""Wrap words into cells: exact for double-width text, fast for thousands of rows."""

from __future__ import annotations

from rich.cells import cell_len, set_cell_size, split_graphemes


def wrap(text: str, width: int) -> list[tuple[int, int]]:
    """Where to cut `text` so that each piece fits `width` cells: (start, end) of each line, at least one line.

    Cuts at spaces (which are dropped at line ends), inside a word only where that word alone is wider than a line.
    """
    width = max(2, width)  # a double-width character must fit
    if len(text) <= width and text.isascii():
        return [(0, len(text))]
    lines: list[tuple[int, int]] = []
    start = end = used = 0  # the open line: from `start` to `end`, `used` cells wide
    at = 0
    for word in text.split(" "):
        cells = len(word) if word.isascii() else cell_len(word)
        gap = at - end if end > start else 0
        if end > start and used + gap + cells > width:
            lines.append((start, end))
            start = end = at
            used = gap = 0
        if cells > width:
            *whole, (start, end) = _chopped(text, at, at + len(word), width)
            lines += whole
            used = cell_len(text[start:end])
        elif word:
            if end == start:
                start = at
            used += gap + cells
            end = at + len(word)
        at += len(word) + 1
    if end > start or not lines:
        lines.append((start, end))
    return lines


def in_cells(text: str, width: int) -> str:
    """`text` in exactly `width` cells; what does not fit ends in `…`."""
    if cell_len(text) <= width:
        return set_cell_size(text, width)
    return set_cell_size(set_cell_size(text, width - 1).rstrip() + "…", width)


def _chopped(text: str, start: int, end: int, width: int) -> list[tuple[int, int]]:
    """A word wider than a line (CJK sentences are): cut between graphemes."""
    spans, _ = split_graphemes(text[start:end])
    lines: list[tuple[int, int]] = []
    left, used = start, 0
    for low, high, cells in spans:
        if used + cells > width and start + low > left:
            lines.append((left, start + low))
            left, used = start + low, 0
        used += cells
        right = start + high
    lines.append((left, right))
    return lines
