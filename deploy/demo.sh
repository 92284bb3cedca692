#!/usr/bin/env bash
# Builds sidegate and runs its demo: an embedded provider, a sample app, and the gateway at http://localhost:4180.
# On a bare Debian machine with Rust this is all there is to type. Arguments are passed on to `sidegate demo`.
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)

# stop REASON [COMMAND]: the command stands alone on its line, ready to copy.
stop() {
    printf 'demo.sh: %s\n' "$1" >&2
    [ $# -lt 2 ] || printf '\n    %s\n\n' "$2" >&2
    exit 1
}

# --- Rust -------------------------------------------------------------------------------------------------------------

cargo_home=${CARGO_HOME:-${HOME:-/root}/.cargo}
if ! command -v cargo >/dev/null && [ -x "$cargo_home/bin/cargo" ]; then
    PATH="$cargo_home/bin:$PATH" # installed, but this shell is older than the installation
fi

wanted=$(sed -n 's/^rust-version *= *"\(.*\)"$/\1/p' "$root/Cargo.toml")
command -v cargo >/dev/null || stop "cargo was not found. Install Rust $wanted or newer, then run this again:" \
    "curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh"

found=$(cd "$root" && rustc --version | cut -d ' ' -f 2)
if [ "$(printf '%s\n%s\n' "$wanted" "${found%%-*}" | sort -V | head -n 1)" != "$wanted" ]; then
    stop "Rust $found is too old, sidegate needs $wanted or newer. Update it, then run this again:" "rustup update stable"
fi

# --- cmake and a C compiler (Pingora's zlib-ng and ring are C) --------------------------------------------------------

# A compiler that has no libc headers compiles nothing, so it is tried, not looked up.
compiles_c() {
    printf '#include <stdlib.h>\nint main(void) { return 0; }\n' | "${CC:-cc}" -x c -o /dev/null - 2>/dev/null
}

packages=()
compiles_c || packages+=(gcc libc6-dev)
command -v cmake >/dev/null || packages+=(cmake)
command -v make >/dev/null || packages+=(make)

if [ ${#packages[@]} -gt 0 ]; then
    command -v apt-get >/dev/null ||
        stop "a C compiler, make and cmake are needed and not all are here. Install them with your system's package manager, then run this again."
    install="apt-get update && apt-get install -y --no-install-recommends ${packages[*]}"
    [ "$(id -u)" -eq 0 ] || stop "missing: ${packages[*]}. Install with this one command, then run this again:" "sudo sh -c '$install'"
    echo "demo.sh: installing ${packages[*]}"
    log=$(mktemp)
    if ! DEBIAN_FRONTEND=noninteractive sh -c "$install" >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        stop "apt-get failed, its last words are above. Install ${packages[*]} yourself, then run this again."
    fi
    rm -f "$log"
fi

# --- Build and run ----------------------------------------------------------------------------------------------------

echo "demo.sh: building (a few minutes the first time)"
# In a subshell, so that `sidegate demo` starts in the caller's directory.
(cd "$root" && cargo build --locked --features demo) ||
    stop "the build failed, the reason is above. Without the network cargo cannot fetch the crates; a full disk and too little memory are the other usual causes."

target=$(cd "$root" && cargo metadata --format-version 1 --no-deps --locked | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
exec "$target/debug/sidegate" demo "$@"
