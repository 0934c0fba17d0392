//! Where files are by default, by the custom of each system.

use std::path::PathBuf;

use directories::ProjectDirs;

/// Where files are by default. Each is `None` where the system names no home.
#[derive(Clone, Debug, Default)]
pub struct Locations {
    pub home: Option<PathBuf>,
    pub config_file: Option<PathBuf>,
    /// The folder for what is worth keeping.
    pub data_folder: Option<PathBuf>,
    pub cache_folder: Option<PathBuf>,
    /// A folder of this machine and login, for locks when the cache is on a network.
    pub runtime_folder: Option<PathBuf>,
}

impl Locations {
    /// The custom of this system: XDG on Linux, `~/Library` on macOS, `AppData` on Windows.
    pub fn of_system() -> Self {
        // A relative home would put secrets into whichever folder a program runs in.
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
