//! A sleep that includes the time for which the machine is suspended. The network runtime's timers stop then, so that
//! a credential would be renewed too late.
//!
//! On Linux it is one timer of the kernel, without other wake-ups.

use std::time::Duration;

use crate::clock::Clock;

/// Sleeps for this long by this clock.
pub(crate) async fn sleep(clock: Clock, duration: Duration) {
    #[cfg(test)]
    if let Clock::Simulated(time) = clock {
        return time.pass(duration);
    }
    #[cfg(target_os = "linux")]
    if by_kernel(duration).await.is_ok() {
        return;
    }
    by_looking(clock, duration).await;
}

#[cfg(target_os = "linux")]
async fn by_kernel(duration: Duration) -> std::io::Result<()> {
    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };
    use tokio::io::unix::AsyncFd;

    let timer =
        timerfd_create(TimerfdClockId::Boottime, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
    let never = Timespec { tv_sec: 0, tv_nsec: 0 };
    // Zero would disable the timer.
    let duration = duration.max(Duration::from_millis(1));
    let it_value = Timespec::try_from(duration).map_err(|_| std::io::ErrorKind::InvalidInput)?;
    timerfd_settime(
        &timer,
        TimerfdTimerFlags::empty(),
        &Itimerspec { it_interval: never, it_value },
    )?;
    #[expect(deprecated, reason = "its successor is unsafe; this descriptor is never exchanged")]
    let timer = AsyncFd::new(timer)?;
    timer.readable().await.map(drop)
}

/// Checks the clock repeatedly.
async fn by_looking(clock: Clock, duration: Duration) {
    const LONGEST: Duration = Duration::from_secs(30);

    let end = clock.now().at.plus(duration);
    loop {
        let left = end.since(clock.now().at);
        if left.is_zero() {
            return;
        }
        tokio::time::sleep(left.min(LONGEST)).await;
    }
}
