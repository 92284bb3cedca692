#!/usr/bin/env bash
# Installs what drives the browser, at its pinned version, into $SIDEGATE_TEST_CACHE/browser (default: target/providers).
# Needs Node and npm, which tests/providers/install.sh finds or brings. Does nothing where it stands already.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${SIDEGATE_TEST_CACHE:-$(dirname "$(dirname "$here")")/target/providers}
target=$cache/browser

say() { printf '%s\n' "$*" >&2; }

npm=(npm)
node=$(command -v node || true)
if ! command -v npm >/dev/null || [ "$(node -p 'parseInt(process.versions.node)')" -lt 20 ]; then
  # The one that the providers run on: a Python package, see tests/providers/install.sh.
  node=$(readlink -f "$cache/panva/node")
  npm=("$node" "$(dirname "$(dirname "$node")")/lib/node_modules/npm/bin/npm-cli.js")
fi

mkdir -p "$target"
exec 9>"$cache/browser.lock"
flock 9 # two test runs may share one cache
stamp=$(cat "$here/package-lock.json" "$here/package.json" <("$node" --version) | sha256sum | cut -d' ' -f1)
if [ "$(cat "$target/stamp" 2>/dev/null)" != "$stamp" ]; then
  say "installing the browser's driver …"
  rm -rf "${target:?}/node_modules" "$target/stamp"
  cp "$here/package.json" "$here/package-lock.json" "$here/.npmrc" "$target/"
  (cd "$target" && "${npm[@]}" ci --ignore-scripts --no-audit --no-fund --no-update-notifier) >&2
  ln -sfn "$node" "$target/node"
  printf '%s\n' "$stamp" >"$target/stamp"
fi
printf '%s\n' "$target"
