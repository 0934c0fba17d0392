//! `setup aws`: a profile of the AWS CLI and SDKs, and what the account must be told.

use std::path::PathBuf;

use serde_json::json;
use zeroize::Zeroizing;

use super::aws_config::AwsFile;
use super::aws_process::process_word;
use super::change::Change;
use super::plan::Plan;
use super::question::Question;
use super::trust::Trust;
use super::{Common, Setup, is_simple, program, word};
use crate::consumer::aws_settings as rows;
use crate::consumer::{ConsumerName, aws_file, aws_role_problem};
use crate::env::{self, Env, Var};
use crate::error::{Error, Result, shown};
use crate::files::edit::EditedFile;
use crate::foreign_text::{ForeignText, Message};
use crate::message;
use crate::output::Output;
use crate::run::Context;
use crate::settings::Locations;

const PROFILE: &str = "aws";
const AWS_PROFILE: &str = "yandex";
const AUDIENCE: &str = "sts.amazonaws.com";

/// A file that the tests have an account take.
const TRUST_POLICY: &str = include_str!("../../../integrations/aws/trust-policy.json");

/// Connect the AWS CLI and SDKs: a profile that runs this program
#[derive(clap::Args, Debug)]
#[allow(clippy::doc_markdown, reason = "these lines are the help")]
#[command(
    after_help = "It prints what the account must be set up with, too: the identity provider and the role with its trust policy.

Examples:
  yc-id-token setup aws
  yc-id-token setup aws --apply --key-file ~/key.json --role-arn arn:aws:iam::123456789012:role/robot --region eu-central-1"
)]
pub(super) struct Args {
    #[command(flatten)]
    common: Common,
    /// Role to assume, such as arn:aws:iam::123456789012:role/robot
    #[arg(long, value_name = "ARN")]
    role_arn: Option<String>,
    /// Region of the profile, whose STS is asked
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
    /// Address of an S3-compatible server's STS
    #[arg(long, value_name = "URL")]
    sts_endpoint: Option<String>,
    /// Profile of AWS's configuration to write [default: yandex]
    #[arg(long, value_name = "NAME")]
    aws_profile: Option<String>,
}

impl Args {
    pub(super) fn run(&self, context: Context<'_>, output: &mut Output<'_>) -> Result<()> {
        let mut setup = Setup::begin(context, &self.common, ConsumerName::Aws, PROFILE)?;
        setup.settle_identity()?;
        // It is not asked for: few have one, and they know it.
        let sts = setup.given(&rows::STS_ENDPOINT, self.sts_endpoint.as_ref())?;
        let role = Question::new("--role-arn", "role to assume")
            .noted("such as arn:aws:iam::123456789012:role/robot");
        let role = if sts.is_some() { role.optional() } else { role.judged(aws_role_problem) };
        let role = setup.own(&rows::ROLE_ARN, self.role_arn.as_ref(), &role)?;

        let name = self.name(&setup)?;
        let path = file(setup.env(), env::AWS_CONFIG_FILE, "config")?;
        let config = EditedFile::open("AWS's configuration", &path)?;
        let text = Zeroizing::new(config.text().to_owned());
        let there = AwsFile::read(&path, &text)?;
        if config.has_byte_order_mark() {
            return Err(Error::Config {
                path,
                line: 1,
                problem: "the file begins with a byte order mark, which botocore rejects".into(),
                hint: Some("save it as UTF-8 without a byte order mark".into()),
            });
        }
        let region = self.region(&mut setup, &there, &name)?;
        let audience = setup.own_audience(&rows::OWN_AUDIENCE, AUDIENCE)?;
        let trust = Trust::find(&setup, &audience)?;

        let mut settings: Vec<(&str, String)> =
            region.map(|region| ("region", region)).into_iter().collect();
        settings.push(("credential_process", process(&setup)?));
        check(&setup, &there, &path, &name, &settings)?;
        let after = there.with_profile(&name, &settings)?;
        there.verify(&after, &name, &settings)?;
        let mut advice = vec![match (&role, &sts) {
            (Some(arn), None) => account_side(&trust, arn),
            _ => server_side(&trust),
        }];
        advice.extend(environment(setup.env(), &name));
        let next = message!("Try it:\n  aws sts get-caller-identity --profile {}\n", word(&name));
        let verify = {
            let (text, name) = (text.clone(), name.clone());
            move |new: &str| AwsFile::read(&path, &text)?.verify(new, &name, &settings)
        };
        let changes = vec![Change::new(config, after, verify)];
        setup.finish(Plan { changes, acts: Vec::new(), advice, next }, output)
    }

