//! The consumer pages of `docs`: the format and links of all pages are checked, and the short pages are followed as a
//! user does, with the files of their folders in `integrations`, their shell blocks, and the validation of the
//! consumer.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::Value;
use yc_id_token::jwt;
use yc_id_token_emulator::Options;

use super::documents::{Document, filled_in};
use super::{http_get, peer, project_file};
use crate::agent::file;
use crate::sandbox::{Outcome, PROGRAM, Sandbox, claims};

/// The placeholders in the files that a user replaces.
pub const ACCOUNT: &str = "ajeexampleaccount000";
pub const ISSUER: &str = "https://auth.yandex.cloud";
const FOLDER: &str = "/run/user/1000/yc-id-token";

const PAGES: [&str; 11] = [
    "envoy",
    "azure",
    "databricks",
    "kafka",
    "mongodb",
    "mysql",
    "alibaba",
    "snowflake",
    "consul",
    "teleport",
    "tailscale",
];

/// The longer pages, each with the files of tests that follow it.
const GUIDES: [(&str, &[&str]); 9] = [
    ("kubectl", &["kubectl_files"]),
    ("aws", &["aws_files"]),
    ("vault", &["vault_files"]),
    ("gcp", &["gcp_files"]),
    ("terraform", &["terraform_files"]),
    ("ci", &["github_files"]),
    ("kubernetes", &["kubernetes_files"]),
    ("agent", &["agent_files", "systemd_files"]),
    ("programs", &["programs"]),
];

/// A page, and a sandbox that is configured as the page says.
pub struct Page {
    name: &'static str,
    pub text: Document,
    pub sandbox: Sandbox,
}

impl Page {
    pub fn of(name: &'static str) -> Self {
        let options = Options { issuer: Some(ISSUER.to_owned()), ..Options::default() };
        Self::with_options(name, options)
    }

    pub fn with_options(name: &'static str, options: Options) -> Self {
        let mut sandbox = Sandbox::with_options(options);
        sandbox.unset("YC_ID_TOKEN_KEY_FILE");
        sandbox.write_secret(".config/yc-id-token/key.json", &sandbox.key.to_json());
        let clients = peer("client-venv/bin/python");
        let folders = [Path::new(PROGRAM), &clients].map(|path| path.parent().unwrap().display());
        sandbox.set("PATH", format!("{}:{}:/usr/bin:/bin", folders[0], folders[1]));
        let page = Self { name, text: Document::of(name), sandbox };
        page.sandbox.configure(&page.file("config.toml"));
        page
    }

    /// A file of the page's folder, for the account and the folders of the sandbox.
    pub fn file(&self, name: &str) -> String {
        let text = project_file(&format!("integrations/{}/{name}", self.name));
        self.for_sandbox(&text)
    }

    fn for_sandbox(&self, text: &str) -> String {
        let folder = self.sandbox.home().join("run");
        text.replace(ACCOUNT, &self.sandbox.account).replace(FOLDER, folder.to_str().unwrap())
    }

    /// The token file that the configured agent keeps fresh.
    pub fn token_file(&self) -> PathBuf {
        file(&self.sandbox, &format!("run/{}.jwt", self.name))
    }

