"""Charts as SVG, drawn on the server: legible in print and without colour, each with its text as an alternative.

Colours and strokes are in static/site.css (`.chart`): the numbers alone say the same.
"""

from collections.abc import Sequence

from markupsafe import Markup, escape

DECILES = range(1, 11)
STEP = 40  # of a decile's box, in units of the drawing
BARS = 120  # the height of the highest bar


def scale() -> Markup:
    """Return the ten boxes and their numbers, to which every `strip` of a page refers; hidden, once a page."""
    boxes = "".join(f'<path class="d{n}" d="M{(n - 1) * STEP}.5.5h39v35h-39z"/>' for n in DECILES)
    numbers = "".join(
        f'<text class="on-{ground}" y="23" x="{" ".join(str(n * STEP - STEP // 2) for n in those)}">{digits}</text>'
        for ground, those, digits in (
            ("dark", range(1, 5), "1234"),
            ("light", range(5, 10), "56789"),
            ("light", [10], 10),
        )
    )
    return Markup(
        '<svg class="chart unseen" width="0" height="0" aria-hidden="true" focusable="false">'
        f'<symbol id="boxes" viewBox="0 0 400 36" preserveAspectRatio="none">{boxes}</symbol>'
        f'<symbol id="numbers" viewBox="0 0 400 36">{numbers}</symbol></svg>'
    )


def strip(decile: int, text: str, large: bool = False) -> Markup:
    """Return ten boxes with the one of `decile` (1 to 10) marked; `text` is the alternative.

    Needs `scale` in the page.
    """
    x, alternative = (decile - 1) * STEP, escape(text)
    if not large:
        return Markup(
            f'<svg class="chart strip" viewBox="0 0 200 24" role="img" aria-label="{alternative}">'
            '<use href="#boxes" y="5" width="200" height="14"/>'
            f'<rect class="mark" x="{x // 2}" y="1" width="20" height="22"/>'
            f'<text x="{x // 2 + STEP // 4}" y="17">{decile}</text></svg>'
        )
    return Markup(
        f'<svg class="chart strip large" viewBox="0 0 400 58" role="img" aria-label="{alternative}">'
        '<use href="#boxes" y="18" width="400" height="36"/><use href="#numbers" y="18" width="400" height="36"/>'
        f'<path class="pointer" d="M{x + 8} 0h24l-12 12z"/><rect class="mark" x="{x}" y="14" width="40" height="43"/>'
        f'<text class="marked" x="{x + STEP // 2}" y="42">{decile}</text></svg>'
    )


def bars(counts: Sequence[int], text: str) -> Markup:
    """Return a bar for each of ten `counts`, with its number above it and its decile below.

    A dashed line is at their mean.

    text: the alternative. With no count above 0 there are only the numbers.
    """
    highest, total = max(counts) or 1, sum(counts)
    drawn, numbers = [], []
    for n, count in zip(DECILES, counts, strict=True):
        x, height = (n - 1) * STEP, round(BARS * count / highest, 1)
        top = round(BARS + 16 - height, 1)
        drawn.append(f'<rect class="d{n}" x="{x + 4}" y="{top}" width="{STEP - 8}" height="{height}"/>')
        numbers.append(
            f'<text class="count" x="{x + STEP // 2}" y="{round(top - 5, 1)}">{count:,}</text>'
            f'<text x="{x + STEP // 2}" y="{BARS + 33}">{n}</text>'
        )
    mean = round(BARS + 16 - BARS * total / 10 / highest, 1)
    return Markup(
        f'<svg class="chart bars" viewBox="0 0 400 {BARS + 40}" role="img" aria-label="{escape(text)}">{"".join(drawn)}'
        f'<path class="axis" d="M0 {BARS + 16}h400"/><path class="mean" d="M0 {mean}h400"/>{"".join(numbers)}</svg>'
    )


def shares(rows: Sequence[tuple[str, float, bool]], text: str) -> Markup:
    """Return horizontal bars from 0 to 100 % for (label, share from 0 to 1, whether it is the page's own).

    `text` is the alternative.
    """
    drawn = []
    for n, (label, share, own) in enumerate(rows):
        y = n * 38
        drawn.append(
            Markup(
                '<text class="start" x="0" y="{words}">{label}</text>'
                '<text class="end" x="400" y="{words}">{percent}</text>'
                '<rect class="whole" x=".5" y="{y}.5" width="399" height="11"/>'
                '<rect class="{kind}" x="0" y="{y}" width="{width}" height="12"/>'
            ).format(
                label=label,
                percent=percent(share),
                words=y + 15,
                y=y + 20,
                width=round(400 * share, 1),
                kind="own" if own else "other",
            )
        )
    return Markup(
        '<svg class="chart shares" viewBox="0 0 400 {height}" role="img" aria-label="{text}">{drawn}</svg>'
    ).format(height=len(rows) * 38, text=text, drawn=Markup("").join(drawn))


def number(value: float | None) -> str:
    """Return a number as text: 24,593; 192.5 for the half ranks of ties; a dash for none."""
    return "–" if value is None else f"{value:,.1f}".removesuffix(".0")


def percent(share: float | None) -> str:
    """Return a share from 0 to 1 as a percentage, with what its publisher gives of it.

    0.63 is 63 %, 0.635 is 63.5 %.
    """
    return "–" if share is None else f"{round(100 * share, 1):g} %"
