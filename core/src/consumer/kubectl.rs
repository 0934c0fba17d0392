//! `kubectl`: the `ExecCredential` of client-go's exec plugins, `client.authentication.k8s.io` `v1`
//! and `v1beta1` (Kubernetes documentation, "client-go credential plugins").
//!
//! The client passes the extension `client.authentication.k8s.io/exec` of the cluster's entry in
//! `KUBERNETES_EXEC_INFO`. Not every client sets it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::credential::{Credential, IdToken};
use crate::env::{self, Env};
use crate::error::{Cause, Error, Result};
use crate::foreign_text::ForeignText;
use crate::message;
use crate::run::Context;
use crate::settings::{
    Decides, Field, Kind, Offer, Origin, Settings, Table, invalid_value, text_problem,
};
use crate::source::IdTokenRequest;

use super::{Consumer, Delivery};

static API_VERSION: Field =
    Field::new(Kind::Text, "api_version", "--api-version", "YC_ID_TOKEN_KUBECTL_API_VERSION")
        .help(
            "VERSION",
            "API version of the output: v1 or v1beta1 [default: the requested one, or v1]",
        )
        .essential()
        .decides(Decides::Nothing)
        .offers(Offer::Words(versions));

pub(super) const TABLE: Table = Table { name: "kubectl", heading: "", settings: &[&API_VERSION] };

/// client-go uses a token until `expirationTimestamp`, and the API server has no tolerance. So the reported expiry is
/// earlier by this much.
const SKEW: Duration = Duration::from_secs(60);

/// The minimum lifetime beyond the skew.
const MINIMUM_LIFETIME: Duration = Duration::from_secs(60);

/// The prefix of the exec protocol's versions (Kubernetes documentation, "client-go credential plugins").
pub const GROUP: &str = "client.authentication.k8s.io/";
pub const V1: &str = "client.authentication.k8s.io/v1";
pub const V1BETA1: &str = "client.authentication.k8s.io/v1beta1";

/// The extension in a cluster entry whose content is passed to plugins.
pub const EXTENSION: &str = "client.authentication.k8s.io/exec";

/// The supported versions, as values of `--api-version`.
fn versions() -> Vec<&'static str> {
    [V1, V1BETA1].into_iter().filter_map(|version| version.strip_prefix(GROUP)).collect()
}

/// Print an ExecCredential for kubectl and other Kubernetes clients (exec plugin)
#[derive(clap::Args, Debug, Default)]
#[command(after_help = "Example: in the kubeconfig,
  users:
  - name: yandex
    user:
      exec:
        apiVersion: client.authentication.k8s.io/v1
        command: yc-id-token
        args: [kubectl, --profile=prod]
        interactiveMode: Never")]
pub struct Args {}

