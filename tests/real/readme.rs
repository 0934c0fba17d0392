//! The README: its session and its quick starts work as printed.

use std::path::Path;

use serde_json::Value;

use super::documents::Document;
use super::kubeconfig::put_on_path;
use crate::sandbox::{PROGRAM, Sandbox};

/// A sandbox with the program on the `PATH`, the key where the README has it, and a cluster `prod`.
fn sandbox() -> Sandbox {
    let mut sandbox = Sandbox::new();
    put_on_path(&mut sandbox, &[Path::new(PROGRAM).parent().unwrap()]);
    sandbox.write_secret("key.json", &sandbox.key.to_json());
    sandbox.unset("YC_ID_TOKEN_KEY_FILE");
    let cluster = "apiVersion: v1\nkind: Config\nclusters:\n- name: prod\n  cluster: {server: \"https://127.0.0.1:1\"}\n";
    sandbox.write(".kube/config", cluster);
    sandbox
}

fn type_in(sandbox: &Sandbox, line: &str) -> String {
    sandbox.shell(line).ok()
}

/// The lines of its blocks in a language that begin so, without that.
fn lines<'a>(
    readme: &'a Document,
    language: &str,
    begin: &'a str,
) -> impl Iterator<Item = &'a str> {
    let blocks = readme.blocks(language).into_iter();
    blocks.flat_map(str::lines).filter_map(move |line| line.strip_prefix(begin))
}

#[test]
fn the_session_of_the_readme_works() {
    let readme = Document::of("../README");
    let sandbox = sandbox();
    let mut session = lines(&readme, "console", "$ yc-id-token ").map(|words| {
        let outcome = sandbox.run(&words.split(' ').collect::<Vec<_>>());
        (words, outcome)
    });
    assert!(session.next().unwrap().1.ok().contains("yandex@prod"));
    let claims: Value = serde_json::from_str(&session.next().unwrap().1.ok()).unwrap();
    assert_eq!(claims["aud"], "https://k8s.example");
    let status = session.next().unwrap().1.ok();
    let heading = readme.blocks("console")[0].lines().find(|line| line.starts_with("CREDENTIAL"));
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(status.lines().next().map(words), heading.map(words));
    assert!(session.next().unwrap().1.stdout.contains("prod"));
    assert!(session.next().is_none());
}

#[test]
fn the_quick_starts_of_the_readme_print_what_they_change() {
    let readme = Document::of("../README");
    let mut quick_starts = 0;
    for words in lines(&readme, "sh", "yc-id-token setup ") {
        let printed = type_in(&sandbox(), &format!("yc-id-token setup {words} --offline"));
        assert!(printed.contains("config.toml"), "{words}: {printed}");
        quick_starts += 1;
    }
    assert_eq!(quick_starts, 3);
}
