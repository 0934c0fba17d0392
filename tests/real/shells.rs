//! Shells and `man` accept the generated files.

use std::process::Command;

use crate::shells::sandbox;

/// The completions that a user sees after pressing Tab.
const ZSH: &str = r#"
compdef() { true; }
_describe() { local name=${@[-1]}; print -l -- ${(P)name}; }
source <(yc-id-token completions zsh)
words=(yc-id-token "$@") CURRENT=$(($# + 1))
_yc-id-token
"#;

#[test]
fn zsh_and_fish_complete_commands_and_profiles() {
    let sandbox = sandbox();
    let run = |mut shell: Command| {
        shell.env("TERM", "dumb");
        sandbox.finish(shell).ok()
    };
    let zsh = |words: &[&str]| {
        let mut zsh = sandbox.other_command("zsh");
        zsh.args(["-f", "-c", ZSH, "zsh"]).args(words);
        run(zsh)
    };
    assert!(zsh(&["ku"]).starts_with("kubectl:"), "{}", zsh(&["ku"]));
    assert_eq!(zsh(&["kubectl", "--profile", "pr"]), "preview\nprod\n");
    assert_eq!(zsh(&["token", "--cache", ""]), "file\nkeyring\nnone\n");
    assert_eq!(zsh(&["token", "--installation", ""]), "ru\n");
    assert!(zsh(&["help", "vault", "log"]).starts_with("login:"));
    let fish = |line: &str| {
        let mut fish = sandbox.other_command("fish");
        let source = "yc-id-token completions fish | source";
        fish.args(["--no-config", "-c", &format!("{source}; complete -C '{line}'")]);
        run(fish)
    };
    assert!(fish("yc-id-token ku").starts_with("kubectl\tPrint"), "{}", fish("yc-id-token ku"));
    assert_eq!(fish("yc-id-token kubectl --profile pr"), "preview\nprod\n");
    assert_eq!(fish("yc-id-token token --cache "), "file\nkeyring\nnone\n");
    assert_eq!(fish("yc-id-token token --installation "), "ru\n");
    assert!(fish("yc-id-token help vault log").starts_with("login\t"));
}

#[test]
fn the_manual_pages_are_valid() {
    let sandbox = sandbox();
    let written = sandbox.run(&["man", "--output=man"]).ok();
    let mut lint = sandbox.other_command("mandoc");
    lint.args(["-T", "lint", "-W", "warning"]).args(written.lines());
    let printed = sandbox.finish(lint);
    // Pages have no date, so that they are reproducible. The crate that writes them puts an extra empty line between a
    // value's description and the list of values.
    let is_known = |line: &&str| line.contains("parse date") || line.contains("paragraph macro");
    let warnings: Vec<&str> = printed.stdout.lines().filter(|line| !is_known(line)).collect();
    assert_eq!((warnings, printed.stderr.as_str()), (vec![], ""));
    let mut man = sandbox.other_command("mandoc");
    man.args(["-T", "html", "man/yc-id-token-setup-kubectl.1"]);
    assert!(sandbox.finish(man).ok().contains("--use-context"));
}
