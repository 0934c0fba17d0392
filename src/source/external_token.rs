//! The OIDC token of a workload of elsewhere: from a file that someone keeps fresh, from GitHub Actions,
//! or printed by a command.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use zeroize::Zeroizing;

use super::token_command;
use crate::broker::Broker;
use crate::cache::{Digest, KeyBuilder};
use crate::credential::Secret;
use crate::env::{self, Env};
use crate::error::{Code, Error, Result, shown};
use crate::foreign_text::{ForeignText, Message};
use crate::http::{Endpoint, Http, HttpRequest};
use crate::jwt::Claims;
use crate::message;
use crate::secret_file;
use crate::settings::ExternalTokenSetting;

const FILE: &str = "the file of the external token";

/// A JWT with a hundred groups in its claims has less.
const LIMIT: u64 = 64 * 1024;

/// What GitHub wants to see in a job's definition.
const PERMISSION: &str = "give the job `permissions: { id-token: write }`";

/// Where an external token comes from in this run.
#[derive(Debug)]
pub enum ExternalToken {
    /// A file, read when the identity was opened.
    File {
        /// The file.
        path: PathBuf,
        /// What was in it.
        token: Secret,
    },
    /// GitHub gives it to a job of Actions.
    GithubActions(GithubActions),
    /// This command prints it.
    Command(Vec<String>),
}

/// What GitHub gives a job to ask for its token with.
#[derive(Debug)]
pub struct GithubActions {
    endpoint: Endpoint,
    query: Vec<(String, String)>,
    request_token: Secret,
    audience: String,
}

#[derive(Deserialize)]
struct GithubAnswer {
    value: Secret,
}

impl ExternalToken {
    /// Opens what the settings name.
    pub fn open(setting: &ExternalTokenSetting, env: &Env) -> Result<Self> {
        match setting {
            ExternalTokenSetting::File(path) => Self::read(path),
            ExternalTokenSetting::GithubActions(audience) => {
                GithubActions::of_job(audience.as_deref(), env)?.map(Self::GithubActions).ok_or_else(|| {
                    Error::Missing {
                        problem: "the identity `github-actions` needs ACTIONS_ID_TOKEN_REQUEST_URL and ACTIONS_ID_TOKEN_REQUEST_TOKEN, and they are not set".into(),
                        hint: message!("this identity works in jobs of GitHub Actions only; there, {PERMISSION}", PERMISSION),
                    }
                })
            }
            ExternalTokenSetting::Command(words) => Ok(Self::Command(words.clone())),
        }
    }

    fn read(path: &Path) -> Result<Self> {
        let content = secret_file::read_external(FILE, path, LIMIT)?;
        let text = std::str::from_utf8(&content).unwrap_or_default().trim();
        if let Err(problem) = Claims::read(text) {
            return Err(unfit(message!("{FILE} `{}`", shown(path), FILE), problem));
        }
        Ok(Self::File { path: path.into(), token: Secret::new(text.to_owned()) })
    }

    /// What it is, for messages.
    #[must_use]
    pub fn describe(&self) -> Message {
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

    /// Its part in cache keys. A file keeps its name when another workload's token is put there, so its
    /// issuer and subject count; a job of Actions is known by what it asks with.
    pub(super) fn contribute(&self, key: KeyBuilder) -> KeyBuilder {
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
            // Whoever writes a secret there should not, and is not to find it in what people are told.
            Self::Command(words) => {
                key.with("command", &Digest::of(words.join("\0").as_bytes()).to_hex())
            }
        }
    }

    /// The token, as it is now: a JWT that has not expired.
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
            Claims::read(token.expose()).map_err(|problem| unfit(self.describe(), problem))?;
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
                    "see that the program that renews it is running, and check this machine's date"
                        .into(),
            }),
            _ => Ok(token),
        }
    }
}

impl GithubActions {
    /// What this job has been given, if this is one that may ask for tokens.
    pub fn of_job(audience: Option<&str>, env: &Env) -> Result<Option<Self>> {
        let variables = (
            env.get(env::ACTIONS_ID_TOKEN_REQUEST_URL),
            env.get(env::ACTIONS_ID_TOKEN_REQUEST_TOKEN),
        );
        let (Some(url), Some(token)) = variables else { return Ok(None) };
        let (endpoint, query) = Endpoint::parse_with_query("ACTIONS_ID_TOKEN_REQUEST_URL", &url)?;
        // As the vendor's own action has it.
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

/// What a token says of itself, for whoever has to compare it with a federation.
pub(super) fn told(token: &Secret) -> Message {
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

fn unfit(what: impl Into<Message>, problem: impl Into<Message>) -> Error {
    Error::WrongToken {
        what: what.into(),
        code: Code::Identity,
        problem: problem.into(),
        hint: "it must be a valid OIDC token; check that the program that writes it is running"
            .into(),
    }
}
