//! The server: its address, its namespace, and its connection options.
//!
//! This program's settings have precedence: flag, variable, profile. Without them, the variables of the official
//! clients are read like in these clients: of `BAO_X` and `VAULT_X`, the first that is set decides, even if it is
//! empty. They come last on purpose: an address that is exported for another tool must not change where the token of
//! a profile is sent.

use std::path::PathBuf;

use crate::credential::Secret;
use crate::env::{self, Env, Var};
use crate::error::{Error, Result};
use crate::http::{
    Advice, Authorities, Body, Client, ClientCertificate, Endpoint, Http, HttpRequest,
    ProxyAddress, Reply, ServerOptions,
};
use crate::message;
use crate::settings::{Origin, Setting, Settings, invalid_value, parse_switch};

use super::answer::{State, VaultToken};
use super::refusal;
use super::settings as rows;
use super::target::{Target, namespace_of_cli, normal_address};
use crate::foreign_text::{ForeignText, Message};

/// The default of the official clients.
const DEFAULT_ADDRESS: &str = "https://127.0.0.1:8200";

pub(super) const ADDRESS: [Var; 2] = [env::BAO_OWN_ADDR, env::VAULT_OWN_ADDR];
pub(super) const AGENT_ADDRESS: [Var; 2] = [env::BAO_OWN_AGENT_ADDR, env::VAULT_OWN_AGENT_ADDR];
pub(super) const NAMESPACE: [Var; 2] = [env::BAO_OWN_NAMESPACE, env::VAULT_OWN_NAMESPACE];
const CA_CERT: [Var; 2] = [env::BAO_OWN_CACERT, env::VAULT_OWN_CACERT];
const CA_BYTES: [Var; 2] = [env::BAO_OWN_CACERT_BYTES, env::VAULT_OWN_CACERT_BYTES];
const CA_PATH: [Var; 2] = [env::BAO_OWN_CAPATH, env::VAULT_OWN_CAPATH];
const CLIENT_CERT: [Var; 2] = [env::BAO_OWN_CLIENT_CERT, env::VAULT_OWN_CLIENT_CERT];
const CLIENT_KEY: [Var; 2] = [env::BAO_OWN_CLIENT_KEY, env::VAULT_OWN_CLIENT_KEY];
const SERVER_NAME: [Var; 2] = [env::BAO_OWN_TLS_SERVER_NAME, env::VAULT_OWN_TLS_SERVER_NAME];
const SKIP_VERIFY: [Var; 2] = [env::BAO_OWN_SKIP_VERIFY, env::VAULT_OWN_SKIP_VERIFY];
/// The newer name has precedence.
const PROXIES: [[Var; 2]; 2] = [
    [env::BAO_OWN_PROXY_ADDR, env::VAULT_OWN_PROXY_ADDR],
    [env::BAO_OWN_HTTP_PROXY, env::VAULT_OWN_HTTP_PROXY],
];

const ADVICE: Advice = Advice {
    redirect: "if that is the active node, give its address with `--address` or VAULT_ADDR; tokens do not follow redirects",
    authority: "give the server's certificate authority with `--ca-cert` or VAULT_CACERT",
    authority_settings: "`--ca-cert` or VAULT_CACERT",
    name: "check the name in the server's address, or give the name that its certificate is for with `--tls-server-name`",
};

/// A setting of the official clients.
pub(super) fn official(env: &Env, vars: [Var; 2]) -> Option<Setting<String>> {
    env.first(vars).map(|(var, value)| Setting { value, origin: Origin::Variable(var.name) })
}

#[derive(Debug)]
pub(super) struct Server {
    pub endpoint: Endpoint,
    /// The address of the server, if `endpoint` is an agent.
    behind: Option<Endpoint>,
    pub(super) namespace: Option<String>,
    /// Whether the address is from this program's settings, and not from the official clients' variables.
    pub(super) is_configured_here: bool,
    pub options: ServerOptions,
}

