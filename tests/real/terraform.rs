//! Terraform and its provider for AWS, which reads this program's output with the Go SDK.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::peer;
use crate::sandbox::Sandbox;

/// Makes the provider use one server for everything, and check nothing with AWS itself.
const PROVIDER: &str = r#"
provider "aws" {
  region                      = "eu-central-1"
  skip_credentials_validation = true
  skip_get_ec2_platforms      = true
  skip_metadata_api_check     = true
  endpoints {
    iam = "ENDPOINT"
    sts = "ENDPOINT"
  }
}
"#;

/// Creates a folder with a configuration that can be applied to the services at an endpoint.
pub fn init(sandbox: &mut Sandbox, configuration: &str, endpoint: &str) {
    sandbox.write("terraform/main.tf", configuration);
    sandbox.write("terraform/provider.tf", &PROVIDER.replace("ENDPOINT", endpoint));
    // Otherwise it checks for updates.
    sandbox.set("CHECKPOINT_DISABLE", "1");
    sandbox.set("AWS_SDK_LOAD_CONFIG", "1");
    let plugins = peer("terraform/terraform").with_file_name("plugins");
    run(sandbox, &["init", "-input=false", &format!("-plugin-dir={}", plugins.display())]);
}

/// Runs Terraform in that folder, where it must succeed, and returns its output.
pub fn run(sandbox: &Sandbox, arguments: &[&str]) -> String {
    let mut command: Command = sandbox.other_command(peer("terraform/terraform"));
    command.args(arguments).current_dir(sandbox.home().join("terraform"));
    // This edition logs everything that it does.
    let log = fs::File::create(sandbox.home().join("terraform.log")).unwrap();
    let output = command.stderr(log).output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{stdout}\n{}", errors(&sandbox.home().join("terraform.log")));
    stdout
}

/// The blocks of a Terraform file, without the quotes that the parser leaves on strings.
pub fn read_hcl(sandbox: &Sandbox, text: &str) -> Value {
    const READ: &str = "
import json, sys, hcl2
def plain(value):
    if isinstance(value, dict):
        return {plain(name): plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value.strip('\"') if isinstance(value, str) else value
print(json.dumps(plain(hcl2.loads(sys.argv[1]))))
";
    let mut python = sandbox.other_command(peer("schema-venv/bin/python"));
    python.args(["-c", READ, text]);
    serde_json::from_str(&sandbox.finish(python).ok()).unwrap()
}

/// Terraform's formatter reads the file, and would change nothing in it.
pub fn assert_formatted(sandbox: &Sandbox, name: &str, text: &str) {
    let path = sandbox.write(name, text);
    let mut terraform = sandbox.other_command(peer("terraform/terraform"));
    terraform.args(["fmt", "-check", "-diff"]).arg(path);
    let output = terraform.output().unwrap();
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stdout));
}

fn errors(log: &Path) -> String {
    let log = fs::read_to_string(log).unwrap_or_default();
    log.lines().filter(|line| !line.starts_with(['[', ' '])).collect::<Vec<_>>().join("\n")
}
