//! Offers of help: from the first words to the question, for helpers who come without an invitation.
//!
//! A helper is known by a key that the handshake has proved, or, where the administrator wants that, by the password of an
//! account of this computer. Whoever is neither hears nothing. Source: R75 to R79.

use std::rc::Rc;

use ra_channels::remdesk::{Proof, ResultCode};
use ra_pam::Refused;
use ra_policy::{OfferAllowed, Policy};
use ra_session::Admission;
use ra_session::offers::{Helper, Refusal as Unwanted};
use ra_ticket::{AccountLogin, expert_blob};

use crate::arrival::Peer;
use crate::audit::Cause;
use crate::event::{HostEvent, RefusedCause};
use crate::helpers::KnownHelper;
use crate::host::Shared;
use crate::listen::{Standing, malformed, note, refuse};
use crate::prompt::{Asker, Known};
use crate::rdp::{ClientHello, Line};

/// R75, R79: only where offers are allowed, with a key that is known here. Without one only where a password may still come:
/// then there is no helper yet, and nobody is told of one.
pub(crate) fn look_up(
    shared: &Shared,
    policy: &Policy,
    hello: &ClientHello,
    peer: &Peer,
) -> Result<Option<KnownHelper>, Cause> {
    policy.may_be_offered().map_err(|_| Cause::OfferPolicy)?;
    let (source, now) = (peer.source(), shared.now());
    if !shared.offers.borrow().admits(source, now) {
        return Err(Cause::Locked);
    }
    let known = hello.key.and_then(|key| (shared.helpers)().known(key, policy));
    if known.is_none() && (shared.accounts.is_none() || policy.may_offer_by_password().is_err()) {
        shared.offers.borrow_mut().failed(source, now);
        return Err(Cause::OfferUnverified);
    }
    Ok(known)
}

/// R76, R78: now it is known who it is, policy's list and the novice's earlier answers count.
pub(crate) async fn judge(
    shared: &Rc<Shared>,
    line: &mut Line,
    helper: Option<KnownHelper>,
    proof: &Proof,
    peer: &Peer,
) -> Option<(Admission, Standing, Asker)> {
    let helper = verify(shared, line, helper, proof, peer).await?;
    let now = shared.now();
    let allowed: OfferAllowed = match (shared.policy)().may_offer(&helper.offerer) {
        Ok(allowed) => allowed,
        Err(denied) => {
            tracing::debug!(%peer, %denied, "an offer was refused");
            shared.note_refusal(peer, Cause::OfferNotListed, Some(&helper.proved));
            shared.offers.borrow_mut().failed(peer.source(), now);
            note(line.result(ResultCode::HelpSessionAccessDenied), peer);
            return None;
        }
    };
    let wanted = shared.offers.borrow().may_ask(&helper.proved, now);
    match wanted {
        Ok(offered) => {
            // The name is the administrator's word for the key, or the account; what the helper claims to be called proves
            // nothing.
            let known = match helper.proved {
                Helper::Key(key) => Known::Key(key),
                Helper::Account(_) => Known::Password,
            };
            let asker = Asker { name: helper.called(), known, peer: peer.clone(), words: None };
            Some((Admission::by_offer(allowed, offered), Standing::Offer(helper), asker))
        }
        Err(last) => {
            let (cause, code) = match last {
                Unwanted::Declined => (RefusedCause::Declined, ResultCode::HelpeeSaidNo),
                Unwanted::NoAnswer => (RefusedCause::NoAnswer, ResultCode::HelpeeNeverResponded),
            };
            refuse(shared, peer, cause, Some(&helper.proved));
            note(line.result(code), peer);
            None
        }
    }
}

/// Who it is. An account that is named counts alone, whatever key there is: the helper chose by what to be known.
async fn verify(
    shared: &Rc<Shared>,
    line: &mut Line,
    helper: Option<KnownHelper>,
    proof: &Proof,
    peer: &Peer,
) -> Option<KnownHelper> {
    let Ok(blob) = expert_blob::parse(proof.expert_blob.expose()) else {
        if helper.is_some() {
            return malformed(shared, line, peer);
        }
        stranger_broke_off(shared, peer);
        note(line.result(ResultCode::InvalidParameterString), peer);
        return None;
    };
    // Somebody with a known key was told of when they came.
    let is_told = helper.is_some();
    let cause = match (blob.login(), helper) {
        (None, Some(helper)) => return Some(helper),
        (None, None) => Cause::OfferUnverified,
        (Some(login), _) => match by_password(shared, login.clone(), peer).await {
            Ok(Ok(helper)) => {
                if !is_told {
                    shared.report(HostEvent::ExpertConnecting { peer: peer.clone() });
                }
                return Some(helper);
            }
            // Counted and noted. A wrong password, an account that does not exist and one that is locked are one answer.
            Ok(Err(_)) => {
                note(line.wrong_password(), peer);
                return None;
            }
            Err(cause) => cause,
        },
    };
    // Without a word, as in `look_up`.
    shared.note_refusal(peer, cause, None);
    if cause != Cause::Locked {
        shared.offers.borrow_mut().failed(peer.source(), shared.now());
    }
    None
}

/// Somebody who might have shown an account's password broke the protocol instead: nothing that the novice hears of.
pub(crate) fn stranger_broke_off(shared: &Shared, peer: &Peer) {
    shared.note_refusal(peer, Cause::Protocol, None);
    shared.offers.borrow_mut().failed(peer.source(), shared.now());
}

/// Has the password checked; why not, where it is not even looked at.
async fn by_password(
    shared: &Rc<Shared>,
    login: AccountLogin,
    peer: &Peer,
) -> Result<Result<KnownHelper, Refused>, Cause> {
    let accounts = shared.accounts.as_ref().ok_or(Cause::OfferPolicy)?;
    let source = peer.source();
    let turn = accounts.turn(source).ok_or(Cause::Locked)?;
    let place = accounts.place().await.ok_or(Cause::Internal)?;
    // Both may have changed while others had the places.
    let allowed = (shared.policy)().may_offer_by_password().map_err(|_| Cause::OfferPolicy)?;
    if !shared.offers.borrow().admits(source, shared.now()) {
        return Err(Cause::Locked);
    }
    let (shared, peer) = (Rc::clone(shared), peer.clone());
    // A task of its own: a password that was tried counts, also when the helper does not wait for the answer.
    let checked = tokio::task::spawn_local(async move {
        let _turn = turn;
        let accounts = shared.accounts.as_ref()?;
        let verdict = accounts.check(allowed, place, login, peer.clone()).await;
        if let Err(refused) = &verdict {
            shared.offers.borrow_mut().failed(source, shared.now());
            shared.note_refusal(&peer, cause_of(*refused), None);
        }
        Some(verdict)
    });
    checked.await.ok().flatten().ok_or(Cause::Internal)
}

fn cause_of(refused: Refused) -> Cause {
    match refused {
        Refused::Wrong => Cause::WrongPassword,
        Refused::Account => Cause::Account,
        other => {
            tracing::error!(error = %other, "a password could not be checked");
            Cause::Internal
        }
    }
}
