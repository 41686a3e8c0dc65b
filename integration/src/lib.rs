//! The harness: plays the people in front of the shipped programs, from outside.
//!
//! It stands at the far end of the story. The programs under test are started as they are shipped, each on a
//! pseudo-terminal of its own; a [`Person`] reads what the program says and answers as somebody at the keyboard
//! would. Nothing here knows how the programs work inside, and no shipped crate knows this one: there is no way to
//! answer a question other than to type it.
//!
//! It never sleeps: every wait is for something that happens, and has a deadline; a wait that fails tells what was
//! seen until then.
//!
//! ```no_run
//! use integration::{Failure, Stage};
//!
//! fn main() -> Result<(), Failure> {
//!     let stage = Stage::new()?;
//!     let mut novice = stage.novice().invites("Kim Aalbers").start()?;
//!     novice.wait_event("listening")?;
//!     let mut expert = stage.expert().start()?;
//!     novice.says("y", "view")?;
//!     expert.wait_event("first_frame")?;
//!     Ok(())
//! }
//! ```

pub mod hostile;
pub mod lab;
pub mod picture;
pub mod probe;
pub mod proxy;
pub mod relay;
pub mod xserver;

mod failure;
mod person;
mod process;
mod stage;

pub use failure::Failure;
pub use person::{Event, Person};
pub use picture::Picture;
pub use process::{Output, PATIENCE, Process};
pub use rustix::process::Signal;
pub use stage::{Cast, Expert, PASSWORD, Stage, programs_dir};

/// What a test of the harness returns.
pub type Outcome = Result<(), Failure>;
