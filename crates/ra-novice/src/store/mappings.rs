//! The mappings of gateways in the table: what may exist out there, and which tickets use it.
//!
//! A row is written before its gateway is asked and leaves after the gateway has confirmed, so that a process killed at any
//! moment leaves a row for whatever it may have made (R62). Which tickets use it is a table of its own, since two may share
//! one; whether those are open is read from the tickets themselves: ending the last one is all it takes to make a mapping
//! due for removal, also where nobody runs who could remove it (R59, R61). The rules are [`ra_nat::Mapping`]'s.

use ra_nat::{Ask, GatewayId, Lease, Mapping, Stage, Transport};
use ra_session::UnixTime;
use ra_session::invitations::TicketId;
use rusqlite::{OptionalExtension as _, Row, Transaction, params};

use super::{Store, StoreError, TicketRow, signed};

/// Which row a mapping is. Never used a second time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MappingKey(i64);

/// One mapping, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappingRow {
    /// Which row it is.
    pub key: MappingKey,
    /// The mapping.
    pub mapping: Mapping,
    /// When the last of the open tickets that use it runs out; `None` when none does.
    pub used_until: Option<UnixTime>,
}

impl Store {
    /// Adds a ticket as [`Store::insert`] does, and notes the mappings that its invitation lists.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing was added.
    pub fn insert_mapped(&mut self, row: &mut TicketRow, mappings: &[MappingKey]) -> Result<(), StoreError> {
        let transaction = self.begin()?;
        let assistant = super::insert(&transaction, row)?;
        for key in mappings {
            note_use(&transaction, &row.id, *key)?;
        }
        transaction.commit()?;
        row.assistant = assistant;
        Ok(())
    }

    /// Notes that an open ticket uses mappings that were made after it; false when it has ended, and then they are nobody's.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing was noted.
    pub fn use_mappings(&mut self, ticket: &TicketId, mappings: &[MappingKey]) -> Result<bool, StoreError> {
        let transaction = self.begin()?;
        let open = "SELECT count(*) FROM ticket WHERE id = ?1 AND status = 'open'";
        if transaction.query_row(open, [ticket.as_str()], |row| row.get::<_, u32>(0))? == 0 {
            return Ok(false);
        }
        for key in mappings {
            note_use(&transaction, ticket, *key)?;
        }
        transaction.commit()?;
        Ok(true)
    }

