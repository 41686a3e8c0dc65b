//! Random lives: invitations, ends, time, faults, and a kill -9 at any word between the host and a gateway.

use super::*;

/// The ends of three gateways' lives are compared with the table after each step; the last one speaks PCP.
const GATEWAYS: [(&str, &str, &str); 3] = [
    ("router", "192.168.1.5", "11.0.0.1"),
    ("second", "10.0.0.5", "11.0.0.2"),
    ("pcp 172.16.0.1 from 172.16.0.5", "172.16.0.5", "11.0.0.3"),
];

#[derive(Clone, Debug)]
enum Step {
    Invite {
        minutes: u64,
    },
    /// Asks the gateways; no ticket follows.
    Ask,
    End(usize),
    EndAll,
    Pass {
        seconds: u64,
    },
    /// What a host or a command does.
    Settle,
    Fault {
        gateway: usize,
        fault: Fault,
    },
    Restart {
        gateway: usize,
    },
    /// From this many words on the process is dead, before or after the gateway has done what the word says.
    KillIn {
        words: u32,
        after: bool,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let fault = prop::sample::select(vec![
        Fault::None,
        Fault::None,
        Fault::Refuses,
        Fault::OnlyPermanent,
        Fault::SamePortOnly,
        Fault::Taken(1),
        Fault::Taken(2),
        Fault::Taken(9),
        Fault::Unreachable,
        Fault::AnswerLost,
        Fault::AnswerLost,
        Fault::SaysLater,
    ]);
    let step = prop_oneof![
        3 => (1..180_u64).prop_map(|minutes| Step::Invite { minutes }),
        1 => Just(Step::Ask),
        2 => any::<usize>().prop_map(Step::End),
        1 => Just(Step::EndAll),
        3 => (1..5000_u64).prop_map(|seconds| Step::Pass { seconds }),
        4 => Just(Step::Settle),
        4 => (0..GATEWAYS.len(), fault).prop_map(|(gateway, fault)| Step::Fault { gateway, fault }),
        1 => (0..GATEWAYS.len()).prop_map(|gateway| Step::Restart { gateway }),
        5 => (0..10_u32, any::<bool>()).prop_map(|(words, after)| Step::KillIn { words, after }),
    ];
    prop::collection::vec(step, 1..24)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, ..ProptestConfig::default() })]

    #[test]
    fn r059_r061_r062_nothing_is_at_a_gateway_without_a_row_and_nothing_stays_when_all_tickets_have_ended(steps in steps()) {
        let mut life = Life::new();
        for step in &steps {
            life.step(step);
            life.place.compare_with_gateways()?;
        }
        // Every gateway answers again, every ticket has ended, and somebody looks.
        life.revive();
        for (id, ..) in GATEWAYS {
            life.place.network.set_fault(id, Fault::None);
        }
        life.place.store().end_all(EndCause::Owner, life.place.now).unwrap();
        life.place.pass(HELD_FOR);
        life.place.settle();
        for (id, ..) in GATEWAYS {
            let left = life.place.network.table(id);
            prop_assert!(left.is_empty(), "{id} has {left:?}");
        }
        prop_assert!(life.place.rows().is_empty());
    }
}

impl Place {
    fn compare_with_gateways(&self) -> Result<(), TestCaseError> {
        let rows = self.rows();
        for (id, ..) in GATEWAYS {
            for entry in self.network.table(id) {
                let stands_for = |row: &&MappingRow| {
                    let mapping = &row.mapping;
                    let by = mapping.gateway.protocol();
                    let whatever_port = by.is_some_and(ra_nat::MappedBy::keeps_one_for_each_inside);
                    mapping.gateway.as_str() == id
                        && mapping.internal == entry.ask.internal
                        && (whatever_port || mapping.external_port == entry.ask.external_port)
                };
                let row = rows.iter().find(stands_for);
                prop_assert!(row.is_some(), "{id} has {entry:?}, noted is {rows:?}");
                let gone_by = rows
                    .iter()
                    .filter(stands_for)
                    .map(|row| row.mapping.gone_by)
                    .max_by_key(|gone| gone.unwrap_or(UnixTime(u64::MAX)));
                prop_assert!(
                    gone_by.flatten().is_none_or(|gone| entry.until.is_some_and(|until| until <= gone)),
                    "{id} keeps {entry:?} for longer than is noted: {rows:?}"
                );
            }
        }
        Ok(())
    }
}

struct Life {
    place: Place,
    mortal: Mortal,
    tickets: Vec<TicketId>,
}

