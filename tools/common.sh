# What tools/quickstart and tools/check share, to be sourced by bash.
# shellcheck shell=bash

# The tools that Debian's packages bring come first, before others of the same name.
PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH
export LC_ALL=C.UTF-8

# What `make` and `make install` need.
# shellcheck disable=SC2034
BUILD_PACKAGES=(
	gcc libc6-dev make autoconf automake pkg-config
	libfcgi-dev libjson-c-dev libcsv-dev libpq-dev libinih-dev libssl-dev zlib1g-dev
)

die() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

# pg_bindir: where the programs of the newest PostgreSQL are, if it is 15 or later.
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

# missing_packages PACKAGE...: those that aren't installed, one a line. Any PostgreSQL from 15 on
# will do for postgresql.
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

# install_packages LOG PACKAGE...: installs what is missing and no more; the network is used only
# if something is.
#
# Debian's web servers, postgresql and prometheus start a server of their own when they are installed. Nobody asked
# for those, so they are kept from starting, now and at the next boot; where such a package was there
# before, nothing about it is changed.
install_packages() {
	local log=$1 missing scratch status=0
	shift
	missing=$(missing_packages "$@")
	[ -n "$missing" ] || return 0

	command -v apt-get >/dev/null || die "these Debian packages are missing: ${missing//$'\n'/ }"
	((EUID == 0)) || command -v sudo >/dev/null ||
		die "this needs root once, and sudo is not here: apt-get install ${missing//$'\n'/ }"

	# One at a time on this machine, as several homes may be set up at once.
	exec 8</var/lib/dpkg
	flock 8
	missing=$(missing_packages "$@")
	if [ -n "$missing" ]; then
		echo "Installing packages: ${missing//$'\n'/ }"
		scratch=$(mktemp -d)
		# pg_createcluster reads this for the cluster that comes with the package.
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

# source_files DIRECTORY: the project's own files in a checkout or a copy of one, by their paths in
# it, sorted. What a build or a test leaves there is not among them.
source_files() (
	cd "$1" || exit
	entries=()
	for entry in configure.ac Makefile.am .gitignore ./*.md LICENSE .ci bench conf debian docs man sql src systemd tests \
		tools; do
		[ ! -e "$entry" ] || entries+=("$entry")
	done
	[ ${#entries[@]} -eq 0 ] || find "${entries[@]}" \
		\( -name .deps -o -name __pycache__ -o -name .pytest_cache \) -prune -o \
		-type f ! -name '*.[oa]' ! -path 'systemd/*.service' ! -name .dirstamp ! -name '*.log' ! -name '*.trs' -print |
		LC_ALL=C sort
)

# source_sums DIRECTORY: checksum and path of each of source_files.
source_sums() (
	cd "$1" || exit
	source_files . | xargs -r -d '\n' sha256sum
)

# copy_sources CHECKOUT TO: brings a copy of a checkout's own files up to date. Only what differs is
# written, and dated now, so that make sees what to build again.
copy_sources() {
	local from=$1 to=$2 have want
	mkdir -p "$to"
	have=$(source_sums "$to")
	want=$(source_sums "$from")
	# A line is a checksum, two characters and the path.
	comm -23 <(cut -c67- <<<"$have") <(cut -c67- <<<"$want") | (cd "$to" && xargs -r -d '\n' rm -f --)
	comm -13 <(sort <<<"$have") <(sort <<<"$want") | cut -c67- |
		tar -C "$from" -c --verbatim-files-from -T - | tar -C "$to" -x --touch --no-same-owner
}
