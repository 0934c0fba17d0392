//! The files of `integrations/kubernetes`, checked against the schema of the Kubernetes API, and the containers'
//! commands run with the pod's volumes.
//!
//! There is no cluster. The test does what the kubelet does for a pod: it writes the pod's token in the kubelet's
//! layout, mounts the volumes, sets the environment, and runs the command as the first process of a container.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::documents::{Document, filled_in, with_request_id_of_page};
use super::kubeconfig::put_on_path;
use super::{aws, peer, project_file};
use crate::agent::Agent;
use crate::fake_server::{FakeServer, Reply};
use crate::federation::external_token;
use crate::sandbox::{PROGRAM, Sandbox, claims, eventually};

/// Placeholders of the files that a user replaces.
const ACCOUNT: &str = "ajeexampleaccount000";
const ISSUER: &str = "https://k8s-issuer.example";
const SERVICE: &str = "https://service.example";

const HOUR: i64 = 3600;

fn path_of(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("integrations/kubernetes").join(name)
}

/// The objects of a file.
fn objects(sandbox: &Sandbox, name: &str) -> Vec<Value> {
    const READ: &str =
        "import json, sys, yaml; print(json.dumps(list(yaml.safe_load_all(open(sys.argv[1])))))";
    let mut python = sandbox.other_command(peer("schema-venv/bin/python"));
    python.args(["-c", READ]).arg(path_of(name));
    serde_json::from_str(&sandbox.finish(python).ok()).unwrap()
}

/// The pod of a file, which uses the service account beside it.
fn pod(sandbox: &Sandbox, name: &str) -> Value {
    let [account, workload] = &objects(sandbox, name)[..] else { panic!("two objects in {name}") };
    let pod = ["/spec/template/spec", "/spec/jobTemplate/spec/template/spec"];
    let pod = pod.iter().find_map(|place| workload.pointer(place)).unwrap();
    assert_eq!(account["kind"], "ServiceAccount");
    assert_eq!(pod["serviceAccountName"], account["metadata"]["name"]);
    pod.clone()
}

/// A sandbox without a key.
fn sandbox() -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.unset("YC_ID_TOKEN_KEY_FILE");
    put_on_path(&mut sandbox, &[Path::new(PROGRAM).parent().unwrap()]);
    for volume in ["run/yc-id-token", "run/home"] {
        fs::create_dir_all(sandbox.home().join(volume)).unwrap();
    }
    sandbox
}

/// Gives the pod a token as the kubelet does: a link to a link, which is switched to the next token. Mode 0600 if the
/// pod has `runAsUser`.
fn give_token(sandbox: &Sandbox, pod: &Value) -> String {
    let of_volume = "/volumes/0/projected/sources/0/serviceAccountToken";
    let source = pod.pointer(of_volume).unwrap();
    assert_eq!(source["path"], "token");
    assert!(pod["securityContext"]["runAsUser"].is_u64(), "or the mode were another one");
    let name = pod["serviceAccountName"].as_str().unwrap();
    let subject = format!("system:serviceaccount:default:{name}");
    let token = external_token(ISSUER, &subject, &json!([source["audience"]]), HOUR);
    let folder = sandbox.home().join("run/secrets/yandex.cloud");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("..2026_11_25")).unwrap();
    sandbox.write_secret("run/secrets/yandex.cloud/..2026_11_25/token", &token);
    symlink("..2026_11_25", folder.join("..data")).unwrap();
    symlink("..data/token", folder.join("token")).unwrap();
    token
}

/// Each container of a pod, including sidecars.
fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    let kinds = ["initContainers", "containers"].into_iter();
    kinds.flat_map(|kind| pod[kind].as_array().into_iter().flatten())
}

/// Sets the environment of a container in the sandbox.
fn set_environment(sandbox: &mut Sandbox, container: &Value) {
    for variable in container["env"].as_array().unwrap() {
        let value = variable["value"].as_str().unwrap().replace(ACCOUNT, &sandbox.account);
        sandbox.set(variable["name"].as_str().unwrap(), value);
    }
}

