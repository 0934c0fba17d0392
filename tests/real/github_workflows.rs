//! The files of `.github`, checked by linters that know the rules of GitHub and its usual mistakes.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::documents::filled_in;
use super::github::read_yaml;
use super::{peer, project_file};
use crate::sandbox::{Outcome, Sandbox};

const WORKFLOWS: [&str; 3] = ["advisories", "ci", "release"];
const DEPENDABOT: &str = ".github/dependabot.yml";
const ACTION: &str = "integrations/github-actions/action.yml";

fn workflow(name: &str) -> String {
    format!(".github/workflows/{name}.yml")
}

fn path_of(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// jactionlint, with the shell scripts of the workflows checked by shellcheck.
fn lint(sandbox: &Sandbox, files: &[PathBuf]) -> Outcome {
    let mut command = sandbox.other_command(peer("schema-venv/bin/jactionlint"));
    command.args(["--no-online", "--no-color", "--shellcheck=/usr/bin/shellcheck"]).args(files);
    sandbox.finish(command)
}

/// zizmor, which looks for ways to attack a workflow.
fn audit(sandbox: &Sandbox, files: &[PathBuf]) -> Outcome {
    let mut command = sandbox.other_command(peer("schema-venv/bin/zizmor"));
    command.args(["--offline", "--no-progress", "--quiet", "--no-config"]);
    command.args(["--strict-collection", "--persona=pedantic", "--collect=all"]).args(files);
    sandbox.finish(command)
}

#[test]
fn the_linters_find_nothing_in_the_workflows() {
    let sandbox = Sandbox::new();
    let mut files: Vec<PathBuf> = WORKFLOWS.iter().map(|name| path_of(&workflow(name))).collect();
    let folder = path_of(".github/workflows");
    assert_eq!(folder.read_dir().unwrap().count(), files.len(), "another workflow");
    files.extend([path_of(DEPENDABOT), path_of(ACTION)]);
    for check in [lint, audit] {
        let outcome = check(&sandbox, &files);
        assert!(outcome.status.success(), "{outcome:?}");
    }
}

#[test]
fn the_linters_follow_expressions_and_require_digests() {
    let sandbox = Sandbox::new();
    let release = project_file(&workflow("release"));
    let wrong = sandbox.write("wrong.yml", &filled_in(&release, "steps.auth.", "steps.auht."));
    assert!(lint(&sandbox, &[wrong]).stdout.contains(r#""auht" is not defined"#));
    let checkout = release.lines().find(|line| line.contains("actions/checkout@")).unwrap();
    let tag = release.replace(checkout.trim_start(), "- uses: actions/checkout@v7");
    let outcome = audit(&sandbox, &[sandbox.write(".github/workflows/tag.yml", &tag)]);
    assert!(outcome.stdout.contains("unpinned-uses"), "{outcome:?}");
}

#[test]
fn the_forms_and_the_updates_are_valid_for_github() {
    let sandbox = Sandbox::new();
    let mut files = vec![
        ("vendor.dependabot", DEPENDABOT.to_owned()),
        ("vendor.github-issue-config", ".github/ISSUE_TEMPLATE/config.yml".to_owned()),
    ];
    for name in ["bug", "feature"] {
        let form = format!(".github/ISSUE_TEMPLATE/{name}.yml");
        files.push(("vendor.github-issue-forms", form));
    }
    files.extend(WORKFLOWS.map(|name| ("vendor.github-workflows", workflow(name))));
    for (schema, file) in files {
        let mut check = sandbox.other_command(peer("schema-venv/bin/check-jsonschema"));
        check.args(["--quiet", "--builtin-schema", schema]).arg(path_of(&file));
        assert_eq!(sandbox.finish(check).ok(), "", "{file}");
    }
    let bug = read_yaml(&sandbox, &project_file(".github/ISSUE_TEMPLATE/bug.yml"));
    let fields = bug["body"].as_array().unwrap();
    let report = fields.iter().find(|field| field["id"] == "report").unwrap();
    let description = report["attributes"]["description"].as_str().unwrap();
    assert!(description.contains("`yc-id-token doctor --report=FILE`"), "{description}");
    assert_eq!(report["validations"]["required"], true);
}

#[test]
fn every_job_has_few_permissions_and_a_time_limit() {
    let sandbox = Sandbox::new();
    for name in WORKFLOWS {
        let workflow = read_yaml(&sandbox, &project_file(&workflow(name)));
        assert_eq!(workflow["permissions"], serde_json::json!({}), "{name}");
        assert!(workflow["concurrency"]["group"].is_string(), "{name}");
        for (job, value) in workflow["jobs"].as_object().unwrap() {
            assert!(value["permissions"].is_object(), "{name}: {job}");
            assert!(value["timeout-minutes"].is_u64(), "{name}: {job}");
            if let Some(image) = value["container"]["image"].as_str() {
                let version = workflow["env"]["RUSTUP_TOOLCHAIN"].as_str().unwrap();
                let prefix = format!("rust:{version}-bookworm@sha256:");
                assert!(image.starts_with(&prefix), "{name}: {job}: {image}");
            }
        }
    }
}

#[test]
fn an_action_has_one_digest_in_all_workflows() {
    let sandbox = Sandbox::new();
    let mut used = std::collections::BTreeMap::new();
    for name in WORKFLOWS {
        let workflow = read_yaml(&sandbox, &project_file(&workflow(name)));
        for job in workflow["jobs"].as_object().unwrap().values() {
            let steps = job["steps"].as_array().unwrap();
            for action in steps.iter().filter_map(|step| step["uses"].as_str()) {
                let (action, digest) = action.split_once('@').unwrap();
                let other = used.insert(action.to_owned(), digest.to_owned());
                assert!(other.is_none_or(|other| other == digest), "{action}");
            }
        }
    }
    assert!(used.values().all(|digest| digest.len() == 40), "{used:?}");
}

#[test]
fn a_release_is_published_only_after_its_packages_have_run() {
    let release = read_yaml(&Sandbox::new(), &project_file(&workflow("release")));
    let needs = |job: &str| release["jobs"][job]["needs"].clone();
    for published in ["image", "pypi", "crates"] {
        assert_eq!(needs(published), "github", "{published}");
    }
    assert_eq!((needs("github"), needs("attest")), (Value::from("attest"), Value::from("try")));
}
