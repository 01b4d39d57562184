#!/bin/bash
# sanity.sh ANSIBLE_ENVIRONMENT: all of `ansible-test sanity` on the collection as it is built and installed elsewhere.
# `make sanity` calls it. ansible-test would fetch get-pip.py from a server of Ansible's; a wheel of pip, from the same
# index as everything else, does what it does.
set -euo pipefail

cd "$(dirname "$0")/.."
bin=$(realpath "$1")/bin
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# Nothing of this user's, shims on the path included: a home of its own, where ansible-test also looks for its cache.
export HOME=$scratch/home PATH=$bin:/usr/bin:/bin ANSIBLE_COLLECTIONS_PATH=$scratch
"$bin/ansible-galaxy" collection build --output-path "$scratch" . > /dev/null
"$bin/ansible-galaxy" collection install --no-deps \
    --collections-path "$scratch" "$scratch"/jivs-extraction-*.tar.gz > /dev/null

cache=$HOME/.ansible/test/cache
mkdir -p "$cache"
version=$(sed -n "s/^ *pip='\(.*\)',/\1/p" "$bin"/../lib/python3*/site-packages/ansible_test/_internal/python_requirements.py)
"$bin/pip" download --quiet --no-deps --dest "$cache" "pip==$version"
cat > "$cache/get_pip_${version//./_}.py" <<PYTHON
import runpy, sys
sys.path.insert(0, "$cache/pip-$version-py3-none-any.whl")
sys.argv[1:] = ["install", *(word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel"))]
runpy.run_module("pip", run_name="__main__", alter_sys=True)
PYTHON

mkdir "$scratch/ansible_collections/jivs/extraction/tests"
cp -r tests/sanity "$scratch/ansible_collections/jivs/extraction/tests"
cd "$scratch/ansible_collections/jivs/extraction"
ansible-test sanity --venv --color no "${@:2}"
