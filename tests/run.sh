#!/usr/bin/env bash
# Runs every test: unit, integration, in a real browser, and the journeys through the running gateway against three
# real authorization servers. On a bare Debian machine it installs what is missing when it runs as root; otherwise it
# says what to install. Arguments go to `cargo test`: tests/run.sh --test journey
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
export PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"

say() { printf '%s\n' "$*" >&2; }

# Debian package names of what this machine lacks.
missing_packages() {
  command -v cc >/dev/null || echo gcc libc6-dev
  local tool
  for tool in make cmake curl redis-server; do command -v "$tool" >/dev/null || echo "$tool"; done
  command -v redis-cli >/dev/null || echo redis-tools
  [ -e /etc/ssl/certs/ca-certificates.crt ] || [ -e /etc/pki/tls/certs/ca-bundle.crt ] || echo ca-certificates
  python3 -c 'import venv, ensurepip' >/dev/null 2>&1 || echo python3 python3-venv
}

need_packages() {
  local missing
  mapfile -t missing < <(missing_packages | tr ' ' '\n')
  if [ "${#missing[@]}" = 0 ]; then return; fi
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    say "installing ${missing[*]} …"
    apt-get update -qq >&2
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
    return
  fi
  say "These are missing: ${missing[*]}. On Debian and Ubuntu, as root:"
  say "    apt-get install ${missing[*]}"
  exit 1
}

# Some tests drive a real browser. Without one they are skipped, and say so.
need_browser() {
  if command -v chromium >/dev/null; then return; fi
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    say "installing chromium …"
    if apt-get update -qq >&2 &&
      DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >&2; then return; fi
  fi
  say "No chromium: the tests in a real browser (tests/gateway/in_chromium.rs) are SKIPPED. On Debian, as root:"
  say "    apt-get install chromium"
}

need_rust() {
  local wanted found
  wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
  found=$(cargo --version 2>/dev/null | cut -d' ' -f2 || true)
  if [ -n "$found" ] && [ "$(printf '%s\n' "$wanted" "$found" | sort -V | head -n 1)" = "$wanted" ]; then return; fi
  say "sidegate needs Rust $wanted or newer; here is ${found:-none}. Install it as https://rustup.rs says, or if"
  say "rustup is there already:"
  say "    rustup toolchain install stable && rustup default stable"
  exit 1
}

need_packages
need_browser
need_rust

work=$(mktemp -d)
installing=
# shellcheck disable=SC2317  # called by the trap
tidy_up() {
  if [ -n "$installing" ]; then kill -- "-$installing" 2>/dev/null || true; fi
  rm -rf "$work"
}
trap tidy_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

export SIDEGATE_TEST_CACHE=${SIDEGATE_TEST_CACHE:-$root/target/providers}
mkdir -p "$SIDEGATE_TEST_CACHE"
SIDEGATE_TEST_PROVIDERS=$(cd "$SIDEGATE_TEST_CACHE" && pwd)
export SIDEGATE_TEST_PROVIDERS

# The providers install while the compiler works; a process group of their own, so that an interrupt ends them all.
set -m
{ tests/providers/install.sh && tests/browser/install.sh; } >"$work/install.log" 2>&1 &
installing=$!
set +m

cargo_test=(cargo test --locked --features demo)
selection=("${@:---all-targets}")
began=$SECONDS
"${cargo_test[@]}" --no-run "${selection[@]}"
built=$((SECONDS - began))

began=$SECONDS
if ! wait "$installing"; then
  installing=
  cat "$work/install.log" >&2
  exit 1
fi
installing=
if command -v chromium >/dev/null; then export SIDEGATE_TEST_BROWSER=$SIDEGATE_TEST_PROVIDERS/browser; fi
waited=$((SECONDS - began))

began=$SECONDS
status=0
"${cargo_test[@]}" --no-fail-fast "${selection[@]}" 2>&1 | tee "$work/tests.log" || status=$?
if [ $# = 0 ]; then # the examples in the documentation are no target of their own
  "${cargo_test[@]}" --doc 2>&1 | tee -a "$work/tests.log" || status=$?
  tests/fuzz/run.sh "${SIDEGATE_FUZZ_SECONDS:-10}" || status=$?
fi
tested=$((SECONDS - began))

# "test result: ok. 12 passed; 0 failed; 1 ignored; …", one line a test program.
awk '/^test result:/ { passed += $4; failed += $6; ignored += $8; programs++ }
  END { printf "\n%d passed, %d failed, %d ignored in %d test programs\n", passed, failed, ignored, programs }' \
  "$work/tests.log"
echo "built in $built s, waited $waited s for the test providers, tested in $tested s"
if [ "$status" != 0 ]; then
  grep -E '^(test .* FAILED|error: test failed.*)$' "$work/tests.log" || true
  echo "tests/run.sh: FAILED"
else
  echo "tests/run.sh: good"
fi
exit "$status"
