#!/bin/sh
# Builds one fuzz target with libFuzzer, ASan and UBSan: build.sh TARGET 'CPPFLAGS', sources on standard input.
set -eu
target=$1 cppflags=$2
srcs=$(grep -v "^tests/" )
eval clang $cppflags -MF /dev/null -g -O1 -std=c11 -pthread -fsanitize=fuzzer,address,undefined \
    -fno-sanitize-recover=all -w -o "build/fuzz/$target" "tests/fuzz/${target}_fuzz.c" $srcs \
    -lgrpc -lgpr -lprotobuf-c -levent_core -levent_extra -ljansson -lsystemd -lsqlite3 -lcurl -lssl -lcrypto
