//! `setup aws`: a profile for the AWS CLI and SDKs, and the commands that prepare the AWS account.

mod config_file;
mod process;

use std::path::{Path, PathBuf};

use serde_json::json;
use yc_id_token_integrations::AWS_TRUST_POLICY;
use zeroize::Zeroizing;

use super::changes::{ChangeSet, FileChange, FileKind};
use super::names::{entry_name, free_profile};
use super::question::{Missing, Question};
use super::server_check::ServerCheck;
use super::server_side::{ServerSide, Use};
use super::trust::Trust;
use super::{
    Common, Setup, is_simple, named_profile, profile_differs, program, script_word, shell_word,
};
use crate::command::own_check::OwnCheck;
use crate::consumer::aws_settings as rows;
use crate::consumer::{AWS_AUDIENCE, ConsumerName, expanded, role_arn_problem};
use crate::env::{self, Env, Var};
use crate::error::{Error, Result, shown};
use crate::files::edit::EditedFile;
use crate::foreign_text::{ForeignText, Message};
use crate::message;
use crate::output::Output;
use crate::run::Context;

use config_file::AwsFile;
pub(super) use process::process_word;

const AWS_PROFILE: &str = "yandex";

/// The key of the address that AWS tools call instead of AWS.
const ENDPOINT_URL: &str = "endpoint_url";

/// Connect the AWS CLI and SDKs: write a profile that runs this program
#[derive(clap::Args, Debug)]
#[allow(clippy::doc_markdown, reason = "these lines are the help")]
#[command(after_help = "Examples:
  yc-id-token setup aws
  yc-id-token setup aws --apply --key-file key.json --role-arn arn:aws:iam::123456789012:role/robot

The output has the configuration for the AWS account too: the identity provider, and the role with its trust policy.")]
pub(super) struct Args {
    #[command(flatten)]
    common: Common,
    /// Role to assume, such as arn:aws:iam::123456789012:role/robot
    #[arg(long, value_name = "ARN")]
    role_arn: Option<String>,
    /// Region of the profile and of STS
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
    /// URL of the STS of an S3-compatible server
    #[arg(long, value_name = "URL")]
    sts_endpoint: Option<String>,
    /// AWS profile to write [default: yandex, or yandex-NAME]
    #[arg(long, value_name = "NAME")]
    aws_profile: Option<String>,
}

impl Args {
    pub(super) fn run(&self, context: Context<'_>, output: &mut Output<'_>) -> Result<()> {
        let path = file(context, env::AWS_CONFIG_FILE, "config")?;
        let config = EditedFile::open("AWS's configuration", &path)?;
        let text = Zeroizing::new(config.text().to_owned());
        let aws_file = AwsFile::read(&path, &text)?;
        if config.has_byte_order_mark() {
            return Err(Error::Config {
                path,
                line: 1,
                problem: "the file begins with a byte order mark, which botocore rejects".into(),
                hint: Some("save it as UTF-8 without a byte order mark".into()),
            });
        }
        let (name, profile) = self.names(context, &aws_file)?;
        let consumer = ConsumerName::Aws;
        let missing = Missing::default();
        let mut setup = Setup::begin(context, &self.common, consumer, profile, missing)?;
        setup.resolve_identity()?;
        // Not prompted for, because few users have one.
        let sts = setup.resolve(&rows::STS_ENDPOINT, self.sts_endpoint.as_ref())?;
        let role = Question::new("--role-arn", "role to assume")
            .with_note("such as arn:aws:iam::123456789012:role/robot");
        let role = match sts {
            Some(_) => role.optional().validated_by(|arn| role_arn_problem(arn, false)),
            None => role.validated_by(|arn| role_arn_problem(arn, true)),
        };
        let role = setup.resolve_or_prompt(&rows::ROLE_ARN, self.role_arn.as_ref(), &role)?;
        let region = self.region(&mut setup, &aws_file, &name)?;
        setup.missing.check()?;
        let audience = setup.resolve_audience(&rows::OWN_AUDIENCE, AWS_AUDIENCE)?;
        let trust = Trust::find(&setup, &audience)?;

        let mut settings: Vec<(&str, String)> =
            region.map(|region| ("region", region)).into_iter().collect();
        settings.push(("credential_process", credential_process(&setup)?));
        if aws_file.value(&name, ENDPOINT_URL)?.is_none() {
            settings.extend(sts.clone().map(|sts| (ENDPOINT_URL, sts)));
        }
        check_conflicts(&setup, &aws_file, &path, &name, &settings)?;
        let new_text = aws_file.with_profile(&name, &settings)?;
        aws_file.verify(&new_text, &name, &settings)?;
        let (instructions, server_file) = match (&role, &sts) {
            (Some(arn), None) => account_side(&trust, arn).present(&trust, &setup)?,
            _ if self.common.server_config.is_some() => {
                return Err(Error::Usage {
                    problem: "`--server-config` is for an AWS account: how another server is configured depends on the product".into(),
                    hint: "leave it out, and follow the printed instructions".into(),
                });
            }
            _ => (server_instructions(&trust), None),
        };
        let mut advice = vec![instructions];
        advice.extend(overriding_variables(setup.env(), &name));
        let command = if sts.is_none() { "sts get-caller-identity" } else { "s3 ls" };
        let next = message!("Try it:\n  aws {command} --profile {}\n", shell_word(&name), command);
        let verify = {
            let (text, name) = (text.clone(), name.clone());
            move |new: &str| AwsFile::read(&path, &text)?.verify(new, &name, &settings)
        };
        let change = FileChange::new(FileKind::Aws, config, new_text, verify);
        let files = [change].into_iter().chain(server_file).collect();
        // An S3-compatible server need not support the request.
        let check = sts
            .is_none()
            .then(|| ServerCheck { check: OwnCheck::aws(&name), server: "The AWS account" });
        setup.finish(ChangeSet { files, actions: Vec::new(), advice, check, next }, output)
    }

