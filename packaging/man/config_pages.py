"""config_pages.py REFERENCE TEMPLATE FOLDER: the manual pages of the configuration, from its reference.

Writes smollama-cluster.5 (every key) and alpaca-agent.5 (those of the agent) to FOLDER. REFERENCE is
docs/configuration.md, which scripts/check holds to the one table of keys, common/conf_table.c.
"""

import re
import sys
from pathlib import Path

#: Sections of the reference that the agent reads.
AGENT = ("node", "mqtt", "mem0", "logging", "alpaca")
PAGES = {
    "smollama-cluster": {
        "WHAT": "configuration of llamad and alpaca-agent", "PROGRAM": "llamad",
        "SEE_ALSO": ".Xr alpaca-agent 8 ,\n.Xr llamad 8",
        "EXAMPLE": "A broker elsewhere, and a node without agent:\n.Bd -literal -offset indent\n"
                   "mqtt: {broker: broker.lan, username: llamad, password_file: /etc/llamad/mqtt.password}\n"
                   "cluster:\n  manual_nodes:\n    - {name: pi-attic, url: \"http://192.168.1.11:8080\"}\n.Ed"},
    "alpaca-agent": {
        "WHAT": "configuration of alpaca-agent", "PROGRAM": "alpaca-agent",
        "SEE_ALSO": ".Xr smollama-cluster 5 ,\n.Xr alpaca-agent 8",
        "EXAMPLE": ".Bd -literal -offset indent\nnode: {name: pi-kitchen}\n"
                   "mqtt: {broker: broker.lan, username: pi-kitchen, password: secret}\n"
                   "alpaca:\n  labels: {room: kitchen}\n.Ed"},
}


def text(markdown: str) -> str:
    """Running text for roff: marks of Markdown and what roff would take for its own."""
    plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", markdown)
    plain = plain.replace("`", "").replace("**", "").strip().replace("\\", "\\e")
    plain = plain.replace("–", "\\(en").replace("…", "...").replace("×", "\\(mu").replace("-", "\\-")
    return "\\&" + plain if plain[:1] in (".", "'") else plain


def sentences(markdown: str) -> str:
    return re.sub(r"(?<=[.:]) (?=[A-Z])", "\n", text(markdown))


def cells(row: str) -> list[str]:
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", row.strip())[1:-1]]


def keys_of(reference: str, wanted: tuple[str, ...] | None) -> str:
    body = reference.split("\n## All keys\n", 1)[1].split("\n## ", 1)[0]
    out = []
    for part in body.split("\n### ")[1:]:
        title, _, rest = part.partition("\n")
        if wanted and title.strip() not in wanted:
            continue
        rows = [cells(line) for line in rest.splitlines() if line.startswith("| `")]
        prose = " ".join(line for line in rest.splitlines() if line.strip() and not line.startswith("|"))
        out += [f".Ss {title.strip()}", sentences(prose), ".Bl -tag -width Ds"]
        for key, holds, default, meaning, _reload in rows:
            out += [f".It Ic {text(key)}", sentences(meaning), ".br",
                    f"{text(holds)}; {'no default' if default in ('–', '') else 'default ' + text(default)}."]
        out.append(".El")
    return "\n".join(line for line in out if line)


def main() -> int:
    reference, template, folder = (Path(argument) for argument in sys.argv[1:])
    for name, words in PAGES.items():
        page = template.read_text(encoding="utf-8")
        wanted = AGENT if name == "alpaca-agent" else None
        keys = keys_of(reference.read_text(encoding="utf-8"), wanted)
        for mark, value in {**words, "NAME": name, "TITLE": name.upper(), "KEYS": keys}.items():
            page = page.replace(f"@{mark}@", value)
        (folder / f"{name}.5").write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
