//! The version and the repository, as pages and files to copy name them.

use std::fs;
use std::path::{Path, PathBuf};

use super::write;

const VERSION: &str = env!("CARGO_PKG_VERSION");
const REPOSITORY: &str = env!("CARGO_PKG_REPOSITORY");
/// What is in front of an owner and the name of the project.
const BEFORE_OWNER: [&str; 4] = ["https://github.com/", "ghcr.io/", "uses: ", "--repo "];

fn project(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// A line with this version in place of every other one, and this owner in place of every other one.
fn current(line: &str) -> String {
    if !line.contains("yc-id-token") {
        return line.to_owned();
    }
    let mut line = versions_replaced(line);
    let owner = REPOSITORY.split('/').nth(3).unwrap();
    for before in BEFORE_OWNER {
        let Some((start, rest)) = line.split_once(before) else { continue };
        let Some((_, rest)) = rest.split_once("/yc-id-token").filter(|(owner, _)| is_owner(owner))
        else {
            continue;
        };
        let owner = if before == "ghcr.io/" { owner.to_lowercase() } else { owner.to_owned() };
        line = format!("{start}{before}{owner}/yc-id-token{rest}");
    }
    line
}

fn is_owner(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-')
}

/// Replaces three numbers with dots between them. An IP address has four.
fn versions_replaced(line: &str) -> String {
    let mut replaced = String::new();
    let mut rest = line;
    while let Some(start) = rest.find(|letter: char| letter.is_ascii_digit()) {
        let (before, number) = rest.split_at(start);
        let end = number.find(|letter: char| !letter.is_ascii_digit() && letter != '.');
        let (number, after) = number.split_at(end.unwrap_or(number.len()));
        let (number, dot) = match number.strip_suffix('.') {
            Some(number) => (number, "."),
            None => (number, ""),
        };
        let is_version = number.split('.').count() == 3;
        replaced.extend([before, if is_version { VERSION } else { number }, dot]);
        rest = after;
    }
    replaced + rest
}

#[test]
fn pages_and_files_name_this_version_and_repository() {
    let mut all = files(&project("docs"));
    all.extend(files(&project("integrations")));
    all.extend(["README.md", "SECURITY.md", "emulator/README.md"].map(project));
    all.push(project(".github/ISSUE_TEMPLATE/config.yml"));
    for file in all {
        let Ok(text) = fs::read_to_string(&file) else { continue };
        let expected: String = text.split_inclusive('\n').map(|line| current(line)).collect();
        write(&file, &text, &expected);
    }
}

#[test]
fn another_version_and_owner_are_found() {
    let owner = REPOSITORY.split('/').nth(3).unwrap();
    for (line, expected) in [
        ("uses: me/yc-id-token/x@v9.8.7", format!("uses: {owner}/yc-id-token/x@v{VERSION}")),
        ("yc-id-token 9.8.7.", format!("yc-id-token {VERSION}.")),
        (
            "image: ghcr.io/me/yc-id-token:9.8.7",
            format!("image: ghcr.io/{}/yc-id-token:{VERSION}", owner.to_lowercase()),
        ),
        ("yc-id-token at 127.0.0.1 since 1.2", "yc-id-token at 127.0.0.1 since 1.2".into()),
        ("kubectl 1.37.1", "kubectl 1.37.1".into()),
    ] {
        assert_eq!(current(line), expected);
    }
}

#[test]
fn all_crates_have_the_version_of_the_workspace() {
    let cargo: toml::Table =
        toml::from_str(&fs::read_to_string(project("Cargo.toml")).unwrap()).unwrap();
    let workspace = &cargo["workspace"];
    assert_eq!(workspace["package"]["version"].as_str(), Some(VERSION));
    for (name, dependency) in workspace["dependencies"].as_table().unwrap() {
        if let Some(folder) = dependency.get("path").and_then(toml::Value::as_str) {
            assert_eq!(dependency["version"].as_str(), Some(&*format!("={VERSION}")), "{name}");
            let text = fs::read_to_string(project(folder).join("Cargo.toml")).unwrap();
            let member: toml::Table = toml::from_str(&text).unwrap();
            for key in ["version", "edition", "rust-version", "license", "repository"] {
                assert_eq!(
                    member["package"][key]["workspace"].as_bool(),
                    Some(true),
                    "{name}: {key}"
                );
            }
            for key in ["description", "readme", "keywords", "categories", "include"] {
                assert!(member["package"].get(key).is_some(), "{name}: {key}");
            }
        }
    }
}
