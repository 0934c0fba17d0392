//! `doctor --report`: a file for a bug report, with the findings of a run and the traffic with the servers.
//!
//! Security: it contains the report, which is filtered text, and the structure of requests and answers. The file is
//! private, and the user should read it before sending it.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::report::Report;
use crate::env::{self, Env};
use crate::error::{Error, Result, shown};
use crate::foreign_text::ForeignText;
use crate::http::record;
use crate::message;
use crate::private_file;

/// The default name of the file, in the current folder.
const DEFAULT: &str = "yc-id-token-report.txt";

/// The introduction of the file.
const INTRODUCTION: &str = "A report of `yc-id-token doctor`, for a bug report. Read it before you send it.

It holds: the version of this program and of the system; the names of variables that are set; settings and where they
come from; what doctor found; and for each request its address, status and names of headers, and the shape of what was
sent and answered. It holds no token, key or password: a value that looks like one is `[redacted]`, and of others there
is the kind and the length. It does name hosts, files, profiles, audiences, roles and IDs of service accounts. Replace
what must not be known.

Findings of the group `id token` say which ways to an ID token work. The requests are those of doctor itself;
those of programs that it ran, such as kubectl, are not among them.

";

/// The maximum size of a file that names the system.
const LIMIT: u64 = 64 * 1024;

/// A file to write.
pub(super) struct Bundle(PathBuf);

impl Bundle {
    /// Refuses a file that exists, and starts recording requests.
    pub(super) fn begin(named: Option<&Path>) -> Result<Self> {
        let path = std::path::absolute(named.unwrap_or(Path::new(DEFAULT)));
        let path = path.map_err(Error::internal)?;
        if path.symlink_metadata().is_ok() {
            return Err(exists(&path));
        }
        record::start();
        Ok(Self(path))
    }

    /// Writes the file and returns its path.
    pub(super) fn write(self, report: &Report, env: &Env) -> Result<ForeignText> {
        let Self(path) = self;
        let content = json!({
            "system": system(env),
            "report": report.json(),
            "settings": report.settings(),
            "tokens": report.tokens(),
            "requests": record::take(),
        });
        let content = serde_json::to_string_pretty(&content).map_err(Error::internal)?;
        let written = private_file::create_new(&path).and_then(|mut file| {
            file.write_all([INTRODUCTION, &content, "\n"].concat().as_bytes())
        });
        match written {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Err(exists(&path)),
            Err(error) => Err(Error::unwritten(&path, error)),
            Ok(()) => Ok(shown(&path)),
        }
    }
}

fn exists(path: &Path) -> Error {
    Error::Usage {
        problem: message!("{} exists, and is not overwritten", shown(path)),
        hint: "remove it, or name another file with `--report=FILE`".into(),
    }
}

/// The system, and the names of the variables that are set.
fn system(env: &Env) -> Value {
    let line = |path: &str| {
        let bytes = private_file::read_plain(Path::new(path), LIMIT).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    };
    let release = line("/etc/os-release").unwrap_or_default();
    let name = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    let own = env::names_that_begin_with(env::OWN).into_iter();
    let others = env::all().filter(|var| !var.name.starts_with(env::OWN));
    let others = others.filter(|var| env.get_os(*var).is_some()).map(|var| var.name.into());
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "os": std::env::consts::OS,
        "arch": std::env::consts::ARCH,
        "libc": LIBC,
        "distribution": name.map(|name| ForeignText::new(name.trim_matches('"'))),
        "kernel": line("/proc/sys/kernel/osrelease").map(|text| ForeignText::new(text.trim())),
        "variables": own
            .chain(others)
            .map(|name: OsString| ForeignText::new(&name.to_string_lossy()))
            .collect::<Vec<_>>(),
    })
}

const LIBC: &str = if cfg!(target_env = "musl") {
    "musl"
} else if cfg!(target_env = "gnu") {
    "gnu"
} else if cfg!(target_env = "msvc") {
    "msvc"
} else {
    "the system's"
};
