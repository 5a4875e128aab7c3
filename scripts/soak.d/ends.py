"""What must be true when the processes of scripts/soak have ended."""

import collections
import glob
import hashlib
import os
import stat
import subprocess
import time
import zlib

NOT_OURS = {".git", ".toft"}


def git(folder, *args):
    env = os.environ | {f"GIT_{who}_{what}": "t@t" for who in ("AUTHOR", "COMMITTER")
                        for what in ("NAME", "EMAIL")}
    ran = subprocess.run(["git", *args], cwd=folder, env=env, check=True, capture_output=True, text=True)
    return ran.stdout


def appended(mount, told):
    """Each record that was acknowledged is there once and whole; yields a verdict for each file."""
    acked, doubtful = collections.defaultdict(list), collections.defaultdict(set)
    for one in told:
        for name, key in one["records"]:
            acked[name].append(key)
        for name, key in one["doubtful"]:
            doubtful[name].add(key)
    for name in sorted(acked.keys() | doubtful.keys()):
        seen, torn = collections.Counter(), 0
        path = mount / name
        for line in (path.read_bytes() if path.exists() else b"").split(b"\n"):
            parts = line.split(b" ")
            if len(parts) == 3 and parts[1] == b"%08x" % zlib.crc32(parts[2]):
                seen[parts[0].decode()] += 1
            elif line:
                torn += 1
        lost = [key for key in acked[name] if seen[key] != 1]
        others = seen.keys() - set(acked[name]) - doubtful[name]
        in_order = collections.defaultdict(list)
        for key in seen:
            process, number = key.split(".")
            in_order[process].append(int(number))
        mixed = [process for process, numbers in in_order.items() if numbers != sorted(numbers)]
        if lost or others or mixed or torn > len(doubtful[name]):
            yield (f"{name}: {len(lost)} of {len(acked[name])} records lost or doubled {lost[:3]}, "
                   f"{torn} torn ({len(doubtful[name])} may be), {len(others)} unknown, order {mixed}")
        else:
            yield None


def counter(mount, told):
    sure = sum(one["increments"] for one in told)
    most = sure + sum(one["doubts"] for one in told)
    seen = int((mount / "counter").read_text())
    return None if sure <= seen <= most else f"the counter is {seen}, not {sure} to {most}"


def whole_tree(mount):
    """Each name is listed once and can be looked at, link counts fit; yields a verdict each."""
    links, names = {}, collections.Counter()
    todo = ["shared", "stay", "own", "whole", "append"]
    while todo:
        folder = todo.pop()
        listed = os.listdir(mount / folder)
        if len(set(listed)) < len(listed):
            yield f"{folder} lists a name twice"
        below = 0
        for name in listed:
            status = os.lstat(mount / folder / name)
            if stat.S_ISDIR(status.st_mode):
                below += 1
                todo.append(f"{folder}/{name}")
            else:
                names[status.st_ino] += 1
                links[status.st_ino] = (status.st_nlink, f"{folder}/{name}")
        found = os.lstat(mount / folder).st_nlink
        yield None if found == below + 2 else f"{folder} has {found} links and {below} folders"
    for number, (count, name) in links.items():
        yield None if names[number] == count else f"{name} has {count} links and {names[number]} names"


def sums(mount):
    """Path to what git holds of it."""
    seen = {}
    for folder, folders, files in os.walk(mount):
        folders[:] = [name for name in folders if name not in NOT_OURS]
        for name in [*files, *(name for name in folders if os.path.islink(f"{folder}/{name}"))]:
            path = f"{folder}/{name}"
            if name in NOT_OURS:
                continue
            if os.path.islink(path):
                value = ("link", os.readlink(path))
            else:
                with open(path, "rb") as file:
                    value = (bool(os.stat(path).st_mode & 0o100), hashlib.file_digest(file, "sha256").hexdigest())
            seen[os.path.relpath(path, mount)] = value
    return seen


def compared(here, there):
    yield f"no files at all in {len(there)}" if not here else None
    for path in here.keys() | there.keys():
        same = here.get(path) == there.get(path)
        yield None if same else f"{path}: {here.get(path)} here, {there.get(path)} there"


# The daemon

def size(pid):
    """Resident KiB, descriptors, threads."""
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8") as file:
            fields = dict(line.split(":", 1) for line in file)
        return (int(fields["VmRSS"].split()[0]), len(os.listdir(f"/proc/{pid}/fd")), int(fields["Threads"]))
    except (OSError, KeyError):
        return None


def forget_caches():
    """So that the kernel holds no inodes any more (needs root; else they stay)."""
    try:
        with open("/proc/sys/vm/drop_caches", "w", encoding="utf-8") as file:
            file.write("2")
    except OSError:
        pass


def settled(pid):
    """The daemon's size once it stopped shrinking."""
    best = size(pid)
    for _ in range(10):
        time.sleep(0.2)
        now = size(pid)
        if now and best and now[1] >= best[1]:
            return now
        best = now
    return best


def grew(samples, last):
    known = [sample for sample in samples if sample]
    if not known or not last:
        return "the daemon was not seen"
    # Threads come with load; a descriptor for each file would be hundreds.
    if last[1] > known[0][1] + 40:
        return f"{known[0][1]} descriptors at the start, {last[1]} at the end"
    if max(sample[0] for sample in known) > 500 << 10:
        return f"resident memory went up to {max(sample[0] for sample in known)} KiB"
    return None


def sizes(samples, last, state):
    known = [sample for sample in samples if sample]
    if not known or not last:
        return
    names = ("daemon: resident KiB", "daemon: descriptors", "daemon: threads")
    for at, name in enumerate(names):
        yield f"{name:<34} start {known[0][at]:>8} max {max(s[at] for s in known):>8} end {last[at]:>8}"
    for kind in ("journal", "values", "bodies"):
        files = [path for path in glob.glob(f"{state}/workspaces/*/**/{kind}/**", recursive=True)
                 if os.path.isfile(path)]
        yield f"{'on disk: ' + kind:<34} {sum(os.path.getsize(path) for path in files) >> 10:>14} KiB in {len(files)} files"


def answers(mount):
    try:
        os.stat(mount)
        return True
    except FileNotFoundError:
        return True
    except OSError:
        return False


def logs(work):
    text = ""
    for path in glob.glob(f"{work}/*/state/workspaces/*/daemon.log"):
        with open(path, encoding="utf-8", errors="replace") as file:
            text += f"== {path}\n" + "".join(file.readlines()[-40:])
    return text