impl Server {
    pub(super) fn read(settings: &Settings, env: &Env) -> Result<Self> {
        let own_address = settings.own(&rows::ADDRESS);
        let is_configured_here = own_address.is_some();
        let address = |address: &str| Endpoint::parse("address of Vault", address);
        let official_address = official(env, ADDRESS).map(|setting| setting.value);
        let agent = official(env, AGENT_ADDRESS).filter(|_| !is_configured_here);
        let (endpoint, behind) = match (own_address, agent) {
            (Some(own_address), _) => (address(&own_address.value)?, None),
            (None, Some(agent)) => {
                (address(&agent.value)?, official_address.map(|text| address(&text)).transpose()?)
            }
            (None, None) => {
                (address(official_address.as_deref().unwrap_or(DEFAULT_ADDRESS))?, None)
            }
        };
        let namespace = settings.own(&rows::NAMESPACE).or_else(|| official(env, NAMESPACE));
        let namespace = namespace
            .map(|namespace| checked_path(namespace, "a namespace, such as `team/project`"));
        let found = server_options(settings, env)?;
        let skip_verify = skips_verification(settings, env, &endpoint)?;
        let options = ServerOptions { skip_verify, ..found };
        Ok(Self {
            endpoint,
            behind,
            namespace: namespace.transpose()?,
            is_configured_here,
            options,
        })
    }

    /// The default audience of ID tokens for it: its address.
    pub(super) fn audience(&self) -> &str {
        self.behind.as_ref().unwrap_or(&self.endpoint).as_str()
    }

    /// A fingerprint of all connection options.
    pub(super) fn connection_fingerprint(&self) -> String {
        format!("{:?}", self.options)
    }

    /// Its name in messages.
    pub(super) fn name(&self) -> Message {
        match &self.namespace {
            Some(namespace) => {
                message!("{} (namespace `{}`)", self.endpoint.host(), ForeignText::new(namespace))
            }
            None => self.endpoint.host(),
        }
    }

    pub(super) fn client(&self, http: &Http, what: &Message) -> Result<Client> {
        http.client_by(&self.options, &self.endpoint, what)
    }

    /// Sends a request like the official clients: with the namespace, and with the header by which an agent
    /// distinguishes it from a request of a web page.
    pub(super) async fn send(
        &self,
        client: &Client,
        what: &Message,
        call: Call<'_>,
    ) -> Result<Reply> {
        let Call { path, body, header } = call;
        let mut headers = vec![("x-vault-request", "true")];
        headers.extend(self.namespace.as_deref().map(|name| ("x-vault-namespace", name)));
        headers.extend(header);
        let request = HttpRequest {
            what,
            path,
            query: &[],
            body,
            headers: &headers,
            is_temporary: refusal::passes,
        };
        client.send(&request).await
    }

    /// The object of [`Self::look_up`], for messages.
    pub(super) fn state(&self) -> Message {
        message!("the state of the Vault token at {}", self.name())
    }

    /// The object of [`Self::revoke`], for messages.
    pub(super) fn revocation(&self) -> Message {
        message!("the Vault token at {} revoked", self.name())
    }

    /// The target of its tokens.
    pub(super) fn target(&self) -> Target {
        Target { address: self.endpoint.as_str().to_owned(), namespace: self.namespace.clone() }
    }

    /// The target to which the CLI sends its token: from its variables, completed by this server.
    pub(super) fn target_of_cli(&self, env: &Env) -> Target {
        let mut target = self.target();
        if self.is_configured_here
            && let Some(setting) = official(env, ADDRESS)
            && setting.value != target.address
        {
            target.address = normal_address(&setting.value).unwrap_or(setting.value);
        }
        if self.namespace.is_some()
            && let Some(namespace) = namespace_of_cli(env)
        {
            target.namespace = Some(namespace);
        }
        target
    }

