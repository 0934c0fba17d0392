//! Tests of precedence and origins.

use std::collections::HashMap;

use super::*;
use crate::private_file;

static API_VERSION: Field =
    Field::new(Kind::Text, "api_version", "--api-version", "YC_ID_TOKEN_KUBECTL_API_VERSION");
static WORDS: Field = Field::new(Kind::Words, "words", "--words", "YC_ID_TOKEN_KUBECTL_WORDS");
static SWITCH: Field = Field::new(Kind::Switch, "switch", "--switch", "YC_ID_TOKEN_KUBECTL_SWITCH");
static TIME: Field = Field::new(Kind::Time, "time", "--time", "YC_ID_TOKEN_KUBECTL_TIME");

static TABLE: Table =
    Table { name: "kubectl", heading: "", settings: &[&API_VERSION, &WORDS, &SWITCH, &TIME] };

fn fake(variables: &[(&'static str, &str)]) -> Env {
    let variables = variables.iter().map(|(name, value)| (*name, (*value).to_owned()));
    Env::Fake(variables.collect::<HashMap<_, _>>())
}

fn load(text: &str, variables: &[(&'static str, &str)], flags: &Flags) -> Result<Settings> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    private_file::write(&path, text.as_bytes()).unwrap();
    let env = fake(variables);
    let locations = Locations {
        home: Some("/home/me".into()),
        config_file: Some(path),
        ..Locations::default()
    };
    Settings::load(flags, &env, &locations, &[&TABLE], &[&TABLE])
}

fn origin_line(origin: &Origin) -> usize {
    match origin {
        Origin::Profile { line, .. } | Origin::Defaults { line, .. } => *line,
        other => panic!("not from the file: {other}"),
    }
}

#[test]
fn every_value_keeps_its_origin() {
    let text = "[defaults]\ncache = \"none\"\ntimeout = 5\n\n[profiles.base]\naudience = \"a\"\n[profiles.prod]\nextends = \"base\"\nservice_account = \"aje1\"\n[profiles.prod.kubectl]\napi_version = \"v1beta1\"\n";
    let flags =
        Flags::default().with(&schema::PROFILE, "prod").with(&schema::PROXY, "proxy.example:3128");
    let settings = load(text, &[("YC_ID_TOKEN_TIMEOUT", "7s")], &flags).unwrap();
    assert_eq!(
        settings.timeout,
        Setting { value: Duration::from_secs(7), origin: Origin::Variable("YC_ID_TOKEN_TIMEOUT") }
    );
    assert_eq!(origin_line(&settings.cache.origin), 2);
    let audience = settings.audience.as_ref().unwrap();
    assert_eq!((audience.value.as_str(), origin_line(&audience.origin)), ("a", 6));
    assert!(matches!(&audience.origin, Origin::Profile { profile, .. } if **profile == *"base"));
    assert_eq!(settings.proxy.as_ref().unwrap().origin, Origin::Flag("--proxy"));
    let version = settings.own(&API_VERSION).unwrap();
    assert_eq!((version.value.as_str(), origin_line(&version.origin)), ("v1beta1", 11));
    assert_eq!(load("", &[], &Flags::default()).unwrap().timeout.origin, Origin::BuiltIn);
}

#[test]
fn the_strongest_origin_decides_the_identity() {
    let key = |file: &str| {
        let file = IdentityArgument::Key(KeySource::File(file.into()));
        IdentitySetting::new(IdentityKind::AuthorizedKey, Some(file))
    };
    let iam_token = |file: Option<&str>| {
        let file = file.map(|file| IdentityArgument::File(file.into()));
        IdentitySetting::new(IdentityKind::IamToken, file)
    };
    let decided = |text: &str, variables: &[(&'static str, &str)], flags: &Flags| {
        load(text, variables, flags).unwrap().identity.map(|setting| setting.value)
    };
    let none = Flags::default();
    let prod = Flags::default().with(&schema::PROFILE, "prod");
    let metadata =
        "[defaults]\nidentity = \"metadata\"\n[profiles.prod]\nkey_file = \"~/prod.json\"\n";
    assert_eq!(
        decided(metadata, &[], &none),
        Some(IdentitySetting::new(IdentityKind::Metadata, None))
    );
    assert_eq!(decided(metadata, &[], &prod), Some(key("/home/me/prod.json")));
    assert_eq!(
        decided(metadata, &[("YC_ID_TOKEN_IAM_TOKEN_FILE", "t")], &prod),
        Some(iam_token(Some("t")))
    );
    let flag = prod.clone().with(&schema::IDENTITY, "iam-token");
    assert_eq!(decided(metadata, &[("YC_ID_TOKEN_KEY_FILE", "k")], &flag), Some(iam_token(None)));
    let kind = "[defaults]\nidentity = \"authorized-key\"\nkey_file = \"/k.json\"\n";
    assert_eq!(decided(kind, &[], &none), Some(key("/k.json")));
    assert_eq!(decided("", &[], &none), None);
    for (text, variables) in [
        ("[identity.a]\ntype = \"authorized-key\"\n[defaults]\nidentity = \"a\"\n", &[][..]),
        ("[defaults]\nkey_file = \"k\"\niam_token_file = \"t\"\n", &[]),
        ("", &[("YC_ID_TOKEN_IDENTITY", "metadata"), ("YC_ID_TOKEN_KEY_FILE", "k")]),
    ] {
        assert!(load(text, variables, &none).is_err(), "{text}");
    }
}

#[test]
fn every_kind_of_identity_can_be_set_by_a_word_or_a_table() {
    let key = IdentityArgument::Key(KeySource::File("/k".into()));
    let file = |path: &str| Some(IdentityArgument::File(path.into()));
    let text = |text: &str| Some(IdentityArgument::Text(text.into()));
    let command = IdentityArgument::Command(vec!["print".to_owned(), "it".to_owned()]);
    let table = [
        ("authorized-key:/k", "key_file = \"/k\"", Some(key)),
        ("keyring:robot", "key = \"robot\"", text("robot")),
        ("iam-token", "", None),
        ("iam-token:/t", "iam_token_file = \"/t\"", file("/t")),
        ("oauth-token", "", None),
        ("oauth-token:/o", "oauth_token_file = \"/o\"", file("/o")),
        ("metadata", "", None),
        ("yc-profile", "", None),
        ("yc-profile:p", "yc_profile = \"p\"", text("p")),
        ("yc-cli", "", None),
        ("yc-cli:p", "yc_profile = \"p\"", text("p")),
        ("token-file:/j", "token_file = \"/j\"", file("/j")),
        ("kubernetes", "", None),
        ("kubernetes:/j", "token_file = \"/j\"", file("/j")),
        ("github-actions", "", None),
        ("github-actions:https://aud", "token_audience = \"https://aud\"", text("https://aud")),
        ("token-command", "token_command = [\"print\", \"it\"]", Some(command)),
    ];
    let kinds: Vec<_> = table.iter().filter_map(|row| IdentityKind::read(row.0)).collect();
    for kind in IdentityKind::ALL {
        assert!(kinds.iter().any(|(tested, _)| tested == kind), "{kind:?} is not tested");
    }
    for (word, keys, expected) in table {
        let kind = IdentityKind::read(word).unwrap().0;
        let expected = IdentitySetting::new(kind, expected);
        if kind != IdentityKind::TokenCommand {
            let flags = Flags::default().with(&schema::IDENTITY, word);
            let identity = load("", &[], &flags).unwrap().identity.unwrap();
            assert_eq!(identity.value, expected, "{word}");
        }
        let kind = kind.name();
        let text =
            format!("[identity.me]\ntype = \"{kind}\"\n{keys}\n[defaults]\nidentity = \"me\"\n");
        let identity = load(&text, &[], &Flags::default()).unwrap().identity.unwrap();
        assert_eq!(identity.value, expected, "{text}");
    }
    let text = "[identity.me]\ntype = \"kubernetes\"\nservice_account = \"aje1\"\n[defaults]\nidentity = \"me\"\n";
    let identity = load(text, &[], &Flags::default()).unwrap().identity.unwrap().value;
    assert_eq!(identity.service_account.as_deref(), Some("aje1"));
}

#[test]
fn missing_and_invalid_keys_of_an_identity_are_reported() {
    for (word, printed) in [
        ("keyring", "needs the name of an imported key"),
        ("token-file:", "needs the file of the external token"),
        ("token-command", "needs the command that prints the token"),
        ("metadata:x", "has nothing behind a colon"),
        ("keychain:x", "there is no identity `keychain:x`"),
    ] {
        let flags = Flags::default().with(&schema::IDENTITY, word);
        let error = load("", &[], &flags).unwrap_err().to_string();
        assert!(error.contains(printed), "{word}: {error}");
    }
    let text =
        "[identity.me]\ntype = \"metadata\"\nkey_file = \"k\"\n[defaults]\nidentity = \"me\"\n";
    let error = load(text, &[], &Flags::default()).unwrap_err();
    assert!(error.to_string().ends_with(":3: unknown key `key_file`"), "{error}");
    assert_eq!(error.hint().unwrap(), "an identity of this type can have `type`");
    let relative = "[defaults]\nidentity = \"token-file:jwt\"\n";
    let found = load(relative, &[], &Flags::default()).unwrap().identity.unwrap().value;
    let path = found.file().unwrap();
    assert!(path.is_absolute(), "it starts where the file is: {}", path.display());
}

#[test]
fn an_installation_is_selected_by_name_and_complete() {
    let named = |text: &str, name: &str| {
        let flags = Flags::default().with(&schema::INSTALLATION, name);
        load(text, &[], &flags).map(|settings| settings.installation)
    };
    assert_eq!(named("", "ru").unwrap(), Installation::built_in());
    let text = "[installations.kz]\nendpoint = \"api.yandexcloud.kz\"\noauth_endpoint = \"https://auth.kz.example\"\n";
    let found = named(text, "kz").unwrap();
    assert_eq!(found.endpoint.as_deref(), Some("api.yandexcloud.kz"));
    assert_eq!(found.iam_endpoint, None, "found by the API endpoint");
    for (text, name, printed) in [
        (text, "kx", "there is no installation `kx`"),
        ("[installations.kz]\noauth_endpoint = \"https://a\"\n", "kz", "`endpoint` is missing"),
        ("[installations.kz]\nendpoint = \"a\"\n", "kz", "`oauth_endpoint` is missing"),
        ("[installations.kz]\nendpiont = \"a\"\n", "kz", "unknown key `endpiont`"),
    ] {
        let error = named(text, name).unwrap_err().to_string();
        assert!(error.contains(printed), "{error}");
    }
}

#[test]
fn the_stronger_of_folder_id_and_folder_name_is_used() {
    let text = "[profiles.prod]\nfolder_name = \"prod\"\ncloud_id = \"b1gcloud\"\n[profiles.both]\nfolder_name = \"prod\"\nfolder_id = \"b1gprod\"\n";
    let folder = |profile: &str, id: Option<&str>, variables: &[(&'static str, &str)]| {
        let flags = Flags::default().with(&schema::PROFILE, profile);
        let flags = match id {
            Some(id) => flags.with(&schema::FOLDER_ID, id),
            None => flags,
        };
        let settings = load(text, variables, &flags).unwrap();
        let value = |setting: Option<Setting<String>>| setting.map(|setting| setting.value);
        (value(settings.folder_id), value(settings.folder_name))
    };
    let (id, name) =
        (|id: &str| (Some(id.to_owned()), None), |name: &str| (None, Some(name.to_owned())));
    assert_eq!(folder("prod", None, &[("YC_FOLDER_ID", "b1gother")]), name("prod"));
    assert_eq!(folder("prod", Some("b1gflag"), &[]), id("b1gflag"));
    assert_eq!(folder("both", None, &[("YC_ID_TOKEN_FOLDER_NAME", "test")]), name("test"));
    assert_eq!(folder("prod", None, &[("YC_FOLDER_ID", " b1g\n")]), name("prod"));
    assert_eq!(folder("both", None, &[]), id("b1gprod"), "an ID is more exact");
}

#[test]
fn a_consumers_values_are_checked_by_their_kind() {
    let prod = Flags::default().with(&schema::PROFILE, "prod");
    let read = |line: &str, field: &Field| {
        load(&format!("[profiles.prod.kubectl]\n{line}\n"), &[], &prod)
            .map(|settings| settings.own(field).unwrap().value)
    };
    for (line, field, value) in [
        ("words = [\"a\", \"b\"]", &WORDS, "a\nb"),
        ("words = \"a\"", &WORDS, "a"),
        ("switch = true", &SWITCH, "true"),
        ("time = 900", &TIME, "900"),
        ("time = \"1h\"", &TIME, "1h"),
    ] {
        assert_eq!(read(line, field).unwrap(), value, "{line}");
    }
    for (line, expected_end) in [
        ("words = [1]", "`words` must be a list of strings, not an integer"),
        ("switch = \"true\"", "`switch` must be true or false, not a string"),
        ("time = true", "`time` must be a time, not a boolean"),
        ("api_version = 1", "`api_version` must be a string, not an integer"),
    ] {
        let error = read(line, &WORDS).unwrap_err();
        assert!(error.to_string().ends_with(expected_end), "{line}: {error}");
    }
}

#[test]
fn settings_that_decide_how_are_in_the_fingerprint() {
    let fingerprint = |text: &str, variables: &[(&'static str, &str)]| {
        let settings = load(text, variables, &Flags::default()).unwrap();
        settings.fingerprint(&fake(variables))
    };
    let base = fingerprint("", &[]);
    assert_eq!(base, fingerprint("[profiles.unused]\n", &[("PATH", "/bin")]));
    for variables in [
        ("HTTPS_PROXY", "p:1"),
        ("NO_PROXY", "*"),
        ("SSL_CERT_FILE", "/ca"),
        ("YC_ID_TOKEN_CA_FILE", "/ca"),
        ("YC_ID_TOKEN_PROXY", "p:1"),
        ("YC_ID_TOKEN_TIMEOUT", "1s"),
        ("YC_ID_TOKEN_KEY_FILE", "k"),
        ("YC_ID_TOKEN_AUDIENCE", "a"),
        ("YC_ID_TOKEN_SERVICE_ACCOUNT", "a"),
        ("YC_ID_TOKEN_OAUTH_ENDPOINT", "https://o"),
        ("YC_ID_TOKEN_IMPERSONATE_SERVICE_ACCOUNT", "a"),
        ("YC_ID_TOKEN_ID_TOKEN_ROUTE", "yc-cli"),
        ("YC_ID_TOKEN_YC_PATH", "/yc"),
        ("YC_FOLDER_ID", "b1g"),
    ] {
        assert_ne!(base, fingerprint("", &[variables]), "{variables:?}");
    }
}

#[test]
fn a_large_file_is_read_like_a_small_one() {
    use std::fmt::Write as _;
    let mut text = String::from("[defaults]\ntimeout = 5\n[profiles.base]\naudience = \"a\"\n");
    for number in 0..1000 {
        let _ = writeln!(
            text,
            "[profiles.p{number}]\nextends = \"base\"\nservice_account = \"aje{number}\""
        );
    }
    let flags = |profile: &str| Flags::default().with(&schema::PROFILE, profile);
    let settings = load(&text, &[], &flags("p700")).unwrap();
    assert_eq!(settings.audience.unwrap().value, "a");
    let account = settings.service_account.unwrap();
    assert_eq!((account.value.as_str(), origin_line(&account.origin)), ("aje700", 5 + 700 * 3 + 2));
    let missing = load(&text, &[], &flags("p7000")).unwrap_err();
    assert_eq!(missing.hint().unwrap(), "did you mean `p700`?");
    text.push_str("[profile.typo]\n");
    assert!(load(&text, &[], &flags("p1")).unwrap_err().to_string().contains("`profile`"));
}

#[test]
fn times_are_read_in_their_usual_formats() {
    for (text, expected) in [("20s", 20_000), ("20", 20_000), ("500ms", 500), ("2m", 120_000)] {
        assert_eq!(parse_timeout(text), Some(Duration::from_millis(expected)), "{text}");
    }
    assert_eq!(parse_duration("12h"), Some(Duration::from_secs(43_200)), "not every time is short");
    for bad in ["", "0", "s", "-1s", "1h30", "2h", "99999999999999999999", "3601s", "1.5s"] {
        assert_eq!(parse_timeout(bad), None, "{bad}");
    }
}
