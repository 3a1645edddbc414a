"""One settings file.

Everything that differs between nodes comes from the environment, through three functions that fail loudly.
docs/settings.md lists the variables; a test keeps the list true.
"""

import os
import secrets
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from consortium.web.csp import DIRECTIVES

BASE_DIR = Path(__file__).resolve().parent.parent


def env_str(name: str, default: str | None = None) -> str:
    """The variable `name`, or `default`; without either, an error that names the variable."""
    value = os.environ.get(name, default)
    if value is None:
        raise ImproperlyConfigured(f"Set {name} in the environment; docs/settings.md says what it is for.")
    return value


def env_bool(name: str, default: bool) -> bool:
    value = os.environ.get(name, str(default)).strip().lower()
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"0", "false", "no", "off", ""}:
        return False
    raise ImproperlyConfigured(f"{name} must be true or false, not {value!r}.")


def env_int(name: str, default: int) -> int:
    value = os.environ.get(name, str(default))
    try:
        return int(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a whole number, not {value!r}.") from None


def database(url: str) -> dict[str, object]:
    """Django's settings for one PostgreSQL URL; what follows a `?` (sslmode=verify-full) goes to libpq."""
    parts = urlsplit(url)
    if parts.scheme not in {"postgresql", "postgres"}:
        raise ImproperlyConfigured(f"A database URL starts with postgresql://, not {parts.scheme}://.")
    options: dict[str, object] = dict(parse_qsl(parts.query))
    if STATEMENT_TIMEOUT_MS:
        options["options"] = (
            f"-c statement_timeout={STATEMENT_TIMEOUT_MS}"
            f" -c idle_in_transaction_session_timeout={2 * STATEMENT_TIMEOUT_MS}"
        )
    if POOL_SIZE:
        options["pool"] = {"min_size": 1, "max_size": POOL_SIZE, "timeout": 10}
    return {
        "ENGINE": "consortium.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(parts.hostname or ""),
        "PORT": str(parts.port or ""),
        "CONN_MAX_AGE": 0 if POOL_SIZE else CONNECTION_MAX_AGE,
        "CONN_HEALTH_CHECKS": not POOL_SIZE and CONNECTION_MAX_AGE > 0,
        "OPTIONS": options,
    }


def secret_key(folder: Path) -> tuple[str, bool]:
    """The key in `django-secret.key`, and whether it is one that only this process knows.

    Without the file a command gets a random key, so there is no well-known one that somebody could forget to
    replace; what serves requests refuses to start with it (consortium.wsgi).
    """
    file = folder / "django-secret.key"
    if not file.exists():
        return secrets.token_urlsafe(64), True
    if file.stat().st_mode & 0o077:
        raise ImproperlyConfigured(f"{file.name} can be read by others: set its mode to 0600.")
    key = file.read_text(encoding="ascii").strip()
    if len(key) < 50:
        raise ImproperlyConfigured(f"{file.name} holds fewer than 50 characters: make a new one.")
    return key, False


# The node
DEBUG = env_bool("DEBUG", False)
NODE_NAME = env_str("NODE_NAME", "node")
NODE_URL = env_str("NODE_URL", "http://localhost:8000").rstrip("/")
NODE_ZONE = env_str("NODE_ZONE", "Asia/Shanghai")
NODE_KEYS = Path(env_str("NODE_KEYS", str(BASE_DIR / "var" / "keys")))
_url = urlsplit(NODE_URL)
NODE_IS_LOOPBACK = _url.hostname in {"localhost", "127.0.0.1", "::1"} or str(_url.hostname).endswith(".localhost")
NODE_IS_SECURE = _url.scheme == "https"
if _url.scheme not in {"http", "https"} or not _url.hostname:
    raise ImproperlyConfigured("NODE_URL must be the address people use, such as https://node.example.org.")
if not NODE_IS_SECURE and not NODE_IS_LOOPBACK:
    raise ImproperlyConfigured("NODE_URL must start with https://; plain http is for localhost only.")
NODE_LOG_ORIGIN = env_str("NODE_LOG_ORIGIN", f"{_url.netloc.replace(':', '-')}/log")
try:
    ZoneInfo(NODE_ZONE)
except (ZoneInfoNotFoundError, ValueError):
    raise ImproperlyConfigured(f"NODE_ZONE must name a time zone, not {NODE_ZONE!r}.") from None
CHAIN_RPC_URL = env_str("CHAIN_RPC_URL", "http://127.0.0.1:8545")
CHAIN_ANCHOR_CONTRACT = env_str("CHAIN_ANCHOR_CONTRACT", "")
CHAIN_MEMBERS_CONTRACT = env_str("CHAIN_MEMBERS_CONTRACT", "")
# What the page that checks evidence brings as its own knowledge: the members, their log keys, the chain.
TRUST_FILE = Path(env_str("TRUST_FILE", str(NODE_KEYS / "trust.json")))
SECRET_KEY, SECRET_KEY_IS_EPHEMERAL = secret_key(NODE_KEYS)
ALLOWED_HOSTS = [
    host.strip()
    for host in env_str("ALLOWED_HOSTS", _url.hostname if NODE_IS_SECURE else "localhost,127.0.0.1").split(",")
]
# How many reverse proxies of ours stand in front and append to X-Forwarded-For; 0 trusts no such header.
TRUSTED_PROXIES = env_int("TRUSTED_PROXIES", 0)

# Rooms and what they need
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "template_partials",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "axes",
    "csp",
    "guardian",
    "oauth2_provider",
    "rest_framework",
    "drf_spectacular",
    "consortium",
    "ledger",
    "records",
    "traceability",
]
# Door and Threshold are the two ends of what only pages need: a request for an API goes from one straight to
# the other (consortium.web.doors). What every request needs is in Door.
MIDDLEWARE = [
    "consortium.web.doors.Door",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "axes.middleware.AxesMiddleware",
    "consortium.members.signin.SignedInPeople",
    "consortium.web.doors.Threshold",
]
ROOT_URLCONF = "consortium.urls"
WSGI_APPLICATION = "consortium.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "consortium.web.shell.shell",
            ],
        },
    },
]

