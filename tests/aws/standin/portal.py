"""The portal of AWS's single sign-on, for whoever has logged in: a session's token becomes a role's keys.

A token that begins with `valid` is good, and a refresh token that does is exchanged for another one.
"""

import json
import time
import urllib.parse

PATHS = ("/federation/credentials", "/token")
TOKEN = "standin.portal_token"  # the session's token, in a request's environment
LASTS = 3600  # seconds, of keys and of tokens


def answer(environ):
    """Status, content type and body."""
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    if environ["PATH_INFO"] == "/token":
        return refreshed(json.loads(body))
    query = dict(urllib.parse.parse_qsl(environ.get("QUERY_STRING", "")))
    if not environ[TOKEN].startswith("valid"):
        return told(401, {"__type": "UnauthorizedException", "message": "Session token not found or invalid"})
    keys = {
        "accessKeyId": f"AKIA{query['account_id']}",
        "secretAccessKey": "any",
        "sessionToken": query["role_name"],
        "expiration": int((time.time() + LASTS) * 1000),
    }
    return told(200, {"roleCredentials": keys})


def refreshed(wish):
    if wish.get("grantType") != "refresh_token" or not wish.get("refreshToken", "").startswith("valid"):
        return told(400, {"__type": "InvalidGrantException", "error": "invalid_grant", "error_description": "Invalid grant provided"})
    return told(200, {"accessToken": "valid-again", "tokenType": "Bearer", "expiresIn": LASTS, "refreshToken": "valid-next"})


def told(status, value):
    return status, "application/json", json.dumps(value).encode()
