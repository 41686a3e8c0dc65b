//! Through routers: Table 1 of the original cell by cell, and what each row of it rests on. In the laboratory.

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use integration::lab::cell::{Via, invites, opens, sees};
use integration::lab::table::{play_all, table_1};
use integration::lab::{self, Address, Forward, Lab, Site};
use integration::{Event, Failure, Outcome, Person, Stage};

use crate::routers::together;

#[test]
fn s085_s089_s090_s091_s092_r069_r070_r071_table_1_cell_by_cell() -> Outcome {
    if !lab::ready("s085_s089_s090_s091_s092_r069_r070_r071_table_1_cell_by_cell") {
        return Ok(());
    }
    let (cells, said): (Vec<_>, Vec<_>) = table_1().into_iter().unzip();
    let verdicts = play_all(&cells, AT_ONCE, |_, _| ());
    let mut unlike = Vec::new();
    for ((cell, verdict), said) in cells.iter().zip(verdicts).zip(said) {
        match verdict {
            Ok(verdict) if verdict.is_connected() == said => {}
            other => unlike.push(format!("{cell:?}: {other:?}")),
        }
    }
    assert!(unlike.is_empty(), "the table says otherwise:\n{}", unlike.join("\n"));
    Ok(())
}

#[test]
fn s017_s018_s039_s086_s087_s088_r006_r008_a_router_s_address_is_listed_first_and_leads_to_the_novice() -> Outcome {
    if !lab::ready("s017_s018_s039_s086_s087_s088_r006_r008_a_router_s_address_is_listed_first_and_leads_to_the_novice")
    {
        return Ok(());
    }
    for router in ["upnp", "ics"] {
        let (lab, stage) = (Site::of(router, "nat").up()?, Stage::new()?);
        let mut novice = invites(&stage, &lab, "novice").start()?;
        let listed = endpoints(&mut novice)?;
        let mapped = novice.wait_event("mapped")?;
        novice.wait_event("listening")?;
        let outside = lab.outside("novice").ok_or_else(|| Failure::new("a router without an address"))?;
        let forwards = lab.forwards("novice")?;
        let [forward] = &forwards[..] else { return Err(Failure::new(format!("not one mapping: {forwards:?}"))) };
        assert_eq!(forward.to, "192.168.11.10:3389");
        let external = format!("{outside}:{}", forward.port);
        assert_eq!((mapped.text("external"), listed.first()), (Some(external.as_str()), Some(&external)), "{mapped}");

        let mut expert = opens(&stage, &lab, "expert").watches()?;
        sees(&mut expert, &mut novice)?;
        assert_eq!(expert.wait_event("connected")?.text("endpoint"), Some(external.as_str()));
        // The connection that the novice's side has is one that the router sent on: it comes from outside.
        let peer = novice.wait_event("expert_connecting")?;
        let from = lab.outside("expert").map(|ip| ip.to_string()).unwrap_or_default();
        assert!(peer.text("peer").is_some_and(|peer| peer.starts_with(&format!("{from}:"))), "{peer}");
    }
    Ok(())
}

#[test]
fn s069_in_one_network_no_router_is_needed() -> Outcome {
    if !lab::ready("s069_in_one_network_no_router_is_needed") {
        return Ok(());
    }
    let (lab, stage) = (Site::of("nat", "none").with(&["--same-lan"]).up()?, Stage::new()?);
    let mut novice = invites(&stage, &lab, "novice").start()?;
    novice.wait_event("listening")?;
    let mut expert = opens(&stage, &lab, "expert").watches()?;
    sees(&mut expert, &mut novice)?;
    assert_eq!(expert.wait_event("connected")?.text("endpoint"), Some("192.168.11.10:3389"));
    Ok(())
}

#[test]
fn s070_over_the_internet_with_public_addresses() -> Outcome {
    if !lab::ready("s070_over_the_internet_with_public_addresses") {
        return Ok(());
    }
    let (lab, stage) = (Site::of("none", "none").up()?, Stage::new()?);
    let mut novice = invites(&stage, &lab, "novice").start()?;
    novice.wait_event("listening")?;
    assert!(!novice.has_seen("mapped"), "{}", novice.report());
    let mut expert = opens(&stage, &lab, "expert").watches()?;
    sees(&mut expert, &mut novice)?;
    assert_eq!(expert.wait_event("connected")?.text("endpoint"), Some("11.0.1.2:3389"));
    Ok(())
}

