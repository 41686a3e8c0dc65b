//! Ways by relay, as the engine takes them: each connection is made on the thread that keeps the endpoint.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use ra_expert::{Duplex, Plan, Redial, Redialling, Way};
use ra_p2p::{Met, P2pError, Path, Pipe, Reached};
use ra_rendezvous::Route;
use ra_ticket::{Endpoint, Host};
use serde_json::json;
use tokio::runtime::{Builder, EnterGuard, Handle, Runtime};

use crate::cli::Common;
use crate::failure::Failure;
use crate::relays::Official;
use crate::report::{self, Report};

/// The way back to a computer that was met by a code.
pub(crate) struct BackToMet {
    met: Arc<Met>,
    thread: Handle,
}

/// The route of an invitation file, while it may be needed.
pub(crate) struct ByRoute {
    runtime: Runtime,
    reached: Arc<Reached>,
}

/// The route as the engine calls it.
struct Calling {
    reached: Arc<Reached>,
    thread: Handle,
}

impl BackToMet {
    pub(crate) fn new(met: Arc<Met>, runtime: &Runtime) -> Arc<Self> {
        Arc::new(Self { met, thread: runtime.handle().clone() })
    }
}

impl Redial for BackToMet {
    fn redial(&self) -> Redialling<'_> {
        let met = Arc::clone(&self.met);
        on(&self.thread, async move { met.pipe_anew().await })
    }
}

impl Redial for Calling {
    fn redial(&self) -> Redialling<'_> {
        let reached = Arc::clone(&self.reached);
        on(&self.thread, async move { reached.pipe().await })
    }
}

impl ByRoute {
    /// The route of a plan, where it has one that this program can take and policy leaves a relay of. Where policy leaves none the
    /// addresses remain, and that is said.
    pub(crate) fn of(plan: &Plan, report: &Report, common: &Common) -> Result<Option<Self>, Failure> {
        let Some(mut route) = plan.route().and_then(|route| route.parse::<Route>().ok()) else { return Ok(None) };
        route.relays = match Official::read().allowed_of(route.relays) {
            Ok(relays) => relays,
            Err(denied) => {
                report.note("route_refused", &json!({ "why": denied.to_string() }));
                if !common.json {
                    report::print(&format!("only the addresses of the invitation are tried: {denied}"));
                }
                return Ok(None);
            }
        };
        Ok(Some(Self { runtime: runtime()?, reached: Arc::new(Reached::new(route)) }))
    }

    /// The addresses of the invitation, and the route beside them.
    pub(crate) fn way(&self) -> Way {
        let thread = self.runtime.handle().clone();
        let other = Arc::new(Calling { reached: Arc::clone(&self.reached), thread });
        Way::DialAlso { other, endpoint: at_relay(&self.reached.relay()) }
    }

    /// Makes the engine that is started meanwhile run where the endpoint does.
    pub(crate) fn enter(&self) -> EnterGuard<'_> {
        self.runtime.enter()
    }

    /// Says goodbye.
    pub(crate) fn close(self) {
        self.runtime.block_on(self.reached.close());
        self.runtime.shutdown_timeout(GOODBYE);
    }
}

/// Runs there, since what an endpoint starts lives where it was started.
fn on<'a>(thread: &Handle, pipe: impl Future<Output = Result<Pipe, P2pError>> + Send + 'static) -> Redialling<'a> {
    let mut task = Wanted(thread.spawn(pipe));
    Box::pin(async move {
        let pipe = (&mut task.0).await.map_err(io::Error::other)?.map_err(io::Error::other)?;
        Ok(Box::new(pipe.stream) as Box<dyn Duplex>)
    })
}

/// A task that ends when nobody waits for it any more: a call that gets through late would take the place of a later one.
struct Wanted<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for Wanted<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What the events of a session call the other end: its address, or the relay's name.
pub(crate) fn endpoint(path: &Path) -> Endpoint {
    match path {
        Path::Direct(address) => match address.ip() {
            IpAddr::V4(v4) => Endpoint { host: Host::Ipv4(v4), port: address.port() },
            IpAddr::V6(v6) => Endpoint { host: Host::Ipv6(v6), port: address.port() },
        },
        Path::Relay(host) => at_relay(host),
    }
}

fn at_relay(host: &str) -> Endpoint {
    Endpoint { host: Host::Name(host.to_owned()), port: 443 }
}

/// The thread that keeps an endpoint.
pub(crate) fn runtime() -> Result<Runtime, Failure> {
    let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("p2p").enable_all().build();
    runtime.map_err(|error| Failure::Engine(error.to_string()))
}

/// How long the last words may take.
pub(crate) const GOODBYE: std::time::Duration = std::time::Duration::from_secs(2);
