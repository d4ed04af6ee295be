# Sourced by the scripts here: where fetched things live. A folder's name carries the checksum of
# the file that lists its content, so a change of the list is a new folder and never a half-old one.
# shellcheck shell=bash disable=SC2034

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
TURNPIKE_CACHE=${TURNPIKE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/turnpike}
kafka_jars=$TURNPIKE_CACHE/kafka-$(cksum <"$root/tests/kafka/pom.xml" | cut -d' ' -f1)
test_venv=$TURNPIKE_CACHE/python-$(cksum <"$root/tests/kafka/requirements.txt" | cut -d' ' -f1)
TURNPIKE_TEST_PYTHON=${TURNPIKE_TEST_PYTHON:-$test_venv/bin/python}
export TURNPIKE_CACHE TURNPIKE_TEST_PYTHON

die() {
  echo "${0##*/}: $*" >&2
  exit 1
}
