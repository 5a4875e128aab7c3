//! Where state, cache and runtime files go. Pure but for [`Directories::of_process`].

use super::{RegistryError, Result};
use etcetera::BaseStrategy;
use std::path::{Path, PathBuf};

/// The three directories of one user of this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directories {
    /// Workspaces: the only copy of work that was not pushed yet.
    pub state: PathBuf,
    /// Stores: may be deleted.
    pub cache: PathBuf,
    /// Control sockets: gone after a restart of the host.
    pub runtime: PathBuf,
}

/// What flags, or else the environment, ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DirectoryOverrides {
    /// `--state-dir`, `TOFT_STATE_DIR`.
    pub state: Option<PathBuf>,
    /// `--cache-dir`, `TOFT_CACHE_DIR`.
    pub cache: Option<PathBuf>,
    /// `--runtime-dir`, `TOFT_RUNTIME_DIR`.
    pub runtime: Option<PathBuf>,
}

impl DirectoryOverrides {
    /// Reads the three variables through `env`; an empty one counts as not set.
    pub fn from_env(env: impl Fn(&str) -> Option<std::ffi::OsString>) -> Self {
        let read = |name| env(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        Self {
            state: read("TOFT_STATE_DIR"),
            cache: read("TOFT_CACHE_DIR"),
            runtime: read("TOFT_RUNTIME_DIR"),
        }
    }

    /// These, and `other` where nothing is said.
    pub fn or(self, other: Self) -> Self {
        Self {
            state: self.state.or(other.state),
            cache: self.cache.or(other.cache),
            runtime: self.runtime.or(other.runtime),
        }
    }
}

impl Directories {
    /// The directories of this process: `flags`, else the environment, else the system's places.
    pub fn of_process(flags: DirectoryOverrides) -> Result<Self> {
        let overrides = flags.or(DirectoryOverrides::from_env(|name| std::env::var_os(name)));
        let system = if rustix::process::geteuid().is_root() {
            Some(Self::of_root())
        } else {
            etcetera::base_strategy::Xdg::new().ok().map(|xdg| {
                let state = xdg.state_dir().unwrap_or_else(|| xdg.data_dir());
                Self::of_user(&state, &xdg.cache_dir(), xdg.runtime_dir().as_deref())
            })
        };
        let here = std::env::current_dir().map_err(RegistryError::io(Path::new(".")))?;
        Self::choose(overrides, system, &here).ok_or(RegistryError::NoHome)
    }

    /// The overrides, made absolute, and `system` where nothing is said.
    fn choose(wanted: DirectoryOverrides, system: Option<Self>, here: &Path) -> Option<Self> {
        let system = system.as_ref();
        let pick = |wanted: Option<PathBuf>, default: Option<&PathBuf>| {
            wanted.map(|path| here.join(path)).or_else(|| default.cloned())
        };
        let state = pick(wanted.state, system.map(|system| &system.state))?;
        let beside = state.join("run");
        Some(Self {
            cache: pick(wanted.cache, system.map(|system| &system.cache))?,
            // Without a runtime directory of its own, a state directory that was asked for has it.
            runtime: pick(wanted.runtime, system.map(|system| &system.runtime)).unwrap_or(beside),
            state,
        })
    }

    fn of_root() -> Self {
        Self {
            state: "/var/lib/toft".into(),
            cache: "/var/cache/toft".into(),
            runtime: "/run/toft".into(),
        }
    }

    fn of_user(state: &Path, cache: &Path, runtime: Option<&Path>) -> Self {
        let state = state.join("toft");
        let runtime = runtime.map_or_else(|| state.join("run"), |runtime| runtime.join("toft"));
        Self { state, cache: cache.join("toft"), runtime }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user() -> Directories {
        Directories::of_user(Path::new("/h/.local/state"), Path::new("/h/.cache"), None)
    }

    #[test]
    fn an_override_wins_and_is_made_absolute() {
        let wanted = DirectoryOverrides { state: Some("st".into()), ..Default::default() };
        let chosen = Directories::choose(wanted, Some(user()), Path::new("/work")).unwrap();
        assert_eq!(chosen.state, Path::new("/work/st"));
        assert_eq!(chosen.cache, Path::new("/h/.cache/toft"));
        assert_eq!(chosen.runtime, Path::new("/h/.local/state/toft/run"));
    }

    #[test]
    fn without_a_home_the_overrides_must_say_it() {
        let here = Path::new("/");
        assert_eq!(Directories::choose(DirectoryOverrides::default(), None, here), None);
        let wanted = DirectoryOverrides {
            state: Some("/s".into()),
            cache: Some("/c".into()),
            ..Default::default()
        };
        let chosen = Directories::choose(wanted, None, here).unwrap();
        assert_eq!(chosen.runtime, Path::new("/s/run"));
    }

    #[test]
    fn an_empty_variable_counts_as_not_set() {
        let env = |name: &str| (name == "TOFT_CACHE_DIR").then(Default::default);
        assert_eq!(DirectoryOverrides::from_env(env), DirectoryOverrides::default());
    }
}