/// The shell script of a container.
fn script(container: &Value) -> String {
    assert_eq!(container["command"], json!(["/bin/sh", "-c"]));
    let [script] = &container["args"].as_array().unwrap()[..] else { panic!("one script") };
    script.as_str().unwrap().to_owned()
}

/// Runs a command as the first process of a container, with `run` of the home mounted on `/run`, where the pod's
/// volumes are.
fn in_container(sandbox: &Sandbox, script: &str) -> Command {
    let mount = "mount --bind \"$VOLUMES\" /run\nexec /bin/sh -c \"$SCRIPT\"";
    let mut command =
        sandbox.in_own_namespaces(&["--mount", "--pid", "--fork", "--kill-child"], mount);
    command.env("VOLUMES", sandbox.home().join("run"));
    let program = Path::new(PROGRAM).parent().unwrap().display();
    command.env("PATH", format!("{program}:/usr/sbin:/usr/bin:/sbin:/bin")).env("SCRIPT", script);
    command
}

/// The arguments of a container's command, for a shell with the program on the `PATH`.
fn line(command: &Value) -> String {
    let words: Vec<&str> = command.as_array().unwrap().iter().filter_map(Value::as_str).collect();
    filled_in(&words.join(" "), &in_the_image(), "yc-id-token")
}

/// Where the program is in the image of a release.
fn in_the_image() -> String {
    let script = project_file("release/image.py");
    let path = script.lines().find_map(|line| line.strip_prefix("PROGRAM = \"")).unwrap();
    path.trim_end_matches('"').to_owned()
}

#[test]
fn the_files_are_valid_for_the_kubernetes_api() {
    let sandbox = Sandbox::new();
    let validate = |version: &str, file: &Path| {
        let mut command = sandbox.other_command(peer("schema-venv/bin/kubernetes-validate"));
        command.args(["--strict", "--quiet", "-k", version]).arg(file);
        sandbox.finish(command)
    };
    // The first version with native sidecars, and the latest.
    for version in ["1.29", "1.37"] {
        for name in ["sidecar.yaml", "projected.yaml"] {
            assert_eq!(validate(version, &path_of(name)).ok(), "", "{name} in {version}");
        }
    }
    let wrong = filled_in(
        &project_file("integrations/kubernetes/sidecar.yaml"),
        "mountPath:",
        "mountpath:",
    );
    let wrong = sandbox.write("wrong.yaml", &wrong);
    assert!(!validate("1.37", &wrong).status.success(), "it sees a wrong letter");
}

#[test]
fn the_pods_run_without_rights() {
    let sandbox = Sandbox::new();
    for name in ["sidecar.yaml", "projected.yaml"] {
        let pod = pod(&sandbox, name);
        assert_eq!(pod["automountServiceAccountToken"], json!(false), "{name}");
        let of_pod = json!({
            "runAsNonRoot": true,
            "runAsUser": 65532,
            "runAsGroup": 65532,
            "seccompProfile": { "type": "RuntimeDefault" },
        });
        assert_eq!(pod["securityContext"], of_pod, "{name}");
        let of_container = json!({
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": { "drop": ["ALL"] },
        });
        for container in containers(&pod) {
            assert_eq!(container["securityContext"], of_container, "{name}");
        }
        let volumes = pod["volumes"].as_array().unwrap().iter();
        let mut written = volumes.filter_map(|volume| volume.get("emptyDir"));
        assert!(written.all(|volume| volume["medium"] == "Memory"), "{name}");
    }
}

