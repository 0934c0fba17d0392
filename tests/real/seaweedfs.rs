//! SeaweedFS: an STS and an S3 that trust the cloud's ID tokens, as a company's own would.
//!
//! It verifies signature, expiry and audience, and first the conditions of each role's trust policy. Its error codes
//! differ from AWS: a wrong audience is `AccessDenied` here, and a forged token `InvalidParameterValue`.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use yc_id_token_emulator::Emulator;

use super::{Killed, free_port, http, peer};
use crate::sandbox::{Sandbox, eventually};

/// The bucket that exists from the start, the only one that the roles have rights on.
pub const BUCKET: &str = "data";

const ACCOUNT: &str = "123456789012";
/// The name of the cloud in trust policies. It is not an ARN here.
const PROVIDER: &str = "yandex-cloud";
const POLICY: &str = "everything-in-the-bucket";

/// A role, and the only tokens that can assume it.
pub struct Role<'a> {
    pub name: &'a str,
    pub audience: &'a str,
    pub subject: &'a str,
}

/// A running server. It is killed when dropped.
pub struct SeaweedFs {
    ports: Ports,
    process: Killed,
    folder: tempfile::TempDir,
}

impl SeaweedFs {
    /// Starts a server that trusts the cloud for the audiences of these roles.
    pub fn start(cloud: &Emulator, roles: &[Role<'_>]) -> Self {
        Self::start_program("aws-venv/bin/weed", cloud, roles)
    }

    /// The same with a version that ends a session with the token it was created from.
    pub fn that_caps_sessions(sandbox: &Sandbox) -> Self {
        let writer = Role { name: "writer", audience: "s3", subject: &sandbox.account };
        Self::start_program("capping-sts/weed", &sandbox.cloud, &[writer])
    }

    fn start_program(program: &str, cloud: &Emulator, roles: &[Role<'_>]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("iam.json");
        let ca_file = cloud.ca_pem().map(|pem| {
            let path = folder.path().join("ca.pem");
            fs::write(&path, pem).unwrap();
            path
        });
        fs::write(&config, iam(cloud, ca_file.as_deref(), roles).to_string()).unwrap();
        let ports = Ports::free();
        let process = Killed(command(program, folder.path(), &config, &ports).spawn().unwrap());
        let mut server = Self { ports, process, folder };
        server.wait();
        server
    }

    /// Starts a server in which a sandbox's account can assume the role `writer` with tokens for `s3`, and another
    /// account the role `other`.
    pub fn with_writer(sandbox: &Sandbox) -> Self {
        let writer = Role { name: "writer", audience: "s3", subject: &sandbox.account };
        let other = Role { name: "other", audience: "s3", subject: "ajesomebodyelse00000" };
        Self::start(&sandbox.cloud, &[writer, other])
    }

    /// The address of STS and S3.
    pub fn url(&self) -> String {
        format!("http://{}", local(self.ports.s3))
    }

    /// The ARN of a role. The account in it does not matter, only the name.
    pub fn role_arn(name: &str) -> String {
        format!("arn:aws:iam::{ACCOUNT}:role/{name}")
    }

    /// Waits until S3 answers and an object can be stored. The first object creates the bucket.
    fn wait(&mut self) {
        let object = format!("/buckets/{BUCKET}/first");
        let (filer, s3) = (local(self.ports.filer), local(self.ports.s3));
        eventually("SeaweedFS stores objects", || {
            if let Some(status) = self.process.0.try_wait().unwrap() {
                panic!("SeaweedFS has ended, {status}:\n{}", self.log());
            }
            let stored = http(filer, "PUT", &object, "text").is_ok_and(|(status, _)| status == 201);
            stored && http(s3, "GET", "/", "").is_ok()
        });
    }

    fn log(&self) -> String {
        fs::read_to_string(log_file(self.folder.path())).unwrap_or_default()
    }
}

impl Drop for SeaweedFs {
    /// It is killed, because a regular stop takes a quarter of a minute and leaves its sockets.
    fn drop(&mut self) {
        let _ = self.process.0.kill();
        for (server, port) in self.ports.with_sockets() {
            let _ = fs::remove_file(format!("/tmp/seaweedfs-{server}-{port}.sock"));
        }
        if std::thread::panicking() {
            eprintln!("the log of SeaweedFS:\n{}", self.log());
        }
    }
}

/// One process runs four servers, each with an additional port for gRPC.
struct Ports {
    master: u16,
    master_grpc: u16,
    volume: u16,
    volume_grpc: u16,
    filer: u16,
    filer_grpc: u16,
    s3: u16,
    s3_grpc: u16,
}

impl Ports {
    fn free() -> Self {
        Self {
            master: free_port(),
            master_grpc: free_port(),
            volume: free_port(),
            volume_grpc: free_port(),
            filer: free_port(),
            filer_grpc: free_port(),
            s3: free_port(),
            s3_grpc: free_port(),
        }
    }

    /// The ports in the names of its Unix sockets in `/tmp`, wherever the data is.
    fn with_sockets(&self) -> [(&str, u16); 6] {
        [
            ("master-grpc", self.master_grpc),
            ("volume-grpc", self.volume_grpc),
            ("filer-grpc", self.filer_grpc),
            ("filer", self.filer),
            ("s3-grpc", self.s3_grpc),
            ("s3", self.s3),
        ]
    }
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn log_file(folder: &Path) -> PathBuf {
    folder.join("log")
}

fn command(program: &str, folder: &Path, config: &Path, ports: &Ports) -> Command {
    let mut command = Command::new(peer(program));
    // It looks for more configuration in the working directory and in the home.
    command.env_clear().env("HOME", folder).current_dir(folder);
    let log = File::create(log_file(folder)).unwrap();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    command.args(["-logtostderr=true", "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"]);
    command.arg(format!("-dir={}", folder.display()));
    command.args(["-s3", &format!("-s3.iam.config={}", config.display())]);
    for (flag, port) in [
        ("master.port", ports.master),
        ("master.port.grpc", ports.master_grpc),
        ("volume.port", ports.volume),
        ("volume.port.grpc", ports.volume_grpc),
        ("filer.port", ports.filer),
        ("filer.port.grpc", ports.filer_grpc),
        ("s3.port", ports.s3),
        ("s3.port.grpc", ports.s3_grpc),
        // Servers that the tests do not need, whose ports would be fixed.
        ("s3.port.iceberg", 0),
        ("s3.port.lance", 0),
    ] {
        command.arg(format!("-{flag}={port}"));
    }
    // With the usual number of volumes, a bucket can find all of them used.
    command.args(["-volume.max=200", "-master.telemetry=false"]);
    command
}

/// The trusted issuers, and the roles' rights.
fn iam(cloud: &Emulator, ca_file: Option<&Path>, roles: &[Role<'_>]) -> Value {
    let audiences: Vec<&str> = roles.iter().map(|role| role.audience).collect();
    let mut provider = json!({
        "issuer": cloud.issuer(),
        "jwksUri": cloud.jwks_url(),
        "clientId": audiences[0],
        "clientIds": audiences,
    });
    if let Some(path) = ca_file {
        provider["tlsCaCert"] = json!(path);
    }
    json!({
        "sts": {
            "accountId": ACCOUNT,
            "issuer": "seaweedfs",
            "signingKey": "a2V5IG9mIGEgc2VydmVyIHRoYXQgbGl2ZXMgZm9yIG9uZSB0ZXN0",
            "tokenDuration": "1h",
            "maxSessionLength": "12h",
        },
        "providers": [{ "name": PROVIDER, "type": "oidc", "enabled": true, "config": provider }],
        "roles": roles.iter().map(role).collect::<Vec<_>>(),
        "policy": { "storeType": "memory", "defaultEffect": "Deny" },
        "policies": [{ "name": POLICY, "document": document(&[json!({
            "Effect": "Allow",
            "Action": "s3:*",
            "Resource": [format!("arn:aws:s3:::{BUCKET}"), format!("arn:aws:s3:::{BUCKET}/*")],
        })]) }],
    })
}

fn role(role: &Role<'_>) -> Value {
    json!({
        "roleName": role.name,
        "roleArn": SeaweedFs::role_arn(role.name),
        "attachedPolicies": [POLICY],
        "trustPolicy": document(&[json!({
            "Effect": "Allow",
            "Principal": { "Federated": PROVIDER },
            "Action": ["sts:AssumeRoleWithWebIdentity"],
            "Condition": {
                "StringEquals": { "oidc:aud": role.audience, "oidc:sub": role.subject },
            },
        })]),
    })
}

fn document(statements: &[Value]) -> Value {
    json!({ "Version": "2012-10-17", "Statement": statements })
}
