//! Tests with a shell script as `yc`: its arguments, and the handling of its output.

use std::collections::HashMap;

use tempfile::TempDir;

use std::time::Duration;

use super::*;

const ID_TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhamVzIn0.c2ln";

struct Fake {
    folder: TempDir,
    profile: Option<String>,
}

impl Fake {
    fn new(script: &str) -> Self {
        let fake = Self { folder: tempfile::tempdir().unwrap(), profile: None };
        // A file that this process has open for writing cannot be run. If another test forks meanwhile, the file
        // stays open there. So another process writes it.
        let write = "printf '#!/bin/sh\\n%s\\n' \"$1\" > \"$2\" && chmod 700 \"$2\"";
        let mut command = std::process::Command::new("/bin/sh");
        command.args(["-c", write, "sh", script]).arg(fake.path("yc"));
        assert!(command.status().unwrap().success());
        fake
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn yc(&self) -> YcCli {
        YcCli::new(Some(self.path("yc")), self.profile.clone(), None)
    }

    fn id_token(&self) -> Result<String> {
        id_token(&self.yc(), None, 60_000)
    }

    fn error(&self) -> (Code, String, String) {
        let error = self.id_token().unwrap_err();
        (error.code(), error.to_string(), error.hint().unwrap().to_string())
    }
}

fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(work)
}

fn id_token(yc: &YcCli, actor: Option<&str>, millis: u64) -> Result<String> {
    let actor = actor.map(|token| IamToken(Secret::new(token.into())));
    let deadline = || Deadline::within(Duration::from_millis(millis));
    let actor = actor.as_ref().map(|token| YcActor { token, api: "api.example:443" });
    let options = YcOptions { actor, ..YcOptions::default() };
    let work = async { yc.id_token(&"a token".into(), "ajes", "k8s", options, deadline()).await };
    run(work).map(|token| token.expose().to_owned())
}

#[test]
fn yc_is_run_as_documented_and_its_token_is_used() {
    let mut fake = Fake::new(&format!(
        "[ \"$*\" = 'iam create-id-token --subject-id ajes --audience k8s --format text' ] && echo {ID_TOKEN}"
    ));
    assert_eq!(fake.id_token().unwrap(), ID_TOKEN);
    fake = Fake::new(
        "[ \"$*\" = 'iam create-token --format text --profile robot' ] && echo t1.abc.def",
    );
    fake.profile = Some("robot".into());
    let deadline = Deadline::within(Duration::from_secs(60));
    let token =
        run(async { fake.yc().iam_token(&"a token".into(), YcOptions::default(), deadline).await })
            .unwrap();
    assert_eq!(token.expose(), "t1.abc.def");
}

#[test]
fn in_the_background_yc_opens_no_browser() {
    let fake =
        Fake::new("[ \"$*\" = 'iam create-token --format text --no-browser' ] && echo t1.abc.def");
    let deadline = Deadline::within(Duration::from_secs(60));
    let options = YcOptions { is_unattended: true, ..YcOptions::default() };
    run(async { fake.yc().iam_token(&"a token".into(), options, deadline).await }).unwrap();
}

#[test]
fn an_iam_token_reaches_yc_only_in_its_environment() {
    let fake = Fake::new(&format!(
        "case \"$*\" in *t1.*) exit 3;; *' --endpoint api.example:443') ;; *) exit 4;; esac; [ \"$YC_IAM_TOKEN\" = t1.our.own ] && [ -z \"$YC_TOKEN\" ] && echo {ID_TOKEN}"
    ));
    assert_eq!(id_token(&fake.yc(), Some("t1.our.own"), 60_000).unwrap(), ID_TOKEN);
}

#[test]
fn a_warning_before_the_token_does_not_matter() {
    let script = format!(
        "echo 'There is api.cloud.yandex 2.0'; echo news >&2; echo; echo ' {ID_TOKEN}'; echo"
    );
    assert_eq!(Fake::new(&script).id_token().unwrap(), ID_TOKEN);
    let chatty = format!("head -c 5000000 /dev/zero >&2; echo {ID_TOKEN}");
    assert_eq!(Fake::new(&chatty).id_token().unwrap(), ID_TOKEN);
}

#[test]
fn output_that_is_not_a_token_is_described_and_not_quoted() {
    for (script, problem) in [
        ("echo '<!DOCTYPE html><html>hunter2</html>'", "yc printed a web page"),
        ("echo '<html>hunter2</html>' >&2; exit 1", "yc printed a web page"),
        ("", "yc printed nothing"),
        (
            "echo 'log in at auth.yandex.cloud' >&2",
            "yc printed nothing; on standard error: log in at auth.yandex.cloud",
        ),
        ("echo '{\"id_token\": \"hunter2\"}'", "yc printed something that is not a token"),
        ("yes hunter2", "yc prints far more than a token"),
    ] {
        let (code, printed, hint) = Fake::new(script).error();
        assert_eq!((code, printed), (Code::Foreign, format!("cannot get a token: {problem}")));
        assert!(hint.contains("run `yc iam create-token` in a terminal"), "{hint}");
    }
}