    /// The names of the AWS profile and of the profile that it uses. The latter is the one that an existing AWS profile
    /// uses, whatever version of this program wrote it, or is named after the AWS profile.
    fn names(&self, context: Context<'_>, file: &AwsFile<'_>) -> Result<(String, String)> {
        let named = named_profile(context, &self.common)?;
        let default = match named {
            Some(profile) => entry_name(AWS_PROFILE, file.own_profile(AWS_PROFILE)?, profile),
            None => AWS_PROFILE.to_owned(),
        };
        let name = Question::new("--aws-profile", "profile of AWS's configuration")
            .with_default(Some(default))
            .validated_by(name_problem)
            .flag_or_answer(self.aws_profile.as_ref(), self.common.consent.terminal())?
            .unwrap_or_default();
        let existing = file.own_profile(&name)?.filter(|profile| is_simple(profile));
        let profile = match named.or(existing) {
            Some(profile) => profile.to_owned(),
            None => free_profile(context, ConsumerName::Aws.table(), &[&name], |profile| {
                file.own_profiles().any(|used| used == profile)
            })?,
        };
        Ok((name, profile))
    }

    /// The region; the default is that of the existing AWS profile, or of the environment.
    fn region(
        &self,
        setup: &mut Setup<'_>,
        file: &AwsFile<'_>,
        profile: &str,
    ) -> Result<Option<String>> {
        let env = setup.env();
        let existing = file.value(profile, "region")?.map(str::to_owned);
        let variable = || env.get(env::AWS_OWN_REGION).or_else(|| env.get(env::AWS_DEFAULT_REGION));
        let question = Question::new("--region", "region")
            .with_note("empty: pass `--region` to every AWS CLI command")
            .with_default(existing.or_else(variable))
            .optional()
            .validated_by(name_problem);
        setup.resolve_or_prompt(&rows::REGION, self.region.as_ref(), &question)
    }
}

/// The command line of the `credential_process`. Its program is a full path, because AWS tools run it without a shell.
fn credential_process(setup: &Setup<'_>) -> Result<String> {
    let mut words =
        vec![program::path(setup.env())?, "aws".into(), format!("--profile={}", setup.profile())];
    words.extend(setup.config_flag()?);
    let word = |word: &String| {
        process_word(word).ok_or_else(|| Error::Usage {
            problem: message!(
                "`{word}` cannot be used in a `credential_process`: AWS tools parse it differently",
                word = ForeignText::new(word)
            ),
            hint: "use a path of letters, digits, `-`, `_`, `.` and spaces".into(),
        })
    };
    Ok(words.iter().map(word).collect::<Result<Vec<_>>>()?.join(" "))
}

/// Fails if the AWS tools could not read this text of a configuration.
pub(super) fn check_readable(path: &Path, text: &str) -> Result<()> {
    AwsFile::read(path, text).map(drop)
}

/// Fails if the AWS profile has other settings, or credentials that would be used instead.
fn check_conflicts(
    setup: &Setup<'_>,
    config: &AwsFile<'_>,
    path: &Path,
    name: &str,
    settings: &[(&str, String)],
) -> Result<()> {
    let others = config.other_credentials(name)?;
    let differences = config.differences(name, settings)?;
    if !others.is_empty() {
        setup.overwrite_conflict(message!(
            "the profile `{}` of `{}` has other credentials ({})",
            ForeignText::new(name),
            shown(path),
            ForeignText::new(&others.join(", "))
        ))?;
    } else if !differences.is_empty() {
        setup.overwrite_conflict(profile_differs(name, path, &differences))?;
    }
    let credentials = file(setup.context, env::AWS_SHARED_CREDENTIALS_FILE, "credentials")?;
    let content = EditedFile::open("AWS's credentials", &credentials)?;
    let others = AwsFile::read(&credentials, content.text())?.credentials(name);
    if others.is_empty() {
        return Ok(());
    }
    // Even `--force` never deletes keys from the credentials file.
    Err(Error::Conflict {
        problem: message!("`{}` has keys for the profile `{name}`, which would be used instead", shown(&credentials), name = ForeignText::new(name)),
        hint: "choose another name with `--aws-profile`, or remove them there; nothing has been changed".into(),
    })
}

