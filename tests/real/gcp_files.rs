//! The files of `integrations/gcp`, each used as a user would use it, and the commands of its page.
//!
//! gcloud and the Terraform provider for Google Cloud are in no package registry. What the page types for gcloud is
//! recorded, and the Terraform file must set up the same; its provider is then the one that trusts the account.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::{Value, json};
use yc_id_token_emulator::Options;

use super::documents::{Document, filled_in};
use super::gcp::Client;
use super::google::{EMAIL, FEDERATED, Google, IMPERSONATED, PROVIDER};
use super::kubeconfig::put_on_path;
use super::{project_file, terraform};
use crate::sandbox::{PROGRAM, Sandbox};

/// Placeholders of the files that a user replaces.
const ACCOUNT: &str = "ajeexampleaccount000";
const HELPER: &str = "/usr/local/bin/yc-id-token";
const ISSUER: &str = "https://auth.yandex.cloud";
const TOKEN_FILE: &str = "/run/user/1000/google.jwt";

fn file(name: &str) -> String {
    project_file(&format!("integrations/gcp/{name}"))
}

fn page() -> Document {
    Document::of("gcp")
}

/// A sandbox in the cloud of the files' issuer, configured as on the page, with a `gcloud` that records its
/// arguments.
fn sandbox() -> Sandbox {
    let issuer = Some(ISSUER.to_owned());
    configured(Sandbox::with_options(Options { issuer, ..Options::default() }))
}

fn configured(mut sandbox: Sandbox) -> Sandbox {
    sandbox.configure(page().block("toml", "[profiles.gcp]"));
    sandbox.write_secret(".config/yc-id-token/key.json", &sandbox.key.to_json());
    sandbox.unset("YC_ID_TOKEN_KEY_FILE");
    let gcloud =
        sandbox.write("clis/gcloud", "#!/bin/sh\nprintf '%s\\n' \"$@\" >>\"$HOME/gcloud\"\n");
    fs::set_permissions(&gcloud, fs::Permissions::from_mode(0o755)).unwrap();
    put_on_path(&mut sandbox, &[Path::new(PROGRAM).parent().unwrap(), gcloud.parent().unwrap()]);
    sandbox
}

/// Types one of the page's blocks into a shell.
#[track_caller]
fn type_in(sandbox: &Sandbox, block: &str) -> String {
    let token_file = sandbox.home().join("google.jwt").display().to_string();
    let block = block.replace(HELPER, PROGRAM).replace(TOKEN_FILE, &token_file);
    sandbox.shell(&block).ok()
}

/// The value of a gcloud option in the commands of the page.
fn gcloud_option(sandbox: &Sandbox, option: &str) -> Vec<String> {
    let arguments = fs::read_to_string(sandbox.home().join("gcloud")).unwrap();
    let values = arguments.lines().filter_map(|line| line.strip_prefix(option)?.strip_prefix('='));
    values.map(str::to_owned).collect()
}

/// Servers of Google with the provider that the page's commands make.
fn google(sandbox: &Sandbox) -> Google {
    type_in(sandbox, page().block("sh", "create-oidc"));
    let [condition] = &gcloud_option(sandbox, "--attribute-condition")[..] else {
        panic!("not one")
    };
    Google::start_with(sandbox, filled_in(condition, ACCOUNT, &sandbox.account))
}

#[test]
fn the_executable_and_exec_work_as_on_the_page() {
    let mut sandbox = sandbox();
    let google = google(&sandbox);
    let page = page();
    assert!(type_in(&sandbox, page.block("sh", "--version")).starts_with("yc-id-token "));
    let claims: Value =
        serde_json::from_str(&type_in(&sandbox, page.block("sh", "--decode"))).unwrap();
    assert_eq!(claims["iss"], ISSUER);

    let written = type_in(&sandbox, page.block("sh", "exec --gcp"));
    assert_eq!(serde_json::from_str::<Value>(&written).unwrap()["audience"], PROVIDER);

    sandbox.write("executable.json", &filled_in(&file("executable.json"), HELPER, PROGRAM));
    let block = page.block("sh", "ALLOW_EXECUTABLES");
    let exported = type_in(&sandbox, &format!("{block}env"));
    for name in ["GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES"] {
        let value = exported.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        sandbox.set(name, value.unwrap());
    }
    assert!(Client::Python.token(&sandbox, &google).starts_with(FEDERATED));
}

