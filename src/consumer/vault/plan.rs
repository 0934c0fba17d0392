//! What `vault` would do now, for people.

use std::time::Duration;

use crate::error::Result;
use crate::run::Context;
use crate::settings::Settings;

use super::super::{Plan, Server};
use super::login::Sharing;
use super::{MINIMUM_LIFETIME, Options, TABLE, Vault};

/// It is used at once, for one exchange.
const MINIMUM_LIFETIME_OF_ID_TOKEN: Duration = Duration::from_secs(60);

/// What it would do now, if the settings say anything of it.
pub(in crate::consumer) fn plan(context: Context<'_>) -> Result<Option<Plan>> {
    let vault = Vault::open(&Options::default(), context)?;
    let (run, audience) = (&vault.run, vault.audience.clone());
    if !is_told(&run.settings) {
        return Ok(None);
    }
    let server = Some(Server {
        name: "Vault",
        endpoint: vault.server.endpoint.clone(),
        reach: vault.server.reach().clone(),
        public: ("/v1/sys/seal-status", &[]),
    });
    if let Some(lookup) = run.lookup()? {
        let plan = Plan::that_waits_for(lookup, TABLE.name, Some(audience));
        return Ok(Some(Plan { server, ..plan }));
    }
    let token = run.broker().forecast(&vault.login(Sharing::Shared)?, MINIMUM_LIFETIME);
    let mut forecasts = Vec::new();
    if !token.prediction.is_hit() {
        forecasts = run.forecasts(&audience, MINIMUM_LIFETIME_OF_ID_TOKEN)?;
    }
    forecasts.insert(0, token);
    Ok(Some(Plan { server, ..Plan::of(TABLE.name, audience, forecasts) }))
}

/// The official clients' own variables are no reason to think that this is about Vault.
fn is_told(settings: &Settings) -> bool {
    ["address", "role", "mount"]
        .iter()
        .any(|key| settings.consumer(&TABLE, key, None, "--address").is_some())
}
