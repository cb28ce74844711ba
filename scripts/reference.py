"""The reference of all keys in docs/configuration.md, made from the table in common/conf_table.c.

scripts/reference.py         says whether it is up to date (exit 1 if not)
scripts/reference.py --fix   writes it anew
"""

import difflib
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LLAMAD = ROOT / "build" / "dev" / "llama" / "llamad"
PAGE = ROOT / "docs" / "configuration.md"
BEGIN = "<!-- from here on made by scripts/reference.py --fix -->\n"
END = "<!-- to here -->\n"


def main():
    made = subprocess.run([LLAMAD, "--help-config"], capture_output=True, text=True, check=True).stdout
    text = PAGE.read_text()
    head, begin, rest = text.partition(BEGIN)
    stands, end, tail = rest.partition(END)
    if not begin or not end:
        print(f"{PAGE}: the lines {BEGIN.strip()} and {END.strip()} are missing", file=sys.stderr)
        return 1
    wanted = f"\n{made}\n"
    if stands == wanted:
        return 0
    if "--fix" in sys.argv[1:]:
        PAGE.write_text(head + BEGIN + wanted + END + tail)
        return 0
    sys.stderr.writelines(difflib.unified_diff(stands.splitlines(True), wanted.splitlines(True), str(PAGE), "the table"))
    return 1


if __name__ == "__main__":
    sys.exit(main())
