"""The classic small authorization server: Authlib on Flask, in memory.

Prints one JSON line when it listens; ends on SIGTERM or when the pipe on its stdin closes (see ../README.md).
"""

import os
import secrets
import sys
import threading
import time
from html import escape
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlencode

# Authlib refuses plain http, where the tests live, unless this is set before it is asked.
os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"

from authlib.integrations.flask_oauth2 import AuthorizationServer, ResourceProtector, current_token  # noqa: E402
from authlib.oauth2 import OAuth2Error  # noqa: E402
from authlib.oauth2.rfc6749 import AuthorizationCodeMixin, ClientMixin, TokenMixin, grants  # noqa: E402
from authlib.oauth2.rfc6750 import BearerTokenValidator  # noqa: E402
from authlib.oauth2.rfc7009 import RevocationEndpoint  # noqa: E402
from authlib.oauth2.rfc7636 import CodeChallenge  # noqa: E402
from flask import Flask, jsonify, redirect, request, session  # noqa: E402

sys.path.append(str(Path(__file__).parent.parent))
import lifecycle  # noqa: E402

ALICE = SimpleNamespace(**lifecycle.USER)
CLIENTS = {
    "public": {"client_id": "sidegate-public", "auth": "none"},
    "basic": {"client_id": "sidegate-basic", "client_secret": "authlib-secret", "auth": "basic"},
    "post": {"client_id": "sidegate-post", "client_secret": "authlib-post-secret", "auth": "post"},
}
FORM = '<form method="post">{}<button type="submit">{}</button></form>'
LOGIN_PAGE = FORM.format('<input name="username"><input name="password" type="password">', "Sign in")
CONSENT_PAGE = FORM.format('<input type="checkbox" name="confirm" value="yes"> {} wants to know who you are', "Allow")


class Client(ClientMixin):
    """One registered application."""

    def __init__(self, described, uris, refresh):
        self.client_id, self.secret = described["client_id"], described.get("client_secret", "")
        self.auth = {"none": "none", "basic": "client_secret_basic", "post": "client_secret_post"}[described["auth"]]
        self.uris = uris
        self.grants = {"authorization_code"} | ({"refresh_token"} if refresh else set())
        if self.secret:
            self.grants |= {"client_credentials", "password"}

    def get_client_id(self):
        return self.client_id

    def get_default_redirect_uri(self):
        return self.uris[0]

    def get_allowed_scope(self, scope):
        return " ".join(name for name in (scope or "").split() if name in ("profile", "email"))

    def check_redirect_uri(self, redirect_uri):
        return redirect_uri in self.uris

    def check_client_secret(self, client_secret):
        return secrets.compare_digest(self.secret.encode(), client_secret.encode())

    def check_endpoint_auth_method(self, method, endpoint):
        return method == self.auth

    def check_response_type(self, response_type):
        return response_type == "code"

    def check_grant_type(self, grant_type):
        return grant_type in self.grants


class Code(AuthorizationCodeMixin, SimpleNamespace):
    """An authorization code, good once."""

    def get_redirect_uri(self):
        return self.redirect_uri

    def get_scope(self):
        return self.scope


class Token(TokenMixin, SimpleNamespace):
    """An access token and, where there is one, its refresh token."""

    def check_client(self, client):
        return self.client.client_id == client.client_id

    def get_scope(self):
        return self.scope

    def get_expires_in(self):
        return self.expires_in

    def is_expired(self):
        return time.time() > self.issued_at + self.expires_in

    def is_revoked(self):
        return self.revoked

    def get_user(self):
        return self.user

    def get_client(self):
        return self.client


class Memory:
    """What the server has handed out."""

    def __init__(self):
        self.lock = threading.Lock()
        self.codes, self.by_access, self.by_refresh = {}, {}, {}

    def save(self, token, oauth_request):
        kept = Token(
            client=oauth_request.client,
            user=oauth_request.user,
            scope=token.get("scope", ""),
            expires_in=token["expires_in"],
            issued_at=time.time(),
            revoked=False,
            refreshable="refresh_token" in token,
        )
        with self.lock:
            self.by_access[token["access_token"]] = kept
            if kept.refreshable:
                self.by_refresh[token["refresh_token"]] = kept

    def find(self, value):
        return self.by_access.get(value) or self.by_refresh.get(value)


def code_grant(memory):
    class AuthorizationCodeGrant(grants.AuthorizationCodeGrant):
        TOKEN_ENDPOINT_AUTH_METHODS = ["none", "client_secret_basic", "client_secret_post"]

        def save_authorization_code(self, code, request):
            data = request.payload.data
            memory.codes[code] = Code(
                code=code,
                client_id=request.client.client_id,
                redirect_uri=request.payload.redirect_uri,
                scope=request.payload.scope,
                user=request.user,
                code_challenge=data.get("code_challenge"),
                code_challenge_method=data.get("code_challenge_method"),
                until=time.time() + 60,
            )

        def query_authorization_code(self, code, client):
            found = memory.codes.get(code)
            good = found and found.client_id == client.client_id and found.until > time.time()
            return found if good else None

        def delete_authorization_code(self, authorization_code):
            memory.codes.pop(authorization_code.code, None)

        def authenticate_user(self, authorization_code):
            return authorization_code.user

    return AuthorizationCodeGrant


