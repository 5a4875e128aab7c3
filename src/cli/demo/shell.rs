//! The demo's own corner of the disk, and the programs that it runs there.

use crate::daemon::{Failure, Kind, mountinfo};
use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A temporary folder; what is mounted below it and the folder itself go when it is dropped.
pub struct Place {
    dir: PathBuf,
}

/// What one user of one host would type.
pub struct Shell {
    home: PathBuf,
}

impl Place {
    /// Makes the folder, for us alone.
    pub fn new() -> Result<Self, Failure> {
        let mut random = [0; 4];
        std::fs::File::open("/dev/urandom")
            .and_then(|mut file| file.read_exact(&mut random))
            .map_err(Failure::io("cannot read /dev/urandom"))?;
        let name = format!("toft-demo-{:08x}", u32::from_le_bytes(random));
        let base = std::env::temp_dir();
        let base = base.canonicalize().map_err(Failure::io(base.display().to_string()))?;
        let dir = base.join(name);
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&dir)
            .map_err(Failure::io(format!("cannot make {}", dir.display())))?;
        Ok(Self { dir })
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Whether `path` lies in it.
    pub fn holds(&self, path: &Path) -> bool {
        path.starts_with(&self.dir)
    }

    /// A host that has never seen toft.
    pub fn host(&self, name: &str) -> Result<Shell, Failure> {
        let home = self.path(name);
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&home)
            .map_err(Failure::io(format!("cannot make {}", home.display())))?;
        Ok(Shell { home })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for mount in mountinfo::read().unwrap_or_default().iter().rev() {
            if self.holds(&mount.point) {
                let _ = crate::daemon::detach(&mount.point);
            }
        }
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

impl Shell {
    /// Runs this very program.
    pub fn toft(&self, arguments: &[&OsStr]) -> Result<String, Failure> {
        let program = std::env::current_exe().map_err(Failure::io("cannot find toft"))?;
        self.run(&program, Path::new("/"), arguments)
    }

    /// Runs the user's git in `dir`.
    pub fn git(&self, dir: &Path, arguments: &[&str]) -> Result<String, Failure> {
        let arguments: Vec<&OsStr> = arguments.iter().map(OsStr::new).collect();
        self.run(Path::new("git"), dir, &arguments)
    }

    #[expect(clippy::disallowed_methods, reason = "the demo runs what a user would type")]
    fn run(&self, program: &Path, dir: &Path, arguments: &[&OsStr]) -> Result<String, Failure> {
        let output = Command::new(program)
            .args(arguments)
            .current_dir(dir)
            .env_clear()
            .envs(self.environment())
            .stdin(Stdio::null())
            .output()
            .map_err(Failure::io(format!("cannot run {}", program.display())))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned());
        }
        let words: Vec<_> = arguments.iter().map(|word| word.to_string_lossy()).collect();
        let what =
            format!("{} {} ended with {}", program.display(), words.join(" "), output.status);
        let said = String::from_utf8_lossy(&output.stderr);
        Err(Failure::new(Kind::System, what).cause(said.trim()))
    }

    /// Nothing of the caller's configuration but the way to programs.
    fn environment(&self) -> Vec<(&'static str, OsString)> {
        let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into());
        let mut environment: Vec<(&str, OsString)> = vec![
            ("PATH", path),
            ("HOME", self.home.clone().into()),
            ("LC_ALL", "C.UTF-8".into()),
            ("GIT_CONFIG_NOSYSTEM", "1".into()),
        ];
        let identity = [
            ("GIT_AUTHOR_NAME", "Demo"),
            ("GIT_AUTHOR_EMAIL", "demo@localhost"),
            ("GIT_COMMITTER_NAME", "Demo"),
            ("GIT_COMMITTER_EMAIL", "demo@localhost"),
        ];
        environment.extend(identity.map(|(name, value)| (name, value.into())));
        let dirs =
            [("TOFT_STATE_DIR", "state"), ("TOFT_CACHE_DIR", "cache"), ("TOFT_RUNTIME_DIR", "run")];
        environment.extend(dirs.map(|(name, dir)| (name, self.home.join(dir).into())));
        environment
    }
}
