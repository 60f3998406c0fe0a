#!/bin/sh
# Install or upgrade Repondeur on Debian 12 or later, as root:
#
#   deploy/install.sh dist/repondeur-VERSION-py3-none-any.whl
#
# What it makes: the program in /opt/repondeur, the user repondeur, /var/lib/repondeur,
# /etc/repondeur/repondeur.toml, /etc/logrotate.d/repondeur, and systemd's units. It can be run
# again; settings and data stay.
# It starts nothing that did not run, and restarts the service if it did.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
lock=$here/../requirements.lock
home=/opt/repondeur
[ "$(id -u)" = 0 ] || { echo "install.sh: run it as root" >&2; exit 2; }
[ $# = 1 ] && [ -f "$1" ] || { echo "usage: install.sh WHEEL (make one: uv build --wheel)" >&2; exit 2; }
[ -f "$lock" ] || { echo "install.sh: $lock is missing: unpack the whole release" >&2; exit 2; }

if ! python3 -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    apt-get update
    apt-get install --yes --no-install-recommends python3 python3-venv
fi
if ! getent passwd repondeur >/dev/null; then
    useradd --system --user-group --no-create-home --home-dir /var/lib/repondeur \
        --shell /usr/sbin/nologin repondeur
fi

# The new version is complete beside the old one before it takes its place.
new=$home-$$
trap 'rm -rf "$new"' EXIT
python3 -m venv "$new"
"$new/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r "$lock"
"$new/bin/pip" install --quiet --disable-pip-version-check --no-deps "$1"
"$new/bin/python" -m compileall -q "$new/lib" || true # some libraries keep files for other Pythons
# A venv's scripts name its folder; the final name is written into them before the change.
grep -rlI "$new" "$new/bin" "$new/pyvenv.cfg" | xargs sed -i "s|$new|$home|g"
mkdir -p "$new/share"
cp -r "$here/../docs" "$here"/grafana "$here"/prometheus "$new/share/"
rm -rf "$home.old"
[ ! -e "$home" ] || mv "$home" "$home.old"
mv "$new" "$home"
ln -sf "$home/bin/repondeur" /usr/local/bin/repondeur

install -d -m 0700 -o repondeur -g repondeur /var/lib/repondeur
install -d -m 0750 -o root -g repondeur /etc/repondeur
[ -e /etc/repondeur/repondeur.toml ] ||
    install -m 0640 -o root -g repondeur "$here/repondeur.toml" /etc/repondeur/repondeur.toml
grep -q '^data_dir' /etc/repondeur/repondeur.toml ||
    printf '\ndata_dir = "/var/lib/repondeur"\n' >>/etc/repondeur/repondeur.toml
install -m 0644 "$here"/systemd/repondeur.service "$here"/systemd/repondeur-backup.service \
    "$here"/systemd/repondeur-backup.timer /etc/systemd/system/
[ -e /etc/logrotate.d/repondeur ] ||
    install -D -m 0644 "$here/logrotate" /etc/logrotate.d/repondeur

if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    systemctl try-restart repondeur
fi
echo "Installed $("$home/bin/repondeur" --version)."
echo "Next: edit /etc/repondeur/repondeur.toml, then: systemctl enable --now repondeur"
