//! The action of `integrations/github-actions` downloads a release. A server on loopback has the releases.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::github::{Job, path_of, read_yaml};
use super::project_file;
use crate::fake_server::{FakeServer, Reply};
use crate::sandbox::{Outcome, PROGRAM, Sandbox};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What GitHub calls the systems of its runners, and the targets of their archives.
const RUNNERS: [(&str, &str, &str); 6] = [
    ("Linux", "X64", "x86_64-unknown-linux-musl.tar.gz"),
    ("Linux", "ARM64", "aarch64-unknown-linux-musl.tar.gz"),
    ("macOS", "X64", "x86_64-apple-darwin.tar.gz"),
    ("macOS", "ARM64", "aarch64-apple-darwin.tar.gz"),
    ("Windows", "X64", "x86_64-pc-windows-gnu.zip"),
    ("Windows", "ARM64", "x86_64-pc-windows-gnu.zip"),
];

/// A release of this version.
struct Release {
    server: FakeServer,
    folder: PathBuf,
}

impl Release {
    fn new(sandbox: &Sandbox) -> Self {
        let folder = sandbox.home().join("release");
        fs::create_dir(&folder).unwrap();
        for archive in RUNNERS[..5].iter().map(|(_, _, archive)| archive) {
            let (target, kind) = archive.split_once('.').unwrap();
            let name = format!("yc-id-token-{VERSION}-{target}");
            let extension = if kind == "zip" { ".exe" } else { "" };
            // A short program that runs the tested one: that is too large to be packed in each test.
            let program = sandbox.write(
                &format!("build/{name}/yc-id-token{extension}"),
                &format!("#!/bin/sh\nexec {PROGRAM} \"$@\"\n"),
            );
            sandbox.shell(&format!("chmod +x {}", program.display())).ok();
            let pack = if kind == "zip" { "zip -qr" } else { "tar -czf" };
            let file = folder.join(format!("{name}.{kind}"));
            sandbox.shell(&format!("cd build && {pack} {} {name}", file.display())).ok();
        }
        sandbox.shell("cd release && sha256sum * >../SHA256SUMS && mv ../SHA256SUMS .").ok();
        let place = folder.clone();
        let server = FakeServer::start(move |request, _| {
            let path = request.line.split(' ').nth(1).unwrap();
            let name = path.strip_prefix(&format!("/download/v{VERSION}/"));
            match name.and_then(|name| fs::read(place.join(name)).ok()) {
                Some(body) => {
                    let head = format!("HTTP/1.1 200 x\r\ncontent-length: {}\r\n\r\n", body.len());
                    Reply::Bytes([head.into_bytes(), body].concat())
                }
                None => Reply::json(404, &json!({})),
            }
        });
        Self { server, folder }
    }

