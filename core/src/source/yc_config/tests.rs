//! Tests of profiles of every kind, and of errors about invalid ones.

use super::*;

const CONFIG: &str = r#"
current: robot
profiles:
  robot:
    service-account-key:
      id: ajek
      service_account_id: ajes
      created_at: "2025-05-05T13:06:52.793349941Z"
      key_algorithm: RSA_2048
      public_key: |
        -----BEGIN PUBLIC KEY-----
      private_key: |
        PLEASE DO NOT REMOVE THIS LINE! Yandex.Cloud SA Key ID <ajek>
        -----BEGIN PRIVATE KEY-----
        c2VjcmV0
        -----END PRIVATE KEY-----
    cloud-id: b1gc
    folder-id: b1gf
    endpoint: api.cloud.yandex.net:443
    compute-default-zone: ru-central1-a
  camel:
    service-account-key: {id: 17, serviceAccountId: ajes, privateKey: "k\"k", description: null}
  json:
    service-account-key: '{"id":"ajek","service_account_id":"ajes","private_key":"k"}'
  iam:
    token: t1.abc.def
  oauth:
    token: y0_AgAAAA
  machine:
    instance-service-account: true
  person:
    federation-id: bpff
    token: ""
  empty:
  both:
    token: y0_hunter2
    service-account-key: {id: ajek, service_account_id: ajes, private_key: hunter2}
  half:
    service-account-key: {id: ajek, private_key: hunter2}
  spaces:
    token: "hunter 2"
  list:
    token: [hunter2]
  maybe:
    instance-service-account: hunter2
"#;

fn parse(text: &str, name: Option<&str>) -> Result<YcProfile> {
    YcProfile::parse(text.as_bytes(), Path::new("config.yaml"), name)
}

fn named(name: &str) -> YcProfile {
    parse(CONFIG, Some(name)).unwrap()
}

#[test]
fn the_current_profile_is_read_with_its_key() {
    let profile = parse(CONFIG, None).unwrap();
    assert_eq!(profile.name, "robot");
    assert_eq!(profile.folder_id.as_deref(), Some("b1gf"));
    assert_eq!(profile.cloud_id.as_deref(), Some("b1gc"));
    assert_eq!(profile.endpoint.as_deref(), Some("api.cloud.yandex.net:443"));
    let YcCredentials::AuthorizedKey(key) = profile.credentials else { panic!() };
    assert_eq!((&*key.id, &*key.service_account_id), ("ajek", "ajes"));
}

#[test]
fn a_named_profile_has_its_own_identity() {
    use YcCredentials::{
        AuthorizedKey, Federation, IamToken, InstanceServiceAccount, None, OAuthToken,
    };
    let AuthorizedKey(key) = named("camel").credentials else { panic!() };
    assert_eq!(key.id, "17", "what YAML takes for a number is text all the same");
    assert!(matches!(named("json").credentials, AuthorizedKey(_)));
    let IamToken(token) = named("iam").credentials else { panic!() };
    assert_eq!(token.0.expose(), "t1.abc.def");
    let OAuthToken(token) = named("oauth").credentials else { panic!() };
    assert_eq!(token.expose(), "y0_AgAAAA");
    assert!(matches!(named("machine").credentials, InstanceServiceAccount));
    assert!(matches!(named("person").credentials, Federation { id } if id == "bpff"));
    assert!(matches!(named("empty").credentials, None));
}

#[test]
fn an_invalid_profile_is_described_and_never_quoted() {
    for (name, problem) in [
        ("both", "both a `token` and a `service-account-key`, so the identity is not clear"),
        ("half", "a `service-account-key` that has no `service_account_id`"),
        ("spaces", "a `token` that is not a valid one"),
        ("list", "a `token` that is not text"),
        ("maybe", "an `instance-service-account` that is neither true nor false"),
    ] {
        let error = parse(CONFIG, Some(name)).unwrap_err();
        let printed = format!("{WHAT} `config.yaml` has a profile `{name}` with {problem}");
        assert_eq!(error.to_string(), printed);
        assert_eq!(error.exit_status(), 3);
    }
    let person = named("person").needs_yc();
    assert!(person.hint().unwrap().contains("--identity yc-cli"));
    assert!(named("empty").has_no_credentials().to_string().ends_with("without credentials"));
}

#[test]
fn a_missing_profile_is_reported_with_the_existing_ones() {
    let error = parse(CONFIG, Some("robto")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no profile `robto` in the configuration of yc `config.yaml`"
    );
    let hint = error.hint().unwrap();
    assert!(hint.starts_with("did you mean `robot`? it has `both`, `camel`, "), "{hint}");
    for (text, problem) in [
        ("", "has no profiles"),
        ("just text", "has no profiles"),
        ("profiles: {a: }", "has no `current` profile"),
        ("current: [a]", "a `current` that is not text"),
        ("current: a\nprofiles: b", "has `profiles` that are not a mapping"),
        ("current: a\nprofiles: {a: [b]}", "has a profile `a` that is not a mapping"),
        ("current: a\n", "there is no profile `a`"),
        ("token: \"y0_hunter2", "is not YAML (line 1, column 8)"),
        ("t1.hunter2: a\nt1.hunter2: b\n", "has the same key twice (line 2, column 1)"),
    ] {
        let printed = parse(text, None).unwrap_err().to_string();
        assert!(printed.contains(problem) && !printed.contains("hunter2"), "{text}: {printed}");
    }
    let bytes = YcProfile::parse(b"current: \xff", Path::new("config.yaml"), None);
    assert!(bytes.unwrap_err().to_string().contains("is not UTF-8 text: "));
}

#[test]
fn a_token_in_place_of_a_name_is_not_repeated() {
    let token = "t1.9euelZqhunter2.c2ln";
    let text = format!("current: {token}\nprofiles:\n  {token}x:\n    token: a b\n");
    for name in [None, Some("t1.9euelZqhunter2.c2lnx")] {
        let error = parse(&text, name).unwrap_err();
        let printed = format!("{error} {}", error.hint().unwrap());
        assert!(!printed.contains("hunter2"), "{printed}");
    }
}

#[cfg(unix)]
#[test]
fn a_missing_file_or_one_open_to_others_is_refused() {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;
    let home = tempfile::tempdir().unwrap();
    let path = YcProfile::default_path(home.path());
    let error = YcProfile::read(&path, None).unwrap_err();
    assert!(error.to_string().ends_with("does not exist"), "{error}");
    assert!(error.hint().unwrap().contains("yc init"));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    crate::private_file::write(&path, CONFIG.as_bytes()).unwrap();
    assert_eq!(YcProfile::read(&path, Some("iam")).unwrap().path, path);
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    let error = YcProfile::read(&path, None).unwrap_err();
    assert!(error.to_string().ends_with("can be read by others (mode 0644)"), "{error}");
    assert!(error.hint().unwrap().starts_with("run `chmod 600 "));
}