# Databases
STATEMENT_TIMEOUT_MS = env_int("DATABASE_STATEMENT_TIMEOUT_MS", 0)
POOL_SIZE = env_int("DATABASE_POOL_SIZE", 0)
CONNECTION_MAX_AGE = env_int("DATABASE_CONNECTION_MAX_AGE", 0)
DATABASES = {
    "default": database(env_str("DATABASE_URL", "postgresql://xinglin:xinglin@127.0.0.1:5432/xinglin")),
    "vault": database(env_str("VAULT_DATABASE_URL", "postgresql://xinglin:xinglin@127.0.0.1:5432/xinglin_vault")),
}
DATABASE_ROUTERS = ["consortium.web.cachetable.CacheRouter", "records.vault.VaultRouter"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
# Sign-in limits and used one-time codes must hold for every process of the node, so they live in PostgreSQL.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "consortium_cache",
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    },
}

# People
AUTH_USER_MODEL = "consortium.Person"
ANONYMOUS_USER_NAME = None
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
    "guardian.backends.ObjectPermissionBackend",
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.ScryptPasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
    "consortium.members.machines.MachineSecretHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "account_login"
PASSWORD_RESET_TIMEOUT = 3600
ACCOUNT_ADAPTER = "consortium.members.signin.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_EMAIL_NOTIFICATIONS = False
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False
ACCOUNT_USER_DISPLAY = "consortium.members.signin.display_name"
ACCOUNT_USER_MODEL_EMAIL_FIELD = "email"
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_REAUTHENTICATION_TIMEOUT = 300
# Axes counts wrong passwords. `login_failed` is what second factors use; `login` slows password spraying.
ACCOUNT_RATE_LIMITS = {"login": "300/m/ip", "login_failed": "5/300s/key", "signup": "1/d/ip"}
MFA_ADAPTER = "consortium.members.secondfactor.MfaAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_FORMS = {
    "authenticate": "consortium.members.secondfactor.OneTimeCodeForm",
    "reauthenticate": "consortium.members.secondfactor.OneTimeCodeAgainForm",
    "activate_totp": "consortium.members.secondfactor.EnrolTotpForm",
    "add_webauthn": "consortium.members.secondfactor.EnrolPasskeyForm",
}
MFA_TOTP_ISSUER = f"Xinglin {NODE_NAME}"
MFA_TOTP_TOLERANCE = 1
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_PASSKEY_SIGNUP_ENABLED = False
MFA_ALLOW_UNVERIFIED_EMAIL = True
MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not NODE_IS_SECURE
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_LOCKOUT_CALLABLE = "consortium.members.signin.locked_out"
AXES_USERNAME_CALLABLE = "consortium.members.signin.attempted_username"
AXES_CLIENT_IP_CALLABLE = "consortium.web.addresses.client_address"
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_DISABLE_ACCESS_LOG = True
AXES_ENABLE_ACCESS_FAILURE_LOG = False
AXES_VERBOSE = False
AXES_SENSITIVE_PARAMETERS = ["username", "login", "password", "code", "csrfmiddlewaretoken"]

