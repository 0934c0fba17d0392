//! The files of `integrations/github-actions`, checked by tools that know their schema, and run: the action with every
//! input, and each workflow to its end, against the emulator and the real consumers.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use yc_id_token_emulator::Route;

use super::api_server::{ApiServer, Trust};
use super::documents::{Document, filled_in, with_request_id_of_page};
use super::github::{ISSUER, Job, path_of, read_yaml};
use super::moto::Moto;
use super::openbao::{ANSWER, OpenBao, bao};
use super::{aws, peer, project_file};
use crate::sandbox::{PROGRAM, Sandbox, claims};

/// Placeholders of the files that a user replaces.
const ACCOUNT: &str = "ajeexampleaccount000";
const AUDIENCE: &str = "https://service.example";
const MAIN: &str = "ref:refs/heads/main";
const WORKFLOWS: [&str; 3] = ["aws.yml", "kubectl.yml", "vault.yml"];

fn file(name: &str) -> String {
    project_file(&format!("integrations/github-actions/{name}"))
}

/// A job on a machine that has the program, before the action is used.
fn job(subject: &str) -> (Job, Value) {
    let sandbox = Sandbox::new();
    let action = read_yaml(&sandbox, &file("action.yml"));
    (Job::start(sandbox, subject), action)
}

fn inputs(job: &Job, more: &Value) -> Value {
    let mut inputs = json!({ "service-account": job.sandbox.account, "program": PROGRAM });
    for (name, value) in more.as_object().unwrap() {
        inputs[name] = value.clone();
    }
    inputs
}

/// A workflow's steps, with this sandbox's values in place of the placeholders. The action has been used, as in the
/// file, and is not among them.
fn begin(job: &mut Job, action: &Value, name: &str, replaced: &[(&str, &str)]) -> Vec<Value> {
    let mut text = file(name);
    for (printed, had) in replaced {
        text = filled_in(&text, printed, had);
    }
    let workflow = read_yaml(&job.sandbox, &text);
    assert_eq!(workflow["permissions"]["id-token"], "write");
    let deploy = &workflow["jobs"]["deploy"];
    for (name, value) in deploy["env"].as_object().into_iter().flatten() {
        job.sandbox.set(name, value.as_str().unwrap());
    }
    let mut steps = deploy["steps"].as_array().unwrap().clone();
    steps.retain(|step| step["uses"] != "actions/checkout@v4");
    let used = steps.remove(0);
    let repository = env!("CARGO_PKG_REPOSITORY").strip_prefix("https://github.com/").unwrap();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(used["uses"], format!("{repository}/integrations/github-actions@v{version}"));
    assert_eq!(used["with"]["service-account"], ACCOUNT);
    let mut with = used["with"].clone();
    with["service-account"] = job.sandbox.account.clone().into();
    with["program"] = PROGRAM.into();
    let id = used["id"].as_str().unwrap_or("none").to_owned();
    let outcome = job.use_action(action, &with, &id);
    assert!(outcome.status.success(), "{outcome:?}");
    steps
}

