"""Write the golden files of the model zoo anew. Look at the difference before you commit it.

    python tools/update_goldens.py           all
    python tools/update_goldens.py lstm      the text of some; the summary is always complete

`tests/zoo/golden/summary.txt` has a line for each case: nodes, edges, bundles, signature. A few
graphs are kept as text. `tests/test_zoo_goldens.py` compares.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.zoo import CASES, golden, xfail
from tests.zoo.extracted import extract


def main() -> int:
    """Extract every case and write."""
    unknown = sorted(set(sys.argv[1:]) - set(golden.TEXTS))
    if unknown:
        print(f"no golden text for {unknown}; there are {sorted(golden.TEXTS)}", file=sys.stderr)
        return 2
    golden.FOLDER.mkdir(exist_ok=True)
    lines = []
    for name, case in CASES.items():
        if name in xfail.MEANING:
            continue
        graph = extract(case)
        lines.append(golden.summary_line(name, graph))
        if name in golden.TEXTS and (not sys.argv[1:] or name in sys.argv[1:]):
            golden.text_path(name).write_text(golden.text_of(graph))
    golden.SUMMARY.write_text("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
