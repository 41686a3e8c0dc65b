//! The demo.
use crate::ground::Done;
use clap::Args;
#[derive(Args)]
pub(crate) struct Options {
    /// On an X server of its own, with a real program on it
    #[arg(long)]
    x11: bool,
    /// Lets the person at the keyboard answer the questions
    #[arg(long)]
    interactive: bool,
}
pub(crate) fn run(options: &Options) -> Done {
    let _ = (options.x11, options.interactive);
    Ok(())
}
