//! Help in the shell: completions, manual pages, suggestions.

use std::fs;

use crate::sandbox::{PROGRAM, Sandbox};

/// A sandbox with profiles, and this program on the `PATH`.
pub fn sandbox() -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.configure("[profiles.prod]\n[profiles.preview]\n[profiles.other]\n");
    let programs = sandbox.home().join("programs");
    fs::create_dir(&programs).unwrap();
    std::os::unix::fs::symlink(PROGRAM, programs.join("yc-id-token")).unwrap();
    sandbox.set("PATH", format!("{}:/usr/bin:/bin", programs.display()));
    sandbox
}

/// The completions of bash for these words, of which the last is completed.
fn in_bash(sandbox: &Sandbox, words: &str) -> Vec<String> {
    const SCRIPT: &str = r#"
source <(yc-id-token completions bash)
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_TYPE=9
_yc_id_token
printf '%s\n' "${COMPREPLY[@]}"
"#;
    let mut bash = sandbox.other_command("/bin/bash");
    bash.args(["--norc", "-c", SCRIPT, "bash"]).args(words.split(' '));
    sandbox.finish(bash).ok().lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_options_and_profiles() {
    let sandbox = sandbox();
    assert_eq!(in_bash(&sandbox, "yc-id-token ku"), ["kubectl"]);
    assert_eq!(in_bash(&sandbox, "yc-id-token vault lo"), ["login"]);
    assert_eq!(in_bash(&sandbox, "yc-id-token setup aws --role"), ["--role-arn"]);
    assert_eq!(in_bash(&sandbox, "yc-id-token kubectl --profile pr"), ["preview", "prod"]);
    // bash splits `--profile=pr`.
    assert_eq!(in_bash(&sandbox, "yc-id-token kubectl --profile = pro"), ["prod"]);
    assert_eq!(in_bash(&sandbox, "yc-id-token setup kubectl --name o"), ["other"]);
    assert_eq!(in_bash(&sandbox, "yc-id-token completions z"), ["zsh"]);
    assert_eq!(in_bash(&sandbox, "yc-id-token kubectl --profile ="), ["other", "preview", "prod"]);
    assert_eq!(in_bash(&sandbox, "yc-id-token --profile kubectl toke"), ["token"], "not a command");
    for line in ["yc-id-token token --key-file ke", "yc-id-token exec --aws -- ku"] {
        assert_eq!(in_bash(&sandbox, line), [""], "bash completes files by itself");
    }
    let elsewhere = sandbox.write("elsewhere.toml", "[profiles.stage]\n");
    let line = format!("yc-id-token token --config {} --profile ", elsewhere.display());
    assert_eq!(in_bash(&sandbox, &line), ["stage"]);
    sandbox.configure("[broken");
    assert_eq!(in_bash(&sandbox, "yc-id-token kubectl --profile "), [""], "and no complaint");
}

#[test]
fn each_shell_has_its_own_script() {
    let sandbox = sandbox();
    for (shell, part) in [
        ("bash", "complete -o bashdefault"),
        ("zsh", "#compdef yc-id-token"),
        ("fish", "complete --command yc-id-token"),
        ("powershell", "Register-ArgumentCompleter"),
        ("pwsh", "Register-ArgumentCompleter"),
    ] {
        let script = sandbox.run(&["completions", shell]).ok();
        assert!(script.contains(part) && script.contains("YC_ID_TOKEN_COMPLETE"), "{script}");
    }
    let (_, hint) = sandbox.run(&["completions", "zssh"]).fails(2, "E_USAGE");
    assert!(hint.contains("zsh"), "{hint}");
    sandbox.run(&["--", "yc-id-token", "ku"]).fails(2, "E_USAGE");
}

#[test]
fn there_is_a_manual_page_for_every_command() {
    let sandbox = sandbox();
    let written = sandbox.run(&["man", "--output=man"]).ok();
    for name in ["yc-id-token", "yc-id-token-setup-kubectl", "yc-id-token-vault-token-helper"] {
        let file = format!("man/{name}.1\n");
        assert!(written.contains(&file), "{file}: {written}");
    }
    for file in written.lines() {
        let page = fs::read_to_string(sandbox.home().join(file)).unwrap();
        for part in [
            ".SH NAME",
            ".SH SYNOPSIS",
            ".SH OPTIONS",
            ".SH \"EXIT STATUS\"",
            ".SH ENVIRONMENT",
            "YC_ID_TOKEN_VERBOSE",
            ".SH FILES",
            ".SH EXAMPLES",
            "Example",
            ".SH \"SEE ALSO\"",
        ] {
            assert!(page.contains(part), "{part}: {file}");
        }
    }
    let main = fs::read_to_string(sandbox.home().join("man/yc-id-token.1")).unwrap();
    assert_eq!(sandbox.run(&["man"]).ok(), main);
    assert!(main.contains(".SH NOTES"), "{main}");
}

#[test]
fn bash_completes_known_values() {
    let sandbox = sandbox();
    sandbox.configure(
        "[profiles.prod]\n[profiles.preview]\n[profiles.other]\n\
         [identity.ci]\ntype = \"metadata\"\n[installations.kz]\noauth_endpoint = \"https://a.example\"\n",
    );
    sandbox.write(
        ".kube/config",
        "clusters:\n- name: prod-a\n  cluster: {server: https://a.example}\nusers:\n- name: me\n\
         contexts:\n- name: work\n  context: {cluster: prod-a, user: me}\n",
    );
    for (line, expected) in [
        ("yc-id-token token --format ", &["raw", "json", "header", "curl", "env", "terraform"][..]),
        ("yc-id-token token --cache k", &["keyring"]),
        ("yc-id-token token --identity meta", &["metadata"]),
        ("yc-id-token kubectl --api-version v1b", &["v1beta1"]),
        ("yc-id-token token --error-format ", &["text", "json"]),
        ("yc-id-token token --id-token-route y", &["yc-cli"]),
        ("yc-id-token setup kubectl --cluster ", &["prod-a"]),
        ("yc-id-token setup kubectl --user m", &["me"]),
        ("yc-id-token setup kubectl --context ", &["work"]),
        ("yc-id-token setup kubectl --context=w", &["--context=work"]),
        ("yc-id-token status p", &["preview", "prod"]),
        ("yc-id-token cache clear --profile p", &["preview", "prod"]),
        ("yc-id-token token --installation ", &["ru", "kz"]),
        ("yc-id-token token --identity c", &["ci"]),
        ("yc-id-token help ku", &["kubectl"]),
        ("yc-id-token help vault log", &["login"]),
        ("yc-id-token he", &["help"]),
        ("yc-id-token help he", &[""]),
        ("yc-id-token config set defaults.cac", &["defaults.cache"]),
        ("yc-id-token config set defaults.cache ", &["file", "keyring", "none"]),
        ("yc-id-token config set default_profile p", &["preview", "prod"]),
        ("yc-id-token -v config -v set -v --profile prod background_refresh ", &["true", "false"]),
        ("yc-id-token config set --profile prod kubectl.api_version v1b", &["v1beta1"]),
        ("yc-id-token config get profiles.prod.ins", &["profiles.prod.installation"]),
        (
            "yc-id-token doctor ",
            &["aws", "exec", "gcp", "kubectl", "other", "preview", "prod", "token", "vault"],
        ),
    ] {
        assert_eq!(in_bash(&sandbox, line), expected, "{line}");
    }
}
