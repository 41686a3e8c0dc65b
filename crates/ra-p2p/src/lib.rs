//! The way through every NAT.
