//! Settings: their precedence, and mistakes reported with file, line and suggestion.

use crate::sandbox::{Sandbox, claims};

fn audience(sandbox: &Sandbox, arguments: &[&str]) -> String {
    let arguments: Vec<&str> = ["token"].iter().chain(arguments).copied().collect();
    claims(sandbox.run(&arguments).ok().trim())["aud"].as_str().unwrap().to_owned()
}

#[test]
fn flag_beats_environment_beats_profile_beats_defaults() {
    let mut sandbox = Sandbox::new();
    sandbox.configure(
        "[defaults]\naudience = \"from-defaults\"\n\
         [profiles.base]\naudience = \"from-base\"\n\
         [profiles.prod]\nextends = \"base\"\naudience = \"from-profile\"\n\
         [profiles.heir]\nextends = \"base\"\n\
         [profiles.empty]\n",
    );
    assert_eq!(audience(&sandbox, &[]), "from-defaults");
    assert_eq!(audience(&sandbox, &["--profile", "empty"]), "from-defaults");
    assert_eq!(audience(&sandbox, &["--profile", "heir"]), "from-base");
    assert_eq!(audience(&sandbox, &["--profile", "prod"]), "from-profile");
    sandbox.set("YC_ID_TOKEN_PROFILE", "prod");
    assert_eq!(audience(&sandbox, &[]), "from-profile");
    sandbox.set("YC_ID_TOKEN_AUDIENCE", "from-environment");
    assert_eq!(audience(&sandbox, &[]), "from-environment");
    assert_eq!(audience(&sandbox, &["--audience", "from-flag"]), "from-flag");
    sandbox.unset("YC_ID_TOKEN_AUDIENCE");
    assert_eq!(audience(&sandbox, &[]), "from-profile");
    sandbox.unset("YC_ID_TOKEN_PROFILE");
    assert_eq!(audience(&sandbox, &[]), "from-defaults");
}

#[test]
fn the_configuration_file_can_be_anywhere() {
    let mut sandbox = Sandbox::new();
    let other = sandbox.write("etc/own.toml", "[defaults]\naudience = \"other\"\n");
    assert_eq!(audience(&sandbox, &["--config", other.to_str().unwrap()]), "other");
    sandbox.set("YC_ID_TOKEN_CONFIG", other);
    assert_eq!(audience(&sandbox, &[]), "other");
    sandbox.set("YC_ID_TOKEN_CONFIG", "absent.toml");
    let (message, _) = sandbox.run(&["token"]).fails(3, "E_UNREADABLE");
    assert_eq!(
        message,
        "cannot read the configuration file `absent.toml`: no such file or directory"
    );
}

#[test]
fn identities_have_names_and_paths_start_at_the_file() {
    let mut sandbox = Sandbox::new();
    sandbox.unset("YC_ID_TOKEN_KEY_FILE");
    sandbox.write_secret(".config/yc-id-token/keys/ci.json", &sandbox.key.to_json());
    sandbox.configure(
        "[identity.ci]\ntype = \"authorized-key\"\nkey_file = \"keys/ci.json\"\n\
         [identity.home]\ntype = \"authorized-key\"\nkey_file = \"~/key.json\"\n\
         [profiles.a]\nidentity = \"ci\"\n[profiles.b]\nidentity = \"home\"\n[profiles.c]\nkey_file = \"keys/ci.json\"\n",
    );
    for profile in ["a", "b", "c"] {
        assert_eq!(audience(&sandbox, &["--profile", profile, "--audience", profile]), profile);
    }
    assert_eq!(audience(&sandbox, &["--identity", "ci", "--audience", "d"]), "d");
}

#[test]
fn a_key_file_flag_beats_an_identity_of_the_profile() {
    let sandbox = Sandbox::new();
    sandbox.configure("[defaults]\nidentity = \"metadata\"\n");
    assert_eq!(
        audience(&sandbox, &["--audience", "a"]),
        "a",
        "the variable's key file beats the default's identity"
    );
    let (message, _) = sandbox
        .run(&["token", "--identity", "metadata", "--key-file", "key.json"])
        .fails(2, "E_USAGE");
    assert!(message.contains("are both set"), "{message}");
}

