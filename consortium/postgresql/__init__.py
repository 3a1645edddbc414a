"""Django's PostgreSQL backend with a cheaper way to notice that a kept connection is gone."""
