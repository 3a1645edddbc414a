"""Where the shared cache's table is."""

from typing import Any


class CacheRouter:
    """Keeps the cache in the node's own database. It stands before routers that ask more of a model.

    What Django passes to routers for its cache is not a model but has an app label and a name only.
    """

    def db_for_read(self, model: Any, **hints: object) -> str | None:
        return "default" if model._meta.app_label == "django_cache" else None

    db_for_write = db_for_read
