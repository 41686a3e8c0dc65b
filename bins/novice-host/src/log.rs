//! The log on standard error, written around the live line of the terminal.

use tracing::{Level, Metadata};
use tracing_subscriber::filter::{EnvFilter, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt};

use crate::cli::{Common, LogFormat};
use crate::tell::LogLine;

/// Starts logging: `RUST_LOG` decides, else `-v` and `-q`.
pub(crate) fn start(common: &Common) {
    let level = match (common.quiet, common.verbose) {
        // What goes on between relays is told in our own words; theirs are for whoever asks for more.
        (true, _) => "error,iroh=off,noq=off,netwatch=off",
        (false, 0) => "warn,iroh=off,noq=off,netwatch=off",
        (false, 1) => "info",
        (false, 2) => "debug",
        (false, _) => "trace",
    };
    let wanted = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let colours = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && rustix::termios::isatty(rustix::stdio::stderr());
    let layer = fmt::layer().with_writer(|| LogLine).with_ansi(colours);
    let filter = filter_fn(is_fit_to_print);
    let registry = tracing_subscriber::registry();
    // Only a second call could fail, and there is none.
    let _ = match common.log_format {
        LogFormat::Text => registry.with(wanted).with(layer.with_filter(filter)).try_init(),
        LogFormat::Json => registry.with(wanted).with(layer.json().with_filter(filter)).try_init(),
    };
}

/// Two things stay out of this log whatever is asked for: what belongs into the administrator's audit log, since
/// refused tickets are nobody's business at this screen (R31), and what the RDP library prints at its lower levels,
/// since that is whole messages: session ids, keys, what is typed.
fn is_fit_to_print(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    target != "audit" && (!target.starts_with("ironrdp") || *metadata.level() <= Level::WARN)
}
