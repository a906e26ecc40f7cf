# Functions for the bash scripts in tools, which source this file.
# shellcheck shell=bash

# Prefer the programs of Debian's packages to others of the same name.
PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH
export LC_ALL=C.UTF-8

# The packages for `make` and `make install`.
# shellcheck disable=SC2034
BUILD_PACKAGES=(
	gcc libc6-dev make autoconf automake pkg-config
	libfcgi-dev libjson-c-dev libcsv-dev libpq-dev libinih-dev libssl-dev zlib1g-dev libcurl4-openssl-dev
	libical-dev
)

die() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

# pg_bindir: prints the directory of the programs of the newest PostgreSQL. Fails if it is older than 15.
pg_bindir() {
	local dir version newest=14
	for dir in /usr/lib/postgresql/*/bin; do
		version=${dir#/usr/lib/postgresql/}
		version=${version%/bin}
		if [[ $version =~ ^[0-9]+$ && -x $dir/initdb ]] && ((version > newest)); then
			newest=$version
		fi
	done
	((newest > 14)) && echo "/usr/lib/postgresql/$newest/bin"
}

# missing_packages PACKAGE...: prints the packages that are not installed, one on each line. Any PostgreSQL of at least
# version 15 satisfies postgresql.
missing_packages() {
	local package installed
	installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null || true)
	for package; do
		if [ "$package" = postgresql ]; then
			pg_bindir >/dev/null || echo postgresql
		elif ! grep -qx "installed $package" <<<"$installed"; then
			echo "$package"
		fi
	done
}

as_root() {
	if ((EUID == 0)); then "$@"; else sudo "$@"; fi
}

# install_packages LOG PACKAGE...: installs the missing packages. Uses the network only if a package is missing.
#
# Debian's packages of web servers, postgresql and prometheus start a server when they are installed. This function
# prevents that, now and at the next boot. It does not change packages that were installed before.
install_packages() {
	local log=$1 missing scratch status=0
	shift
	missing=$(missing_packages "$@")
	[ -n "$missing" ] || return 0

	command -v apt-get >/dev/null ||
		die "apt-get is not available, and these Debian packages are missing: ${missing//$'\n'/ }"
	((EUID == 0)) || command -v sudo >/dev/null ||
		die "root privileges are required, but sudo is not installed; as root, run: apt-get install ${missing//$'\n'/ }"

	# One installation at a time, because several scripts may run concurrently on this machine.
	exec 8</var/lib/dpkg
	flock 8
	missing=$(missing_packages "$@")
	if [ -n "$missing" ]; then
		echo "Installing packages: ${missing//$'\n'/ }"
		scratch=$(mktemp -d)
		# pg_createcluster reads this file when the package creates its cluster.
		echo "start_conf = 'disabled'" >"$scratch/createcluster.conf"
		# shellcheck disable=SC2086
		apt_install "$scratch" $missing >>"$log" 2>&1 || status=$?
		rm -r "$scratch"
	fi
	exec 8<&-
	[ -z "$(missing_packages "$@")" ] || status=1
	((status == 0)) || {
		tail -n 20 "$log" >&2
		die "the packages could not be installed: see $log"
	}
}

apt_install() {
	local scratch=$1 package units=() status=0
	shift
	for package in apache2 lighttpd nginx prometheus; do
		if [[ -d /run/systemd/system && " $* " == *" $package "* ]]; then
			units+=("$package.service")
			[ "$package" != apache2 ] || units+=(apache-htcacheclean.service)
		fi
	done
	((${#units[@]} == 0)) || as_root systemctl mask --runtime "${units[@]}"
	as_root apt-get -q update || true
	as_root env DEBIAN_FRONTEND=noninteractive PGSYSCONFDIR="$scratch" \
		apt-get -q -y -o DPkg::Lock::Timeout=600 install --no-install-recommends "$@" </dev/null || status=1
	if ((${#units[@]} > 0)); then
		as_root systemctl disable "${units[@]}"
		as_root systemctl unmask --runtime "${units[@]}"
	fi
	return $status
}

# source_files DIRECTORY: prints the sorted relative paths of the project's files in a checkout or a copy of one. Files
# that builds and tests create are not among them.
source_files() (
	cd "$1" || exit
	entries=()
	for entry in configure.ac Makefile.am .gitignore ./*.md LICENSE .ci bench conf debian docs man sql src systemd tests \
		tools; do
		[ ! -e "$entry" ] || entries+=("$entry")
	done
	[ ${#entries[@]} -eq 0 ] || find "${entries[@]}" \
		\( -name .deps -o -name __pycache__ -o -name .pytest_cache \) -prune -o \
		-type f ! -name '*.[oa]' ! -path 'systemd/*.service' ! -name .dirstamp ! -name '*.log' ! -name '*.trs' \
		! -name '*.gcda' ! -name '*.gcno' \
		! -path bench/empty ! -path tests/database/notify ! -path tests/database/simulate_schedules \
		! \( \( -path 'tests/database/test_*' -o -path 'tests/unit/test_*' \) ! -name '*.c' \) -print |
		LC_ALL=C sort
)

# source_sums DIRECTORY: prints the checksum and path of each of source_files.
source_sums() (
	cd "$1" || exit
	source_files . | xargs -r -d '\n' sha256sum
)

# copy_sources CHECKOUT TO: updates a copy of the project's files. Only files that differ are written, with the current
# time, so that make rebuilds their targets.
copy_sources() {
	local from=$1 to=$2 have want
	mkdir -p "$to"
	have=$(source_sums "$to")
	want=$(source_sums "$from")
	# Each line has a checksum, two characters and the path.
	comm -23 <(cut -c67- <<<"$have") <(cut -c67- <<<"$want") | (cd "$to" && xargs -r -d '\n' rm -f --)
	comm -13 <(sort <<<"$have") <(sort <<<"$want") | cut -c67- |
		tar -C "$from" -c --verbatim-files-from -T - | tar -C "$to" -x --touch --no-same-owner
}
