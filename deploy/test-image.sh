#!/usr/bin/env bash
# Builds the container image as deploy/Containerfile says, runs it locked down, and logs in through it.
#
#   deploy/test-image.sh               bases made here: Debian by debootstrap plus this machine's Rust; needs root, no registry
#   deploy/test-image.sh --registry    the Containerfile's own base images
#   deploy/test-image.sh --install     first installs what is missing (docker.io, debootstrap, curl, python3)
#
# Uses the Docker that runs; where none does and we are root, starts a dockerd of its own that touches no network settings,
# and stops it at the end. Both stages of the Containerfile are built, dependencies included: some minutes the first time,
# kept under target/test-image (or in the running Docker) for the next. Without what it needs it says so and exits 0.
#
# Covered: the Containerfile, every line; numeric user, no shell, no demo; read-only root, no capabilities, any user; exit
# codes of `check`; the health check; a login (PKCE, token, userinfo), a Bearer request and a sign-out; SIGTERM; no secret in
# the log. Not covered: the published base images (use --registry), discovery and id_tokens (tests/run.sh has them).
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
state=$root/target/test-image
image=sidegate:test
registry='' install=''
for argument in "$@"; do
    case $argument in
    --registry) registry=yes ;;
    --install) install=yes ;;
    *) sed -n '2,/^set/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2 && exit 64 ;;
    esac
done

say() { printf 'test-image.sh: %s\n' "$*"; }
skip() { say "SKIPPED: $*" && exit 0; }
fail() {
    say "FAILED: $*" >&2
    [ -z "${container:-}" ] || [ -n "${quiet:-}" ] || docker logs --tail 30 "$container" >&2 || true
    exit 1
}

# --- What is needed ---------------------------------------------------------------------------------------------------

am_root() { [ "$(id -u)" -eq 0 ]; }
[ "$(uname -s)" = Linux ] || skip "the test runs containers in the host's network, which is Linux only"

