//! The one local socket of a workspace: JSON lines between the CLI and the daemon (D10).
//!
//! Purpose: carry requests and replies. Must not know: what they do.
//! Invariants: only root and the daemon's own user are answered; no line is longer than its bound;
//! nobody can hold a thread longer than a deadline; at most [`server::MAX_CLIENTS`] at a time.
//! A crash leaves: a dead socket file, which the next daemon of the workspace replaces.

mod client;
mod protocol;
mod server;
mod socket;

pub use client::{Client, ClientError};
pub use protocol::{
    FlushRequest, ForkRequest, Hello, InRequest, LogRequest, MAX_REPLY, MAX_REQUEST, PROTOCOL,
    PrefetchRequest, ProtocolError, Reply, Request, UmountRequest, decode, encode, read_line,
};
pub use server::{MAX_CLIENTS, Server};
