//! The runtime of tokio, and the descriptors that it needs.

use std::pin::Pin;

use crate::error::{Error, Result};

/// Runs work to its end.
#[inline(never)]
pub fn block_on(work: Pin<&mut dyn Future<Output = Result<()>>>) -> Result<()> {
    #[cfg(unix)]
    check_descriptors()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime =
        runtime.map_err(|error| Error::denied("cannot start the network runtime", error))?;
    let result = runtime.block_on(work);
    // A name lookup that hangs in the system's resolver must not delay the exit.
    runtime.shutdown_background();
    result
}

/// Checks that the system allows the sockets of every networked run: for events, signals, and two servers. The
/// runtime panics if it cannot create a pair of sockets.
#[cfg(unix)]
fn check_descriptors() -> Result<()> {
    use std::os::unix::net::UnixStream;

    const PAIRS: usize = 4;

    let mut taken = Vec::with_capacity(PAIRS);
    for _ in 0..PAIRS {
        let pair = UnixStream::pair()
            .map_err(|error| Error::denied("cannot make a pair of sockets", error))?;
        taken.push(pair);
    }
    let one_more = taken[0].0.try_clone();
    one_more.map(drop).map_err(|error| Error::denied("cannot open a socket", error))
}
