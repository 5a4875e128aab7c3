"""The files of one process: each step is one call, and a model knows what it leaves.

After a call that a kill of the daemon ended, the state before it and the one after it are both
right, and of a write each state up to a page border.
"""

import copy
import errno
import mmap
import os

DEAD = {errno.ENOTCONN, errno.ECONNABORTED, errno.EIO, errno.ENODEV}
PAGE = 4096


class Died(Exception):
    """A child that touched a mapping did not live to tell."""


class Body:
    """Bytes that one or more names stand for."""

    def __init__(self):
        self.data = bytearray()

    def write(self, at, data):
        if data and at > len(self.data):
            self.data.extend(bytes(at - len(self.data)))
        self.data[at:at + len(data)] = data

    def cut(self, size):
        del self.data[size:]
        self.data.extend(bytes(size - len(self.data)))


class Model:
    """Names to bodies; directories are names that end in a slash."""

    def __init__(self):
        self.files, self.dirs = {}, {"": True}

    def rename_dir(self, old, new):
        move = lambda name: new + name[len(old):] if name.startswith(old) else name
        self.dirs = {move(name): True for name in self.dirs}
        self.files = {move(name): body for name, body in self.files.items()}

    def picture(self):
        names = {}
        for name, body in self.files.items():
            names.setdefault(id(body), []).append(name)
        return {name: (bytes(body.data), sorted(names[id(body)]))
                for name, body in self.files.items()} | {name: None for name in self.dirs}


