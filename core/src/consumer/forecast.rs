//! Predicts a run of a consumer, for `status` and `doctor`. Sends no request.

use std::rc::Rc;
use std::time::Duration;

use crate::broker::{Forecast, Request as _};
use crate::error::Result;
use crate::run::{Context, Run};

use super::run::{ConsumerRun, minimum_share};
use super::{Consumer, ConsumerRequest, Server, Warning};

/// The prediction for a run of a consumer.
#[derive(Debug)]
pub struct ConsumerForecast {
    /// The audience of its ID tokens. `None` means the service account's ID, which is not known yet.
    pub audience: Option<String>,
    /// The server that exchanges its ID tokens.
    pub server: Option<Server>,
    /// Its credential and, if that is not cached, those that it is obtained with; or the lookup that comes first.
    pub credentials: Vec<Forecast>,
    /// Settings that work, but not well.
    pub warnings: Vec<Warning>,
}

/// The forecast of a consumer, if the settings are for it.
pub(super) fn forecast<C: Consumer>(context: Context<'_>) -> Result<Option<ConsumerForecast>> {
    let run = Rc::new(Run::open(context, C::TABLES)?);
    if !C::is_configured(&run.settings) {
        return Ok(None);
    }
    let consumer = C::open(&C::Args::default(), &run.settings, context)?;
    let (server, mut warnings) = (consumer.server(), consumer.warnings());
    let mut audience = consumer.audience().map(str::to_owned);
    let credentials = match run.lookup()? {
        Some(lookup) => {
            let problem =
                "it is not documented that the metadata service names the service account";
            let doubt = |hint| Warning { problem: problem.into(), hint };
            warnings.extend(run.lookup_hint().map(doubt));
            vec![lookup]
        }
        None => {
            if audience.is_none() {
                audience = Some(run.service_account()?.to_owned());
            }
            credentials(&ConsumerRun { run, consumer })?
        }
    };
    Ok(Some(ConsumerForecast { audience, server, credentials, warnings }))
}

fn credentials<C: Consumer>(opened: &ConsumerRun<C>) -> Result<Vec<Forecast>> {
    let (request, run) = (opened.request()?, &opened.run);
    let cached = run.broker().cache().lifetime(&request.key());
    let share = cached.map(|lifetime| minimum_share::<C>(lifetime.whole())).unwrap_or_default();
    Ok(of_request(run, &request, opened.consumer.minimum_lifetime().max(share)))
}

/// A request and, if it is not cached, those that it is obtained with.
pub(super) fn of_request<R: ConsumerRequest>(
    run: &Run,
    request: &R,
    minimum_lifetime: Duration,
) -> Vec<Forecast> {
    let mut forecasts = vec![run.broker().forecast(request, minimum_lifetime)];
    let is_hit = |forecasts: &[Forecast]| {
        forecasts.last().is_some_and(|forecast| forecast.prediction.is_hit())
    };
    if let Some((id_token, minimum_lifetime)) = request.exchanged()
        && !is_hit(&forecasts)
    {
        forecasts.push(run.broker().forecast(id_token, minimum_lifetime));
    }
    if !is_hit(&forecasts) {
        forecasts.extend(run.source().forecasts(run.broker()));
    }
    forecasts
}