    fn url(&self) -> String {
        format!("{}/download", self.server.url())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The names of the files that were requested.
    fn requested(&self) -> Vec<String> {
        let name = |line: String| line.split([' ', '/']).nth(4).unwrap().to_owned();
        self.server.requests().into_iter().map(|request| name(request.line)).collect()
    }
}

fn job() -> (Job, Value, Release) {
    let sandbox = Sandbox::new();
    let action = read_yaml(&sandbox, &project_file("integrations/github-actions/action.yml"));
    let release = Release::new(&sandbox);
    (Job::start(sandbox, "ref:refs/heads/main"), action, release)
}

/// Uses the action with these inputs and the server's releases.
fn use_action(job: &mut Job, action: &Value, release: &Release, more: &Value) -> Outcome {
    let mut inputs = json!({ "service-account": job.sandbox.account, "releases": release.url() });
    for (name, value) in more.as_object().unwrap() {
        inputs[name] = value.clone();
    }
    job.use_action(action, &inputs, "yandex")
}

/// Checks that the action fails with this error, and that no program is on the path afterwards.
#[track_caller]
fn fails(job: &mut Job, action: &Value, release: &Release, more: &Value, message: &str) {
    let outcome = use_action(job, action, release, more);
    assert_eq!(outcome.status.code(), Some(1), "{outcome:?}");
    assert_eq!(outcome.stdout, format!("::error::{message}\n"));
    let left = fs::read_dir(job.sandbox.home().join("runner-temp")).unwrap();
    assert_eq!(left.count(), 0, "nothing is left");
}

fn digest(sandbox: &Sandbox, file: &Path) -> String {
    sandbox.shell(&format!("sha256sum <{}", file.display())).ok()[..64].to_owned()
}

#[test]
fn the_action_downloads_the_release_of_its_own_version() {
    let (mut job, action, release) = job();
    let sums = digest(&job.sandbox, &release.file("SHA256SUMS"));
    // Twice, as a job with two service accounts does.
    for inputs in [json!({}), json!({ "version": format!("v{VERSION}"), "sha256": sums })] {
        let log = use_action(&mut job, &action, &release, &inputs).ok();
        assert_eq!(log, format!("yc-id-token {VERSION}\n"));
    }
    let version = job.run(&json!({ "run": "yc-id-token --version" }));
    assert_eq!(version, format!("yc-id-token {VERSION}\n"));
    let folder = job.run(&json!({ "run": "dirname \"$(command -v yc-id-token)\"" }));
    assert_eq!(Path::new(folder.trim()), job.sandbox.home().join("runner-temp/yc-id-token"));
}

#[test]
fn the_releases_of_the_project_are_used_by_default() {
    let sandbox = Sandbox::new();
    let action = read_yaml(&sandbox, &project_file("integrations/github-actions/action.yml"));
    let mut job = Job::start(sandbox, "ref:refs/heads/main");
    // An exported function instead of the program, because a test reaches loopback only.
    job.sandbox.set("BASH_FUNC_curl%%", "() { return 6; }");
    let with = json!({ "service-account": job.sandbox.account });
    let outcome = job.use_action(&action, &with, "yandex");
    let releases = concat!(env!("CARGO_PKG_REPOSITORY"), "/releases/download");
    let expected = format!("::error::cannot download {releases}/v{VERSION}/SHA256SUMS\n");
    assert_eq!((outcome.status.code(), outcome.stdout), (Some(1), expected));
}

#[test]
fn each_runner_gets_the_archive_of_its_system() {
    let sandbox = Sandbox::new();
    let release = Release::new(&sandbox);
    for (os, architecture, archive) in RUNNERS {
        let folder = sandbox.home().join(format!("{os}-{architecture}"));
        let mut download = sandbox.other_command(path_of("download"));
        download.arg(&folder).args(["", "", &release.url()]);
        download.env("RUNNER_TEMP", sandbox.home()).env("PATH", "/usr/bin:/bin");
        download.env("RUNNER_OS", os).env("RUNNER_ARCH", architecture);
        assert_eq!(sandbox.finish(download).ok(), "");
        let expected = format!("yc-id-token-{VERSION}-{archive}");
        assert_eq!(release.requested().last(), Some(&expected), "{os} {architecture}");
        let program = if os == "Windows" { "yc-id-token.exe" } else { "yc-id-token" };
        assert!(folder.join(program).is_file(), "{os} {architecture}");
    }
}

#[test]
fn a_release_that_differs_from_its_digests_is_not_run() {
    let (mut job, action, release) = job();
    let other = json!({ "sha256": "0".repeat(64) });
    let message =
        format!("SHA256SUMS of release {VERSION} does not have the digest of the input `sha256`");
    fails(&mut job, &action, &release, &other, &message);
    assert_eq!(release.requested(), ["SHA256SUMS"]);

    let archive = format!("yc-id-token-{VERSION}-{}", RUNNERS[0].2);
    fs::write(release.file(&archive), "other").unwrap();
    let message = format!("{archive} does not have the digest that SHA256SUMS lists");
    fails(&mut job, &action, &release, &json!({}), &message);

    fs::write(release.file("SHA256SUMS"), "").unwrap();
    let message = format!("SHA256SUMS of release {VERSION} does not list {archive}");
    fails(&mut job, &action, &release, &json!({}), &message);
}

#[test]
fn a_missing_release_and_an_unknown_runner_are_reported() {
    let (mut job, action, release) = job();
    let message = format!("cannot download {}/v9.9.9/SHA256SUMS", release.url());
    fails(&mut job, &action, &release, &json!({ "version": "9.9.9" }), &message);

    job.sandbox.set("RUNNER_ARCH", "ARM");
    let message =
        "there is no release for Linux on ARM: name an installed program with the input `program`";
    fails(&mut job, &action, &release, &json!({}), message);
}