class Own:
    """A folder that only this process alters."""

    def __init__(self, root, dice):
        self.root, self.dice, self.model = root, dice, Model()
        self.doubt = None
        self.serial = 0
        os.mkdir(root)

    def path(self, name):
        return f"{self.root}/{name}".rstrip("/")

    def do(self, call, apply, cuts=None):
        """Makes a call; the model follows when it is acknowledged."""
        self.doubt = (apply, cuts or [])
        call()
        apply(self.model)
        self.doubt = None

    def resolve(self):
        """After a kill: which of the allowed states is there? Says what is wrong where none is."""
        for name in list(os.listdir(self.root)):
            if name.startswith("tmp-"):
                os.unlink(self.path(name))
        seen = self.look()
        if seen == self.model.picture():
            self.doubt = None
            return None
        apply, cuts = self.doubt or (None, [])
        for change in ([apply] if apply else []) + cuts:
            model = copy.deepcopy(self.model)
            change(model)
            if seen == model.picture():
                self.model, self.doubt = model, None
                return None
        return "after a kill: " + difference(self.model.picture(), seen)

    def look(self):
        """What the folder shows, in the form of `Model.picture`."""
        seen, names, todo = {}, {}, [""]
        while todo:
            folder = todo.pop()
            seen[folder] = None
            for entry in os.scandir(self.path(folder)):
                name = folder + entry.name
                if entry.is_dir(follow_symlinks=False):
                    todo.append(name + "/")
                    continue
                with open(self.path(name), "rb") as file:
                    number = os.fstat(file.fileno()).st_ino
                    seen[name] = [file.read(), number]
                names.setdefault(number, []).append(name)
        return {name: value and (value[0], sorted(names[value[1]])) for name, value in seen.items()}

    def verify(self):
        """The whole folder against the model."""
        seen, model = self.look(), self.model.picture()
        return None if seen == model else difference(model, seen)

    # Steps

    def some_file(self):
        return self.dice.choice(sorted(self.model.files))

    def new_name(self):
        folder = self.dice.choice(sorted(self.model.dirs))
        self.serial += 1
        return f"{folder}f{self.serial % 40}"

    def bytes(self):
        sizes = [1, 80, 700, 700, 4096, 6000, 20_000, 60_000, 140_000]
        size = self.dice.randrange(self.dice.choice(sizes)) + 1
        return (self.dice.randbytes(16).hex().encode() * (size // 32 + 1))[:size]

    def step(self):
        kinds = [self.create, self.create, self.write, self.write, self.append, self.append,
                 self.truncate, self.map, self.fsync, self.rename, self.link, self.unlink,
                 self.folders, self.unlinked, self.check, self.check]
        kind = self.dice.choice(kinds)
        if not self.model.files:
            kind = self.create
        elif len(self.model.files) > 14:
            kind = self.unlink
        return self.verify() if self.dice.randrange(150) == 0 else kind()

    def create(self):
        name = self.new_name()
        if name in self.model.files or name + "/" in self.model.dirs:
            return self.check()
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
        fd = []
        self.do(lambda: fd.append(os.open(self.path(name), flags, 0o644)),
                lambda model: model.files.update({name: Body()}))
        try:
            at = 0
            for _ in range(self.dice.randrange(3)):
                data = self.bytes()
                self.write_to(fd[0], name, at, data)
                at += len(data)
        finally:
            quiet_close(fd[0])
        return None

    def write_to(self, fd, name, at, data):
        while data:
            step = lambda count: lambda model: model.files[name].write(at, data[:count])
            cuts = [step(cut) for cut in range(PAGE - at % PAGE, len(data), PAGE)]
            count = []
            self.do(lambda: count.append(os.pwrite(fd, data, at)),
                    lambda model: step(count[0] if count else len(data))(model), cuts)
            at, data = at + count[0], data[count[0]:]

    def write(self):
        name = self.some_file()
        fd = os.open(self.path(name), os.O_WRONLY)
        try:
            size = len(self.model.files[name].data)
            self.write_to(fd, name, self.dice.randrange(min(size, 200_000) + 100), self.bytes())
        finally:
            quiet_close(fd)
        return None

    def append(self):
        name = self.some_file()
        if len(self.model.files[name].data) > 300_000:
            return self.truncate()
        fd = os.open(self.path(name), os.O_WRONLY | os.O_APPEND)
        try:
            self.write_to(fd, name, len(self.model.files[name].data), self.bytes())
        finally:
            quiet_close(fd)
        return None

    def truncate(self):
        name = self.some_file()
        size = len(self.model.files[name].data)
        size = self.dice.choice([0, size // 2, max(0, size - 1), size + 1, size, size + 5000])
        self.do(lambda: os.truncate(self.path(name), size),
                lambda model: model.files[name].cut(size))
        return None

    def map(self):
        """Within one page; in a child, which a fault in a dead mount may end."""
        name = self.some_file()
        size = len(self.model.files[name].data)
        if size == 0:
            return self.check()
        at = self.dice.randrange(size)
        data = self.bytes()[:min(size - at, PAGE - at % PAGE)]

        def call():
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    fd = os.open(self.path(name), os.O_RDWR)
                    with mmap.mmap(fd, size) as view:
                        view[at:at + len(data)] = data
                        view.flush()
                    code = 0
                finally:
                    os._exit(code)
            if os.waitpid(child, 0)[1] != 0:
                raise Died

        self.do(call, lambda model: model.files[name].write(at, data))
        return None

    def fsync(self):
        fd = os.open(self.path(self.some_file()), os.O_RDONLY)
        try:
            self.dice.choice([os.fsync, os.fdatasync])(fd)
        finally:
            quiet_close(fd)
        return None

    def rename(self):
        old, new = self.some_file(), self.dice.choice([self.new_name(), self.some_file()])
        if new + "/" in self.model.dirs:
            return self.check()

        def apply(model):
            # Of two names of one file, both stay.
            if new == old or model.files.get(new) is model.files[old]:
                return
            model.files[new] = model.files.pop(old)

        self.do(lambda: os.rename(self.path(old), self.path(new)), apply)
        return None

    def link(self):
        old, new = self.some_file(), self.new_name()
        if new in self.model.files or new + "/" in self.model.dirs:
            return self.check()
        self.do(lambda: os.link(self.path(old), self.path(new)),
                lambda model: model.files.update({new: model.files[old]}))
        return None

    def unlink(self):
        name = self.some_file()
        self.do(lambda: os.unlink(self.path(name)), lambda model: model.files.pop(name))
        return None

    def folders(self):
        folders = sorted(name for name in self.model.dirs if name)
        self.serial += 1
        parent = self.dice.choice(sorted(self.model.dirs))
        new = f"{parent}d{self.serial}/"
        if len(folders) < 4 and new.count("/") < 5:
            self.do(lambda: os.mkdir(self.path(new)), lambda model: model.dirs.update({new: True}))
            return None
        if not folders:
            return None
        old = self.dice.choice(folders)
        if self.dice.randrange(2) and not new.startswith(old) and new.count("/") < 6:
            self.do(lambda: os.rename(self.path(old), self.path(new)),
                    lambda model: model.rename_dir(old, new))
            return None
        inside = [name for name in [*self.model.files, *self.model.dirs] if name.startswith(old)]
        if inside == [old]:
            self.do(lambda: os.rmdir(self.path(old)), lambda model: model.dirs.pop(old))
            return None
        try:
            os.rmdir(self.path(old))
        except OSError as error:
            if error.errno != errno.ENOTEMPTY:
                raise
            return None
        return f"rmdir took {old}, which is not empty"

    def unlinked(self):
        """A file lives on without a name for as long as it is open."""
        name, data, more = self.path(f"tmp-{self.serial}"), self.bytes(), self.bytes()
        fd = os.open(name, os.O_CREAT | os.O_RDWR, 0o600)
        try:
            count = os.write(fd, data)
            os.unlink(name)
            count += os.write(fd, more) if count == len(data) else 0
            # A read that a kill ends in its middle is short; the next one says so.
            seen = b""
            while len(seen) <= count and (part := os.pread(fd, count + 1 - len(seen), len(seen))):
                seen += part
            whole = seen == (data + more)[:count] and os.fstat(fd).st_nlink == 0
        finally:
            quiet_close(fd)
        return None if whole else f"an unlinked file of {count} bytes shows {len(seen)} others"

    def check(self):
        name = self.some_file()
        with open(self.path(name), "rb") as file:
            seen = file.read()
        want = bytes(self.model.files[name].data)
        return None if seen == want else f"{name}: {explain(want, seen)}"


def quiet_close(fd):
    try:
        os.close(fd)
    except OSError as error:
        if error.errno not in DEAD:
            raise


def explain(want, seen):
    at = next((at for at, pair in enumerate(zip(want, seen)) if pair[0] != pair[1]),
              min(len(want), len(seen)))
    return (f"{len(seen)} bytes, not {len(want)}; the first other one at {at}: "
            f"{seen[at:at + 16]!r}, not {want[at:at + 16]!r}")


def difference(want, seen):
    if want.keys() != seen.keys():
        return f"missing {sorted(want.keys() - seen.keys())}, not ours {sorted(seen.keys() - want.keys())}"
    wrong = [name for name in want if want[name] != seen[name]]
    data = [f"{name}: {explain(want[name][0], seen[name][0])}; names {seen[name][1]}"
            for name in wrong[:3] if want[name] and seen[name]]
    return f"{len(wrong)} files differ: {data}"
