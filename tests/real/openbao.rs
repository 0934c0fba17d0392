//! OpenBao: a server whose JWT auth method trusts the cloud's ID tokens, as a company's own would, and its CLI, which
//! is HashiCorp's under another name.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair,
};
use serde_json::{Value, json};
use yc_id_token_emulator::Emulator;

use super::{Killed, free_port, http_with, peer};
use crate::sandbox::{Sandbox, eventually};

/// The name in the certificate of the listener for clients with certificates.
pub const OTHER_NAME: &str = "vault.internal";

/// The root token in development mode. A persistent server creates its own.
const ROOT_TOKEN: &str = "root-token-of-a-server-for-one-test";

/// The secret that the policy `robot` allows to read, and its value.
pub const SECRET: &str = "secret/robot";
pub const ANSWER: &str = "forty-two";

/// A running server. It is killed when dropped.
pub struct OpenBao {
    ports: Ports,
    process: Option<Killed>,
    folder: tempfile::TempDir,
    root_token: String,
    /// Whether its data is on disk, and it can be sealed and restarted.
    is_lasting: bool,
    unseal_key: String,
    pub ca_pem: String,
    /// A client certificate that the listener accepts, and its key.
    pub client_pem: (String, String),
}

struct Ports {
    /// Without TLS, for the test itself.
    plain: u16,
    tls: u16,
    /// With TLS for another name, only for clients with certificates.
    mutual: u16,
    cluster: u16,
}

impl OpenBao {
    /// Starts a server in development mode that trusts the cloud, with a secret and a policy for it.
    pub fn start(cloud: &Emulator) -> Self {
        let mut server = Self::prepare(false);
        server.run();
        server.set_up(cloud);
        server
    }

    /// The same for a server without setup, except the secret.
    pub fn start_untrusting() -> Self {
        let mut server = Self::prepare(false);
        server.run();
        server.store("");
        server
    }

    /// Like the first, with its data on disk.
    pub fn start_lasting(cloud: &Emulator) -> Self {
        let mut server = Self::prepare(true);
        server.run();
        let init = json!({ "secret_shares": 1, "secret_threshold": 1 });
        let made = server.call("POST", "sys/init", "", &init);
        server.root_token = made["root_token"].as_str().unwrap().into();
        server.unseal_key = made["keys"][0].as_str().unwrap().into();
        server.unseal();
        server.admin(
            "POST",
            "sys/mounts/secret",
            &json!({ "type": "kv", "options": { "version": "2" } }),
        );
        server.set_up(cloud);
        server
    }

    fn prepare(is_lasting: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ports = Ports::free();
        let (ca_pem, client_pem) = write_certificates(folder.path());
        let server = Self {
            ports,
            process: None,
            folder,
            root_token: ROOT_TOKEN.into(),
            is_lasting,
            unseal_key: String::new(),
            ca_pem,
            client_pem,
        };
        fs::write(server.folder.path().join("config.hcl"), server.config()).unwrap();
        server
    }

