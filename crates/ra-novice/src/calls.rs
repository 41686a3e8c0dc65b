//! Calls: experts who wait until this computer dials them, because nobody can dial it (S78, S90).
//!
//! A call only replaces the way in. Whoever answers it is a stranger like anybody at a port: the expert speaks first, names
//! the ticket, proves the password, and the person is asked. Nobody is called while somebody is being helped, nor for a
//! ticket that is over.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use ra_session::invitations::TicketId;
use ra_ticket::{Endpoint, Host};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::arrival::Arrival;
use crate::event::{HostEvent, UnansweredCause};
use crate::host::{Presence, Shared};
use crate::listen;

/// An expert who is to be called for as long as a ticket is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Where the expert waits.
    pub expert: Endpoint,
    /// The ticket that it is about. Whoever answers may have come for another one, as at a port.
    pub ticket: TicketId,
}

/// Calls again and again until the ticket is over.
pub(crate) async fn keep_calling(shared: Rc<Shared>, call: Call) {
    let Call { expert, ticket } = call;
    shared.report(HostEvent::Calling { expert: expert.clone() });
    let mut pause = FIRST_PAUSE;
    let mut told = None;
    loop {
        let wanted = shared.somebody_is_wanted().await;
        if !shared.book.borrow().is_open(&ticket, shared.now()) {
            return;
        }
        let patience = if wanted == Presence::Lost { AGAIN_WITHIN } else { ANSWER_WITHIN };
        match dial(&expert, patience).await {
            Ok((stream, addr)) => {
                told = None;
                listen::prepare(&stream);
                shared.note_call(&addr.into());
                let answered =
                    tokio::task::spawn_local(listen::receive(Rc::clone(&shared), Arrival::new(stream, addr)));
                let came = tokio::select! {
                    came = answered => came.unwrap_or(false),
                    // The expert of this very connection, who waits for the next call.
                    () = shared.somebody_is_lost(), if wanted == Presence::Nobody => true,
                };
                if came {
                    pause = FIRST_PAUSE;
                }
            }
            Err(cause) if told == Some(cause) => {}
            Err(cause) => {
                told = Some(cause);
                shared.report(HostEvent::Unanswered { expert: expert.clone(), cause });
            }
        }
        if wanted == Presence::Lost {
            pause = FIRST_PAUSE;
        }
        tokio::time::sleep(pause).await;
        pause = (2 * pause).min(LONGEST_PAUSE);
    }
}

/// Opens a connection; of a name that has several addresses the one that answers first is it.
async fn dial(expert: &Endpoint, patience: Duration) -> Result<(TcpStream, SocketAddr), UnansweredCause> {
    let addresses: Vec<SocketAddr> = match &expert.host {
        Host::Ipv4(address) => vec![(*address, expert.port).into()],
        Host::Ipv6(address) => vec![(*address, expert.port).into()],
        Host::Name(name) => match tokio::net::lookup_host((name.as_str(), expert.port)).await {
            Ok(found) => found.take(MOST_ADDRESSES).collect(),
            Err(error) => {
                tracing::debug!(%expert, %error, "the name leads nowhere");
                return Err(UnansweredCause::Name);
            }
        },
    };
    if addresses.is_empty() {
        return Err(UnansweredCause::Name);
    }
    first_to_answer(addresses, patience).await.ok_or(UnansweredCause::Network)
}

/// Dials these addresses in their order, the next one when one fails or has not answered at once: an address that leads
/// nowhere, as IPv6 does in many networks, keeps nobody from being called at another. Source: RFC 8305, section 5.
async fn first_to_answer(addresses: Vec<SocketAddr>, patience: Duration) -> Option<(TcpStream, SocketAddr)> {
    let mut dialling = JoinSet::new();
    for address in addresses {
        dialling.spawn(async move {
            let answer = tokio::time::timeout(patience, TcpStream::connect(address)).await;
            match answer.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
                Ok(stream) => Some((stream, address)),
                Err(error) => {
                    tracing::debug!(%address, %error, "nobody answers");
                    None
                }
            }
        });
        if let Ok(Some(Ok(Some(answered)))) = tokio::time::timeout(HEAD_START, dialling.join_next()).await {
            return Some(answered);
        }
    }
    while let Some(done) = dialling.join_next().await {
        if let Ok(Some(answered)) = done {
            return Some(answered);
        }
    }
    None
}

/// Between the first two calls. The expert may have to type a command first.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Between two calls at last: what an expert who starts to wait has to be patient for, at four packets a minute.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// One address may take so long to answer: three tries of TCP, and the slowest of ways.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// The same after a loss: whoever was there a moment ago answers at once when the path is back, and a try that was begun
/// before that would only keep waiting.
const AGAIN_WITHIN: Duration = Duration::from_secs(2);
/// Addresses of one name that are tried.
const MOST_ADDRESSES: usize = 8;
/// Before the next address of a name is dialled too. Source: RFC 8305, section 8, Connection Attempt Delay.
const HEAD_START: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::net::{TcpListener, TcpSocket};

    use super::*;

    /// A port with a full queue: whoever dials it waits, as at an address that leads nowhere.
    async fn nobody_answers() -> (TcpListener, Vec<TcpStream>) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let listener = socket.listen(1).unwrap();
        let addr = listener.local_addr().unwrap();
        let mut queue = Vec::new();
        while let Ok(Ok(stream)) = tokio::time::timeout(HEAD_START, TcpStream::connect(addr)).await {
            queue.push(stream);
        }
        (listener, queue)
    }

    #[tokio::test]
    async fn an_address_that_does_not_answer_keeps_nobody_from_being_called_at_another() {
        let (silent, _queue) = nobody_answers().await;
        let good = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let addresses = [&silent, &good].map(|listener| listener.local_addr().unwrap());
        // As long as no test lasts: had the first one to be waited out, this would be seen.
        let answered = first_to_answer(addresses.to_vec(), Duration::from_secs(3600));
        let (_, address) = tokio::time::timeout(ANSWER_WITHIN, answered).await.unwrap().unwrap();
        assert_eq!(address, good.local_addr().unwrap());
    }

    #[tokio::test]
    async fn where_nobody_answers_at_any_address_that_is_said() {
        let (silent, _queue) = nobody_answers().await;
        let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap();
        let addresses = vec![silent.local_addr().unwrap(), closed];
        assert!(first_to_answer(addresses, HEAD_START).await.is_none());
    }
}