impl Life {
    fn new() -> Self {
        let place = Place::new();
        for (id, local, external) in GATEWAYS {
            place.network.install(id, local, external);
        }
        let mortal = Mortal::new(&place);
        Self { place, mortal, tickets: Vec::new() }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Invite { minutes } => {
                let life = Duration::from_secs(minutes * 60);
                let reached = self.mappings().reach(&wanted(life), self.place.now, SOON);
                // A process that died while asking makes no ticket.
                if !self.revive() {
                    let ticket = self.place.insert(life, &reached.mappings);
                    self.tickets.push(ticket);
                }
            }
            Step::Ask => {
                self.mappings().reach(&wanted(HOUR), self.place.now, SOON);
                self.revive();
            }
            Step::End(which) if !self.tickets.is_empty() => {
                let ticket = self.tickets.swap_remove(which % self.tickets.len());
                // It may have run out already.
                self.place.store().end(&ticket, EndCause::Owner, self.place.now).unwrap();
            }
            Step::End(_) => {}
            Step::EndAll => {
                self.place.store().end_all(EndCause::Owner, self.place.now).unwrap();
                self.tickets.clear();
            }
            Step::Pass { seconds } => self.place.pass(Duration::from_secs(*seconds)),
            Step::Settle => {
                self.mappings().settle(self.place.now, SOON).unwrap();
                self.revive();
            }
            Step::Fault { gateway, fault } => self.place.network.set_fault(GATEWAYS[*gateway].0, *fault),
            Step::Restart { gateway } => {
                let (id, _, external) = GATEWAYS[*gateway];
                self.place.network.restart(id, external);
            }
            Step::KillIn { words, after } => self.mortal.kill_in(*words, *after),
        }
    }

    fn mappings(&self) -> Mappings {
        Mappings::open(&self.place.paths, Arc::new(self.mortal.clone())).unwrap()
    }

    /// After a death: the table is what it was on the disk in that moment, and the next process begins with it. True if so.
    fn revive(&mut self) -> bool {
        let died = self.mortal.take_death();
        if died {
            // The file stays the same one, and private.
            let state = std::fs::read(self.mortal.last_state()).unwrap();
            std::fs::write(self.place.paths.store(), state).unwrap();
            std::fs::remove_file(self.mortal.last_state()).unwrap();
        }
        died
    }
}

/// The network, as a process sees it that is killed in the middle of a word.
///
/// What the process writes into the table after its death is undone: in that moment the table is copied, as it then is on the
/// disk. What it tells a gateway after it is not heard.
#[derive(Clone)]
struct Mortal(Arc<Fate>);

struct Fate {
    network: FakeGateways,
    store: PathBuf,
    last_state: PathBuf,
    thread: Mutex<Thread>,
}

#[derive(Clone, Copy, Default)]
struct Thread {
    /// After so many more words, and whether the last one is still carried out.
    cut: Option<(u32, bool)>,
    dead: bool,
}

impl Mortal {
    fn new(place: &Place) -> Self {
        let last_state = place.directory.path().join("last-state.sqlite3");
        let store = place.paths.store();
        Self(Arc::new(Fate { network: place.network.clone(), store, last_state, thread: Mutex::default() }))
    }

    fn kill_in(&self, words: u32, after: bool) {
        self.0.thread.lock().unwrap().cut = Some((words, after));
    }

    fn take_death(&self) -> bool {
        std::mem::take(&mut self.0.thread.lock().unwrap().dead)
    }

    fn last_state(&self) -> &Path {
        &self.0.last_state
    }

    fn word<T>(&self, word: impl FnOnce(&FakeGateways) -> Result<T, MapError>) -> Result<T, MapError> {
        // One word at a time, so that nothing happens at a gateway between a death and the copy.
        let mut thread = self.0.thread.lock().unwrap();
        if thread.dead {
            return Err(MapError::Unreachable);
        }
        let (spoken, died) = match thread.cut {
            Some((0, after)) => (after, true),
            Some((words, after)) => {
                thread.cut = Some((words - 1, after));
                (true, false)
            }
            None => (true, false),
        };
        if died {
            *thread = Thread { cut: None, dead: true };
            self.keep_state();
        }
        let answer = if spoken { word(&self.0.network) } else { Err(MapError::Unreachable) };
        if died { Err(MapError::Unreachable) } else { answer }
    }

    /// Copies what is committed, and nothing that another thread of the process is only about to commit.
    fn keep_state(&self) {
        let store = rusqlite::Connection::open(&self.0.store).unwrap();
        store.busy_timeout(SOON).unwrap();
        store.execute("VACUUM INTO ?1", [self.0.last_state.to_str().unwrap()]).unwrap();
    }
}

impl Mapper for Mortal {
    fn gateways(&self) -> Result<Vec<Gateway>, MapError> {
        self.word(FakeGateways::gateways)
    }

    fn look(&self, gateway: &GatewayId) -> Result<Seen, MapError> {
        self.word(|network| network.look(gateway))
    }

    fn add(&self, gateway: &GatewayId, ask: &Ask) -> Result<Granted, MapError> {
        self.word(|network| network.add(gateway, ask))
    }

    fn renew(&self, gateway: &GatewayId, ask: &Ask) -> Result<Granted, MapError> {
        self.word(|network| network.renew(gateway, ask))
    }

    fn delete(&self, gateway: &GatewayId, ask: &Ask) -> Result<(), MapError> {
        self.word(|network| network.delete(gateway, ask))
    }
}

/// A wrong order of row and word is found within 40.
const CASES: u32 = 256;