#[test]
fn s071_s081_r068_between_two_networks_it_is_port_3389_that_a_firewall_opens_and_closes() -> Outcome {
    if !lab::ready("s071_s081_r068_between_two_networks_it_is_port_3389_that_a_firewall_opens_and_closes") {
        return Ok(());
    }
    // The novice is in a network with public addresses, behind a firewall that lets nobody in.
    let (lab, stage) = (Site::of("v6+reject", "v6").up()?, Stage::new()?);
    let mut novice = invites(&stage, &lab, "novice").start()?;
    novice.wait_event("listening")?;
    stays_out(&stage, &lab, "closed", &novice)?;
    let rule = |words: &str| -> Outcome {
        let [node, rule] = words.split('|').collect::<Vec<_>>()[..] else { return Err(Failure::new(words)) };
        lab.tool(node, &[&["nft"], &rule.split(' ').collect::<Vec<_>>()[..]].concat()).map(drop)
    };
    rule("novice-router|insert rule inet natlab forward tcp dport 3389 accept")?;
    // And one around the expert, that lets nobody out to that port.
    rule("expert-router|add table inet wall")?;
    rule("expert-router|add chain inet wall out { type filter hook forward priority -10 ; }")?;
    rule("expert-router|add rule inet wall out iifname lan0 tcp dport 3389 reject with tcp reset")?;
    stays_out(&stage, &lab, "not let out", &novice)?;
    rule("expert-router|flush chain inet wall out")?;
    let mut expert = opens(&stage, &lab, "open").watches()?;
    sees(&mut expert, &mut novice)?;
    assert_eq!(expert.wait_event("connected")?.text("endpoint"), Some("[2001:db8:1:1::10]:3389"));
    Ok(())
}

#[test]
fn an_expert_who_reaches_his_own_computer_first_goes_on_to_the_novice_s() -> Outcome {
    if !lab::ready("an_expert_who_reaches_his_own_computer_first_goes_on_to_the_novice_s") {
        return Ok(());
    }
    // Both have the private address 192.168.1.10, and the way out is long: the wrong computer answers first.
    let site = Site::of("upnp", "nat").with(&["--same-subnet", "--delay", "150"]);
    let (lab, stage, own) = (site.up()?, Stage::new()?, Stage::new()?);
    let mut novice = invites(&stage, &lab, "novice").start()?;
    novice.wait_event("listening")?;
    let mut wrong = invites(&own, &lab, "expert").start()?;
    wrong.wait_event("listening")?;
    let mut expert = opens(&stage, &lab, "expert").watches()?;
    sees(&mut expert, &mut novice)?;
    let tried: Vec<_> = expert.process().look(|seen| {
        let tried = seen.events.iter().filter(|event| event.name() == "trying");
        tried.filter_map(|event| event.text("endpoint").map(str::to_owned)).collect()
    });
    let connected = expert.wait_event("connected")?;
    assert!(tried.contains(&"192.168.1.10:3389".to_owned()), "{tried:?}");
    assert_eq!(connected.text("endpoint"), tried.first().map(String::as_str), "{}", expert.report());
    assert!(!wrong.has_seen("expert_connecting") && !wrong.has_seen("refused"), "{}", wrong.report());
    Ok(())
}

#[test]
fn doctor_predicts_what_table_1_says_of_every_cell_and_leaves_nothing_at_the_router() -> Outcome {
    if !lab::ready("doctor_predicts_what_table_1_says_of_every_cell_and_leaves_nothing_at_the_router") {
        return Ok(());
    }
    for kind in ["none", "ics", "nat", "upnp"] {
        let (lab, stage) = (Site::of(kind, "none").up()?, Stage::new()?);
        let predicted = doctor(&lab, &stage)?;
        for (cell, said) in table_1().into_iter().filter(|(cell, _)| cell.novice == kind) {
            let expert = match cell.expert.as_str() {
                "none" => "public",
                "nat" => "non_upnp",
                _ => "upnp",
            };
            let either = predicted.field("either_dials").and_then(|dials| dials[expert].as_str());
            let predicts = match cell.via {
                Via::Email => predicted.text("file") == Some("yes"),
                Via::Messenger => either.is_some_and(|who| who != "no"),
                Via::Code => continue,
            };
            assert_eq!(predicts, said, "{cell:?}: {predicted}");
        }
    }
    Ok(())
}