# How many full months of access events are kept; 0 keeps all.
AUDIT_KEEP_MONTHS = env_int("AUDIT_KEEP_MONTHS", 0)

# Sessions and cookies. Ports of one host share cookies, hence a name for each node.
COOKIE_NAME = env_str("COOKIE_NAME", "xinglin")
_host_prefix = "__Host-" if NODE_IS_SECURE else ""
SESSION_COOKIE_NAME = f"{_host_prefix}{COOKIE_NAME}"
SESSION_COOKIE_AGE = env_int("SESSION_IDLE_MINUTES", 30) * 60
SESSION_LONGEST = timedelta(hours=env_int("SESSION_LONGEST_HOURS", 12))
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = NODE_IS_SECURE
SESSION_COOKIE_HTTPONLY = True
CSRF_COOKIE_NAME = f"{_host_prefix}{COOKIE_NAME}-csrf"
CSRF_COOKIE_SAMESITE = "Strict"
CSRF_COOKIE_SECURE = NODE_IS_SECURE
CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "consortium.web.problems.forged_form"
CSRF_TRUSTED_ORIGINS = [NODE_URL]
LANGUAGE_COOKIE_NAME = f"{_host_prefix}{COOKIE_NAME}-language"
LANGUAGE_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_SECURE = NODE_IS_SECURE
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_AGE = 365 * 24 * 3600
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

# Browser security
CONTENT_SECURITY_POLICY = {"DIRECTIVES": DIRECTIVES}
SECURE_SSL_REDIRECT = NODE_IS_SECURE
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if NODE_IS_SECURE else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = NODE_IS_SECURE
SECURE_HSTS_PRELOAD = NODE_IS_SECURE
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# The FHIR doors set their own limits; this one is for forms.
DATA_UPLOAD_MAX_MEMORY_SIZE = 10 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1000

