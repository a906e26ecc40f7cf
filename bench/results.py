"""The results of `bench/targets`: as a table, as JSON, and as rows in Markdown."""

import statistics
import textwrap


class Row:
    """What was measured for one target. `values` are compared with `bound`: each is at least or at most (`sense`) the
    bound. They are ratios unless `unit` names something else. `ours` and `yardstick` are (name, unit, values), the
    latter can be None."""

    def __init__(self, target, name, sense, bound, values, ours, yardstick=None, unit="", note=""):
        self.target = target
        self.name = name
        self.sense = sense
        self.bound = bound
        self.values = values
        self.ours = ours
        self.yardstick = yardstick
        self.unit = unit
        self.note = note

    def as_json(self):
        return {"target": self.target, "name": self.name, "sense": self.sense, "bound": self.bound, "unit": self.unit,
                "met": is_met(self.sense, self.bound, self.values), **summary(self.values), "ours": side(self.ours),
                "yardstick": side(self.yardstick), "note": self.note}


def is_met(sense, bound, values):
    median = statistics.median(values)
    return median <= bound if sense == "at most" else median >= bound


def summary(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "values": values}


def side(measured):
    if measured is None:
        return None
    name, unit, values = measured
    return {"name": name, "unit": unit, **summary(values)}


def number(value):
    """Formats a number with three significant digits, and without an exponent."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def cells(row):
    """Returns the cells of a row of the table, from a row as JSON."""
    def of(measured):
        if measured is None:
            return ""
        return f"{measured['name']} {number(measured['median'])} {measured['unit']}".rstrip()
    found = f"{number(row['median'])} ({number(row['min'])} to {number(row['max'])})"
    wanted = f"{row['sense']} {number(row['bound'])}" + (f" {row['unit']}" if row["unit"] else "")
    return [row["target"], row["name"], of(row["ours"]), of(row["yardstick"]), found, wanted,
            "yes" if row["met"] else "no"]


HEADER = ["target", "measured", "Waybill", "yardstick", "result", "wanted", "met"]


def table(rows):
    lines = [HEADER] + [cells(row) for row in rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADER))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines)


def markdown(results):
    """Returns the table, the machine and the options of a results file for docs/performance.md."""
    lines = ["| " + " | ".join(HEADER) + " |", "|" + "---|" * len(HEADER)]
    lines += ["| " + " | ".join(cells(row)) + " |" for row in results["targets"]]
    lines += ["", "| machine | |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in results["machine"].items()]
    options = ", ".join(f"{name} {value}" for name, value in results["options"].items())
    lines += ["", textwrap.fill(f"Options: {options}; {results['seconds']:.0f} seconds in all.", 120)]
    return "\n".join(lines)
