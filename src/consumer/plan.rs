//! What the consumers would do now with these settings, for `status` and `doctor`. Nobody is asked.

use crate::broker::Forecast;
use crate::error::Result;
use crate::http::{Endpoint, Reach};
use crate::run::Context;

use super::{aws, kubectl, token, vault};
use crate::foreign_text::Message;

/// What a consumer would do now.
#[derive(Debug)]
pub struct Plan {
    /// The consumer.
    pub consumer: &'static str,
    /// The audience of its ID tokens. `None` is the service account's own ID, and that is not known yet.
    pub audience: Option<String>,
    /// The server that it exchanges ID tokens at.
    pub server: Option<Server>,
    /// What it hands out, and behind it what that would be obtained by if it is not cached.
    pub forecasts: Vec<Forecast>,
    /// What works, and not well: what it is, and what to do.
    pub doubts: Vec<(Message, Message)>,
}

/// The server of a consumer.
#[derive(Debug)]
pub struct Server {
    /// How it is called.
    pub name: &'static str,
    /// Its address.
    pub endpoint: Endpoint,
    /// How it is reached.
    pub reach: Reach,
    /// What answers whoever asks, without being shown anything: a path, and a query.
    pub public: (&'static str, &'static [(&'static str, &'static str)]),
}

impl Plan {
    pub(super) fn of(consumer: &'static str, audience: String, forecasts: Vec<Forecast>) -> Self {
        let (audience, doubts) = (Some(audience), Vec::new());
        Self { consumer, audience, server: None, forecasts, doubts }
    }

    /// The plan of a consumer whose service account has to be looked up by its name first.
    pub(super) fn that_waits_for(
        lookup: Forecast,
        consumer: &'static str,
        audience: Option<String>,
    ) -> Self {
        Self { consumer, audience, server: None, forecasts: vec![lookup], doubts: Vec::new() }
    }
}

type Planner = fn(Context<'_>) -> Result<Option<Plan>>;

const PLANNERS: &[(&str, Planner)] = &[
    (token::TABLE.name, token::plan),
    (kubectl::TABLE.name, kubectl::plan),
    (aws::TABLE.name, aws::plan),
    (vault::TABLE.name, vault::plan),
];

/// The plans of all consumers that these settings are for.
#[must_use]
pub fn plans(context: Context<'_>) -> Vec<(&'static str, Result<Plan>)> {
    let plan =
        |(name, planner): &(&'static str, Planner)| Some((*name, planner(context).transpose()?));
    PLANNERS.iter().filter_map(plan).collect()
}
