//! What a set of nftables rules does with a new connection to one port, read from what `nft -j list ruleset` prints.
//!
//! A rule that cannot be judged here (a set that is filled elsewhere, a match that nobody expected) makes the answer "not known"
//! where it matters, rather than a guess.
//!
//! Source: libnftables-json(5).

use std::collections::BTreeSet;

use serde_json::Value;

/// What becomes of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Judged {
    /// No chain stands in its way.
    Open,
    /// It is dropped or rejected: by which rule or policy.
    Closed(String),
    /// It depends on rules that cannot be judged: which one first.
    NotKnown(String),
}

/// The first packet of a connection.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Packet<'a> {
    /// The interface that it comes in through.
    pub(super) interface: &'a str,
    /// The port that it goes to.
    pub(super) port: u16,
}

/// Judges a new TCP connection of IPv4.
pub(super) fn judge(ruleset: &Value, packet: Packet<'_>) -> Judged {
    let Some(items) = ruleset.get("nftables").and_then(Value::as_array) else {
        return Judged::NotKnown("the list of rules".to_owned());
    };
    let chains: Vec<&Value> = items.iter().filter_map(|item| item.get("chain")).collect();
    let rules: Vec<&Value> = items.iter().filter_map(|item| item.get("rule")).collect();
    let mut not_known = None;
    for chain in &chains {
        let of = |name: &str| chain.get(name).and_then(Value::as_str).unwrap_or_default();
        let on_the_way = of("type") == "filter" && matches!(of("hook"), "input" | "prerouting");
        if !on_the_way || !matches!(of("family"), "ip" | "inet") {
            continue;
        }
        let mut walk = Walk { rules: &rules, packet, family: of("family"), table: of("table"), ..Walk::default() };
        let end = walk.chain(of("name"), 0);
        if end == End::Returned {
            match of("policy") {
                "drop" => walk.may(Fate::Dropped, || format!("the policy of chain {} {}", of("table"), of("name"))),
                _ => walk.may(Fate::Accepted, String::new),
            }
        }
        match (walk.fates.contains(&Fate::Accepted), walk.fates.contains(&Fate::Dropped)) {
            (false, true) => return Judged::Closed(walk.dropped_by.unwrap_or_default()),
            (true, true) => not_known = not_known.or(walk.unclear),
            (_, false) => {}
        }
    }
    not_known.map_or(Judged::Open, Judged::NotKnown)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Accepted,
    Dropped,
}

/// How a chain ended for certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// With a verdict that holds.
    Decided,
    /// At its end, or with a return.
    Returned,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Matches {
    Yes,
    No,
    Maybe,
}

/// One walk through the chains of a table.
#[derive(Default)]
struct Walk<'a> {
    rules: &'a [&'a Value],
    packet: Packet<'a>,
    family: &'a str,
    table: &'a str,
    /// What may become of the packet.
    fates: BTreeSet<Fate>,
    dropped_by: Option<String>,
    unclear: Option<String>,
    steps: usize,
}

