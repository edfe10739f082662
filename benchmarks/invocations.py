"""A function's handler in a process of its own, which answers as many events as `instructions.py` tells it.

From standard input it reads an event, and then numbers, one a line. When it has answered so many events it says so.

`python -m benchmarks.invocations backend.main.handler` is that process.
"""

import importlib
import json
import sys

from tests.support.gateway import CONTEXT

ANSWERED = "answered"


def main(deployed_handler: str) -> None:
    """Answer until standard input ends."""
    module, _, name = deployed_handler.rpartition(".")
    handler = getattr(importlib.import_module(module), name)
    event = json.loads(sys.stdin.readline())
    for line in sys.stdin:
        for _ in range(int(line)):
            answer = handler(event, CONTEXT)
            assert answer["statusCode"] == 200, answer
        print(ANSWERED, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