    fn name(&self, setup: &Setup<'_>) -> Result<String> {
        let usual = if setup.profile() == PROFILE {
            AWS_PROFILE.into()
        } else {
            format!("{AWS_PROFILE}-{}", setup.profile())
        };
        let question = Question::new("--aws-profile", "profile of AWS's configuration")
            .or(Some(usual))
            .judged(name_problem);
        match &self.aws_profile {
            Some(name) => question.check(name).map(|()| name.clone()),
            None => Ok(question.answer(setup.terminal)?.unwrap_or_default()),
        }
    }

    /// The region that is said; or that of the profile that is there, or of the environment.
    fn region(
        &self,
        setup: &mut Setup<'_>,
        file: &AwsFile<'_>,
        profile: &str,
    ) -> Result<Option<String>> {
        let env = setup.env();
        let there = file.value(profile, "region")?.map(str::to_owned);
        let by_variable =
            || env.get(env::AWS_OWN_REGION).or_else(|| env.get(env::AWS_DEFAULT_REGION));
        let question = Question::new("--region", "region")
            .noted("none: the AWS CLI needs `--region` with every command");
        let question = question.or(there.or_else(by_variable)).optional().judged(name_problem);
        setup.own(&rows::REGION, self.region.as_ref(), &question)
    }
}

/// The command that AWS's tools run: with a full path, as there is no shell to look for it.
fn process(setup: &Setup<'_>) -> Result<String> {
    let mut words =
        vec![program::path(setup.env())?, "aws".into(), format!("--profile={}", setup.profile())];
    words.extend(setup.config_flag()?);
    let word = |word: &String| {
        process_word(word).ok_or_else(|| Error::Usage {
            problem: message!(
                "`{word}` cannot be written in a `credential_process`: AWS's tools do not agree how",
                word = ForeignText::new(word)
            ),
            hint: "use a path of letters, digits, `-`, `_`, `.` and spaces".into(),
        })
    };
    Ok(words.iter().map(word).collect::<Result<Vec<_>>>()?.join(" "))
}

/// What is there by this name: other credentials, or other settings.
fn check(
    setup: &Setup<'_>,
    config: &AwsFile<'_>,
    path: &std::path::Path,
    name: &str,
    settings: &[(&str, String)],
) -> Result<()> {
    let others = config.other_credentials(name)?;
    if !others.is_empty() {
        setup.in_the_way(message!(
            "the profile `{}` of `{}` has other credentials ({})",
            ForeignText::new(name),
            shown(path),
            ForeignText::new(&others.join(", "))
        ))?;
    }
    let differences = config.differences(name, settings)?;
    if others.is_empty() && !differences.is_empty() {
        setup.in_the_way(message!(
            "the profile `{}` of `{}` differs: {}",
            ForeignText::new(name),
            shown(path),
            Message::join(&differences, "; ")
        ))?;
    }
    let credentials = file(setup.env(), env::AWS_SHARED_CREDENTIALS_FILE, "credentials")?;
    let content = EditedFile::open("AWS's credentials", &credentials)?;
    let others = AwsFile::read(&credentials, content.text())?.credentials(name);
    if others.is_empty() {
        return Ok(());
    }
    // They are not ours to delete, and would win.
    Err(Error::Conflict {
        problem: message!("`{}` has keys of the name `{name}`, which would be used instead", shown(&credentials), name = ForeignText::new(name)),
        hint: "choose another name with `--aws-profile`, or remove them there; nothing has been changed".into(),
    })
}

