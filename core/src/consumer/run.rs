//! A run of a consumer: obtains its credential, renders it and delivers it. A background refresh only obtains it.

use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use crate::broker::Request as _;
use crate::credential::Credential;
use crate::error::Result;
use crate::output::Output;
use crate::run::{Context, Run};

use super::Consumer;

/// A consumer in a run, which other consumers may share.
pub(crate) struct ConsumerRun<C> {
    pub(crate) run: Rc<Run>,
    pub(crate) consumer: C,
}

impl<C: Consumer> ConsumerRun<C> {
    pub(crate) fn open(args: &C::Args, context: Context<'_>) -> Result<Self> {
        let context = if C::FOR_PEOPLE { context.for_people() } else { context };
        Self::within(Rc::new(Run::open(context, C::TABLES)?), args, context)
    }

    /// Opens a consumer in a run that has read its settings.
    pub(super) fn within(run: Rc<Run>, args: &C::Args, context: Context<'_>) -> Result<Self> {
        let consumer = C::open(args, &run.settings, context)?;
        Ok(Self { run, consumer })
    }

    pub(crate) fn request(&self) -> Result<C::Request<'_>> {
        let audience = match self.consumer.audience() {
            Some(audience) => audience,
            None => self.run.service_account()?,
        };
        Ok(self.consumer.request(self.run.id_token_request(audience)?))
    }

    /// The credential, from the cache or a new one.
    pub(crate) fn obtain(&self) -> Result<Credential<C::Secret>> {
        self.obtain_for(self.consumer.minimum_lifetime())
    }

    /// The same, with another minimum lifetime.
    pub(super) fn obtain_for(&self, minimum: Duration) -> Result<Credential<C::Secret>> {
        let request = self.request()?;
        let credential = self.run.obtain(&request, minimum)?;
        // Only now is its whole lifetime known.
        let share = minimum_share::<C>(credential.lifetime.whole());
        let is_short = || credential.lifetime.left(self.run.broker().clock().now()) < share;
        if !share.is_zero() && is_short() {
            return self.run.obtain(&request, minimum.max(share));
        }
        Ok(credential)
    }

    /// Obtains the credential, renders it and delivers it.
    pub(crate) fn run(&self, output: &mut Output<'_>) -> Result<ExitCode> {
        self.consumer.render(&self.obtain()?)?.carry_out(output)
    }

    pub(crate) fn refresh(&self) -> Result<()> {
        if self.request()?.is_cacheable() { self.obtain().map(drop) } else { Ok(()) }
    }
}

/// The minimum lifetime of a credential with this whole lifetime, by its share alone.
pub(super) fn minimum_share<C: Consumer>(whole: Duration) -> Duration {
    C::MINIMUM_SHARE.map_or(Duration::ZERO, |share| whole / share)
}
