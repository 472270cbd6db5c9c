#!/usr/bin/env bash
# Passes all tests on a fresh Debian 12 with Rust: installs what they need, then checks form and behaviour.
# CI runs exactly this. The long forms (every crash point, fuzzing, benchmarks) are in CONTRIBUTING.md.
set -euo pipefail
cd "$(dirname "$0")"

# name of a program: Debian package that has it
needs=(cc:gcc rsync:rsync setfacl:acl setfattr:attr setpriv:util-linux)
missing=()
for need in "${needs[@]}"; do
    command -v "${need%%:*}" >/dev/null || missing+=("${need##*:}")
done
if [ ${#missing[@]} -gt 0 ]; then
    sudo=; [ "$(id -u)" = 0 ] || sudo=sudo
    $sudo apt-get update -qq
    $sudo apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi
command -v cargo >/dev/null || { echo "test.sh: cargo is missing; install Rust 1.95 or newer (https://rustup.rs)" >&2; exit 1; }

step() { printf '\n== %s\n' "$*"; }

step "form: rustfmt, tidy, clippy, docs"
cargo fmt --all --check
cargo xtask tidy
cargo clippy --workspace --all-targets --quiet -- -D warnings
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet
if command -v cargo-deny >/dev/null; then
    cargo deny --log-level error check bans licenses sources
else
    echo "SKIP cargo deny: not installed (cargo install cargo-deny --locked)"
fi

step "tests"
cargo test --workspace --exclude recoup-backup --exclude recoup --no-fail-fast
# These print how many crashes, damages, hostile repositories and kills they tried.
cargo test -p recoup-backup -p recoup --no-fail-fast -- --nocapture