needs=(docker curl python3)
[ -n "$registry" ] || needs+=(debootstrap)
missing=()
for tool in "${needs[@]}"; do command -v "$tool" >/dev/null || missing+=("${tool/#docker/docker.io}"); done
# A docker command without a daemon behind it, nor one to start, is not an engine.
docker info >/dev/null 2>&1 || command -v dockerd >/dev/null || [[ " ${missing[*]} " == *' docker.io '* ]] || missing+=(docker.io)
if [ ${#missing[@]} -gt 0 ]; then
    if [ -n "$install" ] && am_root && command -v apt-get >/dev/null; then
        say "installing ${missing[*]}"
        { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"; } >/dev/null
    else
        skip "no ${missing[*]} here. As root on Debian: deploy/test-image.sh --install"
    fi
fi

work=$(mktemp -d)
container='' provider_pid='' dockerd_pid=''
clean_up() {
    [ -z "$container" ] || docker rm -f "$container" >/dev/null 2>&1 || true
    [ -z "$provider_pid" ] || kill "$provider_pid" 2>/dev/null || true
    if [ -n "$dockerd_pid" ] && kill "$dockerd_pid" 2>/dev/null; then
        wait "$dockerd_pid" 2>/dev/null || true # it takes its containerd along, but leaves one mount behind
        umount "$work/exec/netns/default" 2>/dev/null || true
    fi
    rm -rf --one-file-system "$work" || true # whatever an interrupted debootstrap left mounted in there stays untouched
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# --- A Docker to work with --------------------------------------------------------------------------------------------

if docker info >/dev/null 2>&1; then
    say "using the Docker that runs here"
else
    am_root || skip "no Docker answers, and only root can start one"
    mkdir -p "$state/docker"
    export DOCKER_HOST=unix://$work/docker.sock
    # No bridge, no firewall rules, no forwarding: the host's network stays as it is; containers use it with --network host.
    dockerd --host "$DOCKER_HOST" --data-root "$state/docker" --exec-root "$work/exec" --pidfile "$work/dockerd.pid" \
        --bridge none --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false >"$work/dockerd.log" 2>&1 </dev/null &
    dockerd_pid=$!
    for _ in {1..60}; do
        docker info >/dev/null 2>&1 && break
        kill -0 "$dockerd_pid" 2>/dev/null || break
        sleep 0.5
    done
    docker info >/dev/null 2>&1 || skip "dockerd does not start on this machine: $(tail -n 1 "$work/dockerd.log")"
    say "started dockerd $(docker version --format '{{.Server.Version}}')"
fi

# --- Base images ------------------------------------------------------------------------------------------------------

suite=$(sed -n 's/^ARG BUILD_IMAGE=.*-\([a-z]*\)$/\1/p' "$root/deploy/Containerfile")

# Where apt on this machine gets its Debian from.
# shellcheck disable=SC2016 # the dollars are apt's and awk's
mirror() {
    apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' 'Component: main' |
        awk -v suite="$suite" '$1 == suite && !found { print $2; found = 1 }'
}

# Like the Containerfile's defaults: Debian with Rust to build in; glibc, libgcc_s and no shell to run in.
make_bases() {
    local fs=$work/rootfs sysroot log=$work/debootstrap.log
    am_root || skip "only root can make the base images; as you are: deploy/test-image.sh --registry"
    sysroot=$(rustc --print sysroot)
    if ! [ -x "$sysroot/bin/cargo" ] || [ "$sysroot" = /usr ]; then
        skip "this machine's Rust is not rustup's, it cannot be copied into a base image"
    fi
    debootstrap --variant=minbase "$suite" "$fs" "$(mirror)" >"$log" 2>&1 ||
        skip "debootstrap could not fetch Debian $suite: $(tail -n 1 "$log")"
    (
        cd "$fs" && shopt -s nullglob
        tar -c etc/{passwd,group} lib lib64* usr/lib64* usr/lib/*-linux-gnu/{ld-linux-*,libc.so.6,libm.so.6,libgcc_s.so.1}
    ) | docker import - "$1" >/dev/null
    # Behind a proxy that has a CA of its own, cargo in the build base must trust it as this machine does.
    if [ -d /usr/local/share/ca-certificates ]; then
        mkdir -p "$fs/usr/local/share" && cp -r /usr/local/share/ca-certificates "$fs/usr/local/share/"
    fi
    tar -C "$sysroot" -c --exclude lib/rustlib/src bin/cargo bin/rustc lib | tar -C "$fs/usr/local" -x --no-same-owner
    tar -C "$fs" -c . | docker import - "$2" >/dev/null
}

build_arguments=()
if [ -z "$registry" ]; then
    rust=$(cd "$root" && rustc --version | cut -d ' ' -f 2)
    runtime_base=sidegate-test/runtime:$suite build_base=sidegate-test/rust:$rust-$suite
    if ! docker image inspect "$runtime_base" "$build_base" >/dev/null 2>&1; then
        say "making base images: Debian $suite, Rust $rust"
        make_bases "$runtime_base" "$build_base"
    fi
    build_arguments=(--build-arg "BUILD_IMAGE=$build_base" --build-arg "RUNTIME_IMAGE=$runtime_base")
fi

# --- The image --------------------------------------------------------------------------------------------------------

say "building the image"
# The classic builder: the one that every Docker has and that finds local base images without asking a registry.
DOCKER_BUILDKIT=0 docker build --network host -f "$root/deploy/Containerfile" -t "$image" "${build_arguments[@]}" "$root" >"$work/build.log" 2>&1 ||
    { tail -n 40 "$work/build.log" >&2 && fail "the image does not build"; }

sealed_off=(--read-only --cap-drop ALL --security-opt no-new-privileges --network none)
locked=("${sealed_off[@]/none/host}")
of_image() { docker image inspect --format "$1" "$image"; }
[ "$(of_image '{{.Config.User}}')" = 65532:65532 ] || fail "the image's user is $(of_image '{{.Config.User}}')"
docker run --rm "${sealed_off[@]}" "$image" --version || fail "the binary does not start in the image"
! docker run --rm "${sealed_off[@]}" "$image" demo --help >/dev/null 2>&1 || fail "the image has the demo in it"
[ -n "$registry" ] || ! docker run --rm "${sealed_off[@]}" --entrypoint /bin/sh "$image" -c true 2>/dev/null || fail "the image has a shell"
say "image: $(($(of_image '{{.Size}}') / 1048576)) MiB, $(of_image '{{len .RootFS.Layers}}') layers"

# --- A provider and an app --------------------------------------------------------------------------------------------

read -r gateway_port admin_port provider_port <<<"$(python3 -c '
import socket
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
print(*(s.getsockname()[1] for s in sockets))')"
export gateway=http://localhost:$gateway_port provider=http://127.0.0.1:$provider_port
export client_secret=client-secret-$RANDOM$RANDOM access_token=access-token-$RANDOM$RANDOM refresh_token=refresh-token-$RANDOM$RANDOM

# Plain OAuth 2.0 that signs everybody in as Ada and is strict about the rest; every other path is the app.
cat >"$work/provider.py" <<'PYTHON'
import base64, hashlib, json, os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlencode, urlsplit

env = os.environ
redirect_uri = env["gateway"] + "/oauth2/callback"
challenges = {}  # code -> code_challenge

class Handler(BaseHTTPRequestHandler):
    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def json(self, status, **value):
        self.answer(status, json.dumps(value).encode(), Content_Type="application/json")

    def do_GET(self):
        url = urlsplit(self.path)
        query = dict(parse_qsl(url.query))
        if url.path == "/provider/authorize":
            wanted = {"response_type": "code", "client_id": "legacy-app", "redirect_uri": redirect_uri, "code_challenge_method": "S256"}
            wrong = [k for k, v in wanted.items() if query.get(k) != v]
            if wrong or "state" not in query:
                return self.json(400, error="invalid_request", wrong=wrong)
            code = base64.urlsafe_b64encode(os.urandom(16)).decode()
            challenges[code] = query["code_challenge"]
            self.answer(302, Location=redirect_uri + "?" + urlencode({"code": code, "state": query["state"]}))
        elif url.path == "/provider/userinfo":
            if self.headers["Authorization"] != "Bearer " + env["access_token"]:
                return self.json(401, error="invalid_token")
            self.json(200, sub="1001", preferred_username="ada", email="ada@example.com", email_verified=True)
        else:
            self.answer(200, ("app\n" + str(self.headers)).encode(), Content_Type="text/plain")

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"] or 0)).decode()
        form = dict(parse_qsl(body))
        basic = base64.b64encode(("legacy-app:" + env["client_secret"]).encode()).decode()
        if self.headers["Authorization"] != "Basic " + basic:
            return self.json(401, error="invalid_client")
        if self.path == "/provider/revoke":
            print("revoked", form["token"], flush=True)
            return self.answer(200)
        verifier = form.get("code_verifier", "").encode()
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier).digest()).decode().rstrip("=")
        if form.get("redirect_uri") != redirect_uri or challenges.pop(form.get("code"), "") != challenge:
            return self.json(400, error="invalid_grant")
        self.json(200, access_token=env["access_token"], refresh_token=env["refresh_token"], token_type="Bearer", expires_in=300)

    def log_message(self, *_):
        pass

ThreadingHTTPServer(("127.0.0.1", int(env["provider"].rsplit(":", 1)[1])), Handler).serve_forever()
PYTHON
python3 "$work/provider.py" >"$work/provider.log" 2>&1 &
provider_pid=$!

# --- The container ----------------------------------------------------------------------------------------------------

mkdir "$work/etc" "$work/secrets"
printf '%s\n' "$client_secret" >"$work/secrets/client-secret"
docker run --rm "${sealed_off[@]}" "$image" keygen >"$work/secrets/session-key" || fail "keygen does not work in the image"
cat >"$work/etc/sidegate.toml" <<TOML
[server]
listen = ["127.0.0.1:$gateway_port"]
public_url = "$gateway"
[admin]
listen = "127.0.0.1:$admin_port"
[providers.main]
authorization_endpoint = "$provider/provider/authorize"
token_endpoint = "$provider/provider/token"
userinfo_endpoint = "$provider/provider/userinfo"
revocation_endpoint = "$provider/provider/revoke"
client_id = "legacy-app"
client_secret = { file = "/run/secrets/client-secret" }
scopes = ["profile", "email"]
[session]
keys = [{ file = "/run/secrets/session-key" }]
[[routes]]
path = "/"
upstream = "$provider"
TOML
sed 's/^path/pth/' "$work/etc/sidegate.toml" >"$work/etc/wrong.toml"
chmod -R a+rX "$work/etc" "$work/secrets"
mounts=(-v "$work/etc:/etc/sidegate:ro" -v "$work/secrets:/run/secrets:ro")

# Any user will do, not only the image's.
docker run --rm "${locked[@]}" --user 4711:4711 "${mounts[@]}" "$image" check || fail "check refuses a good configuration"
code=0
docker run --rm "${locked[@]}" "${mounts[@]}" -e SIDEGATE_CONFIG=/etc/sidegate/wrong.toml "$image" run >/dev/null 2>&1 || code=$?
[ "$code" -eq 64 ] || fail "a bad configuration ends with exit $code, not 64"

container=$(docker run -d "${locked[@]}" "${mounts[@]}" --health-interval 1s "$image")
health=''
for _ in {1..120}; do
    health=$(docker inspect --format '{{.State.Status}}/{{.State.Health.Status}}' "$container")
    [ "$health" = running/starting ] || break
    sleep 0.5
done
[ "$health" = running/healthy ] || fail "the container is $health, not healthy"
say "runs as $(of_image '{{.Config.User}}') on a read-only root, healthy"

# --- In, through, out -------------------------------------------------------------------------------------------------

browser() { curl --silent --show-error --max-time 20 --cookie "$work/cookies" --cookie-jar "$work/cookies" "$@"; }
status_of() { browser --output /dev/null --write-out '%{http_code}' "$@"; }

answer=$(status_of "$gateway/data")
[ "$answer" = 401 ] || fail "without a session an API call got $answer, not 401"
browser --location --fail --header 'Accept: text/html' --header 'X-Forwarded-User: mallory' "$gateway/page?x=1" >"$work/page" || fail "the login did not go through"
for line in app "Authorization: Bearer $access_token" 'X-Forwarded-User: 1001' 'X-Forwarded-Email: ada@example.com'; do
    grep -qixF "$line" <(tr -d '\r' <"$work/page") || { cat "$work/page" >&2 && fail "the app did not get '$line'"; }
done
! grep -qi mallory "$work/page" || fail "the visitor's own X-Forwarded-User reached the app"
! grep -qi '^cookie:.*sidegate' "$work/page" || fail "the app got the gateway's cookie"
say "logged in, and the app got the access token"

answer=$(status_of --header 'Sec-Fetch-Site: same-origin' "$gateway/oauth2/sign_out")
[[ "$answer" == [23]?? ]] || fail "sign-out answered $answer"
answer=$(status_of "$gateway/data")
[ "$answer" = 401 ] || fail "after the sign-out an API call got $answer, not 401"
grep -qxF "revoked $refresh_token" "$work/provider.log" || fail "the refresh token was not revoked"
say "signed out, refresh token revoked"

docker stop -t 20 "$container" >/dev/null
code=$(docker inspect --format '{{.State.ExitCode}}' "$container")
[ "$code" -eq 0 ] || fail "SIGTERM ended it with exit $code, not 0"
docker logs "$container" >"$work/log" 2>&1
python3 -c 'import json, sys; [json.loads(line) for line in sys.stdin]' <"$work/log" || fail "a line of the log is not JSON"
for secret in "$client_secret" "$access_token" "$refresh_token" "$(cat "$work/secrets/session-key")"; do
    ! grep -qF -- "$secret" "$work/log" || quiet=yes fail "a secret is in the log"
done
say "stopped cleanly, no secret in $(wc -l <"$work/log") lines of log"
say "PASSED"