#[test]
fn what_doctor_says_about_a_file_is_what_happens_to_it() -> Outcome {
    if !lab::ready("what_doctor_says_about_a_file_is_what_happens_to_it") {
        return Ok(());
    }
    for kind in ["pcp", "upnp+cgn", "fakeigd+cgn", "fakeigd+q:refuse", "fakeigd+q:permanent-only", "nat+symmetric"] {
        let (lab, stage) = (Site::of(kind, "none").up()?, Stage::new()?);
        let predicted = doctor(&lab, &stage)?;
        let mut novice = invites(&stage, &lab, "novice").start()?;
        novice.wait_event("listening")?;
        if predicted.text("file") == Some("yes") {
            let mut expert = opens(&stage, &lab, "expert").watches()?;
            sees(&mut expert, &mut novice)?;
        } else {
            stays_out(&stage, &lab, "expert", &novice)
                .map_err(|failure| failure.seen(format!("{kind}: {predicted}")))?;
        }
    }
    Ok(())
}

#[test]
fn a_session_comes_back_when_a_cable_is_in_again_and_when_the_provider_gives_another_address() -> Outcome {
    if !lab::ready("a_session_comes_back_when_a_cable_is_in_again_and_when_the_provider_gives_another_address") {
        return Ok(());
    }
    together(&[Loss::Cable, Loss::Address], |loss| {
        let (mut lab, stage) = (Site::of("upnp", "nat").up()?, Stage::new()?);
        let mut novice = invites(&stage, &lab, "novice").start()?;
        novice.wait_event("listening")?;
        let mut expert = opens(&stage, &lab, "expert").watches()?;
        sees(&mut expert, &mut novice)?;
        let back = match loss {
            Loss::Cable => {
                lab.cut("expert")?;
                // Nothing tells either side: both find it out, the slower one after 18 s.
                expert.wait_event("reconnecting")?;
                novice.wait_event("lost")?;
                lab.mend("expert")?;
                Instant::now()
            }
            Loss::Address => {
                lab.reboot("expert", Address::New)?;
                let back = Instant::now();
                expert.wait_event("reconnecting")?;
                back
            }
        };
        expert.wait_event("returned")?;
        let took = back.elapsed();
        novice.wait_event("returned")?;
        // A cable is back from one moment to the next; that an address is another one has to be noticed first.
        assert!(took < if *loss == Loss::Cable { BACK_WITHIN } else { NOTICED_WITHIN }, "{loss:?}: {took:?}");
        let questions = novice.story().iter().filter(|event| *event == "consent_asked").count();
        assert_eq!(questions, 1, "{loss:?}: {}", novice.report());
        expert.wait_event("first_frame")?;
        expert.sees("the desktop again", |picture| (picture.demo_word() == novice.told_word()).then_some(()))
    })
}

/// How a path dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loss {
    /// A cable between the expert's router and the rest is out.
    Cable,
    /// The expert's router is restarted and has another outside address.
    Address,
}

/// What the issue asks for.
const BACK_WITHIN: Duration = Duration::from_secs(5);

/// A viewer asks after a silent line in 12 s and waits 4 s for an answer; then it is back in [`BACK_WITHIN`].
const NOTICED_WITHIN: Duration = Duration::from_secs(25);

/// What doctor says at the novice's computer. It may try things out, and leaves nothing behind.
fn doctor(lab: &Lab, stage: &Stage) -> Result<Event, Failure> {
    let mut asked = stage.novice().arg("doctor").through(lab.at("novice")).start()?;
    assert_eq!(asked.exit_code()?, Some(0), "{}", asked.report());
    if lab.has_router("novice") {
        lab.forwards_become("novice", Duration::from_secs(10), <[Forward]>::is_empty)?;
    }
    asked.wait_event("doctor")
}

/// The endpoints of the invitation, once it is made.
pub(crate) fn endpoints(novice: &mut Person) -> Result<Vec<String>, Failure> {
    let invited = novice.wait_event("invited")?;
    let listed = invited.field("endpoints").and_then(|field| field.as_array()).cloned().unwrap_or_default();
    Ok(listed.iter().filter_map(|endpoint| endpoint.as_str().map(str::to_owned)).collect())
}

/// An expert who reaches nobody, and is told so in one sentence.
pub(crate) fn stays_out(stage: &Stage, lab: &Lab, home: &str, novice: &Person) -> Outcome {
    let mut expert = opens(stage, lab, home).start()?;
    assert_eq!(expert.exit_code()?, Some(69), "{}", expert.report());
    assert!(!expert.has_seen("connected") && !novice.has_seen("expert_connecting"), "{}", novice.report());
    Ok(())
}

/// How many cells are played at the same time; most of a cell is waiting.
const AT_ONCE: NonZeroUsize = NonZeroUsize::new(4).unwrap();
