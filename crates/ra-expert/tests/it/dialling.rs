//! Who is dialled, who wins, and what the others get to hear: computers on loopback that speak TLS and no more.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ra_expert::{EndReason, Face, Options, Viewer};
use ra_ticket::{Endpoint, PublicKeyBlob};

use crate::computer::{Answer, Computer, Identity};
use crate::witness::{PATIENCE, Witness, by_certificate, by_key_hash, by_nothing, run};

#[tokio::test]
async fn r041_the_right_key_wins_although_it_is_slower_and_the_wrong_one_hears_nothing() {
    let (kim, stranger) = (Identity::new(), Identity::new());
    let fast = Computer::start(&stranger, Answer::AtOnce).await;
    let slow = Computer::start(&kim, Answer::AtOnce).await;
    let plan = by_certificate(vec![fast.endpoint(), slow.endpoint()], kim.certificate());
    let witness = Arc::new(Witness::default());
    // The computer closes after TLS, so the attempt goes no further than the proof.
    assert_eq!(run(plan, Options::default(), &witness).await, EndReason::NotReached);
    assert_eq!(witness.connected(), Some(slow.endpoint()));
    assert_eq!(fast.heard().await, [NOTHING], "not a byte after its certificate");
    assert_eq!(slow.heard().await.len(), 1);
}

#[tokio::test]
async fn the_loser_of_two_right_ones_is_closed_without_a_word() {
    let kim = Identity::new();
    let held = Computer::start(&kim, Answer::Never).await;
    let quick = Computer::start(&kim, Answer::AtOnce).await;
    let plan = by_certificate(vec![held.endpoint(), quick.endpoint()], kim.certificate());
    let witness = Arc::new(Witness::default());
    run(plan, Options::default(), &witness).await;
    assert_eq!(witness.connected(), Some(quick.endpoint()));
    assert_eq!(witness.tried(), [held.endpoint(), quick.endpoint()]);
    // `heard` returns when the expert has closed.
    assert_eq!(held.heard().await, [NOTHING]);
}

#[tokio::test]
async fn r041_another_computer_at_the_address_ends_with_its_own_reason() {
    let (kim, stranger) = (Identity::new(), Identity::new());
    let computer = Computer::start(&stranger, Answer::AtOnce).await;
    let plan = by_certificate(vec![computer.endpoint(), unused()], kim.certificate());
    let witness = Arc::new(Witness::default());
    assert_eq!(run(plan, Options::default(), &witness).await, EndReason::WrongComputer);
    assert_eq!(witness.connected(), None);
    assert_eq!(computer.heard().await, [NOTHING]);
}

/// The certificate stands in every copy of the invitation; only its key proves anything.
#[tokio::test]
async fn r041_the_right_certificate_without_its_key_is_another_computer() {
    let (kim, thief) = (Identity::new(), Identity::new());
    let computer = Computer::start(&thief.with_certificate_of(&kim), Answer::AtOnce).await;
    let plan = by_certificate(vec![computer.endpoint()], kim.certificate());
    let witness = Arc::new(Witness::default());
    assert_eq!(run(plan, Options::default(), &witness).await, EndReason::WrongComputer);
    assert_eq!(computer.heard().await, [NOTHING]);
}

