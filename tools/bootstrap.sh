#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Makes sure that there is a cargo, builds the host-side program with it and runs that program.
set -eu

minimum=85 # of Rust 1.x

repo=$(cd "$(dirname "$0")/.." && pwd -P)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/linux-virtio-rs

# tools/xtask/src/project.rs forms the same name.
name=$(basename "$repo" | LC_ALL=C tr -c 'A-Za-z0-9._\n-' _)-$(printf %s "$repo" | sha256sum | cut -c1-8)
build=${BUILD:-$cache/checkouts/$name}

case $build in
*[[:space:]:]*)
	echo "error: the build directory is $build: kbuild takes no path with a space or a colon;" \
		"set BUILD= or XDG_CACHE_HOME=" >&2
	exit 1
	;;
esac

# Whether the cargo in directory $1 runs and is new enough.
fits() {
	minor=$("$1/cargo" --version 2>/dev/null | sed -n 's/^cargo 1\.\([0-9]*\)\..*/\1/p')
	[ -n "$minor" ] && [ "$minor" -ge "$minimum" ]
}

# The directory of a cargo that fits; the system's comes first, as it belongs to the kernel's rustc.
find_cargo() {
	for dir in /usr/bin "$(dirname "$(command -v cargo || echo /usr/bin/cargo)")"; do
		if fits "$dir"; then
			echo "$dir"
			return
		fi
	done
}

install_cargo() {
	case $(. /etc/os-release 2>/dev/null && echo "${ID:-} ${VERSION_ID:-}") in
	"debian 12") packages="cargo-web ca-certificates" ;;
	"debian 13") packages="cargo ca-certificates" ;;
	*)
		echo "error: cargo >= 1.$minimum is needed and not found; install it, then run make again:" \
			"it will list what else is missing" >&2
		exit 1
		;;
	esac
	if [ "$(id -u)" = 0 ]; then
		sudo=
	elif sudo -n true 2>/dev/null; then
		sudo="sudo -n"
	else
		echo "error: cargo >= 1.$minimum is needed; install it with:" \
			"sudo apt-get install --no-install-recommends $packages;" \
			"then run make again: it will list what else is missing" >&2
		exit 1
	fi
	echo "==> installing with apt-get: $packages"
	$sudo apt-get -qq update
	# shellcheck disable=SC2086
	$sudo env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $packages
}

dir=$(find_cargo)
if [ -z "$dir" ]; then
	install_cargo
	dir=$(find_cargo)
fi
if [ -z "$dir" ]; then
	echo "error: there is still no cargo >= 1.$minimum" >&2
	exit 1
fi

# The kernel's RUSTC= and the calling make's job server are not for cargo; its rustc is the one beside it.
cargo() {
	env -u RUSTC -u MAKEFLAGS -u MFLAGS PATH="$dir:$PATH" CARGO_TARGET_DIR="$build/target" "$dir/cargo" "$@"
}

manifest=$repo/tools/Cargo.toml
host=$(PATH="$dir:$PATH" rustc -vV | sed -n 's/^host: //p')
# Network is needed once, for what Cargo.lock names.
if ! cargo metadata --offline --locked --format-version 1 --filter-platform "$host" \
	--manifest-path "$manifest" >/dev/null 2>&1; then
	echo "==> fetching what the host-side program needs"
	cargo fetch --quiet --locked --target "$host" --manifest-path "$manifest"
fi
cargo build --quiet --offline --locked --manifest-path "$manifest" --package xtask

export CARGO="$dir/cargo"
cd "$repo"
exec "$build/target/debug/xtask" "$@"
