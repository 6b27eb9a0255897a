"""`python -m bench.figures FOLDER`: judge the form of sentence files and count what they hold."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

from bench.figures.cases import read_cases


def main(folder: str) -> int:
    """Print what each file holds."""
    try:
        cases = read_cases(Path(folder))
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for case in cases:
        kinds = Counter(each.wrong or "true" for each in case.sentences)
        told = ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items()))
        sys.stdout.write(f"{case.author}/{case.case}: {len(case.sentences)}: {told}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
