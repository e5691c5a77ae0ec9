"""Reads cargo's messages from standard input; writes, for each test executable of the packages named,
the package's folder and the executable, with a tab between, a line each.

    cargo test --no-run --message-format=json | executables_of.py liaison-relay ...
"""

import json
import os
import sys

for line in sys.stdin:
    message = json.loads(line)
    executable = message.get("executable")
    if not executable or not message["profile"]["test"]:
        continue
    # path+file:///folder#name@version, or #version alone where the folder bears the name.
    package = message["package_id"].rpartition("#")[2].partition("@")[0]
    if package in sys.argv[1:]:
        print(os.path.dirname(message["manifest_path"]), executable, sep="\t")
