//! One run: its settings, opened into a source and a broker.

use std::cell::OnceCell;
use std::rc::Rc;
use std::time::Duration;

use tracing::debug;

use crate::broker::{Broker, Fingerprint, Forecast, Purpose, Request};
use crate::cache::{Cache, FileCache, KeyringCache};
use crate::clock::{Clock, Deadline};
use crate::credential::{Credential, IdToken};
use crate::env::{self, Env};
use crate::error::{Error, Result};
use crate::foreign_text::ForeignText;
use crate::http::Http;
use crate::keyring::Keyring;
use crate::message;
use crate::pipe;
use crate::settings::schema::LOG_FILE;
use crate::settings::{CacheSetting, Flags, Locations, Origin, Settings, Table};
use crate::source::{
    self, FolderRequest, IdTokenRequest, IdentityInputs, ServiceAccount, ServiceAccountRequest,
    Source, YcDefaults, is_account_id,
};
use crate::spinner::Spinner;

/// A name is looked up for this run, at once.
const MINIMUM_LIFETIME_OF_NAME: Duration = Duration::ZERO;

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
    pub consumers: &'static [&'static Table],
    /// Whether it is people who wait, and not a program: they may be told what for.
    pub for_people: bool,
}

impl Context<'_> {
    /// The same, of a command that people run.
    #[must_use]
    pub const fn for_people(self) -> Self {
        Self { for_people: true, ..self }
    }

    /// What people see while they wait.
    #[must_use]
    pub fn spinner(&self) -> Spinner {
        let Self { flags, env, for_people, .. } = self;
        if *for_people {
            Spinner::at_terminal(flags.verbosity() > 0, flags.get_os(&LOG_FILE).is_some(), env)
        } else {
            Spinner::none()
        }
    }
}

/// One run.
#[derive(Debug)]
pub struct Run {
    /// What it has been told.
    pub settings: Rc<Settings>,
    source: Source,
    /// Where the profile of `yc` works, if the identity is from there.
    yc_defaults: YcDefaults,
    broker: Broker,
    /// The ID of the service account whose ID token is wanted, once it is known.
    service_account: OnceCell<String>,
}

