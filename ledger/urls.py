"""Below /log/."""

from django.urls import path

from ledger import views

app_name = "ledger"
urlpatterns = [
    path("checkpoint", views.show_checkpoint, name="checkpoint"),
    path("tile/<path:path>", views.show_tile, name="tile"),
]
