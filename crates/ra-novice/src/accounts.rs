//! Helpers who are known by the password of an account of this computer.
//!
//! PAM says whether the password is right and the account may be used now. Its modules may take seconds, and they are
//! other people's code: they run on a thread of their own, a few at a time, and nobody's session waits for one. Where the
//! host is not root's service for the machine there is nobody here who could ask: see [`NoAccounts`].

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use ra_pam::{NoPam, Pam, Refused};
use ra_policy::PasswordAllowed;
use ra_session::invitations::Source;
use ra_ticket::AccountLogin;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::arrival::Peer;
use crate::helpers::KnownHelper;
use crate::settings::Paths;

/// Checks passwords of this computer's accounts.
pub struct Accounts {
    check: Arc<Check>,
    places: Arc<Semaphore>,
    sources: Rc<RefCell<BTreeSet<Source>>>,
}

/// Why no password can be checked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoAccounts {
    /// The host runs as some user, who may not judge the passwords of others.
    #[error("only a host that root runs for the machine can check the password of an account")]
    NotTheMachine,
    /// This computer has no PAM.
    #[error(transparent)]
    NoPam(#[from] NoPam),
}

/// One source's turn: it tries one password at a time, so that none goes uncounted beside another.
pub(crate) struct Turn {
    source: Source,
    sources: Rc<RefCell<BTreeSet<Source>>>,
}

/// A place at PAM. It is given back when PAM has answered, whoever still waits for the answer.
pub(crate) struct Place(OwnedSemaphorePermit);

impl Accounts {
    /// The accounts of this computer, for a host with these paths.
    ///
    /// # Errors
    /// [`NoAccounts`], a sentence for the administrator.
    pub fn of_this_computer(paths: &Paths) -> Result<Self, NoAccounts> {
        if !paths.is_machine() {
            return Err(NoAccounts::NotTheMachine);
        }
        let pam = Pam::load()?;
        Ok(Self::checked_by(move |login, from| {
            pam.check(SERVICE, login.name.as_str(), login.password.expose(), &from.host())
        }))
    }

    fn checked_by(check: impl Fn(&AccountLogin, &Peer) -> Result<(), Refused> + Send + Sync + 'static) -> Self {
        Self { check: Arc::new(check), places: Arc::new(Semaphore::new(PLACES)), sources: Rc::default() }
    }

    /// This source's turn; `None` while it has one already.
    pub(crate) fn turn(&self, source: Source) -> Option<Turn> {
        let first = self.sources.borrow_mut().insert(source);
        first.then(|| Turn { source, sources: Rc::clone(&self.sources) })
    }

    /// Waits for a place. Whoever stops waiting has tried nothing.
    pub(crate) async fn place(&self) -> Option<Place> {
        Arc::clone(&self.places).acquire_owned().await.ok().map(Place)
    }

    /// The helper whose account and password these are, with the groups of the account.
    ///
    /// Runs to its end on its own thread, also when nobody waits for it any more.
    ///
    /// # Errors
    /// What PAM said; also where the system gives no thread, or a module took it down.
    pub(crate) async fn check(
        &self,
        _: PasswordAllowed,
        Place(place): Place,
        login: AccountLogin,
        from: Peer,
    ) -> Result<KnownHelper, Refused> {
        let (tell, told) = oneshot::channel();
        let check = Arc::clone(&self.check);
        let asks = move || {
            let name = login.name.clone();
            let checked = check(&login, &from);
            drop(login);
            let known = checked.and_then(|()| KnownHelper::of_account(&name).ok_or(Refused::Wrong));
            drop(place);
            let _ = tell.send(known);
        };
        if let Err(error) = std::thread::Builder::new().name("pam".into()).spawn(asks) {
            tracing::error!(%error, "the system gives no thread");
        }
        told.await.unwrap_or(Err(Refused::Failed(NOBODY_ANSWERED)))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.sources.borrow_mut().remove(&self.source);
    }
}

impl std::fmt::Debug for Accounts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Accounts")
    }
}

type Check = dyn Fn(&AccountLogin, &Peer) -> Result<(), Refused> + Send + Sync;

