"""A Django site whose users grant access to their accounts by django-oauth-toolkit, set up as in its documentation."""

import os
from pathlib import Path

# The folder of the database and the referee's log.
FOLDER = Path(os.environ["SOLEKEY_DOT_FOLDER"])

SECRET_KEY = "of a site that lives as long as one test"
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "urls"
USE_TZ = True

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "oauth2_provider",
]

MIDDLEWARE = [
    "referee.Referee",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [Path(__file__).parent / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
    }
]

# SQLite needs this under parallel requests: without IMMEDIATE a transaction that reads first and then writes fails as
# soon as another one has written in between, whatever its timeout.
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": FOLDER / "site.db",
        "CONN_MAX_AGE": None,
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL",
            "timeout": 20,
        },
    }
}

LOGIN_URL = "login"

OAUTH2_PROVIDER = {
    "SCOPES": {"read": "Read what is yours"},
    # An ordinary access token is valid for hours; a test needs several to expire.
    "ACCESS_TOKEN_EXPIRE_SECONDS": 6,
    "ROTATE_REFRESH_TOKEN": True,
    # A spent refresh token revokes its family, and there is no window of grace.
    "REFRESH_TOKEN_REUSE_PROTECTION": True,
    "REFRESH_TOKEN_GRACE_PERIOD_SECONDS": 0,
}
