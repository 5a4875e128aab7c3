"""One of the processes that scripts/soak keeps busy: does random work, knows what must be there.

Its working directory is the root of the mount, so that after a kill of the daemon nothing it does
can reach the folder below: calls fail until it has come back to the new mount.
"""

import errno
import json
import os
import random
import time
import zlib

from own import DEAD, Died, Own

# What may go wrong where others rename and remove below one's feet; EPERM: a link to a directory.
CROWD = {errno.ENOENT, errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR, errno.EISDIR, errno.EINVAL,
         errno.EPERM}
STAYING = {f"stay-{number:03}" for number in range(150)}
LINE = 32  # bytes of random text, repeated: what is pushed stays small


def text(dice, size):
    return (dice.randbytes(LINE // 2).hex().encode() * (size // LINE + 1))[:size]


def sealed(dice, size):
    """Bytes that show whether they are whole."""
    body = text(dice, size)
    return b"%08x %d\n" % (zlib.crc32(body), size) + body


def is_whole(data):
    head, _, body = data.partition(b"\n")
    try:
        crc, size = head.split()
        return (int(crc, 16), int(size)) == (zlib.crc32(body), len(body))
    except ValueError:
        return False


def read(path):
    with open(path, "rb") as file:
        return file.read()


class Worker:
    """The state of one process; `shared` says how the mount stands."""

    def __init__(self, number, seed, shared, result):
        self.number, self.shared, self.result = number, shared, result
        self.dice = random.Random(f"{seed}-{number}")
        self.counts, self.failures = {}, []
        self.records, self.doubtful, self.increments, self.doubts = [], [], 0, 0
        self.inos = {}
        self.generation = 0
        self.own = None

    def fail(self, suite, message):
        self.failures.append((suite, f"process {self.number}: {message}"))

    def attach(self):
        """Waits for the mount that comes after the one that died, and goes into it."""
        until = time.monotonic() + 120
        while self.shared.mounted.value <= self.generation:
            if time.monotonic() > until:
                raise SystemExit(self.fail("kills", "the mount did not come back"))
            time.sleep(0.02)
        self.generation = self.shared.mounted.value
        os.chdir(self.shared.mount)

    def run(self):
        try:
            self.attach()
            self.own = Own(f"own/w{self.number:02}", self.dice)
            self.work()
        except SystemExit:
            pass
        except BaseException as error:  # pylint: disable=broad-except
            import traceback

            self.fail("own files", f"{error!r}\n{traceback.format_exc()}")
        keys = ("counts", "failures", "records", "doubtful", "increments", "doubts")
        with open(self.result, "w", encoding="utf-8") as file:
            json.dump({key: getattr(self, key) for key in keys}, file)

    def work(self):
        suites = [("own files", self.own.step, 8), ("shared directories", self.crowd, 8),
                  ("O_APPEND records", self.append, 3), ("a counter under flock", self.count, 1),
                  ("listings", self.listing, 1), ("atomic replacement", self.replace, 4)]
        names = [suite for suite in suites for _ in range(suite[2])]
        while not self.shared.stop.value and len(self.failures) < 10:
            suite, do, _ = self.dice.choice(names)
            self.guarded(suite, do)
        self.guarded("own files", self.own.verify)

    def guarded(self, suite, do):
        """Counts one operation; a dead mount is only forgiven where the daemon was killed."""
        try:
            problem = do()
            self.counts[suite] = self.counts.get(suite, 0) + 1
            if problem:
                self.fail(suite, problem)
        except (OSError, Died) as error:
            code = getattr(error, "errno", None)
            was_killed = self.shared.killed.value >= self.generation
            if isinstance(error, OSError) and not (was_killed and code in DEAD):
                return self.fail(suite, f"{do.__name__}: {error!r}")
            if not was_killed:
                return self.fail(suite, f"{do.__name__}: died in a mount that lives")
            self.come_back()
        return None

    def come_back(self):
        while True:
            self.attach()
            try:
                problem = self.own.resolve()
                break
            except OSError as error:
                if error.errno not in DEAD or self.shared.killed.value < self.generation:
                    raise
        if problem:
            self.fail("kills", problem)

    def spot(self):
        """A path in the tree that all processes alter."""
        path = "shared"
        for _ in range(self.dice.randrange(3)):
            names = [entry.name for entry in os.scandir(path) if entry.is_dir(follow_symlinks=False)]
            if not names:
                break
            path = f"{path}/{self.dice.choice(names)}"
        return f"{path}/{self.dice.choice('abcdefgh')}{self.dice.randrange(4)}"

    def crowd(self):
        dice, kind = self.dice, self.dice.randrange(12)
        try:
            path, other = self.spot(), self.spot()
            if kind < 3:
                self.put(path)
            elif kind < 5:
                os.mkdir(path)
            elif kind < 7:
                os.rename(path, other)
            elif kind == 7:
                os.unlink(path)
            elif kind == 8:
                os.rmdir(path)
            elif kind == 9:
                os.link(path, other, follow_symlinks=False)
            elif kind == 10:
                os.symlink(other, path)
            else:
                os.truncate(path, dice.randrange(9000))
        except OSError as error:
            if error.errno not in CROWD:
                raise
        return None

    def put(self, path):
        fd = os.open(path, os.O_CREAT | os.O_WRONLY, 0o644)
        try:
            os.write(fd, text(self.dice, self.dice.randrange(6000)))
            if self.dice.randrange(8) == 0:
                os.fsync(fd)
        finally:
            close(fd)

    def replace(self):
        """A file that is only ever replaced whole is never seen otherwise."""
        name = f"whole/{self.dice.randrange(6)}"
        if self.dice.randrange(2):
            new = f"whole/new-{self.number}"
            size = self.dice.choice([10, 900, 5000, 40_000, 200_000])
            fd = os.open(new, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o644)
            try:
                data = sealed(self.dice, size)
                while data:
                    data = data[os.write(fd, data):]
                if self.dice.randrange(8) == 0:
                    os.fsync(fd)
            finally:
                close(fd)
            os.rename(new, name)
            return None
        try:
            data = read(name)
        except FileNotFoundError:
            return None
        return None if is_whole(data) else f"{name} is torn: {len(data)} bytes, {data[:40]!r}"

    def append(self):
        slot = int((time.monotonic() - self.shared.began) / 20)
        name = f"append/{slot:03}-{self.dice.randrange(2)}"
        key = f"{self.number}.{len(self.records) + len(self.doubtful)}"
        body = text(self.dice, self.dice.choice([10, 100, 1000, 5000]))
        record = b"\n%s %08x %s\n" % (key.encode(), zlib.crc32(body), body)
        fd = os.open(name, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o644)
        self.doubtful.append((name, key))
        try:
            if os.write(fd, record) != len(record):
                return f"a short write to {name}" if self.shared.killed.value < self.generation else None
        finally:
            close(fd)
        self.records.append(self.doubtful.pop())
        return None

    def count(self):
        import fcntl

        fd = os.open("counter", os.O_RDWR)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            number = int(os.pread(fd, 32, 0))
            self.doubts += 1
            if os.pwrite(fd, b"%012d" % (number + 1), 0) != 12:
                return "a short write to the counter"
            self.doubts -= 1
            self.increments += 1
        finally:
            close(fd)
        return None

    def listing(self):
        """What stays is in each listing once, with the number it always had."""
        dice = self.dice
        name = f"stay/tmp-{self.number}-{dice.randrange(30)}"
        for _ in range(3):
            try:
                dice.choice([self.touch, os.unlink])(name)
            except FileNotFoundError:
                pass
        seen = {}
        for entry in os.scandir("stay"):
            if entry.name in seen:
                return f"{entry.name} is listed twice"
            seen[entry.name] = entry.inode()
        if not STAYING <= seen.keys():
            return f"not listed: {sorted(STAYING - seen.keys())[:5]}"
        stays = {name: seen[name] for name in STAYING}
        self.inos = self.inos or stays
        if self.inos != stays:
            return "an inode number changed"
        one = dice.choice(sorted(STAYING))
        return None if read(f"stay/{one}") == one.encode() else f"stay/{one} has other bytes"

    @staticmethod
    def touch(name):
        os.close(os.open(name, os.O_CREAT | os.O_WRONLY, 0o644))


def close(fd):
    try:
        os.close(fd)
    except OSError as error:
        if error.errno not in DEAD:
            raise