#[test]
fn the_token_file_of_the_page_works_with_impersonation() {
    let mut sandbox = sandbox();
    let google = google(&sandbox);
    let token_file = sandbox.home().join("google.jwt");
    sandbox.may_hold_secrets(&token_file);
    type_in(&sandbox, page().block("sh", "token --profile=gcp --output"));
    let configuration = filled_in(&file("file.json"), TOKEN_FILE, token_file.to_str().unwrap());
    let configuration = sandbox.write("file.json", &configuration);
    sandbox.set("GOOGLE_APPLICATION_CREDENTIALS", configuration);
    assert!(Client::Python.token(&sandbox, &google).starts_with(IMPERSONATED));

    type_in(&sandbox, page().block("sh", "gcloud iam service-accounts"));
    let arguments = fs::read_to_string(sandbox.home().join("gcloud")).unwrap();
    assert!(arguments.contains(EMAIL), "{arguments}");
}

#[test]
fn what_setup_does_and_the_endpoint_that_the_page_shows_are_accepted() {
    // `doctor` requests the issuer's keys.
    let sandbox = configured(Sandbox::new());
    let page = page();
    sandbox.write_secret("key.json", &sandbox.key.to_json());
    let config = sandbox.home().join(".config/yc-id-token/config.toml");
    fs::remove_file(&config).unwrap();
    let printed_line = type_in(&sandbox, page.block("sh", "setup gcp --apply"));
    assert!(printed_line.contains("+[profiles.yandex-cloud.gcp]\n"), "{printed_line}");
    let checked = type_in(&sandbox, page.block("sh", "doctor gcp"));
    assert!(checked.contains("no problems; checked: profile `yandex-cloud`, gcp"), "{checked}");

    let endpoint = page.block("toml", "gcp-url").replace("\"gcp\"", "\"yandex-cloud\"");
    let text = fs::read_to_string(&config).unwrap();
    sandbox.configure(&format!("{text}\n{endpoint}"));
    sandbox.run(&["config", "validate"]).ok();
}

#[test]
fn terraform_makes_the_provider_and_the_grant_that_the_page_makes() {
    let sandbox = sandbox();
    let text = file("terraform/main.tf");
    terraform::assert_formatted(&sandbox, "main.tf", &text);
    let read = terraform::read_hcl(&sandbox, &text);
    let resource = |kind: &str| {
        let resources = read["resource"].as_array().unwrap();
        let found = resources.iter().find_map(|resource| resource.get(kind));
        found.unwrap().as_object().unwrap().values().next().unwrap().clone()
    };
    let default = |name: &str| {
        let variables = read["variable"].as_array().unwrap();
        variables.iter().find_map(|variable| variable.get(name)).unwrap()["default"].clone()
    };
    type_in(&sandbox, page().block("sh", "create-oidc"));
    type_in(&sandbox, page().block("sh", "gcloud projects add-iam-policy-binding"));
    let reported = |option| gcloud_option(&sandbox, option).pop().unwrap();

    let provider = resource("google_iam_workload_identity_pool_provider");
    assert_eq!(default("issuer"), reported("--issuer-uri"));
    assert_eq!(provider["oidc"][0]["issuer_uri"], "${var.issuer}");
    let condition = reported("--attribute-condition").replace(ACCOUNT, "${var.service_account_id}");
    assert_eq!(provider["attribute_condition"], condition);
    assert_eq!(reported("--attribute-mapping"), "google.subject=assertion.sub");
    assert_eq!(provider["attribute_mapping"], json!({ "google.subject": "assertion.sub" }));
    let pool = resource("google_iam_workload_identity_pool");
    assert_eq!(pool["workload_identity_pool_id"], reported("--workload-identity-pool"));
    assert_eq!(provider["workload_identity_pool_provider_id"], "yandex-cloud");

    let grant = resource("google_project_iam_member");
    assert_eq!(grant["role"], reported("--role"));
    let pool = PROVIDER.strip_prefix("//iam.googleapis.com/").unwrap();
    let pool = pool.strip_suffix("/providers/yandex-cloud").unwrap();
    let member = reported("--member")
        .replace(pool, "${google_iam_workload_identity_pool.yandex_cloud.name}")
        .replace(ACCOUNT, "${var.service_account_id}");
    assert_eq!(grant["member"], member);
}
