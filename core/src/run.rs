//! The composition root of one run: builds a source, a broker and an HTTP layer from its settings.

use std::cell::OnceCell;
use std::rc::Rc;
use std::time::Duration;

use tracing::debug;

use crate::broker::{Asker, Broker, BrokerOptions, Fingerprint, Forecast, Purpose, Request};
use crate::cache::{Cache, FileCache, KeyringCache};
use crate::clock::{Clock, Deadline};
use crate::credential::{Credential, IdToken};
use crate::env::{self, Env};
use crate::error::{Error, Result};
use crate::foreign_text::Message;
use crate::http::Http;
use crate::keyring::Keyring;
use crate::message;
use crate::pipe;
use crate::settings::schema::LOG_FILE;
use crate::settings::{CacheSetting, Flags, Locations, Origin, Settings, Table};
use crate::source::{Directory, IdTokenRequest, IdentityInputs, ServiceAccount, Source};
use crate::spinner::Spinner;

#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The flags that every command takes.
    pub flags: &'a Flags,
    pub env: &'a Env,
    pub locations: &'a Locations,
    pub clock: Clock,
    pub purpose: &'a Purpose,
    /// The tables that a profile may have.
    pub consumers: &'static [&'static Table],
    /// Whether a user waits for it, and may see a spinner.
    pub for_people: bool,
}

impl Context<'_> {
    /// The same, for a command that people run.
    #[must_use]
    pub const fn for_people(self) -> Self {
        Self { for_people: true, ..self }
    }

    /// What users see while they wait.
    pub fn spinner(&self) -> Spinner {
        let Self { flags, env, for_people, .. } = self;
        if *for_people {
            Spinner::at_terminal(flags.verbosity() > 0, flags.get_os(&LOG_FILE).is_some(), env)
        } else {
            Spinner::none()
        }
    }
}

/// A context that can be moved to another thread.
#[derive(Clone, Debug)]
pub struct OwnedContext {
    flags: Flags,
    env: Env,
    locations: Locations,
    clock: Clock,
    consumers: &'static [&'static Table],
}

impl OwnedContext {
    pub fn of(context: Context<'_>) -> Self {
        let Context { flags, env, locations, clock, consumers, .. } = context;
        let (flags, env, locations) = (flags.clone(), env.clone(), locations.clone());
        Self { flags, env, locations, clock, consumers }
    }

    /// The context of a run for this purpose.
    pub const fn to_run<'a>(&'a self, purpose: &'a Purpose) -> Context<'a> {
        let Self { flags, env, locations, clock, consumers } = self;
        Context { flags, env, locations, clock: *clock, purpose, consumers, for_people: false }
    }

    pub const fn clock(&self) -> Clock {
        self.clock
    }
}

#[derive(Debug)]
pub struct Run {
    pub settings: Rc<Settings>,
    source: Source,
    broker: Broker,
    /// The ID of the service account to get the ID token for, once it is known.
    service_account: OnceCell<String>,
}

