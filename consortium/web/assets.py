"""What browsers are served of other packages: Tabler, htmx, the icons in use, and scripts for passkeys.

They are copied to `var/assets`, where staticfiles finds them, and again when the packages or the list change.
Nothing else of the packages is reachable.
"""

import hashlib
import importlib.util
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from django.contrib.staticfiles.finders import FileSystemFinder
from django.core.exceptions import ImproperlyConfigured

_CHECKOUT: Final = Path(__file__).resolve().parents[2]

FROM_NODE_MODULES: Final[Mapping[str, str]] = {
    "tabler.css": "@tabler/core/dist/css/tabler.min.css",
    "htmx.js": "htmx.org/dist/htmx.min.js",
}
"""Name under static/vendor/ to path in node_modules."""

FROM_ALLAUTH: Final[Mapping[str, str]] = {
    "webauthn-json.js": "mfa/static/mfa/js/webauthn-json.js",
    "webauthn.js": "mfa/static/mfa/js/webauthn.js",
    "onload.js": "account/static/account/js/onload.js",
}
"""Name under static/vendor/ to path in the installed package."""

ICONS: Final = tuple(
    """
    alert-circle alert-triangle check chevron-down circle-check circle-x clock code download file-check
    file-text heartbeat help-circle history id info-circle key language list lock login logout microscope pill
    printer receipt refresh search shield-lock stethoscope user users
    """.split()  # a list of names reads better than forty literals
)
"""Icons of Tabler's outline set, by name; they become symbols of vendor/icons.svg."""

_SOURCE_MAP: Final = re.compile(rb"\n?/[*/]# sourceMappingURL=[^\n]*")
_INSIDE: Final = re.compile(r"<svg[^>]*>(.*)</svg>", re.DOTALL)


class PackagesFinder(FileSystemFinder):
    """A finder of staticfiles for `vendor/`; an entry of STATICFILES_FINDERS."""

    def __init__(self, app_names: object = None, *args: object, **kwargs: object) -> None:
        from django.core.files.storage import FileSystemStorage

        root = str(ensure_built(_CHECKOUT / "node_modules", _CHECKOUT / "var" / "assets"))
        storage = FileSystemStorage(location=root)
        storage.prefix = "vendor"  # type: ignore[attr-defined] # the finder's own convention
        self.locations = [("vendor", root)]
        self.storages = {root: storage}

    def check(self, **kwargs: object) -> list[object]:  # type: ignore[override]
        """Nothing of STATICFILES_DIRS is this finder's."""
        return []


def ensure_built(packages: Path, target: Path) -> Path:
    """The folder with the assets, made if it is missing or stale.

    Raises ImproperlyConfigured when a package is not installed.
    """
    try:
        sources = [*_files(packages).values(), *(_icon(packages, name) for name in ICONS)]
        stamp = hashlib.sha256(
            "\n".join(f"{path.name} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in sources).encode()
            + Path(__file__).read_bytes()
        ).hexdigest()
    except FileNotFoundError as missing:
        if (target / ".stamp").exists():
            # A node that was deployed with its assets and without the packages uses what it has.
            return target
        raise ImproperlyConfigured(
            f"{Path(missing.filename).name} is not in node_modules: run `make setup-node` (or npm ci) first."
        ) from None
    if not (target / ".stamp").exists() or (target / ".stamp").read_text() != stamp:
        for name, content in _contents(packages):
            _write(target / name, content)
        _write(target / ".stamp", stamp.encode())
    return target


def _contents(packages: Path) -> Iterator[tuple[str, bytes]]:
    for name, path in _files(packages).items():
        # The map is not served, and a hashing storage would refuse a file that names it.
        yield name, _SOURCE_MAP.sub(b"", path.read_bytes())
    symbols = "".join(_symbol(name, _icon(packages, name).read_text()) for name in ICONS)
    yield "icons.svg", f'<svg xmlns="http://www.w3.org/2000/svg">{symbols}</svg>'.encode()


def _files(packages: Path) -> dict[str, Path]:
    found = importlib.util.find_spec("allauth")
    assert found is not None, "allauth signs people in"
    assert found.origin is not None, "allauth is a package with files"
    allauth = Path(found.origin).parent
    return {name: packages / path for name, path in FROM_NODE_MODULES.items()} | {
        name: allauth / path for name, path in FROM_ALLAUTH.items()
    }


def _icon(packages: Path, name: str) -> Path:
    return packages / "@tabler/icons/icons/outline" / f"{name}.svg"


def _symbol(name: str, svg: str) -> str:
    found = _INSIDE.search(svg)
    assert found is not None, f"{name}.svg is not an icon of Tabler's"
    inside = " ".join(found[1].split())
    return (
        f'<symbol id="{name}" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" '
        f'stroke-linecap="round" stroke-linejoin="round">{inside}</symbol>'
    )


def _write(path: Path, content: bytes) -> None:
    """Replaced as a whole, because another process may be reading or building the same file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(content)
    os.chmod(file.name, 0o644)
    os.replace(file.name, path)
