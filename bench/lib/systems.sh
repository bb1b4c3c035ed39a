# The systems under measurement.  One file each below lib/peers, with functions
# NAME_available, and NAME_capture or NAME_subscribe, _pause, _resume, _mark, _wait.

all_peers="native slony pgq pglogical pgcopydb"

for file in "$bench"/lib/peers/*.sh; do
	. "$file"
done

# The packages that bring a peer.
peer_packages()
{
	case $1 in
		slony) echo "slony1-2-bin postgresql-$major-slony1-2" ;;
		pgq) echo "postgresql-$major-pgq3" ;;
		pglogical) echo "postgresql-$major-pglogical" ;;
		pgcopydb) echo "pgcopydb" ;;
	esac
}

# A peer that cannot be had is left out; everything else runs.
need_peers()
{
	local peer
	local packages

	for peer in $all_peers; do
		packages=$(peer_packages "$peer")
		if [ -n "$packages" ] && ! "${peer}_available"; then
			# shellcheck disable=SC2086
			offer_packages $packages
			"${peer}_available" || say "$peer is not available; it is left out"
		fi
	done
}

# Usage: available SYSTEM ...  Those of them that are there.
available()
{
	local system

	for system in "$@"; do
		if "${system}_available"; then
			echo "$system"
		fi
	done
}
