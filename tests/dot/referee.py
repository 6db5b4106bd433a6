"""Records every refresh token that is presented, and holds one request if a test demands it."""

import hashlib
import itertools
import json
import os
import threading
import time

import oauth2_provider
from django.conf import settings
from django.db.models import Count, Q
from django.http import HttpResponse, JsonResponse
from django.urls import resolve
from oauth2_provider.models import RefreshToken


class Referee:
    """Middleware in front of the token endpoint.

    `presentations.jsonl` gets a line when a request arrives, when it is held, and for its result, each with the
    request's number; a token is recorded as its SHA-256 only. Lines are only ever appended.

    If there is a file `hold`, it is removed, and the next presentation is held until its client is gone. The request is
    then dropped: nothing behind the referee has seen it, as though it had been lost on the way.
    """

    def __init__(self, get_response):
        self.get_response = get_response
        self.numbers = itertools.count(1)
        self.log = Log(settings.FOLDER / "presentations.jsonl")

    def __call__(self, request):
        token = presented(request)
        if token is None:
            return self.get_response(request)
        number = next(self.numbers)
        replica = resolve(request.path_info).kwargs.get("replica")
        self.log.write(number, "arrived", token=digest(token), replica=replica)
        if taken(settings.FOLDER / "hold"):
            return self.hold(number, request)
        response = self.get_response(request)
        answer = json.loads(response.content)
        self.log.write(
            number,
            "answered",
            status=response.status_code,
            error=answer.get("error"),
            minted=digest(answer["refresh_token"]) if "refresh_token" in answer else None,
        )
        return response

    def hold(self, number, request):
        self.log.write(number, "held")
        deadline = time.monotonic() + HOLD_BOUND
        while not request.environ["waitress.client_disconnected"]():
            if time.monotonic() > deadline:
                self.log.write(number, "abandoned")
                break
            time.sleep(0.005)
        else:
            self.log.write(number, "dropped")
        return HttpResponse(status=503)


class Log:
    """A file of lines, each appended whole by any thread."""

    def __init__(self, path):
        self.file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self.lock = threading.Lock()

    def write(self, number, event, **more):
        line = json.dumps({"number": number, "event": event, "at": time.time(), **more})
        with self.lock:
            os.write(self.file, line.encode() + b"\n")


def presented(request):
    """Returns the refresh token in a request; none if the request is not a refresh."""
    if request.method != "POST" or not request.path_info.startswith("/o/token/"):
        return None
    return request.POST.get("refresh_token")


def digest(token):
    return hashlib.sha256(token.encode()).hexdigest()


def taken(path):
    """Removes this file; returns whether it existed, which is true for one caller only."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True


def families(request):
    """Returns the state of every family of refresh tokens in the toolkit's tables."""
    rows = RefreshToken.objects.values("token_family").annotate(
        live=Count("pk", filter=Q(revoked=None)),
        revoked=Count("pk", filter=~Q(revoked=None)),
    )
    return JsonResponse({"toolkit": oauth2_provider.__version__, "families": list(rows)})


# Clients give up after seconds; no client is left for a thread that waits longer.
HOLD_BOUND = 60