fn file(context: Context<'_>, var: Var, name: &str) -> Result<PathBuf> {
    let home = context.locations.home.as_deref();
    let configured = context.env.get_os(var).map(|path| expanded(path.into(), home));
    let default = || home.map(|home| home.join(".aws").join(name));
    configured.or_else(default).ok_or_else(|| Error::Missing {
        problem: "there is no home folder for AWS's configuration".into(),
        hint: message!("set {}", var.name),
    })
}

fn name_problem(name: &str) -> Option<Message> {
    (!is_simple(name)).then(|| {
        message!("`{}` is not a name of letters, digits, `.`, `_` and `-`", ForeignText::new(name))
    })
}

/// The commands that create the identity provider and the role.
fn account_side(trust: &Trust, arn: &str) -> ServerSide {
    let Trust { issuer, subject, audience, .. } = trust;
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let [partition, account, role] = [1, 4, 5].map(|at| parts.get(at).copied().unwrap_or_default());
    let (path, name) = role.trim_start_matches("role").rsplit_once('/').unwrap_or(("", role));
    let provider = issuer.trim_start_matches("https://");
    let text = |text: &str| Message::from(ForeignText::line(text));
    let json_audience = json!(audience).to_string();
    let policy = Message::from(AWS_TRUST_POLICY)
        .replaced("arn:aws:", &message!("arn:{}:", text(partition)))
        .replaced("123456789012", &text(account))
        .replaced("sts.amazonaws.com", &text(json_audience.trim_matches('"')))
        .replaced("auth.yandex.cloud", &text(provider))
        .replaced("ajeexampleaccount000", &text(subject));
    let path = if path.is_empty() {
        Message::default()
    } else {
        message!(" --path {}", script_word(&format!("{path}/")))
    };
    let arn = script_word(&format!("arn:{partition}:iam::{account}:oidc-provider/{provider}"));
    let commands = message!(
        "
if aws iam get-open-id-connect-provider --open-id-connect-provider-arn {arn} >/dev/null 2>&1; then
  aws iam add-client-id-to-open-id-connect-provider --open-id-connect-provider-arn {arn} --client-id {audience}
else
  aws iam create-open-id-connect-provider --url {url} --client-id-list {audience}
fi
policy=$(cat <<'EOF'
{policy}EOF
)
if aws iam get-role --role-name {name} >/dev/null 2>&1; then
  printf '%s\\n' 'The role exists. If its trust policy does not have this statement, add it:' \"$policy\"
else
  aws iam create-role --role-name {name}{path} --assume-role-policy-document \"$policy\"
fi
# Then attach the policies that the role needs, such as:
# aws iam attach-role-policy --role-name {name} --policy-arn arn:{partition}:iam::aws:policy/ReadOnlyAccess
",
        url = issuer.quoted_for_sh(),
        audience = audience.quoted_for_sh(),
        name = script_word(name),
        partition = text(partition),
        arn,
        path,
        policy
    );
    ServerSide {
        heading: "AWS account",
        printed: commands.clone(),
        content: commands,
        use_as: Use::Script,
    }
}

/// What an S3-compatible server must trust. Its configuration depends on the product.
fn server_instructions(trust: &Trust) -> Message {
    let Trust { issuer, subject, audience, note } = trust;
    message!(
        "# Server
{note}

Configure it, as its documentation says, to trust tokens with:

issuer    {issuer}
audience  {audience}
subject   {subject}

The AWS profile has the address of STS as `endpoint_url`, for all services: correct it if the server has another.
",
        note,
        issuer,
        audience,
        subject
    )
}

/// A note on the environment variables that take precedence over the AWS profile.
fn overriding_variables(env: &Env, name: &str) -> Option<Message> {
    if env.get(env::AWS_ACCESS_KEY_ID).is_some() {
        return Some("Unset AWS_ACCESS_KEY_ID: as long as it is set, AWS's tools use it unless `--profile` is given.\n".into());
    }
    let profile = env.get(env::AWS_PROFILE).filter(|profile| profile != name)?;
    Some(message!(
        "AWS_PROFILE is `{}`: give `--profile {}`, or set it to that.\n",
        ForeignText::new(&profile),
        shell_word(name)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_instructions_are_for_the_account_of_the_role() {
        let trust = Trust {
            issuer: "https://auth.example".into(),
            subject: "ajex".into(),
            audience: "aud".into(),
            note: Message::default(),
        };
        let text = account_side(&trust, "arn:aws-cn:iam::210987654321:role/team/robot").printed;
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
