//! What `vault` would do now, for people.

use std::time::Duration;

use crate::error::Result;
use crate::session::Context;
use crate::settings::Settings;

use super::super::{Plan, Server};
use super::login::Sharing;
use super::{LEAST_LIFE, Options, TABLE, Vault};

/// It is used at once, for one exchange.
const LEAST_LIFE_OF_ID_TOKEN: Duration = Duration::from_secs(60);

/// What it would do now, if the settings say anything of it.
pub(in crate::consumer) fn plan(context: Context<'_>) -> Result<Option<Plan>> {
    let vault = Vault::open(&Options::default(), context)?;
    let (session, audience) = (&vault.session, vault.audience.clone());
    if !is_told(&session.settings) {
        return Ok(None);
    }
    let server = Some(Server {
        name: "Vault",
        endpoint: vault.server.endpoint.clone(),
        reach: vault.server.reach().clone(),
        public: ("/v1/sys/seal-status", &[]),
    });
    if let Some(lookup) = session.lookup()? {
        let plan = Plan::that_waits_for(lookup, TABLE.name, Some(audience));
        return Ok(Some(Plan { server, ..plan }));
    }
    let token = session.broker().prospect(&vault.login(Sharing::Shared)?, LEAST_LIFE)?;
    let mut prospects = Vec::new();
    if !token.outlook.is_hit() {
        prospects = session.prospects(&audience, LEAST_LIFE_OF_ID_TOKEN)?;
    }
    prospects.insert(0, token);
    Ok(Some(Plan { server, ..Plan::of(TABLE.name, audience, prospects) }))
}

/// The official clients' own variables are no reason to think that this is about Vault.
fn is_told(settings: &Settings) -> bool {
    ["address", "role", "mount"]
        .iter()
        .any(|key| settings.consumer(&TABLE, key, None, "--address").is_some())
}
