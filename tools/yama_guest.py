"""Try `ptrace_scope` in a virtual machine with Debian's kernel, for hosts whose kernel has no Yama.

    .venv/bin/python tools/yama_guest.py

Needs Debian, qemu-system-x86, busybox-static, python3 and gdb.  The kernel is downloaded, not
installed.  The guest runs on the host's root directory, read-only.  All of it is emulated, so that
it takes some minutes, and times in it mean nothing.
"""

from __future__ import annotations

import gzip
import re
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from cache import ProvisionError, run, say

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 900  # seconds for the guest
# In the order in which they need each other.
MODULES = (
    "drivers/virtio/virtio_ring",
    "drivers/virtio/virtio",
    "drivers/virtio/virtio_pci_legacy_dev",
    "drivers/virtio/virtio_pci_modern_dev",
    "drivers/virtio/virtio_pci",
    "fs/netfs/netfs",
    "fs/fscache/fscache",
    "net/9p/9pnet",
    "net/9p/9pnet_virtio",
    "fs/9p/9p",
)
INIT = """\
#!/bin/busybox sh
b=/bin/busybox
$b mount -t proc none /proc
for m in {modules}; do $b insmod /$m.ko; done
$b mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=262144 host /host
$b mount -t proc none /host/proc
$b mount -t sysfs none /host/sys
$b mount -t tmpfs -o mode=1777 none /host/tmp
$b mount -t devtmpfs none /host/dev
$b chroot /host /usr/bin/python3 {program} {checkout} {site}
$b poweroff -f
"""


def kernel(folder: Path) -> Path:
    """Download Debian's newest kernel, and unpack it into a folder; return that."""
    depends = run(["apt-cache", "depends", "linux-image-amd64"])
    found = re.search(r"Depends: (linux-image-\S+)", depends)
    if not found:
        raise ProvisionError("apt knows of no linux-image-amd64.", "Run `apt-get update`.")
    say(f"downloading {found[1]}")
    subprocess.run(["apt-get", "download", found[1]], cwd=folder, check=True, capture_output=True)
    for archive in folder.glob("*.deb"):
        run(["dpkg", "-x", archive, folder / "kernel"])
    return folder / "kernel"


def initial_root(folder: Path, unpacked: Path) -> Path:
    """Make the root that the guest starts from, with modules; return its archive."""
    root = folder / "root"
    for name in ("bin", "proc", "host"):
        (root / name).mkdir(parents=True)
    (root / "bin" / "busybox").write_bytes(Path("/bin/busybox").read_bytes())
    (root / "bin" / "busybox").chmod(0o755)
    modules = next((unpacked / "lib" / "modules").iterdir()) / "kernel"
    for name in MODULES:
        source = modules / f"{name}.ko"
        (root / source.name).write_bytes(source.read_bytes())
    names = " ".join(name.rpartition("/")[2] for name in MODULES)
    program = ROOT / "tools" / "inside_guest.py"
    site = sysconfig.get_paths()["purelib"]
    text = INIT.format(modules=names, program=program, checkout=ROOT, site=site)
    (root / "init").write_text(text)
    (root / "init").chmod(0o755)
    listed = "\n".join(str(path.relative_to(root)) for path in root.rglob("*"))
    packed = subprocess.run(
        ["/bin/busybox", "cpio", "-o", "-H", "newc"],
        input=listed.encode(),
        cwd=root,
        capture_output=True,
        check=True,
    )
    (folder / "initrd.gz").write_bytes(gzip.compress(packed.stdout))
    return folder / "initrd.gz"


def main() -> int:
    """Run the guest, and print its output; return 0 if all of it was tried."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        unpacked = kernel(folder)
        options = ["-accel", "tcg", "-cpu", "max", "-m", "1500", "-nographic", "-no-reboot"]
        options += ["-kernel", str(next((unpacked / "boot").glob("vmlinuz-*")))]
        options += ["-initrd", str(initial_root(folder, unpacked)), "-nic", "none"]
        share = "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap"
        options += ["-append", "console=ttyS0 quiet panic=-1", "-virtfs", share]
        done = subprocess.run(
            ["qemu-system-x86_64", *options],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
    said = done.stdout.decode(errors="replace").replace("\r", "")
    print(said[max(said.find("Linux "), 0) :])
    return 0 if re.search(r"^done$", said, re.M) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ProvisionError as error:
        say(str(error))
        sys.exit(1)
