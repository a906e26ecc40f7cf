# Functions for the scripts tests/check-*, which source this file. They print TAP and end with finish.
# shellcheck shell=sh

count=0
failures=0

# report WHAT FINDINGS: prints a test that passes if there are no findings.
report() {
    count=$((count + 1))
    if [ -z "$2" ]; then
        echo "ok $count - $1"
    else
        failures=$((failures + 1))
        echo "not ok $count - $1"
        printf '%s\n' "$2" | sed 's/^/# /'
    fi
}

# skip WHAT REASON: prints a test that is skipped.
skip() {
    count=$((count + 1))
    echo "ok $count - $1 # SKIP $2"
}

# missing HERE THERE: prints the lines of the first list that are not in the second.
missing() {
    printf '%s\n' "$1" | grep -vxF -e "$2"
}

# same WHAT HERE THERE: prints a test that passes if two lists, one entry a line, are equal as sets and not empty.
same() {
    if [ -z "$2" ] || [ -z "$3" ]; then
        report "$1" "nothing found to compare"
        return
    fi
    report "$1" "$(missing "$2" "$3" | sed 's/^/only in the former: /'
        missing "$3" "$2" | sed 's/^/only in the latter: /')"
}

# finish: prints the plan. Fails if a test has failed.
finish() {
    echo "1..$count"
    [ "$failures" -eq 0 ]
}
