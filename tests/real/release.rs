//! What `release` writes for others: release notes, and manifests for Homebrew, Scoop and winget.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::github::read_yaml;
use super::project_file;
use crate::sandbox::{Outcome, Sandbox};

const VERSION: &str = env!("CARGO_PKG_VERSION");
const REPOSITORY: &str = env!("CARGO_PKG_REPOSITORY");
const WINDOWS: &str = "x86_64-pc-windows-gnu.zip";
const TARGETS: [&str; 5] = [
    "aarch64-apple-darwin.tar.gz",
    "x86_64-apple-darwin.tar.gz",
    "aarch64-unknown-linux-musl.tar.gz",
    "x86_64-unknown-linux-musl.tar.gz",
    WINDOWS,
];

/// The digest of a package in these tests.
fn digest(target: &str) -> String {
    let position = TARGETS.iter().position(|other| *other == target).unwrap();
    // YAML reads it as a number, unless it is quoted.
    (position + 1).to_string().repeat(64)
}

fn sums(targets: &[&str]) -> String {
    let line = |target: &&str| format!("{}  yc-id-token-{VERSION}-{target}\n", digest(target));
    targets.iter().map(line).collect()
}

fn url(target: &str) -> String {
    format!("{REPOSITORY}/releases/download/v{VERSION}/yc-id-token-{VERSION}-{target}")
}

/// Fills the manifests in, and returns their folder.
fn fill(sandbox: &Sandbox, sums: &str) -> (Outcome, PathBuf) {
    sandbox.write("dist/SHA256SUMS", sums);
    let out = sandbox.home().join("manifests");
    let mut command =
        sandbox.other_command(Path::new(env!("CARGO_MANIFEST_DIR")).join("release/templates/fill"));
    command.env("PATH", std::env::var_os("PATH").unwrap());
    command.args([VERSION, "dist"]).arg(&out).arg("--all");
    (sandbox.finish(command), out)
}

fn manifests() -> (Sandbox, PathBuf) {
    let sandbox = Sandbox::new();
    let (outcome, out) = fill(&sandbox, &sums(&TARGETS));
    assert_eq!(outcome.ok(), "");
    (sandbox, out)
}

#[test]
fn the_formula_of_homebrew_is_ruby_with_every_archive() {
    let (sandbox, out) = manifests();
    let formula = out.join("homebrew/yc-id-token.rb");
    let mut ruby = sandbox.other_command("ruby");
    ruby.env("PATH", "/usr/bin:/bin").arg("-c").arg(&formula);
    assert_eq!(sandbox.finish(ruby).ok(), "Syntax OK\n");
    let text = fs::read_to_string(formula).unwrap();
    for target in &TARGETS[..4] {
        let source =
            format!("      url \"{}\"\n      sha256 \"{}\"\n", url(target), digest(target));
        assert!(text.contains(&source), "{target}");
    }
    assert!(!text.contains("{{"), "{text}");
}

#[test]
fn the_manifest_of_scoop_installs_the_archive_for_windows() {
    let (_sandbox, out) = manifests();
    let text = fs::read_to_string(out.join("scoop/yc-id-token.json")).unwrap();
    let manifest: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(manifest["version"], VERSION);
    assert_eq!(manifest["homepage"], REPOSITORY);
    let source = &manifest["architecture"]["64bit"];
    assert_eq!(source["url"], url(WINDOWS));
    assert_eq!(source["hash"], digest(WINDOWS));
    let folder = source["extract_dir"].as_str().unwrap();
    assert_eq!(format!("{folder}.zip"), format!("yc-id-token-{VERSION}-{WINDOWS}"));
    // The address of the next version differs in the version only.
    let next = manifest["autoupdate"]["architecture"]["64bit"]["url"].as_str().unwrap();
    assert_eq!(next.replace("$version", VERSION), url(WINDOWS));
}

#[test]
fn the_manifests_of_winget_describe_one_package() {
    let (sandbox, out) = manifests();
    let owner = REPOSITORY.split('/').nth(3).unwrap();
    let read = |kind: &str| {
        let file = out.join(format!("winget/{owner}.yc-id-token{kind}.yaml"));
        let manifest = read_yaml(&sandbox, &fs::read_to_string(file).unwrap());
        assert_eq!(manifest["PackageIdentifier"], format!("{owner}.yc-id-token"), "{kind}");
        assert_eq!(manifest["PackageVersion"], VERSION, "{kind}");
        manifest
    };
    let (version, installer, locale) = (read(""), read(".installer"), read(".locale.en-US"));
    assert_eq!(version["DefaultLocale"], locale["PackageLocale"]);
    for (manifest, kind) in
        [(&version, "version"), (&installer, "installer"), (&locale, "defaultLocale")]
    {
        assert_eq!(manifest["ManifestType"], kind);
    }
    let [source] = &installer["Installers"].as_array().unwrap()[..] else { panic!("another") };
    assert_eq!(source["InstallerUrl"], url(WINDOWS));
    assert_eq!(source["InstallerSha256"], digest(WINDOWS));
    let program = &installer["NestedInstallerFiles"][0]["RelativeFilePath"];
    let folder = format!("yc-id-token-{VERSION}-{}", WINDOWS.trim_end_matches(".zip"));
    assert_eq!(*program, format!("{folder}\\yc-id-token.exe"));
    // The limit of winget.
    assert!(locale["ShortDescription"].as_str().unwrap().len() <= 256);
}

#[test]
fn a_manifest_without_its_package_is_left_out() {
    let sandbox = Sandbox::new();
    let (outcome, out) = fill(&sandbox, &sums(&[WINDOWS]));
    assert_eq!(outcome.status.code(), Some(1));
    let missing = "homebrew/yc-id-token.rb is left out, because there is no yc-id-token-";
    assert!(outcome.stderr.contains(missing), "{outcome:?}");
    assert!(!out.join("homebrew").exists() && out.join("scoop/yc-id-token.json").exists());
}

#[test]
fn the_notes_are_the_dated_section_of_the_version() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "Cargo.toml",
        "[workspace.package]\nversion = \"1.2.0\"\n[workspace.dependencies]\n",
    );
    sandbox.write("release/version", &project_file("release/version"));
    let script = sandbox.write("release/notes", &project_file("release/notes"));
    let notes = |version: &str, changelog: &str| {
        sandbox.write("CHANGELOG.md", changelog);
        let mut command = sandbox.other_command("bash");
        command.env("PATH", "/usr/bin:/bin").arg(&script).arg(version);
        sandbox.finish(command)
    };
    let older = "\n## 1.1.0 - 2026-01-02\n\n- Older.\n";
    let complete =
        format!("# Changelog\n\n## Unreleased\n\n## 1.2.0 - 2026-11-29\n\n- New.\n{older}");
    assert_eq!(notes("1.2.0", &complete).ok().trim(), "- New.");
    for changelog in [
        format!("# Changelog\n\n## Unreleased\n\n- New.\n{older}"),
        format!("# Changelog\n\n## 1.2.0\n\n- New.\n{older}"),
        format!("# Changelog\n\n## 1.2.0 - 2026-11-29\n{older}"),
    ] {
        let outcome = notes("1.2.0", &changelog);
        assert_eq!(outcome.status.code(), Some(1), "{changelog}");
        assert!(outcome.stderr.contains("no section \"## 1.2.0 - YYYY-MM-DD\""), "{outcome:?}");
    }
    let other = notes("1.1.0", &complete);
    assert!(other.stderr.contains("the version in Cargo.toml is 1.2.0, not 1.1.0"), "{other:?}");
}
