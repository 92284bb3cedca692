"""A real plain OAuth2 server to log in at: django-oauth-toolkit, without OpenID Connect.

Prints one JSON line when it listens; ends on SIGTERM or when the pipe on its stdin closes (see ../README.md).
"""

import secrets
import shutil
import sys
import tempfile
from pathlib import Path

import django
from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application

sys.path.append(str(Path(__file__).parent.parent))
import lifecycle  # noqa: E402

CLIENTS = {
    "basic": {"client_id": "sidegate-basic", "client_secret": "a secret: 100% + more", "auth": "basic"},
    "post": {"client_id": "sidegate-post", "client_secret": "django-post-secret", "auth": "post"},
    "public": {"client_id": "sidegate-public", "auth": "none"},
}
LOGIN_PAGE = '<form method="post">{% csrf_token %}{{ form.as_p }}<button type="submit">Sign in</button></form>'
APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "oauth2_provider"]


def configure(options, directory):
    settings.configure(
        DEBUG=False,
        SECRET_KEY=secrets.token_hex(32),
        ALLOWED_HOSTS=["127.0.0.1"],
        ROOT_URLCONF=__name__,
        LOGIN_URL="/accounts/login/",
        USE_TZ=True,
        INSTALLED_APPS=APPS,
        # Tables straight from the models: a second instead of five.
        MIGRATION_MODULES={app.rsplit(".", 1)[-1]: None for app in APPS},
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
        ],
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": f"{directory}/db.sqlite3",
                "CONN_MAX_AGE": None,
                "OPTIONS": {
                    "timeout": 20,
                    "transaction_mode": "IMMEDIATE",
                    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;",
                },
            }
        },
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "OPTIONS": {
                    "loaders": [
                        ("django.template.loaders.locmem.Loader", {"registration/login.html": LOGIN_PAGE}),
                        "django.template.loaders.app_directories.Loader",
                    ]
                },
            }
        ],
        LOGGING_CONFIG=None,
        OAUTH2_PROVIDER={
            "ACCESS_TOKEN_EXPIRE_SECONDS": options.access_token_ttl,
            "REFRESH_TOKEN_REUSE_PROTECTION": options.reuse_protection,
            "COMPLIANT_BCP_RFC9700_AUTHZ_RESPONSE_ISS": options.callback_iss,
        },
    )
    django.setup()


def fill(uris):
    """The user, her groups, and the clients."""
    from django.contrib.auth.models import Group, User
    from oauth2_provider.models import Application

    call_command("migrate", run_syncdb=True, verbosity=0, skip_checks=True)
    user = lifecycle.USER
    alice = User.objects.create_user(user["username"], user["email"], user["password"])
    alice.groups.set([Group.objects.create(name=name) for name in user["groups"]])
    for client in CLIENTS.values():
        Application.objects.create(
            name=client["client_id"],
            client_id=client["client_id"],
            client_secret=client.get("client_secret", ""),
            client_type="public" if client["auth"] == "none" else "confidential",
            # A hashed secret costs most of a second at every token request.
            hash_client_secret=False,
            authorization_grant_type="authorization-code",
            redirect_uris=" ".join(uris),
            skip_authorization=False,
        )


def routes():
    from django.contrib.auth.views import LoginView
    from django.http import JsonResponse
    from django.urls import include, path
    from oauth2_provider.decorators import protected_resource

    @protected_resource(scopes=["read"])
    def me(request):
        owner = request.resource_owner
        groups = sorted(owner.groups.values_list("name", flat=True))
        return JsonResponse({"username": owner.username, "email": owner.email, "groups": groups})

    return [
        path("accounts/login/", LoginView.as_view()),
        path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
        path("api/me", me),
    ]


def describe(issuer):
    return {
        "provider": "django",
        "authorization_endpoint": f"{issuer}/o/authorize/",
        "token_endpoint": f"{issuer}/o/token/",
        "userinfo_endpoint": f"{issuer}/api/me",
        "revocation_endpoint": f"{issuer}/o/revoke_token/",
        "scopes": ["read", "write"],
        "clients": CLIENTS,
        "forms": [
            {"username": lifecycle.USER["username"], "password": lifecycle.USER["password"]},
            {"allow": "Authorize"},
        ],
    }


def main():
    parser = lifecycle.arguments(__doc__.splitlines()[0])
    parser.add_argument("--reuse-protection", action="store_true", help="a used refresh token ends the whole grant")
    parser.add_argument("--callback-iss", action="store_true", help="RFC 9207: iss in the authorization response")
    options = parser.parse_args()
    directory = tempfile.mkdtemp(prefix="sidegate-django-")
    configure(options, directory)
    fill(lifecycle.redirect_uris(options))
    globals()["urlpatterns"] = routes()
    paths = {"/o/token/": "token", "/o/revoke_token/": "revoke", "/api/me": "me"}
    remove = lambda: shutil.rmtree(directory, ignore_errors=True)  # noqa: E731
    lifecycle.serve(get_wsgi_application(), paths, options, describe, at_end=remove)


if __name__ == "__main__":
    main()