/// The fields of `KUBERNETES_EXEC_INFO` that are used.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ExecInfo {
    api_version: Option<String>,
    spec: Option<Spec>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Spec {
    cluster: Option<Cluster>,
    interactive: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Cluster {
    config: Option<Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExecCredential<'a> {
    kind: &'static str,
    api_version: &'static str,
    spec: AnsweredSpec,
    status: Status<'a>,
}

#[derive(Serialize)]
struct AnsweredSpec {
    interactive: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Status<'a> {
    expiration_timestamp: String,
    token: &'a str,
}

/// The ID token, as an `ExecCredential`.
pub(super) struct Kubectl {
    audience: String,
    api_version: &'static str,
    /// Whether the client lets the plugin prompt the user. The answer repeats it.
    interactive: bool,
}

impl Consumer for Kubectl {
    const TABLE: &'static Table = &TABLE;

    type Args = Args;
    type Secret = IdToken;
    type Request<'a> = IdTokenRequest<'a>;

    /// An audience in the cluster's entry is known only in a run by the client.
    fn is_configured(settings: &Settings) -> bool {
        settings.audience.is_some()
    }

    fn open(_: &Args, settings: &Settings, context: Context<'_>) -> Result<Self> {
        let info = ExecInfo::read(context.env)?;
        Ok(Self {
            api_version: api_version(settings, &info)?,
            audience: audience(settings, &info)?,
            interactive: info.spec.is_some_and(|spec| spec.interactive),
        })
    }

    fn audience(&self) -> Option<&str> {
        Some(&self.audience)
    }

    fn request<'a>(&'a self, id_token: IdTokenRequest<'a>) -> IdTokenRequest<'a> {
        id_token
    }

    fn minimum_lifetime(&self) -> Duration {
        MINIMUM_LIFETIME + SKEW
    }

    fn render(&self, credential: &Credential<IdToken>) -> Result<Delivery> {
        Delivery::json(&ExecCredential {
            kind: "ExecCredential",
            api_version: self.api_version,
            spec: AnsweredSpec { interactive: self.interactive },
            status: Status {
                expiration_timestamp: credential.lifetime.expires_early_here(SKEW).to_string(),
                token: credential.secret.0.expose(),
            },
        })
    }
}

fn api_version(settings: &Settings, info: &ExecInfo) -> Result<&'static str> {
    if let Some(version) = version_that_is_set(settings)? {
        return Ok(version);
    }
    match &info.api_version {
        None => Ok(V1),
        Some(asked) => known_version(asked).filter(|_| asked.starts_with(GROUP)).ok_or_else(|| Error::ExecInfo {
            problem: message!("requests apiVersion `{}`, which this program does not support", ForeignText::new(asked)),
            hint: "set `apiVersion: client.authentication.k8s.io/v1` in the user's `exec` of the kubeconfig".into(),
        }),
    }
}

/// The apiVersion set by a flag, a variable or the profile, regardless of the client's.
fn version_that_is_set(settings: &Settings) -> Result<Option<&'static str>> {
    let Some(setting) = settings.own(&API_VERSION) else { return Ok(None) };
    known_version(&setting.value).map(Some).ok_or_else(|| {
        invalid_value(
            setting.origin,
            message!(
                "the apiVersion `{}` is not supported: it must be `v1` or `v1beta1`",
                ForeignText::new(&setting.value)
            ),
        )
    })
}

fn known_version(text: &str) -> Option<&'static str> {
    let name = text.strip_prefix(GROUP).unwrap_or(text);
    [V1, V1BETA1].into_iter().find(|version| version.strip_prefix(GROUP) == Some(name))
}

fn audience(settings: &Settings, info: &ExecInfo) -> Result<String> {
    if let Some(audience) = audience_that_is_set(settings) {
        return Ok(audience.to_owned());
    }
    if let Some(audience) = info.audience()? {
        return Ok(audience);
    }
    let default = settings.audience.as_ref().map(|setting| setting.value.clone());
    default.ok_or_else(|| Error::Missing {
        problem: "the audience is not set".into(),
        hint: match &info.spec {
            Some(Spec { cluster: Some(_), .. }) => "give `--audience` with what the API server expects (`--oidc-client-id`, or `audiences` of its AuthenticationConfiguration), or write `audience` in the cluster's extension `client.authentication.k8s.io/exec`",
            Some(Spec { cluster: None, .. }) => "give `--audience` with what the API server expects (`--oidc-client-id`, or `audiences` of its AuthenticationConfiguration), or, if the cluster's extension names it, set `provideClusterInfo: true` in the user's `exec` of the kubeconfig",
            None => "give `--audience` with what the API server expects (`--oidc-client-id`, or `audiences` of its AuthenticationConfiguration); an audience in the cluster's extension needs `provideClusterInfo: true` and a client that sets KUBERNETES_EXEC_INFO",
        }
        .into(),
    })
}

/// The audience of this run or profile. It has precedence over the cluster entry, which has precedence over the
/// audience of `[defaults]`.
fn audience_that_is_set(settings: &Settings) -> Option<&str> {
    let setting = settings.audience.as_ref()?;
    let is_default = matches!(setting.origin, Origin::Defaults { .. });
    (!is_default).then_some(setting.value.as_str())
}

