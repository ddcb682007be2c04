"""What the monitor hears: level, clipping, and whether that is speech."""

from __future__ import annotations

from rich.text import Text

from livemerc.dashboard.panel import Panel

_FLOOR_DBFS = -60.0
_HEIGHTS = " ▁▂▃▄▅▆▇█"


class MeterPanel(Panel):
    """One line: speech sign, bar from -60 to 0 dBFS, figure, and the last seconds as a small strip."""

    def lines(self, width: int, height: int) -> list[Text]:
        palette, health = self.palette, self.state.health
        heard = health.level_dbfs is not None and self.state.phase != "finished"
        level_dbfs = health.level_dbfs if heard and health.level_dbfs is not None else -120.0
        if self.state.phase == "finished":
            line = Text(" ○ no input ", style=palette.dim)
        elif health.speaking:
            line = Text(" ● speech   ", style=palette.style(palette.good, bold=True))
        else:
            line = Text(" ○ quiet    ", style=palette.dim)
        figure = Text(
            f" {max(level_dbfs, -99):>4.0f} dBFS " if heard and level_dbfs > -119 else "    - dBFS ", style=palette.dim
        )
        if health.clipping:
            figure.append("CLIPS", style=palette.alarm)
        else:
            figure.append("     ")
        history = max(0, min(60, width // 3))
        room = max(0, width - line.cell_len - figure.cell_len - history - 3)
        filled = round(_share(level_dbfs) * room)
        line.append("━" * filled, style=palette.style(palette.trouble if health.clipping else palette.good))
        line.append("─" * (room - filled), style=palette.rule)
        line.append_text(figure)
        line.append("  ")
        levels = list(self.state.levels_dbfs)[-history:] if history else []
        line.append(" " * (history - len(levels)))
        return [line.append("".join(_HEIGHTS[round(_share(level) * 8)] for level in levels), style=palette.dim)]


def _share(level_dbfs: float) -> float:
    return max(0.0, min(1.0, 1 - level_dbfs / _FLOOR_DBFS))
