//! A runner of GitHub Actions with the functions that this project's files need: it runs the steps of a job in the
//! sandbox, also of a composite action, and applies their commands and files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::peer;
use crate::fake_server::{FakeServer, Reply};
use crate::federation::external_token;
use crate::leaks;
use crate::sandbox::{Outcome, Sandbox};

pub const ISSUER: &str = "https://token.actions.githubusercontent.com";

/// A running job.
pub struct Job {
    pub sandbox: Sandbox,
    /// GitHub, which signs a token for the job.
    pub github: FakeServer,
    environment: BTreeMap<String, String>,
    path: Vec<String>,
    outputs: BTreeMap<String, String>,
    masks: Vec<String>,
}

impl Job {
    /// A job of the repository OWNER/REPOSITORY, with this additional text in its subject.
    pub fn start(mut sandbox: Sandbox, subject: &str) -> Self {
        sandbox.unset("YC_ID_TOKEN_KEY_FILE");
        let subject = format!("repo:OWNER/REPOSITORY:{subject}");
        let token = external_token(ISSUER, &subject, &json!("https://github.com/OWNER"), 300);
        sandbox.keep_secret(&token);
        let answer = json!({ "count": 1, "value": token }).to_string();
        let reply = move |_: &_, _| Reply::Answer {
            status: 200,
            headers: Vec::new(),
            body: answer.clone(),
        };
        let github = FakeServer::start(reply);
        if subject == "repo:OWNER/REPOSITORY:ref:refs/heads/main" {
            sandbox.cloud.federate(&token, &sandbox.account);
        }
        sandbox.keep_secret("the-request-token-of-a-job");
        sandbox.set("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "the-request-token-of-a-job");
        sandbox.set("ACTIONS_ID_TOKEN_REQUEST_URL", format!("{}/token?v=2", github.url()));
        sandbox.set("GITHUB_REPOSITORY_OWNER", "OWNER");
        fs::create_dir(sandbox.home().join("runner-temp")).unwrap();
        sandbox.set("RUNNER_TEMP", sandbox.home().join("runner-temp"));
        sandbox.set("RUNNER_OS", "Linux");
        sandbox.set("RUNNER_ARCH", "X64");
        let (environment, path, outputs) = Default::default();
        Self { sandbox, github, environment, path, outputs, masks: Vec::new() }
    }

    /// Runs a step that must succeed, and returns its log.
    #[track_caller]
    pub fn run(&mut self, step: &Value) -> String {
        let outcome = self.try_run(step);
        assert!(outcome.status.success(), "{outcome:?}");
        outcome.stdout
    }

    /// Runs a step that is not an action.
    pub fn try_run(&mut self, step: &Value) -> Outcome {
        let files = ["GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_PATH"].map(|name| {
            // Each step has its own, which no other process can read.
            (name, self.sandbox.write_secret(&format!("runner/{name}"), ""))
        });
        let mut bash = self.sandbox.other_command("bash");
        bash.args([
            "--noprofile",
            "--norc",
            "-eo",
            "pipefail",
            "-c",
            step["run"].as_str().unwrap(),
        ]);
        bash.envs(&self.environment).envs(files.iter().map(|(name, file)| (*name, file)));
        for (name, value) in step["env"].as_object().into_iter().flatten() {
            bash.env(name, self.filled_in(value.as_str().unwrap(), &Value::Null));
        }
        let system = std::env::split_paths("/usr/bin:/bin").collect::<Vec<_>>();
        let path = self.path.iter().map(PathBuf::from).chain(system);
        bash.env("PATH", std::env::join_paths(path).unwrap());
        let mut outcome = self.sandbox.finish(bash);
        self.hear(&mut outcome);
        let [environment, output, path] = files.map(|(_, file)| fs::read_to_string(file).unwrap());
        self.environment.extend(settings(&environment));
        if let Some(id) = step["id"].as_str() {
            let outputs = settings(&output).map(|(name, value)| (format!("{id}.{name}"), value));
            self.outputs.extend(outputs.collect::<Vec<_>>());
        }
        self.path.splice(..0, path.lines().map(str::to_owned));
        outcome
    }

    /// Extracts the commands from the output of a step, and checks that the rest contains no secret.
    fn hear(&mut self, outcome: &mut Outcome) {
        let mut log = String::new();
        for line in outcome.stdout.lines() {
            match line.strip_prefix("::add-mask::") {
                Some(secret) => self.masks.push(secret.to_owned()),
                None => log.extend([line, "\n"]),
            }
        }
        for secret in self.sandbox.secrets().iter().chain(&self.masks) {
            assert!(!leaks::holds(&log, secret), "a secret is in the log:\n{log}");
        }
        outcome.stdout = log;
    }

    /// Uses this project's action with these inputs, and makes its outputs those of a step. It returns the log of the
    /// last step, which fails if the step fails.
    pub fn use_action(&mut self, action: &Value, with: &Value, id: &str) -> Outcome {
        let mut inputs = serde_json::Map::new();
        for (name, input) in action["inputs"].as_object().unwrap() {
            let printed = with[name].as_str().or(input["default"].as_str());
            inputs.insert(name.clone(), printed.unwrap_or_else(|| panic!("no `{name}`")).into());
        }
        for name in with.as_object().unwrap().keys() {
            assert!(inputs.contains_key(name), "the action has no input `{name}`");
        }
        let inputs = Value::Object(inputs);
        let mut last = None;
        for step in action["runs"]["steps"].as_array().unwrap() {
            if step["if"].as_str().is_some_and(|condition| !holds(condition, &inputs)) {
                continue;
            }
            assert_eq!(step["shell"], "bash");
            let mut step = step.clone();
            for value in step["env"].as_object_mut().unwrap().values_mut() {
                *value = self.filled_in(value.as_str().unwrap(), &inputs).into();
            }
            let outcome = self.try_run(&step);
            let failed = !outcome.status.success();
            last = Some(outcome);
            if failed {
                break;
            }
        }
        for (name, output) in action["outputs"].as_object().unwrap() {
            let value = self.filled_in(output["value"].as_str().unwrap(), &inputs);
            self.outputs.insert(format!("{id}.{name}"), value);
        }
        last.unwrap()
    }

    /// An output of a step; empty if it is not set.
    pub fn output(&self, step: &str, name: &str) -> &str {
        self.outputs.get(&format!("{step}.{name}")).map_or("", String::as_str)
    }

    /// The environment of a later step.
    pub fn variable(&self, name: &str) -> &str {
        self.environment.get(name).map_or("", String::as_str)
    }

    pub fn masks(&self) -> &[String] {
        &self.masks
    }

    /// A text with the values of its expressions.
    fn filled_in(&self, text: &str, inputs: &Value) -> String {
        let Some((before, rest)) = text.split_once("${{") else { return text.to_owned() };
        let (expression, rest) = rest.split_once("}}").unwrap();
        let parts: Vec<&str> = expression.trim().split('.').collect();
        let value = match parts[..] {
            ["inputs", name] => inputs[name].as_str().unwrap_or_else(|| panic!("{text}")),
            ["github", "action_path"] => FOLDER,
            ["steps", id, "outputs", name] => self.output(id, name),
            _ => panic!("this runner does not know `{expression}`"),
        };
        format!("{before}{value}{}", self.filled_in(rest, inputs))
    }
}

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/integrations/github-actions");

/// Where a file of `integrations/github-actions` is.
pub fn path_of(name: &str) -> PathBuf {
    Path::new(FOLDER).join(name)
}

/// YAML as the runner reads it, in which `on` is not a boolean.
pub fn read_yaml(sandbox: &Sandbox, text: &str) -> Value {
    const READ: &str = "import json, sys, ruamel.yaml; print(json.dumps(ruamel.yaml.YAML(typ='safe', pure=True).load(sys.argv[1])))";
    let mut python = sandbox.other_command(peer("schema-venv/bin/python"));
    python.args(["-c", READ, text]);
    serde_json::from_str(&sandbox.finish(python).ok()).unwrap()
}

/// The lines of `NAME=VALUE` of a file that a step has written.
fn settings(text: &str) -> impl Iterator<Item = (String, String)> {
    text.lines().map(|line| {
        let (name, value) = line.split_once('=').unwrap_or_else(|| panic!("no setting: {line}"));
        (name.to_owned(), value.to_owned())
    })
}

/// Whether a condition of a step of an action holds.
fn holds(condition: &str, inputs: &Value) -> bool {
    let words: Vec<&str> = condition.split(' ').collect();
    let [input, operator, "''"] = words[..] else { panic!("{condition}") };
    let is_empty = inputs[input.strip_prefix("inputs.").unwrap()] == "";
    match operator {
        "==" => is_empty,
        "!=" => !is_empty,
        other => panic!("{other}"),
    }
}
