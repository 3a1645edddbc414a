"""The least that Django can be asked for: an empty view, without middleware or database. The machine's own limit."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import path

settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, SECRET_KEY="bare", MIDDLEWARE=[])


def empty(request: HttpRequest) -> HttpResponse:
    return HttpResponse(b"ok")


urlpatterns = [path("", empty)]

from django.core.wsgi import get_wsgi_application  # noqa: E402 - only once the settings are there

application = get_wsgi_application()