    /// Every mapping that may exist at a gateway, the oldest first, after [`Store::sweep`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn mappings(&mut self, now: UnixTime) -> Result<Vec<MappingRow>, StoreError> {
        self.sweep(now)?;
        let transaction = self.connection.transaction()?;
        let mut statement = transaction.prepare_cached(&format!("{SELECT} ORDER BY id"))?;
        let rows = statement.query_map([], |row| Ok(read(row)))?;
        rows.map(|row| row.map_err(StoreError::from)?).collect()
    }

    /// Writes down a mapping that a gateway is about to be asked for; `None` when there are enough already.
    pub(crate) fn add_mapping(&mut self, mapping: &Mapping) -> Result<Option<MappingKey>, StoreError> {
        let transaction = self.begin()?;
        let (all, here): (u32, u32) = transaction.query_row(
            "SELECT count(*), count(*) FILTER (WHERE gateway = ?1) FROM mapping",
            [mapping.gateway.as_str()],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        if all >= MOST_MAPPINGS || here >= MOST_AT_A_GATEWAY {
            return Ok(None);
        }
        transaction.execute(
            "INSERT INTO mapping (gateway, internal, external, external_port, lease, made, gone_by, stage, held_until, transport)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            params![
                mapping.gateway.as_str(),
                mapping.internal.to_string(),
                mapping.external.to_string(),
                mapping.external_port,
                lease_seconds(mapping.lease),
                signed(mapping.made.0),
                mapping.gone_by.map(|gone| signed(gone.0)),
                name(mapping.stage),
                signed(mapping.held_until.0),
                mapping.transport.name(),
            ],
        )?;
        let key = MappingKey(transaction.last_insert_rowid());
        transaction.commit()?;
        Ok(Some(key))
    }

    /// Writes down what is known of a mapping now; false when it is being removed, or is gone, or stands at an outside port that
    /// another one has.
    pub(crate) fn save_mapping(&mut self, key: MappingKey, mapping: &Mapping) -> Result<bool, StoreError> {
        let transaction = self.begin()?;
        let (gateway, port) = (mapping.gateway.as_str(), mapping.external_port);
        if mapping.gateway.protocol().is_some_and(ra_nat::MappedBy::keeps_one_for_each_inside) {
            // Where the gateway chooses the port, it may choose the one of an earlier row for the same inside: then it never lost that
            // mapping, and this row takes it over.
            transaction.execute(
                "DELETE FROM mapping WHERE gateway = ?2 AND external_port = ?3 AND internal = ?4 AND id <> ?1
                     AND stage <> 'made' AND transport = ?5",
                params![key.0, gateway, port, mapping.internal.to_string(), mapping.transport.name()],
            )?;
        }
        let others = "SELECT count(*) FROM mapping WHERE gateway = ?2 AND external_port = ?3 AND id <> ?1";
        if transaction.query_row(others, params![key.0, gateway, port], |row| row.get::<_, u32>(0))? > 0 {
            return Ok(false);
        }
        // `held_until` is left alone: another process may have begun to hold it.
        let saved = transaction.execute(
            "UPDATE mapping SET external = ?2, external_port = ?3, lease = ?4, made = ?5, gone_by = ?6, stage = ?7
                 WHERE id = ?1 AND stage <> 'leaving'",
            params![
                key.0,
                mapping.external.to_string(),
                mapping.external_port,
                lease_seconds(mapping.lease),
                signed(mapping.made.0),
                mapping.gone_by.map(|gone| signed(gone.0)),
                name(mapping.stage),
            ],
        )?;
        transaction.commit()?;
        Ok(saved == 1)
    }

    /// Holds a mapping that was made for a ticket that will be; false when it is being removed, or is gone.
    pub(crate) fn hold_mapping(&mut self, key: MappingKey, until: UnixTime) -> Result<bool, StoreError> {
        let transaction = self.begin()?;
        let held = transaction.execute(
            "UPDATE mapping SET held_until = ?2 WHERE id = ?1 AND stage = 'made'",
            params![key.0, signed(until.0)],
        )?;
        transaction.commit()?;
        Ok(held == 1)
    }

    /// Marks a mapping as being removed, for good; false when it is not due, since somebody uses or holds it again.
    pub(crate) fn mapping_leaves(&mut self, key: MappingKey, now: UnixTime) -> Result<bool, StoreError> {
        let transaction = self.begin()?;
        let row = one(&transaction, key)?;
        let due = row.is_some_and(|row| row.mapping.due(row.used_until, now) == ra_nat::Due::Remove);
        if due {
            transaction.execute("UPDATE mapping SET stage = 'leaving' WHERE id = ?1", [key.0])?;
            transaction.commit()?;
        }
        Ok(due)
    }

    /// Strikes out a mapping that is at no gateway any more.
    pub(crate) fn forget_mapping(&mut self, key: MappingKey) -> Result<(), StoreError> {
        let transaction = self.begin()?;
        transaction.execute("DELETE FROM mapping WHERE id = ?1", [key.0])?;
        Ok(transaction.commit()?)
    }
}

fn note_use(transaction: &Transaction<'_>, ticket: &TicketId, key: MappingKey) -> Result<(), StoreError> {
    // One that was removed meanwhile is not brought back: the expert finds it dead and tries the next address.
    transaction.execute(
        "INSERT OR IGNORE INTO mapping_use (ticket, mapping)
             SELECT ?1, id FROM mapping WHERE id = ?2 AND stage = 'made'",
        params![ticket.as_str(), key.0],
    )?;
    // From here on the ticket holds it: when that ends, nobody waits for it any longer (R61). Of two invitations made
    // in the same breath the second may find it gone when the first is ended at once, and lists a dead address.
    transaction.execute("UPDATE mapping SET held_until = 0 WHERE id = ?1 AND stage = 'made'", [key.0])?;
    Ok(())
}

fn one(transaction: &Transaction<'_>, key: MappingKey) -> Result<Option<MappingRow>, StoreError> {
    let mut statement = transaction.prepare_cached(&format!("{SELECT} WHERE id = ?1"))?;
    statement.query_row([key.0], |row| Ok(read(row))).optional()?.transpose()
}

