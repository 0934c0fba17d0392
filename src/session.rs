//! One run: its settings, opened into a source and a broker.

use std::time::Duration;

use tracing::debug;

use crate::broker::{Broker, Obtain, Purpose};
use crate::cache::{Cache, FileCache, KeyringCache};
use crate::clock::{Clock, Deadline};
use crate::credential::{Credential, IdToken};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::http::Http;
use crate::keyring::Keyring;
use crate::settings::{CacheSetting, Flags, Locations, Origin, Setting, Settings, Table};
use crate::source::{Endpoints, IdTokenWish, Identity, Source};

/// What a run is given.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The flags that every command takes.
    pub flags: &'a Flags,
    /// The environment.
    pub env: &'a Env,
    /// The clock.
    pub clock: Clock,
    /// What the run is for.
    pub purpose: &'a Purpose,
    /// The tables that may stand in a profile.
    pub consumers: &'a [&'a Table],
}

/// One run.
#[derive(Debug)]
pub struct Session {
    /// What it has been told.
    pub settings: Settings,
    source: Source,
    broker: Broker,
}

impl Session {
    /// Opens a run of the consumers whose own settings are in `tables`.
    pub fn open(context: Context<'_>, tables: &[&Table]) -> Result<Self> {
        let Context { flags, env, clock, purpose, consumers } = context;
        let locations = Locations::of_system();
        let settings = Settings::load(flags, env, &locations, consumers, tables)?;
        let deadline = Deadline::within(settings.timeout.value);
        let endpoints = Endpoints::new(
            text(settings.endpoint.as_ref()),
            text(settings.iam_endpoint.as_ref()),
            text(settings.oauth_endpoint.as_ref()),
        )?;
        let identity = Identity::open(settings.identity.as_ref(), env)?;
        let http = Http::new(
            clock,
            deadline,
            settings.ca_file.as_ref().map(|file| file.value.clone()),
            settings.proxy.as_ref().map(|proxy| proxy.value.clone()),
        );
        let cache = open_cache(&settings, locations, deadline)?;
        let broker = Broker::new(
            clock,
            cache,
            deadline,
            match purpose {
                Purpose::Answer(_) if !settings.background_refresh.value => Purpose::Answer(None),
                purpose => purpose.clone(),
            },
            settings.force_refresh,
            settings.fingerprint,
        );
        Ok(Self { settings, source: Source { identity, endpoints, http }, broker })
    }

    /// The service account whose ID token is wanted: the one that is set, or the identity's own.
    pub fn service_account(&self) -> Result<&str> {
        if let Some(setting) = &self.settings.service_account {
            return Ok(&setting.value);
        }
        match &self.source.identity {
            Identity::AuthorizedKey(key) => Ok(&key.service_account_id),
            Identity::Metadata(_) if self.settings.identity.is_none() => Err(Error::NoIdentity {
                tried: "no key file and no IAM token is set; this machine's own service account is only tried with `--service-account`".into(),
            }),
            identity => Err(Error::Missing {
                problem: format!("the service account whose ID token is wanted is not set, and {} does not tell it", identity.describe()),
                hint: "give `--service-account` with its ID (`aje…`)".into(),
            }),
        }
    }

    /// The wish for an ID token for an audience.
    pub fn id_token_wish<'a>(&'a self, audience: &'a str) -> Result<IdTokenWish<'a>> {
        Ok(IdTokenWish { source: &self.source, service_account: self.service_account()?, audience })
    }

    /// An ID token for an audience that lives for `least_life` yet.
    pub fn id_token(&self, audience: &str, least_life: Duration) -> Result<Credential<IdToken>> {
        self.obtain(&self.id_token_wish(audience)?, least_life)
    }

    /// The broker of this run.
    #[must_use]
    pub const fn broker(&self) -> &Broker {
        &self.broker
    }

    /// How servers are reached in this run.
    #[must_use]
    pub const fn http(&self) -> &Http {
        &self.source.http
    }

    /// A credential that lives for `least_life` yet.
    pub fn obtain<O: Obtain>(
        &self,
        wish: &O,
        least_life: Duration,
    ) -> Result<Credential<O::Secret>> {
        let credential = self.broker.obtain(wish, least_life)?;
        debug!(expires_at = %credential.lifetime.expires_at, "handing out {}", wish.what());
        Ok(credential)
    }
}

fn text(setting: Option<&Setting<String>>) -> Option<&str> {
    setting.map(|setting| setting.value.as_str())
}

fn open_cache(settings: &Settings, locations: Locations, deadline: Deadline) -> Result<Cache> {
    match (settings.cache.value, locations.cache_folder) {
        (CacheSetting::None, _) => Ok(Cache::None),
        (CacheSetting::File, Some(folder)) => {
            Ok(Cache::File(FileCache::new(folder, locations.runtime_folder)))
        }
        (CacheSetting::Keyring, Some(folder)) => {
            let files = FileCache::new(folder, locations.runtime_folder);
            Ok(Cache::Keyring(KeyringCache::new(files, Keyring::of_system(Some(deadline)))))
        }
        (CacheSetting::File, None) if settings.cache.origin == Origin::BuiltIn => {
            debug!("there is no home folder to keep credentials in");
            Ok(Cache::None)
        }
        (CacheSetting::File | CacheSetting::Keyring, None) => Err(Error::Cache(format!(
            "it was asked for ({}), and there is no home folder to keep it, or its locks, in",
            settings.cache.origin
        ))),
    }
}
