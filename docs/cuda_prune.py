"""Leaves one GPU architecture in a CUDA library, so that it packs well: the code of the others becomes zeros, and the file keeps its size.

usage: cuda_prune.py IN.so OUT.so SM      (SM is 90 for H100 and H200)
"""
import struct
import sys

CONTAINER = struct.pack("<I", 0xBA55ED50)  # begins a container of device code in the section .nv_fatbin


def section(elf, wanted):
    """Where the ELF section of that name begins, and its size."""
    table, = struct.unpack_from("<Q", elf, 40)
    size, count, strings = struct.unpack_from("<3H", elf, 58)
    headers = [struct.unpack_from("<2I4Q", elf, table + i * size) for i in range(count)]
    names = headers[strings][4]
    for name, _, _, _, offset, length in headers:
        if elf.startswith(wanted + b"\0", names + name):
            return offset, length
    sys.exit("there is no section " + wanted.decode())


def main(source, target, keep):
    with open(source, "rb") as f:
        elf = bytearray(f.read())
    begin, length = section(elf, b".nv_fatbin")
    at, kept = begin, 0
    while (at := elf.find(CONTAINER, at, begin + length)) >= 0:
        header, payload = struct.unpack_from("<HQ", elf, at + 6)
        entry, at = at + header, at + header + payload
        while entry < at:
            head, size = struct.unpack_from("<IQ", elf, entry + 4)
            arch, = struct.unpack_from("<I", elf, entry + 28)
            if arch == keep:
                kept += size
            else:
                elf[entry + head:entry + head + size] = bytes(size)
            entry += head + size
    if kept == 0:
        sys.exit(f"{source} has no code for sm_{keep}")
    with open(target, "wb") as f:
        f.write(elf)
    print(f"{target}: {kept / 1e6:.0f} MB for sm_{keep} of {length / 1e6:.0f} MB")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
