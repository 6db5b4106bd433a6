"""Creates the site's database, one person and one client, and serves; `serve.py` prints `listening on ADDRESS`.

It ends when its standard input ends, so that it never outlives the process that started it.
"""

import os
import sys
import threading

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
django.setup()

from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from waitress import create_server  # noqa: E402


def main():
    call_command("migrate", verbosity=0)
    User.objects.create_user(os.environ["SOLEKEY_DOT_USER"], password=os.environ["SOLEKEY_DOT_PASSWORD"])
    # Unhashed: checking a hashed secret takes a good part of a second by design, in every refresh.
    call_command(
        "createapplication",
        "confidential",
        "authorization-code",
        name="Gateway",
        client_id=os.environ["SOLEKEY_DOT_CLIENT_ID"],
        client_secret=os.environ["SOLEKEY_DOT_CLIENT_SECRET"],
        hash_client_secret=False,
        redirect_uris=os.environ["SOLEKEY_DOT_REDIRECT_URI"],
        verbosity=0,
        stdout=sys.stderr,
    )
    # With the lookahead a held request detects that its client is gone.
    server = create_server(
        get_wsgi_application(), listen="127.0.0.1:0", threads=16, channel_request_lookahead=1
    )
    print(f"listening on {server.effective_host}:{server.effective_port}", flush=True)
    threading.Thread(target=end_with_input, daemon=True).start()
    server.run()


def end_with_input():
    sys.stdin.read()
    os._exit(0)


main()
