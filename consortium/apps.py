from django.apps import AppConfig


class ConsortiumConfig(AppConfig):
    name = "consortium"

    def ready(self) -> None:
        from consortium.web import checks  # noqa: F401 (registers system checks)
