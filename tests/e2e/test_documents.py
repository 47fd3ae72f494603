#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Man pages, README and completions name the options, words and exit codes that the programs have."""

import os
import re
import shutil

from harness import PROFCTL, PROFD, ROOT, check, command, equal, run, temporary_directory, test

PACKAGING = os.path.join(ROOT, "packaging")
SUBCOMMANDS = ("record", "top", "list", "status", "doctor", "version", "help")


def text_of(*path):
    with open(os.path.join(*path), encoding="utf-8") as f:
        return f.read()


def man(name):
    """A man page with its escapes and the changes of font in a line taken out."""
    text = text_of(PACKAGING, "man", name)
    return re.sub(r"\\f[BIR]", "", text).replace("\\-", "-")


def output(*arguments):
    code, out, err = command(*arguments)
    equal((code, err), (0, ""), " ".join(arguments))
    return out


def keys():
    """The options of profd and their defaults, by what it prints."""
    out = output(PROFD, "--config=/dev/null", "--print-config")
    return dict(line.split("=", 1) for line in out.split("\n") if re.match(r"\w+=", line))


def flags(verb):
    """The long options of a verb, by its help."""
    return set(re.findall(r"^ +(?:-\w, )?(--\w+)", output(PROFCTL, verb, "--help"), re.M))


def words(option):
    """What a list of --reason or --lock may hold, by the refusal of another."""
    _, _, err = command(PROFCTL, "top", "--type=block", f"--{option}=nonsense")
    return re.findall(r"\w+", err.split("is none of:")[1])


@test
def keys_in_the_man_page():
    described = re.findall(r"^\.TP\n\.IR? (\w+)$", man("profd.conf.5").replace(", \n", "\n"), re.M)
    described += [key for line in re.findall(r"^\.TP\n\.IR (.*)$", man("profd.conf.5"), re.M)
                  for key in re.findall(r"\w+", line)]
    equal(sorted(set(keys()) - set(described)), [], "keys that profd.conf(5) lacks")
    equal(sorted({key for key in described if "_" in key} - set(keys())), [],
          "keys that only profd.conf(5) has")


@test
def keys_in_the_readme():
    rows = dict(re.findall(r"^\| `(\w+)` \|(.*?) \|", text_of(ROOT, "README.md"), re.M))
    for key, value in keys().items():
        check(key in rows, f"README.md lacks {key}")
        equal(rows[key].strip("` "), value, f"default of {key} in README.md")


@test
def options_in_the_man_page():
    page = man("profctl.1")
    for verb in SUBCOMMANDS:
        for flag in flags(verb):
            check(re.search(rf"^\.BR?I? .*{flag}\b", page, re.M), f"profctl(1) lacks {flag}")


@test
def words_in_the_man_page():
    page = man("profd.8")
    for option in ("reason", "lock"):
        for word in words(option):
            check(re.search(rf"^\.BR? .*\b{word}\b", page, re.M), f"profd(8) lacks {word}")


@test
def exit_codes():
    def described(page):
        return man(page).split(".SH EXIT STATUS")[1].split("\n.SH")[0]

    equal(re.findall(r"^\.B (\d+)$", described("profd.8"), re.M),
          re.findall(r"^  (\d)  ", output(PROFD, "--help"), re.M), "profd(8)")
    header = text_of(ROOT, "userspace", "profctl", "profctl.h")
    for code in re.findall(r"PROFCTL_\w+ = (\d+),", header):
        check(re.search(rf"\b{code}\b", described("profctl.1")), f"profctl(1) lacks {code}")


def bash_offers(line):
    """What bash completes the last word of a line to."""
    script = (f"source {PACKAGING}/completions/profctl.bash; COMP_WORDS=(\"$@\"); "
              "COMP_CWORD=$(($# - 1)); _profctl; printf '%s\\n' \"${COMPREPLY[@]}\"")
    return set(output("bash", "-c", script, "bash", *line).split())


@test
def completion_of_bash():
    for verb in SUBCOMMANDS:
        check(verb in bash_offers(["profctl", ""]), verb)
        equal(bash_offers(["profctl", verb, "--"]) - {"--"}, flags(verb), verb)
    for option in ("reason", "lock"):
        equal(bash_offers(["profctl", "top", f"--{option}", ""]), set(words(option)), option)


@test
def completion_of_other_shells():
    every = set().union(*(flags(verb) for verb in SUBCOMMANDS))
    zsh = text_of(PACKAGING, "completions", "_profctl")
    fish = text_of(PACKAGING, "completions", "profctl.fish")
    equal(set(re.findall(r"--\w\w+", zsh)), every, "zsh")
    equal({f"--{name}" for name in re.findall(r"^complete.* -l (\w+)", fish, re.M)}, every, "fish")
    for verb in SUBCOMMANDS:
        check(f"'{verb}:" in zsh, f"zsh lacks {verb}")
        check(f"-a {verb} " in fish, f"fish lacks {verb}")
    for option in ("reason", "lock"):
        check(" ".join(words(option)) in zsh, f"zsh: words of {option}")
        check(" ".join(words(option)) in fish, f"fish: words of {option}")


def files_below(directory):
    return {os.path.relpath(os.path.join(where, name), directory)
            for where, _, names in os.walk(directory) for name in names}


@test
def what_is_installed_can_be_removed():
    target = temporary_directory()

    def make(goal):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
        code, _, err = command("make", "-C", ROOT, "-o", "all", goal, f"DESTDIR={target}",
                               "PREFIX=/usr/local", env=environment)
        equal(code, 0, f"make {goal}: {err}")
        return files_below(target)

    installed = make("install")
    for name in ("usr/local/bin/profd", "usr/local/bin/profctl", "etc/profd/profd.conf",
                 "usr/lib/systemd/system/profd.service", "usr/local/share/man/man8/profd.8"):
        check(name in installed, f"{name} is not installed")
    with open(os.path.join(target, "etc/profd/profd.conf"), "a", encoding="utf-8") as f:
        f.write("window=5s\n")
    equal(make("uninstall"), {"etc/profd/profd.conf"}, "a changed configuration stays")
    equal(make("install"), installed, "installed again")
    shutil.copy(os.path.join(ROOT, "systemd", "profd.conf"), os.path.join(target, "etc/profd"))
    equal(make("uninstall"), set(), "all of it is removed")


if __name__ == "__main__":
    run(needs_root=False)
