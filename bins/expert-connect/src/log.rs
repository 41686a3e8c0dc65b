//! The log on standard error.

use std::io::{self, IsTerminal as _};

use tracing::{Level, Metadata};
use tracing_subscriber::filter::{EnvFilter, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt};

use crate::cli::{Common, LogFormat};

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
    let filter = filter_fn(is_fit_to_print);
    let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let layer = fmt::layer().with_writer(io::stderr).with_ansi(colours);
    let registry = tracing_subscriber::registry();
    // Only a second call could fail, and there is none.
    let _ = match common.log_format {
        LogFormat::Text => registry.with(wanted).with(layer.with_filter(filter)).try_init(),
        LogFormat::Json => registry.with(wanted).with(layer.json().with_filter(filter)).try_init(),
    };
}

/// The RDP library prints whole messages at its lower levels: session ids, keys, what is typed. It never gets to.
/// The window library warns of screens that have no size and the like, which concerns nobody in front of them.
fn is_fit_to_print(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    let loudest = if target.starts_with("ironrdp") {
        Level::WARN
    } else if target.starts_with("winit") {
        Level::ERROR
    } else {
        Level::TRACE
    };
    *metadata.level() <= loudest
}