/// Whose rules PAM goes by: `/etc/pam.d/remote-assistance`.
const SERVICE: &str = "remote-assistance";
/// Passwords that are checked at one time. Each wrong one keeps its thread for some seconds, so this is also what bounds
/// how many can be tried in a minute from all addresses together.
const PLACES: usize = 4;
/// Not one of PAM's numbers.
const NOBODY_ANSWERED: i32 = -1;

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use ra_policy::{Layer, Policy, PolicyText, Source as From};
    use ra_ticket::{AccountName, AccountPassword};

    use super::*;

    fn allowed() -> PasswordAllowed {
        let text = "fAllowUnsolicited = 1\nfAllowOfferByPassword = 1\n";
        let settings = PolicyText::from_toml(text).unwrap().for_member_of(&[]);
        Policy::of([Layer::new(From::Machine, "policy.toml", settings)]).may_offer_by_password().unwrap()
    }

    fn login(password: &str) -> AccountLogin {
        AccountLogin { name: AccountName::new("root").unwrap(), password: AccountPassword::new(password).unwrap() }
    }

    fn here() -> Peer {
        "192.0.2.7:50123".parse().unwrap()
    }

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
    }

    #[test]
    fn a_right_password_gives_the_account_with_its_groups_and_a_wrong_one_nobody() {
        let accounts =
            Accounts::checked_by(|login, _| (login.password.expose() == "right").then_some(()).ok_or(Refused::Wrong));
        runtime().block_on(async {
            let place = accounts.place().await.unwrap();
            let helper = accounts.check(allowed(), place, login("right"), here()).await.unwrap();
            assert_eq!(helper.called(), "root");
            assert!(helper.offerer.names.len() == 1, "the account and its group of the same name: {helper:?}");
            let place = accounts.place().await.unwrap();
            assert_eq!(accounts.check(allowed(), place, login("wrong"), here()).await.unwrap_err(), Refused::Wrong);
        });
        assert_eq!(accounts.places.available_permits(), PLACES);
    }

    #[test]
    fn a_module_that_breaks_its_thread_lets_nobody_in() {
        let accounts = Accounts::checked_by(|_, _| panic!("a module of somebody else"));
        runtime().block_on(async {
            let place = accounts.place().await.unwrap();
            let refused = accounts.check(allowed(), place, login("right"), here()).await.unwrap_err();
            assert_eq!(refused, Refused::Failed(NOBODY_ANSWERED));
        });
    }

    /// Modules that answer late keep their places, and nobody else waits in line for ever: whoever gives up is out of it.
    #[test]
    fn late_modules_keep_the_others_out_and_the_runtime_free() {
        let (go, wait) = mpsc::channel::<()>();
        let wait = std::sync::Mutex::new(wait);
        let accounts = Rc::new(Accounts::checked_by(move |_, _| {
            let _ = wait.lock().unwrap().recv();
            Err(Refused::Wrong)
        }));
        runtime().block_on(tokio::task::LocalSet::new().run_until(async {
            let mut waiting = Vec::new();
            for _ in 0..PLACES {
                let place = accounts.place().await.unwrap();
                let accounts = Rc::clone(&accounts);
                waiting.push(tokio::task::spawn_local(async move {
                    accounts.check(allowed(), place, login("x"), here()).await.unwrap_err()
                }));
            }
            {
                let mut next = std::pin::pin!(accounts.place());
                let pending = std::future::poll_fn(|cx| std::task::Poll::Ready(next.as_mut().poll(cx).is_pending()));
                assert!(pending.await, "there are {PLACES} places");
            }
            drop(go);
            for refused in waiting {
                assert_eq!(refused.await.unwrap(), Refused::Wrong);
            }
            assert!(accounts.place().await.is_some());
        }));
    }

    #[test]
    fn a_source_has_one_turn_at_a_time() {
        let accounts = Accounts::checked_by(|_, _| Ok(()));
        let (one, other) = (here().source(), Source::of("192.0.2.8".parse().unwrap()));
        let turn = accounts.turn(one).unwrap();
        assert!(accounts.turn(one).is_none() && accounts.turn(other).is_some());
        drop(turn);
        assert!(accounts.turn(one).is_some());
    }

    #[test]
    fn a_host_of_a_user_checks_nobody_s_password() {
        let paths = |root| Paths::resolve(|name| (name == "HOME").then(|| "/home/kim".into()), root).unwrap();
        assert_eq!(Accounts::of_this_computer(&paths(false)).unwrap_err(), NoAccounts::NotTheMachine);
        match Accounts::of_this_computer(&paths(true)) {
            Ok(_) => {}
            Err(why) => assert!(why.to_string().contains("PAM"), "{why}"),
        }
    }
}
