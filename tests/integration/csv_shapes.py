"""CSV files as different programs write them: SHAPES is {name: bytes}, ROWS are the rows that are in each of them, as
far as it has their columns."""

import random

import inventory
import oracle

TEXTS = [name for name in inventory.NAMES if name is None or len(name) <= 4096]
COLUMNS = (*inventory.EXPORTED, "enterprise_project_id", "cluster_container")
dice = random.Random(20260403)


def rows():
    """Returns rows with every text, and NULL in each column but the ID."""
    for number, text in enumerate(TEXTS):
        yield {
            "container_id": f"{dice.getrandbits(64):016x}" if number % 3 else f'id "{number}", é\r\n日',
            "container_name": text,
            "image_name": TEXTS[-number],
            "pod_name": TEXTS[number // 2],
            "cluster_name": dice.choice(("prod", "a,b", "", None)),
            "cluster_type": dice.choice((*inventory.CLUSTER_TYPES, "k8s", None)),
            "status": dice.choice((*inventory.STATUSES, None)),
            "risky": dice.choice((True, False, None)),
            **{column: dice.choice((0, 1, 2147483647, None)) for column in inventory.INTEGER},
            "create_time": dice.choice((*map(inventory.moment, inventory.TIMES[:-1]), None)),
            "cpu_limit": dice.choice(inventory.QUANTITIES),
            "memory_limit": dice.choice(inventory.QUANTITIES),
            "enterprise_project_id": dice.choice(("0", "ep-a", "Ep-A", None)),
            "cluster_container": dice.choice((True, False, None)),
        }


ROWS = list(rows())


def written(columns, line_end="\r\n", quoted=None, zone="UTC"):
    """Returns the rows as CSV. `quoted` decides which texts have quotes; without it, only those that need them."""
    def field(value):
        text = oracle.cell(value, zone, False)
        bare = text[1:-1]
        needs_quotes = not bare or any(character in bare for character in '",\r\n')
        return text if value is None or needs_quotes or (quoted and quoted(bare)) else bare

    lines = [list(map(field, columns))]
    lines += [[field(row[column]) for column in columns] for row in ROWS]
    return "".join(",".join(line) + line_end for line in lines).encode()


def shuffled(count):
    columns = list(COLUMNS)
    dice.shuffle(columns)
    return columns[:count] if "container_id" in columns[:count] else ["container_id", *columns[:count - 1]]


def columns_of(content):
    """Returns the columns of a shape, whose names need no quotes."""
    return content.decode("utf-8-sig").split("\n")[0].strip().replace('"', "").split(",")


SHAPES = {
    "as exports are": written(inventory.EXPORTED, quoted=lambda text: True),
    "with the other columns": written(COLUMNS, quoted=lambda text: True),
    "as few quotes as possible": written(COLUMNS),
    "LF": written(COLUMNS, "\n"),
    "quotes here and there": written(COLUMNS, "\n", quoted=lambda text: len(text) % 2),
    "a byte order mark": b"\xef\xbb\xbf" + written(COLUMNS, quoted=lambda text: True),
    "no end of the last line": written(COLUMNS, "\n")[:-1],
    "times of another zone": written(inventory.EXPORTED, zone="Asia/Kolkata"),
    "one column": written(["container_id"]),
    "the ID last": written(["status", "pod_name", "container_id"], "\n"),
    **{f"another order of {count} columns": written(shuffled(count)) for count in (3, 7, 12, len(COLUMNS))},
}
