//! Which profile a run uses, and the `profiles` command.

use crate::sandbox::{Sandbox, claims};

/// A sandbox that sets no identity, so that a profile can.
fn sandbox() -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.unset("YC_ID_TOKEN_KEY_FILE");
    sandbox
}

fn audience(sandbox: &Sandbox, arguments: &[&str]) -> String {
    claims(sandbox.run(arguments).ok().trim())["aud"].as_str().unwrap().to_owned()
}

/// The audience of a token that the `kubectl` command returns.
fn kubectl_audience(sandbox: &Sandbox, arguments: &[&str]) -> String {
    let document = sandbox.run(&[&["kubectl"], arguments].concat()).ok();
    let document: serde_json::Value = serde_json::from_str(&document).unwrap();
    let token = document["status"]["token"].as_str().unwrap();
    claims(token)["aud"].as_str().unwrap().to_owned()
}

/// Profiles, each with its own key file and audience.
fn profiles(names: &[&str]) -> String {
    let table = |name: &&str| {
        format!("[profiles.{name}]\nkey_file = \"~/key.json\"\naudience = \"{name}\"\n")
    };
    names.iter().map(table).collect()
}

#[test]
fn the_more_specific_choice_of_a_profile_wins() {
    let mut sandbox = sandbox();
    let text = profiles(&["all", "cluster", "shell", "flag"]);
    sandbox.configure(&format!(
        "default_profile = \"all\"\n[defaults.kubectl]\nprofile = \"cluster\"\n{text}"
    ));
    assert_eq!(audience(&sandbox, &["token"]), "all");
    assert_eq!(kubectl_audience(&sandbox, &[]), "cluster");
    sandbox.set("YC_ID_TOKEN_PROFILE", "shell");
    assert_eq!(audience(&sandbox, &["token"]), "shell");
    assert_eq!(kubectl_audience(&sandbox, &[]), "shell");
    assert_eq!(audience(&sandbox, &["token", "--profile", "flag"]), "flag");
    assert_eq!(kubectl_audience(&sandbox, &["--profile", "flag"]), "flag");
}

#[test]
fn a_default_profile_is_shown_with_its_file_and_line() {
    let sandbox = sandbox();
    let text = profiles(&["a", "b"]);
    let file = sandbox.configure(&format!("\ndefault_profile = \"a\"\n{text}"));
    sandbox.run(&["token"]).ok();
    let origin = format!("profile `a` (defaults, {}:2)", file.display());
    assert!(sandbox.log().contains(&origin), "{}", sandbox.log());
    let report = sandbox.run(&["doctor", "--json"]).stdout;
    assert!(report.contains(&origin), "{report}");
    let table = sandbox.run(&["status", "--json"]).ok();
    assert!(table.contains("\"profile\": \"a\""), "{table}");
}

#[test]
fn a_default_profile_that_is_missing_names_those_that_exist() {
    let sandbox = sandbox();
    let text = profiles(&["production", "staging"]);
    for (head, line, command) in [
        ("default_profile = \"zz\"\n", 1, "token"),
        ("[defaults.kubectl]\nprofile = \"zz\"\n", 2, "kubectl"),
    ] {
        let file = sandbox.configure(&format!("{head}{text}"));
        let (message, hint) = sandbox.run(&[command]).fails(3, "E_CONFIG");
        let file = file.display();
        assert_eq!(
            message,
            format!("there is no profile `zz` in `{file}` (defaults, {file}:{line})")
        );
        assert_eq!(hint, "choose `production` or `staging`");
    }
}

#[test]
fn a_default_profile_must_be_a_name() {
    let sandbox = sandbox();
    for (text, command, line, problem) in [
        ("default_profile = 5\n", "token", 1, "`default_profile` must be a string, not an integer"),
        ("default_profile = \"\"\n", "token", 1, "`default_profile` is empty"),
        ("[defaults.token]\nprofile = true\n", "token", 2, "`profile` must be a string"),
        ("default_profil = \"a\"\n", "token", 1, "unknown key `default_profil`"),
        ("[defaults]\nprofile = \"a\"\n", "token", 2, "unknown key `profile`"),
        (
            "default_profile = \"a\"\n[profiles.a.token]\nprofile = \"b\"\n",
            "token",
            3,
            "unknown key `profile`",
        ),
    ] {
        let file = sandbox.configure(text);
        let (message, _) = sandbox.run(&[command]).fails(3, "E_CONFIG");
        let expected = format!("{}:{line}: {problem}", file.display());
        assert!(message.starts_with(&expected), "{message}");
    }
}

#[test]
fn the_only_profile_is_used_if_nothing_else_sets_an_identity() {
    let mut sandbox = sandbox();
    let file = sandbox.configure(&format!("\n{}", profiles(&["prod"])));
    assert_eq!(audience(&sandbox, &["token"]), "prod");
    let origin = format!("profile `prod` (the only profile, {}:2)", file.display());
    assert!(sandbox.log().contains(&origin), "{}", sandbox.log());
    let report = sandbox.run(&["doctor", "--json"]).stdout;
    assert!(report.contains(&origin), "{report}");

    let account = sandbox.account.clone();
    assert_eq!(audience(&sandbox, &["token", "--key-file", "key.json"]), account);
    let token = sandbox.cloud.issue_iam_token(&account);
    for (variable, value) in [("YC_ID_TOKEN_KEY_FILE", "key.json".into()), ("YC_IAM_TOKEN", token)]
    {
        sandbox.set(variable, value);
        let account = ["token", "--service-account", &account];
        assert_eq!(audience(&sandbox, &account), account[2], "{variable}");
        sandbox.unset(variable);
    }
    let text = profiles(&["prod"]);
    sandbox.configure(&format!("[defaults]\nkey_file = \"~/key.json\"\n{text}"));
    assert_eq!(audience(&sandbox, &["token"]), account);
    // Of two profiles, neither is used.
    sandbox.configure(&profiles(&["prod", "test"]));
    sandbox.run(&["token"]).fails(3, "E_MISSING");
}