# Machines
OAUTH2_PROVIDER_APPLICATION_MODEL = "consortium.Machine"
OAUTH2_PROVIDER = {
    "OAUTH2_SERVER_CLASS": "oauthlib.oauth2.BackendApplicationServer",
    "OAUTH2_VALIDATOR_CLASS": "consortium.members.oauth.MachineValidator",
    "SCOPES_BACKEND_CLASS": "consortium.members.oauth.MachineScopes",
    "CLIENT_SECRET_HASHER": "machine_secret",
    "ACCESS_TOKEN_EXPIRE_SECONDS": env_int("TOKEN_SECONDS", 900),
    "COMPLIANT_BCP_RFC9700_IMPLICIT_GRANT": True,
    "COMPLIANT_BCP_RFC9700_PASSWORD_GRANT": True,
    "COMPLIANT_BCP_RFC9700_PKCE_METHOD": True,
    "COMPLIANT_BCP_RFC9700_ACCESS_TOKEN_TRANSPORT": True,
    "COMPLIANT_BCP_RFC9700_AUTHZ_RESPONSE_ISS": True,
    "COMPLIANT_BCP_RFC9700_TOKEN_STORAGE": True,
    "COMPLIANT_BCP_RFC9700_REFRESH_TOKEN": True,
    "COMPLIANT_BCP_RFC9700_REDIRECT_URI_SCHEME": True,
    "COMPLIANT_BCP_RFC9700_REDIRECT_URI_MATCHING": True,
    "COMPLIANT_BCP_RFC9700_PKCE_REQUIRED": True,
    "REFRESH_TOKEN_REUSE_PROTECTION": True,
    "ALLOWED_REDIRECT_URI_SCHEMES": ["https"],
}
# Requests a second, for each caller and process.
API_RATE = env_int("API_RATE", 2000)
API_ANONYMOUS_RATE = env_int("API_ANONYMOUS_RATE", 20)
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["consortium.members.bearer.BearerAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["consortium.members.bearer.Nobody"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_THROTTLE_CLASSES": ["consortium.web.throttling.CallerThrottle"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "consortium.web.problems.exception_handler",
    "UNAUTHENTICATED_USER": None,
    "UNAUTHENTICATED_TOKEN": None,
    "NUM_PROXIES": TRUSTED_PROXIES,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Xinglin node",
    "DESCRIPTION": "The JSON doors of a node. The FHIR API describes itself at /fhir/metadata.",
    "VERSION": "0.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "PREPROCESSING_HOOKS": [],
    "POSTPROCESSING_HOOKS": ["consortium.web.schema.describe_other_doors"],
}

# Language and time
USE_I18N = True
LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("zh-hans", _("Simplified Chinese"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_TZ = True
TIME_ZONE = "UTC"

# Files for browsers: found where the lock file put them, or collected, hashed and compressed beforehand.
STATIC_URL = "/static/"
STATIC_COLLECTED = env_bool("STATIC_COLLECTED", False)
STATIC_ROOT = BASE_DIR / "static-build" if STATIC_COLLECTED else None
STATICFILES_DIRS = [BASE_DIR / "consortium" / "web" / "static"]
STATICFILES_FINDERS = [
    "django.contrib.staticfiles.finders.FileSystemFinder",
    "consortium.web.assets.PackagesFinder",
]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if STATIC_COLLECTED
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = not STATIC_COLLECTED
WHITENOISE_AUTOREFRESH = DEBUG and not STATIC_COLLECTED
WHITENOISE_MAX_AGE = 300

# Mail: none unless configured; then people can ask for a new password.
EMAIL_URL = env_str("EMAIL_URL", "")
if EMAIL_URL:
    _mail = urlsplit(EMAIL_URL)
    if _mail.scheme not in {"smtp", "smtps", "smtp+starttls"} or not _mail.hostname:
        raise ImproperlyConfigured("EMAIL_URL must look like smtp+starttls://user:password@mail.example.org:587.")
    EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    EMAIL_HOST = _mail.hostname
    EMAIL_PORT = _mail.port or (465 if _mail.scheme == "smtps" else 587)
    EMAIL_HOST_USER = unquote(_mail.username or "")
    EMAIL_HOST_PASSWORD = unquote(_mail.password or "")
    EMAIL_USE_TLS = _mail.scheme == "smtp+starttls"
    EMAIL_USE_SSL = _mail.scheme == "smtps"
    EMAIL_TIMEOUT = 10
    DEFAULT_FROM_EMAIL = env_str("EMAIL_FROM")
else:
    EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"

# Logs name routes, codes and request numbers; never paths, queries, values or secrets (consortium.web.logs).
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"routes": {"()": "consortium.web.logs.RoutesOnly"}},
    "formatters": {"line": {"()": "consortium.web.logs.LineFormatter"}},
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["routes"]},
    },
    "root": {"handlers": ["stderr"], "level": env_str("LOG_LEVEL", "INFO")},
    "loggers": {
        # Django configures these two for itself: take their handlers off, and let the root's speak.
        "django": {"handlers": [], "level": "INFO", "propagate": True},
        "django.server": {"handlers": [], "level": "WARNING", "propagate": True},
        "django.request": {"level": "ERROR"},
        "django.security": {"level": "ERROR"},
        # Axes and the OAuth libraries write user names, addresses and client ids.
        "axes": {"level": "CRITICAL"},
        "oauth2_provider": {"level": "CRITICAL"},
        "oauthlib": {"level": "CRITICAL"},
        "fido2": {"level": "WARNING"},
        "psycopg.pool": {"level": "ERROR"},
        "httpx": {"level": "WARNING"},
        "urllib3": {"level": "WARNING"},
        "web3": {"level": "WARNING"},
    },
}
SILENCED_SYSTEM_CHECKS: list[str] = []
