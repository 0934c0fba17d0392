//! `config` shows, changes and checks the configuration file.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Stdio;

use crate::sandbox::Sandbox;

fn file(sandbox: &Sandbox) -> PathBuf {
    sandbox.home().join(".config/yc-id-token/config.toml")
}

fn set(sandbox: &Sandbox, words: &[&str]) {
    let written = sandbox.run(&[&["config", "set"], words].concat()).ok();
    assert_eq!(written, format!("written {}\n", file(sandbox).display()));
}

fn get(sandbox: &Sandbox, words: &[&str]) -> String {
    sandbox.run(&[&["config", "get"], words].concat()).ok()
}

#[test]
fn path_prints_the_file_that_runs_read() {
    let mut sandbox = Sandbox::new();
    let usual = format!("{}\n", file(&sandbox).display());
    assert_eq!(sandbox.run(&["config", "path"]).ok(), usual);
    assert_eq!(sandbox.run(&["config", "path", "--config", "/etc/x.toml"]).ok(), "/etc/x.toml\n");
    sandbox.set("YC_ID_TOKEN_CONFIG", "~/y.toml");
    let path = format!("{}\n", sandbox.home().join("y.toml").display());
    assert_eq!(sandbox.run(&["config", "path"]).ok(), path);
}

#[test]
fn set_creates_a_file_key_by_key() {
    let sandbox = Sandbox::new();
    set(&sandbox, &["profiles.prod.audience", "k8s"]);
    set(&sandbox, &["kubectl.api_version", "v1", "--profile", "prod"]);
    set(&sandbox, &["default_profile", "prod"]);
    set(&sandbox, &["defaults.background_refresh", "false"]);
    set(&sandbox, &["defaults.timeout", "5"]);
    set(&sandbox, &["defaults.kubectl.profile", "prod"]);
    set(
        &sandbox,
        &[
            "aws.policy_arn",
            "arn:aws:iam::aws:policy/A",
            "arn:aws:iam::aws:policy/B",
            "--profile=prod",
        ],
    );
    let text = fs::read_to_string(file(&sandbox)).unwrap();
    assert_eq!(
        text,
        "default_profile = \"prod\"\n[profiles.prod]\naudience = \"k8s\"\n\n\
         [profiles.prod.kubectl]\napi_version = \"v1\"\n\n\
         [profiles.prod.aws]\npolicy_arn = [\"arn:aws:iam::aws:policy/A\", \"arn:aws:iam::aws:policy/B\"]\n\n\
         [defaults]\nbackground_refresh = false\ntimeout = 5\n\n\
         [defaults.kubectl]\nprofile = \"prod\"\n"
    );
    assert_eq!(get(&sandbox, &["default_profile"]), "prod\n");
    assert_eq!(get(&sandbox, &["audience", "--profile", "prod"]), "k8s\n");
    assert_eq!(get(&sandbox, &["defaults.background_refresh"]), "false\n");
    assert_eq!(get(&sandbox, &["defaults.timeout"]), "5\n");
    let words = get(&sandbox, &["profiles.prod.aws.policy_arn"]);
    assert_eq!(words, "arn:aws:iam::aws:policy/A\narn:aws:iam::aws:policy/B\n");
    assert!(sandbox.run(&["config", "validate"]).ok().ends_with(" is valid\n"));
}

#[test]
fn comments_order_and_line_ends_are_kept() {
    let sandbox = Sandbox::new();
    let text = "# mine\r\n[profiles.prod] # main\r\n  audience   =   'a' # of the cluster\r\n\r\n# other\r\n[profiles.\"a.b\"]\r\naudience = 'b'\r\n";
    let path = sandbox.configure(text);
    let now = || fs::read_to_string(&path).unwrap();
    set(&sandbox, &["profiles.prod.audience", "new"]);
    assert_eq!(now(), text.replace("'a'", "\"new\""));
    set(&sandbox, &["profiles.\"a.b\".audience", "c"]);
    assert_eq!(now(), text.replace("'a'", "\"new\"").replace("'b'", "\"c\""));
    set(&sandbox, &["audience", "d", "--profile", "a.b"]);
    assert_eq!(get(&sandbox, &["audience", "--profile", "a.b"]), "d\n");
    sandbox.run(&["config", "unset", "profiles.prod.audience"]).ok();
    assert!(now().starts_with("# mine\r\n[profiles.prod] # main\r\n\r\n# other\r\n"), "{}", now());
    let same = sandbox.run(&["config", "set", "profiles.\"a.b\".audience", "d"]).ok();
    assert_eq!(same, format!("{} already has this value\n", path.display()));
}

