//! The pages of `docs` about a topic: the output that they show is what the program prints, their shell blocks run, their
//! configuration is valid, and their lists are complete.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use yc_id_token::error::Code;
use yc_id_token_emulator::Options;

use crate::doctor::configured;
use crate::real::documents::Document;
use crate::sandbox::Sandbox;

const AUDIENCE: &str = "https://k8s.example";

/// A sandbox with the profile `prod` of the pages, and the program alone on the `PATH`.
fn sandbox() -> Sandbox {
    let sandbox = configured();
    let key = sandbox.home().join("key.json");
    let profile = format!("[profiles.prod]\nkey_file = \"{}\"\n", key.display());
    sandbox.configure(&format!("{profile}audience = \"{AUDIENCE}\"\n"));
    sandbox
}

/// The words of an output, with `*` for those that differ between machines and runs. What is in parentheses is left out.
fn words(output: &str) -> Vec<String> {
    let mut text = String::new();
    let mut depth = 0;
    for character in output.chars() {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ if depth == 0 => text.push(character),
            _ => {}
        }
    }
    let varies = |word: &str| {
        word.contains(|character: char| character.is_ascii_digit() || "/…".contains(character))
            || word.trim_end_matches(['.', ':', ',']).contains(['.', ':'])
    };
    let word = |word: &str| if varies(word) { "*".to_owned() } else { word.to_owned() };
    text.split_whitespace().map(word).collect()
}

/// What the page shows below a command.
fn shown(page: &str, command: &str) -> String {
    let page = Document::of(page);
    let prompt = format!("$ {command}\n");
    page.block("console", &prompt).strip_prefix(&prompt).unwrap().to_owned()
}

#[test]
fn the_page_shows_what_status_prints() {
    let sandbox = sandbox();
    sandbox.run(&["kubectl", "--profile=prod"]).ok();
    let printed = sandbox.run(&["status"]).ok();
    assert_eq!(words(&printed), words(&shown("diagnostics", "yc-id-token status")), "{printed}");
}

#[test]
fn the_page_shows_what_doctor_prints() {
    let sandbox = sandbox();
    let exec = "{ apiVersion: client.authentication.k8s.io/v1, command: yc-id-token, args: [kubectl, --profile=prod] }";
    let kubeconfig = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: yandex\nusers: [{{ name: yandex, user: {{ exec: {exec} }} }}]\n\
         clusters: [{{ name: k8s, cluster: {{ server: \"{AUDIENCE}\" }} }}]\n\
         contexts: [{{ name: yandex, context: {{ cluster: k8s, user: yandex }} }}]\n"
    );
    sandbox.write(".kube/config", &kubeconfig);
    fs::create_dir_all(sandbox.cache_folder()).unwrap();
    fs::set_permissions(sandbox.cache_folder(), Permissions::from_mode(0o700)).unwrap();
    let mut command = sandbox.command(&["doctor", "kubectl", "--profile=prod"]);
    command.env("LC_ALL", "C.UTF-8");
    let printed = sandbox.finish(command).stdout;
    let shown = shown("diagnostics", "yc-id-token doctor kubectl --profile prod");
    assert_eq!(words(&printed), words(&shown), "{printed}");
}

#[test]
fn the_shell_blocks_of_the_pages_run() {
    for page in ["caching", "diagnostics", "troubleshooting"] {
        for block in Document::of(page).blocks("sh") {
            let sandbox = sandbox();
            let outcome = sandbox.shell(block);
            assert!(outcome.status.success(), "{page}: {block}: {outcome:?}");
        }
    }
}

#[test]
fn the_configuration_on_the_pages_is_valid() {
    for page in ["caching", "networking", "security"] {
        for block in Document::of(page).blocks("toml") {
            let sandbox = Sandbox::with_options(Options::default());
            sandbox.configure(block);
            fs::write(sandbox.home().join(".config/yc-id-token/corporate.pem"), "").unwrap();
            let outcome = sandbox.run(&["config", "validate"]);
            assert!(outcome.status.success(), "{page}: {block}: {outcome:?}");
        }
    }
}

#[test]
fn the_troubleshooting_page_has_every_error_code() {
    let page = fs::read_to_string(path("troubleshooting")).unwrap();
    for code in Code::ALL {
        let link = format!("| [{code}](errors.md#{}) |", code.name().to_lowercase());
        assert!(page.contains(&link), "{link}");
    }
}

#[test]
fn every_anchor_of_the_documentation_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages: Vec<PathBuf> =
        ["README.md", "CONTRIBUTING.md", "SECURITY.md"].map(|name| root.join(name)).to_vec();
    pages.extend(fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path()));
    for page in pages.iter().filter(|page| page.extension().is_some_and(|it| it == "md")) {
        let text = fs::read_to_string(page).unwrap();
        for link in text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            let Some((file, anchor)) = link.split_once('#') else { continue };
            if file.contains("://") {
                continue;
            }
            let target = if file.is_empty() { page.clone() } else { page.with_file_name(file) };
            // Another test reports files that do not exist.
            if let Ok(target) = fs::read_to_string(target) {
                assert!(anchors(&target).any(|it| it == anchor), "{}: {link}", page.display());
            }
        }
    }
}

/// The anchors that GitHub makes for the headings of a page, and those that it names itself.
fn anchors(page: &str) -> impl Iterator<Item = String> {
    let headings = page.lines().filter(|line| line.starts_with('#'));
    let slugs = headings.map(|line| {
        let title = line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
        title.chars().filter(|it| it.is_alphanumeric() || "-_".contains(*it)).collect()
    });
    let named = page.split("id=\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned());
    slugs.chain(named)
}

fn path(page: &str) -> String {
    format!("{}/docs/{page}.md", env!("CARGO_MANIFEST_DIR"))
}
