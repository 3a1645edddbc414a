"""`python -m tests.crash --kills 200 [--seed N]`"""

import argparse
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from tests.crash import killing


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=killing.__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", action="store_true", help="keep the folder with the logs")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ended from outside, it tidies up as with Ctrl-C
    folder = Path(tempfile.mkdtemp(prefix="xinglin-crash-"))
    print(f"seed {options.seed}, logs in {folder}", flush=True)
    outcome = killing.run(folder, kills=options.kills, seed=options.seed, say=lambda line: print(line, flush=True))
    kinds = ", ".join(f"{count} of {target}" for target, count in sorted(outcome.kills.items()))
    print(f"{sum(outcome.kills.values())} kills in {outcome.seconds:.0f} s: {kinds}.")
    print(f"{outcome.acknowledged:,} versions acknowledged, {outcome.failures:,} requests failed meanwhile.")
    print(
        f"{outcome.report['versions']:,} versions stored, each in the log exactly once; {outcome.report['leaves']:,} "
        f"leaves without a gap, {outcome.report['anchored']:,} held by the contract."
    )
    if not options.keep:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
