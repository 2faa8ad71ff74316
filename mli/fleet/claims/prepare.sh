#!/bin/sh
# Prepares this device to become a core of the fleet by itself: run it once, before the nucleus.
#
#   sudo sh prepare.sh                the core is named after the host
#   sudo sh prepare.sh press-7        ... or like this
#   sudo sh prepare.sh "press-$(tr -d '\0' < /proc/device-tree/serial-number)"
#   sudo sh prepare.sh "press-$(cat /sys/class/dmi/id/product_serial)"
#
# Every device needs a name of its own: a second one of the same name is refused.
set -eu
LC_ALL=C
export LC_ALL
cd "$(dirname "$0")"

name=${1:-$(uname -n)}
fail() {
    echo "prepare.sh: $1" >&2
    exit 1
}
case $name in
    [A-Za-z0-9]*) ;;
    *) fail "the name '$name' must begin with a letter or digit: sh prepare.sh NAME" ;;
esac
case $name in
    *[!A-Za-z0-9_-]*)
        fail "the name '$name' may have letters, digits, - and _ only: sh prepare.sh NAME" ;;
esac
[ ${#name} -le 64 ] || fail "the name '$name' is longer than 64 characters: sh prepare.sh NAME"

configuration=config.yaml
[ -f "$configuration" ] || configuration=config.d/zz-mli.yaml
sed "s/\"CoreName\": \"[^\"]*\"/\"CoreName\": \"$name\"/" "$configuration" > "$configuration.new"
mv "$configuration.new" "$configuration"

# The plugin of the classic nucleus reads a signing request; nucleus lite makes key and request.
if grep -q '"csrPath"' "$configuration"; then
    command -v openssl > /dev/null || fail "it needs openssl: install it, then repeat"
    umask 077
    if [ ! -s privKey.key ]; then
        openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out privKey.new
        mv privKey.new privKey.key
    fi
    openssl req -new -key privKey.key -subj "/CN=$name" -out device.csr
fi
echo "this device becomes the core $name"