/// The values that a command line in a kubeconfig would use, for `doctor`.
pub struct KubectlPlugin {
    /// The apiVersion of its answer, if it does not depend on the client.
    pub api_version: Option<&'static str>,
    /// The audience, if it does not depend on the cluster entry.
    pub audience: Option<String>,
    /// The audience if the cluster entry has none.
    pub default_audience: Option<String>,
}

impl KubectlPlugin {
    /// The settings in its table of a profile.
    pub const TABLE: &Table = &TABLE;

    pub fn of(settings: &Settings) -> Result<Self> {
        Ok(Self {
            api_version: version_that_is_set(settings)?,
            audience: audience_that_is_set(settings).map(str::to_owned),
            default_audience: settings.audience.as_ref().map(|setting| setting.value.clone()),
        })
    }
}

impl ExecInfo {
    fn read(env: &Env) -> Result<Self> {
        let Some(text) = env.get(env::KUBERNETES_EXEC_INFO) else { return Ok(Self::default()) };
        // Parsed as a map first, because an array would also be accepted for a struct of optional fields.
        serde_json::from_str::<Map<String, Value>>(&text)
            .and_then(|map| serde_json::from_value(Value::Object(map)))
            .map_err(|error| Error::ExecInfo {
                problem: message!(
                    "is not the JSON object that kubectl sets: {}",
                    Cause::new(error)
                ),
                hint: "unset it; kubectl sets it by itself".into(),
            })
    }

    fn audience(&self) -> Result<Option<String>> {
        let cluster = self.spec.as_ref().and_then(|spec| spec.cluster.as_ref());
        let config = cluster.and_then(|cluster| cluster.config.as_ref());
        let problem = match config.and_then(|config| config.get("audience")) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::String(audience)) => match text_problem("audience", audience) {
                None => return Ok(Some(audience.clone())),
                Some(problem) => problem,
            },
            Some(_) => "is not a string",
        };
        Err(Error::ExecInfo {
            problem: message!("holds an audience that {problem}", problem),
            hint: "write `audience: \"…\"` in the cluster's extension `client.authentication.k8s.io/exec` of the kubeconfig".into(),
        })
    }
}

/// Fuzzes `KUBERNETES_EXEC_INFO`: it is accepted, or rejected with an error.
#[cfg(feature = "fuzzing")]
pub fn exec_info(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let env = Env::Fake([(env::KUBERNETES_EXEC_INFO.name, text.to_owned())].into());
    if let Err(error) = ExecInfo::read(&env).and_then(|info| info.audience()) {
        crate::fuzzing::check_printed_error(&error);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn info(text: &str) -> Result<ExecInfo> {
        ExecInfo::read(&Env::Fake(HashMap::from([("KUBERNETES_EXEC_INFO", text.to_owned())])))
    }

    #[test]
    fn the_audience_of_the_cluster_entry_is_read() {
        let with = |config: &str| {
            let text = format!(
                r#"{{"apiVersion":"{V1}","kind":"ExecCredential","spec":{{"cluster":{{"server":"https://k","config":{config}}},"interactive":false}}}}"#
            );
            info(&text).unwrap().audience()
        };
        assert_eq!(with(r#"{"audience":"aud1","n":5}"#).unwrap().as_deref(), Some("aud1"));
        assert_eq!(with("null").unwrap(), None);
        assert_eq!(with("{}").unwrap(), None);
        assert!(with(r#"{"audience":5}"#).is_err());
        assert_eq!(info(r#"{"spec":{"interactive":true}}"#).unwrap().audience().unwrap(), None);
        assert!(info("not json").is_err());
    }

    #[test]
    fn versions_are_accepted_in_short_and_in_full() {
        assert_eq!(known_version("v1"), Some(V1));
        assert_eq!(known_version(V1BETA1), Some(V1BETA1));
        for unknown in ["client.authentication.k8s.io/v1alpha1", "v2", "", "example.io/v1"] {
            assert_eq!(known_version(unknown), None, "{unknown}");
        }
    }
}
