//! The OIDC token of a workload outside Yandex Cloud: from a file that another program refreshes, from GitHub
//! Actions, or from a command.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use zeroize::Zeroizing;

use super::token_command;
use crate::broker::Broker;
use crate::cache::KeyBuilder;
use crate::credential::Secret;
use crate::digest::Digest;
use crate::encoding;
use crate::env::{self, Env};
use crate::error::{Code, Error, Result, shown};
use crate::foreign_text::{ForeignText, Message};
use crate::http::{Endpoint, Http, HttpRequest};
use crate::jwt::Claims;
use crate::message;
use crate::secret_file;
use crate::settings::{IdentityArgument, IdentitySetting};

const FILE: &str = "the file of the external token";

/// More than a JWT with a hundred groups in its claims.
const MAX_SIZE: u64 = 64 * 1024;

/// The default path of a projected token in a pod.
const KUBERNETES_TOKEN_FILE: &str = "/var/run/secrets/yandex.cloud/token";

/// The setting that GitHub requires in a job's definition.
const PERMISSION: &str = "give the job `permissions: { id-token: write }`";

/// The source of an external token in this run.
#[derive(Debug)]
pub(super) enum ExternalToken {
    /// A file, read when the identity is opened.
    File {
        path: PathBuf,
        /// Its content.
        token: Secret,
    },
    /// GitHub, for a job of Actions.
    GithubActions(GithubActions),
    /// The output of this command.
    Command(Vec<String>),
}

/// The means with which a job of GitHub Actions requests its token.
#[derive(Debug)]
pub(super) struct GithubActions {
    endpoint: Endpoint,
    query: Vec<(String, String)>,
    request_token: Secret,
    audience: String,
}

#[derive(Deserialize)]
struct GithubAnswer {
    value: Secret,
}

pub(super) fn open_file(setting: &IdentitySetting, _: &Env) -> Result<ExternalToken> {
    ExternalToken::read(setting.file().unwrap_or(Path::new(KUBERNETES_TOKEN_FILE)))
}

pub(super) fn open_github_actions(setting: &IdentitySetting, env: &Env) -> Result<ExternalToken> {
    let job = GithubActions::of_job(setting.text(), env)?.ok_or_else(|| Error::Missing {
        problem: "the identity `github-actions` needs ACTIONS_ID_TOKEN_REQUEST_URL and ACTIONS_ID_TOKEN_REQUEST_TOKEN, and they are not set".into(),
        hint: message!("this identity works in jobs of GitHub Actions only; there, {PERMISSION}", PERMISSION),
    })?;
    Ok(ExternalToken::GithubActions(job))
}

pub(super) fn open_command(setting: &IdentitySetting, _: &Env) -> Result<ExternalToken> {
    match &setting.argument {
        Some(IdentityArgument::Command(words)) => Ok(ExternalToken::Command(words.clone())),
        Some(_) | None => Err(Error::Internal("`token-command` without a command".into())),
    }
}

impl ExternalToken {
    fn read(path: &Path) -> Result<Self> {
        let content = secret_file::read_external(FILE, path, MAX_SIZE)?;
        let wrong = |problem: Message| invalid(message!("{FILE} `{}`", shown(path), FILE), problem);
        let text = encoding::decode_secret(content)
            .map_err(|problem| wrong(message!("it {problem}", problem)))?;
        Claims::read(text.trim()).map_err(|problem| wrong(problem.into()))?;
        Ok(Self::File { path: path.into(), token: Secret::new(text.trim().to_owned()) })
    }

    pub(super) fn describe(&self) -> Message {
        match self {
            Self::File { path, .. } => message!("the external token in `{}`", shown(path)),
            Self::GithubActions(_) => "the external token of this job of GitHub Actions".into(),
            Self::Command(words) => {
                message!(
                    "the external token of `{}`",
                    ForeignText::new(words.first().map_or("", String::as_str))
                )
            }
        }
    }

    /// Adds it to a cache key. A file can get another workload's token under the same name, so its issuer and subject
    /// are included. A job of Actions is identified by its request token.
    pub(super) fn cache_key(&self, key: KeyBuilder) -> KeyBuilder {
        match self {
            Self::File { token, .. } => {
                let claims = Claims::read(token.expose()).ok();
                let claim = |of: fn(&Claims) -> &Option<String>| {
                    claims.as_ref().and_then(|claims| of(claims).clone()).unwrap_or_default()
                };
                key.with("issuer", &claim(|claims| &claims.iss))
                    .with("subject", &claim(|claims| &claims.sub))
            }
            Self::GithubActions(job) => {
                let shown = Digest::of(job.request_token.expose().as_bytes());
                key.with("job", &shown.to_hex()).with("job's audience", &job.audience)
            }
            // Hashed: the command may contain a secret, and `status` shows the inputs of a key.
            Self::Command(words) => {
                key.with("command", &Digest::of(words.join("\0").as_bytes()).to_hex())
            }
        }
    }

