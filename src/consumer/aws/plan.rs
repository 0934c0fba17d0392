//! What `aws` would do now, for people.

use std::time::Duration;

use crate::error::Result;
use crate::http::Reach;
use crate::run::{Context, Run};

use super::super::{Plan, Server, audience};
use super::role::RoleSession;
use super::sts::AssumeRole;
use super::{AUDIENCE, MINIMUM_LIFETIME, MINIMUM_LIFETIME_OF_SHORT_KEYS, Options, Sts, TABLE};

/// It is used at once, for one exchange.
const MINIMUM_LIFETIME_OF_ID_TOKEN: Duration = Duration::from_secs(60);

/// AWS sends whoever asks for nothing to its home page, and refuses this.
const PUBLIC: &[(&str, &str)] = &[("Action", "GetCallerIdentity"), ("Version", "2011-06-15")];

/// What it would do now, if the settings say anything of it.
pub(in crate::consumer) fn plan(context: Context<'_>) -> Result<Option<Plan>> {
    let run = Run::open(context, &[&TABLE])?;
    let options = Options::default();
    let settings = &run.settings;
    let role_arn = options.role_arn(settings);
    let sts_endpoint = settings.consumer(&TABLE, "sts_endpoint", None, "--sts-endpoint");
    if role_arn.is_none() && sts_endpoint.is_none() {
        return Ok(None);
    }
    let sts = Sts::choose(&options, settings, context.env, role_arn.as_ref())?;
    let audience = audience(settings, &TABLE).unwrap_or_else(|| AUDIENCE.to_owned());
    let server = Some(Server {
        name: "STS",
        endpoint: sts.endpoint.clone(),
        reach: Reach::default(),
        public: ("/", PUBLIC),
    });
    if let Some(lookup) = run.lookup()? {
        let plan = Plan::that_waits_for(lookup, TABLE.name, Some(audience));
        return Ok(Some(Plan { server, ..plan }));
    }
    let role = RoleSession::read(&options, settings, role_arn, &sts, run.service_account()?)?;
    let request = AssumeRole { sts: &sts, role: &role, id_token: run.id_token_request(&audience)? };
    let is_short = role.duration <= MINIMUM_LIFETIME;
    let minimum_lifetime = if is_short { MINIMUM_LIFETIME_OF_SHORT_KEYS } else { MINIMUM_LIFETIME };
    let keys = run.broker().forecast(&request, minimum_lifetime);
    let mut forecasts = Vec::new();
    if !keys.prediction.is_hit() {
        forecasts = run.forecasts(&audience, MINIMUM_LIFETIME_OF_ID_TOKEN)?;
    }
    forecasts.insert(0, keys);
    let mut plan = Plan { server, ..Plan::of(TABLE.name, audience, forecasts) };
    if is_short {
        plan.doubts.push((
            "the keys are valid for 15 minutes, and botocore runs the helper for every request when less than that is left".into(),
            "set `duration` to `1h`, or leave it out".into(),
        ));
    }
    Ok(Some(plan))
}