impl Walk<'_> {
    fn may(&mut self, fate: Fate, why: impl FnOnce() -> String) {
        self.fates.insert(fate);
        if fate == Fate::Dropped {
            self.dropped_by.get_or_insert_with(why);
        }
    }

    fn chain(&mut self, name: &str, depth: usize) -> End {
        let rules = self.rules;
        for rule in rules {
            if !self.is_in(rule, name) {
                continue;
            }
            self.steps += 1;
            if depth > DEEPEST || self.steps > LONGEST {
                self.unclear.get_or_insert_with(|| format!("chain {name}, which is too long to follow"));
                self.fates.extend([Fate::Accepted, Fate::Dropped]);
                return End::Decided;
            }
            let Some(statements) = rule.get("expr").and_then(Value::as_array) else { continue };
            let matches = statements.iter().map(|statement| self.matches(statement)).min_by_key(|one| match one {
                Matches::No => 0,
                Matches::Maybe => 1,
                Matches::Yes => 2,
            });
            let matches = matches.unwrap_or(Matches::Yes);
            if matches == Matches::No {
                continue;
            }
            for statement in statements {
                if let Some(end) = self.verdict(statement, rule, matches, depth) {
                    return end;
                }
            }
        }
        End::Returned
    }

    fn is_in(&self, rule: &Value, chain: &str) -> bool {
        let is = |key: &str, value: &str| rule.get(key).and_then(Value::as_str) == Some(value);
        is("family", self.family) && is("table", self.table) && is("chain", chain)
    }

    /// What a statement of a rule decides; `None` when the walk goes on behind it.
    fn verdict(&mut self, statement: &Value, rule: &Value, matches: Matches, depth: usize) -> Option<End> {
        let (name, inner) = statement.as_object()?.iter().next()?;
        let certain = matches == Matches::Yes;
        match name.as_str() {
            "accept" => self.may(Fate::Accepted, String::new),
            "drop" | "reject" => self.may(Fate::Dropped, || in_short(rule)),
            "return" if certain => return Some(End::Returned),
            "jump" | "goto" => {
                let target = inner.get("target").and_then(Value::as_str)?.to_owned();
                let end = self.chain(&target, depth + 1);
                if certain && (end == End::Decided || name == "goto") {
                    return Some(end);
                }
                return None;
            }
            // What it does depends on a table of verdicts, or on a program.
            "xt" if inner.get("type").and_then(Value::as_str) == Some("match") => return None,
            "vmap" | "queue" | "xt" => {
                self.unclear.get_or_insert_with(|| in_short(rule));
                self.fates.extend([Fate::Accepted, Fate::Dropped]);
                return None;
            }
            _ => return None,
        }
        if certain {
            return Some(End::Decided);
        }
        self.unclear.get_or_insert_with(|| in_short(rule));
        None
    }

    fn matches(&self, statement: &Value) -> Matches {
        let Some(test) = statement.get("match") else {
            // The matches of iptables have no words here.
            return if statement.get("xt").is_some() { Matches::Maybe } else { Matches::Yes };
        };
        let (left, right) = (&test["left"], &test["right"]);
        let equal = match left_of(left) {
            Left::Port => self.port_is(right),
            Left::Protocol => text_is(right, |name| name == "tcp" || name == "6"),
            Left::Interface => text_is(right, |name| match name.strip_suffix('*') {
                Some(start) => self.packet.interface.starts_with(start),
                None => name == self.packet.interface,
            }),
            Left::State => text_is(right, |name| name == "new"),
            // Nothing has translated a packet that comes straight.
            Left::Status => Matches::No,
            Left::Family => text_is(right, |name| name == "ipv4"),
            Left::Other => Matches::Maybe,
        };
        match (test["op"].as_str(), equal) {
            (Some("!="), Matches::Yes) => Matches::No,
            (Some("!="), Matches::No) => Matches::Yes,
            (Some("==" | "in") | None, equal) => equal,
            (Some("!="), Matches::Maybe) => Matches::Maybe,
            (Some(_), _) => Matches::Maybe,
        }
    }

    fn port_is(&self, right: &Value) -> Matches {
        let port = u64::from(self.packet.port);
        any_of(right, |one| match (one.as_u64(), one.get("range").and_then(Value::as_array)) {
            (Some(number), _) => Some(number == port),
            (None, Some(range)) => {
                let ends = (range.first()?.as_u64()?, range.get(1)?.as_u64()?);
                Some(ends.0 <= port && port <= ends.1)
            }
            // A name of a service, or of a set.
            _ => match one.as_str()? {
                name if name.starts_with('@') => None,
                "ms-wbt-server" => Some(port == 3389),
                _ => Some(false),
            },
        })
    }
}

/// What a match looks at.
enum Left {
    Port,
    Protocol,
    Interface,
    State,
    Status,
    Family,
    Other,
}

fn left_of(left: &Value) -> Left {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    if let Some(payload) = left.get("payload") {
        let (protocol, field) = (text(&payload["protocol"]), text(&payload["field"]));
        return match (protocol.as_str(), field.as_str()) {
            ("tcp" | "th", "dport") => Left::Port,
            ("ip", "protocol") => Left::Protocol,
            _ => Left::Other,
        };
    }
    let meta = left.get("meta").map(|meta| text(&meta["key"])).unwrap_or_default();
    let ct = left.get("ct").map(|ct| text(&ct["key"])).unwrap_or_default();
    match (meta.as_str(), ct.as_str()) {
        ("l4proto", _) => Left::Protocol,
        ("iifname" | "iif", _) => Left::Interface,
        ("nfproto", _) => Left::Family,
        (_, "state") => Left::State,
        (_, "status") => Left::Status,
        _ => Left::Other,
    }
}

fn text_is(right: &Value, is: impl Fn(&str) -> bool) -> Matches {
    any_of(right, |one| match one {
        Value::String(name) if name.starts_with('@') => None,
        Value::String(name) => Some(is(name)),
        Value::Number(number) => Some(is(&number.to_string())),
        _ => None,
    })
}

/// A value, or one of a list of them; `None` from `is` is one that cannot be judged.
fn any_of(right: &Value, is: impl Fn(&Value) -> Option<bool>) -> Matches {
    let one = [right.clone()];
    let all: &[Value] = match (right.get("set").and_then(Value::as_array), right.as_array()) {
        (Some(set), _) | (None, Some(set)) => set,
        (None, None) => &one,
    };
    let mut answer = Matches::No;
    for value in all {
        match is(value) {
            Some(true) => return Matches::Yes,
            Some(false) => {}
            None => answer = Matches::Maybe,
        }
    }
    answer
}

