"""The include rules of CONTRIBUTING.md, "The module map": who may know which library, and whom."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)

# A library's header, or how its headers begin → the files (by prefix) that may include it.
LIBRARIES = {
    "uv.h": ["common/loop"],
    "libwebsockets.h": ["llama/outputs/server", "llama/outputs/live", "alpaca-agent/smollama_source"],
    "mosquitto.h": ["common/mqtt"],
    "mqtt_protocol.h": ["common/mqtt"],
    "curl/curl.h": ["llama/sources/fetch"],
    "yaml.h": ["common/conf"],
    "cjson/cJSON.h": ["common/json", "common/report", "common/heartbeat"],
    "openssl/": ["llama/access", "llama/outputs/server_tls", "common/conf_files", "common/mqtt_tls"],
    "zlib.h": ["llama/outputs/assets_pack"],
    "crypt.h": ["llama/access/auth_users"],
    "avahi-": ["llama/sources/discovery_avahi", "llama/sources/avahi_loop"],
}
# Folder → folders whose headers it may include, besides its own.
LAYERS = {
    "common": [],
    "alpaca-agent": ["common"],
    "llama/state": ["common"],
    "llama/sources": ["llama/state", "common"],
    "llama/outputs": ["llama/state", "llama/access", "common"],
    "llama/store": ["llama/state", "common"],
    "llama/access": ["common"],
    "llama": ["llama/sources", "llama/outputs", "llama/store", "llama/access", "llama/state", "common"],
}
# Modules without I/O: none of these headers, and no clock.
PURE = ["llama/state/", "llama/store/line", "llama/store/event_line", "llama/store/node_line", "llama/outputs/api",
        "llama/outputs/frame", "llama/outputs/names", "llama/outputs/strict_json", "llama/outputs/home_assistant_check",
        "llama/outputs/home_assistant_components", "llama/outputs/home_assistant_config", "llama/outputs/home_assistant_document",
        "llama/outputs/home_assistant_name", "llama/outputs/home_assistant_unit", "llama/outputs/node_state", "llama/outputs/metrics", "llama/outputs/exposition",
        "llama/access/auth_line", "llama/access/auth_users", "llama/access/auth_tokens", "llama/outputs/auth_sessions",
        "llama/outputs/auth_guesses", "llama/outputs/peer", "llama/outputs/server_peers", "llama/outputs/server_cookie",
        "llama/outputs/assets_pack", "llama/outputs/server_crowd", "llama/outputs/server_forwarded", "llama/outputs/server_rules",
        "common/report", "common/heartbeat", "common/topic", "common/timestamp", "common/backoff", "common/json", "common/buf",
        "common/histogram"]
IMPURE = re.compile(r"^(loop|mqtt|log|conf)\.h$|^(sys/socket|unistd|netdb|fcntl|poll)\.h$")
READS_CLOCK = re.compile(r"\b(clock_now|clock_gettime|time|gettimeofday)\s*\(")


def folder_of(path):
    return max((layer for layer in LAYERS if path.startswith(layer + "/")), key=len, default=None)


def main():
    files = subprocess.run(["git", "ls-files", "*.c", "*.h"], cwd=ROOT, capture_output=True, text=True, check=True)
    paths = [p for p in files.stdout.split() if folder_of(p) and (ROOT / p).exists()]
    headers = {}
    for path in paths:
        if path.endswith(".h"):
            headers.setdefault(Path(path).name, []).append(folder_of(path))
    problems = []
    for path in paths:
        text = (ROOT / path).read_text()
        layer = folder_of(path)
        allowed = {layer, *LAYERS[layer]}
        pure = any(path.startswith(prefix) for prefix in PURE)
        for kind, name in INCLUDE.findall(text):
            library = next((begin for begin in LIBRARIES if name == begin or (begin[-1] in "-/" and name.startswith(begin))), None)
            if library and not any(path.startswith(prefix) for prefix in LIBRARIES[library]):
                problems.append(f"{path}: {name} belongs to {', '.join(LIBRARIES[library])}")
            if kind == '"' and name in headers and not allowed & set(headers[name]):
                problems.append(f"{path}: {name} is of {headers[name][0]}, which {layer} must not know")
            if pure and IMPURE.match(name):
                problems.append(f"{path}: pure modules do no I/O, but this includes {name}")
        if pure and READS_CLOCK.search(re.sub(r"/\*.*?\*/|//[^\n]*", "", text, flags=re.S)):
            problems.append(f"{path}: pure modules read no clock")
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
