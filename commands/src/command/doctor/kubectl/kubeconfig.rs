//! The kubeconfig, as kubectl reads it. Without kubectl, this program reads the files.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use crate::command::query::{Answer, NoAnswer, json, query};
use crate::consumer::EXEC_EXTENSION as EXTENSION;
use crate::encoding;
use crate::error::plain;
use crate::foreign_text::{ForeignText, Message};
use crate::message;
use crate::private_file;
use crate::yaml::{self, Fault, Mark};

use super::scalar::{ClusterData, Scalar};

/// The kubeconfig of a thousand clusters has some hundred kilobytes.
const LIMIT: u64 = 16 * 1024 * 1024;

/// The fields of a kubeconfig that are checked.
#[derive(Default, Deserialize)]
pub(super) struct Kubeconfig {
    #[serde(default)]
    kind: Option<String>,
    #[serde(default, deserialize_with = "listed")]
    pub(super) users: Vec<User>,
    #[serde(default, deserialize_with = "listed")]
    pub(super) clusters: Vec<Cluster>,
    #[serde(default, deserialize_with = "listed")]
    pub(super) contexts: Vec<Context>,
    #[serde(default, rename = "current-context")]
    pub(super) current_context: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct User {
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) user: Option<Credentials>,
}

/// The credentials of a user.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub(super) struct Credentials {
    pub(super) exec: Option<Exec>,
    auth_provider: Scalar,
    token: Scalar,
    #[serde(rename = "tokenFile")]
    token_file: Scalar,
    username: Scalar,
    client_certificate: Scalar,
    client_certificate_data: Scalar,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Exec {
    pub(super) command: Option<String>,
    pub(super) args: Option<Vec<String>>,
    pub(super) env: Option<Vec<Variable>>,
    pub(super) api_version: Option<String>,
    pub(super) interactive_mode: Option<String>,
    provide_cluster_info: Scalar,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) value: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Cluster {
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    cluster: Option<Server>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Server {
    #[serde(rename = "server")]
    url: Option<String>,
    certificate_authority: Option<PathBuf>,
    certificate_authority_data: Option<String>,
    extensions: Option<Vec<Extension>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Extension {
    name: String,
    extension: ClusterData,
}

#[derive(Deserialize)]
pub(super) struct Context {
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    context: Option<Pair>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Pair {
    cluster: String,
    user: String,
}

/// The result of reading the kubeconfig.
pub(super) enum Reading {
    Read(Kubeconfig),
    /// kubectl refuses the files, with this message.
    Refused(ForeignText),
    /// kubectl fails without a message.
    Failed(ExitStatus),
    /// kubectl prints no kubeconfig.
    NoKubeconfig,
    /// kubectl does not answer.
    Unanswered(NoAnswer),
}

/// A problem with a file, for the report.
pub(super) struct Unreadable {
    pub(super) problem: Message,
    /// Whether the file mentions this program.
    pub(super) mentions: bool,
}

/// Whether a file mentions this program.
pub(super) fn mentions(file: &Path) -> bool {
    let bytes = content(file).unwrap_or_default();
    memchr::memmem::find(&bytes, b"yc-id-token").is_some()
}

/// The content of a file in UTF-8. kubectl reads UTF-16 too.
fn content(file: &Path) -> std::io::Result<Zeroizing<Vec<u8>>> {
    let bytes = private_file::read_plain(file, LIMIT).map(Zeroizing::new)?;
    Ok(match encoding::decode_secret(bytes.clone()) {
        Ok(text) => Zeroizing::new(text.as_bytes().to_vec()),
        Err(_) => bytes,
    })
}

impl Kubeconfig {
    /// Reads the kubeconfig with kubectl.
    pub(super) async fn by_kubectl(kubectl: &Path, limit: Duration) -> Reading {
        let arguments = ["config", "view", "--raw", "--output=json"].map(OsStr::new);
        let answer = match query(kubectl, &arguments, limit).await {
            Ok(answer) => answer,
            Err(reason) => return Reading::Unanswered(reason),
        };
        if !answer.status.success() {
            let refusal = refusal(&answer);
            return if refusal.is_empty() {
                Reading::Failed(answer.status)
            } else {
                Reading::Refused(refusal)
            };
        }
        let is_it = |config: &Self| config.kind.as_deref() == Some("Config");
        json(&answer, is_it).map_or(Reading::NoKubeconfig, Reading::Read)
    }

    pub(super) fn by_file(path: &Path) -> Result<Option<Self>, Unreadable> {
        let bytes = match content(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                let problem = message!("cannot be read: {}", plain(&error));
                return Err(Unreadable { problem, mentions: false });
            }
        };
        let mentions = memchr::memmem::find(&bytes, b"yc-id-token").is_some();
        Self::parse(&bytes).map_err(|problem| Unreadable { problem, mentions })
    }

    /// The content of a file; `None` if it is empty.
    pub(super) fn parse(bytes: &[u8]) -> Result<Option<Self>, Message> {
        let wrong = |Fault { mark: Mark { line, column }, problem }: Fault| {
            message!("line {line}, column {column}: {problem}", line, column, problem)
        };
        let Some(node) = yaml::parse(&String::from_utf8_lossy(bytes)).map_err(wrong)? else {
            return Ok(None);
        };
        let json = node.json().map_err(wrong)?;
        // The message of serde could quote a secret.
        let read: Option<Self> = serde_json::from_slice(&json).ok();
        read.map(Some).ok_or_else(|| "does not have the format of a kubeconfig".into())
    }

    /// Adds the entries of another file. An entry of this file takes precedence over one of the same name.
    pub(super) fn extend(&mut self, other: Self) {
        fn add<T>(to: &mut Vec<T>, more: Vec<T>, name: impl Fn(&T) -> &str) {
            for item in more {
                if to.iter().all(|known| name(known) != name(&item)) {
                    to.push(item);
                }
            }
        }
        add(&mut self.users, other.users, |user| &user.name);
        add(&mut self.clusters, other.clusters, |cluster| &cluster.name);
        add(&mut self.contexts, other.contexts, |context| &context.name);
        if self.current_context.as_ref().is_none_or(String::is_empty) {
            self.current_context = other.current_context;
        }
    }

    pub(super) fn cluster(&self, name: &str) -> Option<&Cluster> {
        self.clusters.iter().find(|cluster| cluster.name == name)
    }

    pub(super) fn has_user(&self, name: &str) -> bool {
        self.users.iter().any(|user| user.name == name)
    }

    pub(super) fn has_context(&self, name: &str) -> bool {
        self.contexts.iter().any(|context| context.name == name)
    }

    pub(super) fn is_current(&self, context: &Context) -> bool {
        self.current_context.as_ref() == Some(&context.name)
    }
}

/// Why kubectl refuses its files. Security: for two users of the same name, it quotes both with their tokens, so
/// nothing from the first list or mapping on is repeated.
fn refusal(answer: &Answer) -> ForeignText {
    let text = String::from_utf8_lossy(&answer.stderr);
    let text = text.trim();
    let message = text.lines().rev().find(|line| line.starts_with("error")).unwrap_or(text);
    let message = message.trim_start_matches("error: ");
    let ends = [" in list:", "[{", "{", "`", "map[interface"];
    let end = ends.iter().filter_map(|end| message.find(end)).min().unwrap_or(message.len());
    ForeignText::sentence(&message[..end])
}

impl Credentials {
    /// The fields that kubectl uses instead of an exec plugin.
    pub(super) fn overriding_fields(&self) -> Vec<&'static str> {
        let fields = [
            ("token", &self.token),
            ("tokenFile", &self.token_file),
            ("username", &self.username),
            ("client-certificate", &self.client_certificate),
            ("client-certificate-data", &self.client_certificate_data),
        ];
        fields.into_iter().filter(|(_, field)| field.is_given()).map(|(name, _)| name).collect()
    }

    pub(super) fn has_auth_provider(&self) -> bool {
        self.auth_provider.is_given()
    }
}

impl Exec {
    pub(super) fn provides_cluster_info(&self) -> bool {
        matches!(&self.provide_cluster_info, Scalar::Text(text) if text.as_str() == "true")
    }
}

impl Cluster {
    pub(super) fn server(&self) -> &str {
        let server = self.cluster.as_ref().and_then(|cluster| cluster.url.as_deref());
        server.unwrap_or_default()
    }

    /// The audience in its extension; an error if it is not a string.
    pub(super) fn audience(&self) -> Option<Result<&str, ()>> {
        let extensions = self.cluster.as_ref()?.extensions.as_ref()?;
        match &extensions.iter().find(|extension| extension.name == EXTENSION)?.extension.audience {
            Scalar::Nothing => None,
            Scalar::Text(text) => Some(Ok(text.as_str())),
            Scalar::Other => Some(Err(())),
        }
    }

    /// The size of its certificate authorities in `KUBERNETES_EXEC_INFO`.
    pub(super) fn authorities_size(&self, folder: &Path) -> u64 {
        let Some(cluster) = &self.cluster else { return 0 };
        if let Some(data) = cluster.certificate_authority_data.as_ref().filter(|it| !it.is_empty())
        {
            return data.len() as u64;
        }
        let file = cluster.certificate_authority.as_ref().map(|file| folder.join(file));
        let size = file.and_then(|file| file.metadata().ok()).map_or(0, |metadata| metadata.len());
        // Base64.
        size.div_ceil(3) * 4
    }
}

impl Context {
    pub(super) fn user(&self) -> &str {
        self.context.as_ref().map(|context| context.user.as_str()).unwrap_or_default()
    }

    pub(super) fn cluster(&self) -> &str {
        self.context.as_ref().map(|context| context.cluster.as_str()).unwrap_or_default()
    }
}

/// A list; missing and `null` are empty.
fn listed<'de, T: Deserialize<'de>, D: Deserializer<'de>>(source: D) -> Result<Vec<T>, D::Error> {
    Option::deserialize(source).map(Option::unwrap_or_default)
}