    /// Installs a script in place of a client that is in no package registry.
    pub fn play(&mut self, client: &str, script: &str) {
        let path =
            self.sandbox.write(&format!("clients/{client}"), &format!("#!/bin/sh\n{script}"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let mut folders = path.parent().unwrap().as_os_str().to_owned();
        folders.push(":");
        folders.push(self.sandbox.get("PATH").unwrap());
        self.sandbox.set("PATH", folders);
    }

    /// A file of the page's folder in YAML, as JSON.
    pub fn yaml(&self, name: &str) -> Value {
        const READ: &str = "import json, sys, yaml; print(json.dumps(yaml.safe_load(sys.argv[1])))";
        let mut python = self.sandbox.other_command(peer("schema-venv/bin/python"));
        python.args(["-c", READ, &self.file(name)]);
        serde_json::from_str(&self.sandbox.finish(python).ok()).unwrap()
    }

    /// Runs the page's block with this text in a shell, with some words replaced.
    pub fn type_in(&self, containing: &str, replaced: &[(&str, &str)]) -> Outcome {
        let mut block = self.for_sandbox(self.text.block("sh", containing));
        for (printed, had) in replaced {
            block = filled_in(&block, printed, had);
        }
        self.sandbox.shell(&block)
    }

    /// The consumer's server, which trusts what its configuration names.
    pub fn relying_party(&self, issuer: &str, audience: &str, subject: &str) -> RelyingParty {
        let address = self.sandbox.cloud.url().trim_start_matches("http://").parse().unwrap();
        let (_, keys) = http_get(address, "/oauth/jwks/keys");
        let expected = [("iss", issuer), ("aud", audience), ("sub", subject)];
        let expected = expected.map(|(name, value)| (name, value.to_owned()));
        RelyingParty { keys: serde_json::from_str(&keys).unwrap(), expected }
    }
}

/// The checks of a consumer's server on an ID token.
pub struct RelyingParty {
    keys: Value,
    expected: [(&'static str, String); 3],
}

impl RelyingParty {
    /// The problem begins with the name of the claim that does not match.
    pub fn check(&self, token: &str) -> Result<(), String> {
        jwt::verify(token, &self.keys)?;
        let claims = claims(token);
        for (name, value) in &self.expected {
            if claims[*name] != **value {
                return Err(format!("{name} is {}", claims[*name]));
            }
        }
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
        if claims["exp"].as_u64() <= Some(now) {
            return Err("exp is in the past".to_owned());
        }
        Ok(())
    }
}

#[test]
fn every_page_has_the_same_sections_and_reports_what_was_tried() {
    for name in PAGES {
        let page = project_file(&format!("docs/{name}.md"));
        let headings: Vec<&str> =
            page.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        let expected = ["Trust", "Configure", "Run", "Check", "Troubleshooting"];
        assert_eq!(headings, expected, "{name}");
        let last = page.rsplit_once("\n\n").unwrap().1;
        assert!(
            last.starts_with("Tried with: ") && last.contains("; not tried: "),
            "{name}: {last}"
        );
        assert!((30..=80).contains(&page.lines().count()), "{name}: {}", page.lines().count());
    }
}

#[test]
fn every_file_of_a_page_is_linked_there_and_used_by_its_test() {
    for name in PAGES {
        let page = project_file(&format!("docs/{name}.md"));
        let test = project_file(&format!("tests/real/{name}.rs"));
        for path in files(&format!("integrations/{name}")) {
            let file = path.file_name().unwrap().to_str().unwrap();
            assert!(page.contains(&format!("](../integrations/{name}/{file})")), "{name}: {file}");
            // `Page` uses the first for all pages.
            assert!(
                file == "config.toml" || test.contains(&format!("\"{file}\"")),
                "{name}: {file}"
            );
        }
    }
}

#[test]
fn every_guide_has_a_start_an_end_and_reports_what_was_tried() {
    for (name, _) in GUIDES {
        let page = project_file(&format!("docs/{name}.md"));
        for heading in ["# Quick start\n", "# Troubleshooting\n", "# Limits\n"] {
            assert!(page.contains(heading), "{name}: {heading}");
        }
        let last = page.rsplit_once("\n\n").unwrap().1;
        assert!(
            last.starts_with("Tried with: ") && last.contains("; not") && last.ends_with(".\n"),
            "{name}: {last}"
        );
    }
}

/// The files of the folders in `integrations`. Those beside the folders make a crate of it.
fn integrations() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("integrations");
    files("integrations").into_iter().filter(|path| path.parent() != Some(&root)).collect()
}

#[test]
fn every_file_of_the_integrations_is_tested_and_linked() {
    let read = |path: &PathBuf| fs::read_to_string(path).unwrap();
    let tests: Vec<String> = files("tests/real").iter().map(read).collect();
    let pages: Vec<String> = files("docs").iter().map(read).collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for path in integrations() {
        let file = path.file_name().unwrap().to_str().unwrap();
        if file == "README.md" {
            continue;
        }
        assert!(tests.iter().any(|test| test.contains(file)), "no test: {}", path.display());
        let link = format!("](../{})", path.strip_prefix(root).unwrap().display());
        assert!(pages.iter().any(|page| page.contains(&link)), "no page: {}", path.display());
    }
}

#[test]
fn every_index_of_a_folder_of_the_integrations_is_short_and_complete() {
    for index in integrations().iter().filter(|path| path.ends_with("README.md")) {
        let text = fs::read_to_string(index).unwrap();
        let folder = index.parent().unwrap();
        assert!(text.lines().count() <= 10, "{}", index.display());
        assert!(text.contains("](../../docs/"), "{}", index.display());
        for path in files(folder.to_str().unwrap()) {
            let file = path.strip_prefix(folder).unwrap().display().to_string();
            let is_listed = text.contains(&format!("[{file}]({file})"));
            assert!(is_listed || file == "README.md", "{}: {file}", index.display());
        }
    }
}

/// The page's commands were run exactly as written.
#[test]
fn every_shell_block_of_a_page_is_run_by_its_test() {
    let typed_in = |tests: &[&str]| -> Vec<String> {
        let mut typed = Vec::new();
        for test in tests {
            let test = project_file(&format!("tests/real/{test}.rs"));
            for call in ["type_in(", "typed(", "block(\"sh\", "] {
                let calls = test.split(call).skip(1).filter(|rest| rest.starts_with('"'));
                typed.extend(calls.filter_map(|rest| rest.split('"').nth(1)).map(str::to_owned));
            }
        }
        typed
    };
    let pages = PAGES.iter().map(|name| (*name, typed_in(&[name])));
    let guides = GUIDES.iter().map(|(name, tests)| (*name, typed_in(tests)));
    for (name, typed) in pages.chain(guides) {
        for block in Document::of(name).blocks("sh") {
            assert!(typed.iter().any(|saying| block.contains(saying)), "{name}: {block}");
        }
    }
}

#[test]
fn the_table_of_the_documentation_lists_every_page() {
    let table = project_file("docs/README.md");
    for page in files("docs").iter().filter(|path| path.extension().is_some_and(|of| of == "md")) {
        let page = page.file_name().unwrap().to_str().unwrap();
        let row = table.lines().find(|line| line.contains(&format!("]({page})")));
        assert!(page == "README.md" || row.is_some_and(|row| row.starts_with("| ")), "{page}");
    }
}

#[test]
fn every_link_of_the_documentation_leads_to_a_file() {
    let mut pages = files("docs");
    pages.insert("README.md".into());
    pages.extend(files("integrations").into_iter().filter(|path| path.ends_with("README.md")));
    for page in pages {
        let text = fs::read_to_string(&page).unwrap();
        for link in text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            let (place, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if place.is_empty() { &page } else { &page.parent().unwrap().join(place) };
            if place.contains("://") {
                continue;
            }
            assert!(target.exists(), "{}: {link}", page.display());
            let has_heading = || headings(&fs::read_to_string(target).unwrap()).contains(heading);
            assert!(heading.is_empty() || has_heading(), "{}: {link}", page.display());
        }
    }
}

/// The names by which links lead to the headings of a page.
fn headings(page: &str) -> BTreeSet<String> {
    let headings = page.lines().filter(|line| line.starts_with('#'));
    let name = |heading: &str| {
        let text = heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
        text.replace(
            |character: char| !character.is_alphanumeric() && !['-', '_'].contains(&character),
            "",
        )
    };
    headings.map(name).collect()
}

/// The files of a folder of the project, and of the folders in it.
fn files(folder: &str) -> BTreeSet<PathBuf> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    let mut files = BTreeSet::new();
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                files.insert(path);
            }
        }
    }
    files
}
