#!/usr/bin/env python3
"""Makes the tables of weights beside this file.

    make.py --socket /path/to/mariadb.sock --ducet /path/to/allkeys-9.0.0.txt

general.weights, unicode.weights and unicode520.weights are what a MariaDB answers to WEIGHT_STRING for
every code point: utf8mb4_general_ci, utf8mb4_unicode_ci (UCA 4.0.0) and utf8mb4_unicode_520_ci
(UCA 5.2.0) have the same weights in MySQL. uca0900.weights comes from Unicode's allkeys.txt of UCA
9.0.0, which MySQL 8's 0900 collations are made of: entries of single code points; MySQL takes none of
the contractions. What follows from a formula (ideographs, unassigned code points, Hangul syllables of
9.0.0) is left out here and computed in src/collation/weights.rs.

A file is zlib's format around little-endian numbers: how many sequences there are (u32), the
sequences, how many code points have one (u32), and per code point the distance from the one before
(u32) and the number of its sequence (u32). A sequence is the number of its weights on the first, second
and third level (u8 each), then those weights (u16 each). Weights of zero are no weights.
"""

import argparse
import pathlib
import re
import struct
import subprocess
import zlib

HERE = pathlib.Path(__file__).parent
QUERY = (
    "SELECT seq, HEX(WEIGHT_STRING(CONVERT(CHAR(seq USING utf32) USING utf8mb4) COLLATE {0}))"
    " FROM seq_0_to_1114111 WHERE seq NOT BETWEEN 55296 AND 57343"
)


def itself(code):
    return (code if code <= 0xFFFF else 0xFFFD,)


def implicit(code):
    if 0x3400 <= code <= 0x4DB5:
        base = 0xFB80
    elif 0x4E00 <= code <= 0x9FA5:
        base = 0xFB40
    else:
        base = 0xFBC0
    return (base + (code >> 15), (code & 0x7FFF) | 0x8000)


def implicit_in_plane_0(code):
    return implicit(code) if code <= 0xFFFF else (0xFFFD,)


def judged(socket, collation, formula):
    """First-level weights of every code point that the formula does not give."""
    command = ["mariadb", "--no-defaults", "-S", socket, "-uroot", "-N", "-B"]
    command += ["--default-character-set=utf8mb4", "mysql", "-e", QUERY.format(collation)]
    found = {}
    for line in subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines():
        code, weights = line.split("\t")
        words = tuple(int(weights[i : i + 4], 16) for i in range(0, len(weights), 4))
        words = tuple(w for w in words if w)
        if words != formula(int(code)):
            found[int(code)] = (words, (), ())
    return found


def ducet(path):
    entry = re.compile(r"^([0-9A-F]+)\s*;\s*((?:\[[.*][0-9A-F.]+\])+)")
    found = {}
    for line in pathlib.Path(path).read_text(encoding="utf-8").splitlines():
        match = entry.match(line)
        if match:
            elements = re.findall(r"\[[.*]([0-9A-F]+)\.([0-9A-F]+)\.([0-9A-F]+)\]", match.group(2))
            levels = zip(*((int(weight, 16) for weight in element) for element in elements))
            found[int(match.group(1), 16)] = tuple(tuple(w for w in level if w) for level in levels)
    return found


def write(name, weights):
    sequences = sorted(set(weights.values()))
    numbers = {sequence: number for number, sequence in enumerate(sequences)}
    out = bytearray(struct.pack("<I", len(sequences)))
    for levels in sequences:
        out += bytes(len(level) for level in levels)
        out += b"".join(struct.pack("<H", weight) for level in levels for weight in level)
    out += struct.pack("<I", len(weights))
    last = 0
    for code in sorted(weights):
        out += struct.pack("<II", code - last, numbers[weights[code]])
        last = code
    packed = zlib.compress(bytes(out), 9)
    (HERE / name).write_bytes(packed)
    print(name, len(weights), "code points,", len(sequences), "sequences,", len(packed), "bytes")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--socket", required=True)
    parser.add_argument("--ducet", required=True)
    args = parser.parse_args()
    write("general.weights", judged(args.socket, "utf8mb4_general_ci", itself))
    write("unicode.weights", judged(args.socket, "utf8mb4_unicode_ci", implicit_in_plane_0))
    write("unicode520.weights", judged(args.socket, "utf8mb4_unicode_520_ci", implicit))
    write("uca0900.weights", ducet(args.ducet))


main()