#[test]
fn the_sidecar_keeps_a_token_file_that_the_workload_can_use() {
    let mut sandbox = sandbox();
    let pod = pod(&sandbox, "sidecar.yaml");
    let sidecar = &pod["initContainers"][0];
    assert_eq!(sidecar["restartPolicy"], "Always", "or it were no sidecar");
    set_environment(&mut sandbox, sidecar);
    let external = give_token(&sandbox, &pod);
    sandbox.cloud.federate(&external, &sandbox.account);
    let file = sandbox.home().join("run/yc-id-token/token");
    sandbox.may_hold_secrets(&file);
    let check = line(&sidecar["startupProbe"]["exec"]["command"]);
    let is_ready = || in_container(&sandbox, &check).status().unwrap().success();
    assert!(!is_ready());

    let command = format!("exec {}", line(&sidecar["command"]));
    let start = || Agent::of(&sandbox, in_container(&sandbox, &command));
    let agent = start();
    eventually("it is ready", is_ready);
    let content = fs::read_to_string(&file).unwrap();
    assert_eq!(claims(&content)["sub"], sandbox.account.as_str());
    assert_eq!(content, content.trim(), "no newline");
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
    // The kubelet ends the first process of a container, which ignores signals that it does not catch.
    let id = agent.pid();
    let first = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
    assert!(Command::new("kill").args(["-TERM", first.trim()]).status().unwrap().success());
    eventually("it ends", || !Path::new("/proc").join(first.trim()).exists());
    drop(agent);

    // A restarted container finds its earlier cache, which the workload cannot see.
    let requests = sandbox.token_requests();
    fs::remove_file(&file).unwrap();
    let agent = start();
    eventually("it is ready again", is_ready);
    drop(agent);
    assert_eq!(sandbox.token_requests(), requests);
    let workload = &pod["containers"][0];
    let mounts = workload["volumeMounts"].as_array().unwrap();
    assert!(mounts.iter().all(|mount| mount["name"] != "home"));
    fs::remove_dir_all(sandbox.home().join("run/home")).unwrap();

    // The workload's own environment is enough for the AWS CLI.
    let moto = super::moto::Moto::start();
    sandbox.set("HOME", sandbox.home().to_owned());
    assert_eq!(workload["volumeMounts"][0]["mountPath"], "/run/yc-id-token");
    set_environment(&mut sandbox, workload);
    aws::set_up(&mut sandbox, &moto.url());
    let cli = peer("aws-venv/bin/aws");
    let caller = format!("{} sts get-caller-identity --query Arn --output text", cli.display());
    let arn = sandbox.finish(in_container(&sandbox, &caller)).ok();
    assert!(arn.contains(":assumed-role/yandex-robot/"), "{arn}");
}

#[test]
fn a_job_runs_the_program_with_the_token_of_its_pod() {
    let mut sandbox = sandbox();
    let pod = pod(&sandbox, "projected.yaml");
    let container = &pod["containers"][0];
    set_environment(&mut sandbox, container);
    let external = give_token(&sandbox, &pod);
    sandbox.cloud.federate(&external, &sandbox.account);
    let service = FakeServer::start(|_, _| Reply::Answer {
        status: 200,
        headers: Vec::new(),
        body: "the report\n".into(),
    });
    let script = filled_in(&script(container), SERVICE, &service.url());
    assert_eq!(sandbox.finish(in_container(&sandbox, &script)).ok(), "the report\n");
    let request = &service.requests()[0];
    assert_eq!(request.line, "GET /report HTTP/1.1");
    let token = request.headers["authorization"].strip_prefix("Bearer ").unwrap();
    assert_eq!(claims(token)["aud"], SERVICE);

    let check = Document::of("kubernetes").block("sh", "--decode").to_owned();
    let decoded = sandbox.finish(in_container(&sandbox, &check)).ok();
    let decoded: Value = serde_json::from_str(&decoded).unwrap();
    assert_eq!(decoded["sub"], sandbox.account.as_str());
}

#[test]
fn a_federation_mismatch_is_reported_as_on_the_page() {
    let mut sandbox = sandbox();
    let mut pod = pod(&sandbox, "sidecar.yaml");
    set_environment(&mut sandbox, &pod["initContainers"][0]);
    pod["serviceAccountName"] = json!("other");
    give_token(&sandbox, &pod);
    let outcome = sandbox.finish(in_container(&sandbox, "yc-id-token token"));
    assert_eq!(outcome.status.code(), Some(4), "{outcome:?}");
    let said = with_request_id_of_page(&outcome.stderr.replace(&sandbox.account, ACCOUNT));
    let page = Document::of("kubernetes");
    assert_eq!(said, page.block("console", "E_SOURCE_REFUSED"));
    let federation = page.block("text", "federation create");
    assert!(
        federation.contains(&format!("--issuer {ISSUER} "))
            && federation.contains("--audiences yandex-cloud\n")
    );
    assert!(federation.contains("--external-subject-id system:serviceaccount:default:robot\n"));
}
