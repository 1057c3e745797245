"""The system calls that a session makes in its target, and their numbers.

They were listed by strace over whole sessions on 3.9 to 3.15 (Debian 11, 12 and sid).  A test runs
sessions in targets whose filter kills at any other call.
"""

from __future__ import annotations

from collections.abc import Iterator

Call = tuple[str, dict[int, int]]  # a name, and the known arguments by position
ARCHITECTURES = {"EM_X86_64": 0xC000003E, "EM_AARCH64": 0xC00000B7}  # linux/audit.h
# The numbers on x86-64, and on aarch64 and others (asm-generic/unistd.h): 0 is none.
NUMBERS = {
    "accept4": (288, 242),
    "bind": (49, 200),
    "chmod": (90, 0),
    "clock_gettime": (228, 113),
    "clock_nanosleep": (230, 115),
    "clone": (56, 220),
    "clone3": (435, 435),
    "close": (3, 57),
    "exit": (60, 93),
    "fchmodat": (0, 53),
    "fcntl": (72, 25),
    "fstat": (5, 80),
    "futex": (202, 98),
    "getcwd": (79, 17),
    "getdents64": (217, 61),
    "geteuid": (107, 175),
    "getpid": (39, 172),
    "getresuid": (118, 148),
    "getsockname": (51, 204),
    "getsockopt": (55, 209),
    "gettid": (186, 178),
    "getuid": (102, 174),
    "ioctl": (16, 29),
    "kill": (62, 129),
    "listen": (50, 201),
    "lseek": (8, 62),
    "lstat": (6, 0),
    "madvise": (28, 233),
    "mkdir": (83, 0),
    "mkdirat": (0, 34),
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "mremap": (25, 216),
    "munmap": (11, 215),
    "newfstatat": (262, 79),
    "openat": (257, 56),
    "pipe2": (293, 59),
    "poll": (7, 0),
    "ppoll": (271, 73),
    "prlimit64": (302, 261),
    "pselect6": (270, 72),
    "read": (0, 63),
    "readlink": (89, 0),
    "readlinkat": (0, 78),
    "recvfrom": (45, 207),
    "rename": (82, 0),
    "renameat": (0, 38),
    "rmdir": (84, 0),
    "rseq": (334, 293),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigtimedwait": (128, 137),
    "sched_getaffinity": (204, 123),
    "sched_yield": (24, 124),
    "sendmsg": (46, 211),
    "sendto": (44, 206),
    "set_robust_list": (273, 99),
    "setsockopt": (54, 208),
    "shutdown": (48, 210),
    "sigaltstack": (131, 132),
    "socket": (41, 198),
    "socketpair": (53, 199),
    "stat": (4, 0),
    "statfs": (137, 43),
    "unlink": (87, 0),
    "unlinkat": (0, 35),
    "write": (1, 64),
    "writev": (20, 66),
}
# Filters look at the arguments of some calls; these are all that a session makes.
NONE, READ, WRITE, EXECUTE = 0, 1, 3, 5  # PROT_*; WRITE and EXECUTE include READ
THREAD = 0x3D0F00  # glibc's CLONE_* flags for one
ARGUMENTS: dict[str, list[dict[int, int]]] = {
    "clone": [{0: THREAD}],
    "ioctl": [{1: 0x5401}, {1: 0x802C542A}, {1: 0x5421}, {1: 0x5451}],  # TCGETS(2), FIONBIO, …
    "mmap": [{2: protection} for protection in (NONE, READ, WRITE, EXECUTE)],
    "mprotect": [{2: protection} for protection in (NONE, READ, WRITE)],
    "socket": [{0: 1, 1: 0x80001, 2: 0}],  # AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC
    "socketpair": [{0: 1, 2: 0}],
}


def needed(machine: str, version: tuple[int, int], is_old_libc: bool) -> Iterator[Call]:
    """Yield the system calls of a session, each with one set of its known arguments.

    `machine` is as ELF names it, `version` is Python's.  `is_old_libc` is whether glibc is older
    than 2.33, which has other calls for some functions.
    """
    others = {"clone3", "newfstatat"} if is_old_libc else {"lstat", "stat"}
    others.add("poll" if version >= (3, 15) and machine == "EM_X86_64" else "")
    for name in NUMBERS:
        if name not in others and number(name, machine) is not None:
            for arguments in ARGUMENTS.get(name, [{}]):
                yield name, arguments


def number(name: str, machine: str) -> int | None:
    """Return the number of a call, or None where the machine has none of that name."""
    found = NUMBERS[name][list(ARCHITECTURES).index(machine)]
    return found if found or (name, machine) == ("read", "EM_X86_64") else None


def words(name: str, arguments: dict[int, int], machine: str) -> dict[int, int]:
    """Return the known words, of 32 bits, of struct seccomp_data at this call, by offset in bytes.

    `arguments` are the known arguments by position.
    """
    known = {0: number(name, machine) or 0, 4: ARCHITECTURES[machine]}
    for place, value in arguments.items():
        known[16 + 8 * place] = value & 0xFFFFFFFF
        known[20 + 8 * place] = value >> 32
    return known