    /// The address for clients.
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.ports.tls)
    }

    /// The address for clients with certificates.
    pub fn mutual_url(&self) -> String {
        format!("https://127.0.0.1:{}", self.ports.mutual)
    }

    /// The root token.
    pub fn root_token(&self) -> &str {
        &self.root_token
    }

    /// Makes a request with the root token. A failure is a mistake of the test.
    #[track_caller]
    pub fn admin(&self, method: &str, path: &str, body: &Value) -> Value {
        self.call(method, path, "", body)
    }

    /// The same in a namespace.
    #[track_caller]
    pub fn admin_in(&self, namespace: &str, method: &str, path: &str, body: &Value) -> Value {
        self.call(method, path, namespace, body)
    }

    #[track_caller]
    fn call(&self, method: &str, path: &str, namespace: &str, body: &Value) -> Value {
        let (status, text) = self.request(method, path, namespace, body).unwrap();
        assert!(matches!(status, 200 | 204), "{method} {path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    fn request(
        &self,
        method: &str,
        path: &str,
        namespace: &str,
        body: &Value,
    ) -> std::io::Result<(u16, String)> {
        let headers = [("x-vault-token", &*self.root_token), ("x-vault-namespace", namespace)];
        let body = if body.is_null() { String::new() } else { body.to_string() };
        http_with(local(self.ports.plain), method, &format!("/v1/{path}"), &headers, &body)
    }

    /// Makes a mount trust the cloud, through its discovery document.
    pub fn trust(&self, namespace: &str, mount: &str, cloud: &Emulator) {
        self.admin_in(namespace, "POST", &format!("sys/auth/{mount}"), &json!({ "type": "jwt" }));
        let mut config = json!({ "oidc_discovery_url": cloud.url() });
        if let Some(pem) = cloud.ca_pem() {
            config["oidc_discovery_ca_pem"] = json!(pem);
        }
        self.admin_in(namespace, "POST", &format!("auth/{mount}/config"), &config);
    }

    /// Creates a role for a subject and an audience, with these additional or replaced parameters.
    pub fn role(&self, namespace: &str, name: &str, audience: &str, subject: &str, more: &Value) {
        let mut role = json!({
            "role_type": "jwt",
            "bound_audiences": [audience],
            "bound_subject": subject,
            "user_claim": "sub",
            "token_policies": ["robot"],
            "token_ttl": "20m",
        });
        for (key, value) in more.as_object().into_iter().flatten() {
            role[key] = value.clone();
        }
        self.admin_in(namespace, "POST", &format!("auth/jwt/role/{name}"), &role);
    }

    /// Creates a secret, and a policy to read it.
    pub fn store(&self, namespace: &str) {
        let secret = json!({ "data": { "answer": ANSWER } });
        // A new mount reports for a moment that it is still being prepared.
        eventually("the secret is stored", || {
            let path = SECRET.replace('/', "/data/");
            self.request("POST", &path, namespace, &secret).is_ok_and(|(status, _)| status == 200)
        });
        let policy = "path \"secret/data/robot\" { capabilities = [\"read\"] }";
        self.admin_in(namespace, "POST", "sys/policies/acl/robot", &json!({ "policy": policy }));
    }

    /// The number of the server's valid tokens from logins at a mount.
    pub fn leases(&self, mount: &str) -> usize {
        let path = format!("sys/leases/lookup/auth/{mount}/login");
        let (status, text) = self.request("LIST", &path, "", &Value::Null).unwrap();
        match status {
            404 => 0,
            _ => {
                let answer: Value = serde_json::from_str(&text).unwrap();
                answer["data"]["keys"].as_array().unwrap_or_else(|| panic!("{text}")).len()
            }
        }
    }

    /// Revokes a token on the server.
    pub fn revoke(&self, token: &str) {
        self.admin("POST", "auth/token/revoke", &json!({ "token": token }));
    }

    pub fn seal(&self) {
        self.admin("POST", "sys/seal", &Value::Null);
    }

    /// The key that unseals the server.
    pub fn unseal_key(&self) -> &str {
        &self.unseal_key
    }

    pub fn unseal(&self) {
        self.call("POST", "sys/unseal", "", &json!({ "key": self.unseal_key() }));
        self.wait_until("OpenBao is active", |status| status == 200);
    }

    /// Ends the server like a crash, and restarts it with its data on disk.
    pub fn restart(&mut self) {
        self.process = None;
        self.run();
        self.unseal();
    }

    fn run(&mut self) {
        let mut command = Command::new(bao());
        // It looks for more configuration in the home.
        command.env_clear().env("HOME", self.folder.path()).current_dir(self.folder.path());
        let log = File::create(self.log_file()).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        command.args(["server", "-config=config.hcl"]);
        if !self.is_lasting {
            let plain = self.ports.plain;
            command.args(["-dev", "-dev-no-store-token"]);
            command.arg(format!("-dev-root-token-id={ROOT_TOKEN}"));
            command.arg(format!("-dev-listen-address=127.0.0.1:{plain}"));
        }
        self.process = Some(Killed(command.spawn().unwrap()));
        // 501 is a server without setup, 503 a sealed one.
        self.wait_until("OpenBao answers", |status| {
            status == 200 || (self.is_lasting && matches!(status, 501 | 503))
        });
    }

    fn wait_until(&self, what: &str, is_so: impl Fn(u16) -> bool) {
        eventually(what, || {
            let requested = self.request("GET", "sys/health", "", &Value::Null);
            let has_ended = requested.is_err() && self.log().contains("rror initializing listener");
            assert!(!has_ended, "OpenBao has ended:\n{}", self.log());
            requested.is_ok_and(|(status, _)| is_so(status))
        });
    }

    fn set_up(&self, cloud: &Emulator) {
        self.trust("", "jwt", cloud);
        self.store("");
    }

    fn config(&self) -> String {
        let Ports { plain, tls, mutual, cluster } = self.ports;
        let folder = self.folder.path().display();
        let listeners = format!(
            r#"
listener "tcp" {{
  address         = "127.0.0.1:{tls}"
  cluster_address = "127.0.0.1:{cluster}"
  tls_cert_file   = "{folder}/server.pem"
  tls_key_file    = "{folder}/server-key.pem"
}}
listener "tcp" {{
  address                            = "127.0.0.1:{mutual}"
  cluster_address                    = "127.0.0.1:{cluster}"
  tls_cert_file                      = "{folder}/other.pem"
  tls_key_file                       = "{folder}/other-key.pem"
  tls_client_ca_file                 = "{folder}/ca.pem"
  tls_require_and_verify_client_cert = true
}}
api_addr     = "https://127.0.0.1:{tls}"
cluster_addr = "https://127.0.0.1:{cluster}"
"#
        );
        if !self.is_lasting {
            return listeners;
        }
        fs::create_dir(self.folder.path().join("data")).unwrap();
        let lasting = format!(
            r#"
listener "tcp" {{
  address         = "127.0.0.1:{plain}"
  cluster_address = "127.0.0.1:{cluster}"
  tls_disable     = true
}}
storage "raft" {{
  path                   = "{folder}/data"
  node_id                = "only"
  performance_multiplier = 1
}}
"#
        );
        listeners + &lasting
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }
}

