"""Draws the results of `bench/targets` as SVG: one bar for each, relative to its target, on a logarithmic scale. A bar
that ends left of the line meets the target."""

import math
from xml.sax.saxutils import escape

from results import number

LEFT, WIDTH, LINE, TOP = 330, 420, 26, 50  # the labels, the scale, the height of a row, the title
LOWEST, HIGHEST = 1 / 8, 8  # the ends of the scale


def place(share):
    share = min(max(share, LOWEST), HIGHEST)
    return LEFT + WIDTH * math.log(share / LOWEST) / math.log(HIGHEST / LOWEST)


def share(row, value):
    """Returns a value as a multiple of what the target allows: at most 1 if the target is met."""
    if row["sense"] == "at most":
        return max(value, 1e-9) / row["bound"]
    return row["bound"] / max(value, 1e-9)


def bar(row, top):
    begin, median = place(LOWEST), place(share(row, row["median"]))
    ends = sorted(place(share(row, row[end])) for end in ("min", "max"))
    middle = top + LINE / 2
    colour = "#4a8c5c" if row["met"] else "#b5533c"
    label = f"{row['target']}  {row['name']}"
    result = f"{number(row['median'])} ({row['sense']} {number(row['bound'])}{' ' * bool(row['unit'])}{row['unit']})"
    return (f'<text x="{LEFT - 10}" y="{middle + 4}" text-anchor="end">{escape(label)}</text>\n'
            f'<rect x="{begin:.1f}" y="{top + 5}" width="{median - begin:.1f}" height="{LINE - 10}" fill="{colour}"/>\n'
            f'<line x1="{ends[0]:.1f}" y1="{middle}" x2="{ends[1]:.1f}" y2="{middle}" stroke="#222"/>\n'
            f'<text x="{LEFT + WIDTH + 10}" y="{middle + 4}">{escape(result)}</text>\n')


def svg(results):
    rows = results["targets"]
    height = TOP + LINE * len(rows) + 30
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 190}" height="{height}"'
             ' font-family="sans-serif" font-size="12">\n<rect width="100%" height="100%" fill="white"/>\n'
             f'<text x="{LEFT}" y="20" font-size="15">Relative to the target (left of the line: met)</text>\n']
    ticks = [2.0 ** power for power in range(-3, 4)]
    for tick in ticks:
        style = 'stroke="#222" stroke-width="2"' if tick == 1 else 'stroke="#ddd"'
        x = f"{place(tick):.1f}"
        lines.append(f'<line x1="{x}" y1="{TOP - 8}" x2="{x}" y2="{height - 24}" {style}/>\n'
                     f'<text x="{x}" y="{height - 8}" text-anchor="middle">{tick:g}</text>\n')
    lines += [bar(row, TOP + LINE * index) for index, row in enumerate(rows)]
    return "".join(lines) + "</svg>\n"