#[tokio::test]
async fn r025_r026_refused_addresses_are_passed_over_at_once_and_none_is_one_reason() {
    // A port that was given back may be given out again, and an address that stands twice is tried once.
    let mut addresses = Vec::new();
    while addresses.len() < 8 {
        let address = unused();
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    let plan = by_certificate(addresses, Identity::new().certificate());
    let witness = Arc::new(Witness::default());
    let started = Instant::now();
    assert_eq!(run(plan, Options::default(), &witness).await, EndReason::NotReached);
    assert_eq!(witness.tried().len(), 8);
    assert!(started.elapsed() < Duration::from_millis(1500), "nobody waits for a refusal: {:?}", started.elapsed());
}

#[tokio::test]
async fn r024_one_after_the_other_means_that_the_second_is_not_tried_while_the_first_may_answer() {
    let kim = Identity::new();
    let first = Computer::start(&kim, Answer::AtOnce).await;
    let second = Computer::start(&kim, Answer::AtOnce).await;
    let plan = by_certificate(vec![unused(), first.endpoint(), second.endpoint()], kim.certificate());
    let mut options = Options::default();
    options.sequential = true;
    let witness = Arc::new(Witness::default());
    run(plan, options, &witness).await;
    assert_eq!(witness.connected(), Some(first.endpoint()));
    assert_eq!(witness.tried().len(), 2);
    assert!(second.heard().await.is_empty(), "it was never called");
}

#[tokio::test]
async fn r041_a_key_hash_knows_its_rsa_key_and_no_other() {
    let (kim, stranger) = (Identity::rsa(), Identity::new());
    let (modulus, exponent) = kim.rsa_key();
    let hash = PublicKeyBlob::from_rsa(&modulus, exponent).key_hash();
    for (identity, reason) in [(&kim, EndReason::NotReached), (&stranger, EndReason::WrongComputer)] {
        let computer = Computer::start(identity, Answer::AtOnce).await;
        let witness = Arc::new(Witness { accepts: true, ..Witness::default() });
        assert_eq!(run(by_key_hash(vec![computer.endpoint()], hash), Options::default(), &witness).await, reason);
        assert_eq!(witness.connected().is_some(), reason == EndReason::NotReached);
        assert!(witness.asked.lock().unwrap().is_empty(), "a pinned key is never a matter of a question");
    }
}

#[tokio::test]
async fn a_ticket_that_names_no_key_leads_to_a_question_and_no_is_the_end() {
    let somebody = Identity::new();
    for accepts in [false, true] {
        let first = Computer::start(&somebody, Answer::AtOnce).await;
        let second = Computer::start(&somebody, Answer::AtOnce).await;
        let witness = Arc::new(Witness { accepts, ..Witness::default() });
        let plan = by_nothing(&[first.endpoint(), second.endpoint()]);
        let reason = run(plan, Options::default(), &witness).await;
        assert_eq!(*witness.asked.lock().unwrap(), [first.endpoint()], "one at a time");
        assert_eq!(witness.tried(), [first.endpoint()]);
        assert_eq!(witness.connected().is_some(), accepts);
        let heard = first.heard().await;
        if accepts {
            assert_eq!(reason, EndReason::NotReached);
            assert!(!heard[0].is_empty());
        } else {
            assert_eq!(reason, EndReason::WrongComputer);
            assert_eq!(heard, [NOTHING]);
        }
    }
}

#[tokio::test]
async fn what_is_said_before_tls_names_nobody() {
    let kim = Identity::new();
    let computer = Computer::start(&kim, Answer::AtOnce).await;
    let plan = by_certificate(vec![computer.endpoint()], kim.certificate());
    run(plan, Options::default(), &Arc::new(Witness::default())).await;
    let request = computer.requests();
    assert_eq!(request.len(), 1);
    let text = String::from_utf8_lossy(&request[0]).into_owned();
    assert!(text.contains("mstshash=expert\r\n"), "{text}");
    assert!(!text.contains("Kim") && !text.contains("novice"), "{text}");
}

#[tokio::test]
async fn answers_that_make_no_sense_are_no_session() {
    let kim = Identity::new();
    let answers: [&[u8]; 7] = [
        b"",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        &[3, 0, 0, 0],
        &[3, 0, 0xff, 0xff, 0x0e],
        // A confirm without negotiation: the old security, which this program does not speak.
        &[3, 0, 0, 11, 6, 0xd0, 0, 0, 0x12, 0x34, 0],
        // A refusal.
        &[3, 0, 0, 19, 14, 0xd0, 0, 0, 0x12, 0x34, 0, 3, 0, 8, 0, 2, 0, 0, 0],
        // A confirm, and more behind it than may be said before TLS.
        &[3, 0, 0, 19, 14, 0xd0, 0, 0, 0x12, 0x34, 0, 2, 0, 8, 0, 1, 0, 0, 0, 0xde, 0xad],
    ];
    for answer in answers {
        let computer = Computer::start(&kim, Answer::Bytes(answer.to_vec())).await;
        let plan = by_certificate(vec![computer.endpoint()], kim.certificate());
        let witness = Arc::new(Witness::default());
        assert_eq!(run(plan, Options::default(), &witness).await, EndReason::NotReached, "{answer:02x?}");
        assert_eq!(witness.connected(), None);
    }
}

#[tokio::test]
async fn nonsense_after_the_proof_breaks_the_protocol_and_nothing_else() {
    let kim = Identity::new();
    for answer in [&b"garbage, garbage, garbage, garbage"[..], &[3, 0, 0, 9, 2, 0xf0, 0x80, 0x7f, 0x66]] {
        let computer = Computer::start(&kim, Answer::AfterTls(answer.to_vec())).await;
        let plan = by_certificate(vec![computer.endpoint()], kim.certificate());
        let witness = Arc::new(Witness::default());
        assert_eq!(run(plan, Options::default(), &witness).await, EndReason::Protocol, "{answer:02x?}");
    }
}

#[tokio::test]
async fn an_expert_who_has_had_enough_while_dialling_is_not_kept() {
    let kim = Identity::new();
    let computer = Computer::start(&kim, Answer::Never).await;
    let plan = by_certificate(vec![computer.endpoint()], kim.certificate());
    let witness = Arc::new(Witness::default());
    let viewer = Viewer::new(plan, Options::default(), Arc::clone(&witness) as Arc<dyn Face>);
    let controls = viewer.controls();
    let end = async {
        computer.called().await;
        controls.end();
    };
    let (reason, ()) = tokio::time::timeout(PATIENCE, async { tokio::join!(viewer.run(), end) }).await.unwrap();
    assert_eq!(reason, EndReason::Asked);
}

/// An address of this machine where nobody listens.
fn unused() -> Endpoint {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().into()
}

/// One call, in which not a byte came under TLS.
const NOTHING: Vec<u8> = Vec::new();