fn read(row: &Row<'_>) -> Result<MappingRow, StoreError> {
    let damaged = || StoreError::Damaged(None);
    let text = |column: &str| Ok::<_, StoreError>(row.get::<_, String>(column)?);
    let time = |column: &str| Ok::<_, StoreError>(UnixTime(row.get::<_, i64>(column)?.cast_unsigned()));
    let optional = |column: &str| Ok::<_, StoreError>(row.get::<_, Option<i64>>(column)?.map(i64::cast_unsigned));
    let lease = match optional("lease")? {
        Some(seconds) => Lease::For(std::time::Duration::from_secs(seconds)),
        None => Lease::Permanent,
    };
    let ask = Ask {
        transport: Transport::from_name(&text("transport")?).ok_or_else(damaged)?,
        internal: text("internal")?.parse().map_err(|_| damaged())?,
        external_port: row.get("external_port")?,
        lease,
    };
    let stage = text("stage")?;
    Ok(MappingRow {
        key: MappingKey(row.get("id")?),
        mapping: Mapping {
            gateway: GatewayId::new(&text("gateway")?).ok_or_else(damaged)?,
            transport: ask.transport,
            internal: ask.internal,
            external: text("external")?.parse().map_err(|_| damaged())?,
            external_port: ask.external_port,
            lease,
            made: time("made")?,
            gone_by: optional("gone_by")?.map(UnixTime),
            stage: STAGES.into_iter().find(|known| name(*known) == stage).ok_or_else(damaged)?,
            held_until: time("held_until")?,
        },
        used_until: optional("used_until")?.map(UnixTime),
    })
}

fn lease_seconds(lease: Lease) -> Option<i64> {
    match lease {
        Lease::For(lease) => Some(signed(lease.as_secs())),
        Lease::Permanent => None,
    }
}

const fn name(stage: Stage) -> &'static str {
    match stage {
        Stage::Asked => "asked",
        Stage::Made => "made",
        Stage::Leaving => "leaving",
    }
}

const STAGES: [Stage; 3] = [Stage::Asked, Stage::Made, Stage::Leaving];

/// At one gateway: more than one computer's listeners need, and what a gateway that never confirms a removal may collect.
const MOST_AT_A_GATEWAY: u32 = 32;
/// At all gateways that this computer ever met and that do not confirm. Beyond it, invitations go without an outside address.
const MOST_MAPPINGS: u32 = 1024;

const SELECT: &str = "
    SELECT *, (SELECT max(start + length) FROM mapping_use JOIN ticket ON ticket.id = mapping_use.ticket
        WHERE mapping_use.mapping = mapping.id AND status = 'open') AS used_until FROM mapping";

