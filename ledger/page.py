"""The ledger as a page of Markdown, and the lines that the page and the figures have in common."""
from collections import Counter

from gradnets import plots
from ledger.rows import brief
from ledger.verdicts import EXPLAINED, KINDS, MARKS, NOT_MEASURED, WHERE, count_in_words, kind_of

HEADS = ("claim", "the source's number", "what is measured", "median", "middle 90 %", "n", "null model or control",
         "its middle 90 %", "verdict")


def lines(rows):
    """Return a line for each claim, with the columns of its row, and one for the second number that some claims have.

    A line of a second number has no verdict. Where the source's number belongs to the second number, such as the
    accuracy of the source's own recipe, the line of the claim has no source.
    """
    result = []
    for row in rows:
        second = {key.removeprefix("second_"): value for key, value in row.items() if key.startswith("second_")}
        of_second = (second.get("source_value") is not None
                     and all(second[key] == row.get(key) for key in ("axis", "source_value")))
        result.append({key: value for key, value in row.items()
                       if not (key.startswith("second_") or (of_second and key.startswith("source")))})
        if second:
            result.append({"claim": row["claim"]} | second)
    return result


def reason_of(verdict):
    """Return what a verdict says beside its kind, such as "explained by the degrees", or nothing."""
    kind = kind_of(verdict)
    words = verdict.removeprefix(kind)
    return {EXPLAINED: f"explained by{words}", WHERE: words.strip(), NOT_MEASURED: NOT_MEASURED}.get(kind, "")


def finding(rows):
    """Return how many claims have which verdict: a sentence without its full stop."""
    return f"Of {plots.counted(len(rows), 'claim')}, {counts(rows)}"


def counts(rows):
    """Return in words how many claims have which verdict, such as "8 hold, 3 fail"."""
    numbers = Counter(kind_of(row["verdict"]) for row in rows)
    return ", ".join(count_in_words(numbers[kind], kind) for kind in KINDS if numbers[kind])


def explanation(data):
    """Return how to read the page, and what was read, from the entries of a record's data."""
    sources = dict.fromkeys(entry["source"] for entry in data if entry["name"] in ("mnist", "cifar10", "glyphs"))
    return ("A number is a median with the middle 90 % over n, or a share with its exact 90 % interval. A line with ↳ "
            "is a second number of the claim above. Below each table stands the rule behind each verdict: when the "
            "claim counts as true. The rules are the functions in the folder `ledger`. "
            f"The rows of all scripts are in `claims_parts.json`.\n\nData: {'; '.join(sources)}.")


def page(rows, explanation):
    """Return the page below its title: a summary in five lines, then a table and sentences for each section.

    explanation : str, what stands between the summary and the tables.
    """
    text = [f"{finding(rows)}.", "", *summary(rows), "", explanation, ""]
    for section in dict.fromkeys(row["section"] for row in rows):
        chosen = [row for row in rows if row["section"] == section]
        text += [f"## {section}", "", "| " + " | ".join(HEADS) + " |", "| " + " | ".join("---" for _ in HEADS) + " |"]
        text += ["| " + " | ".join(cell.replace("|", "\\|") for cell in cells(line)) + " |" for line in lines(chosen)]
        text += ["", *map(sentences, chosen), ""]
    return "\n".join(text)


def sentences(row):
    """Return a claim's item below its table: verdict, rule, and what the number is compared with."""
    return f"- **{row['statement']}**: {row['verdict']}. Rule: {row['criterion']}. {row['beside']}".strip()


def summary(rows):
    """Return a line for each kind of verdict: the number of claims, and which ones."""
    names = {kind: [row["statement"] for row in rows if kind_of(row["verdict"]) == kind] for kind in KINDS}
    return [f"- {MARKS[kind]} **{count_in_words(len(chosen), kind)}**: {'; '.join(chosen)}."
            for kind, chosen in names.items() if chosen]


def cells(line):
    """Return the cells of a line of the page's table: at most two numbers in each."""
    source = brief(line["source_value"]) if "source_value" in line else line.get("source", "")
    median = brief(line["value"]) if "value" in line else ""
    against = next((f"{line[key + '_name']}: {brief(line[key])}" for key in ("null", "reference") if key in line), "")
    numbers = (source, line.get("quantity", ""), median, interval(line, "value"), line.get("n", ""), against,
               interval(line, "null"))
    if "verdict" not in line:
        return f"↳ {line['statement']}", *numbers, ""
    kind = kind_of(line["verdict"])
    return line["statement"], *numbers, f"{MARKS[kind]} {KINDS[kind]}"


def interval(line, key):
    """Return the interval of a number in words, or nothing if it has none."""
    return f"{brief(line[key + '_low'])} to {brief(line[key + '_high'])}" if key + "_low" in line else ""