class PasswordGrant(grants.ResourceOwnerPasswordCredentialsGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic", "client_secret_post"]

    def authenticate_user(self, username, password):
        return ALICE if (username, password) == (ALICE.username, ALICE.password) else None


class CredentialsGrant(grants.ClientCredentialsGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic", "client_secret_post"]


def refresh_grant(memory, rotate):
    class RefreshTokenGrant(grants.RefreshTokenGrant):
        TOKEN_ENDPOINT_AUTH_METHODS = ["none", "client_secret_basic", "client_secret_post"]
        INCLUDE_NEW_REFRESH_TOKEN = rotate

        def authenticate_refresh_token(self, refresh_token):
            with memory.lock:
                found = memory.by_refresh.get(refresh_token)
                if not found or not found.refreshable:
                    return None
                # A rotated token is good for one request, also when two come at once.
                found.refreshable = not rotate
                return found

        def authenticate_user(self, refresh_token):
            return refresh_token.user

        def revoke_old_credential(self, refresh_token):
            refresh_token.revoked = True

    return RefreshTokenGrant


def revocation(memory):
    class Revocation(RevocationEndpoint):
        CLIENT_AUTH_METHODS = ["none", "client_secret_basic", "client_secret_post"]

        def query_token(self, token_string, token_type_hint):
            return memory.find(token_string)

        def revoke_token(self, token, request):
            token.revoked, token.refreshable = True, False

    return Revocation


def validator(memory):
    class Validator(BearerTokenValidator):
        def authenticate_token(self, token_string):
            return memory.by_access.get(token_string)

    return Validator()


def authorization_server(app, options, memory):
    refresh = options.refresh_tokens != "none"
    clients = {c["client_id"]: Client(c, lifecycle.redirect_uris(options), refresh) for c in CLIENTS.values()}
    every_grant = ["authorization_code", "refresh_token", "client_credentials", "password"]
    app.config["OAUTH2_TOKEN_EXPIRES_IN"] = dict.fromkeys(every_grant, options.access_token_ttl)
    app.config["OAUTH2_REFRESH_TOKEN_GENERATOR"] = refresh
    server = AuthorizationServer(app, clients.get, memory.save)
    server.register_grant(code_grant(memory), [CodeChallenge(required=True)])
    server.register_grant(PasswordGrant)
    server.register_grant(CredentialsGrant)
    if refresh:
        server.register_grant(refresh_grant(memory, options.refresh_tokens == "rotate"))
    server.register_endpoint(revocation(memory))
    return server


def application(options):
    app, memory = Flask(__name__), Memory()
    app.secret_key = secrets.token_bytes(32)
    app.json.sort_keys = False
    server = authorization_server(app, options, memory)
    protected = ResourceProtector()
    protected.register_token_validator(validator(memory))

    @app.route("/login", methods=["GET", "POST"])
    def login():
        if request.method == "GET":
            return LOGIN_PAGE
        if (request.form.get("username"), request.form.get("password")) != (ALICE.username, ALICE.password):
            return LOGIN_PAGE, 401
        session["user"] = ALICE.username
        target = request.args.get("next", "/")
        return redirect(target if target.startswith("/oauth/") else "/")

    @app.route("/oauth/authorize", methods=["GET", "POST"])
    def authorize():
        if "user" not in session:
            return redirect("/login?" + urlencode({"next": request.full_path}))
        try:
            grant = server.get_consent_grant(end_user=ALICE)
        except OAuth2Error as error:
            return server.handle_error_response(request, error)
        if request.method == "GET":
            return CONSENT_PAGE.format(escape(grant.client.client_id))
        user = ALICE if request.form.get("confirm") == "yes" else None
        return server.create_authorization_response(grant_user=user, grant=grant)

    @app.post("/oauth/token")
    def token():
        return server.create_token_response()

    @app.post("/oauth/revoke")
    def revoke():
        return server.create_endpoint_response("revocation")

    @app.get("/api/me")
    @protected("profile")
    def me():
        owner = current_token.user
        return jsonify(username=owner.username, email=owner.email, groups=owner.groups)

    return app


def describe(issuer):
    return {
        "provider": "authlib",
        "authorization_endpoint": f"{issuer}/oauth/authorize",
        "token_endpoint": f"{issuer}/oauth/token",
        "userinfo_endpoint": f"{issuer}/api/me",
        "revocation_endpoint": f"{issuer}/oauth/revoke",
        "scopes": ["profile", "email"],
        "clients": CLIENTS,
        "forms": [{"username": ALICE.username, "password": ALICE.password}, {"confirm": "yes"}],
    }


def main():
    parser = lifecycle.arguments(__doc__.splitlines()[0])
    parser.add_argument(
        "--refresh-tokens",
        choices=["none", "same", "rotate"],
        default="none",
        help="none are issued; the one keeps being good and no new one comes; a new one at each use",
    )
    options = parser.parse_args()
    paths = {"/oauth/token": "token", "/oauth/revoke": "revoke", "/api/me": "me"}
    lifecycle.serve(application(options), paths, options, describe)


if __name__ == "__main__":
    main()
