//! From the seeds to the tests: which behaviour has a test, a page, or nothing yet.
//!
//! `docs/seed.md` lists the behaviours. A test proves one by carrying its number: `s052_...`, `s022_s026_...`. A page
//! under `docs/` covers one by naming it.

use std::collections::BTreeMap;
use std::fs;

use clap::Args;

use crate::ground::{Done, Trouble, files, root};

#[derive(Args)]
pub(crate) struct Options {
    /// Items that must have a test, such as `S1,S4,S41-S48`
    #[arg(long, value_name = "LIST")]
    require: Option<String>,
    /// Only items without a test or a page
    #[arg(long)]
    missing: bool,
}

/// One behaviour of the seeds.
struct Item {
    number: u16,
    kind: String,
    text: String,
    tests: Vec<String>,
    pages: Vec<String>,
}

pub(crate) fn run(options: &Options) -> Done {
    let items = items()?;
    let (mut proved, mut covered) = (0, 0);
    for Item { number, kind, text, tests, pages } in items.values() {
        let status = match (tests.first(), pages.first()) {
            (Some(first), _) if tests.len() == 1 => first.clone(),
            (Some(first), _) => format!("{first} and {} more", tests.len() - 1),
            (None, Some(page)) => format!("page {page}"),
            (None, None) => "nothing yet".to_owned(),
        };
        proved += usize::from(!tests.is_empty());
        covered += usize::from(tests.is_empty() && !pages.is_empty());
        if !options.missing || (tests.is_empty() && pages.is_empty()) {
            println!("S{number:<4}{kind:10} {status}\n      {text}");
        }
    }
    println!(
        "{} items: {proved} proved, {covered} on a page, {} nothing yet",
        items.len(),
        items.len() - proved - covered
    );
    match &options.require {
        Some(list) => check(&numbers(list)?, &items, |_| true),
        None => Ok(()),
    }
}

/// The items that must be proved, by tests that passed in this run.
pub(crate) fn require(passed: impl Fn(&str) -> bool) -> Done {
    check(&numbers(REQUIRED)?, &items()?, passed)
}

fn check(required: &[u16], items: &BTreeMap<u16, Item>, passed: impl Fn(&str) -> bool) -> Done {
    let proved = |n: &&u16| items.get(n).is_some_and(|item| item.tests.iter().any(|t| passed(t)));
    let missing: Vec<_> = required.iter().filter(|n| !proved(n)).map(|n| format!("S{n}")).collect();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(Trouble::new(format!("without a test that passes: {}", missing.join(" "))))
    }
}

/// Reads the list, then looks for each item's tests and pages.
fn items() -> Result<BTreeMap<u16, Item>, Trouble> {
    let list = fs::read_to_string(root().join(LIST)).map_err(|e| Trouble::new(format!("{LIST}: {e}")))?;
    let mut items: BTreeMap<_, _> = list.lines().filter_map(item).map(|i| (i.number, i)).collect();
    for name in files()? {
        let Ok(text) = fs::read_to_string(root().join(&name)) else { continue };
        if name.ends_with(".rs") {
            for test in text.lines().filter_map(function) {
                for item in proved_by(test) {
                    items.entry(item).and_modify(|i| i.tests.push(test.to_owned()));
                }
            }
        } else if name.ends_with(".md") && name.starts_with("docs/") && name != LIST {
            for number in named_in(&text) {
                items.entry(number).and_modify(|i| i.pages.push(name.clone()));
            }
        }
    }
    Ok(items)
}

/// A row of the list: `| S12 | kind | text |`.
fn item(line: &str) -> Option<Item> {
    let mut cells = line.strip_prefix('|')?.split('|').map(str::trim);
    let number = cells.next()?.strip_prefix('S')?.parse().ok()?;
    let (kind, text) = (cells.next()?.to_owned(), cells.next()?.to_owned());
    Some(Item { number, kind, text, tests: Vec::new(), pages: Vec::new() })
}

/// The name of a function that starts on this line.
fn function(line: &str) -> Option<&str> {
    let line = line.trim_start().trim_start_matches("pub ").trim_start_matches("async ");
    line.strip_prefix("fn ")?.split(['(', '<']).next()
}

/// The numbers at the start of a test's name.
fn proved_by(test: &str) -> impl Iterator<Item = u16> {
    test.split('_').map_while(|part| part.strip_prefix('s').filter(|n| n.len() == 3)?.parse().ok())
}

/// Items that a page names as `S40`.
fn named_in(text: &str) -> impl Iterator<Item = u16> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    let numbers = words.filter_map(|w| w.strip_prefix('S')?.parse::<u16>().ok());
    numbers.collect::<std::collections::BTreeSet<_>>().into_iter()
}

/// Reads `S1,S4,S41-S48`.
fn numbers(list: &str) -> Result<Vec<u16>, Trouble> {
    let number = |word: &str| {
        let digits = word.trim().trim_start_matches(['S', 's']);
        digits.parse::<u16>().map_err(|_| Trouble::new(format!("not an item: {word}")))
    };
    let mut all = Vec::new();
    for part in list.split(',') {
        match part.split_once('-') {
            Some((from, to)) => all.extend(number(from)?..=number(to)?),
            None => all.push(number(part)?),
        }
    }
    Ok(all)
}

/// The behaviours of the seeds, in our own words.
const LIST: &str = "docs/seed.md";

/// What has been promised and kept.
const REQUIRED: &str = "S1,S4,S5,S7-S14,S19-S38,S41-S48,S50-S58,S60,S62,S66,S67,S72,S74-S77,S79,S93,S94,S96-S107,S109-S111,S113,S115,\
                        S116,S118-S123";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_carries_the_numbers_of_what_it_proves() {
        assert_eq!(proved_by("s022_s026_the_flag").collect::<Vec<_>>(), [22, 26]);
        assert_eq!(proved_by("s1_short").count() + proved_by("size_of").count(), 0);
        assert_eq!(function("    async fn s055_esc<T>()"), Some("s055_esc"));
    }

    #[test]
    fn ranges_are_spelled_out() {
        assert_eq!(numbers("S1,S4-S6").ok(), Some(vec![1, 4, 5, 6]));
        assert!(numbers("S1,moon").is_err());
    }

    #[test]
    fn the_list_has_every_item_once() {
        let items = items().map_err(|t| t.0);
        assert_eq!(items.map(|i| i.keys().copied().collect::<Vec<_>>()), Ok((1..=124).collect()));
    }
}
