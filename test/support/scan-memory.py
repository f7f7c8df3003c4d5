"""Counts texts in the memory of a process: scan-memory.py PID, one text in each line of standard input."""

import json
import sys

pid = sys.argv[1]
texts = [line.encode() for line in sys.stdin.read().split("\n")]
counts = [0] * len(texts)
with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
    for line in maps:
        span, rights = line.split()[:2]
        # What was written by the process itself: code and libraries are only read.
        if not rights.startswith("rw"):
            continue
        start, end = (int(part, 16) for part in span.split("-"))
        try:
            memory.seek(start)
            content = memory.read(end - start)
        except (OSError, OverflowError, ValueError):
            continue
        for index, text in enumerate(texts):
            counts[index] += content.count(text)
print(json.dumps(counts))