#[test]
fn a_consumers_own_table_is_honoured() {
    let mut sandbox = Sandbox::new();
    sandbox.configure(
        "[profiles.prod]\naudience = \"a\"\n[profiles.prod.token]\nformat = \"header\"\n",
    );
    let run = |sandbox: &Sandbox, arguments: &[&str]| {
        let arguments: Vec<&str> =
            ["token", "--profile", "prod"].iter().chain(arguments).copied().collect();
        sandbox.run(&arguments).ok()
    };
    assert!(run(&sandbox, &[]).starts_with("Authorization: Bearer "));
    sandbox.set("YC_ID_TOKEN_TOKEN_FORMAT", "env");
    assert!(run(&sandbox, &[]).starts_with("YC_ID_TOKEN="));
    assert!(run(&sandbox, &["--format", "raw"]).starts_with("eyJ"));
}

#[test]
fn a_mistake_in_the_file_is_reported_by_line_with_a_suggestion() {
    let sandbox = Sandbox::new();
    for (text, arguments, line, problem, hint) in [
        (
            "\n[profiles.prod]\naudiance = \"a\"\n",
            &["--profile", "prod"][..],
            3,
            "unknown key `audiance`",
            "did you mean `audience`?",
        ),
        ("[profile.prod]\n", &[], 1, "unknown key `profile`", "did you mean `profiles`?"),
        (
            "[defaults]\ntimeout = true\n",
            &[],
            2,
            "`timeout` must be a time, not a boolean",
            "write it as `timeout = \"20m\"`",
        ),
        (
            "[defaults]\naudience = 5\n",
            &[],
            2,
            "`audience` must be a string, not an integer",
            "write it as `audience = \"…\"`",
        ),
        (
            "[defaults]\n[profiles.a.kubectl]\napi_verson = \"v1\"\n",
            &["--profile", "a"],
            3,
            "unknown key `api_verson`",
            "did you mean `api_version`?",
        ),
        (
            "[profiles.a]\nextends = \"bse\"\n[profiles.base]\n",
            &["--profile", "a"],
            2,
            "there is no profile `bse` to extend",
            "did you mean `base`?",
        ),
        (
            "[identity.x]\ntype = \"authorised-key\"\n[defaults]\nidentity = \"x\"\n",
            &[],
            2,
            "there is no type `authorised-key` of identity",
            "did you mean `authorized-key`?",
        ),
        (
            "[identity.x]\ntype = \"authorized-key\"\n",
            &["--identity", "x"],
            2,
            "`key_file` is missing",
            "give the file of the authorized key",
        ),
    ] {
        let file = sandbox.configure(text);
        let mut command = sandbox.command(&["token"]);
        command.args(arguments).env_remove("YC_ID_TOKEN_KEY_FILE");
        let expected = (format!("{}:{line}: {problem}", file.display()), hint.to_owned());
        assert_eq!(sandbox.finish(command).fails(3, "E_CONFIG"), expected);
    }
}

#[test]
fn a_mistake_without_a_suggestion_is_reported_by_line() {
    let sandbox = Sandbox::new();
    for (text, arguments, line) in [
        ("[defaults]\naudience = \"a\n", &["token"][..], 2),
        ("[defaults]\n[defaults]\n", &["token"], 2),
        ("[defaults]\ncache = \"memory\"\n", &["token"], 2),
        ("[defaults]\n\ntimeout = \"soon\"\n", &["token"], 3),
        (
            "[profiles.a]\nextends = \"b\"\n[profiles.b]\nextends = \"a\"\n",
            &["token", "--profile", "a"],
            2,
        ),
        ("defaults = 5\n", &["token"], 1),
    ] {
        let file = sandbox.configure(text);
        let outcome = sandbox.run(arguments);
        assert_eq!((outcome.status.code(), outcome.stdout.as_str()), (Some(3), ""), "{outcome:?}");
        assert!(
            outcome.stderr.starts_with(&format!("yc-id-token: {}:{line}: ", file.display())),
            "{outcome:?}"
        );
        assert!(outcome.stderr.lines().next().unwrap().ends_with(" [E_CONFIG]"), "{outcome:?}");
    }
}

