//! Default locations of files on each system.

use std::path::PathBuf;

use directories::ProjectDirs;

/// Default locations. Each is `None` if the system has no home folder.
#[derive(Clone, Debug, Default)]
pub struct Locations {
    pub home: Option<PathBuf>,
    pub config_file: Option<PathBuf>,
    /// The folder for permanent data.
    pub data_folder: Option<PathBuf>,
    pub cache_folder: Option<PathBuf>,
    /// A folder of this machine and login, for locks if the cache is on a network file system.
    pub runtime_folder: Option<PathBuf>,
}

impl Locations {
    /// The convention of this system: XDG on Linux, `~/Library` on macOS, `AppData` on Windows.
    pub fn of_system() -> Self {
        // With a relative home, secrets would be stored in the current folder.
        let home = std::env::home_dir().filter(|home| home.is_absolute());
        let folders = ProjectDirs::from("", "", "yc-id-token");
        let (Some(_), Some(folders)) = (&home, folders) else {
            return Self { home, ..Self::default() };
        };
        Self {
            home,
            config_file: Some(folders.config_dir().join("config.toml")),
            data_folder: Some(folders.data_local_dir().to_owned()),
            cache_folder: Some(folders.cache_dir().to_owned()),
            runtime_folder: folders.runtime_dir().map(ToOwned::to_owned),
        }
    }
}