impl Drop for OpenBao {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the log of OpenBao:\n{}", self.log());
        }
    }
}

impl Ports {
    fn free() -> Self {
        // In development mode, the next port is used too.
        let plain = loop {
            let port = free_port();
            if free_port() == port + 1 {
                break port;
            }
        };
        Self { plain, tls: free_port(), mutual: free_port(), cluster: free_port() }
    }
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// Writes all certificates that the server needs, and returns those that its clients need.
fn write_certificates(folder: &Path) -> (String, (String, String)) {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "authority of a test");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let certificate = |names: &[&str], usage: ExtendedKeyUsagePurpose| {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &ca).unwrap().pem(), key.serialize_pem())
    };
    let server = ExtendedKeyUsagePurpose::ServerAuth;
    for (name, names) in [("server", ["127.0.0.1", "localhost"]), ("other", [OTHER_NAME, "vault"])]
    {
        let (pem, key) = certificate(&names, server.clone());
        fs::write(folder.join(format!("{name}.pem")), pem).unwrap();
        fs::write(folder.join(format!("{name}-key.pem")), key).unwrap();
    }
    fs::write(folder.join("ca.pem"), ca.pem()).unwrap();
    (ca.pem(), certificate(&["robot"], ExtendedKeyUsagePurpose::ClientAuth))
}

/// The program, server and CLI in one.
pub fn bao() -> PathBuf {
    peer("openbao/bao")
}

/// The CLI with these arguments, not started yet.
pub fn cli(sandbox: &Sandbox, arguments: &[&str]) -> Command {
    let mut command = sandbox.other_command(bao());
    command.args(arguments);
    command
}

/// Makes the CLI read the secret.
pub fn read_secret(sandbox: &Sandbox) -> crate::sandbox::Outcome {
    sandbox.finish(cli(sandbox, &["kv", "get", "-field=answer", SECRET]))
}

/// Configures a sandbox for a server, with the variables of the official clients, and gives its account the role
/// `robot` there.
pub fn sign_in(sandbox: &mut Sandbox, server: &OpenBao) {
    let ca = sandbox.write("vault-ca.pem", &server.ca_pem);
    sandbox.set("VAULT_ADDR", server.url());
    sandbox.set("VAULT_CACERT", ca);
    sandbox.set("YC_ID_TOKEN_VAULT_ROLE", "robot");
    // The CLI finds its token helper with it.
    sandbox.set("SHELL", "/bin/sh");
    server.role("", "robot", &server.url(), &sandbox.account, &Value::Null);
}

/// A token that a run printed, which must be nowhere else.
#[track_caller]
pub fn token(sandbox: &Sandbox, arguments: &[&str]) -> String {
    let token = sandbox.run(&[&["vault", "token"], arguments].concat()).ok();
    let token = token.strip_suffix('\n').unwrap().to_owned();
    sandbox.keep_secret(&token);
    token
}
