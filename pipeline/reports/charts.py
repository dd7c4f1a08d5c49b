"""Charts as inline SVG: each a function from numbers to markup, 360 wide, coloured by the classes of `report.css`.

Each chart describes itself in words for screen readers, and each mark shows its value on hover.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

WIDTH = 360
_LEFT, _RIGHT = 78, 296  # where the scales of `dots` begin and end, between a row's name and its value
_ROW = 26


@dataclass(frozen=True)
class Dot:
    """A value with its interval, as a row of `dots`.

    Attributes:
        name: the label of the row, and the CSS class of its colour.
        shown: the value as text.
        low, high: the ends of its interval; None where it has none.
    """

    name: str
    value: float
    shown: str
    low: float | None = None
    high: float | None = None


def dots(rows: Sequence[Dot], reference: Dot | None, scale: tuple[float, float], title: str) -> Markup:
    """A row for each value, a dot on its interval, and the reference as a line in a band through all of them."""
    bottom = _ROW * len(rows) + 6
    place = _placer(scale, _LEFT, _RIGHT)
    parts = []
    if reference is not None:
        if reference.low is not None and reference.high is not None:
            left, right = place(reference.low), place(reference.high)
            size = {"x": left, "y": 4, "width": max(right - left, 1), "height": bottom - 4}
            parts.append(_element("rect", class_=f"{reference.name} band", **size))
        x = place(reference.value)
        parts.append(_element("line", class_=reference.name, x1=x, x2=x, y1=2, y2=bottom))
        anchor = "start" if x < _LEFT + 40 else "end" if x > _RIGHT - 40 else "middle"
        label = f"{reference.name} {reference.shown}"
        parts.append(_element("text", label, class_=reference.name, x=x, y=bottom + 12, text_anchor=anchor))
    for number, row in enumerate(rows):
        y = _ROW * number + 17
        parts.append(_element("text", row.name, class_="name", x=0, y=y + 4))
        parts.append(_element("line", class_="rail", x1=_LEFT, x2=_RIGHT, y1=y, y2=y))
        tooltip = f"{row.name}: {row.shown}"
        if row.low is not None and row.high is not None:
            tooltip += f", 95% interval {row.low:.3g} to {row.high:.3g}"
            ends = {"x1": place(row.low), "x2": place(row.high)}
            parts.append(_element("line", class_=f"{row.name} interval", **ends, y1=y, y2=y))
        parts.append(_element("circle", _element("title", tooltip), class_=row.name, cx=place(row.value), cy=y, r=6))
        parts.append(_element("text", row.shown, class_="value", x=WIDTH, y=y + 4, text_anchor="end"))
    return _svg(bottom + (16 if reference else 0), title, parts)


def histogram(counts: Sequence[int], edges: Sequence[float], title: str, unit: str) -> Markup:
    """Columns from edge to edge; the last one also holds whatever is longer, and says so."""
    height, base = 150, 124
    place = _placer((0, len(counts)), 0, WIDTH)
    tallest = max(counts, default=0) or 1
    parts = [_element("text", f"{tallest:,} poems", x=0, y=10)]
    for number, count in enumerate(counts):
        low, high = edges[number], edges[number + 1]
        span = f"{low:g} or more" if number == len(counts) - 1 else f"{low:g} to {high - 1:g}"
        tall = (base - 14) * count / tallest
        size = {"x": place(number), "y": base - tall, "width": place(1) - 1.5, "height": tall}
        parts.append(_element("rect", _element("title", f"{span} {unit}: {count}"), class_="column", **size))
        if number % max(1, len(counts) // 6) == 0:
            parts.append(_element("text", f"{low:g}", x=place(number), y=base + 14))
    parts.append(_element("line", class_="rail", x1=0, x2=WIDTH, y1=base, y2=base))
    parts.append(_element("text", unit, x=WIDTH, y=height - 1, text_anchor="end"))
    return _svg(height, title, parts)


def curves(series: Mapping[str, Sequence[tuple[float, float]]], title: str, across: str) -> Markup:
    """A line through the points of each series, its name at the end; `across` is the name of the x axis."""
    height, left, right, top, base = 220, 40, WIDTH - 62, 12, 184
    xs, ys = zip(*(point for line in series.values() for point in line), strict=True)
    y_ticks = ticks(min(ys), max(ys))
    x_place = _placer((min(xs), max(xs)), left, right)
    y_place = _placer((min(y_ticks), max(y_ticks)), base, top)
    parts = [_element("text", across, x=(left + right) / 2, y=height - 4, text_anchor="middle")]
    for tick in y_ticks:
        y = y_place(tick)
        parts.append(_element("line", class_="rail", x1=left, x2=right, y1=y, y2=y))
        parts.append(_element("text", f"{tick:g}", x=left - 6, y=y + 4, text_anchor="end"))
    for tick in ticks(min(xs), max(xs)):
        if min(xs) <= tick <= max(xs):
            parts.append(_element("text", f"{tick:g}", x=x_place(tick), y=base + 16, text_anchor="middle"))
    for number, (name, line) in enumerate(series.items()):
        colour = f"series-{number}"
        parts.append(
            _element("polyline", class_=colour, points=" ".join(f"{x_place(x):.1f},{y_place(y):.1f}" for x, y in line))
        )
        for x, y in line:
            tooltip = _element("title", f"{name}, {across} {x:g}: {y:.3f}")
            parts.append(_element("circle", tooltip, class_=colour, cx=x_place(x), cy=y_place(y), r=3.5))
        parts.append(_element("text", name, class_=colour, x=right + 8, y=y_place(line[-1][1]) + 4))
    return _svg(height, title, parts)


def ticks(low: float, high: float, count: int = 4) -> list[float]:
    """Round numbers from at most `low` to at least `high`, about `count` of them."""
    if low == high:
        low, high = low - 0.5, high + 0.5
    rough = (high - low) / count
    power = 10.0 ** np.floor(np.log10(rough))
    step = next(size * power for size in (1, 2, 5, 10) if size * power >= rough * 0.999)
    first, last = int(np.floor(low / step)), int(np.ceil(high / step))
    return [round(float(number * step), 12) for number in range(first, last + 1)]


def _placer(scale: tuple[float, float], start: float, end: float) -> Callable[[float], float]:
    low, high = scale
    return lambda value: start + (end - start) * ((value - low) / (high - low) if high > low else 0.5)


def _element(name: str, content: str | Markup = "", **attributes: str | float) -> Markup:
    """An SVG element; `class_` and `text_anchor` are `class` and `text-anchor`."""
    written = Markup("").join(
        Markup(' {}="{}"').format(
            key.rstrip("_").replace("_", "-"), value if isinstance(value, str) else f"{round(value, 1):g}"
        )
        for key, value in attributes.items()
    )
    return Markup("<{0}{1}>{2}</{0}>").format(name, written, content)


def _svg(height: int, title: str, parts: Sequence[Markup]) -> Markup:
    body = Markup("").join(parts)
    return Markup('<svg role="img" aria-label="{}" viewBox="0 0 {} {}">{}</svg>').format(title, WIDTH, height, body)
