"""How speakers share the floor, as rows of a panel: who talks how much, and who takes over without a gap."""

from __future__ import annotations

from collections.abc import Callable

from rich.text import Text

from livemerc.dashboard.palette import Palette
from livemerc.dashboard.panels.bars import share_bar
from livemerc.dashboard.panels.panel import spread
from livemerc.dashboard.panels.wrapping import in_cells
from livemerc.notation import fraction
from livemerc.sessions.talk import Talk
from livemerc.text_safety import sure_width

Coloured = Callable[[str], str]

AT_ONCE = "»"
"""The sign of a speaker who took the floor without a gap."""
_NAME_CELLS, _TAKEN_CELLS = 7, 4
"""Together as wide as what stands before the bars of the labels."""
_NAMES_IN_HEAD = 4


def talk_rows(palette: Palette, talk: Talk, width: int, most: int, coloured: Coloured = str) -> list[Text]:
    """A head and at most `most` speakers, the longest talking first; one row with all of it where `most` is 0 or 1, and
    nothing where it is less, or fewer than two talk. `coloured`: the id whose colour a name has."""
    shares = talk.shares()
    if len(shares) < 2 or most < 0:
        return []
    head = Text().append("TALK", style=palette.title)
    if most < 2:
        head.append_text(talk_in_head(palette, talk, coloured)).truncate(width, overflow="ellipsis")
        return [head]
    if talk.balance is not None:
        head.append(f"  balance {fraction(talk.balance)}", style=palette.text)
    if talk.overlap_s >= 0.5:
        head.append(f"  {talk.overlap_s:.0f} s overlap", style=palette.text)
    told = Text(f"{AT_ONCE} took over without a gap", style=palette.dim)
    rows = [spread(head, told, width) if head.cell_len + told.cell_len + 1 <= width else head]
    for speaker, share in list(shares.items())[:most]:
        voice = coloured(speaker)
        style = palette.style(palette.speaker(voice), bold=True)
        row = Text().append(in_cells(sure_width(speaker), _NAME_CELLS), style=style)
        taken = talk.at_once.get(speaker, 0)
        row.append((f" {AT_ONCE}{taken}" if taken else "").ljust(_TAKEN_CELLS), style=palette.dim)
        row.append_text(share_bar(palette, palette.speaker(voice, palette.muted), share, width - row.cell_len - 5))
        row.append(f"{share:>4.0%}".rjust(5), style=palette.text)
        rows.append(row)
    if len(shares) > most:  # the last row tells of all who have none
        rest = list(shares)[most - 1 :]
        rows[-1] = Text(f"and {len(rest)} more, {sum(shares[speaker] for speaker in rest):.0%}", style=palette.dim)
    return rows


def talk_in_head(palette: Palette, talk: Talk, coloured: Coloured = str) -> Text:
    """`S1 58% S2 42%`, for where there are no rows; empty where fewer than two talk."""
    shares = talk.shares()
    found = Text()
    if len(shares) < 2:
        return found
    for speaker, share in list(shares.items())[:_NAMES_IN_HEAD]:
        found.append(f"  {sure_width(speaker)}", style=palette.style(palette.speaker(coloured(speaker)), bold=True))
        found.append(f" {share:.0%}", style=palette.text)
    return found
