//! From the seeds and the requirements to the tests: which has a test, a page, or nothing yet.
//!
//! `docs/seed.md` lists the behaviours of the original, `docs/requirements.md` what has to hold in the life of a ticket. A test
//! proves one by carrying its number: `s052_...`, `r040a_...`, `s033_r055_...`. A page under `docs/` covers one by naming it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;

use clap::Args;

use crate::ground::{Done, Trouble, files, root};

#[derive(Args)]
pub(crate) struct Options {
    /// Items that must have a test, such as `S1,S41-S48,R1-R5,R40a`
    #[arg(long, value_name = "LIST")]
    require: Option<String>,
    /// Only items without a test or a page
    #[arg(long)]
    missing: bool,
}

/// A number on one of the two lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Id {
    list: List,
    number: u16,
    /// The small letter behind the number of a requirement that was put in later, as in R40a.
    letter: Option<char>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum List {
    Seeds,
    Requirements,
}

/// One row of a list.
struct Item {
    id: Id,
    /// Of a seed only.
    kind: String,
    text: String,
    tests: Vec<String>,
    pages: Vec<String>,
}

pub(crate) fn run(options: &Options) -> Done {
    let items = items()?;
    for list in List::ALL {
        let of_list = || items.values().filter(|item| item.id.list == list);
        for item in of_list().filter(|item| !options.missing || item.is_missing()) {
            println!("{:<6}{:11}{}\n      {}", item.id.to_string(), item.kind, item.status(), item.text);
        }
        let proved = of_list().filter(|item| !item.tests.is_empty()).count();
        let missing = of_list().filter(|item| item.is_missing()).count();
        let all = of_list().count();
        println!(
            "{}: {all}, {proved} proved, {} on a page, {missing} nothing yet\n",
            list.name(),
            all - proved - missing
        );
    }
    match &options.require {
        Some(list) => check(&required(list, &items)?, &items, |_| true),
        None => Ok(()),
    }
}

/// The items that must be proved, by tests that passed in this run.
pub(crate) fn require(passed: impl Fn(&str) -> bool) -> Done {
    let items = items()?;
    check(&required(REQUIRED, &items)?, &items, passed)
}

fn check(required: &[Id], items: &BTreeMap<Id, Item>, passed: impl Fn(&str) -> bool) -> Done {
    let proved = |id: &&Id| items.get(id).is_some_and(|item| item.tests.iter().any(|t| passed(t)));
    let missing: Vec<_> = required.iter().filter(|id| !proved(id)).map(Id::to_string).collect();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(Trouble::new(format!("without a test that passes: {}", missing.join(" "))))
    }
}

/// Reads the lists, then looks for each item's tests and pages.
fn items() -> Result<BTreeMap<Id, Item>, Trouble> {
    let mut items = BTreeMap::new();
    for list in List::ALL {
        let text = fs::read_to_string(root().join(list.file()));
        let text = text.map_err(|e| Trouble::new(format!("{}: {e}", list.file())))?;
        items.extend(text.lines().filter_map(|line| Item::read(list, line)).map(|item| (item.id, item)));
    }
    let mut unknown = Vec::new();
    for name in files()? {
        let Ok(text) = fs::read_to_string(root().join(&name)) else { continue };
        if name.ends_with(".rs") {
            for test in text.lines().filter_map(function) {
                for id in proved_by(test) {
                    match items.get_mut(&id) {
                        Some(item) => item.tests.push(test.to_owned()),
                        None => unknown.push(format!("{test} in {name}")),
                    }
                }
            }
        } else if name.ends_with(".md") && name.starts_with("docs/") && List::ALL.iter().all(|list| list.file() != name)
        {
            for id in named_in(&text) {
                items.entry(id).and_modify(|item| item.pages.push(name.clone()));
            }
        }
    }
    if unknown.is_empty() {
        Ok(items)
    } else {
        Err(Trouble::new(format!("numbers of no list: {}", unknown.join(", "))))
    }
}

