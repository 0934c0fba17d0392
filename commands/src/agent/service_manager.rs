//! Reports to systemd (`sd_notify(3)`): ready, status, reloading and watchdog.
//!
//! A report is a datagram to the service manager's socket. If it cannot be sent, it is dropped, because the agent can
//! do nothing about it.

use std::time::Duration;

use tokio::time::{Interval, interval};

use crate::env::{self, Env};
use crate::foreign_text::Message;

/// The service manager, if one has started this process.
pub(super) struct ServiceManager {
    socket: Option<socket::Socket>,
    watchdog: Option<Interval>,
    is_ready: bool,
    last: Message,
}

impl ServiceManager {
    pub(super) fn of(env: &Env) -> Self {
        let socket = env.get(env::NOTIFY_SOCKET).and_then(|name| socket::Socket::open(&name));
        let watchdog = socket.as_ref().and_then(|_| watchdog_interval(env)).map(interval);
        Self { socket, watchdog, is_ready: false, last: Message::default() }
    }

    /// Reports the state. The first report with all credentials means that the service is ready.
    pub(super) fn report(&mut self, summary: &Message, is_complete: bool) {
        if is_complete && !self.is_ready {
            self.is_ready = true;
            self.send("READY=1");
        }
        if self.last != *summary {
            self.send(&format!("STATUS={summary}"));
            self.last = summary.clone();
        }
    }

    pub(super) fn reloading(&self) {
        if let Some(now) = socket::monotonic_microseconds() {
            self.send(&format!("RELOADING=1\nMONOTONIC_USEC={now}"));
        }
    }

    /// Reports the end of a reload, successful or not.
    pub(super) fn reloaded(&self) {
        self.send("READY=1");
    }

    pub(super) fn stopping(&self) {
        self.send("STOPPING=1");
    }

    /// Reports that the process works, when the watchdog expects it. Without a watchdog, it waits forever.
    pub(super) async fn watchdog(&mut self) {
        match &mut self.watchdog {
            Some(watchdog) => watchdog.tick().await,
            None => std::future::pending().await,
        };
        self.send("WATCHDOG=1");
    }

    fn send(&self, report: &str) {
        if let Some(socket) = &self.socket {
            socket.send(report);
        }
    }
}

/// The interval of reports: half the watchdog's time, if the watchdog is for this process.
fn watchdog_interval(env: &Env) -> Option<Duration> {
    let pid = env.get(env::WATCHDOG_PID);
    if pid.is_some_and(|pid| pid != std::process::id().to_string()) {
        return None;
    }
    let limit: u64 = env.get(env::WATCHDOG_USEC)?.parse().ok()?;
    Some(Duration::from_micros(limit / 2)).filter(|interval| !interval.is_zero())
}

#[cfg(unix)]
mod socket {
    use std::os::unix::net::{SocketAddr, UnixDatagram};

    pub(super) struct Socket(UnixDatagram, SocketAddr);

    impl Socket {
        pub(super) fn open(name: &str) -> Option<Self> {
            let address = match name.strip_prefix('@') {
                Some(name) => abstract_address(name)?,
                None => SocketAddr::from_pathname(name).ok()?,
            };
            let socket = UnixDatagram::unbound().ok()?;
            socket.set_nonblocking(true).ok()?;
            Some(Self(socket, address))
        }

        pub(super) fn send(&self, report: &str) {
            let _ = self.0.send_to_addr(report.as_bytes(), &self.1);
        }
    }

    #[cfg(target_os = "linux")]
    fn abstract_address(name: &str) -> Option<SocketAddr> {
        use std::os::linux::net::SocketAddrExt as _;
        SocketAddr::from_abstract_name(name).ok()
    }

    #[cfg(not(target_os = "linux"))]
    fn abstract_address(_: &str) -> Option<SocketAddr> {
        None
    }

    pub(super) fn monotonic_microseconds() -> Option<u128> {
        use rustix::time::{ClockId, clock_gettime};
        let now = std::time::Duration::try_from(clock_gettime(ClockId::Monotonic));
        now.ok().map(|now| now.as_micros())
    }
}

#[cfg(windows)]
mod socket {
    /// Windows has no such service manager.
    pub(super) enum Socket {}

    impl Socket {
        pub(super) const fn open(_: &str) -> Option<Self> {
            None
        }

        pub(super) const fn send(&self, _: &str) {
            match *self {}
        }
    }

    pub(super) const fn monotonic_microseconds() -> Option<u128> {
        None
    }
}
