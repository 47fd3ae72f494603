#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs whatever this machine has of many common programs, again and again, in a directory of its
# own: hundreds of executables in a profile. What is not there fails at once.
cd "$1" || exit 1
echo '#include <iostream>
#include <map>
#include <regex>
int main() { std::regex r("a"); std::map<int, int> m; std::cout << m[1]; }' > a.cc
echo 'int f(int x) { return x * 3; }' > a.c
every='import glob, importlib, sys, sysconfig
for p in glob.glob(sysconfig.get_path("platstdlib") + "/lib-dynload/*.so"):
    try:
        importlib.import_module(p.split("/")[-1].split(".")[0])
    except Exception:
        pass
print(sum(i * i for i in range(100000)))'
while :; do
    g++ -O1 -c a.cc -o a.o; gcc -O2 -c a.c -o b.o; clang -O2 -c a.c -o c.o
    ld -r a.o b.o -o d.o; objdump -d d.o; readelf -a d.o; nm d.o; strip d.o -o e.o; ar r f.a e.o
    for p in /usr/bin/python3*[0-9]; do $p -c "$every"; done
    perl -MPOSIX -e 'my %h; $h{$_ % 100} += $_ for 1..200000'
    node -e 'let s = 0; for (let i = 0; i < 3e6; i++) s += i % 7; console.log(s)'
    sqlite3 :memory: 'with recursive c(x) as (select 1 union all select x + 1 from c limit 100000)
                      select sum(x) from c'
    openssl speed -seconds 1 sha256; openssl genrsa 2048
    head -c 3000000 /usr/bin/perl > g; gzip -k -f g; xz -1 -k -f g; zstd -f g; bzip2 -k -f g
    sha256sum g; md5sum g; sort a.cc g; awk '{ n += length($0) } END { print n }' g
    grep -c e g; sed s/a/b/ g; tr a b < g; od -c g; cmp g g; diff g g; tar cf h.tar g; cksum g
    git init -q r; git -C r add -A; git -C r log; find /usr/share -name '*.conf'; ls -lR /usr/lib
    cmake --version; go version; tclsh /dev/null; redis-server --version
    lua -e 'x = 0 for i = 1, 1e6 do x = x + i end'; php -r 'echo 1;'; ruby -e 'p 1'; java -version
    dpkg -l; ps aux; ip addr; ss -a; curl --version; make --version
done
