"""WSGI entry point: what serves requests, and what it must have before it may."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "consortium.settings")
# A page that takes longer than this has gone wrong. Commands, which may take long, have no limit.
os.environ.setdefault("DATABASE_STATEMENT_TIMEOUT_MS", "30000")
# A thread keeps its connection: making one takes longer than everything else that a request does.
os.environ.setdefault("DATABASE_CONNECTION_MAX_AGE", "3600")

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.wsgi import get_wsgi_application

if settings.SECRET_KEY_IS_EPHEMERAL and not settings.DEBUG:
    raise ImproperlyConfigured(
        "There is no django-secret.key in the folder NODE_KEYS: run manage.py node_keys before serving."
    )
application = get_wsgi_application()