impl Run {
    /// Opens a run of the consumers whose own settings are in `tables`.
    pub fn open(context: Context<'_>, tables: &[&'static Table]) -> Result<Self> {
        let locations = Locations::of_system();
        let Context { flags, env, consumers, .. } = context;
        let settings = Settings::load(flags, env, &locations, consumers, tables)?;
        let consumer = tables.first().map(|table| table.name);
        Self::of(settings, context, locations, consumer)
    }

    /// Opens a run that has been told `settings`, of a consumer.
    pub fn of(
        settings: Settings,
        context: Context<'_>,
        locations: Locations,
        consumer: Option<&'static str>,
    ) -> Result<Self> {
        let Context { env, clock, purpose, .. } = context;
        let settings = Rc::new(settings);
        let deadline = Deadline::within(settings.timeout.value);
        pipe::wait_until(deadline);
        let http = Http::new(
            clock,
            deadline,
            settings.ca_file.as_ref().map(|file| file.value.clone()),
            settings.proxy.as_ref().map(|proxy| proxy.value.clone()),
        );
        let around = IdentityInputs { settings: &settings, env, locations: &locations };
        let (source, yc_defaults) = Source::open(around, http)?;
        let cache = open_cache(&settings, locations, deadline)?;
        let (told, variables) = (Rc::clone(&settings), env.clone());
        let fingerprint = Fingerprint(Box::new(move || told.fingerprint(&variables)));
        let broker = Broker::new(
            clock,
            cache,
            deadline,
            match purpose {
                Purpose::Answer(_) if !settings.background_refresh.value => Purpose::Answer(None),
                purpose => purpose.clone(),
            },
            settings.force_refresh,
            fingerprint,
        )
        .asked_by(consumer, settings.profile.as_ref().map(|profile| profile.value.clone()))
        .watched(context.spinner())
        .within(&env.get(env::WITHIN).unwrap_or_default());
        Ok(Self { settings, source, yc_defaults, broker, service_account: OnceCell::new() })
    }

    /// The ID of the service account whose ID token is wanted: the one that is set, looked up if it is
    /// set by its name, or the identity's own.
    pub fn service_account(&self) -> Result<&str> {
        if let Some(found) = self.service_account.get() {
            return Ok(found);
        }
        let found = match &self.settings.service_account {
            Some(setting) => self.resolve(&setting.value)?,
            None => match self.source.service_account() {
                Some(own) => own.to_owned(),
                None => return Err(self.source.identity.tells_no_account()),
            },
        };
        Ok(self.service_account.get_or_init(|| found))
    }

    /// The ID of a service account that is named by it, or by a name in a folder.
    fn resolve(&self, account: &str) -> Result<String> {
        if is_account_id(account) {
            return Ok(account.to_owned());
        }
        let Some(folder) = self.folder()? else {
            // Another installation may have IDs of another form, and the server knows them.
            return Ok(account.to_owned());
        };
        let request =
            ServiceAccountRequest { source: &self.source, folder: &folder, name: account };
        Ok(self.obtain(&request, MINIMUM_LIFETIME_OF_NAME)?.secret.0)
    }

    /// The ID of the folder that names of service accounts are looked up in, if one is set.
    pub fn folder(&self) -> Result<Option<String>> {
        let settings = &self.settings;
        if let Some(name) = &settings.folder_name {
            let cloud = self.cloud().ok_or_else(|| Error::Missing {
                problem: message!(
                    "the cloud of the folder `{}` ({}) is not set",
                    ForeignText::new(&name.value),
                    name.origin
                ),
                hint: "give `--cloud-id`, or the folder's ID with `--folder-id`".into(),
            })?;
            let request = FolderRequest { source: &self.source, cloud, name: &name.value };
            return Ok(Some(self.obtain(&request, MINIMUM_LIFETIME_OF_NAME)?.secret.0));
        }
        let folder = settings.folder_id.as_ref().map(|folder| folder.value.clone());
        Ok(folder.or_else(|| self.yc_defaults.folder_id.clone()))
    }

    /// The ID of the cloud that names of folders are looked up in, if one is set.
    fn cloud(&self) -> Option<&str> {
        let cloud = self.settings.cloud_id.as_ref().map(|cloud| &cloud.value);
        cloud.or(self.yc_defaults.cloud_id.as_ref()).map(String::as_str)
    }

    /// The service accounts of a folder.
    pub fn service_accounts(&self, folder: &str) -> Result<Vec<ServiceAccount>> {
        let what = &"the list of service accounts".into();
        self.broker.wait(what, source::service_accounts(&self.source, &self.broker, folder))
    }

    /// The wish for an ID token for an audience.
    pub fn id_token_request<'a>(&'a self, audience: &'a str) -> Result<IdTokenRequest<'a>> {
        Ok(IdTokenRequest {
            source: &self.source,
            service_account: self.service_account()?,
            audience,
        })
    }

    /// An ID token for an audience that lives for `least_life` yet.
    pub fn id_token(
        &self,
        audience: &str,
        minimum_lifetime: Duration,
    ) -> Result<Credential<IdToken>> {
        self.obtain(&self.id_token_request(audience)?, minimum_lifetime)
    }

    /// Who we are, and where Yandex Cloud is.
    #[must_use]
    pub const fn source(&self) -> &Source {
        &self.source
    }

    /// What would happen if an ID token were wanted now, by a consumer that must get `least_life`: the ID
    /// token, and what it would be obtained by if it is not cached. Nobody is asked.
    pub fn forecasts(&self, audience: &str, minimum_lifetime: Duration) -> Result<Vec<Forecast>> {
        let id_token = self.broker.forecast(&self.id_token_request(audience)?, minimum_lifetime);
        let is_hit = id_token.prediction.is_hit();
        let mut forecasts = vec![id_token];
        if !is_hit {
            forecasts.extend(self.source.forecasts(&self.broker));
        }
        Ok(forecasts)
    }

    /// What would be looked up first, if the ID of the service account is not known without asking: its
    /// folder, or its name.
    pub fn lookup(&self) -> Result<Option<Forecast>> {
        let Some(account) = &self.settings.service_account else { return Ok(None) };
        if is_account_id(&account.value) || self.service_account.get().is_some() {
            return Ok(None);
        }
        if let Some(name) = &self.settings.folder_name
            && let Some(cloud) = self.cloud()
        {
            let request = FolderRequest { source: &self.source, cloud, name: &name.value };
            let folder = self.broker.forecast(&request, MINIMUM_LIFETIME_OF_NAME);
            if !folder.prediction.is_hit() {
                return Ok(Some(folder));
            }
        }
        let Some(folder) = self.folder()? else { return Ok(None) };
        let request =
            ServiceAccountRequest { source: &self.source, folder: &folder, name: &account.value };
        let account = self.broker.forecast(&request, MINIMUM_LIFETIME_OF_NAME);
        Ok(Some(account).filter(|account| !account.prediction.is_hit()))
    }

    /// What the issuer of ID tokens most likely is, for whoever has none to look at.
    #[must_use]
    pub fn issuer_by_guess(&self) -> &str {
        self.source.endpoints.oauth_name()
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
    pub fn obtain<O: Request>(
        &self,
        request: &O,
        minimum_lifetime: Duration,
    ) -> Result<Credential<O::Secret>> {
        let credential = self.broker.obtain(request, minimum_lifetime)?;
        debug!(expires_at = %credential.lifetime.expires_at, "handing out {}", request.what());
        Ok(credential)
    }
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
        (CacheSetting::File | CacheSetting::Keyring, None) => Err(Error::Cache(message!(
            "it is configured ({}), and there is no home folder for it and its locks",
            settings.cache.origin
        ))),
    }
}
