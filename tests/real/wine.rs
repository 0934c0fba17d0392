//! Windows programs under Wine, in the home and environment of a sandbox. `release/verify-windows` provides them.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use crate::leaks;
use crate::sandbox::Sandbox;

/// The home folder, as Windows programs name it.
pub const HOME: &str = r"C:\users\root";

/// A sandbox whose programs are those of Windows.
pub struct Windows {
    pub sandbox: Sandbox,
}

/// A program that runs.
pub struct Started {
    child: Child,
    /// The folder of its outputs and exit status.
    results: tempfile::TempDir,
}

/// The result of a program.
#[derive(Debug)]
pub struct Ended {
    /// The exit status that Windows programs see.
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    /// The standard output of a successful run with empty standard error.
    #[track_caller]
    pub fn ok(self) -> String {
        assert!(self.status == 0 && self.stderr.is_empty(), "{self:?}");
        self.stdout
    }

    /// The standard error of a run with this exit status and empty standard output.
    #[track_caller]
    pub fn fails(self, status: i32) -> String {
        assert_eq!((self.status, self.stdout.as_str()), (status, ""), "{self:?}");
        self.stderr
    }
}

impl Windows {
    /// Empties the home folder of Wine, and puts the cache and the configuration of the sandbox there.
    pub fn new(mut sandbox: Sandbox) -> Self {
        let home = home();
        for name in [".vault", ".bao", ".vault-token", ".kube", ".aws", ".local"] {
            let path = home.join(name);
            let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
        }
        for (folder, of_sandbox) in [
            ("AppData/Local/yc-id-token/cache", sandbox.cache_folder()),
            ("AppData/Roaming/yc-id-token/config", sandbox.home().join(".config/yc-id-token")),
        ] {
            let folder = home.join(folder);
            fs::create_dir_all(folder.parent().unwrap()).unwrap();
            fs::create_dir_all(&of_sandbox).unwrap();
            let _ = fs::remove_file(&folder);
            symlink(of_sandbox, folder).unwrap();
        }
        for variable in ["YC_ID_TOKEN_KEY_FILE", "YC_ID_TOKEN_LOG_FILE"] {
            let path = drive_z(Path::new(&sandbox.get(variable).unwrap()));
            sandbox.set(variable, path);
        }
        sandbox.set("WINEPREFIX", "/root/.wine");
        sandbox.set("WINEDEBUG", "-all");
        // Wine reads its command line by it.
        sandbox.set("LC_ALL", "C.UTF-8");
        sandbox.set("WINEPATH", drive_z(&programs()));
        // A library for windows reports that it is not set.
        sandbox.set("XDG_RUNTIME_DIR", "/tmp");
        Self { sandbox }
    }

    /// Runs this program.
    pub fn run(&self, arguments: &[&str]) -> Ended {
        self.run_other("yc-id-token.exe", arguments)
    }

    /// Runs another program of `release/verify-windows`.
    pub fn run_other(&self, program: &str, arguments: &[&str]) -> Ended {
        let started = self.start(program, arguments);
        self.end(started)
    }

    pub fn start(&self, program: &str, arguments: &[&str]) -> Started {
        let results = tempfile::tempdir().unwrap();
        let mut command = self.sandbox.other_command("/usr/sbin/chroot");
        // It changes the folder, and `env` changes it back.
        command.arg(root()).arg("env").arg("--chdir").arg(self.sandbox.home());
        command.args(["wine", "runner.exe"]).arg(drive_z(results.path()));
        // Not a pipe: Wine's own processes, which stay, would hold it open.
        let by_wine = fs::File::create(results.path().join("wine")).unwrap();
        command.arg(program).args(arguments).stdout(Stdio::null()).stderr(by_wine);
        Started { child: command.spawn().unwrap(), results }
    }

    pub fn end(&self, started: Started) -> Ended {
        self.sandbox.outcome(started.child);
        let path = |name| started.results.path().join(name);
        let read = |name| {
            let text = fs::read(path(name));
            let by_wine = || fs::read_to_string(path("wine")).unwrap();
            String::from_utf8(text.unwrap_or_else(|error| panic!("{error}: {}", by_wine())))
                .unwrap()
        };
        let (status, stdout, stderr) = (read("status"), read("stdout"), read("stderr"));
        for secret in self.sandbox.secrets() {
            assert!(!leaks::holds(&stderr, &secret), "a secret is in the standard error: {stderr}");
        }
        Ended { status: status.parse().unwrap(), stdout, stderr }
    }

    /// Writes a file of the sandbox in UTF-16 with a byte order mark, as PowerShell's `>` does, and returns its path.
    pub fn write_utf_16(&self, name: &str, text: &str) -> String {
        let path = self.sandbox.write_secret(name, "");
        let units = std::iter::once(0xfeff).chain(text.encode_utf16());
        fs::write(&path, units.flat_map(u16::to_le_bytes).collect::<Vec<u8>>()).unwrap();
        drive_z(&path)
    }
}

/// The path of a file of this system for Windows programs.
pub fn drive_z(path: &Path) -> String {
    format!("Z:{}", path.to_str().unwrap().replace('/', "\\"))
}

/// The home folder of Wine's user.
pub fn home() -> PathBuf {
    Path::new(&root()).join("root/.wine/drive_c/users/root")
}

/// The folder of the Windows programs.
pub fn programs() -> PathBuf {
    variable("YC_ID_TOKEN_TEST_WINDOWS").into()
}

fn root() -> OsString {
    variable("WINE_ROOT")
}

fn variable(name: &str) -> OsString {
    std::env::var_os(name).unwrap_or_else(|| panic!("`release/verify-windows` runs this test"))
}
