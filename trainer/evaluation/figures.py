"""`livemerc-train evaluate --figures`: confusion matrix, reliability diagram (PNG) and per-class table (Markdown).

matplotlib (extra `train`) is imported here only, when a picture is drawn, with the Agg backend: no screen is needed.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from livemerc.errors import ConfigError
from trainer.files import told
from trainer.loop.metrics import CalibrationFloor, confusion_matrix, reliability

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe & Ito's palette, told apart with any colour vision.
BLUE, VERMILION, GREY = "#0072B2", "#D55E00", "#8C8C8C"
DPI = 150


def draw(
    folder: Path,
    name: str,
    probabilities: np.ndarray,
    truth: np.ndarray,
    labels: list[str],
    figures: dict[str, Any],
    floor: CalibrationFloor,
    title: str,
) -> list[Path]:
    """Writes `NAME-confusion.png`, `NAME-reliability.png` and `NAME-per-class.md` to `folder`, made if need be.

    `figures` is `M` of the contract. Raises `ConfigError` where matplotlib is missing or the folder cannot be written.
    """
    try:
        import matplotlib.figure  # noqa: F401 - asked for before anything is computed or written
    except ImportError as error:
        raise ConfigError(
            "--figures draws with matplotlib, which is not installed; run `pip install 'livemerc[train]'`."
        ) from error
    paths = [folder / f"{name}-{what}" for what in ("confusion.png", "reliability.png", "per-class.md")]
    with told(ConfigError, f"--figures {folder}: cannot be written", "choose another folder"):
        folder.mkdir(parents=True, exist_ok=True)
        confusion_figure(confusion_matrix(probabilities, truth), labels, f"{title}, {name}").savefig(paths[0], dpi=DPI)
        reliability_figure(probabilities, truth, floor, f"{title}, {name}").savefig(paths[1], dpi=DPI)
        paths[2].write_text(per_class_table(figures, f"{title}, {name}"), encoding="utf-8")
    return paths


def confusion_figure(counts: np.ndarray, labels: list[str], title: str) -> Figure:
    """Rows = truth, normalised to 1 by colour and share; the count stands below the share. counts (C, C)."""
    from matplotlib.figure import Figure

    support = counts.sum(1, keepdims=True)
    share = counts / np.maximum(support, 1)
    size = 1.9 + 0.78 * len(labels)
    figure = Figure(figsize=(size + 0.9, size), layout="constrained")
    axes = figure.add_subplot()
    # cividis is made for colour-blind readers and rises in lightness, so that it prints in grey as well
    image = axes.imshow(share, cmap="cividis", vmin=0, vmax=1)
    for row in range(len(labels)):
        for column in range(len(labels)):
            if not support[row, 0]:
                continue
            dark = share[row, column] < 0.55
            text = f"{100 * share[row, column]:.0f} %\n{counts[row, column]:d}"
            axes.text(column, row, text, ha="center", va="center", fontsize=8, color="white" if dark else "black")
    axes.set_xticks(range(len(labels)), labels, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(labels)), [f"{x}  ({n})" for x, n in zip(labels, support[:, 0], strict=True)])
    axes.set_xlabel("judged")
    axes.set_ylabel("annotated (rows)")
    axes.set_title(title, fontsize=10, loc="left")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(image, ax=axes, fraction=0.046, pad=0.03, format=lambda x, _: f"{100 * x:.0f} %")
    bar.set_label("share of the row")
    bar.outline.set_visible(False)
    return figure


def reliability_figure(probabilities: np.ndarray, truth: np.ndarray, floor: CalibrationFloor, title: str) -> Figure:
    """Accuracy by confidence over the 15 bins of ECE, the rows of each bin below; ECE and its floor in the title."""
    from matplotlib.figure import Figure

    found = reliability(probabilities, truth)
    bins = len(found.count)
    edges = np.arange(bins) / bins
    filled = found.count > 0
    figure = Figure(figsize=(6.2, 6.2), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    above.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1, label="perfectly calibrated")
    above.bar(
        edges[filled], found.accuracy[filled], 1 / bins, align="edge", color=BLUE, edgecolor="white", linewidth=0.8,
        label="share that is right",
    )  # fmt: skip
    n = found.count[filled]
    # Where a calibrated model would lie (consistency bars: Bröcker & Smith 2007): a bin of five rows says little.
    centre = found.confidence[filled]
    spread = 2 * np.sqrt(centre * (1 - centre) / n)
    above.errorbar(
        centre, centre, [centre - np.maximum(centre - spread, 0), np.minimum(centre + spread, 1) - centre], fmt="D",
        markersize=4.5, color=VERMILION, ecolor="black", elinewidth=0.9, capsize=2.5, zorder=3,
        label="mean confidence, and ± 2 standard errors of a calibrated model",
    )  # fmt: skip
    above.set_ylabel("share that is right")
    above.set_ylim(0, 1)
    above.set_xlim(0, 1)
    above.set_title(
        f"{title}\nECE {found.ece:.3f} ({bins} bins, {int(found.count.sum())} rows); perfectly calibrated it would be\n"
        f"{floor.mean:.3f} on average and at most {floor.p95:.3f} in 95 % of cases",
        fontsize=10, loc="left",
    )  # fmt: skip
    below.bar(edges, found.count, 1 / bins, align="edge", color=GREY, edgecolor="white", linewidth=0.8)
    for left, count in zip(edges, found.count, strict=True):
        if count:
            below.annotate(
                str(count), (left + 0.5 / bins, count), xytext=(0, 2), textcoords="offset points", ha="center",
                fontsize=7,
            )  # fmt: skip
    below.set_ylim(0, 1.2 * found.count.max())
    below.set_ylabel("rows")
    below.set_xlabel("probability of the judged label")
    for axes in (above, below):
        axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower left", fontsize=8, frameon=False)
    return figure


def per_class_table(figures: dict[str, Any], title: str) -> str:
    """`M` as a Markdown table."""
    lines = [
        f"{title}: weighted F1 {figures['weighted_f1']:.4f}, macro F1 {figures['macro_f1']:.4f}, UAR "
        f"{figures['uar']:.4f}, accuracy {figures['accuracy']:.4f}, ECE {figures['ece']:.4f}, NLL {figures['nll']:.4f}",
        "",
        "| class | precision | recall | F1 | rows |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {label} | {c['precision']:.3f} | {c['recall']:.3f} | {c['f1']:.3f} | {c['support']} |"
        for label, c in figures["per_class"].items()
    ]
    return "\n".join(lines) + "\n"