/// What the third format has instead of the second's table of mappings, which nothing ever wrote to. `lease` and `gone_by` are
/// NULL for what a gateway never forgets.
pub(super) const THIRD: &str = "
    DROP TABLE mapping;
    CREATE TABLE mapping (
        id            INTEGER PRIMARY KEY AUTOINCREMENT,
        gateway       TEXT NOT NULL,
        internal      TEXT NOT NULL,
        external      TEXT NOT NULL,
        external_port INTEGER NOT NULL,
        lease         INTEGER,
        made          INTEGER NOT NULL,
        gone_by       INTEGER,
        stage         TEXT NOT NULL,
        held_until    INTEGER NOT NULL,
        UNIQUE (gateway, external_port)
    ) STRICT;
    CREATE TABLE mapping_use (
        ticket  TEXT NOT NULL REFERENCES ticket (id) ON DELETE CASCADE,
        mapping INTEGER NOT NULL REFERENCES mapping (id) ON DELETE CASCADE,
        PRIMARY KEY (ticket, mapping)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX mapping_used ON mapping_use (mapping);
";

/// What the fourth format has beyond it. Whatever the transport, an outside port is one row's: nobody needs two of the same number.
pub(super) const FOURTH: &str = "ALTER TABLE mapping ADD COLUMN transport TEXT NOT NULL DEFAULT 'tcp';";

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::super::{APPLICATION, SCHEMA, SECOND, account, make_private};
    use super::*;

    const NOW: UnixTime = UnixTime(1_767_225_600);

    fn store_in(directory: &Path) -> Store {
        Store::open(&directory.join("tickets.sqlite3")).unwrap()
    }

    fn mapping(gateway: &str, external_port: u16) -> Mapping {
        let lease = Lease::For(Duration::from_secs(600));
        let ask = Ask { transport: Transport::Tcp, internal: "[2a00::5]:3389".parse().unwrap(), external_port, lease };
        Mapping::asked(GatewayId::new(gateway).unwrap(), "11.0.0.1".parse().unwrap(), &ask, NOW)
    }

    #[test]
    fn r062_a_mapping_survives_that_the_table_is_closed_and_opened() {
        let directory = tempfile::tempdir().unwrap();
        let udp = Mapping { transport: Transport::Udp, ..mapping("router", 50_002) };
        let mut permanent = mapping("router", 50_001);
        permanent.will_ask(&Ask { lease: Lease::Permanent, ..permanent.ask() }, NOW);
        permanent.confirmed(&permanent.ask().granted(), NOW.after(Duration::from_secs(3)));
        let written = [mapping("router", 50_000), permanent, udp];
        let keys = written.each_ref().map(|mapping| store_in(directory.path()).add_mapping(mapping).unwrap().unwrap());
        let rows = store_in(directory.path()).mappings(NOW).unwrap();
        assert_eq!(rows.iter().map(|row| row.key).collect::<Vec<_>>(), keys);
        assert_eq!(rows.iter().map(|row| row.mapping.clone()).collect::<Vec<_>>(), written);
        assert!(rows.iter().all(|row| row.used_until.is_none()));
    }

    #[test]
    fn a_mapping_that_leaves_is_neither_held_nor_saved_nor_used_again() {
        let directory = tempfile::tempdir().unwrap();
        let mut store = store_in(directory.path());
        let mut one = mapping("router", 50_000);
        let key = store.add_mapping(&one).unwrap().unwrap();
        assert!(!store.hold_mapping(key, NOW).unwrap(), "it is not made yet");
        one.confirmed(&one.ask().granted(), NOW);
        assert!(store.save_mapping(key, &one).unwrap());
        assert!(!store.mapping_leaves(key, NOW).unwrap(), "it is held");
        assert!(store.hold_mapping(key, NOW).unwrap());
        assert!(store.mapping_leaves(key, NOW).unwrap());
        assert!(!store.hold_mapping(key, NOW.after(Duration::from_secs(30))).unwrap());
        assert!(!store.save_mapping(key, &one).unwrap());
        assert_eq!(store.mappings(NOW).unwrap()[0].mapping.stage, Stage::Leaving);
        store.forget_mapping(key).unwrap();
        assert!(store.mappings(NOW).unwrap().is_empty());
        assert_ne!(store.add_mapping(&one).unwrap(), Some(key), "no row gets the name of another");
    }

    #[test]
    fn a_gateway_that_confirms_nothing_does_not_fill_the_table() {
        let directory = tempfile::tempdir().unwrap();
        let mut store = store_in(directory.path());
        for n in 0..MOST_AT_A_GATEWAY {
            let port = 50_000 + u16::try_from(n).unwrap();
            assert!(store.add_mapping(&mapping("router", port)).unwrap().is_some());
        }
        assert_eq!(store.add_mapping(&mapping("router", 60_000)).unwrap(), None);
        assert!(store.add_mapping(&mapping("another", 60_000)).unwrap().is_some());
    }

    #[test]
    fn a_table_of_the_second_format_is_taken_over() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("tickets.sqlite3");
        make_private(&file).unwrap();
        let mut old = rusqlite::Connection::open(&file).unwrap();
        let transaction = old.transaction().unwrap();
        transaction.execute_batch(SCHEMA).unwrap();
        transaction.execute_batch(SECOND).unwrap();
        account::create(&transaction).unwrap();
        transaction.pragma_update(None, "application_id", APPLICATION).unwrap();
        transaction.pragma_update(None, "user_version", 2).unwrap();
        transaction
            .execute(
                "INSERT INTO ticket (id, session_id, name, needs_password, start, length, kind, view_only, status, endpoints)
                     VALUES ('AAAA', 'abc', 'Kim', 0, ?1, 3600, 'v1', 0, 'open', '[]')",
                [signed(NOW.0)],
            )
            .unwrap();
        transaction.commit().unwrap();
        drop(old);
        let mut store = store_in(directory.path());
        assert_eq!(store.open_tickets(NOW).unwrap().len(), 1);
        assert!(store.add_mapping(&mapping("router", 50_000)).unwrap().is_some());
        assert_eq!(store_in(directory.path()).mappings(NOW).unwrap().len(), 1);
    }

    #[test]
    fn a_mapping_of_the_third_format_is_one_of_tcp() {
        let directory = tempfile::tempdir().unwrap();
        let key = store_in(directory.path()).add_mapping(&mapping("router", 50_000)).unwrap();
        let old = rusqlite::Connection::open(directory.path().join("tickets.sqlite3")).unwrap();
        old.execute_batch("ALTER TABLE mapping DROP COLUMN transport; PRAGMA user_version = 3;").unwrap();
        drop(old);
        let rows = store_in(directory.path()).mappings(NOW).unwrap();
        assert_eq!((rows.len(), Some(rows[0].key)), (1, key));
        assert_eq!(rows[0].mapping, mapping("router", 50_000));
    }
}
