#!/usr/bin/env bash
# Gives every fuzz target a short pass: tests/fuzz/run.sh [SECONDS [TARGET…]], 10 seconds each if nothing is said.
# What the fuzzer finds beyond the seeds stays in target/fuzz/corpus and helps the next run; an input that fails stays in
# target/fuzz/artifacts and is shown. Needs a stable Rust and a C++ compiler (libFuzzer itself is C++), no nightly: the
# program has no unsafe code of its own, so that sanitizers would watch over the dependencies only.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
cd "$root"
export PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"

seconds=${1:-10}
shift || true
skip() {
  printf 'tests/fuzz: SKIPPED, %s\n' "$*"
  exit 0
}
command -v cargo >/dev/null || skip "no cargo here"
command -v "${CXX:-c++}" >/dev/null || skip "no C++ compiler here (Debian: apt-get install g++)"

triple=$(rustc -vV | sed -n 's/^host: //p')
case $triple in
x86_64-unknown-linux-* | aarch64-unknown-linux-* | *-apple-darwin) ;;
*) skip "libFuzzer is not tried on $triple" ;;
esac

# Coverage counters for libFuzzer, as `cargo fuzz` sets them. With --target they stay out of build scripts and macros.
flags="--cfg fuzzing -Ccodegen-units=1 -Cpasses=sancov-module"
for option in -sanitizer-coverage-level=4 -sanitizer-coverage-inline-8bit-counters -sanitizer-coverage-pc-table \
  -sanitizer-coverage-trace-compares; do
  flags="$flags -Cllvm-args=$option"
done
# The sections that the counters live in are lost to the linker's garbage collection otherwise.
flags="$flags -Clink-dead-code"

work=$root/target/fuzz
RUSTFLAGS="${RUSTFLAGS:-} $flags" CARGO_TARGET_DIR=$work \
  cargo build --locked --manifest-path "$here/Cargo.toml" --target "$triple" --bins

if [ $# = 0 ]; then
  set -- cookie chunks callback rd path config token_response id_token
fi
status=0
for target; do
  mkdir -p "$work/corpus/$target" "$work/artifacts/$target"
  began=$SECONDS
  if "$work/$triple/debug/$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -max_len=8192 \
    -print_final_stats=1 -artifact_prefix="$work/artifacts/$target/" \
    "$work/corpus/$target" "$here/seeds/$target" >"$work/$target.log" 2>&1; then
    executed=$(sed -n 's/^stat::number_of_executed_units: *//p' "$work/$target.log")
    printf 'tests/fuzz: %-15s quiet, %s inputs in %s s\n' "$target" "${executed:-?}" $((SECONDS - began))
  else
    status=1
    printf 'tests/fuzz: %-15s FAILED; the input is in %s\n' "$target" "$work/artifacts/$target"
    tail -n 40 "$work/$target.log"
  fi
done
exit "$status"