impl Run {
    /// Opens a run of the consumers with these tables.
    pub fn open(context: Context<'_>, tables: &[&'static Table]) -> Result<Self> {
        let Context { flags, env, locations, consumers, .. } = context;
        let settings = Settings::load(flags, env, locations, consumers, tables)?;
        Self::of(settings, context, tables.first().map(|table| table.name))
    }

    /// Opens a run of a consumer with loaded settings.
    pub fn of(
        settings: Settings,
        context: Context<'_>,
        consumer: Option<&'static str>,
    ) -> Result<Self> {
        let Context { env, locations, clock, purpose, .. } = context;
        let settings = Rc::new(settings);
        let deadline = Deadline::within(settings.timeout.value);
        pipe::set_deadline(deadline);
        let http = Http::new(
            clock,
            deadline,
            settings.ca_file.as_ref().map(|file| file.value.clone()),
            settings.proxy.as_ref().map(|proxy| proxy.value.clone()),
        );
        let source = Source::open(IdentityInputs { settings: &settings, env, locations }, http)?;
        let (fingerprinted, variables) = (Rc::clone(&settings), env.clone());
        let fingerprint = move || fingerprinted.fingerprint(&variables);
        let broker = Broker::new(BrokerOptions {
            clock,
            cache: open_cache(&settings, locations, deadline)?,
            deadline,
            purpose: match purpose {
                Purpose::Answer(_) if !settings.background_refresh.value => Purpose::Answer(None),
                purpose => purpose.clone(),
            },
            force_refresh: settings.force_refresh,
            settings: Fingerprint(Box::new(fingerprint)),
            asker: Asker {
                command: consumer,
                profile: settings.profile.as_ref().map(|profile| profile.value.clone()),
            },
            spinner: context.spinner(),
            outer_runs: env.get(env::WITHIN).unwrap_or_default(),
        });
        Ok(Self { settings, source, broker, service_account: OnceCell::new() })
    }

    /// The service accounts and folders that this run looks up by name.
    pub fn directory(&self) -> Directory<'_> {
        let Self { settings, source, broker, .. } = self;
        Directory { settings, source, broker }
    }

    /// The ID of the service account to get the ID token for: the configured one, looked up if it is a name, or that
    /// of the identity.
    pub fn service_account(&self) -> Result<&str> {
        if let Some(found) = self.service_account.get() {
            return Ok(found);
        }
        let found = self.directory().service_account()?;
        Ok(self.service_account.get_or_init(|| found))
    }

    /// The ID of the folder in which names of service accounts are looked up, if one is set.
    pub fn folder(&self) -> Result<Option<String>> {
        self.directory().folder()
    }

    pub fn service_accounts(&self, folder: &str) -> Result<Vec<ServiceAccount>> {
        self.directory().service_accounts(folder)
    }

    /// The lookup by name before a request for an ID token, if it needs a server.
    pub fn lookup(&self) -> Result<Option<Forecast>> {
        if self.service_account.get().is_some() { Ok(None) } else { self.directory().lookup() }
    }

    /// What to do if that lookup finds nothing.
    pub fn lookup_hint(&self) -> Option<Message> {
        self.directory().lookup_hint()
    }

    /// The request for an ID token for an audience.
    pub fn id_token_request<'a>(&'a self, audience: &'a str) -> Result<IdTokenRequest<'a>> {
        let service_account = self.service_account()?;
        Ok(IdTokenRequest { source: &self.source, service_account, audience })
    }

    /// An ID token for an audience, with a minimum lifetime.
    pub fn id_token(
        &self,
        audience: &str,
        minimum_lifetime: Duration,
    ) -> Result<Credential<IdToken>> {
        self.obtain(&self.id_token_request(audience)?, minimum_lifetime)
    }

    pub const fn source(&self) -> &Source {
        &self.source
    }

    /// The probable issuer of ID tokens, if there is no token to read it from.
    pub fn issuer_by_guess(&self) -> &str {
        self.source.endpoints.oauth_name()
    }

    pub const fn broker(&self) -> &Broker {
        &self.broker
    }

    pub const fn http(&self) -> &Http {
        &self.source.http
    }

    /// A credential with a minimum lifetime.
    pub fn obtain<O: Request>(
        &self,
        request: &O,
        minimum_lifetime: Duration,
    ) -> Result<Credential<O::Secret>> {
        let credential = self.broker.obtain(request, minimum_lifetime)?;
        debug!(expires_at = %credential.lifetime.expires_at, "returning {}", request.what());
        Ok(credential)
    }
}

fn open_cache(settings: &Settings, locations: &Locations, deadline: Deadline) -> Result<Cache> {
    let folder = locations.cache_folder.clone();
    let files = folder.map(|folder| FileCache::new(folder, locations.runtime_folder.clone()));
    match (settings.cache.value, files) {
        (CacheSetting::None, _) => Ok(Cache::None),
        (CacheSetting::File, Some(files)) => Ok(Cache::File(files)),
        (CacheSetting::Keyring, Some(files)) => {
            Ok(Cache::Keyring(KeyringCache::new(files, Keyring::of_system(Some(deadline)))))
        }
        (CacheSetting::File, None) if settings.cache.origin == Origin::BuiltIn => {
            debug!("there is no home folder to keep credentials in");
            Ok(Cache::None)
        }
        (CacheSetting::File | CacheSetting::Keyring, None) => Err(Error::Cache(
            message!(
                "it is configured ({}), and there is no home folder for it and its locks",
                settings.cache.origin
            )
            .into(),
        )),
    }
}