#[test]
fn a_missing_setting_without_a_profile_hints_at_the_profiles() {
    let mut sandbox = sandbox();
    sandbox.configure(&profiles(&["prod", "test"]));
    let names = "; or choose a profile with `--profile`: `prod` or `test`";
    let hints = |sandbox: &Sandbox, arguments: &[&str]| {
        let (_, hint) = sandbox.run(arguments).fails(3, "E_MISSING");
        hint.ends_with(names)
    };
    assert!(hints(&sandbox, &["token"]), "no identity");
    let token = sandbox.cloud.issue_iam_token(&sandbox.account);
    sandbox.set("YC_IAM_TOKEN", token);
    assert!(hints(&sandbox, &["token"]), "no service account");
    assert!(hints(&sandbox, &["kubectl"]), "no audience");
    sandbox.configure(&format!("{}[profiles.empty]\n", profiles(&["prod"])));
    assert!(!hints(&sandbox, &["token", "--profile", "empty"]), "a profile is chosen");
    sandbox.configure("");
    assert!(!hints(&sandbox, &["token"]), "there are no profiles");
}

#[test]
fn profiles_are_listed_with_what_they_set() {
    let sandbox = sandbox();
    sandbox.configure(
        "default_profile = \"prod\"\n\
         [defaults]\naudience = \"shared\"\n[defaults.kubectl]\nprofile = \"heir\"\n\
         [identity.ci]\ntype = \"github-actions\"\nservice_account = \"ajeci\"\n\
         [profiles.prod]\nkey_file = \"~/key.json\"\nservice_account = \"aje1\"\naudience = \"k8s\"\n\
         [profiles.prod.kubectl]\napi_version = \"v1\"\n[profiles.prod.vault]\nmount = \"jwt\"\n\
         [profiles.heir]\nextends = \"prod\"\nidentity = \"ci\"\n\
         [profiles.ci]\nidentity = \"ci\"\n[profiles.ci.aws]\nregion = \"eu\"\n\
         [profiles.empty]\n",
    );
    let table = sandbox.run(&["profiles"]).ok();
    let rows: Vec<String> = table
        .lines()
        .map(|line| line.split("  ").filter(|cell| !cell.is_empty()).map(str::trim))
        .map(|cells| cells.collect::<Vec<_>>().join("|"))
        .collect();
    assert_eq!(
        rows,
        [
            "NAME|IDENTITY|SERVICE ACCOUNT|AUDIENCE|CONSUMERS|DEFAULT FOR",
            "ci|github-actions|ajeci|shared|aws|-",
            "empty|-|-|shared|-|-",
            "heir|github-actions|aje1|k8s|kubectl, vault|kubectl",
            "prod|authorized-key|aje1|k8s|kubectl, vault|all",
        ]
    );
    let document = sandbox.run(&["profiles", "--json"]).ok();
    let document: serde_json::Value = serde_json::from_str(&document).unwrap();
    assert_eq!(
        document["profiles"][2],
        serde_json::json!({
            "name": "heir", "identity": "github-actions", "service_account": "aje1",
            "audience": "k8s", "consumers": ["kubectl", "vault"], "default": false,
            "default_for": ["kubectl"], "error": null,
        })
    );
    assert_eq!(document["profiles"][3]["default"], true);
    assert!(sandbox.cloud.requests().is_empty(), "it works offline");
}

#[test]
fn a_list_of_profiles_shows_which_are_broken() {
    let sandbox = sandbox();
    let text = profiles(&["good"]);
    let file = sandbox.configure(&format!("[profiles.bad]\naudiance = \"a\"\n{text}"));
    let table = sandbox.run(&["profiles"]).ok();
    let problem = format!("  {}:2: unknown key `audiance` [E_CONFIG]", file.display());
    assert!(table.lines().nth(2) == Some(&problem), "{table}");
    assert!(table.lines().last().unwrap().starts_with("good  authorized-key"), "{table}");
}

#[test]
fn a_list_without_profiles_names_the_file() {
    let sandbox = sandbox();
    let file = sandbox.home().join(".config/yc-id-token/config.toml");
    let text =
        format!("there are no profiles in {}; `yc-id-token setup` writes one\n", file.display());
    assert_eq!(sandbox.run(&["profiles"]).ok(), text);
    sandbox.configure("");
    assert_eq!(sandbox.run(&["profiles"]).ok(), text);
    assert_eq!(sandbox.run(&["profiles", "--json"]).ok(), "{\n  \"profiles\": []\n}\n");
    sandbox.configure(&profiles(&["only"]));
    assert!(sandbox.run(&["profiles"]).ok().trim_end().ends_with("all"));
}
