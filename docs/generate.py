"""Write the pages of numbers, gallery.md, results.md and performance.md, from the JSON of figures/ and benchmarks/.

Write also the constants of all scripts to gradnets/experiment/constants.json, where edited ones are compared with them.

    python docs/generate.py

Tests hold that the committed files are what this writes.
"""
import ast
import importlib.util
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # where the page of claims comes from

import ledger.page  # noqa: E402
from gradnets import experiment  # noqa: E402

VARIANTS = {  # what a command with one of these flags adds to its heading
    "--model rbm": "Boltzmann machine",
    "--weights": "a checkpoint's layers",
    "--sweep learning-rate": "sweep of learning rates",
}
TIMES = ("Times, and the ratios of times, are those of the ledger's own run. A figure that was drawn in another run, "
         "such as `sparse_train_time.png` or `sparse_rnn.png`, may show different times.")
CONSTANTS = ROOT / "gradnets" / "experiment" / "constants.json"
NOTE = "<!-- Written by docs/generate.py: edit the script or the JSON behind it, not this page. -->\n"
SUBJECTS = {  # the order of the page, and what each benchmark compares
    "networks": "Sampled networks and their metrics",
    "tails": "Fits of heavy tails",
    "training": "Training steps of a perceptron, recorded",
    "sparse": "Sparse training",
    "second_order": "Second order",
    "hessians": "Whole Hessians and their products",
    "motifs": "Motif census",
    "large": "Large matrices: seconds and gigabytes",
}


def load(path):
    return json.loads((ROOT / path).read_text(encoding="utf-8"))


def gallery():
    """Return the commands behind the figures: [(command, folder)]."""
    spec = importlib.util.spec_from_file_location("redraw", ROOT / "figures" / "redraw.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.GALLERY


def question_of(script):
    """Return the first line of a script's docstring."""
    return ast.get_docstring(ast.parse((ROOT / script).read_text(encoding="utf-8"))).splitlines()[0]


def heading_of(command):
    """Return the question behind a command, with the variant that tells it from other commands of its script."""
    variants = [words for flag, words in VARIANTS.items() if f"{flag} " in command]
    return question_of(command.split()[0]) + "".join(f" ({words})" for words in variants)


def gallery_page():
    lines = [NOTE, "# Gallery", "", "Every figure with its question, its answer and the command that draws it.", ""]
    for command, folder in gallery():
        script = command.split()[0]
        stem = script.removesuffix(".py") + ("_sweep" if "--sweep" in command else "")
        path = Path("figures") / folder / stem
        record = load(f"{path}.json")
        lines += [f"## {heading_of(command)}", "", f"{record['finding']}.", ""]
        for picture in sorted((ROOT / path.parent).glob(f"{stem}*.png")):
            if picture.stem == stem or (picture.stem.startswith(stem + "_") and not picture.stem.endswith("_sweep")):
                link = f"../{picture.relative_to(ROOT).as_posix()}"
                lines += [f"[<img src=\"{link}\" width=\"640\">]({link})", ""]
        lines += [f"`.venv/bin/python {command}` took {record['seconds']:.0f} s. Numbers: "
                  f"[{stem}.json](../{path}.json)", ""]
    return "\n".join(lines)


def results_page():
    record = load("figures/claims.json")
    pictures = [f"[<img src=\"../figures/{path.name}\" width=\"800\">](../figures/{path.name})"
                for path in sorted((ROOT / "figures").glob("claims*.png"))]
    explanation = "\n\n".join([ledger.page.explanation(record["data"]), TIMES, *pictures])
    return "\n".join([NOTE, "# Results: every claim of the sources", "",
                      ledger.page.page(record["rows"], explanation)])


def performance_page():
    lines = [NOTE, "# Performance", "",
             "Medians of interleaved runs on one thread, in processor time. A ratio is the peer's time over ours for "
             "the same work, and `make bench` measures it again after `make peers`. Ratios hold on other machines, "
             "times do not.", "",
             "A large ratio may say that the peer is slow. So the share of a limit stands beside it where one limit "
             "applies: the time that our side would take at the rate at which `benchmarks/limits.py` reads, updates or "
             "multiplies in the same run, over the time that it takes.", ""]
    for subject, heading in SUBJECTS.items():
        record = load(f"benchmarks/{subject}.json")
        description = ast.get_docstring(ast.parse((ROOT / f"benchmarks/{subject}.py").read_text(encoding="utf-8")))
        lines += [f"## {heading}", "", description, "", f"{record['machine']}.", "",
                  "| what | value | goal | ours | peer | share of the limit | what each side does |",
                  "| --- | --- | --- | --- | --- | --- | --- |"]
        for row in record["rows"]:
            goal = "none" if row["goal"] is None else f"{'≥' if row['higher_is_better'] else '≤'} {row['goal']:g}"
            times = [f"{row[key]:.3g} ms" if key in row else "" for key in ("ours_ms", "peer_ms")]
            share = f"{100 * row['share']:.0f} % of {row['limit']}" if "share" in row else ""
            lines.append(f"| {row['what']} | {row['value']:.3g} | {goal} | {times[0]} | {times[1]} | {share} | "
                         f"{row.get('sides', '')} |")
        lines.append("")
    return "\n".join(lines)


def constants_of_scripts():
    """Return the constants of every script as they stand, for the check of edited ones: JSON."""
    scripts = sorted(path for path in ROOT.glob("*.py") if "experiment.run(" in path.read_text(encoding="utf-8"))
    values = {path.stem: {name.lower(): value for name, (value, _) in experiment.constants(path).items()}
              for path in scripts}
    return json.dumps(values, indent=1) + "\n"


PAGES = {"gallery.md": gallery_page, "results.md": results_page, "performance.md": performance_page}


def main():
    for name, page in PAGES.items():
        (ROOT / "docs" / name).write_text(page(), encoding="utf-8")
    CONSTANTS.write_text(constants_of_scripts(), encoding="utf-8")


if __name__ == "__main__":
    main()