#[test]
fn a_missing_profile_or_identity_gets_the_nearest_name() {
    let sandbox = Sandbox::new();
    let (message, hint) = sandbox.run(&["token", "--profile", "prod"]).fails(3, "E_CONFIG");
    assert_eq!(message, "there is no profile `prod` in the configuration (`--profile`)");
    assert!(hint.contains("config.toml` with a table `[profiles.prod]`"), "{hint}");
    let file = sandbox.configure(
        "[profiles.production]\n[profiles.staging]\n[identity.robot]\ntype = \"metadata\"\n",
    );
    let (message, hint) = sandbox.run(&["token", "--profile", "prodction"]).fails(3, "E_CONFIG");
    assert_eq!(
        message,
        format!("there is no profile `prodction` in `{}` (`--profile`)", file.display())
    );
    assert_eq!(hint, "did you mean `production`?");
    let (_, hint) = sandbox.run(&["token", "--profile", "zz"]).fails(3, "E_CONFIG");
    assert_eq!(hint, "choose `production` or `staging`");
    let mut command = sandbox.command(&["token", "--identity", "robbot"]);
    command.env_remove("YC_ID_TOKEN_KEY_FILE");
    let (_, hint) = sandbox.finish(command).fails(3, "E_CONFIG");
    assert_eq!(hint, "did you mean `robot`?");
}

#[test]
fn a_mistake_in_one_profile_does_not_break_the_others() {
    let sandbox = Sandbox::new();
    sandbox.configure("[profiles.broken]\nnonsense = 1\n[profiles.prod]\naudience = \"a\"\n");
    assert_eq!(audience(&sandbox, &["--profile", "prod"]), "a");
}

#[test]
fn a_broken_profile_among_many_does_not_break_the_others() {
    let sandbox = Sandbox::new();
    let others: Vec<String> =
        (0..99).map(|number| format!("[profiles.p{number}]\naudience = \"{number}\n")).collect();
    let others = others.concat();
    sandbox.configure(&format!(
        "default_profile = \"heir\"\n{others}[profiles.prod]\naudience = \"a\"\n\
         [profiles.heir]\nextends = \"prod\"\n"
    ));
    assert_eq!(audience(&sandbox, &["--profile", "prod"]), "a");
    assert_eq!(audience(&sandbox, &[]), "a");
    let (message, _) = sandbox.run(&["token", "--profile", "p3"]).fails(3, "E_CONFIG");
    assert!(message.contains("config.toml:3: "), "{message}");
}

#[test]
fn a_subject_token_type_is_set_for_an_installation_or_for_a_run() {
    let sandbox = Sandbox::new();
    sandbox.cloud.accept_subject_token_type("urn:x");
    sandbox.configure("[installations.ru]\nsubject_token_type = \"urn:x\"\n");
    assert_eq!(audience(&sandbox, &["--audience", "a"]), "a", "the default installation is `ru`");
    assert_eq!(audience(&sandbox, &["--audience", "b", "--installation", "ru"]), "b");
    sandbox.cloud.accept_subject_token_type("urn:y");
    sandbox.run(&["token", "--audience", "c"]).fails(4, "E_SOURCE_REFUSED");
    let mut command = sandbox.command(&["token", "--audience", "c"]);
    command.env("YC_ID_TOKEN_SUBJECT_TOKEN_TYPE", "urn:y");
    sandbox.finish(command).ok();
    let cached = audience(&sandbox, &["--audience", "c"]);
    assert_eq!(cached, "c", "it decides how, so the cached token is used with every value");
}