#[test]
fn a_key_that_is_not_set_is_an_error() {
    let sandbox = Sandbox::new();
    sandbox.configure("[profiles.prod]\n");
    let path = file(&sandbox);
    for action in ["get", "unset"] {
        let (message, _) =
            sandbox.run(&["config", action, "profiles.prod.audience"]).fails(3, "E_MISSING");
        assert_eq!(message, format!("`profiles.prod.audience` is not set in `{}`", path.display()));
    }
}

#[test]
fn an_unknown_key_gets_a_suggestion() {
    let sandbox = Sandbox::new();
    for (key, hint) in [
        ("profiles.prod.audiance", "did you mean `audience`?"),
        ("profiles.prod.kubectl.api_verson", "did you mean `kubectl.api_version`?"),
        ("profile.prod.audience", "did you mean `profiles`?"),
        ("default_profil", "did you mean `default_profile`?"),
        ("defaults.extends", "it can have"),
        ("profiles.prod.kubectl.profile", "did you mean"),
        ("audience", "give `--profile NAME`, or write `defaults.audience` for all profiles"),
        ("profiles.prod", "name a key in it, such as `audience`"),
        ("defaults.kubectl", "name a key in it: `api_version`"),
        ("identity.ci.type", "a key begins with"),
    ] {
        let (message, reported) = sandbox.run(&["config", "set", key, "x"]).fails(2, "E_USAGE");
        assert_eq!(message, format!("unknown key `{key}`"));
        assert!(reported.starts_with(hint), "{key}: {reported}");
    }
    let (message, _) = sandbox.run(&["config", "get", "a..b"]).fails(2, "E_USAGE");
    assert_eq!(message, "`a..b` is not a key");
    let (message, _) =
        sandbox.run(&["config", "set", "defaults.audience", "a", "b"]).fails(2, "E_USAGE");
    assert_eq!(message, "`defaults.audience` has one value, not 2");
}

