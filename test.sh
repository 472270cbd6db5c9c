#!/usr/bin/env bash
# Passes all tests on a fresh Debian 12 with Rust: installs what they need, then checks form and behaviour.
# CI runs exactly this. The long forms (every crash point, fuzzing, benchmarks) are in CONTRIBUTING.md.
set -euo pipefail
cd "$(dirname "$0")"

# name of a program: Debian package that has it
needs=(
    cc:gcc rsync:rsync setfacl:acl setfattr:attr setpriv:util-linux git:git diff3:diffutils
    mkfs.xfs:xfsprogs mkfs.btrfs:btrfs-progs etcd:etcd-server etcdctl:etcd-client openssl:openssl curl:curl
)
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
counting=(recoup recoup-backup recoup-etcd recoup-keyspace recoup-merge recoup-policy recoup-timeline recoup-undo)
excluded=(); chosen=()
for crate in "${counting[@]}"; do excluded+=(--exclude "$crate"); chosen+=(-p "$crate"); done
cargo test --workspace "${excluded[@]}" --no-fail-fast
# These print how many crashes, kills, laws, histories and damages they tried.
cargo test "${chosen[@]}" --no-fail-fast -- --nocapture
