#!/bin/sh
# Fetches DTrace for Linux into a folder of its own and leaves a command there that starts it.
#
#     fetch-dtrace.sh [FOLDER]      default: ${XDG_CACHE_HOME:-$HOME/.cache}/iobench/dtrace
#     FOLDER/dtrace -V
#
# Why not simply install it: only Debian's next release (forky) packages DTrace 2, built against a
# newer C library than today's systems have. Unpacked beside its own C library and started by its own
# loader it needs nothing of the host's and changes nothing on it.
#
# The mirror is the one that this machine's apt already uses; on a system that is not Debian,
# name one: DEBIAN_MIRROR=<address> fetch-dtrace.sh
set -eu

suite=forky
packages='dtrace libdtrace2 libc6 libctf-nobfd0 libelf1t64 libsframe3 zlib1g libpcap0.8t64 libpfm4
    libzstd1 libdbus-1-3 libsystemd0 libcap2'

step='reading the arguments'
fail() { # REASON REMEDY
    printf 'fetch-dtrace: %s failed: %s\n    %s\n' "$step" "$1" "$2" >&2
    exit 1
}

case "${1-}" in -*) fail "unknown option $1" 'usage: fetch-dtrace.sh [FOLDER]' ;; esac
[ $# -le 1 ] || fail 'more than one folder' 'usage: fetch-dtrace.sh [FOLDER]'
[ -n "${1-}${XDG_CACHE_HOME-}${HOME-}" ] || fail 'HOME is not set' 'name a folder: fetch-dtrace.sh FOLDER'
folder=${1:-${XDG_CACHE_HOME:-${HOME-}/.cache}/iobench/dtrace}

step='making the folder'
mkdir -p "$folder" || fail "cannot make $folder" 'name a folder that you may write: fetch-dtrace.sh FOLDER'
folder=$(cd "$folder" && pwd) || fail "cannot enter $folder" 'name a folder that you may write'
case "$folder" in *[[:space:]]*) fail "apt cannot read a path with a space in it ($folder)" 'name another folder' ;; esac

# The command is written last: where it is, everything before it has succeeded.
if version=$("$folder/dtrace" -V 2>/dev/null); then
    echo "$folder/dtrace ($version)"
    exit 0
fi

step='looking for apt-get and dpkg'
for tool in apt-get dpkg; do
    command -v "$tool" >/dev/null || fail "$tool is not there" \
        "DTrace is fetched from Debian's packages; elsewhere build it: https://github.com/oracle/dtrace"
done

step="finding the mirror in apt's own sources"
mirror=$("$(dirname "$0")/../debian-mirror.sh")
[ -n "$mirror" ] || fail 'no Debian archive among them' 'name one: DEBIAN_MIRROR=<address> fetch-dtrace.sh'

# An apt configuration of its own: the host's package lists, cache and database are neither read nor
# changed. An apt.conf of the host (a proxy, say) still counts.
apt=$folder/apt
step='preparing a folder for apt'
mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$folder/packages" ||
    fail "cannot write below $folder" 'free some room or name another folder'
: >"$apt/status"
keys=
for ring in /usr/share/keyrings/debian-archive-keyring.gpg /usr/share/keyrings/debian-archive-keyring.pgp; do
    [ ! -e "$ring" ] || keys="[signed-by=$ring]"
done
echo "deb $keys $mirror $suite main" >"$apt/sources.list"
own_apt() {
    apt-get -q -o Dir::Etc::SourceList="$apt/sources.list" -o Dir::Etc::SourceParts=/dev/null \
        -o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null \
        -o Dir::State="$apt" -o Dir::State::Lists="$apt/lists" -o Dir::State::status="$apt/status" \
        -o Dir::Cache="$apt/cache" -o Acquire::Check-Valid-Until=false -o APT::Sandbox::User="$(id -un)" \
        -o Acquire::Languages=none "$@"
}

step="reading the package list of $suite"
own_apt update --error-on=any >"$apt/update.log" 2>&1 ||
    fail "$(grep -m 1 '^[EW]:' "$apt/update.log" || tail -n 1 "$apt/update.log")" \
        "$mirror must be reachable and carry the suite $suite; another one: DEBIAN_MIRROR=<address> fetch-dtrace.sh"

step='downloading the packages'
# shellcheck disable=SC2086 # one word a package
(cd "$folder/packages" && own_apt download $packages) >"$apt/download.log" 2>&1 ||
    fail "$(grep -m 1 '^[EW]:' "$apt/download.log" || tail -n 1 "$apt/download.log")" \
        "$(dpkg --print-architecture) must be among the architectures of Debian's dtrace (amd64, arm64)"

step='unpacking the packages'
for package in "$folder"/packages/*.deb; do
    dpkg -x "$package" "$folder" || fail "$package does not unpack" "delete $folder and start again"
done

step='finding what was unpacked'
set -- "$folder"/usr/lib/*-linux-gnu*/ld-linux*.so.*
loader=$1
libraries=${loader%/*}
[ -x "$loader" ] || fail 'no loader among the packages' "delete $folder and start again"
[ -x "$folder/usr/sbin/dtrace" ] || fail 'no dtrace among the packages' "delete $folder and start again"

step='mending io.d'
# The D libraries name the kernel's table of device names, which a kernel without CONFIG_KALLSYMS_ALL
# does not show; then no script at all would compile. It serves only to translate a major number of a
# tape or pseudo device into a name, so a fixed word does instead.
# shellcheck disable=SC2016 # the back-quote is D's
find "$libraries/dtrace" -name io.d -exec sed -i -z \
    's/stringof([^;]*`major_names[^;]*->name)/"unknown"/' {} + ||
    fail 'sed could not edit it' 'GNU sed is needed'
! grep -rq major_names "$libraries/dtrace" ||
    fail 'its text is not the expected one' 'this is a bug: please report it with the version of dtrace'

step='writing the command'
cat >"$folder/dtrace.new" <<WRAPPER || fail "cannot write $folder/dtrace" 'free some room or name another folder'
#!/bin/sh
# Starts the DTrace unpacked in this folder through its own loader and libraries.
here=\$(cd "\$(dirname "\$(readlink -f "\$0")")" && pwd)
lib=\$here/usr/lib/${libraries##*/}
# DTrace looks for its probes in debugfs; a tracefs mounted elsewhere is not enough.
if [ ! -d /sys/kernel/debug/tracing ]; then
    mount -t debugfs debugfs /sys/kernel/debug 2>/dev/null ||
        echo 'dtrace: debugfs is not mounted; as root: mount -t debugfs debugfs /sys/kernel/debug' >&2
fi
exec "\$lib/${loader##*/}" --library-path "\$lib" "\$here/usr/sbin/dtrace" -x syslibdir="\$lib/dtrace" "\$@"
WRAPPER
chmod +x "$folder/dtrace.new"

step='starting what was unpacked'
version=$("$folder/dtrace.new" -V 2>&1) || fail "$version" "delete $folder and start again"
mv "$folder/dtrace.new" "$folder/dtrace"
rm -rf "$apt" "$folder/packages"
echo "$folder/dtrace ($version)"
