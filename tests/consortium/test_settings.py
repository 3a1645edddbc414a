"""What the environment may say, and that the documentation says the same."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from consortium import settings as node_settings
from consortium.members.keys import create_missing_keys

CHECKOUT = Path(__file__).resolve().parents[2]


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if k in {"PATH", "HOME", "LANG"}}
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=CHECKOUT,
        env={"NODE_KEYS": "/nonexistent", **kept, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


READ = "from consortium import settings as s; print(({expression}))"


def value(expression: str, **environment: str) -> str:
    done = run(READ.format(expression=expression), **environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def refusal(**environment: str) -> str:
    done = run(READ.format(expression="1"), **environment)
    assert done.returncode != 0
    return done.stderr.strip().splitlines()[-1]


def test_the_documentation_lists_every_variable_and_no_other():
    source = (CHECKOUT / "consortium" / "settings.py").read_text()
    read = set(re.findall(r'env_(?:str|bool|int)\(\s*"([A-Z_]+)"', source))
    documented = set(re.findall(r"^\| `([A-Z_]+)` \|", (CHECKOUT / "docs" / "settings.md").read_text(), re.M))
    assert documented == read


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"DEBUG": "perhaps"}, "DEBUG must be true or false"),
        ({"TOKEN_SECONDS": "soon"}, "TOKEN_SECONDS must be a whole number"),
        ({"DATABASE_URL": "mysql://x/y"}, "postgresql://"),
        ({"NODE_URL": "http://hospital.example"}, "https://"),
        ({"NODE_URL": "hospital.example"}, "NODE_URL"),
        ({"NODE_ZONE": "Mars/Olympus"}, "NODE_ZONE"),
        ({"EMAIL_URL": "http://mail"}, "EMAIL_URL"),
        ({"EMAIL_URL": "smtps://mail.example"}, "EMAIL_FROM"),
    ],
)
def test_a_wrong_variable_stops_the_process_with_its_name(environment, says):
    assert says in refusal(**environment)


def test_a_public_node_has_secure_cookies_and_strict_transport():
    expression = (
        "s.SESSION_COOKIE_SECURE, s.CSRF_COOKIE_SECURE, s.SESSION_COOKIE_NAME, s.SECURE_SSL_REDIRECT,"
        " s.SECURE_HSTS_SECONDS > 0, s.ALLOWED_HOSTS, s.MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN"
    )
    assert value(expression, NODE_URL="https://node.example.org", COOKIE_NAME="a") == (
        "(True, True, '__Host-a', True, True, ['node.example.org'], False)"
    )


def test_a_node_on_this_machine_works_without_tls():
    assert value("s.SESSION_COOKIE_SECURE, s.SESSION_COOKIE_NAME, s.SECURE_SSL_REDIRECT") == (
        "(False, 'xinglin', False)"
    )


def test_a_database_url_is_taken_apart():
    url = "postgresql://a%40b:p%2Fw@db.example:5433/name?sslmode=verify-full"
    shown = value("s.DATABASES['default']", DATABASE_URL=url)
    for part in ("'a@b'", "'p/w'", "'db.example'", "'5433'", "'name'", "'sslmode': 'verify-full'"):
        assert part in shown


SERVE = "import consortium.wsgi"


def test_nothing_is_served_without_a_secret_of_the_nodes_own():
    done = run(SERVE)
    assert done.returncode != 0
    assert "django-secret.key" in done.stderr.splitlines()[-1]


def test_with_keys_it_is_served(tmp_path):
    create_missing_keys(tmp_path / "keys")
    done = run(SERVE, NODE_KEYS=str(tmp_path / "keys"))
    assert done.returncode == 0, done.stderr


def test_a_secret_that_others_can_read_is_refused(tmp_path):
    create_missing_keys(tmp_path / "keys")
    (tmp_path / "keys" / "django-secret.key").chmod(0o644)
    assert "0600" in refusal(NODE_KEYS=str(tmp_path / "keys"))


def test_a_command_without_keys_has_a_secret_that_nobody_knows():
    assert value("s.SECRET_KEY_IS_EPHEMERAL") == "True"
    assert value("s.SECRET_KEY") != value("s.SECRET_KEY")


def test_a_node_that_is_set_up_passes_the_deployment_checks(tmp_path):
    create_missing_keys(tmp_path / "keys")
    code = (
        "import django, os; os.environ['DJANGO_SETTINGS_MODULE'] = 'consortium.settings'; django.setup();"
        "from django.core.management import call_command; call_command('check', deploy=True, fail_level='WARNING')"
    )
    done = run(code, NODE_KEYS=str(tmp_path / "keys"), NODE_URL="https://node.example.org")
    assert done.returncode == 0, done.stderr


def test_a_forgotten_password_can_be_mailed_about_only_where_there_is_mail():
    code = (
        "import django, os; os.environ['DJANGO_SETTINGS_MODULE'] = 'consortium.settings'; django.setup();"
        "from django.urls import reverse; print(reverse('account_reset_password'))"
    )
    assert run(code).returncode != 0
    mail = {"EMAIL_URL": "smtp+starttls://u:p@mail.example:587", "EMAIL_FROM": "node@mail.example"}
    done = run(code, **mail)
    assert done.stdout.strip() == "/account/password/reset/", done.stderr


def test_the_checks_name_what_is_wrong(tmp_path):
    create_missing_keys(tmp_path / "keys")
    (tmp_path / "keys" / "evm.key").chmod(0o644)
    code = (
        "import django, os; os.environ['DJANGO_SETTINGS_MODULE'] = 'consortium.settings'; django.setup();"
        "from django.core.management import call_command; call_command('check', deploy=True)"
    )
    done = run(
        code,
        NODE_KEYS=str(tmp_path / "keys"),
        NODE_URL="https://node.example.org",
        COOKIE_NAME="a;b",
        DEBUG="true",
    )
    assert done.returncode != 0
    for identifier in ("consortium.E001", "consortium.E002", "consortium.E003"):
        assert identifier in done.stderr


def test_a_variable_without_a_default_is_demanded_by_name(monkeypatch):
    monkeypatch.delenv("XINGLIN_UNSET", raising=False)
    with pytest.raises(ImproperlyConfigured, match="XINGLIN_UNSET"):
        node_settings.env_str("XINGLIN_UNSET")
