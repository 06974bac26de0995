"""Extract random networks and ask the oracle about each.

    python -m tools.fuzz [--first SEED] [--count N] [--length STEPS] [--show SEED]

Prints every network whose graph is wrong, with its program; exit status 1 if there is one.
"""

from __future__ import annotations

import argparse
from collections import Counter

import torch

from tools.fuzz.judge import judge
from tools.fuzz.net import RandomNet


def main(argv: list[str] | None = None) -> int:
    """Run the fuzzer; the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.fuzz",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--length", type=int, default=8)
    parser.add_argument("--show", type=int, help="only this seed, with its graph")
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    seeds = range(options.first, options.first + options.count)
    if options.show is not None:
        seeds = range(options.show, options.show + 1)
    counts: Counter[str] = Counter()
    for seed in seeds:
        net = RandomNet(seed, options.length)
        status, text = judge(net, show=options.show is not None)
        counts[status] += 1
        if status != "verified" or options.show is not None:
            print(f"{status}: {net}\n{text}\n", flush=True)
    print(", ".join(f"{n} {status}" for status, n in counts.most_common()))
    return 1 if counts["wrong"] or counts["crashed"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
