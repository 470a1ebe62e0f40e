#!/bin/sh
# Prints the Debian archive that this machine's apt already uses: $DEBIAN_MIRROR if it is set, nothing
# if there is none among apt's sources.
set -eu
if [ -n "${DEBIAN_MIRROR-}" ]; then
    echo "$DEBIAN_MIRROR"
    exit 0
fi
# shellcheck source=/dev/null
. /etc/os-release 2>/dev/null || true
# apt reads its two source formats itself. The main archive is the line whose suite is a plain name
# (bookworm, stable), not bookworm-security or a vendor's.
# shellcheck disable=SC2016 # apt's own variables
apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' |
    awk -v name="${VERSION_CODENAME-}" '
        $1 == name || $1 ~ /^((old)?stable|testing|unstable|sid|forky)$/ { print $2; exit }'
