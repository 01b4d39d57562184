#!/bin/bash
# certificates.sh FOLDER NAME=ADDRESS... : an authority, and for each host a certificate for its address.
set -euo pipefail

folder=$1
shift
mkdir -p "$folder"
cd "$folder"
[ ! -e complete ] || { echo "unchanged"; exit 0; }
umask 077
curve=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes)
openssl req -x509 "${curve[@]}" -days 30 -subj "/CN=test authority" -keyout ca.key -out ca.pem 2> /dev/null
for host in "$@"; do
    name=${host%%=*} address=${host#*=}
    openssl req "${curve[@]}" -subj "/CN=$name" -keyout "$name.key" -out "$name.csr" 2> /dev/null
    openssl x509 -req -in "$name.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -out "$name.pem" \
        -extfile <(printf 'subjectAltName=IP:%s,DNS:%s' "$address" "$name") 2> /dev/null
done
touch complete
echo "changed"
