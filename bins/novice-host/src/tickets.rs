//! `novice-host tickets`: "View Invitation Status" for the terminal.

use std::time::SystemTime;

use ra_novice::control::{TicketSummary, Tickets};
use ra_novice::settings::Paths;
use ra_session::invitations::TicketId;
use serde_json::json;

use crate::cli;
use crate::failure::Failure;
use crate::reach;
use crate::tell::Teller;
use crate::words;

/// Lists, shows or ends tickets.
pub(crate) fn run(of: &cli::OfWhichTickets, teller: &Teller) -> Result<(), Failure> {
    let cli::OfWhichTickets { machine, what } = of;
    let paths = if *machine { Paths::of_the_machine() } else { Paths::from_environment()? };
    let mut tickets = if *machine { Tickets::of_the_machine(crate::now)? } else { Tickets::open(&paths, crate::now)? };
    match what {
        cli::Tickets::List => {
            let all = tickets.list()?;
            all.iter().for_each(|ticket| report(ticket, teller));
            teller.say(&table(&all, SystemTime::now()));
        }
        cli::Tickets::Show { ticket } => {
            let id = parse(ticket)?;
            let found = tickets.show(&id)?.ok_or_else(|| Failure::other(format!("there is no ticket {id}")))?;
            report(&found, teller);
            teller.say(&details(&found, SystemTime::now()));
        }
        cli::Tickets::Expire { tickets: ids, all } => {
            let outcome = if *all {
                tickets.expire_all()?
            } else {
                tickets.expire(&ids.iter().map(|id| parse(id)).collect::<Result<Vec<_>, _>>()?)?
            };
            // A host that runs does it by itself.
            if !tickets.is_hosted() {
                reach::settle(&paths);
            }
            for ticket in &outcome.ended {
                teller.event("ticket_ended", json!({ "ticket": ticket, "cause": "ended" }));
                teller.say(&format!("{ticket} has ended. Whoever holds that invitation is refused from now on."));
            }
            if *all && outcome.ended.is_empty() {
                teller.say("No invitation is open.");
            }
            if !outcome.not_open.is_empty() {
                return Err(Failure::other(format!("not an open ticket: {}", outcome.not_open.join(", "))));
            }
        }
    }
    Ok(())
}

fn parse(text: &str) -> Result<TicketId, Failure> {
    TicketId::parse(text)
        .ok_or_else(|| Failure::other(format!("{text:?} is no name of a ticket; `tickets list` shows them")))
}

fn report(ticket: &TicketSummary, teller: &Teller) {
    if !teller.is_json() {
        return;
    }
    let mut fields = serde_json::to_value(ticket).unwrap_or_default();
    fields["start"] = words::rfc3339(words::at(ticket.start)).into();
    fields["expires"] = words::rfc3339(words::at(ticket.expires)).into();
    fields["ended"] = ticket.ended.map(|ended| words::rfc3339(words::at(ended))).into();
    teller.event("ticket", fields);
}

/// The list as a table; newest first.
fn table(tickets: &[TicketSummary], now: SystemTime) -> String {
    if tickets.is_empty() {
        return "You have made no invitations.".to_owned();
    }
    let mut rows = vec![["ID".to_owned(), "STATUS".to_owned(), "UNTIL".to_owned(), "FILE".to_owned()]];
    rows.extend(tickets.iter().map(|ticket| {
        let until = words::local(words::at(ticket.expires), now);
        [ticket.ticket.clone(), status(ticket).to_owned(), until, harmless(ticket.file.as_deref().unwrap_or("-"))]
    }));
    let width = |column: usize| rows.iter().map(|row| words::width_of(&row[column]).0).max().unwrap_or_default();
    let widths = [width(0), width(1), width(2)];
    let line = |row: &[String; 4]| {
        let padded = (0..3).map(|i| format!("{}{}  ", row[i], " ".repeat(widths[i] - words::width_of(&row[i]).0)));
        format!("{}{}", padded.collect::<String>(), row[3])
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn details(ticket: &TicketSummary, now: SystemTime) -> String {
    let local = |seconds| words::local(words::at(seconds), now);
    let mut lines = vec![
        format!("Ticket      {}", ticket.ticket),
        format!("Status      {}", status(ticket)),
        format!("Your name   {}", harmless(&ticket.name)),
        format!("Made        {}", local(ticket.start)),
        format!("Until       {}", local(ticket.expires)),
    ];
    lines.extend(ticket.ended.map(|ended| format!("Ended       {}", local(ended))));
    lines.push(format!("Kind        {}", ticket.kind));
    lines.push(format!("Password    {}", if ticket.password { "yes" } else { "no" }));
    lines.push(format!("Control     {}", if ticket.view_only { "never" } else { "if you say yes" }));
    lines.extend(ticket.file.as_deref().map(|file| format!("File        {}", harmless(file))));
    lines.push(format!("Addresses   {}", ticket.endpoints.join(", ")));
    if ticket.wrong_passwords > 0 {
        lines.push(format!("Attention   {} wrong passwords so far", ticket.wrong_passwords));
    }
    lines.join("\n")
}

fn status(ticket: &TicketSummary) -> &'static str {
    match ticket.status.as_str() {
        "open" if ticket.in_use => "in use",
        "open" => "open",
        "expired" => "expired",
        "wrong_passwords" => "ended: wrong passwords",
        "refusals" => "ended: you said no",
        _ => "ended",
    }
}

/// File names may hold anything; a terminal does not get to see that.
fn harmless(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(ticket: &str, status: &str) -> TicketSummary {
        TicketSummary {
            ticket: ticket.to_owned(),
            status: status.to_owned(),
            in_use: false,
            name: "Kim".to_owned(),
            kind: "both".to_owned(),
            password: true,
            view_only: false,
            start: 1_767_225_600,
            expires: 1_767_229_200,
            ended: None,
            file: Some("/home/kim/Invitation\u{1b}[2J.MsRcIncident".to_owned()),
            endpoints: vec!["192.0.2.17:3389".to_owned()],
            wrong_passwords: 0,
            refusals: 0,
        }
    }

    #[test]
    fn the_table_lines_up_and_hides_control_characters() {
        let text = table(&[summary("ABCDEFGH", "open"), summary("QRSTUVWX", "wrong_passwords")], words::at(0));
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[2].contains("ended: wrong passwords"));
        assert!(!text.contains('\u{1b}'));
        let column = |line: &str| line.find("/home").unwrap();
        assert_eq!(column(lines[1]), column(lines[2]));
    }

    #[test]
    fn a_ticket_in_use_says_so_only_while_open() {
        let mut ticket = summary("ABCDEFGH", "open");
        ticket.in_use = true;
        assert_eq!(status(&ticket), "in use");
        ticket.status = "expired".to_owned();
        assert_eq!(status(&ticket), "expired");
    }

    #[test]
    fn nothing_to_list_is_said() {
        assert_eq!(table(&[], words::at(0)), "You have made no invitations.");
    }
}
