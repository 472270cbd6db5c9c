#!/bin/sh
# Runs every fuzz target (or those named after the first argument) for so many seconds each: fuzz/run.sh 60
# Needs nothing but a stable toolchain; installs cargo-fuzz by name if it is missing.
set -eu
cd "$(dirname "$0")"
seconds=${1:-60}
[ $# -gt 0 ] && shift
# Sanitizer flags are unstable; the stable compiler takes them with this.
export RUSTC_BOOTSTRAP=1
command -v cargo-fuzz >/dev/null || cargo install --locked cargo-fuzz
targets=${*:-$(cargo fuzz list)}
failed=0
for target in $targets; do
    # A target may have no seeds of its own: plans begin from nothing.
    mkdir -p "corpus/$target" "seeds/$target"
    log=$(mktemp)
    if cargo fuzz run "$target" "corpus/$target" "seeds/$target" -- \
        -max_total_time="$seconds" -rss_limit_mb=1024 -malloc_limit_mb=512 -timeout=10 -max_len=65536 \
        -print_final_stats=1 >"$log" 2>&1; then
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
        echo "$target: $runs runs, no failure"
    else
        echo "$target: FAILED"
        tail -n 40 "$log"
        failed=1
    fi
    rm -f "$log"
done
exit $failed