    /// The server's state of a token; `None` if the server does not know it. A lookup counts as a use.
    pub(super) async fn look_up(&self, token: &VaultToken, http: &Http) -> Result<Option<State>> {
        let what = self.state();
        let call = Call::with("/v1/auth/token/lookup-self", Body::None, &token.token);
        let reply = self.send(&self.client(http, &what)?, &what, call).await?;
        match reply.status {
            200 => State::read(&what, &reply).map(Some),
            403 => Ok(None),
            _ => Err(refusal::error_of(&reply, &what)),
        }
    }

    /// Revokes a token; `false` if the server does not know it.
    pub(super) async fn revoke(&self, token: &Secret, http: &Http) -> Result<bool> {
        let what = self.revocation();
        let call = Call::with("/v1/auth/token/revoke-self", Body::Empty, token);
        let reply = self.send(&self.client(http, &what)?, &what, call).await?;
        match reply.status {
            200 | 204 => Ok(true),
            403 => Ok(false),
            _ => Err(refusal::error_of(&reply, &what)),
        }
    }

    /// The variables with which another client reaches this server in the same way. `None` means that the variable
    /// must not be set.
    pub(super) fn variables(&self) -> Vec<(&'static str, Option<String>)> {
        let mut variables = vec![
            ("ADDR", Some(self.endpoint.as_str().to_owned())),
            ("NAMESPACE", self.namespace.clone()),
            // It would have precedence over the address.
            ("AGENT_ADDR", None),
        ];
        let path = |path: &PathBuf| Some(path.to_string_lossy().into_owned());
        let authority = match &self.options.authorities {
            Some(Authorities::File(file)) => Some(("CACERT", path(file))),
            Some(Authorities::Folder(folder)) => Some(("CAPATH", path(folder))),
            Some(Authorities::Text { pem, .. }) => Some(("CACERT_BYTES", Some(pem.clone()))),
            None => None,
        };
        if let Some(authority) = authority {
            variables.extend(["CACERT", "CACERT_BYTES", "CAPATH"].map(|name| (name, None)));
            variables.push(authority);
        }
        if let Some(ClientCertificate { chain, key }) = &self.options.certificate {
            variables.extend([("CLIENT_CERT", path(chain)), ("CLIENT_KEY", path(key))]);
        }
        if let Some(name) = &self.options.server_name {
            variables.push(("TLS_SERVER_NAME", Some(name.clone())));
        }
        variables
    }
}

pub(super) struct Call<'a> {
    pub(super) path: &'a str,
    pub(super) body: Body<'a>,
    pub(super) header: Option<(&'static str, &'a str)>,
}

impl<'a> Call<'a> {
    fn with(path: &'a str, body: Body<'a>, token: &'a Secret) -> Self {
        Self { path, body, header: Some(("x-vault-token", token.expose())) }
    }
}

fn server_options(settings: &Settings, env: &Env) -> Result<ServerOptions> {
    let ca =
        [settings.own(&rows::CA_CERT), settings.own(&rows::CA_BYTES), settings.own(&rows::CA_PATH)];
    let official_ca = || [CA_CERT, CA_BYTES, CA_PATH].map(|vars| official(env, vars));
    let certificate = [settings.own(&rows::CLIENT_CERT), settings.own(&rows::CLIENT_KEY)];
    let official_certificate = || [CLIENT_CERT, CLIENT_KEY].map(|vars| official(env, vars));
    // Settings of this program and variables of the official clients are not mixed.
    let is_set_here = |settings: &[Option<Setting<String>>]| settings.iter().any(Option::is_some);
    let ca = if is_set_here(&ca) { ca } else { official_ca() };
    let certificate = if is_set_here(&certificate) { certificate } else { official_certificate() };
    let server_name = settings.own(&rows::TLS_SERVER_NAME).or_else(|| official(env, SERVER_NAME));
    let proxy = PROXIES.into_iter().find_map(|vars| official(env, vars));
    Ok(ServerOptions {
        authorities: authorities(ca),
        certificate: client_certificate(certificate)?,
        server_name: server_name.map(|name| name.value),
        skip_verify: false,
        proxy: proxy.map(proxy_address).transpose()?,
        advice: ADVICE,
    })
}