impl Item {
    /// A row of a list: `| S12 | kind | text |`, `| R12 | text |`.
    fn read(list: List, line: &str) -> Option<Self> {
        let mut cells = line.strip_prefix('|')?.split('|').map(str::trim);
        let id = Id::parse(cells.next()?).filter(|id| id.list == list)?;
        let kind = match list {
            List::Seeds => cells.next()?.to_owned(),
            List::Requirements => String::new(),
        };
        let text = cells.next()?.to_owned();
        Some(Self { id, kind, text, tests: Vec::new(), pages: Vec::new() })
    }

    fn is_missing(&self) -> bool {
        self.tests.is_empty() && self.pages.is_empty()
    }

    fn status(&self) -> String {
        match (self.tests.as_slice(), self.pages.first()) {
            ([one], _) => one.clone(),
            ([first, more @ ..], _) => format!("{first} and {} more", more.len()),
            ([], Some(page)) => format!("page {page}"),
            ([], None) => "nothing yet".to_owned(),
        }
    }
}

impl Id {
    /// Reads `S12`, `R12`, `R40a`.
    fn parse(text: &str) -> Option<Self> {
        let (list, rest) = List::ALL.iter().find_map(|list| Some((*list, text.strip_prefix(list.letter())?)))?;
        Self::of(list, rest)
    }

    /// Reads what stands at the start of a test's name: `s012`, `r012`, `r040a`.
    fn in_a_name(part: &str) -> Option<Self> {
        let lower = |list: &List| list.letter().to_ascii_lowercase();
        let (list, rest) = List::ALL.iter().find_map(|list| Some((*list, part.strip_prefix(lower(list))?)))?;
        let digits = rest.trim_end_matches(|c: char| c.is_ascii_lowercase());
        Self::of(list, rest).filter(|_| digits.len() == 3)
    }

    fn of(list: List, rest: &str) -> Option<Self> {
        let letter = rest.chars().next_back().filter(char::is_ascii_lowercase);
        let digits = if letter.is_some() { &rest[..rest.len() - 1] } else { rest };
        let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        is_number.then_some(())?;
        Some(Self { list, number: digits.parse().ok()?, letter })
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.list.letter(), self.number)?;
        self.letter.map_or(Ok(()), |letter| write!(f, "{letter}"))
    }
}

impl List {
    const ALL: [Self; 2] = [Self::Seeds, Self::Requirements];

    fn letter(self) -> char {
        match self {
            Self::Seeds => 'S',
            Self::Requirements => 'R',
        }
    }

    fn file(self) -> &'static str {
        match self {
            Self::Seeds => "docs/seed.md",
            Self::Requirements => "docs/requirements.md",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Seeds => "behaviours of the original",
            Self::Requirements => "requirements of a ticket's life",
        }
    }
}

/// The name of a function that starts on this line.
fn function(line: &str) -> Option<&str> {
    let line = line.trim_start().trim_start_matches("pub ").trim_start_matches("async ");
    line.strip_prefix("fn ")?.split(['(', '<']).next()
}

/// The numbers at the start of a test's name.
fn proved_by(test: &str) -> impl Iterator<Item = Id> {
    test.split('_').map_while(Id::in_a_name)
}

/// Items that a page names as `S40` or `R40a`.
fn named_in(text: &str) -> BTreeSet<Id> {
    text.split(|c: char| !c.is_ascii_alphanumeric()).filter_map(Id::parse).collect()
}

/// Reads `S1,S41-S48,R1-R5,R40a`. A range holds what the list has between its ends, so `R39-R41` holds R40a.
fn required(list: &str, items: &BTreeMap<Id, Item>) -> Result<Vec<Id>, Trouble> {
    let id = |word: &str| {
        let known = Id::parse(word.trim()).filter(|id| items.contains_key(id));
        known.ok_or_else(|| Trouble::new(format!("not an item: {word}")))
    };
    let mut all = Vec::new();
    for part in list.split(',') {
        match part.split_once('-') {
            Some((from, to)) => {
                let (from, to) = (id(from)?, id(to)?);
                if from > to || from.list != to.list {
                    return Err(Trouble::new(format!("not a range: {part}")));
                }
                all.extend(items.range(from..=to).map(|(id, _)| *id));
            }
            None => all.push(id(part)?),
        }
    }
    Ok(all)
}

