//! HelpAssistant in the table: a row of its own, and its right to log on as another with a deadline.
//!
//! The rules are those of [`ra_session::account`]; each change is part of the transaction that makes or ends a ticket, so
//! that no crash leaves an account enabled without a ticket, or a ticket without its account (R57, R62).

use ra_session::UnixTime;
use ra_session::account::{Account, HELP_ASSISTANT, LogonRight};
use ra_ticket::AssistantPassword;
use rusqlite::{OptionalExtension as _, Transaction, params};
use zeroize::{Zeroize as _, Zeroizing};

use super::{Store, StoreError, signed};

impl Store {
    /// HelpAssistant as it stands at `now`, after [`Store::sweep`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn account(&mut self, now: UnixTime) -> Result<Account, StoreError> {
        self.sweep(now)?;
        let transaction = self.connection.transaction()?;
        read(&transaction)
    }
}

/// The account of a new table: disabled (S9).
pub(super) fn create(transaction: &Transaction<'_>) -> Result<(), StoreError> {
    let account = Account::new(fresh_password()?);
    transaction.execute(
        "INSERT INTO account (name, password, enabled) VALUES (?1, ?2, 0)",
        params![HELP_ASSISTANT, account.password().expose()],
    )?;
    Ok(())
}

/// Tickets of a table that is older than the account get what tickets have: their owner and the password.
pub(super) fn adopt_open_tickets(transaction: &Transaction<'_>) -> Result<(), StoreError> {
    let owner = rustix::process::geteuid().as_raw();
    transaction.execute("UPDATE ticket SET owner = ?1", [owner])?;
    if any_open(transaction)? {
        let password = ticket_made(transaction)?;
        transaction.execute("UPDATE ticket SET assistant = ?1 WHERE status = 'open'", [password.expose()])?;
    }
    Ok(())
}

/// A ticket is being made; gives the password for it.
pub(super) fn ticket_made(transaction: &Transaction<'_>) -> Result<AssistantPassword, StoreError> {
    let mut account = read(transaction)?;
    let password = account.ticket_made(fresh_password()?);
    write(transaction, &account)?;
    Ok(password)
}

/// Tickets were ended at `when`: where none is left open, the account is disabled.
pub(super) fn settle(transaction: &Transaction<'_>, when: UnixTime) -> Result<(), StoreError> {
    if any_open(transaction)? {
        return Ok(());
    }
    let mut account = read(transaction)?;
    account.none_open(when);
    write(transaction, &account)
}

/// Takes the right away when its hour is over.
pub(super) fn pass_time(transaction: &Transaction<'_>, now: UnixTime) -> Result<(), StoreError> {
    let mut account = read(transaction)?;
    if account.pass_time(now) {
        write(transaction, &account)?;
    }
    Ok(())
}

fn any_open(transaction: &Transaction<'_>) -> Result<bool, StoreError> {
    Ok(transaction.query_row("SELECT EXISTS (SELECT 1 FROM ticket WHERE status = 'open')", [], |row| row.get(0))?)
}

fn read(transaction: &Transaction<'_>) -> Result<Account, StoreError> {
    let (password, enabled): (String, bool) =
        transaction.query_row("SELECT password, enabled FROM account WHERE name = ?1", [HELP_ASSISTANT], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    let password = Zeroizing::new(password);
    let right: Option<Option<i64>> = transaction
        .query_row("SELECT until FROM logon_right WHERE name = ?1", [HELP_ASSISTANT], |row| row.get(0))
        .optional()?;
    let right = match right {
        None => LogonRight::None,
        Some(None) => LogonRight::Held,
        Some(Some(until)) => LogonRight::Until(UnixTime(until.cast_unsigned())),
    };
    let password = AssistantPassword::from_stored(&password).ok_or(StoreError::Damaged(None))?;
    Ok(Account::from_parts(password, enabled, right))
}

fn write(transaction: &Transaction<'_>, account: &Account) -> Result<(), StoreError> {
    transaction.execute(
        "UPDATE account SET password = ?2, enabled = ?3 WHERE name = ?1",
        params![HELP_ASSISTANT, account.password().expose(), account.is_enabled()],
    )?;
    let until = match account.right() {
        LogonRight::None => {
            transaction.execute("DELETE FROM logon_right WHERE name = ?1", [HELP_ASSISTANT])?;
            return Ok(());
        }
        LogonRight::Held => None,
        LogonRight::Until(end) => Some(signed(end.0)),
    };
    transaction.execute(
        "INSERT INTO logon_right (name, until) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET until = excluded.until",
        params![HELP_ASSISTANT, until],
    )?;
    Ok(())
}

fn fresh_password() -> Result<AssistantPassword, StoreError> {
    let mut entropy = [0; 32];
    getrandom::fill(&mut entropy).map_err(StoreError::Entropy)?;
    let password = AssistantPassword::from_entropy(&entropy);
    entropy.zeroize();
    Ok(password)
}
