//! Who else comes to the port: noise, silence, and far too many.

use std::io::Write as _;
use std::net::Ipv4Addr;
use std::time::Duration;

use integration::hostile::{CONNECTION_REQUEST, Dice, Stranger, call, is_closed};
use integration::{Outcome, Signal, Stage};

use crate::session::Session;

/// Ten thousand are from one stranger who changes address now and then.
const MANY: usize = 10_000;

/// What they may cost in resident memory.
const ALLOWED_GROWTH: u64 = 8 << 20;

#[test]
fn ten_thousand_hostile_connections_cost_less_than_8_mib() -> Outcome {
    let stage = Stage::new()?;
    let mut novice = stage.novice().invites("Kim Aalbers").start()?;
    novice.wait_event("listening")?;
    // What a first session needs for itself (threads, tables, pictures) is no growth.
    let mut expert = stage.expert().start()?;
    novice.says("y", "view")?;
    expert.wait_event("first_frame")?;
    expert.signal(Signal::TERM)?;
    novice.wait_event("ended")?;
    let before = novice.process().resident()?;
    let mut dice = Dice::new(2001);
    for visit in 0..MANY {
        let stranger = Stranger::ALL[dice.below(Stranger::ALL.len())];
        stranger.visits(source(visit), stage.addr(), &mut dice)?;
    }
    // An honest expert gets through all the same; and who came before is dealt with.
    let mut expert = stage.expert().start()?;
    novice.says("y", "view")?;
    expert.wait_event("first_frame")?;
    let after = novice.process().resident()?;
    let grown = after.saturating_sub(before);
    assert!(grown < ALLOWED_GROWTH, "grew by {grown} bytes, from {before} to {after}");
    novice.process().look(|seen| {
        let strangers = seen.events.iter().filter(|e| e.name() == "expert_connecting").count();
        assert_eq!(strangers, 2, "nobody without a ticket is an expert");
        assert!(!seen.err.contains("panicked"), "{}", seen.err);
    });
    Ok(())
}

#[test]
fn strangers_do_not_disturb_a_running_session() -> Outcome {
    let session = Session::viewing()?;
    let events = session.novice.story().len();
    let mut dice = Dice::new(300_692);
    let mut kept = Vec::new();
    for visit in 0..200 {
        let mut stream = call(source(visit), session.stage.addr())?;
        if let Some(stream) = &mut stream {
            let words = Stranger::ALL[visit % Stranger::ALL.len()].words(&mut dice);
            let _other_side = stream.write_all(&words);
        }
        kept.push(stream);
    }
    session.expert.picture()?;
    assert_eq!(session.novice.story().len(), events, "{}", session.novice.report());
    Ok(())
}

#[test]
fn who_says_nothing_or_half_a_packet_is_shown_out() -> Outcome {
    let stage = Stage::new()?;
    let mut novice = stage.novice().invites("Kim Aalbers").start()?;
    novice.wait_event("listening")?;
    for (from, words) in [(1, &[][..]), (2, &CONNECTION_REQUEST[..7]), (3, CONNECTION_REQUEST)] {
        let Some(mut stream) = call(Ipv4Addr::new(127, 9, 9, from), stage.addr())? else {
            continue;
        };
        stream.write_all(words)?;
        // Ten seconds to Client Info; a slow machine may be late.
        assert!(is_closed(&mut stream, Duration::from_secs(30)), "{words:?} is still connected");
    }
    assert_eq!(novice.story(), ["invited", "listening"], "{}", novice.report());
    Ok(())
}

#[test]
fn one_source_gets_four_places_and_the_fifth_costs_it_its_oldest() -> Outcome {
    let stage = Stage::new()?;
    let mut novice = stage.novice().invites("Kim Aalbers").start()?;
    novice.wait_event("listening")?;
    let from = Ipv4Addr::new(127, 8, 8, 8);
    let mut first = call(from, stage.addr())?;
    let rest: Vec<_> = (0..8).map(|_| call(from, stage.addr())).collect::<Result<_, _>>()?;
    let oldest_went = first.as_mut().is_none_or(|s| is_closed(s, Duration::from_secs(5)));
    let newest_went = rest.into_iter().flatten().any(|mut s| is_closed(&mut s, Duration::from_secs(1)));
    assert!(oldest_went || newest_went, "nine connections of one source are open");
    Ok(())
}

/// An address of the loopback network, another one every hundred visits.
fn source(visit: usize) -> Ipv4Addr {
    let low = u8::try_from(visit / 100 % 250).unwrap_or_default();
    Ipv4Addr::new(127, 7, 7, low + 1)
}