    /// The current token: a JWT that has not expired.
    pub(super) async fn obtain(&self, http: &Http, broker: &Broker) -> Result<Secret> {
        let now = broker.clock().now().at;
        let token = match self {
            Self::File { token, .. } => token.clone(),
            Self::GithubActions(job) => job.obtain(http).await?,
            Self::Command(words) => {
                token_command::output(words, &broker.mark(), http.deadline()).await?
            }
        };
        let claims =
            Claims::read(token.expose()).map_err(|problem| invalid(self.describe(), problem))?;
        match claims.expires_at() {
            Some(expires_at) if expires_at <= now => Err(Error::WrongToken {
                what: self.describe(),
                code: Code::Expired,
                problem: message!(
                    "it has expired at {expires_at}, and it is {now}",
                    expires_at,
                    now
                ),
                hint:
                    "check that the program that renews it is running, and check this machine's date"
                        .into(),
            }),
            _ => Ok(token),
        }
    }
}

impl GithubActions {
    /// The means of this job, if it can request tokens.
    pub(super) fn of_job(audience: Option<&str>, env: &Env) -> Result<Option<Self>> {
        let variables = (
            env.get(env::ACTIONS_ID_TOKEN_REQUEST_URL),
            env.get(env::ACTIONS_ID_TOKEN_REQUEST_TOKEN),
        );
        let (Some(url), Some(token)) = variables else { return Ok(None) };
        let (endpoint, query) = Endpoint::parse_with_query("ACTIONS_ID_TOKEN_REQUEST_URL", &url)?;
        // The same default as in the vendor's own action.
        let owners = || {
            env.get(env::GITHUB_REPOSITORY_OWNER).map(|owner| format!("https://github.com/{owner}"))
        };
        let audience = audience.map(str::to_owned).or_else(owners).ok_or_else(|| Error::Missing {
            problem: "the audience of the job's own token is not set, and cannot be taken from GITHUB_REPOSITORY_OWNER".into(),
            hint: "write the identity as `github-actions:AUDIENCE`, with an audience of the federation".into(),
        })?;
        Ok(Some(Self { endpoint, query, request_token: Secret::new(token), audience }))
    }

    async fn obtain(&self, http: &Http) -> Result<Secret> {
        let what = &Message::from("this job's token from GitHub Actions");
        let bearer = Zeroizing::new(format!("Bearer {}", self.request_token.expose()));
        let mut query: Vec<(&str, &str)> =
            self.query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        query.push(("audience", &self.audience));
        let headers = &[("authorization", bearer.as_str()), ("accept", "application/json")];
        let request = HttpRequest { query: &query, headers, ..HttpRequest::get(what, "") };
        let reply = http.client(&self.endpoint, what)?.send(&request).await?;
        if reply.is_trouble() {
            return Err(reply.unavailable(what, reply.phrase(), reply.request_id.clone()));
        }
        if reply.status != 200 {
            return Err(Error::Refused {
                what: what.into(),
                code: Code::SourceAuth,
                reason: message!("{} answered {} {}", reply.host, reply.status, reply.phrase()),
                request_id: reply.request_id.clone(),
                hint: PERMISSION.into(),
            });
        }
        let answer: GithubAnswer = reply.json(what)?;
        Ok(answer.value)
    }
}

/// The claims that a federation checks, for messages.
pub(super) fn claims_of(token: &Secret) -> Message {
    let Ok(claims) = Claims::read(token.expose()) else { return "nothing".into() };
    let or_none = |claim: Option<String>| {
        claim.map_or_else(|| "none".into(), |claim| message!("`{}`", ForeignText::new(&claim)))
    };
    message!(
        "iss {}, sub {}, aud {}",
        or_none(claims.iss),
        or_none(claims.sub),
        ForeignText::new(&claims.aud.to_string())
    )
}

fn invalid(what: impl Into<Message>, problem: impl Into<Message>) -> Error {
    Error::WrongToken {
        what: what.into(),
        code: Code::Identity,
        problem: problem.into(),
        hint: "it must be a valid OIDC token; check that the program that writes it is running"
            .into(),
    }
}
