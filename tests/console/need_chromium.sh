#!/bin/sh
# Debian's Chromium, installed where it is missing. Where it can't be had this fails: no test is skipped for want of a browser.
set -eu
if [ -n "${SNAP6D_CHROMIUM:-}" ] || command -v chromium >/dev/null; then exit 0; fi
fail() {
  echo "make test-console needs a Chromium, and $1." >&2
  echo "Install Debian's package: apt-get install chromium. Or set SNAP6D_CHROMIUM to the path of any Chromium or Chrome." >&2
  exit 1
}
command -v apt-get >/dev/null || fail "there is no apt-get here to install it"
[ "$(id -u)" = 0 ] || fail "only root can install it"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq || fail "Debian's list of packages can't be fetched"
apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null || fail "apt-get could not install it"
command -v chromium >/dev/null || fail "the package chromium brought none"
