# shellcheck shell=bash
# Checks what the project needs of the machine, and installs what is missing when asked to.
# Sourced by scripts/demo, scripts/test and scripts/test-clients, which call
#     require_prerequisites "$install" rust c openssl java maven [python] [go] [node]
# with install=yes or no. Each prerequisite X has have_X (is it there?), why_X (what it is for) and a line in packages_of
# (where it comes from on Debian and Ubuntu). Written for bash 3.2, which is what macOS has.

# The project's top folder; the scripts that source this one use it too.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# rustup's own place, which a fresh installation has not yet put on the PATH of this shell.
if [ -d "${CARGO_HOME:-$HOME/.cargo}/bin" ]; then
    PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
fi

say() { printf '%s\n' "$*" >&2; }

rust_version() { sed -n 's/^channel = "\(.*\)"$/\1/p' "$root/rust-toolchain.toml"; }

have_rust() {
    (cd "$root" && RUSTUP_AUTO_INSTALL=0 cargo --version && RUSTUP_AUTO_INSTALL=0 rustc --version) 2>/dev/null |
        grep -q "^rustc $(rust_version) "
}
why_rust() { echo "Rust $(rust_version) (cargo and rustc), the toolchain pinned in rust-toolchain.toml"; }

have_c() { command -v cc && command -v c++ && command -v make; } >/dev/null 2>&1
why_c() { echo "a C and a C++ compiler and make, to build librdkafka and zstd"; }

# Homebrew keeps OpenSSL where only the build script of openssl-sys looks for it.
have_openssl() { pkg-config --exists openssl || [ -d "$(brew --prefix openssl@3)" ]; } 2>/dev/null
why_openssl() { echo "pkg-config and the headers of OpenSSL, for TLS to Kafka and to the registry"; }

java_major() { java -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p' | head -n 1; }
have_java() { local major; major=$(java_major) && [ "${major:-0}" -ge 17 ]; } 2>/dev/null
why_java() { echo "Java 17 or newer, which runs the Apache Kafka of the development default"; }

have_maven() { command -v mvn; } >/dev/null 2>&1
why_maven() { echo "Maven (mvn), which fetches Apache Kafka's jars"; }

have_python() { python3 -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))'; } 2>/dev/null
why_python() { echo "Python 3.11 or newer with venv, for the tests that use Confluent's Python client"; }

# What go.mod asks for; a Go from 1.21 on fetches that by itself where it may.
have_go() { (cd "$root/tests/clients/go" && go list -m); } >/dev/null 2>&1
why_go() { echo "Go $(sed -n 's/^go //p' "$root/tests/clients/go/go.mod") or newer, for the tests that use registry clients of Go"; }

have_node() { node -e 'process.exit(Number(parseInt(process.versions.node) < 18))' && npm --version; } >/dev/null 2>&1
why_node() { echo "Node 18 or newer with npm, for the tests that use Confluent's client for Node"; }

# The Debian and Ubuntu packages of one prerequisite; rust is installed by install_rust.
packages_of() {
    case $1 in
        rust) ;;
        c) echo build-essential ;;
        openssl) echo pkg-config libssl-dev ;;
        java) newest_jdk_package ;;
        maven) echo maven ;;
        python) echo python3 python3-venv ;;
        go) echo golang-go ;;
        node) echo nodejs npm ;;
    esac
}

# `apt-cache show` also knows packages that cannot be installed.
can_apt_install() { apt-cache policy "$1" | grep -q 'Candidate: [0-9]'; }

# Distributions differ in which JDKs they carry, and their default may be older than 17.
newest_jdk_package() {
    local major
    for major in 21 17 25; do
        if can_apt_install "openjdk-$major-jdk-headless"; then
            echo "openjdk-$major-jdk-headless"
            return
        fi
    done
    echo default-jdk-headless
}

# The line to type, by platform; $1 says whether --install was given, and so has failed.
how_to_install() {
    local install=$1 system=unknown
    if [ "$(uname -s)" = Darwin ]; then
        system=macos
    elif [ -r /etc/os-release ]; then
        system=$(. /etc/os-release && echo "${ID:-} ${ID_LIKE:-}")
    fi
    case " $system " in
        *" debian "* | *" ubuntu "*)
            if [ "$install" = yes ]; then
                say "  --install could not do it; what went wrong is said above. Rust comes from the package rustup or from https://rustup.rs."
            else
                say "  Run this again with --install to have it installed by apt-get (and Rust by rustup)."
            fi
            ;;
        *" macos "*)
            say "  xcode-select --install"
            say "  brew install pkg-config openssl@3 openjdk@21 maven python go node rustup && rustup toolchain install"
            ;;
        *" fedora "* | *" rhel "*)
            say "  sudo dnf install gcc gcc-c++ make pkgconf-pkg-config openssl-devel java-21-openjdk-headless maven python3 golang nodejs-npm rustup"
            say "  rustup-init -y && rustup toolchain install"
            ;;
        *) say "  Install these with your system's package manager; Rust comes from https://rustup.rs." ;;
    esac
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        say "cannot install packages: this is not root, and sudo is missing. As root, run: $*"
        return 1
    fi
}

apt_install() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" >&2
}

install_rust() {
    if ! command -v rustup >/dev/null; then
        if can_apt_install rustup; then
            apt_install rustup || return
        else
            apt_install curl ca-certificates || return
            curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs |
                sh -s -- -y -q --profile minimal --default-toolchain none >&2 || return
            PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
        fi
    fi
    rustup toolchain install "$(rust_version)" --profile minimal --component clippy --component rustfmt >&2
}

# Installs the prerequisites given; those that stay missing are found by the check that follows.
install_missing() {
    command -v apt-get >/dev/null || return 0
    local name packages=""
    as_root apt-get update -q >&2 || say "apt-get update failed; going on with the package lists there are"
    for name in "$@"; do packages+=" $(packages_of "$name")"; done
    if [ -n "${packages// /}" ]; then
        say "installing$packages"
        # shellcheck disable=SC2086 # one word is one package
        apt_install $packages || say "apt-get install failed"
    fi
    case " $* " in *" rust "*) install_rust || say "installing Rust failed" ;; esac
}

# Those of the given prerequisites that are missing, in one line.
missing_of() {
    local name missing=""
    for name in "$@"; do
        "have_$name" >/dev/null || missing+="$name "
    done
    echo "$missing"
}

require_prerequisites() {
    local install=$1 missing name
    shift
    missing=$(missing_of "$@")
    if [ -n "$missing" ] && [ "$install" = yes ]; then
        # shellcheck disable=SC2086 # one word is one prerequisite
        install_missing $missing
        hash -r
        missing=$(missing_of "$@")
    fi
    [ -n "$missing" ] || return 0
    say "missing on this machine:"
    for name in $missing; do say "- $("why_$name")"; done
    say "How to install:"
    how_to_install "$install"
    return 1
}

# The environment with the Python clients of the tests, in MESHLOG_TEST_PYTHON. The stamp makes the next run skip this
# unless the requirements have changed.
prepare_python() {
    local requirements=$root/tests/clients/requirements.txt environment=$root/target/python-venv
    if ! cmp -s "$requirements" "$environment/installed-requirements.txt"; then
        say "installing the Python clients of the tests into target/python-venv"
        python3 -m venv --clear "$environment"
        "$environment/bin/python" -m pip install -q --disable-pip-version-check -r "$requirements"
        cp "$requirements" "$environment/installed-requirements.txt"
    fi
    export MESHLOG_TEST_PYTHON=$environment/bin/python
}
