//! A run of the meeting over one stream: messages with their length, each within its time.

use std::time::Duration;

use ra_rendezvous::{
    ExpertSide, HELLO, LENGTH_BYTES, MeetingError, NoviceSide, Refusal, Secret, Slip, Welcomed, length_of, with_length,
};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;

use crate::chance::Chance;
use crate::station::P2pError;

/// The novice's side up to its judgement; the reply is the caller's, since it is the one who counts.
pub(crate) async fn judge(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    secret: &Secret,
    binding: &[u8; 32],
    needs_password: bool,
) -> Result<Welcomed, P2pError> {
    let run = async {
        hear_hello(stream).await?;
        let (side, greeting) = NoviceSide::greet(secret, binding, needs_password, &mut Chance::draw()?);
        say(stream, &greeting).await?;
        let answer = hear(stream).await?;
        Ok(side.judge(&answer)?)
    };
    timeout(RUN, run).await.unwrap_or(Err(P2pError::BrokeOff))
}

/// Says no to whoever greets.
pub(crate) async fn refuse(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    refusal: Refusal,
) -> Result<(), P2pError> {
    let refusing = async {
        hear_hello(stream).await?;
        say(stream, &refusal.to_message()).await
    };
    timeout(RUN, refusing).await.unwrap_or(Err(P2pError::BrokeOff))
}

/// Asks whether a password goes with the code. The run ends there: the person types, and a new one is begun.
pub(crate) async fn needs_password(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Result<bool, P2pError> {
    let asking = async { greet(stream).await.map(|greeted| greeted.needs_password()) };
    timeout(RUN, asking).await.unwrap_or(Err(P2pError::BrokeOff))
}

/// The expert's side, to the slip that the novice hands over.
pub(crate) async fn prove(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    secret: &Secret,
    binding: &[u8; 32],
) -> Result<Slip, P2pError> {
    let run = async {
        let (side, answer) = greet(stream).await?.answer(secret, binding, &mut Chance::draw()?)?;
        say(stream, &answer).await?;
        let reply = hear(stream).await?;
        Ok(side.read(&reply)?)
    };
    timeout(RUN, run).await.unwrap_or(Err(P2pError::BrokeOff))
}

async fn greet(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Result<ra_rendezvous::Greeted, P2pError> {
    stream.write_all(HELLO).await.map_err(broke_off)?;
    stream.flush().await.map_err(broke_off)?;
    let greeting = hear(stream).await?;
    Ok(ExpertSide::greeted(&greeting)?)
}

async fn hear_hello(stream: &mut (impl AsyncRead + Unpin)) -> Result<(), P2pError> {
    let mut hello = [0; HELLO.len()];
    stream.read_exact(&mut hello).await.map_err(broke_off)?;
    if hello == *HELLO { Ok(()) } else { Err(MeetingError::Malformed.into()) }
}

pub(crate) async fn say(stream: &mut (impl AsyncWrite + Unpin), message: &[u8]) -> Result<(), P2pError> {
    stream.write_all(&with_length(message)?).await.map_err(broke_off)?;
    stream.flush().await.map_err(broke_off)
}

async fn hear(stream: &mut (impl AsyncRead + Unpin)) -> Result<Vec<u8>, P2pError> {
    let mut length = [0; LENGTH_BYTES];
    stream.read_exact(&mut length).await.map_err(broke_off)?;
    let mut message = vec![0; length_of(length)?];
    stream.read_exact(&mut message).await.map_err(broke_off)?;
    Ok(message)
}

fn broke_off(error: std::io::Error) -> P2pError {
    tracing::debug!(%error, "a meeting broke off");
    P2pError::BrokeOff
}

/// One run: nobody types meanwhile, so it takes as long as a few round trips through a relay.
const RUN: Duration = Duration::from_secs(15);
