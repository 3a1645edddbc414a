"""The documentation is true: its commands exist, its links lead somewhere, its tables are what the code reads."""

import ast
import importlib.util
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import get_commands

from consortium.management.demo.plan import HOSPITALS, PATIENTS
from records.fhir import definitions

CHECKOUT = Path(__file__).resolve().parent.parent
README = (CHECKOUT / "README.md").read_text()
SETTINGS = (CHECKOUT / "docs" / "settings.md").read_text()
PAGES = sorted(path for pattern in ("*.md", "docs/**/*.md", "traceability/*.md") for path in CHECKOUT.glob(pattern))
OURS = (
    "NODE_",
    "DATABASE_",
    "VAULT_",
    "CHAIN_",
    "API_",
    "SESSION_",
    "EMAIL_",
    "STATIC_",
    "TOKEN_",
    "COOKIE_",
    "ALLOWED_",
)


def _rows(text: str) -> dict[str, str]:
    """Variable to the second cell, of every table row that begins with a variable."""
    found = re.findall(r"^\| `([A-Z_]+)` \|([^|]*)\|", text, re.MULTILINE)
    return {name: cell.strip() for name, cell in found}


def _read_by_settings() -> dict[str, str | None]:
    """Variable to its default where that is a constant, from every call of an env_ helper in settings.py."""
    tree = ast.parse((CHECKOUT / "consortium" / "settings.py").read_text())
    found: dict[str, str | None] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id.startswith("env_"):
            name, *default = node.args
            assert isinstance(name, ast.Constant)
            constant = default[0].value if default and isinstance(default[0], ast.Constant) else None
            found[str(name.value)] = None if constant is None else str(constant)
    return found


def _commands(text: str) -> Iterator[str]:
    """Every shell command: lines of sh blocks, and what stands in backticks."""
    for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL):
        yield from block.splitlines()
    yield from re.findall(r"`([^`\n]+)`", text)


def test_the_readme_has_fewer_than_two_hundred_lines():
    assert len(README.splitlines()) < 200


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_every_make_target_that_a_page_names_exists(page):
    targets = set(re.findall(r"^([a-z-]+):", (CHECKOUT / "Makefile").read_text(), re.MULTILINE))
    named = {found[1] for command in _commands(page.read_text()) for found in re.finditer(r"\bmake ([a-z-]+)", command)}
    assert named <= targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_every_management_command_that_a_page_names_exists(page):
    known = set(get_commands())
    named = {
        found[1] for command in _commands(page.read_text()) for found in re.finditer(r"manage\.py ([a-z_]+)", command)
    }
    assert named <= known


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_every_module_that_a_page_runs_exists(page):
    for command in _commands(page.read_text()):
        for found in re.finditer(r"python -m ([a-z_.]+)", command):
            assert importlib.util.find_spec(found[1]) is not None, found[1]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_every_link_leads_to_a_file(page):
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_the_table_of_settings_is_what_the_settings_file_reads():
    assert set(_rows(SETTINGS)) == set(_read_by_settings())


def test_the_table_of_settings_states_the_defaults_that_are_in_force():
    constants = {name: default for name, default in _read_by_settings().items() if default}
    for name, cell in _rows(SETTINGS).items():
        stated = re.fullmatch(r"`([^`]*)`", cell)
        if stated and name in constants:
            assert stated[1].lower() == constants[name].lower(), name


def test_the_readme_names_only_settings_that_exist():
    named = {name for name in re.findall(r"`([A-Z]+(?:_[A-Z]+)+)`", README) if name.startswith(OURS)}
    assert named
    assert named <= set(_read_by_settings())


def test_the_numbers_of_the_readme_are_those_of_the_code():
    assert f"{PATIENTS * len(HOSPITALS)} invented" in README
    not_served = len(definitions.RESOURCE_TYPES) - len(definitions.SERVED_TYPES)
    assert f"{not_served} of R4's resource types are not served" in README


def test_make_without_a_target_tells_every_target_that_the_readme_names():
    shown = subprocess.run(["make", "--no-print-directory"], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    named = set(re.findall(r"`make ([a-z-]+)`", README))
    assert named <= set(re.findall(r"make ([a-z-]+)", shown.stdout))


def test_every_test_that_the_invariants_name_exists():
    named = re.findall(r"`(tests/[\w/]+\.py)`", (CHECKOUT / "docs" / "invariants.md").read_text())
    assert len(named) > 10
    assert [name for name in named if not (CHECKOUT / name).exists()] == []