#[test]
fn a_refusal_is_reported_in_ycs_words_with_a_hint() {
    for (stderr, code, reason, hint) in [
        (
            "rpc error: code = PermissionDenied desc = Permission denied\n\n\nserver-request-id: e38e-71",
            Code::SourceDenied,
            "yc reports: Permission denied (request id e38e-71)",
            "grant `iam.serviceAccounts.tokenCreator` on service account `ajes` to the account of yc's current profile",
        ),
        (
            "rpc error: code = Unauthenticated desc = The token t1.a.hunter2 is invalid",
            Code::SourceAuth,
            "yc reports: The token [redacted] is invalid",
            "log in with `yc init`",
        ),
        (
            "rpc error: code = NotFound desc = Subject ajes not found",
            Code::SourceNotFound,
            "yc reports: Subject ajes not found",
            "check `--service-account`: `ajes`",
        ),
        (
            "rpc error: code = Unavailable desc = connection error",
            Code::Unavailable,
            "yc reports: connection error",
            "try again",
        ),
        (
            "unknown command \"create-id-token\" for \"yc iam\"",
            Code::SourceRefused,
            "yc reports: unknown command \"create-id-token\" for \"yc iam\"",
            "`yc components update`",
        ),
        (
            "open /home/me/.config/yandex-cloud/config.yaml: permission denied",
            Code::SourceRefused,
            "yc reports: open /home/me/.config/yandex-cloud/config.yaml: permission denied",
            "`yc init`",
        ),
    ] {
        let script = format!("cat >&2 <<'END'\nERROR: {stderr}\nEND\nexit 1");
        let (got, printed, advice) = Fake::new(&script).error();
        assert_eq!((got, printed), (code, format!("cannot get a token: {reason}")));
        assert!(advice.contains(hint), "{advice}");
    }
    let (code, printed, _) = Fake::new("exit 5").error();
    assert_eq!(printed, "cannot get a token: yc ended with status 5 and printed no reason");
    assert_eq!(code, Code::SourceRefused);
    let (_, _, hint) = Fake::new("echo 'Usage: yc iam [command]'").error();
    assert!(hint.contains("too old"), "{hint}");
}

#[test]
fn a_yc_that_hangs_is_ended() {
    let fake = Fake::new("echo $$ > \"$0.pid\"; exec sleep 600");
    // This time limit may end before the script starts. Then nothing is left of it either.
    let error = id_token(&fake.yc(), None, 200).unwrap_err();
    assert_eq!(error.code(), Code::Timeout);
    let printed = error.to_string();
    assert!(printed.starts_with("cannot get a token: yc did not finish within 0.2 s"), "{printed}");
    assert!(error.hint().unwrap().contains("browser"));
    let pid = std::fs::read_to_string(fake.path("yc.pid")).unwrap_or_default();
    if let Some(pid) = pid.trim().parse().ok().and_then(rustix::process::Pid::from_raw) {
        assert!(rustix::process::test_kill_process(pid).is_err(), "{pid:?} goes on");
    }
}

#[test]
fn a_yc_that_cannot_be_run_is_a_configuration_error() {
    let fake = Fake::new("exit 0");
    let mut chmod = std::process::Command::new("chmod");
    assert!(chmod.arg("600").arg(fake.path("yc")).status().unwrap().success());
    for (path, cause) in [("yc", "permission denied"), ("none", "no such file or directory")] {
        let yc = YcCli::new(Some(fake.path(path)), None, None);
        let error = id_token(&yc, None, 60_000).unwrap_err();
        let path = fake.path(path);
        let printed = format!("the Yandex Cloud CLI `{}` cannot be run: {cause}", path.display());
        assert_eq!((error.to_string(), error.exit_status()), (printed, 3));
        assert!(error.hint().unwrap().contains("--yc-path"));
    }
}

#[test]
fn without_a_configured_path_the_installers_folder_comes_after_path() {
    let fake = Fake::new(&format!("echo {ID_TOKEN}"));
    let mut yc = YcCli::new(None, None, Some(fake.folder.path()));
    assert_eq!(yc.programs, [PathBuf::from("yc"), fake.path("yandex-cloud/bin/yc")]);
    yc.programs = vec!["no-such-yc".into(), fake.path("yc")];
    assert_eq!(id_token(&yc, None, 60_000).unwrap(), ID_TOKEN);
    yc.programs.pop();
    let error = id_token(&yc, None, 60_000).unwrap_err();
    assert!(error.to_string().contains("there is no Yandex Cloud CLI"), "{error}");
    assert_eq!(error.exit_status(), 3);
}

#[test]
fn a_change_of_ycs_identity_changes_the_fingerprint() {
    let home = tempfile::tempdir().unwrap();
    let config = YcProfile::default_path(home.path());
    std::fs::create_dir_all(config.parent().unwrap()).unwrap();
    let env = |variables: &[(&'static str, &str)]| {
        let variables = variables.iter().map(|(name, value)| (*name, (*value).to_owned()));
        Env::Fake(variables.collect::<HashMap<_, _>>())
    };
    let yc = |program: Option<&str>, profile: Option<&str>| {
        YcCli::new(program.map(Into::into), profile.map(Into::into), Some(home.path()))
    };
    let mut seen = vec![
        yc(None, None).fingerprint(&env(&[])).to_hex(),
        yc(Some("/opt/yc"), None).fingerprint(&env(&[])).to_hex(),
        yc(None, Some("a")).fingerprint(&env(&[])).to_hex(),
        yc(None, None).fingerprint(&env(&[("YC_IAM_TOKEN", "a")])).to_hex(),
        yc(None, None).fingerprint(&env(&[("YC_TOKEN", "a")])).to_hex(),
    ];
    assert_eq!(
        yc(None, None).fingerprint(&env(&[])).to_hex(),
        seen[0],
        "it does not change by itself"
    );
    private_file::write(&config, b"current: a").unwrap();
    seen.push(yc(None, None).fingerprint(&env(&[])).to_hex());
    private_file::write(&config, b"current: b").unwrap();
    seen.push(yc(None, None).fingerprint(&env(&[])).to_hex());
    let count = seen.len();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), count);
}