fn file(env: &Env, var: Var, name: &str) -> Result<PathBuf> {
    aws_file(env, var, Locations::home().as_deref(), name).ok_or_else(|| Error::Missing {
        problem: "there is no home folder for AWS's configuration".into(),
        hint: message!("set {}", var.name),
    })
}

fn name_problem(name: &str) -> Option<Message> {
    (!is_simple(name)).then(|| {
        message!("`{}` is not a name of letters, digits, `.`, `_` and `-`", ForeignText::new(name))
    })
}

/// What the account must be told.
fn account_side(trust: &Trust, arn: &str) -> Message {
    let Trust { issuer, subject, audience, note } = trust;
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let [partition, account, role] = [1, 4, 5].map(|at| parts.get(at).copied().unwrap_or_default());
    let (path, name) = role.trim_start_matches("role").rsplit_once('/').unwrap_or(("", role));
    let provider = issuer.trim_start_matches("https://");
    let text = |text: &str| Message::from(ForeignText::line(text));
    let json_text = |raw: &str| text(json!(raw).to_string().trim_matches('"'));
    let policy = Message::from(TRUST_POLICY)
        .replaced("arn:aws:", &message!("arn:{}:", text(partition)))
        .replaced("123456789012", &text(account))
        .replaced("sts.amazonaws.com", &json_text(audience))
        .replaced("auth.yandex.cloud", &text(provider))
        .replaced("ajeexampleaccount000", &text(subject));
    let path = if path.is_empty() {
        Message::default()
    } else {
        message!(" --path {}", word(&format!("{path}/")))
    };
    message!(
        "# The account's side
{note}

aws iam create-open-id-connect-provider --url {} --client-id-list {}
cat >trust-policy.json <<'EOF'
{policy}EOF
aws iam create-role --role-name {}{path} --assume-role-policy-document file://trust-policy.json

Then give the role the rights that it is to have.
",
        word(issuer),
        word(audience),
        word(name),
        note,
        policy,
        path
    )
}

/// What a server that is compatible with S3 must be told, each in its own way.
fn server_side(trust: &Trust) -> Message {
    let Trust { issuer, subject, audience, note } = trust;
    let [issuer, subject, audience] =
        [issuer, subject, audience].map(|text| ForeignText::line(text));
    message!(
        "# The server's side
{note}
Let it trust, in its own way:

issuer    {issuer}
audience  {audience}
subject   {subject}

Add its address to the profile of AWS's configuration, as `endpoint_url`.
",
        note,
        issuer,
        audience,
        subject
    )
}

/// What of the environment goes before the profile.
fn environment(env: &Env, name: &str) -> Option<Message> {
    if env.get(env::AWS_ACCESS_KEY_ID).is_some() {
        return Some("Unset AWS_ACCESS_KEY_ID: as long as it is set, AWS's tools use it instead of any profile.\n".into());
    }
    let profile = env.get(env::AWS_PROFILE).filter(|profile| profile != name)?;
    Some(message!(
        "AWS_PROFILE is `{}`: give `--profile {}`, or set it to that.\n",
        ForeignText::new(&profile),
        word(name)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_told_from_what_is_none() {
        assert_eq!(aws_role_problem("arn:aws:iam::123456789012:role/robot"), None);
        assert_eq!(aws_role_problem("arn:aws-cn:iam::123456789012:role/team/robot"), None);
        for bad in [
            "robot",
            "arn:aws:iam::123456789012:user/robot",
            "arn:aws:iam::12:role/robot",
            "arn:aws:iam::123456789012:role/",
        ] {
            assert!(aws_role_problem(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn the_account_is_told_of_its_own_role() {
        let trust = Trust {
            issuer: "https://auth.example".into(),
            subject: "ajex".into(),
            audience: "aud".into(),
            note: Message::default(),
        };
        let text = account_side(&trust, "arn:aws-cn:iam::210987654321:role/team/robot");
        for part in [
            "\"arn:aws-cn:iam::210987654321:oidc-provider/auth.example\"",
            "\"auth.example:aud\": \"aud\"",
            "\"auth.example:sub\": \"ajex\"",
            "--role-name robot --path /team/ ",
            "--url https://auth.example --client-id-list aud\n",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
