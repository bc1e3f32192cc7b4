# SPDX-License-Identifier: Apache-2.0
"""The rules of the house that no other tool checks: layers, who may include what, the length of functions,
numbers of log messages, functions nobody should call."""

import json
import re
import subprocess
import sys
from pathlib import Path

# Files of src/httpd, lowest first: a file includes only headers of lines above its own, or its own.
LAYERS = [
    ["config", "workers", "dbd_settings", "mount", "origin", "query", "page"],
    ["board", "scrub", "body"],
    ["cache", "dbd"],
    ["breaker", "request"],
    ["credential", "caching", "feed", "job"],
    ["lookup", "usage", "operation", "settings"],
    ["identity", "withhold", "timer", "manage_json", "manage_access", "metrics"],
    ["challenge", "check", "manage_keys", "manage_read"],
    ["basic", "manage_answer"],
    ["authn", "authz", "fixups", "vars", "config_check", "directives", "manage", "prometheus", "status"],
    ["token"],
]
# Headers that only some files may see.
RESERVED = {
    r"mod_dbd\.h|apr_dbd\.h": {"src/httpd/dbd.c"},
    r"mysql\.h|errmsg\.h": {"src/core/db.h", "src/core/db.c"},
    r"openssl/(?!crypto\.h).*": {"src/core/digest.c"},
    r"jansson\.h": {"src/cli/print.h", "src/httpd/operation.h"},
    r"zlib\.h": {"src/core/keyfmt.c"},
}
OF_HTTPD = re.compile(r"httpd\.h|http_\w+\.h|ap_\w+\.h|mod_\w+\.h|util_\w+\.h|\.\./(httpd|cli)/.*")
BANNED = re.compile(r"\b(sprintf|vsprintf|strcpy|strcat|strtok|sscanf|gets|atoi|atol|system|alloca)\s*\(")
UNSAFE = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|srcdoc|document\.write|\beval\(|new Function|javascript:")
LONGEST = 60

complaints = []


def sources(pattern):
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", pattern],
                            capture_output=True, text=True, check=True).stdout.split()
    return [path for path in listed if Path(path).exists()]


def includes(path):
    return re.findall(r'^#include [<"]([^>"]+)[>"]', Path(path).read_text(), re.MULTILINE)


def said(what, count, floor):
    print(f"      {what}: {count} looked at")
    if count < floor:
        complaints.append(f"{what}: only {count} found, at least {floor} expected; the rule has gone blind")


def check_layers():
    rank = {name: level for level, names in enumerate(LAYERS) for name in names}
    count = 0
    for path in sources("src/httpd/*.[ch]"):
        stem = Path(path).stem
        if stem not in rank:
            complaints.append(f"{path}: has no place in LAYERS of {__file__}")
            continue
        for header in includes(path):
            other = Path(header).stem
            count += 1
            if header.startswith("../cli/") or ("/" not in header and other in rank and other != stem
                                                and rank[other] >= rank[stem]):
                complaints.append(f"{path}: includes {header}, which is not below it")
    said("includes between layers", count, 60)


def check_includes():
    count = 0
    for path in sources("*.[ch]"):
        if path.startswith("tests/"):
            continue
        for header in includes(path):
            count += 1
            if path.startswith(("src/core/", "src/cli/")) and OF_HTTPD.fullmatch(header):
                complaints.append(f"{path}: includes {header}, but only src/httpd knows httpd")
            for pattern, allowed in RESERVED.items():
                if re.fullmatch(pattern, header) and path not in allowed:
                    complaints.append(f"{path}: includes {header}, which belongs to {', '.join(sorted(allowed))}")
    said("includes", count, 150)


def check_text():
    lines = 0
    numbers = {}
    for path in sources("*.[ch]"):
        text = Path(path).read_text()
        lines += text.count("\n")
        if not text.startswith("/* SPDX-License-Identifier: Apache-2.0 */\n"):
            complaints.append(f"{path}: the first line is not the SPDX line")
        if path.startswith("tests/"):
            continue
        for number, line in enumerate(text.split("\n"), 1):
            if BANNED.search(line):
                complaints.append(f"{path}:{number}: {BANNED.search(line)[1]}() is banned")
        for message in re.findall(r'"(AK\d{4}):', text):
            numbers.setdefault(message, []).append(path)
    for message, places in numbers.items():
        if len(places) > 1:
            complaints.append(f"{message} is used {len(places)} times: {', '.join(places)}")
    said("lines", lines, 3000)
    said("log message numbers", len(numbers), 8)


def check_functions():
    paths = [path for path in sources("*.c") if not path.startswith("tests/")]
    tags = subprocess.run(["ctags", "--c-kinds=f", "--fields=+ne", "--output-format=json", "-o", "-", *paths],
                          capture_output=True, text=True, check=True).stdout
    functions = [json.loads(line) for line in tags.splitlines() if '"end"' in line]
    for f in functions:
        length = f["end"] - f["line"] + 1
        if length > LONGEST:
            complaints.append(f"{f['path']}:{f['line']}: {f['name']}() has {length} lines, more than {LONGEST}")
    said("functions", len(functions), 150)


def check_web():
    """What the page is made of: no way for text to become markup or code, and every text in one place, and used."""
    paths = sources("src/web/*")
    texts = {path: Path(path).read_text() for path in paths}
    for path, text in texts.items():
        for number, line in enumerate(text.split("\n"), 1):
            if UNSAFE.search(line):
                complaints.append(f"{path}:{number}: {UNSAFE.search(line)[0]} makes markup or code of text")
            if len(line) > 120 and not path.endswith(".svg"):
                complaints.append(f"{path}:{number}: {len(line)} characters")
        if path.endswith(".js") and not text.startswith("// SPDX-License-Identifier: Apache-2.0\n"):
            complaints.append(f"{path}: the first line is not the SPDX line")
    shown = re.findall(r"^  (\w+):", texts["src/web/strings.js"], re.MULTILINE)
    used = set(re.findall(r"\b\w+\b", "".join(text for path, text in texts.items() if not path.endswith("strings.js"))))
    complaints.extend(f"src/web/strings.js: {name} is shown nowhere" for name in shown if name not in used)
    said("files of the page", len(paths), 15)
    said("texts of the page", len(shown), 80)


check_layers()
check_includes()
check_text()
check_functions()
check_web()
for complaint in complaints:
    print("      " + complaint)
sys.exit(bool(complaints))
