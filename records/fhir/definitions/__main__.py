"""`python -m records.fhir.definitions build`: compile the FHIR definitions; says what it wrote."""

import sys

from . import DefinitionsError, ensure_built


def main(arguments: list[str]) -> int:
    if arguments != ["build"]:
        print("usage: python -m records.fhir.definitions build", file=sys.stderr)
        return 2
    try:
        written = ensure_built(again=True)
    except DefinitionsError as error:
        print(error, file=sys.stderr)
        return 1
    for path in written:
        print(f"{path.name}  {path.stat().st_size / 1024:.0f} KiB")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