#[test]
fn an_invalid_value_is_reported_and_not_written() {
    let sandbox = Sandbox::new();
    let text = "[profiles.prod]\naudience = \"a\"\n";
    let path = sandbox.configure(text);
    for (key, value, problem) in [
        ("timeout", "soon", ":3: `soon` is not a time"),
        (
            "background_refresh",
            "maybe",
            ":3: `background_refresh` must be true or false, not a string",
        ),
        ("cache", "memory", ":3: `memory` is not a place to cache credentials in"),
        ("audience", "two words", ":2: `audience` contains a blank"),
        ("extends", "bse", ":3: there is no profile `bse` to extend"),
        ("installation", "kx", "there is no installation `kx`"),
        ("aws.role_arn", "robot", ":5: `robot` is not the ARN of a role"),
    ] {
        let key = format!("profiles.prod.{key}");
        let outcome = sandbox.run(&["config", "set", &key, value]);
        let (message, hint) = outcome.fails(3, "E_CONFIG");
        assert!(message.contains(problem), "{key}: {message}");
        assert!(hint.ends_with("nothing has been changed"), "{hint}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
    let (message, _) = sandbox.run(&["config", "set", "default_profile", "x"]).fails(3, "E_CONFIG");
    assert!(message.starts_with("there is no profile `x`"), "{message}");
}

#[test]
fn an_existing_mistake_does_not_stop_an_edit() {
    let sandbox = Sandbox::new();
    sandbox.configure("[profiles.bad]\ncache = \"memory\"\nnonsense = 1\n");
    set(&sandbox, &["profiles.good.audience", "a"]);
    set(&sandbox, &["profiles.bad.cache", "none"]);
    assert_eq!(get(&sandbox, &["profiles.bad.cache"]), "none\n");
}

#[test]
fn a_relative_path_starts_in_the_current_folder() {
    let sandbox = Sandbox::new();
    let here = fs::canonicalize(sandbox.home()).unwrap();
    let folder = sandbox.home().join("keys");
    fs::create_dir(&folder).unwrap();
    for (key, value, written) in [
        ("key_file", "prod.json", here.join("keys/prod.json").display().to_string()),
        ("key_file", "~/prod.json", "~/prod.json".into()),
        ("key_file", "/prod.json", "/prod.json".into()),
        ("identity", "token-file:jwt", format!("token-file:{}", here.join("keys/jwt").display())),
    ] {
        let mut command = sandbox.command(&["config", "set", "--profile=prod", key, value]);
        command.current_dir(fs::canonicalize(&folder).unwrap());
        sandbox.finish(command).ok();
        assert_eq!(get(&sandbox, &["--profile=prod", key]), format!("{written}\n"));
        sandbox.run(&["config", "unset", "--profile=prod", key]).ok();
    }
}

#[test]
fn validate_reports_every_mistake_with_its_line() {
    let sandbox = Sandbox::new();
    let path = sandbox.configure(
        "default_profile = \"prd\"\n\
         [defaults]\ntimeout = \"soon\"\ncache = \"memory\"\n[defaults.kubectl]\nprofile = \"prod\"\n\
         [identity.ci]\ntype = \"metadata\"\nkey_file = \"k\"\n\
         [installations.kz]\nendpoint = \"e\"\n\
         [profiles.prod]\naudiance = \"a\"\naudience = 5\n[profiles.prod.kubectl]\napi_verson = \"v1\"\nnonsense = 1\n\
         [profiles.aws.aws]\nrole_arn = \"robot\"\nduration = true\n\
         [profiles.heir]\nextends = \"x\"\n\
         [profile.typo]\n",
    );
    let outcome = sandbox.run(&["config", "validate"]);
    assert_eq!((outcome.status.code(), outcome.stderr.as_str()), (Some(3), ""), "{outcome:?}");
    let prefix = format!("{}:", path.display());
    let lines: Vec<&str> =
        outcome.stdout.lines().filter_map(|line| line.strip_prefix(&prefix)).collect();
    let expected = [
        "3: `soon` is not a time",
        "4: `memory` is not a place to cache credentials in",
        "9: unknown key `key_file`",
        "11: `oauth_endpoint` is missing",
        "13: unknown key `audiance`",
        "14: `audience` must be a string, not an integer",
        "16: unknown key `api_verson`",
        "17: unknown key `nonsense`",
        "20: `duration` must be a time, not a boolean",
        "22: there is no profile `x` to extend",
        "23: unknown key `profile`",
    ];
    assert_eq!(lines.len(), expected.len(), "{}", outcome.stdout);
    for (line, expected) in lines.iter().zip(expected) {
        assert!(line.starts_with(expected), "{line}: {expected}");
    }
    assert!(outcome.stdout.starts_with("there is no profile `prd`"), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("\n  hint: did you mean `audience`?\n"), "{}", outcome.stdout);
    assert!(outcome.stdout.ends_with("\n12 problems\n"), "{}", outcome.stdout);
}

#[test]
fn validate_reads_the_whole_file_or_reports_why_not() {
    let sandbox = Sandbox::new();
    let (message, _) = sandbox.run(&["config", "validate"]).fails(3, "E_UNREADABLE");
    assert!(message.starts_with("cannot read the configuration file"), "{message}");
    let path = sandbox.configure("[defaults]\naudience = \"a\n");
    let outcome = sandbox.run(&["config", "validate"]);
    assert_eq!(outcome.status.code(), Some(3));
    assert!(outcome.stdout.starts_with(&format!("{}:2: ", path.display())), "{outcome:?}");
    assert!(outcome.stdout.ends_with("\n1 problem\n"), "{outcome:?}");
    let path = sandbox.configure("[profiles.a.aws]\nrole_arn = \"robot\"\n");
    let outcome = sandbox.run(&["config", "validate"]);
    let problem = format!("{}:2: `robot` is not the ARN of a role", path.display());
    assert!(outcome.stdout.starts_with(&problem), "{outcome:?}");
}

#[test]
fn keys_of_the_file_are_completed() {
    let mut sandbox = Sandbox::new();
    sandbox.configure("[profiles.prod]\n[profiles.\"a.b\"]\n");
    sandbox.set("YC_ID_TOKEN_COMPLETE", "3");
    let offered = |beginning: &str| {
        let words = ["--", "yc-id-token", "config", "set", beginning];
        let found = sandbox.run(&words).ok();
        found.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(offered("default_"), ["default_profile"]);
    assert_eq!(offered("profiles.prod.aud"), ["profiles.prod.audience"]);
    assert_eq!(offered("profiles.\"a.b\".kubectl.api"), ["profiles.\"a.b\".kubectl.api_version"]);
    assert_eq!(offered("defaults.vault.prof"), ["defaults.vault.profile"]);
}

/// Makes a shell script with these lines the editor. Its first argument is the file to edit.
fn edit_with(sandbox: &mut Sandbox, lines: &str) {
    let path = sandbox.write("bin/my editor", &format!("#!/bin/sh\n{lines}\n"));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    // The unquoted path: spaces in the program's path are supported.
    sandbox.set("EDITOR", path);
    let folder = sandbox.home().join("tmp");
    fs::create_dir_all(&folder).unwrap();
    sandbox.set("TMPDIR", folder);
}

#[test]
fn edit_writes_the_editors_text_with_comments_and_line_ends() {
    let mut sandbox = Sandbox::new();
    let path = sandbox.configure("# mine\r\n[profiles.prod] # main\r\naudience = 'a'\r\n");
    edit_with(
        &mut sandbox,
        "stat -c %a \"$1\" \"${1%/*}\" > modes; sed -i \"s/'a'/'new'/\" \"$1\"",
    );
    let written = format!("written {}\n", path.display());
    assert_eq!(sandbox.run(&["config", "edit"]).ok(), written);
    let text = "# mine\r\n[profiles.prod] # main\r\naudience = 'new'\r\n";
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    let modes = fs::read_to_string(sandbox.home().join("modes")).unwrap();
    assert_eq!(modes, "600\n700\n", "the copy is private");
    let same = format!("nothing has been changed in {}\n", path.display());
    assert_eq!(sandbox.run(&["config", "edit"]).ok(), same);
    // Its arguments are split into words without a shell.
    sandbox.set("VISUAL", "sed -i s/'$new'/x/;s/new/$HOME/");
    sandbox.run(&["config", "edit"]).ok();
    assert_eq!(fs::read_to_string(&path).unwrap(), text.replace("new", "$HOME"), "VISUAL wins");
    assert_eq!(fs::read_dir(sandbox.home().join("tmp")).unwrap().count(), 0, "no copy stays");
}

#[test]
fn edit_creates_a_missing_file() {
    let mut sandbox = Sandbox::new();
    edit_with(&mut sandbox, "cp \"$1\" shown; printf '[profiles.prod]\\n' > \"$1\"");
    sandbox.run(&["config", "edit"]).ok();
    assert_eq!(fs::read_to_string(file(&sandbox)).unwrap(), "[profiles.prod]\n");
    let shown = fs::read_to_string(sandbox.home().join("shown")).unwrap();
    assert!(shown.lines().all(|line| line.starts_with('#')), "{shown}");
    let example: String = shown.lines().skip(1).map(|line| line[1..].to_owned() + "\n").collect();
    let path = sandbox.write("example.toml", &example);
    sandbox.run(&["config", "validate", "--config", path.to_str().unwrap()]).ok();
}

#[test]
fn a_mistake_made_in_the_editor_is_rejected_and_the_text_kept() {
    let mut sandbox = Sandbox::new();
    let text = "[profiles.prod]\ncache = \"memory\"\n";
    let path = sandbox.configure(text);
    for (addition, problem) in [("audiance = 'a'", ":3: unknown key `audiance`"), ("[open", ":3: ")]
    {
        edit_with(&mut sandbox, &format!("echo \"{addition}\" >> \"$1\""));
        let (message, hint) = sandbox.run(&["config", "edit"]).fails(3, "E_CONFIG");
        assert!(message.starts_with(&format!("{}{problem}", path.display())), "{message}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        let (_, kept) =
            hint.split_once("nothing has been changed; the edited text is in `").unwrap();
        let kept = fs::read_to_string(kept.trim_end_matches('`')).unwrap();
        assert_eq!(kept, format!("{text}{addition}\n"));
    }
    // An existing mistake is no reason to refuse another change.
    edit_with(&mut sandbox, "echo \"audience = 'a'\" >> \"$1\"");
    sandbox.run(&["config", "edit"]).ok();
}

#[test]
fn a_broken_file_can_be_corrected_in_the_editor() {
    let mut sandbox = Sandbox::new();
    let path = sandbox.configure("[profiles.prod\naudience = 'a'\n");
    edit_with(&mut sandbox, "sed -i 's/prod$/prod]/' \"$1\"");
    sandbox.run(&["config", "edit"]).ok();
    assert_eq!(fs::read_to_string(&path).unwrap(), "[profiles.prod]\naudience = 'a'\n");
}

#[test]
fn at_a_terminal_a_mistake_can_be_edited_again() {
    let mut sandbox = Sandbox::new();
    let path = sandbox.configure("[profiles.prod]\n");
    edit_with(
        &mut sandbox,
        "if grep -q audiance \"$1\"; then sed -i s/audiance/audience/ \"$1\"; else echo \"audiance = 'a'\" >> \"$1\"; fi",
    );
    let mut script = sandbox.other_command("script");
    script.args([
        "-q",
        "-e",
        "-c",
        &format!("{} config edit", crate::sandbox::PROGRAM),
        "/dev/null",
    ]);
    let mut child = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"\n").unwrap();
    let seen = sandbox.outcome(child).ok();
    assert!(seen.contains("config.toml:2: unknown key `audiance`"), "{seen}");
    assert!(seen.contains("  hint: did you mean `audience`?"), "{seen}");
    assert!(seen.contains("edit it again [Y/n]: "), "{seen}");
    assert!(seen.trim_end().ends_with(&format!("written {}", path.display())), "{seen}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "[profiles.prod]\naudience = 'a'\n");
}

#[test]
fn without_a_working_editor_nothing_is_changed() {
    let mut sandbox = Sandbox::new();
    let text = "[profiles.prod]\n";
    let path = sandbox.configure(text);
    let (message, hint) = sandbox.run(&["config", "edit"]).fails(3, "E_MISSING");
    assert_eq!(message, "no editor is set");
    assert!(hint.starts_with("set EDITOR"), "{hint}");
    for (editor, problem) in [
        ("/nonexistent --wait", "cannot edit with `/nonexistent`: no such file"),
        ("false", "cannot edit with `false`: it ended with exit status: 1"),
        ("'vi", "EDITOR: `'vi` is no command"),
    ] {
        sandbox.set("EDITOR", editor);
        let (message, hint) = sandbox.run(&["config", "edit"]).fails(3, "E_VALUE");
        assert!(message.starts_with(problem) && !hint.contains("edited text"), "{message}: {hint}");
    }
    edit_with(&mut sandbox, "printf '\\344\\n' >> \"$1\"");
    let (message, hint) = sandbox.run(&["config", "edit"]).fails(3, "E_UNREADABLE");
    assert!(message.ends_with("it is not UTF-8 in line 2; save it as UTF-8"), "{message}");
    assert!(hint.contains("nothing has been changed; the edited text is in"), "{hint}");
    edit_with(
        &mut sandbox,
        "echo >> \"$1\"; echo '[profiles.other]' >> .config/yc-id-token/config.toml",
    );
    let (message, hint) = sandbox.run(&["config", "edit"]).fails(3, "E_CONFLICT");
    assert!(message.ends_with("has changed since it was read"), "{message}");
    assert!(hint.contains("the edited text is in"), "{hint}");
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("{text}[profiles.other]\n"));
}