/// Of several, the official clients use the file, then the text, then the folder. A flag has precedence over
/// variables.
fn authorities(ca: [Option<Setting<String>>; 3]) -> Option<Authorities> {
    let [file, text, folder] = ca;
    let is_flag = |setting: &Option<Setting<String>>| {
        setting.as_ref().is_some_and(|setting| matches!(setting.origin, Origin::Flag(_)))
    };
    let folder_first = is_flag(&folder) && !is_flag(&file);
    let file = file.map(|file| Authorities::File(file.value.into()));
    let text =
        text.map(|text| Authorities::Text { pem: text.value, origin: text.origin.to_string() });
    let folder = folder.map(|folder| Authorities::Folder(folder.value.into()));
    if folder_first { folder } else { file.or(text).or(folder) }
}

fn client_certificate(given: [Option<Setting<String>>; 2]) -> Result<Option<ClientCertificate>> {
    match given {
        [Some(chain), Some(key)] => {
            Ok(Some(ClientCertificate { chain: chain.value.into(), key: key.value.into() }))
        }
        [None, None] => Ok(None),
        [Some(one), None] | [None, Some(one)] => Err(Error::Missing {
            problem: message!(
                "of the client certificate and its key, only one is set ({})",
                one.origin
            ),
            hint: "give both `--client-cert` and `--client-key`".into(),
        }),
    }
}

fn proxy_address(setting: Setting<String>) -> Result<ProxyAddress> {
    // Not quoted: it can contain a password.
    ProxyAddress::parse(&setting.value).ok_or_else(|| {
        invalid_value(setting.origin, "the proxy is not of the form `http://host:port`")
    })
}

/// Security: a forgotten variable in a shell's start-up file must not expose tokens to a man in the middle. So only
/// the flag disables verification.
fn skips_verification(settings: &Settings, env: &Env, endpoint: &Endpoint) -> Result<bool> {
    if settings.is_on(&rows::TLS_SKIP_VERIFY)?.value {
        return Ok(true);
    }
    let Some(variable) = official(env, SKIP_VERIFY) else { return Ok(false) };
    let is_off = matches!(parse_switch(&variable.value.to_lowercase()), Some(false))
        || matches!(variable.value.as_str(), "f" | "F");
    if is_off || endpoint.as_str().starts_with("http://") {
        return Ok(false);
    }
    Err(Error::Invalid {
        problem: message!(
            "{} is not supported: a server in between could steal the ID token and the Vault token",
            variable.origin),
        hint: "unset it, and give the server's certificate authority with `--ca-cert` or VAULT_CACERT; for a test, give `--tls-skip-verify`".into(),
    })
}

/// A path of the API, without slashes around it.
///
/// Security: it becomes part of an address, where `..`, `?` and escapes would change the path.
pub(super) fn checked_path(setting: Setting<String>, what: &'static str) -> Result<String> {
    let path = setting.value.trim_matches('/');
    let is_fit = |part: &str| {
        !matches!(part, "" | "." | "..")
            && part.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#%\\".contains(&byte))
    };
    if path.split('/').all(is_fit) {
        return Ok(path.to_owned());
    }
    let problem = message!("`{}` is not {what}", ForeignText::new(&setting.value), what);
    Err(invalid_value(setting.origin, problem))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Origin;

    #[test]
    fn a_path_cannot_lead_to_another_address() {
        let checked = |text: &str| {
            checked_path(Setting { value: text.into(), origin: Origin::Flag("--mount") }, "a path")
        };
        for (text, path) in [("jwt", "jwt"), ("/team/jwt/", "team/jwt"), ("a.b_c", "a.b_c")] {
            assert_eq!(checked(text).unwrap(), path);
        }
        for bad in
            ["", "/", "a//b", "..", "jwt/../../sys", "%2e%2e", "a?b", "a#b", "a b", "é", "a\\b"]
        {
            assert!(checked(bad).is_err(), "{bad}");
        }
    }
}
