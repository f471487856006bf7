"""Tables of a page, with what is required and whether it is met; and the page
below its mark."""


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "| " + "--- | " * len(head)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def requirement(words, ok, seen):
    return [words, "met" if ok else "**not met**", seen]


def at_most(words, value, limit, unit=" %"):
    return requirement(words, value <= limit + 1e-9,
                       f"{value:.3f}{unit}, limit {limit:.3f}{unit}")


def write_below(path, mark, text):
    """What stands above the mark is written by hand and stays."""
    with open(path, encoding="utf-8") as file:
        above = file.read().split(mark)[0]
    with open(path, "w", encoding="utf-8") as file:
        file.write(above + mark + text)


def print_unmet(judged):
    for row in judged:
        if row[1] != "met":
            print(f"not met: {row[0]}: {row[2]}")