#[test]
fn the_action_and_the_workflows_are_valid_for_github() {
    let sandbox = Sandbox::new();
    let check = |schema: &str, names: &[&str]| {
        let mut command = sandbox.other_command(peer("schema-venv/bin/check-jsonschema"));
        command
            .args(["--quiet", "--builtin-schema", schema])
            .args(names.iter().map(|name| path_of(name)));
        sandbox.finish(command)
    };
    assert_eq!(check("vendor.github-actions", &["action.yml"]).ok(), "");
    assert_eq!(check("vendor.github-workflows", &WORKFLOWS).ok(), "");
    assert!(!check("vendor.github-workflows", &["action.yml"]).status.success(), "it reads them");

    let lint = |files: &[PathBuf]| {
        let mut command = sandbox.other_command(peer("schema-venv/bin/jactionlint"));
        command.args(["--no-online", "--no-color", "--profile=correctness", "--shellcheck="]);
        command.args(files);
        sandbox.finish(command).stdout
    };
    let files = WORKFLOWS.map(path_of);
    assert_eq!(lint(&files), "");
    let wrong = filled_in(&file("aws.yml"), "steps.yandex.", "steps.yandx.");
    let wrong = sandbox.write("wrong.yml", &wrong);
    assert!(lint(&[wrong]).contains(r#""yandx" is not defined"#), "it follows expressions");
}

#[test]
fn the_token_is_in_a_private_file_by_default() {
    let (mut job, action) = job(MAIN);
    let with = inputs(&job, &json!({ "audience": AUDIENCE }));
    let log = job.use_action(&action, &with, "yandex");
    assert_eq!(log.stdout, "", "nothing but the mask");
    let path = Path::new(job.output("yandex", "token-file")).to_owned();
    job.sandbox.may_hold_secrets(&path);
    assert_eq!(path.parent(), Some(job.sandbox.home().join("runner-temp").as_path()));
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    let token = fs::read_to_string(path).unwrap();
    assert_eq!(claims(&token)["aud"], AUDIENCE);
    assert_eq!(claims(&token)["sub"], job.sandbox.account.as_str());
    assert_eq!(job.masks(), [token], "before it is printed");
    assert_eq!((job.output("yandex", "token"), job.variable("YC_ID_TOKEN")), ("", ""));
    assert!(job.github.requests()[0].line.contains("audience=https%3A%2F%2Fgithub.com%2FOWNER"));
}

#[test]
fn the_token_is_masked_as_an_output_and_in_the_environment() {
    for way in ["output", "env"] {
        let (mut job, action) = job(MAIN);
        let with = inputs(&job, &json!({ "audience": AUDIENCE, "as": way }));
        assert_eq!(job.use_action(&action, &with, "yandex").ok(), "");
        let (output, variable) = (job.output("yandex", "token"), job.variable("YC_ID_TOKEN"));
        let (given, other) = if way == "env" { (variable, output) } else { (output, variable) };
        assert_eq!(claims(given)["aud"], AUDIENCE, "{way}");
        assert_eq!((other, job.output("yandex", "token-file")), ("", ""), "{way}");
        assert_eq!(job.masks(), [given], "{way}");
        let left = fs::read_dir(job.sandbox.home().join("runner-temp")).unwrap();
        assert_eq!(left.count(), 0, "{way}: no file is left");
    }
}

#[test]
fn without_an_audience_the_job_is_set_up_offline() {
    let (mut job, action) = job(MAIN);
    let with = inputs(&job, &json!({ "federation-audience": "https://yandex.example" }));
    let log = job.use_action(&action, &with, "yandex").ok();
    assert!(log.starts_with("yc-id-token "), "{log}");
    assert!(job.github.requests().is_empty());
    let check = Document::of("ci").block("sh", "--decode").to_owned();
    let decoded: Value = serde_json::from_str(&job.run(&json!({ "run": check }))).unwrap();
    assert_eq!(decoded["aud"], "sts.amazonaws.com");
    assert!(job.github.requests()[0].line.contains("audience=https%3A%2F%2Fyandex.example"));
}

#[test]
fn an_unknown_output_is_reported_before_any_request() {
    let (mut job, action) = job(MAIN);
    let with = inputs(&job, &json!({ "audience": AUDIENCE, "as": "secret" }));
    let outcome = job.use_action(&action, &with, "yandex");
    assert_eq!(outcome.status.code(), Some(2));
    assert!(outcome.stdout.starts_with("::error::there is no way `secret`"), "{outcome:?}");
    assert_eq!(job.sandbox.cloud.count(Route::TokenExchange), 0);
}

#[test]
fn the_program_can_be_a_name_on_the_path_and_must_exist() {
    let (mut job, action) = job(MAIN);
    let with = inputs(&job, &json!({ "program": "yc-id-token" }));
    let outcome = job.use_action(&action, &with, "yandex");
    assert_eq!(outcome.status.code(), Some(1));
    assert_eq!(outcome.stdout, "::error::there is no program `yc-id-token`\n");
    let folder = Path::new(PROGRAM).parent().unwrap();
    job.run(&json!({ "run": format!("echo {} >>\"$GITHUB_PATH\"", folder.display()) }));
    assert!(job.use_action(&action, &with, "yandex").ok().starts_with("yc-id-token "));
}

#[test]
fn failures_are_reported_as_on_the_page() {
    let page = Document::of("ci");
    let federation = page.block("text", "federation create");
    for printed in [
        &format!("--issuer {ISSUER} "),
        "--audiences https://github.com/OWNER\n",
        &format!("--external-subject-id repo:OWNER/REPOSITORY:{MAIN}\n"),
    ] {
        assert!(federation.contains(printed), "{printed}");
    }
    let reported = |job: &mut Job, action: &Value| {
        let with = inputs(job, &json!({ "audience": AUDIENCE }));
        let outcome = job.use_action(action, &with, "yandex");
        assert_eq!(outcome.stdout, "");
        assert!(job.masks().is_empty() && job.output("yandex", "token-file").is_empty());
        let said = outcome.stderr.replace(&job.sandbox.account, ACCOUNT);
        (outcome.status.code(), with_request_id_of_page(&said))
    };
    let (mut of_pull_request, action) = job("pull_request");
    let said = page.block("console", "E_SOURCE_REFUSED").to_owned();
    assert_eq!(reported(&mut of_pull_request, &action), (Some(4), said));

    let (mut without_permission, action) = job(MAIN);
    without_permission.sandbox.unset("ACTIONS_ID_TOKEN_REQUEST_TOKEN");
    without_permission.sandbox.unset("ACTIONS_ID_TOKEN_REQUEST_URL");
    let said = page.block("console", "E_MISSING").to_owned();
    assert_eq!(reported(&mut without_permission, &action), (Some(3), said));
}

#[test]
fn the_workflow_for_aws_assumes_the_role() {
    let (mut job, action) = job(MAIN);
    let steps = begin(
        &mut job,
        &action,
        "aws.yml",
        &[("run: aws ", &format!("run: {} ", peer("aws-venv/bin/aws").display()))],
    );
    let moto = Moto::start();
    aws::set_up(&mut job.sandbox, &moto.url());
    job.sandbox.may_hold_secrets(Path::new(job.output("yandex", "token-file")));
    let [whoami] = &steps[..] else { panic!("one more step") };
    let identity = job.run(whoami);
    assert!(identity.contains(":assumed-role/yandex-robot/"), "{identity}");
}

#[test]
fn the_workflow_for_kubectl_authenticates() {
    let (mut job, action) = job(MAIN);
    let trust = Trust::in_cloud(&job.sandbox.cloud, "kubernetes-prod");
    let server = ApiServer::start(trust, &job.sandbox.cloud);
    job.sandbox.write("k8s-ca.crt", &server.ca_pem);
    let kubectl = peer("venv/bin/kubectl");
    let run = format!("{} ", kubectl.display());
    let server_url = server.url.clone();
    let steps = begin(
        &mut job,
        &action,
        "kubectl.yml",
        &[
            ("https://k8s.example:6443", &server_url),
            (" kubectl config", &format!(" {run}config")),
            (" kubectl auth", &format!(" {run}auth")),
        ],
    );
    let [set_up, whoami] = &steps[..] else { panic!("two more steps") };
    job.run(set_up);
    let printed = job.run(whoami);
    assert!(printed.contains(&format!("cloud-sa:{}", job.sandbox.account)), "{printed}");
}

#[test]
fn the_workflow_for_vault_reads_the_secret_and_leaves_no_token() {
    let (mut job, action) = job(MAIN);
    let server = OpenBao::start(&job.sandbox.cloud);
    let ca = job.sandbox.write("vault-ca.pem", &server.ca_pem);
    job.sandbox.set("VAULT_CACERT", ca);
    server.role("", "robot", &server.url(), &job.sandbox.account, &Value::Null);
    let steps = begin(
        &mut job,
        &action,
        "vault.yml",
        &[
            ("https://vault.example:8200", &server.url()),
            (" vault kv", &format!(" {} kv", bao().display())),
        ],
    );
    let [read, test, remove] = &steps[..] else { panic!("three more steps") };
    assert_eq!(job.run(read), "");
    job.run(test);
    let answer = job.sandbox.home().join("answer");
    assert_eq!(fs::read_to_string(&answer).unwrap(), ANSWER);
    job.run(remove);
    assert!(!answer.exists());
    assert_eq!(server.leases("jwt"), 0);
}