/// What has been promised and kept.
const REQUIRED: &str = "S1,S4,S5,S7-S39,S41-S63,S66,S67,S69-S111,S113-S123,R1-R66,R40a,R68-R79";

#[cfg(test)]
mod tests {
    use super::*;

    fn names(ids: impl IntoIterator<Item = Id>) -> String {
        ids.into_iter().map(|id| id.to_string()).collect::<Vec<_>>().join(" ")
    }

    fn list() -> BTreeMap<Id, Item> {
        let rows = ["| S1 | behaviour | a |", "| S2 | format | b |", "| S3 | default | c |"];
        let seeds = rows.iter().filter_map(|row| Item::read(List::Seeds, row));
        let rows = ["| R39 | d |", "| R40 | e |", "| R40a | f |", "| R41 | g |", "| # | in our words |", "|---|---|"];
        seeds.chain(rows.iter().filter_map(|row| Item::read(List::Requirements, row))).map(|i| (i.id, i)).collect()
    }

    #[test]
    fn a_test_carries_the_numbers_of_what_it_proves() {
        assert_eq!(names(proved_by("s022_s026_the_flag")), "S22 S26");
        assert_eq!(names(proved_by("s033_r055_nothing_changes")), "S33 R55");
        assert_eq!(names(proved_by("r029_s012_r040a_in_any_order")), "R29 S12 R40a");
        assert_eq!(names(proved_by("s1_short")) + &names(proved_by("size_of")) + &names(proved_by("r12a3_x")), "");
        assert_eq!(names(proved_by("restart_r012_later")), "", "only at the start");
        assert_eq!(function("    async fn s055_esc<T>()"), Some("s055_esc"));
    }

    #[test]
    fn a_page_covers_what_it_names() {
        assert_eq!(names(named_in("see R40a, (S7) and R40; not RS2, S, R1x2 or RESULT 42")), "S7 R40 R40a");
    }

    #[test]
    fn ranges_are_spelled_out() {
        let spelled = |text: &str| required(text, &list()).map(names).map_err(|t| t.0);
        assert_eq!(spelled("S1-S3,R40a"), Ok("S1 S2 S3 R40a".to_owned()));
        assert_eq!(spelled("R39-R41"), Ok("R39 R40 R40a R41".to_owned()));
        for wrong in ["S1,moon", "S4", "R41-R39", "S1-R41", ""] {
            assert!(spelled(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_required_and_has_no_test_that_passed_is_named() {
        let mut list = list();
        let s1 = required("S1", &list).map_err(|t| t.0).unwrap_or_default()[0];
        list.entry(s1).and_modify(|item| item.tests.push("s001_x".to_owned()));
        let required = required("S1-S2", &list).map_err(|t| t.0).unwrap_or_default();
        let missing = |passed: bool| check(&required, &list, |_| passed).map_err(|t| t.0);
        assert_eq!(missing(true), Err("without a test that passes: S2".to_owned()));
        assert_eq!(missing(false), Err("without a test that passes: S1 S2".to_owned()));
    }

    #[test]
    fn the_lists_have_every_item_once() {
        let items = items().map_err(|t| t.0).unwrap_or_default();
        let numbers: Vec<_> = items.keys().filter(|id| id.letter.is_none()).map(|id| (id.list, id.number)).collect();
        let seeds = (1..=124).map(|n| (List::Seeds, n));
        assert_eq!(numbers, seeds.chain((1..=79).map(|n| (List::Requirements, n))).collect::<Vec<_>>());
        assert_eq!(names(items.into_keys().filter(|id| id.letter.is_some())), "R40a");
    }
}
