"""`python -m consortium.management.withdatabase SCRIPT ARGUMENT...`: run a script with throw-away databases.

Sets DATABASE_URL and VAULT_DATABASE_URL for it, unless DATABASE_URL is set already.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from consortium.management import postgres


def main(arguments: list[str]) -> int:
    if not arguments:
        print("usage: python -m consortium.management.withdatabase SCRIPT ARGUMENT...", file=sys.stderr)
        return 2
    command = [sys.executable, *arguments]
    if "DATABASE_URL" in os.environ:
        return subprocess.run(command, check=False).returncode
    with tempfile.TemporaryDirectory(prefix="xinglin-") as folder:
        cluster = postgres.Cluster(Path(folder) / "postgresql", settings=postgres.THROWN_AWAY)
        try:
            cluster.start()
            cluster.create_database("xinglin")
            cluster.create_database("xinglin_vault")
            urls = {
                "DATABASE_URL": cluster.url("xinglin"),
                "VAULT_DATABASE_URL": cluster.url("xinglin_vault"),
            }
            return subprocess.run(command, check=False, env={**os.environ, **urls}).returncode
        finally:
            cluster.remove()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
