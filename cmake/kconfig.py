#!/usr/bin/python3
"""Reads Kconfig and a configuration; writes .config and autoconf.h.

Strict everywhere: an unknown symbol, a value out of range or one that its dependencies do not allow
is an error, in a defconfig, in an assignment, and in a .config that an older source tree has left.
"""
import argparse
import os
import sys

import kconfiglib


def fail(lines):
    for line in lines:
        print(f"kconfig: {line}", file=sys.stderr)
    sys.exit(1)


def load(kconf, path):
    kconf.warnings.clear()
    kconf.load_config(path)
    return refused(kconf)


def refused(kconf):
    """What was asked for and is not so."""
    for sym in kconf.unique_defined_syms:
        # computing a value is what makes kconfiglib warn of one out of range
        got, want = sym.str_value, sym.user_value
        if want is None:
            continue
        if sym.type in (kconfiglib.BOOL, kconfiglib.TRISTATE):
            want = kconfiglib.TRI_TO_STR[want]
        if got != want:
            kconf.warnings.append(f"{sym.name} was set to {want}, but its dependencies or its "
                                  f"range make it {got}")
    return list(kconf.warnings)


def assign(kconf, text):
    name, eq, value = text.partition("=")
    sym = kconf.syms.get(name.removeprefix("CONFIG_"))
    if not eq or sym is None or not sym.nodes:
        fail([f"{text}: not the assignment of a known symbol"])
    kconf.warnings.clear()
    if not sym.set_value(value.strip('"')) or kconf.warnings:
        fail(kconf.warnings or [f"{text}: not a value for this symbol"])


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--dotconfig", required=True)
    args.add_argument("--autoconf")
    args.add_argument("--defconfig")
    args.add_argument("--fresh", action="store_true", help="begin with the defconfig again")
    args.add_argument("assignments", nargs="*")
    args = args.parse_args()

    os.environ.setdefault("srctree", os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    kconf = kconfiglib.Kconfig(os.path.join(os.environ["srctree"], "Kconfig"), warn_to_stderr=False)
    kconf.warn_assign_undef = True
    kconf.warn_assign_override = kconf.warn_assign_redun = True
    if kconf.warnings:
        fail(kconf.warnings)

    if os.path.exists(args.dotconfig) and not args.fresh:
        faults = load(kconf, args.dotconfig)
        if faults:
            fail(faults + [f"{args.dotconfig} does not fit this source tree: mend it there, or "
                           "begin again (make defconfig BOARD=...)"])
    elif args.defconfig:
        if not os.path.exists(args.defconfig):
            fail([f"{args.defconfig}: no such defconfig"])
        faults = load(kconf, args.defconfig)
        if faults:
            fail(faults)
    for text in args.assignments:
        assign(kconf, text)
    if args.assignments:
        kconf.warnings.clear()
        faults = refused(kconf)
        if faults:
            fail(faults)
    kconf.write_config(args.dotconfig, save_old=False)
    if args.autoconf:
        kconf.write_autoconf(args.autoconf)


if __name__ == "__main__":
    main()