/// The rule for a person: where it stands, and its words if it has some.
fn in_short(rule: &Value) -> String {
    let of = |key: &str| rule.get(key).and_then(Value::as_str).unwrap_or("?");
    let comment = rule.get("comment").and_then(Value::as_str).map(|text| format!(" ({text})")).unwrap_or_default();
    let handle =
        rule.get("handle").and_then(Value::as_u64).map(|number| format!(", handle {number}")).unwrap_or_default();
    format!("a rule of chain {} {}{handle}{comment}", of("table"), of("chain"))
}

/// Chains jump no deeper than the kernel lets them. Source: NFT_JUMP_STACK_SIZE.
const DEEPEST: usize = 16;
/// More rules than anybody has in the way of one packet.
const LONGEST: usize = 100_000;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn judged(chains: &[Value], port: u16) -> Judged {
        judge(&json!({ "nftables": chains }), Packet { interface: "eth0", port })
    }

    fn input(policy: &str) -> Value {
        json!({ "chain": { "family": "inet", "table": "filter", "name": "input", "type": "filter", "hook": "input",
            "prio": 0, "policy": policy } })
    }

    fn rule(chain: &str, expr: &Value) -> Value {
        json!({ "rule": { "family": "inet", "table": "filter", "chain": chain, "handle": 7, "expr": expr } })
    }

    fn port(right: &Value) -> Value {
        json!({ "match": { "op": "==", "left": { "payload": { "protocol": "tcp", "field": "dport" } }, "right": right } })
    }

    #[test]
    fn a_port_is_open_where_nothing_drops_it_and_closed_where_something_does() {
        assert_eq!(judged(&[], 3389), Judged::Open);
        assert_eq!(judged(&[input("accept")], 3389), Judged::Open);
        assert_eq!(judged(&[input("drop")], 3389), Judged::Closed("the policy of chain filter input".to_owned()));
        let allowed = [input("drop"), rule("input", &json!([port(&json!(3389)), { "accept": null }]))];
        assert_eq!(judged(&allowed, 3389), Judged::Open);
        assert!(matches!(judged(&allowed, 3390), Judged::Closed(_)));
        let refused = [input("accept"), rule("input", &json!([port(&json!(3389)), { "reject": null }]))];
        assert_eq!(judged(&refused, 3389), Judged::Closed("a rule of chain filter input, handle 7".to_owned()));
        assert_eq!(judged(&refused, 3390), Judged::Open);
    }

    #[test]
    fn sets_ranges_states_interfaces_and_jumps_are_followed() {
        let state = json!({ "match": { "op": "in", "left": { "ct": { "key": "state" } },
            "right": ["established", "related"] } });
        let new = json!({ "match": { "op": "in", "left": { "ct": { "key": "state" } },
            "right": { "set": ["new", "untracked"] } } });
        let lo = json!({ "match": { "op": "==", "left": { "meta": { "key": "iifname" } }, "right": "lo" } });
        let eth = json!({ "match": { "op": "==", "left": { "meta": { "key": "iifname" } }, "right": "eth*" } });
        let range = port(&json!({ "set": [22, { "range": [3380, 3400] }] }));
        let rules = [
            input("accept"),
            rule("input", &json!([state, { "accept": null }])),
            rule("input", &json!([lo, { "accept": null }])),
            rule("input", &json!([eth, { "jump": { "target": "zone" } }])),
            rule("input", &json!([{ "drop": null }])),
            rule("zone", &json!([{ "counter": { "packets": 0, "bytes": 0 } }, range, new, { "accept": null }])),
        ];
        assert_eq!(judged(&rules, 3389), Judged::Open);
        assert!(matches!(judged(&rules, 80), Judged::Closed(_)));
    }

    #[test]
    fn what_cannot_be_judged_is_not_guessed() {
        let friends = json!({ "match": { "op": "==", "left": { "payload": { "protocol": "ip", "field": "saddr" } },
            "right": "@friends" } });
        let rules = [input("drop"), rule("input", &json!([friends, { "accept": null }]))];
        assert!(matches!(judged(&rules, 3389), Judged::NotKnown(_)));
        let xt = json!([{ "xt": { "type": "match", "name": "recent" } }, { "drop": null }]);
        assert!(matches!(judged(&[input("accept"), rule("input", &xt)], 3389), Judged::NotKnown(_)));
        // A rule that may accept what is accepted anyhow changes nothing.
        let rules = [input("accept"), rule("input", &json!([friends, { "accept": null }]))];
        assert_eq!(judged(&rules, 3389), Judged::Open);
        assert!(matches!(judge(&json!(null), Packet { interface: "eth0", port: 1 }), Judged::NotKnown(_)));
    }

    #[test]
    fn a_chain_that_calls_itself_ends() {
        let rules = [input("accept"), rule("input", &json!([{ "jump": { "target": "input" } }]))];
        assert!(matches!(judged(&rules, 3389), Judged::NotKnown(_)));
    }
}
